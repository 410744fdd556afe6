/* The payloads of RFC 7296 3.3 to 3.16, parse and write. Spans in what is parsed point into the
 * body. Lists are made in the arena. Parsers return false where the body is not exactly what the
 * RFC's figure allows, or the arena has no more (arena_is_exhausted()); `at` (when a parser has it;
 * may be NULL) then is the octet offset of the field at fault inside the body, and the list is
 * empty. Reserved fields are ignored on receipt and zero when written. A list that its count field
 * cannot hold makes the writer full. */
#ifndef IKEBANA_WIRE_PAYLOADS_H
#define IKEBANA_WIRE_PAYLOADS_H

#include "wire/wire.h"

/* sa.c — RFC 7296 3.3 */
struct transform {
    uint8_t type; /* TRANSFORM_ENCR … */
    uint16_t id;
    uint16_t key_bits; /* 0: no key length attribute */
    bool is_odd;       /* has an attribute that is not known, or a key length where or as none is
                          allowed: must not be chosen (3.3.5, 3.3.6) */
};

struct proposal {
    uint8_t number;   /* from 1, ascending */
    uint8_t protocol; /* PROTOCOL_IKE, PROTOCOL_AH, PROTOCOL_ESP */
    struct span spi;  /* 0, 4 or 8 octets */
    struct transform *transforms;
    size_t transform_count;
};

struct proposals {
    struct proposal *at;
    size_t count;
};

bool wire_parse_sa(struct span body, struct arena *a, struct proposals *out, uint32_t *at);
/* Writes the payload's body. */
void wire_write_sa(struct writer *w, const struct proposals *p);

/* ke.c — 3.4 */
struct ke_payload {
    uint16_t group;
    struct span value;
};
bool wire_parse_ke(struct span body, struct ke_payload *out);
void wire_write_ke(struct writer *w, const struct ke_payload *ke);

/* id.c — 3.5 */
struct id_payload {
    uint8_t type; /* ID_FQDN … */
    struct span data;
};
bool wire_parse_id(struct span body, struct id_payload *out);
void wire_write_id(struct writer *w, const struct id_payload *id);

/* cert.c — 3.6, 3.7 */
struct cert_payload {
    uint8_t encoding;
    struct span data; /* CERT: the certificate; CERTREQ: SHA-1 hashes of CA keys, 20 octets each */
};
bool wire_parse_cert(struct span body, struct cert_payload *out);
void wire_write_cert(struct writer *w, const struct cert_payload *cert);
bool wire_parse_certreq(struct span body, struct cert_payload *out);
void wire_write_certreq(struct writer *w, const struct cert_payload *req);

/* auth.c — 3.8 */
struct auth_payload {
    uint8_t method; /* AUTH_METHOD_SHARED_KEY_MIC … */
    struct span data;
};
bool wire_parse_auth(struct span body, struct auth_payload *out);
void wire_write_auth(struct writer *w, const struct auth_payload *auth);

/* nonce.c — 3.9: 16 to 256 octets */
bool wire_parse_nonce(struct span body, struct span *out);
void wire_write_nonce(struct writer *w, struct span nonce);

/* notify.c — 3.10 */
struct notify {
    uint8_t protocol; /* PROTOCOL_NONE where there is no SPI: 3.10 says to ignore it */
    uint16_t type;
    struct span spi;
    struct span data;
};
bool wire_parse_notify(struct span body, struct notify *out);
void wire_write_notify(struct writer *w, const struct notify *n);
/* First notify payload of a type that parses; false: none. */
bool wire_find_notify(const struct message *m, uint16_t type, struct notify *out);
/* SIGNATURE_HASH_ALGORITHMS, RFC 7427 4: a list of 16-bit numbers. false: odd length. */
bool wire_parse_signature_hashes(struct span data, uint16_t *out, size_t max, size_t *count);
void wire_write_signature_hashes(struct writer *w, const uint16_t *hashes, size_t count);

/* delete.c — 3.11: spis is spi_count × spi_size octets; for IKE spi_size is 0, for AH and ESP 4 */
struct delete_payload {
    uint8_t protocol;
    uint8_t spi_size;
    uint16_t spi_count;
    struct span spis;
};
bool wire_parse_delete(struct span body, struct delete_payload *out);
/* The i-th 4-octet SPI; 0: there is none. */
uint32_t wire_delete_spi(const struct delete_payload *d, size_t i);
void wire_write_delete(struct writer *w, const struct delete_payload *d);

/* vendor.c — 3.12 */
bool wire_parse_vendor(struct span body, struct span *out);
void wire_write_vendor(struct writer *w, struct span id);

/* ts.c — 3.13 */
struct ts {
    uint8_t type; /* TS_IPV4_ADDR_RANGE, TS_IPV6_ADDR_RANGE; others keep raw only */
    uint8_t protocol;
    uint16_t port_from, port_to;
    struct span from, to; /* 4 or 16 octets each */
    struct span raw;      /* the whole selector, for types that are not known */
};
struct ts_list {
    struct ts *at;
    size_t count;
};
bool wire_parse_ts(struct span body, struct arena *a, struct ts_list *out, uint32_t *at);
void wire_write_ts(struct writer *w, const struct ts_list *list);

/* cp.c — 3.15 */
struct cfg_attribute {
    uint16_t type;
    struct span value;
};
struct cfg {
    uint8_t type; /* CFG_REQUEST … */
    struct cfg_attribute *attributes;
    size_t count;
};
bool wire_parse_cp(struct span body, struct arena *a, struct cfg *out);
void wire_write_cp(struct writer *w, const struct cfg *cfg);

/* eap.c — 3.16. Written from raw where raw is not empty, else from the other fields. */
struct eap_payload {
    uint8_t code, id;
    bool has_type; /* success and failure have none */
    uint8_t type;
    struct span data; /* type data */
    struct span raw;  /* the whole EAP message */
};
bool wire_parse_eap(struct span body, struct eap_payload *out);
void wire_write_eap(struct writer *w, const struct eap_payload *eap);

#endif
