// SPDX-License-Identifier: MIT
// Duties that end jobs, beside those who claim them and those who hold them: nobody waits, and each job ends once.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/clock.h"
#include "common/base/memory.h"
#include "tests/support/test_db.h"

enum { CLAIMERS = 4, EXPIRERS = 3, JOBS = 3000, LIMIT_MS = 60000, PROMPT_MS = 2000 };

typedef struct Crowd {
    const TestDb *db;
    atomic_int claimed;
    atomic_int expired;
    atomic_int failures;
    atomic_bool is_over;
} Crowd;

static void *claim_on(void *data)
{
    Crowd *crowd = data;
    PGconn *conn = test_db_connect(crowd->db);
    for (int taken = 1; taken > 0 || !atomic_load(&crowd->is_over);) {
        PGresult *result = PQexec(conn, "select ganger.complete(id, lease_id) from "
                                        "ganger.claim('w', max_jobs => 7)");
        taken = PQntuples(result);
        for (int i = 0; i < taken; i++) {
            atomic_fetch_add(&crowd->failures, PQgetvalue(result, i, 0)[0] == 't' ? 0 : 1);
        }
        atomic_fetch_add(&crowd->failures, PQresultStatus(result) == PGRES_TUPLES_OK ? 0 : 1);
        atomic_fetch_add(&crowd->claimed, taken);
        PQclear(result);
    }
    PQfinish(conn);
    return NULL;
}

static void *expire_on(void *data)
{
    Crowd *crowd = data;
    PGconn *conn = test_db_connect(crowd->db);
    while (!atomic_load(&crowd->is_over)) {
        PGresult *result = PQexec(conn, "select ganger._expire_jobs(50)");
        atomic_fetch_add(&crowd->failures, PQresultStatus(result) == PGRES_TUPLES_OK ? 0 : 1);
        atomic_fetch_add(&crowd->expired, PQntuples(result) == 1
                                              ? (int)strtol(PQgetvalue(result, 0, 0), NULL, 10)
                                              : 0);
        PQclear(result);
    }
    PQfinish(conn);
    return NULL;
}

// They expire while they are claimed: each is completed or expired, none both, none neither; none is started after its time.
static void test_expiry_beside_claims(void **state)
{
    Crowd crowd = {.db = *state};
    PGconn *conn = test_db_connect(crowd.db);
    pthread_t threads[CLAIMERS + EXPIRERS];
    test_db_run(
        conn,
        "select ganger.enqueue('t', expires_at => clock_timestamp() + make_interval(secs => "
        "i / %d.0 * 2)) from generate_series(1, %d) i",
        JOBS, JOBS);
    for (int i = 0; i < CLAIMERS + EXPIRERS; i++) {
        assert_int_equal(
            pthread_create(&threads[i], NULL, i < CLAIMERS ? claim_on : expire_on, &crowd), 0);
    }
    bool is_empty = test_db_await(conn, LIMIT_MS, "select not exists (select from ganger.job)");
    atomic_store(&crowd.is_over, true);
    for (int i = 0; i < CLAIMERS + EXPIRERS; i++) {
        pthread_join(threads[i], NULL);
    }
    assert_true(is_empty);
    assert_int_equal(atomic_load(&crowd.failures), 0);
    assert_int_equal(atomic_load(&crowd.claimed) + atomic_load(&crowd.expired), JOBS);
    assert_true(atomic_load(&crowd.claimed) > 0);
    assert_int_equal(test_db_int(conn, "select count(*) from ganger.history"), JOBS);
    assert_int_equal(test_db_int(conn, "select count(*) from ganger.history where failure_reason = "
                                       "'expired' and status = 'failed' and attempts = 0"),
                     atomic_load(&crowd.expired));
    assert_int_equal(test_db_int(conn, "select count(*) from ganger.history where started_at > "
                                       "expires_at + interval '100 ms'"),
                     0);
    assert_int_equal(test_db_int(conn, "select count(*) from ganger.event where event = 'expired'"),
                     atomic_load(&crowd.expired));
    PQfinish(conn);
}

// Somebody's open transaction holds an expired job, or runs the duties: others go on, and come back to it.
static void test_nobody_waits(void **state)
{
    const TestDb *db = *state;
    PGconn *conn = test_db_connect(db);
    PGconn *holder = test_db_connect(db);
    int64_t held =
        test_db_int(conn, "select ganger.enqueue('t', run_at => now() + interval '1 h')");
    int64_t other =
        test_db_int(conn, "select ganger.enqueue('t', run_at => now() + interval '1 h')");
    test_db_run(conn, "update ganger.job set expires_at = now() - interval '1 s'");
    test_db_run(holder, "begin; select ganger.edit(%" PRId64 ", '{\"priority\": 3}')", held);
    int64_t began_at = clock_boot_ms();
    test_db_run(conn, "select ganger.maintain()");
    assert_true(clock_boot_ms() - began_at < PROMPT_MS);
    assert_int_equal(test_db_int(conn,
                                 "select count(*) from ganger.jobs where id = %" PRId64
                                 " and failure_reason = 'expired'",
                                 other),
                     1);
    assert_int_equal(test_db_int(conn, "select count(*) from ganger.job where id = %" PRId64, held),
                     1);
    test_db_run(holder, "commit");
    test_db_run(conn, "select ganger.maintain()");
    assert_int_equal(test_db_int(conn, "select count(*) from ganger.job"), 0);

    // The duties in an open transaction, with everything they could have found: a node, a type nobody handles, an outside claim.
    int64_t node =
        test_db_int(conn, "select ganger._register_node('n', 'h', 'b', 1, 1, '60 s', '0')");
    test_db_run(conn, "select ganger._poll(%" PRId64 ", '{default}', '{known}')", node);
    test_db_run(conn, "select ganger.enqueue('strange')");
    test_db_run(holder,
                "begin; select ganger.maintain(); select ganger.claim('w', '{none}', '{x}')");
    assert_int_equal(test_db_int(holder, "select count(*) from ganger.unhandled"), 1);
    began_at = clock_boot_ms();
    test_db_run(conn, "set statement_timeout = '5 s'");
    test_db_run(conn, "select ganger.maintain()");
    test_db_run(conn, "select ganger._poll(%" PRId64 ", '{default}', '{known,other}')", node);
    test_db_run(conn, "select ganger.claim('w2', '{none}', '{x}')");
    assert_true(clock_boot_ms() - began_at < PROMPT_MS);
    assert_int_equal(test_db_int(conn, "select count(*) from ganger.unhandled"), 0);
    test_db_run(holder, "rollback");
    test_db_run(conn, "select ganger.maintain()");
    assert_int_equal(test_db_int(conn, "select count(*) from ganger.unhandled"), 1);
    PQfinish(conn);
    PQfinish(holder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_expiry_beside_claims, test_db_setup, test_db_teardown),
        cmocka_unit_test_setup_teardown(test_nobody_waits, test_db_setup, test_db_teardown),
    };
    return cmocka_run_group_tests_name("expiry", tests, NULL, NULL);
}
