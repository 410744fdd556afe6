/* A deterministic random generator, seeded by the caller: the same seed gives the same octets, so
 * a run of the core can be repeated bit by bit. ChaCha20 with fast key erasure: each refill
 * replaces the key, so past output cannot be computed from the present state. */
#ifndef IKEBANA_BASE_RNG_H
#define IKEBANA_BASE_RNG_H

#include "base/span.h"

enum { RNG_SEED_SIZE = 32 };

struct rng;

struct rng *rng_new(const uint8_t seed[RNG_SEED_SIZE]);
void rng_free(struct rng *r);
void rng_fill(struct rng *r, void *at, size_t len);
uint32_t rng_u32(struct rng *r);
uint64_t rng_u64(struct rng *r);
/* Below `bound`, without bias; 0 for bound 0. */
uint64_t rng_below(struct rng *r, uint64_t bound);

#endif
