/* Octets that must not be left behind.
 *
 * `SECRET x = {0};` on the stack is wiped on every way out. Long-lived secrets are wiped by
 * secret_clear() or freed by secret_free_octets(). Compare with secret_equal() only. */
#ifndef IKEBANA_BASE_SECRET_H
#define IKEBANA_BASE_SECRET_H

#include "base/span.h"

/* Largest: the shared value of MODP-8192, 1024 octets, is a struct big_secret; everything that a
 * PRF makes fits into 64. */
enum { SECRET_MAX = 64, BIG_SECRET_MAX = 1024 };

struct secret {
    uint8_t bytes[SECRET_MAX];
    uint8_t len;
};

struct big_secret {
    uint8_t bytes[BIG_SECRET_MAX];
    uint16_t len;
};

void secret_wipe(void *at, size_t len);
void secret_clear(struct secret *s);
void big_secret_clear(struct big_secret *s);
/* In constant time for spans of equal length. */
bool secret_equal(struct span a, struct span b);

#define SECRET __attribute__((cleanup(secret_clear))) struct secret
#define BIG_SECRET __attribute__((cleanup(big_secret_clear))) struct big_secret

static inline struct span secret_span(const struct secret *s)
{
    return (struct span){s->bytes, s->len};
}

static inline struct span big_secret_span(const struct big_secret *s)
{
    return (struct span){s->bytes, s->len};
}

#endif
