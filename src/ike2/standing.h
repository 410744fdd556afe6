/* What a child does without anybody's wish: start_action, dpd_action, close_action; traps and
 * shunts. RFC 4301 4.4.1, 5.1.2.
 *
 * A child for which this engine keeps a policy, or which is to come up again, has a `standing`:
 *
 *   trap    packets wait and ask for an SA (start_action or close_action = trap, a command)
 *   shunt   pass or drop (mode = pass, drop)
 *   block   fail closed: what start_action = start keeps up leaves in no other way while it is
 * down, until a command takes it down
 *
 * Selectors with dynamic ends, and peers that have a name, need the path first (FX_ASK): the policy
 * is installed behind the answer. Nothing is negotiated from inside another exchange's end: what is
 * to begin gets the timer of its standing, which is served at the end of the step.
 *
 * What is told to a standing comes with a ticket of our own (STANDING_TICKET | number), so that
 * world_outcome() knows it from a command's. A failed attempt for a packet waits before the next,
 * twice as long each time; packets that come meanwhile are kept by the data plane.
 *
 * Each connection's start_action is the business of one engine, which its name decides
 * (standing_is_ours()); dpd_action and close_action are that of the engine that had the SA. */
#ifndef IKEBANA_IKE2_STANDING_H
#define IKEBANA_IKE2_STANDING_H

#include "base/timers.h"
#include "step/step.h"

struct world;
struct ike_sa;
struct child_sa;

#define STANDING_TICKET (UINT64_C(1) << 63)

enum standing_kind { STANDING_NONE, STANDING_TRAP, STANDING_SHUNT, STANDING_BLOCK };

struct standing {
    struct timer timer;
    struct standing *next;
    struct conn *conn; /* reference */
    const struct child_conf *conf;
    uint32_t id;             /* of its policy */
    uint32_t reqid;          /* of its policy, and of SAs that it brings up */
    enum standing_kind kind; /* wanted */
    bool is_manual;          /* by a command or an action: a reload keeps it */
    bool is_installed;       /* its policy is in the data plane */
    bool is_asking;          /* for the path */
    bool wants_up;           /* is to be initiated when the timer comes */
    bool is_busy;            /* a negotiation of ours for a packet is on its way */
    uint8_t failures;        /* in a row */
    struct instant not_before;
    struct ts_pair pair;                      /* the packet that asked last */
    struct selectors local, remote;           /* heap, as installed */
    struct address known_local, known_remote; /* of the last path */
};

/* A connection was loaded: undoes what its older version (NULL: none) had and the new one has not,
 * and carries out the start_action of what is new or changed. */
void standing_loaded(struct world *w, const struct conn *old, struct conn *now);
void standing_unloaded(struct world *w, const struct conn *old);
/* false: why; a notice in why (cause not NONE) when it stood already. */
bool standing_install(struct world *w, struct conn *conn, const struct child_conf *conf,
                      struct finding *why);
/* conn_name NULL: the first of that child name. false: there is none. */
bool standing_uninstall(struct world *w, const char *conn_name, const char *child_name);
/* A command wants it up, or down: a block follows. child_name NULL: all of the connection. */
void standing_commanded(struct world *w, const char *conn_name, const char *child_name, bool is_up);

/* A command wants this down, whether it is up or not: the block goes, and what was to come up stays
 * down. Names as in a command; one alone may be either's. true: something was changed. */
bool standing_lift(struct world *w, const char *conn_name, const char *child_name);

void standing_on_acquire(struct world *w, const struct dataplane_input *in);
void standing_on_answer(struct world *w, const struct answer *a);
void standing_on_time(struct world *w);
void standing_outcome(struct world *w, uint64_t ticket, bool ok, const struct finding *why);
/* The peer has closed the child, and we did not want that. */
void standing_child_closed(struct world *w, struct ike_sa *sa, const struct child_sa *c);
/* The IKE SA ends with its children. is_lost: the peer no longer answers, else it has closed it. */
void standing_sa_ended(struct world *w, struct ike_sa *sa, bool is_lost);

/* Brings a child up, on an IKE SA of its connection if there is one. */
void standing_bring_up(struct world *w, struct conn *conn, const struct child_conf *conf,
                       uint64_t ticket, const struct ts_pair *pair,
                       const struct address *known_remote);
/* One of that name more than there is may be made: a packet of the trap does not fit the ones that
 * stand. */
bool standing_wants_more(const struct world *w, uint64_t ticket);
/* The standing trap's reqid for a new SA of this child; 0: none. */
uint32_t standing_reqid(const struct world *w, const char *conn_name, const char *child_name);

/* Of all engines one, by the connection's name. */
unsigned standing_owner(const char *conn_name, unsigned workers);
void standing_clear(struct world *w);

#endif
