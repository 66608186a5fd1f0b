// SPDX-License-Identifier: MIT
// Tests of the command line: words, values, what is refused and what is suggested.
#include <stdlib.h>

#include "cli/option_table.h"
#include "tests/support/unit.h"

enum { ARGV_MAX = 16 };

// Splits `text` at spaces into argv, after the program's name.
static int split(char *text, char **argv)
{
    static char program[] = "ganger";
    int argc = 0;
    char *rest = text;
    argv[argc++] = program;
    for (char *word = strsep(&rest, " "); word && argc < ARGV_MAX; word = strsep(&rest, " ")) {
        argv[argc++] = word;
    }
    return argc;
}

static void expect_problem(const char *words, const char *problem)
{
    char *argv[ARGV_MAX];
    char *text = mem_strdup(words);
    CommandLine line;
    StrBuf said = {0};
    int argc = split(text, argv);
    assert_int_equal(command_line_parse(&line, argc, argv, &said), STATUS_REFUSED);
    assert_string_equal(said.text, problem);
    strbuf_free(&said);
    command_line_free(&line);
    free(text);
}

static CommandLine parse(char *text)
{
    static char *argv[ARGV_MAX];
    CommandLine line;
    StrBuf said = {0};
    int argc = split(text, argv);
    if (command_line_parse(&line, argc, argv, &said) != STATUS_OK) {
        fail_msg("%s", said.text);
    }
    strbuf_free(&said);
    return line;
}

static void test_command_and_options(void **state)
{
    (void)state;
    char text[] = "jobs --json list --status failed -n5 --queue=a=b";
    CommandLine line = parse(text);
    assert_string_equal(line.command->name, "jobs list");
    assert_int_equal(line.arg_count, 0);
    assert_string_equal(line.values[OPT_STATUS], "failed");
    assert_string_equal(line.values[OPT_LIMIT], "5");
    assert_string_equal(line.values[OPT_QUEUE], "a=b");
    assert_non_null(line.values[OPT_JSON]);
    assert_null(line.values[OPT_TAG]);
    command_line_free(&line);
}

static void test_option_before_command(void **state)
{
    (void)state;
    char text[] = "-d enqueue jobs show 7";
    CommandLine line = parse(text);
    assert_string_equal(line.command->name, "jobs show");
    assert_string_equal(line.values[OPT_DATABASE], "enqueue");
    assert_int_equal(line.arg_count, 1);
    assert_string_equal(line.args[0], "7");
    command_line_free(&line);
}

static void test_values_that_look_like_options(void **state)
{
    (void)state;
    char text[] = "enqueue --priority -5 --payload - -- --type";
    CommandLine line = parse(text);
    assert_string_equal(line.values[OPT_PRIORITY], "-5");
    assert_string_equal(line.values[OPT_PAYLOAD], "-");
    assert_int_equal(line.arg_count, 1);
    assert_string_equal(line.args[0], "--type");
    command_line_free(&line);
}

static void test_help_and_nothing(void **state)
{
    (void)state;
    char help[] = "jobs show --help";
    CommandLine line = parse(help);
    assert_string_equal(line.command->name, "jobs show");
    assert_non_null(line.values[OPT_HELP]);
    command_line_free(&line);
    char version[] = "--version";
    line = parse(version);
    assert_null(line.command);
    command_line_free(&line);
}

static void test_refused(void **state)
{
    (void)state;
    expect_problem("jbos", "unknown command 'jbos'; did you mean 'jobs'?");
    expect_problem("qqqqqq", "unknown command 'qqqqqq'; `ganger help` lists them");
    expect_problem("migrate", "'migrate' needs a second word: one of up, status, sql");
    expect_problem("jobs cancle 3", "unknown command 'jobs cancle'; did you mean 'jobs cancel'?");
    expect_problem("jobs list --stauts failed",
                   "unknown option '--stauts'; did you mean '--status'?");
    expect_problem("jobs list -x", "unknown option '-x'");
    expect_problem("jobs list --set {}", "'jobs list' does not take the option '--set'");
    expect_problem("jobs list --status done",
                   "--status 'done' is none of: pending processing waiting completed failed "
                   "cancelled");
    expect_problem("jobs list --limit", "option '--limit' needs a value: --limit N");
    expect_problem("jobs list --json=yes", "option '--json' takes no value");
    expect_problem("jobs list --limit 1 -n 2", "option '--limit' is given twice");
    expect_problem("enqueue x --tag a --tag b",
                   "'enqueue' does not take the option '--tag'; did you mean '--tags'?");
    expect_problem("jobs list --status failed,done",
                   "--status 'done' is none of: pending processing waiting completed failed "
                   "cancelled");
    expect_problem("jobs list --status failed --status done",
                   "--status 'done' is none of: pending processing waiting completed failed "
                   "cancelled");
    expect_problem("enqueue a --on-conflict ignore,replace",
                   "--on-conflict 'ignore,replace' is none of: ignore replace reschedule error");
    expect_problem("pause mail", "unknown command 'pause mail': one of queue, type");
    expect_problem("queues lst", "unknown command 'queues lst'; did you mean 'queues list'?");
    expect_problem("queues --all", "'queues list' does not take the option '--all'");
    expect_problem("dev --database x", "'dev' does not take the option '--database'");
    expect_problem("dev --json", "'dev' does not take the option '--json'");
    expect_problem("migrate sql --json", "'migrate sql' does not take the option '--json'");
    expect_problem("jobs show", "'jobs show' needs ID");
    expect_problem("jobs show 1 2", "'jobs show' has no use for '2'");
    expect_problem("completion csh", "'csh' is none of: bash zsh fish");
}

static void test_lists_are_joined(void **state)
{
    (void)state;
    char text[] = "enqueue a --depends-on 1 --tags x --depends-on=2,3 --depends-on 4";
    CommandLine line = parse(text);
    assert_string_equal(line.values[OPT_DEPENDS_ON], "1,2,3,4");
    assert_string_equal(line.values[OPT_TAGS], "x");
    command_line_free(&line);
}

static void test_groups(void **state)
{
    (void)state;
    char alone[] = "queues --json";
    CommandLine line = parse(alone);
    assert_string_equal(line.command->name, "queues list");
    assert_int_equal(line.arg_count, 0);
    command_line_free(&line);
    char help[] = "migrate --help";
    line = parse(help);
    assert_null(line.command);
    assert_string_equal(line.group, "migrate");
    command_line_free(&line);
    char one[] = "nodes --help";
    line = parse(one);
    assert_string_equal(line.command->name, "nodes");
    assert_null(line.group);
    command_line_free(&line);
}

// Each group has a summary, and its commands stand together, as help lists it once.
static void test_groups_are_whole(void **state)
{
    (void)state;
    for (int i = 0; i < GROUP_COUNT; i++) {
        size_t length = strlen(GROUP_SPECS[i].name);
        int runs = 0;
        bool was_member = false;
        for (int j = 0; j < COMMAND_COUNT; j++) {
            const char *name = COMMAND_SPECS[j].name;
            bool is_member = strncmp(name, GROUP_SPECS[i].name, length) == 0 && name[length] == ' ';
            runs += is_member && !was_member ? 1 : 0;
            was_member = is_member;
        }
        assert_int_equal(runs, 1);
    }
    for (int j = 0; j < COMMAND_COUNT; j++) {
        const char *name = COMMAND_SPECS[j].name;
        size_t length = strcspn(name, " ");
        bool has_group = name[length] == '\0';
        for (int i = 0; i < GROUP_COUNT && !has_group; i++) {
            has_group = strlen(GROUP_SPECS[i].name) == length &&
                        strncmp(GROUP_SPECS[i].name, name, length) == 0;
        }
        assert_true(has_group);
    }
}

// glibc would take --idem for --idempotency-key; a later --idem would then break scripts.
static void test_abbreviations_are_refused(void **state)
{
    (void)state;
    expect_problem("enqueue a --idem k",
                   "unknown option '--idem'; did you mean '--idempotency-key'?");
}

static void test_table_is_consistent(void **state)
{
    (void)state;
    for (int i = 0; i < OPT_COUNT; i++) {
        assert_non_null(OPT_SPECS[i].name);
        assert_non_null(OPT_SPECS[i].help);
        for (int other = 0; other < i; other++) {
            assert_string_not_equal(OPT_SPECS[i].name, OPT_SPECS[other].name);
            assert_true(OPT_SPECS[i].letter == 0 || OPT_SPECS[i].letter != OPT_SPECS[other].letter);
        }
    }
    for (int i = 0; i < COMMAND_COUNT; i++) {
        assert_non_null(COMMAND_SPECS[i].run);
        assert_true(COMMAND_SPECS[i].max_args != 0 || !COMMAND_SPECS[i].arguments);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_command_and_options),
        cmocka_unit_test(test_option_before_command),
        cmocka_unit_test(test_values_that_look_like_options),
        cmocka_unit_test(test_help_and_nothing),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_lists_are_joined),
        cmocka_unit_test(test_groups),
        cmocka_unit_test(test_groups_are_whole),
        cmocka_unit_test(test_abbreviations_are_refused),
        cmocka_unit_test(test_table_is_consistent),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
