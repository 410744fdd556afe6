/* The database behind esp.h, for the files of this room.
 *
 * Who owns what:
 *   esp_db ── in, out     hash tables of SAs: inbound by SPI, outbound by child and SPI
 *          ── table       what outbound packets are matched with: an array of pointers to rules,
 * both immutable; each change publishes a new array ── paths       what is known of the way to a
 * remote host; SAs to it count references ── workers[]   per worker: flow cache, counters of drops
 * that belong to no SA sa     ── ends        outer addresses, replaced as a whole when they move ──
 * workers[]   per worker: cipher context and counters, made at first use Readers (esp_seal,
 * esp_open) hold the RCU read lock for one call and take no other. Changes hold `mutex`; what they
 * replace is freed by call_rcu() after the last reader that may see it. A pointer that readers
 * follow is _Atomic: stored with release, loaded with acquire. */
#ifndef IKEBANA_ESP_DB_H
#define IKEBANA_ESP_DB_H

#include <pthread.h>
#include <stdatomic.h>
#include <urcu/urcu-memb.h>

#include <urcu/rculfhash.h>

#include "base/map.h"
#include "esp/inner.h"

enum {
    ESP_HEADER_LEN = 8,
    ESP_FLOWS = 1024,   /* per worker; a power of two */
    ESP_STRANGERS = 8,  /* unknown SPIs that are told of per worker and second */
    ESP_TELL_MS = 1000, /* between two notices of one kind about one SA */
    ESP_ASK_MS = 200,   /* between two acquires of one trap */
    ESP_CACHE_LINE = 64,
    ESP_PMTU_LIFE_MS = 600000, /* RFC 1191 6.3, RFC 8201 4: then a larger one is tried */
};

/* What is known of the way to a host. Under the mutex but for mtu and mtu_since_ms. */
struct path {
    struct rcu_head rcu;
    struct address remote;
    struct path *next; /* same hash */
    uint32_t refs;
    _Atomic uint16_t mtu;         /* 0: not known */
    _Atomic int64_t mtu_since_ms; /* when it was first used; -1: not yet */
};

struct ends {
    struct rcu_head rcu;
    struct address local, remote;
    bool in_udp;
    uint16_t outer_len; /* octets of IP and UDP header */
    struct path *path;
};

/* One worker's part of an SA; written by that worker only. */
struct sa_worker {
    struct sealer *sealer;
    struct rng *iv_rng; /* CBC: unpredictable IVs, from a key of their own */
    _Atomic uint64_t packets, bytes, sequence;
    _Atomic int64_t last_use_ms;
    _Atomic uint64_t dropped[ESP_DROP_COUNT];
};

/* Of an inbound SA; used by its owner only. */
struct inbound {
    struct replay replay;
    bool first_told;
    int64_t used_told_ms, moved_told_ms;
    uint64_t used_pending;
    struct fault {
        int64_t told_ms;
        uint64_t pending;
    } faults[ESP_DROP_COUNT];
};

struct sa {
    struct cds_lfht_node node;
    struct rcu_head rcu;
    uint32_t spi, child_id;
    bool is_inbound, esn, copy_df, copy_ecn, tells_use;
    enum copy_dscp copy_dscp;
    const struct encr *encr;
    const struct integ *integ;
    struct child_keys keys;
    uint8_t iv_len, icv_len, align;
    bool is_transport, mends_checksums;
    uint16_t pad_to; /* RFC 4303 2.7: inner packets are padded to this; 0 = not */
    struct filter local, remote;
    uint64_t soft_bytes, soft_packets, hard_bytes, hard_packets;
    _Atomic(struct ends *) ends;
    atomic_bool is_dead; /* removed, but no memory to publish a table without it */
    atomic_bool soft_told, hard_told;
    _Atomic int64_t use_told_ms;                        /* outbound */
    _Alignas(ESP_CACHE_LINE) _Atomic uint64_t sequence; /* outbound: last one reserved */
    _Atomic uint64_t bytes;                             /* outbound with a limit: reserved */
    struct inbound *inbound;
    struct rule *first_rule; /* outbound: made with the SA so that its use cannot fail for it */
    unsigned worker_count;
    _Atomic(struct sa_worker *) workers[];
};

/* What outbound packets are matched with: an SA in use, or a policy. */
struct rule {
    struct rcu_head rcu;
    uint32_t id, priority;
    enum child_mode mode;
    uint64_t rank; /* SAs: the later taken into use the higher; policies: 0, traps 1 */
    bool is_trap;
    _Atomic int64_t asked_ms;    /* a trap: when it asked for an SA last */
    struct sa *sa;               /* NULL: a policy */
    struct filter local, remote; /* of an SA: borrowed from it */
};

struct table {
    struct rcu_head rcu;
    uint64_t generation; /* never 0, never the same twice */
    size_t count, room;
    struct rule *at[]; /* by priority */
};

struct flow {
    uint64_t generation;
    struct ip_number src, dst;
    uint64_t rest;     /* family, protocol, ports */
    struct rule *rule; /* NULL: none fits; valid only in the table of that generation */
};

struct stranger {
    uint32_t spi;
    int64_t told_ms;
    uint64_t pending;
};

struct esp_worker {
    _Alignas(ESP_CACHE_LINE) _Atomic uint64_t dropped[ESP_DROP_COUNT];
    struct stranger strangers[ESP_STRANGERS];
    struct flow flows[ESP_FLOWS];
};

struct esp_db {
    unsigned worker_count;
    pthread_mutex_t mutex;
    struct cds_lfht *in, *out;
    _Atomic(struct table *) table;
    struct table *reserve; /* for the next publication, should the heap have no more */
    uint64_t generation, rank;
    struct map paths; /* hash of the host → chain of struct path */
    uint32_t idle_paths;
    struct esp_worker *workers;
};

/* ---- db.c ---- */

struct sa *esp_find_inbound(struct esp_db *db, uint32_t spi);
/* The worker's part of an SA; NULL: no memory or OpenSSL refuses. Allocates at the first use. */
struct sa_worker *esp_sa_worker(struct sa *sa, unsigned worker);
void esp_sa_free(struct sa *sa);
/* Around each change: mutex and read lock; a thread that is no reader is one meanwhile. */
bool esp_change_begin(struct esp_db *db);
void esp_change_end(struct esp_db *db, bool is_guest);

/* ---- transport.c ---- */

/* The Internet checksum of these octets, added to a sum of words. */
uint16_t esp_checksum(const uint8_t *at, size_t len, uint64_t sum);
/* Octets of the IP header of a host's packet, which is not sealed; what follows it. */
uint32_t esp_header_before(const struct esp_packet *p, const struct inner *in,
                           uint8_t *next_header);
/* Makes a packet of p of what was inside: text, of this length, with the IP header before it.
 * false: it would be too large. */
bool esp_header_again(const struct sa *sa, struct esp_packet *p, uint8_t *text, uint32_t len,
                      uint8_t next_header);

/* ---- rule.c ---- */

/* The rule for an outbound packet, through the worker's flow cache; NULL: none fits. */
struct rule *esp_find_rule(struct esp_worker *w, const struct table *t, const struct inner *in);
/* Under the mutex. */
bool esp_rules_init(struct esp_db *db);
void esp_rules_clear(struct esp_db *db);
bool esp_rules_reserve(struct esp_db *db, size_t extra);
struct rule *esp_rule_for_sa(struct sa *sa);
void esp_rules_use(struct esp_db *db, struct sa *sa);
/* false: no memory; the rule stays and still points to sa. */
bool esp_rules_remove_sa(struct esp_db *db, const struct sa *sa);

/* ---- counting and telling ---- */

/* Of one writer: no lock prefix. */
static inline void count_add(_Atomic uint64_t *counter, uint64_t n)
{
    atomic_store_explicit(counter, atomic_load_explicit(counter, memory_order_relaxed) + n,
                          memory_order_relaxed);
}

/* Adds to the entry of this kind and SA or makes one. false: the list is full. */
static inline bool esp_tell(struct esp_notices *notices, const struct esp_notice *n)
{
    for (size_t i = 0; i < notices->count; i++) {
        struct esp_notice *at = &notices->at[i];
        if (at->kind == n->kind && at->spi == n->spi && at->child_id == n->child_id &&
            at->why == n->why) {
            at->count += n->count;
            return true;
        }
    }
    if (notices->count == ESP_BATCH_MAX)
        return false;
    notices->at[notices->count++] = *n;
    return true;
}

/* Values of esp_notice.kind: enum dataplane_kind's, which this room does not see. */
enum { TELL_SOFT, TELL_HARD, TELL_FIRST_USE, TELL_USED, TELL_FAULT, TELL_MOVED, TELL_ACQUIRE };

#endif
