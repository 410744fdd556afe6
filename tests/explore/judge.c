/* What must hold after every step, and what must be so at rest. */
#include <stdarg.h>

#include "explore.h"

#include "../scenario/sim_inside.h"
#include "engine/inside.h"
#include "ike2/inside.h"

static const char *const names[CHILDREN_NAMES] = {"net", "two", "new"};

static bool wrong(struct walk *w, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(w->reason, sizeof w->reason, format, args);
    va_end(args);
    return false;
}

/* A packet sent now: the peer must have an SA for it. A child that is made (not rekeyed) may be
 * used by its responder while the answer is on its way (RFC 7296 2.8): there is no other SA for
 * these packets, and the SPI is one that the peer has given out. */
static bool probe(struct walk *w, unsigned from, const char *child)
{
    struct sim_host *here = &w->sim.hosts[from], *there = &w->sim.hosts[1 - from];
    const struct sim_sa *out = sim_outbound(here, child);
    if (out == NULL)
        return true;
    const struct sim_sa *in = sim_inbound(there, out->spi);
    if (in != NULL && memcmp(&in->keys, &out->keys, sizeof in->keys) == 0)
        return true;
    struct ike_sa *sa = NULL;
    const struct child_sa *c = world_find_child(&here->engine->world, out->child_id, &sa);
    bool is_promised = map_get(&there->engine->world.by_esp_spi, out->spi) != NULL;
    if (in == NULL && c != NULL && c->replaces == 0 && is_promised)
        return true;
    return wrong(w, "%s sends %s on SPI %08x, which %s %s", here->name, child, out->spi,
                 there->name, in == NULL ? "does not have" : "has with other keys");
}

bool judge_step(struct walk *w)
{
    if (w->sim.broken != 0)
        return wrong(w, "%.150s", w->sim.broken_text);
    for (unsigned h = 0; h < 2; h++)
        for (unsigned i = 0; i < CHILDREN_NAMES; i++)
            if (!probe(w, h, names[i]))
                return false;
    return true;
}

static bool within(struct range r, unsigned n)
{
    return n >= r.low && n <= r.high;
}

/* Children and IKE SAs of one host, each held against those of the other. */
static bool mirror(struct walk *w, unsigned number, unsigned *ikes, unsigned counts[CHILDREN_NAMES])
{
    struct sim_host *h = &w->sim.hosts[number];
    const struct world *here = &h->engine->world, *there = &w->sim.hosts[1 - number].engine->world;
    for (struct ike_sa *sa = world_sa_after(here, 0); sa != NULL;
         sa = world_sa_after(here, sa->id)) {
        if (sa->state != SA_UP)
            return wrong(w, "an IKE SA of %s rests in state %d", h->name, (int)sa->state);
        if (sa->tasks != NULL || sa->wishes.count != 0 || sa->window.sent != NULL)
            return wrong(w, "an IKE SA of %s rests with an exchange or a wish", h->name);
        struct ike_sa *twin = world_sa_after(there, 0);
        while (twin != NULL && (twin->spi_i != sa->spi_i || twin->spi_r != sa->spi_r))
            twin = world_sa_after(there, twin->id);
        if (twin == NULL || twin->is_initiator == sa->is_initiator)
            return wrong(w, "%s has an IKE SA that the other lacks", h->name);
        ++*ikes;
        for (const struct child_sa *c = sa->children; c != NULL; c = c->next) {
            if (c->state != CHILD_SA_UP)
                return wrong(w, "a child of %s rests in state %d", h->name, (int)c->state);
            if (c->is_waiting_for_use)
                return wrong(w, "a child of %s still waits for its use", h->name);
            const struct child_sa *other = twin->children;
            while (other != NULL && (other->spi_in != c->spi_out || other->spi_out != c->spi_in))
                other = other->next;
            if (other == NULL)
                return wrong(w, "%s has child %s %08x that the other lacks", h->name, c->conf->name,
                             c->spi_in);
            for (unsigned i = 0; i < CHILDREN_NAMES; i++)
                counts[i] += strcmp(c->conf->name, names[i]) == 0;
        }
    }
    return true;
}

static bool nothing_left(struct walk *w, struct sim_host *h, unsigned children)
{
    const struct world *world = &h->engine->world;
    if (world->waiting.count != 0)
        return wrong(w, "%s has a command without outcome", h->name);
    if (world->by_esp_spi.count != children || world->by_child.count != children)
        return wrong(w, "%s has %zu SPIs for %u children", h->name, world->by_esp_spi.count,
                     children);
    if (h->sa_count != 2 * (size_t)children || h->policy_count != children)
        return wrong(w, "%s has %zu SAs for %u children", h->name, h->sa_count, children);
    if (world->by_spi.count != world->live || world->counters.half_open != 0)
        return wrong(w, "%s has %zu IKE SPIs for %zu SAs", h->name, world->by_spi.count,
                     world->live);
    return true;
}

static bool outcome(struct walk *w, unsigned i)
{
    const struct sim_host *h = &w->sim.hosts[w->is->wanted[i].host];
    unsigned count = 0;
    for (size_t n = 0; n < h->event_count; n++) {
        const struct sim_event *e = &h->events[n];
        if (e->kind != EVENT_COMMAND_DONE || e->ticket != w->tickets[i])
            continue;
        count++;
        if (!e->ok && w->is->wanted[i].must_succeed)
            return wrong(w, "command %u of %s failed: %s", i, h->name,
                         e->finding == NULL ? "-" : ikebana_cause_row(e->finding->cause)->id);
    }
    return count == 1 || wrong(w, "command %u of %s has %u outcomes", i, h->name, count);
}

bool judge_rest(struct walk *w)
{
    unsigned ikes[2] = {0, 0}, counts[2][CHILDREN_NAMES] = {{0}};
    for (unsigned h = 0; h < 2; h++) {
        unsigned *c = counts[h];
        if (!mirror(w, h, &ikes[h], c) || !nothing_left(w, &w->sim.hosts[h], c[0] + c[1] + c[2]))
            return false;
        for (unsigned i = 0; i < CHILDREN_NAMES; i++)
            if (c[i] > 0 && sim_outbound(&w->sim.hosts[h], names[i]) == NULL)
                return wrong(w, "%s has %s and cannot send on it", w->sim.hosts[h].name, names[i]);
    }
    for (unsigned i = 0; i < w->is->wanted_count; i++)
        if (!outcome(w, i))
            return false;
    const char *tables = sim_check_tables(&w->sim);
    if (tables != NULL)
        return wrong(w, "%s", tables);
    if (!within(w->is->ikes, ikes[0]))
        return wrong(w, "%u IKE SAs", ikes[0]);
    if (!within(w->is->nets, counts[0][0]) || !within(w->is->twos, counts[0][1]) ||
        !within(w->is->news, counts[0][2]))
        return wrong(w, "%u net, %u two, %u new", counts[0][0], counts[0][1], counts[0][2]);
    return true;
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

/* What sim_digest() leaves out. */
static void mix_rest_of_engine(uint64_t *hash, const struct sim_host *h)
{
    const struct world *w = &h->engine->world;
    for (struct ike_sa *sa = world_sa_after(w, 0); sa != NULL; sa = world_sa_after(w, sa->id)) {
        mix_u64(hash, sa->replaced_by);
        mix_u64(hash, sa->race_of);
        for (const struct task *t = sa->tasks; t != NULL; t = t->next) {
            mix(hash, t->nonce, sizeof t->nonce);
            mix(hash, t->race_low, t->race_low_len);
            mix_u64(hash, t->has_retried);
            mix_u64(hash, t->spi);
        }
        mix(hash, sa->late_closed, sizeof sa->late_closed);
        for (size_t i = 0; i < sa->wishes.count; i++)
            mix_u64(hash, sa->wishes.at[i].ticket);
        for (const struct child_sa *c = sa->children; c != NULL; c = c->next) {
            mix_u64(hash, c->is_outbound_removed);
            mix_u64(hash, c->replaces);
        }
    }
    mix_u64(hash, w->farewells.count);
    mix_u64(hash, w->next_ike_id);
    mix_u64(hash, w->next_child_id);
    uint64_t sum = 0;
    for (size_t i = 0; i < h->sa_count; i++) {
        uint64_t one = 14695981039346656037u;
        mix_u64(&one, h->sas[i].spi);
        mix_u64(&one, h->sas[i].is_inbound);
        mix_u64(&one, h->sas[i].is_seen);
        sum += one;
    }
    mix_u64(hash, sum);
    for (unsigned i = 0; i < CHILDREN_NAMES; i++) {
        const struct sim_sa *out = sim_outbound(h, names[i]);
        mix_u64(hash, out == NULL ? 0 : out->spi);
    }
    for (size_t i = 0; i < h->event_count; i++)
        if (h->events[i].kind == EVENT_COMMAND_DONE)
            mix_u64(hash, h->events[i].ticket << 1 | h->events[i].ok);
}

uint64_t walk_digest(const struct walk *w)
{
    uint64_t hash = 14695981039346656037u, sum = 0;
    for (unsigned i = 0; i < 2; i++) {
        mix_u64(&hash, sim_digest(&w->sim.hosts[i]));
        mix_rest_of_engine(&hash, &w->sim.hosts[i]);
        mix_u64(&hash, (uint64_t)w->sim.hosts[i].wake.ns);
    }
    mix_u64(&hash, (uint64_t)w->sim.now.ns);
    for (size_t i = 0; i < w->flying_count; i++)
        sum += (w->flying[i].hash + w->flying[i].is_late) * 0x9e3779b97f4a7c15u;
    mix_u64(&hash, sum);
    for (unsigned i = 0; i < w->is->wanted_count; i++)
        mix_u64(&hash, w->is_issued[i]);
    return hash;
}
