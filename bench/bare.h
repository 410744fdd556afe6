/* What OpenSSL alone can do: the limits beside which we measure ourselves.
 *
 * Loops of the bare libcrypto operations that a handshake or a packet asks for, with everything
 * that can be prepared prepared: algorithms fetched once, contexts kept, HMAC as two runs of a kept
 * hash context (three times as fast as EVP_MAC with a new key in OpenSSL 3.0). There is no
 * protocol, no parsing, no memory of an SA. All times are CPU seconds of the calling thread. */
#ifndef IKEBANA_BENCH_BARE_H
#define IKEBANA_BENCH_BARE_H

#include <stdbool.h>
#include <stddef.h>

/* CPU time of this thread, in seconds. */
double bare_cpu_s(void);

/* One side of IKE_SA_INIT + IKE_AUTH + first CHILD SA with PSK, x25519, AES-128-GCM-16,
 * PRF-HMAC-SHA-256; both sides have the same to do:
 *   40 random octets; x25519 key pair and shared value; 4 SHA-1 for NAT detection; SKEYSEED; 136
 * octets of prf+; one message of 250 octets sealed and one opened, each with a new key; AUTH
 * computed and verified over a message of 300 octets, 3 prf each; 40 octets of prf+ for the CHILD
 * SA. rounds handshakes are done, *cpu_s is for one. false: OpenSSL failed. */
bool bare_handshake(unsigned rounds, double *cpu_s);

/* AES-128-GCM with a 16 octet ICV and 8 octets of AAD (an ESP header): one key, one context, a new
 * IV for each packet, in place. len: octets that are encrypted. Seals and opens rounds packets; the
 * two results are for one packet. false: OpenSSL failed. */
bool bare_aead(size_t len, unsigned rounds, double *seal_cpu_s, double *open_cpu_s);

enum { BARE_SIZE_COUNT = 4, BARE_BATCH = 64, BARE_PACKET_MAX = 9216 };
/* 64, 576, 1420, 8900 */
extern const size_t bare_sizes[BARE_SIZE_COUNT];

#endif
