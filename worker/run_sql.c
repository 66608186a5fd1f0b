// SPDX-License-Identifier: MIT
// Runs a job through an SQL function, which is called and whose job is completed in one
// transaction.
#include "common/base/clock.h"
#include "sql_queries.h"
#include "worker/cpu_meter.h"
#include "worker/job_context.h"
#include "worker/runner.h"
#include "worker/sql_call.h"
#include "worker/sql_handler.h"

void run_sql(const Handler *handler, RunContext *run, RunResult *result)
{
    JobContext context;
    DbParams params;
    job_context_init(&context, run);
    run->settled = false;
    const int64_t cpu_start_us = cpu_meter_at(clock_boot_us());
    db_params_init(&params);
    if (handler->sql_call == NULL) {
        db_param_text(&params, handler->config->sql);
    }
    db_param_int(&params, run->job->id);
    db_param_binary(&params, (const char *)run->job->lease, sizeof run->job->lease);
    db_param_text(&params, run->config->node_name);
    const JobOutcome outcome = sql_call(
        &context, handler->sql_call != NULL ? &handler->sql_call->statement : &SQL_run_sql_handler,
        &params);
    job_context_fill_result(&context, outcome, result);
    result->cpu_us = cpu_meter_since(cpu_start_us, clock_boot_us());
    result->max_rss_bytes = -1;
    job_context_deinit(&context);
}
