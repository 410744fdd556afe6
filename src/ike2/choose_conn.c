/* Responder: which connection is IKE_AUTH about? RFC 7296 2.9, 2.15, 3.5.
 *
 * IKE_SA_INIT took one by addresses and proposals; now the identities are known. Of all that fit,
 * the one with the most exact remote.id is taken, then by local.id (when the peer asked for one of
 * ours with IDr), then by addresses, then the first of the configuration. The suite that is agreed
 * already must be one of its own. */
#include "ike2/inside.h"

enum { NEAR_MAX = 64, SHOWN_MAX = 3 };

/* In the order of how near it is. */
enum verdict { UNFIT, WRONG_REMOTE, WRONG_LOCAL, WRONG_SUITE, FITS };

struct judged {
    struct conn *conn;
    enum verdict verdict;
    uint64_t score, order;
    struct identity local;
};

static bool takes_suite(struct world *w, const struct ike_sa *sa, const struct conn *c)
{
    struct proposal chosen;
    struct proposals one = {&chosen, 1};
    struct suite again;
    struct finding ignored;
    policy_suite_proposal(&sa->suite, PROTOCOL_IKE, (struct span){NULL, 0}, &w->arena, &chosen);
    return policy_choose_proposal(&one, &c->proposals, PROTOCOL_IKE, true, sa->suite.ke,
                                  CAUSE_IKE_NO_COMMON_PROPOSAL, &w->arena, &again, &ignored);
}

static struct judged judge(struct world *w, const struct ike_sa *sa, struct conn *c, uint64_t order,
                           const struct identity *idi, const struct identity *idr)
{
    struct judged j = {.conn = c, .order = order};
    uint64_t address = policy_conn_fits(c, &sa->path.local, &sa->path.remote);
    if (address == 0 || c->version == 1)
        return j;
    bool is_open = policy_identity_is_pattern(&c->local.id);
    j.local = is_open && idr != NULL ? *idr : auth_own_identity(&c->local.id, &sa->path.local);
    uint64_t remote = policy_identity_match(idi, &c->remote.id);
    uint64_t local =
        idr == NULL || c->local.id.type == 0 ? 1 : policy_identity_match(idr, &c->local.id);
    j.score = remote << 48 | local << 32 | address;
    j.verdict = remote == 0                               ? WRONG_REMOTE
                : local == 0                              ? WRONG_LOCAL
                : c != sa->conn && !takes_suite(w, sa, c) ? WRONG_SUITE
                                                          : FITS;
    return j;
}

static bool is_better(const struct judged *x, const struct judged *y)
{
    if (y->conn == NULL || x->verdict != y->verdict)
        return y->conn == NULL || x->verdict > y->verdict;
    return x->score > y->score || (x->score == y->score && x->order < y->order);
}

/* Why this one fell out. */
static const char *fault_text(struct world *w, const struct judged *j)
{
    switch (j->verdict) {
    case WRONG_REMOTE:
        return arena_text(&w->arena, "remote.id is %s",
                          policy_identity_text(&j->conn->remote.id, &w->arena));
    case WRONG_LOCAL:
        return arena_text(&w->arena, "local.id is %s",
                          policy_identity_text(&j->conn->local.id, &w->arena));
    case WRONG_SUITE:
        return "its proposals have not what IKE_SA_INIT agreed";
    case UNFIT:
    case FITS:
        break;
    }
    return "";
}

static void refuse(struct world *w, const struct ike_sa *sa, const struct message *m,
                   const struct identity *idi, const struct identity *idr, struct finding *why)
{
    const struct conn_row **rows;
    struct judged shown[SHOWN_MAX + 1] = {{0}};
    size_t count = 0;
    size_t sources[] = {0, 0};
    for (size_t source = 0; source < 2; source++) {
        sources[source] = source == 0
                              ? conf_by_ids(w, &sa->path.local, &sa->path.remote, idi, &rows)
                              : conf_near(w, &sa->path.local, &sa->path.remote, NEAR_MAX, &rows);
        for (size_t i = 0; i < sources[source] && i < NEAR_MAX; i++) {
            struct judged j = judge(w, sa, rows[i]->conn, rows[i]->order, idi, idr);
            bool is_known = j.verdict == UNFIT;
            for (size_t k = 0; k < SHOWN_MAX && !is_known; k++)
                is_known = shown[k].conn == j.conn;
            if (is_known)
                continue;
            count++;
            size_t at = SHOWN_MAX;
            for (; at > 0 && is_better(&j, &shown[at - 1]); at--)
                shown[at] = shown[at - 1];
            shown[at] = j;
        }
    }
    struct judged none = {.conn = sa->conn, .verdict = WRONG_REMOTE};
    const struct judged *nearest = shown[0].conn == NULL ? &none : &shown[0];
    const struct conn *c = nearest->conn;
    bool is_local = nearest->verdict == WRONG_LOCAL, is_suite = nearest->verdict == WRONG_SUITE;
    finding_set(why, is_local                ? CAUSE_AUTH_OWN_ID_MISMATCH
                     : is_suite || count > 1 ? CAUSE_AUTH_NO_CONNECTION_FOR_IDS
                                             : CAUSE_AUTH_ID_MISMATCH);
    finding_about(why, m, wire_find(m, is_local ? PAYLOAD_IDR : PAYLOAD_IDI), true);
    why->param = policy_param(&w->arena, c, NULL,
                              is_suite   ? "proposals"
                              : is_local ? "local.id"
                                         : "remote.id");
    why->expected = is_suite
                        ? policy_suite_text(&sa->suite, PROTOCOL_IKE, &w->arena)
                        : policy_identity_text(is_local ? &c->local.id : &c->remote.id, &w->arena);
    why->seen = is_suite ? policy_proposals_text(&c->proposals, &w->arena)
                         : policy_identity_text(is_local ? idr : idi, &w->arena);
    const char *list = "";
    for (size_t i = 0; i < SHOWN_MAX && shown[i].conn != NULL; i++)
        list = arena_text(&w->arena, "%s%sconnection %s (%s)", list, i == 0 ? "" : ", ",
                          shown[i].conn->name, fault_text(w, &shown[i]));
    why->nearest = count > SHOWN_MAX ? arena_text(&w->arena, "%s and others", list)
                   : count > 1       ? list
                                     : arena_text(&w->arena, "connection %s", c->name);
}

bool conn_choose(struct world *w, const struct ike_sa *sa, const struct message *m,
                 const struct identity *idi, const struct identity *idr, struct conn_choice *out,
                 struct finding *why)
{
    const struct conn_row **rows;
    struct judged best = {0};
    size_t count = conf_by_ids(w, &sa->path.local, &sa->path.remote, idi, &rows);
    for (size_t i = 0; i <= count; i++) {
        /* That of IKE_SA_INIT counts as it was then: a reload may have replaced it meanwhile. */
        bool is_ours = i == count || strcmp(rows[i]->conn->name, sa->conn->name) == 0;
        if (i == count && best.conn == sa->conn)
            break;
        struct judged j = judge(w, sa, is_ours ? sa->conn : rows[i]->conn,
                                i == count ? UINT64_MAX : rows[i]->order, idi, idr);
        if (j.verdict == FITS && is_better(&j, &best))
            best = j;
    }
    if (best.conn == NULL) {
        refuse(w, sa, m, idi, idr, why);
        return false;
    }
    *out = (struct conn_choice){best.conn, best.local};
    return true;
}
