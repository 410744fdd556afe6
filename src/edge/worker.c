#include "edge/worker.h"

#include <stdlib.h>

#include "edge/clock.h"
#include "edge/resolve.h"
#include "edge/steer.h"

enum {
    OUTBOX_OCTETS = 128 * 1024,
    PENDING_MAX = 64,
    SPARE_MAX = 32,
    ROUNDS_MAX = 4, /* batches of one socket in one turn, so that none starves the others */
    ERRORS_MAX = 64,
    LAST_OUT = 64,
    KEEPALIVE = 0xff,
    PMTU_MIN_V4 = 576,
    PMTU_MIN_V6 = 1280,
};

static const uint8_t marker[4];

struct poller {
    uv_poll_t handle;
    struct worker *worker;
    enum socket_kind which;
};

struct worker {
    struct worker_options o;
    uv_thread_t thread;
    bool is_started, is_stopping;
    bool has_new_sa; /* added since the end of the last turn */
    uv_loop_t loop;
    uv_async_t wake;
    uv_timer_t timer;
    struct poller polls[SOCKET_COUNT];
    uv_poll_t tun_poll;
    struct engine *engine;
    struct sockets *sockets;
    struct tun *tun;
    struct resolver resolver;
    struct queue inbox, spare;
    struct instant wake_at, armed_for;
    struct batch *batch; /* this turn's news, NULL = none yet */
    /* IKE messages of this turn. */
    struct {
        enum socket_kind which;
        struct socket_out out;
    } outbox[SOCKETS_BATCH];
    size_t outbox_count, outbox_used;
    uint8_t *outbox_bytes;
    /* What effects brought about, for the next turn. */
    struct input pending[PENDING_MAX];
    size_t pending_count;
    struct esp_packet packets[SOCKETS_BATCH];
    struct esp_notices notices;
    struct last_out {
        uint32_t child_id;
        uint64_t bytes, packets;
    } last_out[LAST_OUT]; /* of outbound SAs that went before their children */
    size_t last_out_next;
    bool is_command_done; /* the step answered the command that it was given */
    uint64_t command_ticket;
};

/* ---- jobs ---- */

static struct job *job_new(enum job_kind kind, size_t extra)
{
    struct job *j = calloc(1, sizeof *j + extra);
    if (j != NULL)
        j->kind = kind;
    return j;
}

struct job *worker_job(enum job_kind kind)
{
    return job_new(kind, 0);
}

struct job *worker_command_job(const struct command *c)
{
    size_t conn = c->conn_name == NULL ? 0 : strlen(c->conn_name) + 1;
    size_t child = c->child_name == NULL ? 0 : strlen(c->child_name) + 1;
    struct job *j = job_new(JOB_COMMAND, conn + child + 1);
    if (j == NULL)
        return NULL;
    j->command = *c;
    if (c->conn_name != NULL)
        j->command.conn_name = memcpy(j->bytes, c->conn_name, conn);
    if (c->child_name != NULL)
        j->command.child_name = memcpy(j->bytes + conn, c->child_name, child);
    if (c->conn != NULL)
        policy_conn_ref(c->conn);
    if (c->psk != NULL)
        policy_psk_ref(c->psk);
    return j;
}

static void job_free(struct job *j)
{
    if (j->kind == JOB_COMMAND && j->command.conn != NULL)
        policy_conn_unref(j->command.conn);
    if (j->kind == JOB_COMMAND && j->command.psk != NULL)
        policy_psk_unref(j->command.psk);
    free(j);
}

void worker_post(struct worker *w, struct job *j)
{
    if (queue_put(&w->inbox, &j->item))
        uv_async_send(&w->wake);
}

/* A packet or a notice may be lost when its worker cannot keep up; a command may not. */
static void forward(struct worker *w, unsigned to, struct job *j)
{
    struct worker *peer = w->o.peers[to];
    bool was_empty;
    if (!queue_put_bounded(&peer->inbox, &j->item, WORKER_FORWARDED_MAX, &was_empty))
        job_free(j);
    else if (was_empty)
        uv_async_send(&peer->wake);
}

static void forward_packet(struct worker *w, unsigned to, enum job_kind kind,
                           const struct socket_packet *p, bool has_marker)
{
    struct job *j = job_new(kind, (size_t)ESP_HEADROOM + p->len + ESP_TAILROOM);
    if (j == NULL)
        return;
    j->packet.local = p->local;
    j->packet.remote = p->remote;
    j->packet.marker = has_marker;
    j->packet.tos = p->tos;
    j->packet.len = p->len;
    memcpy(j->bytes + ESP_HEADROOM, p->data, p->len);
    forward(w, to, j);
}

/* ---- news ---- */

static struct batch *news(struct worker *w)
{
    if (w->batch != NULL)
        return w->batch;
    w->batch = (struct batch *)queue_take(&w->spare);
    if (w->batch == NULL)
        w->batch = batch_new();
    if (w->batch != NULL)
        w->batch->worker = w->o.number;
    return w->batch;
}

void worker_recycle(struct worker *w, struct batch *b)
{
    batch_reset(b);
    bool was_empty;
    if (!queue_put_bounded(&w->spare, &b->item, SPARE_MAX, &was_empty))
        batch_free(b);
}

static void post_news(struct worker *w)
{
    if (w->batch == NULL || w->batch->first == NULL)
        return;
    struct batch *b = w->batch;
    w->batch = NULL;
    if (queue_put(w->o.news, &b->item))
        uv_async_send(w->o.news_there);
}

static void tell(struct worker *w, const struct event *e, struct record *taken)
{
    struct batch *b = news(w);
    if (b == NULL)
        record_free(taken);
    else
        batch_add_event(b, w->o.number, clock_now(), clock_wall_s(), e, taken);
}

/* ---- sending ---- */

static struct input *later(struct worker *w, enum input_kind kind)
{
    if (w->pending_count == PENDING_MAX)
        return NULL;
    struct input *in = &w->pending[w->pending_count++];
    memset(in, 0, sizeof *in);
    in->kind = kind;
    return in;
}

static void refused(void *context, const struct socket_error *e)
{
    struct worker *w = context;
    struct input *in = e->is_fatal_hint ? later(w, IN_PATH_ERROR) : NULL;
    if (in != NULL)
        in->path_error =
            (struct path_error){e->local, e->remote, e->what, .is_fatal_hint = e->is_fatal_hint};
}

static void flush_outbox(struct worker *w)
{
    struct socket_out out[SOCKETS_BATCH];
    for (unsigned which = SOCKET_IKE4; which <= SOCKET_NAT6 && w->outbox_count > 0; which++) {
        size_t count = 0;
        for (size_t i = 0; i < w->outbox_count; i++)
            if (w->outbox[i].which == which)
                out[count++] = w->outbox[i].out;
        if (count > 0)
            sockets_send(w->sockets, (enum socket_kind)which, out, count, refused, w);
    }
    w->outbox_count = 0;
    w->outbox_used = 0;
}

/* RFC 3948 2.3: out of the NAT traversal port, without a marker. */
static void send_keepalive(struct worker *w, const struct address *local,
                           const struct address *remote)
{
    static const uint8_t octet = KEEPALIVE;
    if (w->outbox_count == SOCKETS_BATCH)
        flush_outbox(w);
    size_t n = w->outbox_count++;
    w->outbox[n].which = sockets_for_ike(w->sockets, local, true);
    w->outbox[n].out =
        (struct socket_out){.body = span_of(&octet, 1), .local = *local, .remote = *remote};
}

static void send_later(struct worker *w, const struct datagram *d)
{
    if (d->bytes.len > OUTBOX_OCTETS)
        return;
    if (w->outbox_count == SOCKETS_BATCH || OUTBOX_OCTETS - w->outbox_used < d->bytes.len)
        flush_outbox(w);
    uint8_t *at = w->outbox_bytes + w->outbox_used;
    if (d->bytes.len > 0)
        memcpy(at, d->bytes.at, d->bytes.len); /* the engine's octets end with its next step */
    w->outbox_used += d->bytes.len;
    size_t n = w->outbox_count++;
    w->outbox[n].which = sockets_for_ike(w->sockets, &d->local, d->marker);
    w->outbox[n].out = (struct socket_out){
        .head = {marker, d->marker ? sizeof marker : 0},
        .body = {at, d->bytes.len},
        .local = d->local,
        .remote = d->remote,
    };
}

/* ---- effects ---- */

static void add_sa(struct worker *w, const struct sa_spec *sa)
{
    struct finding why;
    if (esp_sa_add(w->o.db, sa, &why)) {
        w->has_new_sa = true;
        return;
    }
    struct event e = {
        .kind = EVENT_NOTICE,
        .child_id = sa->child_id,
        .conn_name = sa->conn_name,
        .child_name = sa->child_name,
        .local = sa->local,
        .remote = sa->remote,
        .finding = &why,
    };
    tell(w, &e, NULL);
    struct input *in = later(w, IN_DATAPLANE);
    if (in != NULL)
        in->dataplane = (struct dataplane_input){
            .kind = DP_FAULT,
            .spi = sa->spi,
            .child_id = sa->child_id,
            .cause = why.cause,
            .count = 1,
            .remote = sa->remote,
        };
}

static void set_policy(struct worker *w, const struct effect *fx)
{
    uint32_t id = fx->policy.child_id;
    struct esp_policy p = {
        .id = id,
        .mode = fx->policy.mode,
        .is_trap = fx->policy.is_trap,
        .local_ts = fx->policy.local_ts,
        .remote_ts = fx->policy.remote_ts,
        .priority = fx->policy.priority,
    };
    if (!fx->policy.is_set) {
        esp_policy_remove(w->o.db, id);
    } else if (!esp_policy_set(w->o.db, &p)) {
        struct finding why;
        finding_set(&why, CAUSE_RES_MEMORY);
        struct event e = {.kind = EVENT_NOTICE,
                          .conn_name = fx->policy.conn_name,
                          .child_name = fx->policy.child_name,
                          .finding = &why};
        tell(w, &e, NULL);
    }
    struct batch *b = fx->policy.mode == MODE_PASS ? NULL : news(w);
    struct entry *entry = b == NULL ? NULL : batch_add(b, ENTRY_ROUTE);
    if (entry == NULL)
        return;
    entry->route.is_set = fx->policy.is_set;
    batch_copy_selectors(&fx->policy.local_ts, &b->arena, &entry->route.local_ts);
    batch_copy_selectors(&fx->policy.remote_ts, &b->arena, &entry->route.remote_ts);
}

static void answer_sent(struct worker *w, const struct effect *fx)
{
    int64_t last_ms = -1;
    for (size_t i = 0; i < fx->ask.sa_count; i++) {
        struct esp_stats stats;
        if (esp_sa_stats(w->o.db, fx->ask.sas[i].spi, fx->ask.sas[i].child_id, false, &stats) &&
            stats.last_use_ms > last_ms)
            last_ms = stats.last_use_ms;
    }
    struct input *in = later(w, IN_ANSWER);
    if (in != NULL)
        in->answer = (struct answer){.ticket = fx->ask.ticket,
                                     .kind = QUESTION_SENT,
                                     .ok = last_ms >= 0,
                                     .sent = {last_ms * 1000000}};
}

/* Packets that waited for an SA, on this worker and the others. */
static void drop_own_held(struct worker *w, uint32_t policy_id, const char *conn, const char *child)
{
    struct esp_held_drop dropped = tun_drop_held(w->tun, policy_id);
    struct arena a;
    if (dropped.packets == 0 || !arena_init_small(&a, 256))
        return;
    struct finding why;
    finding_set(&why, CAUSE_ESP_HELD_DROPPED);
    why.expected = "an SA for the packets that asked for it";
    why.seen = arena_text(&a, "%zu packets, %zu octets", dropped.packets, dropped.bytes);
    struct event e = {
        .kind = EVENT_NOTICE, .conn_name = conn, .child_name = child, .finding = &why};
    tell(w, &e, NULL);
    arena_clear(&a);
}

static void drop_held(struct worker *w, uint32_t policy_id, const char *conn, const char *child)
{
    drop_own_held(w, policy_id, conn, child);
    size_t conn_len = strlen(conn) + 1, child_len = strlen(child) + 1;
    for (unsigned i = 0; i < w->o.count; i++) {
        struct job *j = i == w->o.number ? NULL : job_new(JOB_DROP_HELD, conn_len + child_len);
        if (j == NULL)
            continue;
        j->policy_id = policy_id;
        memcpy(j->bytes, conn, conn_len);
        memcpy(j->bytes + conn_len, child, child_len);
        forward(w, i, j);
    }
}

/* What outbound packets are matched with has changed: those that wait may go, on every worker. */
static void wake_holders(struct worker *w)
{
    for (unsigned i = 0; i < w->o.count; i++)
        if (i != w->o.number && tun_holds(w->o.peers[i]->tun))
            uv_async_send(&w->o.peers[i]->wake);
}

static void ask(struct worker *w, const struct effect *fx)
{
    switch (fx->ask.kind) {
    case QUESTION_SENT:
        answer_sent(w, fx);
        break;
    case QUESTION_PATH:
        if (!resolve_path(&w->resolver, fx->ask.ticket, fx->ask.local, fx->ask.remote,
                          fx->ask.local_port, fx->ask.remote_port)) {
            struct input *in = later(w, IN_ANSWER);
            if (in != NULL)
                in->answer = (struct answer){
                    .ticket = fx->ask.ticket, .error = "out of memory", .cause = CAUSE_RES_MEMORY};
        }
        break;
    }
}

static void share_twin(struct worker *w, const struct twin *t)
{
    for (unsigned i = 0; i < w->o.count; i++) {
        struct job *j = i == w->o.number ? NULL : worker_job(JOB_TWIN);
        if (j == NULL)
            continue;
        j->twin = *t;
        worker_post(w->o.peers[i], j);
    }
}

/* What an outbound SA had carried that goes before its child does: whoever hears of the child's end
 * wants to know. */
static void note_traffic(struct worker *w, uint32_t child_id, uint32_t spi, bool is_inbound)
{
    struct esp_stats stats;
    if (is_inbound || !esp_sa_stats(w->o.db, spi, child_id, false, &stats))
        return;
    w->last_out[w->last_out_next] = (struct last_out){child_id, stats.bytes, stats.packets};
    w->last_out_next = (w->last_out_next + 1) % LAST_OUT;
}

static void tell_child_down(struct worker *w, const struct event *e)
{
    struct event told = *e;
    struct esp_stats stats;
    if (esp_sa_stats(w->o.db, e->spi_in, e->child_id, true, &stats)) {
        told.has_traffic = true;
        told.bytes_in = stats.bytes;
        told.packets_in = stats.packets;
    }
    if (esp_sa_stats(w->o.db, e->spi_out, e->child_id, false, &stats)) {
        told.bytes_out = stats.bytes;
        told.packets_out = stats.packets;
    } else {
        for (size_t i = 0; i < LAST_OUT; i++)
            if (w->last_out[i].child_id == e->child_id) {
                told.bytes_out = w->last_out[i].bytes;
                told.packets_out = w->last_out[i].packets;
            }
    }
    tell(w, &told, NULL);
}

static void carry_out(struct worker *w, const struct effect *fx)
{
    switch (fx->kind) {
    case FX_SEND:
        send_later(w, &fx->send);
        break;
    case FX_TWIN:
        share_twin(w, &fx->twin);
        break;
    case FX_KEEPALIVE:
        send_keepalive(w, &fx->keepalive.local, &fx->keepalive.remote);
        break;
    case FX_SA_ADD:
        add_sa(w, fx->sa);
        wake_holders(w);
        break;
    case FX_SA_USE:
        esp_sa_use(w->o.db, fx->use.spi_out, fx->use.child_id);
        wake_holders(w);
        break;
    case FX_SA_MOVE:
        esp_sa_move(w->o.db, fx->move.spi, fx->move.child_id, fx->move.is_inbound, &fx->move.local,
                    &fx->move.remote, fx->move.in_udp);
        break;
    case FX_SA_REMOVE:
        note_traffic(w, fx->remove.child_id, fx->remove.spi, fx->remove.is_inbound);
        esp_sa_remove(w->o.db, fx->remove.spi, fx->remove.child_id, fx->remove.is_inbound);
        break;
    case FX_POLICY_SET:
        set_policy(w, fx);
        break;
    case FX_HELD_DROP:
        drop_held(w, fx->held.policy_id, fx->held.conn_name, fx->held.child_name);
        break;
    case FX_ASK:
        ask(w, fx);
        break;
    case FX_EVENT:
        if (fx->event.kind == EVENT_COMMAND_DONE && fx->event.ticket == w->command_ticket)
            w->is_command_done = true;
        if (fx->event.kind == EVENT_CHILD_DOWN) {
            tell_child_down(w, &fx->event);
            break;
        }
        tell(w, &fx->event,
             fx->event.kind == EVENT_RECORD ? engine_take_record(w->engine, &fx->event) : NULL);
        break;
    case FX_WAKE:
        /* The earliest of all: coming too early is only a step for nothing. */
        w->wake_at = instant_earlier(w->wake_at, fx->wake);
        break;
    }
}

static bool is_command_end(const struct effect *fx)
{
    return fx->kind == FX_EVENT && fx->event.kind == EVENT_COMMAND_DONE;
}

/* The end of a command comes last, so that whoever waits for it has the record and the SA's events
 * of the same step before. */
static void input(struct worker *w, struct input *in)
{
    in->now = clock_now();
    in->wall_s = clock_wall_s();
    const struct effects *fx = engine_step(w->engine, in);
    for (size_t i = 0; fx != NULL && i < fx->count; i++)
        if (!is_command_end(&fx->at[i]))
            carry_out(w, &fx->at[i]);
    for (size_t i = 0; fx != NULL && i < fx->count; i++)
        if (is_command_end(&fx->at[i]))
            carry_out(w, &fx->at[i]);
}

static void time_came(uv_timer_t *timer);

static void pass_notices(struct worker *w);

static void end_turn(struct worker *w)
{
    if (w->has_new_sa) {
        w->has_new_sa = false;
        tun_retry_early(w->tun, clock_now().ns / 1000000, &w->notices);
        pass_notices(w);
    }
    if (tun_holds(w->tun)) {
        tun_retry(w->tun, clock_now().ns / 1000000, &w->notices);
        pass_notices(w);
    }
    flush_outbox(w);
    post_news(w);
    esp_quiescent(w->o.db);
    if (w->pending_count > 0)
        uv_async_send(&w->wake);
    if (w->is_stopping || w->wake_at.ns == w->armed_for.ns)
        return;
    w->armed_for = w->wake_at;
    if (w->wake_at.ns == INT64_MAX) {
        uv_timer_stop(&w->timer);
        return;
    }
    struct instant now = clock_now();
    int64_t wait_ns = w->wake_at.ns - now.ns;
    /* At least one: a wish for the past must not make the loop spin. */
    uint64_t wait_ms = wait_ns <= 1000000 ? 1 : ((uint64_t)wait_ns + 999999) / 1000000;
    uv_update_time(&w->loop);
    uv_timer_start(&w->timer, time_came, wait_ms, 0);
}

static void time_came(uv_timer_t *timer)
{
    struct worker *w = timer->data;
    w->wake_at = w->armed_for = INSTANT_NEVER;
    struct input in = {.kind = IN_TIME};
    input(w, &in);
    end_turn(w);
}

/* ---- receiving ---- */

static void pass_notices(struct worker *w)
{
    for (size_t i = 0; i < w->notices.count; i++) {
        const struct esp_notice *n = &w->notices.at[i];
        struct input in = {.kind = IN_DATAPLANE};
        in.dataplane = (struct dataplane_input){
            .kind = (enum dataplane_kind)n->kind,
            .spi = n->spi,
            .child_id = n->child_id,
            .cause = n->kind == DP_FAULT ? esp_drop_cause(n->why) : CAUSE_NONE,
            .count = n->count,
            .remote = n->remote,
            .pair = n->pair,
        };
        /* The engine's number is the first octet of its child ids and of the SPIs that it made; in
         * the numbers of policies without an SA one bit stands before it. */
        unsigned owner = (n->child_id != 0 ? n->child_id & ~POLICY_ID_BIT : n->spi) >> 24;
        if (owner >= w->o.count || owner == w->o.number) {
            input(w, &in);
            continue;
        }
        struct job *j = worker_job(JOB_DATAPLANE);
        if (j != NULL) {
            j->dataplane = in.dataplane;
            forward(w, owner, j);
        }
    }
    w->notices.count = 0;
}

static void take_ike(struct worker *w, const struct socket_packet *p, bool has_marker)
{
    struct span bytes = {p->data, p->len};
    unsigned owner = w->o.count == 1 ? STEER_ANY : steer_ike(bytes, w->o.count);
    if (owner != STEER_ANY && owner != w->o.number) {
        forward_packet(w, owner, JOB_IKE, p, has_marker);
        return;
    }
    struct input in = {.kind = IN_DATAGRAM};
    in.datagram = (struct datagram){p->local, p->remote, has_marker, bytes};
    input(w, &in);
}

/* true: it was added to the batch that is to be opened. */
static bool take_esp(struct worker *w, const struct socket_packet *p, bool in_udp, size_t count)
{
    unsigned owner = w->o.count == 1 ? STEER_ANY : steer_esp(span_of(p->data, p->len), w->o.count);
    if (owner != STEER_ANY && owner != w->o.number) {
        forward_packet(w, owner, JOB_ESP, p, in_udp);
        return false;
    }
    w->packets[count] = (struct esp_packet){
        .data = p->data,
        .len = p->len,
        .capacity = p->capacity,
        .local = p->local,
        .remote = p->remote,
        .in_udp = in_udp,
        .outer_tos = p->tos,
    };
    return true;
}

static void open_esp(struct worker *w, size_t count)
{
    tun_open_packets(w->tun, w->packets, count, clock_now().ns / 1000000, &w->notices);
    pass_notices(w);
}

/* Which of the three a datagram of the NAT traversal port is: RFC 3948 2.2, 2.3. */
static bool is_marked(struct socket_packet *p)
{
    struct reader r = reader_of(span_of(p->data, p->len));
    if (take_u32(&r) != 0 || !good(&r))
        return false;
    p->data += sizeof marker;
    p->len -= (uint32_t)sizeof marker;
    p->capacity -= (uint32_t)sizeof marker;
    return true;
}

static void receive(struct worker *w, enum socket_kind which)
{
    bool is_full = true;
    for (unsigned round = 0; round < ROUNDS_MAX && is_full; round++) {
        struct socket_packet *packets;
        size_t count = sockets_receive(w->sockets, which, &packets, &is_full), esp = 0;
        for (size_t i = 0; i < count; i++) {
            struct socket_packet *p = &packets[i];
            switch (which) {
            case SOCKET_IKE4:
            case SOCKET_IKE6:
                take_ike(w, p, false);
                break;
            case SOCKET_NAT4:
            case SOCKET_NAT6:
                if (p->len == 1 && p->data[0] == KEEPALIVE)
                    break;
                if (is_marked(p)) {
                    /* It may take an SA away that packets before it were sent on. */
                    open_esp(w, esp);
                    esp = 0;
                    take_ike(w, p, true);
                } else
                    esp += take_esp(w, p, true, esp);
                break;
            case SOCKET_ESP4:
            case SOCKET_ESP6:
                esp += take_esp(w, p, false, esp);
                break;
            }
        }
        open_esp(w, esp);
    }
}

static void take_errors(struct worker *w, enum socket_kind which)
{
    struct socket_error e;
    for (unsigned n = 0; n < ERRORS_MAX && sockets_next_error(w->sockets, which, &e); n++) {
        if (e.mtu > 0) {
            /* Anybody can write such an ICMP message: never below what every path carries. */
            uint32_t least = e.remote.family == FAMILY_V6 ? PMTU_MIN_V6 : PMTU_MIN_V4;
            uint32_t mtu = e.mtu < least ? least : e.mtu > UINT16_MAX ? UINT16_MAX : e.mtu;
            esp_set_pmtu(w->o.db, &e.remote, (uint16_t)mtu);
        }
        if (which == SOCKET_ESP4 || which == SOCKET_ESP6 || e.remote.family == FAMILY_NONE)
            continue;
        struct input in = {.kind = IN_PATH_ERROR};
        in.path_error = (struct path_error){e.local, e.remote, e.what, e.is_fatal_hint, e.mtu};
        input(w, &in);
    }
}

static void socket_ready(uv_poll_t *handle, int status, int events)
{
    (void)events;
    struct poller *p = handle->data;
    /* libuv takes a filled error queue for the end of the descriptor and stops listening. */
    if (status < 0)
        take_errors(p->worker, p->which);
    receive(p->worker, p->which);
    end_turn(p->worker);
    if (status < 0 && !p->worker->is_stopping)
        uv_poll_start(handle, UV_READABLE, socket_ready);
}

/* Somebody has deleted it under us. */
static void tell_no_device(struct worker *w)
{
    struct finding why;
    finding_set(&why, CAUSE_SYS_TUN_GONE);
    struct event e = {.kind = EVENT_NOTICE, .finding = &why};
    tell(w, &e, NULL);
}

static void tun_ready(uv_poll_t *handle, int status, int events)
{
    (void)events;
    struct worker *w = handle->data;
    if (status < 0) {
        uv_poll_stop(handle);
        tell_no_device(w);
        end_turn(w);
        return;
    }
    int64_t now_ms = clock_now().ns / 1000000;
    bool is_full = true;
    for (unsigned round = 0; round < ROUNDS_MAX && is_full; round++) {
        is_full = tun_read(w->tun, now_ms, &w->notices);
        pass_notices(w);
    }
    end_turn(w);
}

static void answered(void *context, const struct answer *answer)
{
    struct worker *w = context;
    struct input in = {.kind = IN_ANSWER};
    in.answer = *answer;
    input(w, &in);
    end_turn(w);
}

/* ---- the inbox ---- */

static void run_command(struct worker *w, const struct command *c)
{
    struct input in = {.kind = IN_COMMAND};
    in.command = *c;
    w->is_command_done = false;
    w->command_ticket = c->ticket;
    input(w, &in);
    switch (c->kind) {
    case CMD_LOAD_CONN:
    case CMD_UNLOAD_CONN:
    case CMD_LOAD_PSK:
    case CMD_UNLOAD_PSK:
        /* Done at once in any case: an engine that says nothing had nothing against it. */
        if (!w->is_command_done && c->ticket != 0) {
            struct event e = {
                .kind = EVENT_COMMAND_DONE, .ticket = c->ticket, .ok = true, .count = 1};
            tell(w, &e, NULL);
        }
        break;
    case CMD_INITIATE:
    case CMD_TERMINATE:
    case CMD_REKEY:
    case CMD_INSTALL:
    case CMD_UNINSTALL:
    case CMD_SHUTDOWN:
        break;
    }
    w->command_ticket = 0;
}

static void close_all(struct worker *w)
{
    w->is_stopping = true;
    resolver_stop(&w->resolver);
    for (size_t i = 0; i < SOCKET_COUNT; i++)
        if (sockets_has(w->sockets, (enum socket_kind)i))
            uv_close((uv_handle_t *)&w->polls[i].handle, NULL);
    if (tun_fd(w->tun) >= 0)
        uv_close((uv_handle_t *)&w->tun_poll, NULL);
    uv_close((uv_handle_t *)&w->timer, NULL);
    uv_close((uv_handle_t *)&w->wake, NULL);
}

static void run_job(struct worker *w, struct job *j)
{
    switch (j->kind) {
    case JOB_COMMAND:
        run_command(w, &j->command);
        break;
    case JOB_VISIT: {
        j->visit.visit(j->visit.context, w->o.number, w->engine, w->o.db, clock_now());
        struct batch *b = news(w);
        struct entry *entry = b == NULL ? NULL : batch_add(b, ENTRY_VISITED);
        if (entry != NULL)
            entry->visit = j->visit.token;
        break;
    }
    case JOB_IKE:
    case JOB_ESP: {
        struct socket_packet p = {
            .data = j->bytes + ESP_HEADROOM,
            .len = j->packet.len,
            .capacity = j->packet.len + ESP_TAILROOM,
            .local = j->packet.local,
            .remote = j->packet.remote,
            .tos = j->packet.tos,
        };
        if (j->kind == JOB_IKE)
            take_ike(w, &p, j->packet.marker);
        else
            open_esp(w, take_esp(w, &p, j->packet.marker, 0));
        break;
    }
    case JOB_DATAPLANE: {
        struct input in = {.kind = IN_DATAPLANE};
        in.dataplane = j->dataplane;
        input(w, &in);
        break;
    }
    case JOB_DROP_HELD: {
        const char *conn = (const char *)j->bytes;
        drop_own_held(w, j->policy_id, conn, conn + strlen(conn) + 1);
        break;
    }
    case JOB_TWIN: {
        struct input in = {.kind = IN_TWIN};
        in.twin = j->twin;
        input(w, &in);
        break;
    }
    case JOB_STOP:
        if (!w->is_stopping)
            close_all(w);
        break;
    }
    job_free(j);
}

static void woken(uv_async_t *async)
{
    struct worker *w = async->data;
    size_t count = w->pending_count;
    struct input waiting[PENDING_MAX];
    memcpy(waiting, w->pending, count * sizeof *waiting);
    w->pending_count = 0;
    for (size_t i = 0; i < count; i++)
        input(w, &waiting[i]);
    for (struct queue_item *i = queue_take_all(&w->inbox); i != NULL;) {
        struct queue_item *next = i->next;
        run_job(w, (struct job *)i);
        i = next;
    }
    if (!w->is_stopping)
        end_turn(w);
    else
        flush_outbox(w);
}

/* ---- life ---- */

static void thread_main(void *context)
{
    struct worker *w = context;
    esp_thread_begin(w->o.db);
    uv_run(&w->loop, UV_RUN_DEFAULT);
    flush_outbox(w);
    esp_thread_end(w->o.db);
    struct batch *b = news(w);
    struct entry *entry = b == NULL ? NULL : batch_add(b, ENTRY_STOPPED);
    if (entry != NULL)
        entry->worker = w->o.number;
    post_news(w);
}

static bool start_polling(struct worker *w)
{
    for (size_t i = 0; i < SOCKET_COUNT; i++) {
        struct poller *p = &w->polls[i];
        p->worker = w;
        p->which = (enum socket_kind)i;
        if (!sockets_has(w->sockets, p->which))
            continue;
        if (uv_poll_init(&w->loop, &p->handle, sockets_fd(w->sockets, p->which)) != 0 ||
            uv_poll_start(&p->handle, UV_READABLE, socket_ready) != 0)
            return false;
        p->handle.data = p;
    }
    if (tun_fd(w->tun) < 0)
        return true;
    if (uv_poll_init(&w->loop, &w->tun_poll, tun_fd(w->tun)) != 0 ||
        uv_poll_start(&w->tun_poll, UV_READABLE, tun_ready) != 0)
        return false;
    w->tun_poll.data = w;
    return true;
}

static bool fill(struct worker *w, const struct worker_options *o)
{
    w->outbox_bytes = malloc(OUTBOX_OCTETS);
    w->engine = engine_new(&o->engine);
    w->sockets = sockets_new(o->sockets, o->port, o->nat_port);
    if (w->outbox_bytes == NULL || w->engine == NULL || w->sockets == NULL)
        return false;
    w->tun = tun_new(o->db, w->sockets, o->number, o->tun);
    if (w->tun != NULL)
        tun_set_clear(w->tun, o->clear[0], o->clear[1]);
    return w->tun != NULL;
}

struct worker *worker_new(const struct worker_options *o)
{
    struct worker *w = calloc(1, sizeof *w);
    if (w == NULL)
        return NULL;
    w->o = *o;
    w->wake_at = w->armed_for = INSTANT_NEVER;
    queue_init(&w->inbox);
    queue_init(&w->spare);
    if (uv_loop_init(&w->loop) != 0) {
        free(w);
        return NULL;
    }
    uv_async_init(&w->loop, &w->wake, woken);
    uv_timer_init(&w->loop, &w->timer);
    w->wake.data = w->timer.data = w;
    resolver_init(&w->resolver, &w->loop, o->priv, answered, w);
    if (!fill(w, o)) {
        worker_free(w);
        return NULL;
    }
    return w;
}

bool worker_start(struct worker *w)
{
    w->is_started = start_polling(w) && uv_thread_create(&w->thread, thread_main, w) == 0;
    return w->is_started;
}

static void close_left(uv_handle_t *handle, void *unused)
{
    (void)unused;
    if (!uv_is_closing(handle))
        uv_close(handle, NULL);
}

void worker_join(struct worker *w)
{
    if (w->is_started)
        uv_thread_join(&w->thread);
    w->is_started = false;
}

void worker_free(struct worker *w)
{
    if (w == NULL)
        return;
    worker_join(w);
    uv_walk(&w->loop, close_left, NULL); /* of a worker that never ran */
    uv_run(&w->loop, UV_RUN_DEFAULT);
    uv_loop_close(&w->loop);
    for (struct queue_item *i = queue_take_all(&w->inbox); i != NULL;) {
        struct queue_item *next = i->next;
        job_free((struct job *)i);
        i = next;
    }
    for (struct queue_item *i = queue_take_all(&w->spare); i != NULL;) {
        struct queue_item *next = i->next;
        batch_free((struct batch *)i);
        i = next;
    }
    queue_clear(&w->inbox);
    queue_clear(&w->spare);
    batch_free(w->batch);
    engine_free(w->engine);
    tun_free(w->tun);
    sockets_free(w->sockets);
    free(w->outbox_bytes);
    free(w);
}
