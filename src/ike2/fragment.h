/* Fragments of IKE messages. RFC 7383.
 *
 * Sending: what SK would hold is cut into pieces before it is sealed, and each piece goes into an
 * SKF payload of a message of its own. The messages stand one behind the other as a `train`, which
 * is what the window keeps and repeats: IKE's header says where each ends. When a train is not
 * answered, its own octets are opened again and cut smaller (2.5.2), so nothing else is kept.
 *
 * Receiving: a set of fragments belongs to an IKE SA (or a half-open one), a direction and a
 * message ID. Only what is authentic is kept, in the order of its numbers; a set with more
 * fragments takes the place of one with fewer. When the last one comes, the message goes on as if
 * it had come whole.
 *
 * Limits, because a peer that knows the keys may be hostile too: fragments of a set, octets of a
 * set (charon.max_packet), sets of an SA, seconds, and octets of all SAs that are not
 * authenticated. A set that breaks one is dropped and told once; the SA goes on. */
#ifndef IKEBANA_IKE2_FRAGMENT_H
#define IKEBANA_IKE2_FRAGMENT_H

#include "ike2/world.h"

enum {
    FRAGMENTS_MAX = 256,                       /* of a message */
    FRAGMENT_SETS_MAX = 4,                     /* of an SA */
    FRAGMENT_WAIT_S = 60,                      /* since the last one that came */
    FRAGMENTS_HALF_OPEN_MAX = 4 * 1024 * 1024, /* octets, of all half-open SAs of an engine */
};

/* ---- agreeing: RFC 7383 2.3 ---- */

struct outgoing;

/* Writes the notify into IKE_SA_INIT, unless the connection has fragmentation = no. */
void fragment_announce(struct outgoing *o, const struct conn *conn);
/* m is the peer's IKE_SA_INIT. */
void fragment_agree(struct ike_sa *sa, const struct message *m);

/* ---- sending ---- */

/* Octets of an IKE message that a datagram of `size` octets has room for on this path: without the
 * headers of IP and UDP and the non-ESP marker. */
size_t fragment_room(const struct path *p, size_t size);
/* The largest datagram that this SA sends in one piece; 0: it does not use fragments. */
size_t fragment_size(const struct world *w, const struct ike_sa *sa);
/* Seals `plain`, whose first payload is `first`, as fragments of at most `room` octets each. Empty:
 * crypto or memory failed. */
struct span fragment_seal(struct world *w, struct ike_sa *sa, const struct ike_header *h,
                          uint8_t first, struct span plain, size_t room);
/* Takes the next message off a train. false: no more. */
bool fragment_next(struct reader *train, struct span *message);
/* How many messages there are, and the length of the longest. */
size_t fragment_count(struct span train, size_t *longest);
/* Our request was repeated in vain, or the network says that it carries `mtu` octets (0: it says
 * nothing): sends the same content in smaller fragments, where that may help, and tells it in r.
 * false: nothing is sent, go on as before. */
bool fragment_repeat_request(struct world *w, struct ike_sa *sa, const struct sent *sent,
                             uint32_t mtu, struct record *r);
/* Sends the kept answer again: smaller when the request came smaller, or came very often. */
void fragment_repeat_answer(struct world *w, struct ike_sa *sa, const struct datagram *d,
                            const struct message *m);
/* Is this the first fragment of a request that is answered, cut into more pieces? RFC 7383 2.6.1.
 */
bool fragment_is_cut_anew(struct world *w, struct ike_sa *sa, const struct message *m);

/* Nobody answers: says in why->nearest that the request was large and could not be cut. */
void fragment_hint(struct world *w, const struct ike_sa *sa, const struct sent *sent,
                   struct finding *why);
/* The answer came. If it took smaller fragments, that is told: the path loses large datagrams. */
void fragment_answered(struct world *w, struct ike_sa *sa, struct record *r);

/* ---- receiving ---- */

/* m came in `d` and is a fragment of a message that we wait for. true: it was the last one, and m
 * is the whole message: m->joined holds what SK would hold, and `hash` is that of the first
 * fragment, which tells repetitions of the request. false: it is kept or dropped. */
bool fragment_collect(struct world *w, struct ike_sa *sa, const struct datagram *d,
                      struct message *m, uint64_t *hash);
/* Sets that are given up. */
void fragment_on_time(struct world *w, struct ike_sa *sa);
struct instant fragment_due(const struct ike_sa *sa);
/* "2 of 3 fragments" */
const char *fragment_text(const struct fragment_set *s, struct arena *a);
/* Octets of heap that these sets take. */
size_t fragment_memory(const struct fragment_set *s);
void fragment_clear(struct world *w, struct fragment_set **sets);

#endif
