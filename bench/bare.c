#include "bare.h"

#include <stdint.h>
#include <string.h>
#include <time.h>

#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/rand.h>

const size_t bare_sizes[BARE_SIZE_COUNT] = {64, 576, 1420, 8900};

double bare_cpu_s(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

enum {
    BLOCK = 64,
    MAC_LEN = 32,
    MESSAGE_LEN = 250,
    INIT_LEN = 300,
    NONCE_LEN = 32,
    GCM_TAG_LEN = 16
};

/* Everything that lives as long as the loop. */
struct tools {
    EVP_MD *sha1_md, *sha256_md;
    EVP_MD_CTX *sha1, *sha256;
    EVP_CIPHER *gcm_cipher;
    EVP_CIPHER_CTX *gcm;
    EVP_PKEY_CTX *import;
};

static void tools_clear(struct tools *t)
{
    EVP_PKEY_CTX_free(t->import);
    EVP_CIPHER_CTX_free(t->gcm);
    EVP_CIPHER_free(t->gcm_cipher);
    EVP_MD_CTX_free(t->sha1);
    EVP_MD_CTX_free(t->sha256);
    EVP_MD_free(t->sha1_md);
    EVP_MD_free(t->sha256_md);
}

static bool tools_init(struct tools *t)
{
    *t = (struct tools){
        .sha1_md = EVP_MD_fetch(NULL, "SHA1", NULL),
        .sha256_md = EVP_MD_fetch(NULL, "SHA2-256", NULL),
        .sha1 = EVP_MD_CTX_new(),
        .sha256 = EVP_MD_CTX_new(),
        .gcm_cipher = EVP_CIPHER_fetch(NULL, "AES-128-GCM", NULL),
        .gcm = EVP_CIPHER_CTX_new(),
        .import = EVP_PKEY_CTX_new_from_name(NULL, "X25519", NULL),
    };
    bool ok = t->sha1_md != NULL && t->sha256_md != NULL && t->sha1 != NULL && t->sha256 != NULL &&
              t->gcm_cipher != NULL && t->gcm != NULL && t->import != NULL &&
              EVP_DigestInit_ex2(t->sha1, t->sha1_md, NULL) == 1 &&
              EVP_DigestInit_ex2(t->sha256, t->sha256_md, NULL) == 1 &&
              EVP_EncryptInit_ex2(t->gcm, t->gcm_cipher, NULL, NULL, NULL) == 1 &&
              EVP_PKEY_fromdata_init(t->import) == 1;
    if (!ok)
        tools_clear(t);
    return ok;
}

static void prf(struct tools *t, const uint8_t key[MAC_LEN], const uint8_t *at, size_t len,
                uint8_t out[MAC_LEN])
{
    uint8_t pad[BLOCK];
    memset(pad, 0x36, BLOCK);
    for (size_t i = 0; i < MAC_LEN; i++)
        pad[i] ^= key[i];
    (void)EVP_DigestInit_ex2(t->sha256, NULL, NULL);
    (void)EVP_DigestUpdate(t->sha256, pad, BLOCK);
    (void)EVP_DigestUpdate(t->sha256, at, len);
    (void)EVP_DigestFinal_ex(t->sha256, out, NULL);
    memset(pad, 0x5c, BLOCK);
    for (size_t i = 0; i < MAC_LEN; i++)
        pad[i] ^= key[i];
    (void)EVP_DigestInit_ex2(t->sha256, NULL, NULL);
    (void)EVP_DigestUpdate(t->sha256, pad, BLOCK);
    (void)EVP_DigestUpdate(t->sha256, out, MAC_LEN);
    (void)EVP_DigestFinal_ex(t->sha256, out, NULL);
}

static bool gcm(struct tools *t, const uint8_t *key, const uint8_t iv[12], bool is_sealing,
                uint8_t *data, size_t len, uint8_t tag[GCM_TAG_LEN])
{
    int n = 0;
    uint8_t end[16];
    /* key == NULL: the one that is there */
    if (EVP_CipherInit_ex2(t->gcm, NULL, key, iv, is_sealing, NULL) != 1 ||
        (!is_sealing &&
         EVP_CIPHER_CTX_ctrl(t->gcm, EVP_CTRL_AEAD_SET_TAG, GCM_TAG_LEN, tag) != 1) ||
        EVP_CipherUpdate(t->gcm, NULL, &n, (const uint8_t *)"\0\0\0\1\0\0\0\2", 8) != 1 ||
        EVP_CipherUpdate(t->gcm, data, &n, data, (int)len) != 1 ||
        EVP_CipherFinal_ex(t->gcm, end, &n) != 1)
        return false;
    return !is_sealing || EVP_CIPHER_CTX_ctrl(t->gcm, EVP_CTRL_AEAD_GET_TAG, GCM_TAG_LEN, tag) == 1;
}

static bool x25519(struct tools *t, uint8_t private[32], const uint8_t peer[32], uint8_t public[32],
                   uint8_t shared[32])
{
    OSSL_PARAM ours[] = {OSSL_PARAM_construct_octet_string(OSSL_PKEY_PARAM_PRIV_KEY, private, 32),
                         OSSL_PARAM_construct_end()};
    OSSL_PARAM theirs[] = {
        OSSL_PARAM_construct_octet_string(OSSL_PKEY_PARAM_PUB_KEY, (void *)(uintptr_t)peer, 32),
        OSSL_PARAM_construct_end()};
    EVP_PKEY *key = NULL, *peer_key = NULL;
    size_t public_len = 32, shared_len = 32;
    EVP_PKEY_CTX *ctx = NULL;
    bool ok = EVP_PKEY_fromdata(t->import, &key, EVP_PKEY_KEYPAIR, ours) == 1 &&
              EVP_PKEY_get_raw_public_key(key, public, &public_len) == 1 &&
              EVP_PKEY_fromdata(t->import, &peer_key, EVP_PKEY_PUBLIC_KEY, theirs) == 1 &&
              (ctx = EVP_PKEY_CTX_new_from_pkey(NULL, key, NULL)) != NULL &&
              EVP_PKEY_derive_init(ctx) == 1 &&
              EVP_PKEY_derive_set_peer_ex(ctx, peer_key, 0) == 1 &&
              EVP_PKEY_derive(ctx, shared, &shared_len) == 1;
    EVP_PKEY_CTX_free(ctx);
    EVP_PKEY_free(peer_key);
    EVP_PKEY_free(key);
    return ok;
}

static bool one_handshake(struct tools *t, const uint8_t peer[32])
{
    uint8_t random[72], public[32], shared[32], t1[MAC_LEN + 128], key[MAC_LEN], out[MAC_LEN];
    uint8_t message[INIT_LEN + NONCE_LEN + MAC_LEN] = {0}, tag[GCM_TAG_LEN];
    if (RAND_bytes(random, sizeof random) != 1 || !x25519(t, random, peer, public, shared))
        return false;
    for (int i = 0; i < 4; i++) { /* SPIs, address, port */
        (void)EVP_DigestInit_ex2(t->sha1, NULL, NULL);
        (void)EVP_DigestUpdate(t->sha1, message, 22);
        (void)EVP_DigestFinal_ex(t->sha1, out, NULL);
    }
    /* Ni | Nr is as long as the hash's block: SKEYSEED's key needs no hash of its own */
    prf(t, random, shared, 32, key);
    memset(t1, 0, sizeof t1);
    for (int i = 0; i < 5; i++) { /* prf+: 136 octets from 32 + 80 + 1 octets each */
        prf(t, key, t1, i == 0 ? 81 : 113, out);
        memcpy(t1, out, MAC_LEN);
    }
    uint8_t iv[12] = {0};
    if (!gcm(t, key, iv, true, message, MESSAGE_LEN, tag) ||
        !gcm(t, key, iv, false, message, MESSAGE_LEN, tag))
        return false;
    for (int i = 0; i < 2; i++) { /* AUTH of both sides */
        prf(t, key, (const uint8_t *)"Key Pad for IKEv2", 17, out);
        prf(t, key, message, 24, t1);
        prf(t, out, message, sizeof message, t1);
    }
    for (int i = 0; i < 2; i++) /* KEYMAT */
        prf(t, key, t1, i == 0 ? 65 : 97, out);
    return true;
}

bool bare_handshake(unsigned rounds, double *cpu_s)
{
    struct tools t;
    uint8_t private[32] = {7}, base[32] = {9}, peer[32], shared[32];
    if (rounds == 0 || !tools_init(&t))
        return false;
    bool ok = x25519(&t, private, base, peer, shared);
    double begin = bare_cpu_s();
    for (unsigned i = 0; i < rounds && ok; i++)
        ok = one_handshake(&t, peer);
    *cpu_s = (bare_cpu_s() - begin) / rounds;
    tools_clear(&t);
    return ok;
}

bool bare_aead(size_t len, unsigned rounds, double *seal_cpu_s, double *open_cpu_s)
{
    static uint8_t packets[BARE_BATCH][BARE_PACKET_MAX];
    static uint8_t tags[BARE_BATCH][GCM_TAG_LEN];
    const uint8_t key[16] = {1, 2, 3};
    struct tools seal, open;
    double sealing = 0, opening = 0;
    if (rounds == 0 || len > BARE_PACKET_MAX || !tools_init(&seal))
        return false;
    if (!tools_init(&open)) {
        tools_clear(&seal);
        return false;
    }
    bool ok = EVP_CipherInit_ex2(seal.gcm, NULL, key, NULL, 1, NULL) == 1 &&
              EVP_CipherInit_ex2(open.gcm, NULL, key, NULL, 0, NULL) == 1;
    uint64_t sequence = 0;
    unsigned done = 0;
    while (done < rounds && ok) {
        uint8_t iv[12] = {4, 4, 4, 4};
        double begin = bare_cpu_s();
        for (size_t i = 0; i < BARE_BATCH && ok; i++) {
            uint64_t n = sequence + i;
            memcpy(iv + 4, &n, 8);
            ok = gcm(&seal, NULL, iv, true, packets[i], len, tags[i]);
        }
        double middle = bare_cpu_s();
        for (size_t i = 0; i < BARE_BATCH && ok; i++) {
            uint64_t n = sequence + i;
            memcpy(iv + 4, &n, 8);
            ok = gcm(&open, NULL, iv, false, packets[i], len, tags[i]);
        }
        opening += bare_cpu_s() - middle;
        sealing += middle - begin;
        sequence += BARE_BATCH;
        done += BARE_BATCH;
    }
    *seal_cpu_s = sealing / done;
    *open_cpu_s = opening / done;
    tools_clear(&seal);
    tools_clear(&open);
    return ok;
}
