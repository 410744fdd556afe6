/* The golden rows of data/spec/swanctl-cases.tsv: what charon 6.0.1 answered to one value. */
#ifndef IKEBANA_TESTS_CASES_H
#define IKEBANA_TESTS_CASES_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct golden {
    char path[128], value[256];
    bool is_accepted;
};

/* Where we answer otherwise, and why. */
struct deviation {
    const char *value;
    bool is_accepted;
    const char *reason;
};

static inline FILE *open_spec(const char *name)
{
    char path[512];
    snprintf(path, sizeof path, "%s/../../data/spec/%s", VECTORS_DIR, name);
    FILE *f = fopen(path, "r");
    if (f == NULL) {
        fprintf(stderr, "%s cannot be opened\n", path);
        abort();
    }
    return f;
}

/* The columns of a line, at most max; the line is cut up. */
static inline size_t columns_of(char *line, char **out, size_t max)
{
    size_t n = 0;
    line[strcspn(line, "\r\n")] = '\0';
    for (char *at = line; at != NULL && n < max; n++) {
        char *tab = strchr(at, '\t');
        if (tab != NULL)
            *tab++ = '\0';
        out[n] = at;
        at = tab;
    }
    return n;
}

/* The next row whose path ends in `ending`. */
static inline bool next_golden(FILE *f, const char *ending, struct golden *out)
{
    char line[1024], *column[5];
    while (fgets(line, sizeof line, f) != NULL) {
        if (columns_of(line, column, 5) != 5)
            continue;
        size_t len = strlen(column[0]), tail = strlen(ending);
        if (len < tail || strcmp(column[0] + len - tail, ending) != 0)
            continue;
        snprintf(out->path, sizeof out->path, "%s", column[0]);
        size_t value_len = strlen(column[2]);
        bool is_quoted = value_len >= 2 && column[2][0] == '"' && column[2][value_len - 1] == '"';
        snprintf(out->value, sizeof out->value, "%.*s",
                 (int)(is_quoted ? value_len - 2 : value_len), column[2] + (is_quoted ? 1 : 0));
        out->is_accepted = strcmp(column[4], "ok") == 0;
        return true;
    }
    return false;
}

/* charon's answer, or ours where the list says so; used[] marks the deviations that were met. */
static inline bool expected_answer(const struct golden *g, const struct deviation *list,
                                   size_t count, bool *used)
{
    for (size_t i = 0; i < count; i++) {
        if (strcmp(list[i].value, g->value) == 0) {
            used[i] = true;
            return list[i].is_accepted;
        }
    }
    return g->is_accepted;
}

#endif
