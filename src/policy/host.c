#include "policy/host.h"

#include "policy/value.h"

static void fill_bits(struct address *a, unsigned from, bool ones)
{
    for (unsigned i = from; i < 8 * (unsigned)address_len(a->family); i++) {
        uint8_t bit = (uint8_t)(0x80U >> i % 8);
        a->bytes[i / 8] = (uint8_t)(ones ? a->bytes[i / 8] | bit : a->bytes[i / 8] & ~bit);
    }
}

/* Position of c, or text.len. */
static size_t find(struct span text, uint8_t c)
{
    size_t at = 0;
    while (at < text.len && text.at[at] != c)
        at++;
    return at;
}

static void split(struct span text, size_t at, struct span *before, struct span *behind)
{
    struct reader r = reader_of(text);
    *before = value_trim(take(&r, at));
    take_u8(&r);
    *behind = value_trim(take_rest(&r));
}

static bool parse_network(struct span text, size_t slash, struct host_pattern *out,
                          const char **why)
{
    struct span address, bits_text;
    uint64_t bits = 0;
    split(text, slash, &address, &bits_text);
    *why = "an address, a slash and a number of bits are expected";
    if (!address_parse(address, &out->from) || bits_text.len == 0 ||
        value_number(bits_text, UINT64_MAX, &bits) == VALUE_BAD)
        return false;
    *why = "the prefix is longer than the address";
    if (bits > 8 * address_len(out->from.family))
        return false;
    out->kind = HOST_RANGE;
    out->to = out->from;
    fill_bits(&out->from, (unsigned)bits, false);
    fill_bits(&out->to, (unsigned)bits, true);
    return true;
}

static bool parse_range(struct span first, struct span last, struct host_pattern *out,
                        const char **why)
{
    out->kind = HOST_RANGE;
    *why = "both ends of a range must be addresses of one family";
    if (!address_parse(first, &out->from) || !address_parse(last, &out->to) ||
        out->from.family != out->to.family)
        return false;
    *why = "the range ends before it begins";
    return span_compare(address_octets(&out->from), address_octets(&out->to)) <= 0;
}

static bool is_name(struct span text)
{
    for (size_t i = 0; i < text.len; i++) {
        uint8_t c = text.at[i];
        bool fits = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                    c == '.' || c == '-' || c == '_' || c >= 0x80;
        if (!fits)
            return false;
    }
    return text.len > 0;
}

/* "fe80::1%eth0": who opens the socket knows the interface's index. */
static bool is_scoped(struct span text)
{
    struct span address, zone;
    size_t at = find(text, '%');
    struct address parsed;
    if (at == text.len)
        return false;
    split(text, at, &address, &zone);
    return address_parse(address, &parsed) && parsed.family == FAMILY_V6 && is_name(zone);
}

bool policy_parse_host(struct span text, struct arena *a, struct host_pattern *out,
                       const char **why)
{
    *out = (struct host_pattern){.kind = HOST_ANY};
    *why = "";
    out->name = arena_text(a, "%.*s", (int)text.len, (const char *)text.at);
    if (memchr(text.at, 0, text.len) != NULL) {
        *why = "it holds a zero octet";
        return false;
    }
    if (span_is(text, "%any"))
        return true;
    if (span_is(text, "%any4") || span_is(text, "%any6")) {
        out->from.family = out->to.family = span_is(text, "%any4") ? FAMILY_V4 : FAMILY_V6;
        return true;
    }
    if (address_parse(text, &out->from)) {
        out->to = out->from;
        out->kind = address_is_any(&out->from) ? HOST_ANY : HOST_ADDRESS;
        return true;
    }
    out->from = (struct address){0};
    size_t slash = find(text, '/'), dash = find(text, '-');
    if (slash < text.len)
        return parse_network(text, slash, out, why);
    struct span first, last;
    split(text, dash, &first, &last);
    struct address parsed;
    if (dash < text.len && address_parse(first, &parsed))
        return parse_range(first, last, out, why);
    out->kind = HOST_NAME;
    *why = "it is neither an address, a network, a range nor a name";
    return is_name(text) || is_scoped(text);
}

const char *policy_host_text(const struct host_pattern *h, struct arena *a)
{
    return arena_escape(a, span_text(h->name), 255);
}

/* In how many leading bits all addresses of the range agree. */
static unsigned common_bits(const struct host_pattern *h)
{
    unsigned bits = 0, all = 8 * (unsigned)address_len(h->from.family);
    while (bits < all &&
           ((h->from.bytes[bits / 8] ^ h->to.bytes[bits / 8]) & 0x80U >> bits % 8) == 0)
        bits++;
    return bits;
}

enum { FITS_NAME = 1, FITS_ANY = 2, FITS_FAMILY = 3, FITS_RANGE = 4, FITS_ADDRESS = 200 };

static unsigned host_fits(const struct host_pattern *h, const struct address *at)
{
    struct span octets = address_octets(at);
    switch (h->kind) {
    case HOST_NAME:
        return FITS_NAME;
    case HOST_ANY:
        if (h->from.family == FAMILY_NONE)
            return FITS_ANY;
        return h->from.family == at->family ? FITS_FAMILY : 0;
    case HOST_ADDRESS:
        return h->from.family == at->family && span_equal(address_octets(&h->from), octets)
                   ? FITS_ADDRESS
                   : 0;
    case HOST_RANGE:
        if (h->from.family != at->family || span_compare(address_octets(&h->from), octets) > 0 ||
            span_compare(octets, address_octets(&h->to)) > 0)
            return 0;
        return FITS_RANGE + common_bits(h);
    }
    return 0;
}

static unsigned best_fit(const struct host_pattern *hosts, size_t count, const struct address *at)
{
    unsigned best = 0;
    for (size_t i = 0; i < count; i++) {
        unsigned fit = host_fits(&hosts[i], at);
        if (fit > best)
            best = fit;
    }
    return best;
}

unsigned policy_conn_fits(const struct conn *c, const struct address *local,
                          const struct address *remote)
{
    if (c->is_shunts)
        return 0; /* it is no peer's */
    unsigned here = best_fit(c->local_addrs, c->local_count, local);
    unsigned there = best_fit(c->remote_addrs, c->remote_count, remote);
    return here == 0 || there == 0 ? 0 : there << 8 | here;
}
