// SPDX-License-Identifier: MIT
// Handlers for the system and chaos tests: they write down, independently of ganger, when which attempt ran.
#include <ganger/handler.h>

#include <fcntl.h>
#include <libpq-fe.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { SLICE_MS = 2, GROWTH_BYTES = 24 << 20 };

static long long payload_number(const char *payload, const char *name, long long otherwise)
{
    char key[64];
    const int length = snprintf(key, sizeof key, "\"%s\": ", name);
    const char *at = strstr(payload, key);
    return at != NULL ? strtoll(at + length, NULL, 10) : otherwise;
}

static int payload_path(const char *payload, char *out, size_t size)
{
    static const char key[] = "\"file\": \"";
    const char *at = strstr(payload, key);
    const size_t length = at != NULL ? strcspn(at + sizeof key - 1, "\"\\") : 0;
    if (length == 0 || length >= size) {
        return 0;
    }
    memcpy(out, at + sizeof key - 1, length);
    out[length] = '\0';
    return 1;
}

static long long boot_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_BOOTTIME, &now);
    return (long long)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

// One write to a file opened for appending: lines of different processes never mix.
static int write_line(const char *path, const char *what, const ganger_job *job)
{
    char line[160];
    const int length = snprintf(line, sizeof line, "%s %lld %d %d %lld\n", what, (long long)job->id,
                                job->attempt, (int)getpid(), boot_us());
    const int file = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
    if (file < 0) {
        return 0;
    }
    const int is_written = write(file, line, (size_t)length) == length;
    (void)close(file);
    return is_written;
}

// journal {"file": path, "ms": n, "deaf": 0|1, "fail_until": n, "crash_until": n, "tick": n}: "begin", n milliseconds, "end". Every `tick` milliseconds a line "tick". Deaf: does not obey a stop.
// Fails in attempts before fail_until; dies of SIGSEGV in attempts before crash_until.
static enum ganger_result run_journal(const ganger_job *job, ganger_context *context)
{
    char path[256];
    if (!payload_path(job->payload, path, sizeof path) || !write_line(path, "begin", job)) {
        ganger_set_error(context, "the journal cannot be written");
        return GANGER_DISCARD;
    }
    const long long until = boot_us() + payload_number(job->payload, "ms", 0) * 1000;
    const int is_deaf = payload_number(job->payload, "deaf", 0) != 0;
    const long long tick_us = payload_number(job->payload, "tick", 0) * 1000;
    long long tick_at = boot_us() + tick_us;
    while (boot_us() < until) {
        if (tick_us > 0 && boot_us() >= tick_at) {
            (void)write_line(path, "tick", job);
            tick_at += tick_us;
        }
        if (!is_deaf && ganger_should_stop(context)) {
            (void)write_line(path, "stop", job);
            ganger_set_error(context, "stopped");
            return GANGER_ERROR;
        }
        const struct timespec pause = {.tv_nsec = SLICE_MS * 1000000L};
        (void)nanosleep(&pause, NULL);
    }
    if (job->attempt < payload_number(job->payload, "crash_until", 0)) {
        (void)signal(SIGSEGV, SIG_DFL);
        (void)raise(SIGSEGV);
    }
    (void)write_line(path, "end", job);
    if (job->attempt < payload_number(job->payload, "fail_until", 0)) {
        ganger_set_error(context, "told to fail");
        return GANGER_ERROR;
    }
    return GANGER_OK;
}

// journal_tx {"file": path}: the same, with a row in journal_effect in the transaction of the completion.
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
        ganger_exec_sql(context, sql, 0, NULL, NULL, NULL) < 0) {
        ganger_set_error(context, ganger_last_error(context));
        return GANGER_ERROR;
    }
    (void)write_line(path, "end", job);
    return GANGER_OK;
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
        const long long until = boot_us() + payload_number(job->payload, "ms", 0) * 1000;
        while (boot_us() < until && !ganger_should_stop(context)) {
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
    const long long until = boot_us() + payload_number(job->payload, "hook_ms", 0) * 1000;
    ganger_log(context, message);
    if (!payload_path(job->payload, path, sizeof path) || !write_line(path, "hook", job)) {
        ganger_set_error(context, "the journal cannot be written");
    }
    if (payload_number(job->payload, "hook_crash", 0) != 0) {
        (void)signal(SIGSEGV, SIG_DFL);
        (void)raise(SIGSEGV);
    }
    while (boot_us() < until) {
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
