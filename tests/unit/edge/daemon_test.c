/* The daemon with an engine that the test wrote: commands, events, visits, datagrams and timers on
 * two real threads with real sockets, in a network namespace of the test. */
#include <poll.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include <net/if.h>

#include "edge/daemon.h"
#include "edge/sockaddr.h"
#include "finding/finding.h"

enum { PORT = 20500, NAT_PORT = 24500, WAKE_MS = 30 };

/* ---- the engine of this test ---- */

struct engine {
    struct engine_options options;
    struct arena arena;
    struct effect fx[8];
    struct effects effects;
    struct record *record;
    uint64_t asked_for; /* the ticket that waits for a path */
    struct host_pattern remote;
};

struct engine *engine_new(const struct engine_options *o)
{
    struct engine *e = calloc(1, sizeof *e);
    e->options = *o;
    return arena_init(&e->arena) ? e : NULL;
}

void engine_free(struct engine *e)
{
    record_free(e->record);
    arena_clear(&e->arena);
    free(e);
}

static struct effect *effect(struct engine *e, enum effect_kind kind)
{
    struct effect *fx = &e->fx[e->effects.count++];
    memset(fx, 0, sizeof *fx);
    fx->kind = kind;
    return fx;
}

static struct event *event(struct engine *e, enum event_kind kind)
{
    struct effect *fx = effect(e, FX_EVENT);
    fx->event.kind = kind;
    return &fx->event;
}

static void command_done(struct engine *e, uint64_t ticket, bool ok, uint32_t count,
                         enum cause cause)
{
    struct event *end = event(e, EVENT_COMMAND_DONE);
    end->ticket = ticket;
    end->ok = ok;
    end->count = count;
    if (ok)
        return;
    struct finding *why = arena_alloc(&e->arena, sizeof *why);
    finding_set(why, cause);
    why->seen = arena_text(&e->arena, "worker %u", e->options.worker);
    end->finding = why;
}

static void command(struct engine *e, const struct input *in)
{
    const struct command *c = &in->command;
    switch (c->kind) {
    case CMD_LOAD_CONN:
    case CMD_UNLOAD_CONN:
    case CMD_LOAD_PSK:
    case CMD_UNLOAD_PSK:
        break; /* the edge answers itself */
    case CMD_INITIATE: {
        struct effect *fx = effect(e, FX_ASK);
        e->asked_for = c->ticket;
        if (strcmp(c->child_name, "name") == 0)
            e->remote = (struct host_pattern){.kind = HOST_NAME, .name = "no-such-host.invalid"};
        else
            e->remote = (struct host_pattern){.kind = HOST_ADDRESS};
        address_parse(span_text(strcmp(c->child_name, "far") == 0 ? "192.0.2.1" : "127.0.0.1"),
                      &e->remote.from);
        fx->ask.ticket = 77;
        fx->ask.remote = &e->remote;
        fx->ask.local_port = PORT;
        fx->ask.remote_port = 4711;
        break;
    }
    case CMD_TERMINATE:
        command_done(e, c->ticket, e->options.worker == 1, e->options.worker * 2,
                     CAUSE_CMD_UNKNOWN_SA);
        break;
    case CMD_REKEY:
        command_done(e, c->ticket, false, 0,
                     c->child_id == 1 && e->options.worker == 0 ? CAUSE_CHILD_REKEY_REFUSED
                                                                : CAUSE_CMD_UNKNOWN_SA);
        break;
    case CMD_INSTALL:
    case CMD_UNINSTALL:
    case CMD_SHUTDOWN:
        command_done(e, c->ticket, true, 0, CAUSE_NONE);
        break;
    }
}

static void answer(struct engine *e, const struct input *in)
{
    if (!in->answer.ok) {
        struct finding *why = arena_alloc(&e->arena, sizeof *why);
        command_done(e, e->asked_for, false, 0, in->answer.cause);
        finding_set(why, in->answer.cause);
        why->seen = arena_text(&e->arena, "%s", in->answer.error);
        e->fx[e->effects.count - 1].event.finding = why;
        return;
    }
    /* The end before the record: the edge has to put that right. */
    command_done(e, e->asked_for, true, 1, CAUSE_NONE);
    struct event *r = event(e, EVENT_RECORD);
    r->ticket = e->asked_for;
    r->record = e->record = record_new(RECORD_IKE, in->now, in->wall_s);
    record_set_text(&e->record->conn, "office");
    e->record->local = in->answer.local;
    for (unsigned marker = 0; marker < 2; marker++) {
        struct effect *fx = effect(e, FX_SEND);
        fx->send =
            (struct datagram){in->answer.local, in->answer.remote, marker == 1, span_text("hello")};
        if (marker == 1)
            fx->send.local.port = NAT_PORT;
    }
}

const struct effects *engine_step(struct engine *e, const struct input *in)
{
    arena_reset(&e->arena);
    record_free(e->record);
    e->record = NULL;
    e->effects = (struct effects){e->fx, 0};
    struct event *note;
    switch (in->kind) {
    case IN_COMMAND:
        command(e, in);
        break;
    case IN_ANSWER:
        answer(e, in);
        break;
    case IN_DATAGRAM: {
        note = event(e, EVENT_NOTICE);
        note->count = in->datagram.bytes.len > 0 ? in->datagram.bytes.at[0] : 0;
        note->ok = in->datagram.marker;
        note->conn_name = arena_text(&e->arena, "%zu", in->datagram.bytes.len);
        note->local = in->datagram.local;
        note->remote = in->datagram.remote;
        effect(e, FX_WAKE)->wake = instant_after_ms(in->now, WAKE_MS);
        effect(e, FX_SEND)->send = (struct datagram){in->datagram.local, in->datagram.remote,
                                                     in->datagram.marker, span_text("reply")};
        break;
    }
    case IN_TIME:
        event(e, EVENT_IKE_UP);
        break;
    case IN_PATH_ERROR:
        note = event(e, EVENT_IKE_DOWN);
        note->conn_name = in->path_error.what;
        note->remote = in->path_error.remote;
        note->ok = in->path_error.is_fatal_hint;
        break;
    case IN_TWIN:
        break;
    case IN_DATAPLANE:
        break;
    }
    return &e->effects;
}

struct record *engine_take_record(struct engine *e, const struct event *ev)
{
    struct record *r = ev->record;
    e->record = NULL;
    return r;
}

/* ---- what the test heard ---- */

enum { HEARD_MAX = 64 };

struct heard {
    enum event_kind kind;
    unsigned worker;
    uint32_t count;
    bool ok;
    char conn_name[64];
    struct address local, remote;
};

struct world {
    struct daemon *d;
    struct arena arena;
    struct findings found;
    struct heard heard[HEARD_MAX];
    size_t heard_count;
    unsigned done_count, visited;
    bool ok, had_record, is_stopped;
    uint32_t count;
    enum cause cause;
    char seen[128];
    int sender;
};

static void listen_to(void *context, const struct daemon_event *e)
{
    struct world *w = context;
    if (w->heard_count == HEARD_MAX)
        return;
    struct heard *h = &w->heard[w->heard_count++];
    *h = (struct heard){e->event.kind,  e->worker,      e->event.count, e->event.ok, "",
                        e->event.local, e->event.remote};
    snprintf(h->conn_name, sizeof h->conn_name, "%s", e->event.conn_name);
}

static const struct heard *find(const struct world *w, enum event_kind kind)
{
    for (size_t i = 0; i < w->heard_count; i++)
        if (w->heard[i].kind == kind)
            return &w->heard[i];
    return NULL;
}

static void finished(void *context, bool ok, uint32_t count, const struct finding *why,
                     const struct record *record)
{
    struct world *w = context;
    w->done_count++;
    w->ok = ok;
    w->count = count;
    w->cause = why == NULL ? CAUSE_NONE : why->cause;
    snprintf(w->seen, sizeof w->seen, "%s", why == NULL ? "" : why->seen);
    w->had_record = record != NULL && strcmp(record->conn, "office") == 0;
}

/* Runs the loop until is_enough() says so, for at most five seconds. */
static void tick(uv_timer_t *timer)
{
    ++*(unsigned *)timer->data;
}

static void free_handle(uv_handle_t *handle)
{
    free(handle);
}

static bool run_until(struct world *w, bool (*is_enough)(const struct world *w))
{
    unsigned ticks = 0;
    uv_timer_t *timer = malloc(sizeof *timer);
    uv_timer_init(daemon_loop(w->d), timer);
    timer->data = &ticks;
    uv_timer_start(timer, tick, 50, 50);
    while (!is_enough(w) && ticks < 100)
        uv_run(daemon_loop(w->d), UV_RUN_ONCE);
    uv_close((uv_handle_t *)timer, free_handle);
    uv_run(daemon_loop(w->d), UV_RUN_NOWAIT);
    return is_enough(w);
}

static bool is_done(const struct world *w)
{
    return w->done_count > 0;
}

static bool is_noticed(const struct world *w)
{
    return find(w, EVENT_NOTICE) != NULL;
}

static bool is_woken(const struct world *w)
{
    return find(w, EVENT_IKE_UP) != NULL;
}

static bool is_told_of_path(const struct world *w)
{
    return find(w, EVENT_IKE_DOWN) != NULL;
}

static bool is_visited(const struct world *w)
{
    return w->visited > 0;
}

static bool has_stopped(const struct world *w)
{
    return w->is_stopped;
}

static void forget(struct world *w)
{
    w->heard_count = 0;
    w->done_count = 0;
    w->had_record = false;
}

/* ---- a daemon with two workers ---- */

static int set_up(void **state)
{
    struct world *w = calloc(1, sizeof *w);
    *state = w;
    assert_true(arena_init(&w->arena));
    w->found.arena = &w->arena;
    w->d = daemon_new();
    assert_non_null(w->d);
    daemon_subscribe(w->d, listen_to, w);
    struct daemon_options o = {.workers = 2, .port = PORT, .nat_port = NAT_PORT};
    assert_true(daemon_start(w->d, &o, &w->found));
    w->sender = socket(AF_INET, SOCK_DGRAM, 0);
    return 0;
}

static void note_stopped(void *context, bool is_clean)
{
    struct world *w = context;
    assert_true(is_clean);
    w->is_stopped = true;
}

static int tear_down(void **state)
{
    struct world *w = *state;
    daemon_stop(w->d, note_stopped, w);
    assert_true(run_until(w, has_stopped));
    daemon_free(w->d);
    close(w->sender);
    arena_clear(&w->arena);
    free(w);
    return 0;
}

static void send_to(struct world *w, uint16_t port, const void *octets, size_t len)
{
    struct address to = {{127, 0, 0, 1}, 0, port, FAMILY_V4};
    union sockaddr_any at;
    socklen_t at_len = sockaddr_from(&to, &at);
    assert_int_equal(sendto(w->sender, octets, len, 0, &at.any, at_len), (ssize_t)len);
}

static size_t receive(struct world *w, uint8_t *out, size_t size, struct address *from)
{
    struct pollfd p = {.fd = w->sender, .events = POLLIN};
    union sockaddr_any at;
    socklen_t len = sizeof at;
    assert_int_equal(poll(&p, 1, 2000), 1);
    ssize_t got = recvfrom(w->sender, out, size, 0, &at.any, &len);
    assert_true(got >= 0);
    sockaddr_to(&at.any, from);
    return (size_t)got;
}

static void command_to(struct world *w, enum command_kind kind, const char *child, uint32_t id)
{
    struct command c = {.kind = kind, .conn_name = "office", .child_name = child, .child_id = id};
    forget(w);
    assert_int_not_equal(daemon_command(w->d, &c, finished, w), 0);
    assert_true(run_until(w, is_done));
    assert_int_equal(w->done_count, 1);
}

/* ---- claims ---- */

static void a_command_is_ok_when_one_worker_had_a_match_and_none_failed(void **state)
{
    struct world *w = *state;
    command_to(w, CMD_TERMINATE, NULL, 0);
    assert_true(w->ok);
    assert_int_equal(w->count, 2);
    assert_int_equal(w->cause, CAUSE_NONE);
}

static void a_command_without_any_match_fails(void **state)
{
    struct world *w = *state;
    command_to(w, CMD_REKEY, NULL, 0);
    assert_false(w->ok);
    assert_int_equal(w->cause, CAUSE_CMD_UNKNOWN_SA);
}

static void one_failure_outweighs_missing_matches(void **state)
{
    struct world *w = *state;
    command_to(w, CMD_REKEY, NULL, 1);
    assert_false(w->ok);
    assert_int_equal(w->cause, CAUSE_CHILD_REKEY_REFUSED);
    assert_string_equal(w->seen, "worker 0");
}

static void a_forgotten_command_calls_nobody(void **state)
{
    struct world *w = *state;
    struct command c = {.kind = CMD_TERMINATE, .conn_name = "office"};
    forget(w);
    daemon_forget(w->d, daemon_command(w->d, &c, finished, w));
    command_to(w, CMD_TERMINATE, NULL, 0); /* queued behind it */
    assert_int_equal(w->done_count, 1);
}

static void a_path_is_found_and_used_and_the_record_comes_with_the_end(void **state)
{
    struct world *w = *state;
    union sockaddr_any at;
    struct address me = {{127, 0, 0, 1}, 0, 4711, FAMILY_V4}, from;
    socklen_t len = sockaddr_from(&me, &at);
    assert_int_equal(bind(w->sender, &at.any, len), 0);
    command_to(w, CMD_INITIATE, "near", 0);
    assert_true(w->ok);
    assert_true(w->had_record);
    assert_int_equal(w->heard[0].kind, EVENT_RECORD);
    uint8_t got[64];
    bool has_plain = false, has_marked = false;
    for (unsigned i = 0; i < 2; i++) {
        size_t octets = receive(w, got, sizeof got, &from);
        if (octets == 5 && memcmp(got, "hello", 5) == 0 && from.port == PORT)
            has_plain = true;
        if (octets == 9 && memcmp(got, "\0\0\0\0hello", 9) == 0 && from.port == NAT_PORT)
            has_marked = true;
    }
    assert_true(has_plain && has_marked);
}

static void a_host_without_a_route_says_so(void **state)
{
    struct world *w = *state;
    command_to(w, CMD_INITIATE, "far", 0);
    assert_false(w->ok);
    assert_int_equal(w->cause, CAUSE_NET_NO_ROUTE);
    assert_string_equal(w->seen, "Network is unreachable");
}

static void a_name_that_does_not_resolve_says_so(void **state)
{
    struct world *w = *state;
    command_to(w, CMD_INITIATE, "name", 0);
    assert_false(w->ok);
    assert_int_equal(w->cause, CAUSE_NET_NAME_NOT_RESOLVED);
    assert_non_null(strstr(w->seen, "no-such-host.invalid: "));
}

static void
datagrams_reach_the_worker_of_their_spi_and_are_answered_from_where_they_came(void **state)
{
    struct world *w = *state;
    for (unsigned worker = 0; worker < 2; worker++) {
        uint8_t octets[32] = {(uint8_t)worker, 1, 2, 3}, got[32];
        struct address from;
        forget(w);
        send_to(w, PORT, octets, 28); /* no INITIATOR flag: SPIi is ours */
        assert_true(run_until(w, is_noticed));
        const struct heard *h = find(w, EVENT_NOTICE);
        assert_int_equal(h->worker, worker);
        assert_string_equal(h->conn_name, "28");
        assert_false(h->ok);
        assert_int_equal(h->local.port, PORT);
        assert_int_equal(h->local.bytes[0], 127);
        assert_int_equal(receive(w, got, sizeof got, &from), 5);
        assert_int_equal(from.port, PORT);
    }
}

static void the_nat_port_strips_and_sets_the_marker(void **state)
{
    struct world *w = *state;
    uint8_t octets[36] = {0, 0, 0, 0, 1, 9}, got[32];
    struct address from;
    forget(w);
    send_to(w, NAT_PORT, octets, 4 + 28);
    assert_true(run_until(w, is_noticed));
    const struct heard *h = find(w, EVENT_NOTICE);
    assert_int_equal(h->worker, 1);
    assert_string_equal(h->conn_name, "28");
    assert_true(h->ok);
    assert_int_equal(h->local.port, NAT_PORT);
    assert_int_equal(receive(w, got, sizeof got, &from), 9);
    assert_memory_equal(got, "\0\0\0\0reply", 9);
    assert_int_equal(from.port, NAT_PORT);
}

static void keepalives_and_esp_do_not_reach_the_engine(void **state)
{
    struct world *w = *state;
    const uint8_t keepalive = 0xff, esp[40] = {1, 2, 3, 4};
    uint8_t ike[28] = {0, 1};
    forget(w);
    send_to(w, NAT_PORT, &keepalive, 1);
    send_to(w, NAT_PORT, esp, sizeof esp);
    send_to(w, PORT, ike, sizeof ike);
    assert_true(run_until(w, is_noticed));
    size_t notices = 0;
    for (size_t i = 0; i < w->heard_count; i++)
        notices += w->heard[i].kind == EVENT_NOTICE;
    assert_int_equal(notices, 1);
}

static void a_wish_to_be_woken_is_kept(void **state)
{
    struct world *w = *state;
    uint8_t ike[28] = {1, 1};
    forget(w);
    send_to(w, PORT, ike, sizeof ike);
    assert_true(run_until(w, is_woken));
}

static void an_icmp_error_reaches_the_engine(void **state)
{
    struct world *w = *state;
    union sockaddr_any at;
    socklen_t len = sizeof at;
    uint8_t ike[28] = {1, 1};
    struct address mine, elsewhere = {.family = FAMILY_V4, .port = 9, .bytes = {127, 0, 0, 1}};
    socklen_t elsewhere_len = sockaddr_from(&elsewhere, &at);
    /* A socket that is connected elsewhere hears nothing from us: the reply finds nobody. */
    assert_int_equal(connect(w->sender, &at.any, elsewhere_len), 0);
    assert_int_equal(getsockname(w->sender, &at.any, &len), 0);
    assert_true(sockaddr_to(&at.any, &mine));
    forget(w);
    send_to(w, PORT, ike, sizeof ike);
    assert_true(run_until(w, is_told_of_path));
    close(w->sender);
    w->sender = socket(AF_INET, SOCK_DGRAM, 0);
    const struct heard *h = find(w, EVENT_IKE_DOWN);
    assert_string_equal(h->conn_name, "ICMP port unreachable");
    assert_true(h->ok);
    assert_int_equal(h->remote.port, mine.port);
}

static _Atomic unsigned visits;

static void visit(void *context, unsigned worker, const struct engine *e, struct esp_db *db,
                  struct instant now)
{
    (void)context;
    (void)now;
    assert_int_equal(e->options.worker, worker);
    assert_int_equal(e->options.port, PORT);
    assert_non_null(db);
    visits++;
}

static void note_visited(void *context)
{
    struct world *w = context;
    w->visited = visits;
}

static void every_worker_is_visited_before_the_end_is_told(void **state)
{
    struct world *w = *state;
    visits = 0;
    daemon_visit_workers(w->d, visit, note_visited, w);
    assert_true(run_until(w, is_visited));
    assert_int_equal(w->visited, 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define CLAIM(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
        CLAIM(a_command_is_ok_when_one_worker_had_a_match_and_none_failed),
        CLAIM(a_command_without_any_match_fails),
        CLAIM(one_failure_outweighs_missing_matches),
        CLAIM(a_forgotten_command_calls_nobody),
        CLAIM(a_path_is_found_and_used_and_the_record_comes_with_the_end),
        CLAIM(a_host_without_a_route_says_so),
        CLAIM(a_name_that_does_not_resolve_says_so),
        CLAIM(datagrams_reach_the_worker_of_their_spi_and_are_answered_from_where_they_came),
        CLAIM(the_nat_port_strips_and_sets_the_marker),
        CLAIM(keepalives_and_esp_do_not_reach_the_engine),
        CLAIM(a_wish_to_be_woken_is_kept),
        CLAIM(an_icmp_error_reaches_the_engine),
        CLAIM(every_worker_is_visited_before_the_end_is_told),
    };
    /* Ports of its own, and nobody to talk to: a namespace with nothing but a loopback. */
    if (geteuid() != 0 || unshare(CLONE_NEWNET) != 0) {
        puts("skipped: needs root for a network namespace");
        return 77;
    }
    struct ifreq lo = {.ifr_name = "lo", .ifr_flags = IFF_UP};
    int fd = socket(AF_INET, SOCK_DGRAM, 0);
    if (fd < 0 || ioctl(fd, SIOCSIFFLAGS, &lo) != 0)
        return 77;
    close(fd);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
