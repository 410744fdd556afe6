#!/bin/sh
# build.sh FOLDER [MESON-OPTION...]
# Sets the build folder up when it is not there or has other options, and builds all of it.
set -eu
cd "$(dirname "$0")/.."
folder=$1
shift
meson_setup() {
    if ! meson setup "$@" >"$folder.log" 2>&1; then
        cat "$folder.log" >&2
        rm -f "$folder.log"
        exit 1
    fi
    mv "$folder.log" "$folder/setup.log"
}
if [ ! -f "$folder/build.ninja" ]; then
    echo "building in $folder/"
    rm -rf "$folder"
    meson_setup "$folder" "$@"
    echo "$*" >"$folder/setup.options"
elif [ "$(cat "$folder/setup.options" 2>/dev/null)" != "$*" ]; then
    meson_setup --reconfigure "$folder" "$@"
    echo "$*" >"$folder/setup.options"
fi
# Meson, when it must run again, and ninja speak on standard output, faults included.
if ! ninja -C "$folder" --quiet >"$folder/build.log" 2>&1; then
    cat "$folder/build.log" >&2
    exit 1
fi
