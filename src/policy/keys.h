/* The keys of swanctl.conf, generated from data/spec/swanctl.tsv, and which of them are served
 * (data/spec/swanctl-served.tsv). */
#ifndef IKEBANA_POLICY_KEYS_H
#define IKEBANA_POLICY_KEYS_H

#include "base/arena.h"

enum key_type {
    KEY_SECTION,
    KEY_BOOL,
    KEY_ENUM,
    KEY_TIME,
    KEY_BYTES,
    KEY_UINT32,
    KEY_UINT64,
    KEY_BIN6,
    KEY_IFID,
    KEY_MARK,
    KEY_TFC,
    KEY_SECRET,
    KEY_LIST,
    KEY_TEXT,
};

enum key_served {
    KEY_READ,  /* by code of this room */
    KEY_WHEN,  /* accepted with the values in `as`, which ask for what is done anyway */
    KEY_NEVER, /* known, and refused by name */
};

struct policy_key {
    const char *scope; /* "connections.<conn>.children.<child>" */
    const char *name;  /* "mode" */
    bool is_prefix;    /* any name that begins so: "local", "local-1" */
    enum key_type type;
    enum key_served served;
    const char *as;       /* "no", "ifasked|never", "*" = any valid value: it has no meaning */
    const char *words;    /* of a KEY_ENUM: "yes|accept|force|no" */
    const char *fallback; /* the default, as the manual of swanctl.conf says it */
};

extern const struct policy_key policy_keys[];
extern const size_t policy_key_count;

/* NULL: there is no such key. Keys are case-sensitive, sections of a connection are not. */
const struct policy_key *policy_key_find(const char *scope, const char *name, bool is_section);
/* What was probably meant by a key or section that does not exist: one of the scope that looks like
 * it ("mobike", "the section local { }"), or the same name in another scope ("esp_proposals in
 * connections.<conn>.children.<child>"). "" = no idea. */
const char *policy_key_nearest(const char *scope, const char *name, bool is_section,
                               struct arena *a);

/* How many octets to add, drop, change, or swap with their neighbour; 32 for longer names. */
unsigned policy_name_distance(const char *x, const char *y);

#endif
