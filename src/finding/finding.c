#include "finding/finding.h"

#include <stdlib.h>

void finding_set(struct finding *f, enum cause cause)
{
    const struct cause_row *row = ikebana_cause_row(cause);
    *f = (struct finding){
        .cause = row->cause,
        .at_fault = row->at_fault,
        .phase = PHASE_NONE,
        .confidence = 100,
        .notify = row->notify,
        .param = "",
        .expected = "",
        .seen = "",
        .nearest = "",
        .evidence = {.note = ""},
    };
}

enum { STRINGS = 5 };

static void strings_of(struct finding *f, const char **out[STRINGS])
{
    out[0] = &f->param;
    out[1] = &f->expected;
    out[2] = &f->seen;
    out[3] = &f->nearest;
    out[4] = &f->evidence.note;
}

bool finding_copy(const struct finding *f, struct arena *a, struct finding *out)
{
    const char **strings[STRINGS];
    bool is_whole = true;

    *out = *f;
    strings_of(out, strings);
    for (size_t i = 0; i < STRINGS; i++) {
        const char *from = *strings[i];
        if (from == NULL || *from == '\0') {
            *strings[i] = "";
            continue;
        }
        struct span copy = arena_copy(a, span_of(from, strlen(from) + 1));
        is_whole = is_whole && copy.at != NULL;
        *strings[i] = copy.at == NULL ? "" : (const char *)copy.at;
    }
    return is_whole;
}

struct finding *finding_dup(const struct finding *f)
{
    const char **strings[STRINGS];
    struct finding head = *f;
    size_t size = sizeof head;

    strings_of(&head, strings);
    for (size_t i = 0; i < STRINGS; i++) {
        if (*strings[i] == NULL)
            *strings[i] = "";
        size += strlen(*strings[i]) + 1;
    }
    struct finding *out = malloc(size);
    if (out == NULL)
        return NULL;
    char *free_at = (char *)(out + 1);
    for (size_t i = 0; i < STRINGS; i++) {
        size_t len = strlen(*strings[i]) + 1;
        memcpy(free_at, *strings[i], len);
        *strings[i] = free_at;
        free_at += len;
    }
    *out = head;
    return out;
}
