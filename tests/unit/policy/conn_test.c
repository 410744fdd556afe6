/* connections.<conn>: values, defaults, and every way to be refused. */
#include <stdio.h>

#include "conf_helper.h"
#include "policy/keys.h"

#define AUTH "local { auth = psk\n }\nremote { auth = psk\n }\n"

/* Line 1 is "office {", so that text begins in line 2. */
static struct conn *read_conn(struct setup *s, const char *text)
{
    forget_findings(s);
    const char *all = arena_text(&s->arena, "office {\n%s\n" AUTH "}\n", text);
    return policy_conn_new(settings_find_section(parse(s, all), "office"), &s->found);
}

static struct conn *read_child(struct setup *s, const char *text)
{
    return read_conn(s, arena_text(&s->arena, "children { lan {\n%s\n} }", text));
}

static struct conn *must_read(struct setup *s, const char *text)
{
    struct conn *c = read_conn(s, text);
    if (c == NULL)
        print_findings(&s->found);
    assert_non_null(c);
    return c;
}

static const struct child_conf *must_read_child(struct setup *s, const char *text, struct conn **c)
{
    *c = read_child(s, text);
    if (*c == NULL)
        print_findings(&s->found);
    assert_non_null(*c);
    const struct child_conf *lan = policy_find_child(*c, "lan");
    assert_non_null(lan);
    return lan;
}

static void conn_is_refused(void **state, const char *text, enum cause cause, const char *param,
                            const char *expected, const char *seen, const char *nearest)
{
    struct setup *s = *state;
    struct conn *c = read_conn(s, text);
    if (c != NULL)
        print_message("accepted: %s\n", text);
    assert_null(c);
    assert_finding(&s->found, cause, param, expected, seen, nearest);
    assert_true(findings_have_failure(&s->found));
}

static void conn_is_warned(void **state, const char *text, enum cause cause, const char *param,
                           const char *expected, const char *seen)
{
    struct setup *s = *state;
    struct conn *c = must_read(s, text);
    assert_finding(&s->found, cause, param, expected, seen, "");
    assert_false(findings_have_failure(&s->found));
    policy_conn_unref(c);
}

/* ---- values ---- */

static void defaults_are_those_of_swanctl_conf(void **state)
{
    struct setup *s = *state;
    struct conn *c = must_read(s, "children { lan { } }");
    assert_int_equal(s->found.count, 0);
    assert_string_equal(c->name, "office");
    assert_int_equal(c->version, 0);
    assert_int_equal(c->local_count, 1);
    assert_int_equal(c->local_addrs[0].kind, HOST_ANY);
    assert_int_equal(c->remote_count, 1);
    assert_string_equal(policy_host_text(&c->remote_addrs[0], &s->arena), "%any");
    assert_int_equal(c->local_port, 500);
    assert_int_equal(c->remote_port, 500);
    assert_true(c->proposals.count > 0);
    assert_false(c->encap);
    assert_int_equal(c->dpd_delay_s, 0);
    assert_int_equal(c->rekey_time_s, 14400);
    assert_int_equal(c->over_time_s, 1440);
    assert_int_equal(c->rand_time_s, 1440);
    assert_int_equal(c->keyingtries, 1);
    assert_int_equal(c->local.kind, AUTH_PSK);
    assert_int_equal(c->local.id.type, 0);
    assert_int_equal(c->remote.id.type, 0);
    const struct child_conf *lan = &c->children[0];
    assert_int_equal(c->child_count, 1);
    assert_string_equal(lan->name, "lan");
    assert_true(lan->esp_proposals.count > 0);
    assert_int_equal(lan->local_ts.count, 1);
    assert_true(lan->local_ts.at[0].is_dynamic);
    assert_true(lan->remote_ts.at[0].is_dynamic);
    assert_int_equal(lan->mode, MODE_TUNNEL);
    assert_int_equal(lan->rekey_time_s, 3600);
    assert_int_equal(lan->life_time_s, 3960);
    assert_int_equal(lan->rand_time_s, 360);
    assert_int_equal(lan->rekey_bytes, 0);
    assert_int_equal(lan->life_bytes, 0);
    assert_int_equal(lan->rand_bytes, 0);
    assert_int_equal(lan->rekey_packets, 0);
    assert_int_equal(lan->replay_window, 64);
    assert_int_equal(lan->start_action, ACTION_NONE);
    assert_int_equal(lan->dpd_action, ACTION_NONE);
    assert_int_equal(lan->close_action, ACTION_NONE);
    assert_true(lan->copy_df);
    assert_true(lan->copy_ecn);
    assert_int_equal(lan->copy_dscp, COPY_DSCP_OUT);
    assert_int_equal(lan->reqid, 0);
    assert_int_equal(lan->priority, 0);
    policy_conn_unref(c);
}

static void what_is_written_is_what_is_kept(void **state)
{
    struct setup *s = *state;
    struct conn *c = must_read(
        s, "version = 2\nlocal_addrs = 192.0.2.1, ::1\n"
           "remote_addrs = 198.51.100.0/24, 10.0.0.1-10.0.0.9,vpn.example.org\nlocal_port = 1500\n"
           "remote_port = 4501\nproposals = aes256-sha256-modp2048, aes128gcm16-prfsha256-x25519\n"
           "encap = Yes\ndpd_delay = 30s\nrekey_time = 1h\nover_time = 5m\nrand_time = 60\n"
           "keyingtries = 0");
    assert_int_equal(s->found.count, 0);
    assert_int_equal(c->version, 2);
    assert_int_equal(c->local_count, 2);
    assert_int_equal(c->local_addrs[1].from.family, FAMILY_V6);
    assert_int_equal(c->remote_count, 3);
    assert_int_equal(c->remote_addrs[0].kind, HOST_RANGE);
    assert_string_equal(address_text(&s->arena, &c->remote_addrs[0].to), "198.51.100.255");
    assert_int_equal(c->remote_addrs[1].kind, HOST_RANGE);
    assert_int_equal(c->remote_addrs[2].kind, HOST_NAME);
    assert_string_equal(c->remote_addrs[2].name, "vpn.example.org");
    assert_string_equal(policy_host_text(&c->remote_addrs[1], &s->arena), "10.0.0.1-10.0.0.9");
    assert_int_equal(c->local_port, 1500);
    assert_int_equal(c->remote_port, 4501);
    assert_string_equal(policy_proposals_text(&c->proposals, &s->arena),
                        "aes256-sha256-modp2048, aes128gcm16-prfsha256-x25519");
    assert_true(c->encap);
    assert_int_equal(c->dpd_delay_s, 30);
    assert_int_equal(c->rekey_time_s, 3600);
    assert_int_equal(c->over_time_s, 300);
    assert_int_equal(c->rand_time_s, 60);
    assert_int_equal(c->keyingtries, 0);
    policy_conn_unref(c);
}

static void every_served_key_of_a_child_is_read(void **state)
{
    struct setup *s = *state;
    struct conn *c;
    const struct child_conf *lan = must_read_child(
        s,
        "esp_proposals = aes256gcm16, aes128-sha256\nlocal_ts = 10.1.0.0/16[tcp/80],10.2.0.0/16\n"
        "remote_ts = dynamic\nmode = Tunnel\nrekey_time = 30m\nlife_time = 40m\nrand_time = 1m\n"
        "rekey_bytes = 1g\nlife_bytes = 2G\nrand_bytes = 1k\nrekey_packets = 1000\n"
        "life_packets = 2000\nrand_packets = 10\nreplay_window = 128\nstart_action = start\n"
        "dpd_action = clear\nclose_action = none\ncopy_df = no\ncopy_ecn = no\ncopy_dscp = YES\n"
        "reqid = 7\npriority = 0x10",
        &c);
    assert_int_equal(s->found.count, 0);
    assert_string_equal(policy_proposals_text(&lan->esp_proposals, &s->arena),
                        "aes256gcm16, aes128-sha256");
    assert_string_equal(policy_selectors_text(&lan->local_ts, &s->arena),
                        "10.1.0.0/16[tcp/80], 10.2.0.0/16");
    assert_true(lan->remote_ts.at[0].is_dynamic);
    assert_int_equal(lan->rekey_time_s, 1800);
    assert_int_equal(lan->life_time_s, 2400);
    assert_int_equal(lan->rand_time_s, 60);
    assert_int_equal(lan->rekey_bytes, 1ULL << 30);
    assert_int_equal(lan->life_bytes, 2ULL << 30);
    assert_int_equal(lan->rand_bytes, 1024);
    assert_int_equal(lan->rekey_packets, 1000);
    assert_int_equal(lan->life_packets, 2000);
    assert_int_equal(lan->rand_packets, 10);
    assert_int_equal(lan->replay_window, 128);
    assert_int_equal(lan->start_action, ACTION_START);
    assert_false(lan->copy_df);
    assert_false(lan->copy_ecn);
    assert_int_equal(lan->copy_dscp, COPY_DSCP_YES);
    assert_int_equal(lan->reqid, 7);
    assert_int_equal(lan->priority, 16);
    policy_conn_unref(c);
}

static void lifetimes_follow_from_each_other(void **state)
{
    static const struct {
        const char *text;
        uint64_t rekey, life, jitter;
    } cases[] = {
        {"life_time = 1100", 1000, 1100, 100},
        {"rekey_time = 1000", 1000, 1100, 100},
        {"rekey_time = 1000\nlife_time = 3000", 1000, 3000, 2000},
        {"rekey_time = 0", 0, 0, 0},
        {"rekey_time = 0\nlife_time = 1h", 0, 3600, 3600},
    };
    struct setup *s = *state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct conn *c;
        const struct child_conf *lan = must_read_child(s, cases[i].text, &c);
        assert_int_equal(lan->rekey_time_s, cases[i].rekey);
        assert_int_equal(lan->life_time_s, cases[i].life);
        assert_int_equal(lan->rand_time_s, cases[i].jitter);
        policy_conn_unref(c);
    }
    struct conn *c;
    const struct child_conf *lan = must_read_child(s, "life_bytes = 11k\nrekey_packets = 10", &c);
    assert_int_equal(lan->rekey_bytes, 10240);
    assert_int_equal(lan->rand_bytes, 1024);
    assert_int_equal(lan->life_packets, 11);
    assert_int_equal(lan->rand_packets, 1);
    policy_conn_unref(c);

    c = must_read(s, "rekey_time = 100s");
    assert_int_equal(c->over_time_s, 10);
    assert_int_equal(c->rand_time_s, 10);
    policy_conn_unref(c);
    c = must_read(s, "rekey_time = 100s\nover_time = 80s");
    assert_int_equal(c->rand_time_s, 50);
    policy_conn_unref(c);
}

static void a_lifetime_that_ends_before_the_rekeying_is_warned_about(void **state)
{
    struct setup *s = *state;
    struct conn *c;
    must_read_child(s, "rekey_time = 1h\nlife_time = 1h", &c);
    assert_finding(&s->found, CAUSE_CONF_ODD_VALUE, "connections.office.children.lan.life_time",
                   "more than rekey_time, which is 3600",
                   "t.conf:4: life_time = 1h (the SA ends before it is rekeyed)", "");
    policy_conn_unref(c);
    must_read_child(s, "rekey_packets = 10\nrand_packets = 10", &c);
    assert_finding(&s->found, CAUSE_CONF_ODD_VALUE, "connections.office.children.lan.rand_packets",
                   "less than rekey_packets, which is 10",
                   "t.conf:4: rand_packets = 10 (the SA may be rekeyed at once)", "");
    policy_conn_unref(c);
    conn_is_warned(state, "rekey_time = 60\nrand_time = 2m", CAUSE_CONF_ODD_VALUE,
                   "connections.office.rand_time", "less than rekey_time, which is 60",
                   "t.conf:3: rand_time = 2m (the SA may be rekeyed at once)");
}

/* ---- refusals ---- */

static void an_unknown_key_is_refused_with_the_nearest_one(void **state)
{
    conn_is_refused(state, "proposal = default", CAUSE_CONF_UNKNOWN_KEY,
                    "connections.office.proposal", "a key of connections.<conn>",
                    "t.conf:2: proposal = default", "proposals");
    conn_is_refused(state, "Version = 2", CAUSE_CONF_UNKNOWN_KEY, "connections.office.Version",
                    "a key of connections.<conn>", "t.conf:2: Version = 2", "version");
    conn_is_refused(state, "remote_adrs = 1.2.3.4", CAUSE_CONF_UNKNOWN_KEY,
                    "connections.office.remote_adrs", "a key of connections.<conn>",
                    "t.conf:2: remote_adrs = 1.2.3.4", "remote_addrs");
    conn_is_refused(state, "esp_proposals = default", CAUSE_CONF_UNKNOWN_KEY,
                    "connections.office.esp_proposals", "a key of connections.<conn>",
                    "t.conf:2: esp_proposals = default",
                    "esp_proposals in connections.<conn>.children.<child>");
    conn_is_refused(state, "zzz = \"\x01\"", CAUSE_CONF_UNKNOWN_KEY, "connections.office.zzz",
                    "a key of connections.<conn>", "t.conf:2: zzz = \\x01", "");
    conn_is_refused(state, "child { }", CAUSE_CONF_UNKNOWN_KEY, "connections.office.child",
                    "a section of connections.<conn>", "t.conf:2: section child", "children");
    conn_is_refused(state, "proposals { }", CAUSE_CONF_UNKNOWN_KEY, "connections.office.proposals",
                    "a section of connections.<conn>", "t.conf:2: section proposals",
                    "the key proposals = …");
    conn_is_refused(state, "local = psk", CAUSE_CONF_UNKNOWN_KEY, "connections.office.local",
                    "a key of connections.<conn>", "t.conf:2: local = psk",
                    "the section local { }");
    conn_is_refused(state, "children { mode = tunnel\n }", CAUSE_CONF_UNKNOWN_KEY,
                    "connections.office.children.mode", "sections, one for each child",
                    "t.conf:2: mode = tunnel",
                    "the same key inside connections.office.children.NAME { }");
    conn_is_refused(state, "children { lan { mod = tunnel\n } }", CAUSE_CONF_UNKNOWN_KEY,
                    "connections.office.children.lan.mod",
                    "a key of connections.<conn>.children.<child>", "t.conf:2: mod = tunnel",
                    "mode");
}

static void a_known_key_that_is_not_served_is_refused_by_name(void **state)
{
    conn_is_refused(state, "mediation = yes", CAUSE_CONF_NOT_SERVED, "connections.office.mediation",
                    "no, or not set", "t.conf:2: mediation = yes", "");
    conn_is_refused(state, "\nvips = 0.0.0.0, ::", CAUSE_CONF_NOT_SERVED, "connections.office.vips",
                    "not set", "t.conf:3: vips = 0.0.0.0, ::", "");
    conn_is_refused(state, "version = 1", CAUSE_CONF_NOT_SERVED, "connections.office.version",
                    "0 or 2", "t.conf:2: version = 1", "");
    conn_is_refused(state, "send_cert = always", CAUSE_CONF_NOT_SERVED,
                    "connections.office.send_cert", "ifasked or never, or not set",
                    "t.conf:2: send_cert = always", "");
    conn_is_refused(state, "local-2 {\n auth = psk\n }", CAUSE_CONF_NOT_SERVED,
                    "connections.office.local", "one section local",
                    "t.conf:5: section local, a second round of authentication beside local-2", "");
    conn_is_refused(state, "children { lan { mode = beet\n } }", CAUSE_CONF_NOT_SERVED,
                    "connections.office.children.lan.mode", "tunnel, transport, pass or drop",
                    "t.conf:2: mode = beet", "");
    conn_is_refused(state, "children { lan { updown = /bin/x\n } }", CAUSE_CONF_NOT_SERVED,
                    "connections.office.children.lan.updown", "not set",
                    "t.conf:2: updown = /bin/x", "");
}

static void a_value_that_asks_for_what_is_done_anyway_is_accepted(void **state)
{
    static const char *texts[] = {
        "aggressive = no",
        "pull = yes",
        "dscp = 000000",
        "mobike = no",
        "unique = no",
        "unique = keep",
        "fragmentation = no",
        "fragmentation = accept",
        "fragmentation = FORCE",
        "childless = Prefer",
        "send_certreq = yes",
        "send_cert = ifasked",
        "ocsp = reply",
        "ppk_required = 0",
        "unique = never",
        "reauth_time = 0",
        "if_id_in = 0",
        "mediation = no",
        "pools = \"\"",
        "children { lan { sha256_96 = no\nhostaccess = no\npolicies = yes\npolicies_fwd_out = no\n"
        "ipcomp = no\ninactivity = 0s\nmark_in = 0/0x00000000\nset_mark_out = 0/0\nif_id_out = 0\n"
        "label_mode = system\ntfc_padding = 0\nper_cpu_sas = no\nhw_offload = auto\nicmp = no\n"
        "updown = \"\"\n } }",
    };
    struct setup *s = *state;
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        struct conn *c = must_read(s, texts[i]);
        if (s->found.count != 0)
            print_findings(&s->found);
        assert_int_equal(s->found.count, 0);
        policy_conn_unref(c);
    }
}

static void childless_mode_and_policies_are_read(void **state)
{
    struct setup *s = *state;
    struct conn *c = must_read(s, "children { a { mode = transport\npolicies = no\n } }");
    assert_int_equal(c->childless, CHILDLESS_ALLOW);
    assert_int_equal(c->children[0].mode, MODE_TRANSPORT);
    assert_false(c->children[0].has_policies);
    policy_conn_unref(c);
    c = must_read(s, "childless = force\nchildren { a { } }");
    assert_int_equal(c->childless, CHILDLESS_FORCE);
    assert_true(c->children[0].has_policies);
    policy_conn_unref(c);
    c = must_read(s, "children { a { tfc_padding = 1400\n } b { tfc_padding = mtu\n } c { } }");
    assert_int_equal(c->children[0].tfc_padding, 1400);
    assert_int_equal(c->children[1].tfc_padding, TFC_PADDING_MTU);
    assert_int_equal(c->children[2].tfc_padding, 0);
    policy_conn_unref(c);
    c = must_read(s, "children { a { ipcomp = yes\n } }");
    assert_int_equal(s->found.count, 1);
    assert_int_equal(s->found.at[0].cause, CAUSE_CONF_ODD_VALUE);
    assert_string_equal(s->found.at[0].param, "connections.office.children.a.ipcomp");
    assert_string_equal(s->found.at[0].expected, "no: packets are not compressed");
    assert_string_equal(s->found.at[0].seen, "t.conf:2: ipcomp = yes (read as no)");
    policy_conn_unref(c);
    conn_is_refused(state, "children { a { tfc_padding = MTU\n } }", CAUSE_CONF_BAD_VALUE,
                    "connections.office.children.a.tfc_padding",
                    "a number of octets up to 65534, or mtu", "t.conf:2: tfc_padding = MTU", "");
    conn_is_refused(state, "childless = yes", CAUSE_CONF_BAD_VALUE, "connections.office.childless",
                    "allow, prefer, force or never", "t.conf:2: childless = yes", "");
}

static void a_value_of_a_key_that_is_not_served_is_checked_first(void **state)
{
    conn_is_refused(state, "mobike = on", CAUSE_CONF_BAD_VALUE, "connections.office.mobike",
                    "yes or no", "t.conf:2: mobike = on", "");
    conn_is_refused(state, "fragmentation = true", CAUSE_CONF_BAD_VALUE,
                    "connections.office.fragmentation", "yes, accept, force or no",
                    "t.conf:2: fragmentation = true", "");
    conn_is_refused(state, "fragmentation = maybe", CAUSE_CONF_BAD_VALUE,
                    "connections.office.fragmentation", "yes, accept, force or no",
                    "t.conf:2: fragmentation = maybe", "");
}

static void a_bad_value_says_what_would_be_good(void **state)
{
    conn_is_refused(state, "version = 3", CAUSE_CONF_BAD_VALUE, "connections.office.version",
                    "0 or 2", "t.conf:2: version = 3", "");
    conn_is_refused(state, "encap = maybe", CAUSE_CONF_BAD_VALUE, "connections.office.encap",
                    "yes or no", "t.conf:2: encap = maybe", "");
    conn_is_refused(state, "dpd_delay = 1.5h", CAUSE_CONF_BAD_VALUE, "connections.office.dpd_delay",
                    "a time such as 30s, 5m, 4h or 1d", "t.conf:2: dpd_delay = 1.5h", "");
    conn_is_refused(state, "remote_port = 70000", CAUSE_CONF_BAD_VALUE,
                    "connections.office.remote_port", "a UDP port from 1 to 65535",
                    "t.conf:2: remote_port = 70000", "");
    conn_is_refused(state, "keyingtries = x", CAUSE_CONF_BAD_VALUE,
                    "connections.office.keyingtries", "a number from 0 to 4294967295",
                    "t.conf:2: keyingtries = x", "");
    conn_is_refused(state, "remote_addrs = 1.2.3.4, 10.0.0.0/33", CAUSE_CONF_BAD_VALUE,
                    "connections.office.remote_addrs", "%any, addresses, networks, ranges or names",
                    "t.conf:2: remote_addrs = 1.2.3.4, 10.0.0.0/33 (\"10.0.0.0/33\": the prefix is "
                    "longer than the address)",
                    "");
    conn_is_refused(state, "local_addrs = 10.0.0.9-10.0.0.1", CAUSE_CONF_BAD_VALUE,
                    "connections.office.local_addrs", "%any, addresses, networks, ranges or names",
                    "t.conf:2: local_addrs = 10.0.0.9-10.0.0.1 (\"10.0.0.9-10.0.0.1\": the range "
                    "ends before it begins)",
                    "");
    conn_is_refused(state, "children { lan { rekey_bytes = 1T\n } }", CAUSE_CONF_BAD_VALUE,
                    "connections.office.children.lan.rekey_bytes",
                    "a number of octets such as 1000, 500m or 2g", "t.conf:2: rekey_bytes = 1T",
                    "");
    conn_is_refused(state, "children { lan { copy_dscp = both\n } }", CAUSE_CONF_BAD_VALUE,
                    "connections.office.children.lan.copy_dscp", "out, in, yes or no",
                    "t.conf:2: copy_dscp = both", "");
    conn_is_refused(state, "children { lan { mode = bypass\n } }", CAUSE_CONF_BAD_VALUE,
                    "connections.office.children.lan.mode",
                    "tunnel, transport, transport_proxy, iptfs, beet, pass or drop",
                    "t.conf:2: mode = bypass", "");
    conn_is_refused(state, "children { lan { start_action = hold\n } }", CAUSE_CONF_BAD_VALUE,
                    "connections.office.children.lan.start_action",
                    "none, trap or start, or both as trap|start", "t.conf:2: start_action = hold",
                    "");
    conn_is_refused(state, "children { lan { replay_window = x\n } }", CAUSE_CONF_BAD_VALUE,
                    "connections.office.children.lan.replay_window",
                    "a number of packets from 0 to 4096", "t.conf:2: replay_window = x", "");
}

static void selectors_and_proposals_that_cannot_be_read_name_their_line(void **state)
{
    struct setup *s = *state;
    assert_null(read_child(s, "local_ts = 10.0.0.0/8, host.example"));
    assert_int_equal(s->found.count, 1);
    assert_int_equal(s->found.at[0].cause, CAUSE_CONF_BAD_VALUE);
    assert_string_equal(s->found.at[0].param, "connections.office.children.lan.local_ts");
    assert_non_null(strstr(s->found.at[0].seen,
                           "t.conf:3: local_ts = 10.0.0.0/8, host.example (\"host.example\": "));
    assert_null(read_conn(s, "proposals = aes256-sha256-modp2048, nonsense"));
    assert_int_equal(s->found.count, 1);
    assert_string_equal(s->found.at[0].param, "connections.office.proposals");
    assert_memory_equal(s->found.at[0].seen, "t.conf:2: ", 10);
    assert_null(read_child(s, "esp_proposals = nonsense"));
    assert_string_equal(s->found.at[0].param, "connections.office.children.lan.esp_proposals");
    char many[64 * 12 + 100] = "local_ts = 10.0.0.1";
    for (int i = 0; i < 64; i++)
        strcat(many, ",10.0.0.1");
    assert_null(read_child(s, many));
    assert_string_equal(s->found.at[0].expected, "at most 64 selectors");
}

static struct conn *read_auth(struct setup *s, const char *text)
{
    forget_findings(s);
    const char *all = arena_text(&s->arena, "office {\n%s\n}\n", text);
    return policy_conn_new(settings_find_section(parse(s, all), "office"), &s->found);
}

static void only_pre_shared_keys_are_served_and_the_default_is_not_one(void **state)
{
    struct setup *s = *state;
    assert_null(read_auth(s, "local { }\nremote { auth = psk\n }"));
    assert_finding(&s->found, CAUSE_AUTH_METHOD_NOT_SERVED, "connections.office.local.auth", "psk",
                   "t.conf:2: not set, which means pubkey", "");
    assert_null(read_auth(s, "local-1 { auth = psk\n }"));
    assert_finding(&s->found, CAUSE_AUTH_METHOD_NOT_SERVED, "connections.office.remote.auth", "psk",
                   "t.conf:1: no section remote, which means pubkey", "");
    assert_null(read_auth(s, "local { auth = psk\n }\nremote { auth = EAP-tls\n }"));
    assert_finding(&s->found, CAUSE_AUTH_METHOD_NOT_SERVED, "connections.office.remote.auth", "psk",
                   "t.conf:4: auth = EAP-tls", "");
    assert_null(read_auth(s, "local { auth = psk\n }\nremote { auth = secret\n }"));
    assert_finding(&s->found, CAUSE_CONF_BAD_VALUE, "connections.office.remote.auth", "psk",
                   "t.conf:4: auth = secret", "");
    assert_null(read_auth(s, "local { auth = psk\n certs = a.pem\n }\nremote { auth = psk\n }"));
    assert_finding(&s->found, CAUSE_CONF_NOT_SERVED, "connections.office.local.certs", "not set",
                   "t.conf:3: certs = a.pem", "");
    assert_null(read_auth(s, "local { auth = psk\n cert-1 { }\n }\nremote { auth = psk\n }"));
    assert_finding(&s->found, CAUSE_CONF_NOT_SERVED, "connections.office.local.cert-1", "not set",
                   "t.conf:3: section cert-1", "");
    struct conn *c = read_auth(s, "LOCAL-a { auth = PSK\n id = a.example\n round = 7\n }\n"
                                  "Remote { auth = psk\n id = %any\n }\nChildren { x { } }");
    assert_non_null(c);
    assert_int_equal(s->found.count, 0);
    assert_string_equal(policy_identity_text(&c->local.id, &s->arena), "a.example");
    assert_int_equal(c->remote.id.type, 0);
    assert_int_equal(c->child_count, 1);
    policy_conn_unref(c);
}

static void everything_that_is_wrong_is_said_at_once(void **state)
{
    struct setup *s = *state;
    assert_null(read_auth(s, "mediation = yes\nencap = maybe\nfoo = 1\nlocal { auth = psk\n }"));
    assert_int_equal(s->found.count, 4);
}

static void uniqueness_and_mobike_are_read_as_charon_does(void **state)
{
    static const struct {
        const char *text;
        enum unique unique;
    } rows[] = {{"", UNIQUE_NO},
                {"unique = no", UNIQUE_NO},
                {"unique = NEVER", UNIQUE_NEVER},
                {"unique = keep", UNIQUE_KEEP},
                {"unique = replace", UNIQUE_REPLACE}};
    struct setup *s = *state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct conn *c = must_read(s, rows[i].text);
        assert_int_equal(c->unique, rows[i].unique);
        policy_conn_unref(c);
    }
    conn_is_refused(state, "unique = yes", CAUSE_CONF_BAD_VALUE, "connections.office.unique",
                    "no, never, keep or replace", "t.conf:2: unique = yes", "");
    conn_is_warned(state, "mobike = yes", CAUSE_CONF_NO_MOBIKE, "connections.office.mobike",
                   "no, or not set", "t.conf:2: mobike = yes");
}

/* ---- warnings ---- */

static void odd_values_are_accepted_as_charon_does_and_warned_about(void **state)
{
    conn_is_warned(state, "dpd_delay = s", CAUSE_CONF_ODD_VALUE, "connections.office.dpd_delay",
                   "a time such as 30s, 5m, 4h or 1d", "t.conf:2: dpd_delay = s (read as 0 s)");
    conn_is_warned(state, "dpd_delay = 010", CAUSE_CONF_ODD_VALUE, "connections.office.dpd_delay",
                   "a time such as 30s, 5m, 4h or 1d", "t.conf:2: dpd_delay = 010 (read as 8 s)");
    conn_is_warned(state, "dpd_delay = -1", CAUSE_CONF_ODD_VALUE, "connections.office.dpd_delay",
                   "a time such as 30s, 5m, 4h or 1d",
                   "t.conf:2: dpd_delay = -1 (read as 4294967295 s)");
    conn_is_warned(state, "keyingtries = 4294967296", CAUSE_CONF_ODD_VALUE,
                   "connections.office.keyingtries", "a number from 0 to 4294967295",
                   "t.conf:2: keyingtries = 4294967296 (read as 4294967295)");
    conn_is_warned(state, "children { lan { replay_window = 5000\n } }", CAUSE_CONF_ODD_VALUE,
                   "connections.office.children.lan.replay_window",
                   "a number of packets from 0 to 4096",
                   "t.conf:2: replay_window = 5000 (read as 4096)");
    conn_is_warned(state, "dpd_timeout = 30s", CAUSE_CONF_ODD_VALUE,
                   "connections.office.dpd_timeout", "not set",
                   "t.conf:2: dpd_timeout = 30s (has no meaning in IKEv2)");
    conn_is_warned(state, "proposals = \", ,\"", CAUSE_CONF_ODD_VALUE,
                   "connections.office.proposals", "a list of proposals",
                   "t.conf:2: proposals = , , (read as default)");
    conn_is_warned(state, "children { lan { local_ts = \"\"\n } }", CAUSE_CONF_ODD_VALUE,
                   "connections.office.children.lan.local_ts", "a list of selectors",
                   "t.conf:2: local_ts =  (read as dynamic)");
    conn_is_warned(state, "encap = no\n\nencap = yes", CAUSE_CONF_DUPLICATE,
                   "connections.office.encap", "one definition",
                   "t.conf:4: encap = yes (and in line 2)");
}

/* ---- VICI ---- */

static struct section *vici_conn(struct setup *s)
{
    struct arena *a = &s->arena;
    struct section *conn = settings_section_new(a, "office");
    settings_add(a, settings_section(a, conn, span_text("local")), span_text("auth"),
                 span_text("psk"));
    settings_add(a, settings_section(a, conn, span_text("remote")), span_text("auth"),
                 span_text("psk"));
    return conn;
}

static void over_vici_lists_are_items_and_places_are_vici(void **state)
{
    struct setup *s = *state;
    struct section *conn = vici_conn(s);
    struct span items[] = {span_text("192.0.2.1"), span_text("192.0.2.2")};
    settings_add_list(&s->arena, conn, span_text("remote_addrs"), items, 2);
    struct conn *c = policy_conn_new(conn, &s->found);
    assert_non_null(c);
    assert_int_equal(c->remote_count, 2);
    policy_conn_unref(c);
    settings_add_list(&s->arena, conn, span_text("encap"), items, 2);
    assert_null(policy_conn_new(conn, &s->found));
    assert_finding(&s->found, CAUSE_CONF_BAD_VALUE, "connections.office.encap", "yes or no",
                   "vici: encap = 192.0.2.1, 192.0.2.2 (a list)", "");
}

static void names_and_values_of_any_octets_are_shown_escaped(void **state)
{
    struct setup *s = *state;
    struct section *conn = vici_conn(s);
    conn->name = "of\x1b[2Jfice";
    settings_add(&s->arena, conn, span_text("mo\nde"), span_of("\0\xff", 2));
    assert_null(policy_conn_new(conn, &s->found));
    assert_finding(&s->found, CAUSE_CONF_UNKNOWN_KEY, "connections.of\\x1b[2Jfice.mo\\x0ade",
                   "a key of connections.<conn>", "vici: mo\\x0ade = \\x00\\xff", "");
}

static void a_hostile_message_of_thousands_of_errors_is_refused_in_bounds(void **state)
{
    struct setup *s = *state;
    struct section *conn = vici_conn(s);
    enum { MANY = 60000 };
    struct span *items = calloc(MANY, sizeof *items);
    char name[20];
    for (int i = 0; i < MANY; i++) {
        items[i] = span_text("!");
        snprintf(name, sizeof name, "key%d", i);
        settings_add(&s->arena, conn, span_text(name), span_text("x"));
    }
    settings_add_list(&s->arena, conn, span_text("remote_addrs"), items, MANY);
    settings_add_list(&s->arena, conn, span_text("proposals"), items, MANY);
    assert_null(policy_conn_new(conn, &s->found));
    assert_int_equal(s->found.count, FINDINGS_MAX);
    assert_string_equal(s->found.at[0].param, "connections.office.key0");
    free(items);
}

/* Values of which we say something else than charon, nearly all refused here. "*x": all that hold
 * x. */
static const struct deviation {
    const char *path, *value, *reason;
} deviations[] = {
    {"connections.<conn>.version", "1", "IKEv1 is not served"},
    {"connections.<conn>.version", "3", "there is no such version"},
    {"connections.<conn>.version", "-1", "there is no such version"},
    {"connections.<conn>.local_port", "65536", "charon silently takes another port"},
    {"connections.<conn>.local_port", "-1", "charon silently takes another port"},
    {"connections.<conn>.proposals", "*mlkem", "no additional or post-quantum key exchanges yet"},
    {"connections.<conn>.proposals", "*MLKEM", "the same"},
    {"connections.<conn>.proposals", "*KE1_", "the same"},
    {"connections.<conn>.proposals", "null-sha256-modp2048", "an IKE SA without encryption"},
    {"connections.<conn>.children.<child>.esp_proposals", "aes256", "ESP without integrity"},
    {"connections.<conn>.children.<child>.esp_proposals", "aes256-md5", "MD5 is not served"},
    {"connections.<conn>.local<suffix>.id", "xmppaddr:a@b", "not a type of IKE's identities"},
    {"connections.<conn>.local<suffix>.id", "uri:http://a", "not a type of IKE's identities"},
    {"connections.<conn>.local<suffix>.id", "*fqdn:^", "no regular expressions yet"},
    {"connections.<conn>.remote<suffix>.id", "*fqdn:^", "no regular expressions yet"},
    {"connections.<conn>.children.<child>.label", "\"\"", "accepted: nothing is asked for"},
    {"connections.<conn>.children.<child>.mode", "transport_proxy", "not served"},
    {"connections.<conn>.children.<child>.mode", "beet", "not served"},
    {"connections.<conn>.local<suffix>.auth", "*eap", "not served"},
    {"connections.<conn>.local<suffix>.auth", "*xauth", "not served"},
    {"connections.<conn>.local<suffix>.auth", "*pubkey", "not served"},
    {"connections.<conn>.local<suffix>.auth", "*rsa", "not served"},
    {"connections.<conn>.local<suffix>.auth", "*ecdsa", "not served"},
    {"connections.<conn>.local<suffix>.auth", "*ike:", "not served"},
};

static bool is_deviation(const char *path, const char *value)
{
    for (size_t i = 0; i < sizeof deviations / sizeof deviations[0]; i++) {
        const char *which = deviations[i].value;
        bool fits = which[0] == '*' ? strstr(value, which + 1) != NULL : strcmp(value, which) == 0;
        if (fits && strcmp(deviations[i].path, path) == 0)
            return true;
    }
    return false;
}

static struct conn *read_case(struct setup *s, const char *scope, const char *key, bool is_list,
                              struct span value)
{
    struct arena *a = &s->arena;
    struct section *in = vici_conn(s), *conn = in;
    if (strstr(scope, ".local<suffix>") != NULL)
        in = settings_section(a, conn, span_text("local"));
    else if (strstr(scope, ".remote<suffix>") != NULL)
        in = settings_section(a, conn, span_text("remote"));
    else if (strstr(scope, ".children.<child>") != NULL)
        in =
            settings_section(a, settings_section(a, conn, span_text("children")), span_text("lan"));
    if (is_list)
        settings_add_list(a, in, span_text(key), &value, 1);
    else
        settings_add(a, in, span_text(key), value);
    return policy_conn_new(conn, &s->found);
}

/* Each row of data/spec/swanctl-cases.tsv: a value, and what charon 6.0.1 said. Where the key is
 * read, we say the same; where it is not served, we refuse at least what charon refuses. */
static void values_are_accepted_exactly_when_charon_accepts_them(void **state)
{
    struct setup *s = *state;
    FILE *f = fopen(VECTORS_DIR "/../../data/spec/swanctl-cases.tsv", "r");
    assert_non_null(f);
    char line[500], path[200], kind[8], value[200], old[100], result[100];
    unsigned read = 0, wrong = 0;
    while (fgets(line, sizeof line, f) != NULL) {
        if (sscanf(line, "%199[^\t]\t%7[^\t]\t%199[^\t]\t%99[^\t]\t%99[^\t\n]", path, kind, value,
                   old, result) != 5 ||
            strncmp(path, "connections.", 12) != 0)
            continue;
        struct span text = span_text(value);
        if (value[0] == '"')
            text = span_of(value + 1, strlen(value) - 2);
        char *key = strrchr(path, '.') + 1;
        const char *scope = arena_text(&s->arena, "%.*s", (int)(key - path - 1), path);
        const struct policy_key *k = policy_key_find(scope, key, false);
        bool is_ok = strcmp(result, "ok") == 0;
        forget_findings(s);
        struct conn *c = read_case(s, scope, key, strcmp(kind, "list") == 0, text);
        bool is_read = k != NULL && k->served == KEY_READ;
        bool is_as_expected = is_read ? (c != NULL) == (is_ok && !is_deviation(path, value))
                                      : c == NULL || is_ok || is_deviation(path, value) ||
                                            strstr(result, "unknown option") != NULL;
        if (!is_as_expected) {
            print_message("%s = %s: charon: %s, here: %s\n", path, value, result,
                          c == NULL ? "refused" : "accepted");
            print_findings(&s->found);
            wrong++;
        }
        read += is_read;
        policy_conn_unref(c);
        if (read % 50 == 0) {
            arena_reset(&s->arena);
            forget_findings(s);
        }
    }
    fclose(f);
    assert_true(read > 250);
    assert_int_equal(wrong, 0);
}

static const struct conn *conn_of(struct setup *s, const char *text)
{
    struct section *root = NULL;
    struct finding why;
    assert_true(settings_parse_text(span_text(text), "t.conf", NULL, &s->arena, &root, &why));
    struct conn *c = policy_conn_new(root->sections, &s->found);
    assert_non_null(c);
    return c;
}

static void actions_have_the_words_of_strongswan(void **state)
{
    struct setup *s = *state;
    struct conn *c = (struct conn *)(uintptr_t)conn_of(
        s, "x { local { auth = psk\n }\n remote { auth = psk\n }\n children {\n"
           " a { start_action = trap\n dpd_action = restart\n close_action = start\n"
           "     inactivity = 10m\n }\n"
           " b { start_action = start | trap\n dpd_action = trap\n close_action = route|start\n }\n"
           " c { start_action = route\n dpd_action = route\n close_action = restart\n }\n"
           " d { start_action = clear\n dpd_action = start\n close_action = none\n }\n } }\n");
    assert_int_equal(c->children[0].start_action, ACTION_TRAP);
    assert_int_equal(c->children[0].dpd_action, ACTION_START);
    assert_int_equal(c->children[0].close_action, ACTION_START);
    assert_int_equal(c->children[0].inactivity_s, 600);
    assert_int_equal(c->children[1].start_action, ACTION_TRAP | ACTION_START);
    assert_int_equal(c->children[1].dpd_action, ACTION_TRAP);
    assert_int_equal(c->children[1].close_action, ACTION_TRAP | ACTION_START);
    assert_int_equal(c->children[2].start_action, ACTION_TRAP);
    assert_int_equal(c->children[2].dpd_action, ACTION_TRAP);
    assert_int_equal(c->children[2].close_action, ACTION_START);
    assert_int_equal(c->children[3].start_action, ACTION_NONE);
    assert_int_equal(c->children[3].dpd_action, ACTION_START);
    assert_int_equal(c->children[3].close_action, ACTION_NONE);
    assert_int_equal(c->children[3].inactivity_s, 0);
    policy_conn_unref(c);
}

static void a_connection_of_shunts_needs_no_peer(void **state)
{
    struct setup *s = *state;
    struct conn *c = (struct conn *)(uintptr_t)conn_of(
        s, "shunts { children { lan { mode = pass\n start_action = trap\n }\n"
           " web { mode = drop\n remote_ts = 0.0.0.0/0[tcp/80]\n } } }\n");
    struct address host;
    assert_true(c->is_shunts);
    assert_int_equal(c->children[0].mode, MODE_PASS);
    assert_int_equal(c->children[1].mode, MODE_DROP);
    assert_true(address_parse(span_text("192.0.2.1"), &host));
    assert_int_equal(policy_conn_fits(c, &host, &host), 0);
    policy_conn_unref(c);
}

static void the_digest_tells_what_was_changed(void **state)
{
    struct setup *s = *state;
    static const char text[] = "x { local { auth = psk\n }\n remote { auth = psk\n }\n %s\n"
                               " children { a { %s\n } b { } } }\n";
    const char *with[][2] = {{"", ""}, {"", ""}, {"encap = yes", ""}, {"", "reqid = 7"}};
    struct conn *c[4];
    for (size_t i = 0; i < 4; i++)
        c[i] = (struct conn *)(uintptr_t)conn_of(
            s, arena_text(&s->arena, text, with[i][0], with[i][1]));
    assert_true(c[0]->digest == c[1]->digest);
    assert_true(c[0]->children[0].digest == c[1]->children[0].digest);
    assert_true(c[0]->digest != c[2]->digest);
    assert_true(c[0]->children[0].digest == c[2]->children[0].digest);
    assert_true(c[0]->digest == c[3]->digest);
    assert_true(c[0]->children[0].digest != c[3]->children[0].digest);
    assert_true(c[0]->children[1].digest == c[3]->children[1].digest);
    for (size_t i = 0; i < 4; i++)
        policy_conn_unref(c[i]);
}

/* ---- using it ---- */

static struct address at(const char *text)
{
    struct address a;
    assert_true(address_parse(span_text(text), &a));
    return a;
}

static unsigned fits(struct setup *s, const char *hosts, const char *local, const char *remote)
{
    struct conn *c = must_read(s, hosts);
    struct address l = at(local), r = at(remote);
    unsigned score = policy_conn_fits(c, &l, &r);
    policy_conn_unref(c);
    return score;
}

static void the_more_exact_remote_address_fits_better_then_the_local_one(void **state)
{
    struct setup *s = *state;
    static const char *from_best[] = {
        "remote_addrs = 192.0.2.7\nlocal_addrs = 10.0.0.1",
        "remote_addrs = %any, 192.0.2.7",
        "remote_addrs = 192.0.2.0/28",
        "remote_addrs = 192.0.2.0-192.0.2.200",
        "remote_addrs = 0.0.0.0/0\nlocal_addrs = 10.0.0.1",
        "remote_addrs = %any4",
        "local_addrs = 10.0.0.1",
        "local_addrs = 10.0.0.0/8",
        "encap = no",
        "remote_addrs = vpn.example.org",
    };
    unsigned last = UINT32_MAX;
    for (size_t i = 0; i < sizeof from_best / sizeof from_best[0]; i++) {
        unsigned score = fits(s, from_best[i], "10.0.0.1", "192.0.2.7");
        assert_true(score > 0 && score < last);
        last = score;
    }
    assert_true(fits(s, "remote_addrs = 192.0.2.0-192.0.2.7", "10.0.0.1", "192.0.2.7") > 0);
    assert_true(fits(s, "remote_addrs = 192.0.2.7-192.0.2.9", "10.0.0.1", "192.0.2.7") > 0);
    assert_int_equal(fits(s, "remote_addrs = 192.0.2.0-192.0.2.6", "10.0.0.1", "192.0.2.7"), 0);
    assert_int_equal(fits(s, "remote_addrs = 192.0.2.8", "10.0.0.1", "192.0.2.7"), 0);
    assert_int_equal(fits(s, "local_addrs = 10.0.0.2", "10.0.0.1", "192.0.2.7"), 0);
    assert_int_equal(fits(s, "remote_addrs = %any6", "10.0.0.1", "192.0.2.7"), 0);
    assert_int_equal(fits(s, "remote_addrs = ::/0", "10.0.0.1", "192.0.2.7"), 0);
    assert_int_equal(fits(s, "remote_addrs = 192.0.2.8/29", "10.0.0.1", "192.0.2.7"), 0);
    assert_true(fits(s, "remote_addrs = 2001:db8::/32", "::1", "2001:db8:ffff::1") > 0);
}

static void a_connection_lives_as_long_as_somebody_holds_it(void **state)
{
    struct setup *s = *state;
    struct conn *c = must_read(s, "children { a { }\n b { } }");
    assert_ptr_equal(policy_conn_ref(c), c);
    policy_conn_unref(c);
    assert_string_equal(c->name, "office");
    assert_string_equal(policy_find_child(c, "b")->name, "b");
    assert_null(policy_find_child(c, "c"));
    assert_string_equal(policy_param(&s->arena, c, &c->children[0], "esp_proposals"),
                        "connections.office.children.a.esp_proposals");
    assert_string_equal(policy_param(&s->arena, c, NULL, "proposals"),
                        "connections.office.proposals");
    policy_conn_unref(c);
    policy_conn_unref(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(defaults_are_those_of_swanctl_conf),
        TEST(what_is_written_is_what_is_kept),
        TEST(every_served_key_of_a_child_is_read),
        TEST(lifetimes_follow_from_each_other),
        TEST(a_lifetime_that_ends_before_the_rekeying_is_warned_about),
        TEST(an_unknown_key_is_refused_with_the_nearest_one),
        TEST(a_known_key_that_is_not_served_is_refused_by_name),
        TEST(a_value_that_asks_for_what_is_done_anyway_is_accepted),
        TEST(childless_mode_and_policies_are_read),
        TEST(a_value_of_a_key_that_is_not_served_is_checked_first),
        TEST(a_bad_value_says_what_would_be_good),
        TEST(selectors_and_proposals_that_cannot_be_read_name_their_line),
        TEST(only_pre_shared_keys_are_served_and_the_default_is_not_one),
        TEST(everything_that_is_wrong_is_said_at_once),
        TEST(uniqueness_and_mobike_are_read_as_charon_does),
        TEST(odd_values_are_accepted_as_charon_does_and_warned_about),
        TEST(over_vici_lists_are_items_and_places_are_vici),
        TEST(a_hostile_message_of_thousands_of_errors_is_refused_in_bounds),
        TEST(names_and_values_of_any_octets_are_shown_escaped),
        TEST(values_are_accepted_exactly_when_charon_accepts_them),
        TEST(actions_have_the_words_of_strongswan),
        TEST(a_connection_of_shunts_needs_no_peer),
        TEST(the_digest_tells_what_was_changed),
        TEST(the_more_exact_remote_address_fits_better_then_the_local_one),
        TEST(a_connection_lives_as_long_as_somebody_holds_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
