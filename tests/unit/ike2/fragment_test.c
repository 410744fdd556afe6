/* Trains of messages, the room in a datagram, and cutting and joining for every length: what is cut
 * comes out again, each datagram fits, and a smaller size makes more of them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "ike2/fragment.h"
#include "ike2/inside.h"

static struct path path_over(const char *remote, bool marker)
{
    struct path p = {.marker = marker};
    assert_true(address_parse(span_text(remote), &p.remote));
    p.local = p.remote;
    return p;
}

static void all_headers_are_counted(void **state)
{
    (void)state;
    struct path four = path_over("192.0.2.1", false), six = path_over("2001:db8::1", false);
    struct path four_nat = path_over("192.0.2.1", true), six_nat = path_over("2001:db8::1", true);
    assert_int_equal(fragment_room(&four, 576), 576 - 20 - 8);
    assert_int_equal(fragment_room(&four_nat, 576), 576 - 20 - 8 - 4);
    assert_int_equal(fragment_room(&six, 1280), 1280 - 40 - 8);
    assert_int_equal(fragment_room(&six_nat, 1280), 1280 - 40 - 8 - 4);
    assert_int_equal(fragment_room(&six_nat, 52), 0);
    assert_int_equal(fragment_room(&six_nat, 1), 0);
}

static void a_train_is_taken_apart_by_the_lengths_in_its_headers(void **state)
{
    (void)state;
    uint8_t octets[28 + 40 + 100] = {0};
    octets[27] = 28;
    octets[28 + 27] = 40;
    octets[28 + 40 + 27] = 100;
    struct reader r = reader_of(span_of(octets, sizeof octets));
    struct span message;
    size_t longest;
    assert_int_equal(fragment_count(r.left, &longest), 3);
    assert_int_equal(longest, 100);
    assert_true(fragment_next(&r, &message));
    assert_int_equal(message.len, 28);
    assert_true(fragment_next(&r, &message));
    assert_int_equal(message.len, 40);
    assert_ptr_equal(message.at, octets + 28);
    assert_true(fragment_next(&r, &message));
    assert_false(fragment_next(&r, &message));
    assert_int_equal(fragment_count((struct span){NULL, 0}, &longest), 0);
    assert_int_equal(longest, 0);
}

struct cutter {
    struct world world;
    struct ike_sa *sa;
    struct conn conn;
    uint8_t keys[512];
};

/* An SA with keys, as far as sealing needs one. */
static struct cutter *begin(uint16_t encr, uint16_t key_bits, uint16_t integ, const char *remote)
{
    struct cutter *s = calloc(1, sizeof *s);
    uint8_t seed[RNG_SEED_SIZE] = {9};
    assert_non_null(s);
    assert_true(crypto_init());
    assert_true(world_init(&s->world, &(struct world_options){.fragment_size = 1280}, seed));
    world_begin_step(&s->world, (struct instant){1}, 1);
    s->sa = calloc(1, sizeof *s->sa);
    assert_non_null(s->sa);
    s->sa->conn = &s->conn;
    s->sa->path = path_over(remote, true);
    s->sa->is_initiator = true;
    s->sa->may_fragment = true;
    struct suite suite = {
        .encr = encr, .encr_bits = key_bits, .integ = integ, .prf = PRF_HMAC_SHA2_256};
    assert_true(ike2_set_suite(s->sa, &suite));
    uint8_t zeros[32] = {1};
    struct span some = span_of(zeros, sizeof zeros);
    assert_true(ike2_derive(s->sa, some, some, some));
    return s;
}

static void end(struct cutter *s)
{
    free(s->sa->keys);
    free(s->sa);
    world_clear(&s->world);
    free(s);
}

static void cut_and_join(struct cutter *s, size_t len, size_t size)
{
    struct world *w = &s->world;
    uint8_t content[3000];
    for (size_t i = 0; i < len; i++)
        content[i] = (uint8_t)(i * 7);
    struct ike_header h = {.version = 0x20, .exchange = EXCHANGE_IKE_AUTH, .flags = 8};
    size_t room = fragment_room(&s->sa->path, size), longest;
    struct span train = fragment_seal(w, s->sa, &h, PAYLOAD_NOTIFY, span_of(content, len), room);
    assert_true(train.len > 0);
    size_t count = fragment_count(train, &longest), done = 0;
    assert_true(longest <= room);
    struct reader r = reader_of(train);
    for (size_t i = 1; i <= count; i++) {
        struct span message, piece;
        struct message m;
        struct wire_error error;
        struct finding why;
        bool is_authentic;
        assert_true(fragment_next(&r, &message));
        assert_true(wire_parse_message(message, &m, &error));
        assert_true(m.is_fragment);
        assert_int_equal(m.fragment, i);
        assert_int_equal(m.fragments, count);
        assert_int_equal(m.sk_first_payload, i == 1 ? PAYLOAD_NOTIFY : 0);
        assert_true(message_unseal(w, s->sa, &m, true, &piece, &is_authentic, &why));
        assert_true(done + piece.len <= len);
        assert_memory_equal(piece.at, content + done, piece.len);
        assert_true(piece.len > 0);
        done += piece.len;
    }
    assert_int_equal(done, len);
    assert_int_equal(train.len, (size_t)(r.left.at - train.at));
}

static void every_length_is_cut_and_comes_out_again(void **state)
{
    (void)state;
    struct cutter *gcm = begin(ENCR_AES_GCM_16, 128, 0, "2001:db8::1");
    struct cutter *cbc = begin(ENCR_AES_CBC, 256, AUTH_HMAC_SHA2_256_128, "192.0.2.1");
    static const size_t sizes[] = {200, 296, 576, 1280};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        for (size_t len = 1; len <= 3000; len += len < 300 ? 1 : 131) {
            cut_and_join(gcm, len, sizes[i]);
            cut_and_join(cbc, len, sizes[i]);
            arena_reset(&gcm->world.arena);
            arena_reset(&cbc->world.arena);
        }
    end(gcm);
    end(cbc);
}

static void a_size_that_is_absurd_still_makes_progress_or_is_refused(void **state)
{
    (void)state;
    struct cutter *s = begin(ENCR_AES_GCM_16, 128, 0, "192.0.2.1");
    uint8_t content[8000] = {0};
    struct ike_header h = {.version = 0x20, .exchange = EXCHANGE_IKE_AUTH, .flags = 8};
    size_t longest;
    struct span train = fragment_seal(&s->world, s->sa, &h, 0, span_of(content, 160), 0);
    assert_int_equal(fragment_count(train, &longest), 10);
    /* more than FRAGMENTS_MAX */
    train = fragment_seal(&s->world, s->sa, &h, 0, span_of(content, sizeof content), 0);
    assert_int_equal(train.len, 0);
    end(s);
}

static void who_sends_fragments_and_how_large(void **state)
{
    (void)state;
    struct cutter *s = begin(ENCR_AES_GCM_16, 128, 0, "192.0.2.1");
    struct world *w = &s->world;
    assert_int_equal(fragment_size(w, s->sa), 1280);
    w->options.fragment_size = 0; /* by address family */
    assert_int_equal(fragment_size(w, s->sa), 576);
    s->sa->path = path_over("2001:db8::1", false);
    assert_int_equal(fragment_size(w, s->sa), 1280);
    s->sa->fragment_limit = 576;
    assert_int_equal(fragment_size(w, s->sa), 576);
    w->options.fragment_size = 200;
    assert_int_equal(fragment_size(w, s->sa), 200);
    s->conn.fragmentation = FRAGMENTATION_FORCE;
    assert_int_equal(fragment_size(w, s->sa), 200);
    s->conn.fragmentation = FRAGMENTATION_ACCEPT;
    assert_int_equal(fragment_size(w, s->sa), 0);
    s->conn.fragmentation = FRAGMENTATION_NO;
    assert_int_equal(fragment_size(w, s->sa), 0);
    s->conn.fragmentation = FRAGMENTATION_YES;
    s->sa->may_fragment = false;
    assert_int_equal(fragment_size(w, s->sa), 0);
    end(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_headers_are_counted),
        cmocka_unit_test(a_train_is_taken_apart_by_the_lengths_in_its_headers),
        cmocka_unit_test(every_length_is_cut_and_comes_out_again),
        cmocka_unit_test(a_size_that_is_absurd_still_makes_progress_or_is_refused),
        cmocka_unit_test(who_sends_fragments_and_how_large),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
