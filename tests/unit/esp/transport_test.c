/* Transport mode both ways, checksums behind NATs, fragments, TFC padding. */
#include "harness.h"

enum { TCP = 6, UDP = 17, ICMPV6 = 58 };

/* The two hosts, and what they may say to each other. */
struct hosts {
    struct selector local[1], remote[1];
};

static struct hosts hosts_of(const char *local, const char *remote)
{
    return (struct hosts){{range(local, local)}, {range(remote, remote)}};
}

static struct sa_spec transport_of(const struct suite_row *row, const struct hosts *h)
{
    struct net unused = usual_net();
    struct sa_spec s = spec_of(row, &unused);
    s.mode = MODE_TRANSPORT;
    s.local_ts = (struct selectors){(struct selector *)(uintptr_t)h->local, 1};
    s.remote_ts = (struct selectors){(struct selector *)(uintptr_t)h->remote, 1};
    return s;
}

static void what_one_host_says_the_other_hears(void **state)
{
    (void)state;
    for (size_t i = 0; i < SUITES; i++) {
        for (int v6 = 0; v6 < 2; v6++) {
            struct hosts h = v6 != 0 ? hosts_of("2001:db8::1", "2001:db8::2")
                                     : hosts_of("192.0.2.1", "192.0.2.2");
            struct sa_spec spec = transport_of(&suites[i], &h);
            struct esp_db *db = db_with(&spec);
            struct buffer b = buffer_new();
            uint8_t at[1500], sealed[1700];
            size_t head = v6 != 0 ? 40 : 20;
            for (size_t len = head + 8; len < 1500; len += len < head + 40 ? 1 : 97) {
                struct span inner = v6 != 0 ? udp_packet(at, len, "2001:db8::1", "2001:db8::2")
                                            : udp_packet(at, len, "192.0.2.1", "192.0.2.2");
                at[v6 != 0 ? 1 : 6] = v6 != 0 ? 0 : 0x40; /* DF, as in the header that is made */
                if (v6 == 0)
                    mend_ipv4(at);
                assert_int_equal(seal_one(db, &b, inner), ESP_SEND);
                assert_true(b.p.len < len - head + 74); /* the IP header is not in it */
                struct span esp = span_of(sealed, b.p.len);
                memcpy(sealed, b.p.data, b.p.len);
                assert_int_equal(open_one(db, &b, esp), ESP_SEND);
                assert_int_equal(b.p.len, len);
                assert_memory_equal(b.p.data, at, len);
                assert_int_equal(b.p.capacity, ROOM + b.at + ESP_HEADROOM - b.p.data);
                assert_int_equal(open_one(db, &b, esp), ESP_DROP);
                assert_int_equal(b.p.why, ESP_REPLAYED);
            }
            free(b.at);
            db_done(db);
        }
    }
}

/* RFC 4303 3.1.1, with a cipher that hides nothing. */
static void what_is_sealed_is_the_payload_with_its_protocol(void **state)
{
    (void)state;
    static const struct suite_row plain = {ENCR_NULL, 0, AUTH_HMAC_SHA2_256_128};
    static const uint8_t expected[] = {
        0,         0,          0x12,      0x34,       0,  0,  0,  1,              /* SPI, number */
        1000 >> 8, 1000 & 255, 2000 >> 8, 2000 & 255, 24, 25, 26, 27, 28, 29, 30, /* UDP */
        1,         2,          3,         3,          17 /* padding, its length, next header */
    };
    struct hosts h = hosts_of("192.0.2.1", "192.0.2.2");
    struct sa_spec spec = transport_of(&plain, &h);
    struct esp_db *db = db_with(&spec);
    struct buffer b = buffer_new();
    uint8_t at[31];
    struct span inner = udp_packet(at, sizeof at, "192.0.2.1", "192.0.2.2");
    at[1] = 0xb9; /* the header's DSCP and ECN are the outer ones, whatever copy_dscp says */
    mend_ipv4(at);
    assert_int_equal(seal_one(db, &b, inner), ESP_SEND);
    assert_int_equal(b.p.len, sizeof expected + 16);
    assert_memory_equal(b.p.data, expected, sizeof expected);
    assert_int_equal(b.p.outer_tos, 0xb9);
    assert_false(b.p.outer_df);
    free(b.at);
    db_done(db);
}

static void options_of_the_header_are_left_out(void **state)
{
    (void)state;
    struct hosts h = hosts_of("192.0.2.1", "192.0.2.2");
    struct sa_spec spec = transport_of(&gcm, &h);
    struct esp_db *db = db_with(&spec);
    struct buffer b = buffer_new();
    uint8_t at[60], sealed[200];
    udp_packet(at, sizeof at, "192.0.2.1", "192.0.2.2");
    at[0] = 0x46; /* one word of options; the ports stand behind it */
    at[20] = 0x94;
    at[21] = 4;
    at[22] = at[23] = 0;
    assert_int_equal(seal_one(db, &b, span_of(at, sizeof at)), ESP_SEND);
    struct span esp = span_of(sealed, b.p.len);
    memcpy(sealed, b.p.data, b.p.len);
    assert_int_equal(open_one(db, &b, esp), ESP_SEND);
    assert_int_equal(b.p.len, sizeof at - 4);
    assert_int_equal(b.p.data[0], 0x45);
    assert_memory_equal(b.p.data + 20, at + 24, sizeof at - 24);
    free(b.at);
    db_done(db);
}

static void fragments_are_not_sealed(void **state)
{
    (void)state;
    struct hosts h = hosts_of("192.0.2.1", "192.0.2.2"),
                 h6 = hosts_of("2001:db8::1", "2001:db8::2");
    struct sa_spec spec = transport_of(&gcm, &h), spec6 = transport_of(&gcm, &h6);
    struct esp_db *db = db_with(&spec), *db6 = db_with(&spec6);
    struct buffer b = buffer_new();
    uint8_t at[100];
    static const uint8_t offsets[][2] = {{0x20, 0}, {0x20, 8}, {0, 8}};
    for (size_t i = 0; i < 3; i++) {
        struct span inner = udp_packet(at, sizeof at, "192.0.2.1", "192.0.2.2");
        memcpy(at + 6, offsets[i], 2);
        seal_one(db, &b, inner);
        assert_verdict(b.p, ESP_DROP, ESP_FRAGMENT);
    }
    for (unsigned m = 0; m < 2; m++) {
        struct span inner = udp_packet(at, sizeof at, "2001:db8::1", "2001:db8::2");
        at[6] = 44;
        memset(at + 40, 0, 8);
        at[40] = UDP;
        at[43] = (uint8_t)m; /* more fragments; 0: an atomic one is whole, RFC 6946 */
        enum esp_verdict v = seal_one(db6, &b, inner);
        assert_int_equal(v, m == 0 ? ESP_SEND : ESP_DROP);
        if (m == 1)
            assert_int_equal(b.p.why, ESP_FRAGMENT);
    }
    free(b.at);
    db_done(db);
    db_done(db6);
}

/* ---- checksums ---- */

static bool checksum_is_good(const uint8_t *packet, size_t len, uint8_t protocol)
{
    bool v4 = packet[0] >> 4 == 4;
    size_t head = v4 ? 20 : 40, addresses = v4 ? 8 : 32;
    uint32_t sum = sum16(packet + head - addresses, addresses, (uint32_t)(len - head) + protocol);
    return sum16(packet + head, len - head, sum) == 0xffff;
}

/* Through a NAT: sealed between its own addresses, opened where others are seen. */
static void try_checksum(uint8_t protocol, size_t offset, bool v6, size_t len, bool is_zero)
{
    struct hosts inside =
        v6 ? hosts_of("fd00::7", "2001:db8::2") : hosts_of("10.0.0.7", "192.0.2.2");
    struct hosts seen =
        v6 ? hosts_of("2001:db8::9", "2001:db8::5") : hosts_of("203.0.113.9", "198.51.100.5");
    struct sa_spec out = transport_of(&gcm, &inside), in = transport_of(&gcm, &seen);
    struct esp_db *db = esp_db_new(1);
    struct finding why;
    out.mends_checksums = in.mends_checksums = true;
    in = mirror(&in);
    assert_non_null(db);
    esp_thread_begin(db);
    assert_true(esp_sa_add(db, &out, &why) && esp_sa_add(db, &in, &why));
    struct buffer b = buffer_new();
    uint8_t at[200], sealed[300];
    struct span inner = v6 ? udp_packet(at, len, "fd00::7", "2001:db8::2")
                           : udp_packet(at, len, "10.0.0.7", "192.0.2.2");
    size_t head = v6 ? 40 : 20, addresses = v6 ? 32 : 8;
    at[v6 ? 6 : 9] = protocol;
    at[head + offset] = at[head + offset + 1] = 0;
    if (!is_zero) {
        uint32_t sum = sum16(at + head - addresses, addresses, (uint32_t)(len - head) + protocol);
        uint16_t good = (uint16_t)~sum16(at + head, len - head, sum);
        at[head + offset] = (uint8_t)(good >> 8);
        at[head + offset + 1] = (uint8_t)good;
        assert_true(checksum_is_good(at, len, protocol));
    }
    assert_int_equal(seal_one(db, &b, inner), ESP_SEND);
    struct span esp = span_of(sealed, b.p.len);
    memcpy(sealed, b.p.data, b.p.len);
    assert_int_equal(open_one(db, &b, esp), ESP_SEND);
    assert_int_equal(b.p.len, len);
    struct address src = addr(v6 ? "2001:db8::9" : "203.0.113.9");
    assert_memory_equal(b.p.data + (v6 ? 8 : 12), src.bytes, v6 ? 16 : 4);
    if (is_zero)
        assert_true(b.p.data[head + offset] == 0 && b.p.data[head + offset + 1] == 0);
    else
        assert_true(checksum_is_good(b.p.data, len, protocol));
    if (!v6)
        assert_int_equal(sum16(b.p.data, 20, 0), 0xffff);
    free(b.at);
    db_done(db);
}

static void checksums_fit_the_addresses_that_a_nat_shows(void **state)
{
    (void)state;
    for (size_t len = 60; len < 200; len += 13) {
        try_checksum(UDP, 6, false, len, false);
        try_checksum(UDP, 6, false, len, true);
        try_checksum(TCP, 16, false, len, false);
        try_checksum(UDP, 6, true, len, false);
        try_checksum(TCP, 16, true, len, false);
        try_checksum(ICMPV6, 2, true, len, false);
    }
}

static void what_is_too_short_for_a_checksum_stays_as_it_is(void **state)
{
    (void)state;
    struct hosts h = hosts_of("192.0.2.1", "192.0.2.2");
    struct sa_spec spec = transport_of(&gcm, &h);
    spec.mends_checksums = true;
    struct esp_db *db = db_with(&spec);
    struct buffer b = buffer_new();
    uint8_t at[60], sealed[200];
    for (size_t len = 20; len < 42; len++) {
        struct span inner = udp_packet(at, len, "192.0.2.1", "192.0.2.2");
        at[6] = 0x40;
        at[9] = len < 28 ? UDP : TCP;
        if (len >= 36)
            memset(at + 20, 0, 20);
        mend_ipv4(at);
        assert_int_equal(seal_one(db, &b, inner), ESP_SEND);
        struct span esp = span_of(sealed, b.p.len);
        memcpy(sealed, b.p.data, b.p.len);
        assert_int_equal(open_one(db, &b, esp), ESP_SEND);
        assert_int_equal(b.p.len, len);
        if (len < 28 || (len >= 28 && len < 38))
            assert_memory_equal(b.p.data, at, len);
    }
    free(b.at);
    db_done(db);
}

/* ---- refusals ---- */

static void selectors_are_held_inside(void **state)
{
    (void)state;
    struct hosts h = hosts_of("192.0.2.1", "192.0.2.2");
    struct sa_spec wide = transport_of(&gcm, &h);
    struct hosts web = h;
    web.local[0].protocol = web.remote[0].protocol = UDP;
    web.remote[0].port_from = web.remote[0].port_to = 53;
    struct sa_spec narrow = transport_of(&gcm, &web), in = mirror(&narrow);
    struct esp_db *db = esp_db_new(1);
    struct finding why;
    assert_non_null(db);
    esp_thread_begin(db);
    assert_true(esp_sa_add(db, &wide, &why) && esp_sa_add(db, &in, &why));
    struct buffer b = buffer_new();
    uint8_t at[60], sealed[200];
    assert_int_equal(seal_one(db, &b, udp_packet(at, sizeof at, "192.0.2.1", "192.0.2.2")),
                     ESP_SEND);
    struct span esp = span_of(sealed, b.p.len);
    memcpy(sealed, b.p.data, b.p.len);
    open_one(db, &b, esp);
    assert_verdict(b.p, ESP_DROP, ESP_WRONG_SELECTOR);
    seal_one(db, &b, udp_packet(at, sizeof at, "192.0.2.1", "192.0.2.3"));
    assert_verdict(b.p, ESP_DROP, ESP_NO_POLICY);
    free(b.at);
    db_done(db);
}

static void networks_are_not_for_transport_mode(void **state)
{
    (void)state;
    struct net net = usual_net();
    struct sa_spec spec = spec_of(&gcm, &net);
    struct esp_db *db = esp_db_new(1);
    struct finding why;
    spec.mode = MODE_TRANSPORT;
    assert_false(esp_sa_add(db, &spec, &why));
    assert_int_equal(why.cause, CAUSE_CHILD_INSTALL_FAILED);
    assert_string_equal(why.expected, "what the userspace data plane serves");
    assert_string_equal(why.seen, "selectors of transport mode that are not one host on each side");
    esp_db_free(db);
}

static void the_path_has_room_for_more_without_the_header(void **state)
{
    (void)state;
    struct hosts h = hosts_of("192.0.2.1", "192.0.2.2");
    struct sa_spec spec = transport_of(&gcm, &h);
    struct esp_db *db = db_with(&spec);
    struct buffer b = buffer_new();
    uint8_t at[1500];
    esp_set_pmtu(db, &spec.remote, 1400);
    struct span inner = udp_packet(at, 1400, "192.0.2.1", "192.0.2.2");
    at[6] = 0x40;
    mend_ipv4(at);
    assert_int_equal(seal_one(db, &b, inner), ESP_REPLY);
    size_t mtu = (size_t)b.p.data[26] << 8 | b.p.data[27];
    assert_int_equal(mtu, esp_inner_mtu(spec.encr, NULL, FAMILY_V4, false, 1400) + 20);
    inner = udp_packet(at, mtu, "192.0.2.1", "192.0.2.2");
    at[6] = 0x40;
    mend_ipv4(at);
    assert_int_equal(seal_one(db, &b, inner), ESP_SEND);
    assert_true(b.p.outer_df && b.p.len + 20 <= 1400);
    free(b.at);
    db_done(db);
}

/* ---- RFC 4303 2.7: TFC padding ---- */

static void padded_packets_are_of_one_size_and_open_as_they_were(void **state)
{
    (void)state;
    struct net net = usual_net();
    for (size_t i = 0; i < SUITES; i++) {
        struct sa_spec spec = spec_of(&suites[i], &net);
        spec.pad_to = 600;
        struct esp_db *db = db_with(&spec);
        struct buffer b = buffer_new();
        uint8_t at[1500], sealed[1700];
        uint32_t size = 0;
        for (size_t len = 44; len < 1500; len += 53) {
            struct span inner = udp_packet(at, len, "10.1.0.1", "10.2.0.1");
            assert_int_equal(seal_one(db, &b, inner), ESP_SEND);
            if (len <= 600)
                assert_true(size == 0 || b.p.len == size);
            size = len <= 600 ? b.p.len : size;
            assert_true(b.p.len >= size);
            struct span esp = span_of(sealed, b.p.len);
            memcpy(sealed, b.p.data, b.p.len);
            assert_int_equal(open_one(db, &b, esp), ESP_SEND);
            assert_int_equal(b.p.len, len);
            assert_memory_equal(b.p.data, at, len);
        }
        free(b.at);
        db_done(db);
    }
}

static void padding_to_the_mtu_fills_the_path_and_no_more(void **state)
{
    (void)state;
    struct net net = usual_net();
    struct sa_spec spec = spec_of(&gcm, &net);
    spec.pad_to = TFC_PADDING_MTU;
    struct esp_db *db = db_with(&spec);
    struct buffer b = buffer_new();
    uint8_t at[100];
    struct span inner = udp_packet(at, sizeof at, "10.1.0.1", "10.2.0.1");
    assert_int_equal(seal_one(db, &b, inner), ESP_SEND);
    assert_in_range(b.p.len + 20, 1497, 1500); /* nothing is known of the path */
    esp_set_pmtu(db, &spec.remote, 1300);
    assert_int_equal(seal_one(db, &b, inner), ESP_SEND);
    assert_in_range(b.p.len + 20, 1297, 1300);
    /* a buffer without room for it is no reason to send nothing */
    struct esp_notices notices;
    buffer_set(&b, inner);
    b.p.capacity = sizeof at + ESP_TAILROOM;
    esp_seal(db, 0, &b.p, 1, 0, &notices);
    assert_int_equal(b.p.verdict, ESP_SEND);
    assert_true(b.p.len < 200);
    free(b.at);
    db_done(db);
}

/* ---- RFC 4301 7.3: fragments behind the first ---- */

static void later_fragments_pass_where_that_was_agreed(void **state)
{
    (void)state;
    for (int agreed = 0; agreed < 2; agreed++) {
        struct net net = usual_net();
        for (size_t i = 0; i < 2; i++) {
            net.remote[i].protocol = net.local[i].protocol = UDP;
            net.remote[i].port_from = net.remote[i].port_to = 2000;
        }
        struct sa_spec spec = spec_of(&gcm, &net);
        spec.takes_fragments = agreed != 0;
        struct esp_db *db = db_with(&spec);
        struct buffer b = buffer_new();
        uint8_t at[100], sealed[200];
        struct span inner = udp_packet(at, sizeof at, "10.1.0.1", "10.2.0.1");
        assert_int_equal(seal_one(db, &b, inner), ESP_SEND);
        at[7] = 9; /* later */
        mend_ipv4(at);
        enum esp_verdict v = seal_one(db, &b, inner);
        assert_int_equal(v, agreed ? ESP_SEND : ESP_DROP);
        if (!agreed) {
            assert_int_equal(b.p.why, ESP_NO_POLICY);
        } else {
            struct span esp = span_of(sealed, b.p.len);
            memcpy(sealed, b.p.data, b.p.len);
            assert_int_equal(open_one(db, &b, esp), ESP_SEND);
            assert_memory_equal(b.p.data, at, sizeof at);
            at[9] = TCP; /* of another protocol */
            mend_ipv4(at);
            seal_one(db, &b, inner);
            assert_verdict(b.p, ESP_DROP, ESP_NO_POLICY);
        }
        free(b.at);
        db_done(db);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_one_host_says_the_other_hears),
        cmocka_unit_test(what_is_sealed_is_the_payload_with_its_protocol),
        cmocka_unit_test(options_of_the_header_are_left_out),
        cmocka_unit_test(fragments_are_not_sealed),
        cmocka_unit_test(checksums_fit_the_addresses_that_a_nat_shows),
        cmocka_unit_test(what_is_too_short_for_a_checksum_stays_as_it_is),
        cmocka_unit_test(selectors_are_held_inside),
        cmocka_unit_test(networks_are_not_for_transport_mode),
        cmocka_unit_test(the_path_has_room_for_more_without_the_header),
        cmocka_unit_test(padded_packets_are_of_one_size_and_open_as_they_were),
        cmocka_unit_test(padding_to_the_mtu_fills_the_path_and_no_more),
        cmocka_unit_test(later_fragments_pass_where_that_was_agreed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
