/* A list that grows in the arena of whoever reads, and is bounded. */
#include "finding/finding.h"
#include "policy/policy.h"

static struct finding *grow(struct findings *found)
{
    size_t room = found->room == 0 ? 8 : found->room * 2;
    struct finding *at = arena_array(found->arena, room, sizeof *at);
    if (at == NULL)
        return NULL;
    if (found->count > 0)
        memcpy(at, found->at, found->count * sizeof *at);
    found->at = at;
    found->room = room;
    return at;
}

struct finding *findings_add(struct findings *found, enum cause cause)
{
    struct finding f;
    finding_set(&f, cause);
    struct finding *row = &found->spare;
    if (found->count < FINDINGS_MAX) {
        if (found->count == found->room && grow(found) == NULL)
            found->is_lost = true;
        else
            row = &found->at[found->count++];
    } else if (ikebana_cause_row(cause)->severity == SEVERITY_FAILURE) {
        row = &found->at[FINDINGS_MAX - 1];
    }
    *row = f;
    return row;
}

bool findings_have_failure(const struct findings *found)
{
    for (size_t i = 0; i < found->count; i++) {
        if (ikebana_cause_row(found->at[i].cause)->severity == SEVERITY_FAILURE)
            return true;
    }
    return found->is_lost;
}
