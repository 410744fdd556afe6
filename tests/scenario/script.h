/* A scenario while it runs: script.c reads and acts, expect.c compares. */
#ifndef IKEBANA_TESTS_SCENARIO_SCRIPT_H
#define IKEBANA_TESTS_SCENARIO_SCRIPT_H

#include "sim.h"

enum { WORDS_MAX = 24, VARIABLES_MAX = 32 };

/* The configuration of a host with its variables. */
struct host_text {
    char *config;
    char *keys[VARIABLES_MAX], *values[VARIABLES_MAX];
    size_t count;
    uint64_t ticket; /* of its last command */
};

struct script {
    struct sim sim;
    struct host_text texts[SIM_HOSTS_MAX];
    const char *file;
    unsigned line;
    char *words[WORDS_MAX];
    size_t count;
    bool leaves_tables, leaves_failures;
};

/* Prints file, line and text; returns false. */
bool script_fail(const struct script *s, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
struct sim_host *script_host(struct script *s, const char *name);
bool script_run_file(struct script *s, const char *path);
bool script_expect(struct script *s);
bool script_check_end(struct script *s);

#endif
