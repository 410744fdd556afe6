/* One own exchange in flight, one answer kept. RFC 7296 2.1 to 2.4: message IDs, retransmission
 * with back-off, answers repeated for repeated requests. Knows octets and numbers, no content. */
#ifndef IKEBANA_IKE2_WINDOW_H
#define IKEBANA_IKE2_WINDOW_H

#include "base/instant.h"
#include "base/span.h"

struct retransmission {
    uint32_t timeout_ms;
    double base;
    uint32_t tries; /* repetitions before giving up */
};

struct window {
    uint32_t next_id;     /* of our next request, or of the one in flight */
    uint32_t expected_id; /* of the peer's next request */
    uint8_t *request;     /* ours in flight, heap; NULL = none */
    uint8_t *answer;      /* to the peer's last request, heap; NULL = none */
    uint32_t request_len, answer_len;
    uint64_t
        asked_hash; /* of the peer's last request: only a repetition of it gets the answer again */
    struct instant due; /* of the next repetition, or of giving up */
    uint8_t repeats;
};

void window_clear(struct window *w);

static inline bool window_is_free(const struct window *w)
{
    return w->request == NULL;
}

/* Keeps a copy of our request with message ID w->next_id. false: no memory. */
bool window_send(struct window *w, struct span request, const struct retransmission *r,
                 struct instant now);
/* An answer with this ID is the one that we wait for. */
bool window_wants_answer(const struct window *w, uint32_t message_id);
/* It came and was good: the next request has the next ID. */
void window_answered(struct window *w);
/* Nobody will answer any more; the ID is used up. */
void window_forget(struct window *w);

enum window_turn {
    WINDOW_WAIT,
    WINDOW_REPEAT,  /* send w->request again */
    WINDOW_GIVE_UP, /* all repetitions are used */
};
enum window_turn window_on_time(struct window *w, const struct retransmission *r,
                                struct instant now);

enum window_request {
    WINDOW_NEW,      /* the one that we expect */
    WINDOW_REPEATED, /* send w->answer again */
    WINDOW_STRAY,    /* drop */
};
enum window_request window_judge(const struct window *w, uint32_t message_id, uint64_t hash);
/* Keeps the answer to the request that window_judge() found new. */
bool window_keep_answer(struct window *w, struct span answer, uint64_t asked_hash);

/* How long until repetition number `repeats` is due. */
int64_t window_delay_ms(const struct retransmission *r, uint32_t repeats);

#endif
