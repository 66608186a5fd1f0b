// SPDX-License-Identifier: MIT
// Tests of program handlers: every way to end, fd 3, floods, processes left behind, what a program
// finds.
#include <dirent.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "common/base/clock.h"
#include "common/base/json_check.h"
#include "common/base/proc_tree.h"
#include "tests/support/worker_run.h"
#include "worker/sandbox.h"

static char *program[4] = {(char[]){"/bin/sh"}, (char[]){"-c"}, NULL, NULL};

static int setup(void **state)
{
    WorkerRun *run = mem_alloc(sizeof *run);
    worker_run_setup(run);
    *state = run;
    return 0;
}

static int teardown(void **state)
{
    worker_run_teardown(*state);
    free(*state);
    free(program[2]);
    program[2] = NULL;
    return 0;
}

// Runs a shell script as the job's program.
static const RunResult *run_script(WorkerRun *run, const char *script)
{
    free(program[2]);
    program[2] = mem_strdup(script);
    run->handler_config.kind = HANDLER_EXEC;
    run->handler_config.exec = (StringList){.items = program, .count = 3};
    worker_run_forget_result(run);
    slot_log_clear(run->slot);
    run_exec(&run->handler, &run->context, &run->result);
    assert_true(proc_has_no_children());
    return &run->result;
}

static void expect_end(WorkerRun *run, const char *script, JobOutcome outcome, const char *text)
{
    const RunResult *result = run_script(run, script);
    assert_int_equal(result->outcome, outcome);
    if (text == NULL) {
        assert_null(result->text);
    } else {
        assert_non_null(result->text);
        assert_string_equal(result->text, text);
    }
}

static void expect_log(const WorkerRun *run, const char *part)
{
    char *log = slot_log_copy(run->slot);
    assert_non_null(log);
    if (strstr(log, part) == NULL) {
        fail_msg("'%s' is not in the log: %s", part, log);
    }
    free(log);
}

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

static void test_environment_is_clean(void **state)
{
    WorkerRun *run = *state;
    assert_int_equal(setenv("PGPASSWORD", "secret", 1), 0);
    assert_int_equal(setenv("DATABASE_URL", "secret", 1), 0);
    run->job.owner = mem_strdup("ann");
    run->job.tags = mem_strdup("[\"t\"]");
    run->job.metadata = mem_strdup("{\"m\": 1, \"tracestate\": \"a=b\", \"traceparent\": "
                                   "\"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\"}");
    run->job.group_key = mem_strdup("g");
    run->job.timeout_ms = 5000;
    const RunResult *result = run_script(run, "env; exit 0");
    const char *text = result->text;
    assert_null(strstr(text, "secret"));
    static const char *const wanted[] = {
        "PATH=/",
        "GANGER_JOB_ID=4711",
        "GANGER_JOB_TYPE=probe",
        "GANGER_ATTEMPT=2",
        "GANGER_QUEUE=mail",
        "GANGER_OWNER=ann",
        "GANGER_METADATA={\\\"m\\\": 1, ",
        "TRACEPARENT=00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\\n",
        "TRACESTATE=a=b",
        "GANGER_GROUP_KEY=g",
        "GANGER_MAX_ATTEMPTS=3",
        "GANGER_TIMEOUT_MS=5000"};
    for (size_t i = 0; i < sizeof wanted / sizeof wanted[0]; i++) {
        if (strstr(text, wanted[i]) == NULL) {
            fail_msg("%s is not in %s", wanted[i], text);
        }
    }
    expect_end(run,
               "env | grep -c -v -E "
               "'^(PATH|HOME|LANG|TZ|PWD|SHLVL|_|OLDPWD|TRACEPARENT|TRACESTATE|GANGER_[A-Z_]*)='",
               OUTCOME_ERROR, "exit code 1"); // grep found none
}

// Whatever the texts of a job are, they reach the program as they are, and no shell.
static const char *const sharp[] = {"; touch M",
                                    "| touch M",
                                    "|| touch M",
                                    "& touch M",
                                    "&& touch M",
                                    "$(touch M)",
                                    "`touch M`",
                                    "> M",
                                    ">> M",
                                    "< M",
                                    "2> M",
                                    "\ntouch M\n",
                                    "\rtouch M",
                                    "'; touch M; '",
                                    "\"; touch M; \"",
                                    "\\'; touch M #",
                                    "${IFS}touch${IFS}M",
                                    "{touch,M}",
                                    "*",
                                    "?",
                                    "[a-z]*",
                                    "~",
                                    "~root",
                                    "!!",
                                    "!touch",
                                    "# touch M",
                                    "%s%n%x",
                                    "%M",
                                    "$PATH",
                                    "$$",
                                    "$0",
                                    "$@",
                                    "\\",
                                    "\\\\",
                                    "\\n",
                                    "\t",
                                    " ",
                                    "  two  spaces ",
                                    "--help",
                                    "-c touch M",
                                    "-",
                                    "--",
                                    "=",
                                    "A=B",
                                    "\x1b[31m",
                                    "\x7f",
                                    "\xc3\xa9",
                                    "<(touch M)",
                                    "$((1+1))",
                                    "a\nb=c",
                                    "@M",
                                    "file:///etc/passwd",
                                    "../../../etc/passwd"};

static void test_texts_are_inert(void **state)
{
    WorkerRun *run = *state;
    char marker[] = "/tmp/ganger-marker-XXXXXX";
    const int fd = mkstemp(marker);
    assert_true(fd >= 0);
    close(fd);
    char *argv[] = {(char[]){"/bin/sh"},
                    (char[]){"-c"},
                    (char[]){"printf '%s\\036%s\\036%s\\036' \"$1\" \"$GANGER_OWNER\" "
                             "\"$GANGER_GROUP_KEY\" >&2; cat >&2"},
                    (char[]){"x"},
                    NULL,
                    NULL};
    run->handler_config.kind = HANDLER_EXEC;
    run->handler_config.exec = (StringList){.items = argv, .count = 5};
    const size_t count = sizeof sharp / sizeof sharp[0];
    assert_true(count >= 50);
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(unlink(marker), 0);
        StrBuf text = {0};
        for (const char *at = sharp[i]; *at != '\0'; at++) {
            if (*at == 'M') {
                strbuf_append(&text, marker);
            } else {
                strbuf_append_char(&text, *at);
            }
        }
        argv[4] = text.text;
        free(run->job.owner);
        free(run->job.group_key);
        run->job.owner = mem_strdup(text.text);
        run->job.group_key = mem_strdup(text.text);
        worker_run_set_payload(run, text.text);
        worker_run_forget_result(run);
        slot_log_clear(run->slot);
        run_exec(&run->handler, &run->context, &run->result);
        char *wanted =
            mem_printf("%s\036%s\036%s\036%s", text.text, text.text, text.text, text.text);
        char *log = slot_log_copy(run->slot);
        assert_string_equal(log, wanted);
        assert_int_equal(access(marker, F_OK), -1);
        assert_int_equal(close(creat(marker, 0600)), 0);
        free(log);
        free(wanted);
        strbuf_free(&text);
    }
    assert_int_equal(unlink(marker), 0);
}

static int filters_of(WorkerRun *run, bool has_sandbox)
{
    run->handler_config.sandbox = has_sandbox;
    const RunResult *result =
        run_script(run, "sed -n 's/^Seccomp_filters:[[:space:]]*//p' /proc/self/status");
    assert_int_equal(result->outcome, OUTCOME_COMPLETED);
    return result->text == NULL ? -1 : (int)strtol(result->text, NULL, 10);
}

static void test_sandbox(void **state)
{
    WorkerRun *run = *state;
    if (!sandbox_is_available()) {
        skip();
    }
    const int without = filters_of(run, false);
    assert_int_equal(filters_of(run, true), without + 1);
    expect_end(
        run,
        "unshare -U true 2>/dev/null || echo no; grep NoNewPrivs /proc/self/status | tr -dc 01",
        OUTCOME_COMPLETED, "\"no\\n1\"");
    // The worker is not in it.
    assert_int_equal(prctl(PR_GET_SECCOMP), filters_of(run, false) > 0 ? 2 : 0);
}

static void test_open_files(void **state)
{
    WorkerRun *run = *state;
    const int leak = fcntl(FD_WAKE, F_DUPFD, 20); // not close-on-exec
    assert_true(leak >= 20);
    expect_end(run,
               "n=0; while [ $n -lt 64 ]; do [ -e /proc/$$/fd/$n ] && l=\"$l $n\"; n=$((n+1)); "
               "done; echo \"$l\"",
               OUTCOME_COMPLETED, "\" 0 1 2 3 4\"");
    close(leak);
    // No files of ours are left open either.
    int before = 0;
    for (int pass = 0; pass < 2; pass++) {
        int count = 0;
        DIR *folder = opendir("/proc/self/fd");
        if (folder == NULL) {
            fail_msg("/proc/self/fd cannot be read");
            return;
        }
        while (readdir(folder) != NULL) {
            count++;
        }
        closedir(folder);
        if (pass == 1) {
            assert_int_equal(count, before);
        }
        before = count;
        expect_end(run, "exit 0", OUTCOME_COMPLETED, NULL);
    }
}

static void test_limits(void **state)
{
    WorkerRun *run = *state;
    run->handler_config.limits =
        (HandlerLimits){.cpu_ms = 1000, .files = 30, .file_size_bytes = 4096};
    expect_end(run, "ulimit -n", OUTCOME_COMPLETED, "30\n");
    expect_end(run, "ulimit -t", OUTCOME_COMPLETED, "1\n");
    expect_end(run, "while :; do :; done", OUTCOME_CRASHED, "killed by SIGXCPU");
    run->handler_config.limits = (HandlerLimits){.memory_bytes = 64LL * 1024 * 1024};
    expect_end(run, "ulimit -v", OUTCOME_COMPLETED, "65536\n");
    run->handler_config.limits = (HandlerLimits){.processes = 4000};
    expect_end(run, "grep 'Max processes' /proc/self/limits | awk '{print $3}'", OUTCOME_COMPLETED,
               "4000\n");
    run->handler_config.limits = (HandlerLimits){.file_size_bytes = 4096};
    expect_end(run,
               "head -c 5000 /dev/zero > /tmp/ganger-limit-$GANGER_JOB_ID; s=$?; "
               "wc -c < /tmp/ganger-limit-$GANGER_JOB_ID; rm /tmp/ganger-limit-$GANGER_JOB_ID; "
               "exit $((s < 128))",
               OUTCOME_COMPLETED, "4096\n");
}

static void test_missing_program(void **state)
{
    WorkerRun *run = *state;
    char *missing[] = {(char[]){"no-such-program-here"}, NULL};
    run->handler_config.exec = (StringList){.items = missing, .count = 1};
    run_exec(&run->handler, &run->context, &run->result);
    assert_int_equal(run->result.outcome, OUTCOME_ERROR);
    assert_string_equal(run->result.text, "program 'no-such-program-here': not found in PATH");
    worker_run_forget_result(run);
    missing[0] = (char[]){"/etc/passwd"};
    run_exec(&run->handler, &run->context, &run->result);
    assert_string_equal(run->result.text, "program '/etc/passwd': not an executable file");
}

static void await_ready(const WorkerRun *run)
{
    for (;;) {
        char *log = slot_log_copy(run->slot);
        const bool is_ready = log != NULL && strstr(log, "ready") != NULL;
        free(log);
        if (is_ready) {
            return;
        }
        sched_yield();
    }
}

// What a supervisor does at a deadline.
static void *stop_when_ready(void *argument)
{
    WorkerRun *run = argument;
    await_ready(run);
    worker_run_stop(run, STOP_TIMEOUT);
    return NULL;
}

// What the kernel does when the supervisor dies.
static void *orphan_when_ready(void *argument)
{
    WorkerRun *run = argument;
    await_ready(run);
    close(run->lifeline);
    run->lifeline = -1;
    return NULL;
}

static void test_stop_terminates_the_group(void **state)
{
    WorkerRun *run = *state;
    pthread_t thread;
    const int64_t start = clock_boot_ms();
    slot_log_clear(run->slot);
    assert_int_equal(pthread_create(&thread, NULL, stop_when_ready, run), 0);
    expect_end(run, "trap 'echo stopped >&2; exit 9' TERM; echo ready >&2; sleep 100 & wait",
               OUTCOME_ERROR, "exit code 9: stopped");
    pthread_join(thread, NULL);
    assert_true(clock_boot_ms() - start < 10000);
}

// The stop was raised and its wake-up eaten before the program was started.
static void test_stop_before_start(void **state)
{
    WorkerRun *run = *state;
    atomic_store(&run->slot->stop_serial, 1);
    expect_end(run, "sleep 100", OUTCOME_CRASHED, "killed by SIGTERM");
}

static void test_lifeline_kills(void **state)
{
    WorkerRun *run = *state;
    pthread_t thread;
    slot_log_clear(run->slot);
    assert_int_equal(pthread_create(&thread, NULL, orphan_when_ready, run), 0);
    expect_end(run, "trap '' TERM; echo ready >&2; while :; do sleep 100; done", OUTCOME_SNOOZE,
               NULL);
    assert_int_equal(run->result.delay_ms, 0);
    pthread_join(thread, NULL);
}

// A database that takes connections and says nothing.
typedef struct MuteServer {
    WorkerRun *run;
    int listener;
    struct sockaddr_un address;
    char folder[32];
    char *url;
    bool was_prolonged; // when the progress came to it
} MuteServer;

static void *accept_one(void *argument)
{
    MuteServer *self = argument;
    const int client = accept4(self->listener, NULL, NULL, SOCK_CLOEXEC);
    self->was_prolonged = atomic_load(&self->run->slot->run_soft_at) > clock_boot_ms() + 1000000;
    close(client); // the answer is that there is none
    return NULL;
}

static void mute_server_begin(MuteServer *self, WorkerRun *run)
{
    *self = (MuteServer){.run = run, .folder = "/tmp/ganger-mute-XXXXXX"};
    self->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_non_null(mkdtemp(self->folder));
    self->address.sun_family = AF_UNIX;
    assert_true(snprintf(self->address.sun_path, sizeof self->address.sun_path, "%s/.s.PGSQL.5432",
                         self->folder) > 0);
    assert_int_equal(
        bind(self->listener, (const struct sockaddr *)&self->address, sizeof self->address), 0);
    assert_int_equal(listen(self->listener, 1), 0);
    self->url = mem_printf("host=%s port=5432 dbname=x", self->folder);
    run->context.url = self->url;
}

static void mute_server_end(MuteServer *self)
{
    close(self->listener);
    (void)unlink(self->address.sun_path);
    (void)rmdir(self->folder);
    self->run->context.url = NULL;
    free(self->url);
}

// Progress may wait for the database, and time must not run out meanwhile.
static void test_prolong_comes_before_progress(void **state)
{
    WorkerRun *run = *state;
    MuteServer server;
    mute_server_begin(&server, run);
    atomic_store(&run->slot->run_soft_at, clock_boot_ms() + 100000);
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, accept_one, &server), 0);
    expect_end(run, "echo '{\"progress\": 1, \"prolong\": \"1h\"}' >&3", OUTCOME_COMPLETED, NULL);
    pthread_join(thread, NULL);
    assert_true(server.was_prolonged);
    mute_server_end(&server);
}

// One step has waited for it, the others do not: each for itself would take hours.
static void test_many_steps_beside_a_mute_database(void **state)
{
    WorkerRun *run = *state;
    MuteServer server;
    mute_server_begin(&server, run);
    const int64_t start = clock_boot_ms();
    const RunResult *result =
        run_script(run, "seq 5000 | sed 's/.*/{\"step\": \"s&\"}/' >&3"); // as fast as it can
    assert_int_equal(result->outcome, OUTCOME_ERROR);
    assert_string_equal(result->text,
                        "on fd 3: step 's1' was not stored: no connection to the database");
    expect_log(run, "step 's5000' was not stored: the database does not answer");
    assert_true(clock_boot_ms() - start < 20000);
    mute_server_end(&server);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

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
        TEST(test_environment_is_clean),
        TEST(test_texts_are_inert),
        TEST(test_sandbox),
        TEST(test_open_files),
        TEST(test_limits),
        TEST(test_missing_program),
        TEST(test_stop_terminates_the_group),
        TEST(test_stop_before_start),
        TEST(test_lifeline_kills),
        TEST(test_prolong_comes_before_progress),
        TEST(test_many_steps_beside_a_mute_database),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
