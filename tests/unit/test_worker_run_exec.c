// SPDX-License-Identifier: MIT
// Tests of program handlers: every way to end, fd 3, floods, processes left behind.
#include <signal.h>
#include <stdio.h>

#include "common/base/clock.h"
#include "common/base/json_check.h"
#include "tests/support/exec_run.h"

static void test_exit_codes(void **state)
{
    WorkerRun *run = *state;
    expect_end(run, "exit 0", OUTCOME_COMPLETED, NULL);
    assert_true(run->result.cpu_us >= 0);
    assert_int_equal(run->result.exit_code, 0);
    expect_end(run, "exit 75", OUTCOME_ERROR, "exit code 75");
    assert_int_equal(run->result.delay_ms, -1);
    expect_end(run, "exit 100", OUTCOME_DISCARD, "exit code 100");
    expect_end(run, "exit 99", OUTCOME_SNOOZE, NULL);
    assert_int_equal(run->result.delay_ms, 60000);
    expect_end(run, "exit 1", OUTCOME_ERROR, "exit code 1");
    expect_end(run, "echo one >&2; echo 'no such mailbox' >&2; echo >&2; exit 3", OUTCOME_ERROR,
               "exit code 3: no such mailbox");
    assert_int_equal(run->result.exit_code, 3);
    assert_int_equal(run->result.signal, 0);
    expect_log(run, "one\nno such mailbox\n");
}

static void test_signals(void **state)
{
    WorkerRun *run = *state;
    expect_end(run, "kill -SEGV $$", OUTCOME_CRASHED, "killed by SIGSEGV");
    assert_int_equal(run->result.signal, SIGSEGV);
    assert_int_equal(run->result.exit_code, -1);
    expect_end(run, "kill -KILL $$", OUTCOME_CRASHED, "killed by SIGKILL");
    expect_end(run, "kill -ABRT $$", OUTCOME_CRASHED, "killed by SIGABRT");
}

// The kernel hands the peak of this process down to the program; it must not be taken for the program's.
static void test_peak_of_memory_is_the_programs_own(void **state)
{
    enum { OWN_BYTES = 64 * 1024 * 1024, ITS_BYTES = 256 * 1024 * 1024 };
    WorkerRun *run = *state;
    char *own = mem_alloc(OWN_BYTES);
    memset(own, 1, OWN_BYTES);
    assert_int_equal(own[OWN_BYTES / 2], 1);
    free(own);
    expect_end(run, "exit 0", OUTCOME_COMPLETED, NULL);
    assert_int_equal(run->result.max_rss_bytes, -1);
    expect_end(run, "dd if=/dev/zero of=/dev/null bs=256M count=1 2>/dev/null", OUTCOME_COMPLETED,
               NULL);
    assert_true(run->result.max_rss_bytes >= ITS_BYTES);
}

static void test_stdout_is_the_output(void **state)
{
    WorkerRun *run = *state;
    expect_end(run, "echo '{\"x\": [1, 2]}'", OUTCOME_COMPLETED, "{\"x\": [1, 2]}\n");
    expect_end(run, "echo 42", OUTCOME_COMPLETED, "42\n");
    expect_end(run, "echo hello; echo '\"world\"'", OUTCOME_COMPLETED, "\"hello\\n\\\"world\\\"\"");
    expect_end(run, "printf 'a\\000\\377b'", OUTCOME_COMPLETED, "\"a??b\"");
    expect_end(run, "echo; echo", OUTCOME_COMPLETED, NULL);
    expect_end(run, "echo 42; exit 4", OUTCOME_ERROR, "exit code 4");
}

static void test_payload_is_stdin(void **state)
{
    WorkerRun *run = *state;
    expect_end(run, "cat", OUTCOME_COMPLETED, "{\"a\": 1}");
    // More than a pipe holds, read late, and given back through another pipe.
    const size_t size = 900000;
    char *big = mem_alloc(size + 1);
    memset(big, 'x', size);
    big[0] = '"';
    big[size - 1] = '"';
    worker_run_set_payload(run, big);
    expect_end(run, "sleep 0.05; cat", OUTCOME_COMPLETED, big);
    expect_end(run, "exec <&-; exit 0", OUTCOME_COMPLETED, NULL); // closed without reading
    expect_end(run, "head -c 5 | wc -c", OUTCOME_COMPLETED, "5\n");
    free(big);
}

static void test_lines_on_fd_3(void **state)
{
    WorkerRun *run = *state;
    atomic_store(&run->slot->run_soft_at, clock_boot_ms() + 1000);
    expect_end(run,
               "echo '{\"progress\": 30, \"message\": \"m\", \"stage\": \"s\"}' >&3\n"
               "echo '{\"log\": \"from fd 3\"}' >&3\n"
               "echo '{\"output\": {\"k\": \"v\"}}' >&3\n"
               "echo '{\"prolong\": \"1h\"}' >&3\n"
               "echo '{\"colour\": 1}' >&3\n"
               "echo 'not json' >&3\n"
               "echo ignored",
               OUTCOME_COMPLETED, "{\"k\": \"v\"}");
    expect_log(run, "from fd 3\n");
    expect_log(run, "ganger: fd 3: unknown key 'colour'");
    expect_log(run, "ganger: fd 3: a line that is not a JSON object");
    assert_true(atomic_load(&run->slot->run_soft_at) > clock_boot_ms() + 3000000);

    expect_end(run, "printf '{\"snooze\": \"30s\"}' >&3", OUTCOME_SNOOZE, NULL);
    assert_int_equal(run->result.delay_ms, 30000);
    expect_end(run, "echo '{\"snooze\": \"2m\"}' >&3; exit 99", OUTCOME_SNOOZE, NULL);
    assert_int_equal(run->result.delay_ms, 120000);
    // With any other exit code the line does not count.
    expect_end(run, "echo '{\"snooze\": \"2m\"}' >&3; exit 75", OUTCOME_ERROR, "exit code 75");
    assert_int_equal(run->result.delay_ms, -1);
    expect_end(run, "echo '{\"snooze\": \"2m\"}' >&3; exit 100", OUTCOME_DISCARD, "exit code 100");
}

static void expect_wait(WorkerRun *run, const char *line, int64_t delay_ms, const char *body)
{
    char *script = mem_printf("echo '%s' >&3; echo not an output", line);
    expect_end(run, script, OUTCOME_WAIT, body);
    assert_int_equal(run->result.delay_ms, delay_ms);
    free(script);
}

static void test_waits(void **state)
{
    WorkerRun *run = *state;
    expect_wait(run, "{\"wait\": \"5m\"}", 300000, NULL);
    expect_wait(run, "{\"wait_until\": \"2026-01-31T13:00:00+01:00\"}", -1,
                "{\"until\": \"2026-01-31T12:00:00.000Z\"}");
    expect_wait(run, "{\"wait_token\": \"a \\\"b\\\"\"}", -1, "{\"token\": \"a \\\"b\\\"\"}");
    // The last line counts; with any other exit code none does.
    expect_wait(run, "{\"snooze\": \"1s\"}\n{\"wait\": \"5m\"}\n{\"wait\": \"6m\"}", 360000, NULL);
    expect_end(run, "printf '{\"wait\": \"5m\"}\n{\"snooze\": \"2m\"}' >&3", OUTCOME_SNOOZE, NULL);
    assert_int_equal(run->result.delay_ms, 120000);
    expect_end(run, "echo '{\"wait\": \"5m\"}' >&3; exit 3", OUTCOME_ERROR, "exit code 3");
    expect_end(run, "echo '{\"wait\": \"5m\"}' >&3; exit 100", OUTCOME_DISCARD, "exit code 100");
    expect_end(run, "echo '{\"wait\": \"5m\"}' >&3; exit 99", OUTCOME_SNOOZE, NULL);
    assert_int_equal(run->result.delay_ms, 60000);
}

// What the program relied on did not happen: no success, no wait.
static void test_what_cannot_be_done_fails(void **state)
{
    WorkerRun *run = *state;
    expect_end(run, "echo '{\"wait\": 5}' >&3", OUTCOME_ERROR,
               "on fd 3: 'wait' must be a duration like \"5m\": it must be a string");
    expect_end(run, "echo '{\"step\": \"s1\", \"result\": 1}' >&3", OUTCOME_ERROR,
               "on fd 3: step 's1' was not stored: no connection to the database");
    expect_log(run, "ganger: fd 3: step 's1' was not stored");
    expect_end(run, "echo '{\"step\": \"s1\", \"wait\": \"5m\"}' >&3", OUTCOME_ERROR,
               "on fd 3: step 's1' was not stored: no connection to the database");
    expect_end(run, "echo '{\"create_token\": {\"step\": \"s\"}, \"wait\": true}' >&3",
               OUTCOME_ERROR, "on fd 3: the token was not created: no connection to the database");
    expect_end(run, "echo '{\"wait_until\": \"soon\"}' >&3; exit 4", OUTCOME_ERROR, "exit code 4");
    expect_end(run, "printf '{\"wait\": \"1h\", \"message\": \"\\377\"}\\n' >&3; echo done",
               OUTCOME_ERROR, "on fd 3: a line that is not a JSON object (not UTF-8)");
    // The reason stands behind the name of the step, however long that is.
    const RunResult *result =
        run_script(run, "{ printf '{\"step\": \"'; head -c 900000 /dev/zero | tr '\\000' s; "
                        "echo '\"}'; } >&3");
    assert_int_equal(result->outcome, OUTCOME_ERROR);
    assert_non_null(strstr(result->text, "the name of a step has 1 to 255 bytes, not 900000"));
    run->job.is_first_start = false;
    expect_end(run, "exit 0", OUTCOME_ERROR,
               "its steps could not be read: no connection to the database");
}

static void test_steps_file_is_there(void **state)
{
    WorkerRun *run = *state;
    expect_end(run, "cat \"$GANGER_STEPS\"", OUTCOME_COMPLETED, "{}");
    expect_end(run, "cat \"$GANGER_STEPS\" \"$GANGER_STEPS\"", OUTCOME_COMPLETED, "\"{}{}\"");
    expect_end(run, "echo ${GANGER_WAITED-unset}", OUTCOME_COMPLETED, "\"unset\"");
}

static void test_floods_are_capped(void **state)
{
    WorkerRun *run = *state;
    const RunResult *result = run_script(run, "head -c 20000000 /dev/zero | tr '\\000' y");
    assert_int_equal(result->outcome, OUTCOME_COMPLETED);
    assert_int_equal(strlen(result->text), 65536 + 2);
    expect_log(run, "stdout was cut: 20000000 bytes");
    result = run_script(run, "head -c 20000000 /dev/zero | tr '\\000' e >&2; echo last >&2");
    assert_int_equal(result->outcome, OUTCOME_COMPLETED);
    expect_log(run, "last\n");
    // Bytes of any kind, everywhere.
    result = run_script(run, "head -c 2000000 /dev/urandom >&3; head -c 2000000 /dev/urandom >&2; "
                             "head -c 300000 /dev/urandom");
    assert_int_equal(result->outcome, OUTCOME_COMPLETED);
    assert_true(json_check(result->text, strlen(result->text), NULL, NULL));
    // A cut or lost output is no success.
    result = run_script(run, "head -c 2000000 /dev/zero | tr '\\000' 3 >&3; echo >&3");
    assert_int_equal(result->outcome, OUTCOME_ERROR);
    assert_string_equal(result->text, "on fd 3: a line longer than 1 MiB was dropped");
    expect_log(run, "a line longer than 1 MiB was dropped");
    result = run_script(
        run, "printf '{\"x\": \"'; head -c 2000000 /dev/zero | tr '\\000' y; echo '\"}'");
    assert_int_equal(result->outcome, OUTCOME_ERROR);
    assert_string_equal(result->text, "the output on stdout has 2000010 bytes, more than 1048576");
    result = run_script(run, "printf '{\"output\": \"'; head -c 200000 /dev/zero | tr '\\000' y; "
                             "echo '\"}'"); // not on fd 3: just an output
    assert_int_equal(result->outcome, OUTCOME_COMPLETED);
    result = run_script(run, "{ printf '{\"output\": \"'; head -c 200000 /dev/zero | "
                             "tr '\\000' y; echo '\"}'; } >&3");
    assert_int_equal(result->outcome, OUTCOME_COMPLETED);
    assert_int_equal(strlen(result->text), 200002);
}

static void expect_quick(WorkerRun *run, const char *script)
{
    const int64_t start = clock_boot_ms();
    expect_end(run, script, OUTCOME_COMPLETED, "7\n");
    assert_true(clock_boot_ms() - start < 1500);
}

// run_script checks that nothing is left. The pipes stay open in each of them.
static void test_grandchildren_are_swept(void **state)
{
    WorkerRun *run = *state;
    expect_quick(run, "sleep 1000 & echo 7");
    expect_quick(run, "setsid sleep 1000 & echo 7");
    expect_quick(run, "(setsid sh -c 'trap \"\" TERM HUP; sleep 1000 & sleep 1000' &) & echo 7");
    expect_quick(run, "(sleep 1000 >/dev/null 2>&1 3>&- &) ; echo 7");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_exit_codes),
        TEST(test_signals),
        TEST(test_peak_of_memory_is_the_programs_own),
        TEST(test_stdout_is_the_output),
        TEST(test_payload_is_stdin),
        TEST(test_lines_on_fd_3),
        TEST(test_waits),
        TEST(test_what_cannot_be_done_fails),
        TEST(test_steps_file_is_there),
        TEST(test_floods_are_capped),
        TEST(test_grandchildren_are_swept),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
