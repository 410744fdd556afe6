/* A flood of IKE_SA_INIT requests in front of one engine, in virtual time: 20,000 well-formed ones
 * a second for ten seconds, from one address and from 500, none of which ever answers; and, worse,
 * from 500 that bring their cookie back. In between somebody sets up a tunnel every 10 ms. What
 * counts: how many of these come up, what a refused request costs, and what stays in memory.
 *
 * CPU seconds of this thread around engine_step() of the gateway for strangers' requests, with what
 * reading the clock takes; memory as the heap has it in use. */
#include "bench.h"

#include <malloc.h>
#include <stdlib.h>

#include "bare.h"
#include "engine/engine.h"
#include "wire/payloads.h"

enum { PER_S = 20000, SECONDS = 10, GOOD_EVERY = 200, OCTETS_MAX = 4096 };

struct flood {
    struct engine *gateway, *client;
    struct instant now;
    int64_t wall_s;
    uint64_t dice, requests, good, tried;
    double cpu_s;
    size_t before, most, after;
    uint8_t answer[OCTETS_MAX];
    size_t answer_len;
};

static uint32_t roll(struct flood *f)
{
    f->dice = f->dice * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(f->dice >> 32);
}

static size_t heap_in_use(void)
{
    struct mallinfo2 m = mallinfo2();
    return m.uordblks + m.hblkhd;
}

static struct address at(uint8_t a, uint8_t b, uint8_t c)
{
    return (struct address){.bytes = {10, a, b, c}, .port = 500, .family = FAMILY_V4};
}

static const struct effects *step(struct flood *f, struct engine *e, struct input in)
{
    in.now = f->now;
    in.wall_s = f->wall_s;
    return engine_step(e, &in);
}

static bool load(struct flood *f, struct engine *e, const char *remote, const char *id)
{
    char text[1024];
    struct arena a;
    struct section *root = NULL;
    struct finding why;
    struct config config = {0};
    snprintf(text, sizeof text,
             "connections {\nc {\nversion = 2\nmobike = no\nremote_addrs = %s\n"
             "proposals = aes128gcm16-prfsha256-x25519\nlocal {\nauth = psk\nid = %s\n}\n"
             "remote {\nauth = psk\n}\nchildren {\nn {\nesp_proposals = aes128gcm16\n"
             "local_ts = 10.0.0.0/8\nremote_ts = 10.0.0.0/8\n}\n}\n}\n}\n"
             "secrets {\nike-a {\nsecret = a-long-enough-secret-of-the-bench\n}\n}\n",
             remote, id);
    if (!arena_init(&a))
        return false;
    struct findings found = {.arena = &a};
    bool ok = settings_parse_text(span_text(text), "bench", NULL, &a, &root, &why) &&
              policy_config_read(root, &a, &config, &found);
    if (ok) {
        step(f, e,
             (struct input){.kind = IN_COMMAND,
                            .command = {.kind = CMD_LOAD_CONN, .conn = config.conns[0]}});
        step(f, e,
             (struct input){.kind = IN_COMMAND,
                            .command = {.kind = CMD_LOAD_PSK, .psk = config.psks[0]}});
    }
    policy_config_clear(&config);
    arena_clear(&a);
    return ok;
}

/* The same dice give the same request; cookie may be empty. */
static size_t stranger(struct flood *f, uint8_t *out, struct span cookie)
{
    struct writer w = writer_of(out, OCTETS_MAX);
    uint8_t octets[32];
    struct ike_header h = {.spi_i = (uint64_t)roll(f) << 32 | roll(f) | 1,
                           .version = 0x20,
                           .exchange = EXCHANGE_IKE_SA_INIT,
                           .flags = IKE_FLAG_INITIATOR};
    struct transform t[] = {{TRANSFORM_ENCR, ENCR_AES_GCM_16, 128, false},
                            {TRANSFORM_PRF, PRF_HMAC_SHA2_256, 0, false},
                            {TRANSFORM_KE, KE_CURVE25519, 0, false}};
    struct proposal p = {
        .number = 1, .protocol = PROTOCOL_IKE, .transforms = t, .transform_count = 3};
    struct message_writer m = wire_begin(&w, &h);
    struct gap g;
    if (cookie.len > 0) {
        g = wire_open_payload(&m, PAYLOAD_NOTIFY, false);
        wire_write_notify(&w, &(struct notify){.type = NOTIFY_COOKIE, .data = cookie});
        wire_close_payload(&m, g);
    }
    g = wire_open_payload(&m, PAYLOAD_SA, false);
    wire_write_sa(&w, &(struct proposals){&p, 1});
    wire_close_payload(&m, g);
    for (size_t i = 0; i < sizeof octets; i++)
        octets[i] = (uint8_t)roll(f);
    g = wire_open_payload(&m, PAYLOAD_KE, false);
    wire_write_ke(&w, &(struct ke_payload){KE_CURVE25519, span_of(octets, sizeof octets)});
    wire_close_payload(&m, g);
    g = wire_open_payload(&m, PAYLOAD_NONCE, false);
    wire_write_nonce(&w, span_of(octets, sizeof octets));
    wire_close_payload(&m, g);
    wire_end(&m);
    return w.len;
}

static void ask(struct flood *f, const uint8_t *octets, size_t len, struct address from)
{
    struct datagram d = {at(0, 0, 1), from, false, span_of(octets, len)};
    double begin = bare_cpu_s();
    const struct effects *fx =
        step(f, f->gateway, (struct input){.kind = IN_DATAGRAM, .datagram = d});
    f->cpu_s += bare_cpu_s() - begin;
    f->requests++;
    f->answer_len = 0;
    for (size_t i = 0; i < fx->count; i++)
        if (fx->at[i].kind == FX_SEND && fx->at[i].send.bytes.len <= sizeof f->answer) {
            f->answer_len = fx->at[i].send.bytes.len;
            memcpy(f->answer, fx->at[i].send.bytes.at, f->answer_len);
        }
}

static void ask_stranger(struct flood *f, unsigned addresses, bool returns_cookies)
{
    uint8_t octets[OCTETS_MAX], cookie[64];
    unsigned who = roll(f) % addresses;
    struct address from = at(1, (uint8_t)(who >> 8), (uint8_t)who);
    uint64_t before = f->dice;
    size_t len = stranger(f, octets, (struct span){NULL, 0});
    ask(f, octets, len, from);
    struct message m;
    struct wire_error error;
    struct notify n;
    if (!returns_cookies || f->answer_len == 0 ||
        !wire_parse_message(span_of(f->answer, f->answer_len), &m, &error) ||
        !wire_find_notify(&m, NOTIFY_COOKIE, &n) || n.data.len > sizeof cookie)
        return;
    memcpy(cookie, n.data.at, n.data.len);
    f->dice = before;
    len = stranger(f, octets, span_of(cookie, n.data.len));
    ask(f, octets, len, from);
}

/* From the command to the tunnel, and its end on both sides. */
static bool handshake(struct flood *f)
{
    struct address here = at(9, 9, 9), there = at(0, 0, 1);
    uint8_t octets[OCTETS_MAX];
    bool to_client = false, is_up = false;
    const struct effects *fx =
        step(f, f->client,
             (struct input){.kind = IN_COMMAND,
                            .command = {.kind = CMD_INITIATE, .conn_name = "c", .ticket = 1}});
    for (unsigned turn = 0; turn < 20; turn++) {
        uint64_t asked = 0;
        size_t len = 0;
        for (size_t i = 0; i < fx->count; i++) {
            const struct effect *x = &fx->at[i];
            if (x->kind == FX_ASK)
                asked = x->ask.ticket;
            if (x->kind == FX_SEND && x->send.bytes.len <= sizeof octets) {
                len = x->send.bytes.len;
                memcpy(octets, x->send.bytes.at, len);
            }
            is_up |= x->kind == FX_EVENT && x->event.kind == EVENT_CHILD_UP && to_client;
        }
        if (asked != 0) {
            fx = step(f, f->client,
                      (struct input){
                          .kind = IN_ANSWER,
                          .answer = {.ticket = asked, .ok = true, .local = here, .remote = there}});
            to_client = true;
            continue;
        }
        if (len == 0)
            break;
        struct datagram d = {to_client ? there : here, to_client ? here : there, false,
                             span_of(octets, len)};
        fx = step(f, to_client ? f->gateway : f->client,
                  (struct input){.kind = IN_DATAGRAM, .datagram = d});
        to_client = !to_client;
    }
    struct engine *both[] = {f->client, f->gateway};
    for (unsigned i = 0; i < 2; i++)
        step(f, both[i],
             (struct input){
                 .kind = IN_COMMAND,
                 .command = {.kind = CMD_TERMINATE, .conn_name = "c", .is_forced = true}});
    return is_up;
}

static bool run(struct flood *f, unsigned addresses, bool returns_cookies)
{
    struct engine_options o = {.seed = {1}};
    *f = (struct flood){.now = {1000000000}, .wall_s = 1700000000, .dice = addresses};
    f->gateway = engine_new(&o);
    o.seed[0] = 2;
    f->client = engine_new(&o);
    bool ok = f->gateway != NULL && f->client != NULL &&
              load(f, f->gateway, "%any", "gw.example") &&
              load(f, f->client, "10.0.0.1", "c.example");
    for (unsigned i = 0; ok && i < 100; i++) /* tables grow to their size */
        ok = handshake(f);
    f->before = f->most = heap_in_use();
    for (unsigned i = 0; ok && i < SECONDS * PER_S; i++) {
        ask_stranger(f, addresses, returns_cookies);
        if (i % (PER_S / 1000) == 0)
            f->now = instant_after_ms(f->now, 1);
        if (i % PER_S == 0)
            f->wall_s++;
        if (i % GOOD_EVERY == 0) {
            size_t heap = heap_in_use();
            f->most = heap > f->most ? heap : f->most;
            f->tried++;
            f->good += handshake(f);
        }
    }
    for (unsigned i = 0; ok && i < 300;
         i++) { /* time-outs, farewells, a thousand at most in one step */
        f->now = instant_after_s(f->now, 1);
        f->wall_s++;
        step(f, f->gateway, (struct input){.kind = IN_TIME});
    }
    f->after = heap_in_use();
    engine_free(f->gateway);
    engine_free(f->client);
    return ok;
}

json_t *bench_flood(FILE *table)
{
    static const struct {
        const char *name;
        unsigned addresses;
        bool returns_cookies;
    } cases[] = {{"from one address", 1, false},
                 {"from 500 addresses", 500, false},
                 {"from 500 addresses, cookies returned", 500, true}};
    json_t *rows = json_array();
    double worst = 100;
    if (table != NULL)
        fprintf(table, "flood: %d IKE_SA_INIT a second for %d s, a good handshake every 10 ms\n",
                PER_S, SECONDS);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct flood *f = malloc(sizeof *f);
        if (f == NULL || !run(f, cases[i].addresses, cases[i].returns_cookies)) {
            fprintf(stderr, "bench flood: the handshakes do not work without a flood either\n");
            free(f);
            json_decref(rows);
            return NULL;
        }
        double share = 100.0 * (double)f->good / (double)f->tried;
        double us = f->cpu_s / (double)f->requests * 1e6;
        long long grown = (long long)f->most - (long long)f->before,
                  left = (long long)f->after - (long long)f->before;
        worst = share < worst ? share : worst;
        json_array_append_new(rows, json_pack("{s:s, s:f, s:I, s:f, s:I, s:I}", "case",
                                              cases[i].name, "good_handshakes_percent", share,
                                              "requests", (json_int_t)f->requests, "us_per_request",
                                              us, "octets_more_at_most", (json_int_t)grown,
                                              "octets_more_afterwards", (json_int_t)left));
        if (table != NULL)
            fprintf(table,
                    "  %-38s good handshakes %6.2f %%   %6.2f us a request   memory %+lld at "
                    "most, %+lld afterwards\n",
                    cases[i].name, share, us, grown, left);
        free(f);
    }
    return json_pack("{s:s, s:f, s:s, s:f, s:f, s:o}", "name", "flood", "value", worst, "unit",
                     "% of the good handshakes", "limit", 100.0, "share", worst / 100, "cases",
                     rows);
}
