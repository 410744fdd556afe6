/* SAs: made, found, moved, removed, counted. RFC 4301 4.4.2. The model is in db.h. */
#include "esp/db.h"

#include <stdlib.h>

#include "finding/finding.h"

enum {
    SPI_MIN = 256,         /* RFC 4303 2.1: 1 to 255 are reserved */
    PATHS_IDLE_MAX = 4096, /* remembered MTUs of hosts to which no SA leads */
    IV_SEED_LABEL_LEN = 8,
};

/* Threads that seal and open are registered for good, others for one call. */
static _Thread_local unsigned registrations;

static bool enter(void)
{
    bool is_guest = registrations == 0;
    if (is_guest)
        urcu_memb_register_thread();
    return is_guest;
}

static void leave(bool is_guest)
{
    if (is_guest)
        urcu_memb_unregister_thread();
}

void esp_thread_begin(struct esp_db *db)
{
    (void)db;
    if (registrations++ == 0)
        urcu_memb_register_thread();
}

void esp_thread_end(struct esp_db *db)
{
    (void)db;
    if (registrations > 0 && --registrations == 0)
        urcu_memb_unregister_thread();
}

void esp_quiescent(struct esp_db *db)
{
    (void)db; /* memb: readers mark their sections themselves */
}

/* ---- paths ---- */

static uint64_t host_hash(const struct map *m, const struct address *host)
{
    return map_hash(m, host->bytes, address_len(host->family));
}

static struct path *path_find(struct esp_db *db, const struct address *remote)
{
    struct path *p = map_get(&db->paths, host_hash(&db->paths, remote));
    while (p != NULL && !address_same_host(&p->remote, remote))
        p = p->next;
    return p;
}

/* A new one has no reference and no MTU. NULL: no memory. */
static struct path *path_get(struct esp_db *db, const struct address *remote)
{
    struct path *p = path_find(db, remote);
    if (p != NULL)
        return p;
    p = calloc(1, sizeof *p);
    if (p == NULL)
        return NULL;
    uint64_t hash = host_hash(&db->paths, remote);
    p->remote = *remote;
    p->next = map_get(&db->paths, hash);
    if (!map_set(&db->paths, hash, p)) {
        free(p);
        return NULL;
    }
    db->idle_paths++;
    return p;
}

static void free_path(struct rcu_head *head)
{
    free(caa_container_of(head, struct path, rcu));
}

/* Forgets a path to which nothing refers and of which nothing is known. */
static void path_settle(struct esp_db *db, struct path *p)
{
    bool is_known = atomic_load_explicit(&p->mtu, memory_order_relaxed) != 0;
    if (p->refs > 0 || (is_known && db->idle_paths <= PATHS_IDLE_MAX))
        return;
    uint64_t hash = host_hash(&db->paths, &p->remote);
    struct path *first = map_get(&db->paths, hash);
    if (first == p) {
        if (p->next == NULL)
            map_remove(&db->paths, hash);
        else
            (void)map_set(&db->paths, hash, p->next); /* replaces: needs no memory */
    } else {
        while (first->next != p)
            first = first->next;
        first->next = p->next;
    }
    db->idle_paths--;
    urcu_memb_call_rcu(&p->rcu, free_path);
}

static void path_take(struct esp_db *db, struct path *p)
{
    if (p->refs++ == 0)
        db->idle_paths--;
}

static void path_drop(struct esp_db *db, struct path *p)
{
    if (--p->refs == 0) {
        db->idle_paths++;
        path_settle(db, p);
    }
}

void esp_set_pmtu(struct esp_db *db, const struct address *remote, uint16_t mtu)
{
    bool is_guest = enter();
    pthread_mutex_lock(&db->mutex);
    struct path *p = mtu == 0 ? path_find(db, remote) : path_get(db, remote);
    if (p != NULL) {
        atomic_store_explicit(&p->mtu_since_ms, -1, memory_order_relaxed);
        atomic_store_explicit(&p->mtu, mtu, memory_order_release);
        path_settle(db, p);
    }
    pthread_mutex_unlock(&db->mutex);
    leave(is_guest);
}

/* ---- outer addresses ---- */

static struct ends *ends_new(struct esp_db *db, const struct address *local,
                             const struct address *remote, bool in_udp)
{
    struct path *path = path_get(db, remote);
    struct ends *e = path == NULL ? NULL : calloc(1, sizeof *e);
    if (e == NULL) {
        if (path != NULL)
            path_settle(db, path);
        return NULL;
    }
    e->local = *local;
    e->remote = *remote;
    e->in_udp = in_udp;
    e->outer_len = (uint16_t)((remote->family == FAMILY_V4 ? IPV4_HEADER_LEN : IPV6_HEADER_LEN) +
                              (in_udp ? UDP_HEADER_LEN : 0));
    e->path = path;
    path_take(db, path);
    return e;
}

static void free_ends(struct rcu_head *head)
{
    free(caa_container_of(head, struct ends, rcu));
}

static void ends_retire(struct esp_db *db, struct ends *e)
{
    path_drop(db, e->path);
    urcu_memb_call_rcu(&e->rcu, free_ends);
}

/* ---- SAs ---- */

struct sa_key {
    uint32_t spi, child_id;
};

static unsigned long hash_of(uint32_t spi, uint32_t child_id)
{
    uint64_t x = ((uint64_t)child_id << 32 | spi) * UINT64_C(0x9e3779b97f4a7c15);
    return (unsigned long)(x ^ x >> 32);
}

static int is_spi(struct cds_lfht_node *node, const void *key)
{
    return caa_container_of(node, struct sa, node)->spi == *(const uint32_t *)key;
}

static int is_key(struct cds_lfht_node *node, const void *key)
{
    const struct sa *sa = caa_container_of(node, struct sa, node);
    const struct sa_key *k = key;
    return sa->spi == k->spi && sa->child_id == k->child_id;
}

/* Under the read lock. */
struct sa *esp_find_inbound(struct esp_db *db, uint32_t spi)
{
    struct cds_lfht_iter iter;
    cds_lfht_lookup(db->in, hash_of(spi, 0), is_spi, &spi, &iter);
    struct cds_lfht_node *node = cds_lfht_iter_get_node(&iter);
    return node == NULL ? NULL : caa_container_of(node, struct sa, node);
}

static struct sa *find_sa(struct esp_db *db, uint32_t spi, uint32_t child_id, bool is_inbound)
{
    if (is_inbound) {
        struct sa *sa = esp_find_inbound(db, spi);
        return sa != NULL && sa->child_id == child_id ? sa : NULL;
    }
    struct sa_key key = {spi, child_id};
    struct cds_lfht_iter iter;
    cds_lfht_lookup(db->out, hash_of(spi, child_id), is_key, &key, &iter);
    struct cds_lfht_node *node = cds_lfht_iter_get_node(&iter);
    return node == NULL ? NULL : caa_container_of(node, struct sa, node);
}

static void worker_free(struct sa_worker *c)
{
    if (c == NULL)
        return;
    crypto_sealer_free(c->sealer);
    if (c->iv_rng != NULL)
        rng_free(c->iv_rng);
    free(c);
}

static void free_sa(struct rcu_head *head)
{
    esp_sa_free(caa_container_of(head, struct sa, rcu));
}

static size_t sa_size(unsigned workers)
{
    size_t size = sizeof(struct sa) + workers * sizeof(_Atomic(struct sa_worker *));
    return (size + ESP_CACHE_LINE - 1) / ESP_CACHE_LINE * ESP_CACHE_LINE;
}

void esp_sa_free(struct sa *sa)
{
    for (unsigned i = 0; i < sa->worker_count; i++)
        worker_free(atomic_load_explicit(&sa->workers[i], memory_order_relaxed));
    secret_wipe(&sa->keys, sizeof sa->keys);
    esp_filter_clear(&sa->local);
    esp_filter_clear(&sa->remote);
    free(sa->inbound);
    free(sa->first_rule);
    free(sa);
}

/* IVs of CBC must not be predictable (RFC 3602 3), and the core has no random source: they come
 * from a generator whose seed is made of the SA's own keys. */
static struct rng *iv_rng_new(const struct sa *sa, unsigned worker)
{
    const uint8_t which[IV_SEED_LABEL_LEN] = {'i',
                                              'v',
                                              (uint8_t)(worker >> 8),
                                              (uint8_t)worker,
                                              (uint8_t)(sa->spi >> 24),
                                              (uint8_t)(sa->spi >> 16),
                                              (uint8_t)(sa->spi >> 8),
                                              (uint8_t)sa->spi};
    const struct span parts[] = {span_of(which, sizeof which),
                                 span_of(sa->keys.integ, sa->keys.integ_len)};
    uint8_t seed[SHA256_LEN];
    _Static_assert((int)RNG_SEED_SIZE == (int)SHA256_LEN, "the seed is one hash");
    struct rng *rng = NULL;
    if (crypto_hmac_sha256(span_of(sa->keys.encr, sa->keys.encr_len), parts, 2, seed))
        rng = rng_new(seed);
    secret_wipe(seed, sizeof seed);
    return rng;
}

static struct sa_worker *worker_new(const struct sa *sa, unsigned worker)
{
    size_t size = (sizeof(struct sa_worker) + ESP_CACHE_LINE - 1) / ESP_CACHE_LINE * ESP_CACHE_LINE;
    struct sa_worker *c = aligned_alloc(ESP_CACHE_LINE, size);
    if (c == NULL)
        return NULL;
    memset(c, 0, size);
    atomic_store_explicit(&c->last_use_ms, -1, memory_order_relaxed);
    struct span integ_key = {NULL, 0};
    if (sa->integ != NULL)
        integ_key = span_of(sa->keys.integ, sa->keys.integ_len);
    c->sealer = crypto_sealer_new(sa->encr, sa->integ);
    bool ok =
        c->sealer != NULL && crypto_sealer_key(c->sealer, span_of(sa->keys.encr, sa->keys.encr_len),
                                               integ_key, !sa->is_inbound);
    if (ok && !sa->is_inbound && sa->encr->iv_is_random) {
        c->iv_rng = iv_rng_new(sa, worker);
        ok = c->iv_rng != NULL;
    }
    if (ok)
        return c;
    worker_free(c);
    return NULL;
}

struct sa_worker *esp_sa_worker(struct sa *sa, unsigned worker)
{
    struct sa_worker *c = atomic_load_explicit(&sa->workers[worker], memory_order_relaxed);
    if (c == NULL) {
        c = worker_new(sa, worker);
        atomic_store_explicit(&sa->workers[worker], c, memory_order_release);
    }
    return c;
}

static bool is_one_host(const struct selectors *list)
{
    for (size_t i = 0; i < list->count; i++) {
        const struct selector *s = &list->at[i], *first = &list->at[0];
        if (s->is_dynamic || s->family != first->family || memcmp(s->from, s->to, 16) != 0 ||
            memcmp(s->from, first->from, 16) != 0)
            return false;
    }
    return list->count > 0;
}

/* What the data plane cannot do, as text; NULL: it can. */
static const char *unfit(const struct sa_spec *s)
{
    if (s->mode != MODE_TUNNEL && s->mode != MODE_TRANSPORT)
        return "a mode other than tunnel and transport";
    if (s->mode == MODE_TRANSPORT && (!is_one_host(&s->local_ts) || !is_one_host(&s->remote_ts)))
        return "selectors of transport mode that are not one host on each side";
    if (s->spi < SPI_MIN)
        return "a reserved SPI";
    if (s->encr == NULL || !s->encr->for_esp)
        return "a cipher that is not for ESP";
    if (!s->encr->is_aead && s->integ == NULL)
        return "no integrity algorithm";
    if (s->keys.encr_len != s->encr->key_len + s->encr->salt_len)
        return "a cipher key of another length";
    if (!s->encr->is_aead && s->keys.integ_len != s->integ->key_len)
        return "an integrity key of another length";
    if (s->replay_window > REPLAY_WINDOW_MAX)
        return "a replay window above 4096";
    if (address_len(s->remote.family) == 0 || s->local.family != s->remote.family)
        return "outer addresses of no or different families";
    return NULL;
}

/* false: no memory; sa is as far as it came. */
static bool sa_fill(struct esp_db *db, struct sa *sa, const struct sa_spec *s)
{
    sa->worker_count = db->worker_count;
    sa->spi = s->spi;
    sa->child_id = s->child_id;
    sa->is_inbound = s->is_inbound;
    sa->esn = s->esn;
    sa->copy_df = s->copy_df;
    sa->copy_ecn = s->copy_ecn;
    sa->tells_use = s->tells_use;
    atomic_init(&sa->use_told_ms, INT64_MIN / 2);
    sa->copy_dscp = s->copy_dscp;
    sa->encr = s->encr;
    sa->integ = s->encr->is_aead ? NULL : s->integ;
    sa->keys = s->keys;
    sa->iv_len = s->encr->iv_len;
    sa->icv_len = (uint8_t)crypto_icv_len(s->encr, s->integ);
    sa->align = s->encr->block > 4 ? s->encr->block : 4; /* RFC 4303 2.4 */
    sa->is_transport = s->mode == MODE_TRANSPORT;
    sa->mends_checksums = s->mends_checksums;
    sa->pad_to = s->pad_to;
    sa->soft_bytes = s->soft_bytes;
    sa->soft_packets = s->soft_packets;
    sa->hard_bytes = s->hard_bytes;
    sa->hard_packets = s->hard_packets;
    if (!esp_filter_from(&s->local_ts, &sa->local) || !esp_filter_from(&s->remote_ts, &sa->remote))
        return false;
    /* Outbound fragments in transport mode have to be found to be joined. */
    sa->local.takes_fragments = sa->remote.takes_fragments =
        s->takes_fragments || (s->mode == MODE_TRANSPORT && !s->is_inbound);
    if (s->is_inbound) {
        sa->inbound = calloc(1, sizeof *sa->inbound);
        if (sa->inbound == NULL)
            return false;
        replay_init(&sa->inbound->replay, s->replay_window, s->esn);
        sa->inbound->used_told_ms = sa->inbound->moved_told_ms = INT64_MIN / 2;
        for (size_t i = 0; i < ESP_DROP_COUNT; i++)
            sa->inbound->faults[i].told_ms = INT64_MIN / 2;
    } else {
        sa->first_rule = esp_rule_for_sa(sa);
        if (sa->first_rule == NULL || !esp_rules_reserve(db, 2))
            return false;
    }
    struct ends *ends = ends_new(db, &s->local, &s->remote, s->in_udp);
    atomic_store_explicit(&sa->ends, ends, memory_order_release);
    return ends != NULL;
}

static bool install_failed(struct finding *why, const char *expected, const char *seen)
{
    finding_set(why, CAUSE_CHILD_INSTALL_FAILED);
    why->expected = expected;
    why->seen = seen;
    return false;
}

/* Under mutex and read lock. */
static bool sa_add(struct esp_db *db, const struct sa_spec *spec, struct finding *why)
{
    if (find_sa(db, spec->spi, spec->child_id, spec->is_inbound) != NULL ||
        (spec->is_inbound && esp_find_inbound(db, spec->spi) != NULL))
        return install_failed(why, "an SPI that is free", "an SA with this SPI exists");
    struct sa *sa = aligned_alloc(ESP_CACHE_LINE, sa_size(db->worker_count));
    if (sa != NULL)
        memset(sa, 0, sa_size(db->worker_count));
    if (sa == NULL || !sa_fill(db, sa, spec)) {
        if (sa != NULL)
            esp_sa_free(sa);
        finding_set(why, CAUSE_RES_MEMORY);
        return false;
    }
    cds_lfht_node_init(&sa->node);
    if (sa->is_inbound)
        cds_lfht_add(db->in, hash_of(sa->spi, 0), &sa->node);
    else
        cds_lfht_add(db->out, hash_of(sa->spi, sa->child_id), &sa->node);
    if (!sa->is_inbound && spec->is_initial_out)
        esp_rules_use(db, sa);
    return true;
}

bool esp_change_begin(struct esp_db *db)
{
    bool is_guest = enter();
    pthread_mutex_lock(&db->mutex);
    urcu_memb_read_lock();
    return is_guest;
}

void esp_change_end(struct esp_db *db, bool is_guest)
{
    urcu_memb_read_unlock();
    pthread_mutex_unlock(&db->mutex);
    leave(is_guest);
}

bool esp_sa_add(struct esp_db *db, const struct sa_spec *spec, struct finding *why)
{
    const char *seen = unfit(spec);
    if (seen != NULL)
        return install_failed(why, "what the userspace data plane serves", seen);
    bool is_guest = esp_change_begin(db);
    bool ok = sa_add(db, spec, why);
    esp_change_end(db, is_guest);
    return ok;
}

void esp_sa_use(struct esp_db *db, uint32_t spi_out, uint32_t child_id)
{
    bool is_guest = esp_change_begin(db);
    struct sa *sa = find_sa(db, spi_out, child_id, false);
    if (sa != NULL)
        esp_rules_use(db, sa);
    esp_change_end(db, is_guest);
}

void esp_sa_move(struct esp_db *db, uint32_t spi, uint32_t child_id, bool is_inbound,
                 const struct address *local, const struct address *remote, bool in_udp)
{
    bool is_guest = esp_change_begin(db);
    struct sa *sa = find_sa(db, spi, child_id, is_inbound);
    struct ends *fresh = sa == NULL ? NULL : ends_new(db, local, remote, in_udp);
    if (fresh != NULL)
        ends_retire(db, atomic_exchange_explicit(&sa->ends, fresh, memory_order_acq_rel));
    esp_change_end(db, is_guest);
}

/* Takes it out of everything; readers may go on with it until they leave. */
static void sa_retire(struct esp_db *db, struct sa *sa)
{
    (void)cds_lfht_del(sa->is_inbound ? db->in : db->out, &sa->node);
    ends_retire(db, atomic_load_explicit(&sa->ends, memory_order_relaxed));
    if (sa->is_inbound || esp_rules_remove_sa(db, sa))
        urcu_memb_call_rcu(&sa->rcu, free_sa);
    else
        atomic_store(&sa->is_dead, true); /* the next publication takes it along */
}

void esp_sa_remove(struct esp_db *db, uint32_t spi, uint32_t child_id, bool is_inbound)
{
    bool is_guest = esp_change_begin(db);
    struct sa *sa = find_sa(db, spi, child_id, is_inbound);
    if (sa != NULL)
        sa_retire(db, sa);
    esp_change_end(db, is_guest);
}

/* ---- the database ---- */

struct esp_db *esp_db_new(unsigned workers)
{
    if (workers == 0)
        return NULL;
    struct esp_db *db = calloc(1, sizeof *db);
    if (db == NULL)
        return NULL;
    /* Hosts are configured or authenticated: the hash needs no secret seed. */
    map_init(&db->paths, (const uint64_t[2]){UINT64_C(0x243f6a8885a308d3), 1});
    db->worker_count = workers;
    size_t size = workers * sizeof *db->workers; /* a multiple of its alignment */
    db->workers = aligned_alloc(ESP_CACHE_LINE, size);
    enum { BUCKETS = 64 };
    db->in = cds_lfht_new_flavor(BUCKETS, BUCKETS, 0, CDS_LFHT_AUTO_RESIZE | CDS_LFHT_ACCOUNTING,
                                 &urcu_memb_flavor, NULL);
    db->out = cds_lfht_new_flavor(BUCKETS, BUCKETS, 0, CDS_LFHT_AUTO_RESIZE | CDS_LFHT_ACCOUNTING,
                                  &urcu_memb_flavor, NULL);
    bool ok = db->workers != NULL && db->in != NULL && db->out != NULL && esp_rules_init(db) &&
              pthread_mutex_init(&db->mutex, NULL) == 0;
    if (ok) {
        memset(db->workers, 0, size);
        for (unsigned i = 0; i < workers; i++)
            for (size_t k = 0; k < ESP_STRANGERS; k++)
                db->workers[i].strangers[k].told_ms = INT64_MIN / 2;
        return db;
    }
    if (db->in != NULL)
        cds_lfht_destroy(db->in, NULL);
    if (db->out != NULL)
        cds_lfht_destroy(db->out, NULL);
    esp_rules_clear(db);
    free(db->workers);
    free(db);
    return NULL;
}

static void retire_all(struct esp_db *db, struct cds_lfht *from)
{
    struct cds_lfht_iter iter;
    struct cds_lfht_node *node;
    cds_lfht_for_each(from, &iter, node) sa_retire(db, caa_container_of(node, struct sa, node));
}

void esp_db_free(struct esp_db *db)
{
    if (db == NULL)
        return;
    bool is_guest = esp_change_begin(db);
    esp_rules_clear(db); /* at once: nobody uses the database any more, so nothing is republished */
    retire_all(db, db->in);
    retire_all(db, db->out);
    size_t cursor = 0;
    struct path *p;
    while ((p = map_next(&db->paths, &cursor, NULL)) != NULL) {
        while (p != NULL) { /* only those that are remembered without an SA are left */
            struct path *next = p->next;
            free(p);
            p = next;
        }
    }
    map_clear(&db->paths);
    esp_change_end(db, is_guest);
    is_guest = enter();
    urcu_memb_barrier();
    cds_lfht_destroy(db->in, NULL);
    cds_lfht_destroy(db->out, NULL);
    leave(is_guest);
    pthread_mutex_destroy(&db->mutex);
    free(db->workers);
    free(db);
}

/* ---- looking ---- */

bool esp_sa_stats(struct esp_db *db, uint32_t spi, uint32_t child_id, bool is_inbound,
                  struct esp_stats *out)
{
    *out = (struct esp_stats){.last_use_ms = -1};
    bool is_guest = enter();
    urcu_memb_read_lock();
    struct sa *sa = find_sa(db, spi, child_id, is_inbound);
    for (unsigned i = 0; sa != NULL && i < db->worker_count; i++) {
        const struct sa_worker *c = atomic_load_explicit(&sa->workers[i], memory_order_acquire);
        if (c == NULL)
            continue;
        out->packets += atomic_load_explicit(&c->packets, memory_order_relaxed);
        out->bytes += atomic_load_explicit(&c->bytes, memory_order_relaxed);
        int64_t used = atomic_load_explicit(&c->last_use_ms, memory_order_relaxed);
        if (used > out->last_use_ms)
            out->last_use_ms = used;
        uint64_t sequence = atomic_load_explicit(&c->sequence, memory_order_relaxed);
        if (sequence > out->sequence)
            out->sequence = sequence;
        for (size_t k = 0; k < ESP_DROP_COUNT; k++)
            out->dropped[k] += atomic_load_explicit(&c->dropped[k], memory_order_relaxed);
    }
    urcu_memb_read_unlock();
    leave(is_guest);
    return sa != NULL;
}

void esp_db_stats(struct esp_db *db, uint64_t dropped[ESP_DROP_COUNT])
{
    for (size_t k = 0; k < ESP_DROP_COUNT; k++) {
        dropped[k] = 0;
        for (unsigned i = 0; i < db->worker_count; i++)
            dropped[k] += atomic_load_explicit(&db->workers[i].dropped[k], memory_order_relaxed);
    }
}
