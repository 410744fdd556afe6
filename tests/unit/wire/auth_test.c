#include "octets.h"

static bool parses(struct span body)
{
    struct auth_payload auth;
    return wire_parse_auth(body, &auth);
}

static void method_and_data_survive_the_round_trip(void **state)
{
    (void)state;
    struct span body = OCTETS(AUTH_METHOD_SHARED_KEY_MIC, 0, 0, 0, 5, 6, 7);
    struct auth_payload auth;
    assert_true(wire_parse_auth(body, &auth));
    assert_int_equal(auth.method, AUTH_METHOD_SHARED_KEY_MIC);
    assert_octets(auth.data, OCTETS(5, 6, 7));

    uint8_t room[7];
    struct writer w = writer_of(room, sizeof room);
    wire_write_auth(&w, &auth);
    assert_octets(writer_span(&w), body);
}

static void the_reserved_octets_are_ignored(void **state)
{
    (void)state;
    struct auth_payload auth;
    assert_true(wire_parse_auth(OCTETS(AUTH_METHOD_DIGITAL_SIGNATURE, 9, 9, 9, 1), &auth));
    assert_octets(auth.data, OCTETS(1));
}

static void a_body_without_its_fixed_fields_is_refused(void **state)
{
    (void)state;
    assert_cuts(OCTETS(AUTH_METHOD_NULL, 0, 0, 0, 1), 4, parses);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(method_and_data_survive_the_round_trip),
        cmocka_unit_test(the_reserved_octets_are_ignored),
        cmocka_unit_test(a_body_without_its_fixed_fields_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
