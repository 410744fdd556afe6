/* Valid messages, as seeds for mutations and fuzzers. */
#ifndef IKEBANA_TESTS_FUZZ_WIRE_SAMPLES_H
#define IKEBANA_TESTS_FUZZ_WIRE_SAMPLES_H

#include "wire/payloads.h"

static const struct ike_header sample_header = {
    .spi_i = 0x0102030405060708,
    .spi_r = 0x1112131415161718,
    .version = 0x20,
    .exchange = EXCHANGE_IKE_AUTH,
    .flags = IKE_FLAG_INITIATOR,
    .message_id = 1,
};

static inline void sample_put_sa(struct message_writer *m, uint8_t protocol, struct span spi)
{
    struct transform combined[] = {{TRANSFORM_ENCR, ENCR_AES_GCM_16, 256, false},
                                   {TRANSFORM_ENCR, ENCR_CHACHA20_POLY1305, 0, false},
                                   {TRANSFORM_PRF, PRF_HMAC_SHA2_384, 0, false},
                                   {TRANSFORM_KE, KE_ECP_384, 0, false}};
    struct transform classic[] = {{TRANSFORM_ENCR, ENCR_AES_CBC, 128, false},
                                  {TRANSFORM_INTEG, AUTH_HMAC_SHA2_256_128, 0, false},
                                  {TRANSFORM_PRF, PRF_HMAC_SHA2_256, 0, false},
                                  {TRANSFORM_KE, KE_MODP_2048, 0, false},
                                  {TRANSFORM_SN, SN_64_BIT_SEQUENTIAL, 0, false}};
    struct proposal list[] = {{1, protocol, spi, combined, 4}, {2, protocol, spi, classic, 5}};
    struct proposals offer = {list, 2};
    struct gap g = wire_open_payload(m, PAYLOAD_SA, false);
    wire_write_sa(m->w, &offer);
    wire_close_payload(m, g);
}

static inline void sample_put_octets(struct message_writer *m, uint8_t type, bool is_critical,
                                     const void *octets, size_t len)
{
    struct gap g = wire_open_payload(m, type, is_critical);
    put_span(m->w, span_of(octets, len));
    wire_close_payload(m, g);
}

static inline void sample_put_notify(struct message_writer *m, uint16_t type, struct span data)
{
    struct notify n = {PROTOCOL_NONE, type, {NULL, 0}, data};
    struct gap g = wire_open_payload(m, PAYLOAD_NOTIFY, false);
    wire_write_notify(m->w, &n);
    wire_close_payload(m, g);
}

/* IKE_SA_INIT with a critical payload that nobody knows and a vendor id. */
static inline void sample_init(struct writer *w)
{
    static const uint8_t octets[64] = {1, 2, 3, 4, 5, 6, 7, 8, 9};
    struct ike_header h = sample_header;
    h.exchange = EXCHANGE_IKE_SA_INIT;
    h.spi_r = 0;
    h.message_id = 0;
    struct message_writer m = wire_begin(w, &h);
    sample_put_notify(&m, NOTIFY_COOKIE, span_of(octets, 20));
    sample_put_sa(&m, PROTOCOL_IKE, (struct span){NULL, 0});
    struct gap g = wire_open_payload(&m, PAYLOAD_KE, false);
    struct ke_payload ke = {KE_CURVE25519, span_of(octets, 32)};
    wire_write_ke(w, &ke);
    wire_close_payload(&m, g);
    sample_put_octets(&m, PAYLOAD_NONCE, false, octets, 32);
    sample_put_notify(&m, NOTIFY_NAT_DETECTION_SOURCE_IP, span_of(octets, 20));
    sample_put_notify(&m, NOTIFY_SIGNATURE_HASH_ALGORITHMS, span_of("\0\2\0\3\0\4", 6));
    sample_put_octets(&m, 200, true, "later", 5);
    sample_put_octets(&m, PAYLOAD_VENDOR, false, octets, 16);
    wire_end(&m);
}

/* The inside of an IKE_AUTH with every payload that there can be. */
static inline void sample_inner(struct writer *w, uint8_t *first)
{
    static const uint8_t octets[64] = {9, 8, 7, 6, 5, 4, 3, 2, 1};
    static const uint8_t ts[] = {
        2,  0, 0, 0,   TS_IPV4_ADDR_RANGE, 6, 0, 16, 0,   80,  0,  80, 10, 0, 0, 0,
        10, 0, 0, 255, TS_SECLABEL,        0, 0, 7,  'a', 'b', 'c'};
    static const uint8_t ts6[44] = {1, 0, 0, 0, TS_IPV6_ADDR_RANGE, 0, 0, 40, 0, 0, 255, 255};
    static const uint8_t cp[] = {CFG_REQUEST, 0, 0, 0, 0, 1, 0, 0, 0, 3, 0, 4, 10, 0, 0, 1};
    static const uint8_t eap[] = {EAP_CODE_RESPONSE, 1, 0, 8, EAP_TYPE_IDENTITY, 'b', 'o', 'b'};
    static const uint8_t del[] = {PROTOCOL_ESP, 4, 0, 2, 1, 2, 3, 4, 5, 6, 7, 8};
    struct message_writer m = wire_begin_inner(w, first);
    sample_put_octets(&m, PAYLOAD_IDI, false, "\2\0\0\0moon.example.org", 20);
    sample_put_octets(&m, PAYLOAD_CERT, false, "\4\x30\3\1\2\3", 6);
    sample_put_octets(&m, PAYLOAD_CERTREQ, false, "\4aaaaaaaaaaaaaaaaaaaabbbbbbbbbbbbbbbbbbbb", 41);
    sample_put_octets(&m, PAYLOAD_IDR, false, "\1\0\0\0\xc0\0\2\1", 8);
    sample_put_octets(&m, PAYLOAD_AUTH, false, "\2\0\0\0", 4);
    sample_put_octets(&m, PAYLOAD_CP, false, cp, sizeof cp);
    sample_put_octets(&m, PAYLOAD_EAP, false, eap, sizeof eap);
    sample_put_sa(&m, PROTOCOL_ESP, span_of(octets, 4));
    sample_put_octets(&m, PAYLOAD_TSI, false, ts, sizeof ts);
    sample_put_octets(&m, PAYLOAD_TSR, false, ts6, sizeof ts6);
    sample_put_octets(&m, PAYLOAD_DELETE, false, del, sizeof del);
    sample_put_notify(&m, NOTIFY_INITIAL_CONTACT, (struct span){NULL, 0});
    sample_put_octets(&m, PAYLOAD_GSPM, false, octets, 9);
}

/* An SK message whose content stands in clear. */
static inline void sample_sk(struct writer *w)
{
    uint8_t room[2048], first;
    struct writer inner = writer_of(room, sizeof room);
    sample_inner(&inner, &first);
    wire_write_sk_headers(w, &sample_header, first, inner.len);
    put_span(w, writer_span(&inner));
}

static inline void sample_skf(struct writer *w)
{
    uint8_t room[2048], first;
    struct writer inner = writer_of(room, sizeof room);
    sample_inner(&inner, &first);
    wire_write_skf_headers(w, &sample_header, first, 1, 2, inner.len);
    put_span(w, writer_span(&inner));
}

#endif
