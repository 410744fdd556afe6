/* Hostile datagrams, RFC 7296 2.21: what is not authentic changes nothing but counters and is not
 * answered on an SA that exists; what is authentic but malformed never harms more than its own SA.
 *
 * The messages of a whole life are taken as they are sent: each truncation and thousands of seeded
 * mutations of them are fed to their receiver before the message itself comes. Then payload chains
 * are opened with the sender's keys, mutated, and sealed again, in place of the message. A crash, a
 * leak or an overflow is the sanitizer's to find; this file asserts state and answers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "engine/inside.h"
#include "life.h"

enum { PER_MESSAGE = 600, SEALED = 10000, INITS = 5000, OCTETS_MAX = 4096 };

static uint64_t dice;

static uint32_t roll(uint32_t below)
{
    dice = dice * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(dice >> 33) % below;
}

struct world_of_two {
    struct sim sim;
    struct sim_host *left, *right;
    bool is_muted; /* what is sent is only counted */
    size_t sent_muted, answers_muted, sealed_muted;
    /* the message that was sent last and is not delivered yet */
    bool has_pending;
    struct sim_host *from, *to;
    struct datagram pending; /* as the receiver gets it */
    uint8_t octets[OCTETS_MAX];
    size_t index, swallow; /* which message is taken away, SIZE_MAX = none */
};

static bool on_send(void *context, const struct sim_capture *c)
{
    struct world_of_two *t = context;
    if (t->is_muted) {
        t->sent_muted++;
        t->answers_muted += (c->datagram.bytes.at[19] & IKE_FLAG_RESPONSE) != 0;
        t->sealed_muted +=
            c->datagram.bytes.at[16] == PAYLOAD_SK || c->datagram.bytes.at[16] == PAYLOAD_SKF;
        return false;
    }
    assert_true(c->datagram.bytes.len <= sizeof t->octets);
    memcpy(t->octets, c->datagram.bytes.at, c->datagram.bytes.len);
    t->pending = c->datagram;
    t->pending.bytes.at = t->octets;
    t->from = c->from;
    t->to = c->to;
    t->has_pending = true;
    return t->index++ != t->swallow;
}

static struct world_of_two *begin_both(const struct engine_options *left,
                                       const struct engine_options *right)
{
    struct world_of_two *t = calloc(1, sizeof *t);
    assert_non_null(t);
    assert_true(life_begin(&t->sim, left, right));
    t->swallow = SIZE_MAX;
    t->left = sim_host(&t->sim, "left");
    t->right = sim_host(&t->sim, "right");
    t->sim.on_send = on_send;
    t->sim.on_send_context = t;
    return t;
}

static struct world_of_two *begin(const struct engine_options *right)
{
    return begin_both(NULL, right);
}

static void end(struct world_of_two *t)
{
    sim_clear(&t->sim);
    free(t);
}

static void feed(struct sim_host *to, const struct datagram *d)
{
    sim_step(to, &(struct input){.kind = IN_DATAGRAM, .datagram = *d});
}

static void mutate(uint8_t *octets, size_t *len, size_t room)
{
    static const uint8_t odd[] = {0, 1, 2, 3, 4, 7, 8, 0x7f, 0x80, 0xfe, 0xff, 33, 41, 46, 53, 200};
    for (unsigned n = 1 + roll(4); n > 0; n--) {
        size_t at = *len == 0 ? 0 : roll((uint32_t)*len);
        size_t span = *len == 0 ? 0 : 1 + roll((uint32_t)(*len - at));
        switch (*len == 0 ? 5 : roll(8)) {
        case 0:
        case 1:
            octets[at] ^= (uint8_t)(1u << roll(8));
            break;
        case 2:
            octets[at] = odd[roll(sizeof odd)];
            break;
        case 3:
            octets[at] = (uint8_t)roll(256);
            break;
        case 4:
            *len = at;
            break;
        case 5: /* longer */
            for (unsigned more = roll(40); more > 0 && *len < room; more--)
                octets[(*len)++] = (uint8_t)roll(256);
            break;
        case 6: /* a piece goes */
            memmove(octets + at, octets + at + span, *len - at - span);
            *len -= span;
            break;
        case 7: /* a piece comes twice */
            if (*len + span <= room) {
                memmove(octets + at + span, octets + at, *len - at);
                *len += span;
            }
            break;
        }
    }
}

/* The length field made right, so that more than the header is looked at. */
static void fix_length(uint8_t *octets, size_t len)
{
    if (len < 28)
        return;
    octets[24] = octets[25] = 0;
    octets[26] = (uint8_t)(len >> 8);
    octets[27] = (uint8_t)len;
}

/* One hostile variant of a message of an SA that has keys: nothing may change, and nothing is said
 * but, in clear, that an SPI or a version is not known. */
static void assert_untouched(struct world_of_two *t, const struct datagram *d)
{
    uint64_t before = sim_digest(t->to);
    size_t sas = t->to->sa_count, sent = t->sent_muted, sealed = t->sealed_muted;
    feed(t->to, d);
    assert_true(sim_digest(t->to) == before);
    assert_int_equal(t->to->sa_count, sas);
    assert_int_equal(t->sealed_muted, sealed);
    assert_true(t->sent_muted <= sent + 1);
    if (t->sent_muted > sent && d->bytes.len >= 28) {
        /* only a request, and not under both our SPIs with our version */
        assert_true((d->bytes.at[19] & IKE_FLAG_RESPONSE) == 0);
        assert_true(memcmp(d->bytes.at, t->octets, 16) != 0 || d->bytes.at[17] >> 4 != 2 ||
                    d->bytes.at[19] != t->octets[19]);
    }
}

static void harass_protected(struct world_of_two *t, unsigned mutations)
{
    uint8_t octets[OCTETS_MAX + 256];
    struct datagram d = t->pending;
    d.bytes.at = octets;
    for (size_t len = 0; len < t->pending.bytes.len; len++)
        for (unsigned fixed = 0; fixed < 2; fixed++) {
            memcpy(octets, t->octets, len);
            d.bytes.len = len;
            if (fixed != 0)
                fix_length(octets, len);
            assert_untouched(t, &d);
        }
    for (unsigned i = 0; i < mutations; i++) {
        size_t len = t->pending.bytes.len;
        memcpy(octets, t->octets, len);
        mutate(octets, &len, sizeof octets);
        if (i % 4 != 0)
            fix_length(octets, len);
        d.bytes.len = len;
        if (!span_equal(d.bytes, t->pending.bytes))
            assert_untouched(t, &d);
    }
}

/* IKE_SA_INIT requests are not authentic and may well be served. What stands may not change. */
static void harass_init_request(struct world_of_two *t, unsigned mutations)
{
    uint8_t octets[OCTETS_MAX + 256];
    struct datagram d = t->pending;
    d.bytes.at = octets;
    uint64_t live = t->to->engine->world.live;
    size_t whole = t->pending.bytes.len;
    for (unsigned i = 0; i < whole * 2 + mutations; i++) {
        size_t len = i < whole * 2 ? i / 2 : whole;
        memcpy(octets, t->octets, len);
        if (i >= whole * 2)
            mutate(octets, &len, sizeof octets);
        if (i % 2 != 0)
            fix_length(octets, len);
        d.bytes.len = len;
        size_t sent = t->sent_muted, answers = t->answers_muted;
        uint32_t half_open = t->to->engine->world.counters.half_open;
        feed(t->to, &d);
        assert_true(t->to->engine->world.live == live);
        assert_int_equal(t->to->sa_count, 0);
        assert_true(t->sent_muted <= sent + 1);
        assert_int_equal(t->sent_muted - sent, t->answers_muted - answers);
        /* a half-open SA is never made in silence */
        assert_true(t->to->engine->world.counters.half_open <= half_open + 1);
        if (t->to->engine->world.counters.half_open > half_open)
            assert_int_equal(t->sent_muted, sent + 1);
    }
}

/* fragment_size 0: every message is whole. Returns how many fragments were among those. */
static size_t harass_a_life(uint32_t fragment_size, unsigned inits, unsigned per_message)
{
    struct engine_options many = {.cookie_threshold = UINT32_MAX,
                                  .cookie_threshold_ip = UINT32_MAX,
                                  .block_threshold = UINT32_MAX,
                                  .fragment_size = fragment_size};
    struct world_of_two *t =
        begin_both(&(struct engine_options){.fragment_size = fragment_size}, &many);
    size_t requests = 0, protected = 0, fragments = 0;
    dice = 1;
    for (unsigned step = 0; step < LIFE_STEPS; step++) {
        struct instant until = instant_after_ms(t->sim.now, LIFE_STEP_MS);
        life_command(&t->sim, step);
        do {
            if (!t->has_pending)
                continue;
            t->has_pending = false;
            t->is_muted = true;
            bool is_init = t->octets[18] == EXCHANGE_IKE_SA_INIT;
            bool is_response = (t->octets[19] & IKE_FLAG_RESPONSE) != 0;
            if (is_init && !is_response) {
                harass_init_request(t, inits);
                requests++;
            } else if (!is_init) {
                harass_protected(t, per_message);
                protected++;
                fragments += t->octets[16] == PAYLOAD_SKF;
            }
            t->is_muted = false;
        } while (sim_turn(&t->sim, until));
        t->sim.now = until;
    }
    assert_int_equal(requests, 1);
    assert_true(protected * per_message >= 10000);
    /* And the life went on to its end. */
    assert_int_equal(t->sim.broken, 0);
    assert_int_equal(t->left->sa_count, 0);
    assert_int_equal(t->right->sa_count, 0);
    assert_int_equal(t->left->engine->world.live, 0);
    assert_int_equal(t->right->engine->world.live, 0);
    unsigned ups = 0;
    for (size_t i = 0; i < t->left->event_count; i++)
        ups += t->left->events[i].kind == EVENT_CHILD_UP;
    assert_int_equal(ups, 2);
    end(t);
    return fragments;
}

static void truncations_and_mutations_of_a_whole_life_change_nothing(void **state)
{
    (void)state;
    assert_int_equal(harass_a_life(0, 10000, PER_MESSAGE), 0);
}

static void truncations_and_mutations_of_fragments_change_nothing(void **state)
{
    (void)state;
    size_t fragments = harass_a_life(200, 100, 1200);
    assert_true(fragments * 1200 >= 10000);
}

/* The answer to IKE_SA_INIT has no seal: an attempt may end by it, and nothing else may. */
static void mutated_answers_to_the_first_request_end_at_most_their_attempt(void **state)
{
    (void)state;
    struct engine_options many = {.cookie_threshold = UINT32_MAX,
                                  .cookie_threshold_ip = UINT32_MAX,
                                  .block_threshold = UINT32_MAX,
                                  .half_open_timeout_s = 1};
    struct world_of_two *t = begin(&many);
    dice = 2;
    unsigned went_on = 0;
    for (unsigned i = 0; i < INITS; i++) {
        uint8_t octets[OCTETS_MAX + 256];
        sim_command(t->left, CMD_INITIATE, "tunnel", "net", 0, 0, false);
        sim_run_ms(&t->sim, 12); /* the answer is on its way */
        assert_true(t->has_pending && t->to == t->left);
        size_t len = t->pending.bytes.len;
        memcpy(octets, t->octets, len);
        if (i < len)
            len = i;
        else
            mutate(octets, &len, sizeof octets);
        if (i % 8 != 0)
            fix_length(octets, len);
        struct datagram d = t->pending;
        d.bytes = span_of(octets, len);
        t->is_muted = true;
        size_t sent = t->sent_muted;
        feed(t->left, &d);
        assert_true(t->sent_muted <= sent + 1);
        assert_int_equal(t->left->sa_count, 0);
        assert_true(t->left->engine->world.live <= 1);
        went_on += t->sent_muted > sent;
        sim_command(t->left, CMD_TERMINATE, "tunnel", NULL, 0, 0, true);
        t->is_muted = false;
        assert_int_equal(t->left->engine->world.live, 0);
        sim_run_ms(&t->sim, 3);
    }
    assert_true(went_on > 0);
    sim_run_ms(&t->sim, 5000);
    assert_int_equal(t->sim.broken, 0);
    assert_int_equal(t->left->engine->world.live, 0);
    assert_int_equal(t->right->engine->world.counters.half_open, 0);
    end(t);
}

static size_t messages_of_a_life(void)
{
    struct world_of_two *t = begin(NULL);
    for (unsigned step = 0; step < LIFE_STEPS; step++) {
        life_command(&t->sim, step);
        sim_run_ms(&t->sim, LIFE_STEP_MS);
    }
    size_t count = t->index;
    end(t);
    return count;
}

/* One life up to its message number `index`, whose content is then changed by the one who has the
 * keys. */
static bool betray(size_t index)
{
    struct world_of_two *t = begin(NULL);
    bool is_done = false;
    t->swallow = index;
    for (unsigned step = 0; !is_done && step < LIFE_STEPS; step++) {
        struct instant until = instant_after_ms(t->sim.now, LIFE_STEP_MS);
        life_command(&t->sim, step);
        while (t->index <= index && sim_turn(&t->sim, until))
            ;
        if (t->index <= index) {
            t->sim.now = until;
            continue;
        }
        is_done = true;
    }
    uint8_t first, octets[OCTETS_MAX];
    struct span plain;
    struct ike_sa *sa = !is_done ? NULL : sim_sa_of(t->from, t->pending.bytes);
    if (sa == NULL || !sim_open(t->from, t->pending.bytes, &first, &plain)) {
        end(t); /* IKE_SA_INIT, or the answer to a Delete of the IKE SA, which is gone */
        return false;
    }
    struct reader id = reader_of(span_of(t->octets + 20, 4));
    uint32_t message_id = take_u32(&id);
    uint8_t exchange = t->octets[18];
    bool is_response = (t->octets[19] & IKE_FLAG_RESPONSE) != 0;
    size_t len = plain.len;
    memcpy(octets, plain.at, len);
    mutate(octets, &len, sizeof octets - 512);
    if (roll(20) == 0)
        first = (uint8_t)roll(256);
    if (roll(40) == 0)
        exchange = (uint8_t)(34 + roll(5));
    struct datagram d;
    assert_true(
        sim_seal(t->from, sa, exchange, is_response, message_id, first, span_of(octets, len), &d));
    struct datagram arrives = t->pending;
    arrives.bytes = d.bytes;
    /* One request has at most one answer, and an answer has none; what the receiver begins after it
     * are requests. */
    t->is_muted = true;
    feed(t->to, &arrives);
    assert_true(t->answers_muted <= (is_response ? 0 : 1));
    t->is_muted = false;
    /* Whatever it did: time goes on, and everything ends. */
    const char *left = life_end(&t->sim);
    if (left != NULL)
        fail_msg("message %zu: %s", index, left);
    end(t);
    return true;
}

static void mutated_content_under_a_good_seal_harms_at_most_its_sa(void **state)
{
    (void)state;
    size_t messages = messages_of_a_life();
    unsigned done = 0;
    dice = 3;
    for (unsigned i = 0; done < SEALED; i++) {
        assert_true(i < 3 * SEALED);
        done += betray(2 + i % (messages - 2));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(truncations_and_mutations_of_a_whole_life_change_nothing),
        cmocka_unit_test(truncations_and_mutations_of_fragments_change_nothing),
        cmocka_unit_test(mutated_answers_to_the_first_request_end_at_most_their_attempt),
        cmocka_unit_test(mutated_content_under_a_good_seal_harms_at_most_its_sa),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
