"""Makes the table of swanctl.conf's keys from data/spec/swanctl.tsv (what there is) and
data/spec/swanctl-served.tsv (what of it is served).

swanctl_keys.py SWANCTL.TSV SERVED.TSV OUT
"""
import re
import sys

TYPES = {"bool": "BOOL", "enum": "ENUM", "action": "ENUM", "time": "TIME", "time32": "TIME",
         "bytes": "BYTES", "uint32": "UINT32", "uint64": "UINT64", "bin6": "BIN6", "ifid": "IFID",
         "mark": "MARK", "tfc": "TFC", "section": "SECTION", "secret": "SECRET"}


def table(path):
    with open(path, encoding="utf-8") as f:
        lines = [line.rstrip("\n") for line in f if line.strip()]
    names = lines[0].split("\t")
    rows = []
    for number, line in enumerate(lines[1:], 2):
        cells = line.split("\t")
        if len(cells) != len(names):
            sys.exit(f"{path}:{number}: {len(cells)} columns, {len(names)} expected")
        rows.append(dict(zip(names, cells)))
    return rows


def quote(text):
    return '"' + ("" if text == "-" else text).replace("\\", "\\\\").replace('"', '\\"') + '"'


def words(row):
    """The words of an enumeration: "yes|accept|force|no"."""
    if row["type"] == "action":
        return "none|clear|trap|route|start|restart"
    if row["type"] != "enum":
        return "-"
    text = row["syntax"].replace(" (case-insensitive)", "").replace(" ", "")
    if not re.fullmatch(r"[a-z0-9_|]+", text):
        sys.exit(f"{row['path']}: cannot read its words: {row['syntax']}")
    return text


def split(path):
    scope, _, name = path.rpartition(".")
    return scope, name


def main():
    keys, served = table(sys.argv[1]), {r["path"]: r for r in table(sys.argv[2])}
    for path in served.keys() ^ {k["path"] for k in keys}:
        sys.exit(f"{path}: is in one of the two tables only")
    out = ["/* Generated from data/spec/swanctl.tsv and data/spec/swanctl-served.tsv. */",
           '#include "policy/keys.h"', "", "const struct policy_key policy_keys[] = {"]
    # connections.<conn>.children has no row of its own, only its sections have
    inside = {split(k["path"])[0] for k in keys} - {k["path"] for k in keys} - {""}
    for path in sorted(inside):
        scope, name = split(path)
        out.append(f'    {{{quote(scope)}, {quote(name)}, false, KEY_SECTION, KEY_READ, "", "", ""}},')
    for key in keys:
        how = served[key["path"]]
        if how["served"] not in ("read", "when", "never"):
            sys.exit(f"{key['path']}: served is read, when or never")
        scope, name = split(key["path"])
        prefix = name.endswith("<suffix>")
        name = name.removesuffix("<suffix>")
        kind = TYPES.get(key["type"], "LIST" if key["vici"] in ("list", "blob-list") else "TEXT")
        out.append(f"    {{{quote(scope)}, {quote(name)}, {'true' if prefix else 'false'}, KEY_{kind}, "
                   f"KEY_{how['served'].upper()}, {quote(how['as'])}, {quote(words(key))}, "
                   f"{quote(key['default'])}}},")
    out += ["};", "const size_t policy_key_count = sizeof policy_keys / sizeof policy_keys[0];", ""]
    with open(sys.argv[-1], "w", encoding="utf-8") as f:
        f.write("\n".join(out))


main()
