#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/instant.h"

static void time_moves_by_units(void **state)
{
    (void)state;
    struct instant t = {5};
    assert_true(instant_after_ms(t, 2).ns == 2000005);
    assert_true(instant_after_s(t, 2).ns == 2000000005);
    assert_true(instant_before(t, instant_after_ms(t, 1)));
    assert_false(instant_before(t, t));
}

static void never_stays_never(void **state)
{
    (void)state;
    assert_true(instant_after_ms(INSTANT_NEVER, 1).ns == INT64_MAX);
    assert_true(instant_after_s(INSTANT_NEVER, 1).ns == INT64_MAX);
    assert_false(instant_reached(INSTANT_NEVER, (struct instant){INT64_MAX - 1}));
}

static void a_sum_beyond_the_clock_is_never(void **state)
{
    (void)state;
    struct instant t = {1};
    assert_true(instant_after_ms(t, INT64_MAX).ns == INT64_MAX);
    assert_true(instant_after_s(t, INT64_MAX).ns == INT64_MAX);
    assert_true(instant_after_s((struct instant){INT64_MAX - 5}, 1).ns == INT64_MAX);
}

static void due_is_reached_at_its_own_nanosecond(void **state)
{
    (void)state;
    struct instant due = {100};
    assert_false(instant_reached(due, (struct instant){99}));
    assert_true(instant_reached(due, (struct instant){100}));
    assert_true(instant_earlier(due, (struct instant){99}).ns == 99);
    assert_true(instant_earlier(due, INSTANT_NEVER).ns == 100);
}

static void a_span_of_time_that_runs_backwards_is_zero(void **state)
{
    (void)state;
    assert_true(instant_ms_between((struct instant){5000000}, (struct instant){7999999}) == 2);
    assert_true(instant_ms_between((struct instant){7000000}, (struct instant){5000000}) == 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(time_moves_by_units),
        cmocka_unit_test(never_stays_never),
        cmocka_unit_test(a_sum_beyond_the_clock_is_never),
        cmocka_unit_test(due_is_reached_at_its_own_nanosecond),
        cmocka_unit_test(a_span_of_time_that_runs_backwards_is_zero),
    };
    return cmocka_run_group_tests_name("base/instant", tests, NULL, NULL);
}
