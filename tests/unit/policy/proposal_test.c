/* Proposals: from text, to text. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "finding/finding.h"
#include "policy/keywords.h"

#include "cases.h"

static struct arena arena;
static struct findings found;

static int set_up(void **state)
{
    (void)state;
    if (!arena_init(&arena))
        return 1;
    found = (struct findings){.arena = &arena};
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    arena_clear(&arena);
    return 0;
}

#define PARAM "connections.office.proposals"

static bool parse(const char *text, uint8_t protocol, struct proposals *out)
{
    *out = (struct proposals){0};
    found = (struct findings){.arena = &arena};
    return policy_parse_proposals(span_text(text), protocol, &arena, out, PARAM, &found);
}

/* What the parser made of a text, as text. */
static const char *reads(const char *text, uint8_t protocol)
{
    struct proposals p;
    return parse(text, protocol, &p) ? policy_proposals_text(&p, &arena) : "(refused)";
}

static void assert_only_finding(enum cause cause, const char *expected, const char *seen,
                                const char *nearest)
{
    assert_int_equal(found.count, 1);
    assert_int_equal(found.at[0].cause, cause);
    assert_string_equal(found.at[0].param, PARAM);
    assert_string_equal(found.at[0].expected, expected);
    assert_string_equal(found.at[0].seen, seen);
    assert_string_equal(found.at[0].nearest, nearest);
}

/* ---- golden rows ---- */

static const struct deviation ike_deviations[] = {
    {"aes256-sha256-x25519-ke1_mlkem768", false, "additional key exchanges are not served"},
    {"aes256-sha256-x25519-KE1_mlkem768", false, "additional key exchanges are not served"},
    {"aes256-sha256-mlkem768", false, "ML-KEM is not served, and nothing else remains"},
    {"null-sha256-modp2048", false, "RFC 7296 5: IKE must not use NULL"},
};

static const struct deviation esp_deviations[] = {
    {"aes256", false, "RFC 8221 4: encryption without integrity must not be used"},
    {"aes256-md5", false, "HMAC-MD5 is not served, and nothing else remains"},
};

static const struct deviation ah_deviations[] = {
    {"aes128gmac", false, "AES-GMAC in AH is not served"},
};

static void check_golden(const char *ending, uint8_t protocol, const struct deviation *list,
                         size_t count)
{
    struct golden g;
    struct proposals p;
    bool used[16] = {false};
    size_t rows = 0;
    FILE *f = open_spec("swanctl-cases.tsv");
    while (next_golden(f, ending, &g)) {
        bool expected = expected_answer(&g, list, count, used);
        if (parse(g.value, protocol, &p) != expected)
            fail_msg("%s = \"%s\": should be %s", g.path, g.value,
                     expected ? "accepted" : "refused");
        if (findings_have_failure(&found) == expected)
            fail_msg("%s = \"%s\": findings and answer differ", g.path, g.value);
        rows++;
    }
    fclose(f);
    assert_true(rows > 0);
    for (size_t i = 0; i < count; i++)
        if (!used[i])
            fail_msg("the deviation %s is no longer in the table", list[i].value);
}

static void ike_proposals_are_taken_and_refused_as_charon_does(void **state)
{
    (void)state;
    check_golden("<conn>.proposals", PROTOCOL_IKE, ike_deviations,
                 sizeof ike_deviations / sizeof ike_deviations[0]);
}

static void esp_proposals_are_taken_and_refused_as_charon_does(void **state)
{
    (void)state;
    check_golden(".esp_proposals", PROTOCOL_ESP, esp_deviations,
                 sizeof esp_deviations / sizeof esp_deviations[0]);
}

static void ah_proposals_are_taken_and_refused_as_charon_does(void **state)
{
    (void)state;
    check_golden(".ah_proposals", PROTOCOL_AH, ah_deviations,
                 sizeof ah_deviations / sizeof ah_deviations[0]);
}

/* ---- rules ---- */

static void the_prf_is_that_of_the_integrity_algorithm(void **state)
{
    (void)state;
    struct proposals p;
    assert_true(parse("aes256-sha384-modp2048", PROTOCOL_IKE, &p));
    assert_int_equal(p.count, 1);
    assert_int_equal(p.at[0].number, 1);
    assert_int_equal(p.at[0].protocol, PROTOCOL_IKE);
    assert_int_equal(p.at[0].transform_count, 4);
    static const struct transform expected[] = {{TRANSFORM_ENCR, ENCR_AES_CBC, 256, false},
                                                {TRANSFORM_INTEG, AUTH_HMAC_SHA2_384_192, 0, false},
                                                {TRANSFORM_PRF, PRF_HMAC_SHA2_384, 0, false},
                                                {TRANSFORM_KE, KE_MODP_2048, 0, false}};
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(p.at[0].transforms[i].type, expected[i].type);
        assert_int_equal(p.at[0].transforms[i].id, expected[i].id);
        assert_int_equal(p.at[0].transforms[i].key_bits, expected[i].key_bits);
    }
    assert_int_equal(found.count, 0);
}

static void an_integrity_word_beside_an_aead_cipher_only_names_the_prf(void **state)
{
    (void)state;
    assert_string_equal(reads("aes256gcm16-sha256-ecp256", PROTOCOL_IKE),
                        "aes256gcm16-prfsha256-ecp256");
    assert_int_equal(found.count, 0);
    assert_string_equal(reads("aes256gcm16-sha256", PROTOCOL_ESP), "aes256gcm16");
    assert_only_finding(CAUSE_CONF_ODD_VALUE, "no integrity algorithm: the AEAD cipher needs none",
                        "aes256gcm16-sha256", "");
}

static void other_spellings_are_printed_in_one_way(void **state)
{
    (void)state;
    assert_string_equal(reads("aes-sha2_256-curve25519", PROTOCOL_IKE), "aes128-sha256-x25519");
    assert_string_equal(reads("aes128gcm-prfsha256-curve448", PROTOCOL_IKE),
                        "aes128gcm16-prfsha256-x448");
    assert_string_equal(reads("aes128gcm128", PROTOCOL_ESP), "aes128gcm16");
}

static void order_counts_inside_a_type_and_doubles_do_not(void **state)
{
    (void)state;
    assert_string_equal(reads("modp2048-sha512-aes128-ecp256-aes256-sha256-aes128", PROTOCOL_IKE),
                        "aes128-aes256-sha512-sha256-modp2048-ecp256");
}

static void named_prfs_stay_when_they_are_not_those_of_the_integrity_algorithms(void **state)
{
    (void)state;
    assert_string_equal(reads("aes256-sha256-prfsha512-ecp256", PROTOCOL_IKE),
                        "aes256-sha256-prfsha512-ecp256");
    assert_string_equal(reads("aes256-sha256-prfsha256-ecp256", PROTOCOL_IKE),
                        "aes256-sha256-ecp256");
}

static void noesn_is_added_where_neither_is_given(void **state)
{
    (void)state;
    struct proposals p;
    assert_true(parse("aes256gcm16", PROTOCOL_ESP, &p));
    assert_int_equal(p.at[0].transform_count, 2);
    assert_int_equal(p.at[0].transforms[1].type, TRANSFORM_SN);
    assert_int_equal(p.at[0].transforms[1].id, SN_32_BIT_SEQUENTIAL);
    assert_string_equal(reads("aes256gcm16-esn", PROTOCOL_ESP), "aes256gcm16-esn");
    assert_string_equal(reads("aes256gcm16-noesn-esn", PROTOCOL_ESP), "aes256gcm16-noesn-esn");
}

static void none_makes_a_key_exchange_optional_in_esp_only(void **state)
{
    (void)state;
    assert_string_equal(reads("aes256gcm16-ecp256-none", PROTOCOL_ESP), "aes256gcm16-ecp256-none");
    assert_string_equal(reads("aes256-sha256-ecp256-none", PROTOCOL_IKE), "aes256-sha256-ecp256");
    assert_only_finding(CAUSE_CONF_ODD_VALUE, "a key exchange group: IKE cannot do without",
                        "none in aes256-sha256-ecp256-none", "");
}

static void an_optional_additional_key_exchange_is_left_out_with_a_warning(void **state)
{
    (void)state;
    assert_string_equal(reads("aes256gcm16-ke1_mlkem768-ke1_none", PROTOCOL_ESP), "aes256gcm16");
    assert_only_finding(CAUSE_CONF_UNSERVED_ALGORITHM, "no additional key exchange",
                        "ke1_mlkem768 in aes256gcm16-ke1_mlkem768-ke1_none", "");
}

static void proposals_are_appended_and_numbered(void **state)
{
    (void)state;
    struct proposals p = {0};
    assert_true(policy_parse_proposals(span_text("aes256-sha256-ecp256"), PROTOCOL_IKE, &arena, &p,
                                       PARAM, &found));
    assert_true(policy_parse_proposals(span_text("aes128-sha256-ecp256"), PROTOCOL_IKE, &arena, &p,
                                       PARAM, &found));
    assert_int_equal(p.count, 2);
    assert_int_equal(p.at[1].number, 2);
    assert_string_equal(policy_proposals_text(&p, &arena),
                        "aes256-sha256-ecp256, aes128-sha256-ecp256");
}

/* ---- refusals and warnings, whole ---- */

static void an_unknown_word_is_refused_with_the_nearest_one(void **state)
{
    (void)state;
    assert_string_equal(reads("aes265-sha256-ecp256", PROTOCOL_IKE), "(refused)");
    assert_only_finding(CAUSE_CONF_BAD_VALUE, "words of the proposal keyword list, joined by \"-\"",
                        "aes265 in aes265-sha256-ecp256", "did you mean aes256?");
    assert_string_equal(reads("AES256-sha256-ecp256", PROTOCOL_IKE), "(refused)");
    assert_string_equal(found.at[0].nearest, "did you mean aes256?");
    assert_string_equal(reads("rot13-sha256-ecp256", PROTOCOL_IKE), "(refused)");
    assert_string_equal(found.at[0].nearest, "");
    assert_string_equal(reads("ntru256-aes256-sha256", PROTOCOL_IKE), "(refused)");
    assert_string_equal(found.at[0].nearest, "strongSwan had this algorithm until 5.9.14");
}

static void hostile_octets_are_escaped_in_the_finding(void **state)
{
    (void)state;
    assert_string_equal(reads("\x1b[2J\xff-sha256", PROTOCOL_IKE), "(refused)");
    assert_string_equal(found.at[0].seen, "\\x1b[2J\\xff in \\x1b[2J\\xff-sha256");
}

static void mixed_ciphers_are_refused(void **state)
{
    (void)state;
    assert_string_equal(reads("aes256-aes256gcm16-sha256-modp2048", PROTOCOL_IKE), "(refused)");
    assert_only_finding(CAUSE_CONF_BAD_VALUE,
                        "AEAD ciphers (gcm, ccm, chacha20poly1305) in a proposal of their own",
                        "aes256gcm16 beside aes256 in aes256-aes256gcm16-sha256-modp2048", "");
}

static void a_missing_type_is_named_with_an_example(void **state)
{
    (void)state;
    assert_string_equal(reads("aes256-sha256", PROTOCOL_IKE), "(refused)");
    assert_only_finding(CAUSE_CONF_BAD_VALUE,
                        "a key exchange group, for example x25519, ecp256 or modp2048",
                        "aes256-sha256", "");
    assert_string_equal(reads("aes256gcm16-modp2048", PROTOCOL_IKE), "(refused)");
    assert_only_finding(CAUSE_CONF_BAD_VALUE, "a PRF, for example prfsha256",
                        "aes256gcm16-modp2048", "");
}

static void weak_algorithms_are_taken_with_a_warning_each(void **state)
{
    (void)state;
    assert_string_equal(reads("aes256-sha1-modp1024", PROTOCOL_IKE), "aes256-sha1-modp1024");
    assert_int_equal(found.count, 2);
    assert_int_equal(found.at[0].cause, CAUSE_CONF_WEAK_PROPOSAL);
    assert_string_equal(found.at[0].seen, "sha1 in aes256-sha1-modp1024");
    assert_string_equal(found.at[0].expected, "an integrity algorithm, for example sha256");
    assert_int_equal(found.at[1].cause, CAUSE_CONF_WEAK_PROPOSAL);
    assert_string_equal(found.at[1].seen, "modp1024 in aes256-sha1-modp1024");
    assert_false(findings_have_failure(&found));
    assert_string_equal(reads("null-sha256", PROTOCOL_ESP), "null-sha256");
    assert_int_equal(found.at[0].cause, CAUSE_CONF_WEAK_PROPOSAL);
}

static void what_is_not_served_is_left_out_while_another_of_its_type_remains(void **state)
{
    (void)state;
    assert_string_equal(reads("camellia256-aes256-sha256-ecp256-mlkem768", PROTOCOL_IKE),
                        "aes256-sha256-ecp256");
    assert_int_equal(found.count, 2);
    assert_int_equal(found.at[0].cause, CAUSE_CONF_UNSERVED_ALGORITHM);
    assert_string_equal(found.at[0].param, PARAM);
    assert_string_equal(found.at[0].seen,
                        "camellia256 in camellia256-aes256-sha256-ecp256-mlkem768");
    assert_int_equal(found.at[1].cause, CAUSE_CONF_UNSERVED_ALGORITHM);

    assert_string_equal(reads("camellia256-sha256-ecp256", PROTOCOL_IKE), "(refused)");
    assert_only_finding(CAUSE_CONF_BAD_VALUE,
                        "an encryption algorithm, for example aes256gcm16 or aes256",
                        "camellia256 in camellia256-sha256-ecp256",
                        "this build does not serve that algorithm here");
}

static void pfs_is_not_lost_because_only_none_remains(void **state)
{
    (void)state;
    assert_string_equal(reads("aes256gcm16-mlkem768-none", PROTOCOL_ESP), "(refused)");
}

static void an_empty_or_endless_text_is_refused(void **state)
{
    (void)state;
    char text[3000];
    memset(text, 'a', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    assert_string_equal(reads("", PROTOCOL_IKE), "(refused)");
    assert_string_equal(reads(" - - ", PROTOCOL_IKE), "(refused)");
    assert_string_equal(reads(text, PROTOCOL_IKE), "(refused)");
}

/* ---- text ---- */

static void every_keyword_is_printed_as_a_word_for_the_same_transform(void **state)
{
    (void)state;
    for (size_t i = 0; i < policy_keyword_count; i++) {
        const struct keyword *k = &policy_keywords[i];
        struct transform t = {k->type, k->id, k->key_bits, false};
        if (k->is_gone)
            continue;
        const struct keyword *again =
            policy_keyword_find(span_text(policy_transform_text(&t, &arena)));
        assert_non_null(again);
        assert_int_equal(again->type, k->type);
        assert_int_equal(again->id, k->id);
        assert_int_equal(again->key_bits, k->key_bits);
    }
}

static void unknown_transforms_are_printed_by_name_or_number(void **state)
{
    (void)state;
    struct transform known = {TRANSFORM_ENCR, ENCR_AES_GCM_16_IIV, 256, false};
    struct transform unknown = {TRANSFORM_KE, 5000, 0, false};
    struct transform odd = {TRANSFORM_KE, KE_ECP_384, 0, true};
    struct transform additional = {TRANSFORM_ADDKE2, KE_ML_KEM_768, 0, false};
    assert_string_equal(policy_transform_text(&known, &arena), "ENCR_AES_GCM_16_IIV/256");
    assert_string_equal(policy_transform_text(&unknown, &arena), "5000");
    assert_string_equal(policy_transform_text(&odd, &arena), "ecp384(with an unknown attribute)");
    assert_string_equal(policy_transform_text(&additional, &arena), "ke2_mlkem768");
}

static void a_hostile_offer_is_shown_cut_and_cheaply(void **state)
{
    (void)state;
    struct transform many[255];
    struct proposal list[255];
    for (size_t i = 0; i < 255; i++) {
        many[i] = (struct transform){200, (uint16_t)i, 0, true};
        list[i] = (struct proposal){.number = (uint8_t)(i + 1),
                                    .protocol = PROTOCOL_IKE,
                                    .transforms = many,
                                    .transform_count = 255};
    }
    struct proposals p = {list, 255};
    const char *text = policy_proposals_text(&p, &arena);
    assert_true(strlen(text) <= 3003);
    assert_non_null(strstr(text, "…"));
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        T(ike_proposals_are_taken_and_refused_as_charon_does),
        T(esp_proposals_are_taken_and_refused_as_charon_does),
        T(ah_proposals_are_taken_and_refused_as_charon_does),
        T(the_prf_is_that_of_the_integrity_algorithm),
        T(an_integrity_word_beside_an_aead_cipher_only_names_the_prf),
        T(other_spellings_are_printed_in_one_way),
        T(order_counts_inside_a_type_and_doubles_do_not),
        T(named_prfs_stay_when_they_are_not_those_of_the_integrity_algorithms),
        T(noesn_is_added_where_neither_is_given),
        T(none_makes_a_key_exchange_optional_in_esp_only),
        T(an_optional_additional_key_exchange_is_left_out_with_a_warning),
        T(proposals_are_appended_and_numbered),
        T(an_unknown_word_is_refused_with_the_nearest_one),
        T(hostile_octets_are_escaped_in_the_finding),
        T(mixed_ciphers_are_refused),
        T(a_missing_type_is_named_with_an_example),
        T(weak_algorithms_are_taken_with_a_warning_each),
        T(what_is_not_served_is_left_out_while_another_of_its_type_remains),
        T(pfs_is_not_lost_because_only_none_remains),
        T(an_empty_or_endless_text_is_refused),
        T(every_keyword_is_printed_as_a_word_for_the_same_transform),
        T(unknown_transforms_are_printed_by_name_or_number),
        T(a_hostile_offer_is_shown_cut_and_cheaply),
    };
    return cmocka_run_group_tests_name("proposal", tests, NULL, NULL);
}
