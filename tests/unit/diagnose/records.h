/* Records made by hand, one of each kind and result. Included by the tests of this room. */
#ifndef IKEBANA_TESTS_DIAGNOSE_RECORDS_H
#define IKEBANA_TESTS_DIAGNOSE_RECORDS_H

#include <stdlib.h>

#include "finding/finding.h"
#include "step/record.h"
#include "wire/wire.h"

static inline struct address at(const char *text, uint16_t port)
{
    struct address a = {0};
    address_parse(span_text(text), &a);
    a.port = port;
    return a;
}

static inline uint32_t payload_bits(const uint8_t *types)
{
    uint32_t bits = 0;
    for (; *types != 0; types++)
        bits |= (uint32_t)1 << (*types - 33);
    return bits;
}

static inline struct trail_entry *trail_add(struct record *r, uint32_t at_ms, uint8_t exchange,
                                            uint32_t id, uint8_t flags, uint16_t size,
                                            uint32_t payloads, uint16_t notify)
{
    struct trail_entry *t = record_add_trail(r, instant_after_ms(r->began, at_ms));
    if (t == NULL)
        return NULL;
    t->exchange = exchange;
    t->message_id = id;
    t->flags = flags;
    t->size = size;
    t->payloads = payloads;
    t->notifies[0] = notify;
    return t;
}

static inline struct record *make_record(enum record_kind kind, enum record_result result,
                                         enum phase phase)
{
    struct record *r = record_new(kind, (struct instant){5000000000}, 1795475737);
    r->number = 17;
    r->result = result;
    r->phase = phase;
    r->is_initiator = true;
    r->took_ms = 41;
    r->local = at("192.0.2.1", 500);
    r->remote = at("192.0.2.7", 500);
    record_set_text(&r->conn, "office");
    return r;
}

#define INIT_PAYLOADS                                                                              \
    payload_bits((const uint8_t[]){PAYLOAD_SA, PAYLOAD_KE, PAYLOAD_NONCE, PAYLOAD_NOTIFY, 0})
#define AUTH_PAYLOADS                                                                              \
    payload_bits((const uint8_t[]){PAYLOAD_IDI, PAYLOAD_IDR, PAYLOAD_AUTH, PAYLOAD_SA,             \
                                   PAYLOAD_TSI, PAYLOAD_TSR, 0})
#define ONE_NOTIFY payload_bits((const uint8_t[]){PAYLOAD_NOTIFY, 0})

static inline void add_init(struct record *r)
{
    uint8_t first = r->is_initiator ? TRAIL_SENT : 0;
    trail_add(r, 0, EXCHANGE_IKE_SA_INIT, 0, first, 264, INIT_PAYLOADS,
              NOTIFY_NAT_DETECTION_SOURCE_IP);
    r->trail[0].notifies[1] = NOTIFY_NAT_DETECTION_DESTINATION_IP;
    trail_add(r, 12, EXCHANGE_IKE_SA_INIT, 0,
              (uint8_t)(TRAIL_RESPONSE | (r->is_initiator ? 0 : TRAIL_SENT)), 272, INIT_PAYLOADS,
              NOTIFY_NAT_DETECTION_SOURCE_IP);
}

static inline void add_established(struct record *r)
{
    static const struct selector here = {
        .from = {10, 1, 0, 0}, .to = {10, 1, 255, 255}, .port_to = 65535, .family = FAMILY_V4};
    static const struct selector there = {
        .from = {10, 2, 0, 0}, .to = {10, 2, 255, 255}, .port_to = 65535, .family = FAMILY_V4};
    struct selector one = here, two = there;
    r->ike_id = 3;
    r->child_id = 4;
    r->spi_i = 0x0123456789abcdef;
    r->spi_r = 0xfedcba9876543210;
    r->spi_in = 0xc0000001;
    r->spi_out = 0xc0000002;
    r->ike_suite = (struct suite){
        .encr = ENCR_AES_GCM_16, .encr_bits = 128, .prf = PRF_HMAC_SHA2_256, .ke = KE_CURVE25519};
    r->child_suite = (struct suite){.encr = ENCR_AES_GCM_16, .encr_bits = 128};
    record_set_text(&r->child, "lan");
    record_set_text(&r->local_id, "moon.example.org");
    record_set_text(&r->remote_id, "sun.example.org");
    r->local_auth = r->remote_auth = AUTH_METHOD_SHARED_KEY_MIC;
    policy_selectors_dup(&(struct selectors){&one, 1}, &r->local_ts);
    policy_selectors_dup(&(struct selectors){&two, 1}, &r->remote_ts);
}

static inline void add_auth(struct record *r)
{
    add_init(r);
    bool is_initiator = r->is_initiator;
    trail_add(r, 14, EXCHANGE_IKE_AUTH, 1,
              (uint8_t)(TRAIL_PROTECTED | (is_initiator ? TRAIL_SENT : 0)), 240, AUTH_PAYLOADS, 0);
    trail_add(r, 40, EXCHANGE_IKE_AUTH, 1,
              (uint8_t)(TRAIL_PROTECTED | TRAIL_RESPONSE | (is_initiator ? 0 : TRAIL_SENT)), 208,
              AUTH_PAYLOADS, 0);
}

static inline struct record *refused_proposal(void)
{
    struct finding f;
    struct record *r = make_record(RECORD_IKE, RESULT_FAILED, PHASE_IKE_SA_INIT);
    trail_add(r, 0, EXCHANGE_IKE_SA_INIT, 0, TRAIL_SENT, 264, INIT_PAYLOADS,
              NOTIFY_NAT_DETECTION_SOURCE_IP);
    trail_add(r, 41, EXCHANGE_IKE_SA_INIT, 0, TRAIL_RESPONSE, 36, ONE_NOTIFY,
              NOTIFY_NO_PROPOSAL_CHOSEN);
    finding_set(&f, CAUSE_IKE_PEER_REFUSED_PROPOSAL);
    f.phase = PHASE_IKE_SA_INIT;
    f.notify = NOTIFY_NO_PROPOSAL_CHOSEN;
    f.confidence = 80;
    f.param = "connections.office.proposals";
    f.expected = "one of our proposals: aes256gcm16-prfsha384-ecp521";
    f.seen = "the peer answered NO_PROPOSAL_CHOSEN (14)";
    f.evidence.has_message = f.evidence.is_received = true;
    f.evidence.exchange = EXCHANGE_IKE_SA_INIT;
    f.evidence.payload = PAYLOAD_NOTIFY;
    f.evidence.offset = 28;
    record_add_finding(r, &f);
    return r;
}

/* The responder knows both lists. */
static inline struct record *no_common_proposal(void)
{
    struct finding f;
    struct record *r = make_record(RECORD_IKE, RESULT_FAILED, PHASE_IKE_SA_INIT);
    r->is_initiator = false;
    r->took_ms = 0;
    trail_add(r, 0, EXCHANGE_IKE_SA_INIT, 0, 0, 528, INIT_PAYLOADS, NOTIFY_NAT_DETECTION_SOURCE_IP);
    trail_add(r, 0, EXCHANGE_IKE_SA_INIT, 0, TRAIL_SENT | TRAIL_RESPONSE, 36, ONE_NOTIFY,
              NOTIFY_NO_PROPOSAL_CHOSEN);
    finding_set(&f, CAUSE_IKE_NO_COMMON_PROPOSAL);
    f.phase = PHASE_IKE_SA_INIT;
    f.param = "connections.office.proposals";
    f.expected = "aes256gcm16-prfsha384-ecp384";
    f.seen =
        "aes128-aes192-aes256-sha256-sha384-sha512-modp2048-modp3072-modp4096-ecp256-x25519, "
        "aes128gcm16-aes256gcm16-prfsha256-prfsha384-prfsha512-modp2048-modp3072-ecp256-x25519";
    f.nearest =
        "the peer's proposal 2 and our proposal 1 differ only in key exchange: ours ecp384, "
        "theirs modp2048 modp3072 ecp256 x25519";
    record_add_finding(r, &f);
    return r;
}

static inline struct record *up_with_warning(void)
{
    struct finding f;
    struct record *r = make_record(RECORD_IKE, RESULT_UP, PHASE_ESTABLISHED);
    r->local.port = r->remote.port = 4500;
    r->has_nat_here = true;
    add_auth(r);
    add_established(r);
    finding_set(&f, CAUSE_CHILD_TS_NARROWED);
    f.phase = PHASE_CHILD;
    f.param = "connections.office.children.lan.remote_ts";
    f.expected = "10.2.0.0/16, 10.3.0.0/16";
    f.seen = "10.2.0.0/16";
    record_add_finding(r, &f);
    return r;
}

static inline struct record *psk_mismatch(void)
{
    struct finding f;
    struct record *r = make_record(RECORD_IKE, RESULT_FAILED, PHASE_IKE_AUTH);
    r->is_initiator = false;
    add_auth(r);
    record_set_text(&r->local_id, "sun.example.org");
    record_set_text(&r->remote_id, "moon.example.org");
    finding_set(&f, CAUSE_AUTH_PSK_MISMATCH);
    f.phase = PHASE_IKE_AUTH;
    f.param = "secrets.ike-office.secret";
    f.expected = "an AUTH payload made with the secret of ike-office";
    f.seen = "moon.example.org and sun.example.org";
    record_add_finding(r, &f);
    return r;
}

static inline struct record *partial(void)
{
    struct finding f;
    struct record *r = make_record(RECORD_IKE, RESULT_PARTIAL, PHASE_CHILD);
    add_auth(r);
    add_established(r);
    r->child_id = r->spi_in = r->spi_out = 0;
    r->child_suite = (struct suite){0};
    policy_selectors_free(&r->local_ts);
    policy_selectors_free(&r->remote_ts);
    finding_set(&f, CAUSE_CHILD_PEER_TS_UNACCEPTABLE);
    f.phase = PHASE_CHILD;
    f.notify = NOTIFY_TS_UNACCEPTABLE;
    f.confidence = 90;
    f.param = "connections.office.children.lan.remote_ts";
    f.expected = "local dynamic, remote 10.9.0.0/16";
    f.seen = "the peer answered TS_UNACCEPTABLE (38)";
    record_add_finding(r, &f);
    finding_set(&f, CAUSE_IKE_COOKIE);
    f.phase = PHASE_IKE_SA_INIT;
    record_add_finding(r, &f);
    return r;
}

static inline struct record *rekeyed(void)
{
    struct record *r = make_record(RECORD_CHILD_REKEY, RESULT_UP, PHASE_REKEY);
    add_established(r);
    trail_add(r, 0, EXCHANGE_CREATE_CHILD_SA, 2, TRAIL_SENT | TRAIL_PROTECTED, 220,
              payload_bits((const uint8_t[]){PAYLOAD_SA, PAYLOAD_NONCE, PAYLOAD_NOTIFY, PAYLOAD_TSI,
                                             PAYLOAD_TSR, 0}),
              NOTIFY_REKEY_SA);
    return r;
}

static inline struct record *no_answer(void)
{
    struct finding f;
    struct record *r = make_record(RECORD_IKE, RESULT_FAILED, PHASE_IKE_SA_INIT);
    r->took_ms = 165000;
    trail_add(r, 0, EXCHANGE_IKE_SA_INIT, 0, TRAIL_SENT, 264, INIT_PAYLOADS, 0)->repeats = 5;
    finding_set(&f, CAUSE_NET_NO_ANSWER);
    f.phase = PHASE_IKE_SA_INIT;
    f.confidence = 70;
    f.param = "connections.office.remote_addrs";
    f.expected = "an answer to IKE_SA_INIT from 192.0.2.7[500]";
    f.seen = "none to the request and 5 repetitions";
    record_add_finding(r, &f);
    return r;
}

static inline struct record *closed(void)
{
    struct finding f;
    struct record *r = make_record(RECORD_CLOSE, RESULT_CLOSED, PHASE_ESTABLISHED);
    r->is_initiator = false;
    r->ike_id = 3;
    trail_add(r, 0, EXCHANGE_INFORMATIONAL, 5, TRAIL_PROTECTED, 80,
              payload_bits((const uint8_t[]){PAYLOAD_DELETE, 0}), 0);
    finding_set(&f, CAUSE_IKE_PEER_CLOSED);
    f.phase = PHASE_ESTABLISHED;
    f.seen = "Delete for the IKE SA";
    record_add_finding(r, &f);
    return r;
}

static inline struct record *liveness_lost(void)
{
    struct finding f;
    struct record *r = make_record(RECORD_LIVENESS, RESULT_FAILED, PHASE_ESTABLISHED);
    r->has_nat_there = true;
    finding_set(&f, CAUSE_NET_LIVENESS_LOST);
    f.phase = PHASE_ESTABLISHED;
    record_add_finding(r, &f);
    return r;
}

static inline struct record *bad_command(void)
{
    struct finding f;
    struct record *r = record_new(RECORD_COMMAND, (struct instant){0}, 0);
    r->result = RESULT_FAILED;
    finding_set(&f, CAUSE_CMD_UNKNOWN_CONNECTION);
    f.param = "offise";
    f.nearest = "office";
    record_add_finding(r, &f);
    return r;
}

static inline struct record *pending(void)
{
    struct record *r = make_record(RECORD_IKE, RESULT_PENDING, PHASE_IKE_AUTH);
    r->number = 0;
    r->took_ms = 4070;
    add_init(r);
    trail_add(r, 14, EXCHANGE_IKE_AUTH, 1, TRAIL_SENT | TRAIL_PROTECTED, 240, AUTH_PAYLOADS, 0)
        ->repeats = 1;
    return r;
}

static inline struct record *rekey_failed(void)
{
    struct finding f;
    struct record *r = make_record(RECORD_IKE_REKEY, RESULT_FAILED, PHASE_REKEY);
    r->took_ms = 7384000;
    finding_set(&f, CAUSE_IKE_REKEY_FAILED);
    f.phase = PHASE_REKEY;
    record_add_finding(r, &f);
    return r;
}

static inline struct record *further_child(void)
{
    struct finding f;
    struct record *r = make_record(RECORD_CHILD, RESULT_FAILED, PHASE_CHILD);
    record_set_text(&r->child, "dmz");
    finding_set(&f, CAUSE_CHILD_PEER_REFUSED_PROPOSAL);
    f.phase = PHASE_CHILD;
    f.notify = NOTIFY_NO_PROPOSAL_CHOSEN;
    f.confidence = 90;
    f.param = "connections.office.children.dmz.esp_proposals";
    f.expected = "aes256gcm16";
    f.seen = "the peer answered NO_PROPOSAL_CHOSEN (14)";
    record_add_finding(r, &f);
    return r;
}

static inline struct record *nothing_known(void)
{
    return record_new(RECORD_IKE, (struct instant){0}, 0);
}

static const struct {
    const char *name;
    struct record *(*make)(void);
} made[] = {
    {"refused-proposal", refused_proposal},
    {"no-common-proposal", no_common_proposal},
    {"up-with-warning", up_with_warning},
    {"psk-mismatch", psk_mismatch},
    {"partial", partial},
    {"rekeyed", rekeyed},
    {"no-answer", no_answer},
    {"closed", closed},
    {"liveness-lost", liveness_lost},
    {"bad-command", bad_command},
    {"pending", pending},
    {"rekey-failed", rekey_failed},
    {"further-child", further_child},
    {"nothing-known", nothing_known},
};

#endif
