/* Making findings. The type and the cause table are public: <ikebana/finding.h>. */
#ifndef IKEBANA_FINDING_FINDING_H
#define IKEBANA_FINDING_FINDING_H

#include <ikebana/finding.h>
#include <ikebana/status.h>

#include "base/arena.h"

/* All fields from the cause's row, strings "", confidence 100. */
void finding_set(struct finding *f, enum cause cause);

/* A copy whose strings live in the arena. */
bool finding_copy(const struct finding *f, struct arena *a, struct finding *out);

/* One heap block for the finding and its strings: free() it. */
struct finding *finding_dup(const struct finding *f);

#endif
