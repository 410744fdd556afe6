/* An IKEv2 message as octets: header, payload chain, SK. RFC 7296 3.1, 3.2, 3.14; RFC 7383 2.5.
 *
 * Parsing knows octets, not policy: it decides nothing and changes no SA. Everything handed out
 * points into the message. Each payload's parse and write stand together in a file of their own
 * (sa.c, ke.c, id.c, notify.c, …); numbers come from the generated wire/numbers.h. */
#ifndef IKEBANA_WIRE_WIRE_H
#define IKEBANA_WIRE_WIRE_H

#include "base/arena.h"
#include "wire/numbers.h"

enum {
    WIRE_HEADER_LEN = 28,
    WIRE_PAYLOAD_HEADER_LEN = 4,
    WIRE_MESSAGE_MAX = 65535,
    WIRE_PAYLOADS_MAX = 64, /* more is refused as bad syntax: no honest message comes near */
};

struct ike_header {
    uint64_t spi_i, spi_r;
    uint8_t next_payload;
    uint8_t version; /* major << 4 | minor */
    uint8_t exchange;
    uint8_t flags; /* IKE_FLAG_INITIATOR, IKE_FLAG_RESPONSE, IKE_FLAG_VERSION */
    uint32_t message_id;
    uint32_t length;
};

struct payload {
    uint8_t type;
    bool is_critical;
    uint32_t offset;  /* of the payload's generic header, in the (decrypted) message */
    struct span body; /* without the generic header */
};

/* Where and what went wrong, for the finding's evidence. */
struct wire_error {
    uint32_t offset;  /* of the field at fault, in the (decrypted) message */
    uint8_t payload;  /* type, 0 = header */
    const char *what; /* static text: "payload length 3 is shorter than its header" */
};

struct message {
    struct ike_header header;
    struct payload payloads[WIRE_PAYLOADS_MAX];
    size_t payload_count;
    /* The SK or SKF payload if there is one; it is not among payloads[] and is always last. */
    bool has_sk, is_fragment;
    uint8_t sk_first_payload;     /* next payload inside; in a later fragment 0 */
    uint16_t fragment, fragments; /* SKF: number from 1, total */
    uint32_t sk_offset;           /* of the SK generic header */
    struct span sk_aad; /* from the header up to and with the SK(F) header: what is authenticated */
    struct span sk_body; /* IV, ciphertext, ICV */
    /* Whoever joins fragments puts here what SK would hold, and how many octets came for it. */
    struct span joined;
    uint32_t joined_size;
};

/* Header only: for the decision on the raw datagram. false: shorter than a header, or the length
 * field differs from the datagram's. Versions are not judged. */
bool wire_parse_header(struct span datagram, struct ike_header *out, struct wire_error *why);

/* Header and the chain of clear payloads. Payloads of unknown types are kept; reserved bits and,
 * for known types, the critical bit mean nothing. false: out still has the header if there is one,
 * and the payloads before the fault, but never an SK. */
bool wire_parse_message(struct span datagram, struct message *out, struct wire_error *why);

/* The payloads inside a decrypted SK, appended to m->payloads. plain must outlive m. `offset` of
 * each payload counts from the message's start as if SK's content stood in clear behind the SK
 * header (for the joined content of fragments: behind an SK header where the first SKF stands).
 * false: m is as before. */
bool wire_parse_inner(struct message *m, uint8_t first, struct span plain, struct wire_error *why);

/* First payload of a type; NULL: none. */
const struct payload *wire_find(const struct message *m, uint8_t type);
size_t wire_count(const struct message *m, uint8_t type);

/* Writing. wire_begin() writes the header with length and next payload 0 and the version flag
 * clear; each wire_open_payload() patches the "next payload" of what stands before; wire_end()
 * patches the length:
 *
 *   struct message_writer mw = wire_begin(&w, &header);
 *   struct gap g = wire_open_payload(&mw, PAYLOAD_NONCE, false);
 *   wire_write_nonce(mw.w, nonce);
 *   wire_close_payload(&mw, g);
 *   wire_end(&mw);
 *
 * Ask once, at the end: w.full. */
struct message_writer {
    struct writer *w;
    size_t start;   /* of the header in w */
    size_t next_at; /* where the next payload's type is to be patched */
    uint8_t *first; /* wire_begin_inner() before the first payload: its type goes here instead */
};

struct message_writer wire_begin(struct writer *w, const struct ike_header *h);
struct gap wire_open_payload(struct message_writer *m, uint8_t type, bool is_critical);
void wire_close_payload(struct message_writer *m, struct gap gap);
/* After wire_begin() only. A message that is too long for UDP makes the writer full. */
void wire_end(struct message_writer *m);

/* A chain of payloads without IKE header, for the inside of SK: *first gets the first type, 0 while
 * there is no payload. Keeps the pointer until then. */
struct message_writer wire_begin_inner(struct writer *w, uint8_t *first);

/* The header, the SK generic header with `first` as next payload and the final lengths for a body
 * of body_len octets (IV, ciphertext with padding and pad length, ICV). The caller seals what
 * follows. */
void wire_write_sk_headers(struct writer *w, const struct ike_header *h, uint8_t first,
                           size_t body_len);
/* The same for a fragment, RFC 7383 2.5; first is 0 except for fragment 1. */
void wire_write_skf_headers(struct writer *w, const struct ike_header *h, uint8_t first,
                            uint16_t fragment, uint16_t fragments, size_t body_len);

/* Names as printed: "IKE_AUTH", "SA", "NO_PROPOSAL_CHOSEN", "ENCR_AES_GCM_16"; numbers that are not
 * known give "14" or so through the arena. Never NULL. */
const char *wire_exchange_name(uint8_t exchange, struct arena *a);
const char *wire_payload_name(uint8_t type, struct arena *a);
const char *wire_notify_name(uint16_t type, struct arena *a);
const char *wire_transform_name(uint8_t transform_type, uint16_t id, struct arena *a);
const char *wire_transform_type_name(uint8_t transform_type, struct arena *a); /* "ENCR" */
const char *wire_protocol_name(uint8_t protocol, struct arena *a);             /* "ESP" */
const char *wire_id_type_name(uint8_t type, struct arena *a);                  /* "ID_FQDN" */
const char *wire_auth_method_name(uint8_t method, struct arena *a);     /* "SHARED_KEY_MIC" */
const char *wire_cert_encoding_name(uint8_t encoding, struct arena *a); /* "X509_SIGNATURE" */
const char *wire_ts_type_name(uint8_t type, struct arena *a);           /* "TS_IPV4_ADDR_RANGE" */
const char *wire_cfg_type_name(uint8_t type, struct arena *a);          /* "CFG_REQUEST" */
const char *wire_cfg_attribute_name(uint16_t type, struct arena *a);    /* "INTERNAL_IP4_DNS" */
const char *wire_hash_name(uint16_t hash, struct arena *a);             /* "SHA2_256" */
const char *wire_eap_type_name(uint8_t type, struct arena *a);          /* "MSCHAPv2" */
/* By name or number ("NO_PROPOSAL_CHOSEN", "14", "0x0e"), any case. false: unknown name, or more
 * than 16 bits. */
bool wire_notify_by_name(struct span text, uint16_t *out);

#endif
