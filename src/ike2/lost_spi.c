/* INVALID_SPI in clear: a peer, or anybody who has seen our ESP, says that an SA is not known
 * there. RFC 7296 1.5, 2.21.4: a hint that something might be wrong, never answered. It costs the
 * SA nothing but a sign of life that is asked for now and not after dpd_delay, twice a minute at
 * most. */
#include "ike2/inside.h"

enum { HINT_S = 30 };

void ike2_on_hint(struct world *w, const struct address *remote, uint32_t spi)
{
    for (struct ike_sa *sa = world_sa_after(w, 0); sa != NULL; sa = world_sa_after(w, sa->id)) {
        if (sa->state != SA_UP || !address_same_host(&sa->path.remote, remote) ||
            child_by_spi_out(sa, spi) == NULL)
            continue;
        if (!instant_reached(sa->hint_again, w->step.now))
            return;
        sa->hint_again = instant_after_s(w->step.now, HINT_S);
        struct finding why;
        finding_set(&why, CAUSE_ESP_PEER_LOST_SPI);
        why.phase = PHASE_ESTABLISHED;
        why.notify = NOTIFY_INVALID_SPI;
        why.expected = "that the peer knows the SPI that we send with";
        why.seen = arena_text(&w->arena, "INVALID_SPI for %08x, without seal, from %s", spi,
                              address_port_text(&w->arena, remote));
        why.confidence = 30;
        ike2_refused(w, sa, NULL, &why);
        exchange_wish(w, sa, (struct wish){.kind = WISH_LIVENESS, .not_before = w->step.now});
        exchange_next(w, sa);
        return;
    }
}
