// SPDX-License-Identifier: MIT
// Tests of what a run keeps of steps: what a handler holds stays, what nobody holds goes.
#include "worker/job_memory.h"

#include <stdlib.h>

#include "common/base/memory.h"
#include "tests/support/unit.h"

static void test_steps_by_name(void **state)
{
    (void)state;
    JobMemory memory = {0};
    assert_null(job_memory_find(&memory, "a"));
    char *empty = job_memory_json(&memory);
    assert_string_equal(empty, "{}");
    free(empty);
    job_memory_add(&memory, "a", mem_strdup("1"));
    job_memory_put(&memory, "b\"", mem_strdup("[2]"));
    job_memory_put(&memory, "a", mem_strdup("3"));
    assert_string_equal(job_memory_find(&memory, "a"), "3");
    assert_null(job_memory_find(&memory, "A"));
    char *json = job_memory_json(&memory);
    assert_string_equal(json, "{\"a\": 3, \"b\\\"\": [2]}");
    free(json);
    job_memory_free(&memory);
}

static void test_what_was_found_stays(void **state)
{
    (void)state;
    JobMemory memory = {0};
    job_memory_put(&memory, "a", mem_strdup("1"));
    const char *first = job_memory_find(&memory, "a");
    job_memory_put(&memory, "a", mem_strdup("2"));
    const char *second = job_memory_find(&memory, "a");
    job_memory_put(&memory, "a", mem_strdup("3"));
    assert_string_equal(first, "1");
    assert_string_equal(second, "2");
    assert_string_equal(job_memory_find(&memory, "a"), "3");
    job_memory_free(&memory);
}

// A job may put a step for each of a million things it does.
static void test_what_was_not_found_goes(void **state)
{
    (void)state;
    JobMemory memory = {0};
    for (int i = 0; i < 1000; i++) {
        job_memory_put(&memory, "cursor", mem_printf("%d", i));
    }
    assert_int_equal(memory.kept_count, 0);
    assert_int_equal(memory.count, 1);
    assert_string_equal(job_memory_find(&memory, "cursor"), "999");
    job_memory_free(&memory);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_steps_by_name),
        cmocka_unit_test(test_what_was_found_stays),
        cmocka_unit_test(test_what_was_not_found_goes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
