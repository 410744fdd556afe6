/* struct address ↔ struct sockaddr. */
#ifndef IKEBANA_EDGE_SOCKADDR_H
#define IKEBANA_EDGE_SOCKADDR_H

#include <netinet/in.h>

#include "base/address.h"

union sockaddr_any {
    struct sockaddr any;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
    struct sockaddr_storage storage;
};

/* The length; 0 for an address without a family. */
socklen_t sockaddr_from(const struct address *a, union sockaddr_any *out);
/* IPv4-mapped IPv6 addresses become IPv4. false: another family. */
bool sockaddr_to(const struct sockaddr *at, struct address *out);
int sockaddr_family(uint8_t family); /* AF_INET, AF_INET6 */

#endif
