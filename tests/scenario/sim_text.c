/* What the simulator prints: for people who read a failed scenario, in the words that scripts use.
 */
#include "engine/inside.h"
#include "sim_inside.h"

const char *const sim_event_names[] = {
    [EVENT_IKE_UP] = "ike-up",           [EVENT_IKE_DOWN] = "ike-down",
    [EVENT_IKE_REKEYED] = "ike-rekeyed", [EVENT_CHILD_UP] = "child-up",
    [EVENT_CHILD_DOWN] = "child-down",   [EVENT_CHILD_REKEYED] = "child-rekeyed",
    [EVENT_REFUSED] = "refused",         [EVENT_NOTICE] = "notice",
    [EVENT_PROGRESS] = "progress",       [EVENT_RECORD] = "record",
    [EVENT_COMMAND_DONE] = "done",       NULL,
};

const char *const sim_record_names[] = {
    [RECORD_IKE] = "ike",
    [RECORD_CHILD] = "child",
    [RECORD_CHILD_REKEY] = "child-rekey",
    [RECORD_IKE_REKEY] = "ike-rekey",
    [RECORD_LIVENESS] = "liveness",
    [RECORD_CLOSE] = "close",
    [RECORD_COMMAND] = "command",
    NULL,
};

const char *const sim_result_names[] = {
    [RESULT_PENDING] = "pending", [RESULT_UP] = "up",         [RESULT_PARTIAL] = "partial",
    [RESULT_FAILED] = "failed",   [RESULT_CLOSED] = "closed", NULL,
};

void sim_print_finding(FILE *out, const struct finding *f)
{
    const struct cause_row *row = ikebana_cause_row(f->cause);
    const struct ikebana_status *reason = ikebana_status_by_code(row->reason);
    fprintf(out, "cause=%s status=%u reason=%s phase=%s notify=%u confidence=%u", row->id,
            ikebana_finding_status(f), reason == NULL ? "?" : reason->symbol,
            ikebana_phase_name(f->phase), f->notify, f->confidence);
    fprintf(out, "\n             param=\"%s\" expected=\"%s\" seen=\"%s\"", f->param, f->expected,
            f->seen);
    if (f->nearest[0] != '\0')
        fprintf(out, " nearest=\"%s\"", f->nearest);
    if (f->evidence.has_message)
        fprintf(out, "\n             exchange=%u message=%u payload=%u offset=%u",
                f->evidence.exchange, f->evidence.message_id, f->evidence.payload,
                f->evidence.offset);
    fputc('\n', out);
}

static void print_trail(FILE *out, const struct record *r)
{
    for (size_t i = 0; i < r->trail_count; i++) {
        const struct trail_entry *t = &r->trail[i];
        fprintf(out, "             %s %u %s %u %u octets, repeats %u, at %u ms, notifies %u %u\n",
                (t->flags & TRAIL_SENT) != 0 ? "->" : "<-", t->exchange,
                (t->flags & TRAIL_RESPONSE) != 0 ? "resp" : "req", t->message_id, t->size,
                t->repeats, t->at_ms, t->notifies[0], t->notifies[1]);
    }
}

void sim_print_record(FILE *out, const struct record *r)
{
    fprintf(out,
            "kind=%s result=%s role=%s conn=%s child=%s local=%s remote=%s status=%u took=%u\n",
            sim_record_names[r->kind], sim_result_names[r->result],
            r->is_initiator ? "initiator" : "responder", r->conn == NULL ? "-" : r->conn,
            r->child == NULL ? "-" : r->child, r->local_id == NULL ? "-" : r->local_id,
            r->remote_id == NULL ? "-" : r->remote_id, record_status(r), r->took_ms);
    for (size_t i = 0; i < r->finding_count; i++) {
        fprintf(out, "           ");
        sim_print_finding(out, r->findings[i]);
    }
    print_trail(out, r);
}

void sim_log_event(const struct sim_host *h, const struct sim_event *e)
{
    FILE *out = h->sim->log;
    if (out == NULL)
        return;
    fprintf(out, "%8lld ms  %s: %s ", (long long)(h->sim->now.ns / 1000000), h->name,
            sim_event_names[e->kind]);
    if (e->record != NULL) {
        sim_print_record(out, e->record);
        return;
    }
    fprintf(out, "conn=%s child=%s ticket=%llu ok=%u count=%u ike=%u child=%u old=%u\n", e->conn,
            e->child, (unsigned long long)e->ticket, e->ok, e->count, e->ike_id, e->child_id,
            e->old_id);
    if (e->finding != NULL) {
        fprintf(out, "             ");
        sim_print_finding(out, e->finding);
    }
}
