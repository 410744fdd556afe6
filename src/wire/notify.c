/* Notify payload, RFC 7296 3.10, and the notification data of RFC 7427 4. */
#include "wire/payloads.h"

bool wire_parse_notify(struct span body, struct notify *out)
{
    struct reader r = reader_of(body);
    out->protocol = take_u8(&r);
    size_t spi_len = take_u8(&r);
    out->type = take_u16(&r);
    out->spi = take(&r, spi_len);
    out->data = take_rest(&r);
    /* 3.10: with an empty SPI the protocol must be ignored. RFC 4306 peers set it to IKE. */
    if (spi_len == 0)
        out->protocol = PROTOCOL_NONE;
    return done(&r);
}

void wire_write_notify(struct writer *w, const struct notify *n)
{
    if (n->spi.len > UINT8_MAX) {
        w->full = true;
        return;
    }
    put_u8(w, n->spi.len == 0 ? PROTOCOL_NONE : n->protocol);
    put_u8(w, (uint8_t)n->spi.len);
    put_u16(w, n->type);
    put_span(w, n->spi);
    put_span(w, n->data);
}

bool wire_find_notify(const struct message *m, uint16_t type, struct notify *out)
{
    for (size_t i = 0; i < m->payload_count; i++)
        if (m->payloads[i].type == PAYLOAD_NOTIFY && wire_parse_notify(m->payloads[i].body, out) &&
            out->type == type)
            return true;
    *out = (struct notify){0};
    return false;
}

bool wire_parse_signature_hashes(struct span data, uint16_t *out, size_t max, size_t *count)
{
    struct reader r = reader_of(data);
    *count = 0;
    if (data.len % 2 != 0)
        return false;
    while (r.left.len > 0) {
        uint16_t hash = take_u16(&r);
        if (*count < max)
            out[(*count)++] = hash;
    }
    return true;
}

void wire_write_signature_hashes(struct writer *w, const uint16_t *hashes, size_t count)
{
    for (size_t i = 0; i < count; i++)
        put_u16(w, hashes[i]);
}
