/* ikebana explain: what a number or a name means. Needs no daemon. */
#include "cli.h"
#include "finding/explain.h"

static json_t *status_json(const struct ikebana_status *s)
{
    static const char *const basis[] = {
        [IKEBANA_DOCUMENTED] = "documented",
        [IKEBANA_OBSERVED] = "observed",
        [IKEBANA_ASSIGNED] = "assigned",
    };
    struct arena a;
    if (s == NULL || !arena_init(&a))
        return json_null();
    json_t *tree =
        json_pack("{s:I, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s}", "code", (json_int_t)s->code,
                  "hex", arena_text(&a, "0x%04X", s->code), "hresult",
                  arena_text(&a, "0x%08X", ikebana_status_hresult(s->code)), "symbol", s->symbol,
                  "phase", s->phase, "meaning", s->meaning, "condition", s->condition, "applies_to",
                  s->applies_to, "basis", basis[s->basis]);
    arena_clear(&a);
    return tree;
}

static json_t *cause_json(const struct cause_row *row)
{
    if (row == NULL)
        return json_null();
    return json_pack("{s:s, s:i, s:i, s:s, s:s, s:s, s:s}", "id", row->id, "reason",
                     (int)row->reason, "notify", (int)row->notify, "severity",
                     ikebana_severity_name(row->severity), "sentence", row->sentence, "likely",
                     row->likely, "fix", row->fix);
}

static int print_json(const struct explanation *e)
{
    json_t *causes = json_array(), *near = json_array();
    for (size_t i = 0; i < e->cause_count; i++)
        json_array_append_new(causes, cause_json(e->causes[i]));
    for (size_t i = 0; i < e->near_count; i++)
        json_array_append_new(near, json_string(e->near[i]));
    struct arena a;
    const char *text = arena_init(&a) ? finding_explain_text(e, &a) : "";
    cli_print_json(json_pack("{s:s, s:b, s:o, s:o, s:s, s:s, s:o, s:o, s:o, s:s}", "asked",
                             e->asked, "known", (int)e->is_known, "status",
                             status_json(e->status.status), "also", status_json(e->status.also),
                             "form", e->status.form == NULL ? "" : e->status.form, "comment",
                             e->status.comment == NULL ? "" : e->status.comment, "cause",
                             cause_json(e->cause), "causes", causes, "near", near, "text", text));
    arena_clear(&a);
    return e->is_known ? CLI_DONE : CLI_WRONG_USE;
}

int cli_explain(struct cli *c)
{
    struct explanation e;
    const char *what = c->args[0];
    for (int i = 1; i < c->arg_count; i++)
        what = arena_text(&c->arena, "%s %s", what, c->args[i]);
    bool is_known = finding_explain(what, &c->arena, &e);
    if (c->wants_json)
        return print_json(&e);
    const char *text = finding_explain_text(&e, &c->arena);
    size_t len = strlen(text);
    FILE *to = is_known ? stdout : stderr;
    fputs(text, to);
    if (len == 0 || text[len - 1] != '\n')
        fputs("\n", to);
    return is_known ? CLI_DONE : CLI_WRONG_USE;
}
