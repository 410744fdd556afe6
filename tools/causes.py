"""Makes the cause enumeration and the cause rows from data/causes.tsv.

causes.py header CAUSES.TSV OUT        enum cause
causes.py rows CAUSES.TSV WINERROR.TSV REGISTRY.TSV OUT   the table in C
"""
import re
import sys


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


def enum_name(cause_id):
    return "CAUSE_" + re.sub(r"[.-]", "_", cause_id).upper()


def quote(text):
    return '"' + ("" if text == "-" else text).replace("\\", "\\\\").replace('"', '\\"') + '"'


def header(causes):
    out = ["/* Generated from data/causes.tsv. */", "#ifndef IKEBANA_CAUSES_H", "#define IKEBANA_CAUSES_H",
           "", "enum cause {"]
    out += [f"    {enum_name(c['id'])}, /* {c['sentence']} */" for c in causes]
    out += ["    CAUSE_COUNT", "};", "", "#endif", ""]
    return "\n".join(out)


def rows(causes, winerror, registry):
    code = {r["symbol"]: r["decimal"] for r in winerror}
    notify = {r["name"]: r["number"] for r in registry if r["registry"].startswith("notify")}
    out = ["/* Generated from data/causes.tsv and data/status/winerror-ipsec.tsv. */",
           "#include <ikebana/finding.h>", "", "static const struct cause_row cause_rows[CAUSE_COUNT] = {"]
    for c in causes:
        if c["reason"] not in code:
            sys.exit(f"{c['id']}: no status is called {c['reason']}")
        if c["notify"] != "-" and c["notify"] not in notify:
            sys.exit(f"{c['id']}: no notify is called {c['notify']}")
        out.append(f"    [{enum_name(c['id'])}] = {{{enum_name(c['id'])}, {quote(c['id'])}, {code[c['reason']]}, "
                   f"{notify.get(c['notify'], '0')}, SEVERITY_{c['severity'].upper()}, SIDE_{c['side'].upper()}, "
                   f"{'true' if c['processing'] == 'yes' else 'false'}, {quote(c['sentence'])}, "
                   f"{quote(c['fix'])}, {quote(c['likely'])}, {quote('docs/causes/' + c['id'] + '.md')}}},")
    out += ["};", ""]
    return "\n".join(out)


def main():
    if sys.argv[1] == "header":
        text = header(table(sys.argv[2]))
    else:
        text = rows(table(sys.argv[2]), table(sys.argv[3]), table(sys.argv[4]))
    with open(sys.argv[-1], "w", encoding="utf-8") as f:
        f.write(text)


if __name__ == "__main__":
    main()
