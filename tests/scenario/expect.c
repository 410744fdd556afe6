/* Expectations of a scenario.
 *
 * expect HOST EVENT KEY=VALUE…   an event, record or outcome that no expectation has named yet;
 *                                KEY~VALUE: VALUE is a part of it. Keys of one finding are all
 * about the same one. expect HOST no EVENT KEY=…     none is there expect HOST
 * ikes|children|sas|half-open|policies|waiting|waited-in-vain N expect HOST child NAME KEY=VALUE…
 * expect HOST counter NAME N|>N expect tables agree | lost N | arrived >N */
#include <stdlib.h>

#include <ikebana/status.h>

#include "script.h"
#include "sim_inside.h"

struct fact {
    const char *key, *value;
    bool is_part;
};

struct facts {
    struct fact at[WORDS_MAX];
    size_t count;
};

static bool read_facts(struct script *s, size_t from, struct facts *out)
{
    out->count = 0;
    for (size_t i = from; i < s->count; i++) {
        char *word = s->words[i];
        size_t len = strcspn(word, "=~");
        if (word[len] == '\0')
            return script_fail(s, "what is %s?", word);
        struct fact *f = &out->at[out->count++];
        f->is_part = word[len] == '~';
        word[len] = '\0';
        f->key = word;
        f->value = word + len + 1;
    }
    return true;
}

/* 1: as expected, 0: not, -1: no such key here. */
static int holds_text(const struct fact *f, const char *key, const char *value)
{
    if (strcmp(f->key, key) != 0)
        return -1;
    if (value == NULL)
        value = "-";
    return f->is_part ? strstr(value, f->value) != NULL : strcmp(value, f->value) == 0;
}

static int holds_number(const struct fact *f, const char *key, uint64_t value)
{
    if (strcmp(f->key, key) != 0)
        return -1;
    bool is_more = f->value[0] == '>';
    uint64_t wanted = strtoull(f->value + is_more, NULL, 10);
    return is_more ? value > wanted : value == wanted;
}

static int first_known(const int *answers, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (answers[i] >= 0)
            return answers[i];
    return -1;
}

static int finding_holds(const struct fact *f, const struct finding *why)
{
    const struct cause_row *row = ikebana_cause_row(why->cause);
    const struct ikebana_status *reason = ikebana_status_by_code(row->reason);
    int answers[] = {
        holds_text(f, "cause", row->id),
        holds_text(f, "reason", reason == NULL ? "?" : reason->symbol),
        holds_number(f, "status", ikebana_finding_status(why)),
        holds_text(f, "phase", ikebana_phase_name(why->phase)),
        holds_text(f, "side", ikebana_side_name(why->at_fault)),
        holds_number(f, "notify", why->notify),
        holds_number(f, "confidence", why->confidence),
        holds_text(f, "param", why->param),
        holds_text(f, "expected", why->expected),
        holds_text(f, "seen", why->seen),
        holds_text(f, "nearest", why->nearest),
        holds_number(f, "exchange", why->evidence.exchange),
        holds_number(f, "message", why->evidence.message_id),
        holds_number(f, "payload", why->evidence.payload),
        holds_number(f, "offset", why->evidence.offset),
    };
    return first_known(answers, sizeof answers / sizeof *answers);
}

/* The notify types of what was sent or received, "16391 16394". */
static const char *notifies_text(const struct record *r, bool sent, char *text, size_t size)
{
    size_t len = 0;
    text[0] = '\0';
    for (size_t i = 0; i < r->trail_count; i++)
        for (size_t k = 0; k < 4 && ((r->trail[i].flags & TRAIL_SENT) != 0) == sent; k++)
            if (r->trail[i].notifies[k] != 0 && len < size)
                len += (size_t)snprintf(text + len, size - len, "%s%u", len == 0 ? "" : " ",
                                        r->trail[i].notifies[k]);
    return text;
}

static int record_holds(const struct fact *f, const struct record *r)
{
    uint64_t repeats = 0;
    for (size_t i = 0; i < r->trail_count; i++)
        repeats += r->trail[i].repeats;
    char sent[500], got[500];
    int answers[] = {
        holds_text(f, "kind", sim_record_names[r->kind]),
        holds_text(f, "result", sim_result_names[r->result]),
        holds_text(f, "role", r->is_initiator ? "initiator" : "responder"),
        holds_text(f, "conn", r->conn),
        holds_text(f, "child", r->child),
        holds_text(f, "local", r->local_id),
        holds_text(f, "remote", r->remote_id),
        holds_number(f, "record-status", record_status(r)),
        holds_number(f, "findings", r->finding_count),
        holds_number(f, "messages", r->trail_count),
        holds_number(f, "repeats", repeats),
        holds_text(f, "sent", notifies_text(r, true, sent, sizeof sent)),
        holds_text(f, "got", notifies_text(r, false, got, sizeof got)),
        holds_number(f, "took", r->took_ms),
        holds_number(f, "nat-here", r->has_nat_here),
        holds_number(f, "nat-there", r->has_nat_there),
    };
    return first_known(answers, sizeof answers / sizeof *answers);
}

static int event_holds(const struct fact *f, const struct sim_event *e)
{
    int answers[] = {
        holds_text(f, "conn", e->conn),
        holds_text(f, "child", e->child),
        holds_text(f, "ok", e->ok ? "yes" : "no"),
        holds_number(f, "count", e->count),
        holds_number(f, "ticket", e->ticket),
    };
    return first_known(answers, sizeof answers / sizeof *answers);
}

static bool fits(const struct facts *facts, const struct sim_event *e)
{
    const struct finding *one[1] = {e->finding};
    const struct finding *const *findings = one;
    size_t finding_count = e->finding == NULL ? 0 : 1;
    bool wants_finding = false;
    if (e->record != NULL) {
        findings = (const struct finding *const *)e->record->findings;
        finding_count = e->record->finding_count;
    }
    struct finding none = {.param = "", .expected = "", .seen = "", .nearest = ""};
    for (size_t i = 0; i < facts->count; i++) {
        int holds = e->record != NULL ? record_holds(&facts->at[i], e->record)
                                      : event_holds(&facts->at[i], e);
        if (holds == 0)
            return false;
        if (holds < 0)
            wants_finding = true;
        if (holds < 0 && finding_holds(&facts->at[i], &none) < 0)
            return false; /* no such key: the words that are printed will show it */
    }
    if (!wants_finding)
        return true;
    for (size_t n = 0; n < finding_count; n++) {
        bool all = true;
        for (size_t i = 0; i < facts->count && all; i++)
            if ((e->record != NULL ? record_holds(&facts->at[i], e->record)
                                   : event_holds(&facts->at[i], e)) < 0)
                all = finding_holds(&facts->at[i], findings[n]) == 1;
        if (all)
            return true;
    }
    return false;
}

static void print_event(const struct sim_event *e)
{
    fprintf(stderr, "  %s %s", e->is_taken ? "(named)" : "       ", sim_event_names[e->kind]);
    fprintf(stderr, " conn=%s child=%s ok=%s count=%u ", e->conn, e->child, e->ok ? "yes" : "no",
            e->count);
    if (e->record != NULL)
        sim_print_record(stderr, e->record);
    else if (e->finding != NULL)
        sim_print_finding(stderr, e->finding);
    else
        fputc('\n', stderr);
}

static bool expect_event(struct script *s, struct sim_host *h, const char *name, bool wants_none,
                         size_t from)
{
    struct facts facts;
    int kind = -1;
    for (int i = 0; sim_event_names[i] != NULL; i++)
        if (strcmp(sim_event_names[i], name) == 0)
            kind = i;
    if (kind < 0)
        return script_fail(s, "no event %s", name);
    if (!read_facts(s, from, &facts))
        return false;
    uint64_t ticket = s->texts[h - s->sim.hosts].ticket;
    bool is_last = kind == EVENT_COMMAND_DONE; /* of the last command, but where one is named */
    for (size_t i = 0; i < facts.count; i++)
        is_last = is_last && strcmp(facts.at[i].key, "ticket") != 0;
    for (size_t i = 0; i < h->event_count; i++) {
        struct sim_event *e = &h->events[i];
        if (e->is_taken || (int)e->kind != kind || (is_last && e->ticket != ticket) ||
            !fits(&facts, e))
            continue;
        if (wants_none) {
            print_event(e);
            return script_fail(s, "there is one on %s", h->name);
        }
        e->is_taken = true;
        return true;
    }
    if (wants_none)
        return true;
    script_fail(s, "not there; %s has:", h->name);
    for (size_t i = 0; i < h->event_count; i++)
        if ((int)h->events[i].kind == kind)
            print_event(&h->events[i]);
    return false;
}

static bool expect_number(struct script *s, const char *what, uint64_t value, const char *wanted)
{
    struct fact f = {.key = "", .value = wanted};
    return holds_number(&f, "", value) == 1 ||
           script_fail(s, "%s: %llu", what, (unsigned long long)value);
}

static uint64_t count_views(struct sim_host *h, bool children)
{
    struct arena a;
    struct ike_view view;
    uint64_t cursor = 0, count = 0;
    if (h->is_dead || !arena_init(&a))
        return 0;
    while (engine_next_sa(h->engine, &cursor, h->sim->now, &a, &view)) {
        if (!children)
            count += view.state == IKE_ESTABLISHED || view.state == IKE_REKEYING;
        for (size_t i = 0; children && i < view.child_count; i++)
            count += view.children[i].state == CHILD_INSTALLED ||
                     view.children[i].state == CHILD_REKEYING;
    }
    arena_clear(&a);
    return count;
}

static bool expect_counter(struct script *s, struct sim_host *h, const char *name,
                           const char *wanted)
{
    struct engine_counters c;
    engine_counters(h->engine, &c);
    const struct {
        const char *name;
        uint64_t value;
    } known[] = {
        {"in", c.datagrams_in},         {"out", c.datagrams_out},
        {"dropped", c.dropped},         {"cookies", c.cookies_sent},
        {"retransmits", c.retransmits}, {"negotiations", c.negotiations},
        {"failures", c.failures},       {"sent", h->sent},
        {"keepalives", h->keepalives},  {"received", h->received},
        {"half-open", c.half_open},     {"ikes", c.ike_sas},
        {"children", c.child_sas},
    };
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (strcmp(known[i].name, name) == 0)
            return expect_number(s, name, known[i].value, wanted);
    return script_fail(s, "no counter %s", name);
}

static bool expect_traffic(struct script *s)
{
    uint64_t lost = 0, arrived = 0;
    for (size_t i = 0; i < s->sim.host_count; i++) {
        lost += s->sim.hosts[i].packets_lost + s->sim.hosts[i].packets_blocked;
        arrived += s->sim.hosts[i].packets_arrived;
    }
    bool wants_lost = strcmp(s->words[1], "lost") == 0;
    return expect_number(s, s->words[1], wants_lost ? lost : arrived, s->words[2]);
}

/* expect HOST child NAME KEY=…: of a child that is up, and of its outbound SA. */
static bool expect_child(struct script *s, struct sim_host *h)
{
    struct facts facts;
    struct arena a;
    struct ike_view view;
    uint64_t cursor = 0;
    bool is_there = false, all = true;
    if (!read_facts(s, 4, &facts) || !arena_init(&a))
        return false;
    while (engine_next_sa(h->engine, &cursor, h->sim->now, &a, &view)) {
        for (size_t i = 0; i < view.child_count; i++) {
            const struct child_view *c = &view.children[i];
            const struct sim_sa *sa = sim_outbound(h, c->name);
            if (strcmp(c->name, s->words[3]) != 0 || c->state != CHILD_INSTALLED || sa == NULL)
                continue;
            is_there = true;
            const char *local = policy_selectors_text(&c->local_ts, &a);
            const char *remote = policy_selectors_text(&c->remote_ts, &a);
            for (size_t k = 0; k < facts.count; k++) {
                const struct fact *f = &facts.at[k];
                int answers[] = {
                    holds_text(f, "mode", c->mode == MODE_TRANSPORT ? "transport" : "tunnel"),
                    holds_text(f, "local_ts", local),
                    holds_text(f, "remote_ts", remote),
                    holds_text(f, "fragments", sa->takes_fragments ? "yes" : "no"),
                    holds_text(f, "mends", sa->mends_checksums ? "yes" : "no"),
                    holds_text(f, "udp", sa->in_udp ? "yes" : "no"),
                    holds_number(f, "pad", sa->pad_to),
                };
                if (first_known(answers, sizeof answers / sizeof *answers) != 1)
                    all = script_fail(s, "%s: %s is not %s (%s === %s)", h->name, f->key, f->value,
                                      local, remote);
            }
        }
    }
    arena_clear(&a);
    return is_there ? all : script_fail(s, "%s has no such child", h->name);
}

bool script_expect(struct script *s)
{
    if (strcmp(s->words[1], "tables") == 0) {
        const char *wrong = sim_check_tables(&s->sim);
        return wrong == NULL || script_fail(s, "%s", wrong);
    }
    if (strcmp(s->words[1], "lost") == 0 || strcmp(s->words[1], "arrived") == 0)
        return expect_traffic(s);
    struct sim_host *h = script_host(s, s->words[1]);
    if (h == NULL)
        return false;
    const char *what = s->words[2];
    bool has_number = s->count == 4;
    if (has_number && strcmp(what, "ikes") == 0)
        return expect_number(s, what, count_views(h, false), s->words[3]);
    if (has_number && strcmp(what, "children") == 0)
        return expect_number(s, what, count_views(h, true), s->words[3]);
    if (has_number && strcmp(what, "sas") == 0)
        return expect_number(s, what, h->sa_count, s->words[3]);
    if (has_number && strcmp(what, "policies") == 0)
        return expect_number(s, what, sim_policy_count(h, NULL), s->words[3]);
    if (has_number && strcmp(what, "waiting") == 0)
        return expect_number(s, what, sim_held(h), s->words[3]);
    if (has_number && strcmp(what, "waited-in-vain") == 0)
        return expect_number(s, what, h->packets_held_lost, s->words[3]);
    if (s->count == 5 && strcmp(what, "counter") == 0)
        return expect_counter(s, h, s->words[3], s->words[4]);
    if (s->count >= 4 && strcmp(what, "child") == 0)
        return expect_child(s, h);
    if (strcmp(what, "no") == 0 && s->count >= 4)
        return expect_event(s, h, s->words[3], true, 4);
    return expect_event(s, h, what, false, 3);
}

bool script_check_end(struct script *s)
{
    bool ok = true;
    s->line = 0;
    if (s->sim.broken != 0)
        ok = script_fail(s, "an engine did what none may do: %s", s->sim.broken_text);
    for (size_t i = 0; i < s->sim.host_count && !s->leaves_failures; i++) {
        struct sim_host *h = &s->sim.hosts[i];
        for (size_t k = 0; k < h->event_count; k++) {
            const struct sim_event *e = &h->events[k];
            if (e->is_taken || e->record == NULL ||
                (e->record->result != RESULT_FAILED && e->record->result != RESULT_PARTIAL))
                continue;
            print_event(e);
            ok = script_fail(s, "%s has a failure that nothing expected", h->name);
        }
    }
    if (!s->leaves_tables) {
        sim_streams_stop(&s->sim);
        sim_settle(&s->sim);
        const char *wrong = sim_check_tables(&s->sim);
        if (wrong != NULL)
            ok = script_fail(s, "%s", wrong);
    }
    return ok;
}
