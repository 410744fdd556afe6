#include "edge/tun.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "edge/sockaddr.h"
#include "esp/inner.h"

enum { INNER_MAX = 65535, BUFFER_SIZE = ESP_HEADROOM + INNER_MAX + 1 + ESP_TAILROOM };

struct tun {
    struct esp_db *db;
    struct sockets *sockets;
    unsigned worker;
    int fd;
    int clear[2]; /* IPv4, IPv6 */
    struct tun_counters counters;
    struct esp_held *held;
    struct esp_early *early;
    struct esp_join *join;
    atomic_size_t held_count; /* for the other workers */
    uint64_t tried;           /* esp_generation() of the last retry */
    uint8_t *buffers;         /* SOCKETS_BATCH of BUFFER_SIZE */
    struct esp_packet packets[SOCKETS_BATCH];
    struct socket_out out[SOCKETS_BATCH];
};

struct tun *tun_new(struct esp_db *db, struct sockets *sockets, unsigned worker, int fd)
{
    struct tun *t = calloc(1, sizeof *t);
    if (t == NULL)
        return NULL;
    t->buffers = malloc((size_t)SOCKETS_BATCH * BUFFER_SIZE);
    t->held = esp_held_new();
    t->early = esp_early_new();
    t->join = esp_join_new();
    if (t->buffers == NULL || t->held == NULL || t->early == NULL || t->join == NULL) {
        esp_early_free(t->early);
        esp_held_free(t->held);
        esp_join_free(t->join);
        free(t->buffers);
        free(t);
        return NULL;
    }
    t->clear[0] = t->clear[1] = -1;
    t->db = db;
    t->sockets = sockets;
    t->worker = worker;
    t->fd = fd;
    return t;
}

void tun_free(struct tun *t)
{
    if (t == NULL)
        return;
    if (t->fd >= 0)
        close(t->fd);
    tun_set_clear(t, -1, -1);
    esp_held_free(t->held);
    esp_early_free(t->early);
    esp_join_free(t->join);
    free(t->buffers);
    free(t);
}

int tun_fd(const struct tun *t)
{
    return t->fd;
}

void tun_counters(const struct tun *t, struct tun_counters *out)
{
    *out = t->counters;
    out->held = esp_held_count(t->held);
    out->held_lost = esp_held_lost(t->held);
    out->join_lost = esp_join_lost(t->join);
}

void tun_set_clear(struct tun *t, int fd4, int fd6)
{
    for (size_t i = 0; i < 2; i++)
        if (t->clear[i] >= 0)
            close(t->clear[i]);
    t->clear[0] = fd4;
    t->clear[1] = fd6;
}

bool tun_holds(const struct tun *t)
{
    return atomic_load_explicit(&t->held_count, memory_order_acquire) > 0;
}

static void count_held(struct tun *t)
{
    atomic_store_explicit(&t->held_count, esp_held_count(t->held), memory_order_release);
}

struct esp_held_drop tun_drop_held(struct tun *t, uint32_t policy_id)
{
    struct esp_held_drop dropped = esp_held_drop(t->held, policy_id);
    count_held(t);
    return dropped;
}

/* In clear, header and all: the kernel routes it, and our mark keeps it out of the device. */
static void send_clear(struct tun *t, const struct esp_packet *p)
{
    struct inner in;
    struct address to = {0};
    union sockaddr_any at;
    bool ok = esp_parse_inner(span_of(p->data, p->len), &in);
    int fd = ok ? t->clear[in.family == FAMILY_V6] : -1;
    if (ok) {
        struct writer w = writer_of(to.bytes, sizeof to.bytes);
        to.family = in.family;
        if (in.family == FAMILY_V6)
            put_u64(&w, in.dst.high);
        if (in.family == FAMILY_V6)
            put_u64(&w, in.dst.low);
        else
            put_u32(&w, (uint32_t)in.dst.low);
    }
    socklen_t len = ok ? sockaddr_from(&to, &at) : 0;
    if (fd >= 0 && sendto(fd, p->data, p->len, MSG_DONTWAIT, &at.any, len) >= 0)
        t->counters.passed++;
    else
        t->counters.refused++;
}

static void write_inner(struct tun *t, const struct esp_packet *p)
{
    ssize_t written;
    do {
        written = t->fd < 0 ? -1 : write(t->fd, p->data, p->len);
    } while (written < 0 && t->fd >= 0 && errno == EINTR);
    if (written < 0)
        t->counters.refused++;
}

static void count_refused(void *context, const struct socket_error *e)
{
    (void)e;
    struct tun *t = context;
    t->counters.refused++;
}

static enum socket_kind way_of(const struct esp_packet *p)
{
    return sockets_for_esp(p->remote.family, p->in_udp);
}

/* Sends what was sealed, in order, each run of packets for one socket with one call. */
static void send_sealed(struct tun *t, size_t count)
{
    size_t waiting = 0;
    enum socket_kind way = SOCKET_NAT4;
    for (size_t i = 0; i < count; i++) {
        const struct esp_packet *p = &t->packets[i];
        switch (p->verdict) {
        case ESP_SEND:
            if (waiting > 0 && way_of(p) != way) {
                sockets_send(t->sockets, way, t->out, waiting, count_refused, t);
                waiting = 0;
            }
            way = way_of(p);
            t->out[waiting++] = (struct socket_out){
                .body = {p->data, p->len},
                .local = p->local,
                .remote = p->remote,
                .tos = p->outer_tos,
                .df = p->outer_df,
            };
            break;
        case ESP_REPLY:
            write_inner(t, p);
            break;
        case ESP_PASS:
            send_clear(t, p);
            break;
        case ESP_ACQUIRE:
            esp_held_keep(t->held, p->policy_id, span_of(p->data, p->len));
            break;
        case ESP_DROP: /* esp counts it */
        case ESP_DUMMY:
        case ESP_KEEPALIVE:
        case ESP_JOIN: /* seal_fragments() */
            break;
        }
    }
    if (waiting > 0)
        sockets_send(t->sockets, way, t->out, waiting, count_refused, t);
}

static void add_notices(struct esp_notices *to, const struct esp_notices *some)
{
    for (size_t i = 0; i < some->count && to->count < ESP_BATCH_MAX; i++)
        to->at[to->count++] = some->at[i];
}

/* Transport mode: the fragments of the batch, each datagram as soon as it is whole. They are rare,
 * so one at a time will do. */
static void seal_fragments(struct tun *t, size_t count, int64_t now_ms, struct esp_notices *notices)
{
    struct esp_packet last = t->packets[0];
    for (size_t i = 0; i < count; i++) {
        const struct esp_packet *p = i == 0 ? &last : &t->packets[i];
        struct esp_packet whole;
        if (p->verdict != ESP_JOIN || !esp_join_add(t->join, span_of(p->data, p->len), &whole))
            continue;
        struct esp_notices some;
        esp_seal(t->db, t->worker, &whole, 1, now_ms, &some);
        add_notices(notices, &some);
        t->packets[0] = whole;
        send_sealed(t, 1);
    }
}

bool tun_read(struct tun *t, int64_t now_ms, struct esp_notices *notices)
{
    notices->count = 0;
    size_t count = 0;
    while (t->fd >= 0 && count < SOCKETS_BATCH) {
        struct esp_packet *p = &t->packets[count];
        *p = (struct esp_packet){
            .data = t->buffers + count * BUFFER_SIZE + ESP_HEADROOM,
            .capacity = BUFFER_SIZE - ESP_HEADROOM,
        };
        ssize_t len = read(t->fd, p->data, INNER_MAX);
        if (len < 0 && errno == EINTR)
            continue;
        if (len <= 0)
            break;
        p->len = (uint32_t)len;
        count++;
    }
    if (count == 0)
        return false;
    esp_seal(t->db, t->worker, t->packets, count, now_ms, notices);
    send_sealed(t, count);
    seal_fragments(t, count, now_ms, notices);
    count_held(t);
    return count == SOCKETS_BATCH;
}

void tun_retry(struct tun *t, int64_t now_ms, struct esp_notices *notices)
{
    notices->count = 0;
    uint64_t generation = esp_generation(t->db);
    if (generation == t->tried)
        return;
    t->tried = generation;
    struct esp_held_packet *waiting = esp_held_take_all(t->held);
    while (waiting != NULL) {
        size_t count = 0;
        while (waiting != NULL && count < SOCKETS_BATCH) {
            struct esp_held_packet *one = waiting;
            struct esp_packet *p = &t->packets[count];
            waiting = one->next;
            *p = (struct esp_packet){
                .data = t->buffers + count * BUFFER_SIZE + ESP_HEADROOM,
                .capacity = BUFFER_SIZE - ESP_HEADROOM,
                .len = one->len,
            };
            memcpy(p->data, one->octets, one->len);
            free(one);
            count++;
        }
        struct esp_notices some;
        esp_seal(t->db, t->worker, t->packets, count, now_ms, &some);
        send_sealed(t, count); /* those without an SA wait again */
        add_notices(notices, &some);
        seal_fragments(t, count, now_ms, notices);
    }
    count_held(t);
}

void tun_open_packets(struct tun *t, struct esp_packet *packets, size_t count, int64_t now_ms,
                      struct esp_notices *notices)
{
    notices->count = 0;
    if (count == 0)
        return;
    esp_open(t->db, t->worker, packets, count, now_ms, notices);
    for (size_t i = 0; i < count; i++) {
        if (packets[i].verdict == ESP_SEND)
            write_inner(t, &packets[i]);
        else if (packets[i].verdict == ESP_DROP && packets[i].why == ESP_UNKNOWN_SPI)
            esp_early_keep(t->early, &packets[i], now_ms);
    }
}

void tun_retry_early(struct tun *t, int64_t now_ms, struct esp_notices *notices)
{
    notices->count = 0;
    if (esp_early_count(t->early) == 0)
        return;
    size_t count = 0;
    while (count < SOCKETS_BATCH && count < EARLY_PACKETS) {
        struct esp_packet *p = &t->packets[count];
        *p = (struct esp_packet){
            .data = t->buffers + count * BUFFER_SIZE + ESP_HEADROOM,
            .capacity = BUFFER_SIZE - ESP_HEADROOM,
        };
        if (!esp_early_take(t->early, p, now_ms))
            break;
        count++;
    }
    tun_open_packets(t, t->packets, count, now_ms, notices);
}
