/* prf and prf+ (RFC 7296 2.13), and the keys made with them (2.14, 2.17, 2.18).
 *
 * AES-XCBC-PRF-128 (RFC 4434) and AES-CMAC-PRF-128 (RFC 4615) take keys of any length, but each
 * makes 16 octets of them in its own way; RFC 7296 2.14 treats both as PRFs of a fixed key where
 * SKEYSEED is made. */
#include "crypto/mac.h"
#include "wire/numbers.h"

struct prf_row {
    struct prf pub;
    enum mac_kind mac;
};

static const struct prf_row prfs[] = {
    {{PRF_HMAC_SHA1, 20, 20, false, "PRF_HMAC_SHA1"}, MAC_HMAC_SHA1},
    {{PRF_HMAC_SHA2_256, 32, 32, false, "PRF_HMAC_SHA2_256"}, MAC_HMAC_SHA256},
    {{PRF_HMAC_SHA2_384, 48, 48, false, "PRF_HMAC_SHA2_384"}, MAC_HMAC_SHA384},
    {{PRF_HMAC_SHA2_512, 64, 64, false, "PRF_HMAC_SHA2_512"}, MAC_HMAC_SHA512},
    {{PRF_AES128_XCBC, 16, 16, true, "PRF_AES128_XCBC"}, MAC_AES_XCBC},
    {{PRF_AES128_CMAC, 16, 16, true, "PRF_AES128_CMAC"}, MAC_AES_CMAC},
};

const struct prf *crypto_prf(uint16_t id)
{
    for (size_t i = 0; i < sizeof prfs / sizeof prfs[0]; i++) {
        if (prfs[i].pub.id == id)
            return &prfs[i].pub;
    }
    return NULL;
}

static enum mac_kind mac_of(const struct prf *p)
{
    return ((const struct prf_row *)p)->mac; /* rows are only ever made here */
}

static bool mac_parts(struct mac *m, const struct span *parts, size_t count, uint8_t *out)
{
    crypto_mac_begin(m);
    for (size_t i = 0; i < count; i++)
        crypto_mac_add(m, parts[i]);
    return crypto_mac_end(m, out);
}

static bool set_key(struct mac *m, struct span key)
{
    static const uint8_t zeros[AES_BLOCK];
    uint8_t fixed[AES_BLOCK] = {0};
    if (m->kind <= MAC_HMAC_SHA512 || key.len == AES_BLOCK)
        return crypto_mac_key(m, key);
    bool ok = true;
    if (m->kind == MAC_AES_XCBC && key.len < AES_BLOCK) {
        struct writer w = writer_of(fixed, sizeof fixed); /* RFC 4434 2: zeros behind a short key */
        put_span(&w, key);
    } else {
        ok = crypto_mac_key(m, span_of(zeros, sizeof zeros)) && mac_parts(m, &key, 1, fixed);
    }
    ok = ok && crypto_mac_key(m, span_of(fixed, sizeof fixed));
    secret_wipe(fixed, sizeof fixed);
    return ok;
}

bool crypto_prf_compute(const struct prf *p, struct span key, const struct span *parts,
                        size_t count, uint8_t *out)
{
    struct mac m;
    if (!crypto_mac_borrow(&m, mac_of(p)))
        return false;
    bool ok = set_key(&m, key) && mac_parts(&m, parts, count, out);
    crypto_mac_clear(&m);
    return ok;
}

/* T1 = prf(K, S | 1), Tn = prf(K, Tn-1 | S | n) */
static bool rounds(struct mac *m, const struct span *parts, size_t count, uint8_t *out,
                   size_t out_len)
{
    size_t step = crypto_mac_len(m->kind);
    struct writer w = writer_of(out, out_len);
    struct secret t = {.len = 0};
    bool ok = true;
    for (unsigned n = 1; w.len < out_len && ok; n++) {
        uint8_t round = (uint8_t)n;
        crypto_mac_begin(m);
        crypto_mac_add(m, secret_span(&t));
        for (size_t i = 0; i < count; i++)
            crypto_mac_add(m, parts[i]);
        crypto_mac_add(m, span_of(&round, 1));
        ok = crypto_mac_end(m, t.bytes);
        t.len = (uint8_t)step;
        put_span(&w, span_of(t.bytes, out_len - w.len < step ? out_len - w.len : step));
    }
    secret_clear(&t);
    return ok;
}

bool crypto_prf_plus(const struct prf *p, struct span key, const struct span *parts, size_t count,
                     uint8_t *out, size_t out_len)
{
    struct mac m;
    if (out_len > (size_t)255 * p->out_len || !crypto_mac_borrow(&m, mac_of(p)))
        return false;
    bool ok = set_key(&m, key) && rounds(&m, parts, count, out, out_len);
    crypto_mac_clear(&m);
    if (!ok)
        secret_wipe(out, out_len);
    return ok;
}

bool crypto_skeyseed(const struct prf *p, struct span nonce_i, struct span nonce_r,
                     struct span shared, struct secret *out)
{
    uint8_t key[512]; /* nonces have 16 to 256 octets each */
    struct writer w = writer_of(key, sizeof key);
    if (p->has_fixed_key) { /* RFC 7296 2.14: the first 64 bits of each */
        struct reader i = reader_of(nonce_i), r = reader_of(nonce_r);
        put_span(&w, take(&i, nonce_i.len < 8 ? nonce_i.len : 8));
        put_span(&w, take(&r, nonce_r.len < 8 ? nonce_r.len : 8));
    } else {
        put_span(&w, nonce_i);
        put_span(&w, nonce_r);
    }
    out->len = p->out_len;
    if (!w.full && crypto_prf_compute(p, writer_span(&w), &shared, 1, out->bytes))
        return true;
    secret_clear(out);
    return false;
}

bool crypto_skeyseed_rekey(const struct prf *old, struct span sk_d, struct span shared,
                           struct span nonce_i, struct span nonce_r, struct secret *out)
{
    const struct span parts[] = {shared, nonce_i, nonce_r};
    out->len = old->out_len;
    if (crypto_prf_compute(old, sk_d, parts, 3, out->bytes))
        return true;
    secret_clear(out);
    return false;
}

bool crypto_ike_keymat(const struct prf *p, struct span skeyseed, struct span nonce_i,
                       struct span nonce_r, uint64_t spi_i, uint64_t spi_r, uint8_t *out,
                       size_t len)
{
    uint8_t spis[16];
    struct writer w = writer_of(spis, sizeof spis);
    put_u64(&w, spi_i);
    put_u64(&w, spi_r);
    const struct span parts[] = {nonce_i, nonce_r, writer_span(&w)};
    return crypto_prf_plus(p, skeyseed, parts, 3, out, len);
}

bool crypto_child_keymat(const struct prf *p, struct span sk_d, struct span shared,
                         struct span nonce_i, struct span nonce_r, uint8_t *out, size_t len)
{
    const struct span parts[] = {shared, nonce_i, nonce_r};
    return crypto_prf_plus(p, sk_d, parts, 3, out, len);
}

bool crypto_hmac_sha256(struct span key, const struct span *parts, size_t count,
                        uint8_t out[SHA256_LEN])
{
    return crypto_prf_compute(&prfs[1].pub, key, parts, count, out);
}
