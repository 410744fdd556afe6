/* What the files of the settings reader share: nobody else includes this. */
#ifndef IKEBANA_POLICY_SETTINGS_TREE_H
#define IKEBANA_POLICY_SETTINGS_TREE_H

#include "policy/settings.h"

/* "a.b.c" behind a colon: the path of a section to inherit from, from the root. */
struct section_reference {
    const char *path;
    const char *file;
    unsigned line;
    struct section_reference *next;
};

/* The setting called name, new or emptied to be written again; in its old place in the order. */
struct setting *settings_place_for(struct arena *a, struct section *in, struct span name);
/* Links in a setting that is not there; its next must be NULL. false: no memory. */
bool settings_relink(struct arena *a, struct section *in, struct setting *s);
struct section *settings_child(const struct section *in, struct span name);
/* Links a new section in; there is none of that name. */
struct section *settings_append_section(struct arena *a, struct section *in, struct span name);

/* Gives every section what it inherits, takes unset keys out. *nodes: what the tree has so far. */
bool settings_resolve(struct section *root, struct arena *a, size_t *nodes, struct finding *why);

/* why = conf.syntax at file:line. */
bool settings_refuse(struct finding *why, struct arena *a, const char *file, unsigned line,
                     const char *expected, const char *seen);
bool settings_no_memory(struct finding *why);

#endif
