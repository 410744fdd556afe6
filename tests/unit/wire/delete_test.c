#include "octets.h"

static bool parses(struct span body)
{
    struct delete_payload d;
    return wire_parse_delete(body, &d);
}

static void spis_survive_the_round_trip(void **state)
{
    (void)state;
    struct span body = OCTETS(PROTOCOL_ESP, 4, 0, 2, 0, 0, 0, 7, 0xff, 0, 0, 8);
    struct delete_payload d;
    assert_true(wire_parse_delete(body, &d));
    assert_int_equal(d.spi_count, 2);
    assert_int_equal(wire_delete_spi(&d, 0), 7);
    assert_int_equal(wire_delete_spi(&d, 1), 0xff000008);
    assert_int_equal(wire_delete_spi(&d, 2), 0);

    uint8_t room[12];
    struct writer w = writer_of(room, sizeof room);
    wire_write_delete(&w, &d);
    assert_octets(writer_span(&w), body);
}

static void an_ike_sa_is_deleted_without_an_spi(void **state)
{
    (void)state;
    struct delete_payload d;
    assert_true(wire_parse_delete(OCTETS(PROTOCOL_IKE, 0, 0, 0), &d));
    assert_int_equal(d.spis.len, 0);
    assert_int_equal(wire_delete_spi(&d, 0), 0);
    assert_false(parses(OCTETS(PROTOCOL_IKE, 8, 0, 1, 1, 2, 3, 4, 5, 6, 7, 8)));
}

static void an_esp_spi_has_four_octets(void **state)
{
    (void)state;
    assert_false(parses(OCTETS(PROTOCOL_ESP, 0, 0, 1)));
    assert_false(parses(OCTETS(PROTOCOL_ESP, 2, 0, 1, 1, 2)));
    assert_true(parses(OCTETS(PROTOCOL_AH, 4, 0, 1, 1, 2, 3, 4)));
}

static void count_and_length_must_agree(void **state)
{
    (void)state;
    assert_false(parses(OCTETS(PROTOCOL_ESP, 4, 0, 1, 1, 2, 3, 4, 5)));
    assert_false(parses(OCTETS(PROTOCOL_ESP, 4, 0xff, 0xff, 1, 2, 3, 4)));
    assert_cuts(OCTETS(PROTOCOL_ESP, 4, 0, 1, 1, 2, 3, 4), 8, parses);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(spis_survive_the_round_trip),
        cmocka_unit_test(an_ike_sa_is_deleted_without_an_spi),
        cmocka_unit_test(an_esp_spi_has_four_octets),
        cmocka_unit_test(count_and_length_must_agree),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
