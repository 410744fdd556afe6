/* Further answers to our IKE_SA_INIT. RFC 7296 2.21.1.
 *
 * Nothing seals such an answer: whoever can read our request can send a whole one, faster than the
 * peer. So the first one is not the last word. Each that differs gets an IKE_AUTH request of its
 * own, under the keys that it makes, and the one whose request is answered under these keys is the
 * peer. The SA holds one of them; the others are kept here and change places with it when their
 * time or an answer comes. There are few: each costs a key exchange. */
#include <stdlib.h>

#include "ike2/fragment.h"
#include "ike2/inside.h"

struct rival {
    uint64_t spi_r, ivs;
    struct suite suite;
    const struct encr *encr;
    const struct integ *integ;
    const struct prf *prf;
    uint8_t *keys;
    uint16_t keys_len;
    struct window window;
    struct path path;
    bool has_nat_here, has_nat_there, wants_udp, may_fragment, peer_allows_childless;
    struct fragment_set *joining;
    uint8_t *request, *response;
    uint32_t request_len, response_len;
    struct span nonce_i, nonce_r;
};

#define SWAP(a, b)                                                                                 \
    do {                                                                                           \
        __typeof__(a) was = (a);                                                                   \
        (a) = (b);                                                                                 \
        (b) = was;                                                                                 \
    } while (0)

static void change_places(struct ike_sa *sa, struct rival *r)
{
    struct setup *s = sa->setup;
    SWAP(sa->spi_r, r->spi_r);
    SWAP(sa->ivs, r->ivs);
    SWAP(sa->suite, r->suite);
    SWAP(sa->encr, r->encr);
    SWAP(sa->integ, r->integ);
    SWAP(sa->prf, r->prf);
    SWAP(sa->keys, r->keys);
    SWAP(sa->keys_len, r->keys_len);
    SWAP(sa->window, r->window);
    SWAP(sa->path, r->path);
    SWAP(sa->has_nat_here, r->has_nat_here);
    SWAP(sa->has_nat_there, r->has_nat_there);
    SWAP(sa->wants_udp, r->wants_udp);
    SWAP(sa->may_fragment, r->may_fragment);
    SWAP(sa->joining, r->joining);
    SWAP(s->peer_allows_childless, r->peer_allows_childless);
    SWAP(s->request, r->request);
    SWAP(s->request_len, r->request_len);
    SWAP(s->response, r->response);
    SWAP(s->response_len, r->response_len);
    SWAP(s->nonce_i, r->nonce_i);
    SWAP(s->nonce_r, r->nonce_r);
}

static void free_rival(struct world *w, struct rival *r)
{
    window_clear(&r->window);
    fragment_clear(w, &r->joining);
    if (r->keys != NULL)
        secret_wipe(r->keys, r->keys_len);
    free(r->keys);
    free(r->response); /* its request is that of a try */
    secret_wipe(r, sizeof *r);
    free(r);
}

void rival_clear(struct world *w, struct ike_sa *sa)
{
    struct setup *s = sa->setup;
    while (s != NULL && s->rival_count > 0)
        free_rival(w, s->rivals[--s->rival_count]);
}

bool rival_has_spi(const struct ike_sa *sa, uint64_t spi_r)
{
    const struct setup *s = sa->setup;
    for (size_t i = 0; s != NULL && i < s->rival_count; i++)
        if (s->rivals[i]->spi_r == spi_r)
            return true;
    return false;
}

bool rival_next(struct ike_sa *sa, uint64_t spi_r, size_t *at)
{
    struct setup *s = sa->setup;
    while (s != NULL && sa->state == SA_AWAIT_AUTH_ANSWER && *at < s->rival_count) {
        struct rival *r = s->rivals[(*at)++];
        if (r->spi_r != spi_r)
            continue;
        change_places(sa, r);
        return true;
    }
    return false;
}

static bool is_heard(const struct setup *s, struct span answer)
{
    if (span_equal(answer, span_of(s->response, s->response_len)))
        return true;
    for (size_t i = 0; i < s->rival_count; i++)
        if (span_equal(answer, span_of(s->rivals[i]->response, s->rivals[i]->response_len)))
            return true;
    return false;
}

void rival_hear(struct world *w, struct ike_sa *sa, const struct datagram *d, struct message *m)
{
    struct setup *s = sa->setup;
    struct finding why;
    bool is_refusal;
    if (is_heard(s, d->bytes) || wire_find(m, PAYLOAD_SA) == NULL || s->rival_count == RIVALS_MAX) {
        w->counters.dropped++;
        return;
    }
    struct rival *r = calloc(1, sizeof *r);
    if (r == NULL)
        return;
    r->path = sa->path;
    r->window.next_id = 1;
    r->has_nat_here = sa->has_nat_here;
    r->has_nat_there = sa->has_nat_there;
    r->wants_udp = sa->wants_udp;
    change_places(sa, r);
    if (!init_accept(w, sa, d, m, &why, &is_refusal)) {
        change_places(sa, r);
        free_rival(w, r);
        doubt_note(w, sa, &why);
        return;
    }
    if (sa->setup != s) { /* no IKE_AUTH could be made: the attempt is over */
        free_rival(w, r);
        return;
    }
    s->rivals[s->rival_count++] = r;
    finding_set(&why, CAUSE_IKE_SECOND_ANSWER);
    finding_about(&why, m, NULL, true);
    why.expected =
        arena_text(&w->arena, "one answer, that of SPI %016llx", (unsigned long long)r->spi_r);
    why.seen = arena_text(&w->arena, "another, of SPI %016llx, from %s",
                          (unsigned long long)sa->spi_r, address_port_text(&w->arena, &d->remote));
    doubt_note(w, sa, &why);
}

void rival_on_time(struct world *w, struct ike_sa *sa)
{
    struct setup *s = sa->setup;
    for (size_t i = 0; s != NULL && i < s->rival_count; i++) {
        struct rival *r = s->rivals[i];
        const struct sent *sent;
        enum window_turn turn;
        change_places(sa, r);
        while ((turn = window_on_time(&sa->window, &w->options.retransmission, w->rng, w->step.now,
                                      &sent)) != WINDOW_WAIT) {
            if (turn == WINDOW_GIVE_UP)
                window_clear(&sa->window);
            else
                exchange_repeat(w, sa, sent, turn == WINDOW_COPY);
        }
        change_places(sa, r);
    }
}

struct instant rival_due(const struct ike_sa *sa)
{
    struct instant due = INSTANT_NEVER;
    const struct setup *s = sa->setup;
    for (size_t i = 0; s != NULL && i < s->rival_count; i++)
        due = instant_earlier(due, window_due(&s->rivals[i]->window));
    return due;
}

void rival_settle(struct ike_sa *sa, struct record *r)
{
    if (r == NULL || sa->setup == NULL || sa->setup->rival_count == 0)
        return;
    r->spi_r = sa->spi_r;
    r->ike_suite = sa->suite;
    r->local = sa->path.local;
    r->remote = sa->path.remote;
    r->has_nat_here = sa->has_nat_here;
    r->has_nat_there = sa->has_nat_there;
}
