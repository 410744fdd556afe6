/* Fuzz target: the first octet says which payload the others are the body of. */
#include "wire_walk.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena a;
    struct reader r = reader_of(span_of(data, size));
    uint8_t type = take_u8(&r);
    struct span body = take_rest(&r);
    if (!good(&r) || body.len > WIRE_MESSAGE_MAX - WIRE_PAYLOAD_HEADER_LEN || !arena_init(&a))
        return 0;
    walk_payload((uint8_t)(PAYLOAD_SA + type % 16), body, &a);
    arena_clear(&a);
    return 0;
}
