/* `ikebana bench esp` and bench-esp: ESP sealing and opening beside the bare AEAD. */
#ifndef IKEBANA_BENCH_ESP_BENCH_H
#define IKEBANA_BENCH_ESP_BENCH_H

/* --json prints one document instead of the table. 0: done, 1: something failed, 2: wrong use. */
int bench_esp(int argc, char **argv);

#endif
