"""Makes the table of proposal keywords in C from data/spec/proposal-keywords.tsv.

keywords.py KEYWORDS.TSV OUT

A row that is the name of a transform when it is printed has is_name set: one per transform, the
first that is not only another spelling. The patterns keN_<keyword> are the parser's own.
"""
import sys

PROTOCOLS = {"ike": "KEYWORD_IKE", "esp": "KEYWORD_ESP", "ah": "KEYWORD_AH"}
# Other spellings: understood, never printed.
SPELLINGS = {"sha", "curve25519", "curve448", "modpnone"}


def main():
    with open(sys.argv[1], encoding="utf-8") as f:
        lines = [line.rstrip("\n").split("\t") for line in f if line.strip()]
    names = lines[0]
    out = ["/* Generated from data/spec/proposal-keywords.tsv. */", '#include "policy/keywords.h"', "",
           "const struct keyword policy_keywords[] = {"]
    named = set()
    for line in lines[1:]:
        row = dict(zip(names, line))
        word = row["keyword"]
        if "<" in word:
            continue
        bits = "0" if row["key_bits"] == "-" else row["key_bits"]
        transform = (row["transform_type"], row["id"], bits)
        is_gone = row["since"].startswith("until")
        is_name = (transform not in named and word not in SPELLINGS and not row["note"].startswith("same as")
                   and not is_gone)
        if is_name:
            named.add(transform)
        protocols = " | ".join(PROTOCOLS[p] for p in row["protocols"].split(","))
        out.append(f'    {{"{word}", {row["transform_type"]}, {row["id"]}, {bits}, {protocols}, '
                   f'{"true" if is_name else "false"}, {"true" if is_gone else "false"}}},')
    out += ["};", "", "const size_t policy_keyword_count = sizeof policy_keywords / sizeof policy_keywords[0];", ""]
    with open(sys.argv[2], "w", encoding="utf-8") as f:
        f.write("\n".join(out))


main()
