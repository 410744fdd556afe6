/* The facts that hypotheses are ranked by, read off a record. */
#include <strings.h>

#include "diagnose/hypotheses.h"
#include "policy/policy.h"
#include "wire/wire.h"

static bool begins(const struct address *a, uint8_t family, uint8_t first, uint8_t mask)
{
    return a->family == family && (a->bytes[0] & mask) == first;
}

/* RFC 1918, RFC 6598, RFC 3927, RFC 4193, RFC 4291 2.5.6. */
static bool is_private(const struct address *a)
{
    const uint8_t *b = a->bytes;
    if (a->family == FAMILY_V4)
        return b[0] == 10 || (b[0] == 172 && (b[1] & 0xf0) == 16) || (b[0] == 192 && b[1] == 168) ||
               (b[0] == 100 && (b[1] & 0xc0) == 64) || (b[0] == 169 && b[1] == 254);
    return begins(a, FAMILY_V6, 0xfc, 0xfe) ||
           (a->family == FAMILY_V6 && b[0] == 0xfe && (b[1] & 0xc0) == 0x80);
}

static bool is_address_text(const char *text)
{
    struct address at;
    return address_parse(span_text(text), &at);
}

static bool has_notify(const struct trail_entry *t, uint16_t type)
{
    for (size_t i = 0; i < sizeof t->notifies / sizeof t->notifies[0]; i++)
        if (t->notifies[i] == type)
            return true;
    return false;
}

/* Returns the last message that we sent; NULL: none. */
static const struct trail_entry *read_trail(const struct record *r, uint32_t *bits)
{
    const struct trail_entry *last = NULL;
    for (size_t i = 0; i < r->trail_count; i++) {
        const struct trail_entry *t = &r->trail[i];
        if ((t->flags & TRAIL_SENT) != 0) {
            last = t;
            continue;
        }
        *bits |= (t->flags & TRAIL_DROPPED) != 0 ? FACT_DROPPED : FACT_HEARD;
        if (t->repeats > 0 && (t->flags & TRAIL_RESPONSE) == 0)
            *bits |= FACT_REPEATED;
        if (has_notify(t, NOTIFY_INVALID_KE_PAYLOAD))
            *bits |= FACT_ASKED_GROUP;
        if (has_notify(t, NOTIFY_COOKIE))
            *bits |= FACT_ASKED_COOKIE;
    }
    return last;
}

static uint32_t read_path_error(const struct record *r)
{
    static const struct {
        const char *word;
        uint32_t bit;
    } words[] = {
        {"prohibited", FACT_ICMP_FILTER}, {"filter", FACT_ICMP_FILTER},
        {"policy", FACT_ICMP_FILTER},     {"port unreachable", FACT_ICMP_PORT},
        {"refused", FACT_ICMP_PORT},      {"host", FACT_ICMP_HOST},
        {"address", FACT_ICMP_HOST},      {"net", FACT_ICMP_NET},
        {"route", FACT_ICMP_NET},
    };
    for (size_t i = 0; i < r->finding_count; i++) {
        if (r->findings[i]->cause != CAUSE_NET_UNREACHABLE)
            continue;
        for (size_t w = 0; w < sizeof words / sizeof words[0]; w++)
            if (strcasestr(r->findings[i]->seen, words[w].word) != NULL)
                return words[w].bit;
    }
    return 0;
}

/* ---- what our proposals are made of ---- */

static bool is_aead(const struct transform *t)
{
    const struct encr *e = crypto_encr(t->id, t->key_bits);
    return e != NULL && e->is_aead;
}

/* What today's peers have in their defaults (data/spec/default-proposals.tsv). */
static bool is_usual_group(uint16_t id)
{
    return id == KE_MODP_2048 || id == KE_MODP_3072 || id == KE_MODP_4096 || id == KE_ECP_256 ||
           id == KE_ECP_384 || id == KE_CURVE25519;
}

static bool is_weak(const struct transform *t)
{
    switch (t->type) {
    case TRANSFORM_ENCR:
        return t->id == ENCR_3DES || t->id == ENCR_DES || t->id == ENCR_NULL;
    case TRANSFORM_INTEG:
        return t->id == AUTH_HMAC_MD5_96 || t->id == AUTH_HMAC_SHA1_96;
    case TRANSFORM_PRF:
        return t->id == PRF_HMAC_MD5 || t->id == PRF_HMAC_SHA1;
    case TRANSFORM_KE:
        return t->id == KE_MODP_768 || t->id == KE_MODP_1024 || t->id == KE_MODP_1536;
    }
    return false;
}

/* A type whose every choice in the proposal is weak; NULL: none. */
static const struct transform *weak_of(const struct proposal *p)
{
    for (size_t i = 0; i < p->transform_count; i++) {
        const struct transform *t = &p->transforms[i];
        bool is_only = is_weak(t);
        for (size_t j = 0; is_only && j < p->transform_count; j++)
            if (p->transforms[j].type == t->type && !is_weak(&p->transforms[j]))
                is_only = false;
        if (is_only)
            return t;
    }
    return NULL;
}

struct offer {
    size_t groups;  /* different ones */
    size_t ciphers; /* different ones */
    struct transform group, cipher;
    bool has_aead, has_classic, has_groupless;
    const struct transform *weak; /* of the last proposal */
    size_t weak_count;
};

static void note(size_t *count, struct transform *first, const struct transform *t)
{
    if (*count == 0)
        *first = *t;
    if (*count == 0 || first->id != t->id || first->key_bits != t->key_bits)
        (*count)++; /* two are enough to know that there is more than one */
}

static struct offer read_offer(const struct proposals *p)
{
    struct offer o = {0};
    for (size_t i = 0; i < p->count; i++) {
        bool has_group = false;
        for (size_t j = 0; j < p->at[i].transform_count; j++) {
            const struct transform *t = &p->at[i].transforms[j];
            if (t->type == TRANSFORM_KE && t->id != KE_NONE) {
                note(&o.groups, &o.group, t);
                has_group = true;
            } else if (t->type == TRANSFORM_ENCR) {
                note(&o.ciphers, &o.cipher, t);
                *(is_aead(t) ? &o.has_aead : &o.has_classic) = true;
            }
        }
        o.has_groupless = o.has_groupless || !has_group;
        const struct transform *weak = weak_of(&p->at[i]);
        if (weak == NULL)
            continue;
        o.weak = weak;
        o.weak_count++;
    }
    return o;
}

/* "one of our proposals: A, B" or "A, B" back into proposals; what cannot be read is left out. */
static void parse_offer(const char *text, uint8_t protocol, struct arena *a, struct proposals *out)
{
    const char *colon = strrchr(text, ':');
    if (colon != NULL)
        text = colon + 1;
    text += strspn(text, " ");
    while (*text != '\0') {
        size_t len = strcspn(text, ",");
        struct findings found = {.arena = a};
        struct proposals one = {0};
        if (policy_parse_proposals(span_of(text, len), protocol, a, &one, "", &found)) {
            struct proposal *all = arena_array(a, out->count + one.count, sizeof *all);
            if (all == NULL)
                return;
            if (out->count > 0)
                memcpy(all, out->at, out->count * sizeof *all);
            if (one.count > 0)
                memcpy(all + out->count, one.at, one.count * sizeof *all);
            out->at = all;
            out->count += one.count;
        }
        text += len;
        text += strspn(text, ", ");
    }
}

static void read_proposals(const struct finding *f, uint8_t protocol, struct arena *a,
                           struct facts *out)
{
    struct proposals p = {0};
    parse_offer(f->expected, protocol, a, &p);
    if (p.count == 0)
        return;
    struct offer o = read_offer(&p);
    if (o.groups > 0)
        out->bits |= FACT_PFS;
    if (o.groups == 1 && !o.has_groupless) {
        out->bits |= FACT_ONE_GROUP | (is_usual_group(o.group.id) ? 0 : FACT_RARE_GROUP);
        out->group = arena_text(a, "%s (group %u)", policy_transform_text(&o.group, a), o.group.id);
    }
    if (o.ciphers == 1)
        out->encr = policy_transform_text(&o.cipher, a);
    out->bits |= o.has_aead && !o.has_classic ? FACT_ONLY_AEAD : 0;
    out->bits |= o.has_classic && !o.has_aead ? FACT_ONLY_CLASSIC : 0;
    if (o.weak_count == p.count) {
        out->bits |= FACT_WEAK;
        out->weak = policy_transform_text(o.weak, a);
    }
    if (o.has_aead && o.has_classic && (protocol == PROTOCOL_ESP || o.groups > 1))
        out->bits |= FACT_BROAD;
}

static bool is_about_proposals(enum cause cause, uint8_t *protocol)
{
    switch ((int)cause) {
    case CAUSE_IKE_PEER_REFUSED_PROPOSAL:
    case CAUSE_IKE_REKEY_REFUSED:
        *protocol = PROTOCOL_IKE;
        return true;
    case CAUSE_CHILD_PEER_REFUSED_PROPOSAL:
    case CAUSE_CHILD_REKEY_REFUSED:
        *protocol = PROTOCOL_ESP;
        return true;
    }
    return false;
}

void diagnose_facts(const struct record *r, const struct finding *f, struct arena *a,
                    struct facts *out)
{
    uint8_t protocol;
    bool has_local = r->local.family != FAMILY_NONE, has_peer = r->remote.family != FAMILY_NONE;
    *out = (struct facts){.group = "", .encr = "", .weak = "", .size = "", .local_id = ""};
    out->local = has_local ? address_text(a, &r->local) : "our address";
    out->peer = has_peer ? address_text(a, &r->remote) : "the peer";
    if (r->local_id != NULL)
        out->local_id = r->local_id;

    uint32_t *bits = &out->bits;
    const struct trail_entry *last = read_trail(r, bits);
    if (last != NULL) {
        out->size = arena_text(a, "%u", last->size);
        *bits |= last->size >= BIG_MESSAGE ? FACT_BIG : 0;
    }
    *bits |= r->is_initiator ? FACT_INITIATOR : 0;
    *bits |= has_peer && r->remote.port == 4500 ? FACT_PORT_4500 : 0;
    *bits |= r->has_nat_here ? FACT_NAT_HERE : 0;
    *bits |= r->has_nat_there ? FACT_NAT_THERE : 0;
    *bits |= is_private(&r->local) ? FACT_LOCAL_PRIVATE : 0;
    *bits |= is_private(&r->remote) ? FACT_PEER_PRIVATE : 0;
    *bits |= has_local && has_peer && address_same_host(&r->local, &r->remote) ? FACT_SELF : 0;
    *bits |= read_path_error(r);
    if (r->local_id != NULL && is_address_text(r->local_id))
        *bits |= FACT_OWN_ADDRESS_ID;
    *bits |= is_address_text(f->seen) ? FACT_SEEN_ADDRESS : 0;
    *bits |= is_address_text(f->expected) ? FACT_EXPECTED_ADDRESS : 0;
    if (f->evidence.has_message && f->evidence.exchange == EXCHANGE_INFORMATIONAL)
        *bits |= FACT_AFTERWARDS;
    *bits |= r->kind == RECORD_IKE ? FACT_FIRST_CHILD : 0;
    *bits |= strstr(f->expected, "dynamic") != NULL ? FACT_DYNAMIC : 0;
    if (is_about_proposals(f->cause, &protocol))
        read_proposals(f, protocol, a, out);
}
