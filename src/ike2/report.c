/* Records, events and the outcomes that commands wait for. */
#include <stdlib.h>

#include "ike2/inside.h"

void world_emit_record(struct world *w, struct record *r)
{
    if (w->record_count == w->record_room) {
        size_t room = w->record_room == 0 ? 4 : w->record_room * 2;
        struct record **records = realloc(w->records, room * sizeof(struct record *));
        if (records == NULL) {
            record_free(r);
            return;
        }
        w->records = records;
        w->record_room = room;
    }
    struct effect *fx = step_add(&w->step, FX_EVENT);
    if (fx == NULL) {
        record_free(r);
        return;
    }
    w->records[w->record_count++] = r;
    fx->event.kind = EVENT_RECORD;
    fx->event.ticket = r->ticket;
    fx->event.ok = r->result == RESULT_UP || r->result == RESULT_CLOSED;
    fx->event.ike_id = r->ike_id;
    fx->event.child_id = r->child_id;
    fx->event.conn_name = r->conn == NULL ? "" : r->conn;
    fx->event.child_name = r->child == NULL ? "" : r->child;
    fx->event.local = r->local;
    fx->event.remote = r->remote;
    fx->event.record = r;
}

bool world_may_record_stranger(struct world *w)
{
    if (w->record_second != w->step.wall_s) {
        w->record_second = w->step.wall_s;
        w->records_in_second = 0;
    }
    return w->records_in_second++ < w->options.records_per_s;
}

bool world_is_past_records(const struct world *w)
{
    return w->record_second == w->step.wall_s && w->records_in_second >= w->options.records_per_s;
}

struct selectors world_copy_selectors(struct world *w, const struct selectors *s)
{
    struct selectors out = {arena_array(&w->arena, s->count, sizeof *s->at), s->count};
    if (out.at == NULL)
        out.count = 0;
    else if (s->count > 0)
        memcpy(out.at, s->at, s->count * sizeof *s->at);
    return out;
}

struct effect *world_event(struct world *w, enum event_kind kind, const struct ike_sa *sa,
                           const struct child_sa *child)
{
    struct effect *fx = step_add(&w->step, FX_EVENT);
    if (fx == NULL)
        return NULL;
    struct event *e = &fx->event;
    e->kind = kind;
    e->ok = true;
    if (sa != NULL) {
        e->ike_id = sa->id;
        e->conn_name = sa->conn == NULL ? "" : arena_text(&w->arena, "%s", sa->conn->name);
        e->local = sa->path.local;
        e->remote = sa->path.remote;
        e->spi_i = sa->spi_i;
        e->spi_r = sa->spi_r;
        e->suite = sa->suite;
        e->local_id = sa->local_id == NULL ? NULL : arena_text(&w->arena, "%s", sa->local_id);
        e->remote_id = sa->remote_id == NULL ? NULL : arena_text(&w->arena, "%s", sa->remote_id);
    }
    if (child != NULL) {
        e->child_id = child->id;
        e->child_name = arena_text(&w->arena, "%s", child->conf->name);
        e->spi_in = child->spi_in;
        e->spi_out = child->spi_out;
        e->suite = child->suite;
        e->reqid = child->reqid;
        e->installed_s_ago = instant_ms_between(child->installed, w->step.now) / 1000;
        /* The child may be gone before the effect is carried out. */
        e->local_ts = world_copy_selectors(w, &child->local_ts);
        e->remote_ts = world_copy_selectors(w, &child->remote_ts);
    }
    return fx;
}

void world_expect(struct world *w, uint64_t ticket, uint32_t outcomes)
{
    if (ticket == 0 || (ticket & STANDING_TICKET) != 0)
        return;
    struct waiting *waiting = map_get(&w->waiting, ticket);
    if (waiting == NULL) {
        waiting = calloc(1, sizeof *waiting);
        if (waiting == NULL || !map_set(&w->waiting, ticket, waiting)) {
            /* Nobody will count the outcomes: the command hears that at once. */
            free(waiting);
            struct finding why;
            finding_set(&why, CAUSE_RES_MEMORY);
            step_event_finding(&w->step, EVENT_COMMAND_DONE, NULL, &why);
            if (w->step.count > 0 && w->step.effects[w->step.count - 1].kind == FX_EVENT)
                w->step.effects[w->step.count - 1].event.ticket = ticket;
            return;
        }
        waiting->ticket = ticket;
    }
    waiting->outstanding += outcomes;
}

void world_outcome(struct world *w, uint64_t ticket, bool ok, const struct finding *why)
{
    if ((ticket & STANDING_TICKET) != 0) {
        standing_outcome(w, ticket, ok, why);
        return;
    }
    struct waiting *waiting = ticket == 0 ? NULL : map_get(&w->waiting, ticket);
    if (waiting == NULL)
        return;
    if (ok)
        waiting->count++;
    else
        waiting->failed = true;
    if (why != NULL && (waiting->why == NULL || !ok)) {
        free(waiting->why);
        waiting->why = finding_dup(why);
    }
    if (waiting->outstanding > 1) {
        waiting->outstanding--;
        return;
    }
    map_remove(&w->waiting, ticket);
    struct effect *fx = step_add(&w->step, FX_EVENT);
    struct finding *copy = waiting->why == NULL ? NULL : arena_alloc(&w->arena, sizeof *copy);
    if (copy != NULL && !finding_copy(waiting->why, &w->arena, copy))
        copy = NULL;
    if (fx != NULL) {
        fx->event.kind = EVENT_COMMAND_DONE;
        fx->event.ticket = ticket;
        fx->event.ok = !waiting->failed;
        fx->event.count = waiting->count;
        fx->event.finding = copy;
    }
    free(waiting->why);
    free(waiting);
}

struct record *ike2_record_new(struct world *w, const struct ike_sa *sa, enum record_kind kind,
                               uint64_t ticket)
{
    struct record *r = record_new(kind, w->step.now, w->step.wall_s);
    if (r == NULL)
        return NULL;
    r->ticket = ticket;
    if (sa == NULL)
        return r;
    r->is_initiator = sa->is_initiator;
    r->ike_id = sa->id;
    r->spi_i = sa->spi_i;
    r->spi_r = sa->spi_r;
    r->local = sa->path.local;
    r->remote = sa->path.remote;
    r->has_nat_here = sa->has_nat_here;
    r->has_nat_there = sa->has_nat_there;
    r->ike_suite = sa->suite;
    record_set_text(&r->conn, sa->conn == NULL ? NULL : sa->conn->name);
    record_set_text(&r->local_id, sa->local_id);
    record_set_text(&r->remote_id, sa->remote_id);
    return r;
}

void ike2_record_child(struct record *r, const struct child_sa *c)
{
    if (r == NULL)
        return;
    r->child_id = c->id;
    r->spi_in = c->spi_in;
    r->spi_out = c->spi_out;
    r->child_suite = c->suite;
    record_set_text(&r->child, c->conf->name);
    policy_selectors_free(&r->local_ts);
    policy_selectors_free(&r->remote_ts);
    policy_selectors_dup(&c->local_ts, &r->local_ts);
    policy_selectors_dup(&c->remote_ts, &r->remote_ts);
}

void ike2_record_end(struct world *w, struct record *r, enum record_result result, enum phase phase)
{
    if (r == NULL)
        return;
    r->result = result;
    r->phase = phase;
    r->took_ms = (uint32_t)instant_ms_between(r->began, w->step.now);
    w->counters.negotiations++;
    if (result == RESULT_FAILED)
        w->counters.failures++;
    world_emit_record(w, r);
}

enum phase ike2_phase(const struct ike_sa *sa, const struct record *r)
{
    if (r != NULL && (r->kind == RECORD_CHILD_REKEY || r->kind == RECORD_IKE_REKEY))
        return PHASE_REKEY;
    if (r != NULL && r->kind == RECORD_CHILD)
        return PHASE_CHILD;
    if (sa == NULL)
        return PHASE_IKE_SA_INIT;
    switch (sa->state) {
    case SA_AWAIT_PATH:
    case SA_AWAIT_INIT_ANSWER:
        return PHASE_IKE_SA_INIT;
    case SA_AWAIT_AUTH:
    case SA_AWAIT_AUTH_ANSWER:
        return PHASE_IKE_AUTH;
    case SA_UP:
    case SA_REPLACED:
    case SA_CLOSING:
    case SA_GONE:
        break;
    }
    return PHASE_ESTABLISHED;
}

void ike2_refused(struct world *w, struct ike_sa *sa, struct record *r, struct finding *why)
{
    if (why->phase == PHASE_NONE)
        why->phase = ike2_phase(sa, r);
    record_add_finding(r, why);
    bool is_failure = ikebana_cause_row(why->cause)->severity == SEVERITY_FAILURE;
    struct effect *fx = world_event(w, is_failure ? EVENT_REFUSED : EVENT_NOTICE, sa, NULL);
    struct finding *copy = arena_alloc(&w->arena, sizeof *copy);
    if (fx == NULL || copy == NULL)
        return;
    *copy = *why;
    fx->event.ok = !is_failure;
    fx->event.finding = copy;
    if (r != NULL && r->child != NULL)
        fx->event.child_name = arena_text(&w->arena, "%s", r->child);
    if (sa == NULL && r != NULL) {
        fx->event.conn_name = r->conn == NULL ? "" : arena_text(&w->arena, "%s", r->conn);
        fx->event.local = r->local;
        fx->event.remote = r->remote;
    }
}

struct record *ike2_setup_record(struct world *w, struct ike_sa *sa)
{
    if (sa->record != NULL || sa->setup == NULL)
        return sa->record;
    struct record *r =
        ike2_record_new(w, sa, RECORD_IKE, sa->tasks == NULL ? 0 : sa->tasks->ticket);
    if (r == NULL)
        return NULL;
    r->began = sa->setup->began;
    r->began_s = sa->setup->began_s;
    sa->record = r;
    if (sa->is_initiator)
        return r;
    /* A responder makes its record only now: the trail of IKE_SA_INIT is read off the kept
     * messages. */
    struct span kept[] = {span_of(sa->setup->request, sa->setup->request_len),
                          span_of(sa->setup->response, sa->setup->response_len)};
    for (size_t i = 0; i < 2; i++) {
        struct message m;
        struct wire_error error;
        if (kept[i].at == NULL || !wire_parse_message(kept[i], &m, &error))
            continue;
        message_trail(w, r, &m, kept[i].len, i == 1 ? TRAIL_SENT : 0);
        if (r->trail_count > 0)
            r->trail[r->trail_count - 1].at_ms = 0;
    }
    return r;
}
