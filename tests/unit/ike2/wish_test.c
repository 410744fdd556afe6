#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "ike2/wish.h"

static const struct instant now = {1000};

static bool add(struct wishes *w, enum wish_kind kind, uint32_t child, uint64_t ticket)
{
    return wish_add(
        w, &(struct wish){.kind = kind, .child_id = child, .ticket = ticket, .not_before = now});
}

static void wishes_are_served_in_a_fixed_order(void **state)
{
    struct wishes w = {0};
    struct wish out;
    (void)state;
    add(&w, WISH_LIVENESS, 0, 0);
    add(&w, WISH_REKEY_CHILD, 2, 0);
    add(&w, WISH_CREATE_CHILD, 0, 0);
    add(&w, WISH_CLOSE_CHILD, 3, 0);
    add(&w, WISH_CLOSE_IKE, 0, 0);
    add(&w, WISH_REKEY_IKE, 0, 0);
    add(&w, WISH_TELL_ID, 6, 0);
    add(&w, WISH_DISOWN, 5, 0);
    for (int kind = WISH_CLOSE_IKE; kind <= WISH_LIVENESS; kind++) {
        assert_true(wish_take(&w, now, &out));
        assert_int_equal(out.kind, kind);
    }
    assert_false(wish_take(&w, now, &out));
    wish_clear(&w);
}

static void equal_wishes_of_one_kind_come_in_the_order_of_asking(void **state)
{
    struct wishes w = {0};
    struct wish out;
    (void)state;
    for (uint32_t i = 9; i > 0; i--)
        add(&w, WISH_REKEY_CHILD, i, 0);
    for (uint32_t i = 9; i > 0; i--) {
        assert_true(wish_take(&w, now, &out));
        assert_int_equal(out.child_id, i);
    }
    wish_clear(&w);
}

static void a_wish_is_kept_once_and_a_ticket_fills_an_empty_one(void **state)
{
    struct wishes w = {0};
    struct wish out;
    (void)state;
    add(&w, WISH_REKEY_IKE, 0, 0);
    add(&w, WISH_REKEY_IKE, 0, 5);
    add(&w, WISH_REKEY_IKE, 0, 0);
    assert_int_equal(w.count, 1);
    assert_true(wish_take(&w, now, &out));
    assert_int_equal(out.ticket, 5);
    /* Two commands wait for the same: both get an outcome. */
    add(&w, WISH_REKEY_IKE, 0, 6);
    add(&w, WISH_REKEY_IKE, 0, 7);
    assert_int_equal(w.count, 2);
    wish_clear(&w);
}

static void children_are_told_apart_by_number_and_by_name(void **state)
{
    struct wishes w = {0};
    struct wish out;
    (void)state;
    assert_true(wish_add(&w, &(struct wish){.kind = WISH_CREATE_CHILD, .child_name = strdup("a")}));
    assert_true(wish_add(&w, &(struct wish){.kind = WISH_CREATE_CHILD, .child_name = strdup("b")}));
    assert_true(wish_add(&w, &(struct wish){.kind = WISH_CREATE_CHILD, .child_name = strdup("a")}));
    assert_int_equal(w.count, 2);
    add(&w, WISH_CLOSE_CHILD, 1, 0);
    add(&w, WISH_CLOSE_CHILD, 2, 0);
    assert_true(wish_has(&w, WISH_CLOSE_CHILD, 2));
    assert_true(wish_remove(&w, WISH_CLOSE_CHILD, 2, &out));
    assert_false(wish_has(&w, WISH_CLOSE_CHILD, 2));
    assert_false(wish_remove(&w, WISH_CLOSE_CHILD, 2, &out));
    assert_true(wish_has(&w, WISH_CLOSE_CHILD, 1));
    wish_clear(&w);
}

static void a_wish_waits_for_its_time(void **state)
{
    struct wishes w = {0};
    struct wish out;
    (void)state;
    assert_int_equal(wish_due(&w, (struct instant){0}).ns, INT64_MAX);
    wish_add(&w, &(struct wish){.kind = WISH_CLOSE_IKE, .not_before = {5000}});
    wish_add(&w, &(struct wish){.kind = WISH_LIVENESS, .not_before = {3000}});
    assert_int_equal(wish_due(&w, (struct instant){2999}).ns, 3000);
    assert_int_equal(wish_due(&w, (struct instant){3000}).ns,
                     5000); /* what is due already waits for something else */
    assert_false(wish_take(&w, (struct instant){2999}, &out));
    assert_true(wish_take(&w, (struct instant){3000}, &out));
    assert_int_equal(out.kind, WISH_LIVENESS);
    assert_int_equal(wish_due(&w, (struct instant){3000}).ns, 5000);
    /* The same again, sooner: the earlier time counts. */
    wish_add(&w, &(struct wish){.kind = WISH_CLOSE_IKE, .not_before = {4000}});
    assert_int_equal(wish_due(&w, (struct instant){3000}).ns, 4000);
    wish_clear(&w);
}

static bool not_about(const void *kinds, const struct wish *wish)
{
    const enum wish_kind *forbidden = kinds;
    return wish->kind != forbidden[0] && wish->kind != forbidden[1];
}

static void
a_wish_that_has_to_wait_is_passed_by_others_but_not_if_it_is_for_the_ike_sa(void **state)
{
    static const enum wish_kind child[2] = {WISH_CLOSE_CHILD, WISH_CLOSE_CHILD},
                                rekey[2] = {WISH_REKEY_IKE, WISH_CREATE_CHILD};
    struct wishes w = {0};
    struct wish out;
    (void)state;
    assert_null(wish_find(&w, now, not_about, child));
    assert_true(add(&w, WISH_REKEY_CHILD, 2, 0));
    assert_true(add(&w, WISH_REKEY_IKE, 0, 0));
    assert_true(add(&w, WISH_CLOSE_CHILD, 1, 0));
    assert_true(wish_take_allowed(&w, now, not_about, child, &out));
    assert_int_equal(out.kind, WISH_REKEY_IKE);
    assert_true(add(&w, WISH_REKEY_IKE, 0, 0));
    assert_true(wish_take_allowed(&w, now, not_about, rekey, &out));
    assert_int_equal(out.kind, WISH_CLOSE_CHILD);
    /* The rekeying of the child stands behind that of the IKE SA, which is not allowed now. */
    assert_false(wish_take_allowed(&w, now, not_about, rekey, &out));
    assert_null(wish_find(&w, now, not_about, rekey));
    assert_int_equal(w.count, 2);
    wish_clear(&w);
}

static void a_thousand_wishes_fit(void **state)
{
    struct wishes w = {0};
    struct wish out;
    (void)state;
    for (uint32_t i = 0; i < 1000; i++)
        assert_true(add(&w, WISH_CLOSE_CHILD, i, 0));
    for (uint32_t i = 0; i < 1000; i++)
        assert_true(wish_take(&w, now, &out));
    assert_false(wish_take(&w, now, &out));
    assert_null(w.at); /* an SA without wishes keeps no memory for them */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(wishes_are_served_in_a_fixed_order),
        cmocka_unit_test(equal_wishes_of_one_kind_come_in_the_order_of_asking),
        cmocka_unit_test(a_wish_is_kept_once_and_a_ticket_fills_an_empty_one),
        cmocka_unit_test(children_are_told_apart_by_number_and_by_name),
        cmocka_unit_test(a_wish_waits_for_its_time),
        cmocka_unit_test(
            a_wish_that_has_to_wait_is_passed_by_others_but_not_if_it_is_for_the_ike_sa),
        cmocka_unit_test(a_thousand_wishes_fit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
