/* strongswan.conf: which of its sections count, and each key by its row of the table. */
#include "policy/daemon_conf.h"

#include "finding/finding.h"
#include "policy/daemon_keys.h"
#include "policy/report.h"
#include "policy/value.h"

/* In the order in which they are read: what comes later counts. charon-systemd falls back to
 * charon in strongSwan too. */
static const char *const ours[] = {"charon", "charon-systemd", "ikebanad"};

/* Sections of strongSwan's other programs and libraries, and of charon under its other names. */
static const char others[] =
    "charon-nm|charon-cmd|charon-tkm|charon-svc|libstrongswan|libimcv|libtls|libtnccs|libcharon|"
    "swanctl|pki|starter|aikgen|attest|conftest|imv_policy_manager|manager|medcli|medsrv|pacman|"
    "pool|pt-tls-client|scepclient|sec-updater|sw-collector|tpm_extendpcr|openac";

static const struct daemon_key *find_key(const char *name)
{
    for (size_t i = 0; i < daemon_key_count; i++) {
        if (strcmp(daemon_keys[i].name, name) == 0)
            return &daemon_keys[i];
    }
    return NULL;
}

static const char *nearest_key(const char *name)
{
    unsigned nearest_at = (unsigned)(strlen(name) / 3 + 1);
    const char *nearest = "";
    for (size_t i = 0; i < daemon_key_count; i++) {
        unsigned changes = policy_name_distance(name, daemon_keys[i].name);
        if (changes < nearest_at) {
            nearest_at = changes;
            nearest = daemon_keys[i].name;
        }
    }
    return nearest;
}

/* ---- one value ---- */

/* Decimal digits with at most one point among them, whatever the locale. */
static enum value_fit read_real(struct span text, double *out)
{
    struct reader r = reader_of(value_trim(text));
    double unit = 1;
    size_t digits = 0;
    bool is_behind_point = false;
    *out = 0;
    while (r.left.len > 0) {
        uint8_t c = take_u8(&r);
        if (c == '.' && !is_behind_point) {
            is_behind_point = true;
            continue;
        }
        if (c < '0' || c > '9' || ++digits > 30)
            return VALUE_BAD;
        if (is_behind_point)
            *out += (c - '0') * (unit /= 10);
        else
            *out = *out * 10 + (c - '0');
    }
    return digits > 0 ? VALUE_GOOD : VALUE_BAD;
}

static enum value_fit read_value(const struct daemon_key *k, struct span text, double *out)
{
    enum value_fit fit = VALUE_GOOD;
    uint64_t number = 0;
    bool flag = false;
    switch (k->type) {
    case DAEMON_VALUE_MS:
        fit = read_real(text, out);
        *out *= 1000;
        return fit;
    case DAEMON_VALUE_REAL:
        return read_real(text, out);
    case DAEMON_VALUE_NUMBER:
        fit = value_number(text, UINT64_MAX, &number);
        break;
    case DAEMON_VALUE_TIME:
        fit = value_time(text, &number);
        break;
    case DAEMON_VALUE_BOOL:
        fit = value_bool(text, &flag);
        number = flag;
        break;
    case DAEMON_VALUE_TEXT:
    case DAEMON_VALUE_ANY:
        break;
    }
    *out = (double)number;
    return fit;
}

static const char *expected_text(const struct daemon_key *k, struct arena *a)
{
    switch (k->type) {
    case DAEMON_VALUE_MS:
        return arena_text(a, "seconds from %s to %s", k->least_text, k->most_text);
    case DAEMON_VALUE_REAL:
    case DAEMON_VALUE_NUMBER:
        return arena_text(a, "a number from %s to %s", k->least_text, k->most_text);
    case DAEMON_VALUE_TIME:
        return arena_text(a, "a time such as 30s, 5m or 1h, from %s to %s seconds", k->least_text,
                          k->most_text);
    case DAEMON_VALUE_BOOL:
        return "yes or no";
    case DAEMON_VALUE_TEXT:
    case DAEMON_VALUE_ANY:
        break;
    }
    return "";
}

static void keep(const struct daemon_key *k, double value, struct daemon_conf *out)
{
    uint8_t *field = (uint8_t *)out + k->at;
    if (k->type == DAEMON_VALUE_REAL) {
        memcpy(field, &value, sizeof value);
    } else if (k->type == DAEMON_VALUE_BOOL) {
        bool flag = value > 0;
        memcpy(field, &flag, sizeof flag);
    } else {
        uint32_t number = (uint32_t)(value + 0.5);
        memcpy(field, &number, sizeof number);
    }
}

static void read_setting(struct place *p, const struct daemon_key *k, const struct setting *s,
                         struct daemon_conf *out)
{
    double value;
    enum value_fit fit = read_value(k, s->value, &value);
    if (s->is_list || fit == VALUE_BAD || value < k->least || value > k->most) {
        policy_report_setting(p, CAUSE_CONF_BAD_VALUE, s, expected_text(k, p->found->arena), "");
        return;
    }
    if (fit == VALUE_ODD)
        policy_report_setting(p, CAUSE_CONF_ODD_VALUE, s, expected_text(k, p->found->arena),
                              arena_text(p->found->arena, ", taken as %.0f", value));
    keep(k, value, out);
}

/* Does the value ask for what is done anyway? */
static bool asks_for_usual(const struct daemon_key *k, const struct setting *s)
{
    double asked, usual;
    if (k->as[0] == '\0' || s->is_list)
        return false;
    return read_value(k, s->value, &asked) == VALUE_GOOD &&
           read_value(k, span_text(k->as), &usual) == VALUE_GOOD && asked >= usual &&
           asked <= usual;
}

/* ---- sections ---- */

static void name_unknown(struct place *p, struct finding *f, const char *name)
{
    if (policy_key_find("connections.<conn>", name, false) != NULL)
        f->nearest = arena_text(p->found->arena, "%s in connections.<conn> of swanctl.conf", name);
    else
        f->nearest = nearest_key(name);
}

/* strongSwan's own sections may have keys of versions that we do not know. */
static enum cause unknown_cause(bool is_ours)
{
    return is_ours ? CAUSE_CONF_UNKNOWN_KEY : CAUSE_CONF_SETTINGS_UNKNOWN;
}

static const char *because(const struct daemon_key *k, struct arena *a)
{
    return arena_text(a, " (%s)", k->note);
}

static void read_section(struct place *p, const struct section *s, bool is_ours,
                         struct daemon_conf *out)
{
    struct arena *a = p->found->arena;
    for (const struct setting *each = s->settings; each != NULL; each = each->next) {
        const struct daemon_key *k = find_key(each->name);
        if (k == NULL)
            name_unknown(p,
                         policy_report_setting(p, unknown_cause(is_ours), each,
                                               "a key of charon in strongswan.conf", ""),
                         each->name);
        else if (k->verdict == DAEMON_KEY_READ)
            read_setting(p, k, each, out);
        else if (k->verdict == DAEMON_KEY_IDLE)
            policy_report_setting(p, CAUSE_CONF_SETTINGS_IDLE, each, "", because(k, a));
        else if (!asks_for_usual(k, each))
            policy_report_setting(p, CAUSE_CONF_SETTINGS_NOT_SERVED, each,
                                  k->as[0] == '\0' ? "not set"
                                                   : arena_text(a, "%s, or not set", k->as),
                                  because(k, a));
    }
    for (const struct section *each = s->sections; each != NULL; each = each->next) {
        const struct daemon_key *k = find_key(each->name);
        if (k != NULL && k->type == DAEMON_VALUE_ANY)
            policy_report_section(p, CAUSE_CONF_SETTINGS_IDLE, each, "", because(k, a));
        else
            name_unknown(p,
                         policy_report_section(p, unknown_cause(is_ours), each,
                                               "a section of charon in strongswan.conf", ""),
                         each->name);
    }
}

static bool is_our_section(const char *name)
{
    for (size_t i = 0; i < sizeof ours / sizeof ours[0]; i++) {
        if (strcmp(name, ours[i]) == 0)
            return true;
    }
    return false;
}

/* Outside of the sections that are read. */
static void read_rest(const struct section *root, struct findings *found)
{
    struct place p = {.found = found, .scope = "", .path = ""};
    for (const struct setting *each = root->settings; each != NULL; each = each->next)
        name_unknown(&p,
                     policy_report_setting(&p, CAUSE_CONF_SETTINGS_UNKNOWN, each,
                                           "sections such as charon { }", ""),
                     each->name);
    for (const struct section *each = root->sections; each != NULL; each = each->next) {
        if (is_our_section(each->name) || each->is_referenced ||
            value_is_word(span_text(each->name), others))
            continue;
        struct finding *f = policy_report_section(&p, CAUSE_CONF_SETTINGS_UNKNOWN, each,
                                                  "the sections charon and ikebanad", "");
        for (size_t i = 0; i < sizeof ours / sizeof ours[0]; i++) {
            if (policy_name_distance(each->name, ours[i]) <= 2)
                f->nearest = ours[i];
        }
    }
}

void policy_daemon_conf_default(struct daemon_conf *out)
{
    *out = (struct daemon_conf){0};
    for (size_t i = 0; i < daemon_key_count; i++) {
        if (daemon_keys[i].verdict == DAEMON_KEY_READ)
            keep(&daemon_keys[i], daemon_keys[i].fallback, out);
    }
}

bool policy_daemon_conf_read(const struct section *root, struct daemon_conf *out,
                             struct findings *found)
{
    bool has_failed = false;
    policy_daemon_conf_default(out);
    for (size_t i = 0; i < sizeof ours / sizeof ours[0]; i++) {
        const struct section *s = settings_find_section(root, ours[i]);
        struct place p = {.found = found, .scope = ours[i], .path = ours[i]};
        if (s != NULL)
            read_section(&p, s, strcmp(ours[i], "ikebanad") == 0, out);
        has_failed = has_failed || p.failed;
    }
    read_rest(root, found);
    if (!has_failed && out->port == out->nat_port) {
        struct finding *f = findings_add(found, CAUSE_CONF_BAD_VALUE);
        f->param = "charon.port_nat_t";
        f->expected = "another port than charon.port";
        f->seen = arena_text(found->arena, "%u for both", out->port);
        has_failed = true;
    }
    return !has_failed && !found->is_lost;
}
