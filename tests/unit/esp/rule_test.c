/* Which SA or policy an outbound packet gets. */
#include "harness.h"

static struct esp_db *empty_db(void)
{
    struct esp_db *db = esp_db_new(1);
    assert_non_null(db);
    esp_thread_begin(db);
    return db;
}

/* A policy between two networks; from and to are both ends of their ranges. */
static void set(struct esp_db *db, uint32_t id, enum child_mode mode, uint32_t priority,
                struct selector local, struct selector remote)
{
    struct esp_policy p = {.id = id,
                           .mode = mode,
                           .local_ts = {&local, 1},
                           .remote_ts = {&remote, 1},
                           .priority = priority};
    assert_true(esp_policy_set(db, &p));
}

static void trap(struct esp_db *db, uint32_t id, struct selector local, struct selector remote)
{
    struct esp_policy p = {.id = id,
                           .mode = MODE_TUNNEL,
                           .is_trap = true,
                           .local_ts = {&local, 1},
                           .remote_ts = {&remote, 1}};
    assert_true(esp_policy_set(db, &p));
}

static void add(struct esp_db *db, uint32_t spi, uint32_t child_id, bool is_used,
                struct selector local, struct selector remote)
{
    struct net net = {{local, local}, {remote, remote}};
    struct sa_spec spec = spec_of(&gcm, &net);
    spec.spi = spi;
    spec.child_id = child_id;
    spec.is_initial_out = is_used;
    struct finding why;
    assert_true(esp_sa_add(db, &spec, &why));
}

static struct esp_packet sent(struct esp_db *db, const char *from, const char *to)
{
    static uint8_t heap[ESP_HEADROOM + 400];
    struct esp_packet p = {.data = heap + ESP_HEADROOM, .len = 60, .capacity = 300};
    struct esp_notices n;
    udp_packet(p.data, 60, from, to);
    esp_seal(db, 0, &p, 1, 0, &n);
    return p;
}

#define LEFT range("10.1.0.0", "10.1.255.255")
#define RIGHT range("10.2.0.0", "10.2.255.255")
#define RIGHT_PART range("10.2.3.0", "10.2.3.255")
#define ALL range("0.0.0.0", "255.255.255.255")

static void a_packet_without_policy_is_dropped(void **state)
{
    (void)state;
    struct esp_db *db = empty_db();
    struct esp_packet p = sent(db, "10.1.0.1", "10.2.0.1");
    assert_verdict(p, ESP_DROP, ESP_NO_POLICY);
    uint64_t drops[ESP_DROP_COUNT];
    esp_db_stats(db, drops);
    assert_int_equal(drops[ESP_NO_POLICY], 1);
    db_done(db);
}

static void outbound_packets_must_fit_both_selectors(void **state)
{
    (void)state;
    struct esp_db *db = empty_db();
    add(db, SPI, 1, true, LEFT, RIGHT);
    assert_int_equal(sent(db, "10.1.0.1", "10.2.0.1").verdict, ESP_SEND);
    assert_int_equal(sent(db, "10.3.0.1", "10.2.0.1").verdict, ESP_DROP);
    assert_int_equal(sent(db, "10.1.0.1", "10.3.0.1").verdict, ESP_DROP);
    assert_int_equal(sent(db, "10.2.0.1", "10.1.0.1").verdict, ESP_DROP);
    assert_int_equal(sent(db, "fd01::1", "fd02::1").verdict, ESP_DROP);
    db_done(db);
}

static void policies_pass_drop_and_acquire(void **state)
{
    (void)state;
    struct esp_db *db = empty_db();
    set(db, 1, MODE_PASS, 0, LEFT, range("10.5.0.0", "10.5.0.255"));
    set(db, 2, MODE_DROP, 0, LEFT, range("10.6.0.0", "10.6.0.255"));
    trap(db, 3, LEFT, RIGHT);
    set(db, 4, MODE_TUNNEL, 0, LEFT, range("10.7.0.0", "10.7.0.255"));
    struct esp_packet p = sent(db, "10.1.0.1", "10.5.0.1");
    assert_int_equal(p.verdict, ESP_PASS);
    assert_int_equal(p.policy_id, 1);
    assert_int_equal(p.len, 60);
    p = sent(db, "10.1.0.1", "10.6.0.1");
    assert_verdict(p, ESP_DROP, ESP_BLOCKED);
    assert_int_equal(p.policy_id, 2);
    p = sent(db, "10.1.0.1", "10.2.0.1");
    assert_verdict(p, ESP_ACQUIRE, ESP_NO_SA);
    assert_int_equal(p.policy_id, 3);
    p = sent(db, "10.1.0.1", "10.7.0.1"); /* a child's policy between two SAs */
    assert_verdict(p, ESP_DROP, ESP_NO_SA);
    esp_policy_remove(db, 1);
    assert_int_equal(sent(db, "10.1.0.1", "10.5.0.1").verdict, ESP_DROP);
    db_done(db);
}

static void the_same_key_replaces_a_policy(void **state)
{
    (void)state;
    struct esp_db *db = empty_db();
    set(db, 1, MODE_PASS, 0, LEFT, RIGHT);
    set(db, 1, MODE_PASS, 0, LEFT, range("10.5.0.0", "10.5.0.255"));
    assert_int_equal(sent(db, "10.1.0.1", "10.2.0.1").verdict, ESP_DROP);
    assert_int_equal(sent(db, "10.1.0.1", "10.5.0.1").verdict, ESP_PASS);
    db_done(db);
}

static void the_more_exact_of_two_tunnels_wins(void **state)
{
    (void)state;
    struct esp_db *db = empty_db();
    add(db, SPI + 1, 1, true, LEFT, RIGHT);
    add(db, SPI + 2, 2, true, LEFT, RIGHT_PART);
    add(db, SPI + 3, 3, true, LEFT, ALL);
    assert_int_equal(sent(db, "10.1.0.1", "10.2.3.1").policy_id, 2);
    assert_int_equal(sent(db, "10.1.0.1", "10.2.4.1").policy_id, 1);
    assert_int_equal(sent(db, "10.1.0.1", "8.8.8.8").policy_id, 3);
    db_done(db);
}

static void a_bypass_comes_before_and_a_block_behind_all_tunnels(void **state)
{
    (void)state;
    struct esp_db *db = empty_db();
    add(db, SPI, 1, true, LEFT, RIGHT_PART);
    set(db, 2, MODE_DROP, 0, ALL, ALL);
    set(db, 3, MODE_DROP, 0, LEFT, range("10.2.3.4", "10.2.3.4"));
    assert_int_equal(sent(db, "10.1.0.1", "10.2.3.4").policy_id, 1);
    assert_int_equal(sent(db, "10.1.0.1", "10.2.4.4").policy_id, 2);
    set(db, 4, MODE_PASS, 0, ALL, ALL);
    assert_int_equal(sent(db, "10.1.0.1", "10.2.3.4").verdict, ESP_PASS);
    set(db, 3, MODE_DROP, 7, LEFT, range("10.2.3.4", "10.2.3.4")); /* a priority of its own */
    assert_int_equal(sent(db, "10.1.0.1", "10.2.3.4").verdict, ESP_DROP);
    db_done(db);
}

static void an_sa_beats_the_policy_that_waits_for_one(void **state)
{
    (void)state;
    struct esp_db *db = empty_db();
    set(db, 1, MODE_TUNNEL, 0, LEFT, RIGHT);
    add(db, SPI, 9, true, LEFT, RIGHT);
    assert_int_equal(sent(db, "10.1.0.1", "10.2.3.1").policy_id, 9);
    set(db, 2, MODE_TUNNEL, 0, LEFT, RIGHT); /* the same for a second time, set later */
    assert_int_equal(sent(db, "10.1.0.1", "10.2.3.1").policy_id, 9);
    trap(db, 3, LEFT, RIGHT);
    assert_int_equal(sent(db, "10.1.0.1", "10.2.3.1").policy_id, 9);
    esp_sa_remove(db, SPI, 9, false);
    struct esp_packet p = sent(db, "10.1.0.1", "10.2.3.1"); /* a trap before who only drops */
    assert_verdict(p, ESP_ACQUIRE, ESP_NO_SA);
    assert_int_equal(p.policy_id, 3);
    esp_policy_remove(db, 3);
    assert_verdict(sent(db, "10.1.0.1", "10.2.3.1"), ESP_DROP, ESP_NO_SA);
    db_done(db);
}

static void an_sa_takes_the_priority_of_its_childs_policy(void **state)
{
    (void)state;
    struct esp_db *db = empty_db();
    set(db, 5, MODE_PASS, 1000, LEFT, RIGHT);
    set(db, 1, MODE_TUNNEL, 10, LEFT, RIGHT);
    add(db, SPI, 1, true, LEFT, RIGHT);
    assert_int_equal(sent(db, "10.1.0.1", "10.2.3.1").verdict, ESP_SEND);
    set(db, 1, MODE_TUNNEL, 2000, LEFT, RIGHT); /* while the SA is in use */
    assert_int_equal(sent(db, "10.1.0.1", "10.2.3.1").verdict, ESP_PASS);
    set(db, 1, MODE_TUNNEL, 10, LEFT, RIGHT);
    assert_int_equal(sent(db, "10.1.0.1", "10.2.3.1").verdict, ESP_SEND);
    db_done(db);
}

static void a_rekeyed_sa_carries_traffic_when_it_is_used(void **state)
{
    (void)state;
    struct esp_db *db = empty_db();
    add(db, SPI + 1, 1, true, LEFT, RIGHT);
    add(db, SPI + 2, 2, false, LEFT, RIGHT);
    assert_int_equal(sent(db, "10.1.0.1", "10.2.3.1").spi, SPI + 1);
    esp_sa_use(db, SPI + 2, 2);
    assert_int_equal(sent(db, "10.1.0.1", "10.2.3.1").spi, SPI + 2);
    esp_sa_remove(db, SPI + 1, 1, false);
    assert_int_equal(sent(db, "10.1.0.1", "10.2.3.1").spi, SPI + 2);
    esp_sa_remove(db, SPI + 2, 2, false);
    assert_int_equal(sent(db, "10.1.0.1", "10.2.3.1").verdict, ESP_DROP);
    db_done(db);
}

static void the_newer_sa_goes_and_the_older_serves_again(void **state)
{
    (void)state;
    struct esp_db *db = empty_db();
    add(db, SPI + 1, 1, true, LEFT, RIGHT);
    add(db, SPI + 2, 2, true, LEFT, RIGHT);
    esp_sa_remove(db, SPI + 2, 2, false); /* lost a race of two rekeyings */
    assert_int_equal(sent(db, "10.1.0.1", "10.2.3.1").spi, SPI + 1);
    db_done(db);
}

static void flows_of_many_addresses_find_their_own_sa(void **state)
{
    (void)state;
    struct esp_db *db = empty_db();
    for (unsigned i = 0; i < 200; i++) {
        char host[16];
        snprintf(host, sizeof host, "10.2.3.%u", i);
        add(db, SPI + i, i + 1, true, LEFT, range(host, host));
    }
    for (unsigned round = 0; round < 3; round++) {
        for (unsigned i = 0; i < 200; i++) {
            for (unsigned k = 0; k < 20; k++) {
                char from[16], to[16];
                snprintf(from, sizeof from, "10.1.0.%u", k);
                snprintf(to, sizeof to, "10.2.3.%u", i);
                struct esp_packet p = sent(db, from, to);
                assert_int_equal(p.verdict, round < 2 || i % 2 == 0 ? ESP_SEND : ESP_DROP);
                if (p.verdict == ESP_SEND)
                    assert_int_equal(p.spi, SPI + i);
            }
        }
        for (unsigned i = 1; round == 1 && i < 200; i += 2)
            esp_sa_remove(db, SPI + i, i + 1, false);
    }
    db_done(db);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_packet_without_policy_is_dropped),
        cmocka_unit_test(outbound_packets_must_fit_both_selectors),
        cmocka_unit_test(policies_pass_drop_and_acquire),
        cmocka_unit_test(the_same_key_replaces_a_policy),
        cmocka_unit_test(the_more_exact_of_two_tunnels_wins),
        cmocka_unit_test(a_bypass_comes_before_and_a_block_behind_all_tunnels),
        cmocka_unit_test(an_sa_beats_the_policy_that_waits_for_one),
        cmocka_unit_test(an_sa_takes_the_priority_of_its_childs_policy),
        cmocka_unit_test(a_rekeyed_sa_carries_traffic_when_it_is_used),
        cmocka_unit_test(the_newer_sa_goes_and_the_older_serves_again),
        cmocka_unit_test(flows_of_many_addresses_find_their_own_sa),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
