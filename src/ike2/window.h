/* Windows of an IKE SA. RFC 7296 2.1 to 2.4: message IDs, several own requests in flight as far as
 * the peer allows, retransmission with back-off, the last answers kept and repeated for repeated
 * requests. Knows octets and numbers, no content.
 *
 * Ours: request X may be sent when all up to X - peer_size are answered. The peer's: expected_id is
 * the lowest one that was not executed yet; up to `size` from there are taken in whatever order
 * they come, each once. Message IDs grow only: near their end nothing is sent any more, and the SA
 * has to be replaced before (2.2). Nothing but what is in flight or kept takes memory. */
#ifndef IKEBANA_IKE2_WINDOW_H
#define IKEBANA_IKE2_WINDOW_H

#include "base/instant.h"
#include "base/rng.h"
#include "base/span.h"

enum {
    WINDOW_SIZE_MAX = 64,
    /* strongSwan's bound of retransmit_jitter. */
    RETRANSMIT_JITTER_MAX = 20,
};

/* From here on an SA wants a successor; behind the second number it sends nothing any more. */
#define WINDOW_ID_LATE 0xffff0000u
#define WINDOW_ID_LAST 0xffffff00u

/* strongswan.conf's values. */
struct retransmission {
    uint32_t timeout_ms;
    double base;
    uint32_t tries;          /* repetitions before giving up */
    uint32_t jitter_percent; /* each delay is shortened by up to so much */
    uint32_t limit_ms;       /* of one delay; 0 = none */
    /* A set-up on a line that loses much: copies of its requests between the repetitions, the first
     * one after so long, then ever later, for half a minute; 0 = none. */
    uint32_t early_ms;
};

/* A request of ours in flight. */
struct sent {
    struct sent *next; /* with a higher ID */
    struct instant due;
    uint32_t id, len;
    uint32_t repeats, tries; /* tries: of the retransmission, or fewer for this one */
    uint32_t copies;         /* sent early, beside the repetitions */
    uint32_t copy_wait_ms;
    struct instant copy_due, copies_end;
    uint8_t octets[];
};

/* An answer of ours that may be asked for again. */
struct kept {
    struct kept *next; /* answered before this one */
    uint64_t asked_hash;
    uint32_t id, len;
    uint8_t repeats; /* how often it was asked for again, since these octets were kept */
    uint8_t octets[];
};

struct window {
    uint32_t next_id;     /* of our next request */
    uint32_t expected_id; /* the lowest one of the peer's requests that was not executed */
    uint64_t executed;    /* bit n: expected_id + n was, out of order */
    uint8_t peer_size;    /* requests of ours that the peer takes at once; 0 counts as 1 */
    uint8_t size;         /* the peer's that we take at once; 0 counts as 1 */
    struct sent *sent;    /* heap, in the order of their IDs */
    struct kept *kept;    /* heap, the newest first */
};

void window_clear(struct window *w);

/* RFC 7296 2.3: a window only grows. */
void window_widen(uint8_t *size, uint32_t to);

/* One more request may be sent. */
bool window_has_room(const struct window *w);
/* Keeps a copy of our request, which has message ID w->next_id. false: no memory. */
bool window_send(struct window *w, struct span request, const struct retransmission *r,
                 struct rng *rng, struct instant now);
/* Our request with this ID, if its answer is waited for. */
const struct sent *window_find(const struct window *w, uint32_t message_id);
/* The answer came and was good. */
void window_answered(struct window *w, uint32_t message_id);
/* The newest request is given up after fewer repetitions. */
void window_shorten(struct window *w, uint32_t tries);
/* Nobody answers what is in flight any more, and the next request has ID 0: IKE_SA_INIT is sent
 * again with other content (2.2). */
void window_restart(struct window *w);

/* Our latest request sets an IKE SA up: early copies of it are sent too. */
void window_hurry(struct window *w, const struct retransmission *r, struct instant now);

enum window_turn {
    WINDOW_WAIT,
    WINDOW_COPY,    /* send *which again, ahead of its repetition */
    WINDOW_REPEAT,  /* send *which again */
    WINDOW_GIVE_UP, /* all repetitions of *which are used */
};
/* What is to be done now; asked again until it says WAIT. */
enum window_turn window_on_time(struct window *w, const struct retransmission *r, struct rng *rng,
                                struct instant now, const struct sent **which);
/* The next repetition or giving up. */
struct instant window_due(const struct window *w);

enum window_request {
    WINDOW_NEW,      /* within the window, not executed yet */
    WINDOW_REPEATED, /* send the kept answer again */
    WINDOW_STRAY,    /* executed before, or another one under its number: drop */
    WINDOW_BEYOND,   /* ahead of the window: never executed */
};
enum window_request window_judge(const struct window *w, uint32_t message_id, uint64_t hash);
/* Keeps the answer to a request that window_judge() found new; older ones that nobody can ask for
 * any more go. false: no memory. */
bool window_keep_answer(struct window *w, uint32_t message_id, struct span answer,
                        uint64_t asked_hash);
/* No later request of the peer was executed. */
bool window_is_newest(const struct window *w, uint32_t message_id);
/* Counts one more repetition of its request. */
unsigned window_asked_again(struct window *w, uint32_t message_id);
/* Other octets for the same content (RFC 7383 2.5.2). A request is then repeated as if it had just
 * been sent for the first time. hash: of the request that asks for the answer now. false: no
 * memory, or no such message; nothing is changed. */
bool window_replace_request(struct window *w, uint32_t message_id, struct span octets,
                            const struct retransmission *r, struct rng *rng, struct instant now);
bool window_replace_answer(struct window *w, uint32_t message_id, struct span octets,
                           uint64_t asked_hash);
const struct kept *window_kept(const struct window *w, uint32_t message_id);

/* How long until repetition number `repeats` is due, without jitter. */
int64_t window_delay_ms(const struct retransmission *r, uint32_t repeats);

#endif
