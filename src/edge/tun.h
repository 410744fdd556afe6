/* One worker's data plane: its queue of the TUN device, ESP, and the sockets.
 *
 *   TUN → esp_seal() → UDP port 4500 or raw ESP        ESP from the sockets → esp_open() → TUN
 *
 * What meets a trap waits in this worker's queue until its SA is there (esp/held.c). What a bypass
 * lets through leaves in clear by a raw socket with our mark, so that it does not come back.
 *
 * Batches both ways; all buffers are made once, a steady state allocates nothing. Sealed packets
 * that the network refuses are counted and forgotten, as any router does. */
#ifndef IKEBANA_EDGE_TUN_H
#define IKEBANA_EDGE_TUN_H

#include "edge/sockets.h"
#include "esp/esp.h"

struct tun;

struct tun_counters {
    uint64_t passed;    /* left in clear, as a pass policy wants it */
    uint64_t refused;   /* by the network or the device */
    uint64_t held;      /* packets that wait for an SA now */
    uint64_t held_lost; /* that waited in vain, or were too many */
    uint64_t join_lost; /* fragments for transport mode that became no datagram */
};

/* fd: this worker's queue, owned from now on; -1: no device, received packets end here. Borrows db
 * and sockets. */
struct tun *tun_new(struct esp_db *db, struct sockets *sockets, unsigned worker, int fd);
void tun_free(struct tun *t);
/* Raw sockets for what leaves in clear, owned from now on; -1: none, and it is dropped. */
void tun_set_clear(struct tun *t, int fd4, int fd6);
int tun_fd(const struct tun *t);

/* Reads one batch from the device, seals and sends it. true: it was full, more may wait. */
bool tun_read(struct tun *t, int64_t now_ms, struct esp_notices *notices);
/* Opens ESP packets (local, remote, in_udp, outer_tos set; at most SOCKETS_BATCH) and writes what
 * is good to the device. */
void tun_open_packets(struct tun *t, struct esp_packet *packets, size_t count, int64_t now_ms,
                      struct esp_notices *notices);
/* SAs were added: opens what came before them (esp/early.c). What is still unknown is kept again.
 */
void tun_retry_early(struct tun *t, int64_t now_ms, struct esp_notices *notices);
/* Packets wait for an SA. Any thread may ask. */
bool tun_holds(const struct tun *t);
/* Sends what waits and has an SA by now; does nothing while esp's rules are what they were. */
void tun_retry(struct tun *t, int64_t now_ms, struct esp_notices *notices);
/* No SA will come for this trap. */
struct esp_held_drop tun_drop_held(struct tun *t, uint32_t policy_id);
void tun_counters(const struct tun *t, struct tun_counters *out);

#endif
