// SPDX-License-Identifier: MIT
// Memory that cannot be had: programs are run again and again, with their first, second, ... allocation failing. They go on, or end
// with a word and EXIT_CODE_INTERNAL; none crashes, and a running gangerd keeps its configuration.
#include "tests/support/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/base/exit_code.h"
#include "common/base/memory.h"
#include "tests/support/daemon.h"
#include "tests/support/fail_alloc.h"
#include "tests/support/scale.h"

enum { PATIENCE_MS = 30000, LOOK_MS = 1, ARGUMENTS_MAX = 8, STEP_MAX = 6, OUTPUT_BYTES = 1 << 20 };

static char folder[] = "/tmp/ganger-memory-XXXXXX";
static char config_path[64];
static char output_path[64];
static char board_path[64];
static FailAlloc *board;
static pid_t running;

static void write_config(const char *level)
{
    FILE *file = fopen(config_path, "we");
    assert_non_null(file);
    assert_true(fprintf(file,
                        "node: {name: memory}\nsupervisor: {state_dir: %s}\nlog: {level: %s}\n"
                        "pools: {a: {processes: 1, queues: [x, y]}, b: {processes: 1}}\n"
                        "handlers: {noop: {plugin: noop.so}, run: {exec: [/bin/cat, -n], "
                        "timeout: 30s}}\n"
                        "schedules: {nightly: {cron: '0 3 * * *', job_type: noop, payload: {a: [1, "
                        "2]}, options: {queue: x, tags: [a, b]}}}\n"
                        "queues: {x: {concurrency: 3, rate: 10}}\n",
                        folder, level) > 0);
    assert_int_equal(fclose(file), 0);
}

static int setup(void **state)
{
    (void)state;
    if (getenv("GANGER_FAIL_ALLOC_LIBRARY") == NULL) {
        return 0; // every test skips
    }
    assert_non_null(mkdtemp(folder));
    (void)snprintf(config_path, sizeof config_path, "%s/ganger.yaml", folder);
    (void)snprintf(output_path, sizeof output_path, "%s/output", folder);
    (void)snprintf(board_path, sizeof board_path, "%s/board", folder);
    const int file = open(board_path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    assert_true(file >= 0 && ftruncate(file, sizeof *board) == 0);
    board = mmap(NULL, sizeof *board, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    assert_ptr_not_equal(board, MAP_FAILED);
    (void)close(file);
    write_config("info");
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    if (running > 0) {
        (void)kill(running, SIGKILL);
        (void)waitpid(running, NULL, 0);
    }
    if (board != NULL) {
        remove_tree(folder);
    }
    return 0;
}

static void need_library(void)
{
    if (board == NULL) {
        print_message("skipped: the allocator of sanitizers cannot be stood in for\n");
        skip();
    }
}

static void choose(long long fail_at, long long fail_more)
{
    atomic_store(&board->failed, 0);
    atomic_store(&board->count, 0);
    atomic_store(&board->fail_more, fail_more);
    atomic_store(&board->fail_at, fail_at);
}

// The environment that the build's tests are run in has it.
static const char *must_getenv(const char *name)
{
    const char *value = getenv(name);
    if (value == NULL) {
        fail_msg("%s is not set", name);
    }
    return value != NULL ? value : "";
}

// Words of `command` after the program of that name in the build.
static void start(const char *command)
{
    char *words = mem_printf("%s/%s", getenv("GANGER_BIN_DIR"), command);
    char *argv[ARGUMENTS_MAX] = {NULL};
    char *rest = words;
    for (int i = 0; i < ARGUMENTS_MAX - 1 && rest != NULL; i++) {
        argv[i] = strsep(&rest, " ");
    }
    const int output = open(output_path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    assert_true(output >= 0);
    running = fork();
    assert_true(running >= 0);
    if (running == 0) {
        (void)dup2(output, STDOUT_FILENO);
        (void)dup2(output, STDERR_FILENO);
        (void)setenv("GANGER_WORKER", must_getenv("GANGER_FAKE_CHILD"), 1);
        (void)setenv("GANGER_REAPER", must_getenv("GANGER_FAKE_CHILD"), 1);
        (void)setenv("FAKE_WORKER", "idle", 1);
        (void)setenv("DATABASE_URL", "postgresql:///nowhere", 1);
        (void)setenv(FAIL_ALLOC_VARIABLE, board_path, 1);
        (void)setenv("LD_PRELOAD", must_getenv("GANGER_FAIL_ALLOC_LIBRARY"), 1);
        if (argv[0] != NULL) {
            execv(argv[0], argv);
        }
        _exit(127);
    }
    (void)close(output);
    free(words);
}

static char *output_text(void)
{
    static char text[OUTPUT_BYTES];
    FILE *file = fopen(output_path, "re");
    assert_non_null(file);
    text[fread(text, 1, sizeof text - 1, file)] = '\0';
    (void)fclose(file);
    return text;
}

static int output_count(const char *word)
{
    int count = 0;
    for (const char *at = output_text(); (at = strstr(at, word)) != NULL; at++) {
        count++;
    }
    return count;
}

// Exit code, 128 + signal, or -1 while it runs.
static int look(void)
{
    int status = 0;
    if (waitpid(running, &status, WNOHANG) != running) {
        return -1;
    }
    running = 0;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

// Until the program has ended or `condition` holds: what look said last.
static int await(bool (*condition)(void))
{
    const int64_t until = clock_boot_ms() + slow_ms(PATIENCE_MS);
    int code = look();
    while (code < 0 && (condition == NULL || !condition())) {
        if (clock_boot_ms() > until) {
            fail_msg("nothing happens any more: %s", output_text());
        }
        pause_ms(LOOK_MS);
        code = look();
    }
    return code;
}

// The ends that are fine, when an allocation has failed.
static void check_end(int code, int wanted, long long number)
{
    const bool is_said = output_count("memory") > 0;
    if (code != wanted && (code != EXIT_CODE_INTERNAL || !is_said)) {
        fail_msg("allocation %lld fails: ended with %d: %s", number, code, output_text());
    }
}

// All of them, or in the suite one in so many, from a chance start on.
static long long step_of(long long *first)
{
    const long long step = test_scale_percent() >= 100 ? 1 : STEP_MAX;
    *first = 1 + clock_boot_us() % step;
    return step;
}

static void sweep(const char *command, int wanted)
{
    need_library();
    long long number = 0;
    long long tried = 0;
    for (const long long step = step_of(&number);; number += step) {
        choose(number, 0);
        start(command);
        check_end(await(NULL), wanted, number);
        tried++;
        if (atomic_load(&board->failed) == 0) {
            break;
        }
    }
    print_message("%s: %lld allocations, %lld made to fail\n", command,
                  (long long)atomic_load(&board->count), tried - 1);
    assert_true(atomic_load(&board->count) > 1);
}

static void test_check_of_a_configuration(void **state)
{
    (void)state;
    char command[128];
    (void)snprintf(command, sizeof command, "gangerd --check -c %s", config_path);
    sweep(command, EXIT_CODE_OK);
}

static void test_commands_without_a_database(void **state)
{
    (void)state;
    char command[128];
    (void)snprintf(command, sizeof command, "ganger config --json -c %s", config_path);
    sweep(command, EXIT_CODE_OK);
    sweep("ganger config --sample", EXIT_CODE_OK);
    sweep("ganger completion bash", EXIT_CODE_OK);
    sweep("ganger jobs list --colour", EXIT_CODE_USAGE);
}

static bool is_ready(void)
{
    return output_count("supervisor.ready") > 0;
}

static void start_gangerd(void)
{
    char command[128];
    (void)snprintf(command, sizeof command, "gangerd -c %s", config_path);
    start(command);
}

static void test_start_and_stop(void **state)
{
    (void)state;
    need_library();
    long long number = 0;
    long long tried = 0;
    for (const long long step = step_of(&number);; number += step) {
        choose(number, 0);
        start_gangerd();
        int code = await(is_ready);
        if (code < 0) {
            (void)kill(running, SIGTERM);
            code = await(NULL);
        }
        check_end(code, EXIT_CODE_OK, number);
        tried++;
        if (atomic_load(&board->failed) == 0) {
            break;
        }
    }
    print_message("%lld allocations, %lld made to fail\n", (long long)atomic_load(&board->count),
                  tried - 1);
}

static int answers;

static bool is_answered(void)
{
    return output_count("config.reloaded") + output_count("config.kept") > answers;
}

// True when the new configuration is in force.
static bool reload(void)
{
    const int reloaded = output_count("config.reloaded");
    answers = reloaded + output_count("config.kept");
    (void)kill(running, SIGHUP);
    if (await(is_answered) >= 0) {
        fail_msg("ended by a reload: %s", output_text());
    }
    return output_count("config.reloaded") > reloaded;
}

static void test_a_reload_keeps_what_it_has(void **state)
{
    (void)state;
    need_library();
    choose(0, 0);
    start_gangerd();
    assert_int_equal(await(is_ready), -1);
    long long number = 0;
    long long tried = 0;
    long long kept = 0;
    for (const long long step = step_of(&number);; number += step) {
        write_config(number % 2 == 0 ? "info" : "debug");
        choose(number, 0);
        const bool is_in_force = reload();
        if (atomic_load(&board->failed) == 0) {
            assert_true(is_in_force);
            break;
        }
        kept += is_in_force ? 0 : 1;
        tried++;
    }
    print_message("%lld allocations, %lld times the old configuration was kept\n",
                  (long long)atomic_load(&board->count), kept);
    // What fails is noticed before the step that puts it in force, but for the last few.
    assert_true(kept >= tried - 5 && kept > 0);
    (void)kill(running, SIGTERM);
    assert_int_equal(await(NULL), EXIT_CODE_OK);
}

// More than was set aside: gangerd ends, and says of what.
static void test_nothing_left(void **state)
{
    (void)state;
    need_library();
    choose(0, 0);
    start_gangerd();
    assert_int_equal(await(is_ready), -1);
    choose(1, INT32_MAX);
    (void)kill(running, SIGHUP);
    assert_int_equal(await(NULL), EXIT_CODE_INTERNAL);
    assert_true(output_count("memory.short") == 1 && output_count("memory.exhausted") == 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_check_of_a_configuration),
        cmocka_unit_test(test_commands_without_a_database),
        cmocka_unit_test(test_start_and_stop),
        cmocka_unit_test(test_a_reload_keeps_what_it_has),
        cmocka_unit_test(test_nothing_left),
    };
    return cmocka_run_group_tests_name("no_memory", tests, setup, teardown);
}
