#include "octets.h"

static bool parses(struct span body)
{
    struct notify n;
    return wire_parse_notify(body, &n);
}

static void all_fields_survive_the_round_trip(void **state)
{
    (void)state;
    struct span body = OCTETS(PROTOCOL_ESP, 4, 0x40, 0x09, 0xca, 0xfe, 0xba, 0xbe, 1, 2);
    struct notify n;
    assert_true(wire_parse_notify(body, &n));
    assert_int_equal(n.protocol, PROTOCOL_ESP);
    assert_int_equal(n.type, NOTIFY_REKEY_SA);
    assert_octets(n.spi, OCTETS(0xca, 0xfe, 0xba, 0xbe));
    assert_octets(n.data, OCTETS(1, 2));

    uint8_t room[10];
    struct writer w = writer_of(room, sizeof room);
    wire_write_notify(&w, &n);
    assert_octets(writer_span(&w), body);
}

static void a_truncated_notify_is_refused(void **state)
{
    (void)state;
    assert_cuts(OCTETS(PROTOCOL_ESP, 4, 0x40, 0x09, 1, 2, 3, 4, 5), 8, parses);
}

static void an_spi_past_the_end_is_refused(void **state)
{
    (void)state;
    assert_false(parses(OCTETS(PROTOCOL_ESP, 5, 0x40, 0x09, 1, 2, 3, 4)));
    assert_false(parses(OCTETS(PROTOCOL_ESP, 255, 0x40, 0x09, 1, 2, 3, 4)));
}

static void without_an_spi_the_protocol_means_nothing(void **state)
{
    (void)state;
    struct notify n;
    assert_true(wire_parse_notify(OCTETS(PROTOCOL_IKE, 0, 0, 14), &n));
    assert_int_equal(n.protocol, PROTOCOL_NONE);

    n.protocol = PROTOCOL_ESP;
    uint8_t room[4];
    struct writer w = writer_of(room, sizeof room);
    wire_write_notify(&w, &n);
    assert_octets(writer_span(&w), OCTETS(0, 0, 0, 14));
}

static void the_first_notify_of_a_type_that_can_be_read_is_found(void **state)
{
    (void)state;
    struct message m = {.payload_count = 4};
    m.payloads[0] = (struct payload){.type = PAYLOAD_NONCE, .body = OCTETS(0, 0, 0x40, 0x06)};
    m.payloads[1] = (struct payload){.type = PAYLOAD_NOTIFY, .body = OCTETS(0, 9, 0x40, 0x06)};
    m.payloads[2] = (struct payload){.type = PAYLOAD_NOTIFY, .body = OCTETS(0, 0, 0x40, 0x06, 1)};
    m.payloads[3] = (struct payload){.type = PAYLOAD_NOTIFY, .body = OCTETS(0, 0, 0x40, 0x06, 2)};
    struct notify n;
    assert_true(wire_find_notify(&m, NOTIFY_COOKIE, &n));
    assert_octets(n.data, OCTETS(1));
    assert_false(wire_find_notify(&m, NOTIFY_COOKIE2, &n));
}

static void signature_hashes_survive_the_round_trip(void **state)
{
    (void)state;
    const uint16_t ours[] = {HASH_SHA2_256, HASH_SHA2_384, HASH_SHA2_512, HASH_IDENTITY};
    uint8_t room[8];
    struct writer w = writer_of(room, sizeof room);
    wire_write_signature_hashes(&w, ours, 4);
    assert_octets(writer_span(&w), OCTETS(0, 2, 0, 3, 0, 4, 0, 5));

    uint16_t seen[4];
    size_t count;
    assert_true(wire_parse_signature_hashes(writer_span(&w), seen, 4, &count));
    assert_int_equal(count, 4);
    assert_memory_equal(seen, ours, sizeof ours);
}

static void signature_hashes_of_odd_length_are_refused(void **state)
{
    (void)state;
    uint16_t seen[4];
    size_t count;
    assert_false(wire_parse_signature_hashes(OCTETS(0, 2, 0), seen, 4, &count));
    assert_int_equal(count, 0);
}

static void more_signature_hashes_than_asked_for_are_left_out(void **state)
{
    (void)state;
    uint16_t seen[1];
    size_t count;
    assert_true(wire_parse_signature_hashes(OCTETS(0, 2, 0, 3), seen, 1, &count));
    assert_int_equal(count, 1);
    assert_int_equal(seen[0], HASH_SHA2_256);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_fields_survive_the_round_trip),
        cmocka_unit_test(a_truncated_notify_is_refused),
        cmocka_unit_test(an_spi_past_the_end_is_refused),
        cmocka_unit_test(without_an_spi_the_protocol_means_nothing),
        cmocka_unit_test(the_first_notify_of_a_type_that_can_be_read_is_found),
        cmocka_unit_test(signature_hashes_survive_the_round_trip),
        cmocka_unit_test(signature_hashes_of_odd_length_are_refused),
        cmocka_unit_test(more_signature_hashes_than_asked_for_are_left_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
