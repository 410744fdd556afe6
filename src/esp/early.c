/* ESP that comes before its SA.
 *
 * The initiator of a CREATE_CHILD_SA cannot receive on the new SA until it has processed the
 * answer, but a responder may send on it at once (RFC 7296 2.8; Libreswan and OpenIKED do, charon
 * waits). On a busy host or a path that reorders, such a packet overtakes the answer. A few packets
 * of unknown SPIs are kept for a moment and tried again when SAs were added.
 *
 * Anybody can send unknown SPIs: places that are taken are not given to others before their time is
 * over, so that a flood costs EARLY_PACKETS copies in EARLY_LIFE_MS, and the good ones are lost
 * then as they would be without this. One worker's; nothing of it lies on the way of a packet that
 * has an SA. */
#include <stdlib.h>
#include <string.h>

#include "esp/esp.h"

struct place {
    int64_t came_ms;
    uint32_t len; /* 0: free */
    struct address local, remote;
    bool in_udp;
    uint8_t outer_tos;
    uint8_t octets[EARLY_OCTETS_MAX];
};

struct esp_early {
    size_t count;
    struct place places[EARLY_PACKETS];
};

struct esp_early *esp_early_new(void)
{
    return calloc(1, sizeof(struct esp_early));
}

void esp_early_free(struct esp_early *e)
{
    free(e);
}

size_t esp_early_count(const struct esp_early *e)
{
    return e->count;
}

static bool is_over(const struct place *at, int64_t now_ms)
{
    return now_ms - at->came_ms >= EARLY_LIFE_MS;
}

bool esp_early_keep(struct esp_early *e, const struct esp_packet *p, int64_t now_ms)
{
    if (p->len == 0 || p->len > EARLY_OCTETS_MAX)
        return false;
    for (size_t i = 0; i < EARLY_PACKETS; i++) {
        struct place *at = &e->places[i];
        if (at->len != 0 && !is_over(at, now_ms))
            continue;
        if (at->len == 0)
            e->count++;
        at->came_ms = now_ms;
        at->len = p->len;
        at->local = p->local;
        at->remote = p->remote;
        at->in_udp = p->in_udp;
        at->outer_tos = p->outer_tos;
        memcpy(at->octets, p->data, p->len);
        return true;
    }
    return false;
}

bool esp_early_take(struct esp_early *e, struct esp_packet *p, int64_t now_ms)
{
    struct place *oldest = NULL;
    for (size_t i = 0; i < EARLY_PACKETS; i++) {
        struct place *at = &e->places[i];
        if (at->len != 0 && is_over(at, now_ms)) {
            at->len = 0;
            e->count--;
        }
        if (at->len != 0 && at->len <= p->capacity &&
            (oldest == NULL || at->came_ms < oldest->came_ms))
            oldest = at;
    }
    if (oldest == NULL)
        return false;
    p->len = oldest->len;
    p->local = oldest->local;
    p->remote = oldest->remote;
    p->in_udp = oldest->in_udp;
    p->outer_tos = oldest->outer_tos;
    memcpy(p->data, oldest->octets, oldest->len);
    oldest->len = 0;
    e->count--;
    return true;
}
