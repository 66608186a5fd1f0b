// SPDX-License-Identifier: MIT
// Claim: see the header.
#include "worker/claim.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/clock.h"
#include "common/base/fault_point.h"
#include "common/base/log.h"
#include "common/base/uuid.h"
#include "sql_queries.h"
#include "worker/counts.h"
#include "worker/finish.h"
#include "worker/key_order.h"

// Columns of claim_jobs.sql, in its order: looked up by name for every field they would cost more than no-op jobs.
enum {
    COLUMN_ID,
    COLUMN_LEASE,
    COLUMN_JOB_TYPE,
    COLUMN_PAYLOAD,
    COLUMN_ATTEMPT,
    COLUMN_MAX_ATTEMPTS,
    COLUMN_QUEUE,
    COLUMN_PRIORITY,
    COLUMN_TIMEOUT,
    COLUMN_KILL_GRACE,
    COLUMN_TAGS,
    COLUMN_OWNER,
    COLUMN_METADATA,
    COLUMN_LANE,
    COLUMN_SEQ,
    COLUMN_GROUP_KEY,
    COLUMN_WAS_STARTED,
    COLUMN_WAITED,
    COLUMN_PLACE
};

static const char SQLSTATE_WORKER_DEAD[] = "GG001"; // raised by ganger._take_jobs

static int64_t read_int(const PGresult *result, int row, int column, int64_t if_null)
{
    return PQgetisnull(result, row, column) ? if_null
                                            : strtoll(PQgetvalue(result, row, column), NULL, 10);
}

static char *read_text(const PGresult *result, int row, int column)
{
    return PQgetisnull(result, row, column) ? NULL : PQgetvalue(result, row, column);
}

static void read_job(Worker *self, const PGresult *result, int row, int64_t now_us, Job *job)
{
    job->id = read_int(result, row, COLUMN_ID, 0);
    if (!uuid_parse(PQgetvalue(result, row, COLUMN_LEASE), job->lease)) {
        panic("lease of job %" PRId64 " is no uuid", job->id);
    }
    job->job_type = read_text(result, row, COLUMN_JOB_TYPE);
    job->payload_length = (size_t)PQgetlength(result, row, COLUMN_PAYLOAD);
    job->payload = PQgetvalue(result, row, COLUMN_PAYLOAD);
    job->attempt = (int)read_int(result, row, COLUMN_ATTEMPT, 1);
    job->max_attempts = (int)read_int(result, row, COLUMN_MAX_ATTEMPTS, 1);
    job->queue = read_text(result, row, COLUMN_QUEUE);
    job->priority = (int)read_int(result, row, COLUMN_PRIORITY, 0);
    job->tags = read_text(result, row, COLUMN_TAGS);
    job->owner = read_text(result, row, COLUMN_OWNER);
    job->metadata = read_text(result, row, COLUMN_METADATA);
    job->is_first_start = PQgetvalue(result, row, COLUMN_WAS_STARTED)[0] == 'f';
    job->due_us = now_us - read_int(result, row, COLUMN_WAITED, 0);
    job->group_key = read_text(result, row, COLUMN_GROUP_KEY);
    const Handler *handler = handler_table_find(self->handlers, job->job_type);
    job->counter_row = handler != NULL ? handler->counter_row : COUNTER_HANDLERS;
    int64_t by_handler = handler != NULL ? handler->config->timeout_ms : 0;
    job->timeout_ms = read_int(result, row, COLUMN_TIMEOUT, by_handler);
    job->kill_grace_ms = read_int(result, row, COLUMN_KILL_GRACE, self->config->kill_grace_ms);
    lane_hints_note(&self->hints, read_int(result, row, COLUMN_LANE, 0),
                    read_int(result, row, COLUMN_SEQ, 0));
}

void claim_forget(Worker *self)
{
    self->job_count = 0;
    PQclear(self->claimed);
    self->claimed = NULL;
}

static bool is_any_open(const Slot *slot)
{
    int count = slot_batch_count(slot);
    for (int i = 0; i < count; i++) {
        if (entry_is_open(&slot->batch[i])) {
            return true;
        }
    }
    return false;
}

// The last row may be no job but what the next claim is to be told about lanes. Returns how many jobs there are.
static int read_seen(Worker *self, const PGresult *result)
{
    int rows = PQntuples(result);
    if (rows == 0 || !PQgetisnull(result, rows - 1, COLUMN_ID)) {
        return rows;
    }
    lane_hints_note_seen(&self->hints, PQgetvalue(result, rows - 1, COLUMN_PAYLOAD),
                         (size_t)PQgetlength(result, rows - 1, COLUMN_PAYLOAD));
    return rows - 1;
}

// The rows in claim order. True: that is not the one they come in.
static bool order_rows(const PGresult *result, int count, KeyAt *order)
{
    for (int i = 0; i < count; i++) {
        order[i] = (KeyAt){.key = read_int(result, i, COLUMN_PLACE, 0), .at = i};
    }
    return key_order(order, count);
}

// The batch becomes visible with its count, which is written last: a death before that leaves jobs the slot does not
// name, and those go back uncounted. Takes the result over.
static void fill_slot(Worker *self, PGresult *result, int count)
{
    if (is_any_open(self->slot)) {
        panic("a batch was claimed over one with open entries");
    }
    claim_forget(self);
    self->claimed = result;
    slot_reset_batch(self->slot);
    const int64_t now_us = clock_boot_us();
    KeyAt order[SCOREBOARD_BATCH_MAX];
    self->is_scattered = order_rows(result, count, order);
    for (int i = 0; i < count; i++) {
        Job *job = &self->jobs[i];
        read_job(self, result, order[i].at, now_us, job);
        BatchEntry *entry = &self->slot->batch[i];
        entry->outcome = OUTCOME_NONE;
        entry->text_offset = 0;
        entry->text_length = 0;
        entry->started_us = 0;
        entry->ended_us = 0;
        entry->job_id = job->id;
        memcpy(entry->lease, job->lease, sizeof entry->lease);
        entry->attempt = job->attempt;
        entry->delay_ms = -1;
        entry->cpu_us = -1;
        entry->max_rss_bytes = -1;
        entry_begin(self->slot, entry);
    }
    self->job_count = count;
    atomic_store(&self->slot->batch_started_at, clock_boot_ms());
    FAULT_POINT(slot_filling);
    atomic_store(&self->slot->batch_count, count);
    FAULT_POINT(slot_filled);
}

static Status add_claim(Worker *self, DbArray *lanes, DbArray *seqs)
{
    int64_t most = self->pool->prefetch > 0 ? self->pool->prefetch : SCOREBOARD_BATCH_MAX;
    if (self->pool->max_jobs > 0 && self->pool->max_jobs - self->jobs_done < most) {
        most = self->pool->max_jobs - self->jobs_done; // what it may still run
    }
    self->asked = batch_policy_next(&self->batching, most < 1 ? 1 : (int)most);
    lane_hints_bind(&self->hints, lanes, seqs);
    DbParams params;
    db_params_init(&params);
    db_param_int(&params, self->worker_id);
    db_param_array(&params, &self->queues);
    db_param_array(&params, &self->job_types);
    db_param_int(&params, self->asked);
    db_param_array(&params, lanes);
    db_param_array(&params, seqs);
    db_param_int(&params, self->link);
    db_param_text(&params, lane_hints_seen(&self->hints));
    return db_pipeline_add(self->db, &SQL_claim_jobs, &params);
}

static Status run_exchange(Worker *self, FinishBatch *finish, PGresult **results)
{
    DbArray lanes = {0};
    DbArray seqs = {0};
    int count = 0;
    if (FAULT_ERROR(claim)) {
        return STATUS_RETRY;
    }
    Status status = db_pipeline_begin(self->db);
    if (status == STATUS_OK && finish->count > 0) {
        status = finish_batch_add(finish, self->db);
    }
    if (status == STATUS_OK) {
        status = add_claim(self, &lanes, &seqs);
    }
    if (status == STATUS_OK) {
        FAULT_POINT(claim_sending);
        status = db_pipeline_run(self->db, DB_STATEMENT_TIMEOUT_MS, results, &count);
    }
    db_array_free(&lanes);
    db_array_free(&seqs);
    if (status != STATUS_OK && strcmp(db_sqlstate(self->db), SQLSTATE_WORKER_DEAD) == 0) {
        self->is_lease_lost = true;
        return STATUS_REFUSED;
    }
    return status;
}

// What the finish of the whole batch does not cover, before the next one takes its place: jobs to be given back (as the batch took
// too long, or by a reaper that has died over it), and results that could not be written when their handler returned.
static Status settle_rest(Worker *self)
{
    const Slot *slot = self->slot;
    bool is_unfinished = false;
    bool is_unreturned = false;
    int count = slot_batch_count(slot);
    for (int i = 0; i < count; i++) {
        switch (entry_state(&slot->batch[i])) {
        case ENTRY_UNSTARTED:
        case ENTRY_RETURNING:
            is_unreturned = true;
            break;
        case ENTRY_DONE:
        case ENTRY_WRITING:
            is_unfinished = is_unfinished || slot->batch[i].outcome != OUTCOME_COMPLETED;
            break;
        case ENTRY_RUNNING:
            // Its result was too much for the slot and could not be written: only our settling can end it.
            log_error("worker.result_lost", "job=%" PRId64, slot->batch[i].job_id);
            self->is_lease_lost = true;
            return STATUS_REFUSED;
        case ENTRY_NONE:
        case ENTRY_WRITTEN:
        case ENTRY_RETURNED:
            break;
        }
    }
    if (is_unfinished) {
        TRY(finish_one_by_one(self));
    }
    return is_unreturned
               ? finish_release_unstarted(self, "what came before it in its batch ran long")
               : STATUS_OK;
}

Status claim_batch(Worker *self)
{
    TRY(settle_rest(self));
    lane_hints_expire(&self->hints, clock_boot_ms(), atomic_load(&self->header->lane_passes));
    const bool went_by_seen = lane_hints_has_seen(&self->hints);
    FinishBatch finish;
    finish_batch_collect(&finish, self);
    PGresult *results[2] = {NULL, NULL};
    const int64_t sent_us = clock_boot_us();
    Status status = run_exchange(self, &finish, results);
    if (status != STATUS_OK) {
        counter_add(&self->slot->counters.failed_claims, 1);
    }
    if (finish.count > 0 && !self->is_lease_lost &&
        (status == STATUS_REFUSED || status == STATUS_RETRY)) {
        // One of the results is not acceptable, or its row is locked: one by one, each on its own.
        finish_batch_free(&finish);
        TRY(finish_one_by_one(self));
        return claim_batch(self);
    }
    if (status != STATUS_OK) {
        self->batching.size = 1; // it may have been more than could be read in time
        finish_batch_free(&finish);
        return status;
    }
    FAULT_POINT(after_claim_commit);
    PGresult *claimed = results[finish.count > 0 ? 1 : 0];
    if (finish.count > 0) {
        finish_batch_written(&finish, self, results[0]);
        PQclear(results[0]);
    }
    finish_batch_free(&finish);
    int got = read_seen(self, claimed);
    counts_claimed(self, got, clock_boot_us() - sent_us);
    batch_policy_claimed(&self->batching, self->asked, got, PQresultMemorySize(claimed));
    fill_slot(self, claimed, got); // which keeps it
    // What was committed late may have been passed by, and nobody calls again for it.
    if (got == 0 && went_by_seen) {
        lane_hints_drop(&self->hints);
        return claim_batch(self);
    }
    return got > 0 ? STATUS_OK : STATUS_EMPTY;
}
