#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/secret.h"

static void a_cleared_secret_leaves_nothing(void **state)
{
    (void)state;
    struct secret s = {.bytes = {1, 2, 3}, .len = 3};
    struct big_secret b = {.bytes = {1, 2, 3}, .len = 3};
    static const uint8_t zeros[sizeof b];
    assert_int_equal(secret_span(&s).len, 3);
    assert_int_equal(big_secret_span(&b).len, 3);
    secret_clear(&s);
    big_secret_clear(&b);
    assert_memory_equal(&s, zeros, sizeof s);
    assert_memory_equal(&b, zeros, sizeof b);
    secret_wipe(NULL, 5);
}

static void leave_a_secret(const uint8_t **where)
{
    SECRET s = {.bytes = {0xde, 0xad, 0xbe, 0xef}, .len = 4};
    *where = s.bytes;
    assert_int_equal(s.bytes[0], 0xde);
}

static void a_secret_on_the_stack_can_be_left_early(void **state)
{
    (void)state;
    const uint8_t *where = NULL;
    leave_a_secret(&where);
    assert_non_null(where);
}

static void secrets_are_equal_only_when_all_octets_are(void **state)
{
    (void)state;
    assert_true(secret_equal(span_text("abc"), span_text("abc")));
    assert_false(secret_equal(span_text("abc"), span_text("abd")));
    assert_false(secret_equal(span_text("abc"), span_text("ab")));
    assert_true(secret_equal(span_of(NULL, 0), span_of(NULL, 0)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_cleared_secret_leaves_nothing),
        cmocka_unit_test(a_secret_on_the_stack_can_be_left_early),
        cmocka_unit_test(secrets_are_equal_only_when_all_octets_are),
    };
    return cmocka_run_group_tests_name("base/secret", tests, NULL, NULL);
}
