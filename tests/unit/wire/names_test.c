#include "octets.h"

#include "wire/names.h"

static void known_numbers_have_their_registered_names(void **state)
{
    (void)state;
    struct arena a = new_arena();
    assert_string_equal(wire_exchange_name(EXCHANGE_IKE_AUTH, &a), "IKE_AUTH");
    assert_string_equal(wire_payload_name(PAYLOAD_SA, &a), "SA");
    assert_string_equal(wire_payload_name(PAYLOAD_NONCE, &a), "Nonce");
    assert_string_equal(wire_payload_name(PAYLOAD_TSI, &a), "TSi");
    assert_string_equal(wire_notify_name(NOTIFY_NO_PROPOSAL_CHOSEN, &a), "NO_PROPOSAL_CHOSEN");
    assert_string_equal(wire_notify_name(12345, &a), "MS_NOTIFY_STATUS");
    assert_string_equal(wire_transform_name(TRANSFORM_ENCR, ENCR_AES_GCM_16, &a),
                        "ENCR_AES_GCM_16");
    assert_string_equal(wire_transform_name(TRANSFORM_PRF, PRF_HMAC_SHA2_256, &a),
                        "PRF_HMAC_SHA2_256");
    assert_string_equal(wire_transform_name(TRANSFORM_INTEG, AUTH_HMAC_SHA2_256_128, &a),
                        "AUTH_HMAC_SHA2_256_128");
    assert_string_equal(wire_transform_name(TRANSFORM_KE, KE_CURVE25519, &a), "CURVE25519");
    assert_string_equal(wire_transform_name(TRANSFORM_ADDKE7, KE_ML_KEM_768, &a), "ML_KEM_768");
    assert_string_equal(wire_transform_type_name(TRANSFORM_SN, &a), "SN");
    assert_string_equal(wire_protocol_name(PROTOCOL_ESP, &a), "ESP");
    assert_string_equal(wire_id_type_name(ID_FQDN, &a), "ID_FQDN");
    assert_string_equal(wire_auth_method_name(AUTH_METHOD_SHARED_KEY_MIC, &a), "SHARED_KEY_MIC");
    assert_string_equal(wire_cert_encoding_name(CERT_X509_SIGNATURE, &a), "X509_SIGNATURE");
    assert_string_equal(wire_ts_type_name(TS_IPV6_ADDR_RANGE, &a), "TS_IPV6_ADDR_RANGE");
    assert_string_equal(wire_cfg_type_name(CFG_REQUEST, &a), "CFG_REQUEST");
    assert_string_equal(wire_cfg_attribute_name(CFG_INTERNAL_IP4_DNS, &a), "INTERNAL_IP4_DNS");
    assert_string_equal(wire_hash_name(HASH_SHA2_256, &a), "SHA2_256");
    assert_string_equal(wire_eap_type_name(EAP_TYPE_MSCHAPV2, &a), "MSCHAPv2");
    arena_clear(&a);
}

static void unknown_numbers_are_printed_as_numbers(void **state)
{
    (void)state;
    struct arena a = new_arena();
    assert_string_equal(wire_exchange_name(33, &a), "33");
    assert_string_equal(wire_payload_name(200, &a), "200");
    assert_string_equal(wire_notify_name(65535, &a), "65535");
    assert_string_equal(wire_transform_name(TRANSFORM_ENCR, 4711, &a), "4711");
    assert_string_equal(wire_transform_name(99, 7, &a), "7");
    arena_clear(&a);
}

/* The tables are searched by halves. */
static void every_table_ascends(void **state)
{
    (void)state;
    const struct wire_names *all[] = {
        &wire_exchange_names,
        &wire_payload_names,
        &wire_protocol_names,
        &wire_transform_type_names,
        &wire_encr_names,
        &wire_prf_names,
        &wire_integ_names,
        &wire_ke_names,
        &wire_sn_names,
        &wire_id_type_names,
        &wire_cert_encoding_names,
        &wire_auth_method_names,
        &wire_notify_names,
        &wire_ts_type_names,
        &wire_cfg_type_names,
        &wire_cfg_attribute_names,
        &wire_hash_names,
        &wire_eap_type_names,
    };
    for (size_t t = 0; t < sizeof all / sizeof all[0]; t++) {
        assert_true(all[t]->count > 0);
        for (size_t i = 1; i < all[t]->count; i++)
            assert_true(all[t]->at[i - 1].number < all[t]->at[i].number);
    }
}

static void every_notify_is_found_by_its_name(void **state)
{
    (void)state;
    struct arena a = new_arena();
    for (size_t i = 0; i < wire_notify_names.count; i++) {
        uint16_t type;
        assert_true(wire_notify_by_name(span_text(wire_notify_names.at[i].name), &type));
        assert_int_equal(type, wire_notify_names.at[i].number);
        assert_string_equal(wire_notify_name(type, &a), wire_notify_names.at[i].name);
    }
    arena_clear(&a);
}

static void case_and_notation_do_not_matter(void **state)
{
    (void)state;
    uint16_t type;
    assert_true(wire_notify_by_name(span_text("no_Proposal_chosen"), &type));
    assert_int_equal(type, 14);
    assert_true(wire_notify_by_name(span_text("16390"), &type));
    assert_int_equal(type, NOTIFY_COOKIE);
    assert_true(wire_notify_by_name(span_text("0X4006"), &type));
    assert_int_equal(type, NOTIFY_COOKIE);
}

static void what_is_neither_name_nor_number_is_not_found(void **state)
{
    (void)state;
    const char *const bad[] = {
        "",    "NO_PROPOSAL", "NO_PROPOSAL_CHOSEN2", "65536", "0x10000", "0x", "-1",
        "14 ", "1e",          "99999999999999999999"};
    uint16_t type;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_false(wire_notify_by_name(span_text(bad[i]), &type));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(known_numbers_have_their_registered_names),
        cmocka_unit_test(unknown_numbers_are_printed_as_numbers),
        cmocka_unit_test(every_table_ascends),
        cmocka_unit_test(every_notify_is_found_by_its_name),
        cmocka_unit_test(case_and_notation_do_not_matter),
        cmocka_unit_test(what_is_neither_name_nor_number_is_not_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
