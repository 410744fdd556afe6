/* Words for people: names that were meant, tables, lines of findings, URIs. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "edge/nearest.h"
#include "edge/output.h"
#include "edge/vici_uri.h"
#include "finding/finding.h"

static void a_slip_of_the_fingers_is_understood(void **state)
{
    (void)state;
    static const char *const words[] = {"up", "down", "rekey", "list", "why", "explain"};
    assert_string_equal(nearest_word("lsit", words, 6), "list");
    assert_string_equal(nearest_word("expalin", words, 6), "explain");
    assert_string_equal(nearest_word("expl", words, 6), "explain");
    assert_string_equal(nearest_word("rekye", words, 6), "rekey");
    assert_null(nearest_word("completely-different", words, 6));
    assert_int_equal(nearest_distance("", "abc"), 3);
    assert_int_equal(nearest_distance("abcd", "acbd"), 1);
}

static void names_are_listed_the_closest_first(void **state)
{
    (void)state;
    const char *names[] = {"berlin", "office", "lab"};
    struct arena a;
    arena_init(&a);
    assert_string_equal(nearest_list("ofice", names, 3, 3, &a), "office, lab, berlin");
    assert_string_equal(nearest_list("lab", names, 3, 1, &a), "lab, …");
    arena_clear(&a);
}

static void columns_are_as_wide_as_their_widest_cell(void **state)
{
    (void)state;
    struct arena a;
    struct output_table t;
    char text[128] = "";
    arena_init(&a);
    FILE *to = fmemopen(text, sizeof text, "w");
    output_table_init(&t, &a, 2);
    output_cell(&t, "NAME");
    output_cell(&t, "STATE");
    output_cell(&t, "bürö");
    output_cell(&t, "up");
    output_table_print(&t, to, true, false);
    fclose(to);
    assert_string_equal(text, "NAME  STATE\nbürö  up\n");
    arena_clear(&a);
}

static void a_finding_is_one_line_with_its_numbers(void **state)
{
    (void)state;
    struct arena a;
    struct finding f;
    arena_init(&a);
    finding_set(&f, CAUSE_IKE_NO_COMMON_PROPOSAL);
    f.phase = PHASE_IKE_SA_INIT;
    f.param = "connections.office.proposals";
    f.expected = "aes256-sha256-x25519";
    f.seen = "aes128-sha256-modp2048";
    assert_string_equal(output_finding_text(&f, &a),
                        "no common IKE proposal: connections.office.proposals, expected "
                        "aes256-sha256-x25519, seen aes128-sha256-modp2048 [13800 "
                        "ERROR_IPSEC_IKE_NEG_STATUS_BEGIN, 13868 ERROR_IPSEC_IKE_POLICY_MATCH]");
    assert_non_null(
        strstr(output_fix_text(&f, "192.0.2.7", "office", "", &a), "connections.office.proposals"));
    assert_int_equal(output_finding_level(&f), LOG_LEVEL_ERROR);
    arena_clear(&a);
}

static void levels_have_names(void **state)
{
    (void)state;
    enum log_level level;
    assert_true(output_parse_level("notice", &level));
    assert_int_equal(level, LOG_LEVEL_NOTICE);
    assert_false(output_parse_level("loud", &level));
    assert_string_equal(output_level_name(LOG_LEVEL_DEBUG), "debug");
}

static void good_uris_are_understood(void **state)
{
    (void)state;
    struct vici_uri u;
    const char *error;
    assert_true(vici_parse_uri("unix:///run/ikebana.vici", &u, &error));
    assert_string_equal(u.path, "/run/ikebana.vici");
    assert_int_equal(u.at.ss_family, AF_UNIX);
    assert_true(vici_parse_uri("tcp://127.0.0.1:4502", &u, &error));
    assert_int_equal(u.at.ss_family, AF_INET);
    assert_string_equal(u.path, "");
    assert_true(vici_parse_uri("tcp://[::1]:4502", &u, &error));
    assert_int_equal(u.at.ss_family, AF_INET6);
}

static void bad_uris_are_refused_with_what_was_expected(void **state)
{
    (void)state;
    static const char *const bad[] = {"",
                                      "/run/x",
                                      "unix://relative",
                                      "http://127.0.0.1:1",
                                      "tcp://127.0.0.1",
                                      "tcp://127.0.0.1:",
                                      "tcp://127.0.0.1:x",
                                      "tcp://127.0.0.1:70000",
                                      "tcp://host.example:1",
                                      "tcp://[::1:1"};
    struct vici_uri u;
    char long_path[200] = "unix://";
    memset(long_path + 7, '/', sizeof long_path - 8);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        const char *error = NULL;
        assert_false(vici_parse_uri(bad[i], &u, &error));
        assert_non_null(error);
    }
    const char *error;
    assert_false(vici_parse_uri(long_path, &u, &error));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_slip_of_the_fingers_is_understood),
        cmocka_unit_test(names_are_listed_the_closest_first),
        cmocka_unit_test(columns_are_as_wide_as_their_widest_cell),
        cmocka_unit_test(a_finding_is_one_line_with_its_numbers),
        cmocka_unit_test(levels_have_names),
        cmocka_unit_test(good_uris_are_understood),
        cmocka_unit_test(bad_uris_are_refused_with_what_was_expected),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
