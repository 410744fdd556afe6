#include "auth/auth.h"

/* AUTH = prf(prf(Shared Secret, "Key Pad for IKEv2"), <the sender's octets>), RFC 7296 2.15.
 * The inner prf keeps the secret itself out of reach of whoever keeps only its result. */
bool auth_psk_compute(const struct prf *prf, struct span psk, const struct auth_octets *about,
                      uint8_t *out)
{
    const struct span pad = span_text("Key Pad for IKEv2");
    uint8_t maced_id[PRF_OUT_MAX];
    struct span spans[AUTH_SPANS_MAX];
    SECRET key = {.len = prf->out_len};
    size_t count = auth_signed_octets(prf, about, maced_id, spans);
    return count > 0 && crypto_prf_compute(prf, psk, &pad, 1, key.bytes) &&
           crypto_prf_compute(prf, secret_span(&key), spans, count, out);
}

bool auth_psk_verify(const struct prf *prf, struct span psk, const struct auth_octets *about,
                     struct span received)
{
    SECRET expected = {.len = prf->out_len};
    return auth_psk_compute(prf, psk, about, expected.bytes) &&
           secret_equal(secret_span(&expected), received);
}
