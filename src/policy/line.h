/* A line of text that grows up to a limit: what a peer sends may be long, what is shown is not. */
#ifndef IKEBANA_POLICY_LINE_H
#define IKEBANA_POLICY_LINE_H

#include "base/arena.h"

struct line {
    char *at; /* NULL: no memory, the line stays empty */
    size_t len, size;
    bool is_cut;
};

static inline struct line line_new(struct arena *a, size_t max)
{
    struct line l = {arena_alloc(a, max + sizeof "…"), 0, max, false};
    return l;
}

/* Adds `more`, behind `between` when something stands there already. Nothing follows a cut. */
static inline void line_add(struct line *l, const char *between, const char *more)
{
    size_t gap = l->len == 0 ? 0 : strlen(between), len = strlen(more);
    if (l->at == NULL || l->is_cut)
        return;
    if (gap > l->size - l->len || len > l->size - l->len - gap) {
        memcpy(l->at + l->len, "…", sizeof "…" - 1);
        l->len += sizeof "…" - 1;
        l->is_cut = true;
        return;
    }
    if (gap > 0)
        memcpy(l->at + l->len, between, gap);
    if (len > 0)
        memcpy(l->at + l->len + gap, more, len);
    l->len += gap + len;
}

static inline const char *line_text(const struct line *l)
{
    return l->at == NULL ? "" : l->at; /* the arena's zeros end it */
}

#endif
