/* The AUTH payload's data: proof that the sender of IKE_SA_INIT holds the secret. RFC 7296 2.15.
 *
 * Every method covers the same octets: the sender's own IKE_SA_INIT message as it stood on the
 * wire, the other side's nonce, prf(SK_p, the sender's ID payload), and with IKE_INTERMEDIATE what
 * RFC 9242 3.3.1 appends. auth_signed_octets() lists them, so that the methods differ only in what
 * they do with them: a shared key takes a prf, a signature (in the key helper) will hash and sign.
 */
#ifndef IKEBANA_AUTH_AUTH_H
#define IKEBANA_AUTH_AUTH_H

#include "crypto/crypto.h"

/* What one side's AUTH is about. "Sender" is the side that proves itself. */
struct auth_octets {
    struct span
        init_message;       /* the sender's IKE_SA_INIT message, header included, no non-ESP marker;
                               the last one sent, if it was repeated with a cookie or another group */
    struct span peer_nonce; /* Nr for the initiator's AUTH, Ni for the responder's */
    struct span sk_p;       /* SK_pi for the initiator's AUTH, SK_pr for the responder's */
    struct span id_body;    /* body of the sender's ID payload: type, 3 reserved octets, data */
    struct span int_auth;   /* RFC 9242 3.3.1; empty without IKE_INTERMEDIATE */
};

enum { AUTH_SPANS_MAX = 4 };

/* Lists the octets. maced_id: PRF_OUT_MAX octets of the caller's, which spans then points into.
 * Gives the number of spans; 0: OpenSSL refused. */
size_t auth_signed_octets(const struct prf *prf, const struct auth_octets *about, uint8_t *maced_id,
                          struct span spans[AUTH_SPANS_MAX]);

/* AUTH method 2, shared key message integrity code. out gets prf->out_len octets. */
bool auth_psk_compute(const struct prf *prf, struct span psk, const struct auth_octets *about,
                      uint8_t *out);
/* In constant time. false also when the length differs. */
bool auth_psk_verify(const struct prf *prf, struct span psk, const struct auth_octets *about,
                     struct span received);

#endif
