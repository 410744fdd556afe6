/* What a worker tells the main thread: copies, in the order in which things happened.
 *
 * One batch is one loop turn's news of one worker. Its entries live in its arena; a batch that
 * comes back is used again, so a steady state allocates little. Records come along as they are:
 * the batch owns those that it took (EVENT_RECORD) and frees them with itself. */
#ifndef IKEBANA_EDGE_BATCH_H
#define IKEBANA_EDGE_BATCH_H

#include "edge/daemon.h"
#include "edge/queue.h"

enum entry_kind {
    ENTRY_EVENT,
    ENTRY_ROUTE,   /* a policy: routes for its remote selectors */
    ENTRY_VISITED, /* a visit is over on this worker */
    ENTRY_STOPPED, /* the worker's last word */
};

struct entry {
    enum entry_kind kind;
    struct entry *next;
    union {
        struct daemon_event event;
        struct {
            bool is_set;
            struct selectors local_ts, remote_ts;
        } route;
        void *visit;
        unsigned worker; /* ENTRY_STOPPED */
    };
};

struct batch {
    struct queue_item item; /* first: it travels through queues */
    unsigned worker;        /* whose it is */
    struct arena arena;
    struct entry *first, **end;
};

struct batch *batch_new(void);
void batch_free(struct batch *b);
/* Empty again, records freed. */
void batch_reset(struct batch *b);
/* NULL: no memory. */
struct entry *batch_add(struct batch *b, enum entry_kind kind);
/* Copies the event. An EVENT_RECORD's record is the batch's from now on (taken: as
 * engine_take_record() gave it, may be NULL); another event's record is copied. */
bool batch_add_event(struct batch *b, unsigned worker, struct instant now, int64_t wall_s,
                     const struct event *e, struct record *taken);
bool batch_copy_selectors(const struct selectors *s, struct arena *a, struct selectors *out);

#endif
