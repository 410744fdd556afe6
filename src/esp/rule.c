/* Which SA or policy is meant for an outbound packet. RFC 4301 4.4.1, 5.1.
 *
 * All rules stand in one array by priority, which is never changed once it is published. A look-up
 * walks the rules of the lowest priority number that fits and takes the most exact; the worker's
 * flow cache remembers the answer, valid for that array (its generation) only. */
#include <stdlib.h>

#include "esp/db.h"

enum { TRAP_RANK = 1 };

/* Priorities of rules that are given none; configured ones are usually below or above all of them.
 */
static uint32_t default_priority(enum child_mode mode)
{
    switch (mode) {
    case MODE_PASS:
        return 100000;
    case MODE_TUNNEL:
    case MODE_TRANSPORT:
        return 200000;
    case MODE_DROP:
        return 400000;
    }
    return 400000;
}

/* ---- looking up ---- */

/* 0: the packet is not the rule's; else higher = more exact. */
static unsigned fit(const struct rule *r, const struct inner *in)
{
    unsigned local = esp_filter_fits(&r->local, in, true);
    unsigned remote = local == 0 ? 0 : esp_filter_fits(&r->remote, in, false);
    return remote == 0 ? 0 : local + remote;
}

static struct rule *search(const struct table *t, const struct inner *in)
{
    struct rule *best = NULL;
    unsigned best_exactness = 0;
    for (size_t i = 0; i < t->count; i++) {
        struct rule *r = t->at[i];
        if (best != NULL && r->priority > best->priority)
            break;
        unsigned exactness = fit(r, in);
        if (exactness == 0)
            continue;
        if (best == NULL || exactness > best_exactness ||
            (exactness == best_exactness && r->rank > best->rank)) {
            best = r;
            best_exactness = exactness;
        }
    }
    return best;
}

static uint64_t rest_of(const struct inner *in)
{
    return (uint64_t)in->src_port << 48 | (uint64_t)in->dst_port << 32 |
           (uint64_t)in->protocol << 16 | (uint64_t)in->family << 8 |
           (uint64_t)in->is_later_fragment << 1 | in->has_ports;
}

static size_t slot_of(const struct inner *in, uint64_t rest)
{
    uint64_t h = (in->src.high ^ in->dst.high << 1) + in->src.low * UINT64_C(0x9e3779b97f4a7c15);
    h ^= in->dst.low * UINT64_C(0xc2b2ae3d27d4eb4f) ^ rest * UINT64_C(0x165667b19e3779f9);
    h ^= h >> 32;
    h *= UINT64_C(0x9e3779b97f4a7c15);
    return (size_t)(h >> 48) % ESP_FLOWS;
}

static bool same_number(struct ip_number x, struct ip_number y)
{
    return x.high == y.high && x.low == y.low;
}

struct rule *esp_find_rule(struct esp_worker *w, const struct table *t, const struct inner *in)
{
    uint64_t rest = rest_of(in);
    struct flow *f = &w->flows[slot_of(in, rest)];
    if (f->generation == t->generation && f->rest == rest && same_number(f->src, in->src) &&
        same_number(f->dst, in->dst))
        return f->rule;
    *f = (struct flow){t->generation, in->src, in->dst, rest, search(t, in)};
    return f->rule;
}

/* ---- publishing ---- */

static void free_table(struct rcu_head *head)
{
    free(caa_container_of(head, struct table, rcu));
}

static void rule_free(struct rule *r)
{
    if (r == NULL)
        return;
    if (r->sa == NULL) {
        esp_filter_clear(&r->local);
        esp_filter_clear(&r->remote);
    }
    free(r);
}

static void free_rule(struct rcu_head *head)
{
    rule_free(caa_container_of(head, struct rule, rcu));
}

static void free_dead_sa(struct rcu_head *head)
{
    esp_sa_free(caa_container_of(head, struct sa, rcu));
}

static struct table *table_new(size_t room)
{
    struct table *t = malloc(sizeof *t + room * sizeof t->at[0]);
    if (t != NULL)
        t->room = room;
    return t;
}

static struct table *current(const struct esp_db *db)
{
    return atomic_load_explicit(&db->table, memory_order_relaxed);
}

static bool is_dead(const struct rule *r)
{
    return r->sa != NULL && atomic_load_explicit(&r->sa->is_dead, memory_order_relaxed);
}

static void insert(struct table *t, struct rule *r)
{
    size_t i = t->count++;
    for (; i > 0 && t->at[i - 1]->priority > r->priority; i--)
        t->at[i] = t->at[i - 1];
    t->at[i] = r;
}

/* What one publication takes out and puts in; NULLs are skipped. */
struct change {
    struct rule *gone[2], *fresh[2];
};

/* false: no memory, nothing changed. */
static bool publish(struct esp_db *db, const struct change *c)
{
    struct table *old = current(db);
    struct table *t = table_new(old->count + 2);
    if (t == NULL) {
        if (db->reserve == NULL || db->reserve->room < old->count + 2)
            return false;
        t = db->reserve;
        db->reserve = NULL;
    }
    t->count = 0;
    t->generation = ++db->generation;
    for (size_t i = 0; i < old->count; i++) {
        struct rule *r = old->at[i];
        if (r != c->gone[0] && r != c->gone[1] && !is_dead(r))
            t->at[t->count++] = r;
    }
    for (size_t i = 0; i < 2; i++)
        if (c->fresh[i] != NULL)
            insert(t, c->fresh[i]);
    atomic_store_explicit(&db->table, t, memory_order_release);

    for (size_t i = 0; i < old->count; i++) {
        struct rule *r = old->at[i];
        if (is_dead(r))
            urcu_memb_call_rcu(&r->sa->rcu, free_dead_sa);
        else if (r != c->gone[0] && r != c->gone[1])
            continue;
        urcu_memb_call_rcu(&r->rcu, free_rule);
    }
    urcu_memb_call_rcu(&old->rcu, free_table);
    return true;
}

bool esp_rules_reserve(struct esp_db *db, size_t extra)
{
    size_t room = current(db)->count + extra + 2;
    if (db->reserve != NULL && db->reserve->room >= room)
        return true;
    struct table *t = table_new(room * 2);
    if (t == NULL)
        return false;
    free(db->reserve);
    db->reserve = t;
    return true;
}

bool esp_rules_init(struct esp_db *db)
{
    struct table *t = table_new(0);
    if (t == NULL)
        return false;
    t->count = 0;
    t->generation = ++db->generation;
    db->rank = TRAP_RANK;
    atomic_store_explicit(&db->table, t, memory_order_release);
    return true;
}

/* Nobody reads any more. */
void esp_rules_clear(struct esp_db *db)
{
    struct table *t = current(db);
    for (size_t i = 0; t != NULL && i < t->count; i++) {
        if (is_dead(t->at[i]))
            esp_sa_free(t->at[i]->sa);
        rule_free(t->at[i]);
    }
    free(t);
    free(db->reserve);
    db->reserve = NULL;
    atomic_store_explicit(&db->table, NULL, memory_order_relaxed);
}

/* ---- SAs in use ---- */

struct rule *esp_rule_for_sa(struct sa *sa)
{
    struct rule *r = calloc(1, sizeof *r);
    if (r == NULL)
        return NULL;
    r->id = sa->child_id;
    r->mode = MODE_TUNNEL;
    r->sa = sa;
    r->local = sa->local;
    r->remote = sa->remote;
    r->priority = default_priority(MODE_TUNNEL);
    return r;
}

static struct rule *find_policy(const struct table *t, uint32_t id)
{
    for (size_t i = 0; i < t->count; i++)
        if (t->at[i]->sa == NULL && t->at[i]->id == id)
            return t->at[i];
    return NULL;
}

static struct rule *find_child(const struct table *t, uint32_t child_id)
{
    for (size_t i = 0; i < t->count; i++)
        if (t->at[i]->sa != NULL && t->at[i]->id == child_id && !is_dead(t->at[i]))
            return t->at[i];
    return NULL;
}

void esp_rules_use(struct esp_db *db, struct sa *sa)
{
    struct change c = {.gone = {find_child(current(db), sa->child_id), NULL}};
    if (c.gone[0] != NULL && c.gone[0]->sa == sa)
        return;
    struct rule *r = sa->first_rule != NULL ? sa->first_rule : esp_rule_for_sa(sa);
    if (r == NULL)
        return;
    sa->first_rule = NULL;
    const struct rule *policy = find_policy(current(db), sa->child_id);
    if (policy != NULL)
        r->priority = policy->priority;
    r->rank = ++db->rank;
    c.fresh[0] = r;
    if (!publish(db, &c))
        sa->first_rule = r; /* the traffic stays where it was */
}

bool esp_rules_remove_sa(struct esp_db *db, const struct sa *sa)
{
    struct table *t = current(db);
    for (size_t i = 0; t != NULL && i < t->count; i++)
        if (t->at[i]->sa == sa)
            return publish(db, &(struct change){.gone = {t->at[i], NULL}});
    return true;
}

/* ---- policies ---- */

static struct rule *rule_for_policy(const struct esp_policy *p)
{
    struct rule *r = calloc(1, sizeof *r);
    if (r == NULL)
        return NULL;
    r->id = p->id;
    r->mode = p->mode;
    r->priority = p->priority != 0 ? p->priority : default_priority(p->mode);
    r->is_trap = p->is_trap;
    r->rank = p->is_trap ? TRAP_RANK : 0;
    atomic_init(&r->asked_ms, INT64_MIN / 2);
    if (esp_filter_from(&p->local_ts, &r->local) && esp_filter_from(&p->remote_ts, &r->remote))
        return r;
    rule_free(r);
    return NULL;
}

static bool policy_set(struct esp_db *db, const struct esp_policy *p)
{
    struct change c = {.gone = {find_policy(current(db), p->id), NULL}};
    c.fresh[0] = rule_for_policy(p);
    if (c.fresh[0] == NULL)
        return false;
    /* The SA of the same child takes over the priority. */
    struct rule *used = find_child(current(db), p->id);
    if (used != NULL && used->priority != c.fresh[0]->priority &&
        (p->mode == MODE_TUNNEL || p->mode == MODE_TRANSPORT)) {
        struct rule *again = esp_rule_for_sa(used->sa);
        if (again == NULL) {
            rule_free(c.fresh[0]);
            return false;
        }
        again->rank = used->rank;
        again->priority = c.fresh[0]->priority;
        c.gone[1] = used;
        c.fresh[1] = again;
    }
    if (publish(db, &c))
        return true;
    rule_free(c.fresh[0]);
    rule_free(c.fresh[1]);
    return false;
}

bool esp_policy_set(struct esp_db *db, const struct esp_policy *p)
{
    bool is_guest = esp_change_begin(db);
    bool ok = policy_set(db, p);
    esp_change_end(db, is_guest);
    return ok;
}

void esp_policy_remove(struct esp_db *db, uint32_t id)
{
    bool is_guest = esp_change_begin(db);
    struct rule *r = find_policy(current(db), id);
    if (r != NULL)
        /* Without memory it stays: a block that stays is safe, a bypass was wanted once. */
        (void)publish(db, &(struct change){.gone = {r, NULL}});
    esp_change_end(db, is_guest);
}

uint64_t esp_generation(struct esp_db *db)
{
    bool is_guest = esp_change_begin(db);
    uint64_t generation = db->generation;
    esp_change_end(db, is_guest);
    return generation;
}
