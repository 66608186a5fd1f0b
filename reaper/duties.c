// SPDX-License-Identifier: MIT
// Duties: see the header.
#include "reaper/duties.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/clock.h"
#include "common/base/fault_point.h"
#include "common/base/log.h"
#include "common/base/uuid.h"
#include "reaper/node.h"
#include "reaper/rescue.h"
#include "reaper/served.h"
#include "reaper/wake.h"
#include "sql_queries.h"

enum { LEASE_HEX_DIGITS = 32, DUE_NEVER = -1, TIDY_STEP_MS = 1000, LANE_PASS_LEAST_MS = 500 };

static void note_due(Reaper *self, const PGresult *result)
{
    int64_t in_ms = db_int(result, 0, "due_in_ms", DUE_NEVER);
    self->next_due_at = in_ms < 0 ? INT64_MAX : clock_boot_ms() + in_ms;
}

// jobs: id:lease, joined by commas (poll_node).
static Status cancel_each(Reaper *self, const char *jobs)
{
    uint8_t lease[UUID_BYTES];
    for (const char *at = jobs; at != NULL;) {
        char *end = NULL;
        const int64_t id = (int64_t)strtoll(at, &end, 10);
        if (*end != ':' || !uuid_parse(end + 1, lease)) {
            break;
        }
        TRY(rescue_cancel(self, id, lease));
        at = strchr(at, ',');
        at = at != NULL ? at + 1 : NULL;
    }
    return STATUS_OK;
}

// Whom an operator wants ended: the supervisor ends it. workers: ids, joined by commas (poll_node); told until they are gone.
static void end_each(Reaper *self, const char *workers)
{
    for (const char *at = workers != NULL ? workers : ""; *at != '\0';) {
        char *end = NULL;
        const int64_t id = (int64_t)strtoll(at, &end, 10);
        for (int i = 1; id > 0 && i < scoreboard_api_slot(self->board); i++) {
            Slot *slot = scoreboard_slot(self->board, i);
            unsigned generation = atomic_load(&slot->generation);
            if (atomic_load(&slot->worker_id) == id && atomic_load(&slot->life) == SLOT_SPAWNED &&
                atomic_load(&slot->child_generation) == generation &&
                atomic_exchange(&slot->unwanted_generation, generation) != generation) {
                wake_supervisor();
            }
        }
        at = *end == ',' ? end + 1 : "";
    }
}

// What the duties have ended or taken back; each of these jobs has an event, too.
static void tell_tick(Reaper *self, const PGresult *result)
{
    int64_t reclaimed = db_int(result, 0, "reclaimed", 0);
    int64_t unhandled = db_int(result, 0, "unhandled", 0);
    int64_t expired = db_int(result, 0, "expired", 0);
    if (reclaimed > 0) {
        counter_add(&self->header->reaper.reclaimed, (uint64_t)reclaimed);
        log_warn("job.reclaimed", "count=%" PRId64 " jobs=\"%s\" cause=\"worker or lease gone\"",
                 reclaimed, db_text(result, 0, "reclaimed_jobs"));
    }
    if (unhandled > 0) {
        log_warn("job.no_handler",
                 "count=%" PRId64 " effect=\"failed: no node handles their type\"", unhandled);
    }
    if (expired > 0) {
        log_info("job.expired", "count=%" PRId64, expired);
    }
}

// Hints die of it: not of each tick where one follows the other quickly, as while an enqueuer stays open.
static void note_lane_pass(Reaper *self)
{
    const int64_t now = clock_boot_ms();
    if (now - self->lane_pass_at >= LANE_PASS_LEAST_MS) {
        self->lane_pass_at = now;
        atomic_fetch_add(&self->header->lane_passes, 1);
    }
}

static Status run_tick(Reaper *self)
{
    DbParams params;
    db_params_init(&params);
    PGresult *result = NULL;
    TRY(db_exec(self->db, &SQL_tick, &params, self->statement_ms, &result));
    FAULT_POINT(tick_answered);
    note_lane_pass(self);
    self->open_epochs = (int)db_int(result, 0, "open_epochs", 0);
    tell_tick(self, result);
    note_due(self, result);
    if (db_int(result, 0, "promoted", 0) + db_int(result, 0, "reclaimed", 0) > 0) {
        wake_workers(self, NULL, 1);
    }
    PQclear(result);
    return STATUS_OK;
}

// The pause after this poll is twice the one before it (reaper.c, follow_work).
static void follow_on(Reaper *self, int64_t now)
{
    self->follow_ms *= 2;
    if (self->follow_ms >= self->config->poll_interval_ms) {
        self->follow_ms = 0;
    } else if (self->follow_ms > 0) {
        reaper_want_poll(self, now + self->follow_ms);
    }
}

static Status poll_node(Reaper *self, PGresult **result)
{
    DbArray job_types;
    served_job_types(self, &job_types);
    DbParams params;
    db_params_init(&params);
    db_param_int(&params, self->node_id);
    db_param_array(&params, &self->queues);
    db_param_array(&params, &job_types);
    Status status = db_exec(self->db, &SQL_poll_node, &params, self->statement_ms, result);
    db_array_free(&job_types);
    return status;
}

Status duties_poll(Reaper *self, int64_t now)
{
    self->wanted_at = INT64_MAX;
    self->polled_at = now;
    follow_on(self, now);
    bool is_regular = now >= self->next_poll_at;
    self->recheck_at = now >= self->recheck_at ? INT64_MAX : self->recheck_at;
    PGresult *result = NULL;
    if (is_regular) {
        self->next_poll_at = now + self->config->poll_interval_ms;
    }
    TRY(poll_node(self, &result));
    FAULT_POINT(poll_answered);
    bool is_alive = db_bool(result, 0, "alive");
    self->is_leader = db_bool(result, 0, "leader");
    if (db_bool(result, 0, "has_work")) {
        wake_workers(self, NULL, 1);
    }
    note_due(self, result);
    Status status = cancel_each(self, db_text(result, 0, "cancels"));
    end_each(self, db_text(result, 0, "unwanted"));
    PQclear(result);
    if (!is_alive) {
        node_give_up(self, "other nodes have buried it");
        return STATUS_REFUSED;
    }
    bool is_tick_due =
        is_regular || (self->open_epochs > 0 && now - self->ticked_at >= REAPER_TICK_MS);
    if (status == STATUS_OK && self->is_leader && is_tick_due) {
        self->ticked_at = now;
        status = run_tick(self);
    }
    return status;
}

Status duties_promote(Reaper *self)
{
    DbParams params;
    db_params_init(&params);
    PGresult *result = NULL;
    TRY(db_exec(self->db, &SQL_promote, &params, self->statement_ms, &result));
    FAULT_POINT(promote_answered);
    int64_t promoted = db_int(result, 0, "promoted", 0);
    note_due(self, result);
    PQclear(result);
    if (promoted > 0) {
        wake_workers(self, NULL,
                     promoted > SCOREBOARD_SLOT_MAX ? SCOREBOARD_SLOT_MAX : (int)promoted);
    }
    return STATUS_OK;
}

Status duties_tidy(Reaper *self)
{
    DbParams params;
    db_params_init(&params);
    PGresult *result = NULL;
    TRY(db_exec(self->db, &SQL_tidy_partitions, &params, self->statement_ms, &result));
    log_debug("duties.partitions", "step=%s", db_text(result, 0, "step"));
    // one step a call, so that this process is never away for long
    if (db_bool(result, 0, "more")) {
        self->next_tidy_at = clock_boot_ms() + TIDY_STEP_MS;
    }
    PQclear(result);
    FAULT_POINT(tidy_partitions_done);
    TRY(db_exec(self->db, &SQL_tidy, &params, self->statement_ms, &result));
    log_debug("duties.tidied", "counts=\"%s\"", db_text(result, 0, "tidied"));
    PQclear(result);
    return STATUS_OK;
}
