/* IKE_SA_INIT, RFC 7296 1.2, 2.6 (cookies), 2.7 (proposals and groups), 2.23 (NAT detection).
 *
 * Initiator: SA_AWAIT_PATH → SA_AWAIT_INIT_ANSWER → init_answer.c. Each group that we asked with
 * keeps its request, because the answer may be to any of them. Responder: everything is checked on
 * locals; a half-open SA is made only when the answer is complete. */
#include <stdlib.h>

#include "ike2/fragment.h"
#include "ike2/inside.h"

enum {
    PATH_WAIT_S = 60,
    SHOWN_OCTETS = 16,
    /* A half-open SA keeps its first request; honest ones are below 3000 octets. */
    INIT_REQUEST_MAX = 8192,
};

const struct payload *need_payload(struct world *w, const struct message *m, uint8_t type,
                                   struct finding *why)
{
    const struct payload *p = wire_find(m, type);
    if (p == NULL) {
        finding_set(why, CAUSE_MSG_MISSING_PAYLOAD);
        finding_about(why, m, NULL, true);
        why->evidence.payload = type;
        why->expected =
            arena_text(&w->arena, "a payload %s in %s", wire_payload_name(type, &w->arena),
                       wire_exchange_name(m->header.exchange, &w->arena));
        why->seen = "none";
    }
    return p;
}

void bad_payload(struct world *w, const struct message *m, const struct payload *p,
                 const char *expected, struct finding *why)
{
    finding_set(why, CAUSE_MSG_BAD_SYNTAX);
    finding_about(why, m, p, true);
    why->expected = expected;
    why->seen = arena_text(&w->arena, "%zu octets: %s", p->body.len,
                           arena_hex(&w->arena, p->body, SHOWN_OCTETS));
}

/* ---- NAT detection ---- */

static bool nat_hash(uint64_t spi_i, uint64_t spi_r, const struct address *at,
                     uint8_t out[SHA1_LEN])
{
    uint8_t spis[16], port[2] = {(uint8_t)(at->port >> 8), (uint8_t)at->port};
    struct writer w = writer_of(spis, sizeof spis);
    put_u64(&w, spi_i);
    put_u64(&w, spi_r);
    struct span parts[] = {writer_span(&w), address_octets(at), span_of(port, 2)};
    return crypto_sha1(parts, 3, out);
}

static void write_nat_detection(struct outgoing *o, const struct path *path, bool is_faked)
{
    uint8_t hash[SHA1_LEN];
    if (is_faked)
        rng_fill(o->w->rng, hash, sizeof hash);
    else if (!nat_hash(o->header.spi_i, o->header.spi_r, &path->local, hash))
        return;
    out_notify(o, NOTIFY_NAT_DETECTION_SOURCE_IP, span_of(hash, sizeof hash));
    if (nat_hash(o->header.spi_i, o->header.spi_r, &path->remote, hash))
        out_notify(o, NOTIFY_NAT_DETECTION_DESTINATION_IP, span_of(hash, sizeof hash));
}

/* One of the hashes of this type fits; *any tells whether there is one at all. */
static bool nat_matches(const struct message *m, uint16_t type, const struct address *at, bool *any)
{
    uint8_t hash[SHA1_LEN];
    bool matches = false;
    *any = false;
    if (!nat_hash(m->header.spi_i, m->header.spi_r, at, hash))
        return true;
    for (size_t i = 0; i < m->payload_count; i++) {
        struct notify n;
        if (m->payloads[i].type != PAYLOAD_NOTIFY || !wire_parse_notify(m->payloads[i].body, &n) ||
            n.type != type)
            continue;
        *any = true;
        matches |= span_equal(n.data, span_of(hash, sizeof hash));
    }
    return matches;
}

void init_detect_nat(struct ike_sa *sa, const struct message *m, const struct path *path)
{
    bool any;
    bool same = nat_matches(m, NOTIFY_NAT_DETECTION_SOURCE_IP, &path->remote, &any);
    sa->has_nat_there = any && !same;
    same = nat_matches(m, NOTIFY_NAT_DETECTION_DESTINATION_IP, &path->local, &any);
    sa->has_nat_here = any && !same;
    sa->wants_udp =
        any && (sa->has_nat_there || sa->has_nat_here || (sa->conn != NULL && sa->conn->encap));
}

/* ---- initiator ---- */

void init_start(struct world *w, struct ike_sa *sa)
{
    struct conn *c = sa->conn;
    const struct host_pattern *remote = NULL, *local = NULL;
    for (size_t i = 0; i < c->remote_count && remote == NULL; i++)
        if (c->remote_addrs[i].kind == HOST_ADDRESS || c->remote_addrs[i].kind == HOST_NAME)
            remote = &c->remote_addrs[i];
    for (size_t i = 0; i < c->local_count && local == NULL; i++)
        if (c->local_addrs[i].kind == HOST_ADDRESS || c->local_addrs[i].kind == HOST_NAME)
            local = &c->local_addrs[i];
    if (remote == NULL) {
        struct finding why;
        finding_set(&why, CAUSE_NET_NO_REMOTE_ADDRESS);
        why.param = policy_param(&w->arena, c, NULL, "remote_addrs");
        why.expected = "an address or a name";
        why.seen = c->remote_count == 0 ? "%any" : policy_host_text(&c->remote_addrs[0], &w->arena);
        ike2_setup_failed(w, sa, &why);
        return;
    }
    sa->deadline = instant_after_s(w->step.now, PATH_WAIT_S);
    struct effect *fx = step_add(&w->step, FX_ASK);
    if (fx == NULL)
        return; /* the deadline ends it */
    fx->ask.ticket = sa->id;
    fx->ask.kind = QUESTION_PATH;
    fx->ask.local = local;
    fx->ask.remote = remote;
    fx->ask.remote_port = c->remote_port == 0 ? IKE_PORT : c->remote_port;
    /* As charon: a message to another port than 500 has a non-ESP marker and leaves from our NAT
     * port. */
    sa->path.marker = fx->ask.remote_port != IKE_PORT;
    fx->ask.local_port = sa->path.marker                                   ? w->options.nat_port
                         : c->local_port == 0 || c->local_port == IKE_PORT ? w->options.port
                                                                           : c->local_port;
}

struct ike_sa *ike2_initiate(struct world *w, struct conn *conn, const struct child_conf *conf,
                             uint64_t ticket, uint8_t attempt)
{
    struct ike_sa *sa = world_new_sa(w, conn, true);
    if (sa == NULL)
        return NULL;
    sa->spi_i = world_new_ike_spi(w);
    sa->state = SA_AWAIT_PATH;
    sa->setup = calloc(1, sizeof *sa->setup);
    struct task *t = task_new(w, sa, TASK_SETUP, 0); /* the caller answers the ticket until... */
    if (sa->setup == NULL || t == NULL || !world_add_spi(w, sa)) {
        world_drop_sa(w, sa);
        return NULL;
    }
    t->ticket = ticket; /* ... it has begun */
    sa->setup->began = w->step.now;
    sa->setup->began_s = w->step.wall_s;
    sa->setup->attempt = attempt;
    sa->setup->group = policy_first_group(&conn->proposals);
    rng_fill(w->rng, sa->setup->nonce, NONCE_LEN);
    if (conf != NULL) {
        t->conn = policy_conn_ref(conn);
        t->conf = conf;
    }
    ike2_setup_record(w, sa);
    if (sa->record != NULL && conf != NULL)
        record_set_text(&sa->record->child, conf->name);
    init_start(w, sa);
    world_rearm(w, sa);
    return sa;
}

void ike2_on_answer(struct world *w, struct ike_sa *sa, const struct answer *a)
{
    if (a->kind == QUESTION_SENT) {
        nat_on_answer(w, sa, a);
        return;
    }
    if (sa->state != SA_AWAIT_PATH)
        return;
    if (!a->ok) {
        struct finding why;
        finding_set(&why, a->cause);
        why.param = policy_param(&w->arena, sa->conn, NULL, "remote_addrs");
        why.expected = "an address that can be reached";
        why.seen = a->error == NULL ? "" : a->error;
        ike2_setup_failed(w, sa, &why);
        return;
    }
    sa->path.local = a->local;
    sa->path.remote = a->remote;
    if (sa->record != NULL) {
        sa->record->local = a->local;
        sa->record->remote = a->remote;
    }
    sa->state = SA_AWAIT_INIT_ANSWER;
    sa->deadline = INSTANT_NEVER;
    init_send(w, sa);
    world_rearm(w, sa);
}

struct init_try *init_try_of(struct setup *s, uint16_t group)
{
    for (size_t i = 0; i < s->try_count; i++)
        if (s->tries[i].group == group)
            return &s->tries[i];
    return NULL;
}

/* The request with the present group; its first one has a new key pair. */
static struct init_try *make_try(struct world *w, struct setup *s, uint8_t *public)
{
    const struct ke *ke = crypto_ke(s->group);
    if (ke == NULL || s->try_count == INIT_TRIES_MAX)
        return NULL;
    struct ke_pair *pair = crypto_ke_new(ke, w->rng, public);
    if (pair == NULL)
        return NULL;
    struct init_try *t = &s->tries[s->try_count++];
    *t = (struct init_try){.group = s->group, .ke = pair};
    return t;
}

void init_fail_crypto(struct world *w, struct ike_sa *sa, const char *what)
{
    struct finding why;
    finding_set(&why, CAUSE_RES_CRYPTO);
    why.expected = what;
    why.seen = "refused by the crypto library";
    ike2_setup_failed(w, sa, &why);
}

/* Sends and keeps the request: AUTH is about its octets. */
static bool send_request(struct world *w, struct ike_sa *sa, struct init_try *t, struct outgoing *o,
                         size_t nonce_at)
{
    struct span message = out_finish(o);
    uint8_t *copy = message.len == 0 ? NULL : malloc(message.len);
    window_restart(&sa->window);
    if (copy == NULL ||
        !window_send(&sa->window, message, &w->options.retransmission, w->rng, w->step.now)) {
        free(copy);
        init_fail_crypto(w, sa, "room for the first message");
        return false;
    }
    window_hurry(&sa->window, &w->options.retransmission, w->step.now);
    memcpy(copy, message.at, message.len);
    free(t->request);
    t->request = copy;
    t->request_len = (uint32_t)message.len;
    t->nonce_at = (uint32_t)nonce_at;
    out_send(w, &sa->path, message);
    out_trail(o, sa->record, message);
    return true;
}

bool init_send(struct world *w, struct ike_sa *sa)
{
    struct setup *s = sa->setup;
    const struct ke *ke = crypto_ke(s->group);
    uint8_t *public = ke == NULL ? NULL : arena_alloc(&w->arena, ke->public_len);
    struct init_try *t = public == NULL ? NULL : make_try(w, s, public);
    struct proposals offer;
    if (t == NULL || !policy_copy_proposals(&sa->conn->proposals, (struct span){NULL, 0}, true,
                                            &w->arena, &offer)) {
        init_fail_crypto(w, sa, "a key pair of the first configured group");
        return false;
    }
    struct outgoing o;
    out_begin(&o, w, sa, EXCHANGE_IKE_SA_INIT, false, 0);
    o.header.spi_r = 0;
    if (s->cookie != NULL)
        out_notify(&o, NOTIFY_COOKIE, span_of(s->cookie, s->cookie_len));
    struct gap g = out_open(&o, PAYLOAD_SA);
    wire_write_sa(&o.writer, &offer);
    out_close(&o, g);
    g = out_open(&o, PAYLOAD_KE);
    wire_write_ke(&o.writer, &(struct ke_payload){s->group, span_of(public, ke->public_len)});
    out_close(&o, g);
    g = out_open(&o, PAYLOAD_NONCE);
    size_t nonce_at = o.writer.len;
    wire_write_nonce(&o.writer, span_of(s->nonce, NONCE_LEN));
    out_close(&o, g);
    write_nat_detection(&o, &sa->path, sa->conn->encap);
    fragment_announce(&o, sa->conn);
    return send_request(w, sa, t, &o, nonce_at);
}

bool init_repeat_with_cookie(struct world *w, struct ike_sa *sa)
{
    struct setup *s = sa->setup;
    struct init_try *t = init_try_of(s, s->group);
    struct message sent;
    struct wire_error error;
    struct outgoing o;
    size_t nonce_at = 0;
    if (t == NULL || !wire_parse_message(span_of(t->request, t->request_len), &sent, &error))
        return false;
    out_begin(&o, w, sa, EXCHANGE_IKE_SA_INIT, false, 0);
    o.header.spi_r = 0;
    if (s->cookie != NULL)
        out_notify(&o, NOTIFY_COOKIE, span_of(s->cookie, s->cookie_len));
    for (size_t i = 0; i < sent.payload_count; i++) {
        const struct payload *p = &sent.payloads[i];
        struct notify n;
        if (p->type == PAYLOAD_NOTIFY && wire_parse_notify(p->body, &n) && n.type == NOTIFY_COOKIE)
            continue;
        struct gap g = out_open(&o, p->type);
        if (p->type == PAYLOAD_NONCE)
            nonce_at = o.writer.len;
        put_span(&o.writer, p->body);
        out_close(&o, g);
    }
    return send_request(w, sa, t, &o, nonce_at);
}

/* ---- responder ---- */

void ike2_send_plain_notify(struct world *w, const struct datagram *d, const struct ike_header *h,
                            uint16_t type, struct span data)
{
    struct outgoing o;
    struct ike_header answer = *h;
    answer.version = 0x20;
    answer.flags = (uint8_t)(((h->flags & IKE_FLAG_INITIATOR) != 0 ? 0 : IKE_FLAG_INITIATOR) |
                             IKE_FLAG_RESPONSE);
    out_begin_plain(&o, w, &answer);
    out_notify(&o, type, data);
    struct span message = out_finish(&o);
    struct path back = path_of_datagram(d);
    if (message.len > 0)
        out_send(w, &back, message);
}

/* A refusal before there is an SA: a record of its own, and the notify that the cause names. */
static void refuse_stranger(struct world *w, const struct datagram *d, const struct message *m,
                            const struct conn *conn, const struct finding *cause, struct span data)
{
    struct finding why = *cause;
    uint16_t notify = ikebana_cause_row(why.cause)->notify;
    if (why.cause == CAUSE_IKE_NO_CONNECTION && w->options.is_silent_without_conn)
        notify = 0;
    /* What cannot be read may be shorter than an answer: those are bounded too. */
    if (notify != 0 && (m->payload_count > 0 || !world_is_past_records(w)))
        ike2_send_plain_notify(w, d, &m->header, notify, data);
    if (!world_may_record_stranger(w)) {
        w->counters.failures++;
        return;
    }
    struct record *r = record_new(RECORD_IKE, w->step.now, w->step.wall_s);
    if (r == NULL)
        return;
    r->local = d->local;
    r->remote = d->remote;
    r->spi_i = m->header.spi_i;
    record_set_text(&r->conn, conn == NULL ? NULL : conn->name);
    why.notify = notify;
    why.phase = PHASE_IKE_SA_INIT;
    message_trail(w, r, m, d->bytes.len, 0);
    struct trail_entry *sent = notify == 0 ? NULL : record_add_trail(r, w->step.now);
    if (sent != NULL) {
        sent->exchange = EXCHANGE_IKE_SA_INIT;
        sent->flags = TRAIL_SENT | TRAIL_RESPONSE;
        sent->size = (uint16_t)(WIRE_HEADER_LEN + 8 + data.len);
        sent->notifies[0] = notify;
        sent->payloads = (uint32_t)1 << (PAYLOAD_NOTIFY - 33);
    }
    ike2_refused(w, NULL, r, &why);
    ike2_record_end(w, r,
                    ikebana_cause_row(why.cause)->severity == SEVERITY_FAILURE ? RESULT_FAILED
                                                                               : RESULT_CLOSED,
                    PHASE_IKE_SA_INIT);
}

static struct conn *choose_conn(struct world *w, const struct datagram *d, const struct message *m,
                                const struct proposals *offered, uint16_t group,
                                struct suite *suite, struct finding *why, struct conn **nearest)
{
    struct conn **list;
    size_t count = conf_by_address(w, &d->local, &d->remote, &list);
    *nearest = NULL;
    if (count == 0) {
        finding_set(why, CAUSE_IKE_NO_CONNECTION);
        finding_about(why, m, NULL, true);
        why->param = "connections";
        why->expected =
            arena_text(&w->arena, "a connection from %s to %s", address_text(&w->arena, &d->local),
                       address_text(&w->arena, &d->remote));
        why->seen =
            w->conn_count == 0 ? "no connection is loaded" : address_text(&w->arena, &d->remote);
        return NULL;
    }
    for (size_t i = 0; i < count; i++) {
        struct finding here;
        if (policy_choose_proposal(offered, &list[i]->proposals, PROTOCOL_IKE, true, group,
                                   CAUSE_IKE_NO_COMMON_PROPOSAL, &w->arena, suite, &here))
            return list[i];
        if (i == 0) {
            *why = here;
            why->param = policy_param(&w->arena, list[0], NULL, "proposals");
            finding_about(why, m, wire_find(m, PAYLOAD_SA), true);
            *nearest = list[0];
        }
    }
    return NULL;
}

static bool write_init_answer(struct world *w, struct ike_sa *sa, const struct suite *suite,
                              struct span public, const uint8_t nonce[NONCE_LEN], size_t *nonce_at,
                              struct outgoing *o, struct span *message)
{
    struct proposal chosen;
    struct proposals one = {&chosen, 1};
    policy_suite_proposal(suite, PROTOCOL_IKE, (struct span){NULL, 0}, &w->arena, &chosen);
    out_begin(o, w, sa, EXCHANGE_IKE_SA_INIT, true, 0);
    struct gap g = out_open(o, PAYLOAD_SA);
    wire_write_sa(&o->writer, &one);
    out_close(o, g);
    g = out_open(o, PAYLOAD_KE);
    wire_write_ke(&o->writer, &(struct ke_payload){suite->ke, public});
    out_close(o, g);
    g = out_open(o, PAYLOAD_NONCE);
    *nonce_at = o->writer.len;
    wire_write_nonce(&o->writer, span_of(nonce, NONCE_LEN));
    out_close(o, g);
    write_nat_detection(o, &sa->path, sa->conn->encap);
    if (sa->may_fragment)
        fragment_announce(o, sa->conn);
    if (sa->conn->childless != CHILDLESS_NEVER) /* RFC 6023 3 */
        out_notify(o, NOTIFY_CHILDLESS_IKEV2_SUPPORTED, (struct span){NULL, 0});
    *message = out_finish(o);
    return message->len > 0;
}

void ike2_answer_init(struct world *w, const struct datagram *d)
{
    struct message m;
    struct wire_error error = {0};
    struct finding why;
    struct span nothing = {NULL, 0};
    if (!wire_parse_message(d->bytes, &m, &error)) {
        /* RFC 7296 2.21.1: INVALID_SYNTAX may be said in clear here; once is enough, it makes no
         * state. */
        finding_set(&why, CAUSE_MSG_BAD_SYNTAX);
        finding_about(&why, &m, NULL, true);
        why.evidence.payload = error.payload;
        why.evidence.offset = error.offset;
        why.expected = "well-formed payloads";
        why.seen = error.what == NULL ? "" : error.what;
        w->counters.dropped++;
        m.payload_count = 0;
        m.has_sk = false;
        refuse_stranger(w, d, &m, NULL, &why, nothing);
        return;
    }
    if (d->bytes.len > INIT_REQUEST_MAX) {
        finding_set(&why, CAUSE_MSG_BAD_SYNTAX);
        finding_about(&why, &m, NULL, true);
        why.expected = arena_text(&w->arena, "at most %d octets", INIT_REQUEST_MAX);
        why.seen = arena_text(&w->arena, "%zu octets", d->bytes.len);
        refuse_stranger(w, d, &m, NULL, &why, nothing);
        return;
    }
    uint8_t critical = 0;
    if (!rules_critical(w, &m, &critical, &why)) {
        refuse_stranger(w, d, &m, NULL, &why, span_of(&critical, 1));
        return;
    }
    if (!rules_single(w, &m, &why)) {
        refuse_stranger(w, d, &m, NULL, &why, nothing);
        return;
    }
    const struct payload *sa_p, *ke_p, *nonce_p;
    struct proposals offered;
    struct ke_payload ke;
    struct span nonce_i;
    uint32_t at = 0;
    if ((sa_p = need_payload(w, &m, PAYLOAD_SA, &why)) == NULL ||
        (ke_p = need_payload(w, &m, PAYLOAD_KE, &why)) == NULL ||
        (nonce_p = need_payload(w, &m, PAYLOAD_NONCE, &why)) == NULL) {
        refuse_stranger(w, d, &m, NULL, &why, nothing);
        return;
    }
    if (!wire_parse_sa(sa_p->body, &w->arena, &offered, &at)) {
        bad_payload(w, &m, sa_p, "a well-formed SA payload", &why);
        why.evidence.offset += WIRE_PAYLOAD_HEADER_LEN + at;
        refuse_stranger(w, d, &m, NULL, &why, nothing);
        return;
    }
    if (!wire_parse_ke(ke_p->body, &ke)) {
        bad_payload(w, &m, ke_p, "a well-formed KE payload", &why);
        refuse_stranger(w, d, &m, NULL, &why, nothing);
        return;
    }
    if (!wire_parse_nonce(nonce_p->body, &nonce_i)) {
        bad_payload(w, &m, nonce_p, "a nonce of 16 to 256 octets", &why);
        refuse_stranger(w, d, &m, NULL, &why, nothing);
        return;
    }
    struct suite suite;
    struct conn *nearest;
    struct conn *conn = choose_conn(w, d, &m, &offered, ke.group, &suite, &why, &nearest);
    if (conn == NULL) {
        refuse_stranger(w, d, &m, nearest, &why, nothing);
        return;
    }
    const struct ke *group = crypto_ke(suite.ke);
    if (ke.group != suite.ke) {
        struct transform wanted = {.type = TRANSFORM_KE, .id = suite.ke},
                         sent = {.type = TRANSFORM_KE, .id = ke.group};
        uint8_t number[2] = {(uint8_t)(suite.ke >> 8), (uint8_t)suite.ke};
        finding_set(&why, CAUSE_IKE_GROUP_RETRY);
        finding_about(&why, &m, ke_p, true);
        why.param = policy_param(&w->arena, conn, NULL, "proposals");
        why.expected = policy_transform_text(&wanted, &w->arena);
        why.seen = policy_transform_text(&sent, &w->arena);
        refuse_stranger(w, d, &m, conn, &why, span_of(number, 2));
        return;
    }
    uint8_t *public = arena_alloc(&w->arena, group->public_len), nonce_r[NONCE_LEN];
    BIG_SECRET shared = {{0}, 0};
    const char *reason = "";
    struct ke_pair *pair = public == NULL ? NULL : crypto_ke_new(group, w->rng, public);
    if (pair == NULL || !crypto_ke_shared(pair, ke.value, &shared, &reason)) {
        finding_set(&why, pair == NULL ? CAUSE_RES_CRYPTO : CAUSE_IKE_BAD_PUBLIC_VALUE);
        finding_about(&why, &m, ke_p, true);
        why.expected = arena_text(&w->arena, "a public value of group %s", group->name);
        why.seen = reason;
        crypto_ke_free(pair);
        refuse_stranger(w, d, &m, conn, &why, nothing);
        return;
    }
    crypto_ke_free(pair);
    rng_fill(w->rng, nonce_r, sizeof nonce_r);

    /* Only what the answer needs; the SA itself begins with IKE_AUTH. */
    struct ike_sa draft = {.conn = conn,
                           .spi_i = m.header.spi_i,
                           .spi_r = world_new_ike_spi(w),
                           .path = path_of_datagram(d),
                           .suite = suite};
    struct outgoing o;
    struct span message;
    size_t nonce_at = 0;
    init_detect_nat(&draft, &m, &draft.path);
    fragment_agree(&draft, &m);
    bool ok = write_init_answer(w, &draft, &suite, span_of(public, group->public_len), nonce_r,
                                &nonce_at, &o, &message);
    struct half_open *h = ok ? malloc(sizeof *h + d->bytes.len + message.len + shared.len) : NULL;
    if (h != NULL) {
        *h = (struct half_open){
            .conn = policy_conn_ref(conn),
            .spi_i = draft.spi_i,
            .spi_r = draft.spi_r,
            .path = draft.path,
            .suite = suite,
            .has_nat_here = draft.has_nat_here,
            .has_nat_there = draft.has_nat_there,
            .wants_udp = draft.wants_udp,
            .may_fragment = draft.may_fragment,
            .is_verified = w->asked_is_verified,
            .began = w->step.now,
            .began_s = w->step.wall_s,
            .request_len = (uint16_t)d->bytes.len,
            .response_len = (uint16_t)message.len,
            .shared_len = shared.len,
            .nonce_i_at = (uint16_t)(nonce_p->offset + WIRE_PAYLOAD_HEADER_LEN),
            .nonce_i_len = (uint16_t)nonce_i.len,
            .nonce_r_at = (uint16_t)nonce_at,
            .nonce_r_len = NONCE_LEN,
        };
        memcpy(h->octets, d->bytes.at, d->bytes.len);
        memcpy(h->octets + d->bytes.len, message.at, message.len);
        memcpy(h->octets + d->bytes.len + message.len, shared.bytes, shared.len);
        if (!half_open_add(w, h))
            h = NULL;
    }
    if (h == NULL) {
        finding_set(&why, ok ? CAUSE_RES_MEMORY : CAUSE_RES_CRYPTO);
        why.expected = "a half-open IKE SA";
        refuse_stranger(w, d, &m, conn, &why, nothing);
        return;
    }
    out_send(w, &h->path, message);
    hint_new_contact(w, &d->remote);
}
