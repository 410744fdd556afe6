/* Key Exchange payload, RFC 7296 3.4. Whether the value fits the group is crypto's to say: an
 * answer about the group needs the group, also when the value is short. */
#include "wire/payloads.h"

bool wire_parse_ke(struct span body, struct ke_payload *out)
{
    struct reader r = reader_of(body);
    out->group = take_u16(&r);
    take_u16(&r);
    out->value = take_rest(&r);
    return done(&r);
}

void wire_write_ke(struct writer *w, const struct ke_payload *ke)
{
    put_u16(w, ke->group);
    put_u16(w, 0);
    put_span(w, ke->value);
}
