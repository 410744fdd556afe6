#include "finding/explain.h"

#include <strings.h>

#include "finding/status.h"

enum {
    ASKED_SHOWN = 80,
    NAME_SIZE = 64, /* names longer than this are not compared */
    NEAR_MAX = 6,
};

/* The text without blanks and quotes around it. */
static struct span trimmed(const char *what)
{
    static const char around[] = " \t\r\n\"'`";
    struct span s = span_text(what);
    while (s.len > 0 && strchr(around, s.at[s.len - 1]) != NULL)
        s.len--;
    struct reader r = reader_of(s);
    while (r.left.len > 0 && strchr(around, r.left.at[0]) != NULL)
        take(&r, 1);
    return r.left;
}

static void read_number(struct explanation *e, struct span text)
{
    struct finding_number numbers[FINDING_NUMBERS_MAX];
    size_t count = finding_numbers((const char *)text.at, text.len, numbers);
    for (size_t i = 0; i < count; i++) {
        /* Bare hex is a guess, and small numbers are many things: only a status may be guessed. */
        if (i > 0)
            return;
        const char *form = numbers[i].form;
        uint32_t code = finding_win32_of(numbers[i].value, &form);
        e->ras = finding_ras_by_code(code);
        e->notify = finding_notify_by_number(numbers[i].value);
    }
}

static void read_name(struct explanation *e, const char *name)
{
    e->notify = finding_notify_by_name(name);
    e->ras = finding_ras_by_name(name);
    for (size_t i = 0; i < CAUSE_COUNT; i++) {
        const struct cause_row *row = ikebana_cause_row((enum cause)i);
        if (strcasecmp(row->id, name) == 0 || strcasecmp(row->sentence, name) == 0)
            e->cause = row;
    }
}

static void gather_causes(struct explanation *e, struct arena *a)
{
    e->causes = arena_array(a, CAUSE_COUNT, sizeof *e->causes);
    if (e->causes == NULL || e->cause != NULL)
        return;
    for (size_t i = 0; i < CAUSE_COUNT; i++) {
        const struct cause_row *row = ikebana_cause_row((enum cause)i);
        bool reports = e->status.status != NULL && row->reason == e->status.status->code;
        bool sends = e->notify != NULL && row->notify == e->notify->number;
        if (row->cause != CAUSE_NONE && (reports || sends))
            e->causes[e->cause_count++] = row;
    }
}

static void gather_cases(struct explanation *e, struct arena *a)
{
    size_t count = 0;
    while (finding_case_at(count) != NULL)
        count++;
    e->cases = arena_array(a, count, sizeof *e->cases);
    for (size_t i = 0; e->cases != NULL && i < count; i++) {
        const struct finding_case *c = finding_case_at(i);
        bool reports = e->status.status != NULL && c->status == e->status.status->code;
        bool is_it = e->notify != NULL && c->notify == e->notify->number;
        if (reports || is_it)
            e->cases[e->case_count++] = c;
    }
}

static void gather_ras(struct explanation *e, struct arena *a)
{
    size_t count = 0;
    while (finding_ras_at(count) != NULL)
        count++;
    e->ras_alike = arena_array(a, count, sizeof *e->ras_alike);
    for (size_t i = 0; e->ras_alike != NULL && i < count; i++) {
        const struct finding_ras *r = finding_ras_at(i);
        if (e->status.status != NULL && r->status == e->status.status->code && r != e->ras)
            e->ras_alike[e->ras_alike_count++] = r;
    }
}

/* Near names */

struct near {
    const char *name;
    size_t distance;
};

/* Insertions, deletions, exchanges that make from the whole of to, or any part of it; no more than
 * NAME_SIZE characters each. */
static size_t edits(const char *from, size_t from_len, const char *to, size_t to_len, bool is_part)
{
    size_t row[NAME_SIZE + 1];
    for (size_t j = 0; j <= to_len; j++)
        row[j] = is_part ? 0 : j;
    for (size_t i = 1; i <= from_len; i++) {
        size_t diagonal = row[0];
        row[0] = i;
        for (size_t j = 1; j <= to_len; j++) {
            size_t above = row[j];
            size_t best = diagonal + (from[i - 1] != to[j - 1]);
            best = above + 1 < best ? above + 1 : best;
            best = row[j - 1] + 1 < best ? row[j - 1] + 1 : best;
            diagonal = above;
            row[j] = best;
        }
    }
    size_t best = row[to_len];
    for (size_t j = 0; is_part && j < to_len; j++)
        best = row[j] < best ? row[j] : best;
    return best;
}

/* Keeps the best NEAR_MAX, the earlier of equals first. */
static void near_offer(struct near best[NEAR_MAX], struct near n)
{
    for (size_t i = 0; i < NEAR_MAX; i++) {
        if (best[i].name != NULL && best[i].distance <= n.distance)
            continue;
        struct near pushed = best[i];
        best[i] = n;
        n = pushed;
    }
}

static const char *short_symbol(const char *symbol)
{
    static const char *const prefixes[] = {"ERROR_IPSEC_IKE_", "ERROR_IPSEC_", "WARNING_IPSEC_",
                                           "ERROR_"};
    for (size_t i = 0; i < sizeof prefixes / sizeof prefixes[0]; i++) {
        size_t len = strlen(prefixes[i]);
        if (strncmp(symbol, prefixes[i], len) == 0)
            return symbol + len;
    }
    return symbol;
}

static void near_try(struct near best[NEAR_MAX], const char *asked, size_t asked_len,
                     const char *name)
{
    char normal[NAME_SIZE];
    const char *end = short_symbol(name);
    size_t len = finding_normal(end, strlen(end), normal, sizeof normal);
    if (len == sizeof normal)
        return;
    size_t whole = edits(asked, asked_len, normal, len, false);
    size_t part = edits(asked, asked_len, normal, len, true);
    size_t longer = len > asked_len ? (len - asked_len) / 16 : 0;
    if (whole <= 1 + asked_len / 4)
        near_offer(best, (struct near){name, whole});
    else if (asked_len >= 3 && part <= asked_len / 5) /* part of a name is as near as a slip */
        near_offer(best, (struct near){name, 1 + part + longer});
}

static void gather_near(struct explanation *e, struct arena *a, struct span text)
{
    struct near best[NEAR_MAX] = {{NULL, 0}};
    char whole[NAME_SIZE];
    size_t len = finding_normal((const char *)text.at, text.len, whole, sizeof whole);
    if (len == 0 || len == sizeof whole)
        return;
    const char *asked = short_symbol(whole);
    len = strlen(asked);

    for (size_t i = 0; ikebana_status_at(i) != NULL; i++)
        near_try(best, asked, len, ikebana_status_at(i)->symbol);
    for (size_t i = 0; i < CAUSE_COUNT; i++)
        near_try(best, asked, len, ikebana_cause_row((enum cause)i)->id);
    for (size_t i = 0; finding_notify_at(i) != NULL; i++)
        near_try(best, asked, len, finding_notify_at(i)->name);
    for (size_t i = 0; finding_ras_at(i) != NULL; i++)
        near_try(best, asked, len, finding_ras_at(i)->symbol);

    e->near = arena_array(a, NEAR_MAX, sizeof *e->near);
    for (size_t i = 0; e->near != NULL && i < NEAR_MAX && best[i].name != NULL; i++)
        e->near[e->near_count++] = best[i].name;
}

bool finding_explain(const char *what, struct arena *a, struct explanation *out)
{
    struct span text = trimmed(what);

    *out = (struct explanation){.asked = arena_escape(a, text, ASKED_SHOWN)};
    char *name = arena_alloc(a, text.len + 1);
    if (name == NULL)
        return false;
    if (text.len > 0)
        memcpy(name, text.at, text.len);

    read_number(out, text);
    if (out->ras == NULL && out->notify == NULL)
        read_name(out, name);
    bool is_other = out->ras != NULL || out->notify != NULL || out->cause != NULL;
    struct ikebana_match match;
    /* A status found only inside a sentence does not outdo an exact reading of the whole. */
    if (ikebana_status_find(name, &match) && !(is_other && strcmp(match.form, "text") == 0))
        out->status = match;
    if (out->status.status == NULL && is_other) {
        uint32_t code = out->cause != NULL ? out->cause->reason
                        : out->ras != NULL ? out->ras->status
                                           : 0;
        out->status = (struct ikebana_match){ikebana_status_by_code(code), "", "", NULL};
        out->is_status_derived = out->status.status != NULL;
    }
    out->wire = out->notify == NULL ? NULL : finding_wire_status_of(out->notify->number);
    out->is_known = is_other || out->status.status != NULL;
    if (out->is_known) {
        gather_causes(out, a);
        gather_cases(out, a);
        gather_ras(out, a);
    } else {
        gather_near(out, a, text);
    }
    return out->is_known;
}
