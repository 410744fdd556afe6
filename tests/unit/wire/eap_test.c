#include "octets.h"

static bool parses(struct span body)
{
    struct eap_payload eap;
    return wire_parse_eap(body, &eap);
}

static void a_request_survives_the_round_trip(void **state)
{
    (void)state;
    struct span body = OCTETS(EAP_CODE_REQUEST, 7, 0, 7, EAP_TYPE_IDENTITY, 'h', 'i');
    struct eap_payload eap;
    assert_true(wire_parse_eap(body, &eap));
    assert_int_equal(eap.code, EAP_CODE_REQUEST);
    assert_int_equal(eap.id, 7);
    assert_true(eap.has_type);
    assert_int_equal(eap.type, EAP_TYPE_IDENTITY);
    assert_true(span_is(eap.data, "hi"));
    assert_octets(eap.raw, body);

    uint8_t room[7];
    struct writer w = writer_of(room, sizeof room);
    wire_write_eap(&w, &eap);
    assert_octets(writer_span(&w), body);

    eap.raw = (struct span){NULL, 0};
    w = writer_of(room, sizeof room);
    wire_write_eap(&w, &eap);
    assert_octets(writer_span(&w), body);
}

static void success_has_neither_type_nor_data(void **state)
{
    (void)state;
    struct eap_payload eap;
    assert_true(wire_parse_eap(OCTETS(EAP_CODE_SUCCESS, 1, 0, 4), &eap));
    assert_false(eap.has_type);
    assert_false(parses(OCTETS(EAP_CODE_SUCCESS, 1, 0, 5, 1)));
    assert_false(parses(OCTETS(EAP_CODE_FAILURE, 1, 0, 5, 1)));
}

static void the_length_must_be_the_bodys(void **state)
{
    (void)state;
    assert_false(parses(OCTETS(EAP_CODE_REQUEST, 1, 0, 5, 1, 2)));
    assert_false(parses(OCTETS(EAP_CODE_REQUEST, 1, 0, 7, 1, 2)));
    assert_cuts(OCTETS(EAP_CODE_RESPONSE, 1, 0, 7, 1, 2, 3), 7, parses);
}

static void a_request_without_a_type_is_refused(void **state)
{
    (void)state;
    assert_false(parses(OCTETS(EAP_CODE_REQUEST, 1, 0, 4)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_request_survives_the_round_trip),
        cmocka_unit_test(success_has_neither_type_nor_data),
        cmocka_unit_test(the_length_must_be_the_bodys),
        cmocka_unit_test(a_request_without_a_type_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
