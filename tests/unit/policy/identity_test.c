/* Identities and distinguished names: text, DER, match. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <openssl/x509.h>

#include "policy/dn.h"
#include "policy/policy.h"

#include "cases.h"

static struct arena arena;
static const char *why;

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

static struct identity id(const char *text)
{
    struct identity i;
    if (!policy_parse_identity(span_text(text), &arena, &i, &why))
        fail_msg("%s: %s", text, why);
    return i;
}

static void assert_is(const char *text, uint8_t type, const void *data, size_t len)
{
    struct identity i = id(text);
    if (i.type != type)
        fail_msg("%s has type %u, not %u", text, i.type, type);
    if (!span_equal(i.data, span_of(data, len)))
        fail_msg("%s is %s", text, arena_hex(&arena, i.data, 100));
}

static void assert_is_text(const char *text, uint8_t type, const char *data)
{
    assert_is(text, type, data, strlen(data));
}

static const char *printed(const char *text)
{
    struct identity i = id(text);
    return policy_identity_text(&i, &arena);
}

/* ---- text ---- */

static const struct deviation deviations[] = {
    {"xmppaddr:a@b", false, "IKE has no such identity type"},
    {"uri:http://a", false, "IKE has no such identity type"},
    {"fqdn:^a.*$", false,
     "6.0.1 took it literally, 6.0.2 as a regular expression: neither is right"},
    {"fqdn:^vpn[0-9]+$", false, "as above"},
    {"fqdn:^(vpn$", false, "as above"},
};

static void identities_are_taken_as_charon_does(void **state)
{
    (void)state;
    struct golden g;
    struct identity i;
    bool used[5] = {false};
    size_t rows = 0;
    FILE *f = open_spec("swanctl-cases.tsv");
    while (next_golden(f, "<suffix>.id", &g)) {
        bool expected = expected_answer(&g, deviations, 5, used);
        if (policy_parse_identity(span_text(g.value), &arena, &i, &why) != expected)
            fail_msg("%s = \"%s\": should be %s", g.path, g.value,
                     expected ? "accepted" : "refused");
        rows++;
    }
    fclose(f);
    assert_int_equal(rows, 31);
    for (size_t k = 0; k < 5; k++)
        assert_true(used[k]);
}

static void the_form_says_the_type(void **state)
{
    (void)state;
    assert_is("192.0.2.7", ID_IPV4_ADDR, "\xc0\x00\x02\x07", 4);
    assert_is("2001:db8::7", ID_IPV6_ADDR,
              "\x20\x01\x0d\xb8\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x07", 16);
    assert_is_text("vpn.example.org", ID_FQDN, "vpn.example.org");
    assert_is_text("moon", ID_FQDN, "moon");
    assert_is_text("@vpn.example.org", ID_FQDN, "vpn.example.org");
    assert_is_text("@192.0.2.7", ID_FQDN, "192.0.2.7");
    assert_is_text("alice@example.org", ID_RFC822_ADDR, "alice@example.org");
    assert_is_text("@@alice@example.org", ID_RFC822_ADDR, "alice@example.org");
    assert_is("@#0aff", ID_KEY_ID, "\x0a\xff", 2);
    assert_is_text("not:an:address", ID_KEY_ID, "not:an:address");
    assert_is("10.0.0.0/24", 4, "\x0a\x00\x00\x00\x0a\x00\x00\xff", 8);
    assert_is("10.0.0.3-10.0.0.9", 7, "\x0a\x00\x00\x03\x0a\x00\x00\x09", 8);
    assert_is_text("vpn-1.example.org", ID_FQDN, "vpn-1.example.org");
}

static void anybody_has_many_names(void **state)
{
    (void)state;
    static const char *const any[] = {"", "%any", "%any6", "0.0.0.0", "*", "::", "0::0"};
    for (size_t i = 0; i < sizeof any / sizeof any[0]; i++) {
        struct identity x = id(any[i]);
        assert_int_equal(x.type, 0);
        assert_string_equal(policy_identity_text(&x, &arena), "%any");
    }
}

static void a_prefix_says_the_type(void **state)
{
    (void)state;
    assert_is_text("fqdn:alice@example.org", ID_FQDN, "alice@example.org");
    assert_is_text("dns:a.b", ID_FQDN, "a.b");
    assert_is_text("rfc822:a.b", ID_RFC822_ADDR, "a.b");
    assert_is_text("email:a@b", ID_RFC822_ADDR, "a@b");
    assert_is_text("userfqdn:a@b", ID_RFC822_ADDR, "a@b");
    assert_is_text("keyid:zz", ID_KEY_ID, "zz");
    assert_is("keyid:#0102", ID_KEY_ID, "\x01\x02", 2);
    assert_is("keyid:#01:02:fF", ID_KEY_ID, "\x01\x02\xff", 3);
    assert_is("ipv4:#0a000001", ID_IPV4_ADDR, "\x0a\x00\x00\x01", 4);
    assert_is("ipv4:10.0.0.1", ID_IPV4_ADDR, "\x0a\x00\x00\x01", 4);
    assert_is("{11}:abc", ID_KEY_ID, "abc", 3);
    assert_is("{0x0b}:#01", ID_KEY_ID, "\x01", 1);
    assert_is("{1}:10.0.0.1", ID_IPV4_ADDR, "\x0a\x00\x00\x01", 4);
    assert_is("{201}:#00", 201, "\x00", 1);
    assert_is("asn1dn:#3000", ID_DER_ASN1_DN, "\x30\x00", 2);
    assert_is("ipv6range:fd00::1-fd00::2", 8,
              "\xfd\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x01\xfd\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x02", 32);
}

static void what_no_type_fits_is_refused_with_a_reason(void **state)
{
    (void)state;
    static const char *const wrong[][2] = {
        {"keyid:#0", "the number of hexadecimal digits is odd"},
        {"@#0g", "behind # only hexadecimal digits may stand"},
        {"ipv4:vpn.example.org", "expected an IPv4 address"},
        {"ipv6:10.0.0.1", "expected an IPv6 address"},
        {"uri:http://a", "IKE has no identity of that type"},
        {"fqdn:^a.*$", "regular expressions are not served; use * as in *.example.org"},
        {"asn1dn:vpn", "a part of the name has no \"=\""},
        {"ipv4net:dynamic",
         "expected a network (10.0.0.0/8) or a range (10.0.0.1-10.0.0.9) of that family"},
    };
    struct identity i;
    for (size_t k = 0; k < sizeof wrong / sizeof wrong[0]; k++) {
        assert_false(policy_parse_identity(span_text(wrong[k][0]), &arena, &i, &why));
        assert_string_equal(why, wrong[k][1]);
    }
}

static void what_looks_like_a_name_but_is_none_is_a_key_id_and_said(void **state)
{
    (void)state;
    assert_is_text("XX=foo", ID_KEY_ID, "XX=foo");
    assert_string_equal(why, "read as a key id and not as a distinguished name: XX is no attribute "
                             "that names have (C, ST, L, O, OU, CN, E, DC, …)");
}

static void printed_text_is_read_as_the_same_identity(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "vpn.example.org", "fqdn:192.0.2.7",  "alice@example.org", "email:alice",  "fqdn:a@b",
        "email:a.b",       "192.0.2.7",       "2001:db8::7",       "ipv4:0.0.0.0", "keyid:abc",
        "keyid:#00ff",     "C=CH, O=x, CN=y", "{201}:#0102",       "asn1dn:#3100", "fqdn:CN=x",
        "fqdn:keyid:abc",  "10.0.0.0/24",     "fd00::1-fd00::2",   "fqdn:%any",    "CN=a\\, b",
        "CN=\\ x\\20",     "CN=\\C3\\BC",     "{3}:#2378",
    };
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        struct identity once = id(texts[i]);
        const char *text = policy_identity_text(&once, &arena);
        struct identity twice = id(text);
        if (once.type != twice.type || !span_equal(once.data, twice.data))
            fail_msg("%s is printed as %s", texts[i], text);
    }
    assert_string_equal(printed("@192.0.2.7"), "fqdn:192.0.2.7");
    assert_string_equal(printed("@vpn.example.org"), "vpn.example.org");
    assert_string_equal(printed("@#6162"), "keyid:ab");
    assert_string_equal(printed("@#00ff"), "keyid:#00ff");
}

static void octets_of_a_peer_are_escaped(void **state)
{
    (void)state;
    struct identity evil = {ID_FQDN, span_of("a\x1b[31m\"\\\n\xff", 10)};
    assert_string_equal(policy_identity_text(&evil, &arena), "fqdn:a\\x1b[31m\\x22\\x5c\\x0a\\xff");
    struct identity bad_dn = {ID_DER_ASN1_DN, span_of("\x30\x7f\x31", 3)};
    assert_string_equal(policy_identity_text(&bad_dn, &arena), "asn1dn:#307f31");
    struct identity short_v4 = {ID_IPV4_ADDR, span_of("\x0a", 1)};
    assert_string_equal(policy_identity_text(&short_v4, &arena), "{1}:#0a");
    struct identity empty = {ID_FQDN, {NULL, 0}};
    assert_string_equal(policy_identity_text(&empty, &arena), "fqdn:");
    struct identity null = {ID_NULL, {NULL, 0}};
    assert_string_equal(policy_identity_text(&null, &arena), "anonymous (ID_NULL)");
}

/* ---- distinguished names ---- */

static struct span der(const char *text)
{
    struct span d;
    if (!policy_dn_parse(span_text(text), &arena, &d, &why))
        fail_msg("%s: %s", text, why);
    return d;
}

static void a_name_is_written_as_openssl_writes_it(void **state)
{
    (void)state;
    static const char *const parts[][2] = {
        {"C", "CH"},
        {"ST", "Bern"},
        {"L", "Thun"},
        {"O", "Example (AG)"},
        {"OU", "IT"},
        {"CN", "vpn.example.org"},
        {"emailAddress", "a@example.org"},
        {"DC", "org"},
        {"UID", "alice"},
        {"serialNumber", "17"},
    };
    X509_NAME *name = X509_NAME_new();
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++)
        assert_true(X509_NAME_add_entry_by_txt(name, parts[i][0], MBSTRING_UTF8,
                                               (const unsigned char *)parts[i][1], -1, -1, 0));
    unsigned char *octets = NULL;
    int len = i2d_X509_NAME(name, &octets);
    assert_true(len > 0);
    struct span theirs = span_of(octets, (size_t)len);
    struct span ours = der("C=CH, ST=Bern, L=Thun, O=Example (AG), OU=IT, CN=vpn.example.org, "
                           "E=a@example.org, DC=org, UID=alice, serialNumber=17");
    assert_string_equal(policy_dn_text(theirs, &arena), policy_dn_text(ours, &arena));
    assert_int_equal(policy_dn_match(ours, theirs, false), 1);

    /* And OpenSSL reads ours. */
    const unsigned char *at = ours.at;
    X509_NAME *again = d2i_X509_NAME(NULL, &at, (long)ours.len);
    assert_non_null(again);
    assert_int_equal(X509_NAME_cmp(name, again), 0);
    X509_NAME_free(again);
    X509_NAME_free(name);
    OPENSSL_free(octets);
}

static void a_simple_name_has_known_octets(void **state)
{
    (void)state;
    static const uint8_t expected[] = {0x30, 0x1b, 0x31, 0x0b, 0x30, 0x09, 0x06, 0x03, 0x55, 0x04,
                                       0x06, 0x13, 0x02, 'C',  'H',  0x31, 0x0c, 0x30, 0x0a, 0x06,
                                       0x03, 0x55, 0x04, 0x03, 0x0c, 0x03, '*',  0xc3, 0xbc};
    assert_true(span_equal(der("C=CH,CN=*\xc3\xbc"), span_of(expected, sizeof expected)));
}

static void names_are_read_in_all_their_spellings(void **state)
{
    (void)state;
    static const char *const same[] = {
        "C=CH, O=Example, CN=vpn",      "C=CH,O=Example,CN=vpn",
        "/C=CH/O=Example/CN=vpn",       "C=CH; O=Example; CN=vpn",
        "c=CH, o=Example, cn=vpn",      "C = CH , O = Example , CN = vpn ",
        "C=CH, O=\"Example\", CN=vpn",  "2.5.4.6=CH, 2.5.4.10=Example, 2.5.4.3=vpn",
        "C=CH, O=Ex\\61mple, CN=v\\pn",
    };
    for (size_t i = 0; i < sizeof same / sizeof same[0]; i++)
        assert_string_equal(policy_dn_text(der(same[i]), &arena), "C=CH, O=Example, CN=vpn");
    assert_string_equal(policy_dn_text(der("O=\"a, b\", CN=x"), &arena), "O=a\\, b, CN=x");
    assert_string_equal(policy_dn_text(der("CN=host/vpn"), &arena), "CN=host/vpn");
    assert_string_equal(policy_dn_text(der("CN="), &arena), "CN=");
    assert_string_equal(policy_dn_text(der("1.3.6.1.4.1.311.20.2=x"), &arena),
                        "1.3.6.1.4.1.311.20.2=x");
    assert_string_equal(policy_dn_text(der("2.999.3=x"), &arena), "2.999.3=x");
}

static void broken_names_are_refused(void **state)
{
    (void)state;
    static const char *const wrong[] = {"",       ",",      "CN",    "CN=a, b",  "CN=\"a",
                                        "CN=a\\", "XX=a",   "3.1=a", "2=a",      "2..5=a",
                                        "2.5.=a", "1.40=a", "=a",    "CN=x, =y", "."};
    struct span d;
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        if (policy_dn_parse(span_text(wrong[i]), &arena, &d, &why))
            fail_msg("%s is accepted", wrong[i]);
    char text[2000];
    memset(text, 'x', sizeof text);
    memcpy(text, "CN=", 3);
    assert_false(policy_dn_parse(span_of(text, sizeof text), &arena, &d, &why));
    assert_string_equal(why, "a value of the name is too long");
    assert_true(policy_dn_parse(span_of(text, 1000), &arena, &d, &why));
    assert_int_equal(policy_dn_match(d, d, false), 1);
}

static void attributes_of_one_set_are_not_those_of_two(void **state)
{
    (void)state;
    /* SEQUENCE { SET { SEQUENCE {CN, "a"}, SEQUENCE {O, "b"} } } */
    static const uint8_t one_set[] = {0x30, 0x16, 0x31, 0x14, 0x30, 0x08, 0x06, 0x03,
                                      0x55, 0x04, 0x03, 0x13, 0x01, 'a',  0x30, 0x08,
                                      0x06, 0x03, 0x55, 0x04, 0x0a, 0x13, 0x01, 'b'};
    struct span set = span_of(one_set, sizeof one_set);
    assert_string_equal(policy_dn_text(set, &arena), "CN=a+O=b");
    assert_int_equal(policy_dn_match(set, set, false), 1);
    assert_int_equal(policy_dn_match(set, der("CN=a, O=b"), true), 0);
    assert_int_equal(policy_dn_match(der("CN=a, O=b"), set, true), 0);
}

static void lengths_that_are_not_der_are_no_name(void **state)
{
    (void)state;
    /* 0x81 for a length below 128; something behind the value; something behind the name. */
    static const uint8_t lengthy[] = {0x30, 0x81, 0x0c, 0x31, 0x0a, 0x30, 0x08, 0x06,
                                      0x03, 0x55, 0x04, 0x03, 0x13, 0x01, 'a'};
    static const uint8_t inside[] = {0x30, 0x0e, 0x31, 0x0c, 0x30, 0x0a, 0x06, 0x03,
                                     0x55, 0x04, 0x03, 0x13, 0x01, 'a',  0x05, 0x00};
    static const uint8_t behind[] = {0x30, 0x0c, 0x31, 0x0a, 0x30, 0x08, 0x06, 0x03,
                                     0x55, 0x04, 0x03, 0x13, 0x01, 'a',  0x00};
    assert_null(policy_dn_text(span_of(lengthy, sizeof lengthy), &arena));
    assert_null(policy_dn_text(span_of(inside, sizeof inside), &arena));
    assert_null(policy_dn_text(span_of(behind, sizeof behind), &arena));
    assert_string_equal(policy_dn_text(span_of(behind, sizeof behind - 1), &arena), "CN=a");
}

static void every_cut_or_changed_name_is_safe_to_print_and_compare(void **state)
{
    (void)state;
    struct span d = der("C=CH, O=Example, CN=vpn.example.org, E=a@b");
    uint8_t copy[128];
    assert_true(d.len <= sizeof copy);
    for (size_t len = 0; len < d.len; len++)
        assert_null(policy_dn_text(span_of(d.at, len), &arena));
    for (size_t i = 0; i < d.len; i++) {
        for (unsigned v = 0; v < 256; v++) {
            memcpy(copy, d.at, d.len);
            copy[i] = (uint8_t)v;
            struct identity x = {ID_DER_ASN1_DN, span_of(copy, d.len)};
            assert_non_null(policy_identity_text(&x, &arena));
            policy_dn_match(x.data, d, true);
        }
        arena_reset(&arena);
        d = der("C=CH, O=Example, CN=vpn.example.org, E=a@b");
    }
}

/* ---- matching ---- */

static unsigned match(const char *who, const char *pattern)
{
    struct identity x = id(who), p = id(pattern);
    return policy_identity_match(&x, &p);
}

static void exact_is_better_than_a_star_and_a_star_than_anybody(void **state)
{
    (void)state;
    unsigned exact = match("a.example.org", "a.example.org");
    unsigned near = match("a.b.example.org", "*.b.example.org");
    unsigned far = match("a.b.example.org", "*.example.org");
    unsigned any = match("a.b.example.org", "%any");
    assert_true(exact > near && near > far && far > any && any > 0);
    unsigned one = match("C=CH, O=x, CN=a", "C=CH, O=x, CN=*");
    unsigned two = match("C=CH, O=x, CN=a", "C=CH, O=*, CN=*");
    assert_true(match("C=CH, O=x, CN=a", "C=CH, O=x, CN=a") > one && one > two && two > 1);
}

static void domains_know_no_case_and_mailboxes_do(void **state)
{
    (void)state;
    assert_true(match("VPN.Example.org", "vpn.example.ORG") > 0);
    assert_true(match("alice@EXAMPLE.org", "alice@example.org") > 0);
    assert_int_equal(match("Alice@example.org", "alice@example.org"), 0);
    assert_true(match("a.Example.org", "*.example.org") > 0);
    assert_true(match("alice@Example.org", "*@example.org") > 0);
}

static void a_star_needs_something_to_stand_for_and_the_same_type(void **state)
{
    (void)state;
    assert_int_equal(match(".example.org", "*.example.org"), 0);
    assert_int_equal(match("example.org", "*.example.org"), 0);
    assert_int_equal(match("a.example.com", "*.example.org"), 0);
    assert_int_equal(match("fqdn:a@example.org", "*@example.org"), 0);
    assert_int_equal(match("email:a.example.org", "*.example.org"), 0);
    assert_int_equal(match("a.example.org.evil", "*.example.org"), 0);
    /* A star that the peer sends is only a star. */
    assert_int_equal(match("fqdn:*.example.org", "a.example.org"), 0);
}

static void names_match_attribute_by_attribute(void **state)
{
    (void)state;
    assert_true(match("C=CH, O=Example, CN=vpn", "C=ch, O=EXAMPLE, CN=VPN") > 0);
    assert_int_equal(match("C=CH, O=x, CN=a", "C=CH, CN=*"), 0);
    assert_int_equal(match("C=CH, CN=a", "CN=a, C=CH"), 0);
    assert_int_equal(match("C=CH, CN=a", "C=CH, OU=*"), 0);
    assert_int_equal(match("C=CH, CN=*", "C=CH, CN=a"), 0);
    assert_int_equal(match("a.b", "CN=*"), 0);
    /* The string type does not count, the octets do. */
    struct identity utf8 = {ID_DER_ASN1_DN,
                            span_of("\x30\x0c\x31\x0a\x30\x08\x06\x03\x55\x04\x03\x0c\x01"
                                    "a",
                                    14)};
    struct identity printable = id("CN=a");
    assert_true(policy_identity_equal(&utf8, &printable));
}

static void networks_and_ranges_match_their_addresses(void **state)
{
    (void)state;
    assert_true(match("10.0.0.5", "10.0.0.0/24") > 1);
    assert_int_equal(match("10.0.1.5", "10.0.0.0/24"), 0);
    assert_true(match("fd00::5", "fd00::1-fd00::9") > 1);
    assert_int_equal(match("fd00::a", "fd00::1-fd00::9"), 0);
    assert_int_equal(match("@10.0.0.5", "10.0.0.0/24"), 0);
}

static void nobody_is_equal_to_anybody_but_themselves(void **state)
{
    (void)state;
    static const char *const texts[] = {"%any",      "a.b",       "email:a.b",
                                        "keyid:a.b", "10.0.0.1",  "CN=a.b",
                                        "fd00::1",   "{201}:#61", "10.0.0.1-10.0.0.1"};
    size_t count = sizeof texts / sizeof texts[0];
    for (size_t i = 0; i < count; i++)
        for (size_t j = 0; j < count; j++) {
            struct identity x = id(texts[i]), y = id(texts[j]);
            assert_int_equal(policy_identity_equal(&x, &y), i == j);
        }
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        T(identities_are_taken_as_charon_does),
        T(the_form_says_the_type),
        T(anybody_has_many_names),
        T(a_prefix_says_the_type),
        T(what_no_type_fits_is_refused_with_a_reason),
        T(what_looks_like_a_name_but_is_none_is_a_key_id_and_said),
        T(printed_text_is_read_as_the_same_identity),
        T(octets_of_a_peer_are_escaped),
        T(a_name_is_written_as_openssl_writes_it),
        T(a_simple_name_has_known_octets),
        T(names_are_read_in_all_their_spellings),
        T(broken_names_are_refused),
        T(attributes_of_one_set_are_not_those_of_two),
        T(lengths_that_are_not_der_are_no_name),
        T(every_cut_or_changed_name_is_safe_to_print_and_compare),
        T(exact_is_better_than_a_star_and_a_star_than_anybody),
        T(domains_know_no_case_and_mailboxes_do),
        T(a_star_needs_something_to_stand_for_and_the_same_type),
        T(names_match_attribute_by_attribute),
        T(networks_and_ranges_match_their_addresses),
        T(nobody_is_equal_to_anybody_but_themselves),
    };
    return cmocka_run_group_tests_name("identity", tests, NULL, NULL);
}
