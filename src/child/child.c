#include "child/child.h"

void child_keys_clear(struct child_keys *k)
{
    secret_wipe(k, sizeof *k);
}

static void split(struct reader *r, const struct encr *encr, const struct integ *integ,
                  struct child_keys *out)
{
    struct writer e = writer_of(out->encr, sizeof out->encr);
    struct writer i = writer_of(out->integ, sizeof out->integ);
    put_span(&e, take(r, (size_t)encr->key_len + encr->salt_len));
    put_span(&i, take(r, integ == NULL ? 0 : integ->key_len));
    out->encr_len = (uint8_t)e.len;
    out->integ_len = (uint8_t)i.len;
}

bool child_derive_keys(const struct prf *prf, struct span sk_d, struct span shared,
                       struct span nonce_i, struct span nonce_r, const struct suite *suite,
                       struct child_keys *i_to_r, struct child_keys *r_to_i)
{
    const struct encr *encr = crypto_encr(suite->encr, suite->encr_bits);
    const struct integ *integ = encr == NULL || encr->is_aead ? NULL : crypto_integ(suite->integ);
    uint8_t keymat[2 * CHILD_KEY_MAX];
    memset(i_to_r, 0, sizeof *i_to_r);
    memset(r_to_i, 0, sizeof *r_to_i);
    if (encr == NULL || (integ == NULL && !encr->is_aead))
        return false; /* encryption without integrity is never agreed (RFC 8221 4) */
    size_t one = (size_t)encr->key_len + encr->salt_len + (integ == NULL ? 0 : integ->key_len);
    bool ok = crypto_child_keymat(prf, sk_d, shared, nonce_i, nonce_r, keymat, 2 * one);
    if (ok) {
        struct reader r = reader_of(span_of(keymat, 2 * one));
        split(&r, encr, integ, i_to_r);
        split(&r, encr, integ, r_to_i);
    }
    secret_wipe(keymat, sizeof keymat);
    return ok;
}
