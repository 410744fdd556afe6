/* Traffic Selector payloads (TSi, TSr), RFC 7296 3.13. Selectors of other types (RFC 4595, 9478)
 * keep their octets; their second octet is no protocol then. */
#include "wire/payloads.h"

enum { SELECTOR_HEADER_LEN = 4 };

/* Octets of one address; 0: not an address range. */
static size_t address_len_of(uint8_t type)
{
    return type == TS_IPV4_ADDR_RANGE ? 4 : type == TS_IPV6_ADDR_RANGE ? 16 : 0;
}

static bool fault(uint32_t *at, size_t offset)
{
    if (at != NULL)
        *at = (uint32_t)offset;
    return false;
}

/* Reads one; start is its offset in the body. */
static bool take_selector(struct reader *r, struct ts *t, size_t start, uint32_t *at)
{
    struct reader header = *r;
    t->type = take_u8(&header);
    t->protocol = take_u8(&header);
    uint16_t len = take_u16(&header);
    if (!good(&header))
        return fault(at, start);
    t->raw = take(r, len);
    if (!good(r) || len < SELECTOR_HEADER_LEN)
        return fault(at, start + 2);

    size_t address = address_len_of(t->type);
    if (address == 0) {
        t->protocol = 0;
        return true;
    }
    struct reader body = reader_of(t->raw);
    take(&body, SELECTOR_HEADER_LEN);
    t->port_from = take_u16(&body);
    t->port_to = take_u16(&body);
    t->from = take(&body, address);
    t->to = take(&body, address);
    return done(&body) || fault(at, start + 2);
}

bool wire_parse_ts(struct span body, struct arena *a, struct ts_list *out, uint32_t *at)
{
    struct reader r = reader_of(body);
    *out = (struct ts_list){0};
    uint8_t count = take_u8(&r);
    take(&r, 3);
    if (!good(&r) || (size_t)count * SELECTOR_HEADER_LEN > r.left.len)
        return fault(at, 0);
    struct ts *list = count == 0 ? NULL : arena_array(a, count, sizeof(struct ts));
    if (count > 0 && list == NULL)
        return fault(at, 0);
    for (size_t i = 0; i < count; i++)
        if (!take_selector(&r, &list[i], body.len - r.left.len, at))
            return false;
    if (r.left.len > 0)
        return fault(at, body.len - r.left.len);
    *out = (struct ts_list){list, count};
    return true;
}

static void put_selector(struct writer *w, const struct ts *t)
{
    if (address_len_of(t->type) == 0) {
        put_span(w, t->raw);
        return;
    }
    put_u8(w, t->type);
    put_u8(w, t->protocol);
    struct gap gap = writer_open(w, 2);
    put_u16(w, t->port_from);
    put_u16(w, t->port_to);
    put_span(w, t->from);
    put_span(w, t->to);
    writer_close(w, gap);
}

void wire_write_ts(struct writer *w, const struct ts_list *list)
{
    if (list->count > UINT8_MAX) {
        w->full = true;
        return;
    }
    put_u8(w, (uint8_t)list->count);
    put_zeros(w, 3);
    for (size_t i = 0; i < list->count; i++)
        put_selector(w, &list->at[i]);
}
