#include "edge/queue.h"

#include <stdint.h>

void queue_init(struct queue *q)
{
    pthread_mutex_init(&q->lock, NULL);
    q->first = NULL;
    q->end = &q->first;
    q->count = 0;
}

void queue_clear(struct queue *q)
{
    pthread_mutex_destroy(&q->lock);
}

bool queue_put_bounded(struct queue *q, struct queue_item *item, size_t max, bool *was_empty)
{
    pthread_mutex_lock(&q->lock);
    bool fits = q->count < max;
    *was_empty = q->first == NULL;
    if (fits) {
        item->next = NULL;
        *q->end = item;
        q->end = &item->next;
        q->count++;
    }
    pthread_mutex_unlock(&q->lock);
    return fits;
}

bool queue_put(struct queue *q, struct queue_item *item)
{
    bool was_empty;
    queue_put_bounded(q, item, SIZE_MAX, &was_empty);
    return was_empty;
}

struct queue_item *queue_take(struct queue *q)
{
    pthread_mutex_lock(&q->lock);
    struct queue_item *item = q->first;
    if (item != NULL) {
        q->first = item->next;
        q->count--;
    }
    if (q->first == NULL)
        q->end = &q->first;
    pthread_mutex_unlock(&q->lock);
    return item;
}

struct queue_item *queue_take_all(struct queue *q)
{
    pthread_mutex_lock(&q->lock);
    struct queue_item *all = q->first;
    q->first = NULL;
    q->end = &q->first;
    q->count = 0;
    pthread_mutex_unlock(&q->lock);
    return all;
}
