/* ikebana bench: how fast we are beside what the machine allows. The measurements stand in bench/.
 * Needs no daemon: `up` starts its own. */
#include "bench.h"
#include "cli.h"
#include "edge/nearest.h"

static const struct bench {
    const char *name;
    json_t *(*run)(FILE *table);
} benches[] = {
    {"handshake", bench_handshake},
    {"esp", bench_esp},
    {"up", bench_up},
    {"flood", bench_flood},
};

enum { BENCHES = sizeof benches / sizeof benches[0] };

static int unknown(struct cli *c)
{
    const char *names[BENCHES];
    for (size_t i = 0; i < BENCHES; i++)
        names[i] = benches[i].name;
    return cli_wrong_use(c, "bench: expected one of %s, seen %s",
                         nearest_list("", names, BENCHES, BENCHES, &c->arena), c->args[0]);
}

/* One measurement as one object; all of them, those that succeeded, as an array. */
int cli_bench(struct cli *c)
{
    const char *wanted = c->arg_count > 0 ? c->args[0] : NULL;
    json_t *all = json_array();
    bool is_known = false, ok = true;
    for (size_t i = 0; i < BENCHES; i++) {
        if (wanted != NULL && strcmp(wanted, benches[i].name) != 0)
            continue;
        is_known = true;
        json_t *result = benches[i].run(c->wants_json ? NULL : stdout);
        ok = ok && result != NULL;
        if (result != NULL)
            json_array_append_new(all, result);
        if (!c->wants_json && wanted == NULL)
            fputs("\n", stdout);
        fflush(stdout);
    }
    if (c->wants_json && wanted == NULL)
        cli_print_json(json_incref(all));
    else if (c->wants_json && json_array_size(all) > 0)
        cli_print_json(json_incref(json_array_get(all, 0)));
    json_decref(all);
    if (!is_known)
        return unknown(c);
    return ok ? CLI_DONE : CLI_FAILED;
}
