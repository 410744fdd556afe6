#include "base/map.h"

#include <stdlib.h>
#include <string.h>

void map_init(struct map *m, const uint64_t seed[2])
{
    memset(m, 0, sizeof *m);
    m->seed[0] = seed[0];
    m->seed[1] = seed[1] | 1;
}

void map_clear(struct map *m)
{
    free(m->slots);
    m->slots = NULL;
    m->size = m->count = 0;
}

/* Multiply and fold: both halves of a 128-bit product with secret numbers. */
static uint64_t mix(uint64_t a, uint64_t b)
{
    __extension__ typedef unsigned __int128 wide;
    wide p = (wide)a * b;
    return (uint64_t)p ^ (uint64_t)(p >> 64);
}

static size_t home(const struct map *m, uint64_t key)
{
    return (size_t)mix(mix(key ^ m->seed[0], m->seed[1]) ^ m->seed[0], 0x9e3779b97f4a7c15) &
           (m->size - 1);
}

uint64_t map_hash(const struct map *m, const void *at, size_t len)
{
    const uint8_t *p = at;
    uint64_t h = m->seed[0] ^ len;
    while (len > 0) {
        uint64_t v = 0;
        size_t n = len < 8 ? len : 8;
        memcpy(&v, p, n);
        h = mix(h ^ v, m->seed[1]) + m->seed[0];
        p += n;
        len -= n;
    }
    return h;
}

static struct map_slot *find(const struct map *m, uint64_t key)
{
    size_t i = home(m, key);
    while (m->slots[i].value != NULL && m->slots[i].key != key)
        i = (i + 1) & (m->size - 1);
    return &m->slots[i];
}

void *map_get(const struct map *m, uint64_t key)
{
    return m->size == 0 ? NULL : find(m, key)->value;
}

static bool grow(struct map *m)
{
    struct map bigger = *m;
    bigger.size = m->size == 0 ? 16 : m->size * 2;
    bigger.slots = calloc(bigger.size, sizeof *bigger.slots);
    if (bigger.slots == NULL)
        return false;
    for (size_t i = 0; i < m->size; i++)
        if (m->slots[i].value != NULL)
            *find(&bigger, m->slots[i].key) = m->slots[i];
    free(m->slots);
    *m = bigger;
    return true;
}

bool map_set(struct map *m, uint64_t key, void *value)
{
    if (m->count >= m->size - m->size / 8 && map_get(m, key) == NULL && !grow(m))
        return false;
    struct map_slot *slot = find(m, key);
    if (slot->value == NULL)
        m->count++;
    slot->key = key;
    slot->value = value;
    return true;
}

void *map_remove(struct map *m, uint64_t key)
{
    if (m->size == 0)
        return NULL;
    struct map_slot *slot = find(m, key);
    void *value = slot->value;
    if (value == NULL)
        return NULL;
    m->count--;
    size_t hole = (size_t)(slot - m->slots);
    m->slots[hole].value = NULL;
    for (size_t i = (hole + 1) & (m->size - 1); m->slots[i].value != NULL;
         i = (i + 1) & (m->size - 1)) {
        size_t want = home(m, m->slots[i].key);
        /* The entry at i may move to the hole unless its home lies cyclically in (hole, i]. */
        bool stays = hole <= i ? want > hole && want <= i : want > hole || want <= i;
        if (stays)
            continue;
        m->slots[hole] = m->slots[i];
        m->slots[i].value = NULL;
        hole = i;
    }
    return value;
}

void *map_next(const struct map *m, size_t *cursor, uint64_t *key)
{
    while (*cursor < m->size) {
        const struct map_slot *slot = &m->slots[(*cursor)++];
        if (slot->value == NULL)
            continue;
        if (key != NULL)
            *key = slot->key;
        return slot->value;
    }
    return NULL;
}
