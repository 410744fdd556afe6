/* "It does not fit", as the inner sender gets it. */
#include "harness.h"

static struct esp_db *narrow_db(uint16_t mtu, bool copy_df)
{
    struct net net = usual_net();
    struct sa_spec spec = spec_of(&gcm, &net);
    spec.copy_df = copy_df;
    struct esp_db *db = db_with(&spec);
    esp_set_pmtu(db, &spec.remote, mtu);
    return db;
}

static void a_big_ipv4_packet_with_df_is_answered(void **state)
{
    (void)state;
    struct esp_db *db = narrow_db(1400, true);
    struct buffer b = buffer_new();
    uint8_t at[1500];
    udp_packet(at, sizeof at, "10.1.0.1", "10.2.0.1");
    at[6] = 0x40;
    mend_ipv4(at);
    assert_int_equal(seal_one(db, &b, span_of(at, sizeof at)), ESP_REPLY);
    const uint8_t *r = b.p.data;
    assert_int_equal(b.p.len, 576);
    assert_int_equal(r[0], 0x45);
    assert_int_equal(r[2] << 8 | r[3], 576);
    assert_int_equal(r[9], 1);
    assert_int_equal(sum16(r, 20, 0), 0xffff);
    assert_memory_equal(r + 12, at + 16, 4); /* from the inner destination */
    assert_memory_equal(r + 16, at + 12, 4);
    assert_int_equal(r[20], 3);
    assert_int_equal(r[21], 4);
    assert_int_equal(sum16(r + 20, 556, 0), 0xffff);
    uint16_t mtu = (uint16_t)(r[26] << 8 | r[27]);
    struct net net = usual_net();
    struct sa_spec spec = spec_of(&gcm, &net);
    assert_int_equal(mtu, esp_inner_mtu(spec.encr, NULL, FAMILY_V4, false, 1400));
    assert_memory_equal(r + 28, at, 548);
    /* what was promised fits, one octet more does not */
    udp_packet(at, mtu, "10.1.0.1", "10.2.0.1");
    at[6] = 0x40;
    assert_int_equal(seal_one(db, &b, span_of(at, mtu)), ESP_SEND);
    assert_true(b.p.len + 20 <= 1400);
    assert_true(b.p.outer_df);
    udp_packet(at, mtu + 1U, "10.1.0.1", "10.2.0.1");
    at[6] = 0x40;
    assert_int_equal(seal_one(db, &b, span_of(at, mtu + 1U)), ESP_REPLY);
    free(b.at);
    db_done(db);
}

static void a_big_ipv6_packet_is_answered(void **state)
{
    (void)state;
    struct esp_db *db = narrow_db(1400, true);
    struct buffer b = buffer_new();
    uint8_t at[1500];
    udp_packet(at, sizeof at, "fd01::1", "fd02::1");
    assert_int_equal(seal_one(db, &b, span_of(at, sizeof at)), ESP_REPLY);
    const uint8_t *r = b.p.data;
    assert_int_equal(b.p.len, 1280);
    assert_int_equal(r[0], 0x60);
    assert_int_equal(r[4] << 8 | r[5], 1240);
    assert_int_equal(r[6], 58);
    assert_memory_equal(r + 8, at + 24, 16);
    assert_memory_equal(r + 24, at + 8, 16);
    assert_int_equal(r[40], 2);
    assert_int_equal(r[41], 0);
    assert_int_equal(sum16(r + 40, 1240, sum16(r + 8, 32, 58 + 1240)), 0xffff);
    assert_true((r[46] << 8 | r[47]) >= 1280);
    assert_memory_equal(r + 48, at, 1232);
    free(b.at);
    db_done(db);
}

static void an_ipv6_packet_of_1280_octets_is_never_refused(void **state)
{
    (void)state;
    struct esp_db *db = narrow_db(1280, true);
    struct buffer b = buffer_new();
    uint8_t at[1281];
    udp_packet(at, 1280, "fd01::1", "fd02::1");
    assert_int_equal(seal_one(db, &b, span_of(at, 1280)), ESP_SEND);
    assert_false(b.p.outer_df); /* it will be fragmented outside */
    udp_packet(at, 1281, "fd01::1", "fd02::1");
    assert_int_equal(seal_one(db, &b, span_of(at, 1281)), ESP_REPLY);
    assert_int_equal(b.p.data[46] << 8 | b.p.data[47], 1280);
    free(b.at);
    db_done(db);
}

static void without_df_the_outer_packet_is_fragmented(void **state)
{
    (void)state;
    struct buffer b = buffer_new();
    uint8_t at[1500];
    struct esp_db *db = narrow_db(1400, true);
    udp_packet(at, sizeof at, "10.1.0.1", "10.2.0.1");
    assert_int_equal(seal_one(db, &b, span_of(at, sizeof at)), ESP_SEND);
    assert_false(b.p.outer_df);
    db_done(db);
    db = narrow_db(1400, false); /* copy_df = no: DF inside does not count */
    at[6] = 0x40;
    assert_int_equal(seal_one(db, &b, span_of(at, sizeof at)), ESP_SEND);
    assert_false(b.p.outer_df);
    db_done(db);
    free(b.at);
}

static void a_forgotten_mtu_no_longer_counts(void **state)
{
    (void)state;
    struct esp_db *db = narrow_db(1400, true);
    struct buffer b = buffer_new();
    uint8_t at[1500];
    udp_packet(at, sizeof at, "fd01::1", "fd02::1");
    struct address remote = addr("192.0.2.2");
    remote.port = 4500; /* ports do not matter */
    esp_set_pmtu(db, &remote, 0);
    assert_int_equal(seal_one(db, &b, span_of(at, sizeof at)), ESP_SEND);
    free(b.at);
    db_done(db);
}

static void an_mtu_is_forgotten_ten_minutes_after_its_first_use(void **state)
{
    (void)state;
    struct esp_db *db = narrow_db(1400, true);
    struct buffer b = buffer_new();
    struct esp_notices notices;
    static const struct {
        int64_t now_ms;
        enum esp_verdict verdict;
    } rows[] = {{5000, ESP_REPLY}, {605000, ESP_REPLY}, {605001, ESP_SEND}, {605002, ESP_SEND}};
    uint8_t at[1500];
    udp_packet(at, sizeof at, "fd01::1", "fd02::1");
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        buffer_set(&b, span_of(at, sizeof at));
        esp_seal(db, 0, &b.p, 1, rows[i].now_ms, &notices);
        assert_int_equal(b.p.verdict, rows[i].verdict);
    }
    struct address remote = addr("192.0.2.2");
    esp_set_pmtu(db, &remote, 1400);
    buffer_set(&b, span_of(at, sizeof at));
    esp_seal(db, 0, &b.p, 1, 700000, &notices);
    assert_int_equal(b.p.verdict, ESP_REPLY);
    free(b.at);
    db_done(db);
}

static void an_mtu_is_known_to_later_sas_of_the_same_host(void **state)
{
    (void)state;
    struct net net = usual_net();
    struct sa_spec spec = spec_of(&gcm, &net);
    struct esp_db *db = esp_db_new(1);
    esp_thread_begin(db);
    struct address other = addr("198.51.100.1");
    esp_set_pmtu(db, &spec.remote, 1400);
    struct finding why;
    assert_true(esp_sa_add(db, &spec, &why));
    struct buffer b = buffer_new();
    uint8_t at[1500];
    udp_packet(at, sizeof at, "fd01::1", "fd02::1");
    assert_int_equal(seal_one(db, &b, span_of(at, sizeof at)), ESP_REPLY);
    esp_sa_move(db, SPI, CHILD_OUT, false, &spec.local, &other, false); /* another path */
    assert_int_equal(seal_one(db, &b, span_of(at, sizeof at)), ESP_SEND);
    free(b.at);
    db_done(db);
}

/* RFC 1122 3.2.2, RFC 4443 2.4 (e). */
static void some_packets_must_not_be_answered(void **state)
{
    (void)state;
    struct net net = usual_net();
    net.local[0] = net.remote[0] = range("0.0.0.0", "255.255.255.255");
    net.local[1] = net.remote[1] = range("::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff");
    struct sa_spec spec = spec_of(&gcm, &net);
    struct esp_db *db = db_with(&spec);
    esp_set_pmtu(db, &spec.remote, 1000);
    struct buffer b = buffer_new();
    static const struct {
        const char *from, *to;
        uint8_t protocol, type, fragment;
    } rows[] = {
        {"10.1.0.1", "224.0.0.1", 17, 0, 0}, {"0.0.0.0", "10.2.0.1", 17, 0, 0},
        {"127.0.0.1", "10.2.0.1", 17, 0, 0}, {"10.1.0.1", "255.255.255.255", 17, 0, 0},
        {"10.1.0.1", "10.2.0.1", 17, 0, 1},  {"10.1.0.1", "10.2.0.1", 1, 3, 0},
        {"10.1.0.1", "10.2.0.1", 1, 11, 0},  {"ff02::1", "fd02::1", 17, 0, 0},
        {"::", "fd02::1", 17, 0, 0},         {"fd01::1", "ff05::1", 17, 0, 0},
        {"fd01::1", "fd02::1", 58, 2, 0},    {"fd01::1", "fd02::1", 58, 1, 0},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        uint8_t at[1500];
        udp_packet(at, sizeof at, rows[i].from, rows[i].to);
        bool is_v4 = at[0] >> 4 == 4;
        at[is_v4 ? 9 : 6] = rows[i].protocol;
        at[is_v4 ? 20 : 40] = rows[i].type;
        if (is_v4) {
            at[6] = 0x40;
            at[7] = rows[i].fragment;
        }
        assert_int_equal(seal_one(db, &b, span_of(at, sizeof at)), ESP_DROP);
        assert_int_equal(b.p.why, ESP_TOO_BIG);
    }
    uint8_t at[1500];
    udp_packet(at, sizeof at, "10.1.0.1", "10.2.0.1");
    at[6] = 0x40;
    at[9] = 1;
    at[20] = 8; /* an echo request is answered */
    assert_int_equal(seal_one(db, &b, span_of(at, sizeof at)), ESP_REPLY);
    free(b.at);
    db_done(db);
}

static void the_inner_mtu_is_the_largest_that_fits(void **state)
{
    (void)state;
    struct net net = usual_net();
    for (size_t i = 0; i < SUITES; i++) {
        struct sa_spec spec = spec_of(&suites[i], &net);
        struct esp_db *db = db_with(&spec);
        struct buffer b = buffer_new();
        uint8_t at[1600];
        for (uint16_t mtu = 1200; mtu < 1220; mtu++) {
            uint16_t inner = esp_inner_mtu(spec.encr, spec.integ, FAMILY_V4, false, mtu);
            assert_int_equal(seal_one(db, &b, udp_packet(at, inner, "10.1.0.1", "10.2.0.1")),
                             ESP_SEND);
            assert_true(b.p.len + 20 <= mtu);
            assert_int_equal(seal_one(db, &b, udp_packet(at, inner + 1U, "10.1.0.1", "10.2.0.1")),
                             ESP_SEND);
            assert_true(b.p.len + 20 > mtu);
            assert_int_equal(
                esp_inner_mtu(spec.encr, spec.integ, FAMILY_V6, true, (uint16_t)(mtu + 28)), inner);
        }
        for (uint16_t mtu = 0; mtu < 50; mtu++)
            assert_int_equal(esp_inner_mtu(spec.encr, spec.integ, FAMILY_V6, true, mtu), 0);
        free(b.at);
        db_done(db);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_big_ipv4_packet_with_df_is_answered),
        cmocka_unit_test(a_big_ipv6_packet_is_answered),
        cmocka_unit_test(an_ipv6_packet_of_1280_octets_is_never_refused),
        cmocka_unit_test(without_df_the_outer_packet_is_fragmented),
        cmocka_unit_test(a_forgotten_mtu_no_longer_counts),
        cmocka_unit_test(an_mtu_is_forgotten_ten_minutes_after_its_first_use),
        cmocka_unit_test(an_mtu_is_known_to_later_sas_of_the_same_host),
        cmocka_unit_test(some_packets_must_not_be_answered),
        cmocka_unit_test(the_inner_mtu_is_the_largest_that_fits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
