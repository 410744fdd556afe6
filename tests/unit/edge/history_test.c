#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "edge/history_store.h"

static char folder[] = "/tmp/ikebana-history-XXXXXX";
static char path[64];

static int set_up(void **state)
{
    (void)state;
    strcpy(folder, "/tmp/ikebana-history-XXXXXX");
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/history.db", folder);
    return 0;
}

static int tear_down(void **state)
{
    static const char *const ends[] = {"", "-wal", "-shm"};
    char name[80];
    (void)state;
    for (size_t i = 0; i < 3; i++) {
        snprintf(name, sizeof name, "%s%s", path, ends[i]);
        unlink(name);
    }
    rmdir(folder);
    return 0;
}

static struct history_item *item(uint64_t number, const char *conn, bool is_failure, size_t size)
{
    char *block = calloc(1, sizeof(struct history_item) + size + 1);
    struct history_item *i = (struct history_item *)block;
    char *json = block + sizeof *i;
    memset(json, 'x', size);
    *i = (struct history_item){.number = number,
                               .size = sizeof *i + size,
                               .is_failure = is_failure,
                               .conn = conn,
                               .child = "lan",
                               .peer = "192.0.2.7",
                               .kind = "ike",
                               .result = "up",
                               .cause = "",
                               .json = json,
                               .json_len = size};
    return i;
}

static void add(struct history_store *s, uint64_t from, uint64_t to, size_t size)
{
    char *error = NULL;
    for (uint64_t n = from; n <= to; n++)
        store_add(s, item(n, n % 2 == 0 ? "even" : "odd", n % 5 == 0, size), &error);
    assert_null(error);
}

/* Numbers of the answer, as text. */
static const char *ask(struct history_store *s, struct history_query q)
{
    static char text[256];
    char *error = NULL;
    size_t len = 0;
    text[0] = '\0';
    if (q.limit == 0)
        q.limit = HISTORY_PAGE_MAX;
    for (struct history_item *i = store_ask(s, &q, &error); i != NULL;) {
        struct history_item *next = i->next;
        len += (size_t)snprintf(text + len, sizeof text - len, "%s%llu", len == 0 ? "" : " ",
                                (unsigned long long)i->number);
        free(i);
        i = next;
    }
    free(error);
    return text;
}

static void check_questions(struct history_store *s)
{
    assert_string_equal(ask(s, (struct history_query){.limit = 3}), "12 11 10");
    assert_string_equal(ask(s, (struct history_query){.number = 4}), "4");
    assert_string_equal(ask(s, (struct history_query){.number = 40}), "");
    assert_string_equal(ask(s, (struct history_query){.name = "odd", .limit = 2}), "11 9");
    assert_string_equal(ask(s, (struct history_query){.name = "lan", .limit = 2}), "12 11");
    assert_string_equal(ask(s, (struct history_query){.conn = "even", .child = "lan", .before = 6}),
                        "4 2");
    assert_string_equal(ask(s, (struct history_query){.conn = "even", .child = "wan"}), "");
    assert_string_equal(ask(s, (struct history_query){.is_failure = true}), "10 5");
}

static void records_are_found_by_number_name_and_result(void **state)
{
    (void)state;
    char *error = NULL;
    struct history_store *s = store_open(path, NULL, &error);
    assert_null(error);
    add(s, 1, 12, 100);
    check_questions(s);
    store_close(s);
}

static void memory_answers_as_the_database_does(void **state)
{
    (void)state;
    char *error = NULL;
    struct history_store *s = store_open(NULL, NULL, &error);
    assert_null(error);
    add(s, 1, 12, 100);
    check_questions(s);
    store_close(s);
}

static void numbers_go_on_after_a_restart(void **state)
{
    (void)state;
    char *error = NULL;
    struct history_store *s = store_open(path, NULL, &error);
    add(s, 1, 7, 10);
    store_close(s);
    s = store_open(path, NULL, &error);
    assert_null(error);
    assert_int_equal(store_last_number(s), 7);
    assert_string_equal(ask(s, (struct history_query){.limit = 2}), "7 6");
    store_close(s);
}

static void the_oldest_go_when_there_are_too_many(void **state)
{
    (void)state;
    char *error = NULL;
    struct history_limits limits = {.records_max = 5};
    struct history_store *s = store_open(path, &limits, &error);
    add(s, 1, 20, 10);
    assert_string_equal(ask(s, (struct history_query){0}), "20 19 18 17 16");
    store_close(s);
    s = store_open(NULL, &limits, &error);
    add(s, 1, 20, 10);
    assert_string_equal(ask(s, (struct history_query){0}), "20 19 18 17 16");
    store_close(s);
}

static void the_file_stays_below_its_bound(void **state)
{
    (void)state;
    char *error = NULL;
    struct history_limits limits = {.octets_max = 1024 * 1024};
    struct history_store *s = store_open(path, &limits, &error);
    add(s, 1, 1000, 8000);
    assert_string_equal(ask(s, (struct history_query){.limit = 1}), "1000");
    assert_string_equal(ask(s, (struct history_query){.number = 1}), "");
    store_close(s);
    FILE *f = fopen(path, "rb");
    fseek(f, 0, SEEK_END);
    /* Looked at every 64 records. */
    assert_true(ftell(f) < 1024 * 1024 + 64 * 12288);
    fclose(f);
}

static void a_damaged_file_is_told_and_memory_serves(void **state)
{
    (void)state;
    char *error = NULL;
    FILE *f = fopen(path, "wb");
    for (int i = 0; i < 1000; i++)
        fputs("this is no database", f);
    fclose(f);
    struct history_store *s = store_open(path, NULL, &error);
    assert_non_null(s);
    assert_non_null(error);
    assert_non_null(strstr(error, "not a database"));
    free(error);
    add(s, 1, 12, 100);
    check_questions(s);
    store_close(s);
}

static void a_file_of_a_newer_version_is_left_alone(void **state)
{
    (void)state;
    char *error = NULL;
    struct history_store *s = store_open(path, NULL, &error);
    add(s, 1, 3, 10);
    store_close(s);
    FILE *f = fopen(path, "r+b");
    fseek(f, 60, SEEK_SET); /* the user version in the header of the file */
    fwrite("\x00\x00\x00\x63", 1, 4, f);
    fclose(f);
    s = store_open(path, NULL, &error);
    assert_non_null(error);
    assert_non_null(strstr(error, "newer version"));
    free(error);
    add(s, 4, 5, 10);
    assert_string_equal(ask(s, (struct history_query){0}), "5 4");
    store_close(s);
}

static void a_database_has_one_daemon(void **state)
{
    (void)state;
    char *error = NULL;
    struct history_store *first = store_open(path, NULL, &error);
    assert_null(error);
    struct history_store *second = store_open(path, NULL, &error);
    assert_non_null(second);
    assert_string_equal(error, "is used by another ikebanad: give each a --state of its own");
    free(error);
    add(first, 1, 2, 10);
    add(second, 1, 1, 10);
    assert_string_equal(ask(first, (struct history_query){0}), "2 1");
    assert_string_equal(ask(second, (struct history_query){0}), "1");
    store_close(second);
    store_close(first);
    first = store_open(path, NULL, &error);
    assert_null(error);
    assert_int_equal(store_last_number(first), 2);
    store_close(first);
}

static void the_file_is_for_owner_and_group(void **state)
{
    (void)state;
    char *error = NULL;
    struct stat st;
    store_close(store_open(path, NULL, &error));
    assert_null(error);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0640);
}

static void a_folder_that_is_not_there_is_told(void **state)
{
    (void)state;
    char *error = NULL;
    struct history_store *s = store_open("/nonexistent/folder/history.db", NULL, &error);
    assert_non_null(s);
    assert_non_null(error);
    free(error);
    add(s, 1, 1, 1);
    assert_string_equal(ask(s, (struct history_query){0}), "1");
    store_close(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(records_are_found_by_number_name_and_result, set_up,
                                        tear_down),
        cmocka_unit_test(memory_answers_as_the_database_does),
        cmocka_unit_test_setup_teardown(numbers_go_on_after_a_restart, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_oldest_go_when_there_are_too_many, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_file_stays_below_its_bound, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_damaged_file_is_told_and_memory_serves, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_file_of_a_newer_version_is_left_alone, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_database_has_one_daemon, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_file_is_for_owner_and_group, set_up, tear_down),
        cmocka_unit_test(a_folder_that_is_not_there_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
