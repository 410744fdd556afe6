/* A message of a real peer. */
#include "capture.h"

#include <jansson.h>

static struct span windows;

static int read_it(void **state)
{
    static uint8_t room[2048];
    (void)state;
    windows = read_windows(room, sizeof room);
    return 0;
}

static void the_windows_message_has_its_payloads(void **state)
{
    (void)state;
    static struct message m;
    struct wire_error why;
    assert_int_equal(windows.len, 880);
    assert_true(wire_parse_message(windows, &m, &why));
    assert_int_equal(m.header.exchange, EXCHANGE_IKE_SA_INIT);
    assert_int_equal(m.header.flags, IKE_FLAG_INITIATOR);
    assert_true(m.header.spi_i == 0x238671c80375a0fb && m.header.spi_r == 0);

    const uint8_t types[] = {PAYLOAD_SA,     PAYLOAD_KE,     PAYLOAD_NONCE,
                             PAYLOAD_NOTIFY, PAYLOAD_NOTIFY, PAYLOAD_VENDOR,
                             PAYLOAD_VENDOR, PAYLOAD_VENDOR, PAYLOAD_VENDOR};
    assert_int_equal(m.payload_count, sizeof types);
    for (size_t i = 0; i < sizeof types; i++)
        assert_int_equal(m.payloads[i].type, types[i]);

    struct ke_payload ke;
    assert_true(wire_parse_ke(wire_find(&m, PAYLOAD_KE)->body, &ke));
    assert_int_equal(ke.group, KE_MODP_1024);
    assert_int_equal(ke.value.len, 128);
    struct span nonce;
    assert_true(wire_parse_nonce(wire_find(&m, PAYLOAD_NONCE)->body, &nonce));
    assert_int_equal(nonce.len, 48);
    struct notify n;
    assert_true(wire_find_notify(&m, NOTIFY_NAT_DETECTION_DESTINATION_IP, &n));
    assert_int_equal(n.data.len, 20);
}

/* In the keywords of windows.json. */
static const char *text_of(const struct proposal *p, struct arena *a)
{
    const char *encr = "?", *hash = "?", *group = "?";
    uint16_t integ = 0, prf = 0;
    for (size_t i = 0; i < p->transform_count; i++) {
        const struct transform *t = &p->transforms[i];
        assert_false(t->is_odd);
        if (t->type == TRANSFORM_ENCR)
            encr = t->id == ENCR_3DES      ? "3des"
                   : t->id == ENCR_AES_CBC ? arena_text(a, "aes%u", (unsigned)t->key_bits)
                                           : "?";
        if (t->type == TRANSFORM_INTEG)
            integ = t->id;
        if (t->type == TRANSFORM_PRF)
            prf = t->id;
        if (t->type == TRANSFORM_KE && t->id == KE_MODP_1024)
            group = "modp1024";
    }
    if (integ == AUTH_HMAC_SHA1_96 && prf == PRF_HMAC_SHA1)
        hash = "sha1";
    if (integ == AUTH_HMAC_SHA2_256_128 && prf == PRF_HMAC_SHA2_256)
        hash = "sha256";
    if (integ == AUTH_HMAC_SHA2_384_192 && prf == PRF_HMAC_SHA2_384)
        hash = "sha384";
    return arena_text(a, "%s-%s-%s", encr, hash, group);
}

static void its_twelve_proposals_are_those_of_the_profile(void **state)
{
    (void)state;
    static struct message m;
    struct wire_error why;
    struct arena a = new_arena();
    struct proposals p;
    assert_true(wire_parse_message(windows, &m, &why));
    assert_true(wire_parse_sa(wire_find(&m, PAYLOAD_SA)->body, &a, &p, NULL));
    assert_int_equal(p.count, 12);

    json_t *profile = json_load_file(VECTORS_DIR "/clients/windows.json", 0, NULL);
    assert_non_null(profile);
    json_t *entry = json_array_get(json_object_get(profile, "proposals"), 0);
    assert_string_equal(json_string_value(json_object_get(entry, "id")), "ike-default");
    json_t *list = json_object_get(entry, "proposals");
    assert_int_equal(json_array_size(list), 12);
    for (size_t i = 0; i < 12; i++) {
        assert_int_equal(p.at[i].number, i + 1);
        assert_int_equal(p.at[i].protocol, PROTOCOL_IKE);
        assert_int_equal(p.at[i].spi.len, 0);
        assert_int_equal(p.at[i].transform_count, 4);
        assert_string_equal(text_of(&p.at[i], &a), json_string_value(json_array_get(list, i)));
    }
    json_decref(profile);
    arena_clear(&a);
}

static void written_again_it_is_the_same(void **state)
{
    (void)state;
    static struct message m;
    struct wire_error why;
    uint8_t room[880];
    struct arena a = new_arena();
    struct proposals p;
    assert_true(wire_parse_message(windows, &m, &why));

    struct writer w = writer_of(room, sizeof room);
    struct message_writer mw = wire_begin(&w, &m.header);
    for (size_t i = 0; i < m.payload_count; i++) {
        struct gap g = wire_open_payload(&mw, m.payloads[i].type, false);
        if (m.payloads[i].type == PAYLOAD_SA) {
            assert_true(wire_parse_sa(m.payloads[i].body, &a, &p, NULL));
            wire_write_sa(&w, &p);
        } else {
            put_span(&w, m.payloads[i].body);
        }
        wire_close_payload(&mw, g);
    }
    wire_end(&mw);
    assert_false(w.full);
    assert_octets(writer_span(&w), windows);
    arena_clear(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_windows_message_has_its_payloads),
        cmocka_unit_test(its_twelve_proposals_are_those_of_the_profile),
        cmocka_unit_test(written_again_it_is_the_same),
    };
    return cmocka_run_group_tests(tests, read_it, NULL);
}
