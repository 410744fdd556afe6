#include "policy/value.h"

#include <strings.h>

static bool is_space(uint8_t c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

static unsigned lower(uint8_t c)
{
    return c >= 'A' && c <= 'Z' ? c + 32U : c;
}

static bool same_word(struct span text, const char *word, size_t len)
{
    return text.len == len && (len == 0 || strncasecmp((const char *)text.at, word, len) == 0);
}

bool value_is_word(struct span text, const char *words)
{
    for (const char *at = words; *at != '\0';) {
        size_t len = strcspn(at, "|");
        if (same_word(text, at, len))
            return true;
        at += at[len] == '|' ? len + 1 : len;
    }
    return false;
}

struct span value_trim(struct span text)
{
    size_t from = 0, to = text.len;
    while (from < to && is_space(text.at[from]))
        from++;
    while (to > from && is_space(text.at[to - 1]))
        to--;
    struct reader r = reader_of(text);
    take(&r, from);
    return take(&r, to - from);
}

bool value_next_item(struct reader *list, struct span *item)
{
    while (list->left.len > 0) {
        size_t len = 0;
        while (len < list->left.len && list->left.at[len] != ',')
            len++;
        *item = value_trim(take(list, len));
        if (list->left.len > 0)
            take_u8(list);
        if (item->len > 0)
            return true;
    }
    return false;
}

enum value_fit value_bool(struct span text, bool *out)
{
    *out = value_is_word(text, "yes|true|enabled|1");
    return *out || value_is_word(text, "no|false|disabled|0") ? VALUE_GOOD : VALUE_BAD;
}

static unsigned digit(const struct reader *r)
{
    if (r->left.len == 0)
        return 99;
    uint8_t c = r->left.at[0];
    if (c >= '0' && c <= '9')
        return c - 48U;
    unsigned l = lower(c);
    return l >= 'a' && l <= 'f' ? l - 'a' + 10U : 99;
}

static bool begins(const struct reader *r, uint8_t c)
{
    return r->left.len > 0 && lower(r->left.at[0]) == c;
}

static void skip_blanks(struct reader *r)
{
    while (r->left.len > 0 && is_space(r->left.at[0]))
        take_u8(r);
}

/* What strtoull() with base 0 does. No digits: 0, and the reader stays where it was. */
static enum value_fit take_number(struct reader *r, unsigned base, uint64_t *out)
{
    struct reader start = *r;
    enum value_fit fit = VALUE_GOOD;
    *out = 0;
    skip_blanks(r);
    bool is_negative = begins(r, '-');
    if (is_negative || begins(r, '+')) {
        take_u8(r);
        fit = VALUE_ODD;
    }
    if (base == 0) {
        base = 10;
        if (begins(r, '0') && r->left.len > 1) {
            struct reader ahead = *r;
            take_u8(&ahead);
            if (begins(&ahead, 'x')) {
                take_u8(&ahead);
                if (digit(&ahead) < 16) {
                    base = 16;
                    *r = ahead;
                }
            } else {
                base = 8;
                if (digit(&ahead) < 8)
                    fit = VALUE_ODD; /* 010 is eight: hardly what was meant */
            }
        }
    }
    size_t digits = 0;
    bool is_over = false;
    for (; digit(r) < base; digits++) {
        uint64_t d = digit(r);
        take_u8(r);
        is_over = is_over || *out > (UINT64_MAX - d) / base;
        *out = *out * base + d;
    }
    if (digits == 0) {
        *r = start;
        *out = 0;
        return VALUE_ODD;
    }
    if (is_over) {
        *out = UINT64_MAX;
        return VALUE_ODD;
    }
    if (is_negative)
        *out = 0 - *out;
    return fit;
}

static enum value_fit clamp(enum value_fit fit, uint64_t max, uint64_t *out)
{
    if (*out <= max)
        return fit;
    *out = max;
    return VALUE_ODD;
}

enum value_fit value_number(struct span text, uint64_t max, uint64_t *out)
{
    struct reader r = reader_of(text);
    enum value_fit fit = take_number(&r, 0, out);
    return done(&r) ? clamp(fit, max, out) : VALUE_BAD;
}

/* A number, blanks, and at most one of the units. */
static enum value_fit with_unit(struct span text, const char *units, const uint64_t *factors,
                                uint64_t max, uint64_t *out)
{
    struct reader r = reader_of(text);
    enum value_fit fit = take_number(&r, 0, out);
    skip_blanks(&r);
    uint64_t factor = 1;
    for (size_t i = 0; units[i] != '\0'; i++) {
        if (begins(&r, (uint8_t)units[i])) {
            factor = factors[i];
            take_u8(&r);
            break;
        }
    }
    if (!done(&r))
        return VALUE_BAD;
    if (*out > UINT64_MAX / factor) {
        *out = UINT64_MAX;
        fit = VALUE_ODD;
    } else {
        *out *= factor;
    }
    return clamp(fit, max, out);
}

enum value_fit value_time(struct span text, uint64_t *seconds)
{
    static const uint64_t factors[] = {1, 60, 3600, 86400};
    return with_unit(text, "smhd", factors, UINT32_MAX, seconds);
}

enum value_fit value_bytes(struct span text, uint64_t *bytes)
{
    static const uint64_t factors[] = {1ULL << 10, 1ULL << 20, 1ULL << 30};
    return with_unit(text, "kmg", factors, UINT64_MAX, bytes);
}

enum value_fit value_bin6(struct span text, uint64_t *out)
{
    struct reader r = reader_of(text);
    enum value_fit fit = take_number(&r, 2, out);
    *out &= 0x3f;
    return done(&r) ? fit : VALUE_BAD;
}

enum value_fit value_mark(struct span text, bool is_set_mark, uint64_t *value, uint64_t *mask,
                          bool *is_special)
{
    size_t len = 0;
    while (len < text.len && text.at[len] != '/')
        len++;
    struct reader r = reader_of(text);
    struct span first = take(&r, len);
    enum value_fit fit = VALUE_GOOD;
    *value = 0;
    *mask = UINT32_MAX;
    *is_special = value_is_word(first, is_set_mark ? "%same" : "%unique|%unique-dir");
    if (!*is_special)
        fit = value_number(first, UINT32_MAX, value);
    if (fit == VALUE_BAD || r.left.len == 0)
        return fit;
    take_u8(&r);
    enum value_fit mask_fit = value_number(take_rest(&r), UINT32_MAX, mask);
    return mask_fit < fit ? mask_fit : fit;
}
