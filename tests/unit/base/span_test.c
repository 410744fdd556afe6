#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/span.h"

static void a_reader_hands_out_numbers_in_network_order(void **state)
{
    (void)state;
    static const uint8_t octets[] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
    struct reader r = reader_of(span_of(octets, sizeof octets));
    assert_int_equal(take_u8(&r), 1);
    assert_int_equal(take_u16(&r), 0x0203);
    assert_int_equal(take_u32(&r), 0x04050607);
    assert_true(take_u64(&r) == 0x08090a0b0c0d0e0f);
    assert_true(done(&r));
}

static void a_reader_that_read_past_the_end_stays_bad(void **state)
{
    (void)state;
    static const uint8_t octets[] = {1, 2, 3};
    struct reader r = reader_of(span_of(octets, sizeof octets));
    assert_int_equal(take_u32(&r), 0);
    assert_false(good(&r));
    assert_int_equal(take_u8(&r), 0);
    assert_int_equal(take(&r, 0).len, 0);
    assert_int_equal(take_rest(&r).len, 0);
    assert_false(done(&r));
}

static void octets_left_over_are_not_done(void **state)
{
    (void)state;
    struct reader r = reader_of(span_text("ab"));
    take_u8(&r);
    assert_true(good(&r));
    assert_false(done(&r));
    take_rest(&r);
    assert_true(done(&r));
}

static void an_empty_span_gives_empty_pieces_and_is_done(void **state)
{
    (void)state;
    struct reader r = reader_of(span_of(NULL, 0));
    assert_int_equal(take(&r, 0).len, 0);
    assert_int_equal(take_rest(&r).len, 0);
    assert_true(done(&r));
}

static void a_counted_length_below_its_header_is_refused(void **state)
{
    (void)state;
    struct reader r = reader_of(span_text("abcdef"));
    assert_int_equal(take_counted(&r, 6, 4).len, 2);
    assert_true(good(&r));
    assert_int_equal(take_counted(&r, 3, 4).len, 0);
    assert_false(good(&r));
}

static void a_length_of_the_whole_address_space_is_refused(void **state)
{
    (void)state;
    struct reader r = reader_of(span_text("abc"));
    assert_int_equal(take(&r, SIZE_MAX).len, 0);
    assert_false(good(&r));
    r = reader_of(span_text("abc"));
    assert_int_equal(take_counted(&r, SIZE_MAX, 0).len, 0);
    assert_false(good(&r));
}

static void a_span_that_ends_first_is_the_lower(void **state)
{
    (void)state;
    assert_true(span_compare(span_text("ab"), span_text("abc")) < 0);
    assert_true(span_compare(span_text("b"), span_text("abc")) > 0);
    assert_int_equal(span_compare(span_text("abc"), span_text("abc")), 0);
    assert_true(span_compare(span_of(NULL, 0), span_text("a")) < 0);
    assert_int_equal(span_compare(span_of(NULL, 0), span_of(NULL, 0)), 0);
    assert_true(span_compare(span_of("\x80", 1), span_of("\x7f", 1)) > 0);
}

static void equal_spans_have_equal_octets_and_lengths(void **state)
{
    (void)state;
    assert_true(span_is(span_text("office"), "office"));
    assert_false(span_is(span_text("offic"), "office"));
    assert_true(span_equal(span_of(NULL, 0), span_text("")));
    assert_int_equal(span_text(NULL).len, 0);
}

static void what_is_written_is_read_again(void **state)
{
    (void)state;
    uint8_t room[32];
    struct writer w = writer_of(room, sizeof room);
    put_u8(&w, 7);
    put_u16(&w, 0x1234);
    put_u32(&w, 0x89abcdef);
    put_u64(&w, 0x0123456789abcdef);
    put_span(&w, span_text("xy"));
    put_zeros(&w, 3);
    assert_false(w.full);

    struct reader r = reader_of(writer_span(&w));
    assert_int_equal(take_u8(&r), 7);
    assert_int_equal(take_u16(&r), 0x1234);
    assert_true(take_u32(&r) == 0x89abcdef);
    assert_true(take_u64(&r) == 0x0123456789abcdef);
    assert_true(span_is(take(&r, 2), "xy"));
    assert_true(span_equal(take_rest(&r), span_of("\0\0\0", 3)));
    assert_true(done(&r));
}

static void a_full_writer_stays_full_and_keeps_its_length(void **state)
{
    (void)state;
    uint8_t room[5] = {0};
    struct writer w = writer_of(room, 4);
    put_u16(&w, 1);
    put_u32(&w, 2);
    assert_true(w.full);
    size_t len = w.len;
    put_u8(&w, 0xff);
    put_span(&w, span_text("z"));
    assert_int_equal(w.len, len);
    assert_int_equal(room[4], 0);
    assert_null(put_room(&w, 0));
}

static void a_length_left_open_is_patched_with_what_followed(void **state)
{
    (void)state;
    uint8_t room[32];
    struct writer w = writer_of(room, sizeof room);
    put_u8(&w, 33);
    put_u8(&w, 0);
    struct gap outer = writer_open(&w, 2); /* counts its header, as IKE payloads do */
    put_span(&w, span_text("abc"));
    struct gap inner = writer_open(&w, 0); /* from the field itself */
    put_u8(&w, 9);
    writer_close(&w, inner);
    writer_close(&w, outer);

    struct reader r = reader_of(writer_span(&w));
    take(&r, 2);
    assert_int_equal(take_u16(&r), 10);
    take(&r, 3);
    assert_int_equal(take_u16(&r), 3);
}

static void a_length_that_does_not_fit_its_field_fills_the_writer(void **state)
{
    (void)state;
    static uint8_t room[70000];
    struct writer w = writer_of(room, sizeof room);
    struct gap gap = writer_open(&w, 0);
    put_zeros(&w, 65534);
    writer_close(&w, gap);
    assert_true(w.full);

    w = writer_of(room, sizeof room);
    gap = writer_open(&w, 0);
    put_zeros(&w, 65533);
    writer_close(&w, gap);
    assert_false(w.full);
    assert_int_equal(room[0], 0xff);
    assert_int_equal(room[1], 0xff);
}

static void a_gap_that_counts_from_before_the_start_is_refused(void **state)
{
    (void)state;
    uint8_t room[8];
    struct writer w = writer_of(room, sizeof room);
    struct gap gap = writer_open(&w, 1);
    writer_close(&w, gap);
    assert_true(w.full);
}

static void only_what_is_written_can_be_patched(void **state)
{
    (void)state;
    uint8_t room[4] = {0};
    struct writer w = writer_of(room, sizeof room);
    put_u16(&w, 0);
    writer_patch_u8(&w, 1, 5);
    writer_patch_u8(&w, 2, 6);
    assert_int_equal(room[1], 5);
    assert_int_equal(room[2], 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_reader_hands_out_numbers_in_network_order),
        cmocka_unit_test(a_reader_that_read_past_the_end_stays_bad),
        cmocka_unit_test(octets_left_over_are_not_done),
        cmocka_unit_test(an_empty_span_gives_empty_pieces_and_is_done),
        cmocka_unit_test(a_counted_length_below_its_header_is_refused),
        cmocka_unit_test(a_length_of_the_whole_address_space_is_refused),
        cmocka_unit_test(a_span_that_ends_first_is_the_lower),
        cmocka_unit_test(equal_spans_have_equal_octets_and_lengths),
        cmocka_unit_test(what_is_written_is_read_again),
        cmocka_unit_test(a_full_writer_stays_full_and_keeps_its_length),
        cmocka_unit_test(a_length_left_open_is_patched_with_what_followed),
        cmocka_unit_test(a_length_that_does_not_fit_its_field_fills_the_writer),
        cmocka_unit_test(a_gap_that_counts_from_before_the_start_is_refused),
        cmocka_unit_test(only_what_is_written_can_be_patched),
    };
    return cmocka_run_group_tests_name("base/span", tests, NULL, NULL);
}
