// SPDX-License-Identifier: MIT
// What the frontier has passed over, because it was committed late or held: each interleaving is played by hand, each job must be
// claimed.
#include "tests/support/lane_stage.h"

#include <inttypes.h>
#include <stdio.h>

#include "common/base/log.h"
#include "tests/support/test_db.h"

enum { CLAIMS_THAT_END = 10, CLAIMED = 300 };

// --- late commits

static void test_a_late_commit_is_moved_to_the_sibling_lane(void **state)
{
    (void)state;
    test_db_run(stage.a, "begin");
    int64_t late = test_db_int(stage.a, "select ganger.enqueue('t')");
    test_db_run(stage.b, "select ganger.enqueue('t') from generate_series(1, 5)");
    advance(3);
    test_db_run(stage.b, "select ganger.enqueue('t') from generate_series(1, 5)");
    assert_int_equal(test_db_int(stage.b, "select count(*) from ganger.claim('w', max_jobs => 7)"),
                     7);
    advance(3);
    assert_true(test_db_int(stage.b, "select frontier from ganger.lane") > late);
    test_db_run(stage.a, "commit");
    assert_int_equal(test_db_int(stage.duty, "select ganger._advance() -> 'repaired'"), 1);
    // visited first, as the job is older than what waits
    assert_int_equal(test_db_int(stage.b, "select id from ganger.claim('w')"), late);
    assert_int_equal(claim_all(), 3);
}

// Held at the time of the repair: written down, moved when it is free.
static void test_a_late_commit_that_is_held_at_once(void **state)
{
    (void)state;
    test_db_run(stage.a, "begin");
    int64_t late = test_db_int(stage.a, "select ganger.enqueue('t')");
    test_db_run(stage.b, "select ganger.enqueue('t') from generate_series(1, 5)");
    advance(2);
    assert_int_equal(claim_all(), 5);
    test_db_run(stage.b, "select ganger.enqueue('t')");
    advance(3);
    test_db_run(stage.a, "commit");
    test_db_run(stage.a, "begin");
    test_db_run(stage.a, "select ganger.edit(%lld, '{}')", (long long)late);
    advance(3);
    assert_int_equal(claim_all(), 1);
    assert_int_equal(test_db_int(stage.b, "select count(*) from ganger.lane_straggler"), 1);
    test_db_run(stage.a, "rollback");
    advance(1);
    assert_int_equal(claim_all(), 1);
}

static void test_many_late_commits_are_repaired_in_parts(void **state)
{
    (void)state;
    test_db_run(stage.a, "begin");
    test_db_run(stage.a,
                "select ganger.enqueue_many((select jsonb_agg(jsonb_build_object('job_type', "
                "'t' || i %% 3)) from generate_series(1, 3500) i))");
    test_db_run(stage.b, "select ganger.enqueue('t' || i %% 3) from generate_series(1, 30) i");
    advance(2);
    assert_int_equal(claim_all(), 30);
    test_db_run(stage.b, "select ganger.enqueue('t' || i %% 3) from generate_series(1, 30) i");
    advance(3);
    test_db_run(stage.a, "commit");
    // Past its deadline, a pass does one part and leaves the epoch open.
    test_db_run(stage.duty, "begin");
    assert_int_equal(test_db_int(stage.duty, "select repaired from ganger._seal_epochs(now())"), 0);
    test_db_run(stage.duty, "commit");
    test_db_run(stage.duty, "select ganger._repair_epoch(lo, hi, 1000) from ganger.epoch "
                            "order by epoch limit 1");
    assert_int_equal(test_db_int(stage.b,
                                 "select count(*) from ganger.job j join ganger.lane_signal "
                                 "s using (lane_id) where s.returned"),
                     1000);
    advance(2);
    assert_int_equal(
        test_db_int(
            stage.b,
            "select count(*) from ganger.job j join ganger.lane l "
            "using (lane_id) where j.seq is not null and j.status = 'pending' and l.returned"),
        3500);
    int64_t claimed = 0;
    for (int i = 0; i < 4; i++) {
        claimed += claim_all();
    }
    assert_int_equal(claimed, 3530);
}

// --- rows that are held

// Somebody edits the head of a lane and stays open: the frontier goes on, and comes back for it.
static void play_straggler(const char *function, const char *changes, const char *end,
                           int64_t claimable_after)
{
    int64_t head = test_db_int(stage.b, "select ganger.enqueue('t')");
    test_db_run(stage.b, "select ganger.enqueue('t') from generate_series(1, 5)");
    advance(3);
    test_db_run(stage.a, "begin");
    test_db_run(stage.a, "select ganger.%s(%lld%s)", function, (long long)head, changes);
    advance(3);
    assert_true(test_db_int(stage.b, "select frontier from ganger.lane") > head);
    assert_int_equal(claim_all(), 5);
    advance(3);
    test_db_run(stage.a, "%s", end);
    advance(1);
    assert_int_equal(claim_all(), claimable_after);
    advance(1);
    assert_int_equal(test_db_int(stage.b, "select count(*) from ganger.lane_straggler"), 0);
}

static void test_a_straggler_edited(void **state)
{
    (void)state;
    play_straggler("edit", ", '{\"metadata\": 1}'", "commit", 1);
}

static void test_a_straggler_let_go(void **state)
{
    (void)state;
    play_straggler("edit", ", '{\"metadata\": 1}'", "rollback", 1);
}

static void test_a_straggler_moved(void **state)
{
    (void)state;
    play_straggler("edit", ", '{\"priority\": 7}'", "commit", 1);
}

static void test_a_straggler_not_moved_after_all(void **state)
{
    (void)state;
    play_straggler("edit", ", '{\"priority\": 7}'", "rollback", 1);
}

static void test_a_straggler_cancelled(void **state)
{
    (void)state;
    play_straggler("cancel", "", "commit", 0);
}

static void test_a_straggler_not_cancelled_after_all(void **state)
{
    (void)state;
    play_straggler("cancel", "", "rollback", 1);
}

// A claim ends while its rows are gone through as if they were held: what runs then is not locked, or its end would wait for the pass. True:
// it was so, some were still held and others not any more.
static bool play_claim_that_ends(void)
{
    const int64_t head = test_db_int(stage.b,
                                     "select min(x.id) from (select ganger.enqueue('t') as id from "
                                     "generate_series(1, %d)) x",
                                     CLAIMED);
    test_db_run(stage.a, "begin");
    assert_int_equal(
        test_db_int(stage.a, "select count(*) from ganger.claim('w', max_jobs => %d)", CLAIMED),
        CLAIMED);
    test_db_run(stage.duty, "begin");
    char sql[200];
    (void)snprintf(sql, sizeof sql,
                   "select ganger._pass_stragglers(lane_id, seq) from ganger.job where id = "
                   "%" PRId64,
                   head);
    assert_int_equal(PQsendQuery(stage.duty, sql), 1);
    test_db_run(stage.a, "commit");
    PGresult *passed = PQgetResult(stage.duty);
    assert_int_equal(PQresultStatus(passed), PGRES_TUPLES_OK);
    PQclear(passed);
    assert_null(PQgetResult(stage.duty));
    assert_int_equal(test_db_int(stage.duty,
                                 "select count(*) from ganger.job where status = 'processing' and "
                                 "xmax = pg_current_xact_id_if_assigned()::xid"),
                     0);
    const int64_t held = test_db_int(stage.duty, "select count(*) from ganger.lane_straggler");
    test_db_run(stage.duty, "rollback");
    test_db_run(stage.b, "select ganger.complete(id, lease_id) from ganger.job");
    return held > 0 && held < CLAIMED;
}

static void test_a_claim_that_ends(void **state)
{
    (void)state;
    int met = 0;
    for (int i = 0; met < CLAIMS_THAT_END && i < 20 * CLAIMS_THAT_END; i++) {
        met += play_claim_that_ends();
    }
    assert_int_equal(met, CLAIMS_THAT_END);
}

int main(void)
{
    log_init("test", LOG_FORMAT_AUTO, LOG_LEVEL_WARN);
    const struct CMUnitTest tests[] = {
        CASE(test_a_late_commit_is_moved_to_the_sibling_lane),
        CASE(test_a_late_commit_that_is_held_at_once),
        CASE(test_many_late_commits_are_repaired_in_parts),
        CASE(test_a_straggler_edited),
        CASE(test_a_straggler_let_go),
        CASE(test_a_straggler_moved),
        CASE(test_a_straggler_not_moved_after_all),
        CASE(test_a_straggler_cancelled),
        CASE(test_a_straggler_not_cancelled_after_all),
        CASE(test_a_claim_that_ends),
    };
    return cmocka_run_group_tests_name("stragglers", tests, NULL, NULL);
}
