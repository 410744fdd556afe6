/* Curves over prime fields: RFC 5903 (NIST), RFC 6954 (brainpool). A public value is x | y without
 * a point format octet; the shared value is x alone (RFC 5903 7, 9). All these curves have cofactor
 * 1, so a point on the curve is in the group. Peer's value: RFC 6989 2.3. */
#include <openssl/objects.h>

#include "crypto/group.h"

bool crypto_ecp_fetch(const struct group_row *row, struct group *g)
{
    EC_GROUP *curve = EC_GROUP_new_by_curve_name(row->nid);
    if (curve == NULL)
        return false;
    g->p = BN_dup(EC_GROUP_get0_field(curve));
    g->q = BN_dup(EC_GROUP_get0_order(curve));
    if (g->p == NULL || g->q == NULL) {
        EC_GROUP_free(curve);
        return false;
    }
    g->curve = curve;
    return true;
}

/* Either pointer to octets may be NULL. */
static bool write_point(const struct ke_pair *pair, const EC_POINT *point, uint8_t *x_out,
                        uint8_t *y_out)
{
    int len = pair->row->pub.shared_len;
    BN_CTX *bn = crypto_scratch()->bn;
    BN_CTX_start(bn);
    BIGNUM *x = BN_CTX_get(bn), *y = BN_CTX_get(bn);
    bool ok = y != NULL &&
              EC_POINT_get_affine_coordinates(pair->group->curve, point, x, y, bn) == 1 &&
              (x_out == NULL || BN_bn2binpad(x, x_out, len) == len) &&
              (y_out == NULL || BN_bn2binpad(y, y_out, len) == len);
    if (y != NULL) {
        BN_clear(x);
        BN_clear(y);
    }
    BN_CTX_end(bn);
    return ok;
}

struct ke_pair *crypto_ecp_new(const struct group_row *row, const struct group *g, struct rng *rng,
                               uint8_t *out_public)
{
    if (g->curve == NULL)
        return NULL;
    BIGNUM *d = crypto_scalar(g->q, rng);
    struct ke_pair *pair = d == NULL ? NULL : crypto_pair_new(row, g, d, row->private_len);
    EC_POINT *point = EC_POINT_new(g->curve);
    bool ok = pair != NULL && point != NULL &&
              EC_POINT_mul(g->curve, point, d, NULL, NULL, crypto_scratch()->bn) == 1 &&
              write_point(pair, point, out_public, out_public + row->pub.shared_len);
    EC_POINT_clear_free(point);
    BN_clear_free(d);
    if (!ok) {
        crypto_ke_free(pair);
        return NULL;
    }
    return pair;
}

static bool read_point(const struct ke_pair *pair, struct span peer, EC_POINT *out,
                       const char **why)
{
    const struct group *g = pair->group;
    struct reader r = reader_of(peer);
    struct span xs = take(&r, peer.len / 2), ys = take_rest(&r);
    BIGNUM *x = BN_bin2bn(xs.at, (int)xs.len, NULL), *y = BN_bin2bn(ys.at, (int)ys.len, NULL);
    bool ok = x != NULL && y != NULL;
    if (ok && (BN_cmp(x, g->p) >= 0 || BN_cmp(y, g->p) >= 0)) {
        *why = "a coordinate of the public value is not below the field's prime";
        ok = false;
    }
    /* OpenSSL checks the equation of the curve here */
    if (ok && EC_POINT_set_affine_coordinates(g->curve, out, x, y, crypto_scratch()->bn) != 1) {
        *why = "the point is not on the curve";
        ok = false;
    }
    BN_free(x);
    BN_free(y);
    return ok;
}

bool crypto_ecp_shared(const struct ke_pair *pair, struct span peer, uint8_t *out, const char **why)
{
    const struct group *g = pair->group;
    EC_POINT *theirs = EC_POINT_new(g->curve), *point = EC_POINT_new(g->curve);
    BIGNUM *d = BN_bin2bn(pair->private, pair->private_len, NULL);
    if (d != NULL)
        BN_set_flags(d, BN_FLG_CONSTTIME);
    bool ok = theirs != NULL && point != NULL && d != NULL && read_point(pair, peer, theirs, why) &&
              EC_POINT_mul(g->curve, point, NULL, theirs, d, crypto_scratch()->bn) == 1 &&
              write_point(pair, point, out, NULL);
    BN_clear_free(d);
    EC_POINT_clear_free(point);
    EC_POINT_free(theirs);
    return ok;
}
