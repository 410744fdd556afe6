/* The kernel's steering and its twin in C say the same, on real sockets of the loopback. */
#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/rng.h"
#include "edge/priv.h"
#include "edge/sockaddr.h"
#include "edge/steer.h"

enum { WORKERS = 3, HEADER = 28 };

/* ---- the rule ---- */

static struct span ike(uint8_t at[HEADER + 4], uint8_t spi_i, uint8_t spi_r, uint8_t flags,
                       bool has_marker)
{
    size_t base = has_marker ? 4 : 0;
    memset(at, 0, HEADER + 4);
    at[base] = spi_i;
    at[base + 7] = 1;
    at[base + 8] = spi_r;
    at[base + 15] = spi_r == 0 ? 0 : 1;
    at[base + 19] = flags;
    return span_of(at, base + HEADER);
}

static void the_initiators_message_goes_to_the_worker_of_the_responders_spi(void **state)
{
    (void)state;
    uint8_t at[HEADER + 4];
    assert_int_equal(steer_ike(ike(at, 2, 1, 0x08, false), WORKERS), 1);
    assert_int_equal(steer_ike(ike(at, 1, 2, 0x28, false), WORKERS), 2);
}

static void the_responders_message_goes_to_the_worker_of_the_initiators_spi(void **state)
{
    (void)state;
    uint8_t at[HEADER + 4];
    assert_int_equal(steer_ike(ike(at, 2, 1, 0x20, false), WORKERS), 2);
}

static void a_first_message_belongs_to_nobody_yet(void **state)
{
    (void)state;
    uint8_t at[HEADER + 4];
    assert_int_equal(steer_ike(ike(at, 2, 0, 0x08, false), WORKERS), STEER_ANY);
}

static void a_responder_spi_of_worker_0_is_no_first_message(void **state)
{
    (void)state;
    uint8_t at[HEADER + 4];
    struct span s = ike(at, 2, 0, 0x08, false);
    at[15] = 9;
    assert_int_equal(steer_ike(s, WORKERS), 0);
}

static void spis_of_no_worker_belong_to_nobody(void **state)
{
    (void)state;
    uint8_t at[HEADER + 4];
    assert_int_equal(steer_ike(ike(at, 200, 1, 0x20, false), WORKERS), STEER_ANY);
    const uint8_t esp[8] = {200, 1, 1, 1};
    assert_int_equal(steer_esp(span_of(esp, 8), WORKERS), STEER_ANY);
}

static void behind_the_marker_is_ike_and_else_esp(void **state)
{
    (void)state;
    uint8_t at[HEADER + 4];
    assert_int_equal(steer_datagram(ike(at, 2, 1, 0x20, true), true, WORKERS), 2);
    const uint8_t esp[8] = {1, 0, 0, 9};
    assert_int_equal(steer_datagram(span_of(esp, 8), true, WORKERS), 1);
}

static void what_is_too_short_belongs_to_nobody(void **state)
{
    (void)state;
    const uint8_t octets[32] = {1, 1, 1, 1};
    for (size_t len = 0; len < 20; len++)
        assert_int_equal(steer_ike(span_of(octets, len), WORKERS), STEER_ANY);
    for (size_t len = 0; len < 4; len++)
        assert_int_equal(steer_esp(span_of(octets, len), WORKERS), STEER_ANY);
}

/* ---- the kernel ---- */

static uint16_t free_port(uint8_t family)
{
    union sockaddr_any at;
    struct address any = {.family = family};
    any.bytes[family == FAMILY_V4 ? 0 : 15] = family == FAMILY_V4 ? 127 : 1;
    any.bytes[3] = family == FAMILY_V4 ? 1 : 0;
    socklen_t len = sockaddr_from(&any, &at);
    int fd = socket(sockaddr_family(family), SOCK_DGRAM, 0);
    assert_int_equal(bind(fd, &at.any, len), 0);
    len = sizeof at;
    assert_int_equal(getsockname(fd, &at.any, &len), 0);
    struct address got;
    assert_true(sockaddr_to(&at.any, &got));
    close(fd);
    return got.port;
}

struct group {
    int fd[WORKERS];
    int sender;
    struct priv *priv;
    struct arena arena;
};

static bool open_group(struct group *g, uint8_t family, bool has_marker)
{
    struct finding why;
    uint16_t port = free_port(family);
    g->priv = priv_new();
    assert_true(arena_init(&g->arena));
    for (unsigned i = 0; i < WORKERS; i++) {
        struct priv_udp want = {family, port, has_marker, i, WORKERS, true};
        g->fd[i] = priv_open_udp(g->priv, &want, &g->arena, &why);
        if (g->fd[i] < 0)
            return false;
    }
    union sockaddr_any at;
    socklen_t len = sizeof at;
    assert_int_equal(getsockname(g->fd[0], &at.any, &len), 0);
    g->sender = socket(sockaddr_family(family), SOCK_DGRAM, 0);
    assert_int_equal(connect(g->sender, &at.any, len), 0);
    return true;
}

static void close_group(struct group *g)
{
    for (unsigned i = 0; i < WORKERS; i++)
        close(g->fd[i]);
    close(g->sender);
    priv_free(g->priv);
    arena_clear(&g->arena);
}

/* Sends and tells whose socket got it. */
static unsigned arrives_at(struct group *g, struct span payload)
{
    struct pollfd polls[WORKERS];
    assert_int_equal(send(g->sender, payload.at, payload.len, 0), (ssize_t)payload.len);
    for (unsigned i = 0; i < WORKERS; i++)
        polls[i] = (struct pollfd){.fd = g->fd[i], .events = POLLIN};
    assert_int_equal(poll(polls, WORKERS, 2000), 1);
    for (unsigned i = 0; i < WORKERS; i++) {
        uint8_t got[256];
        if ((polls[i].revents & POLLIN) != 0) {
            assert_int_equal(recv(g->fd[i], got, sizeof got, 0), (ssize_t)payload.len);
            return i;
        }
    }
    return WORKERS;
}

static void compare(uint8_t family, bool has_marker)
{
    struct group g;
    static const uint8_t seed[RNG_SEED_SIZE] = {7};
    struct rng *rng = rng_new(seed);
    if (!open_group(&g, family, has_marker))
        skip(); /* no such family here */
    unsigned any = WORKERS;
    for (unsigned n = 0; n < 2000; n++) {
        uint8_t octets[64];
        rng_fill(rng, octets, sizeof octets);
        size_t len = 20 + rng_below(rng, 40);
        /* Octets that decide are small more often than chance would have it. */
        octets[0] = (uint8_t)rng_below(rng, 5);
        octets[8] = (uint8_t)rng_below(rng, 5);
        if (rng_below(rng, 2) == 0)
            memset(octets, 0, 4);
        octets[4] = (uint8_t)rng_below(rng, 5);
        octets[12] = (uint8_t)rng_below(rng, 5);
        if (rng_below(rng, 4) == 0)
            memset(octets + 8, 0, 12);
        struct span payload = span_of(octets, len);
        /* The kernel answers 0 where its program reads too far: only whole headers are compared. */
        if (has_marker && len < 24)
            continue;
        unsigned wanted = steer_datagram(payload, has_marker, WORKERS);
        unsigned got = arrives_at(&g, payload);
        if (wanted != STEER_ANY) {
            assert_int_equal(got, wanted);
        } else { /* the hash of the addresses: always the same for the same sender */
            assert_true(any == WORKERS || any == got);
            any = got;
        }
    }
    rng_free(rng);
    close_group(&g);
}

static void the_kernel_steers_ike_over_ipv4_as_the_rule_says(void **state)
{
    (void)state;
    compare(FAMILY_V4, false);
}

static void the_kernel_steers_the_nat_port_over_ipv4_as_the_rule_says(void **state)
{
    (void)state;
    compare(FAMILY_V4, true);
}

static void the_kernel_steers_ike_over_ipv6_as_the_rule_says(void **state)
{
    (void)state;
    compare(FAMILY_V6, false);
}

static void the_kernel_steers_the_nat_port_over_ipv6_as_the_rule_says(void **state)
{
    (void)state;
    compare(FAMILY_V6, true);
}

static void short_datagrams_arrive_somewhere(void **state)
{
    (void)state;
    struct group g;
    assert_true(open_group(&g, FAMILY_V4, true));
    const uint8_t keepalive = 0xff;
    assert_int_equal(arrives_at(&g, span_of(&keepalive, 1)), 0);
    const uint8_t zeros[23] = {0};
    for (size_t len = 0; len <= sizeof zeros; len++)
        assert_true(arrives_at(&g, span_of(zeros, len)) < WORKERS);
    close_group(&g);
}

static void a_port_in_use_is_refused_with_its_holder(void **state)
{
    (void)state;
    struct group g;
    struct finding why;
    assert_true(open_group(&g, FAMILY_V4, false));
    union sockaddr_any at;
    struct address held;
    socklen_t len = sizeof at;
    assert_int_equal(getsockname(g.fd[0], &at.any, &len), 0);
    assert_true(sockaddr_to(&at.any, &held));
    for (unsigned workers = 1; workers <= 2; workers++) {
        struct priv_udp want = {FAMILY_V4, held.port, false, 0, workers, true};
        assert_int_equal(priv_open_udp(g.priv, &want, &g.arena, &why), -1);
        assert_int_equal(why.cause, CAUSE_SYS_SOCKET);
        assert_string_equal(why.param, "--port");
        assert_string_equal(why.expected, arena_text(&g.arena, "UDP port %u of IPv4", held.port));
        assert_non_null(strstr(why.seen, "Address already in use, held by "));
        assert_non_null(strstr(why.seen, arena_text(&g.arena, "(process %d)", (int)getpid())));
    }
    close_group(&g);
}

/* ---- raw sockets ---- */

static void raw_sockets_hear_only_their_workers_spis(void **state)
{
    (void)state;
    struct arena a;
    struct finding why;
    struct priv *p = priv_new();
    assert_true(arena_init(&a));
    static const uint8_t families[] = {FAMILY_V4, FAMILY_V6};
    for (size_t f = 0; f < 2; f++) {
        int fd[WORKERS];
        for (unsigned i = 0; i < WORKERS; i++) {
            fd[i] = priv_open_esp(p, families[f], i, WORKERS, &a, &why);
            if (fd[i] < 0 && i == 0) {
                assert_int_equal(why.cause, CAUSE_SYS_SOCKET);
                skip(); /* not root */
            }
            assert_true(fd[i] >= 0);
        }
        struct address to = {.family = families[f]};
        to.bytes[f == 0 ? 0 : 15] = f == 0 ? 127 : 1;
        to.bytes[3] = f == 0 ? 1 : 0;
        union sockaddr_any at;
        socklen_t len = sockaddr_from(&to, &at);
        int sender = priv_open_esp(p, families[f], WORKERS - 1, WORKERS, &a, &why);
        for (unsigned spi = 0; spi < 6; spi++) {
            uint8_t esp[32] = {(uint8_t)spi, 0xaa, 0xbb, 0xcc};
            assert_int_equal(sendto(sender, esp, sizeof esp, 0, &at.any, len), sizeof esp);
            for (unsigned i = 0; i < WORKERS; i++) {
                uint8_t got[128];
                struct pollfd wait = {.fd = fd[i], .events = POLLIN};
                bool is_mine = i == spi || (i == 0 && spi >= WORKERS);
                poll(&wait, 1, is_mine ? 2000 : 0);
                assert_int_equal(recv(fd[i], got, sizeof got, MSG_DONTWAIT) > 0, is_mine);
            }
        }
        close(sender);
        for (unsigned i = 0; i < WORKERS; i++)
            close(fd[i]);
    }
    priv_free(p);
    arena_clear(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_initiators_message_goes_to_the_worker_of_the_responders_spi),
        cmocka_unit_test(the_responders_message_goes_to_the_worker_of_the_initiators_spi),
        cmocka_unit_test(a_first_message_belongs_to_nobody_yet),
        cmocka_unit_test(a_responder_spi_of_worker_0_is_no_first_message),
        cmocka_unit_test(spis_of_no_worker_belong_to_nobody),
        cmocka_unit_test(behind_the_marker_is_ike_and_else_esp),
        cmocka_unit_test(what_is_too_short_belongs_to_nobody),
        cmocka_unit_test(the_kernel_steers_ike_over_ipv4_as_the_rule_says),
        cmocka_unit_test(the_kernel_steers_the_nat_port_over_ipv4_as_the_rule_says),
        cmocka_unit_test(the_kernel_steers_ike_over_ipv6_as_the_rule_says),
        cmocka_unit_test(the_kernel_steers_the_nat_port_over_ipv6_as_the_rule_says),
        cmocka_unit_test(short_datagrams_arrive_somewhere),
        cmocka_unit_test(a_port_in_use_is_refused_with_its_holder),
        cmocka_unit_test(raw_sockets_hear_only_their_workers_spis),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
