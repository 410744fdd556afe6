/* Two engines, in a state that the first octet chooses, and then whatever the input says: datagrams
 * from nowhere, requests and answers sealed by a peer that has gone mad, commands, reports of the
 * data plane, time. Nothing may crash or hang, no engine may do what the simulator calls broken,
 * and in the end nothing is left.
 *
 * Input: stage, then records: kind, two octets of length, that many octets.
 *   kind & 7: 0 datagram, 1 sealed request, 2 sealed answer, 3 time, 4 command, 5 data plane,
 *             6 path error, 7 cookie threshold
 *   kind & 8: the right host is meant (receives, or seals), else the left one
 *   kind & 32: what is sealed is a fragment: its number and the total stand before the content
 *   kind & 16: a datagram gets the SPIs of the receiver's first SA */
#include <stdlib.h>

#include "../scenario/life.h"
#include "engine/inside.h"

enum { RECORDS_MAX = 24 };

int LLVMFuzzerTestOneInput(const uint8_t *at, size_t len);

static void datagram(struct sim *s, struct sim_host *to, const struct sim_host *from,
                     struct span octets, bool with_spis)
{
    struct datagram d = {.local = to->at, .remote = from->at, .bytes = octets};
    d.local.port = d.remote.port = 500;
    struct ike_sa *sa = sim_first_sa(to);
    uint8_t *copy = malloc(octets.len == 0 ? 1 : octets.len);
    if (copy == NULL)
        return;
    if (octets.len > 0)
        memcpy(copy, octets.at, octets.len);
    d.bytes.at = copy;
    if (with_spis && sa != NULL) {
        struct writer w = writer_of(copy, octets.len);
        put_u64(&w, sa->spi_i);
        put_u64(&w, sa->spi_r);
        d.local = sa->path.local;
        d.remote = sa->path.remote;
        d.marker = sa->path.marker;
    }
    sim_step(to, &(struct input){.kind = IN_DATAGRAM, .datagram = d});
    free(copy);
    (void)s;
}

static void sealed(struct sim *s, struct sim_host *from, struct sim_host *to, struct span octets,
                   bool is_answer, bool is_fragment)
{
    struct reader r = reader_of(octets);
    uint8_t exchange = take_u8(&r), first = take_u8(&r);
    uint16_t number = is_fragment ? take_u16(&r) : 0, total = is_fragment ? take_u16(&r) : 0;
    struct span plain = take_rest(&r);
    struct ike_sa *sa = sim_first_sa(from), *theirs = sim_first_sa(to);
    struct datagram d;
    if (sa == NULL || theirs == NULL || plain.len > 8000)
        return;
    uint32_t id = theirs->window.expected_id;
    if (is_answer)
        id = theirs->window.sent != NULL ? theirs->window.sent->id : theirs->window.next_id;
    bool ok = is_fragment ? sim_seal_fragment(from, sa, exchange, is_answer, id, first, number,
                                              total, plain, &d)
                          : sim_seal(from, sa, exchange, is_answer, id, first, plain, &d);
    if (!ok)
        return;
    if (sim_receiver(s, &d) == to)
        sim_step(to, &(struct input){.kind = IN_DATAGRAM, .datagram = d});
}

static void command(struct sim_host *h, struct span octets)
{
    static const char *const names[] = {NULL, "tunnel", "net", "two", "nobody"};
    struct reader r = reader_of(octets);
    enum command_kind kind = (enum command_kind)(take_u8(&r) % (CMD_SHUTDOWN + 1));
    const char *conn = names[take_u8(&r) % 5], *child = names[take_u8(&r) % 5];
    uint32_t ike_id = take_u8(&r) % 4, child_id = take_u8(&r) % 8;
    bool is_forced = (take_u8(&r) & 1) != 0;
    if (kind == CMD_UNLOAD_CONN || kind == CMD_LOAD_CONN)
        kind = CMD_INITIATE;
    sim_command(h, kind, conn, child, ike_id, child_id, is_forced);
}

static void record(struct sim *s, uint8_t kind, struct span octets)
{
    struct sim_host *meant = &s->hosts[(kind & 8) != 0], *other = &s->hosts[(kind & 8) == 0];
    struct reader r = reader_of(octets);
    struct path_error error;
    switch (kind & 7) {
    case 0:
        datagram(s, meant, other, octets, (kind & 16) != 0);
        break;
    case 1:
    case 2:
        sealed(s, meant, other, octets, (kind & 7) == 2, (kind & 32) != 0);
        break;
    case 3:
        sim_run_ms(s, take_u16(&r));
        break;
    case 4:
        command(meant, octets);
        break;
    case 5:
        sim_dataplane(meant, (enum dataplane_kind)(take_u8(&r) % (DP_FAULT + 1)), 0,
                      take_u8(&r) % 8, CAUSE_ESP_REPLAY, take_u8(&r));
        break;
    case 6:
        error = (struct path_error){meant->at, other->at, "ICMP", (take_u8(&r) & 1) != 0, 0};
        error.mtu = error.is_fatal_hint ? 0 : take_u16(&r);
        error.local.port = error.remote.port = 500;
        sim_step(meant, &(struct input){.kind = IN_PATH_ERROR, .path_error = error});
        break;
    case 7:
        meant->engine->world.options.cookie_threshold = take_u8(&r) % 3 + 1;
        break;
    }
    sim_run_ms(s, 12);
}

int LLVMFuzzerTestOneInput(const uint8_t *at, size_t len)
{
    static struct sim s;
    struct reader r = reader_of(span_of(at, len));
    unsigned stage = take_u8(&r) % LIFE_STEPS;
    if (!life_begin(&s, NULL, NULL))
        abort();
    for (unsigned step = 0; step < stage; step++) {
        life_command(&s, step);
        sim_run_ms(&s, LIFE_STEP_MS);
    }
    for (unsigned i = 0; i < RECORDS_MAX && r.left.len > 0 && s.broken == 0; i++) {
        uint8_t kind = take_u8(&r);
        size_t size = take_u16(&r);
        struct span octets = take(&r, size < r.left.len ? size : r.left.len);
        record(&s, kind, octets);
    }
    const char *left = life_end(&s);
    if (left != NULL) {
        fprintf(stderr, "%s\n", left);
        abort();
    }
    sim_clear(&s);
    return 0;
}
