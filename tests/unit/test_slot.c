// SPDX-License-Identifier: MIT
// Slot: since when a batch has made no progress.
#include "tests/support/unit.h"

#include <string.h>

#include "common/base/scoreboard.h"

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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_from_the_claim_on, setup),
        cmocka_unit_test_setup(test_from_the_last_start_on, setup),
        cmocka_unit_test_setup(test_from_the_last_end_on, setup),
    };
    return cmocka_run_group_tests_name("slot", tests, NULL, NULL);
}
