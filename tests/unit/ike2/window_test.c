#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "ike2/window.h"

static const struct retransmission defaults = {.timeout_ms = 4000, .base = 1.8, .tries = 5};

static struct instant at_ms(int64_t ms)
{
    return (struct instant){ms * 1000000};
}

static void the_delays_are_those_of_strongswan(void **state)
{
    /* docs.strongswan.org, "Retransmission": 4, 7, 13, 23, 42, 76 s; 165 s in all */
    static const int64_t delays[] = {4000, 7200, 12960, 23328, 41990, 75582};
    int64_t sum = 0;
    (void)state;
    for (uint32_t i = 0; i < 6; i++) {
        assert_in_range((uint64_t)window_delay_ms(&defaults, i), (uint64_t)delays[i] - 1,
                        (uint64_t)delays[i] + 1);
        sum += window_delay_ms(&defaults, i);
    }
    assert_int_equal(sum / 1000, 165);
}

static void a_delay_has_a_limit(void **state)
{
    struct retransmission wild = {.timeout_ms = UINT32_MAX, .base = 1e9, .tries = 1000};
    (void)state;
    assert_int_equal(window_delay_ms(&wild, 0), 300000);
    assert_int_equal(window_delay_ms(&wild, 1000000), 300000);
    assert_int_equal(window_delay_ms(&defaults, 1000000), 300000);
}

static void a_request_is_repeated_five_times_and_then_given_up(void **state)
{
    struct window w = {0};
    int64_t now = 1000;
    (void)state;
    assert_true(window_is_free(&w));
    assert_true(window_send(&w, span_of("request", 7), &defaults, at_ms(now)));
    assert_false(window_is_free(&w));
    for (uint32_t i = 0; i < 5; i++) {
        int64_t delay = window_delay_ms(&defaults, i);
        assert_int_equal(window_on_time(&w, &defaults, at_ms(now + delay - 1)), WINDOW_WAIT);
        now += delay;
        assert_int_equal(window_on_time(&w, &defaults, at_ms(now)), WINDOW_REPEAT);
        assert_int_equal(w.repeats, i + 1);
        assert_int_equal(window_on_time(&w, &defaults, at_ms(now)), WINDOW_WAIT);
    }
    assert_int_equal(window_on_time(&w, &defaults, at_ms(now + 75583)), WINDOW_GIVE_UP);
    window_clear(&w);
}

static void only_the_answer_with_our_number_is_wanted(void **state)
{
    struct window w = {.next_id = 7};
    (void)state;
    assert_false(window_wants_answer(&w, 7)); /* nothing was asked */
    assert_true(window_send(&w, span_of("a", 1), &defaults, at_ms(0)));
    assert_true(window_wants_answer(&w, 7));
    assert_false(window_wants_answer(&w, 6));
    assert_false(window_wants_answer(&w, 8));
    window_answered(&w);
    assert_true(window_is_free(&w));
    assert_int_equal(w.next_id, 8);
    assert_false(window_wants_answer(&w, 7));
    assert_false(window_wants_answer(&w, 8));
    window_forget(&w); /* nothing in flight: nothing to forget */
    assert_int_equal(w.next_id, 8);
    assert_true(window_send(&w, span_of("b", 1), &defaults, at_ms(0)));
    window_forget(&w);
    assert_int_equal(w.next_id, 9);
    window_clear(&w);
}

static void
a_repeated_request_gets_its_answer_again_and_another_under_its_number_does_not(void **state)
{
    struct window w = {0};
    (void)state;
    assert_int_equal(window_judge(&w, 0, 11), WINDOW_NEW);
    assert_int_equal(window_judge(&w, 1, 11), WINDOW_STRAY);
    assert_true(window_keep_answer(&w, span_of("answer", 6), 11));
    assert_int_equal(window_judge(&w, 0, 11), WINDOW_REPEATED);
    assert_int_equal(window_judge(&w, 0, 12), WINDOW_STRAY);
    assert_int_equal(window_judge(&w, 1, 12), WINDOW_NEW);
    assert_memory_equal(w.answer, "answer", 6);
    assert_true(window_keep_answer(&w, span_of("", 0), 12));
    assert_int_equal(window_judge(&w, 0, 11), WINDOW_STRAY);
    assert_int_equal(window_judge(&w, 1, 12), WINDOW_REPEATED);
    window_clear(&w);
}

static void numbers_wrap_without_harm(void **state)
{
    struct window w = {.next_id = UINT32_MAX, .expected_id = UINT32_MAX};
    (void)state;
    assert_true(window_keep_answer(&w, span_of("x", 1), 5));
    assert_int_equal(w.expected_id, 0);
    assert_int_equal(window_judge(&w, UINT32_MAX, 5), WINDOW_REPEATED);
    assert_int_equal(window_judge(&w, 0, 5), WINDOW_NEW);
    window_clear(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_delays_are_those_of_strongswan),
        cmocka_unit_test(a_delay_has_a_limit),
        cmocka_unit_test(a_request_is_repeated_five_times_and_then_given_up),
        cmocka_unit_test(only_the_answer_with_our_number_is_wanted),
        cmocka_unit_test(
            a_repeated_request_gets_its_answer_again_and_another_under_its_number_does_not),
        cmocka_unit_test(numbers_wrap_without_harm),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
