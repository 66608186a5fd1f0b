// SPDX-License-Identifier: MIT
// Configured: see the header.
#include "reaper/configured.h"

#include "common/base/config_json.h"
#include "common/base/log.h"
#include "sql_queries.h"

enum {
    AGAIN_BUSY_MS = 1000,   // somebody's open transaction, or another node at the same
    AGAIN_FAILED_MS = 60000 // the statement as a whole failed: logged each time
};

static void append_entry(StrBuf *out, const char *name)
{
    strbuf_append(out, out->length > 1 ? "," : "");
    strbuf_append_json(out, name);
    strbuf_append_char(out, ':');
}

static void print_schedules(const Config *config, StrBuf *out)
{
    strbuf_append_char(out, '{');
    for (size_t i = 0; i < config->schedule_count; i++) {
        const ScheduleConfig *schedule = &config->schedules[i];
        append_entry(out, schedule->name);
        config_json_print(OWNER_SCHEDULE, schedule, schedule->places, out);
    }
    strbuf_append_char(out, '}');
}

static void print_queues(const Config *config, StrBuf *out)
{
    strbuf_append_char(out, '{');
    for (size_t i = 0; i < config->queue_count; i++) {
        const QueueConfig *queue = &config->queues[i];
        append_entry(out, queue->name);
        config_json_print(OWNER_QUEUE, queue, queue->places, out);
    }
    strbuf_append_char(out, '}');
}

static ConfigPlace place_of(const Config *config, bool is_queue, const char *name)
{
    for (size_t i = 0; is_queue && i < config->queue_count; i++) {
        if (str_equal(config->queues[i].name, name)) {
            return (ConfigPlace){config->queues[i].line, config->queues[i].column};
        }
    }
    for (size_t i = 0; !is_queue && i < config->schedule_count; i++) {
        if (str_equal(config->schedules[i].name, name)) {
            return (ConfigPlace){config->schedules[i].line, config->schedules[i].column};
        }
    }
    return (ConfigPlace){0};
}

// Logs one row of the answer; true when it has to be tried again.
static bool tell(const Config *config, bool is_queue, const PGresult *rows, int row)
{
    const char *name = db_text(rows, row, "name");
    const char *action = db_text(rows, row, "action");
    if (str_equal(action, "busy")) {
        return true;
    }
    if (!str_equal(action, "refused")) {
        log_info(is_queue ? "queue.applied" : "schedule.applied", "name=\"%s\" action=%s", name,
                 action);
        return false;
    }
    ConfigPlace place = place_of(config, is_queue, name);
    const char *error = db_text(rows, row, "error");
    log_error(is_queue ? "queue.refused" : "schedule.refused",
              "name=\"%s\" line=%d column=%d error=\"%s\" effect=\"it stays as it was in the "
              "database\"",
              name, place.line, place.column, error != NULL ? error : "");
    return false;
}

static Status apply(Reaper *self, bool is_queue, bool is_in_file, const char *wanted, bool *is_busy)
{
    DbParams params;
    db_params_init(&params);
    db_param_text(&params, is_queue ? "queue" : "schedule");
    db_param_text(&params, self->config->node_name);
    db_param_text(&params, is_in_file ? wanted : NULL);
    PGresult *rows = NULL;
    TRY(db_exec(self->db, &SQL_apply_configured, &params, self->statement_ms, &rows));
    for (int i = 0; i < PQntuples(rows); i++) {
        *is_busy = tell(self->config, is_queue, rows, i) || *is_busy;
    }
    PQclear(rows);
    return STATUS_OK;
}

Status configured_apply(Reaper *self, int64_t now)
{
    const Config *config = self->config;
    StrBuf schedules = {0};
    StrBuf queues = {0};
    bool is_busy = false;
    print_schedules(config, &schedules);
    print_queues(config, &queues);
    Status status = apply(self, false, config->schedules != NULL, schedules.text, &is_busy);
    if (status != STATUS_LOST) { // one section does not wait for the mend of the other
        Status queued = apply(self, true, config->queues != NULL, queues.text, &is_busy);
        status = status != STATUS_OK ? status : queued;
    }
    strbuf_free(&schedules);
    strbuf_free(&queues);
    self->next_apply_at = status == STATUS_LOST ? now // with the next connection
                          : status != STATUS_OK ? now + AGAIN_FAILED_MS
                          : is_busy             ? now + AGAIN_BUSY_MS
                                                : INT64_MAX;
    return status;
}
