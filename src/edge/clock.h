/* The only place that reads clocks. */
#ifndef IKEBANA_EDGE_CLOCK_H
#define IKEBANA_EDGE_CLOCK_H

#include "base/instant.h"

struct instant clock_now(void); /* CLOCK_MONOTONIC */
int64_t clock_wall_s(void);     /* CLOCK_REALTIME, seconds since 1970 */

#endif
