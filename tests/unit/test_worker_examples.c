// SPDX-License-Identifier: MIT
// Test of what users do: install, build the example handlers out of tree with pkg-config, load and
// run them.
#include <stdio.h>
#include <sys/wait.h>

#include "tests/support/worker_run.h"
#include "worker/handler_table.h"

static char folder[] = "/tmp/ganger-examples-XXXXXX";

// Everything between the compiler and the prefix, as a user types it. $1 source root, $2 build
// folder, $3 work.
static const char BUILD_SCRIPT[] =
    "set -e; umask 022\n"
    "cmake --install \"$2\" --prefix \"$3/prefix\" --component handlers >/dev/null\n"
    "export PKG_CONFIG_PATH=$(dirname \"$(find \"$3/prefix\" -name ganger.pc)\")\n"
    "test \"$(pkg-config --variable=abi ganger)\" = 1\n"
    "test -f \"$(pkg-config --variable=handlersdir ganger)/noop.so\"\n"
    "mkdir \"$3/make\"; cd \"$3/make\"\n"
    "make -s -f \"$1handlers/examples/Makefile\" CFLAGS='-Wall -Wextra -Wpedantic -Werror' "
    "CXXFLAGS='-Wall -Wextra -Wpedantic -Werror' install >/dev/null\n"
    "cmake -S \"$1handlers/examples\" -B \"$3/cmake\" >/dev/null\n"
    "cmake --build \"$3/cmake\" >/dev/null\n"
    "test -f \"$3/cmake/hello.so\" -a -f \"$3/cmake/approval.so\" -a -f \"$3/cmake/hello_cpp.so\"\n"
    "pkg-config --variable=handlersdir ganger > \"$3/handlersdir\"\n";

static int run_shell(const char *script, const char *a, const char *b, const char *c)
{
    const pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        (void)unsetenv("MAKEFLAGS");
        execl("/bin/sh", "sh", "-c", script, "sh", a, b, c, (char *)NULL);
        _exit(127);
    }
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    return status;
}

static int setup(void **state)
{
    char self[4096];
    const ssize_t length = readlink("/proc/self/exe", self, sizeof self - 1);
    assert_true(length > 0);
    self[length] = '\0';
    *strstr(self, "tests/unit/") = '\0'; // <build>/tests/unit/this
    char *root = mem_strndup(__FILE__, (size_t)(strstr(__FILE__, "tests/unit/") - __FILE__));
    assert_non_null(mkdtemp(folder));
    assert_int_equal(run_shell(BUILD_SCRIPT, root, self, folder), 0);
    free(root);

    char *path = mem_printf("%s/handlersdir", folder);
    FILE *file = fopen(path, "re");
    char line[4096];
    assert_non_null(file);
    assert_non_null(fgets(line, sizeof line, file));
    (void)fclose(file);
    free(path);
    line[strcspn(line, "\n")] = '\0';
    *state = mem_strdup(line);
    return 0;
}

static int teardown(void **state)
{
    free(*state);
    return run_shell("rm -rf \"$1\"", folder, "", "");
}

static void test_examples_run(void **state)
{
    WorkerRun run;
    worker_run_setup(&run);
    HandlerConfig handlers[] = {
        {.job_type = (char[]){"hello"}, .kind = HANDLER_PLUGIN, .plugin = (char[]){"hello.so"}},
        {.job_type = (char[]){"greet"},
         .kind = HANDLER_PLUGIN,
         .plugin = (char[]){"hello_cpp.so"},
         .symbol = (char[]){"hello_cpp"}},
        {.job_type = (char[]){"approval"},
         .kind = HANDLER_PLUGIN,
         .plugin = (char[]){"approval.so"}},
        {.job_type = (char[]){"email"}, .kind = HANDLER_PLUGIN, .plugin = (char[]){"hello.so"}},
        {.job_type = (char[]){"true"},
         .kind = HANDLER_EXEC,
         .exec = {.items = (char *[]){(char[]){"true"}}, .count = 1}},
        {.job_type = (char[]){"gone"},
         .kind = HANDLER_EXEC,
         .exec = {.items = (char *[]){(char[]){"no-such-program-here"}}, .count = 1}},
    };
    run.config.plugin_dir = *state;
    run.config.handlers = handlers;
    run.config.handler_count = sizeof handlers / sizeof handlers[0];
    const PoolConfig pool = {.name = NULL};
    HandlerTable *table = NULL;
    handler_table_load(&table, &run.config, &pool, NULL, NULL);
    assert_int_equal(handler_table_count(table), 4);
    assert_null(handler_table_find(table, "email"));
    assert_null(handler_table_find(table, "gone"));
    assert_non_null(handler_table_find(table, "true"));

    worker_run_set_payload(&run, "{\"name\": \"ann\"}");
    run_plugin(handler_table_find(table, "hello"), &run.context, &run.result);
    assert_int_equal(run.result.outcome, OUTCOME_COMPLETED);
    assert_string_equal(run.result.text, "{\"greeting\": \"hello ann\"}");
    worker_run_forget_result(&run);
    run_plugin(handler_table_find(table, "greet"), &run.context, &run.result);
    assert_int_equal(run.result.outcome, OUTCOME_COMPLETED);
    assert_string_equal(run.result.text, "{\"greeting\": \"hello from C++\", \"attempt\": 2}");
    worker_run_forget_result(&run);
    run_plugin(handler_table_find(table, "approval"), &run.context, &run.result);
    assert_int_equal(run.result.outcome, OUTCOME_ERROR); // it needs a database
    assert_string_equal(run.result.text, "no connection to the database");
    handler_table_destroy(table);

    // A pool that names job types gets those only.
    const PoolConfig small = {.job_types = {.items = (char *[]){(char[]){"true"}}, .count = 1}};
    handler_table_load(&table, &run.config, &small, NULL, NULL);
    assert_int_equal(handler_table_count(table), 1);
    assert_string_equal(handler_table_at(table, 0)->config->job_type, "true");
    assert_null(handler_table_at(table, 1));
    handler_table_destroy(table);
    worker_run_teardown(&run);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_examples_run)};
    return cmocka_run_group_tests(tests, setup, teardown);
}
