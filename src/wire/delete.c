/* Delete payload, RFC 7296 3.11. */
#include "wire/payloads.h"

enum { ESP_SPI_LEN = 4 };

static bool size_fits(uint8_t protocol, uint8_t spi_size)
{
    if (protocol == PROTOCOL_IKE)
        return spi_size == 0;
    if (protocol == PROTOCOL_AH || protocol == PROTOCOL_ESP)
        return spi_size == ESP_SPI_LEN;
    return true;
}

bool wire_parse_delete(struct span body, struct delete_payload *out)
{
    struct reader r = reader_of(body);
    out->protocol = take_u8(&r);
    out->spi_size = take_u8(&r);
    out->spi_count = take_u16(&r);
    out->spis = take(&r, (size_t)out->spi_count * out->spi_size);
    return done(&r) && size_fits(out->protocol, out->spi_size);
}

uint32_t wire_delete_spi(const struct delete_payload *d, size_t i)
{
    struct reader r = reader_of(d->spis);
    if (d->spi_size != ESP_SPI_LEN || i >= d->spi_count)
        return 0;
    take(&r, i * ESP_SPI_LEN);
    return take_u32(&r);
}

void wire_write_delete(struct writer *w, const struct delete_payload *d)
{
    put_u8(w, d->protocol);
    put_u8(w, d->spi_size);
    put_u16(w, d->spi_count);
    put_span(w, d->spis);
}
