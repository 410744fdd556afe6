#!/bin/sh
# bench.sh FOLDER
# Runs every measurement of a build folder, one after the other: each prints its own figures beside the
# limit that it measured in the same run.
set -eu
cd "$(dirname "$0")/.."
"$1/bench/bench-crypto"
echo
"$1/src/programs/ikebana" bench
echo
# Rekeying under load needs root and takes some minutes; fewer rekeys: bench/rekey --count 100.
if [ "$(id -u)" -eq 0 ]; then
    BUILD=$PWD/$1 bench/rekey
else
    echo "bench rekey: left out, needs root"
fi
