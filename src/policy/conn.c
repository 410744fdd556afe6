/* connections.<conn>. Reading refuses nothing half way: every key of the section is looked at, so
 * that a user gets all that is wrong with it at once; a connection comes out only if none of it is
 * a failure. */
#include <stdlib.h>
#include <strings.h>

#include "finding/finding.h"
#include "policy/conn_read.h"
#include "policy/host.h"
#include "policy/value.h"

static const uint64_t REKEY_TIME_DEFAULT_S = 4 * 3600;

static void read_version(struct place *p, struct arena *a, const struct setting *s,
                         const struct field *f, void *into)
{
    (void)a, (void)f;
    struct conn *conn = into;
    struct span text;
    uint64_t value;
    if (!policy_one_value(p, s, &text))
        return;
    enum value_fit fit = value_number(text, UINT64_MAX, &value);
    if (fit == VALUE_BAD || value > 2)
        policy_report_setting(p, CAUSE_CONF_BAD_VALUE, s, "0 or 2", "");
    else if (value == 1)
        policy_report_setting(p, CAUSE_CONF_NOT_SERVED, s, "0 or 2", "");
    else if (fit == VALUE_ODD)
        policy_report_setting(p, CAUSE_CONF_ODD_VALUE, s, "0 or 2", " (read as 0)");
    conn->version = value == 2 ? 2 : 0;
}

struct host_list {
    struct host_pattern *at;
    size_t count;
};

static void read_host(struct place *p, struct arena *a, const struct setting *s, struct span item,
                      void *into)
{
    struct host_list *out = into;
    struct arena *fa = p->found->arena;
    const char *why = "";
    struct span text = value_trim(item);
    if (text.len == 0)
        policy_report_setting(p, CAUSE_CONF_ODD_VALUE, s, "an address, a name or %any",
                              " (an empty item, left out)");
    else if (policy_parse_host(text, a, &out->at[out->count], &why))
        out->count++;
    else
        policy_report_setting(p, CAUSE_CONF_BAD_VALUE, s,
                              "%any, addresses, networks, ranges or names",
                              arena_text(fa, " (\"%s\": %s)", arena_escape(fa, text, 100), why));
}

static void read_hosts(struct place *p, struct arena *a, const struct setting *s,
                       const struct field *f, void *into)
{
    struct conn *conn = into;
    struct host_list list = {arena_array(a, policy_count_items(s) + 1, sizeof *list.at), 0};
    if (list.at == NULL)
        return;
    policy_read_items(p, a, s, read_host, &list);
    bool is_local = strcmp(f->name, "local_addrs") == 0;
    *(is_local ? &conn->local_addrs : &conn->remote_addrs) = list.at;
    *(is_local ? &conn->local_count : &conn->remote_count) = list.count;
}

static void read_port(struct place *p, struct arena *a, const struct setting *s,
                      const struct field *f, void *into)
{
    (void)a;
    struct span text;
    uint64_t value;
    if (!policy_one_value(p, s, &text))
        return;
    enum value_fit fit = value_number(text, UINT64_MAX, &value);
    if (fit == VALUE_BAD || value > UINT16_MAX) {
        policy_report_setting(p, CAUSE_CONF_BAD_VALUE, s, "a UDP port from 1 to 65535", "");
        return;
    }
    if (fit == VALUE_ODD)
        policy_report_setting(p, CAUSE_CONF_ODD_VALUE, s, "a UDP port from 1 to 65535",
                              arena_text(p->found->arena, " (read as %u)", (unsigned)value));
    uint16_t port = value == 0 ? 500 : (uint16_t)value; /* 0: the default, as in strongSwan */
    memcpy((uint8_t *)into + f->at, &port, sizeof port);
}

static void read_childless(struct place *p, struct arena *a, const struct setting *s,
                           const struct field *f, void *into)
{
    (void)a, (void)f;
    static const char *const words[] = {"allow", "prefer", "force", "never"};
    static const enum childless values[] = {CHILDLESS_ALLOW, CHILDLESS_PREFER, CHILDLESS_FORCE,
                                            CHILDLESS_NEVER};
    struct conn *conn = into;
    struct span text;
    if (!policy_one_value(p, s, &text))
        return;
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        if (value_is_word(text, words[i])) {
            conn->childless = values[i];
            return;
        }
    }
    policy_report_setting(p, CAUSE_CONF_BAD_VALUE, s, "allow, prefer, force or never", "");
}

static void read_ike_proposals(struct place *p, struct arena *a, const struct setting *s,
                               const struct field *f, void *into)
{
    struct conn *conn = into;
    policy_read_proposals(p, a, s, PROTOCOL_IKE, f->name, &conn->proposals);
}

static void read_unique(struct place *p, struct arena *a, const struct setting *s,
                        const struct field *f, void *into)
{
    (void)a, (void)f;
    static const struct {
        const char *word;
        enum unique unique;
    } words[] = {{"no", UNIQUE_NO},
                 {"never", UNIQUE_NEVER},
                 {"keep", UNIQUE_KEEP},
                 {"replace", UNIQUE_REPLACE}};
    struct conn *conn = into;
    struct span text;
    if (!policy_one_value(p, s, &text))
        return;
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        if (value_is_word(text, words[i].word)) {
            conn->unique = words[i].unique;
            return;
        }
    }
    policy_report_setting(p, CAUSE_CONF_BAD_VALUE, s, "no, never, keep or replace", "");
}

/* As charon's default is yes, it is taken; what it asks for is said not to come. */
static void read_mobike(struct place *p, struct arena *a, const struct setting *s,
                        const struct field *f, void *into)
{
    (void)a, (void)f, (void)into;
    struct span text;
    bool wants = false;
    if (!policy_one_value(p, s, &text))
        return;
    if (value_bool(text, &wants) == VALUE_BAD)
        policy_report_setting(p, CAUSE_CONF_BAD_VALUE, s, "yes or no", "");
    else if (wants)
        policy_report_setting(p, CAUSE_CONF_NO_MOBIKE, s, "no, or not set", "");
}

static void read_fragmentation(struct place *p, struct arena *a, const struct setting *s,
                               const struct field *f, void *into)
{
    (void)a, (void)f;
    static const struct {
        const char *word;
        enum fragmentation fragmentation;
    } words[] = {{"yes", FRAGMENTATION_YES},
                 {"accept", FRAGMENTATION_ACCEPT},
                 {"force", FRAGMENTATION_FORCE},
                 {"no", FRAGMENTATION_NO}};
    struct conn *conn = into;
    struct span text;
    if (!policy_one_value(p, s, &text))
        return;
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        if (value_is_word(text, words[i].word)) {
            conn->fragmentation = words[i].fragmentation;
            return;
        }
    }
    policy_report_setting(p, CAUSE_CONF_BAD_VALUE, s, "", "");
}

#define AT(name) offsetof(struct conn, name)

static const struct field fields[] = {
    {"version", read_version, 0, 0},
    {"local_addrs", read_hosts, 0, 0},
    {"remote_addrs", read_hosts, 0, 0},
    {"local_port", read_port, AT(local_port), 0},
    {"remote_port", read_port, AT(remote_port), 0},
    {"proposals", read_ike_proposals, 0, 0},
    {"childless", read_childless, 0, 0},
    {"encap", policy_read_bool, AT(encap), 0},
    {"mobike", read_mobike, 0, 0},
    {"unique", read_unique, 0, 0},
    {"fragmentation", read_fragmentation, 0, 0},
    {"dpd_delay", policy_read_time, AT(dpd_delay_s), 0},
    {"rekey_time", policy_read_time, AT(rekey_time_s), 0},
    {"reauth_time", policy_read_time, AT(reauth_time_s), 0},
    {"over_time", policy_read_time, AT(over_time_s), 0},
    {"rand_time", policy_read_time, AT(rand_time_s), 0},
    {"keyingtries", policy_read_u32, AT(keyingtries), 0},
};

/* ---- local<suffix>, remote<suffix> ---- */

static bool begins(struct span text, const char *word, bool any_case)
{
    size_t len = strlen(word);
    if (text.len < len)
        return false;
    return any_case ? strncasecmp((const char *)text.at, word, len) == 0
                    : memcmp(text.at, word, len) == 0;
}

static void read_auth(struct place *p, struct arena *a, const struct setting *s,
                      const struct field *f, void *into)
{
    (void)a, (void)f;
    struct auth_conf *auth = into;
    struct span text;
    if (!policy_one_value(p, s, &text))
        return;
    if (value_is_word(text, "psk"))
        auth->kind = AUTH_PSK;
    else if (begins(text, "pubkey", false) || begins(text, "rsa", false) ||
             begins(text, "ecdsa", false) || begins(text, "ike:", false) ||
             begins(text, "eap", true) || begins(text, "xauth", true))
        policy_report_setting(p, CAUSE_AUTH_METHOD_NOT_SERVED, s, "psk", "");
    else
        policy_report_setting(p, CAUSE_CONF_BAD_VALUE, s, "psk", "");
}

static void read_id(struct place *p, struct arena *a, const struct setting *s,
                    const struct field *f, void *into)
{
    (void)f;
    struct auth_conf *auth = into;
    struct arena *fa = p->found->arena;
    const char *why = "";
    static const char expected[] =
        "an address, a name, an e-mail address, a DN, or one with its type before it (keyid:abc)";
    struct span text;
    if (!policy_one_value(p, s, &text))
        return;
    /* As in strongSwan: %NAME is expected of the peer, but not asked for with IDr. */
    if (text.len > 1 && text.at[0] == '%' && strstr(p->scope, ".remote") != NULL &&
        !begins(text, "%any", true)) {
        struct reader r = reader_of(text);
        take(&r, 1);
        text = take_rest(&r);
        auth->is_id_unsaid = true;
    }
    if (text.len == 0)
        policy_report_setting(p, CAUSE_CONF_ODD_VALUE, s, expected, " (read as %any)");
    else if (!policy_parse_identity(text, a, &auth->id, &why))
        policy_report_setting(p, CAUSE_CONF_BAD_VALUE, s, expected, arena_text(fa, " (%s)", why));
}

static void read_round(struct place *p, struct arena *a, const struct setting *s,
                       const struct field *f, void *into)
{
    (void)f, (void)into; /* of one round the number says nothing */
    uint32_t round = 0;
    const struct field here = {"round", NULL, 0, 0};
    policy_read_u32(p, a, s, &here, &round);
}

static const struct field auth_fields[] = {
    {"auth", read_auth, 0, 0},
    {"id", read_id, 0, 0},
    {"round", read_round, 0, 0},
};

static void read_round_section(struct place *conn_place, struct arena *a, const struct section *s,
                               const char *scope, struct auth_conf *out)
{
    struct place p = *conn_place;
    p.scope = scope;
    p.path = policy_join_path(p.found->arena, p.path, s->name);
    policy_read_fields(&p, a, s, auth_fields, sizeof auth_fields / sizeof auth_fields[0], out);
    for (const struct section *each = s->sections; each != NULL; each = each->next)
        policy_wants_section(&p, each);
    if (settings_find(s, "auth") == NULL)
        policy_report_missing(&p, CAUSE_AUTH_METHOD_NOT_SERVED, s, "auth", "psk",
                              "not set, which means pubkey");
    conn_place->failed = conn_place->failed || p.failed;
}

/* side: "local" or "remote" */
/* Only pass and drop children: there is no peer to authenticate. */
static bool is_shunts_only(const struct conn *c)
{
    for (size_t i = 0; i < c->child_count; i++)
        if (c->children[i].mode != MODE_PASS && c->children[i].mode != MODE_DROP)
            return false;
    return c->child_count > 0;
}

static void read_rounds(struct place *p, struct arena *a, const struct section *s, const char *side,
                        const char *scope, struct auth_conf *out, bool may_be_missing)
{
    const struct section *first = NULL;
    for (const struct section *each = s->sections; each != NULL; each = each->next) {
        if (strncasecmp(each->name, side, strlen(side)) != 0)
            continue;
        if (first != NULL) {
            policy_report_section(
                p, CAUSE_CONF_NOT_SERVED, each, arena_text(p->found->arena, "one section %s", side),
                arena_text(p->found->arena, ", a second round of authentication beside %s",
                           first->name));
            continue;
        }
        first = each;
        read_round_section(p, a, each, scope, out);
    }
    if (first == NULL && !may_be_missing)
        policy_report_missing(
            p, CAUSE_AUTH_METHOD_NOT_SERVED, s, arena_text(p->found->arena, "%s.auth", side), "psk",
            arena_text(p->found->arena, "no section %s, which means pubkey", side));
}

/* ---- children ---- */

static void read_children(struct place *conn_place, struct arena *a, const struct section *s,
                          struct conn *conn)
{
    struct place p = *conn_place;
    struct arena *fa = p.found->arena;
    p.scope = "connections.<conn>.children";
    p.path = policy_join_path(fa, p.path, s->name);
    size_t count = 0;
    for (const struct setting *each = s->settings; each != NULL; each = each->next)
        policy_report_setting(&p, CAUSE_CONF_UNKNOWN_KEY, each, "sections, one for each child", "")
            ->nearest = arena_text(fa, "the same key inside %s.NAME { }", p.path);
    for (const struct section *each = s->sections; each != NULL; each = each->next)
        count++;
    conn->children = arena_array(a, count + 1, sizeof *conn->children);
    conn_place->failed = conn_place->failed || p.failed;
    const char *path = p.path;
    p.scope = "connections.<conn>.children.<child>";
    for (const struct section *each = s->sections; each != NULL && conn->children != NULL;
         each = each->next) {
        p.path = policy_join_path(fa, path, each->name);
        p.failed = false;
        policy_read_child(&p, a, each, &conn->children[conn->child_count++]);
        conn_place->failed = conn_place->failed || p.failed;
    }
}

static void read_sections(struct place *p, struct arena *a, const struct section *s,
                          struct conn *conn)
{
    const struct section *children = NULL;
    for (const struct section *each = s->sections; each != NULL; each = each->next) {
        if (strcasecmp(each->name, "children") != 0) {
            policy_wants_section(p, each);
            continue;
        }
        if (children != NULL) {
            policy_report_section(p, CAUSE_CONF_BAD_VALUE, each, "one section children", "");
            continue;
        }
        children = each;
        read_children(p, a, each, conn);
    }
    conn->is_shunts = is_shunts_only(conn);
    read_rounds(p, a, s, "local", "connections.<conn>.local<suffix>", &conn->local,
                conn->is_shunts);
    read_rounds(p, a, s, "remote", "connections.<conn>.remote<suffix>", &conn->remote,
                conn->is_shunts);
}

/* ---- what follows from what was read ---- */

static uint64_t least(uint64_t x, uint64_t y)
{
    return x < y ? x : y;
}

static void set_defaults(struct place *p, const struct section *s, struct conn *c)
{
    static const char any[] = "%any";
    if (c->rekey_time_s == UNDEFINED)
        c->rekey_time_s = c->reauth_time_s == 0 ? REKEY_TIME_DEFAULT_S : 0;
    /* Defaults as charon's: a tenth of the longer time; of the shorter one at most the half. */
    uint64_t longer = c->rekey_time_s > c->reauth_time_s ? c->rekey_time_s : c->reauth_time_s;
    uint64_t shorter = c->rekey_time_s == 0 || c->reauth_time_s == 0
                           ? longer
                           : least(c->rekey_time_s, c->reauth_time_s);
    if (c->over_time_s == UNDEFINED)
        c->over_time_s = longer / 10;
    if (c->rand_time_s == UNDEFINED)
        c->rand_time_s = least(c->over_time_s, shorter / 2);
    struct arena *fa = p->found->arena;
    const struct setting *jitter = settings_find(s, "rand_time");
    if (jitter != NULL && c->rekey_time_s > 0 && c->rand_time_s >= c->rekey_time_s)
        policy_report_setting(p, CAUSE_CONF_ODD_VALUE, jitter,
                              arena_text(fa, "less than rekey_time, which is %llu",
                                         (unsigned long long)c->rekey_time_s),
                              " (the SA may be rekeyed at once)");

    struct host_pattern **hosts[] = {&c->local_addrs, &c->remote_addrs};
    size_t *counts[] = {&c->local_count, &c->remote_count};
    for (size_t i = 0; i < 2; i++) {
        if (*counts[i] > 0)
            continue;
        *hosts[i] = arena_array(&c->arena, 1, sizeof **hosts[i]);
        if (*hosts[i] != NULL) {
            (*hosts[i])->name = any;
            *counts[i] = 1;
        }
    }
    if (settings_find(s, "proposals") == NULL)
        policy_read_proposals(p, &c->arena, NULL, PROTOCOL_IKE, "proposals", &c->proposals);
}

struct conn *policy_conn_new(const struct section *s, struct findings *found)
{
    struct conn *c = calloc(1, sizeof *c);
    if (c == NULL || !arena_init_small(&c->arena, 1024)) {
        findings_add(found, CAUSE_RES_MEMORY);
        free(c);
        return NULL;
    }
    atomic_init(&c->refs, 1);
    c->name = arena_text(&c->arena, "%s", s->name);
    c->digest = policy_section_digest(s, "children");
    c->local_port = c->remote_port = 500;
    c->keyingtries = 1;
    c->rekey_time_s = c->over_time_s = c->rand_time_s = UNDEFINED;
    struct place p = {.found = found,
                      .scope = "connections.<conn>",
                      .path = policy_join_path(found->arena, "connections", s->name)};
    policy_read_fields(&p, &c->arena, s, fields, sizeof fields / sizeof fields[0], c);
    read_sections(&p, &c->arena, s, c);
    set_defaults(&p, s, c);
    if (arena_is_exhausted(&c->arena) || arena_is_exhausted(found->arena)) {
        findings_add(found, CAUSE_RES_MEMORY);
        p.failed = true;
    }
    if (p.failed) {
        policy_conn_unref(c);
        return NULL;
    }
    return c;
}

struct conn *policy_conn_ref(struct conn *c)
{
    atomic_fetch_add_explicit(&c->refs, 1, memory_order_relaxed);
    return c;
}

void policy_conn_unref(struct conn *c)
{
    if (c == NULL || atomic_fetch_sub_explicit(&c->refs, 1, memory_order_acq_rel) != 1)
        return;
    arena_clear(&c->arena);
    free(c);
}

const struct child_conf *policy_find_child(const struct conn *c, const char *name)
{
    for (size_t i = 0; i < c->child_count; i++) {
        if (strcmp(c->children[i].name, name) == 0)
            return &c->children[i];
    }
    return NULL;
}

const char *policy_param(struct arena *a, const struct conn *c, const struct child_conf *child,
                         const char *key)
{
    const char *path = policy_join_path(a, "connections", c->name);
    if (child != NULL)
        path = policy_join_path(a, arena_text(a, "%s.children", path), child->name);
    return arena_text(a, "%s.%s", path, key);
}
