// SPDX-License-Identifier: MIT
// Waiters: see the header.
#include "api/waiters.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/clock.h"
#include "common/base/duration.h"
#include "common/base/json_line.h"
#include "common/base/log.h"
#include "common/base/memory.h"
#include "sql_queries.h"

enum { LOOK_MS = 100, COLUMN_STATUS = 0, COLUMN_BODY = 1, COLUMN_HEADERS = 2 };

typedef enum WaiterPhase {
    WAITER_ASKED,   // the route's statement is on its way
    WAITER_WAITING, // for the job
    WAITER_FETCHED  // the job as it is now is on its way
} WaiterPhase;

typedef struct Waiter {
    Waiters *all;
    struct Waiter *next;
    struct Waiter *before;
    Exchange *exchange;
    WaiterPhase phase;
    int64_t job_id;
    int64_t until;
    PoolTicket *ticket; // WAITER_FETCHED
    bool is_created;    // by a POST, which has answered `status` and `location`:
    bool is_over;       // its time is
    int status;
    char *location;
} Waiter;

struct Waiters {
    Api *api;
    Waiter *first;
    int count;
    ev_timer timer;
    PoolTicket *ticket;
    int64_t complained_at;
};

static void forget(Waiter *waiter)
{
    Waiters *self = waiter->all;
    if (waiter->ticket != NULL) {
        pool_forget(waiter->ticket);
    }
    *(waiter->before != NULL ? &waiter->before->next : &self->first) = waiter->next;
    if (waiter->next != NULL) {
        waiter->next->before = waiter->before;
    }
    free(waiter->location);
    free(waiter);
    if (--self->count == 0) {
        ev_timer_stop(self->api->loop, &self->timer);
    }
}

static void on_gone(void *data)
{
    forget(data);
}

// --- the job as it is, when the waiting is over

// What a POST has made: its own status, and 202 where the job has not ended, or cannot be looked at just now: it has been made all the
// same.
static void reply_created(Waiter *waiter, const PoolAnswer *answer)
{
    Exchange *exchange = waiter->exchange;
    char number[64];
    bool is_there = answer->outcome == POOL_DONE && PQntuples(answer->result) > 0;
    (void)snprintf(number, sizeof number, "{\"id\": %" PRId64 "}", waiter->job_id);
    const char *body = is_there ? PQgetvalue(answer->result, 0, COLUMN_BODY) : number;
    exchange_add_header(exchange, "Location", waiter->location);
    exchange_reply(exchange, waiter->is_over || !is_there ? 202 : waiter->status,
                   "application/json", body, strlen(body));
}

static void on_fetched(void *data, const PoolAnswer *answer)
{
    Waiter *waiter = data;
    waiter->ticket = NULL;
    if (waiter->is_created) {
        reply_created(waiter, answer);
    } else { // as without ?wait, with its ETag
        exchange_reply_answer(waiter->exchange, answer);
    }
    forget(waiter);
}

static void fetch(Waiter *waiter, bool is_over)
{
    char request[96];
    (void)snprintf(request, sizeof request,
                   "{\"path\":{\"id\":\"%" PRId64 "\"},\"query\":{},\"headers\":{}}",
                   waiter->job_id);
    const PoolAsk wanted = {
        .statement = &SQL_api_job_get,
        .count = 2,
        .values = {request, NULL},
        .actor = exchange_actor(waiter->exchange),
        .on_answer = on_fetched,
        .data = waiter,
    };
    waiter->is_over = is_over;
    waiter->phase = WAITER_FETCHED;
    waiter->ticket = pool_ask(waiter->all->api->pool, &wanted);
}

// --- which jobs have ended

static void note_ended(Waiters *self, int64_t job_id)
{
    for (Waiter *waiter = self->first; waiter != NULL; waiter = waiter->next) {
        if (waiter->phase == WAITER_WAITING && waiter->job_id == job_id) {
            fetch(waiter, false);
        }
    }
}

static void on_ended(void *data, const PoolAnswer *answer)
{
    Waiters *self = data;
    self->ticket = NULL;
    if (answer->outcome == POOL_ERROR) {
        pool_complain("http.wait_failed", &self->complained_at, answer);
        return;
    }
    if (answer->outcome != POOL_DONE || PQgetisnull(answer->result, 0, 0)) {
        return;
    }
    for (const char *at = PQgetvalue(answer->result, 0, 0); *at != '\0';) {
        char *end = NULL;
        note_ended(self, strtoll(at, &end, 10));
        at = *end == ',' ? end + 1 : "";
    }
}

static void ask(Waiters *self)
{
    StrBuf ids = {0};
    for (const Waiter *waiter = self->first; waiter != NULL; waiter = waiter->next) {
        if (waiter->phase == WAITER_WAITING) {
            strbuf_printf(&ids, "%c%" PRId64, ids.length == 0 ? '{' : ',', waiter->job_id);
        }
    }
    if (ids.length > 0) {
        strbuf_append_char(&ids, '}');
        const PoolAsk wanted = {
            .statement = &SQL_api_ended_jobs,
            .count = 1,
            .values = {ids.text},
            .actor = self->api->tokens != NULL ? &POOL_READER : NULL,
            .is_urgent = true,
            .on_answer = on_ended,
            .data = self,
        };
        self->ticket = pool_ask(self->api->pool, &wanted);
    }
    strbuf_free(&ids);
}

static void end_those_over(Waiters *self, int64_t now)
{
    for (Waiter *waiter = self->first; waiter != NULL; waiter = waiter->next) {
        if (waiter->phase == WAITER_WAITING && now >= waiter->until) {
            fetch(waiter, true);
        }
    }
}

static void on_timer(struct ev_loop *loop, ev_timer *watcher, int events)
{
    (void)loop;
    (void)events;
    Waiters *self = watcher->data;
    end_those_over(self, clock_boot_ms());
    if (self->ticket == NULL) {
        ask(self);
    }
}

void waiters_hurry(Waiters *self)
{
    end_those_over(self, INT64_MAX);
}

// --- the first answer

static Waiter *find_of(const Waiters *self, const Exchange *exchange)
{
    Waiter *waiter = self->first;
    while (waiter->exchange != exchange) {
        waiter = waiter->next;
    }
    return waiter;
}

// The answer of a POST names the job in its Location, as its last segment. 0: it does not.
static int64_t read_location(const PGresult *row, char **location)
{
    JsonLine line;
    const char *why = NULL;
    const char *text = PQgetvalue(row, 0, COLUMN_HEADERS);
    if (PQgetisnull(row, 0, COLUMN_HEADERS) || !json_line_parse(&line, text, strlen(text), &why)) {
        return 0;
    }
    for (size_t i = 0; i < line.count; i++) {
        if (strcasecmp(line.fields[i].name, "Location") == 0) {
            *location = json_field_text(&line.fields[i]);
        }
    }
    const char *slash = *location != NULL ? strrchr(*location, '/') : NULL;
    return slash != NULL ? strtoll(slash + 1, NULL, 10) : 0;
}

// What there is nothing to wait for is answered as without ?wait.
static bool begin_waiting(Waiter *waiter, const PoolAnswer *answer)
{
    if (answer->outcome != POOL_DONE || PQntuples(answer->result) == 0) {
        return false;
    }
    waiter->status = (int)strtol(PQgetvalue(answer->result, 0, COLUMN_STATUS), NULL, 10);
    const char *id = exchange_variable(waiter->exchange, "id");
    waiter->is_created = id == NULL;
    waiter->job_id =
        id != NULL ? strtoll(id, NULL, 10) : read_location(answer->result, &waiter->location);
    if (waiter->status >= 400 || waiter->job_id <= 0 || waiter->all->api->is_leaving) {
        return false;
    }
    waiter->phase = WAITER_WAITING;
    if (waiter->all->ticket == NULL && waiter->all->count == 1) {
        ask(waiter->all); // it may have ended already; others are asked for soon anyway
    }
    return true;
}

static void on_first_answer(Exchange *exchange, const PoolAnswer *answer)
{
    Waiter *waiter = find_of(exchange_api(exchange)->waiters, exchange);
    if (!begin_waiting(waiter, answer)) {
        forget(waiter);
        exchange_reply_answer(exchange, answer);
    }
}

static void begin(Exchange *exchange, int64_t wait_ms)
{
    Waiters *self = exchange_api(exchange)->waiters;
    Waiter *waiter = mem_alloc(sizeof *waiter);
    waiter->all = self;
    waiter->exchange = exchange;
    waiter->until = clock_boot_ms() + wait_ms;
    waiter->next = self->first;
    if (self->first != NULL) {
        self->first->before = waiter;
    }
    self->first = waiter;
    if (self->count++ == 0) {
        ev_timer_again(self->api->loop, &self->timer);
    }
    exchange_on_gone(exchange, on_gone, waiter);
    exchange_ask(exchange, on_first_answer);
}

void waiters_answer(Exchange *exchange)
{
    const char *text = exchange_query(exchange, "wait", 0);
    const Api *api = exchange_api(exchange);
    const char *why = NULL;
    int64_t wait_ms = 0;
    bool is_plain = text == NULL || str_equal(exchange_method(exchange), "HEAD");
    if (!is_plain && (duration_parse(text, &wait_ms, &why) != STATUS_OK ||
                      wait_ms < WAITERS_MIN_MS || wait_ms > WAITERS_MAX_MS)) {
        exchange_refuse_parameter(
            exchange, "wait", "wait must be a duration between 1s and 60s, not \"%.40s\"", text);
    } else if (is_plain || api->is_leaving) {
        exchange_run(exchange);
    } else if (api->waiters->count >= WAITERS_MAX) {
        exchange_reply_busy(
            exchange, 1, "too_many_waiters",
            "1000 requests wait for a job already: nothing was done, ask without wait");
    } else {
        begin(exchange, wait_ms);
    }
}

Waiters *waiters_create(Api *api)
{
    Waiters *self = mem_alloc(sizeof *self);
    self->api = api;
    ev_init(&self->timer, on_timer);
    self->timer.repeat = LOOK_MS / 1e3;
    self->timer.data = self;
    return self;
}

void waiters_destroy(Waiters *self)
{
    if (self == NULL) {
        return;
    }
    ev_timer_stop(self->api->loop, &self->timer);
    if (self->ticket != NULL) {
        pool_forget(self->ticket);
    }
    free(self);
}
