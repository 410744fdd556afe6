#include "life.h"

#include "engine/inside.h"

static const char config[] = "connections {\n"
                             "  tunnel {\n"
                             "    version = 2\n"
                             "    mobike = no\n"
                             "    fragmentation = yes\n"
                             "    remote_addrs = %s\n"
                             "    proposals = aes128gcm16-prfsha256-x25519, "
                             "aes256-sha256-x25519\n"
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
                             "        esp_proposals = aes128gcm16-x25519\n"
                             "        local_ts = 10.%d.0.0/16\n"
                             "        remote_ts = 10.%d.0.0/16\n"
                             "        rekey_time = 0\n"
                             "      }\n"
                             "      two {\n"
                             "        esp_proposals = aes128-sha256, aes128gcm16\n"
                             "        local_ts = 10.1%d.0.0/16[tcp/80], fec0:%d::/32\n"
                             "        remote_ts = 10.1%d.0.0/16[tcp], fec0:%d::/32\n"
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

bool life_begin(struct sim *s, const struct engine_options *left,
                const struct engine_options *right)
{
    char text[2048];
    sim_init(s);
    struct sim_host *l = sim_add_host(s, "left", "192.0.2.1", left);
    struct sim_host *r = sim_add_host(s, "right", "192.0.2.2", right);
    if (l == NULL || r == NULL)
        return false;
    snprintf(text, sizeof text, config, "192.0.2.2", "left.example", 1, 2, 1, 1, 2, 2);
    bool ok = sim_load(l, text);
    snprintf(text, sizeof text, config, "192.0.2.1", "right.example", 2, 1, 2, 2, 1, 1);
    return ok && sim_load(r, text);
}

void life_command(struct sim *s, unsigned step)
{
    static const struct {
        const char *host;
        enum command_kind kind;
        const char *child;
    } steps[LIFE_STEPS] = {
        {"left", CMD_INITIATE, "net"},   {"right", CMD_INITIATE, "two"}, {"left", CMD_REKEY, "two"},
        {"right", CMD_REKEY, "net"},     {"left", CMD_REKEY, NULL},      {"right", CMD_REKEY, NULL},
        {"right", CMD_TERMINATE, "net"}, {"left", CMD_TERMINATE, NULL},
    };
    sim_command(sim_host(s, steps[step].host), steps[step].kind, "tunnel", steps[step].child, 0, 0,
                false);
}

static const char *what_is_left(const struct sim_host *h)
{
    const struct world *w = &h->engine->world;
    if (w->live != 0)
        return "an IKE SA";
    if (h->sa_count != 0 || w->by_child.count != 0)
        return "a CHILD SA";
    if (h->policy_count != 0)
        return "a policy";
    if (w->by_esp_spi.count != 0)
        return "an ESP SPI";
    if (w->by_spi.count != 0 || w->by_conn.count != 0)
        return "an IKE SPI";
    if (w->half_open.count != 0 || w->half_open_by_spi.count != 0 || w->by_address.count != 0 ||
        w->counters.half_open != 0)
        return "a half-open SA";
    if (w->waiting.count != 0)
        return "a command without outcome";
    return NULL;
}

const char *life_end(struct sim *s)
{
    enum { LONG_MS = 400000 };
    sim_run_ms(s, LONG_MS);
    for (size_t i = 0; i < s->host_count; i++)
        sim_command(&s->hosts[i], CMD_TERMINATE, "tunnel", NULL, 0, 0, true);
    sim_run_ms(s, LONG_MS);
    if (s->broken != 0)
        return s->broken_text;
    const char *left = what_is_left(&s->hosts[0]);
    return left != NULL ? left : what_is_left(&s->hosts[1]);
}
