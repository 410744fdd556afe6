#include "step/record.h"

#include <stdlib.h>

#include "finding/finding.h"

struct record *record_new(enum record_kind kind, struct instant now, int64_t wall_s)
{
    struct record *r = calloc(1, sizeof *r);
    if (r == NULL)
        return NULL;
    r->kind = kind;
    r->version = 2;
    r->began = now;
    r->began_s = wall_s;
    return r;
}

void record_free(struct record *r)
{
    if (r == NULL)
        return;
    free(r->conn);
    free(r->child);
    free(r->local_id);
    free(r->remote_id);
    policy_selectors_free(&r->local_ts);
    policy_selectors_free(&r->remote_ts);
    for (size_t i = 0; i < r->finding_count; i++)
        free(r->findings[i]);
    free(r->findings);
    free(r->trail);
    free(r);
}

void record_set_text(char **field, const char *text)
{
    if (text == NULL)
        return;
    char *copy = strdup(text);
    if (copy == NULL)
        return;
    free(*field);
    *field = copy;
}

void record_add_finding(struct record *r, const struct finding *f)
{
    if (r == NULL || r->finding_count == RECORD_FINDINGS_MAX)
        return;
    if (r->findings == NULL) {
        r->findings = calloc(RECORD_FINDINGS_MAX, sizeof *r->findings);
        if (r->findings == NULL)
            return;
    }
    struct finding *copy = finding_dup(f);
    if (copy != NULL)
        r->findings[r->finding_count++] = copy;
}

struct trail_entry *record_add_trail(struct record *r, struct instant now)
{
    if (r == NULL)
        return NULL;
    if (r->trail_count == TRAIL_MAX) {
        r->trail_lost++;
        return NULL;
    }
    if (r->trail_count == r->trail_room) {
        uint16_t room = r->trail_room == 0 ? 4 : (uint16_t)(r->trail_room * 2);
        struct trail_entry *trail = realloc(r->trail, room * sizeof *trail);
        if (trail == NULL) {
            r->trail_lost++;
            return NULL;
        }
        r->trail = trail;
        r->trail_room = room;
    }
    struct trail_entry *entry = &r->trail[r->trail_count++];
    memset(entry, 0, sizeof *entry);
    entry->at_ms = (uint32_t)instant_ms_between(r->began, now);
    return entry;
}

const struct finding *record_verdict(const struct record *r)
{
    for (enum severity want = SEVERITY_FAILURE;; want--) {
        for (size_t i = 0; i < r->finding_count; i++)
            if (ikebana_cause_row(r->findings[i]->cause)->severity == want)
                return r->findings[i];
        if (want == SEVERITY_WARNING)
            return NULL;
    }
}

uint16_t record_status(const struct record *r)
{
    const struct finding *f = record_verdict(r);
    if (f == NULL || (r->result != RESULT_FAILED && r->result != RESULT_PARTIAL))
        return 0;
    return ikebana_finding_status(f);
}

size_t record_memory(const struct record *r)
{
    size_t size = sizeof *r + r->trail_room * sizeof *r->trail;
    if (r->findings != NULL)
        size += RECORD_FINDINGS_MAX * sizeof *r->findings;
    return size;
}
