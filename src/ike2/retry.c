/* What the peer cannot do now is asked for again. RFC 7296 2.25: not at once, over minutes, and a
 * peer that goes on saying TEMPORARY_FAILURE is out of step with us: the IKE SA is closed.
 *
 * The first waits are short, because what stands in the way is mostly a crossing exchange, done in
 * a round trip; then they double. The count is of the IKE SA, and one success clears it. */
#include <stdlib.h>

#include "ike2/inside.h"

enum {
    FIRST_MS = 2000,
    LONGEST_MS = 32000,
    OUT_OF_STEP_S = 300,
};

static int64_t wait_ms(struct world *w, unsigned times)
{
    int64_t ms = FIRST_MS;
    for (unsigned i = 1; i < times && ms < LONGEST_MS; i++)
        ms *= 2;
    return ms + (int64_t)rng_below(w->rng, (uint64_t)ms); /* both sides must not meet again */
}

static void close_out_of_step(struct world *w, struct ike_sa *sa, const struct task *t)
{
    struct finding why;
    finding_set(&why, CAUSE_IKE_OUT_OF_STEP);
    why.phase = PHASE_ESTABLISHED;
    why.notify = NOTIFY_TEMPORARY_FAILURE;
    why.param = policy_param(&w->arena, sa->conn, NULL, "remote_addrs");
    why.expected = "that what keeps the peer busy ends";
    why.seen = arena_text(&w->arena, "TEMPORARY_FAILURE %u times in %lld s", sa->refused_times,
                          (long long)(instant_ms_between(sa->refused_since, w->step.now) / 1000));
    world_outcome(w, t->ticket, false, &why);
    info_send_last_delete(w, sa);
    exchange_finish(w, sa, false, &why);
}

void retry_later(struct world *w, struct ike_sa *sa, const struct task *t)
{
    struct instant now = w->step.now;
    if (sa->refused_times == 0)
        sa->refused_since = now;
    if (sa->refused_times < UINT8_MAX)
        sa->refused_times++;
    if (sa->refused_times > 1 &&
        instant_reached(instant_after_s(sa->refused_since, OUT_OF_STEP_S), now)) {
        close_out_of_step(w, sa, t);
        return;
    }
    struct wish again = {
        .kind = t->kind == TASK_REKEY_IKE     ? WISH_REKEY_IKE
                : t->kind == TASK_REKEY_CHILD ? WISH_REKEY_CHILD
                                              : WISH_CREATE_CHILD,
        .child_id = t->child_id,
        .not_before = instant_after_ms(now, wait_ms(w, sa->refused_times)),
        .ticket = t->ticket,
        .pair = t->pair,
        .is_pair_only = t->is_pair_only,
    };
    if (t->kind == TASK_CREATE_CHILD)
        again.child_name = strdup(t->conf->name);
    exchange_wish(w, sa, again);
}

void retry_settled(struct ike_sa *sa)
{
    sa->refused_times = 0;
}
