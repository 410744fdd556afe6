/* What OpenSSL hands out once per process, and contexts that a thread uses again and again.
 *
 * Private to the room. Fetched algorithms are immutable after crypto_init(). Contexts (hash, MAC,
 * CBC, parameter and bignum contexts) cost more to make than to use: OpenSSL 3.0 takes 1.0 µs to
 * key an EVP_MAC for HMAC and 6 µs to make an x25519 public key with a context of its own, 0.35 µs
 * and 2 µs with one that is there. So each thread keeps one set. It holds no state between two
 * calls of this room: it is scratch memory, not something that the core could observe. The set is
 * freed when its thread ends. */
#ifndef IKEBANA_CRYPTO_FETCHED_H
#define IKEBANA_CRYPTO_FETCHED_H

#include <openssl/evp.h>

#include "crypto/crypto.h"

enum md { MD_SHA1, MD_SHA256, MD_SHA384, MD_SHA512, MD_COUNT };
enum { MD_OUT_MAX = 64, MD_BLOCK_MAX = 128 };

/* Hashes, and what the rows of encr need, by the row's cipher name. */
struct fetched {
    EVP_MD *hash[MD_COUNT];
    EVP_MAC *cmac;
    EVP_CIPHER *aes128_cbc; /* for AES-XCBC */
};

struct scratch {
    EVP_MD_CTX *hash[MD_COUNT];
    EVP_MAC_CTX *cmac;
    EVP_CIPHER_CTX *cbc;
    EVP_PKEY_CTX *x25519, *x448;       /* ready for EVP_PKEY_fromdata() */
    EVP_PKEY *x25519_peer, *x448_peer; /* take one peer's public value after the other */
    BN_CTX *bn;
};

/* NULL: crypto_init() failed. */
const struct fetched *crypto_fetched(void);
/* This thread's contexts; NULL: no memory. */
struct scratch *crypto_scratch(void);

/* Parts of crypto_init(), each by the file that owns the rows. */
bool crypto_fetch_ciphers(void);
bool crypto_fetch_groups(void);

size_t crypto_hash_len(enum md h);
size_t crypto_hash_block(enum md h);
bool crypto_hash(enum md h, const struct span *parts, size_t count, uint8_t *out);

#endif
