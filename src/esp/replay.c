/* The anti-replay window: a ring of 65 words of 64 bits, so that a window of up to 4096 packets
 * never meets its own tail; advancing clears words, it never shifts. RFC 4303 3.4.3, appendix A2;
 * RFC 6479. The slow obvious twin is in tests/unit/esp/replay_test.c. */
#include "esp/esp.h"

enum { WORDS = REPLAY_WINDOW_MAX / 64 + 1 };

void replay_init(struct replay *r, uint32_t size, bool esn)
{
    memset(r, 0, sizeof *r);
    r->size = size > REPLAY_WINDOW_MAX ? REPLAY_WINDOW_MAX : size;
    r->esn = esn;
}

uint64_t replay_guess(const struct replay *r, uint32_t low)
{
    if (!r->esn)
        return low;
    /* With the window switched off, the nearest of all numbers. */
    uint32_t size = r->size == 0 ? UINT32_C(1) << 31 : r->size;
    uint32_t top_low = (uint32_t)r->top;
    uint64_t high = r->top >> 32;
    uint32_t bottom = top_low - (size - 1); /* modulo 2^32, appendix A2.1 */
    if (top_low >= size - 1) {
        if (low < bottom)
            high++; /* not in the window: the number has wrapped since */
    } else if (low >= bottom && high > 0) {
        high--; /* the window reaches back over the wrap */
    }
    return high << 32 | low;
}

bool replay_check(const struct replay *r, uint64_t sequence)
{
    if (r->size == 0)
        return true;
    if (sequence == 0)
        return false; /* RFC 4303 2.2: the first packet has 1 */
    if (sequence > r->top)
        return true;
    if (r->top - sequence >= r->size)
        return false;
    return (r->bits[sequence / 64 % WORDS] >> (sequence % 64) & 1) == 0;
}

bool replay_accept(struct replay *r, uint64_t sequence)
{
    if (!replay_check(r, sequence))
        return false;
    if (sequence > r->top) {
        uint64_t fresh = sequence / 64 - r->top / 64;
        if (fresh > WORDS)
            fresh = WORDS;
        for (uint64_t i = 1; i <= fresh; i++)
            r->bits[(r->top / 64 + i) % WORDS] = 0;
        /* `fresh` words from the old top's on; after a far jump that is the whole ring. */
        r->top = sequence;
    }
    r->bits[sequence / 64 % WORDS] |= UINT64_C(1) << (sequence % 64);
    return true;
}
