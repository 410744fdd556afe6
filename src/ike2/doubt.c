/* What unprotected answers say about an attempt of ours. RFC 7296 2.21.1.
 *
 * Until IKE_AUTH is answered under our keys, anybody who can read our first request can answer it.
 * Such an answer is evidence: it is kept in the setup, told at once as EVENT_PROGRESS, and ends
 * nothing by itself. What cannot be read is only noted; repetitions go on as in silence. A refusal
 * (an error notify, a choice that was not offered …) ends the attempt when no better answer has
 * come within init_error_wait_ms: 2.21.1 wants us to go on trying for some time. One second is
 * longer than a round trip and short enough for somebody who waits for a command. All refusals wait
 * alike: the peer's address and port with our SPI in the header prove only that the sender has read
 * our request, so none deserves to be believed at once. When the SA stands all the same, its record
 * warns of what contradicted. */
#include <stdlib.h>

#include "ike2/inside.h"

static bool is_known(const struct setup *s, const struct finding *why, uint8_t *at)
{
    for (*at = 0; *at < s->doubt_count; (*at)++)
        if (s->doubts[*at]->cause == why->cause && s->doubts[*at]->notify == why->notify &&
            strcmp(s->doubts[*at]->seen, why->seen) == 0)
            return true;
    return false;
}

void doubt_note(struct world *w, struct ike_sa *sa, struct finding *why)
{
    struct setup *s = sa->setup;
    uint8_t at;
    w->counters.dropped++;
    if (s->doubts_seen < UINT16_MAX)
        s->doubts_seen++;
    if (is_known(s, why, &at) || s->doubt_count == DOUBTS_MAX)
        return;
    why->phase = ike2_phase(sa, NULL);
    struct finding *kept = finding_dup(why);
    if (kept == NULL)
        return;
    s->doubts[s->doubt_count++] = kept;
    struct effect *fx = world_event(w, EVENT_PROGRESS, sa, NULL);
    struct finding *copy = arena_alloc(&w->arena, sizeof *copy);
    if (fx == NULL || copy == NULL)
        return;
    *copy = *why;
    fx->event.ok = false;
    fx->event.ticket = sa->tasks == NULL ? 0 : sa->tasks->ticket;
    fx->event.finding = copy;
}

void doubt_unreadable(struct world *w, struct ike_sa *sa, const struct message *m,
                      const struct wire_error *error)
{
    struct finding why;
    finding_set(&why, CAUSE_MSG_BAD_SYNTAX);
    finding_about(&why, m, NULL, true);
    why.evidence.payload = error->payload;
    why.evidence.offset = error->offset;
    why.expected = "well-formed payloads";
    why.seen = error->what == NULL ? "" : error->what;
    doubt_note(w, sa, &why);
}

void doubt_refuse(struct world *w, struct ike_sa *sa, struct finding *why)
{
    struct setup *s = sa->setup;
    uint8_t at;
    doubt_note(w, sa, why);
    if (s->refusal != 0)
        return; /* the first one's time runs: many do not lengthen it */
    if (!is_known(s, why, &at)) {
        /* No room among what was noted, or no memory. */
        if (s->doubt_count < DOUBTS_MAX) {
            ike2_setup_failed(w, sa, why);
            return;
        }
        struct finding *kept = finding_dup(why);
        at = DOUBTS_MAX - 1;
        if (kept != NULL) {
            free(s->doubts[at]);
            s->doubts[at] = kept;
        }
    }
    s->refusal = (uint8_t)(at + 1);
    sa->deadline = instant_after_ms(w->step.now, w->options.init_error_wait_ms);
    if (w->options.init_error_wait_ms == 0)
        doubt_on_time(w, sa);
    else
        world_rearm(w, sa);
}

bool doubt_on_time(struct world *w, struct ike_sa *sa)
{
    struct setup *s = sa->setup;
    if (s == NULL || s->refusal == 0)
        return false;
    struct finding why;
    if (!finding_copy(s->doubts[s->refusal - 1], &w->arena, &why))
        finding_set(&why, CAUSE_RES_MEMORY);
    ike2_setup_failed(w, sa, &why);
    return true;
}

void doubt_record(const struct ike_sa *sa, struct record *r, const struct finding *main)
{
    const struct setup *s = sa->setup;
    uint8_t same;
    if (s == NULL)
        return;
    is_known(s, main, &same);
    for (uint8_t i = 0; i < s->doubt_count; i++)
        if (i != same)
            record_add_finding(r, s->doubts[i]);
}

void doubt_settle(struct world *w, struct ike_sa *sa, struct record *r)
{
    struct setup *s = sa->setup;
    struct finding why;
    sa->deadline = INSTANT_NEVER;
    if (s->doubt_count == 0)
        return;
    const struct finding *first = s->doubts[0];
    const struct cause_row *row = ikebana_cause_row(first->cause);
    finding_set(&why, CAUSE_IKE_CONTRADICTED);
    why.phase = first->phase;
    why.notify = first->notify;
    why.param = arena_text(&w->arena, "%s", first->param);
    why.expected = "one answer to each of our requests, from the peer";
    why.seen = arena_text(&w->arena, "%u more: %s%s%s", s->doubts_seen, row->sentence,
                          first->seen[0] == '\0' ? "" : ", ", first->seen);
    why.evidence = first->evidence;
    why.evidence.note = "";
    ike2_refused(w, sa, r, &why);
}
