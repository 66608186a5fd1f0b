// SPDX-License-Identifier: MIT
// A pool of the HTTP process in a loop of the test's own, a table `t` that each test finds empty, and what became of each question.
#ifndef TESTS_SUPPORT_POOL_RUN_H
#define TESTS_SUPPORT_POOL_RUN_H

#include "api/pool.h"

#include <stdio.h>
#include <string.h>

#include "api/problem.h"
#include "common/base/clock.h"
#include "tests/support/test_db.h"
#include "tests/support/unit.h"

enum { PATIENCE_MS = 20000, ASKED_MAX = 1200, SIZE = 4 };

// What has become of one question.
typedef struct Asked {
    bool is_answered;
    int times;
    PoolOutcome outcome;
    char sqlstate[8];
    char text[64]; // first value of the first row
    bool is_write;
    bool is_schema_missing;
} Asked;

static TestDb db;
static PGconn *own;
static struct ev_loop *loop;
static Pool *pool;
static Asked asked[ASKED_MAX];
static int answered;

static const SqlStatement ECHO = {"t_echo", "select $1::text"};
static const SqlStatement SLEEP = {"t_sleep", "select pg_sleep($1::float8)"};
static const SqlStatement INSERT = {"t_insert", "insert into t (n) values ($1::int) returning n"};

static inline int setup_database(void **state)
{
    (void)state;
    test_db_create(&db);
    own = test_db_connect(&db);
    test_db_run(own, "create table t (n int primary key deferrable initially deferred)");
    return 0;
}

static inline int teardown_database(void **state)
{
    (void)state;
    PQfinish(own);
    test_db_drop(&db);
    return 0;
}

static inline int setup(void **state)
{
    (void)state;
    test_db_run(own, "truncate t");
    loop = ev_loop_new(EVFLAG_AUTO);
    memset(asked, 0, sizeof asked);
    answered = 0;
    return 0;
}

static inline int teardown(void **state)
{
    (void)state;
    pool_close(pool);
    pool_destroy(pool);
    ev_loop_destroy(loop);
    return 0;
}

static inline void on_answer(void *data, const PoolAnswer *answer)
{
    Asked *one = data;
    one->is_answered = true;
    one->times++;
    one->outcome = answer->outcome;
    one->is_write = answer->is_write;
    answered++;
    if (answer->outcome == POOL_ERROR) {
        snprintf(one->sqlstate, sizeof one->sqlstate, "%s",
                 PQresultErrorField(answer->result, PG_DIAG_SQLSTATE));
        one->is_schema_missing = problem_is_schema_missing(answer->result);
    } else if (answer->outcome == POOL_DONE && PQntuples(answer->result) > 0) {
        snprintf(one->text, sizeof one->text, "%s", PQgetvalue(answer->result, 0, 0));
    }
}

static inline PoolAsk question(const SqlStatement *statement, const char *value, int at)
{
    return (PoolAsk){.statement = statement,
                     .count = value == NULL ? 0 : 1,
                     .values = {value},
                     .on_answer = on_answer,
                     .data = &asked[at]};
}

static inline PoolTicket *ask(const SqlStatement *statement, const char *value, int at)
{
    const PoolAsk it = question(statement, value, at);
    return pool_ask(pool, &it);
}

static inline void on_tick(struct ev_loop *l, ev_timer *watcher, int events)
{
    (void)watcher;
    (void)events;
    ev_break(l, EVBREAK_ONE);
}

// Runs the loop for a moment.
static inline void turn(void)
{
    ev_timer timer;
    ev_timer_init(&timer, on_tick, 0.01, 0);
    ev_timer_start(loop, &timer);
    ev_run(loop, EVRUN_ONCE);
    ev_timer_stop(loop, &timer);
}

static inline void await_answers(int count)
{
    int64_t until = clock_boot_ms() + PATIENCE_MS;
    while (answered < count && clock_boot_ms() < until) {
        turn();
    }
    assert_int_equal(answered, count);
}

static inline void await_connections(int count)
{
    PoolState now = {0};
    int64_t until = clock_boot_ms() + PATIENCE_MS;
    do {
        turn();
        pool_read_state(pool, &now);
    } while (now.connected < count && clock_boot_ms() < until);
    assert_int_equal(now.connected, count);
}

static inline void open_pool(const char *url, int size)
{
    pool = pool_create(loop, url, "t-pool", size);
    await_connections(size);
}

#define POOL_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

#endif
