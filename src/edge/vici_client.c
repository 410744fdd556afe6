#include "edge/vici_client.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "edge/vici_uri.h"

bool vici_connect(struct vici_link *l, const char *uri, bool *is_wrong_uri)
{
    struct vici_uri at;
    *l = (struct vici_link){.fd = -1};
    *is_wrong_uri = !vici_parse_uri(uri, &at, &l->error);
    if (*is_wrong_uri)
        return false;
    l->fd = socket(at.at.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (l->fd < 0 || connect(l->fd, (const struct sockaddr *)&at.at, at.len) != 0) {
        l->error = strerror(errno);
        vici_disconnect(l);
        return false;
    }
    return true;
}

void vici_disconnect(struct vici_link *l)
{
    if (l->fd >= 0)
        close(l->fd);
    free(l->in);
    l->fd = -1;
    l->in = NULL;
    l->len = l->room = 0;
}

static bool send_packet(struct vici_link *l, struct vici_out *o)
{
    bool ok = vici_end_packet(o);
    if (!ok)
        l->error = "the request does not fit into a packet";
    struct reader r = reader_of(span_of(o->at, o->len));
    while (ok && r.left.len > 0) {
        ssize_t sent = send(l->fd, r.left.at, r.left.len, MSG_NOSIGNAL);
        if (sent < 0 && errno == EINTR)
            continue;
        ok = sent > 0;
        if (ok)
            take(&r, (size_t)sent);
        else
            l->error = strerror(errno);
    }
    vici_out_clear(o);
    return ok;
}

static bool fill(struct vici_link *l, size_t want)
{
    if (l->room < want) {
        uint8_t *in = realloc(l->in, want);
        if (in == NULL) {
            l->error = "no memory";
            return false;
        }
        l->in = in;
        l->room = want;
    }
    while (l->len < want) {
        ssize_t got = recv(l->fd, l->in + l->len, want - l->len, 0);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0) {
            l->error = got == 0 ? "the daemon has closed the connection" : strerror(errno);
            return false;
        }
        l->len += (size_t)got;
    }
    return true;
}

/* The next packet; it lives in l->in until the next call. */
static bool take_packet(struct vici_link *l, struct vici_packet *out)
{
    l->len = 0;
    if (!fill(l, 4))
        return false;
    struct reader r = reader_of(span_of(l->in, 4));
    size_t size = take_u32(&r);
    if (size > VICI_PACKET_MAX) {
        l->error = "the answer is larger than VICI allows";
        return false;
    }
    if (!fill(l, 4 + size))
        return false;
    r = reader_of(span_of(l->in, 4 + size));
    take(&r, 4);
    return vici_parse_packet(take_rest(&r), out, &l->error);
}

/* Hands an event over. false: the receiver has had enough. */
static bool give_event(struct vici_link *l, const struct vici_packet *p, vici_link_event *event,
                       void *context)
{
    const struct section *message;
    struct arena a;
    bool goes_on = true;
    if (event == NULL || !arena_init(&a))
        return true;
    const char *name = arena_text(&a, "%.*s", (int)p->name.len, (const char *)p->name.at);
    if (vici_parse_message(p->message, &a, &message, &l->error))
        goes_on = event(context, name, message, &a);
    arena_clear(&a);
    return goes_on;
}

bool vici_register(struct vici_link *l, const char *event)
{
    struct vici_out o;
    struct vici_packet p;
    vici_begin_packet(&o, VICI_EVENT_REGISTER, event);
    if (!send_packet(l, &o))
        return false;
    while (take_packet(l, &p)) {
        if (p.type == VICI_EVENT_CONFIRM)
            return true;
        if (p.type == VICI_EVENT_UNKNOWN) {
            l->error = "the daemon does not know this event; it is not ikebanad, or an older one";
            return false;
        }
    }
    return false;
}

bool vici_call(struct vici_link *l, struct vici_out *request, vici_link_event *event, void *context,
               struct arena *a, const struct section **answer)
{
    struct vici_packet p;
    if (!send_packet(l, request))
        return false;
    while (take_packet(l, &p)) {
        if (p.type == VICI_EVENT) {
            give_event(l, &p, event, context);
        } else if (p.type == VICI_CMD_UNKNOWN) {
            l->error = "the daemon does not know this command; it is not ikebanad, or an older one";
            return false;
        } else if (p.type == VICI_CMD_RESPONSE) {
            return vici_parse_message(arena_copy(a, p.message), a, answer, &l->error);
        }
    }
    return false;
}

void vici_listen(struct vici_link *l, vici_link_event *event, void *context)
{
    struct vici_packet p;
    while (take_packet(l, &p))
        if (p.type == VICI_EVENT && !give_event(l, &p, event, context))
            return;
}
