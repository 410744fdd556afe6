#include "octets.h"

static bool parses(struct span body)
{
    struct arena a = new_arena();
    struct cfg cfg;
    bool ok = wire_parse_cp(body, &a, &cfg);
    arena_clear(&a);
    return ok;
}

static void attributes_survive_the_round_trip(void **state)
{
    (void)state;
    struct span body = OCTETS(CFG_REPLY, 0, 0, 0, 0, 1, 0, 4, 10, 0, 0, 1, 0, 3, 0, 0);
    struct arena a = new_arena();
    struct cfg cfg;
    assert_true(wire_parse_cp(body, &a, &cfg));
    assert_int_equal(cfg.type, CFG_REPLY);
    assert_int_equal(cfg.count, 2);
    assert_int_equal(cfg.attributes[0].type, CFG_INTERNAL_IP4_ADDRESS);
    assert_octets(cfg.attributes[0].value, OCTETS(10, 0, 0, 1));
    assert_int_equal(cfg.attributes[1].type, CFG_INTERNAL_IP4_DNS);
    assert_int_equal(cfg.attributes[1].value.len, 0);

    uint8_t room[16];
    struct writer w = writer_of(room, sizeof room);
    wire_write_cp(&w, &cfg);
    assert_false(w.full);
    assert_octets(writer_span(&w), body);
    arena_clear(&a);
}

static void the_reserved_bit_of_an_attribute_is_ignored(void **state)
{
    (void)state;
    struct arena a = new_arena();
    struct cfg cfg;
    assert_true(wire_parse_cp(OCTETS(CFG_REQUEST, 1, 1, 1, 0x80, 1, 0, 0), &a, &cfg));
    assert_int_equal(cfg.attributes[0].type, CFG_INTERNAL_IP4_ADDRESS);
    arena_clear(&a);
}

static void a_payload_without_attributes_is_read(void **state)
{
    (void)state;
    assert_true(parses(OCTETS(CFG_ACK, 0, 0, 0)));
}

static void a_cut_inside_an_attribute_is_refused(void **state)
{
    (void)state;
    struct span body = OCTETS(CFG_REPLY, 0, 0, 0, 0, 1, 0, 4, 10, 0, 0, 1);
    for (size_t n = 0; n <= body.len; n++) {
        struct span cut = heap_copy(body, n);
        assert_int_equal(parses(cut), n == 4 || n == body.len);
        heap_free(cut);
    }
}

static void a_value_that_no_length_can_say_makes_the_writer_full(void **state)
{
    (void)state;
    static uint8_t room[70000], value[65536];
    struct cfg_attribute attribute = {CFG_APPLICATION_VERSION, span_of(value, sizeof value)};
    struct cfg cfg = {CFG_REPLY, &attribute, 1};
    struct writer w = writer_of(room, sizeof room);
    wire_write_cp(&w, &cfg);
    assert_true(w.full);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(attributes_survive_the_round_trip),
        cmocka_unit_test(the_reserved_bit_of_an_attribute_is_ignored),
        cmocka_unit_test(a_payload_without_attributes_is_read),
        cmocka_unit_test(a_cut_inside_an_attribute_is_refused),
        cmocka_unit_test(a_value_that_no_length_can_say_makes_the_writer_full),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
