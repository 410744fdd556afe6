/* A worker: one thread with one loop, one engine, its sockets and its ESP.
 *
 * Work comes from its sockets, its TUN queue, its timer and its inbox (jobs); news for the main
 * thread leaves in batches, one for each turn of the loop. The engine's effects are carried out
 * before anything else is put into it; what they bring about at once (an answer, a send error)
 * waits for the next turn, so engine_step() is never entered twice. */
#ifndef IKEBANA_EDGE_WORKER_H
#define IKEBANA_EDGE_WORKER_H

#include <uv.h>

#include "edge/batch.h"
#include "edge/priv.h"
#include "edge/sockets.h"
#include "edge/tun.h"

struct worker;

enum { WORKERS_MAX = 64, WORKER_FORWARDED_MAX = 4096 };

enum job_kind {
    JOB_COMMAND,
    JOB_VISIT,
    JOB_IKE,       /* a datagram that arrived at another worker */
    JOB_ESP,       /* likewise */
    JOB_DROP_HELD, /* of this trap; both names stand in bytes */
    JOB_DATAPLANE, /* news of an SA of this worker's engine, seen by another */
    JOB_TWIN,      /* an IKE SA of another worker */
    JOB_STOP,
};

struct job {
    struct queue_item item; /* first */
    enum job_kind kind;
    union {
        struct command command; /* its names stand in bytes; it holds references */
        struct {
            daemon_visit *visit;
            void *context, *token;
        } visit;
        struct {
            struct address local, remote;
            bool marker; /* IKE: as in struct datagram; ESP: in UDP */
            uint8_t tos;
            uint32_t len;
        } packet; /* its octets in bytes, behind ESP_HEADROOM and before ESP_TAILROOM */
        struct dataplane_input dataplane;
        uint32_t policy_id;
        struct twin twin;
    };
    uint8_t bytes[];
};

struct worker_options {
    unsigned number, count;
    struct engine_options engine;
    int sockets[SOCKET_COUNT]; /* the worker's from worker_new() on */
    int tun;                   /* likewise; -1 = none */
    int clear[2];              /* likewise: for what leaves in clear, IPv4 and IPv6 */
    uint16_t port, nat_port;
    struct esp_db *db;      /* of all workers */
    struct priv *priv;      /* for this worker alone */
    struct worker **peers;  /* count of them, filled in before worker_start() */
    struct queue *news;     /* of batches */
    uv_async_t *news_there; /* wakes the main loop */
};

/* NULL: no memory; some descriptors may be closed then: nothing goes on without workers. */
struct worker *worker_new(const struct worker_options *o);
bool worker_start(struct worker *w);
/* Waits for the end of its thread (JOB_STOP has to be on its way); does nothing if it never began.
 */
void worker_join(struct worker *w);
/* Joined, or never started. */
void worker_free(struct worker *w);
/* Takes the job over; any thread. */
void worker_post(struct worker *w, struct job *j);
/* A batch comes back for further use; main thread. */
void worker_recycle(struct worker *w, struct batch *b);

/* The job that carries a command, with copies of its names and references of its own. */
struct job *worker_command_job(const struct command *c);
struct job *worker_job(enum job_kind kind);

#endif
