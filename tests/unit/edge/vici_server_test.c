/* The control socket, over a real unix socket, with a daemon that the test plays. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/rng.h"
#include "edge/vici_codec.h"
#include "edge/vici_server.h"
#include "finding/finding.h"

#include "vici_fake_daemon.h"

/* ---- a client ---- */

static char path[64];
static char uri[80];
static struct vici_server *server;
static struct history *history;
static struct arena arena;

static int set_up(void **state)
{
    struct finding why;
    (void)state;
    memset(&d, 0, sizeof d);
    uv_loop_init(&d.loop);
    arena_init(&arena);
    snprintf(path, sizeof path, "/tmp/ikebana-vici-%d.sock", (int)getpid());
    snprintf(uri, sizeof uri, "unix://%s", path);
    history = history_open(&d.loop, NULL, NULL, NULL, NULL);
    server = vici_server_start(&d, uri, history, &why);
    assert_non_null(server);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    vici_server_stop(server);
    history_close(history);
    while (uv_run(&d.loop, UV_RUN_NOWAIT) != 0)
        ;
    assert_int_equal(uv_loop_close(&d.loop), 0);
    while (d.conn_count > 0)
        remove_conn(d.conns[0]->name);
    while (d.psk_count > 0)
        remove_psk(d.psks[0]->id);
    arena_clear(&arena);
    assert_int_not_equal(access(path, F_OK), 0);
    return 0;
}

static void turn(unsigned times)
{
    for (unsigned i = 0; i < times; i++)
        uv_run(&d.loop, UV_RUN_NOWAIT);
}

static int dial(void)
{
    struct sockaddr_un un = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    strcpy(un.sun_path, path);
    assert_int_equal(connect(fd, (struct sockaddr *)&un, sizeof un), 0);
    turn(3);
    return fd;
}

static void send_octets(int fd, const void *at, size_t len)
{
    const uint8_t *next = at;
    while (len > 0) {
        ssize_t sent = send(fd, next, len, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (sent > 0) {
            next += sent;
            len -= (size_t)sent;
        }
        turn(1);
    }
}

static void send_out(int fd, struct vici_out *o)
{
    assert_true(vici_end_packet(o));
    send_octets(fd, o->at, o->len);
    vici_out_clear(o);
    turn(3);
}

static void request(int fd, const char *name)
{
    struct vici_out o;
    vici_begin_packet(&o, VICI_CMD_REQUEST, name);
    send_out(fd, &o);
}

/* The next packet, or false when none comes or the connection ends (*is_over). */
static bool receive_or(int fd, struct vici_packet *p, bool *is_over)
{
    uint8_t *in = arena_alloc(&arena, VICI_PACKET_MAX + 4);
    size_t len = 0, want = 4;
    const char *why;
    *is_over = false;
    for (int i = 0; i < 2000; i++) {
        turn(1);
        ssize_t got = recv(fd, in + len, want - len, MSG_DONTWAIT);
        if (got == 0 || (got < 0 && errno != EAGAIN)) {
            *is_over = true;
            return false;
        }
        if (got < 0) {
            if (i > 500)
                usleep(200);
            continue;
        }
        len += (size_t)got;
        if (len == 4 && want == 4) {
            struct reader r = reader_of(span_of(in, 4));
            want = 4 + take_u32(&r);
        }
        if (len == want && len > 4)
            return vici_parse_packet(span_of(in + 4, len - 4), p, &why);
    }
    return false;
}

static struct vici_packet receive(int fd)
{
    struct vici_packet p;
    bool is_over;
    assert_true(receive_or(fd, &p, &is_over));
    return p;
}

static bool is_silent(int fd)
{
    uint8_t octet;
    turn(20);
    return recv(fd, &octet, 1, MSG_DONTWAIT | MSG_PEEK) < 0 && errno == EAGAIN;
}

static const struct section *answer(int fd)
{
    struct vici_packet p = receive(fd);
    const struct section *root;
    const char *why;
    assert_int_equal(p.type, VICI_CMD_RESPONSE);
    assert_true(vici_parse_message(p.message, &arena, &root, &why));
    return root;
}

static const struct section *event(int fd, const char *name)
{
    struct vici_packet p = receive(fd);
    const struct section *root;
    const char *why;
    assert_int_equal(p.type, VICI_EVENT);
    assert_true(span_is(p.name, name));
    assert_true(vici_parse_message(p.message, &arena, &root, &why));
    return root;
}

static void register_for(int fd, const char *name)
{
    struct vici_out o;
    vici_begin_packet(&o, VICI_EVENT_REGISTER, name);
    send_out(fd, &o);
    assert_int_equal(receive(fd).type, VICI_EVENT_CONFIRM);
}

static const char *text(const struct section *s, const char *name)
{
    return vici_get_text(s, name, &arena, "(none)");
}

/* A connection as swanctl sends it. */
static void write_conn(struct vici_out *o, const char *name, const char *key, const char *value,
                       const char *start)
{
    vici_section(o, name);
    vici_text(o, "version", "2");
    if (key != NULL)
        vici_text(o, key, value);
    vici_list(o, "local_addrs");
    vici_item(o, "192.0.2.1");
    vici_list_end(o);
    vici_list(o, "remote_addrs");
    vici_item(o, "192.0.2.7");
    vici_list_end(o);
    vici_list(o, "proposals");
    vici_item(o, "aes128-sha256-x25519");
    vici_list_end(o);
    vici_section(o, "local");
    vici_text(o, "auth", "psk");
    vici_text(o, "id", "a.example");
    vici_section_end(o);
    vici_section(o, "remote");
    vici_text(o, "auth", "psk");
    vici_text(o, "id", "b.example");
    vici_section_end(o);
    vici_section(o, "children");
    vici_section(o, "lan");
    if (start != NULL)
        vici_text(o, "start_action", start);
    vici_list(o, "local_ts");
    vici_item(o, "10.1.0.0/16");
    vici_list_end(o);
    vici_section_end(o);
    vici_section_end(o);
    vici_section_end(o);
}

static const struct section *load(int fd, const char *name, const char *key, const char *value,
                                  const char *start)
{
    struct vici_out o;
    vici_begin_packet(&o, VICI_CMD_REQUEST, "load-conn");
    write_conn(&o, name, key, value, start);
    send_out(fd, &o);
    return answer(fd);
}

static void call(int fd, const char *command, const char *key, const char *value)
{
    struct vici_out o;
    vici_begin_packet(&o, VICI_CMD_REQUEST, command);
    if (key != NULL)
        vici_text(&o, key, value);
    send_out(fd, &o);
}

/* ---- packets ---- */

static void version_is_told(void **state)
{
    (void)state;
    int fd = dial();
    request(fd, "version");
    const struct section *a = answer(fd);
    assert_string_equal(text(a, "daemon"), "ikebanad");
    assert_string_equal(text(a, "sysname"), "Linux");
    close(fd);
}

static void the_socket_is_for_owner_and_group(void **state)
{
    struct stat st;
    (void)state;
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0660);
}

static void an_unknown_command_is_answered_by_type_2(void **state)
{
    (void)state;
    int fd = dial();
    request(fd, "no-such-command");
    assert_int_equal(receive(fd).type, VICI_CMD_UNKNOWN);
    send_octets(fd, "\x00\x00\x00\x04\x00\x02v\x00", 8);
    assert_int_equal(receive(fd).type, VICI_CMD_UNKNOWN);
    request(fd, "version");
    answer(fd);
    close(fd);
}

static void registrations_are_counted(void **state)
{
    struct vici_out o;
    (void)state;
    int fd = dial();
    register_for(fd, "log");
    register_for(fd, "log");
    for (int i = 0; i < 3; i++) {
        vici_begin_packet(&o, VICI_EVENT_UNREGISTER, "log");
        send_out(fd, &o);
        assert_int_equal(receive(fd).type, i < 2 ? VICI_EVENT_CONFIRM : VICI_EVENT_UNKNOWN);
    }
    vici_begin_packet(&o, VICI_EVENT_REGISTER, "no-such-event");
    send_out(fd, &o);
    assert_int_equal(receive(fd).type, VICI_EVENT_UNKNOWN);
    close(fd);
}

static void pipelined_requests_are_answered_in_order(void **state)
{
    struct vici_out o, all = {0};
    uint8_t octets[512];
    struct writer w = writer_of(octets, sizeof octets);
    static const char *const names[] = {"version", "get-conns", "unknown", "stats", "get-shared"};
    (void)state;
    (void)all;
    for (size_t i = 0; i < 5; i++) {
        vici_begin_packet(&o, VICI_CMD_REQUEST, names[i]);
        assert_true(vici_end_packet(&o));
        put_span(&w, span_of(o.at, o.len));
        vici_out_clear(&o);
    }
    int fd = dial();
    send_octets(fd, w.at, w.len);
    assert_string_equal(text(answer(fd), "daemon"), "ikebanad");
    assert_string_equal(answer(fd)->settings->name, "conns");
    assert_int_equal(receive(fd).type, VICI_CMD_UNKNOWN);
    assert_string_equal(answer(fd)->sections->name, "uptime");
    assert_string_equal(answer(fd)->settings->name, "keys");
    close(fd);
}

static void a_packet_may_come_octet_by_octet(void **state)
{
    (void)state;
    int fd = dial();
    const char packet[] = "\x00\x00\x00\x09\x00\x07version";
    for (size_t i = 0; i < sizeof packet - 1; i++)
        send_octets(fd, packet + i, 1);
    assert_string_equal(text(answer(fd), "daemon"), "ikebanad");
    close(fd);
}

static void a_client_that_announces_too_much_is_disconnected(void **state)
{
    struct vici_packet p;
    bool is_over;
    (void)state;
    int fd = dial();
    send_octets(fd, "\x00\x08\x00\x01", 4);
    assert_false(receive_or(fd, &p, &is_over));
    assert_true(is_over);
    close(fd);
    fd = dial();
    send_octets(fd, "\x00\x08\x00\x00", 4);
    assert_true(is_silent(fd));
    close(fd);
}

static void what_is_no_request_gets_no_answer_and_does_no_harm(void **state)
{
    (void)state;
    int fd = dial();
    send_octets(fd, "\x00\x00\x00\x00", 4);
    send_octets(fd, "\x00\x00\x00\x01\x09", 5);
    send_octets(fd, "\x00\x00\x00\x01\x01", 5);
    send_octets(fd, "\x00\x00\x00\x01\x02", 5);
    assert_true(is_silent(fd));
    request(fd, "version");
    answer(fd);
    close(fd);
}

static void very_many_very_short_packets_are_passed_over(void **state)
{
    static const char zeros[4096];
    (void)state;
    int fd = dial();
    for (unsigned i = 0; i < 200; i++) {
        send_octets(fd, zeros, sizeof zeros);
        turn(2);
    }
    request(fd, "version");
    assert_string_equal(text(answer(fd), "daemon"), "ikebanad");
    close(fd);
}

static void a_message_that_cannot_be_read_is_refused_with_the_reason(void **state)
{
    (void)state;
    int fd = dial();
    send_octets(fd, "\x00\x00\x00\x0e\x00\x09load-conn\x01\x01x", 18);
    const struct section *a = answer(fd);
    assert_string_equal(text(a, "success"), "no");
    assert_string_equal(text(a, "cause"), "cmd.bad-request");
    assert_string_equal(text(a, "seen"), "a section is not closed");
    /* version reads no message */
    send_octets(fd, "\x00\x00\x00\x0c\x00\x07version\x01\x01x", 16);
    assert_string_equal(text(answer(fd), "daemon"), "ikebanad");
    close(fd);
}

static void garbage_never_breaks_the_server(void **state)
{
    uint8_t seed[RNG_SEED_SIZE] = {3}, octets[128];
    (void)state;
    struct rng *rng = rng_new(seed);
    struct vici_out o;
    vici_begin_packet(&o, VICI_CMD_REQUEST, "load-conn");
    write_conn(&o, "office", NULL, NULL, NULL);
    vici_end_packet(&o);
    for (int i = 0; i < 300; i++) {
        int fd = dial();
        if (i % 2 == 0) {
            rng_fill(rng, octets, sizeof octets);
            octets[0] = octets[1] = octets[2] = 0;
            octets[4] &= 7;
            send_octets(fd, octets, sizeof octets);
        } else {
            struct vici_out copy = {malloc(o.len), o.len, o.len, false};
            memcpy(copy.at, o.at, o.len);
            for (int n = 0; n < 3; n++)
                copy.at[4 + rng_below(rng, o.len - 4)] = (uint8_t)rng_u32(rng);
            send_octets(fd, copy.at, copy.len);
            vici_out_clear(&copy);
        }
        turn(3);
        close(fd);
        turn(2);
        while (d.conn_count > 8)
            remove_conn(d.conns[0]->name);
        arena_reset(&arena);
    }
    vici_out_clear(&o);
    rng_free(rng);
    int fd = dial();
    request(fd, "version");
    answer(fd);
    close(fd);
}

/* ---- loading ---- */

static void a_connection_is_loaded_listed_and_unloaded(void **state)
{
    (void)state;
    int fd = dial();
    const struct section *a = load(fd, "office", NULL, NULL, NULL);
    assert_string_equal(text(a, "errmsg"), "(none)");
    assert_string_equal(text(a, "success"), "yes");
    assert_int_equal(d.initiated, 0);
    request(fd, "get-conns");
    a = answer(fd);
    assert_int_equal(a->settings->item_count, 1);
    assert_true(span_is(a->settings->items[0], "office"));
    register_for(fd, "list-conn");
    request(fd, "list-conns");
    const struct section *conn = event(fd, "list-conn")->sections;
    assert_string_equal(conn->name, "office");
    assert_string_equal(text(conn, "version"), "IKEv2");
    assert_string_equal(text(settings_find_section(conn, "local-1"), "class"), "pre-shared key");
    assert_string_equal(text(settings_find_section(conn, "remote-1"), "id"), "b.example");
    const struct section *lan =
        settings_find_section(settings_find_section(conn, "children"), "lan");
    assert_string_equal(text(lan, "mode"), "TUNNEL");
    assert_true(span_is(settings_find(lan, "local-ts")->items[0], "10.1.0.0/16"));
    assert_null(answer(fd)->settings);
    call(fd, "unload-conn", "name", "office");
    assert_string_equal(text(answer(fd), "success"), "yes");
    call(fd, "unload-conn", "name", "office");
    a = answer(fd);
    assert_string_equal(text(a, "success"), "no");
    assert_string_equal(text(a, "cause"), "cmd.unknown-connection");
    close(fd);
}

static void a_refused_connection_names_key_and_value(void **state)
{
    (void)state;
    int fd = dial();
    const struct section *a = load(fd, "office", "dpd_dealy", "5", NULL);
    assert_string_equal(text(a, "success"), "no");
    assert_string_equal(text(a, "cause"), "conf.unknown-key");
    assert_non_null(strstr(text(a, "errmsg"), "connections.office.dpd_dealy"));
    assert_string_equal(text(a, "param"), "connections.office.dpd_dealy");
    assert_non_null(strstr(text(a, "nearest"), "dpd_delay"));
    a = load(fd, "office", "dpd_delay", "soon", NULL);
    assert_string_equal(text(a, "cause"), "conf.bad-value");
    assert_string_equal(text(a, "reason"), "13861");
    assert_int_equal(d.conn_count, 0);
    close(fd);
}

static void one_bad_connection_keeps_the_others_of_its_message_out(void **state)
{
    struct vici_out o;
    (void)state;
    int fd = dial();
    vici_begin_packet(&o, VICI_CMD_REQUEST, "load-conn");
    write_conn(&o, "good", NULL, NULL, NULL);
    write_conn(&o, "bad", "nonsense", "1", NULL);
    send_out(fd, &o);
    assert_string_equal(text(answer(fd), "success"), "no");
    assert_int_equal(d.conn_count, 0);
    close(fd);
}

static const struct section *load_shared(int fd, const char *id, const char *type)
{
    struct vici_out o;
    vici_begin_packet(&o, VICI_CMD_REQUEST, "load-shared");
    if (id != NULL)
        vici_text(&o, "id", id);
    vici_text(&o, "type", type);
    vici_text(&o, "data", "a secret of more than twenty letters");
    vici_list(&o, "owners");
    vici_item(&o, "b.example");
    vici_list_end(&o);
    send_out(fd, &o);
    return answer(fd);
}

static void secrets_are_loaded_listed_and_unloaded(void **state)
{
    (void)state;
    int fd = dial();
    assert_string_equal(text(load_shared(fd, "ike-office", "IKE"), "success"), "yes");
    assert_string_equal(text(load_shared(fd, NULL, "ike"), "success"), "yes");
    assert_int_equal(d.psk_count, 2);
    request(fd, "get-shared");
    const struct section *a = answer(fd);
    assert_int_equal(a->settings->item_count, 1);
    assert_true(span_is(a->settings->items[0], "ike-office"));
    call(fd, "unload-shared", "id", "unheard-of");
    assert_string_equal(text(answer(fd), "success"), "yes");
    call(fd, "unload-shared", "id", "ike-office");
    assert_string_equal(text(answer(fd), "success"), "yes");
    assert_int_equal(d.psk_count, 1);
    request(fd, "clear-creds");
    assert_string_equal(text(answer(fd), "success"), "yes");
    assert_int_equal(d.psk_count, 0);
    a = load_shared(fd, "eap-x", "eap");
    assert_string_equal(text(a, "cause"), "cmd.not-served");
    assert_string_equal(text(a, "seen"), "eap");
    close(fd);
}

/* ---- commands that wait ---- */

static void initiate_is_answered_by_its_outcome(void **state)
{
    (void)state;
    int fd = dial();
    load(fd, "office", NULL, NULL, NULL);
    call(fd, "initiate", "child", "lan");
    assert_true(is_silent(fd));
    assert_string_equal(d.conn_name, "office");
    assert_string_equal(d.child_name, "lan");
    d.waiting(d.waiting_context, true, 1, NULL, NULL);
    assert_string_equal(text(answer(fd), "success"), "yes");
    close(fd);
}

static void a_failed_initiate_tells_all_that_is_known(void **state)
{
    struct finding why;
    (void)state;
    int fd = dial();
    load(fd, "office", NULL, NULL, NULL);
    call(fd, "initiate", "name", "office");
    assert_string_equal(d.conn_name, "office");
    assert_string_equal(d.child_name, "");
    finding_set(&why, CAUSE_IKE_PEER_REFUSED_PROPOSAL);
    why.phase = PHASE_IKE_SA_INIT;
    why.param = "connections.office.proposals";
    why.expected = "aes128-sha256-x25519";
    why.seen = "NO_PROPOSAL_CHOSEN (14)";
    struct record *r = record_new(RECORD_IKE, (struct instant){0}, 1700000000);
    r->result = RESULT_FAILED;
    record_set_text(&r->conn, "office");
    record_add_finding(r, &why);
    emit(&(struct event){.kind = EVENT_RECORD, .record = r, .conn_name = "", .child_name = ""});
    d.waiting(d.waiting_context, false, 0, &why, r);
    const struct section *a = answer(fd);
    assert_string_equal(text(a, "success"), "no");
    assert_string_equal(text(a, "status"), "13800");
    assert_string_equal(text(a, "reason"), "13868");
    assert_string_equal(text(a, "cause"), "ike.peer-refused-proposal");
    assert_string_equal(text(a, "param"), "connections.office.proposals");
    assert_string_equal(text(a, "expected"), "aes128-sha256-x25519");
    assert_string_equal(text(a, "seen"), "NO_PROPOSAL_CHOSEN (14)");
    assert_non_null(strstr(text(a, "fix"), "connections.office.proposals"));
    assert_non_null(strstr(text(a, "errmsg"), "ERROR_IPSEC_IKE_NEG_STATUS_BEGIN"));
    assert_non_null(strstr(text(a, "record"), "\"number\":1"));
    record_free(r);
    close(fd);
}

static void a_wrong_name_is_refused_with_the_right_ones(void **state)
{
    (void)state;
    int fd = dial();
    load(fd, "office", NULL, NULL, NULL);
    call(fd, "initiate", "name", "ofice");
    const struct section *a = answer(fd);
    assert_string_equal(text(a, "cause"), "cmd.unknown-connection");
    assert_string_equal(text(a, "seen"), "ofice");
    assert_string_equal(text(a, "nearest"), "office, lan");
    call(fd, "initiate", "child", "wan");
    assert_string_equal(text(answer(fd), "param"), "child");
    call(fd, "initiate", NULL, NULL);
    assert_string_equal(text(answer(fd), "cause"), "cmd.bad-request");
    assert_int_equal(d.initiated, 0);
    call(fd, "initiate", "name", "office/lan");
    assert_int_equal(d.initiated, 1);
    assert_string_equal(d.child_name, "lan");
    close(fd);
    turn(5);
}

static void a_client_that_goes_is_forgotten(void **state)
{
    (void)state;
    int fd = dial();
    load(fd, "office", NULL, NULL, NULL);
    call(fd, "initiate", "ike", "office");
    assert_int_equal(d.forgotten, 0);
    close(fd);
    turn(5);
    assert_int_equal(d.forgotten, d.tickets);
}

static void a_timeout_ends_the_waiting_only(void **state)
{
    struct vici_out o;
    (void)state;
    int fd = dial();
    load(fd, "office", NULL, NULL, NULL);
    vici_begin_packet(&o, VICI_CMD_REQUEST, "initiate");
    vici_text(&o, "ike", "office");
    vici_text(&o, "timeout", "20");
    send_out(fd, &o);
    usleep(25000);
    const struct section *a = answer(fd);
    assert_string_equal(text(a, "cause"), "cmd.timeout");
    assert_int_equal(d.forgotten, d.tickets);
    vici_begin_packet(&o, VICI_CMD_REQUEST, "initiate");
    vici_text(&o, "ike", "office");
    vici_text(&o, "timeout", "-1000");
    send_out(fd, &o);
    assert_string_equal(text(answer(fd), "success"), "yes");
    assert_null(d.waiting);
    close(fd);
}

static void terminate_and_rekey_wait_and_count(void **state)
{
    struct finding why;
    (void)state;
    int fd = dial();
    call(fd, "terminate", "child", "lan");
    assert_int_equal(d.last.kind, CMD_TERMINATE);
    assert_true(is_silent(fd));
    d.waiting(d.waiting_context, true, 2, NULL, NULL);
    const struct section *a = answer(fd);
    assert_string_equal(text(a, "success"), "yes");
    assert_string_equal(text(a, "matches"), "2");
    assert_string_equal(text(a, "terminated"), "2");
    call(fd, "rekey", "ike-id", "7");
    assert_int_equal(d.last.kind, CMD_REKEY);
    assert_int_equal(d.last.ike_id, 7);
    finding_set(&why, CAUSE_CHILD_REKEY_REFUSED);
    why.phase = PHASE_REKEY;
    d.waiting(d.waiting_context, false, 1, &why, NULL);
    a = answer(fd);
    assert_string_equal(text(a, "success"), "no");
    assert_string_equal(text(a, "matches"), "1");
    assert_string_equal(text(a, "status"), "13897");
    assert_string_equal(text(a, "cause"), "child.rekey-refused");
    call(fd, "terminate", NULL, NULL);
    assert_string_equal(text(answer(fd), "cause"), "cmd.bad-request");
    close(fd);
}

static void a_name_that_is_not_loaded_is_tried_as_connection_and_child(void **state)
{
    struct finding why;
    (void)state;
    int fd = dial();
    call(fd, "terminate", "name", "gone");
    assert_string_equal(d.conn_name, "gone");
    finding_set(&why, CAUSE_CMD_UNKNOWN_SA);
    d.waiting(d.waiting_context, false, 0, &why, NULL);
    assert_string_equal(d.conn_name, "");
    assert_string_equal(d.child_name, "gone");
    d.waiting(d.waiting_context, true, 1, NULL, NULL);
    assert_string_equal(text(answer(fd), "success"), "yes");
    close(fd);
}

static void who_waits_sees_the_progress(void **state)
{
    (void)state;
    int fd = dial();
    load(fd, "office", NULL, NULL, NULL);
    register_for(fd, "control-log");
    call(fd, "initiate", "ike", "office");
    struct event e = {.kind = EVENT_IKE_UP, .conn_name = "office", .child_name = "", .ike_id = 4};
    emit(&e);
    const struct section *line = event(fd, "control-log");
    assert_string_equal(text(line, "group"), "IKE");
    assert_string_equal(text(line, "ikesa-name"), "office");
    assert_string_equal(text(line, "ikesa-uniqueid"), "4");
    e.conn_name = "other";
    emit(&e);
    assert_true(is_silent(fd));
    d.waiting(d.waiting_context, true, 1, NULL, NULL);
    answer(fd);
    close(fd);
}

/* ---- lists and events ---- */

static void many_sas_come_in_pieces(void **state)
{
    (void)state;
    int fd = dial();
    d.sa_count = 400; /* on each of two workers */
    register_for(fd, "list-sa");
    call(fd, "list-sas", "ike", "even");
    size_t count = 0;
    for (;;) {
        arena_reset(&arena);
        struct vici_packet p = receive(fd);
        if (p.type == VICI_CMD_RESPONSE)
            break;
        count++;
    }
    assert_int_equal(count, 400);
    close(fd);
}

static void an_sa_has_the_keys_that_clients_know(void **state)
{
    (void)state;
    int fd = dial();
    d.sa_count = 1;
    register_for(fd, "list-sa");
    request(fd, "list-sas");
    const struct section *sa = event(fd, "list-sa")->sections;
    assert_string_equal(sa->name, "odd");
    assert_string_equal(text(sa, "state"), "ESTABLISHED");
    assert_string_equal(text(sa, "initiator-spi"), "1122334455667788");
    assert_string_equal(text(sa, "remote-host"), "192.0.2.7");
    assert_string_equal(text(sa, "encr-alg"), "AES_CBC");
    assert_string_equal(text(sa, "integ-alg"), "HMAC_SHA2_256_128");
    assert_string_equal(text(sa, "prf-alg"), "PRF_HMAC_SHA2_256");
    assert_string_equal(text(sa, "dh-group"), "CURVE_25519");
    const struct section *child = settings_find_section(sa, "child-sas")->sections;
    assert_string_equal(child->name, "lan-1");
    assert_string_equal(text(child, "spi-in"), "c0000001");
    assert_string_equal(text(child, "spi-out"), "000000ab");
    assert_string_equal(text(child, "encr-alg"), "AES_GCM_16");
    assert_string_equal(text(child, "rekey-time"), "3000");
    assert_string_equal(text(child, "life-time"), "(none)");
    close(fd);
}

static void without_registration_a_list_is_empty(void **state)
{
    (void)state;
    int fd = dial();
    d.sa_count = 5;
    request(fd, "list-sas");
    assert_null(answer(fd)->settings);
    close(fd);
}

static void updown_events_reach_who_asked(void **state)
{
    (void)state;
    int fd = dial(), other = dial();
    load(fd, "office", NULL, NULL, NULL);
    register_for(fd, "ike-updown");
    register_for(fd, "child-updown");
    register_for(fd, "child-rekey");
    struct event e = {.kind = EVENT_IKE_UP, .conn_name = "office", .child_name = "", .ike_id = 4};
    address_parse(span_text("192.0.2.7"), &e.remote);
    emit(&e);
    const struct section *m = event(fd, "ike-updown");
    assert_string_equal(text(m, "up"), "yes");
    assert_string_equal(m->sections->name, "office");
    assert_string_equal(text(m->sections, "remote-id"), "b.example");
    e.kind = EVENT_CHILD_DOWN;
    e.child_name = "lan";
    e.child_id = 9;
    emit(&e);
    m = event(fd, "child-updown");
    assert_string_equal(text(m, "up"), "(none)");
    assert_string_equal(settings_find_section(m->sections, "child-sas")->sections->name, "lan-9");
    e.kind = EVENT_CHILD_REKEYED;
    e.old_id = 9;
    e.child_id = 10;
    emit(&e);
    m = settings_find_section(event(fd, "child-rekey")->sections, "child-sas");
    assert_string_equal(m->sections->name, "lan");
    assert_string_equal(text(settings_find_section(m->sections, "old"), "uniqueid"), "9");
    assert_string_equal(text(settings_find_section(m->sections, "new"), "uniqueid"), "10");
    assert_true(is_silent(other));
    close(fd);
    close(other);
}

static void a_client_that_does_not_read_holds_nobody_up(void **state)
{
    (void)state;
    int slow = dial(), quick = dial();
    register_for(slow, "log");
    struct event e = {.kind = EVENT_IKE_UP, .conn_name = "office", .child_name = ""};
    for (int i = 0; i < 200000; i++)
        emit(&e);
    request(quick, "ikebana-counters");
    const struct section *a = answer(quick);
    int64_t lost = vici_get_number(settings_find_section(a, "counters"), "events-lost", 0);
    assert_true(lost > 0);
    close(slow);
    close(quick);
}

static void the_history_is_told_newest_first(void **state)
{
    (void)state;
    int fd = dial();
    for (int i = 0; i < 250; i++) {
        struct record *r = record_new(RECORD_IKE, (struct instant){0}, 1700000000 + i);
        record_set_text(&r->conn, i % 2 == 0 ? "office" : "lab");
        r->result = RESULT_UP;
        emit(&(struct event){.kind = EVENT_RECORD, .record = r, .conn_name = "", .child_name = ""});
        assert_int_equal(r->number, i + 1);
        record_free(r);
    }
    register_for(fd, "ikebana-record");
    call(fd, "ikebana-why", NULL, NULL);
    assert_string_equal(text(event(fd, "ikebana-record"), "number"), "250");
    assert_string_equal(text(answer(fd), "records"), "1");
    call(fd, "ikebana-why", "name", "office");
    assert_string_equal(text(event(fd, "ikebana-record"), "number"), "249");
    answer(fd);
    call(fd, "ikebana-why", "all", "yes");
    for (int i = 250; i > 0; i--) {
        arena_reset(&arena);
        assert_int_equal(vici_get_number(event(fd, "ikebana-record"), "number", 0), i);
    }
    assert_string_equal(text(answer(fd), "records"), "250");
    close(fd);
}

static void stats_add_the_workers_up(void **state)
{
    (void)state;
    int fd = dial();
    request(fd, "stats");
    const struct section *a = answer(fd);
    assert_string_equal(text(settings_find_section(a, "ikesas"), "total"), "6");
    assert_string_equal(text(settings_find_section(a, "workers"), "total"), "2");
    close(fd);
}

/* ---- the socket's file ---- */

static void a_socket_in_use_is_not_taken(void **state)
{
    struct finding why;
    (void)state;
    assert_null(vici_server_start(&d, uri, NULL, &why));
    assert_int_equal(why.cause, CAUSE_SYS_CONTROL);
    assert_string_equal(why.param, "--vici");
    assert_string_equal(why.seen, "address already in use");
    int fd = dial();
    request(fd, "version");
    answer(fd);
    close(fd);
    assert_null(vici_server_start(&d, "http://x", NULL, &why));
    assert_int_equal(why.cause, CAUSE_CMD_BAD_REQUEST);
    assert_string_equal(why.seen, "http://x");
}

static void tcp_is_for_this_host_alone(void **state)
{
    static const char *const open_uris[] = {"tcp://0.0.0.0:0", "tcp://192.0.2.1:0", "tcp://[::]:0",
                                            "tcp://[2001:db8::1]:0"};
    struct finding why;
    (void)state;
    for (size_t i = 0; i < sizeof open_uris / sizeof open_uris[0]; i++) {
        assert_null(vici_server_start(&d, open_uris[i], NULL, &why));
        assert_int_equal(why.cause, CAUSE_CMD_BAD_REQUEST);
        assert_string_equal(why.param, "--vici");
        assert_string_equal(why.expected,
                            "an address of the loopback interface: VICI has no authentication");
        assert_string_equal(why.seen, open_uris[i]);
    }
    struct vici_server *second = vici_server_start(&d, "tcp://127.0.0.1:0", NULL, &why);
    assert_non_null(second);
    vici_server_stop(second);
    turn(3);
}

static void a_stale_socket_is_replaced(void **state)
{
    struct finding why;
    char stale[80], stale_uri[96];
    struct sockaddr_un un = {.sun_family = AF_UNIX};
    (void)state;
    snprintf(stale, sizeof stale, "%s.2", path);
    snprintf(stale_uri, sizeof stale_uri, "unix://%s", stale);
    strcpy(un.sun_path, stale);
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&un, sizeof un), 0);
    close(fd);
    struct vici_server *second = vici_server_start(&d, stale_uri, NULL, &why);
    assert_non_null(second);
    vici_server_stop(second);
    turn(3);
    /* What is no socket is not removed. */
    fclose(fopen(stale, "w"));
    assert_null(vici_server_start(&d, stale_uri, NULL, &why));
    assert_int_equal(access(stale, F_OK), 0);
    unlink(stale);
    turn(3);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(version_is_told),
        TEST(the_socket_is_for_owner_and_group),
        TEST(an_unknown_command_is_answered_by_type_2),
        TEST(registrations_are_counted),
        TEST(pipelined_requests_are_answered_in_order),
        TEST(a_packet_may_come_octet_by_octet),
        TEST(a_client_that_announces_too_much_is_disconnected),
        TEST(what_is_no_request_gets_no_answer_and_does_no_harm),
        TEST(very_many_very_short_packets_are_passed_over),
        TEST(a_message_that_cannot_be_read_is_refused_with_the_reason),
        TEST(garbage_never_breaks_the_server),
        TEST(a_connection_is_loaded_listed_and_unloaded),
        TEST(a_refused_connection_names_key_and_value),
        TEST(one_bad_connection_keeps_the_others_of_its_message_out),
        TEST(secrets_are_loaded_listed_and_unloaded),
        TEST(initiate_is_answered_by_its_outcome),
        TEST(a_failed_initiate_tells_all_that_is_known),
        TEST(a_wrong_name_is_refused_with_the_right_ones),
        TEST(a_client_that_goes_is_forgotten),
        TEST(a_timeout_ends_the_waiting_only),
        TEST(terminate_and_rekey_wait_and_count),
        TEST(a_name_that_is_not_loaded_is_tried_as_connection_and_child),
        TEST(who_waits_sees_the_progress),
        TEST(many_sas_come_in_pieces),
        TEST(an_sa_has_the_keys_that_clients_know),
        TEST(without_registration_a_list_is_empty),
        TEST(updown_events_reach_who_asked),
        TEST(a_client_that_does_not_read_holds_nobody_up),
        TEST(the_history_is_told_newest_first),
        TEST(stats_add_the_workers_up),
        TEST(a_socket_in_use_is_not_taken),
        TEST(tcp_is_for_this_host_alone),
        TEST(a_stale_socket_is_replaced),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
