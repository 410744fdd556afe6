#include "ike2/collide.h"

/* Rows: what the peer asks. Columns: nothing, create, rekey same, close same, other child, rekey
 * IKE, close IKE. */
static const enum collide table[ASKED_COUNT][DOING_COUNT] = {
#define USUAL COLLIDE_AS_USUAL
#define RACE COLLIDE_AS_USUAL_RACE
#define LATER COLLIDE_TEMPORARY_FAILURE
#define GONE COLLIDE_CHILD_NOT_FOUND
#define DEL COLLIDE_DELETE
#define NODEL COLLIDE_NO_DELETE
#define FORGET COLLIDE_FORGET_OURS
    [ASKED_CREATE_CHILD] = {USUAL, USUAL, USUAL, USUAL, USUAL, LATER, LATER},
    [ASKED_REKEY_CHILD] = {USUAL, USUAL, RACE, LATER, USUAL, LATER, LATER},
    [ASKED_REKEY_UNKNOWN_CHILD] = {GONE, GONE, GONE, GONE, GONE, GONE, GONE},
    [ASKED_CLOSE_CHILD] = {DEL, DEL, COLLIDE_DELETE_RACE, NODEL, DEL, DEL, NODEL},
    [ASKED_CLOSE_UNKNOWN_CHILD] = {NODEL, NODEL, NODEL, NODEL, NODEL, NODEL, NODEL},
    [ASKED_REKEY_IKE] = {USUAL, LATER, LATER, LATER, LATER, RACE, LATER},
    [ASKED_CLOSE_IKE] = {USUAL, FORGET, FORGET, FORGET, FORGET, FORGET, FORGET},
    [ASKED_OTHER] = {USUAL, USUAL, USUAL, USUAL, USUAL, USUAL, USUAL},
#undef USUAL
#undef RACE
#undef LATER
#undef GONE
#undef DEL
#undef NODEL
#undef FORGET
};

enum collide collide_answer(enum asked asked, enum doing doing, bool delete_waits)
{
    /* While our Delete only waits, the child lives and is closed in the normal way; for a rekey a
     * waiting Delete counts as sent (data/spec/collisions.md, reasons 4 and 6). */
    if (asked == ASKED_CLOSE_CHILD && delete_waits &&
        (doing == DOING_CLOSE_SAME_CHILD || doing == DOING_CLOSE_IKE))
        return COLLIDE_DELETE;
    return table[asked][doing];
}
