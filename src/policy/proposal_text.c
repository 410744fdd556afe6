/* Proposals as people write them. What is printed can be pasted into swanctl.conf.
 *
 * Order: encryption, integrity, PRF, key exchange, sequence numbers. PRFs that only repeat the
 * hashes of the integrity algorithms are not printed, nor is noesn alone: the parser adds both.
 */
#include "policy/keywords.h"
#include "policy/line.h"

enum { PROPOSAL_TEXT_MAX = 1000, PROPOSALS_TEXT_MAX = 3000 };

const char *policy_transform_text(const struct transform *t, struct arena *a)
{
    bool is_additional = t->type >= TRANSFORM_ADDKE1 && t->type <= TRANSFORM_ADDKE7;
    const struct keyword *k =
        policy_keyword_of(is_additional ? (uint8_t)TRANSFORM_KE : t->type, t->id, t->key_bits);
    const char *odd = t->is_odd ? "(with an unknown attribute)" : "";
    if (t->type == TRANSFORM_INTEG && t->id == INTEG_NONE)
        return arena_text(a, "none%s", odd);
    if (is_additional && k != NULL)
        return arena_text(a, "ke%d_%s%s", t->type - TRANSFORM_ADDKE1 + 1, k->word, odd);
    if (k != NULL)
        return t->is_odd ? arena_text(a, "%s%s", k->word, odd) : k->word;

    const char *name = wire_transform_name(t->type, t->id, a);
    if (t->type < TRANSFORM_ENCR || t->type > TRANSFORM_SN)
        return arena_text(a, "type%u:%s%s", t->type, name, odd);
    if (t->key_bits != 0)
        return arena_text(a, "%s/%u%s", name, t->key_bits, odd);
    return t->is_odd ? arena_text(a, "%s%s", name, odd) : name;
}

static bool has(const struct proposal *p, uint8_t type, uint16_t id)
{
    for (size_t i = 0; i < p->transform_count; i++)
        if (p->transforms[i].type == type && p->transforms[i].id == id)
            return true;
    return false;
}

static size_t count_of(const struct proposal *p, uint8_t type)
{
    size_t n = 0;
    for (size_t i = 0; i < p->transform_count; i++)
        n += p->transforms[i].type == type;
    return n;
}

/* The PRFs are exactly those that the parser would derive. */
static bool prf_goes_without_saying(const struct proposal *p)
{
    if (count_of(p, TRANSFORM_PRF) != count_of(p, TRANSFORM_INTEG))
        return false;
    for (size_t i = 0; i < p->transform_count; i++) {
        if (p->transforms[i].type != TRANSFORM_INTEG)
            continue;
        uint16_t prf = policy_prf_of_integ(p->transforms[i].id);
        if (prf == 0 || !has(p, TRANSFORM_PRF, prf))
            return false;
    }
    return true;
}

static bool is_said(const struct proposal *p, const struct transform *t)
{
    if (t->type == TRANSFORM_PRF)
        return !prf_goes_without_saying(p);
    if (t->type == TRANSFORM_SN && t->id == SN_32_BIT_SEQUENTIAL)
        return count_of(p, TRANSFORM_SN) != 1;
    return true;
}

static bool has_place(uint8_t type)
{
    return type >= TRANSFORM_ENCR && type <= TRANSFORM_SN;
}

const char *policy_proposal_text(const struct proposal *p, struct arena *a)
{
    static const uint8_t order[] = {TRANSFORM_ENCR, TRANSFORM_INTEG, TRANSFORM_PRF, TRANSFORM_KE,
                                    TRANSFORM_SN};
    struct line l = line_new(a, PROPOSAL_TEXT_MAX);
    for (size_t o = 0; o < sizeof order; o++)
        for (size_t i = 0; i < p->transform_count && !l.is_cut; i++)
            if (p->transforms[i].type == order[o] && is_said(p, &p->transforms[i]))
                line_add(&l, "-", policy_transform_text(&p->transforms[i], a));
    for (size_t i = 0; i < p->transform_count && !l.is_cut; i++)
        if (!has_place(p->transforms[i].type))
            line_add(&l, "-", policy_transform_text(&p->transforms[i], a));
    return l.len == 0 ? "(empty)" : line_text(&l);
}

const char *policy_proposals_text(const struct proposals *p, struct arena *a)
{
    struct line l = line_new(a, PROPOSALS_TEXT_MAX);
    for (size_t i = 0; i < p->count && !l.is_cut; i++)
        line_add(&l, ", ", policy_proposal_text(&p->at[i], a));
    return line_text(&l);
}

const char *policy_suite_text(const struct suite *s, uint8_t protocol, struct arena *a)
{
    struct proposal p;
    policy_suite_proposal(s, protocol, (struct span){NULL, 0}, a, &p);
    return policy_proposal_text(&p, a);
}
