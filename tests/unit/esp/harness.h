/* Two ends in one database: what the outbound SA seals, the inbound SA of the same SPI and keys
 * opens. The inbound one has the selectors the other way round. */
#ifndef HARNESS_H
#define HARNESS_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "esp/esp.h"
#include "wire/numbers.h"

enum { SPI = 0x1234, CHILD_OUT = 7, CHILD_IN = 8, ROOM = 10000 };

struct suite_row {
    uint16_t encr, bits, integ;
};

static const struct suite_row gcm = {ENCR_AES_GCM_16, 128, 0};

static const struct suite_row suites[] = {
    {ENCR_AES_GCM_16, 128, 0},
    {ENCR_AES_GCM_16, 256, 0},
    {ENCR_AES_GCM_12, 192, 0},
    {ENCR_AES_GCM_8, 128, 0},
    {ENCR_AES_CCM_16, 128, 0},
    {ENCR_AES_CCM_12, 256, 0},
    {ENCR_AES_CCM_8, 192, 0},
    {ENCR_CHACHA20_POLY1305, 0, 0},
    {ENCR_NULL_AUTH_AES_GMAC, 128, 0},
    {ENCR_NULL_AUTH_AES_GMAC, 256, 0},
    {ENCR_AES_CBC, 128, AUTH_HMAC_SHA1_96},
    {ENCR_AES_CBC, 192, AUTH_HMAC_SHA2_384_192},
    {ENCR_AES_CBC, 256, AUTH_HMAC_SHA2_256_128},
    {ENCR_AES_CTR, 128, AUTH_AES_XCBC_96},
    {ENCR_AES_CTR, 256, AUTH_HMAC_SHA2_512_256},
    {ENCR_3DES, 0, AUTH_AES_CMAC_96},
    {ENCR_NULL, 0, AUTH_HMAC_SHA2_256_128},
};
enum { SUITES = sizeof suites / sizeof suites[0] };

static inline struct address addr(const char *text)
{
    struct address a;
    assert_true(address_parse(span_text(text), &a));
    return a;
}

/* "10.1.0.0" "10.1.255.255" */
static inline struct selector range(const char *from, const char *to)
{
    struct address a = addr(from), b = addr(to);
    struct selector s = {.port_to = 65535, .family = a.family};
    memcpy(s.from, a.bytes, sizeof s.from);
    memcpy(s.to, b.bytes, sizeof s.to);
    return s;
}

/* Both families on each side. */
struct net {
    struct selector local[2], remote[2];
};

static inline struct net usual_net(void)
{
    return (struct net){{range("10.1.0.0", "10.1.255.255"), range("fd01::", "fd01::ffff")},
                        {range("10.2.0.0", "10.2.255.255"), range("fd02::", "fd02::ffff")}};
}

static inline struct sa_spec spec_of(const struct suite_row *row, const struct net *net)
{
    struct sa_spec s = {.spi = SPI,
                        .child_id = CHILD_OUT,
                        .is_initial_out = true,
                        .mode = MODE_TUNNEL,
                        .local = addr("192.0.2.1"),
                        .remote = addr("192.0.2.2"),
                        .encr = crypto_encr(row->encr, row->bits),
                        .integ = row->integ == 0 ? NULL : crypto_integ(row->integ),
                        .replay_window = 64,
                        .copy_df = true,
                        .copy_ecn = true,
                        .copy_dscp = COPY_DSCP_OUT,
                        .local_ts = {(struct selector *)(uintptr_t)net->local, 2},
                        .remote_ts = {(struct selector *)(uintptr_t)net->remote, 2},
                        .conn_name = "office",
                        .child_name = "lan"};
    assert_non_null(s.encr);
    s.keys.encr_len = (uint8_t)(s.encr->key_len + s.encr->salt_len);
    for (uint8_t i = 0; i < s.keys.encr_len; i++)
        s.keys.encr[i] = (uint8_t)(i * 7 + 1);
    if (s.integ != NULL) {
        s.keys.integ_len = s.integ->key_len;
        for (uint8_t i = 0; i < s.keys.integ_len; i++)
            s.keys.integ[i] = (uint8_t)(i * 5 + 3);
    }
    return s;
}

static inline struct sa_spec mirror(const struct sa_spec *out)
{
    struct sa_spec in = *out;
    in.is_inbound = true;
    in.is_initial_out = false;
    in.child_id = CHILD_IN;
    in.local = out->remote;
    in.remote = out->local;
    in.local_ts = out->remote_ts;
    in.remote_ts = out->local_ts;
    return in;
}

static inline struct esp_db *db_with(const struct sa_spec *out)
{
    struct esp_db *db = esp_db_new(1);
    assert_non_null(db);
    esp_thread_begin(db);
    struct finding why;
    struct sa_spec in = mirror(out);
    assert_true(esp_sa_add(db, out, &why));
    assert_true(esp_sa_add(db, &in, &why));
    return db;
}

static inline void db_done(struct esp_db *db)
{
    esp_thread_end(db);
    esp_db_free(db);
}

/* ---- packets ---- */

/* The heap, so that a sanitizer sees each octet too many. */
struct buffer {
    uint8_t *at;
    struct esp_packet p;
};

static inline struct buffer buffer_new(void)
{
    struct buffer b = {.at = malloc(ESP_HEADROOM + ROOM)};
    assert_non_null(b.at);
    b.p.data = b.at + ESP_HEADROOM;
    b.p.capacity = ROOM;
    return b;
}

static inline void buffer_set(struct buffer *b, struct span octets)
{
    b->p = (struct esp_packet){.data = b->at + ESP_HEADROOM, .capacity = ROOM};
    assert_true(octets.len <= ROOM);
    if (octets.len > 0)
        memcpy(b->p.data, octets.at, octets.len);
    b->p.len = (uint32_t)octets.len;
}

static inline uint16_t sum16(const uint8_t *at, size_t len, uint32_t sum)
{
    for (size_t i = 0; i + 1 < len; i += 2)
        sum += (uint32_t)at[i] << 8 | at[i + 1];
    if (len % 2 == 1)
        sum += (uint32_t)at[len - 1] << 8;
    while (sum >> 16 != 0)
        sum = (sum & 0xffff) + (sum >> 16);
    return (uint16_t)sum;
}

/* A packet of len octets in all, UDP from port 1000 to 2000. at: at least len. */
static inline struct span udp_packet(uint8_t *at, size_t len, const char *from, const char *to)
{
    struct address src = addr(from), dst = addr(to);
    memset(at, 0, len);
    size_t head = src.family == FAMILY_V4 ? 20 : 40;
    for (size_t i = head; i < len; i++)
        at[i] = (uint8_t)i;
    if (src.family == FAMILY_V4) {
        at[0] = 0x45;
        at[2] = (uint8_t)(len >> 8);
        at[3] = (uint8_t)len;
        at[8] = 64;
        at[9] = 17;
        memcpy(at + 12, src.bytes, 4);
        memcpy(at + 16, dst.bytes, 4);
        uint16_t sum = (uint16_t)~sum16(at, 20, 0);
        at[10] = (uint8_t)(sum >> 8);
        at[11] = (uint8_t)sum;
    } else {
        at[0] = 0x60;
        at[4] = (uint8_t)((len - 40) >> 8);
        at[5] = (uint8_t)(len - 40);
        at[6] = 17;
        at[7] = 64;
        memcpy(at + 8, src.bytes, 16);
        memcpy(at + 24, dst.bytes, 16);
    }
    if (len >= head + 4) {
        at[head] = 1000 >> 8;
        at[head + 1] = 1000 & 255;
        at[head + 2] = 2000 >> 8;
        at[head + 3] = 2000 & 255;
    }
    return span_of(at, len);
}

/* What the kernel would do to an inner IPv4 packet in which something was changed. */
static inline void mend_ipv4(uint8_t *at)
{
    at[10] = at[11] = 0;
    uint16_t sum = (uint16_t)~sum16(at, 20, 0);
    at[10] = (uint8_t)(sum >> 8);
    at[11] = (uint8_t)sum;
}

static inline enum esp_verdict seal_one(struct esp_db *db, struct buffer *b, struct span inner)
{
    struct esp_notices notices;
    buffer_set(b, inner);
    esp_seal(db, 0, &b->p, 1, 1000, &notices);
    return b->p.verdict;
}

static inline enum esp_verdict open_one(struct esp_db *db, struct buffer *b, struct span esp)
{
    struct esp_notices notices;
    buffer_set(b, esp);
    esp_open(db, 0, &b->p, 1, 1000, &notices);
    return b->p.verdict;
}

static inline const struct esp_notice *told(const struct esp_notices *n, unsigned kind)
{
    for (size_t i = 0; i < n->count; i++)
        if (n->at[i].kind == kind)
            return &n->at[i];
    return NULL;
}

#define assert_verdict(P, VERDICT, WHY)                                                            \
    do {                                                                                           \
        assert_string_equal(esp_drop_name((P).why), esp_drop_name(WHY));                           \
        assert_int_equal((P).verdict, VERDICT);                                                    \
    } while (0)

#endif
