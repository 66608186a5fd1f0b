// SPDX-License-Identifier: MIT
// Ready: see the header.
#include "api/ready.h"

#include <stdlib.h>

#include "common/base/clock.h"
#include "common/base/memory.h"

typedef struct Asker {
    Ready *ready;
    struct Asker *next;
    struct Asker *before;
    Exchange *exchange;
} Asker;

struct Ready {
    Api *api;
    Asker *first; // wait for the answer to `ticket`
    PoolTicket *ticket;
    PoolAnswer kept; // its result is ours
    int64_t kept_at; // 0: there is none
};

static void forget(Asker *asker)
{
    *(asker->before != NULL ? &asker->before->next : &asker->ready->first) = asker->next;
    if (asker->next != NULL) {
        asker->next->before = asker->before;
    }
    free(asker);
}

static void on_gone(void *data)
{
    forget(data);
}

// An error of the server is not kept: its fields cannot be copied.
static void keep(Ready *self, const PoolAnswer *answer)
{
    PQclear(self->kept.result);
    self->kept = *answer;
    self->kept.result =
        answer->result == NULL ? NULL : PQcopyResult(answer->result, PG_COPYRES_TUPLES);
    bool is_whole =
        answer->outcome != POOL_ERROR && (self->kept.result != NULL) == (answer->result != NULL);
    self->kept_at = is_whole ? clock_boot_ms() : 0;
}

static void on_answer(void *data, const PoolAnswer *answer)
{
    Ready *self = data;
    self->ticket = NULL;
    keep(self, answer);
    for (Asker *asker = NULL; (asker = self->first) != NULL;) {
        Exchange *exchange = asker->exchange;
        self->first = asker->next;
        if (self->first != NULL) {
            self->first->before = NULL;
        }
        free(asker);
        exchange_reply_answer(exchange, answer);
    }
}

void ready_answer(Exchange *exchange)
{
    Ready *self = exchange_api(exchange)->ready;
    if (self->kept_at != 0 && clock_boot_ms() - self->kept_at < READY_KEPT_MS) {
        exchange_reply_answer(exchange, &self->kept);
        return;
    }
    Asker *asker = mem_alloc(sizeof *asker);
    asker->ready = self;
    asker->exchange = exchange;
    asker->next = self->first;
    if (self->first != NULL) {
        self->first->before = asker;
    }
    self->first = asker;
    exchange_on_gone(exchange, on_gone, asker);
    if (self->ticket == NULL) {
        const PoolAsk ask = {
            .statement = exchange_route(exchange)->statement,
            .is_urgent = true,
            .on_answer = on_answer,
            .data = self,
        };
        self->ticket = pool_ask(self->api->pool, &ask);
    }
}

Ready *ready_create(Api *api)
{
    Ready *self = mem_alloc(sizeof *self);
    self->api = api;
    return self;
}

void ready_destroy(Ready *self)
{
    if (self == NULL) {
        return;
    }
    if (self->ticket != NULL) {
        pool_forget(self->ticket);
    }
    PQclear(self->kept.result);
    free(self);
}
