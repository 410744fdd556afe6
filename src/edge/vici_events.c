/* The daemon's events for whoever has registered: SA events with the keys of list-sa as far as an
 * event knows them, log lines, records; and control-log for the command that waits. */
#include "edge/vici_request.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdlib.h>

#include "diagnose/render.h"
#include "edge/output.h"

static const char *group_of(const struct event *e)
{
    switch (e->kind) {
    case EVENT_CHILD_UP:
    case EVENT_CHILD_DOWN:
    case EVENT_CHILD_REKEYED:
        return "CHD";
    case EVENT_COMMAND_DONE:
        return "CFG";
    case EVENT_IKE_UP:
    case EVENT_IKE_DOWN:
    case EVENT_IKE_REKEYED:
    case EVENT_REFUSED:
    case EVENT_NOTICE:
    case EVENT_PROGRESS:
    case EVENT_RECORD:
        return "IKE";
    }
    return "IKE";
}

/* charon's levels: 0 what must be seen, 1 what happens, 2 and up details. */
static unsigned level_of(const struct event *e)
{
    enum log_level level = output_event_level(e);
    return level <= LOG_LEVEL_WARNING ? 0 : level <= LOG_LEVEL_INFO ? 1 : 2;
}

static void write_line(struct vici_out *o, const struct daemon_event *e, const char *line,
                       bool has_thread)
{
    vici_text(o, "group", group_of(&e->event));
    vici_format(o, "level", "%u", level_of(&e->event));
    if (has_thread)
        vici_format(o, "thread", "%u", e->worker + 1);
    vici_text_if(o, "ikesa-name", e->event.conn_name);
    if (e->event.ike_id != 0)
        vici_format(o, "ikesa-uniqueid", "%u", e->event.ike_id);
    vici_text(o, "msg", line);
}

static bool is_same(const char *x, const char *y)
{
    return x != NULL && y != NULL && *y != '\0' && strcmp(x, y) == 0;
}

/* Is this event about what the request waits for? Its own negotiation by its ticket; what has none
 * by the names. */
static bool concerns(const struct vici_request *r, const struct event *e)
{
    for (const struct vici_wait *w = r->waits; w != NULL; w = w->next)
        if (e->ticket != 0 && e->ticket == w->ticket)
            return true;
    return e->ticket == 0 && (is_same(r->conn_name, e->conn_name) ||
                              (r->conn_name == NULL && is_same(r->child_name, e->child_name)));
}

static void tell_waiting(struct vici_server *s, const struct daemon_event *e, const char *line)
{
    struct vici_out o;
    if (s->registered[VICI_EVENT_CONTROL_LOG] == 0 || e->event.kind == EVENT_COMMAND_DONE ||
        e->event.kind == EVENT_RECORD)
        return;
    for (struct vici_client *c = s->clients; c != NULL; c = c->next) {
        struct vici_request *r = c->request;
        if (r == NULL || !r->is_streaming || c->registered[VICI_EVENT_CONTROL_LOG] == 0 ||
            uv_stream_get_write_queue_size(&c->stream) > QUEUE_MAX || !concerns(r, &e->event))
            continue;
        if (vici_get_number(r->message, "loglevel", 1) < (int64_t)level_of(&e->event))
            continue;
        vici_begin_packet(&o, VICI_EVENT, vici_event_names[VICI_EVENT_CONTROL_LOG]);
        write_line(&o, e, line, false);
        request_event(r, VICI_EVENT_CONTROL_LOG, &o);
    }
}

/* ---- SA events ---- */

static const struct conn *find_conn(struct vici_server *s, const char *name)
{
    const struct conn *conn;
    for (size_t i = 0; (conn = daemon_conn(s->daemon, i)) != NULL; i++)
        if (strcmp(conn->name, name) == 0)
            return conn;
    return NULL;
}

/* Of an event without identities: those that are configured, if they are exact, and else the
 * address. */
static const char *identity(const struct auth_conf *auth, const struct address *host,
                            struct arena *a)
{
    if (auth != NULL && auth->id.type != 0)
        return policy_identity_text(&auth->id, a);
    return address_text(a, host);
}

static void write_ike(struct vici_out *o, struct vici_server *s, const struct event *e, uint32_t id,
                      const char *state)
{
    struct arena *a = &s->arena;
    const struct conn *conn = find_conn(s, e->conn_name);
    vici_format(o, "uniqueid", "%u", id);
    vici_text(o, "version", "2");
    vici_text(o, "state", state);
    vici_text(o, "local-host", address_text(a, &e->local));
    vici_format(o, "local-port", "%u", e->local.port);
    vici_text(o, "local-id",
              e->local_id != NULL ? e->local_id
                                  : identity(conn == NULL ? NULL : &conn->local, &e->local, a));
    vici_text(o, "remote-host", address_text(a, &e->remote));
    vici_format(o, "remote-port", "%u", e->remote.port);
    vici_text(o, "remote-id",
              e->remote_id != NULL ? e->remote_id
                                   : identity(conn == NULL ? NULL : &conn->remote, &e->remote, a));
    vici_format(o, "initiator-spi", "%016" PRIx64, e->spi_i);
    vici_format(o, "responder-spi", "%016" PRIx64, e->spi_r);
}

static void write_child(struct vici_out *o, struct vici_server *s, const struct event *e,
                        uint32_t id, const char *state, bool has_suite)
{
    vici_text(o, "name", e->child_name);
    vici_format(o, "uniqueid", "%u", id);
    vici_format(o, "reqid", "%u", e->reqid);
    vici_text(o, "state", state);
    vici_text(o, "mode", "TUNNEL");
    vici_text(o, "protocol", "ESP");
    if (has_suite) {
        vici_format(o, "spi-in", "%08x", e->spi_in);
        vici_format(o, "spi-out", "%08x", e->spi_out);
        vici_write_child_suite(o, &e->suite, &s->arena);
    }
    /* It is as new as can be, and swanctl --monitor-sa prints these. */
    if (has_suite && strcmp(state, "INSTALLED") == 0) {
        static const char *const fresh[] = {"bytes-in", "packets-in", "bytes-out", "packets-out",
                                            "install-time"};
        for (size_t i = 0; i < sizeof fresh / sizeof fresh[0]; i++)
            vici_text(o, fresh[i], "0");
    }
    if (e->kind == EVENT_CHILD_DOWN && e->has_traffic) {
        vici_format(o, "bytes-in", "%" PRIu64, e->bytes_in);
        vici_format(o, "packets-in", "%" PRIu64, e->packets_in);
        vici_format(o, "bytes-out", "%" PRIu64, e->bytes_out);
        vici_format(o, "packets-out", "%" PRIu64, e->packets_out);
    }
    if (e->kind == EVENT_CHILD_DOWN)
        vici_format(o, "install-time", "%" PRId64, e->installed_s_ago);
    vici_write_selectors(o, "local-ts", &e->local_ts, &s->arena);
    vici_write_selectors(o, "remote-ts", &e->remote_ts, &s->arena);
}

static void ike_updown(struct vici_server *s, const struct event *e, bool is_up)
{
    struct vici_out o;
    vici_begin_packet(&o, VICI_EVENT, vici_event_names[VICI_EVENT_IKE_UPDOWN]);
    if (is_up)
        vici_text(&o, "up", "yes");
    vici_section(&o, e->conn_name);
    write_ike(&o, s, e, e->ike_id, is_up ? "ESTABLISHED" : "DELETING");
    if (is_up)
        vici_write_ike_suite(&o, &e->suite, &s->arena);
    vici_section(&o, "child-sas");
    vici_section_end(&o);
    vici_section_end(&o);
    server_event(s, VICI_EVENT_IKE_UPDOWN, &o);
}

static void ike_rekey(struct vici_server *s, const struct event *e)
{
    struct vici_out o;
    vici_begin_packet(&o, VICI_EVENT, vici_event_names[VICI_EVENT_IKE_REKEY]);
    vici_section(&o, e->conn_name);
    vici_section(&o, "old");
    write_ike(&o, s, e, e->old_id, "REKEYED");
    vici_section_end(&o);
    vici_section(&o, "new");
    write_ike(&o, s, e, e->ike_id, "ESTABLISHED");
    vici_write_ike_suite(&o, &e->suite, &s->arena);
    vici_section_end(&o);
    vici_section_end(&o);
    server_event(s, VICI_EVENT_IKE_REKEY, &o);
}

static void child_updown(struct vici_server *s, const struct event *e, bool is_up)
{
    struct vici_out o;
    vici_begin_packet(&o, VICI_EVENT, vici_event_names[VICI_EVENT_CHILD_UPDOWN]);
    if (is_up)
        vici_text(&o, "up", "yes");
    vici_section(&o, e->conn_name);
    write_ike(&o, s, e, e->ike_id, "ESTABLISHED");
    vici_section(&o, "child-sas");
    vici_section(&o, arena_text(&s->arena, "%s-%u", e->child_name, e->child_id));
    write_child(&o, s, e, e->child_id, is_up ? "INSTALLED" : "DELETING", true);
    vici_section_end(&o);
    vici_section_end(&o);
    vici_section_end(&o);
    server_event(s, VICI_EVENT_CHILD_UPDOWN, &o);
}

/* The section has the plain name of the child here, as with charon. */
static void child_rekey(struct vici_server *s, const struct event *e)
{
    struct vici_out o;
    vici_begin_packet(&o, VICI_EVENT, vici_event_names[VICI_EVENT_CHILD_REKEY]);
    vici_section(&o, e->conn_name);
    write_ike(&o, s, e, e->ike_id, "ESTABLISHED");
    vici_section(&o, "child-sas");
    vici_section(&o, e->child_name);
    vici_section(&o, "old");
    write_child(&o, s, e, e->old_id, "REKEYED", false);
    vici_section_end(&o);
    vici_section(&o, "new");
    write_child(&o, s, e, e->child_id, "INSTALLED", true);
    vici_section_end(&o);
    vici_section_end(&o);
    vici_section_end(&o);
    vici_section_end(&o);
    server_event(s, VICI_EVENT_CHILD_REKEY, &o);
}

static void record_event(struct vici_server *s, const struct record *record)
{
    struct vici_out o;
    json_t *tree = diagnose_record_to_json(record);
    char *json = tree == NULL ? NULL : json_dumps(tree, JSON_COMPACT);
    json_decref(tree);
    if (json == NULL)
        return;
    vici_begin_packet(&o, VICI_EVENT, vici_event_names[VICI_EVENT_RECORD]);
    vici_format(&o, "number", "%" PRIu64, record->number);
    vici_long(&o, "json", span_text(json));
    free(json);
    server_event(s, VICI_EVENT_RECORD, &o);
}

static void sa_event(struct vici_server *s, const struct event *e)
{
    const unsigned *wanted = s->registered;
    switch (e->kind) {
    case EVENT_IKE_UP:
    case EVENT_IKE_DOWN:
        if (wanted[VICI_EVENT_IKE_UPDOWN] > 0)
            ike_updown(s, e, e->kind == EVENT_IKE_UP);
        return;
    case EVENT_IKE_REKEYED:
        if (wanted[VICI_EVENT_IKE_REKEY] > 0)
            ike_rekey(s, e);
        return;
    case EVENT_CHILD_UP:
    case EVENT_CHILD_DOWN:
        if (wanted[VICI_EVENT_CHILD_UPDOWN] > 0)
            child_updown(s, e, e->kind == EVENT_CHILD_UP);
        return;
    case EVENT_CHILD_REKEYED:
        if (wanted[VICI_EVENT_CHILD_REKEY] > 0)
            child_rekey(s, e);
        return;
    case EVENT_RECORD:
        if (wanted[VICI_EVENT_RECORD] > 0 && e->record != NULL)
            record_event(s, e->record);
        return;
    case EVENT_REFUSED:
    case EVENT_NOTICE:
    case EVENT_PROGRESS:
    case EVENT_COMMAND_DONE:
        return;
    }
}

void vici_on_event(void *context, const struct daemon_event *e)
{
    struct vici_server *s = context;
    struct vici_out o;
    if (s->clients == NULL)
        return;
    arena_reset(&s->arena);
    sa_event(s, &e->event);
    if (s->registered[VICI_EVENT_LOG] == 0 && s->registered[VICI_EVENT_CONTROL_LOG] == 0)
        return;
    const char *line = diagnose_event_line(&e->event, &s->arena);
    if (line == NULL || *line == '\0')
        return;
    tell_waiting(s, e, line);
    if (s->registered[VICI_EVENT_LOG] == 0 || level_of(&e->event) > 1)
        return;
    vici_begin_packet(&o, VICI_EVENT, vici_event_names[VICI_EVENT_LOG]);
    write_line(&o, e, line, true);
    server_event(s, VICI_EVENT_LOG, &o);
}
