/* Connections and secrets by index, against the slow obvious twin that looks at all of them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "ike2/inside.h"

enum { CONNS = 24, PSKS = 16, ROUNDS = 60, CHANGES = 12, QUESTIONS = 60 };

static const char *const hosts[] = {"192.0.2.1",         "192.0.2.2",    "192.0.2.1, 192.0.2.3",
                                    "192.0.2.0/24",      "%any",         "peer.example",
                                    "other.example",     "198.51.100.7", "192.0.2.2-192.0.2.9",
                                    "192.0.2.1, a.test", "2001:db8::1",  "192.0.2.1,192.0.2.1"};
static const char *const ids[] = {"a.example",   "A.Example", "b.example",   "*.example",
                                  "%any",        "192.0.2.1", "me@example",  "*@example",
                                  "keyid:*star", "10.42.0.1", "C=CH, CN=x",  "C=CH, CN=*",
                                  "c=ch, cn=X",  "@#2a",      "192.0.2.0/24"};
static const char *const proposals[] = {"aes128gcm16-prfsha256-x25519",
                                        "aes256gcm16-prfsha384-x25519"};
#define PICK(list) list[rng_below(rng, sizeof list / sizeof *list)]

static struct rng *rng;

struct bed {
    struct world *w;
    struct arena arena;
};

static struct bed begin(void)
{
    static const uint8_t seed[RNG_SEED_SIZE];
    struct bed b = {calloc(1, sizeof *b.w), {0}};
    assert_non_null(b.w);
    assert_true(world_init(b.w, &(struct world_options){0}, seed) && arena_init(&b.arena));
    world_begin_step(b.w, (struct instant){1000000000}, 0);
    return b;
}

static void end(struct bed *b)
{
    world_end_step(b->w);
    world_clear(b->w);
    free(b->w);
    arena_clear(&b->arena);
}

static void load(struct bed *b, const char *text)
{
    struct section *root = NULL;
    struct finding why;
    struct config c = {0};
    struct findings found = {.arena = &b->arena};
    arena_reset(&b->arena);
    assert_true(settings_parse_text(span_text(text), "test", NULL, &b->arena, &root, &why));
    if (!policy_config_read(root, &b->arena, &c, &found))
        fail_msg("%s: %s", found.at[0].param, found.at[0].seen);
    for (size_t i = 0; i < c.conn_count; i++)
        assert_true(world_set_conn(b->w, c.conns[i]));
    for (size_t i = 0; i < c.psk_count; i++)
        assert_true(world_set_psk(b->w, c.psks[i]));
    policy_config_clear(&c);
}

/* Loads, loads anew or unloads one connection and one secret. */
static void change(struct bed *b)
{
    char text[1000], name[32];
    snprintf(name, sizeof name, "c%u", (unsigned)rng_below(rng, CONNS));
    if (rng_below(rng, 4) == 0)
        world_remove_conn(b->w, name);
    snprintf(
        text, sizeof text,
        "connections {\n c%u {\n version = %u\n remote_addrs = %s\n proposals = %s\n"
        " local {\n auth = psk\n id = \"%s\"\n }\n remote {\n auth = psk\n id = \"%s\"\n } } }\n",
        (unsigned)rng_below(rng, CONNS), (unsigned)rng_below(rng, 2) * 2, PICK(hosts),
        PICK(proposals), PICK(ids), PICK(ids));
    load(b, text);
    snprintf(name, sizeof name, "ike-%u", (unsigned)rng_below(rng, PSKS));
    if (rng_below(rng, 4) == 0)
        world_remove_psk(b->w, name);
    size_t at = (size_t)snprintf(text, sizeof text,
                                 "secrets {\n ike-%u {\n secret = long enough to be one\n",
                                 (unsigned)rng_below(rng, PSKS));
    for (unsigned i = 0, owners = (unsigned)rng_below(rng, 4); i < owners; i++)
        at += (size_t)snprintf(text + at, sizeof text - at, " id-%u = \"%s\"\n", i, PICK(ids));
    snprintf(text + at, sizeof text - at, " } }\n");
    load(b, text);
}

static struct identity identity(struct bed *b)
{
    struct identity id;
    const char *why;
    do
        assert_true(policy_parse_identity(span_text(PICK(ids)), &b->arena, &id, &why));
    while (policy_identity_is_pattern(&id));
    return id;
}

static struct address address(const char *text)
{
    struct address a;
    assert_true(address_parse(span_text(text), &a));
    return a;
}

static void a_secret_is_the_one_of_the_twin(struct bed *b)
{
    struct identity local = identity(b), remote = identity(b);
    const struct psk *best = NULL;
    unsigned best_fit = 0;
    for (size_t i = 0; i < b->w->psk_count; i++) {
        unsigned fit = policy_psk_fits(b->w->psks[i], &local, &remote);
        if (fit > best_fit) {
            best = b->w->psks[i];
            best_fit = fit;
        }
    }
    assert_ptr_equal(world_find_psk(b->w, &local, &remote), best);
}

static struct proposals parse(struct bed *b, const char *text)
{
    struct findings found = {.arena = &b->arena};
    struct proposals p = {0};
    assert_true(policy_parse_proposals(span_text(text), PROTOCOL_IKE, &b->arena, &p, "", &found));
    return p;
}

static bool takes(struct bed *b, const struct conn *c, const struct proposals *offer,
                  struct suite *suite)
{
    struct finding why;
    return policy_choose_proposal(offer, &c->proposals, PROTOCOL_IKE, true, 0,
                                  CAUSE_IKE_NO_COMMON_PROPOSAL, &b->arena, suite, &why);
}

/* The first of the most exact ones that takes the offer. */
static struct conn *slow_init(struct bed *b, const struct address *local,
                              const struct address *remote, const struct proposals *offer)
{
    struct conn *best = NULL;
    unsigned best_fit = 0;
    for (size_t i = 0; i < b->w->conn_count; i++) {
        struct conn *c = b->w->conns[i];
        struct suite suite;
        unsigned fit = policy_conn_fits(c, local, remote);
        if (fit > best_fit && takes(b, c, offer, &suite)) {
            best = c;
            best_fit = fit;
        }
    }
    return best;
}

static struct conn *fast_init(struct bed *b, const struct address *local,
                              const struct address *remote, const struct proposals *offer,
                              struct suite *suite)
{
    struct conn **list;
    size_t count = conf_by_address(b->w, local, remote, &list);
    for (size_t i = 0; i < count; i++)
        if (takes(b, list[i], offer, suite))
            return list[i];
    return NULL;
}

static struct conn *slow_choice(struct bed *b, const struct ike_sa *sa, const struct identity *idi,
                                const struct identity *idr, const struct proposals *offer)
{
    struct conn *best = NULL;
    uint64_t best_score = 0;
    for (size_t i = 0; i < b->w->conn_count; i++) {
        struct conn *c = b->w->conns[i];
        struct suite suite;
        uint64_t fit = policy_conn_fits(c, &sa->path.local, &sa->path.remote);
        uint64_t remote = policy_identity_match(idi, &c->remote.id);
        uint64_t local =
            idr == NULL || c->local.id.type == 0 ? 1 : policy_identity_match(idr, &c->local.id);
        uint64_t score = remote << 48 | local << 32 | fit;
        if (fit == 0 || remote == 0 || local == 0 || !takes(b, c, offer, &suite))
            continue;
        if (score > best_score) {
            best = c;
            best_score = score;
        }
    }
    return best;
}

static void a_connection_is_the_one_of_the_twin(struct bed *b)
{
    static const char *const froms[] = {"192.0.2.1",  "192.0.2.2",    "192.0.2.3",
                                        "192.0.2.77", "198.51.100.7", "2001:db8::1"};
    struct address remote = address(PICK(froms)),
                   local = address(remote.family == FAMILY_V4 ? "192.0.2.250" : "2001:db8::2");
    struct proposals offer = parse(b, PICK(proposals));
    struct ike_sa sa = {.path = {local, remote, false}};
    sa.conn = fast_init(b, &local, &remote, &offer, &sa.suite);
    assert_ptr_equal(sa.conn, slow_init(b, &local, &remote, &offer));
    if (sa.conn == NULL)
        return;
    struct identity idi = identity(b), idr = identity(b);
    const struct identity *asked = rng_below(rng, 2) == 0 ? NULL : &idr;
    struct conn_choice choice = {0};
    struct finding why;
    struct message m = {0};
    struct conn *expected = slow_choice(b, &sa, &idi, asked, &offer);
    bool found = conn_choose(b->w, &sa, &m, &idi, asked, &choice, &why);
    assert_ptr_equal(found ? choice.conn : NULL, expected);
}

static void what_is_found_by_index_is_what_a_walk_over_all_finds(void **state)
{
    (void)state;
    uint8_t seed[RNG_SEED_SIZE] = {7};
    rng = rng_new(seed);
    for (unsigned round = 0; round < ROUNDS; round++) {
        struct bed b = begin();
        for (unsigned i = 0; i < CHANGES; i++) {
            change(&b);
            change(&b);
            for (unsigned k = 0; k < QUESTIONS / CHANGES; k++) {
                a_secret_is_the_one_of_the_twin(&b);
                a_connection_is_the_one_of_the_twin(&b);
            }
            world_end_step(b.w);
            world_begin_step(b.w, (struct instant){1000000000}, 0);
        }
        end(&b);
    }
    rng_free(rng);
}

static void equal_identities_have_one_key_and_only_they(void **state)
{
    (void)state;
    struct bed b = begin();
    size_t count = sizeof ids / sizeof *ids;
    for (size_t i = 0; i < count; i++)
        for (size_t k = 0; k < count; k++) {
            struct identity x, y;
            const char *why;
            assert_true(policy_parse_identity(span_text(ids[i]), &b.arena, &x, &why));
            assert_true(policy_parse_identity(span_text(ids[k]), &b.arena, &y, &why));
            struct span x_key = policy_identity_key(&x, &b.arena);
            struct span y_key = policy_identity_key(&y, &b.arena);
            if (span_equal(x_key, y_key) != policy_identity_equal(&x, &y))
                fail_msg("%s and %s", ids[i], ids[k]);
        }
    end(&b);
}

static void a_star_is_a_wildcard_only_where_one_may_stand(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool is_pattern;
    } rows[] = {{"%any", true},          {"*.example", true},    {"*@example", true},
                {"C=CH, CN=*", true},    {"10.0.0.0/8", true},   {"10.0.0.1-10.0.0.9", true},
                {"a.example", false},    {"10.42.0.1", false},   {"keyid:*", false},
                {"@#2a", false},         {"C=CH, CN=x*", false}, {"a*.example", false},
                {"me@*.example", false}, {"2a2a::2a2a", false}};
    struct bed b = begin();
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct identity id;
        const char *why;
        assert_true(policy_parse_identity(span_text(rows[i].text), &b.arena, &id, &why));
        if (policy_identity_is_pattern(&id) != rows[i].is_pattern)
            fail_msg("%s", rows[i].text);
    }
    end(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_found_by_index_is_what_a_walk_over_all_finds),
        cmocka_unit_test(equal_identities_have_one_key_and_only_they),
        cmocka_unit_test(a_star_is_a_wildcard_only_where_one_may_stand),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
