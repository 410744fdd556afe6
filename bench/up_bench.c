/* `ikebana up` as its user sees it: from the start of the command to its end, between two daemons
 * in two network namespaces, PSK, as many times as a median wants. Beside it the time on the wire
 * (first to last IKE packet, by the kernel's time stamps), the start of the command alone, and the
 * start of a daemon up to an answering control socket.
 *
 * The limit is the bare crypto of both sides. Nothing outlives the call, also when it is
 * interrupted: the namespaces have no name and go with their last process, the daemons go with this
 * one, the folder is removed. */
#include "bench.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "bare.h"
#include "edge/vici_client.h"

enum { RUNS = 20, WARM_UP = 2, BARE_ROUNDS = 500, READY_S = 10, ARGS_MAX = 16 };

#define DEVICE "ikebana-bench"

struct host {
    const char *name, *outer, *inner, *id;
    int ns;
    pid_t daemon;
    char uri[PATH_MAX], folder[PATH_MAX];
};

struct lab {
    struct host left, right;
    int home; /* our own network namespace */
    int tap;  /* packet socket on left's device */
    double ready_ms;
    char folder[PATH_MAX], ikebana[PATH_MAX], ikebanad[PATH_MAX];
};

static volatile sig_atomic_t is_interrupted;

static void interrupt(int number)
{
    (void)number;
    is_interrupted = 1;
}

static bool complain(const char *what)
{
    fprintf(stderr, "bench up: %s: %s\n", what, strerror(errno));
    return false;
}

static double now_ms(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec * 1e-6;
}

/* CPU of all children that were waited for. */
static double children_cpu_ms(void)
{
    struct rusage u = {0};
    (void)getrusage(RUSAGE_CHILDREN, &u);
    return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) * 1e3 +
           (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) * 1e-3;
}

static bool join(char out[PATH_MAX], const char *format, ...) __attribute__((format(printf, 2, 3)));
static bool join(char out[PATH_MAX], const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int len = vsnprintf(out, PATH_MAX, format, args);
    va_end(args);
    return len >= 0 && len < PATH_MAX;
}

/* ---- processes ---- */

/* With output to the file `log`, and gone when we are. */
static pid_t start(const char *log, const char *const *args)
{
    pid_t parent = getpid(), child = fork();
    if (child != 0)
        return child;
    int to = open(log, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    int from = open("/dev/null", O_RDONLY);
    if (to < 0 || from < 0 || dup2(from, 0) < 0 || dup2(to, 1) < 0 || dup2(to, 2) < 0 ||
        prctl(PR_SET_PDEATHSIG, SIGKILL) != 0 || getppid() != parent)
        _exit(127);
    execvp(args[0], (char *const *)(uintptr_t)args);
    fprintf(stderr, "%s: %s\n", args[0], strerror(errno));
    _exit(127);
}

static bool wait_for(pid_t child)
{
    int status = 0;
    while (waitpid(child, &status, 0) < 0)
        if (errno != EINTR)
            return false;
    return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

static void show_file(const char *path)
{
    char line[512];
    FILE *f = fopen(path, "re");
    if (f == NULL)
        return;
    while (fgets(line, sizeof line, f) != NULL)
        fprintf(stderr, "  %s", line);
    (void)fclose(f);
}

/* A command and its arguments up to NULL. false: it failed, and its output was shown. */
static bool run(const struct lab *lab, const char *program, ...) __attribute__((sentinel));
static bool run(const struct lab *lab, const char *program, ...)
{
    const char *args[ARGS_MAX + 1] = {program};
    char log[PATH_MAX];
    size_t count = 1;
    va_list more;
    va_start(more, program);
    while (count < ARGS_MAX && (args[count] = va_arg(more, const char *)) != NULL)
        count++;
    va_end(more);
    if (!join(log, "%s/output", lab->folder))
        return false;
    pid_t child = start(log, args);
    if (child > 0 && wait_for(child))
        return true;
    if (is_interrupted)
        return false;
    fprintf(stderr, "bench up: this failed:");
    for (size_t i = 0; i < count; i++)
        fprintf(stderr, " %s", args[i]);
    fputs("\n", stderr);
    show_file(log);
    return false;
}

/* The programs beside this one; as they are installed; by PATH. */
static bool find_programs(struct lab *lab)
{
    ssize_t len = readlink("/proc/self/exe", lab->ikebana, sizeof lab->ikebana - 1);
    if (len <= 0)
        return complain("/proc/self/exe");
    lab->ikebana[len] = '\0';
    const char *slash = strrchr(lab->ikebana, '/');
    int folder = slash == NULL ? 0 : (int)(slash - lab->ikebana);
    if (!join(lab->ikebanad, "%.*s/ikebanad", folder, lab->ikebana))
        return false;
    if (access(lab->ikebanad, X_OK) == 0)
        return true;
    if (!join(lab->ikebanad, "%.*s/../sbin/ikebanad", folder, lab->ikebana))
        return false;
    return access(lab->ikebanad, X_OK) == 0 || join(lab->ikebanad, "ikebanad");
}

/* ---- the two hosts ---- */

static bool enter(int ns)
{
    return setns(ns, CLONE_NEWNET) == 0;
}

static int current_ns(void)
{
    return open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
}

static bool write_config(const struct host *us, const struct host *peer, const char *path)
{
    FILE *f = fopen(path, "we");
    if (f == NULL)
        return complain(path);
    fprintf(
        f,
        "connections {\n bench {\n  version = 2\n  mobike = no\n  fragmentation = no\n"
        "  local_addrs = %s\n  remote_addrs = %s\n  proposals = aes128gcm16-prfsha256-x25519\n"
        "  local {\n   auth = psk\n   id = %s\n  }\n  remote {\n   auth = psk\n   id = %s\n  }\n"
        "  children {\n   lan {\n    esp_proposals = aes128gcm16\n"
        "    local_ts = %s/32\n    remote_ts = %s/32\n   }\n  }\n }\n}\n"
        "secrets {\n ike-bench {\n  secret = a-long-enough-secret-of-the-bench\n }\n}\n",
        us->outer, peer->outer, us->id, peer->id, us->inner, peer->inner);
    return fclose(f) == 0 || complain(path);
}

static bool set_addresses(const struct lab *lab, const struct host *h)
{
    char outer[64], inner[64];
    (void)snprintf(outer, sizeof outer, "%s/24", h->outer);
    (void)snprintf(inner, sizeof inner, "%s/32", h->inner);
    return (enter(h->ns) || complain("setns")) &&
           run(lab, "ip", "address", "add", outer, "dev", DEVICE, NULL) &&
           run(lab, "ip", "address", "add", inner, "dev", "lo", NULL) &&
           run(lab, "ip", "link", "set", "lo", "up", NULL) &&
           run(lab, "ip", "link", "set", DEVICE, "up", NULL);
}

/* In left's namespace. */
static bool open_tap(struct lab *lab)
{
    struct sockaddr_ll at = {.sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL)};
    int on = 1;
    lab->tap = socket(AF_PACKET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, htons(ETH_P_ALL));
    at.sll_ifindex = (int)if_nametoindex(DEVICE);
    return (lab->tap >= 0 && at.sll_ifindex != 0 &&
            setsockopt(lab->tap, SOL_SOCKET, SO_TIMESTAMPNS, &on, sizeof on) == 0 &&
            bind(lab->tap, (const struct sockaddr *)&at, sizeof at) == 0) ||
           complain("packet socket");
}

static bool start_network(struct lab *lab)
{
    char right[64];
    lab->home = current_ns();
    if (lab->home < 0 || unshare(CLONE_NEWNET) != 0 || (lab->left.ns = current_ns()) < 0 ||
        unshare(CLONE_NEWNET) != 0 || (lab->right.ns = current_ns()) < 0)
        return complain("network namespaces");
    (void)snprintf(right, sizeof right, "/proc/%d/fd/%d", (int)getpid(), lab->right.ns);
    bool ok = enter(lab->left.ns) &&
              run(lab, "ip", "link", "add", DEVICE, "type", "veth", "peer", "name", DEVICE, "netns",
                  right, NULL) &&
              set_addresses(lab, &lab->left) && open_tap(lab) && set_addresses(lab, &lab->right);
    return enter(lab->home) && ok;
}

static bool answers(const struct host *h)
{
    struct vici_link link = {.fd = -1};
    bool is_wrong_uri;
    bool ok = vici_connect(&link, h->uri, &is_wrong_uri);
    vici_disconnect(&link);
    return ok;
}

static bool start_daemon(struct lab *lab, struct host *h, const struct host *peer)
{
    char config[PATH_MAX], log[PATH_MAX];
    if (!join(h->folder, "%s/%s", lab->folder, h->name) ||
        !join(config, "%s/%s.conf", lab->folder, h->name) ||
        !join(log, "%s/%s.log", lab->folder, h->name) ||
        !join(h->uri, "unix://%s/%s.vici", lab->folder, h->name) ||
        !write_config(h, peer, config) || !enter(h->ns))
        return false;
    const char *const args[] = {lab->ikebanad, "--config", config,    "--vici",
                                h->uri,        "--state",  h->folder, NULL};
    double begin = now_ms();
    h->daemon = start(log, args);
    if (!enter(lab->home) || h->daemon <= 0)
        return complain("ikebanad");
    while (!answers(h)) {
        const struct timespec pause = {.tv_nsec = 500000};
        if (is_interrupted)
            return false;
        if (waitpid(h->daemon, NULL, WNOHANG) != 0 || now_ms() - begin > READY_S * 1e3) {
            h->daemon = 0;
            fprintf(stderr, "bench up: ikebanad does not run; its log:\n");
            show_file(log);
            return false;
        }
        (void)nanosleep(&pause, NULL);
    }
    lab->ready_ms = now_ms() - begin;
    return true;
}

static void stop_daemon(struct host *h)
{
    if (h->daemon <= 0)
        return;
    (void)kill(h->daemon, SIGTERM);
    for (double begin = now_ms(); now_ms() - begin < 3000;) {
        const struct timespec pause = {.tv_nsec = 5000000};
        if (waitpid(h->daemon, NULL, WNOHANG) != 0)
            return;
        (void)nanosleep(&pause, NULL);
    }
    (void)kill(h->daemon, SIGKILL);
    (void)wait_for(h->daemon);
}

static int remove_one(const char *path, const struct stat *s, int kind, struct FTW *where)
{
    (void)s;
    (void)kind;
    (void)where;
    (void)remove(path);
    return 0;
}

static void close_if_open(int fd)
{
    if (fd >= 0)
        (void)close(fd);
}

static void lab_clear(struct lab *lab)
{
    stop_daemon(&lab->left);
    stop_daemon(&lab->right);
    if (lab->folder[0] != '\0')
        (void)nftw(lab->folder, remove_one, 8, FTW_DEPTH | FTW_PHYS);
    close_if_open(lab->tap);
    close_if_open(lab->left.ns);
    close_if_open(lab->right.ns);
    close_if_open(lab->home);
}

static bool lab_start(struct lab *lab)
{
    const char *parent = getenv("TMPDIR");
    if (!join(lab->folder, "%s/ikebana-bench.XXXXXX",
              parent == NULL || *parent == '\0' ? "/tmp" : parent) ||
        mkdtemp(lab->folder) == NULL) {
        lab->folder[0] = '\0';
        return complain("a folder for sockets and logs");
    }
    return find_programs(lab) && start_network(lab) && start_daemon(lab, &lab->right, &lab->left) &&
           start_daemon(lab, &lab->left, &lab->right);
}

/* ---- measuring ---- */

/* First to last of the packets that wait in the tap, in ms; IKE's only: UDP from or to 500 or 4500.
 * The tap is empty afterwards. */
static double take_wire_ms(const struct lab *lab)
{
    double first = 0, last = 0;
    for (;;) {
        uint8_t packet[256];
        _Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(struct timespec))];
        struct iovec piece = {packet, sizeof packet};
        struct msghdr m = {.msg_iov = &piece,
                           .msg_iovlen = 1,
                           .msg_control = control,
                           .msg_controllen = sizeof control};
        ssize_t len = recvmsg(lab->tap, &m, MSG_TRUNC);
        if (len < 0)
            return (last - first) * 1e3;
        const struct cmsghdr *c = CMSG_FIRSTHDR(&m);
        if (len < 28 || packet[0] >> 4 != 4 || packet[9] != 17 || c == NULL ||
            c->cmsg_type != SCM_TIMESTAMPNS)
            continue;
        uint16_t to = (uint16_t)(packet[22] << 8 | packet[23]);
        uint16_t from = (uint16_t)(packet[20] << 8 | packet[21]);
        if (from != 500 && from != 4500 && to != 500 && to != 4500)
            continue;
        struct timespec t;
        memcpy(&t, CMSG_DATA(c), sizeof t);
        last = (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
        if (first <= 0)
            first = last;
    }
}

struct series {
    double at[RUNS];
};

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

static double median(struct series *s)
{
    qsort(s->at, RUNS, sizeof s->at[0], compare);
    return (s->at[RUNS / 2 - 1] + s->at[RUNS / 2]) / 2;
}

struct results {
    struct series whole, cpu, wire, start; /* ms */
    double limit_ms;
};

static bool measure(struct lab *lab, struct results *r)
{
    double bare_s = 0;
    for (int i = -WARM_UP; i < RUNS && !is_interrupted; i++) {
        (void)take_wire_ms(lab);
        double begin = now_ms(), cpu = children_cpu_ms();
        if (!run(lab, lab->ikebana, "--vici", lab->left.uri, "up", "bench", NULL))
            return false;
        double whole = now_ms() - begin, wire = take_wire_ms(lab);
        cpu = children_cpu_ms() - cpu;
        if (!run(lab, lab->ikebana, "--vici", lab->left.uri, "down", "bench", NULL))
            return false;
        begin = now_ms();
        if (!run(lab, lab->ikebana, "--version", NULL))
            return false;
        if (i < 0)
            continue;
        r->start.at[i] = now_ms() - begin;
        r->whole.at[i] = whole;
        r->cpu.at[i] = cpu;
        r->wire.at[i] = wire;
    }
    if (is_interrupted || !bare_handshake(BARE_ROUNDS, &bare_s))
        return false;
    r->limit_ms = bare_s * 2e3;
    return true;
}

static json_t *to_json(const struct lab *lab, struct results *r, FILE *table)
{
    double whole = median(&r->whole), cpu = median(&r->cpu);
    double wire = median(&r->wire), begin = median(&r->start);
    if (table != NULL)
        fprintf(table,
                "ikebana up, end to end, PSK, median (least) of %d, ms\n"
                "  whole command          %6.2f (%.2f)\n"
                "  CPU of the command     %6.2f (%.2f)\n"
                "  on the wire            %6.2f (%.2f)   first to last of its packets\n"
                "  ikebana --version      %6.2f (%.2f)   start of the process alone\n"
                "  limit                  %6.2f          bare crypto of both sides\n"
                "  ikebanad               %6.2f          from its start to an answer\n",
                RUNS, whole, r->whole.at[0], cpu, r->cpu.at[0], wire, r->wire.at[0], begin,
                r->start.at[0], r->limit_ms, lab->ready_ms);
    return json_pack("{s:s, s:f, s:s, s:f, s:f, s:f, s:f, s:f, s:f, s:f, s:i}", "name", "up",
                     "value", whole, "unit", "ms, median", "limit", r->limit_ms, "share",
                     r->limit_ms / whole, "least", r->whole.at[0], "cpu", cpu, "wire", wire,
                     "start", begin, "daemon_ready", lab->ready_ms, "runs", RUNS);
}

static json_t *bench(FILE *table)
{
    struct lab lab = {
        .left = {.name = "left",
                 .outer = "192.0.2.1",
                 .inner = "10.1.0.1",
                 .id = "left.example",
                 .ns = -1},
        .right = {.name = "right",
                  .outer = "192.0.2.2",
                  .inner = "10.2.0.1",
                  .id = "right.example",
                  .ns = -1},
        .home = -1,
        .tap = -1,
    };
    static struct results r;
    json_t *out = NULL;
    if (lab_start(&lab) && measure(&lab, &r))
        out = to_json(&lab, &r, table);
    lab_clear(&lab);
    return out;
}

json_t *bench_up(FILE *table)
{
    static const int signals[] = {SIGINT, SIGTERM, SIGHUP};
    struct sigaction before[3], ours = {.sa_handler = interrupt};
    if (geteuid() != 0) {
        fputs("bench up: needs root, for two network namespaces\n", stderr);
        return NULL;
    }
    for (size_t i = 0; i < 3; i++)
        (void)sigaction(signals[i], &ours, &before[i]);
    json_t *out = bench(table);
    for (size_t i = 0; i < 3; i++)
        (void)sigaction(signals[i], &before[i], NULL);
    if (out == NULL && is_interrupted)
        fputs("bench up: interrupted\n", stderr);
    return out;
}
