/* The table of what things may mean. Read it from top to bottom within a cause: the first rows that
 * hold are the likeliest. */
#include "diagnose/hypotheses.h"

#include "wire/wire.h"

static const struct hypothesis rows[] = {
    /* Nothing came back at all. A host without a daemon answers with ICMP; that nothing came speaks
     * for a filter, unless the path eats ICMP. */
    {CAUSE_NET_NO_ANSWER, 0, FACT_DROPPED, 0,
     "something came back that could not be used (see the trail): the peer's answer was damaged, "
     "or "
     "another program sent it"},
    {CAUSE_NET_NO_ANSWER, 0, FACT_SELF, 0,
     "the peer's address {peer} is an address of this host: remote_addrs names this side"},
    {CAUSE_NET_NO_ANSWER, 0, FACT_PEER_PRIVATE, FACT_LOCAL_PRIVATE,
     "{peer} is a private address and ours is not: the peer is reached by the public address of "
     "its "
     "NAT"},
    {CAUSE_NET_NO_ANSWER, 0, FACT_BIG, 0,
     "the message of {size} octets is lost because it does not fit the path in one packet: offer "
     "fewer proposals or a smaller key exchange group"},
    {CAUSE_NET_NO_ANSWER, 0, FACT_PORT_4500, 0,
     "a firewall drops UDP port 4500 on the way, or remote_port is wrong (500 is usual)"},
    {CAUSE_NET_NO_ANSWER, 0, 0, FACT_PORT_4500,
     "a firewall drops UDP port 500 on the way: a host without an IKE daemon would mostly have "
     "sent "
     "an ICMP error, and none came"},
    {CAUSE_NET_NO_ANSWER, 0, 0, 0, "the address {peer} is wrong, or the host is down"},
    {CAUSE_NET_NO_ANSWER, 0, 0, 0,
     "the peer has no connection for our address {local} and stays silent"},
    {CAUSE_NET_NO_ANSWER, 0, 0, 0,
     "the peer received it, and its answer is dropped on the way back"},

    {CAUSE_NET_UNREACHABLE, 0, FACT_SELF, 0,
     "the peer's address {peer} is an address of this host: remote_addrs names this side"},
    {CAUSE_NET_UNREACHABLE, 0, FACT_ICMP_PORT, 0,
     "the host {peer} is up, but no IKE daemon listens there: start it"},
    {CAUSE_NET_UNREACHABLE, 0, FACT_ICMP_PORT, 0, "a firewall at or before {peer} rejects IKE"},
    {CAUSE_NET_UNREACHABLE, 0, FACT_ICMP_FILTER, 0,
     "a firewall on the way forbids IKE to {peer} and says so: let UDP 500 and 4500 pass"},
    {CAUSE_NET_UNREACHABLE, 0, FACT_ICMP_HOST, 0, "the host {peer} is down"},
    {CAUSE_NET_UNREACHABLE, 0, FACT_ICMP_HOST, 0, "the address {peer} is wrong"},
    {CAUSE_NET_UNREACHABLE, 0, FACT_ICMP_NET | FACT_PEER_PRIVATE, FACT_LOCAL_PRIVATE,
     "{peer} is a private address that no router on the way knows"},
    {CAUSE_NET_UNREACHABLE, 0, FACT_ICMP_NET, 0,
     "a router on the way (or this host) has no route to {peer}"},

    /* IKE_SA_INIT was answered, what followed was not. */
    {CAUSE_NET_NO_ANSWER_LATER, 0, FACT_DROPPED, 0,
     "an answer came but did not pass its check (see the trail): something on the way rewrites "
     "packets"},
    {CAUSE_NET_NO_ANSWER_LATER, 0, FACT_BIG, 0,
     "our message of {size} octets does not fit the path in one packet, and its fragments are "
     "dropped"},
    {CAUSE_NET_NO_ANSWER_LATER, 0, FACT_PORT_4500, 0,
     "a firewall drops UDP port 4500 on the way: port 500 passed"},
    {CAUSE_NET_NO_ANSWER_LATER, 0, 0, FACT_BIG,
     "the peer's answer is larger than ours and does not fit the path in one packet"},
    {CAUSE_NET_NO_ANSWER_LATER, 0, FACT_NAT_HERE, 0,
     "the NAT before this side forgot or changed our port"},
    {CAUSE_NET_NO_ANSWER_LATER, 0, FACT_NAT_THERE, 0,
     "the NAT before the peer forwards port 500 but not port 4500"},
    {CAUSE_NET_NO_ANSWER_LATER, 0, 0, 0,
     "the peer dropped our message in silence; its log would say so"},
    {CAUSE_NET_NO_ANSWER_LATER, 0, 0, 0, "the peer or the path to it went down just then"},

    {CAUSE_NET_LIVENESS_LOST, 0, FACT_NAT_HERE, 0,
     "the NAT before this side forgot the mapping of our port: a shorter dpd_delay keeps it open"},
    {CAUSE_NET_LIVENESS_LOST, 0, FACT_NAT_THERE, 0,
     "the NAT before the peer forgot the mapping of its port"},
    {CAUSE_NET_LIVENESS_LOST, 0, 0, 0, "the peer was restarted or shut down"},
    {CAUSE_NET_LIVENESS_LOST, 0, 0, 0, "the path between {local} and {peer} is down"},
    {CAUSE_NET_LIVENESS_LOST, 0, 0, FACT_NAT_HERE | FACT_NAT_THERE,
     "the address of one side has changed"},

    /* NO_PROPOSAL_CHOSEN to IKE_SA_INIT tells nothing but itself. What we offered tells what is
     * likely to be missing there. */
    {CAUSE_IKE_PEER_REFUSED_PROPOSAL, 0, FACT_ASKED_GROUP, 0,
     "the peer asked for another group first and then refused: it has a connection for us, but our "
     "proposals with that group lack one of its other transforms"},
    {CAUSE_IKE_PEER_REFUSED_PROPOSAL, 0, FACT_BROAD, FACT_ASKED_GROUP,
     "the peer has no connection for our address {local}: what we offer suits most peers"},
    {CAUSE_IKE_PEER_REFUSED_PROPOSAL, 0, FACT_WEAK, 0,
     "the peer no longer allows {weak}, which is considered weak"},
    {CAUSE_IKE_PEER_REFUSED_PROPOSAL, 0, FACT_ONE_GROUP | FACT_RARE_GROUP, 0,
     "the peer has no {group}: many peers do not, and all that we offer needs it"},
    {CAUSE_IKE_PEER_REFUSED_PROPOSAL, 0, FACT_ONE_GROUP, FACT_RARE_GROUP,
     "the peer has no {group}, the only key exchange that we offer"},
    {CAUSE_IKE_PEER_REFUSED_PROPOSAL, 0, FACT_ONLY_AEAD, 0,
     "the peer has no AES-GCM (or other combined cipher) for IKE, and we offer nothing else"},
    {CAUSE_IKE_PEER_REFUSED_PROPOSAL, 0, FACT_ONLY_CLASSIC, FACT_WEAK,
     "the peer wants another key length, integrity algorithm or PRF, or only combined ciphers"},
    {CAUSE_IKE_PEER_REFUSED_PROPOSAL, 0, FACT_BROAD, 0,
     "the peer allows one narrow proposal that is not among ours"},
    {CAUSE_IKE_PEER_REFUSED_PROPOSAL, 0, 0, FACT_BROAD | FACT_ASKED_GROUP,
     "the peer has no connection for our address {local} and answers the same"},

    /* In IKE_AUTH the CHILD SA has no key exchange: PFS cannot be the reason there. RFC 7296 1.2 */
    {CAUSE_CHILD_PEER_REFUSED_PROPOSAL, 0, FACT_WEAK, 0,
     "the peer no longer allows {weak}, which is considered weak"},
    {CAUSE_CHILD_PEER_REFUSED_PROPOSAL, 0, FACT_PFS, FACT_FIRST_CHILD,
     "the peer makes CHILD SAs without a key exchange (no PFS), or with another group than ours"},
    {CAUSE_CHILD_PEER_REFUSED_PROPOSAL, 0, 0, FACT_PFS | FACT_FIRST_CHILD,
     "the peer asks for PFS: add its key exchange group to our esp_proposals"},
    {CAUSE_CHILD_PEER_REFUSED_PROPOSAL, 0, FACT_ONLY_AEAD, 0,
     "the peer has no AES-GCM (or other combined cipher) for ESP, and we offer nothing else"},
    {CAUSE_CHILD_PEER_REFUSED_PROPOSAL, 0, FACT_ONLY_CLASSIC, 0,
     "the peer has only combined ciphers for ESP (AES-GCM), or another key length or integrity "
     "algorithm"},
    {CAUSE_CHILD_PEER_REFUSED_PROPOSAL, 0, FACT_BROAD, 0,
     "the peer allows one narrow ESP proposal that is not among ours"},
    {CAUSE_CHILD_PEER_REFUSED_PROPOSAL, 0, 0, 0,
     "the peer has another mode for this child (transport instead of tunnel), and says the same"},

    {CAUSE_CHILD_REKEY_REFUSED, 0, FACT_PFS, 0,
     "the peer has no PFS, or another group: the first CHILD SA is made without a key exchange, so "
     "the difference shows at the first rekeying only"},
    {CAUSE_CHILD_REKEY_REFUSED, 0, 0, FACT_PFS,
     "the peer asks for PFS and we do not: the first CHILD SA is made without a key exchange, so "
     "the difference shows at the first rekeying only"},
    {CAUSE_CHILD_REKEY_REFUSED, 0, 0, 0, "the peer's configuration was changed in between"},

    /* We are the responder and had checked the initiator's AUTH payload: the keys are equal. */
    {CAUSE_AUTH_PEER_REFUSED, 0, FACT_AFTERWARDS, FACT_INITIATOR,
     "the peer expects another identity than {local_id} of us: its key was right, so ours is too"},
    {CAUSE_AUTH_PEER_REFUSED, 0, FACT_AFTERWARDS, FACT_INITIATOR,
     "the peer uses another secret for our identity than for its own"},
    {CAUSE_AUTH_PEER_REFUSED, 0, FACT_INITIATOR | FACT_OWN_ADDRESS_ID | FACT_NAT_HERE, 0,
     "our identity is the address {local_id}, which the peer cannot expect behind a NAT: set "
     "local.id"},
    {CAUSE_AUTH_PEER_REFUSED, 0, FACT_INITIATOR, 0, "the pre-shared keys differ"},
    {CAUSE_AUTH_PEER_REFUSED, 0, FACT_INITIATOR | FACT_OWN_ADDRESS_ID, FACT_NAT_HERE,
     "the peer expects a name as our identity, and we give our address {local_id}: set local.id"},
    {CAUSE_AUTH_PEER_REFUSED, 0, FACT_INITIATOR, FACT_OWN_ADDRESS_ID,
     "the peer expects another identity of us than the one that we give, or has none of its own "
     "that we ask for"},
    {CAUSE_AUTH_PEER_REFUSED, 0, FACT_INITIATOR, 0,
     "the peer expects another authentication method (certificates, EAP)"},

    {CAUSE_AUTH_PSK_MISMATCH, 0, FACT_INITIATOR, 0,
     "the peer accepted our key, so it holds the same secret for us but used another one for "
     "itself: compare the identities of its secrets"},
    {CAUSE_AUTH_PSK_MISMATCH, 0, FACT_INITIATOR, 0,
     "two secrets here fit the peer, and the wrong one was used: give each its own id"},
    {CAUSE_AUTH_PSK_MISMATCH, 0, 0, FACT_INITIATOR, "the secrets differ: one was mistyped"},
    {CAUSE_AUTH_PSK_MISMATCH, 0, 0, FACT_INITIATOR,
     "one of them has a blank, a line end or a quote too many, or is written in another encoding "
     "(0x…, 0s…)"},
    {CAUSE_AUTH_PSK_MISMATCH, 0, 0, FACT_INITIATOR, "one side used the secret of another identity"},

    {CAUSE_AUTH_ID_MISMATCH, 0, FACT_SEEN_ADDRESS | FACT_NAT_THERE, 0,
     "the peer has set no local.id and is behind a NAT: it gives its private address"},
    {CAUSE_AUTH_ID_MISMATCH, 0, FACT_SEEN_ADDRESS, FACT_NAT_THERE | FACT_EXPECTED_ADDRESS,
     "the peer has set no local.id: it gives its address"},
    {CAUSE_AUTH_ID_MISMATCH, 0, FACT_EXPECTED_ADDRESS, FACT_SEEN_ADDRESS,
     "no remote.id is set here: the peer's address is expected"},

    {CAUSE_CHILD_PEER_TS_UNACCEPTABLE, 0, FACT_DYNAMIC | FACT_NAT_HERE, 0,
     "our side of the selectors is our address, which behind a NAT is none that the peer knows: "
     "set "
     "local_ts"},
    {CAUSE_CHILD_PEER_TS_UNACCEPTABLE, 0, FACT_DYNAMIC, FACT_NAT_HERE,
     "local_ts or remote_ts is not set here and means the address itself; the peer expects "
     "networks"},
    {CAUSE_CHILD_PEER_TS_UNACCEPTABLE, 0, 0, 0, "our remote_ts is not the peer's local_ts"},
    {CAUSE_CHILD_PEER_TS_UNACCEPTABLE, 0, 0, 0, "our local_ts is not the peer's remote_ts"},
    {CAUSE_CHILD_PEER_TS_UNACCEPTABLE, 0, 0, FACT_DYNAMIC,
     "the peer gives addresses to its clients and expects a request for one, which this version "
     "does not send"},

    {CAUSE_IKE_HALF_OPEN_TIMEOUT, 0, FACT_DROPPED, 0,
     "the peer's next message came but could not be used (see the trail)"},
    {CAUSE_IKE_HALF_OPEN_TIMEOUT, 0, FACT_REPEATED, 0,
     "our answer does not reach the peer: it asked again and again"},
    {CAUSE_IKE_HALF_OPEN_TIMEOUT, 0, FACT_NAT_HERE, FACT_PORT_4500,
     "behind a NAT the peer goes on at port 4500, and that is not forwarded to this side"},
    {CAUSE_IKE_HALF_OPEN_TIMEOUT, 0, FACT_NAT_THERE, FACT_PORT_4500,
     "behind a NAT the peer goes on at port 4500, and a firewall on the way drops that"},
    {CAUSE_IKE_HALF_OPEN_TIMEOUT, 0, 0, 0,
     "the peer refused our answer and did not say so; its log would"},
    {CAUSE_IKE_HALF_OPEN_TIMEOUT, 0, 0, FACT_REPEATED, "our answer, or its next message, was lost"},

    {CAUSE_IKE_COOKIE_LOOP, 0, FACT_NAT_HERE, 0,
     "the NAT before this side gives each of our messages another address or port"},
    {CAUSE_IKE_COOKIE_LOOP, 0, 0, 0,
     "the peer is overloaded, or its secret for cookies changes too fast"},

    /* Errors that we know no cause of our own for. */
    {CAUSE_MSG_ERROR_NOTIFY, NOTIFY_INVALID_SYNTAX, FACT_INITIATOR, 0,
     "the peer could not read our message: some peers also say so when the keys differ"},
    {CAUSE_MSG_ERROR_NOTIFY, NOTIFY_FAILED_CP_REQUIRED, 0, 0,
     "the peer gives addresses to its clients and expects a request for one, which this version "
     "does "
     "not send"},
    {CAUSE_MSG_ERROR_NOTIFY, NOTIFY_INTERNAL_ADDRESS_FAILURE, 0, 0,
     "the peer's pool of addresses is used up, or has none for us"},
    {CAUSE_MSG_ERROR_NOTIFY, NOTIFY_SINGLE_PAIR_REQUIRED, 0, 0,
     "the peer makes an SA for one pair of addresses only: narrow local_ts and remote_ts"},
    {CAUSE_MSG_ERROR_NOTIFY, NOTIFY_UNSUPPORTED_CRITICAL_PAYLOAD, 0, 0,
     "the peer is too old for a payload of ours, or does not follow the RFC"},
    {CAUSE_MSG_ERROR_NOTIFY, NOTIFY_TEMPORARY_FAILURE, 0, 0,
     "the peer is busy with another exchange or under load: try again later"},
    {CAUSE_MSG_ERROR_NOTIFY, NOTIFY_INVALID_IKE_SPI, 0, 0,
     "the peer has lost its side of the IKE SA: it was restarted"},
    {CAUSE_MSG_ERROR_NOTIFY, NOTIFY_AUTHORIZATION_FAILED, 0, 0,
     "the peer knows us but does not allow us in"},
    {CAUSE_MSG_ERROR_NOTIFY, NOTIFY_MS_NOTIFY_STATUS, 0, 0,
     "a Windows peer told its own status: look for the number in ikebana explain"},
};

const struct hypothesis *diagnose_hypothesis_at(size_t i)
{
    return i < sizeof rows / sizeof rows[0] ? &rows[i] : NULL;
}

static const char *place(const struct facts *facts, const struct finding *f, const char *name,
                         size_t len)
{
    const struct {
        const char *name, *value;
    } places[] = {
        {"group", facts->group},       {"encr", facts->encr},     {"weak", facts->weak},
        {"local", facts->local},       {"peer", facts->peer},     {"size", facts->size},
        {"local_id", facts->local_id}, {"expected", f->expected}, {"seen", f->seen},
    };
    for (size_t i = 0; i < sizeof places / sizeof places[0]; i++)
        if (strlen(places[i].name) == len && memcmp(places[i].name, name, len) == 0)
            return *places[i].value == '\0' ? "what we gave" : places[i].value;
    return NULL;
}

static const char *fill(const char *text, const struct facts *facts, const struct finding *f,
                        struct arena *a)
{
    const char *out = "";
    while (*text != '\0') {
        size_t plain = strcspn(text, "{");
        size_t len = text[plain] == '\0' ? 0 : strcspn(text + plain + 1, "}");
        const char *value = text[plain] == '\0' ? NULL : place(facts, f, text + plain + 1, len);
        if (value == NULL)
            return arena_text(a, "%s%s", out, text);
        out = arena_text(a, "%s%.*s%s", out, (int)plain, text, value);
        text += plain + len + 2;
    }
    return out;
}

/* "1. A   2. B" of the cause table as its parts. */
static size_t split(const char *likely, struct arena *a, const char *out[HYPOTHESES_MAX])
{
    size_t count = 0;
    while (*likely != '\0' && count < HYPOTHESES_MAX) {
        const char *end = strstr(likely, "   ");
        size_t len = end == NULL ? strlen(likely) : (size_t)(end - likely);
        size_t digits = strspn(likely, "0123456789");
        size_t head = digits > 0 && strncmp(likely + digits, ". ", 2) == 0 ? digits + 2 : 0;
        if (len > head)
            out[count++] = arena_text(a, "%.*s", (int)(len - head), likely + head);
        likely += len;
        likely += strspn(likely, " ");
    }
    return count;
}

size_t diagnose_likely(const struct record *r, const struct finding *f, struct arena *a,
                       const char *out[HYPOTHESES_MAX])
{
    struct facts facts;
    size_t count = 0;
    /* We refused, and know both lists: the table's list is for who got our bare notify. */
    if (f->cause == CAUSE_IKE_NO_COMMON_PROPOSAL || f->cause == CAUSE_CHILD_NO_COMMON_PROPOSAL)
        return 0;
    diagnose_facts(r, f, a, &facts);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0] && count < HYPOTHESES_MAX; i++) {
        const struct hypothesis *h = &rows[i];
        if (h->cause != f->cause || (h->notify != 0 && h->notify != f->notify) ||
            (facts.bits & h->needs) != h->needs || (facts.bits & h->lacks) != 0)
            continue;
        out[count++] = fill(h->text, &facts, f, a);
    }
    return count > 0 ? count : split(ikebana_cause_row(f->cause)->likely, a, out);
}
