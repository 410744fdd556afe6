/* What every message must keep to, whatever its exchange. RFC 7296 2.5 (critical bits), 3.2.
 *
 * A payload that the RFC allows once is ambiguous when it comes twice: such a message is malformed.
 * Types that may be repeated (CERT, CERTREQ, N, D, V, and what we do not know) are not named. */
#include "ike2/inside.h"

static const uint8_t single[] = {
    PAYLOAD_SA,    PAYLOAD_KE,  PAYLOAD_IDI, PAYLOAD_IDR, PAYLOAD_AUTH,
    PAYLOAD_NONCE, PAYLOAD_TSI, PAYLOAD_TSR, PAYLOAD_CP,  PAYLOAD_EAP,
};

/* Those between EAP and SKF belong to group key management, which we do not speak. */
static bool is_known(uint8_t type)
{
    return type <= PAYLOAD_EAP || type == PAYLOAD_SKF;
}

bool rules_critical(struct world *w, const struct message *m, uint8_t *type, struct finding *why)
{
    for (size_t i = 0; i < m->payload_count; i++) {
        /* RFC 7296 2.5: the bit means nothing on types that are known. */
        if (!m->payloads[i].is_critical || is_known(m->payloads[i].type))
            continue;
        *type = m->payloads[i].type;
        finding_set(why, CAUSE_MSG_CRITICAL_PAYLOAD);
        finding_about(why, m, &m->payloads[i], true);
        why->expected = "payloads of RFC 7296";
        why->seen = arena_text(&w->arena, "%u", *type);
        return false;
    }
    return true;
}

bool rules_single(struct world *w, const struct message *m, struct finding *why)
{
    for (size_t t = 0; t < sizeof single; t++) {
        bool is_second = false;
        for (size_t i = 0; i < m->payload_count; i++) {
            if (m->payloads[i].type != single[t])
                continue;
            if (is_second) {
                finding_set(why, CAUSE_MSG_BAD_SYNTAX);
                finding_about(why, m, &m->payloads[i], true);
                why->expected = arena_text(&w->arena, "one payload %s",
                                           wire_payload_name(single[t], &w->arena));
                why->seen = arena_text(&w->arena, "%zu", wire_count(m, single[t]));
                return false;
            }
            is_second = true;
        }
    }
    return true;
}
