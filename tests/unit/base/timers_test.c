#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/timers.h"

enum { N = 300, ROUNDS = 20000 };

static uint32_t next(uint32_t *seed)
{
    *seed = *seed * 1664525 + 1013904223;
    return *seed >> 8;
}

/* The slow obvious twin: look at all of them. */
static const struct timer *earliest(const struct timer *all)
{
    const struct timer *best = NULL;
    for (size_t i = 0; i < N; i++)
        if (all[i].place != 0 && (best == NULL || all[i].due.ns < best->due.ns))
            best = &all[i];
    return best;
}

static void the_first_is_the_earliest_whatever_was_set_moved_and_removed(void **state)
{
    static struct timer all[N];
    struct timers t = {0};
    uint32_t seed = 7;
    (void)state;
    for (unsigned round = 0; round < ROUNDS; round++) {
        struct timer *one = &all[next(&seed) % N];
        switch (next(&seed) % 5) {
        case 0:
            timers_remove(&t, one);
            assert_int_equal(one->place, 0);
            break;
        case 1:
            assert_true(timers_set(&t, one, INSTANT_NEVER));
            assert_int_equal(one->place, 0);
            break;
        default:
            assert_true(timers_set(&t, one, (struct instant){next(&seed) % 1000}));
            assert_int_not_equal(one->place, 0);
            break;
        }
        const struct timer *first = timers_first(&t), *twin = earliest(all);
        assert_int_equal(first == NULL, twin == NULL);
        if (first != NULL)
            assert_int_equal(first->due.ns, twin->due.ns);
    }
    timers_clear(&t);
}

static void timers_come_out_in_order(void **state)
{
    static struct timer all[N];
    struct timers t = {0};
    uint32_t seed = 3;
    int64_t last = -1;
    (void)state;
    for (size_t i = 0; i < N; i++)
        assert_true(timers_set(&t, &all[i], (struct instant){next(&seed) % 500}));
    for (struct timer *first; (first = timers_first(&t)) != NULL;) {
        assert_true(first->due.ns >= last);
        last = first->due.ns;
        timers_remove(&t, first);
    }
    assert_int_equal(t.count, 0);
    timers_clear(&t);
}

static void a_timer_that_is_not_set_can_be_removed(void **state)
{
    struct timers t = {0};
    struct timer one = {.due = {5}};
    (void)state;
    timers_remove(&t, &one);
    assert_null(timers_first(&t));
    assert_true(timers_set(&t, &one, (struct instant){5}));
    timers_remove(&t, &one);
    timers_remove(&t, &one);
    assert_null(timers_first(&t));
    timers_clear(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_is_the_earliest_whatever_was_set_moved_and_removed),
        cmocka_unit_test(timers_come_out_in_order),
        cmocka_unit_test(a_timer_that_is_not_set_can_be_removed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
