#include "octets.h"

/* Two ESP proposals, RFC 7296 3.3: AES-GCM-16 with 256 bits and no ESN; AES-CBC 128, SHA-256, ESN.
 */
static const uint8_t two_proposals[] = {
    2,
    0,
    0,
    32,
    1,
    PROTOCOL_ESP,
    4,
    2,
    0xc0,
    1,
    2,
    3, /* 0 */
    3,
    0,
    0,
    12,
    TRANSFORM_ENCR,
    0,
    0,
    ENCR_AES_GCM_16,
    0x80,
    14,
    1,
    0, /* 12 */
    0,
    0,
    0,
    8,
    TRANSFORM_SN,
    0,
    0,
    0, /* 24 */
    0,
    0,
    0,
    40,
    2,
    PROTOCOL_ESP,
    4,
    3,
    0xc0,
    1,
    2,
    3, /* 32 */
    3,
    0,
    0,
    12,
    TRANSFORM_ENCR,
    0,
    0,
    ENCR_AES_CBC,
    0x80,
    14,
    0,
    128, /* 44 */
    3,
    0,
    0,
    8,
    TRANSFORM_INTEG,
    0,
    0,
    AUTH_HMAC_SHA2_256_128, /* 56 */
    0,
    0,
    0,
    8,
    TRANSFORM_SN,
    0,
    0,
    1, /* 64 */
};

static bool parses(struct span body)
{
    struct arena a = new_arena();
    struct proposals p;
    bool ok = wire_parse_sa(body, &a, &p, NULL);
    arena_clear(&a);
    return ok;
}

/* The offset of the fault in two_proposals with one octet changed; 0xffff: no fault. */
static uint32_t fault_with(size_t at, uint8_t value)
{
    struct arena a = new_arena();
    struct proposals p;
    uint32_t fault = 0xffff;
    struct span body =
        heap_copy(span_of(two_proposals, sizeof two_proposals), sizeof two_proposals);
    ((uint8_t *)(uintptr_t)body.at)[at] = value;
    if (!wire_parse_sa(body, &a, &p, &fault))
        assert_int_equal(p.count, 0);
    else
        fault = 0xffff;
    heap_free(body);
    arena_clear(&a);
    return fault;
}

static void proposals_survive_the_round_trip(void **state)
{
    (void)state;
    struct span body = span_of(two_proposals, sizeof two_proposals);
    struct arena a = new_arena();
    struct proposals p;
    assert_true(wire_parse_sa(body, &a, &p, NULL));
    assert_int_equal(p.count, 2);
    assert_int_equal(p.at[0].number, 1);
    assert_int_equal(p.at[0].protocol, PROTOCOL_ESP);
    assert_octets(p.at[0].spi, OCTETS(0xc0, 1, 2, 3));
    assert_int_equal(p.at[0].transform_count, 2);
    assert_int_equal(p.at[0].transforms[0].type, TRANSFORM_ENCR);
    assert_int_equal(p.at[0].transforms[0].id, ENCR_AES_GCM_16);
    assert_int_equal(p.at[0].transforms[0].key_bits, 256);
    assert_false(p.at[0].transforms[0].is_odd);
    assert_int_equal(p.at[0].transforms[1].id, SN_32_BIT_SEQUENTIAL);
    assert_int_equal(p.at[1].number, 2);
    assert_int_equal(p.at[1].transform_count, 3);
    assert_int_equal(p.at[1].transforms[1].id, AUTH_HMAC_SHA2_256_128);
    assert_int_equal(p.at[1].transforms[1].key_bits, 0);

    uint8_t room[sizeof two_proposals];
    struct writer w = writer_of(room, sizeof room);
    wire_write_sa(&w, &p);
    assert_false(w.full);
    assert_octets(writer_span(&w), body);
    arena_clear(&a);
}

static void every_cut_is_refused(void **state)
{
    (void)state;
    assert_cuts(span_of(two_proposals, sizeof two_proposals), sizeof two_proposals, parses);
}

static void reserved_octets_are_ignored(void **state)
{
    (void)state;
    const size_t reserved[] = {1, 13, 17, 25, 29, 33};
    for (size_t i = 0; i < sizeof reserved / sizeof reserved[0]; i++)
        assert_int_equal(fault_with(reserved[i], 0xff), 0xffff);
}

static void the_last_markers_must_be_right(void **state)
{
    (void)state;
    assert_int_equal(fault_with(0, 0), 0);   /* last proposal, but another follows */
    assert_int_equal(fault_with(32, 2), 32); /* more proposals, but none follows */
    assert_int_equal(fault_with(0, 3), 0);
    assert_int_equal(fault_with(12, 0), 12); /* the same for transforms */
    assert_int_equal(fault_with(24, 3), 24);
    assert_int_equal(fault_with(24, 2), 24);
}

static void lengths_and_counts_must_agree(void **state)
{
    (void)state;
    assert_int_equal(fault_with(3, 3), 2);   /* shorter than what it counts */
    assert_int_equal(fault_with(2, 1), 2);   /* past the end */
    assert_int_equal(fault_with(7, 255), 7); /* more transforms than can be */
    assert_int_equal(fault_with(7, 1), 12);  /* the first transform is then not the last */
    assert_int_equal(fault_with(7, 0), 12);  /* octets behind no transform */
    assert_int_equal(fault_with(15, 7), 14); /* transform shorter than its header */
    assert_int_equal(fault_with(15, 200), 14);
    assert_int_equal(fault_with(15, 10), 22); /* half an attribute */
}

static void an_spi_has_0_4_or_8_octets(void **state)
{
    (void)state;
    assert_int_equal(fault_with(6, 5), 6);
    assert_int_equal(fault_with(6, 16), 6);
    assert_int_equal(fault_with(6, 255), 6);
    const uint8_t with_spi[] = {0, 0, 0, 24, 1, PROTOCOL_IKE, 8, 1, 1, 2, 3, 4, 5, 6, 7, 8, 0, 0, 0,
                                8, 2, 0, 0,  5};
    assert_true(parses(span_of(with_spi, sizeof with_spi)));
}

/* A proposal that ends before its SPI does. */
static void an_spi_past_the_proposal_is_refused(void **state)
{
    (void)state;
    assert_false(parses(OCTETS(0, 0, 0, 10, 1, PROTOCOL_ESP, 4, 0, 1, 2)));
}

static void proposal_numbers_ascend_from_1(void **state)
{
    (void)state;
    assert_int_equal(fault_with(4, 0), 4);
    assert_int_equal(fault_with(36, 1), 36); /* a double */
    assert_int_equal(fault_with(4, 2), 36);
    assert_int_equal(fault_with(36, 9), 0xffff); /* a gap does no harm */
}

static void an_empty_body_is_refused(void **state)
{
    (void)state;
    struct arena a = new_arena();
    struct proposals p;
    uint32_t at = 9;
    assert_false(wire_parse_sa((struct span){NULL, 0}, &a, &p, &at));
    assert_int_equal(at, 0);
    arena_clear(&a);
}

/* One proposal with one transform that has these attributes. */
static struct transform transform_with(uint8_t type, struct span attributes)
{
    uint8_t room[64];
    struct writer w = writer_of(room, sizeof room);
    put_u16(&w, 0);
    put_u16(&w, (uint16_t)(16 + attributes.len));
    put_span(&w, OCTETS(1, PROTOCOL_IKE, 0, 1));
    put_u16(&w, 0);
    put_u16(&w, (uint16_t)(8 + attributes.len));
    put_span(&w, OCTETS(type, 0, 0, 12));
    put_span(&w, attributes);

    struct arena a = new_arena();
    struct proposals p;
    assert_true(wire_parse_sa(writer_span(&w), &a, &p, NULL));
    struct transform t = p.at[0].transforms[0];
    arena_clear(&a);
    return t;
}

static void an_unknown_attribute_spoils_the_transform_not_the_message(void **state)
{
    (void)state;
    struct transform t = transform_with(TRANSFORM_ENCR, OCTETS(0x80, 15, 0, 1, 0x80, 14, 0, 128));
    assert_true(t.is_odd);
    assert_int_equal(t.key_bits, 128);
    /* in the long form, with and without a value */
    assert_true(transform_with(TRANSFORM_ENCR, OCTETS(0, 99, 0, 3, 'a', 'b', 'c')).is_odd);
    assert_true(transform_with(TRANSFORM_ENCR, OCTETS(0, 99, 0, 0)).is_odd);
}

static void a_key_length_counts_only_where_the_rfc_allows_it(void **state)
{
    (void)state;
    assert_false(transform_with(TRANSFORM_ENCR, OCTETS(0x80, 14, 0, 192)).is_odd);
    assert_int_equal(transform_with(TRANSFORM_ENCR, OCTETS(0x80, 14, 0, 192)).key_bits, 192);
    assert_true(transform_with(TRANSFORM_PRF, OCTETS(0x80, 14, 1, 0)).is_odd);
    assert_true(transform_with(TRANSFORM_ENCR, OCTETS(0, 14, 0, 2, 0, 128)).is_odd);
    assert_true(transform_with(TRANSFORM_ENCR, OCTETS(0x80, 14, 0, 0)).is_odd);
    assert_true(transform_with(TRANSFORM_ENCR, OCTETS(0x80, 14, 0, 128, 0x80, 14, 1, 0)).is_odd);
}

static void a_list_that_cannot_be_counted_makes_the_writer_full(void **state)
{
    (void)state;
    static struct transform many[256];
    static uint8_t room[8192];
    struct proposal p = {1, PROTOCOL_IKE, {NULL, 0}, many, 256};
    struct proposals list = {&p, 1};
    struct writer w = writer_of(room, sizeof room);
    wire_write_sa(&w, &list);
    assert_true(w.full);
    p.transform_count = 255;
    w = writer_of(room, sizeof room);
    wire_write_sa(&w, &list);
    assert_false(w.full);
    assert_true(parses(writer_span(&w)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(proposals_survive_the_round_trip),
        cmocka_unit_test(every_cut_is_refused),
        cmocka_unit_test(reserved_octets_are_ignored),
        cmocka_unit_test(the_last_markers_must_be_right),
        cmocka_unit_test(lengths_and_counts_must_agree),
        cmocka_unit_test(an_spi_has_0_4_or_8_octets),
        cmocka_unit_test(an_spi_past_the_proposal_is_refused),
        cmocka_unit_test(proposal_numbers_ascend_from_1),
        cmocka_unit_test(an_empty_body_is_refused),
        cmocka_unit_test(an_unknown_attribute_spoils_the_transform_not_the_message),
        cmocka_unit_test(a_key_length_counts_only_where_the_rfc_allows_it),
        cmocka_unit_test(a_list_that_cannot_be_counted_makes_the_writer_full),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
