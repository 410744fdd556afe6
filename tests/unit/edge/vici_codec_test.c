#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/rng.h"
#include "edge/vici_codec.h"

/* load-conn as swanctl 5.9.8 sends it: in each section first keys and lists, then sections. */
static const uint8_t load_conn[] = "\x01\x03rw1"
                                   "\x03\x07version\x00\x01"
                                   "2"
                                   "\x04\x0blocal_addrs\x05\x00\x0a"
                                   "10.99.0.12\x06"
                                   "\x04\x09proposals\x05\x00\x16"
                                   "aes128-sha256-modp2048\x05\x00\x07"
                                   "default\x06"
                                   "\x01\x05local\x03\x04"
                                   "auth\x00\x03psk\x02"
                                   "\x01\x08"
                                   "children\x01\x03net\x04\x08local_ts\x06\x02\x02"
                                   "\x02";

static struct span message(void)
{
    return span_of(load_conn, sizeof load_conn - 1);
}

static const struct section *parse(struct span s, struct arena *a)
{
    const struct section *root;
    const char *why = NULL;
    bool ok = vici_parse_message(s, a, &root, &why);
    assert_int_equal(ok, root != NULL);
    if (!ok)
        assert_non_null(why);
    return root;
}

static void a_message_is_written_as_it_was_read(void **state)
{
    (void)state;
    struct arena a;
    struct vici_out o;
    arena_init(&a);
    const struct section *root = parse(message(), &a);
    assert_non_null(root);
    vici_begin_packet(&o, VICI_CMD_REQUEST, "load-conn");
    vici_tree(&o, root);
    assert_true(vici_end_packet(&o));
    size_t head = 4 + 1 + 1 + strlen("load-conn");
    assert_int_equal(o.len, head + message().len);
    assert_memory_equal(o.at + head, load_conn, message().len);
    assert_memory_equal(o.at, "\x00\x00\x00", 3);
    assert_int_equal(o.at[3], o.len - 4);
    vici_out_clear(&o);
    arena_clear(&a);
}

static void keys_lists_and_sections_are_found(void **state)
{
    (void)state;
    struct arena a;
    arena_init(&a);
    const struct section *conn = parse(message(), &a)->sections;
    assert_string_equal(conn->name, "rw1");
    assert_string_equal(conn->file, "vici");
    assert_string_equal(vici_get_text(conn, "version", &a, ""), "2");
    assert_int_equal(vici_get_number(conn, "version", 0), 2);
    const struct setting *proposals = conn->settings->next->next;
    assert_true(proposals->is_list);
    assert_int_equal(proposals->item_count, 2);
    assert_true(span_is(proposals->items[1], "default"));
    assert_string_equal(conn->sections->name, "local");
    const struct setting *empty = conn->sections->next->sections->settings;
    assert_true(empty->is_list);
    assert_int_equal(empty->item_count, 0);
    arena_clear(&a);
}

static void every_truncation_is_refused_or_whole(void **state)
{
    (void)state;
    for (size_t len = 0; len < message().len; len++) {
        struct arena a;
        arena_init(&a);
        uint8_t *exact = malloc(len + 1); /* so that a sanitizer sees a read behind it */
        memcpy(exact, load_conn, len);
        const struct section *root = parse(span_of(exact, len), &a);
        assert_int_equal(root != NULL, len == 0);
        free(exact);
        arena_clear(&a);
    }
}

static void mutations_never_break_the_reader(void **state)
{
    (void)state;
    uint8_t seed[RNG_SEED_SIZE] = {7};
    struct rng *rng = rng_new(seed);
    uint8_t copy[sizeof load_conn];
    struct arena a;
    arena_init(&a);
    for (int i = 0; i < 20000; i++) {
        memcpy(copy, load_conn, sizeof copy);
        for (uint64_t n = rng_below(rng, 4) + 1; n > 0; n--)
            copy[rng_below(rng, message().len)] = (uint8_t)rng_u32(rng);
        arena_reset(&a);
        const struct section *root = parse(span_of(copy, message().len), &a);
        if (root == NULL)
            continue;
        struct vici_out o;
        vici_begin_packet(&o, VICI_CMD_RESPONSE, NULL);
        vici_tree(&o, root);
        assert_true(vici_end_packet(&o));
        /* The order of keys and sections may change, the octets that there are do not. */
        assert_int_equal(o.len, 5 + message().len);
        vici_out_clear(&o);
    }
    arena_clear(&a);
    rng_free(rng);
}

static void expect_bad(const char *text, size_t len, const char *reason)
{
    struct arena a;
    const struct section *root;
    const char *why = "";
    arena_init(&a);
    assert_false(vici_parse_message(span_of(text, len), &a, &root, &why));
    assert_string_equal(why, reason);
    arena_clear(&a);
}

#define EXPECT_BAD(text, reason) expect_bad(text, sizeof text - 1, reason)

static void what_is_not_allowed_is_named(void **state)
{
    (void)state;
    EXPECT_BAD("\x01\x01x", "a section is not closed");
    EXPECT_BAD("\x02", "a section ends that was not begun");
    EXPECT_BAD("\x05\x00\x01x", "a list item stands outside a list");
    EXPECT_BAD("\x06", "a list item stands outside a list");
    EXPECT_BAD("\x04\x01x\x04\x01y\x06\x06", "a list holds something else than items");
    EXPECT_BAD("\x04\x01x\x05\x00\x01y", "a list is not closed");
    EXPECT_BAD("\x00", "an element is truncated or of an unknown type");
    EXPECT_BAD("\x07", "an element is truncated or of an unknown type");
    EXPECT_BAD("\x03\x01\x00\x00\x00", "an element is truncated or of an unknown type");
    EXPECT_BAD("\x03\x02x", "an element is truncated or of an unknown type");
}

static void sections_that_nest_too_deep_are_refused(void **state)
{
    (void)state;
    char text[3 * (VICI_DEPTH_MAX + 1)];
    for (size_t i = 0; i < VICI_DEPTH_MAX + 1; i++)
        memcpy(text + 3 * i, "\x01\x01x", 3);
    expect_bad(text, sizeof text, "sections are nested too deep");
}

static void elements_keep_an_order_that_a_tree_does_not(void **state)
{
    (void)state;
    const char text[] = "\x01\x01s\x02\x03\x01k\x00\x01v";
    struct reader r = reader_of(span_of(text, sizeof text - 1));
    struct vici_element e;
    struct vici_out o;
    vici_begin_packet(&o, VICI_CMD_RESPONSE, NULL);
    while (vici_take_element(&r, &e)) {
        char name[8] = "";
        memcpy(name, e.name.len == 0 ? (const uint8_t *)"" : e.name.at, e.name.len);
        if (e.kind == VICI_SECTION_START)
            vici_section(&o, name);
        else if (e.kind == VICI_SECTION_END)
            vici_section_end(&o);
        else
            vici_value(&o, name, e.value);
    }
    assert_true(done(&r));
    assert_true(vici_end_packet(&o));
    assert_memory_equal(o.at + 5, text, sizeof text - 1);
    vici_out_clear(&o);
}

static void a_text_beyond_65535_octets_survives(void **state)
{
    (void)state;
    enum { LEN = 200000 };
    char *text = malloc(LEN);
    struct arena a;
    struct vici_out o;
    for (size_t i = 0; i < LEN; i++)
        text[i] = (char)('a' + i % 26);
    arena_init(&a);
    vici_begin_packet(&o, VICI_CMD_RESPONSE, NULL);
    vici_long(&o, "json", span_of(text, LEN));
    vici_long(&o, "short", span_text("x"));
    assert_true(vici_end_packet(&o));
    const struct section *root = parse(span_of(o.at + 5, o.len - 5), &a);
    assert_true(span_equal(vici_get_long(root, "json", &a), span_of(text, LEN)));
    assert_true(span_is(vici_get_long(root, "short", &a), "x"));
    assert_int_equal(vici_get_long(root, "none", &a).len, 0);
    vici_out_clear(&o);
    arena_clear(&a);
    free(text);
}

static void a_packet_larger_than_the_limit_is_not_written(void **state)
{
    (void)state;
    struct vici_out o;
    uint8_t *value = calloc(1, 65535);
    vici_begin_packet(&o, VICI_CMD_RESPONSE, NULL);
    for (int i = 0; i < 9; i++)
        vici_value(&o, "x", span_of(value, 65535));
    assert_true(o.is_bad);
    assert_false(vici_end_packet(&o));
    vici_out_clear(&o);
    free(value);
}

static void packets_are_taken_apart(void **state)
{
    (void)state;
    struct vici_packet p;
    const char *why = "";
    assert_true(vici_parse_packet(span_of("\x00\x07version", 9), &p, &why));
    assert_int_equal(p.type, VICI_CMD_REQUEST);
    assert_true(span_is(p.name, "version"));
    assert_int_equal(p.message.len, 0);
    assert_true(vici_parse_packet(span_of("\x01\x03\x01k\x00\x00", 6), &p, &why));
    assert_int_equal(p.message.len, 5);
    assert_false(vici_parse_packet(span_of("", 0), &p, &why));
    assert_string_equal(why, "the packet is empty");
    assert_false(vici_parse_packet(span_of("\x08", 1), &p, &why));
    assert_string_equal(why, "the packet type is not known");
    assert_false(vici_parse_packet(span_of("\x00\x09version", 9), &p, &why));
    assert_string_equal(why, "the name is longer than the packet");
    assert_false(vici_parse_packet(span_of("\x03\x02l\x00", 4), &p, &why));
    assert_string_equal(why, "the name is not printable");
}

static void values_are_read_as_charon_reads_them(void **state)
{
    (void)state;
    const char text[] = "\x03\x01y\x00\x07"
                        "ENABLED\x03\x01n\x00\x02No\x03\x01h\x00\x04"
                        "0x1f\x03\x01m\x00\x02-5\x03\x01q\x00\x03"
                        "1x2";
    struct arena a;
    arena_init(&a);
    const struct section *root = parse(span_of(text, sizeof text - 1), &a);
    assert_true(vici_get_bool(root, "y", false));
    assert_false(vici_get_bool(root, "n", true));
    assert_true(vici_get_bool(root, "q", true));
    assert_int_equal(vici_get_number(root, "h", 0), 31);
    assert_int_equal(vici_get_number(root, "m", 0), -5);
    assert_int_equal(vici_get_number(root, "q", 77), 77);
    assert_int_equal(vici_get_number(root, "absent", 78), 78);
    assert_null(vici_get_text(root, "absent", &a, NULL));
    arena_clear(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_message_is_written_as_it_was_read),
        cmocka_unit_test(keys_lists_and_sections_are_found),
        cmocka_unit_test(every_truncation_is_refused_or_whole),
        cmocka_unit_test(mutations_never_break_the_reader),
        cmocka_unit_test(what_is_not_allowed_is_named),
        cmocka_unit_test(sections_that_nest_too_deep_are_refused),
        cmocka_unit_test(elements_keep_an_order_that_a_tree_does_not),
        cmocka_unit_test(a_text_beyond_65535_octets_survives),
        cmocka_unit_test(a_packet_larger_than_the_limit_is_not_written),
        cmocka_unit_test(packets_are_taken_apart),
        cmocka_unit_test(values_are_read_as_charon_reads_them),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
