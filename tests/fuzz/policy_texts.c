/* Texts that users write and octets that peers send as identities: the first octet says which. What
 * is printed must be read as the same again. */
#include <stdlib.h>

#include "policy/dn.h"
#include "policy/policy.h"

int LLVMFuzzerTestOneInput(const uint8_t *at, size_t len);

static void must(bool is_so)
{
    if (!is_so)
        abort();
}

static bool is_whole(const char *text)
{
    return strstr(text, "…") == NULL;
}

static void proposals(struct span text, uint8_t protocol, struct arena *a)
{
    struct findings found = {.arena = a};
    struct proposals once = {0}, twice = {0};
    if (!policy_parse_proposals(text, protocol, a, &once, "proposals", &found)) {
        must(findings_have_failure(&found) && once.count == 0);
        return;
    }
    for (size_t i = 0; i < once.count; i++) {
        const char *printed = policy_proposal_text(&once.at[i], a);
        if (is_whole(printed))
            must(policy_parse_proposals(span_text(printed), protocol, a, &twice, "", &found));
    }
    if (twice.count == once.count)
        must(strcmp(policy_proposals_text(&once, a), policy_proposals_text(&twice, a)) == 0);

    struct suite chosen, checked;
    struct finding why;
    struct proposal answer;
    must(policy_choose_proposal(&once, &once, protocol, true, 0, CAUSE_IKE_NO_COMMON_PROPOSAL, a,
                                &chosen, &why));
    policy_suite_proposal(&chosen, protocol, (struct span){NULL, 0}, a, &answer);
    struct proposals answers = {&answer, 1};
    must(policy_check_chosen(&answers, &once, protocol, true, CAUSE_IKE_PROPOSAL_NOT_OFFERED, a,
                             &checked, &why));
    must(checked.encr == chosen.encr && checked.ke == chosen.ke && checked.integ == chosen.integ);
}

static void selector(struct span text, struct arena *a)
{
    struct selector once, twice;
    const char *why = NULL;
    if (!policy_parse_selector(text, &once, a, &why)) {
        must(why != NULL);
        return;
    }
    must(policy_parse_selector(span_text(policy_selector_text(&once, a)), &twice, a, &why));
    must(why == NULL && once.family == twice.family && once.protocol == twice.protocol &&
         once.port_from == twice.port_from && once.port_to == twice.port_to &&
         once.is_dynamic == twice.is_dynamic && memcmp(once.from, twice.from, 16) == 0 &&
         memcmp(once.to, twice.to, 16) == 0);
    if (!once.is_dynamic)
        must(policy_selector_within(&once, &twice) && policy_selector_meet(&once, &twice, &twice));
}

static void identity(struct span text, struct arena *a)
{
    struct identity once, twice;
    const char *why = NULL;
    if (!policy_parse_identity(text, a, &once, &why)) {
        must(why != NULL);
        return;
    }
    must(policy_identity_match(&once, &once) > 0);
    const char *printed = policy_identity_text(&once, a);
    bool is_escaped = once.type != ID_DER_ASN1_DN && strchr(printed, '\\') != NULL;
    bool is_raw_name = once.type == ID_DER_ASN1_DN && policy_dn_text(once.data, a) == NULL;
    if (!is_whole(printed) || is_escaped || is_raw_name || once.type == ID_NULL)
        return;
    must(policy_parse_identity(span_text(printed), a, &twice, &why));
    if (strchr(printed, '+') == NULL && strstr(printed, "=#") == NULL)
        must(policy_identity_equal(&once, &twice));
}

static void peer_identity(struct span octets, struct arena *a)
{
    struct reader r = reader_of(octets);
    struct identity who = {take_u8(&r), {NULL, 0}}, pattern;
    const char *why = NULL;
    who.data = take_rest(&r);
    must(policy_identity_text(&who, a)[0] != '\0');
    must(policy_parse_identity(span_text("C=*, CN=*"), a, &pattern, &why));
    policy_identity_match(&who, &pattern);
    must(policy_parse_identity(span_text("*.example.org"), a, &pattern, &why));
    policy_identity_match(&who, &pattern);
    for (const char *c = policy_identity_text(&who, a); *c != '\0'; c++)
        must((unsigned char)*c >= 0x20 && *c != 0x7f);
}

int LLVMFuzzerTestOneInput(const uint8_t *at, size_t len)
{
    struct arena a;
    struct reader r = reader_of(span_of(at, len));
    if (!arena_init(&a))
        return 0;
    uint8_t which = take_u8(&r);
    struct span rest = take_rest(&r);
    switch (which % 6) {
    case 0:
        proposals(rest, PROTOCOL_IKE, &a);
        break;
    case 1:
        proposals(rest, PROTOCOL_ESP, &a);
        break;
    case 2:
        proposals(rest, PROTOCOL_AH, &a);
        break;
    case 3:
        selector(rest, &a);
        break;
    case 4:
        identity(rest, &a);
        break;
    case 5:
        peer_identity(rest, &a);
        break;
    }
    arena_clear(&a);
    return 0;
}
