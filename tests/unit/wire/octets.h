/* What the tests of wire share: octets of exactly their length on the heap, so that reading one
 * more is seen by AddressSanitizer, and an arena. */
#ifndef IKEBANA_TESTS_WIRE_OCTETS_H
#define IKEBANA_TESTS_WIRE_OCTETS_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "wire/payloads.h"

#define OCTETS(...)                                                                                \
    ((struct span){(const uint8_t[]){__VA_ARGS__}, sizeof((const uint8_t[]){__VA_ARGS__})})

/* n octets of s (zeros behind its end) on the heap; free((void *)result.at). */
static inline struct span heap_copy(struct span s, size_t n)
{
    uint8_t *at = n == 0 ? NULL : malloc(n);
    if (at != NULL) {
        memset(at, 0, n);
        if (s.at != NULL)
            memcpy(at, s.at, s.len < n ? s.len : n);
    } else if (n > 0) {
        abort();
    }
    return (struct span){at, n};
}

static inline void heap_free(struct span s)
{
    free((void *)(uintptr_t)s.at);
}

/* Each cut of body that is shorter than `shortest` is refused, each longer one is read. */
static inline void assert_cuts(struct span body, size_t shortest, bool (*parses)(struct span))
{
    for (size_t n = 0; n <= body.len; n++) {
        struct span cut = heap_copy(body, n);
        if (parses(cut) != (n >= shortest))
            fail_msg("cut to %zu octets: %s", n, n >= shortest ? "refused" : "accepted");
        heap_free(cut);
    }
}

static inline void assert_octets(struct span seen, struct span expected)
{
    assert_int_equal(seen.len, expected.len);
    if (expected.len > 0)
        assert_memory_equal(seen.at, expected.at, expected.len);
}

static inline struct arena new_arena(void)
{
    struct arena a;
    if (!arena_init(&a))
        abort();
    return a;
}

#endif
