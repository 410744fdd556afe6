/* The virtual network, its clock, and what carries out effects. SA tables: sim_tables.c. */
#include "sim.h"

#include <stdlib.h>

#include "engine/inside.h"
#include "ike2/inside.h"
#include "sim_inside.h"

enum { SPIN_MAX = 2000 };

enum thing_kind { THING_DATAGRAM, THING_ANSWER, THING_PACKET, THING_STREAM };

/* Something that is on its way. */
struct sim_thing {
    struct sim_thing *next;
    struct instant due;
    uint64_t order;
    enum thing_kind kind;
    struct sim_host *from, *to;
    struct datagram datagram; /* as sent */
    uint8_t *octets;          /* of the datagram */
    struct answer answer;
    uint32_t spi; /* PACKET */
    struct child_keys keys;
    size_t stream;
};

void sim_broken(struct sim *s, const char *what, const struct sim_host *h, uint32_t number)
{
    s->broken++;
    if (s->broken_text[0] == '\0')
        snprintf(s->broken_text, sizeof s->broken_text, "%s (host %s, %08x, at %lld ms)", what,
                 h == NULL ? "-" : h->name, number, (long long)(s->now.ns / 1000000));
    if (s->log != NULL)
        fprintf(s->log, "BROKEN: %s (host %s, %08x)\n", what, h == NULL ? "-" : h->name, number);
}

void sim_init(struct sim *s)
{
    memset(s, 0, sizeof *s);
    s->now = (struct instant){1000 * (int64_t)1000000};
    s->wall_base_s = 1700000000;
    s->latency_ms = 10;
    s->octets_hash = 14695981039346656037u;
    s->next_ticket = 1;
}

static void free_events(struct sim_host *h)
{
    for (size_t i = 0; i < h->event_count; i++) {
        free(h->events[i].finding);
        record_free(h->events[i].record);
    }
    free(h->events);
    h->events = NULL;
    h->event_count = h->event_room = 0;
}

void sim_forget_events(struct sim_host *h)
{
    free_events(h);
}

void sim_clear(struct sim *s)
{
    while (s->queue != NULL) {
        struct sim_thing *t = s->queue;
        s->queue = t->next;
        free(t->octets);
        free(t);
    }
    for (size_t i = 0; i < s->host_count; i++) {
        engine_free(s->hosts[i].engine);
        free_events(&s->hosts[i]);
    }
    s->host_count = 0;
}

struct sim_host *sim_add_host(struct sim *s, const char *name, const char *address,
                              const struct engine_options *options)
{
    struct sim_host *h = &s->hosts[s->host_count];
    if (s->host_count == SIM_HOSTS_MAX || !address_parse(span_text(address), &h->at))
        return NULL;
    s->host_count++;
    snprintf(h->name, sizeof h->name, "%s", name);
    h->sim = s;
    h->wake = INSTANT_NEVER;
    h->nat_shift = 20000;
    if (options != NULL)
        h->options = *options;
    snprintf((char *)h->options.seed, sizeof h->options.seed, "%s", name);
    h->engine = engine_new(&h->options);
    return h->engine == NULL ? NULL : h;
}

struct sim_host *sim_host(struct sim *s, const char *name)
{
    for (size_t i = 0; i < s->host_count; i++)
        if (strcmp(s->hosts[i].name, name) == 0)
            return &s->hosts[i];
    return NULL;
}

static struct sim_thing *queue_add(struct sim *s, enum thing_kind kind, int64_t after_ms)
{
    struct sim_thing *t = calloc(1, sizeof *t);
    if (t == NULL)
        abort();
    t->kind = kind;
    t->due = instant_after_ms(s->now, after_ms);
    t->order = s->next_order++;
    struct sim_thing **at = &s->queue;
    while (*at != NULL && !instant_before(t->due, (*at)->due))
        at = &(*at)->next;
    t->next = *at;
    *at = t;
    return t;
}

/* ---- the network ---- */

static bool takes(struct sim_filter *f, const struct sim_host *from, const struct datagram *d)
{
    struct ike_header h;
    struct wire_error why;
    if (f->from != from || f->left == 0)
        return false;
    if (f->exchange != 0 || f->response >= 0) {
        if (!wire_parse_header(d->bytes, &h, &why) ||
            (f->exchange != 0 && h.exchange != f->exchange))
            return false;
        bool is_response = (h.flags & IKE_FLAG_RESPONSE) != 0;
        if (f->response >= 0 && is_response != (f->response == 1))
            return false;
    }
    if (f->fragment != 0) {
        struct message m;
        if (!wire_parse_message(d->bytes, &m, &why) || m.fragment != f->fragment)
            return false;
    }
    size_t headers = (d->local.family == FAMILY_V6 ? 40u : 20u) + 8u + (d->marker ? 4u : 0u);
    if (f->larger != 0 && d->bytes.len + headers <= f->larger)
        return false;
    if (f->left != UINT32_MAX)
        f->left--;
    return true;
}

static bool is_forgotten(const struct sim_host *h)
{
    return h->has_nat && h->nat_timeout_ms != 0 && h->nat_used.ns != 0 &&
           instant_ms_between(h->nat_used, h->sim->now) > h->nat_timeout_ms;
}

/* Something goes through the host's NAT: a mapping that was forgotten is made anew. */
static void use_nat(struct sim_host *h, bool is_outbound)
{
    if (is_outbound && is_forgotten(h))
        sim_remap(h);
    h->nat_used = h->sim->now;
}

struct sim_host *sim_receiver(struct sim *s, struct datagram *d)
{
    struct sim_host *from = NULL;
    for (size_t i = 0; i < s->host_count; i++)
        if (address_same_host(&s->hosts[i].at, &d->local) ||
            address_same_host(&s->hosts[i].answers_from, &d->local))
            from = &s->hosts[i];
    struct address source = d->local, target = d->remote;
    if (from != NULL && from->has_nat) {
        uint16_t port = source.port;
        source = from->nat;
        source.port = (uint16_t)(port + from->nat_shift);
    }
    for (size_t i = 0; i < s->host_count; i++) {
        struct sim_host *h = &s->hosts[i];
        if (h->has_nat &&
            (address_same_host(&h->nat, &target) || address_same_host(&h->answers_from, &target))) {
            uint16_t port = (uint16_t)(target.port - h->nat_shift);
            if ((port != 500 && port != 4500) || is_forgotten(h))
                return NULL; /* no such mapping (any more) */
            target = h->at;
            target.port = port;
        } else if (h->has_nat || (!address_same_host(&h->at, &target) &&
                                  !address_same_host(&h->answers_from, &target))) {
            continue;
        }
        d->local = target;
        d->remote = source;
        if (from != NULL && from->answers_from.family != FAMILY_NONE) {
            uint16_t port = source.port;
            d->remote = from->answers_from;
            d->remote.port = port;
        }
        return h;
    }
    return NULL;
}

static void put_on_wire(struct sim *s, struct sim_host *from, const struct datagram *d,
                        int64_t after_ms)
{
    struct sim_thing *t = queue_add(s, THING_DATAGRAM, after_ms);
    t->from = from;
    t->datagram = *d;
    t->octets = malloc(d->bytes.len == 0 ? 1 : d->bytes.len);
    if (t->octets == NULL)
        abort();
    if (d->bytes.len > 0)
        memcpy(t->octets, d->bytes.at, d->bytes.len);
    t->datagram.bytes.at = t->octets;
}

static void log_datagram(struct sim *s, const struct sim_host *from, const struct datagram *d,
                         const char *fate)
{
    struct ike_header h;
    struct wire_error why;
    if (s->log == NULL)
        return;
    if (!wire_parse_header(d->bytes, &h, &why))
        memset(&h, 0, sizeof h);
    fprintf(s->log, "%8lld ms  %s sends %u %s %u  %zu octets to port %u %s\n",
            (long long)(s->now.ns / 1000000), from == NULL ? "?" : from->name, h.exchange,
            (h.flags & IKE_FLAG_RESPONSE) != 0 ? "response" : "request", h.message_id, d->bytes.len,
            d->remote.port, fate);
}

/* What somebody makes of an answer to IKE_SA_INIT who has read the request: a whole one, with a
 * public value and (mostly) an SPI of their own. */
static void forge(struct sim *s, struct sim_host *from, const struct datagram *d, int64_t delay,
                  bool keeps_spi)
{
    uint8_t octets[2048];
    struct message m;
    struct wire_error error;
    struct datagram forged = *d;
    const struct payload *ke =
        wire_parse_message(d->bytes, &m, &error) ? wire_find(&m, PAYLOAD_KE) : NULL;
    if (ke == NULL || d->bytes.len > sizeof octets)
        return;
    memcpy(octets, d->bytes.at, d->bytes.len);
    if (!keeps_spi)
        octets[15] ^= 0xff; /* of the responder */
    octets[ke->offset + WIRE_PAYLOAD_HEADER_LEN + 4 + 7] ^= (uint8_t)(1 + s->next_order % 200);
    forged.bytes = span_of(octets, d->bytes.len);
    put_on_wire(s, from, &forged, delay);
}

static void send_datagram(struct sim_host *from, const struct datagram *d)
{
    struct sim *s = from->sim;
    from->sent++;
    use_nat(from, true);
    for (size_t i = 0; i < d->bytes.len; i++)
        s->octets_hash = (s->octets_hash ^ d->bytes.at[i]) * 1099511628211u;
    if (d->remote.port == 500 && d->marker)
        sim_broken(s, "a marker on port 500", from, 0);
    if (d->remote.port == 4500 && !d->marker)
        sim_broken(s, "no marker on port 4500", from, 0);
    if (!address_same_host(&d->local, &from->at) &&
        !address_same_host(&d->local, &from->answers_from))
        sim_broken(s, "sent from an address that is not ours", from, 0);
    if (s->on_send != NULL) {
        struct sim_capture c = {.from = from, .datagram = *d};
        c.to = sim_receiver(s, &c.datagram);
        if (!s->on_send(s->on_send_context, &c))
            return;
    }
    int64_t delay = s->latency_ms;
    unsigned copies = 1;
    int64_t copy_ms = 0; /* the copy is so much later */
    const char *fate = "";
    for (size_t i = 0; i < s->filter_count; i++) {
        if (!takes(&s->filters[i], from, d))
            continue;
        switch (s->filters[i].kind) {
        case FILTER_DROP:
            copies = 0;
            fate = "(lost)";
            break;
        case FILTER_DUPLICATE:
            copies++;
            copy_ms = s->filters[i].delay_ms;
            fate = "(twice)";
            break;
        case FILTER_DELAY:
            delay += s->filters[i].delay_ms;
            fate = "(late)";
            break;
        case FILTER_FORGE:
            forge(s, from, d, delay, s->filters[i].keeps_spi);
            delay += s->filters[i].delay_ms;
            fate = "(behind a forged one)";
            break;
        }
    }
    struct sim_weather *weather = &s->weather;
    if (weather->rng != NULL && copies > 0) {
        if (rng_below(weather->rng, 1000) < weather->loss) {
            copies = 0;
            fate = "(lost)";
        } else if (rng_below(weather->rng, 1000) < weather->twice) {
            copies++;
            fate = "(twice)";
        }
    }
    log_datagram(s, from, d, fate);
    for (unsigned i = 0; i < copies; i++) {
        int64_t late = i > 0 ? copy_ms : 0;
        if (weather->rng != NULL && rng_below(weather->rng, 1000) < weather->late)
            late += (int64_t)rng_below(weather->rng, (uint64_t)weather->late_ms + 1);
        put_on_wire(s, from, d, delay + (int64_t)i + late);
    }
}

void sim_inject(struct sim *s, const struct datagram *d)
{
    put_on_wire(s, NULL, d, 0);
}

static void answer_path(struct sim_host *h, const struct effect *fx)
{
    struct sim *s = h->sim;
    struct sim_thing *t = queue_add(s, THING_ANSWER, fx->ask.kind == QUESTION_PATH ? 1 : 0);
    if (fx->ask.kind == QUESTION_SENT) {
        t->to = h;
        t->answer = (struct answer){.ticket = fx->ask.ticket,
                                    .kind = QUESTION_SENT,
                                    .ok = h->packet_sent_at.ns != 0,
                                    .sent = h->packet_sent_at};
        return;
    }
    const struct host_pattern *remote = fx->ask.remote;
    t->to = h;
    t->answer.ticket = fx->ask.ticket;
    t->answer.local = h->at;
    t->answer.local.port = fx->ask.local_port;
    t->answer.ok = h->ask_error == NULL;
    t->answer.error = h->ask_error;
    t->answer.cause = CAUSE_NET_NAME_NOT_RESOLVED;
    if (remote->kind == HOST_ADDRESS)
        t->answer.remote = remote->from;
    else if (remote->kind == HOST_NAME && sim_host(s, remote->name) != NULL)
        t->answer.remote = sim_host(s, remote->name)->at;
    else {
        t->answer.ok = false;
        t->answer.error = "Name or service not known";
    }
    t->answer.remote.port = fx->ask.remote_port;
}

/* ---- events ---- */

static void keep_event(struct sim_host *h, const struct event *e)
{
    if (h->event_count == h->event_room) {
        h->event_room = h->event_room == 0 ? 16 : h->event_room * 2;
        h->events = realloc(h->events, h->event_room * sizeof *h->events);
        if (h->events == NULL)
            abort();
    }
    struct sim_event *kept = &h->events[h->event_count++];
    *kept = (struct sim_event){
        .at = h->sim->now,
        .kind = e->kind,
        .ticket = e->ticket,
        .ok = e->ok,
        .count = e->count,
        .ike_id = e->ike_id,
        .child_id = e->child_id,
        .old_id = e->old_id,
        .finding = e->finding == NULL ? NULL : finding_dup(e->finding),
        .record = e->kind == EVENT_RECORD ? engine_take_record(h->engine, e) : NULL,
    };
    snprintf(kept->conn, sizeof kept->conn, "%s", e->conn_name);
    snprintf(kept->child, sizeof kept->child, "%s", e->child_name);
    if (e->kind == EVENT_RECORD && kept->record == NULL)
        sim_broken(h->sim, "a record cannot be taken", h, 0);
    sim_log_event(h, kept);
}

/* ---- stepping ---- */

void sim_step(struct sim_host *h, const struct input *in)
{
    struct sim *s = h->sim;
    if (h->is_dead)
        return;
    struct input timed = *in;
    timed.now = s->now;
    timed.wall_s = s->wall_base_s + s->now.ns / 1000000000;
    const struct effects *fx = engine_step(h->engine, &timed);
    h->wake = INSTANT_NEVER;
    for (size_t i = 0; i < fx->count; i++) {
        const struct effect *e = &fx->at[i];
        switch (e->kind) {
        case FX_SEND:
            send_datagram(h, &e->send);
            break;
        case FX_ASK:
            answer_path(h, e);
            break;
        case FX_TWIN:
            sim_broken(s, "news for other workers, of which there are none", h, 0);
            break;
        case FX_KEEPALIVE:
            h->keepalives++;
            use_nat(h, true);
            if (s->log != NULL)
                fprintf(s->log, "%8lld ms  %s sends a keepalive\n",
                        (long long)(s->now.ns / 1000000), h->name);
            if (e->keepalive.local.port != 4500)
                sim_broken(s, "a keepalive from another port than 4500", h, 0);
            break;
        case FX_EVENT:
            keep_event(h, &e->event);
            break;
        case FX_WAKE:
            h->wake = e->wake;
            break;
        case FX_SA_ADD:
        case FX_SA_USE:
        case FX_SA_MOVE:
        case FX_SA_REMOVE:
        case FX_POLICY_SET:
        case FX_HELD_DROP:
            sim_table_effect(h, e);
            break;
        }
    }
}

uint64_t sim_command(struct sim_host *h, enum command_kind kind, const char *conn,
                     const char *child, uint32_t ike_id, uint32_t child_id, bool is_forced)
{
    uint64_t ticket = h->sim->next_ticket++;
    sim_step(h, &(struct input){.kind = IN_COMMAND,
                                .command = {.kind = kind,
                                            .ticket = ticket,
                                            .conn_name = conn,
                                            .child_name = child,
                                            .ike_id = ike_id,
                                            .child_id = child_id,
                                            .is_forced = is_forced}});
    return ticket;
}

bool sim_load(struct sim_host *h, const char *text)
{
    struct arena a;
    struct section *root = NULL;
    struct finding why;
    struct config config = {0};
    if (!arena_init(&a))
        return false;
    struct findings found = {.arena = &a};
    finding_set(&why, CAUSE_NONE);
    bool ok = settings_parse_text(span_text(text), h->name, NULL, &a, &root, &why);
    if (!ok)
        fprintf(stderr, "%s: expected %s, seen %s\n", why.param, why.expected, why.seen);
    ok = ok && policy_config_read(root, &a, &config, &found);
    for (size_t i = 0; i < found.count; i++)
        if (ikebana_cause_row(found.at[i].cause)->severity == SEVERITY_FAILURE) {
            fprintf(stderr, "%s: %s: expected %s, seen %s\n", found.at[i].param,
                    ikebana_cause_row(found.at[i].cause)->sentence, found.at[i].expected,
                    found.at[i].seen);
            ok = false;
        }
    for (size_t i = 0; i < config.conn_count; i++)
        sim_step(h, &(struct input){.kind = IN_COMMAND,
                                    .command = {.kind = CMD_LOAD_CONN, .conn = config.conns[i]}});
    for (size_t i = 0; i < config.psk_count; i++)
        sim_step(h, &(struct input){.kind = IN_COMMAND,
                                    .command = {.kind = CMD_LOAD_PSK, .psk = config.psks[i]}});
    policy_config_clear(&config);
    arena_clear(&a);
    return ok;
}

void sim_dataplane(struct sim_host *h, enum dataplane_kind kind, uint32_t spi, uint32_t child_id,
                   enum cause cause, uint64_t count)
{
    sim_step(
        h,
        &(struct input){
            .kind = IN_DATAPLANE,
            .dataplane = {
                .kind = kind, .spi = spi, .child_id = child_id, .cause = cause, .count = count}});
}

void sim_path_error(struct sim_host *h, const struct sim_host *about, const char *what,
                    uint32_t mtu)
{
    struct path_error error = {
        .local = h->at, .remote = about->at, .what = what, .is_fatal_hint = mtu == 0, .mtu = mtu};
    error.local.port = error.remote.port = 500;
    sim_step(h, &(struct input){.kind = IN_PATH_ERROR, .path_error = error});
}

static void deliver(struct sim *s, struct sim_thing *t)
{
    struct datagram d = t->datagram;
    struct sim_host *to = sim_receiver(s, &d);
    if (to == NULL || to->is_dead)
        return;
    use_nat(to, false);
    to->received++;
    sim_step(to, &(struct input){.kind = IN_DATAGRAM, .datagram = d});
}

void sim_send_on(struct sim_host *h, const struct sim_sa *sa)
{
    h->packets_sent++;
    h->packet_sent_at = h->sim->now;
    use_nat(h, true);
    struct sim_thing *t = queue_add(h->sim, THING_PACKET, h->sim->latency_ms);
    t->from = h;
    t->spi = sa->spi;
    t->keys = sa->keys;
    t->datagram = (struct datagram){.local = sa->local, .remote = sa->remote};
}

void sim_used(struct sim_host *h, struct sim_sa *sa)
{
    struct instant now = h->sim->now;
    if (!instant_reached(instant_after_s(sa->used_told, 1), now))
        return;
    sa->used_told = now;
    sim_dataplane(h, DP_USED, sa->spi, sa->child_id, CAUSE_NONE, 1);
}

static void send_packet(struct sim *s, size_t n)
{
    struct sim_stream *stream = &s->streams[n];
    if (!stream->is_on)
        return;
    struct sim_thing *again = queue_add(s, THING_STREAM, stream->every_ms);
    again->stream = n;
    struct sim_host *h = stream->from;
    const struct sim_sa *sa = sim_outbound(h, stream->child);
    if (sa == NULL) {
        h->packets_blocked++;
        if (s->log != NULL)
            fprintf(s->log, "%8lld ms  %s has no SA to send %s on\n",
                    (long long)(s->now.ns / 1000000), h->name, stream->child);
        return;
    }
    sim_send_on(h, sa);
    if (sa->tells_use)
        sim_used(h, (struct sim_sa *)(uintptr_t)sa);
}

static void deliver_packet(struct sim *s, struct sim_thing *t)
{
    struct datagram d = t->datagram;
    struct sim_host *to = sim_receiver(s, &d);
    struct sim_sa *sa = to == NULL || to->is_dead ? NULL : sim_inbound(to, t->spi);
    if (sa == NULL || memcmp(&sa->keys, &t->keys, sizeof sa->keys) != 0) {
        t->from->packets_lost++;
        if (s->log != NULL)
            fprintf(s->log, "%8lld ms  packet of %s on SPI %08x is lost: %s\n",
                    (long long)(s->now.ns / 1000000), t->from->name, t->spi,
                    to == NULL   ? "nobody is there"
                    : sa == NULL ? "no such SA"
                                 : "other keys");
        return;
    }
    t->from->packets_arrived++;
    use_nat(to, false);
    if (sa->in_udp && !address_equal(&sa->remote, &d.remote))
        sim_step(to, &(struct input){.kind = IN_DATAPLANE,
                                     .dataplane = {.kind = DP_MOVED,
                                                   .spi = sa->spi,
                                                   .child_id = sa->child_id,
                                                   .remote = d.remote}});
    sa = sim_inbound(to, t->spi);
    if (sa == NULL)
        return;
    if (sa->is_seen) {
        sim_used(to, sa);
        return;
    }
    sa->is_seen = true;
    sa->used_told = s->now;
    sim_dataplane(to, DP_FIRST_USE, sa->spi, sa->child_id, CAUSE_NONE, 1);
}

bool sim_turn(struct sim *s, struct instant until)
{
    struct sim_host *first = NULL;
    for (size_t i = 0; i < s->host_count; i++) {
        struct sim_host *h = &s->hosts[i];
        if (!h->is_dead && h->wake.ns != INT64_MAX &&
            (first == NULL || instant_before(h->wake, first->wake)))
            first = h;
    }
    struct sim_thing *t = s->queue;
    if (t != NULL && (first == NULL || !instant_before(first->wake, t->due))) {
        if (!instant_reached(t->due, until))
            return false;
        s->queue = t->next;
        s->now = t->due.ns > s->now.ns ? t->due : s->now;
        switch (t->kind) {
        case THING_DATAGRAM:
            deliver(s, t);
            break;
        case THING_ANSWER:
            sim_step(t->to, &(struct input){.kind = IN_ANSWER, .answer = t->answer});
            break;
        case THING_PACKET:
            deliver_packet(s, t);
            break;
        case THING_STREAM:
            send_packet(s, t->stream);
            break;
        }
        free(t->octets);
        free(t);
        return true;
    }
    if (first == NULL || !instant_reached(first->wake, until))
        return false;
    s->now = first->wake.ns > s->now.ns ? first->wake : s->now;
    for (unsigned spins = 0; instant_reached(first->wake, s->now); spins++) {
        if (spins == SPIN_MAX) {
            sim_broken(s, "a timer is due again and again", first, 0);
            first->wake = INSTANT_NEVER;
            break;
        }
        sim_step(first, &(struct input){.kind = IN_TIME});
    }
    return true;
}

void sim_run_ms(struct sim *s, int64_t ms)
{
    struct instant until = instant_after_ms(s->now, ms);
    while (sim_turn(s, until))
        ;
    s->now = until;
}

void sim_settle(struct sim *s)
{
    struct instant until = instant_after_ms(s->now, 60000);
    for (;;) {
        bool is_busy = false, has_stream = false;
        for (size_t i = 0; i < s->stream_count; i++)
            has_stream |= s->streams[i].is_on;
        for (const struct sim_thing *t = s->queue; t != NULL; t = t->next)
            is_busy |= t->kind == THING_DATAGRAM || t->kind == THING_ANSWER ||
                       (t->kind == THING_PACKET && !has_stream);
        if (!is_busy || !sim_turn(s, until))
            return;
    }
}

/* ---- what a script may do to hosts and network ---- */

void sim_filter(struct sim_host *from, enum filter_kind kind, unsigned count, uint8_t exchange,
                int response, int64_t delay_ms)
{
    struct sim *s = from->sim;
    size_t kept = 0;
    for (size_t i = 0; i < s->filter_count; i++)
        if (s->filters[i].left != 0)
            s->filters[kept++] = s->filters[i];
    s->filter_count = kept;
    if (kept == SIM_FILTERS_MAX)
        abort();
    s->filters[s->filter_count++] =
        (struct sim_filter){from, kind, count, exchange, response, delay_ms, 0, 0, false};
}

void sim_filters_clear(struct sim *s)
{
    s->filter_count = 0;
}

void sim_set_nat(struct sim_host *h, const char *address, int64_t timeout_ms)
{
    h->nat_timeout_ms = timeout_ms;
    h->has_nat = address_parse(span_text(address), &h->nat);
}

void sim_remap(struct sim_host *h)
{
    h->nat_shift = (uint16_t)(h->nat_shift + 111);
}

void sim_kill(struct sim_host *h)
{
    engine_free(h->engine);
    h->engine = NULL;
    h->is_dead = true;
    h->wake = INSTANT_NEVER;
    h->sa_count = h->policy_count = 0;
}

void sim_start(struct sim_host *h)
{
    h->options.seed[31]++; /* another life, other numbers */
    h->engine = engine_new(&h->options);
    if (h->engine == NULL)
        abort();
    h->is_dead = false;
}

void sim_stream(struct sim_host *from, const char *child, int64_t every_ms)
{
    struct sim *s = from->sim;
    if (s->stream_count == SIM_STREAMS_MAX)
        abort();
    size_t n = s->stream_count++;
    s->streams[n] = (struct sim_stream){.from = from, .every_ms = every_ms, .is_on = true};
    snprintf(s->streams[n].child, sizeof s->streams[n].child, "%s", child);
    queue_add(s, THING_STREAM, 0)->stream = n;
}

void sim_streams_stop(struct sim *s)
{
    for (size_t i = 0; i < s->stream_count; i++)
        s->streams[i].is_on = false;
}

/* ---- inside the engines: for hostile messages ---- */

struct ike_sa *sim_first_sa(struct sim_host *h)
{
    return world_sa_after(&h->engine->world, 0);
}

struct ike_sa *sim_sa_of(struct sim_host *from, struct span datagram)
{
    struct ike_header h;
    struct wire_error why;
    if (!wire_parse_header(datagram, &h, &why))
        return NULL;
    bool is_initiator = (h.flags & IKE_FLAG_INITIATOR) != 0;
    return map_get(&from->engine->world.by_spi, is_initiator ? h.spi_i : h.spi_r);
}

bool sim_seal(struct sim_host *from, struct ike_sa *sa, uint8_t exchange, bool is_response,
              uint32_t message_id, uint8_t first, struct span plain, struct datagram *out)
{
    struct outgoing o;
    if (sa->keys == NULL)
        return false;
    out_begin(&o, &from->engine->world, sa, EXCHANGE_INFORMATIONAL, is_response, message_id);
    o.header.exchange = exchange;
    put_span(&o.writer, plain);
    o.first = first;
    bool may_fragment = sa->may_fragment;
    sa->may_fragment = false; /* one datagram, however large */
    *out = (struct datagram){sa->path.local, sa->path.remote, sa->path.marker, out_finish(&o)};
    sa->may_fragment = may_fragment;
    return out->bytes.len > 0;
}

bool sim_seal_fragment(struct sim_host *from, struct ike_sa *sa, uint8_t exchange, bool is_response,
                       uint32_t message_id, uint8_t first, uint16_t number, uint16_t total,
                       struct span piece, struct datagram *out)
{
    struct world *w = &from->engine->world;
    struct ike_header h = {.spi_i = sa->spi_i,
                           .spi_r = sa->spi_r,
                           .version = 0x20,
                           .exchange = exchange,
                           .flags = (uint8_t)((sa->is_initiator ? IKE_FLAG_INITIATOR : 0) |
                                              (is_response ? IKE_FLAG_RESPONSE : 0)),
                           .message_id = message_id};
    if (sa->keys == NULL)
        return false;
    size_t body = message_sealed_len(sa, piece.len), room = body + 64;
    uint8_t *at = arena_alloc(&w->arena, room);
    struct writer head = writer_of(at, room);
    if (at == NULL)
        return false;
    wire_write_skf_headers(&head, &h, first, number, total, body);
    if (head.full)
        return false;
    if (piece.len > 0)
        memcpy(at + head.len + sa->encr->iv_len, piece.at, piece.len);
    *out = (struct datagram){sa->path.local, sa->path.remote, sa->path.marker,
                             span_of(at, head.len + body)};
    return message_seal(w, sa, at, head.len, piece.len);
}

bool sim_answer_init(struct sim_host *h, uint16_t type, struct span data, struct writer *w,
                     struct datagram *out)
{
    struct ike_sa *sa = sim_first_sa(h);
    if (sa == NULL || sa->state != SA_AWAIT_INIT_ANSWER)
        return false;
    struct ike_header header = {.spi_i = sa->spi_i,
                                .version = 0x20,
                                .exchange = EXCHANGE_IKE_SA_INIT,
                                .flags = IKE_FLAG_RESPONSE};
    struct message_writer mw = wire_begin(w, &header);
    struct gap g = wire_open_payload(&mw, PAYLOAD_NOTIFY, false);
    wire_write_notify(w, &(struct notify){.type = type, .data = data});
    wire_close_payload(&mw, g);
    wire_end(&mw);
    *out = (struct datagram){.local = sa->path.remote,
                             .remote = sa->path.local,
                             .marker = sa->path.marker,
                             .bytes = writer_span(w)};
    return !w->full;
}

bool sim_seal_request(struct sim_host *from, uint8_t exchange, uint8_t first, struct span plain,
                      uint32_t ahead, struct datagram *out)
{
    struct ike_sa *sa = sim_first_sa(from);
    if (sa == NULL ||
        !sim_seal(from, sa, exchange, false, sa->window.next_id + ahead, first, plain, out))
        return false;
    if (ahead == 0)
        sa->window.next_id++;
    return true;
}

bool sim_seal_answer(struct sim_host *from, uint8_t exchange, uint8_t first, struct span plain,
                     struct datagram *out)
{
    struct ike_sa *sa = sim_first_sa(from);
    return sa != NULL &&
           sim_seal(from, sa, exchange, true, sa->window.expected_id - 1, first, plain, out);
}

bool sim_set_message_ids(struct sim_host *from, struct sim_host *to, uint32_t next_id)
{
    struct ike_sa *sa = sim_first_sa(from), *theirs = sim_first_sa(to);
    if (sa == NULL || theirs == NULL)
        return false;
    sa->window.next_id = theirs->window.expected_id = next_id;
    return true;
}

bool sim_open(struct sim_host *from, struct span datagram, uint8_t *first, struct span *plain)
{
    struct ike_sa *sa = sim_sa_of(from, datagram);
    struct message m;
    struct wire_error error;
    struct finding why;
    bool is_authentic;
    if (sa == NULL || sa->keys == NULL || !wire_parse_message(datagram, &m, &error) || !m.has_sk)
        return false;
    size_t before = m.payload_count;
    /* Seen with the peer's eyes. */
    sa->is_initiator = !sa->is_initiator;
    bool ok = message_open(&from->engine->world, sa, &m, &is_authentic, &why);
    sa->is_initiator = !sa->is_initiator;
    if (!ok)
        return false;
    *first = m.sk_first_payload;
    *plain = (struct span){NULL, 0};
    if (m.payload_count > before) {
        const struct payload *last = &m.payloads[m.payload_count - 1];
        const uint8_t *start = m.payloads[before].body.at - WIRE_PAYLOAD_HEADER_LEN;
        *plain = span_of(start, (size_t)(last->body.at + last->body.len - start));
    }
    return true;
}
