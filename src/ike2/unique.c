/* One peer, one IKE SA: connections.<conn>.unique, and INITIAL_CONTACT. RFC 7296 2.4.
 *
 * SAs that stand are kept by a digest of both identities and the outer family, as their addresses
 * change and their connection may be loaded anew. Rekeying does not make an SA younger: what counts
 * is when the first of the line began and when it was authenticated.
 *
 * A new SA only ever harms one that was authenticated before the new one's IKE_SA_INIT. A restarted
 * peer's old SAs are all such; one that came to be meanwhile is none: both sides have begun at the
 * same time, and each would take the other's for an old one and kill it. With `replace` the one
 * with the lower SPIs of such a pair goes later, which both sides decide alike.
 *
 * The SA of the same identities may be another worker's. Each tells the others by FX_TWIN what
 * stands with it and what has gone, and acts on its own SAs only; what stands elsewhere is known
 * here but for the moment that the news takes. */
#include <stdlib.h>

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

static uint64_t name_digest(const char *name)
{
    uint64_t hash = 14695981039346656037u; /* FNV-1a: the same in all workers */
    for (; *name != '\0'; name++)
        hash = (hash ^ (uint8_t)*name) * 1099511628211u;
    return hash;
}

static struct twin twin_of(const struct ike_sa *sa)
{
    struct twin t = {.ike_id = sa->id,
                     .is_up = sa->state == SA_UP || sa->setup != NULL,
                     .spi_i = sa->spi_i,
                     .spi_r = sa->spi_r,
                     .conn = sa->conn == NULL ? 0 : name_digest(sa->conn->name),
                     .remote = sa->path.remote,
                     .began = sa->began,
                     .authenticated = sa->authenticated};
    memcpy(t.ids, sa->ids, IDS_LEN);
    return t;
}

/* ---- what the other workers have ---- */

struct elsewhere {
    struct twin twin;
    struct elsewhere *next; /* of the same hash */
};

static struct elsewhere *elsewhere_of(const struct world *w, const uint8_t ids[IDS_LEN])
{
    struct elsewhere *e = map_get(&w->elsewhere, map_hash(&w->by_ids, ids, IDS_LEN));
    while (e != NULL && memcmp(e->twin.ids, ids, IDS_LEN) != 0)
        e = e->next;
    return e;
}

static struct elsewhere *next_elsewhere(const struct elsewhere *e)
{
    struct elsewhere *next = e->next;
    while (next != NULL && memcmp(next->twin.ids, e->twin.ids, IDS_LEN) != 0)
        next = next->next;
    return next;
}

static void share(struct world *w, const struct twin *t)
{
    struct effect *fx = w->options.workers > 1 ? step_add(&w->step, FX_TWIN) : NULL;
    if (fx != NULL)
        fx->twin = *t;
}

static void forget_elsewhere(struct world *w, const struct twin *t)
{
    uint64_t hash = map_hash(&w->by_ids, t->ids, IDS_LEN);
    struct elsewhere *first = map_get(&w->elsewhere, hash), *before = NULL, *e = first;
    while (e != NULL && e->twin.ike_id != t->ike_id) {
        before = e;
        e = e->next;
    }
    if (e == NULL)
        return;
    if (before != NULL)
        before->next = e->next;
    else if (e->next != NULL)
        map_set(&w->elsewhere, hash, e->next); /* replaces: needs no memory */
    else
        map_remove(&w->elsewhere, hash);
    free(e);
}

static void note_elsewhere(struct world *w, const struct twin *t)
{
    uint64_t hash = map_hash(&w->by_ids, t->ids, IDS_LEN);
    forget_elsewhere(w, t);
    struct elsewhere *e = malloc(sizeof *e);
    if (e == NULL)
        return;
    *e = (struct elsewhere){*t, map_get(&w->elsewhere, hash)};
    if (!map_set(&w->elsewhere, hash, e))
        free(e);
}

void unique_clear(struct world *w)
{
    size_t cursor = 0;
    struct elsewhere *e;
    while ((e = map_next(&w->elsewhere, &cursor, NULL)) != NULL)
        while (e != NULL) {
            struct elsewhere *next = e->next;
            free(e);
            e = next;
        }
    map_clear(&w->elsewhere);
}

/* ---- ours ---- */

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
    sa->is_known_as_twin = true;
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
    if (sa->is_known_as_twin) {
        struct twin gone = twin_of(sa);
        gone.is_gone = true;
        share(w, &gone);
    }
    sa->ids_next = sa->ids_before = NULL;
    sa->has_ids = sa->is_known_as_twin = false;
}

bool unique_is_first(struct world *w, const struct ike_sa *sa, const struct identity *local,
                     const struct identity *remote)
{
    struct ike_sa us = {.id = sa->id};
    if (!digest(w, local, remote, sa->path.remote.family, us.ids))
        return false;
    return next_twin(&us, first_of(w, us.ids)) == NULL && elsewhere_of(w, us.ids) == NULL;
}

/* ---- the rules ---- */

static bool is_older(const struct twin *old, const struct twin *t)
{
    return instant_before(old->authenticated, t->began);
}

/* Of two that stand at once, does x give way to y? */
static bool gives_way(const struct twin *x, const struct twin *y)
{
    if (is_older(x, y) || is_older(y, x))
        return is_older(x, y);
    return x->spi_i < y->spi_i || (x->spi_i == y->spi_i && x->spi_r < y->spi_r);
}

static bool is_of_same_line(const struct twin *x, const struct twin *y)
{
    return x->began.ns == y->began.ns && x->authenticated.ns == y->authenticated.ns;
}

static bool is_in_the_way(const struct twin *old, const struct twin *t)
{
    return old->is_up && old->conn == t->conn && is_older(old, t) &&
           !address_equal(&old->remote, &t->remote);
}

static void not_unique(struct world *w, const struct ike_sa *sa, const struct message *m,
                       const struct identity *remote, const struct twin *old, struct finding *why)
{
    finding_set(why, CAUSE_IKE_NOT_UNIQUE);
    finding_about(why, m, NULL, true);
    why->param = policy_param(&w->arena, sa->conn, NULL, "unique");
    why->expected =
        arena_text(&w->arena, "no other IKE SA of %s", policy_identity_text(remote, &w->arena));
    why->seen = arena_text(&w->arena, "IKE SA %u with %s", old->ike_id,
                           address_port_text(&w->arena, &old->remote));
}

/* A good reason to look whether the old one lives: the new one is authentic. */
static void probe(struct world *w, struct ike_sa *old)
{
    exchange_wish(w, old, (struct wish){.kind = WISH_LIVENESS, .not_before = w->step.now});
    exchange_next(w, old);
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
    struct twin us = twin_of(sa);
    for (struct ike_sa *old = next_twin(sa, first_of(w, sa->ids)); old != NULL;
         old = next_twin(sa, old->ids_next)) {
        struct twin t = twin_of(old);
        if (!is_in_the_way(&t, &us))
            continue;
        not_unique(w, sa, m, remote, &t, why);
        probe(w, old);
        return false;
    }
    for (struct elsewhere *e = elsewhere_of(w, sa->ids); e != NULL; e = next_elsewhere(e)) {
        if (!is_in_the_way(&e->twin, &us))
            continue;
        not_unique(w, sa, m, remote, &e->twin, why);
        us.is_refused = true; /* its worker looks whether that one lives */
        share(w, &us);
        return false;
    }
    return true;
}

static void begins_anew(struct world *w, struct ike_sa *old, const struct twin *t,
                        const struct message *m)
{
    struct finding why;
    finding_set(&why, CAUSE_IKE_INITIAL_CONTACT);
    if (m != NULL)
        finding_about(&why, m, NULL, true);
    why.phase = PHASE_ESTABLISHED;
    why.param = policy_param(&w->arena, old->conn, NULL, "unique");
    why.expected = arena_text(&w->arena, "that %s still has IKE SA %u",
                              old->remote_id == NULL ? "the peer" : old->remote_id, old->id);
    why.seen = arena_text(&w->arena, "INITIAL_CONTACT in IKE SA %u from %s", t->ike_id,
                          address_port_text(&w->arena, &t->remote));
    why.notify = NOTIFY_INITIAL_CONTACT;
    exchange_finish(w, old, true, &why); /* the peer has forgotten it: no Delete */
}

static void doom(struct world *w, struct ike_sa *old, struct instant when)
{
    old->doomed_at = instant_earlier(old->doomed_at, when);
    world_rearm(w, old);
}

/* x gives way to y, of the same connection: at once, or when it looks like a reauthentication, or
 * both have begun at once, later. */
static void replace(struct world *w, struct ike_sa *sa, const struct twin *x, const struct twin *y)
{
    bool is_at_once = is_older(x, y) && !address_equal(&x->remote, &y->remote);
    doom(w, sa, is_at_once ? w->step.now : instant_after_s(w->step.now, REAUTH_S));
}

/* What a new one means for ours. */
static void meet(struct world *w, const struct ike_sa *new_one, const struct twin *t,
                 const struct message *m)
{
    struct ike_sa key = {0};
    memcpy(key.ids, t->ids, IDS_LEN);
    const struct ike_sa *not = new_one != NULL ? new_one : &key;
    for (struct ike_sa *old = next_twin(not, first_of(w, t->ids)), *next; old != NULL; old = next) {
        struct twin o = twin_of(old);
        next = next_twin(not, old->ids_next);
        if (t->is_initial && is_older(&o, t))
            begins_anew(w, old, t, m);
        else if (t->replaces && o.is_up && o.conn == t->conn && gives_way(&o, t))
            replace(w, old, &o, t);
    }
}

void unique_settle(struct world *w, struct ike_sa *sa, const struct message *m)
{
    struct notify n;
    sa->authenticated = w->step.now;
    sa->is_first_initiator = sa->is_initiator;
    if (!sa->has_ids)
        return;
    struct twin us = twin_of(sa);
    us.is_initial = m != NULL && sa->conn->unique != UNIQUE_NEVER &&
                    wire_find_notify(m, NOTIFY_INITIAL_CONTACT, &n);
    us.replaces = sa->conn->unique == UNIQUE_REPLACE;
    meet(w, sa, &us, m);
    for (struct ike_sa *old = next_twin(sa, first_of(w, sa->ids)); us.replaces && old != NULL;
         old = next_twin(sa, old->ids_next)) {
        struct twin o = twin_of(old);
        if (o.is_up && o.conn == us.conn && gives_way(&us, &o))
            replace(w, sa, &us, &o);
    }
    for (struct elsewhere *e = elsewhere_of(w, sa->ids); us.replaces && e != NULL;
         e = next_elsewhere(e))
        if (e->twin.conn == us.conn && gives_way(&us, &e->twin))
            replace(w, sa, &us, &e->twin);
    remember(w, sa);
    share(w, &us);
}

void ike2_on_twin(struct world *w, const struct twin *t)
{
    struct ike_sa key = {0};
    memcpy(key.ids, t->ids, IDS_LEN);
    if (t->is_gone) {
        forget_elsewhere(w, t);
        return;
    }
    if (t->is_refused) {
        for (struct ike_sa *old = next_twin(&key, first_of(w, t->ids)); old != NULL;
             old = next_twin(&key, old->ids_next))
            if (old->state == SA_UP)
                probe(w, old);
        return;
    }
    note_elsewhere(w, t);
    meet(w, NULL, t, NULL);
}

void unique_inherit(struct world *w, const struct ike_sa *old, struct ike_sa *heir)
{
    heir->is_first_initiator = old->is_first_initiator;
    heir->began = old->began;
    heir->authenticated = old->authenticated;
    heir->doomed_at = old->doomed_at;
    heir->has_ids = old->has_ids;
    memcpy(heir->ids, old->ids, IDS_LEN);
    if (!heir->has_ids)
        return;
    remember(w, heir);
    struct twin us = twin_of(heir); /* it claims nothing: no is_initial, no replaces */
    us.is_up = true;
    share(w, &us);
}

/* Its time is over, if the one that it gives way to still stands. */
void unique_on_time(struct world *w, struct ike_sa *sa)
{
    if (sa->state != SA_UP || !instant_reached(sa->doomed_at, w->step.now))
        return;
    sa->doomed_at = INSTANT_NEVER;
    struct twin us = twin_of(sa), heir = {0};
    for (struct ike_sa *at = next_twin(sa, first_of(w, sa->ids)); at != NULL && !heir.is_up;
         at = next_twin(sa, at->ids_next)) {
        struct twin t = twin_of(at);
        if (t.is_up && !is_of_same_line(&t, &us) && gives_way(&us, &t))
            heir = t;
    }
    for (struct elsewhere *e = elsewhere_of(w, sa->ids); e != NULL && !heir.is_up;
         e = next_elsewhere(e))
        if (gives_way(&us, &e->twin))
            heir = e->twin;
    if (!heir.is_up)
        return;
    struct finding why;
    finding_set(&why, CAUSE_IKE_REPLACED);
    why.phase = PHASE_ESTABLISHED;
    why.param = policy_param(&w->arena, sa->conn, NULL, "unique");
    why.expected = arena_text(&w->arena, "one IKE SA of %s",
                              sa->remote_id == NULL ? "the peer" : sa->remote_id);
    why.seen = arena_text(&w->arena, "IKE SA %u and, from %s, IKE SA %u", sa->id,
                          address_port_text(&w->arena, &heir.remote), heir.ike_id);
    ike2_refused(w, sa, NULL, &why);
    ike2_want_close(w, sa, 0, false);
}
