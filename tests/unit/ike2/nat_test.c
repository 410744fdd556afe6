/* What the answer to IKE_SA_INIT says about the path. Mappings and keepalives: tests/scenario. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "ike2/inside.h"

static const char text[] = "connections {\n office {\n encap = yes\n remote_addrs = 192.0.2.2\n"
                           " local {\n auth = psk\n }\n remote {\n auth = psk\n } } }\n";

struct bed {
    struct world *w;
    struct arena arena;
    struct ike_sa sa;
};

static struct bed begin(void)
{
    static const uint8_t seed[RNG_SEED_SIZE];
    struct bed b = {.w = calloc(1, sizeof *b.w)};
    struct section *root = NULL;
    struct finding why;
    struct config c = {0};
    assert_non_null(b.w);
    assert_true(world_init(b.w, &(struct world_options){0}, seed) && arena_init(&b.arena));
    world_begin_step(b.w, (struct instant){1000000000}, 0);
    struct findings found = {.arena = &b.arena};
    assert_true(settings_parse_text(span_text(text), "test", NULL, &b.arena, &root, &why));
    assert_true(policy_config_read(root, &b.arena, &c, &found));
    assert_true(world_set_conn(b.w, c.conns[0]));
    policy_config_clear(&c);
    b.sa.conn = b.w->conns[0];
    b.sa.state = SA_AWAIT_INIT_ANSWER;
    assert_true(address_parse(span_text("192.0.2.1"), &b.sa.path.local));
    assert_true(address_parse(span_text("192.0.2.2"), &b.sa.path.remote));
    b.sa.path.local.port = b.sa.path.remote.port = 500;
    return b;
}

static void end(struct bed *b)
{
    world_end_step(b->w);
    world_clear(b->w);
    free(b->w);
    arena_clear(&b->arena);
}

static const struct finding *told(const struct bed *b)
{
    const struct finding *f = NULL;
    for (size_t i = 0; i < b->w->step.count; i++)
        if (b->w->step.effects[i].kind == FX_EVENT)
            f = b->w->step.effects[i].event.finding;
    return f;
}

static void a_peer_without_nat_traversal_gets_no_udp_though_encap_asks_for_it(void **state)
{
    (void)state;
    struct bed b = begin();
    struct message m = {.header = {.exchange = EXCHANGE_IKE_SA_INIT, .flags = IKE_FLAG_RESPONSE}};
    struct datagram d = {.local = b.sa.path.local, .remote = b.sa.path.remote};
    nat_note_answer(b.w, &b.sa, &d, &m);
    init_detect_nat(&b.sa, &m, &b.sa.path);
    assert_false(b.sa.wants_udp || b.sa.has_nat_here || b.sa.has_nat_there);
    const struct finding *f = told(&b);
    assert_non_null(f);
    assert_int_equal(f->cause, CAUSE_NAT_NOT_SERVED_BY_PEER);
    assert_int_equal(ikebana_cause_row(f->cause)->severity, SEVERITY_WARNING);
    assert_int_equal(f->phase, PHASE_IKE_SA_INIT);
    assert_int_equal(f->at_fault, SIDE_PEER);
    assert_string_equal(f->param, "connections.office.encap");
    assert_string_equal(f->expected, "NAT_DETECTION_SOURCE_IP and NAT_DETECTION_DESTINATION_IP");
    assert_string_equal(f->seen, "neither: ESP goes without UDP");
    assert_int_equal(f->evidence.exchange, EXCHANGE_IKE_SA_INIT);
    end(&b);
}

/* RFC 7296 2.23: a host with several addresses may say them all; one that fits is enough. */
static void one_of_several_source_hashes_is_enough(void **state)
{
    (void)state;
    struct bed b = begin();
    uint8_t octets[2][4 + SHA1_LEN], spis[16] = {1, 2, 3, 4, 5, 6, 7, 8, 9}, port[2] = {1, 244};
    struct message m = {.header = {.spi_i = 0x0102030405060708, .spi_r = 0x0900000000000000}};
    for (size_t i = 0; i < 2; i++) {
        struct writer w = writer_of(octets[i], sizeof octets[i]);
        put_u16(&w, 0);
        put_u16(&w, NOTIFY_NAT_DETECTION_SOURCE_IP);
        struct span parts[] = {span_of(spis, 16), address_octets(&b.sa.path.remote),
                               span_of(port, 2)};
        uint8_t *hash = put_room(&w, SHA1_LEN);
        assert_true(crypto_sha1(parts, 3, hash));
        hash[0] ^= (uint8_t)(i == 0); /* another address of the peer's */
        m.payloads[i] = (struct payload){.type = PAYLOAD_NOTIFY, .body = writer_span(&w)};
    }
    m.payload_count = 1;
    init_detect_nat(&b.sa, &m, &b.sa.path);
    assert_true(b.sa.has_nat_there);
    m.payload_count = 2;
    init_detect_nat(&b.sa, &m, &b.sa.path);
    assert_false(b.sa.has_nat_there);
    end(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_peer_without_nat_traversal_gets_no_udp_though_encap_asks_for_it),
        cmocka_unit_test(one_of_several_source_hashes_is_enough),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
