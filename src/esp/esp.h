/* The userspace data plane: inner packets → ESP → inner packets. RFC 4303, 4301 5, 3948, 4106,
 * 7634, …
 *
 * Pure: no sockets. Batches in, batches out, buffers come with the batch, nothing is allocated,
 * locked, logged or copied per packet. The SA database is shared by all workers: look-ups are RCU
 * (liburcu, memb or qsbr flavour as the implementation finds best), updates take a mutex. Any
 * worker may seal with any SA (a batch reserves its sequence numbers with one atomic add); only the
 * worker in the first octet of the SPI opens with it and owns its replay window. Each worker keeps
 * its own OpenSSL contexts per SA. */
#ifndef IKEBANA_ESP_ESP_H
#define IKEBANA_ESP_ESP_H

#include "child/child.h"

enum {
    ESP_HEADROOM = 64, /* free octets that a buffer has before the packet, for ESP header and IV */
    ESP_TAILROOM = 96, /* and behind it, for padding, trailer and ICV */
    ESP_BATCH_MAX = 64,
};

struct esp_db;

struct esp_db *esp_db_new(unsigned workers);
void esp_db_free(struct esp_db *db);
/* Each thread that opens or seals: once at its start and end, and esp_quiescent() once per loop
 * turn (nothing to do with the memb flavour, but call it). Threads that only change or read the
 * database need not. */
void esp_thread_begin(struct esp_db *db);
void esp_thread_end(struct esp_db *db);
void esp_quiescent(struct esp_db *db);

/* Copies what it needs out of spec. false: why (child.install-failed, res.memory). An outbound SA
 * carries what fits its own negotiated selectors as soon as it is in use; it needs no policy. A
 * policy with id = child_id gives it its priority. */
bool esp_sa_add(struct esp_db *db, const struct sa_spec *spec, struct finding *why);
/* Outbound traffic of the child's selectors goes through this SA from now on. */
void esp_sa_use(struct esp_db *db, uint32_t spi_out, uint32_t child_id);
/* New outer addresses. */
void esp_sa_move(struct esp_db *db, uint32_t spi, uint32_t child_id, bool is_inbound,
                 const struct address *local, const struct address *remote, bool in_udp);
void esp_sa_remove(struct esp_db *db, uint32_t spi, uint32_t child_id, bool is_inbound);

/* Policies without an SA: pass, drop, trap (fail closed). Same key replaces. */
struct esp_policy {
    uint32_t id; /* child_id, or a number of the caller's for shunts */
    enum child_mode
        mode;     /* PASS, DROP; TUNNEL without an SA: trap, or drop while the child is down */
    bool is_trap; /* TUNNEL, TRANSPORT: packets wait for an SA (ESP_ACQUIRE), else they are dropped
                   */
    struct selectors local_ts, remote_ts;
    uint32_t priority; /* lower first, as in the kernel; 0: PASS 100000, TUNNEL and SAs 200000, DROP
                          400000, so that a bypass comes before and a block behind all tunnels */
};
/* Among equal priorities the more exact selectors win, then an SA before a policy without one, then
 * the SA that was taken into use last, a trap before one that only drops. false: no memory, nothing
 * changed. */
bool esp_policy_set(struct esp_db *db, const struct esp_policy *p);
void esp_policy_remove(struct esp_db *db, uint32_t id);
/* Changes with whatever outbound packets are matched with: what had no SA may have one now. */
uint64_t esp_generation(struct esp_db *db);

enum esp_verdict {
    ESP_SEND,      /* seal: an ESP packet for `out`; open: an inner packet for the TUN */
    ESP_PASS,      /* outbound bypass: deliver in clear (the caller decides how) */
    ESP_DROP,      /* counted */
    ESP_REPLY,     /* outbound: the buffer now holds an ICMP error for the inner sender (TUN) */
    ESP_ACQUIRE,   /* outbound: a trap policy wants an SA; policy_id says which */
    ESP_DUMMY,     /* inbound: next header 59, RFC 4303 2.6 */
    ESP_KEEPALIVE, /* inbound UDP: one octet 0xff */
    ESP_JOIN, /* outbound: a fragment, and transport mode takes whole datagrams: esp_join_add() */
};

enum esp_drop {
    ESP_OK,
    ESP_NO_POLICY,
    ESP_NO_SA,
    ESP_UNKNOWN_SPI,
    ESP_TOO_SHORT,
    ESP_REPLAYED,
    ESP_BAD_ICV,
    ESP_BAD_PADDING,
    ESP_BAD_INNER,
    ESP_WRONG_SELECTOR,
    ESP_TOO_BIG,
    ESP_SEQ_EXHAUSTED,
    ESP_LIFETIME,
    ESP_WRONG_WORKER, /* opened by another worker than the one in the SPI's first octet */
    ESP_BLOCKED,      /* by a drop policy, or one of a child that is down */
    ESP_DROP_COUNT,
};

/* One packet. `data` points into a buffer that has ESP_HEADROOM free octets before data and can be
 * written up to data + capacity; to seal, capacity is at least len + ESP_TAILROOM (else too big).
 * Seal moves data back by at most 24 octets (SPI, sequence number, IV) or, for ESP_REPLY, 48; open
 * moves it forward, or in transport mode back by at most 32. In place: nothing else is written.
 * capacity follows data. */
struct esp_packet {
    uint8_t *data;
    uint32_t len;
    uint32_t capacity;            /* octets that may be written from data on */
    struct address local, remote; /* seal: out; open: in, of the outer packet */
    bool in_udp;                  /* seal: out; open: in */
    uint8_t outer_tos;            /* seal: out (DSCP, ECN to set); open: in (ECN seen) */
    bool outer_df;                /* seal: out */
    bool is_joined;               /* seal: in; the sender has cut it, so it may be cut again */
    enum esp_verdict verdict;     /* out */
    enum esp_drop why;            /* out, with ESP_DROP */
    uint32_t spi;                 /* out */
    uint32_t policy_id;           /* out, child_id or policy id */
};

/* What else came of a batch: at most one entry of each kind per SA, for the engine (as struct
 * dataplane_input). */
struct esp_notice {
    uint8_t kind; /* enum dataplane_kind's values; esp does not see step/: 0 soft, 1 hard, 2 first
                     use, 3 used, 4 fault, 5 moved, 6 acquire (child_id: the trap's id) */
    uint32_t spi, child_id;
    enum esp_drop why;
    uint64_t count;
    struct address remote;
    struct ts_pair pair; /* acquire: the ends of the packet that asked first */
};
struct esp_notices {
    struct esp_notice at[ESP_BATCH_MAX];
    size_t count;
};

/* Seal: data, len are an inner IP packet; with ESP_SEND they are the ESP packet from the SPI on
 * (the caller puts UDP or IP before it). A packet that does not fit the path: ESP_REPLY if its
 * outer header would have DF (copy_df, and the inner packet is IPv6 or has DF), else it is sealed
 * with outer_df false and the kernel fragments the outer packet. Open: data, len are an ESP packet
 * from the SPI on (or a NAT keepalive); with ESP_SEND they are the inner IP packet, in transport
 * mode with an IP header made anew. Of packets of one SA in one call the sequence numbers rise with
 * the index. notices is emptied first. worker: of the calling thread. now_ms: any monotonic
 * milliseconds (for the once-a-second notices). pmtu: looked up from esp_set_pmtu(). */
void esp_seal(struct esp_db *db, unsigned worker, struct esp_packet *packets, size_t count,
              int64_t now_ms, struct esp_notices *notices);
void esp_open(struct esp_db *db, unsigned worker, struct esp_packet *packets, size_t count,
              int64_t now_ms, struct esp_notices *notices);

/* The largest outer packet (with IP header) towards a remote; 0 = forget. Learned from ICMP or the
 * interface, and forgotten ten minutes after its first use. Without it only the 65535 octets of the
 * IP header's length field count. */
void esp_set_pmtu(struct esp_db *db, const struct address *remote, uint16_t mtu);
/* The largest inner packet that fits through a suite over outer_mtu. */
uint16_t esp_inner_mtu(const struct encr *e, const struct integ *i, uint8_t outer_family,
                       bool in_udp, uint16_t outer_mtu);

struct esp_stats {
    uint64_t packets, bytes; /* bytes: of inner packets */
    int64_t last_use_ms;     /* now_ms of the last packet; -1 = never */
    uint64_t dropped[ESP_DROP_COUNT];
    uint64_t sequence; /* highest seen or sent */
};
/* false: no such SA. */
bool esp_sa_stats(struct esp_db *db, uint32_t spi, uint32_t child_id, bool is_inbound,
                  struct esp_stats *out);
/* Drops that belong to no SA. */
void esp_db_stats(struct esp_db *db, uint64_t dropped[ESP_DROP_COUNT]);
const char *esp_drop_name(enum esp_drop why);
enum cause esp_drop_cause(enum esp_drop why);

/* ---- packets that wait for an SA (held.c) ---- */

enum {
    HELD_PACKETS_MAX = 16,   /* for each policy */
    HELD_BYTES_MAX = 65536,  /* likewise */
    HELD_POLICIES_MAX = 256, /* that packets wait for, per worker */
};

struct esp_held;

struct esp_held_packet {
    struct esp_held_packet *next;
    uint32_t policy_id, len;
    uint8_t octets[];
};

struct esp_held_drop {
    size_t packets, bytes;
};

/* NULL: no memory. Of one worker. */
struct esp_held *esp_held_new(void);
void esp_held_free(struct esp_held *h);
/* A copy; the policy's oldest ones go for it if need be. false: too large, too many policies or no
 * memory, and counted as lost. */
bool esp_held_keep(struct esp_held *h, uint32_t policy_id, struct span packet);
/* All of them, those of one policy in their order; the caller's, each to be given to free(). */
struct esp_held_packet *esp_held_take_all(struct esp_held *h);
/* No SA will come. */
struct esp_held_drop esp_held_drop(struct esp_held *h, uint32_t policy_id);
size_t esp_held_count(const struct esp_held *h);
uint64_t esp_held_lost(const struct esp_held *h);

/* ---- ESP that comes before its SA (early.c) ---- */

enum {
    EARLY_PACKETS = 16,      /* per worker */
    EARLY_OCTETS_MAX = 2048, /* larger ones are not kept */
    EARLY_LIFE_MS = 500,
};

struct esp_early;

/* NULL: no memory. Of one worker. */
struct esp_early *esp_early_new(void);
void esp_early_free(struct esp_early *e);
/* A copy of a packet whose SPI is unknown. false: too large, or all places are taken. */
bool esp_early_keep(struct esp_early *e, const struct esp_packet *p, int64_t now_ms);
/* The one that waits longest, into p's buffer (data, capacity set), ready for esp_open(); it is no
 * longer kept. false: none. */
bool esp_early_take(struct esp_early *e, struct esp_packet *p, int64_t now_ms);
size_t esp_early_count(const struct esp_early *e);

/* ---- join.c ---- */

/* For packets that esp_seal() gave ESP_JOIN: one of these for each thread. */
struct esp_join;
struct esp_join *esp_join_new(void);
void esp_join_free(struct esp_join *j);
/* Copies the fragment. true: *whole is its datagram, to be sealed before the next fragment is
 * added; false: more is to come, or it is lost. */
bool esp_join_add(struct esp_join *j, struct span fragment, struct esp_packet *whole);
/* Fragments and datagrams that came to nothing. */
uint64_t esp_join_lost(const struct esp_join *j);

/* ---- replay window, RFC 4303 3.4.3 and appendix A2; RFC 6479's ring of words ---- */

enum { REPLAY_WINDOW_MAX = 4096 };

struct replay {
    uint64_t top;  /* highest sequence number accepted */
    uint32_t size; /* packets; 0 = off */
    bool esn;
    uint64_t bits[REPLAY_WINDOW_MAX / 64 + 1];
};
void replay_init(struct replay *r, uint32_t size, bool esn);
/* The full 64-bit number that the low half stands for. */
uint64_t replay_guess(const struct replay *r, uint32_t low);
/* Before the ICV is checked. */
bool replay_check(const struct replay *r, uint64_t sequence);
/* After it was good; false: lost a race with itself (already there). */
bool replay_accept(struct replay *r, uint64_t sequence);

#endif
