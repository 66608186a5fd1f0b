// SPDX-License-Identifier: MIT
// Jobs of tests of the real gangerd, what becomes of them, and what their handlers wrote down: see daemon.h.
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/base/clock.h"
#include "common/base/memory.h"
#include "tests/support/daemon.h"

enum { LOOK_MS = 5 };

// --- jobs

int64_t job_add(SystemTest *test, const char *arguments, ...)
{
    char text[2048];
    va_list args;
    va_start(args, arguments);
    int length = vsnprintf(text, sizeof text, arguments, args);
    va_end(args);
    assert_true(length > 0 && (size_t)length < sizeof text);
    return test_db_int(test->conn, "select ganger.enqueue(%s)", text);
}

static void show_job(SystemTest *test, int64_t id)
{
    char *row = test_db_text(test->conn,
                             "select row_to_json(j)::text || ' attempts: ' || coalesce((select "
                             "json_agg(a)::text from ganger.attempts a where a.job_id = j.id), "
                             "'none') from ganger.jobs j where j.id = %" PRId64,
                             id);
    (void)fprintf(stderr, "--- job %" PRId64 ": %s\n", id, row != NULL ? row : "gone");
    free(row);
}

void job_await_within(SystemTest *test, int64_t id, const char *status, int64_t limit_ms)
{
    if (!test_db_await(test->conn, limit_ms,
                       "select exists (select from ganger.jobs where id = %" PRId64
                       " and status = '%s')",
                       id, status)) {
        char what[160];
        show_job(test, id);
        (void)snprintf(what, sizeof what, "job %" PRId64 " is not %s after %" PRId64 " ms", id,
                       status, limit_ms);
        system_fail(test, what);
    }
}

void job_await(SystemTest *test, int64_t id, const char *status)
{
    job_await_within(test, id, status, DAEMON_PATIENCE_MS);
}

static void check_sql(SystemTest *test, int64_t limit_ms, const char *condition, va_list args)
{
    char *text = NULL;
    if (vasprintf(&text, condition, args) < 0) {
        abort();
    }
    bool is_true = limit_ms > 0
                       ? test_db_await(test->conn, limit_ms, "select %s", text)
                       : test_db_int(test->conn, "select coalesce((%s), false)::int", text) == 1;
    if (!is_true) {
        char *jobs = test_db_text(test->conn,
                                  "select coalesce(json_agg(j)::text, '') from (select id, status, "
                                  "attempts, failure_reason, error from ganger.jobs order by id "
                                  "desc limit 10) j");
        (void)fprintf(stderr, "--- not true: %s\n--- jobs: %s\n", text, jobs);
        free(jobs);
        free(text);
        system_fail(test, "a condition in the database does not hold");
    }
    free(text);
}

void sql_await(SystemTest *test, const char *condition, ...)
{
    va_list args;
    va_start(args, condition);
    check_sql(test, DAEMON_PATIENCE_MS, condition, args);
    va_end(args);
}

void sql_check(SystemTest *test, const char *condition, ...)
{
    va_list args;
    va_start(args, condition);
    check_sql(test, 0, condition, args);
    va_end(args);
}

pid_t job_await_pid(SystemTest *test, int64_t id)
{
    job_await(test, id, "processing");
    pid_t pid = (pid_t)test_db_int(test->conn,
                                   "select pid from ganger.attempts where job_id = %" PRId64
                                   " order by attempt desc limit 1",
                                   id);
    assert_true(pid > 1);
    return pid;
}

// --- the journal

static char *journal_path(const SystemTest *test)
{
    return mem_printf("%s/journal", test->folder);
}

int64_t journal_add(SystemTest *test, int ms, const char *more, const char *options)
{
    return job_add(test, "'journal', '{\"file\": \"%s/journal\", \"ms\": %d%s%s}'%s%s",
                   test->folder, ms, more != NULL ? ", " : "", more != NULL ? more : "",
                   options != NULL ? ", " : "", options != NULL ? options : "");
}

// Lines "<what> <job> <attempt> <pid> <us>".
static int scan_journal(const SystemTest *test, int64_t id, const char *what, pid_t *last)
{
    char *path = journal_path(test);
    char *text = read_file(path);
    int count = 0;
    char *rest = text;
    for (char *line; (line = strsep(&rest, "\n")) != NULL;) {
        char word[16];
        long long job = 0;
        int attempt = 0;
        int pid = 0;
        int got = // NOLINTNEXTLINE(cert-err34-c): the lines are our own plugin's
            sscanf(line, "%15s %lld %d %d", word, &job, &attempt, &pid);
        if (got == 4 && job == id && str_equal(word, what)) {
            count++;
            *last = pid;
        }
    }
    free(text);
    free(path);
    return count;
}

int journal_count(const SystemTest *test, int64_t id, const char *what)
{
    pid_t last = 0;
    return scan_journal(test, id, what, &last);
}

pid_t journal_await_begin(SystemTest *test, int64_t id, int times)
{
    pid_t pid = 0;
    for (int64_t until = clock_boot_ms() + DAEMON_PATIENCE_MS;
         scan_journal(test, id, "begin", &pid) < times; pause_ms(LOOK_MS)) {
        if (clock_boot_ms() > until) {
            show_job(test, id);
            system_fail(test, "a job did not begin");
        }
    }
    return pid;
}
