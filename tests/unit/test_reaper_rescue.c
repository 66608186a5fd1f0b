// SPDX-License-Identifier: MIT
// Rescue: since when a batch has made no progress, and when that is too long.
#include "tests/support/unit.h"

#include <string.h>

#include "reaper/rescue.h"

static Slot slot;

static int setup(void **state)
{
    (void)state;
    memset(&slot, 0, sizeof slot);
    atomic_store(&slot.batch_count, 3);
    atomic_store(&slot.batch_started_at, 1000);
    return 0;
}

static void test_from_the_claim_on(void **state)
{
    (void)state;
    assert_int_equal(slot_last_progress_at(&slot), 1000);
    atomic_store(&slot.run_started_at, 500); // of the batch before
    assert_int_equal(slot_last_progress_at(&slot), 1000);
}

static void test_from_the_last_start_on(void **state)
{
    (void)state;
    atomic_store(&slot.run_started_at, 1200);
    slot.batch[0].ended_us = 1100000;
    entry_set_state(&slot.batch[0], ENTRY_DONE);
    assert_int_equal(slot_last_progress_at(&slot), 1200);
}

// A job has ended and its result is being written: its neighbours wait just as long.
static void test_from_the_last_end_on(void **state)
{
    (void)state;
    atomic_store(&slot.run_started_at, 1200);
    slot.batch[1].ended_us = 1300000;
    entry_set_state(&slot.batch[1], ENTRY_DONE);
    assert_int_equal(slot_last_progress_at(&slot), 1300);
    entry_set_state(&slot.batch[1], ENTRY_WRITTEN);
    assert_int_equal(slot_last_progress_at(&slot), 1300);
    slot.batch[2].ended_us = 9999000; // of an earlier batch in the same place
    entry_set_state(&slot.batch[2], ENTRY_UNSTARTED);
    assert_int_equal(slot_last_progress_at(&slot), 1300);
}

// Due while something waits, also when nothing runs; not while the worker writes the results of a whole batch.
static void test_when_it_is_due(void **state)
{
    (void)state;
    int64_t late = 1000 + RESCUE_AFTER_MS;
    assert_false(rescue_is_due(&slot, late)); // nothing in it
    entry_set_state(&slot.batch[0], ENTRY_UNSTARTED);
    assert_true(rescue_is_due(&slot, late));
    assert_false(rescue_is_due(&slot, late - 1));
    entry_set_state(&slot.batch[0], ENTRY_RUNNING);
    assert_true(rescue_is_due(&slot, late));
    entry_set_state(&slot.batch[0], ENTRY_DONE);
    assert_false(rescue_is_due(&slot, late));
    entry_set_state(&slot.batch[1], ENTRY_RETURNING);
    assert_true(rescue_is_due(&slot, late));
    entry_set_state(&slot.batch[1], ENTRY_RETURNED);
    assert_false(rescue_is_due(&slot, late));
}

// Both would write the same: the one that comes second finds the rows locked, and puts its results off.
static void test_worker_that_gives_back_itself_is_let_be(void **state)
{
    (void)state;
    static const SlotState settling[] = {SLOT_CLAIMING, SLOT_STOPPING};
    entry_set_state(&slot.batch[0], ENTRY_RETURNING);
    for (size_t i = 0; i < sizeof settling / sizeof *settling; i++) {
        atomic_store(&slot.state, (int)settling[i]);
        assert_false(rescue_is_due(&slot, 1000 + RESCUE_SETTLING_MS - 1));
        assert_true(rescue_is_due(&slot, 1000 + RESCUE_SETTLING_MS));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_from_the_claim_on, setup),
        cmocka_unit_test_setup(test_from_the_last_start_on, setup),
        cmocka_unit_test_setup(test_from_the_last_end_on, setup),
        cmocka_unit_test_setup(test_when_it_is_due, setup),
        cmocka_unit_test_setup(test_worker_that_gives_back_itself_is_let_be, setup),
    };
    return cmocka_run_group_tests_name("rescue", tests, NULL, NULL);
}
