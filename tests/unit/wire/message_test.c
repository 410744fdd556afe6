#include "octets.h"

static const struct ike_header header = {
    .spi_i = 0x0102030405060708,
    .spi_r = 0x1112131415161718,
    .next_payload = 99, /* not what is written */
    .version = 0x20,
    .exchange = EXCHANGE_IKE_SA_INIT,
    .flags = IKE_FLAG_INITIATOR | IKE_FLAG_VERSION | 0xc7, /* only I and R are sent */
    .message_id = 7,
};

/* Nonce (17 octets), an unknown critical payload, an empty vendor id: 28 + 21 + 7 + 4 octets. */
static size_t write_three(uint8_t *room, size_t size)
{
    struct writer w = writer_of(room, size);
    struct message_writer m = wire_begin(&w, &header);
    struct gap g = wire_open_payload(&m, PAYLOAD_NONCE, false);
    put_zeros(m.w, 17);
    wire_close_payload(&m, g);
    g = wire_open_payload(&m, 200, true);
    put_span(m.w, OCTETS(1, 2, 3));
    wire_close_payload(&m, g);
    g = wire_open_payload(&m, PAYLOAD_VENDOR, false);
    wire_close_payload(&m, g);
    wire_end(&m);
    return w.full ? 0 : w.len;
}

static struct wire_error refusal(struct span datagram)
{
    static struct message m;
    struct wire_error why = {0, 0, NULL};
    assert_false(wire_parse_message(datagram, &m, &why));
    assert_non_null(why.what);
    assert_false(m.has_sk);
    return why;
}

static void a_written_message_is_read_with_its_offsets(void **state)
{
    (void)state;
    uint8_t room[60];
    static struct message m;
    struct wire_error why;
    assert_int_equal(write_three(room, sizeof room), 60);
    assert_octets(span_of(room, 28),
                  OCTETS(1, 2, 3, 4, 5, 6, 7, 8, 0x11, 0x12, 0x13, 0x14, 0x15, 0x16, 0x17, 0x18,
                         PAYLOAD_NONCE, 0x20, 34, IKE_FLAG_INITIATOR, 0, 0, 0, 7, 0, 0, 0, 60));

    assert_true(wire_parse_message(span_of(room, 60), &m, &why));
    assert_true(m.header.spi_i == header.spi_i && m.header.spi_r == header.spi_r);
    assert_int_equal(m.header.message_id, 7);
    assert_int_equal(m.header.length, 60);
    assert_int_equal(m.payload_count, 3);
    assert_int_equal(m.payloads[0].type, PAYLOAD_NONCE);
    assert_int_equal(m.payloads[0].offset, 28);
    assert_int_equal(m.payloads[0].body.len, 17);
    assert_int_equal(m.payloads[1].offset, 49);
    assert_int_equal(m.payloads[2].offset, 56);
    assert_int_equal(m.payloads[2].body.len, 0);
    assert_false(m.has_sk);
}

static void an_unknown_critical_payload_is_kept(void **state)
{
    (void)state;
    uint8_t room[60];
    static struct message m;
    struct wire_error why;
    write_three(room, sizeof room);
    assert_true(wire_parse_message(span_of(room, 60), &m, &why));
    const struct payload *unknown = wire_find(&m, 200);
    assert_non_null(unknown);
    assert_true(unknown->is_critical);
    assert_octets(unknown->body, OCTETS(1, 2, 3));
    assert_int_equal(wire_count(&m, 200), 1);
    assert_int_equal(wire_count(&m, PAYLOAD_SA), 0);
    assert_null(wire_find(&m, PAYLOAD_SA));
}

static void a_writer_without_room_is_full_and_stays_inside(void **state)
{
    (void)state;
    for (size_t n = 0; n < 60; n++) {
        struct span room = heap_copy((struct span){NULL, 0}, n);
        assert_int_equal(write_three((uint8_t *)(uintptr_t)room.at, n), 0);
        heap_free(room);
    }
}

static void every_cut_is_refused_with_or_without_its_length_corrected(void **state)
{
    (void)state;
    uint8_t room[60];
    write_three(room, sizeof room);
    for (size_t n = 0; n < 60; n++) {
        struct span cut = heap_copy(span_of(room, n), n);
        assert_true(refusal(cut).offset <= n);
        if (n >= 28)
            ((uint8_t *)(uintptr_t)cut.at)[27] = (uint8_t)n;
        refusal(cut);
        heap_free(cut);
    }
}

static void reserved_bits_are_ignored(void **state)
{
    (void)state;
    uint8_t room[60];
    static struct message m;
    struct wire_error why;
    write_three(room, sizeof room);
    room[19] |= 0xc7; /* header flags */
    room[29] = 0x7f;  /* the nonce's generic header: reserved, not critical */
    assert_true(wire_parse_message(span_of(room, 60), &m, &why));
    assert_false(m.payloads[0].is_critical);
}

static void the_header_is_read_whatever_the_version(void **state)
{
    (void)state;
    uint8_t room[60];
    struct ike_header h;
    struct wire_error why;
    write_three(room, sizeof room);
    const uint8_t versions[] = {0x10, 0x21, 0x2f, 0x30, 0xff};
    for (size_t i = 0; i < sizeof versions; i++) {
        room[17] = versions[i];
        assert_true(wire_parse_header(span_of(room, 60), &h, &why));
        assert_int_equal(h.version, versions[i]);
    }
}

static void the_length_field_must_be_the_datagrams(void **state)
{
    (void)state;
    uint8_t room[61];
    struct ike_header h;
    struct wire_error why;
    write_three(room, sizeof room);
    assert_false(wire_parse_header(span_of(room, 61), &h, &why));
    assert_int_equal(why.offset, 24);
    assert_int_equal(h.message_id, 7); /* what can be said of it is there */
    assert_false(wire_parse_header(span_of(room, 59), &h, &why));
    room[24] = 0xff;
    assert_false(wire_parse_header(span_of(room, 60), &h, &why));
    room[24] = 0;
    room[27] = 27;
    assert_false(wire_parse_header(span_of(room, 60), &h, &why));
    assert_false(wire_parse_header(span_of(room, 27), &h, &why));
    assert_int_equal(why.offset, 27);
}

static void faults_in_the_chain_are_told_by_payload_and_offset(void **state)
{
    (void)state;
    uint8_t good[60], room[60];
    write_three(good, sizeof good);

    memcpy(room, good, 60);
    room[31] = 3; /* nonce: shorter than its header */
    struct wire_error why = refusal(span_of(room, 60));
    assert_int_equal(why.payload, PAYLOAD_NONCE);
    assert_int_equal(why.offset, 30);

    memcpy(room, good, 60);
    room[51] = 1; /* the unknown one: past the end */
    why = refusal(span_of(room, 60));
    assert_int_equal(why.payload, 200);
    assert_int_equal(why.offset, 51);

    memcpy(room, good, 60);
    room[56] = PAYLOAD_NOTIFY; /* one more is announced */
    why = refusal(span_of(room, 60));
    assert_int_equal(why.payload, PAYLOAD_NOTIFY);
    assert_int_equal(why.offset, 60);

    memcpy(room, good, 60);
    room[49] = PAYLOAD_NONE; /* the chain ends before the octets do */
    why = refusal(span_of(room, 60));
    assert_int_equal(why.payload, PAYLOAD_NONE);
    assert_int_equal(why.offset, 56);
}

static void an_announced_sk_that_does_not_come_is_no_sk(void **state)
{
    (void)state;
    uint8_t room[28];
    struct writer w = writer_of(room, sizeof room);
    wire_write_sk_headers(&w, &header, PAYLOAD_IDI, 0); /* has no room for the SK header */
    assert_true(w.full);
    assert_int_equal(room[16], PAYLOAD_SK);
    room[27] = 28;
    struct wire_error why = refusal(span_of(room, 28));
    assert_int_equal(why.payload, PAYLOAD_SK);
    assert_int_equal(why.offset, 28);
}

static void a_message_without_payloads_is_read(void **state)
{
    (void)state;
    uint8_t room[28];
    static struct message m;
    struct wire_error why;
    struct writer w = writer_of(room, sizeof room);
    struct message_writer mw = wire_begin(&w, &header);
    wire_end(&mw);
    assert_true(wire_parse_message(writer_span(&w), &m, &why));
    assert_int_equal(m.payload_count, 0);
}

static void the_65th_payload_is_refused(void **state)
{
    (void)state;
    uint8_t room[28 + 65 * 4];
    static struct message m;
    struct wire_error why;
    for (size_t n = 64; n <= 65; n++) {
        struct writer w = writer_of(room, sizeof room);
        struct message_writer mw = wire_begin(&w, &header);
        for (size_t i = 0; i < n; i++) {
            struct gap g = wire_open_payload(&mw, PAYLOAD_VENDOR, false);
            wire_close_payload(&mw, g);
        }
        wire_end(&mw);
        assert_int_equal(wire_parse_message(writer_span(&w), &m, &why), n == 64);
    }
    assert_int_equal(why.offset, 28 + 64 * 4);
}

static void sk_is_told_by_its_offset_and_what_it_authenticates(void **state)
{
    (void)state;
    uint8_t room[64];
    static struct message m;
    struct wire_error why;
    struct writer w = writer_of(room, sizeof room);
    wire_write_sk_headers(&w, &header, PAYLOAD_IDI, 20);
    put_zeros(&w, 20);
    assert_false(w.full);
    assert_int_equal(w.len, 28 + 4 + 20);

    assert_true(wire_parse_message(writer_span(&w), &m, &why));
    assert_true(m.has_sk);
    assert_false(m.is_fragment);
    assert_int_equal(m.payload_count, 0);
    assert_int_equal(m.sk_first_payload, PAYLOAD_IDI);
    assert_int_equal(m.sk_offset, 28);
    assert_ptr_equal(m.sk_aad.at, room);
    assert_int_equal(m.sk_aad.len, 32);
    assert_ptr_equal(m.sk_body.at, room + 32);
    assert_int_equal(m.sk_body.len, 20);
    assert_int_equal(m.header.length, 52);
}

/* RFC 7296 3.14 allows clear payloads before it. */
static void sk_behind_a_clear_payload_authenticates_that_too(void **state)
{
    (void)state;
    uint8_t room[64];
    static struct message m;
    struct wire_error why;
    struct writer w = writer_of(room, sizeof room);
    struct message_writer mw = wire_begin(&w, &header);
    struct gap g = wire_open_payload(&mw, PAYLOAD_VENDOR, false);
    put_u8(&w, 1);
    wire_close_payload(&mw, g);
    g = wire_open_payload(&mw, PAYLOAD_SK, true);
    put_zeros(&w, 8);
    wire_close_payload(&mw, g);
    wire_end(&mw);
    assert_true(wire_parse_message(writer_span(&w), &m, &why));
    assert_int_equal(m.payload_count, 1);
    assert_int_equal(m.sk_offset, 33);
    assert_int_equal(m.sk_aad.len, 37);
    assert_int_equal(m.sk_body.len, 8);
}

static void octets_behind_sk_are_refused(void **state)
{
    (void)state;
    uint8_t room[64];
    struct writer w = writer_of(room, sizeof room);
    wire_write_sk_headers(&w, &header, PAYLOAD_VENDOR, 16);
    put_zeros(&w, 16);
    room[31] -= 4; /* SK is shorter: a vendor id could follow, but must not */
    struct wire_error why = refusal(writer_span(&w));
    assert_int_equal(why.payload, PAYLOAD_SK);
    assert_int_equal(why.offset, 44);
}

static void a_fragment_is_told_by_number_and_total(void **state)
{
    (void)state;
    uint8_t room[64];
    static struct message m;
    struct wire_error why;
    struct writer w = writer_of(room, sizeof room);
    wire_write_skf_headers(&w, &header, 0, 2, 3, 12);
    put_zeros(&w, 12);
    assert_int_equal(w.len, 28 + 8 + 12);
    assert_true(wire_parse_message(writer_span(&w), &m, &why));
    assert_true(m.has_sk);
    assert_true(m.is_fragment);
    assert_int_equal(m.fragment, 2);
    assert_int_equal(m.fragments, 3);
    assert_int_equal(m.sk_first_payload, 0);
    assert_int_equal(m.sk_aad.len, 36); /* RFC 7383 2.5: with the numbers */
    assert_int_equal(m.sk_body.len, 12);
}

static void a_fragment_outside_its_total_is_refused(void **state)
{
    (void)state;
    const uint16_t bad[][2] = {{0, 1}, {1, 0}, {0, 0}, {3, 2}, {0xffff, 1}};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        uint8_t room[48];
        struct writer w = writer_of(room, sizeof room);
        wire_write_skf_headers(&w, &header, 0, bad[i][0], bad[i][1], 12);
        put_zeros(&w, 12);
        struct wire_error why = refusal(writer_span(&w));
        assert_int_equal(why.payload, PAYLOAD_SKF);
        assert_int_equal(why.offset, 32);
    }
}

static void a_fragment_without_numbers_is_refused(void **state)
{
    (void)state;
    uint8_t room[48];
    for (size_t n = 0; n < 4; n++) {
        struct writer w = writer_of(room, sizeof room);
        wire_write_skf_headers(&w, &header, 0, 1, 1, 0);
        room[27] = (uint8_t)(32 + n);
        room[31] = (uint8_t)(4 + n);
        refusal(span_of(room, 32 + n));
    }
}

/* The message of an SK with this inside. */
static bool read_inside(struct message *m, uint8_t first, struct span plain, struct wire_error *why)
{
    static uint8_t room[64];
    struct writer w = writer_of(room, sizeof room);
    wire_write_sk_headers(&w, &header, first, 16);
    put_zeros(&w, 16);
    assert_true(wire_parse_message(writer_span(&w), m, why));
    return wire_parse_inner(m, m->sk_first_payload, plain, why);
}

static void the_inside_is_appended_with_offsets_behind_the_sk_header(void **state)
{
    (void)state;
    uint8_t room[64], first;
    static struct message m;
    struct wire_error why;
    struct writer w = writer_of(room, sizeof room);
    struct message_writer mw = wire_begin_inner(&w, &first);
    assert_int_equal(first, PAYLOAD_NONE);
    struct gap g = wire_open_payload(&mw, PAYLOAD_IDI, false);
    put_zeros(&w, 8);
    wire_close_payload(&mw, g);
    g = wire_open_payload(&mw, PAYLOAD_AUTH, false);
    put_zeros(&w, 6);
    wire_close_payload(&mw, g);
    assert_int_equal(first, PAYLOAD_IDI);

    assert_true(read_inside(&m, first, writer_span(&w), &why));
    assert_int_equal(m.payload_count, 2);
    assert_int_equal(m.payloads[0].type, PAYLOAD_IDI);
    assert_int_equal(m.payloads[0].offset, 32);
    assert_int_equal(m.payloads[1].type, PAYLOAD_AUTH);
    assert_int_equal(m.payloads[1].offset, 44);
    assert_int_equal(m.payloads[1].body.len, 6);

    for (size_t n = 0; n < w.len; n++) {
        struct span cut = heap_copy(writer_span(&w), n);
        assert_false(read_inside(&m, first, cut, &why));
        assert_int_equal(m.payload_count, 0);
        assert_in_range(why.offset, 32, 32 + n);
        heap_free(cut);
    }
}

static void an_empty_inside_is_read(void **state) /* a liveness check */
{
    (void)state;
    static struct message m;
    struct wire_error why;
    assert_true(read_inside(&m, PAYLOAD_NONE, (struct span){NULL, 0}, &why));
    assert_int_equal(m.payload_count, 0);
    assert_false(read_inside(&m, PAYLOAD_NONE, OCTETS(0, 0, 0, 4), &why));
    assert_int_equal(why.offset, 32);
}

static void an_sk_inside_sk_is_refused(void **state)
{
    (void)state;
    static struct message m;
    struct wire_error why;
    assert_false(read_inside(&m, PAYLOAD_SK, OCTETS(0, 0, 0, 8, 1, 2, 3, 4), &why));
    assert_int_equal(why.payload, PAYLOAD_SK);
    assert_false(read_inside(&m, PAYLOAD_SKF, OCTETS(0, 0, 0, 8, 0, 1, 0, 1), &why));
    assert_false(m.is_fragment);
}

static void what_udp_cannot_carry_makes_the_writer_full(void **state)
{
    (void)state;
    static uint8_t room[200000];
    struct writer w = writer_of(room, sizeof room);
    wire_write_sk_headers(&w, &header, 0, 65535 - 32);
    assert_false(w.full);
    w = writer_of(room, sizeof room);
    wire_write_sk_headers(&w, &header, 0, 65535 - 31);
    assert_true(w.full);
    w = writer_of(room, sizeof room);
    wire_write_skf_headers(&w, &header, 0, 1, 1, 65535 - 36);
    assert_false(w.full);
    w = writer_of(room, sizeof room);
    wire_write_skf_headers(&w, &header, 0, 1, 1, SIZE_MAX);
    assert_true(w.full);

    w = writer_of(room, sizeof room);
    struct message_writer m = wire_begin(&w, &header);
    for (int i = 0; i < 2; i++) {
        struct gap g = wire_open_payload(&m, PAYLOAD_VENDOR, false);
        put_zeros(&w, 40000);
        wire_close_payload(&m, g);
    }
    assert_false(w.full);
    wire_end(&m);
    assert_true(w.full);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_written_message_is_read_with_its_offsets),
        cmocka_unit_test(an_unknown_critical_payload_is_kept),
        cmocka_unit_test(a_writer_without_room_is_full_and_stays_inside),
        cmocka_unit_test(every_cut_is_refused_with_or_without_its_length_corrected),
        cmocka_unit_test(reserved_bits_are_ignored),
        cmocka_unit_test(the_header_is_read_whatever_the_version),
        cmocka_unit_test(the_length_field_must_be_the_datagrams),
        cmocka_unit_test(faults_in_the_chain_are_told_by_payload_and_offset),
        cmocka_unit_test(an_announced_sk_that_does_not_come_is_no_sk),
        cmocka_unit_test(a_message_without_payloads_is_read),
        cmocka_unit_test(the_65th_payload_is_refused),
        cmocka_unit_test(sk_is_told_by_its_offset_and_what_it_authenticates),
        cmocka_unit_test(sk_behind_a_clear_payload_authenticates_that_too),
        cmocka_unit_test(octets_behind_sk_are_refused),
        cmocka_unit_test(a_fragment_is_told_by_number_and_total),
        cmocka_unit_test(a_fragment_outside_its_total_is_refused),
        cmocka_unit_test(a_fragment_without_numbers_is_refused),
        cmocka_unit_test(the_inside_is_appended_with_offsets_behind_the_sk_header),
        cmocka_unit_test(an_empty_inside_is_read),
        cmocka_unit_test(an_sk_inside_sk_is_refused),
        cmocka_unit_test(what_udp_cannot_carry_makes_the_writer_full),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
