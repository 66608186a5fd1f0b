// SPDX-License-Identifier: MIT
// Settle: see the header. The order of the three steps is explained in ARCHITECTURE.md, "Death and settling".
#include "reaper/settle.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/clock.h"
#include "common/base/fault_point.h"
#include "common/base/log.h"
#include "common/base/memory.h"
#include "common/base/proc_tree.h"
#include "common/base/seeded_bug.h"
#include "reaper/evidence.h"
#include "reaper/node.h"
#include "reaper/obituary.h"
#include "reaper/wake.h"
#include "sql_queries.h"

static const char UNSTARTED_REASON[] = "its worker died before it began";

Status settle_fence_worker(Reaper *self, int64_t worker_id)
{
    DbParams params;
    db_params_init(&params);
    db_param_int(&params, worker_id);
    TRY(db_exec(self->db, &SQL_mark_worker_dead, &params, self->statement_ms, NULL));
    FAULT_POINT(worker_marked_dead);
    if (SEEDED_BUG("live_backend")) {
        return STATUS_OK;
    }
    DbArray ids;
    db_array_begin(&ids, DB_ELEMENT_INT8);
    db_array_add_int8(&ids, worker_id);
    db_params_init(&params);
    db_param_array(&params, &ids);
    PGresult *result = NULL;
    Status status =
        db_exec(self->db, &SQL_terminate_backends, &params, self->statement_ms, &result);
    db_array_free(&ids);
    TRY(status);
    bool is_gone = db_bool(result, 0, "gone");
    PQclear(result);
    return is_gone ? STATUS_OK : STATUS_RETRY;
}

// The slot's word for the type of the job it ran last; a process that went mad may have written anything there.
static void copy_job_type(const Slot *slot, char out[SCOREBOARD_NAME_BYTES])
{
    memcpy(out, slot->job_type, SCOREBOARD_NAME_BYTES - 1);
    out[SCOREBOARD_NAME_BYTES - 1] = '\0';
}

// The end of a run that its worker did not survive stands in the reaper's own slot: the worker's has its successor for a writer.
static void count_charged(Reaper *self, const Slot *slot, const Obituary *obituary)
{
    char job_type[SCOREBOARD_NAME_BYTES];
    copy_job_type(slot, job_type);
    int row = counter_names_find(&self->header->handlers, job_type,
                                 strlen(job_type) < sizeof job_type - 1 ? COUNTER_NAME_BYTES
                                                                        : sizeof job_type - 1);
    HandlerCounters *counters = &scoreboard_slot(self->board, 0)->counters.handlers[row];
    int64_t ran_us = clock_boot_us() - slot->batch[obituary->running].started_us;
    counter_add(&counters->finished[run_outcome_of(obituary->outcome)], 1);
    histogram_add(&counters->duration, COUNTER_JOB_BOUNDS_US, ran_us > 0 ? (uint64_t)ran_us : 0);
    counter_add(&self->header->reaper.settled_charged, 1);
}

static uint64_t fact(const PGresult *result, const char *name)
{
    int64_t value = db_int(result, 0, name, 0);
    return value > 0 ? (uint64_t)value : 0;
}

static void count_settled(Reaper *self, const PGresult *result, const Slot *slot,
                          const Obituary *obituary)
{
    counter_add(&self->header->reaper.settled_results, fact(result, "finished"));
    counter_add(&self->header->reaper.settled_returned, fact(result, "released"));
    if (obituary->running >= 0) {
        count_charged(self, slot, obituary);
    }
}

static void log_settled(const PGresult *result, const Slot *slot, const Obituary *obituary,
                        int64_t worker_id)
{
    int64_t finished = db_int(result, 0, "finished", 0);
    int64_t released = db_int(result, 0, "released", 0);
    const char *rest = db_text(result, 0, "rest_jobs");
    if (obituary->running >= 0) {
        char job_type[SCOREBOARD_NAME_BYTES];
        copy_job_type(slot, job_type);
        const BatchEntry *entry = &slot->batch[obituary->running];
        log_warn("worker.settled",
                 "worker=%" PRId64 " job_id=%" PRId64
                 " job_type=\"%s\" attempt=%d outcome=%s reason=\"%s\" finished=%" PRId64
                 " released=%" PRId64 " released_jobs=\"%s\"",
                 worker_id, entry->job_id, job_type, entry->attempt, obituary->outcome,
                 obituary->message, finished, released, rest);
    } else if (finished + released > 0) {
        log_info("worker.settled",
                 "worker=%" PRId64 " finished=%" PRId64 " released=%" PRId64
                 " released_jobs=\"%s\"",
                 worker_id, finished, released, rest);
    }
}

// Everything the worker held, in one transaction.
static Status settle_at_once(Reaper *self, const Slot *slot, const Obituary *obituary,
                             int64_t worker_id)
{
    DoneArrays done;
    evidence_done_begin(&done);
    for (int i = 0; i < obituary->done_count; i++) {
        evidence_done_add(&done, slot, &slot->batch[obituary->done[i]]);
    }
    char *log =
        obituary->running >= 0 ? evidence_log_of(slot, &slot->batch[obituary->running]) : NULL;
    DbParams params;
    db_params_init(&params);
    db_param_int(&params, worker_id);
    evidence_done_bind(&done, &params);
    evidence_bind_running(&params, slot, obituary, log);
    db_param_bool(&params, false);
    db_param_text(&params, UNSTARTED_REASON);
    PGresult *result = NULL;
    Status status = db_exec(self->db, &SQL_settle_worker, &params, self->statement_ms, &result);
    evidence_done_free(&done);
    free(log);
    if (status == STATUS_OK) {
        count_settled(self, result, slot, obituary);
        log_settled(result, slot, obituary, worker_id);
        PQclear(result);
    }
    return status;
}

// One recorded result. Should PostgreSQL not take it, the job is told why, as its error.
static Status settle_result(Reaper *self, const Slot *slot, const BatchEntry *entry)
{
    DbParams params;
    char *text = slot_entry_text(slot, entry);
    char *log = evidence_log_of(slot, entry);
    evidence_bind_result(&params, entry, job_outcome_word(entry->outcome), text, entry->delay_ms,
                         log);
    Status status = db_exec(self->db, &SQL_settle_result, &params, self->statement_ms, NULL);
    free(log);
    free(text);
    if (status != STATUS_REFUSED) {
        return status;
    }
    char *why = mem_printf("PostgreSQL does not accept the result: %s", db_error_message(self->db));
    evidence_bind_result(&params, entry, "error", why, -1, NULL);
    status = db_exec(self->db, &SQL_settle_result, &params, self->statement_ms, NULL);
    free(why);
    if (status != STATUS_REFUSED) {
        return status;
    }
    // It has run: were it passed over, it would go back uncounted, and so for ever.
    evidence_bind_result(&params, entry, "crashed", "its result could not be written", -1, NULL);
    return db_exec(self->db, &SQL_settle_result, &params, self->statement_ms, NULL);
}

// One of the results is not acceptable, and one transaction for all would never end well: each by itself, the running job without
// what its handler has written.
static Status settle_one_by_one(Reaper *self, const Slot *slot, const Obituary *obituary,
                                int64_t worker_id)
{
    for (int i = 0; i < obituary->done_count; i++) {
        Status status = settle_result(self, slot, &slot->batch[obituary->done[i]]);
        if (status != STATUS_OK && status != STATUS_REFUSED) {
            return status;
        }
        TRY(node_keep_lease(self));
    }
    static Obituary rest; // large; settling is never nested
    rest = *obituary;
    rest.done_count = 0;
    DoneArrays none;
    evidence_done_begin(&none);
    DbParams params;
    db_params_init(&params);
    db_param_int(&params, worker_id);
    evidence_done_bind(&none, &params);
    evidence_bind_running(&params, slot, &rest, NULL);
    db_param_bool(&params, false);
    db_param_text(&params, UNSTARTED_REASON);
    PGresult *result = NULL;
    Status status = db_exec(self->db, &SQL_settle_worker, &params, self->statement_ms, &result);
    evidence_done_free(&none);
    if (status == STATUS_OK) {
        count_settled(self, result, slot, &rest);
        log_settled(result, slot, &rest, worker_id);
        PQclear(result);
    }
    return status;
}

static Status settle_slot(Reaper *self, const Slot *slot, bool supervisor_gone)
{
    int64_t worker_id = atomic_load(&slot->worker_id);
    if (worker_id == 0 || atomic_load(&slot->child_generation) != atomic_load(&slot->generation)) {
        return STATUS_OK; // died before it could hold anything
    }
    TRY(settle_fence_worker(self, worker_id));
    FAULT_POINT(backend_ended);
    if (FAULT_ERROR(settle)) {
        return STATUS_RETRY;
    }
    static Obituary obituary; // large; settling is never nested
    obituary_read(&obituary, slot, supervisor_gone, atomic_load(&self->header->lease_until));
    Status status = settle_at_once(self, slot, &obituary, worker_id);
    if (status == STATUS_REFUSED) {
        status = settle_one_by_one(self, slot, &obituary, worker_id);
    }
    if (status == STATUS_OK) {
        counter_add(&self->header->reaper.settled_workers, 1);
    }
    FAULT_POINT(worker_settled);
    return status;
}

// The generation first: a worker that is spawned between two looks has a later one, and is not taken for the dead worker before
// it.
static bool is_unsettled(const Slot *slot, unsigned *generation, int *life)
{
    *generation = atomic_load(&slot->generation);
    *life = atomic_load(&slot->life);
    return *life != SLOT_FREE && atomic_load(&slot->settled_generation) != *generation &&
           atomic_load(&slot->generation) == *generation;
}

bool settle_is_complete(Reaper *self)
{
    for (int i = 1; i < scoreboard_api_slot(self->board); i++) {
        unsigned generation = 0;
        int life = SLOT_FREE;
        if (is_unsettled(scoreboard_slot(self->board, i), &generation, &life)) {
            return false;
        }
    }
    return true;
}

// Without a supervisor nobody waits for the processes: those that have ended are known by that.
static bool is_to_settle(const Slot *slot, bool supervisor_gone, unsigned *generation, int *life)
{
    if (!is_unsettled(slot, generation, life)) {
        return false;
    }
    return *life == SLOT_DEAD ||
           (supervisor_gone && *life == SLOT_SPAWNED && !proc_is_alive(atomic_load(&slot->pid)));
}

static void note_failure(Reaper *self, int index, Status status)
{
    int64_t pause_ms = (int64_t)SETTLE_RETRY_MIN_MS << self->settle_failures[index];
    if (pause_ms >= SETTLE_RETRY_MAX_MS) {
        pause_ms = SETTLE_RETRY_MAX_MS;
    } else {
        self->settle_failures[index]++;
    }
    self->settle_retry_at[index] = clock_boot_ms() + pause_ms;
    log_error("worker.not_settled", "worker=%" PRId64 " status=%s next_try_ms=%" PRId64,
              (int64_t)atomic_load(&scoreboard_slot(self->board, index)->worker_id),
              status_name(status), pause_ms);
}

Status settle_dead_slots(Reaper *self, bool supervisor_gone)
{
    bool is_any = false;
    Status status = STATUS_OK;
    for (int i = 1; i < scoreboard_api_slot(self->board) && status == STATUS_OK; i++) {
        Slot *slot = scoreboard_slot(self->board, i);
        unsigned generation = 0;
        int life = SLOT_FREE;
        if (!is_to_settle(slot, supervisor_gone, &generation, &life) ||
            clock_boot_ms() < self->settle_retry_at[i]) {
            continue;
        }
        FAULT_POINT(before_settle);
        Status settled = settle_slot(self, slot, life == SLOT_SPAWNED);
        if (settled == STATUS_OK) {
            self->settle_failures[i] = 0;
            self->settle_retry_at[i] = 0;
            atomic_store(&slot->settled_generation, generation);
            FAULT_POINT(slot_settled);
            is_any = true;
        } else if (db_is_lost(self->db)) {
            status = STATUS_LOST;
        } else {
            note_failure(self, i, settled);
        }
        if (status == STATUS_OK) {
            status = node_keep_lease(self);
        }
    }
    if (is_any) {
        wake_supervisor();
        wake_workers(self, NULL, 1); // what went back is runnable
    }
    return status;
}
