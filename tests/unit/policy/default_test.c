/* What "default" is, and whose defaults it meets.
 *
 * Each profile is compared both ways (we answer, we ask). A profile that offers something safe
 * must be met; those that offer nothing safe are listed by name, so that a change on either side
 * is seen here. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <jansson.h>

#include "finding/finding.h"
#include "policy/keywords.h"

#include "cases.h"

static struct arena arena;
static struct findings found;

static int set_up(void **state)
{
    (void)state;
    return arena_init(&arena) ? 0 : 1;
}

static int tear_down(void **state)
{
    (void)state;
    arena_clear(&arena);
    return 0;
}

static void add(struct proposals *p, const char *text, uint8_t protocol)
{
    found = (struct findings){.arena = &arena};
    if (!policy_parse_proposals(span_text(text), protocol, &arena, p, "", &found))
        fail_msg("%s cannot be read: %s", text, found.at[0].seen);
}

static struct proposals ours(uint8_t protocol)
{
    struct proposals p = {0};
    add(&p, "default", protocol);
    return p;
}

/* ---- what is safe, said here once more and on its own: RFC 8247, RFC 8221 ---- */

static bool is_safe(const struct transform *t)
{
    switch (t->type) {
    case TRANSFORM_ENCR:
        return t->id != ENCR_3DES && t->id != ENCR_DES && t->id != ENCR_NULL;
    case TRANSFORM_PRF:
        return t->id != PRF_HMAC_SHA1 && t->id != PRF_HMAC_MD5;
    case TRANSFORM_INTEG:
        return t->id != AUTH_HMAC_SHA1_96 && t->id != AUTH_HMAC_MD5_96;
    case TRANSFORM_KE:
        return t->id != KE_MODP_768 && t->id != KE_MODP_1024 && t->id != KE_MODP_1536 &&
               (t->id < KE_MODP_1024_160 || t->id > KE_MODP_2048_256);
    }
    return true;
}

/* Some proposal has something safe in each type that it has. */
static bool offers_something_safe(const struct proposals *p)
{
    for (size_t i = 0; i < p->count; i++) {
        uint32_t has = 0, safe = 0;
        for (size_t j = 0; j < p->at[i].transform_count; j++) {
            const struct transform *t = &p->at[i].transforms[j];
            has |= 1u << t->type;
            safe |= is_safe(t) ? 1u << t->type : 0;
        }
        if (has == safe)
            return true;
    }
    return false;
}

/* "" or how it fails. */
static const char *meets(const struct proposals *theirs, uint8_t protocol)
{
    struct proposals mine = ours(protocol);
    struct suite answered, asked;
    struct finding why;
    bool ke_matters = protocol == PROTOCOL_IKE;
    if (!policy_choose_proposal(theirs, &mine, protocol, ke_matters, 0,
                                CAUSE_IKE_NO_COMMON_PROPOSAL, &arena, &answered, &why))
        return why.nearest;
    if (!policy_choose_proposal(&mine, theirs, protocol, ke_matters, 0,
                                CAUSE_IKE_NO_COMMON_PROPOSAL, &arena, &asked, &why))
        return why.nearest;
    return "";
}

static void check_profile(const char *name, const struct proposals *theirs, uint8_t protocol,
                          const char *const *hopeless)
{
    bool is_listed = false;
    for (; *hopeless != NULL; hopeless++)
        is_listed |= strcmp(*hopeless, name) == 0;
    const char *why = meets(theirs, protocol);
    bool is_met = why[0] == '\0', is_safe_offer = offers_something_safe(theirs);
    print_message("%-44s %s\n", name, is_met ? "met" : why);
    if (is_met != is_safe_offer)
        fail_msg("%s %s something safe, and our default %s it", name,
                 is_safe_offer ? "offers" : "does not offer", is_met ? "meets" : "does not meet");
    if (is_met == is_listed)
        fail_msg("%s is %s the list of those that offer nothing safe", name,
                 is_listed ? "still on" : "not on");
}

/* ---- the profiles of data ---- */

static void check_client(const char *client, const char *const *hopeless)
{
    char path[512], name[128];
    snprintf(path, sizeof path, "%s/clients/%s.json", VECTORS_DIR, client);
    json_t *root = json_load_file(path, 0, NULL);
    assert_non_null(root);
    size_t i, j, checked = 0;
    json_t *profile, *text;
    json_array_foreach(json_object_get(root, "proposals"), i, profile)
    {
        const char *phase = json_string_value(json_object_get(profile, "phase"));
        json_t *texts = json_object_get(profile, "proposals");
        struct proposals theirs = {0};
        if (texts == NULL) /* "custom": what can be set, not what is sent */
            continue;
        uint8_t protocol = strncmp(phase, "esp", 3) == 0 ? PROTOCOL_ESP : PROTOCOL_IKE;
        json_array_foreach(texts, j, text) add(&theirs, json_string_value(text), protocol);
        snprintf(name, sizeof name, "%s/%s", client,
                 json_string_value(json_object_get(profile, "id")));
        check_profile(name, &theirs, protocol, hopeless);
        checked++;
    }
    json_decref(root);
    assert_true(checked > 0);
}

static void windows_is_met_where_it_offers_anything_safe(void **state)
{
    (void)state;
    static const char *const hopeless[] = {
        "windows/ike-default",   /* MODP-1024 only */
        "windows/ike-win11-gcm", /* MODP-1024 only */
        "windows/esp-default",   /* HMAC-SHA1 only */
        "windows/esp-maximum",   /* HMAC-SHA1 only */
        NULL,
    };
    check_client("windows", hopeless);
}

static void apple_is_met(void **state)
{
    (void)state;
    static const char *const none[] = {NULL};
    check_client("apple", none);
}

static void android_is_met(void **state)
{
    (void)state;
    static const char *const none[] = {NULL};
    check_client("android", none);
}

/* data/spec/default-proposals.tsv: one transform a line. */
static void strongswan_of_every_version_is_met(void **state)
{
    (void)state;
    static const char *const none[] = {NULL};
    FILE *f = open_spec("default-proposals.tsv");
    char line[1024], *column[11], name[160] = "", proposal[8] = "", text[2048] = "";
    uint8_t protocol = 0;
    struct proposals theirs = {0};
    size_t checked = 0;
    bool more = fgets(line, sizeof line, f) != NULL; /* the heading */
    while (more) {
        char next[160] = "";
        more = fgets(line, sizeof line, f) != NULL && columns_of(line, column, 11) == 11;
        if (more)
            snprintf(next, sizeof next, "strongSwan %s, %.40s: %s", column[0], column[1],
                     column[2]);
        bool ends_list = strcmp(next, name) != 0;
        if (text[0] != '\0' && (ends_list || strcmp(column[3], proposal) != 0)) {
            add(&theirs, text, protocol);
            text[0] = '\0';
        }
        if (ends_list && theirs.count > 0) {
            check_profile(name, &theirs, protocol, none);
            theirs = (struct proposals){0};
            checked++;
        }
        if (!more)
            break;
        memcpy(name, next, sizeof name);
        snprintf(proposal, sizeof proposal, "%s", column[3]);
        protocol = strcmp(column[2], "IKE") == 0   ? PROTOCOL_IKE
                   : strcmp(column[2], "ESP") == 0 ? PROTOCOL_ESP
                                                   : PROTOCOL_AH;
        size_t len = strlen(text);
        snprintf(text + len, sizeof text - len, "%s%s", len == 0 ? "" : "-", column[9]);
    }
    fclose(f);
    assert_int_equal(checked, 11);
}

static void check_texts(const char *name, const char *const *texts, uint8_t protocol)
{
    static const char *const none[] = {NULL};
    struct proposals theirs = {0};
    for (; *texts != NULL; texts++)
        add(&theirs, *texts, protocol);
    check_profile(name, &theirs, protocol, none);
}

/* As algparse printed them: github libreswan/libreswan#1558 (5.0), #815 (4.x, the same). */
static void libreswan_is_met(void **state)
{
    (void)state;
#define LIBRESWAN_IKE "-modp2048-modp3072-modp4096-modp8192-ecp256-ecp384-ecp521-x25519"
    static const char *const ike[] = {"aes256gcm16-prfsha512-prfsha256" LIBRESWAN_IKE,
                                      "aes128gcm16-prfsha512-prfsha256" LIBRESWAN_IKE,
                                      "aes256-sha512-sha256" LIBRESWAN_IKE,
                                      "aes128-sha512-sha256" LIBRESWAN_IKE, NULL};
    static const char *const esp[] = {"aes256gcm16", "aes128gcm16", "aes256-sha512-sha256",
                                      "aes128-sha512-sha256", NULL};
    check_texts("Libreswan 4 and 5: IKE", ike, PROTOCOL_IKE);
    check_texts("Libreswan 4 and 5: ESP", esp, PROTOCOL_ESP);
}

/* The first lists of iked's parse.y, of old and of present releases (one proposal each). */
static void openiked_is_met(void **state)
{
    (void)state;
    static const char *const old[] = {"aes256-aes192-aes128-3des-sha256-sha1-modp2048-modp1536-"
                                      "modp1024",
                                      NULL};
    static const char *const now[] = {"aes256-aes192-aes128-3des-sha256-sha384-sha512-sha1-x25519-"
                                      "ecp521-ecp384-ecp256-modp4096-modp3072-modp2048",
                                      NULL};
    static const char *const esp[] = {"aes256-aes192-aes128-sha256-sha1", NULL};
    check_texts("OpenIKED, old: IKE", old, PROTOCOL_IKE);
    check_texts("OpenIKED: IKE", now, PROTOCOL_IKE);
    check_texts("OpenIKED: ESP", esp, PROTOCOL_ESP);
}

/* ---- what it is ---- */

static void the_default_is_aead_then_classic(void **state)
{
    (void)state;
    struct proposals p = ours(PROTOCOL_IKE);
    assert_string_equal(
        policy_proposals_text(&p, &arena),
        "aes256gcm16-aes128gcm16-chacha20poly1305-prfsha256-prfsha384-prfsha512-x25519-ecp256-"
        "ecp384-modp3072-modp2048-modp4096, aes256-aes128-sha256-sha384-sha512-x25519-ecp256-"
        "ecp384-modp3072-modp2048-modp4096");
    assert_int_equal(found.count, 0);
    p = ours(PROTOCOL_ESP);
    assert_int_equal(p.count, 2);
    assert_int_equal(found.count, 0);
    p = (struct proposals){0};
    add(&p, "DEFAULT", PROTOCOL_ESP);
    assert_int_equal(p.count, 2);
}

static void nothing_in_the_default_is_unsafe(void **state)
{
    (void)state;
    static const uint8_t protocols[] = {PROTOCOL_IKE, PROTOCOL_ESP, PROTOCOL_AH};
    for (size_t k = 0; k < 3; k++) {
        struct proposals p = ours(protocols[k]);
        for (size_t i = 0; i < p.count; i++)
            for (size_t j = 0; j < p.at[i].transform_count; j++)
                assert_true(is_safe(&p.at[i].transforms[j]));
    }
}

static void our_first_message_stays_below_600_octets(void **state)
{
    (void)state;
    uint8_t room[2000];
    struct writer w = writer_of(room, sizeof room);
    struct proposals p = ours(PROTOCOL_IKE);
    wire_write_sa(&w, &p);
    assert_false(w.full);
    size_t ke = 4 + 4 + crypto_ke(policy_first_group(&p))->public_len, nonce = 4 + 32;
    size_t notifies = 2 * (8 + 20) + 8 + (8 + 8); /* NAT detection, fragmentation, hashes */
    assert_in_range(WIRE_HEADER_LEN + 4 + w.len + ke + nonce + notifies, 300, 599);
}

static void a_rekey_has_a_group_with_who_wants_one_and_none_with_who_does_not(void **state)
{
    (void)state;
    struct proposals mine = ours(PROTOCOL_ESP), with = {0}, without = {0};
    struct suite s;
    struct finding why;
    add(&with, "aes256-sha256-modp2048", PROTOCOL_ESP);
    add(&without, "aes256-sha256", PROTOCOL_ESP);
    assert_true(policy_choose_proposal(&with, &mine, PROTOCOL_ESP, true, 0,
                                       CAUSE_CHILD_NO_COMMON_PROPOSAL, &arena, &s, &why));
    assert_int_equal(s.ke, KE_MODP_2048);
    assert_true(policy_choose_proposal(&without, &mine, PROTOCOL_ESP, true, 0,
                                       CAUSE_CHILD_NO_COMMON_PROPOSAL, &arena, &s, &why));
    assert_int_equal(s.ke, KE_NONE);
    assert_false(s.esn);
    assert_true(policy_choose_proposal(&mine, &mine, PROTOCOL_ESP, true, 0,
                                       CAUSE_CHILD_NO_COMMON_PROPOSAL, &arena, &s, &why));
    assert_int_equal(s.ke, KE_CURVE25519);
    assert_true(s.esn);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        T(windows_is_met_where_it_offers_anything_safe),
        T(apple_is_met),
        T(android_is_met),
        T(strongswan_of_every_version_is_met),
        T(libreswan_is_met),
        T(openiked_is_met),
        T(the_default_is_aead_then_classic),
        T(nothing_in_the_default_is_unsafe),
        T(our_first_message_stays_below_600_octets),
        T(a_rekey_has_a_group_with_who_wants_one_and_none_with_who_does_not),
    };
    return cmocka_run_group_tests_name("default", tests, NULL, NULL);
}
