/* The words of proposals, generated from data/spec/proposal-keywords.tsv. */
#ifndef IKEBANA_POLICY_KEYWORDS_H
#define IKEBANA_POLICY_KEYWORDS_H

#include "policy/policy.h"

enum { KEYWORD_IKE = 1, KEYWORD_ESP = 2, KEYWORD_AH = 4 };

struct keyword {
    const char *word;
    uint8_t type; /* TRANSFORM_… */
    uint16_t id;
    uint16_t key_bits;
    uint8_t protocols; /* KEYWORD_IKE | … */
    bool is_name;      /* the word under which the transform is printed */
    bool is_gone;      /* strongSwan had it until 5.9.14 */
};

extern const struct keyword policy_keywords[];
extern const size_t policy_keyword_count;

/* NULL: no such word. */
const struct keyword *policy_keyword_find(struct span word);
/* NULL: the transform has no word. */
const struct keyword *policy_keyword_of(uint8_t type, uint16_t id, uint16_t key_bits);
/* The word that is spelled most alike; NULL when none is near. */
const struct keyword *policy_keyword_nearest(struct span word);

/* default.c: the texts that "default" stands for, NULL at the end. */
const char *const *policy_default_proposals(uint8_t protocol);

/* proposal.c: does crypto serve it in this protocol? NONE of INTEG and KE, and both SN, count as
 * served. */
bool policy_transform_is_served(const struct transform *t, uint8_t protocol);
/* An AEAD cipher, or GMAC: no integrity algorithm goes with it. */
bool policy_transform_is_aead(const struct transform *t);
/* The PRF of an integrity algorithm's hash, as charon derives it; 0 = none. */
uint16_t policy_prf_of_integ(uint16_t integ);

#endif
