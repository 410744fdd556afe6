/* Windows and message IDs of an SA that lives. RFC 7296 2.2, 2.3.
 *
 * Each side says how many requests it takes at once with its first message after which the other
 * may use it: we in IKE_AUTH, and on a rekeyed IKE SA, whose windows are 1 again, in the first
 * message that we send on it. A request ahead of the window is not executed and not answered; the
 * peer is told in a request of our own, which is rate-limited. Where the numbers come near their
 * end the IKE SA is rekeyed, or closed before they wrap. */
#include "ike2/inside.h"

enum { TELL_EVERY_S = 60 };

void ids_announce(struct world *w, struct ike_sa *sa, struct outgoing *o)
{
    uint8_t octets[4];
    struct writer size = writer_of(octets, sizeof octets);
    if (sa->has_announced || w->options.window_size <= 1)
        return;
    put_u32(&size, w->options.window_size);
    out_notify(o, NOTIFY_SET_WINDOW_SIZE, writer_span(&size));
    sa->has_announced = true;
    window_widen(&sa->window.size, w->options.window_size);
}

void ids_note_peer(struct ike_sa *sa, const struct message *m)
{
    struct notify n;
    if (!wire_find_notify(m, NOTIFY_SET_WINDOW_SIZE, &n))
        return;
    struct reader r = reader_of(n.data);
    uint32_t size = take_u32(&r);
    if (done(&r))
        window_widen(&sa->window.peer_size, size);
}

void ids_beyond(struct world *w, struct ike_sa *sa, const struct message *m)
{
    struct finding why;
    uint32_t size = sa->window.size == 0 ? 1 : sa->window.size;
    w->counters.dropped++;
    if (sa->state != SA_UP || !instant_reached(sa->may_tell_ids, w->step.now))
        return;
    sa->may_tell_ids = instant_after_s(w->step.now, TELL_EVERY_S);
    finding_set(&why, CAUSE_MSG_MESSAGE_ID);
    finding_about(&why, m, NULL, true);
    why.expected = arena_text(&w->arena, "a request from %u to %u", sa->window.expected_id,
                              sa->window.expected_id + size - 1);
    why.seen = arena_text(&w->arena, "request %u", m->header.message_id);
    ike2_refused(w, sa, NULL, &why);
    exchange_wish(w, sa,
                  (struct wish){.kind = WISH_TELL_ID,
                                .child_id = m->header.message_id,
                                .not_before = w->step.now});
}

void ids_refused(struct world *w, struct ike_sa *sa, const struct message *m,
                 const struct notify *n)
{
    struct finding why;
    struct reader r = reader_of(n->data);
    uint32_t id = take_u32(&r);
    finding_set(&why, CAUSE_MSG_MESSAGE_ID_REFUSED);
    finding_about(&why, m, wire_find(m, PAYLOAD_NOTIFY), true);
    why.notify = n->type;
    why.expected = arena_text(&w->arena, "that it takes %u requests at once",
                              sa->window.peer_size == 0 ? 1 : sa->window.peer_size);
    why.seen = done(&r) ? arena_text(&w->arena, "it does not take request %u; our next is %u", id,
                                     sa->window.next_id)
                        : arena_text(&w->arena, "a notify of %zu octets", n->data.len);
    ike2_refused(w, sa, NULL, &why);
}

bool ids_last(struct world *w, struct ike_sa *sa)
{
    const struct window *win = &sa->window;
    bool is_late = win->next_id >= WINDOW_ID_LATE || win->expected_id >= WINDOW_ID_LATE;
    if (sa->state != SA_UP || !is_late)
        return false;
    if (win->next_id < WINDOW_ID_LAST && win->expected_id < WINDOW_ID_LAST) {
        struct wish wish = {.kind = WISH_REKEY_IKE, .not_before = w->step.now};
        if (!sa->is_rekeyed_for_ids)
            exchange_wish(w, sa, wish);
        sa->is_rekeyed_for_ids = true;
        return false;
    }
    struct finding why;
    finding_set(&why, CAUSE_IKE_MESSAGE_IDS_USED);
    why.phase = PHASE_ESTABLISHED;
    why.param = policy_param(&w->arena, sa->conn, NULL, "rekey_time");
    why.expected = "a rekeying before the message IDs are used up";
    why.seen = arena_text(&w->arena, "our next request is %u, the peer's %u", win->next_id,
                          win->expected_id);
    info_send_last_delete(w, sa);
    exchange_finish(w, sa, false, &why);
    return true;
}
