/* Which worker a datagram belongs to, without knowing any SA.
 *
 * The first octet of every SPI that we make is the number of the worker that made it. The kernel
 * applies the rule with a small classic BPF program on the group of SO_REUSEPORT sockets; the same
 * rule stands here in C for what still arrives at the wrong worker (and as the program's twin in
 * the tests).
 *
 *   IKE header: SPIi at 0, SPIr at 8, flags at 19. INITIATOR set: the sender began the IKE SA, so
 *   our SPI is SPIr; SPIr zero: a first message, anybody's (the kernel takes its address hash, so
 *   retransmissions and the answer to a cookie reach the same worker). Else our SPI is SPIi.
 *   Port 4500: four zero octets, then IKE; anything else is ESP, its SPI first (RFC 3948 2.2). */
#ifndef IKEBANA_EDGE_STEER_H
#define IKEBANA_EDGE_STEER_H

#include <linux/filter.h>

#include "base/span.h"

enum {
    STEER_PROGRAM_MAX = 24,
    STEER_ANY = 0xffff, /* no SPI of ours in it: whoever has it serves it */
};

/* An IKE message, without marker. */
unsigned steer_ike(struct span message, unsigned workers);
/* An ESP packet. */
unsigned steer_esp(struct span packet, unsigned workers);
/* A UDP payload; has_marker: of the NAT traversal port. */
unsigned steer_datagram(struct span payload, bool has_marker, unsigned workers);

/* For SO_ATTACH_REUSEPORT_CBPF: data is the UDP payload; the result is the socket's index, or more
 * than there are, which lets the kernel choose by its hash. Returns the number of instructions. */
size_t steer_udp_program(struct sock_filter out[STEER_PROGRAM_MAX], bool has_marker);
/* For SO_ATTACH_FILTER on a raw ESP socket: keeps what belongs to `worker`; SPIs of no worker go to
 * worker 0. IPv4 raw sockets see the IP header, IPv6 ones do not. */
size_t steer_raw_program(struct sock_filter out[STEER_PROGRAM_MAX], bool is_v6, unsigned worker,
                         unsigned workers);

#endif
