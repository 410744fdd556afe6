/* Proposals from text: "aes256gcm16-prfsha384-ecp384".
 *
 * The words are those of data/spec/proposal-keywords.tsv, the rules those of charon's parser (the
 * golden rows of data/spec/swanctl-cases.tsv): words are joined by "-", blanks around them do not
 * matter, order counts inside a type. A PRF that is not named is that of each integrity word; an
 * integrity word beside an AEAD cipher only serves for that; AEAD and other ciphers do not mix
 * (RFC 7296 3.3 would need two proposals). "none" makes a key exchange optional in ESP and AH.
 *
 * Stricter than charon, because it would be refused later without a word or be unsafe:
 *   - an algorithm that crypto does not serve is left out with a warning, or refused when nothing
 *     of its type remains;
 *   - ESP without integrity is refused (RFC 8221 4: must not), and so is NULL for IKE (RFC 7296 5).
 */
#include "policy/keywords.h"
#include "policy/scan.h"

enum { TEXT_MAX = 2047, PROPOSALS_MAX = 255 };

/* One transform of the proposal in the making. */
struct word {
    struct transform t;
    bool is_derived; /* a PRF that stands for the hash of a named integrity algorithm */
    bool is_left_out;
};

struct draft {
    struct word *at;
    size_t count;
    uint8_t protocol;
    struct span text;
    const char *param;
    struct findings *found; /* NULL: say nothing (the defaults) */
    struct arena *arena;
};

/* ---- findings ---- */

static void say(const struct draft *d, enum cause cause, const char *expected, const char *seen,
                const char *nearest)
{
    if (d->found == NULL)
        return;
    struct finding *f = findings_add(d->found, cause);
    if (f == NULL)
        return;
    f->param = d->param == NULL ? "" : d->param;
    f->expected = expected;
    f->seen = seen;
    f->nearest = nearest;
}

static bool refuse(const struct draft *d, const char *expected, const char *seen,
                   const char *nearest)
{
    say(d, CAUSE_CONF_BAD_VALUE, expected, seen, nearest);
    return false;
}

static const char *whole(const struct draft *d)
{
    return d->found == NULL ? "" : arena_escape(d->found->arena, d->text, 200);
}

/* "modp1024 in aes128-sha1-modp1024" */
static const char *word_in_whole(const struct draft *d, const char *word)
{
    return d->found == NULL ? "" : arena_text(d->found->arena, "%s in %s", word, whole(d));
}

static const char *transform_word(const struct draft *d, const struct transform *t)
{
    return d->found == NULL ? "" : policy_transform_text(t, d->found->arena);
}

/* ---- what is served, what is weak ---- */

bool policy_transform_is_aead(const struct transform *t)
{
    if (t->type != TRANSFORM_ENCR)
        return false;
    return (t->id >= ENCR_AES_CCM_8 && t->id <= ENCR_AES_GCM_16) ||
           t->id == ENCR_NULL_AUTH_AES_GMAC ||
           (t->id >= ENCR_CAMELLIA_CCM_8 && t->id <= ENCR_MAGMA_MGM_MAC_KTREE);
}

bool policy_transform_is_served(const struct transform *t, uint8_t protocol)
{
    if (t->is_odd)
        return false;
    switch (t->type) {
    case TRANSFORM_ENCR: {
        const struct encr *e = crypto_encr(t->id, t->key_bits);
        return e != NULL && (protocol == PROTOCOL_IKE ? e->for_ike : e->for_esp);
    }
    case TRANSFORM_PRF:
        return t->key_bits == 0 && crypto_prf(t->id) != NULL;
    case TRANSFORM_INTEG:
        return t->key_bits == 0 && (t->id == INTEG_NONE || crypto_integ(t->id) != NULL);
    case TRANSFORM_KE:
        return t->key_bits == 0 && (t->id == KE_NONE || crypto_ke(t->id) != NULL);
    case TRANSFORM_SN:
        return t->id == SN_32_BIT_SEQUENTIAL || t->id == SN_64_BIT_SEQUENTIAL;
    }
    return false; /* additional key exchanges are not served yet */
}

struct weak {
    uint8_t type;
    uint16_t id;
};

/* RFC 8247, RFC 8221, RFC 9395: must not, should not, must- or deprecated. */
static const struct weak weak_ones[] = {
    {TRANSFORM_ENCR, ENCR_DES},
    {TRANSFORM_ENCR, ENCR_3DES},
    {TRANSFORM_ENCR, ENCR_CAST},
    {TRANSFORM_ENCR, ENCR_BLOWFISH},
    {TRANSFORM_ENCR, ENCR_NULL},
    {TRANSFORM_PRF, PRF_HMAC_MD5},
    {TRANSFORM_PRF, PRF_HMAC_SHA1},
    {TRANSFORM_INTEG, AUTH_HMAC_MD5_96},
    {TRANSFORM_INTEG, AUTH_HMAC_SHA1_96},
    {TRANSFORM_INTEG, AUTH_HMAC_MD5_128},
    {TRANSFORM_INTEG, AUTH_HMAC_SHA1_160},
    {TRANSFORM_KE, KE_MODP_768},
    {TRANSFORM_KE, KE_MODP_1024},
    {TRANSFORM_KE, KE_MODP_1536},
    {TRANSFORM_KE, KE_MODP_1024_160},
    {TRANSFORM_KE, KE_MODP_2048_224},
    {TRANSFORM_KE, KE_MODP_2048_256},
    {TRANSFORM_KE, KE_ECP_192},
    {TRANSFORM_KE, KE_ECP_224},
    {TRANSFORM_KE, KE_BRAINPOOL_P224R1},
};

static bool is_weak(const struct transform *t)
{
    for (size_t i = 0; i < sizeof weak_ones / sizeof weak_ones[0]; i++)
        if (weak_ones[i].type == t->type && weak_ones[i].id == t->id)
            return true;
    return false;
}

static const char *type_example(uint8_t type)
{
    switch (type) {
    case TRANSFORM_ENCR:
        return "an encryption algorithm, for example aes256gcm16 or aes256";
    case TRANSFORM_PRF:
        return "a PRF, for example prfsha256";
    case TRANSFORM_INTEG:
        return "an integrity algorithm, for example sha256";
    case TRANSFORM_KE:
        return "a key exchange group, for example x25519, ecp256 or modp2048";
    }
    return "an algorithm of the keyword list";
}

uint16_t policy_prf_of_integ(uint16_t integ)
{
    switch (integ) {
    case AUTH_HMAC_MD5_96:
    case AUTH_HMAC_MD5_128:
        return PRF_HMAC_MD5;
    case AUTH_HMAC_SHA1_96:
    case AUTH_HMAC_SHA1_160:
        return PRF_HMAC_SHA1;
    case AUTH_HMAC_SHA2_256_128:
        return PRF_HMAC_SHA2_256;
    case AUTH_HMAC_SHA2_384_192:
        return PRF_HMAC_SHA2_384;
    case AUTH_HMAC_SHA2_512_256:
        return PRF_HMAC_SHA2_512;
    case AUTH_AES_XCBC_96:
        return PRF_AES128_XCBC;
    case AUTH_AES_CMAC_96:
        return PRF_AES128_CMAC;
    }
    return 0;
}

/* ---- words ---- */

static struct span next_word(struct span *rest)
{
    struct span word;
    scan_split(*rest, '-', &word, rest);
    return scan_trim(word);
}

static bool same_transform(const struct transform *x, const struct transform *y)
{
    return x->type == y->type && x->id == y->id && x->key_bits == y->key_bits;
}

static void draft_add(struct draft *d, struct transform t, bool is_derived)
{
    for (size_t i = 0; i < d->count; i++)
        if (same_transform(&d->at[i].t, &t))
            return;
    d->at[d->count++] = (struct word){t, is_derived, false};
}

static bool draft_has(const struct draft *d, uint8_t type)
{
    for (size_t i = 0; i < d->count; i++)
        if (!d->at[i].is_left_out && d->at[i].t.type == type)
            return true;
    return false;
}

static void leave_out(struct draft *d, uint8_t type)
{
    for (size_t i = 0; i < d->count; i++)
        if (d->at[i].t.type == type)
            d->at[i].is_left_out = true;
}

static bool unknown_word(const struct draft *d, struct span word)
{
    if (d->found == NULL)
        return false;
    struct arena *a = d->found->arena;
    const struct keyword *gone = policy_keyword_find(word);
    const struct keyword *near = gone != NULL ? NULL : policy_keyword_nearest(word);
    return refuse(d, "words of the proposal keyword list, joined by \"-\"",
                  word_in_whole(d, arena_escape(a, word, 60)),
                  gone != NULL   ? "strongSwan had this algorithm until 5.9.14"
                  : near == NULL ? ""
                                 : arena_text(a, "did you mean %s?", near->word));
}

/* "ke1_mlkem768": RFC 9370. The prefix alone may be in capitals. */
static bool additional_ke(struct span word, uint8_t *type, struct span *rest)
{
    if (word.len < 4 || (word.at[0] | 0x20) != 'k' || (word.at[1] | 0x20) != 'e' ||
        word.at[2] < '1' || word.at[2] > '7' || word.at[3] != '_')
        return false;
    *type = (uint8_t)(TRANSFORM_ADDKE1 + (word.at[2] - '1'));
    struct reader r = reader_of(word);
    take(&r, 4);
    *rest = take_rest(&r);
    return true;
}

static bool draft_word(struct draft *d, struct span word)
{
    uint8_t type = 0;
    struct span ke;
    bool is_additional = additional_ke(word, &type, &ke);
    const struct keyword *k = policy_keyword_find(is_additional ? ke : word);
    if (k == NULL || k->is_gone || (is_additional && k->type != TRANSFORM_KE))
        return unknown_word(d, word);
    struct transform t = {is_additional ? type : k->type, k->id, k->key_bits, false};

    if (d->protocol == PROTOCOL_AH && t.type == TRANSFORM_ENCR) {
        if (t.id != ENCR_NULL_AUTH_AES_GMAC) {
            say(d, CAUSE_CONF_ODD_VALUE, "AH without encryption", word_in_whole(d, k->word), "");
            return true;
        }
        uint16_t gmac = t.key_bits == 128   ? AUTH_AES_128_GMAC
                        : t.key_bits == 192 ? AUTH_AES_192_GMAC
                                            : AUTH_AES_256_GMAC;
        t = (struct transform){TRANSFORM_INTEG, gmac, 0, false};
    }
    if (d->protocol != PROTOCOL_IKE && t.type == TRANSFORM_PRF) {
        say(d, CAUSE_CONF_ODD_VALUE, "no PRF: that of the IKE SA is used",
            word_in_whole(d, k->word), "");
        return true;
    }
    if (d->protocol == PROTOCOL_IKE && t.type == TRANSFORM_SN) {
        say(d, CAUSE_CONF_ODD_VALUE, "no sequence number type: IKE has none",
            word_in_whole(d, k->word), "");
        return true;
    }
    if (d->protocol == PROTOCOL_IKE && t.type == TRANSFORM_KE && t.id == KE_NONE) {
        say(d, CAUSE_CONF_ODD_VALUE, "a key exchange group: IKE cannot do without",
            word_in_whole(d, k->word), "");
        return true;
    }
    draft_add(d, t, false);
    return true;
}

/* ---- rules over the whole proposal ---- */

static bool settle_ciphers(struct draft *d)
{
    const struct transform *aead = NULL, *classic = NULL;
    for (size_t i = 0; i < d->count; i++) {
        if (d->at[i].t.type != TRANSFORM_ENCR)
            continue;
        if (policy_transform_is_aead(&d->at[i].t))
            aead = &d->at[i].t;
        else
            classic = &d->at[i].t;
    }
    if (aead != NULL && classic != NULL && d->found != NULL)
        return refuse(d, "AEAD ciphers (gcm, ccm, chacha20poly1305) in a proposal of their own",
                      arena_text(d->found->arena, "%s beside %s in %s", transform_word(d, aead),
                                 transform_word(d, classic), whole(d)),
                      "");

    bool derives_prf = d->protocol == PROTOCOL_IKE && !draft_has(d, TRANSFORM_PRF);
    size_t named = d->count;
    for (size_t i = 0; derives_prf && i < named; i++) {
        uint16_t prf = d->at[i].t.type == TRANSFORM_INTEG ? policy_prf_of_integ(d->at[i].t.id) : 0;
        if (prf != 0)
            draft_add(d, (struct transform){TRANSFORM_PRF, prf, 0, false}, aead == NULL);
    }
    if (aead != NULL && draft_has(d, TRANSFORM_INTEG)) {
        if (!derives_prf)
            say(d, CAUSE_CONF_ODD_VALUE, "no integrity algorithm: the AEAD cipher needs none",
                whole(d), "");
        leave_out(d, TRANSFORM_INTEG);
    }
    return true;
}

/* Required types as they were written, before what is not served is left out. */
static bool check_types(const struct draft *d)
{
    bool needs_integ = d->protocol == PROTOCOL_AH;
    if (d->protocol != PROTOCOL_AH) {
        if (!draft_has(d, TRANSFORM_ENCR))
            return refuse(d, type_example(TRANSFORM_ENCR), whole(d), "");
        for (size_t i = 0; i < d->count; i++)
            if (d->at[i].t.type == TRANSFORM_ENCR && !policy_transform_is_aead(&d->at[i].t))
                needs_integ = true;
    }
    if (needs_integ && !draft_has(d, TRANSFORM_INTEG))
        return refuse(d, type_example(TRANSFORM_INTEG), whole(d), "");
    if (d->protocol == PROTOCOL_IKE && !draft_has(d, TRANSFORM_PRF))
        return refuse(d, type_example(TRANSFORM_PRF), whole(d), "");
    if (d->protocol == PROTOCOL_IKE && !draft_has(d, TRANSFORM_KE))
        return refuse(d, type_example(TRANSFORM_KE), whole(d), "");
    return true;
}

/* Additional key exchanges are not served; one that is optional ("ke1_none") can be left out. */
static bool settle_additional(struct draft *d)
{
    for (uint8_t type = TRANSFORM_ADDKE1; type <= TRANSFORM_ADDKE7; type++) {
        const struct transform *real = NULL;
        bool is_optional = false;
        for (size_t i = 0; i < d->count; i++) {
            if (d->at[i].t.type != type)
                continue;
            if (d->at[i].t.id == KE_NONE)
                is_optional = true;
            else
                real = &d->at[i].t;
        }
        if (real != NULL && !is_optional)
            return refuse(d, "no additional key exchange: this build has none",
                          word_in_whole(d, transform_word(d, real)), "");
        if (real != NULL)
            say(d, CAUSE_CONF_UNSERVED_ALGORITHM, "no additional key exchange",
                word_in_whole(d, transform_word(d, real)), "");
        leave_out(d, type);
    }
    return true;
}

static bool settle_served(struct draft *d)
{
    for (size_t i = 0; i < d->count; i++) {
        struct word *w = &d->at[i];
        if (w->is_left_out || policy_transform_is_served(&w->t, d->protocol))
            continue;
        w->is_left_out = true;
        const char *expected = type_example(w->t.type);
        const char *seen = word_in_whole(d, transform_word(d, &w->t));
        bool remains = false;
        for (size_t j = 0; j < d->count; j++)
            if (d->at[j].t.type == w->t.type && !d->at[j].is_left_out &&
                policy_transform_is_served(&d->at[j].t, d->protocol) &&
                !(w->t.type == TRANSFORM_KE && d->at[j].t.id == KE_NONE))
                remains = true;
        if (!remains)
            return refuse(d, expected, seen, "this build does not serve that algorithm here");
        if (!w->is_derived)
            say(d, CAUSE_CONF_UNSERVED_ALGORITHM, expected, seen, "");
    }
    return true;
}

static void warn_of_weak(const struct draft *d)
{
    for (size_t i = 0; i < d->count; i++)
        if (!d->at[i].is_left_out && !d->at[i].is_derived && is_weak(&d->at[i].t))
            say(d, CAUSE_CONF_WEAK_PROPOSAL, type_example(d->at[i].t.type),
                word_in_whole(d, transform_word(d, &d->at[i].t)), "");
}

/* ---- into the list ---- */

static bool append(struct draft *d, struct proposals *out)
{
    static const uint8_t order[] = {TRANSFORM_ENCR, TRANSFORM_INTEG, TRANSFORM_PRF, TRANSFORM_KE,
                                    TRANSFORM_SN};
    if (out->count >= PROPOSALS_MAX)
        return refuse(d, "at most 255 proposals", whole(d), "");
    struct proposal *list = arena_array(d->arena, out->count + 1, sizeof *list);
    struct transform *transforms = arena_array(d->arena, d->count + 1, sizeof *transforms);
    if (list == NULL || transforms == NULL) {
        say(d, CAUSE_RES_MEMORY, "", "", "");
        return false;
    }
    size_t count = 0;
    for (size_t o = 0; o < sizeof order; o++)
        for (size_t i = 0; i < d->count; i++)
            if (!d->at[i].is_left_out && d->at[i].t.type == order[o])
                transforms[count++] = d->at[i].t;
    if (d->protocol != PROTOCOL_IKE && !draft_has(d, TRANSFORM_SN))
        transforms[count++] = (struct transform){TRANSFORM_SN, SN_32_BIT_SEQUENTIAL, 0, false};
    if (out->count > 0)
        memcpy(list, out->at, out->count * sizeof *list);
    list[out->count] = (struct proposal){.number = (uint8_t)(out->count + 1),
                                         .protocol = d->protocol,
                                         .transforms = transforms,
                                         .transform_count = count};
    out->at = list;
    out->count++;
    return true;
}

static bool parse_one(struct draft *d, struct proposals *out)
{
    size_t words = 1;
    for (size_t i = 0; i < d->text.len; i++)
        words += d->text.at[i] == '-';
    d->at = arena_array(d->arena, words * 2, sizeof *d->at); /* twice: a PRF for each */
    if (d->at == NULL) {
        say(d, CAUSE_RES_MEMORY, "", "", "");
        return false;
    }
    d->count = 0;
    for (struct span rest = d->text; rest.len > 0;) {
        struct span word = next_word(&rest);
        if (word.len > 0 && !draft_word(d, word))
            return false;
    }
    if (!settle_ciphers(d) || !check_types(d) || !settle_additional(d) || !settle_served(d))
        return false;
    warn_of_weak(d);
    return append(d, out);
}

bool policy_parse_proposals(struct span text, uint8_t protocol, struct arena *a,
                            struct proposals *out, const char *param, struct findings *found)
{
    struct draft d = {
        .protocol = protocol, .text = scan_trim(text), .param = param, .found = found, .arena = a};

    if (d.text.len == 0 || d.text.len > TEXT_MAX)
        return refuse(&d, "\"default\" or algorithm words joined by \"-\", at most 2047 octets",
                      d.text.len == 0 ? "nothing" : whole(&d), "");
    if (!scan_same_text(d.text, "default"))
        return parse_one(&d, out);

    bool any = false;
    d.found = NULL;
    for (const char *const *t = policy_default_proposals(protocol); *t != NULL; t++) {
        d.text = span_text(*t);
        any |= parse_one(&d, out);
    }
    d.found = found;
    d.text = scan_trim(text);
    return any || refuse(&d, "algorithms that this build serves", "default",
                         "this build of OpenSSL serves none of them");
}
