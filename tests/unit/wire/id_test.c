#include "octets.h"

static bool parses(struct span body)
{
    struct id_payload id;
    return wire_parse_id(body, &id);
}

static void type_and_data_survive_the_round_trip(void **state)
{
    (void)state;
    struct span body = OCTETS(ID_FQDN, 0, 0, 0, 'm', 'o', 'o', 'n');
    struct id_payload id;
    assert_true(wire_parse_id(body, &id));
    assert_int_equal(id.type, ID_FQDN);
    assert_true(span_is(id.data, "moon"));

    uint8_t room[8];
    struct writer w = writer_of(room, sizeof room);
    wire_write_id(&w, &id);
    assert_octets(writer_span(&w), body);
}

static void the_reserved_octets_are_ignored(void **state)
{
    (void)state;
    struct id_payload id;
    assert_true(wire_parse_id(OCTETS(ID_KEY_ID, 1, 2, 3, 7), &id));
    assert_octets(id.data, OCTETS(7));
}

static void an_empty_identity_is_read(void **state) /* ID_NULL, RFC 7619 */
{
    (void)state;
    struct id_payload id;
    assert_true(wire_parse_id(OCTETS(ID_NULL, 0, 0, 0), &id));
    assert_int_equal(id.data.len, 0);
}

static void a_body_without_its_fixed_fields_is_refused(void **state)
{
    (void)state;
    assert_cuts(OCTETS(ID_IPV4_ADDR, 0, 0, 0, 192, 0, 2, 1), 4, parses);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(type_and_data_survive_the_round_trip),
        cmocka_unit_test(the_reserved_octets_are_ignored),
        cmocka_unit_test(an_empty_identity_is_read),
        cmocka_unit_test(a_body_without_its_fixed_fields_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
