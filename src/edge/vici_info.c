/* About the daemon itself: version, stats, counters, the history; and the commands of charon that
 * have nothing to tell here yet. */
#include <inttypes.h>
#include <stdlib.h>
#include <sys/utsname.h>
#include <time.h>

#include "edge/vici_request.h"
#include "finding/finding.h"

void command_success(struct vici_request *r)
{
    request_success(r);
}

void command_list_nothing(struct vici_request *r)
{
    struct vici_out o;
    request_begin(r, &o);
    request_answer(r, &o);
}

static void empty_list(struct vici_request *r, const char *name)
{
    struct vici_out o;
    request_begin(r, &o);
    vici_list(&o, name);
    vici_list_end(&o);
    request_answer(r, &o);
}

void command_get_keys(struct vici_request *r)
{
    empty_list(r, "keys");
}

void command_get_authorities(struct vici_request *r)
{
    empty_list(r, "authorities");
}

void command_get_pools(struct vici_request *r)
{
    command_list_nothing(r);
}

void command_version(struct vici_request *r)
{
    struct vici_out o;
    struct utsname u;
    request_begin(r, &o);
    vici_text(&o, "daemon", "ikebanad");
    vici_text(&o, "version", ikebana_version());
    if (uname(&u) == 0) {
        vici_text(&o, "sysname", u.sysname);
        vici_text(&o, "release", u.release);
        vici_text(&o, "machine", u.machine);
    }
    request_answer(r, &o);
}

/* ---- counts over all workers ---- */

struct tally {
    struct engine_counters *engines; /* one for each worker */
    uint64_t dropped[ESP_DROP_COUNT];
    bool wants_all;
};

static void tally_visit(void *context, unsigned worker, const struct engine *e, struct esp_db *db,
                        struct instant now)
{
    struct vici_request *r = context;
    struct tally *t = r->state;
    (void)now;
    engine_counters(e, &t->engines[worker]);
    if (worker == 0 && db != NULL)
        esp_db_stats(db, t->dropped);
}

static struct engine_counters tally_sum(struct vici_request *r)
{
    const struct tally *t = r->state;
    struct engine_counters sum = {0};
    for (unsigned i = 0; i < daemon_workers(r->server->daemon); i++) {
        const struct engine_counters *e = &t->engines[i];
        sum.datagrams_in += e->datagrams_in;
        sum.datagrams_out += e->datagrams_out;
        sum.dropped += e->dropped;
        sum.cookies_sent += e->cookies_sent;
        sum.retransmits += e->retransmits;
        sum.negotiations += e->negotiations;
        sum.failures += e->failures;
        sum.half_open += e->half_open;
        sum.ike_sas += e->ike_sas;
        sum.child_sas += e->child_sas;
    }
    return sum;
}

static const char *duration_text(int64_t s, struct arena *a)
{
    static const struct {
        int64_t s;
        const char *name;
    } units[] = {{86400, "day"}, {3600, "hour"}, {60, "minute"}, {1, "second"}};
    for (size_t i = 0; i < 3; i++)
        if (s >= 2 * units[i].s)
            return arena_text(a, "%" PRId64 " %ss", s / units[i].s, units[i].name);
    return arena_text(a, "%" PRId64 " seconds", s);
}

static void write_stats(struct vici_request *r, struct vici_out *o)
{
    struct engine_counters sum = tally_sum(r);
    struct daemon *d = r->server->daemon;
    unsigned workers = daemon_workers(d);
    time_t since = (time_t)daemon_started_wall_s(d);
    struct timespec now;
    struct tm tm;
    char when[48] = "";
    clock_gettime(CLOCK_MONOTONIC, &now);
    if (localtime_r(&since, &tm) != NULL)
        strftime(when, sizeof when, "%b %d %H:%M:%S %Y", &tm);
    static const char *const ranks[] = {"critical", "high", "medium", "low"};
    vici_section(o, "uptime");
    vici_text(o, "running",
              duration_text(now.tv_sec - daemon_started(d).ns / 1000000000, &r->arena));
    vici_text(o, "since", when);
    vici_section_end(o);
    vici_section(o, "workers");
    vici_format(o, "total", "%u", workers);
    vici_format(o, "idle", "%u", workers);
    vici_section(o, "active");
    for (size_t i = 0; i < 4; i++)
        vici_text(o, ranks[i], "0");
    vici_section_end(o);
    vici_section_end(o);
    vici_section(o, "queues");
    for (size_t i = 0; i < 4; i++)
        vici_text(o, ranks[i], "0");
    vici_section_end(o);
    vici_text(o, "scheduled", "0");
    vici_section(o, "ikesas");
    vici_format(o, "total", "%u", sum.ike_sas);
    vici_format(o, "half-open", "%u", sum.half_open);
    vici_section_end(o);
    vici_list(o, "plugins");
    vici_list_end(o);
}

static void write_counters(struct vici_request *r, struct vici_out *o)
{
    const struct tally *t = r->state;
    struct engine_counters sum = tally_sum(r);
    vici_section(o, "counters");
    vici_format(o, "datagrams-in", "%" PRIu64, sum.datagrams_in);
    vici_format(o, "datagrams-out", "%" PRIu64, sum.datagrams_out);
    vici_format(o, "datagrams-dropped", "%" PRIu64, sum.dropped);
    vici_format(o, "cookies-sent", "%" PRIu64, sum.cookies_sent);
    vici_format(o, "retransmits", "%" PRIu64, sum.retransmits);
    vici_format(o, "negotiations", "%" PRIu64, sum.negotiations);
    vici_format(o, "failures", "%" PRIu64, sum.failures);
    vici_format(o, "half-open", "%u", sum.half_open);
    vici_format(o, "ike-sas", "%u", sum.ike_sas);
    vici_format(o, "child-sas", "%u", sum.child_sas);
    vici_format(o, "events-lost", "%" PRIu64, r->server->events_lost);
    vici_section_end(o);
    vici_section(o, "esp-dropped");
    for (int i = 1; i < ESP_DROP_COUNT; i++)
        vici_format(o, esp_drop_name((enum esp_drop)i), "%" PRIu64, t->dropped[i]);
    vici_section_end(o);
    vici_text(o, "history",
              r->server->history == NULL ? "none" : history_place(r->server->history));
    vici_text(o, "success", "yes");
}

static void tally_finish(void *context)
{
    struct vici_request *r = context;
    const struct tally *t = r->state;
    struct vici_out o;
    if (r->client != NULL) {
        request_begin(r, &o);
        if (t->wants_all)
            write_counters(r, &o);
        else
            write_stats(r, &o);
        request_answer(r, &o);
    }
    request_release(r);
}

static void tally(struct vici_request *r, bool wants_all)
{
    struct tally *t = arena_alloc(&r->arena, sizeof *t);
    struct daemon *d = r->server->daemon;
    if (t != NULL) {
        t->wants_all = wants_all;
        t->engines = arena_array(&r->arena, daemon_workers(d), sizeof *t->engines);
    }
    if (t == NULL || t->engines == NULL) {
        request_bad(r, "stats", "memory", "none");
        return;
    }
    r->state = t;
    request_hold(r);
    daemon_visit_workers(d, tally_visit, tally_finish, r);
}

void command_stats(struct vici_request *r)
{
    tally(r, false);
}

void command_counters(struct vici_request *r)
{
    tally(r, true);
}

/* ---- ikebana-why: records out of the history, newest first ---- */

struct why {
    struct history_query query;
    uint64_t left; /* records that may still be sent */
    uint64_t sent;
    uint64_t ticket; /* of the question that is out; 0 = none */
    bool is_done;
};

static void why_pump(struct vici_request *r);

static void why_end(struct vici_request *r)
{
    const struct why *w = r->state;
    struct vici_out o;
    request_begin(r, &o);
    vici_text(&o, "success", "yes");
    vici_format(&o, "records", "%" PRIu64, w->sent);
    request_answer(r, &o);
}

static void why_found(void *context, const struct history_row *rows, size_t count)
{
    struct vici_request *r = context;
    struct why *w = r->state;
    struct vici_out o;
    w->ticket = 0;
    for (size_t i = 0; i < count; i++) {
        vici_begin_packet(&o, VICI_EVENT, vici_event_names[VICI_EVENT_RECORD]);
        vici_format(&o, "number", "%" PRIu64, rows[i].number);
        vici_long(&o, "json", span_of(rows[i].json, rows[i].json_len));
        request_event(r, VICI_EVENT_RECORD, &o);
        w->query.before = rows[i].number;
        w->sent++;
        w->left--;
    }
    w->is_done = count < w->query.limit || w->left == 0 || w->query.number != 0;
    why_pump(r);
}

static void why_pump(struct vici_request *r)
{
    struct why *w = r->state;
    if (w->ticket != 0 || (!w->is_done && !request_has_room(r)))
        return;
    if (!w->is_done) {
        w->query.limit = w->left > HISTORY_PAGE_MAX ? HISTORY_PAGE_MAX : (uint32_t)w->left;
        w->ticket = history_ask(r->server->history, &w->query, why_found, r);
        if (w->ticket != 0)
            return;
    }
    why_end(r);
}

static void why_gone(struct vici_request *r)
{
    struct why *w = r->state;
    if (w->ticket != 0)
        history_forget(r->server->history, w->ticket);
    w->ticket = 0;
}

void command_why(struct vici_request *r)
{
    struct why *w = arena_alloc(&r->arena, sizeof *w);
    struct finding none;
    if (w == NULL || r->server->history == NULL) {
        finding_set(&none, CAUSE_CMD_NOT_SERVED);
        none.param = "ikebana-why";
        none.seen = "a daemon without a history";
        request_refuse(r, &none);
        return;
    }
    const char *name = vici_get_text(r->message, "name", &r->arena, NULL);
    int64_t number = vici_get_number(r->message, "number", 0);
    int64_t limit = vici_get_number(r->message, "limit", 0);
    bool wants_all = vici_get_bool(r->message, "all", false);
    if (number < 0 || limit < 0) {
        request_bad(r, number < 0 ? "number" : "limit", "a positive number", "a negative one");
        return;
    }
    const char *slash = name == NULL ? NULL : strchr(name, '/');
    w->query.number = (uint64_t)number;
    w->query.is_failure = vici_get_bool(r->message, "failed", false);
    w->query.name = slash == NULL ? name : NULL;
    if (slash != NULL) {
        w->query.conn = arena_text(&r->arena, "%.*s", (int)(slash - name), name);
        w->query.child = slash + 1;
    }
    w->left = limit > 0 ? (uint64_t)limit : wants_all ? UINT64_MAX : 1;
    r->state = w;
    r->pump = why_pump;
    r->client_gone = why_gone;
    why_pump(r);
}
