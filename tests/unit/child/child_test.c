#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "child/child.h"
#include "wire/numbers.h"

static const struct span sk_d = {(const uint8_t *)"SK_d of thirty-two octets length", 32};
static const struct span nonce_i = {(const uint8_t *)"the initiator's nonce", 21};
static const struct span nonce_r = {(const uint8_t *)"the responder's nonce", 21};

static const struct suite suites[] = {
    {.encr = ENCR_AES_GCM_16, .encr_bits = 128},
    {.encr = ENCR_AES_GCM_16, .encr_bits = 256, .integ = INTEG_NONE},
    {.encr = ENCR_AES_CCM_8, .encr_bits = 192},
    {.encr = ENCR_CHACHA20_POLY1305},
    {.encr = ENCR_NULL_AUTH_AES_GMAC, .encr_bits = 256},
    {.encr = ENCR_AES_CBC, .encr_bits = 256, .integ = AUTH_HMAC_SHA2_512_256},
    {.encr = ENCR_AES_CTR, .encr_bits = 256, .integ = AUTH_HMAC_SHA2_512_256},
    {.encr = ENCR_AES_CBC, .encr_bits = 128, .integ = AUTH_HMAC_SHA1_96},
    {.encr = ENCR_3DES, .integ = AUTH_AES_XCBC_96},
    {.encr = ENCR_NULL, .integ = AUTH_HMAC_SHA2_256_128},
};
enum { SUITE_COUNT = sizeof suites / sizeof suites[0] };

/* RFC 7296 2.17: encryption then integrity, initiator to responder first. */
static void keymat_is_cut_in_the_order_of_the_rfc(void **state)
{
    (void)state;
    const struct prf *prf = crypto_prf(PRF_HMAC_SHA2_256);
    for (size_t n = 0; n < SUITE_COUNT; n++) {
        const struct encr *e = crypto_encr(suites[n].encr, suites[n].encr_bits);
        const struct integ *i = crypto_integ(suites[n].integ);
        size_t encr_len = (size_t)e->key_len + e->salt_len, integ_len = i == NULL ? 0 : i->key_len;
        uint8_t keymat[256];
        struct child_keys a, b;
        assert_true(crypto_child_keymat(prf, sk_d, span_of(NULL, 0), nonce_i, nonce_r, keymat,
                                        2 * (encr_len + integ_len)));
        assert_true(
            child_derive_keys(prf, sk_d, span_of(NULL, 0), nonce_i, nonce_r, &suites[n], &a, &b));
        assert_int_equal(a.encr_len, encr_len);
        assert_int_equal(a.integ_len, integ_len);
        assert_int_equal(b.encr_len, encr_len);
        assert_int_equal(b.integ_len, integ_len);
        const uint8_t *at = keymat;
        assert_memory_equal(a.encr, at, encr_len);
        assert_memory_equal(a.integ, at += encr_len, integ_len);
        assert_memory_equal(b.encr, at += integ_len, encr_len);
        assert_memory_equal(b.integ, at += encr_len, integ_len);
    }
}

static void the_keys_fit_the_sealer_of_their_suite(void **state)
{
    (void)state;
    const struct prf *prf = crypto_prf(PRF_AES128_CMAC);
    for (size_t n = 0; n < SUITE_COUNT; n++) {
        const struct encr *e = crypto_encr(suites[n].encr, suites[n].encr_bits);
        struct sealer *s = crypto_sealer_new(e, crypto_integ(suites[n].integ));
        struct child_keys a, b;
        assert_true(
            child_derive_keys(prf, sk_d, span_text("g^ir"), nonce_i, nonce_r, &suites[n], &a, &b));
        assert_true(
            crypto_sealer_key(s, span_of(a.encr, a.encr_len), span_of(a.integ, a.integ_len), true));
        crypto_sealer_free(s);
    }
}

static void a_new_key_exchange_gives_other_keys(void **state)
{
    (void)state;
    const struct prf *prf = crypto_prf(PRF_HMAC_SHA2_384);
    struct child_keys a, b, c, d;
    assert_true(
        child_derive_keys(prf, sk_d, span_of(NULL, 0), nonce_i, nonce_r, &suites[0], &a, &b));
    assert_true(
        child_derive_keys(prf, sk_d, span_text("g^ir"), nonce_i, nonce_r, &suites[0], &c, &d));
    assert_memory_not_equal(a.encr, b.encr, a.encr_len);
    assert_memory_not_equal(a.encr, c.encr, a.encr_len);
    assert_memory_not_equal(b.encr, d.encr, b.encr_len);
}

static void a_suite_without_integrity_gets_no_keys(void **state)
{
    (void)state;
    static const struct suite bad[] = {
        {.encr = ENCR_AES_CBC, .encr_bits = 128},
        {.encr = ENCR_NULL},
        {.encr = 0, .integ = AUTH_HMAC_SHA2_256_128},
        {.encr = ENCR_AES_CBC, .encr_bits = 64, .integ = AUTH_HMAC_SHA2_256_128},
    };
    static const struct child_keys none;
    for (size_t n = 0; n < sizeof bad / sizeof bad[0]; n++) {
        struct child_keys a, b;
        memset(&a, 0xaa, sizeof a);
        memset(&b, 0xaa, sizeof b);
        assert_false(child_derive_keys(crypto_prf(PRF_HMAC_SHA2_256), sk_d, span_of(NULL, 0),
                                       nonce_i, nonce_r, &bad[n], &a, &b));
        assert_memory_equal(&a, &none, sizeof a);
        assert_memory_equal(&b, &none, sizeof b);
    }
}

static void cleared_keys_are_zero(void **state)
{
    (void)state;
    static const struct child_keys none;
    struct child_keys k;
    memset(&k, 0xaa, sizeof k);
    child_keys_clear(&k);
    assert_memory_equal(&k, &none, sizeof k);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keymat_is_cut_in_the_order_of_the_rfc),
        cmocka_unit_test(the_keys_fit_the_sealer_of_their_suite),
        cmocka_unit_test(a_new_key_exchange_gives_other_keys),
        cmocka_unit_test(a_suite_without_integrity_gets_no_keys),
        cmocka_unit_test(cleared_keys_are_zero),
    };
    return cmocka_run_group_tests_name("child", tests, NULL, NULL);
}
