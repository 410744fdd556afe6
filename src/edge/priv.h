/* Everything that needs privilege: sockets on low ports, raw sockets, the TUN device, routes,
 * rules, sysctls.
 *
 * Each call takes plain values and gives a descriptor or nothing, so that a privileged parent can
 * serve the same calls over a socket pair later; today they run in this process. Nothing outside
 * this file opens such things. Texts in `why` live in the arena. Used by one thread. */
#ifndef IKEBANA_EDGE_PRIV_H
#define IKEBANA_EDGE_PRIV_H

#include <net/if.h>

#include "base/address.h"
#include "finding/finding.h"

/* On all our outer packets: the rule that leads into the TUN leaves them out. */
enum { PRIV_MARK = 0x696b65, PRIV_TABLE = 220, PRIV_RULE_PREF = 220 };

/* Protocol number of our routes, so that they are told from those of others. */
enum { PRIV_ROUTE_PROTOCOL = 105 };

struct priv;

struct priv *priv_new(void);
void priv_free(struct priv *p);

struct priv_udp {
    uint8_t family;
    uint16_t port;
    bool has_marker; /* the port of NAT traversal */
    unsigned worker, workers;
    bool is_loopback; /* tests: bound to the loopback address, no mark */
};
/* A bound wildcard socket of a group that steers by worker (steer.h), which gives destination
 * address, TOS and ICMP errors. Workers have to be opened in order, 0 first. -1: why has
 * sys.socket with the port and who holds it, or sys.socket with expected "" when the host has no
 * such address family. */
int priv_open_udp(struct priv *p, const struct priv_udp *want, struct arena *a,
                  struct finding *why);
/* A raw ESP socket that hears only the SPIs of `worker`. */
int priv_open_esp(struct priv *p, uint8_t family, unsigned worker, unsigned workers,
                  struct arena *a, struct finding *why);
/* A raw socket that sends whole IP packets, marked as the others. -1: why. */
int priv_open_clear(struct priv *p, uint8_t family, struct arena *a, struct finding *why);
/* A UDP socket to ask the routing for a source address: marked as the others. -1: errno. */
int priv_open_probe(struct priv *p, uint8_t family);

/* Makes a TUN device with `count` queues; name may hold %d and is filled in. One that is there
 * already is not taken: it may be another daemon's. Nothing stays open on failure. */
bool priv_open_tun(struct priv *p, char name[IFNAMSIZ], int *fds, unsigned count, struct arena *a,
                   struct finding *why);
/* MTU, sysctls (no automatic IPv6 address, loose reverse path filter), up. */
bool priv_up_tun(struct priv *p, const char *name, uint16_t mtu, unsigned *index, struct arena *a,
                 struct finding *why);

struct priv_route {
    struct address to; /* network address */
    uint8_t bits;
    unsigned device;       /* interface index */
    struct address source; /* family NONE: none */
    /* Not 0: the route leads nowhere ("unreachable") and this is its metric, which names its
     * owner; device and source have no meaning. */
    uint32_t block_metric;
};
/* In table PRIV_TABLE. Removing what is not there is no failure; setting what somebody else has set
 * is one. */
bool priv_set_route(struct priv *p, const struct priv_route *route, bool is_set, struct arena *a,
                    struct finding *why);
/* Visits what the table holds, whoever has set it (device 0: not known). false: it cannot be read.
 * The visitor must not call back into p. */
typedef void priv_seen_route(void *context, const struct priv_route *route);
bool priv_list_routes(struct priv *p, uint8_t family, priv_seen_route *seen, void *context);
/* Packets without our mark look into PRIV_TABLE. Setting what is there already, or removing what is
 * not, is no failure. */
bool priv_set_rule(struct priv *p, uint8_t family, bool is_set, struct arena *a,
                   struct finding *why);

#endif
