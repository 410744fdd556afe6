#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "auth/auth.h"
#include "wire/numbers.h"

static const struct auth_octets about = {
    .init_message = {(const uint8_t *)"a whole IKE_SA_INIT message", 27},
    .peer_nonce = {(const uint8_t *)"the other side's nonce", 22},
    .sk_p = {(const uint8_t *)"SK_pi", 5},
    .id_body = {(const uint8_t *)"\x02\x00\x00\x00vpn.example.org", 19},
};

static const uint16_t prfs[] = {PRF_HMAC_SHA1,     PRF_HMAC_SHA2_256, PRF_HMAC_SHA2_384,
                                PRF_HMAC_SHA2_512, PRF_AES128_XCBC,   PRF_AES128_CMAC};
enum { PRF_COUNT = sizeof prfs / sizeof prfs[0] };

/* RFC 7296 2.15, in one buffer and step by step. */
static void auth_is_the_formula_of_the_rfc(void **state)
{
    (void)state;
    for (size_t n = 0; n < PRF_COUNT; n++) {
        const struct prf *p = crypto_prf(prfs[n]);
        uint8_t key[PRF_OUT_MAX], id[PRF_OUT_MAX], want[PRF_OUT_MAX], got[PRF_OUT_MAX], all[256];
        const struct span pad = {(const uint8_t *)"Key Pad for IKEv2", 17};
        struct writer w = writer_of(all, sizeof all);
        assert_true(crypto_prf_compute(p, span_text("secret"), &pad, 1, key));
        assert_true(crypto_prf_compute(p, about.sk_p, &about.id_body, 1, id));
        put_span(&w, about.init_message);
        put_span(&w, about.peer_nonce);
        put_span(&w, span_of(id, p->out_len));
        const struct span octets = writer_span(&w);
        assert_true(crypto_prf_compute(p, span_of(key, p->out_len), &octets, 1, want));
        assert_true(auth_psk_compute(p, span_text("secret"), &about, got));
        assert_memory_equal(got, want, p->out_len);
        assert_true(auth_psk_verify(p, span_text("secret"), &about, span_of(want, p->out_len)));
    }
}

static void anything_else_signed_is_refused(void **state)
{
    (void)state;
    const struct prf *p = crypto_prf(PRF_HMAC_SHA2_256);
    uint8_t mac[PRF_OUT_MAX];
    const struct span received = span_of(mac, p->out_len), psk = span_text("secret");
    assert_true(auth_psk_compute(p, psk, &about, mac));
    struct auth_octets other = about;
    other.init_message = span_text("another IKE_SA_INIT message");
    assert_false(auth_psk_verify(p, psk, &other, received));
    other = about;
    other.peer_nonce = span_text("another side's nonce..");
    assert_false(auth_psk_verify(p, psk, &other, received));
    other = about;
    other.sk_p = span_text("SK_pr"); /* the peer's own AUTH, sent back to it */
    assert_false(auth_psk_verify(p, psk, &other, received));
    other = about;
    other.id_body = span_of("\x02\x00\x00\x00vpn.example.com", 19);
    assert_false(auth_psk_verify(p, psk, &other, received));
    other = about;
    other.int_auth = span_text("an IKE_INTERMEDIATE exchange"); /* RFC 9242 */
    assert_false(auth_psk_verify(p, psk, &other, received));
    assert_false(auth_psk_verify(p, span_text("Secret"), &about, received));
    assert_true(auth_psk_verify(p, psk, &about, received));
}

static void a_shorter_or_longer_auth_is_refused(void **state)
{
    (void)state;
    const struct prf *p = crypto_prf(PRF_HMAC_SHA2_256);
    uint8_t mac[PRF_OUT_MAX + 1] = {0};
    assert_true(auth_psk_compute(p, span_text("secret"), &about, mac));
    for (size_t len = 0; len <= PRF_OUT_MAX; len++)
        assert_true(auth_psk_verify(p, span_text("secret"), &about, span_of(mac, len)) ==
                    (len == p->out_len));
}

static void every_flipped_bit_is_refused(void **state)
{
    (void)state;
    const struct prf *p = crypto_prf(PRF_AES128_XCBC);
    uint8_t mac[PRF_OUT_MAX];
    assert_true(auth_psk_compute(p, span_text("secret"), &about, mac));
    for (size_t bit = 0; bit < (size_t)8 * p->out_len; bit++) {
        mac[bit / 8] ^= (uint8_t)(1U << bit % 8);
        assert_false(auth_psk_verify(p, span_text("secret"), &about, span_of(mac, p->out_len)));
        mac[bit / 8] ^= (uint8_t)(1U << bit % 8);
    }
}

static void an_empty_secret_is_a_secret_of_its_own(void **state)
{
    (void)state;
    const struct prf *p = crypto_prf(PRF_HMAC_SHA2_512);
    uint8_t none[PRF_OUT_MAX], one[PRF_OUT_MAX];
    assert_true(auth_psk_compute(p, span_of(NULL, 0), &about, none));
    assert_true(auth_psk_compute(p, span_text("x"), &about, one));
    assert_memory_not_equal(none, one, p->out_len);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(auth_is_the_formula_of_the_rfc),
        cmocka_unit_test(anything_else_signed_is_refused),
        cmocka_unit_test(a_shorter_or_longer_auth_is_refused),
        cmocka_unit_test(every_flipped_bit_is_refused),
        cmocka_unit_test(an_empty_secret_is_a_secret_of_its_own),
    };
    return cmocka_run_group_tests_name("psk_auth", tests, NULL, NULL);
}
