/* Vendor ID payload, RFC 7296 3.12: any octets. */
#include "wire/payloads.h"

bool wire_parse_vendor(struct span body, struct span *out)
{
    *out = body;
    return true;
}

void wire_write_vendor(struct writer *w, struct span id)
{
    put_span(w, id);
}
