#include <openssl/evp.h>

#include "vectors.h"
#include "wire/numbers.h"

static struct arena arena;

static int set_up(void **state)
{
    (void)state;
    return arena_init(&arena) && crypto_init() ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    arena_clear(&arena);
    return 0;
}

static const struct {
    uint16_t id, bits;
} all_encrs[] = {
    {ENCR_AES_CBC, 128},
    {ENCR_AES_CBC, 192},
    {ENCR_AES_CBC, 256},
    {ENCR_AES_CTR, 128},
    {ENCR_AES_CTR, 192},
    {ENCR_AES_CTR, 256},
    {ENCR_AES_GCM_8, 128},
    {ENCR_AES_GCM_8, 192},
    {ENCR_AES_GCM_8, 256},
    {ENCR_AES_GCM_12, 128},
    {ENCR_AES_GCM_12, 192},
    {ENCR_AES_GCM_12, 256},
    {ENCR_AES_GCM_16, 128},
    {ENCR_AES_GCM_16, 192},
    {ENCR_AES_GCM_16, 256},
    {ENCR_AES_CCM_8, 128},
    {ENCR_AES_CCM_8, 192},
    {ENCR_AES_CCM_8, 256},
    {ENCR_AES_CCM_12, 128},
    {ENCR_AES_CCM_12, 192},
    {ENCR_AES_CCM_12, 256},
    {ENCR_AES_CCM_16, 128},
    {ENCR_AES_CCM_16, 192},
    {ENCR_AES_CCM_16, 256},
    {ENCR_3DES, 0},
    {ENCR_NULL, 0},
    {ENCR_CHACHA20_POLY1305, 0},
    {ENCR_NULL_AUTH_AES_GMAC, 128},
    {ENCR_NULL_AUTH_AES_GMAC, 192},
    {ENCR_NULL_AUTH_AES_GMAC, 256},
};
static const uint16_t all_integs[] = {AUTH_HMAC_SHA1_96,      AUTH_HMAC_SHA2_256_128,
                                      AUTH_HMAC_SHA2_384_192, AUTH_HMAC_SHA2_512_256,
                                      AUTH_AES_XCBC_96,       AUTH_AES_CMAC_96};
enum {
    ENCR_COUNT = sizeof all_encrs / sizeof all_encrs[0],
    INTEG_COUNT = sizeof all_integs / sizeof all_integs[0],
    AAD_LEN = 28,
};

/* A packet as it would lie in a buffer: aad | iv | data | icv, and the high half of an ESN. */
struct packet {
    uint8_t bytes[AAD_LEN + 16 + 4096 + 32];
    uint8_t tail[4];
    size_t iv_len, len, icv_len;
};

static uint8_t *data_of(struct packet *p)
{
    return p->bytes + AAD_LEN + p->iv_len;
}

static struct packet packet_make(const struct encr *e, const struct integ *i, size_t len)
{
    struct packet p = {.iv_len = e->iv_len, .len = len, .icv_len = crypto_icv_len(e, i)};
    for (size_t n = 0; n < sizeof p.bytes; n++)
        p.bytes[n] = (uint8_t)(n * 31 + 5);
    memcpy(p.tail, "\x00\x00\x00\x07", 4);
    return p;
}

static bool seal(struct sealer *s, struct packet *p)
{
    return crypto_seal(s, span_of(p->bytes, AAD_LEN), span_of(p->bytes + AAD_LEN, p->iv_len),
                       data_of(p), p->len, span_of(p->tail, 4), data_of(p) + p->len);
}

static bool open(struct sealer *s, struct packet *p)
{
    return crypto_open(s, span_of(p->bytes, AAD_LEN), span_of(p->bytes + AAD_LEN, p->iv_len),
                       data_of(p), p->len, span_of(p->tail, 4),
                       span_of(data_of(p) + p->len, p->icv_len));
}

static const uint8_t key_octets[128] =
    "keys are long strings of octets that nobody can guess, but this "
    "one is printed in a public repository; do not use it at home";

static void key(struct sealer *s, const struct encr *e, const struct integ *i, bool for_sealing)
{
    assert_true(crypto_sealer_key(s, span_of(key_octets, (size_t)e->key_len + e->salt_len),
                                  span_of(key_octets + 60, i == NULL ? 0 : i->key_len),
                                  for_sealing));
}

/* Calls check for every cipher with every integrity algorithm that it may go with. */
static void for_all_suites(void (*check)(const struct encr *e, const struct integ *i))
{
    for (size_t n = 0; n < ENCR_COUNT; n++) {
        const struct encr *e = crypto_encr(all_encrs[n].id, all_encrs[n].bits);
        assert_non_null(e);
        if (e->is_aead)
            check(e, NULL);
        for (size_t m = 0; !e->is_aead && m < INTEG_COUNT; m++) {
            assert_non_null(crypto_integ(all_integs[m]));
            check(e, crypto_integ(all_integs[m]));
        }
    }
}

static void check_round_trip(const struct encr *e, const struct integ *i)
{
    static const size_t lens[] = {0, 16, 48, 64, 576, 1408, 4096};
    struct sealer *s = crypto_sealer_new(e, i), *o = crypto_sealer_new(e, i);
    assert_non_null(s);
    assert_non_null(o);
    key(s, e, i, true);
    key(o, e, i, false);
    for (size_t n = 0; n < sizeof lens / sizeof lens[0]; n++) {
        const struct packet clear = packet_make(e, i, lens[n]);
        struct packet p = clear;
        size_t data_at = AAD_LEN + p.iv_len;
        assert_true(seal(s, &p));
        assert_memory_equal(p.bytes, clear.bytes, data_at);
        bool encrypts = e->id != ENCR_NULL && e->id != ENCR_NULL_AUTH_AES_GMAC;
        if (lens[n] >= 16 && encrypts)
            assert_memory_not_equal(p.bytes + data_at, clear.bytes + data_at, lens[n]);
        assert_memory_not_equal(p.bytes + data_at + p.len, clear.bytes + data_at + p.len,
                                p.icv_len);
        assert_true(open(o, &p));
        assert_memory_equal(p.bytes, clear.bytes, data_at + p.len);
    }
    crypto_sealer_free(s);
    crypto_sealer_free(o);
}

static void what_is_sealed_opens_again(void **state)
{
    (void)state;
    for_all_suites(check_round_trip);
}

static void check_odd_lengths(const struct encr *e, const struct integ *i)
{
    struct sealer *s = crypto_sealer_new(e, i);
    for (size_t len = 1; len < 40; len++) {
        struct packet p = packet_make(e, i, len);
        key(s, e, i, true);
        assert_true(seal(s, &p) == (len % e->block == 0));
        if (len % e->block != 0)
            continue;
        key(s, e, i, false);
        assert_true(open(s, &p));
    }
    crypto_sealer_free(s);
}

static void only_whole_blocks_are_sealed(void **state)
{
    (void)state;
    for_all_suites(check_odd_lengths);
}

static void check_flips(const struct encr *e, const struct integ *i)
{
    struct sealer *s = crypto_sealer_new(e, i), *o = crypto_sealer_new(e, i);
    key(s, e, i, true);
    key(o, e, i, false);
    struct packet sealed = packet_make(e, i, 32);
    assert_true(seal(s, &sealed));
    size_t all = AAD_LEN + sealed.iv_len + sealed.len + sealed.icv_len;
    for (size_t bit = 0; bit < 8 * all; bit += 1 + bit % 5) {
        struct packet p = sealed;
        p.bytes[bit / 8] ^= (uint8_t)(1U << bit % 8);
        assert_false(open(o, &p));
    }
    /* the high half of the ESN: under the MAC; combined modes have it in their aad */
    struct packet p = sealed;
    p.tail[3] ^= 1;
    assert_true(open(o, &p) == e->is_aead);
    /* a short, long or missing ICV is none */
    p = sealed;
    p.icv_len--;
    assert_false(open(o, &p));
    p = sealed;
    p.icv_len++;
    assert_false(open(o, &p));
    p = sealed;
    p.icv_len = 0;
    assert_false(open(o, &p));
    /* no refusal leaves a trace in the sealer */
    p = sealed;
    assert_true(open(o, &p));
    crypto_sealer_free(s);
    crypto_sealer_free(o);
}

static void a_flipped_bit_anywhere_is_refused(void **state)
{
    (void)state;
    for_all_suites(check_flips);
}

static void check_sharing(const struct encr *e, const struct integ *i)
{
    /* one context for all keys and both directions, against contexts of their own */
    struct sealer *shared = crypto_sealer_new(e, i);
    for (size_t n = 0; n < 6; n++) {
        struct sealer *own = crypto_sealer_new(e, i);
        struct span k = span_of(key_octets + n, (size_t)e->key_len + e->salt_len);
        struct span m = span_of(key_octets + 50 + n, i == NULL ? 0 : i->key_len);
        struct packet p = packet_make(e, i, 64), q = p;
        assert_true(crypto_sealer_key(own, k, m, true));
        assert_true(crypto_sealer_key(shared, k, m, true));
        assert_true(seal(own, &p));
        assert_true(seal(shared, &q));
        assert_memory_equal(p.bytes, q.bytes, sizeof p.bytes);
        assert_true(crypto_sealer_key(shared, k, m, false));
        assert_false(seal(shared, &q)); /* keyed for the other direction */
        assert_true(open(shared, &q));
        assert_false(open(own, &p));
        crypto_sealer_free(own);
    }
    crypto_sealer_free(shared);
}

static void one_sealer_serves_many_keys_and_both_directions(void **state)
{
    (void)state;
    for_all_suites(check_sharing);
}

static void check_split(const struct encr *e, const struct integ *i)
{
    /* aad, iv and data apart give the same octets as in one piece */
    struct sealer *s = crypto_sealer_new(e, i);
    key(s, e, i, true);
    struct packet p = packet_make(e, i, 64);
    uint8_t aad[AAD_LEN], iv[16], data[64], icv[32];
    memcpy(aad, p.bytes, AAD_LEN);
    memcpy(iv, p.bytes + AAD_LEN, p.iv_len);
    memcpy(data, data_of(&p), 64);
    assert_true(seal(s, &p));
    assert_true(crypto_seal(s, span_of(aad, AAD_LEN), span_of(iv, p.iv_len), data, 64,
                            span_of(p.tail, 4), icv));
    assert_memory_equal(data, data_of(&p), 64);
    assert_memory_equal(icv, data_of(&p) + 64, p.icv_len);
    crypto_sealer_free(s);
}

static void pieces_need_not_be_contiguous(void **state)
{
    (void)state;
    for_all_suites(check_split);
}

static void check_wrong_sizes(const struct encr *e, const struct integ *i)
{
    struct sealer *s = crypto_sealer_new(e, i);
    size_t k = (size_t)e->key_len + e->salt_len, m = i == NULL ? 0 : i->key_len;
    struct packet p = packet_make(e, i, 64);
    assert_false(seal(s, &p)); /* no key yet */
    assert_false(open(s, &p));
    assert_false(crypto_sealer_key(s, span_of(key_octets, k + 1), span_of(key_octets, m), true));
    assert_false(crypto_sealer_key(s, span_of(key_octets, k), span_of(key_octets, m + 1), true));
    if (k > 0)
        assert_false(
            crypto_sealer_key(s, span_of(key_octets, k - 1), span_of(key_octets, m), true));
    if (m > 0)
        assert_false(crypto_sealer_key(s, span_of(key_octets, k), span_of(NULL, 0), true));
    assert_false(seal(s, &p));
    key(s, e, i, true);
    p.iv_len++;
    assert_false(seal(s, &p));
    crypto_sealer_free(s);
}

static void keys_and_ivs_of_another_size_are_refused(void **state)
{
    (void)state;
    for_all_suites(check_wrong_sizes);
}

static void integrity_goes_with_plain_ciphers_only(void **state)
{
    (void)state;
    const struct integ *i = crypto_integ(AUTH_HMAC_SHA2_256_128);
    assert_null(crypto_sealer_new(crypto_encr(ENCR_AES_CBC, 128), NULL));
    assert_null(crypto_sealer_new(crypto_encr(ENCR_NULL, 0), NULL));
    assert_null(crypto_sealer_new(crypto_encr(ENCR_AES_GCM_16, 128), i));
    assert_null(crypto_sealer_new(NULL, i));
    crypto_sealer_free(NULL);
}

static void aes_ctr_begins_at_counter_one(void **state)
{
    (void)state;
    json_t *all = vectors_load("crypto-rfc.json");
    size_t n;
    json_t *v;
    json_array_foreach(json_object_get(all, "aes-ctr"), n, v)
    {
        struct span k = vector_octets(&arena, v, "key"), iv = vector_octets(&arena, v, "iv");
        struct span plain = vector_octets(&arena, v, "plain");
        uint8_t data[64], icv[32];
        const struct integ *i = crypto_integ(AUTH_HMAC_SHA2_256_128);
        struct sealer *s =
            crypto_sealer_new(crypto_encr(ENCR_AES_CTR, (uint16_t)(8 * (k.len - 4))), i);
        assert_non_null(s);
        memcpy(data, plain.at, plain.len);
        assert_true(crypto_sealer_key(s, k, span_of(key_octets, 32), true));
        assert_true(crypto_seal(s, span_of(NULL, 0), iv, data, plain.len, span_of(NULL, 0), icv));
        assert_span_equal(span_of(data, plain.len), vector_octets(&arena, v, "sealed"));
        crypto_sealer_free(s);
    }
    assert_int_equal(n, 9);
    json_decref(all);
}

static void the_esp_and_ikev2_examples_of_rfc_7634_come_out(void **state)
{
    (void)state;
    json_t *all = vectors_load("crypto-rfc.json");
    size_t n;
    json_t *v;
    json_array_foreach(json_object_get(all, "chacha20-poly1305"), n, v)
    {
        struct span plain = vector_octets(&arena, v, "plain");
        uint8_t data[128], icv[16];
        struct sealer *s = crypto_sealer_new(crypto_encr(ENCR_CHACHA20_POLY1305, 256), NULL);
        memcpy(data, plain.at, plain.len);
        assert_true(crypto_sealer_key(s, vector_octets(&arena, v, "key"), span_of(NULL, 0), true));
        assert_true(crypto_seal(s, vector_octets(&arena, v, "aad"), vector_octets(&arena, v, "iv"),
                                data, plain.len, span_of(NULL, 0), icv));
        assert_span_equal(span_of(data, plain.len), vector_octets(&arena, v, "sealed"));
        assert_span_equal(span_of(icv, 16), vector_octets(&arena, v, "icv"));
        crypto_sealer_free(s);
    }
    assert_int_equal(n, 2);
    json_decref(all);
}

static void the_published_macs_come_out(void **state)
{
    (void)state;
    json_t *all = vectors_load("crypto-rfc.json");
    size_t n;
    json_t *v;
    json_array_foreach(json_object_get(all, "integ"), n, v)
    {
        const struct integ *i = crypto_integ(vector_number(v, "integ"));
        struct span data = vector_octets(&arena, v, "data");
        uint8_t icv[32];
        struct sealer *s = crypto_sealer_new(crypto_encr(ENCR_NULL, 0), i);
        assert_non_null(s);
        assert_true(crypto_sealer_key(s, span_of(NULL, 0), vector_octets(&arena, v, "key"), true));
        /* a MAC over aad alone: the vectors' messages are not packets */
        assert_true(crypto_seal(s, data, span_of(NULL, 0), NULL, 0, span_of(NULL, 0), icv));
        assert_span_equal(span_of(icv, i->icv_len), vector_octets(&arena, v, "icv"));
        crypto_sealer_free(s);
    }
    assert_int_equal(n, 14);
    json_decref(all);
}

static void the_xcbc_mac_is_cut_to_twelve_octets(void **state)
{
    (void)state;
    json_t *all = vectors_load("aes-xcbc.json");
    struct sealer *s = crypto_sealer_new(crypto_encr(ENCR_NULL, 0), crypto_integ(AUTH_AES_XCBC_96));
    size_t n;
    json_t *v;
    json_array_foreach(all, n, v)
    {
        struct span k = vector_octets(&arena, v, "key");
        uint8_t icv[12];
        if (k.len != 16)
            continue;
        assert_true(crypto_sealer_key(s, span_of(NULL, 0), k, true));
        assert_true(crypto_seal(s, vector_octets(&arena, v, "message"), span_of(NULL, 0), NULL, 0,
                                span_of(NULL, 0), icv));
        assert_memory_equal(icv, vector_octets(&arena, v, "mac").at, 12);
    }
    crypto_sealer_free(s);
    json_decref(all);
}

/* The whole AEAD by OpenSSL in one go, with the nonce written out. */
static void seal_by_hand(const char *name, const struct encr *e, const struct packet *p,
                         bool is_gmac, uint8_t *data, uint8_t *icv)
{
    EVP_CIPHER *cipher = EVP_CIPHER_fetch(NULL, name, NULL);
    EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
    uint8_t nonce[16];
    int n = 0, nonce_len = e->salt_len + 8;
    size_t aad_len = is_gmac ? AAD_LEN + 8 + p->len : AAD_LEN;
    memcpy(nonce, key_octets + e->key_len, e->salt_len);
    memcpy(nonce + e->salt_len, p->bytes + AAD_LEN, 8);
    assert_int_equal(EVP_EncryptInit_ex(ctx, cipher, NULL, NULL, NULL), 1);
    assert_int_equal(EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_SET_IVLEN, nonce_len, NULL), 1);
    bool is_ccm = strstr(name, "CCM") != NULL;
    if (is_ccm)
        assert_int_equal(EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_SET_TAG, e->icv_len, NULL), 1);
    assert_int_equal(EVP_EncryptInit_ex(ctx, NULL, NULL, key_octets, nonce), 1);
    if (is_ccm)
        assert_int_equal(EVP_EncryptUpdate(ctx, NULL, &n, NULL, (int)p->len), 1);
    assert_int_equal(EVP_EncryptUpdate(ctx, NULL, &n, p->bytes, (int)aad_len), 1);
    if (!is_gmac)
        assert_int_equal(EVP_EncryptUpdate(ctx, data, &n, p->bytes + AAD_LEN + 8, (int)p->len), 1);
    assert_int_equal(EVP_EncryptFinal_ex(ctx, data, &n), 1);
    assert_int_equal(EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_GET_TAG, e->icv_len, icv), 1);
    EVP_CIPHER_CTX_free(ctx);
    EVP_CIPHER_free(cipher);
}

static void the_nonce_is_salt_and_iv(void **state)
{
    (void)state;
    static const struct {
        uint16_t id;
        const char *mode;
        size_t salt_len, icv_len;
    } modes[] = {{ENCR_AES_GCM_8, "GCM", 4, 8},          {ENCR_AES_GCM_12, "GCM", 4, 12},
                 {ENCR_AES_GCM_16, "GCM", 4, 16},        {ENCR_AES_CCM_8, "CCM", 3, 8},
                 {ENCR_AES_CCM_12, "CCM", 3, 12},        {ENCR_AES_CCM_16, "CCM", 3, 16},
                 {ENCR_NULL_AUTH_AES_GMAC, "GCM", 4, 16}};
    for (size_t n = 0; n < sizeof modes / sizeof modes[0]; n++) {
        for (uint16_t bits = 128; bits <= 256; bits = (uint16_t)(bits + 64)) {
            const struct encr *e = crypto_encr(modes[n].id, bits);
            uint8_t data[64], icv[16];
            char name[16];
            bool is_gmac = e->id == ENCR_NULL_AUTH_AES_GMAC;
            assert_int_equal(e->salt_len, modes[n].salt_len);
            assert_int_equal(e->icv_len, modes[n].icv_len);
            (void)snprintf(name, sizeof name, "AES-%u-%s", (unsigned)bits, modes[n].mode);
            struct packet p = packet_make(e, NULL, 64);
            memcpy(data, data_of(&p), 64);
            seal_by_hand(name, e, &p, is_gmac, data, icv);
            struct sealer *s = crypto_sealer_new(e, NULL);
            key(s, e, NULL, true);
            assert_true(seal(s, &p));
            if (!is_gmac)
                assert_memory_equal(data_of(&p), data, 64);
            assert_memory_equal(data_of(&p) + 64, icv, e->icv_len);
            crypto_sealer_free(s);
        }
    }
}

static void rows_are_found_by_their_numbers(void **state)
{
    (void)state;
    for (size_t n = 0; n < ENCR_COUNT; n++) {
        const struct encr *e = crypto_encr(all_encrs[n].id, all_encrs[n].bits);
        assert_int_equal(e->id, all_encrs[n].id);
        assert_int_equal(e->key_bits, all_encrs[n].bits);
        assert_true(e->key_bits == 0 || e->key_bits == 8 * e->key_len);
        assert_true(e->for_esp);
        assert_int_equal(e->for_ike, e->id != ENCR_NULL && e->id != ENCR_NULL_AUTH_AES_GMAC);
    }
    assert_ptr_equal(crypto_encr(ENCR_CHACHA20_POLY1305, 256),
                     crypto_encr(ENCR_CHACHA20_POLY1305, 0));
    assert_null(crypto_encr(ENCR_AES_CBC, 0));
    assert_null(crypto_encr(ENCR_AES_CBC, 512));
    assert_null(crypto_encr(ENCR_CAMELLIA_CBC, 128));
    assert_null(crypto_encr(ENCR_3DES, 168));
    assert_null(crypto_integ(INTEG_NONE));
    assert_null(crypto_integ(AUTH_HMAC_MD5_96));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_sealed_opens_again),
        cmocka_unit_test(only_whole_blocks_are_sealed),
        cmocka_unit_test(a_flipped_bit_anywhere_is_refused),
        cmocka_unit_test(one_sealer_serves_many_keys_and_both_directions),
        cmocka_unit_test(pieces_need_not_be_contiguous),
        cmocka_unit_test(keys_and_ivs_of_another_size_are_refused),
        cmocka_unit_test(integrity_goes_with_plain_ciphers_only),
        cmocka_unit_test(aes_ctr_begins_at_counter_one),
        cmocka_unit_test(the_esp_and_ikev2_examples_of_rfc_7634_come_out),
        cmocka_unit_test(the_published_macs_come_out),
        cmocka_unit_test(the_xcbc_mac_is_cut_to_twelve_octets),
        cmocka_unit_test(the_nonce_is_salt_and_iv),
        cmocka_unit_test(rows_are_found_by_their_numbers),
    };
    return cmocka_run_group_tests_name("seal", tests, set_up, tear_down);
}
