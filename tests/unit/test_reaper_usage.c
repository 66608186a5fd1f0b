// SPDX-License-Identifier: MIT
// Usage: what the kernel says of processes, and shares between two readings.
#include "tests/support/unit.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/base/proc_stat.h"
#include "reaper/usage.h"

enum { TOUCHED_BYTES = 64 * 1024 * 1024, BURN_US = 100 * 1000, WAIT_MS = 10000 };

static void test_own_memory_and_time(void **state)
{
    (void)state;
    ProcStat before;
    ProcStat after;
    assert_true(proc_stat_read(getpid(), &before));
    assert_true(before.rss_bytes > INT64_C(100) * 1024);
    assert_int_equal(before.state, 'R');
    assert_int_equal(before.parent, getppid());
    assert_true(before.start_ticks > 0);
    char *memory = mmap(NULL, TOUCHED_BYTES, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
    assert_true(memory != MAP_FAILED);
    int64_t limit = clock_boot_ms() + WAIT_MS;
    do {
        assert_true(proc_stat_read(getpid(), &after));
    } while (after.cpu_us - before.cpu_us < BURN_US && clock_boot_ms() < limit);
    assert_in_range(after.rss_bytes - before.rss_bytes, TOUCHED_BYTES * 9 / 10, TOUCHED_BYTES * 3);
    assert_true(after.cpu_us - before.cpu_us >= BURN_US);
    (void)munmap(memory, TOUCHED_BYTES);
}

static void test_no_such_process(void **state)
{
    (void)state;
    ProcStat usage;
    pid_t pid = fork();
    if (pid == 0) {
        _exit(0);
    }
    assert_int_equal(waitpid(pid, NULL, 0), pid);
    assert_false(proc_stat_read(pid, &usage));
    assert_false(proc_stat_read(0, &usage));
    assert_false(proc_stat_read(-1, &usage));
}

static void test_shares(void **state)
{
    (void)state;
    UsageReading before = {.pid = 5, .cpu_us = 1000000, .at_us = 10000000};
    UsageReading after = {.pid = 5, .cpu_us = 2250000, .at_us = 15000000};
    assert_int_equal(usage_share(&before, &after), 250);
    after.pid = 6; // another process of the slot
    assert_int_equal(usage_share(&before, &after), USAGE_UNKNOWN);
    after.pid = 5;
    after.cpu_us = 999999; // another one of that number
    assert_int_equal(usage_share(&before, &after), USAGE_UNKNOWN);
    assert_int_equal(usage_share(&(UsageReading){0}, &after), USAGE_UNKNOWN);
    assert_int_equal(usage_share(&before, &before), USAGE_UNKNOWN);
}

static void test_whose(void **state)
{
    (void)state;
    static UsageWatch watch;
    Scoreboard *board = NULL;
    UsageReport report;
    assert_int_equal(scoreboard_create(&board, 5), STATUS_OK);
    scoreboard_header(board)->supervisor_pid = getpid();
    for (int i = 0; i < 5; i++) {
        Slot *slot = scoreboard_slot(board, i);
        atomic_store(&slot->life, i == 3 ? SLOT_DEAD : SLOT_SPAWNED);
        atomic_store(&slot->pid, getpid());
        atomic_store(&slot->worker_id, i == 1 ? 41 : 0);
    }
    usage_read(&watch, board,
               &report); // supervisor, reaper, worker 41, api; not the unregistered, not the dead
    assert_int_equal(report.ids.count, 4);
    assert_int_equal(report.rss.count, 4);
    usage_report_free(&report);
    assert_int_equal(watch.slots[1].pid, getpid());
    assert_int_equal(watch.slots[2].pid, 0);
    scoreboard_destroy(board);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_own_memory_and_time),
        cmocka_unit_test(test_no_such_process),
        cmocka_unit_test(test_shares),
        cmocka_unit_test(test_whose),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
