/* The inner IP packet as the data plane needs it, and selectors in a form that is fast to compare.
 * RFC 4301 4.4.1.1. */
#ifndef IKEBANA_ESP_INNER_H
#define IKEBANA_ESP_INNER_H

#include "esp/esp.h"

enum {
    IP_PROTOCOL_ICMP = 1,
    IP_PROTOCOL_IPV4 = 4,
    IP_PROTOCOL_IPV6 = 41,
    IP_PROTOCOL_ICMPV6 = 58,
    IP_PROTOCOL_NONE = 59, /* ESP: dummy packet, RFC 4303 2.6 */
    IPV4_HEADER_LEN = 20,
    IPV6_HEADER_LEN = 40,
    UDP_HEADER_LEN = 8,
    IPV6_MTU_MIN = 1280,
};

/* An address as a number: IPv4 in the low half's low 32 bits. */
struct ip_number {
    uint64_t high, low;
};

struct inner {
    struct ip_number src, dst;
    uint16_t src_port, dst_port; /* ICMP: type << 8 | code in both; MH: type << 8 */
    uint8_t family;              /* enum family */
    uint8_t protocol;            /* behind the IPv6 extension headers */
    bool has_ports;              /* false in fragments but the first */
    bool is_fragment, is_later_fragment;
    uint8_t tos;  /* traffic class */
    bool df;      /* nobody on the way may fragment: IPv4 with DF, IPv6 */
    uint32_t len; /* as the header says; at most the packet's */
};

/* false: not a whole IPv4 or IPv6 packet. Extension headers are walked, at most 16 of them. */
bool esp_parse_inner(struct span packet, struct inner *out);

/* Writes another traffic class into the IP header at `packet`, which esp_parse_inner() accepted;
 * mends the IPv4 checksum (RFC 1624). */
void esp_set_tos(uint8_t *packet, uint8_t family, uint8_t tos);

/* One selector. */
struct end {
    struct ip_number from, to;
    uint16_t port_from, port_to;
    uint8_t family, protocol;
    uint16_t exactness; /* address bits that are fixed, then protocol, then ports */
};

struct filter {
    struct end *at;
    size_t count;
    bool takes_fragments; /* later fragments fit whatever the ports are: RFC 4301 7.3 */
};

/* To the heap. false: no memory. */
bool esp_filter_from(const struct selectors *s, struct filter *out);
void esp_filter_clear(struct filter *f);
/* 0: no selector fits; else 1 + the exactness of the best that fits. A packet without ports fits
 * only selectors with any port or OPAQUE. */
unsigned esp_filter_fits(const struct filter *f, const struct inner *in, bool is_source);

/* ---- icmp.c ---- */

/* Turns the packet at p->data into an ICMP error that tells its sender of `mtu`: it moves back into
 * the headroom. false: RFC 1122 3.2.2 and RFC 4443 2.4 allow no answer to this packet; it is
 * unchanged. */
bool esp_answer_too_big(struct esp_packet *p, const struct inner *in, uint16_t mtu);

#endif
