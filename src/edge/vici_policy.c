/* Policies without an SA: install, uninstall, list-policies. The list is made on the workers'
 * threads, of what stands there, in one visit. */
#include <stdlib.h>

#include "edge/vici_request.h"
#include "finding/finding.h"

/* ---- install, uninstall ---- */

static void on_done(struct vici_request *r, bool ok, uint32_t count, const struct finding *why,
                    const struct record *record)
{
    struct vici_out o;
    (void)count;
    (void)record;
    request_begin(r, &o);
    if (ok)
        vici_text(&o, "success", "yes");
    else
        reply_failure(&o, why, NULL, &r->arena);
    request_answer(r, &o);
}

static void run(struct vici_request *r, enum command_kind kind)
{
    struct command c = {
        .kind = kind,
        .conn_name = vici_get_text(r->message, "ike", &r->arena, NULL),
        .child_name = vici_get_text(r->message, "child", &r->arena, NULL),
    };
    if (c.child_name == NULL) {
        request_bad(r, "child", "the name of a child", "none");
        return;
    }
    request_command(r, &c, on_done);
}

void command_install(struct vici_request *r)
{
    run(r, CMD_INSTALL);
}

void command_uninstall(struct vici_request *r)
{
    run(r, CMD_UNINSTALL);
}

/* ---- list-policies ---- */

struct portion {
    struct vici_out *events;
    size_t count, room;
};

struct policy_list {
    const char *ike, *child; /* NULL = any */
    bool trap, pass, drop, block;
    unsigned workers;
    struct portion *portions;
};

static const char *mode_of(const struct policy_view *p)
{
    if (p->is_block)
        return "BLOCK";
    switch (p->mode) {
    case MODE_TUNNEL:
        return "TUNNEL";
    case MODE_TRANSPORT:
        return "TRANSPORT";
    case MODE_PASS:
        return "PASS";
    case MODE_DROP:
        return "DROP";
    }
    return "";
}

static bool is_wanted(const struct policy_list *l, const struct policy_view *p)
{
    bool kind = p->is_block            ? l->block
                : p->mode == MODE_PASS ? l->pass
                : p->mode == MODE_DROP ? l->drop
                                       : l->trap;
    return kind && (l->ike == NULL || strcmp(l->ike, p->conn_name) == 0) &&
           (l->child == NULL || strcmp(l->child, p->child_name) == 0);
}

static struct vici_out *add_event(struct portion *p)
{
    if (p->count == p->room) {
        size_t room = p->room == 0 ? 16 : p->room * 2;
        struct vici_out *events = realloc(p->events, room * sizeof *events);
        if (events == NULL)
            return NULL;
        p->events = events;
        p->room = room;
    }
    return &p->events[p->count++];
}

/* On a worker's thread. */
static void visit(void *context, unsigned worker, const struct engine *e, struct esp_db *db,
                  struct instant now)
{
    struct vici_request *r = context;
    struct policy_list *l = r->state;
    struct policy_view view;
    struct arena a;
    size_t cursor = 0;
    (void)db;
    (void)now;
    if (worker >= l->workers || !arena_init(&a))
        return;
    while (engine_next_policy(e, &cursor, &view)) {
        struct vici_out *o = is_wanted(l, &view) ? add_event(&l->portions[worker]) : NULL;
        if (o == NULL)
            continue;
        arena_reset(&a);
        vici_begin_packet(o, VICI_EVENT, vici_event_names[VICI_EVENT_LIST_POLICY]);
        vici_section(o, arena_text(&a, "%s/%s", view.conn_name, view.child_name));
        vici_text(o, "child", view.child_name);
        if (view.reqid != 0)
            vici_format(o, "reqid", "%u", view.reqid);
        vici_text(o, "ike", view.conn_name);
        vici_text(o, "mode", mode_of(&view));
        vici_write_selectors(o, "local-ts", &view.local_ts, &a);
        vici_write_selectors(o, "remote-ts", &view.remote_ts, &a);
        vici_section_end(o);
    }
    arena_clear(&a);
}

static void finish(void *context)
{
    struct vici_request *r = context;
    struct policy_list *l = r->state;
    for (unsigned i = 0; i < l->workers; i++) {
        for (size_t n = 0; n < l->portions[i].count; n++)
            request_event(r, VICI_EVENT_LIST_POLICY, &l->portions[i].events[n]);
        free(l->portions[i].events);
    }
    free(l->portions);
    if (r->client != NULL) {
        struct vici_out o;
        request_begin(r, &o);
        request_answer(r, &o);
    }
    request_release(r);
}

/* Presence counts, not the value, as with charon. */
void command_list_policies(struct vici_request *r)
{
    struct policy_list *l = arena_alloc(&r->arena, sizeof *l);
    if (l != NULL) {
        *l = (struct policy_list){
            .ike = vici_get_text(r->message, "ike", &r->arena, NULL),
            .child = vici_get_text(r->message, "child", &r->arena, NULL),
            .trap = settings_find(r->message, "trap") != NULL,
            .pass = settings_find(r->message, "pass") != NULL,
            .drop = settings_find(r->message, "drop") != NULL,
            .block = settings_find(r->message, "ikebana-block") != NULL,
            .workers = daemon_workers(r->server->daemon),
        };
        l->portions = calloc(l->workers == 0 ? 1 : l->workers, sizeof *l->portions);
    }
    if (l == NULL || l->portions == NULL) {
        request_bad(r, "list-policies", "memory", "none");
        return;
    }
    r->state = l;
    request_hold(r); /* finish() gives it back */
    daemon_visit_workers(r->server->daemon, visit, finish, r);
}
