"""Writes docs/interop.md of what the matrix has found.

table.py FOLDER PEERS CASES OUT: FOLDER has PEER.tsv (case, role, outcome, remark), PEER.version, PEER.where and
PEER.broken of tests/interop/matrix/run; PEERS is peers.tsv; CASES is a file of "NAME TOPOLOGY TITLE" lines."""
import pathlib
import sys

HEAD = """<!-- Written by `make interop`; not to be edited. -->
# Interoperability

Every case with every peer, each a Debian package as it is, from both sides. `make interop` makes this table; how, and how to
add a peer or a case, stands in [tests/interop/README.md](../tests/interop/README.md). strongSwan is tested in more depth
besides (`tests/interop/run`).

The role says which side does what the case is about: who brings the SA up, rekeys, deletes, offers more selectors, has the
wrong secret refused, sits behind the NAT, dies. **ok**: as the case wants it; where something is to be refused, our record
tells the cause that the case expects. Under traffic means: pings every 20 ms during the rekeying, none lost. A number refers
to a remark below; **cannot**: the peer has no means for it; **fault**: it fails for a fault of the peer, and the evidence is
what our record says of it; **FAIL**: does not work. A fault that is no longer seen is a FAIL too.
"""


def rows(path):
    for line in path.read_text(encoding="utf-8").splitlines():
        fields = line.split("\t")
        yield (fields + [""] * 4)[:4]


def main(folder, peers_tsv, cases, out):
    folder = pathlib.Path(folder)
    peers = []
    names = None
    for line in pathlib.Path(peers_tsv).read_text(encoding="utf-8").splitlines():
        if line.startswith("#"):
            continue
        fields = line.split("\t")
        if names is None:
            names = fields
        else:
            peers.append(dict(zip(names, fields)))
    titles = [line.split(None, 2) for line in pathlib.Path(cases).read_text(encoding="utf-8").splitlines() if line.strip()]
    cells, versions, broken = {}, {}, {}
    for peer in peers:
        key = peer["key"]
        if (folder / f"{key}.tsv").exists():
            for case, role, outcome, remark in rows(folder / f"{key}.tsv"):
                cells[case, role, key] = (outcome, remark)
        for name, store in (("version", versions), ("broken", broken)):
            path = folder / f"{key}.{name}"
            if path.exists():
                store[key] = path.read_text(encoding="utf-8").strip()

    notes = {}  # text: number, in the order of the table

    def note(text):
        return notes.setdefault(text, len(notes) + 1)

    lines = ["| case | role | " + " | ".join(p["title"] for p in peers) + " |"]
    lines.append("|---|---|" + "---|" * len(peers))
    count = {"ok": 0, "cannot": 0, "fault": 0, "FAIL": 0}
    for case, _, title in titles:
        for role in ("ours", "peer"):
            line = [title if role == "ours" else "", role]
            for peer in peers:
                outcome, remark = cells.get((case, role, peer["key"]), ("FAIL", "not run"))
                count[outcome] += 1
                shown = f"**{outcome}**" if outcome in ("FAIL", "fault") else outcome
                line.append(f"{shown} [{note(remark)}]" if remark else shown)
            lines.append("| " + " | ".join(line) + " |")
    text = HEAD + "\n" + "\n".join(lines) + "\n\n"
    text += f"{count['ok']} ok, {count['cannot']} that a peer cannot, {count['fault']} faults of a peer, {count['FAIL']} failed.\n"
    text += "\n## Remarks\n\n" + "".join(f"{n}. {t}\n" for t, n in notes.items())
    text += "\n## Peers\n\n| peer | says of itself | Debian | ESP of the peer | with |\n|---|---|---|---|---|\n"
    numbers = {"bookworm": "12", "trixie": "13"}
    for peer in peers:
        esp = "user space, in UDP" if peer["kernel"] == "any" else "kernel"
        text += (f"| {peer['title']} | {versions.get(peer['key'], '-')} | {numbers.get(peer['release'], peer['release'])} "
                 f"| {esp} | {peer['packages'].split()[0]} |\n")
    for key, why in broken.items():
        text += f"\n**{key}**: {why}.\n"
    pathlib.Path(out).write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
