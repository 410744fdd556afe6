/* Records as JSON and text, against files in golden/. IKEBANA_GOLDEN=write makes them anew: read
 * the difference before you commit it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>

#include "diagnose/render.h"
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

static char *dump(const struct record *r)
{
    json_t *tree = diagnose_record_to_json(r);
    assert_non_null(tree);
    char *out = json_dumps(tree, JSON_INDENT(2));
    json_decref(tree);
    assert_non_null(out);
    return out;
}

/* The text as `ikebana why` makes it: from JSON that was written and read. */
static const char *text_of(const struct record *r, bool colour)
{
    char *json = dump(r);
    json_t *tree = json_loads(json, 0, NULL);
    assert_non_null(tree);
    free(json);
    const char *text = diagnose_json_to_text(tree, &arena, colour);
    json_decref(tree);
    return text;
}

static const char *golden_path(const char *name, const char *ext)
{
    return arena_text(&arena, "%s/%s.%s", GOLDEN_DIR, name, ext);
}

static void check_golden(const char *name, const char *ext, const char *got)
{
    const char *path = golden_path(name, ext);
    const char *mode = getenv("IKEBANA_GOLDEN");
    if (mode != NULL && strcmp(mode, "write") == 0) {
        FILE *f = fopen(path, "w");
        assert_non_null(f);
        fputs(got, f);
        fclose(f);
        return;
    }
    FILE *f = fopen(path, "r");
    if (f == NULL)
        fail_msg("no file %s", path);
    size_t size = strlen(got) + 100000;
    char *expected = arena_alloc(&arena, size);
    assert_non_null(expected);
    expected[fread(expected, 1, size - 1, f)] = '\0';
    fclose(f);
    if (strcmp(expected, got) != 0)
        print_message("%s.%s\n%s", name, ext, got);
    assert_string_equal(got, expected);
}

static void each_kind_and_result_is_written_as_documented(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof made / sizeof made[0]; i++) {
        struct record *r = made[i].make();
        char *json = dump(r);
        check_golden(made[i].name, "json", arena_text(&arena, "%s\n", json));
        check_golden(made[i].name, "txt", text_of(r, false));
        free(json);
        record_free(r);
        arena_reset(&arena);
    }
}

static void equal_records_give_equal_octets(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof made / sizeof made[0]; i++) {
        struct record *one = made[i].make(), *two = made[i].make();
        char *x = dump(one), *y = dump(two);
        assert_string_equal(x, y);
        free(x);
        free(y);
        record_free(one);
        record_free(two);
    }
}

static size_t columns(const char *line, size_t len)
{
    size_t count = 0;
    for (size_t i = 0; i < len; i++)
        count += ((unsigned char)line[i] & 0xc0) != 0x80;
    return count;
}

static void check_lines(const char *text)
{
    while (*text != '\0') {
        size_t len = strcspn(text, "\n");
        if (columns(text, len) > 100)
            fail_msg("too long: %.*s", (int)len, text);
        assert_int_equal(text[len], '\n'); /* each line is ended */
        assert_true(len == 0 || text[len - 1] != ' ');
        for (size_t i = 0; i < len; i++)
            assert_true((unsigned char)text[i] >= 0x20 && text[i] != 0x7f);
        text += len + 1;
    }
}

static void no_line_is_wider_than_100_columns(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof made / sizeof made[0]; i++) {
        struct record *r = made[i].make();
        check_lines(text_of(r, false));
        record_free(r);
    }
}

static void colours_add_sequences_and_change_no_word(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof made / sizeof made[0]; i++) {
        struct record *r = made[i].make();
        const char *plain = text_of(r, false), *coloured = text_of(r, true);
        char *bare = arena_alloc(&arena, strlen(coloured) + 1);
        size_t len = 0;
        assert_non_null(strstr(coloured, "\033["));
        for (const char *p = coloured; *p != '\0'; p++) {
            if (*p == '\033')
                p += strcspn(p, "m");
            else
                bare[len++] = *p;
        }
        assert_string_equal(bare, plain);
        record_free(r);
    }
}

static void every_cause_renders_with_all_places_filled(void **state)
{
    (void)state;
    for (size_t i = 0; i < CAUSE_COUNT; i++) {
        struct finding f;
        for (int is_full = 0; is_full < 2; is_full++) {
            struct record *r =
                is_full ? make_record(RECORD_IKE, RESULT_FAILED, PHASE_IKE_AUTH) : nothing_known();
            finding_set(&f, (enum cause)i);
            if (is_full) {
                f.param = "connections.office.x";
                f.expected = "aes128-sha256-x25519";
                f.seen = "198.51.100.4";
                f.nearest = "office";
                f.phase = PHASE_IKE_AUTH;
                add_auth(r);
                add_established(r);
            }
            record_add_finding(r, &f);
            char *json = dump(r);
            json_t *tree = json_loads(json, 0, NULL);
            json_t *one = json_array_get(json_object_get(tree, "findings"), 0);
            static const char *const texts[] = {"sentence", "fix", "cause", "doc"};
            for (size_t t = 0; t < 4; t++) {
                const char *text = json_string_value(json_object_get(one, texts[t]));
                if (i != CAUSE_NONE || t != 1)
                    assert_non_null(text);
                assert_true(text == NULL || strpbrk(text, "{}") == NULL);
            }
            size_t n;
            json_t *likely;
            json_array_foreach(json_object_get(one, "likely"), n, likely)
            {
                assert_null(strpbrk(json_string_value(likely), "{}"));
                assert_true(json_string_length(likely) > 0);
            }
            check_lines(diagnose_json_to_text(tree, &arena, false));
            json_decref(tree);
            free(json);
            record_free(r);
            arena_reset(&arena);
        }
    }
}

static void the_verdict_decides_status_and_reason(void **state)
{
    (void)state;
    struct record *r = refused_proposal();
    json_t *tree = diagnose_record_to_json(r);
    json_t *status = json_object_get(tree, "status"), *reason = json_object_get(tree, "reason");
    assert_int_equal(json_integer_value(json_object_get(status, "code")), 13800);
    assert_string_equal(json_string_value(json_object_get(status, "hex")), "0x35E8");
    assert_string_equal(json_string_value(json_object_get(status, "symbol")),
                        "ERROR_IPSEC_IKE_NEG_STATUS_BEGIN");
    assert_int_equal(json_integer_value(json_object_get(reason, "code")), 13868);
    assert_string_equal(json_string_value(json_object_get(reason, "symbol")),
                        "ERROR_IPSEC_IKE_POLICY_MATCH");
    json_decref(tree);
    record_free(r);
}

static void what_is_up_has_no_status_and_shows_its_warnings(void **state)
{
    (void)state;
    struct record *r = up_with_warning();
    json_t *tree = diagnose_record_to_json(r);
    assert_true(json_is_null(json_object_get(tree, "status")));
    assert_true(json_is_null(json_object_get(tree, "reason")));
    const char *text = diagnose_json_to_text(tree, &arena, false);
    assert_non_null(strstr(text, "up after 41 ms"));
    assert_non_null(strstr(text, "  warning   the traffic selectors were narrowed"));
    assert_non_null(strstr(text, "missing: 10.3.0.0/16"));
    json_decref(tree);
    record_free(r);
}

/* ---- hostile ---- */

static void octets_that_are_no_utf8_are_escaped(void **state)
{
    (void)state;
    struct finding f;
    struct record *r = refused_proposal();
    record_set_text(&r->remote_id,
                    "bad\xff\xc0\x80\xed\xa0\x80\xf4\x90\x80\x80 end \xc3\xbc\xe2\x82");
    finding_set(&f, CAUSE_AUTH_ID_MISMATCH);
    f.seen = "\xfe";
    f.evidence.note = "\x80";
    record_add_finding(r, &f);
    json_t *tree = diagnose_record_to_json(r);
    const char *id = json_string_value(json_object_get(json_object_get(tree, "remote"), "id"));
    assert_string_equal(id, "bad\\xff\\xc0\\x80\\xed\\xa0\\x80\\xf4\\x90\\x80\\x80 end "
                            "\xc3\xbc\\xe2\\x82");
    json_t *second = json_array_get(json_object_get(tree, "findings"), 1);
    assert_string_equal(json_string_value(json_object_get(second, "seen")), "\\xfe");
    json_decref(tree);
    record_free(r);
}

static void control_characters_do_not_reach_the_terminal(void **state)
{
    (void)state;
    struct record *r = refused_proposal();
    record_set_text(&r->conn, "of\033[2Jfice\n\r\t\x7f\xc2\x9b"
                              "31m");
    record_set_text(&r->remote_id, "\033]0;title\a");
    const char *text = text_of(r, false);
    check_lines(text);
    assert_non_null(strstr(text, "of\\x1b[2Jfice\\x0a\\x0d\\x09\\x7f\\x9b31m"));
    assert_null(strstr(text, "\xc2\x9b"));
    record_free(r);
}

static void a_list_without_blanks_is_wrapped_all_the_same(void **state)
{
    (void)state;
    struct record *r = refused_proposal();
    char *list = arena_alloc(&arena, 9001), *umlauts = arena_alloc(&arena, 4001);
    for (size_t i = 0; i < 9000; i++)
        list[i] = i % 7 == 6 ? '-' : 'a';
    for (size_t i = 0; i < 4000; i += 2) {
        umlauts[i] = (char)0xc3;
        umlauts[i + 1] = (char)0xbc;
    }
    struct finding f = *r->findings[0];
    f.cause = CAUSE_IKE_NO_COMMON_PROPOSAL;
    f.expected = list;
    f.seen = umlauts;
    record_add_finding(r, &f);
    record_set_text(&r->conn, list);
    record_set_text(&r->remote_id, umlauts);
    const char *text = text_of(r, false);
    check_lines(text);
    size_t dashes = 0;
    for (const char *p = text; *p != '\0'; p++)
        dashes += *p == '-';
    assert_true(dashes >= 2 * (9000 / 7));
    record_free(r);
}

static void any_json_can_be_rendered(void **state)
{
    (void)state;
    static const char *const hostile[] = {
        "{}",
        "[]",
        "\"text\"",
        "{\"number\": -4, \"kind\": 7, \"result\": [], \"findings\": {}, \"trail\": 3}",
        "{\"findings\": [1, null, [], {}, {\"severity\": \"failure\"}], \"trail\": [1, null, {}]}",
        "{\"kind\": \"teapot\", \"result\": \"failed\", \"cause\": \"x\", \"reason\": {}, "
        "\"findings\": [{\"cause\": \"x\", \"likely\": [1, {}, \"a\"], \"confidence\": -1}]}",
        "{\"number\": 9223372036854775807, \"took_ms\": 9223372036854775807, \"result\": \"up\", "
        "\"kind\": \"ike\", \"version\": 9223372036854775807, \"ike\": [], \"child\": 4, "
        "\"local\": \"x\", \"trail_lost\": 9223372036854775807}",
        "{\"trail\": [{\"payloads\": [1, \"N\", \"SA\"], \"notifies\": \"x\", \"protected\": true, "
        "\"at_ms\": 9223372036854775807, \"repeats\": 1}]}",
        "{\"began\": \"1234567890123456789Z\", \"result\": \"failed\", \"status\": {\"code\": 1}}",
    };
    for (size_t i = 0; i < sizeof hostile / sizeof hostile[0]; i++) {
        json_t *tree = json_loads(hostile[i], JSON_DECODE_ANY, NULL);
        assert_non_null(tree);
        const char *text = diagnose_json_to_text(tree, &arena, false);
        assert_non_null(text);
        check_lines(text);
        json_decref(tree);
    }
    assert_string_equal(diagnose_json_to_text(NULL, &arena, true), "");
}

static void any_part_of_the_json_may_be_missing_or_of_another_type(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof made / sizeof made[0]; i++) {
        struct record *r = made[i].make();
        json_t *tree = diagnose_record_to_json(r);
        const char *key;
        json_t *value;
        json_t *keys = json_deep_copy(tree);
        json_object_foreach(keys, key, value)
        {
            json_t *less = json_deep_copy(tree), *odd = json_deep_copy(tree);
            json_object_del(less, key);
            json_object_set_new(odd, key,
                                json_is_string(value) ? json_integer(4) : json_string("odd"));
            check_lines(diagnose_json_to_text(less, &arena, false));
            check_lines(diagnose_json_to_text(odd, &arena, false));
            json_decref(less);
            json_decref(odd);
            arena_reset(&arena);
        }
        json_decref(keys);
        json_decref(tree);
        record_free(r);
    }
}

static void numbers_beyond_the_enumerations_have_words_too(void **state)
{
    (void)state;
    struct record *r = refused_proposal();
    r->kind = (enum record_kind)77;
    r->result = (enum record_result)77;
    r->phase = (enum phase)77;
    r->trail[0].exchange = 255;
    r->trail[0].payloads = UINT32_MAX;
    r->trail[0].flags = 0xff;
    for (size_t i = 0; i < 4; i++)
        r->trail[0].notifies[i] = (uint16_t)(40000 + i);
    r->local_auth = 200;
    r->findings[0]->cause = (enum cause)9999;
    r->findings[0]->at_fault = (enum side)99;
    r->findings[0]->phase = (enum phase)99;
    check_lines(text_of(r, false));
    record_free(r);
}

/* ---- much and nothing ---- */

static void of_a_huge_trail_both_ends_are_shown(void **state)
{
    (void)state;
    struct record *r = make_record(RECORD_IKE, RESULT_FAILED, PHASE_IKE_SA_INIT);
    for (uint32_t i = 0; i < 100; i++)
        trail_add(r, i * 10, EXCHANGE_INFORMATIONAL, i, i % 2 == 0 ? TRAIL_SENT : 0, 80, ONE_NOTIFY,
                  NOTIFY_COOKIE);
    assert_int_equal(r->trail_count, TRAIL_MAX);
    assert_int_equal(r->trail_lost, 100 - TRAIL_MAX);
    const char *text = text_of(r, false);
    check_lines(text);
    assert_non_null(strstr(text, "→ INFORMATIONAL 0 request 80 B N(COOKIE) 00:00.000"));
    assert_non_null(strstr(text, "← INFORMATIONAL 63 request 80 B N(COOKIE) 00:00.630"));
    assert_non_null(strstr(text, "24 messages are left out here"));
    assert_non_null(strstr(text, "and 36 more that were not kept"));
    assert_null(strstr(text, "INFORMATIONAL 30 "));
    json_t *tree = diagnose_record_to_json(r);
    assert_int_equal(json_array_size(json_object_get(tree, "trail")), TRAIL_MAX);
    json_decref(tree);
    record_free(r);
}

static void a_message_in_fragments_says_how_many(void **state)
{
    (void)state;
    struct record *r = make_record(RECORD_IKE, RESULT_FAILED, PHASE_IKE_AUTH);
    trail_add(r, 10, EXCHANGE_IKE_AUTH, 1, TRAIL_SENT | TRAIL_PROTECTED, 2378, 0, 0)->fragments = 5;
    trail_add(r, 20, EXCHANGE_IKE_AUTH, 1, TRAIL_RESPONSE | TRAIL_PROTECTED, 80, 0, 0);
    const char *text = text_of(r, false);
    assert_non_null(strstr(text, "→ IKE_AUTH 1 request 2378 B SK{} 00:00.010, in 5 fragments\n"));
    assert_non_null(strstr(text, "← IKE_AUTH 1 response 80 B SK{} 00:00.020\n"));
    json_t *tree = diagnose_record_to_json(r), *trail = json_object_get(tree, "trail");
    json_t *first = json_array_get(trail, 0), *second = json_array_get(trail, 1);
    assert_int_equal(json_integer_value(json_object_get(first, "fragments")), 5);
    assert_null(json_object_get(second, "fragments"));
    json_decref(tree);
    record_free(r);
}

static void a_record_with_nothing_known_has_every_key(void **state)
{
    (void)state;
    struct record *empty = nothing_known(), *full = up_with_warning();
    json_t *x = diagnose_record_to_json(empty), *y = diagnose_record_to_json(full), *value;
    const char *key;
    assert_int_equal(json_object_size(x), json_object_size(y));
    json_object_foreach(y, key, value) assert_non_null(json_object_get(x, key));
    json_decref(x);
    json_decref(y);
    record_free(empty);
    record_free(full);
}

static void check_documented(const json_t *value, const char *page)
{
    const char *key;
    json_t *inner;
    size_t i;
    json_array_foreach(value, i, inner) check_documented(inner, page);
    json_object_foreach((json_t *)(uintptr_t)value, key, inner)
    {
        if (strstr(page, arena_text(&arena, "`%s`", key)) == NULL)
            fail_msg("docs/records.md does not name %s", key);
        check_documented(inner, page);
    }
}

static void every_key_is_in_the_documentation(void **state)
{
    (void)state;
    static char page[100000];
    FILE *f = fopen(RECORDS_PAGE, "r");
    assert_non_null(f);
    page[fread(page, 1, sizeof page - 1, f)] = '\0';
    fclose(f);
    for (size_t i = 0; i < sizeof made / sizeof made[0]; i++) {
        struct record *r = made[i].make();
        json_t *tree = diagnose_record_to_json(r);
        check_documented(tree, page);
        json_decref(tree);
        record_free(r);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_kind_and_result_is_written_as_documented),
        cmocka_unit_test(equal_records_give_equal_octets),
        cmocka_unit_test(no_line_is_wider_than_100_columns),
        cmocka_unit_test(colours_add_sequences_and_change_no_word),
        cmocka_unit_test(every_cause_renders_with_all_places_filled),
        cmocka_unit_test(the_verdict_decides_status_and_reason),
        cmocka_unit_test(what_is_up_has_no_status_and_shows_its_warnings),
        cmocka_unit_test(octets_that_are_no_utf8_are_escaped),
        cmocka_unit_test(control_characters_do_not_reach_the_terminal),
        cmocka_unit_test(a_list_without_blanks_is_wrapped_all_the_same),
        cmocka_unit_test(any_json_can_be_rendered),
        cmocka_unit_test(any_part_of_the_json_may_be_missing_or_of_another_type),
        cmocka_unit_test(numbers_beyond_the_enumerations_have_words_too),
        cmocka_unit_test(of_a_huge_trail_both_ends_are_shown),
        cmocka_unit_test(a_message_in_fragments_says_how_many),
        cmocka_unit_test(a_record_with_nothing_known_has_every_key),
        cmocka_unit_test(every_key_is_in_the_documentation),
    };
    return cmocka_run_group_tests_name("diagnose/render", tests, set_up, tear_down);
}
