/* The datagrams of tests/vectors that are written in hex: comments begin with #. */
#ifndef IKEBANA_TESTS_WIRE_CAPTURE_H
#define IKEBANA_TESTS_WIRE_CAPTURE_H

#include "octets.h"

static inline struct span read_capture(const char *path, uint8_t *room, size_t size)
{
    char line[512];
    struct writer w = writer_of(room, size);
    FILE *f = fopen(path, "r");
    if (f == NULL)
        fail_msg("%s cannot be read", path);
    while (fgets(line, sizeof line, f) != NULL) {
        unsigned octet;
        for (const char *p = line; line[0] != '#' && sscanf(p, "%2x", &octet) == 1; p += 2)
            put_u8(&w, (uint8_t)octet);
    }
    fclose(f);
    assert_false(w.full);
    return writer_span(&w);
}

static inline struct span read_windows(uint8_t *room, size_t size)
{
    return read_capture(VECTORS_DIR "/clients/windows-ike-sa-init.hex", room, size);
}

#endif
