#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "ike2/inside.h"

static struct ike_sa doing(struct task *tasks, size_t count)
{
    struct ike_sa sa = {.state = SA_UP, .tasks = count == 0 ? NULL : tasks};
    for (size_t i = 0; i + 1 < count; i++)
        tasks[i].next = &tasks[i + 1];
    return sa;
}

static bool may(const struct ike_sa *sa, enum wish_kind kind, uint32_t child_id)
{
    return task_allows(sa, &(struct wish){.kind = kind, .child_id = child_id});
}

static void what_concerns_the_ike_sa_is_alone(void **state)
{
    static const enum task_kind alone[] = {TASK_REKEY_IKE, TASK_CLOSE_IKE};
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        struct task t = {.kind = alone[i]};
        struct ike_sa sa = doing(&t, 1);
        for (int kind = WISH_CLOSE_IKE; kind <= WISH_LIVENESS; kind++)
            assert_false(may(&sa, (enum wish_kind)kind, 1));
    }
    struct task child = {.kind = TASK_REKEY_CHILD, .child_id = 1};
    struct ike_sa sa = doing(&child, 1);
    assert_false(may(&sa, WISH_CLOSE_IKE, 0));
    assert_false(may(&sa, WISH_REKEY_IKE, 0));
}

static void what_concerns_one_child_is_the_only_one_about_it(void **state)
{
    struct task t = {.kind = TASK_CLOSE_CHILD, .child_id = 7};
    struct ike_sa sa = doing(&t, 1);
    (void)state;
    assert_false(may(&sa, WISH_CLOSE_CHILD, 7));
    assert_false(may(&sa, WISH_REKEY_CHILD, 7));
    assert_true(may(&sa, WISH_CLOSE_CHILD, 8));
    assert_true(may(&sa, WISH_REKEY_CHILD, 8));
    assert_ptr_equal(task_of_child(&sa, 7), &t);
    assert_null(task_of_child(&sa, 8));
    assert_null(task_of_child(&sa, 0));
}

static void the_strongest_verdict_over_all_tasks_counts(void **state)
{
    struct task t[3] = {{.kind = TASK_LIVENESS},
                        {.kind = TASK_REKEY_CHILD, .child_id = 1},
                        {.kind = TASK_CLOSE_CHILD, .child_id = 2}};
    struct ike_sa sa = doing(t, 3);
    (void)state;
    assert_int_equal(task_collide(&sa, ASKED_REKEY_CHILD, 1), COLLIDE_AS_USUAL_RACE);
    assert_int_equal(task_collide(&sa, ASKED_REKEY_CHILD, 2), COLLIDE_TEMPORARY_FAILURE);
    assert_int_equal(task_collide(&sa, ASKED_REKEY_CHILD, 3), COLLIDE_AS_USUAL);
    assert_int_equal(task_collide(&sa, ASKED_CLOSE_CHILD, 1), COLLIDE_DELETE_RACE);
    assert_int_equal(task_collide(&sa, ASKED_CLOSE_CHILD, 2), COLLIDE_NO_DELETE);
    assert_int_equal(task_collide(&sa, ASKED_REKEY_IKE, 0), COLLIDE_TEMPORARY_FAILURE);
    assert_int_equal(task_collide(&sa, ASKED_CLOSE_IKE, 0), COLLIDE_FORGET_OURS);
    struct ike_sa idle = doing(t, 1);
    idle.tasks->next = NULL;
    assert_int_equal(task_collide(&idle, ASKED_REKEY_IKE, 0), COLLIDE_AS_USUAL);
}

static void an_answer_finds_its_task_by_message_id(void **state)
{
    struct task t[3] = {{.kind = TASK_REKEY_CHILD, .message_id = 5},
                        {.kind = TASK_CREATE_CHILD, .message_id = 4, .is_waiting = true},
                        {.kind = TASK_LIVENESS, .message_id = 6}};
    struct ike_sa sa = doing(t, 3);
    (void)state;
    assert_ptr_equal(task_of_message(&sa, 5), &t[0]);
    assert_ptr_equal(task_of_message(&sa, 6), &t[2]);
    assert_null(task_of_message(&sa, 4)); /* answered; it is to be sent once more */
    task_take(&sa, &t[0]);
    assert_null(task_of_message(&sa, 5));
    assert_ptr_equal(sa.tasks, &t[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_concerns_the_ike_sa_is_alone),
        cmocka_unit_test(what_concerns_one_child_is_the_only_one_about_it),
        cmocka_unit_test(the_strongest_verdict_over_all_tasks_counts),
        cmocka_unit_test(an_answer_finds_its_task_by_message_id),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
