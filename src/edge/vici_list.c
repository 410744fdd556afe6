/* The lists: list-sas is made on the workers' threads, a piece at a time, so that neither a worker
 * nor the memory is taken by a hundred thousand SAs; list-conns comes from what the main thread
 * has loaded. */
#include <stdlib.h>

#include "edge/vici_request.h"

/* ---- list-sas ---- */

enum { PIECE_MAX = 128 }; /* SAs of one worker in one visit */

/* What one worker has made in this visit. */
struct portion {
    uint64_t cursor;
    bool is_done;
    struct vici_out events[PIECE_MAX];
    size_t count;
};

struct sa_list {
    struct vici_filter filter;
    unsigned workers;
    struct portion *portions;
    bool is_visiting;
    bool is_asking; /* inside daemon_visit_workers() */
};

static bool sa_fits(const struct ike_view *v, const struct vici_filter *f)
{
    return (f->ike == NULL || (v->conn_name != NULL && strcmp(v->conn_name, f->ike) == 0)) &&
           (f->ike_id == 0 || v->id == f->ike_id);
}

static void visit(void *context, unsigned worker, const struct engine *e, struct esp_db *db,
                  struct instant now)
{
    struct vici_request *r = context;
    struct sa_list *list = r->state;
    if (worker >= list->workers)
        return;
    struct portion *p = &list->portions[worker];
    struct ike_view v;
    struct arena a;
    p->count = 0;
    if (p->is_done || !arena_init(&a))
        return;
    for (size_t seen = 0; p->count < PIECE_MAX && seen < PIECE_MAX * 16; seen++) {
        arena_reset(&a);
        if (!engine_next_sa(e, &p->cursor, now, &a, &v)) {
            p->is_done = true;
            break;
        }
        if (!sa_fits(&v, &list->filter))
            continue;
        struct vici_out *o = &p->events[p->count++];
        vici_begin_packet(o, VICI_EVENT, vici_event_names[VICI_EVENT_LIST_SA]);
        vici_write_sa(o, &v, &list->filter, db, now, &a);
    }
    arena_clear(&a);
}

static void list_pump(struct vici_request *r);

static void finish(void *context)
{
    struct vici_request *r = context;
    struct sa_list *list = r->state;
    /* An end before the visit has begun: there is no memory for it, and no use in asking again. */
    bool is_done = true, is_vain = list->is_asking;
    list->is_visiting = false;
    for (unsigned i = 0; i < list->workers; i++) {
        struct portion *p = &list->portions[i];
        for (size_t n = 0; n < p->count; n++)
            request_event(r, VICI_EVENT_LIST_SA, &p->events[n]);
        p->count = 0;
        is_done = is_done && (p->is_done || is_vain);
    }
    if (r->client != NULL && is_done) {
        struct vici_out o;
        request_begin(r, &o);
        request_answer(r, &o);
    } else if (r->client != NULL) {
        list_pump(r);
    }
    if (!list->is_visiting && (is_done || r->client == NULL)) {
        free(list->portions);
        list->portions = NULL;
    }
    request_release(r);
}

static void list_pump(struct vici_request *r)
{
    struct sa_list *list = r->state;
    if (list->is_visiting || !request_has_room(r))
        return;
    list->is_visiting = true;
    list->is_asking = true;
    request_hold(r); /* finish() gives it back */
    request_hold(r);
    daemon_visit_workers(r->server->daemon, visit, finish, r);
    list->is_asking = false;
    request_release(r);
}

/* While a visit is out its portions are in use: finish() frees them. */
static void list_gone(struct vici_request *r)
{
    struct sa_list *list = r->state;
    if (list->is_visiting)
        return;
    free(list->portions);
    list->portions = NULL;
}

void command_list_sas(struct vici_request *r)
{
    struct sa_list *list = arena_alloc(&r->arena, sizeof *list);
    struct vici_out o;
    if (!request_wants(r, VICI_EVENT_LIST_SA)) {
        request_begin(r, &o);
        request_answer(r, &o);
        return;
    }
    if (list != NULL) {
        list->workers = daemon_workers(r->server->daemon);
        list->portions = calloc(list->workers, sizeof *list->portions);
    }
    if (list == NULL || list->portions == NULL) {
        request_bad(r, "list-sas", "memory", "none");
        return;
    }
    list->filter.ike = vici_get_text(r->message, "ike", &r->arena, NULL);
    list->filter.child = vici_get_text(r->message, "child", &r->arena, NULL);
    list->filter.ike_id = (uint32_t)vici_get_number(r->message, "ike-id", 0);
    list->filter.child_id = (uint32_t)vici_get_number(r->message, "child-id", 0);
    r->state = list;
    r->pump = list_pump;
    r->client_gone = list_gone;
    list_pump(r);
}

/* ---- list-conns ---- */

static void write_hosts(struct vici_out *o, const char *name, const struct host_pattern *hosts,
                        size_t count, struct arena *a)
{
    vici_list(o, name);
    for (size_t i = 0; i < count; i++)
        vici_item(o, policy_host_text(&hosts[i], a));
    if (count == 0)
        vici_item(o, "%any");
    vici_list_end(o);
}

static const char *auth_class(enum auth_kind kind)
{
    switch (kind) {
    case AUTH_PUBKEY:
        return "public key";
    case AUTH_PSK:
        return "pre-shared key";
    case AUTH_EAP:
        return "EAP";
    case AUTH_XAUTH:
        return "XAuth";
    }
    return "any";
}

static void write_auth(struct vici_out *o, const char *name, const struct auth_conf *auth,
                       struct arena *a)
{
    static const char *const lists[] = {"groups", "cert_policy", "certs", "cacerts"};
    vici_section(o, name);
    vici_text(o, "class", auth_class(auth->kind));
    if (auth->id.type != 0)
        vici_text(o, "id", policy_identity_text(&auth->id, a));
    for (size_t i = 0; i < 4; i++) {
        vici_list(o, lists[i]);
        vici_list_end(o);
    }
    vici_section_end(o);
}

static const char *action_name(uint32_t action)
{
    return (action & ACTION_START) != 0  ? (action & ACTION_TRAP) != 0 ? "trap|start" : "start"
           : (action & ACTION_TRAP) != 0 ? "trap"
                                         : "clear";
}

static const char *mode_name(enum child_mode mode)
{
    static const char *const names[] = {
        [MODE_TUNNEL] = "TUNNEL",
        [MODE_TRANSPORT] = "TRANSPORT",
        [MODE_PASS] = "PASS",
        [MODE_DROP] = "DROP",
    };
    return names[mode];
}

static void write_child(struct vici_out *o, const struct child_conf *c, struct arena *a)
{
    vici_section(o, c->name);
    vici_text(o, "mode", mode_name(c->mode));
    vici_format(o, "rekey_time", "%llu", (unsigned long long)c->rekey_time_s);
    vici_format(o, "rekey_bytes", "%llu", (unsigned long long)c->rekey_bytes);
    vici_format(o, "rekey_packets", "%llu", (unsigned long long)c->rekey_packets);
    vici_text(o, "dpd_action", action_name(c->dpd_action));
    vici_text(o, "close_action", action_name(c->close_action));
    vici_write_selectors(o, "local-ts", &c->local_ts, a);
    vici_write_selectors(o, "remote-ts", &c->remote_ts, a);
    if (c->priority != 0)
        vici_format(o, "priority", "%u", c->priority);
    vici_section_end(o);
}

static void write_conn(struct vici_out *o, const struct conn *c, struct arena *a)
{
    static const char *const versions[] = {"IKEv1/2", "IKEv1", "IKEv2"};
    vici_section(o, c->name);
    write_hosts(o, "local_addrs", c->local_addrs, c->local_count, a);
    write_hosts(o, "remote_addrs", c->remote_addrs, c->remote_count, a);
    vici_format(o, "local_port", "%u", c->local_port);
    vici_format(o, "remote_port", "%u", c->remote_port);
    vici_text(o, "version", versions[c->version > 2 ? 2 : c->version]);
    vici_format(o, "reauth_time", "%llu", (unsigned long long)c->reauth_time_s);
    vici_format(o, "rekey_time", "%llu", (unsigned long long)c->rekey_time_s);
    vici_text(o, "unique", "UNIQUE_NO");
    if (c->dpd_delay_s != 0)
        vici_format(o, "dpd_delay", "%llu", (unsigned long long)c->dpd_delay_s);
    write_auth(o, "local-1", &c->local, a);
    write_auth(o, "remote-1", &c->remote, a);
    vici_section(o, "children");
    for (size_t i = 0; i < c->child_count; i++)
        write_child(o, &c->children[i], a);
    vici_section_end(o);
    vici_section_end(o);
}

/* A list that the main thread has: one event each, in pieces as the client reads. */
struct conn_list {
    const char *ike, *child;
    size_t next;
};

static void conns_pump(struct vici_request *r)
{
    struct conn_list *list = r->state;
    struct vici_out o;
    struct arena a;
    const struct conn *conn = NULL;
    if (!arena_init(&a)) {
        request_bad(r, "list-conns", "memory", "none");
        return;
    }
    while (request_has_room(r) && (conn = daemon_conn(r->server->daemon, list->next)) != NULL) {
        list->next++;
        if (list->ike != NULL && strcmp(list->ike, conn->name) != 0)
            continue;
        arena_reset(&a);
        vici_begin_packet(&o, VICI_EVENT, vici_event_names[VICI_EVENT_LIST_CONN]);
        write_conn(&o, conn, &a);
        request_event(r, VICI_EVENT_LIST_CONN, &o);
    }
    arena_clear(&a);
    if (daemon_conn(r->server->daemon, list->next) != NULL)
        return;
    request_begin(r, &o);
    request_answer(r, &o);
}

void command_list_conns(struct vici_request *r)
{
    struct conn_list *list = arena_alloc(&r->arena, sizeof *list);
    if (list == NULL) {
        request_bad(r, "list-conns", "memory", "none");
        return;
    }
    list->ike = vici_get_text(r->message, "ike", &r->arena, NULL);
    r->state = list;
    r->pump = conns_pump;
    conns_pump(r);
}
