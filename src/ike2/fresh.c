/* Nonces and key exchange values of CREATE_CHILD_SA, RFC 7296 1.3, 2.12; RFC 6989 2. */
#include "ike2/inside.h"

bool fresh_read(struct world *w, const struct message *m, struct fresh *out, struct finding *why)
{
    memset(out, 0, sizeof *out);
    if ((out->nonce_p = need_payload(w, m, PAYLOAD_NONCE, why)) == NULL)
        return false;
    if (!wire_parse_nonce(out->nonce_p->body, &out->nonce)) {
        bad_payload(w, m, out->nonce_p, "a nonce of 16 to 256 octets", why);
        return false;
    }
    out->ke_p = wire_find(m, PAYLOAD_KE);
    if (out->ke_p != NULL && !wire_parse_ke(out->ke_p->body, &out->ke)) {
        bad_payload(w, m, out->ke_p, "a well-formed KE payload", why);
        return false;
    }
    return true;
}

static bool bad_public(struct world *w, const struct message *m, const struct fresh *f,
                       const char *reason, struct finding *why)
{
    struct transform group = {.type = TRANSFORM_KE, .id = f->ke.group};
    finding_set(why, CAUSE_IKE_BAD_PUBLIC_VALUE);
    finding_about(why, m, f->ke_p, true);
    why->expected = arena_text(&w->arena, "a public value of group %s",
                               policy_transform_text(&group, &w->arena));
    why->seen = reason;
    return false;
}

bool fresh_answer(struct world *w, const struct message *m, const struct fresh *f, uint16_t group,
                  struct span *public, struct big_secret *shared, struct finding *why)
{
    const struct ke *ke = crypto_ke(group);
    uint8_t *at = ke == NULL ? NULL : arena_alloc(&w->arena, ke->public_len);
    struct ke_pair *pair = at == NULL ? NULL : crypto_ke_new(ke, w->rng, at);
    const char *reason = "";
    if (pair == NULL) {
        finding_set(why, CAUSE_RES_CRYPTO);
        why->expected = "a key pair of the chosen group";
        return false;
    }
    bool ok = crypto_ke_shared(pair, f->ke.value, shared, &reason);
    crypto_ke_free(pair);
    *public = span_of(at, ke->public_len);
    return ok || bad_public(w, m, f, reason, why);
}

bool fresh_shared(struct world *w, const struct message *m, const struct task *t,
                  const struct fresh *f, uint16_t group, struct big_secret *out,
                  struct finding *why)
{
    const char *reason = "";
    if (group == 0)
        return true;
    if (f->ke_p == NULL)
        return need_payload(w, m, PAYLOAD_KE, why) != NULL;
    if (t->ke == NULL || group != t->group || f->ke.group != group) {
        struct transform seen = {.type = TRANSFORM_KE, .id = f->ke.group},
                         ours = {.type = TRANSFORM_KE, .id = t->group};
        bool is_ike = t->kind == TASK_REKEY_IKE;
        finding_set(why,
                    is_ike ? CAUSE_IKE_PROPOSAL_NOT_OFFERED : CAUSE_CHILD_PROPOSAL_NOT_OFFERED);
        finding_about(why, m, f->ke_p, true);
        why->expected = arena_text(&w->arena, "%s, in the proposal and in the KE payload",
                                   policy_transform_text(&ours, &w->arena));
        why->seen = policy_transform_text(&seen, &w->arena);
        return false;
    }
    return crypto_ke_shared(t->ke, f->ke.value, out, &reason) || bad_public(w, m, f, reason, why);
}

void fresh_punish(struct world *w, struct ike_sa *sa, bool by_peer, struct finding *why)
{
    if (why->cause != CAUSE_IKE_BAD_PUBLIC_VALUE || sa->state == SA_GONE)
        return;
    if (by_peer) /* its request: the answer has said INVALID_SYNTAX */
        exchange_finish(w, sa, true, why);
    else if (sa->state == SA_UP)
        ike2_want_close(w, sa, 0, false);
}
