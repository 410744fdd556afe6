/* What makes two things that should be equal differ, in words. Room-internal. */
#ifndef IKEBANA_DIAGNOSE_COMPARE_H
#define IKEBANA_DIAGNOSE_COMPARE_H

#include "base/arena.h"
#include "step/record.h"

/* Two identities as text: "they differ only in upper and lower case", "the second has a blank at
 * its end". "" = nothing that is worth a sentence. */
const char *diagnose_compare_identities(const char *expected, const char *seen, struct arena *a);

/* Two lists of items with ", " between them: "missing: 10.2.0.0/16", "A instead of B". "" = the
 * same items, or one item each. */
const char *diagnose_compare_lists(const char *expected, const char *seen, struct arena *a);

/* What of the finding's expected and seen differs, where its cause is about identities or
 * selectors. "" = the finding says it all. */
const char *diagnose_difference(const struct finding *f, struct arena *a);

#endif
