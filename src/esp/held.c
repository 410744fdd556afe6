/* Packets that wait for an SA: what met a trap policy is kept until the SA is there, or until it is
 * known that none will be.
 *
 * One list for each policy, in the order in which the packets came; the oldest goes when a list is
 * full. One worker's, so it needs no lock; nothing of it lies on the way of a packet that has an
 * SA. */
#include <stdlib.h>

#include "esp/esp.h"

struct list {
    uint32_t policy_id;
    size_t count, bytes;
    struct esp_held_packet *first, **end;
};

struct esp_held {
    struct list *lists[HELD_POLICIES_MAX];
    size_t list_count, count;
    uint64_t lost;
};

struct esp_held *esp_held_new(void)
{
    return calloc(1, sizeof(struct esp_held));
}

static void free_packets(struct esp_held_packet *p)
{
    while (p != NULL) {
        struct esp_held_packet *next = p->next;
        free(p);
        p = next;
    }
}

void esp_held_free(struct esp_held *h)
{
    if (h == NULL)
        return;
    for (size_t i = 0; i < h->list_count; i++) {
        free_packets(h->lists[i]->first);
        free(h->lists[i]);
    }
    free(h);
}

size_t esp_held_count(const struct esp_held *h)
{
    return h->count;
}

uint64_t esp_held_lost(const struct esp_held *h)
{
    return h->lost;
}

static struct list *find(struct esp_held *h, uint32_t policy_id)
{
    for (size_t i = 0; i < h->list_count; i++)
        if (h->lists[i]->policy_id == policy_id)
            return h->lists[i];
    return NULL;
}

static struct list *get(struct esp_held *h, uint32_t policy_id)
{
    struct list *l = find(h, policy_id);
    if (l != NULL || h->list_count == HELD_POLICIES_MAX)
        return l;
    l = calloc(1, sizeof *l);
    if (l == NULL)
        return NULL;
    l->policy_id = policy_id;
    l->end = &l->first;
    h->lists[h->list_count++] = l;
    return l;
}

static void drop_oldest(struct esp_held *h, struct list *l)
{
    struct esp_held_packet *p = l->first;
    l->first = p->next;
    if (l->first == NULL)
        l->end = &l->first;
    l->count--;
    l->bytes -= p->len;
    h->count--;
    h->lost++;
    free(p);
}

bool esp_held_keep(struct esp_held *h, uint32_t policy_id, struct span packet)
{
    struct list *l = packet.len > HELD_BYTES_MAX ? NULL : get(h, policy_id);
    struct esp_held_packet *p = l == NULL ? NULL : malloc(sizeof *p + packet.len);
    if (p == NULL) {
        h->lost++;
        return false;
    }
    while (l->count == HELD_PACKETS_MAX || l->bytes + packet.len > HELD_BYTES_MAX)
        drop_oldest(h, l);
    p->next = NULL;
    p->policy_id = policy_id;
    p->len = (uint32_t)packet.len;
    memcpy(p->octets, packet.at, packet.len);
    *l->end = p;
    l->end = &p->next;
    l->count++;
    l->bytes += packet.len;
    h->count++;
    return true;
}

static void forget(struct esp_held *h, size_t i)
{
    h->count -= h->lists[i]->count;
    free(h->lists[i]);
    h->lists[i] = h->lists[--h->list_count];
}

struct esp_held_packet *esp_held_take_all(struct esp_held *h)
{
    struct esp_held_packet *first = NULL, **end = &first;
    while (h->list_count > 0) {
        struct list *l = h->lists[0];
        if (l->first != NULL) {
            *end = l->first;
            end = l->end;
        }
        forget(h, 0);
    }
    return first;
}

struct esp_held_drop esp_held_drop(struct esp_held *h, uint32_t policy_id)
{
    struct esp_held_drop dropped = {0, 0};
    for (size_t i = 0; i < h->list_count; i++) {
        struct list *l = h->lists[i];
        if (l->policy_id != policy_id)
            continue;
        dropped = (struct esp_held_drop){l->count, l->bytes};
        h->lost += l->count;
        free_packets(l->first);
        forget(h, i);
        break;
    }
    return dropped;
}
