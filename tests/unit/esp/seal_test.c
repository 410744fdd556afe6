/* Inner packets → ESP, and back where only both ends show that it is right. */
#include "harness.h"

static uint32_t number_at(const uint8_t *at)
{
    return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

static void what_is_sealed_opens_again(void **state)
{
    (void)state;
    struct net net = usual_net();
    for (size_t i = 0; i < SUITES; i++) {
        for (int esn = 0; esn < 2; esn++) {
            struct sa_spec spec = spec_of(&suites[i], &net);
            spec.esn = esn != 0;
            struct esp_db *db = db_with(&spec);
            struct buffer b = buffer_new();
            uint8_t at[1500], sealed[1700];
            for (size_t len = 44; len < 1500; len += len < 80 ? 1 : 97) {
                for (int v6 = 0; v6 < 2; v6++) {
                    struct span inner = v6 != 0 ? udp_packet(at, len, "fd01::1", "fd02::1")
                                                : udp_packet(at, len, "10.1.0.1", "10.2.0.1");
                    assert_int_equal(seal_one(db, &b, inner), ESP_SEND);
                    assert_int_equal(number_at(b.p.data), SPI);
                    assert_int_equal(b.p.spi, SPI);
                    assert_int_equal(b.p.policy_id, CHILD_OUT);
                    assert_true(b.p.len > len && b.p.len % 4 == 0 && b.p.len < sizeof sealed);
                    struct span esp = span_of(sealed, b.p.len);
                    memcpy(sealed, b.p.data, b.p.len);
                    assert_int_equal(open_one(db, &b, esp), ESP_SEND);
                    assert_int_equal(b.p.len, len);
                    assert_memory_equal(b.p.data, at, len);
                    assert_int_equal(b.p.policy_id, CHILD_IN);
                    assert_int_equal(open_one(db, &b, esp), ESP_DROP);
                    assert_int_equal(b.p.why, ESP_REPLAYED);
                }
            }
            free(b.at);
            db_done(db);
        }
    }
}

static void the_outer_ends_are_those_of_the_sa(void **state)
{
    (void)state;
    struct net net = usual_net();
    struct sa_spec spec = spec_of(&gcm, &net);
    spec.in_udp = true;
    spec.local.port = spec.remote.port = 4500;
    struct esp_db *db = db_with(&spec);
    struct buffer b = buffer_new();
    uint8_t at[100];
    struct span inner = udp_packet(at, 100, "10.1.0.1", "10.2.0.1");
    assert_int_equal(seal_one(db, &b, inner), ESP_SEND);
    assert_true(address_equal(&b.p.local, &spec.local));
    assert_true(address_equal(&b.p.remote, &spec.remote));
    assert_true(b.p.in_udp);
    struct address local = addr("2001:db8::1"), remote = addr("2001:db8::2");
    esp_sa_move(db, SPI, CHILD_OUT, false, &local, &remote, false);
    assert_int_equal(seal_one(db, &b, inner), ESP_SEND);
    assert_true(address_equal(&b.p.local, &local));
    assert_true(address_equal(&b.p.remote, &remote));
    assert_false(b.p.in_udp);
    free(b.at);
    db_done(db);
}

static void sequence_numbers_begin_with_one_and_rise(void **state)
{
    (void)state;
    struct net net = usual_net();
    struct sa_spec spec = spec_of(&gcm, &net);
    struct esp_db *db = db_with(&spec);
    struct buffer b[3] = {buffer_new(), buffer_new(), buffer_new()};
    struct esp_packet batch[3];
    struct esp_notices notices;
    uint8_t at[100];
    for (size_t i = 0; i < 3; i++) {
        buffer_set(&b[i], udp_packet(at, 100, "10.1.0.1", i == 1 ? "10.9.0.1" : "10.2.0.1"));
        batch[i] = b[i].p;
    }
    esp_seal(db, 0, batch, 3, 0, &notices);
    assert_verdict(batch[1], ESP_DROP, ESP_NO_POLICY);
    assert_int_equal(number_at(batch[0].data + 4), 1);
    assert_int_equal(number_at(batch[2].data + 4), 2); /* a dropped packet takes no number */
    struct esp_stats stats;
    assert_true(esp_sa_stats(db, SPI, CHILD_OUT, false, &stats));
    assert_int_equal(stats.packets, 2);
    assert_int_equal(stats.bytes, 200);
    assert_int_equal(stats.sequence, 2);
    assert_int_equal(stats.last_use_ms, 0);
    for (size_t i = 0; i < 3; i++)
        free(b[i].at);
    db_done(db);
}

static void ivs_of_cbc_do_not_repeat(void **state)
{
    (void)state;
    struct net net = usual_net();
    struct sa_spec spec = spec_of(&suites[12], &net);
    struct esp_db *db = db_with(&spec);
    struct buffer b = buffer_new();
    uint8_t at[100], ivs[500][16];
    for (size_t i = 0; i < 500; i++) {
        assert_int_equal(seal_one(db, &b, udp_packet(at, 100, "10.1.0.1", "10.2.0.1")), ESP_SEND);
        memcpy(ivs[i], b.p.data + 8, 16);
        for (size_t k = 0; k < i; k++)
            assert_memory_not_equal(ivs[i], ivs[k], 16);
    }
    free(b.at);
    db_done(db);
}

static void a_packet_without_tail_room_is_refused(void **state)
{
    (void)state;
    struct net net = usual_net();
    struct sa_spec spec = spec_of(&gcm, &net);
    struct esp_db *db = db_with(&spec);
    struct esp_notices notices;
    uint8_t at[100];
    udp_packet(at, 100, "10.1.0.1", "10.2.0.1");
    for (size_t tail = 0; tail <= ESP_TAILROOM; tail++) {
        uint8_t *heap = malloc(ESP_HEADROOM + 100 + tail);
        assert_non_null(heap);
        memcpy(heap + ESP_HEADROOM, at, 100);
        struct esp_packet p = {
            .data = heap + ESP_HEADROOM, .len = 100, .capacity = (uint32_t)(100 + tail)};
        esp_seal(db, 0, &p, 1, 0, &notices);
        if (tail < ESP_TAILROOM)
            assert_verdict(p, ESP_DROP, ESP_TOO_BIG);
        else
            assert_verdict(p, ESP_SEND, ESP_OK);
        free(heap);
    }
    db_done(db);
}

static void dscp_and_ecn_are_copied_as_configured(void **state)
{
    (void)state;
    static const struct {
        enum copy_dscp dscp;
        bool ecn;
        uint8_t inner, outer;
    } rows[] = {
        {COPY_DSCP_OUT, true, 0xba, 0xba},  {COPY_DSCP_YES, true, 0xb9, 0xb9},
        {COPY_DSCP_IN, true, 0xbb, 0x03},   {COPY_DSCP_NO, true, 0xba, 0x02},
        {COPY_DSCP_OUT, false, 0xba, 0xb8}, {COPY_DSCP_NO, false, 0xff, 0x00},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct net net = usual_net();
        struct sa_spec spec = spec_of(&gcm, &net);
        spec.copy_dscp = rows[i].dscp;
        spec.copy_ecn = rows[i].ecn;
        struct esp_db *db = db_with(&spec);
        struct buffer b = buffer_new();
        uint8_t at[100];
        udp_packet(at, 100, "10.1.0.1", "10.2.0.1");
        at[1] = rows[i].inner;
        mend_ipv4(at);
        assert_int_equal(seal_one(db, &b, span_of(at, 100)), ESP_SEND);
        assert_int_equal(b.p.outer_tos, rows[i].outer);
        free(b.at);
        db_done(db);
    }
}

/* ---- limits ---- */

static void soft_and_hard_lifetimes_in_packets_are_told_once(void **state)
{
    (void)state;
    struct net net = usual_net();
    struct sa_spec spec = spec_of(&gcm, &net);
    spec.soft_packets = 3;
    spec.hard_packets = 5;
    struct esp_db *db = db_with(&spec);
    struct buffer b = buffer_new();
    uint8_t at[100];
    struct esp_notices n;
    for (int i = 1; i <= 8; i++) {
        buffer_set(&b, udp_packet(at, 100, "10.1.0.1", "10.2.0.1"));
        esp_seal(db, 0, &b.p, 1, 0, &n);
        assert_int_equal(told(&n, 0) != NULL, i == 3);
        assert_int_equal(told(&n, 1) != NULL, i == 6);
        if (i <= 5)
            assert_verdict(b.p, ESP_SEND, ESP_OK);
        else
            assert_verdict(b.p, ESP_DROP, ESP_LIFETIME);
        if (i == 6) {
            assert_int_equal(n.at[0].spi, SPI);
            assert_int_equal(n.at[0].child_id, CHILD_OUT);
        }
    }
    struct esp_stats stats;
    assert_true(esp_sa_stats(db, SPI, CHILD_OUT, false, &stats));
    assert_int_equal(stats.packets, 5);
    assert_int_equal(stats.dropped[ESP_LIFETIME], 3);
    free(b.at);
    db_done(db);
}

static void soft_and_hard_lifetimes_in_bytes_are_told_once(void **state)
{
    (void)state;
    struct net net = usual_net();
    struct sa_spec spec = spec_of(&gcm, &net);
    spec.soft_bytes = 250;
    spec.hard_bytes = 499;
    struct esp_db *db = db_with(&spec);
    struct buffer b = buffer_new();
    uint8_t at[100];
    struct esp_notices n;
    for (int i = 1; i <= 7; i++) {
        buffer_set(&b, udp_packet(at, 100, "10.1.0.1", "10.2.0.1"));
        esp_seal(db, 0, &b.p, 1, 0, &n);
        assert_int_equal(told(&n, 0) != NULL, i == 3);
        assert_int_equal(told(&n, 1) != NULL, i == 5);
        assert_int_equal(b.p.verdict, i <= 4 ? ESP_SEND : ESP_DROP);
    }
    free(b.at);
    db_done(db);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_sealed_opens_again),
        cmocka_unit_test(the_outer_ends_are_those_of_the_sa),
        cmocka_unit_test(sequence_numbers_begin_with_one_and_rise),
        cmocka_unit_test(ivs_of_cbc_do_not_repeat),
        cmocka_unit_test(a_packet_without_tail_room_is_refused),
        cmocka_unit_test(dscp_and_ecn_are_copied_as_configured),
        cmocka_unit_test(soft_and_hard_lifetimes_in_packets_are_told_once),
        cmocka_unit_test(soft_and_hard_lifetimes_in_bytes_are_told_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
