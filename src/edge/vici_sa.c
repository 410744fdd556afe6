/* SAs as VICI tells them: the keys of list-sa, which are those of the updown and rekey events too.
 * Runs on the workers' threads. */
#include "edge/vici_request.h"

#include <inttypes.h>

#include "wire/numbers.h"
#include "wire/wire.h"

/* charon's names are those of the registry without their prefix, but for these. */
static const struct algorithm_name {
    uint8_t type;
    uint16_t id;
    const char *name;
} odd_names[] = {
    {TRANSFORM_ENCR, ENCR_3DES, "3DES_CBC"},
    {TRANSFORM_ENCR, ENCR_NULL_AUTH_AES_GMAC, "NULL_AES_GMAC"},
    {TRANSFORM_KE, KE_BRAINPOOL_P224R1, "ECP_224_BP"},
    {TRANSFORM_KE, KE_BRAINPOOL_P256R1, "ECP_256_BP"},
    {TRANSFORM_KE, KE_BRAINPOOL_P384R1, "ECP_384_BP"},
    {TRANSFORM_KE, KE_BRAINPOOL_P512R1, "ECP_512_BP"},
    {TRANSFORM_KE, KE_CURVE25519, "CURVE_25519"},
    {TRANSFORM_KE, KE_CURVE448, "CURVE_448"},
};

const char *vici_algorithm(uint8_t type, uint16_t id, struct arena *a)
{
    static const char *const prefixes[] = {"ENCR_", "AUTH_", "KE_"};
    for (size_t i = 0; i < sizeof odd_names / sizeof odd_names[0]; i++)
        if (odd_names[i].type == type && odd_names[i].id == id)
            return odd_names[i].name;
    const char *name = wire_transform_name(type, id, a);
    for (size_t i = 0; i < 3; i++)
        if (strncmp(name, prefixes[i], strlen(prefixes[i])) == 0)
            return name + strlen(prefixes[i]);
    return name;
}

void vici_write_selectors(struct vici_out *o, const char *name, const struct selectors *s,
                          struct arena *a)
{
    vici_list(o, name);
    for (size_t i = 0; i < s->count; i++)
        vici_item(o, policy_selector_text(&s->at[i], a));
    vici_list_end(o);
}

static void write_encr(struct vici_out *o, const struct suite *s, struct arena *a)
{
    if (s->encr != 0) {
        vici_text(o, "encr-alg", vici_algorithm(TRANSFORM_ENCR, s->encr, a));
        if (s->encr_bits != 0)
            vici_format(o, "encr-keysize", "%u", s->encr_bits);
    }
    if (s->integ != 0)
        vici_text(o, "integ-alg", vici_algorithm(TRANSFORM_INTEG, s->integ, a));
}

void vici_write_ike_suite(struct vici_out *o, const struct suite *s, struct arena *a)
{
    write_encr(o, s, a);
    if (s->prf != 0)
        vici_text(o, "prf-alg", vici_algorithm(TRANSFORM_PRF, s->prf, a));
    if (s->ke != 0)
        vici_text(o, "dh-group", vici_algorithm(TRANSFORM_KE, s->ke, a));
}

void vici_write_child_suite(struct vici_out *o, const struct suite *s, struct arena *a)
{
    write_encr(o, s, a);
    if (s->ke != 0)
        vici_text(o, "dh-group", vici_algorithm(TRANSFORM_KE, s->ke, a));
    if (s->esn)
        vici_text(o, "esn", "1");
}

static const char *ike_state_name(enum ike_state state)
{
    switch (state) {
    case IKE_CONNECTING:
        return "CONNECTING";
    case IKE_ESTABLISHED:
        return "ESTABLISHED";
    case IKE_REKEYING:
        return "REKEYING";
    case IKE_REKEYED:
        return "REKEYED";
    case IKE_DELETING:
        return "DELETING";
    }
    return "";
}

static const char *child_state_name(enum child_state state)
{
    switch (state) {
    case CHILD_CREATED:
        return "CREATED";
    case CHILD_INSTALLED:
        return "INSTALLED";
    case CHILD_REKEYING:
        return "REKEYING";
    case CHILD_REKEYED:
        return "REKEYED";
    case CHILD_DELETING:
        return "DELETING";
    }
    return "";
}

static const char *mode_name(enum child_mode mode)
{
    switch (mode) {
    case MODE_TUNNEL:
        return "TUNNEL";
    case MODE_TRANSPORT:
        return "TRANSPORT";
    case MODE_PASS:
        return "PASS";
    case MODE_DROP:
        return "DROP";
    }
    return "";
}

static void write_counters(struct vici_out *o, struct esp_db *db, const struct child_view *c,
                           bool is_inbound, struct instant now)
{
    struct esp_stats stats;
    if (db == NULL ||
        !esp_sa_stats(db, is_inbound ? c->spi_in : c->spi_out, c->id, is_inbound, &stats))
        return;
    vici_format(o, is_inbound ? "bytes-in" : "bytes-out", "%" PRIu64, stats.bytes);
    vici_format(o, is_inbound ? "packets-in" : "packets-out", "%" PRIu64, stats.packets);
    if (stats.last_use_ms >= 0) {
        int64_t ago = now.ns / 1000000 - stats.last_use_ms;
        vici_format(o, is_inbound ? "use-in" : "use-out", "%" PRId64, ago < 0 ? 0 : ago / 1000);
    }
    /* Ours: what the data plane refused on this SA. */
    uint64_t dropped = 0;
    for (size_t i = 0; i < ESP_DROP_COUNT; i++)
        dropped += stats.dropped[i];
    if (dropped > 0)
        vici_format(o, is_inbound ? "dropped-in" : "dropped-out", "%" PRIu64, dropped);
}

static void write_child(struct vici_out *o, const struct child_view *c, struct esp_db *db,
                        struct instant now, struct arena *a)
{
    vici_section(o, arena_text(a, "%s-%u", c->name, c->id));
    vici_text(o, "name", c->name);
    vici_format(o, "uniqueid", "%u", c->id);
    vici_format(o, "reqid", "%u", c->reqid);
    vici_text(o, "state", child_state_name(c->state));
    vici_text(o, "mode", mode_name(c->mode));
    if (c->state != CHILD_CREATED) {
        vici_text(o, "protocol", "ESP");
        if (c->in_udp)
            vici_text(o, "encap", "yes");
        vici_format(o, "spi-in", "%08x", c->spi_in);
        vici_format(o, "spi-out", "%08x", c->spi_out);
        vici_write_child_suite(o, &c->suite, a);
        write_counters(o, db, c, true, now);
        write_counters(o, db, c, false, now);
        if (c->rekey_in_s >= 0)
            vici_format(o, "rekey-time", "%" PRId64, c->rekey_in_s);
        if (c->expires_in_s >= 0)
            vici_format(o, "life-time", "%" PRId64, c->expires_in_s);
        vici_format(o, "install-time", "%" PRId64, c->installed_s_ago);
    }
    vici_write_selectors(o, "local-ts", &c->local_ts, a);
    vici_write_selectors(o, "remote-ts", &c->remote_ts, a);
    vici_section_end(o);
}

static bool child_fits(const struct child_view *c, const struct vici_filter *f)
{
    return f == NULL || ((f->child == NULL || strcmp(f->child, c->name) == 0) &&
                         (f->child_id == 0 || f->child_id == c->id));
}

void vici_write_sa(struct vici_out *o, const struct ike_view *v, const struct vici_filter *filter,
                   struct esp_db *db, struct instant now, struct arena *a)
{
    vici_section(o, v->conn_name == NULL || *v->conn_name == '\0' ? "(unnamed)" : v->conn_name);
    vici_format(o, "uniqueid", "%u", v->id);
    vici_format(o, "version", "%u", v->version);
    vici_text(o, "state", ike_state_name(v->state));
    vici_text(o, "local-host", address_text(a, &v->local));
    vici_format(o, "local-port", "%u", v->local.port);
    vici_text(o, "local-id", v->local_id == NULL ? "%any" : v->local_id);
    vici_text(o, "remote-host", address_text(a, &v->remote));
    vici_format(o, "remote-port", "%u", v->remote.port);
    vici_text(o, "remote-id", v->remote_id == NULL ? "%any" : v->remote_id);
    if (v->is_initiator)
        vici_text(o, "initiator", "yes");
    vici_format(o, "initiator-spi", "%016" PRIx64, v->spi_i);
    vici_format(o, "responder-spi", "%016" PRIx64, v->spi_r);
    if (v->has_nat_here)
        vici_text(o, "nat-local", "yes");
    if (v->has_nat_there)
        vici_text(o, "nat-remote", "yes");
    if (v->nat_faked)
        vici_text(o, "nat-fake", "yes");
    if (v->has_nat_here || v->has_nat_there || v->nat_faked)
        vici_text(o, "nat-any", "yes");
    vici_write_ike_suite(o, &v->suite, a);
    if (v->established_s_ago >= 0)
        vici_format(o, "established", "%" PRId64, v->established_s_ago);
    if (v->reauth_in_s >= 0)
        vici_format(o, "reauth-time", "%" PRId64, v->reauth_in_s);
    if (v->rekey_in_s >= 0)
        vici_format(o, "rekey-time", "%" PRId64, v->rekey_in_s);
    vici_section(o, "child-sas");
    for (size_t i = 0; i < v->child_count; i++)
        if (child_fits(&v->children[i], filter))
            write_child(o, &v->children[i], db, now, a);
    vici_section_end(o);
    vici_section_end(o);
}
