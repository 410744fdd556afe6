/* strongswan.conf: charon's defaults, which section counts, and what is said of each key that is
 * not ours or wrong. */
#include "conf_helper.h"

#include "policy/daemon_keys.h"

static bool read_daemon(struct setup *s, const char *text, struct daemon_conf *out)
{
    forget_findings(s);
    return policy_daemon_conf_read(parse(s, text), out, &s->found);
}

static void without_keys_the_defaults_are_charons(void **state)
{
    struct setup *s = *state;
    struct daemon_conf c;
    assert_true(read_daemon(s, "", &c));
    assert_int_equal(s->found.count, 0);
    assert_int_equal(c.retransmit_timeout_ms, 4000);
    assert_int_equal((int)(c.retransmit_base * 10 + 0.5), 18);
    assert_int_equal(c.retransmit_tries, 5);
    assert_int_equal(c.retransmit_jitter + c.retransmit_limit_s, 0);
    assert_int_equal(c.half_open_timeout_s, 30);
    assert_int_equal(c.cookie_threshold, 30);
    assert_int_equal(c.cookie_threshold_ip, 3);
    assert_int_equal(c.block_threshold, 5);
    assert_int_equal(c.init_limit_half_open, 0);
    assert_int_equal(c.fragment_size, 1280);
    assert_int_equal(c.max_packet, 10000);
    assert_int_equal(c.keep_alive_s, 20);
    assert_int_equal(c.delete_rekeyed_delay_s, 5);
    assert_int_equal(c.window_size, 4);
    assert_int_equal(c.port, 500);
    assert_int_equal(c.nat_port, 4500);
    assert_true(c.dos_protection);
    assert_false(c.initiator_only || c.make_before_break || c.inactivity_close_ike);
}

static void every_key_that_is_read_reaches_its_field(void **state)
{
    struct setup *s = *state;
    for (size_t i = 0; i < daemon_key_count; i++) {
        const struct daemon_key *k = &daemon_keys[i];
        struct daemon_conf c, plain;
        if (k->verdict != DAEMON_KEY_READ)
            continue;
        bool is_flag = k->type == DAEMON_VALUE_BOOL;
        const char *other =
            is_flag ? (k->fallback > 0 ? "no" : "yes") : arena_text(&s->arena, "%s", k->most_text);
        assert_true(
            read_daemon(s, arena_text(&s->arena, "charon { %s = %s\n }", k->name, other), &c));
        assert_int_equal(s->found.count, 0);
        policy_daemon_conf_default(&plain);
        assert_true(k->at + k->size <= sizeof c);
        assert_memory_not_equal((uint8_t *)&c + k->at, (uint8_t *)&plain + k->at, k->size);
        memcpy((uint8_t *)&c + k->at, (uint8_t *)&plain + k->at, k->size);
        assert_memory_equal(&c, &plain, sizeof c); /* and no other field */
    }
}

static void later_sections_count_more(void **state)
{
    struct setup *s = *state;
    struct daemon_conf c;
    assert_true(read_daemon(s,
                            "ikebanad { retransmit_tries = 1\n }\n"
                            "charon-systemd { retransmit_tries = 2\n retransmit_base = 1.5\n }\n"
                            "charon { retransmit_tries = 3\n retransmit_base = 2\n "
                            "retransmit_timeout = 0.25\n keep_alive = 2m\n }\n"
                            "charon { initiator_only = yes\n }",
                            &c));
    assert_int_equal(s->found.count, 0);
    assert_int_equal(c.retransmit_tries, 1);
    assert_int_equal((int)(c.retransmit_base * 100 + 0.5), 150);
    assert_int_equal(c.retransmit_timeout_ms, 250);
    assert_int_equal(c.keep_alive_s, 120);
    assert_true(c.initiator_only);
}

static void is_told(void **state, bool ok, const char *text, enum cause cause, const char *param,
                    const char *expected, const char *seen, const char *nearest)
{
    struct setup *s = *state;
    struct daemon_conf c;
    assert_int_equal(read_daemon(s, text, &c), ok);
    assert_finding(&s->found, cause, param, expected, seen, nearest);
}

static void wrong_values_are_refused_with_their_line(void **state)
{
    is_told(state, false, "charon {\n retransmit_tries = many\n }", CAUSE_CONF_BAD_VALUE,
            "charon.retransmit_tries", "a number from 0 to 100",
            "t.conf:2: retransmit_tries = many", "");
    is_told(state, false, "charon { retransmit_tries = 101\n }", CAUSE_CONF_BAD_VALUE,
            "charon.retransmit_tries", "a number from 0 to 100", "t.conf:1: retransmit_tries = 101",
            "");
    is_told(state, false, "charon { retransmit_timeout = 1e3\n }", CAUSE_CONF_BAD_VALUE,
            "charon.retransmit_timeout", "seconds from 0.001 to 3600",
            "t.conf:1: retransmit_timeout = 1e3", "");
    is_told(state, false, "charon { retransmit_timeout = 0\n }", CAUSE_CONF_BAD_VALUE,
            "charon.retransmit_timeout", "seconds from 0.001 to 3600",
            "t.conf:1: retransmit_timeout = 0", "");
    is_told(state, false, "charon { retransmit_base = 1.2.3\n }", CAUSE_CONF_BAD_VALUE,
            "charon.retransmit_base", "a number from 1 to 100", "t.conf:1: retransmit_base = 1.2.3",
            "");
    is_told(state, false, "charon { retransmit_base = \"\"\n }", CAUSE_CONF_BAD_VALUE,
            "charon.retransmit_base", "a number from 1 to 100", "t.conf:1: retransmit_base = ", "");
    is_told(state, false, "ikebanad { dos_protection = perhaps\n }", CAUSE_CONF_BAD_VALUE,
            "ikebanad.dos_protection", "yes or no", "t.conf:1: dos_protection = perhaps", "");
    is_told(state, false, "charon-systemd { keep_alive = 20x\n }", CAUSE_CONF_BAD_VALUE,
            "charon-systemd.keep_alive", "a time such as 30s, 5m or 1h, from 0 to 86400 seconds",
            "t.conf:1: keep_alive = 20x", "");
    is_told(state, false, "charon { port_nat_t = 0\n }", CAUSE_CONF_BAD_VALUE, "charon.port_nat_t",
            "a number from 1 to 65535", "t.conf:1: port_nat_t = 0", "");
    is_told(state, false, "charon { port = 4500\n }", CAUSE_CONF_BAD_VALUE, "charon.port_nat_t",
            "another port than charon.port", "4500 for both", "");
    is_told(state, false, "charon { fragment_size = -1\n }", CAUSE_CONF_BAD_VALUE,
            "charon.fragment_size", "a number from 0 to 65535", "t.conf:1: fragment_size = -1", "");
}

static void odd_values_are_taken_with_a_warning(void **state)
{
    is_told(state, true, "charon { block_threshold = 010\n }", CAUSE_CONF_ODD_VALUE,
            "charon.block_threshold", "a number from 0 to 4294967295",
            "t.conf:1: block_threshold = 010, taken as 8", "");
}

static void what_is_not_served_is_named_unless_it_is_done_anyway(void **state)
{
    struct setup *s = *state;
    struct daemon_conf c;
    is_told(state, true, "charon {\n\n interfaces_use = eth0\n }", CAUSE_CONF_SETTINGS_NOT_SERVED,
            "charon.interfaces_use", "not set",
            "t.conf:3: interfaces_use = eth0 (all interfaces are listened on)", "");
    is_told(state, true, "charon { install_routes = no\n }", CAUSE_CONF_SETTINGS_NOT_SERVED,
            "charon.install_routes", "yes, or not set",
            "t.conf:1: install_routes = no (routes follow the CHILD SAs)", "");
    assert_true(read_daemon(s, "charon { install_routes = 1\n ikesa_limit = 0\n }", &c));
    assert_int_equal(s->found.count, 0);
}

static void what_has_no_meaning_here_is_a_notice(void **state)
{
    is_told(state, true, "charon { threads = 32\n }", CAUSE_CONF_SETTINGS_IDLE, "charon.threads",
            "", "t.conf:1: threads = 32 (the workers are threads: --workers)", "");
    is_told(state, true, "charon {\n plugins { openssl { load = yes\n } md5 { load = no\n } } }",
            CAUSE_CONF_SETTINGS_IDLE, "charon.plugins", "",
            "t.conf:2: section plugins (there are no plugins)", "");
    assert_int_equal(ikebana_cause_row(CAUSE_CONF_SETTINGS_IDLE)->severity, SEVERITY_NOTICE);
}

static void unknown_keys_are_warnings_and_in_our_section_failures(void **state)
{
    is_told(state, true, "charon { retransmit_trys = 3\n }", CAUSE_CONF_SETTINGS_UNKNOWN,
            "charon.retransmit_trys", "a key of charon in strongswan.conf",
            "t.conf:1: retransmit_trys = 3", "retransmit_tries");
    is_told(state, false, "ikebanad { retransmit_trys = 3\n }", CAUSE_CONF_UNKNOWN_KEY,
            "ikebanad.retransmit_trys", "a key of charon in strongswan.conf",
            "t.conf:1: retransmit_trys = 3", "retransmit_tries");
    is_told(state, true, "charon { dpd_delay = 30s\n }", CAUSE_CONF_SETTINGS_UNKNOWN,
            "charon.dpd_delay", "a key of charon in strongswan.conf", "t.conf:1: dpd_delay = 30s",
            "dpd_delay in connections.<conn> of swanctl.conf");
    is_told(state, true, "charon { plugin { } }", CAUSE_CONF_SETTINGS_UNKNOWN, "charon.plugin",
            "a section of charon in strongswan.conf", "t.conf:1: section plugin", "plugins");
    is_told(state, true, "charn { retransmit_tries = 3\n }", CAUSE_CONF_SETTINGS_UNKNOWN, "charn",
            "the sections charon and ikebanad", "t.conf:1: section charn", "charon");
    is_told(state, true, "retransmit_tries = 3", CAUSE_CONF_SETTINGS_UNKNOWN, "retransmit_tries",
            "sections such as charon { }", "t.conf:1: retransmit_tries = 3", "retransmit_tries");
}

static void sections_of_other_programs_and_templates_are_left_alone(void **state)
{
    struct setup *s = *state;
    struct daemon_conf c;
    assert_true(read_daemon(s,
                            "swanctl { load = x\n }\nlibstrongswan { x { } }\npki { }\n"
                            "base { retransmit_tries = 7\n }\ncharon : base { }",
                            &c));
    assert_int_equal(s->found.count, 0);
    assert_int_equal(c.retransmit_tries, 7);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(without_keys_the_defaults_are_charons),
        TEST(every_key_that_is_read_reaches_its_field),
        TEST(later_sections_count_more),
        TEST(wrong_values_are_refused_with_their_line),
        TEST(odd_values_are_taken_with_a_warning),
        TEST(what_is_not_served_is_named_unless_it_is_done_anyway),
        TEST(what_has_no_meaning_here_is_a_notice),
        TEST(unknown_keys_are_warnings_and_in_our_section_failures),
        TEST(sections_of_other_programs_and_templates_are_left_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
