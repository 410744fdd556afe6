/* Reauthentication: a new IKE SA from scratch takes the place of one whose authentication is old,
 * with the same children. RFC 7296 2.8.3, RFC 4478.
 *
 * Break before make (as charon by default): the old IKE SA is closed, and when it is gone the new
 * one is begun; `struct reauth` at the old SA says what it is to have. Make before break: the new
 * IKE SA with its children comes up beside the old one, which is then closed; the new one names it
 * in `reauth_of`. If nothing comes of the new one, the old one stays and it is tried again.
 *
 * Who begins: the side that began the first IKE SA of the line (rekeying does not change that). The
 * other side tells how long its reauth_time is by AUTH_LIFETIME in IKE_AUTH; if nothing has
 * happened then, it reauthenticates itself, if it knows where the peer is and no NAT stands before
 * it. */
#include <stdlib.h>

#include "ike2/inside.h"

enum {
    AGAIN_S = 60,        /* after one that came to nothing */
    SHORTEST_S = 60,     /* of what a peer may ask for */
    RESPONDER_PART = 20, /* the responder waits for the initiator: 1/20 of reauth_time longer */
};

struct reauth {
    struct conn *conn; /* reference */
    uint64_t ticket;
    size_t count;
    char *names[]; /* of children */
};

/* ---- when ---- */

void reauth_schedule(struct world *w, struct ike_sa *sa)
{
    const struct conn *c = sa->conn;
    if (c->reauth_time_s == 0)
        return;
    uint64_t jitter = rng_below(w->rng, c->rand_time_s + 1);
    uint64_t after = jitter < c->reauth_time_s ? c->reauth_time_s - jitter : c->reauth_time_s;
    if (!sa->is_initiator) /* the initiator has heard of it, and comes first */
        after = c->reauth_time_s + c->reauth_time_s / RESPONDER_PART;
    sa->reauth_at = instant_after_s(w->step.now, (int64_t)after);
    sa->reauth_expire_at =
        instant_after_s(w->step.now, (int64_t)(c->reauth_time_s +
                                               c->reauth_time_s / RESPONDER_PART + c->over_time_s));
    sa->expire_at = instant_earlier(sa->expire_at, sa->reauth_expire_at);
}

void reauth_inherit(struct ike_sa *old, struct ike_sa *heir)
{
    heir->reauth_at = old->reauth_at;
    heir->reauth_expire_at = old->reauth_expire_at;
    heir->expire_at = instant_earlier(heir->expire_at, heir->reauth_expire_at);
    old->reauth_at = INSTANT_NEVER;
    if (heir->reauth == NULL) {
        heir->reauth = old->reauth;
        old->reauth = NULL;
    }
}

/* RFC 4478: the peer says for how long it takes our authentication. */
void reauth_heard(struct world *w, struct ike_sa *sa, const struct message *m)
{
    struct notify n;
    if (!wire_find_notify(m, NOTIFY_AUTH_LIFETIME, &n))
        return;
    struct reader r = reader_of(n.data);
    uint32_t asked = take_u32(&r);
    if (!done(&r))
        return;
    uint32_t lifetime = asked < SHORTEST_S ? SHORTEST_S : asked;
    if (asked < SHORTEST_S) {
        struct finding why;
        finding_set(&why, CAUSE_IKE_SHORT_AUTH_LIFETIME);
        finding_about(&why, m, wire_find(m, PAYLOAD_NOTIFY), true);
        why.notify = NOTIFY_AUTH_LIFETIME;
        why.phase = PHASE_ESTABLISHED;
        why.param = policy_param(&w->arena, sa->conn, NULL, "reauth_time");
        why.expected = arena_text(&w->arena, "at least %u s", SHORTEST_S);
        why.seen = arena_text(&w->arena, "%u s", asked);
        ike2_refused(w, sa, NULL, &why);
    }
    /* Early enough for a new IKE SA to come up within it. */
    uint64_t over = sa->conn->over_time_s, early = lifetime / 10;
    if (over != 0 && over < early)
        early = over;
    uint64_t after = lifetime - early - rng_below(w->rng, early + 1) / 2;
    struct instant due = instant_after_s(w->step.now, (int64_t)after);
    if (instant_before(due, sa->reauth_at)) {
        sa->reauth_at = due;
        world_rearm(w, sa);
    }
}

void reauth_tell(struct outgoing *o, const struct conn *c)
{
    uint8_t octets[4];
    struct writer s = writer_of(octets, sizeof octets);
    if (c->reauth_time_s == 0)
        return;
    put_u32(&s, c->reauth_time_s > UINT32_MAX ? UINT32_MAX : (uint32_t)c->reauth_time_s);
    out_notify(o, NOTIFY_AUTH_LIFETIME, writer_span(&s));
}

static bool knows_where(const struct ike_sa *sa)
{
    if (sa->has_nat_there)
        return false;
    for (size_t i = 0; i < sa->conn->remote_count; i++)
        if (sa->conn->remote_addrs[i].kind == HOST_ADDRESS ||
            sa->conn->remote_addrs[i].kind == HOST_NAME)
            return true;
    return false;
}

void reauth_on_time(struct world *w, struct ike_sa *sa)
{
    if (sa->state != SA_UP || sa->race_of != 0 || !instant_reached(sa->reauth_at, w->step.now))
        return;
    sa->reauth_at = INSTANT_NEVER;
    if (sa->is_first_initiator || knows_where(sa)) {
        reauth_begin(w, sa, 0);
        return;
    }
    /* It ends with its hard lifetime. */
    struct finding why;
    finding_set(&why, CAUSE_IKE_NOT_REAUTHENTICATED);
    why.phase = PHASE_ESTABLISHED;
    why.param = policy_param(&w->arena, sa->conn, NULL, "reauth_time");
    why.expected = arena_text(&w->arena, "a new IKE SA of the peer within %llu s",
                              (unsigned long long)sa->conn->reauth_time_s);
    why.seen = "none";
    ike2_refused(w, sa, NULL, &why);
}

/* ---- how ---- */

static bool has_name(const struct reauth *r, const char *name)
{
    for (size_t i = 0; i < r->count; i++)
        if (strcmp(r->names[i], name) == 0)
            return true;
    return false;
}

static void forget(struct reauth *r)
{
    if (r == NULL)
        return;
    for (size_t i = 0; i < r->count; i++)
        free(r->names[i]);
    policy_conn_unref(r->conn);
    free(r);
}

/* What the new IKE SA is to have: by names, as the configuration is now. NULL: no memory. */
static struct reauth *list_children(struct world *w, const struct ike_sa *sa, uint64_t ticket)
{
    size_t room = 0;
    for (const struct child_sa *c = sa->children; c != NULL; c = c->next)
        room++;
    struct reauth *r = calloc(1, sizeof *r + room * sizeof r->names[0]);
    if (r == NULL)
        return NULL;
    struct conn *now = world_find_conn(w, sa->conn->name);
    r->conn = policy_conn_ref(now == NULL ? sa->conn : now);
    r->ticket = ticket;
    for (const struct child_sa *c = sa->children; c != NULL; c = c->next) {
        if (c->state != CHILD_SA_UP || has_name(r, c->conf->name) ||
            policy_find_child(r->conn, c->conf->name) == NULL)
            continue;
        char *name = strdup(c->conf->name);
        if (name != NULL)
            r->names[r->count++] = name;
    }
    /* The list of children grows at its head. */
    for (size_t i = 0; i < r->count / 2; i++) {
        char *name = r->names[i];
        r->names[i] = r->names[r->count - 1 - i];
        r->names[r->count - 1 - i] = name;
    }
    return r;
}

/* The new IKE SA, with the first child on its way and wishes for the others. NULL: it came to
 * nothing at once, and the tickets know. */
static struct ike_sa *make_new(struct world *w, const struct reauth *r, uint64_t ticket)
{
    struct finding why;
    const struct child_conf *first = r->count == 0 ? NULL : policy_find_child(r->conn, r->names[0]);
    if (r->count > 1)
        world_expect(w, ticket, (uint32_t)r->count - 1);
    struct ike_sa *sa = ike2_initiate(w, r->conn, first, ticket, 1);
    bool is_gone = sa == NULL || sa->state == SA_GONE;
    finding_set(&why, CAUSE_RES_MEMORY);
    why.expected = "a new IKE SA";
    if (sa == NULL)
        world_outcome(w, ticket, false, &why);
    for (size_t i = 1; i < r->count; i++) {
        if (is_gone)
            world_outcome(w, ticket, false, &why);
        else
            ike2_want_child(w, sa, r->names[i], ticket);
    }
    return is_gone ? NULL : sa;
}

void reauth_begin(struct world *w, struct ike_sa *sa, uint64_t ticket)
{
    struct reauth *r =
        sa->reauth != NULL || sa->reauth_by != 0 ? NULL : list_children(w, sa, ticket);
    if (r == NULL) {
        struct finding why;
        finding_set(&why, CAUSE_CMD_ABORTED);
        why.phase = PHASE_ESTABLISHED;
        why.expected = "one reauthentication at a time";
        why.seen = "it is on its way, or there is no memory";
        world_outcome(w, ticket, false, &why);
        return;
    }
    sa->reauth_at = INSTANT_NEVER;
    if (!w->options.make_before_break) {
        sa->reauth = r;
        exchange_wish(w, sa, (struct wish){.kind = WISH_CLOSE_IKE, .not_before = w->step.now});
        exchange_next(w, sa);
        return;
    }
    uint32_t old = sa->id;
    struct ike_sa *made = make_new(w, r, 0);
    if (made != NULL) {
        made->reauth_of = old;
        made->reauth_ticket = ticket;
        made->reauth_children = r->count != 0;
        sa->reauth_by = made->id;
        sa->rekey_at = INSTANT_NEVER;
    } else {
        sa->reauth_at = instant_after_s(w->step.now, AGAIN_S);
        struct finding why;
        finding_set(&why, CAUSE_CMD_ABORTED);
        why.expected = "a new IKE SA";
        world_outcome(w, ticket, false, &why);
    }
    forget(r);
    world_rearm(w, sa);
}

/* The SA that a new one takes the place of, whatever its number is by now. */
static struct ike_sa *old_of(struct world *w, const struct ike_sa *made)
{
    struct ike_sa *old = world_sa_by_id(w, made->reauth_of);
    for (unsigned hop = 0; old != NULL && old->state == SA_REPLACED && hop < 8; hop++)
        old = world_sa_by_id(w, old->replaced_by);
    return old;
}

static void keep_old(struct world *w, struct ike_sa *made, const struct finding *why)
{
    struct ike_sa *old = old_of(w, made);
    uint64_t ticket = made->reauth_ticket;
    made->reauth_of = 0;
    made->reauth_ticket = 0;
    if (old != NULL) {
        old->reauth_by = 0;
        old->reauth_at = instant_after_s(w->step.now, AGAIN_S);
        world_rearm(w, old);
    }
    world_outcome(w, ticket, false, why);
}

void reauth_progress(struct world *w, struct ike_sa *sa)
{
    if (sa->reauth_of == 0 || sa->state != SA_UP || sa->tasks != NULL)
        return;
    for (size_t i = 0; i < sa->wishes.count; i++)
        if (sa->wishes.at[i].kind == WISH_CREATE_CHILD)
            return;
    if (sa->children == NULL && sa->reauth_children) {
        struct finding why;
        finding_set(&why, CAUSE_IKE_NOT_REAUTHENTICATED);
        why.phase = PHASE_CHILD;
        why.param = policy_param(&w->arena, sa->conn, NULL, "children");
        why.expected = "the children of the old IKE SA";
        why.seen = "none came up on the new one";
        ike2_refused(w, sa, NULL, &why);
        keep_old(w, sa, &why);
        ike2_want_close(w, sa, 0, false);
        return;
    }
    struct ike_sa *old = old_of(w, sa);
    uint64_t ticket = sa->reauth_ticket;
    sa->reauth_of = 0;
    sa->reauth_ticket = 0;
    if (old == NULL)
        world_outcome(w, ticket, true, NULL);
    else
        ike2_want_close(w, old, ticket, false);
}

void reauth_failed(struct world *w, struct ike_sa *sa, const struct finding *why)
{
    if (sa->reauth_of != 0)
        keep_old(w, sa, why);
}

void reauth_next_attempt(struct world *w, struct ike_sa *from, struct ike_sa *to)
{
    to->reauth_of = from->reauth_of;
    to->reauth_ticket = from->reauth_ticket;
    to->reauth_children = from->reauth_children;
    from->reauth_of = 0;
    from->reauth_ticket = 0;
    struct ike_sa *old = to->reauth_of == 0 ? NULL : old_of(w, to);
    if (old != NULL)
        old->reauth_by = to->id;
}

void reauth_after_end(struct world *w, struct reauth *r)
{
    if (r == NULL)
        return;
    make_new(w, r, r->ticket);
    forget(r);
}

void reauth_give_up(struct world *w, struct ike_sa *sa)
{
    struct reauth *r = sa->reauth;
    if (r == NULL)
        return;
    sa->reauth = NULL;
    struct finding why;
    finding_set(&why, CAUSE_CMD_ABORTED);
    why.phase = PHASE_ESTABLISHED;
    why.expected = "an IKE SA that stays";
    why.seen = "it was closed meanwhile";
    world_outcome(w, r->ticket, false, &why);
    forget(r);
}

void reauth_clear(struct reauth *r)
{
    forget(r);
}
