#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "data.h"
#include "finding/finding.h"
#include "finding/tables.h"

static struct data_table table;

static void every_cause_has_a_sentence_and_a_status_of_the_catalogue(void **state)
{
    (void)state;
    for (size_t i = 0; i < CAUSE_COUNT; i++) {
        const struct cause_row *row = ikebana_cause_row((enum cause)i);
        assert_int_equal(row->cause, i);
        assert_string_not_equal(row->id, "");
        assert_string_not_equal(row->sentence, "");
        assert_non_null(ikebana_status_by_code(row->reason));
        assert_non_null(row->likely);
        assert_non_null(row->anchor);
        if (row->cause != CAUSE_NONE)
            assert_string_not_equal(row->fix, "");
        if (row->notify != 0)
            assert_non_null(finding_notify_by_number(row->notify));
        assert_ptr_equal(ikebana_cause_by_id(row->id), row);
    }
}

static void no_reason_is_one_of_the_two_bounds(void **state)
{
    (void)state;
    /* data/status/aliases.tsv: 13800 and 13897 are a record's status, never its reason. */
    for (size_t i = 0; i < CAUSE_COUNT; i++) {
        uint16_t reason = ikebana_cause_row((enum cause)i)->reason;
        assert_int_not_equal(reason, IKEBANA_STATUS_BEGIN);
        assert_int_not_equal(reason, IKEBANA_STATUS_END);
    }
}

static void the_rows_are_those_of_the_table(void **state)
{
    (void)state;
    data_read("causes.tsv", &table);
    assert_int_equal(table.count, CAUSE_COUNT);
    for (size_t i = 0; i < table.count; i++) {
        /* id reason notify severity side processing sentence likely fix */
        char **row = table.cells[i];
        const struct cause_row *got = ikebana_cause_by_id(row[0]);
        assert_non_null(got);
        assert_string_equal(ikebana_status_by_code(got->reason)->symbol, row[1]);
        assert_string_equal(got->notify == 0 ? "-" : finding_notify_by_number(got->notify)->name,
                            row[2]);
        assert_string_equal(ikebana_severity_name(got->severity), row[3]);
        assert_string_equal(ikebana_side_name(got->at_fault), row[4]);
        assert_int_equal(got->is_processing, strcmp(row[5], "yes") == 0);
        assert_string_equal(got->sentence, row[6]);
        assert_string_equal(got->likely, strcmp(row[7], "-") == 0 ? "" : row[7]);
        assert_string_equal(got->fix, strcmp(row[8], "-") == 0 ? "" : row[8]);
    }
    data_free(&table);
}

static void an_unknown_cause_is_the_row_of_none(void **state)
{
    (void)state;
    assert_ptr_equal(ikebana_cause_row((enum cause)CAUSE_COUNT), ikebana_cause_row(CAUSE_NONE));
    assert_ptr_equal(ikebana_cause_row((enum cause)100000), ikebana_cause_row(CAUSE_NONE));
    assert_null(ikebana_cause_by_id("ike.no-such-cause"));
    assert_null(ikebana_cause_by_id(""));
    assert_null(ikebana_cause_by_id(NULL));
}

static void the_phase_decides_the_status(void **state)
{
    (void)state;
    static const uint16_t expected[] = {
        [PHASE_NONE] = 0,      [PHASE_IKE_SA_INIT] = 13800, [PHASE_IKE_AUTH] = 13800,
        [PHASE_CHILD] = 13897, [PHASE_REKEY] = 13897,       [PHASE_ESTABLISHED] = 13897,
    };
    for (int phase = PHASE_NONE; phase <= PHASE_ESTABLISHED; phase++) {
        struct finding f;
        finding_set(&f, CAUSE_IKE_NO_COMMON_PROPOSAL);
        f.phase = (enum phase)phase;
        assert_int_equal(ikebana_finding_status(&f), expected[phase]);
    }
}

static void a_message_that_could_not_be_processed_has_its_own_status(void **state)
{
    (void)state;
    for (size_t i = 0; i < CAUSE_COUNT; i++) {
        struct finding f;
        finding_set(&f, (enum cause)i);
        f.phase = PHASE_IKE_SA_INIT;
        assert_int_equal(ikebana_finding_status(&f),
                         ikebana_cause_row((enum cause)i)->is_processing ? 13804 : 13800);
    }
}

static void a_finding_begins_with_the_fields_of_its_row(void **state)
{
    (void)state;
    struct finding f;
    memset(&f, 0xa5, sizeof f);
    finding_set(&f, CAUSE_AUTH_PSK_MISMATCH);
    assert_int_equal(f.cause, CAUSE_AUTH_PSK_MISMATCH);
    assert_int_equal(f.at_fault, SIDE_BOTH);
    assert_int_equal(f.phase, PHASE_NONE);
    assert_int_equal(f.confidence, 100);
    assert_int_equal(f.notify, 24);
    assert_string_equal(f.param, "");
    assert_string_equal(f.expected, "");
    assert_string_equal(f.seen, "");
    assert_string_equal(f.nearest, "");
    assert_string_equal(f.evidence.note, "");
    assert_false(f.evidence.has_message);
    assert_int_equal(f.evidence.offset, 0);
}

static struct finding sample(void)
{
    struct finding f;
    finding_set(&f, CAUSE_CHILD_TS_UNACCEPTABLE);
    f.param = "connections.office.children.lan.remote_ts";
    f.expected = "10.1.0.0/16";
    f.seen = "10.2.0.0/16";
    f.nearest = "";
    f.evidence.note = "2d00";
    f.evidence.message_id = 7;
    return f;
}

static void same_content_other_place(const struct finding *a, const struct finding *b)
{
    assert_int_equal(a->cause, b->cause);
    assert_string_equal(a->param, b->param);
    assert_ptr_not_equal(a->param, b->param);
    assert_string_equal(a->expected, b->expected);
    assert_string_equal(a->seen, b->seen);
    assert_string_equal(a->nearest, b->nearest);
    assert_string_equal(a->evidence.note, b->evidence.note);
    assert_int_equal(a->evidence.message_id, b->evidence.message_id);
}

static void copies_keep_everything_and_own_their_strings(void **state)
{
    (void)state;
    struct arena arena;
    struct finding f = sample(), copy;
    assert_true(arena_init(&arena));
    assert_true(finding_copy(&f, &arena, &copy));
    same_content_other_place(&f, &copy);
    struct finding *dup = finding_dup(&copy);
    assert_non_null(dup);
    arena_clear(&arena);
    same_content_other_place(&f, dup);
    free(dup);
}

static void missing_strings_are_copied_as_empty(void **state)
{
    (void)state;
    struct arena arena;
    struct finding f = {.cause = CAUSE_NONE}, copy;
    assert_true(arena_init(&arena));
    assert_true(finding_copy(&f, &arena, &copy));
    assert_string_equal(copy.param, "");
    assert_string_equal(copy.evidence.note, "");
    struct finding *dup = finding_dup(&f);
    assert_string_equal(dup->seen, "");
    free(dup);
    arena_clear(&arena);
}

static void fix_is(const struct finding *f, const char *const values[], const char *expected)
{
    char out[512];
    assert_int_equal(ikebana_finding_fix(f, values, out, sizeof out), strlen(expected));
    assert_string_equal(out, expected);
}

static void the_fix_is_filled_from_the_finding_and_the_values(void **state)
{
    (void)state;
    struct finding f = sample();
    static const char *const peer[] = {"peer", "192.0.2.7", NULL};
    fix_is(&f, NULL,
           "make connections.office.children.lan.remote_ts and the selectors of the peer overlap: "
           "ours are 10.1.0.0/16, the peer's 10.2.0.0/16");
    finding_set(&f, CAUSE_NET_NO_ROUTE);
    fix_is(&f, peer, "add a route to 192.0.2.7, or correct remote_addrs");
}

static void a_given_value_stands_before_the_finding_s_own(void **state)
{
    (void)state;
    struct finding f;
    static const char *const values[] = {"seen", "the given", "param", "", NULL};
    finding_set(&f, CAUSE_CONF_WEAK_PROPOSAL);
    f.seen = "its own";
    fix_is(&f, values, "replace the given");
    finding_set(&f, CAUSE_CONF_BAD_VALUE);
    f.param = "p";
    f.expected = "e";
    fix_is(&f, values, "set p to e"); /* an empty value does not count */
}

static void places_without_a_value_read_as_words(void **state)
{
    (void)state;
    struct finding f;
    finding_set(&f, CAUSE_NET_NO_ROUTE);
    fix_is(&f, NULL, "add a route to the peer, or correct remote_addrs");
    f = (struct finding){.cause = CAUSE_CONF_BAD_VALUE};
    fix_is(&f, NULL, "set the setting to what is expected");
    for (size_t i = 0; i < CAUSE_COUNT; i++) {
        char out[1024];
        finding_set(&f, (enum cause)i);
        size_t len = ikebana_finding_fix(&f, NULL, out, sizeof out);
        assert_int_equal(len, strlen(out));
        assert_null(strchr(out, '{')); /* no template has a place that nobody fills */
    }
}

static void a_value_is_never_read_as_a_template(void **state)
{
    (void)state;
    struct finding f;
    finding_set(&f, CAUSE_CONF_WEAK_PROPOSAL);
    f.seen = "{seen}{param}%s%n{";
    fix_is(&f, NULL, "replace {seen}{param}%s%n{");
}

static void a_small_room_cuts_the_text_but_not_its_length(void **state)
{
    (void)state;
    struct finding f;
    char whole[256], out[256];
    finding_set(&f, CAUSE_NET_NO_ROUTE);
    size_t len = ikebana_finding_fix(&f, NULL, whole, sizeof whole);
    assert_int_equal(ikebana_finding_fix(&f, NULL, NULL, 0), len);
    for (size_t size = 1; size <= len + 2; size++) {
        memset(out, '#', sizeof out);
        assert_int_equal(ikebana_finding_fix(&f, NULL, out, size), len);
        size_t kept = len < size ? len : size - 1;
        assert_int_equal(strlen(out), kept);
        assert_memory_equal(out, whole, kept);
        assert_int_equal(out[kept + 1], '#');
    }
}

static void a_list_of_values_that_ends_in_a_name_is_tolerated(void **state)
{
    (void)state;
    struct finding f;
    static const char *const values[] = {"peer", NULL};
    finding_set(&f, CAUSE_NET_NO_ROUTE);
    fix_is(&f, values, "add a route to the peer, or correct remote_addrs");
}

static void every_enumeration_has_printable_names(void **state)
{
    (void)state;
    assert_string_equal(ikebana_phase_name(PHASE_IKE_AUTH), "IKE_AUTH");
    assert_string_equal(ikebana_side_name(SIDE_OURS), "ours");
    assert_string_equal(ikebana_severity_name(SEVERITY_FAILURE), "failure");
    for (int i = -1; i < 9; i++) {
        assert_string_not_equal(ikebana_phase_name((enum phase)i), "");
        assert_string_not_equal(ikebana_side_name((enum side)i), "");
        assert_string_not_equal(ikebana_severity_name((enum severity)i), "");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_cause_has_a_sentence_and_a_status_of_the_catalogue),
        cmocka_unit_test(no_reason_is_one_of_the_two_bounds),
        cmocka_unit_test(the_rows_are_those_of_the_table),
        cmocka_unit_test(an_unknown_cause_is_the_row_of_none),
        cmocka_unit_test(the_phase_decides_the_status),
        cmocka_unit_test(a_message_that_could_not_be_processed_has_its_own_status),
        cmocka_unit_test(a_finding_begins_with_the_fields_of_its_row),
        cmocka_unit_test(copies_keep_everything_and_own_their_strings),
        cmocka_unit_test(missing_strings_are_copied_as_empty),
        cmocka_unit_test(the_fix_is_filled_from_the_finding_and_the_values),
        cmocka_unit_test(a_given_value_stands_before_the_finding_s_own),
        cmocka_unit_test(places_without_a_value_read_as_words),
        cmocka_unit_test(a_value_is_never_read_as_a_template),
        cmocka_unit_test(a_small_room_cuts_the_text_but_not_its_length),
        cmocka_unit_test(a_list_of_values_that_ends_in_a_name_is_tolerated),
        cmocka_unit_test(every_enumeration_has_printable_names),
    };
    return cmocka_run_group_tests_name("finding/cause", tests, NULL, NULL);
}
