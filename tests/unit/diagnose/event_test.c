/* One line for each kind of event. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "diagnose/render.h"
#include "records.h"

static struct arena arena;
static struct selector selectors[2];

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

static struct event event(enum event_kind kind)
{
    const char *why;
    policy_parse_selector(span_text("10.1.0.0/16"), &selectors[0], &arena, &why);
    policy_parse_selector(span_text("10.2.0.0/16"), &selectors[1], &arena, &why);
    return (struct event){
        .kind = kind,
        .ok = true,
        .ticket = 9,
        .count = 1,
        .ike_id = 3,
        .child_id = 4,
        .old_id = 2,
        .conn_name = "office",
        .child_name = "lan",
        .local = at("10.0.0.1", 4500),
        .remote = at("10.0.0.2", 4500),
        .spi_in = 0xc0000001,
        .spi_out = 0xc0000002,
        .suite = {.encr = ENCR_AES_GCM_16,
                  .encr_bits = 128,
                  .prf = PRF_HMAC_SHA2_256,
                  .ke = KE_CURVE25519},
        .local_ts = {&selectors[0], 1},
        .remote_ts = {&selectors[1], 1},
    };
}

static const char *line_of(const struct event *e)
{
    const char *line = diagnose_event_line(e, &arena);
    assert_non_null(line);
    for (const char *p = line; *p != '\0'; p++)
        assert_true((unsigned char)*p >= 0x20 && *p != 0x7f);
    return line;
}

static const char *plain(enum event_kind kind)
{
    struct event e = event(kind);
    return line_of(&e);
}

static void an_sa_that_comes_goes_or_is_renewed_has_a_line(void **state)
{
    (void)state;
    assert_string_equal(plain(EVENT_IKE_UP),
                        "office: IKE SA 3 up, 10.0.0.1[4500] === 10.0.0.2[4500], "
                        "aes128gcm16-prfsha256-x25519");
    assert_string_equal(plain(EVENT_IKE_DOWN),
                        "office: IKE SA 3 down, 10.0.0.1[4500] === 10.0.0.2[4500]");
    assert_string_equal(plain(EVENT_IKE_REKEYED),
                        "office: IKE SA 2 rekeyed as 3, aes128gcm16-prfsha256-x25519");
    struct event e = event(EVENT_CHILD_UP);
    e.suite.prf = e.suite.ke = 0;
    assert_string_equal(line_of(&e), "office/lan: CHILD SA 4 up, 10.1.0.0/16 === 10.2.0.0/16, "
                                     "SPI c0000001 in c0000002 out, aes128gcm16");
    e.kind = EVENT_CHILD_DOWN;
    assert_string_equal(line_of(&e), "office/lan: CHILD SA 4 down, 10.1.0.0/16 === 10.2.0.0/16, "
                                     "SPI c0000001 in c0000002 out");
    e.kind = EVENT_CHILD_REKEYED;
    assert_string_equal(line_of(&e), "office/lan: CHILD SA 2 rekeyed as 4, "
                                     "SPI c0000001 in c0000002 out, aes128gcm16");
}

static void a_refusal_says_where_what_and_how_to_mend_it(void **state)
{
    (void)state;
    struct finding f;
    struct event e = event(EVENT_REFUSED);
    finding_set(&f, CAUSE_IKE_NO_COMMON_PROPOSAL);
    f.param = "connections.office.proposals";
    f.expected = "aes256-sha256-modp2048";
    f.seen = "3des-sha1-modp1024";
    e.finding = &f;
    e.child_name = "";
    assert_string_equal(
        line_of(&e),
        "office: refused: 13868 ERROR_IPSEC_IKE_POLICY_MATCH ike.no-common-proposal (no common "
        "IKE proposal) at connections.office.proposals: expected aes256-sha256-modp2048, seen "
        "3des-sha1-modp1024; fix: make one IKE proposal equal on both sides: add to "
        "connections.office.proposals one that the peer accepts");
}

static void a_stranger_is_named_by_its_address(void **state)
{
    (void)state;
    struct finding f;
    struct event e = event(EVENT_NOTICE);
    finding_set(&f, CAUSE_MSG_UNKNOWN_SPI);
    e.finding = &f;
    e.conn_name = e.child_name = "";
    assert_string_equal(line_of(&e),
                        "10.0.0.2[4500]: notice: 13846 ERROR_IPSEC_IKE_INVALID_COOKIE "
                        "msg.unknown-spi (a message names an IKE SA that does not exist here)");
    f.cause = CAUSE_MSG_DECRYPT;
    assert_non_null(strstr(line_of(&e), "10.0.0.2[4500]: warning: "));
    e.remote.family = FAMILY_NONE;
    assert_int_equal(strncmp(line_of(&e), "warning: ", 9), 0);
}

static void an_sa_that_ends_by_failure_says_why(void **state)
{
    (void)state;
    struct finding f;
    struct event e = event(EVENT_IKE_DOWN);
    finding_set(&f, CAUSE_NET_LIVENESS_LOST);
    e.finding = &f;
    assert_string_equal(line_of(&e),
                        "office: IKE SA 3 down, 10.0.0.1[4500] === 10.0.0.2[4500]: 13886 "
                        "ERROR_IPSEC_IKE_PEER_MM_ASSUMED_INVALID net.liveness-lost (the peer no "
                        "longer answers); fix: look whether 10.0.0.2 is up and reachable; the SA "
                        "is gone on our side");
}

static void a_record_is_summed_up(void **state)
{
    (void)state;
    struct event e = event(EVENT_RECORD);
    e.child_name = "";
    e.record = refused_proposal();
    assert_string_equal(line_of(&e),
                        "office: negotiation 17 failed in IKE_SA_INIT after 41 ms: 13800 "
                        "ERROR_IPSEC_IKE_NEG_STATUS_BEGIN, 13868 ERROR_IPSEC_IKE_POLICY_MATCH "
                        "ike.peer-refused-proposal; see ikebana why 17");
    record_free(e.record);
    e.record = up_with_warning();
    assert_string_equal(line_of(&e),
                        "office: negotiation 17 up after 41 ms, 1 warning; see ikebana why 17");
    record_free(e.record);
    e.record = rekeyed();
    assert_string_equal(line_of(&e), "office: CHILD SA rekeying 17 up after 41 ms");
    record_free(e.record);
    e.record = partial();
    assert_string_equal(line_of(&e),
                        "office: negotiation 17 failed in part in CHILD_SA after 41 ms: 13897 "
                        "ERROR_IPSEC_IKE_NEG_STATUS_END, 13868 ERROR_IPSEC_IKE_POLICY_MATCH "
                        "child.peer-ts-unacceptable; see ikebana why 17");
    record_free(e.record);
    e.record = nothing_known();
    assert_string_equal(line_of(&e), "office: negotiation pending after 0 ms");
    record_free(e.record);
    e.record = NULL;
    assert_string_equal(line_of(&e), "");
}

static void progress_tells_the_last_message_or_a_hint(void **state)
{
    (void)state;
    struct finding f;
    struct event e = event(EVENT_PROGRESS);
    assert_string_equal(line_of(&e), "");
    e.record = refused_proposal();
    e.child_name = "";
    assert_string_equal(line_of(&e),
                        "office: received IKE_SA_INIT 0 response, 36 octets, NO_PROPOSAL_CHOSEN");
    record_free(e.record);
    e.record = no_answer();
    assert_string_equal(line_of(&e),
                        "office: sent IKE_SA_INIT 0 request, 264 octets, repeated 5 times");
    record_free(e.record);
    e.record = NULL;
    finding_set(&f, CAUSE_NET_UNREACHABLE);
    f.seen = "ICMP port unreachable";
    e.finding = &f;
    assert_string_equal(line_of(&e),
                        "office: hint: 13813 ERROR_IPSEC_IKE_DROP_NO_RESPONSE net.unreachable "
                        "(the network says that the peer cannot be reached): seen ICMP port "
                        "unreachable; fix: start IKE on 10.0.0.2 if it does not run; else mend the "
                        "route or the firewall that says: ICMP port unreachable");
}

static void a_command_ends_with_its_outcome(void **state)
{
    (void)state;
    struct finding f;
    struct event e = event(EVENT_COMMAND_DONE);
    e.conn_name = e.child_name = "";
    e.remote.family = FAMILY_NONE;
    assert_string_equal(line_of(&e), "command 9 done, 1 SA");
    finding_set(&f, CAUSE_CMD_UNKNOWN_SA);
    e.ok = false;
    e.count = 0;
    e.finding = &f;
    assert_int_equal(strncmp(line_of(&e), "command 9 failed, 0 SAs: 13", 27), 0);
}

static void hostile_texts_stay_in_their_line(void **state)
{
    (void)state;
    struct finding f;
    struct event e = event(EVENT_REFUSED);
    char *longest = arena_alloc(&arena, 100001);
    memset(longest, 'a', 100000);
    finding_set(&f, CAUSE_AUTH_ID_MISMATCH);
    f.param = "x\ny";
    f.seen = "\xff\033[2J\n";
    f.expected = f.nearest = f.evidence.note = longest;
    e.finding = &f;
    e.conn_name = "a\nb";
    const char *line = line_of(&e);
    assert_int_equal(strncmp(line, "a\\x0ab/lan: refused: ", 20), 0);
    assert_non_null(strstr(line, "seen \\xff\\x1b[2J\\x0a"));
    assert_true(strlen(line) < 4000);
}

static void no_event_needs_more_than_its_kind(void **state)
{
    (void)state;
    for (int kind = EVENT_IKE_UP; kind <= EVENT_COMMAND_DONE; kind++) {
        struct event e = {.kind = (enum event_kind)kind};
        line_of(&e); /* names are NULL, no addresses, no finding, no record */
        e.conn_name = e.child_name = "";
        line_of(&e);
    }
}

static void every_cause_fits_a_line(void **state)
{
    (void)state;
    for (size_t i = 0; i < CAUSE_COUNT; i++) {
        struct finding f;
        struct event e = event(EVENT_REFUSED);
        finding_set(&f, (enum cause)i);
        e.finding = &f;
        assert_null(strpbrk(line_of(&e), "{}"));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_sa_that_comes_goes_or_is_renewed_has_a_line),
        cmocka_unit_test(a_refusal_says_where_what_and_how_to_mend_it),
        cmocka_unit_test(a_stranger_is_named_by_its_address),
        cmocka_unit_test(an_sa_that_ends_by_failure_says_why),
        cmocka_unit_test(a_record_is_summed_up),
        cmocka_unit_test(progress_tells_the_last_message_or_a_hint),
        cmocka_unit_test(a_command_ends_with_its_outcome),
        cmocka_unit_test(hostile_texts_stay_in_their_line),
        cmocka_unit_test(no_event_needs_more_than_its_kind),
        cmocka_unit_test(every_cause_fits_a_line),
    };
    return cmocka_run_group_tests_name("diagnose/event", tests, set_up, tear_down);
}
