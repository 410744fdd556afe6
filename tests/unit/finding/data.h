/* The tables of data/ as the tests read them: apart from the generator, so that a slip of its is
 * seen. */
#ifndef IKEBANA_TESTS_FINDING_DATA_H
#define IKEBANA_TESTS_FINDING_DATA_H

#include <stddef.h>

enum { DATA_COLUMNS = 9, DATA_ROWS = 512 };

struct data_table {
    char *text;
    char *cells[DATA_ROWS][DATA_COLUMNS];
    size_t count; /* rows behind the heading */
};

/* path: below data/. Fails the test when it cannot be read. */
void data_read(const char *path, struct data_table *out);
void data_free(struct data_table *t);

#endif
