/* Exchanges of an IKE SA: rows, sending and receiving, time, wishes, the end. RFC 7296 2.1
 * to 2.4, 2.21, 2.25. */
#include "ike2/fragment.h"
#include "ike2/inside.h"

#include <stdlib.h>

/* ICMP errors in a row that end a set-up: at a repetition, and at a copy ahead of it. */
enum { PATH_ERRORS_MAX = 2, COPY_ERRORS_MAX = 4 };

/* What an exchange must and may hold, and who handles it. Handlers never ask in which state they
 * are: the row has said it. */
struct exchange_row {
    const char *name;
    uint8_t type;
    uint32_t states; /* bit n: allowed in enum sa_state n */
    void (*answer)(struct world *w, struct ike_sa *sa, struct message *m);
    void (*conclude)(struct world *w, struct ike_sa *sa, struct task *t, struct message *m);
};

#define IN(state) (1u << (state))

static const struct exchange_row rows[] = {
    {"IKE_AUTH", EXCHANGE_IKE_AUTH, IN(SA_AWAIT_AUTH), auth_answer, auth_conclude},
    {"CREATE_CHILD_SA", EXCHANGE_CREATE_CHILD_SA, IN(SA_UP) | IN(SA_REPLACED) | IN(SA_CLOSING),
     create_answer, create_conclude},
    {"INFORMATIONAL", EXCHANGE_INFORMATIONAL, IN(SA_UP) | IN(SA_REPLACED) | IN(SA_CLOSING),
     info_answer, info_conclude},
};

static const struct exchange_row *find_row(uint8_t type)
{
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (rows[i].type == type)
            return &rows[i];
    return NULL;
}

/* ---- sending ---- */

bool exchange_send_request(struct world *w, struct ike_sa *sa, struct task *t, struct outgoing *o,
                           struct record *r)
{
    if (sa->state == SA_UP || sa->state == SA_AWAIT_AUTH_ANSWER)
        ids_announce(w, sa, o);
    struct span message = out_finish(o);
    if (message.len == 0 ||
        !window_send(&sa->window, message, &w->options.retransmission, w->rng, w->step.now))
        return false;
    if (sa->setup != NULL)
        window_hurry(&sa->window, &w->options.retransmission, w->step.now);
    t->message_id = o->header.message_id;
    nat_sent(w, sa);
    out_send(w, &sa->path, message);
    out_trail(o, r, message);
    return true;
}

bool exchange_send_answer(struct world *w, struct ike_sa *sa, struct outgoing *o, struct record *r)
{
    if (sa->state == SA_UP)
        ids_announce(w, sa, o);
    struct span message = out_finish(o);
    if (message.len == 0 || !window_keep_answer(&sa->window, w->asked_id, message, w->asked_hash))
        return false;
    nat_sent(w, sa);
    out_send(w, &w->asked_path, message);
    out_trail(o, r, message);
    return true;
}

/* ---- the end ---- */

/* What a command hears when the SA that it waits for has ended: whoever wanted an end has it, the
 * others learn why they will get nothing. */
static void outcome_of_end(struct world *w, uint64_t ticket, bool wanted_end,
                           const struct finding *why)
{
    bool is_told = !wanted_end || why->cause == CAUSE_IKE_DELETE_UNANSWERED;
    world_outcome(w, ticket, wanted_end, is_told ? why : NULL);
}

void exchange_finish(struct world *w, struct ike_sa *sa, bool by_peer, struct finding *why)
{
    bool was_up = (sa->state == SA_UP || sa->state == SA_CLOSING) && !sa->was_never_up;
    struct record *r = NULL;
    struct finding aborted;
    finding_set(&aborted, CAUSE_CMD_ABORTED);
    aborted.phase = PHASE_ESTABLISHED;
    aborted.expected = "an IKE SA that stands";
    aborted.seen = "it was closed meanwhile";
    const struct finding *reason = why == NULL ? &aborted : why;
    if (why != NULL) {
        /* The oldest record at hand tells it, or one of its own. */
        struct task *t = sa->tasks;
        while (t != NULL && t->record == NULL)
            t = t->next;
        r = t != NULL
                ? t->record
                : ike2_record_new(w, sa, RECORD_CLOSE, sa->tasks == NULL ? 0 : sa->tasks->ticket);
        if (t == NULL && r != NULL)
            r->is_initiator = !by_peer;
        ike2_refused(w, sa, r, why);
        if (t != NULL)
            t->record = NULL;
        bool is_failure = ikebana_cause_row(why->cause)->severity == SEVERITY_FAILURE;
        ike2_record_end(w, r, is_failure ? RESULT_FAILED : RESULT_CLOSED, why->phase);
    }
    for (struct task *t = sa->tasks; t != NULL; t = t->next) {
        bool wanted_end = t->kind == TASK_CLOSE_IKE || t->kind == TASK_CLOSE_CHILD;
        if (!wanted_end && t->record != NULL)
            record_add_finding(t->record, reason);
        ike2_record_end(w, t->record, RESULT_CLOSED, PHASE_ESTABLISHED);
        t->record = NULL;
        outcome_of_end(w, t->ticket, wanted_end, reason);
        t->ticket = 0;
    }
    struct wish wish;
    while (wish_take(&sa->wishes, INSTANT_NEVER, &wish)) {
        outcome_of_end(w, wish.ticket, wish.kind == WISH_CLOSE_IKE || wish.kind == WISH_CLOSE_CHILD,
                       reason);
        free(wish.child_name);
    }
    world_outcome(w, sa->close_ticket, true, NULL);
    sa->close_ticket = 0;
    struct ike_sa *heir = sa->replaced_by == 0 ? NULL : world_sa_by_id(w, sa->replaced_by);
    if (heir != NULL && heir->follows == sa->id) {
        heir->follows = 0;
        world_rearm(w, heir);
    }
    if (was_up) {
        struct effect *fx = world_event(w, EVENT_IKE_DOWN, sa, NULL);
        struct finding *copy = why == NULL ? NULL : arena_alloc(&w->arena, sizeof *copy);
        if (fx != NULL && copy != NULL) {
            *copy = *why;
            fx->event.finding = copy;
        }
    }
    struct reauth *again = sa->reauth;
    sa->reauth = NULL;
    world_drop_sa(w, sa);
    reauth_after_end(w, again);
}

void exchange_lose(struct world *w, struct ike_sa *sa, struct finding *why)
{
    if (sa->setup != NULL) {
        ike2_setup_failed(w, sa, why);
        return;
    }
    exchange_finish(w, sa, false, why);
}

static const char *exchange_text(struct world *w, const struct ike_sa *sa, uint32_t message_id)
{
    switch (sa->state) {
    case SA_AWAIT_INIT_ANSWER:
        return "IKE_SA_INIT";
    case SA_AWAIT_AUTH_ANSWER:
        return "IKE_AUTH";
    case SA_AWAIT_PATH:
    case SA_AWAIT_AUTH:
    case SA_UP:
    case SA_REPLACED:
    case SA_CLOSING:
    case SA_GONE:
        break;
    }
    return arena_text(&w->arena, "request %u", message_id);
}

/* A close that was wished: it is done, and whoever wished it hears that the peer may not know. */
static void unanswered_delete(struct world *w, struct ike_sa *sa, const struct sent *sent)
{
    struct finding why;
    finding_set(&why, CAUSE_IKE_DELETE_UNANSWERED);
    why.phase = PHASE_ESTABLISHED;
    why.param = sa->conn == NULL ? "" : policy_param(&w->arena, sa->conn, NULL, "remote_addrs");
    why.expected = arena_text(&w->arena, "an answer to the Delete from %s",
                              address_port_text(&w->arena, &sa->path.remote));
    why.seen = arena_text(&w->arena, "none to the request and %u repetitions",
                          sent->repeats + sent->copies);
    exchange_finish(w, sa, false, &why);
}

/* All repetitions are used: what silence means depends on what was heard before. */
static void give_up(struct world *w, struct ike_sa *sa, const struct sent *sent)
{
    struct finding why;
    struct setup *s = sa->setup;
    bool is_path = s != NULL && s->path_error != NULL;
    enum cause cause = is_path     ? CAUSE_NET_UNREACHABLE
                       : s == NULL ? CAUSE_NET_LIVENESS_LOST
                       : s->has_answered || sa->state != SA_AWAIT_INIT_ANSWER
                           ? CAUSE_NET_NO_ANSWER_LATER
                           : CAUSE_NET_NO_ANSWER;
    finding_set(&why, cause);
    why.param = sa->conn == NULL ? "" : policy_param(&w->arena, sa->conn, NULL, "remote_addrs");
    why.expected = arena_text(&w->arena, "an answer to %s from %s", exchange_text(w, sa, sent->id),
                              address_port_text(&w->arena, &sa->path.remote));
    why.seen = is_path ? arena_text(&w->arena, "%s", s->path_error)
                       : arena_text(&w->arena, "none to the request and %u repetitions",
                                    sent->repeats + sent->copies);
    if (!is_path && s != NULL && s->unreadable > 0)
        why.seen = arena_text(&w->arena, "%u messages that our keys do not open", s->unreadable);
    why.confidence = is_path ? 95 : 70;
    if (!is_path)
        fragment_hint(w, sa, sent, &why);
    struct task *t = sa->tasks;
    struct ike_sa *heir = t == NULL || t->race_ike == 0 ? NULL : world_sa_by_id(w, t->race_ike);
    if (heir != NULL) {
        /* Both rekeyed, and ours is not answered: the peer's stands and has to show that it lives.
         */
        create_yield(w, sa, t, heir);
        sa->state = SA_REPLACED;
        exchange_finish(w, sa, false, NULL);
        return;
    }
    uint8_t attempt = s == NULL ? 0 : s->attempt;
    uint32_t tries = sa->conn == NULL ? 1 : sa->conn->keyingtries;
    if (s != NULL && sa->is_initiator && t != NULL && (tries == 0 || attempt < tries)) {
        /* keyingtries: another SA takes over the wishes and the waiting command. */
        struct conn *conn = world_find_conn(w, sa->conn->name);
        const struct child_conf *conf =
            conn == NULL || t->conf == NULL ? NULL : policy_find_child(conn, t->conf->name);
        uint64_t ticket = t->ticket;
        if (conn != NULL && (conf != NULL || t->conf == NULL)) {
            t->ticket = 0;
            struct wishes wishes = sa->wishes;
            sa->wishes = (struct wishes){0};
            struct ike_sa reauth = {0};
            reauth_next_attempt(w, sa, &reauth);
            ike2_setup_failed(w, sa, &why);
            struct ike_sa *next =
                ike2_initiate(w, conn, conf, ticket, attempt == UINT8_MAX ? attempt : attempt + 1);
            if (next == NULL)
                world_outcome(w, ticket, false, &why);
            if (next != NULL && next->state != SA_GONE) {
                next->wishes = wishes;
                reauth_next_attempt(w, &reauth, next);
                return;
            }
            /* The next attempt has ended already: nobody else will answer these. */
            reauth_failed(w, &reauth, &why);
            struct wish wish;
            while (wish_take(&wishes, INSTANT_NEVER, &wish)) {
                world_outcome(w, wish.ticket, wish.kind == WISH_CLOSE_IKE, &why);
                free(wish.child_name);
            }
            return;
        }
    }
    if (s == NULL && sa->state == SA_UP)
        standing_sa_ended(w, sa, true);
    exchange_lose(w, sa, &why);
}

/* ---- receiving ---- */

/* An authentic request that cannot be served at all: RFC 7296 2.21.2, 2.21.3. */
static void refuse_request(struct world *w, struct ike_sa *sa, const struct message *m,
                           struct finding *why, struct span data)
{
    struct outgoing o;
    bool is_setup = sa->setup != NULL;
    struct record *r = is_setup ? ike2_setup_record(w, sa) : NULL;
    why->notify = ikebana_cause_row(why->cause)->notify;
    out_begin(&o, w, sa, m->header.exchange, true, w->asked_id);
    out_notify(&o, why->notify, data);
    exchange_send_answer(w, sa, &o, r);
    if (is_setup)
        ike2_setup_failed(w, sa, why);
    else if (why->cause == CAUSE_MSG_BAD_SYNTAX)
        exchange_finish(w, sa, true, why);
    else
        ike2_refused(w, sa, NULL, why);
}

static void receive_request(struct world *w, struct ike_sa *sa, const struct datagram *d,
                            struct message *m)
{
    struct finding why;
    bool is_authentic;
    uint64_t hash = map_hash(&w->by_spi, d->bytes.at, d->bytes.len);
    w->asked_hash = hash;
    w->asked_size = 0;
    w->asked_id = m->header.message_id;
    w->asked_path = path_of_datagram(d);
    switch (window_judge(&sa->window, m->header.message_id, hash)) {
    case WINDOW_REPEATED:
        fragment_repeat_answer(w, sa, d, m);
        return;
    case WINDOW_STRAY:
        if (m->is_fragment && fragment_is_cut_anew(w, sa, m)) {
            fragment_repeat_answer(w, sa, d, m);
            return;
        }
        w->counters.dropped++;
        return;
    case WINDOW_BEYOND:
        if (sa->setup == NULL && message_open(w, sa, m, &is_authentic, &why))
            ids_beyond(w, sa, m);
        else
            w->counters.dropped++;
        return;
    case WINDOW_NEW:
        break;
    }
    if (m->is_fragment && !fragment_collect(w, sa, d, m, &w->asked_hash))
        return;
    bool ok = message_open(w, sa, m, &is_authentic, &why);
    if (!is_authentic) {
        w->counters.dropped++;
        return;
    }
    const struct exchange_row *row = find_row(m->header.exchange);
    bool fits = row != NULL && (row->states & IN(sa->state)) != 0;
    if (!fits && sa->setup != NULL) {
        w->counters.dropped++; /* it overtook the answer that we wait for, and comes again */
        return;
    }
    nat_follow(w, sa, d, m);
    sa->heard = w->step.now;
    if (!fits) {
        finding_set(&why, CAUSE_MSG_UNEXPECTED_EXCHANGE);
        finding_about(&why, m, NULL, true);
        why.expected = "CREATE_CHILD_SA or INFORMATIONAL";
        why.seen = wire_exchange_name(m->header.exchange, &w->arena);
        refuse_request(w, sa, m, &why, (struct span){NULL, 0});
        return;
    }
    if (row->type == EXCHANGE_IKE_AUTH)
        message_trail(w, ike2_setup_record(w, sa), m, d->bytes.len, 0);
    uint8_t critical = 0;
    struct span data = {NULL, 0};
    if (ok && !rules_critical(w, m, &critical, &why)) {
        ok = false;
        data = span_of(&critical, 1);
    }
    if (!ok || !rules_single(w, m, &why)) {
        refuse_request(w, sa, m, &why, data);
        return;
    }
    ids_note_peer(sa, m);
    row->answer(w, sa, m);
}

static void receive_answer(struct world *w, struct ike_sa *sa, const struct datagram *d,
                           struct message *m)
{
    struct finding why;
    bool is_authentic;
    uint8_t critical;
    uint64_t hash;
    if (window_find(&sa->window, m->header.message_id) == NULL) {
        w->counters.dropped++;
        return;
    }
    if (sa->state == SA_AWAIT_INIT_ANSWER) {
        if (m->header.exchange != EXCHANGE_IKE_SA_INIT || m->has_sk) {
            finding_set(&why, CAUSE_MSG_UNEXPECTED_EXCHANGE);
            finding_about(&why, m, NULL, true);
            why.expected = "an answer to IKE_SA_INIT, without seal";
            why.seen = wire_exchange_name(m->header.exchange, &w->arena);
            doubt_note(w, sa, &why);
            return;
        }
        init_conclude(w, sa, d, m);
        return;
    }
    if (m->is_fragment && !fragment_collect(w, sa, d, m, &hash))
        return;
    bool ok = message_open(w, sa, m, &is_authentic, &why);
    if (!is_authentic) {
        w->counters.dropped++;
        if (sa->setup != NULL && sa->setup->unreadable < UINT8_MAX) {
            sa->setup->unreadable++;
            message_trail(w, sa->record, m, d->bytes.len, TRAIL_DROPPED);
        }
        return;
    }
    const struct exchange_row *row = find_row(m->header.exchange);
    struct task *t = task_of_message(sa, m->header.message_id);
    if (row == NULL || t == NULL) {
        w->counters.dropped++;
        return;
    }
    bool fits =
        t->kind == TASK_SETUP ? row->type == EXCHANGE_IKE_AUTH
        : t->kind == TASK_CREATE_CHILD || t->kind == TASK_REKEY_CHILD || t->kind == TASK_REKEY_IKE
            ? row->type == EXCHANGE_CREATE_CHILD_SA
            : row->type == EXCHANGE_INFORMATIONAL;
    if (!fits) {
        w->counters.dropped++;
        return;
    }
    window_answered(&sa->window, m->header.message_id);
    sa->heard = w->step.now;
    nat_follow(w, sa, d, m);
    if (sa->setup != NULL) {
        sa->setup->has_answered = true;
        rival_settle(sa, sa->record);
        message_trail(w, sa->record, m, d->bytes.len, 0);
    }
    fragment_answered(w, sa, sa->record != NULL ? sa->record : t->record);
    if (!ok || !rules_single(w, m, &why)) {
        exchange_lose(w, sa, &why);
        return;
    }
    if (!rules_critical(w, m, &critical, &why)) {
        /* RFC 7296 2.5: the message is rejected, and with it the exchange. A Delete or a sign of
         * life asks for no content: that it was answered is enough. */
        if (row->type == EXCHANGE_IKE_AUTH) {
            exchange_lose(w, sa, &why);
            return;
        }
        if (row->type == EXCHANGE_CREATE_CHILD_SA) {
            create_fail(w, sa, t, m, &why);
            return;
        }
        ike2_refused(w, sa, t->record, &why);
    }
    ids_note_peer(sa, m);
    row->conclude(w, sa, t, m);
}

void ike2_receive(struct world *w, struct ike_sa *sa, const struct datagram *d,
                  const struct ike_header *h)
{
    struct message m;
    struct wire_error error;
    bool from_initiator = (h->flags & IKE_FLAG_INITIATOR) != 0;
    if (from_initiator == sa->is_initiator || h->spi_i != sa->spi_i || sa->state == SA_AWAIT_PATH) {
        w->counters.dropped++;
        return;
    }
    bool is_answer = (h->flags & IKE_FLAG_RESPONSE) != 0;
    if (is_answer && sa->state == SA_AWAIT_AUTH_ANSWER && h->exchange == EXCHANGE_IKE_SA_INIT) {
        if (h->message_id == 0 && wire_parse_message(d->bytes, &m, &error) && !m.has_sk)
            rival_hear(w, sa, d, &m);
        else
            w->counters.dropped++;
        world_rearm(w, sa);
        return;
    }
    size_t rival = 0;
    if (h->spi_r != sa->spi_r && sa->spi_r != 0 &&
        !(is_answer && rival_next(sa, h->spi_r, &rival))) {
        w->counters.dropped++;
        return;
    }
    if (!wire_parse_message(d->bytes, &m, &error)) {
        if (sa->state == SA_AWAIT_INIT_ANSWER && (h->flags & IKE_FLAG_RESPONSE) != 0)
            doubt_unreadable(w, sa, &m, &error);
        else
            w->counters.dropped++;
        return;
    }
    if (is_answer)
        receive_answer(w, sa, d, &m);
    else
        receive_request(w, sa, d, &m);
    /* Not under these keys? A rival may have taken the very SPI. */
    while (is_answer && rival_next(sa, h->spi_r, &rival) &&
           wire_parse_message(d->bytes, &m, &error))
        receive_answer(w, sa, d, &m);
    exchange_next(w, sa);
}

/* ---- wishes ---- */

static void serve(struct world *w, struct ike_sa *sa, const struct wish *wish)
{
    struct child_sa *c = wish->child_id == 0 ? NULL : child_by_id(sa, wish->child_id);
    struct conn *conn;
    const struct child_conf *conf;
    struct finding why;
    switch (wish->kind) {
    case WISH_CLOSE_IKE:
        info_begin_close_ike(w, sa, wish->ticket);
        return;
    case WISH_CLOSE_CHILD:
        if (c == NULL || c->state == CHILD_SA_LINGERS)
            break;
        info_begin_close_child(w, sa, c, wish->ticket);
        return;
    case WISH_REKEY_IKE:
        create_begin_ike(w, sa, wish->ticket);
        return;
    case WISH_REKEY_CHILD:
        if (c == NULL || c->state != CHILD_SA_UP)
            break;
        create_begin_child(w, sa, c->conf, c->conn, wish);
        return;
    case WISH_CREATE_CHILD:
        conn = world_find_conn(w, sa->conn->name);
        conf = conn == NULL ? NULL : policy_find_child(conn, wish->child_name);
        if (conf != NULL &&
            (child_by_name(sa, conf->name) == NULL || standing_wants_more(w, wish->ticket))) {
            create_begin_child(w, sa, conf, conn, wish);
            return;
        }
        if (conf == NULL) {
            finding_set(&why, CAUSE_CMD_UNKNOWN_CONNECTION);
            why.param = arena_text(&w->arena, "connections.%s.children.%s", sa->conn->name,
                                   (const char *)wish->child_name);
            why.seen = wish->child_name;
            world_outcome(w, wish->ticket, false, &why);
            return;
        }
        break;
    case WISH_LIVENESS:
        info_begin_liveness(w, sa);
        return;
    case WISH_TELL_ID:
        info_begin_tell_id(w, sa, wish->child_id);
        return;
    case WISH_DISOWN:
        info_begin_disown(w, sa, wish->child_id);
        return;
    }
    world_outcome(w, wish->ticket, true, NULL); /* there is nothing left to do for it */
}

static bool allows(const void *sa, const struct wish *wish)
{
    return task_allows(sa, wish);
}

bool exchange_has_next(const struct world *w, const struct ike_sa *sa)
{
    return wish_find(&sa->wishes, w->step.now, allows, sa) != NULL;
}

void exchange_next(struct world *w, struct ike_sa *sa)
{
    struct wish wish;
    if (ids_last(w, sa))
        return;
    for (struct task *t = sa->tasks, *next; t != NULL; t = next) {
        next = t->next;
        if (t->is_waiting && sa->state == SA_UP && window_has_room(&sa->window)) {
            t->is_waiting = false;
            create_resend(w, sa, t);
        }
    }
    while (sa->state == SA_UP && window_has_room(&sa->window) &&
           wish_take_allowed(&sa->wishes, w->step.now, allows, sa, &wish)) {
        serve(w, sa, &wish);
        free(wish.child_name);
    }
    reauth_progress(w, sa);
    world_rearm(w, sa);
}

void exchange_wish(struct world *w, struct ike_sa *sa, struct wish wish)
{
    bool has_all = wish.kind != WISH_CREATE_CHILD || wish.child_name != NULL;
    if (has_all && wish_add(&sa->wishes, &wish))
        return;
    struct finding why;
    finding_set(&why, CAUSE_RES_MEMORY);
    why.expected = "room for one more wish";
    world_outcome(w, wish.ticket, false, &why);
}

static void add_wish(struct world *w, struct ike_sa *sa, struct wish wish)
{
    wish.not_before = w->step.now;
    exchange_wish(w, sa, wish);
    exchange_next(w, sa);
}

void ike2_want_child(struct world *w, struct ike_sa *sa, const char *child, uint64_t ticket)
{
    add_wish(
        w, sa,
        (struct wish){.kind = WISH_CREATE_CHILD, .child_name = strdup(child), .ticket = ticket});
}

void ike2_want_child_for(struct world *w, struct ike_sa *sa, const char *child,
                         const struct ts_pair *pair, uint64_t ticket)
{
    add_wish(w, sa,
             (struct wish){.kind = WISH_CREATE_CHILD,
                           .child_name = strdup(child),
                           .pair = *pair,
                           .ticket = ticket});
}

void ike2_want_close_child(struct world *w, struct ike_sa *sa, uint32_t child_id, uint64_t ticket)
{
    add_wish(w, sa,
             (struct wish){.kind = WISH_CLOSE_CHILD, .child_id = child_id, .ticket = ticket});
}

void ike2_want_rekey_child(struct world *w, struct ike_sa *sa, uint32_t child_id, uint64_t ticket)
{
    add_wish(w, sa,
             (struct wish){.kind = WISH_REKEY_CHILD, .child_id = child_id, .ticket = ticket});
}

void ike2_want_rekey_ike(struct world *w, struct ike_sa *sa, uint64_t ticket)
{
    add_wish(w, sa, (struct wish){.kind = WISH_REKEY_IKE, .ticket = ticket});
}

void ike2_want_reauth(struct world *w, struct ike_sa *sa, uint64_t ticket)
{
    reauth_begin(w, sa, ticket);
}

void ike2_want_close(struct world *w, struct ike_sa *sa, uint64_t ticket, bool is_forced)
{
    struct finding why;
    reauth_give_up(w, sa);
    if (sa->setup != NULL) {
        finding_set(&why, CAUSE_CMD_ABORTED);
        why.phase = ike2_phase(sa, NULL);
        if (sa->setup->path_error != NULL) { /* what was known so far */
            why.expected = arena_text(&w->arena, "an answer to %s", exchange_text(w, sa, 0));
            why.seen = arena_text(&w->arena, "%s", sa->setup->path_error);
        }
        sa->close_ticket = ticket;
        ike2_setup_failed(w, sa, &why);
        return;
    }
    if (sa->state != SA_UP && !is_forced) {
        /* Already on its way out: the command waits for the same end. */
        exchange_wish(w, sa, (struct wish){.kind = WISH_CLOSE_IKE, .ticket = ticket});
        return;
    }
    if (is_forced) {
        info_send_last_delete(w, sa);
        sa->close_ticket = ticket;
        exchange_finish(w, sa, false, NULL);
        return;
    }
    add_wish(w, sa, (struct wish){.kind = WISH_CLOSE_IKE, .ticket = ticket});
}

/* ---- time ---- */

static void expire_child(struct world *w, struct ike_sa *sa, struct child_sa *c)
{
    struct finding why;
    struct record *r = ike2_record_new(w, sa, RECORD_CHILD_REKEY, 0);
    if (r != NULL)
        ike2_record_child(r, c);
    finding_set(&why, CAUSE_CHILD_EXPIRED);
    why.phase = PHASE_ESTABLISHED;
    why.param = policy_param(&w->arena, c->conn, c->conf, "life_time");
    why.expected = "a rekeying before the hard lifetime";
    why.seen = arena_text(&w->arena, "none in %llu s", (unsigned long long)c->conf->life_time_s);
    ike2_refused(w, sa, r, &why);
    ike2_record_end(w, r, RESULT_FAILED, PHASE_ESTABLISHED);
    c->expire_at = INSTANT_NEVER;
    struct wish wish = {.kind = WISH_CLOSE_CHILD, .child_id = c->id, .not_before = w->step.now};
    wish_add(&sa->wishes, &wish);
}

static void children_on_time(struct world *w, struct ike_sa *sa)
{
    struct instant now = w->step.now;
    for (struct child_sa *c = sa->children, *next; c != NULL; c = next) {
        next = c->next;
        if (instant_reached(c->gone_at, now)) {
            child_drop(w, sa, c, true);
            continue;
        }
        if (instant_reached(c->expire_at, now)) {
            if (c->state == CHILD_SA_UP)
                expire_child(w, sa, c);
            else
                child_drop(w, sa, c, true);
            continue;
        }
        if (c->state == CHILD_SA_UP && instant_reached(c->rekey_at, now)) {
            c->rekey_at = INSTANT_NEVER;
            struct wish wish = {.kind = WISH_REKEY_CHILD, .child_id = c->id, .not_before = now};
            wish_add(&sa->wishes, &wish);
        }
        closing_on_time(w, sa, c);
    }
}

void exchange_repeat(struct world *w, struct ike_sa *sa, const struct sent *sent, bool is_copy)
{
    nat_sent(w, sa);
    w->counters.retransmits++;
    struct span octets = arena_copy(&w->arena, span_of(sent->octets, sent->len));
    const struct task *t = task_of_message(sa, sent->id);
    struct record *r = sa->record != NULL ? sa->record : t != NULL ? t->record : NULL;
    for (size_t i = r == NULL ? 0 : r->trail_count; i > 0; i--) {
        struct trail_entry *entry = &r->trail[i - 1];
        if ((entry->flags & (TRAIL_SENT | TRAIL_RESPONSE)) == TRAIL_SENT) {
            entry->repeats++;
            break;
        }
    }
    if (is_copy || !fragment_repeat_request(w, sa, sent, 0, r))
        out_send(w, &sa->path, octets);
}

void ike2_on_time(struct world *w, struct ike_sa *sa)
{
    struct instant now = w->step.now;
    struct finding why;
    fragment_on_time(w, sa);
    if (instant_reached(sa->deadline, now)) {
        sa->deadline = INSTANT_NEVER;
        if (sa->state == SA_AWAIT_PATH) {
            finding_set(&why, CAUSE_NET_NAME_NOT_RESOLVED);
            why.param = policy_param(&w->arena, sa->conn, NULL, "remote_addrs");
            why.expected = "an address";
            why.seen = "no answer from the resolver";
            ike2_setup_failed(w, sa, &why);
            return;
        }
        if (doubt_on_time(w, sa))
            return;
        exchange_finish(w, sa, true, NULL); /* replaced, and the peer never closed it */
        return;
    }
    const struct sent *sent;
    enum window_turn turn;
    while ((turn = window_on_time(&sa->window, &w->options.retransmission, w->rng, now, &sent)) !=
           WINDOW_WAIT) {
        bool is_copy = turn == WINDOW_COPY;
        uint8_t errors = sa->setup == NULL ? 0 : sa->setup->path_errors;
        if (turn != WINDOW_GIVE_UP && errors < (is_copy ? COPY_ERRORS_MAX : PATH_ERRORS_MAX)) {
            exchange_repeat(w, sa, sent, is_copy);
            continue;
        }
        if (turn == WINDOW_GIVE_UP && sa->state == SA_CLOSING && !sa->was_never_up)
            unanswered_delete(w, sa, sent);
        else if (turn == WINDOW_GIVE_UP && (sa->state == SA_REPLACED || sa->state == SA_CLOSING))
            exchange_finish(w, sa, false, NULL);
        else
            give_up(w, sa, sent);
        return;
    }
    rival_on_time(w, sa);
    unique_on_time(w, sa);
    nat_on_time(w, sa);
    if (sa->state == SA_UP) {
        if (instant_reached(sa->expire_at, now)) {
            finding_set(&why, CAUSE_IKE_EXPIRED);
            why.param = policy_param(&w->arena, sa->conn, NULL, "over_time");
            why.expected = "a rekeying before the hard lifetime";
            why.seen = "none";
            info_send_last_delete(w, sa);
            exchange_finish(w, sa, false, &why);
            return;
        }
        if (instant_reached(sa->rekey_at, now)) {
            sa->rekey_at = INSTANT_NEVER;
            struct wish wish = {.kind = WISH_REKEY_IKE, .not_before = now};
            wish_add(&sa->wishes, &wish);
        }
        reauth_on_time(w, sa);
        uint64_t dpd = sa->conn->dpd_delay_s;
        if (dpd != 0 && sa->tasks == NULL &&
            instant_reached(instant_after_s(sa->heard, (int64_t)dpd), now)) {
            struct wish wish = {.kind = WISH_LIVENESS, .not_before = now};
            wish_add(&sa->wishes, &wish);
        }
    }
    children_on_time(w, sa);
    exchange_next(w, sa);
}

/* ---- from outside ---- */

void ike2_on_dataplane(struct world *w, const struct dataplane_input *in)
{
    if (in->kind == DP_ACQUIRE) {
        standing_on_acquire(w, in);
        return;
    }
    struct ike_sa *sa = NULL;
    struct child_sa *c = world_find_child(w, in->child_id, &sa);
    if (c == NULL)
        return;
    struct finding why;
    switch (in->kind) {
    case DP_SOFT_LIFETIME:
        if (c->state == CHILD_SA_UP)
            ike2_want_rekey_child(w, sa, c->id, 0);
        break;
    case DP_HARD_LIFETIME:
        finding_set(&why, CAUSE_ESP_LIFETIME);
        why.phase = PHASE_ESTABLISHED;
        why.param = policy_param(&w->arena, c->conn, c->conf,
                                 c->conf->life_bytes != 0 ? "life_bytes" : "life_packets");
        ike2_refused(w, sa, NULL, &why);
        ike2_want_close_child(w, sa, c->id, 0);
        break;
    case DP_FIRST_USE:
        sa->heard = w->step.now;
        closing_used(w, sa, c);
        child_use(w, c);
        break;
    case DP_USED:
        if (in->spi == c->spi_in)
            sa->heard = w->step.now;
        closing_used(w, sa, c);
        break;
    case DP_MOVED:
        nat_on_moved(w, sa, c, &in->remote);
        break;
    case DP_FAULT:
        finding_set(&why, in->cause);
        why.phase = PHASE_ESTABLISHED;
        if (ikebana_cause_row(in->cause)->severity == SEVERITY_FAILURE) {
            /* The data plane could not take the SA: a child that carries nothing is closed. */
            why.param = policy_param(&w->arena, c->conn, c->conf, "esp_proposals");
            why.expected = "that the data plane takes the SA";
            why.seen = arena_text(&w->arena, "it refused SPI %08x", in->spi);
            ike2_refused(w, sa, NULL, &why);
            ike2_want_close_child(w, sa, c->id, 0);
            break;
        }
        why.param = policy_param(&w->arena, c->conn, c->conf, "replay_window");
        why.expected = in->cause == CAUSE_ESP_REPLAY
                           ? arena_text(&w->arena, "%u", c->conf->replay_window * 2)
                           : "packets that the SA accepts";
        why.seen = arena_text(&w->arena, "%llu packets on SPI %08x", (unsigned long long)in->count,
                              in->spi);
        ike2_refused(w, sa, NULL, &why);
        break;
    case DP_ACQUIRE:
        break;
    }
    world_rearm(w, sa);
}

void ike2_on_path_error(struct world *w, struct ike_sa *sa, const struct path_error *e)
{
    /* Anybody can forge ICMP: one error is a hint, told at once; only when a repetition meets one
     * too do we give up. */
    struct setup *s = sa->setup;
    if (s == NULL || !e->is_fatal_hint || s->has_answered)
        return;
    bool is_first = s->path_error == NULL;
    free(s->path_error);
    s->path_error = strdup(e->what);
    if (s->path_errors < UINT8_MAX)
        s->path_errors++;
    if (!is_first)
        return;
    struct effect *fx = world_event(w, EVENT_PROGRESS, sa, NULL);
    struct finding *hint = arena_alloc(&w->arena, sizeof *hint);
    if (fx == NULL || hint == NULL)
        return;
    finding_set(hint, CAUSE_NET_UNREACHABLE);
    hint->phase = PHASE_IKE_SA_INIT;
    hint->confidence = 60;
    hint->seen = arena_text(&w->arena, "%s", e->what);
    fx->event.ticket = sa->tasks == NULL ? 0 : sa->tasks->ticket;
    fx->event.finding = hint;
}
