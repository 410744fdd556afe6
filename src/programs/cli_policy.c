/* ikebana install, uninstall, list --policies: traps, pass and drop policies. */
#include "cli.h"

/* NAME is a child, or CONNECTION/CHILD. */
static int change(struct cli *c, const char *command, const char *done)
{
    int code = CLI_FAILED, result = CLI_DONE;
    if (!cli_connect(c, &code))
        return code;
    for (int i = 0; i < c->arg_count; i++) {
        const char *name = c->args[i], *slash = strchr(name, '/');
        const struct section *answer;
        struct vici_out o;
        vici_begin_packet(&o, VICI_CMD_REQUEST, command);
        vici_text(&o, "child", slash == NULL ? name : slash + 1);
        if (slash != NULL)
            vici_text(&o, "ike", arena_text(&c->arena, "%.*s", (int)(slash - name), name));
        if (!cli_call(c, &o, NULL, NULL, &answer, &code))
            return code;
        bool ok = cli_is_success(answer);
        if (c->wants_json) {
            json_t *tree = json_pack("{s:s, s:b}", "name", name, "ok", (int)ok);
            if (!ok)
                json_object_set_new(tree, "error", cli_json_of(answer));
            cli_print_json(tree);
        } else if (ok) {
            printf("%s %s\n", name, done);
        } else {
            cli_print_refusal(c, answer);
        }
        if (!ok)
            result = CLI_FAILED;
    }
    return result;
}

int cli_install(struct cli *c)
{
    return change(c, "install", "is installed");
}

int cli_uninstall(struct cli *c)
{
    return change(c, "uninstall", "is uninstalled");
}

/* ---- list --policies ---- */

struct listing {
    struct cli *cli;
    struct output_table table;
    json_t *policies;
    const char *only; /* a connection or child; NULL = all */
};

static const char *kind_of(const char *mode)
{
    static const char *const kinds[][2] = {{"TUNNEL", "trap"},
                                           {"TRANSPORT", "trap (transport)"},
                                           {"PASS", "pass"},
                                           {"DROP", "drop"},
                                           {"BLOCK", "block (while it is down)"}};
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++)
        if (strcmp(kinds[i][0], mode) == 0)
            return kinds[i][1];
    return mode;
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

static bool on_policy(void *context, const char *name, const struct section *message,
                      struct arena *unused)
{
    struct listing *l = context;
    struct arena *a = &l->cli->arena; /* the event's own ends with the call */
    (void)unused;
    if (strcmp(name, "list-policy") != 0)
        return true;
    for (const struct section *s = message->sections; s != NULL; s = s->next) {
        const char *child = vici_get_text(s, "child", a, ""), *ike = vici_get_text(s, "ike", a, "");
        if (l->only != NULL && strcmp(l->only, child) != 0 && strcmp(l->only, ike) != 0)
            continue;
        json_array_append_new(l->policies, cli_json_of(s));
        output_cell(&l->table, arena_text(a, "%s", s->name));
        output_cell(&l->table, kind_of(vici_get_text(s, "mode", a, "")));
        output_cell(&l->table, list_of(s, "local-ts", a));
        output_cell(&l->table, list_of(s, "remote-ts", a));
        output_cell(&l->table, vici_get_text(s, "reqid", a, ""));
    }
    return true;
}

int cli_list_policies(struct cli *c)
{
    static const char *const heading[] = {"NAME", "POLICY", "LOCAL", "REMOTE", "REQID"};
    struct listing l = {.cli = c, .only = c->arg_count > 0 ? c->args[0] : NULL};
    const struct section *answer;
    struct vici_out o;
    int code = CLI_DONE;
    if (!cli_connect(c, &code))
        return code;
    if (!vici_register(&c->link, "list-policy"))
        return cli_unreachable(c, c->link.error);
    output_table_init(&l.table, &c->arena, sizeof heading / sizeof heading[0]);
    for (size_t i = 0; i < sizeof heading / sizeof heading[0]; i++)
        output_cell(&l.table, heading[i]);
    l.policies = json_array();
    vici_begin_packet(&o, VICI_CMD_REQUEST, "list-policies");
    static const char *const kinds[] = {"trap", "pass", "drop", "ikebana-block"};
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++)
        vici_text(&o, kinds[i], "yes");
    if (cli_call(c, &o, on_policy, &l, &answer, &code)) {
        if (c->wants_json)
            cli_print_json(json_pack("{s:O}", "policies", l.policies));
        else if (json_array_size(l.policies) > 0)
            output_table_print(&l.table, stdout, true, c->has_colour);
        else
            fputs("no trap, pass or drop policy is installed\n", stdout);
    }
    json_decref(l.policies);
    return code;
}
