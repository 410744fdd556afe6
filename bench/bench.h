/* The measurements behind `ikebana bench` and `make bench`.
 *
 * Each gives its figures as a JSON object (the caller's) with at least
 *   name, value, unit, limit, share
 * where limit is what the machine and OpenSSL alone can do, measured in the same run, and share is
 * what of it was reached; and prints them as a table when table is not NULL. NULL: it failed, and
 * said why on stderr. */
#ifndef IKEBANA_BENCH_BENCH_H
#define IKEBANA_BENCH_BENCH_H

#include <stdio.h>

#include <jansson.h>

/* Complete handshakes of two engines in this process; memory per SA. */
json_t *bench_handshake(FILE *table);
/* Sealing and opening of packets of bare_sizes[]. The headline is sealing of 1420 octets. */
json_t *bench_esp(FILE *table);
/* `ikebana up` from its start to its end, between two daemons in two network namespaces of its own.
 * Needs root and ip(8). Starts the programs that lie beside this one, or those in PATH. */
json_t *bench_up(FILE *table);
/* Strangers' IKE_SA_INIT requests by the thousand, in virtual time, and good handshakes between. */
json_t *bench_flood(FILE *table);

#endif
