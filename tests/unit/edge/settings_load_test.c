/* strongswan.conf from a file to what the engine is given. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "edge/settings_load.h"

static struct arena arena;
static char path[] = "/tmp/settings-XXXXXX";

static bool load(const char *text, struct engine_options *out, struct findings *found)
{
    struct daemon_conf c;
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fputs(text, f);
    fclose(f);
    *found = (struct findings){.arena = &arena};
    *out = (struct engine_options){0};
    bool ok = settings_load(path, &c, found);
    settings_for_engine(&c, out);
    return ok;
}

static void zero_in_the_file_is_not_the_default(void **state)
{
    (void)state;
    struct engine_options o;
    struct findings found;
    assert_true(load("charon { cookie_threshold = 0\n block_threshold = 0\n fragment_size = 0\n"
                     "retransmit_tries = 0\n keep_alive = 0\n delete_rekeyed_delay = 0\n }",
                     &o, &found));
    assert_int_equal(found.count, 0);
    assert_int_equal(o.cookie_threshold, UINT32_MAX);
    assert_int_equal(o.cookie_threshold_ip, 3);
    assert_int_equal(o.block_threshold, UINT32_MAX);
    assert_int_equal(o.fragment_size, UINT32_MAX);
    assert_int_equal(o.retransmit_tries, UINT32_MAX);
    assert_int_equal(o.keep_alive_s, UINT32_MAX);
    assert_int_equal(o.delete_rekeyed_delay_s, UINT32_MAX);
    assert_int_equal(o.retransmit_timeout_ms, 4000);
}

static void without_dos_protection_nothing_is_counted_against_a_peer(void **state)
{
    (void)state;
    struct engine_options o;
    struct findings found;
    assert_true(load("charon { dos_protection = no\n init_limit_half_open = 9\n }", &o, &found));
    assert_int_equal(o.cookie_threshold, UINT32_MAX);
    assert_int_equal(o.cookie_threshold_ip, UINT32_MAX);
    assert_int_equal(o.block_threshold, UINT32_MAX);
    assert_int_equal(o.init_limit_half_open, 9);
}

static void what_is_wrong_outlives_the_file(void **state)
{
    (void)state;
    struct engine_options o;
    struct findings found;
    assert_false(load("charon {\n retransmit_tries = many\n }", &o, &found));
    assert_int_equal(found.count, 1);
    assert_int_equal(found.at[0].cause, CAUSE_CONF_BAD_VALUE);
    assert_string_equal(found.at[0].param, "charon.retransmit_tries");
    assert_string_equal(found.at[0].expected, "a number from 0 to 100");
    assert_string_equal(found.at[0].seen,
                        arena_text(&arena, "%s:2: retransmit_tries = many", path));
    assert_false(load("charon {\n", &o, &found));
    assert_int_equal(found.count, 1);
    assert_int_equal(found.at[0].cause, CAUSE_CONF_SYNTAX);
}

static void a_file_that_is_not_there_is_named(void **state)
{
    (void)state;
    struct daemon_conf c;
    struct findings found = {.arena = &arena};
    assert_false(settings_load("/nonexistent/strongswan.conf", &c, &found));
    assert_int_equal(found.count, 1);
    assert_int_equal(found.at[0].cause, CAUSE_CONF_FILE);
    assert_string_equal(found.at[0].param, "--settings");
    assert_string_equal(found.at[0].expected, "a file that can be read");
    assert_string_equal(found.at[0].seen,
                        "/nonexistent/strongswan.conf: No such file or directory");
    assert_true(settings_load(NULL, &c, &found));
    assert_int_equal(c.retransmit_tries, 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(zero_in_the_file_is_not_the_default),
        cmocka_unit_test(without_dos_protection_nothing_is_counted_against_a_peer),
        cmocka_unit_test(what_is_wrong_outlives_the_file),
        cmocka_unit_test(a_file_that_is_not_there_is_named),
    };
    int fd = mkstemp(path);
    if (fd < 0 || !arena_init(&arena))
        return 1;
    close(fd);
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    unlink(path);
    arena_clear(&arena);
    return failed;
}
