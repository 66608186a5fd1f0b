// SPDX-License-Identifier: MIT
// Tests of paths: beside this program, in the installed places, and by the environment.
#include "common/base/paths.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/base/memory.h"
#include "tests/support/unit.h"

static char root[] = "/tmp/ganger-paths-XXXXXX";

// Copies this program into the tree under test, as /proc/self/exe is what counts.
static void install_self(const char *to)
{
    FILE *from = fopen("/proc/self/exe", "re");
    FILE *copy = fopen(to, "we");
    assert_non_null(from);
    assert_non_null(copy);
    char bytes[65536];
    size_t got = 0;
    while ((got = fread(bytes, 1, sizeof bytes, from)) > 0) {
        assert_int_equal(fwrite(bytes, 1, got, copy), got);
    }
    (void)fclose(from);
    assert_int_equal(fclose(copy), 0);
    assert_int_equal(chmod(to, 0755), 0);
}

static char *under_root(const char *name)
{
    return mem_printf("%s/%s", root, name);
}

static void make_folder(const char *name)
{
    char *path = under_root(name);
    (void)mkdir(path, 0755);
    free(path);
}

static void make_file(const char *name, mode_t mode)
{
    char *path = under_root(name);
    FILE *file = fopen(path, "we");
    assert_non_null(file);
    (void)fclose(file);
    assert_int_equal(chmod(path, mode), 0);
    free(path);
}

// Runs the installed copy with one question; its answer, relative to the root.
static void assert_answer(const char *program, const char *question, const char *expected)
{
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    char *path = under_root(program);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        (void)dup2(ends[1], STDOUT_FILENO);
        (void)execl(path, path, question, (char *)NULL);
        _exit(127);
    }
    (void)close(ends[1]);
    char answer[PATH_MAX] = "";
    size_t length = 0;
    ssize_t got = 0;
    while (length < sizeof answer - 1 &&
           (got = read(ends[0], answer + length, sizeof answer - 1 - length)) > 0) {
        length += (size_t)got;
    }
    answer[length] = '\0';
    (void)close(ends[0]);
    int status = 0;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    char *absolute = *expected == '-' ? mem_strdup(expected) : under_root(expected);
    assert_string_equal(answer, absolute);
    free(absolute);
    free(path);
}

static int answer_question(const char *question)
{
    char *path = str_equal(question, "handlers") ? path_handlers_dir()
                 : str_equal(question, "api")    ? path_api_dir()
                                                 : path_program(question);
    (void)fputs(path != NULL ? path : "-", stdout);
    free(path);
    return 0;
}

static void test_installed(void **state)
{
    (void)state;
    assert_answer("bin/self", "ganger-worker", "libexec/ganger/ganger-worker");
    assert_answer("libexec/ganger/self", "ganger-worker", "libexec/ganger/ganger-worker");
    assert_answer("bin/self", "not-executable", "-");
    assert_answer("bin/self", "missing", "-");
    assert_answer("bin/self", "handlers", "lib/ganger/handlers");
    assert_answer("libexec/ganger/self", "handlers", "lib/ganger/handlers");
    assert_answer("libexec/ganger/self", "api", "share/ganger");
}

static void test_build_tree(void **state)
{
    (void)state;
    make_folder("handlers");
    // A folder of that name alone does not make a build tree.
    assert_answer("bin/self", "handlers", "lib/ganger/handlers");
    make_file("CMakeCache.txt", 0644);
    assert_answer("bin/self", "handlers", "handlers");
    make_folder("api");
    assert_answer("bin/self", "api", "api");
    make_file("bin/ganger-worker", 0755);
    assert_answer("bin/self", "ganger-worker", "bin/ganger-worker");
}

static void test_environment(void **state)
{
    (void)state;
    assert_int_equal(setenv("GANGER_HANDLERS_DIR", "/elsewhere", 1), 0);
    char *path = path_handlers_dir();
    assert_string_equal(path, "/elsewhere");
    free(path);
    assert_int_equal(setenv("GANGER_HANDLERS_DIR", "", 1), 0);
    path = path_handlers_dir();
    assert_string_not_equal(path, "");
    free(path);
    assert_int_equal(unsetenv("GANGER_HANDLERS_DIR"), 0);
}

static int setup(void **state)
{
    (void)state;
    (void)unsetenv("GANGER_HANDLERS_DIR");
    if (mkdtemp(root) == NULL) {
        return -1;
    }
    make_folder("bin");
    make_folder("libexec");
    make_folder("libexec/ganger");
    make_file("libexec/ganger/ganger-worker", 0755);
    make_file("libexec/ganger/not-executable", 0644);
    const char *const programs[] = {"bin/self", "libexec/ganger/self"};
    for (size_t i = 0; i < 2; i++) {
        char *path = under_root(programs[i]);
        install_self(path);
        free(path);
    }
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    // Inner ones first.
    const char *const names[] = {"bin/self",
                                 "bin/ganger-worker",
                                 "libexec/ganger/self",
                                 "libexec/ganger/ganger-worker",
                                 "libexec/ganger/not-executable",
                                 "libexec/ganger",
                                 "libexec",
                                 "bin",
                                 "handlers",
                                 "api",
                                 "CMakeCache.txt"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        char *path = under_root(names[i]);
        (void)remove(path);
        free(path);
    }
    return rmdir(root);
}

int main(int argc, char **argv)
{
    if (argc == 2) {
        return answer_question(argv[1]);
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_installed),
        cmocka_unit_test(test_build_tree),
        cmocka_unit_test(test_environment),
    };
    return cmocka_run_group_tests_name("paths", tests, setup, teardown);
}
