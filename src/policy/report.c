#include "policy/report.h"

#include "finding/finding.h"
#include "policy/value.h"

enum { VALUE_SHOWN_MAX = 200, NAME_SHOWN_MAX = 100 };

static const char *shown_name(struct arena *a, const char *name)
{
    return arena_escape(a, span_text(name), NAME_SHOWN_MAX);
}

const char *policy_join_path(struct arena *a, const char *path, const char *name)
{
    if (path[0] == '\0')
        return shown_name(a, name);
    return arena_text(a, "%s.%s", path, shown_name(a, name));
}

/* What a list holds, up to VALUE_SHOWN_MAX octets of it. */
static const char *shown_list(struct arena *a, const struct setting *s)
{
    uint8_t shown[VALUE_SHOWN_MAX + 4];
    struct writer w = writer_of(shown, sizeof shown);
    for (size_t i = 0; i < s->item_count && !w.full; i++) {
        put_span(&w, span_text(i == 0 ? "" : ", "));
        struct reader item = reader_of(s->items[i]);
        while (item.left.len > 0 && !w.full)
            put_u8(&w, take_u8(&item));
    }
    return arena_escape(a, writer_span(&w), VALUE_SHOWN_MAX);
}

static const char *shown_value(struct arena *a, const struct setting *s)
{
    return s->is_list ? shown_list(a, s) : arena_escape(a, s->value, VALUE_SHOWN_MAX);
}

static void note_failure(struct place *p, enum cause cause)
{
    if (ikebana_cause_row(cause)->severity == SEVERITY_FAILURE)
        p->failed = true;
}

static bool is_full(const struct place *p)
{
    return p->found->count >= FINDINGS_MAX;
}

/* Nobody reads the thousand and first: it costs no memory. */
static struct finding *add_finding(struct place *p, enum cause cause, bool *is_kept)
{
    *is_kept = !is_full(p);
    struct finding *f = findings_add(p->found, cause);
    note_failure(p, cause);
    if (!*is_kept) {
        f->param = p->path;
        f->seen = "more of it than can be listed";
    }
    return f;
}

struct finding *policy_report_setting(struct place *p, enum cause cause, const struct setting *s,
                                      const char *expected, const char *more)
{
    struct arena *a = p->found->arena;
    bool is_kept;
    struct finding *f = add_finding(p, cause, &is_kept);
    if (!is_kept)
        return f;
    const struct policy_key *k = policy_key_find(p->scope, s->name, false);
    f->param = policy_join_path(a, p->path, s->name);
    f->expected = expected[0] == '\0' && k != NULL ? policy_expected_text(k, a) : expected;
    bool is_hidden = p->is_secret || (k != NULL && k->type == KEY_SECRET);
    f->seen =
        arena_text(a, "%s: %s = %s%s", settings_place(a, s->file, s->line), shown_name(a, s->name),
                   is_hidden ? "(not shown)" : shown_value(a, s), more);
    return f;
}

struct finding *policy_report_section(struct place *p, enum cause cause, const struct section *s,
                                      const char *expected, const char *more)
{
    struct arena *a = p->found->arena;
    bool is_kept;
    struct finding *f = add_finding(p, cause, &is_kept);
    if (!is_kept)
        return f;
    f->param = policy_join_path(a, p->path, s->name);
    f->expected = expected;
    f->seen = arena_text(a, "%s: section %s%s", settings_place(a, s->file, s->line),
                         shown_name(a, s->name), more);
    return f;
}

struct finding *policy_report_missing(struct place *p, enum cause cause, const struct section *in,
                                      const char *name, const char *expected, const char *more)
{
    struct arena *a = p->found->arena;
    bool is_kept;
    struct finding *f = add_finding(p, cause, &is_kept);
    if (!is_kept)
        return f;
    f->param = policy_join_path(a, p->path, name);
    f->expected = expected;
    f->seen = arena_text(a, "%s: %s", settings_place(a, in->file, in->line), more);
    return f;
}

void policy_locate_findings(struct place *p, size_t first, const struct setting *s)
{
    struct arena *a = p->found->arena;
    const char *place = settings_place(a, s->file, s->line);
    for (size_t i = first; i < p->found->count; i++) {
        struct finding *f = &p->found->at[i];
        f->seen = f->seen[0] == '\0' ? place : arena_text(a, "%s: %s", place, f->seen);
        note_failure(p, f->cause);
    }
}

/* "a|b|c" as "a, b or c" */
static const char *words_text(const char *words, struct arena *a)
{
    const char *text = "";
    for (const char *at = words; *at != '\0';) {
        size_t len = strcspn(at, "|");
        bool is_last = at[len] == '\0', is_first = at == words;
        text = arena_text(a, "%s%s%.*s", text,
                          is_first  ? ""
                          : is_last ? " or "
                                    : ", ",
                          (int)len, at);
        at += is_last ? len : len + 1;
    }
    return text;
}

const char *policy_expected_text(const struct policy_key *k, struct arena *a)
{
    switch (k->type) {
    case KEY_BOOL:
        return "yes or no";
    case KEY_ENUM:
        return words_text(k->words, a);
    case KEY_TIME:
        return "a time such as 30s, 5m, 4h or 1d";
    case KEY_BYTES:
        return "a number of octets such as 1000, 500m or 2g";
    case KEY_UINT32:
        return "a number from 0 to 4294967295";
    case KEY_UINT64:
        return "a number from 0 on";
    case KEY_BIN6:
        return "six binary digits such as 101110";
    case KEY_IFID:
        return "a number, %unique or %unique-dir";
    case KEY_MARK:
        return "a mark such as 42 or 0x2a/0xff";
    case KEY_TFC:
        return "a number or mtu";
    case KEY_SECRET:
        return "text, 0x and hex digits, or 0s and Base64";
    case KEY_LIST:
        return "a list of values with commas between";
    case KEY_SECTION:
    case KEY_TEXT:
        break;
    }
    return "";
}

static bool number_is_in(uint64_t number, const char *words)
{
    for (const char *at = words; *at != '\0';) {
        size_t len = strcspn(at, "|");
        uint64_t each = 0;
        if (value_number(span_of(at, len), UINT64_MAX, &each) != VALUE_BAD && each == number)
            return true;
        at += at[len] == '|' ? len + 1 : len;
    }
    return false;
}

/* Is the value valid, and is it one of k->as? */
static enum value_fit check_when(const struct policy_key *k, struct span text, bool *is_same)
{
    enum value_fit fit = VALUE_GOOD;
    uint64_t number = 0, mask = 0;
    bool yes = false, is_special = false, is_set_mark = strncmp(k->name, "set_", 4) == 0;
    switch (k->type) {
    case KEY_BOOL:
        fit = value_bool(text, &yes);
        *is_same = value_is_word(span_text(yes ? "yes" : "no"), k->as);
        return fit;
    case KEY_ENUM:
        *is_same = value_is_word(text, k->as);
        return value_is_word(text, k->words) ? VALUE_GOOD : VALUE_BAD;
    case KEY_TIME:
        fit = value_time(text, &number);
        break;
    case KEY_BYTES:
        fit = value_bytes(text, &number);
        break;
    case KEY_UINT32:
    case KEY_UINT64:
        fit = value_number(text, UINT64_MAX, &number);
        break;
    case KEY_BIN6:
        fit = value_bin6(text, &number);
        break;
    case KEY_IFID:
        if (value_is_word(text, "%unique|%unique-dir")) {
            *is_same = false;
            return VALUE_GOOD;
        }
        fit = value_number(text, UINT32_MAX, &number);
        break;
    case KEY_MARK:
        fit = value_mark(text, is_set_mark, &number, &mask, &is_special);
        *is_same = !is_special && number == 0 && mask == 0;
        return fit;
    case KEY_TFC:
        if (span_is(text, "mtu")) {
            *is_same = false;
            return VALUE_GOOD;
        }
        fit = value_number(text, UINT32_MAX, &number);
        break;
    case KEY_SECTION:
    case KEY_SECRET:
    case KEY_LIST:
    case KEY_TEXT:
        *is_same = false;
        return VALUE_GOOD;
    }
    *is_same = strcmp(k->as, "*") == 0 || number_is_in(number, k->as);
    return fit;
}

/* No text and no items at all: asks for nothing. */
static bool is_blank(const struct setting *s)
{
    for (size_t i = 0; i < s->item_count; i++) {
        if (value_trim(s->items[i]).len > 0)
            return false;
    }
    return value_trim(s->value).len == 0;
}

static void check_unserved(struct place *p, const struct policy_key *k, const struct setting *s)
{
    struct arena *a = p->found->arena;
    if (k->type == KEY_LIST || k->type == KEY_TEXT || k->type == KEY_SECRET ||
        k->served == KEY_NEVER) {
        if (!is_blank(s))
            policy_report_setting(p, CAUSE_CONF_NOT_SERVED, s, "not set", "");
        return;
    }
    if (s->is_list) {
        policy_report_setting(p, CAUSE_CONF_BAD_VALUE, s, "", " (a list)");
        return;
    }
    bool is_same = false;
    enum value_fit fit = check_when(k, s->value, &is_same);
    if (fit == VALUE_BAD)
        policy_report_setting(p, CAUSE_CONF_BAD_VALUE, s, "", "");
    else if (!is_same)
        policy_report_setting(p, CAUSE_CONF_NOT_SERVED, s,
                              arena_text(a, "%s, or not set", words_text(k->as, a)), "");
    else if (strcmp(k->as, "*") == 0)
        policy_report_setting(p, CAUSE_CONF_ODD_VALUE, s, "not set", " (has no meaning in IKEv2)");
    else if (fit == VALUE_ODD)
        policy_report_setting(p, CAUSE_CONF_ODD_VALUE, s, "", "");
}

bool policy_wants_setting(struct place *p, const struct setting *s)
{
    struct arena *a = p->found->arena;
    const struct policy_key *k = policy_key_find(p->scope, s->name, false);
    if (k == NULL) {
        const char *nearest = is_full(p) ? "" : policy_key_nearest(p->scope, s->name, false, a);
        policy_report_setting(p, CAUSE_CONF_UNKNOWN_KEY, s, arena_text(a, "a key of %s", p->scope),
                              "")
            ->nearest = nearest;
        return false;
    }
    if (s->earlier_file != NULL && strcmp(s->earlier_file, s->file) == 0 && s->line > 0)
        policy_report_setting(p, CAUSE_CONF_DUPLICATE, s, "one definition",
                              arena_text(a, " (and in line %u)", s->earlier_line));
    if (k->served == KEY_READ)
        return true;
    check_unserved(p, k, s);
    return false;
}

bool policy_wants_section(struct place *p, const struct section *s)
{
    struct arena *a = p->found->arena;
    const struct policy_key *k = policy_key_find(p->scope, s->name, true);
    if (k == NULL) {
        const char *nearest = is_full(p) ? "" : policy_key_nearest(p->scope, s->name, true, a);
        policy_report_section(p, CAUSE_CONF_UNKNOWN_KEY, s,
                              arena_text(a, "a section of %s", p->scope[0] ? p->scope : "the file"),
                              "")
            ->nearest = nearest;
        return false;
    }
    if (k->served == KEY_READ)
        return true;
    policy_report_section(p, CAUSE_CONF_NOT_SERVED, s, "not set", "");
    return false;
}
