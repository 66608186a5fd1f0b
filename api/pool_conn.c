// SPDX-License-Identifier: MIT
// One connection of the pool: connecting, setting up, sending a ticket, reading what comes of it. It stays in libpq's pipeline mode:
// what a ticket needs goes out at once, as one transaction.
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "api/pool_internal.h"
#include "common/base/backoff.h"
#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/base/memory.h"
#include "common/db/db.h"
#include "common/db/db_error.h"
#include "sql_queries.h"

static void on_io(struct ev_loop *loop, ev_io *watcher, int events);
static void on_timer(struct ev_loop *loop, ev_timer *watcher, int events);
static void read_results(PoolConn *conn);

void pool_conn_init(PoolConn *conn, Pool *pool)
{
    conn->pool = pool;
    conn->state = POOL_CONN_DOWN;
    ev_init(&conn->io, on_io);
    ev_init(&conn->timer, on_timer);
    conn->io.data = conn->timer.data = conn;
    conn->prepared = mem_alloc(POOL_PREPARED_MAX * sizeof *conn->prepared);
}

void pool_conn_deinit(PoolConn *conn)
{
    free(conn->prepared);
    strbuf_free(&conn->lacking);
}

static void watch(PoolConn *conn, int events)
{
    int fd = PQsocket(conn->conn);
    if (ev_is_active(&conn->io) && conn->io.fd == fd && (conn->io.events & 3) == events) {
        return;
    }
    ev_io_stop(conn->pool->loop, &conn->io);
    if (fd >= 0) {
        ev_io_set(&conn->io, fd, events);
        ev_io_start(conn->pool->loop, &conn->io);
    }
}

static void set_timer(PoolConn *conn, int64_t ms)
{
    ev_timer_stop(conn->pool->loop, &conn->timer);
    ev_timer_set(&conn->timer, (double)ms / 1e3, 0);
    ev_timer_start(conn->pool->loop, &conn->timer);
}

// --- losing it

static int64_t backoff_ms(const PoolConn *conn)
{
    return conn->failures == 0 ? 0
                               : backoff_delay_ms(POOL_BACKOFF_MIN_MS, POOL_BACKOFF_MAX_MS,
                                                  conn->failures - 1, backoff_random());
}

static void close_connection(PoolConn *conn)
{
    Pool *pool = conn->pool;
    if (conn->state == POOL_CONN_IDLE || conn->state == POOL_CONN_BUSY) {
        pool->connected--;
    }
    if (conn->state == POOL_CONN_BUSY) {
        pool_count_busy(pool, conn->ticket, -1);
    }
    ev_io_stop(pool->loop, &conn->io);
    ev_timer_stop(pool->loop, &conn->timer);
    if (conn->conn != NULL) {
        if (PQsocket(conn->conn) >= 0) {
            shutdown(PQsocket(conn->conn), SHUT_RDWR); // else libpq may wait to say goodbye
        }
        PQfinish(conn->conn);
    }
    PQclear(conn->kept);
    conn->kept = NULL;
    conn->conn = NULL;
    conn->prepared_count = 0;
    conn->state = POOL_CONN_DOWN;
}

void pool_conn_drop(PoolConn *conn, const char *why, bool is_final)
{
    Pool *pool = conn->pool;
    PoolTicket *ticket = conn->ticket;
    char reason[256];
    snprintf(reason, sizeof reason, "%s",
             why); // it may be libpq's own text, which goes with the connection
    bool stood = conn->state == POOL_CONN_IDLE || conn->state == POOL_CONN_BUSY;
    close_connection(conn);
    conn->ticket = NULL;
    log_debug("http.connection_lost", "connection=%td message=\"%s\"", conn - pool->conns, reason);
    if (!is_final) {
        bool is_refused = !stood || (ticket != NULL && ticket->is_undone);
        conn->failures = is_refused ? conn->failures + 1 : 0;
        if (stood) {
            pool->totals.reconnects++;
        } else {
            pool->host_at += pool->host_at == conn->host_at ? 1 : 0; // the next one, for all of us
            pool_on_failed(pool, conn, reason);
        }
        if (pool_may_try(conn)) {
            set_timer(conn, backoff_ms(conn));
        }
    }
    if (ticket == NULL) {
        return;
    }
    // What has done nothing is asked once more, if somebody still waits for it.
    bool has_done_nothing = !ticket->ask.is_write || ticket->is_undone;
    if (!is_final && has_done_nothing && !ticket->is_tried && ticket->ask.on_answer != NULL &&
        clock_boot_ms() - ticket->sent_at < POOL_AGAIN_LIMIT_MS) {
        ticket->is_tried = true;
        bool is_undone = ticket->is_undone;
        pool_put_back(ticket);
        if (!is_undone) { // else the others are of the same server: the new connection finds another
            pool_on_idle(pool);
        }
    } else {
        pool_settle(ticket, ticket->is_undone ? POOL_DOWN : POOL_UNKNOWN, NULL);
    }
}

// --- connecting

static void on_notice(void *argument, const PGresult *result)
{
    PoolConn *conn = argument;
    if (db_notice_is_unconfirmed(result)) {
        conn->is_unconfirmed = true;
    }
}

void pool_conn_start(PoolConn *conn)
{
    Pool *pool = conn->pool;
    const DbHost *host = NULL;
    if (pool->hosts.count > 1) {
        conn->host_at = pool->host_at;
        host = &pool->hosts.items[pool->host_at % pool->hosts.count];
    }
    conn->conn = db_start_connection(pool->url, pool->name, host, pool->hosts.count > 1);
    if (conn->conn == NULL) {
        panic("out of memory in libpq");
    }
    conn->state = POOL_CONN_CONNECTING;
    if (PQstatus(conn->conn) == CONNECTION_BAD) {
        pool_conn_drop(conn, PQerrorMessage(conn->conn), false);
        return;
    }
    PQsetNoticeReceiver(conn->conn, on_notice, conn);
    set_timer(conn, POOL_CONNECT_LIMIT_MS);
    watch(conn, EV_WRITE);
}

void pool_conn_go_on(PoolConn *conn)
{
    if (conn->state == POOL_CONN_DOWN && !ev_is_active(&conn->timer)) {
        set_timer(conn, 0);
    }
}

static void on_timer(struct ev_loop *loop, ev_timer *watcher, int events)
{
    (void)loop;
    (void)events;
    PoolConn *conn = watcher->data;
    if (conn->state == POOL_CONN_DOWN) {
        if (pool_may_try(conn)) {
            pool_conn_start(conn);
        }
        return;
    }
    bool is_busy = conn->state == POOL_CONN_BUSY; // it could not be sent
    pool_conn_drop(conn, is_busy ? PQerrorMessage(conn->conn) : "timeout", false);
}

static void set_up(PoolConn *conn)
{
    char pid[16];
    snprintf(pid, sizeof pid, "%d", PQbackendPID(conn->conn));
    char limit[16];
    snprintf(limit, sizeof limit, "%ds", POOL_STATEMENT_TIMEOUT_MS / 1000);
    char lock_limit[16];
    snprintf(lock_limit, sizeof lock_limit, "%ds", POOL_LOCK_TIMEOUT_MS / 1000);
    const char *const settings[] = {pid, lock_limit};
    const char *const limits[] = {pid, limit};
    conn->state = POOL_CONN_SETTING;
    conn->is_pooled = true;
    strbuf_clear(&conn->lacking);
    if (PQsetnonblocking(conn->conn, 1) != 0 || PQenterPipelineMode(conn->conn) == 0 ||
        PQsendQueryParams(conn->conn, SQL_connect_settings.text, 2, NULL, settings, NULL, NULL,
                          0) == 0 ||
        PQsendQueryParams(conn->conn, SQL_api_session.text, 2, NULL, limits, NULL, NULL, 0) == 0 ||
        PQpipelineSync(conn->conn) == 0) {
        pool_conn_drop(conn, PQerrorMessage(conn->conn), false);
        return;
    }
    watch(conn, PQflush(conn->conn) == 0 ? EV_READ : EV_READ | EV_WRITE);
}

static void go_on_connecting(PoolConn *conn)
{
    switch (PQconnectPoll(conn->conn)) {
    case PGRES_POLLING_READING:
        watch(conn, EV_READ);
        break;
    case PGRES_POLLING_WRITING:
        watch(conn, EV_WRITE);
        break;
    case PGRES_POLLING_OK:
        set_up(conn);
        break;
    case PGRES_POLLING_FAILED:
    case PGRES_POLLING_ACTIVE:
        pool_conn_drop(conn, PQerrorMessage(conn->conn), false);
        break;
    }
}

// Once: another connection through a pooler may meet another of its sessions, but no other settings.
static void tell_settings(Pool *pool, const PoolConn *conn)
{
    if (conn->lacking.length > 0 && !pool->has_told_settings) {
        log_warn("http.database_pooled",
                 "database_role=%s lacking=\"%s\" mend=\"give http.database_url a role of its own, "
                 "ALTER ROLE "
                 "... SET each, then RECONNECT in the pooler\"",
                 PQuser(conn->conn), conn->lacking.text);
    }
    pool->has_told_settings = true;
}

// One row of connect_settings, and one of api_session.
static void take_settings(PoolConn *conn, const PGresult *settings)
{
    const char *lacking = db_text(settings, 0, "lacking");
    if (lacking != NULL && lacking[0] != '\0') {
        strbuf_printf(&conn->lacking, "%s%s", conn->lacking.length > 0 ? ", " : "", lacking);
    }
    if (PQfnumber(settings, "pooled") < 0) {
        return;
    }
    conn->is_pooled = db_bool(settings, 0, "pooled");
    if (!conn->pool->has_told_settings) {
        db_tell_durable(settings);
    }
}

static void stand(PoolConn *conn)
{
    Pool *pool = conn->pool;
    tell_settings(pool, conn);
    ev_timer_stop(pool->loop, &conn->timer);
    conn->state = POOL_CONN_IDLE;
    conn->failures = 0;
    pool->connected++;
    pool_on_connected(pool);
}

static void read_settings(PoolConn *conn)
{
    while (!PQisBusy(conn->conn)) {
        PGresult *result = PQgetResult(conn->conn);
        ExecStatusType status = result == NULL ? PGRES_COMMAND_OK : PQresultStatus(result);
        if (status == PGRES_FATAL_ERROR) {
            PQclear(result);
            pool_conn_drop(conn, PQerrorMessage(conn->conn), false);
            return;
        }
        if (status == PGRES_TUPLES_OK) {
            take_settings(conn, result);
        }
        PQclear(result);
        if (status == PGRES_PIPELINE_SYNC) {
            stand(conn);
            return;
        }
    }
}

// --- sending

static const char *prepared_name(const PoolConn *conn, const SqlStatement *statement)
{
    for (int i = 0; i < conn->prepared_count; i++) {
        if (conn->prepared[i].statement == statement) {
            return conn->prepared[i].name;
        }
    }
    return NULL;
}

static void expect(PoolConn *conn, PoolCommand command, const SqlStatement *statement)
{
    conn->commands[conn->command_count] = command;
    conn->statements[conn->command_count] = statement;
    conn->command_count++;
}

// Queues one statement, prepared before where it is not yet. False: libpq refused.
static bool queue_statement(PoolConn *conn, PoolCommand command, const SqlStatement *statement,
                            int count, const char *const *values)
{
    const char *name = conn->is_pooled ? NULL : prepared_name(conn, statement);
    char fresh[POOL_NAME_BYTES];
    if (name == NULL && !conn->is_pooled && conn->prepared_count < POOL_PREPARED_MAX) {
        int length = snprintf(fresh, sizeof fresh, "%s/%u", statement->name, conn->generation);
        if (length > 0 && (size_t)length < sizeof fresh) {
            if (PQsendPrepare(conn->conn, fresh, statement->text, 0, NULL) == 0) {
                return false;
            }
            expect(conn, POOL_PREPARE, statement);
            name = fresh;
        }
    }
    int sent = name != NULL ? PQsendQueryPrepared(conn->conn, name, count, values, NULL, NULL, 0)
                            : PQsendQueryParams(conn->conn, statement->text, count, NULL, values,
                                                NULL, NULL, 0);
    expect(conn, command, statement);
    return sent != 0;
}

// Who asks has not even got the ticket yet: it is dropped from the loop.
static void drop_soon(PoolConn *conn)
{
    ev_io_stop(conn->pool->loop, &conn->io);
    set_timer(conn, 0);
}

void pool_conn_send(PoolConn *conn, PoolTicket *ticket)
{
    Pool *pool = conn->pool;
    const PoolAsk *ask = &ticket->ask;
    conn->state = POOL_CONN_BUSY;
    conn->ticket = ticket;
    conn->command_count = conn->command_at = 0;
    conn->is_failed = conn->is_unconfirmed = false;
    ticket->conn = conn;
    ticket->sent_at = clock_boot_ms();
    ticket->is_undone = false;
    pool_count_busy(pool, ticket, 1);
    bool is_queued = true;
    if (ask->actor != NULL) {
        const char *const values[] = {ask->actor->role, ask->actor->owner, ask->actor->queues};
        is_queued = queue_statement(conn, POOL_ACT, &SQL_api_act_as, 3, values);
    }
    if (!is_queued || !queue_statement(conn, POOL_RUN, ask->statement, ask->count, ask->values) ||
        PQpipelineSync(conn->conn) == 0) {
        drop_soon(conn);
        return;
    }
    int unsent = PQflush(conn->conn);
    if (PQsocket(conn->conn) < 0) { // libpq has read its end, and closed it
        drop_soon(conn);
        return;
    }
    watch(conn, unsent > 0 ? EV_READ | EV_WRITE : EV_READ);
    // A broken connection is readable: what is to be done about it is done there, not within pool_ask.
}

// --- reading

static void mark_prepared(PoolConn *conn, const SqlStatement *statement)
{
    PoolPrepared *prepared = &conn->prepared[conn->prepared_count++];
    prepared->statement = statement;
    snprintf(prepared->name, sizeof prepared->name, "%s/%u", statement->name, conn->generation);
}

// The server is going away, or takes no writes any more: others of its kind may be elsewhere.
static bool is_farewell(const PGresult *error)
{
    return db_error_status(PQresultErrorField(error, PG_DIAG_SQLSTATE)) == STATUS_LOST;
}

// The connection is free before the ticket is answered: who asks for more in its callback may have it at once.
static void complete(PoolConn *conn)
{
    Pool *pool = conn->pool;
    PoolTicket *ticket = conn->ticket;
    PGresult *kept = conn->kept;
    if (conn->is_failed && is_farewell(kept)) {
        // An error of libpq's own, as for want of memory, says nothing of the transaction: it may be committed.
        ticket->is_undone = PQresultErrorField(kept, PG_DIAG_SQLSTATE) != NULL;
        pool_conn_drop(conn, PQresultErrorMessage(kept), false);
        return;
    }
    conn->kept = NULL;
    conn->ticket = NULL;
    conn->state = POOL_CONN_IDLE;
    pool_count_busy(pool, ticket, -1);
    if (conn->is_failed && db_error_is_stale(kept) && !ticket->is_tried) {
        conn->prepared_count = 0;
        conn->generation++;
        ticket->is_tried = true;
        pool_put_back(ticket);
    } else if (conn->is_unconfirmed) {
        pool_settle(ticket, POOL_UNKNOWN, NULL);
    } else {
        pool_settle(ticket, conn->is_failed ? POOL_ERROR : POOL_DONE, kept);
    }
    PQclear(kept);
    pool_on_idle(pool);
}

// Takes one result over. An error after the last command is the commit's.
static void take_result(PoolConn *conn, PGresult *result)
{
    ExecStatusType status = PQresultStatus(result);
    bool is_known = conn->command_at < conn->command_count;
    PoolCommand command = is_known ? conn->commands[conn->command_at] : POOL_ACT;
    if (status == PGRES_FATAL_ERROR && !conn->is_failed) {
        PQclear(conn->kept);
        conn->kept = result;
        conn->is_failed = true;
        return;
    }
    if (status == PGRES_COMMAND_OK && is_known && command == POOL_PREPARE) {
        mark_prepared(conn, conn->statements[conn->command_at]);
    } else if (command == POOL_RUN && conn->kept == NULL &&
               (status == PGRES_TUPLES_OK || status == PGRES_COMMAND_OK)) {
        conn->kept = result;
        return;
    }
    PQclear(result);
}

static void read_results(PoolConn *conn)
{
    while (!PQisBusy(conn->conn)) {
        PGresult *result = PQgetResult(conn->conn);
        if (result == NULL) {
            if (conn->command_at++ > conn->command_count) {
                pool_conn_drop(conn, PQerrorMessage(conn->conn), false);
                return;
            }
            continue;
        }
        if (PQresultStatus(result) == PGRES_PIPELINE_SYNC) {
            PQclear(result);
            complete(conn);
            return;
        }
        take_result(conn, result);
    }
}

static void on_io(struct ev_loop *loop, ev_io *watcher, int events)
{
    (void)loop;
    PoolConn *conn = watcher->data;
    if (conn->state == POOL_CONN_CONNECTING) {
        go_on_connecting(conn);
        return;
    }
    int unsent = (events & EV_WRITE) != 0 ? PQflush(conn->conn) : 1;
    bool is_broken = unsent < 0;
    if (unsent == 0) {
        watch(conn, EV_READ);
    }
    if ((events & EV_READ) != 0 && PQconsumeInput(conn->conn) == 0) {
        is_broken = true;
    }
    // A server that closes the connection says why first.
    if (conn->state == POOL_CONN_SETTING) {
        read_settings(conn);
    } else if (conn->state == POOL_CONN_BUSY) {
        read_results(conn);
    } else {
        (void)PQisBusy(conn->conn); // notices, and the server's farewell
    }
    if (conn->conn == NULL) {
        return; // given up meanwhile
    }
    if (is_broken || PQstatus(conn->conn) == CONNECTION_BAD) {
        pool_conn_drop(conn, PQerrorMessage(conn->conn), false);
    }
}
