#include "edge/tun.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

enum { INNER_MAX = 65535, BUFFER_SIZE = ESP_HEADROOM + INNER_MAX + 1 + ESP_TAILROOM };

struct tun {
    struct esp_db *db;
    struct sockets *sockets;
    unsigned worker;
    int fd;
    struct tun_counters counters;
    uint8_t *buffers; /* SOCKETS_BATCH of BUFFER_SIZE */
    struct esp_packet packets[SOCKETS_BATCH];
    struct socket_out out[SOCKETS_BATCH];
};

struct tun *tun_new(struct esp_db *db, struct sockets *sockets, unsigned worker, int fd)
{
    struct tun *t = calloc(1, sizeof *t);
    if (t == NULL)
        return NULL;
    t->buffers = malloc((size_t)SOCKETS_BATCH * BUFFER_SIZE);
    if (t->buffers == NULL) {
        free(t);
        return NULL;
    }
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
            t->counters.passed++;
            break;
        case ESP_DROP: /* esp counts it */
        case ESP_ACQUIRE:
        case ESP_DUMMY:
        case ESP_KEEPALIVE:
            break;
        }
    }
    if (waiting > 0)
        sockets_send(t->sockets, way, t->out, waiting, count_refused, t);
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
    return count == SOCKETS_BATCH;
}

void tun_open_packets(struct tun *t, struct esp_packet *packets, size_t count, int64_t now_ms,
                      struct esp_notices *notices)
{
    notices->count = 0;
    if (count == 0)
        return;
    esp_open(t->db, t->worker, packets, count, now_ms, notices);
    for (size_t i = 0; i < count; i++)
        if (packets[i].verdict == ESP_SEND)
            write_inner(t, &packets[i]);
}
