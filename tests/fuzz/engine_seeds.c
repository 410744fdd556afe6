/* Writes the seeds of engine_step: the messages of a recorded life, one input each, opened where
 * they are sealed. Usage: engine-seeds FOLDER */
#include <stdlib.h>

#include "../scenario/life.h"
#include "wire/wire.h"

struct recorder {
    struct sim sim;
    const char *folder;
    unsigned stage, count;
    uint8_t octets[8192];
    struct sim_host *from;
    size_t len; /* of the message that was sent last; 0 = none */
};

static bool on_send(void *context, const struct sim_capture *c)
{
    struct recorder *r = context;
    r->len = c->datagram.bytes.len;
    r->from = c->from;
    if (r->len > sizeof r->octets)
        abort();
    memcpy(r->octets, c->datagram.bytes.at, r->len);
    return true;
}

/* One half of the content, as a fragment. */
static void put_half(struct writer *w, uint8_t kind, uint8_t exchange, uint8_t first,
                     uint16_t number, struct span half)
{
    put_u8(w, kind | 32);
    put_u16(w, (uint16_t)(half.len + 6));
    put_u8(w, exchange);
    put_u8(w, first);
    put_u16(w, number);
    put_u16(w, 2);
    put_span(w, half);
}

/* in_halves: as two fragments, the second one first. false: it is not sealed, so there are none. */
static bool write_seed(struct recorder *r, bool in_halves)
{
    uint8_t first, seed[9000];
    struct span plain, octets = span_of(r->octets, r->len);
    bool is_right = r->from == &r->sim.hosts[1], is_answer = (r->octets[19] & 0x20) != 0;
    struct writer w = writer_of(seed, sizeof seed);
    put_u8(&w, (uint8_t)r->stage);
    /* The command first, so that the peer waits for something. */
    static const uint8_t commands[LIFE_STEPS][7] = {
        {4, 0, 6, 4, 1, 2}, {12, 0, 6, 4, 1, 3}, {4, 0, 6, 6, 1, 3},  {12, 0, 6, 6, 1, 2},
        {4, 0, 6, 6, 1, 0}, {12, 0, 6, 6, 1, 0}, {12, 0, 6, 5, 1, 2}, {4, 0, 6, 5, 1, 0}};
    if (is_answer) {
        put_span(&w, span_of(commands[r->stage], 6));
        put_span(&w, span_of("\0\0\0", 3));
    }
    uint8_t kind = (uint8_t)((is_answer ? 2 : 1) | (is_right ? 8 : 0));
    bool is_sealed = sim_open(r->from, octets, &first, &plain);
    if (in_halves && !is_sealed)
        return false;
    if (in_halves) {
        struct reader left = reader_of(plain);
        struct span half = take(&left, plain.len / 2);
        put_half(&w, kind, r->octets[18], 0, 2, left.left);
        put_half(&w, kind, r->octets[18], first, 1, half);
    } else if (is_sealed) {
        put_u8(&w, kind);
        put_u16(&w, (uint16_t)(plain.len + 2));
        put_u8(&w, r->octets[18]);
        put_u8(&w, first);
        put_span(&w, plain);
    } else {
        put_u8(&w, is_right ? 0 : 8); /* the other one receives it */
        put_u16(&w, (uint16_t)octets.len);
        put_span(&w, octets);
    }
    char path[512];
    snprintf(path, sizeof path, "%s/life-%02u-%u-%s%s", r->folder,
             in_halves ? r->count - 1 : r->count++, r->octets[18], is_answer ? "answer" : "request",
             in_halves ? "-cut" : "");
    FILE *out = fopen(path, "wb");
    if (out == NULL || w.full || fwrite(seed, 1, w.len, out) != w.len)
        abort();
    fclose(out);
    return true;
}

int main(int argc, char **argv)
{
    static struct recorder r;
    if (argc != 2 || !life_begin(&r.sim, NULL, NULL))
        return 2;
    r.folder = argv[1];
    r.sim.on_send = on_send;
    r.sim.on_send_context = &r;
    for (r.stage = 0; r.stage < LIFE_STEPS; r.stage++) {
        struct instant until = instant_after_ms(r.sim.now, LIFE_STEP_MS);
        life_command(&r.sim, r.stage);
        do {
            if (r.len > 0) {
                write_seed(&r, false);
                write_seed(&r, true);
            }
            r.len = 0;
        } while (sim_turn(&r.sim, until));
        r.sim.now = until;
    }
    sim_clear(&r.sim);
    printf("%u seeds\n", r.count);
    return 0;
}
