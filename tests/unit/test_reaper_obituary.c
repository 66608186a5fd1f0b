// SPDX-License-Identifier: MIT
// Obituary: which cause of death is charged to the running job, for every way a worker may end.
#include "tests/support/unit.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "common/base/clock.h"
#include "reaper/obituary.h"

enum { SERIAL = 5, EXIT_SHIFT = 8 };

static Slot slot;
static Obituary obituary;
static int64_t lease_until;

// A worker that ran entry 1 of three as its run SERIAL, entry 0 done, entry 2 not begun.
static int setup(void **state)
{
    (void)state;
    memset(&slot, 0, sizeof slot);
    atomic_store(&slot.batch_count, 3);
    entry_set_state(&slot.batch[0], ENTRY_DONE);
    entry_set_state(&slot.batch[1], ENTRY_RUNNING);
    entry_set_state(&slot.batch[2], ENTRY_UNSTARTED);
    atomic_store(&slot.state, SLOT_RUNNING);
    atomic_store(&slot.run_index, 1);
    atomic_store(&slot.run_serial, SERIAL);
    atomic_store(&slot.run_started_at, clock_boot_ms() - 1000);
    slot.exit_status = SIGKILL;
    lease_until = clock_boot_ms() + 50000;
    return 0;
}

static void check(const char *outcome, const char *says)
{
    obituary_read(&obituary, &slot, false, lease_until);
    assert_int_equal(obituary.running, 1);
    assert_string_equal(obituary.outcome, outcome);
    if (strstr(obituary.message, says) == NULL) {
        fail_msg("'%s' does not say '%s'", obituary.message, says);
    }
}

static void stop(StopCause cause, int64_t stop_serial, int64_t kill_serial)
{
    atomic_store(&slot.stop_cause, (int)cause);
    atomic_store(&slot.stop_serial, stop_serial);
    atomic_store(&slot.kill_serial, kill_serial);
}

static void test_sorts_the_batch(void **state)
{
    (void)state;
    obituary_read(&obituary, &slot, false, lease_until);
    assert_int_equal(obituary.done_count, 1);
    assert_int_equal(obituary.done[0], 0);
    assert_int_equal(obituary.running, 1);
    assert_int_equal(obituary.signal, SIGKILL);
    assert_int_equal(obituary.exit_code, -1);
    entry_set_state(&slot.batch[1], ENTRY_WRITTEN);
    entry_set_state(&slot.batch[2], ENTRY_RETURNED);
    obituary_read(&obituary, &slot, false, lease_until);
    assert_int_equal(obituary.running, -1);
    assert_int_equal(obituary.done_count, 1);
    // A reaper that died over the rescue of a batch: the result still counts, the other one has not begun.
    entry_set_state(&slot.batch[1], ENTRY_WRITING);
    entry_set_state(&slot.batch[2], ENTRY_RETURNING);
    obituary_read(&obituary, &slot, false, lease_until);
    assert_int_equal(obituary.running, -1);
    assert_int_equal(obituary.done_count, 2);
    assert_int_equal(obituary.done[1], 1);
}

// A count or a state of nonsense, as a handler that writes everywhere may leave, is bounded.
static void test_trusts_nothing(void **state)
{
    (void)state;
    atomic_store(&slot.batch_count, 1 << 30);
    for (int i = 0; i < SCOREBOARD_BATCH_MAX; i++) {
        atomic_store(&slot.batch[i].state_word, i % 2 == 0 ? ENTRY_DONE : 99);
    }
    memset(slot.note, 'x', sizeof slot.note);
    obituary_read(&obituary, &slot, false, lease_until);
    assert_int_equal(obituary.done_count, SCOREBOARD_BATCH_MAX / 2);
    assert_int_equal(obituary.running, -1);
    atomic_store(&slot.batch_count, -3);
    obituary_read(&obituary, &slot, false, lease_until);
    assert_int_equal(obituary.done_count, 0);
}

static void test_crashes(void **state)
{
    (void)state;
    check("crashed", "SIGKILL");
    slot.exit_status = SIGSEGV;
    check("crashed", "SIGSEGV");
    assert_int_equal(obituary.signal, SIGSEGV);
    slot.exit_status = 3 << EXIT_SHIFT;
    (void)snprintf(slot.note, sizeof slot.note, "out of memory");
    check("crashed", "code 3: out of memory");
    assert_int_equal(obituary.exit_code, 3);
    assert_int_equal(obituary.signal, 0);
    memset(slot.note, 'x', sizeof slot.note); // not terminated
    check("crashed", "code 3: xxx");
}

// PostgreSQL takes UTF-8 only: what is not would keep the slot unsettled for ever.
static void test_a_note_of_nonsense(void **state)
{
    (void)state;
    memset(slot.note, 0xfe, sizeof slot.note);
    check("crashed", "its worker was killed by SIGKILL");
    for (const char *at = obituary.message; *at != '\0'; at++) {
        assert_int_not_equal((unsigned char)*at, 0xfe);
    }
}

static void test_killed_for_this_run(void **state)
{
    (void)state;
    atomic_store(&slot.run_soft_at, atomic_load(&slot.run_started_at) + 900);
    stop(STOP_TIMEOUT, SERIAL, SERIAL);
    check("timeout", "900ms");
    stop(STOP_CANCEL, SERIAL, SERIAL);
    check("cancelled", "cancelled");
    stop(STOP_SHUTDOWN, SERIAL, SERIAL);
    check("released", "shut down");
    stop(STOP_FENCE, SERIAL, SERIAL);
    check("node_lost", "lease");
    stop(STOP_STUCK, SERIAL, SERIAL);
    check("crashed", "no progress");
    stop(STOP_OPERATOR, SERIAL, SERIAL);
    check("crashed", "ended by an operator");
    stop(STOP_TIMEOUT, SERIAL, 0); // it died of the soft stop
    slot.exit_status = SIGTERM;
    check("timeout", "timeout");
    atomic_store(&slot.run_soft_at, 0); // its handler had returned
    check("timeout", "what it said of it was lost");
}

// The SIGKILL for the run before came a moment too late: this run is not to blame.
static void test_killed_for_another_run(void **state)
{
    (void)state;
    stop(STOP_TIMEOUT, SERIAL - 1, SERIAL - 1);
    check("released", "another job");
    // Not by that kill: its own fault came first.
    slot.exit_status = SIGSEGV;
    check("crashed", "SIGSEGV");
}

// A stop that an earlier run obeyed explains nothing about this one.
static void test_old_stop_is_forgotten(void **state)
{
    (void)state;
    stop(STOP_CANCEL, SERIAL - 2, 0);
    check("crashed", "SIGKILL");
    stop(STOP_TIMEOUT, SERIAL - 1, 0);
    check("crashed", "SIGKILL");
}

static void test_process_stopped_before_any_run(void **state)
{
    (void)state;
    stop(STOP_FENCE, 0, 0);
    check("node_lost", "lease");
}

// The worker's kernel timer kills in silence.
static void test_kernel_timer(void **state)
{
    (void)state;
    int64_t now = clock_boot_ms();
    atomic_store(&slot.run_soft_at, now - 500);
    atomic_store(&slot.run_grace_ms, 200);
    check("timeout", "500ms");
    atomic_store(&slot.run_grace_ms, 60000);
    check("crashed", "SIGKILL");
}

// The other kernel timer: the node's lease.
static void test_lease_timer(void **state)
{
    (void)state;
    lease_until = clock_boot_ms() - 10;
    check("node_lost", "lease");
    slot.exit_status = SIGSEGV;
    check("crashed", "SIGSEGV");
    slot.exit_status = SIGKILL;
    lease_until = 0; // never had one
    check("crashed", "SIGKILL");
}

static void test_supervisor_gone(void **state)
{
    (void)state;
    slot.exit_status = 0;
    obituary_read(&obituary, &slot, true, lease_until);
    assert_string_equal(obituary.outcome, "node_lost");
    assert_int_equal(obituary.signal, 0);
    assert_int_equal(obituary.exit_code, -1);
    assert_int_equal(obituary.done_count, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_sorts_the_batch, setup),
        cmocka_unit_test_setup(test_trusts_nothing, setup),
        cmocka_unit_test_setup(test_crashes, setup),
        cmocka_unit_test_setup(test_a_note_of_nonsense, setup),
        cmocka_unit_test_setup(test_killed_for_this_run, setup),
        cmocka_unit_test_setup(test_killed_for_another_run, setup),
        cmocka_unit_test_setup(test_old_stop_is_forgotten, setup),
        cmocka_unit_test_setup(test_process_stopped_before_any_run, setup),
        cmocka_unit_test_setup(test_kernel_timer, setup),
        cmocka_unit_test_setup(test_lease_timer, setup),
        cmocka_unit_test_setup(test_supervisor_gone, setup),
    };
    return cmocka_run_group_tests_name("obituary", tests, NULL, NULL);
}
