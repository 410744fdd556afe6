/* What the daemon takes from strongswan.conf: the few keys that users know, of the section charon,
 * what charon-systemd says instead, and what ikebanad says instead of both.
 *
 * The keys are a table, data/spec/strongswan-conf.tsv: a new one that is read has its row there and
 * its field here. The file belongs to strongSwan's programs too: what is not for us is named, not
 * refused. A value that a key of ours cannot have is a failure, and so is a key of the section
 * ikebanad that does not exist. */
#ifndef IKEBANA_POLICY_DAEMON_CONF_H
#define IKEBANA_POLICY_DAEMON_CONF_H

#include "policy/policy.h"

/* As in the file, 0 included: what 0 means stands in the table. */
struct daemon_conf {
    double retransmit_base;
    uint32_t retransmit_timeout_ms, retransmit_tries, retransmit_limit_s, retransmit_early_ms;
    uint32_t retransmit_jitter; /* percent */
    uint32_t half_open_timeout_s;
    uint32_t cookie_threshold, cookie_threshold_ip, block_threshold, init_limit_half_open;
    uint32_t fragment_size, max_packet;
    uint32_t keep_alive_s, keep_alive_dpd_margin_s, delete_rekeyed_delay_s, window_size;
    uint32_t port, nat_port;
    bool dos_protection, inactivity_close_ike, make_before_break, close_ike_on_child_failure,
        initiator_only;
};

/* charon's defaults. */
void policy_daemon_conf_default(struct daemon_conf *out);
/* Reads the tree of a strongswan.conf. false: a failure is among the findings, and nothing of the
 * file is to be used. */
bool policy_daemon_conf_read(const struct section *root, struct daemon_conf *out,
                             struct findings *found);

#endif
