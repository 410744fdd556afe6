#include "edge/vici_uri.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool parse_unix(const char *path, struct vici_uri *out, const char **error)
{
    struct sockaddr_un *un = (struct sockaddr_un *)&out->at;
    if (*path != '/' || strlen(path) >= sizeof un->sun_path) {
        *error = "an absolute path of at most 107 octets behind unix://";
        return false;
    }
    un->sun_family = AF_UNIX;
    strcpy(un->sun_path, path);
    strcpy(out->path, path);
    out->len = sizeof *un;
    return true;
}

static bool parse_tcp(const char *text, struct vici_uri *out, const char **error)
{
    char host[64];
    const char *colon = strrchr(text, ':');
    char *end;
    *error = "tcp://ADDRESS:PORT with a numeric address";
    if (colon == NULL || (size_t)(colon - text) >= sizeof host)
        return false;
    unsigned long port = strtoul(colon + 1, &end, 10);
    if (end == colon + 1 || *end != '\0' || port > 65535)
        return false;
    memcpy(host, text, (size_t)(colon - text));
    host[colon - text] = '\0';
    size_t len = strlen(host);
    struct sockaddr_in *v4 = (struct sockaddr_in *)&out->at;
    struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)&out->at;
    if (len > 2 && host[0] == '[' && host[len - 1] == ']') {
        host[len - 1] = '\0';
        if (inet_pton(AF_INET6, host + 1, &v6->sin6_addr) != 1)
            return false;
        v6->sin6_family = AF_INET6;
        v6->sin6_port = htons((uint16_t)port);
        out->len = sizeof *v6;
        return true;
    }
    if (inet_pton(AF_INET, strcmp(host, "localhost") == 0 ? "127.0.0.1" : host, &v4->sin_addr) != 1)
        return false;
    v4->sin_family = AF_INET;
    v4->sin_port = htons((uint16_t)port);
    out->len = sizeof *v4;
    return true;
}

bool vici_parse_uri(const char *uri, struct vici_uri *out, const char **error)
{
    memset(out, 0, sizeof *out);
    if (strncmp(uri, "unix://", 7) == 0)
        return parse_unix(uri + 7, out, error);
    if (strncmp(uri, "tcp://", 6) == 0)
        return parse_tcp(uri + 6, out, error);
    *error = "unix:///PATH or tcp://ADDRESS:PORT";
    return false;
}
