#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/rng.h"
#include "data.h"
#include "finding/finding.h"
#include "finding/status.h"

static struct data_table table;

static void find_gives(const char *text, uint32_t code, const char *form)
{
    struct ikebana_match m;
    if (!ikebana_status_find(text, &m))
        fail_msg("%s is not found", text);
    if (m.status->code != code || strcmp(m.form, form) != 0)
        fail_msg("%s: %u by %s, not %u by %s", text, m.status->code, m.form, code, form);
    assert_non_null(m.comment);
}

static void find_gives_code(const char *text, uint32_t code)
{
    struct ikebana_match m;
    if (!ikebana_status_find(text, &m))
        fail_msg("%s is not found", text);
    if (m.status->code != code)
        fail_msg("%s: %u, not %u", text, m.status->code, code);
}

static void the_catalogue_is_the_table_in_ascending_order(void **state)
{
    (void)state;
    data_read("status/winerror-ipsec.tsv", &table);
    uint32_t last = 0;
    size_t i = 0;
    for (const struct ikebana_status *s; (s = ikebana_status_at(i)) != NULL; i++) {
        assert_true(s->code > last);
        last = s->code;
        assert_ptr_equal(ikebana_status_by_code(s->code), s);
        assert_true(i < table.count);
        char **row = table.cells[i];
        assert_int_equal(s->code, strtoul(row[0], NULL, 10));
        assert_string_equal(s->symbol, row[2]);
        assert_string_equal(s->phase, row[3]);
        assert_string_equal(s->meaning, row[4]);
        assert_string_equal(s->applies_to, row[6]);
    }
    assert_int_equal(i, 153);
    assert_int_equal(i, table.count);
    assert_null(ikebana_status_at(SIZE_MAX));
    data_free(&table);
}

static void codes_outside_the_block_are_none(void **state)
{
    (void)state;
    static const uint32_t codes[] = {0,     12999, 13026, 13799,     13919,
                                     13924, 13933, 80000, UINT32_MAX};
    for (size_t i = 0; i < sizeof codes / sizeof codes[0]; i++)
        assert_null(ikebana_status_by_code(codes[i]));
}

static void every_code_is_found_in_every_number_form(void **state)
{
    (void)state;
    for (size_t i = 0; ikebana_status_at(i) != NULL; i++) {
        uint32_t code = ikebana_status_at(i)->code, hresult = ikebana_status_hresult(code);
        char text[64];
        assert_true(hresult == (0x80070000 | code));
        snprintf(text, sizeof text, "%" PRIu32, code);
        find_gives(text, code, "decimal");
        snprintf(text, sizeof text, "%" PRIu32 "L", code);
        find_gives(text, code, "decimal");
        snprintf(text, sizeof text, "0x%" PRIX32, code);
        find_gives(text, code, "hex");
        snprintf(text, sizeof text, "0X%08" PRIx32, code);
        find_gives(text, code, "hex");
        snprintf(text, sizeof text, "%" PRIX32, code);
        find_gives(text, code, "hex");
        snprintf(text, sizeof text, "%" PRIx32, code);
        find_gives(text, code, "hex");
        snprintf(text, sizeof text, "0x%" PRIX32, hresult);
        find_gives(text, code, "HRESULT");
        snprintf(text, sizeof text, "%" PRIx32, hresult);
        find_gives(text, code, "HRESULT");
        snprintf(text, sizeof text, "%" PRIu32, hresult);
        find_gives(text, code, "HRESULT");
        snprintf(text, sizeof text, "%" PRId64, (int64_t)hresult - 0x100000000);
        find_gives(text, code, "HRESULT");
        snprintf(text, sizeof text, "0xFFFFFFFF%08" PRIX32, hresult);
        find_gives(text, code, "HRESULT");
        snprintf(text, sizeof text, "0xC007%04" PRIX32, code);
        find_gives(text, code, "NTSTATUS");
    }
}

static void every_symbol_is_found_in_any_case_and_without_its_prefix(void **state)
{
    (void)state;
    static const char *const prefixes[] = {"ERROR_IPSEC_IKE_", "WARNING_IPSEC_", "ERROR_IPSEC_",
                                           "ERROR_"};
    for (size_t i = 0; ikebana_status_at(i) != NULL; i++) {
        const struct ikebana_status *s = ikebana_status_at(i);
        char text[128];
        find_gives(s->symbol, s->code, "symbol");
        size_t len = strlen(s->symbol);
        for (size_t c = 0; c <= len; c++)
            text[c] = s->symbol[c] >= 'A' && s->symbol[c] <= 'Z' ? (char)(s->symbol[c] + 32)
                                                                 : s->symbol[c];
        find_gives(text, s->code, "symbol");
        for (size_t p = 0; p < sizeof prefixes / sizeof prefixes[0]; p++) {
            size_t prefix = strlen(prefixes[p]);
            if (strncmp(s->symbol, prefixes[p], prefix) == 0)
                find_gives(s->symbol + prefix, s->code, "symbol");
        }
        snprintf(text, sizeof text, "  \"%s\"\n", s->symbol);
        find_gives(text, s->code, "symbol");
    }
}

static void every_meaning_is_found_as_text(void **state)
{
    (void)state;
    for (size_t i = 0; ikebana_status_at(i) != NULL; i++)
        find_gives(ikebana_status_at(i)->meaning, ikebana_status_at(i)->code, "text");
}

static void every_alias_leads_to_a_status_by_name_and_by_number(void **state)
{
    (void)state;
    data_read("status/aliases.tsv", &table);
    for (size_t i = 0; i < table.count; i++) {
        char **row =
            table.cells[i]; /* symbol code hex source symbol-for-code code-for-symbol verdict */
        bool has_own_code = strcmp(row[5], "-") != 0;
        struct ikebana_match m;
        assert_true(ikebana_status_find(row[0], &m));
        if (has_own_code)
            assert_int_equal(m.status->code, strtoul(row[5], NULL, 10));
        else if (strcmp(row[0], "ERROR_IPSEC_IKE_PROCESSING") == 0)
            assert_int_equal(m.status->code, 13804);
        else if (strcmp(row[4], "-") != 0)
            assert_string_equal(m.status->symbol, row[4]);
        else
            assert_int_equal(m.status->code, 13818);
        if (strcmp(row[6], "message-text") == 0)
            assert_string_equal(m.form, "text");
        else
            assert_string_not_equal(m.comment, "");

        assert_true(ikebana_status_find(row[1], &m));
        if (strcmp(row[4], "-") != 0) {
            assert_string_equal(m.status->symbol, row[4]);
            find_gives(row[1], (uint32_t)strtoul(row[1], NULL, 10), "decimal");
            find_gives(row[2], (uint32_t)strtoul(row[1], NULL, 10), "hex");
        } else {
            assert_string_equal(m.form, "alias");
        }
        if (strcmp(row[6], "wrong-number") == 0 || strcmp(row[6], "historic") == 0) {
            assert_non_null(m.also);
            assert_int_equal(m.also->code, strtoul(row[5], NULL, 10));
            assert_non_null(strstr(m.comment, row[0]));
        } else {
            assert_null(m.also);
        }
    }
    data_free(&table);
}

static void the_wrong_number_of_end_says_both_readings_in_every_form(void **state)
{
    (void)state;
    static const char *const texts[] = {"13802",       "0x35EA",     "35ea",
                                        "-2147011094", "0x800735EA", "2147956202"};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        struct ikebana_match m;
        assert_true(ikebana_status_find(texts[i], &m));
        assert_string_equal(m.status->symbol, "ERROR_IPSEC_IKE_ATTRIB_FAIL");
        assert_non_null(m.also);
        assert_string_equal(m.also->symbol, "ERROR_IPSEC_IKE_NEG_STATUS_END");
        assert_int_equal(m.also->code, IKEBANA_STATUS_END);
        assert_non_null(strstr(m.comment, "13897"));
    }
}

static void the_name_of_end_is_the_number_of_the_header(void **state)
{
    (void)state;
    find_gives("ERROR_IPSEC_IKE_NEG_STATUS_END", 13897, "symbol");
    find_gives("neg_status_end", 13897, "symbol");
    find_gives("13897", 13897, "decimal");
    find_gives("0x3649", 13897, "hex");
    find_gives("ERROR_IPSEC_IKE_NEG_STATUS_BEGIN", 13800, "symbol");
}

static void a_name_that_no_header_has_is_an_alias(void **state)
{
    (void)state;
    find_gives("ERROR_IPSEC_IKE_PROCESSING", 13804, "alias");
    find_gives("ipsec_ike_processing", 13804, "alias");
    find_gives("PROCESSING", 13804, "alias");
    find_gives("ERROR_IPSEC_MM_POLICY_PRUNED", 13024, "alias");
    find_gives("ERROR_IPSEC_IKE_INVALID_UMATTS", 13889, "alias");
}

static void ntstatus_twins_are_found(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < 9; i++) {
        char text[32];
        snprintf(text, sizeof text, "0x%08" PRIX32, 0xc0360001 + i);
        find_gives(text, 13910 + i, "NTSTATUS");
        snprintf(text, sizeof text, "%" PRId64, (int64_t)(0xc0360001 + i) - 0x100000000);
        find_gives(text, 13910 + i, "NTSTATUS");
        snprintf(text, sizeof text, "0x%08" PRIX32, 0xd0360001 + i);
        find_gives(text, 13910 + i, "HRESULT");
    }
    find_gives("0xC0368000", 13925, "NTSTATUS");
    find_gives("0xC0368005", 13930, "NTSTATUS");
    find_gives("C0368006", 13932, "NTSTATUS");
}

static void a_pasted_sentence_is_searched(void **state)
{
    (void)state;
    find_gives("Policy match error", 13868, "text");
    find_gives("policy match error.", 13868, "text");
    find_gives_code("Error 13868: Policy match error", 13868);
    find_gives("Can't connect to office: IKE authentication credentials are unacceptable", 13801,
               "text");
    find_gives("The error code returned on failure is 13806.", 13806, "text");
    find_gives("failed with 0x8007362C (-2147011028)", 13868, "text");
    find_gives("#define ERROR_IPSEC_IKE_NO_CERT 13806L // 0x000035EE", 13806, "text");
}

static void what_is_no_status_is_not_found(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "",
        " ",
        "-",
        "0x",
        "--",
        "0",
        "1",
        "13919",
        "0x8007",
        "0x80073",
        "-1",
        "-13868",

        "4294981164",
        "0x10000362C",
        "18446744073709551616",
        "99999999999999999999999999",

        "1e5",
        "POLICY",
        "ERROR_IPSEC_IKE_",
        "IKE",
        "_",
        "....",
        "no such thing",
        "\xff\xfe\x80",

        "14",
        "809",
        "0x80070329",
        "-9223372036854775808",
    };
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        struct ikebana_match m;
        if (ikebana_status_find(texts[i], &m))
            fail_msg("%s is taken for %s", texts[i], m.status->symbol);
        assert_null(m.status);
        assert_null(m.also);
        assert_string_equal(m.comment, "");
    }
    struct ikebana_match m;
    assert_false(ikebana_status_find(NULL, &m));
}

static void hostile_text_never_harms(void **state)
{
    (void)state;
    const uint8_t seed[RNG_SEED_SIZE] = {9};
    struct rng *rng = rng_new(seed);
    static const char *const words[] = {
        "ERROR_IPSEC_IKE_",   "0x", "13868", "-",           "8007362C", "_",
        "Policy match error", "\"", "\xff",  "POLICY_MATCH"};
    for (int round = 0; round < 3000; round++) {
        char text[2048];
        size_t len = 0, pieces = rng_below(rng, 40);
        for (size_t i = 0; i < pieces; i++) {
            const char *word = words[rng_below(rng, sizeof words / sizeof words[0])];
            size_t n = strlen(word);
            if (rng_below(rng, 3) == 0) {
                text[len++] = (char)(1 + rng_below(rng, 255));
                continue;
            }
            memcpy(text + len, word, n);
            len += n;
        }
        text[len] = '\0';
        struct ikebana_match m;
        bool is_found = ikebana_status_find(text, &m);
        assert_int_equal(is_found, m.status != NULL);
    }
    size_t size = 100000;
    char *large = malloc(size);
    assert_non_null(large);
    struct ikebana_match m;
    memset(large, 'A', size - 1);
    large[size - 1] = '\0';
    assert_false(ikebana_status_find(large, &m));
    memset(large, '9', size - 1);
    assert_false(ikebana_status_find(large, &m));
    memset(large, '_', size - 1);
    assert_false(ikebana_status_find(large, &m));
    free(large);
    rng_free(rng);
}

static void the_version_is_that_of_the_project(void **state)
{
    (void)state;
    assert_string_equal(ikebana_version(), PROJECT_VERSION);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_catalogue_is_the_table_in_ascending_order),
        cmocka_unit_test(codes_outside_the_block_are_none),
        cmocka_unit_test(every_code_is_found_in_every_number_form),
        cmocka_unit_test(every_symbol_is_found_in_any_case_and_without_its_prefix),
        cmocka_unit_test(every_meaning_is_found_as_text),
        cmocka_unit_test(every_alias_leads_to_a_status_by_name_and_by_number),
        cmocka_unit_test(the_wrong_number_of_end_says_both_readings_in_every_form),
        cmocka_unit_test(the_name_of_end_is_the_number_of_the_header),
        cmocka_unit_test(a_name_that_no_header_has_is_an_alias),
        cmocka_unit_test(ntstatus_twins_are_found),
        cmocka_unit_test(a_pasted_sentence_is_searched),
        cmocka_unit_test(what_is_no_status_is_not_found),
        cmocka_unit_test(hostile_text_never_harms),
        cmocka_unit_test(the_version_is_that_of_the_project),
    };
    return cmocka_run_group_tests_name("finding/status", tests, NULL, NULL);
}
