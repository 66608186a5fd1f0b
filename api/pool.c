// SPDX-License-Identifier: MIT
// Pool: tickets, the queues they wait in, and who is served next.
#include "api/pool.h"

#include <stdlib.h>
#include <string.h>

#include "api/pool_internal.h"
#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/base/memory.h"

static void queue_append(PoolQueue *queue, PoolTicket *ticket)
{
    ticket->next = NULL;
    ticket->before = queue->last;
    if (queue->last != NULL) {
        queue->last->next = ticket;
    } else {
        queue->first = ticket;
    }
    queue->last = ticket;
    queue->count++;
}

static void queue_prepend(PoolQueue *queue, PoolTicket *ticket)
{
    ticket->before = NULL;
    ticket->next = queue->first;
    if (queue->first != NULL) {
        queue->first->before = ticket;
    } else {
        queue->last = ticket;
    }
    queue->first = ticket;
    queue->count++;
}

static void queue_remove(PoolQueue *queue, PoolTicket *ticket)
{
    if (ticket->before != NULL) {
        ticket->before->next = ticket->next;
    } else {
        queue->first = ticket->next;
    }
    if (ticket->next != NULL) {
        ticket->next->before = ticket->before;
    } else {
        queue->last = ticket->before;
    }
    ticket->next = ticket->before = NULL;
    queue->count--;
}

// The first one, taken out; NULL when there is none.
static PoolTicket *queue_take(PoolQueue *queue)
{
    PoolTicket *ticket = queue->first;
    if (ticket == NULL) {
        return NULL;
    }
    queue->first = ticket->next;
    if (queue->first != NULL) {
        queue->first->before = NULL;
    } else {
        queue->last = NULL;
    }
    ticket->next = NULL;
    queue->count--;
    return ticket;
}

static PoolQueue *queue_of(PoolTicket *ticket)
{
    Pool *pool = ticket->pool;
    if (ticket->ask.is_urgent) {
        return &pool->urgent;
    }
    if (ticket->ask.is_slow) {
        return &pool->slow;
    }
    return ticket->ask.is_write ? &pool->writes : &pool->plain;
}

static int waiting(const Pool *pool)
{
    return pool->urgent.count + pool->plain.count + pool->writes.count + pool->slow.count;
}

// --- answers

void pool_settle(PoolTicket *ticket, PoolOutcome outcome, PGresult *result)
{
    Pool *pool = ticket->pool;
    if (outcome == POOL_DONE || outcome == POOL_ERROR) {
        pool->totals.answered++;
    } else {
        pool->totals.refused++;
    }
    PoolAnswer answer = {.outcome = outcome, .result = result, .is_write = ticket->ask.is_write};
    if (ticket->ask.on_answer != NULL) {
        ticket->ask.on_answer(ticket->ask.data, &answer);
    }
    free(ticket);
}

// The answer comes from the loop: who asks has not even got the ticket yet.
static void refuse(PoolTicket *ticket, PoolOutcome outcome)
{
    ticket->refusal = outcome;
    queue_append(&ticket->pool->refused, ticket);
    ev_feed_event(ticket->pool->loop, &ticket->pool->refuser, EV_CUSTOM);
}

static void on_refuser(struct ev_loop *loop, ev_timer *watcher, int events)
{
    (void)loop;
    (void)events;
    Pool *pool = watcher->data;
    PoolTicket *ticket = NULL;
    while ((ticket = queue_take(&pool->refused)) != NULL) {
        pool_settle(ticket, ticket->refusal, NULL);
    }
}

static void refuse_queue(PoolQueue *queue, PoolOutcome outcome)
{
    PoolTicket *ticket = NULL;
    while ((ticket = queue_take(queue)) != NULL) {
        refuse(ticket, outcome);
    }
}

static void refuse_waiting(Pool *pool, PoolOutcome outcome)
{
    refuse_queue(&pool->urgent, outcome);
    refuse_queue(&pool->plain, outcome);
    refuse_queue(&pool->writes, outcome);
    refuse_queue(&pool->slow, outcome);
}

// --- who is next

// A write may wait for somebody's open transaction: however many do, what only reads goes on beside them. Where the server grants
// fewer connections than are wanted, those that stand are shared.
static bool may_hold(const Pool *pool)
{
    int most = pool->connected - 2;
    return pool->busy_held < (most < 1 ? 1 : most);
}

static bool may_run_slow(const Pool *pool)
{
    int most = pool->connected / 2;
    return may_hold(pool) && pool->busy_slow < (most < 1 ? 1 : most);
}

void pool_count_busy(Pool *pool, const PoolTicket *ticket, int by)
{
    const PoolAsk *ask = &ticket->ask;
    pool->busy += by;
    pool->busy_slow += ask->is_slow ? by : 0;
    pool->busy_held += ask->is_slow || ask->is_write ? by : 0;
}

static PoolTicket *longest_waiting(PoolTicket *a, PoolTicket *b)
{
    if (a == NULL || b == NULL) {
        return a == NULL ? b : a;
    }
    return b->asked_at < a->asked_at ? b : a;
}

// Of those that may run the one that has waited longest.
static PoolTicket *next_ticket(Pool *pool)
{
    if (pool->urgent.first != NULL) {
        return pool->urgent.first;
    }
    PoolTicket *ticket = pool->plain.first;
    if (may_hold(pool)) {
        ticket = longest_waiting(ticket, pool->writes.first);
    }
    if (may_run_slow(pool)) {
        ticket = longest_waiting(ticket, pool->slow.first);
    }
    return ticket;
}

static PoolConn *idle_conn(Pool *pool)
{
    for (int i = 0; pool->busy < pool->connected && i < pool->size; i++) {
        if (pool->conns[i].state == POOL_CONN_IDLE) {
            return &pool->conns[i];
        }
    }
    return NULL;
}

static void serve(Pool *pool)
{
    PoolConn *conn = NULL;
    PoolTicket *ticket = NULL;
    while (!pool->is_closed && (ticket = next_ticket(pool)) != NULL &&
           (conn = idle_conn(pool)) != NULL) {
        queue_remove(queue_of(ticket), ticket);
        pool_conn_send(conn, ticket);
    }
}

void pool_on_idle(Pool *pool)
{
    serve(pool);
}

bool pool_may_try(const PoolConn *conn)
{
    return !conn->pool->has_failed || conn->pool->scout == conn;
}

void pool_on_connected(Pool *pool)
{
    bool is_back = pool->has_failed;
    pool->has_failed = false;
    if (is_back) {
        log_info("http.database_back", "connections=%d", pool->connected);
        for (int i = 0; i < pool->size; i++) {
            pool_conn_go_on(&pool->conns[i]);
        }
    }
    pool->is_few = pool->is_few && pool->connected < pool->size;
    pool->error[0] = '\0';
    serve(pool);
}

// Once, until all stand again. One refusal may be the beginning of an outage, whose other connections have yet to go.
static void tell_few(Pool *pool, int failures)
{
    if (failures >= POOL_FEW_FAILURES && !pool->is_few) {
        pool->is_few = true;
        log_warn("http.few_connections", "connected=%d wanted=%d message=\"%s\"", pool->connected,
                 pool->size, pool->error);
    }
}

void pool_on_failed(Pool *pool, const PoolConn *conn, const char *why)
{
    bool is_cut = !str_copy(pool->error, sizeof pool->error, why);
    pool->error[is_cut ? sizeof pool->error - 1 : strcspn(pool->error, "\n")] = '\0';
    if (pool->connected > 0) {
        tell_few(pool, conn->failures);
        return;
    }
    if (!pool->has_failed) {
        log_warn("http.database_lost", "message=\"%s\"", pool->error);
        pool->scout = conn;
    }
    pool->has_failed = true;
    refuse_waiting(pool, POOL_DOWN);
}

void pool_put_back(PoolTicket *ticket)
{
    ticket->conn = NULL;
    if (ticket->pool->is_closed || ticket->pool->has_failed) {
        refuse(ticket, POOL_DOWN);
        return;
    }
    queue_prepend(queue_of(ticket), ticket);
}

// --- asking

static const char *keep_text(char **at, const char *text)
{
    if (text == NULL) {
        return NULL;
    }
    size_t length = strlen(text) + 1;
    memcpy(*at, text, length);
    *at += length;
    return *at - length;
}

static size_t length_of(const char *text)
{
    return text == NULL ? 0 : strlen(text) + 1;
}

static PoolTicket *make_ticket(Pool *pool, const PoolAsk *ask)
{
    const PoolActor *actor = ask->actor;
    size_t bytes = 0;
    for (int i = 0; i < ask->count; i++) {
        bytes += length_of(ask->values[i]);
    }
    if (actor != NULL) {
        bytes += length_of(actor->role) + length_of(actor->owner) + length_of(actor->queues);
    }
    PoolTicket *ticket = mem_alloc(sizeof *ticket + bytes);
    ticket->pool = pool;
    ticket->ask = *ask;
    ticket->asked_at = clock_boot_ms();
    char *at = ticket->text;
    for (int i = 0; i < ask->count; i++) {
        ticket->ask.values[i] = keep_text(&at, ask->values[i]);
    }
    if (actor != NULL) {
        ticket->actor.role = keep_text(&at, actor->role);
        ticket->actor.owner = keep_text(&at, actor->owner);
        ticket->actor.queues = keep_text(&at, actor->queues);
        ticket->ask.actor = &ticket->actor;
    }
    return ticket;
}

PoolTicket *pool_ask(Pool *pool, const PoolAsk *ask)
{
    PoolTicket *ticket = make_ticket(pool, ask);
    bool is_full = waiting(pool) >= POOL_WAITING_MAX ||
                   (ask->is_slow && pool->slow.count >= POOL_WAITING_SLOW_MAX) ||
                   (ask->is_write && pool->writes.count >= POOL_WAITING_WRITES_MAX);
    if (pool->is_closed || pool->has_failed) {
        refuse(ticket, POOL_DOWN);
    } else if (is_full && !ask->is_urgent) {
        refuse(ticket, POOL_BUSY);
    } else {
        queue_append(queue_of(ticket), ticket);
        if (!ev_is_active(&pool->sweep)) {
            ev_timer_again(pool->loop, &pool->sweep);
        }
        serve(pool);
    }
    return ticket;
}

void pool_forget(PoolTicket *ticket)
{
    ticket->ask.on_answer = NULL;
    if (ticket->conn == NULL && ticket->refusal == POOL_DONE && !ticket->ask.is_write) {
        queue_remove(queue_of(ticket), ticket);
        free(ticket);
    }
}

// --- limits

static void sweep_queue(PoolQueue *queue, int64_t asked_before, PoolOutcome outcome)
{
    while (queue->first != NULL && queue->first->asked_at < asked_before) {
        PoolTicket *ticket = queue->first;
        queue_remove(queue, ticket);
        refuse(ticket, outcome);
    }
}

static void sweep_conn(PoolConn *conn, int64_t now)
{
    const PoolTicket *ticket = conn->ticket;
    if (conn->state != POOL_CONN_BUSY) {
        return;
    }
    int64_t age = now - ticket->sent_at;
    if (age >= POOL_ANSWER_LIMIT_MS) {
        pool_conn_drop(conn, "the server did not answer in time", false);
    } else if (ticket->ask.on_answer == NULL && !ticket->ask.is_write &&
               age >= POOL_FORGET_LIMIT_MS) {
        // The server sees the closed socket within client_connection_check_interval, and ends the statement.
        pool_conn_drop(conn, "nobody waits for the statement any more", false);
    }
}

static void on_sweep(struct ev_loop *loop, ev_timer *watcher, int events)
{
    (void)events;
    Pool *pool = watcher->data;
    int64_t now = clock_boot_ms();
    int64_t limit = pool->connected > 0 ? POOL_WAIT_LIMIT_MS : POOL_START_LIMIT_MS;
    PoolOutcome outcome = pool->connected > 0 ? POOL_BUSY : POOL_DOWN;
    sweep_queue(&pool->urgent, now - limit, outcome);
    sweep_queue(&pool->plain, now - limit, outcome);
    sweep_queue(&pool->writes, now - limit, outcome);
    sweep_queue(&pool->slow, now - limit, outcome);
    for (int i = 0; i < pool->size; i++) {
        sweep_conn(&pool->conns[i], now);
    }
    if (waiting(pool) == 0 && pool->busy == 0) {
        ev_timer_stop(loop, &pool->sweep);
    }
}

// --- the pool

Pool *pool_create(struct ev_loop *loop, const char *url, const char *name, int size)
{
    Pool *pool = mem_alloc(sizeof *pool);
    pool->loop = loop;
    pool->url = url;
    pool->name = name;
    pool->size = size;
    db_hosts_read(&pool->hosts, url);
    ev_init(&pool->sweep, on_sweep);
    pool->sweep.repeat = POOL_SWEEP_MS / 1e3;
    ev_init(&pool->refuser, on_refuser);
    pool->sweep.data = pool->refuser.data = pool;
    pool->conns = mem_alloc((size_t)size * sizeof *pool->conns);
    for (int i = 0; i < size; i++) {
        pool_conn_init(&pool->conns[i], pool);
        if (!pool->has_failed) { // else the first of them goes on alone
            pool_conn_start(&pool->conns[i]);
        }
    }
    return pool;
}

void pool_close(Pool *pool)
{
    pool->is_closed = true;
    refuse_waiting(pool, POOL_DOWN);
    for (int i = 0; i < pool->size; i++) {
        pool_conn_drop(&pool->conns[i], "the process is leaving", true);
    }
    on_refuser(pool->loop, &pool->refuser, 0);
    ev_timer_stop(pool->loop, &pool->sweep);
    ev_clear_pending(pool->loop, &pool->refuser);
}

void pool_destroy(Pool *pool)
{
    PoolTicket *ticket = NULL;
    while ((ticket = queue_take(&pool->refused)) != NULL) {
        free(ticket); // asked after the end: nobody is left to be told
    }
    for (int i = 0; i < pool->size; i++) {
        pool_conn_deinit(&pool->conns[i]);
    }
    db_hosts_free(&pool->hosts);
    free(pool->conns);
    free(pool);
}

bool pool_is_up(const Pool *pool)
{
    return pool->connected > 0;
}

const char *pool_error(const Pool *pool)
{
    return pool->error;
}

void pool_read_state(const Pool *pool, PoolState *state)
{
    *state = pool->totals;
    state->size = pool->size;
    state->connected = pool->connected;
    state->busy = pool->busy;
    state->waiting = waiting(pool);
}
