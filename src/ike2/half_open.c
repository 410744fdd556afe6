/* Half-open IKE SAs of the responder: IKE_SA_INIT is answered, IKE_AUTH has not come. RFC 7296 2.4,
 * 2.6.
 *
 * A stranger makes one with a single datagram, so each is small, times out, and is counted by its
 * host and by its port (engine/gate.c decides on these counts). An IKE_AUTH request makes it an SA
 * for the time of the step; when the request is not authentic the SA vanishes again, the keys are
 * kept, and the half-open SA is as it was. So each wrong request costs one derivation at most once,
 * and one check of its seal. */
#include <stdlib.h>

#include "ike2/fragment.h"
#include "ike2/inside.h"

enum { WRONG_TOLD = 10 };

struct half_open_host {
    struct half_open *first, *last;
    uint32_t count;
};

/* RFC 8019 4.2 counts by prefix: a host may have a whole IPv6 /64 to itself. */
static uint64_t host_hash(const struct world *w, const struct address *a)
{
    enum { PREFIX = 8 };
    return map_hash(&w->by_address, a->bytes,
                    a->family == FAMILY_V6 ? (size_t)PREFIX : sizeof a->bytes);
}

static struct half_open_host *host_of(const struct world *w, const struct address *remote)
{
    return map_get(&w->by_address, host_hash(w, remote));
}

static uint64_t request_key(const struct world *w, struct span request,
                            const struct address *remote)
{
    struct {
        uint64_t request;
        uint8_t host[16];
        uint64_t port;
    } key = {map_hash(&w->half_open, request.at, request.len), {0}, remote->port};
    memcpy(key.host, remote->bytes, sizeof key.host);
    return map_hash(&w->half_open, &key, sizeof key);
}

static void free_half_open(struct world *w, struct half_open *h)
{
    fragment_clear(w, &h->joining);
    policy_conn_unref(h->conn);
    if (h->keys != NULL)
        secret_wipe(h->keys, h->keys_len);
    free(h->keys);
    secret_wipe(h, sizeof *h + h->request_len + h->response_len + h->shared_len);
    free(h);
}

static bool link_host(struct world *w, struct half_open *h)
{
    struct half_open_host *host = host_of(w, &h->path.remote);
    if (host == NULL) {
        host = calloc(1, sizeof *host);
        if (host == NULL || !map_set(&w->by_address, host_hash(w, &h->path.remote), host)) {
            free(host);
            return false;
        }
    }
    h->host_before = host->last;
    *(host->last == NULL ? &host->first : &host->last->host_next) = h;
    host->last = h;
    host->count++;
    return true;
}

static void unlink_host(struct world *w, struct half_open *h)
{
    struct half_open_host *host = host_of(w, &h->path.remote);
    *(h->host_before == NULL ? &host->first : &h->host_before->host_next) = h->host_next;
    *(h->host_next == NULL ? &host->last : &h->host_next->host_before) = h->host_before;
    if (--host->count > 0)
        return;
    map_remove(&w->by_address, host_hash(w, &h->path.remote));
    free(host);
}

struct half_open *half_open_find(const struct world *w, const struct datagram *d)
{
    struct half_open *h = map_get(&w->half_open, request_key(w, d->bytes, &d->remote));
    return h != NULL && span_equal(d->bytes, span_of(h->octets, h->request_len)) ? h : NULL;
}

bool half_open_add(struct world *w, struct half_open *h)
{
    uint64_t key = request_key(w, span_of(h->octets, h->request_len), &h->path.remote);
    h->timer.owner = h;
    h->host_next = h->host_before = NULL;
    if (!map_set(&w->half_open, key, h) || !map_set(&w->half_open_by_spi, h->spi_r, h) ||
        !timers_set(&w->half_timers, &h->timer,
                    instant_after_s(w->step.now, w->options.half_open_timeout_s)) ||
        !link_host(w, h)) {
        map_remove(&w->half_open, key);
        map_remove(&w->half_open_by_spi, h->spi_r);
        timers_remove(&w->half_timers, &h->timer);
        free_half_open(w, h);
        return false;
    }
    w->counters.half_open++;
    return true;
}

void half_open_drop(struct world *w, struct half_open *h)
{
    uint64_t key = request_key(w, span_of(h->octets, h->request_len), &h->path.remote);
    if (map_get(&w->half_open, key) == h)
        map_remove(&w->half_open, key);
    map_remove(&w->half_open_by_spi, h->spi_r);
    timers_remove(&w->half_timers, &h->timer);
    w->counters.half_open--;
    unlink_host(w, h);
    free_half_open(w, h);
}

void half_open_clear(struct world *w)
{
    size_t cursor = 0;
    struct half_open *h;
    while ((h = map_next(&w->half_open_by_spi, &cursor, NULL)) != NULL)
        free_half_open(w, h);
    cursor = 0;
    struct half_open_host *host;
    while ((host = map_next(&w->by_address, &cursor, NULL)) != NULL)
        free(host);
}

uint32_t half_open_of_host(const struct world *w, const struct address *remote)
{
    const struct half_open_host *host = host_of(w, remote);
    return host == NULL ? 0 : host->count;
}

uint32_t half_open_of_port(const struct world *w, const struct address *remote)
{
    const struct half_open_host *host = host_of(w, remote);
    uint32_t count = 0;
    for (const struct half_open *h = host == NULL ? NULL : host->first; h != NULL; h = h->host_next)
        count += h->is_verified && address_equal(&h->path.remote, remote);
    return count;
}

struct half_open *half_open_oldest(const struct world *w, const struct address *remote)
{
    const struct half_open_host *host = host_of(w, remote);
    return host == NULL ? NULL : host->first;
}

/* ---- IKE_AUTH, and the end ---- */

/* The SA of a half-open one, which it borrows the first messages from. */
static struct ike_sa *promote(struct world *w, struct half_open *h, bool with_keys)
{
    struct ike_sa *sa = world_new_sa(w, h->conn, false);
    if (sa == NULL)
        return NULL;
    struct setup *s = sa->setup = calloc(1, sizeof *s);
    sa->spi_i = h->spi_i;
    sa->spi_r = h->spi_r;
    sa->path = h->path;
    sa->has_nat_here = h->has_nat_here;
    sa->has_nat_there = h->has_nat_there;
    sa->wants_udp = h->wants_udp;
    sa->may_fragment = h->may_fragment;
    sa->joining = h->joining;
    h->joining = NULL;
    sa->state = SA_AWAIT_AUTH;
    sa->window.expected_id = 1; /* message 0 is answered */
    bool ok = s != NULL && ike2_set_suite(sa, &h->suite) && world_add_spi(w, sa);
    if (ok) {
        s->borrows_messages = true;
        s->request = h->octets;
        s->request_len = h->request_len;
        s->response = h->octets + h->request_len;
        s->response_len = h->response_len;
        s->nonce_i = span_of(s->request + h->nonce_i_at, h->nonce_i_len);
        s->nonce_r = span_of(s->response + h->nonce_r_at, h->nonce_r_len);
        s->began = h->began;
        s->began_s = h->began_s;
    }
    if (ok && with_keys && h->keys != NULL) {
        sa->keys = h->keys;
        sa->keys_len = h->keys_len;
        h->keys = NULL;
    } else if (ok && with_keys) {
        SECRET skeyseed = {{0}, 0};
        struct span shared = span_of(s->response + h->response_len, h->shared_len);
        ok = crypto_skeyseed(sa->prf, s->nonce_i, s->nonce_r, shared, &skeyseed) &&
             ike2_derive(sa, secret_span(&skeyseed), s->nonce_i, s->nonce_r);
    }
    if (!ok) {
        world_drop_sa(w, sa);
        return NULL;
    }
    return sa;
}

static void tell_wrong(struct world *w, struct ike_sa *sa, const struct half_open *h,
                       const struct ike_header *header)
{
    struct finding why;
    finding_set(&why, CAUSE_MSG_DECRYPT);
    why.phase = PHASE_IKE_AUTH;
    why.evidence.has_message = why.evidence.is_received = true;
    why.evidence.exchange = header->exchange;
    why.evidence.message_id = header->message_id;
    why.expected = "an IKE_AUTH request that the keys of this half-open IKE SA open";
    why.seen = arena_text(&w->arena, "%u that they do not open", h->wrong);
    ike2_refused(w, sa, NULL, &why);
}

void ike2_receive_half_open(struct world *w, struct half_open *h, const struct datagram *d,
                            const struct ike_header *header)
{
    bool fits = header->spi_i == h->spi_i && header->exchange == EXCHANGE_IKE_AUTH &&
                header->message_id == 1 && (header->flags & IKE_FLAG_RESPONSE) == 0;
    struct ike_sa *sa = fits ? promote(w, h, true) : NULL;
    if (sa == NULL) {
        w->counters.dropped++;
        return;
    }
    uint64_t dropped = w->counters.dropped;
    ike2_receive(w, sa, d, header);
    if (sa->state != SA_AWAIT_AUTH) {
        begun_keep(w, span_of(h->octets, h->request_len), &h->path.remote);
        half_open_drop(w, h);
        return;
    }
    /* Not authentic, or not all of it: the half-open SA waits on as if nothing had come, but for
     * fragments that are. */
    bool is_wrong = w->counters.dropped > dropped && header->next_payload == PAYLOAD_SK;
    if (is_wrong && h->wrong < UINT16_MAX)
        h->wrong++;
    if (is_wrong && h->wrong == WRONG_TOLD && world_may_record_stranger(w))
        tell_wrong(w, sa, h, header);
    h->joining = sa->joining;
    sa->joining = NULL;
    h->keys = sa->keys;
    h->keys_len = sa->keys_len;
    sa->keys = NULL;
    world_discard_sa(w, sa);
}

void ike2_half_open_timeout(struct world *w, struct half_open *h)
{
    struct finding why;
    struct ike_sa *sa = world_may_record_stranger(w) ? promote(w, h, false) : NULL;
    if (sa != NULL) {
        finding_set(&why, CAUSE_IKE_HALF_OPEN_TIMEOUT);
        why.expected = "IKE_AUTH";
        why.seen = sa->joining == NULL && h->wrong > 0
                       ? arena_text(&w->arena, "%u messages that our keys do not open", h->wrong)
                       : arena_text(&w->arena, "%s for %u s",
                                    sa->joining == NULL ? "nothing"
                                                        : fragment_text(sa->joining, &w->arena),
                                    w->options.half_open_timeout_s);
        why.phase = PHASE_IKE_SA_INIT;
        ike2_setup_failed(w, sa, &why);
    }
    half_open_drop(w, h);
}
