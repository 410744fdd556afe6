/* The history's two sides: the main thread numbers records and asks, the history's thread owns the
 * store. Between them two lists under one mutex: what is to be done, and what was answered. */
#include "edge/history.h"

#include <jansson.h>
#include <stdlib.h>

#include "diagnose/render.h"
#include "edge/history_store.h"
#include "finding/finding.h"

/* More than this waiting means that the disk does not keep up: the newest are then lost from the
 * database, and a finding says so. */
enum { WAITING_OCTETS_MAX = 64 * 1024 * 1024 };

struct question {
    struct question *next;
    struct question *next_open; /* main thread: those that are not answered yet */
    uint64_t ticket;
    struct history_query query;
    char *texts[3];       /* name, conn, child of the query */
    history_found *found; /* main thread; NULL: forgotten */
    void *context;
    struct history_item *rows;
};

struct history {
    uv_loop_t *loop;
    uv_async_t async;
    uv_thread_t thread;
    uv_mutex_t mutex;
    uv_cond_t cond;
    struct history_store *store; /* the thread's */
    char *path;                  /* NULL: memory */
    history_fault *fault;
    void *fault_context;
    struct daemon *followed;
    uint64_t next_number, next_ticket;
    struct question *open;
    /* under the mutex */
    bool is_stopping;
    struct history_item *items, **items_end;
    size_t waiting_octets;
    bool has_lost;
    struct question *questions, **questions_end;
    struct question *answers, **answers_end;
    char *error;
};

/* ---- the thread ---- */

static void serve(struct history *h, struct history_item *items, struct question *questions)
{
    char *error = NULL;
    if (items != NULL)
        store_add(h->store, items, &error);
    for (struct question *q = questions; q != NULL; q = q->next)
        q->rows = store_ask(h->store, &q->query, &error);
    uv_mutex_lock(&h->mutex);
    while (questions != NULL) {
        struct question *next = questions->next;
        questions->next = NULL;
        *h->answers_end = questions;
        h->answers_end = &questions->next;
        questions = next;
    }
    if (h->error == NULL)
        h->error = error;
    else
        free(error);
    uv_mutex_unlock(&h->mutex);
    uv_async_send(&h->async);
}

static void history_thread(void *context)
{
    struct history *h = context;
    uv_mutex_lock(&h->mutex);
    for (;;) {
        while (h->items == NULL && h->questions == NULL && !h->is_stopping)
            uv_cond_wait(&h->cond, &h->mutex);
        if (h->items == NULL && h->questions == NULL)
            break;
        struct history_item *items = h->items;
        struct question *questions = h->questions;
        h->items = NULL;
        h->items_end = &h->items;
        h->questions = NULL;
        h->questions_end = &h->questions;
        h->waiting_octets = 0;
        uv_mutex_unlock(&h->mutex);
        serve(h, items, questions);
        uv_mutex_lock(&h->mutex);
    }
    uv_mutex_unlock(&h->mutex);
}

/* ---- the main thread ---- */

static void question_free(struct question *q)
{
    while (q->rows != NULL) {
        struct history_item *next = q->rows->next;
        free(q->rows);
        q->rows = next;
    }
    for (size_t i = 0; i < 3; i++)
        free(q->texts[i]);
    free(q);
}

static void tell_fault(struct history *h, const char *text)
{
    struct finding f;
    if (h->fault == NULL)
        return;
    finding_set(&f, CAUSE_SYS_HISTORY);
    f.param = h->path == NULL ? "" : h->path;
    f.expected = "a database that can be written";
    f.seen = text;
    h->fault(h->fault_context, &f);
}

static void answer(struct history *h, struct question *q)
{
    struct history_row rows[HISTORY_PAGE_MAX];
    size_t count = 0;
    struct question **link = &h->open;
    while (*link != q)
        link = &(*link)->next_open;
    *link = q->next_open;
    for (struct history_item *i = q->rows; i != NULL && count < HISTORY_PAGE_MAX; i = i->next)
        rows[count++] = (struct history_row){i->number, i->json, i->json_len};
    if (q->found != NULL)
        q->found(q->context, rows, count);
    question_free(q);
}

static void on_async(uv_async_t *async)
{
    struct history *h = async->data;
    uv_mutex_lock(&h->mutex);
    struct question *q = h->answers;
    char *error = h->error;
    h->answers = NULL;
    h->answers_end = &h->answers;
    h->error = NULL;
    uv_mutex_unlock(&h->mutex);
    if (error != NULL)
        tell_fault(h, error);
    free(error);
    while (q != NULL) {
        struct question *next = q->next;
        answer(h, q);
        q = next;
    }
}

struct history *history_open(uv_loop_t *loop, const char *path, const struct history_limits *limits,
                             history_fault *fault, void *context)
{
    struct history *h = calloc(1, sizeof *h);
    char *error = NULL;
    if (h == NULL)
        return NULL;
    h->loop = loop;
    h->fault = fault;
    h->fault_context = context;
    h->items_end = &h->items;
    h->questions_end = &h->questions;
    h->answers_end = &h->answers;
    h->path = path == NULL ? NULL : strdup(path);
    h->store = store_open(path, limits, &error);
    if (h->store == NULL || uv_mutex_init(&h->mutex) != 0) {
        free(h->path);
        store_close(h->store);
        free(h);
        return NULL;
    }
    uv_cond_init(&h->cond);
    h->next_number = store_last_number(h->store) + 1;
    h->next_ticket = 1;
    if (error != NULL)
        tell_fault(h, error);
    free(error);
    uv_async_init(loop, &h->async, on_async);
    h->async.data = h;
    uv_unref((uv_handle_t *)&h->async);
    if (uv_thread_create(&h->thread, history_thread, h) != 0) {
        h->is_stopping = true;
        history_close(h);
        return NULL;
    }
    return h;
}

static void on_event(void *context, const struct daemon_event *e);

static void on_closed(uv_handle_t *handle)
{
    struct history *h = handle->data;
    free(h);
}

static void free_questions(struct question *q)
{
    while (q != NULL) {
        struct question *next = q->next;
        question_free(q);
        q = next;
    }
}

void history_close(struct history *h)
{
    if (h == NULL)
        return;
    bool has_thread = !h->is_stopping;
    if (h->followed != NULL)
        daemon_unsubscribe(h->followed, on_event, h);
    uv_mutex_lock(&h->mutex);
    h->is_stopping = true;
    uv_cond_signal(&h->cond);
    uv_mutex_unlock(&h->mutex);
    if (has_thread)
        uv_thread_join(&h->thread);
    free_questions(h->questions);
    free_questions(h->answers);
    store_close(h->store);
    free(h->error);
    free(h->path);
    uv_cond_destroy(&h->cond);
    uv_mutex_destroy(&h->mutex);
    uv_close((uv_handle_t *)&h->async, on_closed);
}

static const char *kind_name(enum record_kind kind)
{
    switch (kind) {
    case RECORD_IKE:
        return "ike";
    case RECORD_CHILD:
        return "child";
    case RECORD_CHILD_REKEY:
        return "child-rekey";
    case RECORD_IKE_REKEY:
        return "ike-rekey";
    case RECORD_LIVENESS:
        return "liveness";
    case RECORD_CLOSE:
        return "close";
    case RECORD_COMMAND:
        return "command";
    }
    return "";
}

static const char *result_name(enum record_result result)
{
    switch (result) {
    case RESULT_PENDING:
        return "pending";
    case RESULT_UP:
        return "up";
    case RESULT_PARTIAL:
        return "partial";
    case RESULT_FAILED:
        return "failed";
    case RESULT_CLOSED:
        return "closed";
    }
    return "";
}

static const char *place(struct writer *w, const char *text)
{
    size_t len = strlen(text) + 1;
    uint8_t *at = put_room(w, len);
    if (at == NULL)
        return "";
    memcpy(at, text, len);
    return (const char *)at;
}

static struct history_item *item_new(const struct record *r, const char *json, struct arena *a)
{
    const struct finding *verdict = record_verdict(r);
    const char *conn = r->conn == NULL ? "" : r->conn;
    const char *child = r->child == NULL ? "" : r->child;
    const char *peer = r->remote.family == FAMILY_NONE ? "" : address_text(a, &r->remote);
    const char *cause = verdict == NULL ? "" : ikebana_cause_row(verdict->cause)->id;
    size_t json_len = strlen(json);
    size_t room = strlen(conn) + strlen(child) + strlen(peer) + strlen(cause) + json_len + 64;
    struct history_item *i = calloc(1, sizeof *i + room);
    if (i == NULL)
        return NULL;
    struct writer w = writer_of(i + 1, room);
    i->size = sizeof *i + room;
    i->number = r->number;
    i->began_s = r->began_s;
    i->took_ms = r->took_ms;
    i->is_failure = r->result == RESULT_FAILED || r->result == RESULT_PARTIAL;
    i->status = record_status(r);
    i->reason = verdict == NULL ? 0 : ikebana_cause_row(verdict->cause)->reason;
    i->conn = place(&w, conn);
    i->child = place(&w, child);
    i->peer = place(&w, peer);
    i->kind = place(&w, kind_name(r->kind));
    i->result = place(&w, result_name(r->result));
    i->cause = place(&w, cause);
    i->json = place(&w, json);
    i->json_len = json_len;
    return i;
}

uint64_t history_add(struct history *h, struct record *r)
{
    r->number = h->next_number++;
    struct arena a;
    json_t *tree = diagnose_record_to_json(r);
    char *json = tree == NULL ? NULL : json_dumps(tree, JSON_COMPACT);
    json_decref(tree);
    struct history_item *item = NULL;
    if (json != NULL && arena_init(&a)) {
        item = item_new(r, json, &a);
        arena_clear(&a);
    }
    free(json);
    if (item == NULL)
        return r->number;
    bool has_lost = false;
    uv_mutex_lock(&h->mutex);
    if (h->waiting_octets + item->size > WAITING_OCTETS_MAX) {
        has_lost = !h->has_lost;
        h->has_lost = true;
        free(item);
    } else {
        h->waiting_octets += item->size;
        *h->items_end = item;
        h->items_end = &item->next;
        uv_cond_signal(&h->cond);
    }
    uv_mutex_unlock(&h->mutex);
    if (has_lost)
        tell_fault(h, "it is too slow: records were lost");
    return r->number;
}

static void on_event(void *context, const struct daemon_event *e)
{
    if (e->event.kind == EVENT_RECORD && e->event.record != NULL)
        history_add(context, e->event.record);
}

void history_follow(struct history *h, struct daemon *d)
{
    if (h->followed != NULL)
        return;
    h->followed = d;
    daemon_subscribe(d, on_event, h);
}

uint64_t history_ask(struct history *h, const struct history_query *query, history_found *found,
                     void *context)
{
    struct question *q = calloc(1, sizeof *q);
    if (q == NULL)
        return 0;
    q->query = *query;
    q->found = found;
    q->context = context;
    q->texts[0] = query->name == NULL ? NULL : strdup(query->name);
    q->texts[1] = query->conn == NULL ? NULL : strdup(query->conn);
    q->texts[2] = query->child == NULL ? NULL : strdup(query->child);
    if ((query->name != NULL && q->texts[0] == NULL) ||
        (query->conn != NULL && q->texts[1] == NULL) ||
        (query->child != NULL && q->texts[2] == NULL)) {
        question_free(q);
        return 0;
    }
    q->query.name = q->texts[0];
    q->query.conn = q->texts[1];
    q->query.child = q->texts[2];
    if (q->query.limit == 0 || q->query.limit > HISTORY_PAGE_MAX)
        q->query.limit = HISTORY_PAGE_MAX;
    uint64_t ticket = q->ticket = h->next_ticket++;
    q->next_open = h->open;
    h->open = q;
    uv_mutex_lock(&h->mutex);
    *h->questions_end = q;
    h->questions_end = &q->next;
    uv_cond_signal(&h->cond);
    uv_mutex_unlock(&h->mutex);
    return ticket;
}

void history_forget(struct history *h, uint64_t ticket)
{
    for (struct question *q = h->open; q != NULL; q = q->next_open)
        if (q->ticket == ticket)
            q->found = NULL;
}

const char *history_place(const struct history *h)
{
    return h->path == NULL ? "memory" : h->path;
}
