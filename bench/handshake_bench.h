/* `ikebana bench handshake`. */
#ifndef IKEBANA_BENCH_HANDSHAKE_BENCH_H
#define IKEBANA_BENCH_HANDSHAKE_BENCH_H

/* argv[1…]: --json, or the number of SAs (10000). Prints; 0 when all handshakes succeeded. */
int bench_handshake(int argc, char **argv);

#endif
