/* Keys of an IKE SA, RFC 7296 2.14: one heap block in the order SK_d, SK_ai, SK_ar, SK_ei, SK_er,
 * SK_pi, SK_pr. */
#include <stdlib.h>

#include "ike2/inside.h"

static size_t key_len(const struct ike_sa *sa, enum ike_key key)
{
    switch (key) {
    case KEY_D:
    case KEY_PI:
    case KEY_PR:
        return sa->prf->key_len;
    case KEY_AI:
    case KEY_AR:
        return sa->integ == NULL ? 0 : sa->integ->key_len;
    case KEY_EI:
    case KEY_ER:
        return (size_t)sa->encr->key_len + sa->encr->salt_len;
    case KEY_COUNT:
        break;
    }
    return 0;
}

struct span ike2_key(const struct ike_sa *sa, enum ike_key key)
{
    size_t from = 0;
    for (enum ike_key k = KEY_D; k < key; k++)
        from += key_len(sa, k);
    return span_of(sa->keys + from, key_len(sa, key));
}

bool ike2_set_suite(struct ike_sa *sa, const struct suite *s)
{
    sa->suite = *s;
    sa->encr = crypto_encr(s->encr, s->encr_bits);
    if (sa->encr == NULL)
        return false;
    sa->integ = sa->encr->is_aead ? NULL : crypto_integ(s->integ);
    sa->prf = crypto_prf(s->prf);
    return sa->prf != NULL && (sa->encr->is_aead || sa->integ != NULL);
}

bool ike2_derive(struct ike_sa *sa, struct span skeyseed, struct span nonce_i, struct span nonce_r)
{
    size_t len = 0;
    for (enum ike_key k = KEY_D; k < KEY_COUNT; k++)
        len += key_len(sa, k);
    uint8_t *keys = malloc(len);
    if (keys == NULL)
        return false;
    if (!crypto_ike_keymat(sa->prf, skeyseed, nonce_i, nonce_r, sa->spi_i, sa->spi_r, keys, len)) {
        secret_wipe(keys, len);
        free(keys);
        return false;
    }
    if (sa->keys != NULL)
        secret_wipe(sa->keys, sa->keys_len);
    free(sa->keys);
    sa->keys = keys;
    sa->keys_len = (uint16_t)len;
    return true;
}

void ike2_forget_setup(struct ike_sa *sa)
{
    struct setup *s = sa->setup;
    if (s == NULL)
        return;
    if (!s->borrows_messages)
        free(s->response);
    for (size_t i = 0; i < s->try_count; i++) {
        free(s->tries[i].request);
        crypto_ke_free(s->tries[i].ke);
    }
    for (size_t i = 0; i < s->doubt_count; i++)
        free(s->doubts[i]);
    free(s->cookie);
    free(s->path_error);
    secret_wipe(s, sizeof *s);
    free(s);
    sa->setup = NULL;
}
