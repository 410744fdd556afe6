/* Looking at the SAs, without changing anything. */
#include "engine/inside.h"

static int64_t seconds_until(struct instant due, struct instant now)
{
    return due.ns == INT64_MAX ? -1 : instant_ms_between(now, due) / 1000;
}

static enum ike_state ike_state(const struct ike_sa *sa)
{
    switch (sa->state) {
    case SA_AWAIT_PATH:
    case SA_AWAIT_INIT_ANSWER:
    case SA_AWAIT_AUTH:
    case SA_AWAIT_AUTH_ANSWER:
        return IKE_CONNECTING;
    case SA_UP:
        return task_of_kind(sa, TASK_REKEY_IKE) != NULL ? IKE_REKEYING : IKE_ESTABLISHED;
    case SA_REPLACED:
        return IKE_REKEYED;
    case SA_CLOSING:
    case SA_GONE:
        break;
    }
    return IKE_DELETING;
}

static enum child_state child_state(const struct ike_sa *sa, const struct child_sa *c)
{
    const struct task *t = task_of_child(sa, c->id);
    switch (c->state) {
    case CHILD_SA_UP:
        return t != NULL && t->kind == TASK_REKEY_CHILD ? CHILD_REKEYING : CHILD_INSTALLED;
    case CHILD_SA_REPLACED:
    case CHILD_SA_LINGERS:
        return CHILD_REKEYED;
    case CHILD_SA_CLOSING:
        break;
    }
    return CHILD_DELETING;
}

bool engine_next_sa(const struct engine *e, uint64_t *cursor, struct instant now, struct arena *a,
                    struct ike_view *out)
{
    struct ike_sa *sa = world_sa_after(&e->world, (uint32_t)*cursor);
    if (sa == NULL)
        return false;
    *cursor = sa->id;
    size_t count = 0;
    for (const struct child_sa *c = sa->children; c != NULL; c = c->next)
        count++;
    struct child_view *children = arena_array(a, count == 0 ? 1 : count, sizeof *children);
    *out = (struct ike_view){
        .id = sa->id,
        .conn_name = sa->conn == NULL ? "" : sa->conn->name,
        .state = ike_state(sa),
        .is_initiator = sa->is_initiator,
        .has_nat_here = sa->has_nat_here,
        .has_nat_there = sa->has_nat_there,
        .nat_faked = sa->wants_udp && !sa->has_nat_here && !sa->has_nat_there,
        .version = 2,
        .local = sa->path.local,
        .remote = sa->path.remote,
        .local_id = sa->local_id == NULL ? "" : sa->local_id,
        .remote_id = sa->remote_id == NULL ? "" : sa->remote_id,
        .spi_i = sa->spi_i,
        .spi_r = sa->spi_r,
        .suite = sa->suite,
        .established_s_ago =
            sa->established.ns == 0 ? -1 : instant_ms_between(sa->established, now) / 1000,
        .rekey_in_s = seconds_until(sa->rekey_at, now),
        .reauth_in_s = seconds_until(sa->reauth_at, now),
        .expires_in_s = seconds_until(sa->expire_at, now),
        .children = children,
        .child_count = children == NULL ? 0 : count,
    };
    /* The list grows at its head: shown in the order of installation. */
    size_t i = out->child_count;
    for (const struct child_sa *c = sa->children; c != NULL && i > 0; c = c->next)
        children[--i] = (struct child_view){
            .id = c->id,
            .name = c->conf->name,
            .state = child_state(sa, c),
            .mode = c->mode,
            .spi_in = c->spi_in,
            .spi_out = c->spi_out,
            .reqid = c->reqid,
            .in_udp = c->in_udp,
            .suite = c->suite,
            .local_ts = c->local_ts,
            .remote_ts = c->remote_ts,
            .installed_s_ago = instant_ms_between(c->installed, now) / 1000,
            .rekey_in_s = seconds_until(c->rekey_at, now),
            .expires_in_s = seconds_until(c->expire_at, now),
        };
    return true;
}
