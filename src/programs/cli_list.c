/* ikebana list: SAs and their counters, and what is loaded and not up. */
#include <inttypes.h>
#include <stdlib.h>

#include "cli.h"

struct listing {
    struct cli *cli;
    struct output_table table;
    json_t *sas, *conns;
    size_t sa_count;
    const char *only; /* NULL = all */
};

static bool is_wanted(const struct listing *l, const struct section *conn, const char *children)
{
    if (l->only == NULL || strcmp(l->only, conn->name) == 0)
        return true;
    const struct section *all = settings_find_section(conn, children);
    for (const struct section *s = all == NULL ? NULL : all->sections; s != NULL; s = s->next) {
        struct arena *a = &l->cli->arena;
        if (strcmp(s->name, l->only) == 0 || strcmp(vici_get_text(s, "name", a, ""), l->only) == 0)
            return true;
    }
    return false;
}

static json_t *named(const struct section *s)
{
    json_t *tree = cli_json_of(s);
    json_object_set_new(tree, "name", json_string(s->name));
    return tree;
}

/* "AES_GCM_16-256/PRF_HMAC_SHA2_256/CURVE_25519" */
static const char *suite_of(const struct section *s, struct arena *a)
{
    static const char *const keys[] = {"integ-alg", "prf-alg", "dh-group"};
    const char *text = vici_get_text(s, "encr-alg", a, "");
    const char *bits = vici_get_text(s, "encr-keysize", a, "");
    if (*bits != '\0')
        text = arena_text(a, "%s-%s", text, bits);
    for (size_t i = 0; i < 3; i++) {
        const char *more = vici_get_text(s, keys[i], a, "");
        if (*more != '\0')
            text = arena_text(a, "%s/%s", text, more);
    }
    return text;
}

static const char *list_of(const struct section *s, const char *name, struct arena *a)
{
    const struct setting *list = settings_find(s, name);
    const char *text = "";
    for (size_t i = 0; list != NULL && i < list->item_count; i++)
        text = arena_text(a, "%s%s%.*s", text, i == 0 ? "" : " ", (int)list->items[i].len,
                          (const char *)list->items[i].at);
    return text;
}

static const char *seconds_of(const struct section *s, const char *name, struct arena *a)
{
    return cli_duration(vici_get_number(s, name, -1), a);
}

static const char *traffic_of(const struct section *s, const char *octets, const char *packets,
                              struct arena *a)
{
    int64_t count = vici_get_number(s, packets, -1);
    if (count < 0)
        return "-";
    return arena_text(a, "%s, %" PRId64 " packet%s",
                      cli_octets((uint64_t)vici_get_number(s, octets, 0), a), count,
                      count == 1 ? "" : "s");
}

static const char *end_of(const struct section *s, const char *host, const char *port,
                          struct arena *a)
{
    return arena_text(a, "%s[%s]", vici_get_text(s, host, a, ""), vici_get_text(s, port, a, ""));
}

static void list_child(struct listing *l, const struct section *s)
{
    struct arena *a = &l->cli->arena;
    struct output_table *t = &l->table;
    output_cell(t, arena_text(a, "  %s #%s", vici_get_text(s, "name", a, ""),
                              vici_get_text(s, "uniqueid", a, "")));
    output_cell(t, vici_get_text(s, "state", a, ""));
    output_cell(t, list_of(s, "local-ts", a));
    output_cell(t, list_of(s, "remote-ts", a));
    output_cell(t, seconds_of(s, "install-time", a));
    output_cell(t, seconds_of(s, "rekey-time", a));
    output_cell(t, traffic_of(s, "bytes-in", "packets-in", a));
    output_cell(t, traffic_of(s, "bytes-out", "packets-out", a));
    output_cell(t, arena_text(a, "%s%s", suite_of(s, a),
                              vici_get_bool(s, "encap", false) ? " in UDP" : ""));
}

static void list_sa(struct listing *l, const struct section *s)
{
    struct arena *a = &l->cli->arena;
    struct output_table *t = &l->table;
    output_cell(t, arena_text(a, "%s #%s", s->name, vici_get_text(s, "uniqueid", a, "")));
    output_cell(t, vici_get_text(s, "state", a, ""));
    output_cell(t, end_of(s, "local-host", "local-port", a));
    output_cell(t, end_of(s, "remote-host", "remote-port", a));
    output_cell(t, seconds_of(s, "established", a));
    output_cell(t, seconds_of(s, "rekey-time", a));
    output_cell(t, "");
    output_cell(t, "");
    output_cell(t, suite_of(s, a));
    const struct section *children = settings_find_section(s, "child-sas");
    for (const struct section *i = children == NULL ? NULL : children->sections; i != NULL;
         i = i->next)
        list_child(l, i);
}

/* The event's message ends with the call: what is kept goes to the listing's arena. */
static const struct section *keep(struct listing *l, const struct section *message)
{
    struct vici_out o;
    const struct section *copy = NULL;
    const char *why;
    vici_begin_packet(&o, VICI_CMD_RESPONSE, NULL);
    vici_tree(&o, message);
    if (vici_end_packet(&o)) {
        struct reader r = reader_of(span_of(o.at, o.len));
        take(&r, 5);
        vici_parse_message(arena_copy(&l->cli->arena, take_rest(&r)), &l->cli->arena, &copy, &why);
    }
    vici_out_clear(&o);
    return copy;
}

static bool on_sa(void *context, const char *name, const struct section *message, struct arena *a)
{
    struct listing *l = context;
    (void)a;
    if (strcmp(name, "list-sa") != 0)
        return true;
    const struct section *copy = keep(l, message);
    for (const struct section *s = copy == NULL ? NULL : copy->sections; s != NULL; s = s->next) {
        if (!is_wanted(l, s, "child-sas"))
            continue;
        l->sa_count++;
        json_array_append_new(l->sas, named(s));
        if (!l->cli->wants_json)
            list_sa(l, s);
    }
    return true;
}

static bool on_conn(void *context, const char *name, const struct section *message, struct arena *a)
{
    struct listing *l = context;
    (void)a;
    if (strcmp(name, "list-conn") == 0)
        for (const struct section *s = message->sections; s != NULL; s = s->next)
            if (is_wanted(l, s, "children"))
                json_array_append_new(l->conns, named(s));
    return true;
}

static bool is_up(const struct listing *l, const char *name)
{
    size_t i;
    json_t *sa;
    json_array_foreach(l->sas, i, sa)
    {
        const char *sa_name = json_string_value(json_object_get(sa, "name"));
        if (sa_name != NULL && strcmp(sa_name, name) == 0)
            return true;
    }
    return false;
}

static void print_listing(struct listing *l)
{
    size_t i, idle = 0;
    json_t *conn;
    if (l->sa_count > 0)
        output_table_print(&l->table, stdout, true, l->cli->has_colour);
    else
        fputs("no SA is up\n", stdout);
    json_array_foreach(l->conns, i, conn)
    {
        const char *name = json_string_value(json_object_get(conn, "name"));
        if (name == NULL || is_up(l, name))
            continue;
        printf("%s%s", idle++ == 0 ? "loaded, not up: " : ", ", name);
    }
    if (idle > 0)
        fputs("\n", stdout);
    else if (json_array_size(l->conns) == 0 && l->only == NULL)
        fputs("no connection is loaded: ikebana load FILE\n", stdout);
}

/* One name a line: for the shell's completion. */
static void print_names(const struct listing *l)
{
    size_t i;
    json_t *conn, *child;
    const char *name;
    json_array_foreach(l->conns, i, conn)
    {
        printf("%s\n", json_string_value(json_object_get(conn, "name")));
        json_object_foreach(json_object_get(conn, "children"), name, child) printf("%s\n", name);
    }
}

int cli_list(struct cli *c)
{
    static const char *const heading[] = {"NAME",     "STATE", "LOCAL", "REMOTE", "UP",
                                          "REKEY IN", "IN",    "OUT",   "SUITE"};
    struct listing l = {.cli = c, .only = c->arg_count > 0 ? c->args[0] : NULL};
    const struct section *answer;
    struct vici_out o;
    int code = CLI_DONE;
    if (c->wants_policies)
        return cli_list_policies(c);
    if (!cli_connect(c, &code))
        return code;
    if (!vici_register(&c->link, "list-sa") || !vici_register(&c->link, "list-conn"))
        return cli_unreachable(c, c->link.error);
    output_table_init(&l.table, &c->arena, sizeof heading / sizeof heading[0]);
    for (size_t i = 0; i < sizeof heading / sizeof heading[0]; i++)
        output_cell(&l.table, heading[i]);
    l.sas = json_array();
    l.conns = json_array();
    vici_begin_packet(&o, VICI_CMD_REQUEST, "list-sas");
    bool ok = c->wants_names || cli_call(c, &o, on_sa, &l, &answer, &code);
    if (c->wants_names)
        vici_out_clear(&o);
    vici_begin_packet(&o, VICI_CMD_REQUEST, "list-conns");
    ok = ok && cli_call(c, &o, on_conn, &l, &answer, &code);
    if (!ok)
        vici_out_clear(&o);
    if (ok && l.only != NULL && l.sa_count == 0 && json_array_size(l.conns) == 0)
        code = cli_wrong_use(c, "no SA or connection is called %s; see ikebana list", l.only);
    else if (ok && c->wants_names)
        print_names(&l);
    else if (ok && c->wants_json)
        cli_print_json(json_pack("{s:O, s:O}", "sas", l.sas, "connections", l.conns));
    else if (ok)
        print_listing(&l);
    json_decref(l.sas);
    json_decref(l.conns);
    return code;
}
