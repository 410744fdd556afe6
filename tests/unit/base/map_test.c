#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/map.h"
#include "base/rng.h"

static const uint64_t seed[2] = {0x123456789abcdef0, 0x0fedcba987654321};

/* The slow obvious twin: an array that is searched from end to end. */
enum { TWIN_MAX = 4096 };
struct twin {
    uint64_t keys[TWIN_MAX];
    void *values[TWIN_MAX];
    size_t count;
};

static size_t twin_find(const struct twin *t, uint64_t key)
{
    size_t i = 0;
    while (i < t->count && t->keys[i] != key)
        i++;
    return i;
}

static void *twin_get(const struct twin *t, uint64_t key)
{
    size_t i = twin_find(t, key);
    return i < t->count ? t->values[i] : NULL;
}

static void twin_set(struct twin *t, uint64_t key, void *value)
{
    size_t i = twin_find(t, key);
    if (i == t->count) {
        assert_true(t->count < TWIN_MAX);
        t->count++;
    }
    t->keys[i] = key;
    t->values[i] = value;
}

static void *twin_remove(struct twin *t, uint64_t key)
{
    size_t i = twin_find(t, key);
    if (i == t->count)
        return NULL;
    void *value = t->values[i];
    t->count--;
    t->keys[i] = t->keys[t->count];
    t->values[i] = t->values[t->count];
    return value;
}

static void walk_finds_what_the_twin_has(const struct map *m, const struct twin *t)
{
    size_t cursor = 0, count = 0;
    uint64_t key = 0;
    for (void *v = map_next(m, &cursor, &key); v != NULL; v = map_next(m, &cursor, &key)) {
        assert_ptr_equal(v, twin_get(t, key));
        count++;
    }
    assert_int_equal(count, t->count);
    assert_int_equal(m->count, t->count);
}

static void the_table_agrees_with_its_twin(uint64_t keys_below, int rounds)
{
    static struct twin twin;
    static char values[251];
    const uint8_t rng_seed[RNG_SEED_SIZE] = {(uint8_t)keys_below};
    struct rng *rng = rng_new(rng_seed);
    struct map map;

    memset(&twin, 0, sizeof twin);
    map_init(&map, seed);
    for (int i = 0; i < rounds; i++) {
        uint64_t key = rng_below(rng, keys_below);
        switch (rng_below(rng, 4)) {
        case 0:
        case 1: {
            void *value = &values[rng_below(rng, sizeof values)];
            assert_true(map_set(&map, key, value));
            twin_set(&twin, key, value);
            break;
        }
        case 2:
            assert_ptr_equal(map_remove(&map, key), twin_remove(&twin, key));
            break;
        default:
            assert_ptr_equal(map_get(&map, key), twin_get(&twin, key));
        }
        if (i % 1000 == 0)
            walk_finds_what_the_twin_has(&map, &twin);
    }
    walk_finds_what_the_twin_has(&map, &twin);
    map_clear(&map);
    rng_free(rng);
}

static void random_work_on_few_keys_agrees_with_a_slow_twin(void **state)
{
    (void)state;
    the_table_agrees_with_its_twin(12, 20000);
}

static void random_work_on_many_keys_agrees_with_a_slow_twin(void **state)
{
    (void)state;
    the_table_agrees_with_its_twin(3000, 60000);
}

static void an_empty_table_finds_and_removes_nothing(void **state)
{
    (void)state;
    struct map m;
    size_t cursor = 0;
    map_init(&m, seed);
    assert_null(map_get(&m, 1));
    assert_null(map_remove(&m, 1));
    assert_null(map_next(&m, &cursor, NULL));
    map_clear(&m);
    assert_null(map_get(&m, 1));
}

static void the_table_grows_and_can_be_emptied(void **state)
{
    (void)state;
    enum { MANY = 50000 };
    static char value;
    struct map m;
    map_init(&m, seed);
    for (uint64_t k = 0; k < MANY; k++)
        assert_true(map_set(&m, k << 32, &value));
    assert_int_equal(m.count, MANY);
    for (uint64_t k = 0; k < MANY; k++)
        assert_ptr_equal(map_remove(&m, k << 32), &value);
    assert_int_equal(m.count, 0);
    map_clear(&m);
}

static void setting_a_key_again_replaces_its_value(void **state)
{
    (void)state;
    static char one, two;
    struct map m;
    map_init(&m, seed);
    assert_true(map_set(&m, 5, &one));
    assert_true(map_set(&m, 5, &two));
    assert_int_equal(m.count, 1);
    assert_ptr_equal(map_get(&m, 5), &two);
    map_clear(&m);
}

static void the_hash_depends_on_seed_octets_and_length(void **state)
{
    (void)state;
    const uint64_t other[2] = {1, 2};
    struct map a, b;
    map_init(&a, seed);
    map_init(&b, other);
    assert_true(map_hash(&a, "office", 6) == map_hash(&a, "office", 6));
    assert_true(map_hash(&a, "office", 6) != map_hash(&b, "office", 6));
    assert_true(map_hash(&a, "office", 6) != map_hash(&a, "offics", 6));
    assert_true(map_hash(&a, "\0\0", 2) != map_hash(&a, "\0", 1));
    assert_true(map_hash(&a, NULL, 0) != map_hash(&a, "\0", 1));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_work_on_few_keys_agrees_with_a_slow_twin),
        cmocka_unit_test(random_work_on_many_keys_agrees_with_a_slow_twin),
        cmocka_unit_test(an_empty_table_finds_and_removes_nothing),
        cmocka_unit_test(the_table_grows_and_can_be_emptied),
        cmocka_unit_test(setting_a_key_again_replaces_its_value),
        cmocka_unit_test(the_hash_depends_on_seed_octets_and_length),
    };
    return cmocka_run_group_tests_name("base/map", tests, NULL, NULL);
}
