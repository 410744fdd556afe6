/* Engines joined by a virtual network, under virtual time.
 *
 * The simulator drives each engine as the daemon does: it carries out effects, answers asks, calls
 * when a timer is due; and keeps an SA table per host as a data plane would. Everything that is on
 * its way (datagrams, answers, traffic) is one queue ordered by time, so a run is repeated exactly
 * by the same calls.
 *
 * Traffic is "packets" without octets: a packet leaves on the newest outbound SA in use of a child
 * and arrives when the other host has an inbound SA with that SPI and the same keys; the first one
 * that arrives on an SA is reported as DP_FIRST_USE. What does not arrive is lost, and counted.
 *
 * What the engines must never do in any run (two SAs of one SPI, a removal of what is not there, a
 * datagram without marker to a NAT port …) is noted in `broken`, which a test expects to be empty.
 */
#ifndef IKEBANA_TESTS_SCENARIO_SIM_H
#define IKEBANA_TESTS_SCENARIO_SIM_H

#include <stdio.h>

#include "engine/engine.h"

enum { SIM_HOSTS_MAX = 4, SIM_SAS_MAX = 256, SIM_STREAMS_MAX = 8, SIM_FILTERS_MAX = 16 };

struct sim;

/* One direction of a CHILD SA in a host's table. */
struct sim_sa {
    uint32_t spi, child_id;
    bool is_inbound, in_udp, esn, is_seen, takes_fragments, mends_checksums, tells_use;
    struct instant used_told;
    enum child_mode mode;
    uint16_t pad_to;
    uint64_t use; /* outbound: when it was put to use, 0 = not yet; the highest is sent on */
    struct address local, remote;
    struct child_keys keys;
    char child[32];
};

struct sim_policy {
    uint32_t child_id; /* with POLICY_ID_BIT: of no SA */
    enum child_mode mode;
    bool is_trap;
    unsigned held; /* packets that wait at a trap */
    char child[32];
};

/* An event that an engine emitted, with its finding and record made lasting. */
struct sim_event {
    struct instant at;
    enum event_kind kind;
    uint64_t ticket;
    bool ok, is_taken; /* is_taken: an expectation has named it */
    uint32_t count, ike_id, child_id, old_id;
    char conn[32], child[32];
    struct finding *finding; /* heap, or NULL */
    struct record *record;   /* owned, or NULL */
};

struct sim_host {
    char name[16];
    struct sim *sim;
    struct address at; /* without port */
    struct engine *engine;
    struct engine_options options;
    struct instant wake;
    bool is_dead;
    /* NAT: the address under which others see it; ports are mapped */
    bool has_nat;
    struct address nat;
    uint16_t nat_shift;     /* added to a source port; changed by sim_remap() */
    int64_t nat_timeout_ms; /* a mapping that is not used for so long is forgotten; 0 = never */
    struct instant nat_used;
    struct instant packet_sent_at;
    uint64_t keepalives;         /* sent */
    struct address answers_from; /* of another interface: where its answers seem to come from */
    struct sim_sa sas[SIM_SAS_MAX];
    size_t sa_count;
    struct sim_policy policies[SIM_SAS_MAX];
    size_t policy_count;
    uint64_t uses;
    struct sim_event *events;
    size_t event_count, event_room;
    uint64_t sent, received; /* datagrams */
    uint64_t packets_sent, packets_arrived, packets_lost, packets_blocked, packets_held_lost;
    const char *ask_error; /* the next asks fail with this */
};

enum filter_kind { FILTER_DROP, FILTER_DUPLICATE, FILTER_DELAY, FILTER_FORGE };

/* What happens to datagrams that a host sends. */
struct sim_filter {
    struct sim_host *from;
    enum filter_kind kind;
    unsigned left;    /* how many more; UINT32_MAX = all */
    uint8_t exchange; /* 0 = any */
    int response;     /* -1 = any, 0 requests only, 1 responses only */
    int64_t delay_ms;
    uint16_t fragment; /* 0 = any; else only SKF with this number */
    size_t larger;     /* only datagrams with more octets than this, IP and UDP headers included */
    bool keeps_spi;    /* FILTER_FORGE */
};

/* What the network does by chance, to each datagram: parts of a thousand. */
struct sim_weather {
    struct rng *rng; /* NULL = nothing */
    uint32_t loss, twice, late;
    int64_t late_ms; /* at most */
};

struct sim_stream {
    struct sim_host *from;
    char child[32];
    int64_t every_ms;
    bool is_on;
};

/* A datagram as it was sent, for tests that replay or change it. */
struct sim_capture {
    struct sim_host *from;
    struct datagram datagram; /* as the receiver gets it */
    struct sim_host *to;
};

struct sim_thing;

struct sim {
    struct sim_host hosts[SIM_HOSTS_MAX];
    size_t host_count;
    struct instant now;
    int64_t wall_base_s;
    int64_t latency_ms;
    struct sim_thing *queue; /* sorted */
    uint64_t next_order;
    struct sim_filter filters[SIM_FILTERS_MAX];
    size_t filter_count;
    struct sim_weather weather;
    struct sim_stream streams[SIM_STREAMS_MAX];
    size_t stream_count;
    uint64_t octets_hash; /* of all datagrams sent, in order */
    uint64_t next_ticket;
    uint32_t broken;
    char broken_text[256]; /* the first one */
    FILE *log;             /* NULL = silent */
    /* false: the datagram is swallowed */
    bool (*on_send)(void *context, const struct sim_capture *c);
    void *on_send_context;
};

void sim_init(struct sim *s);
void sim_clear(struct sim *s);
/* options may be NULL. The seed is made from the name. */
struct sim_host *sim_add_host(struct sim *s, const char *name, const char *address,
                              const struct engine_options *options);
struct sim_host *sim_host(struct sim *s, const char *name);
/* swanctl.conf text. false: a failure in it, printed to stderr. Connections that are not in it
 * stay. */
bool sim_load(struct sim_host *h, const char *text);
void sim_step(struct sim_host *h, const struct input *in);
/* Returns the ticket. */
uint64_t sim_command(struct sim_host *h, enum command_kind kind, const char *conn,
                     const char *child, uint32_t ike_id, uint32_t child_id, bool is_forced);
/* Puts a datagram on the network as if h had sent it (from `local` to `remote`), at once. */
void sim_inject(struct sim *s, const struct datagram *d);
/* The host behind an address, NAT undone: *d becomes what it receives. NULL: nobody. */
struct sim_host *sim_receiver(struct sim *s, struct datagram *d);
void sim_dataplane(struct sim_host *h, enum dataplane_kind kind, uint32_t spi, uint32_t child_id,
                   enum cause cause, uint64_t count);
/* mtu 0: the peer cannot be reached; else "too big". */
void sim_path_error(struct sim_host *h, const struct sim_host *about, const char *what,
                    uint32_t mtu);

/* Lets ms of virtual time pass. */
void sim_run_ms(struct sim *s, int64_t ms);
/* Until nothing is on its way but streams; at most a minute. */
void sim_settle(struct sim *s);
/* One thing from the queue or one timer; false: nothing is due up to `until`. */
bool sim_turn(struct sim *s, struct instant until);

void sim_filter(struct sim_host *from, enum filter_kind kind, unsigned count, uint8_t exchange,
                int response, int64_t delay_ms);
void sim_filters_clear(struct sim *s);
void sim_set_nat(struct sim_host *h, const char *address, int64_t timeout_ms);
/* Events up to here are not kept any longer. */
void sim_forget_events(struct sim_host *h);
void sim_remap(struct sim_host *h);
/* The host vanishes with all that it knows. */
void sim_kill(struct sim_host *h);
/* A new engine, empty. */
void sim_start(struct sim_host *h);
void sim_stream(struct sim_host *from, const char *child, int64_t every_ms);
/* One packet between these two selectors' addresses: on the child's SA, or it waits at its trap, is
 * blocked, passes or meets nothing. */
enum sim_fate { SIM_SENT, SIM_HELD, SIM_BLOCKED, SIM_PASSED, SIM_CLEAR };
enum sim_fate sim_packet(struct sim_host *from, const char *child, const struct ts_pair *pair);
/* Policies of the child without an SA. */
size_t sim_policy_count(const struct sim_host *h, const char *child);
unsigned sim_held(const struct sim_host *h);
void sim_streams_stop(struct sim *s);

/* NULL: tables, views and the peers' tables agree. Else what does not, in static memory of the sim.
 * Only live hosts are compared. Call when nothing is on its way. */
const char *sim_check_tables(struct sim *s);
/* Everything that an engine remembers but counters, records and the random generator, hashed. */
uint64_t sim_digest(const struct sim_host *h);
size_t sim_child_count(const struct sim_host *h); /* inbound SAs in the table */

struct ike_sa;
/* A message of an IKE SA of `from`, sealed with its keys: plain is the payload chain as in SK,
 * first its first payload type. The datagram goes to the peer as the SA's own messages do; its
 * octets live until the next step of `from`. */
bool sim_seal(struct sim_host *from, struct ike_sa *sa, uint8_t exchange, bool is_response,
              uint32_t message_id, uint8_t first, struct span plain, struct datagram *out);
/* The same for one fragment of it, RFC 7383. */
bool sim_seal_fragment(struct sim_host *from, struct ike_sa *sa, uint8_t exchange, bool is_response,
                       uint32_t message_id, uint8_t first, uint16_t number, uint16_t total,
                       struct span piece, struct datagram *out);
/* The oldest IKE SA, or NULL. */
struct ike_sa *sim_first_sa(struct sim_host *h);
/* The answer of its peer to the IKE_SA_INIT request of the host's first IKE SA: one notify. false:
 * it has none, or is further on. */
bool sim_answer_init(struct sim_host *h, uint16_t type, struct span data, struct writer *w,
                     struct datagram *out);
/* The SA of `from` that a datagram of its own belongs to, or NULL. */
struct ike_sa *sim_sa_of(struct sim_host *from, struct span datagram);
/* The next request of its first IKE SA, which then counts as sent and answered; or one that is
 * `ahead` of it, which does not. */
bool sim_seal_request(struct sim_host *from, uint8_t exchange, uint8_t first, struct span plain,
                      uint32_t ahead, struct datagram *out);
/* An answer to the last request that its first SA has executed. */
bool sim_seal_answer(struct sim_host *from, uint8_t exchange, uint8_t first, struct span plain,
                     struct datagram *out);
/* As if so many requests had gone from one host to the other on their first IKE SA. */
bool sim_set_message_ids(struct sim_host *from, struct sim_host *to, uint32_t next_id);
/* What is inside a protected datagram that `from` has sent: false when there is no such SA any
 * more. plain lives until its next step. */
bool sim_open(struct sim_host *from, struct span datagram, uint8_t *first, struct span *plain);

#endif
