/* The table of hypotheses: each row, each fact, and the whole list for the cases that people meet.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "diagnose/hypotheses.h"
#include "records.h"

static struct arena arena;

static int set_up(void **state)
{
    (void)state;
    return arena_init(&arena) ? 0 : 1;
}

static int tear_down(void **state)
{
    (void)state;
    arena_clear(&arena);
    return 0;
}

static bool has(uint32_t facts, uint32_t fact)
{
    return (facts & fact) != 0;
}

static const char *offer(uint32_t facts, bool is_esp)
{
    const char *groups = has(facts, FACT_RARE_GROUP)       ? "-ecp521"
                         : has(facts, FACT_ONE_GROUP)      ? "-ecp384"
                         : !is_esp || has(facts, FACT_PFS) ? "-ecp384-x25519"
                                                           : "";
    const char *classic = has(facts, FACT_WEAK) ? "aes128-sha1" : "aes128-sha256";
    const char *aead = is_esp                  ? "aes128gcm16"
                       : has(facts, FACT_WEAK) ? "aes128gcm16-prfsha1"
                                               : "aes128gcm16-prfsha256";
    if (has(facts, FACT_ONLY_CLASSIC))
        return arena_text(&arena, "%s%s", classic, groups);
    if (has(facts, FACT_ONLY_AEAD))
        return arena_text(&arena, "%s%s", aead, groups);
    if (has(facts, FACT_WEAK) && is_esp)
        return arena_text(&arena, "%s%s", classic, groups);
    if (has(facts, FACT_WEAK) || has(facts, FACT_BROAD) || has(facts, FACT_ONE_GROUP))
        return arena_text(&arena, "one of our proposals: %s%s, %s%s", classic, groups, aead,
                          groups);
    return "";
}

/* A record in which these facts hold, and none that could be left out. Selectors, addresses and
 * proposals share one field, so rows ask for one of them only. */
static struct record *with_facts(enum cause cause, uint16_t notify, uint32_t facts)
{
    bool is_first = has(facts, FACT_FIRST_CHILD);
    struct record *r =
        record_new(is_first ? RECORD_IKE : RECORD_CHILD, (struct instant){0}, 1795475737);
    struct finding f;
    finding_set(&f, cause);
    f.notify = notify;
    r->is_initiator = has(facts, FACT_INITIATOR);
    r->local = at(has(facts, FACT_LOCAL_PRIVATE) ? "10.0.0.1" : "192.0.2.1", 500);
    r->remote = at(has(facts, FACT_PEER_PRIVATE) ? "192.168.4.4" : "198.51.100.7",
                   has(facts, FACT_PORT_4500) ? 4500 : 500);
    if (has(facts, FACT_SELF))
        r->remote = r->local;
    r->has_nat_here = has(facts, FACT_NAT_HERE);
    r->has_nat_there = has(facts, FACT_NAT_THERE);
    record_set_text(&r->local_id, has(facts, FACT_OWN_ADDRESS_ID) ? "10.0.0.1" : "moon");
    trail_add(r, 0, EXCHANGE_IKE_SA_INIT, 0, TRAIL_SENT, has(facts, FACT_BIG) ? 1200 : 1199, 0, 0);
    if (has(facts, FACT_DROPPED))
        trail_add(r, 0, EXCHANGE_IKE_SA_INIT, 0, TRAIL_DROPPED, 80, 0, 0);
    if (has(facts, FACT_HEARD))
        trail_add(r, 0, EXCHANGE_IKE_SA_INIT, 0, 0, 80, 0, 0);
    if (has(facts, FACT_REPEATED))
        trail_add(r, 0, EXCHANGE_IKE_SA_INIT, 0, 0, 80, 0, 0)->repeats = 2;
    if (has(facts, FACT_ASKED_GROUP))
        trail_add(r, 0, EXCHANGE_IKE_SA_INIT, 0, TRAIL_RESPONSE, 80, 0, NOTIFY_INVALID_KE_PAYLOAD);
    if (has(facts, FACT_ASKED_COOKIE))
        trail_add(r, 0, EXCHANGE_IKE_SA_INIT, 0, TRAIL_RESPONSE, 80, 0, NOTIFY_COOKIE);
    bool is_esp = cause == CAUSE_CHILD_PEER_REFUSED_PROPOSAL || cause == CAUSE_CHILD_REKEY_REFUSED;
    bool is_ike = cause == CAUSE_IKE_PEER_REFUSED_PROPOSAL || cause == CAUSE_IKE_REKEY_REFUSED;
    if (is_esp || is_ike)
        f.expected = offer(facts, is_esp);
    if (is_esp && has(facts, FACT_PFS) && *f.expected == '\0')
        f.expected = "aes128gcm16-x25519";
    if (has(facts, FACT_DYNAMIC))
        f.expected = "local dynamic, remote 10.0.0.0/8";
    if (has(facts, FACT_EXPECTED_ADDRESS))
        f.expected = "198.51.100.7";
    f.seen = has(facts, FACT_SEEN_ADDRESS)  ? "10.9.9.9"
             : has(facts, FACT_ICMP_PORT)   ? "ICMP port unreachable"
             : has(facts, FACT_ICMP_FILTER) ? "ICMP administratively prohibited"
             : has(facts, FACT_ICMP_HOST)   ? "ICMP host unreachable"
             : has(facts, FACT_ICMP_NET)    ? "ICMP network unreachable"
                                            : "";
    if (has(facts, FACT_AFTERWARDS)) {
        f.evidence.has_message = true;
        f.evidence.exchange = EXCHANGE_INFORMATIONAL;
    }
    record_add_finding(r, &f);
    return r;
}

static uint32_t facts_of(const struct record *r)
{
    struct facts facts;
    diagnose_facts(r, r->findings[0], &arena, &facts);
    return facts.bits;
}

/* Is the text, as far as it stands before its first and behind its last place, one of the list? */
static bool says(const struct record *r, const char *text)
{
    const char *likely[HYPOTHESES_MAX];
    size_t count = diagnose_likely(r, r->findings[0], &arena, likely);
    size_t head = strcspn(text, "{");
    const char *tail = strrchr(text, '}') == NULL ? "" : strrchr(text, '}') + 1;
    for (size_t i = 0; i < count; i++) {
        size_t len = strlen(likely[i]), tail_len = strlen(tail);
        if (strncmp(likely[i], text, head) == 0 && len >= tail_len &&
            strcmp(likely[i] + (len - tail_len), tail) == 0)
            return true;
    }
    return false;
}

static void each_row_is_said_when_its_facts_hold(void **state)
{
    (void)state;
    const struct hypothesis *h;
    for (size_t i = 0; (h = diagnose_hypothesis_at(i)) != NULL; i++) {
        struct record *r = with_facts(h->cause, h->notify, h->needs);
        uint32_t facts = facts_of(r);
        if ((facts & h->needs) != h->needs || (facts & h->lacks) != 0)
            fail_msg("row %zu: facts %x do not hold: %s", i, facts, h->text);
        if (!says(r, h->text))
            fail_msg("row %zu is not said: %s", i, h->text);
        record_free(r);
        arena_reset(&arena);
    }
}

/* Another row of the cause may say the same under these facts, or none holds and the cause table
 * speaks. */
static bool is_said_otherwise(const struct hypothesis *h, uint32_t facts)
{
    const struct hypothesis *o;
    bool has_row = false;
    for (size_t i = 0; (o = diagnose_hypothesis_at(i)) != NULL; i++) {
        bool holds = o != h && o->cause == h->cause && (o->notify == 0 || o->notify == h->notify) &&
                     (facts & o->needs) == o->needs && (facts & o->lacks) == 0;
        has_row = has_row || holds;
        if (holds && strcmp(o->text, h->text) == 0)
            return true;
    }
    return !has_row;
}

static void no_row_is_said_without_one_of_its_facts_or_with_one_that_it_excludes(void **state)
{
    (void)state;
    const struct hypothesis *h;
    size_t checked = 0;
    for (size_t i = 0; (h = diagnose_hypothesis_at(i)) != NULL; i++) {
        for (int bit = 0; bit < 30; bit++) {
            uint32_t fact = (uint32_t)1 << bit, want = h->needs ^ fact;
            if (((h->needs | h->lacks) & fact) == 0)
                continue;
            struct record *r = with_facts(h->cause, h->notify, want);
            uint32_t facts = facts_of(r);
            bool holds = (facts & h->needs) == h->needs && (facts & h->lacks) == 0;
            if (!holds && !is_said_otherwise(h, facts)) {
                checked++;
                if (says(r, h->text))
                    fail_msg("row %zu is said all the same (facts %x): %s", i, facts, h->text);
            }
            record_free(r);
            arena_reset(&arena);
        }
    }
    assert_true(checked > 60);
}

static void a_row_with_a_notify_is_for_that_notify_only(void **state)
{
    (void)state;
    struct record *r = with_facts(CAUSE_MSG_ERROR_NOTIFY, NOTIFY_FAILED_CP_REQUIRED, 0);
    const char *likely[HYPOTHESES_MAX];
    assert_int_equal(diagnose_likely(r, r->findings[0], &arena, likely), 1);
    assert_non_null(strstr(likely[0], "gives addresses to its clients"));
    record_free(r);
    r = with_facts(CAUSE_MSG_ERROR_NOTIFY, 4711, 0);
    assert_int_equal(diagnose_likely(r, r->findings[0], &arena, likely), 0);
    record_free(r);
}

static void no_text_names_a_place_that_does_not_exist(void **state)
{
    (void)state;
    const struct hypothesis *h;
    for (size_t i = 0; (h = diagnose_hypothesis_at(i)) != NULL; i++) {
        struct record *r = with_facts(h->cause, h->notify, h->needs);
        const char *likely[HYPOTHESES_MAX];
        size_t count = diagnose_likely(r, r->findings[0], &arena, likely);
        for (size_t n = 0; n < count; n++)
            assert_null(strpbrk(likely[n], "{}"));
        record_free(r);
        arena_reset(&arena);
    }
}

/* ---- facts ---- */

static void facts_of_the_trail_are_read_by_direction(void **state)
{
    (void)state;
    struct record *r = make_record(RECORD_IKE, RESULT_FAILED, PHASE_IKE_SA_INIT);
    struct finding f;
    finding_set(&f, CAUSE_NET_NO_ANSWER);
    record_add_finding(r, &f);
    assert_int_equal(facts_of(r) & (FACT_HEARD | FACT_DROPPED | FACT_ASKED_COOKIE | FACT_BIG), 0);
    /* What we sent ourselves is nothing that we heard, also when it has a COOKIE. */
    trail_add(r, 0, EXCHANGE_IKE_SA_INIT, 0, TRAIL_SENT, 1300, 0, NOTIFY_COOKIE)->repeats = 3;
    assert_int_equal(facts_of(r) & (FACT_HEARD | FACT_ASKED_COOKIE | FACT_REPEATED), 0);
    assert_true(has(facts_of(r), FACT_BIG));
    trail_add(r, 0, EXCHANGE_IKE_SA_INIT, 0, TRAIL_RESPONSE, 36, 0, 0)->repeats = 3;
    /* Repeated responses are answers to our own repetitions. */
    assert_int_equal(facts_of(r) & (FACT_HEARD | FACT_REPEATED), FACT_HEARD);
    trail_add(r, 0, EXCHANGE_IKE_AUTH, 1, TRAIL_SENT, 200, 0, 0);
    assert_false(has(facts_of(r), FACT_BIG)); /* the last one counts */
    record_free(r);
}

static void private_addresses_are_known(void **state)
{
    (void)state;
    static const struct {
        const char *address;
        bool is_private;
    } cases[] = {
        {"10.0.0.1", true},    {"11.0.0.1", false},    {"172.15.0.1", false},
        {"172.16.0.1", true},  {"172.31.255.1", true}, {"172.32.0.1", false},
        {"192.168.0.1", true}, {"192.169.0.1", false}, {"169.254.1.1", true},
        {"100.64.0.1", true},  {"100.128.0.1", false}, {"fd00::1", true},
        {"fe80::1", true},     {"2001:db8::1", false}, {"febf::1", true},
        {"fec0::1", false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct record *r = make_record(RECORD_IKE, RESULT_FAILED, PHASE_IKE_SA_INIT);
        struct finding f;
        finding_set(&f, CAUSE_NET_NO_ANSWER);
        record_add_finding(r, &f);
        r->remote = at(cases[i].address, 500);
        assert_int_equal(has(facts_of(r), FACT_PEER_PRIVATE), cases[i].is_private);
        assert_false(has(facts_of(r), FACT_LOCAL_PRIVATE));
        record_free(r);
    }
}

static void errors_of_the_path_are_told_apart(void **state)
{
    (void)state;
    static const struct {
        const char *seen;
        uint32_t fact;
    } cases[] = {
        {"ICMP port unreachable", FACT_ICMP_PORT},
        {"Connection refused", FACT_ICMP_PORT},
        {"ICMP host unreachable", FACT_ICMP_HOST},
        {"ICMPv6 address unreachable", FACT_ICMP_HOST},
        {"No route to host", FACT_ICMP_HOST},
        {"ICMP network unreachable", FACT_ICMP_NET},
        {"Network is unreachable", FACT_ICMP_NET},
        {"ICMP administratively prohibited", FACT_ICMP_FILTER},
        {"ICMPv6 administratively prohibited", FACT_ICMP_FILTER},
        {"something else", 0},
    };
    uint32_t all = FACT_ICMP_PORT | FACT_ICMP_HOST | FACT_ICMP_NET | FACT_ICMP_FILTER;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct record *r = make_record(RECORD_IKE, RESULT_FAILED, PHASE_IKE_SA_INIT);
        struct finding f;
        finding_set(&f, CAUSE_NET_UNREACHABLE);
        f.seen = cases[i].seen;
        record_add_finding(r, &f);
        assert_int_equal(facts_of(r) & all, cases[i].fact);
        record_free(r);
    }
}

static void our_own_offer_is_read_from_its_text(void **state)
{
    (void)state;
    uint32_t all = FACT_ONE_GROUP | FACT_RARE_GROUP | FACT_ONLY_AEAD | FACT_ONLY_CLASSIC |
                   FACT_WEAK | FACT_BROAD;
    static const struct {
        const char *expected;
        uint32_t facts;
        const char *group;
    } cases[] = {
        {"aes256gcm16-prfsha384-ecp384", FACT_ONE_GROUP | FACT_ONLY_AEAD, "ecp384 (group 20)"},
        {"aes256gcm16-prfsha384-ecp521", FACT_ONE_GROUP | FACT_RARE_GROUP | FACT_ONLY_AEAD,
         "ecp521 (group 21)"},
        {"one of our proposals: aes128-sha256-modp2048", FACT_ONE_GROUP | FACT_ONLY_CLASSIC,
         "modp2048 (group 14)"},
        {"aes128-sha1-modp2048", FACT_ONE_GROUP | FACT_ONLY_CLASSIC | FACT_WEAK,
         "modp2048 (group 14)"},
        {"aes128-sha1-sha256-modp2048-x25519", FACT_ONLY_CLASSIC, ""},
        {"aes128-sha256-modp2048, aes128-sha1-modp1024", FACT_ONLY_CLASSIC, ""},
        {"aes128-sha256-modp2048-x25519, aes128gcm16-prfsha256-x25519", FACT_BROAD, ""},
        {"default", 0, ""},
        {"no proposal at all", 0, ""},
        {"", 0, ""},
        {"aes128-, -, ,,, :::", 0, ""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct record *r = make_record(RECORD_IKE, RESULT_FAILED, PHASE_IKE_SA_INIT);
        struct finding f;
        struct facts facts;
        finding_set(&f, CAUSE_IKE_PEER_REFUSED_PROPOSAL);
        f.expected = cases[i].expected;
        record_add_finding(r, &f);
        diagnose_facts(r, r->findings[0], &arena, &facts);
        if (strcmp(cases[i].expected, "default") != 0) {
            assert_int_equal(facts.bits & all, cases[i].facts);
            assert_string_equal(facts.group, cases[i].group);
        }
        record_free(r);
    }
}

/* ---- whole lists ---- */

static void check_list(const struct record *r, const char *const expected[])
{
    const char *likely[HYPOTHESES_MAX];
    size_t count = diagnose_likely(r, r->findings[0], &arena, likely);
    for (size_t i = 0; i < count; i++) {
        if (expected[i] == NULL)
            fail_msg("one more: %s", likely[i]);
        if (strstr(likely[i], expected[i]) == NULL)
            fail_msg("%zu. is \"%s\", not \"%s\"", i + 1, likely[i], expected[i]);
    }
    assert_null(expected[count]);
}

static void silence_without_icmp_speaks_for_a_filter(void **state)
{
    (void)state;
    struct record *r = no_answer();
    check_list(r, (const char *const[]){"firewall drops UDP port 500", "192.0.2.7 is wrong",
                                        "no connection for our address 192.0.2.1",
                                        "dropped on the way back", NULL});
    record_free(r);
}

static void silence_after_the_first_answer_speaks_for_port_4500(void **state)
{
    (void)state;
    struct record *r = make_record(RECORD_IKE, RESULT_FAILED, PHASE_IKE_AUTH);
    struct finding f;
    finding_set(&f, CAUSE_NET_NO_ANSWER_LATER);
    record_add_finding(r, &f);
    add_init(r);
    r->remote.port = 4500;
    r->has_nat_here = true;
    check_list(r, (const char *const[]){"UDP port 4500", "larger than ours", "forgot or changed",
                                        "in silence", "went down", NULL});
    trail_add(r, 20, EXCHANGE_IKE_AUTH, 1, TRAIL_SENT | TRAIL_PROTECTED, 1500, 0, 0);
    check_list(r, (const char *const[]){"1500 octets", "UDP port 4500", "forgot or changed",
                                        "in silence", "went down", NULL});
    record_free(r);
}

static void a_broad_offer_that_is_refused_speaks_for_a_missing_connection(void **state)
{
    (void)state;
    struct record *r = with_facts(CAUSE_IKE_PEER_REFUSED_PROPOSAL, 0, FACT_BROAD);
    check_list(r, (const char *const[]){"no connection for our address 192.0.2.1",
                                        "one narrow proposal", NULL});
    record_free(r);
}

static void pfs_is_no_reason_for_the_first_child(void **state)
{
    (void)state;
    struct record *r =
        with_facts(CAUSE_CHILD_PEER_REFUSED_PROPOSAL, 0, FACT_PFS | FACT_FIRST_CHILD);
    const char *likely[HYPOTHESES_MAX];
    size_t count = diagnose_likely(r, r->findings[0], &arena, likely);
    assert_true(count > 0);
    for (size_t i = 0; i < count; i++)
        assert_null(strstr(likely[i], "PFS"));
    record_free(r);
}

static void an_initiator_that_backs_out_after_our_answer_dislikes_our_identity(void **state)
{
    (void)state;
    struct record *r =
        with_facts(CAUSE_AUTH_PEER_REFUSED, NOTIFY_AUTHENTICATION_FAILED, FACT_AFTERWARDS);
    check_list(r, (const char *const[]){"another identity than moon", "another secret", NULL});
    record_free(r);
}

static void who_refuses_a_proposal_guesses_nothing(void **state)
{
    (void)state;
    struct record *r = no_common_proposal();
    check_list(r, (const char *const[]){NULL});
    record_free(r);
}

static void without_a_row_the_cause_table_speaks(void **state)
{
    (void)state;
    struct record *r = with_facts(CAUSE_MSG_DECRYPT, 0, 0);
    check_list(r, (const char *const[]){"somebody else sent it", "damaged on the way", NULL});
    record_free(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_row_is_said_when_its_facts_hold),
        cmocka_unit_test(no_row_is_said_without_one_of_its_facts_or_with_one_that_it_excludes),
        cmocka_unit_test(a_row_with_a_notify_is_for_that_notify_only),
        cmocka_unit_test(no_text_names_a_place_that_does_not_exist),
        cmocka_unit_test(facts_of_the_trail_are_read_by_direction),
        cmocka_unit_test(private_addresses_are_known),
        cmocka_unit_test(errors_of_the_path_are_told_apart),
        cmocka_unit_test(our_own_offer_is_read_from_its_text),
        cmocka_unit_test(silence_without_icmp_speaks_for_a_filter),
        cmocka_unit_test(silence_after_the_first_answer_speaks_for_port_4500),
        cmocka_unit_test(a_broad_offer_that_is_refused_speaks_for_a_missing_connection),
        cmocka_unit_test(pfs_is_no_reason_for_the_first_child),
        cmocka_unit_test(an_initiator_that_backs_out_after_our_answer_dislikes_our_identity),
        cmocka_unit_test(who_refuses_a_proposal_guesses_nothing),
        cmocka_unit_test(without_a_row_the_cause_table_speaks),
    };
    return cmocka_run_group_tests_name("diagnose/hypotheses", tests, set_up, tear_down);
}
