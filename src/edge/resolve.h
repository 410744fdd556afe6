/* QUESTION_PATH: which remote address has the peer's name, and from which local address does one
 * reach it? Names are resolved on libuv's threads, the rest is asked of the kernel's routing by a
 * connected UDP socket that sends nothing. Never blocks. One worker's thread. */
#ifndef IKEBANA_EDGE_RESOLVE_H
#define IKEBANA_EDGE_RESOLVE_H

#include <uv.h>

#include "edge/priv.h"
#include "step/step.h"

/* The answer is borrowed for the call. Never called from inside resolve_path(). */
typedef void resolve_done(void *context, const struct answer *answer);

struct resolver {
    uv_loop_t *loop;
    struct priv *priv;
    resolve_done *done;
    void *context;
    struct question *waiting; /* in progress, for resolver_stop() */
};

void resolver_init(struct resolver *r, uv_loop_t *loop, struct priv *priv, resolve_done *answered,
                   void *context);
/* Copies what it needs. local may be NULL. false: no memory; nothing will come. */
bool resolve_path(struct resolver *r, uint64_t ticket, const struct host_pattern *local,
                  const struct host_pattern *remote, uint16_t local_port, uint16_t remote_port);
/* Gives up what waits; no more answers. The loop must run on until it has ended. */
void resolver_stop(struct resolver *r);

/* The local address that the routing uses towards `remote`, if `local` (may be NULL) allows it:
 * ports are not looked at. false: *error is 0 when the address does not fit `local`, else errno. */
bool resolve_source(struct priv *p, const struct host_pattern *local, const struct address *remote,
                    struct address *out, int *error);

#endif
