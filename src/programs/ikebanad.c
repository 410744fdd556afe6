/* The daemon: reads its options, starts workers, control socket, history and log, and waits for
 * signals. Everything that it does stands in src/edge; this is who starts what, and in which order
 * it ends. */
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <ikebana/status.h>

#include "edge/clock.h"
#include "edge/config_load.h"
#include "edge/daemon.h"
#include "edge/history.h"
#include "edge/output.h"
#include "edge/settings_load.h"
#include "edge/vici_server.h"

enum { EXIT_OK = 0, EXIT_CANNOT_RUN = 1, EXIT_WRONG_USE = 2, WORKERS_LIMIT = 64 };

#define DEFAULT_VICI "unix:///run/ikebana.vici"
#define DEFAULT_STATE "/var/lib/ikebana"

struct options {
    const char *config, *settings, *vici, *state, *tun;
    enum log_level level;
    unsigned workers;
    uint16_t port, nat_port; /* 0: as the settings say */
};

struct program {
    struct options options;
    struct output output;
    struct daemon *daemon;
    struct config_loader *loader;
    struct history *history;
    struct vici_server *vici;
    uv_signal_t term, interrupt, hangup;
    struct arena arena;
    bool is_running, is_ending, is_clean;
};

/* ---- options ---- */

static const char usage[] =
    "Usage: ikebanad [OPTION]...\n"
    "The IPsec/IKEv2 daemon that says why. It stays in the foreground.\n"
    "\n"
    "  --config FILE      swanctl.conf to load; without it the daemon starts empty\n"
    "  --settings FILE    strongswan.conf to read at the start (the environment's "
    "STRONGSWAN_CONF)\n"
    "  --vici URI         control socket (" DEFAULT_VICI ", tcp://127.0.0.1:PORT)\n"
    "  --state DIR        where the history is kept (" DEFAULT_STATE ")\n"
    "  --log-level LEVEL  error, warning, notice, info, debug (info)\n"
    "  --workers N        threads with an engine each, 1 to 64 (1)\n"
    "  --port N           UDP port of IKE (charon.port of the settings, 500)\n"
    "  --nat-port N       UDP port of IKE and ESP behind NAT (charon.port_nat_t, 4500)\n"
    "  --tun NAME         name of the TUN device (ikebana%d)\n"
    "  --no-tun           no TUN device: SAs are negotiated, traffic is not carried\n"
    "  --version          print the version and exit\n"
    "  --help             print this and exit\n"
    "\n"
    "SIGHUP loads FILE again. SIGTERM and SIGINT close all SAs and end the daemon.\n"
    "Exit status: 0 ended as told; 1 it could not start (the log says why); 2 wrong use.\n";

static bool parse_number(const char *text, unsigned least, unsigned most, unsigned *out)
{
    char *end;
    errno = 0;
    unsigned long v = strtoul(text, &end, 10);
    if (errno != 0 || end == text || *end != '\0' || text[0] == '-' || v < least || v > most)
        return false;
    *out = (unsigned)v;
    return true;
}

static int wrong_use(const char *option, const char *expected, const char *seen)
{
    fprintf(stderr, "ikebanad: %s expects %s, not \"%s\"\n", option, expected, seen);
    return EXIT_WRONG_USE;
}

/* An exit status, or -1 to go on. */
static int parse_options(int argc, char **argv, struct options *o)
{
    enum {
        CONFIG = 1,
        SETTINGS,
        VICI,
        STATE,
        LEVEL,
        WORKERS,
        PORT,
        NAT_PORT,
        TUN,
        NO_TUN,
        VERSION,
        HELP
    };
    static const struct option known[] = {
        {"config", required_argument, NULL, CONFIG},
        {"settings", required_argument, NULL, SETTINGS},
        {"vici", required_argument, NULL, VICI},
        {"state", required_argument, NULL, STATE},
        {"log-level", required_argument, NULL, LEVEL},
        {"workers", required_argument, NULL, WORKERS},
        {"port", required_argument, NULL, PORT},
        {"nat-port", required_argument, NULL, NAT_PORT},
        {"tun", required_argument, NULL, TUN},
        {"no-tun", no_argument, NULL, NO_TUN},
        {"version", no_argument, NULL, VERSION},
        {"help", no_argument, NULL, HELP},
        {NULL, 0, NULL, 0},
    };
    *o = (struct options){.settings = getenv("STRONGSWAN_CONF"),
                          .vici = DEFAULT_VICI,
                          .state = DEFAULT_STATE,
                          .tun = "ikebana%d",
                          .level = LOG_LEVEL_INFO,
                          .workers = 1};
    if (o->settings != NULL && o->settings[0] == '\0')
        o->settings = NULL;
    unsigned number;
    int which;
    while ((which = getopt_long(argc, argv, "", known, NULL)) != -1) {
        switch (which) {
        case CONFIG:
            o->config = optarg;
            break;
        case SETTINGS:
            o->settings = optarg;
            break;
        case VICI:
            o->vici = optarg;
            break;
        case STATE:
            o->state = optarg;
            break;
        case LEVEL:
            if (!output_parse_level(optarg, &o->level))
                return wrong_use("--log-level", "error, warning, notice, info or debug", optarg);
            break;
        case WORKERS:
            if (!parse_number(optarg, 1, WORKERS_LIMIT, &o->workers))
                return wrong_use("--workers", "a number from 1 to 64", optarg);
            break;
        case PORT:
            if (!parse_number(optarg, 1, 65535, &number))
                return wrong_use("--port", "a port from 1 to 65535", optarg);
            o->port = (uint16_t)number;
            break;
        case NAT_PORT:
            if (!parse_number(optarg, 1, 65535, &number))
                return wrong_use("--nat-port", "a port from 1 to 65535", optarg);
            o->nat_port = (uint16_t)number;
            break;
        case TUN:
            if (optarg[0] == '\0' || strlen(optarg) > 15 || strchr(optarg, '/') != NULL)
                return wrong_use("--tun", "an interface name of at most 15 characters", optarg);
            o->tun = optarg;
            break;
        case NO_TUN:
            o->tun = NULL;
            break;
        case VERSION:
            printf("ikebanad %s\n", ikebana_version());
            return EXIT_OK;
        case HELP:
            fputs(usage, stdout);
            return EXIT_OK;
        default: /* getopt has said what is wrong */
            fputs("Try \"ikebanad --help\".\n", stderr);
            return EXIT_WRONG_USE;
        }
    }
    if (optind < argc)
        return wrong_use("ikebanad", "options only", argv[optind]);
    if (o->port != 0 && o->port == o->nat_port)
        return wrong_use("--nat-port", "another port than --port", "the same");
    return -1;
}

/* ---- the service manager ---- */

/* One datagram of assignments to $NOTIFY_SOCKET; a name that begins with @ is abstract. */
static void notify(const char *text)
{
    const char *path = getenv("NOTIFY_SOCKET");
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    size_t len = path == NULL ? 0 : strlen(path);
    if (len == 0 || len >= sizeof at.sun_path || (path[0] != '/' && path[0] != '@'))
        return;
    memcpy(at.sun_path, path, len);
    if (at.sun_path[0] == '@')
        at.sun_path[0] = '\0';
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return;
    if (sendto(fd, text, strlen(text), MSG_NOSIGNAL, (struct sockaddr *)&at,
               (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len)) < 0) {
        /* nobody listens: then nobody waits */
    }
    close(fd);
}

static void notify_reloading(void)
{
    char text[96];
    snprintf(text, sizeof text, "RELOADING=1\nMONOTONIC_USEC=%lld",
             (long long)(clock_now().ns / 1000));
    notify(text);
}

/* ---- configuration ---- */

/* One line for each finding. true: there is a failure among them. */
static bool print_findings(struct program *p, const struct findings *found)
{
    bool has_failure = false;
    for (size_t i = 0; i < found->count; i++) {
        output_finding(&p->output, &found->at[i]);
        has_failure |= ikebana_cause_row(found->at[i].cause)->severity == SEVERITY_FAILURE;
    }
    return has_failure;
}

static bool load_config(struct program *p)
{
    struct findings found = {.arena = &p->arena};
    bool is_loaded = config_loader_load(p->loader, p->options.config, &found);
    bool has_failure = print_findings(p, &found);
    if (!is_loaded)
        output_line(&p->output, LOG_LEVEL_ERROR, "%s was not loaded%s", p->options.config,
                    p->is_running ? ": what runs stays as it is" : "");
    else
        output_line(&p->output, has_failure ? LOG_LEVEL_WARNING : LOG_LEVEL_NOTICE,
                    "%s: %zu connections and %zu secrets are loaded%s", p->options.config,
                    config_loader_conns(p->loader), config_loader_psks(p->loader),
                    has_failure ? ", the rest is left out" : "");
    arena_reset(&p->arena);
    return is_loaded;
}

static void hung_up(uv_signal_t *handle, int number)
{
    (void)number;
    struct program *p = handle->data;
    if (p->is_ending)
        return;
    if (p->options.config == NULL) {
        output_line(&p->output, LOG_LEVEL_NOTICE, "SIGHUP: no --config, nothing to load again");
        return;
    }
    notify_reloading();
    load_config(p);
    notify("READY=1");
}

/* ---- the end ---- */

static void close_signals(struct program *p)
{
    uv_close((uv_handle_t *)&p->term, NULL);
    uv_close((uv_handle_t *)&p->interrupt, NULL);
    uv_close((uv_handle_t *)&p->hangup, NULL);
}

static void stopped(void *context, bool is_clean)
{
    struct program *p = context;
    p->is_clean = is_clean;
    vici_server_stop(p->vici);
    p->vici = NULL;
    history_close(p->history);
    p->history = NULL;
    close_signals(p);
    /* With its watcher gone, one more signal would end us as if we had failed: all is done but the
     * freeing. */
    signal(SIGTERM, SIG_IGN);
    signal(SIGINT, SIG_IGN);
    signal(SIGHUP, SIG_IGN);
    uv_stop(daemon_loop(p->daemon));
}

static void told_to_end(uv_signal_t *handle, int number)
{
    struct program *p = handle->data;
    if (p->is_ending) {
        output_line(&p->output, LOG_LEVEL_WARNING, "%s again: leaving at once",
                    number == SIGINT ? "SIGINT" : "SIGTERM");
        daemon_leave(p->daemon);
        fflush(stderr);
        _exit(EXIT_OK);
    }
    p->is_ending = true;
    output_line(&p->output, LOG_LEVEL_NOTICE, "%s: closing all SAs",
                number == SIGINT ? "SIGINT" : "SIGTERM");
    notify("STOPPING=1");
    daemon_stop(p->daemon, stopped, p);
}

/* ---- the beginning ---- */

static void watch(struct program *p, uv_signal_t *handle, int number, uv_signal_cb called)
{
    uv_signal_init(daemon_loop(p->daemon), handle);
    handle->data = p;
    uv_signal_start(handle, called, number);
}

static void history_fault_line(void *context, const struct finding *f)
{
    struct program *p = context;
    output_finding(&p->output, f);
}

static void open_history(struct program *p)
{
    if (mkdir(p->options.state, 0750) != 0 && errno != EEXIST)
        output_line(&p->output, LOG_LEVEL_WARNING, "%s: %s; the history is kept in memory",
                    p->options.state, strerror(errno));
    const char *path = arena_text(&p->arena, "%s/history.db", p->options.state);
    p->history = history_open(daemon_loop(p->daemon), path, NULL, history_fault_line, p);
    if (p->history != NULL)
        history_follow(p->history, p->daemon);
}

/* Options of the command line have precedence. */
static bool read_settings(struct program *p, struct daemon_options *o)
{
    struct findings found = {.arena = &p->arena};
    struct daemon_conf conf;
    bool ok = settings_load(p->options.settings, &conf, &found);
    print_findings(p, &found);
    if (!ok) {
        output_line(&p->output, LOG_LEVEL_ERROR, "%s was not loaded", p->options.settings);
        return false;
    }
    if (p->options.port == 0)
        p->options.port = (uint16_t)conf.port;
    if (p->options.nat_port == 0)
        p->options.nat_port = (uint16_t)conf.nat_port;
    if (p->options.port == p->options.nat_port) {
        output_line(&p->output, LOG_LEVEL_ERROR, "the ports of IKE and of NAT are both %u",
                    p->options.port);
        return false;
    }
    o->port = p->options.port;
    o->nat_port = p->options.nat_port;
    settings_for_engine(&conf, &o->engine);
    return true;
}

static bool start(struct program *p)
{
    struct findings found = {.arena = &p->arena};
    struct daemon_options o = {.workers = p->options.workers, .tun = p->options.tun};
    if (!read_settings(p, &o))
        return false;
    bool ok = daemon_start(p->daemon, &o, &found);
    print_findings(p, &found);
    if (ok && daemon_tun(p->daemon)[0] == '\0')
        output_line(&p->output, LOG_LEVEL_WARNING,
                    "no TUN device%s: SAs are negotiated, traffic is not carried",
                    p->options.tun == NULL ? " (--no-tun)" : "");
    return ok;
}

static bool open_control(struct program *p)
{
    struct finding why;
    p->vici = vici_server_start(p->daemon, p->options.vici, p->history, &why);
    if (p->vici == NULL) {
        output_finding(&p->output, &why);
        return false;
    }
    vici_server_set_loader(p->vici, config_loader_serve, p->loader);
    return true;
}

static int run(struct program *p)
{
    open_history(p);
    output_follow(&p->output, p->daemon); /* behind the history, which numbers the records */
    bool ok = start(p) && open_control(p);
    if (ok && p->options.config != NULL)
        ok = load_config(p);
    if (!ok) {
        output_line(&p->output, LOG_LEVEL_ERROR, "ikebanad cannot start");
        vici_server_stop(p->vici);
        history_close(p->history);
        return EXIT_CANNOT_RUN;
    }
    p->is_running = true;
    watch(p, &p->term, SIGTERM, told_to_end);
    watch(p, &p->interrupt, SIGINT, told_to_end);
    watch(p, &p->hangup, SIGHUP, hung_up);
    output_line(&p->output, LOG_LEVEL_NOTICE,
                "ikebanad %s is ready: ports %u and %u, %u worker%s, device %s, control %s",
                ikebana_version(), p->options.port, p->options.nat_port, p->options.workers,
                p->options.workers == 1 ? "" : "s",
                daemon_tun(p->daemon)[0] == '\0' ? "none" : daemon_tun(p->daemon), p->options.vici);
    notify("READY=1");
    uv_run(daemon_loop(p->daemon), UV_RUN_DEFAULT);
    output_line(&p->output, LOG_LEVEL_NOTICE, "ikebanad has ended");
    if (!p->is_clean) {
        fflush(stderr);
        _exit(EXIT_OK); /* a thread still waits for a name server */
    }
    return EXIT_OK;
}

/* Keys must not reach a core file; 64 workers and 512 control clients need more descriptors than
 * the 1024 that a shell gives. */
static void set_limits(void)
{
    struct rlimit limit = {0, 0};
    setrlimit(RLIMIT_CORE, &limit);
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
}

int main(int argc, char **argv)
{
    static struct program p;
    int status = parse_options(argc, argv, &p.options);
    if (status >= 0)
        return status;
    signal(SIGPIPE, SIG_IGN);
    set_limits();
    if (!output_init(&p.output, p.options.level) || !arena_init(&p.arena) ||
        (p.daemon = daemon_new()) == NULL || (p.loader = config_loader_new(p.daemon)) == NULL) {
        fputs("ikebanad: out of memory\n", stderr);
        return EXIT_CANNOT_RUN;
    }
    status = run(&p);
    config_loader_free(p.loader);
    daemon_free(p.daemon);
    arena_clear(&p.arena);
    output_clear(&p.output);
    return status;
}
