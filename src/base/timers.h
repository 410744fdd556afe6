/* A binary heap of due times. A timer is part of what it wakes and knows its place, so moving and
 * removing cost O(log n) and nothing is allocated but the heap's own array. */
#ifndef IKEBANA_BASE_TIMERS_H
#define IKEBANA_BASE_TIMERS_H

#include <stddef.h>

#include "base/instant.h"

struct timer {
    struct instant due;
    size_t place; /* index in the heap + 1; 0 = not in it */
    void *owner;
};

struct timers {
    struct timer **at;
    size_t count, room;
};

void timers_clear(struct timers *t);
/* Adds or moves; INSTANT_NEVER takes it out. false: no memory, the timer is not in the heap. */
bool timers_set(struct timers *t, struct timer *timer, struct instant due);
void timers_remove(struct timers *t, struct timer *timer);
/* The earliest, or NULL. */
struct timer *timers_first(const struct timers *t);

#endif
