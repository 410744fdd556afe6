/* Reading inner packets and fitting them to selectors. */
#include "esp/inner.h"
#include "harness.h"

static struct inner parsed(struct span packet)
{
    struct inner in;
    assert_true(esp_parse_inner(packet, &in));
    return in;
}

static bool parses(struct span packet)
{
    struct inner in;
    return esp_parse_inner(packet, &in);
}

static void an_ipv4_packet_shows_its_ends(void **state)
{
    (void)state;
    uint8_t at[60];
    struct inner in = parsed(udp_packet(at, sizeof at, "10.1.2.3", "10.2.3.4"));
    assert_int_equal(in.family, FAMILY_V4);
    assert_int_equal(in.protocol, 17);
    assert_int_equal(in.src.low, 0x0a010203);
    assert_int_equal(in.dst.low, 0x0a020304);
    assert_true(in.has_ports);
    assert_int_equal(in.src_port, 1000);
    assert_int_equal(in.dst_port, 2000);
    assert_int_equal(in.len, 60);
    assert_false(in.df);
}

static void ipv4_options_are_skipped(void **state)
{
    (void)state;
    uint8_t at[60];
    udp_packet(at, sizeof at, "10.1.2.3", "10.2.3.4");
    at[0] = 0x46;
    at[24] = 0x12;
    at[25] = 0x34;
    assert_int_equal(parsed(span_of(at, sizeof at)).src_port, 0x1234);
    at[0] = 0x44; /* a header of 16 octets */
    assert_false(parses(span_of(at, sizeof at)));
    at[0] = 0x4f;
    at[3] = 59; /* the header is longer than the packet */
    assert_false(parses(span_of(at, sizeof at)));
}

static void a_later_fragment_has_no_ports(void **state)
{
    (void)state;
    uint8_t at[60];
    udp_packet(at, sizeof at, "10.1.2.3", "10.2.3.4");
    at[6] = 0x20; /* first, more follow */
    assert_true(parsed(span_of(at, sizeof at)).has_ports);
    at[7] = 1;
    struct inner in = parsed(span_of(at, sizeof at));
    assert_false(in.has_ports);
    assert_true(in.is_later_fragment);
}

static void a_packet_longer_than_its_header_says_is_cut(void **state)
{
    (void)state;
    uint8_t at[80] = {0};
    udp_packet(at, 60, "10.1.2.3", "10.2.3.4");
    assert_int_equal(parsed(span_of(at, 80)).len, 60);
    assert_false(parses(span_of(at, 59)));
}

static void icmp_type_and_code_stand_for_ports(void **state)
{
    (void)state;
    uint8_t at[60];
    udp_packet(at, sizeof at, "10.1.2.3", "10.2.3.4");
    at[9] = 1;
    at[20] = 8;
    at[21] = 3;
    struct inner in = parsed(span_of(at, sizeof at));
    assert_int_equal(in.src_port, 0x803);
    assert_int_equal(in.dst_port, 0x803);
}

/* An IPv6 packet whose body is given. */
static struct span v6(uint8_t *at, uint8_t next, const uint8_t *body, size_t len)
{
    udp_packet(at, 40 + len, "fd01::1", "fd02::1");
    at[6] = next;
    if (len > 0)
        memcpy(at + 40, body, len);
    return span_of(at, 40 + len);
}

static void ipv6_extension_headers_are_walked(void **state)
{
    (void)state;
    uint8_t at[200];
    const uint8_t body[] = {60, 0,  0, 0,   0, 0, 0, 0,                         /* hop by hop */
                            43, 1,  0, 0,   0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, /* destination */
                            44, 0,  0, 0,   0, 0, 0, 0,                         /* routing */
                            6,  0,  0, 1,   0, 0, 0, 9,                         /* first fragment */
                            0,  80, 1, 187, 0, 0, 0, 0};
    struct inner in = parsed(v6(at, 0, body, sizeof body));
    assert_int_equal(in.protocol, 6);
    assert_int_equal(in.src_port, 80);
    assert_int_equal(in.dst_port, 443);
    for (size_t len = 0; len < 40; len++) /* every cut inside the chain */
        assert_false(parses(v6(at, 0, body, len)));
    assert_false(parsed(v6(at, 0, body, 42)).has_ports);
}

static void a_later_ipv6_fragment_keeps_only_its_protocol(void **state)
{
    (void)state;
    uint8_t at[200];
    const uint8_t body[] = {17, 0, 0, 8, 0, 0, 0, 9, 0, 80, 1, 187};
    struct inner in = parsed(v6(at, 44, body, sizeof body));
    assert_int_equal(in.protocol, 17);
    assert_false(in.has_ports);
    assert_true(in.is_later_fragment);
}

static void an_endless_chain_of_extensions_is_no_packet(void **state)
{
    (void)state;
    uint8_t at[2000], body[1600] = {0};
    for (size_t i = 0; i < sizeof body; i += 8)
        body[i] = 60;
    assert_false(parses(v6(at, 60, body, sizeof body)));
}

static void every_truncation_is_survived(void **state)
{
    (void)state;
    uint8_t at[60];
    const char *const ends[][2] = {{"10.1.0.1", "10.2.0.1"}, {"fd01::1", "fd02::1"}};
    for (size_t k = 0; k < 2; k++) {
        udp_packet(at, sizeof at, ends[k][0], ends[k][1]);
        for (size_t len = 0; len < sizeof at; len++) {
            uint8_t *cut = malloc(len + 1);
            assert_non_null(cut);
            memcpy(cut, at, len);
            uint8_t *exact = realloc(cut, len == 0 ? 1 : len);
            assert_non_null(exact);
            assert_false(parses(span_of(exact, len)));
            free(exact);
        }
    }
}

static void another_traffic_class_keeps_the_checksum_right(void **state)
{
    (void)state;
    uint8_t at[60];
    for (unsigned was = 0; was < 256; was += 5) {
        for (unsigned now = 0; now < 256; now++) {
            udp_packet(at, sizeof at, "10.1.2.3", "10.2.3.4");
            at[1] = (uint8_t)was;
            mend_ipv4(at);
            esp_set_tos(at, FAMILY_V4, (uint8_t)now);
            assert_int_equal(at[1], now);
            assert_int_equal(sum16(at, 20, 0), 0xffff);
            assert_int_equal(parsed(span_of(at, sizeof at)).tos, now);
        }
    }
    udp_packet(at, sizeof at, "fd01::1", "fd02::1");
    at[1] = 0x0c;
    at[2] = 0xab;
    esp_set_tos(at, FAMILY_V6, 0xb9);
    assert_int_equal(parsed(span_of(at, sizeof at)).tos, 0xb9);
    assert_int_equal(at[0] >> 4, 6);
    assert_int_equal(at[1] & 15, 0x0c);
    assert_int_equal(at[2], 0xab);
}

/* ---- filters ---- */

static unsigned fits(struct selector s, const struct inner *in)
{
    struct filter f;
    assert_true(esp_filter_from(&(struct selectors){&s, 1}, &f));
    unsigned n = esp_filter_fits(&f, in, true);
    esp_filter_clear(&f);
    return n;
}

static void a_selector_takes_addresses_inside_only(void **state)
{
    (void)state;
    uint8_t at[60];
    struct selector s = range("10.1.0.5", "10.1.0.9");
    const char *const in[] = {"10.1.0.5", "10.1.0.7", "10.1.0.9"};
    const char *const out[] = {"10.1.0.4", "10.1.0.10", "0.0.0.7", "255.255.255.255"};
    for (size_t i = 0; i < 3; i++) {
        struct inner p = parsed(udp_packet(at, 60, in[i], "10.2.0.1"));
        assert_true(fits(s, &p) > 0);
    }
    for (size_t i = 0; i < 4; i++) {
        struct inner p = parsed(udp_packet(at, 60, out[i], "10.2.0.1"));
        assert_int_equal(fits(s, &p), 0);
    }
    struct selector wide = range("fd01::ff00", "fd01::1:00ff"),
                    all = range("::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff");
    struct inner p = parsed(udp_packet(at, 60, "fd01::1:5", "fd02::1"));
    assert_true(fits(wide, &p) > fits(all, &p));
    assert_true(fits(all, &p) > 0);
    p = parsed(udp_packet(at, 60, "fd01::1:100", "fd02::1"));
    assert_int_equal(fits(wide, &p), 0);
}

static void a_packet_without_ports_fits_any_and_opaque_only(void **state)
{
    (void)state;
    uint8_t at[60];
    udp_packet(at, 60, "10.1.0.7", "10.2.0.1");
    struct inner whole = parsed(span_of(at, 60));
    at[7] = 1;
    struct inner fragment = parsed(span_of(at, 60));
    struct selector s = range("10.1.0.0", "10.1.0.255");
    assert_true(fits(s, &whole) > 0 && fits(s, &fragment) > 0);
    s.protocol = 17;
    s.port_from = 999, s.port_to = 1000;
    assert_true(fits(s, &whole) > 0);
    assert_int_equal(fits(s, &fragment), 0);
    s.port_from = 1001, s.port_to = 65535;
    assert_int_equal(fits(s, &whole), 0);
    s.port_from = 65535, s.port_to = 0; /* OPAQUE */
    assert_int_equal(fits(s, &whole), 0);
    assert_true(fits(s, &fragment) > 0);
    s.protocol = 6;
    assert_int_equal(fits(s, &fragment), 0);
}

static void the_more_exact_selector_counts_more(void **state)
{
    (void)state;
    uint8_t at[60];
    struct inner p = parsed(udp_packet(at, 60, "10.1.0.7", "10.2.0.1"));
    struct selector host = range("10.1.0.7", "10.1.0.7"), net = range("10.1.0.0", "10.1.0.255");
    struct selector udp = net, port = net;
    udp.protocol = port.protocol = 17;
    port.port_from = port.port_to = 1000;
    assert_true(fits(host, &p) > fits(port, &p));
    assert_true(fits(port, &p) > fits(udp, &p));
    assert_true(fits(udp, &p) > fits(net, &p));
}

/* policy_selector_fits() is the slow, obvious one. */
static void selectors_fit_as_policy_says(void **state)
{
    (void)state;
    const uint8_t seed[RNG_SEED_SIZE] = {7};
    struct rng *rng = rng_new(seed);
    unsigned fitting = 0;
    for (unsigned i = 0; i < 20000; i++) {
        uint8_t at[60];
        bool is_v6 = rng_below(rng, 2) == 0;
        if (is_v6)
            udp_packet(at, sizeof at, "fd01::", "fd02::1");
        else
            udp_packet(at, sizeof at, "10.1.0.0", "10.2.0.1");
        size_t address_at = is_v6 ? 8 : 12, len = is_v6 ? 16 : 4;
        at[address_at + rng_below(rng, len)] ^= (uint8_t)rng_below(rng, 4);
        at[address_at + len - 1] = (uint8_t)rng_below(rng, 4);
        at[is_v6 ? 6 : 9] = rng_below(rng, 3) == 0 ? 6 : rng_below(rng, 2) == 0 ? 17 : 47;
        at[is_v6 ? 40 : 20] = 0;
        at[is_v6 ? 41 : 21] = (uint8_t)rng_below(rng, 8);
        struct inner in = parsed(span_of(at, sizeof at));

        struct selector s = is_v6 ? range("fd01::", "fd01::") : range("10.1.0.0", "10.1.0.0");
        size_t part = (size_t)rng_below(rng, len);
        s.to[part] = (uint8_t)(s.to[part] + rng_below(rng, 4));
        memset(s.to + part + 1, 0xff, len - part - 1);
        s.from[len - 1] = (uint8_t)rng_below(rng, 3);
        s.protocol = rng_below(rng, 2) == 0 ? 0 : at[is_v6 ? 6 : 9];
        s.is_dynamic = rng_below(rng, 20) == 0;
        if (rng_below(rng, 10) == 0) {
            s.port_from = 65535;
            s.port_to = 0;
        } else if (rng_below(rng, 2) == 0) {
            s.port_from = (uint16_t)rng_below(rng, 8);
            s.port_to = (uint16_t)(s.port_from + rng_below(rng, 4));
        }
        bool expected = policy_selector_fits(&s, in.family, at + address_at, in.protocol,
                                             in.has_ports, in.src_port);
        assert_int_equal(fits(s, &in) > 0, expected);
        fitting += expected;
    }
    assert_true(fitting > 1000);
    rng_free(rng);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_ipv4_packet_shows_its_ends),
        cmocka_unit_test(ipv4_options_are_skipped),
        cmocka_unit_test(a_later_fragment_has_no_ports),
        cmocka_unit_test(a_packet_longer_than_its_header_says_is_cut),
        cmocka_unit_test(icmp_type_and_code_stand_for_ports),
        cmocka_unit_test(ipv6_extension_headers_are_walked),
        cmocka_unit_test(a_later_ipv6_fragment_keeps_only_its_protocol),
        cmocka_unit_test(an_endless_chain_of_extensions_is_no_packet),
        cmocka_unit_test(every_truncation_is_survived),
        cmocka_unit_test(another_traffic_class_keeps_the_checksum_right),
        cmocka_unit_test(a_selector_takes_addresses_inside_only),
        cmocka_unit_test(a_packet_without_ports_fits_any_and_opaque_only),
        cmocka_unit_test(the_more_exact_selector_counts_more),
        cmocka_unit_test(selectors_fit_as_policy_says),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
