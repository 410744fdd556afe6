/* An IPv4 or IPv6 address with a port, as octets in network order; no socket types here. */
#ifndef IKEBANA_BASE_ADDRESS_H
#define IKEBANA_BASE_ADDRESS_H

#include "base/arena.h"

enum family { FAMILY_NONE = 0, FAMILY_V4 = 4, FAMILY_V6 = 6 };

struct address {
    uint8_t bytes[16]; /* IPv4: the first four, the rest zero */
    uint32_t scope;    /* interface index of a link-local IPv6 address, else 0 */
    uint16_t port;
    uint8_t family; /* enum family */
};

static inline size_t address_len(uint8_t family)
{
    return family == FAMILY_V4 ? 4 : family == FAMILY_V6 ? 16 : 0;
}

static inline struct span address_octets(const struct address *a)
{
    return (struct span){a->bytes, address_len(a->family)};
}

/* Same host; the ports may differ. */
bool address_same_host(const struct address *a, const struct address *b);
bool address_equal(const struct address *a, const struct address *b);
bool address_is_any(const struct address *a);
/* Numeric only ("192.0.2.7", "2001:db8::7", no port). false: not an address. */
bool address_parse(struct span text, struct address *out);
/* octets: 4 or 16. */
bool address_from(struct span octets, uint16_t port, struct address *out);
/* "192.0.2.7" */
const char *address_text(struct arena *a, const struct address *at);
/* "192.0.2.7[4500]" */
const char *address_port_text(struct arena *a, const struct address *at);

#endif
