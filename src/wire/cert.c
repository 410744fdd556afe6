/* Certificate and Certificate Request payloads, RFC 7296 3.6 and 3.7. */
#include "wire/payloads.h"

enum { KEY_HASH_LEN = 20 }; /* SHA-1 of a CA's public key */

bool wire_parse_cert(struct span body, struct cert_payload *out)
{
    struct reader r = reader_of(body);
    out->encoding = take_u8(&r);
    out->data = take_rest(&r);
    return done(&r);
}

void wire_write_cert(struct writer *w, const struct cert_payload *cert)
{
    put_u8(w, cert->encoding);
    put_span(w, cert->data);
}

/* 3.7: only these encodings are said to carry a list of hashes; the data of others is kept. */
static bool lists_key_hashes(uint8_t encoding)
{
    return encoding == CERT_X509_SIGNATURE || encoding == CERT_HASH_AND_URL_X509 ||
           encoding == CERT_HASH_AND_URL_BUNDLE;
}

bool wire_parse_certreq(struct span body, struct cert_payload *out)
{
    return wire_parse_cert(body, out) &&
           (!lists_key_hashes(out->encoding) || out->data.len % KEY_HASH_LEN == 0);
}

void wire_write_certreq(struct writer *w, const struct cert_payload *req)
{
    wire_write_cert(w, req);
}
