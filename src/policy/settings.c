/* The tree: sections hold settings and sections in the order in which they came. Names are found
 * by walking while there are few, by a hash of the name from INDEX_FROM on, so that a file or a
 * message with very many of them stays linear. */
#include "policy/settings.h"

#include "base/secret.h"
#include "finding/finding.h"
#include "policy/settings_tree.h"

enum { INDEX_FROM = 16 };

static uint64_t name_hash(struct span name)
{
    uint64_t h = 0xcbf29ce484222325U; /* FNV-1a */
    for (size_t i = 0; i < name.len; i++)
        h = (h ^ name.at[i]) * 0x100000001b3U;
    return h ^ h >> 32;
}

/* Settings and sections both begin with their name. */
static const char *name_of(const void *thing)
{
    const char *name;
    memcpy(&name, thing, sizeof name);
    return name;
}

static void index_put(struct settings_index *x, const void *thing)
{
    size_t at = (size_t)name_hash(span_text(name_of(thing))) & (x->size - 1);
    while (x->slots[at] != NULL)
        at = (at + 1) & (x->size - 1);
    x->slots[at] = thing;
}

static void *index_get(const struct settings_index *x, struct span name)
{
    size_t at = (size_t)name_hash(name) & (x->size - 1);
    for (; x->slots[at] != NULL; at = (at + 1) & (x->size - 1)) {
        if (span_is(name, name_of(x->slots[at]))) {
            void *found;
            memcpy(&found, &x->slots[at], sizeof found);
            return found;
        }
    }
    return NULL;
}

/* Room for one more; the old slots stay in the arena, together less than the new ones. */
static bool index_grow(struct arena *a, struct settings_index *x)
{
    size_t old_size = x->size, size = x->size == 0 ? 4 * INDEX_FROM : x->size * 2;
    const void **old = x->slots;
    const void **slots = arena_array(a, size, sizeof *slots);
    if (slots == NULL)
        return false;
    x->slots = slots;
    x->size = size;
    for (size_t i = 0; i < old_size; i++) {
        if (old[i] != NULL)
            index_put(x, old[i]);
    }
    return true;
}

static const char *copy_name(struct arena *a, struct span name)
{
    char *copy = arena_alloc(a, name.len + 1);
    if (copy != NULL && name.len > 0)
        memcpy(copy, name.at, name.len);
    return copy;
}

static struct setting *find_setting(const struct section *in, struct span name)
{
    if (in->by_key.size > 0)
        return index_get(&in->by_key, name);
    for (struct setting *s = in->settings; s != NULL; s = s->next) {
        if (span_is(name, s->name))
            return s;
    }
    return NULL;
}

struct section *settings_child(const struct section *in, struct span name)
{
    if (in->by_section.size > 0)
        return index_get(&in->by_section, name);
    for (struct section *s = in->sections; s != NULL; s = s->next) {
        if (span_is(name, s->name))
            return s;
    }
    return NULL;
}

static bool index_setting(struct arena *a, struct section *in, const struct setting *s)
{
    struct settings_index *x = &in->by_key;
    if (++x->count < INDEX_FROM)
        return true;
    if (x->size == 0) { /* from now on: all that are there, the new one is the last of them */
        if (!index_grow(a, x))
            return false;
        for (const struct setting *each = in->settings; each != NULL; each = each->next)
            index_put(x, each);
        return true;
    }
    if (x->count > x->size / 2 && !index_grow(a, x))
        return false;
    index_put(x, s);
    return true;
}

static bool index_section(struct arena *a, struct section *in, const struct section *s)
{
    struct settings_index *x = &in->by_section;
    if (++x->count < INDEX_FROM)
        return true;
    if (x->size == 0) {
        if (!index_grow(a, x))
            return false;
        for (const struct section *each = in->sections; each != NULL; each = each->next)
            index_put(x, each);
        return true;
    }
    if (x->count > x->size / 2 && !index_grow(a, x))
        return false;
    index_put(x, s);
    return true;
}

struct section *settings_section_new(struct arena *a, const char *name)
{
    struct section *s = arena_alloc(a, sizeof *s);
    if (s == NULL)
        return NULL;
    s->name = copy_name(a, span_text(name));
    s->file = "vici";
    s->settings_end = &s->settings;
    s->sections_end = &s->sections;
    s->references_end = &s->references;
    return s->name == NULL ? NULL : s;
}

struct section *settings_append_section(struct arena *a, struct section *in, struct span name)
{
    const char *text = copy_name(a, name);
    struct section *s = text == NULL ? NULL : settings_section_new(a, "");
    if (s == NULL)
        return NULL;
    s->name = text;
    *in->sections_end = s;
    in->sections_end = &s->next;
    return index_section(a, in, s) ? s : NULL;
}

struct section *settings_section(struct arena *a, struct section *in, struct span name)
{
    struct section *s = settings_child(in, name);
    return s != NULL ? s : settings_append_section(a, in, name);
}

bool settings_relink(struct arena *a, struct section *in, struct setting *s)
{
    *in->settings_end = s;
    in->settings_end = &s->next;
    return index_setting(a, in, s);
}

struct setting *settings_place_for(struct arena *a, struct section *in, struct span name)
{
    struct setting *s = find_setting(in, name);
    if (s != NULL) {
        s->earlier_file = s->file;
        s->earlier_line = s->line;
        s->value = (struct span){NULL, 0};
        s->items = NULL;
        s->item_count = 0;
        s->is_list = s->is_unset = false;
        return s;
    }
    s = arena_alloc(a, sizeof *s);
    if (s == NULL || (s->name = copy_name(a, name)) == NULL)
        return NULL;
    s->file = "vici";
    return settings_relink(a, in, s) ? s : NULL;
}

struct setting *settings_add(struct arena *a, struct section *in, struct span name,
                             struct span value)
{
    struct setting *s = settings_place_for(a, in, name);
    if (s == NULL)
        return NULL;
    s->value = arena_copy(a, value);
    return s->value.at == NULL && value.len > 0 ? NULL : s;
}

struct setting *settings_add_list(struct arena *a, struct section *in, struct span name,
                                  const struct span *items, size_t count)
{
    struct setting *s = settings_place_for(a, in, name);
    if (s == NULL)
        return NULL;
    s->is_list = true;
    s->items = arena_array(a, count == 0 ? 1 : count, sizeof *s->items);
    if (s->items == NULL)
        return NULL;
    for (size_t i = 0; i < count; i++) {
        s->items[i] = arena_copy(a, items[i]);
        if (s->items[i].at == NULL && items[i].len > 0)
            return NULL;
    }
    s->item_count = count;
    return s;
}

const struct section *settings_find_section(const struct section *in, const char *name)
{
    return settings_child(in, span_text(name));
}

const struct setting *settings_find(const struct section *in, const char *name)
{
    return find_setting(in, span_text(name));
}

static void wipe_octets(struct span s)
{
    if (s.len == 0)
        return;
    void *at; /* the octets are the tree's own copy */
    memcpy(&at, &s.at, sizeof at);
    secret_wipe(at, s.len);
}

static void wipe_below(struct section *s, unsigned depth)
{
    for (struct setting *each = s->settings; each != NULL; each = each->next) {
        wipe_octets(each->value);
        for (size_t i = 0; i < each->item_count; i++)
            wipe_octets(each->items[i]);
    }
    if (depth == 4 * SETTINGS_DEPTH_MAX)
        return; /* no reader makes such a tree */
    for (struct section *each = s->sections; each != NULL; each = each->next)
        wipe_below(each, depth + 1);
}

void settings_wipe(struct section *s)
{
    if (s != NULL)
        wipe_below(s, 0);
}

const char *settings_place(struct arena *a, const char *file, unsigned line)
{
    if (line == 0)
        return file;
    return arena_text(a, "%s:%u", file, line);
}

bool settings_refuse(struct finding *why, struct arena *a, const char *file, unsigned line,
                     const char *expected, const char *seen)
{
    finding_set(why, CAUSE_CONF_SYNTAX);
    why->param = settings_place(a, file, line);
    why->expected = expected;
    why->seen = seen;
    return false;
}

bool settings_no_memory(struct finding *why)
{
    finding_set(why, CAUSE_RES_MEMORY);
    return false;
}
