/* What conn.c and child_conf.c share: one section being read into a struct, key by key. */
#ifndef IKEBANA_POLICY_CONN_READ_H
#define IKEBANA_POLICY_CONN_READ_H

#include "policy/report.h"

/* What a time or volume holds until its key or its default is read. */
#define UNDEFINED UINT64_MAX

/* How one key is read into the struct at `into`; a: where what is kept lives. Every problem is
 * reported. */
struct field;
typedef void field_reader(struct place *p, struct arena *a, const struct setting *s,
                          const struct field *f, void *into);

struct field {
    const char *name;
    field_reader *read;
    size_t at;
    uint64_t max; /* of a number */
};

/* Reads all settings of s by the table; what is not in it is reported. */
void policy_read_fields(struct place *p, struct arena *a, const struct section *s,
                        const struct field *fields, size_t count, void *into);

field_reader policy_read_bool, policy_read_u32, policy_read_u64, policy_read_time,
    policy_read_bytes;

/* The items of a list: over VICI as they are, from a file what stands between commas. Each item is
 * given to `read`; false: it has reported the reason. Empty items of a VICI list are items. */
typedef void item_reader(struct place *p, struct arena *a, const struct setting *s,
                         struct span item, void *into);
void policy_read_items(struct place *p, struct arena *a, const struct setting *s, item_reader *read,
                       void *into);
size_t policy_count_items(const struct setting *s);

/* The one value of a key; false: it is a list, which is reported. */
bool policy_one_value(struct place *p, const struct setting *s, struct span *out);

/* proposals and esp_proposals; `out` gets the default when the setting is NULL or empty. */
void policy_read_proposals(struct place *p, struct arena *a, const struct setting *s,
                           uint8_t protocol, const char *name, struct proposals *out);

/* FNV-1a over all that the section says, subsections too, but not one of the name `without` (NULL:
 * none is left out). Good for "is it the same as before", not against an adversary. */
uint64_t policy_section_digest(const struct section *s, const char *without);

/* conns' children: reads section s into out. */
void policy_read_child(struct place *p, struct arena *a, const struct section *s,
                       struct child_conf *out);

#endif
