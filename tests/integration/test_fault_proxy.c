// SPDX-License-Identifier: MIT
// The proxy that other tests do harm with: what it lets through, and that it strikes where it was told to.
#include "tests/support/unit.h"

#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/clock.h"
#include "tests/support/fault_proxy.h"

enum { PATIENCE_MS = 20000, SILENCE_MS = 300, DELAY_MS = 400, LARGE_BYTES = 3000000 };

static TestDb db;
static PGconn *direct;
static FaultProxy *proxy;

static int setup(void **state)
{
    (void)state;
    test_db_create_empty(&db);
    direct = test_db_connect(&db);
    test_db_run(direct, "CREATE TABLE t (n int)");
    proxy = fault_proxy_create(&db);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    fault_proxy_destroy(proxy);
    PQfinish(direct);
    test_db_drop(&db);
    return 0;
}

static PGconn *connect_as(const char *url, const char *name)
{
    const char *const keywords[] = {"dbname", "application_name", NULL};
    const char *const values[] = {url, name, NULL};
    return PQconnectdbParams(keywords, values, 1);
}

static PGconn *connected(const char *name)
{
    PGconn *conn = connect_as(fault_proxy_url(proxy), name);
    assert_int_equal(PQstatus(conn), CONNECTION_OK);
    return conn;
}

static bool runs(PGconn *conn, const char *sql)
{
    PGresult *result = PQexec(conn, sql);
    ExecStatusType status = PQresultStatus(result);
    PQclear(result);
    return status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK;
}

static void await_rows(int64_t count)
{
    assert_true(
        test_db_await(direct, PATIENCE_MS, "SELECT count(*) = %lld FROM t", (long long)count));
}

// The server has no session of this name any more: what it was sent is done, or never will be.
static void await_no_session(const char *name)
{
    assert_true(test_db_await(direct, PATIENCE_MS,
                              "SELECT count(*) = 0 FROM pg_stat_activity WHERE "
                              "application_name = '%s'",
                              name));
}

static void test_lets_through(void **state)
{
    (void)state;
    const char *const urls[] = {fault_proxy_url(proxy), fault_proxy_tcp_url(proxy)};
    for (int i = 0; i < 2; i++) {
        PGconn *conn = connect_as(urls[i], "plain");
        assert_int_equal(PQstatus(conn), CONNECTION_OK);
        assert_true(test_db_int(conn, "SELECT length(repeat('x', %d))", LARGE_BYTES) ==
                    LARGE_BYTES);
        PGresult *result = PQexec(conn, "SELECT repeat('y', 3000000)");
        assert_int_equal(PQgetlength(result, 0, 0), LARGE_BYTES);
        char *large = strdup(PQgetvalue(result, 0, 0));
        PQclear(result);
        const char *const values[] = {large};
        result = PQexecParams(conn, "SELECT length($1::text)", 1, NULL, values, NULL, NULL, 0);
        assert_string_equal(PQgetvalue(result, 0, 0), "3000000");
        PQclear(result);
        free(large);
        assert_int_equal(fault_proxy_connections(proxy, "plain"), 1);
        PQfinish(conn);
        await_no_session("plain");
    }
}

static void test_cancels(void **state)
{
    (void)state;
    PGconn *conn = connected("cancelled");
    assert_true(PQsendQuery(conn, "SELECT pg_sleep(60)"));
    assert_true(test_db_await(direct, PATIENCE_MS,
                              "SELECT count(*) = 1 FROM pg_stat_activity WHERE application_name "
                              "= 'cancelled' AND wait_event = 'PgSleep'"));
    char error[200];
    PGcancel *cancel = PQgetCancel(conn);
    assert_true(PQcancel(cancel, error, sizeof error));
    PQfreeCancel(cancel);
    PGresult *result = PQgetResult(conn);
    assert_string_equal(PQresultErrorField(result, PG_DIAG_SQLSTATE), "57014");
    PQclear(result);
    PQfinish(conn);
}

// The second COMMIT of the named application, and nobody else's: before it nothing is committed, after it all.
static void cut_at_commit(bool is_after, FaultProxyAction action, const char *url)
{
    test_db_run(direct, "TRUNCATE t");
    int rule = fault_proxy_add(proxy, &(FaultProxyRule){.application = "victim",
                                                        .at = FAULT_PROXY_COMMIT,
                                                        .hit = 2,
                                                        .is_after = is_after,
                                                        .action = action});
    PGconn *victim = connect_as(url, "victim");
    PGconn *other = connect_as(url, "other");
    for (int i = 0; i < 3; i++) {
        assert_true(runs(other, "BEGIN") && runs(other, "COMMIT"));
    }
    assert_true(runs(victim, "BEGIN") && runs(victim, "INSERT INTO t VALUES (1)") &&
                runs(victim, "COMMIT"));
    assert_int_equal(fault_proxy_strikes(proxy, rule), 0);
    assert_true(runs(victim, "BEGIN") && runs(victim, "INSERT INTO t VALUES (2)"));
    assert_false(runs(victim, "COMMIT"));
    assert_int_equal(PQstatus(victim), CONNECTION_BAD);
    assert_int_equal(fault_proxy_strikes(proxy, rule), 1);
    assert_true(runs(other, "SELECT 1"));
    await_no_session("victim");
    await_rows(is_after ? 2 : 1);
    PQfinish(victim);
    PQfinish(other);
    fault_proxy_clear(proxy);
}

static void test_cuts_at_commit(void **state)
{
    (void)state;
    cut_at_commit(false, FAULT_PROXY_CUT, fault_proxy_url(proxy));
    cut_at_commit(true, FAULT_PROXY_CUT, fault_proxy_url(proxy));
    cut_at_commit(false, FAULT_PROXY_RESET, fault_proxy_tcp_url(proxy));
    cut_at_commit(true, FAULT_PROXY_RESET, fault_proxy_tcp_url(proxy));
}

// Inside of what libpq sends at once: Parse, Bind, Describe, Execute, Sync, and the answers up to ReadyForQuery.
static void test_each_message_of_an_exchange(void **state)
{
    (void)state;
    test_db_run(direct, "TRUNCATE t");
    int hit = 1;
    int committed = 0;
    for (bool is_missed = false; !is_missed; hit++) {
        int rule = fault_proxy_add(
            proxy, &(FaultProxyRule){.from = {FAULT_PROXY_CLIENT, "P", "INSERT INTO t"},
                                     .hit = hit,
                                     .action = FAULT_PROXY_CUT});
        PGconn *conn = connected("pipelined");
        assert_true(runs(conn, "SELECT 1"));
        PGresult *result =
            PQexecParams(conn, "INSERT INTO t VALUES (3)", 0, NULL, NULL, NULL, NULL, 0);
        is_missed = PQresultStatus(result) == PGRES_COMMAND_OK;
        PQclear(result);
        assert_int_equal(fault_proxy_missed(proxy, rule), is_missed ? 1 : 0);
        assert_int_equal(fault_proxy_strikes(proxy, rule), is_missed ? 0 : 1);
        PQfinish(conn);
        await_no_session("pipelined");
        const int64_t rows = test_db_int(direct, "SELECT count(*) FROM t");
        committed += rows > 0;
        // 1 to 5 are the client's; the Sync is the fifth.
        assert_int_equal(rows, hit <= 5 ? 0 : 1);
        test_db_run(direct, "TRUNCATE t");
        fault_proxy_clear(proxy);
    }
    assert_int_equal(hit - 1, 11); // and five answers: parsed, bound, no rows, complete, ready
    assert_true(committed == 6);
}

static bool is_answered(PGconn *conn, int limit_ms)
{
    struct pollfd fd = {.fd = PQsocket(conn), .events = POLLIN};
    return poll(&fd, 1, limit_ms) == 1;
}

static void test_swallows_one_direction(void **state)
{
    (void)state;
    for (FaultProxySide side = FAULT_PROXY_CLIENT; side <= FAULT_PROXY_SERVER; side++) {
        test_db_run(direct, "TRUNCATE t");
        int rule =
            fault_proxy_add(proxy, &(FaultProxyRule){.at = {FAULT_PROXY_CLIENT, "Q", "INSERT"},
                                                     .is_after = side == FAULT_PROXY_SERVER,
                                                     .action = FAULT_PROXY_SWALLOW,
                                                     .sides = side});
        PGconn *conn = connected("unheard");
        assert_true(PQsendQuery(conn, "INSERT INTO t VALUES (1)"));
        assert_true(fault_proxy_await(proxy, rule, PATIENCE_MS));
        if (side == FAULT_PROXY_SERVER) {
            await_rows(1);
        }
        assert_false(is_answered(conn, SILENCE_MS));
        await_rows(side == FAULT_PROXY_SERVER ? 1 : 0);
        PQfinish(conn);
        if (side == FAULT_PROXY_CLIENT) { // the server does not learn that its client has gone
            PQfinish(connected("later"));
            assert_int_equal(test_db_int(direct, "SELECT count(*) FROM pg_stat_activity WHERE "
                                                 "application_name = 'unheard'"),
                             1);
        } else {
            await_no_session("unheard");
        }
        fault_proxy_clear(proxy);
        await_no_session("unheard");
    }
}

static void test_half_close(void **state)
{
    (void)state;
    int rule = fault_proxy_add(proxy, &(FaultProxyRule){.at = {FAULT_PROXY_CLIENT, "Q", "77"},
                                                        .is_after = true,
                                                        .action = FAULT_PROXY_HALF,
                                                        .sides = FAULT_PROXY_CLIENT});
    PGconn *conn = connected("half");
    assert_int_equal(test_db_int(conn, "SELECT 77"), 77); // the answer still comes
    assert_int_equal(fault_proxy_strikes(proxy, rule), 1);
    await_no_session("half"); // but the server has read the end
    assert_false(runs(conn, "SELECT 1"));
    PQfinish(conn);
    fault_proxy_clear(proxy);
}

static void test_delays(void **state)
{
    (void)state;
    int rule = fault_proxy_add(proxy, &(FaultProxyRule){.at = FAULT_PROXY_READY,
                                                        .hit = 2,
                                                        .action = FAULT_PROXY_DELAY,
                                                        .delay_ms = DELAY_MS});
    PGconn *conn = connected("slow");
    int64_t at = clock_boot_ms();
    assert_true(runs(conn, "SELECT 1"));
    assert_true(clock_boot_ms() - at >= DELAY_MS);
    assert_true(runs(conn, "SELECT 1"));
    assert_int_equal(fault_proxy_strikes(proxy, rule), 1);
    PQfinish(conn);
    fault_proxy_clear(proxy);
}

static void note_rows(void *data)
{
    *(int64_t *)data = test_db_int(direct, "SELECT count(*) FROM t");
}

// Everything stands still while the callback runs: before the answer of the COMMIT is given, and after the rows are there.
static void test_calls(void **state)
{
    (void)state;
    int64_t rows = -1;
    test_db_run(direct, "TRUNCATE t");
    (void)fault_proxy_add(proxy, &(FaultProxyRule){.at = FAULT_PROXY_COMMITTED,
                                                   .action = FAULT_PROXY_CALL,
                                                   .call = note_rows,
                                                   .data = &rows});
    PGconn *conn = connected("called");
    assert_true(runs(conn, "BEGIN") && runs(conn, "INSERT INTO t VALUES (1)"));
    assert_int_equal(rows, -1);
    assert_true(runs(conn, "COMMIT"));
    assert_int_equal(rows, 1);
    PQfinish(conn);
    fault_proxy_clear(proxy);
}

static void test_cuts_and_refuses_now(void **state)
{
    (void)state;
    PGconn *one = connected("one");
    PGconn *two = connected("two");
    assert_int_equal(fault_proxy_cut(proxy, "one"), 1);
    assert_false(runs(one, "SELECT 1"));
    assert_true(runs(two, "SELECT 1"));
    fault_proxy_refuse(proxy, true);
    assert_false(runs(two, "SELECT 1"));
    PGconn *refused = connect_as(fault_proxy_url(proxy), "late");
    assert_int_equal(PQstatus(refused), CONNECTION_BAD);
    fault_proxy_refuse(proxy, false);
    PQfinish(connected("late"));
    PQfinish(refused);
    PQfinish(one);
    PQfinish(two);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lets_through),
        cmocka_unit_test(test_cancels),
        cmocka_unit_test(test_cuts_at_commit),
        cmocka_unit_test(test_each_message_of_an_exchange),
        cmocka_unit_test(test_swallows_one_direction),
        cmocka_unit_test(test_half_close),
        cmocka_unit_test(test_delays),
        cmocka_unit_test(test_calls),
        cmocka_unit_test(test_cuts_and_refuses_now),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
