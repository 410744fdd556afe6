/* IKE_SA_INIT requests whose SA stands or has failed already. RFC 7296 2.1: a late copy of one is
 * ignored: it must neither make a half-open SA nor a record of one that times out. Only requests
 * whose initiator has sealed an IKE_AUTH request are kept, for a minute, the oldest go first. */
#include <stdlib.h>

#include "ike2/inside.h"

enum { BEGUN_MAX = 16384, BEGUN_S = 60 };

struct begun {
    struct begun *next; /* the next younger one */
    uint64_t key;
    struct instant until;
};

/* As for half-open SAs: all octets of the request, and where it came from. */
static uint64_t key_of(const struct world *w, struct span request, const struct address *remote)
{
    struct {
        uint64_t request;
        uint8_t host[16];
        uint64_t port;
    } key = {map_hash(&w->begun, request.at, request.len), {0}, remote->port};
    memcpy(key.host, remote->bytes, sizeof key.host);
    return map_hash(&w->begun, &key, sizeof key);
}

static void drop_oldest(struct world *w)
{
    struct begun *b = w->begun_first;
    w->begun_first = b->next;
    if (map_get(&w->begun, b->key) == b)
        map_remove(&w->begun, b->key);
    w->begun_count--;
    free(b);
}

static void drop_expired(struct world *w)
{
    while (w->begun_first != NULL && instant_reached(w->begun_first->until, w->step.now))
        drop_oldest(w);
}

void begun_keep(struct world *w, struct span request, const struct address *remote)
{
    uint64_t key = key_of(w, request, remote);
    drop_expired(w);
    if (w->begun_count >= BEGUN_MAX)
        drop_oldest(w);
    struct begun *b = malloc(sizeof *b);
    if (b == NULL || !map_set(&w->begun, key, b)) {
        free(b);
        return;
    }
    *b = (struct begun){NULL, key, instant_after_s(w->step.now, BEGUN_S)};
    if (w->begun_first == NULL)
        w->begun_first = b;
    else
        w->begun_last->next = b;
    w->begun_last = b;
    w->begun_count++;
}

bool begun_knows(struct world *w, struct span request, const struct address *remote)
{
    drop_expired(w);
    return w->begun_count > 0 && map_get(&w->begun, key_of(w, request, remote)) != NULL;
}

void begun_clear(struct world *w)
{
    while (w->begun_first != NULL)
        drop_oldest(w);
}
