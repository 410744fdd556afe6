#include "octets.h"

static void a_nonce_has_16_to_256_octets(void **state)
{
    (void)state;
    uint8_t octets[300] = {1};
    struct span nonce;
    for (size_t n = 0; n <= sizeof octets; n++)
        assert_int_equal(wire_parse_nonce(span_of(octets, n), &nonce), n >= 16 && n <= 256);
}

static void a_nonce_survives_the_round_trip(void **state)
{
    (void)state;
    uint8_t octets[32] = {1, 2, 3}, room[32];
    struct span nonce;
    assert_true(wire_parse_nonce(span_of(octets, sizeof octets), &nonce));
    struct writer w = writer_of(room, sizeof room);
    wire_write_nonce(&w, nonce);
    assert_octets(writer_span(&w), span_of(octets, sizeof octets));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_nonce_has_16_to_256_octets),
        cmocka_unit_test(a_nonce_survives_the_round_trip),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
