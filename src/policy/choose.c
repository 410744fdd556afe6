/* Choosing a proposal, and checking what was chosen. RFC 7296 2.7, 3.3; RFC 5282 8.
 *
 * One function compares a proposal of ours with one of theirs, type by type, and either gives the
 * suite or the types that have nothing in common. Choosing walks all pairs in the order of the
 * side that is preferred; checking an answer compares it with the one proposal that it names.
 */
#include "finding/finding.h"
#include "policy/keywords.h"
#include "policy/line.h"

/* What a pair of proposals lacks; a bit for each type, 1 << type (types above 15: bit 15). */
struct lack {
    uint32_t types;
    bool has_foreign;   /* a transform type that we do not know and that is not optional */
    uint8_t foreign;    /* that type */
    bool is_other_kind; /* AEAD against classic: further apart than two ciphers of one kind */
};

struct pair {
    const struct proposal *prefer, *other;
    uint8_t protocol;
    bool ke_matters;
    uint16_t wanted_ke;
};

static bool has_type(const struct proposal *p, uint8_t type)
{
    for (size_t i = 0; i < p->transform_count; i++)
        if (p->transforms[i].type == type)
            return true;
    return false;
}

/* A missing type stands for its zero: no integrity, no key exchange, 32-bit numbers. */
static bool has_transform(const struct proposal *p, uint8_t type, uint16_t id, uint16_t key_bits)
{
    for (size_t i = 0; i < p->transform_count; i++) {
        const struct transform *t = &p->transforms[i];
        if (t->type == type && t->id == id && t->key_bits == key_bits && !t->is_odd)
            return true;
    }
    return id == 0 && type != TRANSFORM_ENCR && type != TRANSFORM_PRF && !has_type(p, type);
}

/* The first transform of a type that both have and that crypto serves. needs_real: 0 (NONE) does
 * not count. */
static bool common(const struct pair *x, uint8_t type, bool needs_real, uint16_t *id)
{
    for (size_t i = 0; i < x->prefer->transform_count; i++) {
        const struct transform *t = &x->prefer->transforms[i];
        if (t->type != type || (needs_real && t->id == 0) ||
            !policy_transform_is_served(t, x->protocol) ||
            !has_transform(x->other, type, t->id, t->key_bits))
            continue;
        *id = t->id;
        return true;
    }
    *id = 0;
    return !needs_real && has_transform(x->prefer, type, 0, 0) &&
           has_transform(x->other, type, 0, 0);
}

/* Encryption and integrity go together: an AEAD cipher with no integrity, any other with one. */
static uint32_t choose_cipher(const struct pair *x, struct suite *out, bool *is_other_kind)
{
    uint16_t integ = 0;
    bool has_integ = common(x, TRANSFORM_INTEG, true, &integ);
    bool has_none = has_transform(x->prefer, TRANSFORM_INTEG, INTEG_NONE, 0) &&
                    has_transform(x->other, TRANSFORM_INTEG, INTEG_NONE, 0);
    bool has_encr = false;

    for (size_t i = 0; i < x->prefer->transform_count; i++) {
        const struct transform *t = &x->prefer->transforms[i];
        if (t->type != TRANSFORM_ENCR || !policy_transform_is_served(t, x->protocol) ||
            !has_transform(x->other, TRANSFORM_ENCR, t->id, t->key_bits))
            continue;
        has_encr = true;
        bool is_aead = policy_transform_is_aead(t);
        if (is_aead ? !has_none : !has_integ)
            continue;
        out->encr = t->id;
        out->encr_bits = t->key_bits;
        out->integ = is_aead ? INTEG_NONE : integ;
        return 0;
    }
    /* AEAD against classic: the integrity algorithms differ only because the ciphers do. */
    if (has_encr)
        return 1u << TRANSFORM_INTEG;
    bool both_have = has_type(x->prefer, TRANSFORM_INTEG) && has_type(x->other, TRANSFORM_INTEG);
    *is_other_kind = has_type(x->prefer, TRANSFORM_INTEG) != has_type(x->other, TRANSFORM_INTEG);
    return 1u << TRANSFORM_ENCR |
           (both_have && !has_integ && !has_none ? 1u << TRANSFORM_INTEG : 0);
}

static bool choose_group(const struct pair *x, struct suite *out)
{
    if (x->protocol != PROTOCOL_IKE && !x->ke_matters)
        return true;
    struct transform wanted = {TRANSFORM_KE, x->wanted_ke, 0, false};
    if (x->wanted_ke != KE_NONE && policy_transform_is_served(&wanted, x->protocol) &&
        has_transform(x->prefer, TRANSFORM_KE, x->wanted_ke, 0) &&
        has_transform(x->other, TRANSFORM_KE, x->wanted_ke, 0)) {
        out->ke = x->wanted_ke;
        return true;
    }
    return common(x, TRANSFORM_KE, x->protocol == PROTOCOL_IKE, &out->ke);
}

/* RFC 7296 3.3.6: a transform type that is not known makes a proposal unacceptable, unless NONE is
 * among its choices (RFC 9370 2.1: additional key exchanges are then optional). */
static bool has_foreign(const struct pair *x, const struct proposal *p, uint8_t *type)
{
    uint32_t optional = 0; /* bits of the additional key exchanges that may be left out */
    for (size_t i = 0; i < p->transform_count; i++) {
        const struct transform *t = &p->transforms[i];
        bool is_additional = t->type >= TRANSFORM_ADDKE1 && t->type <= TRANSFORM_ADDKE7;
        if (is_additional && (!x->ke_matters || (t->id == KE_NONE && !t->is_odd)))
            optional |= 1u << t->type;
    }
    for (size_t i = 0; i < p->transform_count; i++) {
        *type = p->transforms[i].type;
        bool is_known = *type >= TRANSFORM_ENCR && *type <= TRANSFORM_SN;
        if (!is_known && (*type > TRANSFORM_ADDKE7 || (optional & 1u << *type) == 0))
            return true;
    }
    return false;
}

/* What of the pair's types has nothing in common. Nothing: out is the suite. */
static struct lack compare(const struct pair *x, struct suite *out)
{
    struct lack lack = {0};
    *out = (struct suite){0};
    if (x->protocol != PROTOCOL_AH)
        lack.types |= choose_cipher(x, out, &lack.is_other_kind);
    else if (!common(x, TRANSFORM_INTEG, true, &out->integ))
        lack.types |= 1u << TRANSFORM_INTEG;
    if (x->protocol == PROTOCOL_IKE && !common(x, TRANSFORM_PRF, true, &out->prf))
        lack.types |= 1u << TRANSFORM_PRF;
    if (!choose_group(x, out))
        lack.types |= 1u << TRANSFORM_KE;
    if (x->protocol != PROTOCOL_IKE) {
        uint16_t sn = 0;
        if (!common(x, TRANSFORM_SN, false, &sn))
            lack.types |= 1u << TRANSFORM_SN;
        out->esn = sn == SN_64_BIT_SEQUENTIAL;
    }
    lack.has_foreign =
        has_foreign(x, x->prefer, &lack.foreign) || has_foreign(x, x->other, &lack.foreign);
    if (lack.has_foreign)
        lack.types |= 1u << 15;
    return lack;
}

/* ---- why not ---- */

static unsigned count_bits(uint32_t v)
{
    unsigned n = 0;
    for (; v != 0; v &= v - 1)
        n++;
    return n;
}

static unsigned distance(const struct lack *lack)
{
    return 2 * count_bits(lack->types) + (lack->is_other_kind ? 1 : 0);
}

static const char *type_name(uint8_t type)
{
    switch (type) {
    case TRANSFORM_ENCR:
        return "encryption";
    case TRANSFORM_PRF:
        return "PRF";
    case TRANSFORM_INTEG:
        return "integrity";
    case TRANSFORM_KE:
        return "key exchange";
    case TRANSFORM_SN:
        return "sequence numbers";
    }
    return "additional transforms";
}

static const char *transforms_text(const struct proposal *p, uint8_t type, struct arena *a)
{
    struct line l = line_new(a, 300);
    for (size_t i = 0; i < p->transform_count; i++)
        if (p->transforms[i].type == type)
            line_add(&l, " ", policy_transform_text(&p->transforms[i], a));
    return l.len > 0 ? line_text(&l) : type == TRANSFORM_SN ? "noesn" : "none";
}

static const char *type_differs(const char *text, const struct proposal *ours,
                                const struct proposal *theirs, uint8_t type, struct arena *a)
{
    return arena_text(a, "%s%s%s: ours %s, theirs %s", text, text[0] == '\0' ? "" : "; ",
                      type_name(type), transforms_text(ours, type, a),
                      transforms_text(theirs, type, a));
}

static const char *differs_text(const struct proposal *ours, const struct proposal *theirs,
                                struct lack lack, struct arena *a)
{
    const char *text = "";
    for (uint8_t type = TRANSFORM_ENCR; type <= TRANSFORM_SN; type++)
        if ((lack.types & 1u << type) != 0)
            text = type_differs(text, ours, theirs, type, a);
    if (lack.has_foreign)
        text = type_differs(text, ours, theirs, lack.foreign, a);
    return text;
}

static const char *protocol_name(uint8_t protocol, struct arena *a)
{
    return protocol == PROTOCOL_IKE   ? "IKE"
           : protocol == PROTOCOL_ESP ? "ESP"
           : protocol == PROTOCOL_AH  ? "AH"
                                      : arena_text(a, "protocol %u", protocol);
}

static bool refuse(struct finding *why, enum cause cause, const struct proposals *ours,
                   const struct proposals *theirs, const char *nearest, struct arena *a)
{
    finding_set(why, cause);
    why->expected = policy_proposals_text(ours, a);
    why->seen = policy_proposals_text(theirs, a);
    why->nearest = nearest;
    return false;
}

static const char *no_pair_text(const struct proposals *offered, const struct proposals *ours,
                                uint8_t protocol, struct arena *a)
{
    if (offered->count == 0)
        return "the peer offers no proposal at all";
    for (size_t i = 0; i < ours->count; i++)
        if (ours->at[i].protocol == protocol)
            return arena_text(a, "the peer offers only %s, we need %s",
                              protocol_name(offered->at[0].protocol, a),
                              protocol_name(protocol, a));
    return arena_text(a, "we have no proposal for %s", protocol_name(protocol, a));
}

/* ---- the choice ---- */

bool policy_choose_proposal(const struct proposals *offered, const struct proposals *ours,
                            uint8_t protocol, bool ke_matters, uint16_t wanted_ke, enum cause cause,
                            struct arena *a, struct suite *out, struct finding *why)
{
    const struct proposal *near_ours = NULL, *near_theirs = NULL;
    struct lack least = {0};

    for (size_t i = 0; i < ours->count; i++) {
        for (size_t j = 0; j < offered->count; j++) {
            if (ours->at[i].protocol != protocol || offered->at[j].protocol != protocol)
                continue;
            struct pair x = {&ours->at[i], &offered->at[j], protocol, ke_matters, wanted_ke};
            struct lack lack = compare(&x, out);
            if (lack.types == 0) {
                out->proposal_number = offered->at[j].number;
                return true;
            }
            if (near_ours == NULL || distance(&lack) < distance(&least)) {
                least = lack;
                near_ours = x.prefer;
                near_theirs = x.other;
            }
        }
    }
    *out = (struct suite){0};
    if (near_ours == NULL)
        return refuse(why, cause, ours, offered, no_pair_text(offered, ours, protocol, a), a);
    return refuse(why, cause, ours, offered,
                  arena_text(a, "the peer's proposal %u and our proposal %zu differ only in %s",
                             near_theirs->number, (size_t)(near_ours - ours->at) + 1,
                             differs_text(near_ours, near_theirs, least, a)),
                  a);
}

static uint8_t repeated_type(const struct proposal *p)
{
    for (size_t i = 0; i < p->transform_count; i++)
        for (size_t j = i + 1; j < p->transform_count; j++)
            if (p->transforms[i].type == p->transforms[j].type)
                return p->transforms[i].type;
    return 0;
}

bool policy_check_chosen(const struct proposals *answer, const struct proposals *offered,
                         uint8_t protocol, bool ke_matters, enum cause cause, struct arena *a,
                         struct suite *out, struct finding *why)
{
    *out = (struct suite){0};
    if (answer->count != 1)
        return refuse(why, cause, offered, answer,
                      arena_text(a, "the answer holds %zu proposals instead of one", answer->count),
                      a);
    const struct proposal *chosen = &answer->at[0], *of = NULL;
    if (chosen->protocol != protocol)
        return refuse(why, cause, offered, answer,
                      arena_text(a, "the answer is for %s, we offered %s",
                                 protocol_name(chosen->protocol, a), protocol_name(protocol, a)),
                      a);
    for (size_t i = 0; i < offered->count; i++)
        if (offered->at[i].number == chosen->number && offered->at[i].protocol == protocol)
            of = &offered->at[i];
    if (of == NULL)
        return refuse(
            why, cause, offered, answer,
            arena_text(a, "the answer names proposal %u, which we did not send", chosen->number),
            a);
    uint8_t repeated = repeated_type(chosen);
    if (repeated != 0)
        return refuse(why, cause, offered, answer,
                      arena_text(a, "the answer has more than one choice for %s (%s)",
                                 type_name(repeated), transforms_text(chosen, repeated, a)),
                      a);

    struct pair x = {chosen, of, protocol, ke_matters, KE_NONE};
    struct suite suite;
    struct lack lack = compare(&x, &suite);
    if (lack.types != 0)
        return refuse(why, cause, offered, answer,
                      arena_text(a, "against our proposal %u: %s", of->number,
                                 differs_text(of, chosen, lack, a)),
                      a);
    /* What compare() does not look for: a transform too many, an attribute that we did not send. */
    for (size_t i = 0; i < chosen->transform_count; i++) {
        const struct transform *t = &chosen->transforms[i];
        bool is_ours = has_transform(of, t->type, t->id, t->key_bits) &&
                       (ke_matters || t->type != TRANSFORM_KE || t->id == KE_NONE);
        if (t->is_odd || !is_ours)
            return refuse(why, cause, offered, answer,
                          arena_text(a, "the answer has %s (%s)%s, which our proposal %u has not",
                                     policy_transform_text(t, a), type_name(t->type),
                                     t->is_odd ? " with an attribute of its own" : "", of->number),
                          a);
    }
    *out = suite;
    out->proposal_number = chosen->number;
    return true;
}

/* ---- making proposals ---- */

void policy_suite_proposal(const struct suite *s, uint8_t protocol, struct span spi,
                           struct arena *a, struct proposal *out)
{
    enum { TYPES = 5 };
    *out = (struct proposal){.number = s->proposal_number, .protocol = protocol, .spi = spi};
    out->transforms = arena_array(a, TYPES, sizeof *out->transforms);
    if (out->transforms == NULL)
        return;
    struct transform *t = out->transforms;
    if (protocol != PROTOCOL_AH)
        *t++ = (struct transform){TRANSFORM_ENCR, s->encr, s->encr_bits, false};
    if (protocol == PROTOCOL_IKE)
        *t++ = (struct transform){TRANSFORM_PRF, s->prf, 0, false};
    if (s->integ != INTEG_NONE)
        *t++ = (struct transform){TRANSFORM_INTEG, s->integ, 0, false};
    if (s->ke != KE_NONE)
        *t++ = (struct transform){TRANSFORM_KE, s->ke, 0, false};
    if (protocol != PROTOCOL_IKE)
        *t++ = (struct transform){TRANSFORM_SN,
                                  s->esn ? SN_64_BIT_SEQUENTIAL : SN_32_BIT_SEQUENTIAL, 0, false};
    out->transform_count = (size_t)(t - out->transforms);
}

bool policy_offers_group(const struct proposals *p, uint16_t group)
{
    for (size_t i = 0; i < p->count; i++)
        for (size_t j = 0; j < p->at[i].transform_count; j++)
            if (p->at[i].transforms[j].type == TRANSFORM_KE && p->at[i].transforms[j].id == group &&
                group != KE_NONE)
                return true;
    return false;
}

uint16_t policy_first_group(const struct proposals *p)
{
    for (size_t i = 0; i < p->count; i++)
        for (size_t j = 0; j < p->at[i].transform_count; j++)
            if (p->at[i].transforms[j].type == TRANSFORM_KE && p->at[i].transforms[j].id != KE_NONE)
                return p->at[i].transforms[j].id;
    return KE_NONE;
}

static bool is_ke(const struct transform *t)
{
    return t->type == TRANSFORM_KE || (t->type >= TRANSFORM_ADDKE1 && t->type <= TRANSFORM_ADDKE7);
}

bool policy_copy_proposals(const struct proposals *p, struct span spi, bool with_ke,
                           struct arena *a, struct proposals *out)
{
    out->count = 0;
    out->at = arena_array(a, p->count, sizeof *out->at);
    if (out->at == NULL)
        return false;
    for (size_t i = 0; i < p->count; i++) {
        const struct proposal *from = &p->at[i];
        struct proposal *to = &out->at[i];
        *to = *from;
        to->number = (uint8_t)(i + 1);
        to->spi = spi;
        to->transform_count = 0;
        to->transforms = arena_array(a, from->transform_count, sizeof *to->transforms);
        if (to->transforms == NULL)
            return false;
        for (size_t j = 0; j < from->transform_count; j++)
            if (with_ke || !is_ke(&from->transforms[j]))
                to->transforms[to->transform_count++] = from->transforms[j];
    }
    out->count = p->count;
    return true;
}
