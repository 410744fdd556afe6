#include "octets.h"

static void any_octets_survive_the_round_trip(void **state)
{
    (void)state;
    struct span id;
    assert_true(wire_parse_vendor(OCTETS(0xfb, 0x1d, 0xe3), &id));
    uint8_t room[3];
    struct writer w = writer_of(room, sizeof room);
    wire_write_vendor(&w, id);
    assert_octets(writer_span(&w), OCTETS(0xfb, 0x1d, 0xe3));
}

static void an_empty_vendor_id_is_read(void **state)
{
    (void)state;
    struct span id;
    assert_true(wire_parse_vendor(span_of("", 0), &id));
    assert_int_equal(id.len, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(any_octets_survive_the_round_trip),
        cmocka_unit_test(an_empty_vendor_id_is_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
