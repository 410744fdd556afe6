/* The host's fragments → whole datagrams, for transport mode. RFC 4303 3.3.4: ESP is applied to
 * whole datagrams only, and the host's own stack has cut them for the device.
 *
 * A local stack sends the fragments of a datagram in order, one behind the other: so a piece either
 * continues what is there or is lost with its datagram. JOIN_SLOTS datagrams may be under way at
 * once; a further one takes the place of the oldest. All memory is there from the beginning. One
 * thread uses it. */
#include <stdlib.h>

#include "esp/db.h"

enum {
    JOIN_SLOTS = 4,
    DATAGRAM_MAX = 65535,
    SLOT_SIZE = ESP_HEADROOM + DATAGRAM_MAX + 1 + ESP_TAILROOM,
    EXT_FRAGMENT = 44,
    FRAGMENT_HEADER_LEN = 8,
};

/* What one fragment says. */
struct piece {
    struct ip_number src, dst;
    uint32_t id;
    uint8_t family, protocol;
    bool has_more;
    uint32_t offset;
    struct span head, payload; /* IP header with which the whole begins; what it adds */
};

struct slot {
    bool is_used;
    struct piece key;
    uint64_t age;
    uint32_t head, filled; /* octets of the header, of the payload */
    uint8_t *at;           /* the datagram */
};

struct esp_join {
    struct slot slots[JOIN_SLOTS];
    uint64_t clock, lost;
    uint8_t memory[JOIN_SLOTS][SLOT_SIZE];
};

struct esp_join *esp_join_new(void)
{
    struct esp_join *j = malloc(sizeof *j); /* the memory is touched when it is needed */
    if (j == NULL)
        return NULL;
    memset(j->slots, 0, sizeof j->slots);
    j->clock = j->lost = 0;
    for (size_t i = 0; i < JOIN_SLOTS; i++)
        j->slots[i].at = j->memory[i] + ESP_HEADROOM;
    return j;
}

void esp_join_free(struct esp_join *j)
{
    free(j);
}

uint64_t esp_join_lost(const struct esp_join *j)
{
    return j->lost;
}

static bool read_ipv4(struct span packet, const struct inner *in, struct piece *out)
{
    struct reader r = reader_of(packet), numbers;
    struct span fixed = take(&r, IPV4_HEADER_LEN);
    if (!good(&r))
        return false;
    size_t head_len = (size_t)(fixed.at[0] & 15) * 4;
    r = reader_of(span_of(packet.at, in->len));
    out->head = take(&r, head_len);
    out->payload = take_rest(&r);
    numbers = reader_of(fixed);
    take(&numbers, 4);
    out->id = take_u16(&numbers);
    unsigned where = take_u16(&numbers);
    out->has_more = (where & 0x2000) != 0;
    out->offset = (uint32_t)(where & 0x1fff) * 8;
    out->protocol = in->protocol;
    return good(&r);
}

/* The kernel puts the fragment header right behind that of IPv6, unless there are others to be seen
 * by routers; such a datagram is lost. */
static bool read_ipv6(struct span packet, const struct inner *in, struct piece *out)
{
    struct reader r = reader_of(span_of(packet.at, in->len));
    out->head = take(&r, IPV6_HEADER_LEN);
    if (!good(&r) || out->head.at[6] != EXT_FRAGMENT)
        return false;
    out->protocol = take_u8(&r);
    take_u8(&r);
    unsigned where = take_u16(&r);
    out->id = take_u32(&r);
    out->payload = take_rest(&r);
    out->has_more = (where & 1) != 0;
    out->offset = where & 0xfff8;
    return good(&r);
}

static bool read_piece(struct span packet, struct piece *out)
{
    struct inner in;
    if (!esp_parse_inner(packet, &in) || !in.is_fragment)
        return false;
    *out = (struct piece){.src = in.src, .dst = in.dst, .family = in.family};
    bool ok = in.family == FAMILY_V4 ? read_ipv4(packet, &in, out) : read_ipv6(packet, &in, out);
    return ok && (!out->has_more || out->payload.len % 8 == 0);
}

static bool is_same_number(const struct ip_number *x, const struct ip_number *y)
{
    return x->high == y->high && x->low == y->low;
}

static bool is_same(const struct piece *x, const struct piece *y)
{
    return x->id == y->id && x->family == y->family && x->protocol == y->protocol &&
           is_same_number(&x->src, &y->src) && is_same_number(&x->dst, &y->dst);
}

static struct slot *find(struct esp_join *j, const struct piece *p)
{
    for (size_t i = 0; i < JOIN_SLOTS; i++)
        if (j->slots[i].is_used && is_same(&j->slots[i].key, p))
            return &j->slots[i];
    return NULL;
}

static void lose(struct esp_join *j, struct slot *s)
{
    j->lost++;
    if (s != NULL)
        s->is_used = false;
}

static struct slot *begin(struct esp_join *j, const struct piece *p)
{
    struct slot *s = find(j, p); /* the same number again: what was there is old */
    for (size_t i = 0; i < JOIN_SLOTS && s == NULL; i++)
        if (!j->slots[i].is_used)
            s = &j->slots[i];
    for (size_t i = 0; s == NULL && i < JOIN_SLOTS; i++) {
        bool is_oldest = true;
        for (size_t k = 0; k < JOIN_SLOTS; k++)
            is_oldest = is_oldest && j->slots[i].age <= j->slots[k].age;
        if (is_oldest)
            s = &j->slots[i];
    }
    if (s->is_used)
        lose(j, s);
    s->is_used = true;
    s->key = *p;
    s->key.head = s->key.payload = (struct span){NULL, 0}; /* of a buffer that is not ours */
    s->age = ++j->clock;
    s->head = (uint32_t)p->head.len;
    s->filled = 0;
    memcpy(s->at, p->head.at, p->head.len);
    return s;
}

/* The header says that it is whole. */
static void finish(struct slot *s)
{
    struct writer w = writer_of(s->at, s->head);
    uint32_t len = s->head + s->filled;
    put_room(&w, s->head);
    if (s->key.family == FAMILY_V6) {
        writer_patch_u8(&w, 4, (uint8_t)(s->filled >> 8));
        writer_patch_u8(&w, 5, (uint8_t)s->filled);
        writer_patch_u8(&w, 6, s->key.protocol);
        return;
    }
    writer_patch_u8(&w, 2, (uint8_t)(len >> 8));
    writer_patch_u8(&w, 3, (uint8_t)len);
    for (size_t at = 6; at < 8; at++)
        writer_patch_u8(&w, at, 0);
    for (size_t at = 10; at < 12; at++)
        writer_patch_u8(&w, at, 0);
    uint16_t sum = esp_checksum(s->at, s->head, 0);
    writer_patch_u8(&w, 10, (uint8_t)(sum >> 8));
    writer_patch_u8(&w, 11, (uint8_t)sum);
}

bool esp_join_add(struct esp_join *j, struct span fragment, struct esp_packet *whole)
{
    struct piece p;
    if (!read_piece(fragment, &p)) {
        j->lost++;
        return false;
    }
    struct slot *s = p.offset == 0 ? begin(j, &p) : find(j, &p);
    if (s == NULL || s->filled != p.offset || s->head + s->filled + p.payload.len > DATAGRAM_MAX) {
        lose(j, s);
        return false;
    }
    memcpy(s->at + s->head + s->filled, p.payload.at, p.payload.len);
    s->filled += (uint32_t)p.payload.len;
    if (p.has_more)
        return false;
    finish(s);
    s->is_used = false; /* it stays as it is until the next fragment comes */
    *whole = (struct esp_packet){.data = s->at,
                                 .len = s->head + s->filled,
                                 .is_joined = true,
                                 .capacity = SLOT_SIZE - ESP_HEADROOM};
    return true;
}
