// SPDX-License-Identifier: MIT
// How the pool of the HTTP process shares its connections and its queue among quick, slow and writing questions.
#include "tests/support/pool_run.h"

#include <stdlib.h>

#include "common/base/memory.h"
#include "tests/support/test_db.h"

// Slow ones never take more than half of the connections.
static void test_slow_share(void **state)
{
    (void)state;
    open_pool(db.url, SIZE);
    for (int i = 0; i < SIZE; i++) {
        PoolAsk it = question(&SLEEP, "60", i);
        it.is_slow = true;
        pool_ask(pool, &it);
    }
    for (int i = SIZE; i < SIZE + 100; i++) {
        ask(&ECHO, "quick", i);
    }
    await_answers(100);
    PoolState now;
    pool_read_state(pool, &now);
    assert_int_equal(now.busy, SIZE / 2);
    assert_int_equal(now.waiting, SIZE / 2);
}

// The server grants fewer than are wanted: what stands is shared as if no more were.
static void test_few_connections(void **state)
{
    (void)state;
    test_db_run(own, "do $$ begin create role t_few login connection limit 3; "
                     "exception when duplicate_object then null; end $$");
    char *url = mem_printf("%s user=t_few", db.url);
    pool = pool_create(loop, url, "t-pool", 8);
    await_connections(3);
    for (int i = 0; i < 3; i++) {
        PoolAsk it = question(&SLEEP, "60", i);
        it.is_slow = it.is_write = true;
        pool_ask(pool, &it);
    }
    for (int i = 3; i < 20; i++) {
        ask(&ECHO, "quick", i);
    }
    await_answers(17);
    PoolState now;
    pool_read_state(pool, &now);
    assert_int_equal(now.busy, 1);
    assert_int_equal(now.waiting, 2);
    pool_close(pool); // before its url goes
    test_db_run(own, "drop role t_few");
    free(url);
}

// Writes that wait for locks leave two connections to others; together with slow ones, too.
static void test_share_of_writes(void **state)
{
    (void)state;
    open_pool(db.url, SIZE);
    for (int i = 0; i < SIZE; i++) {
        PoolAsk it = question(&SLEEP, "60", i);
        it.is_write = true;
        it.is_slow = i % 2 == 0;
        pool_ask(pool, &it);
    }
    PoolAsk urgent = question(&ECHO, "urgent", SIZE);
    urgent.is_urgent = true;
    pool_ask(pool, &urgent);
    for (int i = SIZE + 1; i < SIZE + 100; i++) {
        ask(&ECHO, "quick", i);
    }
    await_answers(100);
    PoolState now;
    pool_read_state(pool, &now);
    assert_int_equal(now.busy, SIZE - 2);
    assert_int_equal(now.waiting, 2);
}

// What only reads finds room in the queue behind any number of writes.
static void test_queue_of_writes_is_bounded(void **state)
{
    (void)state;
    open_pool(db.url, 2);
    for (int i = 0; i < ASKED_MAX - 1; i++) {
        PoolAsk it = question(&SLEEP, "60", i);
        it.is_write = true;
        pool_ask(pool, &it);
    }
    ask(&ECHO, "quick", ASKED_MAX - 1);
    await_answers(ASKED_MAX - 1 - 768);
    assert_string_equal(asked[ASKED_MAX - 1].text, "quick");
    assert_int_equal(asked[ASKED_MAX - 2].outcome, POOL_BUSY);
}

static void test_queue_is_bounded(void **state)
{
    (void)state;
    open_pool(db.url, 1);
    PoolTicket *first = ask(&SLEEP, "60", 0);
    for (int i = 1; i < ASKED_MAX; i++) {
        ask(&ECHO, "x", i);
    }
    await_answers(ASKED_MAX - 1 - 1024);
    assert_int_equal(asked[ASKED_MAX - 1].outcome, POOL_BUSY);
    assert_false(asked[1].is_answered);
    pool_forget(first); // and those that wait are served
    await_answers(ASKED_MAX - 1);
    assert_int_equal(asked[1].outcome, POOL_DONE);
    assert_false(asked[0].is_answered);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        POOL_TEST(test_slow_share),       POOL_TEST(test_few_connections),
        POOL_TEST(test_share_of_writes),  POOL_TEST(test_queue_of_writes_is_bounded),
        POOL_TEST(test_queue_is_bounded),
    };
    return cmocka_run_group_tests(tests, setup_database, teardown_database);
}
