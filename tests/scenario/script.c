/* Runs one scenario: a text of hosts, wishes, losses and expectations. Usage: scenario [-v] FILE
 *
 * One command a line; words are separated by blanks, quotes keep blanks, \n in quotes is a line
 * end, # begins a comment. README.md has the list. A failed expectation prints what there was
 * instead; -v prints every datagram, event and record on the way.
 *
 * At the end of each scenario, without being asked: no engine did what none may do (sim.h), no
 * failure is left that no expectation has named, and the tables of all hosts agree. */
#include <stdarg.h>
#include <stdlib.h>

#include "script.h"

struct command_row {
    const char *name;
    size_t words_min; /* with the name */
    bool (*run)(struct script *s);
};

bool script_fail(const struct script *s, const char *format, ...)
{
    va_list args;
    fprintf(stderr, "%s:%u: ", s->file, s->line);
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fputc('\n', stderr);
    return false;
}

struct sim_host *script_host(struct script *s, const char *name)
{
    struct sim_host *h = sim_host(&s->sim, name);
    if (h == NULL)
        script_fail(s, "no host %s", name);
    return h;
}

static struct host_text *text_of(struct script *s, const char *name)
{
    for (size_t i = 0; i < s->sim.host_count; i++)
        if (strcmp(s->sim.hosts[i].name, name) == 0)
            return &s->texts[i];
    return NULL;
}

static bool parse_ms(const char *word, int64_t *ms)
{
    char *end;
    long long n = strtoll(word, &end, 10);
    int64_t unit = strcmp(end, "ms") == 0  ? 1
                   : strcmp(end, "s") == 0 ? 1000
                   : strcmp(end, "m") == 0 ? 60000
                   : strcmp(end, "h") == 0 ? 3600000
                                           : 0;
    *ms = n * unit;
    return unit != 0 && end != word;
}

static bool parse_option(struct engine_options *o, const char *word)
{
    static const struct {
        const char *name;
        size_t at;
    } known[] = {
        {"retransmit_timeout_ms", offsetof(struct engine_options, retransmit_timeout_ms)},
        {"retransmit_tries", offsetof(struct engine_options, retransmit_tries)},
        {"retransmit_jitter", offsetof(struct engine_options, retransmit_jitter)},
        {"retransmit_limit_s", offsetof(struct engine_options, retransmit_limit_s)},
        {"retransmit_early_ms", offsetof(struct engine_options, retransmit_early_ms)},
        {"window_size", offsetof(struct engine_options, window_size)},
        {"keep_alive_s", offsetof(struct engine_options, keep_alive_s)},
        {"keep_alive_dpd_margin_s", offsetof(struct engine_options, keep_alive_dpd_margin_s)},
        {"half_open_timeout_s", offsetof(struct engine_options, half_open_timeout_s)},
        {"cookie_threshold", offsetof(struct engine_options, cookie_threshold)},
        {"block_threshold", offsetof(struct engine_options, block_threshold)},
        {"init_limit_half_open", offsetof(struct engine_options, init_limit_half_open)},
        {"records_per_s", offsetof(struct engine_options, records_per_s)},
        {"init_error_wait_ms", offsetof(struct engine_options, init_error_wait_ms)},
        {"fragment_size", offsetof(struct engine_options, fragment_size)},
        {"max_packet", offsetof(struct engine_options, max_packet)},
        {"delete_rekeyed_delay_s", offsetof(struct engine_options, delete_rekeyed_delay_s)},
    };
    if (strcmp(word, "inactivity_close_ike") == 0)
        return o->inactivity_close_ike = true;
    if (strcmp(word, "close_ike_on_child_failure") == 0)
        return o->close_ike_on_child_failure = true;
    if (strcmp(word, "make_before_break") == 0) {
        o->make_before_break = true;
        return true;
    }
    const char *equal = strchr(word, '=');
    for (size_t i = 0; equal != NULL && i < sizeof known / sizeof *known; i++)
        if (strlen(known[i].name) == (size_t)(equal - word) &&
            strncmp(known[i].name, word, (size_t)(equal - word)) == 0) {
            uint32_t value = (uint32_t)strtoul(equal + 1, NULL, 10);
            memcpy((char *)o + known[i].at, &value, sizeof value);
            return true;
        }
    return false;
}

/* ---- hosts and configuration ---- */

/* host NAME ADDRESS */
static bool run_host(struct script *s)
{
    return sim_add_host(&s->sim, s->words[1], s->words[2], NULL) != NULL ||
           script_fail(s, "cannot add this host");
}

/* options HOST NAME=NUMBER… : before anything is loaded */
static bool run_options(struct script *s)
{
    struct sim_host *h = script_host(s, s->words[1]);
    for (size_t i = 2; h != NULL && i < s->count; i++)
        if (!parse_option(&h->options, s->words[i]))
            return script_fail(s, "no option %s", s->words[i]);
    if (h == NULL)
        return false;
    sim_kill(h);
    sim_start(h);
    return true;
}

/* set HOST KEY VALUE : ${KEY} in the host's configuration */
static bool run_set(struct script *s)
{
    struct host_text *t = text_of(s, s->words[1]);
    if (t == NULL)
        return script_fail(s, "no host %s", s->words[1]);
    size_t i = 0;
    while (i < t->count && strcmp(t->keys[i], s->words[2]) != 0)
        i++;
    if (i == VARIABLES_MAX)
        return script_fail(s, "too many variables");
    if (i == t->count) {
        t->keys[i] = strdup(s->words[2]);
        t->values[i] = NULL;
        t->count++;
    }
    free(t->values[i]);
    t->values[i] = strdup(s->words[3]);
    return true;
}

static void put_expanded(struct script *s, const struct host_text *t, const char *text, FILE *out)
{
    while (*text != '\0') {
        const char *end;
        if (strncmp(text, "${", 2) != 0 || (end = strchr(text, '}')) == NULL) {
            fputc(*text++, out);
            continue;
        }
        size_t len = (size_t)(end - text) - 2;
        for (size_t i = 0; i < t->count; i++)
            if (strlen(t->keys[i]) == len && strncmp(t->keys[i], text + 2, len) == 0)
                put_expanded(s, t, t->values[i], out);
        text = end + 1;
    }
}

static bool load(struct script *s, struct sim_host *h)
{
    struct host_text *t = &s->texts[h - s->sim.hosts];
    char *text = NULL;
    size_t size = 0;
    if (t->config == NULL)
        return script_fail(s, "%s has no configuration", h->name);
    FILE *out = open_memstream(&text, &size);
    put_expanded(s, t, t->config, out);
    fclose(out);
    bool ok = sim_load(h, text);
    free(text);
    return ok || script_fail(s, "the configuration of %s is refused", h->name);
}

/* load HOST : the configuration with its variables as they are now */
static bool run_load(struct script *s)
{
    struct sim_host *h = script_host(s, s->words[1]);
    return h != NULL && load(s, h);
}

/* start : load all hosts */
static bool run_start(struct script *s)
{
    for (size_t i = 0; i < s->sim.host_count; i++)
        if (!load(s, &s->sim.hosts[i]))
            return false;
    return true;
}

static bool run_unload(struct script *s)
{
    struct sim_host *h = script_host(s, s->words[1]);
    bool is_psk = strcmp(s->words[2], "psk") == 0;
    if (h == NULL)
        return false;
    h->sim->next_ticket++;
    sim_step(h, &(struct input){.kind = IN_COMMAND,
                                .command = {.kind = is_psk ? CMD_UNLOAD_PSK : CMD_UNLOAD_CONN,
                                            .conn_name = s->words[3]}});
    return true;
}

/* ---- wishes ---- */

/* Words 2…: conn=NAME child=NAME ike=NTH forced. A bare word is a connection's or child's name. */
static bool command(struct script *s, enum command_kind kind)
{
    struct sim_host *h = script_host(s, s->words[1]);
    const char *conn = NULL, *child = NULL;
    uint32_t ike_id = 0, child_id = 0;
    bool is_forced = false;
    for (size_t i = 2; h != NULL && i < s->count; i++) {
        char *w = s->words[i];
        if (strncmp(w, "conn=", 5) == 0)
            conn = w + 5;
        else if (strncmp(w, "child=", 6) == 0)
            child = w + 6;
        else if (strncmp(w, "ike=", 4) == 0)
            ike_id = (uint32_t)strtoul(w + 4, NULL, 10);
        else if (strncmp(w, "child_id=", 9) == 0)
            child_id = (uint32_t)strtoul(w + 9, NULL, 10);
        else if (strcmp(w, "forced") == 0)
            is_forced = true;
        else
            conn = w;
    }
    if (h == NULL)
        return false;
    s->texts[h - s->sim.hosts].ticket =
        sim_command(h, kind, conn, child, ike_id, child_id, is_forced);
    return true;
}

static bool run_up(struct script *s)
{
    return command(s, CMD_INITIATE);
}

static bool run_down(struct script *s)
{
    return command(s, CMD_TERMINATE);
}

static bool run_rekey(struct script *s)
{
    struct sim_host *h = script_host(s, s->words[1]);
    if (s->count != 4 || strcmp(s->words[3], "reauth") != 0)
        return command(s, CMD_REKEY);
    if (h != NULL)
        s->texts[h - s->sim.hosts].ticket = s->sim.next_ticket;
    if (h != NULL)
        sim_step(h, &(struct input){.kind = IN_COMMAND,
                                    .command = {.kind = CMD_REKEY,
                                                .ticket = s->sim.next_ticket++,
                                                .conn_name = s->words[2],
                                                .is_reauth = true}});
    return h != NULL;
}

static bool run_install(struct script *s)
{
    return command(s, CMD_INSTALL);
}

static bool run_uninstall(struct script *s)
{
    return command(s, CMD_UNINSTALL);
}

static bool run_shutdown(struct script *s)
{
    return command(s, CMD_SHUTDOWN);
}

/* ---- the network ---- */

/* drop|dup|delay HOST COUNT|all [exchange=N] [request|response] [MS] */
static bool filter(struct script *s, enum filter_kind kind)
{
    struct sim_host *h = script_host(s, s->words[1]);
    unsigned count =
        strcmp(s->words[2], "all") == 0 ? UINT32_MAX : (unsigned)strtoul(s->words[2], NULL, 10);
    uint8_t exchange = 0;
    int response = -1;
    int64_t ms = 0;
    if (h == NULL)
        return false;
    uint16_t fragment = 0;
    size_t larger = 0;
    for (size_t i = 3; i < s->count; i++) {
        if (strncmp(s->words[i], "exchange=", 9) == 0)
            exchange = (uint8_t)strtoul(s->words[i] + 9, NULL, 10);
        else if (strcmp(s->words[i], "request") == 0)
            response = 0;
        else if (strcmp(s->words[i], "response") == 0)
            response = 1;
        else if (strncmp(s->words[i], "fragment=", 9) == 0)
            fragment = (uint16_t)strtoul(s->words[i] + 9, NULL, 10);
        else if (strncmp(s->words[i], "larger=", 7) == 0)
            larger = strtoul(s->words[i] + 7, NULL, 10);
        else if (!parse_ms(s->words[i], &ms))
            return script_fail(s, "what is %s?", s->words[i]);
    }
    sim_filter(h, kind, count, exchange, response, ms);
    s->sim.filters[s->sim.filter_count - 1].fragment = fragment;
    s->sim.filters[s->sim.filter_count - 1].larger = larger;
    return true;
}

static bool run_drop(struct script *s)
{
    return filter(s, FILTER_DROP);
}

static bool run_dup(struct script *s)
{
    return filter(s, FILTER_DUPLICATE);
}

static bool run_delay(struct script *s)
{
    return filter(s, FILTER_DELAY);
}

static bool run_forge(struct script *s)
{
    bool keeps_spi = s->count > 4 && strcmp(s->words[4], "same-spi") == 0;
    if (keeps_spi)
        s->count = 4;
    if (!filter(s, FILTER_FORGE))
        return false;
    s->sim.filters[s->sim.filter_count - 1].exchange = EXCHANGE_IKE_SA_INIT;
    s->sim.filters[s->sim.filter_count - 1].response = 1;
    s->sim.filters[s->sim.filter_count - 1].keeps_spi = keeps_spi;
    return true;
}

static bool run_pass(struct script *s)
{
    sim_filters_clear(&s->sim);
    return true;
}

static bool run_nat(struct script *s)
{
    struct sim_host *h = script_host(s, s->words[1]);
    int64_t timeout_ms = 0;
    if (s->count > 3 && !parse_ms(s->words[3], &timeout_ms))
        return script_fail(s, "nat HOST ADDRESS [30s]");
    if (h != NULL)
        sim_set_nat(h, s->words[2], timeout_ms);
    return h != NULL;
}

/* forward HOST ADDRESS : a NAT that keeps ports 500 and 4500, so that others can begin */
static bool run_forward(struct script *s)
{
    struct sim_host *h = script_host(s, s->words[1]);
    if (h != NULL) {
        sim_set_nat(h, s->words[2], 0);
        h->nat_shift = 0;
    }
    return h != NULL;
}

/* alias HOST ADDRESS : a second address, from which what is sent to the first one is answered */
static bool run_alias(struct script *s)
{
    struct sim_host *h = script_host(s, s->words[1]);
    return h != NULL && address_parse(span_text(s->words[2]), &h->answers_from);
}

static bool run_remap(struct script *s)
{
    struct sim_host *h = script_host(s, s->words[1]);
    if (h != NULL)
        sim_remap(h);
    return h != NULL;
}

static bool run_kill(struct script *s)
{
    struct sim_host *h = script_host(s, s->words[1]);
    if (h != NULL)
        sim_kill(h);
    return h != NULL;
}

static bool run_revive(struct script *s)
{
    struct sim_host *h = script_host(s, s->words[1]);
    if (h == NULL)
        return false;
    sim_start(h);
    return load(s, h);
}

/* icmp HOST ABOUT TEXT */
static bool run_icmp(struct script *s)
{
    struct sim_host *h = script_host(s, s->words[1]), *about = script_host(s, s->words[2]);
    if (h == NULL || about == NULL)
        return false;
    sim_path_error(h, about, s->words[3],
                   s->count > 4 ? (uint32_t)strtoul(s->words[4], NULL, 10) : 0);
    return true;
}

static size_t hex(const char *text, uint8_t *out, size_t room)
{
    size_t len = 0;
    unsigned value;
    for (; *text != '\0' && len < room; text++) {
        if (*text == ' ')
            continue;
        if (sscanf(text, "%2x", &value) != 1)
            return 0;
        out[len++] = (uint8_t)value;
        text++;
    }
    return len;
}

/* inject FROM TO HEX : as a datagram from and to port 500 */
static bool run_inject(struct script *s)
{
    struct sim_host *from = script_host(s, s->words[1]), *to = script_host(s, s->words[2]);
    uint8_t octets[1024];
    size_t len = hex(s->words[3], octets, sizeof octets);
    if (from == NULL || to == NULL || len == 0)
        return script_fail(s, "cannot inject this");
    struct datagram d = {.local = from->at, .remote = to->at, .bytes = span_of(octets, len)};
    d.local.port = d.remote.port = 500;
    sim_inject(&s->sim, &d);
    return true;
}

/* notify HOST TYPE HEX : an answer without seal to its IKE_SA_INIT, with this notify and no more */
static bool run_notify(struct script *s)
{
    struct sim_host *h = script_host(s, s->words[1]);
    uint8_t octets[256], data[128];
    struct datagram d;
    size_t len = s->words[3][0] == '\0' ? 0 : hex(s->words[3], data, sizeof data);
    struct writer w = writer_of(octets, sizeof octets);
    if (h == NULL ||
        !sim_answer_init(h, (uint16_t)strtoul(s->words[2], NULL, 10), span_of(data, len), &w, &d))
        return script_fail(s, "%s waits for no answer", s->words[1]);
    sim_inject(&s->sim, &d);
    return true;
}

/* seal HOST EXCHANGE FIRST-PAYLOAD HEX [ahead=N] : the next request of the host's IKE SA, with this
 * content, or one whose number is N higher */
static bool run_seal(struct script *s)
{
    struct sim_host *h = script_host(s, s->words[1]);
    uint8_t octets[8192];
    size_t len = s->words[4][0] == '\0' ? 0 : hex(s->words[4], octets, sizeof octets);
    if (h == NULL)
        return false;
    struct datagram d;
    uint32_t ahead = 0;
    if (s->count > 5 && strncmp(s->words[5], "ahead=", 6) == 0)
        ahead = (uint32_t)strtoul(s->words[5] + 6, NULL, 10);
    if (!sim_seal_request(h, (uint8_t)strtoul(s->words[2], NULL, 10),
                          (uint8_t)strtoul(s->words[3], NULL, 10), span_of(octets, len), ahead, &d))
        return script_fail(s, "%s has no IKE SA with keys", h->name);
    sim_inject(&s->sim, &d);
    return true;
}

/* reply HOST EXCHANGE FIRST-PAYLOAD HEX : an answer of its first IKE SA to the last request that it
 * has executed, in place of its own, which was dropped */
static bool run_reply(struct script *s)
{
    struct sim_host *h = script_host(s, s->words[1]);
    uint8_t octets[8192];
    size_t len = s->words[4][0] == '\0' ? 0 : hex(s->words[4], octets, sizeof octets);
    if (h == NULL)
        return false;
    struct datagram d;
    if (!sim_seal_answer(h, (uint8_t)strtoul(s->words[2], NULL, 10),
                         (uint8_t)strtoul(s->words[3], NULL, 10), span_of(octets, len), &d))
        return script_fail(s, "%s has no IKE SA with keys", h->name);
    sim_inject(&s->sim, &d);
    return true;
}

/* message-ids FROM TO NEXT : as if so many requests had gone from one to the other */
static bool run_message_ids(struct script *s)
{
    struct sim_host *from = script_host(s, s->words[1]), *to = script_host(s, s->words[2]);
    if (from == NULL || to == NULL)
        return false;
    return sim_set_message_ids(from, to, (uint32_t)strtoul(s->words[3], NULL, 0)) ||
           script_fail(s, "they have no IKE SA");
}

/* stream FROM CHILD EVERY */
static bool run_stream(struct script *s)
{
    struct sim_host *h = script_host(s, s->words[1]);
    int64_t ms;
    if (h == NULL || !parse_ms(s->words[3], &ms))
        return script_fail(s, "stream FROM CHILD EVERY");
    sim_stream(h, s->words[2], ms);
    return true;
}

/* packet HOST CHILD FROM TO sent|held|blocked|passes|clear : one packet, and what becomes of it */
static bool run_packet(struct script *s)
{
    static const char *const fates[] = {"sent", "held", "blocked", "passes", "clear"};
    struct sim_host *h = script_host(s, s->words[1]);
    struct ts_pair pair = {.is_set = true};
    struct arena a;
    const char *why;
    if (h == NULL || !arena_init(&a))
        return false;
    bool ok = policy_parse_selector(span_text(s->words[3]), &pair.local, &a, &why) &&
              policy_parse_selector(span_text(s->words[4]), &pair.remote, &a, &why);
    arena_clear(&a);
    if (!ok)
        return script_fail(s, "not the ends of a packet");
    enum sim_fate fate = sim_packet(h, s->words[2], &pair);
    return strcmp(fates[fate], s->words[5]) == 0 ||
           script_fail(s, "the packet of %s: %s", h->name, fates[fate]);
}

static bool run_stop(struct script *s)
{
    sim_streams_stop(&s->sim);
    return true;
}

/* dataplane HOST soft|hard|used|first|fault CHILD [cause=ID] [count=N] [in|out] */
static bool run_dataplane(struct script *s)
{
    static const char *const kinds[] = {"soft", "hard", "first", "used", "fault"};
    struct sim_host *h = script_host(s, s->words[1]);
    size_t kind = 0;
    while (kind < 5 && strcmp(kinds[kind], s->words[2]) != 0)
        kind++;
    if (h == NULL || kind == 5)
        return script_fail(s, "dataplane HOST soft|hard|first|used|fault CHILD");
    enum cause cause = CAUSE_NONE;
    uint64_t count = 1;
    for (size_t i = 4; i < s->count; i++) {
        if (strncmp(s->words[i], "cause=", 6) == 0 && ikebana_cause_by_id(s->words[i] + 6) != NULL)
            cause = ikebana_cause_by_id(s->words[i] + 6)->cause;
        if (strncmp(s->words[i], "count=", 6) == 0)
            count = strtoull(s->words[i] + 6, NULL, 10);
    }
    for (size_t i = 0; i < h->sa_count; i++)
        if (h->sas[i].is_inbound && strcmp(h->sas[i].child, s->words[3]) == 0) {
            sim_dataplane(h, (enum dataplane_kind)kind, h->sas[i].spi, h->sas[i].child_id, cause,
                          count);
            return true;
        }
    return script_fail(s, "%s has no inbound SA of %s", h->name, s->words[3]);
}

/* ask-fails HOST TEXT : names no longer resolve */
static bool run_ask_fails(struct script *s)
{
    struct sim_host *h = script_host(s, s->words[1]);
    if (h != NULL)
        h->ask_error = "Name or service not known";
    return h != NULL;
}

static bool run_ask_works(struct script *s)
{
    struct sim_host *h = script_host(s, s->words[1]);
    if (h != NULL)
        h->ask_error = NULL;
    return h != NULL;
}

/* ---- time ---- */

static bool run_run(struct script *s)
{
    int64_t ms;
    if (!parse_ms(s->words[1], &ms))
        return script_fail(s, "run 10s, 500ms, 2m");
    sim_run_ms(&s->sim, ms);
    return true;
}

static bool run_settle(struct script *s)
{
    sim_settle(&s->sim);
    return true;
}

static bool run_latency(struct script *s)
{
    return parse_ms(s->words[1], &s->sim.latency_ms) || script_fail(s, "latency 10ms");
}

/* An end of this kind is not asked of the scenario: tables that differ, failures that are left. */
static bool run_leave(struct script *s)
{
    if (strcmp(s->words[1], "tables") == 0)
        s->leaves_tables = true;
    else if (strcmp(s->words[1], "failures") == 0)
        s->leaves_failures = true;
    else
        return script_fail(s, "leave tables|failures");
    return true;
}

static bool run_forget(struct script *s)
{
    for (size_t i = 0; i < s->sim.host_count; i++)
        for (size_t k = 0; k < s->sim.hosts[i].event_count; k++)
            s->sim.hosts[i].events[k].is_taken = true;
    return true;
}

static bool run_include(struct script *s)
{
    char path[512];
    const char *slash = strrchr(s->file, '/');
    int folder = slash == NULL ? 0 : (int)(slash - s->file) + 1;
    snprintf(path, sizeof path, "%.*s%s", folder, s->file, s->words[1]);
    return script_run_file(s, path);
}

static const struct command_row rows[] = {
    {"host", 3, run_host},
    {"options", 3, run_options},
    {"set", 4, run_set},
    {"load", 2, run_load},
    {"start", 1, run_start},
    {"unload", 4, run_unload},
    {"up", 2, run_up},
    {"down", 2, run_down},
    {"rekey", 2, run_rekey},
    {"shutdown", 2, run_shutdown},
    {"drop", 3, run_drop},
    {"dup", 3, run_dup},
    {"forge", 4, run_forge},
    {"delay", 3, run_delay},
    {"pass", 1, run_pass},
    {"nat", 3, run_nat},
    {"forward", 3, run_forward},
    {"remap", 2, run_remap},
    {"alias", 3, run_alias},
    {"kill", 2, run_kill},
    {"revive", 2, run_revive},
    {"icmp", 4, run_icmp},
    {"inject", 4, run_inject},
    {"notify", 4, run_notify},
    {"seal", 5, run_seal},
    {"reply", 5, run_reply},
    {"message-ids", 4, run_message_ids},
    {"stream", 4, run_stream},
    {"packet", 6, run_packet},
    {"stop", 1, run_stop},
    {"install", 3, run_install},
    {"uninstall", 3, run_uninstall},
    {"dataplane", 4, run_dataplane},
    {"ask-fails", 2, run_ask_fails},
    {"ask-works", 2, run_ask_works},
    {"run", 2, run_run},
    {"settle", 1, run_settle},
    {"latency", 2, run_latency},
    {"leave", 2, run_leave},
    {"forget", 1, run_forget},
    {"include", 2, run_include},
    {"expect", 3, script_expect},
};

/* ---- reading ---- */

/* Cuts the line into words, in place. */
static bool cut(struct script *s, char *line)
{
    char *out = line;
    s->count = 0;
    for (char *at = line; *at != '\0';) {
        while (*at == ' ' || *at == '\t')
            at++;
        if (*at == '\0' || *at == '#' || *at == '\n')
            break;
        if (s->count == WORDS_MAX)
            return script_fail(s, "more than %d words", WORDS_MAX);
        s->words[s->count++] = out;
        bool is_quoted = false;
        for (; *at != '\0' && *at != '\n' && (is_quoted || (*at != ' ' && *at != '\t')); at++) {
            if (*at == '"') {
                is_quoted = !is_quoted;
            } else if (*at == '\\' && at[1] == 'n') {
                *out++ = '\n';
                at++;
            } else {
                *out++ = *at;
            }
        }
        if (is_quoted)
            return script_fail(s, "a quote that does not end");
        bool is_end = *at == '\0' || *at == '\n';
        *out++ = '\0';
        if (is_end)
            break;
        at++;
    }
    return true;
}

/* config HOST, then lines up to one that is `end` */
static bool read_config(struct script *s, FILE *in)
{
    struct host_text *t = text_of(s, s->words[1]);
    char *line = NULL, *text = NULL;
    size_t room = 0, size = 0;
    if (t == NULL)
        return script_fail(s, "no host %s", s->words[1]);
    FILE *out = open_memstream(&text, &size);
    bool is_ended = false;
    while (!is_ended && getline(&line, &room, in) > 0) {
        s->line++;
        is_ended = strcmp(line, "end\n") == 0;
        if (!is_ended)
            fputs(line, out);
    }
    fclose(out);
    free(line);
    free(t->config);
    t->config = text;
    return is_ended || script_fail(s, "a config without end");
}

static bool run_line(struct script *s, FILE *in)
{
    if (s->count == 0)
        return true;
    if (strcmp(s->words[0], "config") == 0 && s->count == 2)
        return read_config(s, in);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (strcmp(rows[i].name, s->words[0]) == 0)
            return s->count < rows[i].words_min ? script_fail(s, "too few words") : rows[i].run(s);
    return script_fail(s, "no command %s", s->words[0]);
}

bool script_run_file(struct script *s, const char *path)
{
    const char *outer_file = s->file;
    unsigned outer_line = s->line;
    FILE *in = fopen(path, "r");
    if (in == NULL)
        return script_fail(s, "cannot open %s", path);
    s->file = path;
    s->line = 0;
    char *line = NULL;
    size_t room = 0;
    bool ok = true;
    while (ok && getline(&line, &room, in) > 0) {
        s->line++;
        if (s->sim.log != NULL && line[0] != '\n' && line[0] != '#')
            fprintf(s->sim.log, "---- %s", line);
        ok = cut(s, line) && run_line(s, in);
    }
    free(line);
    fclose(in);
    s->file = outer_file;
    s->line = outer_line;
    return ok;
}

int main(int argc, char **argv)
{
    static struct script s;
    bool is_loud = argc > 1 && strcmp(argv[1], "-v") == 0;
    if (argc != (is_loud ? 3 : 2)) {
        fprintf(stderr, "usage: scenario [-v] FILE\n");
        return 2;
    }
    const char *path = argv[argc - 1];
    sim_init(&s.sim);
    s.sim.log = is_loud ? stdout : NULL;
    s.file = path;
    bool ok = script_run_file(&s, path) && script_check_end(&s);
    for (size_t i = 0; i < SIM_HOSTS_MAX; i++) {
        struct host_text *t = &s.texts[i];
        for (size_t k = 0; k < t->count; k++) {
            free(t->keys[k]);
            free(t->values[k]);
        }
        free(t->config);
    }
    sim_clear(&s.sim);
    return ok ? 0 : 1;
}
