#include "ike2/standing.h"

#include <stdlib.h>

#include "ike2/inside.h"

enum {
    FAILURES_MAX = 6, /* 1, 2, 4 … 60 s between attempts for packets */
    RETRY_MAX_S = 60,
    PATH_RETRY_S = 30,
    SHORT_LIFE_S = 10,        /* what the peer closes that soon is not made anew at once */
    CHILDREN_OF_NAME_MAX = 8, /* that packets may bring up beside each other */
};

/* ---- finding ---- */

static uint64_t names_hash(const struct world *w, const char *conn, const char *child)
{
    uint64_t parts[2] = {map_hash(&w->standing_names, conn, strlen(conn)),
                         map_hash(&w->standing_names, child, strlen(child))};
    return map_hash(&w->standing_names, parts, sizeof parts);
}

static struct standing *find(const struct world *w, const char *conn, const char *child)
{
    struct standing *s = map_get(&w->standing_names, names_hash(w, conn, child));
    while (s != NULL && (strcmp(s->conn->name, conn) != 0 || strcmp(s->conf->name, child) != 0))
        s = s->next;
    return s;
}

static struct standing *by_ticket(const struct world *w, uint64_t ticket)
{
    return (ticket & STANDING_TICKET) == 0 ? NULL : map_get(&w->standings, (uint32_t)ticket);
}

static bool is_shunt(const struct child_conf *conf)
{
    return conf->mode == MODE_PASS || conf->mode == MODE_DROP;
}

unsigned standing_owner(const char *conn_name, unsigned workers)
{
    uint32_t hash = 2166136261u; /* FNV-1a */
    for (const char *p = conn_name; *p != '\0'; p++)
        hash = (hash ^ (uint8_t)*p) * 16777619u;
    /* The high bits: the lowest one is the same for all of c2, c4, c6. */
    return (unsigned)((uint64_t)hash * (workers == 0 ? 1 : workers) >> 32);
}

static bool is_ours(const struct world *w, const char *conn_name)
{
    return w->options.workers <= 1 ||
           standing_owner(conn_name, w->options.workers) == w->options.worker;
}

uint32_t standing_reqid(const struct world *w, const char *conn_name, const char *child_name)
{
    const struct standing *s = find(w, conn_name, child_name);
    return s == NULL || s->kind == STANDING_NONE ? 0 : s->reqid;
}

/* ---- making and freeing ---- */

static uint32_t new_id(struct world *w)
{
    uint32_t base = POLICY_ID_BIT | (uint32_t)w->options.worker << 24;
    do
        w->next_policy_id = (w->next_policy_id + 1) & 0xffffff;
    while (w->next_policy_id == 0 || map_get(&w->standings, base | w->next_policy_id) != NULL);
    return base | w->next_policy_id;
}

/* NULL: no memory. */
static struct standing *get(struct world *w, struct conn *conn, const struct child_conf *conf)
{
    struct standing *s = find(w, conn->name, conf->name);
    if (s != NULL)
        return s;
    s = calloc(1, sizeof *s);
    if (s == NULL)
        return NULL;
    s->id = new_id(w);
    s->timer.owner = s;
    s->timer.due = INSTANT_NEVER;
    s->not_before = w->step.now;
    uint64_t hash = names_hash(w, conn->name, conf->name);
    s->next = map_get(&w->standing_names, hash);
    if (!map_set(&w->standings, s->id, s)) {
        free(s);
        return NULL;
    }
    if (!map_set(&w->standing_names, hash, s)) {
        map_remove(&w->standings, s->id);
        free(s);
        return NULL;
    }
    s->conn = policy_conn_ref(conn);
    s->conf = conf;
    return s;
}

static void free_standing(struct standing *s)
{
    policy_selectors_free(&s->local);
    policy_selectors_free(&s->remote);
    policy_conn_unref(s->conn);
    free(s);
}

static void set_timer(struct world *w, struct standing *s, struct instant due)
{
    timers_set(&w->standing_timers, &s->timer, due);
}

static void uninstall_policy(struct world *w, struct standing *s);

static void forget(struct world *w, struct standing *s)
{
    uninstall_policy(w, s);
    timers_remove(&w->standing_timers, &s->timer);
    map_remove(&w->standings, s->id);
    uint64_t hash = names_hash(w, s->conn->name, s->conf->name);
    struct standing *first = map_get(&w->standing_names, hash);
    if (first == s) {
        if (s->next == NULL)
            map_remove(&w->standing_names, hash);
        else
            map_set(&w->standing_names, hash, s->next); /* replaces: needs no memory */
    } else {
        while (first->next != s)
            first = first->next;
        first->next = s->next;
    }
    free_standing(s);
}

void standing_clear(struct world *w)
{
    size_t cursor = 0;
    struct standing *s;
    while ((s = map_next(&w->standings, &cursor, NULL)) != NULL)
        free_standing(s);
    map_clear(&w->standings);
    map_clear(&w->standing_names);
    timers_clear(&w->standing_timers);
}

/* ---- the policy ---- */

static void policy_effect(struct world *w, const struct standing *s, bool is_set)
{
    struct effect *fx = step_add(&w->step, FX_POLICY_SET);
    if (fx == NULL)
        return;
    fx->policy.child_id = s->id;
    fx->policy.is_set = is_set;
    fx->policy.mode = s->kind == STANDING_BLOCK ? MODE_DROP : s->conf->mode;
    fx->policy.is_trap = s->kind == STANDING_TRAP;
    fx->policy.conn_name = arena_text(&w->arena, "%s", s->conn->name);
    fx->policy.child_name = arena_text(&w->arena, "%s", s->conf->name);
    fx->policy.local_ts = world_copy_selectors(w, &s->local);
    fx->policy.remote_ts = world_copy_selectors(w, &s->remote);
    fx->policy.local = s->known_local;
    fx->policy.remote = s->known_remote;
    /* A block stands behind all tunnels: what another one carries is not in clear. */
    fx->policy.priority = s->kind == STANDING_BLOCK ? 0 : s->conf->priority;
    fx->policy.reqid = s->reqid;
}

/* Whatever waits for it waits in vain. */
static void drop_held(struct world *w, const struct standing *s)
{
    struct effect *fx = s->kind == STANDING_TRAP ? step_add(&w->step, FX_HELD_DROP) : NULL;
    if (fx == NULL)
        return;
    fx->held.policy_id = s->id;
    fx->held.conn_name = arena_text(&w->arena, "%s", s->conn->name);
    fx->held.child_name = arena_text(&w->arena, "%s", s->conf->name);
}

static void uninstall_policy(struct world *w, struct standing *s)
{
    if (!s->is_installed)
        return;
    drop_held(w, s);
    policy_effect(w, s, false);
    s->is_installed = false;
    reqid_give_back(w, s->conf, s->reqid);
    policy_selectors_free(&s->local);
    policy_selectors_free(&s->remote);
}

/* A shunt is for whoever is there: its dynamic ends are any address. */
static bool any_address(const struct selectors *from, struct arena *a, struct selectors *out)
{
    out->at = arena_array(a, from->count * 2 + 1, sizeof *out->at);
    out->count = 0;
    for (size_t i = 0; out->at != NULL && i < from->count; i++) {
        bool is_dynamic = from->at[i].is_dynamic;
        for (unsigned family = 0; family < (is_dynamic ? 2U : 1U); family++) {
            struct selector *s = &out->at[out->count++];
            *s = from->at[i];
            s->is_dynamic = false;
            if (!is_dynamic)
                continue;
            s->family = family == 0 ? FAMILY_V4 : FAMILY_V6;
            memset(s->from, 0, sizeof s->from);
            memset(s->to, 0, sizeof s->to);
            memset(s->to, 0xff, address_len(s->family));
        }
    }
    return out->at != NULL;
}

static bool resolve(struct world *w, const struct standing *s, const struct selectors *configured,
                    const struct address *host, struct selectors *out)
{
    return s->kind == STANDING_SHUNT ? any_address(configured, &w->arena, out)
                                     : policy_resolve_selectors(configured, host, &w->arena, out);
}

static void tell(struct world *w, const struct standing *s, struct finding *why)
{
    bool is_failure = ikebana_cause_row(why->cause)->severity == SEVERITY_FAILURE;
    step_event_finding(&w->step, is_failure ? EVENT_REFUSED : EVENT_NOTICE,
                       arena_text(&w->arena, "%s", s->conn->name), why);
    if (w->step.count > 0 && w->step.effects[w->step.count - 1].kind == FX_EVENT)
        w->step.effects[w->step.count - 1].event.child_name =
            arena_text(&w->arena, "%s", s->conf->name);
}

static void install_policy(struct world *w, struct standing *s)
{
    struct selectors local, remote;
    if (s->is_installed || s->kind == STANDING_NONE)
        return;
    if (!resolve(w, s, &s->conf->local_ts, &s->known_local, &local) ||
        !resolve(w, s, &s->conf->remote_ts, &s->known_remote, &remote) ||
        !policy_selectors_dup(&local, &s->local) || !policy_selectors_dup(&remote, &s->remote)) {
        struct finding why;
        policy_selectors_free(&s->local);
        finding_set(&why, CAUSE_RES_MEMORY);
        why.expected = "room for a policy";
        tell(w, s, &why);
        return;
    }
    s->reqid = reqid_take(w, s->conn, s->conf, &s->local, &s->remote);
    s->is_installed = true;
    policy_effect(w, s, true);
}

/* ---- the path, where it is needed ---- */

static bool has_dynamic(const struct selectors *s)
{
    for (size_t i = 0; i < s->count; i++)
        if (s->at[i].is_dynamic)
            return true;
    return false;
}

static const struct host_pattern *one_host(const struct host_pattern *at, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (at[i].kind == HOST_ADDRESS || at[i].kind == HOST_NAME)
            return &at[i];
    return NULL;
}

/* A peer with a name is looked up before the policy stands: it may catch the look-up itself. */
static bool needs_path(const struct standing *s)
{
    const struct host_pattern *remote = one_host(s->conn->remote_addrs, s->conn->remote_count);
    return s->kind != STANDING_SHUNT &&
           (has_dynamic(&s->conf->local_ts) || has_dynamic(&s->conf->remote_ts) ||
            (remote != NULL && remote->kind == HOST_NAME));
}

static bool can_begin(struct world *w, const struct conn *c, struct finding *why)
{
    if (one_host(c->remote_addrs, c->remote_count) != NULL)
        return true;
    finding_set(why, CAUSE_NET_NO_REMOTE_ADDRESS);
    why->param = policy_param(&w->arena, c, NULL, "remote_addrs");
    why->expected = "an address or a name";
    why->seen = c->remote_count == 0 ? "%any" : policy_host_text(&c->remote_addrs[0], &w->arena);
    return false;
}

static void ask_path(struct world *w, struct standing *s)
{
    struct effect *fx = s->is_asking ? NULL : step_add(&w->step, FX_ASK);
    if (fx == NULL)
        return;
    s->is_asking = true;
    fx->ask.ticket = STANDING_TICKET | s->id;
    fx->ask.kind = QUESTION_PATH;
    fx->ask.local = one_host(s->conn->local_addrs, s->conn->local_count);
    fx->ask.remote = one_host(s->conn->remote_addrs, s->conn->remote_count);
    fx->ask.remote_port = s->conn->remote_port == 0 ? IKE_PORT : s->conn->remote_port;
    fx->ask.local_port = w->options.port;
}

static void bring_up(struct world *w, struct standing *s, uint64_t ticket)
{
    s->wants_up = false;
    standing_bring_up(w, s->conn, s->conf, ticket, s->pair.is_set ? &s->pair : NULL,
                      s->known_remote.family == FAMILY_NONE ? NULL : &s->known_remote);
}

void standing_on_answer(struct world *w, const struct answer *a)
{
    struct standing *s = by_ticket(w, a->ticket);
    if (s == NULL || !s->is_asking)
        return;
    s->is_asking = false;
    if (a->ok) {
        s->known_local = a->local;
        s->known_remote = a->remote;
        install_policy(w, s);
    } else {
        struct finding why;
        finding_set(&why, a->cause);
        why.param = policy_param(&w->arena, s->conn, NULL, "remote_addrs");
        why.expected = "an address that can be reached";
        why.seen = a->error == NULL ? "" : a->error;
        if (!s->wants_up) /* else the attempt has the same finding, and a record */
            tell(w, s, &why);
        set_timer(w, s, instant_after_s(w->step.now, PATH_RETRY_S));
    }
    if (s->wants_up)
        bring_up(w, s, 0);
}

/* Makes what is wanted stand, now or as soon as the path is known. */
static void stand(struct world *w, struct standing *s)
{
    if (!s->is_installed && s->kind != STANDING_NONE && needs_path(s))
        ask_path(w, s);
    else
        install_policy(w, s);
}

/* ---- loading and unloading ---- */

static void start_child(struct world *w, struct conn *conn, const struct child_conf *conf,
                        bool was_manual)
{
    struct finding why;
    bool traps = was_manual || (conf->start_action & ACTION_TRAP) != 0;
    bool starts = (conf->start_action & ACTION_START) != 0 && !is_shunt(conf);
    if (!traps && !starts)
        return;
    struct standing *s = get(w, conn, conf);
    if (s == NULL) {
        finding_set(&why, CAUSE_RES_MEMORY);
        step_event_finding(&w->step, EVENT_NOTICE, arena_text(&w->arena, "%s", conn->name), &why);
        return;
    }
    s->is_manual = was_manual;
    s->wants_up = starts;
    if (is_shunt(conf)) {
        s->kind = STANDING_SHUNT;
    } else if (!can_begin(w, conn, &why)) {
        tell(w, s, &why);
        forget(w, s);
        return;
    } else {
        s->kind = traps ? STANDING_TRAP : STANDING_BLOCK;
    }
    stand(w, s);
    if (s->wants_up && !s->is_asking)
        set_timer(w, s, w->step.now);
}

static bool is_begun(const struct ike_sa *sa, const char *child)
{
    const struct task *t = sa->tasks;
    return sa->is_initiator && sa->setup != NULL && t != NULL && t->conf != NULL &&
           strcmp(t->conf->name, child) == 0;
}

/* As strongSwan says: what start has brought up is closed, and with it an IKE SA that has nothing
 * else. */
static void close_started(struct world *w, const char *conn, const char *child)
{
    for (struct ike_sa *sa = world_sa_of_conn(w, conn), *next; sa != NULL; sa = next) {
        next = sa->same_next;
        if (strcmp(sa->conn->name, conn) != 0)
            continue;
        uint32_t ids[CHILDREN_OF_NAME_MAX];
        size_t count = 0, others = 0;
        for (const struct child_sa *c = sa->children; c != NULL; c = c->next) {
            if (c->state != CHILD_SA_UP)
                continue;
            if (strcmp(c->conf->name, child) != 0)
                others++;
            else if (count < CHILDREN_OF_NAME_MAX)
                ids[count++] = c->id;
        }
        if (count > 0 && others == 0)
            ike2_want_close(w, sa, 0, false);
        else if (is_begun(sa, child))
            ike2_want_close(w, sa, 0, false);
        for (size_t i = 0; others > 0 && i < count; i++)
            ike2_want_close_child(w, sa, ids[i], 0);
    }
}

static bool is_same(const struct conn *a, const struct child_conf *x, const struct conn *b,
                    const struct child_conf *y)
{
    return a->digest == b->digest && x->digest == y->digest;
}

/* true: it was installed by a command or an action. */
static bool undo(struct world *w, const struct conn *conn, const struct child_conf *conf)
{
    struct standing *s = find(w, conn->name, conf->name);
    bool was_manual = s != NULL && s->is_manual;
    if (s != NULL)
        forget(w, s);
    if ((conf->start_action & ACTION_START) != 0 && !is_shunt(conf))
        close_started(w, conn->name, conf->name);
    return was_manual;
}

void standing_loaded(struct world *w, const struct conn *old, struct conn *now)
{
    for (size_t i = 0; old != NULL && i < old->child_count; i++)
        if (policy_find_child(now, old->children[i].name) == NULL)
            undo(w, old, &old->children[i]);
    for (size_t i = 0; i < now->child_count; i++) {
        const struct child_conf *conf = &now->children[i];
        const struct child_conf *before = old == NULL ? NULL : policy_find_child(old, conf->name);
        if (before != NULL && is_same(old, before, now, conf)) {
            struct standing *s = find(w, now->name, conf->name);
            if (s != NULL) { /* the same settings in a newer object */
                struct conn *older = s->conn;
                s->conn = policy_conn_ref(now);
                s->conf = conf;
                policy_conn_unref(older);
            }
            continue;
        }
        bool was_manual = before != NULL && undo(w, old, before);
        if (is_ours(w, now->name) || was_manual)
            start_child(w, now, conf, was_manual);
    }
}

void standing_unloaded(struct world *w, const struct conn *old)
{
    for (size_t i = 0; i < old->child_count; i++)
        undo(w, old, &old->children[i]);
}

/* ---- commands ---- */

bool standing_install(struct world *w, struct conn *conn, const struct child_conf *conf,
                      struct finding *why)
{
    finding_set(why, CAUSE_NONE);
    if (!is_shunt(conf) && !can_begin(w, conn, why))
        return false;
    struct standing *s = get(w, conn, conf);
    if (s == NULL) {
        finding_set(why, CAUSE_RES_MEMORY);
        return false;
    }
    if (s->kind == STANDING_TRAP || s->kind == STANDING_SHUNT)
        return true;
    uninstall_policy(w, s);
    s->is_manual = true;
    s->kind = is_shunt(conf) ? STANDING_SHUNT : STANDING_TRAP;
    stand(w, s);
    return true;
}

bool standing_uninstall(struct world *w, const char *conn_name, const char *child_name)
{
    struct standing *found = NULL, *s;
    size_t cursor = 0;
    if (conn_name != NULL)
        found = find(w, conn_name, child_name);
    while (conn_name == NULL && found == NULL &&
           (s = map_next(&w->standings, &cursor, NULL)) != NULL)
        if (strcmp(s->conf->name, child_name) == 0)
            found = s;
    if (found == NULL || (found->kind != STANDING_TRAP && found->kind != STANDING_SHUNT))
        return false;
    forget(w, found);
    return true;
}

void standing_commanded(struct world *w, const char *conn_name, const char *child_name, bool is_up)
{
    const struct conn *conn = conn_name == NULL ? NULL : world_find_conn(w, conn_name);
    for (size_t i = 0; conn != NULL && i < conn->child_count; i++) {
        struct standing *s = find(w, conn->name, conn->children[i].name);
        if (s == NULL || (child_name != NULL && strcmp(s->conf->name, child_name) != 0))
            continue;
        if (!is_up) {
            s->wants_up = false;
            if (s->kind == STANDING_BLOCK)
                uninstall_policy(w, s);
        } else if (s->kind == STANDING_BLOCK) {
            stand(w, s);
        }
    }
}

static bool lift_named(struct world *w, const char *conn_name, const char *child_name)
{
    bool any = false;
    size_t cursor = 0;
    struct standing *s;
    while ((s = map_next(&w->standings, &cursor, NULL)) != NULL) {
        if ((conn_name != NULL && strcmp(s->conn->name, conn_name) != 0) ||
            (child_name != NULL && strcmp(s->conf->name, child_name) != 0))
            continue;
        bool is_block = s->kind == STANDING_BLOCK && s->is_installed;
        any |= is_block || s->wants_up;
        s->wants_up = false;
        if (is_block)
            uninstall_policy(w, s);
    }
    return any;
}

bool standing_lift(struct world *w, const char *conn_name, const char *child_name)
{
    if (conn_name == NULL && child_name == NULL)
        return false;
    if (lift_named(w, conn_name, child_name))
        return true;
    return (conn_name == NULL || child_name == NULL) && lift_named(w, child_name, conn_name);
}

/* ---- bringing up ---- */

/* An IKE SA of the connection that stands and stays, or is being set up by us. */
static struct ike_sa *usable_sa(const struct world *w, const char *conn)
{
    struct ike_sa *best = NULL;
    for (struct ike_sa *sa = world_sa_of_conn(w, conn); sa != NULL; sa = sa->same_next) {
        if (strcmp(sa->conn->name, conn) != 0 || wish_has(&sa->wishes, WISH_CLOSE_IKE, 0))
            continue;
        if (sa->state == SA_UP)
            return sa;
        if (sa->is_initiator && sa->setup != NULL)
            best = sa;
    }
    return best;
}

static bool carries(const struct child_sa *c, const struct ts_pair *pair)
{
    struct selectors local = {(struct selector *)(uintptr_t)&pair->local, 1},
                     remote = {(struct selector *)(uintptr_t)&pair->remote, 1};
    return policy_selectors_within(&local, &c->local_ts) &&
           policy_selectors_within(&remote, &c->remote_ts);
}

/* How many children of the name are up; *found: one that carries the packet (any without one). */
static unsigned count_up(const struct world *w, const char *conn, const char *child,
                         const struct ts_pair *pair, const struct child_sa **found)
{
    unsigned count = 0;
    *found = NULL;
    for (struct ike_sa *sa = world_sa_of_conn(w, conn); sa != NULL; sa = sa->same_next) {
        if (strcmp(sa->conn->name, conn) != 0 || sa->state != SA_UP ||
            wish_has(&sa->wishes, WISH_CLOSE_IKE, 0))
            continue;
        for (const struct child_sa *c = sa->children; c != NULL; c = c->next) {
            if (c->state != CHILD_SA_UP || strcmp(c->conf->name, child) != 0 ||
                wish_has(&sa->wishes, WISH_CLOSE_CHILD, c->id))
                continue;
            count++;
            if (*found == NULL && (pair == NULL || carries(c, pair)))
                *found = c;
        }
    }
    return count;
}

bool standing_wants_more(const struct world *w, uint64_t ticket)
{
    const struct standing *s = by_ticket(w, ticket);
    const struct child_sa *found;
    return s != NULL && s->pair.is_set &&
           count_up(w, s->conn->name, s->conf->name, &s->pair, &found) < CHILDREN_OF_NAME_MAX &&
           found == NULL;
}

/* The peer's address is known from before, and its name may be out of reach by now: the answer is
 * given at once, that of the resolver comes too late then. */
static void answer_path(struct world *w, struct ike_sa *sa, const struct address *remote,
                        const struct address *local)
{
    const struct host_pattern *host = one_host(sa->conn->remote_addrs, sa->conn->remote_count);
    if (sa->state != SA_AWAIT_PATH || host == NULL || host->kind != HOST_NAME)
        return;
    for (size_t i = w->step.count; i > 0; i--) {
        const struct effect *fx = &w->step.effects[i - 1];
        if (fx->kind != FX_ASK || fx->ask.ticket != sa->id)
            continue;
        struct answer a = {.ticket = sa->id, .ok = true, .local = *local, .remote = *remote};
        a.local.port = fx->ask.local_port;
        a.remote.port = fx->ask.remote_port;
        ike2_on_answer(w, sa, &a);
        return;
    }
}

void standing_bring_up(struct world *w, struct conn *conn, const struct child_conf *conf,
                       uint64_t ticket, const struct ts_pair *pair,
                       const struct address *known_remote)
{
    const struct child_sa *up;
    count_up(w, conn->name, conf->name, pair, &up);
    struct ike_sa *sa = usable_sa(w, conn->name);
    const struct standing *s = find(w, conn->name, conf->name);
    world_expect(w, ticket, 1);
    if (up != NULL || (sa != NULL && pair == NULL && is_begun(sa, conf->name))) {
        world_outcome(w, ticket, true, NULL);
    } else if (sa == NULL) {
        sa = ike2_initiate(w, conn, conf, ticket, 1);
        if (sa == NULL) {
            struct finding why;
            finding_set(&why, CAUSE_RES_MEMORY);
            world_outcome(w, ticket, false, &why);
            return;
        }
        if (pair != NULL && sa->tasks != NULL)
            sa->tasks->pair = *pair;
        if (known_remote != NULL && s != NULL)
            answer_path(w, sa, known_remote, &s->known_local);
    } else if (pair != NULL) {
        ike2_want_child_for(w, sa, conf->name, pair, ticket);
    } else {
        ike2_want_child(w, sa, conf->name, ticket);
    }
}

/* ---- packets that ask ---- */

static void negotiate(struct world *w, struct standing *s)
{
    s->is_busy = true;
    s->wants_up = false;
    bring_up(w, s, STANDING_TICKET | s->id);
}

void standing_on_acquire(struct world *w, const struct dataplane_input *in)
{
    struct standing *s = map_get(&w->standings, in->child_id);
    if (s == NULL || s->kind != STANDING_TRAP || !s->is_installed || w->is_leaving) {
        struct effect *fx = step_add(&w->step, FX_HELD_DROP);
        if (fx != NULL) {
            fx->held.policy_id = in->child_id;
            fx->held.conn_name = fx->held.child_name = "";
        }
        return;
    }
    if (s->is_busy)
        return;
    s->pair = in->pair;
    s->pair.is_set = true;
    s->wants_up = true;
    set_timer(w, s, instant_reached(s->not_before, w->step.now) ? w->step.now : s->not_before);
}

static struct instant next_attempt(struct world *w, struct standing *s)
{
    int64_t wait_s = s->failures < FAILURES_MAX ? INT64_C(1) << s->failures : RETRY_MAX_S;
    if (s->failures < FAILURES_MAX)
        s->failures++;
    return instant_after_s(w->step.now, wait_s);
}

/* What it brought up does not carry the packet: another attempt would bring the same. */
static void not_covered(struct world *w, struct standing *s)
{
    struct finding why;
    struct selectors local = {&s->pair.local, 1}, remote = {&s->pair.remote, 1};
    finding_set(&why, CAUSE_CHILD_ACQUIRE_NOT_COVERED);
    why.phase = PHASE_CHILD;
    why.param = policy_param(&w->arena, s->conn, s->conf, "remote_ts");
    why.expected = arena_text(&w->arena, "%s === %s", policy_selectors_text(&local, &w->arena),
                              policy_selectors_text(&remote, &w->arena));
    why.seen = "no SA whose selectors hold it";
    tell(w, s, &why);
}

void standing_outcome(struct world *w, uint64_t ticket, bool ok, const struct finding *why)
{
    struct standing *s = by_ticket(w, ticket);
    const struct child_sa *up;
    (void)why;
    if (s == NULL || !s->is_busy)
        return;
    s->is_busy = false;
    count_up(w, s->conn->name, s->conf->name, &s->pair, &up);
    if (ok && up != NULL) {
        s->failures = 0;
        s->not_before = w->step.now;
        return;
    }
    if (ok)
        not_covered(w, s);
    s->not_before = next_attempt(w, s);
    drop_held(w, s);
}

void standing_on_time(struct world *w)
{
    /* Each served once in a step, however it sets its timer anew. */
    for (unsigned i = 0; i < 1000; i++) {
        struct timer *t = timers_first(&w->standing_timers);
        if (t == NULL || !instant_reached(t->due, w->step.now))
            return;
        struct standing *s = t->owner;
        timers_remove(&w->standing_timers, t);
        if (w->is_leaving)
            continue;
        if (!s->is_installed && s->kind != STANDING_NONE) {
            stand(w, s);
            if (s->is_asking)
                continue; /* it is brought up behind the answer */
        }
        if (!s->wants_up)
            continue;
        if (s->pair.is_set && s->kind == STANDING_TRAP)
            negotiate(w, s);
        else
            bring_up(w, s, 0);
    }
}

/* ---- the peer closes, or is lost ---- */

static void act(struct world *w, const struct ike_sa *sa, const struct child_sa *c, uint32_t action)
{
    struct conn *conn = world_find_conn(w, c->conn->name);
    const struct child_conf *conf = conn == NULL ? NULL : policy_find_child(conn, c->conf->name);
    if (conf == NULL || action == ACTION_NONE || w->is_leaving)
        return;
    struct finding why;
    struct standing *s = can_begin(w, conn, &why) ? get(w, conn, conf) : NULL;
    if (s == NULL) {
        struct standing about = {.conn = conn, .conf = conf};
        if (one_host(conn->remote_addrs, conn->remote_count) != NULL)
            finding_set(&why, CAUSE_RES_MEMORY);
        tell(w, &about, &why);
        return;
    }
    if (s->known_remote.family == FAMILY_NONE || !s->is_installed) {
        s->known_local = sa->path.local;
        s->known_remote = sa->path.remote;
    }
    if ((action & ACTION_TRAP) != 0 && s->kind != STANDING_TRAP) {
        uninstall_policy(w, s);
        s->is_manual = true;
        s->kind = STANDING_TRAP;
        install_policy(w, s); /* the path is that of the SA */
    }
    if ((action & ACTION_START) == 0)
        return;
    /* A peer that closes what has just come up would have it again and again. */
    bool was_short = !instant_reached(instant_after_s(c->installed, SHORT_LIFE_S), w->step.now);
    if (!was_short)
        s->failures = 0;
    s->pair.is_set = false;
    s->wants_up = true;
    set_timer(w, s, was_short ? next_attempt(w, s) : w->step.now);
}

void standing_child_closed(struct world *w, struct ike_sa *sa, const struct child_sa *c)
{
    if (c->state == CHILD_SA_UP)
        act(w, sa, c, c->conf->close_action);
}

void standing_sa_ended(struct world *w, struct ike_sa *sa, bool is_lost)
{
    if (wish_has(&sa->wishes, WISH_CLOSE_IKE, 0))
        return; /* we wanted it too */
    for (const struct child_sa *c = sa->children; c != NULL; c = c->next)
        if (c->state == CHILD_SA_UP && !wish_has(&sa->wishes, WISH_CLOSE_CHILD, c->id))
            act(w, sa, c, is_lost ? c->conf->dpd_action : c->conf->close_action);
}
