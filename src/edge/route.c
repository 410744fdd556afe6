#include "edge/route.h"

#include <ifaddrs.h>
#include <stdlib.h>

#include "edge/sockaddr.h"

struct counted {
    struct prefix prefix;
    struct address source;
    unsigned users;
};

struct routes {
    struct priv *priv;
    unsigned device;
    struct counted *at;
    size_t count, room;
    bool has_rule[2], is_rule_foreign[2]; /* IPv4, IPv6 */
};

/* ---- ranges to prefixes ---- */

static bool bit_of(const uint8_t *at, size_t i)
{
    return (at[i / 8] >> (7 - i % 8) & 1) != 0;
}

/* Adds one at bit `i` (counted from the front), carrying to the front. false: overflow. */
static bool step_on(uint8_t *at, size_t i)
{
    for (size_t k = i + 1; k-- > 0;) {
        at[k / 8] = (uint8_t)(at[k / 8] ^ 1u << (7 - k % 8));
        if (bit_of(at, k))
            return true;
    }
    return false;
}

/* The last address of the prefix that begins at `from`. */
static void last_of(const uint8_t *from, size_t bits, size_t len, uint8_t *out)
{
    memcpy(out, from, len);
    for (size_t i = bits; i < len * 8; i++)
        out[i / 8] = (uint8_t)(out[i / 8] | 1u << (7 - i % 8));
}

size_t route_split(uint8_t family, const uint8_t from[16], const uint8_t to[16],
                   struct prefix out[PREFIXES_MAX])
{
    size_t len = address_len(family), count = 0;
    uint8_t at[16] = {0}, last[16];
    if (len == 0 || memcmp(from, to, len) > 0)
        return 0;
    memcpy(at, from, len);
    while (count < PREFIXES_MAX) {
        /* Shorten the prefix as long as `at` is its first address and its last is not behind. */
        size_t bits = len * 8;
        while (bits > 0 && !bit_of(at, bits - 1)) {
            last_of(at, bits - 1, len, last);
            if (memcmp(last, to, len) > 0)
                break;
            bits--;
        }
        struct prefix *p = &out[count++];
        memset(p, 0, sizeof *p);
        memcpy(p->bytes, at, len);
        p->bits = (uint8_t)bits;
        p->family = family;
        last_of(at, bits, len, last);
        if (memcmp(last, to, len) >= 0 || bits == 0 || !step_on(at, bits - 1))
            break;
    }
    return count;
}

/* ---- the table ---- */

struct routes *route_new(struct priv *p, unsigned device)
{
    struct routes *r = calloc(1, sizeof *r);
    if (r != NULL) {
        r->priv = p;
        r->device = device;
    }
    return r;
}

static struct priv_route route_of(const struct routes *r, const struct counted *c)
{
    struct priv_route route = {.bits = c->prefix.bits, .device = r->device, .source = c->source};
    route.to.family = c->prefix.family;
    memcpy(route.to.bytes, c->prefix.bytes, sizeof route.to.bytes);
    return route;
}

void route_free(struct routes *r)
{
    if (r == NULL)
        return;
    struct arena a;
    struct finding ignored; /* the device goes with the process, and its routes with it */
    if (arena_init(&a)) {
        for (size_t i = 0; i < r->count; i++) {
            struct priv_route route = route_of(r, &r->at[i]);
            priv_set_route(r->priv, &route, false, &a, &ignored);
        }
        for (unsigned v = 0; v < 2; v++)
            if (r->has_rule[v] && !r->is_rule_foreign[v])
                priv_set_rule(r->priv, v == 0 ? FAMILY_V4 : FAMILY_V6, false, NULL, &a, &ignored);
        arena_clear(&a);
    }
    free(r->at);
    free(r);
}

size_t route_count(const struct routes *r)
{
    return r->count;
}

static struct counted *find(struct routes *r, const struct prefix *p)
{
    for (size_t i = 0; i < r->count; i++)
        if (memcmp(&r->at[i].prefix, p, sizeof *p) == 0)
            return &r->at[i];
    return NULL;
}

/* Addresses that never leave the host; others may well stand on the loopback interface. */
static bool is_loopback(const struct address *at)
{
    static const uint8_t one[16] = {[15] = 1};
    return at->family == FAMILY_V4 ? at->bytes[0] == 127 : memcmp(at->bytes, one, 16) == 0;
}

/* An address of this host inside the local selectors, so that the host's own packets fit them. */
static struct address source_for(const struct selectors *local, uint8_t family)
{
    struct address found = {0};
    struct ifaddrs *all = NULL;
    if (getifaddrs(&all) != 0)
        return found;
    for (size_t i = 0; i < local->count && found.family == FAMILY_NONE; i++) {
        const struct selector *s = &local->at[i];
        for (struct ifaddrs *f = all; f != NULL && s->family == family; f = f->ifa_next) {
            struct address at;
            size_t len = address_len(family);
            if (f->ifa_addr == NULL || !sockaddr_to(f->ifa_addr, &at) || at.family != family ||
                at.scope != 0 || is_loopback(&at))
                continue;
            if (memcmp(at.bytes, s->from, len) >= 0 && memcmp(at.bytes, s->to, len) <= 0) {
                found = at;
                found.port = 0;
                break;
            }
        }
    }
    freeifaddrs(all);
    return found;
}

static bool add(struct routes *r, const struct prefix *p, const struct selectors *local,
                struct arena *a, struct finding *why)
{
    struct counted *c = find(r, p);
    if (c != NULL) {
        c->users++;
        return true;
    }
    if (r->count == r->room) {
        size_t room = r->room == 0 ? 16 : r->room * 2;
        struct counted *more = realloc(r->at, room * sizeof *more);
        if (more == NULL) {
            finding_set(why, CAUSE_RES_MEMORY);
            return false;
        }
        r->at = more;
        r->room = room;
    }
    unsigned v = p->family == FAMILY_V6;
    if (!r->has_rule[v]) {
        if (!priv_set_rule(r->priv, p->family, true, &r->is_rule_foreign[v], a, why))
            return false;
        r->has_rule[v] = true;
    }
    struct counted next = {*p, source_for(local, p->family), 1};
    struct priv_route route = route_of(r, &next);
    if (!priv_set_route(r->priv, &route, true, a, why))
        return false;
    r->at[r->count++] = next;
    return true;
}

static bool drop(struct routes *r, const struct prefix *p, struct arena *a, struct finding *why)
{
    struct counted *c = find(r, p);
    if (c == NULL || --c->users > 0)
        return true;
    struct priv_route route = route_of(r, c);
    *c = r->at[--r->count];
    return priv_set_route(r->priv, &route, false, a, why);
}

bool route_change(struct routes *r, const struct selectors *local, const struct selectors *remote,
                  bool is_set, struct arena *a, struct finding *why)
{
    bool ok = true;
    struct prefix prefixes[PREFIXES_MAX];
    for (size_t i = 0; i < remote->count; i++) {
        const struct selector *s = &remote->at[i];
        size_t count = route_split(s->family, s->from, s->to, prefixes);
        for (size_t k = 0; k < count; k++) {
            struct finding one;
            bool is_done =
                is_set ? add(r, &prefixes[k], local, a, &one) : drop(r, &prefixes[k], a, &one);
            if (!is_done && ok)
                *why = one;
            ok = ok && is_done;
        }
    }
    return ok;
}
