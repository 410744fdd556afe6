#include "octets.h"

static const uint8_t two_selectors[] = {
    2,
    0,
    0,
    0, /* count */
    TS_IPV4_ADDR_RANGE,
    17,
    0,
    16,
    0,
    53,
    0,
    54,
    10,
    0,
    0,
    0,
    10,
    0,
    0,
    255, /* udp 53-54 */
    TS_IPV6_ADDR_RANGE,
    0,
    0,
    40,
    0,
    0,
    0xff,
    0xff, /* any */
    0x20,
    1,
    0xd,
    0xb8,
    0,
    0,
    0,
    0,
    0,
    0,
    0,
    0,
    0,
    0,
    0,
    0, /* from */
    0x20,
    1,
    0xd,
    0xb8,
    0,
    0,
    0,
    0,
    0,
    0,
    0,
    0,
    0,
    0,
    0,
    9, /* to */
};

static bool parses(struct span body)
{
    struct arena a = new_arena();
    struct ts_list list;
    bool ok = wire_parse_ts(body, &a, &list, NULL);
    arena_clear(&a);
    return ok;
}

static uint32_t fault_of(struct span body)
{
    struct arena a = new_arena();
    struct ts_list list;
    uint32_t at = 12345;
    assert_false(wire_parse_ts(body, &a, &list, &at));
    assert_int_equal(list.count, 0);
    arena_clear(&a);
    return at;
}

static void both_families_survive_the_round_trip(void **state)
{
    (void)state;
    struct span body = span_of(two_selectors, sizeof two_selectors);
    struct arena a = new_arena();
    struct ts_list list;
    assert_true(wire_parse_ts(body, &a, &list, NULL));
    assert_int_equal(list.count, 2);
    assert_int_equal(list.at[0].protocol, 17);
    assert_int_equal(list.at[0].port_from, 53);
    assert_int_equal(list.at[0].port_to, 54);
    assert_octets(list.at[0].from, OCTETS(10, 0, 0, 0));
    assert_octets(list.at[0].to, OCTETS(10, 0, 0, 255));
    assert_int_equal(list.at[1].type, TS_IPV6_ADDR_RANGE);
    assert_int_equal(list.at[1].port_to, 65535);
    assert_int_equal(list.at[1].to.at[15], 9);

    uint8_t room[sizeof two_selectors];
    struct writer w = writer_of(room, sizeof room);
    wire_write_ts(&w, &list);
    assert_false(w.full);
    assert_octets(writer_span(&w), body);
    arena_clear(&a);
}

static void a_selector_of_another_type_is_kept_whole(void **state)
{
    (void)state;
    struct span body = OCTETS(1, 0, 0, 0, TS_SECLABEL, 0, 0, 7, 'a', 'b', 'c');
    struct arena a = new_arena();
    struct ts_list list;
    assert_true(wire_parse_ts(body, &a, &list, NULL));
    assert_int_equal(list.at[0].type, TS_SECLABEL);
    assert_octets(list.at[0].raw, OCTETS(TS_SECLABEL, 0, 0, 7, 'a', 'b', 'c'));
    assert_int_equal(list.at[0].from.len, 0);

    uint8_t room[11];
    struct writer w = writer_of(room, sizeof room);
    wire_write_ts(&w, &list);
    assert_octets(writer_span(&w), body);
    arena_clear(&a);
}

static void every_cut_is_refused(void **state)
{
    (void)state;
    assert_cuts(span_of(two_selectors, sizeof two_selectors), sizeof two_selectors, parses);
}

static void the_fault_is_told_by_its_offset(void **state)
{
    (void)state;
    /* more selectors counted than there can be */
    assert_int_equal(fault_of(OCTETS(9, 0, 0, 0, TS_SECLABEL, 0, 0, 4)), 0);
    /* fewer counted than there are */
    assert_int_equal(fault_of(OCTETS(1, 0, 0, 0, TS_SECLABEL, 0, 0, 4, TS_SECLABEL, 0, 0, 4)), 8);
    /* a length that is no IPv4 range's: its field */
    assert_int_equal(fault_of(OCTETS(1, 0, 0, 0, TS_IPV4_ADDR_RANGE, 0, 0, 15, 0, 0, 0, 0, 0, 0, 0,
                                     0, 0, 0, 0, 0)),
                     6);
    assert_int_equal(fault_of(OCTETS(1, 0, 0, 0, TS_SECLABEL, 0, 0, 3)), 6);
    assert_int_equal(fault_of(OCTETS(1, 0, 0, 0, TS_SECLABEL, 0, 0, 0)), 6);
    assert_int_equal(fault_of(OCTETS(1, 0, 0, 0, TS_SECLABEL, 0, 0xff, 0xff)), 6);
}

static void a_list_of_256_makes_the_writer_full(void **state)
{
    (void)state;
    static struct ts many[256];
    static uint8_t room[8192];
    struct ts_list list = {many, 256};
    struct writer w = writer_of(room, sizeof room);
    wire_write_ts(&w, &list);
    assert_true(w.full);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(both_families_survive_the_round_trip),
        cmocka_unit_test(a_selector_of_another_type_is_kept_whole),
        cmocka_unit_test(every_cut_is_refused),
        cmocka_unit_test(the_fault_is_told_by_its_offset),
        cmocka_unit_test(a_list_of_256_makes_the_writer_full),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
