/* A finding: why something was refused, given up or doubted.
 *
 * Every refusal in ikebana is one of these; log lines, command output and events are rendered from
 * it. A finding names a cause (a row of the cause table: sentence, status, fix), the parameter at
 * fault in swanctl.conf terms, what was expected there and what was seen, and the evidence.
 *
 * Strings are UTF-8, never NULL after finding_set() ("" = not known), and belong to whoever made
 * the finding: copy what must outlive it. Text that a peer made is escaped already. */
#ifndef IKEBANA_FINDING_H
#define IKEBANA_FINDING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <ikebana/api.h>
#include <ikebana/causes.h> /* enum cause, CAUSE_COUNT; generated from the cause table */

#ifdef __cplusplus
extern "C" {
#endif

enum severity { SEVERITY_NOTICE, SEVERITY_WARNING, SEVERITY_FAILURE };

/* Where the fault lies, as far as this side can tell. */
enum side { SIDE_UNKNOWN, SIDE_OURS, SIDE_PEER, SIDE_BOTH, SIDE_PATH };

/* How far the negotiation had come: decides the status (see ikebana_finding_status()). */
enum phase {
    PHASE_NONE,        /* no negotiation: configuration, commands */
    PHASE_IKE_SA_INIT, /* also main mode, aggressive mode */
    PHASE_IKE_AUTH,    /* up to the authentication of the peer */
    PHASE_CHILD,       /* the CHILD SA inside IKE_AUTH or CREATE_CHILD_SA */
    PHASE_REKEY,
    PHASE_ESTABLISHED, /* liveness, deletes, traffic */
};

struct evidence {
    bool has_message; /* the next fields are about one IKE message */
    bool is_received; /* by us; else sent by us */
    uint8_t exchange; /* exchange type, 34 to 37 … */
    uint8_t payload;  /* payload type, 0 = not one payload */
    uint32_t message_id;
    uint32_t offset;  /* octet offset in the (decrypted) message, 0 = not known */
    const char *note; /* anything more, e.g. the octets in hex; "" = nothing */
};

struct finding {
    enum cause cause;
    enum side at_fault;
    enum phase phase;
    uint8_t confidence; /* percent; 100 = known, not guessed */
    uint16_t notify;    /* the notify received or sent with it, 0 = none */
    const char *param;  /* "connections.office.proposals"; "" = no single parameter */
    const char *expected;
    const char *seen;
    const char *nearest; /* the candidate that came closest, and what it lacks */
    struct evidence evidence;
};

/* One row of the cause table. Static data, valid for ever. */
struct cause_row {
    enum cause cause;
    const char *id;  /* "ike.no-common-proposal" */
    uint16_t reason; /* Windows status of the reason, 13000-13999 */
    uint16_t notify; /* IKEv2 notify we answer with, 0 = none */
    enum severity severity;
    enum side at_fault;
    bool is_processing; /* status 13804 instead of the phase's: a message could not be processed */
    const char *sentence; /* "no common IKE proposal" */
    const char *fix; /* may hold {param}, {expected}, {seen}, {nearest}, {peer}, {conn}, {child} */
    const char *likely; /* on the other side of a bare refusal: "1. …   2. …"; "" = none */
    const char *anchor; /* page in docs/causes */
};

/* Never NULL. */
IKEBANA_API const struct cause_row *ikebana_cause_row(enum cause cause);
/* NULL: no such id. */
IKEBANA_API const struct cause_row *ikebana_cause_by_id(const char *id);

/* The status that goes with the reason: 13800 (initial phase failed), 13804 (a message could not
 * be processed), 13897 (a later phase failed), or 0 for a finding outside any negotiation. */
IKEBANA_API uint16_t ikebana_finding_status(const struct finding *f);

/* Names of the enumerations as they are printed: "failure", "ours", "IKE_AUTH" … Never NULL. */
IKEBANA_API const char *ikebana_severity_name(enum severity severity);
IKEBANA_API const char *ikebana_side_name(enum side side);
IKEBANA_API const char *ikebana_phase_name(enum phase phase);

/* The fix template with its places filled in. Writes at most size octets with the final NUL and
 * returns the full length as snprintf does. values: name, value, name, value, …, NULL. */
IKEBANA_API size_t ikebana_finding_fix(const struct finding *f, const char *const values[],
                                       char *out, size_t size);

#ifdef __cplusplus
}
#endif
#endif
