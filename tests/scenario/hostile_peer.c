/* A peer that has authenticated itself and then goes mad: what it asks for in good form has a
 * limit, a finding, and no effect on others. Its messages are sealed with the keys of its SA. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "engine/inside.h"
#include "life.h"

enum { OCTETS_MAX = 15000 };

static struct sim *sim;
static struct sim_host *left, *right;
static uint32_t next_spi;

/* The last answer of the right one. */
static uint8_t heard[16384];
static size_t heard_len;
static bool is_watching;

static bool on_send(void *context, const struct sim_capture *c)
{
    (void)context;
    if (!is_watching || c->from != right || (c->datagram.bytes.at[19] & IKE_FLAG_RESPONSE) == 0)
        return true;
    assert_true(c->datagram.bytes.len <= sizeof heard);
    heard_len = c->datagram.bytes.len;
    memcpy(heard, c->datagram.bytes.at, heard_len);
    return false;
}

static void begin(void)
{
    sim = calloc(1, sizeof *sim);
    assert_non_null(sim);
    assert_true(life_begin(sim, NULL, NULL));
    left = sim_host(sim, "left");
    right = sim_host(sim, "right");
    sim_command(left, CMD_INITIATE, "tunnel", "net", 0, 0, false);
    sim_settle(sim);
    assert_int_equal(sim_child_count(right), 1);
    next_spi = 0x10000000;
    sim->on_send = on_send;
    is_watching = true;
}

static void end(void)
{
    is_watching = false;
    const char *rest = life_end(sim);
    if (rest != NULL)
        fail_msg("%s", rest);
    sim_clear(sim);
    free(sim);
}

/* Sends a request of the left SA; the notify of the answer, 0 = none in it, -1 = no answer. */
static int ask_as(struct ike_sa *sa, uint8_t exchange, uint8_t first, struct span chain)
{
    struct datagram d;
    heard_len = 0;
    assert_true(sim_seal(left, sa, exchange, false, sa->window.next_id, first, chain, &d));
    sa->window.next_id++;
    sim_step(right, &(struct input){.kind = IN_DATAGRAM,
                                    .datagram = {d.remote, d.local, d.marker, d.bytes}});
    uint8_t type;
    struct span plain;
    struct notify n;
    if (heard_len == 0)
        return -1;
    if (!sim_open(right, span_of(heard, heard_len), &type, &plain) || type != PAYLOAD_NOTIFY)
        return 0;
    struct reader r = reader_of(plain);
    take(&r, 2);
    assert_true(wire_parse_notify(take_counted(&r, take_u16(&r), 4), &n));
    return n.type;
}

static int ask(uint8_t exchange, uint8_t first, struct span chain)
{
    return ask_as(sim_first_sa(left), exchange, first, chain);
}

static struct gap open_payload(struct writer *w, uint8_t next)
{
    put_u8(w, next);
    put_u8(w, 0);
    return writer_open(w, 2);
}

/* A whole request for a child of the configuration "two"; rekeys: 0 = nothing. */
static size_t child_request(uint8_t *out, uint8_t *first, uint32_t rekeys)
{
    struct writer w = writer_of(out, OCTETS_MAX);
    struct gap g;
    uint8_t spi[4], nonce[32];
    *first = PAYLOAD_SA;
    if (rekeys != 0) {
        *first = PAYLOAD_NOTIFY;
        struct writer s = writer_of(spi, sizeof spi);
        put_u32(&s, rekeys);
        g = open_payload(&w, PAYLOAD_SA);
        wire_write_notify(
            &w, &(struct notify){PROTOCOL_ESP, NOTIFY_REKEY_SA, span_of(spi, 4), {NULL, 0}});
        writer_close(&w, g);
    }
    struct writer s = writer_of(spi, sizeof spi);
    put_u32(&s, next_spi++);
    struct transform t[] = {{TRANSFORM_ENCR, ENCR_AES_GCM_16, 128, false},
                            {TRANSFORM_SN, 0, 0, false}};
    struct proposal p = {.number = 1,
                         .protocol = PROTOCOL_ESP,
                         .spi = span_of(spi, 4),
                         .transforms = t,
                         .transform_count = 2};
    g = open_payload(&w, PAYLOAD_NONCE);
    wire_write_sa(&w, &(struct proposals){&p, 1});
    writer_close(&w, g);
    memset(nonce, (int)next_spi, sizeof nonce);
    g = open_payload(&w, PAYLOAD_TSI);
    wire_write_nonce(&w, span_of(nonce, sizeof nonce));
    writer_close(&w, g);
    static const uint8_t from[2][4] = {{10, 11, 0, 0}, {10, 12, 0, 0}},
                         to[2][4] = {{10, 11, 255, 255}, {10, 12, 255, 255}};
    for (unsigned side = 0; side < 2; side++) {
        struct ts ts = {.type = TS_IPV4_ADDR_RANGE,
                        .protocol = 6,
                        .port_from = side == 0 ? 80 : 0,
                        .port_to = side == 0 ? 80 : 65535,
                        .from = span_of(from[side], 4),
                        .to = span_of(to[side], 4)};
        g = open_payload(&w, side == 0 ? PAYLOAD_TSR : PAYLOAD_NONE);
        wire_write_ts(&w, &(struct ts_list){&ts, 1});
        writer_close(&w, g);
    }
    assert_false(w.full);
    return w.len;
}

static unsigned told(enum cause cause, const char *expected)
{
    unsigned count = 0;
    for (size_t i = 0; i < right->event_count; i++) {
        const struct record *r = right->events[i].record;
        if (r == NULL || r->finding_count == 0 || r->findings[0]->cause != cause)
            continue;
        count++;
        assert_string_equal(r->findings[0]->expected, expected);
        assert_int_equal(r->findings[0]->evidence.exchange, EXCHANGE_CREATE_CHILD_SA);
    }
    return count;
}

static void children_that_come_slowly_are_served(void **state)
{
    uint8_t octets[OCTETS_MAX], first;
    unsigned made = 0, refused = 0, later = 0;
    (void)state;
    begin();
    for (unsigned i = 0; i < 400; i++) {
        size_t len = child_request(octets, &first, 0);
        int answer = ask(EXCHANGE_CREATE_CHILD_SA, first, span_of(octets, len));
        made += answer == 0;
        refused += answer == NOTIFY_NO_ADDITIONAL_SAS;
        later += answer == NOTIFY_TEMPORARY_FAILURE;
        if (i % 2 == 0)
            sim_run_ms(sim, 1000); /* patiently */
        if (right->sa_count > SIM_SAS_MAX - 4)
            break; /* the table of the simulator */
    }
    assert_int_equal(later, 0);
    assert_true(made > 100);
    assert_int_equal(refused, 0);
    end();
}

/* The same against the limit itself, without a data plane. */
static void more_than_the_limit_get_no_additional_sas(void **state)
{
    uint8_t octets[OCTETS_MAX], first;
    unsigned made = 0, refused = 0;
    (void)state;
    begin();
    for (unsigned i = 0; i < 300; i++) {
        right->sim->now = instant_after_ms(right->sim->now, 500);
        right->sa_count = right->policy_count = 0; /* the table of the simulator is smaller */
        size_t len = child_request(octets, &first, 0);
        int answer = ask(EXCHANGE_CREATE_CHILD_SA, first, span_of(octets, len));
        made += answer == 0;
        refused += answer == NOTIFY_NO_ADDITIONAL_SAS;
    }
    assert_int_equal(made, 255); /* and the first one */
    assert_int_equal(refused, 45);
    assert_int_equal(told(CAUSE_CHILD_NO_ADDITIONAL_SAS, "at most 256 CHILD SAs of one IKE SA"),
                     45);
    assert_int_equal(right->engine->world.counters.child_sas, 256);
    is_watching = false;
    sim_clear(sim);
    free(sim);
}

static void a_storm_of_requests_is_put_off(void **state)
{
    uint8_t octets[OCTETS_MAX], first;
    unsigned made = 0, later = 0;
    (void)state;
    begin();
    for (unsigned i = 0; i < 2000; i++) {
        size_t len = child_request(octets, &first, 0);
        int answer = ask(EXCHANGE_CREATE_CHILD_SA, first, span_of(octets, len));
        made += answer == 0;
        later += answer == NOTIFY_TEMPORARY_FAILURE;
    }
    assert_int_equal(made, 72); /* 64, and four for each of the two configured */
    assert_int_equal(later, 2000 - 72);
    unsigned records =
        told(CAUSE_CHILD_TOO_OFTEN, "at most 72 requests for SAs at once, and 4 a second");
    assert_true(records > 0 && records <= 50); /* as many as those of strangers */
    /* After a while it is heard again, and only so often. */
    sim_run_ms(sim, 1000);
    made = 0;
    for (unsigned i = 0; i < 20; i++) {
        size_t len = child_request(octets, &first, 0);
        made += ask(EXCHANGE_CREATE_CHILD_SA, first, span_of(octets, len)) == 0;
    }
    assert_int_equal(made, 4);
    end();
}

static void deletes_of_what_is_not_there_are_answered_and_end_nothing(void **state)
{
    uint8_t octets[OCTETS_MAX];
    struct ike_sa *sa;
    (void)state;
    begin();
    sa = sim_first_sa(left);
    const uint32_t own = sa->children->spi_in, theirs = sa->children->spi_out;
    for (unsigned kind = 0; kind < 4; kind++) {
        struct writer w = writer_of(octets, sizeof octets), spis;
        uint8_t list[8000];
        uint16_t count = kind == 0 ? 1 : 2000;
        spis = writer_of(list, sizeof list);
        for (unsigned i = 0; i < count; i++)
            put_u32(&spis, kind == 0 ? theirs : kind == 1 ? 1000 + i : kind == 2 ? theirs : own);
        struct gap g = open_payload(&w, PAYLOAD_NONE);
        wire_write_delete(&w, &(struct delete_payload){PROTOCOL_ESP, 4, count, writer_span(&spis)});
        writer_close(&w, g);
        assert_int_equal(ask(EXCHANGE_INFORMATIONAL, PAYLOAD_DELETE, writer_span(&w)), 0);
        assert_int_equal(right->engine->world.live, 1);
        /* It names its own inbound SPI: that child goes, once, however often it is named. */
        assert_int_equal(right->engine->world.counters.child_sas, kind == 3 ? 0 : 1);
    }
    end();
}

static void bulk_in_one_message_is_read_once_and_answered(void **state)
{
    uint8_t octets[OCTETS_MAX], body[9000];
    (void)state;
    begin();
    /* as many notifies as a message may have payloads, half of them errors */
    struct writer w = writer_of(octets, sizeof octets);
    for (unsigned i = 0; i < 60; i++) {
        struct gap g = open_payload(&w, i == 59 ? PAYLOAD_NONE : PAYLOAD_NOTIFY);
        wire_write_notify(&w, &(struct notify){.type = (uint16_t)(i % 2 == 0 ? 100 + i : 40000)});
        writer_close(&w, g);
    }
    assert_int_equal(ask(EXCHANGE_INFORMATIONAL, PAYLOAD_NOTIFY, writer_span(&w)), 0);
    /* a vendor ID of 9,000 octets; more than max_packet is not read at all */
    memset(body, 7, sizeof body);
    w = writer_of(octets, sizeof octets);
    struct gap g = open_payload(&w, PAYLOAD_NONE);
    put_span(&w, span_of(body, sizeof body));
    writer_close(&w, g);
    assert_int_equal(ask(EXCHANGE_INFORMATIONAL, PAYLOAD_VENDOR, writer_span(&w)), 0);
    assert_int_equal(right->engine->world.live, 1);
    /* an exchange that is not known costs itself */
    assert_int_equal(ask(77, PAYLOAD_NONE, (struct span){NULL, 0}), NOTIFY_INVALID_SYNTAX);
    assert_int_equal(right->engine->world.live, 1);
    /* a thousand errors told after the fact make few events */
    size_t before = right->event_count;
    for (unsigned i = 0; i < 1000; i++) {
        w = writer_of(octets, sizeof octets);
        g = open_payload(&w, PAYLOAD_NONE);
        wire_write_notify(&w, &(struct notify){.type = 100});
        writer_close(&w, g);
        assert_int_equal(ask(EXCHANGE_INFORMATIONAL, PAYLOAD_NOTIFY, writer_span(&w)), 0);
    }
    assert_true(right->event_count - before <= 50);
    /* too many payloads are malformed, and that ends the SA (2.21.3) */
    w = writer_of(octets, sizeof octets);
    for (unsigned i = 0; i < 1000; i++) {
        g = open_payload(&w, i == 999 ? PAYLOAD_NONE : PAYLOAD_NOTIFY);
        wire_write_notify(&w, &(struct notify){.type = 40000});
        writer_close(&w, g);
    }
    assert_int_equal(ask(EXCHANGE_INFORMATIONAL, PAYLOAD_NOTIFY, writer_span(&w)), 0);
    assert_int_equal(right->engine->world.live, 0);
    end();
}

/* Not from the peer at all: anybody who has seen an ESP packet. */
static void a_forged_invalid_spi_asks_for_a_sign_of_life_and_no_more(void **state)
{
    uint8_t octets[64];
    (void)state;
    begin();
    const uint32_t spi = sim_first_sa(right)->children->spi_out;
    for (unsigned i = 0; i < 4; i++) {
        struct writer w = writer_of(octets, sizeof octets);
        uint8_t number[4];
        struct writer s = writer_of(number, sizeof number);
        put_u32(&s, i == 0 ? spi + 1 : spi);
        struct ike_header h = {
            .version = 0x20, .exchange = EXCHANGE_INFORMATIONAL, .flags = IKE_FLAG_INITIATOR};
        struct message_writer m = wire_begin(&w, &h);
        struct gap g = wire_open_payload(&m, PAYLOAD_NOTIFY, false);
        wire_write_notify(&w, &(struct notify){.type = NOTIFY_INVALID_SPI,
                                               .data = span_of(number, sizeof number)});
        wire_close_payload(&m, g);
        wire_end(&m);
        struct datagram d = {.local = right->at, .remote = left->at, .bytes = writer_span(&w)};
        d.local.port = d.remote.port = 500;
        if (i == 3)
            sim_run_ms(sim, 31000);
        uint64_t sent = right->sent;
        sim_step(right, &(struct input){.kind = IN_DATAGRAM, .datagram = d});
        assert_int_equal(right->sent - sent, i == 1 || i == 3);
        sim_settle(sim);
        assert_int_equal(sim_child_count(right), 1);
    }
    unsigned notices = 0;
    for (size_t i = 0; i < right->event_count; i++) {
        const struct finding *f = right->events[i].finding;
        if (right->events[i].kind != EVENT_NOTICE || f == NULL ||
            f->cause != CAUSE_ESP_PEER_LOST_SPI)
            continue;
        notices++;
        assert_int_equal(f->notify, NOTIFY_INVALID_SPI);
        assert_int_equal(f->confidence, 30);
        assert_non_null(strstr(f->seen, "without seal, from 192.0.2.1[500]"));
    }
    assert_int_equal(notices, 2);
    end();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(children_that_come_slowly_are_served),
        cmocka_unit_test(more_than_the_limit_get_no_additional_sas),
        cmocka_unit_test(a_storm_of_requests_is_put_off),
        cmocka_unit_test(deletes_of_what_is_not_there_are_answered_and_end_nothing),
        cmocka_unit_test(a_forged_invalid_spi_asks_for_a_sign_of_life_and_no_more),
        cmocka_unit_test(bulk_in_one_message_is_read_once_and_answered),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
