/* Fuzz target: a datagram, and its SK content as if it were decrypted. */
#include "wire_walk.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena a;
    if (!arena_init(&a))
        return 0;
    walk_message(span_of(data, size), &a);
    arena_clear(&a);
    return 0;
}
