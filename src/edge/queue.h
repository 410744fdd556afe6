/* A queue between threads: any thread puts, one thread takes all.
 *
 * Items are embedded in what they carry (first member), so putting allocates nothing. A bound
 * keeps a flood of forwarded datagrams from eating the memory; what must not be lost is put
 * without it. Waking the taker is the caller's business: queue_put() says whether the queue was
 * empty. */
#ifndef IKEBANA_EDGE_QUEUE_H
#define IKEBANA_EDGE_QUEUE_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>

struct queue_item {
    struct queue_item *next;
};

struct queue {
    pthread_mutex_t lock;
    struct queue_item *first, **end;
    size_t count;
};

void queue_init(struct queue *q);
/* Items that are still in it are not touched: take them first. */
void queue_clear(struct queue *q);
/* true: it was empty, the taker has to be woken. */
bool queue_put(struct queue *q, struct queue_item *item);
/* As queue_put(), but refuses (false, the item stays the caller's) when `max` are waiting. */
bool queue_put_bounded(struct queue *q, struct queue_item *item, size_t max, bool *was_empty);
/* The oldest, or NULL. */
struct queue_item *queue_take(struct queue *q);
/* Everything, oldest first, linked by next; NULL when there is nothing. */
struct queue_item *queue_take_all(struct queue *q);

#endif
