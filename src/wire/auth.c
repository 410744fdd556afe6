/* Authentication payload, RFC 7296 3.8. The ASN.1 of RFC 7427 signatures is auth's. */
#include "wire/payloads.h"

bool wire_parse_auth(struct span body, struct auth_payload *out)
{
    struct reader r = reader_of(body);
    out->method = take_u8(&r);
    take(&r, 3);
    out->data = take_rest(&r);
    return done(&r);
}

void wire_write_auth(struct writer *w, const struct auth_payload *auth)
{
    put_u8(w, auth->method);
    put_zeros(w, 3);
    put_span(w, auth->data);
}
