/* Slips, in words. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "diagnose/compare.h"
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

static void identities_that_differ_by_a_slip_are_told(void **state)
{
    (void)state;
    static const char *const cases[][3] = {
        {"Moon.example.org", "moon.example.org", "they differ only in upper and lower case"},
        {"C=CH, CN=moon", "C=CH,CN=moon", "they differ only in blanks"},
        {"moon", "moon ", "they differ only in blanks"},
        {"moon.example.org", "192.0.2.7",
         "the other side gives an address where a name is expected: it has probably set no "
         "local.id"},
        {"192.0.2.7", "moon.example.org",
         "an address is expected because no remote.id is set here"},
        {"example.org", "ann@example.org", "the other side puts a user before the domain"},
        {"ann@example.org", "example.org", "the other side leaves out the user before the domain"},
        {"moon.example.org", "moon", "the other side leaves out the domain"},
        {"moon", "moon.example.org", "the other side adds a domain"},
        {"moon.example.org", "m0on.example.org", "they differ in one character: o and 0"},
        {"moon", "moon", ""},
        {"moon", "sun", ""},
        {"ab", "ac", ""},
        {"", "moon", ""},
        {"moon", "", ""},
        {"192.0.2.7", "192.0.2.77", ""},
        {"192.0.2.7", "192.0.2.8", "they differ in one character: 7 and 8"},
        {"moo\xc3\xbc", "moo\xc3\xa4", ""}, /* half a character is not shown */
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        assert_string_equal(diagnose_compare_identities(cases[i][0], cases[i][1], &arena),
                            cases[i][2]);
}

static void lists_name_what_one_of_them_lacks(void **state)
{
    (void)state;
    static const char *const cases[][3] = {
        {"a, b", "a", "missing: b"},
        {"a, b", "b, a", ""},
        {"a", "a, b", "added: b"},
        {"a", "b", ""}, /* one against one is seen without help */
        {"a, b", "c", "c instead of a, b"},
        {"a, b, c", "b, d", "d instead of a, c"},
        {"a, c", "aa", "aa instead of a, c"},
        {"", "a", ""},
        {"a", "", ""},
        {",,,", ", ,", ""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        assert_string_equal(diagnose_compare_lists(cases[i][0], cases[i][1], &arena), cases[i][2]);
}

static void only_causes_about_identities_and_selectors_are_compared(void **state)
{
    (void)state;
    for (size_t i = 0; i < CAUSE_COUNT; i++) {
        struct finding f;
        finding_set(&f, (enum cause)i);
        f.expected = "moon, sun";
        f.seen = "Moon, sun";
        const char *expected = i == CAUSE_AUTH_ID_MISMATCH || i == CAUSE_AUTH_NO_CONNECTION_FOR_IDS
                                   ? "they differ only in upper and lower case"
                               : i == CAUSE_CHILD_TS_NARROWED || i == CAUSE_CHILD_TS_WIDENED
                                   ? "Moon instead of moon"
                                   : "";
        assert_string_equal(diagnose_difference(&f, &arena), expected);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(identities_that_differ_by_a_slip_are_told),
        cmocka_unit_test(lists_name_what_one_of_them_lacks),
        cmocka_unit_test(only_causes_about_identities_and_selectors_are_compared),
    };
    return cmocka_run_group_tests_name("diagnose/compare", tests, set_up, tear_down);
}
