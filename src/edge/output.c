/* Findings and events as lines; tables. See output.h. */
#include "edge/output.h"

#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "diagnose/render.h"
#include "finding/finding.h"

static const char *const level_names[] = {"error", "warning", "notice", "info", "debug"};

bool output_parse_level(const char *text, enum log_level *out)
{
    for (size_t i = 0; i < sizeof level_names / sizeof level_names[0]; i++) {
        if (strcmp(text, level_names[i]) == 0) {
            *out = (enum log_level)i;
            return true;
        }
    }
    return false;
}

const char *output_level_name(enum log_level level)
{
    return level_names[level];
}

/* The journal tells device and inode of its stream: only when standard error is that very stream
 * are priorities understood there (systemd.exec(5)). */
static bool is_journal_stream(int fd)
{
    const char *text = getenv("JOURNAL_STREAM");
    unsigned long long device, inode;
    struct stat st;
    return text != NULL && sscanf(text, "%llu:%llu", &device, &inode) == 2 && fstat(fd, &st) == 0 &&
           st.st_dev == device && st.st_ino == inode;
}

bool output_init(struct output *o, enum log_level level)
{
    *o = (struct output){.to = stderr, .level = level};
    o->is_journal = is_journal_stream(fileno(stderr));
    return arena_init(&o->arena);
}

void output_clear(struct output *o)
{
    arena_clear(&o->arena);
}

static void write_line(struct output *o, enum log_level level, const char *text)
{
    /* sd-daemon(3): <3> error … <7> debug. */
    if (o->is_journal) {
        fprintf(o->to, "<%d>%s\n", (int)level + 3, text);
    } else {
        struct timespec now;
        struct tm tm;
        char when[32] = "";
        clock_gettime(CLOCK_REALTIME, &now);
        if (localtime_r(&now.tv_sec, &tm) != NULL)
            strftime(when, sizeof when, "%Y-%m-%d %H:%M:%S", &tm);
        fprintf(o->to, "%s.%03ld %-7s %s\n", when, now.tv_nsec / 1000000, level_names[level], text);
    }
    fflush(o->to);
}

void output_line(struct output *o, enum log_level level, const char *format, ...)
{
    if (level > o->level)
        return;
    va_list args;
    va_start(args, format);
    arena_reset(&o->arena);
    write_line(o, level, arena_vtext(&o->arena, format, args));
    va_end(args);
}

enum log_level output_finding_level(const struct finding *f)
{
    switch (ikebana_cause_row(f->cause)->severity) {
    case SEVERITY_FAILURE:
        return LOG_LEVEL_ERROR;
    case SEVERITY_WARNING:
        return LOG_LEVEL_WARNING;
    case SEVERITY_NOTICE:
        return LOG_LEVEL_NOTICE;
    }
    return LOG_LEVEL_NOTICE;
}

void output_finding(struct output *o, const struct finding *f)
{
    enum log_level level = output_finding_level(f);
    if (level > o->level)
        return;
    arena_reset(&o->arena);
    const char *text = output_finding_text(f, &o->arena);
    const char *fix = output_fix_text(f, "", "", "", &o->arena);
    if (*fix != '\0')
        text = arena_text(&o->arena, "%s; fix: %s", text, fix);
    write_line(o, level, text);
}

enum log_level output_event_level(const struct event *e)
{
    switch (e->kind) {
    case EVENT_REFUSED:
    case EVENT_NOTICE:
        return e->finding == NULL ? LOG_LEVEL_NOTICE : output_finding_level(e->finding);
    case EVENT_IKE_DOWN:
    case EVENT_CHILD_DOWN:
        return e->finding != NULL && output_finding_level(e->finding) < LOG_LEVEL_NOTICE
                   ? LOG_LEVEL_WARNING
                   : LOG_LEVEL_NOTICE;
    case EVENT_IKE_UP:
    case EVENT_CHILD_UP:
        return LOG_LEVEL_NOTICE;
    case EVENT_IKE_REKEYED:
    case EVENT_CHILD_REKEYED:
    case EVENT_PROGRESS:
        return LOG_LEVEL_INFO;
    case EVENT_RECORD:
        return e->record != NULL && e->record->result == RESULT_FAILED ? LOG_LEVEL_NOTICE
                                                                       : LOG_LEVEL_INFO;
    case EVENT_COMMAND_DONE:
        return LOG_LEVEL_DEBUG;
    }
    return LOG_LEVEL_DEBUG;
}

static void on_event(void *context, const struct daemon_event *e)
{
    struct output *o = context;
    enum log_level level = output_event_level(&e->event);
    if (level > o->level)
        return;
    arena_reset(&o->arena);
    const char *line = diagnose_event_line(&e->event, &o->arena);
    if (line != NULL && *line != '\0')
        write_line(o, level, line);
}

void output_follow(struct output *o, struct daemon *d)
{
    daemon_subscribe(d, on_event, o);
}

/* ---- words ---- */

static const char *symbol(uint16_t code)
{
    const struct ikebana_status *status = ikebana_status_by_code(code);
    return status == NULL ? "" : status->symbol;
}

const char *output_finding_text(const struct finding *f, struct arena *a)
{
    const struct cause_row *row = ikebana_cause_row(f->cause);
    uint16_t status = ikebana_finding_status(f);
    const char *text = row->sentence;
    if (*f->param != '\0')
        text = arena_text(a, "%s: %s", text, f->param);
    if (*f->expected != '\0')
        text = arena_text(a, "%s, expected %s", text, f->expected);
    if (*f->seen != '\0')
        text = arena_text(a, "%s, seen %s", text, f->seen);
    if (*f->nearest != '\0')
        text = arena_text(a, "%s, nearest %s", text, f->nearest);
    if (*f->evidence.note != '\0')
        text = arena_text(a, "%s (%s)", text, f->evidence.note);
    if (status != 0)
        return arena_text(a, "%s [%u %s, %u %s]", text, status, symbol(status), row->reason,
                          symbol(row->reason));
    return arena_text(a, "%s [%u %s]", text, row->reason, symbol(row->reason));
}

const char *output_fix_text(const struct finding *f, const char *peer, const char *conn,
                            const char *child, struct arena *a)
{
    const char *const values[] = {"peer", peer, "conn", conn, "child", child, NULL};
    size_t len = ikebana_finding_fix(f, values, NULL, 0);
    char *text = arena_alloc(a, len + 1);
    if (text == NULL)
        return "";
    ikebana_finding_fix(f, values, text, len + 1);
    return text;
}

/* ---- tables ---- */

void output_table_init(struct output_table *t, struct arena *a, size_t columns)
{
    *t = (struct output_table){.arena = a, .columns = columns};
}

void output_cell(struct output_table *t, const char *text)
{
    if (t->rows == t->room) {
        size_t room = t->room == 0 ? 64 : t->room * 2;
        const char **cells = arena_array(t->arena, room, sizeof *cells);
        if (cells == NULL)
            return;
        if (t->rows > 0)
            memcpy(cells, t->cells, t->rows * sizeof *cells);
        t->cells = cells;
        t->room = room;
    }
    t->cells[t->rows++] = text == NULL ? "" : text;
}

static size_t width(const char *text)
{
    size_t count = 0;
    for (; *text != '\0'; text++)
        count += ((unsigned char)*text & 0xc0) != 0x80;
    return count;
}

void output_table_print(const struct output_table *t, FILE *to, bool has_heading, bool has_colour)
{
    enum { COLUMNS_MAX = 32 };
    size_t widths[COLUMNS_MAX] = {0};
    size_t columns = t->columns > COLUMNS_MAX ? COLUMNS_MAX : t->columns;
    for (size_t i = 0; i < t->rows; i++) {
        size_t w = width(t->cells[i]), at = i % t->columns;
        if (at < columns && w > widths[at])
            widths[at] = w;
    }
    for (size_t i = 0; i + t->columns <= t->rows; i += t->columns) {
        bool is_bold = has_heading && has_colour && i == 0;
        if (is_bold)
            fputs("\033[1m", to);
        for (size_t at = 0; at < columns; at++) {
            const char *cell = t->cells[i + at];
            fputs(cell, to);
            if (at + 1 < columns)
                fprintf(to, "%*s", (int)(widths[at] - width(cell) + 2), "");
        }
        fputs(is_bold ? "\033[0m\n" : "\n", to);
    }
}
