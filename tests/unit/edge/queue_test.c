#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "edge/queue.h"

enum { PRODUCERS = 4, ITEMS = 20000 };

struct numbered {
    struct queue_item item;
    unsigned producer, number;
};

static void items_come_out_in_order(void **state)
{
    (void)state;
    struct queue q;
    struct numbered n[3];
    queue_init(&q);
    assert_null(queue_take(&q));
    assert_true(queue_put(&q, &n[0].item));
    assert_false(queue_put(&q, &n[1].item));
    assert_false(queue_put(&q, &n[2].item));
    assert_ptr_equal(queue_take(&q), &n[0]);
    struct queue_item *all = queue_take_all(&q);
    assert_ptr_equal(all, &n[1]);
    assert_ptr_equal(all->next, &n[2]);
    assert_null(all->next->next);
    assert_null(queue_take_all(&q));
    assert_true(queue_put(&q, &n[0].item));
    assert_ptr_equal(queue_take(&q), &n[0]);
    assert_true(queue_put(&q, &n[1].item));
    queue_clear(&q);
}

static void a_full_queue_refuses_what_is_bounded_only(void **state)
{
    (void)state;
    struct queue q;
    struct numbered n[3];
    bool was_empty;
    queue_init(&q);
    assert_true(queue_put_bounded(&q, &n[0].item, 1, &was_empty));
    assert_true(was_empty);
    assert_false(queue_put_bounded(&q, &n[1].item, 1, &was_empty));
    assert_false(was_empty);
    assert_false(queue_put(&q, &n[2].item));
    assert_int_equal(q.count, 2);
    queue_clear(&q);
}

static struct queue shared;
static struct numbered made[PRODUCERS][ITEMS];

static void *produce(void *context)
{
    struct numbered *mine = context;
    for (unsigned i = 0; i < ITEMS; i++)
        queue_put(&shared, &mine[i].item);
    return NULL;
}

static void nothing_is_lost_between_threads_and_each_keeps_its_order(void **state)
{
    (void)state;
    pthread_t threads[PRODUCERS];
    unsigned next[PRODUCERS] = {0}, count = 0;
    queue_init(&shared);
    for (unsigned p = 0; p < PRODUCERS; p++) {
        for (unsigned i = 0; i < ITEMS; i++)
            made[p][i] = (struct numbered){{NULL}, p, i};
        assert_int_equal(pthread_create(&threads[p], NULL, produce, made[p]), 0);
    }
    while (count < PRODUCERS * ITEMS) {
        for (struct queue_item *i = queue_take_all(&shared); i != NULL; i = i->next) {
            struct numbered *n = (struct numbered *)i;
            assert_int_equal(n->number, next[n->producer]);
            next[n->producer]++;
            count++;
        }
    }
    for (unsigned p = 0; p < PRODUCERS; p++)
        pthread_join(threads[p], NULL);
    assert_null(queue_take_all(&shared));
    queue_clear(&shared);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(items_come_out_in_order),
        cmocka_unit_test(a_full_queue_refuses_what_is_bounded_only),
        cmocka_unit_test(nothing_is_lost_between_threads_and_each_keeps_its_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
