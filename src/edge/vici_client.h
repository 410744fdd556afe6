/* The other end of VICI: what our command uses. Blocking, one connection, one request at a time. */
#ifndef IKEBANA_EDGE_VICI_CLIENT_H
#define IKEBANA_EDGE_VICI_CLIENT_H

#include "edge/vici_codec.h"

struct vici_link {
    int fd;
    uint8_t *in;
    size_t len, room;
    const char *error; /* why it is lost, or what the daemon does not know */
};

/* false: error says what is wrong, is_wrong_uri whether it is the URI itself. */
bool vici_connect(struct vici_link *l, const char *uri, bool *is_wrong_uri);
void vici_disconnect(struct vici_link *l);

/* An event that comes while a request runs, or is waited for. false: go no further. */
typedef bool vici_link_event(void *context, const char *name, const struct section *message,
                             struct arena *a);

/* false: the daemon does not know the event, or the connection is lost (error). */
bool vici_register(struct vici_link *l, const char *event);
/* Sends request (vici_begin_packet() with VICI_CMD_REQUEST; it is cleared) and gives events to
 * `event` (may be NULL) until the answer is there. The answer lives in a; each event's message only
 * for the call. false: the daemon does not know the command, or the connection is lost (error). */
bool vici_call(struct vici_link *l, struct vici_out *request, vici_link_event *event, void *context,
               struct arena *a, const struct section **answer);
/* Events only, until `event` says no or the connection is lost. */
void vici_listen(struct vici_link *l, vici_link_event *event, void *context);

#endif
