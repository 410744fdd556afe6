/* The JSON of a record as a text for people. It asks the JSON for what it knows and takes nothing
 * for granted: a key may be missing or of another type. Lines:
 *
 *   headline            what, who with, how it ended, where, after how long
 *   status … fix        the finding that decided it
 *   warning, notice     the other findings
 *   between … traffic   who, and what was agreed
 *   trail               the messages */
#include <inttypes.h>

#include "diagnose/page.h"
#include "diagnose/render.h"
#include "diagnose/words.h"

enum {
    TRAIL_SHOWN = 40,  /* entries; of a longer trail the middle is left out */
    MEANING_LAST = 62, /* a meaning that would begin behind this column gets a line of its own */
    CODE_LEN = 13,     /* "13800 0x35E8 " */
};

/* ---- asking ---- */

static const char *str(const json_t *o, const char *key)
{
    const char *s = json_string_value(json_object_get(o, key));
    return s == NULL ? "" : s;
}

static uint64_t num(const json_t *o, const char *key)
{
    json_int_t n = json_integer_value(json_object_get(o, key));
    return n < 0 ? 0 : (uint64_t)n;
}

static bool yes(const json_t *o, const char *key)
{
    return json_is_true(json_object_get(o, key));
}

static bool is(const json_t *o, const char *key, const char *value)
{
    return strcmp(str(o, key), value) == 0;
}

/* ["a", "b"] as "a, b". */
static const char *joined(const json_t *list, struct arena *a)
{
    const char *out = "";
    size_t i;
    const json_t *item;
    json_array_foreach(list, i, item)
    {
        const char *s = json_string_value(item);
        if (s != NULL)
            out = arena_text(a, "%s%s%s", out, *out == '\0' ? "" : ", ", s);
    }
    return out;
}

/* ---- headline ---- */

static const char *subject(const json_t *r, struct arena *a)
{
    const char *what = diagnose_kind_words(str(r, "kind"));
    uint64_t number = num(r, "number");
    return number == 0 ? what : arena_text(a, "%s %" PRIu64, what, number);
}

static const char *parties(const json_t *r, struct arena *a)
{
    const char *conn = str(r, "conn"), *child = str(r, "child_name");
    const char *local = str(json_object_get(r, "local"), "address");
    const char *remote = str(json_object_get(r, "remote"), "address");
    const char *arrow = is(r, "role", "responder") ? "←" : "→";
    const char *who = *conn == '\0' ? local : conn;
    if (*conn != '\0' && *child != '\0' && !is(r, "kind", "ike"))
        who = arena_text(a, "%s/%s", conn, child);
    if (*remote == '\0')
        return who;
    return *who == '\0' ? remote : arena_text(a, "%s %s %s", who, arrow, remote);
}

static enum style result_style(const json_t *r)
{
    if (is(r, "result", "failed"))
        return STYLE_RED;
    return is(r, "result", "up")       ? STYLE_GREEN
           : is(r, "result", "closed") ? STYLE_BOLD
                                       : STYLE_YELLOW;
}

static const char *outcome(const json_t *r, struct arena *a)
{
    const char *took = diagnose_duration(num(r, "took_ms"), a);
    const char *phase = str(r, "phase");
    if (is(r, "kind", "command") && is(r, "result", "failed"))
        return "refused";
    bool is_exchange = strncmp(phase, "IKE_", 4) == 0;
    bool is_rekey = is(r, "kind", "child-rekey") || is(r, "kind", "ike-rekey");
    if (is(r, "result", "up"))
        return arena_text(a, "%s after %s",
                          is_rekey                    ? "rekeyed"
                          : is(r, "kind", "liveness") ? "the peer answered"
                                                      : "up",
                          took);
    if (is(r, "result", "partial"))
        return arena_text(a, "IKE SA up, CHILD SA failed after %s", took);
    if (is(r, "result", "closed"))
        return arena_text(a, "closed after %s", took);
    if (is(r, "result", "pending"))
        return is_exchange ? arena_text(a, "still in %s after %s", phase, took)
                           : arena_text(a, "still going on after %s", took);
    if (!is(r, "result", "failed"))
        return "";
    return is_exchange ? arena_text(a, "failed in %s after %s", phase, took)
                       : arena_text(a, "failed after %s", took);
}

static void headline(struct page *p, const json_t *r)
{
    struct arena *a = p->arena;
    uint64_t version = num(r, "version");
    const char *who = parties(r, a), *how = outcome(r, a);
    page_put(p, STYLE_BOLD, subject(r, a));
    if (*who != '\0') {
        page_fill(p, 0, 2);
        page_wrap(p, STYLE_BOLD, 4, who);
    }
    if (!is(r, "kind", "command")) {
        const char *role = str(r, "role");
        const char *text = version == 0 ? role : arena_text(a, "IKEv%" PRIu64 " %s", version, role);
        if (p->column + 2 + page_columns(text) > PAGE_WIDTH) {
            page_end_line(p);
            page_fill(p, 4, 0);
        } else {
            page_fill(p, 0, 2);
        }
        page_put(p, STYLE_PLAIN, text);
    }
    size_t width = page_columns(how);
    if (p->column + 2 + width > PAGE_WIDTH)
        page_end_line(p);
    page_fill(p, width + 2 < PAGE_WIDTH ? PAGE_WIDTH - width : 0, p->column == 0 ? 0 : 2);
    page_put(p, result_style(r), how);
    page_end_line(p);
}

/* ---- findings ---- */

static const char *status_code(const json_t *status, struct arena *a)
{
    return arena_text(a, "%" PRIu64 " %s %s", num(status, "code"), str(status, "hex"),
                      str(status, "symbol"));
}

/* Two lines whose meanings stand below each other. */
static void status_lines(struct page *p, const json_t *r)
{
    static const char *const keys[] = {"status", "reason"};
    size_t wide = 0;
    for (size_t i = 0; i < 2; i++) {
        size_t len = page_columns(str(json_object_get(r, keys[i]), "symbol"));
        wide = len > wide ? len : wide;
    }
    size_t column = PAGE_LABEL + CODE_LEN + wide + 2;
    for (size_t i = 0; i < 2; i++) {
        const json_t *status = json_object_get(r, keys[i]);
        const char *meaning = str(status, "meaning");
        if (!json_is_object(status))
            continue;
        page_fill(p, 2, 0);
        page_put(p, STYLE_PLAIN, keys[i]);
        page_fill(p, PAGE_LABEL, 1);
        page_wrap(p, i == 1 ? STYLE_BOLD : STYLE_PLAIN, PAGE_LABEL, status_code(status, p->arena));
        if (*meaning != '\0' &&
            (column > MEANING_LAST || p->column + 2 > column ||
             (column + page_columns(meaning) > PAGE_WIDTH && column > PAGE_WIDTH / 2))) {
            page_end_line(p);
            page_fill(p, PAGE_LABEL + CODE_LEN, 0);
            page_wrap(p, i == 1 ? STYLE_BOLD : STYLE_PLAIN, PAGE_LABEL + CODE_LEN, meaning);
        } else if (*meaning != '\0') {
            page_fill(p, column, 2);
            page_wrap(p, i == 1 ? STYLE_BOLD : STYLE_PLAIN, column, meaning);
        }
        page_end_line(p);
    }
}

static const char *fault(const json_t *r, const json_t *f, struct arena *a)
{
    const char *param = str(f, "param");
    bool has_param = *param != '\0';
    if (is(f, "at_fault", "ours"))
        return has_param ? param : "this side";
    if (is(f, "at_fault", "both"))
        return has_param ? arena_text(a, "%s, against what the peer has", param)
                         : "the two sides do not agree";
    if (is(f, "at_fault", "peer"))
        return has_param ? arena_text(a, "the peer (here: %s)", param) : "the peer";
    if (is(f, "at_fault", "path")) {
        const char *local = str(json_object_get(r, "local"), "address");
        const char *remote = str(json_object_get(r, "remote"), "address");
        const char *path =
            *local == '\0' || *remote == '\0'
                ? "the network between, or the peer"
                : arena_text(a, "the network between %s and %s, or the peer", local, remote);
        return has_param ? arena_text(a, "%s (here: %s)", path, param) : path;
    }
    return has_param ? param : "";
}

static const char *evidence_text(const json_t *e, struct arena *a)
{
    const char *exchange = str(e, "exchange"), *payload = str(e, "payload"), *out = "";
    if (*exchange != '\0')
        out = arena_text(a, "%s message %" PRIu64 " that was %s", exchange, num(e, "message_id"),
                         yes(e, "received") ? "received" : "sent");
    if (*payload != '\0')
        out = arena_text(a, "%s, payload %s", out, payload);
    if (num(e, "offset") > 0)
        out = arena_text(a, "%s at octet %" PRIu64, out, num(e, "offset"));
    if (*str(e, "note") != '\0')
        out = arena_text(a, "%s%s%s", out, *out == '\0' ? "" : "; ", str(e, "note"));
    return out;
}

static void likely_lines(struct page *p, const json_t *list)
{
    size_t i, count = json_array_size(list);
    const json_t *item;
    json_array_foreach(list, i, item)
    {
        const char *text = json_string_value(item);
        if (text == NULL)
            continue;
        page_fill(p, 2, 0);
        page_put(p, STYLE_PLAIN, i == 0 ? "likely" : "");
        page_fill(p, PAGE_LABEL, 1);
        if (count > 1)
            page_put(p, STYLE_PLAIN, arena_text(p->arena, "%zu. ", i + 1));
        page_wrap(p, STYLE_PLAIN, PAGE_LABEL + (count > 1 ? 3 : 0), text);
        page_end_line(p);
    }
}

static void main_finding(struct page *p, const json_t *r, const json_t *f)
{
    struct arena *a = p->arena;
    uint64_t confidence = num(f, "confidence");
    page_line(p, STYLE_BOLD, "at fault", fault(r, f, a));
    page_line(p, STYLE_PLAIN, "expected", str(f, "expected"));
    page_line(p, STYLE_PLAIN, "seen", str(f, "seen"));
    page_line(p, STYLE_PLAIN, "nearest", str(f, "nearest"));
    page_line(p, STYLE_PLAIN, "differs", str(f, "difference"));
    likely_lines(p, json_object_get(f, "likely"));
    if (confidence > 0 && confidence < 100)
        page_line(p, STYLE_PLAIN, "certainty",
                  arena_text(a, "%" PRIu64 " %%: this is concluded, the peer did not say it",
                             confidence));
    page_line(p, STYLE_GREEN, "fix", str(f, "fix"));
    page_line(p, STYLE_DIM, "evidence", evidence_text(json_object_get(f, "evidence"), a));
    page_line(p, STYLE_DIM, "more", arena_text(a, "ikebana explain %s", str(f, "cause")));
}

static void other_finding(struct page *p, const json_t *f)
{
    struct arena *a = p->arena;
    enum style style = is(f, "severity", "failure")   ? STYLE_RED
                       : is(f, "severity", "warning") ? STYLE_YELLOW
                                                      : STYLE_PLAIN;
    static const char *const parts[][2] = {
        {"expected", "expected "}, {"seen", "seen "}, {"difference", ""}, {"nearest", "nearest "}};
    const char *detail = "";
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        const char *value = str(f, parts[i][0]);
        if (*value != '\0')
            detail =
                arena_text(a, "%s%s%s%s", detail, *detail == '\0' ? "" : "; ", parts[i][1], value);
    }
    const char *param = str(f, "param"), *fix = str(f, "fix");
    if (*param != '\0')
        detail = *detail == '\0' ? param : arena_text(a, "%s: %s", param, detail);
    page_line(p, style, *str(f, "severity") == '\0' ? "finding" : str(f, "severity"),
              arena_text(a, "%s [%s]", str(f, "sentence"), str(f, "cause")));
    page_line(p, STYLE_PLAIN, "", detail);
    if (*fix != '\0' && strncmp(fix, "nothing", 7) != 0)
        page_line(p, STYLE_PLAIN, "", arena_text(a, "fix: %s", fix));
}

static void findings(struct page *p, const json_t *r)
{
    static const char *const severities[] = {"failure", "warning", "notice"};
    const json_t *list = json_object_get(r, "findings"), *f, *main = NULL;
    size_t i;
    json_array_foreach(list, i, f)
    {
        if (main == NULL && json_is_object(json_object_get(r, "reason")) &&
            is(f, "cause", str(r, "cause")))
            main = f;
    }
    status_lines(p, r);
    if (main != NULL)
        main_finding(p, r, main);
    else if (is(r, "result", "failed") || is(r, "result", "partial"))
        page_line(p, STYLE_PLAIN, "reason", "none was recorded");
    for (size_t s = 0; s < sizeof severities / sizeof severities[0]; s++)
        json_array_foreach(list, i, f)
        {
            if (f != main && is(f, "severity", severities[s]))
                other_finding(p, f);
        }
}

/* ---- what was agreed ---- */

static const char *end_text(const json_t *e, struct arena *a)
{
    const char *address = str(e, "address"), *id = str(e, "id"), *auth = str(e, "auth");
    const char *out = *address == '\0' ? "somebody" : address;
    if (num(e, "port") > 0)
        out = arena_text(a, "%s[%" PRIu64 "]", out, num(e, "port"));
    if (*id != '\0')
        out = arena_text(a, "%s %s", out, id);
    return *auth == '\0' ? out : arena_text(a, "%s (%s)", out, auth);
}

static const char *sa_text(const json_t *sa, const char *name, const char *const spis[2],
                           struct arena *a)
{
    const char *out = num(sa, "id") == 0 ? "" : arena_text(a, "%" PRIu64, num(sa, "id"));
    const char *more[] = {name, str(sa, "suite")};
    for (size_t i = 0; i < 2; i++)
        if (*more[i] != '\0')
            out = arena_text(a, "%s%s%s", out, *out == '\0' ? "" : " ", more[i]);
    if (*str(sa, spis[0]) == '\0' && *str(sa, spis[1]) == '\0')
        return out;
    bool is_ike = strcmp(spis[0], "spi_i") == 0;
    const char *first = *str(sa, spis[0]) == '\0' ? "-" : str(sa, spis[0]);
    const char *second = *str(sa, spis[1]) == '\0' ? "-" : str(sa, spis[1]);
    return arena_text(a, is_ike ? "%s SPI %s_i %s_r" : "%s SPI %s in %s out", out, first, second);
}

static void agreed(struct page *p, const json_t *r)
{
    static const char *const ike_spis[] = {"spi_i", "spi_r"}, *const child_spis[] = {"spi_in",
                                                                                     "spi_out"};
    struct arena *a = p->arena;
    const json_t *local = json_object_get(r, "local"), *remote = json_object_get(r, "remote");
    const json_t *child = json_object_get(r, "child"), *nat = json_object_get(r, "nat");
    bool is_up = is(r, "result", "up") || is(r, "result", "partial");

    if (*str(local, "address") != '\0' || *str(remote, "address") != '\0')
        page_line(p, STYLE_PLAIN, "between",
                  arena_text(a, "%s and %s", end_text(local, a), end_text(remote, a)));
    if (yes(nat, "here") || yes(nat, "there"))
        page_line(p, STYLE_PLAIN, "NAT",
                  yes(nat, "here") && yes(nat, "there") ? "both sides are behind a NAT"
                  : yes(nat, "here")                    ? "this side is behind a NAT"
                                                        : "the peer is behind a NAT");
    const json_t *ike = json_object_get(r, "ike");
    if (is_up || *str(ike, "suite") != '\0')
        page_line(p, STYLE_PLAIN, "IKE SA", sa_text(ike, "", ike_spis, a));
    if (num(child, "id") > 0 || *str(child, "suite") != '\0')
        page_line(p, STYLE_PLAIN, "CHILD SA", sa_text(child, str(r, "child_name"), child_spis, a));
    const char *local_ts = joined(json_object_get(child, "local_ts"), a);
    const char *remote_ts = joined(json_object_get(child, "remote_ts"), a);
    if (*local_ts != '\0' || *remote_ts != '\0')
        page_line(p, STYLE_PLAIN, "traffic",
                  arena_text(a, "%s here, %s there", local_ts, remote_ts));
}

/* ---- trail ---- */

/* The two NAT detections always come together (RFC 7296 2.23): one of them is enough to be read. */
static const char *notifies_text(const json_t *list, struct arena *a)
{
    const char *out = "";
    size_t i;
    const json_t *item;
    json_array_foreach(list, i, item)
    {
        const char *name = json_string_value(item);
        if (name == NULL || (strcmp(name, "NAT_DETECTION_DESTINATION_IP") == 0 &&
                             strstr(out, "NAT_DETECTION_SOURCE_IP") != NULL))
            continue;
        out = arena_text(a, "%s%s%s", out, *out == '\0' ? "" : " ", name);
    }
    return out;
}

static const char *payloads_text(const json_t *t, struct arena *a)
{
    const char *notifies = notifies_text(json_object_get(t, "notifies"), a), *out = "";
    const json_t *list = json_object_get(t, "payloads"), *item;
    size_t i;
    json_array_foreach(list, i, item)
    {
        const char *name = json_string_value(item);
        if (name == NULL)
            continue;
        if (strcmp(name, "N") == 0 && *notifies != '\0')
            name = arena_text(a, "N(%s)", notifies);
        out = arena_text(a, "%s%s%s", out, *out == '\0' ? "" : " ", name);
    }
    return yes(t, "protected") ? arena_text(a, "SK{%s}", out) : out;
}

static const char *entry_text(const json_t *t, struct arena *a)
{
    uint64_t at = num(t, "at_ms"), repeats = num(t, "repeats");
    const char *payloads = payloads_text(t, a);
    const char *out = arena_text(
        a, "%s %s %" PRIu64 " %s %" PRIu64 " B%s%s %02" PRIu64 ":%02" PRIu64 ".%03" PRIu64,
        is(t, "dir", "out") ? "→" : "←", str(t, "exchange"), num(t, "message_id"),
        yes(t, "response") ? "response" : "request", num(t, "size"), *payloads == '\0' ? "" : " ",
        payloads, at / 60000, at / 1000 % 60, at % 1000);
    if (repeats > 0)
        out =
            arena_text(a, "%s, repeated %" PRIu64 " time%s", out, repeats, repeats == 1 ? "" : "s");
    if (num(t, "fragments") > 0)
        out = arena_text(a, "%s, in %" PRIu64 " fragments", out, num(t, "fragments"));
    return yes(t, "dropped") ? arena_text(a, "%s, not accepted", out) : out;
}

static void trail(struct page *p, const json_t *r)
{
    const json_t *list = json_object_get(r, "trail"), *t;
    size_t i, count = json_array_size(list);
    uint64_t lost = num(r, "trail_lost");
    size_t skip_from = count > TRAIL_SHOWN ? TRAIL_SHOWN / 2 : count;
    size_t skip_to = count > TRAIL_SHOWN ? count - TRAIL_SHOWN / 2 : count;
    json_array_foreach(list, i, t)
    {
        const char *text = entry_text(t, p->arena);
        if (i == skip_from)
            text = arena_text(p->arena, "… %zu messages are left out here, see --json",
                              skip_to - skip_from);
        else if (i > skip_from && i < skip_to)
            continue;
        page_fill(p, 2, 0);
        page_put(p, STYLE_PLAIN, i == 0 ? "trail" : "");
        page_fill(p, PAGE_LABEL, 1);
        page_wrap(p, STYLE_DIM, PAGE_LABEL + 2, text);
        page_end_line(p);
    }
    if (lost > 0)
        page_line(p, STYLE_DIM, count == 0 ? "trail" : "",
                  arena_text(p->arena, "… and %" PRIu64 " more that were not kept", lost));
}

/* "2026-11-23T23:15:37Z" */
static const char *when(const json_t *r, struct arena *a)
{
    const char *began = str(r, "began");
    size_t len = strlen(began);
    if (len != 20 || began[10] != 'T' || began[19] != 'Z')
        return began;
    return arena_text(a, "%.10s %.8s UTC", began, began + 11);
}

const char *diagnose_json_to_text(const json_t *record, struct arena *a, bool colour)
{
    struct page p = {.arena = a, .has_colour = colour};
    if (!json_is_object(record))
        return "";
    headline(&p, record);
    findings(&p, record);
    agreed(&p, record);
    page_line(&p, STYLE_PLAIN, "when", when(record, a));
    trail(&p, record);
    return page_text(&p);
}
