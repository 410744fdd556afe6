#include "ike2/window.h"

#include <stdlib.h>

/* A day: what is longer is a mistake in the configuration. */
enum { DELAY_MAX_MS = 86400000, COPY_WAIT_MAX_MS = 2000, COPIES_S = 30 };

static void free_sent(struct window *w)
{
    while (w->sent != NULL) {
        struct sent *s = w->sent;
        w->sent = s->next;
        free(s);
    }
}

void window_clear(struct window *w)
{
    free_sent(w);
    while (w->kept != NULL) {
        struct kept *k = w->kept;
        w->kept = k->next;
        free(k);
    }
    *w = (struct window){0};
}

void window_widen(uint8_t *size, uint32_t to)
{
    uint8_t bounded = (uint8_t)(to > WINDOW_SIZE_MAX ? WINDOW_SIZE_MAX : to);
    if (bounded > *size)
        *size = bounded;
}

static uint32_t at_least_one(uint8_t size)
{
    return size == 0 ? 1 : size;
}

/* ---- ours ---- */

int64_t window_delay_ms(const struct retransmission *r, uint32_t repeats)
{
    double ms = r->timeout_ms;
    double most = r->limit_ms != 0 && r->limit_ms < DELAY_MAX_MS ? r->limit_ms : DELAY_MAX_MS;
    for (uint32_t i = 0; i < repeats && ms < most && ms > 0; i++)
        ms *= r->base;
    return ms < most ? (int64_t)ms : (int64_t)most;
}

static struct instant due_after(const struct retransmission *r, struct rng *rng, struct instant now,
                                uint32_t repeats)
{
    int64_t ms = window_delay_ms(r, repeats);
    uint32_t percent =
        r->jitter_percent > RETRANSMIT_JITTER_MAX ? RETRANSMIT_JITTER_MAX : r->jitter_percent;
    if (percent > 0 && rng != NULL)
        ms -= (int64_t)rng_below(rng, (uint64_t)ms * percent / 100 + 1);
    return instant_after_ms(now, ms);
}

bool window_has_room(const struct window *w)
{
    uint32_t oldest = w->sent == NULL ? w->next_id : w->sent->id;
    return w->next_id < WINDOW_ID_LAST && w->next_id - oldest < at_least_one(w->peer_size);
}

bool window_send(struct window *w, struct span request, const struct retransmission *r,
                 struct rng *rng, struct instant now)
{
    struct sent *s = malloc(sizeof *s + request.len);
    if (s == NULL)
        return false;
    *s = (struct sent){
        .id = w->next_id++,
        .len = (uint32_t)request.len,
        .due = due_after(r, rng, now, 0),
        .tries = r->tries,
        .copy_due = INSTANT_NEVER,
    };
    if (request.len > 0)
        memcpy(s->octets, request.at, request.len);
    struct sent **link = &w->sent;
    while (*link != NULL)
        link = &(*link)->next;
    *link = s;
    return true;
}

const struct sent *window_find(const struct window *w, uint32_t message_id)
{
    for (const struct sent *s = w->sent; s != NULL; s = s->next)
        if (s->id == message_id)
            return s;
    return NULL;
}

void window_answered(struct window *w, uint32_t message_id)
{
    for (struct sent **link = &w->sent; *link != NULL; link = &(*link)->next)
        if ((*link)->id == message_id) {
            struct sent *s = *link;
            *link = s->next;
            free(s);
            return;
        }
}

static struct sent *latest(const struct window *w)
{
    struct sent *last = w->sent;
    while (last != NULL && last->next != NULL)
        last = last->next;
    return last;
}

void window_hurry(struct window *w, const struct retransmission *r, struct instant now)
{
    struct sent *s = latest(w);
    if (s == NULL || r->early_ms == 0)
        return;
    s->copy_wait_ms = r->early_ms;
    s->copy_due = instant_after_ms(now, r->early_ms);
    s->copies_end = instant_after_s(now, COPIES_S);
}

void window_shorten(struct window *w, uint32_t tries)
{
    struct sent *last = latest(w);
    if (last != NULL && tries < last->tries)
        last->tries = tries;
}

void window_restart(struct window *w)
{
    free_sent(w);
    w->next_id = 0;
}

/* The next copy: each wait a fifth longer than the one before. */
static void plan_copy(struct sent *s, struct instant now)
{
    s->copy_wait_ms += s->copy_wait_ms / 5;
    if (s->copy_wait_ms > COPY_WAIT_MAX_MS)
        s->copy_wait_ms = COPY_WAIT_MAX_MS;
    s->copy_due = instant_after_ms(now, s->copy_wait_ms);
    if (instant_reached(s->copies_end, s->copy_due))
        s->copy_due = INSTANT_NEVER;
}

enum window_turn window_on_time(struct window *w, const struct retransmission *r, struct rng *rng,
                                struct instant now, const struct sent **which)
{
    for (struct sent *s = w->sent; s != NULL; s = s->next) {
        bool is_copy = instant_reached(s->copy_due, now);
        if (is_copy)
            plan_copy(s, now);
        if (!instant_reached(s->due, now)) {
            if (!is_copy)
                continue;
            s->copies++;
            *which = s;
            return WINDOW_COPY;
        }
        *which = s;
        if (s->repeats >= s->tries)
            return WINDOW_GIVE_UP;
        s->repeats++;
        s->due = due_after(r, rng, now, s->repeats);
        return WINDOW_REPEAT;
    }
    return WINDOW_WAIT;
}

struct instant window_due(const struct window *w)
{
    struct instant due = INSTANT_NEVER;
    for (const struct sent *s = w->sent; s != NULL; s = s->next)
        due = instant_earlier(due, instant_earlier(s->due, s->copy_due));
    return due;
}

/* ---- the peer's ---- */

enum window_request window_judge(const struct window *w, uint32_t message_id, uint64_t hash)
{
    uint32_t ahead = message_id - w->expected_id;
    if (ahead < at_least_one(w->size) && (w->executed >> ahead & 1) == 0)
        return WINDOW_NEW;
    const struct kept *k = window_kept(w, message_id);
    if (k != NULL && k->asked_hash == hash)
        return WINDOW_REPEATED;
    bool is_past = ahead < at_least_one(w->size) || ahead > UINT32_MAX / 2;
    return is_past ? WINDOW_STRAY : WINDOW_BEYOND;
}

const struct kept *window_kept(const struct window *w, uint32_t message_id)
{
    for (const struct kept *k = w->kept; k != NULL; k = k->next)
        if (k->id == message_id)
            return k;
    return NULL;
}

bool window_is_newest(const struct window *w, uint32_t message_id)
{
    uint32_t ahead = message_id - w->expected_id;
    return ahead < WINDOW_SIZE_MAX && w->executed >> ahead == 0;
}

/* RFC 7296 2.1: an answer is kept until a request comes that is `size` or more ahead of it. */
static void forget_old(struct window *w)
{
    uint32_t highest = w->expected_id - 1;
    for (uint32_t n = 1; n < WINDOW_SIZE_MAX; n++)
        if (w->executed >> n & 1)
            highest = w->expected_id + n;
    for (struct kept **link = &w->kept; *link != NULL;) {
        struct kept *k = *link;
        if (highest - k->id < at_least_one(w->size)) {
            link = &k->next;
            continue;
        }
        *link = k->next;
        free(k);
    }
}

bool window_keep_answer(struct window *w, uint32_t message_id, struct span answer,
                        uint64_t asked_hash)
{
    struct kept *k = malloc(sizeof *k + answer.len);
    if (k == NULL)
        return false;
    *k = (struct kept){w->kept, asked_hash, message_id, (uint32_t)answer.len, 0};
    if (answer.len > 0)
        memcpy(k->octets, answer.at, answer.len);
    w->kept = k;
    w->executed |= (uint64_t)1 << (message_id - w->expected_id);
    for (; w->executed & 1; w->executed >>= 1)
        w->expected_id++;
    forget_old(w);
    return true;
}

/* ---- the same in other octets ---- */

unsigned window_asked_again(struct window *w, uint32_t message_id)
{
    for (struct kept *k = w->kept; k != NULL; k = k->next)
        if (k->id == message_id)
            return k->repeats < UINT8_MAX ? ++k->repeats : k->repeats;
    return 0;
}

bool window_replace_request(struct window *w, uint32_t message_id, struct span octets,
                            const struct retransmission *r, struct rng *rng, struct instant now)
{
    struct sent **link = &w->sent;
    while (*link != NULL && (*link)->id != message_id)
        link = &(*link)->next;
    struct sent *s = *link == NULL ? NULL : realloc(*link, sizeof *s + octets.len);
    if (s == NULL)
        return false;
    *link = s;
    s->len = (uint32_t)octets.len;
    s->repeats = 0;
    s->due = due_after(r, rng, now, 0);
    if (octets.len > 0)
        memcpy(s->octets, octets.at, octets.len);
    return true;
}

bool window_replace_answer(struct window *w, uint32_t message_id, struct span octets,
                           uint64_t asked_hash)
{
    struct kept **link = &w->kept;
    while (*link != NULL && (*link)->id != message_id)
        link = &(*link)->next;
    struct kept *k = *link == NULL ? NULL : realloc(*link, sizeof *k + octets.len);
    if (k == NULL)
        return false;
    *link = k;
    k->len = (uint32_t)octets.len;
    k->repeats = 0;
    k->asked_hash = asked_hash;
    if (octets.len > 0)
        memcpy(k->octets, octets.at, octets.len);
    return true;
}
