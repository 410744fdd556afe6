/* What collides. `net` is up at the beginning, `new` is not; expectations are those of
 * data/spec/collisions.md. */
#include "explore.h"

#define REKEY_CHILD(host, ok)                                                                      \
    {                                                                                              \
        host, CMD_REKEY, "net", ok                                                                 \
    }
#define REKEY_TWO(host, ok)                                                                        \
    {                                                                                              \
        host, CMD_REKEY, "two", ok                                                                 \
    }
#define REKEY_IKE(host, ok)                                                                        \
    {                                                                                              \
        host, CMD_REKEY, NULL, ok                                                                  \
    }
#define CLOSE_CHILD(host, ok)                                                                      \
    {                                                                                              \
        host, CMD_TERMINATE, "net", ok                                                             \
    }
#define CLOSE_TWO(host, ok)                                                                        \
    {                                                                                              \
        host, CMD_TERMINATE, "two", ok                                                             \
    }
#define CLOSE_IKE(host, ok)                                                                        \
    {                                                                                              \
        host, CMD_TERMINATE, NULL, ok                                                              \
    }
#define CREATE(host, ok)                                                                           \
    {                                                                                              \
        host, CMD_INITIATE, "new", ok                                                              \
    }
#define NONE                                                                                       \
    {                                                                                              \
        0, 0                                                                                       \
    }
#define ONE                                                                                        \
    {                                                                                              \
        1, 1                                                                                       \
    }
#define SOME(low, high)                                                                            \
    {                                                                                              \
        low, high                                                                                  \
    }

const struct explore_case explore_cases[] = {
    {"rekey-child-both",
     "both rekey the same child",
     {REKEY_CHILD(0, true), REKEY_CHILD(1, true)},
     2,
     .is_large = true,
     .ikes = ONE,
     .has_race = true,
     .nets = ONE},
    {"rekey-ike-both",
     "both rekey the IKE SA",
     {REKEY_IKE(0, true), REKEY_IKE(1, true)},
     2,
     .is_large = true,
     .ikes = ONE,
     .has_race = true,
     .nets = ONE},
    {"rekey-ike-create",
     "one rekeys the IKE SA, the other creates a child",
     {REKEY_IKE(0, true), CREATE(1, true)},
     2,
     .is_large = true,
     .ikes = ONE,
     .nets = ONE,
     .news = ONE},
    {"rekey-ike-rekey-child",
     "one rekeys the IKE SA, the other a child",
     {REKEY_IKE(0, true), REKEY_CHILD(1, true)},
     2,
     .is_large = true,
     .ikes = ONE,
     .nets = ONE},
    {"rekey-ike-close-child",
     "one rekeys the IKE SA, the other closes a child",
     {REKEY_IKE(0, true), CLOSE_CHILD(1, true)},
     2,
     .is_large = true,
     .ikes = ONE,
     .nets = NONE},
    {"close-child-both",
     "both close the same child",
     {CLOSE_CHILD(0, false), CLOSE_CHILD(1, false)},
     2,
     .ikes = ONE,
     .nets = NONE},
    {"close-ike-both",
     "both close the IKE SA",
     {CLOSE_IKE(0, false), CLOSE_IKE(1, false)},
     2,
     .ikes = NONE,
     .nets = NONE},
    {"rekey-child-close-child",
     "one rekeys a child, the other closes it",
     {REKEY_CHILD(0, false), CLOSE_CHILD(1, true)},
     2,
     .ikes = ONE,
     .nets = NONE},
    {"rekey-ike-close-ike",
     "one rekeys the IKE SA, the other closes it",
     {REKEY_IKE(0, false), CLOSE_IKE(1, true)},
     2,
     .ikes = NONE,
     .nets = NONE},
    {"create-both",
     "both create the same child",
     {CREATE(0, true), CREATE(1, true)},
     2,
     .ikes = ONE,
     .nets = ONE,
     .news = SOME(1, 2)},
    {"rekey-child-close-ike",
     "one rekeys a child, the other closes the IKE SA",
     {REKEY_CHILD(0, false), CLOSE_IKE(1, true)},
     2,
     .ikes = NONE,
     .nets = NONE},
    {"create-close-ike",
     "one creates a child, the other closes the IKE SA",
     {CREATE(0, false), CLOSE_IKE(1, true)},
     2,
     .ikes = SOME(0, 1),
     .nets = NONE,
     .news = SOME(0, 1)},
    {"close-child-close-ike",
     "one closes a child, the other the IKE SA",
     {CLOSE_CHILD(0, false), CLOSE_IKE(1, true)},
     2,
     .ikes = NONE,
     .nets = NONE},
    {"rekey-child-close-other",
     "one rekeys a child, the other closes another one",
     {REKEY_CHILD(0, true), CLOSE_TWO(1, true)},
     2,
     .has_two = true,
     .is_large = true,
     .ikes = ONE,
     .nets = ONE,
     .twos = NONE},
    {"rekey-child-rekey-other",
     "each rekeys a child of its own",
     {REKEY_CHILD(0, true), REKEY_TWO(1, true)},
     2,
     .has_two = true,
     .is_large = true,
     .ikes = ONE,
     .nets = ONE,
     .twos = ONE},
    {"both-rekey-ike-and-create",
     "both rekey the IKE SA, one creates a child as well",
     {REKEY_IKE(0, true), REKEY_IKE(1, true), CREATE(0, true)},
     3,
     .ikes = ONE,
     .nets = ONE,
     .news = ONE,
     .is_deep = true,
     .is_large = true,
     .has_race = true},
    {"both-rekey-ike-and-close",
     "both rekey the IKE SA, one closes a child as well",
     {REKEY_IKE(0, true), REKEY_IKE(1, true), CLOSE_CHILD(1, true)},
     3,
     .ikes = ONE,
     .nets = NONE,
     .is_deep = true,
     .is_large = true,
     .has_race = true},
    {"both-rekey-ike-and-close-ike",
     "both rekey the IKE SA, one closes it as well",
     {REKEY_IKE(0, false), REKEY_IKE(1, false), CLOSE_IKE(1, true)},
     3,
     .ikes = NONE,
     .nets = NONE,
     .is_deep = true,
     .is_large = true,
     .has_race = true},
    {"both-rekey-child-and-ike",
     "both rekey a child, one the IKE SA as well",
     {REKEY_CHILD(0, true), REKEY_CHILD(1, true), REKEY_IKE(0, true)},
     3,
     .ikes = ONE,
     .nets = ONE,
     .is_deep = true,
     .is_large = true,
     .has_race = true},
    {"both-rekey-child-and-close",
     "both rekey a child, one closes it as well",
     {REKEY_CHILD(0, false), REKEY_CHILD(1, false), CLOSE_CHILD(1, false)},
     3,
     .ikes = ONE,
     .nets = SOME(0, 1),
     .is_deep = true,
     .is_large = true,
     .has_race = true},
};
const size_t explore_case_count = sizeof explore_cases / sizeof *explore_cases;
