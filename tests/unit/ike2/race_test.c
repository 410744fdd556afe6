#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "ike2/race.h"

static struct span text(const char *s)
{
    return span_of(s, strlen(s));
}

static enum race_end settle(const char *ours_i, const char *ours_r, const char *theirs_i,
                            const char *theirs_r)
{
    struct race r = {text(ours_i), text(ours_r), text(theirs_i), text(theirs_r)};
    return race_settle(&r);
}

static void the_exchange_with_the_lowest_nonce_loses(void **state)
{
    (void)state;
    assert_int_equal(settle("a", "d", "b", "c"), RACE_THEIRS_SURVIVES);
    assert_int_equal(settle("d", "a", "b", "c"), RACE_THEIRS_SURVIVES);
    assert_int_equal(settle("b", "c", "a", "d"), RACE_OURS_SURVIVES);
    assert_int_equal(settle("b", "c", "d", "a"), RACE_OURS_SURVIVES);
}

static void a_shorter_nonce_with_equal_prefix_is_lower(void **state)
{
    (void)state;
    assert_int_equal(settle("abc", "z", "abcd", "z"), RACE_THEIRS_SURVIVES);
    assert_int_equal(settle("abcd", "z", "abc", "z"), RACE_OURS_SURVIVES);
    assert_int_equal(settle("z", "ab", "aba", "z"), RACE_THEIRS_SURVIVES);
    /* Longer does not mean higher. */
    assert_int_equal(settle("aaaaaaaaaaaaaaaaa", "z", "b", "z"), RACE_THEIRS_SURVIVES);
}

static void octets_count_unsigned(void **state)
{
    (void)state;
    assert_int_equal(settle("\x7f", "\xff", "\x80", "\xff"), RACE_THEIRS_SURVIVES);
    assert_int_equal(settle("\x80", "\xff", "\x7f", "\xff"), RACE_OURS_SURVIVES);
}

/* Every arrangement of four nonces out of a set with prefixes of each other: the obvious twin sorts
 * all four and sees whose the first one is. */
static void the_whole_domain_agrees_with_sorting(void **state)
{
    static const char *const set[] = {"a", "aa", "aab", "ab", "b", "ba", "\xff", "\xff\xff"};
    enum { N = sizeof set / sizeof *set };
    (void)state;
    for (unsigned n = 0; n < N * N * N * N; n++) {
        const char *four[] = {set[n % N], set[n / N % N], set[n / N / N % N], set[n / N / N / N]};
        unsigned lowest = 0;
        bool is_tie = false;
        for (unsigned i = 1; i < 4; i++)
            if (strcmp(four[i], four[lowest]) < 0)
                lowest = i;
        for (unsigned i = 0; i < 4; i++)
            is_tie |= (i < 2) != (lowest < 2) && strcmp(four[i], four[lowest]) == 0;
        if (is_tie)
            continue; /* equal nonces of 16 octets and more do not happen */
        assert_int_equal(settle(four[0], four[1], four[2], four[3]),
                         lowest < 2 ? RACE_THEIRS_SURVIVES : RACE_OURS_SURVIVES);
    }
}

static void both_sides_come_to_opposite_ends(void **state)
{
    static const char *const set[] = {"a", "ab", "abc", "b", "bc", "c"};
    enum { N = sizeof set / sizeof *set };
    (void)state;
    for (unsigned n = 0; n < N * N * N * N; n++) {
        unsigned at[] = {n % N, n / N % N, n / N / N % N, n / N / N / N};
        bool is_distinct = true;
        for (unsigned i = 0; i < 4; i++)
            for (unsigned k = 0; k < i; k++)
                is_distinct &= at[i] != at[k];
        if (!is_distinct)
            continue;
        enum race_end here = settle(set[at[0]], set[at[1]], set[at[2]], set[at[3]]);
        enum race_end there = settle(set[at[2]], set[at[3]], set[at[0]], set[at[1]]);
        assert_int_not_equal(here, there);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_exchange_with_the_lowest_nonce_loses),
        cmocka_unit_test(a_shorter_nonce_with_equal_prefix_is_lower),
        cmocka_unit_test(octets_count_unsigned),
        cmocka_unit_test(the_whole_domain_agrees_with_sorting),
        cmocka_unit_test(both_sides_come_to_opposite_ends),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
