/* Configuration payload, RFC 7296 3.15. The length that an attribute's value must have is the
 * reader's of that attribute: 3.15.1 wants unknown ones ignored. */
#include "wire/payloads.h"

enum { TYPE_BITS = 0x7fff };

static struct cfg_attribute take_attribute(struct reader *r)
{
    struct cfg_attribute attribute = {.type = take_u16(r) & TYPE_BITS};
    attribute.value = take(r, take_u16(r));
    return attribute;
}

bool wire_parse_cp(struct span body, struct arena *a, struct cfg *out)
{
    struct reader r = reader_of(body);
    *out = (struct cfg){.type = take_u8(&r)};
    take(&r, 3);

    struct reader counting = r;
    size_t count = 0;
    for (; good(&counting) && counting.left.len > 0; count++)
        take_attribute(&counting);
    if (!good(&counting))
        return false;
    if (count == 0)
        return true;
    out->attributes = arena_array(a, count, sizeof(struct cfg_attribute));
    if (out->attributes == NULL)
        return false;
    out->count = count;
    for (size_t i = 0; i < count; i++)
        out->attributes[i] = take_attribute(&r);
    return done(&r);
}

void wire_write_cp(struct writer *w, const struct cfg *cfg)
{
    put_u8(w, cfg->type);
    put_zeros(w, 3);
    for (size_t i = 0; i < cfg->count; i++) {
        struct span value = cfg->attributes[i].value;
        if (value.len > UINT16_MAX) {
            w->full = true;
            return;
        }
        put_u16(w, cfg->attributes[i].type & TYPE_BITS);
        put_u16(w, (uint16_t)value.len);
        put_span(w, value);
    }
}
