/* The main thread's side of the daemon.
 *
 * Commands go to the workers as jobs and come back as EVENT_COMMAND_DONE; `struct pending` adds up
 * what several workers say. Events, routes and the ends of visits arrive in batches through one
 * queue, so a route stands before anybody hears that its child is up. */
#include "edge/daemon.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include <sys/random.h>

#include "base/map.h"
#include "edge/clock.h"
#include "edge/route.h"
#include "edge/worker.h"

enum { LISTENERS_MAX = 16, SHUTDOWN_MS = 1500, STOP_MS = 1000, TUN_MTU = 1400 };

struct pending {
    uint64_t ticket;
    unsigned waiting; /* workers that have not answered */
    uint32_t count;
    bool has_match, has_failed;
    struct finding *why;      /* the first failure, heap */
    struct finding *no_match; /* "no such SA" of some worker, heap */
    struct record *record;    /* owned */
    daemon_done *done;        /* NULL: nobody waits any more */
    void *context;
};

struct visit {
    unsigned waiting;
    void (*finish)(void *context);
    void *context;
};

struct daemon {
    uv_loop_t loop;
    uv_async_t news_there;
    uv_timer_t stop_timer;
    struct queue news;
    struct arena arena; /* of one turn's findings */
    struct instant started;
    int64_t started_wall_s;
    struct worker *workers[WORKERS_MAX];
    struct priv *privs[WORKERS_MAX + 1]; /* the last is the main thread's */
    unsigned worker_count;
    struct esp_db *db;
    struct routes *routes;
    char tun[IFNAMSIZ];
    struct map pending;
    uint64_t next_ticket;
    struct {
        daemon_listener *listener;
        void *context;
    } listeners[LISTENERS_MAX];
    size_t listener_count;
    struct conn **conns;
    size_t conn_count, conn_room;
    struct psk **psks;
    size_t psk_count, psk_room;
    void (*stopped)(void *context, bool is_clean);
    void *stopped_context;
    bool is_stopping, is_ending; /* deletes are on their way; the workers are ending */
    unsigned running;
};

/* ---- what is loaded ---- */

/* Room for one more pointer. */
static bool grow(void *list, size_t count, size_t *room)
{
    void **at = *(void ***)list;
    if (count < *room)
        return true;
    size_t next = *room == 0 ? 16 : *room * 2;
    at = realloc(at, next * sizeof *at);
    if (at == NULL)
        return false;
    *(void ***)list = at;
    *room = next;
    return true;
}

static size_t conn_index(const struct daemon *d, const char *name)
{
    size_t i = 0;
    while (i < d->conn_count && strcmp(d->conns[i]->name, name) != 0)
        i++;
    return i;
}

static size_t psk_index(const struct daemon *d, const char *id)
{
    size_t i = 0;
    while (i < d->psk_count && strcmp(d->psks[i]->id, id) != 0)
        i++;
    return i;
}

static void keep_conn(struct daemon *d, struct conn *c)
{
    size_t i = conn_index(d, c->name);
    if (i < d->conn_count)
        policy_conn_unref(d->conns[i]);
    else if (grow(&d->conns, d->conn_count, &d->conn_room))
        d->conn_count++;
    else
        return;
    d->conns[i] = policy_conn_ref(c);
}

static void keep_psk(struct daemon *d, struct psk *p)
{
    size_t i = psk_index(d, p->id);
    if (i < d->psk_count)
        policy_psk_unref(d->psks[i]);
    else if (grow(&d->psks, d->psk_count, &d->psk_room))
        d->psk_count++;
    else
        return;
    d->psks[i] = policy_psk_ref(p);
}

static void forget_conn(struct daemon *d, const char *name)
{
    size_t i = conn_index(d, name);
    if (i == d->conn_count)
        return;
    policy_conn_unref(d->conns[i]);
    d->conn_count--;
    memmove(d->conns + i, d->conns + i + 1, (d->conn_count - i) * sizeof(struct conn *));
}

static void forget_psk(struct daemon *d, const char *id)
{
    size_t i = psk_index(d, id);
    if (i == d->psk_count)
        return;
    policy_psk_unref(d->psks[i]);
    d->psk_count--;
    memmove(d->psks + i, d->psks + i + 1, (d->psk_count - i) * sizeof(struct psk *));
}

static void keep_copy(struct daemon *d, const struct command *c)
{
    switch (c->kind) {
    case CMD_LOAD_CONN:
        keep_conn(d, c->conn);
        break;
    case CMD_UNLOAD_CONN:
        forget_conn(d, c->conn_name == NULL ? "" : c->conn_name);
        break;
    case CMD_LOAD_PSK:
        keep_psk(d, c->psk);
        break;
    case CMD_UNLOAD_PSK:
        forget_psk(d, c->conn_name == NULL ? "" : c->conn_name);
        break;
    case CMD_INITIATE:
    case CMD_TERMINATE:
    case CMD_REKEY:
    case CMD_INSTALL:
    case CMD_UNINSTALL:
    case CMD_SHUTDOWN:
        break;
    }
}

struct conn *daemon_conn(struct daemon *d, size_t i)
{
    return i < d->conn_count ? d->conns[i] : NULL;
}

struct psk *daemon_psk(struct daemon *d, size_t i)
{
    return i < d->psk_count ? d->psks[i] : NULL;
}

/* ---- events to those who listen ---- */

static void deliver(struct daemon *d, const struct daemon_event *e)
{
    for (size_t i = 0; i < d->listener_count; i++)
        d->listeners[i].listener(d->listeners[i].context, e);
}

void daemon_subscribe(struct daemon *d, daemon_listener *listener, void *context)
{
    if (d->listener_count < LISTENERS_MAX) {
        d->listeners[d->listener_count].listener = listener;
        d->listeners[d->listener_count++].context = context;
    }
}

void daemon_unsubscribe(struct daemon *d, daemon_listener *listener, void *context)
{
    size_t kept = 0;
    for (size_t i = 0; i < d->listener_count; i++)
        if (d->listeners[i].listener != listener || d->listeners[i].context != context)
            d->listeners[kept++] = d->listeners[i];
    d->listener_count = kept;
}

void daemon_report(struct daemon *d, const struct finding *f)
{
    struct daemon_event e = {.now = clock_now(), .wall_s = clock_wall_s()};
    e.event.kind = EVENT_NOTICE;
    e.event.conn_name = e.event.child_name = "";
    e.event.finding = f;
    deliver(d, &e);
}

/* ---- commands ---- */

static struct pending *find_pending(struct daemon *d, uint64_t ticket)
{
    return ticket == 0 ? NULL : map_get(&d->pending, ticket);
}

static void free_pending(struct pending *p)
{
    free(p->why);
    free(p->no_match);
    record_free(p->record);
    free(p);
}

/* One worker has answered. */
static void count_answer(struct daemon *d, const struct event *e)
{
    struct pending *p = find_pending(d, e->ticket);
    if (p == NULL)
        return;
    enum cause cause = e->finding == NULL ? CAUSE_NONE : e->finding->cause;
    p->count += e->count;
    if (e->ok) {
        p->has_match = true;
    } else if (cause == CAUSE_CMD_UNKNOWN_SA || cause == CAUSE_CMD_UNKNOWN_CONNECTION ||
               cause == CAUSE_CMD_NOT_INSTALLED) {
        if (p->no_match == NULL)
            p->no_match = finding_dup(e->finding);
    } else {
        p->has_failed = true;
        if (p->why == NULL && e->finding != NULL)
            p->why = finding_dup(e->finding);
    }
    if (--p->waiting > 0)
        return;
    map_remove(&d->pending, p->ticket);
    bool ok = p->has_match && !p->has_failed;
    struct finding unsaid;
    const struct finding *why = p->why != NULL ? p->why : p->no_match;
    if (!ok && why == NULL) {
        finding_set(&unsaid, CAUSE_RES_MEMORY);
        why = &unsaid;
    }
    if (p->done != NULL)
        p->done(p->context, ok, p->count, ok ? NULL : why, p->record);
    free_pending(p);
}

/* The connection that a name, of a connection or of a child, stands for; the name if it is unknown.
 */
static const char *conn_of(const struct daemon *d, const char *name)
{
    if (conn_index(d, name) < d->conn_count)
        return name;
    for (size_t i = 0; i < d->conn_count; i++)
        if (policy_find_child(d->conns[i], name) != NULL)
            return d->conns[i]->name;
    return name;
}

/* One connection is always initiated by the same worker, so that its children share an IKE SA. */
static unsigned worker_for(const struct daemon *d, const char *conn, const char *child)
{
    const char *name = conn != NULL ? conn : child != NULL ? child : "";
    return engine_owner(conn_of(d, name), d->worker_count);
}

/* A worker that cannot be reached for want of memory answers so, in a later turn. */
static void answer_no_memory(struct daemon *d, uint64_t ticket, unsigned worker)
{
    struct batch *b = batch_new();
    struct finding why;
    finding_set(&why, CAUSE_RES_MEMORY);
    struct event e = {.kind = EVENT_COMMAND_DONE, .ticket = ticket, .finding = &why};
    if (b == NULL)
        return;
    b->worker = worker;
    batch_add_event(b, worker, clock_now(), clock_wall_s(), &e, NULL);
    queue_put(&d->news, &b->item);
    uv_async_send(&d->news_there);
}

uint64_t daemon_command(struct daemon *d, const struct command *c, daemon_done *finished,
                        void *context)
{
    unsigned first = 0, count = d->worker_count;
    if (c->kind == CMD_INITIATE || c->kind == CMD_INSTALL) {
        first = worker_for(d, c->conn_name, c->child_name);
        count = 1;
    }
    struct command given = *c;
    given.ticket = 0;
    struct pending *p = calloc(1, sizeof *p);
    if (p != NULL) {
        *p = (struct pending){
            .ticket = ++d->next_ticket, .waiting = count, .done = finished, .context = context};
        if (map_set(&d->pending, p->ticket, p))
            given.ticket = p->ticket;
        else
            free(p);
    }
    for (unsigned i = first; i < first + count; i++) {
        struct job *j = worker_command_job(&given);
        if (j != NULL)
            worker_post(d->workers[i], j);
        else
            answer_no_memory(d, given.ticket, i);
    }
    keep_copy(d, c);
    return given.ticket;
}

void daemon_forget(struct daemon *d, uint64_t ticket)
{
    struct pending *p = find_pending(d, ticket);
    if (p != NULL)
        p->done = NULL;
}

void daemon_visit_workers(struct daemon *d, daemon_visit *visit, void (*finish)(void *context),
                          void *context)
{
    struct visit *v = calloc(1, sizeof *v);
    struct job *jobs[WORKERS_MAX] = {NULL};
    bool has_all = v != NULL && d->worker_count > 0;
    for (unsigned i = 0; i < d->worker_count && has_all; i++) {
        jobs[i] = worker_job(JOB_VISIT);
        has_all = jobs[i] != NULL;
    }
    if (!has_all) { /* nobody is visited: what is shown is empty, and nobody waits for ever */
        for (unsigned i = 0; i < d->worker_count; i++)
            free(jobs[i]);
        free(v);
        finish(context);
        return;
    }
    *v = (struct visit){d->worker_count, finish, context};
    for (unsigned i = 0; i < d->worker_count; i++) {
        jobs[i]->visit.visit = visit;
        jobs[i]->visit.context = context;
        jobs[i]->visit.token = v;
        worker_post(d->workers[i], jobs[i]);
    }
}

/* ---- news ---- */

static void take_event(struct daemon *d, struct daemon_event *e)
{
    deliver(d, e);
    if (e->event.kind == EVENT_COMMAND_DONE)
        count_answer(d, &e->event);
    struct pending *p = e->event.kind == EVENT_RECORD ? find_pending(d, e->event.ticket) : NULL;
    if (p != NULL) { /* whoever gave the command wants to see it */
        record_free(p->record);
        p->record = e->event.record;
        e->event.record = NULL;
    }
}

static void take_stopped(struct daemon *d)
{
    if (d->running == 0 || --d->running > 0)
        return;
    uv_timer_stop(&d->stop_timer);
    daemon_leave(d);
    if (d->stopped != NULL)
        d->stopped(d->stopped_context, true);
}

static void take_entry(struct daemon *d, struct entry *e)
{
    switch (e->kind) {
    case ENTRY_EVENT:
        take_event(d, &e->event);
        break;
    case ENTRY_ROUTE: {
        struct finding why;
        if (d->routes != NULL && !route_change(d->routes, &e->route.local_ts, &e->route.remote_ts,
                                               e->route.is_set, &d->arena, &why))
            daemon_report(d, &why);
        break;
    }
    case ENTRY_VISITED: {
        struct visit *v = e->visit;
        if (--v->waiting > 0)
            break;
        v->finish(v->context);
        free(v);
        break;
    }
    case ENTRY_STOPPED:
        take_stopped(d);
        break;
    }
}

static void take_news(uv_async_t *async)
{
    struct daemon *d = async->data;
    for (struct queue_item *i = queue_take_all(&d->news); i != NULL;) {
        struct queue_item *next = i->next;
        struct batch *b = (struct batch *)i;
        for (struct entry *e = b->first; e != NULL; e = e->next)
            take_entry(d, e);
        worker_recycle(d->workers[b->worker], b);
        arena_reset(&d->arena);
        i = next;
    }
}

/* ---- start ---- */

struct daemon *daemon_new(void)
{
    struct daemon *d = calloc(1, sizeof *d);
    uint64_t seed[2];
    if (d == NULL)
        return NULL;
    if (getrandom(seed, sizeof seed, 0) != sizeof seed || !arena_init(&d->arena)) {
        free(d);
        return NULL;
    }
    if (uv_loop_init(&d->loop) != 0) {
        arena_clear(&d->arena);
        free(d);
        return NULL;
    }
    map_init(&d->pending, seed);
    queue_init(&d->news);
    uv_async_init(&d->loop, &d->news_there, take_news);
    uv_timer_init(&d->loop, &d->stop_timer);
    d->news_there.data = d->stop_timer.data = d;
    d->started = clock_now();
    d->started_wall_s = clock_wall_s();
    return d;
}

static void add_finding(struct findings *found, const struct finding *f)
{
    struct finding *row = findings_add(found, f->cause);
    if (row != NULL)
        *row = *f;
}

/* One worker's sockets. What this host's kernel has no family for is left out in silence; all other
 * failures are told, each only once (worker 0). */
static bool open_sockets(struct priv *p, const struct daemon_options *o, unsigned worker,
                         int fds[SOCKET_COUNT], struct findings *found)
{
    static const struct {
        enum socket_kind which;
        uint8_t family;
        bool has_marker, is_raw;
    } wanted[SOCKET_COUNT] = {
        {SOCKET_IKE4, FAMILY_V4, false, false}, {SOCKET_NAT4, FAMILY_V4, true, false},
        {SOCKET_IKE6, FAMILY_V6, false, false}, {SOCKET_NAT6, FAMILY_V6, true, false},
        {SOCKET_ESP4, FAMILY_V4, false, true},  {SOCKET_ESP6, FAMILY_V6, false, true},
    };
    for (size_t i = 0; i < SOCKET_COUNT; i++) {
        struct finding why;
        struct priv_udp udp = {
            .family = wanted[i].family,
            .port = wanted[i].has_marker ? o->nat_port : o->port,
            .has_marker = wanted[i].has_marker,
            .worker = worker,
            .workers = o->workers,
        };
        int fd = wanted[i].is_raw
                     ? priv_open_esp(p, wanted[i].family, worker, o->workers, found->arena, &why)
                     : priv_open_udp(p, &udp, found->arena, &why);
        fds[wanted[i].which] = fd;
        if (fd < 0 && worker == 0 && why.expected[0] != '\0')
            add_finding(found, &why);
    }
    return fds[SOCKET_IKE4] >= 0 || fds[SOCKET_IKE6] >= 0;
}

static void open_tun(struct daemon *d, const struct daemon_options *o, int fds[WORKERS_MAX],
                     struct findings *found)
{
    struct finding why;
    unsigned device;
    for (unsigned i = 0; i < WORKERS_MAX; i++)
        fds[i] = -1;
    if (o->tun == NULL)
        return;
    struct priv *p = d->privs[WORKERS_MAX];
    memset(d->tun, 0, sizeof d->tun);
    memcpy(d->tun, o->tun, strnlen(o->tun, sizeof d->tun - 1));
    bool ok = priv_open_tun(p, d->tun, fds, o->workers, found->arena, &why);
    if (ok && !priv_up_tun(p, d->tun, o->tun_mtu == 0 ? TUN_MTU : o->tun_mtu, &device, found->arena,
                           &why)) {
        for (unsigned i = 0; i < o->workers; i++)
            close(fds[i]);
        ok = false;
    }
    if (ok) {
        d->routes = route_new(p, device, o->port);
        return;
    }
    for (unsigned i = 0; i < WORKERS_MAX; i++)
        fds[i] = -1;
    d->tun[0] = '\0';
    add_finding(found, &why);
}

/* For what a pass policy lets out of the device again; told once. */
static void open_clear(struct priv *p, unsigned worker, bool is_wanted, int fds[2],
                       struct findings *found)
{
    for (size_t i = 0; i < 2; i++) {
        struct finding why;
        finding_set(&why, CAUSE_NONE);
        fds[i] =
            is_wanted ? priv_open_clear(p, i == 0 ? FAMILY_V4 : FAMILY_V6, found->arena, &why) : -1;
        if (is_wanted && fds[i] < 0 && worker == 0 && why.expected[0] != '\0')
            add_finding(found, &why);
    }
}

static bool refuse_memory(struct findings *found)
{
    findings_add(found, CAUSE_RES_MEMORY);
    return false;
}

bool daemon_start(struct daemon *d, const struct daemon_options *o, struct findings *found)
{
    int tun[WORKERS_MAX];
    d->db = esp_db_new(o->workers);
    d->privs[WORKERS_MAX] = priv_new();
    if (d->db == NULL || d->privs[WORKERS_MAX] == NULL)
        return refuse_memory(found);
    struct worker_options w = {
        .count = o->workers,
        .engine = o->engine,
        .port = o->port,
        .nat_port = o->nat_port,
        .db = d->db,
        .peers = d->workers,
        .news = &d->news,
        .news_there = &d->news_there,
    };
    int fds[WORKERS_MAX][SOCKET_COUNT];
    for (unsigned i = 0; i < o->workers; i++) {
        d->privs[i] = priv_new();
        if (d->privs[i] == NULL)
            return refuse_memory(found);
        if (!open_sockets(d->privs[i], o, i, fds[i], found))
            return false;
    }
    open_tun(d, o, tun, found);
    for (unsigned i = 0; i < o->workers; i++) {
        w.number = i;
        w.tun = tun[i];
        open_clear(d->privs[i], i, tun[i] >= 0, w.clear, found);
        w.priv = d->privs[i];
        memcpy(w.sockets, fds[i], sizeof w.sockets);
        w.engine.worker = (uint8_t)i;
        w.engine.workers = o->workers;
        w.engine.port = o->port;
        w.engine.nat_port = o->nat_port;
        bool has_seed = getrandom(w.engine.seed, sizeof w.engine.seed, 0) == RNG_SEED_SIZE;
        d->workers[i] = has_seed ? worker_new(&w) : NULL;
        secret_wipe(w.engine.seed, sizeof w.engine.seed);
        if (d->workers[i] == NULL)
            return refuse_memory(found);
        d->worker_count = i + 1;
    }
    for (unsigned i = 0; i < o->workers; i++) {
        if (!worker_start(d->workers[i]))
            return refuse_memory(found);
        d->running++;
    }
    return true;
}

/* ---- stop ---- */

static void stop_overdue(uv_timer_t *timer)
{
    struct daemon *d = timer->data;
    daemon_leave(d);
    /* A name look-up in progress cannot be broken off, and its thread must not hold up the end. */
    if (d->stopped != NULL)
        d->stopped(d->stopped_context, false);
}

static void end_workers(struct daemon *d)
{
    if (d->is_ending)
        return;
    d->is_ending = true;
    uv_timer_start(&d->stop_timer, stop_overdue, STOP_MS, 0);
    for (unsigned i = 0; i < d->worker_count; i++) {
        struct job *j = worker_job(JOB_STOP);
        if (j != NULL)
            worker_post(d->workers[i], j);
    }
}

static void shutdown_overdue(uv_timer_t *timer)
{
    end_workers(timer->data);
}

static void shutdown_done(void *context, bool ok, uint32_t count, const struct finding *why,
                          const struct record *record)
{
    (void)ok;
    (void)count;
    (void)why;
    (void)record;
    end_workers(context);
}

void daemon_leave(struct daemon *d)
{
    route_free(d->routes);
    d->routes = NULL;
}

void daemon_stop(struct daemon *d, void (*stopped)(void *context, bool is_clean), void *context)
{
    if (d->is_stopping)
        return;
    d->is_stopping = true;
    d->stopped = stopped;
    d->stopped_context = context;
    uv_timer_start(&d->stop_timer, shutdown_overdue, SHUTDOWN_MS, 0);
    struct command c = {.kind = CMD_SHUTDOWN};
    daemon_command(d, &c, shutdown_done, d);
}

static void close_left(uv_handle_t *handle, void *unused)
{
    (void)unused;
    if (!uv_is_closing(handle))
        uv_close(handle, NULL);
}

void daemon_free(struct daemon *d)
{
    if (d == NULL)
        return;
    for (unsigned i = 0; i < d->running; i++) { /* a start that failed half-way */
        struct job *j = worker_job(JOB_STOP);
        if (j != NULL)
            worker_post(d->workers[i], j);
    }
    /* Workers speak to each other until the last has ended: they go together. */
    for (unsigned i = 0; i < d->worker_count; i++)
        worker_join(d->workers[i]);
    route_free(d->routes);
    for (struct queue_item *i = queue_take_all(&d->news); i != NULL;) {
        struct queue_item *next = i->next;
        batch_free((struct batch *)i);
        i = next;
    }
    for (unsigned i = 0; i < d->worker_count; i++)
        worker_free(d->workers[i]);
    uv_walk(&d->loop, close_left, NULL);
    uv_run(&d->loop, UV_RUN_DEFAULT);
    uv_loop_close(&d->loop);
    for (size_t i = 0; i < d->conn_count; i++)
        policy_conn_unref(d->conns[i]);
    for (size_t i = 0; i < d->psk_count; i++)
        policy_psk_unref(d->psks[i]);
    free(d->conns);
    free(d->psks);
    size_t cursor = 0;
    uint64_t ticket;
    for (struct pending *p; (p = map_next(&d->pending, &cursor, &ticket)) != NULL;)
        free_pending(p);
    map_clear(&d->pending);
    if (d->db != NULL)
        esp_db_free(d->db);
    for (size_t i = 0; i <= WORKERS_MAX; i++)
        priv_free(d->privs[i]);
    queue_clear(&d->news);
    arena_clear(&d->arena);
    free(d);
}

/* ---- small facts ---- */

unsigned daemon_workers(const struct daemon *d)
{
    return d->worker_count;
}

uv_loop_t *daemon_loop(struct daemon *d)
{
    return &d->loop;
}

struct instant daemon_started(const struct daemon *d)
{
    return d->started;
}

int64_t daemon_started_wall_s(const struct daemon *d)
{
    return d->started_wall_s;
}

const char *daemon_tun(const struct daemon *d)
{
    return d->tun;
}
