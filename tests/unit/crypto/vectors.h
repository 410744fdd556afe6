/* Test vectors out of JSON files: hex strings become spans in an arena. */
#ifndef IKEBANA_TESTS_CRYPTO_VECTORS_H
#define IKEBANA_TESTS_CRYPTO_VECTORS_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>
#include <jansson.h>

#include "crypto/crypto.h"

static inline json_t *vectors_load(const char *name)
{
    char path[512];
    json_error_t error;
    (void)snprintf(path, sizeof path, "%s/%s", VECTORS_DIR, name);
    json_t *all = json_load_file(path, 0, &error);
    assert_non_null(all);
    return all;
}

static inline struct span hex_octets(struct arena *a, const char *hex)
{
    size_t len = strlen(hex) / 2;
    uint8_t *out = arena_alloc(a, len + 1);
    assert_non_null(out);
    for (size_t i = 0; i < len; i++) {
        const char pair[3] = {hex[2 * i], hex[2 * i + 1], '\0'};
        out[i] = (uint8_t)strtoul(pair, NULL, 16);
    }
    return span_of(out, len);
}

static inline struct span vector_octets(struct arena *a, const json_t *v, const char *field)
{
    const char *hex = json_string_value(json_object_get(v, field));
    return hex == NULL ? span_of("", 0) : hex_octets(a, hex);
}

static inline uint16_t vector_number(const json_t *v, const char *field)
{
    return (uint16_t)json_integer_value(json_object_get(v, field));
}

static inline uint64_t span_u64(struct span s)
{
    struct reader r = reader_of(s);
    return take_u64(&r);
}

#define assert_span_equal(got, want)                                                               \
    do {                                                                                           \
        struct span got_ = (got), want_ = (want);                                                  \
        assert_int_equal(got_.len, want_.len);                                                     \
        assert_memory_equal(got_.at, want_.at, got_.len);                                          \
    } while (0)

#endif
