/* Header, payload chain and SK: see wire.h. RFC 7296 3.1, 3.2, 3.14; RFC 7383 2.5.
 *
 * A chain is walked with one reader; the offset of what is left tells where in the message we are.
 */
#include "wire/wire.h"

enum {
    NEXT_PAYLOAD_AT = 16, /* of the header */
    LENGTH_AT = 24,
    CRITICAL = 0x80,
    FLAGS_SENT = IKE_FLAG_INITIATOR | IKE_FLAG_RESPONSE,
};

static bool fault(struct wire_error *why, size_t offset, uint8_t payload, const char *what)
{
    *why = (struct wire_error){(uint32_t)offset, payload, what};
    return false;
}

/* ---- reading ---- */

static struct ike_header take_header(struct reader *r)
{
    struct ike_header h = {0};
    h.spi_i = take_u64(r);
    h.spi_r = take_u64(r);
    h.next_payload = take_u8(r);
    h.version = take_u8(r);
    h.exchange = take_u8(r);
    h.flags = take_u8(r);
    h.message_id = take_u32(r);
    h.length = take_u32(r);
    return h;
}

bool wire_parse_header(struct span datagram, struct ike_header *out, struct wire_error *why)
{
    struct reader r = reader_of(datagram);
    *out = take_header(&r);
    if (!good(&r)) {
        *out = (struct ike_header){0};
        return fault(why, datagram.len, 0, "the datagram is shorter than an IKE header");
    }
    if (out->length < WIRE_HEADER_LEN)
        return fault(why, LENGTH_AT, 0, "the length field is less than an IKE header");
    if (out->length > datagram.len)
        return fault(why, LENGTH_AT, 0, "the length field is more than the datagram");
    if (out->length < datagram.len)
        return fault(why, LENGTH_AT, 0, "the length field is less than the datagram");
    return true;
}

/* The SK or SKF payload: body is its content, datagram the whole message. */
static bool take_sk(struct message *m, const struct payload *p, uint8_t first, struct span datagram,
                    struct wire_error *why)
{
    struct reader body = reader_of(p->body);
    bool is_fragment = p->type == PAYLOAD_SKF;
    uint16_t number = 0, total = 0;

    if (is_fragment) {
        number = take_u16(&body);
        total = take_u16(&body);
        if (!good(&body))
            return fault(why, p->offset + 2, p->type, "the SKF payload has no fragment numbers");
        /* RFC 7383 2.6: both must be non-zero, the number at most the total. */
        if (number == 0 || total == 0 || number > total)
            return fault(why, p->offset + WIRE_PAYLOAD_HEADER_LEN, p->type,
                         "the fragment number is not from 1 to the total");
    }

    m->has_sk = true;
    m->is_fragment = is_fragment;
    m->sk_first_payload = first;
    m->fragment = number;
    m->fragments = total;
    m->sk_offset = p->offset;
    m->sk_body = take_rest(&body);
    struct reader whole = reader_of(datagram);
    m->sk_aad = take(&whole, datagram.len - m->sk_body.len);
    return true;
}

/* Appends the payloads of a chain whose first octet stands at `base` in the message. datagram: the
 * message, where an SK may end the chain; an empty span inside SK, where RFC 7296 3.1 forbids one.
 */
static bool take_chain(struct message *m, uint8_t type, struct span chain, size_t base,
                       struct span datagram, struct wire_error *why)
{
    struct reader r = reader_of(chain);

    while (type != PAYLOAD_NONE) {
        size_t offset = base + chain.len - r.left.len;
        uint8_t next = take_u8(&r);
        uint8_t flags = take_u8(&r);
        uint16_t len = take_u16(&r);
        if (!good(&r))
            return fault(why, offset, type, "a payload is announced, but the message ends");
        if (len < WIRE_PAYLOAD_HEADER_LEN)
            return fault(why, offset + 2, type, "the payload length is less than its header");
        struct payload p = {type, (flags & CRITICAL) != 0, (uint32_t)offset, {NULL, 0}};
        p.body = take_counted(&r, len, WIRE_PAYLOAD_HEADER_LEN);
        if (!good(&r))
            return fault(why, offset + 2, type, "the payload length goes past the message's end");

        if (type == PAYLOAD_SK || type == PAYLOAD_SKF) {
            if (datagram.len == 0)
                return fault(why, offset, type, "an encrypted payload inside an encrypted payload");
            /* RFC 7296 3.14: its next payload field names the first payload inside. */
            if (r.left.len > 0)
                return fault(why, offset + len, type, "octets behind the encrypted payload");
            return take_sk(m, &p, next, datagram, why);
        }
        if (m->payload_count == WIRE_PAYLOADS_MAX)
            return fault(why, offset, type, "too many payloads");
        m->payloads[m->payload_count++] = p;
        type = next;
    }
    if (r.left.len > 0)
        return fault(why, base + chain.len - r.left.len, PAYLOAD_NONE,
                     "octets behind the last payload");
    return true;
}

static void clear_message(struct message *m)
{
    m->header = (struct ike_header){0};
    m->payload_count = 0;
    m->has_sk = m->is_fragment = false;
    m->sk_first_payload = 0;
    m->fragment = m->fragments = 0;
    m->sk_offset = 0;
    m->sk_aad = m->sk_body = m->joined = (struct span){NULL, 0};
    m->joined_size = 0;
}

bool wire_parse_message(struct span datagram, struct message *out, struct wire_error *why)
{
    clear_message(out);
    if (!wire_parse_header(datagram, &out->header, why))
        return false;
    struct reader r = reader_of(datagram);
    take(&r, WIRE_HEADER_LEN);
    return take_chain(out, out->header.next_payload, take_rest(&r), WIRE_HEADER_LEN, datagram, why);
}

bool wire_parse_inner(struct message *m, uint8_t first, struct span plain, struct wire_error *why)
{
    size_t before = m->payload_count;
    size_t base = (size_t)m->sk_offset + WIRE_PAYLOAD_HEADER_LEN;
    if (take_chain(m, first, plain, base, (struct span){NULL, 0}, why))
        return true;
    m->payload_count = before;
    return false;
}

const struct payload *wire_find(const struct message *m, uint8_t type)
{
    for (size_t i = 0; i < m->payload_count; i++)
        if (m->payloads[i].type == type)
            return &m->payloads[i];
    return NULL;
}

size_t wire_count(const struct message *m, uint8_t type)
{
    size_t count = 0;
    for (size_t i = 0; i < m->payload_count; i++)
        count += m->payloads[i].type == type;
    return count;
}

/* ---- writing ---- */

static void put_header(struct writer *w, const struct ike_header *h, uint8_t next, uint32_t length)
{
    put_u64(w, h->spi_i);
    put_u64(w, h->spi_r);
    put_u8(w, next);
    put_u8(w, h->version);
    put_u8(w, h->exchange);
    put_u8(w, h->flags & FLAGS_SENT);
    put_u32(w, h->message_id);
    put_u32(w, length);
}

struct message_writer wire_begin(struct writer *w, const struct ike_header *h)
{
    struct message_writer m = {w, w->len, w->len + NEXT_PAYLOAD_AT, NULL};
    put_header(w, h, PAYLOAD_NONE, 0);
    return m;
}

struct message_writer wire_begin_inner(struct writer *w, uint8_t *first)
{
    *first = PAYLOAD_NONE;
    return (struct message_writer){w, w->len, w->len, first};
}

struct gap wire_open_payload(struct message_writer *m, uint8_t type, bool is_critical)
{
    if (m->first != NULL)
        *m->first = type;
    else
        writer_patch_u8(m->w, m->next_at, type);
    m->first = NULL;
    m->next_at = m->w->len;
    put_u8(m->w, PAYLOAD_NONE);
    put_u8(m->w, is_critical ? CRITICAL : 0);
    return writer_open(m->w, 2);
}

void wire_close_payload(struct message_writer *m, struct gap gap)
{
    writer_close(m->w, gap);
}

void wire_end(struct message_writer *m)
{
    size_t len = m->w->len - m->start;
    if (len > WIRE_MESSAGE_MAX) {
        m->w->full = true;
        return;
    }
    writer_patch_u8(m->w, m->start + LENGTH_AT + 2, (uint8_t)(len >> 8));
    writer_patch_u8(m->w, m->start + LENGTH_AT + 3, (uint8_t)len);
}

static void put_sk_headers(struct writer *w, const struct ike_header *h, uint8_t type,
                           uint8_t first, size_t content)
{
    if (content > WIRE_MESSAGE_MAX - WIRE_HEADER_LEN - WIRE_PAYLOAD_HEADER_LEN) {
        w->full = true;
        return;
    }
    uint32_t len = (uint32_t)content + WIRE_PAYLOAD_HEADER_LEN;
    put_header(w, h, type, len + WIRE_HEADER_LEN);
    put_u8(w, first);
    put_u8(w, 0);
    put_u16(w, (uint16_t)len);
}

void wire_write_sk_headers(struct writer *w, const struct ike_header *h, uint8_t first,
                           size_t body_len)
{
    put_sk_headers(w, h, PAYLOAD_SK, first, body_len);
}

void wire_write_skf_headers(struct writer *w, const struct ike_header *h, uint8_t first,
                            uint16_t fragment, uint16_t fragments, size_t body_len)
{
    enum { FRAGMENT_NUMBERS = 4 };
    if (body_len > WIRE_MESSAGE_MAX) {
        w->full = true;
        return;
    }
    put_sk_headers(w, h, PAYLOAD_SKF, first, body_len + FRAGMENT_NUMBERS);
    put_u16(w, fragment);
    put_u16(w, fragments);
}
