// SPDX-License-Identifier: MIT
// Tests of program handlers: what a program finds, and what it cannot do.
#include <dirent.h>
#include <stdio.h>
#include <sys/stat.h>

#include "tests/support/exec_run.h"
#include "worker/sandbox.h"

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

static void expect_no_steps(WorkerRun *run)
{
    expect_end(run,
               "cat <&4; (echo x >&4) 2>/dev/null; (echo y >/dev/fd/4) 2>/dev/null; "
               "(echo z >>/dev/fd/4) 2>/dev/null; chmod 000 /dev/fd/4; cat /dev/fd/4",
               OUTCOME_COMPLETED, "\"{}{}\"");
}

static void expect_mode(WorkerRun *run)
{
    expect_end(run, "stat -Lc %a /dev/fd/4; chmod 600 /dev/fd/4", OUTCOME_COMPLETED, "777\n");
}

// A job without steps finds none, whatever the program before it has done to what it was handed, or a plugin to our files.
static void test_no_steps(void **state)
{
    WorkerRun *run = *state;
    expect_no_steps(run);
    expect_no_steps(run);
    expect_mode(run);
    expect_mode(run);
    const int other = open("/etc/passwd", O_RDONLY | O_CLOEXEC);
    assert_true(other >= 0);
    for (int fd = other + 1; fd < 64; fd++) {
        char path[32];
        char link[64] = "";
        (void)snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
        if (readlink(path, link, sizeof link - 1) > 0 && strstr(link, "/memfd:ganger (") != NULL) {
            assert_int_equal(dup2(other, fd), fd);
        }
    }
    expect_no_steps(run);
    close(other);
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

static int open_files(void)
{
    int count = 0;
    for (int fd = 0; fd < 256; fd++) {
        count += fcntl(fd, F_GETFD) >= 0 ? 1 : 0;
    }
    return count;
}

// What is found out only when everything else is ready.
static void test_program_that_cannot_run(void **state)
{
    WorkerRun *run = *state;
    char path[] = "/tmp/ganger-program-XXXXXX";
    static const char text[] = "#!/no/such/interpreter\n";
    const int fd = mkstemp(path);
    assert_true(fd >= 0 && write(fd, text, sizeof text - 1) == sizeof text - 1);
    assert_true(fchmod(fd, 0755) == 0 && close(fd) == 0);
    char *argv[] = {path, NULL};
    run->handler_config.kind = HANDLER_EXEC;
    run->handler_config.exec = (StringList){.items = argv, .count = 1};
    int before = 0;
    for (int pass = 0; pass < 2; pass++) {
        worker_run_forget_result(run);
        run_exec(&run->handler, &run->context, &run->result);
        assert_int_equal(run->result.outcome, OUTCOME_ERROR);
        assert_non_null(strstr(run->result.text, "exec: No such file or directory"));
        assert_true(proc_has_no_children());
        assert_true(pass == 0 || open_files() == before);
        before = open_files();
    }
    assert_int_equal(unlink(path), 0);
}

// Its output is at an end long before it is.
static void test_program_that_closes_its_files(void **state)
{
    WorkerRun *run = *state;
    const RunResult *result =
        run_script(run, "echo said; exec >&- 2>&- 3>&- <&-; sleep 0.2; exit 7");
    assert_int_equal(result->outcome, OUTCOME_ERROR);
    assert_int_equal(result->exit_code, 7);
    expect_end(run, "echo '\"said\"'; exec >&- 2>&- 3>&- <&-; sleep 0.2", OUTCOME_COMPLETED,
               "\"said\"\n");
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_environment_is_clean),
        TEST(test_texts_are_inert),
        TEST(test_sandbox),
        TEST(test_no_steps),
        TEST(test_open_files),
        TEST(test_limits),
        TEST(test_missing_program),
        TEST(test_program_that_cannot_run),
        TEST(test_program_that_closes_its_files),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
