/* Slips that the eye does not see: a blank, a letter's case, an address where a name was meant. */
#include "diagnose/compare.h"

#include <ctype.h>
#include <strings.h>

enum { SHOWN_MAX = 300 };

static bool is_address(const char *text)
{
    struct address at;
    return address_parse(span_text(text), &at);
}

static bool ends_in(const char *text, const char *end)
{
    size_t len = strlen(text), end_len = strlen(end);
    return end_len > 0 && end_len <= len && strcmp(text + (len - end_len), end) == 0;
}

/* Equal but for blanks. */
static bool is_same_without_blanks(const char *x, const char *y)
{
    for (;; x++, y++) {
        x += strspn(x, " \t");
        y += strspn(y, " \t");
        if (*x != *y)
            return false;
        if (*x == '\0')
            return true;
    }
}

/* The number of characters of ASCII that differ when both are of one length; SIZE_MAX: they are
 * not. *at: the first. */
static size_t differing(const char *x, const char *y, size_t *at)
{
    size_t count = 0;
    if (strlen(x) != strlen(y))
        return SIZE_MAX;
    for (size_t i = 0; x[i] != '\0'; i++) {
        if (x[i] == y[i])
            continue;
        if (count++ == 0)
            *at = i;
    }
    return count;
}

const char *diagnose_compare_identities(const char *expected, const char *seen, struct arena *a)
{
    size_t at = 0;
    if (*expected == '\0' || *seen == '\0' || strcmp(expected, seen) == 0)
        return "";
    if (strcasecmp(expected, seen) == 0)
        return "they differ only in upper and lower case";
    if (is_same_without_blanks(expected, seen))
        return "they differ only in blanks";
    if (is_address(seen) && !is_address(expected))
        return "the other side gives an address where a name is expected: it has probably set no "
               "local.id";
    if (is_address(expected) && !is_address(seen))
        return "an address is expected because no remote.id is set here";
    if (strchr(expected, '@') == NULL && ends_in(seen, arena_text(a, "@%s", expected)))
        return "the other side puts a user before the domain";
    if (strchr(seen, '@') == NULL && ends_in(expected, arena_text(a, "@%s", seen)))
        return "the other side leaves out the user before the domain";
    if (strncmp(expected, seen, strlen(seen)) == 0 && expected[strlen(seen)] == '.')
        return "the other side leaves out the domain";
    if (strncmp(seen, expected, strlen(expected)) == 0 && seen[strlen(expected)] == '.')
        return "the other side adds a domain";
    if (differing(expected, seen, &at) == 1 && strlen(expected) > 3 &&
        isgraph((unsigned char)expected[at]) && isgraph((unsigned char)seen[at]))
        return arena_text(a, "they differ in one character: %c and %c", expected[at], seen[at]);
    return "";
}

/* The items of `list` that `other` lacks, joined by ", ". */
static const char *items_without(const char *list, const char *other, struct arena *a)
{
    const char *out = "";
    while (*list != '\0' && strlen(out) < SHOWN_MAX) {
        size_t len = strcspn(list, ",");
        bool is_there = false;
        for (const char *p = other; *p != '\0' && !is_there;) {
            size_t other_len = strcspn(p, ",");
            is_there = other_len == len && memcmp(p, list, len) == 0;
            p += other_len;
            p += strspn(p, ", ");
        }
        if (!is_there)
            out = arena_text(a, "%s%s%.*s", out, *out == '\0' ? "" : ", ", (int)len, list);
        list += len;
        list += strspn(list, ", ");
    }
    return out;
}

const char *diagnose_compare_lists(const char *expected, const char *seen, struct arena *a)
{
    /* One against one is seen without help. */
    if (*expected == '\0' || *seen == '\0' ||
        (strchr(expected, ',') == NULL && strchr(seen, ',') == NULL))
        return "";
    const char *lacks = items_without(expected, seen, a);
    const char *has = items_without(seen, expected, a);
    if (*lacks == '\0' && *has == '\0')
        return "";
    if (*lacks == '\0')
        return arena_text(a, "added: %s", has);
    return *has == '\0' ? arena_text(a, "missing: %s", lacks)
                        : arena_text(a, "%s instead of %s", has, lacks);
}

const char *diagnose_difference(const struct finding *f, struct arena *a)
{
    const char *text = "";
    if (f->cause == CAUSE_AUTH_ID_MISMATCH || f->cause == CAUSE_AUTH_NO_CONNECTION_FOR_IDS)
        text = diagnose_compare_identities(f->expected, f->seen, a);
    else if (f->cause == CAUSE_CHILD_TS_NARROWED || f->cause == CAUSE_CHILD_TS_WIDENED)
        text = diagnose_compare_lists(f->expected, f->seen, a);
    return text;
}
