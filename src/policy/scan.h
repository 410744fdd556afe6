/* Reading short configuration texts: pieces of a span, never a step outside it. */
#ifndef IKEBANA_POLICY_SCAN_H
#define IKEBANA_POLICY_SCAN_H

#include "base/span.h"

static inline bool scan_is_blank(uint8_t c)
{
    return c == ' ' || c == '\t';
}

static inline uint8_t scan_lower(uint8_t c)
{
    return c >= 'A' && c <= 'Z' ? (uint8_t)(c + ('a' - 'A')) : c;
}

/* Without blanks at both ends. */
static inline struct span scan_trim(struct span s)
{
    struct reader r = reader_of(s);
    while (r.left.len > 0 && scan_is_blank(r.left.at[0]))
        take(&r, 1);
    size_t len = r.left.len;
    while (len > 0 && scan_is_blank(r.left.at[len - 1]))
        len--;
    return take(&r, len);
}

static inline bool scan_find(struct span s, char c, size_t *where)
{
    for (size_t i = 0; i < s.len; i++) {
        if (s.at[i] == (uint8_t)c) {
            *where = i;
            return true;
        }
    }
    return false;
}

/* Cuts s at the first c: what stands before, and what behind. false: no c, before is all of s. */
static inline bool scan_split(struct span s, char c, struct span *before, struct span *behind)
{
    struct reader r = reader_of(s);
    size_t where = 0;
    if (!scan_find(s, c, &where)) {
        *before = s;
        *behind = (struct span){NULL, 0};
        return false;
    }
    *before = take(&r, where);
    take(&r, 1);
    *behind = take_rest(&r);
    return true;
}

/* Equal but for the case of ASCII letters. */
static inline bool scan_same(struct span x, struct span y)
{
    if (x.len != y.len)
        return false;
    for (size_t i = 0; i < x.len; i++)
        if (scan_lower(x.at[i]) != scan_lower(y.at[i]))
            return false;
    return true;
}

static inline bool scan_same_text(struct span s, const char *text)
{
    return scan_same(s, span_text(text));
}

/* The rest when s begins with text, case of letters ignored. */
static inline bool scan_prefix(struct span s, const char *text, struct span *rest)
{
    struct reader r = reader_of(s);
    if (!scan_same_text(take(&r, strlen(text)), text))
        return false;
    *rest = take_rest(&r);
    return true;
}

static inline int scan_hex_digit(uint8_t c)
{
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
}

#endif
