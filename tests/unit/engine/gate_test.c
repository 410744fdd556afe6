/* The gate under a flood: strangers cost neither state nor the good peers' handshakes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "engine/inside.h"

enum { PER_S = 20000, GOOD_EVERY = 100, OCTETS_MAX = 4096 };

static struct engine *gate, *client;
static struct instant now;
static int64_t wall_s;
static uint32_t dice;

/* What the gate sent last in this step, and to whom. */
static uint8_t answer[OCTETS_MAX];
static size_t answer_len;

static uint32_t roll(void)
{
    dice = dice * 1664525u + 1013904223u;
    return dice >> 8;
}

static struct address at(uint8_t a, uint8_t b, uint8_t c, uint16_t port)
{
    return (struct address){.bytes = {10, a, b, c}, .port = port, .family = FAMILY_V4};
}

static const struct effects *step(struct engine *e, struct input in)
{
    in.now = now;
    in.wall_s = wall_s;
    return engine_step(e, &in);
}

static void load(struct engine *e, const char *remote, const char *id, const char *remote_id)
{
    char text[1024];
    struct arena a;
    struct section *root = NULL;
    struct finding why;
    struct config config = {0};
    snprintf(text, sizeof text,
             "connections {\nc {\nversion = 2\nmobike = no\nfragmentation = no\nremote_addrs = %s\n"
             "proposals = aes128gcm16-prfsha256-x25519\nlocal {\nauth = psk\nid = %s\n}\n"
             "remote {\nauth = psk\nid = %s\n}\nchildren {\nn {\nesp_proposals = aes128gcm16\n"
             "local_ts = 10.0.0.0/8\nremote_ts = 10.0.0.0/8\n}\n}\n}\n}\n"
             "secrets {\nike-a {\nsecret = a secret that is long enough\n}\n}\n",
             remote, id, remote_id);
    assert_true(arena_init(&a));
    struct findings found = {.arena = &a};
    assert_true(settings_parse_text(span_text(text), "test", NULL, &a, &root, &why));
    assert_true(policy_config_read(root, &a, &config, &found));
    step(e, (struct input){.kind = IN_COMMAND,
                           .command = {.kind = CMD_LOAD_CONN, .conn = config.conns[0]}});
    step(e, (struct input){.kind = IN_COMMAND,
                           .command = {.kind = CMD_LOAD_PSK, .psk = config.psks[0]}});
    policy_config_clear(&config);
    arena_clear(&a);
}

static void begin(struct engine_options o)
{
    now = (struct instant){0};
    now = instant_after_s(now, 1000);
    wall_s = 1700000000;
    dice = 7;
    gate = engine_new(&o);
    o = (struct engine_options){.seed = {9}};
    client = engine_new(&o);
    assert_non_null(gate);
    assert_non_null(client);
    load(gate, "%any", "gate.example", "%any");
    load(client, "10.0.0.1", "client.example", "gate.example");
}

static void end(void)
{
    engine_free(gate);
    engine_free(client);
}

/* A well-formed IKE_SA_INIT request of nobody. cookie may be empty. */
static size_t stranger(uint8_t *out, struct span cookie)
{
    struct writer w = writer_of(out, OCTETS_MAX);
    uint8_t octets[32];
    struct ike_header h = {.spi_i = ((uint64_t)roll() << 32 | roll()) | 1,
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
        octets[i] = (uint8_t)roll();
    g = wire_open_payload(&m, PAYLOAD_KE, false);
    wire_write_ke(&w, &(struct ke_payload){KE_CURVE25519, span_of(octets, sizeof octets)});
    wire_close_payload(&m, g);
    g = wire_open_payload(&m, PAYLOAD_NONCE, false);
    wire_write_nonce(&w, span_of(octets, sizeof octets));
    wire_close_payload(&m, g);
    wire_end(&m);
    assert_false(w.full);
    return w.len;
}

static void ask(const uint8_t *octets, size_t len, struct address from)
{
    struct datagram d = {at(0, 0, 1, 500), from, false, span_of(octets, len)};
    d.local.bytes[0] = 10;
    const struct effects *fx = step(gate, (struct input){.kind = IN_DATAGRAM, .datagram = d});
    answer_len = 0;
    for (size_t i = 0; i < fx->count; i++)
        if (fx->at[i].kind == FX_SEND && fx->at[i].send.bytes.len <= sizeof answer) {
            answer_len = fx->at[i].send.bytes.len;
            memcpy(answer, fx->at[i].send.bytes.at, answer_len);
        }
}

static bool got_cookie(struct span *cookie)
{
    struct message m;
    struct wire_error error;
    struct notify n;
    if (answer_len == 0 || !wire_parse_message(span_of(answer, answer_len), &m, &error) ||
        !wire_find_notify(&m, NOTIFY_COOKIE, &n))
        return false;
    *cookie = n.data;
    return true;
}

/* One handshake of the client from this port; it is closed again. Returns whether it came up. */
static bool handshake(uint16_t port)
{
    struct address here = at(9, 9, 9, port), there = at(0, 0, 1, 500);
    uint8_t octets[OCTETS_MAX];
    size_t len = 0;
    bool to_client = false, is_up = false;
    const struct effects *fx = step(
        client, (struct input){.kind = IN_COMMAND,
                               .command = {.kind = CMD_INITIATE, .conn_name = "c", .ticket = 1}});
    for (unsigned turn = 0; turn < 20; turn++) {
        uint64_t asked = 0;
        len = 0;
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
            fx = step(client,
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
        fx = step(to_client ? gate : client, (struct input){.kind = IN_DATAGRAM, .datagram = d});
        to_client = !to_client;
    }
    struct engine *both[] = {client, gate};
    for (unsigned i = 0; i < 2; i++)
        step(both[i], (struct input){
                          .kind = IN_COMMAND,
                          .command = {.kind = CMD_TERMINATE, .conn_name = "c", .is_forced = true}});
    return is_up;
}

static void pass(int64_t ms)
{
    int64_t before = instant_ms_between((struct instant){0}, now) / 1000;
    now = instant_after_ms(now, ms);
    wall_s += instant_ms_between((struct instant){0}, now) / 1000 - before;
}

/* 20,000 a second for three seconds; every 100th moment a good handshake. */
static void flood(unsigned addresses, unsigned *good, unsigned *tried)
{
    uint8_t octets[OCTETS_MAX];
    *good = *tried = 0;
    for (unsigned i = 0; i < 3 * PER_S; i++) {
        unsigned who = roll() % addresses;
        size_t len = stranger(octets, (struct span){NULL, 0});
        ask(octets, len, at(1, (uint8_t)(who >> 8), (uint8_t)who, 500));
        if (i % (PER_S / 1000) == 0)
            pass(1);
        if (i % (GOOD_EVERY * 5) == 0) {
            (*tried)++;
            *good += handshake((uint16_t)(1000 + *tried % 50));
        }
    }
}

static void good_handshakes_succeed_in_a_flood(void **state)
{
    (void)state;
    for (unsigned addresses = 1; addresses <= 500; addresses += 499) {
        unsigned good, tried;
        struct engine_counters c;
        begin((struct engine_options){0});
        flood(addresses, &good, &tried);
        assert_int_equal(tried, 120);
        assert_int_equal(good, tried);
        engine_counters(gate, &c);
        assert_true(c.half_open <= 30); /* cookie_threshold */
        assert_true(c.cookies_sent >= 3 * PER_S - 30);
        assert_int_equal(c.ike_sas, 0);
        for (unsigned i = 0; i < 40; i++) { /* and nothing stays */
            pass(1000);
            step(gate, (struct input){.kind = IN_TIME});
        }
        engine_counters(gate, &c);
        assert_int_equal(c.half_open, 0);
        assert_int_equal(gate->world.by_address.count, 0);
        end();
    }
}

/* From the third half-open SA of an address on; the rest of the world is not asked. */
static void one_address_is_asked_before_all_are(void **state)
{
    uint8_t octets[OCTETS_MAX];
    struct span cookie;
    (void)state;
    begin((struct engine_options){0});
    for (unsigned i = 0; i < 5; i++) {
        size_t len = stranger(octets, (struct span){NULL, 0});
        ask(octets, len, at(1, 2, 3, (uint16_t)(500 + i)));
        assert_int_equal(got_cookie(&cookie), i >= 3);
    }
    size_t len = stranger(octets, (struct span){NULL, 0});
    ask(octets, len, at(1, 2, 4, 500));
    assert_false(got_cookie(&cookie));
    end();
}

/* The same nonce and SPI again, with the cookie that came. */
static bool ask_verified(struct address from)
{
    uint8_t octets[OCTETS_MAX], copy[COOKIE_LEN];
    struct span cookie;
    uint32_t before = dice;
    size_t len = stranger(octets, (struct span){NULL, 0});
    ask(octets, len, from);
    if (!got_cookie(&cookie))
        return answer_len > 0;
    assert_int_equal(cookie.len, COOKIE_LEN);
    memcpy(copy, cookie.at, cookie.len);
    dice = before;
    len = stranger(octets, span_of(copy, sizeof copy));
    ask(octets, len, from);
    return answer_len > 0 && !got_cookie(&cookie);
}

static void a_cookie_is_good_for_its_port_and_for_two_secrets(void **state)
{
    uint8_t octets[OCTETS_MAX], copy[COOKIE_LEN];
    struct span cookie;
    (void)state;
    begin((struct engine_options){.cookie_threshold_ip = 1, .half_open_timeout_s = 3000});
    size_t len = stranger(octets, (struct span){NULL, 0});
    ask(octets, len, at(1, 2, 3, 500));
    uint32_t before = dice;
    for (unsigned age = 0; age < 3; age++) {
        dice = before;
        len = stranger(octets, (struct span){NULL, 0});
        ask(octets, len, at(1, 2, 3, 500));
        assert_true(got_cookie(&cookie));
        memcpy(copy, cookie.at, sizeof copy);
        for (unsigned i = 0; i < age; i++) { /* others ask meanwhile: the secret turns */
            pass(COOKIE_SECRET_S * 1000);
            uint32_t here = dice;
            len = stranger(octets, (struct span){NULL, 0});
            ask(octets, len, at(1, 2, 3, 501));
            dice = here;
        }
        dice = before;
        len = stranger(octets, span_of(copy, sizeof copy));
        ask(octets, len, at(1, 2, 3, 501)); /* another port */
        assert_true(got_cookie(&cookie));
        ask(octets, len, at(1, 2, 3, 500));
        assert_int_equal(got_cookie(&cookie), age == 2);
        before = before * 3 + 1;
    }
    end();
}

static void neighbours_behind_a_nat_do_not_lock_each_other_out(void **state)
{
    struct engine_counters c;
    unsigned served = 0;
    (void)state;
    begin((struct engine_options){0});
    /* 50 clients whose IKE_AUTH is lost again and again: each begins anew five times. */
    for (unsigned i = 0; i < 250; i++)
        served += ask_verified(at(1, 2, 3, (uint16_t)(20000 + i % 50)));
    assert_int_equal(served, 250);
    /* One of them goes mad: its port has an end, the others go on. */
    served = 0;
    for (unsigned i = 0; i < 200; i++)
        served += ask_verified(at(1, 2, 3, 20000));
    assert_true(served <= 5 * 16);
    assert_true(ask_verified(at(1, 2, 4, 500)));
    engine_counters(gate, &c);
    assert_true(c.half_open <= 5 * 64 + 1);
    /* All ports of the host: the oldest make room, but not the youngest. */
    served = 0;
    for (unsigned i = 0; i < 400; i++)
        served += ask_verified(at(1, 2, 3, (uint16_t)(30000 + i)));
    assert_true(served < 100);
    pass(1500);
    assert_true(ask_verified(at(1, 2, 3, 40000)));
    engine_counters(gate, &c);
    assert_true(c.half_open <= 5 * 64 + 1);
    end();
}

static void an_ipv6_prefix_is_one_host(void **state)
{
    uint8_t octets[OCTETS_MAX];
    struct span cookie;
    (void)state;
    begin((struct engine_options){0});
    for (unsigned i = 0; i < 5; i++) {
        struct address from = {.bytes = {0x20, 1, 0xd, 0xb8, 0, 0, 0, 1, (uint8_t)i},
                               .port = 500,
                               .family = FAMILY_V6};
        size_t len = stranger(octets, (struct span){NULL, 0});
        ask(octets, len, from);
        assert_int_equal(got_cookie(&cookie), i >= 3);
    }
    end();
}

static void refusals_beyond_the_records_need_a_cookie(void **state)
{
    uint8_t octets[OCTETS_MAX];
    struct span cookie;
    unsigned refused = 0, cookies = 0;
    (void)state;
    begin((struct engine_options){.records_per_s = 10});
    for (unsigned i = 0; i < 1000; i++) { /* no group of ours: never half-open */
        size_t len = stranger(octets, (struct span){NULL, 0});
        octets[28 + 4 + 8 + 12 + 8 + 7] = 14;
        ask(octets, len, at(1, 2, (uint8_t)i, (uint16_t)i));
        cookies += got_cookie(&cookie);
        refused += answer_len == 36;
    }
    assert_int_equal(refused, 10);
    assert_int_equal(cookies, 990);
    end();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(good_handshakes_succeed_in_a_flood),
        cmocka_unit_test(one_address_is_asked_before_all_are),
        cmocka_unit_test(a_cookie_is_good_for_its_port_and_for_two_secrets),
        cmocka_unit_test(neighbours_behind_a_nat_do_not_lock_each_other_out),
        cmocka_unit_test(an_ipv6_prefix_is_one_host),
        cmocka_unit_test(refusals_beyond_the_records_need_a_cookie),
    };
    return cmocka_run_group_tests_name("gate", tests, NULL, NULL);
}
