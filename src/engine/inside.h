/* What the files of this room share. */
#ifndef IKEBANA_ENGINE_INSIDE_H
#define IKEBANA_ENGINE_INSIDE_H

#include "engine/engine.h"
#include "finding/finding.h"
#include "ike2/ike2.h"

enum { COOKIE_SECRET_LEN = 32, COOKIE_LEN = 17, COOKIE_SECRET_S = 120 };

struct engine {
    struct world world;
    struct effects effects;
    /* RFC 7296 2.6: two secrets, so that a cookie made just before a change is still good. */
    uint8_t cookie_secrets[2][COOKIE_SECRET_LEN];
    uint8_t cookie_version;
    struct instant cookie_changed;
};

/* ---- gate.c: what is decided on the raw datagram, before any state ---- */

/* May this IKE_SA_INIT request be served? Else it was answered (COOKIE) or dropped here. */
bool gate_admit(struct engine *e, const struct datagram *d, const struct ike_header *h);
/* Not for any SA, or not IKEv2. */
void gate_refuse_version(struct engine *e, const struct datagram *d, const struct ike_header *h);
void gate_refuse_spi(struct engine *e, const struct datagram *d, const struct ike_header *h);

/* ---- commands.c ---- */

void command_run(struct engine *e, const struct command *c);

/* ---- installed.c ---- */

bool installed_load(struct world *w, struct conn *conn);
bool installed_unload(struct world *w, const char *name);
void installed_command(struct world *w, const struct command *c);

#endif
