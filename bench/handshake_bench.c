/* Complete handshakes of two engines in one process: IKE_SA_INIT, IKE_AUTH, CHILD SA; PSK, x25519,
 * AES-128-GCM-16, PRF-HMAC-SHA-256, records included; beside the bare OpenSSL operations of such a
 * handshake, measured in turn in the same run.
 *
 * The datagrams go from one engine's effects straight into the other's step, so that nothing but
 * the core is measured. CPU seconds of this thread, per side: each engine_step() is charged to the
 * engine that ran it. */
#include "handshake_bench.h"

#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>

#include "bare.h"
#include "engine/engine.h"

enum { SLICE = 100 };

struct end {
    struct engine *engine;
    double cpu_s;
    size_t records;
};

struct bench {
    struct end initiator, responder;
    struct instant now;
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
    side->cpu_s += bare_cpu_s() - before;
    carry_out(b, side, fx);
}

static bool set_up(struct bench *b, unsigned count)
{
    struct engine_options o = {.cookie_threshold = UINT32_MAX, .block_threshold = UINT32_MAX};
    o.seed[0] = 1;
    b->initiator.engine = engine_new(&o);
    o.seed[0] = 2;
    b->responder.engine = engine_new(&o);
    b->now = (struct instant){1000000000};
    if (b->initiator.engine == NULL || b->responder.engine == NULL)
        return false;
    const char *secret = "secrets { ike-all { secret = a-long-enough-secret-of-the-bench } }\n";
    char *text = NULL;
    size_t size = 0;
    FILE *f = open_memstream(&text, &size);
    if (f == NULL)
        return false;
    fputs("connections {\n", f);
    for (unsigned i = 0; i < count; i++)
        fprintf(f,
                "c%u { version = 2 mobike = no fragmentation = no remote_addrs = 192.0.2.2 "
                "proposals = aes128gcm16-prfsha256-x25519\n"
                " local { auth = psk id = c%u.example }\n remote { auth = psk id = gw.example }\n"
                " children { c { esp_proposals = aes128gcm16 local_ts = 10.1.0.0/16 remote_ts = "
                "10.2.0.0/16 } } }\n",
                i, i);
    fprintf(f, "}\n%s", secret);
    fclose(f);
    /* one key a line: the settings syntax */
    char *spread = malloc(size * 2 + 1), *p = spread;
    for (char *c = text; spread != NULL && *c != '\0'; c++) {
        if (c[0] == ' ' && (strncmp(c, " mobike", 7) == 0 || strncmp(c, " fragm", 6) == 0 ||
                            strncmp(c, " remote_", 8) == 0 || strncmp(c, " proposals", 10) == 0 ||
                            strncmp(c, " id ", 4) == 0 || strncmp(c, " local_ts", 9) == 0 ||
                            strncmp(c, " }", 2) == 0))
            *p++ = '\n';
        *p++ = *c;
    }
    if (spread != NULL)
        *p = '\0';
    bool ok = spread != NULL && load(b->initiator.engine, spread, b->now);
    free(text);
    free(spread);
    char gateway[1024];
    snprintf(gateway, sizeof gateway,
             "connections {\ngw {\nversion = 2\nmobike = no\nfragmentation = no\nproposals = "
             "aes128gcm16-prfsha256-x25519\n"
             "local {\nauth = psk\nid = gw.example\n}\nremote {\nauth = psk\n}\n"
             "children {\nc {\nesp_proposals = aes128gcm16\nlocal_ts = 10.2.0.0/16\nremote_ts = "
             "10.1.0.0/16\n}\n}\n}\n}\n%s",
             "secrets {\nike-all {\nsecret = a-long-enough-secret-of-the-bench\n}\n}\n");
    return ok && load(b->responder.engine, gateway, b->now);
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

static double median(double *at, size_t count)
{
    qsort(at, count, sizeof *at, compare_double);
    return at[count / 2];
}

struct result {
    double limit_s, initiator_s, responder_s;
};

/* count handshakes in slices, each beside as many bare ones; medians of the slices. */
static bool measure(struct bench *b, unsigned from, unsigned count, struct result *out)
{
    size_t slices = count / SLICE;
    double *values = calloc(slices * 3, sizeof *values);
    if (values == NULL)
        return false;
    for (size_t s = 0; s < slices; s++) {
        b->initiator.cpu_s = b->responder.cpu_s = 0;
        if (!bare_handshake(SLICE, &values[s])) {
            free(values);
            return false;
        }
        initiate(b, from + (unsigned)s * SLICE, SLICE);
        values[slices + s] = b->initiator.cpu_s / SLICE;
        values[2 * slices + s] = b->responder.cpu_s / SLICE;
    }
    *out = (struct result){median(values, slices), median(values + slices, slices),
                           median(values + 2 * slices, slices)};
    free(values);
    return true;
}

int bench_handshake(int argc, char **argv)
{
    bool json = false;
    unsigned total = 10000;
    for (int i = 1; i < argc; i++)
        if (strcmp(argv[i], "--json") == 0)
            json = true;
        else
            total = (unsigned)strtoul(argv[i], NULL, 10) < 2000
                        ? 2000
                        : (unsigned)strtoul(argv[i], NULL, 10);
    struct bench b = {0};
    struct result first, last;
    if (!set_up(&b, total)) {
        fprintf(stderr, "bench handshake: cannot set up the engines\n");
        clear(&b);
        return 1;
    }
    initiate(&b, 0, SLICE);
    size_t before = heap_in_use();
    bool ok = measure(&b, SLICE, 1000 - SLICE, &first);
    initiate(&b, 1000, total - 2000);
    ok = ok && measure(&b, total - 1000, 1000, &last);
    size_t after = heap_in_use();
    unsigned up = b.up;
    double memory = ((double)after - (double)before) / (total - SLICE) / 2;
    clear(&b);
    if (!ok || up != total) {
        fprintf(stderr, "bench handshake: %u of %u handshakes succeeded\n", up, total);
        return 1;
    }
    b.drop_auth = true;
    if (!set_up(&b, 1000))
        return 1;
    /* What the initiators keep is measured apart: the responder's share is the difference of two
     * runs. */
    struct bench alone = {0};
    initiate(&b, 0, 100);
    before = heap_in_use();
    initiate(&b, 100, 900);
    after = heap_in_use();
    double half_open_both = ((double)after - (double)before) / 900;
    struct engine_counters counters;
    engine_counters(b.responder.engine, &counters);
    engine_free(b.responder.engine);
    b.responder.engine = NULL;
    double half_open = ((double)after - (double)heap_in_use()) / counters.half_open;
    clear(&b);
    clear(&alone);
    double share = first.limit_s / first.responder_s, share_last = last.limit_s / last.responder_s;
    if (json) {
        printf("{\"name\":\"handshake\",\"value\":%.0f,\"unit\":\"handshakes per CPU second, "
               "responder\",\"limit\":%.0f,\"share\":%.3f,"
               "\"initiator\":%.0f,\"share_initiator\":%.3f,\"sas\":%u,\"share_at_end\":%.3f,"
               "\"cost_ratio_end_to_1000\":%.3f,"
               "\"octets_per_sa\":%.0f,\"octets_half_open\":%.0f}\n",
               1 / first.responder_s, 1 / first.limit_s, share, 1 / first.initiator_s,
               first.limit_s / first.initiator_s, total, share_last,
               (last.responder_s / last.limit_s) / (first.responder_s / first.limit_s), memory,
               half_open);
        return 0;
    }
    printf("handshake: IKE_SA_INIT + IKE_AUTH + CHILD, PSK, x25519, AES-128-GCM-16, "
           "PRF-HMAC-SHA-256, records included\n");
    printf("                          us CPU   per CPU-s   of limit\n");
    printf("  limit (bare OpenSSL)   %7.1f   %9.0f\n", first.limit_s * 1e6, 1 / first.limit_s);
    printf("  responder, first 1000  %7.1f   %9.0f   %5.1f %%\n", first.responder_s * 1e6,
           1 / first.responder_s, share * 100);
    printf("  initiator, first 1000  %7.1f   %9.0f   %5.1f %%\n", first.initiator_s * 1e6,
           1 / first.initiator_s, first.limit_s / first.initiator_s * 100);
    printf("  responder, last of %u  %5.1f   %9.0f   %5.1f %%\n", total, last.responder_s * 1e6,
           1 / last.responder_s, share_last * 100);
    printf("  initiator, last of %u  %5.1f   %9.0f   %5.1f %%\n", total, last.initiator_s * 1e6,
           1 / last.initiator_s, last.limit_s / last.initiator_s * 100);
    printf("  memory per established IKE SA with one CHILD: %.0f octets (mean of both sides)\n",
           memory);
    printf("  memory per half-open IKE SA, responder: %.0f octets (initiator and responder %.0f)\n",
           half_open, half_open_both);
    return 0;
}

#ifdef BENCH_MAIN
int main(int argc, char **argv)
{
    return bench_handshake(argc, argv);
}
#endif
