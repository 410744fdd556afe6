/* The memory of the daemon: every record, in SQLite, bounded, written off the hot path.
 *
 * One thread of its own owns the database; the main thread gives it records and questions, answers
 * come back on the main loop. A database that cannot be used (no permission, disk full, damaged,
 * from a newer version) stops nothing: a finding says so, and the newest records are kept in
 * memory. Numbers go on where the database ended; they are given on the main thread at once. */
#ifndef IKEBANA_EDGE_HISTORY_H
#define IKEBANA_EDGE_HISTORY_H

#include <uv.h>

#include "edge/daemon.h"

struct history;

struct history_limits {
    uint32_t records_max; /* 0: 10,000 */
    uint64_t octets_max;  /* of the database file; 0: 64 MiB */
};

/* Something is wrong with the database; called on the main thread, f borrowed. */
typedef void history_fault(void *context, const struct finding *f);

/* path: NULL = memory only. Never fails but for want of memory (NULL): faults of the database are
 * told through `fault` (may be NULL), those at opening before this returns. */
struct history *history_open(uv_loop_t *loop, const char *path, const struct history_limits *limits,
                             history_fault *fault, void *context);
/* Writes what is queued, ends the thread; the daemon that it follows must still be there. Run the
 * loop once more before it is closed. Questions that wait are not answered. NULL is allowed. */
void history_close(struct history *h);

/* Every EVENT_RECORD of the daemon gets its number (record->number, at once, before any later
 * subscriber sees it) and is kept. A second call for the same history does nothing. */
void history_follow(struct history *h, struct daemon *d);

/* Gives the number and keeps a copy as JSON. */
uint64_t history_add(struct history *h, struct record *r);

/* What can be asked for: all fields that are set must fit. Newest first. */
struct history_query {
    uint64_t number;   /* 0 = any */
    uint64_t before;   /* only numbers below it; 0 = no bound */
    const char *name;  /* of the connection or of the child; NULL = any */
    const char *conn;  /* NULL = any */
    const char *child; /* NULL = any */
    bool is_failure;   /* only what failed */
    uint32_t limit;    /* at most HISTORY_PAGE_MAX */
};
enum { HISTORY_PAGE_MAX = 100 };

struct history_row {
    uint64_t number;
    const char *json;
    size_t json_len;
};

/* rows are borrowed for the call. */
typedef void history_found(void *context, const struct history_row *rows, size_t count);
/* Strings are copied. The answer comes later, on the main loop. 0 = no memory, no answer will come;
 * else a ticket for history_forget(). */
uint64_t history_ask(struct history *h, const struct history_query *q, history_found *found,
                     void *context);
void history_forget(struct history *h, uint64_t ticket);

/* Where it is kept: the path, or "memory". */
const char *history_place(const struct history *h);

#endif
