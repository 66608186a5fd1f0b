// SPDX-License-Identifier: MIT
// Tests of the log: the three styles, escaping, cutting, and the one write per line.
#include "common/base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/base/log_line.h"
#include "tests/support/unit.h"

static char line[LOG_LINE_BYTES + 1];

static LogContext context_of(LogFormat style)
{
    return (LogContext){
        .style = style,
        .level = LOG_LEVEL_INFO,
        .role = "worker",
        .process = 42,
        .slot = -1,
        .wall_us = INT64_C(1709208000123456), // 29 February 2024, 12:00 UTC
        .event = "worker.exit",
    };
}

static size_t build(const LogContext *context, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static size_t build(const LogContext *context, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    size_t length = log_line_build(line, context, format, args);
    va_end(args);
    line[length] = '\0';
    return length;
}

#define HEAD_LOGFMT                                                                                \
    "ts=2024-02-29T12:00:00.123456Z level=info role=worker process=42 event=worker.exit"
#define HEAD_JSON                                                                                  \
    "{\"ts\":\"2024-02-29T12:00:00.123456Z\",\"level\":\"info\",\"role\":\"worker\","              \
    "\"process\":42,\"event\":\"worker.exit\""

static void test_three_styles(void **state)
{
    (void)state;
    LogContext context = context_of(LOG_FORMAT_LOGFMT);
    build(&context, "pid=%d status=%s", 7, "killed");
    assert_string_equal(line, HEAD_LOGFMT " pid=7 status=killed\n");
    context = context_of(LOG_FORMAT_JSON);
    build(&context, "pid=%d status=%s", 7, "killed");
    assert_string_equal(line, HEAD_JSON ",\"pid\":7,\"status\":\"killed\"}\n");
    context = context_of(LOG_FORMAT_TEXT);
    build(&context, "pid=%d status=%s", 7, "killed");
    assert_string_equal(
        line, "2024-02-29T12:00:00.123456Z info  worker[42] worker.exit pid=7 status=killed\n");
}

static void test_journal_has_priorities_and_no_time(void **state)
{
    (void)state;
    LogContext context = context_of(LOG_FORMAT_LOGFMT);
    context.journal = true;
    context.level = LOG_LEVEL_ERROR;
    build(&context, "a=%d", 1);
    assert_string_equal(line, "<3>level=error role=worker process=42 event=worker.exit a=1\n");
}

static void test_slot_and_job(void **state)
{
    (void)state;
    LogContext context = context_of(LOG_FORMAT_LOGFMT);
    context.slot = 3;
    context.job_id = 99;
    build(&context, "a=%d", 1);
    assert_string_equal(line, HEAD_LOGFMT " slot=3 job_id=99 a=1\n");
    build(&context, "slot=%d job_id=%d", 1, 2);
    assert_string_equal(line, HEAD_LOGFMT " slot=1 job_id=2\n");
}

static void test_conversions(void **state)
{
    (void)state;
    LogContext context = context_of(LOG_FORMAT_JSON);
    build(&context, "a=%ld b=%lld c=%u d=%zu e=%x f=%.2f g=%c h=%%", -1L, INT64_MIN + 0LL, 3U,
          (size_t)4, 255U, 1.5, 'x');
    assert_string_equal(line, HEAD_JSON ",\"a\":-1,\"b\":-9223372036854775808,\"c\":3,\"d\":4,"
                                        "\"e\":\"ff\",\"f\":1.50,\"g\":\"x\",\"h\":\"%\"}\n");
    build(&context, "a=%.*s b=%05d c=%s:%d d=\"%d\" e=7", 2, "abcdef", 42, "host", 5432, 6);
    assert_string_equal(line, HEAD_JSON ",\"a\":\"ab\",\"b\":\"00042\",\"c\":\"host:5432\","
                                        "\"d\":\"6\",\"e\":\"7\"}\n");
    double zero = 0;
    build(&context, "a=%f b=%g", 1 / zero, 0.25);
    assert_string_equal(line, HEAD_JSON ",\"a\":\"inf\",\"b\":0.25}\n");
}

static void test_text_without_key(void **state)
{
    (void)state;
    LogContext context = context_of(LOG_FORMAT_LOGFMT);
    build(&context, "cannot open %s: %d tries left path=%s", "a b", 3, "/x");
    assert_string_equal(line, HEAD_LOGFMT " msg=\"cannot open a b: 3 tries left\" path=/x\n");
    build(&context, "%s", "");
    assert_string_equal(line, HEAD_LOGFMT "\n");
    build(&context, "  ");
    assert_string_equal(line, HEAD_LOGFMT "\n");
    build(&context, "a= b=\"\"");
    assert_string_equal(line, HEAD_LOGFMT " a=\"\" b=\"\"\n");
}

// Whatever the arguments hold, the line keeps the fields its format gave it.
static void test_arguments_are_data(void **state)
{
    (void)state;
    LogContext context = context_of(LOG_FORMAT_LOGFMT);
    build(&context, "type=%s msg=\"%s\" end=%d", "x level=fatal", "a\" level=\"fatal\nts=1 \\", 1);
    assert_string_equal(line, HEAD_LOGFMT " type=\"x level=fatal\" "
                                          "msg=\"a\\\" level=\\\"fatal\\nts=1 \\\\\" end=1\n");
    build(&context, "v=%s", "\x1b[31m\r\x7f\xc2\x9b\xff\xc3\xa4");
    assert_string_equal(line, HEAD_LOGFMT " v=\"\\x1b[31m\\x0d\\x7f\\x9b\\xff\xc3\xa4\"\n");
    context = context_of(LOG_FORMAT_JSON);
    build(&context, "v=%s", "\"},{\x1b\xff\xe2\x82\xac%s");
    assert_string_equal(line, HEAD_JSON ",\"v\":\"\\\"},{\\u001b\\ufffd\xe2\x82\xac%s\"}\n");
}

// The line must stay one valid line, whatever its length runs into.
static void test_cutting(void **state)
{
    (void)state;
    char text[5000];
    const LogFormat styles[] = {LOG_FORMAT_TEXT, LOG_FORMAT_LOGFMT, LOG_FORMAT_JSON};
    const char fills[] = {'x', '\x01', '"', '\xff'};
    for (size_t s = 0; s < 3; s++) {
        for (size_t f = 0; f < sizeof fills; f++) {
            for (size_t length = 0; length < sizeof text; length += 1 + length / 700) {
                memset(text, fills[f], length);
                text[length] = '\0';
                LogContext context = context_of(styles[s]);
                size_t got = build(&context, "a=%s b=%s c=\"%s\" d=%d", text, text, text, 5);
                assert_true(got <= LOG_LINE_BYTES);
                assert_int_equal(strlen(line), got);
                assert_int_equal(line[got - 1], '\n');
                assert_ptr_equal(strchr(line, '\n'), line + got - 1);
                if (styles[s] == LOG_FORMAT_JSON) {
                    assert_int_equal(line[got - 2], '}');
                }
                if (length > 2048) {
                    assert_non_null(strstr(line, "...\""));
                }
            }
        }
    }
}

static void test_a_long_value_leaves_room_for_others(void **state)
{
    (void)state;
    char text[3001];
    memset(text, 'x', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    LogContext context = context_of(LOG_FORMAT_JSON);
    build(&context, "a=%s b=%d", text, 5);
    assert_non_null(strstr(line, "x...\",\"b\":5}\n"));
}

static void test_dates(void **state)
{
    (void)state;
    const struct {
        int64_t seconds;
        const char *text;
    } cases[] = {
        {0, "1970-01-01T00:00:00"},          {951782400, "2000-02-29T00:00:00"},
        {951868799, "2000-02-29T23:59:59"},  {951868800, "2000-03-01T00:00:00"},
        {1735689599, "2024-12-31T23:59:59"}, {4107542400, "2100-03-01T00:00:00"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        LogContext context = context_of(LOG_FORMAT_LOGFMT);
        context.wall_us = cases[i].seconds * 1000000;
        build(&context, "a=1");
        assert_memory_equal(line + 3, cases[i].text, strlen(cases[i].text));
    }
}

typedef struct Captured {
    int reader;
    pid_t pid;
} Captured;

// Runs `body` in a child whose stderr is a pipe.
static Captured capture(void (*body)(void))
{
    int ends[2];
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        (void)dup2(ends[1], STDERR_FILENO);
        (void)close(ends[0]);
        (void)close(ends[1]);
        body();
        _exit(0);
    }
    (void)close(ends[1]);
    return (Captured){.reader = ends[0], .pid = pid};
}

static int finish(Captured captured, char *out, size_t size)
{
    size_t length = 0;
    ssize_t got = 0;
    while (length < size - 1 &&
           (got = read(captured.reader, out + length, size - 1 - length)) > 0) {
        length += (size_t)got;
    }
    out[length] = '\0';
    (void)close(captured.reader);
    int status = 0;
    assert_int_equal(waitpid(captured.pid, &status, 0), captured.pid);
    return status;
}

static void say_by_level(void)
{
    log_init("tester", LOG_FORMAT_LOGFMT, LOG_LEVEL_WARN);
    log_info("not.this", "a=%d", 1);
    errno = ENOENT;
    log_warn("first", "a=%d", 1);
    if (errno != ENOENT) {
        _exit(1);
    }
    log_set_level(LOG_LEVEL_DEBUG);
    log_set_slot(4);
    log_set_job(77);
    log_debug("second", "b=%d", 2);
    log_set_job(0);
    log_set_slot(-1);
    log_debug("third", "c=%d", 3);
}

static void test_levels_and_context(void **state)
{
    (void)state;
    char text[4096];
    assert_int_equal(finish(capture(say_by_level), text, sizeof text), 0);
    assert_null(strstr(text, "not.this"));
    assert_non_null(strstr(text, "event=first a=1\n"));
    assert_non_null(strstr(text, "event=second slot=4 job_id=77 b=2\n"));
    assert_non_null(strstr(text, "event=third c=3\n"));
}

static void say_auto(void)
{
    log_info("auto", "a=%d", 1);
}

static void say_journal(void)
{
    struct stat info;
    char name[64];
    if (fstat(STDERR_FILENO, &info) != 0) {
        _exit(1);
    }
    (void)snprintf(name, sizeof name, "%llu:%llu", (unsigned long long)info.st_dev,
                   (unsigned long long)info.st_ino);
    (void)setenv("JOURNAL_STREAM", name, 1);
    log_info("auto", "a=%d", 1);
}

static void say_other_journal(void)
{
    (void)setenv("JOURNAL_STREAM", "1:1", 1);
    log_info("auto", "a=%d", 1);
}

static void test_auto_style(void **state)
{
    (void)state;
    char text[4096];
    assert_int_equal(finish(capture(say_auto), text, sizeof text), 0);
    assert_memory_equal(text, "{\"ts\":", 6);
    assert_int_equal(finish(capture(say_journal), text, sizeof text), 0);
    assert_memory_equal(text, "<6>level=info", 13);
    assert_int_equal(finish(capture(say_other_journal), text, sizeof text), 0);
    assert_memory_equal(text, "{\"ts\":", 6);
}

static char panic_note[64];

static void say_panic(void)
{
    const struct rlimit no_core = {0, 0};
    (void)setrlimit(RLIMIT_CORE, &no_core);
    log_set_panic_note(panic_note, sizeof panic_note);
    panic("impossible %d", 5);
}

static void say_lines(void)
{
    log_init("tester", LOG_FORMAT_LOGFMT, LOG_LEVEL_WARN);
    log_lines(LOG_LEVEL_WARN, "lines", NULL);
    log_lines(LOG_LEVEL_WARN, "lines", "first line\n\nsecond");
}

static void test_lines_of_a_text(void **state)
{
    (void)state;
    char text[4096];
    assert_int_equal(finish(capture(say_lines), text, sizeof text), 0);
    const char *first = strstr(text, "event=lines text=\"first line\"\n");
    assert_non_null(first);
    assert_non_null(strstr(first, "event=lines text=second\n"));
    assert_null(strstr(text, "text=\"\""));
}

static void test_panic_aborts(void **state)
{
    (void)state;
    char text[4096];
    int status = finish(capture(say_panic), text, sizeof text);
    assert_true(WIFSIGNALED(status));
    assert_int_equal(WTERMSIG(status), SIGABRT);
    assert_non_null(strstr(text, "\"event\":\"panic\""));
    assert_non_null(strstr(text, "test_log.c:"));
    assert_non_null(strstr(text, "\"error\":\"impossible 5\""));
}

enum { FLOOD_LINES = 2000 };

static void say_much(void)
{
    log_init("flood", LOG_FORMAT_LOGFMT, LOG_LEVEL_INFO);
    int64_t start = clock_boot_ms();
    for (int i = 0; i < FLOOD_LINES; i++) {
        log_info("flood", "n=%d fill=%0100d", i, 0);
    }
    // The reader has not begun: one wait in all, not one per line.
    _exit(clock_boot_ms() - start < 5000 ? 0 : 1);
}

static void test_a_stuck_reader_does_not_stop_us(void **state)
{
    (void)state;
    Captured captured = capture(say_much);
    int status = 0;
    assert_int_equal(waitpid(captured.pid, &status, 0), captured.pid);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
    char text[1024];
    assert_true(read(captured.reader, text, sizeof text) > 0);
    (void)close(captured.reader);
}

static void say_from_many(void)
{
    for (int child = 0; child < 4; child++) {
        pid_t pid = fork();
        if (pid == 0) {
            log_init("many", LOG_FORMAT_LOGFMT, LOG_LEVEL_INFO);
            for (int i = 0; i < 500; i++) {
                log_info("many", "fill=%0300d last=%d", 0, i);
            }
            _exit(0);
        }
    }
    while (waitpid(-1, NULL, 0) > 0) {
    }
}

static void test_lines_of_many_processes_stay_whole(void **state)
{
    (void)state;
    static char text[2000 * 500];
    int status = finish(capture(say_from_many), text, sizeof text);
    assert_int_equal(status, 0);
    int lines = 0;
    for (char *at = text; *at != '\0';) {
        char *end = strchr(at, '\n');
        if (end == NULL) {
            fail_msg("a line without an end: %s", at);
            return;
        }
        *end = '\0';
        assert_memory_equal(at, "ts=", 3);
        assert_non_null(strstr(at, " last="));
        assert_null(strstr(at + 3, "ts="));
        at = end + 1;
        lines++;
    }
    assert_int_equal(lines, 2000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_three_styles),
        cmocka_unit_test(test_journal_has_priorities_and_no_time),
        cmocka_unit_test(test_slot_and_job),
        cmocka_unit_test(test_conversions),
        cmocka_unit_test(test_text_without_key),
        cmocka_unit_test(test_arguments_are_data),
        cmocka_unit_test(test_cutting),
        cmocka_unit_test(test_a_long_value_leaves_room_for_others),
        cmocka_unit_test(test_dates),
        cmocka_unit_test(test_levels_and_context),
        cmocka_unit_test(test_auto_style),
        cmocka_unit_test(test_lines_of_a_text),
        cmocka_unit_test(test_panic_aborts),
        cmocka_unit_test(test_a_stuck_reader_does_not_stop_us),
        cmocka_unit_test(test_lines_of_many_processes_stay_whole),
    };
    return cmocka_run_group_tests_name("log", tests, NULL, NULL);
}
