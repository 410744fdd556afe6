/* local_addrs and remote_addrs. */
#ifndef IKEBANA_POLICY_HOST_H
#define IKEBANA_POLICY_HOST_H

#include "policy/policy.h"

/* "%any", "%any4", "%any6", an address, a network, a range, else a name to be resolved later.
 * false: why says what is wrong. The text is kept in out->name. */
bool policy_parse_host(struct span text, struct arena *a, struct host_pattern *out,
                       const char **why);

#endif
