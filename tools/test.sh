#!/bin/bash
# test.sh
# All tests: everything with gcc, the build with clang, unit and scenario tests with the address and
# undefined-behaviour sanitizers, layout, clang-tidy, and the real peers. Goes on after a failure; the
# last line is "N passed, N failed".
set -u
cd "$(dirname "$0")/.."

passed=0 failed=0
failures=()

heading() {
    printf '\n== %s\n' "$1"
}

count() { # NAME PASSED FAILED
    passed=$((passed + $2))
    failed=$((failed + $3))
    [ "$3" -eq 0 ] || failures+=("$1: $3")
}

# One step that counts as one test, and gives its outcome.
step() { # NAME COMMAND...
    heading "$1"
    if "${@:2}"; then
        count "$1" 1 0
    else
        count "$1" 0 1
        return 1
    fi
}

# The tests of a build folder, each counted.
meson_tests() { # NAME FOLDER ARGUMENT...
    heading "$1: tests"
    rm -f "$2/meson-logs/testlog.json"
    meson test -C "$2" --no-rebuild --print-errorlogs "${@:3}"
    local numbers
    if ! numbers=$(python3 - "$2/meson-logs/testlog.json" <<'PYTHON'
import json, sys
good = bad = 0
with open(sys.argv[1], encoding="utf-8") as f:
    for line in f:
        result = json.loads(line)["result"]
        good += result in ("OK", "EXPECTEDFAIL")
        bad += result in ("FAIL", "ERROR", "TIMEOUT", "INTERRUPT", "UNEXPECTEDPASS")
print(good, bad)
PYTHON
    ); then
        numbers="0 1"
    fi
    # shellcheck disable=SC2086 # two words
    count "$1" $numbers
}

formatted() {
    find src include lib examples tests bench -name '*.[ch]' -print0 | xargs -0 clang-format --dry-run -Werror
}

# A runner of its own that prints "N passed, N failed" at the end.
runner() { # NAME COMMAND...
    heading "$1"
    local log status numbers
    log=$(mktemp)
    "${@:2}" 2>&1 | tee "$log"
    status=${PIPESTATUS[0]}
    numbers=$(sed -nE 's/^([0-9]+) passed, ([0-9]+) failed.*/\1 \2/p' "$log" | tail -n 1)
    rm -f "$log"
    [ -n "$numbers" ] || numbers=$([ "$status" -eq 0 ] && echo "1 0" || echo "0 1")
    # shellcheck disable=SC2086 # two words
    count "$1" $numbers
    if [ "$status" -ne 0 ] && [ "${numbers#* }" -eq 0 ]; then count "$1 (exit code $status)" 0 1; fi
}

step "gcc: build" env CC=gcc tools/build.sh build && meson_tests gcc build
step "clang: build" env CC=clang tools/build.sh build-clang
step "gcc with sanitizers: build" env CC=gcc tools/build.sh build-asan -Db_sanitize=address,undefined \
    -Db_lundef=false -Dwerror=false &&
    meson_tests "gcc with sanitizers" build-asan --no-suite build --no-suite examples --timeout-multiplier 4
step "clang-format" formatted
step "clang-tidy" python3 -B tools/tidy.py . build-clang
if [ -x tests/interop/run ]; then
    runner "real peers" env BUILD="$PWD/build" tests/interop/run
    # Two of Debian 12 in full; make interop has the others. Libreswan brings a kernel of its own where this one has no ESP.
    runner "matrix of peers" env BUILD="$PWD/build" tests/interop/matrix/run strongswan-5.9.8 libreswan-4.10
fi

printf '\n'
for failure in "${failures[@]+"${failures[@]}"}"; do
    printf 'failed in %s\n' "$failure"
done
printf '%d passed, %d failed\n' "$passed" "$failed"
[ "$failed" -eq 0 ]
