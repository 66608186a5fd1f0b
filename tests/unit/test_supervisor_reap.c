// SPDX-License-Identifier: MIT
// Reaping: nothing of a dead worker lives when its obituary is posted, and nothing is left in us.
#include "tests/support/gang.h"

#include <dirent.h>
#include <sys/wait.h>

static const char ONE_WORKER[] = "pools: {default: {processes: 1}}\n";

static bool is_dead(Gang *gang)
{
    // The successor may have its slot already, before anybody has looked.
    return atomic_load(&gang_slot(gang, 1)->life) == SLOT_DEAD ||
           atomic_load(&gang_slot(gang, 1)->generation) > 1;
}

static bool has_three_descendants(Gang *gang)
{
    return gang_is_running(gang) && gang_count_lines(gang->trace) == 3;
}

static bool is_settled(Gang *gang)
{
    Slot *slot = gang_slot(gang, 1);
    return atomic_load(&slot->settled_generation) == 1;
}

static void assert_all_gone(const char *path)
{
    char line[64];
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    while (fgets(line, sizeof line, file) != NULL) {
        assert_int_not_equal(kill((pid_t)strtol(line, NULL, 10), 0), 0);
    }
    (void)fclose(file);
}

static void test_descendants_are_gone_before_the_obituary(void **state)
{
    (void)state;
    Gang gang;
    gang_begin(&gang, "parent", ONE_WORKER);
    gang_wait(&gang, has_three_descendants, 10000);

    (void)setenv("FAKE_WORKER", "idle", 1);
    assert_int_equal(kill(gang_child(&gang, 1)->pid, SIGKILL), 0);
    gang_wait_unaided(&gang, is_dead, 2000);
    assert_all_gone(gang.trace);
    gang_wait(&gang, is_settled, 2000);
    // The fake reaper has looked for itself, the moment it saw the obituary.
    assert_int_equal(gang_count_lines(gang.survivors), 0);
    gang_end(&gang);
}

static void test_obituary_tells_how(void **state)
{
    (void)state;
    Gang gang;
    gang_begin(&gang, "deaf", ONE_WORKER);
    (void)setenv("FAKE_NO_SETTLE", "1",
                 1); // no successor takes the slot before it has been looked at
    gang_wait(&gang, gang_is_running, 10000);
    assert_int_equal(kill(gang_child(&gang, 1)->pid, SIGSEGV), 0);
    assert_int_equal(kill(gang_child(&gang, 1)->pid, SIGKILL), 0);
    gang_wait_unaided(&gang, is_dead, 2000);
    Slot *slot = gang_slot(&gang, 1);
    assert_true(WIFSIGNALED(slot->exit_status));
    assert_true(slot->max_rss_bytes > 0);
    assert_true(slot->cpu_us >= 0);
    // What it was doing stays readable for the reaper.
    assert_int_equal(slot->batch[0].job_id, 4711);
    assert_int_equal(atomic_load(&slot->kill_serial), 0);
    gang_end(&gang);
}

static void test_nonsense_is_not_summed_up(void **state)
{
    (void)state;
    Gang gang;
    gang_begin(&gang, "deaf", ONE_WORKER);
    gang_wait(&gang, gang_is_running, 10000);
    atomic_store(&gang_slot(&gang, 1)->jobs_done, INT64_MAX);
    assert_int_equal(kill(gang_child(&gang, 1)->pid, SIGKILL), 0);
    gang_wait_unaided(&gang, is_dead, 2000);
    assert_true(gang.supervisor->services.rows[1].jobs_finished <= INT64_C(1) << 40);
    gang_end(&gang);
}

static bool died_often(Gang *gang)
{
    return gang_child(gang, 0)->generation >= 1 &&
           gang->supervisor->services.rows[1].jobs_finished >= 300;
}

static int count_fds(void)
{
    int count = 0;
    DIR *folder = opendir("/proc/self/fd");
    assert_non_null(folder);
    while (readdir(folder) != NULL) {
        count++;
    }
    closedir(folder);
    return count;
}

static long resident_pages(void)
{
    char text[128] = "";
    FILE *file = fopen("/proc/self/statm", "r");
    assert_non_null(file);
    assert_non_null(fgets(text, sizeof text, file));
    (void)fclose(file);
    char *second = strchr(text, ' ');
    assert_non_null(second);
    return second == NULL ? 0 : strtol(second, NULL, 10);
}

// The address sanitizer keeps freed memory to itself for a while; it looks for leaks on its own.
#ifdef __SANITIZE_ADDRESS__
enum { RESIDENT_IS_TOLD = false };
#else
enum { RESIDENT_IS_TOLD = true };
#endif

// Deaths leave neither fds nor memory behind; the number is small so that the test is quick.
static void test_deaths_leave_nothing(void **state)
{
    (void)state;
    Gang gang;
    gang_begin(&gang, "recycled", "pools: {default: {processes: 4}}\n");
    gang_wait(&gang, gang_is_ready, 10000);
    int fds = count_fds();
    long pages = resident_pages();
    gang_wait(&gang, died_often, 60000);
    assert_int_equal(count_fds(), fds);
    if (RESIDENT_IS_TOLD) {
        assert_in_range(resident_pages(), 1, pages + 128);
    }
    gang_end(&gang);
}

static bool has_no_orphans(Gang *gang)
{
    (void)gang;
    pid_t pids[16];
    return proc_children(pids, 16) == 2;
}

// An orphan that is nobody's worker is waited for, but a live worker's family is left alone.
static void test_live_families_are_left_alone(void **state)
{
    (void)state;
    Gang gang;
    gang_begin(&gang, "parent", ONE_WORKER);
    gang_wait(&gang, has_three_descendants, 10000);
    pid_t stranger = fork();
    if (stranger == 0) {
        _exit(0);
    }
    gang_wait(&gang, has_no_orphans, 2000);
    char line[64];
    FILE *file = fopen(gang.trace, "r");
    assert_non_null(file);
    while (fgets(line, sizeof line, file) != NULL) {
        assert_int_equal(kill((pid_t)strtol(line, NULL, 10), 0), 0);
    }
    (void)fclose(file);
    gang_end(&gang);
    gang_make_folder(&gang);
    gang_remove_folder(&gang);
}

static bool has_second_worker(Gang *gang)
{
    return gang_count_workers(gang) == 1 && gang_child(gang, 1)->generation +
                                                    gang_child(gang, 2)->generation +
                                                    gang_child(gang, 3)->generation ==
                                                2;
}

// Children from before: a log shipper that the shell started ahead of `exec gangerd`.
static void test_inherited_children_are_left_alone(void **state)
{
    (void)state;
    Gang gang;
    pid_t shipper = fork();
    if (shipper == 0) {
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
        for (;;) {
            (void)pause();
        }
    }
    gang_begin(&gang, "deaf", ONE_WORKER);
    gang_wait(&gang, gang_is_running, 10000);
    assert_int_equal(kill(gang_child(&gang, 1)->pid, SIGKILL), 0);
    gang_wait(&gang, has_second_worker, 5000);
    reap_everything(gang.supervisor);
    assert_int_equal(waitpid(shipper, NULL, WNOHANG), 0);
    assert_int_equal(kill(shipper, SIGKILL), 0);
    int64_t until = clock_boot_ms() + 2000;
    while (gang.supervisor->inherited_count > 0 && clock_boot_ms() < until) {
        reap_dead(gang.supervisor, clock_boot_ms());
    }
    assert_int_equal(gang.supervisor->inherited_count, 0); // dead: its number is free again
    gang_end(&gang);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_descendants_are_gone_before_the_obituary),
        cmocka_unit_test(test_obituary_tells_how),
        cmocka_unit_test(test_nonsense_is_not_summed_up),
        cmocka_unit_test(test_deaths_leave_nothing),
        cmocka_unit_test(test_live_families_are_left_alone),
        cmocka_unit_test(test_inherited_children_are_left_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
