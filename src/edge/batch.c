#include "edge/batch.h"

#include <stdlib.h>

#include "finding/finding.h"

struct batch *batch_new(void)
{
    struct batch *b = calloc(1, sizeof *b);
    if (b == NULL)
        return NULL;
    if (!arena_init(&b->arena)) {
        free(b);
        return NULL;
    }
    b->end = &b->first;
    return b;
}

void batch_reset(struct batch *b)
{
    for (struct entry *e = b->first; e != NULL; e = e->next)
        if (e->kind == ENTRY_EVENT && e->event.event.kind == EVENT_RECORD)
            record_free(e->event.event.record);
    b->first = NULL;
    b->end = &b->first;
    arena_reset(&b->arena);
}

void batch_free(struct batch *b)
{
    if (b == NULL)
        return;
    batch_reset(b);
    arena_clear(&b->arena);
    free(b);
}

struct entry *batch_add(struct batch *b, enum entry_kind kind)
{
    struct entry *e = arena_alloc(&b->arena, sizeof *e);
    if (e == NULL)
        return NULL;
    e->kind = kind;
    *b->end = e;
    b->end = &e->next;
    return e;
}

static char *text(const char *from, struct arena *a)
{
    if (from == NULL)
        return NULL;
    size_t size = strlen(from) + 1;
    char *to = arena_alloc(a, size);
    if (to != NULL)
        memcpy(to, from, size);
    return to;
}

bool batch_copy_selectors(const struct selectors *s, struct arena *a, struct selectors *out)
{
    *out = (struct selectors){NULL, 0};
    if (s->count == 0)
        return true;
    out->at = arena_array(a, s->count, sizeof *s->at);
    if (out->at == NULL)
        return false;
    memcpy(out->at, s->at, s->count * sizeof *s->at);
    out->count = s->count;
    return true;
}

static struct finding *copy_finding(const struct finding *f, struct arena *a)
{
    struct finding *out = f == NULL ? NULL : arena_alloc(a, sizeof *out);
    return out != NULL && finding_copy(f, a, out) ? out : NULL;
}

/* A record that goes on growing in the engine: what it says now. */
static struct record *copy_record(const struct record *r, struct arena *a)
{
    struct record *out = r == NULL ? NULL : arena_alloc(a, sizeof *out);
    if (out == NULL)
        return NULL;
    *out = *r;
    out->conn = text(r->conn, a);
    out->child = text(r->child, a);
    out->local_id = text(r->local_id, a);
    out->remote_id = text(r->remote_id, a);
    batch_copy_selectors(&r->local_ts, a, &out->local_ts);
    batch_copy_selectors(&r->remote_ts, a, &out->remote_ts);
    out->findings = arena_array(a, RECORD_FINDINGS_MAX, sizeof *out->findings);
    out->finding_count = 0;
    for (size_t i = 0; i < r->finding_count && out->findings != NULL; i++) {
        struct finding *f = copy_finding(r->findings[i], a);
        if (f != NULL && out->finding_count < RECORD_FINDINGS_MAX)
            out->findings[out->finding_count++] = f;
    }
    out->trail = arena_array(a, r->trail_count == 0 ? 1 : r->trail_count, sizeof *out->trail);
    if (out->trail == NULL)
        out->trail_count = 0;
    else if (r->trail_count > 0)
        memcpy(out->trail, r->trail, r->trail_count * sizeof *r->trail);
    out->trail_room = out->trail_count;
    return out;
}

bool batch_add_event(struct batch *b, unsigned worker, struct instant now, int64_t wall_s,
                     const struct event *e, struct record *taken)
{
    struct entry *entry = batch_add(b, ENTRY_EVENT);
    if (entry == NULL) {
        record_free(taken);
        return false;
    }
    entry->event = (struct daemon_event){worker, now, wall_s, *e};
    struct event *to = &entry->event.event;
    const char *none = "";
    to->conn_name = text(e->conn_name, &b->arena);
    to->child_name = text(e->child_name, &b->arena);
    to->local_id = text(e->local_id, &b->arena);
    to->remote_id = text(e->remote_id, &b->arena);
    if (to->conn_name == NULL)
        to->conn_name = none;
    if (to->child_name == NULL)
        to->child_name = none;
    to->finding = copy_finding(e->finding, &b->arena);
    to->record = e->kind == EVENT_RECORD ? taken : copy_record(e->record, &b->arena);
    return batch_copy_selectors(&e->local_ts, &b->arena, &to->local_ts) &&
           batch_copy_selectors(&e->remote_ts, &b->arena, &to->remote_ts);
}
