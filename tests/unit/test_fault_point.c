// SPDX-License-Identifier: MIT
// Tests of the fault points: which passing strikes, how, and once among respawned processes.
#include "common/base/fault_point.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/base/exit_code.h"
#include "tests/support/unit.h"

enum { PASSED_ALL = 42, PASSED_WITH_ERROR = 43, PASSES = 3 };

// Passes two points three times in a child under `spec`; returns its wait status.
static int run_with(const char *spec, const char *once, int wait_flags)
{
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        (void)close(STDERR_FILENO);
        (void)setenv("GANGER_FAULT", spec, 1);
        if (once != NULL) {
            (void)setenv("GANGER_FAULT_ONCE", once, 1);
        }
        bool is_failed = false;
        for (int i = 0; i < PASSES; i++) {
            is_failed = FAULT_ERROR(claim) || is_failed;
            FAULT_POINT(slot_filled);
        }
        _exit(is_failed ? PASSED_WITH_ERROR : PASSED_ALL);
    }
    int status = 0;
    assert_int_equal(waitpid(pid, &status, wait_flags), pid);
    if (WIFSTOPPED(status)) {
        (void)kill(pid, SIGKILL);
        assert_int_equal(waitpid(pid, NULL, 0), pid);
    }
    return status;
}

static void assert_exit(int status, int code)
{
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), code);
}

#ifdef GANGER_FAULT_POINTS

static void assert_killed(int status)
{
    assert_true(WIFSIGNALED(status));
    assert_int_equal(WTERMSIG(status), SIGKILL);
}

static void test_actions(void **state)
{
    (void)state;
    assert_killed(run_with("claim:1:kill", NULL, 0));
    assert_exit(run_with("claim:3:exit", NULL, 0), EXIT_CODE_FAILED);
    int status = run_with("claim:2:stop", NULL, WUNTRACED);
    assert_true(WIFSTOPPED(status));
    int64_t start = clock_boot_ms();
    assert_exit(run_with("claim:2:sleep=60", NULL, 0), PASSED_ALL);
    assert_true(clock_boot_ms() - start >= 60);
}

static void test_error(void **state)
{
    (void)state;
    assert_exit(run_with("claim:3:error", NULL, 0), PASSED_WITH_ERROR);
    assert_exit(run_with("claim:4:error", NULL, 0), PASSED_ALL);
}

// What was given up is left alone; what is registered is cut, and stays open.
static void test_drop(void **state)
{
    int kept[2];
    int given_up[2];
    char byte = 0;
    (void)state;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, kept), 0);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, given_up), 0);
    FAULT_ADD_SOCKET(kept[0]);
    FAULT_ADD_SOCKET(given_up[0]);
    FAULT_REMOVE_SOCKET(given_up[0]);
    assert_exit(run_with("slot_filled:2:drop", NULL, 0), PASSED_ALL);
    FAULT_REMOVE_SOCKET(kept[0]);
    assert_int_equal(recv(kept[1], &byte, 1, MSG_DONTWAIT), 0);
    assert_int_equal(recv(given_up[1], &byte, 1, MSG_DONTWAIT), -1);
    assert_int_equal(fcntl(kept[0], F_GETFD), 0);
    for (int i = 0; i < 2; i++) {
        (void)close(kept[i]);
        (void)close(given_up[i]);
    }
}

static void test_hits(void **state)
{
    (void)state;
    assert_exit(run_with("", NULL, 0), PASSED_ALL);
    assert_exit(run_with("claim:4:kill", NULL, 0), PASSED_ALL);
    assert_exit(run_with("slot_filling:1:kill", NULL, 0), PASSED_ALL);
    assert_killed(run_with("slot_filling:1:kill,slot_filled:3:kill", NULL, 0));
}

static void test_misspelt_specs_are_loud(void **state)
{
    (void)state;
    const char *const specs[] = {"claim",
                                 "claim:1",
                                 "claim:x:kill",
                                 "claim:1:explode",
                                 ":1:kill",
                                 "claim:-1:kill",
                                 "claim:1:kill,",
                                 "claim:1:sleep=",
                                 "claim::kill",
                                 "claim:1:sleep=x",
                                 "claim:1:kill:2",
                                 "nowhere:1:kill",
                                 "slot_filled:1:error"};
    for (size_t i = 0; i < sizeof specs / sizeof specs[0]; i++) {
        assert_exit(run_with(specs[i], NULL, 0), EXIT_CODE_USAGE);
    }
}

static void test_once(void **state)
{
    (void)state;
    char path[] = "/tmp/ganger-fault-XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    (void)close(fd);
    assert_killed(run_with("claim:1:kill", path, 0));
    assert_int_not_equal(access(path, F_OK), 0);
    assert_exit(run_with("claim:1:kill", path, 0), PASSED_ALL);
    // Of two faults each has a file of its own.
    char own[64];
    (void)snprintf(own, sizeof own, "%s.slot_filled", path);
    fd = open(own, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    (void)close(fd);
    assert_killed(run_with("claim:1:kill,slot_filled:1:kill", path, 0));
    assert_int_not_equal(access(own, F_OK), 0);
    assert_exit(run_with("claim:1:kill,slot_filled:1:kill", path, 0), PASSED_ALL);
}

#else

static void test_compiled_out(void **state)
{
    (void)state;
    assert_exit(run_with("claim:1:kill", NULL, 0), PASSED_ALL);
}

#endif

int main(void)
{
    const struct CMUnitTest tests[] = {
#ifdef GANGER_FAULT_POINTS
        cmocka_unit_test(test_actions),
        cmocka_unit_test(test_error),
        cmocka_unit_test(test_drop),
        cmocka_unit_test(test_hits),
        cmocka_unit_test(test_misspelt_specs_are_loud),
        cmocka_unit_test(test_once),
#else
        cmocka_unit_test(test_compiled_out),
#endif
    };
    return cmocka_run_group_tests_name("fault_point", tests, NULL, NULL);
}
