// SPDX-License-Identifier: MIT
// The pool of the HTTP process when connections go away, or none can be had: what is asked again, and what nobody knows.
#include "tests/support/pool_run.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/base/memory.h"
#include "tests/support/fault_proxy.h"
#include "tests/support/test_db.h"

static void cut_backends(void)
{
    test_db_run(own, "select pg_terminate_backend(pid) from pg_stat_activity where "
                     "application_name = 't-pool' and datname = current_database()");
}

// Until their ends of the sockets are closed.
static void cut_backends_wholly(void)
{
    PGresult *rows =
        PQexec(own, "select pid, pg_terminate_backend(pid) from pg_stat_activity "
                    "where application_name = 't-pool' and datname = current_database()");
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        POOL_TEST(test_lost_while_sending),
        POOL_TEST(test_lost_connections),
        POOL_TEST(test_standby_then_lost),
        POOL_TEST(test_forgotten_statements),
        POOL_TEST(test_down),
        POOL_TEST(test_one_tries),
        POOL_TEST(test_several_hosts),
    };
    return cmocka_run_group_tests(tests, setup_database, teardown_database);
}
