/* The command `ikebana`: what its commands share. */
#ifndef IKEBANA_PROGRAMS_CLI_H
#define IKEBANA_PROGRAMS_CLI_H

#include <jansson.h>

#include "edge/output.h"
#include "edge/vici_client.h"

/* Exit codes, as the manual page says. */
enum {
    CLI_DONE = 0,
    CLI_FAILED = 1, /* the negotiation failed, or the daemon refused */
    CLI_WRONG_USE = 2,
    CLI_UNREACHABLE = 3, /* no daemon, or it went away */
};

struct cli {
    const char *uri;
    bool wants_json, has_colour, has_terminal; /* terminal: progress may be shown on stderr */
    bool wants_all, wants_failed, is_forced, is_reauth, wants_names, wants_policies;
    int64_t timeout_ms; /* 0: wait for the outcome */
    int64_t limit;      /* 0 = the command's own */
    const char *file;
    char **args;
    int arg_count;
    struct vici_link link;
    struct arena arena;
};

/* ---- ikebana.c ---- */

/* Both print to stderr and give the exit code. */
int cli_wrong_use(const struct cli *c, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
int cli_unreachable(struct cli *c, const char *error);
/* true: c->link is open. false: *code is the exit code, the user was told. */
bool cli_connect(struct cli *c, int *code);
/* One call; as vici_call(), but a lost daemon is told. */
bool cli_call(struct cli *c, struct vici_out *request, vici_link_event *event, void *context,
              const struct section **answer, int *code);

/* ---- cli_show.c ---- */

bool cli_is_success(const struct section *answer);
/* Keys as text, lists as arrays, sections as objects. */
json_t *cli_json_of(const struct section *s);
void cli_print_json(json_t *tree); /* takes the reference; one document and an end of line */
/* The record in a message (key "record" or "json"), or NULL. */
json_t *cli_record_of(const struct section *message, const char *key, struct arena *a);
void cli_print_record(const struct cli *c, const json_t *record);
/* What a refusal says besides its record, on stderr. */
void cli_print_refusal(const struct cli *c, const struct section *answer);
/* "3h 12m" */
const char *cli_duration(int64_t s, struct arena *a);
/* "1.2 MiB" */
const char *cli_octets(uint64_t octets, struct arena *a);

/* ---- commands ---- */

typedef int cli_command(struct cli *c);
cli_command cli_up, cli_down, cli_rekey;                   /* cli_control.c */
cli_command cli_install, cli_uninstall, cli_list_policies; /* cli_policy.c */
cli_command cli_list, cli_why, cli_log, cli_version;       /* cli_list.c, cli_why.c */
cli_command cli_load;                                      /* cli_load.c */
cli_command cli_explain;                                   /* cli_explain.c */
cli_command cli_bench;                                     /* cli_bench.c */
cli_command cli_completion;                                /* ikebana.c */

#endif
