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

/* ---- fragments ---- */

/* Cuts a datagram as a stack does. Gives the number of pieces. */
static size_t cut(struct span whole, size_t room, uint8_t pieces[][1500], size_t lens[])
{
    bool v6 = whole.at[0] >> 4 == 6;
    size_t head = v6 ? 40 : 20, more = v6 ? 8 : 0, body = whole.len - head, count = 0;
    for (size_t at = 0; at < body; count++) {
        size_t len = body - at < room ? body - at : room;
        bool is_last = at + len == body;
        uint8_t *to = pieces[count];
        memcpy(to, whole.at, head);
        memcpy(to + head + more, whole.at + head + at, len);
        lens[count] = head + more + len;
        if (v6) {
            to[4] = (uint8_t)((len + 8) >> 8);
            to[5] = (uint8_t)(len + 8);
            to[6] = 44;
            memset(to + 40, 0, 8);
            to[40] = whole.at[6];
            to[42] = (uint8_t)(at >> 8);
            to[43] = (uint8_t)(at | !is_last);
            to[47] = 77;
        } else {
            to[2] = (uint8_t)((len + 20) >> 8);
            to[3] = (uint8_t)(len + 20);
            to[4] = 0x12;
            to[6] = (uint8_t)((is_last ? 0 : 0x20) | at >> 11);
            to[7] = (uint8_t)(at >> 3);
            mend_ipv4(to);
        }
        at += len;
    }
    return count;
}

/* As edge/tun.c does it. */
static enum esp_verdict seal_piece(struct esp_db *db, struct esp_join *j, struct buffer *b,
                                   struct span piece, struct esp_packet *whole)
{
    struct esp_notices notices;
    if (seal_one(db, b, piece) != ESP_JOIN)
        return b->p.verdict;
    if (!esp_join_add(j, span_of(b->p.data, b->p.len), whole))
        return ESP_JOIN;
    esp_seal(db, 0, whole, 1, 0, &notices);
    return whole->verdict;
}

static void fragments_are_sealed_as_one_datagram(void **state)
{
    (void)state;
    static uint8_t at[65535], pieces[60][1500], sealed[66000];
    size_t lens[60];
    for (int v6 = 0; v6 < 2; v6++) {
        for (size_t len = 1600; len < 60000; len += 6001) {
            struct hosts h = v6 != 0 ? hosts_of("2001:db8::1", "2001:db8::2")
                                     : hosts_of("192.0.2.1", "192.0.2.2");
            h.local[0].protocol = h.remote[0].protocol = UDP; /* later fragments have no ports */
            h.local[0].port_from = h.local[0].port_to = 1000;
            struct sa_spec spec = transport_of(&gcm, &h);
            struct esp_db *db = db_with(&spec);
            struct esp_join *j = esp_join_new();
            struct buffer b = {.at = malloc(70000)};
            struct esp_packet whole = {0};
            struct span inner = v6 != 0 ? udp_packet(at, len, "2001:db8::1", "2001:db8::2")
                                        : udp_packet(at, len, "192.0.2.1", "192.0.2.2");
            assert_non_null(j);
            assert_non_null(b.at);
            esp_set_pmtu(db, &spec.remote, 1500); /* no reason to refuse what was cut already */
            size_t count = cut(inner, 1376, pieces, lens);
            for (size_t i = 0; i < count; i++)
                assert_int_equal(seal_piece(db, j, &b, span_of(pieces[i], lens[i]), &whole),
                                 i + 1 < count ? ESP_JOIN : ESP_SEND);
            assert_false(whole.outer_df);
            assert_true(whole.len > len - 40);
            memcpy(sealed, whole.data, whole.len);
            struct esp_notices notices;
            struct esp_packet p = {
                .data = b.at + ESP_HEADROOM, .len = whole.len, .capacity = 69000};
            memcpy(p.data, sealed, whole.len);
            esp_open(db, 0, &p, 1, 0, &notices);
            assert_int_equal(p.verdict, ESP_SEND);
            assert_int_equal(p.len, len);
            size_t head = v6 != 0 ? 40 : 20;
            assert_memory_equal(p.data + head, at + head, len - head);
            assert_int_equal(esp_join_lost(j), 0);
            free(b.at);
            esp_join_free(j);
            db_done(db);
        }
    }
}

static void an_atomic_fragment_is_whole(void **state)
{
    (void)state;
    struct hosts h = hosts_of("2001:db8::1", "2001:db8::2");
    struct sa_spec spec = transport_of(&gcm, &h);
    struct esp_db *db = db_with(&spec);
    struct buffer b = buffer_new();
    uint8_t at[100];
    struct span inner = udp_packet(at, sizeof at, "2001:db8::1", "2001:db8::2");
    at[6] = 44;
    memset(at + 40, 0, 8);
    at[40] = UDP;
    assert_int_equal(seal_one(db, &b, inner), ESP_SEND);
    free(b.at);
    db_done(db);
}

static void pieces_that_do_not_fit_are_lost_and_counted(void **state)
{
    (void)state;
    static uint8_t at[9000], pieces[60][1500];
    size_t lens[60];
    struct esp_join *j = esp_join_new();
    struct esp_packet whole;
    assert_non_null(j);
    size_t count = cut(udp_packet(at, 9000, "192.0.2.1", "192.0.2.2"), 1376, pieces, lens);
    assert_int_equal(count, 7);
    /* one is missing; the rest of the datagram finds nothing */
    for (size_t i = 0; i < count; i++)
        assert_false(i != 3 && esp_join_add(j, span_of(pieces[i], lens[i]), &whole));
    assert_int_equal(esp_join_lost(j), 3);
    /* twice the same one */
    assert_false(esp_join_add(j, span_of(pieces[0], lens[0]), &whole));
    assert_false(esp_join_add(j, span_of(pieces[1], lens[1]), &whole));
    assert_false(esp_join_add(j, span_of(pieces[1], lens[1]), &whole));
    assert_int_equal(esp_join_lost(j), 4);
    /* what is no fragment, and nothing at all */
    assert_false(esp_join_add(j, span_of(at, 9000), &whole));
    assert_false(esp_join_add(j, (struct span){NULL, 0}, &whole));
    assert_int_equal(esp_join_lost(j), 6);
    /* five datagrams at once: the first one goes */
    for (uint8_t id = 0; id < 5; id++)
        for (size_t i = 0; i < 1; i++) {
            pieces[0][5] = id;
            mend_ipv4(pieces[0]);
            assert_false(esp_join_add(j, span_of(pieces[0], lens[0]), &whole));
        }
    assert_int_equal(esp_join_lost(j), 7);
    for (uint8_t id = 0; id < 5; id++)
        for (size_t i = 1; i < count; i++) {
            pieces[i][5] = id;
            mend_ipv4(pieces[i]);
            bool is_whole = esp_join_add(j, span_of(pieces[i], lens[i]), &whole);
            assert_int_equal(is_whole, id > 0 && i == count - 1);
            if (is_whole) {
                assert_int_equal(whole.len, 9000);
                assert_int_equal(sum16(whole.data, 20, 0), 0xffff);
                assert_memory_equal(whole.data + 20, at + 20, 9000 - 20);
            }
        }
    /* longer than a datagram can be */
    memset(pieces[1] + 6, 0, 2);
    uint64_t lost = esp_join_lost(j);
    bool any = false;
    for (size_t offset = 0; offset < 65536; offset += 1376) {
        memcpy(pieces[2], pieces[1], 20);
        pieces[2][6] = (uint8_t)(0x20 | offset >> 11);
        pieces[2][7] = (uint8_t)(offset >> 3);
        any = any || esp_join_add(j, span_of(pieces[2], 1396), &whole);
    }
    assert_false(any);
    assert_int_equal(esp_join_lost(j), lost + 1);
    esp_join_free(j);
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
        cmocka_unit_test(fragments_are_sealed_as_one_datagram),
        cmocka_unit_test(an_atomic_fragment_is_whole),
        cmocka_unit_test(pieces_that_do_not_fit_are_lost_and_counted),
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
