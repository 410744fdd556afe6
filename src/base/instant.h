/* A point on the monotonic clock of whoever feeds the core. Wall time is a separate number
 * (seconds since 1970) that only certificates and records need. */
#ifndef IKEBANA_BASE_INSTANT_H
#define IKEBANA_BASE_INSTANT_H

#include <stdbool.h>
#include <stdint.h>

struct instant {
    int64_t ns;
};

#define INSTANT_NEVER ((struct instant){INT64_MAX})

static inline struct instant instant_after_ms(struct instant t, int64_t ms)
{
    if (t.ns == INT64_MAX || ms > (INT64_MAX - t.ns) / 1000000)
        return INSTANT_NEVER;
    return (struct instant){t.ns + ms * 1000000};
}

static inline struct instant instant_after_s(struct instant t, int64_t s)
{
    return s > INT64_MAX / 1000 ? INSTANT_NEVER : instant_after_ms(t, s * 1000);
}

static inline bool instant_before(struct instant a, struct instant b)
{
    return a.ns < b.ns;
}

static inline bool instant_reached(struct instant due, struct instant now)
{
    return due.ns <= now.ns;
}

static inline struct instant instant_earlier(struct instant a, struct instant b)
{
    return a.ns < b.ns ? a : b;
}

/* Milliseconds from `from` to `to`; 0 when `to` is not later. */
static inline int64_t instant_ms_between(struct instant from, struct instant to)
{
    return to.ns <= from.ns ? 0 : (to.ns - from.ns) / 1000000;
}

#endif
