/* After both sides rekeyed the same SA at once: which of the two new SAs survives? RFC
 * 7296 2.8.1, 2.8.2. */
#ifndef IKEBANA_IKE2_RACE_H
#define IKEBANA_IKE2_RACE_H

#include "base/span.h"

/* The four nonces: ours_* of the exchange that we began, theirs_* of the peer's. */
struct race {
    struct span ours_i, ours_r, theirs_i, theirs_r;
};

enum race_end {
    RACE_OURS_SURVIVES,   /* we, its maker, close the old SA; the peer closes what it made */
    RACE_THEIRS_SURVIVES, /* we close the SA that we made; the peer closes the old one */
};

/* The exchange that holds the lowest of the four nonces loses: octet by octet, a nonce that ends
 * first is lower. */
enum race_end race_settle(const struct race *r);

#endif
