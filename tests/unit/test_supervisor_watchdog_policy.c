// SPDX-License-Identifier: MIT
// Watchdog policy: deadlines, cancels, graces, and nonsense in slots.
#include "tests/support/unit.h"

#include <stdlib.h>

#include "supervisor/watchdog_policy.h"

static const StopRecord NO_STOP = {0};
static const LifeSign LIVELY = {.spawned_at = 1000};

static SlotSnapshot running(void)
{
    return (SlotSnapshot){.attached = true,
                          .state = SLOT_RUNNING,
                          .run_serial = 7,
                          .run_soft_at = 5000,
                          .run_grace_ms = 300};
}

static void test_before_the_deadline(void **state)
{
    (void)state;
    SlotSnapshot slot = running();
    WatchVerdict verdict = watchdog_policy_look(&slot, &NO_STOP, &LIVELY, false, 4999);
    assert_int_equal(verdict.action, WATCH_FINE);
    assert_int_equal(verdict.look_at, 5000);
}

static void test_no_deadline(void **state)
{
    (void)state;
    SlotSnapshot slot = running();
    slot.run_soft_at = 0;
    WatchVerdict verdict = watchdog_policy_look(&slot, &NO_STOP, &LIVELY, false, 1000000000);
    assert_int_equal(verdict.action, WATCH_FINE);
    assert_true(verdict.look_at == WATCHDOG_NEVER);
}

static void test_deadline_then_grace_then_kill(void **state)
{
    (void)state;
    SlotSnapshot slot = running();
    WatchVerdict verdict = watchdog_policy_look(&slot, &NO_STOP, &LIVELY, false, 5040);
    assert_int_equal(verdict.action, WATCH_SOFT_STOP);
    assert_int_equal(verdict.cause, STOP_TIMEOUT);
    assert_int_equal(verdict.serial, 7);
    assert_int_equal(verdict.kill_at, 5300);

    StopRecord stop = {.serial = 7, .cause = STOP_TIMEOUT, .kill_at = 5300};
    verdict = watchdog_policy_look(&slot, &stop, &LIVELY, false, 5299);
    assert_int_equal(verdict.action, WATCH_FINE);
    assert_int_equal(verdict.look_at, 5300);
    verdict = watchdog_policy_look(&slot, &stop, &LIVELY, false, 5300);
    assert_int_equal(verdict.action, WATCH_KILL);
    assert_int_equal(verdict.serial, 7);
    assert_int_equal(verdict.cause, STOP_TIMEOUT);
}

static void test_prolonging_does_not_take_a_stop_back(void **state)
{
    (void)state;
    SlotSnapshot slot = running();
    StopRecord stop = {.serial = 7, .cause = STOP_TIMEOUT, .kill_at = 5300};
    slot.run_soft_at = 90000;
    WatchVerdict verdict = watchdog_policy_look(&slot, &stop, &LIVELY, false, 5300);
    assert_int_equal(verdict.action, WATCH_KILL);
}

static void test_a_stop_is_for_one_run(void **state)
{
    (void)state;
    SlotSnapshot slot = running();
    StopRecord stop = {.serial = 6, .cause = STOP_TIMEOUT, .kill_at = 4000};
    WatchVerdict verdict = watchdog_policy_look(&slot, &stop, &LIVELY, false, 4500);
    assert_int_equal(verdict.action, WATCH_FINE);
    slot.state = SLOT_FINISHING;
    stop.serial = 7;
    verdict = watchdog_policy_look(&slot, &stop, &LIVELY, false, 4500);
    assert_int_equal(verdict.action, WATCH_FINE);
}

static void test_cancel(void **state)
{
    (void)state;
    SlotSnapshot slot = running();
    slot.cancel_serial = 7;
    WatchVerdict verdict = watchdog_policy_look(&slot, &NO_STOP, &LIVELY, false, 2100);
    assert_int_equal(verdict.action, WATCH_SOFT_STOP);
    assert_int_equal(verdict.cause, STOP_CANCEL);
    assert_int_equal(verdict.kill_at, 2400);
    slot.cancel_serial = 6; // of an earlier run
    verdict = watchdog_policy_look(&slot, &NO_STOP, &LIVELY, false, 2100);
    assert_int_equal(verdict.action, WATCH_FINE);
}

static void test_no_grace_kills_at_once(void **state)
{
    (void)state;
    SlotSnapshot slot = running();
    slot.run_grace_ms = 0;
    WatchVerdict verdict = watchdog_policy_look(&slot, &NO_STOP, &LIVELY, false, 5000);
    assert_int_equal(verdict.action, WATCH_KILL);
    assert_int_equal(verdict.serial, 7);
    slot.run_grace_ms = -5; // nonsense
    verdict = watchdog_policy_look(&slot, &NO_STOP, &LIVELY, false, 5000);
    assert_int_equal(verdict.action, WATCH_KILL);
}

static void test_deadline_slept_through(void **state)
{
    (void)state;
    SlotSnapshot slot = running();
    WatchVerdict verdict = watchdog_policy_look(&slot, &NO_STOP, &LIVELY, false, 5300);
    assert_int_equal(verdict.action, WATCH_KILL);
    assert_int_equal(verdict.cause, STOP_TIMEOUT);
}

static WatchVerdict look_in(SlotState slot_state, const LifeSign *sign, int64_t now)
{
    SlotSnapshot slot = {.attached = true, .state = slot_state};
    return watchdog_policy_look(&slot, &NO_STOP, sign, false, now);
}

static void expect_limit(SlotState slot_state, int64_t limit_ms)
{
    LifeSign sign = {.spawned_at = 1000, .silent_ms = limit_ms - 1};
    WatchVerdict verdict = look_in(slot_state, &sign, 200000);
    assert_int_equal(verdict.action, WATCH_FINE);
    assert_int_equal(verdict.look_at, 200001);
    sign.silent_ms = limit_ms;
    verdict = look_in(slot_state, &sign, 200000);
    assert_int_equal(verdict.action, WATCH_KILL);
    assert_int_equal(verdict.cause, STOP_STUCK);
    assert_int_equal(verdict.serial, 0);
}

static void test_silence_has_a_limit_in_every_state(void **state)
{
    (void)state;
    expect_limit(SLOT_STARTING, WATCHDOG_START_MS);
    expect_limit(SLOT_IDLE, WATCHDOG_HUNG_MS);
    expect_limit(SLOT_CLAIMING, WATCHDOG_HUNG_MS);
    expect_limit(SLOT_FINISHING, WATCHDOG_HUNG_MS);
    expect_limit(SLOT_COLLECTING, WATCHDOG_HUNG_MS);
    expect_limit(SLOT_STOPPING, WATCHDOG_STOPPING_MS);
    expect_limit((SlotState)77, WATCHDOG_HUNG_MS);
    LifeSign sign = {.silent_ms = INT64_MAX / 2};
    WatchVerdict verdict = look_in(SLOT_RUNNING, &sign, 200000); // has its own deadline
    assert_int_equal(verdict.action, WATCH_FINE);
}

static void test_start_has_an_end(void **state)
{
    (void)state;
    LifeSign sign = {.spawned_at = 1000};
    WatchVerdict verdict = look_in(SLOT_STARTING, &sign, 1000 + WATCHDOG_START_MAX_MS - 5);
    assert_int_equal(verdict.action, WATCH_FINE);
    assert_int_equal(verdict.look_at, 1000 + WATCHDOG_START_MAX_MS);
    verdict = look_in(SLOT_STARTING, &sign, 1000 + WATCHDOG_START_MAX_MS);
    assert_int_equal(verdict.action, WATCH_KILL);
}

// A worker without a database: `gap_ms` between its tries, looked at every second.
static int64_t longest_silence(int64_t gap_ms, int64_t lasts_ms)
{
    LifeSign sign = {.spawned_at = 1000};
    int64_t longest = 0;
    for (int64_t now = 1000; now < 1000 + lasts_ms; now += 1000) {
        watchdog_policy_note_sign(&sign, (uint64_t)(now / gap_ms + 1), now);
        longest = sign.silent_ms > longest ? sign.silent_ms : longest;
    }
    return longest;
}

static void test_signs_of_life(void **state)
{
    (void)state;
    // One try to connect, two statements and a pause, all as slow as they may be.
    assert_true(longest_silence(70000, 3600000) < WATCHDOG_START_MS);
    assert_true(longest_silence(70000, 3600000) < WATCHDOG_HUNG_MS);
    assert_int_equal(longest_silence(INT64_MAX, 200000), 199000); // says nothing, whatever it wrote

    // A supervisor that was stopped for an hour knows nothing of that hour.
    LifeSign sign = {.spawned_at = 1000};
    watchdog_policy_note_sign(&sign, 7, 2000);
    watchdog_policy_note_sign(&sign, 7, 2000 + 3600000);
    assert_int_equal(sign.silent_ms, WATCHDOG_PAUSE_MAX_MS);
    watchdog_policy_note_sign(&sign, 8, 3700000);
    assert_int_equal(sign.silent_ms, 0);
}

static void test_results_written_are_signs_of_life(void **state)
{
    (void)state;
    Slot *slot = calloc(1, sizeof *slot);
    assert_non_null(slot);
    atomic_store(&slot->state, SLOT_FINISHING);
    atomic_store(&slot->batch_count, 2);
    entry_set_state(&slot->batch[1], ENTRY_DONE);
    uint64_t before = watchdog_policy_read(slot).mark;
    assert_true(watchdog_policy_read(slot).mark == before);
    entry_set_state(&slot->batch[1], ENTRY_WRITTEN);
    uint64_t after = watchdog_policy_read(slot).mark;
    assert_true(after != before);
    atomic_store(&slot->changed_at, INT64_MAX); // of any value, only the change counts
    assert_true(watchdog_policy_read(slot).mark != after);
    free(slot);
}

static void test_fence_kills_in_every_state(void **state)
{
    (void)state;
    for (SlotState each = SLOT_STARTING; each <= SLOT_STOPPING; each++) {
        SlotSnapshot slot = running();
        slot.state = each;
        WatchVerdict verdict = watchdog_policy_look(&slot, &NO_STOP, &LIVELY, true, 2100);
        assert_int_equal(verdict.action, WATCH_KILL);
        assert_int_equal(verdict.cause, STOP_FENCE);
    }
}

static void test_torn_is_looked_at_again_soon(void **state)
{
    (void)state;
    SlotSnapshot slot = running();
    slot.torn = true;
    WatchVerdict verdict = watchdog_policy_look(&slot, &NO_STOP, &LIVELY, false, 9000);
    assert_int_equal(verdict.action, WATCH_FINE);
    assert_int_equal(verdict.look_at, 9000 + WATCHDOG_TORN_MS);
}

static int64_t nonsense(unsigned *seed)
{
    static const int64_t edges[] = {0, 1, -1, INT64_MAX, INT64_MIN, 5000, 7};
    return edges[(unsigned)rand_r(seed) % (sizeof edges / sizeof edges[0])];
}

static void test_nonsense_gives_a_verdict_in_the_future(void **state)
{
    (void)state;
    unsigned seed = 42;
    for (int i = 0; i < 100000; i++) {
        SlotSnapshot slot = {.attached = rand_r(&seed) % 2 == 0,
                             .state = (SlotState)(rand_r(&seed) % 9 - 1),
                             .run_serial = nonsense(&seed),
                             .run_soft_at = nonsense(&seed),
                             .run_grace_ms = nonsense(&seed),
                             .cancel_serial = nonsense(&seed)};
        WatchVerdict verdict = watchdog_policy_look(&slot, &NO_STOP, &LIVELY, false, 6000);
        if (verdict.action == WATCH_FINE) {
            assert_true(verdict.look_at > 6000);
        } else if (verdict.action == WATCH_SOFT_STOP) {
            assert_true(verdict.kill_at > 6000);
        }
    }
}

static void test_reads_only_its_own_child(void **state)
{
    (void)state;
    Slot *slot = calloc(1, sizeof *slot);
    assert_non_null(slot);
    atomic_store(&slot->generation, 4);
    atomic_store(&slot->child_generation, 3);
    atomic_store(&slot->state, SLOT_RUNNING);
    SlotSnapshot snapshot = watchdog_policy_read(slot);
    assert_false(snapshot.attached);
    assert_int_equal(snapshot.state, SLOT_STARTING);
    atomic_store(&slot->child_generation, 4);
    snapshot = watchdog_policy_read(slot);
    assert_true(snapshot.attached);
    assert_int_equal(snapshot.state, SLOT_RUNNING);
    free(slot);
}

static void test_unwanted_run_is_stopped_then_killed(void **state)
{
    (void)state;
    SlotSnapshot slot = running();
    slot.is_unwanted = true;
    slot.unwanted_since = 1000;
    WatchVerdict verdict = watchdog_policy_look(&slot, &NO_STOP, &LIVELY, false, 1010);
    assert_int_equal(verdict.action, WATCH_SOFT_STOP);
    assert_int_equal(verdict.cause, STOP_OPERATOR);
    assert_int_equal(verdict.kill_at, 1310);
    StopRecord stop = {.serial = 7, .cause = STOP_OPERATOR, .kill_at = 1310};
    verdict = watchdog_policy_look(&slot, &stop, &LIVELY, false, 1310);
    assert_int_equal(verdict.action, WATCH_KILL);
    assert_int_equal(verdict.cause, STOP_OPERATOR);
    assert_int_equal(verdict.serial, 7);
    slot.run_grace_ms = 0;
    verdict = watchdog_policy_look(&slot, &NO_STOP, &LIVELY, false, 1010);
    assert_int_equal(verdict.action, WATCH_KILL);
}

// What has its own reason to stop is told that.
static void test_unwanted_keeps_the_other_reason(void **state)
{
    (void)state;
    SlotSnapshot slot = running();
    slot.is_unwanted = true;
    WatchVerdict verdict = watchdog_policy_look(&slot, &NO_STOP, &LIVELY, false, 5040);
    assert_int_equal(verdict.cause, STOP_TIMEOUT);
    assert_int_equal(verdict.kill_at, 5300);
    slot.cancel_serial = 7;
    verdict = watchdog_policy_look(&slot, &NO_STOP, &LIVELY, false, 1000);
    assert_int_equal(verdict.cause, STOP_CANCEL);
}

static void test_unwanted_must_leave(void **state)
{
    (void)state;
    static const SlotState states[] = {SLOT_STARTING,  SLOT_IDLE,       SLOT_CLAIMING,
                                       SLOT_FINISHING, SLOT_COLLECTING, SLOT_STOPPING};
    for (size_t i = 0; i < sizeof states / sizeof states[0]; i++) {
        SlotSnapshot slot = {.attached = true, .state = states[i], .is_unwanted = true};
        slot.unwanted_since = 2000;
        int64_t ends_at = 2000 + WATCHDOG_UNWANTED_MS;
        WatchVerdict verdict = watchdog_policy_look(&slot, &NO_STOP, &LIVELY, false, ends_at - 1);
        assert_int_equal(verdict.action, WATCH_FINE);
        assert_int_equal(verdict.look_at, ends_at);
        verdict = watchdog_policy_look(&slot, &NO_STOP, &LIVELY, false, ends_at);
        assert_int_equal(verdict.action, WATCH_KILL);
        assert_int_equal(verdict.cause, STOP_OPERATOR);
        assert_int_equal(verdict.serial, 0);
    }
}

// However long its job has gone on since, a worker has the whole time to write the result and leave.
static void test_unwanted_has_time_after_its_job(void **state)
{
    (void)state;
    int64_t since = 0;
    SlotSnapshot slot = running();
    watchdog_policy_note_unwanted(&slot, &since, 1000);
    assert_int_equal(since, 0);
    slot.is_unwanted = true;
    watchdog_policy_note_unwanted(&slot, &since, 2000);
    int64_t left_at = 2000 + 5 * WATCHDOG_UNWANTED_MS; // nobody looks in between
    slot.state = SLOT_FINISHING;
    watchdog_policy_note_unwanted(&slot, &since, left_at);
    WatchVerdict verdict = watchdog_policy_look(&slot, &NO_STOP, &LIVELY, false, left_at);
    assert_int_equal(verdict.action, WATCH_FINE);
    assert_int_equal(verdict.look_at, left_at + WATCHDOG_UNWANTED_MS);

    slot.torn = true; // says nothing of the state
    slot.state = SLOT_RUNNING;
    watchdog_policy_note_unwanted(&slot, &since, left_at + 1);
    slot.torn = false;
    slot.state = SLOT_STOPPING; // another state is no more time
    int64_t ends_at = left_at + WATCHDOG_UNWANTED_MS;
    watchdog_policy_note_unwanted(&slot, &since, ends_at);
    verdict = watchdog_policy_look(&slot, &NO_STOP, &LIVELY, false, ends_at);
    assert_int_equal(verdict.action, WATCH_KILL);
    assert_int_equal(verdict.cause, STOP_OPERATOR);
}

static void test_unwanted_is_one_generation(void **state)
{
    (void)state;
    Slot *slot = calloc(1, sizeof *slot);
    assert_non_null(slot);
    assert_false(watchdog_policy_read(slot).is_unwanted);
    atomic_store(&slot->generation, 4);
    atomic_store(&slot->unwanted_generation, 3);
    assert_false(watchdog_policy_read(slot).is_unwanted);
    atomic_store(&slot->unwanted_generation, 4);
    assert_true(watchdog_policy_read(slot).is_unwanted);
    free(slot);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_before_the_deadline),
        cmocka_unit_test(test_no_deadline),
        cmocka_unit_test(test_deadline_then_grace_then_kill),
        cmocka_unit_test(test_prolonging_does_not_take_a_stop_back),
        cmocka_unit_test(test_a_stop_is_for_one_run),
        cmocka_unit_test(test_cancel),
        cmocka_unit_test(test_no_grace_kills_at_once),
        cmocka_unit_test(test_deadline_slept_through),
        cmocka_unit_test(test_silence_has_a_limit_in_every_state),
        cmocka_unit_test(test_start_has_an_end),
        cmocka_unit_test(test_signs_of_life),
        cmocka_unit_test(test_results_written_are_signs_of_life),
        cmocka_unit_test(test_fence_kills_in_every_state),
        cmocka_unit_test(test_torn_is_looked_at_again_soon),
        cmocka_unit_test(test_nonsense_gives_a_verdict_in_the_future),
        cmocka_unit_test(test_reads_only_its_own_child),
        cmocka_unit_test(test_unwanted_run_is_stopped_then_killed),
        cmocka_unit_test(test_unwanted_keeps_the_other_reason),
        cmocka_unit_test(test_unwanted_must_leave),
        cmocka_unit_test(test_unwanted_has_time_after_its_job),
        cmocka_unit_test(test_unwanted_is_one_generation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
