// SPDX-License-Identifier: MIT
// Wake: whom new work rouses, also when somebody called before does not get up.
#include "tests/support/unit.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/base/inherited_fd.h"
#include "common/base/log.h"
#include "reaper/node.h"
#include "reaper/wake.h"

enum { SLOTS = 4, WORKERS = SLOTS - 1 }; // and one slot more, the API's

static Scoreboard *board;
static Reaper reaper;
static PoolConfig pool;
static Config config;

// All workers idle, each with its eventfd.
static int setup(void **state)
{
    (void)state;
    assert_int_equal(scoreboard_create(&board, SLOTS + 1), STATUS_OK);
    config.pools = &pool;
    config.pool_count = 1;
    memset(&reaper, 0, sizeof reaper);
    reaper.config = &config;
    reaper.board = board;
    reaper.header = scoreboard_header(board);
    for (int i = 1; i < SLOTS; i++) {
        Slot *slot = scoreboard_slot(board, i);
        atomic_store(&slot->life, SLOT_SPAWNED);
        atomic_store(&slot->state, SLOT_IDLE);
        atomic_store(&slot->state_serial, 3);
        int fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
        assert_int_equal(dup3(fd, FD_SLOT_WAKE_BASE + i, O_CLOEXEC), FD_SLOT_WAKE_BASE + i);
        (void)close(fd);
    }
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    for (int i = 1; i < SLOTS; i++) {
        (void)close(FD_SLOT_WAKE_BASE + i);
    }
    scoreboard_destroy(board);
    return 0;
}

static int calls(int slot)
{
    uint64_t count = 0;
    return read(FD_SLOT_WAKE_BASE + slot, &count, sizeof count) == (ssize_t)sizeof count
               ? (int)count
               : 0;
}

static void go_idle(int index)
{
    Slot *slot = scoreboard_slot(board, index);
    atomic_fetch_add(&slot->state_serial, 2); // up, and idle again
}

static void test_one_after_the_other(void **state)
{
    (void)state;
    for (int i = 1; i <= WORKERS; i++) {
        wake_workers(&reaper, NULL, 1);
        for (int j = 1; j <= WORKERS; j++) {
            assert_int_equal(calls(j), j == i ? 1 : 0);
        }
    }
    wake_workers(&reaper, NULL, 1); // all are getting up
    assert_int_equal(calls(1) + calls(2) + calls(3), 0);
    assert_int_equal(atomic_load(&reaper.header->work_counter), WORKERS + 1);
}

// Twice idle within the same millisecond: it did get up for the first call.
static void test_idle_again_at_once(void **state)
{
    (void)state;
    wake_workers(&reaper, NULL, 1);
    assert_int_equal(calls(1), 1);
    go_idle(1);
    wake_workers(&reaper, NULL, 1);
    assert_int_equal(calls(1), 1);
    assert_int_equal(calls(2), 0);
}

// One that stands still is called again, but takes no call from another.
static void test_one_that_does_not_get_up(void **state)
{
    (void)state;
    wake_workers(&reaper, NULL, 1);
    assert_int_equal(calls(1), 1);
    reaper.woken_at[1] -= 1000;
    wake_workers(&reaper, NULL, 1);
    assert_int_equal(calls(1), 1);
    assert_int_equal(calls(2), 1);
}

static int64_t flood(int64_t now)
{
    for (int i = 1; i <= 15; i++) {
        assert_false(wake_is_flooded(&reaper));
        reaper.next_scan_at = now + 500;
        wake_on_call(&reaper, "default", now);
    }
    assert_true(wake_is_flooded(&reaper));
    assert_int_equal(reaper.next_scan_at, 0); // told at once
    return now;
}

// How often workers are woken in a flood that begins at `now`, until it is over. `does_start`: each time, a job starts.
static int turns_of_flood(int64_t now, bool does_start)
{
    int turns = 0;
    for (int64_t end = now + 1020; wake_next_turn(&reaper) != INT64_MAX; turns++) {
        now = wake_next_turn(&reaper);
        assert_true(now <= end);
        long long counter = atomic_load(&reaper.header->work_counter);
        wake_in_flood(&reaper, now - 1); // not before its time
        assert_true(atomic_load(&reaper.header->work_counter) == counter);
        reaper.next_scan_at = now + 500;
        wake_in_flood(&reaper, now);
        assert_true(atomic_load(&reaper.header->work_counter) == counter + 1);
        atomic_fetch_add(&scoreboard_slot(board, 2)->run_serial, does_start ? 1 : 0);
    }
    assert_int_equal(reaper.next_scan_at, 0);
    assert_false(wake_is_flooded(&reaper));
    return turns;
}

// Enqueuers that call without end are asked to be quiet, and the workers are woken by the clock instead; then they may call again.
static void test_flood(void **state)
{
    (void)state;
    int64_t now = 5000;
    for (int i = 1; i < 50; i++, now += 8) { // never so many in a window
        wake_on_call(&reaper, "default", now);
        assert_false(wake_is_flooded(&reaper));
    }
    assert_true(wake_next_turn(&reaper) == INT64_MAX);
    assert_int_equal(turns_of_flood(flood(now + 1000), true), 200);
}

// Where no job is found the clock is slower, and as fast as before with the next one.
static void test_a_flood_for_others(void **state)
{
    (void)state;
    assert_in_range(turns_of_flood(flood(5000), false), 50, 70);
    assert_in_range(turns_of_flood(flood(7000), false), 40, 60);
    atomic_fetch_add(&scoreboard_slot(board, 1)->run_serial, 1);
    assert_int_equal(turns_of_flood(flood(9000), true), 200);
}

// While workers pause between claims, one that does so will come by: another one is not woken in its place, unless it stands still.
static void test_one_that_collects(void **state)
{
    (void)state;
    Slot *slot = scoreboard_slot(board, 2);
    int64_t now = clock_boot_ms();
    atomic_store(&slot->state, SLOT_COLLECTING);
    atomic_store(&slot->changed_at, now);
    wake_workers(&reaper, NULL, 1);
    assert_int_equal(calls(1),
                     1); // there are no pauses, so it has just been seen at the end of one
    reaper.pace.is_on = true;
    go_idle(1);
    atomic_store(&slot->changed_at, clock_boot_ms() + 60000);
    wake_workers(&reaper, NULL, 1);
    assert_int_equal(calls(1) + calls(2) + calls(3), 0);
    wake_workers(&reaper, NULL, 2); // two, of which it is one
    assert_int_equal(calls(1) + calls(3), 1);
    atomic_store(&slot->changed_at, now - 1000);
    go_idle(1);
    wake_workers(&reaper, NULL, 1);
    assert_int_equal(calls(1), 1);
}

// Enough claims of few jobs each, and workers are told to pause, enqueuers to be quiet; idle workers are woken by the clock.
static void test_a_stream_is_paced(void **state)
{
    (void)state;
    Slot *slot = scoreboard_slot(board, 1);
    int64_t now = 5000;
    wake_in_flood(&reaper, now);
    for (int i = 0; i < CLAIM_PACE_WINDOW_MS; i++) {
        assert_int_equal(atomic_load(&reaper.header->claim_pace_ms), 0);
        assert_false(wake_is_flooded(&reaper));
        atomic_fetch_add(&slot->jobs_done, 5);
        atomic_fetch_add(&slot->batch_serial, 1);
        reaper.next_scan_at = now + 500;
        wake_in_flood(&reaper, ++now);
    }
    assert_int_equal(atomic_load(&reaper.header->claim_pace_ms), CLAIM_PACE_MS);
    assert_true(wake_is_flooded(&reaper));
    assert_int_equal(reaper.next_scan_at, 0);
    assert_true(wake_next_turn(&reaper) == now + CLAIM_PACE_MS);
    wake_in_flood(&reaper, now + CLAIM_PACE_MS);
    assert_int_equal(calls(1), 1);
    wake_in_flood(&reaper, now + CLAIM_PACE_WINDOW_MS); // nothing has come
    assert_int_equal(atomic_load(&reaper.header->claim_pace_ms), 0);
    assert_false(wake_is_flooded(&reaper));
    assert_true(wake_next_turn(&reaper) == INT64_MAX);
}

static void test_how_long_a_supervisor_may_be_silent(void **state)
{
    (void)state;
    assert_int_equal(node_silence_ms(50000), 15000);
    assert_int_equal(node_silence_ms(600000), 15000);
    assert_int_equal(node_silence_ms(30000), 9000);
    assert_int_equal(node_silence_ms(700), NODE_SILENCE_MIN_MS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_one_after_the_other, setup, teardown),
        cmocka_unit_test_setup_teardown(test_idle_again_at_once, setup, teardown),
        cmocka_unit_test_setup_teardown(test_one_that_does_not_get_up, setup, teardown),
        cmocka_unit_test_setup_teardown(test_flood, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_flood_for_others, setup, teardown),
        cmocka_unit_test_setup_teardown(test_one_that_collects, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_stream_is_paced, setup, teardown),
        cmocka_unit_test(test_how_long_a_supervisor_may_be_silent),
    };
    return cmocka_run_group_tests_name("wake", tests, NULL, NULL);
}
