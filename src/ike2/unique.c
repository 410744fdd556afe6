/* One peer, one IKE SA: connections.<conn>.unique, and INITIAL_CONTACT. RFC 7296 2.4.
 *
 * SAs that stand are kept by a digest of both identities and the outer family, as their addresses
 * change and their connection may be loaded anew. Rekeying does not make an SA younger: what counts
 * is when the first of the line began and when it was authenticated.
 *
 * A new SA only ever harms one that was authenticated before the new one's IKE_SA_INIT. A restarted
 * peer's old SAs are all such; one that came to be meanwhile is none: both sides have begun at the
 * same time, and each would take the other's for an old one and kill it. With `replace` the one
 * with the lower SPIs of such a pair goes later, which both sides decide alike. */
#include "ike2/inside.h"

/* As charon: an SA from the same address and port is taken for a reauthentication, whose old SA the
 * peer closes itself when the new one stands. */
enum { REAUTH_S = 10 };

static bool digest(struct world *w, const struct identity *local, const struct identity *remote,
                   uint8_t family, uint8_t out[IDS_LEN])
{
    static const char label[] = "two identities";
    uint8_t head[5], mac[SHA256_LEN];
    struct span l = policy_identity_key(local, &w->arena);
    struct span r = policy_identity_key(remote, &w->arena);
    struct writer h = writer_of(head, sizeof head);
    put_u8(&h, family);
    put_u32(&h, (uint32_t)l.len);
    struct span parts[] = {writer_span(&h), l, r};
    if (l.len == 0 || r.len == 0 || !crypto_hmac_sha256(span_text(label), parts, 3, mac))
        return false;
    memcpy(out, mac, IDS_LEN);
    return true;
}

static struct ike_sa *first_of(const struct world *w, const uint8_t ids[IDS_LEN])
{
    return map_get(&w->by_ids, map_hash(&w->by_ids, ids, IDS_LEN));
}

/* Another SA that stands between the same two, behind `at` in their list. */
static struct ike_sa *next_twin(const struct ike_sa *sa, struct ike_sa *at)
{
    while (at != NULL && (at == sa || memcmp(at->ids, sa->ids, IDS_LEN) != 0))
        at = at->ids_next;
    return at;
}

static void remember(struct world *w, struct ike_sa *sa)
{
    uint64_t hash = map_hash(&w->by_ids, sa->ids, IDS_LEN);
    struct ike_sa *next = map_get(&w->by_ids, hash);
    if (sa->ids_next != NULL || sa->ids_before != NULL || next == sa ||
        !map_set(&w->by_ids, hash, sa))
        return;
    sa->ids_next = next;
    if (next != NULL)
        next->ids_before = sa;
}

void unique_forget(struct world *w, struct ike_sa *sa)
{
    uint64_t hash = map_hash(&w->by_ids, sa->ids, IDS_LEN);
    if (sa->ids_next != NULL)
        sa->ids_next->ids_before = sa->ids_before;
    if (sa->ids_before != NULL)
        sa->ids_before->ids_next = sa->ids_next;
    else if (sa->has_ids && map_get(&w->by_ids, hash) == sa) {
        if (sa->ids_next != NULL)
            map_set(&w->by_ids, hash, sa->ids_next); /* replaces: needs no memory */
        else
            map_remove(&w->by_ids, hash);
    }
    sa->ids_next = sa->ids_before = NULL;
    sa->has_ids = false;
}

bool unique_is_first(struct world *w, const struct ike_sa *sa, const struct identity *local,
                     const struct identity *remote)
{
    struct ike_sa us = {.id = sa->id};
    if (!digest(w, local, remote, sa->path.remote.family, us.ids))
        return false;
    return next_twin(&us, first_of(w, us.ids)) == NULL;
}

static bool is_older(const struct ike_sa *old, const struct ike_sa *sa)
{
    return instant_before(old->authenticated, sa->began);
}

/* Of two that stand at once, does x give way to y? */
static bool gives_way(const struct ike_sa *x, const struct ike_sa *y)
{
    if (is_older(x, y) || is_older(y, x))
        return is_older(x, y);
    return x->spi_i < y->spi_i || (x->spi_i == y->spi_i && x->spi_r < y->spi_r);
}

static bool is_of_same_line(const struct ike_sa *x, const struct ike_sa *y)
{
    return x->began.ns == y->began.ns && x->authenticated.ns == y->authenticated.ns;
}

static bool is_same_conn(const struct ike_sa *x, const struct ike_sa *y)
{
    return x->conn != NULL && y->conn != NULL && strcmp(x->conn->name, y->conn->name) == 0;
}

bool unique_admit(struct world *w, struct ike_sa *sa, const struct identity *local,
                  const struct identity *remote, const struct message *m, struct finding *why)
{
    struct notify n;
    sa->began = sa->setup->began;
    sa->has_ids = digest(w, local, remote, sa->path.remote.family, sa->ids);
    if (!sa->has_ids || sa->conn->unique != UNIQUE_KEEP ||
        (!sa->is_initiator && wire_find_notify(m, NOTIFY_INITIAL_CONTACT, &n)))
        return true;
    for (struct ike_sa *old = next_twin(sa, first_of(w, sa->ids)); old != NULL;
         old = next_twin(sa, old->ids_next)) {
        if (old->state != SA_UP || !is_same_conn(old, sa) || !is_older(old, sa) ||
            address_equal(&old->path.remote, &sa->path.remote))
            continue;
        finding_set(why, CAUSE_IKE_NOT_UNIQUE);
        finding_about(why, m, NULL, true);
        why->param = policy_param(&w->arena, sa->conn, NULL, "unique");
        why->expected =
            arena_text(&w->arena, "no other IKE SA of %s", policy_identity_text(remote, &w->arena));
        why->seen = arena_text(&w->arena, "IKE SA %u with %s", old->id,
                               address_port_text(&w->arena, &old->path.remote));
        /* The new one is authentic: a good reason to look whether the old one lives. */
        struct wish wish = {.kind = WISH_LIVENESS, .not_before = w->step.now};
        exchange_wish(w, old, wish);
        exchange_next(w, old);
        return false;
    }
    return true;
}

static void begins_anew(struct world *w, struct ike_sa *old, const struct ike_sa *sa,
                        const struct message *m)
{
    struct finding why;
    finding_set(&why, CAUSE_IKE_INITIAL_CONTACT);
    finding_about(&why, m, NULL, true);
    why.phase = PHASE_ESTABLISHED;
    why.param = policy_param(&w->arena, sa->conn, NULL, "unique");
    why.expected = arena_text(&w->arena, "that %s still has IKE SA %u",
                              old->remote_id == NULL ? "the peer" : old->remote_id, old->id);
    why.seen = arena_text(&w->arena, "INITIAL_CONTACT in IKE SA %u from %s", sa->id,
                          address_port_text(&w->arena, &sa->path.remote));
    why.notify = NOTIFY_INITIAL_CONTACT;
    exchange_finish(w, old, true, &why); /* the peer has forgotten it: no Delete */
}

static void doom(struct world *w, struct ike_sa *old, struct instant when)
{
    old->doomed_at = instant_earlier(old->doomed_at, when);
    world_rearm(w, old);
}

void unique_settle(struct world *w, struct ike_sa *sa, const struct message *m)
{
    struct notify n;
    sa->authenticated = w->step.now;
    sa->is_first_initiator = sa->is_initiator;
    if (!sa->has_ids)
        return;
    enum unique unique = sa->conn->unique;
    bool is_initial =
        m != NULL && unique != UNIQUE_NEVER && wire_find_notify(m, NOTIFY_INITIAL_CONTACT, &n);
    for (struct ike_sa *old = next_twin(sa, first_of(w, sa->ids)), *next; old != NULL; old = next) {
        next = next_twin(sa, old->ids_next);
        if (is_initial && is_older(old, sa)) {
            begins_anew(w, old, sa, m);
        } else if (unique == UNIQUE_REPLACE && old->state == SA_UP && is_same_conn(old, sa)) {
            bool is_at_once =
                is_older(old, sa) && !address_equal(&old->path.remote, &sa->path.remote);
            doom(w, gives_way(old, sa) ? old : sa,
                 is_at_once ? w->step.now : instant_after_s(w->step.now, REAUTH_S));
        }
    }
    remember(w, sa);
}

void unique_inherit(struct world *w, const struct ike_sa *old, struct ike_sa *heir)
{
    heir->is_first_initiator = old->is_first_initiator;
    heir->began = old->began;
    heir->authenticated = old->authenticated;
    heir->doomed_at = old->doomed_at;
    heir->has_ids = old->has_ids;
    memcpy(heir->ids, old->ids, IDS_LEN);
    if (heir->has_ids)
        remember(w, heir);
}

/* Its time is over, if the one that it gives way to still stands. */
void unique_on_time(struct world *w, struct ike_sa *sa)
{
    if (sa->state != SA_UP || !instant_reached(sa->doomed_at, w->step.now))
        return;
    sa->doomed_at = INSTANT_NEVER;
    struct ike_sa *other = next_twin(sa, first_of(w, sa->ids));
    while (other != NULL &&
           (other->state != SA_UP || is_of_same_line(other, sa) || !gives_way(sa, other)))
        other = next_twin(sa, other->ids_next);
    if (other == NULL)
        return;
    struct finding why;
    finding_set(&why, CAUSE_IKE_REPLACED);
    why.phase = PHASE_ESTABLISHED;
    why.param = policy_param(&w->arena, sa->conn, NULL, "unique");
    why.expected = arena_text(&w->arena, "one IKE SA of %s",
                              sa->remote_id == NULL ? "the peer" : sa->remote_id);
    why.seen = arena_text(&w->arena, "IKE SA %u and, from %s, IKE SA %u", sa->id,
                          address_port_text(&w->arena, &other->path.remote), other->id);
    ike2_refused(w, sa, NULL, &why);
    ike2_want_close(w, sa, 0, false);
}
