/* collide_answer() against the table of data/spec/collisions.md, read here cell by cell: its whole
 * domain. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "ike2/collide.h"

enum { ROWS = ASKED_COUNT, COLUMNS = DOING_COUNT, CELL_MAX = 160 };

static char cells[ROWS][COLUMNS][CELL_MAX];

/* The rows of the table in the order of enum asked. */
static const char *const titles[ROWS] = {
    [ASKED_CREATE_CHILD] = "create child",
    [ASKED_REKEY_CHILD] = "rekey child",
    [ASKED_REKEY_UNKNOWN_CHILD] = "rekey a child we do not have",
    [ASKED_CLOSE_CHILD] = "close child",
    [ASKED_CLOSE_UNKNOWN_CHILD] = "close a child we do not have",
    [ASKED_REKEY_IKE] = "rekey the IKE SA",
    [ASKED_CLOSE_IKE] = "close the IKE SA",
    [ASKED_OTHER] = "other INFORMATIONAL",
};

static void trim(char *s)
{
    size_t len = strlen(s), from = strspn(s, " ");
    while (len > from && (s[len - 1] == ' ' || s[len - 1] == '\n'))
        len--;
    memmove(s, s + from, len - from);
    s[len - from] = '\0';
}

static int read_table(void **state)
{
    (void)state;
    FILE *in = fopen(VECTORS_DIR "/../../data/spec/collisions.md", "r");
    char line[4096];
    bool is_table = false;
    unsigned found = 0;
    if (in == NULL)
        return -1;
    while (fgets(line, sizeof line, in) != NULL) {
        if (strncmp(line, "| peer asks |", 13) == 0)
            is_table = true;
        if (!is_table || line[0] != '|')
            is_table = is_table && line[0] == '|';
        if (!is_table)
            continue;
        char *at = line + 1, title[CELL_MAX];
        snprintf(title, sizeof title, "%.*s", (int)strcspn(at, "|"), at);
        trim(title);
        for (size_t row = 0; row < ROWS; row++) {
            if (strcmp(title, titles[row]) != 0)
                continue;
            found++;
            for (size_t column = 0; column < COLUMNS; column++) {
                at += strcspn(at, "|") + 1;
                snprintf(cells[row][column], CELL_MAX, "%.*s", (int)strcspn(at, "|"), at);
                trim(cells[row][column]);
            }
        }
    }
    fclose(in);
    return found == ROWS ? 0 : -1;
}

/* What a cell says; -1: it cannot happen. */
static int meaning(enum asked asked, const char *cell)
{
    if (strcmp(cell, "-") == 0)
        return -1;
    if (strncmp(cell, "as usual, note the race", 23) == 0)
        return COLLIDE_AS_USUAL_RACE;
    if (strncmp(cell, "as usual", 8) == 0)
        return COLLIDE_AS_USUAL;
    if (strncmp(cell, "TEMPORARY_FAILURE", 17) == 0)
        return COLLIDE_TEMPORARY_FAILURE;
    if (strncmp(cell, "CHILD_SA_NOT_FOUND", 18) == 0)
        return COLLIDE_CHILD_NOT_FOUND;
    if (strncmp(cell, "Delete, note the race", 21) == 0)
        return COLLIDE_DELETE_RACE;
    if (strncmp(cell, "Delete", 6) == 0)
        return COLLIDE_DELETE;
    if (strncmp(cell, "no Delete", 9) == 0)
        return COLLIDE_NO_DELETE;
    if (strncmp(cell, "sent: no Delete; waiting: Delete", 32) == 0)
        return COLLIDE_NO_DELETE; /* the other half is a test of its own */
    if (strncmp(cell, "empty, forget", 13) == 0)
        return COLLIDE_FORGET_OURS;
    if (strncmp(cell, "empty answer", 12) == 0 || strncmp(cell, "an answer", 9) == 0)
        return COLLIDE_AS_USUAL;
    fail_msg("row %d: what is \"%s\"?", asked, cell);
    return -1;
}

static void the_table_is_that_of_the_specification(void **state)
{
    (void)state;
    unsigned compared = 0;
    for (int asked = 0; asked < ASKED_COUNT; asked++)
        for (int doing = 0; doing < DOING_COUNT; doing++) {
            const char *cell = cells[asked][doing];
            /* "same": as in the first column */
            if (strcmp(cell, "same") == 0)
                cell = cells[asked][0];
            int wanted = meaning((enum asked)asked, cell);
            if (wanted < 0)
                continue;
            int is = (int)collide_answer((enum asked)asked, (enum doing)doing, false);
            if (is != wanted)
                print_error("%s while %d: %s, not %d\n", titles[asked], doing, cell, is);
            assert_int_equal(is, wanted);
            compared++;
        }
    assert_int_equal(compared, ASKED_COUNT * DOING_COUNT - 4);
}

static void a_child_whose_delete_only_waits_is_closed_in_the_normal_way(void **state)
{
    (void)state;
    assert_int_equal(collide_answer(ASKED_CLOSE_CHILD, DOING_CLOSE_SAME_CHILD, true),
                     COLLIDE_DELETE);
    assert_int_equal(collide_answer(ASKED_CLOSE_CHILD, DOING_CLOSE_IKE, true), COLLIDE_DELETE);
}

static void a_waiting_delete_changes_nothing_else(void **state)
{
    (void)state;
    for (int asked = 0; asked < ASKED_COUNT; asked++)
        for (int doing = 0; doing < DOING_COUNT; doing++)
            if (asked != ASKED_CLOSE_CHILD ||
                (doing != DOING_CLOSE_SAME_CHILD && doing != DOING_CLOSE_IKE))
                assert_int_equal(collide_answer((enum asked)asked, (enum doing)doing, true),
                                 collide_answer((enum asked)asked, (enum doing)doing, false));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_table_is_that_of_the_specification),
        cmocka_unit_test(a_child_whose_delete_only_waits_is_closed_in_the_normal_way),
        cmocka_unit_test(a_waiting_delete_changes_nothing_else),
    };
    return cmocka_run_group_tests(tests, read_table, NULL);
}
