"""Writes one page of documentation for each cause.

cause_pages.py CAUSES.TSV WINERROR.TSV REGISTRY.TSV OUTDIR

A page is what a finding's "doc" names: docs/causes/<id>.md. All of it comes from the cause table, so it is made by the
build and never checked in.
"""
import os
import sys

from causes import table

PLACES = {
    "param": "*the setting that the finding names*",
    "expected": "*what was expected*",
    "seen": "*what was seen*",
    "nearest": "*the nearest candidate*",
    "peer": "*the peer*",
    "conn": "*the connection*",
    "child": "*the child*",
}
SIDES = {
    "ours": "this side",
    "peer": "the peer",
    "both": "the two sides do not agree: either may give way",
    "path": "the network between, or the peer",
    "unknown": "it cannot be told from here",
}
SEVERITIES = {
    "failure": "a failure: what was wanted did not come about, or ended",
    "warning": "a warning: it works now, and will not quite do what is wanted",
    "notice": "a notice: nothing is wrong",
}


def fill(text):
    for name, words in PLACES.items():
        text = text.replace("{" + name + "}", words)
    return text


def likely(text):
    parts = [part.split(". ", 1)[-1].strip() for part in text.split("   ")]
    return [f"{number}. {part}" for number, part in enumerate(parts, 1)]


def page(cause, causes, codes, notifies):
    reason = codes[cause["reason"]]
    status = ("13804 `ERROR_IPSEC_IKE_GENERAL_PROCESSING_ERROR`" if cause["processing"] == "yes" else
              "13800 `ERROR_IPSEC_IKE_NEG_STATUS_BEGIN` in IKE_SA_INIT and IKE_AUTH, "
              "13897 `ERROR_IPSEC_IKE_NEG_STATUS_END` later, none outside a negotiation")
    if cause["severity"] != "failure":
        status = "none by itself"
    lines = [f"# {cause['sentence'][0].upper()}{cause['sentence'][1:]}", "",
             f"`{cause['id']}` is {SEVERITIES[cause['severity']]}.", "",
             "| | |", "|---|---|",
             f"| status | {status} |",
             f"| reason | {reason['decimal']} {reason['hex']} `{cause['reason']}` |",
             f"| at fault | {SIDES[cause['side']]} |"]
    if cause["notify"] != "-":
        lines.append(f"| what the peer is told | {cause['notify']} ({notifies[cause['notify']]}) |")
    if cause["likely"] != "-":
        lines += ["", "## What it may come from", "", *likely(cause["likely"]), "",
                  "A record ranks this list by what it knows, and may know better."]
    if cause["fix"] != "-":
        lines += ["", "## What to do", "", fill(cause["fix"]) + "."]
    alike = [c["id"] for c in causes if c["reason"] == cause["reason"] and c["id"] != cause["id"]]
    if alike:
        lines += ["", "## With the same reason", "", *[f"* [`{other}`]({other}.md)" for other in alike]]
    lines += ["", f"On the command line: `ikebana explain {cause['id']}`, `ikebana explain {reason['decimal']}`.", ""]
    return "\n".join(lines)


def main():
    causes_tsv, winerror_tsv, registry_tsv, out = sys.argv[1:]
    causes = table(causes_tsv)
    codes = {r["symbol"]: r for r in table(winerror_tsv)}
    notifies = {r["name"]: r["number"] for r in table(registry_tsv) if r["registry"].startswith("notify")}
    os.makedirs(out, exist_ok=True)
    for cause in causes:
        with open(os.path.join(out, cause["id"] + ".md"), "w", encoding="utf-8") as f:
            f.write(page(cause, causes, codes, notifies))


if __name__ == "__main__":
    main()
