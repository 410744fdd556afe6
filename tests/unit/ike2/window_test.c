#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "ike2/window.h"

static const struct retransmission defaults = {.timeout_ms = 4000, .base = 1.8, .tries = 5};

static struct instant at_ms(int64_t ms)
{
    return (struct instant){ms * 1000000};
}

static bool sends(struct window *w, const char *request)
{
    return window_send(w, span_of(request, strlen(request)), &defaults, NULL, at_ms(0));
}

static bool answers(struct window *w, uint32_t id, const char *answer, uint64_t hash)
{
    return window_keep_answer(w, id, span_of(answer, strlen(answer)), hash);
}

/* ---- delays ---- */

static void the_delays_are_those_of_strongswan(void **state)
{
    /* docs.strongswan.org, "Retransmission": 4, 7, 13, 23, 42, 76 s; 165 s in all */
    static const int64_t delays[] = {4000, 7200, 12960, 23328, 41990, 75582};
    int64_t sum = 0;
    (void)state;
    for (uint32_t i = 0; i < 6; i++) {
        assert_in_range((uint64_t)window_delay_ms(&defaults, i), (uint64_t)delays[i] - 1,
                        (uint64_t)delays[i] + 1);
        sum += window_delay_ms(&defaults, i);
    }
    assert_int_equal(sum / 1000, 165);
}

static void a_delay_ends_at_its_limit(void **state)
{
    struct retransmission r = defaults;
    (void)state;
    r.limit_ms = 10000;
    assert_int_equal(window_delay_ms(&r, 0), 4000);
    assert_int_equal(window_delay_ms(&r, 1), 7200);
    assert_int_equal(window_delay_ms(&r, 2), 10000);
    assert_int_equal(window_delay_ms(&r, 1000), 10000);
    r.limit_ms = 1000;
    assert_int_equal(window_delay_ms(&r, 0), 1000);
}

static void a_delay_without_limit_is_no_longer_than_a_day(void **state)
{
    struct retransmission wild = {.timeout_ms = UINT32_MAX, .base = 1e9, .tries = 1000};
    struct retransmission never = {.timeout_ms = 0, .base = 2, .tries = UINT32_MAX};
    (void)state;
    assert_int_equal(window_delay_ms(&wild, 0), 86400000);
    assert_int_equal(window_delay_ms(&wild, 1000000), 86400000);
    assert_int_equal(window_delay_ms(&defaults, 1000000), 86400000);
    assert_int_equal(window_delay_ms(&never, UINT32_MAX), 0);
}

static void jitter_shortens_a_delay_by_no_more_than_its_share(void **state)
{
    struct retransmission r = defaults;
    uint8_t seed[RNG_SEED_SIZE] = {7};
    struct rng *rng = rng_new(seed);
    int64_t least = INT64_MAX, most = 0;
    (void)state;
    r.jitter_percent = 90; /* bounded to 20 */
    for (int i = 0; i < 2000; i++) {
        struct window w = {0};
        assert_true(window_send(&w, span_of("x", 1), &r, rng, at_ms(0)));
        int64_t ms = window_due(&w).ns / 1000000;
        least = ms < least ? ms : least;
        most = ms > most ? ms : most;
        window_clear(&w);
    }
    assert_in_range((uint64_t)least, 3200, 3250);
    assert_in_range((uint64_t)most, 3950, 4000);
    rng_free(rng);
}

/* ---- ours ---- */

static void a_request_is_repeated_five_times_and_then_given_up(void **state)
{
    struct window w = {0};
    const struct sent *which = NULL;
    int64_t now = 0;
    (void)state;
    assert_true(window_has_room(&w));
    assert_true(sends(&w, "request"));
    assert_false(window_has_room(&w));
    for (uint32_t i = 0; i < 5; i++) {
        int64_t delay = window_delay_ms(&defaults, i);
        assert_int_equal(window_on_time(&w, &defaults, NULL, at_ms(now + delay - 1), &which),
                         WINDOW_WAIT);
        now += delay;
        assert_int_equal(window_on_time(&w, &defaults, NULL, at_ms(now), &which), WINDOW_REPEAT);
        assert_int_equal(which->repeats, i + 1);
        assert_memory_equal(which->octets, "request", 7);
        assert_int_equal(window_on_time(&w, &defaults, NULL, at_ms(now), &which), WINDOW_WAIT);
    }
    assert_int_equal(window_on_time(&w, &defaults, NULL, at_ms(now + 75583), &which),
                     WINDOW_GIVE_UP);
    window_clear(&w);
}

static void a_set_up_request_is_copied_early_and_given_up_no_sooner(void **state)
{
    struct retransmission r = defaults;
    struct window w = {0};
    const struct sent *which = NULL;
    enum window_turn turn;
    int64_t now = 0, last_copy = 0, first_copy = 0;
    uint32_t copies = 0, repeats = 0;
    (void)state;
    r.early_ms = 500;
    assert_true(sends(&w, "request"));
    window_hurry(&w, &r, at_ms(0));
    for (turn = WINDOW_WAIT; turn != WINDOW_GIVE_UP; now++) {
        turn = window_on_time(&w, &r, NULL, at_ms(now), &which);
        if (turn == WINDOW_COPY) {
            if (copies++ == 0)
                first_copy = now;
            else
                assert_in_range(now - last_copy, 500, 2000 + 1);
            last_copy = now;
        } else if (turn == WINDOW_REPEAT) {
            assert_int_equal(which->repeats, ++repeats);
        }
    }
    assert_int_equal(first_copy, 500);
    assert_in_range(copies, 15, 30);
    assert_int_equal(which->copies, copies);
    assert_in_range(last_copy, 27000, 30000);
    assert_int_equal(repeats, 5);
    /* 4 s times 1, 1.8, … 1.8 to the fifth */
    assert_in_range(now, 165000, 165100);
    window_clear(&w);
}

static void only_an_answer_with_a_number_in_flight_is_wanted(void **state)
{
    struct window w = {.next_id = 7};
    (void)state;
    assert_null(window_find(&w, 7)); /* nothing was asked */
    assert_true(sends(&w, "a"));
    assert_int_equal(w.next_id, 8);
    assert_non_null(window_find(&w, 7));
    assert_null(window_find(&w, 6));
    assert_null(window_find(&w, 8));
    window_answered(&w, 8); /* not in flight: nothing happens */
    assert_false(window_has_room(&w));
    window_answered(&w, 7);
    assert_true(window_has_room(&w));
    assert_null(window_find(&w, 7));
    window_clear(&w);
}

static void the_oldest_unanswered_request_bounds_the_window(void **state)
{
    struct window w = {0};
    (void)state;
    window_widen(&w.peer_size, 3);
    for (unsigned i = 0; i < 3; i++) {
        assert_true(window_has_room(&w));
        assert_true(sends(&w, "r"));
    }
    assert_false(window_has_room(&w));
    window_answered(&w, 2);
    window_answered(&w, 1); /* RFC 7296 2.3: request 3 waits for the answer to 0 */
    assert_false(window_has_room(&w));
    window_answered(&w, 0);
    assert_true(window_has_room(&w));
    assert_int_equal(w.next_id, 3);
    window_clear(&w);
}

static void a_window_grows_and_never_shrinks(void **state)
{
    uint8_t size = 0;
    (void)state;
    window_widen(&size, 1);
    assert_int_equal(size, 1);
    window_widen(&size, 8);
    window_widen(&size, 2);
    window_widen(&size, 0);
    assert_int_equal(size, 8);
    window_widen(&size, UINT32_MAX);
    assert_int_equal(size, WINDOW_SIZE_MAX);
}

static void each_request_in_flight_has_its_own_repetitions(void **state)
{
    struct window w = {.peer_size = 2};
    const struct sent *which = NULL;
    (void)state;
    assert_true(window_send(&w, span_of("a", 1), &defaults, NULL, at_ms(0)));
    assert_true(window_send(&w, span_of("b", 1), &defaults, NULL, at_ms(1000)));
    assert_int_equal(window_due(&w).ns, at_ms(4000).ns);
    assert_int_equal(window_on_time(&w, &defaults, NULL, at_ms(4500), &which), WINDOW_REPEAT);
    assert_int_equal(which->id, 0);
    assert_int_equal(window_on_time(&w, &defaults, NULL, at_ms(4500), &which), WINDOW_WAIT);
    assert_int_equal(window_on_time(&w, &defaults, NULL, at_ms(20000), &which), WINDOW_REPEAT);
    assert_int_equal(which->id, 0);
    assert_int_equal(window_on_time(&w, &defaults, NULL, at_ms(20000), &which), WINDOW_REPEAT);
    assert_int_equal(which->id, 1);
    assert_int_equal(window_on_time(&w, &defaults, NULL, at_ms(20000), &which), WINDOW_WAIT);
    window_answered(&w, 0);
    assert_int_equal(window_due(&w).ns, at_ms(27200).ns);
    window_clear(&w);
    assert_int_equal(window_due(&w).ns, INSTANT_NEVER.ns);
}

static void ike_sa_init_begins_again_with_number_0(void **state)
{
    struct window w = {0};
    (void)state;
    assert_true(sends(&w, "first"));
    window_restart(&w);
    assert_true(window_has_room(&w));
    assert_true(sends(&w, "with a cookie"));
    assert_non_null(window_find(&w, 0));
    assert_int_equal(w.next_id, 1);
    window_clear(&w);
}

static void near_the_end_of_the_numbers_nothing_is_sent(void **state)
{
    struct window w = {.next_id = WINDOW_ID_LAST - 1, .peer_size = 8};
    (void)state;
    assert_true(window_has_room(&w));
    assert_true(sends(&w, "last"));
    assert_false(window_has_room(&w));
    window_answered(&w, WINDOW_ID_LAST - 1);
    assert_false(window_has_room(&w));
    window_clear(&w);
}

/* ---- the peer's ---- */

static void
a_repeated_request_gets_its_answer_again_and_another_under_its_number_does_not(void **state)
{
    struct window w = {0};
    (void)state;
    assert_int_equal(window_judge(&w, 0, 11), WINDOW_NEW);
    assert_int_equal(window_judge(&w, 1, 11), WINDOW_BEYOND);
    assert_true(answers(&w, 0, "answer", 11));
    assert_int_equal(window_judge(&w, 0, 11), WINDOW_REPEATED);
    assert_int_equal(window_judge(&w, 0, 12), WINDOW_STRAY);
    assert_int_equal(window_judge(&w, 1, 12), WINDOW_NEW);
    assert_memory_equal(window_kept(&w, 0)->octets, "answer", 6);
    assert_true(answers(&w, 1, "", 12));
    assert_int_equal(window_judge(&w, 0, 11), WINDOW_STRAY);
    assert_int_equal(window_judge(&w, 1, 12), WINDOW_REPEATED);
    assert_int_equal(window_judge(&w, UINT32_MAX, 12), WINDOW_STRAY);
    window_clear(&w);
}

static void requests_within_the_window_are_new_in_any_order_and_once(void **state)
{
    struct window w = {.expected_id = 5, .size = 4};
    (void)state;
    assert_int_equal(window_judge(&w, 8, 8), WINDOW_NEW);
    assert_int_equal(window_judge(&w, 9, 9), WINDOW_BEYOND);
    assert_int_equal(window_judge(&w, 4, 4), WINDOW_STRAY);
    assert_true(answers(&w, 8, "8", 8));
    assert_int_equal(w.expected_id, 5);
    assert_int_equal(window_judge(&w, 8, 8), WINDOW_REPEATED);
    assert_int_equal(window_judge(&w, 8, 7), WINDOW_STRAY);
    assert_true(answers(&w, 5, "5", 5));
    assert_int_equal(w.expected_id, 6);
    assert_int_equal(window_judge(&w, 9, 9), WINDOW_NEW);
    assert_int_equal(window_judge(&w, 10, 10), WINDOW_BEYOND);
    assert_true(answers(&w, 7, "7", 7));
    assert_int_equal(w.expected_id, 6);
    assert_true(answers(&w, 6, "6", 6));
    assert_int_equal(w.expected_id, 9);
    for (uint32_t id = 5; id < 9; id++)
        assert_int_equal(window_judge(&w, id, id), WINDOW_REPEATED);
    assert_true(answers(&w, 11, "11", 11)); /* now nobody asks for 5, 6, 7 any more */
    for (uint32_t id = 5; id < 8; id++)
        assert_int_equal(window_judge(&w, id, id), WINDOW_STRAY);
    assert_int_equal(window_judge(&w, 8, 8), WINDOW_REPEATED);
    window_clear(&w);
}

/* Against a slow twin: a set of executed numbers and the rule of RFC 7296 2.3, word by word. */
static void the_window_agrees_with_a_slow_twin(void **state)
{
    enum { IDS = 200, SIZES = 4 };
    static const uint8_t sizes[SIZES] = {1, 2, 7, 64};
    uint8_t seed[RNG_SEED_SIZE] = {1};
    struct rng *rng = rng_new(seed);
    (void)state;
    for (unsigned n = 0; n < SIZES; n++) {
        struct window w = {.size = sizes[n]};
        bool done[IDS + 64] = {false};
        for (unsigned turn = 0; turn < 6000; turn++) {
            uint32_t base = 0, highest = 0, kept = 0;
            while (done[base])
                base++;
            for (uint32_t i = 0; i < IDS + 64; i++)
                highest = done[i] ? i : highest;
            uint32_t id = (uint32_t)rng_below(rng, IDS);
            enum window_request expected =
                done[id]                ? (id + sizes[n] > highest ? WINDOW_REPEATED : WINDOW_STRAY)
                : id >= base + sizes[n] ? WINDOW_BEYOND
                                        : WINDOW_NEW;
            assert_int_equal(window_judge(&w, id, id), expected);
            if (expected == WINDOW_NEW) {
                assert_true(answers(&w, id, "x", id));
                done[id] = true;
            }
            for (const struct kept *k = w.kept; k != NULL; k = k->next)
                kept++;
            assert_true(kept <= sizes[n]);
        }
        window_clear(&w);
    }
    rng_free(rng);
}

/* ---- the same in other octets, RFC 7383 2.5.2 ---- */

static void a_request_in_other_octets_begins_its_repetitions_again(void **state)
{
    struct window w = {0};
    const struct sent *which;
    (void)state;
    window_widen(&w.peer_size, 2);
    assert_true(sends(&w, "zero") && sends(&w, "one"));
    assert_int_equal(window_on_time(&w, &defaults, NULL, at_ms(4000), &which), WINDOW_REPEAT);
    assert_int_equal(window_on_time(&w, &defaults, NULL, at_ms(4000), &which), WINDOW_REPEAT);
    assert_true(
        window_replace_request(&w, 0, span_text("other and longer"), &defaults, NULL, at_ms(5000)));
    assert_int_equal(w.sent->repeats, 0);
    assert_true(span_is(span_of(w.sent->octets, w.sent->len), "other and longer"));
    assert_int_equal(w.sent->due.ns, at_ms(9000).ns);
    assert_int_equal(w.sent->next->repeats, 1); /* each its own */
    assert_false(window_replace_request(&w, 7, span_text("x"), &defaults, NULL, at_ms(5000)));
    window_answered(&w, 0);
    assert_non_null(window_find(&w, 1));
    window_clear(&w);
}

static void an_answer_in_other_octets_is_for_who_asks_now(void **state)
{
    struct window w = {0};
    (void)state;
    assert_true(answers(&w, 0, "answer", 11));
    assert_int_equal(window_asked_again(&w, 0), 1);
    assert_int_equal(window_asked_again(&w, 0), 2);
    assert_int_equal(window_asked_again(&w, 1), 0);
    assert_true(window_replace_answer(&w, 0, span_text("in two parts"), 12));
    assert_int_equal(window_judge(&w, 0, 11), WINDOW_STRAY);
    assert_int_equal(window_judge(&w, 0, 12), WINDOW_REPEATED);
    const struct kept *kept = window_kept(&w, 0);
    assert_true(span_is(span_of(kept->octets, kept->len), "in two parts"));
    assert_int_equal(window_asked_again(&w, 0), 1);
    for (unsigned i = 0; i < 1000; i++)
        window_asked_again(&w, 0);
    assert_int_equal(window_asked_again(&w, 0), UINT8_MAX);
    assert_false(window_replace_answer(&w, 5, span_text("x"), 1));
    window_clear(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_delays_are_those_of_strongswan),
        cmocka_unit_test(a_delay_ends_at_its_limit),
        cmocka_unit_test(a_delay_without_limit_is_no_longer_than_a_day),
        cmocka_unit_test(jitter_shortens_a_delay_by_no_more_than_its_share),
        cmocka_unit_test(a_request_is_repeated_five_times_and_then_given_up),
        cmocka_unit_test(a_set_up_request_is_copied_early_and_given_up_no_sooner),
        cmocka_unit_test(only_an_answer_with_a_number_in_flight_is_wanted),
        cmocka_unit_test(the_oldest_unanswered_request_bounds_the_window),
        cmocka_unit_test(a_window_grows_and_never_shrinks),
        cmocka_unit_test(each_request_in_flight_has_its_own_repetitions),
        cmocka_unit_test(ike_sa_init_begins_again_with_number_0),
        cmocka_unit_test(near_the_end_of_the_numbers_nothing_is_sent),
        cmocka_unit_test(
            a_repeated_request_gets_its_answer_again_and_another_under_its_number_does_not),
        cmocka_unit_test(requests_within_the_window_are_new_in_any_order_and_once),
        cmocka_unit_test(the_window_agrees_with_a_slow_twin),
        cmocka_unit_test(a_request_in_other_octets_begins_its_repetitions_again),
        cmocka_unit_test(an_answer_in_other_octets_is_for_who_asks_now),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
