/* ikebana why, log and version: what happened, what happens, and who says so. */
#include <ctype.h>
#include <stdlib.h>
#include <time.h>

#include <ikebana/status.h>

#include "cli.h"

static bool keep_record(void *context, const char *name, const struct section *message,
                        struct arena *a)
{
    json_t *records = context;
    json_t *record = NULL;
    if (strcmp(name, "ikebana-record") == 0)
        record = cli_record_of(message, "json", a);
    if (record != NULL)
        json_array_append_new(records, record);
    return true;
}

static bool is_number(const char *text)
{
    for (const char *p = text; *p != '\0'; p++)
        if (!isdigit((unsigned char)*p))
            return false;
    return *text != '\0';
}

/* The daemon sends the newest first; many are read like a log, the newest last. */
static int print_records(struct cli *c, const json_t *records, bool is_many)
{
    size_t count = json_array_size(records);
    if (c->wants_json && is_many) {
        json_t *sorted = json_array();
        for (size_t i = count; i > 0; i--)
            json_array_append(sorted, json_array_get(records, i - 1));
        cli_print_json(sorted);
        return CLI_DONE;
    }
    if (count == 0) {
        if (c->wants_json)
            cli_print_json(json_null());
        else if (c->arg_count > 0)
            fprintf(stderr, "ikebana: nothing is recorded of %s; see ikebana why --all\n",
                    c->args[0]);
        else
            fputs("nothing is recorded yet\n", stdout);
        return c->arg_count > 0 ? CLI_FAILED : CLI_DONE;
    }
    if (c->wants_json) {
        cli_print_json(json_incref(json_array_get(records, 0)));
        return CLI_DONE;
    }
    for (size_t i = count; i > 0; i--) {
        cli_print_record(c, json_array_get(records, i - 1));
        if (i > 1)
            fputs("\n", stdout);
    }
    return CLI_DONE;
}

int cli_why(struct cli *c)
{
    const struct section *answer;
    struct vici_out o;
    int code = CLI_FAILED;
    if (!cli_connect(c, &code))
        return code;
    if (!vici_register(&c->link, "ikebana-record"))
        return cli_unreachable(c, c->link.error);
    vici_begin_packet(&o, VICI_CMD_REQUEST, "ikebana-why");
    if (c->arg_count > 0)
        vici_text(&o, is_number(c->args[0]) ? "number" : "name", c->args[0]);
    if (c->wants_all)
        vici_text(&o, "all", "yes");
    if (c->wants_failed)
        vici_text(&o, "failed", "yes");
    if (c->limit > 0)
        vici_format(&o, "limit", "%lld", (long long)c->limit);
    json_t *records = json_array();
    if (cli_call(c, &o, keep_record, records, &answer, &code)) {
        if (cli_is_success(answer)) {
            code = print_records(c, records, c->wants_all || c->limit > 1);
        } else {
            cli_print_refusal(c, answer);
            code = CLI_FAILED;
        }
    }
    json_decref(records);
    return code;
}

/* ---- log ---- */

static bool show_event(void *context, const char *name, const struct section *message,
                       struct arena *a)
{
    const struct cli *c = context;
    time_t now = time(NULL);
    struct tm tm;
    char when[32] = "";
    if (localtime_r(&now, &tm) != NULL)
        strftime(when, sizeof when, "%Y-%m-%d %H:%M:%S", &tm);
    if (c->wants_json) {
        json_t *tree;
        if (strcmp(name, "ikebana-record") == 0)
            tree = json_pack("{s:s, s:s, s:o?}", "event", name, "time", when, "record",
                             cli_record_of(message, "json", a));
        else
            tree = json_pack("{s:s, s:s, s:o}", "event", name, "time", when, "message",
                             cli_json_of(message));
        if (tree != NULL)
            json_dumpf(tree, stdout, JSON_COMPACT);
        json_decref(tree);
        fputs("\n", stdout);
    } else if (strcmp(name, "log") == 0) {
        printf("%s %s\n", when, vici_get_text(message, "msg", a, ""));
    }
    fflush(stdout);
    return ferror(stdout) == 0;
}

int cli_log(struct cli *c)
{
    static const char *const events[] = {"log",       "ikebana-record", "ike-updown",
                                         "ike-rekey", "child-updown",   "child-rekey"};
    int code = CLI_FAILED;
    if (!cli_connect(c, &code))
        return code;
    /* For people the log says all; the others are for programs. */
    for (size_t i = 0; i < (c->wants_json ? 6 : 1); i++)
        if (!vici_register(&c->link, events[i]))
            return cli_unreachable(c, c->link.error);
    vici_listen(&c->link, show_event, c);
    return ferror(stdout) == 0 ? cli_unreachable(c, c->link.error) : CLI_DONE;
}

/* ---- version ---- */

/* Without a daemon the command's own version is still told. */
int cli_version(struct cli *c)
{
    const struct section *answer = NULL;
    struct vici_out o;
    bool is_wrong_uri;
    if (vici_connect(&c->link, c->uri, &is_wrong_uri)) {
        vici_begin_packet(&o, VICI_CMD_REQUEST, "version");
        if (!vici_call(&c->link, &o, NULL, NULL, &c->arena, &answer))
            answer = NULL;
    } else if (is_wrong_uri) {
        return cli_wrong_use(c, "--vici: expected %s, seen %s", c->link.error, c->uri);
    }
    if (c->wants_json) {
        cli_print_json(json_pack("{s:s, s:o?}", "ikebana", ikebana_version(), "daemon",
                                 answer == NULL ? NULL : cli_json_of(answer)));
        return CLI_DONE;
    }
    printf("ikebana %s\n", ikebana_version());
    if (answer != NULL)
        printf("%s %s on %s %s %s\n", vici_get_text(answer, "daemon", &c->arena, ""),
               vici_get_text(answer, "version", &c->arena, ""),
               vici_get_text(answer, "sysname", &c->arena, ""),
               vici_get_text(answer, "release", &c->arena, ""),
               vici_get_text(answer, "machine", &c->arena, ""));
    else
        printf("no daemon answers at %s\n", c->uri);
    return CLI_DONE;
}
