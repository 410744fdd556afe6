/* Fragments of a peer that has the keys and means ill, RFC 7383 2.6: numbers, totals, gaps, sizes.
 * Every limit has its finding, told once; memory stays bounded and is given back; and whatever
 * came, the IKE SA goes on. What is not authentic leaves no trace. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "engine/inside.h"
#include "ike2/fragment.h"
#include "ike2/inside.h"
#include "life.h"

enum { STORM = 10000, OCTETS_MAX = 4096, FRAGMENT_OVERHEAD = 64 };

struct pair {
    struct sim sim;
    struct sim_host *left, *right;
    bool has_sent_answer;
};

static bool on_send(void *context, const struct sim_capture *c)
{
    struct pair *p = context;
    p->has_sent_answer |=
        c->from == p->right && (c->datagram.bytes.at[19] & IKE_FLAG_RESPONSE) != 0;
    return true;
}

static struct pair *begin(const struct engine_options *right)
{
    struct pair *p = calloc(1, sizeof *p);
    assert_non_null(p);
    assert_true(life_begin(&p->sim, NULL, right));
    p->left = sim_host(&p->sim, "left");
    p->right = sim_host(&p->sim, "right");
    p->sim.on_send = on_send;
    p->sim.on_send_context = p;
    return p;
}

static struct pair *begin_up(const struct engine_options *right)
{
    struct pair *p = begin(right);
    life_command(&p->sim, 0);
    sim_settle(&p->sim);
    assert_int_equal(p->right->engine->world.live, 1);
    p->has_sent_answer = false;
    return p;
}

/* The right side is half-open, the left one has the keys and its IKE_AUTH is lost. */
static struct pair *begin_half_open(const struct engine_options *right)
{
    struct pair *p = begin(right);
    sim_filter(p->left, FILTER_DROP, UINT32_MAX, EXCHANGE_IKE_AUTH, 0, 0);
    life_command(&p->sim, 0);
    sim_run_ms(&p->sim, 50);
    assert_int_equal(p->right->engine->world.counters.half_open, 1);
    assert_int_equal(sim_first_sa(p->left)->state, SA_AWAIT_AUTH_ANSWER);
    p->has_sent_answer = false;
    return p;
}

/* It still works: a request of the left side is answered. */
static void end_well(struct pair *p)
{
    size_t first = p->left->event_count;
    sim_filters_clear(&p->sim);
    sim_command(p->left, CMD_REKEY, "tunnel", "net", 0, 0, false);
    sim_run_ms(&p->sim, 1000);
    size_t rekeyed = 0;
    for (size_t i = first; i < p->left->event_count; i++)
        rekeyed += p->left->events[i].kind == EVENT_CHILD_REKEYED;
    assert_int_equal(rekeyed, 1);
    sim_run_ms(&p->sim, 120000);
    assert_null(sim_first_sa(p->right)->joining);
    assert_int_equal(p->right->engine->world.half_open_fragments, 0);
    assert_null(life_end(&p->sim));
    assert_int_equal(p->sim.broken, 0);
    sim_clear(&p->sim);
    free(p);
}

/* A fragment sealed by the left side as its SA would; damage: not authentic. */
static void send_piece(struct pair *p, uint8_t exchange, uint32_t id, unsigned number,
                       unsigned total, struct span piece, bool is_damaged)
{
    uint8_t room[OCTETS_MAX];
    struct world *w = &p->left->engine->world;
    struct ike_sa *sa = sim_first_sa(p->left);
    struct ike_header h = {.spi_i = sa->spi_i,
                           .spi_r = sa->spi_r,
                           .version = 0x20,
                           .exchange = exchange,
                           .flags = IKE_FLAG_INITIATOR,
                           .message_id = id};
    struct writer out = writer_of(room, sizeof room);
    size_t body = message_sealed_len(sa, piece.len);
    wire_write_skf_headers(&out, &h, number == 1 ? PAYLOAD_NOTIFY : 0, (uint16_t)number,
                           (uint16_t)total, body);
    assert_true(out.len + body <= sizeof room);
    size_t head = out.len;
    if (piece.len > 0)
        memcpy(room + head + sa->encr->iv_len, piece.at, piece.len);
    assert_true(message_seal(w, sa, room, head, piece.len));
    if (is_damaged)
        room[head + body - 1] ^= 1;
    struct datagram d = {sa->path.local, sa->path.remote, sa->path.marker,
                         span_of(room, head + body)};
    struct sim_host *to = sim_receiver(&p->sim, &d);
    assert_ptr_equal(to, p->right);
    sim_step(to, &(struct input){.kind = IN_DATAGRAM, .datagram = d});
}

static uint32_t expected_id(const struct pair *p)
{
    return sim_first_sa(p->right)->window.expected_id;
}

static size_t memory(const struct pair *p)
{
    return fragment_memory(sim_first_sa(p->right)->joining);
}

static const struct finding *the_finding(const struct pair *p, enum cause cause)
{
    const struct finding *found = NULL;
    for (size_t i = 0; i < p->right->event_count; i++) {
        const struct finding *f = p->right->events[i].finding;
        if (f == NULL || f->cause != cause || p->right->events[i].kind == EVENT_RECORD)
            continue;
        assert_null(found); /* told once */
        found = f;
    }
    assert_non_null(found);
    return found;
}

static void assert_refused(const struct pair *p, uint32_t id, uint8_t exchange, enum phase phase,
                           const char *param, const char *expected, const char *seen)
{
    const struct finding *f = the_finding(p, CAUSE_IKE_FRAGMENTS_REFUSED);
    assert_string_equal(f->param, param);
    assert_string_equal(f->expected, expected);
    assert_string_equal(f->seen, seen);
    assert_string_equal(f->nearest, "");
    assert_int_equal(f->phase, phase);
    assert_int_equal(f->notify, 0);
    assert_true(f->evidence.has_message && f->evidence.is_received);
    assert_int_equal(f->evidence.exchange, exchange);
    assert_int_equal(f->evidence.message_id, id);
    assert_int_equal(f->evidence.payload, PAYLOAD_SKF);
    assert_int_equal(f->evidence.offset, WIRE_HEADER_LEN);
}

static const uint8_t zeros[2048];

static struct span octets(size_t len)
{
    return span_of(zeros, len);
}

/* ---- an SA that stands ---- */

static void too_many_fragments_are_refused_once(void **state)
{
    (void)state;
    struct pair *p = begin_up(NULL);
    uint32_t id = expected_id(p);
    uint64_t dropped = p->right->engine->world.counters.dropped;
    for (unsigned i = 1; i < 65535; i++) /* 2^16 of them, the last never comes */
        send_piece(p, EXCHANGE_INFORMATIONAL, id, i, 65535, octets(8), false);
    assert_refused(p, id, EXCHANGE_INFORMATIONAL, PHASE_ESTABLISHED, "", "at most 256 fragments",
                   "fragment 1 of 65535");
    assert_true(memory(p) < 256);
    assert_int_equal(p->right->engine->world.counters.dropped, dropped + 65534);
    assert_false(p->has_sent_answer);
    end_well(p);
}

static void too_many_octets_are_refused_once(void **state)
{
    (void)state;
    struct pair *p = begin_up(&(struct engine_options){.max_packet = 3000});
    uint32_t id = expected_id(p);
    for (unsigned i = 1; i <= 8; i++)
        send_piece(p, EXCHANGE_INFORMATIONAL, id, i, 8, octets(1000), false);
    assert_refused(p, id, EXCHANGE_INFORMATIONAL, PHASE_ESTABLISHED, "charon.max_packet",
                   "at most 3000 octets", "4000 in 4 of 8 fragments");
    assert_true(memory(p) < 256);
    end_well(p);
}

static void a_datagram_above_max_packet_is_not_looked_at(void **state)
{
    (void)state;
    struct pair *p = begin_up(&(struct engine_options){.max_packet = 1500});
    uint64_t before = sim_digest(p->right);
    send_piece(p, EXCHANGE_INFORMATIONAL, expected_id(p), 1, 2, octets(1500), false);
    assert_true(sim_digest(p->right) == before);
    end_well(p);
}

static void what_is_missing_is_told_and_its_memory_given_back(void **state)
{
    (void)state;
    struct pair *p = begin_up(NULL);
    uint32_t id = expected_id(p);
    send_piece(p, EXCHANGE_INFORMATIONAL, id, 3, 3, octets(500), false);
    send_piece(p, EXCHANGE_INFORMATIONAL, id, 1, 3, octets(500), false);
    assert_in_range(memory(p), 1000, 1200);
    sim_run_ms(&p->sim, FRAGMENT_WAIT_S * 1000 + 10);
    assert_int_equal(memory(p), 0);
    const struct finding *f = the_finding(p, CAUSE_IKE_FRAGMENTS_MISSING);
    assert_string_equal(f->param, "");
    assert_string_equal(f->expected, "all of them within 60 s");
    assert_string_equal(f->seen, "2 of 3 fragments");
    assert_int_equal(f->phase, PHASE_ESTABLISHED);
    assert_true(f->evidence.has_message && f->evidence.is_received);
    assert_int_equal(f->evidence.exchange, EXCHANGE_INFORMATIONAL);
    assert_int_equal(f->evidence.message_id, id);
    end_well(p);
}

static void doubles_and_smaller_totals_change_nothing(void **state)
{
    (void)state;
    struct pair *p = begin_up(NULL);
    uint32_t id = expected_id(p);
    send_piece(p, EXCHANGE_INFORMATIONAL, id, 2, 5, octets(100), false);
    uint64_t before = sim_digest(p->right);
    send_piece(p, EXCHANGE_INFORMATIONAL, id, 2, 5, octets(100), false);
    send_piece(p, EXCHANGE_INFORMATIONAL, id, 2, 5, octets(900), false);
    send_piece(p, EXCHANGE_INFORMATIONAL, id, 1, 4, octets(100), false);
    send_piece(p, EXCHANGE_CREATE_CHILD_SA, id, 1, 5, octets(100), false);
    assert_true(sim_digest(p->right) == before);
    /* more fragments take their place */
    send_piece(p, EXCHANGE_INFORMATIONAL, id, 1, 6, octets(10), false);
    assert_true(memory(p) < 256);
    end_well(p);
}

static void fragments_that_are_not_authentic_leave_no_trace(void **state)
{
    (void)state;
    struct pair *p = begin_up(NULL);
    uint32_t id = expected_id(p);
    send_piece(p, EXCHANGE_INFORMATIONAL, id, 1, 3, octets(100), false);
    uint64_t before = sim_digest(p->right);
    size_t events = p->right->event_count;
    for (unsigned i = 1; i <= 600; i++)
        send_piece(p, EXCHANGE_INFORMATIONAL, id, i % 300, i, octets(100), true);
    assert_true(sim_digest(p->right) == before);
    assert_int_equal(p->right->event_count, events);
    assert_false(p->has_sent_answer);
    end_well(p);
}

static void fragments_beyond_the_window_are_dropped(void **state)
{
    (void)state;
    struct pair *p = begin_up(NULL);
    uint64_t before = sim_digest(p->right);
    for (unsigned ahead = WINDOW_SIZE_MAX; ahead < 200; ahead++)
        send_piece(p, EXCHANGE_INFORMATIONAL, expected_id(p) + ahead, 1, 2, octets(100), false);
    assert_true(sim_digest(p->right) == before);
    end_well(p);
}

static void only_the_first_fragment_asks_for_the_answer_again(void **state)
{
    (void)state;
    struct pair *p = begin_up(NULL);
    uint32_t id = expected_id(p);
    uint8_t note[] = {0, 0, 0, 8, 0, 0, 0x9f, 0xff};
    struct reader r = reader_of(span_of(note, sizeof note));
    struct span head = take(&r, 5), tail = take_rest(&r);
    struct ike_sa *sa = sim_first_sa(p->left);
    sa->window.next_id++; /* it was sent */
    send_piece(p, EXCHANGE_INFORMATIONAL, id, 2, 2, tail, false);
    assert_false(p->has_sent_answer);
    send_piece(p, EXCHANGE_INFORMATIONAL, id, 1, 2, head, false);
    assert_true(p->has_sent_answer);
    assert_int_equal(expected_id(p), id + 1);
    assert_int_equal(memory(p), 0);
    p->has_sent_answer = false;
    send_piece(p, EXCHANGE_INFORMATIONAL, id, 2, 2, tail, false);
    assert_false(p->has_sent_answer);
    /* cut anew, so no octet is as before */
    send_piece(p, EXCHANGE_INFORMATIONAL, id, 1, 3, head, false);
    assert_true(p->has_sent_answer);
    assert_int_equal(expected_id(p), id + 1);
    end_well(p);
}

/* ---- before IKE_AUTH ---- */

static void a_half_open_sa_is_bounded_too(void **state)
{
    (void)state;
    struct pair *p = begin_half_open(NULL);
    struct world *w = &p->right->engine->world;
    for (unsigned i = 1; i <= 200; i++) {
        send_piece(p, EXCHANGE_IKE_AUTH, 1, i, 201, octets(100), false);
        assert_true(w->half_open_fragments <= 10000 + 200 * FRAGMENT_OVERHEAD);
    }
    assert_refused(p, 1, EXCHANGE_IKE_AUTH, PHASE_IKE_AUTH, "charon.max_packet",
                   "at most 10000 octets", "10100 in 101 of 201 fragments");
    assert_int_equal(w->half_open_fragments, 0);
    assert_int_equal(w->live, 0);
    assert_int_equal(w->counters.half_open, 1);
    assert_false(p->has_sent_answer);
    /* the right IKE_AUTH, in one piece, still works */
    sim_filters_clear(&p->sim);
    sim_run_ms(&p->sim, 5000);
    assert_int_equal(w->live, 1);
    end_well(p);
}

static void all_half_open_sas_together_are_bounded(void **state)
{
    (void)state;
    struct pair *p = begin_half_open(NULL);
    struct world *w = &p->right->engine->world;
    w->half_open_fragments = FRAGMENTS_HALF_OPEN_MAX + 1;
    send_piece(p, EXCHANGE_IKE_AUTH, 1, 1, 2, octets(100), false);
    assert_refused(p, 1, EXCHANGE_IKE_AUTH, PHASE_IKE_AUTH, "",
                   "at most 4194304 octets of all half-open IKE SAs", "4194305");
    assert_int_equal(w->half_open_fragments, FRAGMENTS_HALF_OPEN_MAX + 1);
    w->half_open_fragments = 0;
    sim_filters_clear(&p->sim);
    sim_run_ms(&p->sim, 5000);
    end_well(p);
}

static void a_half_open_sa_that_ends_gives_its_fragments_back(void **state)
{
    (void)state;
    struct pair *p = begin_half_open(NULL);
    struct world *w = &p->right->engine->world;
    send_piece(p, EXCHANGE_IKE_AUTH, 1, 1, 2, octets(100), false);
    assert_true(w->half_open_fragments >= 100);
    for (unsigned i = 0; i < 50; i++)
        send_piece(p, EXCHANGE_IKE_AUTH, 1, 2, 2, octets(100), true);
    assert_int_equal(w->live, 0);
    sim_run_ms(&p->sim, 31000);
    assert_int_equal(w->counters.half_open, 0);
    assert_int_equal(w->half_open_fragments, 0);
    sim_clear(&p->sim);
    free(p);
}

/* ---- anything ---- */

static uint64_t dice;

static uint32_t roll(uint32_t below)
{
    dice = dice * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(dice >> 33) % below;
}

static void a_storm_of_authentic_fragments_is_bounded(void **state)
{
    (void)state;
    struct pair *p = begin_up(NULL);
    size_t most = 10000 + FRAGMENTS_MAX * FRAGMENT_OVERHEAD + 256;
    dice = 7;
    sim_first_sa(p->right)->window.size = 8; /* windows of several requests */
    for (unsigned i = 0; i < STORM; i++) {
        unsigned total = 2 + (roll(8) == 0 ? roll(65534) : roll(300));
        uint8_t exchange = roll(4) == 0 ? EXCHANGE_CREATE_CHILD_SA : EXCHANGE_INFORMATIONAL;
        send_piece(p, exchange, expected_id(p) + roll(10), 1 + roll(total - 1), total,
                   octets(roll(5) == 0 ? roll(1400) : roll(60)), roll(10) == 0);
        assert_true(memory(p) <= FRAGMENT_SETS_MAX * most);
        if (i % 100 == 0)
            sim_run_ms(&p->sim, 1 + roll(2000));
        assert_int_equal(p->right->engine->world.live, 1);
    }
    end_well(p);
}

static void mutated_fragments_change_nothing(void **state)
{
    (void)state;
    struct pair *p = begin_up(NULL);
    uint8_t room[OCTETS_MAX];
    struct world *w = &p->left->engine->world;
    struct ike_sa *sa = sim_first_sa(p->left);
    struct ike_header h = {.spi_i = sa->spi_i,
                           .spi_r = sa->spi_r,
                           .version = 0x20,
                           .exchange = EXCHANGE_INFORMATIONAL,
                           .flags = IKE_FLAG_INITIATOR,
                           .message_id = expected_id(p)};
    struct writer out = writer_of(room, sizeof room);
    wire_write_skf_headers(&out, &h, PAYLOAD_NOTIFY, 1, 2, message_sealed_len(sa, 40));
    size_t len = out.len + message_sealed_len(sa, 40);
    memset(room + out.len + sa->encr->iv_len, 0, 40);
    assert_true(message_seal(w, sa, room, out.len, 40));
    struct datagram d = {sa->path.local, sa->path.remote, sa->path.marker, span_of(room, len)};
    struct sim_host *to = sim_receiver(&p->sim, &d);
    uint64_t before = sim_digest(to);
    dice = 8;
    for (unsigned i = 0; i < STORM + len; i++) {
        uint8_t bad[OCTETS_MAX];
        size_t bad_len = i < len ? i : len;
        memcpy(bad, room, bad_len);
        for (unsigned n = i < len ? 0 : 1 + roll(3); n > 0; n--)
            bad[17 + roll((uint32_t)len - 17)] ^= (uint8_t)(1u << roll(8)); /* behind the SPIs */
        if (bad_len >= WIRE_HEADER_LEN && roll(4) != 0) {
            bad[24] = bad[25] = 0;
            bad[26] = (uint8_t)(bad_len >> 8);
            bad[27] = (uint8_t)bad_len;
        }
        if (bad_len == len && memcmp(bad, room, len) == 0)
            continue;
        d.bytes = span_of(bad, bad_len);
        sim_step(to, &(struct input){.kind = IN_DATAGRAM, .datagram = d});
        assert_true(sim_digest(to) == before);
    }
    end_well(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(too_many_fragments_are_refused_once),
        cmocka_unit_test(too_many_octets_are_refused_once),
        cmocka_unit_test(a_datagram_above_max_packet_is_not_looked_at),
        cmocka_unit_test(what_is_missing_is_told_and_its_memory_given_back),
        cmocka_unit_test(doubles_and_smaller_totals_change_nothing),
        cmocka_unit_test(fragments_that_are_not_authentic_leave_no_trace),
        cmocka_unit_test(fragments_beyond_the_window_are_dropped),
        cmocka_unit_test(only_the_first_fragment_asks_for_the_answer_again),
        cmocka_unit_test(a_half_open_sa_is_bounded_too),
        cmocka_unit_test(all_half_open_sas_together_are_bounded),
        cmocka_unit_test(a_half_open_sa_that_ends_gives_its_fragments_back),
        cmocka_unit_test(a_storm_of_authentic_fragments_is_bounded),
        cmocka_unit_test(mutated_fragments_change_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
