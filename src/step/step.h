/* What one step of the core takes and gives: inputs, effects, events, records.
 *
 * The core is a function from (state, input) to (state, effects). Whoever drives it (the daemon,
 * the simulator, the fuzzers) feeds inputs and carries out effects. */
#ifndef IKEBANA_STEP_STEP_H
#define IKEBANA_STEP_STEP_H

#include "base/instant.h"
#include "child/child.h"
#include "step/record.h"

/* ---- inputs ---- */

struct datagram {
    struct address local, remote;
    bool marker; /* port 4500: a non-ESP marker stands (stood) before `bytes` and is not part of
                    them */
    struct span bytes;
};

enum command_kind {
    CMD_LOAD_CONN,   /* conn: the engine takes a reference */
    CMD_UNLOAD_CONN, /* name */
    CMD_LOAD_PSK,    /* psk: the engine takes a reference; one with the same id is replaced */
    CMD_UNLOAD_PSK,  /* name */
    CMD_INITIATE,    /* conn_name and/or child_name */
    CMD_TERMINATE,   /* conn_name, child_name, ike_id, child_id: any combination */
    CMD_REKEY,       /* as terminate */
    CMD_INSTALL,     /* trap, pass or drop policy of a child; conn_name and/or child_name */
    CMD_UNINSTALL,   /* likewise; without conn_name the first of that child name */
    CMD_SHUTDOWN,    /* deletes for everything; done when answered or after a short time */
};

struct command {
    enum command_kind kind;
    uint64_t ticket; /* the caller's; comes back in EVENT_COMMAND_DONE; 0 = nobody waits */
    struct conn *conn;
    struct psk *psk;
    const char *conn_name, *child_name; /* NULL = not given */
    uint32_t ike_id, child_id;          /* 0 = not given */
    bool is_reauth;                     /* rekey of an IKE SA: by a new one from scratch */
    bool is_forced;                     /* terminate: do not wait for the peer's answer */
};

enum question_kind {
    QUESTION_PATH, /* which local address reaches a remote host; names resolved */
    QUESTION_SENT, /* when did the last packet leave on one of these SAs? */
};

/* An outbound SA of the data plane. */
struct sa_name {
    uint32_t spi, child_id;
};

struct answer {
    uint64_t ticket;
    bool ok;
    struct address local, remote; /* QUESTION_PATH; ports as asked */
    const char *error;            /* !ok: "Name or service not known" */
    enum cause cause;             /* !ok: CAUSE_NET_NAME_NOT_RESOLVED, CAUSE_NET_NO_ROUTE … */
    enum question_kind kind;
    struct instant sent; /* QUESTION_SENT; !ok: never */
};

enum dataplane_kind {
    DP_SOFT_LIFETIME, /* bytes or packets: rekey */
    DP_HARD_LIFETIME,
    DP_FIRST_USE, /* an inbound SA saw its first good packet: the peer uses the new SA */
    DP_USED,  /* inbound packets were seen since the last DP_USED (coalesced, at most one a second)
               */
    DP_FAULT, /* cause and count: replays, integrity, selectors, unknown SPI */
    DP_MOVED, /* the newest good packet in UDP came from another remote address or port */
    DP_ACQUIRE, /* child_id: of the trap policy; pair: the packet that met it */
};

struct dataplane_input {
    enum dataplane_kind kind;
    uint32_t spi; /* inbound SPI of ours, or outbound SPI for outbound lifetimes */
    uint32_t child_id;
    enum cause cause;
    uint64_t count;
    struct address remote;
    struct ts_pair pair;
};

/* An ICMP error or a send error for a path (from the sockets' error queues). */
struct path_error {
    struct address local, remote;
    const char *what;   /* "ICMP port unreachable", "Network is unreachable" */
    bool is_fatal_hint; /* port, host, net unreachable, as against "too big" */
    uint32_t mtu;       /* "too big": octets that the network carries; 0 = nothing is said */
};

enum { IDS_LEN = 16 };

/* An IKE SA that stands, as the other workers of a daemon have to know it: who it is with. */
struct twin {
    uint8_t ids[IDS_LEN]; /* digest of both identities and the outer family */
    uint32_t ike_id;
    bool is_up, is_gone;
    bool is_initial, replaces; /* new, and says INITIAL_CONTACT; of a connection unique = replace */
    bool is_refused;           /* it was not admitted because of an older one: does that live? */
    uint64_t spi_i, spi_r, conn; /* conn: digest of the name */
    struct address remote;
    struct instant began, authenticated;
};

enum input_kind {
    IN_DATAGRAM,
    IN_TIME,
    IN_COMMAND,
    IN_ANSWER,
    IN_DATAPLANE,
    IN_PATH_ERROR,
    IN_TWIN /* FX_TWIN of another worker */
};

struct input {
    enum input_kind kind;
    struct instant now;
    int64_t wall_s; /* seconds since 1970 */
    union {
        struct datagram datagram;
        struct command command;
        struct answer answer;
        struct dataplane_input dataplane;
        struct path_error path_error;
        struct twin twin;
    };
};

/* ---- effects ---- */

enum event_kind {
    EVENT_IKE_UP,
    EVENT_IKE_DOWN,    /* finding: why, if it was no command */
    EVENT_IKE_REKEYED, /* ike_id: new, old_id: old */
    EVENT_CHILD_UP,
    EVENT_CHILD_DOWN,
    EVENT_CHILD_REKEYED, /* child_id: new, old_id: old */
    EVENT_REFUSED,       /* finding */
    EVENT_NOTICE,        /* finding of severity warning or notice */
    EVENT_PROGRESS,     /* a negotiation went on: one line for who waits (text made by the edge from
                           record) */
    EVENT_RECORD,       /* record: complete */
    EVENT_COMMAND_DONE, /* ticket, ok, count, finding */
};

struct event {
    enum event_kind kind;
    uint64_t ticket; /* COMMAND_DONE, PROGRESS, RECORD: of the command that began it, 0 = none */
    bool ok;
    uint32_t count; /* COMMAND_DONE: SAs that fitted */
    uint32_t ike_id, child_id, old_id;
    const char *conn_name, *child_name; /* "" = none */
    struct address local, remote;
    uint64_t spi_i, spi_r;            /* IKE */
    uint32_t spi_in, spi_out;         /* CHILD */
    uint32_t reqid;                   /* CHILD */
    const char *local_id, *remote_id; /* IKE: as authenticated; NULL = not known */
    /* CHILD_DOWN: filled in by whoever has the data plane; of inner packets. */
    bool has_traffic;
    uint64_t bytes_in, packets_in, bytes_out, packets_out;
    int64_t installed_s_ago;
    struct suite suite; /* of the SA concerned */
    struct selectors local_ts, remote_ts;
    const struct finding *finding; /* NULL = none */
    struct record *record;         /* EVENT_RECORD, PROGRESS; see engine_take_record() */
};

enum effect_kind {
    FX_SEND,
    FX_SA_ADD,
    FX_SA_USE,
    FX_SA_MOVE,
    FX_SA_REMOVE,
    FX_POLICY_SET,
    FX_HELD_DROP,
    FX_ASK,
    FX_EVENT,
    FX_WAKE,
    FX_KEEPALIVE,
    FX_TWIN
};

/* Set in the numbers of policies that belong to no CHILD SA; the worker follows in the bits below,
 * as in the numbers of children. */
#define POLICY_ID_BIT UINT32_C(0x80000000)

struct effect {
    enum effect_kind kind;
    union {
        struct datagram send;
        const struct sa_spec *sa; /* FX_SA_ADD */
        struct {
            uint32_t spi_out, child_id;
        } use; /* FX_SA_USE: outbound traffic of the child's policy goes here now */
        struct {
            uint32_t spi, child_id;
            bool is_inbound;
            struct address local, remote;
            bool in_udp;
        } move; /* FX_SA_MOVE */
        struct {
            uint32_t spi, child_id;
            bool is_inbound;
            struct address remote;
        } remove; /* FX_SA_REMOVE */
        struct {
            uint32_t child_id; /* with POLICY_ID_BIT: of no SA (trap, pass, drop, block) */
            bool is_set;       /* false: taken away */
            enum child_mode mode;
            bool is_trap; /* packets wait for an SA, and ask for it (DP_ACQUIRE) */
            const char *conn_name, *child_name;
            struct selectors local_ts, remote_ts;
            struct address local, remote;
            uint32_t priority, reqid;
        } policy; /* FX_POLICY_SET: routes and fail-closed rules */
        struct {
            uint32_t policy_id;
            const char *conn_name, *child_name;
        } held; /* FX_HELD_DROP: no SA will come for the packets that wait at this trap */
        struct {
            uint64_t ticket;
            enum question_kind kind;
            const struct host_pattern *local, *remote; /* NULL local: any */
            uint16_t local_port, remote_port;
            const struct sa_name *sas; /* QUESTION_SENT */
            size_t sa_count;
        } ask;
        struct event event;
        struct {
            struct address local, remote;
        } keepalive;         /* FX_KEEPALIVE: one octet 0xff, out of the NAT traversal port */
        struct twin twin;    /* FX_TWIN: for all other workers */
        struct instant wake; /* FX_WAKE: call with IN_TIME no later than this */
    };
};

struct effects {
    const struct effect *at;
    size_t count;
};

/* ---- the step in the making, for the rooms of the core ---- */

struct step {
    struct arena *arena;
    struct rng *rng;
    struct instant now;
    int64_t wall_s;
    struct effect *effects;
    size_t count, room;
};

/* NULL when there is no memory. */
struct effect *step_add(struct step *s, enum effect_kind kind);
void step_event_finding(struct step *s, enum event_kind kind, const char *conn_name,
                        const struct finding *f);

#endif
