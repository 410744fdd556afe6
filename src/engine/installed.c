/* Loading and unloading connections with what their children do by themselves; the commands about
 * traps and shunts, and the list of these. */
#include "engine/inside.h"

bool installed_load(struct world *w, struct conn *conn)
{
    struct conn *old = world_find_conn(w, conn->name);
    if (old != NULL)
        policy_conn_ref(old);
    bool ok = world_set_conn(w, conn);
    if (ok)
        standing_loaded(w, old, conn);
    if (old != NULL)
        policy_conn_unref(old);
    return ok;
}

bool installed_unload(struct world *w, const char *name)
{
    struct conn *old = world_find_conn(w, name);
    if (old == NULL)
        return false;
    policy_conn_ref(old);
    bool ok = world_remove_conn(w, name);
    standing_unloaded(w, old);
    policy_conn_unref(old);
    return ok;
}

static void answer(struct world *w, const struct command *c, bool ok, const struct finding *why)
{
    world_expect(w, c->ticket, 1);
    world_outcome(w, c->ticket, ok, why);
}

/* The child that the names mean; without the connection's the first of that name. */
static const struct child_conf *find_child(struct world *w, const struct command *c,
                                           struct conn **conn)
{
    const struct child_conf *conf = NULL;
    *conn = c->conn_name == NULL ? NULL : world_find_conn(w, c->conn_name);
    if (*conn != NULL)
        return policy_find_child(*conn, c->child_name);
    for (size_t i = 0; i < w->conn_count && conf == NULL && c->conn_name == NULL; i++) {
        *conn = w->conns[i];
        conf = policy_find_child(*conn, c->child_name);
    }
    return conf;
}

static void install(struct world *w, const struct command *c)
{
    struct conn *conn;
    struct finding why;
    const struct child_conf *conf = find_child(w, c, &conn);
    if (conf == NULL) {
        finding_set(&why, CAUSE_CMD_UNKNOWN_CONNECTION);
        why.param = "connections";
        why.expected = "something that is loaded";
        why.seen = c->conn_name == NULL
                       ? arena_text(&w->arena, "%s", c->child_name)
                       : arena_text(&w->arena, "%s/%s", c->conn_name, c->child_name);
        answer(w, c, false, &why);
        return;
    }
    bool ok = standing_install(w, conn, conf, &why);
    answer(w, c, ok, ok ? NULL : &why);
}

static void uninstall(struct world *w, const struct command *c)
{
    struct finding why;
    if (standing_uninstall(w, c->conn_name, c->child_name)) {
        answer(w, c, true, NULL);
        return;
    }
    finding_set(&why, CAUSE_CMD_NOT_INSTALLED);
    why.expected = "a child whose policy is installed";
    why.seen = c->conn_name == NULL ? arena_text(&w->arena, "%s", c->child_name)
                                    : arena_text(&w->arena, "%s/%s", c->conn_name, c->child_name);
    answer(w, c, false, &why);
}

void installed_command(struct world *w, const struct command *c)
{
    struct command named = *c;
    if (c->child_name == NULL) { /* one name is that of a child */
        named.child_name = c->conn_name == NULL ? "" : c->conn_name;
        named.conn_name = NULL;
    }
    if (c->kind == CMD_INSTALL)
        install(w, &named);
    else
        uninstall(w, &named);
}

bool engine_next_policy(const struct engine *e, size_t *cursor, struct policy_view *out)
{
    const struct standing *s;
    while ((s = map_next(&e->world.standings, cursor, NULL)) != NULL) {
        if (!s->is_installed)
            continue;
        *out = (struct policy_view){
            .conn_name = s->conn->name,
            .child_name = s->conf->name,
            .id = s->id,
            .mode = s->conf->mode,
            .is_block = s->kind == STANDING_BLOCK,
            .reqid = s->kind == STANDING_TRAP ? s->reqid : 0,
            .local_ts = s->local,
            .remote_ts = s->remote,
        };
        return true;
    }
    return false;
}

unsigned engine_owner(const char *conn_name, unsigned workers)
{
    return standing_owner(conn_name, workers);
}
