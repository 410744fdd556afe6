/* Nonce payload, RFC 7296 3.9. */
#include "wire/payloads.h"

enum { NONCE_MIN = 16, NONCE_MAX = 256 };

bool wire_parse_nonce(struct span body, struct span *out)
{
    *out = body;
    return body.len >= NONCE_MIN && body.len <= NONCE_MAX;
}

void wire_write_nonce(struct writer *w, struct span nonce)
{
    put_span(w, nonce);
}
