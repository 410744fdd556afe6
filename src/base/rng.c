#include "base/rng.h"

#include <stdlib.h>

#include <openssl/crypto.h>
#include <openssl/evp.h>

enum { POOL_SIZE = 1024, KEY_SIZE = 32 };

struct rng {
    EVP_CIPHER_CTX *ctx;
    size_t used;
    uint8_t pool[POOL_SIZE]; /* the first KEY_SIZE octets are the next key */
};

static void refill(struct rng *r, const uint8_t key[KEY_SIZE])
{
    static const uint8_t zeros[POOL_SIZE];
    static const uint8_t iv[16];
    int len = 0;
    if (EVP_EncryptInit_ex(r->ctx, NULL, NULL, key, iv) != 1 ||
        EVP_EncryptUpdate(r->ctx, r->pool, &len, zeros, POOL_SIZE) != 1)
        abort(); /* a stream cipher on its own buffer cannot fail; weak randomness is no choice */
    r->used = KEY_SIZE;
}

struct rng *rng_new(const uint8_t seed[RNG_SEED_SIZE])
{
    struct rng *r = calloc(1, sizeof *r);
    if (r == NULL)
        return NULL;
    r->ctx = EVP_CIPHER_CTX_new();
    if (r->ctx == NULL || EVP_EncryptInit_ex(r->ctx, EVP_chacha20(), NULL, NULL, NULL) != 1) {
        rng_free(r);
        return NULL;
    }
    refill(r, seed);
    return r;
}

void rng_free(struct rng *r)
{
    if (r == NULL)
        return;
    EVP_CIPHER_CTX_free(r->ctx);
    OPENSSL_cleanse(r, sizeof *r);
    free(r);
}

void rng_fill(struct rng *r, void *at, size_t len)
{
    uint8_t *out = at;
    while (len > 0) {
        if (r->used == POOL_SIZE) {
            uint8_t key[KEY_SIZE];
            memcpy(key, r->pool, KEY_SIZE);
            refill(r, key);
            OPENSSL_cleanse(key, KEY_SIZE);
        }
        size_t n = POOL_SIZE - r->used < len ? POOL_SIZE - r->used : len;
        memcpy(out, r->pool + r->used, n);
        OPENSSL_cleanse(r->pool + r->used, n);
        r->used += n;
        out += n;
        len -= n;
    }
}

uint32_t rng_u32(struct rng *r)
{
    uint32_t v;
    rng_fill(r, &v, sizeof v);
    return v;
}

uint64_t rng_u64(struct rng *r)
{
    uint64_t v;
    rng_fill(r, &v, sizeof v);
    return v;
}

uint64_t rng_below(struct rng *r, uint64_t bound)
{
    if (bound == 0)
        return 0;
    uint64_t limit = UINT64_MAX - UINT64_MAX % bound, v;
    do {
        v = rng_u64(r);
    } while (v >= limit);
    return v % bound;
}
