/* What a file makes the daemon do: the commands that the loader gives, in order. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "edge/config_load.h"

static char given[4096]; /* the commands, as text */

/* In the place of the daemon's. */
uint64_t daemon_command(struct daemon *d, const struct command *c, daemon_done *finished,
                        void *context)
{
    (void)d;
    (void)finished;
    (void)context;
    char line[256] = "";
    switch (c->kind) {
    case CMD_LOAD_CONN:
        snprintf(line, sizeof line, "load %s\n", c->conn->name);
        break;
    case CMD_UNLOAD_CONN:
        snprintf(line, sizeof line, "unload %s\n", c->conn_name);
        break;
    case CMD_LOAD_PSK:
        snprintf(line, sizeof line, "load-psk %s\n", c->psk->id);
        break;
    case CMD_UNLOAD_PSK:
        snprintf(line, sizeof line, "unload-psk %s\n", c->conn_name);
        break;
    case CMD_INITIATE:
        snprintf(line, sizeof line, "initiate %s/%s\n", c->conn_name, c->child_name);
        break;
    case CMD_TERMINATE:
    case CMD_REKEY:
    case CMD_INSTALL:
    case CMD_UNINSTALL:
    case CMD_SHUTDOWN:
        fail();
    }
    strncat(given, line, sizeof given - strlen(given) - 1);
    return 1;
}

struct place {
    char dir[64], file[128], extra[128];
    struct config_loader *loader;
    struct arena arena;
    struct findings found;
};

static int set_up(void **state)
{
    struct place *p = calloc(1, sizeof *p);
    strcpy(p->dir, "/tmp/ikebana-config-XXXXXX");
    assert_non_null(mkdtemp(p->dir));
    snprintf(p->file, sizeof p->file, "%s/swanctl.conf", p->dir);
    snprintf(p->extra, sizeof p->extra, "%s/extra.conf", p->dir);
    assert_true(arena_init(&p->arena));
    p->loader = config_loader_new(NULL);
    *state = p;
    return 0;
}

static int tear_down(void **state)
{
    struct place *p = *state;
    unlink(p->file);
    unlink(p->extra);
    rmdir(p->dir);
    config_loader_free(p->loader);
    arena_clear(&p->arena);
    free(p);
    return 0;
}

static void put(const char *path, const char *text)
{
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fputs(text, f);
    fclose(f);
}

static bool load(struct place *p)
{
    given[0] = '\0';
    p->found = (struct findings){.arena = &p->arena};
    return config_loader_load(p->loader, p->file, &p->found);
}

#define CONN(name, action, more)                                                                   \
    name " {\n remote_addrs = 192.0.2.7\n local { auth = psk\n id = a.example\n }\n"               \
         " remote { auth = psk\n id = b.example\n }\n" more "\n"                                   \
         " children { " name "-lan { start_action = " action "\n } }\n}\n"
#define SECRET_OF(name) name " { secret = \"a-secret-that-is-long-enough\"\n }\n"

static void secrets_come_before_connections_and_starts_come_last(void **state)
{
    struct place *p = *state;
    put(p->file, "connections {\n" CONN("one", "start", "")
                     CONN("two", "none", "") "}\n"
                                             "secrets {\n" SECRET_OF("ike-one") "}\n");
    assert_true(load(p));
    assert_string_equal(given, "load-psk ike-one\nload one\nload two\n");
    assert_false(findings_have_failure(&p->found));
    assert_int_equal(config_loader_conns(p->loader), 2);
    assert_int_equal(config_loader_psks(p->loader), 1);
}

static void what_the_file_no_longer_has_is_unloaded_and_nothing_starts_twice(void **state)
{
    struct place *p = *state;
    put(p->file,
        "connections {\n" CONN("one", "start", "")
            CONN("two", "none", "") "}\n"
                                    "secrets {\n" SECRET_OF("ike-one") SECRET_OF("ike-two") "}\n");
    assert_true(load(p));
    put(p->file, "connections {\n" CONN("one", "start", "")
                     CONN("three", "start", "") "}\n"
                                                "secrets {\n" SECRET_OF("ike-two") "}\n");
    assert_true(load(p));
    assert_string_equal(given, "load-psk ike-two\nload one\nload three\nunload two\n"
                               "unload-psk ike-one\n");
}

static void a_wrong_connection_is_told_and_its_older_version_stays(void **state)
{
    struct place *p = *state;
    put(p->file, "connections {\n" CONN("one", "none", "") CONN("two", "none", "") "}\n");
    assert_true(load(p));
    put(p->file, "connections {\n" CONN("one", "none", "proposals = nonsense")
                     CONN("two", "none", "") "}\n");
    assert_true(load(p));
    assert_string_equal(given, "load two\n");
    assert_true(findings_have_failure(&p->found));
    assert_string_equal(p->found.at[0].param, "connections.one.proposals");
    put(p->file, "connections {\n" CONN("two", "none", "") "}\n");
    assert_true(load(p));
    assert_string_equal(given, "load two\nunload one\n");
}

static void a_file_that_cannot_be_parsed_changes_nothing(void **state)
{
    struct place *p = *state;
    put(p->file, "connections {\n" CONN("one", "none", "") "}\n");
    assert_true(load(p));
    put(p->file, "connections {\n one {\n");
    assert_false(load(p));
    assert_string_equal(given, "");
    assert_int_equal(p->found.count, 1);
    assert_int_equal(p->found.at[0].cause, CAUSE_CONF_SYNTAX);
    assert_non_null(strstr(p->found.at[0].param, "swanctl.conf:"));
    assert_int_equal(config_loader_conns(p->loader), 1);
}

static void a_file_that_is_not_there_is_a_finding(void **state)
{
    struct place *p = *state;
    assert_false(load(p));
    assert_int_equal(p->found.count, 1);
    assert_int_equal(p->found.at[0].cause, CAUSE_CONF_FILE);
    assert_non_null(strstr(p->found.at[0].seen, "No such file or directory"));
}

static void a_folder_is_no_file(void **state)
{
    struct place *p = *state;
    struct settings_source source = config_source();
    struct span text;
    const char *error = "";
    assert_false(source.read(source.context, p->dir, &p->arena, &text, &error));
    assert_string_equal(error, "not a regular file");
}

static void included_files_are_read_in_order(void **state)
{
    struct place *p = *state;
    put(p->file, "include *.conf.d\ninclude extra.con?\n"
                 "connections {\n" CONN("one", "none", "") "}\n");
    put(p->extra, "connections {\n" CONN("two", "none", "") "}\n");
    assert_true(load(p));
    assert_string_equal(given, "load two\nload one\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define CLAIM(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
        CLAIM(secrets_come_before_connections_and_starts_come_last),
        CLAIM(what_the_file_no_longer_has_is_unloaded_and_nothing_starts_twice),
        CLAIM(a_wrong_connection_is_told_and_its_older_version_stays),
        CLAIM(a_file_that_cannot_be_parsed_changes_nothing),
        CLAIM(a_file_that_is_not_there_is_a_finding),
        CLAIM(a_folder_is_no_file),
        CLAIM(included_files_are_read_in_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
