/* The peer asks X while we do Y: what do we answer? RFC 7296 2.25, the whole table of
 * data/spec/collisions.md, as a pure function. */
#ifndef IKEBANA_IKE2_COLLIDE_H
#define IKEBANA_IKE2_COLLIDE_H

#include <stdbool.h>

/* What our own exchange in flight is about, seen from the child that the peer names. */
enum doing {
    DOING_NOTHING,
    DOING_CREATE_CHILD,
    DOING_REKEY_SAME_CHILD,
    DOING_CLOSE_SAME_CHILD,
    DOING_OTHER_CHILD, /* rekey or close another child */
    DOING_REKEY_IKE,
    DOING_CLOSE_IKE,
    DOING_COUNT,
};

enum asked {
    ASKED_CREATE_CHILD,
    ASKED_REKEY_CHILD,
    ASKED_REKEY_UNKNOWN_CHILD,
    ASKED_CLOSE_CHILD,
    ASKED_CLOSE_UNKNOWN_CHILD,
    ASKED_REKEY_IKE,
    ASKED_CLOSE_IKE,
    ASKED_OTHER,
    ASKED_COUNT,
};

enum collide {
    COLLIDE_AS_USUAL,
    COLLIDE_AS_USUAL_RACE, /* and note the race: both rekey the same SA */
    COLLIDE_TEMPORARY_FAILURE,
    COLLIDE_CHILD_NOT_FOUND,
    COLLIDE_DELETE,      /* the answer names our SPI of the child */
    COLLIDE_DELETE_RACE, /* and note that our rekey of it meets its end */
    COLLIDE_NO_DELETE,   /* an empty answer for this SPI */
    COLLIDE_FORGET_OURS, /* empty answer; our exchange will never be answered: drop it */
};

/* delete_waits: our Delete (of the child, or of the IKE SA with DOING_CLOSE_IKE) is decided but not
 * sent yet. */
enum collide collide_answer(enum asked asked, enum doing doing, bool delete_waits);

#endif
