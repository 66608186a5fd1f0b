// SPDX-License-Identifier: MIT
// Apply output: see the header.
#include "worker/apply_output.h"

#include <inttypes.h>
#include <stdlib.h>

#include "common/base/log.h"
#include "sql_queries.h"
#include "worker/sql_call.h"

enum { LOSS_MAX = 3 }; // a function may be what ends the server

// Whether there is a connection to go on with.
static bool reconnect(RunContext *run)
{
    if (run_should_stop(run) || run->reconnect == NULL || !run->reconnect(run)) {
        return false;
    }
    log_warn("job.apply_again", "job=%" PRId64 " attempt=%d", run->job->id, run->job->attempt);
    return true;
}

static bool is_lost(const RunContext *run)
{
    return run->db == NULL || db_is_lost(run->db) || PQstatus(db_conn(run->db)) != CONNECTION_OK;
}

JobOutcome apply_output(JobContext *context, const char *function, int64_t cpu_us,
                        int64_t max_rss_bytes)
{
    RunContext *run = context->run;
    char *log = job_context_copy_log(context);
    DbParams params;
    db_params_init(&params);
    db_param_text(&params, function);
    db_param_int(&params, run->job->id);
    db_param_binary(&params, (const char *)run->job->lease, sizeof run->job->lease);
    db_param_text(&params, run->output);
    db_param_int_or_null(&params, cpu_us, cpu_us >= 0);
    db_param_int_or_null(&params, max_rss_bytes, max_rss_bytes >= 0);
    db_param_text(&params, log);
    JobOutcome outcome = sql_call(context, &SQL_apply_output, &params);
    for (int losses = 1;
         outcome != OUTCOME_COMPLETED && is_lost(run) && losses <= LOSS_MAX && reconnect(run);
         losses++) {
        outcome = sql_call(context, &SQL_apply_output, &params);
    }
    free(log);
    return outcome;
}
