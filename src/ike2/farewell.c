/* The last answers of SAs that are gone. RFC 7296 2.1: whoever does not get an answer repeats the
 * request, and an SA that ended with its answer (a refused IKE_AUTH, a Delete) cannot repeat it.
 * They are kept for some seconds, the oldest go first, and no timer wakes anybody for them. */
#include <stdlib.h>

#include "ike2/inside.h"

enum { FAREWELLS_MAX = 1024, FAREWELL_S = 30 };

struct farewell {
    struct farewell *next; /* the next younger one */
    uint64_t spi;          /* ours, of the SA */
    uint64_t asked_hash;   /* of the request */
    struct instant until;
    size_t len;
    uint8_t answer[]; /* sealed */
};

static void drop_oldest(struct world *w)
{
    struct farewell *f = w->farewell_first;
    w->farewell_first = f->next;
    map_remove(&w->farewells, f->spi);
    free(f);
}

static void drop_expired(struct world *w)
{
    while (w->farewell_first != NULL && instant_reached(w->farewell_first->until, w->step.now))
        drop_oldest(w);
}

void farewell_keep(struct world *w, struct ike_sa *sa)
{
    uint64_t spi = ike2_our_spi(sa);
    drop_expired(w);
    const struct kept *last = sa->window.kept;
    if (last == NULL || map_get(&w->farewells, spi) != NULL)
        return;
    if (w->farewells.count >= FAREWELLS_MAX)
        drop_oldest(w);
    struct farewell *f = malloc(sizeof *f + last->len);
    if (f == NULL || !map_set(&w->farewells, spi, f)) {
        free(f);
        return;
    }
    *f = (struct farewell){NULL, spi, last->asked_hash, instant_after_s(w->step.now, FAREWELL_S),
                           last->len};
    memcpy(f->answer, last->octets, last->len);
    if (w->farewell_first == NULL)
        w->farewell_first = f;
    else
        w->farewell_last->next = f;
    w->farewell_last = f;
}

bool farewell_repeat(struct world *w, uint64_t spi, const struct datagram *d)
{
    drop_expired(w);
    const struct farewell *f = map_get(&w->farewells, spi);
    if (f == NULL || f->asked_hash != map_hash(&w->by_spi, d->bytes.at, d->bytes.len))
        return false;
    struct path back = path_of_datagram(d);
    out_send(w, &back, arena_copy(&w->arena, span_of(f->answer, f->len)));
    w->counters.retransmits++;
    return true;
}

void farewell_clear(struct world *w)
{
    while (w->farewell_first != NULL)
        drop_oldest(w);
}
