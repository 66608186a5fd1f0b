// SPDX-License-Identifier: MIT
// The races of the frontier, one by one: each interleaving is played by hand, each job must be claimed.
#include "tests/support/lane_stage.h"

#include <stdlib.h>

#include "common/base/log.h"
#include "tests/support/test_db.h"

enum { PASSES_TO_IDLE = 6 };

static int64_t lanes_in_state(const char *state)
{
    return test_db_int(stage.b, "select count(*) from ganger.lane where state = '%s'", state);
}

// One active lane with nothing in it, whose frontier has moved on.
static void make_empty_lane(void)
{
    test_db_run(stage.b, "select ganger.enqueue('t') from generate_series(1, 5)");
    advance(1);
    assert_int_equal(claim_all(), 5);
    assert_int_equal(lanes_in_state("active"), 1);
}

static void test_a_long_enqueuer_holds_its_own_epoch_only(void **state)
{
    (void)state;
    test_db_run(stage.a, "begin");
    test_db_run(stage.a, "select ganger.enqueue('t')");
    for (int i = 0; i < 5; i++) {
        test_db_run(stage.b, "select ganger.enqueue('t')");
        advance(1);
    }
    advance(1);
    assert_int_equal(test_db_int(stage.duty, "select ganger._advance() -> 'open_epochs'"), 1);
    test_db_run(stage.a, "rollback");
    assert_int_equal(test_db_int(stage.duty, "select ganger._advance() -> 'open_epochs'"), 0);
}

static void test_a_held_snapshot_holds_nothing(void **state)
{
    (void)state;
    test_db_run(stage.a, "begin isolation level repeatable read");
    test_db_run(stage.a, "select pg_current_xact_id(), count(*) from ganger.job");
    for (int i = 0; i < 5; i++) {
        test_db_run(stage.b, "select ganger.enqueue('t')");
        advance(2);
    }
    assert_int_equal(test_db_int(stage.duty, "select ganger._advance() -> 'open_epochs'"), 0);
    assert_int_equal(claim_all(), 5);
}

static void test_a_savepoint_rolled_back_leaves_the_rest_safe(void **state)
{
    (void)state;
    test_db_run(stage.a, "begin");
    test_db_run(stage.a, "savepoint s");
    test_db_run(stage.a, "select ganger.enqueue('t')");
    test_db_run(stage.a, "rollback to s");
    test_db_run(stage.a, "select ganger.enqueue('t')");
    test_db_run(stage.a, "savepoint s2");
    test_db_run(stage.a, "select ganger.enqueue('t')");
    test_db_run(stage.a, "release s2");
    test_db_run(stage.b, "select ganger.enqueue('t')");
    advance(3);
    assert_int_equal(claim_all(), 1);
    advance(3);
    test_db_run(stage.a, "commit");
    advance(2);
    assert_int_equal(claim_all(), 2);
}

// A pass that is rolled back has moved the sequence of epochs all the same.
static void test_a_pass_rolled_back_idles_nothing(void **state)
{
    (void)state;
    make_empty_lane();
    test_db_run(stage.duty, "begin");
    advance(1);
    test_db_run(stage.a, "begin");
    test_db_run(stage.a, "select ganger.enqueue('t')"); // which sees the lane active
    test_db_run(stage.duty, "commit");
    assert_int_equal(lanes_in_state("closing"), 1);
    test_db_run(stage.duty, "begin");
    advance(1);
    test_db_run(stage.duty, "rollback");
    advance(3);
    test_db_run(stage.a, "commit");
    assert_int_equal(claim_all(), 1);
}

// Nor does it keep a lane from being idled where no number is taken any more.
static void test_a_pass_rolled_back_keeps_nothing_from_idling(void **state)
{
    (void)state;
    make_empty_lane();
    advance(1);
    assert_int_equal(lanes_in_state("closing"), 1);
    test_db_run(stage.duty, "begin");
    advance(1);
    test_db_run(stage.duty, "rollback");
    advance(PASSES_TO_IDLE);
    assert_int_equal(lanes_in_state("idle"), 1);
}

// The signal of a rolled back savepoint is gone: the next enqueue must not count on it.
static void test_a_signal_rolled_back_is_given_again(void **state)
{
    (void)state;
    test_db_run(stage.a, "begin");
    test_db_run(stage.a, "savepoint s");
    test_db_run(stage.a, "select ganger.enqueue('t')");
    test_db_run(stage.a, "rollback to s");
    test_db_run(stage.a, "select ganger.enqueue('t')");
    test_db_run(stage.a, "commit");
    assert_int_equal(claim_all(), 1);
}

// While the lane is active, an enqueuer says nothing: the lane must not be idled before it has ended.
static void test_a_lane_is_not_idled_over_an_open_enqueuer(void **state)
{
    (void)state;
    make_empty_lane();
    test_db_run(stage.a, "begin");
    test_db_run(stage.a, "select ganger.enqueue('t')");
    assert_int_equal(test_db_int(stage.a, "select count(*) from ganger.lane_signal"), 0);
    advance(PASSES_TO_IDLE);
    assert_int_equal(lanes_in_state("idle"), 0);
    test_db_run(stage.a, "commit");
    advance(2);
    assert_int_equal(claim_all(), 1);
    advance(PASSES_TO_IDLE);
    assert_int_equal(lanes_in_state("idle"), 1);
}

// Committed while the lane is closing, or after it was idled: the signal brings it back.
static void test_a_closing_lane_is_signalled(void **state)
{
    (void)state;
    make_empty_lane();
    advance(1);
    assert_int_equal(lanes_in_state("closing"), 1);
    test_db_run(stage.a, "begin");
    test_db_run(stage.a, "select ganger.enqueue('t')");
    assert_int_equal(test_db_int(stage.a, "select count(*) from ganger.lane_signal"), 1);
    advance(PASSES_TO_IDLE);
    test_db_run(stage.a, "commit");
    assert_int_equal(claim_all(), 1);
}

static void test_an_idle_lane_wakes_by_a_signal(void **state)
{
    (void)state;
    make_empty_lane();
    advance(PASSES_TO_IDLE);
    assert_int_equal(lanes_in_state("idle"), 1);
    test_db_run(stage.b, "select ganger.enqueue('t') from generate_series(1, 3)");
    assert_int_equal(test_db_int(stage.b, "select count(*) from ganger.lane_signal"), 1);
    assert_int_equal(claim_all(), 3);
    advance(1);
    assert_int_equal(lanes_in_state("idle"), 0);
    assert_int_equal(test_db_int(stage.b, "select count(*) from ganger.lane_signal"), 0);
}

// A signal seen is trusted: it is folded, the lane runs empty, and still waits for the enqueuer that trusted it.
static void test_a_signal_seen_is_as_good_as_an_active_lane(void **state)
{
    (void)state;
    test_db_run(stage.b, "select ganger.enqueue('t')");
    test_db_run(stage.a, "begin");
    test_db_run(stage.a, "select ganger.enqueue('t')");
    assert_int_equal(test_db_int(stage.a, "select count(*) from ganger.lane_signal"), 1);
    advance(1);
    assert_int_equal(claim_all(), 1);
    advance(PASSES_TO_IDLE);
    assert_int_equal(lanes_in_state("idle"), 0);
    test_db_run(stage.a, "commit");
    advance(2);
    assert_int_equal(claim_all(), 1);
}

static void test_an_old_snapshot_always_signals(void **state)
{
    (void)state;
    make_empty_lane();
    test_db_run(stage.a, "begin isolation level repeatable read");
    assert_int_equal(
        test_db_int(stage.a, "select count(*) from ganger.lane where state = 'active'"), 1);
    advance(PASSES_TO_IDLE);
    assert_int_equal(lanes_in_state("idle"), 1);
    test_db_run(stage.a, "select ganger.enqueue('t')");
    test_db_run(stage.a, "commit");
    assert_int_equal(claim_all(), 1);
}

static void test_advancing_needs_fresh_snapshots(void **state)
{
    (void)state;
    test_db_run(stage.a, "begin isolation level repeatable read");
    assert_null(test_db_text(stage.a, "select ganger._advance()"));
    test_db_run(stage.a, "select ganger.maintain()");
    test_db_run(stage.a, "commit");
}

static void test_one_advances_at_a_time(void **state)
{
    (void)state;
    test_db_run(stage.a, "begin");
    free(test_db_text(stage.a, "select ganger._advance()"));
    assert_null(test_db_text(stage.duty, "select ganger._advance()"));
    test_db_run(stage.a, "commit");
    char *answer = test_db_text(stage.duty, "select ganger._advance()");
    assert_non_null(answer);
    free(answer);
}

// Two passes in one transaction: others see the lane active until it ends, so it must not be idle then.
static void test_a_transaction_advances_once(void **state)
{
    (void)state;
    make_empty_lane();
    test_db_run(stage.a, "begin");
    free(test_db_text(stage.a, "select ganger._advance('0 s')"));
    assert_null(test_db_text(stage.a, "select ganger._advance('0 s')"));
    test_db_run(stage.b, "begin");
    test_db_run(stage.b, "select ganger.enqueue('t')");
    assert_int_equal(test_db_int(stage.b, "select count(*) from ganger.lane_signal"), 0);
    for (int i = 0; i < 2; i++) {
        test_db_run(stage.a, "select ganger.maintain(), ganger._advance('0 s')");
    }
    test_db_run(stage.a, "commit");
    test_db_run(stage.b, "commit");
    advance(3);
    assert_int_equal(claim_all(), 1);
}

// A savepoint rolled back takes its pass back, and another may follow.
static void test_a_pass_rolled_back_does_not_count(void **state)
{
    (void)state;
    make_empty_lane();
    test_db_run(stage.a, "begin; savepoint s");
    free(test_db_text(stage.a, "select ganger._advance('0 s')"));
    test_db_run(stage.a, "rollback to s");
    char *answer = test_db_text(stage.a, "select ganger._advance('0 s')");
    assert_non_null(answer);
    free(answer);
    test_db_run(stage.a, "commit");
    assert_int_equal(lanes_in_state("closing"), 1);
}

static void test_read_uncommitted_advances(void **state)
{
    (void)state;
    test_db_run(stage.a, "begin isolation level read uncommitted");
    char *answer = test_db_text(stage.a, "select ganger._advance()");
    assert_non_null(answer);
    free(answer);
    test_db_run(stage.a, "commit");
}

// A pass that is rolled back has begun an epoch nobody wrote down; what was taken in it is sealed all the same.
static void test_an_advance_rolled_back_loses_no_epoch(void **state)
{
    (void)state;
    test_db_run(stage.b, "select ganger.enqueue('t')");
    test_db_run(stage.duty, "begin");
    advance(1);
    test_db_run(stage.duty, "rollback");
    test_db_run(stage.a, "begin");
    test_db_run(stage.a, "select ganger.enqueue('t')");
    advance(3);
    test_db_run(stage.b, "select ganger.enqueue('t')");
    assert_int_equal(claim_all(), 2);
    advance(3);
    test_db_run(stage.a, "commit");
    advance(1);
    assert_int_equal(claim_all(), 1);
}

// Epochs last longer the more of them somebody holds open.
static void test_open_epochs_are_few(void **state)
{
    (void)state;
    test_db_run(stage.a, "begin");
    for (int i = 0; i < 40; i++) {
        test_db_run(stage.a, "select ganger.enqueue('t')");
        advance(1);
    }
    // the last pass may have begun an epoch, and one without a number in it is not ended
    test_db_run(stage.a, "select ganger.enqueue('t')");
    int64_t soon = test_db_int(stage.b, "select count(*) from ganger.epoch");
    assert_true(soon > 3);
    test_db_run(stage.duty,
                "insert into ganger.epoch select -i, 0, 0 from generate_series(1, 3000) i");
    test_db_run(stage.duty, "begin");
    test_db_run(stage.duty, "update ganger.epoch_state set began_at = now()");
    int64_t before = test_db_int(stage.b, "select pg_sequence_last_value('ganger.epoch_seq')");
    test_db_run(stage.duty, "select ganger._begin_epoch(s) from ganger.epoch_state s");
    assert_int_equal(test_db_int(stage.b, "select pg_sequence_last_value('ganger.epoch_seq')"),
                     before);
    test_db_run(stage.duty, "update ganger.epoch_state set began_at = now() - interval '120 s'");
    test_db_run(stage.duty, "select ganger._begin_epoch(s) from ganger.epoch_state s");
    assert_int_equal(test_db_int(stage.b, "select pg_sequence_last_value('ganger.epoch_seq')"),
                     before + 1);
    test_db_run(stage.duty, "rollback");
    test_db_run(stage.a, "rollback");
}

// An hour of passes under a held snapshot must not leave a pile of versions of the lane's row.
static void test_busy_lanes_are_seldom_written(void **state)
{
    (void)state;
    test_db_run(stage.b, "select ganger.enqueue('t') from generate_series(1, 500)");
    for (int i = 0; i < 2; i++) { // a new lane's frontier is moved once, whatever the gain
        test_db_run(stage.duty, "select ganger._advance()");
    }
    char *first = test_db_text(stage.b, "select ctid from ganger.lane");
    for (int i = 0; i < 20; i++) {
        test_db_run(stage.b, "select ganger.claim('w', max_jobs => 10)");
        test_db_run(stage.duty, "select ganger._advance()");
    }
    char *last = test_db_text(stage.b, "select ctid from ganger.lane");
    assert_string_equal(first, last);
    free(first);
    free(last);
}

int main(void)
{
    log_init("test", LOG_FORMAT_AUTO, LOG_LEVEL_WARN);
    const struct CMUnitTest tests[] = {
        CASE(test_a_long_enqueuer_holds_its_own_epoch_only),
        CASE(test_a_held_snapshot_holds_nothing),
        CASE(test_a_savepoint_rolled_back_leaves_the_rest_safe),
        CASE(test_a_pass_rolled_back_idles_nothing),
        CASE(test_a_pass_rolled_back_keeps_nothing_from_idling),
        CASE(test_a_signal_rolled_back_is_given_again),
        CASE(test_a_lane_is_not_idled_over_an_open_enqueuer),
        CASE(test_a_closing_lane_is_signalled),
        CASE(test_an_idle_lane_wakes_by_a_signal),
        CASE(test_a_signal_seen_is_as_good_as_an_active_lane),
        CASE(test_an_old_snapshot_always_signals),
        CASE(test_advancing_needs_fresh_snapshots),
        CASE(test_one_advances_at_a_time),
        CASE(test_a_transaction_advances_once),
        CASE(test_a_pass_rolled_back_does_not_count),
        CASE(test_read_uncommitted_advances),
        CASE(test_an_advance_rolled_back_loses_no_epoch),
        CASE(test_open_epochs_are_few),
        CASE(test_busy_lanes_are_seldom_written),
    };
    return cmocka_run_group_tests_name("lanes", tests, NULL, NULL);
}
