#include "step/step.h"

#include "finding/finding.h"

struct effect *step_add(struct step *s, enum effect_kind kind)
{
    if (s->count == s->room) {
        size_t room = s->room == 0 ? 16 : s->room * 2;
        struct effect *grown = arena_array(s->arena, room, sizeof *grown);
        if (grown == NULL)
            return NULL;
        if (s->count > 0)
            memcpy(grown, s->effects, s->count * sizeof *grown);
        s->effects = grown;
        s->room = room;
    }
    struct effect *fx = &s->effects[s->count++];
    memset(fx, 0, sizeof *fx);
    fx->kind = kind;
    if (kind == FX_EVENT)
        fx->event.conn_name = fx->event.child_name = "";
    return fx;
}

void step_event_finding(struct step *s, enum event_kind kind, const char *conn_name,
                        const struct finding *f)
{
    struct finding *copy = arena_alloc(s->arena, sizeof *copy);
    struct effect *fx = step_add(s, FX_EVENT);
    if (fx == NULL || copy == NULL)
        return;
    *copy = *f;
    fx->event.kind = kind;
    fx->event.conn_name = conn_name == NULL ? "" : conn_name;
    fx->event.finding = copy;
}
