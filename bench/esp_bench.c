/* bench esp: esp_seal() and esp_open() beside the bare AEAD (bare.h), as shares of the limit.
 *
 * A batch of packets is sealed and opened again in place, by one thread, through everything that a
 * packet meets: inner headers, policy, flow cache, sequence numbers, replay window, selectors,
 * counters, path MTU. The limit encrypts the octets that ESP has to encrypt for such a packet: the
 * inner packet, its padding and the trailer. Best of several runs of both in turn, since other work
 * on the machine only ever adds time. */
#include "bench.h"

#include <string.h>

#include "bare.h"
#include "esp/esp.h"
#include "finding/finding.h"
#include "wire/numbers.h"

enum {
    RUNS = 100,
    ROUNDS = 40, /* batches; short, so that some runs are undisturbed */
    SPI = 0x1000,
    HEADLINE_LEN = 1420,
    BUFFER = ESP_HEADROOM + BARE_PACKET_MAX + ESP_TAILROOM,
};

static struct address host(uint8_t net, uint8_t last)
{
    return (struct address){.family = FAMILY_V4, .bytes = {192, 0, net, last}};
}

static struct selector network(uint8_t second)
{
    return (struct selector){.from = {10, second, 0, 0},
                             .to = {10, second, 255, 255},
                             .port_to = 65535,
                             .family = FAMILY_V4};
}

static struct esp_db *db_new(void)
{
    struct esp_db *db = esp_db_new(1);
    struct selector left = network(1), right = network(2);
    struct sa_spec out = {.spi = SPI,
                          .child_id = 1,
                          .is_initial_out = true,
                          .mode = MODE_TUNNEL,
                          .local = host(2, 1),
                          .remote = host(2, 2),
                          .encr = crypto_encr(ENCR_AES_GCM_16, 128),
                          .keys = {.encr = {1, 2, 3}, .encr_len = 20},
                          .replay_window = 64,
                          .copy_df = true,
                          .copy_ecn = true,
                          .local_ts = {&left, 1},
                          .remote_ts = {&right, 1}};
    struct sa_spec in = out;
    in.is_inbound = true;
    in.child_id = 2;
    in.local_ts = out.remote_ts;
    in.remote_ts = out.local_ts;
    struct finding why;
    if (db == NULL || !esp_sa_add(db, &out, &why) || !esp_sa_add(db, &in, &why)) {
        esp_db_free(db);
        return NULL;
    }
    esp_set_pmtu(db, &out.remote, 9100);
    return db;
}

static void fill(struct esp_packet *p, uint8_t *buffer, size_t len)
{
    const uint8_t head[] = {0x45,
                            0,
                            (uint8_t)(len >> 8),
                            (uint8_t)len,
                            0,
                            0,
                            0,
                            0,
                            64,
                            17,
                            0,
                            0,
                            10,
                            1,
                            0,
                            1,
                            10,
                            2,
                            0,
                            1,
                            0x10,
                            0,
                            0x20,
                            0};
    memset(buffer, 0, BUFFER);
    *p = (struct esp_packet){.data = buffer + ESP_HEADROOM,
                             .len = (uint32_t)len,
                             .capacity = BARE_PACKET_MAX + ESP_TAILROOM};
    memcpy(p->data, head, sizeof head);
}

static bool all_are(const struct esp_packet *batch, enum esp_verdict verdict)
{
    for (size_t i = 0; i < BARE_BATCH; i++)
        if (batch[i].verdict != verdict)
            return false;
    return true;
}

/* CPU seconds for one packet. */
static bool our_esp(struct esp_db *db, size_t len, double *seal_cpu_s, double *open_cpu_s)
{
    static uint8_t buffers[BARE_BATCH][BUFFER];
    struct esp_packet batch[BARE_BATCH];
    struct esp_notices notices;
    double sealing = 0, opening = 0;
    for (size_t i = 0; i < BARE_BATCH; i++)
        fill(&batch[i], buffers[i], len);
    for (int64_t round = 0; round < ROUNDS; round++) {
        double begin = bare_cpu_s();
        esp_seal(db, 0, batch, BARE_BATCH, round, &notices);
        double middle = bare_cpu_s();
        bool ok = all_are(batch, ESP_SEND);
        double again = bare_cpu_s();
        esp_open(db, 0, batch, BARE_BATCH, round, &notices);
        opening += bare_cpu_s() - again;
        sealing += middle - begin;
        if (!ok || !all_are(batch, ESP_SEND) || batch[0].len != len)
            return false;
    }
    *seal_cpu_s = sealing / (ROUNDS * BARE_BATCH);
    *open_cpu_s = opening / (ROUNDS * BARE_BATCH);
    return true;
}

static void keep_least(double *least, double value)
{
    if (*least <= 0 || value < *least)
        *least = value;
}

struct result {
    size_t len;
    double ours[2], bare[2]; /* seal, open */
};

static bool measure(struct esp_db *db, struct result *r)
{
    double seal, open;
    size_t text_len = (r->len + 2 + 3) / 4 * 4;
    for (int i = 0; i < RUNS; i++) {
        if (!our_esp(db, r->len, &seal, &open))
            return false;
        keep_least(&r->ours[0], seal);
        keep_least(&r->ours[1], open);
        if (!bare_aead(text_len, ROUNDS * BARE_BATCH, &seal, &open))
            return false;
        keep_least(&r->bare[0], seal);
        keep_least(&r->bare[1], open);
    }
    return true;
}

static void print_table(const struct result *results, FILE *to)
{
    fputs("ESP, AES-128-GCM-16, one core: ns per packet, and share of the bare AEAD\n"
          " octets   seal ours bare  share   open ours bare  share    Gbit/s seal  open\n",
          to);
    for (size_t i = 0; i < BARE_SIZE_COUNT; i++) {
        const struct result *r = &results[i];
        double bits = (double)r->len * 8;
        fprintf(to, "%7zu   %6.0f %6.0f  %3.0f %%   %6.0f %6.0f  %3.0f %%    %8.1f %8.1f\n", r->len,
                r->ours[0] * 1e9, r->bare[0] * 1e9, 100 * r->bare[0] / r->ours[0], r->ours[1] * 1e9,
                r->bare[1] * 1e9, 100 * r->bare[1] / r->ours[1], bits / r->ours[0] / 1e9,
                bits / r->ours[1] / 1e9);
    }
}

static json_t *figure(const struct result *r, int k)
{
    return json_pack("{s:f, s:s, s:f, s:f}", "value", 1 / r->ours[k], "unit", "packets/CPU-s",
                     "limit", 1 / r->bare[k], "share", r->bare[k] / r->ours[k]);
}

static json_t *to_json(const struct result *results)
{
    json_t *all = json_pack("{s:s}", "name", "esp"), *sizes = json_array();
    for (size_t i = 0; i < BARE_SIZE_COUNT; i++) {
        json_t *size = json_pack("{s:I, s:o, s:o}", "octets", (json_int_t)results[i].len, "seal",
                                 figure(&results[i], 0), "open", figure(&results[i], 1));
        if (results[i].len == HEADLINE_LEN)
            json_object_update(all, json_object_get(size, "seal"));
        json_array_append_new(sizes, size);
    }
    json_object_set_new(all, "of",
                        json_pack("{s:s, s:i}", "direction", "seal", "octets", HEADLINE_LEN));
    json_object_set_new(all, "sizes", sizes);
    return all;
}

json_t *bench_esp(FILE *table)
{
    struct result results[BARE_SIZE_COUNT] = {0};
    struct esp_db *db = crypto_init() ? db_new() : NULL;
    bool ok = db != NULL;
    if (ok)
        esp_thread_begin(db);
    for (size_t i = 0; i < BARE_SIZE_COUNT && ok; i++) {
        results[i].len = bare_sizes[i];
        ok = measure(db, &results[i]);
    }
    if (db != NULL)
        esp_thread_end(db);
    esp_db_free(db);
    if (!ok) {
        fputs("bench esp: sealing or opening failed\n", stderr);
        return NULL;
    }
    if (table != NULL)
        print_table(results, table);
    return to_json(results);
}
