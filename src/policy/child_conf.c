/* connections.<conn>.children.<child>: every key that is served, and the lifetimes that follow from
 * each other. */
#include "finding/finding.h"
#include "policy/conn_read.h"
#include "policy/value.h"

enum { REPLAY_WINDOW_DEFAULT = 64, REPLAY_WINDOW_MAX = 4096 };

static const uint64_t REKEY_TIME_DEFAULT_S = 3600;

static void read_mode(struct place *p, struct arena *a, const struct setting *s,
                      const struct field *f, void *into)
{
    (void)a, (void)f;
    struct child_conf *child = into;
    struct span text;
    if (!policy_one_value(p, s, &text))
        return;
    if (value_is_word(text, "tunnel|transport")) {
        child->mode = value_is_word(text, "tunnel") ? MODE_TUNNEL : MODE_TRANSPORT;
        return;
    }
    const struct policy_key *k = policy_key_find(p->scope, s->name, false);
    if (value_is_word(text, "pass"))
        child->mode = MODE_PASS;
    else if (value_is_word(text, "drop"))
        child->mode = MODE_DROP;
    else if (value_is_word(text, k->words))
        policy_report_setting(p, CAUSE_CONF_NOT_SERVED, s, "tunnel, transport, pass or drop", "");
    else
        policy_report_setting(p, CAUSE_CONF_BAD_VALUE, s, "", "");
}

static bool parse_action(struct span text, uint32_t *out)
{
    if (value_is_word(text, "trap|route"))
        *out |= ACTION_TRAP;
    else if (value_is_word(text, "start|restart"))
        *out |= ACTION_START;
    else
        return value_is_word(text, "none|clear");
    return true;
}

/* "trap|start" in either order, blanks allowed. */
static bool parse_actions(struct span text, bool may_join, uint32_t *out)
{
    struct reader r = reader_of(text);
    *out = 0;
    while (may_join && r.left.len > 0) {
        size_t len = 0;
        while (len < r.left.len && r.left.at[len] != '|')
            len++;
        if (!parse_action(value_trim(take(&r, len)), out))
            return false;
        if (r.left.len > 0)
            take_u8(&r);
    }
    return may_join || parse_action(text, out);
}

static void read_action(struct place *p, struct arena *a, const struct setting *s,
                        const struct field *f, void *into)
{
    (void)a;
    struct span text;
    uint32_t actions;
    if (!policy_one_value(p, s, &text))
        return;
    bool is_dpd = strcmp(s->name, "dpd_action") == 0;
    const char *expected =
        is_dpd ? "clear, trap or restart" : "none, trap or start, or both as trap|start";
    if (!parse_actions(text, !is_dpd, &actions))
        policy_report_setting(p, CAUSE_CONF_BAD_VALUE, s, expected, "");
    else
        memcpy((uint8_t *)into + f->at, &actions, sizeof actions);
    if (text.len == 0)
        policy_report_setting(p, CAUSE_CONF_ODD_VALUE, s, expected, " (read as none)");
}

static void read_copy_dscp(struct place *p, struct arena *a, const struct setting *s,
                           const struct field *f, void *into)
{
    (void)a, (void)f;
    static const struct {
        const char *word;
        enum copy_dscp copy;
    } words[] = {
        {"out", COPY_DSCP_OUT}, {"in", COPY_DSCP_IN}, {"yes", COPY_DSCP_YES}, {"no", COPY_DSCP_NO}};
    struct child_conf *child = into;
    struct span text;
    if (!policy_one_value(p, s, &text))
        return;
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        if (value_is_word(text, words[i].word)) {
            child->copy_dscp = words[i].copy;
            return;
        }
    }
    policy_report_setting(p, CAUSE_CONF_BAD_VALUE, s, "", "");
}

static void read_replay_window(struct place *p, struct arena *a, const struct setting *s,
                               const struct field *f, void *into)
{
    (void)a, (void)f;
    struct child_conf *child = into;
    struct span text;
    uint64_t value;
    if (!policy_one_value(p, s, &text))
        return;
    enum value_fit fit = value_number(text, REPLAY_WINDOW_MAX, &value);
    static const char expected[] = "a number of packets from 0 to 4096";
    if (fit == VALUE_BAD)
        policy_report_setting(p, CAUSE_CONF_BAD_VALUE, s, expected, "");
    else if (fit == VALUE_ODD)
        policy_report_setting(p, CAUSE_CONF_ODD_VALUE, s, expected,
                              arena_text(p->found->arena, " (read as %u)", (unsigned)value));
    if (fit != VALUE_BAD)
        child->replay_window = (uint32_t)value;
}

/* Octets that inner packets are padded to, or "mtu" (in small letters, as charon wants it). */
static void read_tfc_padding(struct place *p, struct arena *a, const struct setting *s,
                             const struct field *f, void *into)
{
    (void)a, (void)f;
    static const char expected[] = "a number of octets up to 65534, or mtu";
    struct child_conf *child = into;
    struct span text;
    uint64_t value = 0;
    if (!policy_one_value(p, s, &text))
        return;
    if (span_equal(text, span_text("mtu"))) {
        child->tfc_padding = TFC_PADDING_MTU;
        return;
    }
    enum value_fit fit = value_number(text, UINT32_MAX, &value);
    if (fit == VALUE_BAD) {
        policy_report_setting(p, CAUSE_CONF_BAD_VALUE, s, expected, "");
        return;
    }
    child->tfc_padding = value < TFC_PADDING_MTU ? (uint32_t)value : TFC_PADDING_MTU - 1;
    if (fit == VALUE_ODD || value >= TFC_PADDING_MTU)
        policy_report_setting(
            p, CAUSE_CONF_ODD_VALUE, s, expected,
            arena_text(p->found->arena, " (read as %u)", (unsigned)child->tfc_padding));
}

/* As with strongSwan on a kernel without IPComp: it is not negotiated. */
static void read_ipcomp(struct place *p, struct arena *a, const struct setting *s,
                        const struct field *f, void *into)
{
    (void)a, (void)f, (void)into;
    struct span text;
    bool wants;
    if (!policy_one_value(p, s, &text))
        return;
    if (value_bool(text, &wants) == VALUE_BAD)
        policy_report_setting(p, CAUSE_CONF_BAD_VALUE, s, "", "");
    else if (wants)
        policy_report_setting(p, CAUSE_CONF_ODD_VALUE, s, "no: packets are not compressed",
                              " (read as no)");
}

static void read_selector(struct place *p, struct arena *a, const struct setting *s,
                          struct span item, void *into)
{
    struct selectors *out = into;
    const char *why = "";
    if (out->count == SELECTORS_MAX) {
        policy_report_setting(p, CAUSE_CONF_BAD_VALUE, s, "at most 64 selectors", "");
        return;
    }
    if (policy_parse_selector(item, &out->at[out->count], a, &why)) {
        out->count++;
        return;
    }
    struct arena *fa = p->found->arena;
    policy_report_setting(
        p, CAUSE_CONF_BAD_VALUE, s,
        "dynamic, a network, an address or a range, each with [protocol/port] behind it if wanted",
        arena_text(fa, " (\"%s\": %s)", arena_escape(fa, item, 100), why));
}

static void set_dynamic(struct selectors *out, struct arena *a)
{
    const char *why;
    if (out->count == 0 && policy_parse_selector(span_text("dynamic"), &out->at[0], a, &why))
        out->count = 1;
}

static void read_selectors(struct place *p, struct arena *a, const struct setting *s,
                           const struct field *f, void *into)
{
    struct selectors *out = (struct selectors *)(void *)((uint8_t *)into + f->at);
    size_t count = policy_count_items(s);
    out->count = 0;
    out->at = arena_array(a, count > SELECTORS_MAX ? SELECTORS_MAX : count + 1, sizeof *out->at);
    if (out->at == NULL)
        return; /* the caller asks the arena */
    if (count > SELECTORS_MAX)
        policy_report_setting(p, CAUSE_CONF_BAD_VALUE, s, "at most 64 selectors", "");
    else if (count == 0)
        policy_report_setting(p, CAUSE_CONF_ODD_VALUE, s, "a list of selectors",
                              " (read as dynamic)");
    else
        policy_read_items(p, a, s, read_selector, out);
}

static void read_esp_proposals(struct place *p, struct arena *a, const struct setting *s,
                               const struct field *f, void *into)
{
    struct child_conf *child = into;
    policy_read_proposals(p, a, s, PROTOCOL_ESP, f->name, &child->esp_proposals);
}

#define AT(name) offsetof(struct child_conf, name)

static const struct field fields[] = {
    {"esp_proposals", read_esp_proposals, 0, 0},
    {"local_ts", read_selectors, AT(local_ts), 0},
    {"remote_ts", read_selectors, AT(remote_ts), 0},
    {"mode", read_mode, 0, 0},
    {"rekey_time", policy_read_time, AT(rekey_time_s), 0},
    {"life_time", policy_read_time, AT(life_time_s), 0},
    {"rand_time", policy_read_time, AT(rand_time_s), 0},
    {"rekey_bytes", policy_read_bytes, AT(rekey_bytes), 0},
    {"life_bytes", policy_read_bytes, AT(life_bytes), 0},
    {"rand_bytes", policy_read_bytes, AT(rand_bytes), 0},
    {"rekey_packets", policy_read_u64, AT(rekey_packets), 0},
    {"life_packets", policy_read_u64, AT(life_packets), 0},
    {"rand_packets", policy_read_u64, AT(rand_packets), 0},
    {"replay_window", read_replay_window, 0, 0},
    {"start_action", read_action, AT(start_action), 0},
    {"dpd_action", read_action, AT(dpd_action), 0},
    {"close_action", read_action, AT(close_action), 0},
    {"inactivity", policy_read_time, AT(inactivity_s), 0},
    {"tfc_padding", read_tfc_padding, 0, 0},
    {"ipcomp", read_ipcomp, 0, 0},
    {"policies", policy_read_bool, AT(has_policies), 0},
    {"copy_df", policy_read_bool, AT(copy_df), 0},
    {"copy_ecn", policy_read_bool, AT(copy_ecn), 0},
    {"copy_dscp", read_copy_dscp, 0, 0},
    {"reqid", policy_read_u32, AT(reqid), 0},
    {"priority", policy_read_u32, AT(priority), 0},
};

static uint64_t times_11_10(uint64_t x)
{
    return x > UINT64_MAX / 11 ? UINT64_MAX - 1 : x * 11 / 10;
}

static uint64_t times_10_11(uint64_t x)
{
    return x > UINT64_MAX / 10 ? x / 11 * 10 : x * 10 / 11;
}

/* swanctl.conf's rules, measured on charon: life = rekey * 1.1, rekey = life / 1.1, rand = what
 * lies between them. */
static void derive(uint64_t *rekey, uint64_t *life, uint64_t *jitter, uint64_t rekey_default)
{
    if (*rekey == UNDEFINED)
        *rekey = *life == UNDEFINED ? rekey_default : times_10_11(*life);
    if (*life == UNDEFINED)
        *life = times_11_10(*rekey);
    if (*jitter == UNDEFINED)
        *jitter = *life - (*life < *rekey ? *life : *rekey);
}

/* A soft limit that is never reached, or that may be drawn as 0, is not what was meant. */
static void check_order(struct place *p, const struct section *s, const char *kind, uint64_t rekey,
                        uint64_t life, uint64_t jitter)
{
    struct arena *a = p->found->arena;
    const struct setting *life_key = settings_find(s, arena_text(a, "life_%s", kind));
    const struct setting *rand_key = settings_find(s, arena_text(a, "rand_%s", kind));
    if (life_key != NULL && life > 0 && rekey > 0 && life <= rekey)
        policy_report_setting(
            p, CAUSE_CONF_ODD_VALUE, life_key,
            arena_text(a, "more than rekey_%s, which is %llu", kind, (unsigned long long)rekey),
            " (the SA ends before it is rekeyed)");
    if (rand_key != NULL && rekey > 0 && jitter >= rekey)
        policy_report_setting(
            p, CAUSE_CONF_ODD_VALUE, rand_key,
            arena_text(a, "less than rekey_%s, which is %llu", kind, (unsigned long long)rekey),
            " (the SA may be rekeyed at once)");
}

void policy_read_child(struct place *p, struct arena *a, const struct section *s,
                       struct child_conf *out)
{
    *out = (struct child_conf){
        .name = arena_text(a, "%s", s->name),
        .mode = MODE_TUNNEL,
        .rekey_time_s = UNDEFINED,
        .life_time_s = UNDEFINED,
        .rand_time_s = UNDEFINED,
        .rekey_bytes = UNDEFINED,
        .life_bytes = UNDEFINED,
        .rand_bytes = UNDEFINED,
        .rekey_packets = UNDEFINED,
        .life_packets = UNDEFINED,
        .rand_packets = UNDEFINED,
        .replay_window = REPLAY_WINDOW_DEFAULT,
        .copy_df = true,
        .copy_ecn = true,
        .has_policies = true,
        .digest = policy_section_digest(s, NULL),
    };
    policy_read_fields(p, a, s, fields, sizeof fields / sizeof fields[0], out);
    for (const struct section *each = s->sections; each != NULL; each = each->next)
        policy_wants_section(p, each);

    if (settings_find(s, "esp_proposals") == NULL)
        policy_read_proposals(p, a, NULL, PROTOCOL_ESP, "esp_proposals", &out->esp_proposals);
    struct selectors *ts[] = {&out->local_ts, &out->remote_ts};
    for (size_t i = 0; i < 2; i++) {
        if (ts[i]->at == NULL)
            ts[i]->at = arena_array(a, 1, sizeof *ts[i]->at);
        if (ts[i]->at != NULL && !p->failed)
            set_dynamic(ts[i], a);
    }
    derive(&out->rekey_time_s, &out->life_time_s, &out->rand_time_s, REKEY_TIME_DEFAULT_S);
    derive(&out->rekey_bytes, &out->life_bytes, &out->rand_bytes, 0);
    derive(&out->rekey_packets, &out->life_packets, &out->rand_packets, 0);
    check_order(p, s, "time", out->rekey_time_s, out->life_time_s, out->rand_time_s);
    check_order(p, s, "bytes", out->rekey_bytes, out->life_bytes, out->rand_bytes);
    check_order(p, s, "packets", out->rekey_packets, out->life_packets, out->rand_packets);
}
