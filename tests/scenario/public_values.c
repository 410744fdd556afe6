/* Public values that are not of their group, RFC 6989: for each family of groups, in each place
 * where one can stand. In IKE_SA_INIT the message is dropped, and the good one that follows works;
 * in a request on an SA that stands the answer is INVALID_SYNTAX and the IKE SA goes; in an answer
 * the exchange fails and the IKE SA is closed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "engine/inside.h"
#include "sim.h"

enum { OCTETS_MAX = 4096, VALUE_MAX = 1100 };

static const char config[] = "connections {\n"
                             "  tunnel {\n"
                             "    version = 2\n"
                             "    mobike = no\n"
                             "    fragmentation = no\n"
                             "    remote_addrs = %s\n"
                             "    proposals = aes128gcm16-prfsha256-%s\n"
                             "    rekey_time = 0\n"
                             "    local {\n"
                             "      auth = psk\n"
                             "      id = %s\n"
                             "    }\n"
                             "    remote {\n"
                             "      auth = psk\n"
                             "    }\n"
                             "    children {\n"
                             "      net {\n"
                             "        esp_proposals = aes128gcm16-%s\n"
                             "        local_ts = 10.%d.0.0/16\n"
                             "        remote_ts = 10.%d.0.0/16\n"
                             "        rekey_time = 0\n"
                             "      }\n"
                             "    }\n"
                             "  }\n"
                             "}\n"
                             "secrets {\n"
                             "  ike-all {\n"
                             "    secret = a secret that is long enough\n"
                             "  }\n"
                             "}\n";

/* What a value is made of: so many octets, all of `fill`, the last one `last`. less: shorter than
 * its group wants, more: longer. flip: the honest value with its last bit turned. */
struct bad_value {
    const char *group;
    uint8_t fill, last;
    int more;
    bool flip;
    const char *seen;
};

static const char range[] = "the public value is not between 2 and p-2";
static const char length[] = "the public value does not have the length of its group";
static const char curve[] = "the point is not on the curve";
static const char field[] = "a coordinate of the public value is not below the field's prime";

static const struct bad_value values[] = {
    {"modp2048", 0, 0, 0, false, range},
    {"modp2048", 0, 1, 0, false, range},
    {"modp2048", 255, 255, 0, false, range},
    {"modp2048", 7, 7, -1, false, length},
    {"modp2048", 7, 7, 1, false, length},
    {"modp2048s256", 0, 1, 0, false, range},
    {"modp2048s256", 0, 2, 0, false,
     "the public value is not in the group's subgroup of prime order"},
    {"ecp256", 0, 0, 0, true, curve},
    {"ecp256", 0, 0, 0, false, curve},
    {"ecp256", 255, 255, 0, false, field},
    {"ecp256", 7, 7, 1, false, length},
    {"ecp256bp", 0, 0, 0, true, curve},
    {"x25519", 0, 0, 0, false, NULL},
    {"x25519", 7, 7, -1, false, length},
    {"x448", 0, 0, 0, false, NULL},
};

enum place {
    INIT_REQUEST,
    INIT_ANSWER,
    CHILD_REQUEST,
    CHILD_ANSWER,
    IKE_REQUEST,
    IKE_ANSWER,
    PLACES
};

struct trap {
    struct sim sim;
    struct sim_host *left, *right;
    const struct bad_value *bad;
    uint8_t exchange;
    bool wants_answer, is_set, has_sprung;
    uint8_t octets[OCTETS_MAX];
    struct datagram good; /* what was sent */
    struct sim_host *from;
};

/* The chain with the value of its KE payload changed. */
static size_t spoil(const struct bad_value *bad, uint8_t first, struct span chain, uint8_t *out)
{
    struct writer w = writer_of(out, OCTETS_MAX);
    struct reader r = reader_of(chain);
    for (uint8_t type = first, next; type != PAYLOAD_NONE; type = next) {
        next = take_u8(&r);
        uint8_t flags = take_u8(&r);
        struct span body = take_counted(&r, take_u16(&r), 4);
        assert_true(good(&r));
        struct ke_payload ke;
        put_u8(&w, next);
        put_u8(&w, flags);
        struct gap g = writer_open(&w, 2);
        if (type != PAYLOAD_KE) {
            put_span(&w, body);
        } else {
            uint8_t value[VALUE_MAX];
            assert_true(wire_parse_ke(body, &ke));
            size_t len = (size_t)((long)ke.value.len + bad->more);
            memset(value, bad->fill, len);
            value[len - 1] = bad->last;
            if (bad->group[0] == 'x') /* little endian */
                value[0] = bad->last;
            if (bad->flip) {
                memcpy(value, ke.value.at, len);
                value[len - 1] ^= 1;
            }
            wire_write_ke(&w, &(struct ke_payload){ke.group, span_of(value, len)});
        }
        writer_close(&w, g);
    }
    assert_false(w.full);
    return w.len;
}

static bool on_send(void *context, const struct sim_capture *c)
{
    struct trap *t = context;
    const uint8_t *at = c->datagram.bytes.at;
    if (!t->is_set || at[18] != t->exchange ||
        ((at[19] & IKE_FLAG_RESPONSE) != 0) != t->wants_answer)
        return true;
    t->is_set = false;
    t->has_sprung = true;
    assert_true(c->datagram.bytes.len <= sizeof t->octets);
    memcpy(t->octets, at, c->datagram.bytes.len);
    t->good = c->datagram;
    t->good.bytes.at = t->octets;
    t->from = c->from;
    return false;
}

static void feed(struct sim_host *to, const struct datagram *d)
{
    sim_step(to, &(struct input){.kind = IN_DATAGRAM, .datagram = *d});
}

static struct trap *begin(const struct bad_value *bad)
{
    char text[2048];
    struct trap *t = calloc(1, sizeof *t);
    assert_non_null(t);
    sim_init(&t->sim);
    t->bad = bad;
    t->sim.log = getenv("VERBOSE") == NULL ? NULL : stderr;
    t->left = sim_add_host(&t->sim, "left", "192.0.2.1", NULL);
    t->right = sim_add_host(&t->sim, "right", "192.0.2.2", NULL);
    snprintf(text, sizeof text, config, "192.0.2.2", bad->group, "left.example", bad->group, 1, 2);
    assert_true(sim_load(t->left, text));
    snprintf(text, sizeof text, config, "192.0.2.1", bad->group, "right.example", bad->group, 2, 1);
    assert_true(sim_load(t->right, text));
    t->sim.on_send = on_send;
    t->sim.on_send_context = t;
    return t;
}

/* One that nobody has asked about yet, with this cause. */
static const struct finding *told(struct sim_host *h, enum event_kind kind, enum cause cause)
{
    for (size_t i = 0; i < h->event_count; i++) {
        struct sim_event *e = &h->events[i];
        const struct finding *f = e->finding;
        if (e->record != NULL && e->record->finding_count > 0)
            f = e->record->findings[0];
        if (e->kind != kind || e->is_taken || f == NULL || f->cause != cause)
            continue;
        e->is_taken = true;
        return f;
    }
    return NULL;
}

static void assert_told(const struct bad_value *bad, struct sim_host *h, enum event_kind kind,
                        uint8_t exchange)
{
    const struct finding *f = told(h, kind, CAUSE_IKE_BAD_PUBLIC_VALUE);
    char expected[64];
    assert_non_null(f);
    snprintf(expected, sizeof expected, "a public value of group %s", bad->group);
    assert_string_equal(f->expected, expected);
    if (bad->seen != NULL)
        assert_string_equal(f->seen, bad->seen);
    else
        assert_string_not_equal(f->seen, "");
    assert_int_equal(f->evidence.exchange, exchange);
    assert_int_equal(f->evidence.payload, PAYLOAD_KE);
    assert_true(f->evidence.is_received);
}

static void in_init(struct trap *t, bool in_answer)
{
    uint8_t octets[OCTETS_MAX];
    t->exchange = EXCHANGE_IKE_SA_INIT;
    t->wants_answer = in_answer;
    t->is_set = true;
    sim_command(t->left, CMD_INITIATE, "tunnel", "net", 0, 0, false);
    sim_run_ms(&t->sim, 15);
    assert_true(t->has_sprung);
    struct reader r = reader_of(t->good.bytes);
    struct span header = take(&r, WIRE_HEADER_LEN);
    memcpy(octets, header.at, header.len);
    size_t len = WIRE_HEADER_LEN + spoil(t->bad, header.at[16], take_rest(&r), octets + header.len);
    octets[26] = (uint8_t)(len >> 8);
    octets[27] = (uint8_t)len;
    struct datagram bad = t->good;
    bad.bytes = span_of(octets, len);
    struct sim_host *to = in_answer ? t->left : t->right;
    feed(to, &bad);
    if (in_answer)
        assert_told(t->bad, to, EVENT_PROGRESS, EXCHANGE_IKE_SA_INIT);
    else
        assert_told(t->bad, to, EVENT_RECORD, EXCHANGE_IKE_SA_INIT);
    assert_int_equal(t->right->engine->world.counters.half_open, in_answer ? 1 : 0);
    feed(to, &t->good);
    sim_settle(&t->sim);
    assert_int_equal(sim_child_count(t->left), 1);
    assert_int_equal(sim_child_count(t->right), 1);
    if (in_answer)
        assert_non_null(told(t->left, EVENT_NOTICE, CAUSE_IKE_CONTRADICTED));
}

static void in_create(struct trap *t, bool in_answer, bool is_ike)
{
    uint8_t octets[OCTETS_MAX], first;
    struct span plain;
    sim_command(t->left, CMD_INITIATE, "tunnel", "net", 0, 0, false);
    sim_settle(&t->sim);
    assert_int_equal(sim_child_count(t->right), 1);
    t->exchange = EXCHANGE_CREATE_CHILD_SA;
    t->wants_answer = in_answer;
    t->is_set = true;
    sim_command(t->left, CMD_REKEY, "tunnel", is_ike ? NULL : "net", 0, 0, false);
    sim_run_ms(&t->sim, 15);
    assert_true(t->has_sprung);
    struct ike_sa *sa = sim_sa_of(t->from, t->good.bytes);
    assert_true(sim_open(t->from, t->good.bytes, &first, &plain));
    size_t len = spoil(t->bad, first, plain, octets);
    struct datagram sealed, bad = t->good;
    struct reader id = reader_of(span_of(t->octets + 20, 4));
    assert_true(sim_seal(t->from, sa, t->exchange, in_answer, take_u32(&id), first,
                         span_of(octets, len), &sealed));
    bad.bytes = sealed.bytes;
    struct sim_host *to = in_answer ? t->left : t->right;
    feed(to, &bad);
    assert_told(t->bad, to, EVENT_RECORD, EXCHANGE_CREATE_CHILD_SA);
    if (!in_answer) {
        assert_told(t->bad, to, EVENT_IKE_DOWN, EXCHANGE_CREATE_CHILD_SA);
        assert_int_equal(to->engine->world.live, 0);
        assert_int_equal(to->sa_count, 0);
        sim_settle(&t->sim);
        /* INVALID_SYNTAX in the answer; the sender's command hears it */
        const struct finding *f = told(t->left, EVENT_COMMAND_DONE,
                                       is_ike ? CAUSE_IKE_REKEY_REFUSED : CAUSE_MSG_ERROR_NOTIFY);
        assert_non_null(f);
        assert_int_equal(f->notify, NOTIFY_INVALID_SYNTAX);
        return;
    }
    sim_settle(&t->sim);
    sim_run_ms(&t->sim, 2000);
    assert_int_equal(t->left->engine->world.live, 0);
    assert_int_equal(t->left->sa_count, 0);
    if (!is_ike) /* else it has moved to an SA whose keys only it believes in */
        assert_int_equal(t->right->sa_count, 0);
}

static void no_bad_value_is_used_anywhere(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof values / sizeof *values; i++)
        for (unsigned place = 0; place < PLACES; place++) {
            struct trap *t = begin(&values[i]);
            switch ((enum place)place) {
            case INIT_REQUEST:
            case INIT_ANSWER:
                in_init(t, place == INIT_ANSWER);
                break;
            case CHILD_REQUEST:
            case CHILD_ANSWER:
                in_create(t, place == CHILD_ANSWER, false);
                break;
            case IKE_REQUEST:
            case IKE_ANSWER:
                in_create(t, place == IKE_ANSWER, true);
                break;
            case PLACES:
                break;
            }
            assert_int_equal(t->sim.broken, 0);
            sim_clear(&t->sim);
            free(t);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_bad_value_is_used_anywhere),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
