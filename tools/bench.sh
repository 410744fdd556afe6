#!/bin/bash
# bench.sh FOLDER
# Runs every measurement of a build folder, one after the other: each prints its own figures beside the
# limit that it measured in the same run.
set -eu
cd "$(dirname "$0")/.."
bad=0
for program in "$1"/bench/bench-*; do
    [ -f "$program" ] && [ -x "$program" ] || continue
    printf '== %s\n' "${program##*/bench-}"
    "$program" || bad=$((bad + 1))
done
[ "$bad" -eq 0 ] || { echo "$bad measurements failed" >&2; exit 1; }
