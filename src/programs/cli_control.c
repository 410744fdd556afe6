/* ikebana up, down, rekey: the daemon answers when the outcome is there; until then its progress is
 * shown on a terminal. */
#include "cli.h"

struct verb {
    const char *command; /* VICI's */
    const char *done;    /* what is said when there is no record */
};

static bool show_progress(void *context, const char *name, const struct section *message,
                          struct arena *a)
{
    const struct cli *c = context;
    if (c->has_terminal && strcmp(name, "control-log") == 0)
        fprintf(stderr, "  … %s\n", vici_get_text(message, "msg", a, ""));
    return true;
}

/* {"name", "ok", "matches"?, "error"?: {…}, "record"?: {…}} */
static json_t *outcome_json(const char *name, const struct section *answer, json_t *record)
{
    json_t *all = cli_json_of(answer);
    bool ok = cli_is_success(answer);
    json_t *tree = json_pack("{s:s, s:b}", "name", name, "ok", (int)ok);
    json_t *matches = json_object_get(all, "matches");
    if (matches != NULL)
        json_object_set(tree, "matches", matches);
    json_object_del(all, "record");
    json_object_del(all, "success");
    if (!ok)
        json_object_set(tree, "error", all);
    if (record != NULL)
        json_object_set(tree, "record", record);
    json_decref(all);
    return tree;
}

static int show_outcome(struct cli *c, const struct verb *v, const char *name,
                        const struct section *answer)
{
    bool ok = cli_is_success(answer);
    const char *cause = vici_get_text(answer, "cause", &c->arena, "");
    json_t *record = cli_record_of(answer, "record", &c->arena);
    if (c->wants_json) {
        cli_print_json(outcome_json(name, answer, record));
    } else if (record != NULL) {
        cli_print_record(c, record);
    } else if (ok) {
        printf("%s %s%s\n", name, v->done,
               c->timeout_ms < 0 ? " (not waited for; see ikebana why)" : "");
    } else {
        cli_print_refusal(c, answer);
    }
    json_decref(record);
    /* What was asked for stands already. */
    return ok || strcmp(cause, "cmd.already-up") == 0 ? CLI_DONE : CLI_FAILED;
}

static int run(struct cli *c, const struct verb *v)
{
    int code = CLI_FAILED, result = CLI_DONE;
    if (!cli_connect(c, &code))
        return code;
    if (c->has_terminal && !vici_register(&c->link, "control-log"))
        return cli_unreachable(c, c->link.error);
    for (int i = 0; i < c->arg_count; i++) {
        struct vici_out o;
        const struct section *answer;
        vici_begin_packet(&o, VICI_CMD_REQUEST, v->command);
        vici_text(&o, "name", c->args[i]);
        if (c->is_forced)
            vici_text(&o, "force", "yes");
        if (c->is_reauth)
            vici_text(&o, "reauth", "yes");
        if (c->timeout_ms != 0)
            vici_format(&o, "timeout", "%lld", (long long)c->timeout_ms);
        vici_text(&o, "loglevel", "1");
        if (!cli_call(c, &o, show_progress, c, &answer, &code))
            return code;
        if (show_outcome(c, v, c->args[i], answer) != CLI_DONE)
            result = CLI_FAILED;
    }
    return result;
}

int cli_up(struct cli *c)
{
    return run(c, &(struct verb){"initiate", "is up"});
}

int cli_down(struct cli *c)
{
    return run(c, &(struct verb){"terminate", "is down"});
}

int cli_rekey(struct cli *c)
{
    return run(c, &(struct verb){"rekey", "has new keys"});
}
