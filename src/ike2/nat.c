/* NATs on the path of an IKE SA that stands: where the peer is now, and keeping our own mapping.
 * RFC 7296 2.23, RFC 3948 4.
 *
 * A NAT may give the peer another port or address at any time. The newest authentic message tells
 * where it is: IKE messages that are new (never a repeated one), and ESP packets that raise the
 * replay window's top, which the data plane reports as DP_MOVED. Both move the IKE SA and all its
 * children. Who sits behind a NAT itself does not follow, as anybody on the way could lead it
 * astray, unless it is the responder: then its NAT is a static one that forwards to it, and the
 * initiator's may still change (so does charon).
 *
 * Keepalives go out from the side behind the NAT when for the interval nothing else went: our IKE
 * messages are known here, the data plane is asked about ESP. */
#include "ike2/inside.h"

enum { TELL_S = 10, ASK_AGAIN_S = 1 };

/* ---- where the peer is ---- */

static bool may_follow(const struct ike_sa *sa)
{
    return sa->has_nat_there && (!sa->has_nat_here || !sa->is_first_initiator);
}

/* At most one in a while, so that a mapping that flaps does not fill the log. */
static bool may_tell(struct world *w, struct ike_sa *sa)
{
    if (sa->nat_told.ns != 0 &&
        !instant_reached(instant_after_s(sa->nat_told, TELL_S), w->step.now))
        return false;
    sa->nat_told = w->step.now;
    return true;
}

static void tell(struct world *w, struct ike_sa *sa, enum cause cause, const struct address *now,
                 bool by_esp)
{
    struct finding why;
    if (!may_tell(w, sa))
        return;
    finding_set(&why, cause);
    why.phase = PHASE_ESTABLISHED;
    why.param = policy_param(&w->arena, sa->conn, NULL, "remote_addrs");
    why.expected = address_port_text(&w->arena, &sa->path.remote);
    why.seen = arena_text(&w->arena, "%s, in an %s", address_port_text(&w->arena, now),
                          by_esp ? "ESP packet" : "IKE message");
    ike2_refused(w, sa, NULL, &why);
}

static void move(struct world *w, struct ike_sa *sa, const struct path *now)
{
    sa->path = *now;
    if (sa->setup == NULL)
        hint_place(w, sa);
    if (sa->record != NULL) {
        sa->record->local = now->local;
        sa->record->remote = now->remote;
    }
    for (struct child_sa *c = sa->setup != NULL ? NULL : sa->children; c != NULL; c = c->next)
        for (unsigned in = c->is_outbound_removed ? 1 : 0; in < 2; in++) {
            struct effect *fx = step_add(&w->step, FX_SA_MOVE);
            if (fx == NULL)
                return;
            fx->move.spi = in ? c->spi_in : c->spi_out;
            fx->move.child_id = c->id;
            fx->move.is_inbound = in != 0;
            fx->move.local = now->local;
            fx->move.remote = now->remote;
            fx->move.in_udp = c->in_udp;
        }
}

static bool is_same_path(const struct path *x, const struct path *y)
{
    return address_equal(&x->remote, &y->remote) && address_equal(&x->local, &y->local) &&
           x->marker == y->marker;
}

/* Of messages in flight side by side only the newest counts. */
static bool is_newest(const struct ike_sa *sa, const struct message *m)
{
    if ((m->header.flags & IKE_FLAG_RESPONSE) != 0)
        return m->header.message_id >= sa->newest_answer;
    return window_is_newest(&sa->window, m->header.message_id);
}

void nat_follow(struct world *w, struct ike_sa *sa, const struct datagram *d,
                const struct message *m)
{
    struct path now = path_of_datagram(d);
    bool is_answer = (m->header.flags & IKE_FLAG_RESPONSE) != 0;
    bool is_moved = !is_same_path(&now, &sa->path) && is_newest(sa, m);
    if (is_answer && m->header.message_id > sa->newest_answer)
        sa->newest_answer = m->header.message_id;
    if (!is_moved)
        return;
    if (sa->setup != NULL) {
        if (!is_answer) /* IKE_AUTH, mostly from port 4500 */
            move(w, sa, &now);
        return;
    }
    if (!may_follow(sa)) {
        if (!address_equal(&now.remote, &sa->path.remote))
            tell(w, sa, CAUSE_NAT_NOT_FOLLOWED, &now.remote, false);
        return;
    }
    tell(w, sa, CAUSE_NAT_MAPPING_CHANGED, &now.remote, false);
    move(w, sa, &now);
}

void nat_on_moved(struct world *w, struct ike_sa *sa, const struct child_sa *c,
                  const struct address *remote)
{
    struct path now = {sa->path.local, *remote, sa->path.marker};
    if (sa->state != SA_UP || !c->in_udp || !sa->path.marker ||
        remote->family != sa->path.remote.family || address_equal(remote, &sa->path.remote))
        return;
    if (!may_follow(sa)) {
        tell(w, sa, CAUSE_NAT_NOT_FOLLOWED, remote, true);
        return;
    }
    tell(w, sa, CAUSE_NAT_MAPPING_CHANGED, remote, true);
    move(w, sa, &now);
}

void nat_note_answer(struct world *w, struct ike_sa *sa, const struct datagram *d,
                     const struct message *m)
{
    struct finding why;
    struct notify n;
    struct path *path = &sa->path;
    if (!address_same_host(&d->remote, &path->remote)) {
        finding_set(&why, CAUSE_NET_ANSWER_ELSEWHERE);
        finding_about(&why, m, NULL, true);
        why.param = policy_param(&w->arena, sa->conn, NULL, "remote_addrs");
        why.expected = address_port_text(&w->arena, &path->remote);
        why.seen = address_port_text(&w->arena, &d->remote);
        ike2_refused(w, sa, sa->record, &why);
        uint16_t port = path->remote.port;
        path->remote = d->remote;
        path->remote.port = port;
    }
    if (sa->conn->encap && !wire_find_notify(m, NOTIFY_NAT_DETECTION_DESTINATION_IP, &n)) {
        finding_set(&why, CAUSE_NAT_NOT_SERVED_BY_PEER);
        finding_about(&why, m, NULL, true);
        why.param = policy_param(&w->arena, sa->conn, NULL, "encap");
        why.expected = "NAT_DETECTION_SOURCE_IP and NAT_DETECTION_DESTINATION_IP";
        why.seen = "neither: ESP goes without UDP";
        ike2_refused(w, sa, sa->record, &why);
    }
}

/* ---- keepalives ---- */

static bool needs_keepalive(const struct world *w, const struct ike_sa *sa)
{
    return sa->state == SA_UP && sa->has_nat_here && sa->path.marker &&
           w->options.keep_alive_s != 0;
}

struct instant nat_due(const struct world *w, const struct ike_sa *sa)
{
    return needs_keepalive(w, sa) ? sa->keepalive_at : INSTANT_NEVER;
}

static void settle_keepalive(struct world *w, struct ike_sa *sa, struct instant sent)
{
    int64_t every_s = w->options.keep_alive_s, margin_s = w->options.keep_alive_dpd_margin_s;
    struct instant now = w->step.now, due = instant_after_s(sent, every_s);
    if (!instant_reached(due, now)) {
        sa->keepalive_at = due;
        return;
    }
    sa->keepalive_at = instant_after_s(now, every_s);
    if (margin_s != 0 && instant_reached(instant_after_s(due, margin_s), now)) {
        /* We slept meanwhile, and the mapping is gone for sure: the answer tells what is left. */
        exchange_wish(w, sa, (struct wish){.kind = WISH_LIVENESS, .not_before = now});
        exchange_next(w, sa);
        return;
    }
    struct effect *fx = step_add(&w->step, FX_KEEPALIVE);
    if (fx == NULL)
        return;
    fx->keepalive.local = sa->path.local;
    fx->keepalive.remote = sa->path.remote;
    sa->sent = now;
}

/* false: the data plane need not be asked. */
static bool ask_data_plane(struct world *w, struct ike_sa *sa)
{
    size_t count = 0;
    for (const struct child_sa *c = sa->children; c != NULL; c = c->next)
        count += c->in_udp && !c->is_outbound_removed;
    struct sa_name *names = count == 0 ? NULL : arena_array(&w->arena, count, sizeof *names);
    struct effect *fx = names == NULL ? NULL : step_add(&w->step, FX_ASK);
    if (fx == NULL)
        return false;
    count = 0;
    for (const struct child_sa *c = sa->children; c != NULL; c = c->next)
        if (c->in_udp && !c->is_outbound_removed)
            names[count++] = (struct sa_name){c->spi_out, c->id};
    fx->ask.kind = QUESTION_SENT;
    fx->ask.ticket = sa->id;
    fx->ask.sas = names;
    fx->ask.sa_count = count;
    return true;
}

void nat_on_time(struct world *w, struct ike_sa *sa)
{
    struct instant now = w->step.now;
    if (!needs_keepalive(w, sa) || !instant_reached(sa->keepalive_at, now))
        return;
    if (instant_reached(instant_after_s(sa->sent, w->options.keep_alive_s), now) &&
        ask_data_plane(w, sa)) {
        sa->keepalive_at = instant_after_s(now, ASK_AGAIN_S); /* unless it answers before */
        return;
    }
    settle_keepalive(w, sa, sa->sent);
}

void nat_on_answer(struct world *w, struct ike_sa *sa, const struct answer *a)
{
    if (!needs_keepalive(w, sa))
        return;
    settle_keepalive(w, sa, a->ok && instant_before(sa->sent, a->sent) ? a->sent : sa->sent);
    world_rearm(w, sa);
}

void nat_sent(const struct world *w, struct ike_sa *sa)
{
    sa->sent = w->step.now;
    sa->keepalive_at = instant_after_s(w->step.now, w->options.keep_alive_s);
}
