/* SQLite first; from the first fault on, a ring in memory takes what is new, and the database is
 * still asked for what is old as long as it answers. Both are bounded: the oldest rows go. */
#include "edge/history_store.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    SCHEMA_VERSION = 1,
    RING_RECORDS_MAX = 10000,
    RING_OCTETS_MAX = 16 * 1024 * 1024,
};

static const char schema[] =
    "CREATE TABLE records ("
    " number INTEGER PRIMARY KEY, began INTEGER NOT NULL, took_ms INTEGER NOT NULL,"
    " conn TEXT NOT NULL, child TEXT NOT NULL, peer TEXT NOT NULL, kind TEXT NOT NULL,"
    " result TEXT NOT NULL, failed INTEGER NOT NULL, status INTEGER NOT NULL,"
    " reason INTEGER NOT NULL, cause TEXT NOT NULL, json TEXT NOT NULL);"
    "CREATE INDEX records_conn ON records (conn, number);"
    "CREATE INDEX records_child ON records (child, number);"
    "PRAGMA user_version = 1;";

struct history_store {
    sqlite3 *db; /* NULL: memory only */
    int lock;    /* the database file, held against other daemons; -1 = not held */
    sqlite3_stmt *insert, *ask;
    bool is_degraded; /* new rows go to the ring */
    bool has_told;
    struct history_limits limits;
    uint64_t last, count;
    unsigned adds; /* since the size was last looked at */
    struct history_item *oldest, *newest;
    size_t ring_count, ring_octets;
};

/* The first fault is told, the rest is silence: the ring has taken over. */
static void degrade(struct history_store *s, const char *what, char **error)
{
    s->is_degraded = true;
    if (s->has_told || error == NULL || *error != NULL)
        return;
    s->has_told = true;
    bool has_more = s->db != NULL && sqlite3_errcode(s->db) != SQLITE_OK &&
                    sqlite3_errcode(s->db) != SQLITE_DONE && sqlite3_errcode(s->db) != SQLITE_ROW;
    if (asprintf(error, "%s%s%s", what, has_more ? ": " : "",
                 has_more ? sqlite3_errmsg(s->db) : "") < 0)
        *error = NULL;
}

static bool run(struct history_store *s, const char *sql)
{
    return sqlite3_exec(s->db, sql, NULL, NULL, NULL) == SQLITE_OK;
}

/* The one number that a statement answers; fallback when it fails. */
static int64_t number_of(struct history_store *s, const char *sql, int64_t fallback)
{
    sqlite3_stmt *st = NULL;
    int64_t value = fallback;
    if (sqlite3_prepare_v2(s->db, sql, -1, &st, NULL) == SQLITE_OK &&
        sqlite3_step(st) == SQLITE_ROW)
        value = sqlite3_column_int64(st, 0);
    sqlite3_finalize(st);
    return value;
}

static bool prepare(struct history_store *s)
{
    static const char insert[] =
        "INSERT OR REPLACE INTO records VALUES (?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11,?12,?13)";
    static const char ask[] =
        "SELECT number, began, took_ms, conn, child, peer, kind, result, failed, status, reason,"
        " cause, json FROM records WHERE (?1 = 0 OR number = ?1) AND (?2 = 0 OR number < ?2)"
        " AND (?3 IS NULL OR conn = ?3 OR child = ?3) AND (?4 IS NULL OR conn = ?4)"
        " AND (?5 IS NULL OR child = ?5) AND (?6 = 0 OR failed)"
        " ORDER BY number DESC LIMIT ?7";
    return sqlite3_prepare_v2(s->db, insert, -1, &s->insert, NULL) == SQLITE_OK &&
           sqlite3_prepare_v2(s->db, ask, -1, &s->ask, NULL) == SQLITE_OK;
}

/* Two daemons would give the same numbers and overwrite each other's records. SQLite's own locks
 * are another kind (fcntl); since those go with the first descriptor of the file that is closed,
 * this one is closed after SQLite's. */
static const char *lock_db(struct history_store *s, const char *path)
{
    /* Records name peers and identities: not for every user of the machine. */
    s->lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOCTTY, 0640);
    if (s->lock < 0)
        return NULL; /* SQLite will say why */
    if (flock(s->lock, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK)
        return "is used by another ikebanad: give each a --state of its own";
    return fchmod(s->lock, 0640) == 0 ? NULL : "cannot be protected";
}

/* What is wrong with the database, or NULL. */
static const char *open_db(struct history_store *s, const char *path)
{
    const char *what = strcmp(path, ":memory:") == 0 ? NULL : lock_db(s, path);
    if (what != NULL)
        return what;
    if (sqlite3_open_v2(path, &s->db,
                        SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX,
                        NULL) != SQLITE_OK)
        return "cannot be opened";
    sqlite3_busy_timeout(s->db, 2000);
    sqlite3_db_config(s->db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
    sqlite3_db_config(s->db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
    if (!run(s, "PRAGMA auto_vacuum = INCREMENTAL") || !run(s, "PRAGMA journal_mode = WAL") ||
        !run(s, "PRAGMA synchronous = NORMAL") || !run(s, "PRAGMA journal_size_limit = 4194304"))
        return "cannot be set up";
    int64_t version = number_of(s, "PRAGMA user_version", -1);
    if (version == 0) {
        if (!run(s, "BEGIN IMMEDIATE") || !run(s, schema) || !run(s, "COMMIT"))
            return "its tables cannot be made";
    } else if (version < 0 || version > SCHEMA_VERSION) {
        return version < 0 ? "cannot be read" : "was written by a newer version of ikebana";
    }
    if (!prepare(s))
        return "its tables are not those of the history";
    s->last = (uint64_t)number_of(s, "SELECT max(number) FROM records", -1);
    int64_t count = number_of(s, "SELECT count(*) FROM records", -1);
    if (count < 0 || s->last == UINT64_MAX)
        return "cannot be read";
    s->count = (uint64_t)count;
    return NULL;
}

static void close_db(struct history_store *s)
{
    sqlite3_finalize(s->insert);
    sqlite3_finalize(s->ask);
    sqlite3_close(s->db);
    s->insert = s->ask = NULL;
    s->db = NULL;
    if (s->lock >= 0)
        close(s->lock);
    s->lock = -1;
}

struct history_store *store_open(const char *path, const struct history_limits *limits,
                                 char **error)
{
    struct history_store *s = calloc(1, sizeof *s);
    *error = NULL;
    if (s == NULL)
        return NULL;
    if (limits != NULL)
        s->limits = *limits;
    if (s->limits.records_max == 0)
        s->limits.records_max = 10000;
    if (s->limits.octets_max == 0)
        s->limits.octets_max = 64 * 1024 * 1024;
    s->lock = -1;
    s->is_degraded = path == NULL;
    if (path != NULL) {
        const char *what = open_db(s, path);
        if (what != NULL) {
            degrade(s, what, error);
            if (s->last == UINT64_MAX)
                s->last = 0;
            close_db(s);
        }
    }
    return s;
}

void store_close(struct history_store *s)
{
    if (s == NULL)
        return;
    while (s->oldest != NULL) {
        struct history_item *next = s->oldest->next;
        free(s->oldest);
        s->oldest = next;
    }
    if (s->db != NULL)
        close_db(s);
    free(s);
}

uint64_t store_last_number(const struct history_store *s)
{
    return s->last;
}

/* ---- adding ---- */

static void ring_add(struct history_store *s, struct history_item *item)
{
    size_t most =
        s->limits.records_max < RING_RECORDS_MAX ? s->limits.records_max : RING_RECORDS_MAX;
    item->next = NULL;
    if (s->newest != NULL)
        s->newest->next = item;
    else
        s->oldest = item;
    s->newest = item;
    s->ring_count++;
    s->ring_octets += item->size;
    while (s->oldest != item && (s->ring_count > most || s->ring_octets > RING_OCTETS_MAX)) {
        struct history_item *gone = s->oldest;
        s->oldest = gone->next;
        s->ring_count--;
        s->ring_octets -= gone->size;
        free(gone);
    }
}

static void bind_text(sqlite3_stmt *st, int at, const char *text)
{
    sqlite3_bind_text(st, at, text, -1, SQLITE_STATIC);
}

static bool db_add(struct history_store *s, const struct history_item *i)
{
    sqlite3_stmt *st = s->insert;
    sqlite3_bind_int64(st, 1, (int64_t)i->number);
    sqlite3_bind_int64(st, 2, i->began_s);
    sqlite3_bind_int64(st, 3, i->took_ms);
    bind_text(st, 4, i->conn);
    bind_text(st, 5, i->child);
    bind_text(st, 6, i->peer);
    bind_text(st, 7, i->kind);
    bind_text(st, 8, i->result);
    sqlite3_bind_int(st, 9, i->is_failure);
    sqlite3_bind_int(st, 10, i->status);
    sqlite3_bind_int(st, 11, i->reason);
    bind_text(st, 12, i->cause);
    bind_text(st, 13, i->json);
    bool ok = sqlite3_step(st) == SQLITE_DONE;
    sqlite3_reset(st);
    sqlite3_clear_bindings(st);
    return ok;
}

/* Oldest rows beyond the limits, and the pages that they leave. */
static bool db_shorten(struct history_store *s)
{
    char sql[160];
    if (s->count > s->limits.records_max) {
        uint64_t surplus = s->count - s->limits.records_max;
        snprintf(sql, sizeof sql,
                 "DELETE FROM records WHERE number IN"
                 " (SELECT number FROM records ORDER BY number LIMIT %" PRIu64 ")",
                 surplus);
        if (!run(s, sql))
            return false;
        s->count -= surplus;
    }
    if (++s->adds < 64 && s->count > 64)
        return true;
    s->adds = 0;
    uint64_t page = (uint64_t)number_of(s, "PRAGMA page_size", 4096);
    uint64_t pages = (uint64_t)number_of(s, "PRAGMA page_count", 0);
    uint64_t most = s->limits.octets_max;
    if (page * pages <= most || s->count < 10)
        return true;
    /* Down to nine tenths of the bound, as if all rows were of one size. */
    uint64_t surplus =
        (uint64_t)((double)s->count * (1 - 0.9 * (double)most / (double)(page * pages)));
    snprintf(sql, sizeof sql,
             "DELETE FROM records WHERE number IN"
             " (SELECT number FROM records ORDER BY number LIMIT %" PRIu64 ")",
             surplus);
    if (!run(s, sql) || !run(s, "PRAGMA incremental_vacuum"))
        return false;
    s->count -= surplus;
    return true;
}

void store_add(struct history_store *s, struct history_item *items, char **error)
{
    bool in_db = s->db != NULL && !s->is_degraded;
    if (in_db && !run(s, "BEGIN IMMEDIATE")) {
        degrade(s, "cannot be written", error);
        in_db = false;
    }
    /* All or nothing: what was in a transaction that fails goes to the ring. */
    if (in_db) {
        uint64_t count = 0;
        bool ok = true;
        for (struct history_item *i = items; ok && i != NULL; i = i->next, count++)
            ok = db_add(s, i);
        if (ok && run(s, "COMMIT")) {
            s->count += count;
        } else {
            degrade(s, "cannot be written", error);
            run(s, "ROLLBACK");
            in_db = false;
        }
    }
    while (items != NULL) {
        struct history_item *next = items->next;
        s->last = items->number;
        if (in_db)
            free(items);
        else
            ring_add(s, items);
        items = next;
    }
    if (in_db && !db_shorten(s))
        degrade(s, "cannot be shortened", error);
}

/* ---- asking ---- */

static struct history_item *item_copy(const struct history_item *i)
{
    const char *texts[] = {i->conn, i->child, i->peer, i->kind, i->result, i->cause, i->json};
    const char **places[7];
    size_t size = sizeof *i;
    for (size_t n = 0; n < 7; n++)
        size += strlen(texts[n]) + 1;
    struct history_item *copy = malloc(size);
    if (copy == NULL)
        return NULL;
    *copy = *i;
    copy->next = NULL;
    copy->size = size;
    copy->json_len = strlen(i->json);
    places[0] = &copy->conn;
    places[1] = &copy->child;
    places[2] = &copy->peer;
    places[3] = &copy->kind;
    places[4] = &copy->result;
    places[5] = &copy->cause;
    places[6] = &copy->json;
    struct writer w = writer_of(copy + 1, size - sizeof *copy);
    for (size_t n = 0; n < 7; n++) {
        size_t len = strlen(texts[n]) + 1;
        uint8_t *at = put_room(&w, len);
        if (at != NULL)
            memcpy(at, texts[n], len);
        *places[n] = (const char *)at;
    }
    return copy;
}

static bool fits(const struct history_item *i, const struct history_query *q)
{
    return (q->number == 0 || i->number == q->number) &&
           (q->before == 0 || i->number < q->before) &&
           (q->name == NULL || strcmp(i->conn, q->name) == 0 || strcmp(i->child, q->name) == 0) &&
           (q->conn == NULL || strcmp(i->conn, q->conn) == 0) &&
           (q->child == NULL || strcmp(i->child, q->child) == 0) &&
           (!q->is_failure || i->is_failure);
}

/* The newest `limit` that fit, newest first. The ring is linked from the oldest on, so what was
 * found is pushed on a list and its far end is cut. */
static struct history_item *ring_ask(const struct history_store *s, const struct history_query *q,
                                     size_t *found)
{
    size_t fit = 0;
    for (const struct history_item *i = s->oldest; i != NULL; i = i->next)
        fit += fits(i, q);
    struct history_item *list = NULL;
    size_t skip = fit > q->limit ? fit - q->limit : 0;
    *found = 0;
    for (const struct history_item *i = s->oldest; i != NULL; i = i->next) {
        if (!fits(i, q) || (skip > 0 && skip-- > 0))
            continue;
        struct history_item *copy = item_copy(i);
        if (copy == NULL)
            break;
        copy->next = list;
        list = copy;
        ++*found;
    }
    return list;
}

static const char *column(sqlite3_stmt *st, int at)
{
    const char *text = (const char *)sqlite3_column_text(st, at);
    return text == NULL ? "" : text;
}

static struct history_item *db_ask(struct history_store *s, const struct history_query *q,
                                   size_t limit, char **error)
{
    sqlite3_stmt *st = s->ask;
    struct history_item *list = NULL, **end = &list;
    sqlite3_bind_int64(st, 1, (int64_t)q->number);
    sqlite3_bind_int64(st, 2, (int64_t)q->before);
    bind_text(st, 3, q->name);
    bind_text(st, 4, q->conn);
    bind_text(st, 5, q->child);
    sqlite3_bind_int(st, 6, q->is_failure);
    sqlite3_bind_int64(st, 7, (int64_t)limit);
    int result;
    while ((result = sqlite3_step(st)) == SQLITE_ROW) {
        struct history_item row = {
            .number = (uint64_t)sqlite3_column_int64(st, 0),
            .began_s = sqlite3_column_int64(st, 1),
            .took_ms = (uint32_t)sqlite3_column_int64(st, 2),
            .conn = column(st, 3),
            .child = column(st, 4),
            .peer = column(st, 5),
            .kind = column(st, 6),
            .result = column(st, 7),
            .is_failure = sqlite3_column_int(st, 8) != 0,
            .status = (uint16_t)sqlite3_column_int(st, 9),
            .reason = (uint16_t)sqlite3_column_int(st, 10),
            .cause = column(st, 11),
            .json = column(st, 12),
        };
        *end = item_copy(&row);
        if (*end == NULL)
            break;
        end = &(*end)->next;
    }
    if (result != SQLITE_DONE && result != SQLITE_ROW)
        degrade(s, "cannot be read", error);
    sqlite3_reset(st);
    sqlite3_clear_bindings(st);
    return list;
}

struct history_item *store_ask(struct history_store *s, const struct history_query *q, char **error)
{
    size_t found = 0;
    struct history_item *list = ring_ask(s, q, &found);
    if (s->db == NULL || found >= q->limit)
        return list;
    struct history_item **end = &list;
    while (*end != NULL)
        end = &(*end)->next;
    *end = db_ask(s, q, q->limit - found, error);
    return list;
}
