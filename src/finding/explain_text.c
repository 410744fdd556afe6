/* The text of an explanation: blocks with a heading line, and labelled lines wrapped at 100
 * columns. */
#include "finding/explain.h"
#include "finding/status.h"

enum { WIDTH = 100, LABEL = 12 };

struct page {
    struct arena *arena;
    char *text;
    size_t len, size;
};

static void put(struct page *p, const char *text, size_t len)
{
    if (p->size - p->len <= len) {
        size_t size = (p->size + len) * 2 + 1024;
        char *bigger = arena_alloc(p->arena, size);
        if (bigger == NULL)
            return;
        if (p->len > 0)
            memcpy(bigger, p->text, p->len);
        p->text = bigger;
        p->size = size;
    }
    memcpy(p->text + p->len, text, len);
    p->len += len;
    p->text[p->len] = '\0';
}

static void put_text(struct page *p, const char *text)
{
    put(p, text, strlen(text));
}

static void put_blanks(struct page *p, size_t count)
{
    while (count-- > 0)
        put(p, " ", 1);
}

/* Characters, not octets of UTF-8. */
static size_t columns(const char *text, size_t len)
{
    size_t count = 0;
    for (size_t i = 0; i < len; i++)
        count += ((unsigned char)text[i] & 0xc0) != 0x80;
    return count;
}

/* "  label     text", further lines below the text; three blanks (between likely causes) break it.
 */
static void line(struct page *p, const char *label, const char *text)
{
    if (text == NULL || *text == '\0')
        return;
    put_text(p, "  ");
    put_text(p, label);
    size_t column = 2 + columns(label, strlen(label));
    do { /* at least one blank */
        put_blanks(p, 1);
        column++;
    } while (column < LABEL);
    bool is_first = true;
    bool is_broken = false;
    while (*text != '\0') {
        size_t len = strcspn(text, " ");
        size_t wide = columns(text, len);
        if (!is_first && (is_broken || column + 1 + wide > WIDTH)) {
            put_text(p, "\n");
            put_blanks(p, LABEL);
            column = LABEL;
            is_first = true;
        }
        if (!is_first) {
            put_text(p, " ");
            column++;
        }
        put(p, text, len);
        column += wide;
        is_first = false;
        text += len;
        size_t blanks = strspn(text, " ");
        is_broken = blanks >= 3;
        text += blanks;
    }
    put_text(p, "\n");
}

static const char *basis_text(enum ikebana_basis basis)
{
    switch (basis) {
    case IKEBANA_DOCUMENTED:
        return "documented: a specification or header says it";
    case IKEBANA_OBSERVED:
        return "observed: public reports show Windows doing it";
    case IKEBANA_ASSIGNED:
        break;
    }
    return "assigned: chosen here by name and meaning; Windows does not publish its own choice";
}

static const char *status_line(struct arena *a, const struct ikebana_status *s)
{
    return arena_text(a, "%u 0x%X %s", s->code, s->code, s->symbol);
}

/* What we use it for: the three that say where a negotiation ended, or a reason. */
static const char *use_of(uint32_t code, size_t cause_count)
{
    switch (code) {
    case IKEBANA_STATUS_BEGIN:
        return "the status of a record whose initial phase failed (IKE_SA_INIT or IKE_AUTH); the "
               "record's reason says why, and is another number";
    case IKEBANA_STATUS_PROCESSING:
        return "the status of a record in which a message could not be processed (syntax, version, "
               "integrity); the record's reason says why, and is mostly another number";
    case IKEBANA_STATUS_END:
        return "the status of a record in which a later phase failed (CHILD SA, rekeying, "
               "liveness); the record's reason says why, and is another number";
    default:
        return cause_count > 0 ? "the reason of a record, for the causes below" : "";
    }
}

static void put_status(struct page *p, const struct explanation *e)
{
    const struct ikebana_match *m = &e->status;
    const struct ikebana_status *s = m->status;
    struct arena *a = p->arena;
    uint32_t hresult = ikebana_status_hresult(s->code);

    put_text(p, e->is_status_derived
                    ? (e->cause != NULL ? "reported with the reason " : "likely the IKE status ")
                    : "");
    put_text(p, status_line(a, s));
    put_text(p, "\n");
    line(p, "meaning", s->meaning);
    line(p, "said when", strcmp(s->condition, "") == 0 ? "" : s->condition);
    line(p, "applies to", s->applies_to);
    line(p, "basis", basis_text(s->basis));
    line(p, "HRESULT", arena_text(a, "0x%08X, %lld", hresult, (long long)hresult - 0x100000000LL));
    line(p, "note", m->comment);
    if (m->also != NULL)
        line(p, "also", arena_text(a, "%s: %s", status_line(a, m->also), m->also->meaning));
    if (e->cause == NULL)
        line(p, "used as", use_of(s->code, e->cause_count));
}

static const char *notify_text(struct arena *a, uint16_t number)
{
    const struct finding_notify *n = finding_notify_by_number(number);
    return n == NULL ? arena_text(a, "%u", number) : arena_text(a, "%s (%u)", n->name, number);
}

static void put_notify(struct page *p, const struct explanation *e)
{
    const struct finding_notify *n = e->notify;
    put_text(p, arena_text(p->arena, "%u 0x%X %s   IKEv2 notify, %s\n", n->number, n->number,
                           n->name, n->is_error ? "an error" : "a status"));
    line(p, "defined in", n->rfc);
    line(p, "note", n->note);
    if (e->wire != NULL)
        line(
            p, "carries",
            arena_text(p->arena, "%s; the peer's own status (%s)", e->wire->data, e->wire->source));
}

static void put_ras(struct page *p, const struct finding_ras *r)
{
    put_text(p, arena_text(p->arena, "%u 0x%X %s   error of the Windows dial-up layer (RAS)\n",
                           r->code, r->code, r->symbol));
    line(p, "meaning", r->meaning);
    line(p, "note", r->comment);
    line(p, "basis", basis_text(r->basis));
}

/* The template as it reads when nothing is known yet. */
static const char *plain_fix(struct arena *a, const struct cause_row *row)
{
    static const char *const places[] = {
        "param",   "<the setting>",     "expected", "<what is expected>", "seen", "<what is seen>",
        "nearest", "<what is nearest>", NULL};
    struct finding f;
    finding_set(&f, row->cause);
    size_t len = ikebana_finding_fix(&f, places, NULL, 0);
    char *text = arena_alloc(a, len + 1);
    if (text == NULL)
        return "";
    ikebana_finding_fix(&f, places, text, len + 1);
    return text;
}

static void put_cause_body(struct page *p, const struct cause_row *row)
{
    line(p, "likely", row->likely);
    line(p, "fix", plain_fix(p->arena, row));
}

static void put_cause(struct page *p, const struct cause_row *row)
{
    put_text(p, arena_text(p->arena, "%s   cause of a %s\n", row->id,
                           ikebana_severity_name(row->severity)));
    line(p, "meaning", row->sentence);
    line(p, "at fault", ikebana_side_name(row->at_fault));
    put_cause_body(p, row);
    if (row->notify != 0)
        line(p, "answered", notify_text(p->arena, row->notify));
    line(p, "read more", row->anchor);
}

static void put_causes(struct page *p, const struct explanation *e)
{
    if (e->cause_count == 0)
        return;
    put_text(p, "\ncauses of ikebana's that report it\n");
    for (size_t i = 0; i < e->cause_count; i++) {
        const struct cause_row *row = e->causes[i];
        put_text(p, arena_text(p->arena, "  %s: %s\n", row->id, row->sentence));
        put_cause_body(p, row);
    }
}

static void put_cases(struct page *p, const struct explanation *e)
{
    if (e->case_count == 0)
        return;
    put_text(p, "\nin IKEv2\n");
    for (size_t i = 0; i < e->case_count; i++) {
        const struct finding_case *c = e->cases[i];
        const struct ikebana_status *s = ikebana_status_by_code(c->status);
        const char *what = c->notify == 0 ? c->event : notify_text(p->arena, c->notify);
        put_text(p, arena_text(p->arena, "  %s in %s%s\n", what, c->exchange,
                               strcmp(c->exchange, "any") == 0 ? " exchange" : ""));
        if (s != NULL && s != e->status.status)
            line(p, "",
                 arena_text(p->arena, "%s (%s)", status_line(p->arena, s),
                            finding_basis_name(c->basis)));
        line(p, "", c->comment);
    }
}

static void put_ras_alike(struct page *p, const struct explanation *e)
{
    if (e->ras_alike_count == 0)
        return;
    put_text(p, "\nthe Windows client may show instead\n");
    for (size_t i = 0; i < e->ras_alike_count; i++) {
        const struct finding_ras *r = e->ras_alike[i];
        put_text(p, arena_text(p->arena, "  %u %s: %s\n", r->code, r->symbol, r->meaning));
    }
}

/* A number of the block that no header has. */
static void put_unassigned(struct page *p, const char *asked)
{
    struct finding_number numbers[FINDING_NUMBERS_MAX];
    size_t count = finding_numbers(asked, strlen(asked), numbers);
    for (size_t i = 0; i < count; i++) {
        const char *form = "";
        uint32_t code = finding_win32_of(numbers[i].value, &form);
        if (code >= 13000 && code <= 13999)
            line(p, "note",
                 arena_text(p->arena,
                            "%u lies in the IPsec block of winerror.h (13000 to 13999), "
                            "but is not assigned",
                            code));
    }
}

const char *finding_explain_text(const struct explanation *e, struct arena *a)
{
    struct page page = {a, NULL, 0, 0};
    struct page *p = &page;

    if (!e->is_known) {
        put_text(p,
                 arena_text(a, "\"%s\" is no status, notify, dial-up error or cause known here\n",
                            e->asked));
        put_unassigned(p, e->asked);
        for (size_t i = 0; i < e->near_count; i++)
            line(p, i == 0 ? "near" : "", e->near[i]);
        line(p, "accepted",
             "a status (13868, 0x362C, 0x8007362C, -2147011028, POLICY_MATCH), a "
             "notify of IKEv2 (14, NO_PROPOSAL_CHOSEN), a dial-up error (809), a "
             "cause (ike.no-common-proposal)");
        return p->text == NULL ? "" : p->text;
    }
    if (e->cause != NULL)
        put_cause(p, e->cause);
    if (e->notify != NULL) {
        if (p->len > 0)
            put_text(p, "\n");
        put_notify(p, e);
    }
    if (e->ras != NULL) {
        if (p->len > 0)
            put_text(p, "\n");
        put_ras(p, e->ras);
    }
    if (e->status.status != NULL) {
        if (p->len > 0)
            put_text(p, "\n");
        put_status(p, e);
    }
    put_causes(p, e);
    if (e->cause == NULL) {
        put_cases(p, e);
        put_ras_alike(p, e);
    }
    return p->text == NULL ? "" : p->text;
}
