/* Looking up keys by name, and the nearest one for a name that does not exist. */
#include "policy/keys.h"

#include <strings.h>

enum { NAME_MAX_LEN = 32 }; /* longer ones are not compared: no key is half as long */

static bool has_name(const struct policy_key *k, const char *name, bool is_section)
{
    bool any_case = is_section && strncmp(k->scope, "connections.", 12) == 0;
    if (k->name[0] == '<')
        return true;
    size_t len = strlen(k->name);
    if (k->is_prefix)
        return (any_case ? strncasecmp(k->name, name, len) : strncmp(k->name, name, len)) == 0;
    return (any_case ? strcasecmp(k->name, name) : strcmp(k->name, name)) == 0;
}

const struct policy_key *policy_key_find(const char *scope, const char *name, bool is_section)
{
    for (size_t i = 0; i < policy_key_count; i++) {
        const struct policy_key *k = &policy_keys[i];
        if ((k->type == KEY_SECTION) == is_section && strcmp(k->scope, scope) == 0 &&
            has_name(k, name, is_section))
            return k;
    }
    return NULL;
}

static unsigned least(unsigned x, unsigned y)
{
    return x < y ? x : y;
}

/* How many octets to add, drop, change, or swap with their neighbour (optimal string alignment). */
unsigned policy_name_distance(const char *x, const char *y)
{
    unsigned rows[3][NAME_MAX_LEN + 1];
    size_t x_len = strlen(x), y_len = strlen(y);
    if (x_len > NAME_MAX_LEN || y_len > NAME_MAX_LEN)
        return NAME_MAX_LEN;
    for (size_t j = 0; j <= y_len; j++)
        rows[0][j] = (unsigned)j;
    for (size_t i = 1; i <= x_len; i++) {
        unsigned *row = rows[i % 3];
        const unsigned *up = rows[(i + 2) % 3], *up2 = rows[(i + 1) % 3];
        row[0] = (unsigned)i;
        for (size_t j = 1; j <= y_len; j++) {
            unsigned change = up[j - 1] + (x[i - 1] == y[j - 1] ? 0 : 1);
            row[j] = least(change, least(up[j], row[j - 1]) + 1);
            if (i > 1 && j > 1 && x[i - 1] == y[j - 2] && x[i - 2] == y[j - 1])
                row[j] = least(row[j], up2[j - 2] + 1);
        }
    }
    return rows[x_len % 3][y_len];
}

/* The same name in another scope: put into the wrong section. */
static const struct policy_key *find_elsewhere(const char *scope, const char *name)
{
    for (size_t i = 0; i < policy_key_count; i++) {
        const struct policy_key *k = &policy_keys[i];
        if (strcmp(k->name, name) == 0 && k->scope[0] != '\0' && strcmp(k->scope, scope) != 0)
            return k;
    }
    return NULL;
}

const char *policy_key_nearest(const char *scope, const char *name, bool is_section,
                               struct arena *a)
{
    size_t len = strlen(name);
    /* Twice the distance, and one more for the wrong kind: that is the tie-break. */
    unsigned nearest_at = 2 * (len <= 3 ? 2 : (unsigned)(len / 3 + 1));
    const struct policy_key *nearest = NULL;
    for (size_t i = 0; i < policy_key_count; i++) {
        const struct policy_key *k = &policy_keys[i];
        if (strcmp(k->scope, scope) != 0 || k->name[0] == '<')
            continue;
        unsigned changes = policy_name_distance(name, k->name);
        if (len >= 4 && strncmp(name, k->name, len) == 0)
            changes = least(changes, 1); /* the beginning of one: "child", "rekey" */
        unsigned distance = 2 * changes + ((k->type == KEY_SECTION) == is_section ? 0 : 1);
        if (distance < nearest_at) {
            nearest_at = distance;
            nearest = k;
        }
    }
    const struct policy_key *elsewhere = nearest_at <= 1 ? NULL : find_elsewhere(scope, name);
    if (elsewhere != NULL)
        return arena_text(a, "%s in %s", name, elsewhere->scope);
    if (nearest == NULL)
        return "";
    if ((nearest->type == KEY_SECTION) == is_section)
        return nearest->name;
    return arena_text(a, is_section ? "the key %s = …" : "the section %s { }", nearest->name);
}
