/* A hash table from a 64-bit key to a pointer that grows by itself.
 *
 * Open addressing, linear probing, at most 7/8 full, deletion by shifting back (no tombstones).
 * Keys come from the network, so the hash is seeded. The table does not own what it points to. */
#ifndef IKEBANA_BASE_MAP_H
#define IKEBANA_BASE_MAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct map_slot {
    uint64_t key;
    void *value; /* NULL: free */
};

struct map {
    struct map_slot *slots;
    size_t size; /* a power of two, or 0 */
    size_t count;
    uint64_t seed[2];
};

void map_init(struct map *m, const uint64_t seed[2]);
void map_clear(struct map *m);
void *map_get(const struct map *m, uint64_t key);
/* Adds or replaces; value must not be NULL. false: no memory, the table is as before. */
bool map_set(struct map *m, uint64_t key, void *value);
/* The value that was there, or NULL. */
void *map_remove(struct map *m, uint64_t key);
/* Walks in no order: start with *cursor = 0; NULL at the end. The table must not change between. */
void *map_next(const struct map *m, size_t *cursor, uint64_t *key);

/* The table's hash of octets of any length, for keys that are longer than 64 bits: the caller
 * compares the whole key behind it. */
uint64_t map_hash(const struct map *m, const void *at, size_t len);

#endif
