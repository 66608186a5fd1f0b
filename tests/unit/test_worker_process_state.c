// SPDX-License-Identifier: MIT
// ProcessState: what a plugin changed is put back or noticed, wherever the worker was started. Each case is a process of its own, as the
// first look is made once.
#include "worker/process_state.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/base/inherited_fd.h"
#include "common/base/memory.h"
#include "tests/support/unit.h"

enum { NOBODY = 65534, MANY = 1000, PATIENCE_MS = 20000 };

#define EXPECT(number, condition)                                                                  \
    if (!(condition)) {                                                                            \
        return number;                                                                             \
    }

// Its exit code says which check failed; 0 = none.
static int in_child(int (*check)(void))
{
    (void)fflush(NULL);
    const pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        const int event = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
        if (event != FD_WAKE && dup3(event, FD_WAKE, O_CLOEXEC) != FD_WAKE) {
            _exit(255);
        }
        _exit(check());
    }
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
}

static bool is_at(const char *folder)
{
    char now[4096];
    return getcwd(now, sizeof now) != NULL && str_equal(now, folder);
}

// As a gangerd that root has started in a folder of its own.
static bool enter_closed_folder(void)
{
    char folder[] = "/tmp/ganger_state.XXXXXX";
    bool ok = mkdtemp(folder) != NULL && chdir(folder) == 0 && chmod(folder, 0) == 0 &&
              rmdir(folder) == 0;
    if (geteuid() == 0) {
        ok = ok && setgroups(0, NULL) == 0 && setgid(NOBODY) == 0 && setuid(NOBODY) == 0;
    }
    return ok && open(".", O_PATH | O_DIRECTORY) < 0 && errno == EACCES;
}

static int check_closed_folder(void)
{
    EXPECT(1, enter_closed_folder());
    process_state_take();
    process_state_put_back(0);
    EXPECT(2, process_state_spoiled() == NULL);
    EXPECT(3, is_at("/"));
    EXPECT(4, chdir("/proc") == 0);
    process_state_put_back(0);
    EXPECT(5, process_state_spoiled() == NULL);
    EXPECT(6, is_at("/"));
    return 0;
}

static void test_folder_that_cannot_be_opened(void **state)
{
    (void)state;
    assert_int_equal(in_child(check_closed_folder), 0);
}

static int check_all_is_put_back(void)
{
    EXPECT(1, chdir("/usr") == 0);
    (void)umask(027);
    process_state_take();
    for (int i = 0; i < MANY; i++) {
        EXPECT(2, chdir("/proc") == 0);
        (void)umask(0);
        (void)alarm(100);
        sigset_t all;
        sigfillset(&all);
        EXPECT(3, sigprocmask(SIG_BLOCK, &all, NULL) == 0);
        process_state_put_back(0);
        EXPECT(4, is_at("/usr"));
        EXPECT(5, umask(027) == 027);
        EXPECT(6, alarm(0) == 0);
        sigset_t now;
        EXPECT(7, sigprocmask(SIG_BLOCK, NULL, &now) == 0 && sigismember(&now, SIGTERM) == 0);
        EXPECT(8, process_state_spoiled() == NULL);
    }
    return 0;
}

static void test_all_is_put_back(void **state)
{
    (void)state;
    assert_int_equal(in_child(check_all_is_put_back), 0);
}

static bool halve(__rlimit_resource_t resource, struct rlimit *before)
{
    struct rlimit limit;
    if (getrlimit(resource, before) != 0) {
        return false;
    }
    limit = *before;
    limit.rlim_cur = limit.rlim_cur == RLIM_INFINITY ? RLIM_INFINITY / 2 : limit.rlim_cur / 2;
    return setrlimit(resource, &limit) == 0;
}

static bool is_back(__rlimit_resource_t resource, const struct rlimit *before)
{
    struct rlimit now;
    return getrlimit(resource, &now) == 0 && now.rlim_cur == before->rlim_cur &&
           now.rlim_max == before->rlim_max;
}

// However quickly run follows run.
static int check_urgent_limits(void)
{
    static const __rlimit_resource_t urgent[] = {RLIMIT_CPU,   RLIMIT_AS,   RLIMIT_NOFILE,
                                                 RLIMIT_FSIZE, RLIMIT_DATA, RLIMIT_STACK,
                                                 RLIMIT_NPROC};
    enum { URGENT = sizeof urgent / sizeof urgent[0] };
    process_state_take();
    for (int i = 0; i < MANY; i++) {
        struct rlimit before;
        const __rlimit_resource_t resource = urgent[i % URGENT];
        EXPECT(1, halve(resource, &before));
        process_state_put_back(0);
        EXPECT(2 + i % URGENT, is_back(resource, &before));
    }
    return 0;
}

static void test_urgent_limits(void **state)
{
    (void)state;
    assert_int_equal(in_child(check_urgent_limits), 0);
}

// Changed right after a look at all: found by the next look, and at once after a run that took its time.
static int check_rare_limits(void)
{
    static const __rlimit_resource_t rare[] = {RLIMIT_MEMLOCK, RLIMIT_SIGPENDING, RLIMIT_MSGQUEUE};
    process_state_take();
    for (size_t i = 0; i < sizeof rare / sizeof rare[0]; i++) {
        struct rlimit before;
        process_state_put_back(0);
        EXPECT(1, halve(rare[i], &before));
        process_state_put_back(0);
        const int64_t until = clock_boot_ms() + PATIENCE_MS;
        while (!is_back(rare[i], &before) && clock_boot_ms() < until) {
            EXPECT(2, process_state_spoiled() == NULL);
        }
        EXPECT(3, is_back(rare[i], &before));
        EXPECT(4, halve(rare[i], &before));
        const int64_t start_us = clock_boot_us();
        while (clock_boot_us() - start_us < PROCESS_STATE_RARE_US) {
        }
        process_state_put_back(0);
        EXPECT(5, is_back(rare[i], &before));
    }
    return 0;
}

static void test_rare_limits(void **state)
{
    (void)state;
    assert_int_equal(in_child(check_rare_limits), 0);
}

static bool is_spoiled_by(const char *why)
{
    return process_state_spoiled() != NULL && str_equal(process_state_spoiled(), why);
}

static int check_files(void)
{
    const struct rlimit limit = {.rlim_cur = 100, .rlim_max = 100};
    EXPECT(1, setrlimit(RLIMIT_NOFILE, &limit) == 0);
    process_state_take();
    for (int i = 0; i < 40; i++) { // leaked one by one, and there is room
        EXPECT(2, open("/", O_PATH | O_CLOEXEC) >= 0);
        process_state_put_back(0);
        EXPECT(3, process_state_spoiled() == NULL);
    }
    while (open("/", O_PATH | O_CLOEXEC) < PROCESS_STATE_FILES_PERCENT) {
    }
    process_state_put_back(0);
    EXPECT(4, is_spoiled_by("files"));
    return 0;
}

// The same number of files is too many for a handler with a limit of its own.
static int check_files_of_handler(void)
{
    process_state_take();
    while (open("/", O_PATH | O_CLOEXEC) < 60) {
    }
    process_state_put_back(0);
    EXPECT(1, process_state_spoiled() == NULL);
    process_state_put_back(70);
    EXPECT(2, is_spoiled_by("files"));
    return 0;
}

static void test_files(void **state)
{
    (void)state;
    assert_int_equal(in_child(check_files), 0);
    assert_int_equal(in_child(check_files_of_handler), 0);
}

// Measured, not judged: the figure of docs/decisions/0009-short-runs.md.
static int measure(void)
{
    process_state_take();
    double best_us = 1e9;
    for (int round = 0; round < 5; round++) {
        const int64_t start_us = clock_boot_us();
        for (int i = 0; i < 10 * MANY; i++) {
            process_state_put_back(0);
        }
        const double took_us = (double)(clock_boot_us() - start_us) / (10 * MANY);
        best_us = took_us < best_us ? took_us : best_us;
    }
    print_message("put back after a run that made a system call: %.2f us\n", best_us);
    (void)fflush(NULL);
    return process_state_spoiled() == NULL ? 0 : 1;
}

static void test_cost(void **state)
{
    (void)state;
    assert_int_equal(in_child(measure), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_folder_that_cannot_be_opened),
        cmocka_unit_test(test_all_is_put_back),
        cmocka_unit_test(test_urgent_limits),
        cmocka_unit_test(test_rare_limits),
        cmocka_unit_test(test_files),
        cmocka_unit_test(test_cost),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
