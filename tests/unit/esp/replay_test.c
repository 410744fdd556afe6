/* The window against a twin that remembers every number it ever took. */
#include "harness.h"

/* ---- the twin ---- */

enum { SEEN_MAX = 200000 };

struct twin {
    uint64_t top;
    uint32_t size;
    bool esn;
    uint64_t *seen;
    size_t count;
};

/* Only the last 3 * 4096 numbers can matter, and no more are looked at. */
static bool twin_has(const struct twin *t, uint64_t n)
{
    for (size_t i = t->count; i > 0; i--)
        if (t->seen[i - 1] == n)
            return true;
    return false;
}

static bool twin_check(const struct twin *t, uint64_t n)
{
    if (t->size == 0)
        return true;
    if (n == 0 || n + t->size <= t->top)
        return false;
    return n > t->top || !twin_has(t, n);
}

static void twin_accept(struct twin *t, uint64_t n)
{
    if (n > t->top)
        t->top = n;
    if (t->size == 0)
        return;
    if (t->count == SEEN_MAX) { /* forget what is far below the window */
        size_t kept = 0;
        for (size_t i = 0; i < t->count; i++)
            if (t->seen[i] + t->size > t->top)
                t->seen[kept++] = t->seen[i];
        t->count = kept;
    }
    t->seen[t->count++] = n;
    /* keep the list short, so that the search is */
    if (t->count > 2 * (size_t)t->size + 64) {
        size_t kept = 0;
        for (size_t i = 0; i < t->count; i++)
            if (t->seen[i] + t->size > t->top)
                t->seen[kept++] = t->seen[i];
        t->count = kept;
    }
}

/* Of the candidates for the high half, the one that appendix A2 means: in the window, else above
 * it.
 */
static uint64_t twin_guess(const struct twin *t, uint32_t low)
{
    if (!t->esn)
        return low;
    uint64_t high = t->top >> 32;
    for (uint64_t h = high == 0 ? 0 : high - 1;; h++) {
        uint64_t n = h << 32 | low;
        if (n + t->size > t->top)
            return n; /* the lowest that is not too old */
    }
}

static void run_random(uint32_t size, bool esn, uint64_t start, unsigned rounds, unsigned seed)
{
    struct replay *r = malloc(sizeof *r);
    struct twin t = {start, size, esn, malloc(SEEN_MAX * sizeof(uint64_t)), 0};
    const uint8_t key[RNG_SEED_SIZE] = {(uint8_t)seed, (uint8_t)(seed >> 8), (uint8_t)size};
    struct rng *rng = rng_new(key);
    assert_non_null(r);
    assert_non_null(t.seen);
    replay_init(r, size, esn);
    r->top = start;
    /* A window whose start is in the middle of its life has seen its top. */
    if (start > 0) {
        r->bits[start / 64 % (REPLAY_WINDOW_MAX / 64 + 1)] |= UINT64_C(1) << start % 64;
        t.seen[t.count++] = start;
    }
    for (unsigned i = 0; i < rounds; i++) {
        uint64_t spread = size < 4 ? 8 : (uint64_t)size * 2;
        uint64_t kind = rng_below(rng, 100), n;
        if (kind < 50)
            n = t.top + 1 + rng_below(rng, 3);
        else if (kind < 97)
            n = t.top + size / 2 - (rng_below(rng, spread) < t.top ? rng_below(rng, spread) : 0);
        else
            n = t.top + rng_below(rng, 70000);
        if (!esn && n > UINT32_MAX)
            n = UINT32_MAX - rng_below(rng, spread);
        uint64_t guess = replay_guess(r, (uint32_t)n);
        if (size > 0)
            assert_int_equal(guess, twin_guess(&t, (uint32_t)n));
        bool expected = twin_check(&t, guess);
        assert_int_equal(replay_check(r, guess), expected);
        if (expected && rng_below(rng, 10) > 0) {
            assert_true(replay_accept(r, guess));
            twin_accept(&t, guess);
            if (size > 0)
                assert_false(replay_check(r, guess));
        }
        assert_int_equal(r->top, t.top);
    }
    rng_free(rng);
    free(t.seen);
    free(r);
}

static void the_window_agrees_with_its_slow_twin(void **state)
{
    (void)state;
    static const uint32_t sizes[] = {0, 1, 2, 31, 32, 63, 64, 65, 100, 128, 1000, 1024};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        run_random(sizes[i], false, 0, 4000, (unsigned)i);
        run_random(sizes[i], true, 0, 4000, (unsigned)i + 100);
    }
    run_random(64, true, 0, 100000, 1000);
}

static void the_largest_windows_agree_with_their_slow_twin(void **state)
{
    (void)state;
    run_random(4095, true, 0, 8000, 1);
    run_random(4096, true, 0, 8000, 2);
    run_random(4096, false, 0, 8000, 3);
}

static void the_window_goes_over_the_wrap_of_the_low_half(void **state)
{
    (void)state;
    static const uint32_t sizes[] = {1, 32, 64, 65, 1024, 4096};
    static const uint64_t wraps[] = {UINT64_C(1) << 32, UINT64_C(5) << 32, UINT64_C(1) << 40};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++)
        for (size_t k = 0; k < 3; k++)
            for (uint64_t before = 1; before < 6000; before += 1777)
                run_random(sizes[i], true, wraps[k] - before, 3000, (unsigned)(i + k));
}

static void a_number_is_taken_once(void **state)
{
    (void)state;
    struct replay r;
    replay_init(&r, 64, false);
    assert_false(replay_check(&r, 0));
    assert_true(replay_accept(&r, 5));
    assert_false(replay_accept(&r, 5));
    assert_true(replay_accept(&r, 4));
    assert_true(replay_accept(&r, 69));
    assert_false(replay_check(&r, 5));
    assert_true(replay_check(&r, 6));
}

static void what_left_the_window_is_too_old(void **state)
{
    (void)state;
    for (uint32_t size = 1; size <= REPLAY_WINDOW_MAX; size += 13) {
        struct replay r;
        replay_init(&r, size, false);
        assert_true(replay_accept(&r, 1000000));
        assert_true(size == 1 || replay_check(&r, 1000000 - size + 1));
        assert_false(replay_check(&r, 1000000 - size));
    }
}

static void a_window_of_zero_accepts_everything(void **state)
{
    (void)state;
    struct replay r;
    replay_init(&r, 0, false);
    for (int i = 0; i < 3; i++)
        assert_true(replay_accept(&r, 9));
    assert_int_equal(r.top, 9);
}

static void a_far_jump_forgets_the_ring(void **state)
{
    (void)state;
    struct replay r;
    replay_init(&r, REPLAY_WINDOW_MAX, true);
    for (uint64_t i = 1; i <= 5000; i++)
        assert_true(replay_accept(&r, i));
    assert_true(replay_accept(&r, 5000 + 65 * 64 * 3));
    for (uint64_t i = 1; i < REPLAY_WINDOW_MAX; i++)
        assert_true(replay_check(&r, 5000 + 65 * 64 * 3 - i));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_window_agrees_with_its_slow_twin),
        cmocka_unit_test(the_largest_windows_agree_with_their_slow_twin),
        cmocka_unit_test(the_window_goes_over_the_wrap_of_the_low_half),
        cmocka_unit_test(a_number_is_taken_once),
        cmocka_unit_test(what_left_the_window_is_too_old),
        cmocka_unit_test(a_window_of_zero_accepts_everything),
        cmocka_unit_test(a_far_jump_forgets_the_ring),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
