/* bench-crypto: crypto_* beside the bare OpenSSL operations (bare.h), as shares of the limit.
 * Best of several runs of both in turn, since other work on the machine only ever adds time. */
#include <stdio.h>
#include <stdlib.h>

#include "auth/auth.h"
#include "bare.h"
#include "wire/numbers.h"

enum {
    RUNS = 150,
    HANDSHAKES = 20,
    PACKETS = 20 * BARE_BATCH
}; /* short, so that some are undisturbed */

static const uint8_t zeros[512];

struct side {
    const struct prf *prf;
    const struct ke *ke;
    struct rng *rng;
    struct sealer *sealer;
    struct span peer_public;
};

/* The operations that bare_handshake() lists, by our functions. */
static bool one_handshake(const struct side *s)
{
    uint8_t random[40], public[32], keymat[136], child[40], hash[SHA1_LEN], auth[PRF_OUT_MAX];
    uint8_t message[250] = {0}, icv[16];
    struct big_secret shared;
    struct secret seed;
    const char *why;
    rng_fill(s->rng, random, sizeof random);
    const struct span nonce = span_of(random, 32), empty = span_of(NULL, 0);
    struct ke_pair *pair = crypto_ke_new(s->ke, s->rng, public);
    bool ok = pair != NULL && crypto_ke_shared(pair, s->peer_public, &shared, &why);
    crypto_ke_free(pair);
    const struct span nat[] = {span_of(zeros, 16), span_of(zeros, 6)};
    for (int i = 0; i < 4 && ok; i++)
        ok = crypto_sha1(nat, 2, hash);
    ok = ok && crypto_skeyseed(s->prf, nonce, nonce, big_secret_span(&shared), &seed) &&
         crypto_ike_keymat(s->prf, secret_span(&seed), nonce, nonce, 1, 2, keymat, sizeof keymat);
    const struct span key = span_of(keymat, 20), aad = span_of(zeros, 8);
    const struct span iv = span_of(zeros, 8), sk = span_of(keymat, 32);
    ok = ok && crypto_sealer_key(s->sealer, key, empty, true) &&
         crypto_seal(s->sealer, aad, iv, message, sizeof message, empty, icv) &&
         crypto_sealer_key(s->sealer, key, empty, false) &&
         crypto_open(s->sealer, aad, iv, message, sizeof message, empty, span_of(icv, 16));
    const struct auth_octets about = {span_of(zeros, 300), nonce, sk, span_of(zeros, 24), empty};
    return ok && auth_psk_compute(s->prf, sk, &about, auth) &&
           auth_psk_verify(s->prf, sk, &about, span_of(auth, 32)) &&
           crypto_child_keymat(s->prf, sk, empty, nonce, nonce, child, sizeof child);
}

static bool our_handshake(unsigned rounds, double *cpu_s)
{
    const uint8_t seed[RNG_SEED_SIZE] = {1};
    uint8_t peer[32];
    struct side s = {.prf = crypto_prf(PRF_HMAC_SHA2_256),
                     .ke = crypto_ke(KE_CURVE25519),
                     .rng = rng_new(seed),
                     .sealer = crypto_sealer_new(crypto_encr(ENCR_AES_GCM_16, 128), NULL),
                     .peer_public = span_of(peer, 32)};
    struct ke_pair *theirs = s.rng == NULL ? NULL : crypto_ke_new(s.ke, s.rng, peer);
    bool ok = s.sealer != NULL && theirs != NULL;
    double begin = bare_cpu_s();
    for (unsigned i = 0; i < rounds && ok; i++)
        ok = one_handshake(&s);
    *cpu_s = (bare_cpu_s() - begin) / rounds;
    crypto_ke_free(theirs);
    crypto_sealer_free(s.sealer);
    rng_free(s.rng);
    return ok;
}

/* A packet lies as ESP has it: header, IV, data, ICV. */
enum { HEADER_LEN = 8, IV_LEN = 8 };

static bool run_batch(struct sealer *s, uint8_t packets[][BARE_PACKET_MAX], size_t len,
                      uint64_t sequence, bool is_sealing)
{
    const size_t data_at = HEADER_LEN + IV_LEN;
    for (size_t i = 0; i < BARE_BATCH; i++) {
        uint8_t *p = packets[i];
        uint64_t n = sequence + i;
        memcpy(p + HEADER_LEN, &n, IV_LEN);
        const struct span aad = span_of(p, HEADER_LEN), iv = span_of(p + HEADER_LEN, IV_LEN);
        const struct span tail = span_of(NULL, 0);
        if (is_sealing
                ? !crypto_seal(s, aad, iv, p + data_at, len, tail, p + data_at + len)
                : !crypto_open(s, aad, iv, p + data_at, len, tail, span_of(p + data_at + len, 16)))
            return false;
    }
    return true;
}

static bool our_aead(size_t len, unsigned rounds, double *seal_cpu_s, double *open_cpu_s)
{
    static uint8_t packets[BARE_BATCH][BARE_PACKET_MAX];
    const struct encr *e = crypto_encr(ENCR_AES_GCM_16, 128);
    struct sealer *s = crypto_sealer_new(e, NULL), *o = crypto_sealer_new(e, NULL);
    bool ok = s != NULL && o != NULL &&
              crypto_sealer_key(s, span_of(zeros, 20), span_of(NULL, 0), true) &&
              crypto_sealer_key(o, span_of(zeros, 20), span_of(NULL, 0), false);
    double sealing = 0, opening = 0;
    unsigned done = 0;
    while (done < rounds && ok) {
        double begin = bare_cpu_s();
        ok = run_batch(s, packets, len, done, true);
        double middle = bare_cpu_s();
        ok = ok && run_batch(o, packets, len, done, false);
        opening += bare_cpu_s() - middle;
        sealing += middle - begin;
        done += BARE_BATCH;
    }
    *seal_cpu_s = sealing / rounds;
    *open_cpu_s = opening / rounds;
    crypto_sealer_free(s);
    crypto_sealer_free(o);
    return ok;
}

static void keep_least(double *least, double value)
{
    if (*least <= 0 || value < *least)
        *least = value;
}

static bool print_handshake(void)
{
    double ours = 0, bare = 0, s;
    for (int i = 0; i < RUNS; i++) {
        if (!our_handshake(HANDSHAKES, &s))
            return false;
        keep_least(&ours, s);
        if (!bare_handshake(HANDSHAKES, &s))
            return false;
        keep_least(&bare, s);
    }
    printf("one side of a PSK handshake, x25519, AES-128-GCM, PRF-HMAC-SHA-256: operations only\n"
           "  ours %6.1f us   bare %6.1f us   share of the limit %3.0f %%\n\n",
           ours * 1e6, bare * 1e6, 100 * bare / ours);
    return true;
}

static bool print_aead(size_t len)
{
    double ours[2] = {0}, bare[2] = {0}, seal, open;
    unsigned packets = len > 4096 ? PACKETS / 4 : PACKETS;
    for (int i = 0; i < RUNS; i++) {
        if (!our_aead(len, packets, &seal, &open))
            return false;
        keep_least(&ours[0], seal);
        keep_least(&ours[1], open);
        if (!bare_aead(len, packets, &seal, &open))
            return false;
        keep_least(&bare[0], seal);
        keep_least(&bare[1], open);
    }
    printf("%7zu   %6.0f %6.0f  %3.0f %%   %6.0f %6.0f  %3.0f %%\n", len, ours[0] * 1e9,
           bare[0] * 1e9, 100 * bare[0] / ours[0], ours[1] * 1e9, bare[1] * 1e9,
           100 * bare[1] / ours[1]);
    return true;
}

int main(void)
{
    bool ok = crypto_init() && print_handshake();
    printf("AES-128-GCM-16, ns per packet, and share of the limit\n"
           " octets   seal ours bare  share   open ours bare  share\n");
    for (size_t i = 0; i < BARE_SIZE_COUNT && ok; i++)
        ok = print_aead(bare_sizes[i]);
    if (!ok)
        (void)fprintf(stderr, "bench-crypto: OpenSSL failed\n");
    return ok ? EXIT_SUCCESS : EXIT_FAILURE;
}
