/* What is configured: connections, children, proposals, selectors, identities, secrets; and the
 * choices made with it. Objects made from settings are immutable and shared by counting references.
 */
#ifndef IKEBANA_POLICY_POLICY_H
#define IKEBANA_POLICY_POLICY_H

#include <stdatomic.h>

#include <ikebana/finding.h>

#include "base/address.h"
#include "base/secret.h"
#include "crypto/crypto.h"
#include "policy/settings.h"
#include "wire/payloads.h"

/* ---- findings.c: a list of findings while something is read ---- */

/* Start with {.arena = …}. At most FINDINGS_MAX are kept (a hostile file has no end of errors);
 * behind that a failure replaces the last row and a warning is dropped. */
struct findings {
    struct arena *arena;
    struct finding *at;
    size_t count, room;
    bool is_lost;         /* there was no memory for one: counts as a failure */
    struct finding spare; /* what findings_add() gives when there is no row */
};

enum { FINDINGS_MAX = 1000 };

/* ---- proposal.c ---- */

/* What was agreed. Zero where a type does not apply. */
struct suite {
    uint16_t encr, encr_bits, integ, prf, ke;
    bool esn;
    uint8_t proposal_number; /* of the peer's or our offer */
};

/* Reads one proposal ("aes256gcm16-prfsha384-ecp384", "default", …) by the rules of
 * data/spec/proposal-keywords.tsv; "default" may give two proposals. param is the path for
 * findings. Weak and unserved algorithms: a finding each (conf.weak-proposal as warning; an
 * algorithm that this build does not serve is left out with conf.unserved-algorithm, a warning, as
 * long as another of its type remains, else conf.bad-value). Appends to out (arrays in the arena).
 * protocol: PROTOCOL_IKE, PROTOCOL_ESP, PROTOCOL_AH. */
bool policy_parse_proposals(struct span text, uint8_t protocol, struct arena *a,
                            struct proposals *out, const char *param, struct findings *found);
/* "aes256gcm16-prfsha384-ecp384", in our keywords; several joined by ", ". */
const char *policy_proposal_text(const struct proposal *p, struct arena *a);
const char *policy_proposals_text(const struct proposals *p, struct arena *a);
const char *policy_suite_text(const struct suite *s, uint8_t protocol, struct arena *a);
/* "ecp384" for a transform, registered name or "NUMBER" when it has no keyword. */
const char *policy_transform_text(const struct transform *t, struct arena *a);

/* The first of `prefer` that the other list meets, one transform of each type, in the order of
 * `prefer` (ours as responder, as strongSwan does by default). ke_matters: false for the CHILD SA
 * in IKE_AUTH, where key exchange transforms are ignored on both sides (RFC 7296 1.2). wanted_ke: a
 * group to prefer where possible (that of the KE payload), 0 = none: avoids INVALID_KE_PAYLOAD only
 * among equals of our list. Transforms that crypto does not serve, or with is_odd, are never
 * chosen. An AEAD offer matches with no INTEG or INTEG NONE. No SN transform means no ESN. false:
 * why gets cause (given), expected = ours, seen = theirs, nearest = the pair that differs in the
 * fewest types, with the differing types of both sides named ("the peer's proposal 2 and our
 * proposal 1 differ only in key exchange: ours ecp384, theirs modp2048 modp3072"). */
bool policy_choose_proposal(const struct proposals *offered, const struct proposals *ours,
                            uint8_t protocol, bool ke_matters, uint16_t wanted_ke, enum cause cause,
                            struct arena *a, struct suite *out, struct finding *why);
/* Initiator: the one proposal of the answer must be a choice out of what we offered. */
bool policy_check_chosen(const struct proposals *answer, const struct proposals *offered,
                         uint8_t protocol, bool ke_matters, enum cause cause, struct arena *a,
                         struct suite *out, struct finding *why);
/* The chosen suite as a proposal of one transform per type, for the answer. spi as given. */
void policy_suite_proposal(const struct suite *s, uint8_t protocol, struct span spi,
                           struct arena *a, struct proposal *out);
bool policy_offers_group(const struct proposals *p, uint16_t group);
/* First group offered, 0 = none. */
uint16_t policy_first_group(const struct proposals *p);
/* A copy without KE transforms (children in IKE_AUTH), with spi in each proposal, numbered from 1.
 */
bool policy_copy_proposals(const struct proposals *p, struct span spi, bool with_ke,
                           struct arena *a, struct proposals *out);

/* ---- selector.c: RFC 7296 2.9, 3.13; RFC 4301 4.4.1.1 ---- */

enum { SELECTORS_MAX = 64 };

struct selector {
    uint8_t from[16], to[16];    /* inclusive; IPv4 in the first four octets */
    uint16_t port_from, port_to; /* 0..65535 any; 65535..0 OPAQUE; ICMP: type << 8 | code */
    uint8_t family;              /* enum family */
    uint8_t protocol;            /* 0 any */
    bool is_dynamic; /* from and to are filled in at negotiation with the tunnel's address */
};

struct selectors {
    struct selector *at;
    size_t count;
};

/* The ends of one packet, RFC 7296 2.9: what a trap policy met. */
struct ts_pair {
    bool is_set;
    struct selector local, remote;
};

/* "10.0.0.0/8[tcp/80]", "dynamic", "10.0.0.1-10.0.0.9" … false: *why says what was expected. true:
 * *why is NULL, or says what is odd (a range that runs backwards, a prefix of 33 bits) and how it
 * is read: worth a conf.odd-value. */
bool policy_parse_selector(struct span text, struct selector *out, struct arena *a,
                           const char **why);
const char *policy_selector_text(const struct selector *s, struct arena *a);
const char *policy_selectors_text(const struct selectors *s, struct arena *a); /* joined by ", " */
/* dynamic ones become the host address (protocol and ports kept). */
bool policy_resolve_selectors(const struct selectors *s, const struct address *host,
                              struct arena *a, struct selectors *out);
bool policy_selector_meet(const struct selector *x, const struct selector *y,
                          struct selector *out); /* intersection; false: empty */
bool policy_selector_within(const struct selector *part, const struct selector *whole);
bool policy_selectors_within(const struct selectors *part, const struct selectors *whole);
/* Narrows the peer's offer to ours: every meeting of one of ours with one of theirs, in our order,
 * without doubles and without ones inside another. false: nothing meets; why: cause, expected =
 * ours, seen = theirs, nearest says which dimension fails (address, protocol, port). RFC 7296 2.9.
 */
bool policy_narrow(const struct selectors *offered, const struct selectors *ours, enum cause cause,
                   struct arena *a, struct selectors *out, struct finding *why);
/* How alike two lists are, to choose among children that all meet an offer: the same selector
 * counts more than one inside the other, that more than an overlap; the first of the offer count
 * most. At most 2^24 with lists of 255 and SELECTORS_MAX. */
unsigned policy_selectors_likeness(const struct selectors *offered, const struct selectors *ours);
/* To and from the wire; unknown types are left out when reading. */
bool policy_selectors_from_wire(const struct ts_list *ts, struct arena *a, struct selectors *out);
bool policy_selectors_to_wire(const struct selectors *s, struct arena *a, struct ts_list *out);
/* Does a packet with these ends fit? addresses of `family`; ports 0 where there are none (has_ports
 * false). */
bool policy_selector_fits(const struct selector *s, uint8_t family, const uint8_t *address,
                          uint8_t protocol, bool has_ports, uint16_t port);
bool policy_selectors_dup(const struct selectors *s, struct selectors *out); /* to the heap */
void policy_selectors_free(struct selectors *s);

/* ---- identity.c: RFC 7296 3.5 ---- */

struct identity {
    uint8_t type; /* ID_… ; 0 = %any */
    struct span data;
};

/* The same octets for identities that policy_identity_equal() calls equal, for hashing; in the
 * arena. */
struct span policy_identity_key(const struct identity *id, struct arena *a);
/* Is it a pattern that more than one identity fits: %any, wildcards, a network, a range? */
bool policy_identity_is_pattern(const struct identity *id);
/* charon's rules: prefixes, detection by form, "%any", "@name", "@#hex", DN text. *why as with
 * policy_parse_selector(): with true it is NULL or says what is odd. */
bool policy_parse_identity(struct span text, struct arena *a, struct identity *out,
                           const char **why);
/* "vpn.example.org", "C=CH, CN=x", "192.0.2.7"; peer-made octets are escaped. */
const char *policy_identity_text(const struct identity *id, struct arena *a);
/* Does `id` fit the configured `pattern` (wildcards in FQDN, e-mail, DN; %any)? 0: no; else higher
 * = more exact. */
enum { IDENTITY_EXACT = 100 };
unsigned policy_identity_match(const struct identity *id, const struct identity *pattern);
bool policy_identity_equal(const struct identity *x, const struct identity *y);

/* ---- conn.c: connections.<conn> ---- */

enum auth_kind { AUTH_PUBKEY, AUTH_PSK, AUTH_EAP, AUTH_XAUTH };

struct auth_conf {
    enum auth_kind kind;
    struct identity id; /* type 0: local = the address, remote = anybody */
    bool is_id_unsaid;  /* remote.id = %NAME: expected, but no IDr asks for it */
};

/* What becomes of an older IKE SA of the same two identities. */
enum unique {
    UNIQUE_NO,    /* it goes when the peer says INITIAL_CONTACT */
    UNIQUE_NEVER, /* it stays */
    UNIQUE_KEEP,  /* it stays, the new one is refused */
    UNIQUE_REPLACE,
};

enum child_mode { MODE_TUNNEL, MODE_TRANSPORT, MODE_PASS, MODE_DROP };
enum child_action { ACTION_NONE = 0, ACTION_TRAP = 1, ACTION_START = 2 }; /* bits */
/* connections.<conn>.childless, RFC 6023: as responder FORCE wants and NEVER refuses an IKE SA
 * without a child; as initiator PREFER asks for one where the peer allows it, FORCE always. */
enum childless { CHILDLESS_ALLOW, CHILDLESS_PREFER, CHILDLESS_FORCE, CHILDLESS_NEVER };
enum copy_dscp { COPY_DSCP_OUT, COPY_DSCP_IN, COPY_DSCP_YES, COPY_DSCP_NO };

struct child_conf {
    const char *name;
    struct proposals esp_proposals;
    struct selectors local_ts, remote_ts; /* dynamic ones not resolved */
    enum child_mode mode;
    uint64_t rekey_time_s, life_time_s, rand_time_s; /* 0 = never */
    uint64_t rekey_bytes, life_bytes, rand_bytes;
    uint64_t rekey_packets, life_packets, rand_packets;
    uint32_t replay_window; /* packets, up to 4096; 0 = off; our default 64 */
    uint32_t start_action, dpd_action, close_action; /* enum child_action */
    uint64_t inactivity_s;                           /* 0 = never */
    uint64_t digest; /* of all its settings: another one says that it was changed */
    bool copy_df, copy_ecn;
    enum copy_dscp copy_dscp;
    uint32_t reqid, priority;
    bool has_policies;    /* false: no routes; who sends something through is the user's to say */
    uint32_t tfc_padding; /* octets that inner packets are padded to, 0 = none, TFC_PADDING_MTU */
};
enum { TFC_PADDING_MTU = UINT16_MAX };

/* Of IKE messages, RFC 7383. Fragments of the peer are taken in any case, as in strongSwan. */
enum fragmentation {
    FRAGMENTATION_YES,    /* announced, and used where the peer announces it too */
    FRAGMENTATION_ACCEPT, /* announced, but what we send stays whole */
    FRAGMENTATION_FORCE,  /* differs from yes in IKEv1 only */
    FRAGMENTATION_NO,     /* not announced */
};

/* A remote or local end as configured. */
struct host_pattern {
    enum { HOST_ANY, HOST_ADDRESS, HOST_RANGE, HOST_NAME } kind;
    struct address from, to; /* HOST_ADDRESS: both the same */
    const char *name;        /* HOST_NAME */
};

struct conn {
    atomic_uint refs;
    struct arena arena; /* everything below lives in it */
    const char *name;
    uint8_t version; /* 0, 1, 2 */
    struct host_pattern *local_addrs, *remote_addrs;
    size_t local_count, remote_count;
    uint16_t local_port, remote_port;
    struct proposals proposals;
    bool encap;
    enum unique unique;
    enum fragmentation fragmentation;
    uint64_t dpd_delay_s, rekey_time_s, over_time_s, rand_time_s;
    uint64_t reauth_time_s; /* 0 = never */
    uint32_t keyingtries;
    enum childless childless;
    struct auth_conf local, remote;
    struct child_conf *children;
    size_t child_count;
    bool is_shunts;  /* only pass and drop children: nothing to negotiate */
    uint64_t digest; /* of all its settings but the children's */
};

/* From connections.<name>. Reads what `served` keys say; keys that exist in swanctl.conf (the
 * table generated from data/spec/swanctl.tsv) but are not served: conf.not-served naming key, file,
 * line, unless set to their default; unknown keys: conf.unknown-key with the nearest known one.
 * NULL: `found` has at least one failure; warnings may be there in any case. The caller owns one
 * reference. */
struct conn *policy_conn_new(const struct section *s, struct findings *found);
struct conn *policy_conn_ref(struct conn *c);
void policy_conn_unref(struct conn *c);
const struct child_conf *policy_find_child(const struct conn *c, const char *name);
/* How well an address pair fits: 0 no; higher is more exact (address > narrow range > wide range >
 * any); the remote end counts more. A name that nobody has resolved fits with the lowest score: it
 * may be this address, and the identities decide later. */
unsigned policy_conn_fits(const struct conn *c, const struct address *local,
                          const struct address *remote);
/* "connections.office.children.lan.esp_proposals"; child may be NULL. */
const char *policy_param(struct arena *a, const struct conn *c, const struct child_conf *child,
                         const char *key);
/* Host pattern as written. */
const char *policy_host_text(const struct host_pattern *h, struct arena *a);

/* ---- psk.c: secrets.ike<suffix> ---- */

struct psk {
    atomic_uint refs;
    char *id;                /* section name: "ike-office" */
    struct identity *owners; /* none: anybody */
    size_t owner_count;
    struct span secret; /* on the heap, wiped when freed */
    struct arena arena;
};

/* From secrets.ike<suffix> (secret, id<suffix>), or over VICI (data, owners). NULL: see found. */
struct psk *policy_psk_new(const struct section *s, struct findings *found);
struct psk *policy_psk_from(const char *id, struct span data, const struct span *owners,
                            size_t owner_count, struct findings *found);
struct psk *policy_psk_ref(struct psk *p);
void policy_psk_unref(struct psk *p);
/* charon's rule: how well both ends fit one secret's owners; 0 = not at all. The best of all
 * secrets is used. The remote end's owner counts more than the local one's; no owners means %any
 * for both, which is the lowest score that knows the remote end. */
enum { PSK_FIT_BITS = 15, PSK_FITS_BOTH = IDENTITY_EXACT << PSK_FIT_BITS | IDENTITY_EXACT };
unsigned policy_psk_fits(const struct psk *p, const struct identity *local,
                         const struct identity *remote);

/* A whole file: connections and secrets. Everything that can be read is; found tells the rest. */
struct config {
    struct conn **conns;
    size_t conn_count;
    struct psk **psks;
    size_t psk_count;
};
bool policy_config_read(const struct section *root, struct arena *a, struct config *out,
                        struct findings *found);
void policy_config_clear(struct config *c);

/* Appends, copying nothing: strings must live in found->arena or be static. Returns the new row,
 * valid until the next one is added. Never NULL. */
struct finding *findings_add(struct findings *found, enum cause cause);
bool findings_have_failure(const struct findings *found);

#endif
