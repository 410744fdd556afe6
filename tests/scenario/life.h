/* Two hosts and the commands of a whole life: set-up, a further child, rekeyings of both kinds by
 * both sides, the end. What tests take messages from. */
#ifndef IKEBANA_TESTS_SCENARIO_LIFE_H
#define IKEBANA_TESTS_SCENARIO_LIFE_H

#include "sim.h"

enum { LIFE_STEPS = 8, LIFE_STEP_MS = 100 };

/* Hosts "left" and "right" with their configuration. Options may be NULL. false: the configuration
 * is refused. */
bool life_begin(struct sim *s, const struct engine_options *left,
                const struct engine_options *right);
/* The command of step 0 to LIFE_STEPS - 1. */
void life_command(struct sim *s, unsigned step);
/* Forced ends on both sides, and the time that everything takes to be gone. NULL: nothing is left;
 * else what is. */
const char *life_end(struct sim *s);

#endif
