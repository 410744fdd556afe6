/* Two real engines and every order in which what is in flight can be delivered.
 *
 * A state is the two engines, the messages in flight, and what may still go wrong. A step gives one
 * input to one engine: a command of the case, a message (in any order), the first packet on a new
 * SA, or, when nothing is in flight, the next timer. Faults are steps too: a message is lost,
 * delivered twice (the second copy at any later time, also after timers, or never), or held back
 * beyond timers. The walk is depth first; at each state but for the last step a forked process goes
 * ahead, so nothing has to be undone. States are told apart by a hash of all that the engines
 * remember, in memory that the processes share: what was seen before is not walked again.
 *
 * After each step judge_step() holds, at rest (no command left, nothing in flight, no timer)
 * judge_rest() does. */
#ifndef IKEBANA_TESTS_EXPLORE_EXPLORE_H
#define IKEBANA_TESTS_EXPLORE_EXPLORE_H

#include "../scenario/sim.h"

enum {
    COMMANDS_MAX = 4,
    FLYING_MAX = 48,
    STEPS_MAX = 400,
    TIMERS_MAX = 60,
    CHILDREN_NAMES = 3,
    REASON_MAX = 200,
};

/* One of the wishes whose collision a case is about. */
struct wanted {
    unsigned host; /* 0 left, 1 right */
    enum command_kind kind;
    const char *child; /* NULL: the IKE SA */
    bool must_succeed; /* its outcome is "done" in every order */
};

/* How many SAs of a kind there may be at rest. */
struct range {
    unsigned low, high;
};

struct explore_case {
    const char *name, *title;
    struct wanted wanted[COMMANDS_MAX];
    unsigned wanted_count;
    bool has_two; /* a second child, `two`, is up at the beginning */
    struct range ikes, nets, twos, news;
    bool is_deep;  /* only in the long run, and without faults */
    bool is_large; /* one fault at most */
    bool has_race; /* nonces decide */
};

extern const struct explore_case explore_cases[];
extern const size_t explore_case_count;

struct flying {
    unsigned to;
    bool is_late; /* no timer waits for it */
    struct datagram datagram;
    uint8_t *octets;
    uint64_t hash;
};

/* When the first packet comes on a new SA. */
enum traffic {
    TRAFFIC_ANY,  /* a step of its own, at any time or never */
    TRAFFIC_BUSY, /* as soon as it is sent on */
    TRAFFIC_NONE,
};

/* A step that can be taken. */
enum step_kind {
    STEP_COMMAND,
    STEP_DELIVER,
    STEP_PACKET,
    STEP_TIMER,
    STEP_LOSE,
    STEP_TWICE,
    STEP_LATE
};

struct possible {
    enum step_kind kind;
    unsigned number; /* of the command, message or host */
    uint32_t spi;
};

struct walk {
    const struct explore_case *is;
    struct sim sim;
    struct flying flying[FLYING_MAX];
    size_t flying_count;
    bool is_issued[COMMANDS_MAX];
    uint64_t tickets[COMMANDS_MAX];
    enum traffic traffic;
    unsigned faults_left, timers;
    /* The steps from the beginning, for the report of a failure. */
    char steps[STEPS_MAX][56];
    struct possible taken[STEPS_MAX];
    size_t step_count;
    char reason[REASON_MAX];
};

/* Everything that makes a difference for what can come but the faults that are left. */
uint64_t walk_digest(const struct walk *w);

/* false: w->reason says what is wrong. */
bool judge_step(struct walk *w);
bool judge_rest(struct walk *w);

#endif
