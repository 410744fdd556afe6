#include "edge/priv.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdalign.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <libmnl/libmnl.h>
#include <linux/fib_rules.h>
#include <linux/if_tun.h>
#include <linux/rtnetlink.h>

#include "edge/sockaddr.h"
#include "edge/steer.h"

struct priv {
    struct mnl_socket *netlink;
    uint32_t sequence;
};

enum { BUFFER_WANTED = 4 * 1024 * 1024 };

struct priv *priv_new(void)
{
    return calloc(1, sizeof(struct priv));
}

void priv_free(struct priv *p)
{
    if (p == NULL)
        return;
    if (p->netlink != NULL)
        mnl_socket_close(p->netlink);
    free(p);
}

/* ---- sockets ---- */

static bool option(int fd, int level, int name, int value)
{
    return setsockopt(fd, level, name, &value, sizeof value) == 0;
}

static bool is_number(const char *text)
{
    for (const char *p = text; *p != '\0'; p++)
        if (!isdigit((unsigned char)*p))
            return false;
    return text[0] != '\0';
}

/* The inode of the UDP socket on a port, out of /proc/net/udp or udp6; 0 = none. */
static unsigned long port_inode(const char *table, uint16_t port)
{
    FILE *f = fopen(table, "re");
    if (f == NULL)
        return 0;
    char line[512];
    unsigned long found = 0;
    while (found == 0 && fgets(line, sizeof line, f) != NULL) {
        unsigned held;
        unsigned long inode;
        if (sscanf(line, " %*d: %*[0-9A-Fa-f]:%x %*s %*s %*s %*s %*s %*s %*s %lu", &held, &inode) ==
                2 &&
            held == port)
            found = inode;
    }
    fclose(f);
    return found;
}

static bool holds_inode(const char *pid, unsigned long inode)
{
    char path[64], wanted[64], seen[64];
    snprintf(path, sizeof path, "/proc/%.20s/fd", pid);
    snprintf(wanted, sizeof wanted, "socket:[%lu]", inode);
    DIR *dir = opendir(path);
    if (dir == NULL)
        return false;
    bool is_held = false;
    for (struct dirent *e = readdir(dir); e != NULL && !is_held; e = readdir(dir)) {
        ssize_t len = readlinkat(dirfd(dir), e->d_name, seen, sizeof seen - 1);
        if (len > 0) {
            seen[len] = '\0';
            is_held = strcmp(seen, wanted) == 0;
        }
    }
    closedir(dir);
    return is_held;
}

/* "held by charon, process 123", or "" when that cannot be seen. */
static const char *port_holder(uint8_t family, uint16_t port, struct arena *a)
{
    unsigned long inode =
        port_inode(family == FAMILY_V6 ? "/proc/net/udp6" : "/proc/net/udp", port);
    DIR *proc = inode == 0 ? NULL : opendir("/proc");
    if (proc == NULL)
        return "";
    const char *text = "";
    for (struct dirent *e = readdir(proc); e != NULL && text[0] == '\0'; e = readdir(proc)) {
        if (!is_number(e->d_name) || !holds_inode(e->d_name, inode))
            continue;
        char path[64], name[32] = "?";
        snprintf(path, sizeof path, "/proc/%.20s/comm", e->d_name);
        FILE *f = fopen(path, "re");
        if (f != NULL) {
            if (fgets(name, sizeof name, f) != NULL)
                name[strcspn(name, "\n")] = '\0';
            fclose(f);
        }
        text = arena_text(a, ", held by %s (process %s)",
                          arena_escape(a, span_text(name), sizeof name), e->d_name);
    }
    closedir(proc);
    return text;
}

static const char *family_text(uint8_t family)
{
    return family == FAMILY_V6 ? "IPv6" : "IPv4";
}

static int refuse_udp(int fd, const struct priv_udp *want, int error, struct arena *a,
                      struct finding *why)
{
    if (fd >= 0)
        close(fd);
    finding_set(why, CAUSE_SYS_SOCKET);
    why->param = want->has_marker ? "--nat-port" : "--port";
    if (error != EAFNOSUPPORT)
        why->expected = arena_text(a, "UDP port %u of %s", want->port, family_text(want->family));
    why->seen = arena_text(a, "UDP port %u of %s: %s%s", want->port, family_text(want->family),
                           strerror(error),
                           error == EADDRINUSE ? port_holder(want->family, want->port, a) : "");
    return -1;
}

static bool bind_port(int fd, const struct priv_udp *want)
{
    union sockaddr_any at;
    struct address any = {.family = want->family, .port = want->port};
    if (want->is_loopback && want->family == FAMILY_V4) {
        any.bytes[0] = 127;
        any.bytes[3] = 1;
    } else if (want->is_loopback) {
        any.bytes[15] = 1;
    }
    socklen_t len = sockaddr_from(&any, &at);
    return bind(fd, &at.any, len) == 0;
}

/* A socket that shares its port would also share it with another daemon of the same user, and both
 * would lose messages: so the first of a group tries to have the port alone. */
static bool port_is_free(const struct priv_udp *want)
{
    int fd = socket(sockaddr_family(want->family), SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return true; /* the real attempt will say why */
    if (want->family == FAMILY_V6)
        option(fd, IPPROTO_IPV6, IPV6_V6ONLY, 1);
    bool is_free = bind_port(fd, want) || errno != EADDRINUSE;
    close(fd);
    return is_free;
}

static void common_options(int fd, uint8_t family)
{
    /* Without CAP_NET_ADMIN there is no TUN to keep away from, so failing is fine here. */
    option(fd, SOL_SOCKET, SO_MARK, PRIV_MARK);
    if (!option(fd, SOL_SOCKET, SO_RCVBUFFORCE, BUFFER_WANTED))
        option(fd, SOL_SOCKET, SO_RCVBUF, BUFFER_WANTED);
    if (!option(fd, SOL_SOCKET, SO_SNDBUFFORCE, BUFFER_WANTED))
        option(fd, SOL_SOCKET, SO_SNDBUF, BUFFER_WANTED);
    if (family == FAMILY_V6) {
        option(fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, 1);
        option(fd, IPPROTO_IPV6, IPV6_RECVTCLASS, 1);
        option(fd, IPPROTO_IPV6, IPV6_RECVERR, 1);
        option(fd, IPPROTO_IPV6, IPV6_MTU_DISCOVER, IPV6_PMTUDISC_DONT);
    } else {
        option(fd, IPPROTO_IP, IP_PKTINFO, 1);
        option(fd, IPPROTO_IP, IP_RECVTOS, 1);
        option(fd, IPPROTO_IP, IP_RECVERR, 1);
        option(fd, IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_DONT);
    }
}

int priv_open_udp(struct priv *p, const struct priv_udp *want, struct arena *a, struct finding *why)
{
    (void)p;
    if (want->workers > 1 && want->worker == 0 && !port_is_free(want))
        return refuse_udp(-1, want, EADDRINUSE, a, why);
    int fd = socket(sockaddr_family(want->family), SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return refuse_udp(fd, want, errno, a, why);
    if (want->family == FAMILY_V6 && !option(fd, IPPROTO_IPV6, IPV6_V6ONLY, 1))
        return refuse_udp(fd, want, errno, a, why);
    if (want->workers > 1 && !option(fd, SOL_SOCKET, SO_REUSEPORT, 1))
        return refuse_udp(fd, want, errno, a, why);
    common_options(fd, want->family);
    if (!bind_port(fd, want))
        return refuse_udp(fd, want, errno == EADDRNOTAVAIL ? EAFNOSUPPORT : errno, a, why);
    if (want->workers > 1 && want->worker == 0) {
        struct sock_filter filter[STEER_PROGRAM_MAX];
        struct sock_fprog program = {(unsigned short)steer_udp_program(filter, want->has_marker),
                                     filter};
        if (setsockopt(fd, SOL_SOCKET, SO_ATTACH_REUSEPORT_CBPF, &program, sizeof program) != 0)
            return refuse_udp(fd, want, errno, a, why);
    }
    return fd;
}

int priv_open_esp(struct priv *p, uint8_t family, unsigned worker, unsigned workers,
                  struct arena *a, struct finding *why)
{
    (void)p;
    int fd = socket(sockaddr_family(family), SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, IPPROTO_ESP);
    bool is_open = fd >= 0;
    if (is_open) {
        struct sock_filter filter[STEER_PROGRAM_MAX];
        struct sock_fprog program = {
            (unsigned short)steer_raw_program(filter, family == FAMILY_V6, worker, workers),
            filter};
        is_open = setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof program) == 0;
    }
    if (!is_open) {
        int error = errno;
        if (fd >= 0)
            close(fd);
        finding_set(why, CAUSE_SYS_SOCKET);
        if (error != EAFNOSUPPORT)
            why->expected = arena_text(a, "a raw %s socket for ESP", family_text(family));
        why->seen = arena_text(a, "raw ESP socket of %s: %s", family_text(family), strerror(error));
        return -1;
    }
    common_options(fd, family);
    return fd;
}

int priv_open_clear(struct priv *p, uint8_t family, struct arena *a, struct finding *why)
{
    (void)p;
    int fd = socket(sockaddr_family(family), SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, IPPROTO_RAW);
    if (fd >= 0 && option(fd, SOL_SOCKET, SO_MARK, PRIV_MARK))
        return fd;
    int error = errno;
    if (fd >= 0)
        close(fd);
    finding_set(why, CAUSE_SYS_SOCKET);
    if (error != EAFNOSUPPORT)
        why->expected = arena_text(a, "a raw %s socket for pass policies", family_text(family));
    why->seen = arena_text(a, "raw socket of %s: %s", family_text(family), strerror(error));
    return -1;
}

int priv_open_probe(struct priv *p, uint8_t family)
{
    (void)p;
    int fd = socket(sockaddr_family(family), SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd >= 0)
        option(fd, SOL_SOCKET, SO_MARK, PRIV_MARK);
    return fd;
}

/* ---- TUN ---- */

static bool refuse_tun(const char *name, const char *step, int error, struct arena *a,
                       struct finding *why)
{
    finding_set(why, CAUSE_SYS_TUN);
    why->param = "--tun";
    why->seen = arena_text(a, "%s (%s): %s", name, step, strerror(error));
    return false;
}

bool priv_open_tun(struct priv *p, char name[IFNAMSIZ], int *fds, unsigned count, struct arena *a,
                   struct finding *why)
{
    (void)p;
    for (unsigned i = 0; i < count; i++) {
        struct ifreq request;
        memset(&request, 0, sizeof request);
        request.ifr_flags = IFF_TUN | IFF_NO_PI | IFF_MULTI_QUEUE;
        if (i == 0) /* the later ones are queues of this device */
            request.ifr_flags = (short)(request.ifr_flags | IFF_TUN_EXCL);
        memcpy(request.ifr_name, name, IFNAMSIZ);
        request.ifr_name[IFNAMSIZ - 1] = '\0';
        fds[i] = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
        const char *step = fds[i] < 0 ? "open /dev/net/tun" : "TUNSETIFF";
        if (fds[i] < 0 || ioctl(fds[i], TUNSETIFF, &request) != 0) {
            int error = errno;
            for (unsigned k = 0; k <= i; k++)
                if (fds[k] >= 0)
                    close(fds[k]);
            return refuse_tun(name, step, error, a, why);
        }
        memcpy(name, request.ifr_name, IFNAMSIZ);
    }
    return true;
}

/* No failure: an old kernel or a read-only /proc has its defaults. */
static void sysctl(const char *family, const char *device, const char *key, const char *value)
{
    char path[128];
    snprintf(path, sizeof path, "/proc/sys/net/%s/conf/%s/%s", family, device, key);
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0)
        return;
    if (write(fd, value, strlen(value)) < 0) {
        /* as above */
    }
    close(fd);
}

bool priv_up_tun(struct priv *p, const char *name, uint16_t mtu, unsigned *index, struct arena *a,
                 struct finding *why)
{
    (void)p;
    /* RFC 4291's link-local address, router solicitations and MLD would only be dropped by the
     * selectors; inner packets may come back over another route than the TUN. */
    sysctl("ipv6", name, "addr_gen_mode", "1");
    sysctl("ipv6", name, "accept_ra", "0");
    sysctl("ipv4", name, "rp_filter", "2");
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return refuse_tun(name, "socket", errno, a, why);
    struct ifreq request;
    memset(&request, 0, sizeof request);
    snprintf(request.ifr_name, sizeof request.ifr_name, "%s", name);
    request.ifr_mtu = mtu;
    const char *step = "MTU";
    bool ok = ioctl(fd, SIOCSIFMTU, &request) == 0;
    if (ok) {
        step = "flags";
        ok = ioctl(fd, SIOCGIFFLAGS, &request) == 0;
        request.ifr_flags = (short)(request.ifr_flags | IFF_UP);
        ok = ok && ioctl(fd, SIOCSIFFLAGS, &request) == 0;
    }
    if (ok) {
        step = "index";
        ok = ioctl(fd, SIOCGIFINDEX, &request) == 0;
        *index = (unsigned)request.ifr_ifindex;
    }
    int error = errno;
    close(fd);
    return ok || refuse_tun(name, step, error, a, why);
}

/* ---- routes and rules, by rtnetlink ---- */

/* 0 or errno. */
static int open_netlink(struct priv *p)
{
    if (p->netlink != NULL)
        return 0;
    p->netlink = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC);
    if (p->netlink == NULL)
        return errno;
    if (mnl_socket_bind(p->netlink, 0, MNL_SOCKET_AUTOPID) < 0) {
        int error = errno;
        mnl_socket_close(p->netlink);
        p->netlink = NULL;
        return error;
    }
    int yes = 1; /* a dump of one table, not of all; an older kernel gives all */
    mnl_socket_setsockopt(p->netlink, NETLINK_GET_STRICT_CHK, &yes, sizeof yes);
    return 0;
}

/* Sends one request and takes all answers, up to the acknowledgement or the end of a dump; they
 * come at once. 0 or errno. */
static int talk(struct priv *p, struct nlmsghdr *request, mnl_cb_t answered, void *context)
{
    int error = open_netlink(p);
    if (error != 0)
        return error;
    request->nlmsg_flags |= NLM_F_REQUEST;
    if ((request->nlmsg_flags & NLM_F_DUMP) != NLM_F_DUMP)
        request->nlmsg_flags |= NLM_F_ACK;
    request->nlmsg_seq = ++p->sequence;
    if (mnl_socket_sendto(p->netlink, request, request->nlmsg_len) < 0)
        return errno;
    alignas(struct nlmsghdr) char answer[32768]; /* what the kernel makes at most in a dump */
    unsigned port = mnl_socket_get_portid(p->netlink);
    int more = MNL_CB_OK;
    while (more > MNL_CB_STOP) {
        ssize_t len = mnl_socket_recvfrom(p->netlink, answer, sizeof answer);
        if (len < 0)
            return errno;
        more = mnl_cb_run(answer, (size_t)len, request->nlmsg_seq, port, answered, context);
    }
    return more < 0 ? errno : 0;
}

static void put_address(struct nlmsghdr *m, uint16_t type, const struct address *at)
{
    mnl_attr_put(m, type, address_len(at->family), at->bytes);
}

bool priv_set_route(struct priv *p, const struct priv_route *route, bool is_set, struct arena *a,
                    struct finding *why)
{
    alignas(struct nlmsghdr) char buffer[512];
    struct nlmsghdr *m = mnl_nlmsg_put_header(buffer);
    m->nlmsg_type = is_set ? RTM_NEWROUTE : RTM_DELROUTE;
    m->nlmsg_flags = is_set ? NLM_F_CREATE | NLM_F_EXCL : 0;
    struct rtmsg *r = mnl_nlmsg_put_extra_header(m, sizeof *r);
    bool is_block = route->block_metric != 0;
    r->rtm_family = (unsigned char)sockaddr_family(route->to.family);
    r->rtm_dst_len = route->bits;
    r->rtm_table = PRIV_TABLE;
    r->rtm_protocol = PRIV_ROUTE_PROTOCOL;
    r->rtm_scope = !is_set ? RT_SCOPE_NOWHERE : is_block ? RT_SCOPE_UNIVERSE : RT_SCOPE_LINK;
    r->rtm_type = is_block ? RTN_UNREACHABLE : RTN_UNICAST;
    if (route->bits > 0)
        put_address(m, RTA_DST, &route->to);
    if (is_block)
        mnl_attr_put_u32(m, RTA_PRIORITY, route->block_metric);
    else
        mnl_attr_put_u32(m, RTA_OIF, route->device);
    if (is_set && !is_block && route->source.family == route->to.family)
        put_address(m, RTA_PREFSRC, &route->source);
    int error = talk(p, m, NULL, NULL);
    if (error == 0 || (!is_set && (error == ESRCH || error == ENODEV || error == ENOENT)))
        return true;
    finding_set(why, CAUSE_SYS_ROUTE);
    why->seen = arena_text(a, "%s route to %s/%u in table %d: %s", is_set ? "setting" : "removing",
                           address_text(a, &route->to), route->bits, PRIV_TABLE, strerror(error));
    return false;
}

struct listing {
    uint8_t family;
    priv_seen_route *seen;
    void *context;
};

static int keep_attr(const struct nlattr *attr, void *context)
{
    const struct nlattr **attrs = context;
    if (mnl_attr_get_type(attr) <= RTA_MAX)
        attrs[mnl_attr_get_type(attr)] = attr;
    return MNL_CB_OK;
}

static uint32_t number(const struct nlattr *attr, uint32_t fallback)
{
    return attr != NULL && mnl_attr_get_payload_len(attr) == 4 ? mnl_attr_get_u32(attr) : fallback;
}

static int listed(const struct nlmsghdr *m, void *context)
{
    const struct listing *l = context;
    if (m->nlmsg_type != RTM_NEWROUTE || mnl_nlmsg_get_payload_len(m) < sizeof(struct rtmsg))
        return MNL_CB_OK;
    const struct rtmsg *r = mnl_nlmsg_get_payload(m);
    const struct nlattr *attrs[RTA_MAX + 1] = {NULL};
    if (mnl_attr_parse(m, sizeof *r, keep_attr, attrs) != MNL_CB_OK)
        return MNL_CB_OK;
    struct priv_route route = {.to = {.family = l->family}, .bits = r->rtm_dst_len};
    size_t len = address_len(l->family);
    if (attrs[RTA_DST] != NULL && mnl_attr_get_payload_len(attrs[RTA_DST]) == len)
        memcpy(route.to.bytes, mnl_attr_get_payload(attrs[RTA_DST]), len);
    uint32_t table = number(attrs[RTA_TABLE], r->rtm_table);
    route.device = number(attrs[RTA_OIF], 0);
    if (r->rtm_type == RTN_UNREACHABLE && r->rtm_protocol == PRIV_ROUTE_PROTOCOL)
        route.block_metric = number(attrs[RTA_PRIORITY], 0);
    if (table == PRIV_TABLE && r->rtm_family == sockaddr_family(l->family))
        l->seen(l->context, &route);
    return MNL_CB_OK;
}

bool priv_list_routes(struct priv *p, uint8_t family, priv_seen_route *seen, void *context)
{
    alignas(struct nlmsghdr) char buffer[128];
    struct nlmsghdr *m = mnl_nlmsg_put_header(buffer);
    m->nlmsg_type = RTM_GETROUTE;
    m->nlmsg_flags = NLM_F_DUMP;
    struct rtmsg *r = mnl_nlmsg_put_extra_header(m, sizeof *r);
    r->rtm_family = (unsigned char)sockaddr_family(family);
    r->rtm_table = PRIV_TABLE;
    struct listing l = {family, seen, context};
    int error = talk(p, m, listed, &l);
    return error == 0 || error == ENOENT; /* ENOENT: nobody has made the table yet */
}

bool priv_set_rule(struct priv *p, uint8_t family, bool is_set, struct arena *a,
                   struct finding *why)
{
    alignas(struct nlmsghdr) char buffer[256];
    struct nlmsghdr *m = mnl_nlmsg_put_header(buffer);
    m->nlmsg_type = is_set ? RTM_NEWRULE : RTM_DELRULE;
    m->nlmsg_flags = is_set ? NLM_F_CREATE | NLM_F_EXCL : 0;
    struct fib_rule_hdr *r = mnl_nlmsg_put_extra_header(m, sizeof *r);
    r->family = (uint8_t)sockaddr_family(family);
    r->table = PRIV_TABLE;
    r->action = FR_ACT_TO_TBL;
    r->flags = FIB_RULE_INVERT;
    mnl_attr_put_u32(m, FRA_PRIORITY, PRIV_RULE_PREF);
    mnl_attr_put_u32(m, FRA_FWMARK, PRIV_MARK);
    mnl_attr_put_u32(m, FRA_FWMASK, UINT32_MAX);
    mnl_attr_put_u32(m, FRA_TABLE, PRIV_TABLE);
    int error = talk(p, m, NULL, NULL);
    if (error == 0 || (is_set && error == EEXIST) || (!is_set && error == ENOENT))
        return true;
    finding_set(why, CAUSE_SYS_ROUTE);
    why->seen = arena_text(a, "rule \"not fwmark 0x%x lookup %d\" of %s: %s", PRIV_MARK, PRIV_TABLE,
                           family_text(family), strerror(error));
    return false;
}
