/* ESP → inner packets: what is refused, counted and told. The sealed packets are made here with the
 * bare cipher, so that the inside can be anything. */
#include "harness.h"

struct end_points {
    struct esp_db *db;
    struct sa_spec spec; /* of the outbound end */
    struct sealer *sealer;
    struct buffer b;
    struct esp_notices n;
};

static struct net the_net;

static struct end_points begin(const struct suite_row *row, bool esn, uint32_t window)
{
    the_net = usual_net();
    struct end_points e = {.spec = spec_of(row, &the_net), .b = buffer_new()};
    e.spec.esn = esn;
    e.spec.replay_window = window;
    e.db = db_with(&e.spec);
    e.sealer = crypto_sealer_new(e.spec.encr, e.spec.integ);
    assert_true(crypto_sealer_key(e.sealer, span_of(e.spec.keys.encr, e.spec.keys.encr_len),
                                  span_of(e.spec.keys.integ, e.spec.keys.integ_len), true));
    return e;
}

static void end(struct end_points *e)
{
    crypto_sealer_free(e->sealer);
    free(e->b.at);
    db_done(e->db);
}

/* AES-GCM or CBC with HMAC: text is all that is encrypted, trailer included. */
static enum esp_verdict feed_at(struct end_points *e, uint64_t sequence, struct span text,
                                int64_t now_ms)
{
    uint8_t at[ROOM];
    struct writer w = writer_of(at, sizeof at);
    put_u32(&w, SPI);
    put_u32(&w, (uint32_t)sequence);
    put_zeros(&w, e->spec.encr->iv_len);
    size_t head = w.len;
    put_span(&w, text);
    size_t icv_len = crypto_icv_len(e->spec.encr, e->spec.integ);
    uint8_t *icv = put_room(&w, icv_len);
    uint8_t long_aad[12], high[4] = {(uint8_t)(sequence >> 56), (uint8_t)(sequence >> 48),
                                     (uint8_t)(sequence >> 40), (uint8_t)(sequence >> 32)};
    memcpy(long_aad, at, 4);
    memcpy(long_aad + 4, high, 4);
    memcpy(long_aad + 8, at + 4, 4);
    struct span aad = span_of(at, 8), tail = {NULL, 0};
    if (e->spec.esn && e->spec.integ == NULL)
        aad = span_of(long_aad, 12);
    else if (e->spec.esn)
        tail = span_of(high, 4);
    assert_true(crypto_seal(e->sealer, aad, span_of(at + 8, e->spec.encr->iv_len), at + head,
                            text.len, tail, icv));
    buffer_set(&e->b, writer_span(&w));
    e->b.p.remote = addr("192.0.2.9");
    esp_open(e->db, 0, &e->b.p, 1, now_ms, &e->n);
    return e->b.p.verdict;
}

static enum esp_verdict feed(struct end_points *e, uint64_t sequence, struct span text)
{
    return feed_at(e, sequence, text, 0);
}

/* A UDP packet of 60 octets from 10.1.0.1 to 10.2.0.1 with padding of pad octets. */
static struct span text_with(uint8_t *at, const char *from, const char *to, uint8_t pad,
                             uint8_t next)
{
    udp_packet(at, 60, from, to);
    for (uint8_t i = 0; i < pad; i++)
        at[60 + i] = (uint8_t)(i + 1);
    at[60 + pad] = pad;
    at[61 + pad] = next;
    return span_of(at, 62U + pad);
}

static uint64_t dropped(struct end_points *e, enum esp_drop why)
{
    struct esp_stats s;
    assert_true(esp_sa_stats(e->db, SPI, CHILD_IN, true, &s));
    return s.dropped[why];
}

static void padding_must_count_up(void **state)
{
    (void)state;
    struct end_points e = begin(&gcm, false, 64);
    uint8_t at[400];
    uint64_t number = 1;
    for (unsigned pad = 0; pad < 256; pad++)
        assert_int_equal(feed(&e, number++, text_with(at, "10.1.0.1", "10.2.0.1", (uint8_t)pad, 4)),
                         ESP_SEND);
    for (unsigned wrong = 0; wrong < 32; wrong++) {
        struct span text = text_with(at, "10.1.0.1", "10.2.0.1", 16, 4);
        at[60 + wrong / 2] = wrong % 2 == 0 ? 0 : 255;
        feed(&e, number++, text);
        assert_verdict(e.b.p, ESP_DROP, ESP_BAD_PADDING);
    }
    assert_int_equal(dropped(&e, ESP_BAD_PADDING), 32);
    end(&e);
}

static void padding_longer_than_the_packet_is_refused(void **state)
{
    (void)state;
    struct end_points e = begin(&gcm, false, 64);
    uint8_t at[400];
    struct span text = text_with(at, "10.1.0.1", "10.2.0.1", 2, 4);
    at[62] = 63;
    feed(&e, 1, text);
    assert_verdict(e.b.p, ESP_DROP, ESP_BAD_PADDING);
    const uint8_t least[] = {0, 4};
    feed(&e, 2, span_of(least, 2));
    assert_verdict(e.b.p, ESP_DROP, ESP_BAD_INNER);
    end(&e);
}

static void a_dummy_packet_is_good_and_goes_nowhere(void **state)
{
    (void)state;
    struct end_points e = begin(&gcm, false, 64);
    const uint8_t dummy[] = {0xde, 0xad, 1, 2, 2, 59};
    assert_int_equal(feed(&e, 1, span_of(dummy, sizeof dummy)), ESP_DUMMY);
    assert_non_null(told(&e.n, 2)); /* it proves that the peer uses the SA */
    feed(&e, 1, span_of(dummy, sizeof dummy));
    assert_verdict(e.b.p, ESP_DROP, ESP_REPLAYED);
    end(&e);
}

static void tfc_padding_is_cut_off(void **state)
{
    (void)state;
    struct end_points e = begin(&gcm, false, 64);
    uint8_t at[300] = {0};
    udp_packet(at, 60, "10.1.0.1", "10.2.0.1");
    at[298] = 0;
    at[299] = 4;
    assert_int_equal(feed(&e, 1, span_of(at, 300)), ESP_SEND);
    assert_int_equal(e.b.p.len, 60);
    end(&e);
}

static void the_next_header_must_be_the_inner_version(void **state)
{
    (void)state;
    struct end_points e = begin(&gcm, false, 64);
    uint8_t at[100];
    static const uint8_t wrong[] = {41, 17, 0, 50, 255};
    for (size_t i = 0; i < sizeof wrong; i++) {
        feed(&e, i + 1, text_with(at, "10.1.0.1", "10.2.0.1", 2, wrong[i]));
        assert_verdict(e.b.p, ESP_DROP, ESP_BAD_INNER);
    }
    feed(&e, 10, text_with(at, "fd01::1", "fd02::1", 2, 4));
    assert_verdict(e.b.p, ESP_DROP, ESP_BAD_INNER);
    assert_int_equal(feed(&e, 11, text_with(at, "fd01::1", "fd02::1", 2, 41)), ESP_SEND);
    end(&e);
}

/* RFC 4301 5.2. */
static void an_inner_packet_must_fit_the_selectors_of_its_sa(void **state)
{
    (void)state;
    struct end_points e = begin(&gcm, false, 64);
    uint8_t at[100];
    static const char *const wrong[][2] = {{"10.3.0.1", "10.2.0.1"},
                                           {"10.1.0.1", "10.3.0.1"},
                                           {"10.2.0.1", "10.1.0.1"},
                                           {"0.0.0.0", "255.255.255.255"}};
    for (size_t i = 0; i < 4; i++) {
        feed(&e, i + 1, text_with(at, wrong[i][0], wrong[i][1], 2, 4));
        assert_verdict(e.b.p, ESP_DROP, ESP_WRONG_SELECTOR);
        const struct esp_notice *n = told(&e.n, 4);
        assert_int_equal(n != NULL, i == 0); /* one a second */
        if (n != NULL) {
            assert_int_equal(n->why, ESP_WRONG_SELECTOR);
            assert_int_equal(n->spi, SPI);
            assert_int_equal(n->child_id, CHILD_IN);
            assert_int_equal(n->count, 1);
        }
    }
    feed_at(&e, 9, text_with(at, "10.3.0.1", "10.2.0.1", 2, 4), 1000);
    assert_non_null(told(&e.n, 4));
    assert_int_equal(told(&e.n, 4)->count, 4); /* the three that were kept back, and this one */
    end(&e);
}

static void esn_counts_on_over_the_wrap(void **state)
{
    (void)state;
    static const struct suite_row with_hmac = {ENCR_AES_CBC, 128, AUTH_HMAC_SHA2_256_128};
    const struct suite_row *rows[] = {&gcm, &with_hmac};
    for (size_t k = 0; k < 2; k++) {
        struct end_points e = begin(rows[k], true, 64);
        uint8_t at[100];
        struct span text = text_with(at, "10.1.0.1", "10.2.0.1", 2, 4);
        uint64_t wrap = UINT64_C(1) << 32;
        assert_int_equal(feed(&e, wrap - 200, text), ESP_SEND);
        assert_int_equal(feed(&e, wrap - 2, text), ESP_SEND);
        assert_int_equal(feed(&e, wrap + 1, text), ESP_SEND);
        assert_int_equal(feed(&e, wrap - 1, text), ESP_SEND);
        assert_int_equal(feed(&e, wrap, text), ESP_SEND);
        feed(&e, wrap - 2, text);
        assert_verdict(e.b.p, ESP_DROP, ESP_REPLAYED);
        feed(&e, wrap - 100, text); /* too old: taken for the next cycle, where its ICV is wrong */
        assert_verdict(e.b.p, ESP_DROP, ESP_BAD_ICV);
        feed(&e, 3, text);
        assert_verdict(e.b.p, ESP_DROP, ESP_BAD_ICV);
        struct esp_stats s;
        assert_true(esp_sa_stats(e.db, SPI, CHILD_IN, true, &s));
        assert_int_equal(s.sequence, wrap + 1);
        end(&e);
    }
}

static void first_use_is_told_at_once_and_use_once_a_second(void **state)
{
    (void)state;
    struct end_points e = begin(&gcm, false, 64);
    uint8_t at[100];
    struct span text = text_with(at, "10.1.0.1", "10.2.0.1", 2, 4);
    feed_at(&e, 1, text, 5000);
    assert_non_null(told(&e.n, 2));
    struct address from = addr("192.0.2.9");
    assert_true(address_same_host(&told(&e.n, 2)->remote, &from));
    feed_at(&e, 2, text, 5999);
    assert_int_equal(e.n.count, 0);
    feed_at(&e, 3, text, 6000);
    assert_null(told(&e.n, 2));
    assert_int_equal(told(&e.n, 3)->count, 2);
    struct esp_stats s;
    assert_true(esp_sa_stats(e.db, SPI, CHILD_IN, true, &s));
    assert_int_equal(s.packets, 3);
    assert_int_equal(s.bytes, 180);
    assert_int_equal(s.last_use_ms, 6000);
    end(&e);
}

static void inbound_lifetimes_are_told_and_kept(void **state)
{
    (void)state;
    the_net = usual_net();
    struct sa_spec spec = spec_of(&gcm, &the_net);
    spec.soft_packets = 2;
    spec.hard_packets = 4;
    struct esp_db *db = db_with(&spec);
    esp_sa_remove(db, SPI, CHILD_OUT, false);
    struct end_points e = {.spec = spec, .b = buffer_new(), .db = db};
    e.sealer = crypto_sealer_new(spec.encr, NULL);
    assert_true(crypto_sealer_key(e.sealer, span_of(spec.keys.encr, spec.keys.encr_len),
                                  span_of(NULL, 0), true));
    uint8_t at[100];
    struct span text = text_with(at, "10.1.0.1", "10.2.0.1", 2, 4);
    for (unsigned i = 1; i <= 6; i++) {
        feed(&e, i, text);
        assert_int_equal(told(&e.n, 0) != NULL, i == 2);
        assert_int_equal(told(&e.n, 1) != NULL, i == 5);
        if (i <= 4)
            assert_verdict(e.b.p, ESP_SEND, ESP_OK);
        else
            assert_verdict(e.b.p, ESP_DROP, ESP_LIFETIME);
    }
    end(&e);
}

/* RFC 6040 4.2: inner, outer, merged (4: dropped). */
static void ecn_is_merged_as_rfc_6040_says(void **state)
{
    (void)state;
    static const uint8_t merged[4][4] = {{0, 0, 0, 4}, {1, 1, 1, 3}, {2, 1, 2, 3}, {3, 3, 3, 3}};
    struct end_points e = begin(&gcm, false, 64);
    uint64_t number = 1;
    for (uint8_t inner = 0; inner < 4; inner++) {
        for (uint8_t outer = 0; outer < 4; outer++) {
            uint8_t at[100], sealed[200];
            udp_packet(at, 60, "10.1.0.1", "10.2.0.1");
            at[1] = (uint8_t)(0xb8 | inner);
            mend_ipv4(at);
            assert_int_equal(seal_one(e.db, &e.b, span_of(at, 60)), ESP_SEND);
            memcpy(sealed, e.b.p.data, e.b.p.len);
            buffer_set(&e.b, span_of(sealed, e.b.p.len));
            e.b.p.outer_tos = outer;
            esp_open(e.db, 0, &e.b.p, 1, 0, &e.n);
            if (merged[inner][outer] == 4) {
                assert_verdict(e.b.p, ESP_DROP, ESP_BAD_INNER);
            } else {
                assert_verdict(e.b.p, ESP_SEND, ESP_OK);
                assert_int_equal(e.b.p.data[1], 0xb8 | merged[inner][outer]);
                assert_int_equal(sum16(e.b.p.data, 20, 0), 0xffff);
            }
            number++;
        }
    }
    end(&e);
}

static void a_keepalive_is_one_octet_in_udp(void **state)
{
    (void)state;
    struct end_points e = begin(&gcm, false, 64);
    const uint8_t keepalive[] = {0xff};
    buffer_set(&e.b, span_of(keepalive, 1));
    e.b.p.in_udp = true;
    esp_open(e.db, 0, &e.b.p, 1, 0, &e.n);
    assert_int_equal(e.b.p.verdict, ESP_KEEPALIVE);
    open_one(e.db, &e.b, span_of(keepalive, 1)); /* not in UDP */
    assert_verdict(e.b.p, ESP_DROP, ESP_TOO_SHORT);
    uint64_t drops[ESP_DROP_COUNT];
    esp_db_stats(e.db, drops);
    assert_int_equal(drops[ESP_TOO_SHORT], 1);
    end(&e);
}

static void unknown_spis_are_told_together(void **state)
{
    (void)state;
    struct end_points e = begin(&gcm, false, 64);
    enum { N = 200 };
    struct esp_packet batch[N];
    uint8_t heap[N][32];
    for (unsigned i = 0; i < N; i++) {
        memset(heap[i], 0, sizeof heap[i]);
        heap[i][2] = 0x77; /* one SPI for all */
        batch[i] = (struct esp_packet){.data = heap[i], .len = 32, .capacity = 32};
    }
    esp_open(e.db, 0, batch, N, 0, &e.n);
    assert_int_equal(e.n.count, 1);
    assert_int_equal(e.n.at[0].why, ESP_UNKNOWN_SPI);
    assert_int_equal(e.n.at[0].spi, 0x7700);
    esp_open(e.db, 0, batch, N, 999, &e.n);
    assert_int_equal(e.n.count, 0);
    esp_open(e.db, 0, batch, 1, 1000, &e.n);
    assert_int_equal(e.n.count, 1);
    assert_int_equal(e.n.at[0].count, 2 * N); /* all but the first, which was told */
    for (unsigned i = 0; i < N; i++)
        heap[i][3] = (uint8_t)i; /* 200 SPIs: at most 8 a second are told */
    esp_open(e.db, 0, batch, N, 3000, &e.n);
    assert_true(e.n.count <= 8);
    uint64_t drops[ESP_DROP_COUNT];
    esp_db_stats(e.db, drops);
    assert_int_equal(drops[ESP_UNKNOWN_SPI], 3 * N + 1);
    end(&e);
}

static void only_the_worker_of_the_spi_opens(void **state)
{
    (void)state;
    the_net = usual_net();
    struct sa_spec spec = spec_of(&gcm, &the_net);
    spec.spi = 0x01001234;
    struct esp_db *db = esp_db_new(2);
    struct finding why;
    struct sa_spec in = mirror(&spec);
    esp_thread_begin(db);
    assert_true(esp_sa_add(db, &spec, &why) && esp_sa_add(db, &in, &why));
    struct buffer b = buffer_new();
    uint8_t at[60], sealed[200];
    struct esp_notices n;
    assert_int_equal(seal_one(db, &b, udp_packet(at, 60, "10.1.0.1", "10.2.0.1")), ESP_SEND);
    memcpy(sealed, b.p.data, b.p.len);
    struct span esp = span_of(sealed, b.p.len);
    open_one(db, &b, esp);
    assert_verdict(b.p, ESP_DROP, ESP_WRONG_WORKER);
    buffer_set(&b, esp);
    esp_open(db, 1, &b.p, 1, 0, &n);
    assert_verdict(b.p, ESP_SEND, ESP_OK);
    free(b.at);
    db_done(db);
}

/* ---- RFC 7296 2.23: where the peer is ---- */

static struct address port_of(const char *host, uint16_t port)
{
    struct address a = addr(host);
    a.port = port;
    return a;
}

static size_t moves(const struct end_points *e, const struct address *to)
{
    size_t count = 0;
    for (size_t i = 0; i < e->n.count; i++)
        if (e->n.at[i].kind == 5) {
            assert_int_equal(e->n.at[i].spi, SPI);
            assert_int_equal(e->n.at[i].child_id, CHILD_IN);
            assert_true(address_equal(&e->n.at[i].remote, to));
            count++;
        }
    return count;
}

/* The same good packet again, from elsewhere, or a fresh one. */
static size_t from(struct end_points *e, uint64_t sequence, const struct address *source,
                   bool in_udp, int64_t now_ms)
{
    uint8_t at[400], packet[400];
    struct span text = text_with(at, "10.1.0.1", "10.2.0.1", 2, 4);
    struct writer w = writer_of(packet, sizeof packet);
    put_u32(&w, SPI);
    put_u32(&w, (uint32_t)sequence);
    put_zeros(&w, e->spec.encr->iv_len);
    size_t head = w.len;
    put_span(&w, text);
    uint8_t *icv = put_room(&w, crypto_icv_len(e->spec.encr, e->spec.integ));
    assert_true(crypto_seal(e->sealer, span_of(packet, 8), span_of(packet + 8, head - 8),
                            packet + head, text.len, (struct span){NULL, 0}, icv));
    buffer_set(&e->b, writer_span(&w));
    e->b.p.remote = *source;
    e->b.p.in_udp = in_udp;
    esp_open(e->db, 0, &e->b.p, 1, now_ms, &e->n);
    return moves(e, source);
}

static void only_the_newest_good_packet_in_udp_tells_where_the_peer_is(void **state)
{
    (void)state;
    struct end_points e = begin(&gcm, false, 64);
    struct address old = port_of("192.0.2.1", 4500), now = port_of("192.0.2.1", 61000),
                   here = port_of("192.0.2.2", 4500);
    esp_sa_move(e.db, SPI, CHILD_IN, true, &here, &old, true);
    assert_int_equal(from(&e, 10, &old, true, 0), 0);
    assert_int_equal(from(&e, 10, &now, true, 0), 0); /* a replay */
    assert_verdict(e.b.p, ESP_DROP, ESP_REPLAYED);
    assert_int_equal(from(&e, 9, &now, true, 0), 0); /* good, but older */
    assert_int_equal(e.b.p.verdict, ESP_SEND);
    assert_int_equal(from(&e, 11, &now, false, 0), 0); /* not in UDP */
    assert_int_equal(from(&e, 12, &now, true, 0), 1);
    assert_int_equal(from(&e, 13, &now, true, 500), 0); /* at most once a second */
    assert_int_equal(from(&e, 14, &now, true, 1000), 1);
    esp_sa_move(e.db, SPI, CHILD_IN, true, &here, &now, true);
    assert_int_equal(from(&e, 15, &now, true, 5000), 0);
    /* a forged one from there */
    uint8_t noise[64] = {0, 0, SPI >> 8, SPI & 255, 0, 0, 0, 16};
    struct address elsewhere = port_of("203.0.113.5", 4500);
    buffer_set(&e.b, span_of(noise, sizeof noise));
    e.b.p.remote = elsewhere;
    e.b.p.in_udp = true;
    esp_open(e.db, 0, &e.b.p, 1, 9000, &e.n);
    assert_verdict(e.b.p, ESP_DROP, ESP_BAD_ICV);
    assert_int_equal(moves(&e, &elsewhere), 0);
    end(&e);
}

static void an_sa_without_udp_is_not_moved(void **state)
{
    (void)state;
    struct end_points e = begin(&gcm, false, 64);
    struct address now = port_of("192.0.2.77", 4500);
    assert_int_equal(from(&e, 1, &now, true, 0), 0);
    assert_int_equal(e.b.p.verdict, ESP_SEND);
    end(&e);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_the_newest_good_packet_in_udp_tells_where_the_peer_is),
        cmocka_unit_test(an_sa_without_udp_is_not_moved),
        cmocka_unit_test(padding_must_count_up),
        cmocka_unit_test(padding_longer_than_the_packet_is_refused),
        cmocka_unit_test(a_dummy_packet_is_good_and_goes_nowhere),
        cmocka_unit_test(tfc_padding_is_cut_off),
        cmocka_unit_test(the_next_header_must_be_the_inner_version),
        cmocka_unit_test(an_inner_packet_must_fit_the_selectors_of_its_sa),
        cmocka_unit_test(esn_counts_on_over_the_wrap),
        cmocka_unit_test(first_use_is_told_at_once_and_use_once_a_second),
        cmocka_unit_test(inbound_lifetimes_are_told_and_kept),
        cmocka_unit_test(ecn_is_merged_as_rfc_6040_says),
        cmocka_unit_test(a_keepalive_is_one_octet_in_udp),
        cmocka_unit_test(unknown_spis_are_told_together),
        cmocka_unit_test(only_the_worker_of_the_spi_opens),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
