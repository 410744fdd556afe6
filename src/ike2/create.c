/* CREATE_CHILD_SA: a further child, a rekeyed child, a rekeyed IKE SA. RFC
 * 7296 1.3, 2.8, 2.17, 2.18, 2.25. */
#include <stdlib.h>

#include "ike2/inside.h"

/* A replaced IKE SA waits for its Delete longer than a peer repeats one (165 s by default). */
enum { REFUSED_RETRY_S = 60, REPLACED_LINGER_S = 180 };

static bool write_nonce_ke(struct world *w, struct outgoing *o, struct task *t)
{
    struct gap g = out_open(o, PAYLOAD_NONCE);
    wire_write_nonce(&o->writer, span_of(t->nonce, sizeof t->nonce));
    out_close(o, g);
    if (t->group == 0)
        return true;
    const struct ke *ke = crypto_ke(t->group);
    uint8_t *public = ke == NULL ? NULL : arena_alloc(&w->arena, ke->public_len);
    crypto_ke_free(t->ke);
    t->ke = public == NULL ? NULL : crypto_ke_new(ke, w->rng, public);
    if (t->ke == NULL)
        return false;
    g = out_open(o, PAYLOAD_KE);
    wire_write_ke(&o->writer, &(struct ke_payload){t->group, span_of(public, ke->public_len)});
    out_close(o, g);
    return true;
}

/* ---- our requests ---- */

static void send_child_request(struct world *w, struct ike_sa *sa, struct task *t)
{
    struct outgoing o;
    out_begin(&o, w, sa, EXCHANGE_CREATE_CHILD_SA, false, sa->window.next_id);
    if (t->kind == TASK_REKEY_CHILD) {
        const struct child_sa *old = child_by_id(sa, t->child_id);
        uint32_t spi = old == NULL ? 0 : old->spi_in;
        uint8_t octets[4];
        struct writer spi_w = writer_of(octets, sizeof octets);
        put_u32(&spi_w, spi);
        out_notify_spi(&o, NOTIFY_REKEY_SA, PROTOCOL_ESP, writer_span(&spi_w),
                       (struct span){NULL, 0});
    }
    bool ok = t->spi_in != 0 && child_write_offer(w, &o, sa, t, true) && write_nonce_ke(w, &o, t);
    child_write_offer_ts(w, &o, sa, t);
    if (ok && exchange_send_request(w, sa, t, &o, t->record))
        return;
    struct finding why;
    finding_set(&why, CAUSE_RES_CRYPTO);
    why.expected = "a CREATE_CHILD_SA request";
    exchange_lose(w, sa, &why);
}

void create_begin_child(struct world *w, struct ike_sa *sa, const struct child_conf *conf,
                        struct conn *conn, const struct wish *wish)
{
    uint32_t rekeyed = wish->kind == WISH_REKEY_CHILD ? wish->child_id : 0;
    uint64_t ticket = wish->ticket;
    struct task *t = task_new(w, sa, rekeyed != 0 ? TASK_REKEY_CHILD : TASK_CREATE_CHILD, ticket);
    if (t == NULL)
        return;
    t->child_id = rekeyed;
    t->pair = wish->pair;
    t->is_pair_only = wish->is_pair_only;
    t->conn = policy_conn_ref(conn);
    t->conf = conf;
    t->group = policy_first_group(&conf->esp_proposals);
    t->spi_in = world_new_esp_spi(w, sa);
    rng_fill(w->rng, t->nonce, sizeof t->nonce);
    t->record = ike2_record_new(w, sa, rekeyed != 0 ? RECORD_CHILD_REKEY : RECORD_CHILD, ticket);
    if (t->record != NULL) {
        t->record->is_initiator = true;
        record_set_text(&t->record->child, conf->name);
    }
    send_child_request(w, sa, t);
}

static void send_ike_request(struct world *w, struct ike_sa *sa, struct task *t)
{
    struct outgoing o;
    uint8_t octets[8];
    struct writer spi = writer_of(octets, sizeof octets);
    put_u64(&spi, t->spi);
    struct proposals offer;
    out_begin(&o, w, sa, EXCHANGE_CREATE_CHILD_SA, false, sa->window.next_id);
    bool ok =
        policy_copy_proposals(&sa->conn->proposals, writer_span(&spi), true, &w->arena, &offer);
    struct gap g = out_open(&o, PAYLOAD_SA);
    wire_write_sa(&o.writer, &offer);
    out_close(&o, g);
    ok = ok && write_nonce_ke(w, &o, t);
    if (ok && exchange_send_request(w, sa, t, &o, t->record))
        return;
    struct finding why;
    finding_set(&why, CAUSE_RES_CRYPTO);
    why.expected = "a CREATE_CHILD_SA request";
    exchange_lose(w, sa, &why);
}

void create_begin_ike(struct world *w, struct ike_sa *sa, uint64_t ticket)
{
    struct task *t = task_new(w, sa, TASK_REKEY_IKE, ticket);
    if (t == NULL)
        return;
    t->spi = world_new_ike_spi(w);
    /* The group that the peer took last time, while it is still allowed. */
    t->group = policy_offers_group(&sa->conn->proposals, sa->suite.ke)
                   ? sa->suite.ke
                   : policy_first_group(&sa->conn->proposals);
    rng_fill(w->rng, t->nonce, sizeof t->nonce);
    t->record = ike2_record_new(w, sa, RECORD_IKE_REKEY, ticket);
    if (t->record != NULL)
        t->record->is_initiator = true;
    send_ike_request(w, sa, t);
}

static struct span lower_nonce(struct span a, struct span b)
{
    return span_compare(a, b) <= 0 ? a : b;
}

static void note_race(struct task *t, struct span nonce_i, struct span nonce_r)
{
    struct span low = lower_nonce(nonce_i, nonce_r);
    t->race_low_len = (uint16_t)(low.len < sizeof t->race_low ? low.len : sizeof t->race_low);
    memcpy(t->race_low, low.at, t->race_low_len);
}

/* ---- the peer's requests ---- */

static void refuse_about(struct world *w, struct ike_sa *sa, struct record *r, struct finding *why,
                         struct span spi, struct span data)
{
    struct outgoing o;
    uint16_t notify = ikebana_cause_row(why->cause)->notify;
    why->notify = notify == 0 ? NOTIFY_NO_PROPOSAL_CHOSEN : notify;
    out_begin(&o, w, sa, EXCHANGE_CREATE_CHILD_SA, true, w->asked_id);
    out_notify_spi(&o, why->notify, spi.len == 0 ? 0 : PROTOCOL_ESP, spi, data);
    exchange_send_answer(w, sa, &o, r);
    ike2_refused(w, sa, r, why);
    bool is_failure = ikebana_cause_row(why->cause)->severity == SEVERITY_FAILURE;
    ike2_record_end(w, r, is_failure ? RESULT_FAILED : RESULT_CLOSED, ike2_phase(sa, r));
}

static void refuse(struct world *w, struct ike_sa *sa, struct record *r, struct finding *why,
                   struct span data)
{
    refuse_about(w, sa, r, why, (struct span){NULL, 0}, data);
}

/* spi: of the child that does not exist; RFC 7296 3.10.1 wants it back. */
static void refuse_for_now(struct world *w, struct ike_sa *sa, const struct message *m,
                           struct record *r, enum cause cause, struct span spi, const char *asked)
{
    struct finding why;
    finding_set(&why, cause);
    finding_about(&why, m, NULL, true);
    why.expected = "no exchange of ours about the same SA";
    why.seen = asked;
    refuse_about(w, sa, r, &why, spi, (struct span){NULL, 0});
}

static bool answer_group(struct world *w, const struct message *m, const struct fresh *f,
                         uint16_t wanted, const char *param, struct finding *why)
{
    if (wanted == 0 || f->ke.group == wanted)
        return true;
    struct transform ours = {.type = TRANSFORM_KE, .id = wanted},
                     theirs = {.type = TRANSFORM_KE, .id = f->ke.group};
    finding_set(why, CAUSE_IKE_GROUP_RETRY);
    finding_about(why, m, f->ke_p, true);
    why->param = param;
    why->expected = policy_transform_text(&ours, &w->arena);
    why->seen = f->ke_p == NULL ? "no KE payload" : policy_transform_text(&theirs, &w->arena);
    return false;
}

static void answer_child(struct world *w, struct ike_sa *sa, struct message *m,
                         struct child_sa *old, bool is_race, struct record *r)
{
    struct finding why;
    struct fresh f;
    struct child_plan plan = {0};
    struct span nothing = {NULL, 0};
    uint8_t number[2];
    if (!fresh_read(w, m, &f, &why) ||
        !child_choose(w, sa, m, old, true, f.ke.group, &plan, &why)) {
        refuse(w, sa, r, &why, nothing);
        return;
    }
    if (old != NULL)
        plan.conn = old->conn;
    if (!answer_group(w, m, &f, plan.suite.ke,
                      policy_param(&w->arena, plan.conn, plan.conf, "esp_proposals"), &why)) {
        number[0] = (uint8_t)(plan.suite.ke >> 8);
        number[1] = (uint8_t)plan.suite.ke;
        refuse(w, sa, r, &why, span_of(number, 2));
        return;
    }
    BIG_SECRET shared = {{0}, 0};
    uint8_t nonce[NONCE_LEN];
    struct span public = nothing;
    if (plan.suite.ke != 0 && !fresh_answer(w, m, &f, plan.suite.ke, &public, &shared, &why)) {
        refuse(w, sa, r, &why, nothing);
        fresh_punish(w, sa, true, &why);
        return;
    }
    rng_fill(w->rng, nonce, sizeof nonce);
    plan.spi_in = world_new_esp_spi(w, sa);
    if (plan.spi_in == 0) {
        finding_set(&why, CAUSE_RES_MEMORY);
        why.expected = "a free SPI";
        refuse(w, sa, r, &why, nothing);
        return;
    }
    plan.replaces = old == NULL ? 0 : old->id;
    plan.use_at_once = old == NULL;
    struct task *ours = is_race ? task_of_child(sa, old->id) : NULL;
    plan.is_quiet = ours != NULL;
    struct outgoing o;
    out_begin(&o, w, sa, EXCHANGE_CREATE_CHILD_SA, true, w->asked_id);
    child_write_choice(w, &o, &plan);
    struct gap g = out_open(&o, PAYLOAD_NONCE);
    wire_write_nonce(&o.writer, span_of(nonce, sizeof nonce));
    out_close(&o, g);
    if (public.len > 0) {
        g = out_open(&o, PAYLOAD_KE);
        wire_write_ke(&o.writer, &(struct ke_payload){plan.suite.ke, public});
        out_close(&o, g);
    }
    child_write_choice_ts(w, &o, &plan);
    if (!exchange_send_answer(w, sa, &o, r)) {
        world_free_esp_spi(w, plan.spi_in);
        finding_set(&why, CAUSE_RES_CRYPTO);
        why.expected = "a CREATE_CHILD_SA answer";
        ike2_refused(w, sa, r, &why);
        ike2_record_end(w, r, RESULT_FAILED, ike2_phase(sa, r));
        return;
    }
    struct child_sa *c = child_install(w, sa, &plan, f.nonce, span_of(nonce, sizeof nonce),
                                       big_secret_span(&shared), &why);
    if (c == NULL) {
        ike2_refused(w, sa, r, &why);
        ike2_record_end(w, r, RESULT_FAILED, ike2_phase(sa, r));
        return;
    }
    if (old != NULL) {
        old->state = CHILD_SA_REPLACED;
        old->rekey_at = INSTANT_NEVER;
        if (ours != NULL) {
            ours->race_child = c->id;
            note_race(ours, f.nonce, span_of(nonce, sizeof nonce));
        }
        child_note_shrunk(w, sa, &plan, old, r);
    } else {
        child_note_agreed(w, sa, &plan, r);
    }
    ike2_record_child(r, c);
    ike2_record_end(w, r, RESULT_UP, ike2_phase(sa, r));
}

/* The new IKE SA of a rekeying, RFC 7296 2.18. spi_i, spi_r: of the new SA. */
static struct ike_sa *make_new_ike(struct world *w, struct ike_sa *old, bool is_initiator,
                                   uint64_t spi_i, uint64_t spi_r, const struct suite *suite,
                                   struct span nonce_i, struct span nonce_r, struct span shared)
{
    struct ike_sa *sa = world_new_sa(w, old->conn, is_initiator);
    if (sa == NULL)
        return NULL;
    sa->spi_i = spi_i;
    sa->spi_r = spi_r;
    sa->path = old->path;
    sa->may_fragment = old->may_fragment;
    sa->fragment_limit = old->fragment_limit;
    sa->has_nat_here = old->has_nat_here;
    sa->has_nat_there = old->has_nat_there;
    sa->wants_udp = old->wants_udp;
    sa->asked_at = old->asked_at;
    sa->asked_spent = old->asked_spent;
    record_set_text(&sa->local_id, old->local_id);
    record_set_text(&sa->remote_id, old->remote_id);
    SECRET skeyseed = {{0}, 0};
    bool ok = ike2_set_suite(sa, suite) &&
              crypto_skeyseed_rekey(old->prf, ike2_key(old, KEY_D), shared, nonce_i, nonce_r,
                                    &skeyseed) &&
              ike2_derive(sa, secret_span(&skeyseed), nonce_i, nonce_r) && world_add_spi(w, sa);
    if (!ok) {
        world_drop_sa(w, sa);
        return NULL;
    }
    ike2_schedule(w, sa);
    unique_inherit(w, old, sa);
    return sa;
}

static void hand_over(struct world *w, struct ike_sa *old, struct ike_sa *heir)
{
    while (old->children != NULL) {
        struct child_sa *c = old->children;
        old->children = c->next;
        c->next = heir->children;
        heir->children = c;
        map_set(&w->by_child, c->id, heir);
        map_set(&w->by_esp_spi, c->spi_in, heir);
    }
    struct wish wish;
    while (wish_take(&old->wishes, INSTANT_NEVER, &wish))
        if (wish.kind != WISH_REKEY_IKE && wish.kind != WISH_LIVENESS)
            exchange_wish(w, heir, wish);
        else
            world_outcome(w, wish.ticket, true, NULL);
    if (heir->close_ticket == 0)
        heir->close_ticket = old->close_ticket;
    old->close_ticket = 0;
}

/* The survivor inherits all children and what is still wished, RFC 7296 2.8.2. */
void create_inherit(struct world *w, struct ike_sa *old, struct ike_sa *heir)
{
    hand_over(w, old, heir);
    reauth_inherit(old, heir);
    old->replaced_by = heir->id;
    old->rekey_at = old->expire_at = INSTANT_NEVER;
    struct effect *fx = world_event(w, EVENT_IKE_REKEYED, heir, NULL);
    if (fx != NULL)
        fx->event.old_id = old->id;
    world_rearm(w, heir);
}

void create_yield(struct world *w, struct ike_sa *sa, struct task *t, struct ike_sa *heir)
{
    world_outcome(w, t->ticket, true, NULL);
    t->ticket = 0;
    ike2_record_end(w, t->record, RESULT_CLOSED, PHASE_REKEY);
    t->record = NULL;
    heir->race_of = 0;
    create_inherit(w, sa, heir);
}

static void answer_ike(struct world *w, struct ike_sa *sa, struct message *m, bool is_race,
                       struct record *r)
{
    struct finding why;
    struct fresh f;
    struct span nothing = {NULL, 0};
    const struct payload *sa_p = wire_find(m, PAYLOAD_SA);
    struct proposals offered;
    struct suite suite;
    uint32_t at = 0;
    uint8_t number[2];
    if (!fresh_read(w, m, &f, &why)) {
        refuse(w, sa, r, &why, nothing);
        return;
    }
    if (!wire_parse_sa(sa_p->body, &w->arena, &offered, &at)) {
        bad_payload(w, m, sa_p, "a well-formed SA payload", &why);
        refuse(w, sa, r, &why, nothing);
        return;
    }
    if (!policy_choose_proposal(&offered, &sa->conn->proposals, PROTOCOL_IKE, true, f.ke.group,
                                CAUSE_IKE_NO_COMMON_PROPOSAL, &w->arena, &suite, &why)) {
        why.param = policy_param(&w->arena, sa->conn, NULL, "proposals");
        finding_about(&why, m, sa_p, true);
        refuse(w, sa, r, &why, nothing);
        return;
    }
    uint64_t peer_spi = 0;
    for (size_t i = 0; i < offered.count; i++)
        if (offered.at[i].number == suite.proposal_number && offered.at[i].spi.len == 8) {
            struct reader spi = reader_of(offered.at[i].spi);
            peer_spi = take_u64(&spi);
        }
    if (peer_spi == 0) {
        bad_payload(w, m, sa_p, "an SPI of eight octets in the proposal", &why);
        refuse(w, sa, r, &why, nothing);
        return;
    }
    if (!answer_group(w, m, &f, suite.ke, policy_param(&w->arena, sa->conn, NULL, "proposals"),
                      &why)) {
        number[0] = (uint8_t)(suite.ke >> 8);
        number[1] = (uint8_t)suite.ke;
        refuse(w, sa, r, &why, span_of(number, 2));
        return;
    }
    BIG_SECRET shared = {{0}, 0};
    uint8_t nonce[NONCE_LEN];
    struct span public;
    if (!fresh_answer(w, m, &f, suite.ke, &public, &shared, &why)) {
        refuse(w, sa, r, &why, nothing);
        fresh_punish(w, sa, true, &why);
        return;
    }
    rng_fill(w->rng, nonce, sizeof nonce);
    uint64_t spi = world_new_ike_spi(w);
    struct ike_sa *heir = make_new_ike(w, sa, false, peer_spi, spi, &suite, f.nonce,
                                       span_of(nonce, sizeof nonce), big_secret_span(&shared));
    if (heir == NULL) {
        finding_set(&why, CAUSE_RES_CRYPTO);
        why.expected = "the keys of the new IKE SA";
        refuse(w, sa, r, &why, nothing);
        return;
    }
    uint8_t spi_octets[8];
    struct writer spi_w = writer_of(spi_octets, sizeof spi_octets);
    put_u64(&spi_w, spi);
    struct proposal chosen;
    struct proposals one = {&chosen, 1};
    policy_suite_proposal(&suite, PROTOCOL_IKE, writer_span(&spi_w), &w->arena, &chosen);
    struct outgoing o;
    out_begin(&o, w, sa, EXCHANGE_CREATE_CHILD_SA, true, w->asked_id);
    struct gap g = out_open(&o, PAYLOAD_SA);
    wire_write_sa(&o.writer, &one);
    out_close(&o, g);
    g = out_open(&o, PAYLOAD_NONCE);
    wire_write_nonce(&o.writer, span_of(nonce, sizeof nonce));
    out_close(&o, g);
    g = out_open(&o, PAYLOAD_KE);
    wire_write_ke(&o.writer, &(struct ke_payload){suite.ke, public});
    out_close(&o, g);
    if (!exchange_send_answer(w, sa, &o, r)) {
        world_drop_sa(w, heir);
        finding_set(&why, CAUSE_RES_CRYPTO);
        why.expected = "a CREATE_CHILD_SA answer";
        ike2_refused(w, sa, r, &why);
        ike2_record_end(w, r, RESULT_FAILED, PHASE_REKEY);
        return;
    }
    if (r != NULL) {
        r->spi_i = heir->spi_i;
        r->spi_r = heir->spi_r;
        r->ike_suite = suite;
        r->ike_id = heir->id;
    }
    ike2_record_end(w, r, RESULT_UP, PHASE_REKEY);
    struct task *ours = is_race ? task_of_kind(sa, TASK_REKEY_IKE) : NULL;
    if (ours != NULL) {
        /* Who survives is known when our own answer is here: RFC 7296 2.8.2. */
        ours->race_ike = heir->id;
        heir->race_of = sa->id;
        note_race(ours, f.nonce, span_of(nonce, sizeof nonce));
        world_rearm(w, heir);
        return;
    }
    sa->state = SA_REPLACED;
    sa->deadline = instant_after_s(w->step.now, REPLACED_LINGER_S);
    create_inherit(w, sa, heir);
}

/* RFC 7296 3.3.1: the protocol stands behind last, reserved, length and number. */
static uint8_t first_protocol(struct span sa_body)
{
    struct reader r = reader_of(sa_body);
    take(&r, 5);
    return take_u8(&r);
}

void create_answer(struct world *w, struct ike_sa *sa, struct message *m)
{
    struct finding why;
    struct notify n = {0};
    const struct payload *sa_p = wire_find(m, PAYLOAD_SA);
    bool is_rekey = wire_find_notify(m, NOTIFY_REKEY_SA, &n);
    struct record *r;
    if (sa_p == NULL) {
        r = ike2_record_new(w, sa, RECORD_CHILD, 0);
        if (r != NULL)
            r->is_initiator = false;
        message_trail(w, r, m, m->header.length, 0);
        need_payload(w, m, PAYLOAD_SA, &why);
        refuse(w, sa, r, &why, (struct span){NULL, 0});
        return;
    }
    bool is_ike = !is_rekey && first_protocol(sa_p->body) == PROTOCOL_IKE;
    struct child_sa *old = NULL;
    if (is_rekey && n.spi.len == 4) {
        struct reader spi = reader_of(n.spi);
        old = child_by_spi_out(sa, take_u32(&spi));
    }
    r = ike2_record_new(w, sa,
                        is_ike     ? RECORD_IKE_REKEY
                        : is_rekey ? RECORD_CHILD_REKEY
                                   : RECORD_CHILD,
                        0);
    if (r != NULL)
        r->is_initiator = false;
    if (r != NULL && old != NULL)
        record_set_text(&r->child, old->conf->name);
    message_trail(w, r, m, m->header.length, 0);

    if (!patience_allows(w, sa, m, !is_ike && !is_rekey, &why)) {
        patience_refuse(w, sa, r, &why);
        return;
    }
    enum asked asked = is_ike        ? ASKED_REKEY_IKE
                       : !is_rekey   ? ASKED_CREATE_CHILD
                       : old != NULL ? ASKED_REKEY_CHILD
                                     : ASKED_REKEY_UNKNOWN_CHILD;
    enum collide verdict = task_collide(sa, asked, old == NULL ? 0 : old->id);
    /* An IKE SA that was replaced is being closed: only its Delete may follow (RFC 7296 2.8). On
     * one that the peer made while we rekey too, the peer may know already that it survives; its
     * children are not there yet (2.8.2). */
    if (sa->race_of != 0)
        verdict = COLLIDE_TEMPORARY_FAILURE;
    if (sa->state == SA_REPLACED && verdict != COLLIDE_CHILD_NOT_FOUND)
        verdict = COLLIDE_TEMPORARY_FAILURE;
    bool is_usual = verdict == COLLIDE_AS_USUAL || verdict == COLLIDE_AS_USUAL_RACE;
    if (old != NULL && old->state != CHILD_SA_UP && is_usual)
        verdict = COLLIDE_TEMPORARY_FAILURE;
    if (verdict == COLLIDE_CHILD_NOT_FOUND && late_may_teach(sa))
        verdict = COLLIDE_TEMPORARY_FAILURE;
    /* One successor for each side is a race, two of one side are not. */
    const struct task *ours = task_of_kind(sa, TASK_REKEY_IKE);
    if (is_ike && ours != NULL && ours->race_ike != 0 && is_usual)
        verdict = COLLIDE_TEMPORARY_FAILURE;
    switch (verdict) {
    case COLLIDE_TEMPORARY_FAILURE:
        refuse_for_now(w, sa, m, r, CAUSE_CHILD_TEMPORARY_FAILURE, (struct span){NULL, 0},
                       "a request that crosses ours");
        return;
    case COLLIDE_CHILD_NOT_FOUND:
        refuse_for_now(
            w, sa, m, r, CAUSE_CHILD_NOT_FOUND, n.spi.len == 4 ? n.spi : (struct span){NULL, 0},
            arena_text(&w->arena, "REKEY_SA for SPI %s", arena_hex(&w->arena, n.spi, 8)));
        return;
    case COLLIDE_AS_USUAL:
    case COLLIDE_AS_USUAL_RACE:
    case COLLIDE_DELETE:
    case COLLIDE_DELETE_RACE:
    case COLLIDE_NO_DELETE:
    case COLLIDE_FORGET_OURS:
        break;
    }
    if (is_ike)
        answer_ike(w, sa, m, verdict == COLLIDE_AS_USUAL_RACE, r);
    else
        answer_child(w, sa, m, old, verdict == COLLIDE_AS_USUAL_RACE, r);
}

/* ---- the answers to ours ---- */

/* INVALID_KE_PAYLOAD: once more with the group that the peer asks for, if we allow it. */
static bool retry_group(struct world *w, struct ike_sa *sa, struct task *t, const struct message *m,
                        const struct proposals *ours)
{
    struct notify n;
    if (t->has_retried || !wire_find_notify(m, NOTIFY_INVALID_KE_PAYLOAD, &n))
        return false;
    struct reader r = reader_of(n.data);
    uint16_t group = take_u16(&r);
    if (!done(&r) || group == t->group || !policy_offers_group(ours, group) ||
        crypto_ke(group) == NULL)
        return false;
    t->has_retried = true;
    t->group = group;
    t->is_waiting = !window_has_room(&sa->window);
    if (!t->is_waiting)
        create_resend(w, sa, t);
    return true;
}

void create_resend(struct world *w, struct ike_sa *sa, struct task *t)
{
    if (t->kind == TASK_REKEY_IKE)
        send_ike_request(w, sa, t);
    else
        send_child_request(w, sa, t);
}

/* The IKE SA that the peer has made of the one that we rekey; NULL: none, or it is closed again. */
static struct ike_sa *race_successor(struct world *w, const struct task *t)
{
    return t->race_ike == 0 || t->is_race_closed ? NULL : world_sa_by_id(w, t->race_ike);
}

static void failed(struct world *w, struct ike_sa *sa, struct task *t, struct finding *why)
{
    struct record *r = t->record;
    t->record = NULL;
    ike2_refused(w, sa, r, why);
    bool is_failure = ikebana_cause_row(why->cause)->severity == SEVERITY_FAILURE;
    ike2_record_end(w, r, is_failure ? RESULT_FAILED : RESULT_CLOSED, ike2_phase(sa, r));
    if (t->spi_in != 0)
        world_free_esp_spi(w, t->spi_in);
    struct child_sa *their_child =
        t->race_child == 0 || t->is_race_closed ? NULL : child_by_id(sa, t->race_child);
    if (their_child != NULL) {
        /* Our rekeying came to nothing, but the peer's stands. */
        child_event_rekeyed(w, sa, their_child);
        world_outcome(w, t->ticket, true, NULL);
        return;
    }
    struct ike_sa *theirs = race_successor(w, t);
    if (theirs != NULL) {
        /* That one is the heir. */
        theirs->race_of = 0;
        sa->state = SA_REPLACED;
        sa->deadline = instant_after_s(w->step.now, REPLACED_LINGER_S);
        create_inherit(w, sa, theirs);
        world_outcome(w, t->ticket, true, NULL);
        return;
    }
    struct child_sa *old = t->kind == TASK_REKEY_CHILD ? child_by_id(sa, t->child_id) : NULL;
    /* A child that the peer has made and does not use yet: it may not know our answer. */
    bool is_early = old != NULL && why->cause == CAUSE_CHILD_NOT_FOUND && old->is_waiting_for_use;
    if (why->cause == CAUSE_CHILD_TEMPORARY_FAILURE || is_early) {
        retry_later(w, sa, t);
        return;
    }
    retry_settled(sa);
    if (t->kind == TASK_CREATE_CHILD && child_retry_pair(w, sa, t, why))
        return;
    if (old != NULL && why->cause == CAUSE_CHILD_NOT_FOUND) {
        /* RFC 7296 2.25: the peer has no such child: delete it in silence and make it anew. */
        struct wish anew = {.kind = WISH_CREATE_CHILD,
                            .child_name = strdup(old->conf->name),
                            .not_before = w->step.now,
                            .ticket = t->ticket};
        child_drop(w, sa, old, true);
        exchange_wish(w, sa, anew);
        return;
    }
    if (old != NULL && why->cause == CAUSE_CHILD_NO_ADDITIONAL_SAS && sa->is_initiator &&
        sa->state == SA_UP) {
        /* RFC 7296 4: a peer that rekeys no child. All is made anew, as strongSwan does. */
        reauth_begin(w, sa, t->ticket);
        return;
    }
    if (old != NULL)
        old->rekey_at = instant_after_s(w->step.now, REFUSED_RETRY_S);
    if (t->kind == TASK_REKEY_IKE)
        sa->rekey_at = instant_after_s(w->step.now, REFUSED_RETRY_S);
    world_outcome(w, t->ticket, false, why);
}

/* The peer has the child, we do not. */
static void disown(struct world *w, struct ike_sa *sa, const struct task *t,
                   const struct message *m)
{
    if (t->spi_in != 0 && wire_find(m, PAYLOAD_SA) != NULL)
        exchange_wish(
            w, sa,
            (struct wish){.kind = WISH_DISOWN, .child_id = t->spi_in, .not_before = w->step.now});
}

void create_fail(struct world *w, struct ike_sa *sa, struct task *t, const struct message *m,
                 struct finding *why)
{
    message_trail(w, t->record, m, m->header.length, 0);
    task_take(sa, t);
    failed(w, sa, t, why);
    disown(w, sa, t, m);
    task_free(t);
}

static void close_later(struct world *w, struct ike_sa *sa, uint32_t child_id)
{
    struct wish wish = {.kind = WISH_CLOSE_CHILD, .child_id = child_id, .not_before = w->step.now};
    wish_add(&sa->wishes, &wish);
}

/* Both rekeyed: the lowest of the four nonces loses, and its maker closes it. RFC 7296 2.8.1. */
static bool ours_survives(const struct task *t, struct span nonce_r)
{
    struct span theirs = span_of(t->race_low, t->race_low_len);
    struct race race = {span_of(t->nonce, sizeof t->nonce), nonce_r, theirs, theirs};
    return race_settle(&race) == RACE_OURS_SURVIVES;
}

/* The peer has closed it before its answer was here: it never stands on our side. */
static void conclude_closed(struct world *w, struct task *t, const struct child_plan *p)
{
    struct finding why;
    struct record *r = t->record;
    t->record = NULL;
    world_free_esp_spi(w, t->spi_in);
    finding_set(&why, CAUSE_CHILD_PEER_CLOSED);
    why.phase = PHASE_CHILD;
    why.seen =
        arena_text(&w->arena, "Delete for %s before the answer that makes it", p->conf->name);
    record_add_finding(r, &why);
    ike2_record_end(w, r, RESULT_CLOSED, PHASE_CHILD);
    world_outcome(w, t->ticket, false, &why);
}

static void conclude_child(struct world *w, struct ike_sa *sa, struct message *m, struct task *t)
{
    struct finding why;
    struct fresh f;
    struct child_plan plan = {0};
    BIG_SECRET shared = {{0}, 0};
    if (!child_accept(w, sa, m, t, true, &plan, &why) || !fresh_read(w, m, &f, &why) ||
        !fresh_shared(w, m, t, &f, plan.suite.ke, &shared, &why)) {
        failed(w, sa, t, &why);
        disown(w, sa, t, m);
        fresh_punish(w, sa, false, &why);
        return;
    }
    struct child_sa *old = t->child_id == 0 ? NULL : child_by_id(sa, t->child_id);
    plan.replaces = old == NULL ? 0 : old->id;
    struct child_sa *theirs =
        t->race_child == 0 || t->is_race_closed ? NULL : child_by_id(sa, t->race_child);
    bool survives = t->race_child == 0 || ours_survives(t, f.nonce);
    bool is_all_closed = !survives && theirs == NULL; /* the winner is closed already */
    plan.use_at_once = survives;
    plan.is_quiet = !survives && !is_all_closed;
    if (late_is_closed(sa, plan.spi_out)) {
        conclude_closed(w, t, &plan);
        if (!survives && theirs != NULL)
            child_event_rekeyed(w, sa, theirs);
        else if (theirs != NULL)
            theirs->state = CHILD_SA_REPLACED;
        if (survives && old != NULL)
            close_later(w, sa, old->id); /* what replaced it is gone: it goes, and is missed */
        return;
    }
    struct child_sa *c = child_install(w, sa, &plan, span_of(t->nonce, sizeof t->nonce), f.nonce,
                                       big_secret_span(&shared), &why);
    if (c == NULL) {
        failed(w, sa, t, &why);
        return;
    }
    struct record *r = t->record;
    t->record = NULL;
    retry_settled(sa);
    ike2_record_child(r, c);
    if (t->kind == TASK_CREATE_CHILD)
        child_note_agreed(w, sa, &plan, r);
    else if (old != NULL)
        child_note_shrunk(w, sa, &plan, old, r);
    ike2_record_end(w, r, RESULT_UP, ike2_phase(sa, r));
    world_outcome(w, t->ticket, true, NULL);
    if (is_all_closed) {
        close_later(w, sa, c->id);
        return;
    }
    if (!survives) {
        /* theirs is used when the peer does: our answer about it may not be there yet. */
        child_event_rekeyed(w, sa, theirs);
        c->state = CHILD_SA_REPLACED;
        c->rekey_at = INSTANT_NEVER;
        child_remove_outbound(w, c); /* nothing will be sent on it */
        close_later(w, sa, c->id);
        return;
    }
    if (theirs != NULL) { /* its maker closes it */
        theirs->state = CHILD_SA_REPLACED;
        theirs->rekey_at = INSTANT_NEVER;
        child_remove_outbound(w, theirs);
    }
    if (old == NULL)
        return;
    old->state = CHILD_SA_REPLACED;
    old->rekey_at = INSTANT_NEVER;
    child_remove_outbound(w, old); /* the new one is used from now on */
    close_later(w, sa, old->id);
}

static void conclude_ike(struct world *w, struct ike_sa *sa, struct message *m, struct task *t)
{
    struct finding why;
    struct notify n;
    struct fresh f;
    struct proposals answer;
    struct suite suite;
    uint32_t at = 0;
    uint64_t peer_spi = 0;
    BIG_SECRET shared = {{0}, 0};
    const struct payload *sa_p = wire_find(m, PAYLOAD_SA);
    if (sa_p == NULL && message_error(m, &n)) {
        finding_set(&why, n.type == NOTIFY_TEMPORARY_FAILURE ? CAUSE_CHILD_TEMPORARY_FAILURE
                                                             : CAUSE_IKE_REKEY_REFUSED);
        finding_about(&why, m, wire_find(m, PAYLOAD_NOTIFY), true);
        why.notify = n.type;
        why.param = policy_param(&w->arena, sa->conn, NULL, "proposals");
        why.expected = policy_proposals_text(&sa->conn->proposals, &w->arena);
        why.seen = arena_text(&w->arena, "the peer answered %s (%u)",
                              wire_notify_name(n.type, &w->arena), n.type);
        failed(w, sa, t, &why);
        return;
    }
    if ((sa_p = need_payload(w, m, PAYLOAD_SA, &why)) == NULL || !fresh_read(w, m, &f, &why)) {
        failed(w, sa, t, &why);
        return;
    }
    bool parsed = wire_parse_sa(sa_p->body, &w->arena, &answer, &at);
    if (parsed && answer.count == 1 && answer.at[0].spi.len == 8) {
        struct reader spi = reader_of(answer.at[0].spi);
        peer_spi = take_u64(&spi);
    }
    if (peer_spi == 0) {
        bad_payload(w, m, sa_p, "one proposal with an SPI of eight octets", &why);
        failed(w, sa, t, &why);
        return;
    }
    if (!policy_check_chosen(&answer, &sa->conn->proposals, PROTOCOL_IKE, true,
                             CAUSE_IKE_PROPOSAL_NOT_OFFERED, &w->arena, &suite, &why)) {
        why.param = policy_param(&w->arena, sa->conn, NULL, "proposals");
        finding_about(&why, m, sa_p, true);
        failed(w, sa, t, &why);
        return;
    }
    struct ike_sa *heir = NULL;
    if (fresh_shared(w, m, t, &f, suite.ke, &shared, &why)) {
        finding_set(&why, CAUSE_RES_CRYPTO);
        why.expected = "the keys of the new IKE SA";
        heir = make_new_ike(w, sa, true, t->spi, peer_spi, &suite,
                            span_of(t->nonce, sizeof t->nonce), f.nonce, big_secret_span(&shared));
    }
    if (heir == NULL) {
        failed(w, sa, t, &why);
        fresh_punish(w, sa, false, &why);
        return;
    }
    struct record *r = t->record;
    t->record = NULL;
    if (r != NULL) {
        r->spi_i = heir->spi_i;
        r->spi_r = heir->spi_r;
        r->ike_suite = suite;
        r->ike_id = heir->id;
    }
    ike2_record_end(w, r, RESULT_UP, PHASE_REKEY);
    world_outcome(w, t->ticket, true, NULL);
    struct ike_sa *theirs = race_successor(w, t);
    bool survives = t->race_ike == 0 || ours_survives(t, f.nonce);
    if (theirs != NULL)
        theirs->race_of = 0;
    if (theirs == NULL && !survives) {
        /* The winner is closed already: all of it ends, and what we made is ours to close. */
        sa->state = SA_REPLACED;
        sa->deadline = instant_after_s(w->step.now, REPLACED_LINGER_S);
        create_inherit(w, sa, heir);
        info_begin_close_ike(w, heir, 0);
        world_rearm(w, heir);
        return;
    }
    if (theirs != NULL && !survives) {
        /* We close what we made; the peer closes the old one. */
        sa->state = SA_REPLACED;
        sa->deadline = instant_after_s(w->step.now, REPLACED_LINGER_S);
        create_inherit(w, sa, theirs);
        heir->state = SA_REPLACED;
        info_begin_close_ike(w, heir, 0);
        world_rearm(w, heir);
        return;
    }
    if (theirs != NULL) { /* its maker closes it */
        theirs->state = SA_REPLACED;
        theirs->deadline = instant_after_s(w->step.now, REPLACED_LINGER_S);
        hand_over(w, theirs, heir);
        world_rearm(w, theirs);
    }
    create_inherit(w, sa, heir);
    sa->state = SA_REPLACED;
    heir->follows = sa->id;
    info_begin_close_ike(w, sa, 0);
}

void create_conclude(struct world *w, struct ike_sa *sa, struct task *t, struct message *m)
{
    message_trail(w, t->record, m, m->header.length, 0);
    if (retry_group(w, sa, t, m,
                    t->kind == TASK_REKEY_IKE ? &sa->conn->proposals : &t->conf->esp_proposals))
        return;
    task_take(sa, t);
    if (t->kind == TASK_REKEY_IKE)
        conclude_ike(w, sa, m, t);
    else
        conclude_child(w, sa, m, t);
    late_forget(sa);
    task_free(t);
}
