#include "base/address.h"

#include <arpa/inet.h>

bool address_same_host(const struct address *a, const struct address *b)
{
    return a->family == b->family && memcmp(a->bytes, b->bytes, address_len(a->family)) == 0 &&
           a->scope == b->scope;
}

bool address_equal(const struct address *a, const struct address *b)
{
    return a->port == b->port && address_same_host(a, b);
}

bool address_is_any(const struct address *a)
{
    for (size_t i = 0; i < address_len(a->family); i++)
        if (a->bytes[i] != 0)
            return false;
    return true;
}

bool address_parse(struct span text, struct address *out)
{
    char copy[INET6_ADDRSTRLEN];
    memset(out, 0, sizeof *out);
    if (text.len == 0 || text.len >= sizeof copy)
        return false;
    memcpy(copy, text.at, text.len);
    copy[text.len] = '\0';
    if (strlen(copy) != text.len)
        return false;
    if (inet_pton(AF_INET, copy, out->bytes) == 1)
        out->family = FAMILY_V4;
    else if (inet_pton(AF_INET6, copy, out->bytes) == 1)
        out->family = FAMILY_V6;
    return out->family != FAMILY_NONE;
}

bool address_from(struct span octets, uint16_t port, struct address *out)
{
    memset(out, 0, sizeof *out);
    if (octets.len != 4 && octets.len != 16)
        return false;
    out->family = octets.len == 4 ? FAMILY_V4 : FAMILY_V6;
    memcpy(out->bytes, octets.at, octets.len);
    out->port = port;
    return true;
}

const char *address_text(struct arena *a, const struct address *at)
{
    char text[INET6_ADDRSTRLEN] = "";
    if (at->family == FAMILY_NONE)
        return "%any";
    inet_ntop(at->family == FAMILY_V4 ? AF_INET : AF_INET6, at->bytes, text, sizeof text);
    return at->scope == 0 ? arena_text(a, "%s", text) : arena_text(a, "%s%%%u", text, at->scope);
}

const char *address_port_text(struct arena *a, const struct address *at)
{
    return arena_text(a, "%s[%u]", address_text(a, at), at->port);
}
