/* How answers are shown: as words, as tables, as JSON. */
#include <inttypes.h>
#include <stdlib.h>

#include "cli.h"
#include "diagnose/render.h"

bool cli_is_success(const struct section *answer)
{
    return vici_get_bool(answer, "success", false);
}

/* Octets that are no UTF-8 cannot be in JSON: they are escaped. */
static json_t *json_text(struct span s)
{
    json_t *text = json_stringn(s.len == 0 ? "" : (const char *)s.at, s.len);
    if (text != NULL)
        return text;
    struct arena a;
    if (!arena_init(&a))
        return NULL;
    text = json_string(arena_escape(&a, s, s.len));
    arena_clear(&a);
    return text;
}

json_t *cli_json_of(const struct section *s)
{
    json_t *tree = json_object();
    for (const struct setting *i = s->settings; i != NULL; i = i->next) {
        json_t *value = i->is_list ? json_array() : json_text(i->value);
        for (size_t n = 0; i->is_list && n < i->item_count; n++)
            json_array_append_new(value, json_text(i->items[n]));
        json_object_set_new(tree, i->name, value);
    }
    for (const struct section *i = s->sections; i != NULL; i = i->next)
        json_object_set_new(tree, i->name, cli_json_of(i));
    return tree;
}

void cli_print_json(json_t *tree)
{
    if (tree != NULL)
        json_dumpf(tree, stdout, JSON_INDENT(2) | JSON_ENCODE_ANY);
    fputs("\n", stdout);
    json_decref(tree);
}

json_t *cli_record_of(const struct section *message, const char *key, struct arena *a)
{
    struct span text = vici_get_long(message, key, a);
    return text.len == 0 ? NULL : json_loadb((const char *)text.at, text.len, 0, NULL);
}

void cli_print_record(const struct cli *c, const json_t *record)
{
    struct arena a;
    if (!arena_init(&a))
        return;
    const char *text = diagnose_json_to_text(record, &a, c->has_colour);
    size_t len = text == NULL ? 0 : strlen(text);
    if (len > 0)
        fputs(text, stdout);
    if (len > 0 && text[len - 1] != '\n')
        fputs("\n", stdout);
    arena_clear(&a);
}

void cli_print_refusal(const struct cli *c, const struct section *answer)
{
    struct arena a;
    (void)c;
    if (!arena_init(&a))
        return;
    static const struct {
        const char *key, *word;
    } lines[] = {
        {"cause", "cause"}, {"param", "at fault"},  {"expected", "expected"},
        {"seen", "seen"},   {"nearest", "nearest"}, {"fix", "fix"},
    };
    fprintf(stderr, "ikebana: %s\n",
            vici_get_text(answer, "errmsg", &a, "the daemon refused and did not say why"));
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) {
        const char *text = vici_get_text(answer, lines[i].key, &a, "");
        if (*text != '\0')
            fprintf(stderr, "  %-9s %s\n", lines[i].word, text);
    }
    const struct setting *more = settings_find(answer, "errors");
    for (size_t i = 0; more != NULL && more->is_list && i < more->item_count; i++)
        fprintf(stderr, "  %-9s %.*s\n", "also", (int)more->items[i].len,
                (const char *)more->items[i].at);
    arena_clear(&a);
}

const char *cli_duration(int64_t s, struct arena *a)
{
    if (s < 0)
        return "-";
    if (s < 60)
        return arena_text(a, "%" PRId64 "s", s);
    if (s < 3600)
        return arena_text(a, "%" PRId64 "m %" PRId64 "s", s / 60, s % 60);
    if (s < 86400)
        return arena_text(a, "%" PRId64 "h %" PRId64 "m", s / 3600, s / 60 % 60);
    return arena_text(a, "%" PRId64 "d %" PRId64 "h", s / 86400, s / 3600 % 24);
}

const char *cli_octets(uint64_t octets, struct arena *a)
{
    static const char *const units[] = {"KiB", "MiB", "GiB", "TiB", "PiB"};
    double value = (double)octets;
    size_t unit = 0;
    if (octets < 1024)
        return arena_text(a, "%" PRIu64 " B", octets);
    for (value /= 1024; value >= 1024 && unit < 4; unit++)
        value /= 1024;
    return arena_text(a, "%.1f %s", value, units[unit]);
}
