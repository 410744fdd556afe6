#!/bin/sh
# bench.sh FOLDER
# Runs every measurement of a build folder, one after the other: each prints its own figures beside the
# limit that it measured in the same run.
set -eu
cd "$(dirname "$0")/.."
"$1/bench/bench-crypto"
echo
"$1/src/programs/ikebana" bench
