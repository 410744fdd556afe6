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
    size_t family_count[2]; /* IPv4, IPv6 */
    uint32_t block_metric;
};

enum { BLOCK_METRIC = 0x69000000 }; /* behind all others; the port is added */

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

static struct priv_route route_of(const struct routes *r, const struct counted *c)
{
    struct priv_route route = {.bits = c->prefix.bits, .device = r->device, .source = c->source};
    route.to.family = c->prefix.family;
    memcpy(route.to.bytes, c->prefix.bytes, sizeof route.to.bytes);
    return route;
}

static struct priv_route block_of(const struct routes *r, const struct counted *c)
{
    struct priv_route route = route_of(r, c);
    route.block_metric = r->block_metric;
    return route;
}

/* What stands in the table: our blocks, to be removed, and whatever is not ours. */
struct leftover {
    uint32_t block_metric;
    struct arena *arena;
    struct block {
        struct block *next;
        struct priv_route route;
    } * blocks;
    bool has_foreign;
};

static void seen(void *context, const struct priv_route *route)
{
    struct leftover *l = context;
    struct block *b = NULL;
    if (route->block_metric == l->block_metric)
        b = arena_alloc(l->arena, sizeof *b);
    if (b == NULL) {
        l->has_foreign = true;
        return;
    }
    *b = (struct block){l->blocks, *route};
    l->blocks = b;
}

/* Our blocks go, and the rule if nothing else is left that it leads to. Whoever sets the first
 * route of a family sets the rule again. */
static void tidy(struct routes *r, uint8_t family)
{
    struct arena a;
    struct finding ignored; /* what cannot be removed is in nobody's way but that of clear text */
    if (!arena_init(&a))
        return;
    struct leftover left = {.block_metric = r->block_metric, .arena = &a};
    if (priv_list_routes(r->priv, family, seen, &left)) {
        for (struct block *b = left.blocks; b != NULL; b = b->next)
            priv_set_route(r->priv, &b->route, false, &a, &ignored);
        if (!left.has_foreign)
            priv_set_rule(r->priv, family, false, &a, &ignored);
    }
    arena_clear(&a);
}

struct routes *route_new(struct priv *p, unsigned device, uint16_t port)
{
    struct routes *r = calloc(1, sizeof *r);
    if (r == NULL)
        return NULL;
    r->priv = p;
    r->device = device;
    r->block_metric = (uint32_t)BLOCK_METRIC + port;
    tidy(r, FAMILY_V4);
    tidy(r, FAMILY_V6);
    return r;
}

void route_free(struct routes *r)
{
    if (r == NULL)
        return;
    struct arena a;
    struct finding ignored;
    if (arena_init(&a)) {
        for (size_t i = 0; i < r->count; i++) {
            struct priv_route route = route_of(r, &r->at[i]);
            priv_set_route(r->priv, &route, false, &a, &ignored);
        }
        arena_clear(&a);
    }
    tidy(r, FAMILY_V4);
    tidy(r, FAMILY_V6);
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
    struct counted next = {*p, source_for(local, p->family), 1};
    struct priv_route route = route_of(r, &next), block = block_of(r, &next);
    if (!priv_set_route(r->priv, &route, true, a, why))
        return false;
    r->at[r->count++] = next;
    bool ok = priv_set_route(r->priv, &block, true, a, why);
    /* Behind the route: another daemon that ends now sees the one or leaves the other to us. */
    if (r->family_count[p->family == FAMILY_V6]++ == 0)
        ok = priv_set_rule(r->priv, p->family, true, a, why) && ok;
    return ok;
}

static bool drop(struct routes *r, const struct prefix *p, struct arena *a, struct finding *why)
{
    struct counted *c = find(r, p);
    if (c == NULL || --c->users > 0)
        return true;
    struct priv_route route = route_of(r, c), block = block_of(r, c);
    *c = r->at[--r->count];
    r->family_count[p->family == FAMILY_V6]--;
    bool ok = priv_set_route(r->priv, &route, false, a, why);
    return priv_set_route(r->priv, &block, false, a, why) && ok;
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
