/* The table of keys, what is probably meant by a wrong one, and the values of each type. */
#include <stdio.h>

#include "conf_helper.h"
#include "policy/keys.h"
#include "policy/value.h"

static void keys_are_case_sensitive_and_sections_of_a_connection_are_not(void **state)
{
    (void)state;
    static const char conn[] = "connections.<conn>";
    assert_non_null(policy_key_find(conn, "mobike", false));
    assert_null(policy_key_find(conn, "Mobike", false));
    assert_null(policy_key_find(conn, "mobike", true));
    assert_string_equal(policy_key_find(conn, "LOCAL-3", true)->name, "local");
    assert_null(policy_key_find(conn, "loca", true));
    assert_non_null(policy_key_find("secrets", "ike-x", true));
    assert_null(policy_key_find("secrets", "IKE-x", true));
    assert_non_null(policy_key_find("pools", "any name", true));
    assert_string_equal(policy_key_find("secrets.ike<suffix>", "id-7", false)->name, "id");
}

static void every_key_says_how_it_is_served(void **state)
{
    (void)state;
    assert_int_equal(policy_key_count, 166);
    for (size_t i = 0; i < policy_key_count; i++) {
        const struct policy_key *k = &policy_keys[i];
        assert_int_equal(k->served == KEY_WHEN, k->as[0] != '\0');
        assert_int_equal(k->type == KEY_ENUM, k->words[0] != '\0');
    }
}

/* docs/configuration.md names every key of a connection and of its secrets, in backquotes. */
static void every_key_is_in_the_manual(void **state)
{
    struct setup *s = *state;
    FILE *f = fopen(VECTORS_DIR "/../../docs/configuration.md", "r");
    assert_non_null(f);
    char *text = arena_alloc(&s->arena, 100000);
    assert_true(fread(text, 1, 99999, f) > 0);
    fclose(f);
    for (size_t i = 0; i < policy_key_count; i++) {
        const struct policy_key *k = &policy_keys[i];
        bool is_inside_unserved = strstr(k->scope, "cert<suffix>") != NULL;
        if (strncmp(k->scope, "connections.<conn>", 18) != 0 || k->name[0] == '<' ||
            is_inside_unserved)
            continue;
        const char *quoted = arena_text(&s->arena, "`%s%s`", k->name, k->is_prefix ? "…" : "");
        if (strstr(text, quoted) == NULL)
            fail_msg("docs/configuration.md does not name %s of %s", quoted, k->scope);
    }
}

static void the_nearest_key_is_the_one_with_the_fewest_changes(void **state)
{
    struct setup *s = *state;
    static const char conn[] = "connections.<conn>";
    static const char child[] = "connections.<conn>.children.<child>";
    static const struct {
        const char *scope, *name;
        bool is_section;
        const char *nearest;
    } cases[] = {
        {conn, "mobkie", false, "mobike"},
        {conn, "rekeytime", false, "rekey_time"},
        {conn, "remote_addr", false, "remote_addrs"},
        {conn, "childrn", true, "children"},
        {conn, "child", true, "children"},
        {conn, "local", false, "the section local { }"},
        {conn, "version", true, "the key version = …"},
        {child, "local_tss", false, "local_ts"},
        {child, "lifetime", false, "life_time"},
        {child, "dpd_delay", false, "dpd_delay in connections.<conn>"},
        {conn, "completely_different", false, ""},
        {conn, "", false, ""},
        {conn, "a_name_that_is_longer_than_any_key_can_ever_be", false, ""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        assert_string_equal(
            policy_key_nearest(cases[i].scope, cases[i].name, cases[i].is_section, &s->arena),
            cases[i].nearest);
}

typedef enum value_fit parser(struct span text, uint64_t *out);

static enum value_fit number32(struct span text, uint64_t *out)
{
    return value_number(text, UINT32_MAX, out);
}

static void numbers_times_and_volumes_are_read_as_in_c(void **state)
{
    (void)state;
    static const struct {
        parser *parse;
        const char *text;
        enum value_fit fit;
        uint64_t value;
    } cases[] = {
        {number32, "0", VALUE_GOOD, 0},
        {number32, "0x1F", VALUE_GOOD, 31},
        {number32, "010", VALUE_ODD, 8},
        {number32, "08", VALUE_BAD, 0},
        {number32, "0x", VALUE_BAD, 0},
        {number32, "0xg", VALUE_BAD, 0},
        {number32, "+5", VALUE_ODD, 5},
        {number32, "-1", VALUE_ODD, UINT32_MAX},
        {number32, "-", VALUE_BAD, 0},
        {number32, "", VALUE_ODD, 0},
        {number32, " 5", VALUE_GOOD, 5},
        {number32, "5 ", VALUE_BAD, 0},
        {number32, "4294967296", VALUE_ODD, UINT32_MAX},
        {number32, "99999999999999999999999", VALUE_ODD, UINT32_MAX},
        {value_time, "90", VALUE_GOOD, 90},
        {value_time, "5m", VALUE_GOOD, 300},
        {value_time, "4 H", VALUE_GOOD, 14400},
        {value_time, "1d", VALUE_GOOD, 86400},
        {value_time, "1w", VALUE_BAD, 0},
        {value_time, "10ms", VALUE_BAD, 0},
        {value_time, "h", VALUE_ODD, 0},
        {value_time, "999999d", VALUE_ODD, UINT32_MAX},
        {value_bytes, "1k", VALUE_GOOD, 1024},
        {value_bytes, "3 M", VALUE_GOOD, 3U << 20},
        {value_bytes, "99999999999g", VALUE_ODD, UINT64_MAX},
        {value_bytes, "18446744073709551617", VALUE_ODD, UINT64_MAX},
        {value_bytes, "1kb", VALUE_BAD, 0},
        {value_bin6, "101110", VALUE_GOOD, 46},
        {value_bin6, "1111111", VALUE_GOOD, 63},
        {value_bin6, "2", VALUE_BAD, 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        uint64_t value = 0;
        enum value_fit fit = cases[i].parse(span_text(cases[i].text), &value);
        if (fit != cases[i].fit || (fit != VALUE_BAD && value != cases[i].value))
            fail_msg("\"%s\": fit %d, value %llu", cases[i].text, fit, (unsigned long long)value);
    }
}

static void a_mark_has_a_value_and_a_mask(void **state)
{
    (void)state;
    uint64_t value, mask;
    bool is_special;
    assert_int_equal(value_mark(span_text("0x2a/0xff"), false, &value, &mask, &is_special),
                     VALUE_GOOD);
    assert_int_equal(value, 42);
    assert_int_equal(mask, 255);
    assert_int_equal(value_mark(span_text("42"), false, &value, &mask, &is_special), VALUE_GOOD);
    assert_int_equal(mask, UINT32_MAX);
    value_mark(span_text("%unique/0xff"), false, &value, &mask, &is_special);
    assert_true(is_special);
    assert_int_equal(value_mark(span_text("%same"), false, &value, &mask, &is_special), VALUE_BAD);
    assert_int_equal(value_mark(span_text("%same"), true, &value, &mask, &is_special), VALUE_GOOD);
    assert_int_equal(value_mark(span_text("42/x"), false, &value, &mask, &is_special), VALUE_BAD);
}

static void a_list_is_split_at_commas(void **state)
{
    (void)state;
    struct reader list = reader_of(span_text(" a b ,, c ,"));
    struct span item;
    assert_true(value_next_item(&list, &item) && span_is(item, "a b"));
    assert_true(value_next_item(&list, &item) && span_is(item, "c"));
    assert_false(value_next_item(&list, &item));
}

static void words_are_compared_whole_and_in_any_case(void **state)
{
    (void)state;
    assert_true(value_is_word(span_text("YES"), "no|yes"));
    assert_false(value_is_word(span_text("ye"), "no|yes"));
    assert_false(value_is_word(span_text("no|yes"), "no|yes"));
    assert_false(value_is_word(span_text(""), "no|yes"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(keys_are_case_sensitive_and_sections_of_a_connection_are_not),
        TEST(every_key_says_how_it_is_served),
        TEST(every_key_is_in_the_manual),
        TEST(the_nearest_key_is_the_one_with_the_fewest_changes),
        TEST(numbers_times_and_volumes_are_read_as_in_c),
        TEST(a_mark_has_a_value_and_a_mask),
        TEST(a_list_is_split_at_commas),
        TEST(words_are_compared_whole_and_in_any_case),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
