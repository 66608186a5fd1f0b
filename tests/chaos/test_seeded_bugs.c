// SPDX-License-Identifier: MIT
// Does the checker see? Each bug is put in, its scenario is played, and the checker must refute the promise that it breaks; without a bug it
// must find nothing in any of them.
#include "tests/support/unit.h"

#include <stdio.h>
#include <string.h>

#include "tests/chaos/chaos_check.h"
#include "tests/chaos/scenario.h"

// Is this one of the promises broken? Its number ends at a space: I1 is not I12.
static bool is_refuted(const ChaosVerdict *verdict, const char *promise)
{
    char wanted[32];
    (void)snprintf(wanted, sizeof wanted, "%s ", promise);
    for (const char *line = verdict->names; line != NULL && *line != '\0';) {
        if (strncmp(line, wanted, strlen(wanted)) == 0) {
            return true;
        }
        line = strchr(line, '\n');
        line = line != NULL ? line + 1 : NULL;
    }
    return false;
}

static void test_nothing_is_found_without_a_bug(void **state)
{
    (void)state;
    Stage *stage = stage_create();
    for (size_t i = 0; i < scenario_count; i++) {
        scenarios[i].play(stage);
    }
    ChaosVerdict verdict = {.is_reported = true};
    chaos_check(stage_conn(stage), stage_folder(stage), &verdict);
    stage_destroy(stage);
    assert_int_equal(verdict.broken, 0);
}

static void test_each_bug_is_found(void **state)
{
    (void)state;
    int missed = 0;
    for (size_t i = 0; i < scenario_count; i++) {
        Stage *stage = stage_create();
        stage_seed(stage, scenarios[i].bug);
        scenarios[i].play(stage);
        ChaosVerdict verdict = {.is_reported = false};
        chaos_check(stage_conn(stage), stage_folder(stage), &verdict);
        stage_destroy(stage);
        if (!is_refuted(&verdict, scenarios[i].promise)) {
            (void)fprintf(stderr, "%s: promise %s was not refuted, but: %s\n", scenarios[i].bug,
                          scenarios[i].promise, verdict.names);
            missed++;
        }
    }
    (void)fprintf(stderr, "seeded bugs: %zu of %zu found\n", scenario_count - (size_t)missed,
                  scenario_count);
    assert_int_equal(missed, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nothing_is_found_without_a_bug),
        cmocka_unit_test(test_each_bug_is_found),
    };
    return cmocka_run_group_tests_name("seeded bugs", tests, NULL, NULL);
}
