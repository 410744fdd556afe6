/* "It does not fit": ICMPv4 fragmentation needed (RFC 792, 1191 4) and ICMPv6 packet too big
 * (RFC 4443 3.2), written in front of the packet that caused it.
 *
 * The error comes from the inner destination: the only address of which we know that the sender
 * routes towards the tunnel, and one that its stack accepts an error from. How often errors are
 * sent is the caller's to limit. */
#include "esp/inner.h"

enum {
    ICMP_HEADER_LEN = 8,
    ICMPV4_ERROR_MAX = 576, /* RFC 1812 4.3.2.3 */
    TOS_INTERNETWORK_CONTROL = 0xc0,
    HOP_LIMIT = 64,
};

static uint32_t sum_of(struct span s, uint32_t sum)
{
    struct reader r = reader_of(s);
    while (r.left.len >= 2)
        sum += take_u16(&r);
    if (r.left.len == 1)
        sum += (uint32_t)take_u8(&r) << 8;
    return sum;
}

static uint16_t checksum_of(uint32_t sum)
{
    while (sum >> 16 != 0)
        sum = (sum & 0xffff) + (sum >> 16);
    return (uint16_t)~sum;
}

static void patch_u16(struct writer *w, size_t at, uint16_t v)
{
    writer_patch_u8(w, at, (uint8_t)(v >> 8));
    writer_patch_u8(w, at + 1, (uint8_t)v);
}

static bool answer_ipv4(struct esp_packet *p, const struct inner *in, uint16_t mtu)
{
    uint8_t src_first = (uint8_t)(in->src.low >> 24), dst_first = (uint8_t)(in->dst.low >> 24);
    if (src_first == 0 || src_first == 127 || src_first >= 224 || dst_first >= 224)
        return false;
    if (in->protocol == IP_PROTOCOL_ICMP) {
        uint8_t type = (uint8_t)(in->src_port >> 8);
        bool is_query = type == 0 || type == 8 || (type >= 13 && type <= 18);
        if (!in->has_ports || !is_query)
            return false;
    }
    uint32_t quoted = in->len;
    if (quoted > ICMPV4_ERROR_MAX - IPV4_HEADER_LEN - ICMP_HEADER_LEN)
        quoted = ICMPV4_ERROR_MAX - IPV4_HEADER_LEN - ICMP_HEADER_LEN;

    uint8_t src[4], dst[4];
    memcpy(src, p->data + 12, sizeof src);
    memcpy(dst, p->data + 16, sizeof dst);
    uint32_t head = IPV4_HEADER_LEN + ICMP_HEADER_LEN;
    uint8_t *at = p->data - head;
    struct writer w = writer_of(at, head);
    put_u8(&w, 0x45);
    put_u8(&w, TOS_INTERNETWORK_CONTROL);
    put_u16(&w, (uint16_t)(head + quoted));
    put_u16(&w, 0);      /* identification: not used with DF */
    put_u16(&w, 0x4000); /* DF */
    put_u8(&w, HOP_LIMIT);
    put_u8(&w, IP_PROTOCOL_ICMP);
    put_u16(&w, 0);
    put_span(&w, span_of(dst, sizeof dst));
    put_span(&w, span_of(src, sizeof src));
    patch_u16(&w, 10, checksum_of(sum_of(writer_span(&w), 0)));
    put_u8(&w, 3); /* destination unreachable */
    put_u8(&w, 4); /* fragmentation needed and DF set */
    put_u16(&w, 0);
    put_u16(&w, 0);
    put_u16(&w, mtu);
    uint32_t sum = sum_of(span_of(at + IPV4_HEADER_LEN, ICMP_HEADER_LEN + quoted), 0);
    patch_u16(&w, IPV4_HEADER_LEN + 2, checksum_of(sum));

    p->data = at;
    p->len = head + quoted;
    p->capacity += head;
    return true;
}

static bool answer_ipv6(struct esp_packet *p, const struct inner *in, uint16_t mtu)
{
    bool src_is_multicast = in->src.high >> 56 == 0xff,
         dst_is_multicast = in->dst.high >> 56 == 0xff;
    bool src_is_none = in->src.high == 0 && in->src.low <= 1; /* :: and ::1 */
    if (src_is_multicast || dst_is_multicast || src_is_none)
        return false;
    if (in->protocol == IP_PROTOCOL_ICMPV6) {
        uint8_t type = (uint8_t)(in->src_port >> 8);
        if (!in->has_ports || type < 128 || type == 137)
            return false;
    }
    uint32_t head = IPV6_HEADER_LEN + ICMP_HEADER_LEN;
    uint32_t quoted = in->len > IPV6_MTU_MIN - head ? IPV6_MTU_MIN - head : in->len;

    uint8_t ends[32];
    memcpy(ends, p->data + 24, 16);
    memcpy(ends + 16, p->data + 8, 16);
    uint8_t *at = p->data - head;
    struct writer w = writer_of(at, head);
    put_u32(&w, 0x60000000);
    put_u16(&w, (uint16_t)(ICMP_HEADER_LEN + quoted));
    put_u8(&w, IP_PROTOCOL_ICMPV6);
    put_u8(&w, HOP_LIMIT);
    put_span(&w, span_of(ends, sizeof ends));
    put_u8(&w, 2); /* packet too big */
    put_u8(&w, 0);
    put_u16(&w, 0);
    put_u32(&w, mtu);
    /* RFC 8200 8.1: the pseudo-header is the addresses, the length and the protocol */
    uint32_t sum = sum_of(span_of(ends, sizeof ends), ICMP_HEADER_LEN + quoted);
    sum += IP_PROTOCOL_ICMPV6;
    sum = sum_of(span_of(at + IPV6_HEADER_LEN, ICMP_HEADER_LEN + quoted), sum);
    patch_u16(&w, IPV6_HEADER_LEN + 2, checksum_of(sum));

    p->data = at;
    p->len = head + quoted;
    p->capacity += head;
    return true;
}

bool esp_answer_too_big(struct esp_packet *p, const struct inner *in, uint16_t mtu)
{
    if (in->is_later_fragment)
        return false;
    return in->family == FAMILY_V4 ? answer_ipv4(p, in, mtu) : answer_ipv6(p, in, mtu);
}
