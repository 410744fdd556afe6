/* Times, durations, texts. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <time.h>

#include "diagnose/page.h"
#include "diagnose/words.h"
#include "records.h"

static struct arena arena;

static int set_up(void **state)
{
    (void)state;
    return arena_init(&arena) ? 0 : 1;
}

static int tear_down(void **state)
{
    (void)state;
    arena_clear(&arena);
    return 0;
}

static void the_calendar_is_that_of_libc(void **state)
{
    (void)state;
    static const int64_t steps[] = {1, 3599, 86399, 86401, 2678400, 31556926, 977616000};
    for (size_t i = 0; i < sizeof steps / sizeof steps[0]; i++) {
        for (int64_t s = 0, n = 0; s <= 253402300799 && n < 5000; s += steps[i], n++) {
            struct tm tm;
            char expected[40];
            time_t t = (time_t)s;
            assert_non_null(gmtime_r(&t, &tm));
            strftime(expected, sizeof expected, "%Y-%m-%dT%H:%M:%SZ", &tm);
            assert_string_equal(diagnose_time(s, &arena), expected);
        }
        arena_reset(&arena);
    }
}

static void a_time_out_of_range_is_put_at_its_end(void **state)
{
    (void)state;
    assert_string_equal(diagnose_time(-1, &arena), "1970-01-01T00:00:00Z");
    assert_string_equal(diagnose_time(INT64_MIN, &arena), "1970-01-01T00:00:00Z");
    assert_string_equal(diagnose_time(INT64_MAX, &arena), "9999-12-31T23:59:59Z");
    assert_string_equal(diagnose_time(951782400, &arena), "2000-02-29T00:00:00Z");
}

static void durations_have_the_unit_that_fits(void **state)
{
    (void)state;
    assert_string_equal(diagnose_duration(0, &arena), "0 ms");
    assert_string_equal(diagnose_duration(999, &arena), "999 ms");
    assert_string_equal(diagnose_duration(4070, &arena), "4.07 s");
    assert_string_equal(diagnose_duration(59999, &arena), "59.99 s");
    assert_string_equal(diagnose_duration(60000, &arena), "1 min 0 s");
    assert_string_equal(diagnose_duration(3600000, &arena), "1 h 0 min");
    assert_string_equal(diagnose_duration(90061000, &arena), "25 h 1 min");
}

static void good_utf8_is_left_as_it_is(void **state)
{
    (void)state;
    static const char *const good[] = {
        "",
        "plain",
        "\xc2\x80",
        "\xdf\xbf",
        "\xe0\xa0\x80",
        "\xed\x9f\xbf",
        "\xee\x80\x80",
        "\xf0\x90\x80\x80",
        "\xf4\x8f\xbf\xbf",
        "a\xc3\xbc z",
    };
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++)
        assert_ptr_equal(diagnose_utf8(good[i], &arena), good[i]);
    assert_string_equal(diagnose_utf8(NULL, &arena), "");
}

static void bad_utf8_is_escaped_octet_by_octet(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"\x80", "\\x80"},
        {"\xc0\xaf", "\\xc0\\xaf"},
        {"\xc2", "\\xc2"},
        {"\xe0\x9f\xbf", "\\xe0\\x9f\\xbf"},
        {"\xed\xa0\x80", "\\xed\\xa0\\x80"},
        {"\xf0\x8f\xbf\xbf", "\\xf0\\x8f\\xbf\\xbf"},
        {"\xf4\x90\x80\x80", "\\xf4\\x90\\x80\\x80"},
        {"\xf5\x80\x80\x80", "\\xf5\\x80\\x80\\x80"},
        {"\xe2\x82"
         "A\xe2\x82\xac",
         "\\xe2\\x82"
         "A\xe2\x82\xac"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        assert_string_equal(diagnose_utf8(cases[i][0], &arena), cases[i][1]);
}

static void a_cut_never_splits_a_character(void **state)
{
    (void)state;
    assert_string_equal(diagnose_cut("abc", 3, &arena), "abc");
    assert_string_equal(diagnose_cut("abcd", 3, &arena), "abc…");
    assert_string_equal(diagnose_cut("ab\xe2\x82\xac", 4, &arena), "ab…");
    assert_string_equal(diagnose_cut("\xe2\x82\xac", 0, &arena), "…");
}

static void control_characters_are_escaped(void **state)
{
    (void)state;
    assert_string_equal(diagnose_printable("a\nb\033c\x7f\xc2\x85\xc2\xa0", &arena),
                        "a\\x0ab\\x1bc\\x7f\\x85\xc2\xa0");
}

static void every_kind_and_result_has_a_name(void **state)
{
    (void)state;
    for (int i = RECORD_IKE; i <= RECORD_COMMAND; i++) {
        const char *name = diagnose_kind_name((enum record_kind)i);
        assert_string_not_equal(name, "unknown");
        assert_string_not_equal(diagnose_kind_words(name), "record");
    }
    for (int i = RESULT_PENDING; i <= RESULT_CLOSED; i++)
        assert_string_not_equal(diagnose_result_name((enum record_result)i), "unknown");
    assert_string_equal(diagnose_kind_words("teapot"), "record");
}

static void a_page_wraps_words_and_indents_what_follows(void **state)
{
    (void)state;
    struct page p = {.arena = &arena};
    const char *word = "0123456789012345678901234567890123456789";
    page_line(&p, STYLE_PLAIN, "label", arena_text(&arena, "%s %s %s", word, word, word));
    page_line(&p, STYLE_PLAIN, "empty", "");
    page_line(&p, STYLE_PLAIN, "none", NULL);
    assert_string_equal(page_text(&p), arena_text(&arena,
                                                  "  label     %s %s\n"
                                                  "            %s\n",
                                                  word, word, word));
}

static void a_word_that_is_longer_than_a_line_is_cut_at_a_mark(void **state)
{
    (void)state;
    struct page p = {.arena = &arena};
    char word[151];
    for (size_t i = 0; i < 150; i++)
        word[i] = i % 10 == 9 ? '-' : 'x';
    word[150] = '\0';
    page_line(&p, STYLE_PLAIN, "a", word);
    assert_string_equal(page_text(&p),
                        arena_text(&arena, "  a         %.80s\n            %s\n", word, word + 80));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_calendar_is_that_of_libc),
        cmocka_unit_test(a_time_out_of_range_is_put_at_its_end),
        cmocka_unit_test(durations_have_the_unit_that_fits),
        cmocka_unit_test(good_utf8_is_left_as_it_is),
        cmocka_unit_test(bad_utf8_is_escaped_octet_by_octet),
        cmocka_unit_test(a_cut_never_splits_a_character),
        cmocka_unit_test(control_characters_are_escaped),
        cmocka_unit_test(every_kind_and_result_has_a_name),
        cmocka_unit_test(a_page_wraps_words_and_indents_what_follows),
        cmocka_unit_test(a_word_that_is_longer_than_a_line_is_cut_at_a_mark),
    };
    return cmocka_run_group_tests_name("diagnose/words", tests, set_up, tear_down);
}
