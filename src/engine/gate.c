/* The gate: what is decided on the raw datagram, before any state is made or any key exchange is
 * computed. RFC 7296 2.6 (cookies), 2.5 (versions), 2.21.4 (unknown SPIs); RFC 8019 4. Hostile
 * packets are counters; records of strangers, and answers that are longer than what they answer,
 * are bounded.
 *
 * A crowd is asked for cookies: many half-open SAs in all, or of one host (an IPv6 /64 is one), or
 * more refusals in this second than get a record, because a refusal costs as much as a proposal to
 * compare. Who brings a good cookie is where it says it is: its address and port may have 16 times
 * block_threshold, so that nobody behind a NAT is locked out by one neighbour; the host may have
 * 64 times, and then the oldest makes room, unless it is so young that its IKE_AUTH may be on its
 * way. */
#include "engine/inside.h"

enum {
    /* Half-open SAs of those who came with a cookie, against block_threshold for those who did not:
     * one daemon may begin very many tunnels at once from its one port, on a line that loses. */
    PORT_FACTOR = 16,
    HOST_FACTOR = 64,
    DISPLACED_AFTER_MS = 1000, /* an honest IKE_AUTH is here by then */
    HALF_OPEN_MOST = 65536,
};

static void turn_secret(struct engine *e)
{
    struct world *w = &e->world;
    if (!instant_reached(instant_after_s(e->cookie_changed, COOKIE_SECRET_S), w->step.now))
        return;
    /* After a long quiet both are old. */
    bool is_both = instant_reached(instant_after_s(e->cookie_changed, 2 * (int64_t)COOKIE_SECRET_S),
                                   w->step.now);
    for (unsigned i = 0; i < (is_both ? 2 : 1); i++) {
        e->cookie_version++;
        rng_fill(w->rng, e->cookie_secrets[e->cookie_version & 1], COOKIE_SECRET_LEN);
    }
    e->cookie_changed = w->step.now;
}

/* version | HMAC(secret, Ni | IPi | port | SPIi), cut to 16 octets. The port, because the limits
 * count by it. */
static bool make_cookie(const struct engine *e, uint8_t version, const struct datagram *d,
                        uint64_t spi_i, struct span nonce, uint8_t out[COOKIE_LEN])
{
    uint8_t spi[10], mac[SHA256_LEN];
    struct writer s = writer_of(spi, sizeof spi);
    put_u16(&s, d->remote.port);
    put_u64(&s, spi_i);
    struct span parts[] = {nonce, address_octets(&d->remote), writer_span(&s)};
    if (!crypto_hmac_sha256(span_of(e->cookie_secrets[version & 1], COOKIE_SECRET_LEN), parts, 3,
                            mac))
        return false;
    out[0] = version;
    memcpy(out + 1, mac, COOKIE_LEN - 1);
    return true;
}

/* A cookie of the present secret or the one before. */
static bool has_good_cookie(const struct engine *e, const struct datagram *d,
                            const struct message *m, struct span nonce)
{
    struct notify n;
    uint8_t expected[COOKIE_LEN];
    if (!wire_find_notify(m, NOTIFY_COOKIE, &n) || n.data.len != COOKIE_LEN)
        return false;
    struct reader r = reader_of(n.data);
    uint8_t version = take_u8(&r);
    uint8_t age = (uint8_t)(e->cookie_version - version);
    return age <= 1 && make_cookie(e, version, d, m->header.spi_i, nonce, expected) &&
           secret_equal(n.data, span_of(expected, COOKIE_LEN));
}

static void record_stranger(struct engine *e, const struct datagram *d, const struct ike_header *h,
                            struct finding *why)
{
    struct world *w = &e->world;
    if (!world_may_record_stranger(w))
        return;
    struct record *r = record_new(RECORD_IKE, w->step.now, w->step.wall_s);
    if (r == NULL)
        return;
    r->local = d->local;
    r->remote = d->remote;
    r->spi_i = h->spi_i;
    r->spi_r = h->spi_r;
    r->version = (uint8_t)(h->version >> 4);
    r->result = RESULT_FAILED;
    r->phase = why->phase = PHASE_IKE_SA_INIT;
    struct trail_entry *entry = record_add_trail(r, w->step.now);
    if (entry != NULL) {
        entry->exchange = h->exchange;
        entry->size = (uint16_t)d->bytes.len;
        entry->message_id = h->message_id;
        entry->flags = TRAIL_DROPPED;
    }
    record_add_finding(r, why);
    world_emit_record(w, r);
}

static void refuse_crowd(struct engine *e, const struct datagram *d, const struct ike_header *h,
                         const char *param, const char *of, uint64_t most, uint32_t seen)
{
    struct world *w = &e->world;
    struct finding why;
    w->counters.dropped++;
    finding_set(&why, CAUSE_IKE_HALF_OPEN_LIMIT);
    why.param = param;
    why.expected =
        arena_text(&w->arena, "fewer than %llu half-open IKE SAs%s", (unsigned long long)most, of);
    why.seen = arena_text(&w->arena, "%u", seen);
    record_stranger(e, d, h, &why);
}

static bool is_crowded(const struct world *w, const struct datagram *d)
{
    const struct world_options *o = &w->options;
    uint32_t of_host = half_open_of_host(w, &d->remote);
    return w->counters.half_open >= o->cookie_threshold || of_host >= o->cookie_threshold_ip ||
           of_host >= o->block_threshold ||
           (o->cookie_threshold != UINT32_MAX && world_is_past_records(w));
}

/* true: it was old enough to go. */
static bool displace(struct world *w, struct half_open *h)
{
    if (h == NULL || !instant_reached(instant_after_ms(h->began, DISPLACED_AFTER_MS), w->step.now))
        return false;
    half_open_drop(w, h);
    return true;
}

/* It has shown that it is at its address and port. */
static bool admit_verified(struct engine *e, const struct datagram *d, const struct ike_header *h)
{
    struct world *w = &e->world;
    uint32_t block = w->options.block_threshold;
    uint64_t of_port_most = (uint64_t)block * PORT_FACTOR, most = (uint64_t)block * HOST_FACTOR;
    uint32_t of_host = half_open_of_host(w, &d->remote);
    uint32_t of_port = of_host < of_port_most ? 0 : half_open_of_port(w, &d->remote);
    if (of_port >= of_port_most) {
        refuse_crowd(e, d, h, "charon.block_threshold", " of one address and port", of_port_most,
                     of_port);
        return false;
    }
    if (of_host >= most && !displace(w, half_open_oldest(w, &d->remote))) {
        refuse_crowd(e, d, h, "charon.block_threshold", " of one address", most, of_host);
        return false;
    }
    const struct timer *first = timers_first(&w->half_timers);
    if (w->counters.half_open >= HALF_OPEN_MOST && first != NULL && !displace(w, first->owner)) {
        refuse_crowd(e, d, h, "charon.init_limit_half_open", "", HALF_OPEN_MOST,
                     w->counters.half_open);
        return false;
    }
    w->asked_is_verified = true;
    return true;
}

bool gate_admit(struct engine *e, const struct datagram *d, const struct ike_header *h)
{
    struct world *w = &e->world;
    const struct world_options *o = &w->options;
    w->asked_is_verified = false;
    if (o->init_limit_half_open != 0 && w->counters.half_open >= o->init_limit_half_open) {
        refuse_crowd(e, d, h, "charon.init_limit_half_open", "", o->init_limit_half_open,
                     w->counters.half_open);
        return false;
    }
    if (!is_crowded(w, d))
        return true;
    turn_secret(e);
    struct message m;
    struct wire_error error;
    struct span nonce;
    const struct payload *p;
    if (!wire_parse_message(d->bytes, &m, &error) || (p = wire_find(&m, PAYLOAD_NONCE)) == NULL ||
        !wire_parse_nonce(p->body, &nonce)) {
        w->counters.dropped++;
        return false;
    }
    if (has_good_cookie(e, d, &m, nonce))
        return admit_verified(e, d, h);
    uint8_t cookie[COOKIE_LEN];
    if (!make_cookie(e, e->cookie_version, d, h->spi_i, nonce, cookie))
        return false;
    ike2_send_plain_notify(w, d, h, NOTIFY_COOKIE, span_of(cookie, COOKIE_LEN));
    w->counters.cookies_sent++;
    return false;
}

void gate_refuse_version(struct engine *e, const struct datagram *d, const struct ike_header *h)
{
    struct world *w = &e->world;
    struct finding why;
    uint8_t major = h->version >> 4;
    w->counters.dropped++;
    finding_set(&why, CAUSE_MSG_MAJOR_VERSION);
    why.notify = 0;
    why.param = "connections.*.version";
    why.evidence.has_message = why.evidence.is_received = true;
    why.evidence.exchange = h->exchange;
    why.evidence.message_id = h->message_id;
    why.evidence.offset = 17;
    why.expected = "IKEv2";
    why.seen =
        arena_text(&w->arena, "IKEv%u from %s", major, address_port_text(&w->arena, &d->remote));
    /* RFC 7296 2.5: only a higher version is answered, and only a request. */
    if (major > 2 && (h->flags & IKE_FLAG_RESPONSE) == 0 && !world_is_past_records(w)) {
        why.notify = NOTIFY_INVALID_MAJOR_VERSION;
        ike2_send_plain_notify(w, d, h, NOTIFY_INVALID_MAJOR_VERSION, (struct span){NULL, 0});
    }
    record_stranger(e, d, h, &why);
}

/* RFC 7296 1.5: a message of its own, outside any exchange. */
static void take_hint(struct world *w, const struct datagram *d)
{
    struct message m;
    struct wire_error error;
    struct notify n;
    if (!wire_parse_message(d->bytes, &m, &error) || m.has_sk ||
        !wire_find_notify(&m, NOTIFY_INVALID_SPI, &n) || n.data.len != 4)
        return;
    struct reader r = reader_of(n.data);
    ike2_on_hint(w, &d->remote, take_u32(&r));
}

void gate_refuse_spi(struct engine *e, const struct datagram *d, const struct ike_header *h)
{
    struct world *w = &e->world;
    w->counters.dropped++;
    if (!world_may_record_stranger(w))
        return;
    if (h->exchange == EXCHANGE_INFORMATIONAL && h->next_payload == PAYLOAD_NOTIFY) {
        take_hint(w, d); /* and never answered: two such hosts would go on for ever */
        return;
    }
    /* RFC 7296 2.21.4: in clear, so the peer may only take it as a hint. */
    ike2_send_plain_notify(w, d, h, NOTIFY_INVALID_IKE_SPI, (struct span){NULL, 0});
    struct effect *fx = step_add(&w->step, FX_EVENT);
    struct finding *why = arena_alloc(&w->arena, sizeof *why);
    if (fx == NULL || why == NULL)
        return;
    finding_set(why, CAUSE_MSG_UNKNOWN_SPI);
    why->phase = PHASE_ESTABLISHED;
    why->notify = NOTIFY_INVALID_IKE_SPI;
    why->expected = "the SPI of an IKE SA of ours";
    why->seen =
        arena_text(&w->arena, "%016llx from %s",
                   (unsigned long long)((h->flags & IKE_FLAG_INITIATOR) != 0 ? h->spi_r : h->spi_i),
                   address_port_text(&w->arena, &d->remote));
    fx->event.kind = EVENT_NOTICE;
    fx->event.local = d->local;
    fx->event.remote = d->remote;
    fx->event.finding = why;
}
