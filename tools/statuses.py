"""Makes the static status tables from data/status/*.tsv and data/spec/ikev2-registry.tsv.

statuses.py statuses WINERROR.TSV ALIASES.TSV OUT     the catalogue and the aliases
statuses.py neighbours RAS.TSV WIRE.TSV MAP.TSV REGISTRY.TSV OUT   what explain knows beside it
statuses.py doc WINERROR.TSV ALIASES.TSV RAS.TSV PROSE.MD OUT      docs/status.md, behind its prose
"""
import re
import sys

from causes import quote, table

# NTSTATUS twins of the data plane codes: 0xC0360001 … are 13910 … in the same order; those of the
# DoS protection have a gap at 13931.
NTSTATUS = {13910 + i: 0xC0360001 + i for i in range(9)}
NTSTATUS.update({13925 + i: 0xC0368000 + i for i in range(6)})
NTSTATUS[13932] = 0xC0368006

MARK = "<!-- The tables below are made by tools/statuses.py. -->"


ORIGIN = "the error reference that this project started from"


def told(text):
    """A comment as users read it: without the sentences that tell implementers what to do."""
    text = re.sub(r"sibling of the origin page", "another page of " + ORIGIN, text)
    text = re.sub(r"([Tt]he )?origin page", lambda m: ORIGIN[0].upper() + ORIGIN[1:] if m[0][0] == "T" else ORIGIN, text)
    sentences = re.split(r"(?<=\.) (?=[A-Z])", text)
    kept = [x for x in sentences if not re.match(r"(Accept|Do not accept|Emitted) ", x)]
    return " ".join(kept).strip()


def basis_of(text):
    return "IKEBANA_" + ("DOCUMENTED" if text.startswith("[") else text.upper())


def statuses(winerror, aliases):
    by_symbol = {r["symbol"]: r for r in winerror}
    by_code = {r["decimal"]: r for r in winerror}
    rows = sorted(winerror, key=lambda r: int(r["decimal"]))
    out = ["/* Generated from data/status/winerror-ipsec.tsv and aliases.tsv. */", '#include "finding/status.h"', "",
           "static const struct ikebana_status status_rows[] = {"]
    for r in rows:
        if int(r["hex"], 16) != int(r["decimal"]):
            sys.exit(f"{r['symbol']}: {r['hex']} is not {r['decimal']}")
        out.append(f"    {{{r['decimal']}, {quote(r['symbol'])}, {quote(r['phase'])}, {quote(r['meaning'])}, "
                   f"{quote(told(r['ikev2_condition']))}, {quote(r['applies_to'])}, {basis_of(r['mapping_basis'])}}},")
    out += ["};", "", "static const struct ntstatus_row ntstatus_rows[] = {"]
    out += [f"    {{0x{twin:08X}, {code}}}," for code, twin in sorted(NTSTATUS.items())]
    out += ["};", "", "static const struct finding_alias alias_rows[] = {"]
    for a in aliases:
        named = a["canonical_code_for_symbol"]
        if named == "-" and a["code"] in by_code:
            named = a["code"]
        if named == "-":
            near = [w for w in re.findall(r"[A-Z][A-Z_]{8,}", a["comment"]) if w in by_symbol]
            if not near:
                sys.exit(f"aliases.tsv: {a['symbol']} leads to no status")
            named = by_symbol[near[0]]["decimal"]
        kind = "TEXT" if a["verdict"] == "message-text" else "NAME"
        tells_number = a["verdict"] in ("agrees", "wrong-number", "historic", "unknown-symbol")
        other = named if a["verdict"] in ("wrong-number", "historic") and named != a["code"] else "0"
        of_number = ""
        if tells_number:
            is_own_name = by_code.get(a["code"], {}).get("symbol") == a["symbol"]
            comment = told(a["comment"])
            of_number = comment if is_own_name else f"also met as {a['symbol']} ({told(a['source'])}): {comment}"
        out.append(f"    {{ALIAS_{kind}, {quote(a['symbol'])}, {a['code']}, {named}, {other}, "
                   f"{quote(told(a['source']))}, {quote(a['verdict'])}, {quote(told(a['comment']))}, "
                   f"{quote(of_number)}}},")
    out += ["};", ""]
    return "\n".join(out)


def neighbours(ras, wire, cases, registry):
    out = ["/* Generated from data/status/ras-errors.tsv, wire-status.tsv, ikev2-notify-map.tsv and",
           " * data/spec/ikev2-registry.tsv. */", '#include "finding/tables.h"', "",
           "static const struct finding_ras ras_rows[] = {"]
    for r in sorted(ras, key=lambda r: int(r["decimal"])):
        status = "0" if r["likely_ike_status"] == "-" else r["likely_ike_status"]
        out.append(f"    {{{r['decimal']}, {status}, {quote(r['symbol'])}, {quote(r['meaning'])}, "
                   f"{quote(r['comment'])}, {basis_of(r['basis'])}}},")
    out += ["};", "", "static const struct finding_wire_status wire_rows[] = {"]
    for w in wire:
        out.append(f"    {{{w['notify_type']}, {quote(w['protocol'])}, {quote(w['name'])}, {quote(w['data'])}, "
                   f"{quote(w['source'])}}},")
    out += ["};", "", "static const struct finding_case case_rows[] = {"]
    for m in cases:
        number = "0" if m["notify_type"] == "-" else m["notify_type"]
        status = m["status"] if m["status"].isdigit() else "0"
        out.append(f"    {{{number}, {status}, {quote(m['event'])}, {quote(m['exchange'])}, {quote(m['comment'])}, "
                   f"{basis_of(m['basis'])}}},")
    out += ["};", "", "static const struct finding_notify notify_rows[] = {"]
    notifies = [r for r in registry if r["registry"].startswith("notify") and r["number"].isdigit()]
    for n in sorted(notifies, key=lambda n: int(n["number"])):
        is_error = n["registry"] == "notify-error" or (n["registry"] == "notify-private" and int(n["number"]) < 16384)
        out.append(f"    {{{n['number']}, {'true' if is_error else 'false'}, {quote(n['name'])}, {quote(n['rfc'])}, "
                   f"{quote(n['note'])}}},")
    out += ["};", ""]
    return "\n".join(out)


def cell(text):
    return ("" if text == "-" else text).replace("|", "\\|")


def doc(winerror, aliases, ras, prose):
    out = [prose.split(MARK)[0].rstrip("\n"), "", MARK, "", "## All statuses", "",
           "| code | hex | symbol | meaning | in IKEv2 | applies to | basis |", "|---|---|---|---|---|---|---|"]
    out += [f"| {r['decimal']} | {r['hex']} | `{r['symbol']}` | {cell(r['meaning'])} | {cell(told(r['ikev2_condition']))} | "
            f"{r['applies_to']} | {r['mapping_basis']} |" for r in winerror]
    out += ["", "## Names and numbers that are not what they seem", "",
            "| met as | number | where | what it is |", "|---|---|---|---|"]
    out += [f"| `{a['symbol']}` | {a['code']} | {cell(told(a['source']))} | {cell(told(a['comment']))} |" for a in aliases]
    out += ["", "## Errors of the dial-up layer (RAS)", "", "| code | symbol | meaning | likely IKE status |",
            "|---|---|---|---|"]
    out += [f"| {r['decimal']} | `{r['symbol']}` | {cell(r['meaning'])} | {cell(r['likely_ike_status'])} "
            f"{cell(r['ike_symbol'])} |" for r in ras]
    return "\n".join(out) + "\n"


def main():
    kind, files = sys.argv[1], sys.argv[2:-1]
    if kind == "doc":
        with open(files[-1], encoding="utf-8") as f:
            text = doc(*[table(name) for name in files[:-1]], f.read())
    else:
        text = {"statuses": statuses, "neighbours": neighbours}[kind](*[table(name) for name in files])
    with open(sys.argv[-1], "w", encoding="utf-8") as f:
        f.write(text)


main()
