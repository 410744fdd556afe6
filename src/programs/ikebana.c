/* ikebana(1): the command for people. It reads its arguments here and talks VICI in cli_*.c. */
#include <stdlib.h>
#include <unistd.h>

#include "cli.h"
#include "edge/nearest.h"
#include "ikebana_completion.h"

#include <ikebana/status.h>

#define DEFAULT_URI "unix:///run/ikebana.vici"

enum { ANY = -1 };

struct row {
    const char *name, *args, *what;
    cli_command *run;
    int least, most;     /* arguments; ANY: no bound */
    const char *options; /* those that it takes besides --vici and --json */
};

static const struct row rows[] = {
    {"up", "NAME…", "bring a connection or child up, and say why if it fails", cli_up, 1, ANY,
     "--timeout"},
    {"down", "NAME…", "take a connection or child down", cli_down, 1, ANY, "--force --timeout"},
    {"rekey", "NAME…", "make new keys for a connection or child", cli_rekey, 1, ANY,
     "--reauth --timeout"},
    {"list", "[NAME]", "SAs that are up, with their counters, and what is loaded", cli_list, 0, 1,
     "--names --policies"},
    {"install", "CHILD…", "install a trap, pass or drop policy", cli_install, 1, ANY, ""},
    {"uninstall", "CHILD…", "take such a policy away", cli_uninstall, 1, ANY, ""},
    {"why", "[NAME|NUMBER]", "the last negotiation: what happened, and why it failed", cli_why, 0,
     1, "--all --failed --limit"},
    {"explain", "WHAT", "what a status, notify, cause or RAS error means", cli_explain, 1, ANY, ""},
    {"load", "[FILE]", "load connections and secrets from a swanctl.conf", cli_load, 0, 1,
     "--file"},
    {"bench", "[NAME]", "how fast it is beside what OpenSSL allows: handshake, esp, up", cli_bench,
     0, 1, ""},
    {"log", "", "follow the daemon's events", cli_log, 0, 0, ""},
    {"version", "", "versions of the command and of the daemon", cli_version, 0, 0, ""},
    {"completion", "bash", "print the completion script of a shell", cli_completion, 0, 1, ""},
};

enum { ROWS = sizeof rows / sizeof rows[0] };

enum option_kind {
    OPT_VICI,
    OPT_JSON,
    OPT_HELP,
    OPT_VERSION,
    OPT_ALL,
    OPT_FAILED,
    OPT_FORCE,
    OPT_REAUTH,
    OPT_NAMES,
    OPT_POLICIES,
    OPT_TIMEOUT,
    OPT_LIMIT,
    OPT_FILE,
};

static const struct option_row {
    const char *name, *short_name;
    enum option_kind kind;
    const char *value, *what; /* value NULL: takes none */
} options[] = {
    {"--vici", "-u", OPT_VICI, "URI", "the daemon's control socket (" DEFAULT_URI ")"},
    {"--json", "-j", OPT_JSON, NULL, "print JSON"},
    {"--help", "-h", OPT_HELP, NULL, "print this text"},
    {"--version", "-V", OPT_VERSION, NULL, "print the version of the command"},
    {"--all", "-a", OPT_ALL, NULL, "why: all records, the oldest first"},
    {"--failed", NULL, OPT_FAILED, NULL, "why: only what failed"},
    {"--limit", "-n", OPT_LIMIT, "N", "why: at most N records"},
    {"--force", NULL, OPT_FORCE, NULL, "down: do not wait for the peer's answer"},
    {"--reauth", NULL, OPT_REAUTH, NULL, "rekey: by a new IKE SA from scratch, with the children"},
    {"--timeout", "-t", OPT_TIMEOUT, "SECONDS", "up, down, rekey: stop waiting (it goes on)"},
    {"--file", "-f", OPT_FILE, "FILE", "load: the file (/etc/swanctl/swanctl.conf)"},
    {"--names", NULL, OPT_NAMES, NULL, "list: names of connections and children only"},
    {"--policies", NULL, OPT_POLICIES, NULL, "list: traps, pass and drop policies"},
};

enum { OPTIONS = sizeof options / sizeof options[0] };

static void print_help(FILE *to)
{
    fputs("usage: ikebana [--vici URI] [--json] COMMAND [ARGUMENT…]\n\n", to);
    for (size_t i = 0; i < ROWS; i++) {
        int pad = 14 - (int)strlen(rows[i].args);
        /* The ellipsis is three octets and one column. */
        if (strstr(rows[i].args, "…") != NULL)
            pad += 2;
        fprintf(to, "  %-10s %s%*s %s\n", rows[i].name, rows[i].args, pad < 0 ? 0 : pad, "",
                rows[i].what);
    }
    fputs("\n", to);
    for (size_t i = 0; i < OPTIONS; i++)
        fprintf(to, "  %-10s %-14s %s\n", options[i].name,
                options[i].value == NULL ? "" : options[i].value, options[i].what);
    fputs("\nexit: 0 done, 1 the negotiation failed or the daemon refused, 2 wrong use,"
          " 3 no daemon\nmanual: ikebana(1)\n",
          to);
}

int cli_wrong_use(const struct cli *c, const char *format, ...)
{
    va_list args;
    (void)c;
    fputs("ikebana: ", stderr);
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fputs("\n", stderr);
    return CLI_WRONG_USE;
}

int cli_unreachable(struct cli *c, const char *error)
{
    if (c->wants_json) {
        cli_print_json(json_pack("{s:b, s:s, s:s}", "ok", 0, "error",
                                 error == NULL ? "lost" : error, "vici", c->uri));
        return CLI_UNREACHABLE;
    }
    fprintf(
        stderr,
        "ikebana: the daemon cannot be reached at %s: %s\n"
        "  fix       start ikebanad, or name its socket with --vici or IKEBANA_VICI; it may need"
        " root\n",
        c->uri, error == NULL ? "lost" : error);
    return CLI_UNREACHABLE;
}

bool cli_connect(struct cli *c, int *code)
{
    bool is_wrong_uri;
    if (vici_connect(&c->link, c->uri, &is_wrong_uri))
        return true;
    *code = is_wrong_uri ? cli_wrong_use(c, "--vici: expected %s, seen %s", c->link.error, c->uri)
                         : cli_unreachable(c, c->link.error);
    return false;
}

bool cli_call(struct cli *c, struct vici_out *request, vici_link_event *event, void *context,
              const struct section **answer, int *code)
{
    if (vici_call(&c->link, request, event, context, &c->arena, answer))
        return true;
    *code = cli_unreachable(c, c->link.error);
    return false;
}

int cli_completion(struct cli *c)
{
    if (c->arg_count > 0 && strcmp(c->args[0], "bash") != 0)
        return cli_wrong_use(c, "completion: expected bash, seen %s", c->args[0]);
    fwrite(completion_bash, 1, sizeof completion_bash - 1, stdout);
    return CLI_DONE;
}

/* ---- arguments ---- */

static const struct option_row *find_option(const char *text, size_t len)
{
    for (size_t i = 0; i < OPTIONS; i++) {
        if (strlen(options[i].name) == len && strncmp(options[i].name, text, len) == 0)
            return &options[i];
        if (options[i].short_name != NULL && strlen(options[i].short_name) == len &&
            strncmp(options[i].short_name, text, len) == 0)
            return &options[i];
    }
    return NULL;
}

static bool take_number(const char *text, int64_t most, int64_t *out)
{
    char *end;
    long long number = strtoll(text, &end, 10);
    if (end == text || *end != '\0' || number < 0 || number > most)
        return false;
    *out = number;
    return true;
}

/* false: wrong use, told. */
static bool take_option(struct cli *c, const struct option_row *o, const char *value)
{
    int64_t seconds = 0;
    switch (o->kind) {
    case OPT_VICI:
        c->uri = value;
        return true;
    case OPT_JSON:
        c->wants_json = true;
        return true;
    case OPT_ALL:
        c->wants_all = true;
        return true;
    case OPT_FAILED:
        c->wants_failed = true;
        return true;
    case OPT_FORCE:
        c->is_forced = true;
        return true;
    case OPT_REAUTH:
        c->is_reauth = true;
        return true;
    case OPT_NAMES:
        c->wants_names = true;
        break;
    case OPT_POLICIES:
        c->wants_policies = true;
        return true;
    case OPT_FILE:
        c->file = value;
        return true;
    case OPT_TIMEOUT:
        if (!take_number(value, 1000000, &seconds)) {
            cli_wrong_use(c, "--timeout: expected a number of seconds, seen %s", value);
            return false;
        }
        /* 0 seconds: do not wait at all, which VICI spells with a negative number. */
        c->timeout_ms = seconds == 0 ? -1 : seconds * 1000;
        return true;
    case OPT_LIMIT:
        if (!take_number(value, 1000000000, &c->limit) || c->limit == 0) {
            cli_wrong_use(c, "--limit: expected a number from 1 on, seen %s", value);
            return false;
        }
        return true;
    case OPT_HELP:
    case OPT_VERSION:
        return true;
    }
    return true;
}

static int unknown_option(struct cli *c, const char *text)
{
    const char *names[OPTIONS];
    for (size_t i = 0; i < OPTIONS; i++)
        names[i] = options[i].name;
    const char *near = nearest_word(text, names, OPTIONS);
    if (near != NULL)
        return cli_wrong_use(c, "there is no option %s; did you mean %s?", text, near);
    return cli_wrong_use(c, "there is no option %s; see ikebana --help", text);
}

static int unknown_command(struct cli *c, const char *text)
{
    const char *names[ROWS];
    for (size_t i = 0; i < ROWS; i++)
        names[i] = rows[i].name;
    const char *near = nearest_word(text, names, ROWS);
    if (near != NULL)
        return cli_wrong_use(c, "there is no command %s; did you mean %s?", text, near);
    return cli_wrong_use(c, "there is no command %s; expected one of %s", text,
                         nearest_list(text, names, ROWS, ROWS, &c->arena));
}

static bool row_takes(const struct row *row, const struct option_row *o)
{
    return o->kind <= OPT_VERSION || strstr(row->options, o->name) != NULL;
}

/* Options may stand anywhere; what is no option stays in c->args, the command first. */
static bool read_arguments(struct cli *c, int count, char **args, const struct option_row **given,
                           size_t *given_count, int *code)
{
    bool is_over = false;
    for (int i = 1; i < count; i++) {
        /* -2147011028 is a status, for explain, and no option. */
        bool is_number = args[i][0] == '-' && args[i][1] >= '0' && args[i][1] <= '9';
        if (is_over || args[i][0] != '-' || args[i][1] == '\0' || is_number) {
            c->args[c->arg_count++] = args[i];
            continue;
        }
        if (strcmp(args[i], "--") == 0) {
            is_over = true;
            continue;
        }
        const char *equals = strncmp(args[i], "--", 2) == 0 ? strchr(args[i], '=') : NULL;
        size_t len = equals == NULL ? strlen(args[i]) : (size_t)(equals - args[i]);
        const struct option_row *o = find_option(args[i], len);
        if (o == NULL) {
            *code = unknown_option(c, args[i]);
            return false;
        }
        const char *value = equals == NULL ? NULL : equals + 1;
        if (o->value != NULL && value == NULL && i + 1 < count)
            value = args[++i];
        if ((o->value != NULL) != (value != NULL)) {
            *code = o->value != NULL
                        ? cli_wrong_use(c, "%s: expected %s behind it", o->name, o->value)
                        : cli_wrong_use(c, "%s takes no value", o->name);
            return false;
        }
        if (!take_option(c, o, value)) {
            *code = CLI_WRONG_USE;
            return false;
        }
        given[(*given_count)++] = o;
    }
    return true;
}

static int run(struct cli *c, const struct option_row **given, size_t given_count)
{
    for (size_t i = 0; i < given_count; i++) {
        if (given[i]->kind == OPT_HELP) {
            print_help(stdout);
            return CLI_DONE;
        }
        if (given[i]->kind == OPT_VERSION) {
            printf("ikebana %s\n", ikebana_version());
            return CLI_DONE;
        }
    }
    if (c->arg_count == 0) {
        print_help(stderr);
        return CLI_WRONG_USE;
    }
    if (strcmp(c->args[0], "help") == 0) {
        print_help(stdout);
        return CLI_DONE;
    }
    const struct row *row = NULL;
    for (size_t i = 0; i < ROWS && row == NULL; i++)
        if (strcmp(rows[i].name, c->args[0]) == 0)
            row = &rows[i];
    if (row == NULL)
        return unknown_command(c, c->args[0]);
    for (size_t i = 0; i < given_count; i++)
        if (!row_takes(row, given[i]))
            return cli_wrong_use(c, "%s does not take %s; expected %s", row->name, given[i]->name,
                                 *row->options == '\0' ? "--vici or --json" : row->options);
    c->args++;
    c->arg_count--;
    if (c->arg_count < row->least || (row->most != ANY && c->arg_count > row->most))
        return cli_wrong_use(c, "expected: ikebana %s %s", row->name, row->args);
    return row->run(c);
}

int main(int count, char **args)
{
    struct cli c = {.link.fd = -1};
    size_t given_count = 0;
    int code = CLI_FAILED;
    const char *no_color = getenv("NO_COLOR");
    const struct option_row **given = calloc((size_t)count + 1, sizeof *given);
    char **list = calloc((size_t)count + 1, sizeof *list);
    if (given == NULL || list == NULL || !arena_init(&c.arena)) {
        fputs("ikebana: out of memory\n", stderr);
        free(given);
        free(list);
        return CLI_FAILED;
    }
    c.args = list;
    c.uri = getenv("IKEBANA_VICI");
    if (c.uri == NULL || *c.uri == '\0')
        c.uri = DEFAULT_URI;
    c.has_colour = isatty(STDOUT_FILENO) && (no_color == NULL || *no_color == '\0');
    if (read_arguments(&c, count, args, given, &given_count, &code)) {
        c.has_terminal = isatty(STDERR_FILENO) && !c.wants_json;
        code = run(&c, given, given_count);
    }
    vici_disconnect(&c.link);
    arena_clear(&c.arena);
    free(given);
    free(list);
    if (fflush(stdout) != 0 && code == CLI_DONE)
        code = CLI_FAILED;
    return code;
}
