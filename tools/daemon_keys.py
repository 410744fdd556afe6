"""Makes the table of strongswan.conf's keys from data/spec/strongswan-conf.tsv.

daemon_keys.py STRONGSWAN-CONF.TSV OUT
"""
import sys

VERDICTS = {"read", "idle", "never"}
TYPES = {"ms", "real", "number", "time", "bool", "text", "any"}
SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


def quote(text):
    return '"' + ("" if text == "-" else text).replace("\\", "\\\\").replace('"', '\\"') + '"'


def value(text, kind):
    """What the field holds for a text of the table."""
    if kind == "bool":
        return {"yes": "1", "no": "0"}[text]
    if kind == "time" and text[-1] in SECONDS:
        return repr(float(int(text[:-1]) * SECONDS[text[-1]]))
    return repr(float(text) * (1000 if kind == "ms" else 1))


def main():
    with open(sys.argv[1], encoding="utf-8") as f:
        lines = [line.rstrip("\n") for line in f if line.strip()]
    names = lines[0].split("\t")
    out = ["/* Generated from data/spec/strongswan-conf.tsv. */", "#include <stddef.h>", "",
           '#include "policy/daemon_keys.h"', "", "const struct daemon_key daemon_keys[] = {"]
    for number, line in enumerate(lines[1:], 2):
        cells = line.split("\t")
        if len(cells) != len(names):
            sys.exit(f"{sys.argv[1]}:{number}: {len(cells)} columns, {len(names)} expected")
        row = dict(zip(names, cells))
        kind, verdict = row["type"], row["verdict"]
        if verdict not in VERDICTS or kind not in TYPES:
            sys.exit(f"{sys.argv[1]}:{number}: unknown verdict or type")
        cells = [quote(row["key"]), f"DAEMON_KEY_{verdict.upper()}", f"DAEMON_VALUE_{kind.upper()}"]
        if verdict == "read":
            bounded = kind != "bool"
            cells += [value(row["least"], kind) if bounded else "0",
                      value(row["most"], kind) if bounded else "1",
                      value(row["default"], kind),
                      f"offsetof(struct daemon_conf, {row['field']})",
                      f"sizeof ((struct daemon_conf *)0)->{row['field']}"]
        else:
            cells += ["0", "0", "0", "0", "0"]
        cells += [quote(row["as"]), quote(row["least"]), quote(row["most"]), quote(row["note"])]
        out.append("    {" + ", ".join(cells) + "},")
    out += ["};", "const size_t daemon_key_count = sizeof daemon_keys / sizeof daemon_keys[0];", ""]
    with open(sys.argv[2], "w", encoding="utf-8") as f:
        f.write("\n".join(out))


main()
