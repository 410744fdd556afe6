/* The daemon that vici_server_test plays: edge/daemon.h and what list-sas asks of the engine, with
 * outcomes that the test decides. Included by that one file. */
#ifndef IKEBANA_TESTS_VICI_FAKE_DAEMON_H
#define IKEBANA_TESTS_VICI_FAKE_DAEMON_H

#include <stdio.h>
#include <stdlib.h>

#include "edge/daemon.h"

struct daemon {
    uv_loop_t loop;
    daemon_listener *listeners[4];
    void *contexts[4];
    size_t listener_count;
    struct conn *conns[16];
    struct psk *psks[16];
    size_t conn_count, psk_count;
    struct command last; /* strings copied */
    char conn_name[64], child_name[64];
    unsigned initiated, terminated;
    daemon_done *waiting; /* of the last command that is not answered at once */
    void *waiting_context;
    uint64_t tickets, forgotten;
    size_t sa_count; /* that list-sas shows */
};

static struct daemon d;

static void add_conn(struct conn *c)
{
    for (size_t i = 0; i < d.conn_count; i++) {
        if (strcmp(d.conns[i]->name, c->name) != 0)
            continue;
        policy_conn_unref(d.conns[i]);
        d.conns[i] = policy_conn_ref(c);
        return;
    }
    d.conns[d.conn_count++] = policy_conn_ref(c);
}

static void remove_conn(const char *name)
{
    for (size_t i = 0; i < d.conn_count; i++) {
        if (strcmp(d.conns[i]->name, name) != 0)
            continue;
        policy_conn_unref(d.conns[i]);
        d.conns[i] = d.conns[--d.conn_count];
        d.conns[d.conn_count] = NULL;
    }
}

static void remove_psk(const char *id)
{
    for (size_t i = 0; i < d.psk_count; i++) {
        if (strcmp(d.psks[i]->id, id) != 0)
            continue;
        policy_psk_unref(d.psks[i]);
        d.psks[i] = d.psks[--d.psk_count];
        d.psks[d.psk_count] = NULL;
        return;
    }
}

uint64_t daemon_command(struct daemon *daemon, const struct command *c, daemon_done *finished,
                        void *context)
{
    (void)daemon;
    d.last = *c;
    snprintf(d.conn_name, sizeof d.conn_name, "%s", c->conn_name == NULL ? "" : c->conn_name);
    snprintf(d.child_name, sizeof d.child_name, "%s", c->child_name == NULL ? "" : c->child_name);
    switch (c->kind) {
    case CMD_LOAD_CONN:
        add_conn(c->conn);
        break;
    case CMD_UNLOAD_CONN:
        remove_conn(c->conn_name);
        break;
    case CMD_LOAD_PSK:
        d.psks[d.psk_count++] = policy_psk_ref(c->psk);
        break;
    case CMD_UNLOAD_PSK:
        remove_psk(c->conn_name);
        break;
    case CMD_INITIATE:
        d.initiated++;
        break;
    case CMD_TERMINATE:
        d.terminated++;
        break;
    case CMD_REKEY:
    case CMD_INSTALL:
    case CMD_UNINSTALL:
    case CMD_SHUTDOWN:
        break;
    }
    if (c->kind == CMD_INITIATE || c->kind == CMD_TERMINATE || c->kind == CMD_REKEY) {
        d.waiting = finished;
        d.waiting_context = context;
    } else if (finished != NULL) {
        finished(context, true, 1, NULL, NULL);
    }
    return ++d.tickets;
}

void daemon_forget(struct daemon *daemon, uint64_t ticket)
{
    (void)daemon;
    d.forgotten = ticket;
    d.waiting = NULL;
}

struct visiting {
    uv_timer_t timer;
    void (*finish)(void *context);
    void *context;
};

static void free_handle(uv_handle_t *handle)
{
    free(handle);
}

static void on_visited(uv_timer_t *timer)
{
    struct visiting *v = (struct visiting *)timer;
    v->finish(v->context);
    uv_close((uv_handle_t *)timer, free_handle);
}

void daemon_visit_workers(struct daemon *daemon, daemon_visit *visit, void (*finish)(void *context),
                          void *context)
{
    (void)daemon;
    struct visiting *v = calloc(1, sizeof *v);
    v->finish = finish;
    v->context = context;
    for (unsigned i = 0; i < 2; i++)
        visit(context, i, NULL, NULL, (struct instant){0});
    uv_timer_init(&d.loop, &v->timer);
    uv_timer_start(&v->timer, on_visited, 0, 0);
}

void daemon_subscribe(struct daemon *daemon, daemon_listener *listener, void *context)
{
    (void)daemon;
    d.listeners[d.listener_count] = listener;
    d.contexts[d.listener_count++] = context;
}

void daemon_unsubscribe(struct daemon *daemon, daemon_listener *listener, void *context)
{
    (void)daemon;
    for (size_t i = 0; i < d.listener_count; i++) {
        if (d.listeners[i] != listener || d.contexts[i] != context)
            continue;
        d.listener_count--;
        d.listeners[i] = d.listeners[d.listener_count];
        d.contexts[i] = d.contexts[d.listener_count];
    }
}

static void emit(const struct event *e)
{
    struct daemon_event event = {.worker = 1, .wall_s = 1700000000, .event = *e};
    for (size_t i = 0; i < d.listener_count; i++)
        d.listeners[i](d.contexts[i], &event);
}

unsigned daemon_workers(const struct daemon *daemon)
{
    (void)daemon;
    return 2;
}

uv_loop_t *daemon_loop(struct daemon *daemon)
{
    return &daemon->loop;
}

struct instant daemon_started(const struct daemon *daemon)
{
    (void)daemon;
    return (struct instant){0};
}

int64_t daemon_started_wall_s(const struct daemon *daemon)
{
    (void)daemon;
    return 1700000000;
}

struct conn *daemon_conn(struct daemon *daemon, size_t i)
{
    return i < daemon->conn_count ? daemon->conns[i] : NULL;
}

struct psk *daemon_psk(struct daemon *daemon, size_t i)
{
    return i < daemon->psk_count ? daemon->psks[i] : NULL;
}

bool engine_next_sa(const struct engine *e, uint64_t *cursor, struct instant now, struct arena *a,
                    struct ike_view *out)
{
    (void)e;
    (void)now;
    if (*cursor >= d.sa_count)
        return false;
    struct child_view *child = arena_alloc(a, sizeof *child);
    ++*cursor;
    *child = (struct child_view){.id = (uint32_t)*cursor,
                                 .name = "lan",
                                 .state = CHILD_INSTALLED,
                                 .spi_in = 0xc0000001,
                                 .spi_out = 0xab,
                                 .suite = {.encr = 20, .encr_bits = 256},
                                 .rekey_in_s = 3000,
                                 .expires_in_s = -1};
    *out =
        (struct ike_view){.id = (uint32_t)*cursor,
                          .conn_name = *cursor % 2 == 0 ? "even" : "odd",
                          .state = IKE_ESTABLISHED,
                          .is_initiator = true,
                          .version = 2,
                          .local_id = "a.example",
                          .remote_id = "b.example",
                          .spi_i = 0x1122334455667788,
                          .spi_r = 9,
                          .suite = {.encr = 12, .encr_bits = 128, .integ = 12, .prf = 5, .ke = 31},
                          .established_s_ago = 60,
                          .rekey_in_s = 100,
                          .expires_in_s = -1,
                          .children = child,
                          .child_count = 1};
    address_parse(span_text("192.0.2.1"), &out->local);
    address_parse(span_text("192.0.2.7"), &out->remote);
    return true;
}

void engine_counters(const struct engine *e, struct engine_counters *out)
{
    (void)e;
    *out = (struct engine_counters){.ike_sas = 3, .half_open = 1, .negotiations = 5};
}

#endif
