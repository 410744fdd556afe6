#include "auth/auth.h"

size_t auth_signed_octets(const struct prf *prf, const struct auth_octets *about, uint8_t *maced_id,
                          struct span spans[AUTH_SPANS_MAX])
{
    if (!crypto_prf_compute(prf, about->sk_p, &about->id_body, 1, maced_id))
        return 0;
    spans[0] = about->init_message;
    spans[1] = about->peer_nonce;
    spans[2] = span_of(maced_id, prf->out_len);
    spans[3] = about->int_auth;
    return AUTH_SPANS_MAX;
}
