/* What closes by itself: a child that carries nothing (inactivity), an IKE SA whose first child
 * came to nothing (close_ike_on_child_failure). When the last child is closed for another reason
 * the IKE SA stays, as with strongSwan.
 *
 * The data plane tells use of both directions at most once a second, so a child counts as used for
 * up to a second longer than its last packet. */
#include "ike2/inside.h"

enum { TOLD_EVERY_S = 1, FAILED_CHILD_MS = 100 };

void closing_used(struct world *w, struct ike_sa *sa, struct child_sa *c)
{
    c->used = w->step.now;
    for (struct child_sa *n = sa->children; n != NULL; n = n->next)
        if (n->replaces == c->id) /* the traffic is on its way to the new one */
            n->used = w->step.now;
}

struct instant closing_due(const struct ike_sa *sa, const struct child_sa *c)
{
    if (c->conf->inactivity_s == 0 || c->state != CHILD_SA_UP || sa->state != SA_UP)
        return INSTANT_NEVER;
    return instant_after_s(c->used, (int64_t)c->conf->inactivity_s + TOLD_EVERY_S);
}

static bool is_only_child(const struct ike_sa *sa, const struct child_sa *c)
{
    for (const struct child_sa *o = sa->children; o != NULL; o = o->next)
        if (o != c && o->state == CHILD_SA_UP)
            return false;
    return true;
}

void closing_on_time(struct world *w, struct ike_sa *sa, struct child_sa *c)
{
    struct finding why;
    if (!instant_reached(closing_due(sa, c), w->step.now))
        return;
    c->used = w->step.now; /* told once; a Delete is on its way */
    bool takes_all = w->options.inactivity_close_ike && is_only_child(sa, c);
    finding_set(&why, CAUSE_CHILD_INACTIVE);
    why.phase = PHASE_ESTABLISHED;
    why.param = policy_param(&w->arena, c->conn, c->conf, "inactivity");
    why.expected =
        arena_text(&w->arena, "a packet in %llu s", (unsigned long long)c->conf->inactivity_s);
    why.seen = takes_all ? "none; the IKE SA goes with its only child" : "none";
    ike2_refused(w, sa, NULL, &why);
    exchange_wish(w, sa,
                  (struct wish){.kind = takes_all ? WISH_CLOSE_IKE : WISH_CLOSE_CHILD,
                                .child_id = takes_all ? 0 : c->id,
                                .not_before = w->step.now});
}

void closing_child_failed(struct world *w, struct ike_sa *sa)
{
    if (!w->options.close_ike_on_child_failure || sa->children != NULL)
        return;
    /* A responder's answer has to be there before the Delete. */
    exchange_wish(w, sa,
                  (struct wish){.kind = WISH_CLOSE_IKE,
                                .not_before = instant_after_ms(w->step.now, FAILED_CHILD_MS)});
}
