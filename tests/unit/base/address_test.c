#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/address.h"

static void addresses_of_both_families_are_read_and_written(void **state)
{
    (void)state;
    static const char *const texts[] = {"192.0.2.7", "0.0.0.0", "2001:db8::7", "::", "fe80::1"};
    struct arena a;
    assert_true(arena_init(&a));
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        struct address at;
        assert_true(address_parse(span_text(texts[i]), &at));
        assert_string_equal(address_text(&a, &at), texts[i]);
    }
    arena_clear(&a);
}

static void what_is_not_a_numeric_address_is_refused(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "",
        "192.0.2",
        "192.0.2.256",
        "192.0.2.7 ",
        " 192.0.2.7",
        "host.example",
        "2001:db8:::1",
        "%any",
        "192.0.2.7/24",
        "::1%lo",
        "0000:0000:0000:0000:0000:0000:0000:0000:0000:0000:0000:0000",
    };
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        struct address at;
        assert_false(address_parse(span_text(texts[i]), &at));
        assert_int_equal(at.family, FAMILY_NONE);
    }
    struct address at;
    assert_false(address_parse(span_of("192.0.2.7\0x", 11), &at));
}

static void octets_of_another_length_are_no_address(void **state)
{
    (void)state;
    const uint8_t octets[17] = {192, 0, 2, 7};
    struct address at;
    for (size_t len = 0; len <= sizeof octets; len++) {
        bool fits = len == 4 || len == 16;
        assert_int_equal(address_from(span_of(octets, len), 500, &at), fits);
        assert_int_equal(at.port, fits ? 500 : 0);
        assert_int_equal(address_octets(&at).len, fits ? len : 0);
    }
}

static void the_same_host_on_another_port_is_the_same_host(void **state)
{
    (void)state;
    struct address a, b;
    assert_true(address_parse(span_text("192.0.2.7"), &a));
    b = a;
    b.port = 4500;
    assert_true(address_same_host(&a, &b));
    assert_false(address_equal(&a, &b));
    b.port = a.port;
    assert_true(address_equal(&a, &b));
    assert_true(address_parse(span_text("192.0.2.8"), &b));
    assert_false(address_same_host(&a, &b));
    assert_true(address_parse(span_text("c000:207::"), &b)); /* the same first four octets */
    assert_false(address_same_host(&a, &b));
}

static void a_link_local_address_belongs_to_its_interface(void **state)
{
    (void)state;
    struct arena arena;
    struct address a, b;
    assert_true(arena_init(&arena));
    assert_true(address_parse(span_text("fe80::1"), &a));
    b = a;
    b.scope = 3;
    assert_false(address_same_host(&a, &b));
    assert_string_equal(address_text(&arena, &b), "fe80::1%3");
    arena_clear(&arena);
}

static void any_is_all_zeros(void **state)
{
    (void)state;
    struct arena arena;
    struct address a = {0};
    assert_true(arena_init(&arena));
    assert_true(address_is_any(&a));
    assert_string_equal(address_text(&arena, &a), "%any");
    assert_true(address_parse(span_text("::"), &a));
    assert_true(address_is_any(&a));
    assert_true(address_parse(span_text("0.0.0.1"), &a));
    assert_false(address_is_any(&a));
    a.port = 4500;
    assert_string_equal(address_port_text(&arena, &a), "0.0.0.1[4500]");
    arena_clear(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(addresses_of_both_families_are_read_and_written),
        cmocka_unit_test(what_is_not_a_numeric_address_is_refused),
        cmocka_unit_test(octets_of_another_length_are_no_address),
        cmocka_unit_test(the_same_host_on_another_port_is_the_same_host),
        cmocka_unit_test(a_link_local_address_belongs_to_its_interface),
        cmocka_unit_test(any_is_all_zeros),
    };
    return cmocka_run_group_tests_name("base/address", tests, NULL, NULL);
}
