/* Crypto over OpenSSL 3, sizes in tables.
 *
 * An algorithm is a row that is looked up once by its IANA numbers; functions take the row.
 * Nothing here decides which algorithm is good enough: that is policy's. All functions that return
 * bool return false only when OpenSSL refuses (algorithm switched off, no memory) or, for
 * opening and public values, when the octets are not what they claim.
 *
 * Any thread may call. Each keeps a set of OpenSSL contexts as scratch memory (fetched.h), freed
 * when the thread ends; nothing that is observable stays in it. A sealer and a pair belong to one
 * thread at a time. */
#ifndef IKEBANA_CRYPTO_CRYPTO_H
#define IKEBANA_CRYPTO_CRYPTO_H

#include "base/arena.h"
#include "base/rng.h"
#include "base/secret.h"

/* ---- rows ---- */

struct encr {
    uint16_t id;       /* ENCR_… of the registry */
    uint16_t key_bits; /* as in the key length attribute; 0 where none is sent */
    uint8_t key_len;   /* octets of the cipher's key, without salt */
    uint8_t salt_len;  /* octets taken from the keying material behind the key */
    uint8_t iv_len;    /* explicit IV in each packet */
    uint8_t icv_len;   /* combined modes (and GMAC); 0: an integrity algorithm is needed */
    uint8_t block;     /* padding to this: 16, 8, 1 */
    bool is_aead;      /* needs no integrity algorithm */
    bool for_ike, for_esp;
    bool iv_is_random; /* CBC: unpredictable; else a counter is allowed */
    const char *name;  /* "AES_GCM_16_256" */
};

struct integ {
    uint16_t id;
    uint8_t key_len, icv_len;
    const char *name;
};

struct prf {
    uint16_t id;
    uint8_t key_len; /* preferred, and of SK_d, SK_pi, SK_pr */
    uint8_t out_len;
    bool has_fixed_key; /* AES-XCBC, AES-CMAC: RFC 7296 2.14 takes 8 octets of each nonce */
    const char *name;
};

struct ke {
    uint16_t id;
    uint16_t public_len; /* octets on the wire */
    uint16_t shared_len; /* octets of g^ir */
    const char *name;    /* "x25519", the proposal keyword */
};

/* NULL: not known or not built. key_bits 0 where the algorithm has no key length attribute;
 * ChaCha20 is found by 0 and by 256. */
const struct encr *crypto_encr(uint16_t id, uint16_t key_bits);
const struct integ *crypto_integ(uint16_t id);
const struct prf *crypto_prf(uint16_t id);
const struct ke *crypto_ke(uint16_t id);

/* Makes OpenSSL fetch what the rows need, once per process and before threads start; it is also
 * called by the first use. false: OpenSSL lacks something that every build has. */
bool crypto_init(void);

/* ---- prf, prf+ : RFC 7296 2.13 ---- */

enum { PRF_OUT_MAX = 64 };

/* out gets p->out_len octets of prf(key, parts[0] | parts[1] | …). */
bool crypto_prf_compute(const struct prf *p, struct span key, const struct span *parts,
                        size_t count, uint8_t *out);
/* out_len octets of prf+(key, parts…); at most 255 rounds. */
bool crypto_prf_plus(const struct prf *p, struct span key, const struct span *parts, size_t count,
                     uint8_t *out, size_t out_len);

/* ---- key derivation: RFC 7296 2.14, 2.17, 2.18 ---- */

/* SKEYSEED = prf(Ni | Nr, g^ir). */
bool crypto_skeyseed(const struct prf *p, struct span nonce_i, struct span nonce_r,
                     struct span shared, struct secret *out);
/* SKEYSEED of a rekeyed IKE SA = prf(SK_d (old), g^ir (new) | Ni | Nr), with the OLD SA's prf. */
bool crypto_skeyseed_rekey(const struct prf *old, struct span sk_d, struct span shared,
                           struct span nonce_i, struct span nonce_r, struct secret *out);
/* {SK_d | SK_ai | SK_ar | SK_ei | SK_er | SK_pi | SK_pr} = prf+(SKEYSEED, Ni | Nr | SPIi | SPIr).
 */
bool crypto_ike_keymat(const struct prf *p, struct span skeyseed, struct span nonce_i,
                       struct span nonce_r, uint64_t spi_i, uint64_t spi_r, uint8_t *out,
                       size_t len);
/* KEYMAT = prf+(SK_d, [g^ir (new)] | Ni | Nr); shared is empty without PFS. */
bool crypto_child_keymat(const struct prf *p, struct span sk_d, struct span shared,
                         struct span nonce_i, struct span nonce_r, uint8_t *out, size_t len);

/* ---- key exchange ---- */

struct ke_pair; /* our private value */

/* out_public gets k->public_len octets. The private value comes from rng. NULL: OpenSSL refused. */
struct ke_pair *crypto_ke_new(const struct ke *k, struct rng *rng, uint8_t *out_public);
void crypto_ke_free(struct ke_pair *pair);
/* The peer's public value is checked by RFC 6989 and the group's own RFC (length, range, on the
 * curve, not of small order, result not zero). false: *why is a static text ("the point is not on
 * the curve"). */
bool crypto_ke_shared(const struct ke_pair *pair, struct span peer_public, struct big_secret *out,
                      const char **why);

/* ---- sealing: what protects SK payloads and ESP packets ---- */

/* A keyed cipher for one direction. The context is made when it is needed and may be made anew
 * for another key by crypto_sealer_rekey(), so that many SAs can share one. Not thread-safe. */
struct sealer;

/* key: e->key_len + e->salt_len octets; integ_key: i->key_len octets. i is NULL for combined modes.
 */
struct sealer *crypto_sealer_new(const struct encr *e, const struct integ *i);
void crypto_sealer_free(struct sealer *s);
bool crypto_sealer_key(struct sealer *s, struct span key, struct span integ_key, bool for_sealing);

/* Encrypts in place and makes the ICV.
 * iv: e->iv_len octets as they stand in the packet. aad: combined modes authenticate it; with an
 * integrity algorithm the MAC covers aad | iv | data | tail (tail: the high half of an ESN, else
 * empty; ignored by combined modes, whose aad has it inside). data: a multiple of e->block (padding
 * is the caller's). icv gets crypto_icv_len() octets. aad, iv and data are usually contiguous,
 * which is fast, but need not be. */
bool crypto_seal(struct sealer *s, struct span aad, struct span iv, uint8_t *data, size_t len,
                 struct span tail, uint8_t *icv);
/* The reverse. false: the ICV does not fit (data is then not defined) or OpenSSL failed. */
bool crypto_open(struct sealer *s, struct span aad, struct span iv, uint8_t *data, size_t len,
                 struct span tail, struct span icv);

static inline size_t crypto_icv_len(const struct encr *e, const struct integ *i)
{
    return e->is_aead ? e->icv_len : i == NULL ? 0 : i->icv_len;
}

/* ---- hashes ---- */

enum { SHA1_LEN = 20, SHA256_LEN = 32 };
bool crypto_sha1(const struct span *parts, size_t count, uint8_t out[SHA1_LEN]);
bool crypto_hmac_sha256(struct span key, const struct span *parts, size_t count,
                        uint8_t out[SHA256_LEN]);

#endif
