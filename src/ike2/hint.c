/* Hints that a peer has begun a new life: a fresh IKE_SA_INIT from the host of an SA that stands.
 * RFC 7296 2.4.
 *
 * Nobody has sealed it, so it proves nothing; but it is a reason to ask at once whether the old SA
 * still has a peer, and not only when traffic has been lost for long. The answer to that question
 * is sealed. What strangers can cause this way is bounded: a host with many SAs (a NAT before many
 * clients) gives no hint, an SA is asked once in a while and not when it was heard just now, and
 * all SAs together a number of times a second. */
#include "ike2/inside.h"

enum { CROWD = 4, QUIET_S = 2, AGAIN_S = 10, PER_SECOND_MAX = 50 };

static uint64_t host_key(const struct world *w, const struct address *host)
{
    return map_hash(&w->by_host, host->bytes, sizeof host->bytes);
}

void hint_forget(struct world *w, struct ike_sa *sa)
{
    if (!sa->is_at_host)
        return;
    if (sa->host_next != NULL)
        sa->host_next->host_before = sa->host_before;
    if (sa->host_before != NULL)
        sa->host_before->host_next = sa->host_next;
    else if (sa->host_next != NULL)
        map_set(&w->by_host, sa->host_key, sa->host_next); /* replaces: needs no memory */
    else
        map_remove(&w->by_host, sa->host_key);
    sa->host_next = sa->host_before = NULL;
    sa->is_at_host = false;
}

void hint_place(struct world *w, struct ike_sa *sa)
{
    uint64_t key = host_key(w, &sa->path.remote);
    if (sa->is_at_host && sa->host_key == key)
        return;
    hint_forget(w, sa);
    struct ike_sa *next = map_get(&w->by_host, key);
    if (!map_set(&w->by_host, key, sa))
        return;
    sa->host_key = key;
    sa->is_at_host = true;
    sa->host_next = next;
    if (next != NULL)
        next->host_before = sa;
}

static bool may_ask(struct world *w)
{
    int64_t second = w->step.now.ns / 1000000000;
    if (second != w->hint_second) {
        w->hint_second = second;
        w->hints_in_second = 0;
    }
    return w->hints_in_second++ < PER_SECOND_MAX;
}

void hint_new_contact(struct world *w, const struct address *from)
{
    struct ike_sa *first = map_get(&w->by_host, host_key(w, from));
    size_t count = 0;
    for (const struct ike_sa *sa = first; sa != NULL && count <= CROWD; sa = sa->host_next)
        count++;
    if (count == 0 || count > CROWD || !may_ask(w))
        return;
    for (struct ike_sa *sa = first, *next; sa != NULL; sa = next) {
        struct instant now = w->step.now;
        next = sa->host_next;
        if (sa->state != SA_UP || sa->tasks != NULL || !address_same_host(&sa->path.remote, from) ||
            !instant_reached(instant_after_s(sa->heard, QUIET_S), now) ||
            !instant_reached(sa->hint_again, now))
            continue;
        sa->hint_again = instant_after_s(now, AGAIN_S);
        exchange_wish(w, sa, (struct wish){.kind = WISH_LIVENESS, .not_before = now});
        exchange_next(w, sa);
    }
}
