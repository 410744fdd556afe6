/* The control socket: VICI for swanctl, for other VICI clients and for our own command.
 *
 * Lives on the main loop and never waits: a command whose outcome is awaited is a subscription to
 * that outcome, a client that does not read is a queue that is bounded. URIs are unix:///path and
 * tcp://127.0.0.1:port. */
#ifndef IKEBANA_EDGE_VICI_SERVER_H
#define IKEBANA_EDGE_VICI_SERVER_H

#include "edge/daemon.h"
#include "edge/history.h"

struct vici_server;

/* Listens; over TCP only on a loopback address. h may be NULL (then there is no history to ask
 * for); else it follows the daemon's records from here on (history_follow()). A unix socket that is
 * there is replaced only when nobody listens on it. NULL: why says why (cmd.bad-request for the
 * URI, sys.control for the socket). */
struct vici_server *vici_server_start(struct daemon *d, const char *uri, struct history *h,
                                      struct finding *why);

/* Closes everything and removes the socket's file; the memory goes with the loop's next turns, so
 * run the loop until it has no more to do. NULL is allowed. */
void vici_server_stop(struct vici_server *s);

/* Who serves `ikebana-load-file` (the daemon's configuration reader): reads path and loads what it
 * says; findings with a failure among them mean that the running configuration stays. */
typedef void vici_load_file(void *context, const char *path, struct findings *found);
void vici_server_set_loader(struct vici_server *s, vici_load_file *load, void *context);

#endif
