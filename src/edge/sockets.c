#include "edge/sockets.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <linux/errqueue.h>
#include <netinet/icmp6.h>
#include <netinet/ip_icmp.h>

#include "edge/sockaddr.h"
#include "esp/esp.h"

enum { CONTROL_SIZE = 256, BUFFER_SIZE = ESP_HEADROOM + SOCKETS_CAPACITY + ESP_TAILROOM };

union control {
    struct cmsghdr align;
    uint8_t bytes[CONTROL_SIZE];
};

struct sockets {
    int fd[SOCKET_COUNT];
    bool has_df[SOCKET_COUNT]; /* as the socket is switched now */
    uint16_t port, nat_port;
    uint8_t *buffers; /* SOCKETS_BATCH of BUFFER_SIZE; pages come when they are used */
    struct mmsghdr headers[SOCKETS_BATCH];
    struct iovec vectors[SOCKETS_BATCH][2];
    union sockaddr_any names[SOCKETS_BATCH];
    union control controls[SOCKETS_BATCH];
    struct socket_packet packets[SOCKETS_BATCH];
};

struct sockets *sockets_new(const int fds[SOCKET_COUNT], uint16_t port, uint16_t nat_port)
{
    struct sockets *s = calloc(1, sizeof *s);
    if (s == NULL)
        return NULL;
    s->buffers = malloc((size_t)SOCKETS_BATCH * BUFFER_SIZE);
    if (s->buffers == NULL) {
        free(s);
        return NULL;
    }
    memcpy(s->fd, fds, sizeof s->fd);
    s->port = port;
    s->nat_port = nat_port;
    return s;
}

void sockets_free(struct sockets *s)
{
    if (s == NULL)
        return;
    for (size_t i = 0; i < SOCKET_COUNT; i++)
        if (s->fd[i] >= 0)
            close(s->fd[i]);
    free(s->buffers);
    free(s);
}

int sockets_fd(const struct sockets *s, enum socket_kind which)
{
    return s->fd[which];
}

bool sockets_has(const struct sockets *s, enum socket_kind which)
{
    return s->fd[which] >= 0;
}

static bool is_v6(enum socket_kind which)
{
    return which == SOCKET_IKE6 || which == SOCKET_NAT6 || which == SOCKET_ESP6;
}

static bool is_raw(enum socket_kind which)
{
    return which == SOCKET_ESP4 || which == SOCKET_ESP6;
}

static uint16_t port_of(const struct sockets *s, enum socket_kind which)
{
    return is_raw(which) ? 0 : which == SOCKET_NAT4 || which == SOCKET_NAT6 ? s->nat_port : s->port;
}

/* ---- receiving ---- */

/* Local address and TOS out of the control messages. */
static void read_control(struct msghdr *m, struct address *local, uint8_t *tos)
{
    for (struct cmsghdr *c = CMSG_FIRSTHDR(m); c != NULL; c = CMSG_NXTHDR(m, c)) {
        if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_PKTINFO) {
            struct in_pktinfo info;
            memcpy(&info, CMSG_DATA(c), sizeof info);
            local->family = FAMILY_V4;
            memcpy(local->bytes, &info.ipi_addr, 4);
        } else if (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_PKTINFO) {
            struct in6_pktinfo info;
            memcpy(&info, CMSG_DATA(c), sizeof info);
            local->family = FAMILY_V6;
            local->scope = IN6_IS_ADDR_LINKLOCAL(&info.ipi6_addr) ? (uint32_t)info.ipi6_ifindex : 0;
            memcpy(local->bytes, &info.ipi6_addr, 16);
        } else if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_TOS) {
            *tos = CMSG_DATA(c)[0];
        } else if (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_TCLASS) {
            int value;
            memcpy(&value, CMSG_DATA(c), sizeof value);
            *tos = (uint8_t)value;
        }
    }
}

/* A raw IPv4 socket gives the IP header too. */
static bool strip_header(struct socket_packet *p)
{
    struct reader r = reader_of(span_of(p->data, p->len));
    uint32_t header = (uint32_t)(take_u8(&r) & 15) * 4;
    if (header < 20 || header > p->len)
        return false;
    p->data += header;
    p->len -= header;
    p->capacity -= header;
    return true;
}

size_t sockets_receive(struct sockets *s, enum socket_kind which, struct socket_packet **out,
                       bool *was_full)
{
    for (size_t i = 0; i < SOCKETS_BATCH; i++) {
        s->vectors[i][0] =
            (struct iovec){s->buffers + i * BUFFER_SIZE + ESP_HEADROOM, SOCKETS_CAPACITY};
        s->headers[i].msg_hdr = (struct msghdr){
            .msg_name = &s->names[i],
            .msg_namelen = sizeof s->names[i],
            .msg_iov = s->vectors[i],
            .msg_iovlen = 1,
            .msg_control = &s->controls[i],
            .msg_controllen = sizeof s->controls[i],
        };
    }
    *out = s->packets;
    int got = recvmmsg(s->fd[which], s->headers, SOCKETS_BATCH, MSG_DONTWAIT, NULL);
    /* A pending error of the socket stands in the way of one call only; whose it was is in the
     * error queue. */
    if (got < 0 && errno != EAGAIN && errno != EWOULDBLOCK)
        got = recvmmsg(s->fd[which], s->headers, SOCKETS_BATCH, MSG_DONTWAIT, NULL);
    *was_full = got == SOCKETS_BATCH;
    size_t count = 0;
    for (int i = 0; i < got; i++) {
        struct msghdr *m = &s->headers[i].msg_hdr;
        struct socket_packet *p = &s->packets[count];
        memset(p, 0, sizeof *p);
        p->data = m->msg_iov[0].iov_base;
        p->len = s->headers[i].msg_len;
        p->capacity = SOCKETS_CAPACITY;
        read_control(m, &p->local, &p->tos);
        p->local.port = port_of(s, which);
        if ((m->msg_flags & MSG_TRUNC) != 0 || p->local.family == FAMILY_NONE ||
            m->msg_namelen == 0 || !sockaddr_to(&s->names[i].any, &p->remote))
            continue;
        if (is_raw(which))
            p->remote.port = 0;
        if (which == SOCKET_ESP4 && !strip_header(p))
            continue;
        count++;
    }
    return count;
}

/* ---- sending ---- */

static void add_control(struct msghdr *m, int level, int type, const void *data, size_t len)
{
    struct cmsghdr *c = (struct cmsghdr *)(void *)((uint8_t *)m->msg_control + m->msg_controllen);
    m->msg_controllen += CMSG_SPACE(len);
    memset(c, 0, CMSG_SPACE(len));
    c->cmsg_level = level;
    c->cmsg_type = type;
    c->cmsg_len = CMSG_LEN(len);
    memcpy(CMSG_DATA(c), data, len);
}

static void write_control(struct msghdr *m, const struct socket_out *o)
{
    int tos = o->tos;
    m->msg_controllen = 0;
    if (o->local.family == FAMILY_V4) {
        struct in_pktinfo info = {0};
        memcpy(&info.ipi_spec_dst, o->local.bytes, 4);
        if (!address_is_any(&o->local))
            add_control(m, IPPROTO_IP, IP_PKTINFO, &info, sizeof info);
    } else if (o->local.family == FAMILY_V6) {
        struct in6_pktinfo info = {.ipi6_ifindex = o->local.scope};
        memcpy(&info.ipi6_addr, o->local.bytes, 16);
        if (!address_is_any(&o->local))
            add_control(m, IPPROTO_IPV6, IPV6_PKTINFO, &info, sizeof info);
    }
    if (tos != 0 && o->remote.family == FAMILY_V4)
        add_control(m, IPPROTO_IP, IP_TOS, &tos, sizeof tos);
    else if (tos != 0)
        add_control(m, IPPROTO_IPV6, IPV6_TCLASS, &tos, sizeof tos);
    if (m->msg_controllen == 0)
        m->msg_control = NULL;
}

static void switch_df(struct sockets *s, enum socket_kind which, bool df)
{
    if (s->has_df[which] == df)
        return;
    int value = df ? IP_PMTUDISC_DO : IP_PMTUDISC_DONT; /* the same numbers for IPv6 */
    if (is_v6(which))
        setsockopt(s->fd[which], IPPROTO_IPV6, IPV6_MTU_DISCOVER, &value, sizeof value);
    else
        setsockopt(s->fd[which], IPPROTO_IP, IP_MTU_DISCOVER, &value, sizeof value);
    s->has_df[which] = df;
}

static const char *send_error_text(int error)
{
    switch (error) {
    case ENETUNREACH:
        return "Network is unreachable";
    case EHOSTUNREACH:
        return "No route to host";
    case EADDRNOTAVAIL:
    case EINVAL:
        return "the local address is no longer on this host";
    case EMSGSIZE:
        return "message too long for the path";
    case EPERM:
    case EACCES:
        return "sending is forbidden by a local firewall";
    case EAGAIN:
    case ENOBUFS:
        return "no room in the send buffer";
    default:
        return "the packet could not be sent";
    }
}

static void refuse(const struct socket_out *o, int error, sockets_refused *refused, void *context)
{
    struct socket_error e = {
        .remote = o->remote,
        .local = o->local,
        .error = error,
        .what = send_error_text(error),
        .is_fatal_hint = error == ENETUNREACH || error == EHOSTUNREACH || error == EADDRNOTAVAIL ||
                         error == EPERM || error == EACCES || error == EINVAL,
    };
    if (refused != NULL)
        refused(context, &e);
}

/* One run with the same df. */
static void send_run(struct sockets *s, enum socket_kind which, const struct socket_out *at,
                     size_t count, sockets_refused *refused, void *context)
{
    switch_df(s, which, at[0].df);
    for (size_t i = 0; i < count; i++) {
        const struct socket_out *o = &at[i];
        size_t parts = 0;
        if (o->head.len > 0)
            s->vectors[i][parts++] = (struct iovec){(void *)(uintptr_t)o->head.at, o->head.len};
        s->vectors[i][parts++] = (struct iovec){(void *)(uintptr_t)o->body.at, o->body.len};
        struct address remote = o->remote;
        if (is_raw(which))
            remote.port = 0;
        struct msghdr *m = &s->headers[i].msg_hdr;
        *m = (struct msghdr){
            .msg_name = &s->names[i],
            .msg_namelen = sockaddr_from(&remote, &s->names[i]),
            .msg_iov = s->vectors[i],
            .msg_iovlen = parts,
            .msg_control = &s->controls[i],
        };
        write_control(m, o);
    }
    size_t sent = 0;
    bool is_second_try = false;
    while (sent < count) {
        int n = sendmmsg(s->fd[which], s->headers + sent, (unsigned)(count - sent), MSG_DONTWAIT);
        if (n > 0) {
            sent += (size_t)n;
            is_second_try = false;
        } else if (errno != EINTR && !is_second_try && errno != EAGAIN && errno != EMSGSIZE) {
            /* What ICMP said about an earlier packet fails this call: only the second failure is
             * about this packet. */
            is_second_try = true;
        } else if (errno != EINTR) {
            refuse(&at[sent], errno, refused, context);
            sent++;
            is_second_try = false;
        }
    }
}

void sockets_send(struct sockets *s, enum socket_kind which, const struct socket_out *at,
                  size_t count, sockets_refused *refused, void *context)
{
    size_t from = 0;
    while (from < count) {
        size_t to = from + 1;
        while (to < count && to - from < SOCKETS_BATCH && at[to].df == at[from].df)
            to++;
        if (sockets_has(s, which))
            send_run(s, which, at + from, to - from, refused, context);
        else
            for (size_t i = from; i < to; i++)
                refuse(&at[i], EAFNOSUPPORT, refused, context);
        from = to;
    }
}

/* ---- the error queue ---- */

static const char *icmp4_text(uint8_t type, uint8_t code, bool *is_fatal_hint)
{
    *is_fatal_hint = false;
    if (type == ICMP_TIME_EXCEEDED)
        return "ICMP time exceeded";
    if (type == ICMP_PARAMETERPROB)
        return "ICMP parameter problem";
    if (type != ICMP_DEST_UNREACH)
        return "ICMP error";
    *is_fatal_hint = code != ICMP_FRAG_NEEDED;
    switch (code) {
    case ICMP_NET_UNREACH:
    case ICMP_NET_UNKNOWN:
        return "ICMP network unreachable";
    case ICMP_HOST_UNREACH:
    case ICMP_HOST_UNKNOWN:
        return "ICMP host unreachable";
    case ICMP_PROT_UNREACH:
        return "ICMP protocol unreachable";
    case ICMP_PORT_UNREACH:
        return "ICMP port unreachable";
    case ICMP_FRAG_NEEDED:
        return "ICMP fragmentation needed";
    case ICMP_NET_ANO:
    case ICMP_HOST_ANO:
    case ICMP_PKT_FILTERED:
        return "ICMP communication administratively prohibited";
    default:
        return "ICMP destination unreachable";
    }
}

static const char *icmp6_text(uint8_t type, uint8_t code, bool *is_fatal_hint)
{
    *is_fatal_hint = false;
    if (type == ICMP6_PACKET_TOO_BIG)
        return "ICMPv6 packet too big";
    if (type == ICMP6_TIME_EXCEEDED)
        return "ICMPv6 time exceeded";
    if (type == ICMP6_PARAM_PROB)
        return "ICMPv6 parameter problem";
    if (type != ICMP6_DST_UNREACH)
        return "ICMPv6 error";
    *is_fatal_hint = true;
    switch (code) {
    case ICMP6_DST_UNREACH_NOROUTE:
        return "ICMPv6 no route to destination";
    case ICMP6_DST_UNREACH_ADMIN:
        return "ICMPv6 communication administratively prohibited";
    case ICMP6_DST_UNREACH_ADDR:
        return "ICMPv6 address unreachable";
    case ICMP6_DST_UNREACH_NOPORT:
        return "ICMPv6 port unreachable";
    default:
        return "ICMPv6 destination unreachable";
    }
}

static void read_extended(const struct sock_extended_err *x, struct socket_error *out)
{
    out->error = (int)x->ee_errno;
    out->mtu = x->ee_errno == EMSGSIZE ? x->ee_info : 0;
    out->is_icmp = x->ee_origin == SO_EE_ORIGIN_ICMP || x->ee_origin == SO_EE_ORIGIN_ICMP6;
    if (x->ee_origin == SO_EE_ORIGIN_ICMP)
        out->what = icmp4_text(x->ee_type, x->ee_code, &out->is_fatal_hint);
    else if (x->ee_origin == SO_EE_ORIGIN_ICMP6)
        out->what = icmp6_text(x->ee_type, x->ee_code, &out->is_fatal_hint);
    else
        out->what = send_error_text(out->error);
}

bool sockets_next_error(struct sockets *s, enum socket_kind which, struct socket_error *out)
{
    uint8_t quoted[256]; /* the start of the packet concerned */
    union control control;
    union sockaddr_any name;
    struct iovec vector = {quoted, sizeof quoted};
    struct msghdr m = {
        .msg_name = &name,
        .msg_namelen = sizeof name,
        .msg_iov = &vector,
        .msg_iovlen = 1,
        .msg_control = &control,
        .msg_controllen = sizeof control,
    };
    memset(out, 0, sizeof *out);
    memset(&name, 0, sizeof name);
    if (recvmsg(s->fd[which], &m, MSG_ERRQUEUE | MSG_DONTWAIT) < 0)
        return false;
    out->what = "an error of the network";
    sockaddr_to(&name.any, &out->remote);
    for (struct cmsghdr *c = CMSG_FIRSTHDR(&m); c != NULL; c = CMSG_NXTHDR(&m, c)) {
        struct sock_extended_err x;
        if ((c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_RECVERR) ||
            (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_RECVERR)) {
            memcpy(&x, CMSG_DATA(c), sizeof x);
            read_extended(&x, out);
        }
    }
    /* With an ICMP message comes the address that it was sent to, which is ours; with a local error
     * the same field holds something else. */
    uint8_t tos;
    if (out->is_icmp)
        read_control(&m, &out->local, &tos);
    out->local.port = port_of(s, which);
    return true;
}

/* ---- choosing ---- */

enum socket_kind sockets_for_ike(const struct sockets *s, const struct address *local, bool marker)
{
    /* Whatever port the daemon was told to use, 4500 is the port of NAT traversal to the core. */
    bool is_nat = marker || local->port == s->nat_port || local->port == 4500;
    if (!marker && local->port == s->port)
        is_nat = false;
    if (local->family == FAMILY_V6)
        return is_nat ? SOCKET_NAT6 : SOCKET_IKE6;
    return is_nat ? SOCKET_NAT4 : SOCKET_IKE4;
}

enum socket_kind sockets_for_esp(uint8_t family, bool in_udp)
{
    if (family == FAMILY_V6)
        return in_udp ? SOCKET_NAT6 : SOCKET_ESP6;
    return in_udp ? SOCKET_NAT4 : SOCKET_ESP4;
}
