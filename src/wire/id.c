/* Identification payloads (IDi, IDr), RFC 7296 3.5. What the data must look like for a type is
 * policy's: AUTH covers the octets as they came. */
#include "wire/payloads.h"

bool wire_parse_id(struct span body, struct id_payload *out)
{
    struct reader r = reader_of(body);
    out->type = take_u8(&r);
    take(&r, 3);
    out->data = take_rest(&r);
    return done(&r);
}

void wire_write_id(struct writer *w, const struct id_payload *id)
{
    put_u8(w, id->type);
    put_zeros(w, 3);
    put_span(w, id->data);
}
