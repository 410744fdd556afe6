/* Routes into the TUN for what the peers' sides hold.
 *
 * Each policy's remote selectors become prefixes; each prefix is one route in a table of ours,
 * counted, because several children may name the same. The first route of a family also brings the
 * rule that leads into the table. A route goes with its last user; the rest goes at route_free(),
 * and the rule too when nobody else (another daemon of this host) has a route in the table.
 *
 * Fail closed: behind each route stands one that leads nowhere. When the process is killed the
 * device goes and its routes with it; what stays keeps the packets from leaving in clear, until the
 * next daemon with the same port begins (route_new()).
 * Main thread only. */
#ifndef IKEBANA_EDGE_ROUTE_H
#define IKEBANA_EDGE_ROUTE_H

#include "edge/priv.h"
#include "policy/policy.h"

struct prefix {
    uint8_t bytes[16];
    uint8_t bits;
    uint8_t family;
};

enum { PREFIXES_MAX = 2 * 128 }; /* the worst range of IPv6 addresses takes 254 */

/* The fewest prefixes that make up [from, to]. Returns their number, at most PREFIXES_MAX; 0 for
 * an empty range or a range of no family. */
size_t route_split(uint8_t family, const uint8_t from[16], const uint8_t to[16],
                   struct prefix out[PREFIXES_MAX]);

struct routes;

/* device: interface index of the TUN; port: that of IKE, which no two daemons share. Removes what a
 * killed predecessor has left. Borrows p. */
struct routes *route_new(struct priv *p, unsigned device, uint16_t port);
void route_free(struct routes *r);
/* One more user, or one less, of the remote selectors. Failures: why holds the first (texts in the
 * arena); the rest is set none the less. */
bool route_change(struct routes *r, const struct selectors *local, const struct selectors *remote,
                  bool is_set, struct arena *a, struct finding *why);
size_t route_count(const struct routes *r);

#endif
