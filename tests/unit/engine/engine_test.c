/* The seam itself: SPIs that name their worker, effects and records and who owns them, what is
 * decided before any SA. What two engines say to each other is in tests/scenario. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "engine/inside.h"

static const char config[] = "connections {\n"
                             "  a {\n"
                             "    version = 2\n"
                             "    mobike = no\n"
                             "    fragmentation = no\n"
                             "    remote_addrs = 192.0.2.2\n"
                             "    proposals = aes128gcm16-prfsha256-x25519\n"
                             "    local {\n"
                             "      auth = psk\n"
                             "    }\n"
                             "    remote {\n"
                             "      auth = psk\n"
                             "    }\n"
                             "    children {\n"
                             "      net {\n"
                             "        esp_proposals = aes128gcm16\n"
                             "        local_ts = 10.1.0.0/16\n"
                             "        remote_ts = 10.2.0.0/16\n"
                             "      }\n"
                             "    }\n"
                             "  }\n"
                             "}\n";

static struct instant now = {1000000000};

static const struct effects *step(struct engine *e, struct input in)
{
    in.now = now;
    in.wall_s = 1700000000;
    return engine_step(e, &in);
}

static struct engine *make(struct engine_options o)
{
    struct arena a;
    struct section *root = NULL;
    struct finding why;
    struct config c = {0};
    struct engine *e = engine_new(&o);
    assert_non_null(e);
    assert_true(arena_init(&a));
    struct findings found = {.arena = &a};
    assert_true(settings_parse_text(span_text(config), "test", NULL, &a, &root, &why));
    assert_true(policy_config_read(root, &a, &c, &found));
    for (size_t i = 0; i < c.conn_count; i++)
        step(e, (struct input){.kind = IN_COMMAND,
                               .command = {.kind = CMD_LOAD_CONN, .conn = c.conns[i]}});
    policy_config_clear(&c);
    arena_clear(&a);
    return e;
}

static struct address at(uint8_t last, uint16_t port)
{
    return (struct address){.bytes = {192, 0, 2, last}, .port = port, .family = FAMILY_V4};
}

/* The first effect of a kind, or NULL. */
static const struct effect *find(const struct effects *fx, enum effect_kind kind)
{
    for (size_t i = 0; i < fx->count; i++)
        if (fx->at[i].kind == kind)
            return &fx->at[i];
    return NULL;
}

static const struct event *find_event(const struct effects *fx, enum event_kind kind)
{
    for (size_t i = 0; i < fx->count; i++)
        if (fx->at[i].kind == FX_EVENT && fx->at[i].event.kind == kind)
            return &fx->at[i].event;
    return NULL;
}

static const struct effects *initiate(struct engine *e)
{
    const struct effects *fx =
        step(e, (struct input){.kind = IN_COMMAND,
                               .command = {.kind = CMD_INITIATE, .ticket = 1, .conn_name = "a"}});
    const struct effect *ask = find(fx, FX_ASK);
    assert_non_null(ask);
    assert_int_equal(ask->ask.remote_port, 500);
    return step(e, (struct input){.kind = IN_ANSWER,
                                  .answer = {.ticket = ask->ask.ticket,
                                             .ok = true,
                                             .local = at(1, 500),
                                             .remote = at(2, 500)}});
}

static void the_first_octet_of_every_spi_is_the_worker(void **state)
{
    (void)state;
    for (unsigned worker = 0; worker < 256; worker += 51) {
        struct engine *e = make((struct engine_options){.worker = (uint8_t)worker});
        for (unsigned i = 0; i < 50; i++) {
            assert_int_equal(world_new_ike_spi(&e->world) >> 56, worker);
            uint32_t spi = world_new_esp_spi(&e->world, (struct ike_sa *)e);
            assert_int_equal(spi >> 24, worker);
            assert_true(spi > 255);
            world_free_esp_spi(&e->world, spi);
        }
        const struct effect *sent = find(initiate(e), FX_SEND);
        assert_non_null(sent);
        assert_int_equal(sent->send.bytes.at[0], worker);
        engine_free(e);
    }
}

static void a_step_says_when_it_wants_to_be_called(void **state)
{
    struct engine *e = make((struct engine_options){0});
    (void)state;
    const struct effects *fx = initiate(e);
    const struct effect *wake = find(fx, FX_WAKE);
    assert_non_null(wake);
    assert_int_equal(instant_ms_between(now, wake->wake), 4000);
    assert_ptr_equal(wake, &fx->at[fx->count - 1]);
    engine_free(e);
}

static void nothing_to_wait_for_means_no_wake(void **state)
{
    struct engine *e = make((struct engine_options){0});
    (void)state;
    assert_null(find(step(e, (struct input){.kind = IN_TIME}), FX_WAKE));
    engine_free(e);
}

static void a_record_is_the_callers_when_taken_and_freed_when_not(void **state)
{
    struct engine *e = make((struct engine_options){0});
    (void)state;
    initiate(e);
    const struct effects *fx =
        step(e, (struct input){.kind = IN_COMMAND,
                               .command = {.kind = CMD_TERMINATE, .ticket = 2, .conn_name = "a"}});
    const struct event *event = find_event(fx, EVENT_RECORD);
    assert_non_null(event);
    struct record *r = engine_take_record(e, event);
    assert_ptr_equal(r, event->record);
    assert_null(engine_take_record(e, event)); /* once */
    step(e, (struct input){.kind = IN_TIME});
    assert_string_equal(r->conn, "a");
    record_free(r);
    initiate(e);
    step(e, (struct input){.kind = IN_COMMAND,
                           .command = {.kind = CMD_TERMINATE, .ticket = 4, .conn_name = "a"}});
    engine_free(e); /* and with it the record that nobody took: the leak checker looks */
}

static void strangers_make_no_more_records_than_allowed(void **state)
{
    struct engine *e = make((struct engine_options){.records_per_s = 3});
    uint8_t octets[28] = {1, 1, 1, 1, 1, 1, 1, 1, [17] = 0x10, [18] = 2, [27] = 28};
    unsigned records = 0;
    (void)state;
    for (unsigned i = 0; i < 100; i++) {
        octets[0] = (uint8_t)(i + 1);
        struct datagram d = {
            .local = at(1, 500), .remote = at(2, 500), .bytes = span_of(octets, sizeof octets)};
        const struct effects *fx = step(e, (struct input){.kind = IN_DATAGRAM, .datagram = d});
        records += find_event(fx, EVENT_RECORD) != NULL;
    }
    assert_int_equal(records, 3);
    struct engine_counters c;
    engine_counters(e, &c);
    assert_int_equal(c.dropped, 100);
    assert_int_equal(c.ike_sas, 0);
    engine_free(e);
}

static void answers_to_unknown_spis_are_limited(void **state)
{
    struct engine *e = make((struct engine_options){.records_per_s = 3});
    uint8_t octets[28] = {1, 1, 1, 1, 1, 1, 1,    1,  2, 2,        2,
                          2, 2, 2, 2, 2, 0, 0x20, 37, 8, [27] = 28};
    unsigned sent = 0;
    (void)state;
    for (unsigned i = 0; i < 100; i++) {
        struct datagram d = {
            .local = at(1, 500), .remote = at(2, 500), .bytes = span_of(octets, sizeof octets)};
        const struct effects *fx = step(e, (struct input){.kind = IN_DATAGRAM, .datagram = d});
        const struct effect *answer = find(fx, FX_SEND);
        if (answer != NULL) {
            sent++;
            /* RFC 7296 2.21.4: response, our side of the SPIs, INVALID_IKE_SPI in clear */
            assert_int_equal(answer->send.bytes.len, 36);
            assert_int_equal(answer->send.bytes.at[19], IKE_FLAG_RESPONSE);
            assert_int_equal(answer->send.bytes.at[35], NOTIFY_INVALID_IKE_SPI);
        }
    }
    assert_int_equal(sent, 3);
    engine_free(e);
}

/* RFC 7296 2.21.4: a response that belongs to nothing is never answered. */
static void a_response_for_nobody_is_dropped_in_silence(void **state)
{
    struct engine *e = make((struct engine_options){0});
    uint8_t octets[28] = {1, 1, 1, 1, 1, 1, 1,    1,  2,    2,        2,
                          2, 2, 2, 2, 2, 0, 0x20, 37, 0x28, [27] = 28};
    (void)state;
    for (unsigned exchange = 0; exchange < 256; exchange++) {
        octets[18] = (uint8_t)exchange;
        struct datagram d = {
            .local = at(1, 500), .remote = at(2, 500), .bytes = span_of(octets, sizeof octets)};
        assert_int_equal(step(e, (struct input){.kind = IN_DATAGRAM, .datagram = d})->count, 0);
    }
    engine_free(e);
}

static void stale_numbers_find_nothing(void **state)
{
    struct engine *e = make((struct engine_options){0});
    (void)state;
    assert_int_equal(step(e, (struct input){.kind = IN_ANSWER, .answer = {.ticket = 77}})->count,
                     0);
    for (int kind = DP_SOFT_LIFETIME; kind <= DP_FAULT; kind++)
        assert_int_equal(step(e, (struct input){.kind = IN_DATAPLANE,
                                                .dataplane = {.kind = (enum dataplane_kind)kind,
                                                              .child_id = 77}})
                             ->count,
                         0);
    struct path_error error = {
        .local = at(1, 500), .remote = at(2, 500), .what = "", .is_fatal_hint = true};
    assert_int_equal(step(e, (struct input){.kind = IN_PATH_ERROR, .path_error = error})->count, 0);
    engine_free(e);
}

static void every_command_has_an_outcome(void **state)
{
    struct engine *e = make((struct engine_options){0});
    (void)state;
    for (int kind = CMD_LOAD_CONN; kind <= CMD_SHUTDOWN; kind++) {
        const struct effects *fx =
            step(e, (struct input){.kind = IN_COMMAND,
                                   .command = {.kind = (enum command_kind)kind,
                                               .ticket = 10 + (uint64_t)kind,
                                               .conn_name = "nothing of this name"}});
        const struct event *done = find_event(fx, EVENT_COMMAND_DONE);
        assert_non_null(done);
        assert_int_equal(done->ticket, 10 + kind);
        assert_int_equal(done->ok, kind == CMD_SHUTDOWN);
        assert_int_equal(done->finding != NULL, kind != CMD_SHUTDOWN);
    }
    engine_free(e);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_octet_of_every_spi_is_the_worker),
        cmocka_unit_test(a_step_says_when_it_wants_to_be_called),
        cmocka_unit_test(nothing_to_wait_for_means_no_wake),
        cmocka_unit_test(a_record_is_the_callers_when_taken_and_freed_when_not),
        cmocka_unit_test(strangers_make_no_more_records_than_allowed),
        cmocka_unit_test(answers_to_unknown_spis_are_limited),
        cmocka_unit_test(a_response_for_nobody_is_dropped_in_silence),
        cmocka_unit_test(stale_numbers_find_nothing),
        cmocka_unit_test(every_command_has_an_outcome),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
