// SPDX-License-Identifier: MIT
// Tests of blame: which option a refused value came from; and of the script of the migrations.
#include "cli/blame.h"

#include <stdlib.h>

#include "cli/migrate_script.h"
#include "tests/support/unit.h"

static void expect(const CommandLine *line, const char *sqlstate, const char *message, OptionId id)
{
    assert_int_equal(blame_option(line, sqlstate, message), id);
}

static void test_parameter_in_the_message(void **state)
{
    (void)state;
    CommandLine line = {.values = {[OPT_PRIORITY] = "99999", [OPT_MAX_ATTEMPTS] = "3"}};
    expect(&line, "22003", "priority must be between -32768 and 32767, not 99999", OPT_PRIORITY);
    expect(&line, "22003", "max_attempts must be between 1 and 1000, not 0", OPT_MAX_ATTEMPTS);
    expect(&line, "22023", "filter.priority: no", OPT_PRIORITY);
    expect(&line, "22003", "options: priority must be between", OPT_PRIORITY);
    // Not given on this command line, so not to be blamed.
    expect(&line, "22023", "timeout must be more than zero, not 00:00:00", OPT_COUNT);
    expect(&line, "42P01", "priority", OPT_COUNT);
}

static void test_instants(void **state)
{
    (void)state;
    CommandLine line = {.values = {[OPT_SINCE] = "yesterdy", [OPT_UNTIL] = "2030-13-01"}};
    expect(&line, "22008", "date/time field value out of range: \"2030-13-01\"", OPT_UNTIL);
    expect(&line, "22007", "invalid input syntax for type timestamp: \"yesterdy\"", OPT_SINCE);
    expect(&line, "22007", "something else", OPT_COUNT);
}

static void test_json(void **state)
{
    (void)state;
    CommandLine line = {.values = {[OPT_SET] = "{}"}};
    expect(&line, "22023", "changes: unknown key \"a\"", OPT_SET);
}

static void test_bound_statement(void **state)
{
    (void)state;
    static const char *const values[] = {"1", "'a'"};
    StrBuf out = {0};
    migrate_script_bind(&out, "values ($1, $2, $3) $", values, 2);
    assert_string_equal(out.text, "values (1, 'a', $3) $");
    strbuf_free(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_parameter_in_the_message),
        cmocka_unit_test(test_instants),
        cmocka_unit_test(test_json),
        cmocka_unit_test(test_bound_statement),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
