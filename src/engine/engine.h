/* The engine: the seam between the world and the protocol. It maps SPIs to SAs, decides on first
 * messages before any state is made, keeps timers, and hands records out. Pure: see step/step.h.
 *
 * One engine belongs to one worker and is used by one thread. Worker number: the first octet of
 * every IKE SPI and ESP SPI that it makes, so that datagrams can be steered without knowing any SA.
 */
#ifndef IKEBANA_ENGINE_ENGINE_H
#define IKEBANA_ENGINE_ENGINE_H

#include "step/step.h"

struct engine;

struct engine_options {
    uint8_t worker;
    unsigned workers; /* of the daemon; 0: this one alone */
    uint8_t seed[RNG_SEED_SIZE];
    /* strongswan.conf's values and defaults; 0 = default */
    uint32_t retransmit_timeout_ms; /* 4000 */
    double retransmit_base;         /* 1.8 */
    uint32_t retransmit_tries;      /* 5; UINT32_MAX = none */
    uint32_t half_open_timeout_s;   /* 30 */
    uint32_t cookie_threshold;      /* 30; UINT32_MAX = never, 1 = always from the second on */
    uint32_t block_threshold;       /* 5 half-open for each address; UINT32_MAX = none */
    uint32_t init_limit_half_open;  /* 0 = none */
    uint32_t records_per_s;         /* 50: of peers that have not authenticated themselves */
    uint16_t port, nat_port;        /* our ports: 500, 4500 */
    /* 1000: how long an attempt waits for a better answer after one that refuses it and that nobody
     * has sealed; UINT32_MAX = not at all */
    uint32_t init_error_wait_ms;
    bool is_silent_without_conn; /* do not answer peers for whom there is no connection */
    /* Further ones of strongswan.conf; 0 = default, UINT32_MAX = what 0 means in the file. */
    uint32_t retransmit_jitter;       /* 0: percent taken off each wait at random, at most */
    uint32_t retransmit_limit_s;      /* 0 = none */
    uint32_t retransmit_early_ms;     /* 0: no copies of set-up requests between the repetitions */
    uint32_t cookie_threshold_ip;     /* 3 half-open for one address; UINT32_MAX = never */
    uint32_t fragment_size;           /* 1280; UINT32_MAX = by address family */
    uint32_t max_packet;              /* 10000: the largest IKE message */
    uint32_t keep_alive_s;            /* 20; UINT32_MAX = none */
    uint32_t keep_alive_dpd_margin_s; /* 0 = never */
    uint32_t delete_rekeyed_delay_s;  /* 5; UINT32_MAX = at once */
    uint32_t window_size;             /* 4: requests of a peer that are taken at once, 1 to 64 */
    bool inactivity_close_ike, make_before_break, close_ike_on_child_failure;
    bool is_initiator_only; /* no request for an IKE SA is answered */
};

struct engine *engine_new(const struct engine_options *o);
void engine_free(struct engine *e);

/* All effects of one input; valid until the next step. Effects are to be carried out in order. */
const struct effects *engine_step(struct engine *e, const struct input *in);

/* The record of an EVENT_RECORD becomes the caller's (record_free()); else the engine frees it at
 * the next step. */
struct record *engine_take_record(struct engine *e, const struct event *event);

/* ---- looking ---- */

enum ike_state { IKE_CONNECTING, IKE_ESTABLISHED, IKE_REKEYING, IKE_REKEYED, IKE_DELETING };
enum child_state { CHILD_CREATED, CHILD_INSTALLED, CHILD_REKEYING, CHILD_REKEYED, CHILD_DELETING };

struct child_view {
    uint32_t id;
    const char *name;
    enum child_state state;
    enum child_mode mode;
    uint32_t spi_in, spi_out, reqid;
    bool in_udp;
    struct suite suite;
    struct selectors local_ts, remote_ts;
    int64_t installed_s_ago, rekey_in_s, expires_in_s; /* -1 = never */
};

struct ike_view {
    uint32_t id;
    const char *conn_name;
    enum ike_state state;
    bool is_initiator, has_nat_here, has_nat_there, nat_faked;
    uint8_t version;
    struct address local, remote;
    const char *local_id, *remote_id;
    uint64_t spi_i, spi_r;
    struct suite suite;
    int64_t established_s_ago, rekey_in_s, reauth_in_s, expires_in_s; /* -1 = never / not yet */
    const struct child_view *children;
    size_t child_count;
};

/* One IKE SA after the other: *cursor = 0 at first; false at the end. The view lives in the arena
 * and points into the engine: use it before the next step. SAs that come between two calls may be
 * missed, none is shown twice. */
bool engine_next_sa(const struct engine *e, uint64_t *cursor, struct instant now, struct arena *a,
                    struct ike_view *out);

/* A policy without an SA: trap (mode tunnel or transport), pass, drop, or the block of a child that
 * start_action = start keeps up. */
struct policy_view {
    const char *conn_name, *child_name;
    uint32_t id;
    enum child_mode mode;
    bool is_block;
    uint32_t reqid; /* traps */
    struct selectors local_ts, remote_ts;
};

/* One after the other, in no order: *cursor = 0 at first; false at the end. The engine must not
 * step between. */
bool engine_next_policy(const struct engine *e, size_t *cursor, struct policy_view *out);

struct engine_counters {
    uint64_t datagrams_in, datagrams_out, dropped, cookies_sent, retransmits;
    uint64_t negotiations, failures;
    uint32_t half_open, ike_sas, child_sas;
};
void engine_counters(const struct engine *e, struct engine_counters *out);
/* Which of so many engines keeps a connection's traps, shunts and starts: it is the same that
 * initiates it. */
unsigned engine_owner(const char *conn_name, unsigned workers);
struct conn *engine_find_conn(const struct engine *e, const char *name); /* borrowed */

#endif
