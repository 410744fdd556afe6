/* Records: what they own, how the trail grows, which finding decides. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>

#include "finding/finding.h"
#include "step/record.h"

static const struct instant began = {7000000000};

static struct record *record(void)
{
    struct record *r = record_new(RECORD_IKE, began, 1700000000);
    assert_non_null(r);
    return r;
}

static void add(struct record *r, enum cause cause, enum phase phase)
{
    struct finding f;
    finding_set(&f, cause);
    f.phase = phase;
    record_add_finding(r, &f);
}

static void a_new_record_knows_its_kind_and_time_and_nothing_else(void **state)
{
    (void)state;
    struct record *r = record_new(RECORD_CHILD_REKEY, began, 1700000000);
    assert_non_null(r);
    assert_int_equal(r->kind, RECORD_CHILD_REKEY);
    assert_int_equal(r->version, 2);
    assert_int_equal(r->began.ns, began.ns);
    assert_int_equal(r->began_s, 1700000000);
    assert_int_equal(r->result, RESULT_PENDING);
    assert_int_equal(r->number, 0);
    assert_null(r->conn);
    assert_null(r->trail);
    assert_null(r->findings);
    assert_null(record_verdict(r));
    assert_int_equal(record_status(r), 0);
    record_free(r);
    record_free(NULL);
}

static void a_text_is_copied_and_replaces_the_one_before(void **state)
{
    (void)state;
    struct record *r = record();
    char text[] = "office";
    record_set_text(&r->conn, text);
    text[0] = 'x';
    assert_string_equal(r->conn, "office");
    record_set_text(&r->conn, NULL); /* nothing is known anew: the old one stays */
    assert_string_equal(r->conn, "office");
    record_set_text(&r->conn, r->conn);
    assert_string_equal(r->conn, "office");
    record_set_text(&r->conn, "");
    assert_string_equal(r->conn, "");
    record_free(r);
}

static void a_finding_is_copied_with_its_strings(void **state)
{
    (void)state;
    struct record *r = record();
    struct finding f;
    char seen[] = "aes128";
    finding_set(&f, CAUSE_IKE_NO_COMMON_PROPOSAL);
    f.seen = seen;
    record_add_finding(r, &f);
    seen[0] = 'x';
    assert_int_equal(r->finding_count, 1);
    assert_string_equal(r->findings[0]->seen, "aes128");
    record_free(r);
}

static void findings_beyond_the_limit_are_dropped(void **state)
{
    (void)state;
    struct record *r = record();
    for (size_t i = 0; i < RECORD_FINDINGS_MAX + 5; i++)
        add(r, i < RECORD_FINDINGS_MAX ? CAUSE_IKE_COOKIE : CAUSE_IKE_EXPIRED, PHASE_IKE_AUTH);
    assert_int_equal(r->finding_count, RECORD_FINDINGS_MAX);
    assert_int_equal(r->findings[RECORD_FINDINGS_MAX - 1]->cause, CAUSE_IKE_COOKIE);
    record_free(r);
}

static void without_a_record_nothing_happens(void **state)
{
    (void)state;
    struct finding f;
    finding_set(&f, CAUSE_IKE_COOKIE);
    record_add_finding(NULL, &f);
    assert_null(record_add_trail(NULL, began));
}

static void the_trail_grows_and_keeps_what_is_in_it(void **state)
{
    (void)state;
    struct record *r = record();
    for (uint32_t i = 0; i < TRAIL_MAX; i++) {
        struct trail_entry *t = record_add_trail(r, instant_after_ms(began, i * 3));
        assert_non_null(t);
        assert_int_equal(t->at_ms, i * 3);
        assert_int_equal(t->size, 0); /* a fresh entry is empty, also after growing */
        assert_int_equal(t->repeats, 0);
        t->message_id = i;
        t->size = 99;
        assert_true(r->trail_room >= r->trail_count && r->trail_room <= TRAIL_MAX);
    }
    assert_int_equal(r->trail_count, TRAIL_MAX);
    assert_int_equal(r->trail_lost, 0);
    for (uint32_t i = 0; i < TRAIL_MAX; i++)
        assert_int_equal(r->trail[i].message_id, i);
    record_free(r);
}

static void entries_that_do_not_fit_are_counted(void **state)
{
    (void)state;
    struct record *r = record();
    for (uint32_t i = 0; i < TRAIL_MAX + 7; i++) {
        struct trail_entry *t = record_add_trail(r, began);
        assert_int_equal(t == NULL, i >= TRAIL_MAX);
    }
    assert_int_equal(r->trail_count, TRAIL_MAX);
    assert_int_equal(r->trail_lost, 7);
    record_free(r);
}

static void a_message_before_the_beginning_is_at_zero(void **state)
{
    (void)state;
    struct record *r = record();
    assert_int_equal(record_add_trail(r, (struct instant){0})->at_ms, 0);
    record_free(r);
}

static void the_first_failure_is_the_verdict(void **state)
{
    (void)state;
    struct record *r = record();
    add(r, CAUSE_IKE_COOKIE, PHASE_IKE_SA_INIT); /* notice */
    assert_null(record_verdict(r));
    add(r, CAUSE_CHILD_TS_NARROWED, PHASE_CHILD); /* warning */
    assert_int_equal(record_verdict(r)->cause, CAUSE_CHILD_TS_NARROWED);
    add(r, CAUSE_MSG_DECRYPT, PHASE_IKE_AUTH); /* warning, later */
    assert_int_equal(record_verdict(r)->cause, CAUSE_CHILD_TS_NARROWED);
    add(r, CAUSE_AUTH_PSK_MISMATCH, PHASE_IKE_AUTH);
    assert_int_equal(record_verdict(r)->cause, CAUSE_AUTH_PSK_MISMATCH);
    add(r, CAUSE_IKE_SA_DELETED, PHASE_IKE_AUTH);
    assert_int_equal(record_verdict(r)->cause, CAUSE_AUTH_PSK_MISMATCH);
    record_free(r);
}

static void the_status_follows_the_verdict_and_its_phase(void **state)
{
    (void)state;
    static const struct {
        enum cause cause;
        enum phase phase;
        uint16_t status;
    } cases[] = {
        {CAUSE_IKE_NO_COMMON_PROPOSAL, PHASE_IKE_SA_INIT, 13800},
        {CAUSE_AUTH_PSK_MISMATCH, PHASE_IKE_AUTH, 13800},
        {CAUSE_MSG_BAD_SYNTAX, PHASE_IKE_SA_INIT, 13804},
        {CAUSE_MSG_BAD_SYNTAX, PHASE_REKEY, 13804},
        {CAUSE_CHILD_TS_UNACCEPTABLE, PHASE_CHILD, 13897},
        {CAUSE_CHILD_REKEY_REFUSED, PHASE_REKEY, 13897},
        {CAUSE_NET_LIVENESS_LOST, PHASE_ESTABLISHED, 13897},
        {CAUSE_CMD_UNKNOWN_CONNECTION, PHASE_NONE, 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct record *r = record();
        add(r, cases[i].cause, cases[i].phase);
        r->result = RESULT_FAILED;
        assert_int_equal(record_status(r), cases[i].status);
        r->result = RESULT_PARTIAL;
        assert_int_equal(record_status(r), cases[i].status);
        record_free(r);
    }
}

static void what_did_not_fail_has_no_status(void **state)
{
    (void)state;
    static const enum record_result results[] = {RESULT_PENDING, RESULT_UP, RESULT_CLOSED};
    for (size_t i = 0; i < sizeof results / sizeof results[0]; i++) {
        struct record *r = record();
        add(r, CAUSE_AUTH_PSK_MISMATCH, PHASE_IKE_AUTH);
        r->result = results[i];
        assert_int_equal(record_status(r), 0);
        record_free(r);
    }
}

static void a_failure_without_a_finding_has_no_status(void **state)
{
    (void)state;
    struct record *r = record();
    r->result = RESULT_FAILED;
    assert_int_equal(record_status(r), 0);
    add(r, CAUSE_CMD_ABORTED, PHASE_IKE_AUTH); /* a notice decides nothing */
    assert_int_equal(record_status(r), 0);
    record_free(r);
}

static void memory_is_counted_with_trail_and_findings(void **state)
{
    (void)state;
    struct record *r = record();
    size_t bare = record_memory(r);
    assert_int_equal(bare, sizeof *r);
    record_add_trail(r, began);
    size_t with_trail = record_memory(r);
    assert_true(with_trail >= bare + sizeof(struct trail_entry));
    add(r, CAUSE_IKE_COOKIE, PHASE_IKE_SA_INIT);
    assert_true(record_memory(r) > with_trail);
    record_free(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_new_record_knows_its_kind_and_time_and_nothing_else),
        cmocka_unit_test(a_text_is_copied_and_replaces_the_one_before),
        cmocka_unit_test(a_finding_is_copied_with_its_strings),
        cmocka_unit_test(findings_beyond_the_limit_are_dropped),
        cmocka_unit_test(without_a_record_nothing_happens),
        cmocka_unit_test(the_trail_grows_and_keeps_what_is_in_it),
        cmocka_unit_test(entries_that_do_not_fit_are_counted),
        cmocka_unit_test(a_message_before_the_beginning_is_at_zero),
        cmocka_unit_test(the_first_failure_is_the_verdict),
        cmocka_unit_test(the_status_follows_the_verdict_and_its_phase),
        cmocka_unit_test(what_did_not_fail_has_no_status),
        cmocka_unit_test(a_failure_without_a_finding_has_no_status),
        cmocka_unit_test(memory_is_counted_with_trail_and_findings),
    };
    return cmocka_run_group_tests_name("step/record", tests, NULL, NULL);
}
