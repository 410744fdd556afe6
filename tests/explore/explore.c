/* explore [--faults N] [--seeds N] [--jobs N] [--deep] [--stop] [--case NAME] [--doc FILE]
 * [--verbose]
 *
 * Walks all cases; explore.h says how. Exit 1: something is wrong, and the steps that lead there
 * are printed. */
#include "explore.h"
#include "../scenario/sim_inside.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

enum { SEEN_SIZE = 1 << 21, FAULTS_MAX = 4, JOBS_MAX = 16, WIDE = 4 };

/* How a case is walked once. */
struct round {
    enum traffic traffic;
    unsigned faults, window;
};

struct result {
    uint64_t states, walks, steps, rests;
    bool is_wrong;
    unsigned seed;
    char reason[REASON_MAX];
    size_t step_count;
    char trace[STEPS_MAX][56];
    struct possible taken[STEPS_MAX];
    struct round round;
};

/* Of one case: all its processes write here, never two at once. */
struct shared {
    struct result result;
    uint64_t seen[SEEN_SIZE]; /* 0: free */
};

static struct shared *shared;
static struct {
    unsigned faults, seeds, jobs;
    bool is_deep, is_verbose, is_stopping;
    const char *doc, *only;
} option = {.faults = 1, .jobs = 2};

static void die(const char *what)
{
    fprintf(stderr, "explore: %s: %s\n", what, strerror(errno));
    _exit(2);
}

/* ---- the states seen ---- */

static bool is_known(uint64_t key, bool add)
{
    if (key == 0)
        key = 1;
    size_t i = key & (SEEN_SIZE - 1);
    for (size_t tries = 0; shared->seen[i] != 0; tries++) {
        if (shared->seen[i] == key)
            return true;
        if (tries == SEEN_SIZE / 2)
            die("the table of states is full");
        i = (i + 1) & (SEEN_SIZE - 1);
    }
    if (add)
        shared->seen[i] = key;
    return false;
}

/* The same state with as many faults to come, or more, holds all that can come of this one. */
static bool enter(const struct walk *w)
{
    uint64_t digest = walk_digest(w);
    for (unsigned f = w->faults_left; f <= FAULTS_MAX; f++)
        if (is_known(digest + f * 0x9e3779b97f4a7c15u, false))
            return false;
    is_known(digest + w->faults_left * 0x9e3779b97f4a7c15u, true);
    return true;
}

/* ---- a network in which everything is in flight until a step delivers it ---- */

static bool capture(void *context, const struct sim_capture *c)
{
    struct walk *w = context;
    if (c->to == NULL)
        return false;
    if (w->flying_count == FLYING_MAX)
        die("too many messages in flight");
    struct flying *f = &w->flying[w->flying_count++];
    *f = (struct flying){.to = (unsigned)(c->to - w->sim.hosts), .datagram = c->datagram};
    f->octets = malloc(c->datagram.bytes.len + 1);
    if (f->octets == NULL)
        die("memory");
    memcpy(f->octets, c->datagram.bytes.at, c->datagram.bytes.len);
    f->datagram.bytes.at = f->octets;
    f->hash = 14695981039346656037u + f->to;
    for (size_t i = 0; i < c->datagram.bytes.len; i++)
        f->hash = (f->hash ^ f->octets[i]) * 1099511628211u;
    return false;
}

static void take_out(struct walk *w, size_t i)
{
    memmove(&w->flying[i], &w->flying[i + 1], (w->flying_count - i - 1) * sizeof *w->flying);
    w->flying_count--;
}

/* ---- steps ---- */

/* An SA on which this host sends and whose other end has not seen a packet; 0: none. */
static uint32_t new_use(const struct walk *w, unsigned h)
{
    const struct sim_host *from = &w->sim.hosts[h], *to = &w->sim.hosts[1 - h];
    for (size_t i = 0; i < to->sa_count; i++) {
        const struct sim_sa *in = &to->sas[i];
        const struct sim_sa *out =
            in->is_inbound && !in->is_seen ? sim_outbound(from, in->child) : NULL;
        if (out != NULL && out->spi == in->spi)
            return in->spi;
    }
    return 0;
}

enum { POSSIBLE_MAX = 4 * FLYING_MAX + 16 };

static size_t possible_steps(const struct walk *w, struct possible out[POSSIBLE_MAX])
{
    size_t count = 0;
    bool must_deliver = false;
    for (unsigned i = 0; i < w->is->wanted_count; i++)
        if (!w->is_issued[i])
            out[count++] = (struct possible){STEP_COMMAND, i, 0};
    for (unsigned i = 0; i < w->flying_count; i++) {
        bool is_again = false;
        for (unsigned k = 0; k < i; k++)
            is_again |= w->flying[k].hash == w->flying[i].hash &&
                        w->flying[k].is_late == w->flying[i].is_late;
        must_deliver |= !w->flying[i].is_late;
        if (is_again)
            continue;
        out[count++] = (struct possible){STEP_DELIVER, i, 0};
        if (w->faults_left > 0 && !w->flying[i].is_late) {
            out[count++] = (struct possible){STEP_LOSE, i, 0};
            out[count++] = (struct possible){STEP_TWICE, i, 0};
            if (option.is_deep)
                out[count++] = (struct possible){STEP_LATE, i, 0};
        }
    }
    for (unsigned h = 0; h < 2 && w->traffic == TRAFFIC_ANY; h++) {
        uint32_t spi = new_use(w, h);
        if (spi != 0)
            out[count++] = (struct possible){STEP_PACKET, 1 - h, spi};
    }
    if (must_deliver)
        return count;
    struct instant first = instant_earlier(w->sim.hosts[0].wake, w->sim.hosts[1].wake);
    for (unsigned h = 0; h < 2; h++)
        if (first.ns != INT64_MAX && w->sim.hosts[h].wake.ns == first.ns)
            out[count++] = (struct possible){STEP_TIMER, h, 0};
    return count;
}

static void tell(struct walk *w, const struct possible *p)
{
    static const char *const kinds[] = {"command", "deliver",       "packet",   "timer",
                                        "LOSE",    "DELIVER TWICE", "HOLD BACK"};
    if (w->step_count == STEPS_MAX)
        return;
    w->taken[w->step_count] = *p;
    char *text = w->steps[w->step_count++];
    const size_t size = sizeof w->steps[0];
    const char *const hosts[] = {"left", "right"};
    if (p->kind == STEP_COMMAND) {
        const struct wanted *c = &w->is->wanted[p->number];
        snprintf(text, size, "%s: %s %s", hosts[c->host],
                 c->kind == CMD_REKEY       ? "rekey"
                 : c->kind == CMD_TERMINATE ? "close"
                                            : "create",
                 c->child == NULL ? "the IKE SA" : c->child);
    } else if (p->kind == STEP_PACKET) {
        snprintf(text, size, "packet to %s on %08x", hosts[p->number], p->spi);
    } else if (p->kind == STEP_TIMER) {
        snprintf(text, size, "timer of %s at %lld ms", hosts[p->number],
                 (long long)(w->sim.hosts[p->number].wake.ns / 1000000));
    } else {
        struct ike_header h = {0};
        struct wire_error why;
        const struct flying *f = &w->flying[p->number];
        wire_parse_header(f->datagram.bytes, &h, &why);
        snprintf(text, size, "%s to %s: %u %s %u of %04llx%s", kinds[p->kind], hosts[f->to],
                 h.exchange, (h.flags & IKE_FLAG_RESPONSE) != 0 ? "answer" : "request",
                 h.message_id, (unsigned long long)(h.spi_i >> 40 & 0xffff),
                 f->is_late ? " (late)" : "");
    }
}

static void first_packet(struct walk *w, unsigned to, uint32_t spi)
{
    struct sim_sa *in = sim_inbound(&w->sim.hosts[to], spi);
    in->is_seen = true;
    sim_dataplane(&w->sim.hosts[to], DP_FIRST_USE, spi, in->child_id, CAUSE_NONE, 1);
}

static void do_step(struct walk *w, const struct possible *p)
{
    tell(w, p);
    struct sim *s = &w->sim;
    switch (p->kind) {
    case STEP_COMMAND: {
        const struct wanted *c = &w->is->wanted[p->number];
        w->is_issued[p->number] = true;
        w->tickets[p->number] =
            sim_command(&s->hosts[c->host], c->kind, "tunnel", c->child, 0, 0, false);
        break;
    }
    case STEP_DELIVER:
    case STEP_TWICE: {
        struct flying f = w->flying[p->number];
        if (p->kind == STEP_TWICE) {
            w->flying[p->number].is_late = true;
            w->faults_left--;
        } else {
            take_out(w, p->number);
        }
        sim_step(&s->hosts[f.to], &(struct input){.kind = IN_DATAGRAM, .datagram = f.datagram});
        break;
    }
    case STEP_PACKET:
        first_packet(w, p->number, p->spi);
        break;
    case STEP_TIMER: {
        struct sim_host *h = &s->hosts[p->number];
        w->timers++;
        s->now = h->wake.ns > s->now.ns ? h->wake : s->now;
        sim_step(h, &(struct input){.kind = IN_TIME});
        break;
    }
    case STEP_LOSE:
        take_out(w, p->number);
        w->faults_left--;
        break;
    case STEP_LATE:
        w->flying[p->number].is_late = true;
        w->faults_left--;
        break;
    }
    /* Path questions of a new IKE SA are answered at once. */
    while (s->queue != NULL)
        sim_turn(s, instant_after_ms(s->now, 1));
    shared->result.steps++;
    for (unsigned h = 0; w->traffic == TRAFFIC_BUSY && h < 2; h++)
        for (uint32_t spi; (spi = new_use(w, h)) != 0;)
            first_packet(w, 1 - h, spi);
}

static void fail(const struct walk *w)
{
    struct result *r = &shared->result;
    r->is_wrong = true;
    memcpy(r->reason, w->reason, sizeof r->reason);
    r->step_count = w->step_count;
    memcpy(r->trace, w->steps, sizeof r->trace);
    memcpy(r->taken, w->taken, sizeof r->taken);
}

/* From this state on; does not come back in the forked processes. */
static void go_on(struct walk *w)
{
    for (;;) {
        if (!judge_step(w)) {
            fail(w);
            return;
        }
        if (!enter(w)) {
            shared->result.walks++;
            return;
        }
        shared->result.states++;
        struct possible steps[POSSIBLE_MAX];
        size_t count = possible_steps(w, steps);
        bool is_rest = true;
        for (size_t i = 0; i < count; i++)
            is_rest &= steps[i].kind == STEP_PACKET ||
                       (steps[i].kind == STEP_DELIVER && w->flying[steps[i].number].is_late);
        if (is_rest) { /* what is late may as well never come */
            shared->result.rests++;
            if (!judge_rest(w)) {
                fail(w);
                return;
            }
        }
        if (count == 0) {
            shared->result.walks++;
            return;
        }
        if (w->timers > TIMERS_MAX || w->step_count == STEPS_MAX) {
            snprintf(w->reason, sizeof w->reason, "no rest after %zu steps and %u timers",
                     w->step_count, w->timers);
            fail(w);
            return;
        }
        for (size_t i = 0; i + 1 < count; i++) {
            pid_t pid = fork();
            if (pid < 0)
                die("fork");
            if (pid == 0) {
                do_step(w, &steps[i]);
                go_on(w);
                _exit(0);
            }
            int status;
            while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
                ;
            if (!shared->result.is_wrong && (!WIFEXITED(status) || WEXITSTATUS(status) != 0)) {
                snprintf(w->reason, sizeof w->reason, "a process ended with status %d", status);
                tell(w, &steps[i]);
                fail(w);
            }
            if (shared->result.is_wrong)
                return;
        }
        do_step(w, &steps[count - 1]);
    }
}

/* ---- a case ---- */

static const char config[] = "connections {\n"
                             "  tunnel {\n"
                             "    version = 2\n"
                             "    mobike = no\n"
                             "    fragmentation = no\n"
                             "    remote_addrs = %s\n"
                             "    proposals = aes128gcm16-prfsha256-x25519\n"
                             "    rekey_time = 0\n"
                             "    local {\n"
                             "      auth = psk\n"
                             "      id = %s\n"
                             "    }\n"
                             "    remote {\n"
                             "      auth = psk\n"
                             "    }\n"
                             "    children {\n"
                             "      net {\n"
                             "        esp_proposals = aes128gcm16\n"
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
                             "      new {\n"
                             "        esp_proposals = aes128gcm16\n"
                             "        local_ts = 10.2%d.0.0/16\n"
                             "        remote_ts = 10.2%d.0.0/16\n"
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

static bool set_up(struct walk *w, const struct explore_case *c, unsigned seed,
                   const struct round *round)
{
    static const char *const hosts[] = {"left", "right"};
    static const char *const addresses[] = {"192.0.2.1", "192.0.2.2"};
    memset(w, 0, sizeof *w);
    w->is = c;
    sim_init(&w->sim);
    for (unsigned i = 0; i < 2; i++) {
        char text[2048];
        struct engine_options o = {.window_size = round->window};
        o.seed[RNG_SEED_SIZE - 1] = (uint8_t)seed;
        struct sim_host *h = sim_add_host(&w->sim, hosts[i], addresses[i], &o);
        int a = (int)i + 1, b = 2 - (int)i;
        snprintf(text, sizeof text, config, addresses[1 - i], hosts[i], a, b, a, b, a, b);
        if (h == NULL || !sim_load(h, text))
            return false;
    }
    sim_command(&w->sim.hosts[0], CMD_INITIATE, "tunnel", "net", 0, 0, false);
    sim_settle(&w->sim);
    if (c->has_two)
        sim_command(&w->sim.hosts[1], CMD_INITIATE, "tunnel", "two", 0, 0, false);
    sim_settle(&w->sim);
    for (unsigned i = 0; i < 2; i++) {
        struct sim_host *h = &w->sim.hosts[i];
        if (sim_child_count(h) != (c->has_two ? 2 : 1))
            return false;
        for (size_t k = 0; k < h->sa_count; k++) /* traffic flows already */
            h->sas[k].is_seen = true;
    }
    w->sim.on_send = capture;
    w->sim.on_send_context = w;
    w->faults_left = round->faults;
    w->traffic = round->traffic;
    return true;
}

static unsigned faults_of(const struct explore_case *c)
{
    unsigned most = c->is_deep ? 0 : c->is_large ? 1 : FAULTS_MAX;
    return option.faults < most ? option.faults : most;
}

/* What led to the failure once more, with all that the engines do. */
static void replay(const struct explore_case *c)
{
    static struct walk w;
    struct result *r = &shared->result;
    if (!set_up(&w, c, r->seed, &r->round))
        die("the beginning does not come up");
    w.sim.log = stdout;
    for (size_t i = 0; i < r->step_count; i++) {
        printf("-- %zu. %s\n", i + 1, r->trace[i]);
        do_step(&w, &r->taken[i]);
    }
    fflush(stdout);
    sim_clear(&w.sim);
}

/* With faults, traffic flows at once (or, in the long run, not at all either); when it begins is a
 * step of its own only where nothing else goes wrong, or the states would be too many. Seeds decide
 * whose nonce is the lowest. */
static void walk_case(const struct explore_case *c)
{
    static struct walk w;
    const struct round rounds[] = {
        {TRAFFIC_ANY, 0, 1},
        {TRAFFIC_NONE, 0, WIDE},
        {TRAFFIC_BUSY, faults_of(c), 1},
        {TRAFFIC_BUSY, faults_of(c), WIDE},
        {TRAFFIC_NONE, faults_of(c), 1},
    };
    unsigned seeds = option.seeds != 0 ? option.seeds : c->has_race ? 2 : 1;
    size_t count = faults_of(c) == 0 ? 2 : option.is_deep ? 5 : 3;
    for (unsigned seed = 0; seed < seeds; seed++)
        for (size_t i = 0; i < count; i++) {
            memset(shared->seen, 0, sizeof shared->seen);
            shared->result.seed = seed;
            shared->result.round = rounds[i];
            if (!set_up(&w, c, seed, &rounds[i]))
                die("the beginning does not come up");
            go_on(&w);
            sim_clear(&w.sim);
            if (shared->result.is_wrong) {
                if (option.is_verbose)
                    replay(c);
                return;
            }
        }
}

static struct shared *begin_case(const struct explore_case *c, pid_t *pid)
{
    struct shared *s = mmap(NULL, sizeof *s, PROT_READ | PROT_WRITE,
                            MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (s == MAP_FAILED)
        die("mmap");
    fflush(stdout);
    *pid = fork();
    if (*pid < 0)
        die("fork");
    if (*pid == 0) {
        shared = s;
        walk_case(c);
        _exit(0);
    }
    return s;
}

static void print_result(const struct explore_case *c, const struct result *r)
{
    printf("%-28s %8llu states %9llu steps %8llu walks %7llu rests  %s\n", c->name,
           (unsigned long long)r->states, (unsigned long long)r->steps,
           (unsigned long long)r->walks, (unsigned long long)r->rests,
           r->is_wrong ? "WRONG" : "ok");
    if (!r->is_wrong)
        return;
    printf("  seed %u: %s\n", r->seed, r->reason);
    for (size_t i = 0; i < r->step_count; i++)
        printf("  %3zu. %s\n", i + 1, r->trace[i]);
}

static void write_doc(FILE *out, const struct result *results, const bool *is_run)
{
    uint64_t states = 0, walks = 0, steps = 0;
    fprintf(
        out,
        "# Exploration\n\n"
        "Written by `build/tests/explore/explore --doc docs/exploration.md%s --faults %u`, do not "
        "edit; `make explore`\nwalks with `--deep --faults 2` and writes it anew. Two engines are "
        "walked through every order in "
        "which the messages\nin flight, the commands, the first packets on new SAs and the timers "
        "can come, with windows of 1 and of %d\nrequests, and with messages lost, delivered twice "
        "or held back beyond timers anywhere on the way: as many as\nthe column *faults* says. "
        "Where nonces decide, with two seeds. `tests/explore/explore.h` says how,\n"
        "`tests/explore/judge.c` what must hold after each step and at rest: no packet is sent on "
        "an SA that the peer\nlacks; at rest both hold the same SAs with mirrored SPIs, no engine "
        "and no data plane has one more, children\nsurvive the rekeying of their IKE SA, and every "
        "command has its outcome. `tests/explore/mutants.tsv` has the\ndeliberate faults that the "
        "walks catch.\n\n"
        "| case | faults | states | steps | walks |\n|---|---:|---:|---:|---:|\n",
        option.is_deep ? " --deep" : "", option.faults, WIDE);
    for (size_t i = 0; i < explore_case_count; i++) {
        if (!is_run[i])
            continue;
        const struct result *r = &results[i];
        fprintf(out, "| %s | %u | %llu | %llu | %llu |\n", explore_cases[i].title,
                faults_of(&explore_cases[i]), (unsigned long long)r->states,
                (unsigned long long)r->steps, (unsigned long long)r->walks);
        states += r->states;
        steps += r->steps;
        walks += r->walks;
    }
    fprintf(out, "| **all** | | **%llu** | **%llu** | **%llu** |\n", (unsigned long long)states,
            (unsigned long long)steps, (unsigned long long)walks);
}

static bool run_all(void)
{
    enum { CASES_MAX = 64 };
    static struct result results[CASES_MAX];
    bool is_run[CASES_MAX] = {false}, ok = true;
    struct {
        pid_t pid;
        size_t number;
        struct shared *shared;
    } jobs[JOBS_MAX];
    size_t next = 0;
    unsigned running = 0;
    for (;;) {
        while (running < option.jobs && next < explore_case_count && (ok || !option.is_stopping)) {
            const struct explore_case *c = &explore_cases[next];
            if ((option.only != NULL && strcmp(option.only, c->name) != 0) ||
                (option.only == NULL && c->is_deep && !option.is_deep)) {
                next++;
                continue;
            }
            jobs[running].number = next++;
            jobs[running].shared = begin_case(c, &jobs[running].pid);
            running++;
        }
        if (running == 0)
            break;
        int status;
        pid_t pid = wait(&status);
        for (unsigned i = 0; i < running; i++) {
            if (jobs[i].pid != pid)
                continue;
            struct result *r = &results[jobs[i].number];
            *r = jobs[i].shared->result;
            is_run[jobs[i].number] = true;
            if (!r->is_wrong && (!WIFEXITED(status) || WEXITSTATUS(status) != 0)) {
                r->is_wrong = true;
                snprintf(r->reason, sizeof r->reason, "ended with status %d", status);
            }
            ok &= !r->is_wrong;
            print_result(&explore_cases[jobs[i].number], r);
            munmap(jobs[i].shared, sizeof *jobs[i].shared);
            jobs[i] = jobs[--running];
            break;
        }
    }
    if (option.doc != NULL && ok) {
        FILE *out = fopen(option.doc, "w");
        if (out == NULL)
            die(option.doc);
        write_doc(out, results, is_run);
        fclose(out);
    }
    return ok;
}

int main(int argc, char **argv)
{
#ifdef __SANITIZE_ADDRESS__
    option.faults = 0; /* forking costs ten times as much */
#endif
    for (int i = 1; i < argc; i++) {
        bool has_value = i + 1 < argc;
        if (strcmp(argv[i], "--list") == 0) {
            for (size_t c = 0; c < explore_case_count; c++)
                printf("%s\n", explore_cases[c].name);
            return 0;
        }
        if (strcmp(argv[i], "--deep") == 0)
            option.is_deep = true;
        else if (strcmp(argv[i], "--stop") == 0)
            option.is_stopping = true;
        else if (strcmp(argv[i], "--verbose") == 0)
            option.is_verbose = true;
        else if (strcmp(argv[i], "--faults") == 0 && has_value)
            option.faults = (unsigned)strtoul(argv[++i], NULL, 10);
        else if (strcmp(argv[i], "--seeds") == 0 && has_value)
            option.seeds = (unsigned)strtoul(argv[++i], NULL, 10);
        else if (strcmp(argv[i], "--jobs") == 0 && has_value)
            option.jobs = (unsigned)strtoul(argv[++i], NULL, 10);
        else if (strcmp(argv[i], "--case") == 0 && has_value)
            option.only = argv[++i];
        else if (strcmp(argv[i], "--doc") == 0 && has_value)
            option.doc = argv[++i];
        else {
            fprintf(stderr, "usage: explore [--faults N] [--seeds N] [--jobs N] [--deep] "
                            "[--case NAME] [--doc FILE]\n");
            return 2;
        }
    }
    if (option.faults > FAULTS_MAX || option.jobs == 0 || option.jobs > JOBS_MAX) {
        fprintf(stderr, "explore: at most %d faults and %d jobs\n", FAULTS_MAX, JOBS_MAX);
        return 2;
    }
    return run_all() ? 0 : 1;
}
