/* The table of key exchange groups. RFC 7296 appendix B, RFC 3526, 5114, 5903, 6954, 8031; checks
 * of the peer's public value: RFC 6989 2.
 *
 * Exponents of the MODP groups have the higher of the two lengths of RFC 3526 8. */
#include "crypto/group.h"

#include <openssl/err.h>

#include "wire/numbers.h"

/* clang-format off */
static const struct group_row rows[] = {
    {{KE_MODP_1024,      128,  128, "modp1024"},     GROUP_MODP, 0, 32, NULL, BN_get_rfc2409_prime_1024},
    {{KE_MODP_1536,      192,  192, "modp1536"},     GROUP_MODP, 0, 32, NULL, BN_get_rfc3526_prime_1536},
    {{KE_MODP_2048,      256,  256, "modp2048"},     GROUP_MODP, 0, 40, NULL, BN_get_rfc3526_prime_2048},
    {{KE_MODP_3072,      384,  384, "modp3072"},     GROUP_MODP, 0, 53, NULL, BN_get_rfc3526_prime_3072},
    {{KE_MODP_4096,      512,  512, "modp4096"},     GROUP_MODP, 0, 60, NULL, BN_get_rfc3526_prime_4096},
    {{KE_MODP_6144,      768,  768, "modp6144"},     GROUP_MODP, 0, 68, NULL, BN_get_rfc3526_prime_6144},
    {{KE_MODP_8192,     1024, 1024, "modp8192"},     GROUP_MODP, 0, 78, NULL, BN_get_rfc3526_prime_8192},
    {{KE_MODP_1024_160,  128,  128, "modp1024s160"}, GROUP_MODP, 0, 20, "dh_1024_160", NULL},
    {{KE_MODP_2048_224,  256,  256, "modp2048s224"}, GROUP_MODP, 0, 28, "dh_2048_224", NULL},
    {{KE_MODP_2048_256,  256,  256, "modp2048s256"}, GROUP_MODP, 0, 32, "dh_2048_256", NULL},
    {{KE_ECP_256,         64,   32, "ecp256"},       GROUP_ECP, NID_X9_62_prime256v1, 32, NULL, NULL},
    {{KE_ECP_384,         96,   48, "ecp384"},       GROUP_ECP, NID_secp384r1,        48, NULL, NULL},
    {{KE_ECP_521,        132,   66, "ecp521"},       GROUP_ECP, NID_secp521r1,        66, NULL, NULL},
    {{KE_BRAINPOOL_P256R1, 64,  32, "ecp256bp"},     GROUP_ECP, NID_brainpoolP256r1,  32, NULL, NULL},
    {{KE_BRAINPOOL_P384R1, 96,  48, "ecp384bp"},     GROUP_ECP, NID_brainpoolP384r1,  48, NULL, NULL},
    {{KE_BRAINPOOL_P512R1, 128, 64, "ecp512bp"},     GROUP_ECP, NID_brainpoolP512r1,  64, NULL, NULL},
    {{KE_CURVE25519,      32,   32, "x25519"},       GROUP_X, EVP_PKEY_X25519,        32, NULL, NULL},
    {{KE_CURVE448,        56,   56, "x448"},         GROUP_X, EVP_PKEY_X448,          56, NULL, NULL},
};
/* clang-format on */

enum { ROW_COUNT = sizeof rows / sizeof rows[0] };

/* Written by crypto_init() only. */
static struct group groups[ROW_COUNT];

const struct ke *crypto_ke(uint16_t id)
{
    for (size_t i = 0; i < ROW_COUNT; i++) {
        if (rows[i].pub.id == id)
            return &rows[i].pub;
    }
    return NULL;
}

bool crypto_fetch_groups(void)
{
    for (size_t i = 0; i < ROW_COUNT; i++) {
        if (rows[i].kind == GROUP_MODP)
            (void)crypto_modp_fetch(&rows[i], &groups[i]);
        else if (rows[i].kind == GROUP_ECP)
            (void)crypto_ecp_fetch(&rows[i], &groups[i]);
    }
    /* what every build has; the others refuse when they are used */
    const struct group_row *p256 = (const struct group_row *)crypto_ke(KE_ECP_256);
    const struct group_row *modp = (const struct group_row *)crypto_ke(KE_MODP_2048);
    return groups[p256 - rows].curve != NULL && groups[modp - rows].mont != NULL;
}

BIGNUM *crypto_scalar(const BIGNUM *bound, struct rng *rng)
{
    uint8_t octets[PRIVATE_MAX];
    int bits = BN_num_bits(bound);
    size_t len = ((size_t)bits + 7) / 8;
    BIGNUM *n = len <= sizeof octets ? BN_new() : NULL;
    if (n == NULL)
        return NULL;
    BN_set_flags(n, BN_FLG_CONSTTIME);
    BIGNUM *ok;
    do { /* every bound here has its top bit set behind the mask: two tries on average at most */
        rng_fill(rng, octets, len);
        if (bits % 8 != 0)
            octets[0] &= (uint8_t)((1U << (bits % 8)) - 1);
        ok = BN_bin2bn(octets, (int)len, n);
    } while (ok != NULL && (BN_is_zero(n) || BN_cmp(n, bound) >= 0));
    secret_wipe(octets, sizeof octets);
    if (ok == NULL) {
        BN_clear_free(n);
        return NULL;
    }
    return n;
}

struct ke_pair *crypto_pair_new(const struct group_row *row, const struct group *g, const BIGNUM *n,
                                size_t len)
{
    struct ke_pair *pair = OPENSSL_zalloc(sizeof *pair + len);
    if (pair == NULL)
        return NULL;
    pair->row = row;
    pair->group = g;
    pair->private_len = (uint8_t)len;
    if (n != NULL && BN_bn2binpad(n, pair->private, (int)len) != (int)len) {
        crypto_ke_free(pair);
        return NULL;
    }
    return pair;
}

struct ke_pair *crypto_ke_new(const struct ke *k, struct rng *rng, uint8_t *out_public)
{
    const struct group_row *row = (const struct group_row *)k; /* rows are only ever made here */
    if (crypto_scratch() == NULL)
        return NULL;
    const struct group *g = &groups[row - rows];
    struct ke_pair *pair = NULL;
    switch (row->kind) {
    case GROUP_MODP:
        pair = crypto_modp_new(row, g, rng, out_public);
        break;
    case GROUP_ECP:
        pair = crypto_ecp_new(row, g, rng, out_public);
        break;
    case GROUP_X:
        pair = crypto_x_new(row, g, rng, out_public);
        break;
    }
    if (pair == NULL)
        ERR_clear_error();
    return pair;
}

void crypto_ke_free(struct ke_pair *pair)
{
    if (pair == NULL)
        return;
    EVP_PKEY_free(pair->key);
    OPENSSL_clear_free(pair, sizeof *pair + pair->private_len);
}

bool crypto_ke_shared(const struct ke_pair *pair, struct span peer_public, struct big_secret *out,
                      const char **why)
{
    const struct ke *k = &pair->row->pub;
    big_secret_clear(out);
    *why = WHY_OPENSSL;
    if (peer_public.len != k->public_len) {
        *why = "the public value does not have the length of its group";
        return false;
    }
    if (crypto_scratch() == NULL)
        return false;
    bool ok = false;
    switch (pair->row->kind) {
    case GROUP_MODP:
        ok = crypto_modp_shared(pair, peer_public, out->bytes, why);
        break;
    case GROUP_ECP:
        ok = crypto_ecp_shared(pair, peer_public, out->bytes, why);
        break;
    case GROUP_X:
        ok = crypto_x_shared(pair, peer_public, out->bytes, why);
        break;
    }
    if (!ok) {
        big_secret_clear(out);
        ERR_clear_error();
        return false;
    }
    out->len = k->shared_len;
    *why = NULL;
    return true;
}
