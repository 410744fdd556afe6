/* The generated constants, against the RFCs and not against the table that they come from. */
#include "octets.h"

static void the_numbers_are_those_of_the_rfcs(void **state)
{
    (void)state;
    const int pairs[][2] = {
        {EXCHANGE_IKE_SA_INIT, 34},
        {EXCHANGE_INFORMATIONAL, 37},
        {EXCHANGE_IKE_INTERMEDIATE, 43},
        {PAYLOAD_NONE, 0},
        {PAYLOAD_SA, 33},
        {PAYLOAD_IDI, 35},
        {PAYLOAD_IDR, 36},
        {PAYLOAD_NONCE, 40},
        {PAYLOAD_NOTIFY, 41},
        {PAYLOAD_DELETE, 42},
        {PAYLOAD_VENDOR, 43},
        {PAYLOAD_TSI, 44},
        {PAYLOAD_SK, 46},
        {PAYLOAD_EAP, 48},
        {PAYLOAD_SKF, 53},
        {IKE_FLAG_INITIATOR, 0x08},
        {IKE_FLAG_VERSION, 0x10},
        {IKE_FLAG_RESPONSE, 0x20},
        {PROTOCOL_IKE, 1},
        {PROTOCOL_AH, 2},
        {PROTOCOL_ESP, 3},
        {TRANSFORM_ENCR, 1},
        {TRANSFORM_SN, 5},
        {TRANSFORM_ADDKE7, 12},
        {ATTRIBUTE_KEY_LENGTH, 14},
        {ENCR_AES_CBC, 12},
        {ENCR_AES_GCM_16, 20},
        {ENCR_CHACHA20_POLY1305, 28},
        {PRF_HMAC_SHA2_256, 5},
        {INTEG_NONE, 0},
        {AUTH_HMAC_SHA2_256_128, 12},
        {KE_NONE, 0},
        {KE_MODP_2048, 14},
        {KE_ECP_256, 19},
        {KE_CURVE25519, 31},
        {SN_32_BIT_SEQUENTIAL, 0},
        {SN_64_BIT_SEQUENTIAL, 1},
        {ID_IPV4_ADDR, 1},
        {ID_DER_ASN1_DN, 9},
        {ID_KEY_ID, 11},
        {CERT_X509_SIGNATURE, 4},
        {AUTH_METHOD_SHARED_KEY_MIC, 2},
        {AUTH_METHOD_DIGITAL_SIGNATURE, 14},
        {NOTIFY_NO_PROPOSAL_CHOSEN, 14},
        {NOTIFY_INVALID_KE_PAYLOAD, 17},
        {NOTIFY_AUTHENTICATION_FAILED, 24},
        {NOTIFY_TS_UNACCEPTABLE, 38},
        {NOTIFY_COOKIE, 16390},
        {NOTIFY_REKEY_SA, 16393},
        {NOTIFY_SIGNATURE_HASH_ALGORITHMS, 16431},
        {NOTIFY_MS_NOTIFY_STATUS, 12345},
        {TS_IPV4_ADDR_RANGE, 7},
        {TS_IPV6_ADDR_RANGE, 8},
        {CFG_REQUEST, 1},
        {CFG_INTERNAL_IP6_ADDRESS, 8},
        {HASH_SHA2_256, 2},
        {EAP_TYPE_MSCHAPV2, 26},
        {EAP_CODE_FAILURE, 4},
    };
    for (size_t i = 0; i < sizeof pairs / sizeof pairs[0]; i++)
        assert_int_equal(pairs[i][0], pairs[i][1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_numbers_are_those_of_the_rfcs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
