#include <pthread.h>

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

static const uint16_t all_prfs[] = {PRF_HMAC_SHA1,     PRF_HMAC_SHA2_256, PRF_HMAC_SHA2_384,
                                    PRF_HMAC_SHA2_512, PRF_AES128_XCBC,   PRF_AES128_CMAC};
enum { PRF_COUNT = sizeof all_prfs / sizeof all_prfs[0] };

static const struct prf *prf_named(const char *name)
{
    static const struct {
        const char *name;
        uint16_t id;
    } names[] = {{"hmac-sha1", PRF_HMAC_SHA1},
                 {"hmac-sha256", PRF_HMAC_SHA2_256},
                 {"hmac-sha384", PRF_HMAC_SHA2_384},
                 {"hmac-sha512", PRF_HMAC_SHA2_512}};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (strcmp(name, names[i].name) == 0)
            return crypto_prf(names[i].id);
    }
    return NULL;
}

static void the_published_prf_values_come_out(void **state)
{
    (void)state;
    json_t *all = vectors_load("crypto-rfc.json");
    size_t i;
    json_t *v;
    json_array_foreach(json_object_get(all, "prf"), i, v)
    {
        const struct prf *p = crypto_prf(vector_number(v, "prf"));
        uint8_t out[PRF_OUT_MAX];
        struct span data = vector_octets(&arena, v, "data");
        assert_non_null(p);
        assert_true(crypto_prf_compute(p, vector_octets(&arena, v, "key"), &data, 1, out));
        assert_span_equal(span_of(out, p->out_len), vector_octets(&arena, v, "out"));
    }
    assert_int_equal(i, 21);
    json_decref(all);
}

static void xcbc_takes_keys_of_any_length_by_rfc_4434(void **state)
{
    (void)state;
    const struct prf *p = crypto_prf(PRF_AES128_XCBC);
    json_t *all = vectors_load("aes-xcbc.json");
    size_t i;
    json_t *v;
    json_array_foreach(all, i, v)
    {
        uint8_t out[PRF_OUT_MAX];
        struct span data = vector_octets(&arena, v, "message");
        assert_true(crypto_prf_compute(p, vector_octets(&arena, v, "key"), &data, 1, out));
        assert_span_equal(span_of(out, p->out_len), vector_octets(&arena, v, "mac"));
    }
    assert_int_equal(i, 9);
    json_decref(all);
}

static void the_key_hierarchy_of_ikev2_comes_out(void **state)
{
    (void)state;
    json_t *all = vectors_load("ikev2-kdf.json");
    size_t i;
    json_t *v;
    json_array_foreach(all, i, v)
    {
        const struct prf *p = prf_named(json_string_value(json_object_get(v, "prf")));
        assert_non_null(p);
        struct span ni = vector_octets(&arena, v, "nonce_i"),
                    nr = vector_octets(&arena, v, "nonce_r");
        struct span g_ir = vector_octets(&arena, v, "g_ir"),
                    g_ir_new = vector_octets(&arena, v, "g_ir_new");
        uint64_t spi_i = span_u64(vector_octets(&arena, v, "spi_i"));
        uint64_t spi_r = span_u64(vector_octets(&arena, v, "spi_r"));
        size_t len = vector_number(v, "length");
        uint8_t *out = arena_alloc(&arena, len);
        struct secret seed, again;

        assert_true(crypto_skeyseed(p, ni, nr, g_ir, &seed));
        assert_span_equal(secret_span(&seed), vector_octets(&arena, v, "skeyseed"));
        assert_true(crypto_ike_keymat(p, secret_span(&seed), ni, nr, spi_i, spi_r, out, len));
        assert_span_equal(span_of(out, len), vector_octets(&arena, v, "keymat_ike"));

        struct span sk_d = arena_copy(&arena, span_of(out, p->key_len));
        assert_true(crypto_child_keymat(p, sk_d, span_of(NULL, 0), ni, nr, out, len));
        assert_span_equal(span_of(out, len), vector_octets(&arena, v, "keymat_child"));
        assert_true(crypto_child_keymat(p, sk_d, g_ir_new, ni, nr, out, len));
        assert_span_equal(span_of(out, len), vector_octets(&arena, v, "keymat_child_ke"));
        assert_true(crypto_skeyseed_rekey(p, sk_d, g_ir_new, ni, nr, &again));
        assert_span_equal(secret_span(&again), vector_octets(&arena, v, "skeyseed_rekey"));
    }
    assert_true(i >= 17);
    json_decref(all);
}

static void cutting_the_data_into_parts_changes_nothing(void **state)
{
    (void)state;
    uint8_t data[100], whole[PRF_OUT_MAX], cut[PRF_OUT_MAX];
    for (size_t i = 0; i < sizeof data; i++)
        data[i] = (uint8_t)(i * 7);
    for (size_t n = 0; n < PRF_COUNT; n++) {
        const struct prf *p = crypto_prf(all_prfs[n]);
        for (size_t len = 0; len <= sizeof data; len++) {
            const struct span one = span_of(data, len);
            assert_true(crypto_prf_compute(p, span_of("key", 3), &one, 1, whole));
            const struct span parts[] = {span_of(data, len / 3), span_of(NULL, 0),
                                         span_of(data + len / 3, len - len / 3)};
            assert_true(crypto_prf_compute(p, span_of("key", 3), parts, 3, cut));
            assert_memory_equal(whole, cut, p->out_len);
        }
    }
}

/* RFC 7296 2.13, written down slowly: T1 = prf(K, S | 01), T2 = prf(K, T1 | S | 02) … */
static void prf_plus_is_the_chain_of_the_rfc(void **state)
{
    (void)state;
    const struct span key = span_text("a key"), seed = span_text("a seed");
    for (size_t n = 0; n < PRF_COUNT; n++) {
        const struct prf *p = crypto_prf(all_prfs[n]);
        uint8_t fast[3 * PRF_OUT_MAX], slow[3 * PRF_OUT_MAX];
        size_t len = (size_t)3 * p->out_len;
        for (size_t t = 0; t < 3; t++) {
            uint8_t round = (uint8_t)(t + 1);
            const struct span parts[] = {
                span_of(t == 0 ? slow : slow + (t - 1) * p->out_len, t == 0 ? 0 : p->out_len), seed,
                span_of(&round, 1)};
            assert_true(crypto_prf_compute(p, key, parts, 3, slow + t * p->out_len));
        }
        for (size_t cut = 0; cut <= len; cut++) {
            memset(fast, 0xee, sizeof fast);
            assert_true(crypto_prf_plus(p, key, &seed, 1, fast, cut));
            assert_memory_equal(fast, slow, cut);
            assert_true(cut == sizeof fast || fast[cut] == 0xee);
        }
    }
}

static void prf_plus_ends_after_255_rounds(void **state)
{
    (void)state;
    const struct prf *p = crypto_prf(PRF_HMAC_SHA2_256);
    const struct span seed = span_text("s");
    uint8_t *out = arena_alloc(&arena, (size_t)255 * 32 + 1);
    assert_true(crypto_prf_plus(p, span_text("k"), &seed, 1, out, (size_t)255 * 32));
    assert_false(crypto_prf_plus(p, span_text("k"), &seed, 1, out, (size_t)255 * 32 + 1));
}

/* RFC 7296 2.14: AES-XCBC and AES-CMAC take the first 64 bits of each nonce for SKEYSEED only. */
static void fixed_key_prfs_take_eight_octets_of_each_nonce(void **state)
{
    (void)state;
    uint8_t ni[32], nr[32], key[16], want[PRF_OUT_MAX];
    for (size_t i = 0; i < 32; i++) {
        ni[i] = (uint8_t)i;
        nr[i] = (uint8_t)(0x80 + i);
    }
    memcpy(key, ni, 8);
    memcpy(key + 8, nr, 8);
    const struct span shared = span_text("the shared value");
    for (size_t n = 0; n < PRF_COUNT; n++) {
        const struct prf *p = crypto_prf(all_prfs[n]);
        struct secret seed;
        assert_true(crypto_skeyseed(p, span_of(ni, 32), span_of(nr, 32), shared, &seed));
        assert_true(crypto_prf_compute(p, span_of(key, 16), &shared, 1, want));
        if (p->has_fixed_key)
            assert_memory_equal(seed.bytes, want, p->out_len);
        else
            assert_memory_not_equal(seed.bytes, want, p->out_len);
    }
}

static void nonces_too_long_for_ikev2_are_refused(void **state)
{
    (void)state;
    uint8_t nonce[257] = {0};
    struct secret seed;
    const struct prf *p = crypto_prf(PRF_HMAC_SHA2_256);
    assert_true(
        crypto_skeyseed(p, span_of(nonce, 256), span_of(nonce, 256), span_text("x"), &seed));
    assert_false(
        crypto_skeyseed(p, span_of(nonce, 257), span_of(nonce, 256), span_text("x"), &seed));
    assert_int_equal(seed.len, 0);
}

static void hashes_come_out_as_published(void **state)
{
    (void)state;
    const struct span abc[] = {span_text("a"), span_text("bc")};
    uint8_t sha1[SHA1_LEN], mac[SHA256_LEN];
    assert_true(crypto_sha1(abc, 2, sha1)); /* FIPS 180 */
    assert_span_equal(span_of(sha1, SHA1_LEN),
                      hex_octets(&arena, "a9993e364706816aba3e25717850c26c9cd0d89d"));
    const struct span data = span_text("what do ya want for nothing?"); /* RFC 4231 4.3 */
    assert_true(crypto_hmac_sha256(span_text("Jefe"), &data, 1, mac));
    assert_span_equal(
        span_of(mac, SHA256_LEN),
        hex_octets(&arena, "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"));
}

static void *compute_in_thread(void *at)
{
    const struct span data = span_text("data");
    return crypto_prf_compute(crypto_prf(PRF_HMAC_SHA2_256), span_text("key"), &data, 1, at) ? at
                                                                                             : NULL;
}

/* LeakSanitizer sees it if a thread's contexts stay behind. */
static void a_thread_gets_the_same_value_and_leaves_nothing_behind(void **state)
{
    (void)state;
    uint8_t here[PRF_OUT_MAX] = {0}, there[4][PRF_OUT_MAX] = {{0}};
    pthread_t threads[4];
    assert_non_null(compute_in_thread(here));
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, compute_in_thread, there[i]), 0);
    for (size_t i = 0; i < 4; i++) {
        void *result = NULL;
        assert_int_equal(pthread_join(threads[i], &result), 0);
        assert_ptr_equal(result, there[i]);
        assert_memory_equal(here, there[i], 32);
    }
}

static void unknown_numbers_have_no_row(void **state)
{
    (void)state;
    assert_null(crypto_prf(PRF_HMAC_MD5));
    assert_null(crypto_prf(0));
    for (size_t n = 0; n < PRF_COUNT; n++) {
        assert_int_equal(crypto_prf(all_prfs[n])->id, all_prfs[n]);
        assert_true(crypto_prf(all_prfs[n])->out_len <= PRF_OUT_MAX);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_published_prf_values_come_out),
        cmocka_unit_test(xcbc_takes_keys_of_any_length_by_rfc_4434),
        cmocka_unit_test(the_key_hierarchy_of_ikev2_comes_out),
        cmocka_unit_test(cutting_the_data_into_parts_changes_nothing),
        cmocka_unit_test(prf_plus_is_the_chain_of_the_rfc),
        cmocka_unit_test(prf_plus_ends_after_255_rounds),
        cmocka_unit_test(fixed_key_prfs_take_eight_octets_of_each_nonce),
        cmocka_unit_test(nonces_too_long_for_ikev2_are_refused),
        cmocka_unit_test(hashes_come_out_as_published),
        cmocka_unit_test(a_thread_gets_the_same_value_and_leaves_nothing_behind),
        cmocka_unit_test(unknown_numbers_have_no_row),
    };
    return cmocka_run_group_tests_name("prf", tests, set_up, tear_down);
}
