// SPDX-License-Identifier: MIT
// What the two files of the pool share: tickets, connections, and the calls between them.
#ifndef API_POOL_INTERNAL_H
#define API_POOL_INTERNAL_H

#include "api/pool.h"
#include "common/base/memory.h"
#include "common/db/db_hosts.h"

enum {
    POOL_STATEMENT_TIMEOUT_MS = 5000, // the server's own limit on a statement
    POOL_LOCK_TIMEOUT_MS = 1000,      // and on its wait for a lock
    POOL_ANSWER_LIMIT_MS = 7000,      // then the connection is given up
    POOL_CONNECT_LIMIT_MS = 3000,
    POOL_WAIT_LIMIT_MS = 5000, // in the queue
    POOL_START_LIMIT_MS = 800, // in the queue while no connection stands yet
    POOL_FORGET_LIMIT_MS =
        500, // a statement nobody waits for any more ends by itself, or is cancelled
    POOL_AGAIN_LIMIT_MS =
        500, // what has run longer when its connection goes is not asked once more
    POOL_SWEEP_MS = 250,
    POOL_BACKOFF_MIN_MS = 100,
    POOL_BACKOFF_MAX_MS = 1000,
    POOL_FEW_FAILURES = 4, // of a connection while others stand: half a second or so
    POOL_WAITING_MAX = 1024,
    POOL_WAITING_SLOW_MAX = 128,
    POOL_WAITING_WRITES_MAX = 768,
    POOL_PREPARED_MAX = 192, // more than there are routes
    POOL_NAME_BYTES = 64,
    POOL_COMMAND_MAX = 4 // two statements, each perhaps prepared before
};

typedef enum PoolConnState {
    POOL_CONN_DOWN, // until its timer
    POOL_CONN_CONNECTING,
    POOL_CONN_SETTING, // its session is being set up
    POOL_CONN_IDLE,
    POOL_CONN_BUSY
} PoolConnState;

typedef enum PoolCommand { POOL_PREPARE, POOL_ACT, POOL_RUN } PoolCommand;

struct PoolTicket {
    Pool *pool;
    struct PoolConn *conn; // that runs it; NULL: it waits
    PoolTicket *next;      // in its queue
    PoolTicket *before;
    int64_t asked_at;
    int64_t sent_at;
    bool is_tried;  // went down with a connection once
    bool is_undone; // the server has rolled back what it was sent last
    PoolOutcome refusal;
    PoolAsk ask; // texts point to `text`
    PoolActor actor;
    char text[];
};

typedef struct PoolPrepared {
    const SqlStatement *statement;
    char name[POOL_NAME_BYTES];
} PoolPrepared;

typedef struct PoolConn {
    Pool *pool;
    PGconn *conn;
    PoolConnState state;
    ev_io io;
    ev_timer timer; // DOWN: the next try; CONNECTING, SETTING: the limit
    int failures;   // tries since the connection last stood, and 1 when a server takes no writes
    int host_at;    // the host it was made to, as Pool.host_at
    PoolTicket *ticket;
    PGresult *kept;      // the statement's rows, or the first error
    bool is_failed;      // `kept` is an error
    bool is_pooled;      // no named statements: a pooler stands between
    StrBuf lacking;      // settings, behind a pooler; while it is set up
    bool is_unconfirmed; // the commit did not wait for the synchronous standby, as it should have
    PoolCommand commands[POOL_COMMAND_MAX];
    const SqlStatement *statements[POOL_COMMAND_MAX];
    int command_count;
    int command_at; // whose result comes next
    PoolPrepared *prepared;
    int prepared_count;
    unsigned generation; // part of the statements' names
} PoolConn;

typedef struct PoolQueue {
    PoolTicket *first;
    PoolTicket *last;
    int count;
} PoolQueue;

struct Pool {
    struct ev_loop *loop;
    const char *url;
    const char *name;
    DbHosts hosts;
    int host_at;
    int size;
    PoolConn *conns;
    int connected; // idle or busy
    int busy;
    int busy_slow;
    int busy_held; // by slow ones and writes
    PoolQueue urgent;
    PoolQueue plain;
    PoolQueue writes;
    PoolQueue slow;
    PoolQueue refused; // their answer is due
    ev_timer sweep;
    ev_timer refuser; // fed, never started
    bool is_closed;
    bool has_failed;        // since a connection last stood
    const PoolConn *scout;  // while it has: the only one that tries. Looking up a host may block
    bool has_told_settings; // of the first connection that stood
    bool is_few;            // said of those that stand, until all do
    char error[256];
    PoolState totals;
};

// pool_conn.c
void pool_conn_init(PoolConn *conn, Pool *pool);
void pool_conn_start(PoolConn *conn);
// One that has left the trying to another tries again.
void pool_conn_go_on(PoolConn *conn);
// An idle connection sends a ticket.
void pool_conn_send(PoolConn *conn, PoolTicket *ticket);
// Gives the connection up; its ticket is settled. With `is_final` no other is made.
void pool_conn_drop(PoolConn *conn, const char *why, bool is_final);
void pool_conn_deinit(PoolConn *conn);

// pool.c: what a connection tells
// A ticket begins to run (by 1), or does so no more (by -1).
void pool_count_busy(Pool *pool, const PoolTicket *ticket, int by);
// Whether the connection is to be made, or another of the pool finds out first.
bool pool_may_try(const PoolConn *conn);
void pool_on_connected(Pool *pool);
void pool_on_idle(Pool *pool);
void pool_on_failed(Pool *pool, const PoolConn *conn, const char *why);
// The ticket's answer, and its end. `result` stays the caller's.
void pool_settle(PoolTicket *ticket, PoolOutcome outcome, PGresult *result);
// Before all others of its kind: it has waited already.
void pool_put_back(PoolTicket *ticket);

#endif
