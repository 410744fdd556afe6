#!/bin/bash
# fuzz.sh [TARGET...]
# Runs each fuzz target (or those named) for FUZZ_SECONDS (60) over its corpus in tests/fuzz/corpus. New
# inputs stay in build-fuzz/new, inputs that broke something in build-fuzz/found.
set -eu
cd "$(dirname "$0")/.."
seconds=${FUZZ_SECONDS:-60}
CC=clang tools/build.sh build-fuzz -Dfuzz=true -Db_lundef=false --buildtype=debugoptimized
mkdir -p build-fuzz/found
bad=0
for program in build-fuzz/tests/fuzz/fuzz-*; do
    [ -f "$program" ] && [ -x "$program" ] || continue
    name=${program##*/fuzz-}
    if [ $# -gt 0 ]; then
        case " $* " in *" $name "*) ;; *) continue ;; esac
    fi
    mkdir -p "build-fuzz/new/$name"
    echo "== $name, $seconds s"
    if ! "$program" -max_total_time="$seconds" -print_final_stats=1 -verbosity=0 \
        -artifact_prefix="build-fuzz/found/$name-" "build-fuzz/new/$name" "tests/fuzz/corpus/$name"; then
        bad=$((bad + 1))
    fi
done
echo "$bad targets found something"
[ "$bad" -eq 0 ]
