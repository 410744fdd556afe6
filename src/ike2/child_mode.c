/* What the messages about a CHILD SA say beside SA and TS: its mode, and the notifies of RFC 7296
 * 1.3.1 and 3.10.1; transport mode through NATs, 2.23.1; selectors of a rekeying, 2.9.2.
 *
 * Transport mode is for two hosts: each selector is one address, and it is the one that the IKE SA
 * has at that end. Where that does not hold, or the other side does not say USE_TRANSPORT_MODE, it
 * is a tunnel, as with strongSwan, and a warning tells why. Never sent: IPCOMP_SUPPORTED (and a
 * peer's is not answered, so it is declined), HTTP_CERT_LOOKUP_SUPPORTED, SINGLE_PAIR_REQUIRED (no
 * policy of swanctl.conf wants one SA for each pair). */
#include <stdlib.h>

#include "ike2/inside.h"

/* ---- selectors ---- */

static bool add_unless_inside(struct selectors *list, const struct selector *s)
{
    struct selectors one = {(struct selector *)(uintptr_t)s, 1};
    if (list->count == SELECTORS_MAX || policy_selectors_within(&one, list))
        return false;
    list->at[list->count++] = *s;
    return true;
}

struct selectors child_join(struct world *w, const struct selectors *x, const struct selectors *y)
{
    struct selectors out = {arena_array(&w->arena, SELECTORS_MAX, sizeof *out.at), 0};
    for (size_t i = 0; out.at != NULL && i < x->count + y->count; i++)
        add_unless_inside(&out, i < x->count ? &x->at[i] : &y->at[i - x->count]);
    return out;
}

/* RFC 7296 2.9: the ends of the packet stand first, although they are inside what follows. */
static struct selectors pair_first(struct world *w, const struct selector *first,
                                   const struct selectors *rest, bool is_alone)
{
    struct selectors out = {arena_array(&w->arena, rest->count + 1, sizeof *out.at), 0};
    struct selectors one = {(struct selector *)(uintptr_t)first, 1};
    if (out.at == NULL || !policy_selectors_within(&one, rest))
        return *rest; /* not a packet of this child: 2.9.1 */
    out.at[out.count++] = *first;
    for (size_t i = 0; i < rest->count && !is_alone && out.count < SELECTORS_MAX; i++)
        out.at[out.count++] = rest->at[i];
    return out;
}

static bool is_host(const struct selector *s, const struct address *host)
{
    size_t len = address_len(s->family);
    return len > 0 && s->family == host->family && memcmp(s->from, host->bytes, len) == 0 &&
           memcmp(s->to, host->bytes, len) == 0;
}

static bool are_host(const struct selectors *list, const struct address *host)
{
    for (size_t i = 0; i < list->count; i++)
        if (!is_host(&list->at[i], host))
            return false;
    return list->count > 0;
}

bool child_is_host_to_host(struct world *w, const struct ike_sa *sa, const struct selectors *local,
                           const struct selectors *remote, const char **why)
{
    if (are_host(local, &sa->path.local) && are_host(remote, &sa->path.remote))
        return true;
    *why = arena_text(
        &w->arena, "the selectors %s and %s are not the two hosts %s and %s of the IKE SA",
        policy_selectors_text(local, &w->arena), policy_selectors_text(remote, &w->arena),
        address_text(&w->arena, &sa->path.local), address_text(&w->arena, &sa->path.remote));
    return false;
}

struct selectors child_substitute(struct world *w, const struct selectors *ts,
                                  const struct address *host)
{
    struct selectors out = {arena_array(&w->arena, ts->count, sizeof *out.at), 0};
    for (size_t i = 0; out.at != NULL && i < ts->count; i++) {
        struct selector *s = &out.at[out.count++];
        *s = ts->at[i];
        size_t len = address_len(s->family);
        if (s->family != host->family || memcmp(s->from, s->to, len) != 0)
            continue; /* 2.23.1: exactly one address; anything else is compared as it stands */
        memcpy(s->from, host->bytes, len);
        memcpy(s->to, host->bytes, len);
    }
    return out;
}

static bool has_ports(const struct selectors *list)
{
    for (size_t i = 0; i < list->count; i++)
        if (list->at[i].port_from <= list->at[i].port_to &&
            (list->at[i].port_from != 0 || list->at[i].port_to != UINT16_MAX))
            return true;
    return false;
}

/* ---- what we ask for ---- */

void child_offer_of(struct world *w, const struct ike_sa *sa, const struct task *t,
                    struct child_offer *out)
{
    const struct child_conf *conf = t->conf;
    const struct child_sa *old = t->kind == TASK_REKEY_CHILD ? child_by_id(sa, t->child_id) : NULL;
    *out = (struct child_offer){.mode = MODE_TUNNEL};
    out->local = child_ts(w, &conf->local_ts, &sa->path.local);
    out->remote = child_ts(w, &conf->remote_ts, &sa->path.remote);
    if (conf->mode == MODE_TRANSPORT &&
        child_is_host_to_host(w, sa, &out->local, &out->remote, &out->why_tunnel))
        out->mode = MODE_TRANSPORT;
    if (old != NULL && old->mode == MODE_TUNNEL && out->mode == MODE_TUNNEL) {
        /* RFC 7296 2.9.2: at least what the old one carries, wherever our address is now. */
        out->local = child_join(w, &out->local, &old->local_ts);
        out->remote = child_join(w, &out->remote, &old->remote_ts);
    }
    if (old == NULL && t->pair.is_set) {
        out->local = pair_first(w, &t->pair.local, &out->local, t->is_pair_only);
        out->remote = pair_first(w, &t->pair.remote, &out->remote, t->is_pair_only);
    }
    /* RFC 4301 7: later fragments have no ports; in transport mode there are none. */
    out->takes_fragments =
        out->mode == MODE_TUNNEL && (has_ports(&out->local) || has_ports(&out->remote));
}

/* ---- the notifies ---- */

static void write_notifies(struct outgoing *o, bool is_transport, bool takes_fragments)
{
    struct span nothing = {NULL, 0};
    if (is_transport)
        out_notify(o, NOTIFY_USE_TRANSPORT_MODE, nothing);
    /* What follows a TCP segment in transport mode cannot be told from it: RFC 4303 2.7. */
    if (is_transport)
        out_notify(o, NOTIFY_ESP_TFC_PADDING_NOT_SUPPORTED, nothing);
    if (takes_fragments)
        out_notify(o, NOTIFY_NON_FIRST_FRAGMENTS_ALSO, nothing);
}

void child_write_offer_notifies(struct outgoing *o, const struct child_offer *offer)
{
    write_notifies(o, offer->mode == MODE_TRANSPORT, offer->takes_fragments);
}

void child_write_choice_notifies(struct outgoing *o, const struct child_plan *p)
{
    write_notifies(o, p->mode == MODE_TRANSPORT, p->takes_fragments);
    if (p->has_more)
        out_notify(o, NOTIFY_ADDITIONAL_TS_POSSIBLE, (struct span){NULL, 0});
}

struct child_says child_read_notifies(const struct message *m)
{
    struct notify n;
    return (struct child_says){
        .transport = wire_find_notify(m, NOTIFY_USE_TRANSPORT_MODE, &n),
        .takes_fragments = wire_find_notify(m, NOTIFY_NON_FIRST_FRAGMENTS_ALSO, &n),
        .refuses_tfc = wire_find_notify(m, NOTIFY_ESP_TFC_PADDING_NOT_SUPPORTED, &n),
        .has_more = wire_find_notify(m, NOTIFY_ADDITIONAL_TS_POSSIBLE, &n),
    };
}

bool child_wants_no_address(struct world *w, const struct ike_sa *sa, const struct message *m,
                            struct finding *why)
{
    const struct payload *cp_p = wire_find(m, PAYLOAD_CP);
    struct cfg cp;
    if (cp_p == NULL || !wire_parse_cp(cp_p->body, &w->arena, &cp) || cp.type != CFG_REQUEST)
        return true; /* nothing that is asked for: RFC 7296 3.15.1 lets us ignore it */
    for (size_t i = 0; i < cp.count; i++) {
        uint16_t type = cp.attributes[i].type;
        if (type != CFG_INTERNAL_IP4_ADDRESS && type != CFG_INTERNAL_IP6_ADDRESS)
            continue;
        finding_set(why, CAUSE_CHILD_NO_ADDRESS_POOL);
        finding_about(why, m, cp_p, true);
        why->param = policy_param(&w->arena, sa->conn, NULL, "pools");
        why->expected = "no request for an internal address: there are no pools here";
        why->seen = type == CFG_INTERNAL_IP4_ADDRESS ? "INTERNAL_IP4_ADDRESS (1)"
                                                     : "INTERNAL_IP6_ADDRESS (8)";
        return false;
    }
    return true;
}

/* ---- with the IKE SA or after it, RFC 6023 ---- */

bool child_first_or_later(struct world *w, struct ike_sa *sa, struct finding *why)
{
    struct task *t = task_of_kind(sa, TASK_SETUP);
    enum childless policy = sa->conn->childless;
    bool wants_none = t->conf == NULL || policy == CHILDLESS_FORCE;
    bool is_allowed = sa->setup->peer_allows_childless;
    if (wants_none && !is_allowed) {
        finding_set(why, CAUSE_IKE_PEER_NOT_CHILDLESS);
        why->param = policy_param(&w->arena, sa->conn, NULL,
                                  policy == CHILDLESS_FORCE ? "childless" : "children");
        why->expected = "CHILDLESS_IKEV2_SUPPORTED in the answer to IKE_SA_INIT";
        why->seen = "none";
        return false;
    }
    if (t->conf == NULL || !is_allowed || (policy != CHILDLESS_PREFER && policy != CHILDLESS_FORCE))
        return true;
    struct wish later = {.kind = WISH_CREATE_CHILD,
                         .child_name = strdup(t->conf->name),
                         .not_before = w->step.now,
                         .ticket = t->ticket,
                         .pair = t->pair};
    t->ticket = 0;
    t->conf = NULL;
    policy_conn_unref(t->conn);
    t->conn = NULL;
    exchange_wish(w, sa, later);
    return true;
}

bool child_may_be_first(struct world *w, const struct ike_sa *sa, const struct message *m,
                        struct finding *why)
{
    if (sa->conn->childless != CHILDLESS_FORCE)
        return true;
    finding_set(why, CAUSE_IKE_CHILDLESS_REQUIRED);
    finding_about(why, m, wire_find(m, PAYLOAD_SA), true);
    why->param = policy_param(&w->arena, sa->conn, NULL, "childless");
    why->expected = "IKE_AUTH without a CHILD SA (force)";
    why->seen = "an SA payload";
    return false;
}

bool child_may_be_missing(struct world *w, const struct ike_sa *sa, const struct message *m,
                          struct finding *why)
{
    if (wire_find(m, PAYLOAD_SA) != NULL || sa->conn->childless != CHILDLESS_NEVER)
        return true;
    finding_set(why, CAUSE_IKE_CHILDLESS_REFUSED);
    finding_about(why, m, NULL, true);
    why->param = policy_param(&w->arena, sa->conn, NULL, "childless");
    why->expected = "a CHILD SA in IKE_AUTH (never)";
    why->seen = "no SA payload";
    return false;
}

bool child_retry_pair(struct world *w, struct ike_sa *sa, const struct task *t,
                      const struct finding *why)
{
    if (why->cause != CAUSE_CHILD_SINGLE_PAIR || !t->pair.is_set || t->is_pair_only)
        return false;
    exchange_wish(w, sa,
                  (struct wish){.kind = WISH_CREATE_CHILD,
                                .child_name = strdup(t->conf->name),
                                .not_before = w->step.now,
                                .ticket = t->ticket,
                                .pair = t->pair,
                                .is_pair_only = true});
    return true;
}

/* ---- warnings ---- */

static void note(struct world *w, const struct ike_sa *sa, struct record *r, struct finding *why)
{
    why->phase = PHASE_CHILD;
    ike2_refused(w, (struct ike_sa *)(uintptr_t)sa, r, why);
}

static void note_mode(struct world *w, const struct ike_sa *sa, const struct child_plan *p,
                      struct record *r)
{
    struct finding why;
    if (p->why_tunnel == NULL)
        return;
    finding_set(&why, CAUSE_CHILD_MODE_FALLBACK);
    why.param = policy_param(&w->arena, p->conn, p->conf, "mode");
    why.expected = "transport mode";
    why.seen = p->why_tunnel;
    note(w, sa, r, &why);
}

static void note_narrowing(struct world *w, const struct ike_sa *sa, const struct child_plan *p,
                           struct record *r)
{
    bool local_ok = policy_selectors_within(&p->asked_local, &p->local);
    if (local_ok && policy_selectors_within(&p->asked_remote, &p->remote))
        return;
    struct finding why;
    finding_set(&why, CAUSE_CHILD_TS_NARROWED);
    why.param = policy_param(&w->arena, p->conn, p->conf, local_ok ? "remote_ts" : "local_ts");
    why.expected = policy_selectors_text(local_ok ? &p->asked_remote : &p->asked_local, &w->arena);
    why.seen = policy_selectors_text(local_ok ? &p->remote : &p->local, &w->arena);
    note(w, sa, r, &why);
}

static void note_more(struct world *w, const struct ike_sa *sa, const struct child_plan *p,
                      struct record *r)
{
    struct finding why;
    if (!p->has_more)
        return;
    finding_set(&why, CAUSE_CHILD_ADDITIONAL_TS);
    why.param =
        policy_param(&w->arena, p->conn, p->conf, p->is_initiator ? "remote_ts" : "local_ts");
    why.expected = arena_text(&w->arena, "local %s, remote %s",
                              policy_selectors_text(&p->asked_local, &w->arena),
                              policy_selectors_text(&p->asked_remote, &w->arena));
    why.seen =
        arena_text(&w->arena, "local %s, remote %s", policy_selectors_text(&p->local, &w->arena),
                   policy_selectors_text(&p->remote, &w->arena));
    note(w, sa, r, &why);
}

void child_note_agreed(struct world *w, const struct ike_sa *sa, const struct child_plan *p,
                       struct record *r)
{
    note_mode(w, sa, p, r);
    note_narrowing(w, sa, p, r);
    note_more(w, sa, p, r);
}

void child_note_shrunk(struct world *w, const struct ike_sa *sa, const struct child_plan *p,
                       const struct child_sa *old, struct record *r)
{
    if (old->mode == MODE_TRANSPORT && p->mode == MODE_TRANSPORT)
        return; /* two hosts, wherever they are now */
    bool local_ok = policy_selectors_within(&old->local_ts, &p->local);
    if (local_ok && policy_selectors_within(&old->remote_ts, &p->remote))
        return;
    struct finding why;
    finding_set(&why, CAUSE_CHILD_TS_SHRUNK);
    why.param = policy_param(&w->arena, p->conn, p->conf, local_ok ? "remote_ts" : "local_ts");
    why.expected = policy_selectors_text(local_ok ? &old->remote_ts : &old->local_ts, &w->arena);
    why.seen = policy_selectors_text(local_ok ? &p->remote : &p->local, &w->arena);
    note(w, sa, r, &why);
}
