#include "base/arena.h"

#include <stdalign.h>
#include <stdio.h>
#include <stdlib.h>

enum { CHUNK_SIZE = 16 * 1024, RESERVE_SIZE = 4 * 1024 };

struct arena_chunk {
    struct arena_chunk *next;
    size_t size, used;
    bool is_reserve;
    alignas(max_align_t) uint8_t bytes[];
};

static struct arena_chunk *chunk_new(size_t size, bool is_reserve)
{
    struct arena_chunk *c = malloc(sizeof *c + size);
    if (c == NULL)
        return NULL;
    c->next = NULL;
    c->size = size;
    c->used = 0;
    c->is_reserve = is_reserve;
    return c;
}

bool arena_init(struct arena *a)
{
    a->first = chunk_new(CHUNK_SIZE, false);
    struct arena_chunk *reserve = chunk_new(RESERVE_SIZE, true);
    a->current = a->first;
    a->next_size = CHUNK_SIZE;
    a->is_exhausted = false;
    if (a->first == NULL || reserve == NULL) {
        free(a->first);
        free(reserve);
        a->first = a->current = NULL;
        return false;
    }
    a->first->next = reserve;
    return true;
}

bool arena_init_small(struct arena *a, size_t first)
{
    a->first = a->current = chunk_new(first, false);
    a->next_size = first * 2 < CHUNK_SIZE ? first * 2 : CHUNK_SIZE;
    a->is_exhausted = false;
    return a->first != NULL;
}

void arena_clear(struct arena *a)
{
    struct arena_chunk *c = a->first;
    while (c != NULL) {
        struct arena_chunk *next = c->next;
        free(c);
        c = next;
    }
    a->first = a->current = NULL;
}

void arena_reset(struct arena *a)
{
    if (a->first == NULL)
        return;
    struct arena_chunk *c = a->first->next, *reserve = NULL;
    while (c != NULL) {
        struct arena_chunk *next = c->next;
        if (c->is_reserve)
            reserve = c;
        else
            free(c);
        c = next;
    }
    a->first->next = reserve;
    a->first->used = 0;
    if (reserve != NULL) {
        reserve->next = NULL;
        reserve->used = 0;
    }
    a->current = a->first;
    a->is_exhausted = false;
}

static void *chunk_take(struct arena_chunk *c, size_t len)
{
    size_t start = (c->used + alignof(max_align_t) - 1) & ~(alignof(max_align_t) - 1);
    if (start > c->size || len > c->size - start)
        return NULL;
    c->used = start + len;
    memset(c->bytes + start, 0, len);
    return c->bytes + start;
}

void *arena_alloc(struct arena *a, size_t len)
{
    if (a->current == NULL)
        return NULL;
    void *at = chunk_take(a->current, len);
    if (at != NULL)
        return at;
    size_t size = len > a->next_size ? len : a->next_size;
    struct arena_chunk *c = len > SIZE_MAX / 2 ? NULL : chunk_new(size, false);
    if (c == NULL) {
        a->is_exhausted = true;
        for (c = a->first; c != NULL && !c->is_reserve;)
            c = c->next;
        return c == NULL ? NULL : chunk_take(c, len);
    }
    /* The reserve stays last, so that it is found and is never the current chunk. */
    c->next = a->current->next;
    a->current->next = c;
    a->current = c;
    a->next_size = a->next_size * 2 < CHUNK_SIZE ? a->next_size * 2 : CHUNK_SIZE;
    return chunk_take(c, len);
}

void *arena_array(struct arena *a, size_t count, size_t size)
{
    if (size != 0 && count > SIZE_MAX / size)
        return NULL;
    return arena_alloc(a, count * size);
}

struct span arena_copy(struct arena *a, struct span s)
{
    uint8_t *at = arena_alloc(a, s.len == 0 ? 1 : s.len);
    if (at == NULL)
        return (struct span){NULL, 0};
    if (s.len > 0)
        memcpy(at, s.at, s.len);
    return (struct span){at, s.len};
}

const char *arena_vtext(struct arena *a, const char *format, va_list args)
{
    va_list again;
    va_copy(again, args);
    if (strcmp(format, "%s") == 0) { /* a plain copy, the most frequent text by far */
        const char *from = va_arg(again, const char *);
        va_end(again);
        struct span text = span_text(from == NULL ? "(null)" : from);
        struct span copy = arena_copy(a, span_of(text.at, text.len + 1));
        return copy.at == NULL ? "" : (const char *)copy.at;
    }
    int len = vsnprintf(NULL, 0, format, again);
    va_end(again);
    if (len < 0)
        return "";
    char *text = arena_alloc(a, (size_t)len + 1);
    if (text == NULL)
        return "";
    vsnprintf(text, (size_t)len + 1, format, args);
    return text;
}

const char *arena_text(struct arena *a, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    const char *text = arena_vtext(a, format, args);
    va_end(args);
    return text;
}

static const char digits[] = "0123456789abcdef";

const char *arena_escape(struct arena *a, struct span s, size_t max)
{
    size_t shown = s.len < max ? s.len : max;
    char *text = arena_alloc(a, shown * 4 + sizeof "…");
    if (text == NULL)
        return "";
    char *p = text;
    for (size_t i = 0; i < shown; i++) {
        uint8_t c = s.at[i];
        if (c >= 0x20 && c < 0x7f && c != '\\' && c != '"') {
            *p++ = (char)c;
        } else {
            *p++ = '\\';
            *p++ = 'x';
            *p++ = digits[c >> 4];
            *p++ = digits[c & 15];
        }
    }
    if (shown < s.len)
        memcpy(p, "…", sizeof "…");
    else
        *p = '\0';
    return text;
}

const char *arena_hex(struct arena *a, struct span s, size_t max)
{
    size_t shown = s.len < max ? s.len : max;
    char *text = arena_alloc(a, shown * 2 + sizeof "…");
    if (text == NULL)
        return "";
    char *p = text;
    for (size_t i = 0; i < shown; i++) {
        *p++ = digits[s.at[i] >> 4];
        *p++ = digits[s.at[i] & 15];
    }
    if (shown < s.len)
        memcpy(p, "…", sizeof "…");
    else
        *p = '\0';
    return text;
}
