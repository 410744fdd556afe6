/* Choosing a proposal, checking what was chosen, and what the findings say. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "finding/finding.h"
#include "policy/keywords.h"

static struct arena arena;
static struct findings found;
static struct suite suite;
static struct finding why;

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

/* "a, b": proposals joined by ", ". */
static struct proposals list(const char *text, uint8_t protocol)
{
    struct proposals p = {0};
    found = (struct findings){.arena = &arena};
    while (*text != '\0') {
        size_t len = strcspn(text, ",");
        assert_true(policy_parse_proposals(span_of(text, len), protocol, &arena, &p, "", &found));
        text += len + (text[len] == ',' ? 1 : 0);
    }
    return p;
}

static bool choose(const char *offered, const char *ours, uint8_t protocol, bool ke_matters,
                   uint16_t wanted)
{
    struct proposals theirs = list(offered, protocol), mine = list(ours, protocol);
    return policy_choose_proposal(&theirs, &mine, protocol, ke_matters, wanted,
                                  CAUSE_IKE_NO_COMMON_PROPOSAL, &arena, &suite, &why);
}

static const char *chosen(const char *offered, const char *ours, uint8_t protocol)
{
    return choose(offered, ours, protocol, true, 0) ? policy_suite_text(&suite, protocol, &arena)
                                                    : "(none)";
}

static const char *nearest(const char *offered, const char *ours, uint8_t protocol)
{
    assert_false(choose(offered, ours, protocol, true, 0));
    return why.nearest;
}

/* ---- the choice ---- */

static void our_order_decides(void **state)
{
    (void)state;
    assert_string_equal(chosen("aes128-sha256-ecp256, aes256-sha512-modp2048",
                               "aes256-aes128-sha512-sha256-modp2048-ecp256", PROTOCOL_IKE),
                        "aes128-sha256-ecp256");
    assert_int_equal(suite.proposal_number, 1);
    assert_string_equal(chosen("aes128-sha256-ecp256, aes256-sha512-modp2048",
                               "aes256-sha512-modp2048, aes128-sha256-ecp256", PROTOCOL_IKE),
                        "aes256-sha512-modp2048");
    assert_int_equal(suite.proposal_number, 2);
    assert_string_equal(chosen("aes128-aes256-sha256-sha512-ecp256-x25519",
                               "aes256-aes128-sha512-sha256-x25519-ecp256", PROTOCOL_IKE),
                        "aes256-sha512-x25519");
}

static void the_group_of_the_ke_payload_wins_among_equals_only(void **state)
{
    (void)state;
    assert_true(choose("aes256-sha256-ecp256-modp2048", "aes256-sha256-modp2048-ecp256",
                       PROTOCOL_IKE, true, KE_ECP_256));
    assert_int_equal(suite.ke, KE_ECP_256);
    assert_true(choose("aes256-sha256-ecp256-modp2048", "aes256-sha256-modp2048", PROTOCOL_IKE,
                       true, KE_ECP_256));
    assert_int_equal(suite.ke, KE_MODP_2048);
    /* Not at the price of a proposal that we like less. */
    assert_true(choose("aes256-sha256-ecp256-modp2048",
                       "aes256-sha256-modp2048, aes256-sha256-ecp256", PROTOCOL_IKE, true,
                       KE_ECP_256));
    assert_int_equal(suite.ke, KE_MODP_2048);
}

static void aead_goes_with_no_integrity_or_with_none(void **state)
{
    (void)state;
    assert_string_equal(
        chosen("aes256gcm16-prfsha256-ecp256", "aes256gcm16-prfsha256-ecp256", PROTOCOL_IKE),
        "aes256gcm16-prfsha256-ecp256");
    struct transform none[] = {{TRANSFORM_ENCR, ENCR_AES_GCM_16, 256, false},
                               {TRANSFORM_INTEG, INTEG_NONE, 0, false},
                               {TRANSFORM_SN, SN_32_BIT_SEQUENTIAL, 0, false}};
    struct proposal p = {
        .number = 7, .protocol = PROTOCOL_ESP, .transforms = none, .transform_count = 3};
    struct proposals offered = {&p, 1}, ours = list("aes256gcm16", PROTOCOL_ESP);
    assert_true(policy_choose_proposal(&offered, &ours, PROTOCOL_ESP, true, 0,
                                       CAUSE_CHILD_NO_COMMON_PROPOSAL, &arena, &suite, &why));
    assert_int_equal(suite.integ, INTEG_NONE);
    assert_int_equal(suite.proposal_number, 7);
    none[1].id = AUTH_HMAC_SHA2_256_128;
    assert_false(policy_choose_proposal(&offered, &ours, PROTOCOL_ESP, true, 0,
                                        CAUSE_CHILD_NO_COMMON_PROPOSAL, &arena, &suite, &why));
    assert_string_equal(why.nearest, "the peer's proposal 7 and our proposal 1 differ only in "
                                     "integrity: ours none, theirs sha256");
}

static void key_exchange_is_ignored_in_ike_auth(void **state)
{
    (void)state;
    assert_true(choose("aes256gcm16-ecp256", "aes256gcm16", PROTOCOL_ESP, false, 0));
    assert_int_equal(suite.ke, KE_NONE);
    assert_false(choose("aes256gcm16-ecp256", "aes256gcm16", PROTOCOL_ESP, true, 0));
    assert_true(choose("aes256gcm16-ecp256-none", "aes256gcm16", PROTOCOL_ESP, true, 0));
    assert_int_equal(suite.ke, KE_NONE);
    assert_true(choose("aes256gcm16-ecp256-none", "aes256gcm16-ecp256", PROTOCOL_ESP, true, 0));
    assert_int_equal(suite.ke, KE_ECP_256);
}

static void additional_key_exchanges_are_ignored_in_ike_auth_too(void **state)
{
    (void)state;
    struct transform t[] = {{TRANSFORM_ENCR, ENCR_AES_GCM_16, 256, false},
                            {TRANSFORM_ADDKE1, KE_ML_KEM_768, 0, false}};
    struct proposal p = {
        .number = 1, .protocol = PROTOCOL_ESP, .transforms = t, .transform_count = 2};
    struct proposals offered = {&p, 1}, ours = list("aes256gcm16", PROTOCOL_ESP);
    assert_true(policy_choose_proposal(&offered, &ours, PROTOCOL_ESP, false, 0,
                                       CAUSE_CHILD_NO_COMMON_PROPOSAL, &arena, &suite, &why));
    assert_false(policy_choose_proposal(&offered, &ours, PROTOCOL_ESP, true, 0,
                                        CAUSE_CHILD_NO_COMMON_PROPOSAL, &arena, &suite, &why));
}

static void no_sequence_number_transform_means_no_esn(void **state)
{
    (void)state;
    struct transform bare[] = {{TRANSFORM_ENCR, ENCR_AES_GCM_16, 256, false}};
    struct proposal p = {
        .number = 1, .protocol = PROTOCOL_ESP, .transforms = bare, .transform_count = 1};
    struct proposals offered = {&p, 1};
    struct proposals both = list("aes256gcm16-esn-noesn", PROTOCOL_ESP);
    struct proposals esn = list("aes256gcm16-esn", PROTOCOL_ESP);
    assert_true(policy_choose_proposal(&offered, &both, PROTOCOL_ESP, true, 0,
                                       CAUSE_CHILD_NO_COMMON_PROPOSAL, &arena, &suite, &why));
    assert_false(suite.esn);
    assert_false(policy_choose_proposal(&offered, &esn, PROTOCOL_ESP, true, 0,
                                        CAUSE_CHILD_NO_COMMON_PROPOSAL, &arena, &suite, &why));
    assert_string_equal(why.nearest, "the peer's proposal 1 and our proposal 1 differ only in "
                                     "sequence numbers: ours esn, theirs noesn");
    assert_true(choose("aes256gcm16-noesn-esn", "aes256gcm16-esn-noesn", PROTOCOL_ESP, true, 0));
    assert_true(suite.esn);
}

static void a_transform_with_an_unknown_attribute_is_never_chosen(void **state)
{
    (void)state;
    struct proposals offered = list("aes256-sha256-ecp256-modp2048", PROTOCOL_IKE);
    struct proposals ours = list("aes256-sha256-ecp256-modp2048", PROTOCOL_IKE);
    for (size_t i = 0; i < offered.at[0].transform_count; i++)
        if (offered.at[0].transforms[i].id == KE_ECP_256 &&
            offered.at[0].transforms[i].type == TRANSFORM_KE)
            offered.at[0].transforms[i].is_odd = true;
    assert_true(policy_choose_proposal(&offered, &ours, PROTOCOL_IKE, true, KE_ECP_256,
                                       CAUSE_IKE_NO_COMMON_PROPOSAL, &arena, &suite, &why));
    assert_int_equal(suite.ke, KE_MODP_2048);
}

static void a_transform_type_that_is_not_known_spoils_its_proposal_unless_optional(void **state)
{
    (void)state;
    struct transform t[] = {{TRANSFORM_ENCR, ENCR_AES_GCM_16, 256, false},
                            {TRANSFORM_PRF, PRF_HMAC_SHA2_256, 0, false},
                            {TRANSFORM_KE, KE_ECP_256, 0, false},
                            {TRANSFORM_ADDKE1, KE_ML_KEM_768, 0, false},
                            {TRANSFORM_ADDKE1, KE_NONE, 0, false}};
    struct proposal p = {
        .number = 1, .protocol = PROTOCOL_IKE, .transforms = t, .transform_count = 5};
    struct proposals offered = {&p, 1};
    struct proposals ours = list("aes256gcm16-prfsha256-ecp256", PROTOCOL_IKE);
    assert_true(policy_choose_proposal(&offered, &ours, PROTOCOL_IKE, true, 0,
                                       CAUSE_IKE_NO_COMMON_PROPOSAL, &arena, &suite, &why));
    p.transform_count = 4;
    assert_false(policy_choose_proposal(&offered, &ours, PROTOCOL_IKE, true, 0,
                                        CAUSE_IKE_NO_COMMON_PROPOSAL, &arena, &suite, &why));
    assert_string_equal(why.nearest, "the peer's proposal 1 and our proposal 1 differ only in "
                                     "additional transforms: ours none, theirs ke1_mlkem768");
    t[3].type = 0; /* reserved */
    assert_false(policy_choose_proposal(&offered, &ours, PROTOCOL_IKE, true, 0,
                                        CAUSE_IKE_NO_COMMON_PROPOSAL, &arena, &suite, &why));
    t[3].type = 241; /* private use */
    assert_false(policy_choose_proposal(&offered, &ours, PROTOCOL_IKE, true, 0,
                                        CAUSE_IKE_NO_COMMON_PROPOSAL, &arena, &suite, &why));
}

/* ---- the whole finding ---- */

static void a_refusal_names_both_lists_and_the_nearest_pair(void **state)
{
    (void)state;
    assert_string_equal(nearest("aes128-sha1-modp1024, aes256-sha256-modp2048-modp3072",
                                "aes256gcm16-prfsha384-ecp384, aes256-sha256-ecp384", PROTOCOL_IKE),
                        "the peer's proposal 2 and our proposal 2 differ only in key exchange: "
                        "ours ecp384, theirs modp2048 modp3072");
    assert_int_equal(why.cause, CAUSE_IKE_NO_COMMON_PROPOSAL);
    assert_string_equal(why.expected, "aes256gcm16-prfsha384-ecp384, aes256-sha256-ecp384");
    assert_string_equal(why.seen, "aes128-sha1-modp1024, aes256-sha256-modp2048-modp3072");
}

static void integrity_is_not_blamed_when_aead_meets_classic(void **state)
{
    (void)state;
    assert_string_equal(
        nearest("aes256-sha256-ecp256", "aes256gcm16-prfsha256-ecp256", PROTOCOL_IKE),
        "the peer's proposal 1 and our proposal 1 differ only in encryption: ours aes256gcm16, "
        "theirs aes256");
}

static void several_differing_types_are_all_named(void **state)
{
    (void)state;
    assert_string_equal(nearest("aes128-sha1-modp1024", "aes256-sha256-ecp256", PROTOCOL_IKE),
                        "the peer's proposal 1 and our proposal 1 differ only in encryption: ours "
                        "aes256, theirs aes128; PRF: ours prfsha256, theirs prfsha1; integrity: "
                        "ours sha256, theirs sha1; key exchange: ours ecp256, theirs modp1024");
}

static void of_two_misses_the_one_among_ciphers_of_one_kind_is_nearer(void **state)
{
    (void)state;
    assert_string_equal(nearest("aes256-sha1", "aes256gcm16, aes256-sha256", PROTOCOL_ESP),
                        "the peer's proposal 1 and our proposal 2 differ only in integrity: ours "
                        "sha256, theirs sha1");
    /* But one type of another kind is nearer than two types. */
    assert_string_equal(nearest("aes256-sha256-ecp256",
                                "aes256-sha512-ecp256, aes256gcm16-prfsha256-ecp256", PROTOCOL_IKE),
                        "the peer's proposal 1 and our proposal 2 differ only in encryption: ours "
                        "aes256gcm16, theirs aes256");
}

static void another_protocol_is_named(void **state)
{
    (void)state;
    struct proposals offered = list("sha256", PROTOCOL_AH), ours = list("default", PROTOCOL_ESP);
    struct proposals none = {0};
    assert_false(policy_choose_proposal(&offered, &ours, PROTOCOL_ESP, true, 0,
                                        CAUSE_CHILD_NO_COMMON_PROPOSAL, &arena, &suite, &why));
    assert_string_equal(why.nearest, "the peer offers only AH, we need ESP");
    assert_false(policy_choose_proposal(&none, &ours, PROTOCOL_ESP, true, 0,
                                        CAUSE_CHILD_NO_COMMON_PROPOSAL, &arena, &suite, &why));
    assert_string_equal(why.nearest, "the peer offers no proposal at all");
}

/* ---- the answer ---- */

static bool check(const char *answer, uint8_t number, const char *offered, uint8_t protocol)
{
    struct proposals mine = list(offered, protocol), theirs = list(answer, protocol);
    theirs.at[0].number = number;
    return policy_check_chosen(&theirs, &mine, protocol, true, CAUSE_IKE_PROPOSAL_NOT_OFFERED,
                               &arena, &suite, &why);
}

static void an_answer_out_of_the_offer_is_taken(void **state)
{
    (void)state;
    assert_true(check("aes128-sha512-x25519", 2,
                      "aes256gcm16-prfsha256-ecp256, aes256-aes128-sha256-sha512-ecp256-x25519",
                      PROTOCOL_IKE));
    assert_int_equal(suite.proposal_number, 2);
    assert_string_equal(policy_suite_text(&suite, PROTOCOL_IKE, &arena), "aes128-sha512-x25519");
    assert_true(check("aes256gcm16-noesn", 1, "aes256gcm16-ecp256-none-esn-noesn", PROTOCOL_ESP));
    assert_int_equal(suite.ke, KE_NONE);
}

static void an_answer_with_what_was_not_offered_is_refused(void **state)
{
    (void)state;
    assert_false(check("aes256-sha256-modp1024", 1, "aes256-sha256-ecp256", PROTOCOL_IKE));
    assert_int_equal(why.cause, CAUSE_IKE_PROPOSAL_NOT_OFFERED);
    assert_string_equal(why.expected, "aes256-sha256-ecp256");
    assert_string_equal(why.seen, "aes256-sha256-modp1024");
    assert_string_equal(why.nearest,
                        "against our proposal 1: key exchange: ours ecp256, theirs modp1024");
    assert_int_equal(suite.encr, 0);
}

static void an_answer_across_two_proposals_is_refused(void **state)
{
    (void)state;
    assert_false(check("aes256-sha256-x25519", 1, "aes256-sha256-ecp256, aes128-sha256-x25519",
                       PROTOCOL_IKE));
    assert_false(check("aes256-sha256-ecp256", 3, "aes256-sha256-ecp256", PROTOCOL_IKE));
    assert_string_equal(why.nearest, "the answer names proposal 3, which we did not send");
}

static void an_answer_with_several_choices_is_refused(void **state)
{
    (void)state;
    assert_false(
        check("aes256-sha256-ecp256-x25519", 1, "aes256-sha256-ecp256-x25519", PROTOCOL_IKE));
    assert_string_equal(why.nearest,
                        "the answer has more than one choice for key exchange (ecp256 x25519)");
    assert_false(check("aes256-sha256-ecp256, aes256-sha256-ecp256", 1, "aes256-sha256-ecp256",
                       PROTOCOL_IKE));
    assert_string_equal(why.nearest, "the answer holds 2 proposals instead of one");
}

static void an_answer_without_a_type_that_was_offered_is_refused(void **state)
{
    (void)state;
    struct proposals mine = list("aes256-sha256-ecp256", PROTOCOL_IKE);
    struct proposals theirs = list("aes256-sha256-ecp256", PROTOCOL_IKE);
    theirs.at[0].transform_count = 3; /* the key exchange is the last */
    assert_false(policy_check_chosen(&theirs, &mine, PROTOCOL_IKE, true,
                                     CAUSE_IKE_PROPOSAL_NOT_OFFERED, &arena, &suite, &why));
    assert_string_equal(why.nearest,
                        "against our proposal 1: key exchange: ours ecp256, theirs none");
}

static void an_answer_with_a_transform_or_attribute_too_many_is_refused(void **state)
{
    (void)state;
    struct proposals mine = list("aes128gcm16-x25519", PROTOCOL_ESP);
    struct proposals theirs = list("aes128gcm16-x25519", PROTOCOL_ESP);
    struct transform more[8];
    struct proposal *p = &theirs.at[0];
    memcpy(more, p->transforms, p->transform_count * sizeof *more);
    p->transforms = more;
    assert_true(policy_check_chosen(&theirs, &mine, PROTOCOL_ESP, true,
                                    CAUSE_CHILD_PROPOSAL_NOT_OFFERED, &arena, &suite, &why));
    /* IKE_AUTH offers no group, whatever is configured */
    assert_false(policy_check_chosen(&theirs, &mine, PROTOCOL_ESP, false,
                                     CAUSE_CHILD_PROPOSAL_NOT_OFFERED, &arena, &suite, &why));
    assert_int_equal(why.cause, CAUSE_CHILD_PROPOSAL_NOT_OFFERED);
    assert_string_equal(why.nearest,
                        "the answer has x25519 (key exchange), which our proposal 1 has not");
    more[p->transform_count++] = (struct transform){TRANSFORM_PRF, PRF_HMAC_SHA2_256, 0, false};
    assert_false(policy_check_chosen(&theirs, &mine, PROTOCOL_ESP, true,
                                     CAUSE_CHILD_PROPOSAL_NOT_OFFERED, &arena, &suite, &why));
    assert_string_equal(why.nearest,
                        "the answer has prfsha256 (PRF), which our proposal 1 has not");
    p->transform_count--;
    more[p->transform_count - 1].is_odd = true;
    assert_false(policy_check_chosen(&theirs, &mine, PROTOCOL_ESP, true,
                                     CAUSE_CHILD_PROPOSAL_NOT_OFFERED, &arena, &suite, &why));
    assert_int_equal(suite.encr, 0);
}

/* ---- making proposals ---- */

static void a_chosen_suite_as_a_proposal_is_an_answer_out_of_the_offer(void **state)
{
    (void)state;
    static const struct {
        const char *offer;
        uint8_t protocol;
    } rows[] = {{"default", PROTOCOL_IKE},
                {"default", PROTOCOL_ESP},
                {"aes256-sha256-none", PROTOCOL_ESP},
                {"sha256-esn", PROTOCOL_AH}};
    static const uint8_t spi[] = {1, 2, 3, 4};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct proposals offer = list(rows[i].offer, rows[i].protocol), answer;
        struct proposal p;
        struct suite again;
        assert_true(policy_choose_proposal(&offer, &offer, rows[i].protocol, true, 0,
                                           CAUSE_IKE_NO_COMMON_PROPOSAL, &arena, &suite, &why));
        policy_suite_proposal(&suite, rows[i].protocol, span_of(spi, 4), &arena, &p);
        assert_true(span_equal(p.spi, span_of(spi, 4)));
        answer = (struct proposals){&p, 1};
        assert_true(policy_check_chosen(&answer, &offer, rows[i].protocol, true,
                                        CAUSE_IKE_PROPOSAL_NOT_OFFERED, &arena, &again, &why));
        assert_int_equal(again.encr, suite.encr);
        assert_int_equal(again.integ, suite.integ);
        assert_int_equal(again.ke, suite.ke);
        assert_int_equal(again.esn, suite.esn);
    }
}

static void copies_have_numbers_spi_and_no_key_exchange(void **state)
{
    (void)state;
    static const uint8_t spi[] = {1, 2, 3, 4};
    struct proposals p = list("aes256gcm16-ecp256-none, aes256-sha256-ecp256", PROTOCOL_ESP), out;
    p.at[0].number = 9;
    assert_true(policy_copy_proposals(&p, span_of(spi, 4), false, &arena, &out));
    assert_string_equal(policy_proposals_text(&out, &arena), "aes256gcm16, aes256-sha256");
    assert_int_equal(out.at[0].number, 1);
    assert_int_equal(out.at[1].number, 2);
    assert_true(span_equal(out.at[1].spi, span_of(spi, 4)));
    assert_true(policy_copy_proposals(&p, span_of(spi, 4), true, &arena, &out));
    assert_string_equal(policy_proposals_text(&out, &arena), policy_proposals_text(&p, &arena));
}

static void groups_of_a_list_are_found(void **state)
{
    (void)state;
    struct proposals p = list("aes256gcm16-none-ecp384, aes256-sha256-x25519", PROTOCOL_ESP);
    assert_int_equal(policy_first_group(&p), KE_ECP_384);
    assert_true(policy_offers_group(&p, KE_CURVE25519));
    assert_false(policy_offers_group(&p, KE_ECP_256));
    assert_false(policy_offers_group(&p, KE_NONE));
    p = list("aes256gcm16", PROTOCOL_ESP);
    assert_int_equal(policy_first_group(&p), KE_NONE);
}

/* ---- the slow twin: try every suite that could be ---- */

static uint64_t seed = 20240607;

static unsigned below(unsigned n)
{
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return (unsigned)((seed >> 33) % n);
}

static const struct transform universe[] = {
    {TRANSFORM_ENCR, ENCR_AES_CBC, 128, false},
    {TRANSFORM_ENCR, ENCR_AES_CBC, 256, false},
    {TRANSFORM_ENCR, ENCR_AES_GCM_16, 256, false},
    {TRANSFORM_INTEG, INTEG_NONE, 0, false},
    {TRANSFORM_INTEG, AUTH_HMAC_SHA2_256_128, 0, false},
    {TRANSFORM_INTEG, AUTH_HMAC_SHA2_512_256, 0, false},
    {TRANSFORM_KE, KE_NONE, 0, false},
    {TRANSFORM_KE, KE_ECP_256, 0, false},
    {TRANSFORM_KE, KE_CURVE25519, 0, false},
    {TRANSFORM_SN, SN_32_BIT_SEQUENTIAL, 0, false},
    {TRANSFORM_SN, SN_64_BIT_SEQUENTIAL, 0, false},
};
enum { UNIVERSE = sizeof universe / sizeof universe[0] };

struct random_list {
    struct transform transforms[3][UNIVERSE];
    struct proposal proposals[3];
    struct proposals list;
};

static void make_random(struct random_list *r)
{
    r->list = (struct proposals){r->proposals, 1 + below(3)};
    for (size_t i = 0; i < r->list.count; i++) {
        size_t n = 0;
        for (size_t j = 0; j < UNIVERSE; j++)
            if (below(2) == 0)
                r->transforms[i][n++] = universe[j];
        r->proposals[i] = (struct proposal){.number = (uint8_t)(i + 1),
                                            .protocol = PROTOCOL_ESP,
                                            .transforms = r->transforms[i],
                                            .transform_count = n};
    }
}

static bool slow_has(const struct proposal *p, uint8_t type, uint16_t id, uint16_t bits)
{
    bool is_there = false, any = false;
    for (size_t i = 0; i < p->transform_count; i++) {
        any |= p->transforms[i].type == type;
        is_there |= p->transforms[i].type == type && p->transforms[i].id == id &&
                    p->transforms[i].key_bits == bits;
    }
    return is_there || (!any && id == 0 && type != TRANSFORM_ENCR);
}

static bool slow_fits(const struct proposal *p, const struct suite *s)
{
    return slow_has(p, TRANSFORM_ENCR, s->encr, s->encr_bits) &&
           slow_has(p, TRANSFORM_INTEG, s->integ, 0) && slow_has(p, TRANSFORM_KE, s->ke, 0) &&
           slow_has(p, TRANSFORM_SN, s->esn ? 1 : 0, 0);
}

static bool slow_is_common(const struct proposals *x, const struct proposals *y,
                           const struct suite *s)
{
    for (size_t i = 0; i < x->count; i++)
        for (size_t j = 0; j < y->count; j++)
            if (slow_fits(&x->at[i], s) && slow_fits(&y->at[j], s))
                return true;
    return false;
}

static bool slow_exists(const struct proposals *x, const struct proposals *y)
{
    for (size_t e = 0; e < 3; e++)
        for (size_t i = 3; i < 6; i++)
            for (size_t k = 6; k < 9; k++)
                for (size_t n = 0; n < 2; n++) {
                    struct suite s = {.encr = universe[e].id,
                                      .encr_bits = universe[e].key_bits,
                                      .integ = universe[i].id,
                                      .ke = universe[k].id,
                                      .esn = n == 1};
                    bool is_aead = s.encr == ENCR_AES_GCM_16;
                    if (is_aead == (s.integ == INTEG_NONE) && slow_is_common(x, y, &s))
                        return true;
                }
    return false;
}

static void choosing_agrees_with_trying_every_suite(void **state)
{
    (void)state;
    unsigned met = 0;
    for (unsigned round = 0; round < 100000; round++) {
        struct random_list ours, theirs;
        make_random(&ours);
        make_random(&theirs);
        bool answer = policy_choose_proposal(&theirs.list, &ours.list, PROTOCOL_ESP, true,
                                             (uint16_t)(below(2) == 0 ? 0 : KE_ECP_256),
                                             CAUSE_CHILD_NO_COMMON_PROPOSAL, &arena, &suite, &why);
        assert_int_equal(answer, slow_exists(&ours.list, &theirs.list));
        if (answer) {
            met++;
            assert_true(slow_is_common(&ours.list, &theirs.list, &suite));
            assert_true((suite.encr == ENCR_AES_GCM_16) == (suite.integ == INTEG_NONE));
        } else {
            assert_string_not_equal(why.nearest, "");
        }
        arena_reset(&arena);
    }
    assert_in_range(met, 20000, 80000); /* the cases are neither all easy nor all hopeless */
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        T(our_order_decides),
        T(the_group_of_the_ke_payload_wins_among_equals_only),
        T(aead_goes_with_no_integrity_or_with_none),
        T(key_exchange_is_ignored_in_ike_auth),
        T(additional_key_exchanges_are_ignored_in_ike_auth_too),
        T(no_sequence_number_transform_means_no_esn),
        T(a_transform_with_an_unknown_attribute_is_never_chosen),
        T(a_transform_type_that_is_not_known_spoils_its_proposal_unless_optional),
        T(a_refusal_names_both_lists_and_the_nearest_pair),
        T(integrity_is_not_blamed_when_aead_meets_classic),
        T(several_differing_types_are_all_named),
        T(of_two_misses_the_one_among_ciphers_of_one_kind_is_nearer),
        T(another_protocol_is_named),
        T(an_answer_out_of_the_offer_is_taken),
        T(an_answer_with_what_was_not_offered_is_refused),
        T(an_answer_across_two_proposals_is_refused),
        T(an_answer_with_several_choices_is_refused),
        T(an_answer_without_a_type_that_was_offered_is_refused),
        T(an_answer_with_a_transform_or_attribute_too_many_is_refused),
        T(a_chosen_suite_as_a_proposal_is_an_answer_out_of_the_offer),
        T(copies_have_numbers_spi_and_no_key_exchange),
        T(groups_of_a_list_are_found),
        T(choosing_agrees_with_trying_every_suite),
    };
    return cmocka_run_group_tests_name("choose", tests, NULL, NULL);
}
