#include "edge/steer.h"

enum { SPI_R = 8, FLAGS = 19, FLAG_INITIATOR = 0x08, MARKER = 4 };

static unsigned one_of(uint8_t octet, unsigned workers)
{
    return octet < workers ? octet : STEER_ANY;
}

unsigned steer_ike(struct span message, unsigned workers)
{
    struct reader r = reader_of(message);
    uint8_t first_i = take_u8(&r);
    take(&r, SPI_R - 1);
    struct span spi_r = take(&r, 8);
    take(&r, FLAGS - SPI_R - 8);
    uint8_t flags = take_u8(&r);
    static const uint8_t zeros[8];
    if (!good(&r))
        return STEER_ANY;
    if ((flags & FLAG_INITIATOR) == 0)
        return one_of(first_i, workers);
    return span_equal(spi_r, span_of(zeros, 8)) ? STEER_ANY : one_of(spi_r.at[0], workers);
}

unsigned steer_esp(struct span packet, unsigned workers)
{
    struct reader r = reader_of(packet);
    uint8_t first = take_u8(&r);
    take(&r, 3);
    return good(&r) ? one_of(first, workers) : STEER_ANY;
}

unsigned steer_datagram(struct span payload, bool has_marker, unsigned workers)
{
    if (!has_marker)
        return steer_ike(payload, workers);
    struct reader r = reader_of(payload);
    uint32_t marker = take_u32(&r);
    if (good(&r) && marker == 0)
        return steer_ike(take_rest(&r), workers);
    return steer_esp(payload, workers);
}

/* The same rule for an IKE header at `base`; its last three instructions load the octet and end. */
static size_t ike_program(struct sock_filter *out, uint32_t base)
{
    const struct sock_filter program[] = {
        BPF_STMT(BPF_LD | BPF_B | BPF_ABS, base + FLAGS),
        BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, FLAG_INITIATOR, 2, 0),
        BPF_STMT(BPF_LD | BPF_B | BPF_ABS, base),
        BPF_STMT(BPF_RET | BPF_A, 0),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, base + SPI_R),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0, 0, 2),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, base + SPI_R + 4),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0, 2, 0),
        BPF_STMT(BPF_LD | BPF_B | BPF_ABS, base + SPI_R),
        BPF_STMT(BPF_RET | BPF_A, 0),
        BPF_STMT(BPF_RET | BPF_K, UINT32_MAX),
    };
    memcpy(out, program, sizeof program);
    return sizeof program / sizeof program[0];
}

size_t steer_udp_program(struct sock_filter out[STEER_PROGRAM_MAX], bool has_marker)
{
    if (!has_marker)
        return ike_program(out, 0);
    const struct sock_filter program[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0, 2, 0),
        BPF_STMT(BPF_LD | BPF_B | BPF_ABS, 0),
        BPF_STMT(BPF_RET | BPF_A, 0),
    };
    memcpy(out, program, sizeof program);
    size_t count = sizeof program / sizeof program[0];
    return count + ike_program(out + count, MARKER);
}

size_t steer_raw_program(struct sock_filter out[STEER_PROGRAM_MAX], bool is_v6, unsigned worker,
                         unsigned workers)
{
    size_t n = 0;
    if (is_v6) {
        out[n++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_B | BPF_ABS, 0);
    } else {
        out[n++] = (struct sock_filter)BPF_STMT(BPF_LDX | BPF_B | BPF_MSH, 0);
        out[n++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_B | BPF_IND, 0);
    }
    out[n++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, worker, 1, 0);
    if (worker == 0)
        out[n++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, workers, 0, 1);
    else
        out[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, 0);
    out[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, UINT32_MAX);
    if (worker == 0)
        out[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, 0);
    return n;
}
