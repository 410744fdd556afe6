/* secrets.ike<suffix>: reading a secret, showing it to nobody, finding whose it is. */
#include "conf_helper.h"

static struct psk *read_psk(struct setup *s, const char *text)
{
    forget_findings(s);
    const char *all = arena_text(&s->arena, "ike-office {\n%s\n}\n", text);
    return policy_psk_new(settings_find_section(parse(s, all), "ike-office"), &s->found);
}

static void secret_is(void **state, const char *text, const void *octets, size_t len)
{
    struct setup *s = *state;
    struct psk *p = read_psk(s, arena_text(&s->arena, "secret = %s", text));
    if (p == NULL)
        print_findings(&s->found);
    assert_non_null(p);
    assert_int_equal(p->secret.len, len);
    assert_memory_equal(p->secret.at, octets, len);
    policy_psk_unref(p);
}

static void psk_is_refused(void **state, const char *text, enum cause cause, const char *param,
                           const char *expected, const char *seen, const char *nearest)
{
    struct setup *s = *state;
    assert_null(read_psk(s, text));
    assert_finding(&s->found, cause, param, expected, seen, nearest);
}

static void a_secret_is_text_hex_or_base64(void **state)
{
    secret_is(state, "\"correct horse battery staple\"", "correct horse battery staple", 28);
    secret_is(state, "0x00ff0A", "\x00\xff\x0a", 3);
    secret_is(state, "0X00:ff:0A", "\x00\xff\x0a", 3);
    secret_is(state, "0sAAECAw==", "\x00\x01\x02\x03", 4);
    secret_is(state, "0sAAECAw", "\x00\x01\x02\x03", 4);
    secret_is(state, "\"0sAAEC AwQF\"", "\x00\x01\x02\x03\x04\x05", 6);
    secret_is(state, "0x", "0x", 2);
    secret_is(state, "0", "0", 1);
}

static void a_secret_that_cannot_be_decoded_is_refused_unseen(void **state)
{
    static const char expected[] = "text, 0x and hex digits, or 0s and Base64";
    static const char param[] = "secrets.ike-office.secret";
    psk_is_refused(state, "secret = 0x123", CAUSE_CONF_BAD_VALUE, param, expected,
                   "t.conf:2: secret = (not shown) (not hex digits in pairs behind 0x)", "");
    psk_is_refused(state, "secret = 0x12zz", CAUSE_CONF_BAD_VALUE, param, expected,
                   "t.conf:2: secret = (not shown) (not hex digits in pairs behind 0x)", "");
    psk_is_refused(state, "secret = 0sA!", CAUSE_CONF_BAD_VALUE, param, expected,
                   "t.conf:2: secret = (not shown) (not Base64 behind 0s)", "");
    psk_is_refused(state, "secret = 0sAAEC=AA", CAUSE_CONF_BAD_VALUE, param, expected,
                   "t.conf:2: secret = (not shown) (not Base64 behind 0s)", "");
    psk_is_refused(state, "secret = \"\"", CAUSE_CONF_BAD_VALUE, param, expected,
                   "t.conf:2: secret = (not shown) (empty)", "");
    psk_is_refused(state, "id = a", CAUSE_CONF_BAD_VALUE, param, expected, "t.conf:1: not set", "");
}

static void unknown_keys_of_a_secret_are_named_but_not_shown(void **state)
{
    psk_is_refused(state, "secret = 0123456789abcdef\nsecrets = hunter2", CAUSE_CONF_UNKNOWN_KEY,
                   "secrets.ike-office.secrets", "a key of secrets.ike<suffix>",
                   "t.conf:3: secrets = (not shown)", "secret");
    psk_is_refused(state, "secret = 0123456789abcdef\nx { }", CAUSE_CONF_UNKNOWN_KEY,
                   "secrets.ike-office.x", "a section of secrets.ike<suffix>",
                   "t.conf:3: section x", "");
}

static void a_short_secret_is_warned_about(void **state)
{
    struct setup *s = *state;
    struct psk *p = read_psk(s, "secret = hunter2hunter2x");
    assert_non_null(p);
    assert_finding(&s->found, CAUSE_CONF_WEAK_PSK, "secrets.ike-office.secret",
                   "at least 20 random characters", "t.conf:2: 15 octets", "");
    policy_psk_unref(p);
    p = read_psk(s, "secret = hunter2hunter2xy");
    assert_int_equal(s->found.count, 0);
    policy_psk_unref(p);
}

static void every_key_that_begins_with_id_is_an_owner(void **state)
{
    struct setup *s = *state;
    struct psk *p =
        read_psk(s, "secret = 0123456789abcdef\nid-1 = a.example\nid = 192.0.2.1\nidx = %any");
    assert_non_null(p);
    assert_int_equal(s->found.count, 0);
    assert_int_equal(p->owner_count, 3);
    assert_string_equal(p->id, "ike-office");
    assert_string_equal(policy_identity_text(&p->owners[0], &s->arena), "a.example");
    policy_psk_unref(p);
    p = read_psk(s, "secret = 0123456789abcdef\nid = \"\"");
    assert_finding(&s->found, CAUSE_CONF_ODD_VALUE, "secrets.ike-office.id",
                   "an identity: an address, a name, an e-mail address or a DN",
                   "t.conf:3: id =  (empty, left out)", "");
    policy_psk_unref(p);
}

static void over_vici_the_octets_come_as_they_are(void **state)
{
    struct setup *s = *state;
    struct span owners[] = {span_text("a.example"), span_text("")};
    struct psk *p =
        policy_psk_from("x", span_of("0x00\0\xff-and-more-octets", 22), owners, 2, &s->found);
    assert_non_null(p);
    assert_int_equal(s->found.count, 0);
    assert_int_equal(p->secret.len, 22);
    assert_int_equal(p->owner_count, 1);
    policy_psk_unref(p);
    p = policy_psk_from(NULL, span_text("short"), NULL, 0, &s->found);
    assert_finding(&s->found, CAUSE_CONF_WEAK_PSK, "secrets.ike.secret",
                   "at least 20 random characters", "vici: 5 octets", "");
    assert_string_equal(p->id, "");
    policy_psk_unref(p);
    forget_findings(s);
    assert_null(policy_psk_from("x", span_text(""), NULL, 0, &s->found));
    assert_finding(&s->found, CAUSE_CONF_BAD_VALUE, "secrets.x.secret", "1 to 65535 octets",
                   "vici: 0", "");
}

static struct identity id_of(struct setup *s, const char *text)
{
    struct identity id;
    const char *why;
    assert_true(policy_parse_identity(span_text(text), &s->arena, &id, &why));
    return id;
}

/* In the order in which charon prefers them. */
static void the_owner_of_the_remote_end_counts_most(void **state)
{
    static const char *from_best[] = {
        "id-1 = here.example\nid-2 = there.example",
        "id = there.example",
        "id-1 = here.example\nid-2 = *.example",
        "",
        "id = here.example",
    };
    struct setup *s = *state;
    struct identity here = id_of(s, "here.example"), there = id_of(s, "there.example");
    unsigned last = UINT32_MAX;
    for (size_t i = 0; i < sizeof from_best / sizeof from_best[0]; i++) {
        struct psk *p =
            read_psk(s, arena_text(&s->arena, "secret = 0123456789abcdef\n%s", from_best[i]));
        unsigned fit = policy_psk_fits(p, &here, &there);
        if (fit == 0 || fit >= last)
            print_message("%s: %u after %u\n", from_best[i], fit, last);
        assert_true(fit > 0 && fit < last);
        last = fit;
        policy_psk_unref(p);
    }
    struct psk *p = read_psk(s, "secret = 0123456789abcdef\nid = other.example");
    assert_int_equal(policy_psk_fits(p, &here, &there), 0);
    policy_psk_unref(p);
}

static void a_secret_lives_as_long_as_somebody_holds_it(void **state)
{
    struct setup *s = *state;
    struct psk *p = read_psk(s, "secret = 0123456789abcdef");
    assert_ptr_equal(policy_psk_ref(p), p);
    policy_psk_unref(p);
    assert_int_equal(p->secret.len, 16);
    policy_psk_unref(p);
    policy_psk_unref(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_secret_is_text_hex_or_base64),
        TEST(a_secret_that_cannot_be_decoded_is_refused_unseen),
        TEST(unknown_keys_of_a_secret_are_named_but_not_shown),
        TEST(a_short_secret_is_warned_about),
        TEST(every_key_that_begins_with_id_is_an_owner),
        TEST(over_vici_the_octets_come_as_they_are),
        TEST(the_owner_of_the_remote_end_counts_most),
        TEST(a_secret_lives_as_long_as_somebody_holds_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
