/* Which word was meant: for names that nobody knows. */
#ifndef IKEBANA_EDGE_NEAREST_H
#define IKEBANA_EDGE_NEAREST_H

#include "base/arena.h"

/* How many letters must be changed, added, removed or swapped with their neighbour; long words are
 * cut. */
size_t nearest_distance(const char *x, const char *y);
/* The closest of count words, if it is close enough to be a slip of the fingers; else NULL. */
const char *nearest_word(const char *word, const char *const *words, size_t count);
/* "office, lab, home": the closest first, at most max of them, "…" behind a cut. Sorts words. */
const char *nearest_list(const char *word, const char **words, size_t count, size_t max,
                         struct arena *a);

#endif
