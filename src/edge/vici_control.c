/* initiate, terminate, rekey: each is answered when the outcome that it names is there, and tells
 * on the way what happens (control-log). Names are looked up here, so that a wrong one is told at
 * once with the right ones beside it. */
#include <limits.h>
#include <stdlib.h>

#include "edge/nearest.h"
#include "edge/vici_request.h"
#include "finding/finding.h"

struct control {
    struct command command;
    const char *name;  /* our own key: a connection, a child, or CONN/CHILD; NULL = not given */
    bool may_be_child; /* name is not loaded: tried as a connection first, then as a child */
    bool is_quick;     /* negative timeout: nobody waits */
};

static uint32_t id_of(struct vici_request *r, const char *key)
{
    int64_t id = vici_get_number(r->message, key, 0);
    return id > 0 && id <= UINT32_MAX ? (uint32_t)id : 0;
}

/* Names of all connections and children that are loaded. */
static const char **all_names(struct vici_request *r, size_t *count)
{
    struct daemon *d = r->server->daemon;
    const struct conn *conn;
    size_t room = 0;
    *count = 0;
    for (size_t i = 0; (conn = daemon_conn(d, i)) != NULL; i++)
        room += 1 + conn->child_count;
    const char **names = arena_array(&r->arena, room + 1, sizeof *names);
    for (size_t i = 0; names != NULL && (conn = daemon_conn(d, i)) != NULL; i++) {
        names[(*count)++] = conn->name;
        for (size_t n = 0; n < conn->child_count; n++)
            names[(*count)++] = conn->children[n].name;
    }
    return names;
}

static void refuse_name(struct vici_request *r, const char *param, const char *name)
{
    struct finding why;
    size_t count;
    finding_set(&why, CAUSE_CMD_UNKNOWN_CONNECTION);
    const char **names = all_names(r, &count);
    why.param = param;
    why.expected = count == 0 ? "a loaded connection; none is loaded"
                              : "the name of a loaded connection or child";
    why.seen = arena_escape(&r->arena, span_text(name), 100);
    if (names != NULL && count < 5000)
        why.nearest = nearest_list(name, names, count, 8, &r->arena);
    request_refuse(r, &why);
}

static const struct conn *find_conn(struct vici_request *r, const char *name)
{
    const struct conn *conn;
    for (size_t i = 0; (conn = daemon_conn(r->server->daemon, i)) != NULL; i++)
        if (strcmp(conn->name, name) == 0)
            return conn;
    return NULL;
}

static const struct conn *find_conn_of_child(struct vici_request *r, const char *name)
{
    const struct conn *conn;
    for (size_t i = 0; (conn = daemon_conn(r->server->daemon, i)) != NULL; i++)
        if (policy_find_child(conn, name) != NULL)
            return conn;
    return NULL;
}

/* name → connection and child. true: at least one of them is loaded. */
static bool resolve_name(struct vici_request *r, struct control *c)
{
    const char *slash = strchr(c->name, '/');
    const struct conn *conn = find_conn(r, c->name);
    if (conn != NULL) {
        c->command.conn_name = c->name;
        return true;
    }
    conn = find_conn_of_child(r, c->name);
    if (conn != NULL) {
        c->command.conn_name = conn->name;
        c->command.child_name = c->name;
        return true;
    }
    if (slash != NULL) {
        c->command.conn_name = arena_text(&r->arena, "%.*s", (int)(slash - c->name), c->name);
        c->command.child_name = slash + 1;
        conn = find_conn(r, c->command.conn_name);
        return conn != NULL && policy_find_child(conn, c->command.child_name) != NULL;
    }
    c->command.conn_name = c->name;
    c->may_be_child = true;
    return false;
}

static struct control *control_new(struct vici_request *r, enum command_kind kind)
{
    struct control *c = arena_alloc(&r->arena, sizeof *c);
    if (c == NULL)
        return NULL;
    c->command.kind = kind;
    c->command.conn_name = vici_get_text(r->message, "ike", &r->arena, NULL);
    c->command.child_name = vici_get_text(r->message, "child", &r->arena, NULL);
    c->command.ike_id = id_of(r, "ike-id");
    c->command.child_id = id_of(r, "child-id");
    c->command.is_forced = vici_get_bool(r->message, "force", false);
    c->name = vici_get_text(r->message, "name", &r->arena, NULL);
    r->state = c;
    return c;
}

/* Sends it, with or without somebody who waits. */
static void control_run(struct vici_request *r, struct control *c, vici_outcome *outcome)
{
    int64_t timeout = vici_get_number(r->message, "timeout", 0);
    if (timeout < 0) {
        daemon_command(r->server->daemon, &c->command, NULL, NULL);
        request_success(r);
        return;
    }
    r->conn_name = c->command.conn_name;
    r->child_name = c->command.child_name;
    r->is_streaming = true;
    if (timeout > 0)
        request_timeout(r, timeout);
    request_command(r, &c->command, outcome);
}

/* ---- initiate ---- */

static void on_initiated(struct vici_request *r, bool ok, uint32_t count, const struct finding *why,
                         const struct record *record)
{
    struct vici_out o;
    (void)count;
    request_begin(r, &o);
    if (ok) {
        vici_text(&o, "success", "yes");
        reply_record(&o, record);
    } else {
        reply_failure(&o, why, record, &r->arena);
    }
    request_answer(r, &o);
}

void command_initiate(struct vici_request *r)
{
    struct control *c = control_new(r, CMD_INITIATE);
    if (c == NULL ||
        (c->name == NULL && c->command.conn_name == NULL && c->command.child_name == NULL)) {
        request_bad(r, "initiate", "a child or an ike", "neither");
        return;
    }
    if (c->name != NULL) {
        if (!resolve_name(r, c)) {
            refuse_name(r, "name", c->name);
            return;
        }
    } else if (c->command.conn_name != NULL) {
        const struct conn *conn = find_conn(r, c->command.conn_name);
        if (conn == NULL) {
            refuse_name(r, "ike", c->command.conn_name);
            return;
        }
        if (c->command.child_name != NULL &&
            policy_find_child(conn, c->command.child_name) == NULL) {
            refuse_name(r, "child", c->command.child_name);
            return;
        }
    } else {
        const struct conn *conn = find_conn_of_child(r, c->command.child_name);
        if (conn == NULL) {
            refuse_name(r, "child", c->command.child_name);
            return;
        }
        c->command.conn_name = conn->name;
    }
    control_run(r, c, on_initiated);
}

/* ---- terminate and rekey ---- */

static bool is_about_something(const struct control *c)
{
    return c->name != NULL || c->command.conn_name != NULL || c->command.child_name != NULL ||
           c->command.ike_id != 0 || c->command.child_id != 0;
}

static void on_changed(struct vici_request *r, bool ok, uint32_t count, const struct finding *why,
                       const struct record *record);

/* The name of an SA whose connection is no longer loaded may be a child's. */
static bool try_as_child(struct vici_request *r)
{
    struct control *c = r->state;
    if (!c->may_be_child)
        return false;
    c->may_be_child = false;
    c->command.conn_name = NULL;
    c->command.child_name = c->name;
    r->conn_name = NULL;
    r->child_name = c->name;
    request_command(r, &c->command, on_changed);
    return true;
}

static void on_changed(struct vici_request *r, bool ok, uint32_t count, const struct finding *why,
                       const struct record *record)
{
    const struct control *c = r->state;
    struct vici_out o;
    if (!ok && count == 0 && try_as_child(r))
        return;
    request_begin(r, &o);
    if (ok)
        vici_text(&o, "success", "yes");
    vici_format(&o, "matches", "%u", count);
    if (c->command.kind == CMD_TERMINATE)
        vici_format(&o, "terminated", "%u", ok ? count : 0);
    if (ok)
        reply_record(&o, record);
    else
        reply_failure(&o, why, record, &r->arena);
    request_answer(r, &o);
}

static void change(struct vici_request *r, enum command_kind kind, const char *command)
{
    struct control *c = control_new(r, kind);
    if (c == NULL || !is_about_something(c)) {
        request_bad(r, command, "an ike, a child, an ike-id or a child-id", "none of them");
        return;
    }
    c->command.is_reauth = kind == CMD_REKEY && vici_get_bool(r->message, "reauth", false);
    if (c->name != NULL)
        resolve_name(r, c); /* an SA may be up whose connection was unloaded */
    control_run(r, c, on_changed);
}

void command_terminate(struct vici_request *r)
{
    change(r, CMD_TERMINATE, "terminate");
}

void command_rekey(struct vici_request *r)
{
    change(r, CMD_REKEY, "rekey");
}
