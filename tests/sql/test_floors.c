// SPDX-License-Identifier: MIT
// Floors (migrations/0011_signals.sql): dead rows behind a held snapshot cost nobody a look, and no live row is passed over for good.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>

#include "common/base/log.h"
#include "tests/support/private_cluster.h"
#include "tests/support/test_db.h"

enum {
    DEAD = 20000,      // rows that come and go in each table
    SLACK_PAGES = 40,  // of indexes that have grown a level, and the history of lookups
    MANY_XIDS = 11000, // more than a floor waits for
};

typedef struct Stage {
    TestDb *db;
    PGconn *holder; // of a snapshot, or of a transaction
    PGconn *user;   // everybody else
    PGconn *duty;
} Stage;

static Stage stage;

static int setup(void **state)
{
    test_db_setup(state);
    stage.db = *state;
    stage.holder = test_db_connect(stage.db);
    stage.user = test_db_connect(stage.db);
    stage.duty = test_db_connect(stage.db);
    test_db_run(stage.user, "set synchronous_commit = off");
    test_db_run(stage.user, "select ganger._register_node('n', 'h', 'b', 1, 1, '60 s', '0'), "
                            "ganger._register_worker(1, 'p', 1, 1, false)");
    return 0;
}

static int teardown(void **state)
{
    PQfinish(stage.holder);
    PQfinish(stage.user);
    PQfinish(stage.duty);
    return test_db_teardown(state);
}

static void tick(int times)
{
    for (int i = 0; i < times; i++) {
        test_db_run(stage.duty, "select ganger._tick()");
    }
}

// Transactions that write, and so have a number, begin and end.
static void burn_transactions(int count)
{
    test_db_run(stage.user,
                "do $$ begin for i in 1..%d loop perform txid_current(); commit; end loop; end $$",
                count);
}

static int64_t floor_of(const char *name)
{
    return test_db_int(stage.user, "select pg_sequence_last_value('ganger.%s_floor')", name);
}

// A worker of gangerd claims; how many it got.
static int64_t claim(const char *queue)
{
    return test_db_int(stage.user,
                       "select count(*) from ganger._take_jobs(1, 1, null, null, '{%s}', '{t}', "
                       "10, null, null)",
                       queue);
}

// --- what is dead costs nothing

static const char *const CALLS[] = {
    "select ganger.enqueue('t')",
    "select ganger.enqueue('t', group_key => 'g')",
    "select ganger.enqueue('other' || nextval('lanes'))",
    "select * from ganger._take_jobs(1, 1, null, null, '{default}', '{t}', 1, null, null)",
    "select * from ganger._take_jobs(1, 1, null, null, '{limited}', '{t}', 1, null, null)",
    "select * from ganger.claim('w', '{nothing}')",
    "select complete_one()",
    "select * from ganger._poll(1, '{nothing}', '{t}')",
    "select ganger._tick()",
};
enum { CALL_COUNT = sizeof CALLS / sizeof CALLS[0] };

static void measure_pages(int64_t *pages)
{
    for (int i = 0; i < CALL_COUNT; i++) {
        pages[i] = test_db_int(stage.user, "select pages($$%s$$)", CALLS[i]); // plans are made
        pages[i] = test_db_int(stage.user, "select pages($$%s$$)", CALLS[i]);
    }
}

static void make_dead_rows(void)
{
    test_db_run(stage.user,
                "insert into ganger.lane_signal (lane_id, priority, returned, queue, job_type) "
                "select i %% 500, 0, false, 'dead', 'dead' from generate_series(1, %d) i",
                DEAD);
    test_db_run(stage.user,
                "insert into ganger.signal (kind, key) select 'group', 'g' || i from "
                "generate_series(1, %d) i",
                DEAD);
    test_db_run(stage.user,
                "insert into ganger.dependency (prerequisite_id, job_id) select -i, -i from "
                "generate_series(1, %d) i",
                DEAD);
    test_db_run(stage.user,
                "insert into ganger.worker_claim (lease_id, worker_id, job_ids) select "
                "gen_random_uuid(), 1, array[-i] from generate_series(1, %d) i",
                DEAD);
    test_db_run(stage.user,
                "insert into ganger.stat_delta (job_type, status, jobs, run_us, ended_at) select "
                "'t', 'completed', 1, 1, now() from generate_series(1, %d) i",
                DEAD);
    test_db_run(stage.user, "delete from ganger.lane_signal where queue = 'dead'");
    test_db_run(stage.user, "delete from ganger.signal");
    test_db_run(stage.user, "delete from ganger.dependency where job_id < 0");
    test_db_run(stage.user, "delete from ganger.worker_claim where job_ids[1] < 0");
    test_db_run(stage.user, "select ganger._fold_stats()");
}

static void test_the_dead_cost_nothing(void **state)
{
    (void)state;
    int64_t before[CALL_COUNT];
    int64_t after[CALL_COUNT];
    test_db_run(stage.user, "create sequence lanes");
    test_db_run(stage.user,
                "create function pages(call text) returns bigint language plpgsql as $f$ declare p "
                "jsonb; begin execute 'explain (analyze, buffers, format json) ' || call into p; "
                "return (p #>> '{0,Plan,Shared Hit Blocks}')::bigint + (p #>> '{0,Plan,Shared Read "
                "Blocks}')::bigint; end $f$");
    test_db_run(stage.user,
                "create function complete_one() returns bigint[] language sql as $f$ select "
                "ganger._finish_completed(array[j.id], array[j.lease_id], '{null}', '{1}', '{1}', "
                "'{1}', '{1}', '{null}') from (select * from ganger._processing order by id limit "
                "1) j $f$");
    test_db_run(stage.user, "select ganger.set_queue('limited', concurrency => 5)");
    test_db_run(stage.user, "select ganger.enqueue('t') from generate_series(1, 20)");
    tick(2);
    test_db_run(stage.holder, "begin isolation level repeatable read");
    test_db_run(stage.holder, "select count(*) from ganger.job");
    measure_pages(before);
    make_dead_rows();
    tick(2);
    measure_pages(after);
    for (int i = 0; i < CALL_COUNT; i++) {
        print_message("%4lld -> %4lld pages: %s\n", (long long)before[i], (long long)after[i],
                      CALLS[i]);
    }
    for (int i = 0; i < CALL_COUNT; i++) {
        assert_true(after[i] <= before[i] + SLACK_PAGES);
    }
}

// --- what lives is found

// Jobs of a group become claimable by their signal.
static void enqueue_in_group(PGconn *conn)
{
    test_db_run(conn, "select ganger.enqueue('t', group_key => 'g')");
}

static void test_what_is_rolled_back_lives(void **state)
{
    (void)state;
    tick(2);
    enqueue_in_group(stage.user);
    test_db_run(stage.holder, "begin");
    assert_int_equal(test_db_int(stage.holder, "select ganger._work_signals()"), 1);
    test_db_run(stage.holder, "select ganger._raise_floors()");
    test_db_run(stage.holder, "select ganger._tick()");
    test_db_run(stage.holder, "rollback");
    assert_int_equal(claim("default"), 1);
}

static void test_a_passed_transaction_is_seen_when_it_ends(void **state)
{
    (void)state;
    test_db_run(stage.holder, "begin");
    enqueue_in_group(stage.holder);
    test_db_run(stage.holder, "select ganger.enqueue('t', queue => 'quiet')");
    int64_t late = test_db_int(stage.holder, "select txid_current()");
    tick(2);
    assert_true(floor_of("signal") <= late);
    burn_transactions(MANY_XIDS);
    tick(2);
    assert_true(floor_of("signal") > late);
    test_db_run(stage.holder, "commit");
    tick(1); // gives what it has left new numbers
    assert_int_equal(claim("default"), 1);
    assert_int_equal(claim("quiet"), 1);
    tick(1);
    assert_int_equal(test_db_int(stage.user, "select cardinality(passed) from ganger.floor_state"),
                     0);
    assert_int_equal(test_db_int(stage.user, "select count(*) from ganger.signal"), 0);
}

// A maintain() in somebody's open transaction began before that one ended, and does not end.
static void test_an_open_maintenance_hides_nothing(void **state)
{
    (void)state;
    PGconn *caller = test_db_connect(stage.db);
    test_db_run(stage.holder, "begin");
    enqueue_in_group(stage.holder);
    test_db_run(stage.holder, "select ganger.enqueue('t', queue => 'quiet')");
    int64_t late = test_db_int(stage.holder, "select txid_current()");
    burn_transactions(MANY_XIDS);
    tick(2);
    assert_true(floor_of("signal") > late);
    test_db_run(caller, "begin");
    test_db_run(caller, "select ganger.maintain()");
    test_db_run(stage.holder, "commit");
    tick(2);
    assert_int_equal(claim("default"), 1);
    assert_int_equal(claim("quiet"), 1);
    PQfinish(caller);
}

static void test_a_long_claim_is_passed_and_counts(void **state)
{
    (void)state;
    test_db_run(stage.user, "select ganger.set_queue('limited', concurrency => 1)");
    test_db_run(stage.user,
                "select ganger.enqueue('t', queue => 'limited') from generate_series(1, 2)");
    assert_int_equal(claim("limited"), 1);
    int64_t number = test_db_int(stage.user, "select n from ganger.worker_claim");
    burn_transactions(MANY_XIDS);
    tick(2);
    assert_int_equal(test_db_int(stage.user, "select count(*) from ganger.long_claim"), 1);
    assert_true(floor_of("claim") <= number);
    // ten seconds later
    test_db_run(stage.user,
                "begin; update ganger.floor_state set claims_at = claims_at - interval '10 s'; "
                "select ganger._write_floor_state(pass_to, passed) from ganger.floor_state; "
                "commit");
    tick(1);
    assert_true(floor_of("claim") > number);
    assert_int_equal(claim("limited"), 0);
    assert_int_equal(test_db_int(stage.user, "select cardinality(ganger._claimed_ids(1))"), 1);
    test_db_run(stage.user,
                "select ganger._finish_completed(array[id], array[lease_id], '{null}', '{1}', "
                "'{1}', '{1}', '{1}', '{null}') from ganger._processing");
    assert_int_equal(claim("limited"), 1);
    tick(1);
    assert_int_equal(test_db_int(stage.user, "select count(*) from ganger.long_claim"), 0);
    assert_int_equal(test_db_int(stage.user, "select count(*) from ganger.worker_claim"), 1);
}

// The tables of a dump, in a server that counts from anywhere, under the floors of another one.
static void test_a_restored_database_forgets_its_floors(void **state)
{
    (void)state;
    int64_t first = test_db_int(stage.user, "select ganger.enqueue('t', queue => 'first')");
    test_db_run(stage.user,
                "select ganger.enqueue('t', queue => 'second', depends_on => array[%lld])",
                (long long)first);
    tick(2);
    test_db_run(stage.user, "update ganger.floor_state set pass_to = pass_to");
    test_db_run(stage.user, "select setval('ganger.' || f || '_floor', 1000000000000) from "
                            "unnest('{signal,claim,dependency}'::text[]) f");
    enqueue_in_group(stage.user);
    assert_int_equal(claim("default"), 0);
    // nobody sees a dependent at this end
    test_db_run(stage.user,
                "select ganger.complete(c.id, c.lease_id) from ganger.claim('w', '{first}') c");
    tick(1);
    assert_int_equal(floor_of("signal"), 1);
    assert_int_equal(claim("second"), 1);
    assert_int_equal(claim("default"), 1);
    tick(2);
    assert_true(floor_of("signal") > 1);
}

int main(void)
{
    log_init("test", LOG_FORMAT_AUTO, LOG_LEVEL_WARN);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_the_dead_cost_nothing, setup, teardown),
        cmocka_unit_test_setup_teardown(test_what_is_rolled_back_lives, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_passed_transaction_is_seen_when_it_ends, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_an_open_maintenance_hides_nothing, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_long_claim_is_passed_and_counts, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_restored_database_forgets_its_floors, setup,
                                        teardown),
    };
    return cmocka_run_group_tests_name("floors", tests, private_cluster_setup,
                                       private_cluster_teardown);
}
