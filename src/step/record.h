/* A record: one negotiation, rekeying or teardown, with everything that is known about it.
 * It is made while the core works (facts only, no text but in findings) and read by diagnose. */
#ifndef IKEBANA_STEP_RECORD_H
#define IKEBANA_STEP_RECORD_H

#include <ikebana/finding.h>

#include "base/instant.h"
#include "policy/policy.h"

enum record_kind {
    RECORD_IKE,   /* a new IKE SA, with its first CHILD SA */
    RECORD_CHILD, /* a further CHILD SA */
    RECORD_CHILD_REKEY,
    RECORD_IKE_REKEY,
    RECORD_LIVENESS,
    RECORD_CLOSE,   /* a delete of either side */
    RECORD_COMMAND, /* a command that could not even begin */
};

enum record_result {
    RESULT_PENDING,
    RESULT_UP,      /* what was wanted stands */
    RESULT_PARTIAL, /* the IKE SA stands, its first CHILD SA does not */
    RESULT_FAILED,
    RESULT_CLOSED, /* ended as wanted */
};

enum {
    TRAIL_SENT = 1,
    TRAIL_RESPONSE = 2,
    TRAIL_PROTECTED = 4,
    TRAIL_DROPPED = 8, /* received and not accepted */
};

/* One message on the wire, or one sent several times. */
struct trail_entry {
    uint32_t at_ms; /* since the record began */
    uint32_t message_id;
    uint32_t payloads;    /* bit n: payload type 33 + n was in it */
    uint16_t size;        /* octets of the IKE message, or of all its fragments */
    uint16_t fragments;   /* 0: it came in one piece */
    uint16_t notifies[4]; /* first four notify types that matter (errors first), 0 = none */
    uint8_t exchange;
    uint8_t flags;
    uint8_t repeats; /* retransmissions of it */
};

struct record {
    uint64_t number; /* given by the history, 0 before */
    uint64_t ticket; /* of the command that began it */
    enum record_kind kind;
    enum record_result result;
    enum phase phase; /* that it reached */
    uint8_t version;
    bool is_initiator;
    bool has_nat_here, has_nat_there;
    int64_t began_s; /* wall clock */
    struct instant began;
    uint32_t took_ms;
    uint32_t ike_id, child_id;
    uint64_t spi_i, spi_r;
    uint32_t spi_in, spi_out;
    struct address local, remote;
    char *conn, *child;                   /* NULL = not known */
    char *local_id, *remote_id;           /* as text; NULL = not known */
    uint8_t local_auth, remote_auth;      /* AUTH_METHOD_…, 0 = not known */
    struct suite ike_suite, child_suite;  /* chosen; encr == 0 and integ == 0: none yet */
    struct selectors local_ts, remote_ts; /* negotiated, heap */
    struct finding **findings;            /* heap, each by finding_dup() */
    uint8_t finding_count;
    struct trail_entry *trail; /* heap */
    uint16_t trail_count, trail_room;
    uint32_t trail_lost; /* entries that did not fit TRAIL_MAX */
};

enum { RECORD_FINDINGS_MAX = 16, TRAIL_MAX = 64 };

struct record *record_new(enum record_kind kind, struct instant now, int64_t wall_s);
void record_free(struct record *r);
/* Each copies. They do nothing when r is NULL, and drop the fact when there is no memory. */
void record_set_text(char **field, const char *text);
void record_add_finding(struct record *r, const struct finding *f);
struct trail_entry *record_add_trail(struct record *r, struct instant now);
/* The finding that decides status and reason: the first failure, else the first warning, else NULL.
 */
const struct finding *record_verdict(const struct record *r);
/* 13800, 13804, 13897; 0 when it did not fail. */
uint16_t record_status(const struct record *r);
size_t record_memory(const struct record *r);

#endif
