/* ESP → inner packets. RFC 4303 3.4, RFC 4301 5.2, RFC 3948 2, RFC 6040 4.2.
 *
 * The order of the checks is the RFC's: SPI, window, ICV, window again, padding, inner packet,
 * selectors. Nothing that is not authenticated changes an SA; what an SA tells is told at most once
 * a second, what nobody's SPI tells is limited per worker. */
#include "esp/db.h"

enum { TRAILER_LEN = 2, KEEPALIVE = 0xff };

/* Packets of one SA in a row. */
struct open_run {
    struct esp_db *db;
    struct esp_worker *worker;
    unsigned number;
    int64_t now_ms;
    struct esp_notices *notices;
    struct sa *sa;       /* NULL: none yet */
    struct sa_worker *c; /* NULL: no memory */
    uint64_t packets, bytes;
    struct address remote;           /* of the last good packet */
    const struct esp_packet *newest; /* the last one that raised the window's top; NULL: none */
};

/* ---- counting and telling ---- */

static void tell_fault(const struct open_run *run, const struct esp_packet *p, enum esp_drop why)
{
    struct fault *f = &run->sa->inbound->faults[why];
    f->pending++;
    if (run->now_ms - f->told_ms < ESP_TELL_MS)
        return;
    struct esp_notice n = {.kind = TELL_FAULT,
                           .spi = run->sa->spi,
                           .child_id = run->sa->child_id,
                           .why = why,
                           .count = f->pending,
                           .remote = p->remote};
    if (esp_tell(run->notices, &n)) {
        f->told_ms = run->now_ms;
        f->pending = 0;
    }
}

static void drop(const struct open_run *run, struct esp_packet *p, enum esp_drop why)
{
    p->verdict = ESP_DROP;
    p->why = why;
    count_add(&run->c->dropped[why], 1);
    tell_fault(run, p, why);
}

static void drop_stray(const struct open_run *run, struct esp_packet *p, enum esp_drop why)
{
    p->verdict = ESP_DROP;
    p->why = why;
    count_add(&run->worker->dropped[why], 1);
}

static void tell_stranger(const struct open_run *run, const struct esp_packet *p)
{
    struct stranger *s = &run->worker->strangers[p->spi % ESP_STRANGERS];
    bool is_due = run->now_ms - s->told_ms >= ESP_TELL_MS;
    if (s->spi != p->spi) {
        if (!is_due)
            return; /* the place is taken for this second */
        s->spi = p->spi;
        s->pending = 0;
    }
    s->pending++;
    if (!is_due)
        return;
    struct esp_notice n = {.kind = TELL_FAULT,
                           .spi = p->spi,
                           .child_id = 0,
                           .why = ESP_UNKNOWN_SPI,
                           .count = s->pending,
                           .remote = p->remote};
    if (esp_tell(run->notices, &n)) {
        s->told_ms = run->now_ms;
        s->pending = 0;
    }
}

static void tell_lifetime(const struct open_run *run, atomic_bool *told, uint8_t kind)
{
    if (atomic_load_explicit(told, memory_order_relaxed))
        return;
    struct esp_notice n = {.kind = kind,
                           .spi = run->sa->spi,
                           .child_id = run->sa->child_id,
                           .why = ESP_LIFETIME,
                           .count = 1,
                           .remote = run->remote};
    if (esp_tell(run->notices, &n))
        atomic_store_explicit(told, true, memory_order_relaxed);
}

static uint64_t packets_so_far(const struct open_run *run)
{
    return atomic_load_explicit(&run->c->packets, memory_order_relaxed) + run->packets;
}

static uint64_t bytes_so_far(const struct open_run *run)
{
    return atomic_load_explicit(&run->c->bytes, memory_order_relaxed) + run->bytes;
}

/* The limits of packets and octets; 0: none. */
static bool is_spent(const struct open_run *run, uint64_t packets, uint64_t bytes)
{
    return (packets != 0 && packets_so_far(run) >= packets) ||
           (bytes != 0 && bytes_so_far(run) >= bytes);
}

static void tell_use(struct open_run *run)
{
    struct inbound *in = run->sa->inbound;
    in->used_pending += run->packets;
    if (in->first_told && run->now_ms - in->used_told_ms < ESP_TELL_MS)
        return;
    struct esp_notice n = {.kind = in->first_told ? TELL_USED : TELL_FIRST_USE,
                           .spi = run->sa->spi,
                           .child_id = run->sa->child_id,
                           .why = ESP_OK,
                           .count = in->used_pending,
                           .remote = run->remote};
    if (esp_tell(run->notices, &n)) {
        in->first_told = true;
        in->used_told_ms = run->now_ms;
        in->used_pending = 0;
    }
}

/* RFC 7296 2.23: the newest packet tells where the peer is. An older one that comes late, from a
 * mapping that is gone, does not raise the top. */
static void tell_move(const struct open_run *run)
{
    struct inbound *in = run->sa->inbound;
    const struct esp_packet *p = run->newest;
    const struct ends *ends = atomic_load_explicit(&run->sa->ends, memory_order_acquire);
    if (!p->in_udp || !ends->in_udp || address_equal(&p->remote, &ends->remote) ||
        run->now_ms - in->moved_told_ms < ESP_TELL_MS)
        return;
    struct esp_notice n = {.kind = TELL_MOVED,
                           .spi = run->sa->spi,
                           .child_id = run->sa->child_id,
                           .why = ESP_OK,
                           .count = 1,
                           .remote = p->remote};
    if (esp_tell(run->notices, &n))
        in->moved_told_ms = run->now_ms;
}

/* The counters of the run. */
static void finish(struct open_run *run)
{
    struct sa *sa = run->sa;
    if (sa != NULL && run->newest != NULL)
        tell_move(run);
    run->newest = NULL;
    if (sa == NULL || run->packets == 0)
        return;
    count_add(&run->c->packets, run->packets);
    count_add(&run->c->bytes, run->bytes);
    atomic_store_explicit(&run->c->last_use_ms, run->now_ms, memory_order_relaxed);
    atomic_store_explicit(&run->c->sequence, sa->inbound->replay.top, memory_order_relaxed);
    tell_use(run);
    run->packets = run->bytes = 0;
    if (is_spent(run, sa->soft_packets, sa->soft_bytes))
        tell_lifetime(run, &sa->soft_told, TELL_SOFT);
}

/* ---- one packet ---- */

/* RFC 6040 4.2, the inner packet's ECN by that of the outer header. false: the packet must be
 * dropped, congestion was marked on a packet whose ends do not know of it. */
static bool merge_ecn(uint8_t inner, uint8_t outer, uint8_t *merged)
{
    enum { NOT_ECT = 0, ECT_1 = 1, ECT_0 = 2, CE = 3 };
    *merged = inner;
    if (inner == NOT_ECT)
        return outer != CE;
    if (outer == CE || (inner == ECT_0 && outer == ECT_1))
        *merged = outer;
    return true;
}

static bool settle_tos(const struct sa *sa, struct esp_packet *p, const struct inner *in)
{
    uint8_t ecn = in->tos & 3;
    if (sa->copy_ecn && !merge_ecn(in->tos & 3, p->outer_tos & 3, &ecn))
        return false;
    bool takes_dscp = sa->copy_dscp == COPY_DSCP_IN || sa->copy_dscp == COPY_DSCP_YES;
    uint8_t tos = (uint8_t)(((takes_dscp ? p->outer_tos : in->tos) & 0xfc) | ecn);
    if (tos != in->tos)
        esp_set_tos(p->data, in->family, tos);
    return true;
}

/* RFC 4303 2.4: 1, 2, 3 … */
static bool is_padding(struct span s)
{
    for (size_t i = 0; i < s.len; i++)
        if (s.at[i] != (uint8_t)(i + 1))
            return false;
    return true;
}

/* The IP header is the host's own again; RFC 4301 5.2: then the selectors. */
static void unpack_transport(struct open_run *run, struct esp_packet *p, uint8_t *text,
                             uint32_t len, uint8_t next_header)
{
    const struct sa *sa = run->sa;
    struct inner in;
    if (!esp_header_again(sa, p, text, len, next_header) ||
        !esp_parse_inner(span_of(p->data, p->len), &in)) {
        drop(run, p, ESP_BAD_INNER);
        return;
    }
    if (esp_filter_fits(&sa->remote, &in, true) == 0 ||
        esp_filter_fits(&sa->local, &in, false) == 0) {
        drop(run, p, ESP_WRONG_SELECTOR);
        return;
    }
    run->bytes += in.len;
    p->verdict = ESP_SEND;
}

/* What was inside, behind the ICV. text: payload, padding, trailer. */
static void unpack(struct open_run *run, struct esp_packet *p, uint8_t *text, size_t text_len)
{
    const struct sa *sa = run->sa;
    struct reader r = reader_of(span_of(text, text_len));
    struct span rest = take_counted(&r, text_len, TRAILER_LEN);
    uint8_t pad_len = take_u8(&r), next_header = take_u8(&r);
    struct reader inside = reader_of(rest);
    struct span payload = take_counted(&inside, rest.len, pad_len);
    struct span pad = take(&inside, pad_len);
    if (!done(&r) || !done(&inside) || !is_padding(pad)) {
        drop(run, p, ESP_BAD_PADDING);
        return;
    }
    run->packets++;
    run->remote = p->remote;
    if (next_header == IP_PROTOCOL_NONE) {
        p->verdict = ESP_DUMMY;
        return;
    }
    if (sa->is_transport) {
        unpack_transport(run, p, text, (uint32_t)payload.len, next_header);
        return;
    }
    struct inner in;
    uint8_t family = next_header == IP_PROTOCOL_IPV4   ? FAMILY_V4
                     : next_header == IP_PROTOCOL_IPV6 ? FAMILY_V6
                                                       : FAMILY_NONE;
    if (!esp_parse_inner(payload, &in) || in.family != family) {
        drop(run, p, ESP_BAD_INNER);
        return;
    }
    if (esp_filter_fits(&sa->remote, &in, true) == 0 ||
        esp_filter_fits(&sa->local, &in, false) == 0) {
        drop(run, p, ESP_WRONG_SELECTOR);
        return;
    }
    p->capacity -= (uint32_t)(text - p->data);
    p->data = text;
    p->len = in.len; /* TFC padding behind it goes, RFC 4303 2.7 */
    if (!settle_tos(sa, p, &in)) {
        drop(run, p, ESP_BAD_INNER);
        return;
    }
    run->bytes += in.len;
    p->verdict = ESP_SEND;
}

/* head: SPI and sequence number, whose value is low; body: what follows them. */
static void open_one(struct open_run *run, struct esp_packet *p, struct span head, uint32_t low,
                     struct span body)
{
    struct sa *sa = run->sa;
    struct replay *replay = &sa->inbound->replay;
    struct reader r = reader_of(body);
    struct span iv = take(&r, sa->iv_len);
    struct span text = take_counted(&r, r.left.len, sa->icv_len);
    struct span icv = take(&r, sa->icv_len);
    if (!done(&r) || text.len < TRAILER_LEN || text.len % sa->encr->block != 0) {
        drop(run, p, ESP_TOO_SHORT);
        return;
    }
    if (is_spent(run, sa->hard_packets, sa->hard_bytes)) {
        p->verdict = ESP_DROP;
        p->why = ESP_LIFETIME;
        count_add(&run->c->dropped[ESP_LIFETIME], 1);
        tell_lifetime(run, &sa->hard_told, TELL_HARD);
        return;
    }
    uint64_t sequence = replay_guess(replay, low);
    if (!replay_check(replay, sequence)) {
        drop(run, p, ESP_REPLAYED);
        return;
    }
    uint8_t long_aad[12], high[4];
    struct span aad = head, tail = {NULL, 0};
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
    uint8_t *at = p->data + ESP_HEADER_LEN + sa->iv_len;
    if (!crypto_open(run->c->sealer, aad, iv, at, text.len, tail, icv)) {
        drop(run, p, ESP_BAD_ICV);
        return;
    }
    if (!replay_accept(replay, sequence)) {
        drop(run, p, ESP_REPLAYED);
        return;
    }
    if (sequence == replay->top)
        run->newest = p;
    unpack(run, p, at, text.len);
}

/* The SA of p's SPI into run; false: p has its verdict. */
static bool find(struct open_run *run, struct esp_packet *p)
{
    if (run->sa != NULL && run->sa->spi == p->spi)
        return true;
    finish(run);
    run->sa = NULL;
    struct sa *sa = esp_find_inbound(run->db, p->spi);
    if (sa == NULL) {
        drop_stray(run, p, ESP_UNKNOWN_SPI);
        tell_stranger(run, p);
        return false;
    }
    if (run->db->worker_count > 1 && p->spi >> 24 != run->number) {
        drop_stray(run, p, ESP_WRONG_WORKER); /* its window is another thread's */
        return false;
    }
    run->c = esp_sa_worker(sa, run->number);
    if (run->c == NULL) {
        drop_stray(run, p, ESP_NO_SA);
        return false;
    }
    run->sa = sa;
    return true;
}

static void open_packet(struct open_run *run, struct esp_packet *p)
{
    p->why = ESP_OK;
    p->spi = p->policy_id = 0;
    if (p->in_udp && p->len == 1 && p->data[0] == KEEPALIVE) {
        p->verdict = ESP_KEEPALIVE; /* RFC 3948 2.3 */
        return;
    }
    struct reader r = reader_of(span_of(p->data, p->len));
    struct span head = take(&r, ESP_HEADER_LEN);
    struct reader numbers = reader_of(head);
    p->spi = take_u32(&numbers);
    uint32_t low = take_u32(&numbers);
    if (!good(&r)) {
        drop_stray(run, p, ESP_TOO_SHORT);
        return;
    }
    if (!find(run, p))
        return;
    p->policy_id = run->sa->child_id;
    open_one(run, p, head, low, r.left);
}

void esp_open(struct esp_db *db, unsigned worker, struct esp_packet *packets, size_t count,
              int64_t now_ms, struct esp_notices *notices)
{
    notices->count = 0;
    urcu_memb_read_lock();
    struct open_run run = {.db = db,
                           .worker = &db->workers[worker],
                           .number = worker,
                           .now_ms = now_ms,
                           .notices = notices};
    for (size_t i = 0; i < count; i++)
        open_packet(&run, &packets[i]);
    finish(&run);
    urcu_memb_read_unlock();
}
