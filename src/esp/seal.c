/* Inner packets → ESP. RFC 4303 3.3, RFC 4301 5.1; counter IVs: RFC 4106 3.1, RFC 7634 2.
 *
 * A call first says of each packet where it goes, then takes the packets of one SA together: their
 * sequence numbers are reserved at once, so that any number of workers can seal with one SA and no
 * number is used twice. The IV of counter modes is the 64-bit sequence number and so never repeats
 * under one key. */
#include "esp/db.h"

/* RFC 4303 2.4: 1, 2, 3 …; copied whole, the trailer overwrites what is too much. */
static const uint8_t padding[16] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16};

enum { TRAILER_LEN = 2, OUTER_MAX = 65535, USUAL_MTU = 1500 };

/* Where a packet goes. */
struct plan {
    struct sa *sa; /* NULL: nothing to seal, or done */
    uint8_t next_header;
    uint32_t tfc; /* octets of TFC padding, RFC 4303 2.7 */
};

struct seal_run {
    struct esp_db *db;
    struct esp_worker *worker;
    unsigned number;
    int64_t now_ms;
    const struct table *table;
    struct esp_notices *notices;
};

static void drop(struct esp_packet *p, _Atomic uint64_t *counters, enum esp_drop why)
{
    p->verdict = ESP_DROP;
    p->why = why;
    count_add(&counters[why], 1);
}

/* ---- what fits ---- */

static uint32_t padded(uint32_t len, uint32_t align)
{
    return (len + TRAILER_LEN + align - 1) & ~(align - 1);
}

static uint32_t inner_max(uint32_t room, uint32_t iv_len, uint32_t icv_len, uint32_t align)
{
    uint32_t taken = ESP_HEADER_LEN + iv_len + icv_len;
    if (room < taken + align)
        return 0;
    return ((room - taken) & ~(align - 1)) - TRAILER_LEN;
}

uint16_t esp_inner_mtu(const struct encr *e, const struct integ *i, uint8_t outer_family,
                       bool in_udp, uint16_t outer_mtu)
{
    uint32_t outer = outer_family == FAMILY_V4 ? IPV4_HEADER_LEN : IPV6_HEADER_LEN;
    if (in_udp)
        outer += UDP_HEADER_LEN;
    if (outer_mtu <= outer)
        return 0;
    uint32_t align = e->block > 4 ? e->block : 4;
    return (uint16_t)inner_max(outer_mtu - outer, e->iv_len, (uint32_t)crypto_icv_len(e, i), align);
}

/* RFC 6040 4.1, RFC 4301 5.1.2.1. */
static uint8_t outer_tos(const struct sa *sa, uint8_t inner_tos)
{
    bool has_dscp = sa->copy_dscp == COPY_DSCP_OUT || sa->copy_dscp == COPY_DSCP_YES;
    return (uint8_t)((has_dscp ? inner_tos & 0xfc : 0) | (sa->copy_ecn ? inner_tos & 3 : 0));
}

/* Anybody can forge the ICMP message that an MTU was learned from, and paths change: it is
 * forgotten after a while, and learned again if need be. */
static uint16_t path_mtu(struct path *p, int64_t now_ms)
{
    uint16_t mtu = atomic_load_explicit(&p->mtu, memory_order_acquire);
    if (mtu == 0)
        return 0;
    int64_t since = atomic_load_explicit(&p->mtu_since_ms, memory_order_relaxed);
    if (since < 0) {
        atomic_store_explicit(&p->mtu_since_ms, now_ms, memory_order_relaxed);
    } else if (now_ms - since > ESP_PMTU_LIFE_MS) {
        atomic_compare_exchange_strong(&p->mtu, &mtu, 0);
        return 0;
    }
    return mtu;
}

static uint32_t inner_fitting(const struct sa *sa, const struct ends *ends, uint32_t max)
{
    return inner_max(max > ends->outer_len ? max - ends->outer_len : 0, sa->iv_len, sa->icv_len,
                     sa->align);
}

/* So that all packets are of one size, as far as the path and the buffer carry it. */
static uint32_t tfc_padding(const struct sa *sa, const struct esp_packet *p, const struct inner *in,
                            uint32_t fitting)
{
    uint32_t wanted = sa->pad_to < fitting ? sa->pad_to : fitting;
    uint32_t room = p->capacity - ESP_TAILROOM;
    if (wanted > room)
        wanted = room;
    return wanted > in->len ? wanted - in->len : 0;
}

/* bare: octets of the packet's IP header that are not sealed (transport mode). false: p has its
 * verdict. */
static bool admit(const struct seal_run *run, struct esp_packet *p, const struct inner *in,
                  const struct sa *sa, uint32_t bare, uint32_t *tfc)
{
    const struct ends *ends = atomic_load_explicit(&sa->ends, memory_order_acquire);
    p->outer_df = (sa->copy_df || sa->is_transport) && in->df && !p->is_joined;
    if (p->capacity < in->len || p->capacity - in->len < ESP_TAILROOM) {
        drop(p, run->worker->dropped, ESP_TOO_BIG);
        return false;
    }
    uint32_t head_len = ends->outer_len + (uint32_t)ESP_HEADER_LEN + sa->iv_len;
    uint32_t sealed = head_len + padded(in->len - bare, sa->align) + sa->icv_len;
    uint16_t mtu = path_mtu(ends->path, run->now_ms);
    uint32_t max = mtu == 0 ? OUTER_MAX : mtu;
    if (sealed <= max) {
        if (sa->pad_to != 0)
            *tfc = tfc_padding(sa, p, in, inner_fitting(sa, ends, mtu == 0 ? USUAL_MTU : mtu));
        return true;
    }
    uint32_t fitting = inner_fitting(sa, ends, max) + bare;
    /* RFC 2473 7.1: an IPv6 packet of up to 1280 octets goes through, in outer fragments if need
     * be.
     */
    if (in->family == FAMILY_V6 && fitting < IPV6_MTU_MIN) {
        fitting = IPV6_MTU_MIN;
        if (in->len <= IPV6_MTU_MIN)
            p->outer_df = false;
    }
    if (!p->outer_df && sealed <= OUTER_MAX)
        return true;
    if (in->df && esp_answer_too_big(p, in, (uint16_t)fitting))
        p->verdict = ESP_REPLY;
    else
        drop(p, run->worker->dropped, ESP_TOO_BIG);
    return false;
}

/* ---- where to ---- */

static struct selector end_of(const struct inner *in, bool is_source)
{
    struct ip_number at = is_source ? in->src : in->dst;
    uint16_t port = is_source ? in->src_port : in->dst_port;
    struct selector s = {.family = in->family,
                         .protocol = in->protocol,
                         .port_from = in->has_ports ? port : 0,
                         .port_to = in->has_ports ? port : UINT16_MAX};
    struct writer w = writer_of(s.from, sizeof s.from);
    if (in->family == FAMILY_V4) {
        put_u32(&w, (uint32_t)at.low);
    } else {
        put_u64(&w, at.high);
        put_u64(&w, at.low);
    }
    memcpy(s.to, s.from, sizeof s.to);
    return s;
}

/* RFC 4301 5.1.2: the first packet that meets the trap asks, the others of a while do not. */
static void ask(const struct seal_run *run, struct rule *r, const struct inner *in)
{
    int64_t asked = atomic_load_explicit(&r->asked_ms, memory_order_relaxed);
    if (run->now_ms - asked < ESP_ASK_MS ||
        !atomic_compare_exchange_strong(&r->asked_ms, &asked, run->now_ms))
        return;
    struct esp_notice n = {.kind = TELL_ACQUIRE, .child_id = r->id, .why = ESP_NO_SA, .count = 1};
    n.pair = (struct ts_pair){true, end_of(in, true), end_of(in, false)};
    if (!esp_tell(run->notices, &n))
        atomic_store(&r->asked_ms, asked); /* with the next batch */
}

static struct plan plan_for(const struct seal_run *run, struct esp_packet *p)
{
    struct plan none = {NULL, 0, 0};
    struct inner in;
    p->why = ESP_OK;
    p->spi = p->policy_id = 0;
    p->outer_df = p->in_udp = false;
    p->outer_tos = 0;
    if (!esp_parse_inner(span_of(p->data, p->len), &in)) {
        drop(p, run->worker->dropped, ESP_BAD_INNER);
        return none;
    }
    struct rule *r = esp_find_rule(run->worker, run->table, &in);
    if (r == NULL) {
        drop(p, run->worker->dropped, ESP_NO_POLICY);
        return none;
    }
    p->policy_id = r->id;
    if (r->sa == NULL) {
        switch (r->mode) {
        case MODE_PASS:
            p->verdict = ESP_PASS;
            return none;
        case MODE_DROP:
            drop(p, run->worker->dropped, ESP_BLOCKED);
            return none;
        case MODE_TUNNEL:
        case MODE_TRANSPORT:
            if (!r->is_trap) {
                drop(p, run->worker->dropped, ESP_NO_SA);
                return none;
            }
            p->verdict = ESP_ACQUIRE;
            p->why = ESP_NO_SA;
            p->len = in.len;
            ask(run, r, &in);
            return none;
        }
    }
    struct sa *sa = r->sa;
    if (sa == NULL || atomic_load_explicit(&sa->is_dead, memory_order_relaxed)) {
        drop(p, run->worker->dropped, ESP_NO_SA);
        return none;
    }
    p->spi = sa->spi;
    p->len = in.len; /* what follows the inner packet is not its own */
    struct plan plan = {sa, in.family == FAMILY_V4 ? IP_PROTOCOL_IPV4 : IP_PROTOCOL_IPV6, 0};
    uint32_t bare = 0;
    if (sa->is_transport) {
        if (in.is_fragment) {
            p->verdict = ESP_JOIN;
            return none;
        }
        bare = esp_header_before(p, &in, &plan.next_header);
    }
    if (!admit(run, p, &in, sa, bare, &plan.tfc))
        return none;
    p->outer_tos = sa->is_transport ? in.tos : outer_tos(sa, in.tos);
    p->data += bare;
    p->len -= bare;
    p->capacity -= bare;
    return plan;
}

/* ---- numbers ---- */

struct grant {
    uint64_t first; /* sequence number of the first packet */
    size_t count;   /* packets that may go */
    enum esp_drop why;
    uint64_t bytes_before; /* sealed so far, with a limit in bytes */
};

/* Use is told where somebody waits for the end of it; at most once a second. */
static void tell_use(const struct seal_run *run, struct sa *sa, const struct ends *ends,
                     uint64_t count)
{
    int64_t told = atomic_load_explicit(&sa->use_told_ms, memory_order_relaxed);
    if (run->now_ms - told < ESP_TELL_MS ||
        !atomic_compare_exchange_strong(&sa->use_told_ms, &told, run->now_ms))
        return;
    struct esp_notice n = {.kind = TELL_USED,
                           .spi = sa->spi,
                           .child_id = sa->child_id,
                           .why = ESP_OK,
                           .count = count,
                           .remote = ends->remote};
    (void)esp_tell(run->notices, &n);
}

static void tell_once(const struct seal_run *run, const struct sa *sa, atomic_bool *told,
                      uint8_t kind, enum esp_drop why)
{
    if (atomic_load_explicit(told, memory_order_relaxed) || atomic_exchange(told, true))
        return;
    const struct ends *ends = atomic_load_explicit(&sa->ends, memory_order_acquire);
    struct esp_notice n = {.kind = kind,
                           .spi = sa->spi,
                           .child_id = sa->child_id,
                           .why = why,
                           .count = 1,
                           .remote = ends->remote};
    if (!esp_tell(run->notices, &n))
        atomic_store(told, false); /* with the next batch */
}

/* Reserves as many numbers as the SA has left. RFC 4303 3.3.3: it never wraps. */
static struct grant reserve(const struct seal_run *run, struct sa *sa, size_t wanted,
                            uint64_t bytes)
{
    uint64_t last = sa->esn ? UINT64_MAX : UINT32_MAX;
    struct grant g = {.why = ESP_SEQ_EXHAUSTED};
    uint64_t max = last;
    if (sa->hard_packets != 0 && sa->hard_packets < last) {
        max = sa->hard_packets;
        g.why = ESP_LIFETIME;
    }
    uint64_t before = atomic_load_explicit(&sa->sequence, memory_order_relaxed);
    do {
        uint64_t left = before < max ? max - before : 0;
        g.count = wanted < left ? wanted : (size_t)left;
    } while (!atomic_compare_exchange_weak_explicit(&sa->sequence, &before, before + g.count,
                                                    memory_order_relaxed, memory_order_relaxed));
    g.first = before + 1;
    uint64_t after = before + g.count;
    if ((sa->soft_packets != 0 && after >= sa->soft_packets) || after >= last - last / 16)
        tell_once(run, sa, &sa->soft_told, TELL_SOFT, ESP_LIFETIME);
    if (g.count < wanted)
        tell_once(run, sa, &sa->hard_told, TELL_HARD, g.why);
    if (sa->soft_bytes != 0 || sa->hard_bytes != 0) {
        g.bytes_before = atomic_fetch_add_explicit(&sa->bytes, bytes, memory_order_relaxed);
        if (sa->soft_bytes != 0 && g.bytes_before + bytes >= sa->soft_bytes)
            tell_once(run, sa, &sa->soft_told, TELL_SOFT, ESP_LIFETIME);
        if (sa->hard_bytes != 0 && g.bytes_before + bytes > sa->hard_bytes)
            tell_once(run, sa, &sa->hard_told, TELL_HARD, ESP_LIFETIME);
    }
    return g;
}

/* ---- the packet ---- */

static bool seal(const struct sa *sa, struct sa_worker *c, struct esp_packet *p, uint64_t sequence,
                 uint8_t next_header, uint32_t tfc)
{
    uint32_t payload_len = p->len + tfc, text_len = padded(payload_len, sa->align);
    uint32_t head_len = ESP_HEADER_LEN + sa->iv_len;
    uint8_t *text = p->data, *head = p->data - head_len;

    struct writer w = writer_of(head, head_len);
    put_u32(&w, sa->spi);
    put_u32(&w, (uint32_t)sequence);
    uint8_t *iv = put_room(&w, sa->iv_len);
    if (c->iv_rng != NULL) {
        rng_fill(c->iv_rng, iv, sa->iv_len);
    } else if (sa->iv_len >= 8) {
        struct writer counter = writer_of(iv, sa->iv_len);
        put_zeros(&counter, sa->iv_len - 8U);
        put_u64(&counter, sequence);
    }
    memset(text + p->len, 0, tfc);
    memcpy(text + payload_len, padding, sizeof padding);
    text[text_len - 2] = (uint8_t)(text_len - TRAILER_LEN - payload_len);
    text[text_len - 1] = next_header;

    /* RFC 4303 2.2.1, RFC 4106 5: the high half of an ESN is authenticated, not sent. */
    uint8_t long_aad[12], high[4];
    struct span aad = span_of(head, ESP_HEADER_LEN), tail = {NULL, 0};
    if (sa->esn && sa->integ == NULL) {
        struct writer a = writer_of(long_aad, sizeof long_aad);
        put_u32(&a, sa->spi);
        put_u64(&a, sequence);
        aad = writer_span(&a);
    } else if (sa->esn) {
        struct writer a = writer_of(high, sizeof high);
        put_u32(&a, (uint32_t)(sequence >> 32));
        tail = writer_span(&a);
    }
    if (!crypto_seal(c->sealer, aad, span_of(iv, sa->iv_len), text, text_len, tail,
                     text + text_len))
        return false;
    p->data = head;
    p->len = head_len + text_len + sa->icv_len;
    p->capacity += head_len;
    return true;
}

/* All packets of one SA, from the first at `from` on. */
static void seal_group(const struct seal_run *run, struct esp_packet *packets, struct plan *plans,
                       size_t from, size_t count)
{
    struct sa *sa = plans[from].sa;
    size_t wanted = 0;
    uint64_t bytes = 0;
    for (size_t i = from; i < count; i++) {
        if (plans[i].sa == sa) {
            wanted++;
            bytes += packets[i].len;
        }
    }
    struct sa_worker *c = esp_sa_worker(sa, run->number);
    const struct ends *ends = atomic_load_explicit(&sa->ends, memory_order_acquire);
    struct grant g = {.why = ESP_NO_SA}; /* no memory for the context */
    if (c != NULL)
        g = reserve(run, sa, wanted, bytes);
    _Atomic uint64_t *dropped = c != NULL ? c->dropped : run->worker->dropped;
    uint64_t sealed = 0, sealed_bytes = 0, sequence = g.first;
    size_t left = g.count;
    for (size_t i = from; i < count; i++) {
        if (plans[i].sa != sa)
            continue;
        struct esp_packet *p = &packets[i];
        plans[i].sa = NULL;
        uint32_t len = p->len;
        g.bytes_before += len;
        if (left == 0) {
            drop(p, dropped, g.why);
            continue;
        }
        left--;
        if (sa->hard_bytes != 0 && g.bytes_before > sa->hard_bytes) {
            drop(p, dropped, ESP_LIFETIME);
            sequence++;
            continue;
        }
        if (!seal(sa, c, p, sequence++, plans[i].next_header, plans[i].tfc)) {
            drop(p, dropped, ESP_NO_SA);
            continue;
        }
        p->verdict = ESP_SEND;
        p->local = ends->local;
        p->remote = ends->remote;
        p->in_udp = ends->in_udp;
        sealed++;
        sealed_bytes += len;
    }
    if (sealed > 0) {
        count_add(&c->packets, sealed);
        count_add(&c->bytes, sealed_bytes);
        atomic_store_explicit(&c->last_use_ms, run->now_ms, memory_order_relaxed);
        atomic_store_explicit(&c->sequence, g.first + g.count - 1, memory_order_relaxed);
        if (sa->tells_use)
            tell_use(run, sa, ends, sealed);
    }
}

static void seal_batch(const struct seal_run *run, struct esp_packet *packets, size_t count)
{
    struct plan plans[ESP_BATCH_MAX];
    for (size_t i = 0; i < count; i++)
        plans[i] = plan_for(run, &packets[i]);
    for (size_t i = 0; i < count; i++)
        if (plans[i].sa != NULL)
            seal_group(run, packets, plans, i, count);
}

void esp_seal(struct esp_db *db, unsigned worker, struct esp_packet *packets, size_t count,
              int64_t now_ms, struct esp_notices *notices)
{
    notices->count = 0;
    urcu_memb_read_lock();
    struct seal_run run = {.db = db,
                           .worker = &db->workers[worker],
                           .number = worker,
                           .now_ms = now_ms,
                           .table = atomic_load_explicit(&db->table, memory_order_acquire),
                           .notices = notices};
    for (size_t from = 0; from < count; from += ESP_BATCH_MAX)
        seal_batch(&run, packets + from,
                   count - from < ESP_BATCH_MAX ? count - from : ESP_BATCH_MAX);
    urcu_memb_read_unlock();
}
