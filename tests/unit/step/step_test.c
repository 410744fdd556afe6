/* The effects of a step in the making. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "finding/finding.h"
#include "step/step.h"

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

static void effects_keep_their_order_while_the_list_grows(void **state)
{
    (void)state;
    struct step s = {.arena = &arena};
    for (uint32_t i = 0; i < 1000; i++) {
        struct effect *fx = step_add(&s, FX_SA_USE);
        assert_non_null(fx);
        fx->use.child_id = i;
    }
    assert_int_equal(s.count, 1000);
    for (uint32_t i = 0; i < 1000; i++) {
        assert_int_equal(s.effects[i].kind, FX_SA_USE);
        assert_int_equal(s.effects[i].use.child_id, i);
    }
}

static void a_fresh_effect_is_empty(void **state)
{
    (void)state;
    struct step s = {.arena = &arena};
    struct effect *fx = step_add(&s, FX_SEND);
    fx->send.bytes.len = 4711;
    s.count = 0; /* the next one takes the same place */
    fx = step_add(&s, FX_SEND);
    assert_int_equal(fx->send.bytes.len, 0);
}

static void an_event_has_names_from_the_beginning(void **state)
{
    (void)state;
    struct step s = {.arena = &arena};
    struct effect *fx = step_add(&s, FX_EVENT);
    assert_string_equal(fx->event.conn_name, "");
    assert_string_equal(fx->event.child_name, "");
    assert_null(fx->event.finding);
    assert_null(fx->event.record);
}

static void an_event_with_a_finding_keeps_a_copy_of_it(void **state)
{
    (void)state;
    struct step s = {.arena = &arena};
    struct finding f;
    finding_set(&f, CAUSE_MSG_UNKNOWN_SPI);
    f.seen = "0123456789abcdef";
    step_event_finding(&s, EVENT_NOTICE, NULL, &f);
    step_event_finding(&s, EVENT_REFUSED, "office", &f);
    finding_set(&f, CAUSE_NONE);
    assert_int_equal(s.count, 2);
    assert_int_equal(s.effects[0].kind, FX_EVENT);
    assert_int_equal(s.effects[0].event.kind, EVENT_NOTICE);
    assert_string_equal(s.effects[0].event.conn_name, "");
    assert_string_equal(s.effects[1].event.conn_name, "office");
    assert_int_equal(s.effects[0].event.finding->cause, CAUSE_MSG_UNKNOWN_SPI);
    assert_string_equal(s.effects[1].event.finding->seen, "0123456789abcdef");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(effects_keep_their_order_while_the_list_grows),
        cmocka_unit_test(a_fresh_effect_is_empty),
        cmocka_unit_test(an_event_has_names_from_the_beginning),
        cmocka_unit_test(an_event_with_a_finding_keeps_a_copy_of_it),
    };
    return cmocka_run_group_tests_name("step/step", tests, set_up, tear_down);
}
