// SPDX-License-Identifier: MIT
// Stopping: deadlines hold to the millisecond that counts, and a stop meets only the run it was meant for.
#include "tests/support/gang.h"

#include <sys/wait.h>

#include "supervisor/stop.h"

enum { LATE_MS = 500 }; // what a loaded machine may add

static const char ONE_WORKER[] = "pools: {default: {processes: 1}}\n"
                                 "supervisor: {kill_grace: 100ms, shutdown_timeout: 300ms}\n";

static bool is_dead(Gang *gang)
{
    return atomic_load(&gang_slot(gang, 1)->life) == SLOT_DEAD;
}

static bool is_second_run(Gang *gang)
{
    return atomic_load(&gang_slot(gang, 1)->run_serial) >= 2 && gang_is_running(gang);
}

static void limit_runs(const char *soft_ms, const char *grace_ms)
{
    (void)setenv("FAKE_SOFT_MS", soft_ms, 1);
    (void)setenv("FAKE_GRACE_MS", grace_ms, 1);
}

// The dead worker's slot stays as it is: no successor takes it before it has been looked at.
static void keep_the_dead(void)
{
    (void)setenv("FAKE_NO_SETTLE", "1", 1);
}

static void expect_death_at(const char *mode, const char *soft_ms, const char *grace_ms,
                            int64_t after_ms)
{
    Gang gang;
    gang_begin(&gang, mode, ONE_WORKER);
    keep_the_dead();
    limit_runs(soft_ms, grace_ms);
    gang_wait_unaided(&gang, is_dead, 10000);
    Slot *slot = gang_slot(&gang, 1);
    int64_t lived = clock_boot_ms() - atomic_load(&slot->run_started_at);
    assert_in_range(lived, after_ms, after_ms + LATE_MS);
    assert_true(WIFSIGNALED(slot->exit_status));
    assert_int_equal(WTERMSIG(slot->exit_status), SIGKILL);
    assert_int_equal(atomic_load(&slot->kill_serial), 1);
    assert_int_equal(atomic_load(&slot->stop_serial), 1);
    assert_int_equal(atomic_load(&slot->stop_cause), STOP_TIMEOUT);
    gang_end(&gang);
}

static void test_deaf_child_dies_after_its_grace(void **state)
{
    (void)state;
    expect_death_at("deaf", "150", "200", 350);
}

static void test_no_grace(void **state)
{
    (void)state;
    expect_death_at("deaf", "150", "0", 150);
}

static void test_stopped_child_dies(void **state)
{
    (void)state;
    expect_death_at("stopped", "150", "100", 250);
}

static void test_stop_does_not_meet_the_next_run(void **state)
{
    (void)state;
    Gang gang;
    gang_begin(&gang, "obedient", ONE_WORKER);
    limit_runs("50", "50");
    gang_wait(&gang, is_second_run, 10000);
    int64_t second_began = clock_boot_ms();
    while (clock_boot_ms() < second_began + 300) {
        gang_wait(&gang, gang_is_running, 1000);
    }
    assert_int_equal(atomic_load(&gang_slot(&gang, 1)->generation), 1);
    assert_int_equal(atomic_load(&gang_slot(&gang, 1)->stop_serial), 1);
    assert_int_equal(atomic_load(&gang_slot(&gang, 1)->kill_serial), 0);
    gang_end(&gang);
}

static void test_cancel(void **state)
{
    (void)state;
    Gang gang;
    gang_begin(&gang, "deaf", ONE_WORKER);
    keep_the_dead();
    limit_runs("0", "80");
    gang_wait(&gang, gang_is_running, 10000);
    Slot *slot = gang_slot(&gang, 1);
    int64_t cancelled = clock_boot_ms();
    atomic_store(&slot->cancel_serial, 1);
    shared_wake(gang.supervisor->shared.supervisor_wake);
    gang_wait_unaided(&gang, is_dead, 2000);
    assert_in_range(clock_boot_ms() - cancelled, 80, 80 + LATE_MS);
    assert_int_equal(atomic_load(&slot->stop_cause), STOP_CANCEL);
    gang_end(&gang);
}

static bool has_new_worker(Gang *gang)
{
    for (int i = 1; i < scoreboard_api_slot(gang->supervisor->shared.board); i++) {
        if (gang_child(gang, i)->life == CHILD_ALIVE && gang_child(gang, i)->node_id == 2) {
            return true;
        }
    }
    return false;
}

static void test_lost_lease_kills_at_once(void **state)
{
    (void)state;
    Gang gang;
    gang_begin(&gang, "deaf", ONE_WORKER);
    gang_wait(&gang, gang_is_running, 10000);
    int64_t until = clock_boot_ms() + 100;
    atomic_store(&scoreboard_header(gang.supervisor->shared.board)->lease_until, until);
    shared_wake(gang.supervisor->shared.supervisor_wake);
    gang_wait_unaided(&gang, is_dead, 2000);
    assert_in_range(clock_boot_ms() - until, 0, LATE_MS);
    assert_int_equal(atomic_load(&gang_slot(&gang, 1)->stop_cause), STOP_FENCE);
    supervisor_step(gang.supervisor);
    assert_int_equal(gang_count_workers(&gang), 0);

    // A new incarnation of the node works again.
    ScoreboardHeader *header = scoreboard_header(gang.supervisor->shared.board);
    atomic_store(&header->lease_until, clock_boot_ms() + 10000);
    atomic_store(&header->node_id, 2);
    gang_wait(&gang, has_new_worker, 5000);
    gang_end(&gang);
}

static void test_new_incarnation_replaces_workers(void **state)
{
    (void)state;
    Gang gang;
    gang_begin(&gang, "deaf", ONE_WORKER);
    gang_wait(&gang, gang_is_running, 10000);
    atomic_store(&scoreboard_header(gang.supervisor->shared.board)->node_id, 2);
    gang_wait(&gang, has_new_worker, 5000);
    assert_int_equal(gang_count_workers(&gang), 1);
    gang_end(&gang);
}

static bool is_worker_stopped(Gang *gang)
{
    siginfo_t info = {.si_pid = 0};
    return gang_is_ready(gang) &&
           waitid(P_PID, (id_t)gang_child(gang, 1)->pid, &info, WSTOPPED | WNOHANG | WNOWAIT) ==
               0 &&
           info.si_pid != 0;
}

static void test_hung_worker_is_killed(void **state)
{
    (void)state;
    Gang gang;
    gang_begin(&gang, "stopped_idle", ONE_WORKER);
    keep_the_dead();
    gang_wait(&gang, is_worker_stopped, 10000);
    supervisor_step(gang.supervisor); // has now seen its last sign of life
    gang_child(&gang, 1)->sign.silent_ms = WATCHDOG_HUNG_MS - 1;
    gang_wait_unaided(&gang, is_dead, 5000);
    assert_int_equal(WTERMSIG(gang_slot(&gang, 1)->exit_status), SIGKILL);
    assert_int_equal(atomic_load(&gang_slot(&gang, 1)->stop_cause), STOP_STUCK);
    gang_end(&gang);
}

// The time of the first SIGKILL stands however often it is repeated, and systemd is told what is waited for.
static void test_unkillable_worker_is_told(void **state)
{
    (void)state;
    Gang gang;
    gang_begin(&gang, "idle", ONE_WORKER);
    gang_wait(&gang, gang_is_ready, 10000);
    int64_t now = clock_boot_ms();
    Child *child = gang_child(&gang, 1);
    pid_t pid = child->pid;
    child->pid = 0x7fffffff; // of nobody: SIGKILL does not end it
    child->killed = STOP_STUCK;
    child->killed_at = now - WATCHDOG_UNKILLABLE_MS;
    child->kill_sent_at = now - STOP_KILL_AGAIN_MS;
    gang.supervisor->notify.watchdog_ms = 10;
    gang.supervisor->fed_at = 0;
    supervisor_step(gang.supervisor);
    assert_int_equal(child->killed_at, now - WATCHDOG_UNKILLABLE_MS);
    assert_true(child->kill_sent_at >= now);
    assert_non_null(strstr(gang.supervisor->status, "waiting for the killed process 2147483647"));
    assert_int_equal(gang.supervisor->fed_at, 0);
    child->pid = pid;
    child->killed = STOP_NONE;
    supervisor_step(gang.supervisor);
    assert_null(strstr(gang.supervisor->status, "waiting"));
    assert_true(gang.supervisor->fed_at >= now);
    gang_end(&gang);
}

static void test_unregistered_node_starts_no_worker(void **state)
{
    (void)state;
    Gang gang;
    gang_begin(&gang, "idle", ONE_WORKER);
    (void)setenv("FAKE_NO_NODE", "1", 1);
    supervisor_step(gang.supervisor);
    int64_t until = clock_boot_ms() + 200;
    while (clock_boot_ms() < until) {
        ev_run(gang.supervisor->loop, EVRUN_ONCE);
        supervisor_step(gang.supervisor);
    }
    assert_int_equal(gang_count_workers(&gang), 0);
    assert_int_equal(gang_child(&gang, 0)->life, CHILD_ALIVE);
    gang_end(&gang);
}

static void test_shutdown_stops_then_kills(void **state)
{
    (void)state;
    Gang gang;
    gang_begin(&gang, "deaf", ONE_WORKER);
    limit_runs("0", "60000"); // more than the shutdown grants
    gang_wait(&gang, gang_is_running, 10000);
    int64_t asked = clock_boot_ms();
    assert_int_equal(raise(SIGTERM), 0);
    gang_wait_unaided(&gang, is_dead, 5000);
    assert_in_range(clock_boot_ms() - asked, 400, 400 + LATE_MS);
    assert_int_equal(atomic_load(&gang_slot(&gang, 1)->stop_cause), STOP_SHUTDOWN);
    gang_wait_unaided(&gang, gang_is_done, 5000);
    assert_int_equal(gang.supervisor->exit_code, EXIT_CODE_OK);
    gang_end(&gang);
}

static bool is_being_stopped(Gang *gang)
{
    return gang_child(gang, 1)->stop.serial != 0;
}

// A job whose time was up before everything was told to end has timed out, also when the shutdown is what kills it.
static void test_shutdown_keeps_the_cause_of_a_stop(void **state)
{
    (void)state;
    Gang gang;
    gang_begin(&gang, "deaf", ONE_WORKER);
    limit_runs("50", "60000");
    gang_wait(&gang, is_being_stopped, 10000);
    assert_int_equal(raise(SIGQUIT), 0);
    gang_wait_unaided(&gang, is_dead, 5000);
    const Slot *slot = gang_slot(&gang, 1);
    assert_int_equal(atomic_load(&slot->stop_cause), STOP_TIMEOUT);
    assert_int_equal(atomic_load(&slot->stop_serial), 1);
    assert_int_equal(atomic_load(&slot->kill_serial), 1);
    gang_wait_unaided(&gang, gang_is_done, 5000);
    gang_end(&gang);
}

// "deaf" ends by SIGKILL only: after its own grace, not after the whole of the shutdown's.
static void test_shutdown_honours_the_grace_of_a_job(void **state)
{
    (void)state;
    Gang gang;
    gang_begin(&gang, "deaf",
               "pools: {default: {processes: 1}}\n"
               "supervisor: {kill_grace: 30s, shutdown_timeout: 30s}\n");
    keep_the_dead();
    limit_runs("0", "100");
    gang_wait(&gang, gang_is_running, 10000);
    gang.supervisor->config->shutdown_timeout_ms = 0;
    int64_t asked = clock_boot_ms();
    assert_int_equal(raise(SIGTERM), 0);
    gang_wait_unaided(&gang, is_dead, 5000);
    assert_in_range(clock_boot_ms() - asked, 100, 100 + LATE_MS);
    assert_int_equal(atomic_load(&gang_slot(&gang, 1)->stop_cause), STOP_SHUTDOWN);
    gang_end(&gang);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_deaf_child_dies_after_its_grace),
        cmocka_unit_test(test_no_grace),
        cmocka_unit_test(test_stopped_child_dies),
        cmocka_unit_test(test_stop_does_not_meet_the_next_run),
        cmocka_unit_test(test_cancel),
        cmocka_unit_test(test_lost_lease_kills_at_once),
        cmocka_unit_test(test_new_incarnation_replaces_workers),
        cmocka_unit_test(test_hung_worker_is_killed),
        cmocka_unit_test(test_unkillable_worker_is_told),
        cmocka_unit_test(test_unregistered_node_starts_no_worker),
        cmocka_unit_test(test_shutdown_stops_then_kills),
        cmocka_unit_test(test_shutdown_keeps_the_cause_of_a_stop),
        cmocka_unit_test(test_shutdown_honours_the_grace_of_a_job),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
