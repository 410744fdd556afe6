/* ESP that comes before its SA is kept for a moment. */
#include "harness.h"

static struct esp_packet packet_of(uint8_t *at, uint32_t len)
{
    return (struct esp_packet){.data = at,
                               .len = len,
                               .capacity = len,
                               .local = addr("192.0.2.1"),
                               .remote = addr("192.0.2.2"),
                               .in_udp = true,
                               .outer_tos = 3};
}

static void what_is_kept_comes_back_as_it_was_in_its_order(void **state)
{
    (void)state;
    struct esp_early *e = esp_early_new();
    uint8_t one[40] = {1}, two[50] = {2}, out[60];
    struct esp_packet p = packet_of(one, sizeof one), q = packet_of(two, sizeof two), back;
    assert_true(esp_early_keep(e, &p, 1000));
    assert_true(esp_early_keep(e, &q, 1001));
    assert_int_equal(esp_early_count(e), 2);
    back = (struct esp_packet){.data = out, .capacity = sizeof out};
    assert_true(esp_early_take(e, &back, 1100));
    assert_int_equal(back.len, 40);
    assert_memory_equal(out, one, 40);
    assert_true(address_equal(&back.remote, &p.remote));
    assert_true(address_equal(&back.local, &p.local));
    assert_true(back.in_udp);
    assert_int_equal(back.outer_tos, 3);
    assert_true(esp_early_take(e, &back, 1100));
    assert_int_equal(back.len, 50);
    assert_false(esp_early_take(e, &back, 1100));
    assert_int_equal(esp_early_count(e), 0);
    esp_early_free(e);
}

static void a_flood_takes_no_place_before_its_time_is_over(void **state)
{
    (void)state;
    struct esp_early *e = esp_early_new();
    uint8_t at[40] = {0}, out[60];
    struct esp_packet p = packet_of(at, sizeof at), back = {.data = out, .capacity = sizeof out};
    for (size_t i = 0; i < EARLY_PACKETS; i++)
        assert_true(esp_early_keep(e, &p, 1000));
    assert_false(esp_early_keep(e, &p, 1000 + EARLY_LIFE_MS - 1));
    assert_int_equal(esp_early_count(e), EARLY_PACKETS);
    assert_true(esp_early_keep(e, &p, 1000 + EARLY_LIFE_MS));
    assert_int_equal(esp_early_count(e), EARLY_PACKETS);
    assert_true(esp_early_take(e, &back, 1000 + EARLY_LIFE_MS)); /* the new one */
    assert_false(esp_early_take(e, &back, 1000 + EARLY_LIFE_MS));
    assert_int_equal(esp_early_count(e), 0);
    esp_early_free(e);
}

static void a_large_packet_is_not_kept(void **state)
{
    (void)state;
    struct esp_early *e = esp_early_new();
    static uint8_t at[EARLY_OCTETS_MAX + 1];
    struct esp_packet p = packet_of(at, sizeof at);
    assert_false(esp_early_keep(e, &p, 0));
    p.len = EARLY_OCTETS_MAX;
    assert_true(esp_early_keep(e, &p, 0));
    p.len = 0;
    assert_false(esp_early_keep(e, &p, 0));
    esp_early_free(e);
}

static void a_packet_that_came_before_its_sa_is_opened_after(void **state)
{
    (void)state;
    struct net net = usual_net();
    struct sa_spec out = spec_of(&gcm, &net), in = mirror(&out);
    struct finding why;
    struct esp_db *db = esp_db_new(1);
    esp_thread_begin(db);
    assert_true(esp_sa_add(db, &out, &why));
    struct buffer b = buffer_new();
    uint8_t at[100];
    udp_packet(at, sizeof at, "10.1.0.1", "10.2.0.1");
    assert_int_equal(seal_one(db, &b, span_of(at, sizeof at)), ESP_SEND);
    struct esp_notices notices = {0};
    struct esp_early *e = esp_early_new();
    b.p.local = in.local;
    b.p.remote = in.remote;
    esp_open(db, 0, &b.p, 1, 5, &notices);
    assert_int_equal(b.p.verdict, ESP_DROP);
    assert_int_equal(b.p.why, ESP_UNKNOWN_SPI);
    assert_true(esp_early_keep(e, &b.p, 5));
    assert_true(esp_sa_add(db, &in, &why));
    struct buffer later = buffer_new();
    assert_true(esp_early_take(e, &later.p, 6));
    notices.count = 0;
    esp_open(db, 0, &later.p, 1, 6, &notices);
    assert_int_equal(later.p.verdict, ESP_SEND);
    assert_int_equal(later.p.len, sizeof at);
    assert_memory_equal(later.p.data, at, sizeof at);
    esp_early_free(e);
    free(later.at);
    free(b.at);
    db_done(db);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_kept_comes_back_as_it_was_in_its_order),
        cmocka_unit_test(a_flood_takes_no_place_before_its_time_is_over),
        cmocka_unit_test(a_large_packet_is_not_kept),
        cmocka_unit_test(a_packet_that_came_before_its_sa_is_opened_after),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
