/* IKEv2, RFC 7296: what the engine calls. Every function works inside a step of the world and
 * leaves the SA's timer set. SAs that end are taken out by the functions themselves. */
#ifndef IKEBANA_IKE2_IKE2_H
#define IKEBANA_IKE2_IKE2_H

#include "ike2/world.h"

/* Begins a negotiation for a child of the connection (conf NULL: without a child). attempt counts
 * from 1. */
struct ike_sa *ike2_initiate(struct world *w, struct conn *conn, const struct child_conf *conf,
                             uint64_t ticket, uint8_t attempt);
/* A first request (IKE_SA_INIT, SPIr 0) that passed the engine's checks on the raw datagram. */
void ike2_answer_init(struct world *w, const struct datagram *d);
/* A request for a half-open SA: makes it an SA if it is an authentic IKE_AUTH. */
void ike2_receive_half_open(struct world *w, struct half_open *h, const struct datagram *d,
                            const struct ike_header *header);
void ike2_half_open_timeout(struct world *w, struct half_open *h);
/* Anything for an SA that exists. */
void ike2_receive(struct world *w, struct ike_sa *sa, const struct datagram *d,
                  const struct ike_header *h);
void ike2_on_time(struct world *w, struct ike_sa *sa);
void ike2_on_answer(struct world *w, struct ike_sa *sa, const struct answer *a);
void ike2_on_dataplane(struct world *w, const struct dataplane_input *in);
/* The network carries no more than `mtu` octets to the SA's peer: what is in flight is cut smaller.
 */
void ike2_on_too_big(struct world *w, struct ike_sa *sa, uint32_t mtu);
/* News of an IKE SA of another worker. */
void ike2_on_twin(struct world *w, const struct twin *t);
void ike2_on_path_error(struct world *w, struct ike_sa *sa, const struct path_error *e);

/* Somebody at this address says, without proof, that it does not know our outbound SPI. */
void ike2_on_hint(struct world *w, const struct address *remote, uint32_t spi);

/* Commands on an SA that stands: wishes that are served when the window is free. */
void ike2_want_child(struct world *w, struct ike_sa *sa, const char *child, uint64_t ticket);
/* The same because of a packet, whose ends are told to the peer first: RFC 7296 2.9. */
void ike2_want_child_for(struct world *w, struct ike_sa *sa, const char *child,
                         const struct ts_pair *pair, uint64_t ticket);
void ike2_want_close_child(struct world *w, struct ike_sa *sa, uint32_t child_id, uint64_t ticket);
void ike2_want_rekey_child(struct world *w, struct ike_sa *sa, uint32_t child_id, uint64_t ticket);
void ike2_want_rekey_ike(struct world *w, struct ike_sa *sa, uint64_t ticket);
/* A new IKE SA from scratch takes its place. */
void ike2_want_reauth(struct world *w, struct ike_sa *sa, uint64_t ticket);
/* Also ends a set-up in progress. */
void ike2_want_close(struct world *w, struct ike_sa *sa, uint64_t ticket, bool is_forced);

/* Unprotected answers without any state: INVALID_IKE_SPI, INVALID_MAJOR_VERSION, COOKIE,
 * NO_PROPOSAL_CHOSEN … */
void ike2_send_plain_notify(struct world *w, const struct datagram *d, const struct ike_header *h,
                            uint16_t type, struct span data);

#endif
