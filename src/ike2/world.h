/* What all IKE SAs of one engine share: maps, configuration, timers, counters, the step in
 * progress. */
#ifndef IKEBANA_IKE2_WORLD_H
#define IKEBANA_IKE2_WORLD_H

#include "base/map.h"
#include "ike2/sa.h"
#include "ike2/standing.h"

enum {
    IKE_PORT = 500,
    IKE_NAT_PORT = 4500,
    SCRATCH_SIZE = 16384,
    SEALERS_MAX = 8,
    NONCE_LEN = 32,
};

struct world_options {
    uint8_t worker;
    unsigned workers; /* of the daemon; 0 or 1: this one alone */
    struct retransmission retransmission;
    uint32_t half_open_timeout_s, cookie_threshold, block_threshold, init_limit_half_open;
    uint32_t records_per_s;
    uint32_t init_error_wait_ms; /* doubt.c */
    uint16_t port, nat_port;     /* ours */
    bool is_silent_without_conn;
    /* As in struct engine_options, with defaults filled in: 0 is what 0 means in strongswan.conf,
     * but cookie_threshold_ip is UINT32_MAX for never. */
    uint32_t cookie_threshold_ip, fragment_size, max_packet, keep_alive_s, keep_alive_dpd_margin_s,
        delete_rekeyed_delay_s, window_size;
    bool inactivity_close_ike, make_before_break, close_ike_on_child_failure, is_initiator_only;
};

/* A command that waits for outcomes of several wishes. */
struct waiting {
    uint64_t ticket;
    uint32_t outstanding, count;
    bool failed;
    struct finding *why; /* heap */
};

struct sa_row {
    uint32_t id;
    struct ike_sa *sa; /* NULL: gone */
};

struct world_counters {
    uint64_t datagrams_in, datagrams_out, dropped, cookies_sent, retransmits, negotiations,
        failures;
    uint32_t half_open, child_sas;
};

struct world {
    struct step step;
    struct arena arena;
    struct rng *rng;
    struct world_options options;
    struct conn **conns;
    size_t conn_count, conn_room;
    struct psk **psks;
    size_t psk_count, psk_room;
    /* conf.c: how they are found */
    struct conn_row **conn_rows; /* as conns */
    struct psk_row **psk_rows;   /* as psks */
    size_t conn_row_room, psk_row_room;
    struct map conns_by_id, classes, classes_by_host, psk_names, psks_by_owner;
    struct conn_class *wide;
    uint64_t next_order;
    struct map by_spi;    /* our IKE SPI → SA */
    struct map half_open; /* half_open_find() → struct half_open: finds a repeated request */
    struct map half_open_by_spi; /* our SPI → struct half_open */
    struct timers half_timers;
    struct map begun;                       /* begun_keep() → struct begun */
    struct begun *begun_first, *begun_last; /* the oldest, the newest */
    size_t begun_count;
    struct map farewells;                            /* our SPI → struct farewell */
    struct farewell *farewell_first, *farewell_last; /* the oldest, the newest */
    struct map by_esp_spi;                           /* our inbound SPI → SA */
    struct map by_child;                             /* child id → SA */
    struct map by_address; /* hash of a remote host → struct half_open_host */
    struct map by_conn;    /* hash of a connection's name → its newest SA */
    struct map conn_names; /* hash of the name → connection */
    struct map by_ids;     /* hash of both identities → its newest SA; see unique.c */
    struct map by_host;    /* hash of a remote host → an SA that stands; see hint.c */
    int64_t hint_second;
    uint32_t hints_in_second;
    struct map elsewhere; /* the same → what other workers have */
    struct map waiting;   /* ticket → struct waiting */
    struct timers timers;
    struct sa_row *rows; /* in order of id */
    size_t row_count, row_room, live;
    uint32_t next_ike_id, next_child_id;
    struct world_counters counters;
    struct record **records; /* emitted in this step, not yet taken */
    size_t record_count, record_room;
    int64_t record_second;
    uint32_t records_in_second;
    struct {
        const struct encr *encr;
        const struct integ *integ;
        bool is_sealing;
        struct sealer *sealer;
    } sealers[SEALERS_MAX];
    size_t sealer_count;
    struct ike_sa *gone;          /* to be freed at the end of the step; linked by same_next */
    uint32_t half_open_fragments; /* octets of memory */
    uint64_t asked_hash;          /* of the request that is being handled */
    uint32_t asked_id;            /* its message ID */
    uint16_t asked_size;          /* the largest datagram of its fragments; 0: it came whole */
    struct path asked_path;       /* where it came from */
    bool asked_is_verified;       /* IKE_SA_INIT: it came with a good cookie */
    /* Policies without an SA and what is to come up: standing.h */
    struct map standings;      /* policy id → struct standing */
    struct map standing_names; /* hash of connection and child → struct standing */
    struct timers standing_timers;
    uint32_t next_policy_id;
    struct map reqids, reqid_numbers; /* reqid.c */
    uint32_t next_reqid;
    bool is_leaving; /* shut down: nothing comes up any more */
    uint8_t scratch[SCRATCH_SIZE];
};

struct reauth;

/* ---- world.c ---- */

bool world_init(struct world *w, const struct world_options *o, const uint8_t seed[RNG_SEED_SIZE]);
void world_clear(struct world *w);
void world_begin_step(struct world *w, struct instant now, int64_t wall_s);
void world_end_step(struct world *w);

struct ike_sa *world_new_sa(struct world *w, struct conn *conn, bool is_initiator);
/* Takes a reference and gives the old one back. */
void world_set_sa_conn(struct world *w, struct ike_sa *sa, struct conn *conn);
/* The newest SA whose connection has this name; further ones by same_next. */
struct ike_sa *world_sa_of_conn(const struct world *w, const char *name);
bool world_add_spi(struct world *w, struct ike_sa *sa);
/* Out of all maps; freed at the end of the step. Its children's SAs and policies are removed by
 * effects. */
void world_drop_sa(struct world *w, struct ike_sa *sa);
/* The same for one that nobody has heard of yet: its id is used again. */
void world_discard_sa(struct world *w, struct ike_sa *sa);
struct ike_sa *world_sa_by_id(const struct world *w, uint32_t id);
/* First row with an id above `id`, or NULL. */
struct ike_sa *world_sa_after(const struct world *w, uint32_t id);
uint64_t world_new_ike_spi(struct world *w);
/* 0: none left. The SPI is taken: world_add_child_spi() keeps it, world_free_esp_spi() gives it
 * back. */
uint32_t world_new_esp_spi(struct world *w, struct ike_sa *sa);
void world_free_esp_spi(struct world *w, uint32_t spi);
uint32_t world_new_child_id(struct world *w);
struct child_sa *world_find_child(struct world *w, uint32_t child_id, struct ike_sa **sa);

/* A connection and its place in the configuration. */
struct conn_row {
    struct conn *conn;
    uint64_t order; /* the lower counts among equals */
    struct conn_class *class;
    struct conn_row *next, *before; /* of the class */
    bool is_loose;                  /* remote.id is a pattern */
    struct conn_row *loose_next, *loose_before;
    uint64_t id_key;
};

/* ---- conf.c ---- */

void conf_init(struct world *w);
void conf_clear(struct world *w);
/* For IKE_SA_INIT: one of each class that fits the addresses, the most exact first. */
size_t conf_by_address(struct world *w, const struct address *local, const struct address *remote,
                       struct conn ***out);
/* For IKE_AUTH: all that the peer's identity may fit, in no order; perhaps more. */
size_t conf_by_ids(struct world *w, const struct address *local, const struct address *remote,
                   const struct identity *idi, const struct conn_row ***out);
/* For a refusal: some that fit the addresses. */
size_t conf_near(struct world *w, const struct address *local, const struct address *remote,
                 size_t most, const struct conn_row ***out);

struct conn *world_find_conn(const struct world *w, const char *name);
bool world_set_conn(struct world *w, struct conn *c); /* takes a reference */
bool world_remove_conn(struct world *w, const char *name);
bool world_set_psk(struct world *w, struct psk *p);
bool world_remove_psk(struct world *w, const char *id);
const struct psk *world_find_psk(struct world *w, const struct identity *local,
                                 const struct identity *remote);

/* A shared context for the suite; keyed by the caller for each message. */
struct sealer *world_sealer(struct world *w, const struct encr *e, const struct integ *i,
                            bool is_sealing);

/* ---- reauth.c ---- */

void reauth_clear(struct reauth *r);

/* Sets the SA's timer to its next due time. */
void world_rearm(struct world *w, struct ike_sa *sa);

/* ---- nat.c ---- */

/* When a keepalive may be due. */
struct instant nat_due(const struct world *w, const struct ike_sa *sa);

/* ---- hint.c ---- */

/* It stands, or its peer is at another address now. */
void hint_place(struct world *w, struct ike_sa *sa);
void hint_forget(struct world *w, struct ike_sa *sa);
/* A good IKE_SA_INIT request came from this host. */
void hint_new_contact(struct world *w, const struct address *from);

/* ---- unique.c ---- */

void unique_forget(struct world *w, struct ike_sa *sa);
void unique_clear(struct world *w);

/* ---- begun.c ---- */

/* This IKE_SA_INIT request has led to an authentic IKE_AUTH: later copies of it are ignored. */
void begun_keep(struct world *w, struct span request, const struct address *remote);
bool begun_knows(struct world *w, struct span request, const struct address *remote);
void begun_clear(struct world *w);

/* ---- farewell.c ---- */

/* Keeps the last answer of an SA that ends, for a while. */
void farewell_keep(struct world *w, struct ike_sa *sa);
/* Is this the request that it answered? Then the answer is sent again. spi: ours. */
bool farewell_repeat(struct world *w, uint64_t spi, const struct datagram *d);
void farewell_clear(struct world *w);

/* ---- half_open.c ---- */

/* The one that these very octets made, from this address and port: they get the same answer. By all
 * octets of the request, not by SPIi alone: nobody else's request can take the place of the
 * initiator's. */
struct half_open *half_open_find(const struct world *w, const struct datagram *d);
/* The world owns it from then on. false: no memory, and it is freed. */
bool half_open_add(struct world *w, struct half_open *h);
void half_open_drop(struct world *w, struct half_open *h);
void half_open_clear(struct world *w);
uint32_t half_open_of_host(const struct world *w, const struct address *remote);
/* Only those that came with a cookie: the others may be forged. */
uint32_t half_open_of_port(const struct world *w, const struct address *remote);
/* The oldest of the host, or NULL. */
struct half_open *half_open_oldest(const struct world *w, const struct address *remote);

/* ---- report.c: records, events, commands ---- */

/* Emits the record as an event; the world keeps it until it is taken or the next step begins. */
void world_emit_record(struct world *w, struct record *r);
/* One more record of a stranger is allowed in this second. */
bool world_may_record_stranger(struct world *w);
/* None is allowed any more in this second. */
bool world_is_past_records(const struct world *w);
struct effect *world_event(struct world *w, enum event_kind kind, const struct ike_sa *sa,
                           const struct child_sa *child);
/* In the arena, for effects: the child may be gone before they are carried out. */
struct selectors world_copy_selectors(struct world *w, const struct selectors *s);
void world_expect(struct world *w, uint64_t ticket, uint32_t outcomes);
/* One outcome of a command: the last one ends it with EVENT_COMMAND_DONE. why may be NULL when ok.
 */
void world_outcome(struct world *w, uint64_t ticket, bool ok, const struct finding *why);

#endif
