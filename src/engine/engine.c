#include "engine/engine.h"

#include <stdlib.h>

#include "engine/inside.h"

static uint32_t or_default(uint32_t value, uint32_t fallback)
{
    return value == 0 ? fallback : value;
}

/* UINT32_MAX stands for the file's 0, which is not our "not given". */
static uint32_t or_zero(uint32_t value, uint32_t fallback)
{
    return value == UINT32_MAX ? 0 : or_default(value, fallback);
}

static uint32_t or_ms(uint32_t seconds)
{
    return seconds > UINT32_MAX / 1000 ? UINT32_MAX : seconds * 1000;
}

struct engine *engine_new(const struct engine_options *o)
{
    struct engine *e = calloc(1, sizeof *e);
    if (e == NULL)
        return NULL;
    struct world_options w = {
        .worker = o->worker,
        .workers = o->workers,
        .retransmission = {or_default(o->retransmit_timeout_ms, 4000),
                           o->retransmit_base > 0 ? o->retransmit_base : 1.8,
                           or_zero(o->retransmit_tries, 5), o->retransmit_jitter,
                           or_ms(o->retransmit_limit_s), o->retransmit_early_ms},
        .half_open_timeout_s = or_default(o->half_open_timeout_s, 30),
        .cookie_threshold = or_default(o->cookie_threshold, 30),
        .block_threshold = or_default(o->block_threshold, 5),
        .init_limit_half_open = o->init_limit_half_open,
        .records_per_s = or_default(o->records_per_s, 50),
        .init_error_wait_ms =
            o->init_error_wait_ms == UINT32_MAX ? 0 : or_default(o->init_error_wait_ms, 1000),
        .port = (uint16_t)or_default(o->port, IKE_PORT),
        .nat_port = (uint16_t)or_default(o->nat_port, IKE_NAT_PORT),
        .is_silent_without_conn = o->is_silent_without_conn,
        .cookie_threshold_ip = or_default(o->cookie_threshold_ip, 3),
        .fragment_size = or_zero(o->fragment_size, 1280),
        .max_packet = or_default(o->max_packet, 10000),
        .keep_alive_s = or_zero(o->keep_alive_s, 20),
        .keep_alive_dpd_margin_s = o->keep_alive_dpd_margin_s,
        .delete_rekeyed_delay_s = or_zero(o->delete_rekeyed_delay_s, 5),
        .window_size = or_default(o->window_size, 4),
        .inactivity_close_ike = o->inactivity_close_ike,
        .make_before_break = o->make_before_break,
        .close_ike_on_child_failure = o->close_ike_on_child_failure,
        .is_initiator_only = o->is_initiator_only,
    };
    if (!crypto_init() || !world_init(&e->world, &w, o->seed)) {
        free(e);
        return NULL;
    }
    rng_fill(e->world.rng, e->cookie_secrets, sizeof e->cookie_secrets);
    return e;
}

void engine_free(struct engine *e)
{
    if (e == NULL)
        return;
    world_clear(&e->world);
    secret_wipe(e, sizeof *e);
    free(e);
}

static void on_datagram(struct engine *e, const struct datagram *d)
{
    struct world *w = &e->world;
    struct ike_header h;
    struct wire_error error;
    w->counters.datagrams_in++;
    if (!wire_parse_header(d->bytes, &h, &error)) {
        w->counters.dropped++;
        return;
    }
    if (d->bytes.len > w->options.max_packet) {
        w->counters.dropped++;
        return;
    }
    if (h.version >> 4 != 2) {
        gate_refuse_version(e, d, &h);
        return;
    }
    bool from_initiator = (h.flags & IKE_FLAG_INITIATOR) != 0;
    bool is_request = (h.flags & IKE_FLAG_RESPONSE) == 0;
    if (h.exchange == EXCHANGE_IKE_SA_INIT && is_request) {
        if (!from_initiator || h.spi_r != 0 || h.spi_i == 0 || h.message_id != 0) {
            w->counters.dropped++;
            return;
        }
        if (begun_knows(w, d->bytes, &d->remote)) {
            w->counters.dropped++;
            return;
        }
        struct half_open *known = half_open_find(w, d);
        if (known != NULL) {
            /* The same octets again get the same answer. */
            struct effect *fx = step_add(&w->step, FX_SEND);
            struct span answer = span_of(known->octets + known->request_len, known->response_len);
            if (fx != NULL)
                fx->send = (struct datagram){d->local, d->remote, d->marker,
                                             arena_copy(&w->arena, answer)};
            w->counters.retransmits++;
            w->counters.datagrams_out++;
            return;
        }
        if (w->options.is_initiator_only) {
            w->counters.dropped++;
            return;
        }
        if (gate_admit(e, d, &h))
            ike2_answer_init(w, d);
        return;
    }
    struct ike_sa *sa = map_get(&w->by_spi, from_initiator ? h.spi_r : h.spi_i);
    struct half_open *half =
        sa == NULL && from_initiator ? map_get(&w->half_open_by_spi, h.spi_r) : NULL;
    if (half != NULL) {
        ike2_receive_half_open(w, half, d, &h);
        return;
    }
    if (sa == NULL) {
        if (is_request && farewell_repeat(w, from_initiator ? h.spi_r : h.spi_i, d))
            return;
        if (is_request && h.exchange != EXCHANGE_IKE_SA_INIT)
            gate_refuse_spi(e, d, &h);
        else
            w->counters.dropped++;
        return;
    }
    ike2_receive(w, sa, d, &h);
}

static void on_time(struct engine *e)
{
    struct world *w = &e->world;
    struct timer *t;
    for (unsigned i = 0; i < 1000 && (t = timers_first(&w->half_timers)) != NULL &&
                         instant_reached(t->due, w->step.now);
         i++)
        ike2_half_open_timeout(w, t->owner);
    /* Each SA sets its timer anew; the bound keeps one step short when very many are due at once.
     */
    for (unsigned i = 0; i < 1000; i++) {
        t = timers_first(&w->timers);
        if (t == NULL || !instant_reached(t->due, w->step.now))
            return;
        struct ike_sa *sa = t->owner;
        timers_remove(&w->timers, t);
        ike2_on_time(w, sa);
    }
}

static void on_path_error(struct engine *e, const struct path_error *error)
{
    struct world *w = &e->world;
    for (struct ike_sa *sa = world_sa_after(w, 0); sa != NULL; sa = world_sa_after(w, sa->id))
        if (sa->state == SA_AWAIT_INIT_ANSWER && address_equal(&sa->path.remote, &error->remote))
            ike2_on_path_error(w, sa, error);
        else if (error->mtu != 0 && address_equal(&sa->path.remote, &error->remote))
            ike2_on_too_big(w, sa, error->mtu);
}

const struct effects *engine_step(struct engine *e, const struct input *in)
{
    struct world *w = &e->world;
    struct ike_sa *sa;
    world_begin_step(w, in->now, in->wall_s);
    switch (in->kind) {
    case IN_DATAGRAM:
        on_datagram(e, &in->datagram);
        break;
    case IN_TIME:
        break;
    case IN_COMMAND:
        command_run(e, &in->command);
        break;
    case IN_ANSWER:
        if ((in->answer.ticket & STANDING_TICKET) != 0) {
            standing_on_answer(w, &in->answer);
            break;
        }
        sa = world_sa_by_id(w, (uint32_t)in->answer.ticket);
        if (sa != NULL)
            ike2_on_answer(w, sa, &in->answer);
        break;
    case IN_DATAPLANE:
        ike2_on_dataplane(w, &in->dataplane);
        break;
    case IN_TWIN:
        ike2_on_twin(w, &in->twin);
        break;
    case IN_PATH_ERROR:
        on_path_error(e, &in->path_error);
        break;
    }
    on_time(e);
    standing_on_time(w);
    world_end_step(w);
    e->effects = (struct effects){w->step.effects, w->step.count};
    return &e->effects;
}

struct record *engine_take_record(struct engine *e, const struct event *event)
{
    struct world *w = &e->world;
    for (size_t i = 0; i < w->record_count; i++)
        if (w->records[i] == event->record) {
            struct record *r = w->records[i];
            w->records[i] = w->records[--w->record_count];
            return r;
        }
    return NULL;
}

void engine_counters(const struct engine *e, struct engine_counters *out)
{
    const struct world_counters *c = &e->world.counters;
    *out = (struct engine_counters){
        .datagrams_in = c->datagrams_in,
        .datagrams_out = c->datagrams_out,
        .dropped = c->dropped,
        .cookies_sent = c->cookies_sent,
        .retransmits = c->retransmits,
        .negotiations = c->negotiations,
        .failures = c->failures,
        .half_open = c->half_open,
        .ike_sas = (uint32_t)e->world.live,
        .child_sas = c->child_sas,
    };
}

struct conn *engine_find_conn(const struct engine *e, const char *name)
{
    return world_find_conn(&e->world, name);
}
