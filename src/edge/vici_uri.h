/* Where a control socket is: unix:///run/ikebana.vici or tcp://127.0.0.1:4502. */
#ifndef IKEBANA_EDGE_VICI_URI_H
#define IKEBANA_EDGE_VICI_URI_H

#include <stdbool.h>
#include <sys/socket.h>
#include <sys/un.h>

struct vici_uri {
    struct sockaddr_storage at;
    socklen_t len;
    char path[sizeof((struct sockaddr_un *)0)->sun_path]; /* unix only; else "" */
};

/* true: out is an address to bind or to connect to. false: error says what was expected. A tcp
 * address is numeric, IPv6 in brackets: nothing is resolved, nothing blocks. */
bool vici_parse_uri(const char *uri, struct vici_uri *out, const char **error);

#endif
