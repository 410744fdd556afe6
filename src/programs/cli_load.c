/* ikebana load: a swanctl.conf is read here and sent as swanctl --load-all would: secrets first,
 * then connections in the order of the file; what the daemon has and the file has not is unloaded.
 * A connection that is refused stays as it was. */
#include <stdlib.h>
#include <strings.h>
#include <unistd.h>

#include "cli.h"
#include "edge/config_load.h"
#include "finding/finding.h"

#define DEFAULT_FILE "/etc/swanctl/swanctl.conf"

struct loading {
    struct cli *cli;
    json_t *loaded, *unloaded, *errors, *warnings;
    int code; /* of a lost daemon, else CLI_DONE */
};

/* What travels as a list; all else is a key with a value, known or not: the daemon judges. */
static bool is_list_key(const char *name)
{
    static const char *const lists[] = {
        "local_addrs", "remote_addrs", "proposals", "esp_proposals", "ah_proposals", "local_ts",
        "remote_ts",   "vips",         "pools",     "groups",        "cert_policy"};
    for (size_t i = 0; i < sizeof lists / sizeof lists[0]; i++)
        if (strcasecmp(lists[i], name) == 0)
            return true;
    return false;
}

static bool is_blank(uint8_t c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static struct span trim(struct span s)
{
    while (s.len > 0 && is_blank(s.at[0]))
        s = span_of(s.at + 1, s.len - 1);
    while (s.len > 0 && is_blank(s.at[s.len - 1]))
        s.len--;
    return s;
}

/* Split at commas, blanks around items removed, empty ones left out. */
static void send_list(struct vici_out *o, const char *name, struct span value)
{
    struct reader r = reader_of(value);
    vici_list(o, name);
    while (r.left.len > 0) {
        const uint8_t *comma = memchr(r.left.at, ',', r.left.len);
        size_t len = comma == NULL ? r.left.len : (size_t)(comma - r.left.at);
        struct span item = trim(take(&r, len));
        if (comma != NULL)
            take(&r, 1);
        if (item.len > 0)
            vici_item_span(o, item);
    }
    vici_list_end(o);
}

static void send_section(struct vici_out *o, const struct section *s)
{
    for (const struct setting *i = s->settings; i != NULL; i = i->next) {
        if (is_list_key(i->name))
            send_list(o, i->name, i->value);
        else
            vici_value(o, i->name, i->value);
    }
    for (const struct section *i = s->sections; i != NULL; i = i->next) {
        vici_section(o, i->name);
        send_section(o, i);
        vici_section_end(o);
    }
}

/* ---- telling ---- */

static void tell(struct loading *l, const char *what, const struct section *answer)
{
    struct arena *a = &l->cli->arena;
    const struct setting *warnings = settings_find(answer, "warnings");
    for (size_t i = 0; warnings != NULL && warnings->is_list && i < warnings->item_count; i++) {
        const char *text =
            arena_text(a, "%.*s", (int)warnings->items[i].len, (const char *)warnings->items[i].at);
        json_array_append_new(l->warnings, json_string(text));
        if (!l->cli->wants_json)
            fprintf(stderr, "warning: %s\n", text);
    }
    if (cli_is_success(answer))
        return;
    json_t *error = cli_json_of(answer);
    json_object_set_new(error, "what", json_string(what));
    json_array_append_new(l->errors, error);
    if (!l->cli->wants_json)
        cli_print_refusal(l->cli, answer);
}

static void tell_findings(struct loading *l, const struct findings *found)
{
    struct arena *a = &l->cli->arena;
    for (size_t i = 0; i < found->count; i++) {
        const struct finding *f = &found->at[i];
        const char *text = output_finding_text(f, a);
        const char *fix = output_fix_text(f, "", "", "", a);
        bool is_failure = ikebana_cause_row(f->cause)->severity == SEVERITY_FAILURE;
        if (is_failure)
            json_array_append_new(
                l->errors, json_pack("{s:s, s:s, s:s, s:s, s:s, s:s}", "errmsg", text, "cause",
                                     ikebana_cause_row(f->cause)->id, "param", f->param, "expected",
                                     f->expected, "seen", f->seen, "fix", fix));
        else
            json_array_append_new(l->warnings, json_string(text));
        if (!l->cli->wants_json)
            fprintf(stderr, "%s: %s%s%s\n", is_failure ? "error" : "warning", text,
                    *fix == '\0' ? "" : "\n  fix       ", fix);
    }
}

/* ---- talking ---- */

static const struct section *call(struct loading *l, struct vici_out *o)
{
    const struct section *answer;
    if (l->code != CLI_DONE) {
        vici_out_clear(o);
        return NULL;
    }
    return cli_call(l->cli, o, NULL, NULL, &answer, &l->code) ? answer : NULL;
}

/* The names that the daemon has now. */
static const struct setting *ask_names(struct loading *l, const char *command, const char *list)
{
    struct vici_out o;
    vici_begin_packet(&o, VICI_CMD_REQUEST, command);
    const struct section *answer = call(l, &o);
    const struct setting *names = answer == NULL ? NULL : settings_find(answer, list);
    return names != NULL && names->is_list ? names : NULL;
}

/* Unloads every name that no section of `kept` bears. */
static void unload_others(struct loading *l, const struct setting *names,
                          const struct section *kept, const char *command, const char *key)
{
    struct arena *a = &l->cli->arena;
    for (size_t i = 0; names != NULL && i < names->item_count; i++) {
        const char *name =
            arena_text(a, "%.*s", (int)names->items[i].len, (const char *)names->items[i].at);
        if (kept != NULL && settings_find_section(kept, name) != NULL)
            continue;
        struct vici_out o;
        vici_begin_packet(&o, VICI_CMD_REQUEST, command);
        vici_text(&o, key, name);
        const struct section *answer = call(l, &o);
        if (answer == NULL)
            return;
        tell(l, name, answer);
        if (cli_is_success(answer))
            json_array_append_new(l->unloaded, json_string(name));
    }
}

/* ---- secrets ---- */

static const char *shared_type(const char *name)
{
    static const char *const types[] = {"ike", "eap", "xauth", "ntlm", "ppk"};
    for (size_t i = 0; i < 5; i++)
        if (strncmp(name, types[i], strlen(types[i])) == 0)
            return types[i];
    return NULL;
}

static void load_secret(struct loading *l, const struct section *s)
{
    struct findings found = {.arena = &l->cli->arena};
    const char *type = shared_type(s->name);
    struct psk *psk = NULL;
    struct vici_out o;
    if (type == NULL || strcmp(type, "ike") != 0) {
        struct finding *f = findings_add(&found, CAUSE_CONF_NOT_SERVED);
        if (f != NULL) {
            f->param = arena_text(found.arena, "secrets.%s", s->name);
            f->expected = "secrets.ike";
            f->seen = arena_text(found.arena, "%s:%u", s->file == NULL ? "" : s->file, s->line);
        }
    } else {
        psk = policy_psk_new(s, &found);
    }
    tell_findings(l, &found);
    if (psk == NULL)
        return;
    vici_begin_packet(&o, VICI_CMD_REQUEST, "load-shared");
    vici_text(&o, "id", s->name);
    vici_text(&o, "type", type);
    vici_value(&o, "data", psk->secret);
    vici_list(&o, "owners");
    for (const struct setting *i = s->settings; i != NULL; i = i->next)
        if (strncmp(i->name, "id", 2) == 0)
            vici_item_span(&o, i->value);
    vici_list_end(&o);
    policy_psk_unref(psk);
    const struct section *answer = call(l, &o);
    if (answer == NULL)
        return;
    tell(l, s->name, answer);
    if (cli_is_success(answer))
        json_array_append_new(l->loaded,
                              json_string(arena_text(&l->cli->arena, "secrets.%s", s->name)));
}

static void load_conn(struct loading *l, const struct section *s)
{
    struct vici_out o;
    vici_begin_packet(&o, VICI_CMD_REQUEST, "load-conn");
    vici_section(&o, s->name);
    send_section(&o, s);
    vici_section_end(&o);
    const struct section *answer = call(l, &o);
    if (answer == NULL)
        return;
    tell(l, s->name, answer);
    if (cli_is_success(answer))
        json_array_append_new(l->loaded,
                              json_string(arena_text(&l->cli->arena, "connections.%s", s->name)));
}

/* Whole parts of a file that this version does not serve are named, not passed over. */
static void check_rest(struct loading *l, const struct section *root)
{
    struct findings found = {.arena = &l->cli->arena};
    for (const struct section *s = root->sections; s != NULL; s = s->next) {
        if (strcmp(s->name, "connections") == 0 || strcmp(s->name, "secrets") == 0 ||
            (s->sections == NULL && s->settings == NULL))
            continue;
        bool is_known = strcmp(s->name, "pools") == 0 || strcmp(s->name, "authorities") == 0;
        struct finding *f =
            findings_add(&found, is_known ? CAUSE_CONF_NOT_SERVED : CAUSE_CONF_UNKNOWN_KEY);
        if (f == NULL)
            continue;
        f->param = s->name;
        f->expected = "connections or secrets";
        f->seen = arena_text(found.arena, "%s:%u", s->file == NULL ? "" : s->file, s->line);
    }
    tell_findings(l, &found);
}

static void load_all(struct loading *l, const struct section *root)
{
    const struct section *secrets = settings_find_section(root, "secrets");
    const struct section *conns = settings_find_section(root, "connections");
    check_rest(l, root);
    const struct setting *old_secrets = ask_names(l, "get-shared", "keys");
    for (const struct section *s = secrets == NULL ? NULL : secrets->sections; s != NULL;
         s = s->next)
        load_secret(l, s);
    unload_others(l, old_secrets, secrets, "unload-shared", "id");
    const struct setting *old_conns = ask_names(l, "get-conns", "conns");
    for (const struct section *s = conns == NULL ? NULL : conns->sections; s != NULL; s = s->next)
        load_conn(l, s);
    unload_others(l, old_conns, conns, "unload-conn", "name");
}

static void print_list(const char *word, const json_t *names)
{
    size_t i;
    json_t *name;
    if (json_array_size(names) == 0)
        return;
    fputs(word, stdout);
    json_array_foreach(names, i, name) printf("%s %s", i == 0 ? "" : ",", json_string_value(name));
    fputs("\n", stdout);
}

int cli_load(struct cli *c)
{
    const char *path = c->file != NULL ? c->file : c->arg_count > 0 ? c->args[0] : DEFAULT_FILE;
    struct settings_source source = config_source();
    struct section *root = NULL;
    struct finding why;
    struct loading l = {.cli = c, .code = CLI_DONE};
    if (c->file != NULL && c->arg_count > 0)
        return cli_wrong_use(c, "load: expected one file, seen %s and %s", c->file, c->args[0]);
    l.loaded = json_array();
    l.unloaded = json_array();
    l.errors = json_array();
    l.warnings = json_array();
    if (!settings_parse_file(path, &source, &c->arena, &root, &why)) {
        if (why.cause == CAUSE_CONF_FILE && strcmp(why.param, "--config") == 0)
            why.param = "FILE"; /* as the user of this command knows it */
        tell_findings(&l,
                      &(struct findings){.arena = &c->arena, .at = &why, .count = 1, .room = 1});
    } else if (cli_connect(c, &l.code)) {
        load_all(&l, root);
    }
    bool has_failed = json_array_size(l.errors) > 0;
    if (l.code == CLI_DONE && c->wants_json) {
        cli_print_json(json_pack("{s:b, s:O, s:O, s:O, s:O}", "ok", (int)!has_failed, "loaded",
                                 l.loaded, "unloaded", l.unloaded, "errors", l.errors, "warnings",
                                 l.warnings));
    } else if (l.code == CLI_DONE) {
        print_list("loaded", l.loaded);
        print_list("unloaded", l.unloaded);
    }
    json_decref(l.loaded);
    json_decref(l.unloaded);
    json_decref(l.errors);
    json_decref(l.warnings);
    return l.code != CLI_DONE ? l.code : has_failed ? CLI_FAILED : CLI_DONE;
}
