# A thin front: each target installs what it needs (tools/setup.sh) and calls Meson or a script.
PREFIX ?= /usr/local
DESTDIR ?=
MODE ?= peer
HOURS ?= 1000
SEED ?= 1
export DESTDIR

all:
	@tools/setup.sh check
	@tools/build.sh build

check: all
	@meson test -C build --no-rebuild --print-errorlogs --suite unit

test:
	@tools/setup.sh test $(if $(wildcard tests/interop/run),interop)
	@tools/test.sh

# All peers with all cases, and docs/interop.md made of it.
interop:
	@tools/setup.sh check interop
	@tools/build.sh build
	@tests/interop/matrix/run --table docs/interop.md

demo:
	@tools/setup.sh demo
	@tools/build.sh build
	@demo/run $(MODE)

bench:
	@tools/setup.sh bench
	@tools/build.sh build-bench --buildtype=release -Dtests=false
	@tools/bench.sh build-bench

# Every delivery order of two engines with up to two faults: long. Writes docs/exploration.md.
explore:
	@tools/setup.sh check
	@tools/build.sh build
	@build/tests/explore/explore --deep --faults 2 --doc docs/exploration.md

fuzz:
	@tools/setup.sh fuzz
	@tools/fuzz.sh

# Two engines for a thousand simulated hours of rekeying, loss and reordering.
soak:
	@tools/setup.sh check
	@tools/build.sh build
	@build/tests/soak/soak --hours $(HOURS) --seed $(SEED)

# The documents that are made from data and code.
docs:
	@python3 -B tools/rfc_table.py make . 7296

# The static analyzer of clang: minutes, and some of what it says is not so.
analyze:
	@tools/setup.sh test
	@CC=clang tools/build.sh build-clang
	@python3 -B tools/tidy.py . build-clang --analyze

install:
	@tools/setup.sh install
	@tools/build.sh build-install --buildtype=release -Dtests=false -Dprefix=$(PREFIX) -Dlibdir=lib
	@meson install -C build-install --no-rebuild --quiet
	@if [ -z "$(DESTDIR)" ] && [ "$$(id -u)" -eq 0 ]; then ldconfig; fi

clean:
	rm -rf build build-*

.PHONY: all check test interop demo bench explore fuzz docs analyze install clean soak
