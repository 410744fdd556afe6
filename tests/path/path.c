/* Fifty tunnels begun at once over a path that loses, doubles or holds back datagrams, in virtual
 * time: when are all up, and are there exactly fifty IKE SAs at the responder, then and later?
 *
 * All come from one address, as behind a NAT, so the responder's limits for one address are a part
 * of it. Repetitions as charon's, and with early copies (retransmit_early), as the daemon does by
 * default. One seed gives one
 * run; each line is the worst of several seeds. path [--seeds N] */
#include <stdlib.h>

#include "../scenario/sim.h"
#include "engine/inside.h"

enum { TUNNELS = 50, LATENCY_MS = 20, LIMIT_MS = 300000, STEP_MS = 20, LATER_MS = 60000 };

struct weather {
    const char *name;
    uint32_t loss, twice, late;
    int64_t late_ms, within_ms; /* within_ms: with early copies, 0 = not asked */
};

static const struct weather weathers[] = {
    {"clean", 0, 0, 0, 0, 2000},
    {"10 % lost", 100, 0, 0, 0, 10000},
    {"30 % lost", 300, 0, 0, 0, 30000},
    {"30 % doubled", 0, 300, 0, 0, 2000},
    {"30 % held back up to 300 ms", 0, 0, 300, 300, 3000},
    {"10 % lost, doubled and held back", 100, 100, 100, 300, 10000},
};

struct outcome {
    int64_t ms; /* until all were up; -1 = never */
    size_t at_responder, at_initiator;
    uint64_t datagrams;
};

static bool load(struct sim_host *h, const char *peer, bool is_left)
{
    static char text[65536];
    int n = snprintf(text, sizeof text, "connections {\n");
    for (unsigned i = 0; i < TUNNELS && n > 0 && n < (int)sizeof text; i++)
        n += snprintf(text + n, sizeof text - (size_t)n,
                      " t%u {\n version = 2\n mobike = no\n remote_addrs = %s\n"
                      "  proposals = aes128gcm16-prfsha256-x25519\n rekey_time = 0\n"
                      "  local {\n auth = psk\n id = %s%u.example\n }\n"
                      "  remote {\n auth = psk\n id = %s%u.example\n }\n"
                      "  children {\n t%u {\n esp_proposals = aes128gcm16\n rekey_time = 0\n"
                      "   life_time = 0\n local_ts = 10.%u.%u.0/24\n remote_ts = 10.%u.%u.0/24\n"
                      "  }\n }\n }\n",
                      i, peer, is_left ? "l" : "r", i, is_left ? "r" : "l", i, i, is_left ? 1 : 2,
                      i, is_left ? 2 : 1, i);
    if (n > 0 && n < (int)sizeof text)
        snprintf(text + n, sizeof text - (size_t)n,
                 "}\nsecrets {\n ike-all {\n secret = a secret that is long enough\n }\n}\n");
    return sim_load(h, text);
}

static size_t count_up(const struct sim_host *h)
{
    const struct world *w = &h->engine->world;
    size_t count = 0;
    for (struct ike_sa *sa = world_sa_after(w, 0); sa != NULL; sa = world_sa_after(w, sa->id))
        count += sa->state == SA_UP && sa->children != NULL;
    return count;
}

static bool run(const struct weather *is, bool has_early_copies, uint64_t number,
                struct outcome *out)
{
    static struct sim s;
    struct engine_options o = {0};
    uint8_t seed[RNG_SEED_SIZE] = {0};
    char name[16];
    memcpy(seed, &number, sizeof number);
    if (has_early_copies) {
        o.retransmit_early_ms = 500;
    }
    sim_init(&s);
    struct sim_host *left = sim_add_host(&s, "left", "192.0.2.1", &o);
    struct sim_host *right = sim_add_host(&s, "right", "192.0.2.2", &o);
    struct rng *rng = rng_new(seed);
    bool ok = left != NULL && right != NULL && rng != NULL && load(left, "192.0.2.2", true) &&
              load(right, "192.0.2.1", false);
    s.latency_ms = LATENCY_MS;
    s.weather = (struct sim_weather){rng, is->loss, is->twice, is->late, is->late_ms};
    struct instant began = s.now;
    for (unsigned i = 0; ok && i < TUNNELS; i++) {
        snprintf(name, sizeof name, "t%u", i);
        sim_command(left, CMD_INITIATE, name, name, 0, 0, false);
    }
    *out = (struct outcome){.ms = -1};
    while (ok && instant_ms_between(began, s.now) < LIMIT_MS && out->ms < 0) {
        sim_run_ms(&s, STEP_MS);
        if (count_up(left) == TUNNELS)
            out->ms = instant_ms_between(began, s.now);
    }
    sim_run_ms(&s, LATER_MS); /* late copies, half-open SAs: nothing more comes of them */
    out->at_responder = right->engine->world.live;
    out->at_initiator = count_up(left);
    out->datagrams = left->sent + right->sent;
    if (s.broken != 0) {
        fprintf(stderr, "broken: %s\n", s.broken_text);
        ok = false;
    }
    sim_clear(&s);
    rng_free(rng);
    return ok;
}

int main(int argc, char **argv)
{
    uint64_t seeds = argc > 2 && strcmp(argv[1], "--seeds") == 0 ? strtoull(argv[2], NULL, 10) : 5;
    bool ok = true;
    printf("%-34s %-13s %10s %8s %8s %10s\n", "path", "repetitions", "all up in", "of runs",
           "IKE SAs", "datagrams");
    for (size_t i = 0; i < sizeof weathers / sizeof *weathers; i++)
        for (unsigned bad = 0; bad < 2; bad++) {
            const struct weather *is = &weathers[i];
            struct outcome o, worst = {0};
            uint64_t good = 0;
            size_t least = SIZE_MAX, most = 0;
            for (uint64_t seed = 1; seed <= seeds; seed++) {
                ok = run(is, bad != 0, seed, &o) && ok;
                good += o.ms >= 0;
                worst.ms = o.ms > worst.ms ? o.ms : worst.ms;
                worst.datagrams = o.datagrams > worst.datagrams ? o.datagrams : worst.datagrams;
                least = o.at_responder < least ? o.at_responder : least;
                most = o.at_responder > most ? o.at_responder : most;
            }
            printf("%-34s %-13s %8.1f s %4llu/%llu %4zu..%zu %10llu\n", is->name,
                   bad != 0 ? "early" : "charon's", (double)worst.ms / 1000,
                   (unsigned long long)good, (unsigned long long)seeds, least, most,
                   (unsigned long long)worst.datagrams);
            bool is_good = good == seeds && least == TUNNELS && most == TUNNELS &&
                           (is->within_ms == 0 || worst.ms <= is->within_ms);
            if (bad != 0 && !is_good) {
                printf("  that is not enough\n");
                ok = false;
            }
        }
    return ok ? 0 : 1;
}
