/* Octets in, octets out.
 *
 * A span is a view that owns nothing. A reader hands out pieces of a span: after one read past the
 * end it is bad and gives zeros and empty pieces, so a parser reads everything and asks once, with
 * done(). A writer mirrors it: it turns full once and stays full. All pointer arithmetic on
 * received octets is in this file. Numbers are in network order. */
#ifndef IKEBANA_BASE_SPAN_H
#define IKEBANA_BASE_SPAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct span {
    const uint8_t *at;
    size_t len;
};

struct reader {
    struct span left;
    bool bad;
};

static inline struct span span_of(const void *at, size_t len)
{
    return (struct span){(const uint8_t *)at, len};
}

static inline struct span span_text(const char *text)
{
    return (struct span){(const uint8_t *)text, text == NULL ? 0 : strlen(text)};
}

static inline bool span_equal(struct span a, struct span b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.at, b.at, a.len) == 0);
}

static inline bool span_is(struct span a, const char *text)
{
    return span_equal(a, span_text(text));
}

/* Octet by octet; a span that ends first is the lower (RFC 7296 2.8.1). <0, 0, >0. */
int span_compare(struct span a, struct span b);

static inline struct reader reader_of(struct span s)
{
    return (struct reader){s, false};
}

/* The next len octets, or an empty span and a bad reader. */
static inline struct span take(struct reader *r, size_t len)
{
    if (r->bad || len > r->left.len) {
        r->bad = true;
        return (struct span){NULL, 0};
    }
    struct span piece = {r->left.at, len};
    if (len > 0) {
        r->left.at += len;
        r->left.len -= len;
    }
    return piece;
}

static inline uint8_t take_u8(struct reader *r)
{
    struct span s = take(r, 1);
    return s.len == 1 ? s.at[0] : 0;
}

static inline uint16_t take_u16(struct reader *r)
{
    struct span s = take(r, 2);
    return s.len == 2 ? (uint16_t)((unsigned)s.at[0] << 8 | s.at[1]) : 0;
}

static inline uint32_t take_u32(struct reader *r)
{
    struct span s = take(r, 4);
    return s.len == 4 ? (uint32_t)s.at[0] << 24 | (uint32_t)s.at[1] << 16 | (uint32_t)s.at[2] << 8 |
                            (uint32_t)s.at[3]
                      : 0;
}

static inline uint64_t take_u64(struct reader *r)
{
    uint64_t high = take_u32(r);
    return high << 32 | take_u32(r);
}

static inline struct span take_rest(struct reader *r)
{
    return take(r, r->left.len);
}

/* What follows a header of `header` octets inside something that is `total` octets long, header
 * included: checks before it subtracts. */
static inline struct span take_counted(struct reader *r, size_t total, size_t header)
{
    if (total < header) {
        r->bad = true;
        return (struct span){NULL, 0};
    }
    return take(r, total - header);
}

/* Nothing was missing. */
static inline bool good(const struct reader *r)
{
    return !r->bad;
}

/* Nothing was missing and nothing is left over. */
static inline bool done(const struct reader *r)
{
    return !r->bad && r->left.len == 0;
}

struct writer {
    uint8_t *at;
    size_t len;  /* written so far */
    size_t size; /* room at `at` */
    bool full;   /* something did not fit; len no longer grows */
};

/* A place whose length is written later. */
struct gap {
    size_t at;
    size_t from;
};

static inline struct writer writer_of(void *at, size_t size)
{
    return (struct writer){(uint8_t *)at, 0, size, false};
}

static inline struct span writer_span(const struct writer *w)
{
    return (struct span){w->at, w->len};
}

/* Room for len octets that the caller fills, or NULL and a full writer. */
static inline uint8_t *put_room(struct writer *w, size_t len)
{
    if (w->full || len > w->size - w->len) {
        w->full = true;
        return NULL;
    }
    uint8_t *at = w->at + w->len;
    w->len += len;
    return at;
}

static inline void put_u8(struct writer *w, uint8_t v)
{
    uint8_t *at = put_room(w, 1);
    if (at != NULL)
        at[0] = v;
}

static inline void put_u16(struct writer *w, uint16_t v)
{
    uint8_t *at = put_room(w, 2);
    if (at != NULL) {
        at[0] = (uint8_t)(v >> 8);
        at[1] = (uint8_t)v;
    }
}

static inline void put_u32(struct writer *w, uint32_t v)
{
    put_u16(w, (uint16_t)(v >> 16));
    put_u16(w, (uint16_t)v);
}

static inline void put_u64(struct writer *w, uint64_t v)
{
    put_u32(w, (uint32_t)(v >> 32));
    put_u32(w, (uint32_t)v);
}

static inline void put_span(struct writer *w, struct span s)
{
    uint8_t *at = put_room(w, s.len);
    if (at != NULL && s.len > 0)
        memcpy(at, s.at, s.len);
}

static inline void put_zeros(struct writer *w, size_t len)
{
    uint8_t *at = put_room(w, len);
    if (at != NULL && len > 0)
        memset(at, 0, len);
}

/* Leaves a 16-bit length field open; counted from `counted_from` octets before the field (0: from
 * the field itself). writer_close() patches it with the octets from there to the end. */
struct gap writer_open(struct writer *w, size_t counted_from);
void writer_close(struct writer *w, struct gap gap);

/* Overwrites one octet that is already written. */
static inline void writer_patch_u8(struct writer *w, size_t at, uint8_t v)
{
    if (!w->full && at < w->len)
        w->at[at] = v;
}

#endif
