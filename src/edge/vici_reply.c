/* What all answers have in common: refusals with their finding, waiting, time-outs. */
#include <jansson.h>
#include <stdlib.h>

#include "diagnose/render.h"
#include "edge/output.h"
#include "edge/vici_request.h"
#include "finding/finding.h"

void reply_record(struct vici_out *o, const struct record *record)
{
    json_t *tree = record == NULL ? NULL : diagnose_record_to_json(record);
    char *json = tree == NULL ? NULL : json_dumps(tree, JSON_COMPACT);
    if (json != NULL)
        vici_long(o, "record", span_text(json));
    free(json);
    json_decref(tree);
}

void reply_failure(struct vici_out *o, const struct finding *why, const struct record *record,
                   struct arena *a)
{
    struct finding none;
    if (why == NULL && record != NULL)
        why = record_verdict(record);
    if (why == NULL) {
        finding_set(&none, CAUSE_NONE);
        why = &none;
    }
    const struct cause_row *row = ikebana_cause_row(why->cause);
    const char *peer = "", *conn = "", *child = "";
    if (record != NULL) {
        peer = record->remote.family == FAMILY_NONE ? "" : address_text(a, &record->remote);
        conn = record->conn == NULL ? "" : record->conn;
        child = record->child == NULL ? "" : record->child;
    }
    uint16_t status = ikebana_finding_status(why);
    vici_text(o, "success", "no");
    vici_text(o, "errmsg", output_finding_text(why, a));
    if (status != 0)
        vici_format(o, "status", "%u", status);
    vici_format(o, "reason", "%u", row->reason);
    vici_text(o, "cause", row->id);
    vici_text_if(o, "param", why->param);
    vici_text_if(o, "expected", why->expected);
    vici_text_if(o, "seen", why->seen);
    vici_text_if(o, "nearest", why->nearest);
    vici_text_if(o, "fix", output_fix_text(why, peer, conn, child, a));
    reply_record(o, record);
}

void request_success(struct vici_request *r)
{
    struct vici_out o;
    request_begin(r, &o);
    vici_text(&o, "success", "yes");
    request_answer(r, &o);
}

void request_refuse(struct vici_request *r, const struct finding *why)
{
    struct vici_out o;
    request_begin(r, &o);
    reply_failure(&o, why, NULL, &r->arena);
    request_answer(r, &o);
}

void request_bad(struct vici_request *r, const char *param, const char *expected, const char *seen)
{
    struct finding why;
    finding_set(&why, CAUSE_CMD_BAD_REQUEST);
    why.param = param;
    why.expected = expected;
    why.seen = seen;
    request_refuse(r, &why);
}

void reply_warnings(struct vici_out *o, const struct findings *found, struct arena *a)
{
    bool is_open = false;
    for (size_t i = 0; i < found->count; i++) {
        if (ikebana_cause_row(found->at[i].cause)->severity == SEVERITY_FAILURE)
            continue;
        if (!is_open)
            vici_list(o, "warnings");
        is_open = true;
        vici_item(o, output_finding_text(&found->at[i], a));
    }
    if (is_open)
        vici_list_end(o);
}

bool request_refuse_findings(struct vici_request *r, const struct findings *found)
{
    struct vici_out o;
    for (size_t i = 0; i < found->count; i++) {
        if (ikebana_cause_row(found->at[i].cause)->severity != SEVERITY_FAILURE)
            continue;
        request_begin(r, &o);
        reply_failure(&o, &found->at[i], NULL, &r->arena);
        /* errmsg has room for the first failure only: the others follow it, one each. */
        bool is_open = false;
        for (size_t n = i + 1; n < found->count; n++) {
            if (ikebana_cause_row(found->at[n].cause)->severity != SEVERITY_FAILURE)
                continue;
            if (!is_open)
                vici_list(&o, "errors");
            is_open = true;
            vici_item(&o, output_finding_text(&found->at[n], &r->arena));
        }
        if (is_open)
            vici_list_end(&o);
        reply_warnings(&o, found, &r->arena);
        request_answer(r, &o);
        return true;
    }
    return false;
}

/* ---- waiting ---- */

static void on_done(void *context, bool ok, uint32_t count, const struct finding *why,
                    const struct record *record)
{
    struct vici_wait *w = context;
    struct vici_request *r = w->request;
    vici_outcome *outcome = w->outcome;
    if (w->is_done != NULL)
        *w->is_done = true;
    struct vici_wait **link = &r->waits;
    while (*link != NULL && *link != w)
        link = &(*link)->next;
    if (*link == w)
        *link = w->next;
    free(w);
    outcome(r, ok, count, why, record);
    request_release(r);
}

void request_command(struct vici_request *r, const struct command *c, vici_outcome *outcome)
{
    struct vici_wait *w = calloc(1, sizeof *w);
    bool is_done = false;
    struct finding why;
    if (w == NULL) {
        finding_set(&why, CAUSE_RES_MEMORY);
        outcome(r, false, 0, &why, NULL);
        return;
    }
    *w = (struct vici_wait){r->waits, r, 0, &is_done, outcome};
    r->waits = w;
    request_hold(r);
    uint64_t ticket = daemon_command(r->server->daemon, c, on_done, w);
    if (is_done)
        return;
    w->ticket = ticket;
    w->is_done = NULL;
}

static void on_timeout(uv_timer_t *timer)
{
    struct vici_request *r = timer->data;
    struct finding why;
    finding_set(&why, CAUSE_CMD_TIMEOUT);
    why.param = "timeout";
    why.expected = "an outcome";
    why.seen = "none yet";
    request_refuse(r, &why);
}

void request_timeout(struct vici_request *r, int64_t ms)
{
    r->timer = calloc(1, sizeof *r->timer);
    if (r->timer == NULL)
        return;
    uv_timer_init(daemon_loop(r->server->daemon), r->timer);
    r->timer->data = r;
    uv_timer_start(r->timer, on_timeout, (uint64_t)ms, 0);
}
