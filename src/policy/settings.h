/* swanctl.conf as a tree, and the same tree as it comes over VICI.
 *
 * A section holds keys, lists and sections in the order in which they came. Each remembers file and
 * line (VICI: file "vici", line 0), so that a finding can name the place. The tree lives in an
 * arena. */
#ifndef IKEBANA_POLICY_SETTINGS_H
#define IKEBANA_POLICY_SETTINGS_H

#include <ikebana/finding.h>

#include "base/arena.h"

struct setting {
    const char *name;
    struct span value;  /* not terminated; VICI values may hold any octets */
    struct span *items; /* a VICI list; NULL for a key = value */
    size_t item_count;
    bool is_list;
    const char *file;
    unsigned line;
    const char *earlier_file; /* of the definition that this one replaced; NULL: none */
    unsigned earlier_line;
    bool is_unset; /* "key =": hides an inherited value; gone from a tree that is parsed */
    struct setting *next;
};

/* Finds by name in constant time once there are many. */
struct settings_index {
    const void **slots; /* things whose first member is their name */
    size_t size, count;
};

struct section_reference;

struct section {
    const char *name;
    struct setting *settings; /* in order */
    struct section *sections; /* in order */
    const char *file;
    unsigned line;
    struct section *next;
    struct setting **settings_end; /* where the next one is linked in */
    struct section **sections_end;
    struct settings_index by_key, by_section;
    bool is_referenced; /* another section inherits from it, or from one inside it: a template */
    /* settings_refs.c, while a tree is parsed */
    struct section_reference *references, **references_end;
    uint8_t resolving, height;
};

/* The functions that make something give NULL when there is no memory. They copy names and values.
 */
struct section *settings_section_new(struct arena *a, const char *name);
/* Finds or adds. */
struct section *settings_section(struct arena *a, struct section *in, struct span name);
struct setting *settings_add(struct arena *a, struct section *in, struct span name,
                             struct span value);
struct setting *settings_add_list(struct arena *a, struct section *in, struct span name,
                                  const struct span *items, size_t count);
const struct section *settings_find_section(const struct section *in, const char *name);
/* The last one counts, as in strongSwan: adding one of the same name replaces it. NULL: none. */
const struct setting *settings_find(const struct section *in, const char *name);

/* What the parser needs from outside; the core reads no files. */
struct settings_source {
    void *context;
    /* The text of a file, in the arena. false: why says so. */
    bool (*read)(void *context, const char *path, struct arena *a, struct span *text,
                 const char **error);
    /* The files that a pattern names, sorted; relative patterns are resolved by the parser. count 0
     * is no error for a pattern with wildcards. */
    bool (*glob)(void *context, const char *pattern, struct arena *a, const char ***paths,
                 size_t *count, const char **error);
};

enum {
    SETTINGS_INCLUDE_DEPTH_MAX = 10,
    SETTINGS_FILES_MAX = 1000,    /* read for one tree */
    SETTINGS_DEPTH_MAX = 64,      /* sections inside each other */
    SETTINGS_NODES_MAX = 1000000, /* keys and sections of one tree, inherited ones included */
};

/* The strongSwan syntax: sections, key = value, quotes, escapes, comments, include, section
 * references ("name : other, another {"). The tree's root is out. false: why has "FILE:LINE" in
 * param and what was expected there. No value is ever quoted in why: it may be a secret. The texts
 * that source->read gave are overwritten after use. */
bool settings_parse_file(const char *path, const struct settings_source *source, struct arena *a,
                         struct section **out, struct finding *why);
bool settings_parse_text(struct span text, const char *file, const struct settings_source *source,
                         struct arena *a, struct section **out, struct finding *why);

/* Overwrites all values below: for the sections that hold secrets, once they have been read. */
void settings_wipe(struct section *s);
/* "FILE:LINE", or "vici". */
const char *settings_place(struct arena *a, const char *file, unsigned line);

#endif
