/* CHILD SAs of an IKE SA: choosing, accepting, installing, ending. RFC 7296 1.3.1, 2.8, 2.9, 2.17.
 *
 * The data plane is told by effects. On a rekeying the new SA pair is added before the old one
 * goes: as initiator we send on the new one at once; as responder only when the peer uses it or
 * closes the old one (2.8). */
#include <stdlib.h>

#include "ike2/inside.h"

struct selectors child_ts(struct world *w, const struct selectors *configured,
                          const struct address *host)
{
    struct selectors out = {NULL, 0};
    policy_resolve_selectors(configured, host, &w->arena, &out);
    return out;
}

struct child_sa *child_by_id(const struct ike_sa *sa, uint32_t id)
{
    for (struct child_sa *c = sa->children; c != NULL; c = c->next)
        if (c->id == id)
            return c;
    return NULL;
}

struct child_sa *child_by_spi_out(const struct ike_sa *sa, uint32_t spi)
{
    for (struct child_sa *c = sa->children; c != NULL; c = c->next)
        if (c->spi_out == spi && c->state != CHILD_SA_LINGERS)
            return c;
    return NULL;
}

struct child_sa *child_by_name(const struct ike_sa *sa, const char *name)
{
    for (struct child_sa *c = sa->children; c != NULL; c = c->next)
        if (c->state == CHILD_SA_UP && strcmp(c->conf->name, name) == 0)
            return c;
    return NULL;
}

/* ---- payloads ---- */

static struct span spi_octets(struct world *w, uint32_t spi)
{
    uint8_t *at = arena_alloc(&w->arena, 4);
    struct writer out = writer_of(at, at == NULL ? 0 : 4);
    put_u32(&out, spi);
    return writer_span(&out);
}

static void write_ts(struct world *w, struct outgoing *o, uint8_t type, const struct selectors *s)
{
    struct ts_list list = {NULL, 0};
    policy_selectors_to_wire(s, &w->arena, &list);
    struct gap g = out_open(o, type);
    wire_write_ts(&o->writer, &list);
    out_close(o, g);
}

bool child_write_offer(struct world *w, struct outgoing *o, const struct ike_sa *sa,
                       const struct task *t, bool with_ke)
{
    struct proposals offer;
    struct child_offer ours;
    if (!policy_copy_proposals(&t->conf->esp_proposals, spi_octets(w, t->spi_in), with_ke,
                               &w->arena, &offer))
        return false;
    child_offer_of(w, sa, t, &ours);
    child_write_offer_notifies(o, &ours);
    struct gap g = out_open(o, PAYLOAD_SA);
    wire_write_sa(&o->writer, &offer);
    out_close(o, g);
    return true;
}

void child_write_offer_ts(struct world *w, struct outgoing *o, const struct ike_sa *sa,
                          const struct task *t)
{
    struct child_offer ours;
    child_offer_of(w, sa, t, &ours);
    write_ts(w, o, PAYLOAD_TSI, &ours.local);
    write_ts(w, o, PAYLOAD_TSR, &ours.remote);
}

void child_write_choice(struct world *w, struct outgoing *o, const struct child_plan *p)
{
    struct proposal chosen;
    struct proposals one = {&chosen, 1};
    child_write_choice_notifies(o, p);
    policy_suite_proposal(&p->suite, PROTOCOL_ESP, spi_octets(w, p->spi_in), &w->arena, &chosen);
    struct gap g = out_open(o, PAYLOAD_SA);
    wire_write_sa(&o->writer, &one);
    out_close(o, g);
}

void child_write_choice_ts(struct world *w, struct outgoing *o, const struct child_plan *p)
{
    /* The answer's TSi is the peer's side, TSr ours. */
    write_ts(w, o, PAYLOAD_TSI, &p->remote);
    write_ts(w, o, PAYLOAD_TSR, &p->local);
}

/* ---- reading what the peer sent ---- */

struct asked_child {
    const struct payload *sa, *tsi_p, *tsr_p;
    struct proposals offered;
    struct selectors tsi, tsr;
    struct child_says says;
};

static bool read_child(struct world *w, const struct message *m, struct asked_child *out,
                       struct finding *why)
{
    struct ts_list tsi, tsr;
    uint32_t at = 0;
    if ((out->sa = need_payload(w, m, PAYLOAD_SA, why)) == NULL ||
        (out->tsi_p = need_payload(w, m, PAYLOAD_TSI, why)) == NULL ||
        (out->tsr_p = need_payload(w, m, PAYLOAD_TSR, why)) == NULL)
        return false;
    if (!wire_parse_sa(out->sa->body, &w->arena, &out->offered, &at)) {
        bad_payload(w, m, out->sa, "a well-formed SA payload", why);
        why->evidence.offset += WIRE_PAYLOAD_HEADER_LEN + at;
        return false;
    }
    if (!wire_parse_ts(out->tsi_p->body, &w->arena, &tsi, &at) ||
        !policy_selectors_from_wire(&tsi, &w->arena, &out->tsi)) {
        bad_payload(w, m, out->tsi_p, "well-formed traffic selectors", why);
        return false;
    }
    if (!wire_parse_ts(out->tsr_p->body, &w->arena, &tsr, &at) ||
        !policy_selectors_from_wire(&tsr, &w->arena, &out->tsr)) {
        bad_payload(w, m, out->tsr_p, "well-formed traffic selectors", why);
        return false;
    }
    out->says = child_read_notifies(m);
    return true;
}

/* The SPI of the proposal with this number. */
static bool peer_spi(const struct proposals *p, uint8_t number, uint32_t *out)
{
    for (size_t i = 0; i < p->count; i++) {
        if (p->at[i].number != number || p->at[i].spi.len != 4)
            continue;
        struct reader r = reader_of(p->at[i].spi);
        *out = take_u32(&r);
        return *out != 0;
    }
    return false;
}

/* A child of ours, held against the request. */
struct candidate {
    struct conn *conn;
    const struct child_conf *conf;
    struct selectors local, remote; /* configured, and what a rekeyed one carries */
};

static struct candidate candidate_of(struct world *w, const struct ike_sa *sa, struct conn *conn,
                                     const struct child_conf *conf, const struct child_sa *old)
{
    struct candidate c = {conn, conf, child_ts(w, &conf->local_ts, &sa->path.local),
                          child_ts(w, &conf->remote_ts, &sa->path.remote)};
    if (old != NULL && old->mode == MODE_TUNNEL) {
        /* RFC 7296 2.9.2: never narrower than what is in use. */
        c.local = child_join(w, &c.local, &old->local_ts);
        c.remote = child_join(w, &c.remote, &old->remote_ts);
    }
    return c;
}

/* How far a child of ours meets the selectors: 0 not at all, 1 local only, 2 both. */
static unsigned meet_ts(struct world *w, const struct message *m, const struct asked_child *asked,
                        const struct selectors *tsi, const struct selectors *tsr,
                        const struct candidate *c, struct child_plan *plan, struct finding *why)
{
    if (!policy_narrow(tsr, &c->local, CAUSE_CHILD_TS_UNACCEPTABLE, &w->arena, &plan->local, why)) {
        why->param = policy_param(&w->arena, c->conn, c->conf, "local_ts");
        finding_about(why, m, asked->tsr_p, true);
        return 0;
    }
    if (!policy_narrow(tsi, &c->remote, CAUSE_CHILD_TS_UNACCEPTABLE, &w->arena, &plan->remote,
                       why)) {
        why->param = policy_param(&w->arena, c->conn, c->conf, "remote_ts");
        finding_about(why, m, asked->tsi_p, true);
        return 1;
    }
    plan->asked_local = *tsr;
    plan->asked_remote = *tsi;
    return 2;
}

/* RFC 7296 2.23.1: in transport mode the addresses are those that we see; only if that comes to
 * nothing is it a tunnel between those that the peer names. */
static unsigned meet_mode(struct world *w, const struct ike_sa *sa, const struct message *m,
                          const struct asked_child *asked, const struct candidate *c,
                          struct child_plan *plan, struct finding *why)
{
    plan->mode = MODE_TUNNEL;
    plan->why_tunnel = c->conf->mode != MODE_TRANSPORT ? NULL
                       : asked->says.transport         ? ""
                                                       : "the peer did not ask for it";
    if (c->conf->mode == MODE_TRANSPORT && asked->says.transport) {
        struct selectors tsi = asked->tsi, tsr = asked->tsr;
        if (sa->has_nat_there)
            tsi = child_substitute(w, &tsi, &sa->path.remote);
        if (sa->has_nat_here)
            tsr = child_substitute(w, &tsr, &sa->path.local);
        if (meet_ts(w, m, asked, &tsi, &tsr, c, plan, why) == 2 &&
            child_is_host_to_host(w, sa, &plan->local, &plan->remote, &plan->why_tunnel)) {
            plan->mode = MODE_TRANSPORT;
            plan->why_tunnel = NULL;
            return 2;
        }
        if (plan->why_tunnel[0] == '\0')
            plan->why_tunnel = "the selectors of the two sides only meet in a tunnel";
    }
    return meet_ts(w, m, asked, &asked->tsi, &asked->tsr, c, plan, why);
}

/* 0 to 2 as above, 3: selectors and proposals. */
static unsigned meet(struct world *w, const struct ike_sa *sa, const struct message *m,
                     const struct asked_child *asked, const struct candidate *c, bool is_create,
                     uint16_t group, struct child_plan *plan, struct finding *why)
{
    unsigned met = meet_mode(w, sa, m, asked, c, plan, why);
    if (met < 2)
        return met;
    if (!policy_choose_proposal(&asked->offered, &c->conf->esp_proposals, PROTOCOL_ESP, is_create,
                                group, CAUSE_CHILD_NO_COMMON_PROPOSAL, &w->arena, &plan->suite,
                                why)) {
        why->param = policy_param(&w->arena, c->conn, c->conf, "esp_proposals");
        finding_about(why, m, asked->sa, true);
        return 2;
    }
    plan->conn = c->conn;
    plan->conf = c->conf;
    plan->refuses_tfc = asked->says.refuses_tfc;
    plan->takes_fragments = asked->says.takes_fragments && plan->mode == MODE_TUNNEL;
    return 3;
}

/* Of several children that meet a request the best is taken: one that carries the peer's first
 * selectors before others (RFC 7296 2.9), then by how well the selectors fit, then in our order. */
static unsigned rank(const struct asked_child *asked, const struct child_plan *plan,
                     const struct candidate *c)
{
    enum { HAS_FIRST = 1u << 30 };
    struct selectors first_i = {asked->tsi.at, asked->tsi.count > 0 ? 1 : 0},
                     first_r = {asked->tsr.at, asked->tsr.count > 0 ? 1 : 0};
    bool has_first =
        plan->mode == MODE_TRANSPORT || (policy_selectors_within(&first_i, &plan->remote) &&
                                         policy_selectors_within(&first_r, &plan->local));
    return (has_first ? HAS_FIRST : 0) + policy_selectors_likeness(&asked->tsr, &c->local) +
           policy_selectors_likeness(&asked->tsi, &c->remote);
}

static bool holds(const struct child_plan *whole, const struct child_plan *part)
{
    return policy_selectors_within(&part->local, &whole->local) &&
           policy_selectors_within(&part->remote, &whole->remote);
}

/* An authenticated peer may not make us keep children without end. */
static bool has_room(struct world *w, const struct ike_sa *sa, const struct message *m,
                     struct finding *why)
{
    unsigned count = 0;
    for (const struct child_sa *c = sa->children; c != NULL; c = c->next)
        count++;
    if (count < CHILDREN_MAX)
        return true;
    finding_set(why, CAUSE_CHILD_TOO_MANY);
    finding_about(why, m, wire_find(m, PAYLOAD_SA), true);
    why->expected = arena_text(&w->arena, "at most %d CHILD SAs of one IKE SA", CHILDREN_MAX);
    why->seen = "one more";
    return false;
}

bool child_choose(struct world *w, const struct ike_sa *sa, const struct message *m,
                  const struct child_sa *old, bool is_create, uint16_t ke_group,
                  struct child_plan *out, struct finding *why)
{
    struct asked_child asked;
    memset(out, 0, sizeof *out);
    if (!read_child(w, m, &asked, why) || !child_wants_no_address(w, sa, m, why) ||
        (old == NULL && !has_room(w, sa, m, why)))
        return false;
    /* What is loaded now counts, not what was when the IKE SA began. */
    struct conn *conn = world_find_conn(w, sa->conn->name);
    if (conn == NULL || old != NULL)
        conn = sa->conn;
    struct child_plan others = {0};
    struct finding nearest;
    unsigned nearest_met = 0, best = 0;
    bool any = false;
    for (size_t i = 0; i < (old != NULL ? 1 : conn->child_count); i++) {
        const struct child_conf *conf = old != NULL ? old->conf : &conn->children[i];
        if (conf->mode == MODE_PASS || conf->mode == MODE_DROP)
            continue; /* a policy without a peer */
        struct candidate c = candidate_of(w, sa, conn, conf, old);
        struct child_plan plan = {0};
        struct finding here;
        unsigned met = meet(w, sa, m, &asked, &c, is_create, ke_group, &plan, &here);
        if (met == 3) {
            unsigned score = 1 + rank(&asked, &plan, &c);
            if (out->conf != NULL && score <= best) {
                if (!holds(out, &plan))
                    out->has_more = true;
                continue;
            }
            others = *out;
            *out = plan;
            out->has_more = others.conf != NULL && (others.has_more || !holds(out, &others));
            best = score;
            continue;
        }
        if (!any || met > nearest_met) {
            nearest = here;
            nearest_met = met;
        }
        any = true;
    }
    if (out->conf != NULL) {
        if (peer_spi(&asked.offered, out->suite.proposal_number, &out->spi_out))
            return true;
        bad_payload(w, m, asked.sa, "an SPI of four octets in the proposal", why);
        return false;
    }
    if (any) {
        *why = nearest;
        return false;
    }
    finding_set(why, CAUSE_CHILD_TS_UNACCEPTABLE);
    finding_about(why, m, asked.tsi_p, true);
    why->param = policy_param(&w->arena, conn, NULL, "children");
    why->expected = "no child at all: none is configured";
    why->seen = arena_text(&w->arena, "%s === %s", policy_selectors_text(&asked.tsr, &w->arena),
                           policy_selectors_text(&asked.tsi, &w->arena));
    return false;
}

static bool child_error(struct world *w, const struct message *m, const struct task *t,
                        struct finding *why)
{
    struct notify n;
    if (!message_error(m, &n))
        return false;
    enum cause cause;
    const char *key = "esp_proposals";
    switch (n.type) {
    case NOTIFY_NO_PROPOSAL_CHOSEN:
        cause = t->kind == TASK_REKEY_CHILD ? CAUSE_CHILD_REKEY_REFUSED
                                            : CAUSE_CHILD_PEER_REFUSED_PROPOSAL;
        break;
    case NOTIFY_TS_UNACCEPTABLE:
        cause = CAUSE_CHILD_PEER_TS_UNACCEPTABLE;
        key = "remote_ts";
        break;
    case NOTIFY_SINGLE_PAIR_REQUIRED:
        cause = CAUSE_CHILD_SINGLE_PAIR;
        key = "remote_ts";
        break;
    case NOTIFY_NO_ADDITIONAL_SAS:
        cause = CAUSE_CHILD_NO_ADDITIONAL_SAS;
        break;
    case NOTIFY_TEMPORARY_FAILURE:
        cause = CAUSE_CHILD_TEMPORARY_FAILURE;
        break;
    case NOTIFY_CHILD_SA_NOT_FOUND:
        cause = CAUSE_CHILD_NOT_FOUND;
        break;
    case NOTIFY_INVALID_KE_PAYLOAD:
        cause = CAUSE_IKE_GROUP_NOT_ALLOWED;
        break;
    default:
        cause = CAUSE_MSG_ERROR_NOTIFY;
        break;
    }
    finding_set(why, cause);
    finding_about(why, m, wire_find(m, PAYLOAD_NOTIFY), true);
    why->notify = n.type;
    why->param = policy_param(&w->arena, t->conn, t->conf, key);
    why->expected = strcmp(key, "remote_ts") == 0
                        ? arena_text(&w->arena, "local %s, remote %s",
                                     policy_selectors_text(&t->conf->local_ts, &w->arena),
                                     policy_selectors_text(&t->conf->remote_ts, &w->arena))
                        : policy_proposals_text(&t->conf->esp_proposals, &w->arena);
    why->seen = arena_text(&w->arena, "the peer answered %s (%u)",
                           wire_notify_name(n.type, &w->arena), n.type);
    why->confidence = 90;
    return true;
}

/* The mode that the answer settles; the selectors as this host sees them. RFC 7296 1.3.1, 2.23.1.
 */
static bool accept_mode(struct world *w, const struct ike_sa *sa, const struct message *m,
                        const struct task *t, const struct asked_child *answer,
                        const struct child_offer *offer, struct child_plan *out,
                        struct finding *why)
{
    out->mode = MODE_TUNNEL;
    out->why_tunnel = offer->why_tunnel;
    if (answer->says.transport && offer->mode != MODE_TRANSPORT) {
        finding_set(why, CAUSE_CHILD_MODE_NOT_SERVED);
        finding_about(why, m, wire_find(m, PAYLOAD_NOTIFY), true);
        why->param = policy_param(&w->arena, t->conn, t->conf, "mode");
        why->expected = "tunnel mode, as asked for";
        why->seen = "the peer answered USE_TRANSPORT_MODE";
        return false;
    }
    if (offer->mode != MODE_TRANSPORT)
        return true;
    if (!answer->says.transport) {
        out->why_tunnel = "the peer did not agree to it";
        return true;
    }
    out->mode = MODE_TRANSPORT;
    if (sa->has_nat_here)
        out->local = child_substitute(w, &out->local, &sa->path.local);
    if (sa->has_nat_there)
        out->remote = child_substitute(w, &out->remote, &sa->path.remote);
    return true;
}

bool child_accept(struct world *w, const struct ike_sa *sa, const struct message *m,
                  const struct task *t, bool is_create, struct child_plan *out, struct finding *why)
{
    struct asked_child answer;
    memset(out, 0, sizeof *out);
    if (wire_find(m, PAYLOAD_SA) == NULL && child_error(w, m, t, why))
        return false;
    if (!read_child(w, m, &answer, why))
        return false;
    out->conn = t->conn;
    out->conf = t->conf;
    out->spi_in = t->spi_in;
    out->is_initiator = out->use_at_once = true;
    peer_spi(&answer.offered, answer.offered.count > 0 ? answer.offered.at[0].number : 0,
             &out->spi_out);
    if (!policy_check_chosen(&answer.offered, &t->conf->esp_proposals, PROTOCOL_ESP, is_create,
                             CAUSE_CHILD_PROPOSAL_NOT_OFFERED, &w->arena, &out->suite, why)) {
        why->param = policy_param(&w->arena, t->conn, t->conf, "esp_proposals");
        finding_about(why, m, answer.sa, true);
        return false;
    }
    if (out->spi_out == 0) {
        bad_payload(w, m, answer.sa, "an SPI of four octets in the proposal", why);
        return false;
    }
    struct child_offer offer;
    child_offer_of(w, sa, t, &offer);
    out->asked_local = offer.local;
    out->asked_remote = offer.remote;
    out->local = answer.tsi;
    out->remote = answer.tsr;
    out->refuses_tfc = answer.says.refuses_tfc;
    out->takes_fragments = offer.takes_fragments && answer.says.takes_fragments;
    out->has_more = answer.says.has_more;
    if (!accept_mode(w, sa, m, t, &answer, &offer, out, why))
        return false;
    if (out->local.count > SELECTORS_MAX || out->remote.count > SELECTORS_MAX) {
        bad_payload(w, m, out->local.count > SELECTORS_MAX ? answer.tsi_p : answer.tsr_p,
                    "at most 64 traffic selectors", why);
        return false;
    }
    bool local_ok = out->local.count > 0 && policy_selectors_within(&out->local, &out->asked_local);
    if (!local_ok || out->remote.count == 0 ||
        !policy_selectors_within(&out->remote, &out->asked_remote)) {
        finding_set(why, CAUSE_CHILD_TS_WIDENED);
        finding_about(why, m, local_ok ? answer.tsr_p : answer.tsi_p, true);
        why->param = policy_param(&w->arena, t->conn, t->conf, local_ok ? "remote_ts" : "local_ts");
        why->expected =
            policy_selectors_text(local_ok ? &out->asked_remote : &out->asked_local, &w->arena);
        why->seen = policy_selectors_text(local_ok ? &out->remote : &out->local, &w->arena);
        return false;
    }
    return true;
}

/* ---- installing ---- */

void child_schedule(struct world *w, struct child_sa *c)
{
    const struct child_conf *conf = c->conf;
    c->installed = w->step.now;
    c->gone_at = c->rekey_at = c->expire_at = INSTANT_NEVER;
    if (conf->rekey_time_s != 0) {
        uint64_t jitter = rng_below(w->rng, conf->rand_time_s + 1);
        uint64_t after =
            jitter < conf->rekey_time_s ? conf->rekey_time_s - jitter : conf->rekey_time_s;
        c->rekey_at = instant_after_s(w->step.now, (int64_t)after);
    }
    if (conf->life_time_s != 0)
        c->expire_at = instant_after_s(w->step.now, (int64_t)conf->life_time_s);
}

static uint64_t soft_limit(struct world *w, uint64_t limit, uint64_t random)
{
    if (limit == 0)
        return 0;
    uint64_t jitter = rng_below(w->rng, random + 1);
    return jitter < limit ? limit - jitter : limit;
}

static bool add_sa(struct world *w, const struct ike_sa *sa, const struct child_sa *c,
                   bool is_inbound, bool use_at_once, const struct child_keys *keys)
{
    struct sa_spec *spec = arena_alloc(&w->arena, sizeof *spec);
    struct effect *fx = spec == NULL ? NULL : step_add(&w->step, FX_SA_ADD);
    if (fx == NULL)
        return false;
    const struct child_conf *conf = c->conf;
    *spec = (struct sa_spec){
        .spi = is_inbound ? c->spi_in : c->spi_out,
        .child_id = c->id,
        .is_inbound = is_inbound,
        .is_initial_out = use_at_once,
        .mode = c->mode,
        .local = sa->path.local,
        .remote = sa->path.remote,
        .in_udp = c->in_udp,
        .encr = crypto_encr(c->suite.encr, c->suite.encr_bits),
        .integ = crypto_integ(c->suite.integ),
        .keys = *keys,
        .esn = c->suite.esn,
        .replay_window = conf->replay_window,
        .copy_df = conf->copy_df,
        .copy_ecn = conf->copy_ecn,
        .copy_dscp = conf->copy_dscp,
        .local_ts = world_copy_selectors(w, &c->local_ts),
        .remote_ts = world_copy_selectors(w, &c->remote_ts),
        .soft_bytes = soft_limit(w, conf->rekey_bytes, conf->rand_bytes),
        .soft_packets = soft_limit(w, conf->rekey_packets, conf->rand_packets),
        .hard_bytes = conf->life_bytes,
        .hard_packets = conf->life_packets,
        .conn_name = arena_text(&w->arena, "%s", c->conn->name),
        .child_name = arena_text(&w->arena, "%s", conf->name),
        .reqid = c->reqid,
        .tells_use = conf->inactivity_s != 0,
        .takes_fragments = c->takes_fragments,
        .mends_checksums = c->mode == MODE_TRANSPORT && (sa->has_nat_here || sa->has_nat_there),
        .pad_to = is_inbound || c->refuses_tfc || c->mode != MODE_TUNNEL
                      ? 0
                      : (uint16_t)conf->tfc_padding,
    };
    if (spec->encr != NULL && spec->encr->is_aead)
        spec->integ = NULL;
    fx->sa = spec;
    return spec->encr != NULL;
}

static void set_policy(struct world *w, const struct ike_sa *sa, const struct child_sa *c,
                       bool is_set)
{
    struct effect *fx = c->conf->has_policies ? step_add(&w->step, FX_POLICY_SET) : NULL;
    if (fx == NULL)
        return;
    fx->policy.child_id = c->id;
    fx->policy.is_set = is_set;
    fx->policy.mode = c->mode;
    fx->policy.conn_name = arena_text(&w->arena, "%s", c->conn->name);
    fx->policy.child_name = arena_text(&w->arena, "%s", c->conf->name);
    fx->policy.local_ts = world_copy_selectors(w, &c->local_ts);
    fx->policy.remote_ts = world_copy_selectors(w, &c->remote_ts);
    fx->policy.local = sa->path.local;
    fx->policy.remote = sa->path.remote;
    fx->policy.priority = c->conf->priority;
    fx->policy.reqid = c->reqid;
}

/* A rekeyed one keeps its number; one of a trap has that of the trap. */
static void child_set_reqid(struct world *w, const struct ike_sa *sa, struct child_sa *c)
{
    const struct child_sa *old = c->replaces == 0 ? NULL : child_by_id(sa, c->replaces);
    uint32_t known = old != NULL ? old->reqid : standing_reqid(w, c->conn->name, c->conf->name);
    c->reqid = known != 0 ? known : reqid_take(w, c->conn, c->conf, &c->local_ts, &c->remote_ts);
    if (known != 0)
        reqid_share(w, c->conf, known);
}

struct child_sa *child_install(struct world *w, struct ike_sa *sa, const struct child_plan *p,
                               struct span nonce_i, struct span nonce_r, struct span shared,
                               struct finding *why)
{
    struct child_keys i_to_r = {0}, r_to_i = {0};
    struct child_sa *c = calloc(1, sizeof *c);
    finding_set(why, CAUSE_RES_MEMORY);
    why->expected = "a CHILD SA";
    if (c == NULL) {
        world_free_esp_spi(w, p->spi_in);
        return NULL;
    }
    c->conf = p->conf;
    c->spi_in = p->spi_in;
    c->spi_out = p->spi_out;
    c->suite = p->suite;
    c->replaces = p->replaces;
    c->in_udp = sa->wants_udp;
    c->mode = p->mode;
    c->takes_fragments = p->takes_fragments;
    c->refuses_tfc = p->refuses_tfc;
    c->id = world_new_child_id(w);
    c->is_waiting_for_use = !p->use_at_once;
    if (!child_derive_keys(sa->prf, ike2_key(sa, KEY_D), shared, nonce_i, nonce_r, &p->suite,
                           &i_to_r, &r_to_i)) {
        finding_set(why, CAUSE_RES_CRYPTO);
        why->expected = "keys of the CHILD SA";
        child_keys_clear(&i_to_r);
        child_keys_clear(&r_to_i);
        world_free_esp_spi(w, p->spi_in);
        free(c);
        return NULL;
    }
    c->conn = policy_conn_ref(p->conn);
    child_schedule(w, c);
    bool ok = policy_selectors_dup(&p->local, &c->local_ts) &&
              policy_selectors_dup(&p->remote, &c->remote_ts) && map_set(&w->by_child, c->id, sa) &&
              map_set(&w->by_esp_spi, c->spi_in, sa);
    if (!ok) {
        map_remove(&w->by_child, c->id);
        world_free_esp_spi(w, c->spi_in);
        policy_selectors_free(&c->local_ts);
        policy_selectors_free(&c->remote_ts);
        policy_conn_unref(c->conn);
        free(c);
        child_keys_clear(&i_to_r);
        child_keys_clear(&r_to_i);
        return NULL;
    }
    child_set_reqid(w, sa, c);
    const struct child_sa *old = c->replaces == 0 ? NULL : child_by_id(sa, c->replaces);
    c->used = old == NULL ? w->step.now : old->used;
    c->next = sa->children;
    sa->children = c;
    w->counters.child_sas++;
    add_sa(w, sa, c, true, false, p->is_initiator ? &r_to_i : &i_to_r);
    add_sa(w, sa, c, false, p->use_at_once, p->is_initiator ? &i_to_r : &r_to_i);
    child_keys_clear(&i_to_r);
    child_keys_clear(&r_to_i);
    set_policy(w, sa, c, true);
    if (p->replaces == 0)
        world_event(w, EVENT_CHILD_UP, sa, c);
    else if (!p->is_quiet)
        child_event_rekeyed(w, sa, c);
    return c;
}

void child_event_rekeyed(struct world *w, const struct ike_sa *sa, const struct child_sa *c)
{
    struct effect *fx = world_event(w, EVENT_CHILD_REKEYED, sa, c);
    if (fx != NULL)
        fx->event.old_id = c->replaces;
}

void child_use(struct world *w, struct child_sa *c)
{
    if (!c->is_waiting_for_use)
        return;
    c->is_waiting_for_use = false;
    struct effect *fx = step_add(&w->step, FX_SA_USE);
    if (fx == NULL)
        return;
    fx->use.spi_out = c->spi_out;
    fx->use.child_id = c->id;
}

static void remove_sa(struct world *w, const struct child_sa *c, bool is_inbound)
{
    struct effect *fx = step_add(&w->step, FX_SA_REMOVE);
    if (fx == NULL)
        return;
    fx->remove.spi = is_inbound ? c->spi_in : c->spi_out;
    fx->remove.child_id = c->id;
    fx->remove.is_inbound = is_inbound;
}

void child_remove_outbound(struct world *w, struct child_sa *c)
{
    if (c->is_outbound_removed)
        return;
    remove_sa(w, c, false);
    c->is_outbound_removed = true;
    c->is_waiting_for_use = false;
}

void child_drop(struct world *w, struct ike_sa *sa, struct child_sa *c, bool with_event)
{
    struct child_sa **link = &sa->children;
    while (*link != c)
        link = &(*link)->next;
    *link = c->next;
    if (with_event && c->state != CHILD_SA_REPLACED && c->state != CHILD_SA_LINGERS)
        world_event(w, EVENT_CHILD_DOWN, sa, c);
    child_remove_outbound(w, c);
    remove_sa(w, c, true);
    set_policy(w, sa, c, false);
    reqid_give_back(w, c->conf, c->reqid);
    map_remove(&w->by_child, c->id);
    world_free_esp_spi(w, c->spi_in);
    w->counters.child_sas--;
    policy_selectors_free(&c->local_ts);
    policy_selectors_free(&c->remote_ts);
    policy_conn_unref(c->conn);
    free(c);
}
