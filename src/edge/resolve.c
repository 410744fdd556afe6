#include "edge/resolve.h"

#include <errno.h>
#include <ifaddrs.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "edge/sockaddr.h"

enum { NAME_SIZE = 256, ADDRESSES_MAX = 16 };

/* A pattern with the memory for its name. */
struct pattern {
    struct host_pattern host;
    char name[NAME_SIZE];
};

struct question {
    struct question *next;
    struct resolver *owner; /* NULL: given up */
    uint64_t ticket;
    bool has_local;
    struct pattern local, remote;
    uint16_t local_port, remote_port;
    struct address found[ADDRESSES_MAX]; /* the remote's */
    size_t found_count;
    uv_getaddrinfo_t lookup;
    uv_timer_t later;
};

void resolver_init(struct resolver *r, uv_loop_t *loop, struct priv *priv, resolve_done *answered,
                   void *context)
{
    *r = (struct resolver){loop, priv, answered, context, NULL};
}

static bool in_range(const struct host_pattern *h, const struct address *at)
{
    size_t len = address_len(at->family);
    return h->from.family == at->family && memcmp(at->bytes, h->from.bytes, len) >= 0 &&
           memcmp(at->bytes, h->to.bytes, len) <= 0;
}

/* Any address of this host inside the range; the routing's choice is not. */
static bool address_in_range(const struct host_pattern *h, struct address *out)
{
    struct ifaddrs *all = NULL;
    if (getifaddrs(&all) != 0)
        return false;
    bool is_found = false;
    for (struct ifaddrs *f = all; f != NULL && !is_found; f = f->ifa_next)
        is_found = f->ifa_addr != NULL && sockaddr_to(f->ifa_addr, out) && in_range(h, out);
    freeifaddrs(all);
    return is_found;
}

bool resolve_source(struct priv *p, const struct host_pattern *local, const struct address *remote,
                    struct address *out, int *error)
{
    union sockaddr_any at;
    struct address to = *remote;
    *error = 0;
    if (to.port == 0)
        to.port = 500;
    if (local != NULL && local->kind == HOST_ADDRESS && local->from.family != to.family)
        return false;
    int fd = priv_open_probe(p, to.family);
    if (fd < 0) {
        *error = errno;
        return false;
    }
    bool ok = true;
    if (local != NULL && local->kind == HOST_ADDRESS) {
        struct address from = local->from;
        from.port = 0;
        socklen_t len = sockaddr_from(&from, &at);
        ok = bind(fd, &at.any, len) == 0;
    }
    if (ok) {
        socklen_t len = sockaddr_from(&to, &at);
        ok = len > 0 && connect(fd, &at.any, len) == 0;
    }
    if (ok) {
        socklen_t len = sizeof at;
        ok = getsockname(fd, &at.any, &len) == 0 && sockaddr_to(&at.any, out);
    }
    if (!ok)
        *error = errno != 0 ? errno : EADDRNOTAVAIL;
    close(fd);
    if (ok && local != NULL && local->kind == HOST_RANGE && !in_range(local, out))
        ok = address_in_range(local, out);
    return ok;
}

/* ---- a question's way ---- */

static void unlink_question(struct question *q)
{
    for (struct question **at = &q->owner->waiting; *at != NULL; at = &(*at)->next) {
        if (*at == q) {
            *at = q->next;
            return;
        }
    }
}

static void end(struct question *q, const struct answer *answer)
{
    struct resolver *r = q->owner;
    if (r != NULL) {
        unlink_question(q);
        r->done(r->context, answer);
    }
    free(q);
}

static void refuse(struct question *q, enum cause cause, const char *error)
{
    struct answer answer = {.ticket = q->ticket, .error = error, .cause = cause};
    end(q, &answer);
}

/* All names are addresses now: the first remote address that can be reached is the answer. */
static void conclude(struct question *q)
{
    int error = 0, first_error = 0;
    const struct host_pattern *local = q->has_local ? &q->local.host : NULL;
    for (size_t i = 0; i < q->found_count; i++) {
        struct answer answer = {.ticket = q->ticket, .ok = true, .remote = q->found[i]};
        if (resolve_source(q->owner->priv, local, &q->found[i], &answer.local, &error)) {
            answer.local.port = q->local_port;
            answer.remote.port = q->remote_port;
            end(q, &answer);
            return;
        }
        if (first_error == 0)
            first_error = error;
    }
    if (q->found_count == 0)
        refuse(q, CAUSE_NET_NO_REMOTE_ADDRESS, "remote_addrs names no single host");
    else if (first_error == EADDRNOTAVAIL && local != NULL && local->kind == HOST_ADDRESS)
        refuse(q, CAUSE_NET_NO_ROUTE, "the local address is not an address of this host");
    else if (first_error == 0)
        refuse(q, CAUSE_NET_NO_ROUTE, "no local address fits local_addrs");
    else
        refuse(q, CAUSE_NET_NO_ROUTE, strerror(first_error));
}

static void look_up(struct question *q);

static void looked_up(uv_getaddrinfo_t *lookup, int status, struct addrinfo *list)
{
    struct question *q = lookup->data;
    if (q->owner == NULL) {
        uv_freeaddrinfo(list);
        free(q);
        return;
    }
    if (status < 0 || list == NULL) {
        char error[NAME_SIZE + 128];
        snprintf(error, sizeof error, "%s: %s",
                 q->remote.host.kind == HOST_NAME ? q->remote.name : q->local.name,
                 status == UV_EAI_NONAME ? "Name or service not known"
                 : status < 0            ? uv_strerror(status)
                                         : "no address");
        uv_freeaddrinfo(list);
        refuse(q, CAUSE_NET_NAME_NOT_RESOLVED, error);
        return;
    }
    if (q->remote.host.kind == HOST_NAME) {
        for (struct addrinfo *i = list; i != NULL && q->found_count < ADDRESSES_MAX; i = i->ai_next)
            if (sockaddr_to(i->ai_addr, &q->found[q->found_count]))
                q->found_count++;
        q->remote.host.kind = HOST_ADDRESS;
    } else if (sockaddr_to(list->ai_addr, &q->local.host.from)) {
        q->local.host.to = q->local.host.from;
        q->local.host.kind = HOST_ADDRESS;
    } else {
        q->local.host.kind = HOST_ANY;
    }
    uv_freeaddrinfo(list);
    look_up(q);
}

/* Resolves the next name, or concludes. */
static void look_up(struct question *q)
{
    const char *name = q->remote.host.kind == HOST_NAME                  ? q->remote.name
                       : q->has_local && q->local.host.kind == HOST_NAME ? q->local.name
                                                                         : NULL;
    if (name == NULL) {
        conclude(q);
        return;
    }
    struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_DGRAM};
    if (q->has_local && q->local.host.kind == HOST_ADDRESS)
        hints.ai_family = sockaddr_family(q->local.host.from.family);
    else if (q->remote.host.kind != HOST_NAME && q->found_count > 0)
        hints.ai_family = sockaddr_family(q->found[0].family);
    q->lookup.data = q;
    if (uv_getaddrinfo(q->owner->loop, &q->lookup, looked_up, name, NULL, &hints) != 0)
        refuse(q, CAUSE_NET_NAME_NOT_RESOLVED, "the resolver cannot be asked");
}

static void later_closed(uv_handle_t *handle)
{
    struct question *q = handle->data;
    if (q->owner == NULL)
        free(q);
    else
        look_up(q);
}

/* In a turn of its own, so that no answer comes while the effects are being carried out. */
static void later_fired(uv_timer_t *timer)
{
    uv_close((uv_handle_t *)timer, later_closed);
}

static bool copy_pattern(const struct host_pattern *from, struct pattern *to)
{
    to->host = *from;
    to->host.name = NULL;
    if (from->kind != HOST_NAME)
        return true;
    size_t len = from->name == NULL ? NAME_SIZE : strlen(from->name);
    if (len >= NAME_SIZE)
        return false;
    memcpy(to->name, from->name, len + 1);
    return true;
}

bool resolve_path(struct resolver *r, uint64_t ticket, const struct host_pattern *local,
                  const struct host_pattern *remote, uint16_t local_port, uint16_t remote_port)
{
    struct question *q = calloc(1, sizeof *q);
    if (q == NULL)
        return false;
    q->ticket = ticket;
    q->owner = r;
    q->local_port = local_port;
    q->remote_port = remote_port;
    q->has_local = local != NULL && local->kind != HOST_ANY;
    bool fits =
        copy_pattern(remote, &q->remote) && (!q->has_local || copy_pattern(local, &q->local));
    if (fits && remote->kind == HOST_ADDRESS) {
        q->found[0] = remote->from;
        q->found_count = 1;
    }
    if (!fits) /* a name that long is no name (RFC 1035 2.3.4): let the resolver say so */
        q->remote.host.kind = HOST_NAME;
    if (uv_timer_init(r->loop, &q->later) != 0) {
        free(q);
        return false;
    }
    q->later.data = q;
    q->next = r->waiting;
    r->waiting = q;
    uv_timer_start(&q->later, later_fired, 0, 0);
    return true;
}

void resolver_stop(struct resolver *r)
{
    while (r->waiting != NULL) {
        struct question *q = r->waiting;
        r->waiting = q->next;
        q->owner = NULL;
        if (q->lookup.data != NULL) {
            uv_cancel((uv_req_t *)&q->lookup); /* ends in looked_up() either way */
        } else if (!uv_is_closing((uv_handle_t *)&q->later)) {
            uv_close((uv_handle_t *)&q->later, later_closed);
        }
    }
}
