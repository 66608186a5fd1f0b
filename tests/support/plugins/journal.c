// SPDX-License-Identifier: MIT
// Handlers for the system and chaos tests: they write down, independently of ganger, when which attempt ran.
#include <ganger/handler.h>

#include <fcntl.h>
#include <libpq-fe.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "journal_line.h"

enum { SLICE_MS = 2, GROWTH_BYTES = 24 << 20, LIST_BYTES = 256 };

// One line; the process is the worker's, in which the handler runs.
static int write_line(const char *path, const char *what, const ganger_job *job)
{
    return journal_write(path, what, job->id, job->attempt, getpid());
}

// A process of a session of its own, which the worker does not know: a line "tick" each 20 ms until it is ended.
static void leave_orphan(const char *path, const ganger_job *job, long long ms)
{
    const pid_t worker = getpid();
    const pid_t child = fork();
    if (child > 0) {
        (void)waitpid(child, NULL, 0);
        return;
    }
    if (child == 0 && setsid() > 0 && fork() == 0) {
        (void)close_range(0, ~0U, 0);
        journal_tick(path, job->id, job->attempt, worker, 20, ms);
    }
    if (child == 0) {
        _exit(0);
    }
}

// What every handler here does between "begin" and its return. false: it has been stopped, and obeys.
static int work(const ganger_job *job, ganger_context *context, const char *path)
{
    const long long until = journal_boot_us() + payload_number(job->payload, "ms", 0) * 1000;
    const int is_deaf = payload_number(job->payload, "deaf", 0) != 0;
    const long long tick_us = payload_number(job->payload, "tick", 0) * 1000;
    const long long orphan_ms = payload_number(job->payload, "orphan", 0);
    long long tick_at = journal_boot_us() + tick_us;
    if (orphan_ms > 0) {
        leave_orphan(path, job, orphan_ms);
    }
    while (journal_boot_us() < until) {
        if (tick_us > 0 && journal_boot_us() >= tick_at) {
            (void)write_line(path, "tick", job);
            tick_at += tick_us;
        }
        if (!is_deaf && ganger_should_stop(context)) {
            (void)write_line(path, "stop", job);
            ganger_set_error(context, "stopped");
            return 0;
        }
        const struct timespec pause = {.tv_nsec = SLICE_MS * 1000000L};
        (void)nanosleep(&pause, NULL);
    }
    if (job->attempt < payload_number(job->payload, "crash_until", 0)) {
        (void)signal(SIGSEGV, SIG_DFL);
        (void)raise(SIGSEGV);
    }
    return 1;
}

static enum ganger_result finish(const ganger_job *job, ganger_context *context, const char *path)
{
    (void)write_line(path, "end", job);
    if (job->attempt < payload_number(job->payload, "fail_until", 0)) {
        ganger_set_error(context, "told to fail");
        return GANGER_ERROR;
    }
    return GANGER_OK;
}

// journal {"file": path, "ms": n, "deaf": 0|1, "fail_until": n, "crash_until": n, "tick": n, "orphan": n}: "begin", n milliseconds, "end".
// Every `tick` milliseconds a line "tick". Deaf: does not obey a stop. Fails in attempts before fail_until; dies of SIGSEGV in attempts
// before crash_until. Orphan: leaves a process that writes "tick" for so many milliseconds.
static enum ganger_result run_journal(const ganger_job *job, ganger_context *context)
{
    char path[256];
    if (!payload_path(job->payload, path, sizeof path) || !write_line(path, "begin", job)) {
        ganger_set_error(context, "the journal cannot be written");
        return GANGER_DISCARD;
    }
    return work(job, context, path) ? finish(job, context, path) : GANGER_ERROR;
}

static int note_first(void *data, int columns, const char *const *names, const char *const *values)
{
    (void)columns;
    (void)names;
    *(int *)data = values[0] != NULL && values[0][0] == 't';
    return 0;
}

// In the job's transaction: takes a lock that lives as long as it does. When an earlier attempt's session has it still, a line "beside"
// says so. Then sql_ms in one statement, and a child, by which the completion can be counted once more.
static int work_in_transaction(const ganger_job *job, ganger_context *context, const char *path)
{
    char sql[160];
    char payload[LIST_BYTES * 2];
    int is_alone = 0;
    (void)snprintf(sql, sizeof sql, "SELECT pg_try_advisory_xact_lock(%lld)", (long long)job->id);
    if (ganger_exec_sql(context, sql, 0, NULL, note_first, &is_alone) < 0) {
        return 0;
    }
    if (!is_alone) {
        (void)write_line(path, "beside", job);
    }
    const long long sql_ms = payload_number(job->payload, "sql_ms", 0);
    (void)snprintf(sql, sizeof sql, "SELECT pg_sleep(%lld * 0.001)", sql_ms);
    if (sql_ms > 0 && ganger_exec_sql(context, sql, 0, NULL, NULL, NULL) < 0) {
        return 0;
    }
    (void)snprintf(payload, sizeof payload, "{\"file\": \"%s\", \"op\": \"child.%lld\"}", path,
                   (long long)job->id);
    return ganger_enqueue(context, "journal", payload, "{\"max_attempts\": 40}") > 0;
}

// journal_tx: the same, with a row in journal_effect in the transaction of the completion; with a member "op" more of that.
static enum ganger_result run_journal_tx(const ganger_job *job, ganger_context *context)
{
    char path[256];
    char sql[160];
    if (!payload_path(job->payload, path, sizeof path) || !write_line(path, "begin", job)) {
        ganger_set_error(context, "the journal cannot be written");
        return GANGER_DISCARD;
    }
    (void)snprintf(sql, sizeof sql,
                   "INSERT INTO journal_effect (job_id, attempt) VALUES (%lld, %d)",
                   (long long)job->id, job->attempt);
    if (ganger_connection(context) == NULL ||
        ganger_exec_sql(context, sql, 0, NULL, NULL, NULL) < 0 ||
        (strstr(job->payload, "\"op\": ") != NULL && !work_in_transaction(job, context, path))) {
        ganger_set_error(context, ganger_last_error(context));
        return GANGER_ERROR;
    }
    return work(job, context, path) ? finish(job, context, path) : GANGER_ERROR;
}

// 1: the step was done in an earlier run; 0: it is done now, and a line says so; -1: it cannot be told.
static int do_step(ganger_context *context, const ganger_job *job, const char *path,
                   const char *name)
{
    const char *json;
    if (ganger_step_get(context, name, &json) != GANGER_DONE) {
        return -1;
    }
    if (json != NULL) {
        return 1;
    }
    return write_line(path, name, job) && ganger_step_put(context, name, "true", 4) == GANGER_DONE
               ? 0
               : -1;
}

static enum ganger_result await_token(ganger_context *context)
{
    const char *json;
    const char *data;
    char token[80];
    if (ganger_step_get(context, "token", &json) != GANGER_DONE) {
        return GANGER_ERROR;
    }
    if (json == NULL) {
        const char *made = ganger_create_token(context, -1, NULL);
        const int length = snprintf(token, sizeof token, "\"%s\"", made != NULL ? made : "");
        if (made == NULL ||
            ganger_step_put(context, "token", token, (size_t)length) != GANGER_DONE) {
            return GANGER_ERROR;
        }
        json = token;
    }
    char name[80];
    (void)snprintf(name, sizeof name, "%.*s", (int)strcspn(json + 1, "\""), json + 1);
    switch (ganger_wait_for_token(context, name, &data)) {
    case GANGER_TOKEN_WAITING:
        return GANGER_WAIT;
    case GANGER_TOKEN_COMPLETED:
        return ganger_output(context, data, strlen(data)) == GANGER_DONE ? GANGER_OK : GANGER_ERROR;
    default:
        return GANGER_ERROR;
    }
}

// journal_steps {"file": path, "wait": n, "ms": n}: "begin" in every run; in one of them "one" and a wait of n milliseconds; in one
// "two" and n milliseconds of work; then it waits for a token of its own, whose data is the output.
static enum ganger_result run_journal_steps(const ganger_job *job, ganger_context *context)
{
    char path[256];
    if (!payload_path(job->payload, path, sizeof path) || !write_line(path, "begin", job)) {
        ganger_set_error(context, "the journal cannot be written");
        return GANGER_DISCARD;
    }
    const int one = do_step(context, job, path, "one");
    if (one == 0) {
        return ganger_wait_for(context, payload_number(job->payload, "wait", 0));
    }
    const int two = one == 1 ? do_step(context, job, path, "two") : -1;
    if (two == 0) {
        const long long until = journal_boot_us() + payload_number(job->payload, "ms", 0) * 1000;
        while (journal_boot_us() < until && !ganger_should_stop(context)) {
            const struct timespec pause = {.tv_nsec = SLICE_MS * 1000000L};
            (void)nanosleep(&pause, NULL);
        }
    }
    if (two < 0) {
        ganger_set_error(context, ganger_last_error(context));
        return GANGER_ERROR;
    }
    return await_token(context);
}

// grow: keeps memory for good.
static enum ganger_result run_grow(const ganger_job *job, ganger_context *context)
{
    static char *kept;
    (void)job;
    char *more = malloc(GROWTH_BYTES);
    if (more == NULL) {
        ganger_set_error(context, "no memory");
        return GANGER_ERROR;
    }
    memset(more, 1, GROWTH_BYTES);
    memcpy(more, &kept, sizeof kept); // a chain, so that it is no leak
    kept = more;
    return GANGER_OK;
}

// journal_hook: as journal, with a line "hook" when it has failed. {"hook_crash": 1}: the hook dies of SIGSEGV; {"hook_ms": n}: it takes
// n milliseconds, deaf.
static void on_journal_error(const ganger_job *job, ganger_context *context, const char *message)
{
    char path[256];
    const long long until = journal_boot_us() + payload_number(job->payload, "hook_ms", 0) * 1000;
    ganger_log(context, message);
    if (!payload_path(job->payload, path, sizeof path) || !write_line(path, "hook", job)) {
        ganger_set_error(context, "the journal cannot be written");
    }
    if (payload_number(job->payload, "hook_crash", 0) != 0) {
        (void)signal(SIGSEGV, SIG_DFL);
        (void)raise(SIGSEGV);
    }
    while (journal_boot_us() < until) {
        const struct timespec pause = {.tv_nsec = SLICE_MS * 1000000L};
        (void)nanosleep(&pause, NULL);
    }
}

static const ganger_handler handlers[] = {
    {"journal", run_journal, NULL},
    {"journal_hook", run_journal, on_journal_error},
    {"journal_tx", run_journal_tx, NULL},
    {"journal_steps", run_journal_steps, NULL},
    {"grow", run_grow, NULL},
    {NULL, NULL, NULL},
};

const struct ganger_plugin ganger_plugin_v1 = GANGER_PLUGIN("journal", handlers);
