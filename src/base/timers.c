#include "base/timers.h"

#include <stdlib.h>

void timers_clear(struct timers *t)
{
    free(t->at);
    *t = (struct timers){0};
}

static void put(struct timers *t, size_t i, struct timer *timer)
{
    t->at[i] = timer;
    timer->place = i + 1;
}

static void sift_up(struct timers *t, size_t i)
{
    struct timer *timer = t->at[i];
    while (i > 0 && instant_before(timer->due, t->at[(i - 1) / 2]->due)) {
        put(t, i, t->at[(i - 1) / 2]);
        i = (i - 1) / 2;
    }
    put(t, i, timer);
}

static void sift_down(struct timers *t, size_t i)
{
    struct timer *timer = t->at[i];
    for (;;) {
        size_t child = 2 * i + 1;
        if (child >= t->count)
            break;
        if (child + 1 < t->count && instant_before(t->at[child + 1]->due, t->at[child]->due))
            child++;
        if (!instant_before(t->at[child]->due, timer->due))
            break;
        put(t, i, t->at[child]);
        i = child;
    }
    put(t, i, timer);
}

void timers_remove(struct timers *t, struct timer *timer)
{
    if (timer->place == 0)
        return;
    size_t i = timer->place - 1;
    struct timer *last = t->at[--t->count];
    timer->place = 0;
    if (last == timer)
        return;
    put(t, i, last);
    sift_up(t, i);
    sift_down(t, last->place - 1);
}

bool timers_set(struct timers *t, struct timer *timer, struct instant due)
{
    if (due.ns == INT64_MAX) {
        timers_remove(t, timer);
        timer->due = due;
        return true;
    }
    if (timer->place == 0) {
        if (t->count == t->room) {
            size_t room = t->room == 0 ? 16 : t->room * 2;
            struct timer **at = realloc(t->at, room * sizeof *at);
            if (at == NULL)
                return false;
            t->at = at;
            t->room = room;
        }
        put(t, t->count++, timer);
    }
    timer->due = due;
    sift_up(t, timer->place - 1);
    sift_down(t, timer->place - 1);
    return true;
}

struct timer *timers_first(const struct timers *t)
{
    return t->count == 0 ? NULL : t->at[0];
}
