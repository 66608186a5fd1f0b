// SPDX-License-Identifier: MIT
// Pool: a few asynchronous connections to the database, and a bounded queue for them.
//
// A statement is asked with its parameters; the answer comes by a callback, once, from the loop: never from within pool_ask. It runs
// alone in its transaction, under the rights of its actor. What may wait for others, writes and slow ones, never takes the last two
// connections that stand; of two, the last.
#ifndef API_POOL_H
#define API_POOL_H

#include <ev.h>
#include <libpq-fe.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/db/sql_statement.h"

enum { POOL_VALUE_MAX = 8 };

typedef struct Pool Pool;
typedef struct PoolTicket PoolTicket;

// Whose rights a statement has (common/sql/api_act_as.sql).
typedef struct PoolActor {
    const char *role;
    const char *owner;  // "" = not bound
    const char *queues; // text[] literal; "" = not bound
} PoolActor;

typedef enum PoolOutcome {
    POOL_DONE,   // `result` has the rows
    POOL_ERROR,  // the server refused: `result` is its error
    POOL_BUSY,   // it waited too long, or too many wait: nothing was done
    POOL_DOWN,   // no connection to the database: nothing was done
    POOL_UNKNOWN // the connection went after it was sent: a write may have been done or not
} PoolOutcome;

typedef struct PoolAnswer {
    PoolOutcome outcome;
    PGresult *result; // the pool's, until the callback returns; NULL without one
    bool is_write;
} PoolAnswer;

typedef struct PoolAsk {
    const SqlStatement *statement;
    int count;
    const char *values[POOL_VALUE_MAX]; // copied; NULL = SQL null
    const PoolActor *actor;             // copied; NULL = the connection's own user
    bool is_slow;                       // they never take more than half of the connections
    bool is_write;  // is carried out even when the asker has gone, and never a second time
    bool is_urgent; // before all others, on any connection: what the process itself needs
    void (*on_answer)(void *data, const PoolAnswer *answer);
    void *data;
} PoolAsk;

typedef struct PoolState {
    int size;
    int connected;
    int busy;
    int waiting;
    unsigned long long answered;
    unsigned long long refused;    // busy or down
    unsigned long long reconnects; // connections that stood, and had to be made anew
} PoolState;

// `url` NULL: libpq's environment. Both borrowed for the pool's life.
Pool *pool_create(struct ev_loop *loop, const char *url, const char *name, int size);
// Answers what still waits or runs: busy, or unknown.
void pool_close(Pool *pool);
void pool_destroy(Pool *pool);

// The ticket is valid until its answer has been given, or it is forgotten.
PoolTicket *pool_ask(Pool *pool, const PoolAsk *ask);
// The asker has gone: no callback. A statement that only reads is cancelled.
void pool_forget(PoolTicket *ticket);

// With tokens each request has the rights of one; what the process looks up for all of them has these.
extern const PoolActor POOL_READER;
// Says what the server has refused, as `event`, but once a minute; of its connections the pool itself speaks. `told_at`: 0 at first.
void pool_complain(const char *event, int64_t *told_at, const PoolAnswer *answer);

// The database answers: some connection stands.
bool pool_is_up(const Pool *pool);
// Why the last try to connect failed; "" when none did. Without secrets. The log says it too: this is for tests.
const char *pool_error(const Pool *pool);
void pool_read_state(const Pool *pool, PoolState *state);

#endif
