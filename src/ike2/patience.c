/* How much an authenticated peer may ask of us: CHILD SAs at once, and new SAs in a time.
 *
 * Each CREATE_CHILD_SA request costs a key exchange, each SA memory here and in the data plane,
 * each replaced IKE SA waits for its Delete. An honest peer makes what is configured and rekeys all
 * of it at once at worst; a mad one, that rekeys in a tight loop or piles up children, gets
 * TEMPORARY_FAILURE or NO_ADDITIONAL_SAS, and others are served meanwhile. What is spent goes over
 * to the successor of an IKE SA: rekeying it does not begin anew. Findings about it are as few as
 * those of strangers. */
#include "ike2/inside.h"

enum {
    CHILDREN_MOST = 256, /* or four times what the connection has */
    REQUESTS_MOST = 64,  /* at once, and four for each configured child */
    REQUESTS_PER_S = 4,
};

static uint32_t with_children(const struct ike_sa *sa, uint32_t at_least, bool adds)
{
    uint64_t more = sa->conn == NULL ? 0 : 4 * (uint64_t)sa->conn->child_count;
    uint64_t most = adds ? at_least + more : more > at_least ? more : at_least;
    return most > UINT32_MAX / 2000 ? UINT32_MAX / 2000 : (uint32_t)most;
}

/* Thousandths of requests, so that the time between two counts. */
static bool spend(struct world *w, struct ike_sa *sa, uint32_t most)
{
    int64_t ms = instant_ms_between(sa->asked_at, w->step.now);
    uint64_t back = ms < 0 ? 0 : (uint64_t)ms * REQUESTS_PER_S;
    sa->asked_at = w->step.now;
    sa->asked_spent = back >= sa->asked_spent ? 0 : (uint32_t)(sa->asked_spent - back);
    if (sa->asked_spent + 1000 > most * 1000)
        return false;
    sa->asked_spent += 1000;
    return true;
}

bool patience_allows(struct world *w, struct ike_sa *sa, const struct message *m, bool adds_child,
                     struct finding *why)
{
    uint32_t most = with_children(sa, REQUESTS_MOST, true);
    if (!spend(w, sa, most)) {
        finding_set(why, CAUSE_CHILD_TOO_OFTEN);
        finding_about(why, m, NULL, true);
        why->expected =
            arena_text(&w->arena, "at most %u requests for SAs at once, and %d a second", most,
                       REQUESTS_PER_S);
        why->seen = "more";
        return false;
    }
    uint32_t count = 0;
    for (const struct child_sa *c = sa->children; adds_child && c != NULL; c = c->next)
        count++;
    most = with_children(sa, CHILDREN_MOST, false);
    if (count < most)
        return true;
    finding_set(why, CAUSE_CHILD_NO_ADDITIONAL_SAS);
    finding_about(why, m, NULL, true);
    why->expected = arena_text(&w->arena, "at most %u CHILD SAs of one IKE SA", most);
    why->seen = arena_text(&w->arena, "a request for one more");
    return false;
}

void patience_refuse(struct world *w, struct ike_sa *sa, struct record *r, struct finding *why)
{
    struct outgoing o;
    why->notify = ikebana_cause_row(why->cause)->notify;
    out_begin(&o, w, sa, EXCHANGE_CREATE_CHILD_SA, true, w->asked_id);
    out_notify(&o, why->notify, (struct span){NULL, 0});
    exchange_send_answer(w, sa, &o, r);
    if (!world_may_record_stranger(w)) {
        w->counters.failures++;
        record_free(r);
        return;
    }
    ike2_refused(w, sa, r, why);
    bool is_failure = ikebana_cause_row(why->cause)->severity == SEVERITY_FAILURE;
    ike2_record_end(w, r, is_failure ? RESULT_FAILED : RESULT_CLOSED, ike2_phase(sa, r));
}
