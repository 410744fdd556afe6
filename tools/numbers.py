"""Makes the IKEv2 numbers and their names from data/spec/ikev2-registry.tsv.

numbers.py header REGISTRY.TSV OUT   enum constants, for "wire/numbers.h"
numbers.py names REGISTRY.TSV OUT    the tables of names in C, for src/wire/names.c

A constant is the prefix of its registry and the registered name in capitals, with "_" for what C
does not allow; where the RFC's name is too short to be read (N, D, V) the constant says the word.
Ranges (private use) have no constant.
"""
import re
import sys

# registry: (prefix of the constants, table of names or None, heading)
REGISTRIES = {
    "exchange": ("EXCHANGE_", "exchange", "exchange types"),
    "payload": ("PAYLOAD_", "payload", "payload types"),
    "header-flag": ("IKE_FLAG_", None, "flags of the IKE header"),
    "security-protocol": ("PROTOCOL_", "protocol", "security protocols"),
    "transform-type": ("TRANSFORM_", "transform_type", "transform types"),
    "transform-attribute": ("ATTRIBUTE_", None, "transform attributes"),
    "ENCR": ("", "encr", "transform type 1"),
    "PRF": ("", "prf", "transform type 2"),
    "INTEG": ("", "integ", "transform type 3"),
    "KE": ("KE_", "ke", "transform type 4, and 6 to 12"),
    "SN": ("SN_", "sn", "transform type 5: 0 is no ESN, 1 is ESN"),
    "id-type": ("", "id_type", "identification types"),
    "cert-encoding": ("CERT_", "cert_encoding", "certificate encodings"),
    "auth-method": ("AUTH_METHOD_", "auth_method", "authentication methods"),
    "notify-error": ("NOTIFY_", "notify", "notify types: errors"),
    "notify-status": ("NOTIFY_", "notify", "notify types: status"),
    "notify-private": ("NOTIFY_", "notify", "notify types: private use, as peers use them"),
    "ipcomp": ("IPCOMP_", None, "IPComp transforms"),
    "ts-type": ("", "ts_type", "traffic selector types"),
    "cfg-type": ("", "cfg_type", "configuration payload types"),
    "cfg-attribute": ("CFG_", "cfg_attribute", "configuration attributes"),
    "gateway-id": ("GATEWAY_", None, "gateway identities of REDIRECT"),
    "hash": ("HASH_", "hash", "hash algorithms of signatures"),
    "ppk-id-type": ("", None, "PPK identities"),
    "secure-password-method": ("SECURE_PASSWORD_", None, "secure password methods"),
    "eap-type": ("EAP_TYPE_", "eap_type", "EAP methods"),
    "eap-code": ("EAP_CODE_", None, "EAP codes"),
}

# Where the registered name does not make a good constant: (registry, name): constant
CONSTANTS = {
    ("payload", "Ni, Nr"): "PAYLOAD_NONCE",
    ("payload", "N"): "PAYLOAD_NOTIFY",
    ("payload", "D"): "PAYLOAD_DELETE",
    ("payload", "V"): "PAYLOAD_VENDOR",
    ("header-flag", "I"): "IKE_FLAG_INITIATOR",
    ("header-flag", "V"): "IKE_FLAG_VERSION",
    ("header-flag", "R"): "IKE_FLAG_RESPONSE",
    ("INTEG", "NONE"): "INTEG_NONE",
    ("SN", "partially transmitted 64-bit sequential"): "SN_64_BIT_SEQUENTIAL",
    ("eap-type", "EAP-AKA'"): "EAP_TYPE_AKA_PRIME",
    ("secure-password-method", "Secure PSK Authentication"): "SECURE_PASSWORD_PSK",
}
# Printed otherwise than registered.
PRINTED = {("payload", "Ni, Nr"): "Nonce"}


def rows(path):
    """(registry, number, name, rfc, note) of each single number."""
    out = []
    with open(path, encoding="utf-8") as f:
        for number, line in enumerate(f, 1):
            cells = line.rstrip("\n").split("\t")
            if number == 1 or not line.strip():
                continue
            if len(cells) != 8:
                sys.exit(f"{path}:{number}: {len(cells)} columns, 8 expected")
            if cells[0] not in REGISTRIES:
                sys.exit(f"{path}:{number}: the registry {cells[0]} is not known")
            if re.fullmatch(r"[0-9]+-[0-9]+", cells[1]):
                continue
            try:
                value = int(cells[1], 0)
            except ValueError:
                sys.exit(f"{path}:{number}: {cells[1]} is not a number")
            if not 0 <= value <= 0xFFFF:
                sys.exit(f"{path}:{number}: {cells[1]} does not fit into 16 bits")
            out.append((cells[0], value, cells[2], cells[3], cells[7]))
    return out


def constant(registry, name):
    if (registry, name) in CONSTANTS:
        return CONSTANTS[registry, name]
    if registry == "eap-type":
        name = re.sub(r"^EAP-", "", name)
    return REGISTRIES[registry][0] + re.sub(r"[^A-Z0-9]+", "_", name.upper()).strip("_")


def header(registry_rows):
    out = ["/* Generated from data/spec/ikev2-registry.tsv. */", "#ifndef IKEBANA_WIRE_NUMBERS_H",
           "#define IKEBANA_WIRE_NUMBERS_H", ""]
    seen = {}
    for registry, (_, _, heading) in REGISTRIES.items():
        out.append(f"enum {{ /* {heading} */")
        for r, value, name, rfc, _ in registry_rows:
            if r != registry:
                continue
            c = constant(r, name)
            if c in seen:
                sys.exit(f"{c} stands for {seen[c]} and for {r} {name}")
            seen[c] = f"{r} {name}"
            shown = f"0x{value:02x}" if r == "header-flag" else str(value)
            out.append(f"    {c} = {shown}," + ("" if rfc == "-" else f" /* {rfc} */"))
        out += ["};", ""]
    out += ["#endif", ""]
    return "\n".join(out)


def names(registry_rows):
    out = ["/* Generated from data/spec/ikev2-registry.tsv. */", '#include "wire/names.h"', ""]
    tables = {}
    for r, value, name, _, _ in registry_rows:
        table = REGISTRIES[r][1]
        if table:
            tables.setdefault(table, []).append((value, PRINTED.get((r, name), name)))
    for table, entries in tables.items():
        out.append(f"static const struct wire_name {table}_names[] = {{")
        out += [f'    {{{value}, "{name}"}},' for value, name in sorted(entries)]
        out += ["};", f"const struct wire_names wire_{table}_names = {{{table}_names, {len(entries)}}};", ""]
    return "\n".join(out)


def main():
    if len(sys.argv) != 4 or sys.argv[1] not in ("header", "names"):
        sys.exit(__doc__)
    make = header if sys.argv[1] == "header" else names
    text = make(rows(sys.argv[2]))
    with open(sys.argv[3], "w", encoding="utf-8") as f:
        f.write(text)


main()
