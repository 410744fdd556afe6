#include "ike2/world.h"

#include <stdlib.h>

#include "finding/finding.h"
#include "ike2/fragment.h"
#include "ike2/inside.h"

bool world_init(struct world *w, const struct world_options *o, const uint8_t seed[RNG_SEED_SIZE])
{
    memset(w, 0, sizeof *w);
    w->options = *o;
    w->rng = rng_new(seed);
    if (w->rng == NULL || !arena_init(&w->arena)) {
        rng_free(w->rng);
        return false;
    }
    struct map *maps[] = {&w->by_spi,     &w->half_open, &w->half_open_by_spi, &w->farewells,
                          &w->by_esp_spi, &w->by_child,  &w->by_address,       &w->by_conn,
                          &w->waiting,    &w->elsewhere, &w->by_host,          &w->by_ids,
                          &w->begun};
    for (size_t i = 0; i < sizeof maps / sizeof *maps; i++) {
        uint64_t map_seed[2] = {rng_u64(w->rng), rng_u64(w->rng)};
        map_init(maps[i], map_seed);
    }
    conf_init(w);
    w->step.arena = &w->arena;
    w->step.rng = w->rng;
    /* Numbers of different workers differ, so that one id names one SA in the whole daemon. */
    w->next_ike_id = w->next_child_id = (uint32_t)o->worker << 24 | 1;
    return true;
}

static void free_sa(struct ike_sa *sa)
{
    window_clear(&sa->window);
    while (sa->tasks != NULL) {
        struct task *t = sa->tasks;
        sa->tasks = t->next;
        task_free(t);
    }
    ike2_forget_setup(sa);
    record_free(sa->record);
    reauth_clear(sa->reauth);
    wish_clear(&sa->wishes);
    while (sa->children != NULL) {
        struct child_sa *c = sa->children;
        sa->children = c->next;
        policy_selectors_free(&c->local_ts);
        policy_selectors_free(&c->remote_ts);
        policy_conn_unref(c->conn);
        free(c);
    }
    if (sa->keys != NULL)
        secret_wipe(sa->keys, sa->keys_len);
    free(sa->keys);
    free(sa->local_id);
    free(sa->remote_id);
    policy_conn_unref(sa->conn);
    free(sa);
}

static void free_records(struct world *w)
{
    for (size_t i = 0; i < w->record_count; i++)
        record_free(w->records[i]);
    w->record_count = 0;
}

static void free_gone(struct world *w)
{
    while (w->gone != NULL) {
        struct ike_sa *sa = w->gone;
        w->gone = sa->same_next;
        free_sa(sa);
    }
}

/* The data plane has them now. */
static void wipe_effects(struct world *w)
{
    for (size_t i = 0; i < w->step.count; i++)
        if (w->step.effects[i].kind == FX_SA_ADD)
            secret_wipe((void *)(uintptr_t)&w->step.effects[i].sa->keys,
                        sizeof w->step.effects[i].sa->keys);
}

void world_clear(struct world *w)
{
    free_gone(w);
    for (size_t i = 0; i < w->row_count; i++)
        if (w->rows[i].sa != NULL) {
            fragment_clear(w, &w->rows[i].sa->joining);
            rival_clear(w, w->rows[i].sa);
            free_sa(w->rows[i].sa);
        }
    free_records(w);
    standing_clear(w);
    reqid_clear(w);
    size_t cursor = 0;
    half_open_clear(w);
    struct waiting *waiting;
    while ((waiting = map_next(&w->waiting, &cursor, NULL)) != NULL) {
        free(waiting->why);
        free(waiting);
    }
    conf_clear(w);
    unique_clear(w);
    for (size_t i = 0; i < w->sealer_count; i++)
        crypto_sealer_free(w->sealers[i].sealer);
    farewell_clear(w);
    begun_clear(w);
    struct map *maps[] = {&w->by_spi,     &w->half_open, &w->half_open_by_spi, &w->farewells,
                          &w->by_esp_spi, &w->by_child,  &w->by_address,       &w->by_conn,
                          &w->waiting,    &w->by_host,   &w->by_ids,           &w->begun};
    for (size_t i = 0; i < sizeof maps / sizeof *maps; i++)
        map_clear(maps[i]);
    timers_clear(&w->timers);
    timers_clear(&w->half_timers);
    free(w->rows);
    free(w->records);
    wipe_effects(w);
    arena_clear(&w->arena);
    rng_free(w->rng);
}

void world_begin_step(struct world *w, struct instant now, int64_t wall_s)
{
    free_records(w);
    wipe_effects(w);
    arena_reset(&w->arena);
    w->step.now = now;
    w->step.wall_s = wall_s;
    w->step.effects = NULL;
    w->step.count = w->step.room = 0;
}

void world_end_step(struct world *w)
{
    free_gone(w);
    struct timer *first = timers_first(&w->timers), *half = timers_first(&w->half_timers);
    if (first == NULL || (half != NULL && instant_before(half->due, first->due)))
        first = half;
    struct timer *standing = timers_first(&w->standing_timers);
    if (first == NULL || (standing != NULL && instant_before(standing->due, first->due)))
        first = standing;
    struct effect *fx = first == NULL ? NULL : step_add(&w->step, FX_WAKE);
    if (fx != NULL)
        fx->wake = first->due;
}

/* ---- SAs ---- */

/* The first row whose id is not below `id`. */
static size_t row_from(const struct world *w, uint32_t id)
{
    size_t low = 0, high = w->row_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (w->rows[middle].id < id)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* Ids of a worker stay below those of the next one: the lower 24 bits go round, without 0. */
static uint32_t id_behind(uint32_t id)
{
    uint32_t low = (id + 1) & 0xffffff;
    return (id & 0xff000000) | (low == 0 ? 1 : low);
}

static bool add_row(struct world *w, struct ike_sa *sa)
{
    if (w->row_count == w->row_room && w->live < w->row_count / 2) {
        size_t kept = 0;
        for (size_t i = 0; i < w->row_count; i++)
            if (w->rows[i].sa != NULL)
                w->rows[kept++] = w->rows[i];
        w->row_count = kept;
    }
    if (w->row_count == w->row_room) {
        size_t room = w->row_room == 0 ? 16 : w->row_room * 2;
        struct sa_row *rows = realloc(w->rows, room * sizeof *rows);
        if (rows == NULL)
            return false;
        w->rows = rows;
        w->row_room = room;
    }
    /* At the end, but when the ids have gone round; there a row that is free is taken. */
    size_t i = row_from(w, sa->id);
    if (i == w->row_count || w->rows[i].sa != NULL) {
        memmove(&w->rows[i + 1], &w->rows[i], (w->row_count - i) * sizeof *w->rows);
        w->row_count++;
    }
    w->rows[i] = (struct sa_row){sa->id, sa};
    w->live++;
    return true;
}

struct ike_sa *world_sa_by_id(const struct world *w, uint32_t id)
{
    size_t i = row_from(w, id);
    return i < w->row_count && w->rows[i].id == id ? w->rows[i].sa : NULL;
}

struct ike_sa *world_sa_after(const struct world *w, uint32_t id)
{
    if (id == UINT32_MAX)
        return NULL;
    for (size_t i = row_from(w, id + 1); i < w->row_count; i++)
        if (w->rows[i].sa != NULL)
            return w->rows[i].sa;
    return NULL;
}

struct ike_sa *world_new_sa(struct world *w, struct conn *conn, bool is_initiator)
{
    struct ike_sa *sa = calloc(1, sizeof *sa);
    if (sa == NULL)
        return NULL;
    sa->timer.owner = sa;
    sa->timer.due = INSTANT_NEVER;
    sa->is_initiator = is_initiator;
    while (world_sa_by_id(w, w->next_ike_id) != NULL)
        w->next_ike_id = id_behind(w->next_ike_id);
    sa->id = w->next_ike_id;
    sa->reauth_at = sa->reauth_expire_at = sa->rekey_at = sa->expire_at = sa->deadline =
        sa->doomed_at = INSTANT_NEVER;
    sa->heard = w->step.now;
    if (!add_row(w, sa)) {
        free(sa);
        return NULL;
    }
    w->next_ike_id = id_behind(sa->id);
    if (conn != NULL)
        world_set_sa_conn(w, sa, conn);
    return sa;
}

static uint64_t name_hash(const struct world *w, const char *name)
{
    return map_hash(&w->by_conn, name, strlen(name));
}

static void unlink_conn(struct world *w, struct ike_sa *sa)
{
    if (sa->conn == NULL)
        return;
    if (sa->same_next != NULL)
        sa->same_next->same_before = sa->same_before;
    if (sa->same_before != NULL)
        sa->same_before->same_next = sa->same_next;
    else if (sa->same_next != NULL)
        map_set(&w->by_conn, name_hash(w, sa->conn->name), sa->same_next);
    else
        map_remove(&w->by_conn, name_hash(w, sa->conn->name));
    sa->same_next = sa->same_before = NULL;
}

void world_set_sa_conn(struct world *w, struct ike_sa *sa, struct conn *conn)
{
    struct conn *old = sa->conn;
    unlink_conn(w, sa);
    sa->conn = policy_conn_ref(conn);
    policy_conn_unref(old);
    uint64_t hash = name_hash(w, conn->name);
    sa->same_next = map_get(&w->by_conn, hash);
    if (!map_set(&w->by_conn, hash, sa)) {
        sa->same_next = NULL;
        return;
    }
    if (sa->same_next != NULL)
        sa->same_next->same_before = sa;
}

struct ike_sa *world_sa_of_conn(const struct world *w, const char *name)
{
    return map_get(&w->by_conn, name_hash(w, name));
}

bool world_add_spi(struct world *w, struct ike_sa *sa)
{
    return map_set(&w->by_spi, ike2_our_spi(sa), sa);
}

void world_drop_sa(struct world *w, struct ike_sa *sa)
{
    if (sa->state == SA_GONE)
        return;
    while (sa->children != NULL)
        child_drop(w, sa, sa->children, true);
    for (const struct task *t = sa->tasks; t != NULL; t = t->next)
        if (t->spi_in != 0)
            world_free_esp_spi(w, t->spi_in);
    unlink_conn(w, sa);
    unique_forget(w, sa);
    hint_forget(w, sa);
    timers_remove(&w->timers, &sa->timer);
    if (map_get(&w->by_spi, ike2_our_spi(sa)) == sa)
        map_remove(&w->by_spi, ike2_our_spi(sa));
    size_t i = row_from(w, sa->id);
    if (i < w->row_count && w->rows[i].sa == sa) {
        w->rows[i].sa = NULL;
        w->live--;
        while (w->row_count > 0 && w->rows[w->row_count - 1].sa == NULL)
            w->row_count--;
    }
    farewell_keep(w, sa);
    fragment_clear(w, &sa->joining);
    rival_clear(w, sa);
    sa->state = SA_GONE;
    sa->same_next = w->gone;
    w->gone = sa;
}

void world_discard_sa(struct world *w, struct ike_sa *sa)
{
    if (sa->state != SA_GONE && id_behind(sa->id) == w->next_ike_id)
        w->next_ike_id = sa->id;
    world_drop_sa(w, sa);
}

uint32_t world_new_child_id(struct world *w)
{
    while (map_get(&w->by_child, w->next_child_id) != NULL)
        w->next_child_id = id_behind(w->next_child_id);
    uint32_t id = w->next_child_id;
    w->next_child_id = id_behind(id);
    return id;
}

uint64_t world_new_ike_spi(struct world *w)
{
    for (;;) {
        uint64_t spi = rng_u64(w->rng) >> 8 | (uint64_t)w->options.worker << 56;
        if ((spi & 0xffffffffffffffu) != 0 && map_get(&w->by_spi, spi) == NULL &&
            map_get(&w->half_open_by_spi, spi) == NULL)
            return spi;
    }
}

uint32_t world_new_esp_spi(struct world *w, struct ike_sa *sa)
{
    for (unsigned tries = 0; tries < 1000; tries++) {
        uint32_t spi = rng_u32(w->rng) >> 8 | (uint32_t)w->options.worker << 24;
        if ((spi & 0xffffff) < 256 || map_get(&w->by_esp_spi, spi) != NULL)
            continue;
        return map_set(&w->by_esp_spi, spi, sa) ? spi : 0;
    }
    return 0;
}

void world_free_esp_spi(struct world *w, uint32_t spi)
{
    map_remove(&w->by_esp_spi, spi);
}

struct child_sa *world_find_child(struct world *w, uint32_t child_id, struct ike_sa **sa)
{
    *sa = map_get(&w->by_child, child_id);
    return *sa == NULL ? NULL : child_by_id(*sa, child_id);
}

/* ---- shared contexts, timers ---- */

struct sealer *world_sealer(struct world *w, const struct encr *e, const struct integ *i,
                            bool is_sealing)
{
    for (size_t n = 0; n < w->sealer_count; n++)
        if (w->sealers[n].encr == e && w->sealers[n].integ == i &&
            w->sealers[n].is_sealing == is_sealing)
            return w->sealers[n].sealer;
    struct sealer *s = crypto_sealer_new(e, i);
    if (s == NULL)
        return NULL;
    size_t place = w->sealer_count;
    if (place == SEALERS_MAX) {
        place = 0;
        crypto_sealer_free(w->sealers[0].sealer);
    } else {
        w->sealer_count++;
    }
    w->sealers[place].encr = e;
    w->sealers[place].integ = i;
    w->sealers[place].is_sealing = is_sealing;
    w->sealers[place].sealer = s;
    return s;
}

void world_rearm(struct world *w, struct ike_sa *sa)
{
    if (sa->state == SA_GONE)
        return;
    struct instant due = instant_earlier(sa->deadline, window_due(&sa->window));
    due = instant_earlier(due, rival_due(sa));
    if (sa->state == SA_UP) {
        if (window_has_room(&sa->window)) {
            due = instant_earlier(due, wish_due(&sa->wishes, w->step.now));
            if (exchange_has_next(w, sa))
                due = w->step.now;
        }
        due = instant_earlier(due, sa->rekey_at);
        due = instant_earlier(due, sa->expire_at);
        if (sa->race_of == 0)
            due = instant_earlier(due, sa->reauth_at);
        due = instant_earlier(due, sa->doomed_at);
        due = instant_earlier(due, nat_due(w, sa));
        if (sa->conn != NULL && sa->conn->dpd_delay_s != 0 && sa->tasks == NULL &&
            !wish_has(&sa->wishes, WISH_LIVENESS, 0)) /* it may have to wait */
            due = instant_earlier(due, instant_after_s(sa->heard, (int64_t)sa->conn->dpd_delay_s));
    }
    due = instant_earlier(due, fragment_due(sa));
    for (const struct child_sa *c = sa->children; c != NULL; c = c->next) {
        if (c->state == CHILD_SA_UP)
            due = instant_earlier(due, c->rekey_at);
        due = instant_earlier(due, instant_earlier(c->expire_at, c->gone_at));
        due = instant_earlier(due, closing_due(sa, c));
    }
    timers_set(&w->timers, &sa->timer, due);
}
