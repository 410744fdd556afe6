/* Complete handshakes of two engines in one process: IKE_SA_INIT, IKE_AUTH, CHILD SA; PSK, x25519,
 * AES-128-GCM-16, PRF-HMAC-SHA-256, records included; beside the bare OpenSSL operations of such a
 * handshake, measured in turn in the same run.
 *
 * The datagrams go from one engine's effects straight into the other's step, so that nothing but
 * the core is measured. CPU seconds of this thread, per side: each engine_step() is charged to the
 * engine that ran it, without what reading the clock takes (0.8 us here; the initiator has four
 * steps, the responder two, the bare loop reads it once for many). */
#include "bench.h"

#include <malloc.h>
#include <stdlib.h>

#include "bare.h"
#include "engine/engine.h"

enum { SLICE = 20, FEW = 1000, MANY = 10000 };

struct end {
    struct engine *engine;
    double cpu_s;
    size_t records;
};

struct bench {
    struct end initiator, responder;
    struct instant now;
    double clock_s; /* what reading the clock takes */
    unsigned done, up;
    bool drop_auth; /* stop after IKE_SA_INIT: half-open SAs */
};

static const struct address initiator_at = {
    .bytes = {192, 0, 2, 1}, .port = 500, .family = FAMILY_V4};
static const struct address responder_at = {
    .bytes = {192, 0, 2, 2}, .port = 500, .family = FAMILY_V4};

static bool load(struct engine *e, const char *text, struct instant now)
{
    struct arena a;
    struct section *root = NULL;
    struct finding why;
    struct config config = {0};
    if (!arena_init(&a))
        return false;
    struct findings found = {.arena = &a};
    bool ok = settings_parse_text(span_text(text), "bench", NULL, &a, &root, &why) &&
              policy_config_read(root, &a, &config, &found);
    for (size_t i = 0; ok && i < config.conn_count; i++)
        engine_step(e,
                    &(struct input){.kind = IN_COMMAND,
                                    .now = now,
                                    .command = {.kind = CMD_LOAD_CONN, .conn = config.conns[i]}});
    for (size_t i = 0; ok && i < config.psk_count; i++)
        engine_step(e, &(struct input){.kind = IN_COMMAND,
                                       .now = now,
                                       .command = {.kind = CMD_LOAD_PSK, .psk = config.psks[i]}});
    for (size_t i = 0; i < found.count; i++)
        if (ikebana_cause_row(found.at[i].cause)->severity == SEVERITY_FAILURE)
            fprintf(stderr, "%s: %s (%s)\n", found.at[i].param,
                    ikebana_cause_row(found.at[i].cause)->sentence, found.at[i].seen);
    policy_config_clear(&config);
    arena_clear(&a);
    return ok;
}

static void step(struct bench *b, struct end *side, const struct input *in);

/* Effects are valid until the engine's next step, and carrying them out leads back to it: copy what
 * is sent, then go on. */
static void carry_out(struct bench *b, struct end *side, const struct effects *fx)
{
    struct end *other = side == &b->initiator ? &b->responder : &b->initiator;
    uint8_t octets[4096];
    struct datagram out = {0};
    uint64_t asked = 0;
    bool has_out = false;
    for (size_t i = 0; i < fx->count; i++) {
        const struct effect *e = &fx->at[i];
        if (e->kind == FX_SEND && e->send.bytes.len <= sizeof octets) {
            memcpy(octets, e->send.bytes.at, e->send.bytes.len);
            out = (struct datagram){e->send.remote, e->send.local, e->send.marker,
                                    span_of(octets, e->send.bytes.len)};
            has_out = true;
        } else if (e->kind == FX_ASK) {
            asked = e->ask.ticket;
        } else if (e->kind == FX_EVENT && e->event.kind == EVENT_RECORD) {
            side->records++;
        } else if (e->kind == FX_EVENT && e->event.kind == EVENT_COMMAND_DONE) {
            b->done++;
            b->up += e->event.ok;
        }
    }
    if (asked != 0)
        step(b, side,
             &(struct input){
                 .kind = IN_ANSWER,
                 .now = b->now,
                 .wall_s = 1700000000,
                 .answer = {
                     .ticket = asked, .ok = true, .local = initiator_at, .remote = responder_at}});
    if (has_out && !(b->drop_auth && octets[18] != 34))
        step(b, other,
             &(struct input){
                 .kind = IN_DATAGRAM, .now = b->now, .wall_s = 1700000000, .datagram = out});
}

static void step(struct bench *b, struct end *side, const struct input *in)
{
    double before = bare_cpu_s();
    const struct effects *fx = engine_step(side->engine, in);
    side->cpu_s += bare_cpu_s() - before - b->clock_s;
    carry_out(b, side, fx);
}

static const char secrets[] =
    "secrets {\nike-all {\nsecret = a-long-enough-secret-of-the-bench\n}\n}\n";

/* The connections of the initiators, as swanctl.conf; the caller frees it. */
static char *initiators(unsigned count)
{
    char *text = NULL;
    size_t size = 0;
    FILE *f = open_memstream(&text, &size);
    if (f == NULL)
        return NULL;
    fputs("connections {\n", f);
    for (unsigned i = 0; i < count; i++)
        fprintf(f,
                "c%u {\nversion = 2\nmobike = no\nfragmentation = no\nremote_addrs = 192.0.2.2\n"
                "proposals = aes128gcm16-prfsha256-x25519\n"
                "local {\nauth = psk\nid = c%u.example\n}\n"
                "remote {\nauth = psk\nid = gw.example\n}\n"
                "children {\nc {\nesp_proposals = aes128gcm16\n"
                "local_ts = 10.1.0.0/16\nremote_ts = 10.2.0.0/16\n}\n}\n}\n",
                i, i);
    fprintf(f, "}\n%s", secrets);
    if (fclose(f) != 0) {
        free(text);
        return NULL;
    }
    return text;
}

static const char gateway[] = "connections {\ngw {\nversion = 2\nmobike = no\nfragmentation = no\n"
                              "proposals = aes128gcm16-prfsha256-x25519\n"
                              "local {\nauth = psk\nid = gw.example\n}\nremote {\nauth = psk\n}\n"
                              "children {\nc {\nesp_proposals = aes128gcm16\n"
                              "local_ts = 10.2.0.0/16\nremote_ts = 10.1.0.0/16\n}\n}\n}\n}\n";

static double clock_cost_s(void)
{
    double least = 1;
    for (int i = 0; i < 1000; i++) {
        double begin = bare_cpu_s(), took = bare_cpu_s() - begin;
        if (took < least)
            least = took;
    }
    return least;
}

static bool set_up(struct bench *b, unsigned count)
{
    struct engine_options o = {.cookie_threshold = UINT32_MAX,
                               .cookie_threshold_ip = UINT32_MAX,
                               .block_threshold = UINT32_MAX};
    o.seed[0] = 1;
    b->initiator.engine = engine_new(&o);
    o.seed[0] = 2;
    b->responder.engine = engine_new(&o);
    b->now = (struct instant){1000000000};
    b->clock_s = clock_cost_s();
    if (b->initiator.engine == NULL || b->responder.engine == NULL)
        return false;
    char *text = initiators(count);
    bool ok = text != NULL && load(b->initiator.engine, text, b->now) &&
              load(b->responder.engine, gateway, b->now) &&
              load(b->responder.engine, secrets, b->now);
    free(text);
    return ok;
}

static void clear(struct bench *b)
{
    engine_free(b->initiator.engine);
    engine_free(b->responder.engine);
    *b = (struct bench){0};
}

static void initiate(struct bench *b, unsigned from, unsigned count)
{
    for (unsigned i = from; i < from + count; i++) {
        char name[32];
        snprintf(name, sizeof name, "c%u", i);
        b->now = instant_after_ms(b->now, 1);
        step(
            b, &b->initiator,
            &(struct input){.kind = IN_COMMAND,
                            .now = b->now,
                            .wall_s = 1700000000,
                            .command = {.kind = CMD_INITIATE, .conn_name = name, .ticket = i + 1}});
    }
}

static size_t heap_in_use(void)
{
    struct mallinfo2 m = mallinfo2();
    return m.uordblks + m.hblkhd;
}

static int compare_double(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

/* Other work on the machine only ever adds time, and what the core itself does now and then (a
 * table that grows) is not to be left out: neither the least nor the mean. */
static double lower_quartile(double *at, size_t count)
{
    qsort(at, count, sizeof *at, compare_double);
    return at[count / 4];
}

struct result {
    double limit_s, initiator_s, responder_s;
};

static double share(const struct result *r, double ours_s)
{
    return r->limit_s / ours_s;
}

/* count handshakes in slices of a few milliseconds, each beside as many bare ones. */
static bool measure(struct bench *b, unsigned from, unsigned count, struct result *out)
{
    size_t slices = count / SLICE;
    double *values = calloc(slices * 3, sizeof *values);
    bool ok = values != NULL;
    for (size_t s = 0; ok && s < slices; s++) {
        b->initiator.cpu_s = b->responder.cpu_s = 0;
        ok = bare_handshake(SLICE, &values[s]);
        initiate(b, from + (unsigned)s * SLICE, SLICE);
        values[slices + s] = b->initiator.cpu_s / SLICE;
        values[2 * slices + s] = b->responder.cpu_s / SLICE;
    }
    if (ok)
        *out =
            (struct result){lower_quartile(values, slices), lower_quartile(values + slices, slices),
                            lower_quartile(values + 2 * slices, slices)};
    free(values);
    return ok;
}

struct results {
    struct result few, many, crowd;
    double octets_per_sa, octets_half_open;
};

static bool measure_handshakes(struct results *out)
{
    struct bench b = {0};
    bool ok = set_up(&b, MANY);
    if (ok)
        initiate(&b, 0, SLICE); /* first uses: algorithms, arenas */
    size_t before = heap_in_use();
    ok = ok && measure(&b, SLICE, FEW - SLICE, &out->few);
    if (ok)
        initiate(&b, FEW, MANY - 2 * FEW);
    ok = ok && measure(&b, MANY - FEW, FEW, &out->many);
    out->octets_per_sa = ((double)heap_in_use() - (double)before) / (MANY - SLICE) / 2;
    if (ok && b.up != MANY) {
        fprintf(stderr, "bench handshake: %u of %d handshakes succeeded\n", b.up, MANY);
        ok = false;
    }
    clear(&b);
    return ok;
}

/* What the responder's engine gives back when it goes, and its half-open SAs with it. */
static bool measure_half_open(struct results *out)
{
    struct bench b = {.drop_auth = true};
    struct engine_counters counters = {0};
    bool ok = set_up(&b, FEW);
    if (ok) {
        initiate(&b, 0, FEW);
        engine_counters(b.responder.engine, &counters);
    }
    size_t before = heap_in_use();
    engine_free(b.responder.engine);
    b.responder.engine = NULL;
    out->octets_half_open = ((double)before - (double)heap_in_use()) / FEW;
    clear(&b);
    return ok && counters.half_open == FEW;
}

/* A gateway with as many further connections and secrets, one for each peer. */
static char *crowd_text(unsigned count)
{
    char *text = NULL;
    size_t size = 0;
    FILE *f = open_memstream(&text, &size);
    if (f == NULL)
        return NULL;
    fputs("connections {\n", f);
    for (unsigned i = 0; i < count; i++)
        fprintf(f,
                "p%u {\nversion = 2\nproposals = aes128gcm16-prfsha256-x25519\n"
                "local {\nauth = psk\nid = gw.example\n}\n"
                "remote {\nauth = psk\nid = p%u.example\n}\n"
                "children {\nc {\nesp_proposals = aes128gcm16\n"
                "local_ts = 10.2.0.0/16\nremote_ts = 10.1.0.0/16\n}\n}\n}\n",
                i, i);
    fputs("}\nsecrets {\n", f);
    for (unsigned i = 0; i < count; i++)
        fprintf(f,
                "ike-%u {\nid-1 = gw.example\nid-2 = p%u.example\nsecret = "
                "secret-of-p%u-of-the-bench\n}\n",
                i, i, i);
    fputs("}\n", f);
    if (fclose(f) != 0) {
        free(text);
        return NULL;
    }
    return text;
}

static bool measure_crowd(struct results *out)
{
    struct bench b = {0};
    char *text = crowd_text(MANY);
    bool ok = text != NULL && set_up(&b, FEW) && load(b.responder.engine, text, b.now);
    free(text);
    if (ok)
        initiate(&b, 0, SLICE);
    ok = ok && measure(&b, SLICE, FEW - SLICE, &out->crowd) && b.up == FEW;
    clear(&b);
    return ok;
}

static void print_line(FILE *to, const char *what, const struct result *r, double ours_s)
{
    fprintf(to, "  %-24s %7.1f   %9.0f   %5.1f %%\n", what, ours_s * 1e6, 1 / ours_s,
            share(r, ours_s) * 100);
}

static double growth(const struct results *r)
{
    return share(&r->few, r->few.responder_s) / share(&r->many, r->many.responder_s);
}

/* What 10000 further connections and secrets cost a handshake. */
static double crowding(const struct results *r)
{
    return share(&r->few, r->few.responder_s) / share(&r->crowd, r->crowd.responder_s);
}

static void print_table(const struct results *r, FILE *to)
{
    fputs("handshake: IKE_SA_INIT + IKE_AUTH + CHILD, PSK, x25519, AES-128-GCM-16, "
          "PRF-HMAC-SHA-256, records included\n"
          "                            us CPU   per CPU-s   of limit\n",
          to);
    print_line(to, "limit (bare OpenSSL)", &r->few, r->few.limit_s);
    print_line(to, "responder, first 1000", &r->few, r->few.responder_s);
    print_line(to, "initiator, first 1000", &r->few, r->few.initiator_s);
    print_line(to, "limit, meanwhile", &r->many, r->many.limit_s);
    print_line(to, "responder, last of 10000", &r->many, r->many.responder_s);
    print_line(to, "initiator, last of 10000", &r->many, r->many.initiator_s);
    print_line(to, "responder, crowded", &r->crowd, r->crowd.responder_s);
    fprintf(to, "  cost with 10000 further connections and secrets by cost without: %.2f\n",
            crowding(r));
    fprintf(to,
            "  cost at 10000 SAs by cost at 1000 (responder, both by their limit): %.2f\n"
            "  memory per established IKE SA with one CHILD: %.0f octets (mean of both sides)\n"
            "  memory per half-open IKE SA, responder: %.0f octets\n",
            growth(r), r->octets_per_sa, r->octets_half_open);
}

static json_t *side_json(const struct result *r, double ours_s)
{
    return json_pack("{s:f, s:f, s:f}", "value", 1 / ours_s, "limit", 1 / r->limit_s, "share",
                     share(r, ours_s));
}

static json_t *to_json(const struct results *r)
{
    return json_pack("{s:s, s:f, s:s, s:f, s:f, s:o, s:o, s:o, s:f, s:f, s:f, s:f}", "name",
                     "handshake", "value", 1 / r->few.responder_s, "unit",
                     "handshakes per CPU second, responder", "limit", 1 / r->few.limit_s, "share",
                     share(&r->few, r->few.responder_s), "initiator",
                     side_json(&r->few, r->few.initiator_s), "responder_at_10000",
                     side_json(&r->many, r->many.responder_s), "initiator_at_10000",
                     side_json(&r->many, r->many.initiator_s), "cost_at_10000_by_cost_at_1000",
                     growth(r), "octets_per_sa", r->octets_per_sa, "octets_half_open",
                     r->octets_half_open, "cost_at_10000_connections_by_cost_at_1", crowding(r));
}

json_t *bench_handshake(FILE *table)
{
    struct results r = {0};
    if (!measure_handshakes(&r) || !measure_crowd(&r) || !measure_half_open(&r)) {
        fputs("bench handshake: failed\n", stderr);
        return NULL;
    }
    if (table != NULL)
        print_table(&r, table);
    return to_json(&r);
}
