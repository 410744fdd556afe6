/* Traffic selectors as sets. RFC 7296 2.9, 3.13; RFC 4301 4.4.1.1.
 *
 * A selector is a box: an interval of addresses of one family, an interval of protocols, an
 * interval of ports. "Any protocol" is 0 to 255. Ports are 0 to 65535, and one more place behind
 * them for "the ports are not there": OPAQUE is that place alone, ANY is everything with it. So a
 * fragment without ports is in ANY and in OPAQUE and in no range of ports, as RFC 4301 wants it,
 * and meet, within and difference are plain interval arithmetic.
 *
 * A dynamic selector that has not been resolved has no family and meets nothing.
 * tests/unit/policy/selector_test.c compares all this with counting the members one by one.
 */
#include "policy/policy.h"

#include <stdlib.h>

#include "finding/finding.h"
#include "policy/line.h"

enum { PORT_MISSING = 65536, PROTOCOL_ALL = 255 };

/* Both ends of each interval are inside. */
struct box {
    uint8_t from[16], to[16];
    uint32_t port_from, port_to;
    uint16_t protocol_from, protocol_to;
    uint8_t family;
};

static bool is_any_port(const struct selector *s)
{
    return s->port_from == 0 && s->port_to == 65535;
}

static bool is_opaque(const struct selector *s)
{
    return s->port_from == 65535 && s->port_to == 0;
}

/* false: the selector has no members, or is not resolved. */
static bool box_of(const struct selector *s, struct box *out)
{
    size_t len = address_len(s->family);
    if (len == 0 || s->is_dynamic || memcmp(s->from, s->to, len) > 0 ||
        (s->port_from > s->port_to && !is_opaque(s)))
        return false;
    *out = (struct box){.family = s->family,
                        .protocol_from = s->protocol,
                        .protocol_to = s->protocol == 0 ? PROTOCOL_ALL : s->protocol,
                        .port_from = is_opaque(s) ? PORT_MISSING : s->port_from,
                        .port_to = is_opaque(s) || is_any_port(s) ? PORT_MISSING : s->port_to};
    memcpy(out->from, s->from, len);
    memcpy(out->to, s->to, len);
    return true;
}

static bool box_meet(const struct box *x, const struct box *y, struct box *out)
{
    if (x->family != y->family)
        return false;
    *out = *x;
    if (memcmp(y->from, out->from, 16) > 0)
        memcpy(out->from, y->from, 16);
    if (memcmp(y->to, out->to, 16) < 0)
        memcpy(out->to, y->to, 16);
    if (y->protocol_from > out->protocol_from)
        out->protocol_from = y->protocol_from;
    if (y->protocol_to < out->protocol_to)
        out->protocol_to = y->protocol_to;
    if (y->port_from > out->port_from)
        out->port_from = y->port_from;
    if (y->port_to < out->port_to)
        out->port_to = y->port_to;
    return memcmp(out->from, out->to, 16) <= 0 && out->protocol_from <= out->protocol_to &&
           out->port_from <= out->port_to;
}

bool policy_selector_meet(const struct selector *x, const struct selector *y, struct selector *out)
{
    struct box a, b, m;
    if (!box_of(x, &a) || !box_of(y, &b) || !box_meet(&a, &b, &m))
        return false;
    /* What two selectors share is again one: a protocol or all, a range, ANY or OPAQUE. */
    struct selector s = {.family = m.family,
                         .protocol = m.protocol_to == PROTOCOL_ALL && m.protocol_from == 0
                                         ? 0
                                         : (uint8_t)m.protocol_from,
                         .port_from = 65535,
                         .port_to = 0};
    memcpy(s.from, m.from, sizeof s.from);
    memcpy(s.to, m.to, sizeof s.to);
    if (m.port_from < PORT_MISSING) {
        s.port_from = (uint16_t)m.port_from;
        s.port_to = m.port_to >= PORT_MISSING ? 65535 : (uint16_t)m.port_to;
    }
    *out = s;
    return true;
}

static bool box_within(const struct box *part, const struct box *whole)
{
    return part->family == whole->family && memcmp(part->from, whole->from, 16) >= 0 &&
           memcmp(part->to, whole->to, 16) <= 0 && part->protocol_from >= whole->protocol_from &&
           part->protocol_to <= whole->protocol_to && part->port_from >= whole->port_from &&
           part->port_to <= whole->port_to;
}

bool policy_selector_within(const struct selector *part, const struct selector *whole)
{
    struct box p, w;
    return box_of(part, &p) && box_of(whole, &w) && box_within(&p, &w);
}

/* ---- within a union ---- */

/* The next address up or down; the caller knows that there is one. */
static void step_address(uint8_t at[16], uint8_t family, bool up)
{
    for (size_t i = address_len(family); i-- > 0;) {
        at[i] = (uint8_t)(at[i] + (up ? 1 : 255));
        if (at[i] != (up ? 0 : 255))
            return;
    }
}

/* Is the box inside the union of whole[0 … count - 1]? Takes the first member that meets it, cuts
 * the rest of the box into at most six boxes, and asks again for each of them and the members
 * behind. The work is bounded: a list made to have very many pieces counts as not inside. */
static bool box_covered(struct box part, const struct selectors *whole, size_t from,
                        unsigned *budget)
{
    struct box w = {0}, m = {0};
    bool meets = false;
    if (*budget == 0)
        return false;
    --*budget;
    for (; from < whole->count && !meets; from++)
        meets = box_of(&whole->at[from], &w) && box_meet(&part, &w, &m);
    if (!meets)
        return false;

    struct box rest;
    if (memcmp(part.from, m.from, 16) < 0) {
        rest = part;
        memcpy(rest.to, m.from, 16);
        step_address(rest.to, part.family, false);
        if (!box_covered(rest, whole, from, budget))
            return false;
        memcpy(part.from, m.from, 16);
    }
    if (memcmp(part.to, m.to, 16) > 0) {
        rest = part;
        memcpy(rest.from, m.to, 16);
        step_address(rest.from, part.family, true);
        if (!box_covered(rest, whole, from, budget))
            return false;
        memcpy(part.to, m.to, 16);
    }
    if (part.protocol_from < m.protocol_from) {
        rest = part;
        rest.protocol_to = (uint16_t)(m.protocol_from - 1);
        if (!box_covered(rest, whole, from, budget))
            return false;
        part.protocol_from = m.protocol_from;
    }
    if (part.protocol_to > m.protocol_to) {
        rest = part;
        rest.protocol_from = (uint16_t)(m.protocol_to + 1);
        if (!box_covered(rest, whole, from, budget))
            return false;
        part.protocol_to = m.protocol_to;
    }
    if (part.port_from < m.port_from) {
        rest = part;
        rest.port_to = m.port_from - 1;
        if (!box_covered(rest, whole, from, budget))
            return false;
    }
    if (part.port_to > m.port_to) {
        rest = part;
        rest.port_from = m.port_to + 1;
        if (!box_covered(rest, whole, from, budget))
            return false;
    }
    return true;
}

bool policy_selectors_within(const struct selectors *part, const struct selectors *whole)
{
    enum { BUDGET = 10000 };
    unsigned budget = BUDGET; /* for all of part: what comes from a peer must not cost more */
    for (size_t i = 0; i < part->count; i++) {
        struct box p;
        if (!box_of(&part->at[i], &p) || !box_covered(p, whole, 0, &budget))
            return false;
    }
    return true;
}

/* ---- narrowing ---- */

/* Adds s unless it is inside one that is there; those inside s go. */
static void add_outermost(struct selectors *list, const struct selector *s)
{
    for (size_t i = 0; i < list->count; i++)
        if (policy_selector_within(s, &list->at[i]))
            return;
    size_t kept = 0;
    for (size_t i = 0; i < list->count; i++)
        if (!policy_selector_within(&list->at[i], s))
            list->at[kept++] = list->at[i];
    list->count = kept;
    if (list->count < SELECTORS_MAX)
        list->at[list->count++] = *s;
}

enum { MISS_FAMILY = 8, MISS_ADDRESS = 4, MISS_PROTOCOL = 2, MISS_PORT = 1 };

/* In which dimensions two selectors miss each other. */
static unsigned misses(const struct selector *x, const struct selector *y)
{
    struct box a, b;
    unsigned miss = 0;
    if (!box_of(x, &a) || !box_of(y, &b) || a.family != b.family)
        return MISS_FAMILY;
    if (memcmp(a.from, b.to, 16) > 0 || memcmp(b.from, a.to, 16) > 0)
        miss |= MISS_ADDRESS;
    if (a.protocol_from > b.protocol_to || b.protocol_from > a.protocol_to)
        miss |= MISS_PROTOCOL;
    if (a.port_from > b.port_to || b.port_from > a.port_to)
        miss |= MISS_PORT;
    return miss;
}

/* Bits that the first addresses share: of several pairs that miss alike, the nearest is shown. */
static unsigned shared_bits(const struct selector *x, const struct selector *y)
{
    unsigned bits = 0;
    for (size_t i = 0; i < address_len(x->family); i++) {
        unsigned differing = (unsigned)(x->from[i] ^ y->from[i]);
        if (differing == 0) {
            bits += 8;
            continue;
        }
        for (unsigned mask = 0x80; (differing & mask) == 0; mask >>= 1)
            bits++;
        break;
    }
    return bits;
}

static const char *miss_text(unsigned miss, const struct selector *ours,
                             const struct selector *theirs, struct arena *a)
{
    struct line l = line_new(a, 200);
    if ((miss & MISS_FAMILY) != 0)
        line_add(&l, " and ", "the address family (one is IPv4, the other IPv6)");
    if ((miss & MISS_ADDRESS) != 0)
        line_add(&l, " and ", "the addresses");
    if ((miss & MISS_PROTOCOL) != 0)
        line_add(&l, " and ", "the protocol");
    if ((miss & MISS_PORT) != 0)
        line_add(&l, " and ",
                 ours->protocol == 1 || ours->protocol == 58 ? "the ICMP type" : "the port");
    return arena_text(a, "ours %s and theirs %s do not meet in %s", policy_selector_text(ours, a),
                      policy_selector_text(theirs, a), line_text(&l));
}

static const char *nearest_miss(const struct selectors *offered, const struct selectors *ours,
                                struct arena *a)
{
    const struct selector *near_ours = NULL, *near_theirs = NULL;
    unsigned least = UINT32_MAX, shared = 0;
    if (offered->count == 0)
        return "the peer sent no address selector that we can read";
    if (ours->count == 0)
        return "we have no selector";
    for (size_t i = 0; i < ours->count; i++) {
        for (size_t j = 0; j < offered->count; j++) {
            unsigned miss = misses(&ours->at[i], &offered->at[j]);
            unsigned bits = shared_bits(&ours->at[i], &offered->at[j]);
            if (near_ours != NULL && (miss > least || (miss == least && bits <= shared)))
                continue;
            least = miss;
            shared = bits;
            near_ours = &ours->at[i];
            near_theirs = &offered->at[j];
        }
    }
    if (near_ours->is_dynamic || near_theirs->is_dynamic)
        return "a dynamic selector has no address yet";
    return miss_text(least, near_ours, near_theirs, a);
}

/* RFC 7296 2.9: what the peer named first must be in it, also where the list is full. */
static void keep_first(struct selectors *list, const struct selectors *offered,
                       const struct selectors *ours)
{
    struct selector both;
    for (size_t i = 0; i < ours->count; i++) {
        struct selectors one = {&both, 1};
        if (policy_selector_meet(&ours->at[i], &offered->at[0], &both) &&
            !policy_selectors_within(&one, list)) {
            list->count--;
            add_outermost(list, &both);
            return;
        }
    }
}

bool policy_narrow(const struct selectors *offered, const struct selectors *ours, enum cause cause,
                   struct arena *a, struct selectors *out, struct finding *why)
{
    out->count = 0;
    out->at = arena_array(a, SELECTORS_MAX, sizeof *out->at);
    if (out->at == NULL) {
        finding_set(why, CAUSE_RES_MEMORY);
        return false;
    }
    for (size_t i = 0; i < ours->count; i++) {
        for (size_t j = 0; j < offered->count; j++) {
            struct selector both;
            if (policy_selector_meet(&ours->at[i], &offered->at[j], &both))
                add_outermost(out, &both);
        }
    }
    if (out->count == SELECTORS_MAX)
        keep_first(out, offered, ours);
    if (out->count > 0)
        return true;
    finding_set(why, cause);
    why->expected = policy_selectors_text(ours, a);
    why->seen = policy_selectors_text(offered, a);
    why->nearest = nearest_miss(offered, ours, a);
    return false;
}

unsigned policy_selectors_likeness(const struct selectors *offered, const struct selectors *ours)
{
    enum { SAME = 5, INSIDE = 3, OVERLAP = 1 };
    unsigned sum = 0;
    for (size_t i = 0; i < offered->count; i++) {
        unsigned weight = (unsigned)(offered->count - i);
        for (size_t k = 0; k < ours->count; k++) {
            const struct selector *x = &offered->at[i], *y = &ours->at[k];
            bool in = policy_selector_within(x, y), around = policy_selector_within(y, x);
            struct selector both;
            sum += weight * (in && around                        ? SAME
                             : in || around                      ? INSIDE
                             : policy_selector_meet(x, y, &both) ? OVERLAP
                                                                 : 0);
        }
    }
    return sum;
}

/* ---- one packet ---- */

bool policy_selector_fits(const struct selector *s, uint8_t family, const uint8_t *address,
                          uint8_t protocol, bool has_ports, uint16_t port)
{
    size_t len = address_len(family);
    if (s->family != family || len == 0 || s->is_dynamic ||
        (s->protocol != 0 && s->protocol != protocol) || memcmp(address, s->from, len) < 0 ||
        memcmp(address, s->to, len) > 0)
        return false;
    if (is_any_port(s))
        return true;
    if (is_opaque(s) || !has_ports)
        return is_opaque(s) && !has_ports;
    return port >= s->port_from && port <= s->port_to;
}

/* ---- to and from elsewhere ---- */

bool policy_resolve_selectors(const struct selectors *s, const struct address *host,
                              struct arena *a, struct selectors *out)
{
    out->count = 0;
    out->at = arena_array(a, s->count, sizeof *out->at);
    if (out->at == NULL)
        return false;
    for (size_t i = 0; i < s->count; i++) {
        struct selector *to = &out->at[i];
        *to = s->at[i];
        if (to->is_dynamic) {
            to->is_dynamic = false;
            to->family = host->family;
            memset(to->from, 0, sizeof to->from);
            memcpy(to->from, host->bytes, address_len(host->family));
            memcpy(to->to, to->from, sizeof to->to);
        }
    }
    out->count = s->count;
    return true;
}

bool policy_selectors_from_wire(const struct ts_list *ts, struct arena *a, struct selectors *out)
{
    out->count = 0;
    out->at = arena_array(a, ts->count, sizeof *out->at);
    if (out->at == NULL)
        return false;
    for (size_t i = 0; i < ts->count; i++) {
        const struct ts *t = &ts->at[i];
        struct selector s = {
            .protocol = t->protocol, .port_from = t->port_from, .port_to = t->port_to};
        struct box b;
        s.family = t->type == TS_IPV4_ADDR_RANGE   ? FAMILY_V4
                   : t->type == TS_IPV6_ADDR_RANGE ? FAMILY_V6
                                                   : FAMILY_NONE;
        size_t len = address_len(s.family);
        if (len == 0 || t->from.len != len || t->to.len != len)
            continue;
        memcpy(s.from, t->from.at, len);
        memcpy(s.to, t->to.at, len);
        if (box_of(&s, &b)) /* a range that runs backwards has no members */
            out->at[out->count++] = s;
    }
    return true;
}

bool policy_selectors_to_wire(const struct selectors *s, struct arena *a, struct ts_list *out)
{
    out->count = 0;
    out->at = arena_array(a, s->count, sizeof *out->at);
    if (out->at == NULL)
        return false;
    for (size_t i = 0; i < s->count; i++) {
        const struct selector *from = &s->at[i];
        size_t len = address_len(from->family);
        struct ts *t = &out->at[i];
        if (len == 0 || from->is_dynamic)
            return false;
        *t =
            (struct ts){.type = from->family == FAMILY_V4 ? TS_IPV4_ADDR_RANGE : TS_IPV6_ADDR_RANGE,
                        .protocol = from->protocol,
                        .port_from = from->port_from,
                        .port_to = from->port_to,
                        .from = arena_copy(a, span_of(from->from, len)),
                        .to = arena_copy(a, span_of(from->to, len))};
        if (t->from.len != len || t->to.len != len)
            return false;
    }
    out->count = s->count;
    return true;
}

bool policy_selectors_dup(const struct selectors *s, struct selectors *out)
{
    *out = (struct selectors){0};
    if (s->count == 0)
        return true;
    out->at = calloc(s->count, sizeof *out->at);
    if (out->at == NULL)
        return false;
    memcpy(out->at, s->at, s->count * sizeof *out->at);
    out->count = s->count;
    return true;
}

void policy_selectors_free(struct selectors *s)
{
    free(s->at);
    *s = (struct selectors){0};
}
