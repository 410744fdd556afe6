/* Distinguished names: text to DER, DER to text, and the comparison of two. */
#ifndef IKEBANA_POLICY_DN_H
#define IKEBANA_POLICY_DN_H

#include "base/arena.h"

/* "C=CH, O=Example, CN=vpn" to DER. false: *why. */
bool policy_dn_parse(struct span text, struct arena *a, struct span *der, const char **why);
/* DER to "C=CH, O=Example, CN=vpn"; NULL: not a name. Octets other than printable ASCII are written
 * \XX as RFC 4514 2.4 does. */
const char *policy_dn_text(struct span der, struct arena *a);
/* The same attributes in the same order; strings are compared without case and outer blanks, and
 * whatever their string type is. A value "*" in the pattern fits any value when wildcards is true.
 * 0: no, else 1 + the number of wildcards that were needed. */
unsigned policy_dn_match(struct span der, struct span pattern, bool wildcards);
/* The same octets for names that policy_dn_match() without wildcards calls equal; what is no name
 * gives itself. */
struct span policy_dn_key(struct span der, struct arena *a);
/* Is a value of it "*"? */
bool policy_dn_has_wildcard(struct span der);

#endif
