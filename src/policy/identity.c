/* Identities: text to ID payload, ID payload to text, and the match with a configured pattern.
 * RFC 7296 3.5, RFC 4301 4.4.3.1.
 *
 * Text is read by charon's rules. A prefix ("fqdn:", "{2}:") says the type; without one the form
 * does: "=" a distinguished name, "@" an e-mail address or behind it something forced, ":" an IPv6
 * address, digits and dots an IPv4 address, anything else a domain name. Printed text is such that
 * reading it gives the same identity: what would be taken for something else gets its prefix.
 *
 * As patterns there are also networks and ranges of addresses, with the type numbers of IKEv1
 * (RFC 2407 4.6.2.1): they never go on the wire.
 */
#include "base/address.h"
#include "policy/dn.h"
#include "policy/policy.h"
#include "policy/scan.h"

enum { NET_V4 = 4, NET_V6 = 6, RANGE_V4 = 7, RANGE_V6 = 8 };
enum { TEXT_MAX = 2048 };

struct prefix {
    const char *text;
    uint8_t type;
};

static const struct prefix prefixes[] = {
    {"ipv4:", ID_IPV4_ADDR},     {"ipv6:", ID_IPV6_ADDR},    {"ipv4net:", NET_V4},
    {"ipv6net:", NET_V6},        {"ipv4range:", RANGE_V4},   {"ipv6range:", RANGE_V6},
    {"rfc822:", ID_RFC822_ADDR}, {"email:", ID_RFC822_ADDR}, {"userfqdn:", ID_RFC822_ADDR},
    {"fqdn:", ID_FQDN},          {"dns:", ID_FQDN},          {"asn1dn:", ID_DER_ASN1_DN},
    {"asn1gn:", ID_DER_ASN1_GN}, {"keyid:", ID_KEY_ID},
};

static bool is_any_text(struct span s)
{
    static const char *const any[] = {"", "%any", "%any6", "0.0.0.0", "*", "::", "0::0"};
    for (size_t i = 0; i < sizeof any / sizeof any[0]; i++)
        if (span_is(s, any[i]))
            return true;
    return false;
}

static bool set(struct identity *out, uint8_t type, struct span data, struct arena *a,
                const char **why)
{
    out->type = type;
    out->data = arena_copy(a, data);
    if (out->data.len == data.len)
        return true;
    *why = "no memory";
    return false;
}

/* ---- by type ---- */

static bool parse_hex(struct span s, uint8_t type, struct arena *a, struct identity *out,
                      const char **why)
{
    uint8_t *room = arena_alloc(a, s.len / 2 + 1);
    if (room == NULL) {
        *why = "no memory";
        return false;
    }
    struct writer w = writer_of(room, s.len / 2 + 1);
    int high = -1;
    for (size_t i = 0; i < s.len; i++) {
        int digit = scan_hex_digit(s.at[i]);
        if (s.at[i] == ':' && high < 0)
            continue;
        if (digit < 0) {
            *why = "behind # only hexadecimal digits may stand";
            return false;
        }
        if (high < 0) {
            high = digit;
            continue;
        }
        put_u8(&w, (uint8_t)(high << 4 | digit));
        high = -1;
    }
    if (high >= 0) {
        *why = "the number of hexadecimal digits is odd";
        return false;
    }
    *out = (struct identity){type, writer_span(&w)};
    return true;
}

static bool parse_address(struct span s, uint8_t type, struct arena *a, struct identity *out,
                          const char **why)
{
    struct address at;
    if (!address_parse(s, &at) || at.family != (type == ID_IPV4_ADDR ? FAMILY_V4 : FAMILY_V6)) {
        *why = type == ID_IPV4_ADDR ? "expected an IPv4 address" : "expected an IPv6 address";
        return false;
    }
    return set(out, type, address_octets(&at), a, why);
}

/* Network or range: the first and the last address, one behind the other. */
static bool parse_net(struct span s, uint8_t type, struct arena *a, struct identity *out,
                      const char **why)
{
    struct selector sel;
    uint8_t family = type == NET_V4 || type == RANGE_V4 ? FAMILY_V4 : FAMILY_V6;
    size_t len = address_len(family);
    uint8_t ends[32];
    if (!policy_parse_selector(s, &sel, a, why))
        return false;
    if (*why != NULL || sel.family != family || sel.protocol != 0 || sel.is_dynamic) {
        *why = "expected a network (10.0.0.0/8) or a range (10.0.0.1-10.0.0.9) of that family";
        return false;
    }
    memcpy(ends, sel.from, len);
    memcpy(ends + len, sel.to, len);
    return set(out, type, span_of(ends, 2 * len), a, why);
}

/* strongSwan 6.0.2 and later: <type>:^regex$ */
static bool is_regex(struct span s)
{
    return s.len >= 2 && s.at[0] == '^' && s.at[s.len - 1] == '$';
}

static bool parse_typed(struct span s, uint8_t type, struct arena *a, struct identity *out,
                        const char **why)
{
    struct span hex;
    if (scan_prefix(s, "#", &hex))
        return parse_hex(hex, type, a, out, why);
    switch (type) {
    case 0:
        *out = (struct identity){0};
        return true;
    case ID_IPV4_ADDR:
    case ID_IPV6_ADDR:
        return parse_address(s, type, a, out, why);
    case NET_V4:
    case NET_V6:
    case RANGE_V4:
    case RANGE_V6:
        return parse_net(s, type, a, out, why);
    case ID_DER_ASN1_DN:
    case ID_FQDN:
    case ID_RFC822_ADDR:
        if (is_regex(s)) {
            *why = "regular expressions are not served; use * as in *.example.org";
            return false;
        }
        if (type != ID_DER_ASN1_DN)
            break;
        out->type = ID_DER_ASN1_DN;
        return policy_dn_parse(s, a, &out->data, why);
    }
    return set(out, type, s, a, why);
}

/* ---- by form ---- */

/* "{11}:abc", "{0x0b}:#01" */
static bool numbered_type(struct span s, uint8_t *type, struct span *rest)
{
    struct span number, digits;
    unsigned v = 0, base = 10;
    if (!scan_prefix(s, "{", &s) || !scan_split(s, '}', &number, rest) ||
        !scan_prefix(*rest, ":", rest))
        return false;
    digits = number;
    if (scan_prefix(number, "0x", &digits))
        base = 16;
    if (digits.len == 0 || digits.len > 4)
        return false;
    for (size_t i = 0; i < digits.len; i++) {
        int digit = scan_hex_digit(digits.at[i]);
        if (digit < 0 || (unsigned)digit >= base)
            return false;
        v = v * base + (unsigned)digit;
    }
    *type = (uint8_t)v;
    return v <= 255;
}

static bool parse_at(struct span s, struct arena *a, struct identity *out, const char **why)
{
    struct span rest;
    if (scan_prefix(s, "@#", &rest))
        return parse_hex(rest, ID_KEY_ID, a, out, why);
    if (scan_prefix(s, "@@", &rest))
        return set(out, ID_RFC822_ADDR, rest, a, why);
    if (scan_prefix(s, "@", &rest))
        return set(out, ID_FQDN, rest, a, why);
    return set(out, ID_RFC822_ADDR, s, a, why);
}

static bool parse_plain(struct span s, struct arena *a, struct identity *out, const char **why)
{
    struct address at;
    struct selector sel;
    size_t where = 0;
    const char *odd = NULL;
    if (is_any_text(s)) {
        *out = (struct identity){0};
        return true;
    }
    if (address_parse(s, &at))
        return set(out, at.family == FAMILY_V4 ? ID_IPV4_ADDR : ID_IPV6_ADDR, address_octets(&at),
                   a, why);
    bool has_slash = scan_find(s, '/', &where), has_dash = scan_find(s, '-', &where);
    bool has_bracket = scan_find(s, '[', &where);
    if ((has_slash || has_dash) && !has_bracket && policy_parse_selector(s, &sel, a, &odd) &&
        odd == NULL && !sel.is_dynamic) {
        bool is_v4 = sel.family == FAMILY_V4;
        return parse_net(s, has_slash ? (is_v4 ? NET_V4 : NET_V6) : (is_v4 ? RANGE_V4 : RANGE_V6),
                         a, out, why);
    }
    return set(out, scan_find(s, ':', &where) ? ID_KEY_ID : ID_FQDN, s, a, why);
}

bool policy_parse_identity(struct span text, struct arena *a, struct identity *out,
                           const char **why)
{
    struct span s = scan_trim(text), rest;
    size_t where = 0;
    uint8_t type = 0;
    *why = NULL;
    *out = (struct identity){0};
    if (s.len > TEXT_MAX) {
        *why = "an identity has at most 2048 octets";
        return false;
    }
    for (size_t i = 0; i < sizeof prefixes / sizeof prefixes[0]; i++)
        if (scan_prefix(s, prefixes[i].text, &rest))
            return parse_typed(rest, prefixes[i].type, a, out, why);
    if (scan_prefix(s, "xmppaddr:", &rest) || scan_prefix(s, "uri:", &rest)) {
        *why = "IKE has no identity of that type";
        return false;
    }
    if (numbered_type(s, &type, &rest))
        return parse_typed(rest, type, a, out, why);
    if (scan_find(s, '=', &where)) {
        const char *no_name = NULL;
        out->type = ID_DER_ASN1_DN;
        if (policy_dn_parse(s, a, &out->data, &no_name))
            return true;
        /* charon's way: what looks like a name but is none is taken as a key id. */
        if (!set(out, ID_KEY_ID, s, a, why))
            return false;
        *why = arena_text(a, "read as a key id and not as a distinguished name: %s", no_name);
        return true;
    }
    if (scan_find(s, '@', &where))
        return parse_at(s, a, out, why);
    return parse_plain(s, a, out, why);
}

/* ---- to text ---- */

enum { SHOWN_MAX = 300 };

static const char *raw_text(const struct identity *id, struct arena *a)
{
    return arena_text(a, "{%u}:#%s", id->type, arena_hex(a, id->data, SHOWN_MAX));
}

static bool is_clean(struct span s)
{
    for (size_t i = 0; i < s.len; i++)
        if (s.at[i] < 0x21 || s.at[i] >= 0x7f || s.at[i] == '"' || s.at[i] == '\\')
            return false;
    return s.len > 0;
}

static const char *string_text(const struct identity *id, const char *prefix, struct arena *a)
{
    struct identity again;
    const char *why = NULL;
    const char *text = arena_escape(a, id->data, SHOWN_MAX);
    bool is_short = id->data.len <= SHOWN_MAX;
    /* Without the prefix when it would be read as the very same. */
    if (is_short && is_clean(id->data) && policy_parse_identity(id->data, a, &again, &why) &&
        why == NULL && again.type == id->type && span_equal(again.data, id->data))
        return text;
    if (id->data.len > 0 && id->data.at[0] == '#') /* behind a prefix that would mean hex */
        return raw_text(id, a);
    return arena_text(a, "%s%s", prefix, text);
}

static const char *ends_text(const struct identity *id, struct arena *a)
{
    uint8_t family = id->type == NET_V4 || id->type == RANGE_V4 ? FAMILY_V4 : FAMILY_V6;
    struct selector s = {.family = family, .port_to = 65535};
    size_t len = address_len(family);
    struct reader r = reader_of(id->data);
    struct span from = take(&r, len), to = take(&r, len);
    if (!done(&r))
        return raw_text(id, a);
    memcpy(s.from, from.at, len);
    memcpy(s.to, to.at, len);
    return policy_selector_text(&s, a);
}

static const char *address_id_text(const struct identity *id, struct arena *a)
{
    struct address at;
    if (id->data.len != (id->type == ID_IPV4_ADDR ? 4u : 16u) || !address_from(id->data, 0, &at))
        return raw_text(id, a);
    if (address_is_any(&at)) /* not %any, which nobody can send */
        return arena_text(a, "%s%s",
                          id->type == ID_IPV4_ADDR ? "ipv4:" : "ipv6:", address_text(a, &at));
    return address_text(a, &at);
}

const char *policy_identity_text(const struct identity *id, struct arena *a)
{
    const char *text = NULL;
    switch (id->type) {
    case 0:
        return "%any";
    case ID_IPV4_ADDR:
    case ID_IPV6_ADDR:
        return address_id_text(id, a);
    case NET_V4:
    case NET_V6:
    case RANGE_V4:
    case RANGE_V6:
        return ends_text(id, a);
    case ID_FQDN:
        return string_text(id, "fqdn:", a);
    case ID_RFC822_ADDR:
        return string_text(id, "email:", a);
    case ID_DER_ASN1_DN:
        text = policy_dn_text(id->data, a);
        return text != NULL && text[0] != '\0'
                   ? text
                   : arena_text(a, "asn1dn:#%s", arena_hex(a, id->data, SHOWN_MAX));
    case ID_KEY_ID:
        if (is_clean(id->data) && id->data.len <= SHOWN_MAX && id->data.at[0] != '#')
            return arena_text(a, "keyid:%s", arena_escape(a, id->data, SHOWN_MAX));
        return arena_text(a, "keyid:#%s", arena_hex(a, id->data, SHOWN_MAX));
    case ID_NULL:
        if (id->data.len == 0)
            return "anonymous (ID_NULL)";
        break;
    }
    return raw_text(id, a);
}

/* ---- matching ---- */

enum { MATCH_ANY = 1, MATCH_WILD = 10, MATCH_EXACT = IDENTITY_EXACT, END_MAX = 60 };

/* The part behind the last "@": domains know no case, mailboxes may. RFC 5321 2.4. */
static void split_mail(struct span s, struct span *box, struct span *domain)
{
    size_t at = 0;
    struct reader r = reader_of(s);
    for (size_t i = 0; i < s.len; i++)
        if (s.at[i] == '@')
            at = i;
    *box = take(&r, at);
    *domain = take_rest(&r);
}

static bool same_mail(struct span x, struct span y)
{
    struct span box_x, box_y, domain_x, domain_y;
    split_mail(x, &box_x, &domain_x);
    split_mail(y, &box_y, &domain_y);
    return span_equal(box_x, box_y) && scan_same(domain_x, domain_y);
}

bool policy_identity_equal(const struct identity *x, const struct identity *y)
{
    if (x->type != y->type)
        return false;
    switch (x->type) {
    case 0:
        return true;
    case ID_FQDN:
        return scan_same(x->data, y->data);
    case ID_RFC822_ADDR:
        return same_mail(x->data, y->data);
    case ID_DER_ASN1_DN:
        return span_equal(x->data, y->data) || policy_dn_match(x->data, y->data, false) == 1;
    }
    return span_equal(x->data, y->data);
}

struct span policy_identity_key(const struct identity *id, struct arena *a)
{
    struct span data = id->type == ID_DER_ASN1_DN ? policy_dn_key(id->data, a) : id->data;
    bool is_name = id->type == ID_FQDN, is_mail = id->type == ID_RFC822_ADDR;
    struct span box = {NULL, 0}, domain;
    if (is_mail)
        split_mail(data, &box, &domain);
    size_t size = data.len + 1;
    struct writer w = writer_of(arena_alloc(a, size), size);
    if (w.at == NULL)
        return (struct span){NULL, 0};
    put_u8(&w, id->type);
    for (size_t i = 0; i < data.len; i++)
        put_u8(&w, is_name || (is_mail && i >= box.len) ? scan_lower(data.at[i]) : data.at[i]);
    return writer_span(&w);
}

bool policy_identity_is_pattern(const struct identity *id)
{
    switch (id->type) {
    case 0:
    case NET_V4:
    case NET_V6:
    case RANGE_V4:
    case RANGE_V6:
        return true;
    case ID_FQDN:
    case ID_RFC822_ADDR:
        return id->data.len > 0 && id->data.at[0] == '*';
    case ID_DER_ASN1_DN:
        return policy_dn_has_wildcard(id->data);
    }
    return false;
}

/* "*.example.org", "*@example.org": a star, and an end that must be the same. The longer the end,
 * the more exact. */
static unsigned match_star(struct span s, struct span pattern)
{
    struct span end;
    struct reader r = reader_of(s);
    if (!scan_prefix(pattern, "*", &end) || s.len <= end.len)
        return 0;
    take(&r, s.len - end.len);
    if (!scan_same(take_rest(&r), end))
        return 0;
    return MATCH_WILD + (end.len < END_MAX ? (unsigned)end.len : END_MAX);
}

static unsigned match_ends(const struct identity *id, const struct identity *pattern)
{
    bool is_v4 = pattern->type == NET_V4 || pattern->type == RANGE_V4;
    size_t len = is_v4 ? 4 : 16;
    struct reader r = reader_of(pattern->data);
    struct span from = take(&r, len), to = take(&r, len);
    if (id->type != (is_v4 ? ID_IPV4_ADDR : ID_IPV6_ADDR) || id->data.len != len || !done(&r) ||
        memcmp(id->data.at, from.at, len) < 0 || memcmp(id->data.at, to.at, len) > 0)
        return 0;
    return MATCH_WILD;
}

unsigned policy_identity_match(const struct identity *id, const struct identity *pattern)
{
    unsigned stars = 0;
    if (pattern->type == 0)
        return MATCH_ANY;
    if (policy_identity_equal(id, pattern))
        return MATCH_EXACT;
    switch (pattern->type) {
    case ID_FQDN:
    case ID_RFC822_ADDR:
        return id->type == pattern->type ? match_star(id->data, pattern->data) : 0;
    case ID_DER_ASN1_DN:
        stars = id->type == ID_DER_ASN1_DN ? policy_dn_match(id->data, pattern->data, true) : 0;
        return stars == 0 ? 0 : stars >= MATCH_EXACT - 10 ? MATCH_WILD : MATCH_EXACT - stars;
    case NET_V4:
    case NET_V6:
    case RANGE_V4:
    case RANGE_V6:
        return match_ends(id, pattern);
    }
    return 0;
}
