/* Sockets, clients, packets: the frame in which commands run. See vici_request.h for the model.
 *
 * Requests of one client are served in order, one at a time; while one waits, the socket is still
 * read (else its end would not be seen), up to one packet's size. */
#include "edge/vici_server.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "edge/sockaddr.h"
#include "edge/vici_request.h"
#include "finding/finding.h"

const char *const vici_event_names[VICI_EVENT_COUNT] = {
    [VICI_EVENT_LOG] = "log",
    [VICI_EVENT_CONTROL_LOG] = "control-log",
    [VICI_EVENT_LIST_SA] = "list-sa",
    [VICI_EVENT_LIST_POLICY] = "list-policy",
    [VICI_EVENT_LIST_CONN] = "list-conn",
    [VICI_EVENT_LIST_CERT] = "list-cert",
    [VICI_EVENT_LIST_AUTHORITY] = "list-authority",
    [VICI_EVENT_IKE_UPDOWN] = "ike-updown",
    [VICI_EVENT_IKE_REKEY] = "ike-rekey",
    [VICI_EVENT_IKE_UPDATE] = "ike-update",
    [VICI_EVENT_CHILD_UPDOWN] = "child-updown",
    [VICI_EVENT_CHILD_REKEY] = "child-rekey",
    [VICI_EVENT_ALERT] = "alert",
    [VICI_EVENT_RECORD] = "ikebana-record",
};

struct command_row {
    const char *name;
    vici_command *run;
    bool reads_message; /* false: a message that cannot be read does not matter, as with charon */
};

static const struct command_row commands[] = {
    {"version", command_version, false},
    {"stats", command_stats, false},
    {"reload-settings", command_success, false},
    {"initiate", command_initiate, true},
    {"terminate", command_terminate, true},
    {"rekey", command_rekey, true},
    {"install", command_install, true},
    {"uninstall", command_uninstall, true},
    {"list-sas", command_list_sas, true},
    {"list-conns", command_list_conns, true},
    {"list-policies", command_list_policies, true},
    {"list-certs", command_list_nothing, false},
    {"list-authorities", command_list_nothing, false},
    {"get-conns", command_get_conns, false},
    {"load-conn", command_load_conn, true},
    {"unload-conn", command_unload_conn, true},
    {"load-shared", command_load_shared, true},
    {"unload-shared", command_unload_shared, true},
    {"get-shared", command_get_shared, false},
    {"clear-creds", command_clear_creds, false},
    {"flush-certs", command_success, false},
    {"get-keys", command_get_keys, false},
    {"get-authorities", command_get_authorities, false},
    {"get-pools", command_get_pools, false},
    {"ikebana-why", command_why, true},
    {"ikebana-load-file", command_load_file, true},
    {"ikebana-counters", command_counters, false},
};

static void client_process(struct vici_client *c);
static void client_read(struct vici_client *c);

/* ---- life and death ---- */

static void server_release(struct vici_server *s)
{
    if (--s->holds > 0)
        return;
    arena_clear(&s->arena);
    free(s);
}

void request_hold(struct vici_request *r)
{
    r->holds++;
}

void request_release(struct vici_request *r)
{
    if (--r->holds > 0)
        return;
    struct vici_server *s = r->server;
    secret_wipe(r->octets, r->octets_len);
    arena_clear(&r->arena);
    free(r);
    server_release(s);
}

static void on_timer_closed(uv_handle_t *timer)
{
    free(timer);
}

/* Nobody waits for this request any more, answered or not. */
static void request_end(struct vici_request *r)
{
    while (r->waits != NULL) {
        struct vici_wait *w = r->waits;
        r->waits = w->next;
        daemon_forget(r->server->daemon, w->ticket);
        free(w);
        request_release(r);
    }
    if (r->timer != NULL) {
        uv_close((uv_handle_t *)r->timer, on_timer_closed);
        r->timer = NULL;
    }
    if (r->client_gone != NULL)
        r->client_gone(r);
    if (r->client != NULL)
        r->client->request = NULL;
    r->client = NULL;
    request_release(r);
}

static void on_client_closed(uv_handle_t *handle)
{
    struct vici_client *c = handle->data;
    struct vici_server *s = c->server;
    free(c->in);
    free(c);
    server_release(s);
}

static void client_close(struct vici_client *c)
{
    if (c->is_closing)
        return;
    c->is_closing = true;
    struct vici_server *s = c->server;
    if (c->request != NULL)
        request_end(c->request);
    for (size_t i = 0; i < VICI_EVENT_COUNT; i++)
        s->registered[i] -= c->registered[i];
    if (c->prev != NULL)
        c->prev->next = c->next;
    else
        s->clients = c->next;
    if (c->next != NULL)
        c->next->prev = c->prev;
    s->client_count--;
    uv_close(&c->handle, on_client_closed);
}

/* ---- sending ---- */

/* Octets on their way, shared by all who get them. */
struct blob {
    unsigned holds;
    size_t len;
    uint8_t *at;
};

struct sending {
    uv_write_t write;
    struct blob *blob;
};

static void blob_release(struct blob *b)
{
    if (--b->holds > 0)
        return;
    free(b->at);
    free(b);
}

/* Takes the packet over. NULL: it was bad, or there is no memory. */
static struct blob *blob_of(struct vici_out *o)
{
    struct blob *b = vici_end_packet(o) ? calloc(1, sizeof *b) : NULL;
    if (b == NULL) {
        vici_out_clear(o);
        return NULL;
    }
    *b = (struct blob){1, o->len, o->at};
    *o = (struct vici_out){0};
    return b;
}

static void on_written(uv_write_t *write, int status)
{
    struct sending *sending = (struct sending *)write;
    struct vici_client *c = write->handle->data;
    blob_release(sending->blob);
    free(sending);
    if (status < 0) {
        client_close(c);
        return;
    }
    if (c->is_closing || uv_stream_get_write_queue_size(&c->stream) > QUEUE_SHORT)
        return;
    if (c->request != NULL && c->request->pump != NULL)
        c->request->pump(c->request);
    client_process(c);
}

static void client_send(struct vici_client *c, struct blob *b)
{
    struct sending *sending = c->is_closing ? NULL : calloc(1, sizeof *sending);
    if (sending == NULL)
        return;
    sending->blob = b;
    b->holds++;
    uv_buf_t buf = uv_buf_init((char *)b->at, (unsigned)b->len);
    if (uv_write(&sending->write, &c->stream, &buf, 1, on_written) != 0) {
        blob_release(b);
        free(sending);
    }
}

static void client_send_type(struct vici_client *c, enum vici_type type)
{
    struct vici_out o;
    vici_begin_packet(&o, type, NULL);
    struct blob *b = blob_of(&o);
    if (b == NULL)
        return;
    client_send(c, b);
    blob_release(b);
}

void request_begin(struct vici_request *r, struct vici_out *o)
{
    (void)r;
    vici_begin_packet(o, VICI_CMD_RESPONSE, NULL);
}

void request_answer(struct vici_request *r, struct vici_out *o)
{
    struct vici_client *c = r->client;
    struct blob *b = blob_of(o);
    if (b == NULL && c != NULL) {
        /* Too large or no memory: say so in a packet that is small. */
        vici_begin_packet(o, VICI_CMD_RESPONSE, NULL);
        vici_text(o, "success", "no");
        vici_text(o, "errmsg", "the answer does not fit into a packet");
        b = blob_of(o);
    }
    if (b != NULL && c != NULL)
        client_send(c, b);
    if (b != NULL)
        blob_release(b);
    request_end(r);
    if (c != NULL)
        client_process(c);
}

bool request_wants(const struct vici_request *r, enum vici_event_kind kind)
{
    return r->client != NULL && r->client->registered[kind] > 0;
}

bool request_has_room(const struct vici_request *r)
{
    return r->client == NULL || uv_stream_get_write_queue_size(&r->client->stream) <= QUEUE_SHORT;
}

/* Once for each registration, as charon does. */
static void client_event(struct vici_client *c, enum vici_event_kind kind, struct blob *b)
{
    for (unsigned i = 0; i < c->registered[kind]; i++)
        client_send(c, b);
}

void request_event(struct vici_request *r, enum vici_event_kind kind, struct vici_out *o)
{
    struct blob *b = blob_of(o);
    if (b == NULL)
        return;
    if (r->client != NULL)
        client_event(r->client, kind, b);
    blob_release(b);
}

void server_event(struct vici_server *s, enum vici_event_kind kind, struct vici_out *o)
{
    struct blob *b = blob_of(o);
    if (b == NULL)
        return;
    for (struct vici_client *c = s->clients; c != NULL; c = c->next) {
        if (c->registered[kind] == 0)
            continue;
        if (uv_stream_get_write_queue_size(&c->stream) > QUEUE_MAX) {
            c->events_lost++;
            s->events_lost++;
        } else {
            client_event(c, kind, b);
        }
    }
    blob_release(b);
}

/* ---- receiving ---- */

static const struct command_row *find_command(struct span name)
{
    for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++)
        if (span_is(name, commands[i].name))
            return &commands[i];
    return NULL;
}

static void client_request(struct vici_client *c, const struct vici_packet *p)
{
    const struct command_row *row = find_command(p->name);
    if (row == NULL) {
        client_send_type(c, VICI_CMD_UNKNOWN);
        return;
    }
    struct vici_request *r = calloc(1, sizeof *r);
    if (r == NULL || !arena_init(&r->arena)) {
        free(r);
        client_close(c);
        return;
    }
    r->server = c->server;
    r->server->holds++;
    r->client = c;
    r->holds = 1;
    c->request = r;
    const char *why = "";
    struct span copy = arena_copy(&r->arena, p->message); /* the client's buffer goes on */
    r->octets = (uint8_t *)(uintptr_t)copy.at;
    r->octets_len = copy.len;
    if (!vici_parse_message(copy, &r->arena, &r->message, &why)) {
        if (row->reads_message) {
            request_bad(r, row->name, "a VICI message", why);
            return;
        }
        vici_parse_message((struct span){NULL, 0}, &r->arena, &r->message, &why);
    }
    if (r->message == NULL) {
        request_bad(r, row->name, "memory", "none");
        return;
    }
    /* A command may answer at once, which ends the request. */
    row->run(r);
}

static int find_event(struct span name)
{
    for (int i = 0; i < VICI_EVENT_COUNT; i++)
        if (span_is(name, vici_event_names[i]))
            return i;
    return -1;
}

static void client_register(struct vici_client *c, struct span name, bool is_on)
{
    int kind = find_event(name);
    if (kind < 0 || (is_on ? c->registered[kind] == REGISTRATIONS_MAX : c->registered[kind] == 0)) {
        client_send_type(c, VICI_EVENT_UNKNOWN);
        return;
    }
    if (is_on) {
        c->registered[kind]++;
        c->server->registered[kind]++;
    } else {
        c->registered[kind]--;
        c->server->registered[kind]--;
    }
    client_send_type(c, VICI_EVENT_CONFIRM);
}

/* Bad packets: a name that cannot be read is answered as an unknown one, where charon says nothing;
 * what is no request at all stays without an answer, since nobody waits for one. */
static void client_packet(struct vici_client *c, struct span body)
{
    struct vici_packet p;
    const char *why;
    bool ok = vici_parse_packet(body, &p, &why);
    if (body.len == 0)
        return;
    switch (p.type) {
    case VICI_CMD_REQUEST:
        if (ok)
            client_request(c, &p);
        else
            client_send_type(c, VICI_CMD_UNKNOWN);
        return;
    case VICI_EVENT_REGISTER:
    case VICI_EVENT_UNREGISTER:
        if (ok)
            client_register(c, p.name, p.type == VICI_EVENT_REGISTER);
        else
            client_send_type(c, VICI_EVENT_UNKNOWN);
        return;
    case VICI_CMD_RESPONSE:
    case VICI_CMD_UNKNOWN:
    case VICI_EVENT_CONFIRM:
    case VICI_EVENT_UNKNOWN:
    case VICI_EVENT:
        return;
    }
}

/* One whole packet at the front of what came in and is not used yet: its body, or bad (announces
 * too much), or not yet. */
enum whole { WHOLE_NOT_YET, WHOLE_READY, WHOLE_BAD };
static enum whole client_front(const struct vici_client *c, size_t used, struct span *body)
{
    struct reader r = reader_of(span_of(c->in, c->in_len));
    take(&r, used);
    size_t len = take_u32(&r);
    if (!good(&r))
        return WHOLE_NOT_YET;
    if (len > VICI_PACKET_MAX)
        return WHOLE_BAD;
    *body = take(&r, len);
    return good(&r) ? WHOLE_READY : WHOLE_NOT_YET;
}

static void client_process(struct vici_client *c)
{
    struct span body;
    size_t used = 0;
    if (c->is_processing || c->is_closing)
        return;
    c->is_processing = true;
    while (!c->is_closing && c->request == NULL &&
           uv_stream_get_write_queue_size(&c->stream) <= QUEUE_SHORT) {
        enum whole whole = client_front(c, used, &body);
        if (whole == WHOLE_BAD)
            client_close(c);
        if (whole != WHOLE_READY)
            break;
        client_packet(c, body);
        secret_wipe(c->in + used + 4, body.len); /* load-shared brings secrets */
        used += body.len + 4;
    }
    /* Once for all packets: a client may send very many that are very short. */
    if (used > 0) {
        c->in_len -= used;
        memmove(c->in, c->in + used, c->in_len);
    }
    c->is_processing = false;
    if (!c->is_closing && !c->is_reading)
        client_read(c);
}

enum { IN_MAX = VICI_PACKET_MAX + 4 };

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
    struct vici_client *c = handle->data;
    (void)suggested;
    if (c->in_room - c->in_len < 4096 && c->in_room < IN_MAX) {
        size_t room = c->in_room == 0 ? 8192 : c->in_room * 2;
        if (room > IN_MAX)
            room = IN_MAX;
        uint8_t *in = realloc(c->in, room);
        if (in != NULL) {
            c->in = in;
            c->in_room = room;
        }
    }
    *buf = uv_buf_init((char *)c->in + c->in_len, (unsigned)(c->in_room - c->in_len));
}

static void on_read(uv_stream_t *stream, ssize_t len, const uv_buf_t *buf)
{
    struct vici_client *c = stream->data;
    (void)buf;
    if (len < 0) {
        client_close(c);
        return;
    }
    c->in_len += (size_t)len;
    client_process(c);
    if (!c->is_closing && c->in_len == IN_MAX) {
        uv_read_stop(&c->stream);
        c->is_reading = false;
    }
}

static void client_read(struct vici_client *c)
{
    if (c->in_len < IN_MAX && uv_read_start(&c->stream, on_alloc, on_read) == 0)
        c->is_reading = true;
}

static void on_connection(uv_stream_t *stream, int status)
{
    struct vici_server *s = stream->data;
    struct vici_client *c = status < 0 ? NULL : calloc(1, sizeof *c);
    if (c == NULL)
        return;
    c->server = s;
    s->holds++;
    if (s->uri.path[0] != '\0')
        uv_pipe_init(daemon_loop(s->daemon), &c->pipe, 0);
    else
        uv_tcp_init(daemon_loop(s->daemon), &c->tcp);
    c->handle.data = c;
    if (uv_accept(stream, &c->stream) != 0 || s->client_count >= CLIENTS_MAX) {
        uv_close(&c->handle, on_client_closed);
        return;
    }
    if (s->uri.path[0] == '\0')
        uv_tcp_nodelay(&c->tcp, 1);
    c->next = s->clients;
    if (c->next != NULL)
        c->next->prev = c;
    s->clients = c;
    s->client_count++;
    client_read(c);
}

/* ---- listening ---- */

/* A socket file that nobody listens on is the rest of a daemon that was killed. */
static bool remove_stale(const struct vici_uri *uri)
{
    struct stat st;
    if (lstat(uri->path, &st) != 0)
        return errno == ENOENT;
    if (!S_ISSOCK(st.st_mode)) {
        errno = ENOTSOCK;
        return false;
    }
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    int result = fd < 0 ? -1 : connect(fd, (const struct sockaddr *)&uri->at, uri->len);
    int error = errno;
    if (fd >= 0)
        close(fd);
    if (result == 0 || error != ECONNREFUSED) {
        errno = result == 0 || error == EAGAIN ? EADDRINUSE : error;
        return false;
    }
    return unlink(uri->path) == 0;
}

static int server_bind(struct vici_server *s)
{
    if (s->uri.path[0] == '\0')
        return uv_tcp_bind(&s->tcp, (const struct sockaddr *)&s->uri.at, 0);
    if (!remove_stale(&s->uri))
        return -errno;
    /* Whoever may write here commands the daemon: the mode is set before anybody can connect. */
    mode_t old = umask(0117);
    int result = uv_pipe_bind(&s->pipe, s->uri.path);
    umask(old);
    return result;
}

/* VICI knows no authentication: whoever reaches the socket commands the daemon. */
static bool stays_on_host(const struct vici_uri *uri)
{
    struct address at;
    static const uint8_t one[16] = {[15] = 1};
    if (uri->path[0] != '\0')
        return true;
    return sockaddr_to((const struct sockaddr *)&uri->at, &at) &&
           (at.family == FAMILY_V4 ? at.bytes[0] == 127 : memcmp(at.bytes, one, 16) == 0);
}

static void on_server_closed(uv_handle_t *handle)
{
    server_release(handle->data);
}

static struct vici_server *refuse_start(struct finding *why, enum cause cause, const char *uri,
                                        const char *expected, const char *seen)
{
    finding_set(why, cause);
    why->param = "--vici";
    why->expected = expected;
    why->seen = seen;
    why->evidence.note = uri;
    return NULL;
}

struct vici_server *vici_server_start(struct daemon *d, const char *uri, struct history *h,
                                      struct finding *why)
{
    struct vici_server *s = calloc(1, sizeof *s);
    const char *expected = "";
    if (s == NULL || !arena_init(&s->arena)) {
        free(s);
        return refuse_start(why, CAUSE_RES_MEMORY, uri, "", "");
    }
    bool is_uri = vici_parse_uri(uri, &s->uri, &expected);
    if (!is_uri || !stays_on_host(&s->uri)) {
        if (is_uri)
            expected = "an address of the loopback interface: VICI has no authentication";
        arena_clear(&s->arena);
        free(s);
        return refuse_start(why, CAUSE_CMD_BAD_REQUEST, "", expected, uri);
    }
    s->daemon = d;
    s->history = h;
    s->holds = 1;
    if (s->uri.path[0] != '\0')
        uv_pipe_init(daemon_loop(d), &s->pipe, 0);
    else
        uv_tcp_init(daemon_loop(d), &s->tcp);
    s->handle.data = s;
    int result = server_bind(s);
    if (result == 0)
        result = uv_listen(&s->stream, 64, on_connection);
    if (result != 0) {
        uv_close(&s->handle, on_server_closed);
        return refuse_start(why, CAUSE_SYS_CONTROL, uri, "a socket of this daemon alone",
                            uv_strerror(result));
    }
    if (h != NULL)
        history_follow(h, d);
    daemon_subscribe(d, vici_on_event, s);
    return s;
}

void vici_server_stop(struct vici_server *s)
{
    if (s == NULL || s->is_stopped)
        return;
    s->is_stopped = true;
    daemon_unsubscribe(s->daemon, vici_on_event, s);
    while (s->clients != NULL)
        client_close(s->clients);
    /* uv unlinks the path of a pipe that it has bound when it closes it. */
    uv_close(&s->handle, on_server_closed);
}

void vici_server_set_loader(struct vici_server *s, vici_load_file *load, void *context)
{
    s->load = load;
    s->load_context = context;
}
