/* The CHILD SA as both IKE versions and the data planes see it. */
#ifndef IKEBANA_CHILD_CHILD_H
#define IKEBANA_CHILD_CHILD_H

#include "base/instant.h"
#include "policy/policy.h"

enum { CHILD_KEY_MAX = 36 + 64 }; /* cipher key and salt, integrity key */

/* The keys of one direction. */
struct child_keys {
    uint8_t encr[36]; /* key | salt */
    uint8_t encr_len;
    uint8_t integ[64];
    uint8_t integ_len;
};

/* Splits KEYMAT: encryption i→r, integrity i→r, then r→i (RFC 7296 2.17). out is wiped on failure.
 */
bool child_derive_keys(const struct prf *prf, struct span sk_d, struct span shared,
                       struct span nonce_i, struct span nonce_r, const struct suite *suite,
                       struct child_keys *i_to_r, struct child_keys *r_to_i);
void child_keys_clear(struct child_keys *k);

/* Everything that a data plane needs for one direction of one CHILD SA (RFC 4301 4.4.2.1). */
struct sa_spec {
    uint32_t spi; /* inbound: ours; outbound: the peer's. Host order. */
    uint32_t
        child_id; /* engine-wide number of the CHILD SA (both directions, kept over no rekey) */
    bool is_inbound;
    bool is_initial_out; /* outbound: use it at once (else wait for FX_SA_USE) */
    enum child_mode mode;
    struct address local, remote; /* outer; the ports count when in_udp */
    bool in_udp;                  /* RFC 3948 */
    const struct encr *encr;
    const struct integ *integ; /* NULL with combined modes */
    struct child_keys keys;
    bool esn;
    uint32_t replay_window; /* packets, 0 = off */
    bool copy_df, copy_ecn;
    enum copy_dscp copy_dscp;
    struct selectors local_ts, remote_ts; /* negotiated; valid for the step */
    uint64_t soft_bytes, soft_packets, hard_bytes, hard_packets; /* 0 = none */
    const char *conn_name, *child_name;                          /* valid for the step */
    uint32_t reqid;
    bool takes_fragments; /* fragments behind the first pass although selectors name ports */
    bool mends_checksums; /* transport mode through a NAT, RFC 3948 3.1.2 */
    uint16_t pad_to;      /* outbound: inner packets are padded to this, RFC 4303 2.7; 0 = not;
                             TFC_PADDING_MTU = to what the path carries */
    bool tells_use;       /* outbound packets are reported as inbound ones are (DP_USED) */
};

#endif
