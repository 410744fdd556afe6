/* Groups over the integers modulo a prime: RFC 7296 appendix B, RFC 3526; with a small subgroup:
 * RFC 5114. Peer's value: RFC 6989 2.1 and 2.2. */
#include <openssl/core_names.h>

#include "crypto/group.h"

/* RFC 5114's numbers as OpenSSL has them. */
static bool fetch_subgroup(const char *name, struct group *g)
{
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, "DHX", NULL);
    EVP_PKEY *key = NULL;
    OSSL_PARAM params[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, (char *)(uintptr_t)name, 0),
        OSSL_PARAM_construct_end()};
    bool ok = ctx != NULL && EVP_PKEY_paramgen_init(ctx) == 1 &&
              EVP_PKEY_CTX_set_params(ctx, params) == 1 && EVP_PKEY_paramgen(ctx, &key) == 1 &&
              EVP_PKEY_get_bn_param(key, OSSL_PKEY_PARAM_FFC_P, &g->p) == 1 &&
              EVP_PKEY_get_bn_param(key, OSSL_PKEY_PARAM_FFC_Q, &g->q) == 1 &&
              EVP_PKEY_get_bn_param(key, OSSL_PKEY_PARAM_FFC_G, &g->g) == 1;
    EVP_PKEY_free(key);
    EVP_PKEY_CTX_free(ctx);
    return ok;
}

bool crypto_modp_fetch(const struct group_row *row, struct group *g)
{
    bool ok;
    if (row->subgroup != NULL) {
        ok = fetch_subgroup(row->subgroup, g);
    } else {
        g->p = row->prime(NULL);
        g->g = BN_new();
        ok = g->p != NULL && g->g != NULL && BN_set_word(g->g, 2) == 1;
    }
    BN_CTX *ctx = BN_CTX_new();
    g->p_minus_1 = ok ? BN_dup(g->p) : NULL;
    BN_MONT_CTX *mont = BN_MONT_CTX_new();
    ok = ok && ctx != NULL && g->p_minus_1 != NULL && BN_sub_word(g->p_minus_1, 1) == 1 &&
         mont != NULL && BN_MONT_CTX_set(mont, g->p, ctx) == 1;
    BN_CTX_free(ctx);
    if (ok)
        g->mont = mont;
    else
        BN_MONT_CTX_free(mont);
    return ok;
}

/* out = base ^ exponent mod p in constant time, as many octets as p has. */
static bool power(const struct ke_pair *pair, const BIGNUM *base, const BIGNUM *exponent,
                  uint8_t *out)
{
    const struct group *g = pair->group;
    int len = pair->row->pub.public_len;
    BIGNUM *y = BN_new();
    bool ok =
        y != NULL &&
        BN_mod_exp_mont_consttime(y, base, exponent, g->p, crypto_scratch()->bn, g->mont) == 1 &&
        BN_bn2binpad(y, out, len) == len;
    BN_clear_free(y);
    return ok;
}

/* Without a known subgroup the exponent is any number of private_len octets but zero. */
static BIGNUM *exponent_new(const struct group_row *row, const struct group *g, struct rng *rng)
{
    if (g->q != NULL)
        return crypto_scalar(g->q, rng);
    BIGNUM *bound = BN_new();
    BIGNUM *x = NULL;
    if (bound != NULL && BN_set_bit(bound, row->private_len * 8) == 1 && BN_sub_word(bound, 1) == 1)
        x = crypto_scalar(bound, rng);
    BN_free(bound);
    return x;
}

struct ke_pair *crypto_modp_new(const struct group_row *row, const struct group *g, struct rng *rng,
                                uint8_t *out_public)
{
    if (g->mont == NULL)
        return NULL;
    BIGNUM *x = exponent_new(row, g, rng);
    struct ke_pair *pair = x == NULL ? NULL : crypto_pair_new(row, g, x, row->private_len);
    if (pair != NULL && !power(pair, g->g, x, out_public)) {
        crypto_ke_free(pair);
        pair = NULL;
    }
    BN_clear_free(x);
    return pair;
}

static bool is_good_public(const struct group *g, const BIGNUM *y, const char **why)
{
    if (BN_is_zero(y) || BN_is_one(y) || BN_cmp(y, g->p_minus_1) >= 0) {
        *why = "the public value is not between 2 and p-2"; /* RFC 6989 2.1 */
        return false;
    }
    if (g->q == NULL)
        return true;
    BIGNUM *one = BN_new();
    bool ok =
        one != NULL && BN_mod_exp_mont(one, y, g->q, g->p, crypto_scratch()->bn, g->mont) == 1;
    if (ok && !BN_is_one(one)) {
        *why = "the public value is not in the group's subgroup of prime order"; /* 2.2 */
        ok = false;
    }
    BN_free(one);
    return ok;
}

bool crypto_modp_shared(const struct ke_pair *pair, struct span peer, uint8_t *out,
                        const char **why)
{
    BIGNUM *y = BN_bin2bn(peer.at, (int)peer.len, NULL);
    BIGNUM *x = BN_bin2bn(pair->private, pair->private_len, NULL);
    if (x != NULL)
        BN_set_flags(x, BN_FLG_CONSTTIME);
    bool ok =
        y != NULL && x != NULL && is_good_public(pair->group, y, why) && power(pair, y, x, out);
    BN_clear_free(x);
    BN_free(y);
    return ok;
}
