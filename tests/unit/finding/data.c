#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "data.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void data_read(const char *path, struct data_table *out)
{
    char name[512];
    snprintf(name, sizeof name, "%s/%s", DATA_DIR, path);
    FILE *f = fopen(name, "rb");
    assert_non_null(f);
    memset(out, 0, sizeof *out);
    size_t size = 1 << 20;
    out->text = calloc(1, size);
    assert_non_null(out->text);
    size_t len = fread(out->text, 1, size - 1, f);
    assert_true(len > 0 && len < size - 1);
    fclose(f);

    char *at = out->text;
    size_t row = 0;
    while (*at != '\0') {
        char *end = strchr(at, '\n');
        assert_non_null(end);
        *end = '\0';
        assert_true(row < DATA_ROWS);
        for (size_t column = 0; column < DATA_COLUMNS && at != NULL; column++) {
            char *tab = strchr(at, '\t');
            out->cells[row][column] = at;
            if (tab != NULL)
                *tab++ = '\0';
            at = tab;
        }
        at = end + 1;
        if (out->cells[row][0][0] != '\0')
            row++;
    }
    assert_true(row > 1);
    memmove(out->cells[0], out->cells[1], (row - 1) * sizeof out->cells[0]);
    out->count = row - 1;
}

void data_free(struct data_table *t)
{
    free(t->text);
    t->text = NULL;
}
