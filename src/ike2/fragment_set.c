/* Fragments that come in: collected until they are a message. RFC 7383 2.6. */
#include <stdlib.h>

#include "ike2/fragment.h"
#include "ike2/inside.h"

struct fragment {
    struct fragment *next; /* with a higher number */
    uint16_t number, len;
    uint8_t octets[]; /* decrypted: overwritten when freed */
};

struct fragment_set {
    struct fragment_set *next;
    struct fragment *fragments;
    struct instant until;
    uint64_t hash; /* of the first fragment's datagram */
    uint32_t message_id;
    uint32_t octets, size; /* of content; of all their messages */
    uint32_t memory;
    uint16_t total, have;
    uint16_t largest; /* datagram of the set, with all headers */
    uint8_t exchange, first;
    bool is_response, is_refused, is_half_open;
    bool has_begun_again; /* the peer looks for a size that comes through */
};

static void free_fragments(struct world *w, struct fragment_set *s)
{
    while (s->fragments != NULL) {
        struct fragment *f = s->fragments;
        s->fragments = f->next;
        secret_wipe(f->octets, f->len);
        free(f);
    }
    if (s->is_half_open)
        w->half_open_fragments -= s->memory;
    s->octets = s->size = s->memory = 0;
    s->have = s->largest = 0;
}

static void drop_set(struct world *w, struct fragment_set **link)
{
    struct fragment_set *s = *link;
    *link = s->next;
    free_fragments(w, s);
    free(s);
}

void fragment_clear(struct world *w, struct fragment_set **sets)
{
    while (*sets != NULL)
        drop_set(w, sets);
}

static struct fragment_set **find_set(struct ike_sa *sa, const struct message *m)
{
    bool is_response = (m->header.flags & IKE_FLAG_RESPONSE) != 0;
    struct fragment_set **link = &sa->joining;
    while (*link != NULL &&
           ((*link)->message_id != m->header.message_id || (*link)->is_response != is_response))
        link = &(*link)->next;
    return link;
}

static bool has_number(const struct fragment_set *s, uint16_t number)
{
    for (const struct fragment *f = s->fragments; f != NULL && f->number <= number; f = f->next)
        if (f->number == number)
            return true;
    return false;
}

/* The tests that need no key: RFC 7383 2.6, the first two. (Numbers of 0 and above the total do not
 * even parse.) */
static bool is_news(const struct fragment_set *s, const struct message *m)
{
    if (s == NULL || m->fragments > s->total)
        return true;
    return m->fragments == s->total && !s->is_refused && !has_number(s, m->fragment);
}

/* At most FRAGMENT_SETS_MAX: the one that waits longest goes. */
static struct fragment_set *add_set(struct world *w, struct ike_sa *sa, const struct message *m)
{
    struct fragment_set *s = calloc(1, sizeof *s), **oldest = NULL;
    size_t count = 0;
    if (s == NULL)
        return NULL;
    for (struct fragment_set **link = &sa->joining; *link != NULL; link = &(*link)->next, count++)
        if (oldest == NULL || instant_before((*link)->until, (*oldest)->until))
            oldest = link;
    if (count >= FRAGMENT_SETS_MAX)
        drop_set(w, oldest);
    s->message_id = m->header.message_id;
    s->is_response = (m->header.flags & IKE_FLAG_RESPONSE) != 0;
    s->exchange = m->header.exchange;
    s->is_half_open = sa->state == SA_AWAIT_AUTH;
    s->next = sa->joining;
    sa->joining = s;
    return s;
}

/* Dropped and told once: until it is forgotten, a set with these numbers costs nothing more. */
static void refuse_set(struct world *w, struct ike_sa *sa, struct fragment_set *s,
                       const struct message *m, const char *param, const char *expected,
                       const char *seen)
{
    struct finding why;
    free_fragments(w, s);
    s->is_refused = true;
    w->counters.dropped++;
    finding_set(&why, CAUSE_IKE_FRAGMENTS_REFUSED);
    finding_about(&why, m, NULL, true);
    why.evidence.payload = PAYLOAD_SKF;
    why.evidence.offset = m->sk_offset;
    why.phase = ike2_phase(sa, NULL);
    why.param = param;
    why.expected = expected;
    why.seen = seen;
    if (!s->is_half_open || world_may_record_stranger(w))
        ike2_refused(w, sa, NULL, &why);
}

/* Authentic, and the piece would still fit? */
static bool is_within_limits(struct world *w, struct ike_sa *sa, struct fragment_set *s,
                             const struct message *m, struct span piece)
{
    struct arena *a = &w->arena;
    if (m->fragments > FRAGMENTS_MAX) {
        refuse_set(w, sa, s, m, "", arena_text(a, "at most %d fragments", FRAGMENTS_MAX),
                   arena_text(a, "fragment %u of %u", m->fragment, m->fragments));
        return false;
    }
    if (s->octets + piece.len > w->options.max_packet) {
        refuse_set(w, sa, s, m, "charon.max_packet",
                   arena_text(a, "at most %u octets", w->options.max_packet),
                   arena_text(a, "%zu in %u of %u fragments", s->octets + piece.len, s->have + 1u,
                              m->fragments));
        return false;
    }
    if (s->is_half_open && w->half_open_fragments > FRAGMENTS_HALF_OPEN_MAX) {
        refuse_set(
            w, sa, s, m, "",
            arena_text(a, "at most %d octets of all half-open IKE SAs", FRAGMENTS_HALF_OPEN_MAX),
            arena_text(a, "%u", w->half_open_fragments));
        return false;
    }
    return true;
}

static bool keep(struct world *w, struct fragment_set *s, const struct datagram *d,
                 const struct message *m, struct span piece, size_t headers)
{
    struct fragment *f = malloc(sizeof *f + piece.len), **link = &s->fragments;
    if (f == NULL)
        return false;
    while (*link != NULL && (*link)->number < m->fragment)
        link = &(*link)->next;
    f->next = *link;
    f->number = m->fragment;
    f->len = (uint16_t)piece.len;
    if (piece.len > 0)
        memcpy(f->octets, piece.at, piece.len);
    *link = f;
    s->have++;
    s->octets += f->len;
    s->size += (uint32_t)d->bytes.len;
    s->memory += (uint32_t)(sizeof *f + piece.len);
    if (s->is_half_open)
        w->half_open_fragments += (uint32_t)(sizeof *f + piece.len);
    if (d->bytes.len + headers > s->largest)
        s->largest = (uint16_t)(d->bytes.len + headers);
    if (m->fragment == 1) {
        s->first = m->sk_first_payload;
        s->hash = map_hash(&w->by_spi, d->bytes.at, d->bytes.len);
    }
    return true;
}

static bool join(struct world *w, const struct fragment_set *s, struct message *m)
{
    uint8_t *at = arena_alloc(&w->arena, s->octets + 1);
    size_t len = 0;
    if (at == NULL)
        return false;
    for (const struct fragment *f = s->fragments; f != NULL; f = f->next) {
        if (f->len > 0)
            memcpy(at + len, f->octets, f->len);
        len += f->len;
    }
    m->joined = span_of(at, len);
    m->joined_size = s->size;
    m->sk_first_payload = s->first;
    m->payload_count = 0;
    return true;
}

bool fragment_collect(struct world *w, struct ike_sa *sa, const struct datagram *d,
                      struct message *m, uint64_t *hash)
{
    struct finding why;
    struct span piece;
    bool is_authentic;
    struct fragment_set **link = find_set(sa, m), *s = *link;
    /* Before SKF nothing stands in clear in any exchange that we know (2.5.3). */
    if (!is_news(s, m) || m->payload_count > 0 ||
        !message_unseal(w, sa, m, false, &piece, &is_authentic, &why)) {
        w->counters.dropped++;
        return false;
    }
    if (s != NULL && s->exchange != m->header.exchange) {
        w->counters.dropped++;
        return false;
    }
    if (s == NULL && (s = add_set(w, sa, m)) == NULL) {
        w->counters.dropped++;
        return false;
    }
    s->until = instant_after_s(w->step.now, FRAGMENT_WAIT_S);
    if (m->fragments > s->total) {
        s->has_begun_again = s->has_begun_again || s->total != 0;
        free_fragments(w, s);
        s->total = m->fragments;
    }
    struct path p = path_of_datagram(d);
    size_t headers = 65535 - fragment_room(&p, 65535);
    if (s->is_refused || !is_within_limits(w, sa, s, m, piece))
        return false;
    if (!keep(w, s, d, m, piece, headers)) {
        w->counters.dropped++;
        return false;
    }
    if (s->have < s->total)
        return false;
    bool ok = join(w, s, m);
    *hash = s->hash;
    if (!s->is_response)
        w->asked_size = s->largest;
    if (s->has_begun_again && !s->is_response && s->largest < 65535 &&
        (sa->fragment_limit == 0 || s->largest < sa->fragment_limit))
        sa->fragment_limit = s->largest; /* 2.5.1: our answer takes the same way */
    drop_set(w, find_set(sa, m));
    return ok;
}

struct instant fragment_due(const struct ike_sa *sa)
{
    struct instant due = INSTANT_NEVER;
    for (const struct fragment_set *s = sa->joining; s != NULL; s = s->next)
        due = instant_earlier(due, s->until);
    return due;
}

size_t fragment_memory(const struct fragment_set *s)
{
    size_t total = 0;
    for (; s != NULL; s = s->next)
        total += sizeof *s + s->memory;
    return total;
}

const char *fragment_text(const struct fragment_set *s, struct arena *a)
{
    return arena_text(a, "%u of %u fragments", s->have, s->total);
}

void fragment_on_time(struct world *w, struct ike_sa *sa)
{
    for (struct fragment_set **link = &sa->joining; *link != NULL;) {
        struct fragment_set *s = *link;
        struct finding why;
        if (!instant_reached(s->until, w->step.now)) {
            link = &s->next;
            continue;
        }
        if (!s->is_refused) {
            finding_set(&why, CAUSE_IKE_FRAGMENTS_MISSING);
            why.phase = ike2_phase(sa, NULL);
            why.evidence.has_message = why.evidence.is_received = true;
            why.evidence.exchange = s->exchange;
            why.evidence.message_id = s->message_id;
            why.expected = arena_text(&w->arena, "all of them within %d s", FRAGMENT_WAIT_S);
            why.seen = fragment_text(s, &w->arena);
            ike2_refused(w, sa, NULL, &why);
        }
        drop_set(w, link);
    }
}
