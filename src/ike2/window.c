#include "ike2/window.h"

#include <stdlib.h>

enum { DELAY_MAX_MS = 300000 };

void window_clear(struct window *w)
{
    free(w->request);
    free(w->answer);
    *w = (struct window){0};
}

int64_t window_delay_ms(const struct retransmission *r, uint32_t repeats)
{
    double ms = r->timeout_ms;
    for (uint32_t i = 0; i < repeats && ms < DELAY_MAX_MS; i++)
        ms *= r->base;
    return ms < DELAY_MAX_MS ? (int64_t)ms : DELAY_MAX_MS;
}

static bool keep(uint8_t **at, uint32_t *len, struct span octets)
{
    uint8_t *copy = malloc(octets.len == 0 ? 1 : octets.len);
    if (copy == NULL)
        return false;
    memcpy(copy, octets.at, octets.len);
    free(*at);
    *at = copy;
    *len = (uint32_t)octets.len;
    return true;
}

bool window_send(struct window *w, struct span request, const struct retransmission *r,
                 struct instant now)
{
    if (!keep(&w->request, &w->request_len, request))
        return false;
    w->repeats = 0;
    w->due = instant_after_ms(now, window_delay_ms(r, 0));
    return true;
}

bool window_wants_answer(const struct window *w, uint32_t message_id)
{
    return w->request != NULL && w->next_id == message_id;
}

void window_answered(struct window *w)
{
    free(w->request);
    w->request = NULL;
    w->request_len = 0;
    w->next_id++;
}

void window_forget(struct window *w)
{
    if (w->request != NULL)
        window_answered(w);
}

enum window_turn window_on_time(struct window *w, const struct retransmission *r,
                                struct instant now)
{
    if (w->request == NULL || !instant_reached(w->due, now))
        return WINDOW_WAIT;
    if (w->repeats >= r->tries)
        return WINDOW_GIVE_UP;
    w->repeats++;
    w->due = instant_after_ms(now, window_delay_ms(r, w->repeats));
    return WINDOW_REPEAT;
}

enum window_request window_judge(const struct window *w, uint32_t message_id, uint64_t hash)
{
    if (message_id == w->expected_id)
        return WINDOW_NEW;
    if (message_id + 1 == w->expected_id && w->answer != NULL && w->asked_hash == hash)
        return WINDOW_REPEATED;
    return WINDOW_STRAY;
}

bool window_keep_answer(struct window *w, struct span answer, uint64_t asked_hash)
{
    if (!keep(&w->answer, &w->answer_len, answer))
        return false;
    w->asked_hash = asked_hash;
    w->expected_id++;
    return true;
}
