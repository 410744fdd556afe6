/* What a refusal, an error or silence may mean: ranked by what the record knows. Room-internal.
 *
 * guess.c reads the facts off a record, as bits. hypotheses.c is a table: a row belongs to a cause,
 * holds when all facts that it needs are there and none that it excludes, and stands above the rows
 * that follow. Where no row of a cause holds, the cause table's own list speaks. */
#ifndef IKEBANA_DIAGNOSE_HYPOTHESES_H
#define IKEBANA_DIAGNOSE_HYPOTHESES_H

#include "base/arena.h"
#include "step/record.h"

/* Two rows of facts: what happened, and what our own proposals are made of. */
enum fact {
    FACT_INITIATOR = 1 << 0,
    FACT_HEARD = 1 << 1,           /* a message of the peer's was accepted */
    FACT_DROPPED = 1 << 2,         /* something came and was not accepted */
    FACT_REPEATED = 1 << 3,        /* the peer sent a message again: our answer did not reach it */
    FACT_PORT_4500 = 1 << 4,       /* the talk goes on there */
    FACT_BIG = 1 << 5,             /* our last message is at least BIG_MESSAGE octets long */
    FACT_NAT_HERE = 1 << 6,        /* this side is behind a NAT */
    FACT_NAT_THERE = 1 << 7,       /* the peer is */
    FACT_LOCAL_PRIVATE = 1 << 8,   /* our address is one of RFC 1918, RFC 4193 or link-local */
    FACT_PEER_PRIVATE = 1 << 9,    /* the peer's is */
    FACT_ASKED_GROUP = 1 << 10,    /* INVALID_KE_PAYLOAD came */
    FACT_ASKED_COOKIE = 1 << 11,   /* COOKIE came */
    FACT_ICMP_PORT = 1 << 12,      /* the network said: nobody at that port */
    FACT_ICMP_FILTER = 1 << 13,    /* … prohibited */
    FACT_ICMP_HOST = 1 << 14,      /* … host or address not reachable */
    FACT_ICMP_NET = 1 << 15,       /* … no route on the way */
    FACT_OWN_ADDRESS_ID = 1 << 16, /* our identity is our address */
    FACT_SEEN_ADDRESS = 1 << 17,   /* what was seen is an address */
    FACT_EXPECTED_ADDRESS = 1 << 18,
    FACT_AFTERWARDS = 1 << 19, /* told by a later message, not by the answer */
    FACT_FIRST_CHILD =
        1 << 20,            /* the CHILD SA was made with the IKE SA: no key exchange of its own */
    FACT_DYNAMIC = 1 << 21, /* our selectors follow our address */
    FACT_ONE_GROUP = 1 << 22,    /* all that we offer needs one key exchange group */
    FACT_RARE_GROUP = 1 << 23,   /* … which is not one of those that nearly all peers accept */
    FACT_ONLY_AEAD = 1 << 24,    /* all that we offer needs GCM, CCM or ChaCha20 */
    FACT_ONLY_CLASSIC = 1 << 25, /* … a cipher with a separate integrity algorithm */
    FACT_WEAK = 1 << 26,         /* all that we offer has an algorithm that many peers refuse */
    FACT_BROAD = 1 << 27,        /* several groups and kinds of cipher: what most peers accept */
    FACT_PFS = 1 << 28,          /* our ESP proposals ask for a key exchange */
    FACT_SELF = 1 << 29,         /* local and remote address are the same */
};

enum { HYPOTHESES_MAX = 5, BIG_MESSAGE = 1200 };

struct facts {
    uint32_t bits;
    const char *group, *encr, *weak; /* "ecp384 (group 20)"; "" = not of one kind */
    const char *local, *peer, *size, *local_id;
};

/* f: a finding of r. */
void diagnose_facts(const struct record *r, const struct finding *f, struct arena *a,
                    struct facts *out);

/* Sentences, likeliest first, at most HYPOTHESES_MAX. Returns how many; 0: nothing more is known
 * than what the finding says. */
size_t diagnose_likely(const struct record *r, const struct finding *f, struct arena *a,
                       const char *out[HYPOTHESES_MAX]);

/* The table, for tests and documentation. */
struct hypothesis {
    enum cause cause;
    uint16_t notify; /* only when the finding carries it; 0 = any */
    uint32_t needs, lacks;
    const char *text; /* may hold {group}, {encr}, {weak}, {local}, {peer}, {size}, {local_id},
                         {expected}, {seen} */
};
/* NULL behind the last. */
const struct hypothesis *diagnose_hypothesis_at(size_t i);

#endif
