/* A host's SA table and policies, as a data plane keeps them; and what must hold between the tables
 * of two hosts and the engines' views. */
#include <stdlib.h>

#include "engine/inside.h"
#include "ike2/fragment.h"
#include "sim_inside.h"

static struct sim_sa *find(struct sim_host *h, uint32_t spi, bool is_inbound, uint32_t child_id)
{
    for (size_t i = 0; i < h->sa_count; i++)
        if (h->sas[i].spi == spi && h->sas[i].is_inbound == is_inbound &&
            (child_id == 0 || h->sas[i].child_id == child_id))
            return &h->sas[i];
    return NULL;
}

struct sim_sa *sim_inbound(struct sim_host *h, uint32_t spi)
{
    return find(h, spi, true, 0);
}

const struct sim_sa *sim_outbound(const struct sim_host *h, const char *child)
{
    const struct sim_sa *best = NULL;
    for (size_t i = 0; i < h->sa_count; i++) {
        const struct sim_sa *sa = &h->sas[i];
        if (!sa->is_inbound && sa->use != 0 && strcmp(sa->child, child) == 0 &&
            (best == NULL || sa->use > best->use))
            best = sa;
    }
    return best;
}

/* What waited for the child's SA goes. */
static void release(struct sim_host *h, const struct sim_sa *sa)
{
    for (size_t i = 0; i < h->policy_count; i++) {
        struct sim_policy *p = &h->policies[i];
        for (; p->held > 0 && strcmp(p->child, sa->child) == 0; p->held--)
            sim_send_on(h, sa);
    }
}

void sim_held_drop(struct sim_host *h, const struct effect *e)
{
    for (size_t i = 0; i < h->policy_count; i++)
        if (h->policies[i].child_id == e->held.policy_id) {
            h->packets_held_lost += h->policies[i].held;
            h->policies[i].held = 0;
        }
}

enum sim_fate sim_packet(struct sim_host *from, const char *child, const struct ts_pair *pair)
{
    struct sim_sa *sa = (struct sim_sa *)(uintptr_t)sim_outbound(from, child);
    enum { WAITING_MAX = 16 };
    if (sa != NULL) {
        sim_send_on(from, sa);
        if (sa->tells_use)
            sim_used(from, sa);
        return SIM_SENT;
    }
    for (size_t i = 0; i < from->policy_count; i++) {
        struct sim_policy *p = &from->policies[i];
        if (strcmp(p->child, child) != 0 || (p->child_id & POLICY_ID_BIT) == 0)
            continue;
        if (!p->is_trap)
            return p->mode == MODE_PASS ? SIM_PASSED : SIM_BLOCKED;
        if (p->held < WAITING_MAX)
            p->held++;
        else
            from->packets_held_lost++;
        sim_step(from, &(struct input){.kind = IN_DATAPLANE,
                                       .dataplane = {.kind = DP_ACQUIRE,
                                                     .child_id = p->child_id,
                                                     .count = 1,
                                                     .pair = *pair}});
        return SIM_HELD;
    }
    return SIM_CLEAR;
}

size_t sim_policy_count(const struct sim_host *h, const char *child)
{
    size_t count = 0;
    for (size_t i = 0; i < h->policy_count; i++)
        count += (h->policies[i].child_id & POLICY_ID_BIT) != 0 &&
                 (child == NULL || strcmp(h->policies[i].child, child) == 0);
    return count;
}

unsigned sim_held(const struct sim_host *h)
{
    unsigned count = 0;
    for (size_t i = 0; i < h->policy_count; i++)
        count += h->policies[i].held;
    return count;
}

static void add(struct sim_host *h, const struct sa_spec *spec)
{
    struct sim *s = h->sim;
    if (find(h, spec->spi, spec->is_inbound, spec->is_inbound ? 0 : spec->child_id) != NULL)
        sim_broken(s, "an SA is added twice", h, spec->spi);
    if (spec->spi < 256)
        sim_broken(s, "a reserved SPI", h, spec->spi);
    if (spec->local_ts.count == 0 || spec->remote_ts.count == 0)
        sim_broken(s, "an SA without selectors", h, spec->spi);
    if (spec->encr == NULL || (!spec->encr->is_aead && spec->integ == NULL))
        sim_broken(s, "an SA without algorithms", h, spec->spi);
    else if (spec->keys.encr_len != spec->encr->key_len + spec->encr->salt_len)
        sim_broken(s, "an SA without its key", h, spec->spi);
    if (h->sa_count == SIM_SAS_MAX) {
        sim_broken(s, "more SAs than the table holds", h, spec->spi);
        return;
    }
    struct sim_sa *sa = &h->sas[h->sa_count++];
    *sa = (struct sim_sa){
        .spi = spec->spi,
        .child_id = spec->child_id,
        .is_inbound = spec->is_inbound,
        .in_udp = spec->in_udp,
        .esn = spec->esn,
        .takes_fragments = spec->takes_fragments,
        .mends_checksums = spec->mends_checksums,
        .mode = spec->mode,
        .pad_to = spec->pad_to,
        .use = !spec->is_inbound && spec->is_initial_out ? ++h->uses : 0,
        .local = spec->local,
        .remote = spec->remote,
        .keys = spec->keys,
    };
    sa->tells_use = spec->tells_use;
    snprintf(sa->child, sizeof sa->child, "%s", spec->child_name);
    if (sa->use != 0)
        release(h, sa);
}

static void set_policy(struct sim_host *h, const struct effect *e)
{
    for (size_t i = 0; i < h->policy_count; i++)
        if (h->policies[i].child_id == e->policy.child_id) {
            if (e->policy.is_set)
                sim_broken(h->sim, "a policy is set twice", h, e->policy.child_id);
            h->policies[i] = h->policies[--h->policy_count];
            return;
        }
    if (!e->policy.is_set) {
        sim_broken(h->sim, "a policy is removed that is not there", h, e->policy.child_id);
        return;
    }
    if (h->policy_count == SIM_SAS_MAX)
        return;
    struct sim_policy *p = &h->policies[h->policy_count++];
    *p = (struct sim_policy){
        .child_id = e->policy.child_id, .mode = e->policy.mode, .is_trap = e->policy.is_trap};
    snprintf(p->child, sizeof p->child, "%s", e->policy.child_name);
}

void sim_table_effect(struct sim_host *h, const struct effect *e)
{
    struct sim_sa *sa;
    switch (e->kind) {
    case FX_SA_ADD:
        add(h, e->sa);
        break;
    case FX_SA_USE:
        sa = find(h, e->use.spi_out, false, e->use.child_id);
        if (sa == NULL)
            sim_broken(h->sim, "an SA is to be used that is not there", h, e->use.spi_out);
        else
            sa->use = ++h->uses;
        if (sa != NULL)
            release(h, sa);
        break;
    case FX_SA_MOVE:
        sa = find(h, e->move.spi, e->move.is_inbound, e->move.child_id);
        if (sa == NULL) {
            sim_broken(h->sim, "an SA is moved that is not there", h, e->move.spi);
        } else {
            sa->local = e->move.local;
            sa->remote = e->move.remote;
            sa->in_udp = e->move.in_udp;
        }
        break;
    case FX_SA_REMOVE:
        sa = find(h, e->remove.spi, e->remove.is_inbound, e->remove.child_id);
        if (sa == NULL)
            sim_broken(h->sim, "an SA is removed that is not there", h, e->remove.spi);
        else
            *sa = h->sas[--h->sa_count];
        break;
    case FX_POLICY_SET:
        set_policy(h, e);
        break;
    case FX_HELD_DROP:
        sim_held_drop(h, e);
        break;
    case FX_SEND:
    case FX_KEEPALIVE:
    case FX_TWIN:
    case FX_ASK:
    case FX_EVENT:
    case FX_WAKE:
        break;
    }
}

size_t sim_child_count(const struct sim_host *h)
{
    size_t count = 0;
    for (size_t i = 0; i < h->sa_count; i++)
        count += h->sas[i].is_inbound;
    return count;
}

/* ---- what must hold ---- */

static const char *say(struct sim *s, const char *what, const struct sim_host *h, uint32_t number)
{
    static char text[200];
    (void)s;
    snprintf(text, sizeof text, "%s (host %s, %08x)", what, h->name, number);
    return text;
}

struct seen {
    uint32_t ids[SIM_SAS_MAX];
    bool is_on_its_way_out[SIM_SAS_MAX];
    size_t count;
};

static const char *check_ike(struct sim *s, struct sim_host *h, const struct ike_view *v)
{
    if (v->state != IKE_ESTABLISHED)
        return NULL;
    for (size_t i = 0; i < s->host_count; i++) {
        struct sim_host *other = &s->hosts[i];
        if (other == h || other->is_dead)
            continue;
        const struct world *w = &other->engine->world;
        for (struct ike_sa *sa = world_sa_after(w, 0); sa != NULL; sa = world_sa_after(w, sa->id))
            if (sa->spi_i == v->spi_i && sa->spi_r == v->spi_r && sa->state == SA_UP)
                return NULL;
    }
    return say(s, "an IKE SA that the other side does not have", h, v->id);
}

static const char *check_child(struct sim *s, struct sim_host *h, const struct child_view *c)
{
    if (find(h, c->spi_in, true, c->id) == NULL)
        return say(s, "a child without its inbound SA", h, c->id);
    if (c->state == CHILD_INSTALLED && find(h, c->spi_out, false, c->id) == NULL)
        return say(s, "a child without its outbound SA", h, c->id);
    for (size_t i = 0; i < h->policy_count; i++)
        if (h->policies[i].child_id == c->id)
            return NULL;
    return say(s, "a child without its policy", h, c->id);
}

static const char *check_host(struct sim *s, struct sim_host *h)
{
    struct arena a;
    struct ike_view view;
    uint64_t cursor = 0;
    struct seen seen = {.count = 0};
    const char *wrong = NULL;
    if (!arena_init(&a))
        abort();
    while (wrong == NULL && engine_next_sa(h->engine, &cursor, s->now, &a, &view)) {
        wrong = check_ike(s, h, &view);
        for (size_t i = 0; i < view.child_count && wrong == NULL; i++) {
            const struct child_view *c = &view.children[i];
            wrong = check_child(s, h, c);
            if (seen.count < SIM_SAS_MAX) {
                seen.is_on_its_way_out[seen.count] = c->state == CHILD_REKEYED;
                seen.ids[seen.count++] = c->id;
            }
        }
    }
    arena_clear(&a);
    if (wrong != NULL)
        return wrong;
    if (h->policy_count - sim_policy_count(h, NULL) != seen.count)
        return say(s, "policies without a child", h, (uint32_t)h->policy_count);
    for (size_t i = 0; i < h->sa_count; i++) {
        const struct sim_sa *sa = &h->sas[i];
        size_t n = 0;
        while (n < seen.count && seen.ids[n] != sa->child_id)
            n++;
        if (n == seen.count)
            return say(s, "an SA without a child", h, sa->spi);
        if (seen.is_on_its_way_out[n])
            continue;
        bool is_known = false;
        for (size_t k = 0; k < s->host_count; k++) {
            struct sim_host *other = &s->hosts[k];
            struct sim_sa *twin =
                other == h || other->is_dead ? NULL : find(other, sa->spi, !sa->is_inbound, 0);
            is_known |= twin != NULL && twin->esn == sa->esn && twin->mode == sa->mode &&
                        twin->takes_fragments == sa->takes_fragments &&
                        memcmp(&twin->keys, &sa->keys, sizeof sa->keys) == 0;
        }
        if (!is_known)
            return say(s,
                       sa->is_inbound ? "an inbound SA that nobody sends on"
                                      : "an outbound SA that nobody receives on",
                       h, sa->spi);
    }
    return NULL;
}

const char *sim_check_tables(struct sim *s)
{
    for (size_t i = 0; i < s->host_count; i++) {
        const char *wrong = s->hosts[i].is_dead ? NULL : check_host(s, &s->hosts[i]);
        if (wrong != NULL)
            return wrong;
    }
    return NULL;
}

/* ---- the digest ---- */

static void mix(uint64_t *hash, const void *at, size_t len)
{
    const uint8_t *octets = at;
    for (size_t i = 0; i < len; i++)
        *hash = (*hash ^ octets[i]) * 1099511628211u;
}

static void mix_u64(uint64_t *hash, uint64_t v)
{
    mix(hash, &v, sizeof v);
}

static void mix_address(uint64_t *hash, const struct address *a)
{
    mix(hash, a->bytes, sizeof a->bytes);
    mix_u64(hash, a->port);
}

static void mix_sa(uint64_t *hash, const struct ike_sa *sa)
{
    mix_u64(hash, sa->id);
    mix_u64(hash, sa->spi_i);
    mix_u64(hash, sa->spi_r);
    mix_u64(hash, sa->state);
    mix_address(hash, &sa->path.local);
    mix_address(hash, &sa->path.remote);
    mix_u64(hash, sa->path.marker);
    mix(hash, sa->keys, sa->keys_len);
    mix_u64(hash, sa->ivs);
    mix_u64(hash, sa->window.next_id);
    mix_u64(hash, sa->window.expected_id);
    mix_u64(hash, sa->window.executed);
    mix_u64(hash, sa->window.peer_size);
    mix_u64(hash, sa->window.size);
    for (const struct sent *sent = sa->window.sent; sent != NULL; sent = sent->next) {
        mix_u64(hash, sent->id);
        mix(hash, sent->octets, sent->len);
        mix_u64(hash, (uint64_t)sent->due.ns);
        mix_u64(hash, sent->repeats);
    }
    for (const struct kept *kept = sa->window.kept; kept != NULL; kept = kept->next) {
        mix_u64(hash, kept->id);
        mix_u64(hash, kept->asked_hash);
        mix(hash, kept->octets, kept->len);
    }
    mix_u64(hash, sa->setup != NULL);
    if (sa->setup != NULL) {
        mix_u64(hash, sa->setup->cookies);
        mix_u64(hash, sa->setup->has_answered);
        mix_u64(hash, sa->setup->group);
        mix_u64(hash, sa->setup->refusal);
    }
    for (const struct task *t = sa->tasks; t != NULL; t = t->next) {
        mix_u64(hash, (uint64_t)t->kind + 1);
        mix_u64(hash, t->message_id);
        mix_u64(hash, t->is_waiting);
        mix_u64(hash, t->child_id);
        mix_u64(hash, t->ticket);
        mix_u64(hash, t->spi_in);
        mix_u64(hash, t->race_child);
        mix_u64(hash, t->race_ike);
    }
    mix_u64(hash, sa->wishes.count);
    for (size_t i = 0; i < sa->wishes.count; i++) {
        mix_u64(hash, sa->wishes.at[i].kind);
        mix_u64(hash, sa->wishes.at[i].child_id);
        mix_u64(hash, (uint64_t)sa->wishes.at[i].not_before.ns);
    }
    for (const struct child_sa *c = sa->children; c != NULL; c = c->next) {
        mix_u64(hash, c->id);
        mix_u64(hash, c->spi_in);
        mix_u64(hash, c->spi_out);
        mix_u64(hash, c->state);
        mix_u64(hash, c->is_waiting_for_use);
        mix_u64(hash, (uint64_t)c->rekey_at.ns);
        mix_u64(hash, (uint64_t)c->expire_at.ns);
        mix_u64(hash, (uint64_t)c->gone_at.ns);
    }
    mix_u64(hash, fragment_memory(sa->joining));
    mix_u64(hash, sa->may_fragment);
    mix_u64(hash, sa->fragment_limit);
    mix_u64(hash, (uint64_t)sa->heard.ns);
    mix_u64(hash, (uint64_t)sa->rekey_at.ns);
    mix_u64(hash, (uint64_t)sa->expire_at.ns);
    mix_u64(hash, (uint64_t)sa->deadline.ns);
    mix_u64(hash, sa->close_ticket);
}

uint64_t sim_digest(const struct sim_host *h)
{
    uint64_t hash = 14695981039346656037u;
    const struct world *w = &h->engine->world;
    mix_u64(&hash, w->conn_count);
    mix_u64(&hash, w->psk_count);
    mix_u64(&hash, w->live);
    mix_u64(&hash, w->counters.half_open);
    mix_u64(&hash, w->counters.child_sas);
    mix_u64(&hash, w->by_spi.count);
    mix_u64(&hash, w->half_open.count);
    mix_u64(&hash, w->half_open_by_spi.count);
    mix_u64(&hash, w->by_esp_spi.count);
    mix_u64(&hash, w->by_child.count);
    mix_u64(&hash, w->by_address.count);
    mix_u64(&hash, w->waiting.count);
    mix_u64(&hash, w->half_open_fragments);
    for (struct ike_sa *sa = world_sa_after(w, 0); sa != NULL; sa = world_sa_after(w, sa->id))
        mix_sa(&hash, sa);
    return hash;
}
