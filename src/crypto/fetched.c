#include "crypto/fetched.h"

#include <pthread.h>
#include <stdlib.h>

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/err.h>

static const struct {
    const char *name;
    size_t len, block;
} hashes[MD_COUNT] = {
    [MD_SHA1] = {"SHA1", 20, 64},
    [MD_SHA256] = {"SHA2-256", 32, 64},
    [MD_SHA384] = {"SHA2-384", 48, 128},
    [MD_SHA512] = {"SHA2-512", 64, 128},
};

/* Written once, by fetch_all(), and only read afterwards. */
static struct fetched fetched;
static bool is_fetched;
static pthread_key_t scratch_key;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void scratch_free(void *at)
{
    struct scratch *s = at;
    if (s == NULL)
        return;
    for (size_t i = 0; i < MD_COUNT; i++)
        EVP_MD_CTX_free(s->hash[i]);
    EVP_MAC_CTX_free(s->cmac);
    EVP_CIPHER_CTX_free(s->cbc);
    EVP_PKEY_CTX_free(s->x25519);
    EVP_PKEY_CTX_free(s->x448);
    EVP_PKEY_free(s->x25519_peer);
    EVP_PKEY_free(s->x448_peer);
    BN_CTX_free(s->bn);
    free(s);
}

static void fetch_all(void)
{
    if (pthread_key_create(&scratch_key, scratch_free) != 0)
        return;
    for (size_t i = 0; i < MD_COUNT; i++) {
        fetched.hash[i] = EVP_MD_fetch(NULL, hashes[i].name, NULL);
        if (fetched.hash[i] == NULL)
            return;
    }
    fetched.cmac = EVP_MAC_fetch(NULL, "CMAC", NULL);
    fetched.aes128_cbc = EVP_CIPHER_fetch(NULL, "AES-128-CBC", NULL);
    is_fetched = fetched.cmac != NULL && fetched.aes128_cbc != NULL && crypto_fetch_ciphers() &&
                 crypto_fetch_groups();
    ERR_clear_error(); /* algorithms that are switched off left their names there */
}

bool crypto_init(void)
{
    return pthread_once(&once, fetch_all) == 0 && is_fetched;
}

const struct fetched *crypto_fetched(void)
{
    return crypto_init() ? &fetched : NULL;
}

static EVP_PKEY_CTX *fromdata_ctx(const char *name)
{
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, name, NULL);
    if (ctx == NULL || EVP_PKEY_fromdata_init(ctx) != 1) {
        EVP_PKEY_CTX_free(ctx);
        return NULL;
    }
    return ctx;
}

static struct scratch *scratch_new(void)
{
    if (!crypto_init())
        return NULL;
    struct scratch *s = calloc(1, sizeof *s);
    if (s == NULL)
        return NULL;
    OSSL_PARAM cbc_name[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_CIPHER, (char[]){"AES-128-CBC"}, 0),
        OSSL_PARAM_construct_end()};
    bool ok = true;
    for (size_t i = 0; i < MD_COUNT; i++) {
        s->hash[i] = EVP_MD_CTX_new();
        ok = ok && s->hash[i] != NULL && EVP_DigestInit_ex2(s->hash[i], fetched.hash[i], NULL) == 1;
    }
    s->cmac = EVP_MAC_CTX_new(fetched.cmac);
    ok = ok && s->cmac != NULL && EVP_MAC_CTX_set_params(s->cmac, cbc_name) == 1;
    s->cbc = EVP_CIPHER_CTX_new();
    ok = ok && s->cbc != NULL &&
         EVP_EncryptInit_ex2(s->cbc, fetched.aes128_cbc, NULL, NULL, NULL) == 1 &&
         EVP_CIPHER_CTX_set_padding(s->cbc, 0) == 1;
    s->x25519 = fromdata_ctx("X25519");
    s->x448 = fromdata_ctx("X448"); /* either may be switched off: its group then refuses */
    s->bn = BN_CTX_new();
    ok = ok && s->bn != NULL && pthread_setspecific(scratch_key, s) == 0;
    if (!ok) {
        scratch_free(s);
        return NULL;
    }
    return s;
}

struct scratch *crypto_scratch(void)
{
    static _Thread_local struct scratch *mine; /* the key above is there to free it */
    if (mine == NULL)
        mine = scratch_new();
    return mine;
}

size_t crypto_hash_len(enum md h)
{
    return hashes[h].len;
}

size_t crypto_hash_block(enum md h)
{
    return hashes[h].block;
}

bool crypto_hash(enum md h, const struct span *parts, size_t count, uint8_t *out)
{
    struct scratch *s = crypto_scratch();
    if (s == NULL || EVP_DigestInit_ex2(s->hash[h], NULL, NULL) != 1)
        return false;
    for (size_t i = 0; i < count; i++) {
        if (parts[i].len > 0 && EVP_DigestUpdate(s->hash[h], parts[i].at, parts[i].len) != 1)
            return false;
    }
    return EVP_DigestFinal_ex(s->hash[h], out, NULL) == 1;
}

bool crypto_sha1(const struct span *parts, size_t count, uint8_t out[SHA1_LEN])
{
    return crypto_hash(MD_SHA1, parts, count, out);
}
