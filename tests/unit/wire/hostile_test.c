/* Octets that nobody honest sends: every cut and 10,000 seeded mutations of each valid message, in
 * blocks of exactly their length. What must hold is checked by ../../fuzz/wire_walk.h. */
#include "capture.h"

#include "../../fuzz/wire_samples.h"
#include "../../fuzz/wire_walk.h"
#include "base/rng.h"

enum { MUTATIONS = 10000 };

static struct arena arena;
static struct rng *rng;

static int begin(void **state)
{
    static const uint8_t seed[RNG_SEED_SIZE] = "the same octets in every run";
    (void)state;
    arena = new_arena();
    rng = rng_new(seed);
    return rng == NULL;
}

static int end(void **state)
{
    (void)state;
    rng_free(rng);
    arena_clear(&arena);
    return 0;
}

static void patch_length(uint8_t *at, size_t len)
{
    if (len >= WIRE_HEADER_LEN) {
        at[24] = at[25] = 0;
        at[26] = (uint8_t)(len >> 8);
        at[27] = (uint8_t)len;
    }
}

/* One to four changes: a bit, an octet, a number of 16 bits at an edge, a cut, a double, a swap. */
static size_t mutate(uint8_t *at, size_t len, size_t room)
{
    static const uint16_t edges[] = {0, 1, 3, 4, 7, 8, 255, 256, 32767, 32768, 65532, 65535};
    uint64_t changes = 1 + rng_below(rng, 4);
    for (uint64_t i = 0; i < changes && len > 2; i++) {
        size_t where = (size_t)rng_below(rng, len), n;
        uint16_t edge;
        switch (rng_below(rng, 6)) {
        case 0:
            at[where] ^= (uint8_t)(1u << rng_below(rng, 8));
            break;
        case 1:
            at[where] = (uint8_t)rng_u32(rng);
            break;
        case 2:
            edge = edges[rng_below(rng, sizeof edges / sizeof edges[0])];
            where = where > len - 2 ? len - 2 : where;
            at[where] = (uint8_t)(edge >> 8);
            at[where + 1] = (uint8_t)edge;
            break;
        case 3:
            len = where;
            break;
        case 4:
            n = 1 + (size_t)rng_below(rng, len - where);
            n = n > room - len ? room - len : n;
            memmove(at + where + n, at + where, len - where);
            len += n;
            break;
        default:
            n = (size_t)rng_below(rng, len);
            edge = at[n];
            at[n] = at[where];
            at[where] = (uint8_t)edge;
            break;
        }
    }
    return len;
}

static unsigned mutate_messages(struct span sample)
{
    unsigned accepted = 0;
    if (sample.at == NULL || !walk_message(sample, &arena))
        return 0;
    for (int i = 0; i < MUTATIONS; i++) {
        uint8_t room[4096];
        memcpy(room, sample.at, sample.len);
        size_t len = mutate(room, sample.len, sizeof room);
        if (rng_below(rng, 4) != 0) /* else the first check would stop nearly all of them */
            patch_length(room, len);
        struct span changed = heap_copy(span_of(room, len), len);
        accepted += walk_message(changed, &arena);
        heap_free(changed);
        arena_reset(&arena);
    }
    return accepted;
}

static unsigned mutate_inside(struct span plain, uint8_t first)
{
    static struct message m;
    unsigned accepted = 0;
    for (int i = 0; i < MUTATIONS; i++) {
        uint8_t room[4096];
        struct wire_error why;
        memcpy(room, plain.at, plain.len);
        size_t len = mutate(room, plain.len, sizeof room);
        struct span changed = heap_copy(span_of(room, len), len);
        m = (struct message){.has_sk = true, .sk_offset = WIRE_HEADER_LEN};
        if (wire_parse_inner(&m, first, changed, &why)) {
            walk_payloads(&m, 0, changed, WIRE_HEADER_LEN + WIRE_PAYLOAD_HEADER_LEN, &arena);
            accepted++;
        } else {
            MUST(m.payload_count == 0 && why.what != NULL);
        }
        heap_free(changed);
        arena_reset(&arena);
    }
    return accepted;
}

/* A cut is refused, with the header's length corrected too, unless it cuts the content of SK. */
static void cut_messages(struct span sample, size_t first_good)
{
    for (size_t n = 0; n < sample.len; n++) {
        struct span cut = heap_copy(sample, n);
        assert_false(walk_message(cut, &arena));
        patch_length((uint8_t *)(uintptr_t)cut.at, n);
        if (first_good != 0 && n >= first_good) {
            size_t sk = n - WIRE_HEADER_LEN;
            ((uint8_t *)(uintptr_t)cut.at)[WIRE_HEADER_LEN + 2] = (uint8_t)(sk >> 8);
            ((uint8_t *)(uintptr_t)cut.at)[WIRE_HEADER_LEN + 3] = (uint8_t)sk;
        }
        assert_int_equal(walk_message(cut, &arena), first_good != 0 && n >= first_good);
        heap_free(cut);
        arena_reset(&arena);
    }
}

static struct span sample_of(void (*make)(struct writer *), uint8_t *room, size_t size)
{
    struct writer w = writer_of(room, size);
    make(&w);
    assert_false(w.full);
    return writer_span(&w);
}

static void cuts_of_valid_messages_are_refused(void **state)
{
    (void)state;
    uint8_t room[2048];
    cut_messages(read_windows(room, sizeof room), 0);
    cut_messages(sample_of(sample_init, room, sizeof room), 0);
    cut_messages(sample_of(sample_sk, room, sizeof room), 32);
    cut_messages(sample_of(sample_skf, room, sizeof room), 36);
}

static void mutations_of_ike_sa_init_do_no_harm(void **state)
{
    (void)state;
    uint8_t room[2048];
    assert_in_range(mutate_messages(sample_of(sample_init, room, sizeof room)), 100, 9900);
    assert_in_range(mutate_messages(read_windows(room, sizeof room)), 100, 9900);
}

static void mutations_of_sk_and_skf_do_no_harm(void **state)
{
    (void)state;
    uint8_t room[2048];
    assert_in_range(mutate_messages(sample_of(sample_sk, room, sizeof room)), 100, 9900);
    assert_in_range(mutate_messages(sample_of(sample_skf, room, sizeof room)), 100, 9900);
}

static void mutations_of_decrypted_payloads_do_no_harm(void **state)
{
    (void)state;
    uint8_t room[2048], first;
    struct writer w = writer_of(room, sizeof room);
    sample_inner(&w, &first);
    assert_false(w.full);
    assert_in_range(mutate_inside(writer_span(&w), first), 100, 9900);
}

/* Each payload's body alone: here nothing but its own parser stands in the way. */
static void mutations_of_each_body_do_no_harm(void **state)
{
    (void)state;
    uint8_t text[2048], first;
    static struct message m;
    struct wire_error why;
    struct writer w = writer_of(text, sizeof text);
    sample_inner(&w, &first);
    m = (struct message){.has_sk = true};
    assert_true(wire_parse_inner(&m, first, writer_span(&w), &why));
    for (size_t p = 0; p < m.payload_count; p++)
        for (int i = 0; i < MUTATIONS / 10; i++) {
            uint8_t room[4096];
            struct span body = m.payloads[p].body;
            memcpy(room, body.at, body.len);
            size_t len = mutate(room, body.len, sizeof room);
            struct span changed = heap_copy(span_of(room, len), len);
            walk_payload(m.payloads[p].type, changed, &arena);
            heap_free(changed);
            arena_reset(&arena);
        }
}

/* A full payload of the smallest parts: what it takes in memory stays in proportion. */
static void the_largest_lists_are_refused_or_read(void **state)
{
    (void)state;
    static uint8_t room[65531];
    struct proposals p;
    struct ts_list ts;
    struct cfg cfg;
    uint32_t at;
    for (size_t i = 0; i + 8 <= sizeof room; i += 8) {
        const uint8_t smallest[8] = {2, 0, 0, 8, (uint8_t)(i / 8 + 1), PROTOCOL_ESP, 0, 0};
        memcpy(room + i, smallest, sizeof smallest);
    }
    assert_false(wire_parse_sa(span_of(room, sizeof room), &arena, &p, &at));
    assert_int_equal(at, 255 * 8); /* after 255 the numbers no longer ascend */
    memset(room, 0xff, sizeof room);
    assert_false(wire_parse_sa(span_of(room, sizeof room), &arena, &p, &at));
    assert_false(wire_parse_ts(span_of(room, sizeof room), &arena, &ts, &at));
    memset(room, 0, sizeof room);
    assert_false(wire_parse_sa(span_of(room, sizeof room), &arena, &p, &at));
    assert_true(wire_parse_cp(span_of(room, 65528), &arena, &cfg));
    assert_int_equal(cfg.count, 65524 / 4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(cuts_of_valid_messages_are_refused),
        cmocka_unit_test(mutations_of_ike_sa_init_do_no_harm),
        cmocka_unit_test(mutations_of_sk_and_skf_do_no_harm),
        cmocka_unit_test(mutations_of_decrypted_payloads_do_no_harm),
        cmocka_unit_test(mutations_of_each_body_do_no_harm),
        cmocka_unit_test(the_largest_lists_are_refused_or_read),
    };
    return cmocka_run_group_tests(tests, begin, end);
}
