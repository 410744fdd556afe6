#include "base/span.h"

int span_compare(struct span a, struct span b)
{
    size_t common = a.len < b.len ? a.len : b.len;
    int order = common == 0 ? 0 : memcmp(a.at, b.at, common);
    if (order != 0)
        return order;
    return a.len == b.len ? 0 : a.len < b.len ? -1 : 1;
}

struct gap writer_open(struct writer *w, size_t counted_from)
{
    struct gap gap = {w->len, 0};
    if (counted_from > w->len)
        w->full = true;
    else
        gap.from = w->len - counted_from;
    put_u16(w, 0);
    return gap;
}

void writer_close(struct writer *w, struct gap gap)
{
    if (w->full)
        return;
    size_t len = w->len - gap.from;
    if (len > UINT16_MAX) {
        w->full = true;
        return;
    }
    w->at[gap.at] = (uint8_t)(len >> 8);
    w->at[gap.at + 1] = (uint8_t)len;
}
