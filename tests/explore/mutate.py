#!/usr/bin/env python3
"""mutate.py TABLE OUTPUT-FOLDER SOURCE...

Copies the sources with the deliberate faults of the table compiled in, each asleep until the variable
ike2_mutant has its number. A row names a fragment that stands once in its file: an expression, which
becomes `ike2_mutant == N ? (fault) : (fragment)`, or statements that are left out. What no longer
stands there is listed in missing.txt, and the test says so: the table has to follow the code.
"""
import csv
import os
import sys


def read_table(path):
    with open(path, encoding="utf-8", newline="") as table:
        rows = list(csv.DictReader(table, delimiter="\t", quoting=csv.QUOTE_NONE))
    for number, row in enumerate(rows, 1):
        row["number"] = number
        for key in ("fragment", "fault"):
            row[key] = row[key].replace("\\n", "\n")
    return rows


def expression(rows, fragment):
    text = fragment
    for row in reversed(rows):
        fault = row["fault"].replace("@", fragment)
        text = f'(ike2_mutant == {row["number"]} ? ({fault}) : ({text}))'
    return text


def main():
    table, out, sources = sys.argv[1], sys.argv[2], sys.argv[3:]
    rows = read_table(table)
    missing = []
    for source in sources:
        name = os.path.basename(source)
        with open(source, encoding="utf-8") as f:
            text = f.read()
        groups = {}
        for row in rows:
            if row["file"] == name:
                groups.setdefault(row["fragment"], []).append(row)
        for fragment, group in groups.items():
            if text.count(fragment) != 1:
                missing += [f'{row["name"]}: {text.count(fragment)} times in {name}' for row in group]
            elif group[0]["kind"] == "statement":
                # Blocks keep their declarations: a statement fragment has none.
                text = text.replace(
                    fragment, f'if (ike2_mutant != {group[0]["number"]}) {{ {fragment} }}')
            else:
                text = text.replace(fragment, expression(group, fragment))
        with open(os.path.join(out, "mutant-" + name), "w", encoding="utf-8") as f:
            f.write("extern unsigned ike2_mutant;\n" + text)
    known = {os.path.basename(source) for source in sources}
    missing += [f'{row["name"]}: no file {row["file"]}' for row in rows if row["file"] not in known]
    with open(os.path.join(out, "mutant-missing.txt"), "w", encoding="utf-8") as f:
        f.write("".join(line + "\n" for line in missing))


if __name__ == "__main__":
    main()
