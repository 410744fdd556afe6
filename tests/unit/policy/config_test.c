/* A whole file: what comes out, and that nothing in it is passed over. */
#include "conf_helper.h"

#define OFFICE "office { local { auth = psk\n }\nremote { auth = psk\n } }\n"

static bool read_config(struct setup *s, const char *text, struct config *out)
{
    forget_findings(s);
    return policy_config_read(parse(s, text), &s->arena, out, &s->found);
}

static void connections_and_secrets_come_out(void **state)
{
    struct setup *s = *state;
    struct config c;
    assert_true(
        read_config(s,
                    "connections {\n" OFFICE "home : base { }\n}\n"
                    "base { version = 2\n local { auth = psk\n }\n remote { auth = psk\n } }\n"
                    "secrets { ike-1 { secret = 0123456789abcdef\n } ikea { secret = "
                    "fedcba9876543210\n } }",
                    &c));
    assert_int_equal(s->found.count, 0);
    assert_int_equal(c.conn_count, 2);
    assert_string_equal(c.conns[0]->name, "office");
    assert_string_equal(c.conns[1]->name, "home");
    assert_int_equal(c.conns[1]->version, 2);
    assert_int_equal(c.psk_count, 2);
    assert_string_equal(c.psks[1]->id, "ikea");
    policy_config_clear(&c);
    assert_int_equal(c.conn_count, 0);
}

static void an_empty_file_is_a_configuration(void **state)
{
    struct setup *s = *state;
    struct config c;
    assert_true(read_config(s, "", &c));
    assert_int_equal(c.conn_count + c.psk_count + s->found.count, 0);
    policy_config_clear(&c);
}

static void config_is_refused(void **state, const char *text, enum cause cause, const char *param,
                              const char *expected, const char *seen, const char *nearest)
{
    struct setup *s = *state;
    struct config c;
    assert_false(read_config(s, text, &c));
    assert_finding(&s->found, cause, param, expected, seen, nearest);
    policy_config_clear(&c);
}

static void what_is_not_served_is_named(void **state)
{
    config_is_refused(state, "\npools { p { addrs = 10.0.0.0/8\n } }", CAUSE_CONF_NOT_SERVED,
                      "pools.p", "not set", "t.conf:2: section p", "");
    config_is_refused(state, "authorities { ca { } }", CAUSE_CONF_NOT_SERVED, "authorities.ca",
                      "not set", "t.conf:1: section ca", "");
    config_is_refused(state, "secrets { eap-x { secret = hunter2\n } }", CAUSE_CONF_NOT_SERVED,
                      "secrets.eap-x", "not set", "t.conf:1: section eap-x", "");
}

static void what_does_not_exist_is_named(void **state)
{
    config_is_refused(state, "conections { }", CAUSE_CONF_UNKNOWN_KEY, "conections",
                      "a section of the file", "t.conf:1: section conections", "connections");
    config_is_refused(state, "version = 2", CAUSE_CONF_UNKNOWN_KEY, "version",
                      "the sections connections and secrets", "t.conf:1: version = 2",
                      "version in connections.<conn>");
    config_is_refused(state, "connections { version = 2\n }", CAUSE_CONF_UNKNOWN_KEY,
                      "connections.version", "sections, one for each connection",
                      "t.conf:1: version = 2", "version in connections.<conn>");
    config_is_refused(state, "secrets { psk-1 { } }", CAUSE_CONF_UNKNOWN_KEY, "secrets.psk-1",
                      "a section of secrets", "t.conf:1: section psk-1", "");
    config_is_refused(state, "secrets { secret = hunter2\n }", CAUSE_CONF_UNKNOWN_KEY,
                      "secrets.secret", "sections such as ike-1 { }",
                      "t.conf:1: secret = (not shown)", "");
}

static void the_rest_is_read_when_one_connection_is_refused(void **state)
{
    struct setup *s = *state;
    struct config c;
    assert_false(read_config(
        s, "connections { bad : connections.office { mediation = yes\n }\n" OFFICE "}", &c));
    assert_int_equal(s->found.count, 1);
    assert_string_equal(s->found.at[0].param, "connections.bad.mediation");
    assert_string_equal(s->found.at[0].seen, "t.conf:1: mediation = yes");
    assert_int_equal(c.conn_count, 1);
    assert_string_equal(c.conns[0]->name, "office");
    policy_config_clear(&c);
}

static void an_inherited_key_is_named_where_it_is_written(void **state)
{
    config_is_refused(
        state,
        "connections { a : base { } }\nbase {\n mediation = yes\n local { auth = psk\n }\n"
        "remote { auth = psk\n } }",
        CAUSE_CONF_NOT_SERVED, "connections.a.mediation", "no, or not set",
        "t.conf:3: mediation = yes", "");
}

static void findings_without_end_are_cut_but_a_failure_is_kept(void **state)
{
    struct setup *s = *state;
    for (int i = 0; i < 3 * FINDINGS_MAX; i++)
        findings_add(&s->found, CAUSE_CONF_ODD_VALUE)->seen = "w";
    assert_int_equal(s->found.count, FINDINGS_MAX);
    assert_false(findings_have_failure(&s->found));
    findings_add(&s->found, CAUSE_CONF_BAD_VALUE)->seen = "f";
    findings_add(&s->found, CAUSE_CONF_ODD_VALUE)->seen = "w";
    assert_int_equal(s->found.count, FINDINGS_MAX);
    assert_true(findings_have_failure(&s->found));
    assert_string_equal(s->found.at[FINDINGS_MAX - 1].seen, "f");
}

static void a_finding_without_memory_is_a_failure(void **state)
{
    (void)state;
    struct arena none = {0};
    struct findings found = {.arena = &none};
    findings_add(&found, CAUSE_CONF_ODD_VALUE)->seen = "w";
    assert_int_equal(found.count, 0);
    assert_true(findings_have_failure(&found));
}

/* Changes of a whole configuration: read or refused, with a reason, and freed. */
static void no_configuration_harms_the_reader(void **state)
{
    static const char text[] =
        "connections { office : base { version = 2\n proposals = aes256-sha256-ecp256, default\n"
        " local_addrs = 192.0.2.1, 10.0.0.0/8, a-b, %any\n dpd_delay = 30s\n"
        " local { auth = psk\n id = a@b\n }\n remote-1 { auth = psk\n id = \"C=CH, CN=*\"\n }\n"
        " children { lan { esp_proposals = aes128gcm16-x25519, default\n"
        " local_ts = 10.0.0.0/8[tcp/80-90], dynamic\n rekey_bytes = 1 G\n start_action = start\n"
        " mark_in = 0/0\n } } } }\nbase { rekey_time = 0x10h\n mobike = no\n }\n"
        "secrets { ike-1 { secret = 0sAAECAwQFBgcICQoLDA0ODw==\n id = *.example\n } }\n";
    struct setup *s = *state;
    uint32_t seed = 7;
    static const char odd[] = "{}:,=\"\\\n# %0-9/[]azk.*";
    size_t read = 0;
    for (int i = 0; i < 10000; i++) {
        char changed[sizeof text];
        memcpy(changed, text, sizeof text);
        for (int j = 0; j < i % 4; j++) {
            seed = seed * 1103515245 + 12345;
            changed[(seed >> 8) % (sizeof text - 1)] = odd[(seed >> 22) % (sizeof odd - 1)];
        }
        struct section *root;
        struct finding why;
        struct config c;
        forget_findings(s);
        if (settings_parse_text(span_text(changed), "t", NULL, &s->arena, &root, &why)) {
            bool ok = policy_config_read(root, &s->arena, &c, &s->found);
            assert_true(ok == !findings_have_failure(&s->found));
            read += ok;
            for (size_t k = 0; k < s->found.count; k++)
                assert_true(s->found.at[k].param[0] != '\0' && s->found.at[k].seen[0] != '\0');
            policy_config_clear(&c);
        }
        arena_reset(&s->arena);
    }
    assert_true(read > 2500);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(connections_and_secrets_come_out),
        TEST(an_empty_file_is_a_configuration),
        TEST(what_is_not_served_is_named),
        TEST(what_does_not_exist_is_named),
        TEST(the_rest_is_read_when_one_connection_is_refused),
        TEST(an_inherited_key_is_named_where_it_is_written),
        TEST(findings_without_end_are_cut_but_a_failure_is_kept),
        TEST(a_finding_without_memory_is_a_failure),
        TEST(no_configuration_harms_the_reader),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
