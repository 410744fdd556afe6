/* Uniqueness over the workers of one daemon: the older IKE SA of the same identities is another
 * worker's. Two engines are the workers, two others the peer before and after its restart. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "engine/inside.h"

enum { ROOM = 4096, WORKERS = 2 };

struct net {
    struct engine *workers[WORKERS];
    struct instant now;
    bool done, ok;
    const char *cause; /* of the last IKE_DOWN or refusal of a worker */
    char seen[200];
};

static const char peer_text[] =
    "connections {\n a {\n version = 2\n remote_addrs = 192.0.2.2\n unique = %s\n"
    " proposals = aes128gcm16-prfsha256-x25519\n"
    " local {\n auth = psk\n id = peer.example\n }\n"
    " remote {\n auth = psk\n id = gw.example\n }\n"
    " children {\n net {\n esp_proposals = aes128gcm16\n } } } }\n"
    "secrets {\n ike-a {\n secret = a-secret-that-is-long-enough\n } }\n";
static const char gateway_text[] =
    "connections {\n gw {\n version = 2\n unique = %s\n"
    " proposals = aes128gcm16-prfsha256-x25519\n"
    " local {\n auth = psk\n id = gw.example\n }\n"
    " remote {\n auth = psk\n id = peer.example\n }\n"
    " children {\n net {\n esp_proposals = aes128gcm16\n } } } }\n"
    "secrets {\n ike-a {\n secret = a-secret-that-is-long-enough\n } }\n";

static struct engine *make(struct net *n, struct engine_options o, const char *format,
                           const char *unique)
{
    struct arena a;
    struct section *root = NULL;
    struct finding why;
    struct config c = {0};
    char text[1024];
    struct engine *e = engine_new(&o);
    assert_non_null(e);
    assert_true(arena_init(&a));
    struct findings found = {.arena = &a};
    snprintf(text, sizeof text, format, unique);
    assert_true(settings_parse_text(span_text(text), "test", NULL, &a, &root, &why));
    assert_true(policy_config_read(root, &a, &c, &found));
    engine_step(e, &(struct input){.kind = IN_COMMAND,
                                   .now = n->now,
                                   .command = {.kind = CMD_LOAD_CONN, .conn = c.conns[0]}});
    engine_step(e, &(struct input){.kind = IN_COMMAND,
                                   .now = n->now,
                                   .command = {.kind = CMD_LOAD_PSK, .psk = c.psks[0]}});
    policy_config_clear(&c);
    arena_clear(&a);
    return e;
}

static struct net begin(const char *unique)
{
    struct net n = {.now = {1000000000}, .cause = ""};
    for (uint8_t i = 0; i < WORKERS; i++) {
        struct engine_options o = {.worker = i, .workers = WORKERS};
        o.seed[0] = (uint8_t)(100 + i);
        n.workers[i] = make(&n, o, gateway_text, unique);
    }
    return n;
}

static void end(struct net *n)
{
    for (size_t i = 0; i < WORKERS; i++)
        engine_free(n->workers[i]);
}

static bool is_worker(const struct net *n, const struct engine *e)
{
    return e == n->workers[0] || e == n->workers[1];
}

static void feed(struct net *n, struct engine *e, struct engine *peer, struct engine *worker,
                 struct input in)
{
    struct {
        struct engine *to;
        struct input in;
        uint8_t octets[ROOM];
    } *next = NULL;
    size_t count = 0;
    in.now = n->now;
    const struct effects *fx = engine_step(e, &in);
    next = calloc(fx->count + 1, sizeof *next);
    assert_non_null(next);
    for (size_t i = 0; i < fx->count; i++) {
        const struct effect *at = &fx->at[i];
        struct input *out = &next[count].in;
        if (at->kind == FX_SEND && at->send.bytes.len <= ROOM) {
            memcpy(next[count].octets, at->send.bytes.at, at->send.bytes.len);
            *out = (struct input){.kind = IN_DATAGRAM};
            out->datagram = (struct datagram){at->send.remote, at->send.local, at->send.marker,
                                              span_of(next[count].octets, at->send.bytes.len)};
            next[count++].to = is_worker(n, e) ? peer : worker;
        } else if (at->kind == FX_TWIN) {
            assert_true(is_worker(n, e));
            *out = (struct input){.kind = IN_TWIN, .twin = at->twin};
            next[count++].to = n->workers[e == n->workers[0]];
        } else if (at->kind == FX_EVENT && at->event.kind == EVENT_COMMAND_DONE) {
            n->done = true;
            n->ok = at->event.ok;
        } else if (at->kind == FX_EVENT && at->event.finding != NULL && is_worker(n, e)) {
            n->cause = ikebana_cause_row(at->event.finding->cause)->id;
            snprintf(n->seen, sizeof n->seen, "%s", at->event.finding->seen);
        }
    }
    for (size_t i = 0; i < count; i++)
        if (next[i].to != NULL)
            feed(n, next[i].to, peer, worker, next[i].in);
    free(next);
}

/* A peer of another address than the one before: 192.0.2.N. It is gone when it is up. */
static bool come_up(struct net *n, unsigned worker, const char *unique, const char *from)
{
    struct engine_options o = {0};
    static uint8_t life;
    o.seed[0] = ++life;
    struct engine *e = make(n, o, peer_text, unique);
    n->done = n->ok = false;
    n->now = instant_after_ms(n->now, 1000);
    const struct effects *fx = engine_step(
        e, &(struct input){.kind = IN_COMMAND,
                           .now = n->now,
                           .command = {.kind = CMD_INITIATE, .ticket = 1, .conn_name = "a"}});
    uint64_t ticket = 0;
    for (size_t i = 0; i < fx->count; i++)
        if (fx->at[i].kind == FX_ASK)
            ticket = fx->at[i].ask.ticket;
    struct input in = {.kind = IN_ANSWER};
    in.answer = (struct answer){.ticket = ticket, .ok = true};
    address_parse(span_text(from), &in.answer.local);
    address_parse(span_text("192.0.2.2"), &in.answer.remote);
    in.answer.local.port = in.answer.remote.port = 500;
    feed(n, e, e, n->workers[worker], in);
    assert_true(n->done);
    engine_free(e);
    return n->ok;
}

static uint32_t sas(const struct net *n, unsigned worker)
{
    struct engine_counters c;
    engine_counters(n->workers[worker], &c);
    return c.ike_sas;
}

static void pass_time(struct net *n, int64_t ms)
{
    n->now = instant_after_ms(n->now, ms);
    for (size_t i = 0; i < WORKERS; i++)
        feed(n, n->workers[i], NULL, NULL, (struct input){.kind = IN_TIME});
}

static void initial_contact_at_one_worker_ends_the_sa_of_the_other(void **state)
{
    (void)state;
    struct net n = begin("no");
    assert_true(come_up(&n, 0, "no", "192.0.2.1"));
    assert_int_equal(sas(&n, 0), 1);
    assert_true(come_up(&n, 1, "no", "192.0.2.1"));
    assert_int_equal(sas(&n, 0), 0);
    assert_int_equal(sas(&n, 1), 1);
    assert_string_equal(n.cause, "ike.initial-contact");
    assert_string_equal(n.seen, "INITIAL_CONTACT in IKE SA 16777217 from 192.0.2.1[500]");
    assert_true(come_up(&n, 0, "no", "192.0.2.1"));
    assert_int_equal(sas(&n, 0), 1);
    assert_int_equal(sas(&n, 1), 0);
    end(&n);
}

static void without_initial_contact_both_stand(void **state)
{
    (void)state;
    struct net n = begin("no");
    assert_true(come_up(&n, 0, "never", "192.0.2.1"));
    assert_true(come_up(&n, 1, "never", "192.0.2.1"));
    assert_int_equal(sas(&n, 0) + sas(&n, 1), 2);
    end(&n);
}

static void replace_closes_the_sa_of_the_other_worker(void **state)
{
    (void)state;
    struct net n = begin("replace");
    assert_true(come_up(&n, 0, "never", "192.0.2.1"));
    assert_true(come_up(&n, 1, "never", "192.0.2.7"));
    assert_int_equal(sas(&n, 1), 1);
    pass_time(&n, 1);
    assert_string_equal(n.cause, "ike.replaced");
    assert_string_equal(n.seen, "IKE SA 1 and, from 192.0.2.7[500], IKE SA 16777217");
    assert_int_equal(sas(&n, 0), 1); /* its Delete is on the way; nobody answers here */
    end(&n);
}

static void keep_refuses_at_one_worker_what_the_other_has(void **state)
{
    (void)state;
    struct net n = begin("keep");
    assert_true(come_up(&n, 0, "never", "192.0.2.1"));
    assert_false(come_up(&n, 1, "never", "192.0.2.7"));
    assert_int_equal(sas(&n, 0), 1);
    assert_int_equal(sas(&n, 1), 0);
    assert_string_equal(n.cause, "ike.not-unique");
    assert_string_equal(n.seen, "IKE SA 1 with 192.0.2.1[500]");
    /* when that one has gone, the next may come */
    engine_step(n.workers[0], &(struct input){.kind = IN_TIME, .now = n.now});
    feed(&n, n.workers[0], NULL, NULL,
         (struct input){.kind = IN_COMMAND,
                        .command = {.kind = CMD_TERMINATE, .conn_name = "gw", .is_forced = true}});
    assert_int_equal(sas(&n, 0), 0);
    assert_true(come_up(&n, 1, "never", "192.0.2.7"));
    assert_int_equal(sas(&n, 1), 1);
    end(&n);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(initial_contact_at_one_worker_ends_the_sa_of_the_other),
        cmocka_unit_test(without_initial_contact_both_stand),
        cmocka_unit_test(replace_closes_the_sa_of_the_other_worker),
        cmocka_unit_test(keep_refuses_at_one_worker_what_the_other_has),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
