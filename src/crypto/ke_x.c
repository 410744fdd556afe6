/* x25519 and x448: RFC 7748, RFC 8031. Any string of the right length is a public value; only a
 * shared value of zero (a point of small order) is refused (RFC 8031 2, RFC 7748 6.1). */
#include <openssl/core_names.h>

#include "crypto/group.h"

/* The thread's context saves the look-ups that EVP_PKEY_new_raw_…_key() does: 2 µs instead of 6. */
static EVP_PKEY *import(const struct group_row *row, bool is_private, const uint8_t *at)
{
    struct scratch *s = crypto_scratch();
    EVP_PKEY_CTX *ctx = row->nid == EVP_PKEY_X25519 ? s->x25519 : s->x448;
    OSSL_PARAM params[] = {OSSL_PARAM_construct_octet_string(
                               is_private ? OSSL_PKEY_PARAM_PRIV_KEY : OSSL_PKEY_PARAM_PUB_KEY,
                               (void *)(uintptr_t)at, row->pub.public_len),
                           OSSL_PARAM_construct_end()};
    EVP_PKEY *key = NULL;
    if (ctx == NULL ||
        EVP_PKEY_fromdata(ctx, &key, is_private ? EVP_PKEY_KEYPAIR : EVP_PKEY_PUBLIC_KEY, params) !=
            1)
        return NULL;
    return key;
}

struct ke_pair *crypto_x_new(const struct group_row *row, const struct group *g, struct rng *rng,
                             uint8_t *out_public)
{
    uint8_t octets[PRIVATE_MAX];
    struct ke_pair *pair = crypto_pair_new(row, g, NULL, 0);
    if (pair == NULL)
        return NULL;
    size_t len = row->private_len;
    rng_fill(rng, octets, len); /* OpenSSL sets and clears the bits that RFC 7748 5 says */
    pair->key = import(row, true, octets);
    secret_wipe(octets, sizeof octets);
    if (pair->key == NULL || EVP_PKEY_get_raw_public_key(pair->key, out_public, &len) != 1 ||
        len != row->pub.public_len) {
        crypto_ke_free(pair);
        return NULL;
    }
    return pair;
}

/* The thread's key object for peers, with this public value: OpenSSL 3.0 walks through all names
 * that it knows for each new one, which takes longer than it takes to prepare for the curve. */
static EVP_PKEY *peer_key(const struct group_row *row, struct span public)
{
    struct scratch *s = crypto_scratch();
    EVP_PKEY **kept = row->nid == EVP_PKEY_X25519 ? &s->x25519_peer : &s->x448_peer;
    if (*kept == NULL)
        *kept = import(row, false, public.at);
    else if (EVP_PKEY_set1_encoded_public_key(*kept, public.at, public.len) != 1)
        return NULL;
    return *kept;
}

bool crypto_x_shared(const struct ke_pair *pair, struct span peer, uint8_t *out, const char **why)
{
    size_t len = pair->row->pub.shared_len;
    EVP_PKEY *theirs = peer_key(pair->row, peer);
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_pkey(NULL, pair->key, NULL);
    /* no further validation of the peer's key: there is none to do, and OpenSSL takes 2 µs for it
     */
    bool ok = theirs != NULL && ctx != NULL && EVP_PKEY_derive_init(ctx) == 1 &&
              EVP_PKEY_derive_set_peer_ex(ctx, theirs, 0) == 1;
    if (ok && EVP_PKEY_derive(ctx, out, &len) != 1) {
        *why = "the public value is of small order: the shared value is zero";
        ok = false;
    }
    EVP_PKEY_CTX_free(ctx);
    return ok && len == pair->row->pub.shared_len;
}
