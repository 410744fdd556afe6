#include "edge/clock.h"

#include <time.h>

struct instant clock_now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (struct instant){(int64_t)t.tv_sec * 1000000000 + t.tv_nsec};
}

int64_t clock_wall_s(void)
{
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return (int64_t)t.tv_sec;
}
