/* Security Association payload: proposals, transforms, attributes. RFC 7296 3.3.
 *
 * Lengths, counts and the "last" markers must agree everywhere (3.3: "MUST check that the total
 * Payload Length is consistent"). What a transform means is policy's. */
#include "wire/payloads.h"

enum {
    LAST = 0,
    MORE_PROPOSALS = 2,
    MORE_TRANSFORMS = 3,
    PROPOSAL_HEADER_LEN = 8,
    TRANSFORM_HEADER_LEN = 8,
    IS_SHORT = 0x8000, /* attribute format bit: type and value instead of type, length, value */
};

/* Where in the body a part's reader stands. */
struct place {
    uint32_t *at;
    size_t end; /* offset of the octet behind the part */
};

static bool fault(struct place p, const struct reader *r, size_t back)
{
    if (p.at != NULL)
        *p.at = (uint32_t)(p.end - r->left.len - back);
    return false;
}

/* 3.3.5: an attribute that is not understood spoils its transform, not the message. */
static bool take_attributes(struct reader *r, struct transform *t, struct place p)
{
    while (r->left.len > 0) {
        uint16_t type = take_u16(r);
        uint16_t value = take_u16(r); /* or length */
        if (!good(r))
            return fault(p, r, 0);
        if ((type & IS_SHORT) == 0) {
            if (take(r, value).len != value)
                return fault(p, r, 2);
            t->is_odd = true;
            continue;
        }
        if ((type & ~IS_SHORT) == ATTRIBUTE_KEY_LENGTH && t->type == TRANSFORM_ENCR &&
            t->key_bits == 0 && value != 0)
            t->key_bits = value;
        else
            t->is_odd = true;
    }
    return true;
}

static bool take_transform(struct reader *r, bool is_last, struct transform *t, struct place p)
{
    uint8_t marker = take_u8(r);
    take_u8(r);
    uint16_t len = take_u16(r);
    if (!good(r))
        return fault(p, r, 0);
    if (marker != (is_last ? LAST : MORE_TRANSFORMS))
        return fault(p, r, 4);
    t->type = take_u8(r);
    take_u8(r);
    t->id = take_u16(r);
    if (!good(r))
        return fault(p, r, 0);
    struct reader attributes = reader_of(take_counted(r, len, TRANSFORM_HEADER_LEN));
    if (!good(r))
        return fault(p, r, TRANSFORM_HEADER_LEN - 2);
    return take_attributes(&attributes, t, (struct place){p.at, p.end - r->left.len});
}

static bool take_proposal(struct reader *r, struct arena *a, uint8_t previous, struct proposal *out,
                          struct place p)
{
    uint8_t marker = take_u8(r);
    take_u8(r);
    uint16_t len = take_u16(r);
    if (!good(r))
        return fault(p, r, 0);
    struct reader body = reader_of(take_counted(r, len, 4));
    if (!good(r))
        return fault(p, r, 2);
    if (marker != (r->left.len == 0 ? LAST : MORE_PROPOSALS))
        return fault(p, r, len);

    struct place inside = {p.at, p.end - r->left.len};
    out->number = take_u8(&body);
    out->protocol = take_u8(&body);
    uint8_t spi_len = take_u8(&body);
    uint8_t count = take_u8(&body);
    if (!good(&body))
        return fault(inside, &body, 0);
    /* 3.3.1 wants 1, 2, 3 …; an answer repeats one number. Gaps do no harm, doubles would make the
     * answer ambiguous. */
    if (out->number <= previous)
        return fault(inside, &body, 4);
    if (spi_len != 0 && spi_len != 4 && spi_len != 8)
        return fault(inside, &body, 2);
    out->spi = take(&body, spi_len);
    if (!good(&body))
        return fault(inside, &body, 2);
    if ((size_t)count * TRANSFORM_HEADER_LEN > body.left.len)
        return fault(inside, &body, 1 + (size_t)spi_len);
    if (count > 0) {
        out->transforms = arena_array(a, count, sizeof(struct transform));
        if (out->transforms == NULL)
            return fault(inside, &body, 0);
    }
    out->transform_count = count;
    for (size_t i = 0; i < count; i++)
        if (!take_transform(&body, i + 1 == count, &out->transforms[i], inside))
            return false;
    return body.left.len == 0 || fault(inside, &body, 0);
}

/* How many the length fields say; each that is counted has its octets. */
static size_t count_proposals(struct span body)
{
    struct reader r = reader_of(body);
    size_t count = 0;
    while (r.left.len > 0) {
        take_u16(&r);
        take_counted(&r, take_u16(&r), 4);
        if (!good(&r))
            break;
        count++;
    }
    return count;
}

bool wire_parse_sa(struct span body, struct arena *a, struct proposals *out, uint32_t *at)
{
    struct reader r = reader_of(body);
    struct place whole = {at, body.len};
    uint8_t previous = 0;

    *out = (struct proposals){0};
    /* One more: the proposal that does not fit is looked at to say what is wrong with it. Numbers
     * ascend, so there are at most 255. */
    size_t room = count_proposals(body) + 1;
    if (room > UINT8_MAX)
        room = UINT8_MAX;
    struct proposal *list = arena_array(a, room, sizeof(struct proposal));
    if (list == NULL)
        return fault(whole, &r, 0);
    size_t count = 0;
    do {
        if (count == room)
            return fault(whole, &r, 0);
        if (!take_proposal(&r, a, previous, &list[count], whole))
            return false;
        previous = list[count++].number;
    } while (r.left.len > 0);
    *out = (struct proposals){list, count};
    return true;
}

static void put_transform(struct writer *w, const struct transform *t, bool is_last)
{
    put_u8(w, is_last ? LAST : MORE_TRANSFORMS);
    put_u8(w, 0);
    struct gap gap = writer_open(w, 2);
    put_u8(w, t->type);
    put_u8(w, 0);
    put_u16(w, t->id);
    if (t->key_bits != 0) {
        put_u16(w, IS_SHORT | ATTRIBUTE_KEY_LENGTH);
        put_u16(w, t->key_bits);
    }
    writer_close(w, gap);
}

static void put_proposal(struct writer *w, const struct proposal *p, bool is_last)
{
    if (p->spi.len > UINT8_MAX || p->transform_count > UINT8_MAX) {
        w->full = true;
        return;
    }
    put_u8(w, is_last ? LAST : MORE_PROPOSALS);
    put_u8(w, 0);
    struct gap gap = writer_open(w, 2);
    put_u8(w, p->number);
    put_u8(w, p->protocol);
    put_u8(w, (uint8_t)p->spi.len);
    put_u8(w, (uint8_t)p->transform_count);
    put_span(w, p->spi);
    for (size_t i = 0; i < p->transform_count; i++)
        put_transform(w, &p->transforms[i], i + 1 == p->transform_count);
    writer_close(w, gap);
}

void wire_write_sa(struct writer *w, const struct proposals *p)
{
    for (size_t i = 0; i < p->count; i++)
        put_proposal(w, &p->at[i], i + 1 == p->count);
}
