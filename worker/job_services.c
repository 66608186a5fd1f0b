// SPDX-License-Identifier: MIT
// The table of services as plugins call it: thin adapters over JobContext, plus SQL.
#include <stdlib.h>

#include "sql_queries.h"
#include "worker/job_context.h"
#include "worker/job_steps.h"
#include "worker/job_transaction.h"
#include "worker/job_waits.h"

enum { ENQUEUE_TIMEOUT_MS = 10000 };

static int64_t exec_sql(ganger_context *plugin, const char *sql, int count,
                        const char *const *params, ganger_row_function on_row, void *data);

// The plugin's struct is the first member of ours.
static JobContext *context_of(ganger_context *plugin)
{
    return (JobContext *)plugin;
}

static int should_stop(ganger_context *plugin)
{
    return job_context_should_stop(context_of(plugin));
}

static int64_t remaining_ms(ganger_context *plugin)
{
    return job_context_remaining_ms(context_of(plugin));
}

static int prolong(ganger_context *plugin, int64_t ms)
{
    return job_context_prolong(context_of(plugin), ms);
}

static int progress(ganger_context *plugin, int percent, const char *message, const char *stage)
{
    JobContext *context = context_of(plugin);
    if (percent < 0) {
        return job_context_fail(context, "progress %d is not within 0..100", percent);
    }
    return job_context_progress(context, percent, message, stage);
}

static int output(ganger_context *plugin, const char *json, size_t length)
{
    JobContext *context = context_of(plugin);
    return json != NULL ? job_context_output(context, json, length)
                        : job_context_fail(context, "the output is NULL");
}

static void log_line(ganger_context *plugin, const char *line)
{
    if (line != NULL) {
        job_context_log(context_of(plugin), line, strlen(line));
    }
}

static void set_error(ganger_context *plugin, const char *message)
{
    job_context_set_error(context_of(plugin), message);
}

static void retry_after(ganger_context *plugin, int64_t ms)
{
    context_of(plugin)->retry_after_ms = ms < 0 ? -1 : ms;
}

static void snooze(ganger_context *plugin, int64_t ms)
{
    context_of(plugin)->snooze_ms = ms < 0 ? 0 : ms;
}

static int64_t enqueue(ganger_context *plugin, const char *job_type, const char *payload,
                       const char *options)
{
    JobContext *context = context_of(plugin);
    Db *db = context->run->db;
    if (job_type == NULL) {
        return job_context_fail(context, "the job type is NULL");
    }
    if (db == NULL) {
        return job_context_fail(context, "no connection to the database");
    }
    DbParams params;
    db_params_init(&params);
    db_param_text(&params, job_type);
    db_param_text(&params, payload);
    db_param_text(&params, options);
    PGresult *result = NULL;
    if (db_exec(db, &SQL_enqueue_from_handler, &params, ENQUEUE_TIMEOUT_MS, &result) != STATUS_OK) {
        return job_context_fail(context, "%s", db_error_message(db));
    }
    const int64_t id = db_int(result, 0, "id", GANGER_FAILED);
    PQclear(result);
    return id;
}

static void *connection(ganger_context *plugin)
{
    JobContext *context = context_of(plugin);
    return job_transaction_begin(context) ? db_conn(context->run->db) : NULL;
}

static int step_get(ganger_context *plugin, const char *name, const char **json)
{
    return job_steps_get(context_of(plugin), name, json);
}

static int step_put(ganger_context *plugin, const char *name, const char *json, size_t length)
{
    return job_steps_put(context_of(plugin), name, json, length);
}

static void wait_for(ganger_context *plugin, int64_t ms)
{
    job_wait_for(context_of(plugin), ms);
}

static void wait_until(ganger_context *plugin, int64_t unix_ms)
{
    job_wait_until(context_of(plugin), unix_ms);
}

static int wait_for_token(ganger_context *plugin, const char *token, const char **data)
{
    return job_wait_for_token(context_of(plugin), token, data);
}

static const char *create_token(ganger_context *plugin, int64_t timeout_ms, const char *tags)
{
    return job_create_token(context_of(plugin), timeout_ms, tags);
}

static int complete_token(ganger_context *plugin, const char *token, const char *json)
{
    return job_complete_token(context_of(plugin), token, json);
}

static const char *last_error(ganger_context *plugin)
{
    return context_of(plugin)->last_error;
}

const ganger_services JOB_SERVICES = {
    .struct_size = sizeof(ganger_services),
    .should_stop = should_stop,
    .remaining_ms = remaining_ms,
    .prolong = prolong,
    .progress = progress,
    .output = output,
    .log = log_line,
    .set_error = set_error,
    .retry_after = retry_after,
    .snooze = snooze,
    .enqueue = enqueue,
    .connection = connection,
    .exec_sql = exec_sql,
    .last_error = last_error,
    .step_get = step_get,
    .step_put = step_put,
    .wait_for = wait_for,
    .wait_until = wait_until,
    .wait_for_token = wait_for_token,
    .create_token = create_token,
    .complete_token = complete_token,
};

static void call_rows(const PGresult *result, ganger_row_function on_row, void *data)
{
    const int columns = PQnfields(result);
    const char **names = mem_alloc(sizeof *names * ((size_t)columns + 1));
    const char **values = mem_alloc(sizeof *values * ((size_t)columns + 1));
    for (int column = 0; column < columns; column++) {
        names[column] = PQfname(result, column);
    }
    for (int row = 0; row < PQntuples(result); row++) {
        for (int column = 0; column < columns; column++) {
            values[column] =
                PQgetisnull(result, row, column) ? NULL : PQgetvalue(result, row, column);
        }
        if (on_row(data, columns, names, values) != 0) {
            break;
        }
    }
    free(names);
    free(values);
}

static int64_t exec_sql(ganger_context *plugin, const char *sql, int count,
                        const char *const *params, ganger_row_function on_row, void *data)
{
    JobContext *context = context_of(plugin);
    if (sql == NULL || count < 0 || (count > 0 && params == NULL)) {
        return job_context_fail(context, "no statement, or parameters missing");
    }
    if (!job_transaction_begin(context)) {
        return GANGER_FAILED;
    }
    PGconn *conn = db_conn(context->run->db);
    PGresult *result = PQexecParams(conn, sql, count, NULL, params, NULL, NULL, 0);
    int64_t rows = GANGER_FAILED;
    switch (PQresultStatus(result)) {
    case PGRES_TUPLES_OK:
        rows = PQntuples(result);
        if (on_row != NULL) {
            call_rows(result, on_row, data);
        }
        break;
    case PGRES_COMMAND_OK:
        rows = strtoll(PQcmdTuples(result), NULL, 10);
        break;
    case PGRES_EMPTY_QUERY:
    case PGRES_COPY_OUT:
    case PGRES_COPY_IN:
    case PGRES_BAD_RESPONSE:
    case PGRES_NONFATAL_ERROR:
    case PGRES_FATAL_ERROR:
    case PGRES_COPY_BOTH:
    case PGRES_SINGLE_TUPLE:
    case PGRES_PIPELINE_SYNC:
    case PGRES_PIPELINE_ABORTED:
        (void)job_context_fail(context, "%s",
                               PQresultErrorMessage(result)[0] != '\0'
                                   ? PQresultErrorMessage(result)
                                   : "not a statement that returns a result");
        break;
    }
    PQclear(result);
    return rows;
}
