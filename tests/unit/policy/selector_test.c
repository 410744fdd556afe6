/* Traffic selectors: text, set algebra against counting members, narrowing, wire. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "finding/finding.h"
#include "policy/policy.h"

#include "cases.h"

static struct arena arena;
static const char *why;

static int set_up(void **state)
{
    (void)state;
    return arena_init(&arena) ? 0 : 1;
}

static int tear_down(void **state)
{
    (void)state;
    arena_clear(&arena);
    return 0;
}

static struct selector sel(const char *text)
{
    struct selector s;
    if (!policy_parse_selector(span_text(text), &s, &arena, &why))
        fail_msg("%s: %s", text, why);
    return s;
}

/* "a, b" */
static struct selectors list(const char *text)
{
    struct selectors s = {arena_array(&arena, 16, sizeof(struct selector)), 0};
    while (*text != '\0') {
        size_t len = strcspn(text, ",");
        assert_true(policy_parse_selector(span_of(text, len), &s.at[s.count], &arena, &why));
        s.count++;
        text += len + (text[len] == ',' ? 1 : 0);
    }
    return s;
}

static const char *reads(const char *text)
{
    struct selector s = sel(text);
    return policy_selector_text(&s, &arena);
}

/* ---- text ---- */

static const struct deviation deviations[] = {{NULL, false, NULL}};

static void selectors_are_taken_and_refused_as_charon_does(void **state)
{
    (void)state;
    struct golden g;
    struct selector s;
    bool used[1];
    size_t rows = 0;
    FILE *f = open_spec("swanctl-cases.tsv");
    while (next_golden(f, ".local_ts", &g)) {
        bool expected = expected_answer(&g, deviations, 0, used);
        if (policy_parse_selector(span_text(g.value), &s, &arena, &why) != expected)
            fail_msg("%s = \"%s\": should be %s", g.path, g.value,
                     expected ? "accepted" : "refused");
        if (!expected)
            assert_non_null(why);
        rows++;
    }
    fclose(f);
    assert_int_equal(rows, 30);
}

static void every_form_is_read_and_printed(void **state)
{
    (void)state;
    assert_string_equal(reads("dynamic"), "dynamic");
    assert_string_equal(reads(" dynamic [ tcp / http ] "), "dynamic[tcp/80]");
    assert_string_equal(reads("dynamic[6/80-90]"), "dynamic[tcp/80-90]");
    assert_string_equal(reads("10.1.2.3/8"), "10.0.0.0/8");
    assert_string_equal(reads("10.1.2.3"), "10.1.2.3/32");
    assert_string_equal(reads("10.0.0.1-10.0.0.9[udp/53]"), "10.0.0.1-10.0.0.9[udp/53]");
    assert_string_equal(reads("10.0.0.0-10.0.0.255"), "10.0.0.0/24");
    assert_string_equal(reads("0.0.0.0/0"), "0.0.0.0/0");
    assert_string_equal(reads("0::0/0"), "::/0");
    assert_string_equal(reads("fe80::1:2/10"), "fe80::/10");
    assert_string_equal(reads("10.0.0.0/9"), "10.0.0.0/9");
    assert_string_equal(reads("10.0.0.0/8[/80]"), "10.0.0.0/8[any/80]");
    assert_string_equal(reads("10.0.0.0/8[]"), "10.0.0.0/8");
    assert_string_equal(reads("10.0.0.0/8[any/any]"), "10.0.0.0/8");
    assert_string_equal(reads("10.0.0.0/8[tcp/opaque]"), "10.0.0.0/8[tcp/opaque]");
    assert_string_equal(reads("10.0.0.0/8[icmp/2048]"), "10.0.0.0/8[icmp/8(0)]");
    assert_string_equal(reads("10.0.0.0/8[icmp/8(0)-8(255)]"), "10.0.0.0/8[icmp/8(0)-8(255)]");
    assert_string_equal(reads("::/0[ipv6-icmp/128(0)]"), "::/0[ipv6-icmp/128(0)]");
    assert_string_equal(reads("10.0.0.0/8[gre]"), "10.0.0.0/8[gre]");
    assert_string_equal(reads("10.0.0.0/8[253]"), "10.0.0.0/8[253]");
    assert_string_equal(reads("10.0.0.0/8[udp/ipsec-nat-t]"), "10.0.0.0/8[udp/4500]");
    assert_null(why);
}

static void odd_forms_are_read_as_they_were_meant_and_said(void **state)
{
    (void)state;
    assert_string_equal(reads("10.0.0.9-10.0.0.1"), "10.0.0.1-10.0.0.9");
    assert_string_equal(
        why, "the address range runs backwards: it is read from the lower to the higher");
    assert_string_equal(reads("10.0.0.0/8[tcp/90-80]"), "10.0.0.0/8[tcp/80-90]");
    assert_string_equal(why,
                        "the port range runs backwards: it is read from the lower to the higher");
    assert_string_equal(reads("10.0.0.7/33"), "10.0.0.7/32");
    assert_string_equal(why,
                        "the prefix is longer than the address: it is read as the single address");
}

static void wrong_forms_are_refused_with_what_was_expected(void **state)
{
    (void)state;
    static const char *const wrong[] = {
        "",
        "%dynamic",
        "host.example",
        "10.0.0.0/",
        "10.0.0.0/x",
        "10.0.0.0/-1",
        "/8",
        "10.0.0.1-",
        "-10.0.0.1",
        "10.0.0.1-::1",
        "10.0.0.0/8[tcp",
        "10.0.0.0/8[tcp]x",
        "10.0.0.0/8]",
        "10.0.0.0/8[256]",
        "10.0.0.0/8[tcp/-1]",
        "10.0.0.0/8[tcp/65536]",
        "10.0.0.0/8[tcp/8(0)]",
        "10.0.0.0/8[icmp/256(0)]",
        "10.0.0.0/8[icmp/8(0]",
        "[tcp]",
        "10.0.0.0/99999999999",
    };
    struct selector s;
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        why = NULL;
        if (policy_parse_selector(span_text(wrong[i]), &s, &arena, &why))
            fail_msg("%s is accepted", wrong[i]);
        assert_non_null(why);
    }
}

/* ---- the slow twin: a universe so small that its members can be counted ---- */

enum { ADDRESSES = 6, PROTOCOLS = 4, PORTS = 8, PLACES = ADDRESSES * PROTOCOLS * PORTS };

static uint64_t seed = 19810701;

static unsigned below(unsigned n)
{
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return (unsigned)((seed >> 33) % n);
}

/* Addresses 10.0.0.254 … 10.0.1.3: the carry is in the middle. Protocols 6, 17, 50, and 99 for all
 * that only "any" has. Ports 65530 … 65535, 0 for all that only ANY has, and "not there". So the
 * few members tell exactly what the whole sets do. */
static void address_at(unsigned i, uint8_t out[16])
{
    unsigned v = 254 + i;
    memset(out, 0, 16);
    out[0] = 10;
    out[2] = (uint8_t)(v >> 8);
    out[3] = (uint8_t)v;
}

static uint8_t protocol_at(unsigned i)
{
    static const uint8_t protocols[PROTOCOLS] = {6, 17, 50, 99};
    return protocols[i];
}

static uint16_t port_at(unsigned i)
{
    static const uint16_t ports[PORTS - 1] = {0, 65530, 65531, 65532, 65533, 65534, 65535};
    return ports[i];
}

static struct selector random_selector(void)
{
    struct selector s = {.family = FAMILY_V4};
    unsigned a = below(ADDRESSES), b = below(ADDRESSES);
    address_at(a < b ? a : b, s.from);
    address_at(a < b ? b : a, s.to);
    s.protocol = below(3) == 0 ? 0 : protocol_at(below(PROTOCOLS - 1));
    unsigned kind = below(8);
    if (kind < 2) {
        s.port_to = 65535;
    } else if (kind == 2) {
        s.port_from = 65535;
    } else {
        unsigned x = 1 + below(PORTS - 2), y = 1 + below(PORTS - 2);
        s.port_from = port_at(x < y ? x : y);
        s.port_to = port_at(x < y ? y : x);
    }
    return s;
}

struct members {
    bool is_in[PLACES];
};

/* Membership as RFC 4301 says it, without intervals. */
static bool has_address(const struct selector *s, unsigned address)
{
    uint8_t at[16];
    address_at(address, at);
    return memcmp(at, s->from, 16) >= 0 && memcmp(at, s->to, 16) <= 0;
}

static bool has_protocol(const struct selector *s, unsigned protocol)
{
    return s->protocol == 0 || s->protocol == protocol_at(protocol);
}

static bool has_port(const struct selector *s, unsigned port)
{
    if (s->port_from == 0 && s->port_to == 65535)
        return true;
    if (s->port_from == 65535 && s->port_to == 0)
        return port == PORTS - 1;
    return port < PORTS - 1 && port_at(port) >= s->port_from && port_at(port) <= s->port_to;
}

static bool slow_is_in(const struct selector *s, unsigned address, unsigned protocol, unsigned port)
{
    return has_address(s, address) && has_protocol(s, protocol) && has_port(s, port);
}

static struct members members_of(const struct selectors *list)
{
    struct members m = {0};
    for (size_t i = 0; i < list->count; i++)
        for (unsigned a = 0; a < ADDRESSES; a++)
            for (unsigned p = 0; p < PROTOCOLS && has_address(&list->at[i], a); p++)
                for (unsigned o = 0; o < PORTS && has_protocol(&list->at[i], p); o++)
                    m.is_in[(a * PROTOCOLS + p) * PORTS + o] |= has_port(&list->at[i], o);
    return m;
}

static bool slow_within(const struct members *part, const struct members *whole)
{
    for (size_t i = 0; i < PLACES; i++)
        if (part->is_in[i] && !whole->is_in[i])
            return false;
    return true;
}

static bool same_members(const struct members *x, const struct members *y)
{
    return memcmp(x, y, sizeof *x) == 0;
}

static void meet_and_within_agree_with_counting_members(void **state)
{
    (void)state;
    for (unsigned round = 0; round < 100000; round++) {
        struct selector x = random_selector(), y = random_selector(), both;
        struct selectors lx = {&x, 1}, ly = {&y, 1}, lboth = {&both, 1};
        struct members mx = members_of(&lx), my = members_of(&ly), expected = {0};
        bool any = false;
        for (size_t i = 0; i < PLACES; i++)
            any |= expected.is_in[i] = mx.is_in[i] && my.is_in[i];
        bool meets = policy_selector_meet(&x, &y, &both);
        assert_int_equal(meets, any);
        if (meets) {
            struct members m = members_of(&lboth);
            assert_true(same_members(&m, &expected));
            assert_true(policy_selector_within(&both, &x));
            assert_true(policy_selector_within(&both, &y));
        }
        assert_int_equal(policy_selector_within(&x, &y), slow_within(&mx, &my));
    }
}

static void within_a_union_agrees_with_counting_members(void **state)
{
    (void)state;
    unsigned inside = 0;
    for (unsigned round = 0; round < 100000; round++) {
        struct selector part[2], whole[5];
        struct selectors lp = {part, 1 + below(2)}, lw = {whole, 1 + below(5)};
        for (size_t i = 0; i < lp.count; i++)
            part[i] = random_selector();
        for (size_t i = 0; i < lw.count; i++)
            whole[i] = random_selector();
        struct members mp = members_of(&lp), mw = members_of(&lw);
        bool fast = policy_selectors_within(&lp, &lw);
        assert_int_equal(fast, slow_within(&mp, &mw));
        inside += fast;
    }
    assert_true(inside > 1000);
}

static void narrowing_agrees_with_counting_members(void **state)
{
    (void)state;
    unsigned met = 0;
    for (unsigned round = 0; round < 100000; round++) {
        struct selector offered[4], ours[4];
        struct selectors lo = {offered, 1 + below(4)}, lu = {ours, 1 + below(4)}, out;
        struct finding f;
        for (size_t i = 0; i < lo.count; i++)
            offered[i] = random_selector();
        for (size_t i = 0; i < lu.count; i++)
            ours[i] = random_selector();
        struct members mo = members_of(&lo), mu = members_of(&lu), expected = {0};
        bool any = false;
        for (size_t i = 0; i < PLACES; i++)
            any |= expected.is_in[i] = mo.is_in[i] && mu.is_in[i];
        bool answer = policy_narrow(&lo, &lu, CAUSE_CHILD_TS_UNACCEPTABLE, &arena, &out, &f);
        assert_int_equal(answer, any);
        if (answer) {
            struct members m = members_of(&out);
            assert_true(same_members(&m, &expected));
            assert_true(policy_selectors_within(&out, &lo));
            assert_true(policy_selectors_within(&out, &lu));
            for (size_t i = 0; i < out.count; i++)
                for (size_t j = 0; j < out.count; j++)
                    assert_true(i == j || !policy_selector_within(&out.at[i], &out.at[j]));
            met++;
        } else {
            assert_int_equal(out.count, 0);
            assert_string_not_equal(f.nearest, "");
        }
        arena_reset(&arena);
    }
    assert_in_range(met, 20000, 99000);
}

static void a_packet_fits_where_it_is_a_member(void **state)
{
    (void)state;
    for (unsigned round = 0; round < 2000; round++) {
        struct selector s = random_selector();
        for (unsigned a = 0; a < ADDRESSES; a++)
            for (unsigned p = 0; p < PROTOCOLS; p++)
                for (unsigned o = 0; o < PORTS; o++) {
                    uint8_t at[16];
                    bool has_ports = o < PORTS - 1;
                    address_at(a, at);
                    assert_int_equal(policy_selector_fits(&s, FAMILY_V4, at, protocol_at(p),
                                                          has_ports, has_ports ? port_at(o) : 0),
                                     slow_is_in(&s, a, p, o));
                }
        uint8_t v6[16] = {0};
        assert_false(policy_selector_fits(&s, FAMILY_V6, v6, 6, true, 80));
    }
}

/* ---- algebra by example ---- */

static bool within(const char *part, const char *whole)
{
    struct selectors p = list(part), w = list(whole);
    return policy_selectors_within(&p, &w);
}

static void neighbours_together_hold_what_none_holds_alone(void **state)
{
    (void)state;
    assert_true(within("10.0.0.0/23", "10.0.0.0/24, 10.0.1.0/24"));
    assert_false(within("10.0.0.0/22", "10.0.0.0/24, 10.0.1.0/24, 10.0.3.0/24"));
    assert_true(within("0.0.0.0/0", "0.0.0.0/1, 128.0.0.0/1"));
    assert_true(within("::/0", "::/1, 8000::/1"));
    assert_false(within("::/0", "0.0.0.0/0"));
    assert_true(within("10.0.0.0/8[tcp/1-100]", "10.0.0.0/8[tcp/1-50], 10.0.0.0/8[tcp/51-100]"));
    assert_false(within("10.0.0.0/8[tcp]", "10.0.0.0/8[tcp/0-100], 10.0.0.0/8[tcp/101-65534]"));
    assert_true(within("10.0.0.0/8[tcp/opaque]", "10.0.0.0/8[tcp]"));
    assert_false(within("10.0.0.0/8[tcp/opaque]", "10.0.0.0/8[tcp/1-65535]"));
    assert_true(within("255.255.255.255-255.255.255.255", "255.0.0.0/8"));
}

static void ranges_of_ports_do_not_hold_packets_without_ports(void **state)
{
    (void)state;
    struct selector any = sel("10.0.0.0/8[tcp]"), opaque = sel("10.0.0.0/8[tcp/opaque]");
    struct selector web = sel("10.0.0.0/8[tcp/80]");
    static const uint8_t at[16] = {10, 1, 2, 3};
    assert_true(policy_selector_fits(&any, FAMILY_V4, at, 6, false, 0));
    assert_true(policy_selector_fits(&opaque, FAMILY_V4, at, 6, false, 0));
    assert_false(policy_selector_fits(&opaque, FAMILY_V4, at, 6, true, 80));
    assert_false(policy_selector_fits(&web, FAMILY_V4, at, 6, false, 0));
    assert_true(policy_selector_fits(&web, FAMILY_V4, at, 6, true, 80));
}

static const char *narrowed(const char *offered, const char *ours)
{
    struct selectors o = list(offered), u = list(ours), out;
    struct finding f;
    return policy_narrow(&o, &u, CAUSE_CHILD_TS_UNACCEPTABLE, &arena, &out, &f)
               ? policy_selectors_text(&out, &arena)
               : "(nothing)";
}

static void narrowing_keeps_our_order_and_no_doubles(void **state)
{
    (void)state;
    assert_string_equal(narrowed("0.0.0.0/0", "10.2.0.0/16, 10.1.0.0/16"),
                        "10.2.0.0/16, 10.1.0.0/16");
    assert_string_equal(narrowed("10.0.0.5, 0.0.0.0/0", "10.0.0.0/24"), "10.0.0.0/24");
    assert_string_equal(narrowed("10.0.0.0/8[tcp], 10.0.0.0/8[udp]", "10.1.0.0/16"),
                        "10.1.0.0/16[tcp], 10.1.0.0/16[udp]");
    assert_string_equal(narrowed("0.0.0.0/0, ::/0", "dynamic, fd00::/8"), "fd00::/8");
    assert_string_equal(narrowed("10.0.0.0/8[icmp/8(0)-8(255)]", "10.0.0.0/8[icmp]"),
                        "10.0.0.0/8[icmp/8(0)-8(255)]");
}

static const char *nearest(const char *offered, const char *ours, struct finding *f)
{
    struct selectors o = list(offered), u = list(ours), out;
    assert_false(policy_narrow(&o, &u, CAUSE_CHILD_TS_UNACCEPTABLE, &arena, &out, f));
    return f->nearest;
}

static void a_refusal_names_both_sides_and_the_dimension(void **state)
{
    (void)state;
    struct finding f;
    assert_string_equal(nearest("192.168.0.0/24, 10.1.0.0/16", "10.2.0.0/16", &f),
                        "ours 10.2.0.0/16 and theirs 10.1.0.0/16 do not meet in the addresses");
    assert_int_equal(f.cause, CAUSE_CHILD_TS_UNACCEPTABLE);
    assert_string_equal(f.expected, "10.2.0.0/16");
    assert_string_equal(f.seen, "192.168.0.0/24, 10.1.0.0/16");
    assert_string_equal(nearest("10.1.0.0/16[udp], 192.168.0.0/24", "10.0.0.0/8[tcp/80]", &f),
                        "ours 10.0.0.0/8[tcp/80] and theirs 10.1.0.0/16[udp] do not meet in the "
                        "protocol");
    assert_string_equal(nearest("10.1.0.0/16[tcp/443]", "10.0.0.0/8[tcp/80]", &f),
                        "ours 10.0.0.0/8[tcp/80] and theirs 10.1.0.0/16[tcp/443] do not meet in "
                        "the port");
    assert_string_equal(nearest("::/0", "10.0.0.0/8", &f),
                        "ours 10.0.0.0/8 and theirs ::/0 do not meet in the address family (one "
                        "is IPv4, the other IPv6)");
    assert_string_equal(nearest("0.0.0.0/0", "dynamic", &f),
                        "a dynamic selector has no address yet");
    assert_string_equal(nearest("", "10.0.0.0/8", &f),
                        "the peer sent no address selector that we can read");
}

static void many_meetings_are_kept_up_to_the_limit(void **state)
{
    (void)state;
    static struct selector offered[255], ours[SELECTORS_MAX];
    struct selectors lo = {offered, 255}, lu = {ours, SELECTORS_MAX}, out;
    struct finding f;
    for (size_t i = 0; i < 255; i++) {
        offered[i] = sel("10.0.0.0/8[tcp/0]");
        offered[i].port_from = offered[i].port_to = (uint16_t)i;
    }
    for (size_t i = 0; i < SELECTORS_MAX; i++) {
        ours[i] = sel("10.0.0.0/32");
        ours[i].from[3] = ours[i].to[3] = (uint8_t)(2 * i);
    }
    assert_true(policy_narrow(&lo, &lu, CAUSE_CHILD_TS_UNACCEPTABLE, &arena, &out, &f));
    assert_int_equal(out.count, SELECTORS_MAX);
    assert_true(policy_selectors_within(&out, &lo));
    assert_true(policy_selectors_within(&out, &lu));
}

static void what_stands_first_is_kept_when_the_list_is_full(void **state)
{
    (void)state;
    struct selector many[70], first = sel("10.9.9.9[tcp/80]"),
                              ours[2] = {sel("10.0.0.0/16"), sel("10.9.0.0/16")};
    struct selectors offered = {many, 70}, u = {ours, 2}, out, one = {&first, 1};
    struct finding f;
    many[0] = first;
    for (unsigned i = 1; i < 70; i++)
        many[i] = sel(arena_text(&arena, "10.0.%u.0/25", i));
    assert_true(policy_narrow(&offered, &u, CAUSE_CHILD_TS_UNACCEPTABLE, &arena, &out, &f));
    assert_int_equal(out.count, SELECTORS_MAX);
    assert_true(policy_selectors_within(&one, &out));
    assert_true(policy_selectors_within(&out, &u));
    arena_reset(&arena);
}

/* By counting, with weights: the same set, a part, an overlap. */
static void likeness_agrees_with_counting_members(void **state)
{
    (void)state;
    for (unsigned round = 0; round < 100000; round++) {
        struct selector offered[3], ours[3];
        struct selectors lo = {offered, 1 + below(3)}, lu = {ours, 1 + below(3)};
        unsigned expected = 0;
        for (size_t i = 0; i < lo.count; i++)
            offered[i] = random_selector();
        for (size_t i = 0; i < lu.count; i++)
            ours[i] = random_selector();
        for (size_t i = 0; i < lo.count; i++) {
            for (size_t k = 0; k < lu.count; k++) {
                struct selectors one = {&offered[i], 1}, other = {&ours[k], 1};
                struct members x = members_of(&one), y = members_of(&other);
                bool in = slow_within(&x, &y), around = slow_within(&y, &x), meets = false;
                for (size_t n = 0; n < PLACES; n++)
                    meets = meets || (x.is_in[n] && y.is_in[n]);
                expected += (unsigned)(lo.count - i) * (in && around   ? 5
                                                        : in || around ? 3
                                                        : meets        ? 1
                                                                       : 0);
            }
        }
        assert_int_equal(policy_selectors_likeness(&lo, &lu), expected);
    }
}

static void a_list_made_to_have_endless_pieces_ends_as_not_inside(void **state)
{
    (void)state;
    static struct selector part[255], whole[SELECTORS_MAX];
    struct selectors lp = {part, 255}, lw = {whole, SELECTORS_MAX};
    for (size_t i = 0; i < 255; i++)
        part[i] = sel("0.0.0.0/0");
    for (size_t i = 0; i < SELECTORS_MAX; i++) { /* nested frames: each cuts four pieces */
        whole[i] = sel("128.0.0.0/32[tcp/32768]");
        whole[i].protocol = (uint8_t)(1 + i % 200);
        whole[i].from[0] = (uint8_t)(127 - i);
        whole[i].to[0] = (uint8_t)(129 + i);
        whole[i].port_from = (uint16_t)(32768 - i);
        whole[i].port_to = (uint16_t)(32768 + i);
    }
    assert_false(policy_selectors_within(&lp, &lw));
}

/* ---- from and to elsewhere ---- */

static void dynamic_becomes_the_host(void **state)
{
    (void)state;
    struct selectors s = list("dynamic[tcp/80], 10.0.0.0/8"), out;
    struct address host;
    assert_true(address_parse(span_text("192.0.2.7"), &host));
    host.port = 4500;
    assert_true(policy_resolve_selectors(&s, &host, &arena, &out));
    assert_string_equal(policy_selectors_text(&out, &arena), "192.0.2.7/32[tcp/80], 10.0.0.0/8");
    assert_false(out.at[0].is_dynamic);
    assert_true(s.at[0].is_dynamic);
}

static void the_wire_gives_back_what_was_written(void **state)
{
    (void)state;
    struct selectors s = list("10.0.0.0/8[tcp/80-90], 2001:db8::/32[58/opaque], 0.0.0.0/0"), out;
    struct ts_list ts, again;
    uint8_t room[512];
    uint32_t at = 0;
    struct writer w = writer_of(room, sizeof room);
    assert_true(policy_selectors_to_wire(&s, &arena, &ts));
    wire_write_ts(&w, &ts);
    assert_true(wire_parse_ts(writer_span(&w), &arena, &again, &at));
    assert_true(policy_selectors_from_wire(&again, &arena, &out));
    assert_string_equal(policy_selectors_text(&out, &arena), policy_selectors_text(&s, &arena));
}

static void what_has_no_members_or_is_not_known_is_left_out(void **state)
{
    (void)state;
    static const uint8_t low[4] = {10, 0, 0, 1}, high[4] = {10, 0, 0, 9};
    struct ts raw[] = {
        {.type = TS_IPV4_ADDR_RANGE, .from = {high, 4}, .to = {low, 4}, .port_to = 65535},
        {.type = TS_IPV4_ADDR_RANGE,
         .from = {low, 4},
         .to = {high, 4},
         .port_from = 9,
         .port_to = 8},
        {.type = TS_SECLABEL},
        {.type = TS_IPV6_ADDR_RANGE, .from = {low, 4}, .to = {high, 4}, .port_to = 65535},
        {.type = TS_IPV4_ADDR_RANGE, .from = {low, 4}, .to = {high, 4}, .port_to = 65535},
    };
    struct ts_list ts = {raw, 5};
    struct selectors out;
    assert_true(policy_selectors_from_wire(&ts, &arena, &out));
    assert_string_equal(policy_selectors_text(&out, &arena), "10.0.0.1-10.0.0.9");
}

static void an_unresolved_selector_does_not_go_on_the_wire(void **state)
{
    (void)state;
    struct selectors s = list("dynamic");
    struct ts_list ts;
    assert_false(policy_selectors_to_wire(&s, &arena, &ts));
}

static void a_copy_on_the_heap_is_its_own(void **state)
{
    (void)state;
    struct selectors s = list("10.0.0.0/8, ::/0"), copy, none = {0};
    assert_true(policy_selectors_dup(&s, &copy));
    s.at[0].from[0] = 11;
    assert_string_equal(policy_selectors_text(&copy, &arena), "10.0.0.0/8, ::/0");
    policy_selectors_free(&copy);
    assert_null(copy.at);
    assert_true(policy_selectors_dup(&none, &copy));
    policy_selectors_free(&copy);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        T(selectors_are_taken_and_refused_as_charon_does),
        T(every_form_is_read_and_printed),
        T(odd_forms_are_read_as_they_were_meant_and_said),
        T(wrong_forms_are_refused_with_what_was_expected),
        T(meet_and_within_agree_with_counting_members),
        T(within_a_union_agrees_with_counting_members),
        T(narrowing_agrees_with_counting_members),
        T(a_packet_fits_where_it_is_a_member),
        T(neighbours_together_hold_what_none_holds_alone),
        T(ranges_of_ports_do_not_hold_packets_without_ports),
        T(narrowing_keeps_our_order_and_no_doubles),
        T(a_refusal_names_both_sides_and_the_dimension),
        T(many_meetings_are_kept_up_to_the_limit),
        T(what_stands_first_is_kept_when_the_list_is_full),
        T(likeness_agrees_with_counting_members),
        T(a_list_made_to_have_endless_pieces_ends_as_not_inside),
        T(dynamic_becomes_the_host),
        T(the_wire_gives_back_what_was_written),
        T(what_has_no_members_or_is_not_known_is_left_out),
        T(an_unresolved_selector_does_not_go_on_the_wire),
        T(a_copy_on_the_heap_is_its_own),
    };
    return cmocka_run_group_tests_name("selector", tests, NULL, NULL);
}
