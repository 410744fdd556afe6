#include "edge/settings_load.h"

#include "edge/config_load.h"
#include "finding/finding.h"

bool settings_load(const char *path, struct daemon_conf *out, struct findings *found)
{
    struct arena arena; /* of the tree */
    struct finding why;
    policy_daemon_conf_default(out);
    if (path == NULL)
        return true;
    if (!arena_init(&arena)) {
        findings_add(found, CAUSE_RES_MEMORY);
        return false;
    }
    struct settings_source source = config_source();
    struct section *root = NULL;
    bool ok = settings_parse_file(path, &source, &arena, &root, &why);
    if (ok) {
        /* Texts of the findings point into the tree: names, files, places. */
        struct findings here = {.arena = &arena};
        ok = policy_daemon_conf_read(root, out, &here);
        for (size_t i = 0; i < here.count; i++) {
            struct finding *row = findings_add(found, here.at[i].cause);
            if (row != NULL && !finding_copy(&here.at[i], found->arena, row))
                finding_set(row, here.at[i].cause);
        }
    } else {
        struct finding *row = findings_add(found, why.cause);
        if (row != NULL && !finding_copy(&why, found->arena, row))
            finding_set(row, why.cause);
        else if (row != NULL && why.cause == CAUSE_CONF_FILE && strcmp(why.param, "--config") == 0)
            row->param = "--settings";
    }
    arena_clear(&arena);
    return ok;
}

static uint32_t or_none(uint32_t value)
{
    return value == 0 ? UINT32_MAX : value;
}

void settings_for_engine(const struct daemon_conf *c, struct engine_options *out)
{
    out->retransmit_timeout_ms = c->retransmit_timeout_ms;
    out->retransmit_base = c->retransmit_base;
    out->retransmit_tries = or_none(c->retransmit_tries);
    out->retransmit_jitter = c->retransmit_jitter;
    out->retransmit_limit_s = c->retransmit_limit_s;
    out->retransmit_early_ms = c->retransmit_early_ms;
    out->half_open_timeout_s = c->half_open_timeout_s;
    out->cookie_threshold = c->dos_protection ? or_none(c->cookie_threshold) : UINT32_MAX;
    out->cookie_threshold_ip = c->dos_protection ? or_none(c->cookie_threshold_ip) : UINT32_MAX;
    out->block_threshold = c->dos_protection ? or_none(c->block_threshold) : UINT32_MAX;
    out->init_limit_half_open = c->init_limit_half_open;
    out->fragment_size = or_none(c->fragment_size);
    out->max_packet = c->max_packet;
    out->keep_alive_s = or_none(c->keep_alive_s);
    out->keep_alive_dpd_margin_s = c->keep_alive_dpd_margin_s;
    out->delete_rekeyed_delay_s = or_none(c->delete_rekeyed_delay_s);
    out->window_size = c->window_size;
    out->inactivity_close_ike = c->inactivity_close_ike;
    out->make_before_break = c->make_before_break;
    out->close_ike_on_child_failure = c->close_ike_on_child_failure;
    out->is_initiator_only = c->initiator_only;
}
