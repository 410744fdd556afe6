/* INFORMATIONAL: deletes, liveness, errors after the fact. RFC 7296 1.4, 1.4.1, 2.4, 2.25. */
#include <stdlib.h>

#include "ike2/inside.h"

/* ---- our requests ---- */

static void write_delete_child(struct outgoing *o, uint32_t spi)
{
    uint8_t octets[4];
    struct writer w = writer_of(octets, sizeof octets);
    put_u32(&w, spi);
    struct gap g = out_open(o, PAYLOAD_DELETE);
    wire_write_delete(&o->writer, &(struct delete_payload){.protocol = PROTOCOL_ESP,
                                                           .spi_size = 4,
                                                           .spi_count = 1,
                                                           .spis = writer_span(&w)});
    out_close(o, g);
}

static void write_delete_ike(struct outgoing *o)
{
    struct gap g = out_open(o, PAYLOAD_DELETE);
    wire_write_delete(&o->writer, &(struct delete_payload){.protocol = PROTOCOL_IKE});
    out_close(o, g);
}

static void lost_to_crypto(struct world *w, struct ike_sa *sa)
{
    struct finding why;
    finding_set(&why, CAUSE_RES_CRYPTO);
    why.expected = "an INFORMATIONAL request";
    exchange_lose(w, sa, &why);
}

void info_begin_close_child(struct world *w, struct ike_sa *sa, struct child_sa *c, uint64_t ticket)
{
    struct task *t = task_new(w, sa, TASK_CLOSE_CHILD, ticket);
    if (t == NULL)
        return;
    t->child_id = c->id;
    if (c->state == CHILD_SA_UP) {
        t->record = ike2_record_new(w, sa, RECORD_CLOSE, ticket);
        if (t->record != NULL) {
            t->record->is_initiator = true;
            ike2_record_child(t->record, c);
        }
    }
    /* RFC 7296 1.4.1: outbound goes with the request, inbound with the answer. */
    bool was_replaced = c->state == CHILD_SA_REPLACED;
    c->state = was_replaced ? CHILD_SA_REPLACED : CHILD_SA_CLOSING;
    c->rekey_at = INSTANT_NEVER;
    child_remove_outbound(w, c);
    struct outgoing o;
    out_begin(&o, w, sa, EXCHANGE_INFORMATIONAL, false, sa->window.next_id);
    write_delete_child(&o, c->spi_in);
    if (!exchange_send_request(w, sa, t, &o, t->record))
        lost_to_crypto(w, sa);
}

void info_begin_close_ike(struct world *w, struct ike_sa *sa, uint64_t ticket)
{
    struct task *t = task_new(w, sa, TASK_CLOSE_IKE, ticket);
    if (t == NULL) {
        if (sa->state == SA_REPLACED)
            sa->deadline = w->step.now; /* nobody else would end it */
        return;
    }
    if (sa->state == SA_UP) {
        t->record = ike2_record_new(w, sa, RECORD_CLOSE, ticket);
        if (t->record != NULL)
            t->record->is_initiator = true;
        sa->state = SA_CLOSING;
        /* Its children go with it (RFC 7296 1.4.1), so outbound goes with the request. */
        for (struct child_sa *c = sa->children; c != NULL; c = c->next)
            child_remove_outbound(w, c);
    }
    sa->rekey_at = sa->expire_at = INSTANT_NEVER;
    struct outgoing o;
    out_begin(&o, w, sa, EXCHANGE_INFORMATIONAL, false, sa->window.next_id);
    write_delete_ike(&o);
    if (!exchange_send_request(w, sa, t, &o, t->record))
        lost_to_crypto(w, sa);
}

void info_send_last_delete(struct world *w, struct ike_sa *sa)
{
    if (!window_has_room(&sa->window) && sa->window.next_id < WINDOW_ID_LAST)
        return; /* one more in flight would be dropped: RFC 7296 2.3 */
    struct outgoing o;
    out_begin(&o, w, sa, EXCHANGE_INFORMATIONAL, false, sa->window.next_id);
    write_delete_ike(&o);
    struct span message = out_finish(&o);
    if (message.len > 0)
        out_send(w, &sa->path, message);
}

void info_begin_liveness(struct world *w, struct ike_sa *sa)
{
    struct task *t = task_new(w, sa, TASK_LIVENESS, 0);
    if (t == NULL)
        return;
    struct outgoing o;
    out_begin(&o, w, sa, EXCHANGE_INFORMATIONAL, false, sa->window.next_id);
    if (!exchange_send_request(w, sa, t, &o, NULL))
        lost_to_crypto(w, sa);
}

void info_begin_tell_id(struct world *w, struct ike_sa *sa, uint32_t message_id)
{
    struct task *t = task_new(w, sa, TASK_TELL_ID, 0);
    if (t == NULL)
        return;
    struct outgoing o;
    uint8_t octets[4];
    struct writer id = writer_of(octets, sizeof octets);
    put_u32(&id, message_id);
    out_begin(&o, w, sa, EXCHANGE_INFORMATIONAL, false, sa->window.next_id);
    out_notify(&o, NOTIFY_INVALID_MESSAGE_ID, writer_span(&id));
    if (!exchange_send_request(w, sa, t, &o, NULL))
        lost_to_crypto(w, sa);
}

void info_begin_disown(struct world *w, struct ike_sa *sa, uint32_t spi_in)
{
    struct task *t = task_new(w, sa, TASK_DISOWN, 0);
    if (t == NULL)
        return;
    struct outgoing o;
    out_begin(&o, w, sa, EXCHANGE_INFORMATIONAL, false, sa->window.next_id);
    write_delete_child(&o, spi_in);
    if (!exchange_send_request(w, sa, t, &o, NULL))
        lost_to_crypto(w, sa);
}

/* ---- the peer's requests ---- */

static void peer_closed(struct world *w, const struct child_sa *c, struct finding *why)
{
    finding_set(why, CAUSE_CHILD_PEER_CLOSED);
    why->phase = PHASE_ESTABLISHED;
    why->seen = arena_text(&w->arena, "Delete for %s", c->conf->name);
}

/* A replaced one stays open inbound for a while, whoever closed it: packets that the peer sent on
 * it before may still be on their way, and the network or the peer's threads put them behind its
 * answer. false: it was not replaced. */
static bool linger(struct world *w, struct child_sa *c)
{
    if (c->state != CHILD_SA_REPLACED)
        return false;
    c->state = CHILD_SA_LINGERS;
    c->gone_at = instant_after_s(w->step.now, w->options.delete_rekeyed_delay_s);
    c->expire_at = INSTANT_NEVER;
    return true;
}

/* The peer has closed this child: what it was replaced by is used now. */
static void closed_by_peer(struct world *w, struct ike_sa *sa, struct child_sa *c)
{
    for (struct child_sa *n = sa->children; n != NULL; n = n->next)
        if (n->replaces == c->id && n->state == CHILD_SA_UP)
            child_use(w, n);
    child_remove_outbound(w, c);
    for (struct task *t = sa->tasks; t != NULL; t = t->next)
        if (t->race_child == c->id) {
            /* The peer lost the race (RFC 7296 2.8.1) and knows it before us; or it won, and its
             * user has closed the child: our answer will tell. */
            t->is_race_closed = true;
            c->state = CHILD_SA_REPLACED;
        }
    if (c->state == CHILD_SA_REPLACED || c->state == CHILD_SA_LINGERS) {
        c->state = CHILD_SA_REPLACED;
        linger(w, c);
        return;
    }
    standing_child_closed(w, sa, c);
    struct record *r = ike2_record_new(w, sa, RECORD_CLOSE, 0);
    if (r != NULL) {
        struct finding why;
        r->is_initiator = false;
        ike2_record_child(r, c);
        peer_closed(w, c, &why);
        record_add_finding(r, &why);
    }
    child_drop(w, sa, c, true);
    ike2_record_end(w, r, RESULT_CLOSED, PHASE_ESTABLISHED);
}

/* The child that the peer names, and the IKE SA on which it hangs: that may be another one than the
 * peer's message came on, around a rekeying of the IKE SA (RFC 7296 2.8.2). */
static struct child_sa *find_named(struct world *w, struct ike_sa *sa, uint32_t spi,
                                   struct ike_sa **owner)
{
    enum { HOPS_MAX = 4 };
    struct ike_sa *at = sa;
    for (unsigned hop = 0; at != NULL && hop < HOPS_MAX; hop++) {
        struct child_sa *c = child_by_spi_out(at, spi);
        if (c != NULL) {
            *owner = at;
            return c;
        }
        uint32_t next = at->state == SA_REPLACED ? at->replaced_by : at->race_of;
        at = next == 0 ? NULL : world_sa_by_id(w, next);
    }
    return NULL;
}

/* Answers the Delete payloads for CHILD SAs; the SPIs of ours that go with them are written into
 * the answer. */
static void answer_delete(struct world *w, struct ike_sa *sa, const struct delete_payload *d,
                          struct outgoing *o)
{
    struct reader spis = reader_of(d->spis);
    for (uint16_t i = 0; i < d->spi_count && d->spi_size == 4; i++) {
        uint32_t spi = take_u32(&spis);
        struct ike_sa *owner = NULL;
        struct child_sa *c = find_named(w, sa, spi, &owner);
        struct wish dropped;
        if (c == NULL) {
            late_note_close(sa, spi);
            continue;
        }
        enum collide verdict = task_collide(owner, ASKED_CLOSE_CHILD, c->id);
        if (verdict != COLLIDE_NO_DELETE)
            write_delete_child(o, c->spi_in);
        while (wish_remove(&owner->wishes, WISH_CLOSE_CHILD, c->id, &dropped)) {
            if (c->state == CHILD_SA_UP)
                c->state = CHILD_SA_CLOSING; /* we wanted it too: no close_action */
            world_outcome(w, dropped.ticket, true, NULL);
        }
        while (wish_remove(&owner->wishes, WISH_REKEY_CHILD, c->id, &dropped)) {
            struct finding why;
            peer_closed(w, c, &why);
            /* Rekeyed by the peer meanwhile: as wished. */
            world_outcome(w, dropped.ticket, c->state == CHILD_SA_REPLACED, &why);
        }
        if (verdict == COLLIDE_NO_DELETE)
            child_remove_outbound(w, c); /* both close it: ours goes when our Delete is answered */
        else
            closed_by_peer(w, owner, c);
    }
}

void info_answer(struct world *w, struct ike_sa *sa, struct message *m)
{
    struct outgoing o;
    struct notify n;
    struct finding why;
    bool closes_ike = false;
    out_begin(&o, w, sa, EXCHANGE_INFORMATIONAL, true, w->asked_id);
    for (size_t i = 0; i < m->payload_count; i++) {
        struct delete_payload d;
        if (m->payloads[i].type != PAYLOAD_DELETE || !wire_parse_delete(m->payloads[i].body, &d))
            continue;
        if (d.protocol == PROTOCOL_IKE)
            closes_ike = true;
        else if (d.protocol == PROTOCOL_ESP)
            answer_delete(w, sa, &d, &o);
    }
    bool has_error = message_error(m, &n);
    reauth_heard(w, sa, m);
    if (!exchange_send_answer(w, sa, &o, NULL)) {
        lost_to_crypto(w, sa);
        return;
    }
    if (!closes_ike && !(has_error && n.type == NOTIFY_AUTHENTICATION_FAILED)) {
        if (has_error && n.type == NOTIFY_INVALID_MESSAGE_ID) {
            ids_refused(w, sa, m, &n);
        } else if (has_error && world_may_record_stranger(w)) {
            /* RFC 7296 1.4: told after the fact, and the SA lives on. */
            finding_set(&why, CAUSE_MSG_ERROR_NOTIFY);
            finding_about(&why, m, wire_find(m, PAYLOAD_NOTIFY), true);
            why.notify = n.type;
            why.expected = "no error on an IKE SA that stands";
            why.seen = arena_text(&w->arena, "the peer said %s (%u)",
                                  wire_notify_name(n.type, &w->arena), n.type);
            ike2_refused(w, sa, NULL, &why);
        }
        return;
    }

    if (sa->race_of != 0 && sa->state == SA_UP) {
        /* The peer lost the race (RFC 7296 2.8.2) and knows it before us; or it won, and its user
         * has closed the IKE SA: our answer will tell. */
        struct ike_sa *old = world_sa_by_id(w, sa->race_of);
        struct task *ours = old == NULL ? NULL : task_of_kind(old, TASK_REKEY_IKE);
        if (ours != NULL && ours->race_ike == sa->id) {
            ours->is_race_closed = true;
            sa->state = SA_REPLACED;
        }
    }
    if (sa->state == SA_REPLACED || sa->state == SA_CLOSING) {
        exchange_finish(w, sa, true, NULL);
        return;
    }
    /* RFC 7296 2.8.2: our own rekeying will never be answered, but the peer made a successor. */
    struct task *rekey = task_of_kind(sa, TASK_REKEY_IKE);
    struct ike_sa *heir =
        rekey != NULL && rekey->race_ike != 0 ? world_sa_by_id(w, rekey->race_ike) : NULL;
    if (heir != NULL) {
        create_yield(w, sa, rekey, heir);
        exchange_finish(w, sa, true, NULL);
        return;
    }
    if (!has_error)
        standing_sa_ended(w, sa, false);
    finding_set(&why, has_error ? CAUSE_AUTH_PEER_REFUSED : CAUSE_IKE_PEER_CLOSED);
    finding_about(&why, m, NULL, true);
    why.notify = has_error ? n.type : 0;
    why.seen = has_error ? arena_text(&w->arena, "the peer said %s (%u) after the fact",
                                      wire_notify_name(n.type, &w->arena), n.type)
                         : "Delete for the IKE SA";
    if (has_error) {
        why.phase = PHASE_IKE_AUTH;
        why.param = policy_param(&w->arena, sa->conn, NULL, "local.id");
        why.expected = arena_text(&w->arena, "that it accepts us as %s",
                                  sa->local_id == NULL ? "?" : sa->local_id);
    }
    exchange_finish(w, sa, true, &why);
}

/* ---- the answers to ours ---- */

void info_conclude(struct world *w, struct ike_sa *sa, struct task *t, struct message *m)
{
    message_trail(w, t->record, m, m->header.length, 0);
    task_take(sa, t);
    struct record *r = t->record;
    t->record = NULL;
    if (t->kind == TASK_CLOSE_CHILD) {
        struct child_sa *c = child_by_id(sa, t->child_id);
        if (c != NULL && !linger(w, c))
            child_drop(w, sa, c, true);
        ike2_record_end(w, r, RESULT_CLOSED, PHASE_ESTABLISHED);
        world_outcome(w, t->ticket, true, NULL);
    } else if (t->kind == TASK_CLOSE_IKE) {
        ike2_record_end(w, r, RESULT_CLOSED, PHASE_ESTABLISHED);
        world_outcome(w, t->ticket, true, NULL);
        exchange_finish(w, sa, false, NULL);
    }
    task_free(t);
}
