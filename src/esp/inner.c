/* Reading inner packets. Everything here comes from the network or from any local program. */
#include <stdlib.h>

#include "esp/inner.h"

enum {
    EXT_HOP_BY_HOP = 0,
    EXT_ROUTING = 43,
    EXT_FRAGMENT = 44,
    EXT_DESTINATION = 60,
    EXT_MOBILITY = 135,
    EXT_MAX = 16,
};

static inline struct ip_number ipv4_number(const uint8_t *at)
{
    uint32_t low;
    memcpy(&low, at, sizeof low);
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    low = __builtin_bswap32(low);
#endif
    return (struct ip_number){0, low};
}

static inline struct ip_number ipv6_number(const uint8_t *at)
{
    uint64_t high, low;
    memcpy(&high, at, sizeof high);
    memcpy(&low, at + 8, sizeof low);
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    high = __builtin_bswap64(high);
    low = __builtin_bswap64(low);
#endif
    return (struct ip_number){high, low};
}

/* What the first octets behind the IP headers say. */
static void parse_ports(struct reader *r, struct inner *out)
{
    switch (out->protocol) {
    case 6:   /* TCP */
    case 17:  /* UDP */
    case 33:  /* DCCP */
    case 132: /* SCTP */
    case 136: /* UDP-Lite */
        out->src_port = take_u16(r);
        out->dst_port = take_u16(r);
        break;
    case IP_PROTOCOL_ICMP:
    case IP_PROTOCOL_ICMPV6:
        out->src_port = out->dst_port = take_u16(r);
        break;
    case EXT_MOBILITY: /* RFC 4301 4.4.1.1: the MH type in the upper octet */
        (void)take_u16(r);
        out->src_port = out->dst_port = (uint16_t)(take_u8(r) << 8);
        break;
    default:
        return;
    }
    out->has_ports = good(r);
    if (!out->has_ports)
        out->src_port = out->dst_port = 0;
}

static bool parse_ipv4(struct span packet, struct inner *out)
{
    struct reader r = reader_of(packet);
    struct span head = take(&r, IPV4_HEADER_LEN);
    if (!good(&r))
        return false;
    const uint8_t *h = head.at;
    size_t head_len = (size_t)(h[0] & 15) * 4;
    out->len = (uint32_t)h[2] << 8 | h[3];
    (void)take_counted(&r, head_len, IPV4_HEADER_LEN); /* options */
    if (!good(&r) || out->len > packet.len)
        return false;
    struct span body;
    {
        struct reader all = reader_of((struct span){packet.at, out->len});
        (void)take(&all, head_len);
        body = take_rest(&all);
        if (!good(&all))
            return false;
    }
    unsigned fragment = (unsigned)h[6] << 8 | h[7];
    out->family = FAMILY_V4;
    out->tos = h[1];
    out->df = (fragment & 0x4000) != 0;
    out->is_fragment = (fragment & 0x3fff) != 0;
    out->is_later_fragment = (fragment & 0x1fff) != 0;
    out->protocol = h[9];
    out->src = ipv4_number(h + 12);
    out->dst = ipv4_number(h + 16);
    if (!out->is_later_fragment) {
        struct reader b = reader_of(body);
        parse_ports(&b, out);
    }
    return true;
}

/* Walks to the upper layer. RFC 8200 4; RFC 7112: the first fragment has the whole chain, so a
 * chain that ends early is no packet. */
static bool parse_extensions(struct reader *r, uint8_t next, struct inner *out)
{
    for (unsigned i = 0; i <= EXT_MAX; i++) {
        out->protocol = next;
        if (next == EXT_HOP_BY_HOP || next == EXT_ROUTING || next == EXT_DESTINATION) {
            struct span e = take(r, 8);
            if (!good(r))
                return false;
            next = e.at[0];
            (void)take_counted(r, ((size_t)e.at[1] + 1) * 8, 8);
        } else if (next == EXT_FRAGMENT) {
            struct span e = take(r, 8);
            if (!good(r))
                return false;
            next = e.at[0];
            out->is_fragment = ((unsigned)e.at[2] << 8 | (e.at[3] & 0xf9)) != 0;
            if (((unsigned)e.at[2] << 8 | (e.at[3] & 0xf8)) != 0) {
                out->protocol = next;
                out->is_later_fragment = true;
                return true;
            }
        } else {
            if (!good(r))
                return false;
            parse_ports(r, out);
            return true;
        }
    }
    return false;
}

static bool parse_ipv6(struct span packet, struct inner *out)
{
    struct reader r = reader_of(packet);
    struct span head = take(&r, IPV6_HEADER_LEN);
    if (!good(&r))
        return false;
    const uint8_t *h = head.at;
    size_t body_len = (size_t)h[4] << 8 | h[5];
    struct reader body = reader_of(take(&r, body_len));
    if (!good(&r))
        return false;
    out->family = FAMILY_V6;
    out->len = (uint32_t)(IPV6_HEADER_LEN + body_len);
    out->tos = (uint8_t)((h[0] & 15) << 4 | h[1] >> 4);
    out->df = true;
    out->src = ipv6_number(h + 8);
    out->dst = ipv6_number(h + 24);
    return parse_extensions(&body, h[6], out);
}

bool esp_parse_inner(struct span packet, struct inner *out)
{
    *out = (struct inner){0};
    if (packet.len == 0)
        return false;
    switch (packet.at[0] >> 4) {
    case 4:
        return parse_ipv4(packet, out);
    case 6:
        return parse_ipv6(packet, out);
    default:
        return false;
    }
}

void esp_set_tos(uint8_t *packet, uint8_t family, uint8_t tos)
{
    if (family == FAMILY_V6) {
        packet[0] = (uint8_t)(0x60 | tos >> 4);
        packet[1] = (uint8_t)((packet[1] & 15) | (tos & 15) << 4);
        return;
    }
    /* RFC 1624: HC' = ~(~HC + ~m + m'), m being the first 16-bit word */
    uint32_t sum = (uint32_t)(uint16_t) ~((unsigned)packet[10] << 8 | packet[11]);
    sum += (uint32_t)(uint16_t) ~((unsigned)packet[0] << 8 | packet[1]);
    sum += (uint32_t)packet[0] << 8 | tos;
    sum = (sum & 0xffff) + (sum >> 16);
    sum = (sum & 0xffff) + (sum >> 16);
    packet[1] = tos;
    packet[10] = (uint8_t)(~sum >> 8);
    packet[11] = (uint8_t)~sum;
}

/* ---- selectors ---- */

static bool is_any_port(const struct end *e)
{
    return e->port_from == 0 && e->port_to == UINT16_MAX;
}

static bool is_opaque(const struct end *e)
{
    return e->port_from == UINT16_MAX && e->port_to == 0;
}

static unsigned bit_length(uint64_t n)
{
    return n == 0 ? 0 : 64 - (unsigned)__builtin_clzll(n);
}

static uint16_t exactness_of(const struct end *e)
{
    uint64_t high = e->to.high - e->from.high - (e->to.low < e->from.low);
    unsigned width = high != 0 ? 64 + bit_length(high) : bit_length(e->to.low - e->from.low);
    unsigned bits = e->family == FAMILY_V4 ? 32 : 128;
    unsigned fixed = width > bits ? 0 : bits - width;
    return (uint16_t)(fixed * 4 + (e->protocol != 0 ? 2 : 0) + (is_any_port(e) ? 0 : 1));
}

bool esp_filter_from(const struct selectors *s, struct filter *out)
{
    *out = (struct filter){NULL, 0, false};
    if (s->count == 0)
        return true;
    out->at = calloc(s->count, sizeof *out->at);
    if (out->at == NULL)
        return false;
    out->count = s->count;
    for (size_t i = 0; i < s->count; i++) {
        const struct selector *from = &s->at[i];
        struct end *to = &out->at[i];
        to->family = from->is_dynamic ? FAMILY_NONE : from->family; /* unresolved: fits nothing */
        to->protocol = from->protocol;
        to->port_from = from->port_from;
        to->port_to = from->port_to;
        if (from->family == FAMILY_V4) {
            to->from = ipv4_number(from->from);
            to->to = ipv4_number(from->to);
        } else {
            to->from = ipv6_number(from->from);
            to->to = ipv6_number(from->to);
        }
        to->exactness = exactness_of(to);
    }
    return true;
}

void esp_filter_clear(struct filter *f)
{
    free(f->at);
    *f = (struct filter){NULL, 0, false};
}

static bool is_not_above(const struct ip_number *x, const struct ip_number *y)
{
    return x->high < y->high || (x->high == y->high && x->low <= y->low);
}

static bool end_fits(const struct end *e, const struct inner *in, const struct ip_number *address,
                     uint16_t port, bool takes_fragments)
{
    if (e->family != in->family || (e->protocol != 0 && e->protocol != in->protocol))
        return false;
    if (!is_not_above(&e->from, address) || !is_not_above(address, &e->to))
        return false;
    if (is_any_port(e))
        return true;
    if (!in->has_ports)
        return is_opaque(e) || (in->is_later_fragment && takes_fragments);
    return e->port_from <= port && port <= e->port_to;
}

unsigned esp_filter_fits(const struct filter *f, const struct inner *in, bool is_source)
{
    const struct ip_number *address = is_source ? &in->src : &in->dst;
    uint16_t port = is_source ? in->src_port : in->dst_port;
    unsigned best = 0;
    for (size_t i = 0; i < f->count; i++)
        if (f->at[i].exactness >= best &&
            end_fits(&f->at[i], in, address, port, f->takes_fragments))
            best = f->at[i].exactness + 1U;
    return best;
}
