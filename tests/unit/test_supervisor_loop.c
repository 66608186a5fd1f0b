// SPDX-License-Identifier: MIT
// The loop as a whole: start, respawn, crash loops, what systemd is told.
#include "tests/support/gang.h"

#include <stddef.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>

static bool has_died(Gang *gang)
{
    return gang_child(gang, 1)->life != CHILD_ALIVE || gang_child(gang, 1)->generation > 1;
}

static void test_respawns_a_killed_worker(void **state)
{
    (void)state;
    Gang gang;
    gang_begin(&gang, "idle", TWO_WORKERS);
    gang_wait(&gang, has_two_workers, 10000);
    assert_int_equal(kill(gang_child(&gang, 1)->pid, SIGKILL), 0);
    gang_wait_unaided(&gang, has_died, 1000);
    gang_wait_unaided(&gang, has_two_workers, 1000);
    assert_int_equal(kill(gang_child(&gang, 0)->pid, SIGKILL), 0);
    gang_end(&gang);
}

static void test_respawns_a_killed_reaper(void **state)
{
    (void)state;
    Gang gang;
    gang_begin(&gang, "idle", TWO_WORKERS);
    gang_wait(&gang, has_two_workers, 10000);
    assert_int_equal(kill(gang_child(&gang, 0)->pid, SIGKILL), 0);
    gang_wait_unaided(&gang, has_new_reaper, 1000);
    assert_int_equal(gang_count_workers(&gang), 2);
    gang_end(&gang);
}

// A reload may meet a reaper that has just been forked: the signal waits for its handler.
static void test_hang_up_meets_a_reaper_being_born(void **state)
{
    (void)state;
    Gang gang;
    gang_begin(&gang, "idle", TWO_WORKERS);
    supervisor_step(gang.supervisor);
    assert_int_equal(kill(gang_child(&gang, 0)->pid, SIGHUP), 0);
    gang_wait(&gang, has_new_reaper, 5000);
    assert_int_equal(gang.supervisor->services.rows[0].restart.failures, 0);
    gang_end(&gang);
}

static bool is_degraded(Gang *gang)
{
    return gang->supervisor->services.rows[1].restart.degraded;
}

static bool has_recovered(Gang *gang)
{
    return !is_degraded(gang) && gang_count_workers(gang) == 2;
}

// Stands in for systemd's socket, under a name that needs no file; to be called before the supervisor is made.
static int listen_for_notices(void)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    char name[64];
    int length = snprintf(name, sizeof name, "@ganger-test-%d", (int)getpid());
    memcpy(&address.sun_path[1], &name[1], (size_t)length - 1);
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    assert_true(fd >= 0);
    assert_int_equal(bind(fd, (const struct sockaddr *)&address,
                          (socklen_t)(offsetof(struct sockaddr_un, sun_path) + (size_t)length)),
                     0);
    (void)setenv("NOTIFY_SOCKET", name, 1);
    return fd;
}

// How many of the notices that have come begin like this; the others are forgotten.
static int take_notices(int fd, const char *start)
{
    char text[1024];
    int count = 0;
    for (ssize_t got; (got = recv(fd, text, sizeof text - 1, 0)) > 0;) {
        text[got] = '\0';
        count += strncmp(text, start, strlen(start)) == 0;
    }
    return count;
}

// What systemd had no room for is said again.
static void test_notices_are_repeated_until_taken(void **state)
{
    (void)state;
    Gang gang;
    int fd = listen_for_notices();
    gang_begin(&gang, "idle", TWO_WORKERS);
    while (sd_notify_send(&gang.supervisor->notify, "FILL=1\n")) {
    }
    gang.supervisor->notify.watchdog_ms = 1;
    gang_wait(&gang, gang_is_ready, 10000);
    supervisor_step(gang.supervisor);
    assert_int_equal(gang.supervisor->fed_at, 0);
    assert_true(take_notices(fd, "FILL=1") > 0);
    supervisor_step(gang.supervisor);
    assert_true(gang.supervisor->fed_at > 0);
    assert_int_equal(take_notices(fd, "READY=1"), 1);
    gang_end(&gang);
    close(fd);
}

static const char TWO_POOLS[] = "pools: {good: {processes: 1}, bad: {processes: 1}}\n";

static bool has_good_worker(Gang *gang)
{
    return gang_child(gang, 1)->is_ready && gang_child(gang, 2)->generation > 0;
}

// As long as it is not ready, systemd is asked for patience; one pool that cannot start is no reason to wait for ever.
static void test_ready_without_a_degraded_pool(void **state)
{
    (void)state;
    Gang gang;
    int fd = listen_for_notices();
    gang_begin(&gang, "good_pool_idle", TWO_POOLS);
    gang_wait(&gang, has_good_worker, 10000);
    assert_false(gang_is_ready(&gang));
    assert_in_range(take_notices(fd, "EXTEND_TIMEOUT_USEC="), 1, 10);
    gang_wait(&gang, gang_is_ready, 10000);
    assert_true(gang.supervisor->services.rows[2].restart.degraded);
    assert_int_equal(take_notices(fd, "READY=1"), 1);
    gang.supervisor->extended_at = 0;
    supervisor_step(gang.supervisor);
    assert_int_equal(take_notices(fd, "EXTEND_TIMEOUT_USEC="), 0);
    gang_end(&gang);
    close(fd);
}

static void test_crash_loop_is_throttled(void **state)
{
    (void)state;
    Gang gang;
    gang_begin(&gang, "stillborn", TWO_WORKERS);
    int64_t began = clock_boot_ms();
    gang_wait(&gang, is_degraded, 10000);
    // Five deaths, two at a time: three waves with two pauses between them.
    assert_true(clock_boot_ms() - began >= 50 + 100);
    int slots = 0;
    for (int i = 1; i < scoreboard_api_slot(gang.supervisor->shared.board); i++) {
        slots += (int)gang_child(&gang, i)->generation;
    }
    assert_in_range(slots, 5, 6);

    // It heals by itself once a worker finishes a job.
    (void)setenv("FAKE_WORKER", "quick_death", 1);
    gang_wait(&gang, has_recovered, 10000);
    gang_end(&gang);
}

enum { WORKERS = 2 };

// Killed by its own timer: nobody has asked for it, and nothing is wrong with it.
static void end_by_lease(Gang *gang)
{
    siginfo_t info;
    // A successor may have another slot, and the pid of who is dead is 0: that would be all of us.
    for (int i = 1; i < scoreboard_api_slot(gang->supervisor->shared.board); i++) {
        if (gang_child(gang, i)->life != CHILD_ALIVE) {
            continue;
        }
        pid_t pid = gang_child(gang, i)->pid;
        assert_true(pid > 0);
        assert_int_equal(kill(pid, SIGKILL), 0);
        assert_int_equal(waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT), 0);
    }
    atomic_store(&scoreboard_header(gang->supervisor->shared.board)->lease_until,
                 clock_boot_ms() - 1);
}

static bool has_no_worker(Gang *gang)
{
    return gang_count_workers(gang) == 0;
}

static bool has_both_workers(Gang *gang)
{
    int ready = 0;
    for (int i = 1; i < scoreboard_api_slot(gang->supervisor->shared.board); i++) {
        ready += gang_child(gang, i)->life == CHILD_ALIVE && gang_child(gang, i)->is_ready;
    }
    return ready == WORKERS;
}

static void test_deaths_by_lease_are_no_crash_loop(void **state)
{
    (void)state;
    Gang gang;
    gang_begin(&gang, "deaf", TWO_WORKERS);
    for (int i = 0; i < RESTART_WINDOW_DEATHS; i++) {
        gang_wait(&gang, has_both_workers, 10000);
        end_by_lease(&gang);
        gang_wait(&gang, has_no_worker, 5000);
        assert_false(is_degraded(&gang));
        atomic_store(&scoreboard_header(gang.supervisor->shared.board)->lease_until,
                     clock_boot_ms() + 10000);
    }
    gang_end(&gang);
}

static void test_refusal_ends_it(void **state)
{
    (void)state;
    Gang gang;
    gang_begin(&gang, "refused", TWO_WORKERS);
    gang_wait(&gang, gang_is_done, 10000);
    assert_int_equal(gang.supervisor->exit_code, EXIT_CODE_CONFIG);
    gang_end(&gang);
}

static bool has_second_worker(Gang *gang)
{
    int generations = 0;
    for (int i = 1; i < scoreboard_api_slot(gang->supervisor->shared.board); i++) {
        generations += (int)gang_child(gang, i)->generation;
    }
    return generations > 2;
}

static void test_handler_cannot_refuse_the_configuration(void **state)
{
    (void)state;
    Gang gang;
    gang_begin(&gang, "exits_78", TWO_WORKERS);
    gang_wait(&gang, has_second_worker, 10000);
    assert_int_equal(gang.supervisor->phase, SHUTDOWN_NONE);
    gang_end(&gang);
}

static bool has_report(Gang *gang)
{
    char line[64];
    bool found = false;
    FILE *file = fopen(gang->trace, "r");
    while (file != NULL && fgets(line, sizeof line, file) != NULL) {
        found = found || strcmp(line, "end\n") == 0;
    }
    if (file != NULL) {
        (void)fclose(file);
    }
    return found;
}

static void test_what_a_worker_inherits(void **state)
{
    (void)state;
    Gang gang;
    char text[2048] = "";
    int leak = dup(STDERR_FILENO); // not close-on-exec

    gang_begin(&gang, "report", "pools: {default: {processes: 1}}\n");
    gang_wait(&gang, has_report, 10000);
    FILE *file = fopen(gang.trace, "r");
    assert_non_null(file);
    assert_true(fread(text, 1, sizeof text - 1, file) > 0);
    (void)fclose(file);
    assert_string_equal(text, "fd 0\nfd 1\nfd 2\nfd 3\nfd 4\nfd 5\nfd 6\nfd 7\nfd 8\n"
                              "pdeathsig 15\ngroup 1\nterm_blocked 0\nno_new_privs 0\n"
                              "oom_score_adj 800\nend\n");
    close(leak);
    gang_end(&gang);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_respawns_a_killed_worker),
        cmocka_unit_test(test_respawns_a_killed_reaper),
        cmocka_unit_test(test_hang_up_meets_a_reaper_being_born),
        cmocka_unit_test(test_crash_loop_is_throttled),
        cmocka_unit_test(test_notices_are_repeated_until_taken),
        cmocka_unit_test(test_ready_without_a_degraded_pool),
        cmocka_unit_test(test_deaths_by_lease_are_no_crash_loop),
        cmocka_unit_test(test_refusal_ends_it),
        cmocka_unit_test(test_handler_cannot_refuse_the_configuration),
        cmocka_unit_test(test_what_a_worker_inherits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
