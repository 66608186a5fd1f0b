// SPDX-License-Identifier: MIT
// Finish: see the header.
#include "worker/finish.h"

#include <inttypes.h>
#include <stdlib.h>

#include "common/base/clock.h"
#include "common/base/fault_point.h"
#include "common/base/log.h"
#include "sql_queries.h"
#include "worker/key_order.h"

static const char DROPPED[] = "dropped";
static const char IN_DOUBT[] = "its completion may have been committed before";

static void add_known(DbArray *array, int64_t value)
{
    if (value < 0) {
        db_array_add_null(array);
    } else {
        db_array_add_int8(array, value);
    }
}

// The log tail is that of the entry that ran last.
static char *log_of(const Slot *slot, int index)
{
    return atomic_load(&slot->run_index) == index ? slot_log_copy(slot) : NULL;
}

// Also what the reaper is writing: should it die over it, nobody else would. A result counts once, whoever brings it.
static bool is_recorded(const BatchEntry *entry)
{
    EntryState state = entry_state(entry);
    return state == ENTRY_DONE || state == ENTRY_WRITING;
}

// The entries to be written, in the order of their ends; those of many lanes by id, as they lie on disk.
static void choose_entries(FinishBatch *batch, const Worker *self)
{
    const Slot *slot = self->slot;
    KeyAt chosen[SCOREBOARD_BATCH_MAX];
    int count = slot_batch_count(slot);
    batch->count = 0;
    for (int i = 0; i < count; i++) {
        const BatchEntry *entry = &slot->batch[i];
        if (is_recorded(entry) && entry->outcome == OUTCOME_COMPLETED) {
            chosen[batch->count++] = (KeyAt){.key = entry->job_id, .at = i};
        }
    }
    if (self->is_scattered) {
        (void)key_order(chosen, batch->count);
    }
    for (int i = 0; i < batch->count; i++) {
        batch->entries[i] = chosen[i].at;
    }
}

void finish_batch_collect(FinishBatch *batch, const Worker *self)
{
    const Slot *slot = self->slot;
    db_array_begin(&batch->ids, DB_ELEMENT_INT8);
    db_array_begin(&batch->leases, DB_ELEMENT_UUID);
    db_array_begin(&batch->outputs, DB_ELEMENT_TEXT);
    db_array_begin(&batch->ran_us, DB_ELEMENT_INT8);
    db_array_begin(&batch->ago_us, DB_ELEMENT_INT8);
    db_array_begin(&batch->cpu_us, DB_ELEMENT_INT8);
    db_array_begin(&batch->max_rss, DB_ELEMENT_INT8);
    db_array_begin(&batch->logs, DB_ELEMENT_TEXT);
    choose_entries(batch, self);
    int64_t now = clock_boot_us();
    for (int i = 0; i < batch->count; i++) {
        const int index = batch->entries[i];
        const BatchEntry *entry = &slot->batch[index];
        db_array_add_int8(&batch->ids, entry->job_id);
        db_array_add_uuid(&batch->leases, entry->lease);
        char *output = slot_entry_text(slot, entry);
        db_array_add_text(&batch->outputs, output);
        free(output);
        db_array_add_int8(&batch->ran_us, entry->ended_us - entry->started_us);
        db_array_add_int8(&batch->ago_us, now - entry->ended_us);
        add_known(&batch->cpu_us, entry->cpu_us);
        add_known(&batch->max_rss, entry->max_rss_bytes);
        char *log = log_of(slot, index);
        db_array_add_text(&batch->logs, log);
        free(log);
    }
}

Status finish_batch_add(FinishBatch *batch, Db *db)
{
    FAULT_POINT(before_finish);
    DbParams params;
    db_params_init(&params);
    db_param_array(&params, &batch->ids);
    db_param_array(&params, &batch->leases);
    db_param_array(&params, &batch->outputs);
    db_param_array(&params, &batch->ran_us);
    db_param_array(&params, &batch->ago_us);
    db_param_array(&params, &batch->cpu_us);
    db_param_array(&params, &batch->max_rss);
    db_param_array(&params, &batch->logs);
    return db_pipeline_add(db, &SQL_finish_completed, &params);
}

static void tell_refused(const Worker *self, int index, const char *outcome, const char *result)
{
    const BatchEntry *entry = &self->slot->batch[index];
    counter_add(&self->slot->counters.refused_results, 1);
    log_warn("job.lease_lost",
             "job_id=%" PRId64 " job_type=\"%s\" worker=%" PRId64
             " attempt=%d outcome=%s result=\"%s\"",
             entry->job_id, self->jobs[index].job_type,
             (int64_t)atomic_load(&self->slot->worker_id), entry->attempt, outcome, result);
}

// stale: "{12,13}"
static bool is_among(const char *stale, int64_t id)
{
    char *end = NULL;
    for (const char *at = stale + 1; *at >= '0' && *at <= '9'; at = end + (*end == ',')) {
        if (strtoll(at, &end, 10) == id) {
            return true;
        }
    }
    return false;
}

void finish_batch_written(FinishBatch *batch, Worker *self, const PGresult *answer)
{
    FAULT_POINT(finish_batch_answered);
    const char *stale = db_text(answer, 0, "stale");
    bool is_any = stale != NULL && stale[0] == '{' && stale[1] != '}';
    for (int i = 0; i < batch->count; i++) {
        BatchEntry *entry = &self->slot->batch[batch->entries[i]];
        entry_set_state(entry, ENTRY_WRITTEN);
        if (is_any && is_among(stale, entry->job_id)) {
            tell_refused(self, batch->entries[i], "completed", DROPPED);
        }
    }
}

void finish_batch_free(FinishBatch *batch)
{
    db_array_free(&batch->ids);
    db_array_free(&batch->leases);
    db_array_free(&batch->outputs);
    db_array_free(&batch->ran_us);
    db_array_free(&batch->ago_us);
    db_array_free(&batch->cpu_us);
    db_array_free(&batch->max_rss);
    db_array_free(&batch->logs);
}

static Status write_entry(Worker *self, const BatchEntry *entry, const FinishDetail *detail,
                          int64_t delay_ms, const char *log)
{
    DbParams params;
    db_params_init(&params);
    db_param_int(&params, entry->job_id);
    db_param_binary(&params, (const char *)entry->lease, sizeof entry->lease);
    db_param_text(&params, detail->outcome);
    db_param_text(&params, detail->text);
    db_param_int_or_null(&params, delay_ms, delay_ms >= 0);
    db_param_int_or_null(&params, detail->exit_code, detail->exit_code >= 0);
    db_param_int_or_null(&params, detail->signal, detail->signal > 0);
    db_param_int_or_null(&params, entry->cpu_us, entry->cpu_us >= 0);
    db_param_int_or_null(&params, entry->max_rss_bytes, entry->max_rss_bytes >= 0);
    db_param_text(&params, log);
    db_param_int(&params, entry->ended_us - entry->started_us);
    db_param_int(&params, clock_boot_us() - entry->ended_us);
    PGresult *result = NULL;
    TRY(db_exec(self->db, &SQL_settle_result, &params, DB_STATEMENT_TIMEOUT_MS, &result));
    if (db_text(result, 0, "answer") == NULL) {
        const int index = (int)(entry - self->slot->batch);
        // A COMMIT whose answer was lost is why, more likely than not.
        tell_refused(self, index, detail->is_in_doubt ? "unknown" : detail->outcome,
                     detail->is_in_doubt ? IN_DOUBT : DROPPED);
    }
    PQclear(result);
    return STATUS_OK;
}

// A stop keeps its word: whoever stopped the job is still the reason.
static Status write_refusal(Worker *self, const BatchEntry *entry, const FinishDetail *refused)
{
    FinishDetail known = *refused;
    char *why = mem_printf("PostgreSQL does not accept the result: %s", db_error_message(self->db));
    if (str_equal(known.outcome, job_outcome_word(entry->outcome))) {
        known.outcome = job_outcome_word(OUTCOME_ERROR);
    }
    known.text = why;
    Status status = write_entry(self, entry, &known, -1, NULL);
    free(why);
    return status;
}

Status finish_entry(Worker *self, int index, const FinishDetail *detail)
{
    FAULT_POINT(before_finish);
    if (FAULT_ERROR(finish_entry)) {
        return STATUS_RETRY;
    }
    BatchEntry *entry = &self->slot->batch[index];
    char *log = log_of(self->slot, index);
    Status status = write_entry(self, entry, detail, entry->delay_ms, log);
    free(log);
    if (status == STATUS_REFUSED) {
        status = write_refusal(self, entry, detail);
    }
    FAULT_POINT(finish_answered);
    if (status == STATUS_OK) {
        entry_set_state(entry, ENTRY_WRITTEN);
    }
    return status;
}

Status finish_one_by_one(Worker *self)
{
    int count = slot_batch_count(self->slot);
    for (int i = 0; i < count; i++) {
        const BatchEntry *entry = &self->slot->batch[i];
        if (!is_recorded(entry)) {
            continue;
        }
        char *text = slot_entry_text(self->slot, entry);
        Status status = finish_entry(self, i,
                                     &(FinishDetail){.outcome = job_outcome_word(entry->outcome),
                                                     .text = text,
                                                     .exit_code = -1});
        free(text);
        TRY(status);
        worker_show_life(self);
    }
    return STATUS_OK;
}

Status finish_release_unstarted(Worker *self, const char *reason)
{
    DbArray ids;
    DbArray leases;
    db_array_begin(&ids, DB_ELEMENT_INT8);
    db_array_begin(&leases, DB_ELEMENT_UUID);
    int count = slot_batch_count(self->slot);
    for (int i = 0; i < count; i++) {
        BatchEntry *entry = &self->slot->batch[i];
        if (entry_move(entry, ENTRY_UNSTARTED, ENTRY_RETURNING) ||
            entry_state(entry) == ENTRY_RETURNING) {
            db_array_add_int8(&ids, entry->job_id);
            db_array_add_uuid(&leases, entry->lease);
        }
    }
    Status status = STATUS_OK;
    if (ids.count > 0) {
        DbParams params;
        db_params_init(&params);
        db_param_array(&params, &ids);
        db_param_array(&params, &leases);
        db_param_text(&params, reason);
        FAULT_POINT(release_marked);
        status = FAULT_ERROR(release)
                     ? STATUS_RETRY
                     : db_exec(self->db, &SQL_release_jobs, &params, DB_STATEMENT_TIMEOUT_MS, NULL);
        FAULT_POINT(release_answered);
    }
    db_array_free(&ids);
    db_array_free(&leases);
    for (int i = 0; status == STATUS_OK && i < count; i++) {
        (void)entry_move(&self->slot->batch[i], ENTRY_RETURNING, ENTRY_RETURNED);
    }
    return status;
}
