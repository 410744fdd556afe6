#include "octets.h"

static bool parses_cert(struct span body)
{
    struct cert_payload c;
    return wire_parse_cert(body, &c);
}

static void a_certificate_survives_the_round_trip(void **state)
{
    (void)state;
    struct span body = OCTETS(CERT_X509_SIGNATURE, 0x30, 0x03, 1, 2, 3);
    struct cert_payload cert;
    assert_true(wire_parse_cert(body, &cert));
    assert_int_equal(cert.encoding, CERT_X509_SIGNATURE);
    assert_octets(cert.data, OCTETS(0x30, 0x03, 1, 2, 3));

    uint8_t room[6];
    struct writer w = writer_of(room, sizeof room);
    wire_write_cert(&w, &cert);
    assert_octets(writer_span(&w), body);
}

static void a_certificate_without_an_encoding_is_refused(void **state)
{
    (void)state;
    assert_cuts(OCTETS(CERT_CRL, 1, 2), 1, parses_cert);
}

static void a_request_holds_whole_hashes(void **state)
{
    (void)state;
    uint8_t body[1 + 40] = {CERT_X509_SIGNATURE};
    struct cert_payload req;
    for (size_t n = 0; n <= 40; n++)
        assert_int_equal(wire_parse_certreq(span_of(body, 1 + n), &req), n % 20 == 0);
    assert_int_equal(req.data.len, 40);

    uint8_t room[sizeof body];
    struct writer w = writer_of(room, sizeof room);
    wire_write_certreq(&w, &req);
    assert_octets(writer_span(&w), span_of(body, sizeof body));
}

static void a_request_of_another_encoding_keeps_its_octets(void **state)
{
    (void)state;
    struct cert_payload req;
    assert_true(wire_parse_certreq(OCTETS(CERT_OCSP_CONTENT, 1, 2, 3), &req));
    assert_octets(req.data, OCTETS(1, 2, 3));
    assert_false(wire_parse_certreq(span_of("", 0), &req));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_certificate_survives_the_round_trip),
        cmocka_unit_test(a_certificate_without_an_encoding_is_refused),
        cmocka_unit_test(a_request_holds_whole_hashes),
        cmocka_unit_test(a_request_of_another_encoding_keeps_its_octets),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
