#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/arena.h"

#include <stdalign.h>

static void memory_is_zero_and_aligned(void **state)
{
    (void)state;
    struct arena a;
    assert_true(arena_init(&a));
    for (size_t len = 0; len < 200; len++) {
        uint8_t *at = arena_alloc(&a, len);
        assert_non_null(at);
        assert_int_equal((uintptr_t)at % alignof(max_align_t), 0);
        for (size_t i = 0; i < len; i++)
            assert_int_equal(at[i], 0);
        memset(at, 0xa5, len);
    }
    arena_reset(&a);
    uint8_t *again = arena_alloc(&a, 4096);
    for (size_t i = 0; i < 4096; i++)
        assert_int_equal(again[i], 0);
    arena_clear(&a);
}

static void pieces_do_not_overlap_across_chunks(void **state)
{
    (void)state;
    enum { PIECES = 3000 };
    static uint8_t *pieces[PIECES];
    struct arena a;
    assert_true(arena_init(&a));
    for (size_t i = 0; i < PIECES; i++) {
        size_t len = 1 + i % 97;
        pieces[i] = arena_alloc(&a, len);
        assert_non_null(pieces[i]);
        memset(pieces[i], (int)(i & 0xff), len);
    }
    for (size_t i = 0; i < PIECES; i++)
        for (size_t j = 0; j < 1 + i % 97; j++)
            assert_int_equal(pieces[i][j], i & 0xff);
    assert_false(arena_is_exhausted(&a));
    arena_clear(&a);
}

static void a_piece_larger_than_a_chunk_is_served(void **state)
{
    (void)state;
    struct arena a;
    assert_true(arena_init(&a));
    assert_non_null(arena_alloc(&a, 1000000));
    assert_non_null(arena_alloc(&a, 8));
    arena_reset(&a);
    assert_non_null(arena_alloc(&a, 8));
    arena_clear(&a);
}

static void an_impossible_size_is_refused_and_remembered(void **state)
{
    (void)state;
    struct arena a;
    assert_true(arena_init(&a));
    assert_null(arena_alloc(&a, SIZE_MAX));
    assert_true(arena_is_exhausted(&a));
    assert_null(arena_array(&a, SIZE_MAX / 2, 3));
    assert_non_null(arena_alloc(&a, 16)); /* small requests go on */
    arena_reset(&a);
    assert_false(arena_is_exhausted(&a));
    arena_clear(&a);
}

static void many_resets_keep_working(void **state)
{
    (void)state;
    struct arena a;
    assert_true(arena_init(&a));
    for (int round = 0; round < 100; round++) {
        for (int i = 0; i < 50; i++)
            assert_non_null(arena_alloc(&a, 1000));
        arena_reset(&a);
    }
    arena_clear(&a);
    arena_clear(&a); /* twice is harmless */
}

static void a_small_arena_grows_and_refuses_the_impossible(void **state)
{
    (void)state;
    struct arena a;
    assert_true(arena_init_small(&a, 64));
    uint8_t *pieces[200];
    for (size_t i = 0; i < 200; i++) {
        pieces[i] = arena_alloc(&a, i + 1);
        assert_non_null(pieces[i]);
        memset(pieces[i], (int)i, i + 1);
    }
    for (size_t i = 0; i < 200; i++)
        for (size_t k = 0; k <= i; k++)
            assert_int_equal(pieces[i][k], i);
    assert_null(arena_alloc(&a, SIZE_MAX / 2 + 1));
    assert_true(arena_is_exhausted(&a));
    arena_reset(&a);
    assert_non_null(arena_alloc(&a, 1000));
    arena_clear(&a);
}

static void text_is_formatted_whole(void **state)
{
    (void)state;
    struct arena a;
    assert_true(arena_init(&a));
    assert_string_equal(arena_text(&a, "%s %u", "connections.office", 17u),
                        "connections.office 17");
    assert_string_equal(arena_text(&a, "%s", ""), "");
    arena_clear(&a);
}

static void a_copy_is_another_place_with_the_same_octets(void **state)
{
    (void)state;
    struct arena a;
    assert_true(arena_init(&a));
    struct span from = span_text("secretary"), to = arena_copy(&a, from);
    assert_true(span_equal(from, to));
    assert_ptr_not_equal(from.at, to.at);
    assert_int_equal(arena_copy(&a, span_of(NULL, 0)).len, 0);
    arena_clear(&a);
}

static void octets_of_a_peer_are_escaped(void **state)
{
    (void)state;
    struct arena a;
    assert_true(arena_init(&a));
    assert_string_equal(arena_escape(&a, span_of("a\n\x1b[31m\"\\\xc3\xa4~", 12), 64),
                        "a\\x0a\\x1b[31m\\x22\\x5c\\xc3\\xa4~");
    assert_string_equal(arena_escape(&a, span_of("a\0b", 3), 64), "a\\x00b");
    assert_string_equal(arena_escape(&a, span_text("abcdef"), 3), "abc…");
    assert_string_equal(arena_escape(&a, span_of(NULL, 0), 3), "");
    arena_clear(&a);
}

static void hex_is_cut_where_it_was_asked(void **state)
{
    (void)state;
    struct arena a;
    assert_true(arena_init(&a));
    assert_string_equal(arena_hex(&a, span_of("\x00\xab\xff", 3), 8), "00abff");
    assert_string_equal(arena_hex(&a, span_of("\x00\xab\xff", 3), 2), "00ab…");
    assert_string_equal(arena_hex(&a, span_of(NULL, 0), 2), "");
    arena_clear(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(memory_is_zero_and_aligned),
        cmocka_unit_test(pieces_do_not_overlap_across_chunks),
        cmocka_unit_test(a_piece_larger_than_a_chunk_is_served),
        cmocka_unit_test(an_impossible_size_is_refused_and_remembered),
        cmocka_unit_test(many_resets_keep_working),
        cmocka_unit_test(a_small_arena_grows_and_refuses_the_impossible),
        cmocka_unit_test(text_is_formatted_whole),
        cmocka_unit_test(a_copy_is_another_place_with_the_same_octets),
        cmocka_unit_test(octets_of_a_peer_are_escaped),
        cmocka_unit_test(hex_is_cut_where_it_was_asked),
    };
    return cmocka_run_group_tests_name("base/arena", tests, NULL, NULL);
}
