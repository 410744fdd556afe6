#!/bin/sh
# build.sh FOLDER [MESON-OPTION...]
# Sets the build folder up when it is not there, and builds all of it.
set -eu
cd "$(dirname "$0")/.."
folder=$1
shift
if [ ! -f "$folder/build.ninja" ]; then
    rm -rf "$folder"
    meson setup "$folder" "$@" >"$folder.log" 2>&1 || { cat "$folder.log" >&2; rm -rf "$folder.log"; exit 1; }
    mv "$folder.log" "$folder/setup.log"
fi
exec ninja -C "$folder" --quiet
