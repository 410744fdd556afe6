/* An IKE SA and its children. RFC 7296.
 *
 * States say what we wait for. While an SA is set up it has a `setup` (the first two messages, our
 * private value), which is freed when it stands. Each own exchange in flight is described by one of
 * its `tasks`: several at once only where the peer's window is larger than 1. What waits for the
 * window is in `wishes`. Ownership: the world owns SAs, an SA owns its children, its tasks, its
 * setup and its records. Links from outside are ids. */
#ifndef IKEBANA_IKE2_SA_H
#define IKEBANA_IKE2_SA_H

#include "base/timers.h"
#include "ike2/window.h"
#include "ike2/wish.h"
#include "step/step.h"

/* Where an SA's datagrams go. A value of its own: it changes while the SA lives. */
struct path {
    struct address local, remote;
    bool marker; /* port 4500: a non-ESP marker goes before each message */
};

enum sa_state {
    SA_AWAIT_PATH,        /* initiator: the answer to FX_ASK */
    SA_AWAIT_INIT_ANSWER, /* initiator */
    SA_AWAIT_AUTH,        /* responder: only while an IKE_AUTH request is handled */
    SA_AWAIT_AUTH_ANSWER, /* initiator */
    SA_UP,
    SA_REPLACED, /* rekeyed: only a Delete is to come */
    SA_CLOSING,  /* our Delete is sent */
    SA_GONE,     /* to be freed at the end of the step */
};

enum { LATE_CLOSED_MAX = 4 };

/* The parts of the keying material, in the order of RFC 7296 2.14. */
enum ike_key { KEY_D, KEY_AI, KEY_AR, KEY_EI, KEY_ER, KEY_PI, KEY_PR, KEY_COUNT };

enum child_sa_state { CHILD_SA_UP, CHILD_SA_REPLACED, CHILD_SA_CLOSING, CHILD_SA_LINGERS };

struct child_sa {
    struct child_sa *next;
    struct conn *conn; /* its own reference: outlives a reload */
    const struct child_conf *conf;
    uint32_t id, spi_in, spi_out;
    enum child_sa_state state;
    bool is_outbound_removed; /* a close is on its way: nothing is sent on it any more */
    bool in_udp,
        is_waiting_for_use; /* outbound is installed but the old one is still used, RFC 7296 2.8 */
    struct suite suite;
    struct selectors local_ts, remote_ts; /* heap */
    uint32_t replaces;                    /* id of the child that it rekeyed, 0 = none */
    enum child_mode mode;                 /* agreed: tunnel or transport */
    bool takes_fragments;                 /* NON_FIRST_FRAGMENTS_ALSO was agreed */
    bool refuses_tfc;                     /* the peer said ESP_TFC_PADDING_NOT_SUPPORTED */
    uint32_t reqid;                       /* reqid.c */
    struct instant installed, rekey_at, expire_at, gone_at;
    struct instant used; /* the last packet that was told of */
};

enum task_kind {
    TASK_SETUP, /* IKE_SA_INIT and IKE_AUTH with the first child */
    TASK_CREATE_CHILD,
    TASK_REKEY_CHILD,
    TASK_REKEY_IKE,
    TASK_CLOSE_CHILD,
    TASK_CLOSE_IKE,
    TASK_LIVENESS,
    TASK_TELL_ID, /* INVALID_MESSAGE_ID */
    TASK_DISOWN,  /* a Delete for an SPI of a child that we have not made */
};

/* Our exchange in flight (or, for TASK_SETUP, the two of them). What concerns the IKE SA itself is
 * alone; of what concerns one child there is one. */
struct task {
    struct task *next;
    enum task_kind kind;
    uint32_t message_id; /* of its request, if it is sent */
    bool is_waiting;     /* to be sent once more, as soon as the window has room */
    uint32_t child_id;   /* rekeyed or closed */
    uint64_t ticket;
    struct record *record; /* NULL for TASK_SETUP (the SA has it) and TASK_LIVENESS */
    struct conn *conn;     /* reference, with conf: of the child to be made; NULL = none */
    const struct child_conf *conf;
    uint32_t spi_in; /* new CHILD SA */
    uint64_t spi;    /* new IKE SA */
    uint8_t nonce[32];
    struct ke_pair *ke;
    uint16_t group;
    bool has_retried;    /* INVALID_KE_PAYLOAD */
    struct ts_pair pair; /* the packet that asks for the child */
    bool is_pair_only;   /* after SINGLE_PAIR_REQUIRED */
    /* The peer rekeyed the same SA meanwhile (RFC 7296 2.8.1, 2.8.2): what it made, and the lower
     * nonce of its exchange. */
    uint32_t race_child, race_ike;
    bool is_race_closed; /* the peer has closed it: as the loser, or by its user's wish */
    uint8_t race_low[256];
    uint16_t race_low_len;
};

struct fragment_set;

/* A half-open SA of the responder: IKE_SA_INIT is answered, IKE_AUTH has not come. As small as can
 * be, because strangers make them; its keys are derived, once, when an IKE_AUTH request asks for
 * them. */
struct half_open {
    struct timer timer;
    struct half_open *host_next, *host_before; /* of the same remote host, the oldest first */
    struct conn *conn;                         /* reference */
    uint64_t spi_i, spi_r;
    struct path path;
    struct suite suite;
    bool has_nat_here, has_nat_there, wants_udp, may_fragment;
    bool is_verified;             /* by a cookie */
    struct fragment_set *joining; /* of its IKE_AUTH request, owned */
    struct instant began;
    int64_t began_s;
    uint16_t request_len, response_len, shared_len;
    uint16_t nonce_i_at, nonce_i_len, nonce_r_at, nonce_r_len; /* in request and response */
    uint16_t wrong, keys_len; /* IKE_AUTH requests that the keys do not open */
    uint8_t *keys;            /* NULL until the first one came; heap, wiped */
    uint8_t octets[];         /* request, response, shared value (wiped) */
};

enum { INIT_TRIES_MAX = 3, DOUBTS_MAX = 4 };

/* Our IKE_SA_INIT request with one group. Anybody can forge an INVALID_KE_PAYLOAD: the answer to
 * the request before is as good as one to the last. */
struct init_try {
    uint8_t *request; /* as sent last: with the cookie if there is one; heap */
    uint32_t request_len, nonce_at;
    uint16_t group;
    struct ke_pair *ke;
};

enum { RIVALS_MAX = 3 };

/* What is needed only until the SA stands. */
struct setup {
    bool borrows_messages; /* responder: they are those of a struct half_open */
    uint8_t *request,      /* the IKE_SA_INIT messages as sent, for AUTH: RFC 7296 2.15. */
        *response;         /* Initiator: request is that of a try, response our own */
    uint32_t request_len, response_len;
    struct span nonce_i, nonce_r;          /* inside them */
    struct init_try tries[INIT_TRIES_MAX]; /* initiator */
    uint8_t try_count, group_turns;        /* INVALID_KE_PAYLOADs that were followed */
    uint8_t *cookie;
    uint8_t cookie_len, cookies;
    uint8_t attempt; /* of keyingtries, from 1 */
    uint16_t group;
    bool has_answered; /* the peer sent anything at all */
    /* What unprotected answers said: doubt.c. refusal: which of them ends the attempt when no
     * better answer comes, counted from 1, 0 = none. */
    struct finding *doubts[DOUBTS_MAX];
    uint8_t doubt_count;
    uint16_t doubts_seen;
    uint8_t refusal;
    struct rival *rivals[RIVALS_MAX]; /* further answers to IKE_SA_INIT: rival.c */
    uint8_t rival_count;
    bool peer_allows_childless;
    uint8_t unreadable; /* answers that our keys do not open */
    struct instant began;
    int64_t began_s;
    char *path_error; /* the last ICMP error */
    uint8_t path_errors;
    uint8_t nonce[32]; /* initiator: ours, before the request is made */
};

struct ike_sa {
    struct timer timer;
    struct conn *conn;                      /* reference; set by world_set_sa_conn() */
    struct ike_sa *same_next, *same_before; /* SAs of connections of the same name */
    uint64_t spi_i, spi_r;
    uint32_t id;
    enum sa_state state;
    bool is_initiator, has_nat_here, has_nat_there, wants_udp, had_init_contact;
    struct path path;
    struct suite suite;
    const struct encr *encr;
    const struct integ *integ;
    const struct prf *prf;
    uint8_t *keys; /* heap, wiped; see ike2_key() */
    uint16_t keys_len;
    uint64_t ivs; /* messages sealed so far: the IV of counter modes */
    struct window window;
    struct setup *setup;
    struct task *tasks;    /* in the order in which they began */
    struct record *record; /* of the set-up in progress */
    struct wishes wishes;
    struct child_sa *children;
    char *local_id, *remote_id; /* text */
    struct instant established, rekey_at, expire_at, heard, deadline;
    uint32_t replaced_by;        /* SA_REPLACED: id of the new one */
    bool was_never_up;           /* SA_CLOSING: we refuse the peer after IKE_AUTH */
    bool has_announced;          /* our window: RFC 7296 2.3 */
    bool is_rekeyed_for_ids;     /* or wants to be: the message IDs come near their end */
    struct instant may_tell_ids; /* the next INVALID_MESSAGE_ID to the peer */
    uint32_t follows; /* id of the SA that it replaced, while our Delete for that is unanswered */
    uint32_t race_of; /* the peer made it while we rekey this SA too; not settled yet */
    /* Peer's SPIs that it has closed before we know of them; see late.c */
    uint32_t late_closed[LATE_CLOSED_MAX];
    uint8_t late_closed_next;
    uint8_t refused_times; /* TEMPORARY_FAILURE in a row; see retry.c */
    struct instant refused_since;
    struct instant asked_at; /* patience.c: requests for SAs by the peer, in thousandths */
    uint32_t asked_spent;
    uint64_t close_ticket; /* a command that waits for the end, 0 = none */
    /* reauth.c */
    struct instant reauth_at, reauth_expire_at;
    struct reauth *reauth;  /* to be made anew when it is gone; owned, NULL = no */
    uint32_t reauth_of;     /* make before break: id of the one whose place it takes */
    uint32_t reauth_by;     /* … and of the one that takes ours */
    uint64_t reauth_ticket; /* of the command, at the new one */
    bool reauth_children;   /* the old one had some */
    /* unique.c: which two identities it stands between, and since when. */
    uint8_t ids[IDS_LEN];
    bool has_ids, is_known_as_twin,
        is_first_initiator;               /* we began the first of the SAs that rekeying made */
    struct ike_sa *ids_next, *ids_before; /* SAs of the same identities */
    struct instant began, authenticated;  /* of that first one */
    struct instant doomed_at;             /* a newer one takes its place then */
    /* hint.c: SAs with peers at one host */
    struct ike_sa *host_next, *host_before;
    uint64_t host_key;
    struct instant hint_again;
    bool is_at_host;
    /* nat.c */
    struct instant sent, keepalive_at, nat_told; /* sent: the last IKE message or keepalive */
    uint32_t newest_answer;                      /* message ID */
    struct fragment_set *joining;                /* fragments that came, owned; NULL = none */
    uint16_t fragment_limit; /* datagrams larger than this were lost; 0 = none that we know */
    bool may_fragment;       /* both have announced it, RFC 7383 2.3 */
    bool has_shrunk;         /* what is in flight was cut smaller */
};

/* task.c: our exchange of this kind in flight; that about this child, rekeying or closing it. NULL:
 * there is none. */
struct task *task_of_kind(const struct ike_sa *sa, enum task_kind kind);
struct task *task_of_child(const struct ike_sa *sa, uint32_t child_id);

static inline uint64_t ike2_our_spi(const struct ike_sa *sa)
{
    return sa->is_initiator ? sa->spi_i : sa->spi_r;
}

#endif
