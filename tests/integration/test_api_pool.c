// SPDX-License-Identifier: MIT
// The pool of the HTTP process against a real server: answers, errors, rights, limits, and connections that go away.
#include "api/pool.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "api/problem.h"
#include "common/base/clock.h"
#include "common/base/memory.h"
#include "tests/support/fault_proxy.h"
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
static const SqlStatement DIVIDE = {"t_divide", "select 1 / $1::int"};
static const SqlStatement INSERT = {"t_insert", "insert into t (n) values ($1::int) returning n"};
static const SqlStatement WHO = {
    "t_who", "select current_user || '/' || current_setting('ganger.bound_owner')"};
static const SqlStatement WHO_NOW = {"t_who_now", "select current_user"};

static int setup_database(void **state)
{
    (void)state;
    test_db_create(&db);
    own = test_db_connect(&db);
    test_db_run(own, "create table t (n int primary key deferrable initially deferred)");
    return 0;
}

static int teardown_database(void **state)
{
    (void)state;
    PQfinish(own);
    test_db_drop(&db);
    return 0;
}

static int setup(void **state)
{
    (void)state;
    test_db_run(own, "truncate t");
    loop = ev_loop_new(EVFLAG_AUTO);
    memset(asked, 0, sizeof asked);
    answered = 0;
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    pool_close(pool);
    pool_destroy(pool);
    ev_loop_destroy(loop);
    return 0;
}

static void on_answer(void *data, const PoolAnswer *answer)
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

static PoolAsk question(const SqlStatement *statement, const char *value, int at)
{
    return (PoolAsk){.statement = statement,
                     .count = value == NULL ? 0 : 1,
                     .values = {value},
                     .on_answer = on_answer,
                     .data = &asked[at]};
}

static PoolTicket *ask(const SqlStatement *statement, const char *value, int at)
{
    const PoolAsk it = question(statement, value, at);
    return pool_ask(pool, &it);
}

static void on_tick(struct ev_loop *l, ev_timer *watcher, int events)
{
    (void)watcher;
    (void)events;
    ev_break(l, EVBREAK_ONE);
}

// Runs the loop for a moment.
static void turn(void)
{
    ev_timer timer;
    ev_timer_init(&timer, on_tick, 0.01, 0);
    ev_timer_start(loop, &timer);
    ev_run(loop, EVRUN_ONCE);
    ev_timer_stop(loop, &timer);
}

static void await_answers(int count)
{
    int64_t until = clock_boot_ms() + PATIENCE_MS;
    while (answered < count && clock_boot_ms() < until) {
        turn();
    }
    assert_int_equal(answered, count);
}

static void await_connections(int count)
{
    PoolState now = {0};
    int64_t until = clock_boot_ms() + PATIENCE_MS;
    do {
        turn();
        pool_read_state(pool, &now);
    } while (now.connected < count && clock_boot_ms() < until);
    assert_int_equal(now.connected, count);
}

static void open_pool(const char *url, int size)
{
    pool = pool_create(loop, url, "t-pool", size);
    await_connections(size);
}

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

// Until so many statements that sleep run in the server.
static void await_sleepers(int count)
{
    int64_t until = clock_boot_ms() + PATIENCE_MS;
    while (clock_boot_ms() < until &&
           test_db_int(own,
                       "select count(*) from pg_stat_activity where application_name = 't-pool' "
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

static void cut_backends(void)
{
    test_db_run(
        own,
        "select pg_terminate_backend(pid) from pg_stat_activity where application_name = 't-pool'");
}

// Until their ends of the sockets are closed.
static void cut_backends_wholly(void)
{
    PGresult *rows = PQexec(own, "select pid, pg_terminate_backend(pid) from pg_stat_activity "
                                 "where application_name = 't-pool'");
    int64_t until = clock_boot_ms() + PATIENCE_MS;
    for (int i = 0; i < PQntuples(rows); i++) {
        pid_t pid = (pid_t)strtol(PQgetvalue(rows, i, 0), NULL, 10);
        while (kill(pid, 0) == 0) {
            assert_true(clock_boot_ms() < until);
        }
    }
    PQclear(rows);
}

// The server has said farewell and closed the connection, the loop has not seen the end yet: what is too long for libpq's buffer meets it
// while it is sent. Not even then is anything answered from within pool_ask.
static void test_lost_while_sending(void **state)
{
    (void)state;
    enum { LONG = 256 * 1024 };
    char *text = mem_alloc(LONG);
    memset(text, '1', LONG - 1);
    open_pool(db.url, 2);
    for (int i = 0; i < 2; i++) {
        cut_backends_wholly();
        ev_run(loop, EVRUN_NOWAIT); // reads the farewell
        PoolAsk it = question(&ECHO, text, 2 * i);
        pool_ask(pool, &it);
        it = question(&INSERT, text, 2 * i + 1);
        it.is_write = true;
        PoolTicket *write = pool_ask(pool, &it);
        assert_int_equal(answered, 2 * i);
        if (i == 1) {
            pool_forget(write); // the ticket is still there
            answered++;
        }
        await_answers(2 * i + 2);
        await_connections(2);
    }
    assert_int_equal(asked[0].outcome, POOL_DONE);
    assert_int_equal(asked[1].outcome, POOL_UNKNOWN);
    assert_int_equal(asked[2].outcome, POOL_DONE);
    assert_int_equal(asked[3].times, 0);
    free(text);
}

// A read goes on elsewhere; of a write nobody knows.
static void test_lost_connections(void **state)
{
    (void)state;
    FaultProxy *proxy = fault_proxy_create(&db);
    open_pool(fault_proxy_url(proxy), 1);
    ask(&ECHO, "before", 0);
    await_answers(1);
    int rule = fault_proxy_add(proxy, &(FaultProxyRule){.application = "t-pool",
                                                        .at = FAULT_PROXY_SYNC,
                                                        .is_after = true,
                                                        .action = FAULT_PROXY_CUT});
    ask(&ECHO, "read", 1);
    await_answers(2);
    assert_true(fault_proxy_await(proxy, rule, PATIENCE_MS));
    assert_string_equal(asked[1].text, "read");
    await_connections(1);
    rule = fault_proxy_add(proxy, &(FaultProxyRule){.application = "t-pool",
                                                    .at = FAULT_PROXY_SYNC,
                                                    .is_after = true,
                                                    .action = FAULT_PROXY_CUT});
    PoolAsk it = question(&INSERT, "5", 2);
    it.is_write = true;
    pool_ask(pool, &it);
    await_answers(3);
    assert_int_equal(asked[2].outcome, POOL_UNKNOWN);
    assert_int_equal(asked[2].times, 1);
    await_connections(1);
    fault_proxy_remove(proxy, rule);
    fault_proxy_destroy(proxy);
    cut_backends();
}

// A server that takes no writes any more has done nothing: it is tried once more. What becomes of that is told, not of the first try.
static void test_standby_then_lost(void **state)
{
    (void)state;
    test_db_run(own, "create sequence tries; create function try_write(cut boolean) returns int "
                     "language plpgsql as $$ begin "
                     "if nextval('tries') > 1 and cut then "
                     "perform pg_terminate_backend(pg_backend_pid()); end if; "
                     "raise 'not here' using errcode = '25006'; end $$");
    static const SqlStatement TRY_WRITE = {"t_try_write", "select try_write($1::boolean)"};
    open_pool(db.url, 2);
    for (int i = 0; i < 2; i++) {
        test_db_run(own, "select setval('tries', 1, false)");
        PoolAsk it = question(&TRY_WRITE, i == 0 ? "true" : "false", i);
        it.is_write = true;
        int64_t began = clock_boot_ms();
        pool_ask(pool, &it);
        await_answers(i + 1);
        assert_true(clock_boot_ms() - began >= 40); // not again and again without a pause
        assert_true(asked[i].is_write);
        assert_int_equal(test_db_int(own, "select last_value from tries"), 2);
        await_connections(2);
    }
    assert_int_equal(asked[0].outcome, POOL_UNKNOWN);
    assert_int_equal(asked[1].outcome, POOL_DOWN);
}

// A restarted server has forgotten the prepared statements; so has somebody's DISCARD ALL.
static void test_forgotten_statements(void **state)
{
    (void)state;
    static const SqlStatement FORGET = {"t_forget", "deallocate all"};
    open_pool(db.url, 1);
    ask(&ECHO, "a", 0);
    await_answers(1);
    ask(&FORGET, NULL, 1);
    ask(&ECHO, "b", 2);
    await_answers(3);
    assert_string_equal(asked[2].text, "b");
    cut_backends();
    ask(&ECHO, "c", 3);
    await_answers(4);
    assert_string_equal(asked[3].text, "c");
}

// Nobody waits for a database that is not there.
static void test_down(void **state)
{
    (void)state;
    int64_t began = clock_boot_ms();
    pool = pool_create(loop, "host=/nonexistent dbname=none", "t-pool", SIZE);
    ask(&ECHO, "x", 0);
    await_answers(1);
    assert_int_equal(asked[0].outcome, POOL_DOWN);
    ask(&ECHO, "x", 1);
    await_answers(2);
    assert_int_equal(asked[1].outcome, POOL_DOWN);
    assert_true(clock_boot_ms() - began < PATIENCE_MS / 4);
    assert_false(pool_is_up(pool));
    assert_non_null(strstr(pool_error(pool), "nonexistent"));
}

// Each try may hold the thread up: while no connection stands, one of them tries for all.
static void test_one_tries(void **state)
{
    (void)state;
    char folder[] = "/tmp/t-pool-XXXXXX";
    assert_non_null(mkdtemp(folder));
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(address.sun_path, sizeof address.sun_path, "%s/.s.PGSQL.5432", folder);
    int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    assert_int_equal(bind(listener, (struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(listen(listener, 64), 0);
    char *url = mem_printf("host=%s port=5432 dbname=none", folder);
    pool = pool_create(loop, url, "t-pool", SIZE);
    for (int refused = 0; refused < SIZE;) { // the first try of each
        int client = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
        if (client >= 0) {
            close(client);
            refused++;
        }
        turn();
    }
    int tries = 0;
    int clients[SIZE];
    int64_t until = clock_boot_ms() + 500; // the first pause is a tenth of a second at most
    while (clock_boot_ms() < until || tries == 0) {
        int client = tries < SIZE ? accept4(listener, NULL, NULL, SOCK_CLOEXEC) : -1;
        if (client >= 0) {
            clients[tries++] = client;
        }
        turn();
    }
    assert_int_equal(tries, 1);
    close(clients[0]);
    close(listener);
    pool_close(pool); // before its url goes
    unlink(address.sun_path);
    rmdir(folder);
    free(url);
}

// Of several hosts one that answers is found.
static void test_several_hosts(void **state)
{
    (void)state;
    char *host =
        test_db_text(own, "select split_part(current_setting('unix_socket_directories'), ',', 1)");
    char *url = mem_printf("%s host=/nonexistent,%s", db.url, host);
    open_pool(url, 2);
    ask(&ECHO, "there", 0);
    await_answers(1);
    assert_string_equal(asked[0].text, "there");
    pool_close(pool); // before its url goes
    free(url);
    free(host);
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

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_answers),
        TEST(test_errors),
        TEST(test_schema_missing),
        TEST(test_actor),
        TEST(test_slow_share),
        TEST(test_few_connections),
        TEST(test_share_of_writes),
        TEST(test_queue_of_writes_is_bounded),
        TEST(test_lock_timeout),
        TEST(test_queue_is_bounded),
        TEST(test_forgotten),
        TEST(test_lost_while_sending),
        TEST(test_lost_connections),
        TEST(test_standby_then_lost),
        TEST(test_forgotten_statements),
        TEST(test_down),
        TEST(test_one_tries),
        TEST(test_several_hosts),
        TEST(test_closing),
    };
    return cmocka_run_group_tests(tests, setup_database, teardown_database);
}
