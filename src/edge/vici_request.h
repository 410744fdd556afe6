/* Inside the VICI server: clients, requests, events. Not for other parts of edge.
 *
 * A request lives from its packet to its answer, or to the end of its client; callbacks that are
 * still out hold it (request_hold() / request_release()). A command of the daemon that it awaits is
 * a struct vici_wait: when the client goes, the wait is forgotten (daemon_forget()), the
 * negotiation goes on. Long answers are pumped: a piece is made whenever the client's queue has
 * become short. */
#ifndef IKEBANA_EDGE_VICI_REQUEST_H
#define IKEBANA_EDGE_VICI_REQUEST_H

#include "edge/vici_codec.h"
#include "edge/vici_server.h"
#include "edge/vici_uri.h"

enum vici_event_kind {
    VICI_EVENT_LOG,
    VICI_EVENT_CONTROL_LOG,
    VICI_EVENT_LIST_SA,
    VICI_EVENT_LIST_POLICY,
    VICI_EVENT_LIST_CONN,
    VICI_EVENT_LIST_CERT,
    VICI_EVENT_LIST_AUTHORITY,
    VICI_EVENT_IKE_UPDOWN,
    VICI_EVENT_IKE_REKEY,
    VICI_EVENT_IKE_UPDATE,
    VICI_EVENT_CHILD_UPDOWN,
    VICI_EVENT_CHILD_REKEY,
    VICI_EVENT_ALERT,
    VICI_EVENT_RECORD,
    VICI_EVENT_COUNT,
};
extern const char *const vici_event_names[VICI_EVENT_COUNT];

enum {
    REGISTRATIONS_MAX = 16,      /* of one event by one client */
    QUEUE_SHORT = 256 * 1024,    /* below it, pumped answers and further requests go on */
    QUEUE_MAX = 8 * 1024 * 1024, /* above it, events for all are dropped for this client */
    CLIENTS_MAX = 512,
};

struct vici_request;

struct vici_client {
    struct vici_server *server;
    struct vici_client *prev, *next;
    union {
        uv_handle_t handle;
        uv_stream_t stream;
        uv_pipe_t pipe;
        uv_tcp_t tcp;
    };
    uint8_t *in;
    size_t in_len, in_room;
    bool is_reading, is_processing, is_closing;
    uint8_t registered[VICI_EVENT_COUNT];
    uint64_t events_lost;
    struct vici_request *request; /* the one that is being served */
};

struct vici_server {
    struct daemon *daemon;
    struct history *history;
    union {
        uv_handle_t handle;
        uv_stream_t stream;
        uv_pipe_t pipe;
        uv_tcp_t tcp;
    };
    struct vici_uri uri;
    struct vici_client *clients;
    size_t client_count;
    unsigned holds; /* handles and requests that still point here */
    bool is_stopped;
    unsigned registered[VICI_EVENT_COUNT]; /* over all clients */
    uint64_t events_lost;
    uint64_t next_psk; /* for secrets that come without an id */
    vici_load_file *load;
    void *load_context;
    struct arena arena; /* for one event at a time */
};

struct vici_wait;
/* Outcome of one daemon command; the wait is gone when this is called. */
typedef void vici_outcome(struct vici_request *r, bool ok, uint32_t count,
                          const struct finding *why, const struct record *record);

struct vici_request {
    struct vici_server *server;
    struct vici_client *client; /* NULL: gone, or answered */
    unsigned holds;
    struct arena arena; /* message and everything that the command needs */
    const struct section *message;
    uint8_t *octets; /* what the message was read from: may hold a secret, wiped at the end */
    size_t octets_len;
    void (*pump)(struct vici_request *r);        /* make the next piece, or NULL */
    void (*client_gone)(struct vici_request *r); /* cancel what is asked elsewhere, or NULL */
    void *state;                                 /* the command's, in the arena */
    struct vici_wait *waits;
    uv_timer_t *timer;
    /* what a waiting command is about, for control-log */
    const char *conn_name, *child_name;
    bool is_streaming;
};

struct vici_wait {
    struct vici_wait *next;
    struct vici_request *request;
    uint64_t ticket;
    bool *is_done;
    vici_outcome *outcome;
};

/* ---- vici_server.c ---- */

void request_hold(struct vici_request *r);
void request_release(struct vici_request *r);
/* Begins an answer; request_answer() sends it and ends the request: r may be gone afterwards. */
void request_begin(struct vici_request *r, struct vici_out *o);
void request_answer(struct vici_request *r, struct vici_out *o);
/* An event for this request's client, if it has registered; takes the packet over. */
void request_event(struct vici_request *r, enum vici_event_kind kind, struct vici_out *o);
bool request_wants(const struct vici_request *r, enum vici_event_kind kind);
/* The client's queue is short enough for more. */
bool request_has_room(const struct vici_request *r);
/* An event for everybody who has registered; takes the packet over. */
void server_event(struct vici_server *s, enum vici_event_kind kind, struct vici_out *o);

/* ---- vici_reply.c ---- */

/* success=yes, and nothing else. */
void request_success(struct vici_request *r);
/* success=no with errmsg and the finding's fields. */
void request_refuse(struct vici_request *r, const struct finding *why);
/* The same keys, for answers that hold more. why, record: NULL = none. */
void reply_failure(struct vici_out *o, const struct finding *why, const struct record *record,
                   struct arena *a);
void reply_record(struct vici_out *o, const struct record *record);
/* The failures of found as a refusal, or false when there is none. */
bool request_refuse_findings(struct vici_request *r, const struct findings *found);
void reply_warnings(struct vici_out *o, const struct findings *found, struct arena *a);
void request_bad(struct vici_request *r, const char *param, const char *expected, const char *seen);
/* The daemon's command, awaited. Strings and references are the daemon's to copy. */
void request_command(struct vici_request *r, const struct command *c, vici_outcome *outcome);
/* After ms the command is answered with cmd.timeout. */
void request_timeout(struct vici_request *r, int64_t ms);

/* ---- the commands: vici_load.c, vici_control.c, vici_list.c, vici_info.c ---- */

typedef void vici_command(struct vici_request *r);
vici_command command_load_conn, command_unload_conn, command_get_conns, command_load_shared,
    command_unload_shared, command_get_shared, command_clear_creds, command_load_file;
vici_command command_initiate, command_terminate, command_rekey;
vici_command command_install, command_uninstall, command_list_policies; /* vici_policy.c */
vici_command command_list_sas, command_list_conns;
vici_command command_version, command_stats, command_counters, command_why, command_success,
    command_get_keys, command_get_authorities, command_get_pools, command_list_nothing;

/* ---- vici_list.c, vici_events.c ---- */

/* One SA's section, with its children (all, or those that fit the filters) and their counters. Used
 * on the workers' threads: touches nothing but its arguments. db NULL: no counters. */
struct vici_filter {
    const char *ike, *child; /* NULL = any */
    uint32_t ike_id, child_id;
};
void vici_write_sa(struct vici_out *o, const struct ike_view *v, const struct vici_filter *filter,
                   struct esp_db *db, struct instant now, struct arena *a);
const char *vici_algorithm(uint8_t transform_type, uint16_t id, struct arena *a);
void vici_write_selectors(struct vici_out *o, const char *name, const struct selectors *s,
                          struct arena *a);
void vici_write_ike_suite(struct vici_out *o, const struct suite *s, struct arena *a);
void vici_write_child_suite(struct vici_out *o, const struct suite *s, struct arena *a);

/* The daemon's listener: context is the server. */
void vici_on_event(void *context, const struct daemon_event *e);

#endif
