/* Memory that lives until the next step.
 *
 * A bump allocator over a chain of chunks. Nothing in it is freed alone; arena_reset() empties it
 * and keeps the first chunk, so a steady state allocates nothing. When the heap has no more, a
 * reserve taken at arena_init() serves the last few requests, and arena_is_exhausted() says so:
 * the step then ends in a finding, never in a crash. */
#ifndef IKEBANA_BASE_ARENA_H
#define IKEBANA_BASE_ARENA_H

#include <stdarg.h>

#include "base/span.h"

struct arena_chunk;

struct arena {
    struct arena_chunk *first, *current;
    size_t next_size; /* of the next chunk */
    bool is_exhausted;
};

/* Takes the first chunk and the reserve. false: no memory. */
bool arena_init(struct arena *a);
/* For something small and long-lived: a first chunk of this size, the next ones twice as large
 * each, no reserve. */
bool arena_init_small(struct arena *a, size_t first);
void arena_clear(struct arena *a);
void arena_reset(struct arena *a);

/* len octets set to zero, aligned for any type; NULL only when heap and reserve are used up. */
void *arena_alloc(struct arena *a, size_t len);
/* count items of size octets each; NULL also when the product overflows. */
void *arena_array(struct arena *a, size_t count, size_t size);
struct span arena_copy(struct arena *a, struct span s);
/* Never NULL: "" when there is no memory. */
const char *arena_text(struct arena *a, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
const char *arena_vtext(struct arena *a, const char *format, va_list args)
    __attribute__((format(printf, 2, 0)));
/* As text with everything but printable ASCII, backslash and quote written \xNN: for octets that a
 * peer made. At most max octets are shown. */
const char *arena_escape(struct arena *a, struct span s, size_t max);
/* Lower case hex, at most max octets, "…" behind a cut. */
const char *arena_hex(struct arena *a, struct span s, size_t max);

static inline bool arena_is_exhausted(const struct arena *a)
{
    return a->is_exhausted;
}

#endif
