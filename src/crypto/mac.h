/* A keyed MAC: HMAC (RFC 2104), AES-XCBC-MAC (RFC 3566), AES-CMAC (RFC 4493, 4494).
 *
 * Private to the room: the PRFs and the integrity algorithms are made of it. A mac either borrows
 * the thread's contexts (one prf call: key, compute a few times, done) or owns its contexts (a
 * sealer). Only one borrowed mac may be alive in a thread at a time.
 *
 * HMAC is built from two runs of OpenSSL's hash, because in OpenSSL 3.0.22 that is the fastest.
 * ns for a MAC of 100 octets with SHA-1 / SHA-256 / SHA-512:
 *   EVP_MAC, context kept, new key                 1030 / 1020 / 1960
 *   EVP_MAC, new context each time                 2570 / 2080 / 2450
 *   two hashes, pads hashed anew                    770 /  350 / 1270   borrowed
 *   EVP_MAC, same key, EVP_MAC_init(NULL key)       680 /  320 / 1070
 *   copies of hash contexts that hold the pads      540 /  370 /  900   owned */
#ifndef IKEBANA_CRYPTO_MAC_H
#define IKEBANA_CRYPTO_MAC_H

#include "crypto/fetched.h"

enum mac_kind {
    MAC_HMAC_SHA1,
    MAC_HMAC_SHA256,
    MAC_HMAC_SHA384,
    MAC_HMAC_SHA512,
    MAC_AES_XCBC,
    MAC_AES_CMAC
};

enum { MAC_OUT_MAX = MD_OUT_MAX, AES_BLOCK = 16 };

struct mac {
    enum mac_kind kind;
    bool is_owner;
    bool failed;               /* since crypto_mac_begin() */
    EVP_MD_CTX *work;          /* HMAC */
    EVP_MD_CTX *inner, *outer; /* HMAC, owner: the pads are hashed into them */
    EVP_MAC_CTX *cmac;
    EVP_CIPHER_CTX *cbc;                                   /* XCBC: keyed with K1 */
    uint8_t pad[2][MD_BLOCK_MAX];                          /* HMAC, borrower: inner and outer pad */
    uint8_t k2[AES_BLOCK], k3[AES_BLOCK], held[AES_BLOCK]; /* XCBC */
    size_t held_len;
};

/* HMAC: the hash's; the others 16. */
size_t crypto_mac_len(enum mac_kind kind);

bool crypto_mac_borrow(struct mac *m, enum mac_kind kind);
bool crypto_mac_own(struct mac *m, enum mac_kind kind);
/* Wipes keys out of borrowed contexts, frees owned ones. */
void crypto_mac_clear(struct mac *m);

/* HMAC: any length; the others 16 octets. */
bool crypto_mac_key(struct mac *m, struct span key);

/* As often as wanted with one key. out gets crypto_mac_len() octets. */
void crypto_mac_begin(struct mac *m);
void crypto_mac_add(struct mac *m, struct span s);
bool crypto_mac_end(struct mac *m, uint8_t *out);

#endif
