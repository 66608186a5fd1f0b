// SPDX-License-Identifier: MIT
// Two claims side by side: the rows that one has claimed while the other was on its way are nobody's but the first one's. A lock on
// them would keep the first one's workers from finishing until the second one's transaction has ended.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/support/test_db.h"

// Claims `max_jobs` as the worker `worker`; how many it got.
static int64_t claim(PGconn *conn, int worker, int max_jobs)
{
    return test_db_int(conn,
                       "select count(*) from ganger._take_jobs(%d, 1, null, null, '{default}', "
                       "'{t}', %d, null, null)",
                       worker, max_jobs);
}

// The second claim has a snapshot in which the first one's transaction runs, and comes to the rows when that has ended. At READ COMMITTED
// this takes luck; a snapshot of its own shows it every time, as to lock what was changed since is an error there.
static void test_rows_of_a_claim_that_ends_meanwhile_are_passed_by(void **state)
{
    const TestDb *db = *state;
    PGconn *first = test_db_connect(db);
    PGconn *second = test_db_connect(db);
    test_db_run(first, "select ganger._register_node('n', 'h', 'b', 1, 1, '60 s', '0'), "
                       "ganger._register_worker(1, 'p', 1, 1, false), "
                       "ganger._register_worker(1, 'p', 2, 1, false)");
    test_db_run(first, "select ganger.enqueue('t') from generate_series(1, 20)");
    test_db_run(first, "select ganger.maintain()");
    test_db_run(first, "begin");
    assert_int_equal(claim(first, 1, 10), 10);
    test_db_run(second, "select txid_current()"); // a snapshot knows whom it is younger than
    test_db_run(second, "begin isolation level repeatable read");
    assert_int_equal(
        test_db_int(second, "select count(*) from ganger.job where status = 'pending'"), 20);
    test_db_run(first, "commit");
    assert_int_equal(claim(second, 2, 20), 10);
    assert_int_equal(test_db_int(first, "select count(*) from (select from ganger.job where "
                                        "worker_id = 1 for update skip locked) x"),
                     10);
    test_db_run(second, "commit");
    PQfinish(first);
    PQfinish(second);
}

// What a transaction has held that has come to nothing is there for the next claim.
static void test_rows_of_a_claim_that_was_rolled_back_are_claimed(void **state)
{
    const TestDb *db = *state;
    PGconn *first = test_db_connect(db);
    test_db_run(first, "select ganger._register_node('n', 'h', 'b', 1, 1, '60 s', '0'), "
                       "ganger._register_worker(1, 'p', 1, 1, false)");
    test_db_run(first, "select ganger.enqueue('t') from generate_series(1, 20)");
    test_db_run(first, "begin");
    assert_int_equal(claim(first, 1, 10), 10);
    test_db_run(first, "rollback");
    assert_int_equal(claim(first, 1, 20), 20);
    PQfinish(first);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_rows_of_a_claim_that_ends_meanwhile_are_passed_by,
                                        test_db_setup, test_db_teardown),
        cmocka_unit_test_setup_teardown(test_rows_of_a_claim_that_was_rolled_back_are_claimed,
                                        test_db_setup, test_db_teardown),
    };
    return cmocka_run_group_tests_name("neighbours", tests, NULL, NULL);
}
