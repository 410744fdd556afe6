/* EAP payload, RFC 7296 3.16: one EAP message (RFC 3748 4) as it is. */
#include "wire/payloads.h"

static bool is_typed(uint8_t code)
{
    return code == EAP_CODE_REQUEST || code == EAP_CODE_RESPONSE;
}

bool wire_parse_eap(struct span body, struct eap_payload *out)
{
    struct reader r = reader_of(body);
    *out = (struct eap_payload){.raw = body};
    out->code = take_u8(&r);
    out->id = take_u8(&r);
    /* 3.16: four less than the payload's length, so no padding as elsewhere in EAP. */
    bool fits = take_u16(&r) == body.len;
    out->has_type = is_typed(out->code);
    if (out->has_type)
        out->type = take_u8(&r);
    out->data = take_rest(&r);
    bool is_bare = out->code == EAP_CODE_SUCCESS || out->code == EAP_CODE_FAILURE;
    return done(&r) && fits && !(is_bare && out->data.len > 0);
}

void wire_write_eap(struct writer *w, const struct eap_payload *eap)
{
    if (eap->raw.len > 0) {
        put_span(w, eap->raw);
        return;
    }
    put_u8(w, eap->code);
    put_u8(w, eap->id);
    struct gap gap = writer_open(w, 2);
    if (eap->has_type)
        put_u8(w, eap->type);
    put_span(w, eap->data);
    writer_close(w, gap);
}
