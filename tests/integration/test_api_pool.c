// SPDX-License-Identifier: MIT
// The pool of the HTTP process against a real server: answers, errors and rights, and questions that nobody waits for.
#include "tests/support/pool_run.h"

#include "api/problem.h"
#include "common/base/clock.h"
#include "tests/support/test_db.h"

static const SqlStatement DIVIDE = {"t_divide", "select 1 / $1::int"};
static const SqlStatement WHO = {
    "t_who", "select current_user || '/' || current_setting('ganger.bound_owner')"};
static const SqlStatement WHO_NOW = {"t_who_now", "select current_user"};

static void test_answers(void **state)
{
    (void)state;
    open_pool(db.url, SIZE);
    for (int i = 0; i < 200; i++) {
        char value[16];
        snprintf(value, sizeof value, "v%d", i);
        ask(&ECHO, value, i);
    }
    assert_int_equal(answered, 0); // never from within pool_ask
    await_answers(200);
    for (int i = 0; i < 200; i++) {
        char value[16];
        snprintf(value, sizeof value, "v%d", i);
        assert_int_equal(asked[i].outcome, POOL_DONE);
        assert_int_equal(asked[i].times, 1);
        assert_string_equal(asked[i].text, value);
    }
}

// An error undoes its own transaction and nothing else; one found by the commit is an error, too.
static void test_errors(void **state)
{
    (void)state;
    open_pool(db.url, 1);
    ask(&DIVIDE, "0", 0);
    ask(&DIVIDE, "1", 1);
    ask(&DIVIDE, "x", 2);
    ask(&INSERT, "7", 3);
    ask(&INSERT, "7", 4);
    ask(&INSERT, "8", 5);
    await_answers(6);
    assert_string_equal(asked[0].sqlstate, "22012");
    assert_string_equal(asked[1].text, "1");
    assert_string_equal(asked[2].sqlstate, "22P02");
    assert_int_equal(asked[3].outcome, POOL_DONE);
    assert_int_equal(asked[4].outcome, POOL_ERROR);
    assert_string_equal(asked[4].sqlstate, "23505");
    assert_int_equal(asked[5].outcome, POOL_DONE);
    assert_int_equal(test_db_int(own, "select count(*) from t"), 2);
}

// What our own statements name and is not there yet is not a mistake of who calls, nor of the program.
static void test_schema_missing(void **state)
{
    (void)state;
    static const SqlStatement statements[] = {{"t_no_schema", "select t_nowhere._function()"},
                                              {"t_no_function", "select ganger._t_nothing()"},
                                              {"t_no_public", "select t_nothing()"},
                                              {"t_divide", "select 1 / 0"}};
    open_pool(db.url, 1);
    for (int i = 0; i < 4; i++) {
        ask(&statements[i], NULL, i);
    }
    await_answers(4);
    for (int i = 0; i < 4; i++) {
        assert_int_equal(asked[i].is_schema_missing, i < 2);
    }
}

// The rights of a request end with it.
static void test_actor(void **state)
{
    (void)state;
    open_pool(db.url, 1);
    const PoolActor actor = {.role = "ganger_reader", .owner = "alice", .queues = ""};
    PoolAsk it = question(&WHO, NULL, 0);
    it.actor = &actor;
    pool_ask(pool, &it);
    ask(&WHO_NOW, NULL, 1);
    it = question(&INSERT, "1", 2);
    it.actor = &actor;
    pool_ask(pool, &it);
    await_answers(3);
    assert_string_equal(asked[0].text, "ganger_reader/alice");
    assert_string_not_equal(asked[1].text, "ganger_reader");
    assert_string_equal(asked[2].sqlstate, "42501");
}

// A lock is waited for a second.
static void test_lock_timeout(void **state)
{
    (void)state;
    static const SqlStatement LIMIT = {"t_limit", "select current_setting('lock_timeout')"};
    open_pool(db.url, 1);
    ask(&LIMIT, NULL, 0);
    await_answers(1);
    assert_string_equal(asked[0].text, "1s");
}

// Until so many statements that sleep run in the server.
static void await_sleepers(int count)
{
    int64_t until = clock_boot_ms() + PATIENCE_MS;
    while (clock_boot_ms() < until &&
           test_db_int(own, "select count(*) from pg_stat_activity where application_name = "
                            "'t-pool' and datname = current_database() "
                            "and query like '%%pg_sleep%%' and state = 'active'") != count) {
        turn();
    }
    assert_true(clock_boot_ms() < until);
}

// What nobody waits for is ended in the server, but a write is carried out.
static void test_forgotten(void **state)
{
    (void)state;
    open_pool(db.url, 2);
    PoolAsk it = question(&SLEEP, "60", 0);
    PoolTicket *read = pool_ask(pool, &it);
    await_sleepers(1);
    it = question(&INSERT, "3", 1);
    it.is_write = true;
    PoolTicket *write = pool_ask(pool, &it);
    it = question(&ECHO, "waiting", 2);
    PoolTicket *waiting = pool_ask(pool, &it);
    pool_forget(waiting);
    pool_forget(read);
    pool_forget(write);
    await_sleepers(0);
    assert_int_equal(test_db_int(own, "select count(*) from t"), 1);
    assert_int_equal(answered, 0);
    await_connections(2);
    PoolState now;
    pool_read_state(pool, &now);
    assert_int_equal(now.reconnects, 1); // not its own time limit has ended it
}

static void test_closing(void **state)
{
    (void)state;
    open_pool(db.url, 1);
    PoolAsk it = question(&SLEEP, "60", 0);
    it.is_write = true;
    pool_ask(pool, &it);
    ask(&ECHO, "x", 1);
    turn();
    pool_close(pool);
    assert_int_equal(answered, 2);
    assert_int_equal(asked[0].outcome, POOL_UNKNOWN);
    assert_true(asked[0].is_write);
    assert_int_equal(asked[1].outcome, POOL_DOWN);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        POOL_TEST(test_answers), POOL_TEST(test_errors),       POOL_TEST(test_schema_missing),
        POOL_TEST(test_actor),   POOL_TEST(test_lock_timeout), POOL_TEST(test_forgotten),
        POOL_TEST(test_closing),
    };
    return cmocka_run_group_tests(tests, setup_database, teardown_database);
}
