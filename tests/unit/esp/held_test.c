/* Packets that wait at a trap, and how they ask for an SA. */
#include "harness.h"

static struct span packet(size_t len, uint8_t mark)
{
    static uint8_t octets[HELD_BYTES_MAX + 2];
    memset(octets, mark, sizeof octets);
    return span_of(octets, len);
}

static void packets_of_one_policy_come_back_in_their_order(void **state)
{
    (void)state;
    struct esp_held *h = esp_held_new();
    for (uint8_t i = 0; i < 5; i++)
        assert_true(esp_held_keep(h, 0x80000001u + i % 2, packet(100u + i, i)));
    assert_int_equal(esp_held_count(h), 5);
    struct esp_held_packet *p = esp_held_take_all(h);
    uint8_t seen = 0, last[2] = {0, 0};
    while (p != NULL) {
        struct esp_held_packet *next = p->next;
        size_t which = p->policy_id - 0x80000001u;
        assert_int_equal(p->len, 100 + p->octets[0]);
        assert_int_equal(p->octets[0] % 2, which);
        assert_true(last[which] == 0 || p->octets[0] > last[which] - 1);
        last[which] = (uint8_t)(p->octets[0] + 1);
        free(p);
        p = next;
        seen++;
    }
    assert_int_equal(seen, 5);
    assert_int_equal(esp_held_count(h), 0);
    assert_null(esp_held_take_all(h));
    assert_int_equal(esp_held_lost(h), 0);
    esp_held_free(h);
}

static void the_oldest_goes_when_a_policy_has_too_many(void **state)
{
    (void)state;
    struct esp_held *h = esp_held_new();
    for (uint8_t i = 0; i < HELD_PACKETS_MAX + 3; i++)
        assert_true(esp_held_keep(h, 1, packet(60, i)));
    assert_int_equal(esp_held_count(h), HELD_PACKETS_MAX);
    assert_int_equal(esp_held_lost(h), 3);
    struct esp_held_packet *p = esp_held_take_all(h);
    assert_int_equal(p->octets[0], 3);
    for (uint8_t i = 3; p != NULL; i++) {
        struct esp_held_packet *next = p->next;
        assert_int_equal(p->octets[0], i);
        free(p);
        p = next;
    }
    esp_held_free(h);
}

static void the_oldest_go_when_a_policy_has_too_many_octets(void **state)
{
    (void)state;
    struct esp_held *h = esp_held_new();
    assert_true(esp_held_keep(h, 1, packet(30000, 1)));
    assert_true(esp_held_keep(h, 1, packet(30000, 2)));
    assert_true(esp_held_keep(h, 2, packet(30000, 3)));
    assert_true(esp_held_keep(h, 1, packet(40000, 4)));
    assert_int_equal(esp_held_count(h), 2);
    assert_int_equal(esp_held_lost(h), 2);
    assert_true(esp_held_keep(h, 1, packet(HELD_BYTES_MAX, 5)));
    assert_false(esp_held_keep(h, 1, packet(HELD_BYTES_MAX + 1, 6)));
    assert_int_equal(esp_held_count(h), 2);
    assert_int_equal(esp_held_lost(h), 4);
    esp_held_free(h);
}

static void packets_without_hope_are_counted_and_forgotten(void **state)
{
    (void)state;
    struct esp_held *h = esp_held_new();
    for (uint8_t i = 0; i < 4; i++)
        assert_true(esp_held_keep(h, i < 3 ? 1 : 2, packet(100, i)));
    struct esp_held_drop dropped = esp_held_drop(h, 1);
    assert_int_equal(dropped.packets, 3);
    assert_int_equal(dropped.bytes, 300);
    assert_int_equal(esp_held_count(h), 1);
    assert_int_equal(esp_held_drop(h, 1).packets, 0);
    assert_int_equal(esp_held_lost(h), 3);
    esp_held_free(h);
}

static void no_more_policies_than_the_bound_have_packets_waiting(void **state)
{
    (void)state;
    struct esp_held *h = esp_held_new();
    for (uint32_t i = 0; i < HELD_POLICIES_MAX; i++)
        assert_true(esp_held_keep(h, i, packet(60, 0)));
    assert_false(esp_held_keep(h, HELD_POLICIES_MAX, packet(60, 0)));
    assert_true(esp_held_keep(h, 5, packet(60, 0)));
    assert_int_equal(esp_held_drop(h, 5).packets, 2);
    assert_true(esp_held_keep(h, HELD_POLICIES_MAX, packet(60, 0)));
    esp_held_free(h);
}

/* ---- asking ---- */

static struct esp_packet send_udp(struct esp_db *db, uint8_t *heap, const char *to, int64_t now_ms,
                                  struct esp_notices *n)
{
    struct esp_packet p = {.data = heap + ESP_HEADROOM, .len = 60, .capacity = 300};
    udp_packet(p.data, 60, "10.1.0.1", to);
    esp_seal(db, 0, &p, 1, now_ms, n);
    return p;
}

static void the_first_packet_at_a_trap_asks_with_its_own_ends(void **state)
{
    (void)state;
    struct esp_db *db = esp_db_new(1);
    esp_thread_begin(db);
    struct selector left = range("10.1.0.0", "10.1.255.255"),
                    right = range("10.2.0.0", "10.2.255.255");
    struct esp_policy trap = {.id = 0x80000005u,
                              .mode = MODE_TUNNEL,
                              .is_trap = true,
                              .local_ts = {&left, 1},
                              .remote_ts = {&right, 1}};
    assert_true(esp_policy_set(db, &trap));
    static uint8_t heap[ESP_HEADROOM + 400];
    struct esp_notices n;
    struct esp_packet p = send_udp(db, heap, "10.2.3.4", 1000, &n);
    assert_verdict(p, ESP_ACQUIRE, ESP_NO_SA);
    assert_int_equal(p.policy_id, 0x80000005u);
    assert_int_equal(n.count, 1);
    assert_int_equal(n.at[0].kind, 6);
    assert_int_equal(n.at[0].child_id, 0x80000005u);
    assert_true(n.at[0].pair.is_set);
    struct arena a;
    assert_true(arena_init(&a));
    const struct selector *local = &n.at[0].pair.local, *remote = &n.at[0].pair.remote;
    assert_int_equal(local->protocol, 17);
    assert_int_equal(local->port_from, local->port_to);
    assert_memory_equal(local->from, "\x0a\x01\x00\x01", 4);
    assert_memory_equal(local->to, "\x0a\x01\x00\x01", 4);
    assert_memory_equal(remote->from, "\x0a\x02\x03\x04", 4);
    arena_clear(&a);
    /* Others of the next moments wait with it; then it is asked again. */
    p = send_udp(db, heap, "10.2.3.5", 1100, &n);
    assert_verdict(p, ESP_ACQUIRE, ESP_NO_SA);
    assert_int_equal(n.count, 0);
    p = send_udp(db, heap, "10.2.3.5", 1300, &n);
    assert_verdict(p, ESP_ACQUIRE, ESP_NO_SA);
    assert_int_equal(n.count, 1);
    uint64_t before = esp_generation(db);
    esp_policy_remove(db, 0x80000005u);
    assert_true(esp_generation(db) != before);
    p = send_udp(db, heap, "10.2.3.5", 2000, &n);
    assert_verdict(p, ESP_DROP, ESP_NO_POLICY);
    esp_thread_end(db);
    esp_db_free(db);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(packets_of_one_policy_come_back_in_their_order),
        cmocka_unit_test(the_oldest_goes_when_a_policy_has_too_many),
        cmocka_unit_test(the_oldest_go_when_a_policy_has_too_many_octets),
        cmocka_unit_test(packets_without_hope_are_counted_and_forgotten),
        cmocka_unit_test(no_more_policies_than_the_bound_have_packets_waiting),
        cmocka_unit_test(the_first_packet_at_a_trap_asks_with_its_own_ends),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
