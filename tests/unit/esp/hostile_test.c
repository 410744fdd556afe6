/* Whatever arrives: no crash, no packet let through, a counter that says why. */
#include "harness.h"

static size_t sealed_packet(struct esp_db *db, uint8_t *out, size_t len, const char *from,
                            const char *to)
{
    struct buffer b = buffer_new();
    uint8_t at[2000];
    assert_int_equal(seal_one(db, &b, udp_packet(at, len, from, to)), ESP_SEND);
    memcpy(out, b.p.data, b.p.len);
    size_t sealed = b.p.len;
    free(b.at);
    return sealed;
}

/* Exactly as many octets as there are, on the heap. */
static struct esp_packet open_exact(struct esp_db *db, const uint8_t *at, size_t len)
{
    uint8_t *heap = malloc(len == 0 ? 1 : len);
    assert_non_null(heap);
    if (len > 0)
        memcpy(heap, at, len);
    struct esp_packet p = {.data = heap, .len = (uint32_t)len, .capacity = (uint32_t)len};
    struct esp_notices n;
    esp_open(db, 0, &p, 1, 0, &n);
    free(heap);
    return p;
}

static void every_truncation_of_a_sealed_packet_is_dropped(void **state)
{
    (void)state;
    struct net net = usual_net();
    for (size_t i = 0; i < SUITES; i++) {
        for (int esn = 0; esn < 2; esn++) {
            struct sa_spec spec = spec_of(&suites[i], &net);
            spec.esn = esn != 0;
            struct esp_db *db = db_with(&spec);
            uint8_t at[300];
            size_t len = sealed_packet(db, at, 100, "10.1.0.1", "10.2.0.1");
            for (size_t cut = 0; cut < len; cut++) {
                struct esp_packet p = open_exact(db, at, cut);
                assert_int_equal(p.verdict, ESP_DROP);
                assert_true(p.why == ESP_TOO_SHORT || p.why == ESP_BAD_ICV);
                if (cut < 8 + spec.encr->iv_len + crypto_icv_len(spec.encr, spec.integ) + 2)
                    assert_int_equal(p.why, ESP_TOO_SHORT);
            }
            struct esp_packet whole = open_exact(db, at, len);
            assert_verdict(whole, ESP_SEND, ESP_OK); /* the cut ones took nothing away */
            struct esp_stats s;
            assert_true(esp_sa_stats(db, SPI, CHILD_IN, true, &s));
            uint64_t drops[ESP_DROP_COUNT];
            esp_db_stats(db, drops);
            assert_int_equal(
                drops[ESP_TOO_SHORT] + s.dropped[ESP_TOO_SHORT] + s.dropped[ESP_BAD_ICV], len);
            db_done(db);
        }
    }
}

static void no_mutation_of_a_sealed_packet_gets_through(void **state)
{
    (void)state;
    enum { ROUNDS = 10000 };
    const uint8_t seed[RNG_SEED_SIZE] = {42};
    struct rng *rng = rng_new(seed);
    struct net net = usual_net();
    for (size_t i = 0; i < SUITES; i++) {
        struct sa_spec spec = spec_of(&suites[i], &net);
        spec.esn = i % 2 == 0;
        struct esp_db *db = db_with(&spec);
        uint8_t good[300], at[300];
        size_t len = sealed_packet(db, good, 100, "fd01::1", "fd02::1");
        uint64_t drops = 0;
        for (unsigned n = 0; n < ROUNDS / SUITES + 1; n++) {
            memcpy(at, good, len);
            size_t cut = rng_below(rng, 4) == 0 ? (size_t)rng_below(rng, len) + 1 : len;
            size_t changes = 1 + (size_t)rng_below(rng, 4);
            for (size_t k = 0; k < changes; k++)
                at[rng_below(rng, cut)] ^= (uint8_t)(1 + rng_below(rng, 255));
            if (cut == len && memcmp(at, good, len) == 0)
                continue;
            struct esp_packet p = open_exact(db, at, cut);
            assert_int_equal(p.verdict, ESP_DROP);
            assert_true(p.why == ESP_TOO_SHORT || p.why == ESP_BAD_ICV ||
                        p.why == ESP_UNKNOWN_SPI || p.why == ESP_REPLAYED);
            drops++;
        }
        struct esp_stats s;
        uint64_t counted = 0, stray[ESP_DROP_COUNT];
        assert_true(esp_sa_stats(db, SPI, CHILD_IN, true, &s));
        esp_db_stats(db, stray);
        for (size_t k = 0; k < ESP_DROP_COUNT; k++)
            counted += s.dropped[k] + stray[k];
        assert_int_equal(counted, drops);
        assert_int_equal(s.packets, 0);
        struct esp_packet whole = open_exact(db, good, len);
        assert_verdict(whole, ESP_SEND, ESP_OK);
        db_done(db);
    }
    rng_free(rng);
}

static void any_octets_from_inside_are_survived(void **state)
{
    (void)state;
    const uint8_t seed[RNG_SEED_SIZE] = {43};
    struct rng *rng = rng_new(seed);
    struct net net = usual_net();
    struct sa_spec spec = spec_of(&gcm, &net);
    struct esp_db *db = db_with(&spec);
    esp_set_pmtu(db, &spec.remote, 200);
    struct buffer b = buffer_new();
    for (unsigned i = 0; i < 10000; i++) {
        uint8_t at[400];
        size_t len = 40 + (size_t)rng_below(rng, sizeof at - 40);
        if (rng_below(rng, 2) == 0)
            udp_packet(at, len, "10.1.0.1", "10.2.0.1");
        else
            udp_packet(at, len, "fd01::1", "fd02::1");
        size_t changes = (size_t)rng_below(rng, 6);
        for (size_t k = 0; k < changes; k++)
            at[rng_below(rng, 44) % len] = (uint8_t)rng_below(rng, 256);
        seal_one(db, &b, span_of(at, (size_t)rng_below(rng, len + 1)));
    }
    free(b.at);
    rng_free(rng);
    db_done(db);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_truncation_of_a_sealed_packet_is_dropped),
        cmocka_unit_test(no_mutation_of_a_sealed_packet_gets_through),
        cmocka_unit_test(any_octets_from_inside_are_survived),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
