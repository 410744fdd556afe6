/* A whole swanctl.conf: what can be read is handed out, what cannot is named, and nothing is passed
 * over in silence. */
#include <strings.h>

#include "finding/finding.h"
#include "policy/report.h"

static size_t count_sections(const struct section *s)
{
    size_t count = 0;
    for (const struct section *each = s->sections; each != NULL; each = each->next)
        count++;
    return count;
}

static void refuse_settings(struct findings *found, const struct section *s, const char *path,
                            bool is_secret, const char *expected)
{
    struct place p = {.found = found, .scope = path, .path = path, .is_secret = is_secret};
    for (const struct setting *each = s->settings; each != NULL; each = each->next)
        policy_report_setting(&p, CAUSE_CONF_UNKNOWN_KEY, each, expected, "")->nearest =
            policy_key_find("connections.<conn>", each->name, false) != NULL
                ? arena_text(found->arena, "%s in connections.<conn>", each->name)
                : "";
}

static void read_connections(const struct section *s, struct config *out, struct findings *found)
{
    refuse_settings(found, s, "connections", false, "sections, one for each connection");
    for (const struct section *each = s->sections; each != NULL; each = each->next) {
        struct conn *c = policy_conn_new(each, found);
        if (c != NULL)
            out->conns[out->conn_count++] = c;
    }
}

static void read_secrets(const struct section *s, struct config *out, struct findings *found)
{
    refuse_settings(found, s, "secrets", true, "sections such as ike-1 { }");
    struct place p = {.found = found, .scope = "secrets", .path = "secrets", .is_secret = true};
    for (const struct section *each = s->sections; each != NULL; each = each->next) {
        if (!policy_wants_section(&p, each))
            continue;
        struct psk *psk = policy_psk_new(each, found);
        if (psk != NULL)
            out->psks[out->psk_count++] = psk;
    }
}

/* pools and authorities: each of their sections is named. */
static void refuse_sections(const struct section *s, struct findings *found)
{
    struct place p = {.found = found, .scope = s->name, .path = s->name};
    refuse_settings(found, s, s->name, false, "sections");
    for (const struct section *each = s->sections; each != NULL; each = each->next)
        policy_wants_section(&p, each);
}

static void read_top(const struct section *s, struct config *out, struct findings *found)
{
    struct place p = {.found = found, .scope = "", .path = ""};
    if (strcmp(s->name, "connections") == 0)
        read_connections(s, out, found);
    else if (strcmp(s->name, "secrets") == 0)
        read_secrets(s, out, found);
    else if (policy_key_find("", s->name, true) != NULL)
        refuse_sections(s, found);
    else if (!s->is_referenced) /* a template that others inherit from is no error */
        policy_wants_section(&p, s);
}

bool policy_config_read(const struct section *root, struct arena *a, struct config *out,
                        struct findings *found)
{
    *out = (struct config){0};
    const struct section *connections = settings_find_section(root, "connections");
    const struct section *secrets = settings_find_section(root, "secrets");
    size_t conns = connections == NULL ? 0 : count_sections(connections);
    size_t psks = secrets == NULL ? 0 : count_sections(secrets);
    out->conns = arena_array(a, conns + 1, sizeof(struct conn *));
    out->psks = arena_array(a, psks + 1, sizeof(struct psk *));
    if (out->conns == NULL || out->psks == NULL) {
        findings_add(found, CAUSE_RES_MEMORY);
        return false;
    }
    refuse_settings(found, root, "", false, "the sections connections and secrets");
    for (const struct section *each = root->sections; each != NULL; each = each->next)
        read_top(each, out, found);
    return !findings_have_failure(found);
}

void policy_config_clear(struct config *c)
{
    for (size_t i = 0; i < c->conn_count; i++)
        policy_conn_unref(c->conns[i]);
    for (size_t i = 0; i < c->psk_count; i++)
        policy_psk_unref(c->psks[i]);
    *c = (struct config){0};
}
