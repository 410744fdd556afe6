/* ikebana explain: what a number, a name or a cause means.
 *
 * finding_explain() finds every reading of the input and gathers what is known about it; the text
 * and the JSON of the command are renderings of the struct. All but the arrays and `asked` is
 * static data. */
#ifndef IKEBANA_FINDING_EXPLAIN_H
#define IKEBANA_FINDING_EXPLAIN_H

#include "finding/finding.h"
#include "finding/tables.h"

struct explanation {
    const char *asked; /* escaped */
    bool is_known;     /* at least one of the four readings below */

    struct ikebana_match status; /* .status NULL: not a status */
    const struct cause_row *cause;
    const struct finding_notify *notify;
    const struct finding_wire_status *wire; /* the notify carries a status */
    const struct finding_ras *ras;
    /* The status was not asked for by itself; it is the reason of the cause, or the likely status
     * behind the RAS error. */
    bool is_status_derived;

    const struct cause_row **causes; /* ours that report this status, or send this notify */
    size_t cause_count;
    const struct finding_case **cases; /* when a notify or event is reported as this status */
    size_t case_count;
    const struct finding_ras **ras_alike; /* dial-up errors that may stand for this status */
    size_t ras_alike_count;

    const char **near; /* not known: what may have been meant, best first */
    size_t near_count;
};

/* what: decimal, hex, HRESULT, symbol, alias, message text, cause id, IKEv2 notify (name or
 * number), RAS error. The arrays live in the arena. Returns is_known. */
bool finding_explain(const char *what, struct arena *a, struct explanation *out);

/* The whole text that `ikebana explain` prints, at most 100 columns wide. Never NULL. */
const char *finding_explain_text(const struct explanation *e, struct arena *a);

#endif
