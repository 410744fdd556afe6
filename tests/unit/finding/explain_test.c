#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>

#include "data.h"
#include "finding/explain.h"

static struct data_table table;
static struct arena arena;

static int set_up(void **state)
{
    (void)state;
    return arena_init(&arena) ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    arena_clear(&arena);
    return 0;
}

static struct explanation known(const char *what)
{
    struct explanation e;
    if (!finding_explain(what, &arena, &e))
        fail_msg("%s is not explained", what);
    return e;
}

static const char *text_of(const char *what)
{
    struct explanation e;
    finding_explain(what, &arena, &e);
    return finding_explain_text(&e, &arena);
}

static void says(const char *what, const char *part)
{
    const char *text = text_of(what);
    if (strstr(text, part) == NULL)
        fail_msg("%s: \"%s\" is missing in:\n%s", what, part, text);
}

static void a_status_is_explained_with_its_causes_cases_and_dial_up_errors(void **state)
{
    (void)state;
    struct explanation e = known("13868");
    assert_string_equal(e.status.status->symbol, "ERROR_IPSEC_IKE_POLICY_MATCH");
    assert_false(e.is_status_derived);
    assert_true(e.cause_count >= 5);
    assert_true(e.case_count >= 4);
    assert_int_equal(e.ras_alike_count, 1);
    assert_int_equal(e.ras_alike[0]->code, 842);
    says("13868", "observed: public reports");
    says("13868", "ike.no-common-proposal: no common IKE proposal");
    says("13868", "fix       make one IKE proposal equal");
    says("13868", "842 ERROR_TS_UNACCEPTABLE");
    says("13868", "0x8007362C, -2147011028");
}

static void the_three_statuses_of_a_record_are_said_to_be_such(void **state)
{
    (void)state;
    says("13800", "initial phase failed");
    says("ERROR_IPSEC_IKE_PROCESSING", "13804 0x35EC ERROR_IPSEC_IKE_GENERAL_PROCESSING_ERROR");
    says("13804", "could not be processed");
    says("13897", "a later phase failed");
}

static void the_wrong_number_of_end_is_told_with_both_readings(void **state)
{
    (void)state;
    static const char *const texts[] = {"13802", "0x35EA", "-2147011094"};
    for (size_t i = 0; i < 3; i++) {
        says(texts[i], "13802 0x35EA ERROR_IPSEC_IKE_ATTRIB_FAIL\n");
        says(texts[i], "also      13897 0x3649 ERROR_IPSEC_IKE_NEG_STATUS_END");
        says(texts[i], "also met as ERROR_IPSEC_IKE_NEG_STATUS_END");
    }
}

static void a_cause_is_explained_with_its_reason_and_fix(void **state)
{
    (void)state;
    struct explanation e = known("ike.no-common-proposal");
    assert_int_equal(e.cause->cause, CAUSE_IKE_NO_COMMON_PROPOSAL);
    assert_int_equal(e.status.status->code, 13868);
    assert_true(e.is_status_derived);
    says("ike.no-common-proposal", "answered  NO_PROPOSAL_CHOSEN (14)");
    says("ike.no-common-proposal", "reported with the reason 13868");
    says("no common ESP proposal", "child.no-common-proposal"); /* by its sentence */
    for (size_t i = 0; i < CAUSE_COUNT; i++) {
        const struct cause_row *row = ikebana_cause_row((enum cause)i);
        e = known(row->id);
        assert_ptr_equal(e.cause, row);
        assert_int_equal(e.status.status->code, row->reason);
        says(row->id, row->id);
    }
}

static void every_notify_is_explained_by_name_and_number(void **state)
{
    (void)state;
    data_read("spec/ikev2-registry.tsv", &table);
    size_t count = 0;
    for (size_t i = 0; i < table.count; i++) {
        char **row = table.cells[i]; /* registry number name */
        if (strncmp(row[0], "notify", 6) != 0 || strchr(row[1], '-') != NULL)
            continue;
        struct explanation by_number = known(row[1]), by_name = known(row[2]);
        assert_non_null(by_number.notify);
        assert_int_equal(by_number.notify->number, strtoul(row[1], NULL, 10));
        assert_ptr_equal(by_number.notify, by_name.notify);
        says(row[2], row[2]);
        count++;
    }
    assert_true(count > 90);
    data_free(&table);
}

static void every_dial_up_error_is_explained_with_its_likely_status(void **state)
{
    (void)state;
    data_read("status/ras-errors.tsv", &table);
    for (size_t i = 0; i < table.count; i++) {
        char **row = table.cells[i]; /* decimal symbol meaning likely_ike_status ike_symbol */
        unsigned long code = strtoul(row[0], NULL, 10);
        struct explanation e = known(row[0]);
        assert_int_equal(e.ras->code, code);
        assert_ptr_equal(known(row[1]).ras, e.ras);
        assert_ptr_equal(known(arena_text(&arena, "0x8007%04lx", code)).ras, e.ras);
        if (strcmp(row[3], "-") == 0) {
            assert_null(e.status.status);
        } else {
            assert_int_equal(e.status.status->code, strtoul(row[3], NULL, 10));
            assert_string_equal(e.status.status->symbol, row[4]);
            assert_true(e.is_status_derived);
        }
        says(row[0], row[2]);
    }
    data_free(&table);
}

static void the_cases_of_the_map_are_those_of_the_table(void **state)
{
    (void)state;
    data_read("status/ikev2-notify-map.tsv", &table);
    size_t i = 0;
    for (; finding_case_at(i) != NULL; i++) {
        const struct finding_case *c = finding_case_at(i);
        char **row = table.cells[i]; /* event notify_type exchange status symbol basis comment */
        assert_string_equal(c->event, row[0]);
        assert_int_equal(c->notify, strtoul(row[1], NULL, 10));
        assert_string_equal(c->exchange, row[2]);
        assert_int_equal(c->status, strtoul(row[3], NULL, 10));
        assert_true(c->status == 0 || ikebana_status_by_code(c->status) != NULL);
    }
    assert_int_equal(i, table.count);
    data_free(&table);
}

static void the_notify_of_windows_says_that_it_carries_a_status(void **state)
{
    (void)state;
    struct explanation e = known("12345");
    assert_non_null(e.wire);
    assert_string_equal(e.wire->protocol, "ikev2");
    says("12345", "4 octets, network order");
    assert_null(known("14").wire);
    assert_non_null(finding_wire_status_at(5));
    assert_null(finding_wire_status_at(6));
}

static void a_name_that_is_notify_and_status_is_explained_as_both(void **state)
{
    (void)state;
    struct explanation e = known("INVALID_MAJOR_VERSION");
    assert_int_equal(e.notify->number, 5);
    assert_int_equal(e.status.status->code, 13880);
    assert_false(e.is_status_derived);
}

static void every_status_has_a_text_within_a_hundred_columns(void **state)
{
    (void)state;
    for (size_t i = 0; ikebana_status_at(i) != NULL; i++) {
        const char *text = text_of(ikebana_status_at(i)->symbol);
        for (const char *line = text; *line != '\0';) {
            size_t len = strcspn(line, "\n"), columns = 0;
            for (size_t j = 0; j < len; j++)
                columns += ((unsigned char)line[j] & 0xc0) != 0x80;
            if (columns > 110)
                fail_msg("%.*s", (int)len, line);
            assert_int_equal(line[len], '\n');
            assert_true(len == 0 || line[len - 1] != ' ');
            line += len + 1;
        }
        arena_reset(&arena);
    }
}

static bool suggests(const char *what, const char *name)
{
    struct explanation e;
    assert_false(finding_explain(what, &arena, &e));
    for (size_t i = 0; i < e.near_count; i++)
        if (strcmp(e.near[i], name) == 0)
            return true;
    return false;
}

static void a_slip_is_answered_with_what_was_meant(void **state)
{
    (void)state;
    assert_true(suggests("ERROR_IPSEC_IKE_POLCY_MATCH", "ERROR_IPSEC_IKE_POLICY_MATCH"));
    assert_true(suggests("polcy-match", "ERROR_IPSEC_IKE_POLICY_MATCH"));
    assert_true(suggests("NO_PROPOSAL_CHOSE", "NO_PROPOSAL_CHOSEN"));
    assert_true(suggests("ike.no-comon-proposal", "ike.no-common-proposal"));
    assert_true(suggests("ERROR_VPN_TIMEOUTS", "ERROR_VPN_TIMEOUT"));
    assert_true(suggests("psk", "auth.psk-mismatch"));
    assert_true(suggests("mismach", "auth.psk-mismatch"));
    assert_true(suggests("polcy_match", "ERROR_IPSEC_IKE_POLICY_MATCH"));
    says("polcy-match", "near      ERROR_IPSEC_IKE_POLICY_MATCH");
    says("qqqqqqqqqqqqqqqqqqqqq", "accepted");
    says("13919", "not assigned");
}

static void text_of_the_user_is_shown_escaped_and_cut(void **state)
{
    (void)state;
    says("\x1b[2J", "\"\\x1b[2J\" is no status");
    struct explanation e;
    size_t size = 5000;
    char *large = malloc(size);
    assert_non_null(large);
    memset(large, '\x01', size - 1);
    large[size - 1] = '\0';
    assert_false(finding_explain(large, &arena, &e));
    assert_true(strlen(e.asked) < 400);
    assert_false(finding_explain("", &arena, &e));
    assert_false(finding_explain(NULL, &arena, &e));
    assert_string_equal(e.asked, "");
    assert_non_null(strstr(finding_explain_text(&e, &arena), "accepted"));
    free(large);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_status_is_explained_with_its_causes_cases_and_dial_up_errors),
        cmocka_unit_test(the_three_statuses_of_a_record_are_said_to_be_such),
        cmocka_unit_test(the_wrong_number_of_end_is_told_with_both_readings),
        cmocka_unit_test(a_cause_is_explained_with_its_reason_and_fix),
        cmocka_unit_test(every_notify_is_explained_by_name_and_number),
        cmocka_unit_test(every_dial_up_error_is_explained_with_its_likely_status),
        cmocka_unit_test(the_cases_of_the_map_are_those_of_the_table),
        cmocka_unit_test(the_notify_of_windows_says_that_it_carries_a_status),
        cmocka_unit_test(a_name_that_is_notify_and_status_is_explained_as_both),
        cmocka_unit_test(every_status_has_a_text_within_a_hundred_columns),
        cmocka_unit_test(a_slip_is_answered_with_what_was_meant),
        cmocka_unit_test(text_of_the_user_is_shown_escaped_and_cut),
    };
    return cmocka_run_group_tests_name("finding/explain", tests, set_up, tear_down);
}
