/* Commands: load, unload, initiate, terminate, rekey, shutdown. Each outcome that a ticket waits
 * for is counted before anything begins, so that the last one ends the command. */
#include <stdlib.h>

#include "engine/inside.h"

static void refuse(struct world *w, const struct command *c, enum cause cause, const char *param,
                   const char *seen, const char *nearest)
{
    struct finding why;
    finding_set(&why, cause);
    why.param = param;
    why.expected = "something that is loaded or up";
    why.seen = seen;
    why.nearest = nearest;
    world_expect(w, c->ticket, 1);
    world_outcome(w, c->ticket, false, &why);
}

static const char *known_names(struct world *w)
{
    const char *text = "";
    for (size_t i = 0; i < w->conn_count && i < 16; i++) {
        text = arena_text(&w->arena, "%s%s%s", text, i == 0 ? "" : ", ", w->conns[i]->name);
        for (size_t k = 0; k < w->conns[i]->child_count && k < 4; k++)
            text = arena_text(&w->arena, "%s, %s/%s", text, w->conns[i]->name,
                              w->conns[i]->children[k].name);
    }
    return w->conn_count == 0 ? "nothing is loaded" : text;
}

static bool is_name(const char *given, const char *name)
{
    return given != NULL && strcmp(given, name) == 0;
}

static bool is_shunt(const struct child_conf *conf)
{
    return conf->mode == MODE_PASS || conf->mode == MODE_DROP;
}

/* ---- initiate ---- */

/* An IKE SA of the connection that stands or is being set up by us. */
static struct ike_sa *usable_sa(struct world *w, const char *conn)
{
    struct ike_sa *best = NULL;
    for (struct ike_sa *sa = world_sa_of_conn(w, conn); sa != NULL; sa = sa->same_next) {
        if (strcmp(sa->conn->name, conn) != 0)
            continue;
        if (sa->state == SA_UP && sa->race_of == 0)
            return sa;
        if (sa->is_initiator && sa->setup != NULL)
            best = sa;
    }
    return best;
}

static void already_up(struct world *w, const struct child_sa *c, uint64_t ticket)
{
    struct finding why;
    finding_set(&why, CAUSE_CMD_ALREADY_UP);
    why.param = policy_param(&w->arena, c->conn, c->conf, "");
    why.expected = "a child that is down";
    why.seen = arena_text(&w->arena, "%s is up with SPIs %08x and %08x", c->conf->name, c->spi_in,
                          c->spi_out);
    world_outcome(w, ticket, true, &why);
}

static struct child_sa *find_up(struct world *w, const char *conn, const char *child)
{
    for (struct ike_sa *sa = world_sa_of_conn(w, conn); sa != NULL; sa = sa->same_next) {
        if (strcmp(sa->conn->name, conn) != 0)
            continue;
        for (struct child_sa *c = sa->children; c != NULL; c = c->next)
            if (c->state == CHILD_SA_UP && strcmp(c->conf->name, child) == 0)
                return c;
    }
    return NULL;
}

static void initiate_child(struct world *w, struct conn *conn, const struct child_conf *conf,
                           uint64_t ticket)
{
    struct child_sa *up = conf == NULL ? NULL : find_up(w, conn->name, conf->name);
    struct ike_sa *sa = usable_sa(w, conn->name);
    if (up != NULL) {
        already_up(w, up, ticket);
    } else if (sa == NULL) {
        if (ike2_initiate(w, conn, conf, ticket, 1) == NULL) {
            struct finding why;
            finding_set(&why, CAUSE_RES_MEMORY);
            world_outcome(w, ticket, false, &why);
        }
    } else if (conf == NULL) {
        world_outcome(w, ticket, true, NULL);
    } else if (sa->setup != NULL && sa->tasks != NULL && sa->tasks->conf != NULL &&
               sa->tasks->ticket == 0 && strcmp(sa->tasks->conf->name, conf->name) == 0) {
        sa->tasks->ticket = ticket; /* it is on its way already: wait with it */
        if (sa->record != NULL)
            sa->record->ticket = ticket;
    } else {
        ike2_want_child(w, sa, conf->name, ticket);
    }
}

static void initiate(struct world *w, const struct command *c)
{
    /* One name may be a connection's or a child's. */
    const char *only = c->conn_name == NULL    ? c->child_name
                       : c->child_name == NULL ? c->conn_name
                                               : NULL;
    struct conn *conn = NULL;
    const struct child_conf *conf = NULL;
    if (only == NULL && c->conn_name != NULL) {
        conn = world_find_conn(w, c->conn_name);
        conf = conn == NULL ? NULL : policy_find_child(conn, c->child_name);
        if (conf == NULL)
            conn = NULL;
    } else if (only != NULL) {
        if (c->conn_name != NULL)
            conn = world_find_conn(w, only);
        for (size_t i = 0; i < w->conn_count && conn == NULL; i++)
            if ((conf = policy_find_child(w->conns[i], only)) != NULL)
                conn = w->conns[i];
        if (conn == NULL)
            conn = world_find_conn(w, only);
    }
    if (conn == NULL) {
        const char *name = c->conn_name != NULL && c->child_name != NULL
                               ? arena_text(&w->arena, "%s/%s", c->conn_name, c->child_name)
                               : arena_text(&w->arena, "%s", only == NULL ? "" : only);
        refuse(w, c, CAUSE_CMD_UNKNOWN_CONNECTION, "connections", name, known_names(w));
        return;
    }
    if (conn->is_shunts || (conf != NULL && is_shunt(conf))) {
        struct finding why;
        finding_set(&why, CAUSE_CMD_SHUNT);
        why.param = policy_param(&w->arena, conn, conf != NULL ? conf : &conn->children[0], "mode");
        why.expected = "a child of mode tunnel";
        why.seen = arena_text(&w->arena, "%s", conf != NULL ? conf->name : conn->name);
        world_expect(w, c->ticket, 1);
        world_outcome(w, c->ticket, false, &why);
        return;
    }
    standing_commanded(w, conn->name, conf == NULL ? NULL : conf->name, true);
    if (conf != NULL || conn->child_count == 0) {
        world_expect(w, c->ticket, 1);
        initiate_child(w, conn, conf, c->ticket);
        return;
    }
    uint32_t count = 0;
    for (size_t i = 0; i < conn->child_count; i++)
        count += !is_shunt(&conn->children[i]);
    world_expect(w, c->ticket, count);
    for (size_t i = 0; i < conn->child_count; i++)
        if (!is_shunt(&conn->children[i]))
            initiate_child(w, conn, &conn->children[i], c->ticket);
}

/* ---- terminate, rekey ---- */

/* A command's SAs: whole IKE SAs (child NULL) or single children. */
struct hit {
    uint32_t ike_id, child_id;
};

static size_t find_hits(struct world *w, const struct command *c, struct hit **out)
{
    size_t count = 0, room = 0;
    struct hit *hits = NULL;
    const char *only = c->conn_name != NULL && c->child_name == NULL   ? c->conn_name
                       : c->conn_name == NULL && c->child_name != NULL ? c->child_name
                                                                       : NULL;
    for (unsigned pass = 0; pass < 2 && count == 0; pass++) {
        /* First the name as what it was given as, then as the other. */
        const char *conn = pass == 0 ? c->conn_name : only != NULL && c->child_name ? only : NULL;
        const char *child = pass == 0 ? c->child_name : only != NULL && c->conn_name ? only : NULL;
        if (pass == 1 && only == NULL)
            break;
        for (struct ike_sa *sa = world_sa_after(w, 0); sa != NULL; sa = world_sa_after(w, sa->id)) {
            if (sa->state == SA_REPLACED || sa->race_of != 0 || sa->conn == NULL ||
                (c->ike_id != 0 && sa->id != c->ike_id) ||
                (conn != NULL && !is_name(conn, sa->conn->name)))
                continue;
            bool whole = child == NULL && c->child_id == 0;
            if (whole && conn == NULL && c->ike_id == 0)
                continue;
            size_t children = 0;
            for (struct child_sa *k = sa->children; k != NULL; k = k->next)
                children++;
            if (count + children + 1 > room) {
                room = (count + children + 1) * 2;
                struct hit *grown = arena_array(&w->arena, room, sizeof *grown);
                if (grown == NULL)
                    return count;
                if (count > 0)
                    memcpy(grown, hits, count * sizeof *grown);
                *out = hits = grown;
            }
            if (whole) {
                hits[count++] = (struct hit){sa->id, 0};
                continue;
            }
            for (struct child_sa *k = sa->children; k != NULL; k = k->next)
                if (k->state == CHILD_SA_UP && (c->child_id == 0 || k->id == c->child_id) &&
                    (child == NULL || is_name(child, k->conf->name)))
                    hits[count++] = (struct hit){sa->id, k->id};
        }
    }
    return count;
}

static void terminate_or_rekey(struct world *w, const struct command *c)
{
    struct hit *hits = NULL;
    size_t count = find_hits(w, c, &hits);
    bool is_lifted = c->kind == CMD_TERMINATE && standing_lift(w, c->conn_name, c->child_name);
    for (size_t i = 0; i < count && c->kind == CMD_TERMINATE; i++) {
        const struct ike_sa *sa = world_sa_by_id(w, hits[i].ike_id);
        const struct child_sa *k = sa->children;
        while (k != NULL && k->id != hits[i].child_id)
            k = k->next;
        standing_commanded(w, sa->conn->name, k == NULL ? NULL : k->conf->name, false);
    }
    if (count == 0 && is_lifted) {
        world_expect(w, c->ticket, 1);
        world_outcome(w, c->ticket, true, NULL);
        return;
    }
    if (count == 0) {
        const char *name =
            c->child_name != NULL ? c->child_name
            : c->conn_name != NULL
                ? c->conn_name
                : arena_text(&w->arena, "number %u", c->ike_id != 0 ? c->ike_id : c->child_id);
        refuse(w, c, CAUSE_CMD_UNKNOWN_SA, "", arena_text(&w->arena, "%s", name),
               w->live == 0 ? "no SA is up" : "see the list of SAs");
        return;
    }
    world_expect(w, c->ticket, (uint32_t)count);
    for (size_t i = 0; i < count; i++) {
        struct ike_sa *sa = world_sa_by_id(w, hits[i].ike_id);
        bool is_child = hits[i].child_id != 0;
        if (sa == NULL)
            world_outcome(w, c->ticket, true, NULL);
        else if (c->kind == CMD_TERMINATE && is_child)
            ike2_want_close_child(w, sa, hits[i].child_id, c->ticket);
        else if (c->kind == CMD_TERMINATE)
            ike2_want_close(w, sa, c->ticket, c->is_forced);
        else if (is_child)
            ike2_want_rekey_child(w, sa, hits[i].child_id, c->ticket);
        else if (sa->state != SA_UP) {
            struct finding why;
            finding_set(&why, CAUSE_CMD_UNKNOWN_SA);
            why.seen = "an IKE SA that is not established";
            world_outcome(w, c->ticket, false, &why);
        } else if (c->is_reauth) {
            ike2_want_reauth(w, sa, c->ticket);
        } else {
            ike2_want_rekey_ike(w, sa, c->ticket);
        }
    }
}

static void shut_down(struct world *w, const struct command *c)
{
    world_expect(w, c->ticket, 1);
    w->is_leaving = true;
    for (struct ike_sa *sa = world_sa_after(w, 0), *next; sa != NULL; sa = next) {
        uint32_t id = sa->id;
        ike2_want_close(w, sa, 0, true);
        next = world_sa_after(w, id);
    }
    world_outcome(w, c->ticket, true, NULL);
}

static void loaded(struct world *w, const struct command *c, bool ok, enum cause cause,
                   const char *name)
{
    if (!ok) {
        refuse(w, c, cause, "", name == NULL ? "" : arena_text(&w->arena, "%s", name),
               known_names(w));
        return;
    }
    world_expect(w, c->ticket, 1);
    world_outcome(w, c->ticket, true, NULL);
}

void command_run(struct engine *e, const struct command *c)
{
    struct world *w = &e->world;
    switch (c->kind) {
    case CMD_LOAD_CONN:
        loaded(w, c, c->conn != NULL && installed_load(w, c->conn), CAUSE_RES_MEMORY, NULL);
        break;
    case CMD_UNLOAD_CONN:
        loaded(w, c, c->conn_name != NULL && installed_unload(w, c->conn_name),
               CAUSE_CMD_UNKNOWN_CONNECTION, c->conn_name);
        break;
    case CMD_LOAD_PSK:
        loaded(w, c, c->psk != NULL && world_set_psk(w, c->psk), CAUSE_RES_MEMORY, NULL);
        break;
    case CMD_UNLOAD_PSK:
        loaded(w, c, c->conn_name != NULL && world_remove_psk(w, c->conn_name),
               CAUSE_CMD_UNKNOWN_CONNECTION, c->conn_name);
        break;
    case CMD_INITIATE:
        initiate(w, c);
        break;
    case CMD_TERMINATE:
    case CMD_REKEY:
        terminate_or_rekey(w, c);
        break;
    case CMD_SHUTDOWN:
        shut_down(w, c);
        break;
    case CMD_INSTALL:
    case CMD_UNINSTALL:
        installed_command(w, c);
        break;
    }
}
