/* What the initiator makes of answers to IKE_SA_INIT. RFC 7296 1.2, 2.6, 2.7, 2.21.1.
 *
 * Nothing protects them. COOKIE and INVALID_KE_PAYLOAD are followed, a bounded number of times;
 * everything else that is not the answer to one of our requests is a doubt (doubt.c) and we wait
 * on. An answer is held against the offer before anything is computed from it. */
#include <stdlib.h>

#include "ike2/fragment.h"
#include "ike2/inside.h"

enum { COOKIES_MAX = 3, COOKIE_MAX = 64 };

/* The corrective answers, which are told and then followed. */
static bool was_repeated(const struct ike_sa *sa)
{
    const struct sent *s = sa->window.sent;
    return s != NULL && s->repeats + s->copies > 0;
}

static void on_cookie(struct world *w, struct ike_sa *sa, const struct message *m,
                      const struct notify *n)
{
    struct setup *s = sa->setup;
    struct finding why;
    if (n->data.len == 0 || n->data.len > COOKIE_MAX) {
        bad_payload(w, m, wire_find(m, PAYLOAD_NOTIFY), "a cookie of 1 to 64 octets", &why);
        doubt_note(w, sa, &why);
        return;
    }
    /* The same cookie again is the network's doing, which repeats the answer to our first request,
     * unless the second one was repeated meanwhile. */
    if (s->cookie != NULL && span_equal(n->data, span_of(s->cookie, s->cookie_len)) &&
        !was_repeated(sa)) {
        w->counters.dropped++;
        return;
    }
    bool is_loop = s->cookies >= COOKIES_MAX;
    if (s->cookies < UINT8_MAX)
        s->cookies++;
    finding_set(&why, is_loop ? CAUSE_IKE_COOKIE_LOOP : CAUSE_IKE_COOKIE);
    finding_about(&why, m, wire_find(m, PAYLOAD_NOTIFY), true);
    why.notify = NOTIFY_COOKIE;
    why.expected = "an answer to the request with the cookie";
    why.seen = arena_text(&w->arena, "cookie number %u", s->cookies);
    if (is_loop) {
        doubt_refuse(w, sa, &why);
        return;
    }
    ike2_refused(w, sa, sa->record, &why);
    uint8_t *cookie = malloc(n->data.len);
    if (cookie == NULL)
        return;
    memcpy(cookie, n->data.at, n->data.len);
    free(s->cookie);
    s->cookie = cookie;
    s->cookie_len = (uint8_t)n->data.len;
    init_repeat_with_cookie(w, sa);
}

static void on_invalid_ke(struct world *w, struct ike_sa *sa, const struct message *m,
                          const struct notify *n)
{
    struct setup *s = sa->setup;
    struct finding why;
    struct reader r = reader_of(n->data);
    uint16_t group = take_u16(&r);
    struct transform asked = {.type = TRANSFORM_KE, .id = group}, ours = asked;
    ours.id = s->group;
    if (!done(&r)) {
        bad_payload(w, m, wire_find(m, PAYLOAD_NOTIFY), "a group number of two octets", &why);
        doubt_note(w, sa, &why);
        return;
    }
    bool is_allowed = policy_offers_group(&sa->conn->proposals, group) && crypto_ke(group) != NULL;
    struct init_try *tried = init_try_of(s, group);
    /* The same group again is the network's doing, which repeats the answer to our first request,
     * unless the second one was repeated meanwhile. */
    if (tried != NULL && s->group_turns > 0 && group == s->group && !was_repeated(sa)) {
        w->counters.dropped++;
        return;
    }
    /* Back to a group that we had is right when what made us leave it was forged; but not for
     * ever. */
    bool is_again = group == s->group || s->group_turns >= INIT_TRIES_MAX ||
                    (tried == NULL && s->try_count == INIT_TRIES_MAX);
    finding_set(&why, !is_allowed ? CAUSE_IKE_GROUP_NOT_ALLOWED
                      : is_again  ? CAUSE_IKE_GROUP_RETRIED
                                  : CAUSE_IKE_GROUP_RETRY);
    finding_about(&why, m, wire_find(m, PAYLOAD_NOTIFY), true);
    why.notify = NOTIFY_INVALID_KE_PAYLOAD;
    why.param = policy_param(&w->arena, sa->conn, NULL, "proposals");
    why.expected = policy_transform_text(&ours, &w->arena);
    why.seen = policy_transform_text(&asked, &w->arena);
    if (!is_allowed || is_again) {
        doubt_refuse(w, sa, &why);
        return;
    }
    ike2_refused(w, sa, sa->record, &why);
    s->group_turns++;
    s->group = group;
    if (tried != NULL)
        init_repeat_with_cookie(w, sa);
    else
        init_send(w, sa);
}

static void on_init_error(struct world *w, struct ike_sa *sa, const struct message *m,
                          const struct notify *n)
{
    struct finding why;
    enum cause cause = n->type == NOTIFY_NO_PROPOSAL_CHOSEN      ? CAUSE_IKE_PEER_REFUSED_PROPOSAL
                       : n->type == NOTIFY_INVALID_MAJOR_VERSION ? CAUSE_MSG_MAJOR_VERSION
                                                                 : CAUSE_MSG_ERROR_NOTIFY;
    finding_set(&why, cause);
    finding_about(&why, m, wire_find(m, PAYLOAD_NOTIFY), true);
    why.notify = n->type;
    if (cause == CAUSE_IKE_PEER_REFUSED_PROPOSAL) {
        why.param = policy_param(&w->arena, sa->conn, NULL, "proposals");
        why.expected = arena_text(&w->arena, "one of our proposals: %s",
                                  policy_proposals_text(&sa->conn->proposals, &w->arena));
        why.confidence = 80;
    } else {
        why.expected = "an answer";
    }
    why.seen = arena_text(&w->arena, "the peer answered %s (%u)",
                          wire_notify_name(n->type, &w->arena), n->type);
    doubt_refuse(w, sa, &why);
}

/* The move to port 4500, RFC 7296 2.23: as soon as a NAT is known, before IKE_AUTH. */
static void float_ports(struct world *w, struct ike_sa *sa)
{
    if (!sa->wants_udp || sa->path.marker)
        return;
    sa->path.local.port = w->options.nat_port;
    if (sa->path.remote.port == IKE_PORT)
        sa->path.remote.port = IKE_NAT_PORT;
    sa->path.marker = true;
}

/* ---- the answer ---- */

struct init_answer {
    const struct payload *ke_p, *nonce_p;
    struct span nonce, value;
    struct suite suite;
    struct init_try *tried; /* our request that it answers */
};

static bool read_answer(struct world *w, const struct ike_sa *sa, const struct message *m,
                        struct init_answer *out, struct finding *why, bool *is_refusal)
{
    struct proposals answer;
    struct ke_payload ke;
    uint32_t at = 0;
    *is_refusal = false;
    const struct payload *sa_p = need_payload(w, m, PAYLOAD_SA, why);
    out->ke_p = sa_p == NULL ? NULL : need_payload(w, m, PAYLOAD_KE, why);
    out->nonce_p = out->ke_p == NULL ? NULL : need_payload(w, m, PAYLOAD_NONCE, why);
    if (out->nonce_p == NULL || !rules_single(w, m, why))
        return false;
    if (!wire_parse_sa(sa_p->body, &w->arena, &answer, &at)) {
        bad_payload(w, m, sa_p, "a well-formed SA payload", why);
        why->evidence.offset += WIRE_PAYLOAD_HEADER_LEN + at;
        return false;
    }
    if (!wire_parse_ke(out->ke_p->body, &ke)) {
        bad_payload(w, m, out->ke_p, "a well-formed KE payload", why);
        return false;
    }
    if (!wire_parse_nonce(out->nonce_p->body, &out->nonce)) {
        bad_payload(w, m, out->nonce_p, "a nonce of 16 to 256 octets", why);
        return false;
    }
    if (m->header.spi_r == 0) {
        bad_payload(w, m, sa_p, "a responder's SPI in the header", why);
        why->seen = "zero";
        return false;
    }
    /* From here on it is a choice, which is ours or is not. */
    *is_refusal = true;
    if (!policy_check_chosen(&answer, &sa->conn->proposals, PROTOCOL_IKE, true,
                             CAUSE_IKE_PROPOSAL_NOT_OFFERED, &w->arena, &out->suite, why)) {
        why->param = policy_param(&w->arena, sa->conn, NULL, "proposals");
        finding_about(why, m, sa_p, true);
        return false;
    }
    if (answer.at[0].spi.len != 0) { /* RFC 7296 3.3.1 */
        bad_payload(w, m, sa_p, "no SPI in the proposal of an initial IKE SA", why);
        return false;
    }
    out->value = ke.value;
    out->tried = init_try_of(sa->setup, ke.group);
    if (out->suite.ke != ke.group || out->tried == NULL) {
        struct transform seen = {.type = TRANSFORM_KE, .id = ke.group},
                         expected = {.type = TRANSFORM_KE, .id = sa->setup->group};
        finding_set(why, CAUSE_IKE_PROPOSAL_NOT_OFFERED);
        finding_about(why, m, out->ke_p, true);
        why->param = policy_param(&w->arena, sa->conn, NULL, "proposals");
        why->expected = policy_transform_text(&expected, &w->arena);
        why->seen = policy_transform_text(&seen, &w->arena);
        return false;
    }
    return true;
}

/* false: why is ike.bad-public-value or res.crypto, and the SA is as before. */
static bool take_keys(struct world *w, struct ike_sa *sa, const struct message *m,
                      const struct init_answer *a, struct finding *why)
{
    struct setup *s = sa->setup;
    BIG_SECRET shared = {{0}, 0};
    SECRET skeyseed = {{0}, 0};
    const char *reason = "";
    struct span nonce_i = span_of(s->nonce, NONCE_LEN);
    if (!crypto_ke_shared(a->tried->ke, a->value, &shared, &reason)) {
        struct transform group = {.type = TRANSFORM_KE, .id = a->tried->group};
        finding_set(why, CAUSE_IKE_BAD_PUBLIC_VALUE);
        finding_about(why, m, a->ke_p, true);
        why->expected = arena_text(&w->arena, "a public value of group %s",
                                   policy_transform_text(&group, &w->arena));
        why->seen = reason;
        return false;
    }
    sa->spi_r = m->header.spi_r;
    if (ike2_set_suite(sa, &a->suite) &&
        crypto_skeyseed(sa->prf, nonce_i, a->nonce, big_secret_span(&shared), &skeyseed) &&
        ike2_derive(sa, secret_span(&skeyseed), nonce_i, a->nonce))
        return true;
    sa->spi_r = 0;
    finding_set(why, CAUSE_RES_CRYPTO);
    why->expected = "the keys of the IKE SA";
    why->seen = "refused by the crypto library";
    return false;
}

/* An answer without SA payload. */
static void on_notify_only(struct world *w, struct ike_sa *sa, const struct message *m)
{
    struct finding why;
    struct notify n;
    if (wire_find_notify(m, NOTIFY_INVALID_KE_PAYLOAD, &n)) {
        on_invalid_ke(w, sa, m, &n);
    } else if (wire_find_notify(m, NOTIFY_COOKIE, &n)) {
        on_cookie(w, sa, m, &n);
    } else if (message_error(m, &n)) {
        on_init_error(w, sa, m, &n);
    } else {
        need_payload(w, m, PAYLOAD_SA, &why);
        doubt_note(w, sa, &why);
    }
}

bool init_accept(struct world *w, struct ike_sa *sa, const struct datagram *d, struct message *m,
                 struct finding *why, bool *is_refusal)
{
    struct setup *s = sa->setup;
    struct notify n;
    struct init_answer a;
    if (!read_answer(w, sa, m, &a, why, is_refusal))
        return false;
    uint8_t *copy = malloc(d->bytes.len);
    if (copy == NULL || !take_keys(w, sa, m, &a, why)) {
        if (copy == NULL) {
            finding_set(why, CAUSE_RES_MEMORY);
            why->expected = "room for the answer to IKE_SA_INIT";
        }
        free(copy);
        return false;
    }
    memcpy(copy, d->bytes.at, d->bytes.len);
    free(s->response);
    s->response = copy;
    s->response_len = (uint32_t)d->bytes.len;
    s->nonce_r = span_of(copy + a.nonce_p->offset + WIRE_PAYLOAD_HEADER_LEN, a.nonce.len);
    s->request = a.tried->request;
    s->request_len = a.tried->request_len;
    s->nonce_i = span_of(s->request + a.tried->nonce_at, NONCE_LEN);
    fragment_agree(sa, m);
    s->peer_allows_childless = wire_find_notify(m, NOTIFY_CHILDLESS_IKEV2_SUPPORTED, &n);
    s->refusal = 0; /* it is told as a contradiction when the SA stands */
    sa->deadline = INSTANT_NEVER;
    struct path came = path_of_datagram(d); /* the hashes are about where it really came from */
    nat_note_answer(w, sa, d, m);
    init_detect_nat(sa, m, &came);
    float_ports(w, sa);
    window_answered(&sa->window, 0);
    sa->heard = w->step.now;
    sa->state = SA_AWAIT_AUTH_ANSWER;
    struct record *r = sa->record;
    if (r != NULL) {
        r->spi_r = sa->spi_r;
        r->local = sa->path.local;
        r->remote = sa->path.remote;
        r->ike_suite = a.suite;
        r->has_nat_here = sa->has_nat_here;
        r->has_nat_there = sa->has_nat_there;
        r->phase = PHASE_IKE_AUTH;
    }
    auth_send(w, sa);
    return true;
}

void init_conclude(struct world *w, struct ike_sa *sa, const struct datagram *d, struct message *m)
{
    struct finding why;
    uint8_t critical;
    bool is_refusal;
    sa->setup->has_answered = true;
    message_trail(w, sa->record, m, d->bytes.len, 0);
    if (!rules_critical(w, m, &critical, &why)) {
        doubt_refuse(w, sa, &why);
        return;
    }
    if (wire_find(m, PAYLOAD_SA) == NULL) {
        on_notify_only(w, sa, m);
        return;
    }
    if (init_accept(w, sa, d, m, &why, &is_refusal))
        return;
    if (is_refusal)
        doubt_refuse(w, sa, &why);
    else
        doubt_note(w, sa, &why);
}
