/* Loading and unloading: connections and shared secrets. A message is checked as a whole before
 * anything of it is loaded; the running configuration changes last, or not at all. */
#include <stdlib.h>
#include <strings.h>

#include "edge/vici_request.h"
#include "finding/finding.h"

enum { REFUSED_MAX = 100 }; /* connections of one message; what is behind them is not read */

/* Several commands of one request: how many are out, and what went wrong first. */
struct batch {
    size_t pending;
    struct finding why;
    bool has_failed;
    struct conn **conns; /* loaded by this request; one reference each */
    size_t conn_count;
    struct findings found;
};

/* All commands are out and none is pending any more. */
static void batch_end(struct vici_request *r)
{
    struct batch *b = r->state;
    struct vici_out o;
    for (size_t i = 0; i < b->conn_count; i++)
        policy_conn_unref(b->conns[i]);
    b->conn_count = 0;
    if (r->client == NULL)
        return;
    if (b->has_failed) {
        request_refuse(r, &b->why);
        return;
    }
    request_begin(r, &o);
    vici_text(&o, "success", "yes");
    reply_warnings(&o, &b->found, &r->arena);
    request_answer(r, &o);
}

static void batch_done(struct vici_request *r, bool ok, uint32_t count, const struct finding *why,
                       const struct record *record)
{
    struct batch *b = r->state;
    (void)count;
    (void)record;
    if (!ok && !b->has_failed) {
        b->has_failed = true;
        if (why == NULL || !finding_copy(why, &r->arena, &b->why))
            finding_set(&b->why, CAUSE_NONE);
    }
    if (--b->pending == 0)
        batch_end(r);
}

/* pending starts at one, for whoever hands the commands out: an outcome may come at once. */
static struct batch *batch_begin(struct vici_request *r)
{
    struct batch *b = arena_alloc(&r->arena, sizeof *b);
    if (b == NULL) {
        request_bad(r, "memory", "", "");
        return NULL;
    }
    b->pending = 1;
    b->found.arena = &r->arena;
    r->state = b;
    request_hold(r);
    return b;
}

static void batch_command(struct vici_request *r, const struct command *c)
{
    struct batch *b = r->state;
    b->pending++;
    request_command(r, c, batch_done);
}

static void batch_close(struct vici_request *r)
{
    struct batch *b = r->state;
    if (--b->pending == 0)
        batch_end(r);
    request_release(r);
}

/* The client went while loads were out: they go on, the references are ours to give back. */
static void batch_gone(struct vici_request *r)
{
    struct batch *b = r->state;
    for (size_t i = 0; i < b->conn_count; i++)
        policy_conn_unref(b->conns[i]);
    b->conn_count = 0;
}

void command_load_conn(struct vici_request *r)
{
    struct batch *b = batch_begin(r);
    if (b == NULL)
        return;
    size_t count = 0, refused = 0;
    for (const struct section *s = r->message->sections; s != NULL; s = s->next)
        count++;
    b->conns = arena_array(&r->arena, count + 1, sizeof *b->conns);
    for (const struct section *s = r->message->sections;
         b->conns != NULL && s != NULL && refused < REFUSED_MAX; s = s->next) {
        struct conn *conn = policy_conn_new(s, &b->found);
        if (conn != NULL)
            b->conns[b->conn_count++] = conn;
        else
            refused++;
    }
    if (b->conn_count < count) {
        batch_gone(r);
        if (!request_refuse_findings(r, &b->found))
            request_bad(r, "load-conn", "a connection", "none");
        request_release(r);
        return;
    }
    r->client_gone = batch_gone;
    for (size_t i = 0; i < count && r->client != NULL; i++) {
        struct command c = {.kind = CMD_LOAD_CONN, .conn = b->conns[i]};
        batch_command(r, &c);
    }
    batch_close(r);
}

static struct conn *find_conn(struct vici_request *r, const char *name)
{
    struct conn *conn;
    for (size_t i = 0; (conn = daemon_conn(r->server->daemon, i)) != NULL; i++)
        if (strcmp(conn->name, name) == 0)
            return conn;
    return NULL;
}

/* What start_action has brought about goes with the connection: the engine sees to it. */
void command_unload_conn(struct vici_request *r)
{
    const char *name = vici_get_text(r->message, "name", &r->arena, NULL);
    struct finding why;
    if (name == NULL) {
        request_bad(r, "name", "the name of a connection", "none");
        return;
    }
    const struct conn *conn = find_conn(r, name);
    if (conn == NULL) {
        finding_set(&why, CAUSE_CMD_UNKNOWN_CONNECTION);
        why.param = "name";
        why.seen = arena_escape(&r->arena, span_text(name), 100);
        request_refuse(r, &why);
        return;
    }
    if (batch_begin(r) == NULL)
        return;
    struct command c = {.kind = CMD_UNLOAD_CONN, .conn_name = name};
    batch_command(r, &c);
    batch_close(r);
}

void command_get_conns(struct vici_request *r)
{
    struct vici_out o;
    struct conn *conn;
    request_begin(r, &o);
    vici_list(&o, "conns");
    for (size_t i = 0; (conn = daemon_conn(r->server->daemon, i)) != NULL; i++)
        vici_item(&o, conn->name);
    vici_list_end(&o);
    request_answer(r, &o);
}

/* ---- secrets ---- */

static const struct setting *find_list(const struct section *in, const char *name)
{
    const struct setting *s = settings_find(in, name);
    return s != NULL && s->is_list ? s : NULL;
}

void command_load_shared(struct vici_request *r)
{
    const char *type = vici_get_text(r->message, "type", &r->arena, "");
    const char *id = vici_get_text(r->message, "id", &r->arena, NULL);
    const struct setting *data = settings_find(r->message, "data");
    const struct setting *owners = find_list(r->message, "owners");
    struct finding why;
    if (strcasecmp(type, "ike") != 0) {
        finding_set(&why, CAUSE_CMD_NOT_SERVED);
        why.param = "type";
        why.expected = "ike";
        why.seen = arena_escape(&r->arena, span_text(type), 40);
        request_refuse(r, &why);
        return;
    }
    if (data == NULL || data->is_list) {
        request_bad(r, "data", "the octets of the secret", data == NULL ? "none" : "a list");
        return;
    }
    /* Without an id it cannot be named, listed or replaced; "#" keeps it out of get-shared. */
    if (id == NULL || *id == '\0')
        id = arena_text(&r->arena, "#%llu", (unsigned long long)++r->server->next_psk);
    struct batch *b = batch_begin(r);
    if (b == NULL)
        return;
    struct psk *psk = policy_psk_from(id, data->value, owners == NULL ? NULL : owners->items,
                                      owners == NULL ? 0 : owners->item_count, &b->found);
    if (psk == NULL) {
        if (!request_refuse_findings(r, &b->found))
            request_bad(r, "data", "a secret", "one that cannot be used");
        request_release(r);
        return;
    }
    struct command c = {.kind = CMD_LOAD_PSK, .psk = psk};
    batch_command(r, &c);
    policy_psk_unref(psk);
    batch_close(r);
}

static bool psk_is_loaded(struct vici_request *r, const char *id)
{
    struct psk *psk;
    for (size_t i = 0; (psk = daemon_psk(r->server->daemon, i)) != NULL; i++)
        if (strcmp(psk->id, id) == 0)
            return true;
    return false;
}

void command_unload_shared(struct vici_request *r)
{
    const char *id = vici_get_text(r->message, "id", &r->arena, NULL);
    if (id == NULL) {
        request_bad(r, "id", "the id of a secret", "none");
        return;
    }
    /* charon: success also for an id that is not there. */
    if (!psk_is_loaded(r, id)) {
        request_success(r);
        return;
    }
    if (batch_begin(r) == NULL)
        return;
    struct command c = {.kind = CMD_UNLOAD_PSK, .conn_name = id};
    batch_command(r, &c);
    batch_close(r);
}

void command_get_shared(struct vici_request *r)
{
    struct vici_out o;
    struct psk *psk;
    request_begin(r, &o);
    vici_list(&o, "keys");
    for (size_t i = 0; (psk = daemon_psk(r->server->daemon, i)) != NULL; i++)
        if (psk->id[0] != '#')
            vici_item(&o, psk->id);
    vici_list_end(&o);
    request_answer(r, &o);
}

void command_clear_creds(struct vici_request *r)
{
    struct daemon *d = r->server->daemon;
    struct psk *psk;
    size_t count = 0;
    if (batch_begin(r) == NULL)
        return;
    while (daemon_psk(d, count) != NULL)
        count++;
    /* Unloading changes the daemon's list: the names are taken first. */
    const char **ids = arena_array(&r->arena, count + 1, sizeof *ids);
    for (size_t i = 0; ids != NULL && (psk = daemon_psk(d, i)) != NULL && i < count; i++)
        ids[i] = arena_text(&r->arena, "%s", psk->id);
    for (size_t i = 0; ids != NULL && i < count && r->client != NULL; i++) {
        struct command c = {.kind = CMD_UNLOAD_PSK, .conn_name = ids[i]};
        batch_command(r, &c);
    }
    batch_close(r);
}

/* ---- a whole file, read by the daemon ---- */

void command_load_file(struct vici_request *r)
{
    const char *path = vici_get_text(r->message, "path", &r->arena, NULL);
    struct findings found = {.arena = &r->arena};
    struct finding why;
    struct vici_out o;
    if (path == NULL || *path != '/') {
        request_bad(r, "path", "an absolute path", path == NULL ? "none" : "a relative path");
        return;
    }
    if (r->server->load == NULL) {
        finding_set(&why, CAUSE_CMD_NOT_SERVED);
        why.param = "ikebana-load-file";
        request_refuse(r, &why);
        return;
    }
    r->server->load(r->server->load_context, path, &found);
    if (request_refuse_findings(r, &found))
        return;
    request_begin(r, &o);
    vici_text(&o, "success", "yes");
    reply_warnings(&o, &found, &r->arena);
    request_answer(r, &o);
}
