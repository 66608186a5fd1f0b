// SPDX-License-Identifier: MIT
// Settle: see the header. The order of the three steps is explained in ARCHITECTURE.md, "Death and settling".
#include "reaper/settle.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/clock.h"
#include "common/base/fault_point.h"
#include "common/base/log.h"
#include "reaper/obituary.h"
#include "reaper/wake.h"
#include "sql_queries.h"

// Recorded results as the parallel arrays of settle_worker.sql.
typedef struct DoneArrays {
    DbArray ids;
    DbArray leases;
    DbArray outcomes;
    DbArray bodies;
    DbArray delays;
    DbArray ran_us;
    DbArray ago_us;
} DoneArrays;

static void done_begin(DoneArrays *done)
{
    db_array_begin(&done->ids, DB_ELEMENT_INT8);
    db_array_begin(&done->leases, DB_ELEMENT_UUID);
    db_array_begin(&done->outcomes, DB_ELEMENT_TEXT);
    db_array_begin(&done->bodies, DB_ELEMENT_TEXT);
    db_array_begin(&done->delays, DB_ELEMENT_INT8);
    db_array_begin(&done->ran_us, DB_ELEMENT_INT8);
    db_array_begin(&done->ago_us, DB_ELEMENT_INT8);
}

static void done_add(DoneArrays *done, const Slot *slot, const BatchEntry *entry)
{
    char *text = slot_entry_text(slot, entry);
    db_array_add_int8(&done->ids, entry->job_id);
    db_array_add_uuid(&done->leases, entry->lease);
    db_array_add_text(&done->outcomes, job_outcome_word(entry->outcome));
    db_array_add_text(&done->bodies, text);
    if (entry->delay_ms >= 0) {
        db_array_add_int8(&done->delays, entry->delay_ms);
    } else {
        db_array_add_null(&done->delays);
    }
    db_array_add_int8(&done->ran_us, entry->ended_us - entry->started_us);
    db_array_add_int8(&done->ago_us, clock_boot_us() - entry->ended_us);
    free(text);
}

static void done_bind(DoneArrays *done, DbParams *params)
{
    db_param_array(params, &done->ids);
    db_param_array(params, &done->leases);
    db_param_array(params, &done->outcomes);
    db_param_array(params, &done->bodies);
    db_param_array(params, &done->delays);
    db_param_array(params, &done->ran_us);
    db_param_array(params, &done->ago_us);
}

static void done_free(DoneArrays *done)
{
    db_array_free(&done->ids);
    db_array_free(&done->leases);
    db_array_free(&done->outcomes);
    db_array_free(&done->bodies);
    db_array_free(&done->delays);
    db_array_free(&done->ran_us);
    db_array_free(&done->ago_us);
}

static void bind_running(DbParams *params, const Slot *slot, const Obituary *obituary,
                         const char *log)
{
    if (obituary->running < 0) {
        for (int i = 0; i < 10; i++) {
            db_param_null(params);
        }
        return;
    }
    const BatchEntry *entry = &slot->batch[obituary->running];
    int64_t cpu_us = slot->cpu_us - atomic_load(&slot->run_cpu_us);
    db_param_int(params, entry->job_id);
    db_param_binary(params, (const char *)entry->lease, sizeof entry->lease);
    db_param_text(params, obituary->outcome);
    db_param_text(params, obituary->message);
    db_param_int_or_null(params, obituary->exit_code, obituary->exit_code >= 0);
    db_param_int_or_null(params, obituary->signal, obituary->signal > 0);
    db_param_int_or_null(params, cpu_us, cpu_us >= 0 && slot->cpu_us > 0);
    db_param_int_or_null(params, slot->max_rss_bytes, slot->max_rss_bytes > 0);
    db_param_text(params, log);
    db_param_int(params, (clock_boot_ms() - atomic_load(&slot->run_started_at)) * 1000);
}

static Status step_dead(Reaper *self, int64_t worker_id)
{
    DbParams params;
    db_params_init(&params);
    db_param_int(&params, worker_id);
    TRY(db_exec(self->db, &SQL_mark_worker_dead, &params, REAPER_STATEMENT_MS, NULL));
    DbArray ids;
    db_array_begin(&ids, DB_ELEMENT_INT8);
    db_array_add_int8(&ids, worker_id);
    db_params_init(&params);
    db_param_array(&params, &ids);
    Status status = db_exec(self->db, &SQL_terminate_backends, &params, REAPER_STATEMENT_MS, NULL);
    db_array_free(&ids);
    return status;
}

static void log_settled(const PGresult *result, const Slot *slot, const Obituary *obituary,
                        int64_t worker_id)
{
    int64_t finished = db_int(result, 0, "finished", 0);
    int64_t released = db_int(result, 0, "released", 0);
    if (obituary->running >= 0) {
        log_warn("worker.settled",
                 "worker=%" PRId64 " job=%" PRId64 " outcome=%s reason=\"%s\" finished=%" PRId64
                 " released=%" PRId64,
                 worker_id, slot->batch[obituary->running].job_id, obituary->outcome,
                 obituary->message, finished, released);
    } else if (finished + released > 0) {
        log_info("worker.settled", "worker=%" PRId64 " finished=%" PRId64 " released=%" PRId64,
                 worker_id, finished, released);
    }
}

static Status settle_slot(Reaper *self, Slot *slot, bool supervisor_gone)
{
    int64_t worker_id = atomic_load(&slot->worker_id);
    if (worker_id == 0 || atomic_load(&slot->child_generation) != atomic_load(&slot->generation)) {
        return STATUS_OK; // died before it could hold anything
    }
    TRY(step_dead(self, worker_id));
    FAULT_POINT("worker_marked_dead");
    static Obituary obituary; // large; settling is never nested
    obituary_read(&obituary, slot, supervisor_gone);
    DoneArrays done;
    done_begin(&done);
    for (int i = 0; i < obituary.done_count; i++) {
        done_add(&done, slot, &slot->batch[obituary.done[i]]);
    }
    char *log = obituary.running >= 0 ? slot_log_copy(slot) : NULL;
    DbParams params;
    db_params_init(&params);
    db_param_int(&params, worker_id);
    done_bind(&done, &params);
    bind_running(&params, slot, &obituary, log);
    db_param_bool(&params, false);
    db_param_text(&params, "its worker died before it began");
    PGresult *result = NULL;
    Status status = db_exec(self->db, &SQL_settle_worker, &params, REAPER_STATEMENT_MS, &result);
    done_free(&done);
    free(log);
    FAULT_POINT("worker_settled");
    if (status == STATUS_OK) {
        log_settled(result, slot, &obituary, worker_id);
        PQclear(result);
    }
    return status;
}

Status settle_dead_slots(Reaper *self, bool supervisor_gone)
{
    bool is_any = false;
    for (int i = 1; i < scoreboard_slot_count(self->board); i++) {
        Slot *slot = scoreboard_slot(self->board, i);
        int life = atomic_load(&slot->life);
        unsigned generation = atomic_load(&slot->generation);
        if ((life != SLOT_DEAD && !(supervisor_gone && life == SLOT_SPAWNED)) ||
            atomic_load(&slot->settled_generation) == generation) {
            continue;
        }
        FAULT_POINT("before_settle");
        TRY(settle_slot(self, slot, supervisor_gone && life == SLOT_SPAWNED));
        atomic_store(&slot->settled_generation, generation);
        is_any = true;
    }
    if (is_any) {
        wake_supervisor();
        wake_workers(self, NULL, 1); // what went back is runnable
    }
    return STATUS_OK;
}

// --- other nodes

static Status settle_lost_worker(Reaper *self, int64_t worker_id, int64_t *charged)
{
    DoneArrays none;
    done_begin(&none);
    DbParams params;
    db_params_init(&params);
    db_param_int(&params, worker_id);
    done_bind(&none, &params);
    for (int i = 0; i < 10; i++) {
        db_param_null(&params);
    }
    db_param_bool(&params, true);
    db_param_text(&params, "its node was lost");
    PGresult *result = NULL;
    Status status = db_exec(self->db, &SQL_settle_worker, &params, REAPER_STATEMENT_MS, &result);
    done_free(&none);
    if (status == STATUS_OK) {
        *charged += db_int(result, 0, "charged", 0);
        PQclear(result);
    }
    return status;
}

Status settle_node(Reaper *self, int64_t node_id, int64_t heartbeat)
{
    DbParams params;
    db_params_init(&params);
    db_param_int(&params, node_id);
    db_param_int(&params, heartbeat);
    PGresult *workers = NULL;
    TRY(db_exec(self->db, &SQL_bury_node, &params, REAPER_STATEMENT_MS, &workers));
    int count = PQntuples(workers);
    int64_t charged = 0;
    Status status = count == 0 ? STATUS_EMPTY : STATUS_OK;
    for (int i = 0; i < count && status == STATUS_OK; i++) {
        int64_t worker_id = db_int(workers, i, "worker", 0);
        if (worker_id != 0) {
            status = step_dead(self, worker_id);
            if (status == STATUS_OK) {
                status = settle_lost_worker(self, worker_id, &charged);
            }
        }
    }
    PQclear(workers);
    if (status == STATUS_OK) {
        log_warn("node.buried", "node=%" PRId64 " workers=%d charged=%" PRId64, node_id, count - 1,
                 charged);
        wake_workers(self, NULL, 1);
    }
    return status;
}
