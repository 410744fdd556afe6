/* Every datagram of a whole life (set-up, further child, rekeyings of both kinds by both sides,
 * liveness, close) is, one after the other, lost, sent twice, sent late, and sent again much later:
 * whatever the network does, both sides end in the same state, no packet of the traffic is lost,
 * and nothing is left over. One loss costs a repetition, never an SA. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "sim.h"

enum wound { WHOLE, LOST, TWICE, LATE, AGAIN_LATER, WOUNDS };

static const char *const wound_names[] = {"whole", "lost", "twice", "late", "again later"};

static const char config[] = "connections {\n"
                             "  tunnel {\n"
                             "    version = 2\n"
                             "    mobike = no\n"
                             "    fragmentation = yes\n"
                             "    remote_addrs = %s\n"
                             "    proposals = aes128gcm16-prfsha256-x25519\n"
                             "    rekey_time = 0\n"
                             "    dpd_delay = 100s\n"
                             "    local {\n"
                             "      auth = psk\n"
                             "      id = %s\n"
                             "    }\n"
                             "    remote {\n"
                             "      auth = psk\n"
                             "    }\n"
                             "    children {\n"
                             "      net {\n"
                             "        esp_proposals = aes128gcm16-x25519\n"
                             "        local_ts = 10.%d.0.0/16\n"
                             "        remote_ts = 10.%d.0.0/16\n"
                             "        rekey_time = 0\n"
                             "      }\n"
                             "      two {\n"
                             "        esp_proposals = aes128gcm16\n"
                             "        local_ts = 10.1%d.0.0/16\n"
                             "        remote_ts = 10.1%d.0.0/16\n"
                             "        rekey_time = 0\n"
                             "      }\n"
                             "    }\n"
                             "  }\n"
                             "}\n"
                             "secrets {\n"
                             "  ike-all {\n"
                             "    secret = a secret that is long enough\n"
                             "  }\n"
                             "}\n";

struct life {
    struct sim sim;
    struct sim_host *left, *right;
    size_t sent, wounded; /* datagrams so far; the one that is hurt, from 0 */
    enum wound wound;
    struct datagram kept; /* AGAIN_LATER */
    uint8_t octets[4096];
    bool has_kept;
    bool tells_failure;
    uint32_t fragment_size; /* 0: every message is whole */
    uint64_t weather;       /* not 0: a network that loses, repeats and delays at random */
};

static unsigned roll(struct life *l)
{
    l->weather = l->weather * 6364136223846793005u + 1442695040888963407u;
    return (unsigned)(l->weather >> 33) % 100;
}

static bool on_send(void *context, const struct sim_capture *c)
{
    struct life *l = context;
    if (l->weather != 0) {
        l->sent++;
        unsigned fate = roll(l);
        if (fate < 10)
            sim_filter(c->from, FILTER_DROP, 1, 0, -1, 0);
        else if (fate < 20)
            sim_filter(c->from, FILTER_DUPLICATE, 1, 0, -1, 0);
        else if (fate < 30)
            sim_filter(c->from, FILTER_DELAY, 1, 0, -1, roll(l) * 30);
        return true;
    }
    if (l->sent++ != l->wounded)
        return true;
    switch (l->wound) {
    case LOST:
        sim_filter(c->from, FILTER_DROP, 1, 0, -1, 0);
        break;
    case TWICE:
        sim_filter(c->from, FILTER_DUPLICATE, 1, 0, -1, 0);
        break;
    case LATE:
        sim_filter(c->from, FILTER_DELAY, 1, 0, -1, 5000);
        break;
    case AGAIN_LATER:
        l->kept = c->datagram;
        assert_true(c->datagram.bytes.len <= sizeof l->octets);
        memcpy(l->octets, c->datagram.bytes.at, c->datagram.bytes.len);
        /* As sent: the network turns it round once more. */
        l->kept.local = c->datagram.remote;
        l->kept.remote = c->datagram.local;
        l->kept.bytes.at = l->octets;
        l->has_kept = true;
        break;
    case WHOLE:
    case WOUNDS:
        break;
    }
    return true;
}

static void begin(struct life *l, uint8_t seed)
{
    char text[2048];
    sim_init(&l->sim);
    l->left = sim_add_host(&l->sim, "left", "192.0.2.1", NULL);
    l->right = sim_add_host(&l->sim, "right", "192.0.2.2", NULL);
    l->left->options.seed[30] = seed;
    l->left->options.fragment_size = l->right->options.fragment_size = l->fragment_size;
    sim_kill(l->left);
    sim_start(l->left);
    sim_kill(l->right);
    sim_start(l->right);
    snprintf(text, sizeof text, config, "192.0.2.2", "left.example", 1, 2, 1, 2);
    assert_true(sim_load(l->left, text));
    snprintf(text, sizeof text, config, "192.0.2.1", "right.example", 2, 1, 2, 1);
    assert_true(sim_load(l->right, text));
    l->sim.on_send = on_send;
    l->sim.on_send_context = l;
}

static void expect(struct life *l, const char *what, size_t children, bool is_up)
{
    const char *wrong = sim_check_tables(&l->sim);
    struct engine_counters left, right;
    engine_counters(l->left->engine, &left);
    engine_counters(l->right->engine, &right);
    uint64_t lost = l->left->packets_lost + l->left->packets_blocked + l->right->packets_lost +
                    l->right->packets_blocked;
    /* A late repetition of the first request may leave a half-open SA for its 30 seconds. */
    size_t ikes = is_up ? 1 : 0;
    if (wrong == NULL && l->sim.broken == 0 && left.child_sas == children &&
        right.child_sas == children && l->left->sa_count == 2 * children &&
        l->right->sa_count == 2 * children && left.ike_sas == ikes && right.ike_sas == ikes &&
        lost == 0)
        return;
    fprintf(
        stderr,
        "datagram %zu %s, after %s: %s; %s; children %u and %u of %zu, SAs %zu and %zu, IKE SAs "
        "%u and %u, packets lost %llu\n",
        l->wounded, wound_names[l->wound], what, wrong == NULL ? "tables agree" : wrong,
        l->sim.broken_text, left.child_sas, right.child_sas, children, l->left->sa_count,
        l->right->sa_count, left.ike_sas, right.ike_sas, (unsigned long long)lost);
    l->tells_failure = true;
}

static void pass_time(struct life *l, int64_t ms)
{
    sim_run_ms(&l->sim, ms);
    if (l->has_kept) {
        l->has_kept = false;
        sim_inject(&l->sim, &l->kept);
        sim_run_ms(&l->sim, 100);
    }
}

enum { LONG_MS = 200000 };

static void command(struct life *l, struct sim_host *h, enum command_kind kind, const char *name)
{
    sim_command(h, kind, "tunnel", name, 0, 0, false);
    pass_time(l, LONG_MS);
}

static void live(struct life *l)
{
    command(l, l->left, CMD_INITIATE, "net");
    expect(l, "set-up", 1, true);
    sim_stream(l->left, "net", 50);
    sim_stream(l->right, "net", 50);
    command(l, l->right, CMD_INITIATE, "two");
    expect(l, "a further child", 2, true);
    command(l, l->left, CMD_REKEY, "net");
    expect(l, "rekeying a child", 2, true);
    command(l, l->right, CMD_REKEY, "net");
    expect(l, "rekeying it from the other side", 2, true);
    command(l, l->left, CMD_REKEY, NULL);
    expect(l, "rekeying the IKE SA", 2, true);
    command(l, l->right, CMD_REKEY, NULL);
    expect(l, "rekeying it from the other side", 2, true);
    command(l, l->left, CMD_TERMINATE, "two");
    expect(l, "closing a child", 1, true);
    sim_run_ms(&l->sim, 300000);
    expect(l, "liveness", 1, true);
    /* at once: crossing exchanges */
    sim_command(l->left, CMD_REKEY, "tunnel", "net", 0, 0, false);
    command(l, l->right, CMD_REKEY, "net");
    expect(l, "rekeying a child from both sides", 1, true);
    sim_command(l->left, CMD_REKEY, "tunnel", NULL, 0, 0, false);
    command(l, l->right, CMD_REKEY, NULL);
    pass_time(l, LONG_MS);
    expect(l, "rekeying the IKE SA from both sides", 1, true);
    sim_command(l->left, CMD_REKEY, "tunnel", NULL, 0, 0, false);
    command(l, l->right, CMD_REKEY, "net");
    expect(l, "rekeying the IKE SA against a child", 1, true);
    sim_streams_stop(&l->sim);
    sim_run_ms(&l->sim, 100);
    sim_command(l->left, CMD_TERMINATE, "tunnel", NULL, 0, 0, false);
    command(l, l->right, CMD_TERMINATE, NULL);
    pass_time(l, LONG_MS);
    expect(l, "closing", 0, false);
}

/* Each `step`th datagram. */
static size_t wound_some(enum wound wound, uint32_t fragment_size, size_t first, size_t step)
{
    size_t count = SIZE_MAX, failed = 0;
    for (size_t i = first; i < count; i += step) {
        struct life *l = calloc(1, sizeof *l);
        assert_non_null(l);
        l->fragment_size = fragment_size;
        begin(l, 0);
        l->wound = wound;
        l->wounded = i;
        live(l);
        failed += l->tells_failure;
        count = l->sent; /* later ones are never reached */
        sim_clear(&l->sim);
        free(l);
    }
    assert_true(count > 30);
    return failed;
}

static size_t wound_all(enum wound wound)
{
    return wound_some(wound, 0, 0, 1);
}

static void nothing_is_left_of_a_whole_life(void **state)
{
    (void)state;
    struct life *l = calloc(1, sizeof *l);
    begin(l, 0);
    l->wounded = SIZE_MAX;
    live(l);
    assert_false(l->tells_failure);
    sim_clear(&l->sim);
    free(l);
}

static void any_one_datagram_may_be_lost(void **state)
{
    (void)state;
    assert_int_equal(wound_all(LOST), 0);
}

static void any_one_datagram_may_come_twice(void **state)
{
    (void)state;
    assert_int_equal(wound_all(TWICE), 0);
}

static void any_one_datagram_may_be_late(void **state)
{
    (void)state;
    assert_int_equal(wound_all(LATE), 0);
}

static void any_one_datagram_may_come_again_much_later(void **state)
{
    (void)state;
    assert_int_equal(wound_all(AGAIN_LATER), 0);
}

/* RFC 7383: the same where messages are cut, for a part of them. */
static void any_one_fragment_may_be_lost_double_or_late(void **state)
{
    (void)state;
    assert_int_equal(wound_some(LOST, 200, 0, 6), 0);
    assert_int_equal(wound_some(TWICE, 200, 1, 6), 0);
    assert_int_equal(wound_some(LATE, 200, 2, 6), 0);
    assert_int_equal(wound_some(AGAIN_LATER, 200, 3, 6), 0);
}

/* Other nonces settle races in another way, RFC 7296 2.8.1. */
static void every_race_ends_well(void **state)
{
    (void)state;
    for (unsigned seed = 0; seed < 40; seed++) {
        struct life *l = calloc(1, sizeof *l);
        begin(l, (uint8_t)seed);
        l->wounded = SIZE_MAX;
        live(l);
        assert_false(l->tells_failure);
        sim_clear(&l->sim);
        free(l);
    }
}

static void bad_weather_ends_well(void **state)
{
    (void)state;
    for (unsigned seed = 1; seed <= 60; seed++) {
        struct life *l = calloc(1, sizeof *l);
        begin(l, (uint8_t)seed);
        l->wounded = seed; /* for the message */
        l->weather = seed;
        live(l);
        struct engine_counters c;
        engine_counters(l->left->engine, &c);
        assert_true(c.retransmits > 0);
        assert_false(l->tells_failure);
        sim_clear(&l->sim);
        free(l);
    }
}

static uint64_t octets_of(uint8_t seed, uint64_t weather)
{
    struct life *l = calloc(1, sizeof *l);
    begin(l, seed);
    l->wounded = SIZE_MAX;
    l->weather = weather;
    live(l);
    uint64_t hash = l->sim.octets_hash;
    sim_clear(&l->sim);
    free(l);
    return hash;
}

static void the_same_seed_and_inputs_give_the_same_octets(void **state)
{
    (void)state;
    for (uint8_t seed = 0; seed < 4; seed++) {
        assert_true(octets_of(seed, 0) == octets_of(seed, 0));
        assert_true(octets_of(seed, 99) == octets_of(seed, 99));
        assert_true(octets_of(seed, 0) != octets_of((uint8_t)(seed + 1), 0));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_is_left_of_a_whole_life),
        cmocka_unit_test(any_one_datagram_may_be_lost),
        cmocka_unit_test(any_one_datagram_may_come_twice),
        cmocka_unit_test(any_one_datagram_may_be_late),
        cmocka_unit_test(any_one_datagram_may_come_again_much_later),
        cmocka_unit_test(any_one_fragment_may_be_lost_double_or_late),
        cmocka_unit_test(every_race_ends_well),
        cmocka_unit_test(bad_weather_ends_well),
        cmocka_unit_test(the_same_seed_and_inputs_give_the_same_octets),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
