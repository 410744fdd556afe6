/* The configuration of a world, found by what a message says instead of by walking over all of it.
 *
 * Connections that IKE_SA_INIT cannot tell apart (same version, addresses and proposals) are one
 * class; ten thousand roadwarrior connections are one or a few. Classes with exact remote addresses
 * only are found by them; the others stand in the list `wide`. For IKE_AUTH, connections whose
 * remote.id is one identity are found by it, those with patterns by their class. Secrets are found
 * by their owners. Hashes only make the choice small: whoever asks judges each hit. */
#include <stdlib.h>

#include "ike2/inside.h"

struct conn_class {
    uint8_t digest[SHA256_LEN];
    struct conn_class *same; /* other digests of this hash */
    struct conn_row *first, *loose;
    struct conn_row *head; /* that of the lowest order speaks for all */
    bool is_wide;
    struct conn_class *wide_next, *wide_before;
};

struct chain {
    struct chain *next;
    void *what;
};

struct psk_row {
    struct psk *psk;
    uint64_t order;
    size_t key_count;
    uint64_t keys[]; /* under which it is found */
};

/* Secrets with patterns or no owner stand under this one. */
enum { LOOSE = 0 };

/* ---- chains: several values under one key ---- */

static bool chain_add(struct map *m, uint64_t key, void *what)
{
    struct chain *node = malloc(sizeof *node);
    if (node == NULL)
        return false;
    *node = (struct chain){map_get(m, key), what};
    if (map_set(m, key, node))
        return true;
    free(node);
    return false;
}

static void chain_remove(struct map *m, uint64_t key, const void *what)
{
    struct chain *first = map_get(m, key), *before = NULL, *node = first;
    while (node != NULL && node->what != what) {
        before = node;
        node = node->next;
    }
    if (node == NULL)
        return;
    if (before != NULL)
        before->next = node->next;
    else if (node->next != NULL)
        map_set(m, key, node->next); /* replaces: needs no memory */
    else
        map_remove(m, key);
    free(node);
}

static void chains_clear(struct map *m)
{
    size_t cursor = 0;
    struct chain *node;
    while ((node = map_next(m, &cursor, NULL)) != NULL)
        while (node != NULL) {
            struct chain *next = node->next;
            free(node);
            node = next;
        }
    map_clear(m);
}

static bool id_key(struct world *w, const struct identity *id, uint64_t *out)
{
    struct span key = policy_identity_key(id, &w->arena);
    *out = map_hash(&w->conns_by_id, key.at, key.len);
    return key.len > 0;
}

static uint64_t host_key(const struct world *w, const struct address *a)
{
    return map_hash(&w->classes_by_host, a->bytes, sizeof a->bytes);
}

/* ---- classes ---- */

static void put_hosts(struct writer *out, const struct host_pattern *hosts, size_t count)
{
    put_u32(out, (uint32_t)count);
    for (size_t i = 0; i < count; i++) {
        /* A name fits any address alike: which one it is makes no difference. */
        put_u8(out, (uint8_t)hosts[i].kind);
        put_u8(out, hosts[i].from.family);
        put_span(out, span_of(hosts[i].from.bytes, sizeof hosts[i].from.bytes));
        put_span(out, span_of(hosts[i].to.bytes, sizeof hosts[i].to.bytes));
    }
}

static bool class_digest(struct world *w, const struct conn *c, uint8_t out[SHA256_LEN])
{
    enum { HOST_LEN = 34, HEAD_LEN = 16 };
    static const char label[] = "connection";
    struct span proposals = span_text(policy_proposals_text(&c->proposals, &w->arena));
    size_t size = HEAD_LEN + (c->local_count + c->remote_count) * HOST_LEN;
    struct writer hosts = writer_of(arena_alloc(&w->arena, size), size);
    if (hosts.at == NULL)
        return false;
    put_u8(&hosts, c->version);
    put_hosts(&hosts, c->local_addrs, c->local_count);
    put_hosts(&hosts, c->remote_addrs, c->remote_count);
    struct span parts[] = {writer_span(&hosts), proposals};
    return !hosts.full && crypto_hmac_sha256(span_text(label), parts, 2, out);
}

static void class_free(struct world *w, struct conn_class *class)
{
    uint64_t key = map_hash(&w->classes, class->digest, sizeof class->digest);
    struct conn_class *first = map_get(&w->classes, key);
    if (first == class && class->same != NULL)
        map_set(&w->classes, key, class->same);
    else if (first == class)
        map_remove(&w->classes, key);
    for (; first != NULL && first != class; first = first->same)
        if (first->same == class)
            first->same = class->same;
    if (class->wide_next != NULL)
        class->wide_next->wide_before = class->wide_before;
    if (class->wide_before != NULL)
        class->wide_before->wide_next = class->wide_next;
    else if (w->wide == class)
        w->wide = class->wide_next;
    free(class);
}

static void class_unlink_hosts(struct world *w, struct conn_class *class, const struct conn *c)
{
    for (size_t i = 0; i < c->remote_count && !class->is_wide; i++)
        chain_remove(&w->classes_by_host, host_key(w, &c->remote_addrs[i].from), class);
}

static struct conn_class *class_of(struct world *w, const struct conn *c)
{
    uint8_t digest[SHA256_LEN];
    if (!class_digest(w, c, digest))
        return NULL;
    uint64_t key = map_hash(&w->classes, digest, sizeof digest);
    struct conn_class *first = map_get(&w->classes, key), *class = first;
    while (class != NULL && memcmp(class->digest, digest, sizeof digest) != 0)
        class = class->same;
    if (class != NULL)
        return class;
    class = calloc(1, sizeof *class);
    if (class == NULL || !map_set(&w->classes, key, class)) {
        free(class);
        return NULL;
    }
    memcpy(class->digest, digest, sizeof digest);
    class->same = first;
    for (size_t i = 0; i < c->remote_count; i++)
        class->is_wide |= c->remote_addrs[i].kind != HOST_ADDRESS;
    if (class->is_wide) {
        class->wide_next = w->wide;
        if (w->wide != NULL)
            w->wide->wide_before = class;
        w->wide = class;
    }
    for (size_t i = 0; i < c->remote_count && !class->is_wide; i++)
        if (!chain_add(&w->classes_by_host, host_key(w, &c->remote_addrs[i].from), class)) {
            class_unlink_hosts(w, class, c);
            class_free(w, class);
            return NULL;
        }
    return class;
}

/* ---- rows ---- */

static void row_free(struct world *w, struct conn_row *row)
{
    struct conn_class *class = row->class;
    struct conn *c = row->conn;
    if (row->is_loose) {
        if (row->loose_next != NULL)
            row->loose_next->loose_before = row->loose_before;
        if (row->loose_before != NULL)
            row->loose_before->loose_next = row->loose_next;
        else
            class->loose = row->loose_next;
    } else {
        chain_remove(&w->conns_by_id, row->id_key, row);
    }
    if (row->next != NULL)
        row->next->before = row->before;
    if (row->before != NULL)
        row->before->next = row->next;
    else
        class->first = row->next;
    if (class->head == row) {
        class->head = class->first;
        for (struct conn_row *r = class->first; r != NULL; r = r->next)
            if (r->order < class->head->order)
                class->head = r;
    }
    if (class->first == NULL) {
        class_unlink_hosts(w, class, c);
        class_free(w, class);
    }
    policy_conn_unref(c);
    free(row);
}

static struct conn_row *row_new(struct world *w, struct conn *c, uint64_t order)
{
    struct conn_row *row = calloc(1, sizeof *row);
    struct conn_class *class = row == NULL ? NULL : class_of(w, c);
    if (class == NULL) {
        free(row);
        return NULL;
    }
    *row = (struct conn_row){.conn = policy_conn_ref(c), .order = order, .class = class};
    row->is_loose = policy_identity_is_pattern(&c->remote.id);
    row->next = class->first;
    if (class->first != NULL)
        class->first->before = row;
    class->first = row;
    if (class->head == NULL || order < class->head->order)
        class->head = row;
    if (row->is_loose) {
        row->loose_next = class->loose;
        if (class->loose != NULL)
            class->loose->loose_before = row;
        class->loose = row;
        return row;
    }
    if (!id_key(w, &c->remote.id, &row->id_key) || !chain_add(&w->conns_by_id, row->id_key, row)) {
        row_free(w, row);
        return NULL;
    }
    return row;
}

static uint64_t name_hash(const struct world *w, const char *name)
{
    return map_hash(&w->conn_names, name, strlen(name));
}

struct conn *world_find_conn(const struct world *w, const char *name)
{
    struct conn *c = map_get(&w->conn_names, name_hash(w, name));
    if (c == NULL || strcmp(c->name, name) == 0)
        return c;
    for (size_t i = 0; i < w->conn_count; i++) /* two names with one hash */
        if (strcmp(w->conns[i]->name, name) == 0)
            return w->conns[i];
    return NULL;
}

static bool make_room(void **at, size_t count, size_t *room, size_t size)
{
    if (count < *room)
        return true;
    size_t bigger = *room == 0 ? 8 : *room * 2;
    void *grown = realloc(*at, bigger * size);
    if (grown == NULL)
        return false;
    *at = grown;
    *room = bigger;
    return true;
}

bool world_set_conn(struct world *w, struct conn *c)
{
    uint64_t hash = name_hash(w, c->name);
    const struct conn *old = world_find_conn(w, c->name);
    size_t i = old == NULL ? w->conn_count : 0;
    while (i < w->conn_count && w->conns[i] != old)
        i++;
    if (!make_room((void **)&w->conns, w->conn_count, &w->conn_room, sizeof *w->conns) ||
        !make_room((void **)&w->conn_rows, w->conn_count, &w->conn_row_room, sizeof *w->conn_rows))
        return false;
    /* In its old place: the order of the configuration decides among equals. */
    struct conn_row *row = row_new(w, c, old == NULL ? w->next_order : w->conn_rows[i]->order);
    if (row == NULL)
        return false;
    const struct conn *named = map_get(&w->conn_names, hash);
    if ((named == NULL || named == old) && !map_set(&w->conn_names, hash, c)) {
        row_free(w, row);
        return false;
    }
    if (old == NULL) {
        w->next_order++;
        w->conn_count++;
    } else {
        row_free(w, w->conn_rows[i]);
    }
    w->conns[i] = c;
    w->conn_rows[i] = row;
    return true;
}

bool world_remove_conn(struct world *w, const char *name)
{
    const struct conn *c = world_find_conn(w, name);
    size_t i = 0;
    if (c == NULL)
        return false;
    while (w->conns[i] != c)
        i++;
    uint64_t hash = name_hash(w, name);
    if (map_get(&w->conn_names, hash) == c)
        map_remove(&w->conn_names, hash);
    row_free(w, w->conn_rows[i]);
    w->conn_count--;
    memmove(&w->conns[i], &w->conns[i + 1], (w->conn_count - i) * sizeof *w->conns);
    memmove(&w->conn_rows[i], &w->conn_rows[i + 1], (w->conn_count - i) * sizeof *w->conn_rows);
    return true;
}

/* ---- which connections may it be? ---- */

struct fitting {
    struct conn_class *class;
    unsigned fit;
};

/* The most exact first; among equals in the order of the configuration. */
static size_t fitting_classes(struct world *w, const struct address *local,
                              const struct address *remote, struct fitting **out)
{
    size_t count = 0, room = 1;
    const struct chain *hosts = map_get(&w->classes_by_host, host_key(w, remote));
    for (const struct chain *node = hosts; node != NULL; node = node->next)
        room++;
    for (const struct conn_class *class = w->wide; class != NULL; class = class->wide_next)
        room++;
    struct fitting *list = arena_array(&w->arena, room, sizeof *list);
    *out = list;
    if (list == NULL)
        return 0;
    const struct chain *node = hosts;
    struct conn_class *wide = w->wide;
    while (node != NULL || wide != NULL) {
        struct conn_class *class = node != NULL ? node->what : wide;
        if (node != NULL)
            node = node->next;
        else
            wide = wide->wide_next;
        unsigned fit = class->head->conn->version == 1
                           ? 0
                           : policy_conn_fits(class->head->conn, local, remote);
        if (fit == 0)
            continue;
        size_t at = count++;
        for (; at > 0 &&
               (list[at - 1].fit < fit ||
                (list[at - 1].fit == fit && list[at - 1].class->head->order > class->head->order));
             at--)
            list[at] = list[at - 1];
        list[at] = (struct fitting){class, fit};
    }
    return count;
}

size_t conf_by_address(struct world *w, const struct address *local, const struct address *remote,
                       struct conn ***out)
{
    struct fitting *list;
    size_t count = fitting_classes(w, local, remote, &list);
    *out = arena_array(&w->arena, count + 1, sizeof(struct conn *));
    if (*out == NULL)
        return 0;
    for (size_t i = 0; i < count; i++)
        (*out)[i] = list[i].class->head->conn;
    return count;
}

size_t conf_by_ids(struct world *w, const struct address *local, const struct address *remote,
                   const struct identity *idi, const struct conn_row ***out)
{
    struct fitting *list;
    uint64_t key;
    const struct chain *exact = id_key(w, idi, &key) ? map_get(&w->conns_by_id, key) : NULL;
    size_t classes = fitting_classes(w, local, remote, &list), room = 1, count = 0;
    for (const struct chain *node = exact; node != NULL; node = node->next)
        room++;
    for (size_t i = 0; i < classes; i++)
        for (const struct conn_row *row = list[i].class->loose; row != NULL; row = row->loose_next)
            room++;
    *out = arena_array(&w->arena, room, sizeof(struct conn_row *));
    if (*out == NULL)
        return 0;
    for (const struct chain *node = exact; node != NULL; node = node->next)
        (*out)[count++] = node->what;
    for (size_t i = 0; i < classes; i++)
        for (const struct conn_row *row = list[i].class->loose; row != NULL; row = row->loose_next)
            (*out)[count++] = row;
    return count;
}

size_t conf_near(struct world *w, const struct address *local, const struct address *remote,
                 size_t most, const struct conn_row ***out)
{
    struct fitting *list;
    size_t classes = fitting_classes(w, local, remote, &list), count = 0;
    *out = arena_array(&w->arena, most + 1, sizeof(struct conn_row *));
    if (*out == NULL)
        return 0;
    for (size_t i = 0; i < classes; i++) {
        (*out)[count] = list[i].class->head;
        count += count < most;
    }
    for (size_t i = 0; i < classes; i++)
        for (const struct conn_row *row = list[i].class->first; row != NULL && count < most;
             row = row->next)
            if (row != list[i].class->head)
                (*out)[count++] = row;
    return count;
}

/* ---- secrets ---- */

static bool is_loose_psk(const struct psk *p)
{
    bool is_loose = p->owner_count == 0;
    for (size_t i = 0; i < p->owner_count; i++)
        is_loose |= policy_identity_is_pattern(&p->owners[i]);
    return is_loose;
}

static void psk_row_free(struct world *w, struct psk_row *row)
{
    for (size_t i = 0; i < row->key_count; i++)
        chain_remove(&w->psks_by_owner, row->keys[i], row);
    policy_psk_unref(row->psk);
    free(row);
}

static struct psk_row *psk_row_new(struct world *w, struct psk *p, uint64_t order)
{
    struct psk_row *row = malloc(sizeof *row + (p->owner_count + 1) * sizeof row->keys[0]);
    if (row == NULL)
        return NULL;
    *row = (struct psk_row){.psk = policy_psk_ref(p), .order = order};
    bool ok = !is_loose_psk(p) || chain_add(&w->psks_by_owner, LOOSE, row);
    if (ok && is_loose_psk(p))
        row->keys[row->key_count++] = LOOSE;
    for (size_t i = 0; ok && i < p->owner_count; i++) {
        uint64_t key;
        if (policy_identity_is_pattern(&p->owners[i]))
            continue;
        ok = id_key(w, &p->owners[i], &key) && chain_add(&w->psks_by_owner, key, row);
        if (ok)
            row->keys[row->key_count++] = key;
    }
    if (ok)
        return row;
    psk_row_free(w, row);
    return NULL;
}

static size_t find_psk(const struct world *w, const char *id)
{
    uint64_t hash = map_hash(&w->psk_names, id, strlen(id));
    size_t i = 0;
    if (map_get(&w->psk_names, hash) == NULL)
        return w->psk_count;
    while (i < w->psk_count && strcmp(w->psks[i]->id, id) != 0)
        i++;
    return i;
}

bool world_set_psk(struct world *w, struct psk *p)
{
    uint64_t hash = map_hash(&w->psk_names, p->id, strlen(p->id));
    size_t i = find_psk(w, p->id);
    bool is_new = i == w->psk_count;
    if (!make_room((void **)&w->psks, w->psk_count, &w->psk_room, sizeof *w->psks) ||
        !make_room((void **)&w->psk_rows, w->psk_count, &w->psk_row_room, sizeof *w->psk_rows))
        return false;
    struct psk_row *row = psk_row_new(w, p, is_new ? w->next_order : w->psk_rows[i]->order);
    if (row == NULL)
        return false;
    if (!map_set(&w->psk_names, hash, w)) { /* of two names with one hash the list tells */
        psk_row_free(w, row);
        return false;
    }
    if (is_new) {
        w->next_order++;
        w->psk_count++;
    } else {
        psk_row_free(w, w->psk_rows[i]);
    }
    w->psks[i] = p;
    w->psk_rows[i] = row;
    return true;
}

bool world_remove_psk(struct world *w, const char *id)
{
    size_t i = find_psk(w, id);
    if (i == w->psk_count)
        return false;
    psk_row_free(w, w->psk_rows[i]);
    w->psk_count--;
    memmove(&w->psks[i], &w->psks[i + 1], (w->psk_count - i) * sizeof *w->psks);
    memmove(&w->psk_rows[i], &w->psk_rows[i + 1], (w->psk_count - i) * sizeof *w->psk_rows);
    return true;
}

struct psk_choice {
    const struct psk_row *row;
    unsigned fit;
};

static void consider(const struct chain *from, const struct identity *local,
                     const struct identity *remote, struct psk_choice *best)
{
    for (const struct chain *node = from; node != NULL; node = node->next) {
        const struct psk_row *row = node->what;
        unsigned fit = policy_psk_fits(row->psk, local, remote);
        if (fit > best->fit || (fit == best->fit && fit > 0 && row->order < best->row->order))
            *best = (struct psk_choice){row, fit};
    }
}

static bool is_longer(const struct chain *x, const struct chain *y)
{
    while (x != NULL && y != NULL) {
        x = x->next;
        y = y->next;
    }
    return x != NULL;
}

const struct psk *world_find_psk(struct world *w, const struct identity *local,
                                 const struct identity *remote)
{
    struct psk_choice best = {NULL, 0};
    uint64_t key;
    const struct chain *ours = id_key(w, local, &key) ? map_get(&w->psks_by_owner, key) : NULL;
    const struct chain *theirs = id_key(w, remote, &key) ? map_get(&w->psks_by_owner, key) : NULL;
    const struct chain *loose = map_get(&w->psks_by_owner, LOOSE);
    /* A secret that names both fits best, and is in both chains: the shorter one shows it. */
    consider(is_longer(theirs, ours) ? ours : theirs, local, remote, &best);
    if (best.row != NULL && best.fit == PSK_FITS_BOTH)
        return best.row->psk;
    consider(theirs, local, remote, &best);
    consider(loose, local, remote, &best);
    if (best.fit >> PSK_FIT_BITS == 0) /* then one that names only us may do */
        consider(ours, local, remote, &best);
    return best.row == NULL ? NULL : best.row->psk;
}

/* ---- all of it ---- */

void conf_init(struct world *w)
{
    struct map *maps[] = {&w->conn_names,      &w->conns_by_id, &w->classes,
                          &w->classes_by_host, &w->psk_names,   &w->psks_by_owner};
    for (size_t i = 0; i < sizeof maps / sizeof *maps; i++) {
        uint64_t map_seed[2] = {rng_u64(w->rng), rng_u64(w->rng)};
        map_init(maps[i], map_seed);
    }
}

void conf_clear(struct world *w)
{
    while (w->conn_count > 0)
        row_free(w, w->conn_rows[--w->conn_count]);
    while (w->psk_count > 0)
        psk_row_free(w, w->psk_rows[--w->psk_count]);
    chains_clear(&w->conns_by_id);
    chains_clear(&w->classes_by_host);
    chains_clear(&w->psks_by_owner);
    map_clear(&w->conn_names);
    map_clear(&w->classes);
    map_clear(&w->psk_names);
    free(w->conns);
    free(w->conn_rows);
    free(w->psks);
    free(w->psk_rows);
}
