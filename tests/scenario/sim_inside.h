/* What the files of the simulator share. */
#ifndef IKEBANA_TESTS_SCENARIO_SIM_INSIDE_H
#define IKEBANA_TESTS_SCENARIO_SIM_INSIDE_H

#include "sim.h"

void sim_broken(struct sim *s, const char *what, const struct sim_host *h, uint32_t number);

/* ---- sim_tables.c ---- */

void sim_table_effect(struct sim_host *h, const struct effect *e);
void sim_held_drop(struct sim_host *h, const struct effect *e);
/* A packet goes out on the SA. */
void sim_send_on(struct sim_host *h, const struct sim_sa *sa);
/* Use is told at most once a second. */
void sim_used(struct sim_host *h, struct sim_sa *sa);
/* The SA on which traffic of a child leaves now; NULL: none. */
const struct sim_sa *sim_outbound(const struct sim_host *h, const char *child);
struct sim_sa *sim_inbound(struct sim_host *h, uint32_t spi);

/* ---- sim_text.c ---- */

void sim_log_event(const struct sim_host *h, const struct sim_event *e);
/* One finding, one line of the form that `expect` reads. */
void sim_print_finding(FILE *out, const struct finding *f);
void sim_print_record(FILE *out, const struct record *r);
extern const char *const sim_event_names[], *const sim_record_names[], *const sim_result_names[];

#endif
