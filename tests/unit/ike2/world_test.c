/* The tables of a world: ids that go round, ids that nobody has heard of, kept farewells. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "ike2/inside.h"

enum { WORKER = 3, LAST_ID = (WORKER << 24) + 0xffffff, FIRST_ID = (WORKER << 24) + 1 };

static struct world *begin(void)
{
    static const uint8_t seed[RNG_SEED_SIZE];
    struct world *w = calloc(1, sizeof *w);
    assert_non_null(w);
    assert_true(world_init(w, &(struct world_options){.worker = WORKER}, seed));
    world_begin_step(w, (struct instant){1000000000}, 0);
    return w;
}

static void end(struct world *w)
{
    world_end_step(w);
    world_clear(w);
    free(w);
}

static struct ike_sa *add(struct world *w)
{
    struct ike_sa *sa = world_new_sa(w, NULL, true);
    assert_non_null(sa);
    sa->spi_i = world_new_ike_spi(w);
    assert_true(world_add_spi(w, sa));
    return sa;
}

static void ids_go_round_within_the_worker_and_skip_those_in_use(void **state)
{
    (void)state;
    struct world *w = begin();
    struct ike_sa *old = add(w);
    assert_int_equal(old->id, FIRST_ID);
    w->next_ike_id = LAST_ID;
    struct ike_sa *last = add(w), *next = add(w), *third = add(w);
    assert_int_equal(last->id, LAST_ID);
    assert_int_equal(next->id, FIRST_ID + 1);
    assert_int_equal(third->id, FIRST_ID + 2);
    struct ike_sa *order[] = {old, next, third, last};
    struct ike_sa *sa = NULL;
    for (size_t i = 0; i < sizeof order / sizeof *order; i++) {
        sa = world_sa_after(w, sa == NULL ? 0 : sa->id);
        assert_ptr_equal(sa, order[i]);
        assert_ptr_equal(world_sa_by_id(w, order[i]->id), order[i]);
    }
    assert_null(world_sa_after(w, LAST_ID));
    /* A row that is free between two others is taken again. */
    world_drop_sa(w, next);
    w->next_ike_id = FIRST_ID;
    next = add(w);
    assert_int_equal(next->id, FIRST_ID + 1);
    assert_ptr_equal(world_sa_after(w, FIRST_ID), next);
    assert_int_equal(w->live, 4);
    assert_int_equal(w->row_count, 4);
    end(w);
}

static void child_ids_go_round_within_the_worker(void **state)
{
    (void)state;
    struct world *w = begin();
    w->next_child_id = LAST_ID;
    assert_int_equal(world_new_child_id(w), LAST_ID);
    assert_int_equal(world_new_child_id(w), FIRST_ID);
    end(w);
}

static void an_sa_that_nobody_heard_of_uses_up_no_id(void **state)
{
    (void)state;
    struct world *w = begin();
    for (int i = 0; i < 1000; i++)
        world_discard_sa(w, add(w));
    assert_int_equal(add(w)->id, FIRST_ID);
    assert_int_equal(w->row_count, 1);
    end(w);
}

static const uint8_t request[] = "request", answer[] = "answer";

static uint64_t say_farewell(struct world *w)
{
    struct ike_sa *sa = add(w);
    uint64_t hash = map_hash(&w->by_spi, request, sizeof request);
    assert_true(window_keep_answer(&sa->window, 0, span_of(answer, sizeof answer), hash));
    world_drop_sa(w, sa);
    return sa->spi_i;
}

static bool repeats(struct world *w, uint64_t spi, size_t len)
{
    size_t before = w->step.count;
    struct datagram d = {.bytes = span_of(request, len)};
    bool did = farewell_repeat(w, spi, &d);
    assert_int_equal(w->step.count, before + did);
    if (did)
        assert_true(span_equal(w->step.effects[before].send.bytes, span_of(answer, sizeof answer)));
    return did;
}

static void only_the_same_request_gets_the_farewell_again(void **state)
{
    (void)state;
    struct world *w = begin();
    uint64_t spi = say_farewell(w);
    assert_true(repeats(w, spi, sizeof request));
    assert_true(repeats(w, spi, sizeof request));
    assert_false(repeats(w, spi, sizeof request - 1));
    assert_false(repeats(w, spi + 1, sizeof request));
    end(w);
}

static void farewells_are_forgotten_after_half_a_minute(void **state)
{
    (void)state;
    struct world *w = begin();
    uint64_t spi = say_farewell(w);
    world_end_step(w);
    world_begin_step(w, (struct instant){30999999999}, 0);
    assert_true(repeats(w, spi, sizeof request));
    world_end_step(w);
    world_begin_step(w, (struct instant){31000000000}, 0);
    assert_false(repeats(w, spi, sizeof request));
    assert_int_equal(w->farewells.count, 0);
    end(w);
}

static void the_oldest_farewells_make_room(void **state)
{
    (void)state;
    struct world *w = begin();
    uint64_t spi[1030];
    for (size_t i = 0; i < 1030; i++)
        spi[i] = say_farewell(w);
    assert_int_equal(w->farewells.count, 1024);
    for (size_t i = 0; i < 1030; i++)
        assert_int_equal(repeats(w, spi[i], sizeof request), i >= 6);
    end(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ids_go_round_within_the_worker_and_skip_those_in_use),
        cmocka_unit_test(child_ids_go_round_within_the_worker),
        cmocka_unit_test(an_sa_that_nobody_heard_of_uses_up_no_id),
        cmocka_unit_test(only_the_same_request_gets_the_farewell_again),
        cmocka_unit_test(farewells_are_forgotten_after_half_a_minute),
        cmocka_unit_test(the_oldest_farewells_make_room),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
