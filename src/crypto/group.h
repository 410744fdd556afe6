/* The kinds of key exchange groups behind crypto_ke_*. Private to the room.
 *
 * Each kind makes a pair from octets of the rng, and the shared value from it and the peer's public
 * value. What OpenSSL needs for a group is computed once by crypto_init() and only read after. */
#ifndef IKEBANA_CRYPTO_GROUP_H
#define IKEBANA_CRYPTO_GROUP_H

#include <openssl/bn.h>
#include <openssl/ec.h>
#include <openssl/evp.h>

#include "crypto/fetched.h"

enum group_kind { GROUP_MODP, GROUP_ECP, GROUP_X };

enum { PRIVATE_MAX = 80 };

struct group_row {
    struct ke pub;
    enum group_kind kind;
    int nid;                    /* ECP, X: OpenSSL's number */
    uint8_t private_len;        /* MODP: octets of the exponent; X: of the key; ECP: computed */
    const char *subgroup;       /* MODP with a small subgroup: OpenSSL's name of the group */
    BIGNUM *(*prime)(BIGNUM *); /* MODP, safe prime */
};

/* Computed by crypto_init(); NULLs: the group is switched off in this OpenSSL. */
struct group {
    BIGNUM *p, *p_minus_1, *g; /* MODP; p also ECP: the field's prime */
    BIGNUM *q;                 /* MODP with a small subgroup, ECP: the order */
    BN_MONT_CTX *mont;         /* MODP */
    EC_GROUP *curve;           /* ECP */
};

struct ke_pair {
    const struct group_row *row;
    const struct group *group;
    EVP_PKEY *key;       /* X */
    uint8_t private_len; /* MODP, ECP: the exponent, in network order */
    uint8_t private[];
};

/* A scalar in [1, bound-1], by rejection. NULL: no memory. The caller clears and frees. */
BIGNUM *crypto_scalar(const BIGNUM *bound, struct rng *rng);

bool crypto_modp_fetch(const struct group_row *row, struct group *g);
struct ke_pair *crypto_modp_new(const struct group_row *row, const struct group *g, struct rng *rng,
                                uint8_t *out_public);
bool crypto_modp_shared(const struct ke_pair *pair, struct span peer, uint8_t *out,
                        const char **why);

bool crypto_ecp_fetch(const struct group_row *row, struct group *g);
struct ke_pair *crypto_ecp_new(const struct group_row *row, const struct group *g, struct rng *rng,
                               uint8_t *out_public);
bool crypto_ecp_shared(const struct ke_pair *pair, struct span peer, uint8_t *out,
                       const char **why);

struct ke_pair *crypto_x_new(const struct group_row *row, const struct group *g, struct rng *rng,
                             uint8_t *out_public);
bool crypto_x_shared(const struct ke_pair *pair, struct span peer, uint8_t *out, const char **why);

/* Room for a private value of len octets; filled from n if that is not NULL. */
struct ke_pair *crypto_pair_new(const struct group_row *row, const struct group *g, const BIGNUM *n,
                                size_t len);

#define WHY_OPENSSL "OpenSSL refused the computation"

#endif
