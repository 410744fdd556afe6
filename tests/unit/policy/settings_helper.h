/* Reading texts in tests: files that are strings, trees as one line of text. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "policy/settings.h"

struct text_file {
    const char *path, *text;
};

struct text_files {
    const struct text_file *at;
    size_t count;
};

static bool read_text_file(void *context, const char *path, struct arena *a, struct span *text,
                           const char **error)
{
    const struct text_files *files = context;
    for (size_t i = 0; i < files->count; i++) {
        if (strcmp(files->at[i].path, path) == 0) {
            *text = arena_copy(a, span_text(files->at[i].text));
            return true;
        }
    }
    *error = "no such file";
    return false;
}

/* Every pattern that the tests use ends in "*". */
static bool glob_text_files(void *context, const char *pattern, struct arena *a,
                            const char ***paths, size_t *count, const char **error)
{
    const struct text_files *files = context;
    size_t len = strlen(pattern) - 1;
    if (strncmp(pattern, "/forbidden/", 11) == 0) {
        *error = "permission denied";
        return false;
    }
    *paths = arena_array(a, files->count + 1, sizeof **paths);
    *count = 0;
    for (size_t i = 0; i < files->count; i++) {
        if (strncmp(files->at[i].path, pattern, len) == 0)
            (*paths)[(*count)++] = files->at[i].path;
    }
    return true;
}

static inline struct settings_source text_source(const struct text_files *files)
{
    void *context;
    memcpy(&context, &files, sizeof context);
    return (struct settings_source){context, read_text_file, glob_text_files};
}

/* "a{k=v;l=[x,y];b{}}" */
static inline const char *tree_text(struct arena *a, const struct section *s)
{
    const char *text = "";
    for (const struct setting *k = s->settings; k != NULL; k = k->next)
        text = arena_text(a, "%s%s=%.*s;", text, k->name, (int)k->value.len,
                          (const char *)k->value.at);
    for (const struct section *b = s->sections; b != NULL; b = b->next)
        text = arena_text(a, "%s%s{%s}", text, b->name, tree_text(a, b));
    return text;
}
