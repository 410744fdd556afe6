/* SAs made, refused, exhausted, shared by threads and removed under their hands. */
#include <pthread.h>

#include "esp/db.h"
#include "harness.h"

static void assert_refused(struct sa_spec spec, const char *seen)
{
    struct esp_db *db = esp_db_new(1);
    struct finding why;
    assert_false(esp_sa_add(db, &spec, &why));
    assert_int_equal(why.cause, CAUSE_CHILD_INSTALL_FAILED);
    assert_string_equal(why.seen, seen);
    assert_string_not_equal(why.expected, "");
    esp_db_free(db);
}

static void an_sa_that_cannot_be_served_is_refused_with_its_reason(void **state)
{
    (void)state;
    struct net net = usual_net();
    const struct sa_spec good = spec_of(&gcm, &net);
    struct sa_spec s = good;
    s.mode = MODE_PASS;
    assert_refused(s, "a mode other than tunnel and transport");
    s = good;
    s.spi = 255;
    assert_refused(s, "a reserved SPI");
    s = good;
    s.encr = NULL;
    assert_refused(s, "a cipher that is not for ESP");
    s = good;
    s.encr = crypto_encr(ENCR_AES_CBC, 128);
    s.keys.encr_len = 16;
    assert_refused(s, "no integrity algorithm");
    s = good;
    s.keys.encr_len--;
    assert_refused(s, "a cipher key of another length");
    s = spec_of(&suites[10], &net);
    s.keys.integ_len++;
    assert_refused(s, "an integrity key of another length");
    s = good;
    s.replay_window = 4097;
    assert_refused(s, "a replay window above 4096");
    s = good;
    s.remote = addr("2001:db8::1");
    assert_refused(s, "outer addresses of no or different families");
}

static void an_spi_that_is_taken_is_refused(void **state)
{
    (void)state;
    struct net net = usual_net();
    struct sa_spec spec = spec_of(&gcm, &net), in = mirror(&spec);
    struct esp_db *db = db_with(&spec);
    struct finding why;
    assert_false(esp_sa_add(db, &spec, &why));
    assert_string_equal(why.seen, "an SA with this SPI exists");
    in.child_id++;
    assert_false(esp_sa_add(db, &in, &why));
    spec.child_id++; /* two peers may choose the same SPI */
    assert_true(esp_sa_add(db, &spec, &why));
    db_done(db);
}

static void what_is_not_there_has_no_stats_and_may_be_removed(void **state)
{
    (void)state;
    struct esp_db *db = esp_db_new(1); /* by a thread that is no reader */
    struct esp_stats s;
    struct address a = addr("192.0.2.1");
    assert_false(esp_sa_stats(db, SPI, 1, true, &s));
    esp_sa_remove(db, SPI, 1, true);
    esp_sa_remove(db, SPI, 1, false);
    esp_sa_use(db, SPI, 1);
    esp_sa_move(db, SPI, 1, false, &a, &a, true);
    esp_policy_remove(db, 1);
    esp_set_pmtu(db, &a, 0);
    esp_db_free(db);
}

static void sequence_numbers_end_and_never_wrap(void **state)
{
    (void)state;
    for (int esn = 0; esn < 2; esn++) {
        struct net net = usual_net();
        struct sa_spec spec = spec_of(&gcm, &net);
        spec.esn = esn != 0;
        struct esp_db *db = db_with(&spec);
        struct sa *sa = atomic_load(&db->table)->at[0]->sa;
        uint64_t last = spec.esn ? UINT64_MAX : UINT32_MAX;
        atomic_store(&sa->sequence, last - 2);
        struct buffer b = buffer_new();
        uint8_t at[60];
        struct esp_notices n;
        for (int i = 1; i <= 4; i++) {
            buffer_set(&b, udp_packet(at, 60, "10.1.0.1", "10.2.0.1"));
            esp_seal(db, 0, &b.p, 1, 0, &n);
            assert_int_equal(told(&n, 0) != NULL, i == 1); /* time to rekey */
            assert_int_equal(told(&n, 1) != NULL, i == 3);
            if (i <= 2)
                assert_verdict(b.p, ESP_SEND, ESP_OK);
            else
                assert_verdict(b.p, ESP_DROP, ESP_SEQ_EXHAUSTED);
        }
        assert_int_equal(atomic_load(&sa->sequence), last);
        free(b.at);
        db_done(db);
    }
}

static void a_lookup_cache_survives_no_removal(void **state)
{
    (void)state;
    struct net net = usual_net();
    struct sa_spec spec = spec_of(&gcm, &net);
    struct esp_db *db = db_with(&spec);
    struct buffer b = buffer_new();
    uint8_t at[60], sealed[200];
    assert_int_equal(seal_one(db, &b, udp_packet(at, 60, "10.1.0.1", "10.2.0.1")), ESP_SEND);
    memcpy(sealed, b.p.data, b.p.len);
    struct span esp = span_of(sealed, b.p.len);
    esp_sa_remove(db, SPI, CHILD_OUT, false);
    esp_sa_remove(db, SPI, CHILD_IN, true);
    urcu_memb_barrier();
    open_one(db, &b, esp);
    assert_verdict(b.p, ESP_DROP, ESP_UNKNOWN_SPI);
    seal_one(db, &b, udp_packet(at, 60, "10.1.0.1", "10.2.0.1"));
    assert_verdict(b.p, ESP_DROP, ESP_NO_POLICY);
    free(b.at);
    db_done(db);
}

/* Each path is counted by the SAs that lead along it. */
static void paths_go_with_the_last_sa_unless_something_is_known(void **state)
{
    (void)state;
    struct net net = usual_net();
    struct sa_spec spec = spec_of(&gcm, &net);
    struct esp_db *db = db_with(&spec);
    assert_int_equal(db->paths.count, 2); /* to each end */
    struct address elsewhere = addr("198.51.100.7");
    esp_sa_move(db, SPI, CHILD_OUT, false, &spec.local, &elsewhere, false);
    assert_int_equal(db->paths.count, 2);
    esp_set_pmtu(db, &elsewhere, 1400);
    esp_sa_remove(db, SPI, CHILD_OUT, false);
    assert_int_equal(db->paths.count, 2);
    esp_set_pmtu(db, &elsewhere, 0);
    assert_int_equal(db->paths.count, 1);
    esp_sa_remove(db, SPI, CHILD_IN, true);
    assert_int_equal(db->paths.count, 0);
    for (unsigned i = 0; i < 10000; i++) { /* a flood of ICMP errors is not remembered */
        struct address host = {.family = FAMILY_V4,
                               .bytes = {10, 0, (uint8_t)(i >> 8), (uint8_t)i}};
        esp_set_pmtu(db, &host, 1000);
    }
    assert_true(db->paths.count <= 4096);
    db_done(db);
}

/* ---- threads ---- */

enum { PER_THREAD = 20000, BATCH = 10 };

struct sealing {
    struct esp_db *db;
    unsigned worker;
    uint32_t *numbers; /* that it used */
};

static void *seal_many(void *context)
{
    struct sealing *s = context;
    uint8_t inner[60], *heap = malloc(BATCH * 300);
    udp_packet(inner, 60, "10.1.0.1", "10.2.0.1");
    esp_thread_begin(s->db);
    for (size_t done = 0; heap != NULL && done < PER_THREAD; done += BATCH) {
        struct esp_packet batch[BATCH];
        struct esp_notices n;
        for (size_t i = 0; i < BATCH; i++) {
            batch[i] = (struct esp_packet){
                .data = heap + i * 300 + ESP_HEADROOM, .len = 60, .capacity = 200};
            memcpy(batch[i].data, inner, 60);
        }
        esp_seal(s->db, s->worker, batch, BATCH, 0, &n);
        for (size_t i = 0; i < BATCH; i++) {
            struct reader r = reader_of(span_of(batch[i].data, batch[i].len));
            (void)take_u32(&r);
            s->numbers[done + i] = batch[i].verdict == ESP_SEND ? take_u32(&r) : 0;
        }
    }
    esp_thread_end(s->db);
    free(heap);
    return NULL;
}

static void two_threads_never_use_the_same_number(void **state)
{
    (void)state;
    struct net net = usual_net();
    struct sa_spec spec = spec_of(&gcm, &net);
    struct esp_db *db = esp_db_new(2);
    struct finding why;
    assert_true(esp_sa_add(db, &spec, &why));
    struct sealing s[2];
    pthread_t threads[2];
    for (unsigned i = 0; i < 2; i++) {
        s[i] = (struct sealing){db, i, calloc(PER_THREAD, sizeof(uint32_t))};
        assert_non_null(s[i].numbers);
        assert_int_equal(pthread_create(&threads[i], NULL, seal_many, &s[i]), 0);
    }
    uint8_t *seen = calloc(2 * PER_THREAD + 1, 1);
    assert_non_null(seen);
    for (unsigned i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
    for (unsigned i = 0; i < 2; i++) {
        for (size_t k = 0; k < PER_THREAD; k++) {
            assert_in_range(s[i].numbers[k], 1, 2 * PER_THREAD);
            assert_int_equal(seen[s[i].numbers[k]]++, 0);
        }
        free(s[i].numbers);
    }
    struct esp_stats stats;
    assert_true(esp_sa_stats(db, SPI, CHILD_OUT, false, &stats));
    assert_int_equal(stats.packets, 2 * PER_THREAD);
    assert_int_equal(stats.sequence, 2 * PER_THREAD);
    free(seen);
    esp_db_free(db);
}

struct traffic {
    struct esp_db *db;
    atomic_bool stop;
    uint64_t sent, opened;
};

static void *traffic_run(void *context)
{
    struct traffic *t = context;
    struct buffer b = buffer_new();
    uint8_t inner[60], sealed[200];
    struct esp_notices n;
    udp_packet(inner, 60, "10.1.0.1", "10.2.0.1");
    esp_thread_begin(t->db);
    while (!atomic_load(&t->stop)) {
        buffer_set(&b, span_of(inner, 60));
        esp_seal(t->db, 0, &b.p, 1, 0, &n);
        if (b.p.verdict != ESP_SEND)
            continue;
        t->sent++;
        memcpy(sealed, b.p.data, b.p.len);
        buffer_set(&b, span_of(sealed, b.p.len));
        esp_open(t->db, 0, &b.p, 1, 0, &n);
        t->opened += b.p.verdict == ESP_SEND;
        esp_quiescent(t->db);
    }
    esp_thread_end(t->db);
    free(b.at);
    return NULL;
}

static void sas_may_come_move_and_go_under_traffic(void **state)
{
    (void)state;
    struct net net = usual_net();
    struct sa_spec out = spec_of(&gcm, &net), in = mirror(&out);
    struct traffic t = {.db = esp_db_new(1)};
    pthread_t thread;
    struct finding why;
    struct address other = addr("198.51.100.1");
    assert_int_equal(pthread_create(&thread, NULL, traffic_run, &t), 0);
    uint64_t packets = 0;
    for (unsigned i = 0; i < 3000; i++) {
        out.spi = in.spi = SPI + i;
        out.child_id = 2 * i + 1;
        in.child_id = 2 * i + 2;
        assert_true(esp_sa_add(t.db, &in, &why));
        assert_true(esp_sa_add(t.db, &out, &why));
        esp_set_pmtu(t.db, &out.remote, (uint16_t)(1400 + i % 2));
        esp_sa_move(t.db, out.spi, out.child_id, false, &out.local, &other, i % 2 == 0);
        struct esp_stats s;
        assert_true(esp_sa_stats(t.db, out.spi, out.child_id, false, &s));
        packets += s.packets;
        if (i % 3 == 0)
            sched_yield();
        esp_sa_remove(t.db, out.spi, out.child_id, false);
        esp_sa_remove(t.db, in.spi, in.child_id, true);
    }
    atomic_store(&t.stop, true);
    pthread_join(thread, NULL);
    assert_true(packets <= t.sent && t.opened <= t.sent);
    esp_db_free(t.db);
}

static void names_and_causes_exist_for_every_drop(void **state)
{
    (void)state;
    for (int i = ESP_NO_POLICY; i < ESP_DROP_COUNT; i++) {
        assert_string_not_equal(esp_drop_name((enum esp_drop)i), "unknown");
        assert_int_not_equal(esp_drop_cause((enum esp_drop)i), CAUSE_NONE);
    }
    assert_string_equal(esp_drop_name(ESP_DROP_COUNT), "unknown");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_sa_that_cannot_be_served_is_refused_with_its_reason),
        cmocka_unit_test(an_spi_that_is_taken_is_refused),
        cmocka_unit_test(what_is_not_there_has_no_stats_and_may_be_removed),
        cmocka_unit_test(sequence_numbers_end_and_never_wrap),
        cmocka_unit_test(a_lookup_cache_survives_no_removal),
        cmocka_unit_test(paths_go_with_the_last_sa_unless_something_is_known),
        cmocka_unit_test(two_threads_never_use_the_same_number),
        cmocka_unit_test(sas_may_come_move_and_go_under_traffic),
        cmocka_unit_test(names_and_causes_exist_for_every_drop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
