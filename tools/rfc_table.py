"""The table of what an RFC asks for, who does it, and what shows it.

rfc_table.py make|check SOURCE-ROOT NUMBER

make writes docs/rfcNUMBER.md from data/rfc/rfcNUMBER.tsv. check ends with 1 when a row names a file,
function or test that is not there, a row that is done has no code or no test, or the document says
something else than the data (line numbers aside).
"""
import os
import re
import sys

COLUMNS = ["section", "level", "requirement", "state", "code", "test", "note"]
LEVELS = {"MUST", "MUST NOT", "SHOULD", "SHOULD NOT"}
STATES = {"done", "partly", "not", "n/a"}


class Places:
    """Finds `FILE:NAME` in the sources."""

    def __init__(self, root):
        self.root = root
        self.texts = {}
        self.faults = []

    def lines(self, path):
        if path not in self.texts:
            try:
                with open(os.path.join(self.root, path), encoding="utf-8") as f:
                    self.texts[path] = f.read().split("\n")
            except OSError:
                self.texts[path] = None
        return self.texts[path]

    def link(self, place, row):
        path, _, name = place.partition(":")
        lines = self.lines(path)
        short = os.path.basename(path)
        if lines is None:
            self.faults.append(f"row {row}: there is no file {path}")
            return place
        if not name:
            return f"[{short}](../{path})"
        # A definition begins at the left margin, or its name does behind a broken line.
        pattern = re.compile(rf"^(?:[A-Za-z_].*[ *])?{re.escape(name)}(?:\(|\)? ?\{{|$)")
        for number, line in enumerate(lines, 1):
            if pattern.match(line) and not line.rstrip().endswith(";"):
                return f"[{short}:{name}](../{path}#L{number})"
        self.faults.append(f"row {row}: {path} defines no {name}")
        return place


def read(path):
    with open(path, encoding="utf-8") as f:
        lines = f.read().rstrip("\n").split("\n")
    assert lines[0].split("\t") == COLUMNS, f"{path}:1: the columns are {COLUMNS}"
    rows = []
    for number, line in enumerate(lines[1:], 2):
        cells = line.split("\t")
        assert len(cells) == len(COLUMNS), f"{path}:{number}: {len(cells)} columns"
        row = dict(zip(COLUMNS, cells))
        assert row["level"] in LEVELS and row["state"] in STATES, f"{path}:{number}: level or state"
        rows.append((number, row))
    return rows


def document(number, rows, places):
    counts = {state: sum(row["state"] == state for _, row in rows) for state in ("done", "partly", "not", "n/a")}
    out = [f"# RFC {number}, requirement by requirement", "",
           f"Made by `make docs` from `data/rfc/rfc{number}.tsv`; requirements in our own words. "
           f"{len(rows)} rows: {counts['done']} done, {counts['partly']} partly, {counts['not']} not, "
           f"{counts['n/a']} cannot come up.", ""]
    undone = [row for _, row in rows if row["state"] in ("partly", "not")]
    out += ["## What is not done", "", "| section | level | requirement | state | why |", "|---|---|---|---|---|"]
    out += [f"| {r['section']} | {r['level']} | {r['requirement']} | {r['state']} | {r['note']} |" for r in undone]
    out += ["", "## All", "", "| section | level | requirement | state | code | test | note |", "|---|---|---|---|---|---|---|"]
    for line, r in rows:
        code, test = (" ".join(places.link(p, line) for p in r[kind].split()) for kind in ("code", "test"))
        if r["state"] == "done" and not (code and test):
            places.faults.append(f"row {line}: done, but {'no test' if code else 'no code'}: {r['requirement']}")
        out.append(f"| {r['section']} | {r['level']} | {r['requirement']} | {r['state']} | {code} | {test} | {r['note']} |")
    return "\n".join(out) + "\n"


def without_lines(text):
    return re.sub(r"#L\d+", "", text)


def main():
    todo, root, number = sys.argv[1:4]
    places = Places(root)
    text = document(number, read(os.path.join(root, f"data/rfc/rfc{number}.tsv")), places)
    path = os.path.join(root, f"docs/rfc{number}.md")
    for fault in places.faults:
        print(f"data/rfc/rfc{number}.tsv: {fault}")
    if todo == "make":
        with open(path, "w", encoding="utf-8") as f:
            f.write(text)
        return bool(places.faults)
    with open(path, encoding="utf-8") as f:
        fresh = without_lines(f.read()) == without_lines(text)
    if not fresh:
        print(f"docs/rfc{number}.md is not what the data says: make docs")
    return bool(places.faults) or not fresh


if __name__ == "__main__":
    sys.exit(main())
