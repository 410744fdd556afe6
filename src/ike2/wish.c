#include "ike2/wish.h"

#include <stdlib.h>
#include <string.h>

static bool is_same(const struct wish *a, const struct wish *b)
{
    if (a->kind != b->kind || a->child_id != b->child_id)
        return false;
    if (a->child_name == NULL || b->child_name == NULL)
        return a->child_name == b->child_name;
    return strcmp(a->child_name, b->child_name) == 0;
}

bool wish_add(struct wishes *w, const struct wish *wish)
{
    for (size_t i = 0; i < w->count; i++) {
        struct wish *known = &w->at[i];
        if (!is_same(known, wish) ||
            (known->ticket != 0 && wish->ticket != 0 && known->ticket != wish->ticket))
            continue;
        if (known->ticket == 0)
            known->ticket = wish->ticket;
        known->not_before = instant_earlier(known->not_before, wish->not_before);
        free(wish->child_name);
        return true;
    }
    if (w->count == w->room) {
        uint16_t room = (uint16_t)(w->room == 0 ? 2 : w->room * 2);
        struct wish *at = room < w->room ? NULL : realloc(w->at, room * sizeof *at);
        if (at == NULL) {
            free(wish->child_name);
            return false;
        }
        w->at = at;
        w->room = room;
    }
    w->at[w->count++] = *wish;
    return true;
}

static void take_out(struct wishes *w, size_t i, struct wish *out)
{
    *out = w->at[i];
    w->count--;
    memmove(&w->at[i], &w->at[i + 1], (w->count - i) * sizeof *w->at);
    if (w->count == 0)
        wish_clear(w);
}

bool wish_take(struct wishes *w, struct instant now, struct wish *out)
{
    size_t best = w->count;
    for (size_t i = 0; i < w->count; i++) {
        if (!instant_reached(w->at[i].not_before, now))
            continue;
        if (best == w->count || w->at[i].kind < w->at[best].kind)
            best = i;
    }
    if (best == w->count)
        return false;
    take_out(w, best, out);
    return true;
}

const struct wish *wish_find(const struct wishes *w, struct instant now,
                             bool (*allows)(const void *about, const struct wish *wish),
                             const void *about)
{
    const struct wish *best = NULL, *blocks = NULL;
    for (size_t i = 0; i < w->count; i++) {
        const struct wish *wish = &w->at[i];
        bool is_ike = wish->kind == WISH_CLOSE_IKE || wish->kind == WISH_REKEY_IKE;
        if (!instant_reached(wish->not_before, now))
            continue;
        if (!allows(about, wish)) {
            if (is_ike && (blocks == NULL || wish->kind < blocks->kind))
                blocks = wish;
        } else if (best == NULL || wish->kind < best->kind) {
            best = wish;
        }
    }
    return best != NULL && blocks != NULL && blocks->kind < best->kind ? NULL : best;
}

bool wish_take_allowed(struct wishes *w, struct instant now,
                       bool (*allows)(const void *about, const struct wish *wish),
                       const void *about, struct wish *out)
{
    const struct wish *found = wish_find(w, now, allows, about);
    if (found == NULL)
        return false;
    take_out(w, (size_t)(found - w->at), out);
    return true;
}

bool wish_remove(struct wishes *w, enum wish_kind kind, uint32_t child_id, struct wish *out)
{
    for (size_t i = 0; i < w->count; i++)
        if (w->at[i].kind == kind && w->at[i].child_id == child_id) {
            take_out(w, i, out);
            return true;
        }
    return false;
}

bool wish_has(const struct wishes *w, enum wish_kind kind, uint32_t child_id)
{
    for (size_t i = 0; i < w->count; i++)
        if (w->at[i].kind == kind && w->at[i].child_id == child_id)
            return true;
    return false;
}

struct instant wish_due(const struct wishes *w, struct instant now)
{
    struct instant due = INSTANT_NEVER;
    for (size_t i = 0; i < w->count; i++)
        if (!instant_reached(w->at[i].not_before, now))
            due = instant_earlier(due, w->at[i].not_before);
    return due;
}

void wish_clear(struct wishes *w)
{
    for (size_t i = 0; i < w->count; i++)
        free(w->at[i].child_name);
    free(w->at);
    *w = (struct wishes){0};
}
