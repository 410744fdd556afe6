#include "crypto/mac.h"

#include <openssl/core_names.h>

static const uint8_t zeros[AES_BLOCK];

static bool is_hmac(enum mac_kind kind)
{
    return kind <= MAC_HMAC_SHA512;
}

static enum md hash_of(enum mac_kind kind)
{
    switch (kind) {
    case MAC_HMAC_SHA1:
        return MD_SHA1;
    case MAC_HMAC_SHA384:
        return MD_SHA384;
    case MAC_HMAC_SHA512:
        return MD_SHA512;
    case MAC_HMAC_SHA256:
    case MAC_AES_XCBC:
    case MAC_AES_CMAC:
        break;
    }
    return MD_SHA256;
}

size_t crypto_mac_len(enum mac_kind kind)
{
    return is_hmac(kind) ? crypto_hash_len(hash_of(kind)) : AES_BLOCK;
}

bool crypto_mac_borrow(struct mac *m, enum mac_kind kind)
{
    struct scratch *s = crypto_scratch();
    if (s == NULL)
        return false;
    m->kind = kind;
    m->is_owner = false;
    m->failed = true; /* until there is a key */
    m->work = s->hash[hash_of(kind)];
    m->inner = m->outer = NULL;
    m->cmac = s->cmac;
    m->cbc = s->cbc;
    m->held_len = 0;
    return true;
}

bool crypto_mac_own(struct mac *m, enum mac_kind kind)
{
    const struct fetched *f = crypto_fetched();
    memset(m, 0, sizeof *m);
    m->kind = kind;
    m->is_owner = true;
    m->failed = true;
    if (f == NULL)
        return false;
    bool ok;
    if (is_hmac(kind)) {
        m->work = EVP_MD_CTX_new();
        m->inner = EVP_MD_CTX_new();
        m->outer = EVP_MD_CTX_new();
        EVP_MD *md = f->hash[hash_of(kind)];
        ok = m->work != NULL && m->inner != NULL && m->outer != NULL &&
             EVP_DigestInit_ex2(m->work, md, NULL) == 1 &&
             EVP_DigestInit_ex2(m->inner, md, NULL) == 1 &&
             EVP_DigestInit_ex2(m->outer, md, NULL) == 1;
    } else if (kind == MAC_AES_CMAC) {
        OSSL_PARAM cbc_name[] = {
            OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_CIPHER, (char[]){"AES-128-CBC"}, 0),
            OSSL_PARAM_construct_end()};
        m->cmac = EVP_MAC_CTX_new(f->cmac);
        ok = m->cmac != NULL && EVP_MAC_CTX_set_params(m->cmac, cbc_name) == 1;
    } else {
        m->cbc = EVP_CIPHER_CTX_new();
        ok = m->cbc != NULL && EVP_EncryptInit_ex2(m->cbc, f->aes128_cbc, NULL, NULL, NULL) == 1 &&
             EVP_CIPHER_CTX_set_padding(m->cbc, 0) == 1;
    }
    if (!ok)
        crypto_mac_clear(m);
    return ok;
}

void crypto_mac_clear(struct mac *m)
{
    if (m->is_owner) {
        EVP_MD_CTX_free(m->work);
        EVP_MD_CTX_free(m->inner);
        EVP_MD_CTX_free(m->outer);
        EVP_MAC_CTX_free(m->cmac);
        EVP_CIPHER_CTX_free(m->cbc);
        m->work = m->inner = m->outer = NULL;
        m->cmac = NULL;
        m->cbc = NULL;
    } else if (is_hmac(m->kind)) {
        (void)EVP_DigestInit_ex2(m->work, NULL, NULL);
    } else if (m->kind == MAC_AES_CMAC) {
        (void)EVP_MAC_init(m->cmac, zeros, sizeof zeros, NULL);
    } else {
        (void)EVP_EncryptInit_ex2(m->cbc, NULL, zeros, zeros, NULL);
    }
    secret_wipe(m->pad, sizeof m->pad);
    secret_wipe(m->k2, sizeof m->k2);
    secret_wipe(m->k3, sizeof m->k3);
    secret_wipe(m->held, sizeof m->held);
    m->failed = true;
}

/* RFC 2104 2 */
static bool hmac_key(struct mac *m, struct span key)
{
    size_t block = crypto_hash_block(hash_of(m->kind));
    uint8_t short_key[MD_OUT_MAX];
    if (key.len > block) {
        if (EVP_DigestInit_ex2(m->work, NULL, NULL) != 1 ||
            EVP_DigestUpdate(m->work, key.at, key.len) != 1 ||
            EVP_DigestFinal_ex(m->work, short_key, NULL) != 1)
            return false;
        key = span_of(short_key, crypto_hash_len(hash_of(m->kind)));
    }
    memset(m->pad[0], 0x36, block);
    memset(m->pad[1], 0x5c, block);
    for (size_t i = 0; i < key.len; i++) {
        m->pad[0][i] ^= key.at[i];
        m->pad[1][i] ^= key.at[i];
    }
    if (key.at == short_key)
        secret_wipe(short_key, sizeof short_key);
    if (!m->is_owner)
        return true;
    bool ok = EVP_DigestInit_ex2(m->inner, NULL, NULL) == 1 &&
              EVP_DigestUpdate(m->inner, m->pad[0], block) == 1 &&
              EVP_DigestInit_ex2(m->outer, NULL, NULL) == 1 &&
              EVP_DigestUpdate(m->outer, m->pad[1], block) == 1;
    secret_wipe(m->pad, sizeof m->pad);
    return ok;
}

static bool encrypt_block(EVP_CIPHER_CTX *ctx, const uint8_t in[AES_BLOCK], uint8_t out[AES_BLOCK])
{
    int len = 0;
    return EVP_EncryptInit_ex2(ctx, NULL, NULL, zeros, NULL) == 1 &&
           EVP_EncryptUpdate(ctx, out, &len, in, AES_BLOCK) == 1 && len == AES_BLOCK;
}

/* RFC 3566 4.1: K1, K2, K3 = K over blocks of 01, 02, 03. CBC of one block with IV zero is the
 * block cipher itself. */
static bool xcbc_key(struct mac *m, struct span key)
{
    uint8_t block[AES_BLOCK], k1[AES_BLOCK];
    bool ok = EVP_EncryptInit_ex2(m->cbc, NULL, key.at, zeros, NULL) == 1;
    memset(block, 1, sizeof block);
    ok = ok && encrypt_block(m->cbc, block, k1);
    memset(block, 2, sizeof block);
    ok = ok && encrypt_block(m->cbc, block, m->k2);
    memset(block, 3, sizeof block);
    ok = ok && encrypt_block(m->cbc, block, m->k3);
    ok = ok && EVP_EncryptInit_ex2(m->cbc, NULL, k1, zeros, NULL) == 1;
    secret_wipe(k1, sizeof k1);
    return ok;
}

bool crypto_mac_key(struct mac *m, struct span key)
{
    bool ok;
    if (is_hmac(m->kind))
        ok = hmac_key(m, key);
    else if (key.len != AES_BLOCK)
        ok = false;
    else if (m->kind == MAC_AES_CMAC)
        ok = EVP_MAC_init(m->cmac, key.at, key.len, NULL) == 1;
    else
        ok = xcbc_key(m, key);
    m->failed = !ok;
    return ok;
}

void crypto_mac_begin(struct mac *m)
{
    bool ok;
    if (m->failed)
        return; /* has no key */
    if (!is_hmac(m->kind)) {
        m->held_len = 0;
        ok = m->kind == MAC_AES_CMAC ? EVP_MAC_init(m->cmac, NULL, 0, NULL) == 1
                                     : EVP_EncryptInit_ex2(m->cbc, NULL, NULL, zeros, NULL) == 1;
    } else if (m->is_owner) {
        ok = EVP_MD_CTX_copy_ex(m->work, m->inner) == 1;
    } else {
        ok = EVP_DigestInit_ex2(m->work, NULL, NULL) == 1 &&
             EVP_DigestUpdate(m->work, m->pad[0], crypto_hash_block(hash_of(m->kind))) == 1;
    }
    m->failed = !ok;
}

/* CBC over whole blocks; only the chain value inside the context is wanted. */
static bool cbc_run(struct mac *m, struct span s)
{
    uint8_t out[512];
    struct reader r = reader_of(s);
    bool ok = true;
    while (r.left.len > 0 && ok) {
        struct span piece = take(&r, r.left.len < sizeof out ? r.left.len : sizeof out);
        int len = 0;
        ok = EVP_EncryptUpdate(m->cbc, out, &len, piece.at, (int)piece.len) == 1 &&
             (size_t)len == piece.len;
    }
    return ok;
}

/* The last block is treated differently (RFC 3566 4.2 step 3), so one to sixteen octets are always
 * held back once there are any. */
static bool xcbc_add(struct mac *m, struct span s)
{
    size_t fill = AES_BLOCK - m->held_len;
    if (s.len <= fill) {
        memcpy(m->held + m->held_len, s.at, s.len);
        m->held_len += s.len;
        return true;
    }
    memcpy(m->held + m->held_len, s.at, fill);
    size_t whole = (s.len - fill - 1) / AES_BLOCK * AES_BLOCK;
    struct reader r = reader_of(s);
    (void)take(&r, fill);
    struct span middle = take(&r, whole), end = take_rest(&r);
    bool ok = cbc_run(m, span_of(m->held, AES_BLOCK)) && cbc_run(m, middle);
    struct writer w = writer_of(m->held, sizeof m->held);
    put_span(&w, end);
    m->held_len = w.len;
    return ok;
}

void crypto_mac_add(struct mac *m, struct span s)
{
    if (m->failed || s.len == 0)
        return;
    bool ok;
    if (is_hmac(m->kind))
        ok = EVP_DigestUpdate(m->work, s.at, s.len) == 1;
    else if (m->kind == MAC_AES_CMAC)
        ok = EVP_MAC_update(m->cmac, s.at, s.len) == 1;
    else
        ok = xcbc_add(m, s);
    m->failed = !ok;
}

static bool hmac_end(struct mac *m, uint8_t *out)
{
    size_t len = crypto_hash_len(hash_of(m->kind));
    if (EVP_DigestFinal_ex(m->work, out, NULL) != 1)
        return false;
    bool ok = m->is_owner ? EVP_MD_CTX_copy_ex(m->work, m->outer) == 1
                          : EVP_DigestInit_ex2(m->work, NULL, NULL) == 1 &&
                                EVP_DigestUpdate(m->work, m->pad[1],
                                                 crypto_hash_block(hash_of(m->kind))) == 1;
    return ok && EVP_DigestUpdate(m->work, out, len) == 1 &&
           EVP_DigestFinal_ex(m->work, out, NULL) == 1;
}

static bool xcbc_end(struct mac *m, uint8_t *out)
{
    const uint8_t *k = m->k2;
    if (m->held_len < AES_BLOCK) {
        m->held[m->held_len] = 0x80;
        memset(m->held + m->held_len + 1, 0, AES_BLOCK - m->held_len - 1);
        k = m->k3;
    }
    for (size_t i = 0; i < AES_BLOCK; i++)
        m->held[i] ^= k[i];
    int len = 0;
    return EVP_EncryptUpdate(m->cbc, out, &len, m->held, AES_BLOCK) == 1 && len == AES_BLOCK;
}

bool crypto_mac_end(struct mac *m, uint8_t *out)
{
    if (m->failed)
        return false;
    size_t len = 0;
    bool ok;
    if (is_hmac(m->kind))
        ok = hmac_end(m, out);
    else if (m->kind == MAC_AES_CMAC)
        ok = EVP_MAC_final(m->cmac, out, &len, AES_BLOCK) == 1;
    else
        ok = xcbc_end(m, out);
    m->failed = !ok;
    return ok;
}
