/* Where the history keeps its rows: SQLite, or a ring in memory. Used by one thread. */
#ifndef IKEBANA_EDGE_HISTORY_STORE_H
#define IKEBANA_EDGE_HISTORY_STORE_H

#include "edge/history.h"

/* One record as it is kept; all strings and the row itself are one heap block. */
struct history_item {
    struct history_item *next;
    uint64_t number;
    int64_t began_s;
    uint32_t took_ms;
    uint16_t status, reason;
    bool is_failure;
    const char *conn, *child, *peer, *kind, *result, *cause; /* "" = none */
    const char *json;
    size_t json_len, size; /* size: octets of the block */
};

struct history_store;

/* path NULL: memory. Never NULL but for want of memory. error: a text (malloc) when the database
 * cannot be used, else NULL. */
struct history_store *store_open(const char *path, const struct history_limits *limits,
                                 char **error);
void store_close(struct history_store *s);
uint64_t store_last_number(const struct history_store *s);
/* Takes the whole list; error as above, at most once in the life of a store. */
void store_add(struct history_store *s, struct history_item *items, char **error);
/* Newest first, copies that belong to the caller: free() each. */
struct history_item *store_ask(struct history_store *s, const struct history_query *q,
                               char **error);

#endif
