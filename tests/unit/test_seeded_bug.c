// SPDX-License-Identifier: MIT
// Tests of the seeded bugs: only the one that is asked for is there, and a name that nobody knows is refused.
#include "common/base/seeded_bug.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/base/exit_code.h"
#include "tests/support/unit.h"

enum { HAS_NONE = 40, HAS_THIS = 41, HAS_OTHER = 42 };

// What a child sees under GANGER_SEEDED_BUG=name.
static int run_with(const char *name)
{
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        (void)close(STDERR_FILENO);
        (void)setenv("GANGER_SEEDED_BUG", name, 1);
        if (SEEDED_BUG("live_backend")) {
            _exit(HAS_THIS);
        }
        _exit(SEEDED_BUG("commit_unfenced") ? HAS_OTHER : HAS_NONE);
    }
    int status = 0;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static void test_seeded_bug(void **state)
{
    (void)state;
#ifdef GANGER_FAULT_POINTS
    assert_int_equal(run_with("live_backend"), HAS_THIS);
    assert_int_equal(run_with("commit_unfenced"), HAS_OTHER);
    assert_int_equal(run_with("life_backend"), EXIT_CODE_USAGE);
#else
    assert_int_equal(run_with("live_backend"), HAS_NONE);
#endif
    assert_int_equal(run_with(""), HAS_NONE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_seeded_bug)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
