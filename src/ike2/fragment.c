/* Fragments that we send. What comes in: fragment_set.c. */
#include "ike2/fragment.h"

#include "ike2/inside.h"

enum {
    IP4_HEADER_LEN = 20,
    IP6_HEADER_LEN = 40,
    UDP_HEADER_LEN = 8,
    MARKER_LEN = 4,
    SKF_HEADERS_LEN = WIRE_HEADER_LEN + WIRE_PAYLOAD_HEADER_LEN + 4,
    IP4_DEFAULT = 576, /* RFC 7383 2.5.1, and fragment_size = 0 */
    IP6_DEFAULT = 1280,
    LENGTH_AT = 24, /* in IKE's header */
    SMALL = 576,
    LARGE = 1280,   /* what every IPv6 path carries, and IPv4's in practice */
    PIECE_MIN = 16, /* of content in a fragment, however small the datagram is to be */
    REPEATS_BEFORE_SMALLER = 2,
    ASKED_BEFORE_SMALLER = 3,
};

/* What is tried one after the other when nothing comes back. Few, as 2.5.2 wants it: the least that
 * IPv6 carries, the least that every IPv4 host takes, the least that was ever a link's MTU. */
enum { SIZES = 3 };
static const uint16_t sizes[SIZES] = {1280, 576, 296};

void fragment_announce(struct outgoing *o, const struct conn *conn)
{
    if (conn != NULL && conn->fragmentation != FRAGMENTATION_NO)
        out_notify(o, NOTIFY_IKEV2_FRAGMENTATION_SUPPORTED, (struct span){NULL, 0});
}

void fragment_agree(struct ike_sa *sa, const struct message *m)
{
    struct notify n;
    sa->may_fragment = sa->conn != NULL && sa->conn->fragmentation != FRAGMENTATION_NO &&
                       wire_find_notify(m, NOTIFY_IKEV2_FRAGMENTATION_SUPPORTED, &n);
}

static size_t headers_len(const struct path *p)
{
    size_t ip = p->remote.family == FAMILY_V6 ? IP6_HEADER_LEN : IP4_HEADER_LEN;
    return ip + UDP_HEADER_LEN + (p->marker ? MARKER_LEN : 0u);
}

size_t fragment_room(const struct path *p, size_t size)
{
    size_t headers = headers_len(p);
    return size > headers ? size - headers : 0;
}

size_t fragment_size(const struct world *w, const struct ike_sa *sa)
{
    bool may_send = sa->conn != NULL && (sa->conn->fragmentation == FRAGMENTATION_YES ||
                                         sa->conn->fragmentation == FRAGMENTATION_FORCE);
    if (!sa->may_fragment || !may_send)
        return 0;
    size_t size = w->options.fragment_size;
    if (size == 0)
        size = sa->path.remote.family == FAMILY_V6 ? IP6_DEFAULT : IP4_DEFAULT;
    return sa->fragment_limit != 0 && sa->fragment_limit < size ? sa->fragment_limit : size;
}

/* Octets of content that one fragment takes, without padding. */
static size_t piece_len(const struct ike_sa *sa, size_t room)
{
    size_t block = sa->encr->block < 4 ? 1 : sa->encr->block;
    size_t around = SKF_HEADERS_LEN + sa->encr->iv_len + crypto_icv_len(sa->encr, sa->integ);
    size_t sealed = room > around ? room - around : 0;
    sealed -= sealed % block;
    return sealed > PIECE_MIN ? sealed - 1 : PIECE_MIN;
}

static size_t pieces_of(const struct ike_sa *sa, size_t plain, size_t room)
{
    size_t piece = piece_len(sa, room);
    return plain == 0 ? 1 : (plain + piece - 1) / piece;
}

struct span fragment_seal(struct world *w, struct ike_sa *sa, const struct ike_header *h,
                          uint8_t first, struct span plain, size_t room)
{
    struct span nothing = {NULL, 0};
    size_t piece = piece_len(sa, room), total = pieces_of(sa, plain.len, room);
    size_t most = SKF_HEADERS_LEN + sa->encr->iv_len + piece + 1 + sa->encr->block +
                  crypto_icv_len(sa->encr, sa->integ);
    uint8_t *train = total > FRAGMENTS_MAX ? NULL : arena_alloc(&w->arena, total * most);
    size_t len = 0;
    struct reader left = reader_of(plain);
    if (train == NULL)
        return nothing;
    for (size_t i = 1; i <= total; i++) {
        struct span content = take(&left, left.left.len < piece ? left.left.len : piece);
        size_t body = message_sealed_len(sa, content.len);
        struct writer out = writer_of(train + len, most);
        wire_write_skf_headers(&out, h, i == 1 ? first : 0, (uint16_t)i, (uint16_t)total, body);
        size_t head = out.len;
        if (out.full || head + body > most)
            return nothing;
        if (content.len > 0)
            memcpy(train + len + head + sa->encr->iv_len, content.at, content.len);
        if (!message_seal(w, sa, train + len, head, content.len))
            return nothing;
        len += head + body;
    }
    return span_of(train, len);
}

bool fragment_next(struct reader *train, struct span *message)
{
    struct reader ahead = *train;
    take(&ahead, LENGTH_AT);
    uint32_t len = take_u32(&ahead);
    *message = take(train, good(&ahead) ? len : train->left.len);
    return good(train) && message->len > 0;
}

size_t fragment_count(struct span train, size_t *longest)
{
    struct reader r = reader_of(train);
    struct span message;
    size_t count = 0;
    *longest = 0;
    for (; fragment_next(&r, &message); count++)
        if (message.len > *longest)
            *longest = message.len;
    return count;
}

/* What a train of ours holds: opened with the keys that sealed it. */
static bool open_train(struct world *w, struct ike_sa *sa, struct span train, struct ike_header *h,
                       uint8_t *first, struct span *plain)
{
    struct reader r = reader_of(train);
    struct span message, piece;
    uint8_t *joined = arena_alloc(&w->arena, train.len + 1);
    size_t len = 0;
    for (bool is_first = true; joined != NULL && fragment_next(&r, &message); is_first = false) {
        struct message m;
        struct wire_error error;
        struct finding why;
        bool is_authentic;
        if (!wire_parse_message(message, &m, &error) || !m.has_sk ||
            !message_unseal(w, sa, &m, true, &piece, &is_authentic, &why))
            return false;
        if (is_first) {
            *h = m.header;
            *first = m.sk_first_payload;
        }
        if (piece.len > 0)
            memcpy(joined + len, piece.at, piece.len);
        len += piece.len;
    }
    *plain = span_of(joined, len);
    return joined != NULL && len > 0;
}

/* The next smaller datagram to try; 0: none. */
static size_t next_size(size_t now, uint32_t mtu)
{
    for (size_t i = 0; i < SIZES; i++)
        if (sizes[i] < now && (mtu == 0 || sizes[i] <= mtu))
            return sizes[i];
    return 0;
}

/* The content of a train in datagrams of at most *size octets, or of the next size that makes more
 * of them than there are: the receiver takes a set of more fragments only (2.5.2). Empty: none. */
static struct span cut_anew(struct world *w, struct ike_sa *sa, struct span train, size_t *size,
                            uint32_t mtu, size_t *count)
{
    struct span nothing = {NULL, 0}, plain;
    struct ike_header h;
    uint8_t first;
    size_t longest, before = fragment_count(train, &longest);
    if (*size == 0 || !open_train(w, sa, train, &h, &first, &plain))
        return nothing;
    while ((*count = pieces_of(sa, plain.len, fragment_room(&sa->path, *size))) <= before)
        if ((*size = next_size(*size, mtu)) == 0)
            return nothing;
    return fragment_seal(w, sa, &h, first, plain, fragment_room(&sa->path, *size));
}

bool fragment_repeat_request(struct world *w, struct ike_sa *sa, const struct sent *sent,
                             uint32_t mtu, struct record *r)
{
    struct finding why;
    struct span train = span_of(sent->octets, sent->len);
    uint32_t repeats = sent->repeats, id = sent->id;
    size_t longest, count = fragment_count(train, &longest), after = 0;
    size_t size = longest + headers_len(&sa->path);
    bool is_told = mtu != 0 && mtu < size; /* by the network: no need to wait */
    if (fragment_size(w, sa) == 0 || (!is_told && (mtu != 0 || repeats < REPEATS_BEFORE_SMALLER)))
        return false;
    /* What never was large is not lost for its size: the peer is away. */
    if (!is_told && count == 1 && size <= SMALL)
        return false;
    if (is_told && mtu < sizes[SIZES - 1])
        mtu = sizes[SIZES - 1]; /* anybody can forge this: never below */
    size_t next = next_size(size, mtu);
    struct span smaller = cut_anew(w, sa, train, &next, mtu, &after);
    if (smaller.len == 0 ||
        !window_replace_request(&sa->window, id, smaller, &w->options.retransmission, w->rng,
                                w->step.now))
        return false;
    sa->fragment_limit = (uint16_t)next;
    sa->has_shrunk = true;
    finding_set(&why, CAUSE_IKE_FRAGMENTS_SMALLER);
    why.phase = ike2_phase(sa, r);
    why.param = "charon.fragment_size";
    why.expected = arena_text(&w->arena, "an answer to %zu datagram%s of up to %zu octets", count,
                              count == 1 ? "" : "s", size);
    why.seen = is_told ? arena_text(&w->arena, "the network carries %u; now %zu of up to %zu", mtu,
                                    after, next)
                       : arena_text(&w->arena, "none after %u repetition%s; now %zu of up to %zu",
                                    repeats - 1, repeats == 2 ? "" : "s", after, next);
    ike2_refused(w, sa, r, &why);
    out_send(w, &sa->path, smaller);
    return true;
}

bool fragment_is_cut_anew(struct world *w, struct ike_sa *sa, const struct message *m)
{
    struct finding why;
    struct span plain;
    bool is_authentic;
    return m->fragment == 1 && window_kept(&sa->window, m->header.message_id) != NULL &&
           message_unseal(w, sa, m, false, &plain, &is_authentic, &why);
}

void fragment_repeat_answer(struct world *w, struct ike_sa *sa, const struct datagram *d,
                            const struct message *m)
{
    uint32_t id = m->header.message_id;
    const struct kept *kept = window_kept(&sa->window, id);
    /* A copy: the SA may end before this step does. */
    struct span train = arena_copy(&w->arena, span_of(kept->octets, kept->len));
    bool is_anew = w->asked_hash != kept->asked_hash;
    size_t longest, after, size = 0;
    fragment_count(train, &longest);
    longest += headers_len(&sa->path);
    if (is_anew && d->bytes.len + headers_len(&sa->path) < longest)
        size = d->bytes.len + headers_len(&sa->path); /* 2.5.1: as large as what came through */
    else if (window_asked_again(&sa->window, id) >= ASKED_BEFORE_SMALLER)
        size = next_size(longest, 0); /* 2.4: our answer does not come through */
    struct span smaller = {NULL, 0};
    if (size != 0 && fragment_size(w, sa) != 0)
        smaller = cut_anew(w, sa, train, &size, 0, &after);
    if (smaller.len > 0) {
        sa->fragment_limit = (uint16_t)size;
        train = smaller;
    }
    if (smaller.len > 0 || is_anew)
        window_replace_answer(&sa->window, id, train, w->asked_hash);
    out_send(w, &w->asked_path, train);
    w->counters.retransmits++;
}

void fragment_answered(struct world *w, struct ike_sa *sa, struct record *r)
{
    if (!sa->has_shrunk)
        return;
    struct finding why;
    sa->has_shrunk = false;
    finding_set(&why, CAUSE_NET_LARGE_LOST);
    why.phase = ike2_phase(sa, r);
    why.param = "charon.fragment_size";
    why.expected = "that large datagrams reach the peer";
    why.seen = arena_text(&w->arena, "only those of up to %u octets did", sa->fragment_limit);
    ike2_refused(w, sa, r, &why);
}

void fragment_hint(struct world *w, const struct ike_sa *sa, const struct sent *sent,
                   struct finding *why)
{
    size_t longest;
    fragment_count(span_of(sent->octets, sent->len), &longest);
    longest += headers_len(&sa->path);
    if (sa->keys == NULL || longest <= LARGE || fragment_size(w, sa) != 0)
        return;
    why->nearest = arena_text(
        &w->arena, "a datagram of %zu octets, which was not sent in fragments: %s", longest,
        sa->may_fragment ? "fragmentation = accept"
        : sa->conn != NULL && sa->conn->fragmentation == FRAGMENTATION_NO
            ? "fragmentation = no"
            : "the peer did not announce that it takes them");
}

void ike2_on_too_big(struct world *w, struct ike_sa *sa, uint32_t mtu)
{
    uint32_t ids[WINDOW_SIZE_MAX];
    size_t count = 0;
    for (const struct sent *s = sa->window.sent; s != NULL && count < WINDOW_SIZE_MAX; s = s->next)
        ids[count++] = s->id;
    for (size_t i = 0; i < count; i++) {
        const struct sent *sent = window_find(&sa->window, ids[i]);
        const struct task *t = task_of_message(sa, ids[i]);
        if (sent != NULL && sa->keys != NULL)
            fragment_repeat_request(w, sa, sent, mtu,
                                    sa->record != NULL ? sa->record
                                    : t != NULL        ? t->record
                                                       : NULL);
    }
    world_rearm(w, sa);
}
