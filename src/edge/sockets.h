/* A worker's sockets: IKE and NAT traversal ports and raw ESP, IPv4 and IPv6, in batches.
 *
 * Wildcard sockets: each packet says (IP_PKTINFO) to which local address it came, and is sent from
 * the address that it names. All buffers are made once; a steady state allocates nothing. IPv4 has
 * no per-packet "don't fragment", so the socket is switched when a batch asks for the other kind.
 * Outer packets carry no UDP checksum trick and no encapsulation by the kernel: UDP_ENCAP is not
 * used. One thread uses it. */
#ifndef IKEBANA_EDGE_SOCKETS_H
#define IKEBANA_EDGE_SOCKETS_H

#include "base/address.h"

enum socket_kind { SOCKET_IKE4, SOCKET_NAT4, SOCKET_IKE6, SOCKET_NAT6, SOCKET_ESP4, SOCKET_ESP6 };
enum {
    SOCKET_COUNT = SOCKET_ESP6 + 1,
    SOCKETS_BATCH = 64,
    SOCKETS_CAPACITY = 65536, /* of one buffer, without head and tail room */
};

/* Received: data points into a buffer with ESP_HEADROOM before and ESP_TAILROOM behind. */
struct socket_packet {
    uint8_t *data;
    uint32_t len, capacity;
    struct address local, remote; /* ports 0 on raw sockets */
    uint8_t tos;
};

/* To send. */
struct socket_out {
    struct span head, body; /* head: the non-ESP marker, or empty */
    struct address local, remote;
    uint8_t tos;
    bool df;
};

/* Something that an error queue or a send call told. */
struct socket_error {
    struct address remote;
    struct address local; /* family NONE when not known */
    int error;            /* errno */
    uint32_t mtu;         /* "too big": what fits, else 0 */
    bool is_icmp;
    const char *what; /* static text: "ICMP port unreachable" */
    bool is_fatal_hint;
};

struct sockets;

/* Takes over the descriptors (-1: none). NULL: no memory, they stay the caller's. */
struct sockets *sockets_new(const int fds[SOCKET_COUNT], uint16_t port, uint16_t nat_port);
void sockets_free(struct sockets *s);
int sockets_fd(const struct sockets *s, enum socket_kind which);
bool sockets_has(const struct sockets *s, enum socket_kind which);

/* The next batch, valid until the next call; 0: nothing waits. IPv4's raw packets come without
 * their IP header. Truncated ones and ones without a local address are left out. *was_full: more
 * may wait. */
size_t sockets_receive(struct sockets *s, enum socket_kind which, struct socket_packet **out,
                       bool *was_full);
/* Sends in order. A packet that the kernel refuses is passed over; refused is called for it. */
typedef void sockets_refused(void *context, const struct socket_error *e);
void sockets_send(struct sockets *s, enum socket_kind which, const struct socket_out *at,
                  size_t count, sockets_refused *refused, void *context);
/* One entry of the error queue. false: it is empty. */
bool sockets_next_error(struct sockets *s, enum socket_kind which, struct socket_error *out);

/* The socket for an IKE message, resp. an ESP packet. */
enum socket_kind sockets_for_ike(const struct sockets *s, const struct address *local, bool marker);
enum socket_kind sockets_for_esp(uint8_t family, bool in_udp);

#endif
