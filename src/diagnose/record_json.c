/* A record as JSON. The keys are documented in docs/records.md and stay: history databases and
 * programs of users hold them. Every key is always there; null is what is not known. */
#include <inttypes.h>

#include "diagnose/compare.h"
#include "diagnose/hypotheses.h"
#include "diagnose/render.h"
#include "diagnose/words.h"
#include "finding/finding.h"
#include "wire/wire.h"

struct maker {
    const struct record *r;
    struct arena *a;
};

static void set(json_t *o, const char *key, json_t *value)
{
    json_object_set_new(o, key, value);
}

/* NULL and "" are both "not known". */
static json_t *text(struct maker *m, const char *s)
{
    return s == NULL || *s == '\0' ? json_null() : json_string(diagnose_utf8(s, m->a));
}

static json_t *number(uint64_t n)
{
    return json_integer((json_int_t)n);
}

static json_t *number_or_null(uint64_t n)
{
    return n == 0 ? json_null() : number(n);
}

static json_t *hex(struct maker *m, uint64_t v, int digits)
{
    return v == 0 ? json_null() : json_string(arena_text(m->a, "%0*" PRIx64, digits, v));
}

/* {code, hex, symbol, meaning} */
static json_t *status(struct maker *m, uint16_t code, const char *meaning)
{
    if (code == 0)
        return json_null();
    json_t *o = json_object();
    set(o, "code", number(code));
    set(o, "hex", json_string(arena_text(m->a, "0x%X", code)));
    set(o, "symbol", text(m, diagnose_status_symbol(code)));
    set(o, "meaning", text(m, meaning));
    return o;
}

static json_t *notify(struct maker *m, uint16_t type)
{
    if (type == 0)
        return json_null();
    json_t *o = json_object();
    set(o, "number", number(type));
    set(o, "name", json_string(wire_notify_name(type, m->a)));
    return o;
}

static json_t *end(struct maker *m, const struct address *at, const char *id, uint8_t auth)
{
    json_t *o = json_object();
    bool is_known = at->family != FAMILY_NONE;
    set(o, "address", is_known ? text(m, address_text(m->a, at)) : json_null());
    set(o, "port", is_known ? number(at->port) : json_null());
    set(o, "id", text(m, id));
    set(o, "auth", text(m, diagnose_auth_name(auth, m->a)));
    return o;
}

static json_t *suite(struct maker *m, const struct suite *s, uint8_t protocol)
{
    bool is_known = s->encr != 0 || s->integ != 0;
    return is_known ? text(m, policy_suite_text(s, protocol, m->a)) : json_null();
}

static json_t *selectors(struct maker *m, const struct selectors *s)
{
    json_t *list = json_array();
    for (size_t i = 0; i < s->count; i++)
        json_array_append_new(list, text(m, policy_selector_text(&s->at[i], m->a)));
    return list;
}

static json_t *evidence(struct maker *m, const struct evidence *e)
{
    bool has_note = e->note != NULL && *e->note != '\0';
    if (!e->has_message && !has_note)
        return json_null();
    json_t *o = json_object();
    bool has = e->has_message;
    set(o, "received", has ? json_boolean(e->is_received) : json_null());
    set(o, "exchange", has ? json_string(wire_exchange_name(e->exchange, m->a)) : json_null());
    set(o, "message_id", has ? number(e->message_id) : json_null());
    set(o, "payload",
        has && e->payload != 0 ? json_string(wire_payload_name(e->payload, m->a)) : json_null());
    set(o, "offset", has && e->offset != 0 ? number(e->offset) : json_null());
    set(o, "note", text(m, e->note));
    return o;
}

static const char *peer_of(struct maker *m)
{
    return m->r->remote.family == FAMILY_NONE ? "" : address_text(m->a, &m->r->remote);
}

static json_t *finding(struct maker *m, const struct finding *f)
{
    const struct record *r = m->r;
    const struct cause_row *row = ikebana_cause_row(f->cause);
    const char *likely[HYPOTHESES_MAX];
    size_t likely_count = diagnose_likely(r, f, m->a, likely);
    json_t *list = json_array();
    for (size_t i = 0; i < likely_count; i++)
        json_array_append_new(list, text(m, likely[i]));

    json_t *o = json_object();
    set(o, "cause", json_string(row->id));
    set(o, "severity", json_string(ikebana_severity_name(row->severity)));
    set(o, "sentence", text(m, row->sentence));
    uint16_t code = row->severity == SEVERITY_FAILURE ? ikebana_finding_status(f) : 0;
    set(o, "status", status(m, code, diagnose_status_words(code)));
    set(o, "reason", status(m, row->reason, row->sentence));
    set(o, "at_fault", json_string(ikebana_side_name(f->at_fault)));
    set(o, "phase",
        f->phase == PHASE_NONE ? json_null() : json_string(ikebana_phase_name(f->phase)));
    set(o, "confidence", number(f->confidence));
    set(o, "param", text(m, f->param));
    set(o, "expected", text(m, f->expected));
    set(o, "seen", text(m, f->seen));
    set(o, "nearest", text(m, f->nearest));
    set(o, "difference", text(m, diagnose_difference(f, m->a)));
    set(o, "notify", notify(m, f->notify));
    set(o, "evidence", evidence(m, &f->evidence));
    set(o, "likely", list);
    set(o, "fix",
        text(m, diagnose_fix_text(f, peer_of(m), r->conn == NULL ? "" : r->conn,
                                  r->child == NULL ? "" : r->child, m->a)));
    set(o, "doc", text(m, row->anchor));
    return o;
}

static json_t *trail_entry(struct maker *m, const struct trail_entry *t)
{
    bool is_response = (t->flags & TRAIL_RESPONSE) != 0;
    json_t *payloads = json_array(), *notifies = json_array();
    for (uint8_t bit = 0; bit < 32; bit++)
        if ((t->payloads & (uint32_t)1 << bit) != 0)
            json_array_append_new(payloads, json_string(diagnose_payload_name((uint8_t)(33 + bit),
                                                                              is_response, m->a)));
    for (size_t i = 0; i < sizeof t->notifies / sizeof t->notifies[0]; i++)
        if (t->notifies[i] != 0)
            json_array_append_new(notifies, json_string(wire_notify_name(t->notifies[i], m->a)));

    json_t *o = json_object();
    set(o, "dir", json_string((t->flags & TRAIL_SENT) != 0 ? "out" : "in"));
    set(o, "at_ms", number(t->at_ms));
    set(o, "exchange", json_string(wire_exchange_name(t->exchange, m->a)));
    set(o, "message_id", number(t->message_id));
    set(o, "response", json_boolean(is_response));
    set(o, "size", number(t->size));
    if (t->fragments > 0)
        set(o, "fragments", number(t->fragments));
    set(o, "payloads", payloads);
    set(o, "notifies", notifies);
    set(o, "repeats", number(t->repeats));
    set(o, "protected", json_boolean((t->flags & TRAIL_PROTECTED) != 0));
    set(o, "dropped", json_boolean((t->flags & TRAIL_DROPPED) != 0));
    return o;
}

static json_t *ike(struct maker *m)
{
    json_t *o = json_object();
    set(o, "id", number_or_null(m->r->ike_id));
    set(o, "spi_i", hex(m, m->r->spi_i, 16));
    set(o, "spi_r", hex(m, m->r->spi_r, 16));
    set(o, "suite", suite(m, &m->r->ike_suite, PROTOCOL_IKE));
    return o;
}

static json_t *child(struct maker *m)
{
    json_t *o = json_object();
    set(o, "id", number_or_null(m->r->child_id));
    set(o, "spi_in", hex(m, m->r->spi_in, 8));
    set(o, "spi_out", hex(m, m->r->spi_out, 8));
    set(o, "suite", suite(m, &m->r->child_suite, PROTOCOL_ESP));
    set(o, "local_ts", selectors(m, &m->r->local_ts));
    set(o, "remote_ts", selectors(m, &m->r->remote_ts));
    return o;
}

static bool has_failed(const struct record *r)
{
    return r->result == RESULT_FAILED || r->result == RESULT_PARTIAL;
}

static json_t *record(struct maker *m)
{
    const struct record *r = m->r;
    const struct finding *f = diagnose_main_finding(r);
    const struct cause_row *row = f == NULL ? NULL : ikebana_cause_row(f->cause);
    uint16_t code = record_status(r);
    bool has_reason = row != NULL && (has_failed(r) || row->severity == SEVERITY_FAILURE);

    json_t *nat = json_object();
    set(nat, "here", json_boolean(r->has_nat_here));
    set(nat, "there", json_boolean(r->has_nat_there));
    json_t *findings = json_array(), *trail = json_array();
    for (size_t i = 0; i < r->finding_count; i++)
        json_array_append_new(findings, finding(m, r->findings[i]));
    for (size_t i = 0; i < r->trail_count; i++)
        json_array_append_new(trail, trail_entry(m, &r->trail[i]));

    json_t *o = json_object();
    set(o, "number", number_or_null(r->number));
    set(o, "kind", json_string(diagnose_kind_name(r->kind)));
    set(o, "result", json_string(diagnose_result_name(r->result)));
    set(o, "status", status(m, code, diagnose_status_words(code)));
    set(o, "reason", has_reason ? status(m, row->reason, row->sentence) : json_null());
    set(o, "cause", row == NULL ? json_null() : json_string(row->id));
    set(o, "phase",
        r->phase == PHASE_NONE ? json_null() : json_string(ikebana_phase_name(r->phase)));
    set(o, "role", json_string(r->is_initiator ? "initiator" : "responder"));
    set(o, "version", number_or_null(r->version));
    set(o, "conn", text(m, r->conn));
    set(o, "child_name", text(m, r->child));
    set(o, "local", end(m, &r->local, r->local_id, r->local_auth));
    set(o, "remote", end(m, &r->remote, r->remote_id, r->remote_auth));
    set(o, "nat", nat);
    set(o, "ike", ike(m));
    set(o, "child", child(m));
    set(o, "began", json_string(diagnose_time(r->began_s, m->a)));
    set(o, "took_ms", number(r->took_ms));
    set(o, "findings", findings);
    set(o, "trail", trail);
    set(o, "trail_lost", number(r->trail_lost));
    return o;
}

json_t *diagnose_record_to_json(const struct record *r)
{
    struct arena a;
    if (!arena_init(&a))
        return NULL;
    struct maker m = {r, &a};
    json_t *o = record(&m);
    arena_clear(&a);
    return o;
}
