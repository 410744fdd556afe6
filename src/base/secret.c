#include "base/secret.h"

#include <openssl/crypto.h>

void secret_wipe(void *at, size_t len)
{
    if (at != NULL)
        OPENSSL_cleanse(at, len);
}

void secret_clear(struct secret *s)
{
    OPENSSL_cleanse(s, sizeof *s);
}

void big_secret_clear(struct big_secret *s)
{
    OPENSSL_cleanse(s, sizeof *s);
}

bool secret_equal(struct span a, struct span b)
{
    return a.len == b.len && (a.len == 0 || CRYPTO_memcmp(a.at, b.at, a.len) == 0);
}
