/* secrets.ike<suffix>. The octets of a secret go from the file into one heap block and from there
 * into a PRF: never into a finding, never into an arena. */
#include <openssl/evp.h>
#include <stdlib.h>
#include <strings.h>

#include "finding/finding.h"
#include "policy/report.h"
#include "policy/value.h"

enum {
    WEAK_BELOW = 16, /* octets: what RFC 7296 8 and 5 ask for is entropy; this is its upper bound */
    SECRET_SIZE_MAX = 65535, /* a VICI value */
    OWNERS_MAX = 1000,
};

static unsigned hex_digit(uint8_t c)
{
    if (c >= '0' && c <= '9')
        return c - 48U;
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10U;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10U;
    return 99;
}

/* Hex digits in pairs; colons and blanks between them are left out. */
static bool decode_hex(struct reader *r, uint8_t *out, size_t *len)
{
    size_t digits = 0;
    while (r->left.len > 0) {
        uint8_t c = take_u8(r);
        if (c == ':' || c == ' ')
            continue;
        unsigned d = hex_digit(c);
        if (d > 15)
            return false;
        if (digits % 2 == 0)
            out[digits / 2] = (uint8_t)(d << 4);
        else
            out[digits / 2] = (uint8_t)(out[digits / 2] | d);
        digits++;
    }
    *len = digits / 2;
    return digits % 2 == 0;
}

/* Base64 with or without its padding; blanks are left out. text: room for it with padding. */
static bool decode_base64(struct reader *r, uint8_t *text, uint8_t *out, size_t *len)
{
    size_t chars = 0, padding = 0;
    while (r->left.len > 0) {
        uint8_t c = take_u8(r);
        if (c == ' ' || c == '\n' || c == '\r' || c == '\t')
            continue;
        if (c == '=')
            padding++;
        else if (padding > 0)
            return false;
        if (c != '=')
            text[chars++] = c;
    }
    size_t missing = (4 - chars % 4) % 4;
    if (chars % 4 == 1 || padding > 2 || (padding > 0 && padding != missing))
        return false;
    for (size_t i = 0; i < missing; i++)
        text[chars + i] = '=';
    if (chars == 0)
        return false;
    int decoded = EVP_DecodeBlock(out, text, (int)(chars + missing));
    if (decoded < 0)
        return false;
    *len = (size_t)decoded - missing;
    return true;
}

/* 0x hex, 0s Base64, else as it is. out: room for text.len octets. */
static bool decode(struct span text, uint8_t *out, size_t *len)
{
    struct reader r = reader_of(text);
    bool is_coded = text.len > 2 && text.at[0] == '0';
    if (is_coded && (text.at[1] == 'x' || text.at[1] == 'X')) {
        take(&r, 2);
        return decode_hex(&r, out, len);
    }
    if (is_coded && (text.at[1] == 's' || text.at[1] == 'S')) {
        take(&r, 2);
        uint8_t *scratch = malloc(text.len + 4);
        bool ok = scratch != NULL && decode_base64(&r, scratch, out, len);
        if (scratch != NULL)
            secret_wipe(scratch, text.len + 4);
        free(scratch);
        return ok;
    }
    memcpy(out, text.at, text.len);
    *len = text.len;
    return true;
}

static struct psk *psk_new(const char *id, size_t owners_max, struct findings *found)
{
    struct psk *p = calloc(1, sizeof *p);
    if (p == NULL || !arena_init_small(&p->arena, 512)) {
        findings_add(found, CAUSE_RES_MEMORY);
        free(p);
        return NULL;
    }
    atomic_init(&p->refs, 1);
    struct span name = span_text(id);
    p->id = arena_alloc(&p->arena, name.len + 1);
    if (p->id != NULL && name.len > 0)
        memcpy(p->id, name.at, name.len);
    p->owners = arena_array(&p->arena, owners_max + 1, sizeof *p->owners);
    if (p->id != NULL && p->owners != NULL)
        return p;
    findings_add(found, CAUSE_RES_MEMORY);
    policy_psk_unref(p);
    return NULL;
}

static uint8_t *secret_room(struct psk *p, size_t size)
{
    uint8_t *room = malloc(size == 0 ? 1 : size);
    p->secret = (struct span){room, 0};
    return room;
}

static void warn_if_weak(struct psk *p, struct findings *found, const char *param,
                         const char *place)
{
    if (p->secret.len >= WEAK_BELOW)
        return;
    struct finding *f = findings_add(found, CAUSE_CONF_WEAK_PSK);
    f->param = param;
    f->expected = "at least 20 random characters";
    f->seen = arena_text(found->arena, "%s: %zu octets", place, p->secret.len);
}

static bool add_owner(struct psk *p, struct span text, const char **why)
{
    bool ok = policy_parse_identity(text, &p->arena, &p->owners[p->owner_count], why);
    if (ok)
        p->owner_count++;
    return ok;
}

static bool is_id_key(const char *name)
{
    return strncmp(name, "id", 2) == 0;
}

static void read_secret(struct place *p, const struct setting *s, struct psk *psk)
{
    struct arena *a = p->found->arena;
    size_t len = 0, size = s->value.len + 4; /* EVP_DecodeBlock writes padding too */
    if (s->is_list || s->value.len == 0 || s->value.len > SECRET_SIZE_MAX) {
        policy_report_setting(p, CAUSE_CONF_BAD_VALUE, s, "", s->value.len == 0 ? " (empty)" : "");
        return;
    }
    uint8_t *room = secret_room(psk, size);
    if (room == NULL) {
        findings_add(p->found, CAUSE_RES_MEMORY);
        p->failed = true;
        return;
    }
    if (!decode(s->value, room, &len) || len == 0) {
        secret_wipe(room, size);
        policy_report_setting(p, CAUSE_CONF_BAD_VALUE, s, "",
                              s->value.at[1] == 'x' || s->value.at[1] == 'X'
                                  ? " (not hex digits in pairs behind 0x)"
                                  : " (not Base64 behind 0s)");
        return;
    }
    psk->secret.len = len;
    warn_if_weak(psk, p->found, policy_join_path(a, p->path, s->name),
                 settings_place(a, s->file, s->line));
}

static void read_owner(struct place *p, const struct setting *s, struct psk *psk)
{
    static const char expected[] = "an identity: an address, a name, an e-mail address or a DN";
    const char *why = "";
    struct arena *a = p->found->arena;
    if (s->is_list)
        policy_report_setting(p, CAUSE_CONF_BAD_VALUE, s, expected, " (a list)");
    else if (psk->owner_count == OWNERS_MAX)
        policy_report_setting(p, CAUSE_CONF_BAD_VALUE, s, "at most 1000 owners", "");
    else if (s->value.len == 0)
        policy_report_setting(p, CAUSE_CONF_ODD_VALUE, s, expected, " (empty, left out)");
    else if (!add_owner(psk, s->value, &why))
        policy_report_setting(p, CAUSE_CONF_BAD_VALUE, s, expected, arena_text(a, " (%s)", why));
}

struct psk *policy_psk_new(const struct section *s, struct findings *found)
{
    size_t owners = 0;
    for (const struct setting *each = s->settings; each != NULL; each = each->next)
        owners += is_id_key(each->name) && owners < OWNERS_MAX ? 1 : 0;
    struct psk *psk = psk_new(s->name, owners, found);
    if (psk == NULL)
        return NULL;
    struct place p = {.found = found,
                      .scope = "secrets.ike<suffix>",
                      .path = policy_join_path(found->arena, "secrets", s->name)};
    for (const struct setting *each = s->settings; each != NULL; each = each->next) {
        /* Only an owner is no secret; a misspelt "secret" is one. */
        p.is_secret = !is_id_key(each->name);
        if (!policy_wants_setting(&p, each))
            continue;
        if (is_id_key(each->name))
            read_owner(&p, each, psk);
        else
            read_secret(&p, each, psk);
    }
    for (const struct section *each = s->sections; each != NULL; each = each->next)
        policy_wants_section(&p, each);
    if (settings_find(s, "secret") == NULL)
        policy_report_missing(&p, CAUSE_CONF_BAD_VALUE, s, "secret",
                              "text, 0x and hex digits, or 0s and Base64", "not set");
    if (arena_is_exhausted(&psk->arena)) {
        findings_add(found, CAUSE_RES_MEMORY);
        p.failed = true;
    }
    if (!p.failed)
        return psk;
    policy_psk_unref(psk);
    return NULL;
}

struct psk *policy_psk_from(const char *id, struct span data, const struct span *owners,
                            size_t owner_count, struct findings *found)
{
    struct arena *a = found->arena;
    const char *path = policy_join_path(a, "secrets", id == NULL || id[0] == '\0' ? "ike" : id);
    if (data.len == 0 || data.len > SECRET_SIZE_MAX || owner_count > OWNERS_MAX) {
        struct finding *f = findings_add(found, CAUSE_CONF_BAD_VALUE);
        bool is_data = owner_count <= OWNERS_MAX;
        f->param = policy_join_path(a, path, is_data ? "secret" : "id");
        f->expected = is_data ? "1 to 65535 octets" : "at most 1000 owners";
        f->seen = arena_text(a, "vici: %zu", is_data ? data.len : owner_count);
        return NULL;
    }
    struct psk *psk = psk_new(id == NULL ? "" : id, owner_count, found);
    if (psk == NULL)
        return NULL;
    bool failed = false;
    for (size_t i = 0; i < owner_count; i++) {
        const char *why = "";
        if (owners[i].len == 0 || add_owner(psk, owners[i], &why))
            continue;
        struct finding *f = findings_add(found, CAUSE_CONF_BAD_VALUE);
        f->param = policy_join_path(a, path, "id");
        f->expected = "an identity: an address, a name, an e-mail address or a DN";
        f->seen = arena_text(a, "vici: owners = %s (%s)", arena_escape(a, owners[i], 200), why);
        failed = true;
    }
    uint8_t *room = failed ? NULL : secret_room(psk, data.len);
    if (room == NULL || arena_is_exhausted(&psk->arena)) {
        if (!failed)
            findings_add(found, CAUSE_RES_MEMORY);
        policy_psk_unref(psk);
        return NULL;
    }
    memcpy(room, data.at, data.len);
    psk->secret.len = data.len;
    warn_if_weak(psk, found, policy_join_path(a, path, "secret"), "vici");
    return psk;
}

struct psk *policy_psk_ref(struct psk *p)
{
    atomic_fetch_add_explicit(&p->refs, 1, memory_order_relaxed);
    return p;
}

void policy_psk_unref(struct psk *p)
{
    if (p == NULL || atomic_fetch_sub_explicit(&p->refs, 1, memory_order_acq_rel) != 1)
        return;
    void *secret;
    memcpy(&secret, &p->secret.at, sizeof secret);
    if (secret != NULL)
        secret_wipe(secret, p->secret.len);
    free(secret);
    arena_clear(&p->arena);
    free(p);
}

static unsigned best_owner(const struct psk *p, const struct identity *id)
{
    static const struct identity any = {0};
    const unsigned most = (1U << PSK_FIT_BITS) - 1;
    unsigned best = p->owner_count == 0 ? policy_identity_match(id, &any) : 0;
    for (size_t i = 0; i < p->owner_count; i++) {
        unsigned fit = policy_identity_match(id, &p->owners[i]);
        if (fit > best)
            best = fit;
    }
    return best > most ? most : best;
}

unsigned policy_psk_fits(const struct psk *p, const struct identity *local,
                         const struct identity *remote)
{
    return best_owner(p, remote) << PSK_FIT_BITS | best_owner(p, local);
}
