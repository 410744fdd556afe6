#include "policy/conn_read.h"

#include <strings.h>

#include "finding/finding.h"
#include "policy/value.h"

static void mix(uint64_t *hash, struct span octets)
{
    for (size_t i = 0; i < octets.len; i++)
        *hash = (*hash ^ octets.at[i]) * 1099511628211u;
    *hash = (*hash ^ (octets.len << 8)) * 1099511628211u; /* where one text ends */
}

uint64_t policy_section_digest(const struct section *s, const char *without)
{
    uint64_t hash = 14695981039346656037u;
    for (const struct setting *each = s->settings; each != NULL; each = each->next) {
        mix(&hash, span_text(each->name));
        mix(&hash, each->value);
        for (size_t i = 0; i < each->item_count; i++)
            mix(&hash, each->items[i]);
    }
    for (const struct section *each = s->sections; each != NULL; each = each->next) {
        if (without != NULL && strcasecmp(each->name, without) == 0)
            continue;
        uint64_t inner = policy_section_digest(each, NULL);
        mix(&hash, span_text(each->name));
        mix(&hash, span_of((const uint8_t *)&inner, sizeof inner));
    }
    return hash;
}

static const struct field *find_field(const struct field *fields, size_t count, const char *name)
{
    for (size_t i = 0; i < count; i++) {
        if (strcmp(fields[i].name, name) == 0)
            return &fields[i];
    }
    return NULL;
}

void policy_read_fields(struct place *p, struct arena *a, const struct section *s,
                        const struct field *fields, size_t count, void *into)
{
    for (const struct setting *each = s->settings; each != NULL; each = each->next) {
        if (!policy_wants_setting(p, each))
            continue;
        const struct field *f = find_field(fields, count, each->name);
        if (f != NULL && f->read != NULL)
            f->read(p, a, each, f, into);
    }
}

bool policy_one_value(struct place *p, const struct setting *s, struct span *out)
{
    *out = s->value;
    if (s->is_list)
        policy_report_setting(p, CAUSE_CONF_BAD_VALUE, s, "", " (a list)");
    return !s->is_list;
}

static uint8_t *member(void *into, const struct field *f)
{
    return (uint8_t *)into + f->at;
}

void policy_read_bool(struct place *p, struct arena *a, const struct setting *s,
                      const struct field *f, void *into)
{
    (void)a;
    struct span text;
    bool value;
    if (!policy_one_value(p, s, &text))
        return;
    if (value_bool(text, &value) == VALUE_BAD)
        policy_report_setting(p, CAUSE_CONF_BAD_VALUE, s, "", "");
    else
        memcpy(member(into, f), &value, sizeof value);
}

static bool report_fit(struct place *p, const struct setting *s, enum value_fit fit, uint64_t value,
                       const char *unit)
{
    if (fit == VALUE_BAD)
        policy_report_setting(p, CAUSE_CONF_BAD_VALUE, s, "", "");
    else if (fit == VALUE_ODD)
        policy_report_setting(
            p, CAUSE_CONF_ODD_VALUE, s, "",
            arena_text(p->found->arena, " (read as %llu%s)", (unsigned long long)value, unit));
    return fit != VALUE_BAD;
}

void policy_read_u32(struct place *p, struct arena *a, const struct setting *s,
                     const struct field *f, void *into)
{
    (void)a;
    struct span text;
    uint64_t value;
    if (!policy_one_value(p, s, &text))
        return;
    enum value_fit fit = value_number(text, f->max == 0 ? UINT32_MAX : f->max, &value);
    if (report_fit(p, s, fit, value, "")) {
        uint32_t narrow = (uint32_t)value;
        memcpy(member(into, f), &narrow, sizeof narrow);
    }
}

static void read_wide(struct place *p, const struct setting *s, const struct field *f, void *into,
                      enum value_fit (*parse)(struct span, uint64_t *), const char *unit)
{
    struct span text;
    uint64_t value;
    if (!policy_one_value(p, s, &text))
        return;
    enum value_fit fit = parse(text, &value);
    if (fit != VALUE_BAD && value == UNDEFINED)
        value--; /* as good as endless, and not mistaken for "not set" */
    if (report_fit(p, s, fit, value, unit))
        memcpy(member(into, f), &value, sizeof value);
}

static enum value_fit plain_u64(struct span text, uint64_t *out)
{
    return value_number(text, UINT64_MAX, out);
}

void policy_read_u64(struct place *p, struct arena *a, const struct setting *s,
                     const struct field *f, void *into)
{
    (void)a;
    read_wide(p, s, f, into, plain_u64, "");
}

void policy_read_time(struct place *p, struct arena *a, const struct setting *s,
                      const struct field *f, void *into)
{
    (void)a;
    read_wide(p, s, f, into, value_time, " s");
}

void policy_read_bytes(struct place *p, struct arena *a, const struct setting *s,
                       const struct field *f, void *into)
{
    (void)a;
    read_wide(p, s, f, into, value_bytes, " octets");
}

size_t policy_count_items(const struct setting *s)
{
    if (s->is_list)
        return s->item_count;
    struct reader list = reader_of(s->value);
    struct span item;
    size_t count = 0;
    while (value_next_item(&list, &item))
        count++;
    return count;
}

void policy_read_items(struct place *p, struct arena *a, const struct setting *s, item_reader *read,
                       void *into)
{
    for (size_t i = 0; s->is_list && i < s->item_count; i++)
        read(p, a, s, s->items[i], into);
    struct reader list = reader_of(s->is_list ? (struct span){NULL, 0} : s->value);
    struct span item;
    while (value_next_item(&list, &item))
        read(p, a, s, item, into);
}

struct proposal_target {
    struct proposals *out;
    uint8_t protocol;
};

static void read_proposal(struct place *p, struct arena *a, const struct setting *s,
                          struct span item, void *into)
{
    const struct proposal_target *t = into;
    size_t first = p->found->count;
    if (!policy_parse_proposals(item, t->protocol, a, t->out,
                                policy_join_path(p->found->arena, p->path, s->name), p->found))
        p->failed = true;
    policy_locate_findings(p, first, s);
}

void policy_read_proposals(struct place *p, struct arena *a, const struct setting *s,
                           uint8_t protocol, const char *name, struct proposals *out)
{
    struct proposal_target t = {out, protocol};
    if (s != NULL && policy_count_items(s) > 0) {
        policy_read_items(p, a, s, read_proposal, &t);
        return;
    }
    if (s != NULL)
        policy_report_setting(p, CAUSE_CONF_ODD_VALUE, s, "a list of proposals",
                              " (read as default)");
    if (!policy_parse_proposals(span_text("default"), protocol, a, out,
                                policy_join_path(p->found->arena, p->path, name), p->found))
        p->failed = true;
}
