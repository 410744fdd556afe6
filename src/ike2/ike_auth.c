/* IKE_AUTH with pre-shared keys, RFC 7296 1.2, 2.15, 2.16; the first CHILD SA is a part of it, and
 * may fail alone (1.2, 2.21.2).
 *
 * Both sides say their identity and prove that they know the key, over the octets of their own
 * first message and the other's nonce. A wrong key and a wrong identity are different findings, and
 * each side knows which it was. */
#include <stdlib.h>

#include "auth/auth.h"
#include "ike2/inside.h"

/* ---- identities ---- */

/* Ours: as configured, else the address that we use. data may point into *address. */
struct identity auth_own_identity(const struct identity *configured, const struct address *address)
{
    if (!policy_identity_is_pattern(configured))
        return *configured;
    return (struct identity){address->family == FAMILY_V4 ? ID_IPV4_ADDR : ID_IPV6_ADDR,
                             address_octets(address)};
}

static struct span id_body(struct world *w, const struct identity *id)
{
    uint8_t *at = arena_alloc(&w->arena, id->data.len + 4);
    struct writer out = writer_of(at, at == NULL ? 0 : id->data.len + 4);
    wire_write_id(&out, &(struct id_payload){id->type, id->data});
    return writer_span(&out);
}

/* What the AUTH of one side covers: its own first message, the other's nonce, its own identity. */
static struct auth_octets auth_about(const struct ike_sa *sa, bool of_initiator, struct span id)
{
    const struct setup *s = sa->setup;
    return (struct auth_octets){
        .init_message = of_initiator ? span_of(s->request, s->request_len)
                                     : span_of(s->response, s->response_len),
        .peer_nonce = of_initiator ? s->nonce_r : s->nonce_i,
        .sk_p = ike2_key(sa, of_initiator ? KEY_PI : KEY_PR),
        .id_body = id,
    };
}

static bool make_auth(const struct ike_sa *sa, const struct psk *psk, bool of_initiator,
                      struct span id, uint8_t *out)
{
    struct auth_octets about = auth_about(sa, of_initiator, id);
    return auth_psk_compute(sa->prf, psk->secret, &about, out);
}

static bool check_auth(const struct ike_sa *sa, const struct psk *psk, bool of_initiator,
                       struct span id, struct span received)
{
    struct auth_octets about = auth_about(sa, of_initiator, id);
    return auth_psk_verify(sa->prf, psk->secret, &about, received);
}

static const char *secret_param(struct world *w, const struct psk *psk)
{
    return arena_text(&w->arena, "secrets.%s", psk->id);
}

static void psk_missing(struct world *w, const struct identity *local,
                        const struct identity *remote, struct finding *why)
{
    finding_set(why, CAUSE_AUTH_PSK_MISSING);
    why->param = "secrets";
    why->expected =
        arena_text(&w->arena, "a secret for %s and %s", policy_identity_text(local, &w->arena),
                   policy_identity_text(remote, &w->arena));
    why->seen = policy_identity_text(remote, &w->arena);
    const char *known = "";
    for (size_t i = 0; i < w->psk_count && i < 8; i++)
        known = arena_text(&w->arena, "%s%s%s", known, i == 0 ? "" : ", ", w->psks[i]->id);
    why->nearest =
        w->psk_count == 0 ? "no secret is loaded" : arena_text(&w->arena, "loaded: %s", known);
}

static void psk_mismatch(struct world *w, const struct message *m, const struct payload *auth,
                         const struct psk *psk, const struct identity *local,
                         const struct identity *remote, struct finding *why)
{
    finding_set(why, CAUSE_AUTH_PSK_MISMATCH);
    finding_about(why, m, auth, true);
    why->param = secret_param(w, psk);
    why->expected = arena_text(&w->arena, "an AUTH payload made with the secret of %s", psk->id);
    why->seen =
        arena_text(&w->arena, "one made with another secret, between %s and %s",
                   policy_identity_text(local, &w->arena), policy_identity_text(remote, &w->arena));
}

static const char *auth_method_text(struct world *w, uint8_t method)
{
    switch (method) {
    case AUTH_METHOD_RSA_DIGITAL_SIGNATURE:
        return "an RSA signature (pubkey)";
    case AUTH_METHOD_SHARED_KEY_MIC:
        return "a pre-shared key (psk)";
    case AUTH_METHOD_DIGITAL_SIGNATURE:
        return "a signature (pubkey)";
    default:
        return arena_text(&w->arena, "method %u", method);
    }
}

/* Both may be NULL-terminated texts of identities; kept for records and lists. */
static void keep_ids(struct world *w, struct ike_sa *sa, const struct identity *local,
                     const struct identity *remote)
{
    if (local != NULL)
        record_set_text(&sa->local_id, policy_identity_text(local, &w->arena));
    if (remote != NULL)
        record_set_text(&sa->remote_id, policy_identity_text(remote, &w->arena));
    if (sa->record != NULL) {
        record_set_text(&sa->record->local_id, sa->local_id);
        record_set_text(&sa->record->remote_id, sa->remote_id);
    }
}

/* Tells why an attempt has failed to all who wait. */
static void end_setup(struct world *w, struct ike_sa *sa, struct finding *why);

/* ---- initiator ---- */

/* 24 s with charon's timeouts. */
enum { REFUSAL_TRIES = 2 };

bool auth_send(struct world *w, struct ike_sa *sa)
{
    struct task *t = sa->tasks;
    struct finding why;
    struct identity local = auth_own_identity(&sa->conn->local.id, &sa->path.local);
    const struct identity *remote = &sa->conn->remote.id;
    struct identity by_address = auth_own_identity(remote, &sa->path.remote);
    keep_ids(w, sa, &local, NULL);
    if (!child_first_or_later(w, sa, &why)) {
        ike2_setup_failed(w, sa, &why);
        return false;
    }
    const struct psk *psk = world_find_psk(w, &local, remote->type != 0 ? remote : &by_address);
    uint8_t auth[PRF_OUT_MAX];
    struct span body = id_body(w, &local);
    if (psk == NULL) {
        psk_missing(w, &local, remote->type != 0 ? remote : &by_address, &why);
        ike2_setup_failed(w, sa, &why);
        return false;
    }
    if (t->conf != NULL && t->spi_in == 0) /* a rival's request is about the same child */
        t->spi_in = world_new_esp_spi(w, sa);
    struct outgoing o;
    struct gap g;
    bool ok = make_auth(sa, psk, true, body, auth);
    out_begin(&o, w, sa, EXCHANGE_IKE_AUTH, false, sa->window.next_id);
    g = out_open(&o, PAYLOAD_IDI);
    put_span(&o.writer, body);
    out_close(&o, g);
    bool is_known = !policy_identity_is_pattern(remote);
    if (is_known && sa->conn->unique != UNIQUE_NEVER && unique_is_first(w, sa, &local, remote))
        out_notify(&o, NOTIFY_INITIAL_CONTACT, (struct span){NULL, 0});
    if (is_known && !sa->conn->remote.is_id_unsaid) {
        g = out_open(&o, PAYLOAD_IDR);
        wire_write_id(&o.writer, &(struct id_payload){remote->type, remote->data});
        out_close(&o, g);
    }
    g = out_open(&o, PAYLOAD_AUTH);
    wire_write_auth(&o.writer, &(struct auth_payload){AUTH_METHOD_SHARED_KEY_MIC,
                                                      span_of(auth, sa->prf->out_len)});
    out_close(&o, g);
    if (t->conf != NULL) {
        ok = ok && t->spi_in != 0 && child_write_offer(w, &o, sa, t, false);
        child_write_offer_ts(w, &o, sa, t);
    }
    secret_wipe(auth, sizeof auth);
    if (sa->record != NULL)
        sa->record->local_auth = AUTH_METHOD_SHARED_KEY_MIC;
    if (!ok) {
        finding_set(&why, CAUSE_RES_CRYPTO);
        why.expected = "an IKE_AUTH request";
        ike2_setup_failed(w, sa, &why);
        return false;
    }
    if (!exchange_send_request(w, sa, t, &o, sa->record)) {
        finding_set(&why, CAUSE_RES_CRYPTO);
        why.expected = "an IKE_AUTH request";
        why.seen = o.writer.full ? "one that is too large" : "none";
        ike2_setup_failed(w, sa, &why);
        return false;
    }
    return true;
}

/* We refuse the responder after it has accepted us: RFC 7296 2.21.2 asks for an INFORMATIONAL of
 * its own. It is repeated for some seconds as any request; meanwhile the SA is closing. */
static void refuse_responder(struct world *w, struct ike_sa *sa, struct finding *why)
{
    struct outgoing o;
    uint16_t notify = ikebana_cause_row(why->cause)->notify;
    why->notify = notify == 0 ? NOTIFY_AUTHENTICATION_FAILED : notify;
    out_begin(&o, w, sa, EXCHANGE_INFORMATIONAL, false, sa->window.next_id);
    out_notify(&o, why->notify, (struct span){NULL, 0});
    struct gap g = out_open(&o, PAYLOAD_DELETE);
    wire_write_delete(&o.writer, &(struct delete_payload){.protocol = PROTOCOL_IKE});
    out_close(&o, g);
    struct task *t = task_new(w, sa, TASK_CLOSE_IKE, 0);
    bool is_sent = t != NULL && exchange_send_request(w, sa, t, &o, sa->record);
    if (!is_sent) {
        ike2_setup_failed(w, sa, why);
        return;
    }
    window_shorten(&sa->window, REFUSAL_TRIES);
    end_setup(w, sa, why);
    for (struct task *other = sa->tasks, *next; other != NULL; other = next) {
        next = other->next;
        if (other == t)
            continue;
        task_take(sa, other);
        if (other->spi_in != 0)
            world_free_esp_spi(w, other->spi_in);
        task_free(other);
    }
    rival_clear(w, sa);
    ike2_forget_setup(sa);
    sa->state = SA_CLOSING;
    sa->was_never_up = true;
    sa->rekey_at = sa->expire_at = sa->deadline = INSTANT_NEVER;
    world_rearm(w, sa);
}

static void on_auth_error(struct world *w, struct ike_sa *sa, const struct task *t,
                          const struct message *m, const struct notify *n)
{
    struct finding why;
    enum cause cause = n->type == NOTIFY_AUTHENTICATION_FAILED ? CAUSE_AUTH_PEER_REFUSED
                       : n->type == NOTIFY_NO_PROPOSAL_CHOSEN  ? CAUSE_CHILD_PEER_REFUSED_PROPOSAL
                       : n->type == NOTIFY_TS_UNACCEPTABLE     ? CAUSE_CHILD_PEER_TS_UNACCEPTABLE
                                                               : CAUSE_MSG_ERROR_NOTIFY;
    finding_set(&why, cause);
    finding_about(&why, m, wire_find(m, PAYLOAD_NOTIFY), true);
    why.notify = n->type;
    why.expected = "an answer that accepts us";
    why.seen = arena_text(&w->arena, "the peer answered %s (%u)",
                          wire_notify_name(n->type, &w->arena), n->type);
    if (cause == CAUSE_AUTH_PEER_REFUSED) {
        struct identity local = auth_own_identity(&sa->conn->local.id, &sa->path.local);
        struct identity remote = auth_own_identity(&sa->conn->remote.id, &sa->path.remote);
        const struct psk *psk = world_find_psk(w, &local, &remote);
        why.param = policy_param(&w->arena, sa->conn, NULL, "local.id");
        why.expected = arena_text(&w->arena, "that it accepts us as %s by %s, and is %s",
                                  policy_identity_text(&local, &w->arena),
                                  psk == NULL ? "a pre-shared key" : secret_param(w, psk),
                                  policy_identity_text(&sa->conn->remote.id, &w->arena));
        why.confidence = 60;
    } else if (t->conf != NULL) {
        why.param = policy_param(&w->arena, sa->conn, t->conf,
                                 cause == CAUSE_CHILD_PEER_REFUSED_PROPOSAL ? "esp_proposals"
                                                                            : "remote_ts");
    }
    ike2_setup_failed(w, sa, &why);
}

/* The child's part of the answer, when the IKE SA stands already. */
static void conclude_first_child(struct world *w, struct ike_sa *sa, struct message *m,
                                 struct task *t, struct record *r, struct span nonce_i,
                                 struct span nonce_r)
{
    struct finding why;
    struct child_plan plan = {0};
    struct child_sa *child = NULL;
    if (t->conf != NULL && child_accept(w, sa, m, t, false, &plan, &why))
        child = child_install(w, sa, &plan, nonce_i, nonce_r, (struct span){NULL, 0}, &why);
    if (child != NULL) {
        t->spi_in = 0;
        ike2_record_child(r, child);
        child_note_agreed(w, sa, &plan, r);
        ike2_record_end(w, r, RESULT_UP, PHASE_CHILD);
        world_outcome(w, t->ticket, true, NULL);
        return;
    }
    if (t->conf == NULL) {
        ike2_record_end(w, r, RESULT_UP, PHASE_ESTABLISHED);
        world_outcome(w, t->ticket, true, NULL);
        return;
    }
    why.phase = PHASE_CHILD;
    ike2_refused(w, sa, r, &why);
    ike2_record_end(w, r, RESULT_PARTIAL, PHASE_CHILD);
    if (!child_retry_pair(w, sa, t, &why)) {
        world_outcome(w, t->ticket, false, &why);
        closing_child_failed(w, sa);
    }
    world_free_esp_spi(w, t->spi_in);
    uint32_t spi_in = t->spi_in;
    t->spi_in = 0;
    if (wire_find(m, PAYLOAD_SA) != NULL) /* the peer has the child, we do not */
        info_begin_disown(w, sa, spi_in);
}

void auth_conclude(struct world *w, struct ike_sa *sa, struct task *t, struct message *m)
{
    struct finding why;
    struct notify n;
    const struct payload *id_p = wire_find(m, PAYLOAD_IDR), *auth_p = wire_find(m, PAYLOAD_AUTH);
    if (auth_p == NULL && message_error(m, &n)) {
        on_auth_error(w, sa, t, m, &n);
        return;
    }
    struct id_payload id;
    struct auth_payload auth;
    if ((id_p = need_payload(w, m, PAYLOAD_IDR, &why)) == NULL ||
        (auth_p = need_payload(w, m, PAYLOAD_AUTH, &why)) == NULL) {
        refuse_responder(w, sa, &why);
        return;
    }
    if (!wire_parse_id(id_p->body, &id) || !wire_parse_auth(auth_p->body, &auth)) {
        bad_payload(w, m, id_p, "well-formed IDr and AUTH payloads", &why);
        refuse_responder(w, sa, &why);
        return;
    }
    struct identity remote = {id.type, id.data};
    struct identity local = auth_own_identity(&sa->conn->local.id, &sa->path.local);
    const struct identity *expected = &sa->conn->remote.id;
    keep_ids(w, sa, &local, &remote);
    if (sa->record != NULL)
        sa->record->remote_auth = auth.method;
    if (policy_identity_match(&remote, expected) == 0) {
        finding_set(&why, CAUSE_AUTH_ID_MISMATCH);
        finding_about(&why, m, id_p, true);
        why.param = policy_param(&w->arena, sa->conn, NULL, "remote.id");
        why.expected = policy_identity_text(expected, &w->arena);
        why.seen = policy_identity_text(&remote, &w->arena);
        refuse_responder(w, sa, &why);
        return;
    }
    if (auth.method != AUTH_METHOD_SHARED_KEY_MIC) {
        finding_set(&why, CAUSE_AUTH_METHOD_MISMATCH);
        finding_about(&why, m, auth_p, true);
        why.param = policy_param(&w->arena, sa->conn, NULL, "remote.auth");
        why.expected = "a pre-shared key (psk)";
        why.seen = auth_method_text(w, auth.method);
        refuse_responder(w, sa, &why);
        return;
    }
    const struct psk *psk = world_find_psk(w, &local, &remote);
    if (psk == NULL) {
        psk_missing(w, &local, &remote, &why);
        refuse_responder(w, sa, &why);
        return;
    }
    if (!check_auth(sa, psk, false, id_p->body, auth.data)) {
        psk_mismatch(w, m, auth_p, psk, &local, &remote, &why);
        refuse_responder(w, sa, &why);
        return;
    }
    if (!unique_admit(w, sa, &local, &remote, m, &why)) {
        refuse_responder(w, sa, &why);
        return;
    }

    /* From here on the IKE SA stands. */
    unique_settle(w, sa, NULL);
    struct record *r = sa->record;
    struct setup *s = sa->setup;
    struct span nonce_i = arena_copy(&w->arena, s->nonce_i);
    struct span nonce_r = arena_copy(&w->arena, s->nonce_r);
    doubt_settle(w, sa, r);
    task_take(sa, t);
    sa->record = NULL;
    ike2_established(w, sa);
    reauth_heard(w, sa, m);
    conclude_first_child(w, sa, m, t, r, nonce_i, nonce_r);
    task_free(t);
}

/* ---- responder ---- */

static void refuse_initiator(struct world *w, struct ike_sa *sa, struct finding *why)
{
    struct outgoing o;
    uint16_t notify = ikebana_cause_row(why->cause)->notify;
    why->notify = notify == 0 ? NOTIFY_AUTHENTICATION_FAILED : notify;
    out_begin(&o, w, sa, EXCHANGE_IKE_AUTH, true, w->asked_id);
    out_notify(&o, why->notify, (struct span){NULL, 0});
    exchange_send_answer(w, sa, &o, ike2_setup_record(w, sa));
    ike2_setup_failed(w, sa, why);
}

void auth_answer(struct world *w, struct ike_sa *sa, struct message *m)
{
    struct finding why;
    struct record *r = ike2_setup_record(w, sa);
    const struct payload *idi_p, *auth_p = wire_find(m, PAYLOAD_AUTH);
    const struct payload *idr_p = wire_find(m, PAYLOAD_IDR);
    struct id_payload idi, idr = {0};
    struct auth_payload auth = {0};
    if ((idi_p = need_payload(w, m, PAYLOAD_IDI, &why)) == NULL) {
        refuse_initiator(w, sa, &why);
        return;
    }
    if (!wire_parse_id(idi_p->body, &idi) || (idr_p != NULL && !wire_parse_id(idr_p->body, &idr)) ||
        (auth_p != NULL && !wire_parse_auth(auth_p->body, &auth))) {
        bad_payload(w, m, idi_p, "well-formed IDi, IDr and AUTH payloads", &why);
        refuse_initiator(w, sa, &why);
        return;
    }
    struct identity remote = {idi.type, idi.data}, asked = {idr.type, idr.data};
    keep_ids(w, sa, idr_p == NULL ? NULL : &asked, &remote);
    if (r != NULL)
        r->remote_auth = auth.method;
    struct conn_choice fit;
    if (!conn_choose(w, sa, m, &remote, idr_p == NULL ? NULL : &asked, &fit, &why)) {
        if (r != NULL)
            record_set_text(&r->conn, sa->conn->name);
        refuse_initiator(w, sa, &why);
        return;
    }
    if (fit.conn != sa->conn)
        world_set_sa_conn(w, sa, fit.conn);
    if (r != NULL)
        record_set_text(&r->conn, sa->conn->name);
    keep_ids(w, sa, &fit.local, NULL);
    if (auth_p == NULL || auth.method != AUTH_METHOD_SHARED_KEY_MIC) {
        finding_set(&why, CAUSE_AUTH_METHOD_MISMATCH);
        finding_about(&why, m, auth_p, true);
        why.param = policy_param(&w->arena, sa->conn, NULL, "remote.auth");
        why.expected = "a pre-shared key (psk)";
        why.seen = auth_p == NULL ? "no AUTH payload: the peer asks for EAP"
                                  : auth_method_text(w, auth.method);
        refuse_initiator(w, sa, &why);
        return;
    }
    const struct psk *psk = world_find_psk(w, &fit.local, &remote);
    if (psk == NULL) {
        psk_missing(w, &fit.local, &remote, &why);
        refuse_initiator(w, sa, &why);
        return;
    }
    uint8_t octets[PRF_OUT_MAX];
    if (!check_auth(sa, psk, true, idi_p->body, auth.data)) {
        psk_mismatch(w, m, auth_p, psk, &fit.local, &remote, &why);
        refuse_initiator(w, sa, &why);
        return;
    }
    if (!unique_admit(w, sa, &fit.local, &remote, m, &why)) {
        refuse_initiator(w, sa, &why);
        return;
    }

    if (!child_may_be_missing(w, sa, m, &why)) {
        refuse_initiator(w, sa, &why);
        return;
    }

    /* The peer is who it says. The child may still fail, alone. */
    struct span nonce_i = arena_copy(&w->arena, sa->setup->nonce_i);
    struct span nonce_r = arena_copy(&w->arena, sa->setup->nonce_r);
    struct span body = id_body(w, &fit.local);
    bool ok = make_auth(sa, psk, false, body, octets);
    bool wants_child = wire_find(m, PAYLOAD_SA) != NULL;
    struct child_plan plan = {0};
    bool has_child = wants_child && child_may_be_first(w, sa, m, &why) &&
                     child_choose(w, sa, m, NULL, false, 0, &plan, &why);
    if (has_child && (plan.spi_in = world_new_esp_spi(w, sa)) == 0) {
        finding_set(&why, CAUSE_CHILD_INSTALL_FAILED);
        why.expected = "a free SPI";
        has_child = false;
    }
    struct outgoing o;
    out_begin(&o, w, sa, EXCHANGE_IKE_AUTH, true, w->asked_id);
    struct gap g = out_open(&o, PAYLOAD_IDR);
    put_span(&o.writer, body);
    out_close(&o, g);
    g = out_open(&o, PAYLOAD_AUTH);
    wire_write_auth(&o.writer, &(struct auth_payload){AUTH_METHOD_SHARED_KEY_MIC,
                                                      span_of(octets, sa->prf->out_len)});
    out_close(&o, g);
    secret_wipe(octets, sizeof octets);
    if (has_child) {
        child_write_choice(w, &o, &plan);
        child_write_choice_ts(w, &o, &plan);
    } else if (wants_child) {
        why.notify = ikebana_cause_row(why.cause)->notify;
        out_notify(&o, why.notify, (struct span){NULL, 0});
    }
    ids_announce(w, sa, &o);
    reauth_tell(&o, sa->conn);
    if (!ok || !exchange_send_answer(w, sa, &o, r)) {
        if (has_child)
            world_free_esp_spi(w, plan.spi_in);
        finding_set(&why, CAUSE_RES_CRYPTO);
        why.expected = "an IKE_AUTH answer";
        ike2_setup_failed(w, sa, &why);
        return;
    }
    if (r != NULL)
        r->local_auth = AUTH_METHOD_SHARED_KEY_MIC;
    sa->record = NULL;
    unique_settle(w, sa, m);
    ike2_established(w, sa);
    struct child_sa *child = NULL;
    if (has_child) {
        plan.use_at_once = true;
        child = child_install(w, sa, &plan, nonce_i, nonce_r, (struct span){NULL, 0}, &why);
    }
    if (child != NULL) {
        ike2_record_child(r, child);
        child_note_agreed(w, sa, &plan, r);
        ike2_record_end(w, r, RESULT_UP, PHASE_CHILD);
    } else if (wants_child) {
        why.phase = PHASE_CHILD;
        ike2_refused(w, sa, r, &why);
        ike2_record_end(w, r, RESULT_PARTIAL, PHASE_CHILD);
        if (has_child) /* our answer says that there is one */
            info_begin_disown(w, sa, plan.spi_in);
        closing_child_failed(w, sa);
    } else {
        ike2_record_end(w, r, RESULT_UP, PHASE_ESTABLISHED);
    }
}

/* ---- both ---- */

void ike2_schedule(struct world *w, struct ike_sa *sa)
{
    const struct conn *c = sa->conn;
    sa->state = SA_UP;
    sa->established = sa->heard = w->step.now;
    nat_sent(w, sa);
    hint_place(w, sa);
    sa->deadline = INSTANT_NEVER;
    if (c->rekey_time_s != 0) {
        uint64_t jitter = rng_below(w->rng, c->rand_time_s + 1);
        uint64_t after = jitter < c->rekey_time_s ? c->rekey_time_s - jitter : c->rekey_time_s;
        sa->rekey_at = instant_after_s(w->step.now, (int64_t)after);
        sa->expire_at = instant_after_s(w->step.now, (int64_t)(c->rekey_time_s + c->over_time_s));
    }
}

void ike2_established(struct world *w, struct ike_sa *sa)
{
    rival_clear(w, sa);
    ike2_forget_setup(sa);
    ike2_schedule(w, sa);
    reauth_schedule(w, sa);
    world_event(w, EVENT_IKE_UP, sa, NULL);
}

static void end_setup(struct world *w, struct ike_sa *sa, struct finding *why)
{
    struct record *r = ike2_setup_record(w, sa);
    struct task *t = sa->tasks;
    uint64_t ticket = t == NULL ? 0 : t->ticket;
    why->phase = why->phase == PHASE_NONE ? ike2_phase(sa, NULL) : why->phase;
    ike2_refused(w, sa, r, why);
    doubt_record(sa, r, why);
    reauth_failed(w, sa, why);
    enum phase phase = ike2_phase(sa, NULL);
    sa->record = NULL;
    bool is_failure = ikebana_cause_row(why->cause)->severity == SEVERITY_FAILURE;
    ike2_record_end(w, r, is_failure ? RESULT_FAILED : RESULT_CLOSED, phase);
    world_outcome(w, ticket, false, why);
    struct wish wish;
    while (wish_take(&sa->wishes, INSTANT_NEVER, &wish)) {
        world_outcome(w, wish.ticket, wish.kind == WISH_CLOSE_IKE, why);
        free(wish.child_name);
    }
    world_outcome(w, sa->close_ticket, true, NULL);
    sa->close_ticket = 0;
}

void ike2_setup_failed(struct world *w, struct ike_sa *sa, struct finding *why)
{
    end_setup(w, sa, why);
    world_drop_sa(w, sa);
}
