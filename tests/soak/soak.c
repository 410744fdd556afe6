/* Two engines for a long time under bad weather, in virtual time.
 *
 * An epoch is some hours with one configuration (lifetimes, windows, retransmission, weather) in
 * which both sides wish at random: children up, rekeyed and closed, the IKE SA rekeyed and closed.
 * Traffic runs all the time. Then the weather clears; when all retransmissions and liveness checks
 * that may still be under way have ended, both sides must hold the same SAs with mirrored SPIs and
 * equal keys, no command may wait, and no packet may have been lost but around the begin of a child
 * (who answers sends at once, and the answer may be late) and the end of an SA that was wished or
 * that silence brought: none by rekeying. Some epochs end with the end of everything, and nothing
 * may be left. What no engine may ever do (two SAs of one SPI, a removal of what is not there …)
 * the simulator notes at once.
 *
 * One seed gives one run. soak [--hours N] [--seed N] [--epoch N] [-v] */
#include <inttypes.h>
#include <malloc.h>
#include <stdlib.h>
#include <time.h>

#include "../scenario/life.h"
#include "engine/inside.h"

enum {
    CHILDREN = 3,
    SLICE_MS = 2000,
    QUIET_S = 900,
    /* How far from the end of an SA packets may be lost: a peer that was given up sends until its
     * own liveness check, or a Delete repeated until the last, has failed. */
    NEAR_END_S = 700,
    ENDS_MAX = 4096,
    LOSSES_MAX = 4096,
    AT_ONCE_MAX = 2,
    CAUSES_MAX = 64,
    MEMORY_MAX = 24 * 1024 * 1024,
};

static const char *const children[CHILDREN] = {"a", "b", "c"};

struct cause_count {
    enum cause cause;
    uint64_t count;
};

struct soak {
    struct sim sim;
    struct rng *rng;
    uint64_t epoch, rekeyed_ike, rekeyed_child, ups, downs, silences, commands, packets,
        lost_near_end;
    int up[2][CHILDREN]; /* children of one name: two, if both sides made it at once */
    size_t sas[2], most_out, most_in, most_memory, first_memory;
    /* Of this epoch, in seconds. */
    int64_t ends[ENDS_MAX], losses[LOSSES_MAX];
    size_t end_count, loss_count;
    uint64_t lost_seen;
    struct cause_count causes[CAUSES_MAX];
    const char *wrong;
    char text[256];
};

static uint64_t between(struct soak *k, uint64_t low, uint64_t high)
{
    return low + rng_below(k->rng, high - low + 1);
}

static bool chance(struct soak *k, unsigned percent)
{
    return rng_below(k->rng, 100) < percent;
}

static void fail(struct soak *k, const char *what)
{
    if (k->wrong != NULL)
        return;
    snprintf(k->text, sizeof k->text, "%s", what);
    k->wrong = k->text;
}

/* ---- configuration ---- */

struct climate {
    unsigned child_rekey_s, ike_rekey_s, dpd_s, wish_every_s;
    bool is_gentle; /* nobody closes anything */
};

static bool load(struct soak *k, struct sim_host *h, const char *peer, unsigned our, unsigned their,
                 const struct climate *c)
{
    char text[8192];
    int n = snprintf(text, sizeof text,
                     "connections {\n tunnel {\n version = 2\n mobike = no\n fragmentation = no\n"
                     " remote_addrs = %s\n proposals = aes128gcm16-prfsha256-x25519\n"
                     " rekey_time = %us\n over_time = %us\n rand_time = %us\n dpd_delay = %us\n"
                     " local {\n auth = psk\n id = %s.example\n }\n remote {\n auth = psk\n }\n"
                     " children {\n",
                     peer, c->ike_rekey_s, c->ike_rekey_s / 2 + 600, c->ike_rekey_s / 10, c->dpd_s,
                     h->name);
    for (unsigned i = 0; i < CHILDREN && n > 0 && n < (int)sizeof text; i++)
        n += snprintf(text + n, sizeof text - (size_t)n,
                      "  %s {\n esp_proposals = aes128gcm16%s\n local_ts = 10.%u%u.0.0/16\n"
                      "   remote_ts = 10.%u%u.0.0/16\n rekey_time = %us\n life_time = %us\n"
                      "   rand_time = %us\n }\n",
                      children[i], i == 0 ? "-x25519" : "", our, i, their, i, c->child_rekey_s,
                      c->child_rekey_s * 2 + 1200, c->child_rekey_s / 10);
    if (n > 0 && n < (int)sizeof text)
        snprintf(
            text + n, sizeof text - (size_t)n,
            " }\n }\n}\nsecrets {\n ike-all {\n secret = a secret that is long enough\n }\n}\n");
    (void)k;
    return sim_load(h, text);
}

static void set_engine(struct soak *k, struct sim_host *h)
{
    struct world_options *o = &h->engine->world.options;
    static const uint32_t windows[] = {1, 1, 4, 4, 2, 64};
    o->window_size = windows[rng_below(k->rng, sizeof windows / sizeof *windows)];
    bool is_patient = chance(k, 70);
    o->retransmission = (struct retransmission){.timeout_ms = is_patient ? 2000 : 4000,
                                                .base = is_patient ? 1.2 : 1.8,
                                                .tries = is_patient ? 20 : 5,
                                                .jitter_percent = chance(k, 50) ? 20 : 0,
                                                .limit_ms = is_patient ? 15000 : 0};
    h->options.window_size = o->window_size;
}

/* ---- watching ---- */

static void note(int64_t *list, size_t *count, size_t room, int64_t at)
{
    if (*count < room && (*count == 0 || list[*count - 1] != at))
        list[(*count)++] = at;
}

static void count_cause(struct soak *k, enum cause cause)
{
    for (size_t i = 0; i < CAUSES_MAX; i++) {
        if (k->causes[i].count > 0 && k->causes[i].cause != cause)
            continue;
        k->causes[i].cause = cause;
        k->causes[i].count++;
        return;
    }
}

static void read_events(struct soak *k, struct sim_host *h)
{
    for (size_t i = 0; i < h->event_count; i++) {
        const struct sim_event *e = &h->events[i];
        int64_t at = e->at.ns / 1000000000;
        if (e->finding != NULL && (e->kind == EVENT_REFUSED || e->kind == EVENT_NOTICE))
            count_cause(k, e->finding->cause);
        switch (e->kind) {
        case EVENT_IKE_UP:
            k->ups++;
            break;
        case EVENT_IKE_DOWN:
            k->silences += e->finding != NULL && e->finding->cause == CAUSE_NET_LIVENESS_LOST;
            k->downs++;
            note(k->ends, &k->end_count, ENDS_MAX, at);
            break;
        case EVENT_CHILD_UP: /* who answers sends at once, and its answer may be lost */
        case EVENT_CHILD_DOWN:
            for (unsigned c = 0; c < CHILDREN; c++)
                if (strcmp(e->child, children[c]) == 0)
                    k->up[h == &k->sim.hosts[1]][c] += e->kind == EVENT_CHILD_UP ? 1 : -1;
            note(k->ends, &k->end_count, ENDS_MAX, at);
            break;
        case EVENT_IKE_REKEYED:
            k->rekeyed_ike++;
            break;
        case EVENT_CHILD_REKEYED:
            k->rekeyed_child++;
            break;
        case EVENT_COMMAND_DONE:
            k->commands++;
            break;
        case EVENT_REFUSED:
        case EVENT_NOTICE:
        case EVENT_PROGRESS:
        case EVENT_RECORD:
            break;
        }
    }
    sim_forget_events(h);
}

static size_t sas_of(const struct sim_host *h, const char *child, bool is_inbound)
{
    size_t count = 0;
    for (size_t i = 0; i < h->sa_count; i++)
        count += h->sas[i].is_inbound == is_inbound && strcmp(h->sas[i].child, child) == 0;
    return count;
}

/* After each turn of the simulator in which SAs were added. */
static void count_at_once(struct soak *k)
{
    for (size_t i = 0; i < k->sim.host_count; i++) {
        struct sim_host *h = &k->sim.hosts[i];
        bool is_more = h->sa_count > k->sas[i];
        k->sas[i] = h->sa_count;
        if (!is_more)
            continue;
        read_events(k, h);
        for (unsigned c = 0; c < CHILDREN; c++) {
            size_t out = sas_of(h, children[c], false), in = sas_of(h, children[c], true);
            if (k->up[i][c] != 1)
                continue;
            k->most_out = out > k->most_out ? out : k->most_out;
            k->most_in = in > k->most_in ? in : k->most_in;
            if (out > AT_ONCE_MAX)
                fail(k, "more than two outbound SAs of a child");
        }
    }
}

static void watch(struct soak *k)
{
    struct sim *s = &k->sim;
    uint64_t lost = 0;
    for (size_t i = 0; i < s->host_count; i++) {
        struct sim_host *h = &s->hosts[i];
        read_events(k, h);
        lost += h->packets_lost;
    }
    if (lost != k->lost_seen)
        note(k->losses, &k->loss_count, LOSSES_MAX, s->now.ns / 1000000000);
    k->lost_near_end += lost - k->lost_seen;
    k->lost_seen = lost;
    size_t memory = mallinfo2().uordblks;
    k->most_memory = memory > k->most_memory ? memory : k->most_memory;
    if (k->first_memory != 0 && memory > k->first_memory + MEMORY_MAX)
        fail(k, "memory grows");
    if (s->broken != 0)
        fail(k, s->broken_text);
}

static void check_losses(struct soak *k)
{
    if (k->end_count == ENDS_MAX)
        return; /* more ends than can be told apart */
    for (size_t i = 0; i < k->loss_count; i++) {
        bool is_near = false;
        for (size_t n = 0; n < k->end_count && !is_near; n++)
            is_near = llabs(k->losses[i] - k->ends[n]) <= NEAR_END_S;
        if (!is_near) {
            fail(k, "a packet was sent on an SA that the peer lacks");
            return;
        }
    }
}

/* ---- one epoch ---- */

static void wish(struct soak *k, const struct climate *c)
{
    struct sim_host *h = &k->sim.hosts[rng_below(k->rng, 2)];
    const char *child = children[rng_below(k->rng, CHILDREN)];
    unsigned dice = (unsigned)rng_below(k->rng, 100);
    bool both = chance(k, 25); /* and the other side wishes the same */
    enum command_kind kind = dice < 35 ? CMD_INITIATE : dice < 80 ? CMD_REKEY : CMD_TERMINATE;
    bool about_ike = kind == CMD_REKEY ? chance(k, 30) : chance(k, 10);
    if (kind == CMD_TERMINATE && c->is_gentle)
        kind = CMD_REKEY;
    if (kind == CMD_INITIATE)
        about_ike = false;
    bool is_forced = kind == CMD_TERMINATE && about_ike && chance(k, 20);
    for (unsigned i = 0; i < (both ? 2 : 1); i++) {
        if (kind == CMD_TERMINATE) /* packets of the peer are on their way, whatever comes of it */
            note(k->ends, &k->end_count, ENDS_MAX, k->sim.now.ns / 1000000000);
        sim_command(h, kind, "tunnel", about_ike ? NULL : child, 0, 0, is_forced);
        h = &k->sim.hosts[h == &k->sim.hosts[0] ? 1 : 0];
        if (both && chance(k, 50))
            sim_run_ms(&k->sim, (int64_t)between(k, 0, 200));
    }
}

static bool is_quiet(const struct sim *s)
{
    for (size_t i = 0; i < s->host_count; i++) {
        const struct world *w = &s->hosts[i].engine->world;
        for (struct ike_sa *sa = world_sa_after(w, 0); sa != NULL; sa = world_sa_after(w, sa->id))
            if (sa->tasks != NULL || sa->state != SA_UP || sa->wishes.count > 0)
                return false;
    }
    return true;
}

static void run(struct soak *k, int64_t ms)
{
    struct sim *s = &k->sim;
    for (; ms > 0 && k->wrong == NULL; ms -= SLICE_MS) {
        struct instant until = instant_after_ms(s->now, ms < SLICE_MS ? ms : SLICE_MS);
        while (sim_turn(s, until))
            count_at_once(k);
        s->now = until;
        watch(k);
    }
}

static void quiet_point(struct soak *k)
{
    struct sim *s = &k->sim;
    s->weather.loss = s->weather.twice = s->weather.late = 0;
    run(k, QUIET_S * 1000);
    const char *wrong = "they never come to rest";
    for (unsigned i = 0; i < 200 && wrong != NULL && k->wrong == NULL; i++) {
        run(k, 5000);
        if (is_quiet(s))
            wrong = sim_check_tables(s);
    }
    if (wrong != NULL)
        fail(k, wrong);
    for (size_t i = 0; i < s->host_count; i++)
        if (s->hosts[i].engine->world.waiting.count != 0)
            fail(k, "a command waits although nothing is under way");
    check_losses(k);
}

static void epoch(struct soak *k)
{
    struct sim *s = &k->sim;
    struct climate c = {
        .child_rekey_s = (unsigned)between(k, 60, chance(k, 50) ? 600 : 3600),
        .ike_rekey_s = (unsigned)between(k, 120, chance(k, 50) ? 1200 : 7200),
        .dpd_s = (unsigned)between(k, 20, 120),
        .wish_every_s = (unsigned)between(k, 5, 300),
        .is_gentle = chance(k, 50),
    };
    unsigned loss = chance(k, 30) ? 0 : (unsigned)between(k, 0, 300);
    k->end_count = k->loss_count = 0;
    s->latency_ms = (int64_t)between(k, 1, 200);
    s->weather = (struct sim_weather){.rng = k->rng,
                                      .loss = loss,
                                      .twice = (uint32_t)between(k, 0, 200),
                                      .late = (uint32_t)between(k, 0, 200),
                                      .late_ms = (int64_t)between(k, 1, 5000)};
    for (unsigned i = 0; i < 2; i++) {
        set_engine(k, &s->hosts[i]);
        if (!load(k, &s->hosts[i], i == 0 ? "192.0.2.2" : "192.0.2.1", i + 1, 2 - i, &c)) {
            fail(k, "the configuration is refused");
            return;
        }
    }
    for (size_t i = 0; i < s->stream_count; i++)
        s->streams[i].every_ms = (int64_t)between(k, 500, 4000);
    run(k, 1000); /* what is still on its way with the delay of before may be overtaken */
    k->loss_count = 0;
    int64_t until_s = s->now.ns / 1000000000 + (int64_t)between(k, 1800, 4 * 3600);
    while (s->now.ns / 1000000000 < until_s && k->wrong == NULL) {
        wish(k, &c);
        run(k, (int64_t)between(k, 1, 2000 * (uint64_t)c.wish_every_s));
    }
    quiet_point(k);
    k->epoch++;
    if (k->wrong != NULL || !chance(k, 25))
        return;
    const char *left = life_end(s);
    watch(k);
    if (left != NULL) {
        snprintf(k->text, sizeof k->text, "after the end there is still %s", left);
        k->wrong = k->text;
    }
}

/* ---- the run ---- */

static void report(const struct soak *k, double hours, double wall_s)
{
    printf("%.1f simulated hours in %.1f s (%.1f hours per second), %" PRIu64 " epochs: ", hours,
           wall_s, hours / wall_s, k->epoch);
    printf("%" PRIu64 " IKE and %" PRIu64 " CHILD rekeyings, %" PRIu64 " IKE SAs up, %" PRIu64
           " down (%" PRIu64 " by silence), %" PRIu64 " commands done\n",
           k->rekeyed_ike, k->rekeyed_child, k->ups, k->downs, k->silences, k->commands);
    printf("%" PRIu64 " packets, %" PRIu64 " lost around begin or end of a child; at most %zu "
           "outbound and %zu inbound SAs of a child at once; memory %zu KiB, at most %zu KiB\n",
           k->packets, k->lost_near_end, k->most_out, k->most_in, k->first_memory / 1024,
           k->most_memory / 1024);
    for (size_t i = 0; i < CAUSES_MAX && k->causes[i].count > 0; i++)
        printf("  %8" PRIu64 " %s\n", k->causes[i].count,
               ikebana_cause_row(k->causes[i].cause)->id);
}

int main(int argc, char **argv)
{
    static struct soak k;
    double hours = 20;
    uint64_t number = 1;
    bool is_verbose = false;
    uint64_t log_from = UINT64_MAX;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "-v") == 0)
            is_verbose = true;
        else if (i + 1 < argc && strcmp(argv[i], "--hours") == 0)
            hours = strtod(argv[++i], NULL);
        else if (i + 1 < argc && strcmp(argv[i], "--seed") == 0)
            number = strtoull(argv[++i], NULL, 10);
        else if (i + 1 < argc && strcmp(argv[i], "--log-epoch") == 0)
            log_from = strtoull(argv[++i], NULL, 10);
        else {
            fprintf(stderr, "soak [--hours N] [--seed N] [--log-epoch N] [-v]\n");
            return 2;
        }
    }
    uint8_t seed[RNG_SEED_SIZE] = {0};
    memcpy(seed, &number, sizeof number);
    sim_init(&k.sim);
    k.rng = rng_new(seed);
    if (k.rng == NULL || sim_add_host(&k.sim, "left", "192.0.2.1", NULL) == NULL ||
        sim_add_host(&k.sim, "right", "192.0.2.2", NULL) == NULL)
        return 2;
    for (unsigned i = 0; i < CHILDREN * 2; i++)
        sim_stream(&k.sim.hosts[i % 2], children[i / 2], 1000);
    struct timespec began, ended;
    clock_gettime(CLOCK_MONOTONIC, &began);
    while (k.wrong == NULL && (double)k.sim.now.ns / 3.6e12 < hours) {
        if (k.epoch >= log_from)
            k.sim.log = stdout;
        epoch(&k);
        if (k.epoch == 3)
            k.first_memory = mallinfo2().uordblks;
        if (is_verbose)
            fprintf(stderr, "epoch %" PRIu64 " at %.1f h\n", k.epoch,
                    (double)k.sim.now.ns / 3.6e12);
    }
    clock_gettime(CLOCK_MONOTONIC, &ended);
    for (size_t i = 0; i < k.sim.host_count; i++)
        k.packets += k.sim.hosts[i].packets_sent;
    report(&k, (double)k.sim.now.ns / 3.6e12,
           (double)(ended.tv_sec - began.tv_sec) + (double)(ended.tv_nsec - began.tv_nsec) / 1e9);
    if (k.wrong != NULL)
        printf("WRONG in epoch %" PRIu64 " of seed %" PRIu64 " at %.3f s: %s\n", k.epoch, number,
               (double)k.sim.now.ns / 1e9, k.wrong);
    bool ok = k.wrong == NULL;
    sim_clear(&k.sim);
    rng_free(k.rng);
    return ok ? 0 : 1;
}
