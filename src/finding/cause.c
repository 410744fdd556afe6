/* The cause table and what follows from a row alone: status, names, the fix with its places filled
 * in. Part of the public library, so it needs no other room. */
#include <string.h>

#include <ikebana/finding.h>
#include <ikebana/status.h>

#include "finding/cause_rows.h"

const struct cause_row *ikebana_cause_row(enum cause cause)
{
    return (unsigned)cause < CAUSE_COUNT ? &cause_rows[cause] : &cause_rows[CAUSE_NONE];
}

const struct cause_row *ikebana_cause_by_id(const char *id)
{
    if (id == NULL)
        return NULL;
    for (size_t i = 0; i < CAUSE_COUNT; i++)
        if (strcmp(cause_rows[i].id, id) == 0)
            return &cause_rows[i];
    return NULL;
}

uint16_t ikebana_finding_status(const struct finding *f)
{
    if (ikebana_cause_row(f->cause)->is_processing)
        return IKEBANA_STATUS_PROCESSING;
    switch (f->phase) {
    case PHASE_IKE_SA_INIT:
    case PHASE_IKE_AUTH:
        return IKEBANA_STATUS_BEGIN;
    case PHASE_CHILD:
    case PHASE_REKEY:
    case PHASE_ESTABLISHED:
        return IKEBANA_STATUS_END;
    case PHASE_NONE:
        break;
    }
    return 0;
}

const char *ikebana_severity_name(enum severity severity)
{
    switch (severity) {
    case SEVERITY_NOTICE:
        return "notice";
    case SEVERITY_WARNING:
        return "warning";
    case SEVERITY_FAILURE:
        return "failure";
    }
    return "unknown";
}

const char *ikebana_side_name(enum side side)
{
    switch (side) {
    case SIDE_UNKNOWN:
        break;
    case SIDE_OURS:
        return "ours";
    case SIDE_PEER:
        return "peer";
    case SIDE_BOTH:
        return "both";
    case SIDE_PATH:
        return "path";
    }
    return "unknown";
}

const char *ikebana_phase_name(enum phase phase)
{
    switch (phase) {
    case PHASE_NONE:
        return "none";
    case PHASE_IKE_SA_INIT:
        return "IKE_SA_INIT";
    case PHASE_IKE_AUTH:
        return "IKE_AUTH";
    case PHASE_CHILD:
        return "CHILD_SA";
    case PHASE_REKEY:
        return "rekey";
    case PHASE_ESTABLISHED:
        return "established";
    }
    return "unknown";
}

/* Text that is counted whole and kept as far as there is room. */
struct sink {
    char *at;
    size_t size, len;
};

static void put(struct sink *s, const char *text, size_t len)
{
    if (s->len < s->size) {
        size_t room = s->size - s->len;
        memcpy(s->at + s->len, text, len < room ? len : room);
    }
    s->len += len;
}

static bool is_name(const char *name, size_t len, const char *of)
{
    return strlen(of) == len && memcmp(name, of, len) == 0;
}

/* What a place is filled with when nothing is known: the sentence must still read. */
static const char *fallback(const char *name, size_t len)
{
    static const char *const words[][2] = {
        {"param", "the setting"},
        {"expected", "what is expected"},
        {"seen", "what the other side has"},
        {"nearest", "another one"},
        {"peer", "the peer"},
        {"conn", "the connection"},
        {"child", "the child"},
    };
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
        if (is_name(name, len, words[i][0]))
            return words[i][1];
    return NULL;
}

/* NULL: there is no place of that name, the braces are text. */
static const char *value_of(const struct finding *f, const char *const values[], const char *name,
                            size_t len)
{
    const char *value = NULL;
    for (size_t i = 0; values != NULL && values[i] != NULL; i += 2) {
        if (is_name(name, len, values[i]))
            value = values[i + 1] == NULL ? "" : values[i + 1];
        if (values[i + 1] == NULL)
            break;
    }
    if (value != NULL && *value != '\0')
        return value;
    if (is_name(name, len, "param"))
        value = f->param;
    else if (is_name(name, len, "expected"))
        value = f->expected;
    else if (is_name(name, len, "seen"))
        value = f->seen;
    else if (is_name(name, len, "nearest"))
        value = f->nearest;
    if (value != NULL && *value != '\0')
        return value;
    const char *words = fallback(name, len);
    return words != NULL ? words : value;
}

size_t ikebana_finding_fix(const struct finding *f, const char *const values[], char *out,
                           size_t size)
{
    struct sink sink = {out, size, 0};
    const char *p = ikebana_cause_row(f->cause)->fix;

    while (*p != '\0') {
        size_t plain = strcspn(p, "{");
        put(&sink, p, plain);
        p += plain;
        if (*p == '\0')
            break;
        const char *end = strchr(p, '}');
        size_t len = end == NULL ? 0 : (size_t)(end - p) - 1;
        const char *value = end == NULL ? NULL : value_of(f, values, p + 1, len);
        if (value == NULL) {
            put(&sink, p, 1);
            p++;
            continue;
        }
        put(&sink, value, strlen(value));
        p = end + 1;
    }
    if (size > 0)
        out[sink.len < size ? sink.len : size - 1] = '\0';
    return sink.len;
}
