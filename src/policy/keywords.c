/* Looking words up, both ways. The table is short and read only while configuration is read or a
 * finding is written, so it is walked. */
#include "policy/keywords.h"
#include "policy/scan.h"

const struct keyword *policy_keyword_find(struct span word)
{
    for (size_t i = 0; i < policy_keyword_count; i++)
        if (span_is(word, policy_keywords[i].word))
            return &policy_keywords[i];
    return NULL;
}

const struct keyword *policy_keyword_of(uint8_t type, uint16_t id, uint16_t key_bits)
{
    for (size_t i = 0; i < policy_keyword_count; i++) {
        const struct keyword *k = &policy_keywords[i];
        if (k->is_name && k->type == type && k->id == id && k->key_bits == key_bits)
            return k;
    }
    return NULL;
}

enum { WORD_MAX = 32 };

/* Levenshtein's distance, case ignored; both at most WORD_MAX long. */
static size_t distance(struct span x, struct span y)
{
    size_t row[WORD_MAX + 1];
    for (size_t j = 0; j <= y.len; j++)
        row[j] = j;
    for (size_t i = 0; i < x.len; i++) {
        size_t diagonal = row[0];
        row[0] = i + 1;
        for (size_t j = 0; j < y.len; j++) {
            size_t best = diagonal + (scan_lower(x.at[i]) == y.at[j] ? 0 : 1);
            if (row[j] + 1 < best)
                best = row[j] + 1;
            diagonal = row[j + 1];
            if (diagonal + 1 < best)
                best = diagonal + 1;
            row[j + 1] = best;
        }
    }
    return row[y.len];
}

const struct keyword *policy_keyword_nearest(struct span word)
{
    const struct keyword *nearest = NULL;
    size_t least = 3; /* more than two slips: another word */
    if (word.len == 0 || word.len > WORD_MAX)
        return NULL;
    for (size_t i = 0; i < policy_keyword_count; i++) {
        if (policy_keywords[i].is_gone || strlen(policy_keywords[i].word) > WORD_MAX)
            continue;
        size_t d = distance(word, span_text(policy_keywords[i].word));
        if (d < least) {
            least = d;
            nearest = &policy_keywords[i];
        }
    }
    return nearest;
}
