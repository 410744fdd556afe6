#include "edge/sockaddr.h"

int sockaddr_family(uint8_t family)
{
    return family == FAMILY_V6 ? AF_INET6 : AF_INET;
}

socklen_t sockaddr_from(const struct address *a, union sockaddr_any *out)
{
    memset(out, 0, sizeof *out);
    if (a->family == FAMILY_V4) {
        out->v4.sin_family = AF_INET;
        out->v4.sin_port = htons(a->port);
        memcpy(&out->v4.sin_addr, a->bytes, 4);
        return sizeof out->v4;
    }
    if (a->family == FAMILY_V6) {
        out->v6.sin6_family = AF_INET6;
        out->v6.sin6_port = htons(a->port);
        out->v6.sin6_scope_id = a->scope;
        memcpy(&out->v6.sin6_addr, a->bytes, 16);
        return sizeof out->v6;
    }
    return 0;
}

bool sockaddr_to(const struct sockaddr *at, struct address *out)
{
    memset(out, 0, sizeof *out);
    if (at->sa_family == AF_INET) {
        struct sockaddr_in v4;
        memcpy(&v4, at, sizeof v4);
        out->family = FAMILY_V4;
        out->port = ntohs(v4.sin_port);
        memcpy(out->bytes, &v4.sin_addr, 4);
        return true;
    }
    if (at->sa_family != AF_INET6)
        return false;
    struct sockaddr_in6 v6;
    memcpy(&v6, at, sizeof v6);
    out->port = ntohs(v6.sin6_port);
    if (IN6_IS_ADDR_V4MAPPED(&v6.sin6_addr)) {
        out->family = FAMILY_V4;
        memcpy(out->bytes, &v6.sin6_addr.s6_addr[12], 4);
        return true;
    }
    out->family = FAMILY_V6;
    /* The scope names an interface only for link-local addresses (RFC 4007 11). */
    out->scope = IN6_IS_ADDR_LINKLOCAL(&v6.sin6_addr) ? v6.sin6_scope_id : 0;
    memcpy(out->bytes, &v6.sin6_addr, 16);
    return true;
}
