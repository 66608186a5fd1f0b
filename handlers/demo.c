// SPDX-License-Identifier: MIT
// Handlers for the demo and the tests: each misbehaves, or writes to the database, in one way.
#include <ganger/handler.h>

#include <libpq-fe.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

// The payload is jsonb's own text, so `"name": value` is written exactly so.
static const char *payload_find(const char *payload, const char *name)
{
    char key[64];
    const int length = snprintf(key, sizeof key, "\"%s\": ", name);
    const char *at = strstr(payload, key);
    return at != NULL ? at + length : NULL;
}

static long long payload_number(const char *payload, const char *name, long long otherwise)
{
    const char *at = payload_find(payload, name);
    return at != NULL ? strtoll(at, NULL, 10) : otherwise;
}

// flaky {"until": n}: fails until attempt n.
static enum ganger_result run_flaky(const ganger_job *job, ganger_context *context)
{
    const long long until = payload_number(job->payload, "until", 2);
    if (job->attempt >= until) {
        return GANGER_OK;
    }
    char message[96];
    (void)snprintf(message, sizeof message, "attempt %d fails, attempt %lld will not", job->attempt,
                   until);
    ganger_set_error(context, message);
    return GANGER_ERROR;
}

// spin: an endless loop that no signal but SIGKILL ends.
static enum ganger_result run_spin(const ganger_job *job, ganger_context *context)
{
    (void)job;
    (void)context;
    sigset_t all;
    sigfillset(&all);
    (void)sigprocmask(SIG_BLOCK, &all, NULL);
    volatile int is_on = 1;
    while (is_on) {
    }
    return GANGER_OK;
}

// segv: dies of SIGSEGV.
static enum ganger_result run_segv(const ganger_job *job, ganger_context *context)
{
    (void)job;
    (void)context;
    (void)signal(SIGSEGV, SIG_DFL);
    (void)raise(SIGSEGV);
    abort();
}

// A process of a session of its own whose parent is gone: no process group reaches it.
static void leave_daemon(void)
{
    const pid_t child = fork();
    if (child != 0) {
        return;
    }
    (void)setsid();
    if (fork() == 0) {
        for (;;) {
            (void)pause();
        }
    }
    _exit(0);
}

// orphan {"hang": 0|1}: leaves a daemon behind, then hangs (unless hang is 0).
static enum ganger_result run_orphan(const ganger_job *job, ganger_context *context)
{
    (void)context;
    leave_daemon();
    while (payload_number(job->payload, "hang", 1) != 0) {
        (void)pause();
    }
    return GANGER_OK;
}

// The text of a string member that needs no unescaping, as names do not; false when there is none.
static int payload_name(const char *payload, const char *name, char *out, size_t size)
{
    const char *at = payload_find(payload, name);
    if (at == NULL || *at != '"') {
        return 0;
    }
    const size_t length = strcspn(at + 1, "\"\\");
    if (length == 0 || length >= size) {
        return 0;
    }
    memcpy(out, at + 1, length);
    out[length] = '\0';
    return 1;
}

// db_effect {"table": "t"}: inserts its job's id and attempt into that table, in the transaction
// that completes the job. {"fail": 1} returns an error afterwards, {"commit": 1} breaks the rule
// not to commit.
static enum ganger_result run_db_effect(const ganger_job *job, ganger_context *context)
{
    char table[128];
    if (!payload_name(job->payload, "table", table, sizeof table)) {
        ganger_set_error(context, "the payload names no table");
        return GANGER_DISCARD;
    }
    PGconn *conn = ganger_connection(context);
    if (conn == NULL) {
        ganger_set_error(context, ganger_last_error(context));
        return GANGER_ERROR;
    }
    char *quoted = PQescapeIdentifier(conn, table, strlen(table));
    if (quoted == NULL) {
        ganger_set_error(context, PQerrorMessage(conn));
        return GANGER_ERROR;
    }
    char sql[512];
    (void)snprintf(sql, sizeof sql, "INSERT INTO %s (job_id, attempt) VALUES (%lld, %d)", quoted,
                   (long long)job->id, job->attempt);
    PQfreemem(quoted);
    if (ganger_exec_sql(context, sql, 0, NULL, NULL, NULL) < 0) {
        ganger_set_error(context, ganger_last_error(context));
        return GANGER_ERROR;
    }
    if (payload_number(job->payload, "commit", 0) != 0) {
        PQclear(PQexec(conn, "COMMIT"));
    }
    if (payload_number(job->payload, "fail", 0) != 0) {
        ganger_set_error(context, "told to fail after writing");
        return GANGER_ERROR;
    }
    return GANGER_OK;
}

// nap {"ms": n}: waits once for so long, and holds no worker meanwhile.
static enum ganger_result run_nap(const ganger_job *job, ganger_context *context)
{
    const char *has_slept = NULL;
    int answer = ganger_step_get(context, "slept", &has_slept);
    if (answer == GANGER_DONE && has_slept != NULL) {
        return GANGER_OK;
    }
    if (answer == GANGER_DONE) {
        answer = ganger_step_put(context, "slept", "true", strlen("true"));
    }
    if (answer != GANGER_DONE) {
        ganger_set_error(context, ganger_last_error(context));
        return GANGER_ERROR;
    }
    return ganger_wait_for(context, payload_number(job->payload, "ms", 1000));
}

static const ganger_handler handlers[] = {
    {"flaky", run_flaky, NULL},   {"spin", run_spin, NULL},           {"segv", run_segv, NULL},
    {"orphan", run_orphan, NULL}, {"db_effect", run_db_effect, NULL}, {"nap", run_nap, NULL},
    {NULL, NULL, NULL},
};

const struct ganger_plugin ganger_plugin_v1 = GANGER_PLUGIN("demo", handlers);
