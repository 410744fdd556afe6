/* Events as log lines. "office: IKE SA 3 up, …": who stands first, so that a log can be searched
 * by connection. */
#include <inttypes.h>

#include "diagnose/render.h"
#include "diagnose/words.h"
#include "finding/finding.h"
#include "wire/wire.h"

enum { VALUE_MAX = 600 }; /* octets of one value in a line: journals cut long lines themselves */

/* "office", "office/lan", else the peer's address; "" = nobody is known. */
static const char *who(const struct event *e, bool has_child, struct arena *a)
{
    const char *conn = e->conn_name == NULL ? "" : e->conn_name;
    const char *child = e->child_name == NULL ? "" : e->child_name;
    if (*conn == '\0' && *child == '\0')
        return e->remote.family == FAMILY_NONE ? "" : address_port_text(a, &e->remote);
    if (*conn == '\0')
        return child;
    return has_child && *child != '\0' ? arena_text(a, "%s/%s", conn, child) : conn;
}

static const char *line(const struct event *e, bool has_child, const char *text, struct arena *a)
{
    const char *name = who(e, has_child, a);
    const char *all = *name == '\0' ? text : arena_text(a, "%s: %s", name, text);
    return diagnose_printable(diagnose_utf8(all, a), a);
}

static const char *path(const struct event *e, struct arena *a)
{
    if (e->local.family == FAMILY_NONE || e->remote.family == FAMILY_NONE)
        return "";
    return arena_text(a, ", %s === %s", address_port_text(a, &e->local),
                      address_port_text(a, &e->remote));
}

static const char *suite(const struct event *e, uint8_t protocol, struct arena *a)
{
    if (e->suite.encr == 0 && e->suite.integ == 0)
        return "";
    return arena_text(a, ", %s", policy_suite_text(&e->suite, protocol, a));
}

static const char *spis(const struct event *e, struct arena *a)
{
    if (e->spi_in == 0 && e->spi_out == 0)
        return "";
    return arena_text(a, ", SPI %08" PRIx32 " in %08" PRIx32 " out", e->spi_in, e->spi_out);
}

static const char *traffic(const struct event *e, struct arena *a)
{
    if (e->local_ts.count == 0 && e->remote_ts.count == 0)
        return "";
    return arena_text(a, ", %s === %s",
                      diagnose_cut(policy_selectors_text(&e->local_ts, a), VALUE_MAX, a),
                      diagnose_cut(policy_selectors_text(&e->remote_ts, a), VALUE_MAX, a));
}

/* ": expected A, seen B, nearest C; fix: D" */
static const char *detail(const struct finding *f, const struct event *e, struct arena *a)
{
    const struct {
        const char *name, *value;
    } parts[] = {{"expected", f->expected}, {"seen", f->seen}, {"nearest", f->nearest}};
    const char *out = "";
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++)
        if (parts[i].value != NULL && *parts[i].value != '\0')
            out = arena_text(a, "%s%s %s %s", out, *out == '\0' ? ":" : ",", parts[i].name,
                             diagnose_cut(parts[i].value, VALUE_MAX, a));
    if (f->evidence.note != NULL && *f->evidence.note != '\0')
        out = arena_text(a, "%s (%s)", out, diagnose_cut(f->evidence.note, VALUE_MAX, a));
    const char *peer = e->remote.family == FAMILY_NONE ? "" : address_text(a, &e->remote);
    const char *fix = diagnose_fix_text(f, peer, e->conn_name, e->child_name, a);
    if (*fix == '\0' || strncmp(fix, "nothing", 7) == 0)
        return out;
    return arena_text(a, "%s; fix: %s", out, diagnose_cut(fix, VALUE_MAX, a));
}

/* "13868 ERROR_IPSEC_IKE_POLICY_MATCH ike.no-common-proposal (no common IKE proposal) at PARAM …"
 */
static const char *finding_text(const struct finding *f, const struct event *e, struct arena *a)
{
    const struct cause_row *row = ikebana_cause_row(f->cause);
    const char *at = f->param == NULL || *f->param == '\0' ? "" : arena_text(a, " at %s", f->param);
    return arena_text(a, "%u %s %s (%s)%s%s", row->reason, diagnose_status_symbol(row->reason),
                      row->id, row->sentence, at, detail(f, e, a));
}

static const char *with_finding(const char *word, const struct event *e, struct arena *a)
{
    return e->finding == NULL ? word
                              : arena_text(a, "%s: %s", word, finding_text(e->finding, e, a));
}

static const char *notice_word(const struct finding *f)
{
    switch (f == NULL ? SEVERITY_NOTICE : ikebana_cause_row(f->cause)->severity) {
    case SEVERITY_NOTICE:
        break;
    case SEVERITY_WARNING:
        return "warning";
    case SEVERITY_FAILURE:
        return "failure";
    }
    return "notice";
}

static const char *subject(const struct record *r, struct arena *a)
{
    const char *what = diagnose_kind_words(diagnose_kind_name(r->kind));
    return r->number == 0 ? what : arena_text(a, "%s %" PRIu64, what, r->number);
}

static const char *record_text(const struct record *r, struct arena *a)
{
    const struct finding *f = diagnose_main_finding(r);
    bool has_failed = r->result == RESULT_FAILED || r->result == RESULT_PARTIAL;
    const char *out = arena_text(a, "%s %s", subject(r, a),
                                 r->result == RESULT_PARTIAL ? "failed in part"
                                                             : diagnose_result_name(r->result));
    if (has_failed && r->phase != PHASE_NONE)
        out = arena_text(a, "%s in %s", out, ikebana_phase_name(r->phase));
    out = arena_text(a, "%s after %s", out, diagnose_duration(r->took_ms, a));
    uint16_t status = record_status(r);
    if (status != 0)
        out = arena_text(a, "%s: %u %s", out, status, diagnose_status_symbol(status));
    if (has_failed && f != NULL) {
        const struct cause_row *row = ikebana_cause_row(f->cause);
        out = arena_text(a, "%s%s %u %s %s", out, status == 0 ? ":" : ",", row->reason,
                         diagnose_status_symbol(row->reason), row->id);
    }
    size_t warnings = 0;
    for (size_t i = 0; i < r->finding_count; i++)
        warnings += ikebana_cause_row(r->findings[i]->cause)->severity == SEVERITY_WARNING;
    /* The one that the line names as its reason is not counted again. */
    if (has_failed && f != NULL && ikebana_cause_row(f->cause)->severity == SEVERITY_WARNING)
        warnings--;
    if (warnings > 0)
        out = arena_text(a, "%s, %zu warning%s", out, warnings, warnings == 1 ? "" : "s");
    if (r->number != 0 && (has_failed || warnings > 0))
        out = arena_text(a, "%s; see ikebana why %" PRIu64, out, r->number);
    return out;
}

/* The last message of a negotiation that goes on. */
static const char *progress_text(const struct event *e, struct arena *a)
{
    if (e->finding != NULL)
        return with_finding("hint", e, a);
    if (e->record == NULL || e->record->trail_count == 0)
        return "";
    const struct trail_entry *t = &e->record->trail[e->record->trail_count - 1];
    const char *out = arena_text(
        a, "%s %s %" PRIu32 " %s, %u octets", (t->flags & TRAIL_SENT) != 0 ? "sent" : "received",
        wire_exchange_name(t->exchange, a), t->message_id,
        (t->flags & TRAIL_RESPONSE) != 0 ? "response" : "request", t->size);
    if (t->fragments > 0)
        out = arena_text(a, "%s, in %u fragments", out, t->fragments);
    for (size_t i = 0; i < sizeof t->notifies / sizeof t->notifies[0]; i++)
        if (t->notifies[i] != 0)
            out = arena_text(a, "%s, %s", out, wire_notify_name(t->notifies[i], a));
    if (t->repeats > 0)
        out = arena_text(a, "%s, repeated %u time%s", out, t->repeats, t->repeats == 1 ? "" : "s");
    return out;
}

const char *diagnose_event_line(const struct event *e, struct arena *a)
{
    const char *text = "";
    switch (e->kind) {
    case EVENT_IKE_UP:
        text = arena_text(a, "IKE SA %" PRIu32 " up%s%s", e->ike_id, path(e, a),
                          suite(e, PROTOCOL_IKE, a));
        return line(e, false, text, a);
    case EVENT_IKE_DOWN:
        text = arena_text(a, "IKE SA %" PRIu32 " down%s", e->ike_id, path(e, a));
        return line(e, false, with_finding(text, e, a), a);
    case EVENT_IKE_REKEYED:
        text = arena_text(a, "IKE SA %" PRIu32 " rekeyed as %" PRIu32 "%s", e->old_id, e->ike_id,
                          suite(e, PROTOCOL_IKE, a));
        return line(e, false, text, a);
    case EVENT_CHILD_UP:
        text = arena_text(a, "CHILD SA %" PRIu32 " up%s%s%s", e->child_id, traffic(e, a),
                          spis(e, a), suite(e, PROTOCOL_ESP, a));
        return line(e, true, text, a);
    case EVENT_CHILD_DOWN:
        text =
            arena_text(a, "CHILD SA %" PRIu32 " down%s%s", e->child_id, traffic(e, a), spis(e, a));
        return line(e, true, with_finding(text, e, a), a);
    case EVENT_CHILD_REKEYED:
        text = arena_text(a, "CHILD SA %" PRIu32 " rekeyed as %" PRIu32 "%s%s", e->old_id,
                          e->child_id, spis(e, a), suite(e, PROTOCOL_ESP, a));
        return line(e, true, text, a);
    case EVENT_REFUSED:
        return line(e, true, with_finding("refused", e, a), a);
    case EVENT_NOTICE:
        return line(e, true, with_finding(notice_word(e->finding), e, a), a);
    case EVENT_PROGRESS:
        text = progress_text(e, a);
        return *text == '\0' ? "" : line(e, true, text, a);
    case EVENT_RECORD:
        return e->record == NULL ? "" : line(e, true, record_text(e->record, a), a);
    case EVENT_COMMAND_DONE:
        text = arena_text(a, "command %" PRIu64 " %s, %" PRIu32 " SA%s", e->ticket,
                          e->ok ? "done" : "failed", e->count, e->count == 1 ? "" : "s");
        return line(e, true, with_finding(text, e, a), a);
    }
    return "";
}
