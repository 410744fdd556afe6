/* A child that our late answer will teach us. The peer has made it, we have asked for it and do not
 * know yet: its answer is lost or was overtaken. What the peer says about its SPI meanwhile is
 * about a child that exists, though not here (data/spec/collisions.md, "Still silent"):
 *
 * - it closes it: remembered, and the child counts as closed when the answer comes;
 * - it rekeys it: it is asked to come again (TEMPORARY_FAILURE): CHILD_SA_NOT_FOUND is final, and
 *   would make it drop a child that we are about to have.
 *
 * A hostile peer can name SPIs that never come: few are kept, the oldest goes first. */
#include "ike2/inside.h"

bool late_may_teach(const struct ike_sa *sa)
{
    return task_of_kind(sa, TASK_CREATE_CHILD) != NULL ||
           task_of_kind(sa, TASK_REKEY_CHILD) != NULL;
}

void late_note_close(struct ike_sa *sa, uint32_t spi_out)
{
    if (!late_may_teach(sa) || late_is_closed(sa, spi_out))
        return;
    sa->late_closed[sa->late_closed_next] = spi_out;
    sa->late_closed_next = (uint8_t)((sa->late_closed_next + 1) % LATE_CLOSED_MAX);
}

bool late_is_closed(const struct ike_sa *sa, uint32_t spi_out)
{
    for (size_t i = 0; i < LATE_CLOSED_MAX; i++)
        if (sa->late_closed[i] == spi_out)
            return spi_out != 0;
    return false;
}

void late_forget(struct ike_sa *sa)
{
    if (!late_may_teach(sa))
        memset(sa->late_closed, 0, sizeof sa->late_closed);
}
