// SPDX-License-Identifier: MIT
// Route table: every operation of the HTTP API. docs/http-api.md describes them.
#include "api/route.h"

#include "common/base/memory.h"
#include "sql_queries.h"

// clang-format off
static const Route routes[] = {
    {"GET", "/health", ROUTE_HEALTH, SCOPE_NONE, 0, NULL},
    {"GET", "/ready", ROUTE_READY, SCOPE_NONE, 0, &SQL_api_ready},
    {"GET", "/metrics", ROUTE_METRICS, SCOPE_READ, 0, NULL},
    {"GET", "/api/events", ROUTE_EVENTS, SCOPE_READ, ROUTE_BOUND, NULL},

    {"POST", "/api/jobs", ROUTE_WAIT, SCOPE_ENQUEUE, ROUTE_BODY | ROUTE_BOUND, &SQL_api_job_create},
    {"GET", "/api/jobs", ROUTE_SQL, SCOPE_READ, ROUTE_BOUND | ROUTE_SEARCH, &SQL_api_jobs_list},
    {"POST", "/api/jobs/bulk", ROUTE_SQL, SCOPE_ENQUEUE, ROUTE_BODY | ROUTE_BOUND, &SQL_api_jobs_create},
    {"GET", "/api/jobs/count", ROUTE_SQL, SCOPE_READ, ROUTE_BOUND | ROUTE_SLOW, &SQL_api_jobs_count},
    {"POST", "/api/jobs/cancel", ROUTE_SQL, SCOPE_OPERATE, ROUTE_BODY | ROUTE_SLOW, &SQL_api_jobs_cancel},
    {"POST", "/api/jobs/retry", ROUTE_SQL, SCOPE_OPERATE, ROUTE_BODY | ROUTE_SLOW, &SQL_api_jobs_retry},
    {"POST", "/api/jobs/edit", ROUTE_SQL, SCOPE_OPERATE, ROUTE_BODY | ROUTE_SLOW, &SQL_api_jobs_edit},
    {"POST", "/api/jobs/delete", ROUTE_SQL, SCOPE_OPERATE, ROUTE_BODY | ROUTE_SLOW, &SQL_api_jobs_delete},
    {"GET", "/api/jobs/stats", ROUTE_SQL, SCOPE_READ, ROUTE_SLOW, &SQL_api_stats},
    {"GET", "/api/jobs/stats/{job_type}", ROUTE_SQL, SCOPE_READ, ROUTE_SLOW, &SQL_api_stats},

    {"GET", "/api/jobs/{id}", ROUTE_WAIT, SCOPE_READ, ROUTE_BOUND, &SQL_api_job_get},
    {"PUT", "/api/jobs/{id}", ROUTE_SQL, SCOPE_OPERATE, ROUTE_BODY | ROUTE_BOUND, &SQL_api_job_edit},
    {"PATCH", "/api/jobs/{id}", ROUTE_SQL, SCOPE_OPERATE, ROUTE_BODY | ROUTE_BOUND, &SQL_api_job_edit},
    {"DELETE", "/api/jobs/{id}", ROUTE_SQL, SCOPE_OPERATE, 0, &SQL_api_job_delete},
    {"POST", "/api/jobs/{id}/cancel", ROUTE_SQL, SCOPE_OPERATE, ROUTE_BOUND, &SQL_api_job_cancel},
    {"POST", "/api/jobs/{id}/retry", ROUTE_SQL, SCOPE_OPERATE, ROUTE_BOUND, &SQL_api_job_retry},
    {"POST", "/api/jobs/{id}/redrive", ROUTE_SQL, SCOPE_OPERATE, 0, &SQL_api_job_redrive},
    {"GET", "/api/jobs/{id}/events", ROUTE_SQL, SCOPE_READ, ROUTE_BOUND, &SQL_api_job_events},
    {"GET", "/api/jobs/{id}/attempts", ROUTE_SQL, SCOPE_READ, ROUTE_BOUND, &SQL_api_job_attempts},
    {"GET", "/api/jobs/{id}/explain", ROUTE_SQL, SCOPE_READ, ROUTE_BOUND, &SQL_api_job_explain},
    {"GET", "/api/jobs/{id}/log", ROUTE_SQL, SCOPE_READ, ROUTE_BOUND, &SQL_api_job_log},
    {"GET", "/api/jobs/{id}/progress", ROUTE_SQL, SCOPE_READ, ROUTE_BOUND, &SQL_api_job_progress},
    {"GET", "/api/jobs/{id}/steps", ROUTE_SQL, SCOPE_READ, ROUTE_BOUND, &SQL_api_job_steps},
    {"GET", "/api/jobs/{id}/dependencies", ROUTE_SQL, SCOPE_READ, ROUTE_BOUND, &SQL_api_job_dependencies},

    {"POST", "/api/claim", ROUTE_SQL, SCOPE_WORK, ROUTE_BODY | ROUTE_BOUND, &SQL_api_claim},
    {"POST", "/api/jobs/{id}/complete", ROUTE_SQL, SCOPE_WORK, ROUTE_BODY | ROUTE_BOUND, &SQL_api_report_complete},
    {"POST", "/api/jobs/{id}/fail", ROUTE_SQL, SCOPE_WORK, ROUTE_BODY | ROUTE_BOUND, &SQL_api_report_fail},
    {"POST", "/api/jobs/{id}/discard", ROUTE_SQL, SCOPE_WORK, ROUTE_BODY | ROUTE_BOUND, &SQL_api_report_discard},
    {"POST", "/api/jobs/{id}/snooze", ROUTE_SQL, SCOPE_WORK, ROUTE_BODY | ROUTE_BOUND, &SQL_api_report_snooze},
    {"POST", "/api/jobs/{id}/release", ROUTE_SQL, SCOPE_WORK, ROUTE_BODY | ROUTE_BOUND, &SQL_api_report_release},
    {"POST", "/api/jobs/{id}/heartbeat", ROUTE_SQL, SCOPE_WORK, ROUTE_BODY | ROUTE_BOUND, &SQL_api_report_heartbeat},
    {"POST", "/api/jobs/{id}/progress", ROUTE_SQL, SCOPE_WORK, ROUTE_BODY | ROUTE_BOUND, &SQL_api_report_progress},
    {"POST", "/api/jobs/{id}/output", ROUTE_SQL, SCOPE_WORK, ROUTE_BODY | ROUTE_BOUND, &SQL_api_report_output},
    {"POST", "/api/jobs/{id}/log", ROUTE_SQL, SCOPE_WORK, ROUTE_BODY | ROUTE_BOUND, &SQL_api_report_log},
    {"POST", "/api/jobs/{id}/wait", ROUTE_SQL, SCOPE_WORK, ROUTE_BODY | ROUTE_BOUND, &SQL_api_report_wait},
    {"GET", "/api/jobs/{id}/steps/{step}", ROUTE_SQL, SCOPE_WORK, ROUTE_BOUND, &SQL_api_step_get},
    {"PUT", "/api/jobs/{id}/steps/{step}", ROUTE_SQL, SCOPE_WORK, ROUTE_BODY | ROUTE_BOUND, &SQL_api_report_step},

    {"GET", "/api/queues", ROUTE_SQL, SCOPE_READ, 0, &SQL_api_queues},
    {"GET", "/api/queues/{queue}", ROUTE_SQL, SCOPE_READ, 0, &SQL_api_queue},
    {"PUT", "/api/queues/{queue}", ROUTE_SQL, SCOPE_OPERATE, ROUTE_BODY, &SQL_api_queue_set},
    {"PATCH", "/api/queues/{queue}", ROUTE_SQL, SCOPE_OPERATE, ROUTE_BODY, &SQL_api_queue_patch},
    {"POST", "/api/queues/{queue}/pause", ROUTE_SQL, SCOPE_OPERATE, 0, &SQL_api_queue_pause},
    {"POST", "/api/queues/{queue}/resume", ROUTE_SQL, SCOPE_OPERATE, 0, &SQL_api_queue_resume},

    {"GET", "/api/job-types", ROUTE_SQL, SCOPE_READ, 0, &SQL_api_job_types},
    {"PUT", "/api/job-types/{job_type}", ROUTE_SQL, SCOPE_OPERATE, ROUTE_BODY, &SQL_api_job_type_set},
    {"PATCH", "/api/job-types/{job_type}", ROUTE_SQL, SCOPE_OPERATE, ROUTE_BODY, &SQL_api_job_type_patch},
    {"POST", "/api/job-types/{job_type}/pause", ROUTE_SQL, SCOPE_OPERATE, 0, &SQL_api_job_type_pause},
    {"POST", "/api/job-types/{job_type}/resume", ROUTE_SQL, SCOPE_OPERATE, 0, &SQL_api_job_type_resume},

    {"GET", "/api/groups", ROUTE_SQL, SCOPE_READ, ROUTE_SLOW, &SQL_api_groups},
    {"PUT", "/api/groups/{group_key}", ROUTE_SQL, SCOPE_OPERATE, ROUTE_BODY, &SQL_api_group_set},
    {"PATCH", "/api/groups/{group_key}", ROUTE_SQL, SCOPE_OPERATE, ROUTE_BODY, &SQL_api_group_patch},

    {"GET", "/api/schedules", ROUTE_SQL, SCOPE_READ, ROUTE_SLOW, &SQL_api_schedules},
    {"POST", "/api/schedules", ROUTE_SQL, SCOPE_OPERATE, ROUTE_BODY, &SQL_api_schedule_create},
    {"GET", "/api/schedules/{name}", ROUTE_SQL, SCOPE_READ, 0, &SQL_api_schedule_get},
    {"PUT", "/api/schedules/{name}", ROUTE_SQL, SCOPE_OPERATE, ROUTE_BODY, &SQL_api_schedule_edit},
    {"PATCH", "/api/schedules/{name}", ROUTE_SQL, SCOPE_OPERATE, ROUTE_BODY, &SQL_api_schedule_edit},
    {"DELETE", "/api/schedules/{name}", ROUTE_SQL, SCOPE_OPERATE, 0, &SQL_api_schedule_delete},
    {"POST", "/api/schedules/{name}/pause", ROUTE_SQL, SCOPE_OPERATE, 0, &SQL_api_schedule_pause},
    {"POST", "/api/schedules/{name}/resume", ROUTE_SQL, SCOPE_OPERATE, 0, &SQL_api_schedule_resume},
    {"POST", "/api/schedules/{name}/run", ROUTE_SQL, SCOPE_OPERATE, 0, &SQL_api_schedule_run},
    {"GET", "/api/cron", ROUTE_SQL, SCOPE_READ, 0, &SQL_api_cron},

    {"GET", "/api/batches", ROUTE_SQL, SCOPE_READ, 0, &SQL_api_batches},
    {"POST", "/api/batches", ROUTE_SQL, SCOPE_OPERATE, ROUTE_BODY | ROUTE_SLOW, &SQL_api_batch_create},
    {"GET", "/api/batches/stats", ROUTE_SQL, SCOPE_READ, 0, &SQL_api_batch_stats},
    {"GET", "/api/batches/{batch}", ROUTE_SQL, SCOPE_READ, 0, &SQL_api_batch_get},
    {"DELETE", "/api/batches/{batch}", ROUTE_SQL, SCOPE_OPERATE, ROUTE_SLOW, &SQL_api_batch_clear},
    {"POST", "/api/batches/{batch}/start", ROUTE_SQL, SCOPE_OPERATE, 0, &SQL_api_batch_start},
    {"POST", "/api/batches/{batch}/pause", ROUTE_SQL, SCOPE_OPERATE, 0, &SQL_api_batch_pause},
    {"POST", "/api/batches/{batch}/resume", ROUTE_SQL, SCOPE_OPERATE, 0, &SQL_api_batch_resume},
    {"POST", "/api/batches/{batch}/cancel", ROUTE_SQL, SCOPE_OPERATE, ROUTE_SLOW, &SQL_api_batch_cancel},
    {"POST", "/api/batches/{batch}/clear", ROUTE_SQL, SCOPE_OPERATE, ROUTE_SLOW, &SQL_api_batch_clear},

    {"GET", "/api/tokens", ROUTE_SQL, SCOPE_READ, 0, &SQL_api_wait_tokens},
    {"POST", "/api/tokens", ROUTE_SQL, SCOPE_ENQUEUE, 0, &SQL_api_wait_token_create},
    {"GET", "/api/tokens/{token}", ROUTE_SQL, SCOPE_READ, 0, &SQL_api_wait_token_get},
    {"POST", "/api/tokens/{token}/complete", ROUTE_SQL, SCOPE_ENQUEUE, 0, &SQL_api_wait_token_complete},
    {"GET", "/api/api-tokens", ROUTE_SQL, SCOPE_ADMIN, 0, &SQL_api_api_token_list},
    {"POST", "/api/api-tokens", ROUTE_SQL, SCOPE_ADMIN, ROUTE_BODY, &SQL_api_api_token_create},
    {"DELETE", "/api/api-tokens/{id}", ROUTE_SQL, SCOPE_ADMIN, 0, &SQL_api_api_token_revoke},

    {"POST", "/api/workers/{id}/kill", ROUTE_SQL, SCOPE_OPERATE, 0, &SQL_api_worker_kill},
    {"GET", "/api/nodes", ROUTE_SQL, SCOPE_READ, 0, &SQL_api_nodes},
    {"GET", "/api/workers", ROUTE_SQL, SCOPE_READ, 0, &SQL_api_workers},
    {"GET", "/api/doctor", ROUTE_SQL, SCOPE_READ, ROUTE_SLOW, &SQL_api_doctor},

    {"GET", "/api/overview", ROUTE_SQL, SCOPE_READ, 0, &SQL_api_overview},
    {"GET", "/api/overview/job-types", ROUTE_SQL, SCOPE_READ, 0, &SQL_api_overview_types},
    {"GET", "/api/throughput", ROUTE_SQL, SCOPE_READ, 0, &SQL_api_throughput},
    {"GET", "/api/failures", ROUTE_SQL, SCOPE_READ, 0, &SQL_api_failures},
    {"GET", "/api/job-types/{job_type}/durations", ROUTE_SQL, SCOPE_READ, 0, &SQL_api_durations},

    {"POST", "/api/v1/collections/jobs", ROUTE_WAIT, SCOPE_ENQUEUE, ROUTE_BODY | ROUTE_BOUND, &SQL_api_job_create_collection},
    {"GET", "/api/v1/collections/jobs", ROUTE_SQL, SCOPE_READ, ROUTE_BOUND | ROUTE_SEARCH, &SQL_api_jobs_list},
    {"GET", "/api/v1/collections/jobs/{id}", ROUTE_WAIT, SCOPE_READ, ROUTE_BOUND, &SQL_api_job_get},
};
// clang-format on

bool route_is_read(const Route *route)
{
    return str_equal(route->method, "GET");
}

const Route *route_table(size_t *count)
{
    *count = sizeof routes / sizeof routes[0];
    return routes;
}
