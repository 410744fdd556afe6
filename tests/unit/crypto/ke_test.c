#include "crypto/group.h"
#include "vectors.h"
#include "wire/numbers.h"

static struct arena arena;

static const uint16_t all_groups[] = {
    KE_MODP_1024,        KE_MODP_1536,       KE_MODP_2048, KE_MODP_3072,
    KE_MODP_4096,        KE_MODP_6144,       KE_MODP_8192, KE_MODP_1024_160,
    KE_MODP_2048_224,    KE_MODP_2048_256,   KE_ECP_256,   KE_ECP_384,
    KE_ECP_521,          KE_CURVE25519,      KE_CURVE448,  KE_BRAINPOOL_P256R1,
    KE_BRAINPOOL_P384R1, KE_BRAINPOOL_P512R1};
enum { GROUP_COUNT = sizeof all_groups / sizeof all_groups[0], PUBLIC_MAX = 1024 };

static int set_up(void **state)
{
    (void)state;
    return arena_init(&arena) && crypto_init() ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    arena_clear(&arena);
    return 0;
}

static struct rng *seeded(uint8_t n)
{
    uint8_t seed[RNG_SEED_SIZE] = {n};
    struct rng *r = rng_new(seed);
    assert_non_null(r);
    return r;
}

static const struct group_row *row_of(uint16_t id)
{
    return (const struct group_row *)crypto_ke(id);
}

static void both_sides_of_every_group_agree(void **state)
{
    (void)state;
    struct rng *r = seeded(1);
    for (size_t i = 0; i < GROUP_COUNT; i++) {
        const struct ke *k = crypto_ke(all_groups[i]);
        assert_non_null(k);
        assert_true(k->public_len <= PUBLIC_MAX && k->shared_len <= BIG_SECRET_MAX);
        uint8_t public_a[PUBLIC_MAX], public_b[PUBLIC_MAX];
        struct big_secret ab, ba;
        const char *why;
        struct ke_pair *a = crypto_ke_new(k, r, public_a), *b = crypto_ke_new(k, r, public_b);
        assert_non_null(a);
        assert_non_null(b);
        assert_memory_not_equal(public_a, public_b, k->public_len);
        assert_true(crypto_ke_shared(a, span_of(public_b, k->public_len), &ab, &why));
        assert_true(crypto_ke_shared(b, span_of(public_a, k->public_len), &ba, &why));
        assert_int_equal(ab.len, k->shared_len);
        assert_span_equal(big_secret_span(&ab), big_secret_span(&ba));
        crypto_ke_free(a);
        crypto_ke_free(b);
    }
    rng_free(r);
}

static void the_same_seed_gives_the_same_public_value(void **state)
{
    (void)state;
    for (size_t i = 0; i < GROUP_COUNT; i++) {
        const struct ke *k = crypto_ke(all_groups[i]);
        uint8_t out[3][PUBLIC_MAX];
        for (uint8_t n = 0; n < 3; n++) {
            struct rng *r = seeded(n == 2 ? 8 : 7);
            struct ke_pair *pair = crypto_ke_new(k, r, out[n]);
            assert_non_null(pair);
            crypto_ke_free(pair);
            rng_free(r);
        }
        assert_memory_equal(out[0], out[1], k->public_len);
        assert_memory_not_equal(out[0], out[2], k->public_len);
    }
}

/* A pair with the vector's private value: made as usual, then the private value is replaced. */
static struct ke_pair *pair_with(uint16_t id, struct span private)
{
    const struct group_row *row = row_of(id);
    uint8_t ignored[PUBLIC_MAX];
    struct rng *r = seeded(3);
    struct ke_pair *pair = crypto_ke_new(&row->pub, r, ignored);
    rng_free(r);
    assert_non_null(pair);
    if (row->kind == GROUP_X) {
        EVP_PKEY_free(pair->key);
        pair->key = EVP_PKEY_new_raw_private_key(row->nid, NULL, private.at, private.len);
        assert_non_null(pair->key);
    } else {
        assert_int_equal(pair->private_len, private.len);
        memcpy(pair->private, private.at, private.len);
    }
    return pair;
}

static void the_published_exchanges_come_out(void **state)
{
    (void)state;
    json_t *all = vectors_load("crypto-rfc.json");
    size_t i;
    json_t *v;
    json_array_foreach(json_object_get(all, "key-exchange"), i, v)
    {
        const char *why;
        struct big_secret shared;
        uint16_t id = vector_number(v, "group");
        struct span want = vector_octets(&arena, v, "shared");
        struct ke_pair *a = pair_with(id, vector_octets(&arena, v, "private_i"));
        struct ke_pair *b = pair_with(id, vector_octets(&arena, v, "private_r"));
        assert_true(crypto_ke_shared(a, vector_octets(&arena, v, "public_r"), &shared, &why));
        assert_span_equal(big_secret_span(&shared), want);
        assert_true(crypto_ke_shared(b, vector_octets(&arena, v, "public_i"), &shared, &why));
        assert_span_equal(big_secret_span(&shared), want);
        crypto_ke_free(a);
        crypto_ke_free(b);
    }
    assert_int_equal(i, 11);
    json_decref(all);
}

static void refuses(struct ke_pair *pair, const uint8_t *at, size_t len, const char *text)
{
    struct big_secret shared;
    const char *why = NULL;
    memset(&shared, 0xaa, sizeof shared);
    assert_false(crypto_ke_shared(pair, span_of(at, len), &shared, &why));
    assert_string_equal(why, text);
    assert_int_equal(shared.len, 0);
    assert_int_equal(shared.bytes[0], 0);
}

static void a_public_value_of_another_length_is_refused(void **state)
{
    (void)state;
    struct rng *r = seeded(4);
    for (size_t i = 0; i < GROUP_COUNT; i++) {
        const struct ke *k = crypto_ke(all_groups[i]);
        const char *text = "the public value does not have the length of its group";
        uint8_t public[PUBLIC_MAX + 1] = {0};
        struct ke_pair *pair = crypto_ke_new(k, r, public);
        refuses(pair, public, k->public_len - 1U, text);
        refuses(pair, public, k->public_len + 1U, text);
        refuses(pair, public, 0, text);
        refuses(pair, NULL, 0, text);
        crypto_ke_free(pair);
    }
    rng_free(r);
}

static void modp_values_out_of_range_are_refused(void **state)
{
    (void)state;
    const char *text = "the public value is not between 2 and p-2"; /* RFC 6989 2.1 */
    struct rng *r = seeded(5);
    for (size_t i = 0; i < GROUP_COUNT; i++) {
        const struct group_row *row = row_of(all_groups[i]);
        if (row->kind != GROUP_MODP)
            continue;
        size_t len = row->pub.public_len;
        uint8_t y[PUBLIC_MAX];
        struct ke_pair *pair = crypto_ke_new(&row->pub, r, y);
        BIGNUM *n = BN_dup(pair->group->p);
        memset(y, 0, len);
        refuses(pair, y, len, text); /* 0 */
        y[len - 1] = 1;
        refuses(pair, y, len, text);
        assert_int_equal(BN_bn2binpad(n, y, (int)len), len);
        refuses(pair, y, len, text); /* p */
        assert_int_equal(BN_sub_word(n, 1), 1);
        BN_bn2binpad(n, y, (int)len);
        refuses(pair, y, len, text); /* p - 1 */
        memset(y, 0xff, len);
        refuses(pair, y, len, text);
        BN_free(n);
        crypto_ke_free(pair);
    }
    rng_free(r);
}

static void modp_values_outside_the_subgroup_are_refused(void **state)
{
    (void)state;
    static const uint16_t ids[] = {KE_MODP_1024_160, KE_MODP_2048_224, KE_MODP_2048_256};
    struct rng *r = seeded(6);
    for (size_t i = 0; i < 3; i++) {
        const struct ke *k = crypto_ke(ids[i]);
        uint8_t y[PUBLIC_MAX];
        struct ke_pair *pair = crypto_ke_new(k, r, y);
        y[k->public_len - 1U] ^= 1; /* its chance to be in the subgroup is below 2^-800 */
        refuses(pair, y, k->public_len,
                "the public value is not in the group's subgroup of prime order");
        crypto_ke_free(pair);
    }
    rng_free(r);
}

static void points_off_the_curve_are_refused(void **state)
{
    (void)state;
    struct rng *r = seeded(7);
    for (size_t i = 0; i < GROUP_COUNT; i++) {
        const struct group_row *row = row_of(all_groups[i]);
        if (row->kind != GROUP_ECP)
            continue;
        size_t len = row->pub.public_len, half = len / 2;
        uint8_t point[PUBLIC_MAX];
        struct ke_pair *pair = crypto_ke_new(&row->pub, r, point);
        point[len - 1] ^= 1;
        refuses(pair, point, len, "the point is not on the curve");
        memset(point, 0, len);
        refuses(pair, point, len, "the point is not on the curve");

        const char *text = "a coordinate of the public value is not below the field's prime";
        BN_bn2binpad(pair->group->p, point, (int)half);
        refuses(pair, point, len, text); /* x = p, y = 0 */
        memset(point, 0, len);
        BN_bn2binpad(pair->group->p, point + half, (int)half);
        refuses(pair, point, len, text);
        memset(point, 0xff, len);
        refuses(pair, point, len, text);
        crypto_ke_free(pair);
    }
    rng_free(r);
}

static void points_of_small_order_are_refused(void **state)
{
    (void)state;
    static const uint16_t ids[] = {KE_CURVE25519, KE_CURVE448};
    /* RFC 7748 6.1, and the list of points of order 1, 2, 4, 8 that goes with curve25519 */
    static const char *const points[] = {
        "0000000000000000000000000000000000000000000000000000000000000000",
        "0100000000000000000000000000000000000000000000000000000000000000",
        "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
        "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
        "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f"};
    const char *text = "the public value is of small order: the shared value is zero";
    struct rng *r = seeded(8);
    for (size_t i = 0; i < 2; i++) {
        const struct ke *k = crypto_ke(ids[i]);
        uint8_t point[PUBLIC_MAX];
        struct ke_pair *pair = crypto_ke_new(k, r, point);
        memset(point, 0, k->public_len);
        refuses(pair, point, k->public_len, text);
        point[0] = 1;
        refuses(pair, point, k->public_len, text);
        for (size_t n = 0; i == 0 && n < sizeof points / sizeof points[0]; n++)
            refuses(pair, hex_octets(&arena, points[n]).at, k->public_len, text);
        crypto_ke_free(pair);
    }
    rng_free(r);
}

static void a_scalar_is_never_zero_nor_as_large_as_its_bound(void **state)
{
    (void)state;
    struct rng *r = seeded(9);
    BIGNUM *bound = BN_new();
    BN_set_word(bound, 5);
    unsigned seen[5] = {0};
    for (int i = 0; i < 400; i++) {
        BIGNUM *n = crypto_scalar(bound, r);
        assert_non_null(n);
        seen[BN_get_word(n)]++;
        BN_clear_free(n);
    }
    assert_int_equal(seen[0], 0);
    for (size_t i = 1; i < 5; i++)
        assert_true(seen[i] > 50);
    BN_free(bound);
    rng_free(r);
}

static void groups_that_are_not_served_have_no_row(void **state)
{
    (void)state;
    static const uint16_t ids[] = {0, KE_MODP_768, KE_ECP_192, KE_ECP_224, KE_ML_KEM_768, 65535};
    for (size_t i = 0; i < sizeof ids / sizeof ids[0]; i++)
        assert_null(crypto_ke(ids[i]));
    crypto_ke_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(both_sides_of_every_group_agree),
        cmocka_unit_test(the_same_seed_gives_the_same_public_value),
        cmocka_unit_test(the_published_exchanges_come_out),
        cmocka_unit_test(a_public_value_of_another_length_is_refused),
        cmocka_unit_test(modp_values_out_of_range_are_refused),
        cmocka_unit_test(modp_values_outside_the_subgroup_are_refused),
        cmocka_unit_test(points_off_the_curve_are_refused),
        cmocka_unit_test(points_of_small_order_are_refused),
        cmocka_unit_test(a_scalar_is_never_zero_nor_as_large_as_its_bound),
        cmocka_unit_test(groups_that_are_not_served_have_no_row),
    };
    return cmocka_run_group_tests_name("ke", tests, set_up, tear_down);
}
