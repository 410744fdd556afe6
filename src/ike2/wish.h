/* What do we want? A set of wishes of one IKE SA with a fixed order. A wish is taken out when the
 * window is free, and whoever takes it checks again whether it still makes sense. Knows no
 * protocol. */
#ifndef IKEBANA_IKE2_WISH_H
#define IKEBANA_IKE2_WISH_H

#include <stddef.h>

#include "base/instant.h"
#include "policy/policy.h"

/* In the order in which they are served. */
enum wish_kind {
    WISH_CLOSE_IKE,
    WISH_CLOSE_CHILD,
    WISH_DISOWN, /* child_id: our SPI of a child that only the peer has */
    WISH_REKEY_IKE,
    WISH_REKEY_CHILD,
    WISH_CREATE_CHILD,
    WISH_TELL_ID, /* child_id: a message ID that we do not take */
    WISH_LIVENESS,
};

struct wish {
    enum wish_kind kind;
    uint32_t child_id;         /* CLOSE_CHILD, REKEY_CHILD; DISOWN, TELL_ID: another number */
    void *child_name;          /* CREATE_CHILD: heap text, the wish owns it */
    struct instant not_before; /* after TEMPORARY_FAILURE, RFC 7296 2.25 */
    uint64_t ticket;           /* of the command that waits for the outcome, 0 = none */
    struct ts_pair pair;       /* CREATE_CHILD: the packet that asks for it */
    bool is_pair_only;         /* CREATE_CHILD: for this pair alone */
};

struct wishes {
    struct wish *at;
    uint16_t count, room;
};

/* Adds; an equal wish (kind, child) is kept once, and a ticket fills an empty ticket. false: no
 * memory. */
bool wish_add(struct wishes *w, const struct wish *wish);
/* The first wish in order whose time has come; false: none. Its child_name becomes the caller's. */
bool wish_take(struct wishes *w, struct instant now, struct wish *out);
/* The first in order whose time has come and which `allows(about, wish)`; but none behind one for
 * the IKE SA itself that has to wait. wish_find() leaves it where it is. */
const struct wish *wish_find(const struct wishes *w, struct instant now,
                             bool (*allows)(const void *about, const struct wish *wish),
                             const void *about);
bool wish_take_allowed(struct wishes *w, struct instant now,
                       bool (*allows)(const void *about, const struct wish *wish),
                       const void *about, struct wish *out);
/* Takes out one wish; false: there is none. */
bool wish_remove(struct wishes *w, enum wish_kind kind, uint32_t child_id, struct wish *out);
bool wish_has(const struct wishes *w, enum wish_kind kind, uint32_t child_id);
/* When the next one behind `now` is due. */
struct instant wish_due(const struct wishes *w, struct instant now);
void wish_clear(struct wishes *w);

#endif
