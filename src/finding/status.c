/* The catalogue and the look-up.
 *
 * A look-up tries, in this order: the text as a number (decimal, hex, HRESULT, NTSTATUS), as a
 * symbol, as an alias of aliases.tsv, as a meaning; at last it searches a pasted sentence for a
 * number, a symbol or the text of a known message. */
#include "finding/status.h"

#include <string.h>

#include "finding/status_rows.h"
#include "finding/version.h"

enum {
    STATUS_COUNT = sizeof status_rows / sizeof status_rows[0],
    ALIAS_COUNT = sizeof alias_rows / sizeof alias_rows[0],
    NTSTATUS_COUNT = sizeof ntstatus_rows / sizeof ntstatus_rows[0],
    NAME_MAX_LEN = 96,   /* longer than any symbol */
    PASTE_MAX_LEN = 1024 /* more of a pasted text is not looked at */
};

const char *ikebana_version(void)
{
    return IKEBANA_VERSION;
}

const struct ikebana_status *ikebana_status_at(size_t i)
{
    return i < STATUS_COUNT ? &status_rows[i] : NULL;
}

const struct finding_alias *finding_alias_at(size_t i)
{
    return i < ALIAS_COUNT ? &alias_rows[i] : NULL;
}

const struct ikebana_status *ikebana_status_by_code(uint32_t code)
{
    size_t low = 0, high = STATUS_COUNT;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (status_rows[middle].code == code)
            return &status_rows[middle];
        if (status_rows[middle].code < code)
            low = middle + 1;
        else
            high = middle;
    }
    return NULL;
}

uint32_t ikebana_status_hresult(uint32_t code)
{
    return 0x80070000 + code;
}

/* Characters, without the locale. */

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static char upper(char c)
{
    return c >= 'a' && c <= 'z' ? (char)(c - 'a' + 'A') : c;
}

static bool is_word(char c)
{
    return is_digit(c) || (upper(c) >= 'A' && upper(c) <= 'Z');
}

static int digit_of(char c)
{
    if (is_digit(c))
        return c - '0';
    c = upper(c);
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : 16;
}

/* Numbers */

static bool read_digits(const char *text, size_t len, unsigned base, uint64_t *out)
{
    uint64_t value = 0;
    if (len == 0)
        return false;
    for (size_t i = 0; i < len; i++) {
        unsigned d = (unsigned)digit_of(text[i]);
        if (d >= base || value > (UINT64_MAX - d) / base)
            return false;
        value = value * base + d;
    }
    *out = value;
    return true;
}

/* 32 bits, or 32 bits extended by their sign as 64-bit shells print them. */
static bool narrow(uint64_t wide, uint32_t *out)
{
    *out = (uint32_t)wide;
    return wide <= UINT32_MAX || (wide >> 32 == UINT32_MAX && (*out & 0x80000000) != 0);
}

size_t finding_numbers(const char *text, size_t len, struct finding_number out[FINDING_NUMBERS_MAX])
{
    size_t count = 0;
    uint64_t wide;
    bool is_negative = len > 0 && text[0] == '-';

    if (len > 1 && upper(text[len - 1]) == 'L') /* 13868L in a header */
        len--;
    if (is_negative) {
        if (read_digits(text + 1, len - 1, 10, &wide) && wide > 0 && wide <= 0x80000000) {
            out[0] = (struct finding_number){(uint32_t)(0 - wide), "decimal"};
            count = 1;
        }
        return count;
    }
    if (len > 2 && text[0] == '0' && upper(text[1]) == 'X') {
        if (read_digits(text + 2, len - 2, 16, &wide) && narrow(wide, &out[0].value)) {
            out[0].form = "hex";
            count = 1;
        }
        return count;
    }
    if (read_digits(text, len, 10, &wide) && narrow(wide, &out[count].value))
        out[count++].form = "decimal";
    if (read_digits(text, len, 16, &wide) && narrow(wide, &out[count].value))
        out[count++].form = "hex";
    return count;
}

uint32_t finding_win32_of(uint32_t value, const char **form)
{
    if (value >> 16 == 0x8007) {
        *form = "HRESULT";
        return value & 0xffff;
    }
    if (value >> 16 == 0xc007) { /* NTSTATUS_FROM_WIN32 */
        *form = "NTSTATUS";
        return value & 0xffff;
    }
    bool is_wrapped = value >> 28 == 0xd; /* HRESULT_FROM_NT sets one bit */
    uint32_t ntstatus = is_wrapped ? value & ~UINT32_C(0x10000000) : value;
    for (size_t i = 0; i < NTSTATUS_COUNT; i++) {
        if (ntstatus_rows[i].ntstatus == ntstatus) {
            *form = is_wrapped ? "HRESULT" : "NTSTATUS";
            return ntstatus_rows[i].code;
        }
    }
    return value;
}

static bool match_number(struct finding_number n, struct ikebana_match *out)
{
    const char *form = n.form;
    uint32_t code = finding_win32_of(n.value, &form);
    const struct ikebana_status *status = ikebana_status_by_code(code);

    *out = (struct ikebana_match){status, form, "", NULL};
    for (size_t i = 0; i < ALIAS_COUNT; i++) {
        const struct finding_alias *a = &alias_rows[i];
        if (a->code != code || a->of_number[0] == '\0')
            continue;
        if (status == NULL) { /* a number that no header has */
            out->status = ikebana_status_by_code(a->named);
            out->form = "alias";
        }
        out->comment = a->of_number;
        out->also = a->other == 0 ? NULL : ikebana_status_by_code(a->other);
        break;
    }
    return out->status != NULL;
}

static bool find_number(const char *text, size_t len, struct ikebana_match *out)
{
    struct finding_number numbers[FINDING_NUMBERS_MAX];
    size_t count = finding_numbers(text, len, numbers);
    for (size_t i = 0; i < count; i++)
        if (match_number(numbers[i], out))
            return true;
    return false;
}

/* Names */

size_t finding_normal(const char *text, size_t len, char *out, size_t size)
{
    size_t used = 0;
    bool is_gap = false;
    for (size_t i = 0; i < len; i++) {
        if (!is_word(text[i])) {
            is_gap = used > 0;
            continue;
        }
        if (used + is_gap + 1 >= size) {
            out[used] = '\0';
            return size;
        }
        if (is_gap)
            out[used++] = '_';
        is_gap = false;
        out[used++] = upper(text[i]);
    }
    out[used] = '\0';
    return used;
}

/* name behind prefix; name itself when it does not begin so, or ends there. */
static const char *without(const char *name, const char *prefix)
{
    const char *at = name;
    while (*prefix != '\0' && *at == *prefix) {
        at++;
        prefix++;
    }
    return *prefix == '\0' && *at != '\0' ? at : name;
}

/* ERROR_IPSEC_IKE_POLICY_MATCH → POLICY_MATCH; no two symbols have the same rest. */
static const char *bare(const char *name)
{
    return without(without(without(without(name, "ERROR_"), "WARNING_"), "IPSEC_"), "IKE_");
}

static bool is_end_of(const char *end, const char *whole)
{
    size_t len = strlen(end), all = strlen(whole);
    return len <= all && strcmp(whole + all - len, end) == 0;
}

/* What aliases.tsv says about a name, or NULL. */
static const struct finding_alias *alias_of(const char *name)
{
    for (size_t i = 0; i < ALIAS_COUNT; i++)
        if (alias_rows[i].kind == ALIAS_NAME &&
            (strcmp(name, alias_rows[i].symbol) == 0 ||
             strcmp(bare(name), bare(alias_rows[i].symbol)) == 0))
            return &alias_rows[i];
    return NULL;
}

/* name: normal form. */
static bool find_name(const char *name, struct ikebana_match *out)
{
    const struct finding_alias *alias = alias_of(name);

    for (size_t i = 0; i < STATUS_COUNT; i++) {
        const char *symbol = status_rows[i].symbol;
        if (strcmp(bare(name), bare(symbol)) != 0)
            continue;
        /* ERROR_IPSEC_MM_POLICY_PRUNED: right but for its prefix */
        const char *form = is_end_of(name, symbol) ? "symbol" : "alias";
        *out = (struct ikebana_match){&status_rows[i], form, alias == NULL ? "" : alias->comment,
                                      NULL};
        return true;
    }
    if (alias == NULL)
        return false;
    *out =
        (struct ikebana_match){ikebana_status_by_code(alias->named), "alias", alias->comment, NULL};
    return out->status != NULL;
}

/* Texts */

static bool match_text(const char *paste, struct ikebana_match *out)
{
    char text[NAME_MAX_LEN];
    for (size_t i = 0; i < ALIAS_COUNT; i++) {
        const struct finding_alias *a = &alias_rows[i];
        if (a->kind != ALIAS_TEXT)
            continue;
        finding_normal(a->symbol, strlen(a->symbol), text, sizeof text);
        if (strstr(paste, text) != NULL) {
            *out = (struct ikebana_match){ikebana_status_by_code(a->named), "text", "", NULL};
            return true;
        }
    }
    return false;
}

static bool match_meaning(const char *text, size_t len, struct ikebana_match *out)
{
    char given[NAME_MAX_LEN * 4], meaning[NAME_MAX_LEN * 4];
    if (finding_normal(text, len, given, sizeof given) == sizeof given)
        return false;
    for (size_t i = 0; i < STATUS_COUNT; i++) {
        const char *m = status_rows[i].meaning;
        finding_normal(m, strlen(m), meaning, sizeof meaning);
        if (strcmp(given, meaning) == 0) {
            *out = (struct ikebana_match){&status_rows[i], "text", "", NULL};
            return true;
        }
    }
    return false;
}

static bool is_long_number(const char *word, size_t len)
{
    return len >= 5 && (is_digit(word[0]) || word[0] == '-');
}

/* A word of a sentence: only what cannot be meant otherwise. */
static bool find_word(const char *word, size_t len, struct ikebana_match *out)
{
    char name[NAME_MAX_LEN];
    if (is_long_number(word, len) && find_number(word, len, out))
        return true;
    size_t used = finding_normal(word, len, name, sizeof name);
    if (used == sizeof name)
        return false;
    return (without(name, "ERROR_IPSEC_") != name || without(name, "WARNING_IPSEC_") != name) &&
           find_name(name, out);
}

static bool is_word_or_joint(char c)
{
    return is_word(c) || c == '_' || c == '-';
}

static bool find_in_sentence(const char *text, size_t len, struct ikebana_match *out)
{
    char paste[PASTE_MAX_LEN + 1];
    len = len > PASTE_MAX_LEN ? PASTE_MAX_LEN : len;
    for (size_t at = 0; at < len;) {
        size_t end = at;
        while (end < len && is_word_or_joint(text[end]))
            end++;
        if (end > at && find_word(text + at, end - at, out)) {
            out->form = "text";
            return true;
        }
        at = end + 1;
    }
    finding_normal(text, len, paste, sizeof paste);
    return match_text(paste, out);
}

bool ikebana_status_find(const char *text, struct ikebana_match *out)
{
    static const struct ikebana_match nothing = {NULL, "", "", NULL};
    char name[NAME_MAX_LEN];

    *out = nothing;
    if (text == NULL)
        return false;
    size_t len = strlen(text);
    while (len > 0 && !is_word_or_joint(*text)) {
        text++;
        len--;
    }
    while (len > 0 && !is_word(text[len - 1]))
        len--;
    if (len == 0)
        return false;
    if (find_number(text, len, out))
        return true;
    size_t used = finding_normal(text, len, name, sizeof name);
    if (used > 0 && used < sizeof name && find_name(name, out))
        return true;
    if (match_meaning(text, len, out) || find_in_sentence(text, len, out))
        return true;
    *out = nothing;
    return false;
}
