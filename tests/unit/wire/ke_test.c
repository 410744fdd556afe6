#include "octets.h"

static bool parses(struct span body)
{
    struct ke_payload ke;
    return wire_parse_ke(body, &ke);
}

static void group_and_value_survive_the_round_trip(void **state)
{
    (void)state;
    struct span body = OCTETS(0, 31, 0, 0, 1, 2, 3, 4);
    struct ke_payload ke;
    assert_true(wire_parse_ke(body, &ke));
    assert_int_equal(ke.group, KE_CURVE25519);
    assert_octets(ke.value, OCTETS(1, 2, 3, 4));

    uint8_t room[8];
    struct writer w = writer_of(room, sizeof room);
    wire_write_ke(&w, &ke);
    assert_false(w.full);
    assert_octets(writer_span(&w), body);
}

static void the_reserved_field_is_ignored(void **state)
{
    (void)state;
    struct ke_payload ke;
    assert_true(wire_parse_ke(OCTETS(0, 14, 0xff, 0xff, 9), &ke));
    assert_int_equal(ke.group, KE_MODP_2048);
    assert_octets(ke.value, OCTETS(9));
}

static void a_body_without_its_fixed_fields_is_refused(void **state)
{
    (void)state;
    assert_cuts(OCTETS(0, 31, 0, 0, 1, 2), 4, parses);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(group_and_value_survive_the_round_trip),
        cmocka_unit_test(the_reserved_field_is_ignored),
        cmocka_unit_test(a_body_without_its_fixed_fields_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
