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

// Everything in one go.
static void find_nothing(Stage *stage)
{
    for (size_t i = 0; i < scenario_count; i++) {
        scenarios[i].play(stage);
    }
    ChaosVerdict verdict = {.is_reported = true};
    chaos_check(stage_conn(stage), stage_folder(stage), &verdict);
    assert_int_equal(verdict.broken, 0);
}

static void test_seeded_bugs(void **state)
{
    (void)state;
    int missed = 0;
    Stage *stage = stage_create();
    find_nothing(stage);
    stage_seed(stage, "none");
    stage_heal(stage);
    for (size_t i = 0; i < scenario_count; i++) {
        stage_seed(stage, scenarios[i].bug);
        scenarios[i].play(stage);
        ChaosVerdict verdict = {.is_reported = false};
        chaos_check(stage_conn(stage), stage_folder(stage), &verdict);
        stage_heal(stage);
        if (!is_refuted(&verdict, scenarios[i].promise)) {
            (void)fprintf(stderr, "%s: promise %s was not refuted, but: %s\n", scenarios[i].bug,
                          scenarios[i].promise, verdict.names);
            missed++;
        }
    }
    stage_destroy(stage);
    (void)fprintf(stderr, "seeded bugs: %zu of %zu found\n", scenario_count - (size_t)missed,
                  scenario_count);
    assert_int_equal(missed, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_seeded_bugs),
    };
    return cmocka_run_group_tests_name("seeded bugs", tests, NULL, NULL);
}
