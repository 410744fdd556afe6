/* The daemon as its main thread sees it: workers that each run one engine, one loop, their sockets
 * and their ESP; commands that go to them, events that come back.
 *
 * All functions here are called on the main thread; all callbacks arrive there. Nothing waits: a
 * command's outcome is a callback, never a blocked thread. */
#ifndef IKEBANA_EDGE_DAEMON_H
#define IKEBANA_EDGE_DAEMON_H

#include <uv.h>

#include "engine/engine.h"
#include "esp/esp.h"

struct daemon;

/* An event as it left a worker, copied: everything in it lives until the last subscriber has
 * returned. */
struct daemon_event {
    unsigned worker;
    struct instant now;
    int64_t wall_s;
    struct event event;
};

/* Outcome of a command on all the workers that it went to. why: the first failure, NULL when ok;
 * record: that of the negotiation which the command began, if there was one (borrowed for the
 * call). */
typedef void daemon_done(void *context, bool ok, uint32_t count, const struct finding *why,
                         const struct record *record);

/* Sends a command (see step/step.h) to the workers it concerns: loads and unloads to all, initiate
 * to the worker that the connection's name hashes to, terminate and rekey to all (the counts add
 * up; ok when at least one worker had a match and none failed; a worker without a match is no
 * failure unless all are). done may be NULL. Strings are copied. Returns the ticket, which cancels.
 */
uint64_t daemon_command(struct daemon *d, const struct command *c, daemon_done *done,
                        void *context);
/* The caller no longer waits (client gone, time-out): done will not be called. The negotiation goes
 * on. */
void daemon_forget(struct daemon *d, uint64_t ticket);

/* Runs visit on every worker's own thread (it may look at the engine and the SA statistics, not
 * keep pointers, not block), then finish on the main thread. context must live until finish; visit
 * of different workers run at the same time. */
typedef void daemon_visit(void *context, unsigned worker, const struct engine *e, struct esp_db *db,
                          struct instant now);
void daemon_visit_workers(struct daemon *d, daemon_visit *visit, void (*finish)(void *context),
                          void *context);

/* Every event of every worker, in the order in which they reach the main thread. */
typedef void daemon_listener(void *context, const struct daemon_event *e);
void daemon_subscribe(struct daemon *d, daemon_listener *listener, void *context);
/* Not from inside a listener. */
void daemon_unsubscribe(struct daemon *d, daemon_listener *listener, void *context);

unsigned daemon_workers(const struct daemon *d);
uv_loop_t *daemon_loop(struct daemon *d);
struct instant daemon_started(const struct daemon *d);
int64_t daemon_started_wall_s(const struct daemon *d);

/* What is loaded, for get-conns, list-conns and for names in errors: main thread's own copy. conns
 * are borrowed. */
struct conn *daemon_conn(struct daemon *d, size_t i); /* NULL behind the last */
struct psk *daemon_psk(struct daemon *d, size_t i);

/* ---- its life, for the program ---- */

struct daemon_options {
    unsigned workers;             /* 1 .. 64 */
    uint16_t port, nat_port;      /* 500, 4500 */
    const char *tun;              /* "ikebana%d"; NULL = no device */
    uint16_t tun_mtu;             /* 0 = 1400 */
    struct engine_options engine; /* worker, seed and ports are filled in */
};

/* NULL: no memory. */
struct daemon *daemon_new(void);
/* Opens sockets and TUN, starts the workers. What could not be opened is in `found`; false: without
 * it there is no daemon (not one socket for IKE, no memory). */
bool daemon_start(struct daemon *d, const struct daemon_options *o, struct findings *found);
/* Deletes for all SAs, then the end of the workers; at most about two and a half seconds. is_clean:
 * all have ended; else the process should leave by _exit(). */
void daemon_stop(struct daemon *d, void (*stopped)(void *context, bool is_clean), void *context);
/* Removes routes and rules, for a process that leaves without more ado: what is left of one that is
 * killed blocks the traffic of its tunnels. */
void daemon_leave(struct daemon *d);
/* After stopped(), or without daemon_start(). The loop's other handles have to be closed before. */
void daemon_free(struct daemon *d);
/* The device's name; "" = none. */
const char *daemon_tun(const struct daemon *d);
/* Something that the edge found itself, told as an event of its own (EVENT_NOTICE). */
void daemon_report(struct daemon *d, const struct finding *f);

#endif
