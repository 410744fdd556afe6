/* Transport mode: the host's IP header is the outer one. RFC 4303 3.1.1, RFC 4301 4.1; checksums
 * behind NATs, RFC 3948 3.1.2.
 *
 * Outbound, what stands behind the IP header is sealed, and the kernel makes the header anew when
 * it sends; IPv4 options are not carried. IPv6 extension headers go along inside. Only whole
 * datagrams: a fragment is dropped (RFC 4303 3.3.4). Inbound the header is made from the SA's own
 * selectors, which are one address on each side: they are what this host sees, wherever a NAT has
 * moved the peer meanwhile. */
#include "esp/db.h"

enum { TTL = 64, PROTOCOL_TCP = 6, PROTOCOL_UDP = 17 };

/* ---- outbound ---- */

uint32_t esp_header_before(const struct esp_packet *p, const struct inner *in, uint8_t *next_header)
{
    if (in->family == FAMILY_V6) {
        *next_header = p->data[6];
        return IPV6_HEADER_LEN;
    }
    *next_header = p->data[9];
    return (uint32_t)(p->data[0] & 15) * 4;
}

/* ---- inbound ---- */

static void put_number(struct writer *w, const struct ip_number *n, uint8_t family)
{
    if (family == FAMILY_V4) {
        put_u32(w, (uint32_t)n->low);
        return;
    }
    put_u64(w, n->high);
    put_u64(w, n->low);
}

/* A sum of 32-bit words. */
static uint64_t sum_of(const uint8_t *at, size_t len, uint64_t sum)
{
    struct reader r = reader_of(span_of(at, len));
    while (r.left.len >= 4)
        sum += take_u32(&r);
    if (r.left.len >= 2)
        sum += (uint64_t)take_u16(&r) << 16;
    if (r.left.len == 1)
        sum += (uint64_t)take_u8(&r) << 24;
    return sum;
}

/* RFC 1071 */
static uint16_t fold(uint64_t sum)
{
    while (sum >> 16 != 0)
        sum = (sum & 0xffff) + (sum >> 16);
    return (uint16_t)~sum;
}

uint16_t esp_checksum(const uint8_t *at, size_t len, uint64_t sum)
{
    return fold(sum_of(at, len, sum));
}

static void write_checksum(uint8_t *packet, size_t at, uint16_t sum)
{
    struct writer w = writer_of(packet + at, 2);
    put_u16(&w, sum);
}

/* Where the checksum over a pseudo-header stands; 0: there is none, or not over all octets. */
static uint32_t checksum_at(uint8_t protocol)
{
    switch (protocol) {
    case PROTOCOL_TCP:
        return 16;
    case PROTOCOL_UDP:
        return 6;
    case IP_PROTOCOL_ICMPV6:
        return 2;
    default:
        return 0;
    }
}

/* The sender's checksum is about the addresses that it sees; what it protected, the ICV has shown
 * to be whole. So it is made anew for ours. */
static void mend_checksum(uint8_t *packet, uint32_t len, uint32_t head, uint8_t protocol)
{
    uint32_t at = checksum_at(protocol), body = len - head;
    if (at == 0 || body < at + 2)
        return;
    uint8_t *text = packet + head;
    bool is_udp = protocol == PROTOCOL_UDP;
    if (is_udp && text[at] == 0 && text[at + 1] == 0)
        return; /* RFC 768: none was made */
    write_checksum(text, at, 0);
    size_t addresses = head == IPV4_HEADER_LEN ? 8 : 32;
    uint64_t sum = sum_of(packet + head - addresses, addresses, (uint64_t)body + protocol);
    uint16_t mended = esp_checksum(text, body, sum);
    write_checksum(text, at, is_udp && mended == 0 ? UINT16_MAX : mended);
}

bool esp_header_again(const struct sa *sa, struct esp_packet *p, uint8_t *text, uint32_t len,
                      uint8_t next_header)
{
    if (sa->local.count == 0 || sa->remote.count == 0)
        return false;
    const struct end *from = &sa->remote.at[0], *to = &sa->local.at[0];
    uint8_t family = from->family;
    uint32_t head = family == FAMILY_V4 ? IPV4_HEADER_LEN : IPV6_HEADER_LEN;
    if (to->family != family || len > UINT16_MAX - head)
        return false;
    uint8_t *packet = text - head; /* over the ESP header, IV and some of the headroom */
    struct writer w = writer_of(packet, head);
    if (family == FAMILY_V4) {
        put_u8(&w, 0x45);
        put_u8(&w, p->outer_tos);
        put_u16(&w, (uint16_t)(head + len));
        put_u16(&w, 0);
        put_u16(&w, 0x4000); /* whole, and not to be cut */
        put_u8(&w, TTL);
        put_u8(&w, next_header);
        put_u16(&w, 0);
    } else {
        put_u32(&w, (uint32_t)6 << 28 | (uint32_t)p->outer_tos << 20);
        put_u16(&w, (uint16_t)len);
        put_u8(&w, next_header);
        put_u8(&w, TTL);
    }
    put_number(&w, &from->from, family);
    put_number(&w, &to->from, family);
    if (family == FAMILY_V4)
        write_checksum(packet, 10, esp_checksum(packet, head, 0));
    if (sa->mends_checksums)
        mend_checksum(packet, head + len, head, next_header);
    p->capacity = (uint32_t)(p->capacity + (size_t)(p->data - packet));
    p->data = packet;
    p->len = head + len;
    return true;
}
