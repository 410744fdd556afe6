/* Messages of this room: written in the world's scratch, sealed in place, copied once into the
 * arena; opened in a copy. */
#include "ike2/fragment.h"
#include "ike2/inside.h"

static void note_payload(struct outgoing *o, uint8_t type)
{
    if (type >= 33 && type < 65)
        o->payloads |= (uint32_t)1 << (type - 33);
}

void out_begin_plain(struct outgoing *o, struct world *w, const struct ike_header *h)
{
    memset(o, 0, sizeof *o);
    o->w = w;
    o->header = *h;
    o->writer = writer_of(w->scratch, sizeof w->scratch);
    o->mw = wire_begin(&o->writer, h);
}

void out_begin(struct outgoing *o, struct world *w, struct ike_sa *sa, uint8_t exchange,
               bool is_response, uint32_t message_id)
{
    memset(o, 0, sizeof *o);
    o->w = w;
    o->sa = sa;
    o->header = (struct ike_header){
        .spi_i = sa->spi_i,
        .spi_r = sa->spi_r,
        .version = 0x20,
        .exchange = exchange,
        .flags = (uint8_t)((sa->is_initiator ? IKE_FLAG_INITIATOR : 0) |
                           (is_response ? IKE_FLAG_RESPONSE : 0)),
        .message_id = message_id,
    };
    if (exchange == EXCHANGE_IKE_SA_INIT) {
        o->writer = writer_of(w->scratch, sizeof w->scratch);
        o->mw = wire_begin(&o->writer, &o->header);
        return;
    }
    o->is_protected = true;
    /* The content is written where it will stand: behind both headers and the IV. */
    size_t before = (size_t)WIRE_HEADER_LEN + WIRE_PAYLOAD_HEADER_LEN + sa->encr->iv_len;
    o->writer = writer_of(w->scratch + before, sizeof w->scratch - before - 256);
    o->mw = wire_begin_inner(&o->writer, &o->first);
}

struct gap out_open(struct outgoing *o, uint8_t type)
{
    note_payload(o, type);
    return wire_open_payload(&o->mw, type, false);
}

void out_close(struct outgoing *o, struct gap g)
{
    wire_close_payload(&o->mw, g);
}

static void note_notify(uint16_t notifies[4], uint16_t type)
{
    for (size_t i = 0; i < 4; i++) {
        if (notifies[i] == type)
            return;
        if (notifies[i] == 0) {
            notifies[i] = type;
            return;
        }
        if (type < 16384 && notifies[i] >= 16384) { /* errors first */
            uint16_t pushed = notifies[i];
            notifies[i] = type;
            type = pushed;
        }
    }
}

void out_notify_spi(struct outgoing *o, uint16_t type, uint8_t protocol, struct span spi,
                    struct span data)
{
    struct notify n = {.protocol = protocol, .type = type, .spi = spi, .data = data};
    struct gap g = out_open(o, PAYLOAD_NOTIFY);
    wire_write_notify(&o->writer, &n);
    out_close(o, g);
    note_notify(o->notifies, type);
}

void out_notify(struct outgoing *o, uint16_t type, struct span data)
{
    out_notify_spi(o, type, 0, (struct span){NULL, 0}, data);
}

static size_t padding(const struct encr *e, size_t plain)
{
    size_t block = e->block < 4 ? 1 : e->block;
    return (block - (plain + 1) % block) % block;
}

size_t message_sealed_len(const struct ike_sa *sa, size_t plain)
{
    return sa->encr->iv_len + plain + padding(sa->encr, plain) + 1 +
           crypto_icv_len(sa->encr, sa->integ);
}

bool message_seal(struct world *w, struct ike_sa *sa, uint8_t *at, size_t head, size_t plain)
{
    const struct encr *e = sa->encr;
    struct span nothing = {NULL, 0};
    size_t pad = padding(e, plain), len = plain + pad + 1;
    uint8_t *iv = at + head, *data = iv + e->iv_len;
    memset(data + plain, 0, pad);
    data[plain + pad] = (uint8_t)pad;
    if (e->iv_is_random) {
        rng_fill(w->rng, iv, e->iv_len);
    } else {
        /* Unique for the key is enough: RFC 5282 3.1, RFC 5930 2. */
        uint64_t n = sa->ivs++;
        for (size_t i = 0; i < e->iv_len; i++)
            iv[e->iv_len - 1 - i] = (uint8_t)(i < 8 ? n >> (8 * i) & 0xff : 0);
    }
    struct sealer *sealer = world_sealer(w, e, sa->integ, true);
    return sealer != NULL &&
           crypto_sealer_key(sealer, ike2_key(sa, sa->is_initiator ? KEY_EI : KEY_ER),
                             ike2_key(sa, sa->is_initiator ? KEY_AI : KEY_AR), true) &&
           crypto_seal(sealer, span_of(at, head), span_of(iv, e->iv_len), data, len, nothing,
                       data + len);
}

static struct span finish_sealed(struct outgoing *o)
{
    struct world *w = o->w;
    struct ike_sa *sa = o->sa;
    size_t plain = o->writer.len, body = message_sealed_len(sa, plain);
    size_t size = o->writer.full ? 0 : fragment_size(w, sa);
    /* RFC 7383 2.5.1: an answer may be as large as what the request shows to come through. */
    if ((o->header.flags & IKE_FLAG_RESPONSE) != 0 && w->asked_size != 0 && w->asked_size < size)
        size = w->asked_size;
    size_t room = fragment_room(&sa->path, size);
    struct writer head = writer_of(w->scratch, WIRE_HEADER_LEN + WIRE_PAYLOAD_HEADER_LEN);
    if (size != 0 && WIRE_HEADER_LEN + WIRE_PAYLOAD_HEADER_LEN + body > room)
        return fragment_seal(w, sa, &o->header, o->first, writer_span(&o->writer), room);
    wire_write_sk_headers(&head, &o->header, o->first, body);
    if (o->writer.full || head.full || !message_seal(w, sa, w->scratch, head.len, plain))
        return (struct span){NULL, 0};
    return arena_copy(&w->arena, span_of(w->scratch, head.len + body));
}

struct span out_finish(struct outgoing *o)
{
    if (o->is_protected)
        return finish_sealed(o);
    wire_end(&o->mw);
    if (o->writer.full)
        return (struct span){NULL, 0};
    return arena_copy(&o->w->arena, writer_span(&o->writer));
}

void out_send(struct world *w, const struct path *path, struct span train)
{
    struct reader r = reader_of(train);
    struct span message;
    while (fragment_next(&r, &message)) {
        struct effect *fx = step_add(&w->step, FX_SEND);
        if (fx == NULL)
            return;
        fx->send = (struct datagram){path->local, path->remote, path->marker, message};
        w->counters.datagrams_out++;
    }
}

struct path path_of_datagram(const struct datagram *d)
{
    return (struct path){d->local, d->remote, d->marker};
}

void out_trail(const struct outgoing *o, struct record *r, struct span message)
{
    struct trail_entry *entry = record_add_trail(r, o->w->step.now);
    if (entry == NULL)
        return;
    entry->message_id = o->header.message_id;
    entry->payloads = o->payloads;
    size_t longest, count = fragment_count(message, &longest);
    entry->size = (uint16_t)message.len;
    entry->fragments = (uint16_t)(count > 1 ? count : 0);
    memcpy(entry->notifies, o->notifies, sizeof entry->notifies);
    entry->exchange = o->header.exchange;
    entry->flags = (uint8_t)(TRAIL_SENT | (o->is_protected ? TRAIL_PROTECTED : 0) |
                             ((o->header.flags & IKE_FLAG_RESPONSE) != 0 ? TRAIL_RESPONSE : 0));
}

/* ---- received ---- */

void message_trail(struct world *w, struct record *r, const struct message *m, size_t size,
                   uint8_t extra_flags)
{
    struct trail_entry *entry = record_add_trail(r, w->step.now);
    if (entry == NULL)
        return;
    for (size_t i = 0; i < m->payload_count; i++) {
        uint8_t type = m->payloads[i].type;
        struct notify n;
        if (type >= 33 && type < 65)
            entry->payloads |= (uint32_t)1 << (type - 33);
        if (type == PAYLOAD_NOTIFY && wire_parse_notify(m->payloads[i].body, &n))
            note_notify(entry->notifies, n.type);
    }
    entry->message_id = m->header.message_id;
    entry->size = (uint16_t)(m->joined.at == NULL ? size : m->joined_size);
    entry->fragments = m->is_fragment ? m->fragments : 0;
    entry->exchange = m->header.exchange;
    entry->flags = (uint8_t)(extra_flags | (m->has_sk ? TRAIL_PROTECTED : 0) |
                             ((m->header.flags & IKE_FLAG_RESPONSE) != 0 ? TRAIL_RESPONSE : 0));
}

bool message_error(const struct message *m, struct notify *out)
{
    for (size_t i = 0; i < m->payload_count; i++)
        if (m->payloads[i].type == PAYLOAD_NOTIFY && wire_parse_notify(m->payloads[i].body, out) &&
            out->type < 16384)
            return true;
    return false;
}

void finding_about(struct finding *f, const struct message *m, const struct payload *p,
                   bool is_received)
{
    f->evidence.has_message = true;
    f->evidence.is_received = is_received;
    f->evidence.exchange = m->header.exchange;
    f->evidence.message_id = m->header.message_id;
    if (p != NULL) {
        f->evidence.payload = p->type;
        f->evidence.offset = p->offset;
    }
}

bool message_unseal(struct world *w, const struct ike_sa *sa, const struct message *m, bool is_ours,
                    struct span *plain, bool *is_authentic, struct finding *why)
{
    struct span nothing = {NULL, 0};
    const struct encr *e = sa->encr;
    *is_authentic = false;
    *plain = nothing;
    finding_set(why, CAUSE_MSG_DECRYPT);
    finding_about(why, m, NULL, true);
    if (!m->has_sk || e == NULL || sa->keys == NULL) {
        why->expected = "an SK payload";
        why->seen = m->has_sk ? "SK" : "none";
        return false;
    }
    size_t icv = crypto_icv_len(e, sa->integ);
    struct reader r = reader_of(m->sk_body);
    struct span iv = take(&r, e->iv_len);
    if (!good(&r) || r.left.len < icv + 1 || (r.left.len - icv) % (e->block < 4 ? 1 : e->block)) {
        why->expected = "IV, whole blocks and ICV";
        why->seen = arena_text(&w->arena, "%zu octets", m->sk_body.len);
        return false;
    }
    struct span sealed = take(&r, r.left.len - icv), tag = take_rest(&r);
    /* Header, IV and ciphertext side by side, as they came: one MAC over contiguous octets. */
    size_t before = m->sk_aad.len + iv.len;
    uint8_t *copy = arena_alloc(&w->arena, before + sealed.len);
    struct sealer *sealer = world_sealer(w, e, sa->integ, false);
    if (copy == NULL || sealer == NULL) {
        finding_set(why, CAUSE_RES_MEMORY);
        return false;
    }
    memcpy(copy, m->sk_aad.at, m->sk_aad.len);
    memcpy(copy + m->sk_aad.len, iv.at, iv.len);
    uint8_t *data = copy + before;
    memcpy(data, sealed.at, sealed.len);
    bool by_initiator = sa->is_initiator == is_ours;
    if (!crypto_sealer_key(sealer, ike2_key(sa, by_initiator ? KEY_EI : KEY_ER),
                           ike2_key(sa, by_initiator ? KEY_AI : KEY_AR), false) ||
        !crypto_open(sealer, span_of(copy, m->sk_aad.len), span_of(copy + m->sk_aad.len, iv.len),
                     data, sealed.len, nothing, tag)) {
        why->expected = "the ICV of our keys";
        why->seen = "another";
        return false;
    }
    *is_authentic = true;
    size_t pad = data[sealed.len - 1];
    if (pad + 1 > sealed.len) {
        finding_set(why, CAUSE_MSG_BAD_SYNTAX);
        finding_about(why, m, NULL, true);
        why->expected = "a pad length within the content";
        why->seen = arena_text(&w->arena, "%zu of %zu octets", pad, sealed.len);
        return false;
    }
    *plain = span_of(data, sealed.len - pad - 1);
    return true;
}

bool message_open(struct world *w, struct ike_sa *sa, struct message *m, bool *is_authentic,
                  struct finding *why)
{
    struct span plain = m->joined;
    *is_authentic = plain.at != NULL; /* each fragment was */
    finding_set(why, CAUSE_MSG_DECRYPT);
    finding_about(why, m, NULL, true);
    if (plain.at == NULL && m->is_fragment) {
        why->expected = "a whole message";
        why->seen = arena_text(&w->arena, "fragment %u of %u", m->fragment, m->fragments);
        return false;
    }
    if (plain.at == NULL && !message_unseal(w, sa, m, false, &plain, is_authentic, why))
        return false;
    finding_set(why, CAUSE_MSG_BAD_SYNTAX);
    finding_about(why, m, NULL, true);
    struct wire_error error = {0};
    if (!wire_parse_inner(m, m->sk_first_payload, plain, &error)) {
        why->evidence.payload = error.payload;
        why->evidence.offset = error.offset;
        why->expected = "well-formed payloads";
        why->seen = error.what == NULL ? "" : error.what;
        return false;
    }
    return true;
}
