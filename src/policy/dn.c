/* Distinguished names (X.501, RFC 4514) as IKE identities.
 *
 * A Name is SEQUENCE OF SET OF SEQUENCE {OID, value}. Reading is strict about lengths (DER, at most
 * two length octets) and never looks outside the span. Writing makes one attribute per set:
 * PrintableString where the value allows it, else UTF8String; IA5String for e-mail and domain
 * components, as certificates have them.
 *
 * Text is read as charon reads it: attributes are separated by "," (we also take ";"), or by "/"
 * when the text begins with one. A value may stand in double quotes; a backslash takes the next
 * character, or two hex digits, literally.
 */
#include "policy/dn.h"

#include "policy/line.h"
#include "policy/scan.h"

enum {
    TAG_OID = 0x06,
    TAG_UTF8 = 0x0c,
    TAG_PRINTABLE = 0x13,
    TAG_T61 = 0x14,
    TAG_IA5 = 0x16,
    TAG_SEQUENCE = 0x30,
    TAG_SET = 0x31,
};

struct attribute_name {
    const char *name; /* the first of an OID is printed */
    const char *oid;  /* content octets */
    uint8_t oid_len;
};

#define X520(last) "\x55\x04" last, 3
#define PILOT(last) "\x09\x92\x26\x89\x93\xf2\x2c\x64\x01" last, 10
#define PKCS9(last) "\x2a\x86\x48\x86\xf7\x0d\x01\x09" last, 9

/* RFC 4519, RFC 5280 A.1, and strongSwan's spellings. */
static const struct attribute_name names[] = {
    {"CN", X520("\x03")},
    {"S", X520("\x04")},
    {"SN", X520("\x05")},
    {"serialNumber", X520("\x05")},
    {"C", X520("\x06")},
    {"L", X520("\x07")},
    {"ST", X520("\x08")},
    {"SP", X520("\x08")},
    {"STREET", X520("\x09")},
    {"O", X520("\x0a")},
    {"OU", X520("\x0b")},
    {"T", X520("\x0c")},
    {"title", X520("\x0c")},
    {"D", X520("\x0d")},
    {"description", X520("\x0d")},
    {"postalAddress", X520("\x10")},
    {"postalCode", X520("\x11")},
    {"N", X520("\x29")},
    {"name", X520("\x29")},
    {"G", X520("\x2a")},
    {"GN", X520("\x2a")},
    {"givenName", X520("\x2a")},
    {"I", X520("\x2b")},
    {"initials", X520("\x2b")},
    {"generationQualifier", X520("\x2c")},
    {"ID", X520("\x2d")},
    {"x500UniqueIdentifier", X520("\x2d")},
    {"dnQualifier", X520("\x2e")},
    {"pseudonym", X520("\x41")},
    {"surname", X520("\x04")},
    {"UID", PILOT("\x01")},
    {"DC", PILOT("\x19")},
    {"E", PKCS9("\x01")},
    {"emailAddress", PKCS9("\x01")},
    {"EMAIL", PKCS9("\x01")},
    {"unstructuredName", PKCS9("\x02")},
    {"UN", PKCS9("\x02")},
    {"unstructuredAddress", PKCS9("\x08")},
    {"UA", PKCS9("\x08")},
};

static struct span oid_of(const struct attribute_name *n)
{
    return span_of(n->oid, n->oid_len);
}

/* ---- reading DER ---- */

/* One element. false: not that tag, or its length does not fit. */
static bool take_element(struct reader *r, uint8_t *tag, struct span *content)
{
    *tag = take_u8(r);
    size_t len = take_u8(r);
    if (len == 0x81) {
        len = take_u8(r);
        if (len < 0x80)
            return false; /* DER: the shortest form */
    } else if (len == 0x82) {
        len = take_u16(r);
        if (len < 0x100)
            return false;
    } else if (len >= 0x80) {
        return false;
    }
    *content = take(r, len);
    return good(r);
}

static bool take_tagged(struct reader *r, uint8_t tag, struct span *content)
{
    uint8_t seen = 0;
    return take_element(r, &seen, content) && seen == tag;
}

/* Walks the attributes of a name. */
struct walk {
    struct reader sets, set;
    bool is_bad, begins_set;
};

struct attribute {
    struct span oid, value;
    uint8_t tag;
    bool begins_set; /* the first of its set: further ones belong to the same RDN */
};

static struct walk walk_of(struct span der)
{
    struct walk w = {.is_bad = true};
    struct reader r = reader_of(der);
    struct span content;
    if (take_tagged(&r, TAG_SEQUENCE, &content) && done(&r)) {
        w.sets = reader_of(content);
        w.is_bad = false;
    }
    return w;
}

/* false: the end, or is_bad. */
static bool walk_next(struct walk *w, struct attribute *out)
{
    struct span content;
    if (w->is_bad)
        return false;
    out->begins_set = w->set.left.len == 0;
    if (out->begins_set) {
        if (w->sets.left.len == 0)
            return false;
        w->is_bad = true;
        if (!take_tagged(&w->sets, TAG_SET, &content) || content.len == 0)
            return false;
        w->set = reader_of(content);
    }
    w->is_bad = true;
    if (!take_tagged(&w->set, TAG_SEQUENCE, &content))
        return false;
    struct reader pair = reader_of(content);
    if (!take_tagged(&pair, TAG_OID, &out->oid) || out->oid.len == 0 ||
        !take_element(&pair, &out->tag, &out->value) || !done(&pair))
        return false;
    w->is_bad = false;
    return true;
}

/* ---- DER to text ---- */

static const char *oid_text(struct span oid, struct arena *a)
{
    enum { ARCS_MAX = 32 };
    const char *text = "";
    uint64_t arc = 0;
    size_t arcs = 0;
    for (size_t i = 0; i < oid.len; i++) {
        if (arc > UINT64_MAX >> 7 || arcs > ARCS_MAX)
            return arena_text(a, "OID#%s", arena_hex(a, oid, 64));
        arc = arc << 7 | (oid.at[i] & 0x7f);
        if ((oid.at[i] & 0x80) != 0)
            continue;
        if (arcs == 0) {
            unsigned first = arc >= 80 ? 2 : (unsigned)(arc / 40);
            text = arena_text(a, "%u.%llu", first, (unsigned long long)(arc - 40 * first));
        } else {
            text = arena_text(a, "%s.%llu", text, (unsigned long long)arc);
        }
        arcs++;
        arc = 0;
    }
    return text;
}

static const char *name_text(struct span oid, struct arena *a)
{
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (span_equal(oid, oid_of(&names[i])))
            return names[i].name;
    return oid_text(oid, a);
}

static bool is_string(uint8_t tag)
{
    return tag == TAG_UTF8 || tag == TAG_PRINTABLE || tag == TAG_T61 || tag == TAG_IA5;
}

static const char *value_text(const struct attribute *at, struct arena *a)
{
    enum { SHOWN_MAX = 200 };
    static const char digits[] = "0123456789ABCDEF";
    if (!is_string(at->tag))
        return arena_text(a, "#%s", arena_hex(a, at->value, SHOWN_MAX));
    size_t shown = at->value.len < SHOWN_MAX ? at->value.len : SHOWN_MAX;
    char *text = arena_alloc(a, shown * 3 + sizeof "…");
    if (text == NULL)
        return "";
    struct writer w = writer_of(text, shown * 3 + sizeof "…" - 1);
    for (size_t i = 0; i < shown; i++) {
        uint8_t c = at->value.at[i];
        bool is_end = i == 0 || i + 1 == at->value.len;
        if (c < 0x20 || c >= 0x7f || (c == ' ' && is_end)) {
            put_u8(&w, '\\');
            put_u8(&w, (uint8_t)digits[c >> 4]);
            put_u8(&w, (uint8_t)digits[c & 15]);
            continue;
        }
        if (memchr(",;\"\\+<>", c, 7) != NULL || (c == '#' && i == 0))
            put_u8(&w, '\\');
        put_u8(&w, c);
    }
    if (shown < at->value.len)
        put_span(&w, span_text("…"));
    return text;
}

const char *policy_dn_text(struct span der, struct arena *a)
{
    enum { DN_TEXT_MAX = 1500 };
    struct walk w = walk_of(der);
    struct attribute at;
    struct line l = line_new(a, DN_TEXT_MAX);
    while (walk_next(&w, &at))
        line_add(&l, at.begins_set ? ", " : "+",
                 arena_text(a, "%s=%s", name_text(at.oid, a), value_text(&at, a)));
    return w.is_bad ? NULL : line_text(&l);
}

/* ---- comparing ---- */

static struct span trim_value(struct span s)
{
    return scan_trim(s);
}

static bool same_value(const struct attribute *x, const struct attribute *y)
{
    if (is_string(x->tag) && is_string(y->tag))
        return scan_same(trim_value(x->value), trim_value(y->value));
    return x->tag == y->tag && span_equal(x->value, y->value);
}

unsigned policy_dn_match(struct span der, struct span pattern, bool wildcards)
{
    struct walk wx = walk_of(der), wy = walk_of(pattern);
    struct attribute x, y;
    unsigned result = 1;
    for (;;) {
        bool has_x = walk_next(&wx, &x), has_y = walk_next(&wy, &y);
        if (wx.is_bad || wy.is_bad || has_x != has_y)
            return 0;
        if (!has_x)
            return result;
        if (x.begins_set != y.begins_set || !span_equal(x.oid, y.oid))
            return 0;
        if (same_value(&x, &y))
            continue;
        if (!wildcards || !is_string(y.tag) || !span_is(y.value, "*"))
            return 0;
        result++;
    }
}

struct span policy_dn_key(struct span der, struct arena *a)
{
    /* Of each attribute six octets of ours stand for at least eight of DER's. */
    size_t size = der.len + 1;
    struct writer w = writer_of(arena_alloc(a, size), size);
    struct walk walk = walk_of(der);
    struct attribute at;
    if (w.at == NULL)
        return der;
    while (walk_next(&walk, &at)) {
        bool is_text = is_string(at.tag);
        struct span value = is_text ? trim_value(at.value) : at.value;
        put_u8(&w, at.begins_set);
        put_u16(&w, (uint16_t)at.oid.len);
        put_span(&w, at.oid);
        put_u8(&w, is_text ? TAG_UTF8 : at.tag);
        put_u16(&w, (uint16_t)value.len);
        for (size_t i = 0; i < value.len; i++)
            put_u8(&w, is_text ? scan_lower(value.at[i]) : value.at[i]);
    }
    return walk.is_bad || w.full ? der : writer_span(&w);
}

bool policy_dn_has_wildcard(struct span der)
{
    struct walk walk = walk_of(der);
    struct attribute at;
    bool has = false;
    while (walk_next(&walk, &at))
        has |= is_string(at.tag) && span_is(at.value, "*");
    return has && !walk.is_bad;
}

/* ---- text to DER ---- */

enum { DN_MAX = 4096, VALUE_MAX = 1024, OID_MAX = 64 };

static bool dotted_oid(struct span s, struct writer *w)
{
    unsigned arcs = 0;
    uint64_t first = 0;
    while (s.len > 0) {
        struct span arc;
        bool more = scan_split(s, '.', &arc, &s);
        uint64_t v = 0;
        if (arc.len == 0 || arc.len > 18 || (more && s.len == 0))
            return false;
        for (size_t i = 0; i < arc.len; i++) {
            if (arc.at[i] < '0' || arc.at[i] > '9')
                return false;
            v = v * 10 + (uint64_t)(arc.at[i] - '0');
        }
        arcs++;
        if (arcs == 1) {
            first = v;
            if (v > 2)
                return false;
            continue;
        }
        if (arcs == 2) {
            if (first < 2 && v > 39)
                return false;
            v += first * 40;
        }
        for (unsigned shift = 63; shift > 0; shift -= 7)
            if (v >> shift != 0)
                put_u8(w, (uint8_t)(0x80 | (v >> shift & 0x7f)));
        put_u8(w, (uint8_t)(v & 0x7f));
    }
    return arcs >= 2 && !w->full;
}

static bool find_oid(struct span name, struct writer *w)
{
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (scan_same_text(name, names[i].name)) {
            put_span(w, oid_of(&names[i]));
            return true;
        }
    }
    return dotted_oid(name, w);
}

static bool is_printable(struct span s)
{
    for (size_t i = 0; i < s.len; i++) {
        uint8_t c = s.at[i];
        bool is_alnum = (c >= '0' && c <= '9') || (scan_lower(c) >= 'a' && scan_lower(c) <= 'z');
        if (!is_alnum && (c == 0 || memchr(" '()+,-./:=?", c, 12) == NULL))
            return false;
    }
    return true;
}

static bool is_ascii(struct span s)
{
    for (size_t i = 0; i < s.len; i++)
        if (s.at[i] >= 0x80)
            return false;
    return true;
}

static void put_header(struct writer *w, uint8_t tag, size_t len)
{
    put_u8(w, tag);
    if (len >= 0x100) {
        put_u8(w, 0x82);
        put_u16(w, (uint16_t)len);
    } else {
        if (len >= 0x80)
            put_u8(w, 0x81);
        put_u8(w, (uint8_t)len);
    }
}

static size_t header_len(size_t len)
{
    return len >= 0x100 ? 4 : len >= 0x80 ? 3 : 2;
}

static void put_attribute(struct writer *w, struct span oid, struct span value)
{
    static const uint8_t pkcs9_email[] = {0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x09, 0x01};
    bool is_ia5 = span_equal(oid, span_of(pkcs9_email, sizeof pkcs9_email)) ||
                  (oid.len == 10 && memcmp(oid.at, PILOT("\x19")) == 0);
    uint8_t tag = is_ia5 && is_ascii(value) ? TAG_IA5
                  : is_printable(value)     ? TAG_PRINTABLE
                                            : TAG_UTF8;
    size_t pair = header_len(oid.len) + oid.len + header_len(value.len) + value.len;
    put_header(w, TAG_SET, header_len(pair) + pair);
    put_header(w, TAG_SEQUENCE, pair);
    put_header(w, TAG_OID, oid.len);
    put_span(w, oid);
    put_header(w, tag, value.len);
    put_span(w, value);
}

/* The value up to a separator, with quotes and escapes taken away. Outer blanks that are not
 * quoted or escaped do not count. */
static bool take_value(struct reader *r, bool by_slash, struct writer *out)
{
    size_t solid = 0; /* length up to the last octet that must stay */
    bool is_quoted = false;
    while (r->left.len > 0 && scan_is_blank(r->left.at[0]))
        take(r, 1);
    while (r->left.len > 0) {
        uint8_t c = take_u8(r);
        if (c == '"') {
            is_quoted = !is_quoted;
            solid = out->len;
            continue;
        }
        if (!is_quoted && (by_slash ? c == '/' : c == ',' || c == ';'))
            break;
        if (c == '\\') {
            int high = r->left.len >= 2 ? scan_hex_digit(r->left.at[0]) : -1;
            int low = high >= 0 ? scan_hex_digit(r->left.at[1]) : -1;
            if (r->left.len == 0)
                return false;
            c = low >= 0 ? (uint8_t)((unsigned)high << 4 | (unsigned)low) : r->left.at[0];
            take(r, low >= 0 ? 2 : 1);
            put_u8(out, c);
            solid = out->len;
            continue;
        }
        put_u8(out, c);
        if (is_quoted || !scan_is_blank(c))
            solid = out->len;
    }
    if (!out->full)
        out->len = solid;
    return !is_quoted && !out->full;
}

bool policy_dn_parse(struct span text, struct arena *a, struct span *der, const char **why)
{
    uint8_t *sets = arena_alloc(a, DN_MAX), *value_room = arena_alloc(a, VALUE_MAX);
    if (sets == NULL || value_room == NULL) {
        *why = "no memory";
        return false;
    }
    struct writer w = writer_of(sets, DN_MAX);
    struct reader r = reader_of(scan_trim(text));
    bool by_slash = r.left.len > 0 && r.left.at[0] == '/';
    while (r.left.len > 0) {
        uint8_t oid_room[OID_MAX];
        struct writer oid = writer_of(oid_room, sizeof oid_room);
        struct writer value = writer_of(value_room, VALUE_MAX);
        uint8_t c = r.left.at[0];
        if (scan_is_blank(c) || c == (by_slash ? '/' : ',') || (!by_slash && c == ';')) {
            take(&r, 1);
            continue;
        }
        struct span name, behind;
        if (!scan_split(r.left, '=', &name, &behind)) {
            *why = "a part of the name has no \"=\"";
            return false;
        }
        if (!find_oid(scan_trim(name), &oid)) {
            *why =
                arena_text(a, "%s is no attribute that names have (C, ST, L, O, OU, CN, E, DC, …)",
                           arena_escape(a, scan_trim(name), 40));
            return false;
        }
        r = reader_of(behind);
        if (!take_value(&r, by_slash, &value)) {
            *why = value.full ? "a value of the name is too long"
                              : "a quote or an escape in the name is not complete";
            return false;
        }
        put_attribute(&w, writer_span(&oid), writer_span(&value));
    }
    if (w.full || w.len == 0) {
        *why = w.full ? "the name is too long" : "the name is empty";
        return false;
    }
    size_t total = header_len(w.len) + w.len;
    uint8_t *all = arena_alloc(a, total);
    if (all == NULL) {
        *why = "no memory";
        return false;
    }
    struct writer out = writer_of(all, total);
    put_header(&out, TAG_SEQUENCE, w.len);
    put_span(&out, writer_span(&w));
    *der = writer_span(&out);
    return true;
}
