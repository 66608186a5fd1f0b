// SPDX-License-Identifier: MIT
// Shutdown plan: the whole way down, patient and in a hurry.
#include "tests/support/unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/memory.h"
#include "supervisor/shutdown_plan.h"

static ShutdownView busy_view(void)
{
    return (ShutdownView){.since = 1000,
                          .now = 1000,
                          .workers = 2,
                          .unsettled = 2,
                          .api = true,
                          .reaper = true,
                          .postgres = true,
                          .shutdown_timeout_ms = 25000,
                          .kill_grace_ms = 5000};
}

static ShutdownPhase walk(ShutdownPhase phase, ShutdownView *view)
{
    ShutdownStep step = shutdown_plan_step(phase, view);
    if (step.phase == phase) {
        view->now = step.look_at;
        step = shutdown_plan_step(phase, view);
    }
    view->since = view->now;
    return step.phase;
}

static void test_nobody_obeys(void **state)
{
    (void)state;
    static const ShutdownPhase expected[] = {
        SHUTDOWN_STOP,          SHUTDOWN_KILL,   SHUTDOWN_SETTLE,      SHUTDOWN_API,
        SHUTDOWN_API_KILL,      SHUTDOWN_REAPER, SHUTDOWN_REAPER_KILL, SHUTDOWN_POSTGRES,
        SHUTDOWN_POSTGRES_QUIT, SHUTDOWN_DONE,
    };
    ShutdownView view = busy_view();
    ShutdownPhase phase = SHUTDOWN_DRAIN;

    for (size_t i = 0; i < sizeof expected / sizeof expected[0]; i++) {
        phase = walk(phase, &view);
        assert_int_equal(phase, expected[i]);
        if (phase == SHUTDOWN_STOP) {
            assert_int_equal(view.now, 1000 + 25000);
        } else if (phase == SHUTDOWN_KILL) {
            assert_int_equal(view.now, 1000 + 25000 + 5000);
        }
    }
}

static int64_t unit_stop_timeout_ms(void)
{
    static const char key[] = "TimeoutStopSec=";
    const char *tests = strstr(__FILE__, "tests/unit/");
    assert_non_null(tests);
    char *path = mem_printf("%.*sconf/ganger.service", (int)(tests - __FILE__), __FILE__);
    FILE *file = fopen(path, "re");
    char line[256];
    int64_t limit_ms = 0;
    assert_non_null(file);
    while (fgets(line, sizeof line, file) != NULL) {
        if (strncmp(line, key, strlen(key)) == 0) {
            limit_ms = strtoll(line + strlen(key), NULL, 10) * 1000;
        }
    }
    (void)fclose(file);
    free(path);
    return limit_ms;
}

// systemd must not kill a shutdown that is going by its plan, however badly.
static void test_unit_waits_for_the_worst(void **state)
{
    (void)state;
    ShutdownView view = busy_view();
    view.postgres = false; // only `ganger dev` has one
    for (ShutdownPhase phase = SHUTDOWN_DRAIN; phase != SHUTDOWN_DONE;) {
        phase = walk(phase, &view);
    }
    int64_t worst_ms = view.now - 1000;
    assert_in_range(worst_ms, 30000,
                    25000 + 5000 + 25000); // docs/operating.md: 30 s beyond the options
    assert_true(worst_ms + 5000 < unit_stop_timeout_ms());
}

static void test_everybody_obeys(void **state)
{
    (void)state;
    ShutdownView view = busy_view();

    view.workers = 0;
    assert_int_equal(shutdown_plan_step(SHUTDOWN_DRAIN, &view).phase, SHUTDOWN_SETTLE);
    view.unsettled = 0;
    assert_int_equal(shutdown_plan_step(SHUTDOWN_SETTLE, &view).phase, SHUTDOWN_API);
    view.api = false;
    assert_int_equal(shutdown_plan_step(SHUTDOWN_API, &view).phase, SHUTDOWN_REAPER);
    view.reaper = false;
    assert_int_equal(shutdown_plan_step(SHUTDOWN_REAPER, &view).phase, SHUTDOWN_POSTGRES);
    view.postgres = false;
    assert_int_equal(shutdown_plan_step(SHUTDOWN_POSTGRES, &view).phase, SHUTDOWN_DONE);
}

static void test_hurry_kills_at_once(void **state)
{
    (void)state;
    ShutdownView view = busy_view();

    view.hurry = true;
    assert_int_equal(shutdown_plan_step(SHUTDOWN_DRAIN, &view).phase, SHUTDOWN_KILL);
    assert_int_equal(shutdown_plan_step(SHUTDOWN_STOP, &view).phase, SHUTDOWN_KILL);
    assert_int_equal(shutdown_plan_step(SHUTDOWN_KILL, &view).phase, SHUTDOWN_KILL);
}

static void test_ends_stay(void **state)
{
    (void)state;
    ShutdownView view = busy_view();

    view.workers = 0;
    assert_int_equal(shutdown_plan_step(SHUTDOWN_NONE, &view).phase, SHUTDOWN_NONE);
    assert_int_equal(shutdown_plan_step(SHUTDOWN_DONE, &view).phase, SHUTDOWN_DONE);
    assert_string_equal(shutdown_plan_name(SHUTDOWN_DRAIN), "drain");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nobody_obeys),    cmocka_unit_test(test_unit_waits_for_the_worst),
        cmocka_unit_test(test_everybody_obeys), cmocka_unit_test(test_hurry_kills_at_once),
        cmocka_unit_test(test_ends_stay),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
