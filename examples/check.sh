#!/bin/sh
# check.sh EXIT-CODE TEXT PROGRAM ARGUMENT...
# The program must end with that code and print that text.
code=$1 text=$2
shift 2
out=$("$@" 2>&1)
got=$?
printf '%s\n' "$out"
if [ "$got" -ne "$code" ]; then
    echo "exit code $got, $code expected" >&2
    exit 1
fi
case $out in
*"$text"*) exit 0 ;;
esac
echo "missing: $text" >&2
exit 1
