/* Reads octets with every parser of wire and checks what must hold whatever they are:
 *  - all that is handed out lies inside the input, at the offset that is told;
 *  - a fault is told by an offset inside the input;
 *  - what is read and written is read again, and then written the same way. */
#ifndef IKEBANA_TESTS_FUZZ_WIRE_WALK_H
#define IKEBANA_TESTS_FUZZ_WIRE_WALK_H

#include <stdio.h>
#include <stdlib.h>

#include "wire/payloads.h"

#define MUST(condition)                                                                            \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            fprintf(stderr, "%s:%d: %s does not hold\n", __FILE__, __LINE__, #condition);          \
            abort();                                                                               \
        }                                                                                          \
    } while (0)

static inline bool lies_in(struct span part, struct span whole)
{
    uintptr_t from = (uintptr_t)whole.at, at = (uintptr_t)part.at;
    return part.len == 0 ||
           (at >= from && part.len <= whole.len && at - from <= whole.len - part.len);
}

/* Reads a payload's body and writes it again. false: refused. */
static inline bool walk_rewrite(uint8_t type, struct span body, struct arena *a, struct writer *w)
{
    uint32_t at = 0;
    switch (type) {
    case PAYLOAD_SA: {
        struct proposals p;
        if (!wire_parse_sa(body, a, &p, &at)) {
            MUST(at <= body.len && p.count == 0);
            return false;
        }
        for (size_t i = 0; i < p.count; i++)
            MUST(lies_in(p.at[i].spi, body));
        wire_write_sa(w, &p);
        return true;
    }
    case PAYLOAD_KE: {
        struct ke_payload ke;
        if (!wire_parse_ke(body, &ke))
            return false;
        MUST(lies_in(ke.value, body));
        wire_write_ke(w, &ke);
        return true;
    }
    case PAYLOAD_IDI:
    case PAYLOAD_IDR: {
        struct id_payload id;
        if (!wire_parse_id(body, &id))
            return false;
        MUST(lies_in(id.data, body));
        wire_write_id(w, &id);
        return true;
    }
    case PAYLOAD_CERT:
    case PAYLOAD_CERTREQ: {
        struct cert_payload cert;
        if (type == PAYLOAD_CERT ? !wire_parse_cert(body, &cert) : !wire_parse_certreq(body, &cert))
            return false;
        MUST(lies_in(cert.data, body));
        wire_write_certreq(w, &cert);
        return true;
    }
    case PAYLOAD_AUTH: {
        struct auth_payload auth;
        if (!wire_parse_auth(body, &auth))
            return false;
        MUST(lies_in(auth.data, body));
        wire_write_auth(w, &auth);
        return true;
    }
    case PAYLOAD_NONCE: {
        struct span nonce;
        if (!wire_parse_nonce(body, &nonce))
            return false;
        wire_write_nonce(w, nonce);
        return true;
    }
    case PAYLOAD_NOTIFY: {
        struct notify n;
        uint16_t hashes[8];
        size_t count = 0;
        if (!wire_parse_notify(body, &n))
            return false;
        MUST(lies_in(n.spi, body) && lies_in(n.data, body));
        wire_parse_signature_hashes(n.data, hashes, 8, &count);
        MUST(count <= 8);
        wire_notify_by_name(n.data, &n.type);
        MUST(strlen(wire_notify_name(n.type, a)) > 0);
        wire_write_notify(w, &n);
        return true;
    }
    case PAYLOAD_DELETE: {
        struct delete_payload d;
        uint32_t sum = 0;
        if (!wire_parse_delete(body, &d))
            return false;
        MUST(lies_in(d.spis, body) && d.spis.len == (size_t)d.spi_size * d.spi_count);
        for (size_t i = 0; i <= d.spi_count; i++)
            sum ^= wire_delete_spi(&d, i);
        MUST(sum == 0 || d.spi_size == 4);
        wire_write_delete(w, &d);
        return true;
    }
    case PAYLOAD_VENDOR: {
        struct span id;
        MUST(wire_parse_vendor(body, &id));
        wire_write_vendor(w, id);
        return true;
    }
    case PAYLOAD_TSI:
    case PAYLOAD_TSR: {
        struct ts_list list;
        if (!wire_parse_ts(body, a, &list, &at)) {
            MUST(at <= body.len && list.count == 0);
            return false;
        }
        for (size_t i = 0; i < list.count; i++) {
            const struct ts *t = &list.at[i];
            MUST(lies_in(t->raw, body) && lies_in(t->from, body) && lies_in(t->to, body));
            MUST(t->from.len == t->to.len);
        }
        wire_write_ts(w, &list);
        return true;
    }
    case PAYLOAD_CP: {
        struct cfg cfg;
        if (!wire_parse_cp(body, a, &cfg))
            return false;
        for (size_t i = 0; i < cfg.count; i++)
            MUST(lies_in(cfg.attributes[i].value, body));
        wire_write_cp(w, &cfg);
        return true;
    }
    case PAYLOAD_EAP: {
        struct eap_payload eap;
        if (!wire_parse_eap(body, &eap))
            return false;
        MUST(lies_in(eap.data, body) && lies_in(eap.raw, body));
        wire_write_eap(w, &eap);
        return true;
    }
    default:
        return false;
    }
}

static inline void walk_payload(uint8_t type, struct span body, struct arena *a)
{
    static uint8_t room[2][WIRE_MESSAGE_MAX];
    struct writer once = writer_of(room[0], sizeof room[0]);
    struct writer twice = writer_of(room[1], sizeof room[1]);

    if (!walk_rewrite(type, body, a, &once))
        return;
    /* Only attributes that are not known are lost on the way. */
    MUST(!once.full && (once.len == body.len || (type == PAYLOAD_SA && once.len < body.len)));
    MUST(walk_rewrite(type, writer_span(&once), a, &twice));
    MUST(!twice.full && span_equal(writer_span(&once), writer_span(&twice)));
}

/* The payloads from number `from` on, which stand in `text` whose first octet has offset `base`. */
static inline void walk_payloads(const struct message *m, size_t from, struct span text,
                                 size_t base, struct arena *a)
{
    for (size_t i = from; i < m->payload_count; i++) {
        const struct payload *p = &m->payloads[i];
        MUST(lies_in(p->body, text));
        MUST(p->offset >= base);
        if (p->body.len > 0)
            MUST((size_t)(p->body.at - text.at) == p->offset - base + WIRE_PAYLOAD_HEADER_LEN);
        MUST(strlen(wire_payload_name(p->type, a)) > 0);
        walk_payload(p->type, p->body, a);
    }
}

/* A message without SK, written from its parts and read again. */
static inline void walk_rebuild(const struct message *m)
{
    static uint8_t room[WIRE_MESSAGE_MAX];
    static struct message again;
    struct writer w = writer_of(room, sizeof room);
    struct message_writer mw = wire_begin(&w, &m->header);
    for (size_t i = 0; i < m->payload_count; i++) {
        struct gap g = wire_open_payload(&mw, m->payloads[i].type, m->payloads[i].is_critical);
        put_span(&w, m->payloads[i].body);
        wire_close_payload(&mw, g);
    }
    wire_end(&mw);

    struct wire_error why;
    MUST(!w.full && w.len == m->header.length);
    MUST(wire_parse_message(writer_span(&w), &again, &why));
    MUST(again.payload_count == m->payload_count && !again.has_sk);
    MUST(again.header.spi_i == m->header.spi_i && again.header.spi_r == m->header.spi_r);
    MUST(again.header.message_id == m->header.message_id);
    for (size_t i = 0; i < m->payload_count; i++) {
        MUST(again.payloads[i].type == m->payloads[i].type);
        MUST(again.payloads[i].offset == m->payloads[i].offset);
        MUST(again.payloads[i].is_critical == m->payloads[i].is_critical);
        MUST(span_equal(again.payloads[i].body, m->payloads[i].body));
    }
}

/* A datagram; the content of SK is taken for plain text. true: it is a message. */
static inline bool walk_message(struct span datagram, struct arena *a)
{
    static struct message m;
    struct wire_error why = {0, 0, NULL};

    if (!wire_parse_message(datagram, &m, &why)) {
        MUST(why.what != NULL && why.offset <= datagram.len && !m.has_sk);
        MUST(m.payload_count <= WIRE_PAYLOADS_MAX);
        return false;
    }
    MUST(m.payload_count <= WIRE_PAYLOADS_MAX);
    walk_payloads(&m, 0, datagram, 0, a);
    if (!m.has_sk) {
        MUST(m.sk_body.len == 0 && m.sk_aad.len == 0);
        walk_rebuild(&m);
        return true;
    }
    MUST(m.sk_aad.at == datagram.at && m.sk_aad.len + m.sk_body.len == datagram.len);
    MUST(lies_in(m.sk_body, datagram));
    MUST(m.sk_aad.len == m.sk_offset + (m.is_fragment ? 8u : 4u));
    MUST(!m.is_fragment || (m.fragment >= 1 && m.fragment <= m.fragments));

    size_t clear = m.payload_count;
    if (wire_parse_inner(&m, m.sk_first_payload, m.sk_body, &why)) {
        walk_payloads(&m, clear, m.sk_body, m.sk_offset + WIRE_PAYLOAD_HEADER_LEN, a);
    } else {
        MUST(m.payload_count == clear && why.what != NULL);
        MUST(why.offset <= m.sk_offset + WIRE_PAYLOAD_HEADER_LEN + m.sk_body.len);
    }
    return true;
}

#endif
