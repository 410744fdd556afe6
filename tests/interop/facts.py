"""Looks into the JSON of ikebana.

lines             stdin flattened to lines PATH=VALUE
get KEY           the value of KEY in the record on stdin
check FILE WANT   the record in FILE has all of WANT: lines "KEY VALUE", - for nothing

A KEY is a path (ike.suite), or cause, status, reason (as numbers), or a field of the finding that gave the cause (param,
expected, seen, nearest, at_fault, difference)."""
import json
import sys

OF_FINDING = ("param", "expected", "seen", "nearest", "difference", "at_fault", "severity", "confidence")


def flatten(value, path):
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from flatten(inner, f"{path}.{key}" if path else key)
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from flatten(inner, f"{path}.{index}" if path else str(index))
    else:
        yield path, value


def look(record, key):
    value = record
    if key in OF_FINDING:
        found = [f for f in record["findings"] if f["cause"] == record["cause"]]
        value = found[0] if found else {}
    for part in key.split("."):
        if isinstance(value, list):
            value = value[int(part)] if int(part) < len(value) else None
        else:
            value = (value or {}).get(part)
    if isinstance(value, dict) and "code" in value:
        value = value["code"]
    if isinstance(value, list):
        value = " ".join(map(str, value))
    return "-" if value is None else str(value)


def main(arguments):
    if arguments[0] == "lines":
        for path, value in flatten(json.load(sys.stdin), ""):
            print(f"{path}={value}")
    elif arguments[0] == "get":
        print(look(json.load(sys.stdin), arguments[1]))
    elif arguments[0] == "check":
        with open(arguments[1], encoding="utf-8") as f:
            record = json.load(f)
        good = True
        with open(arguments[2], encoding="utf-8") as f:
            for line in filter(str.strip, f):
                key, want = line.strip().split(None, 1)
                seen = look(record, key)
                if seen != want.strip():
                    good = False
                    print(f"{key}\n  wanted {want.strip()}\n  seen   {seen}")
        return 0 if good else 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
