/* Our exchanges in flight, and what they forbid. RFC 7296 2.3, 2.25.
 *
 * With a window of several requests, one rule keeps the tables of 2.25 valid as they stand for one:
 * what concerns the IKE SA itself (rekeying, closing) is alone in flight, and what concerns one
 * child (rekeying, closing) is the only one about it. */
#include <stdlib.h>

#include "ike2/inside.h"

struct task *task_new(struct world *w, struct ike_sa *sa, enum task_kind kind, uint64_t ticket)
{
    struct task *t = calloc(1, sizeof *t);
    if (t == NULL) {
        struct finding why;
        finding_set(&why, CAUSE_RES_MEMORY);
        why.expected = "room for an exchange";
        world_outcome(w, ticket, false, &why);
        return NULL;
    }
    t->kind = kind;
    t->ticket = ticket;
    struct task **link = &sa->tasks;
    while (*link != NULL)
        link = &(*link)->next;
    *link = t;
    return t;
}

void task_take(struct ike_sa *sa, struct task *t)
{
    for (struct task **link = &sa->tasks; *link != NULL; link = &(*link)->next)
        if (*link == t) {
            *link = t->next;
            t->next = NULL;
            return;
        }
}

void task_free(struct task *t)
{
    if (t == NULL)
        return;
    record_free(t->record);
    policy_conn_unref(t->conn);
    crypto_ke_free(t->ke);
    secret_wipe(t, sizeof *t);
    free(t);
}

struct task *task_of_message(const struct ike_sa *sa, uint32_t message_id)
{
    for (struct task *t = sa->tasks; t != NULL; t = t->next)
        if (!t->is_waiting && t->message_id == message_id)
            return t;
    return NULL;
}

struct task *task_of_kind(const struct ike_sa *sa, enum task_kind kind)
{
    for (struct task *t = sa->tasks; t != NULL; t = t->next)
        if (t->kind == kind)
            return t;
    return NULL;
}

struct task *task_of_child(const struct ike_sa *sa, uint32_t child_id)
{
    for (struct task *t = sa->tasks; t != NULL && child_id != 0; t = t->next)
        if ((t->kind == TASK_REKEY_CHILD || t->kind == TASK_CLOSE_CHILD) && t->child_id == child_id)
            return t;
    return NULL;
}

struct task *task_of_conf(const struct ike_sa *sa, const char *child_name)
{
    for (struct task *t = sa->tasks; t != NULL; t = t->next)
        if (t->kind == TASK_CREATE_CHILD && strcmp(t->conf->name, child_name) == 0)
            return t;
    return NULL;
}

/* ---- what the peer asks against what we do ---- */

static enum doing doing_of(const struct task *t, uint32_t child_id)
{
    switch (t->kind) {
    case TASK_SETUP:
    case TASK_LIVENESS:
    case TASK_DISOWN:
    case TASK_TELL_ID:
        break;
    case TASK_CREATE_CHILD:
        return DOING_CREATE_CHILD;
    case TASK_REKEY_CHILD:
        return t->child_id == child_id ? DOING_REKEY_SAME_CHILD : DOING_OTHER_CHILD;
    case TASK_CLOSE_CHILD:
        return t->child_id == child_id ? DOING_CLOSE_SAME_CHILD : DOING_OTHER_CHILD;
    case TASK_REKEY_IKE:
        return DOING_REKEY_IKE;
    case TASK_CLOSE_IKE:
        return DOING_CLOSE_IKE;
    }
    return DOING_NOTHING;
}

/* In each row of the table the verdicts stand in the order of their strength. */
static enum collide stronger(enum collide a, enum collide b)
{
    return a > b ? a : b;
}

enum collide task_collide(const struct ike_sa *sa, enum asked asked, uint32_t child_id)
{
    if (sa->state == SA_CLOSING || sa->state == SA_REPLACED)
        return collide_answer(asked, DOING_CLOSE_IKE, false);
    if (wish_has(&sa->wishes, WISH_CLOSE_IKE, 0))
        return collide_answer(asked, DOING_CLOSE_IKE, true);
    enum collide verdict = collide_answer(asked, DOING_NOTHING, false);
    if (child_id != 0 && wish_has(&sa->wishes, WISH_CLOSE_CHILD, child_id))
        verdict = stronger(verdict, collide_answer(asked, DOING_CLOSE_SAME_CHILD, true));
    for (const struct task *t = sa->tasks; t != NULL; t = t->next)
        verdict = stronger(verdict, collide_answer(asked, doing_of(t, child_id), false));
    return verdict;
}

/* ---- what may begin ---- */

/* The child that this one replaced is still to be closed by us: one after the other, or SAs pile up
 * on a bad line. */
static bool has_predecessor(const struct ike_sa *sa, uint32_t child_id)
{
    const struct child_sa *c = child_by_id(sa, child_id);
    return c != NULL && c->replaces != 0 &&
           (task_of_child(sa, c->replaces) != NULL ||
            wish_has(&sa->wishes, WISH_CLOSE_CHILD, c->replaces));
}

bool task_allows(const struct ike_sa *sa, const struct wish *wish)
{
    if (sa->race_of != 0) /* which of the two new IKE SAs survives is not settled: RFC 7296 2.8.2 */
        return false;
    /* The peer must know first which SA this one replaces: else it could take our Delete for the
     * end of a lost race (RFC 7296 2.8.2), and go on with children that we have closed. */
    if (wish->kind == WISH_CLOSE_IKE && sa->follows != 0)
        return false;
    if (sa->tasks == NULL)
        return true;
    const struct task *first = sa->tasks;
    if (first->kind == TASK_REKEY_IKE || first->kind == TASK_CLOSE_IKE)
        return false;
    switch (wish->kind) {
    case WISH_CLOSE_IKE:
    case WISH_REKEY_IKE:
    case WISH_LIVENESS: /* any answer shows that the peer lives */
        return false;
    case WISH_CLOSE_CHILD:
        return task_of_child(sa, wish->child_id) == NULL;
    case WISH_REKEY_CHILD:
        return task_of_child(sa, wish->child_id) == NULL && !has_predecessor(sa, wish->child_id);
    case WISH_CREATE_CHILD:
        return task_of_conf(sa, wish->child_name) == NULL;
    case WISH_DISOWN:
    case WISH_TELL_ID:
        return true;
    }
    return true;
}
