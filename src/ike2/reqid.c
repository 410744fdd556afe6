/* Numbers that name what one policy carries, for who looks at policies and SAs (list-sas, updown
 * scripts): as with strongSwan they begin at 1, stay over rekeyings, and the same selectors of the
 * same child have the same one. A configured reqid is taken as it is. */
#include <stdlib.h>

#include "ike2/inside.h"

struct reqid {
    uint64_t key;
    uint32_t number, users;
};

static uint64_t hash_of(const struct world *w, const struct selectors *s)
{
    uint64_t hash = s->count;
    for (size_t i = 0; i < s->count; i++) {
        const struct selector *one = &s->at[i];
        uint64_t parts[4] = {hash, map_hash(&w->reqids, one->from, sizeof one->from),
                             map_hash(&w->reqids, one->to, sizeof one->to),
                             (uint64_t)one->port_from << 32 | (uint64_t)one->port_to << 16 |
                                 (uint64_t)one->family << 8 | one->protocol};
        hash = map_hash(&w->reqids, parts, sizeof parts);
    }
    return hash;
}

static uint64_t key_of(const struct world *w, const struct conn *conn,
                       const struct child_conf *conf, const struct selectors *local,
                       const struct selectors *remote)
{
    uint64_t parts[4] = {
        map_hash(&w->reqids, conn->name, strlen(conn->name)),
        map_hash(&w->reqids, conf->name, strlen(conf->name)),
        hash_of(w, local),
        hash_of(w, remote),
    };
    return map_hash(&w->reqids, parts, sizeof parts);
}

/* Of several workers each has numbers of its own: with W of them every Wth. */
static uint32_t number_of(const struct world *w, uint32_t n)
{
    uint32_t workers = w->options.workers == 0 ? 1 : w->options.workers;
    return n * workers + w->options.worker % workers + 1;
}

uint32_t reqid_take(struct world *w, const struct conn *conn, const struct child_conf *conf,
                    const struct selectors *local, const struct selectors *remote)
{
    if (conf->reqid != 0)
        return conf->reqid;
    uint64_t key = key_of(w, conn, conf, local, remote);
    struct reqid *r = map_get(&w->reqids, key);
    if (r != NULL) {
        r->users++;
        return r->number;
    }
    r = calloc(1, sizeof *r);
    if (r == NULL)
        return 0;
    do
        r->number = number_of(w, w->next_reqid++);
    while (r->number == 0 || map_get(&w->reqid_numbers, r->number) != NULL);
    r->key = key;
    r->users = 1;
    if (!map_set(&w->reqids, key, r) || !map_set(&w->reqid_numbers, r->number, r)) {
        map_remove(&w->reqids, key);
        free(r);
        return 0;
    }
    return r->number;
}

void reqid_share(struct world *w, const struct child_conf *conf, uint32_t number)
{
    struct reqid *r = conf->reqid != 0 ? NULL : map_get(&w->reqid_numbers, number);
    if (r != NULL)
        r->users++;
}

void reqid_give_back(struct world *w, const struct child_conf *conf, uint32_t number)
{
    struct reqid *r = conf->reqid != 0 ? NULL : map_get(&w->reqid_numbers, number);
    if (r == NULL || --r->users > 0)
        return;
    map_remove(&w->reqids, r->key);
    map_remove(&w->reqid_numbers, number);
    free(r);
}

void reqid_clear(struct world *w)
{
    size_t cursor = 0;
    struct reqid *r;
    while ((r = map_next(&w->reqid_numbers, &cursor, NULL)) != NULL)
        free(r);
    map_clear(&w->reqids);
    map_clear(&w->reqid_numbers);
}
