/* Sealing and opening: RFC 3602, 3686, 5930 (AES-CBC, AES-CTR), 4106, 4309, 5282 (AES-GCM,
 * AES-CCM), 4543 (GMAC), 7634 (ChaCha20-Poly1305), 2451 (3DES), 2410 (NULL); MACs over the
 * ciphertext.
 *
 * Everything that can be prepared is prepared with the key: the cipher's key schedule, the MAC's
 * pads, the salt at the head of the nonce. Per packet this file allocates nothing. */
#include <openssl/core_names.h>
#include <openssl/err.h>

#include "crypto/mac.h"
#include "wire/numbers.h"

enum encr_mode {
    ENCR_MODE_CBC,
    ENCR_MODE_CTR,
    ENCR_MODE_AEAD,
    ENCR_MODE_CCM,
    ENCR_MODE_GMAC,
    ENCR_MODE_NULL
};

struct encr_row {
    struct encr pub;
    enum encr_mode mode;
    uint8_t cipher; /* enum cipher_name */
};

enum cipher_name {
    CIPHER_CBC_128,
    CIPHER_CBC_192,
    CIPHER_CBC_256,
    CIPHER_CTR_128,
    CIPHER_CTR_192,
    CIPHER_CTR_256,
    CIPHER_GCM_128,
    CIPHER_GCM_192,
    CIPHER_GCM_256,
    CIPHER_CCM_128,
    CIPHER_CCM_192,
    CIPHER_CCM_256,
    CIPHER_CHACHA,
    CIPHER_3DES,
    CIPHER_NONE,
};

static const char *const cipher_names[CIPHER_NONE] = {
    "AES-128-CBC", "AES-192-CBC", "AES-256-CBC",       "AES-128-CTR",  "AES-192-CTR",
    "AES-256-CTR", "AES-128-GCM", "AES-192-GCM",       "AES-256-GCM",  "AES-128-CCM",
    "AES-192-CCM", "AES-256-CCM", "ChaCha20-Poly1305", "DES-EDE3-CBC",
};

/* Written by crypto_init() only. NULL: switched off in this OpenSSL. */
static EVP_CIPHER *ciphers[CIPHER_NONE];

/* clang-format off */
#define AES3(ID, NAME, SALT, IV, ICV, BLOCK, AEAD, IKE, RANDOM, MODE, CIPHER)                             \
    {{ID, 128, 16, SALT, IV, ICV, BLOCK, AEAD, IKE, true, RANDOM, NAME "_128"}, MODE, CIPHER##_128},      \
    {{ID, 192, 24, SALT, IV, ICV, BLOCK, AEAD, IKE, true, RANDOM, NAME "_192"}, MODE, CIPHER##_192},      \
    {{ID, 256, 32, SALT, IV, ICV, BLOCK, AEAD, IKE, true, RANDOM, NAME "_256"}, MODE, CIPHER##_256}

static const struct encr_row encrs[] = {
    /*   id                         name                     salt iv icv block aead   ike    random */
    AES3(ENCR_AES_CBC,              "AES_CBC",               0, 16,  0,  16, false, true,  true,  ENCR_MODE_CBC,  CIPHER_CBC),
    AES3(ENCR_AES_CTR,              "AES_CTR",               4,  8,  0,   1, false, true,  false, ENCR_MODE_CTR,  CIPHER_CTR),
    AES3(ENCR_AES_GCM_16,           "AES_GCM_16",            4,  8, 16,   1, true,  true,  false, ENCR_MODE_AEAD, CIPHER_GCM),
    AES3(ENCR_AES_GCM_12,           "AES_GCM_12",            4,  8, 12,   1, true,  true,  false, ENCR_MODE_AEAD, CIPHER_GCM),
    AES3(ENCR_AES_GCM_8,            "AES_GCM_8",             4,  8,  8,   1, true,  true,  false, ENCR_MODE_AEAD, CIPHER_GCM),
    AES3(ENCR_AES_CCM_16,           "AES_CCM_16",            3,  8, 16,   1, true,  true,  false, ENCR_MODE_CCM,  CIPHER_CCM),
    AES3(ENCR_AES_CCM_12,           "AES_CCM_12",            3,  8, 12,   1, true,  true,  false, ENCR_MODE_CCM,  CIPHER_CCM),
    AES3(ENCR_AES_CCM_8,            "AES_CCM_8",             3,  8,  8,   1, true,  true,  false, ENCR_MODE_CCM,  CIPHER_CCM),
    AES3(ENCR_NULL_AUTH_AES_GMAC,   "NULL_AUTH_AES_GMAC",    4,  8, 16,   1, true,  false, false, ENCR_MODE_GMAC, CIPHER_GCM),
    {{ENCR_CHACHA20_POLY1305, 0, 32, 4, 8, 16, 1, true, true, true, false, "CHACHA20_POLY1305"}, ENCR_MODE_AEAD, CIPHER_CHACHA},
    {{ENCR_3DES, 0, 24, 0, 8, 0, 8, false, true, true, true, "3DES"}, ENCR_MODE_CBC, CIPHER_3DES},
    {{ENCR_NULL, 0, 0, 0, 0, 0, 1, false, false, true, false, "NULL"}, ENCR_MODE_NULL, CIPHER_NONE},
};
/* clang-format on */

struct integ_row {
    struct integ pub;
    enum mac_kind mac;
};

static const struct integ_row integs[] = {
    {{AUTH_HMAC_SHA1_96, 20, 12, "HMAC_SHA1_96"}, MAC_HMAC_SHA1},
    {{AUTH_HMAC_SHA2_256_128, 32, 16, "HMAC_SHA2_256_128"}, MAC_HMAC_SHA256},
    {{AUTH_HMAC_SHA2_384_192, 48, 24, "HMAC_SHA2_384_192"}, MAC_HMAC_SHA384},
    {{AUTH_HMAC_SHA2_512_256, 64, 32, "HMAC_SHA2_512_256"}, MAC_HMAC_SHA512},
    {{AUTH_AES_XCBC_96, 16, 12, "AES_XCBC_96"}, MAC_AES_XCBC},
    {{AUTH_AES_CMAC_96, 16, 12, "AES_CMAC_96"}, MAC_AES_CMAC},
};

const struct encr *crypto_encr(uint16_t id, uint16_t key_bits)
{
    if (id == ENCR_CHACHA20_POLY1305 && key_bits == 256)
        key_bits = 0; /* some peers send the attribute that RFC 7634 does not have */
    for (size_t i = 0; i < sizeof encrs / sizeof encrs[0]; i++) {
        if (encrs[i].pub.id == id && encrs[i].pub.key_bits == key_bits)
            return &encrs[i].pub;
    }
    return NULL;
}

const struct integ *crypto_integ(uint16_t id)
{
    for (size_t i = 0; i < sizeof integs / sizeof integs[0]; i++) {
        if (integs[i].pub.id == id)
            return &integs[i].pub;
    }
    return NULL;
}

bool crypto_fetch_ciphers(void)
{
    for (size_t i = 0; i < CIPHER_NONE; i++)
        ciphers[i] = EVP_CIPHER_fetch(NULL, cipher_names[i], NULL);
    return ciphers[CIPHER_CBC_128] != NULL && ciphers[CIPHER_GCM_128] != NULL;
}

/* Every mode with a nonce has a salt and these octets of IV (the table above). */
enum { COUNTER_LEN = 8, CCM_NONCE_LEN = 11 };

struct sealer {
    const struct encr_row *encr;
    const struct integ_row *integ; /* NULL with combined modes */
    EVP_CIPHER_CTX *ctx;           /* NULL with ENCR_NULL */
    struct mac mac;                /* with integ */
    uint8_t nonce[16];             /* salt | iv of the packet | CTR: block counter 1 */
    OSSL_PARAM icv[2];             /* combined modes: where the ICV is or goes, then the end */
    bool is_keyed, for_sealing;
};

static bool prepare_ctx(struct sealer *s)
{
    const struct encr *e = &s->encr->pub;
    if (s->encr->cipher == CIPHER_NONE)
        return true;
    EVP_CIPHER *cipher = crypto_fetched() == NULL ? NULL : ciphers[s->encr->cipher];
    s->ctx = EVP_CIPHER_CTX_new();
    if (cipher == NULL || s->ctx == NULL ||
        EVP_CipherInit_ex2(s->ctx, cipher, NULL, NULL, 1, NULL) != 1)
        return false;
    if (s->encr->mode == ENCR_MODE_CBC)
        return EVP_CIPHER_CTX_set_padding(s->ctx, 0) == 1;
    /* CCM's first block depends on both lengths: OpenSSL wants them before the key */
    if (s->encr->mode == ENCR_MODE_CCM)
        return EVP_CIPHER_CTX_ctrl(s->ctx, EVP_CTRL_AEAD_SET_IVLEN, CCM_NONCE_LEN, NULL) == 1 &&
               EVP_CIPHER_CTX_ctrl(s->ctx, EVP_CTRL_AEAD_SET_TAG, e->icv_len, NULL) == 1;
    return true;
}

struct sealer *crypto_sealer_new(const struct encr *e, const struct integ *i)
{
    if (e == NULL || e->is_aead == (i != NULL))
        return NULL;
    struct sealer *s = OPENSSL_zalloc(sizeof *s);
    if (s == NULL)
        return NULL;
    s->encr = (const struct encr_row *)e;
    s->integ = (const struct integ_row *)i;
    s->icv[0] = OSSL_PARAM_construct_octet_string(OSSL_CIPHER_PARAM_AEAD_TAG, NULL, e->icv_len);
    s->icv[1] = OSSL_PARAM_construct_end();
    if (!prepare_ctx(s) || (i != NULL && !crypto_mac_own(&s->mac, s->integ->mac))) {
        crypto_sealer_free(s);
        return NULL;
    }
    return s;
}

void crypto_sealer_free(struct sealer *s)
{
    if (s == NULL)
        return;
    EVP_CIPHER_CTX_free(s->ctx);
    if (s->integ != NULL && s->mac.is_owner)
        crypto_mac_clear(&s->mac);
    OPENSSL_clear_free(s, sizeof *s);
}

bool crypto_sealer_key(struct sealer *s, struct span key, struct span integ_key, bool for_sealing)
{
    const struct encr *e = &s->encr->pub;
    struct reader r = reader_of(key);
    struct span cipher_key = take(&r, e->key_len), salt = take(&r, e->salt_len);
    s->is_keyed = false;
    if (!done(&r) || integ_key.len != (s->integ == NULL ? 0 : s->integ->pub.key_len))
        return false;
    if (s->ctx != NULL &&
        EVP_CipherInit_ex2(s->ctx, NULL, cipher_key.at, NULL, for_sealing, NULL) != 1)
        return false;
    if (s->integ != NULL && !crypto_mac_key(&s->mac, integ_key))
        return false;
    memset(s->nonce, 0, sizeof s->nonce);
    if (salt.len > 0)
        memcpy(s->nonce, salt.at, salt.len);
    if (s->encr->mode == ENCR_MODE_CTR)
        s->nonce[15] = 1; /* RFC 3686 4: the block counter begins at one */
    s->for_sealing = for_sealing;
    s->is_keyed = true;
    return true;
}

static bool fits_packet(const struct sealer *s, struct span aad, struct span iv, size_t len)
{
    const struct encr *e = &s->encr->pub;
    return s->is_keyed && iv.len == e->iv_len && len <= INT32_MAX && aad.len <= INT32_MAX &&
           len % e->block == 0;
}

/* One more stretch of data that is authenticated only. */
static bool add_aad(EVP_CIPHER_CTX *ctx, const uint8_t *at, size_t len)
{
    int n = 0;
    return len == 0 || EVP_CipherUpdate(ctx, NULL, &n, at, (int)len) == 1;
}

static bool set_nonce(struct sealer *s, struct span iv)
{
    memcpy(s->nonce + s->encr->pub.salt_len, iv.at, COUNTER_LEN); /* fits_packet() has counted */
    return EVP_CipherInit_ex2(s->ctx, NULL, NULL, s->nonce, -1, NULL) == 1;
}

/* The ICV goes in and out by a prepared parameter: EVP_CIPHER_CTX_ctrl() makes one each time, a
 * twentieth of all for a packet of 64 octets. (EVP_CipherInit_ex2() would take it with the nonce,
 * and is slower: it copies parameters.) */
static bool give_icv(struct sealer *s, struct span icv)
{
    s->icv[0].data = (void *)(uintptr_t)icv.at;
    return EVP_CIPHER_CTX_set_params(s->ctx, s->icv) == 1;
}

static bool take_icv(struct sealer *s, uint8_t *icv)
{
    s->icv[0].data = icv;
    return EVP_CIPHER_CTX_get_params(s->ctx, s->icv) == 1;
}

/* Combined modes, up to the ICV. When opening, the ICV was given before. */
static bool run_aead(struct sealer *s, struct span aad, struct span iv, uint8_t *data, size_t len)
{
    int n = 0;
    uint8_t end[16];
    switch (s->encr->mode) {
    case ENCR_MODE_GMAC: /* RFC 4543 3.3: the payload is authenticated only; its IV belongs to it */
        return add_aad(s->ctx, aad.at, aad.len) && add_aad(s->ctx, iv.at, iv.len) &&
               add_aad(s->ctx, data, len) && EVP_CipherFinal_ex(s->ctx, end, &n) == 1;
    case ENCR_MODE_CCM: /* total length first; the update itself checks the ICV */
        if (data == NULL)
            data = end; /* OpenSSL takes no data from NULL for the total length */
        return EVP_CipherUpdate(s->ctx, NULL, &n, NULL, (int)len) == 1 &&
               add_aad(s->ctx, aad.at, aad.len) &&
               EVP_CipherUpdate(s->ctx, data, &n, data, (int)len) == 1 && (size_t)n == len;
    case ENCR_MODE_AEAD:
        return add_aad(s->ctx, aad.at, aad.len) &&
               (len == 0 || EVP_CipherUpdate(s->ctx, data, &n, data, (int)len) == 1) &&
               EVP_CipherFinal_ex(s->ctx, end, &n) == 1;
    case ENCR_MODE_CBC:
    case ENCR_MODE_CTR:
    case ENCR_MODE_NULL:
        break;
    }
    return false;
}

static bool run_plain(struct sealer *s, struct span iv, uint8_t *data, size_t len)
{
    int n = 0;
    bool ok = true;
    if (s->encr->mode == ENCR_MODE_CBC)
        ok = EVP_CipherInit_ex2(s->ctx, NULL, NULL, iv.at, -1, NULL) == 1;
    else if (s->encr->mode == ENCR_MODE_CTR)
        ok = set_nonce(s, iv);
    else
        return true; /* NULL */
    /* whole blocks without padding: nothing is left for a final call */
    return ok && (len == 0 ||
                  (EVP_CipherUpdate(s->ctx, data, &n, data, (int)len) == 1 && (size_t)n == len));
}

/* RFC 4303 3.3.2.1, 3.3.2.2; RFC 7296 3.14. out: MAC_OUT_MAX octets. */
static bool run_mac(struct sealer *s, struct span aad, struct span iv, const uint8_t *data,
                    size_t len, struct span tail, uint8_t *out)
{
    crypto_mac_begin(&s->mac);
    if (aad.len > 0 && iv.len > 0 && aad.at + aad.len == iv.at && iv.at + iv.len == data) {
        crypto_mac_add(&s->mac, span_of(aad.at, aad.len + iv.len + len));
    } else {
        crypto_mac_add(&s->mac, aad);
        crypto_mac_add(&s->mac, iv);
        crypto_mac_add(&s->mac, span_of(data, len));
    }
    crypto_mac_add(&s->mac, tail);
    return crypto_mac_end(&s->mac, out);
}

bool crypto_seal(struct sealer *s, struct span aad, struct span iv, uint8_t *data, size_t len,
                 struct span tail, uint8_t *icv)
{
    if (!s->for_sealing || !fits_packet(s, aad, iv, len))
        return false;
    if (s->integ == NULL)
        return set_nonce(s, iv) && run_aead(s, aad, iv, data, len) && take_icv(s, icv);
    uint8_t mac[MAC_OUT_MAX];
    if (!run_plain(s, iv, data, len) || !run_mac(s, aad, iv, data, len, tail, mac))
        return false;
    memcpy(icv, mac, s->integ->pub.icv_len);
    return true;
}

bool crypto_open(struct sealer *s, struct span aad, struct span iv, uint8_t *data, size_t len,
                 struct span tail, struct span icv)
{
    if (s->for_sealing || !fits_packet(s, aad, iv, len))
        return false;
    if (s->integ == NULL) {
        bool ok = icv.len == s->encr->pub.icv_len && set_nonce(s, iv) && give_icv(s, icv) &&
                  run_aead(s, aad, iv, data, len);
        if (!ok)
            ERR_clear_error();
        return ok;
    }
    uint8_t mac[MAC_OUT_MAX];
    return run_mac(s, aad, iv, data, len, tail, mac) &&
           secret_equal(span_of(mac, s->integ->pub.icv_len), icv) && run_plain(s, iv, data, len);
}
