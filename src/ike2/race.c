#include "ike2/race.h"

static struct span lower(struct span a, struct span b)
{
    return span_compare(a, b) <= 0 ? a : b;
}

enum race_end race_settle(const struct race *r)
{
    struct span ours = lower(r->ours_i, r->ours_r);
    struct span theirs = lower(r->theirs_i, r->theirs_r);
    return span_compare(ours, theirs) < 0 ? RACE_THEIRS_SURVIVES : RACE_OURS_SURVIVES;
}
