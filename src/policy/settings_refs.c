/* Inheritance: "office : base, templates.home {" gives office every key and section of base and
 * then of templates.home that it has not itself, section by section all the way down.
 *
 * strongSwan looks such references up each time a key is asked for; here they are copied once,
 * when all files have been read. What that can be asked to copy is bounded: heights, the length of
 * a chain, and the number of nodes of the whole tree. A key set to nothing ("key =") hides the
 * inherited one and is then taken out. */
#include "finding/finding.h"
#include "policy/settings_tree.h"

enum { UNRESOLVED, RESOLVING, RESOLVED };

struct resolver {
    struct arena *arena;
    struct section *root;
    struct finding *why;
    size_t *nodes;
};

static bool refuse(struct resolver *r, const struct section_reference *ref, const char *expected,
                   const char *seen)
{
    return settings_refuse(r->why, r->arena, ref->file, ref->line, expected, seen);
}

/* Counts what is looked at, not what is copied: that bounds the time as well. */
static bool count_node(struct resolver *r, const struct section_reference *ref)
{
    if (++*r->nodes <= SETTINGS_NODES_MAX)
        return true;
    return refuse(r, ref,
                  arena_text(r->arena, "at most %d keys and sections in all", SETTINGS_NODES_MAX),
                  arena_text(r->arena, "more than that, by inheriting from %s", ref->path));
}

/* Gives dst what src has and dst has not. Both are resolved below, so that heights are known: the
 * recursion ends at SETTINGS_DEPTH_MAX. */
static bool inherit(struct resolver *r, struct section *dst, const struct section *src,
                    const struct section_reference *ref)
{
    for (const struct setting *s = src->settings; s != NULL; s = s->next) {
        if (!count_node(r, ref))
            return false;
        if (settings_find(dst, s->name) != NULL)
            continue;
        struct setting *copy = settings_place_for(r->arena, dst, span_text(s->name));
        if (copy == NULL)
            return settings_no_memory(r->why);
        struct setting *next = copy->next;
        const char *name = copy->name;
        *copy = *s;
        copy->name = name;
        copy->next = next;
    }
    for (const struct section *s = src->sections; s != NULL; s = s->next) {
        if (!count_node(r, ref))
            return false;
        struct section *below = settings_child(dst, span_text(s->name));
        if (below == NULL) {
            below = settings_append_section(r->arena, dst, span_text(s->name));
            if (below == NULL)
                return settings_no_memory(r->why);
            below->file = s->file;
            below->line = s->line;
            below->resolving = RESOLVED;
        }
        if (!inherit(r, below, s, ref))
            return false;
        if (below->height < s->height)
            below->height = s->height;
        if (dst->height < below->height + 1)
            dst->height = (uint8_t)(below->height + 1);
    }
    return true;
}

static bool resolve(struct resolver *r, struct section *s, unsigned chain);

/* The next name of a path: up to a dot, ".." being a dot in the name. */
static struct span next_name(struct resolver *r, struct reader *path)
{
    struct span rest = path->left;
    uint8_t *name = arena_alloc(r->arena, rest.len + 1);
    if (name == NULL)
        return (struct span){NULL, 0};
    struct writer w = writer_of(name, rest.len);
    while (path->left.len > 0) {
        uint8_t c = take_u8(path);
        if (c == '.' && !(path->left.len > 0 && path->left.at[0] == '.'))
            break;
        if (c == '.')
            take_u8(path);
        put_u8(&w, c);
    }
    return writer_span(&w);
}

static struct section *find_target(struct resolver *r, const struct section_reference *ref,
                                   unsigned chain, bool *failed)
{
    struct section *at = r->root;
    struct reader path = reader_of(span_text(ref->path));
    do {
        struct span name = next_name(r, &path);
        struct section *below = settings_child(at, name);
        if (below == NULL && at != r->root && at->resolving == UNRESOLVED) {
            if (!resolve(r, at, chain + 1)) { /* it may inherit the section that we look for */
                *failed = true;
                return NULL;
            }
            below = settings_child(at, name);
        }
        if (below == NULL)
            return NULL;
        below->is_referenced = true;
        at = below;
    } while (path.left.len > 0);
    return at;
}

/* chain: how many sections wait for this one, by nesting or by reference. */
static bool follow(struct resolver *r, struct section *s, const struct section_reference *ref,
                   unsigned chain)
{
    bool failed = false;
    struct section *target = find_target(r, ref, chain, &failed);
    if (failed)
        return false;
    if (target == NULL)
        return refuse(r, ref, "the path of a section that exists, from the top of the file",
                      arena_text(r->arena, "%s, which is not there", ref->path));
    if (target->resolving == RESOLVING)
        return refuse(r, ref, "a section that does not itself inherit from this one",
                      arena_text(r->arena, "%s, which leads back to %s", ref->path, s->name));
    if (!resolve(r, target, chain + 1) || !inherit(r, s, target, ref))
        return false;
    if (s->height > SETTINGS_DEPTH_MAX)
        return refuse(
            r, ref,
            arena_text(r->arena, "at most %d sections inside each other", SETTINGS_DEPTH_MAX),
            arena_text(r->arena, "more than that, by inheriting from %s", ref->path));
    return true;
}

static bool resolve(struct resolver *r, struct section *s, unsigned chain)
{
    if (s->resolving == RESOLVED)
        return true;
    if (chain > 4 * SETTINGS_DEPTH_MAX)
        return settings_refuse(r->why, r->arena, s->file, s->line,
                               "sections that inherit from few others",
                               "a chain of references that is too long");
    s->resolving = RESOLVING;
    for (struct section *below = s->sections; below != NULL; below = below->next) {
        if (!resolve(r, below, chain + 1))
            return false;
        if (s->height < below->height + 1)
            s->height = (uint8_t)(below->height + 1);
    }
    for (const struct section_reference *ref = s->references; ref != NULL; ref = ref->next) {
        if (!follow(r, s, ref, chain))
            return false;
    }
    s->resolving = RESOLVED;
    return true;
}

static bool has_unset(const struct section *s)
{
    for (const struct setting *each = s->settings; each != NULL; each = each->next) {
        if (each->is_unset)
            return true;
    }
    return false;
}

/* Takes out what is set to nothing. The depth is bounded by the heights that resolve() has seen. */
static bool settle(struct resolver *r, struct section *s)
{
    if (has_unset(s)) {
        struct setting *each = s->settings;
        s->settings = NULL;
        s->settings_end = &s->settings;
        s->by_key = (struct settings_index){NULL, 0, 0};
        for (struct setting *next; each != NULL; each = next) {
            next = each->next;
            each->next = NULL;
            if (!each->is_unset && !settings_relink(r->arena, s, each))
                return settings_no_memory(r->why);
        }
    }
    for (struct section *below = s->sections; below != NULL; below = below->next) {
        if (!settle(r, below))
            return false;
    }
    return true;
}

bool settings_resolve(struct section *root, struct arena *a, size_t *nodes, struct finding *why)
{
    struct resolver r = {a, root, why, nodes};
    return resolve(&r, root, 0) && settle(&r, root);
}
