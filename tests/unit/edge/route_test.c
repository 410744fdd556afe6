/* Prefixes of ranges against a slow twin, and real routes in a network namespace of the test. */
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/rng.h"
#include "edge/route.h"

static struct selector range(const char *from, const char *to)
{
    struct address a, b;
    assert_true(address_parse(span_text(from), &a));
    assert_true(address_parse(span_text(to), &b));
    struct selector s = {.family = a.family, .port_to = 65535};
    memcpy(s.from, a.bytes, 16);
    memcpy(s.to, b.bytes, 16);
    return s;
}

static const char *split_text(struct arena *a, const char *from, const char *to)
{
    struct prefix out[PREFIXES_MAX];
    struct selector s = range(from, to);
    size_t count = route_split(s.family, s.from, s.to, out);
    const char *text = "";
    for (size_t i = 0; i < count; i++) {
        struct address at = {.family = out[i].family};
        memcpy(at.bytes, out[i].bytes, 16);
        text =
            arena_text(a, "%s%s%s/%u", text, i == 0 ? "" : " ", address_text(a, &at), out[i].bits);
    }
    return text;
}

static void a_range_becomes_the_fewest_prefixes(void **state)
{
    (void)state;
    struct arena a;
    assert_true(arena_init(&a));
    assert_string_equal(split_text(&a, "10.0.0.0", "10.0.0.255"), "10.0.0.0/24");
    assert_string_equal(split_text(&a, "10.0.0.7", "10.0.0.7"), "10.0.0.7/32");
    assert_string_equal(split_text(&a, "0.0.0.0", "255.255.255.255"), "0.0.0.0/0");
    assert_string_equal(split_text(&a, "10.0.0.1", "10.0.0.6"),
                        "10.0.0.1/32 10.0.0.2/31 10.0.0.4/31 10.0.0.6/32");
    assert_string_equal(split_text(&a, "255.255.255.254", "255.255.255.255"), "255.255.255.254/31");
    assert_string_equal(split_text(&a, "2001:db8::", "2001:db8::ffff"), "2001:db8::/112");
    assert_string_equal(split_text(&a, "::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"), "::/0");
    arena_clear(&a);
}

static void an_empty_range_has_no_prefix(void **state)
{
    (void)state;
    struct prefix out[PREFIXES_MAX];
    struct selector s = range("10.0.0.2", "10.0.0.1");
    assert_int_equal(route_split(s.family, s.from, s.to, out), 0);
    assert_int_equal(route_split(FAMILY_NONE, s.to, s.from, out), 0);
}

static void the_worst_range_fits(void **state)
{
    (void)state;
    struct prefix out[PREFIXES_MAX];
    struct selector s = range("::1", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:fffe");
    assert_int_equal(route_split(s.family, s.from, s.to, out), 254);
}

/* Small ranges, address by address. */
static void prefixes_cover_the_range_and_nothing_else(void **state)
{
    (void)state;
    static const uint8_t seed[RNG_SEED_SIZE] = {3};
    struct rng *rng = rng_new(seed);
    for (unsigned n = 0; n < 500; n++) {
        uint16_t from = (uint16_t)rng_below(rng, 2000), to = (uint16_t)rng_below(rng, 2000);
        uint8_t a[16] = {10, 0, (uint8_t)(from >> 8), (uint8_t)from};
        uint8_t b[16] = {10, 0, (uint8_t)(to >> 8), (uint8_t)to};
        struct prefix out[PREFIXES_MAX];
        size_t count = route_split(FAMILY_V4, a, b, out);
        unsigned covered[2001] = {0};
        for (size_t i = 0; i < count; i++) {
            uint32_t first = (uint32_t)out[i].bytes[2] << 8 | out[i].bytes[3];
            assert_true(out[i].bits >= 16);
            for (uint32_t k = 0; k < 1u << (32 - out[i].bits); k++) {
                assert_true(first + k <= 2000);
                covered[first + k]++;
            }
        }
        for (unsigned k = 0; k <= 2000; k++)
            assert_int_equal(covered[k], k >= from && k <= to ? 1 : 0);
    }
    rng_free(rng);
}

/* ---- in a namespace ---- */

static const char *output_of(struct arena *a, const char *command)
{
    const char *text = "";
    char line[512];
    FILE *f = popen(command, "r");
    assert_non_null(f);
    while (fgets(line, sizeof line, f) != NULL)
        text = arena_text(a, "%s%s", text, line);
    pclose(f);
    return text;
}

static bool has(struct arena *a, const char *command, const char *what)
{
    return strstr(output_of(a, command), what) != NULL;
}

static void routes_lead_into_the_tun_as_long_as_somebody_uses_them(void **state)
{
    (void)state;
    struct arena a;
    struct finding why;
    if (geteuid() != 0 || unshare(CLONE_NEWNET) != 0 || access("/dev/net/tun", F_OK) != 0 ||
        system("ip link set lo up >/dev/null 2>&1") != 0)
        skip(); /* needs root and iproute2 */
    assert_true(arena_init(&a));
    struct priv *p = priv_new();
    char name[IFNAMSIZ] = "ikebana%d";
    int fds[2];
    unsigned device = 0;
    assert_true(priv_open_tun(p, name, fds, 2, &a, &why));
    assert_string_equal(name, "ikebana0");
    assert_true(priv_up_tun(p, name, 1400, &device, &a, &why));
    assert_true(device > 0);
    assert_true(has(&a, "ip link show ikebana0", "mtu 1400"));
    assert_false(has(&a, "ip -6 addr show ikebana0", "fe80"));
    assert_int_equal(system("ip addr add 10.1.0.1/32 dev lo && "
                            "ip -6 addr add 2001:db8:1::1/128 dev lo nodad"),
                     0);

    struct selector l[2] = {range("10.1.0.0", "10.1.255.255"),
                            range("2001:db8:1::", "2001:db8:1::ffff")};
    struct selector r[3] = {range("10.2.0.0", "10.2.255.255"), range("10.9.0.1", "10.9.0.2"),
                            range("2001:db8:2::", "2001:db8:2::ffff")};
    struct selectors local = {l, 2}, remote = {r, 3}, first = {r, 1};
    struct routes *routes = route_new(p, device, 500);
    assert_true(route_change(routes, &local, &remote, true, &a, &why));
    assert_true(route_change(routes, &local, &first, true, &a, &why));
    assert_int_equal(route_count(routes), 4);
    assert_true(has(&a, "ip route show table 220", "10.2.0.0/16 dev ikebana0"));
    assert_true(has(&a, "ip route show table 220", "src 10.1.0.1"));
    assert_true(has(&a, "ip route show table 220", "10.9.0.1 dev ikebana0"));
    assert_true(has(&a, "ip route show table 220", "10.9.0.2 dev ikebana0"));
    assert_true(has(&a, "ip -6 route show table 220", "2001:db8:2::/112 dev ikebana0"));
    assert_true(has(&a, "ip -6 route show table 220", "src 2001:db8:1::1"));
    assert_true(has(&a, "ip rule show", "220:\tnot from all fwmark 0x696b65 lookup 220"));
    assert_true(has(&a, "ip -6 rule show", "220:\tnot from all fwmark 0x696b65 lookup 220"));
    assert_true(has(&a, "ip route get 10.2.3.4", "dev ikebana0"));
    /* Our own outer packets stay out of it. */
    assert_false(has(&a, "ip route get 10.2.3.4 mark 0x696b65 2>&1", "dev ikebana0"));

    assert_true(route_change(routes, &local, &remote, false, &a, &why));
    assert_int_equal(route_count(routes), 1);
    assert_true(has(&a, "ip route show table 220", "10.2.0.0/16"));
    assert_false(has(&a, "ip route show table 220", "10.9.0.1"));
    route_free(routes);
    assert_string_equal(output_of(&a, "ip route show table 220 2>/dev/null"), "");
    assert_false(has(&a, "ip rule show", "696b65"));
    assert_false(has(&a, "ip -6 rule show", "696b65"));
    close(fds[0]);
    close(fds[1]);
    priv_free(p);
    arena_clear(&a);
}

static bool open_device(struct priv *p, int *fd, unsigned *device, struct arena *a)
{
    struct finding why;
    char name[IFNAMSIZ] = "ikebana%d";
    return priv_open_tun(p, name, fd, 1, a, &why) && priv_up_tun(p, name, 1400, device, a, &why);
}

static void what_a_killed_daemon_leaves_blocks_until_the_next_begins(void **state)
{
    (void)state;
    struct arena a;
    struct finding why;
    struct priv *p = priv_new();
    int fd, other_fd;
    unsigned device, other;
    struct selector r[2] = {range("10.2.0.0", "10.2.255.255"),
                            range("2001:db8:2::", "2001:db8:2::ffff")};
    struct selector o[1] = {range("10.3.0.0", "10.3.255.255")};
    struct selectors local = {NULL, 0}, remote = {r, 2}, others = {o, 1};
    if (geteuid() != 0 || unshare(CLONE_NEWNET) != 0 || access("/dev/net/tun", F_OK) != 0 ||
        system("ip link set lo up >/dev/null 2>&1") != 0)
        skip(); /* needs root and iproute2 */
    assert_true(arena_init(&a));
    assert_true(open_device(p, &fd, &device, &a));
    assert_true(open_device(p, &other_fd, &other, &a));
    struct routes *killed = route_new(p, device, 500), *second = route_new(p, other, 501);
    assert_true(route_change(killed, &local, &remote, true, &a, &why));
    assert_true(route_change(second, &local, &others, true, &a, &why));
    /* A route that somebody else has set is not taken away from him. */
    assert_false(route_change(second, &local, &remote, true, &a, &why));
    assert_int_equal(why.cause, CAUSE_SYS_ROUTE);
    assert_string_equal(why.seen, "setting route to 10.2.0.0/16 in table 220: File exists");

    close(fd); /* as if killed: the device goes */
    assert_false(has(&a, "ip route show table 220", "10.2.0.0/16 dev"));
    assert_true(has(&a, "ip route show table 220", "unreachable 10.2.0.0/16"));
    assert_true(has(&a, "ip -6 route show table 220", "unreachable 2001:db8:2::/112"));
    assert_true(has(&a, "ip route get 10.2.3.4 2>&1", "No route to host"));
    assert_true(has(&a, "ip route get 10.3.3.4", "dev ikebana1"));

    assert_true(open_device(p, &fd, &device, &a));
    struct routes *next = route_new(p, device, 500);
    assert_false(has(&a, "ip route show table 220", "10.2.0.0/16"));
    assert_string_equal(output_of(&a, "ip -6 route show table 220 2>/dev/null"), "");
    assert_false(has(&a, "ip -6 rule show", "696b65"));
    /* The rule stays as long as the other daemon needs it. */
    assert_true(has(&a, "ip route get 10.3.3.4", "dev ikebana1"));
    assert_true(has(&a, "ip route show table 220", "unreachable 10.3.0.0/16"));
    route_free(next);
    assert_true(has(&a, "ip rule show", "696b65"));
    route_free(second);
    assert_false(has(&a, "ip rule show", "696b65"));
    route_free(killed);
    close(fd);
    close(other_fd);
    priv_free(p);
    arena_clear(&a);
}

static void a_device_of_somebody_else_is_not_taken(void **state)
{
    (void)state;
    struct arena a;
    struct finding why;
    struct priv *p = priv_new();
    char name[IFNAMSIZ] = "tunnel";
    int fd, fds[2];
    if (geteuid() != 0 || unshare(CLONE_NEWNET) != 0 || access("/dev/net/tun", F_OK) != 0)
        skip(); /* needs root */
    assert_true(arena_init(&a));
    assert_true(priv_open_tun(p, name, &fd, 1, &a, &why));
    assert_false(priv_open_tun(p, name, fds, 2, &a, &why));
    assert_int_equal(why.cause, CAUSE_SYS_TUN);
    assert_string_equal(why.seen, "tunnel (TUNSETIFF): Device or resource busy");
    close(fd);
    priv_free(p);
    arena_clear(&a);
}

static void a_device_that_cannot_be_is_a_finding(void **state)
{
    (void)state;
    struct arena a;
    struct finding why;
    struct priv *p = priv_new();
    char name[IFNAMSIZ] = "lo"; /* there, and no TUN device */
    int fds[1];
    assert_true(arena_init(&a));
    assert_false(priv_open_tun(p, name, fds, 1, &a, &why));
    assert_int_equal(why.cause, CAUSE_SYS_TUN);
    assert_string_equal(why.param, "--tun");
    assert_non_null(strstr(why.seen, geteuid() == 0 ? "lo (TUNSETIFF): " : "lo ("));
    struct priv_route route = {.to = {.family = FAMILY_V4}, .bits = 8, .device = 99999};
    assert_false(priv_set_route(p, &route, true, &a, &why));
    assert_int_equal(why.cause, CAUSE_SYS_ROUTE);
    assert_non_null(strstr(why.seen, "setting route to 0.0.0.0/8 in table 220: "));
    priv_free(p);
    arena_clear(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_range_becomes_the_fewest_prefixes),
        cmocka_unit_test(an_empty_range_has_no_prefix),
        cmocka_unit_test(the_worst_range_fits),
        cmocka_unit_test(prefixes_cover_the_range_and_nothing_else),
        cmocka_unit_test(routes_lead_into_the_tun_as_long_as_somebody_uses_them),
        cmocka_unit_test(what_a_killed_daemon_leaves_blocks_until_the_next_begins),
        cmocka_unit_test(a_device_of_somebody_else_is_not_taken),
        cmocka_unit_test(a_device_that_cannot_be_is_a_finding),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
