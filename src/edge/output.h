/* Lines for the log and tables for people, from findings and events.
 *
 * Under systemd (standard error is the journal's stream) a line begins with its priority "<4>" and
 * the journal adds the time; elsewhere it begins with the time. One line per event; whatever a peer
 * made is escaped already. */
#ifndef IKEBANA_EDGE_OUTPUT_H
#define IKEBANA_EDGE_OUTPUT_H

#include <stdio.h>

#include "edge/daemon.h"

enum log_level {
    LOG_LEVEL_ERROR,
    LOG_LEVEL_WARNING,
    LOG_LEVEL_NOTICE,
    LOG_LEVEL_INFO,
    LOG_LEVEL_DEBUG,
};

struct output {
    FILE *to;
    enum log_level level; /* nothing above it is written */
    bool is_journal;
    struct arena arena;
};

/* "error", "warning", "notice", "info", "debug". */
bool output_parse_level(const char *text, enum log_level *out);
const char *output_level_name(enum log_level level);

/* To standard error; finds out whether that is the journal ($JOURNAL_STREAM). false: no memory. */
bool output_init(struct output *o, enum log_level level);
void output_clear(struct output *o);

/* One line, without an end of line in it. */
void output_line(struct output *o, enum log_level level, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
void output_finding(struct output *o, const struct finding *f);
/* Every event of the daemon becomes a line from here on. */
void output_follow(struct output *o, struct daemon *d);

/* ---- words, also for VICI and the command ---- */

/* "no common IKE proposal: connections.office.proposals, expected A, seen B
 * [13800 ERROR_IPSEC_IKE_NEG_STATUS_BEGIN, 13868 ERROR_IPSEC_IKE_POLICY_MATCH]" */
const char *output_finding_text(const struct finding *f, struct arena *a);
/* The fix with its places filled in. conn, child, peer: "" = not known. */
const char *output_fix_text(const struct finding *f, const char *peer, const char *conn,
                            const char *child, struct arena *a);
enum log_level output_finding_level(const struct finding *f);
enum log_level output_event_level(const struct event *e);

/* A table whose columns are as wide as their widest cell; the last column is not padded. Widths are
 * counted in characters of UTF-8. */
struct output_table {
    struct arena *arena;
    size_t columns, rows, room;
    const char **cells;
};
void output_table_init(struct output_table *t, struct arena *a, size_t columns);
/* One cell after the other, row by row. */
void output_cell(struct output_table *t, const char *text);
void output_table_print(const struct output_table *t, FILE *to, bool has_heading, bool has_colour);

#endif
