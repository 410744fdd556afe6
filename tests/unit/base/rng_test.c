#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/rng.h"

static const uint8_t seed[RNG_SEED_SIZE] = {1, 2, 3};

static void the_same_seed_gives_the_same_octets_however_they_are_asked(void **state)
{
    (void)state;
    uint8_t whole[5000], pieces[5000];
    struct rng *a = rng_new(seed), *b = rng_new(seed);
    rng_fill(a, whole, sizeof whole);
    for (size_t at = 0, step = 1; at < sizeof pieces; step = step % 37 + 1) {
        size_t len = step < sizeof pieces - at ? step : sizeof pieces - at;
        rng_fill(b, pieces + at, len);
        at += len;
    }
    assert_memory_equal(whole, pieces, sizeof whole);
    rng_free(a);
    rng_free(b);
}

static void the_first_octets_are_those_of_chacha20(void **state)
{
    (void)state;
    /* Key of zeros, counter and nonce zero: RFC 8439 A.1 test vector 1, octets 32 to 39; the first
     * 32 become the next key. */
    const uint8_t zeros[RNG_SEED_SIZE] = {0};
    static const uint8_t expected[] = {0xda, 0x41, 0x59, 0x7c, 0x51, 0x57, 0x48, 0x8d};
    uint8_t got[sizeof expected];
    struct rng *r = rng_new(zeros);
    rng_fill(r, got, sizeof got);
    assert_memory_equal(got, expected, sizeof got);
    rng_free(r);
}

static void another_seed_gives_other_octets(void **state)
{
    (void)state;
    const uint8_t other[RNG_SEED_SIZE] = {1, 2, 4};
    struct rng *a = rng_new(seed), *b = rng_new(other);
    assert_true(rng_u64(a) != rng_u64(b));
    rng_free(a);
    rng_free(b);
}

static void numbers_below_a_bound_reach_all_of_it(void **state)
{
    (void)state;
    struct rng *r = rng_new(seed);
    unsigned seen[7] = {0};
    for (int i = 0; i < 7000; i++) {
        uint64_t v = rng_below(r, 7);
        assert_true(v < 7);
        seen[v]++;
    }
    for (int i = 0; i < 7; i++)
        assert_in_range(seen[i], 850, 1150);
    assert_true(rng_below(r, 0) == 0);
    assert_true(rng_below(r, 1) == 0);
    assert_true(rng_below(r, UINT64_MAX) < UINT64_MAX);
    rng_free(r);
    rng_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_same_seed_gives_the_same_octets_however_they_are_asked),
        cmocka_unit_test(the_first_octets_are_those_of_chacha20),
        cmocka_unit_test(another_seed_gives_other_octets),
        cmocka_unit_test(numbers_below_a_bound_reach_all_of_it),
    };
    return cmocka_run_group_tests_name("base/rng", tests, NULL, NULL);
}
