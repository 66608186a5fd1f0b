// SPDX-License-Identifier: MIT
// Rescue: see the header.
//
// The worker goes on meanwhile and may fill the slot with its next batch at any moment. So an entry is copied first, then moved
// to an intermediate state, which succeeds only while it is the very entry that was copied, and from there on the copy alone is
// used. The final state follows the commit. What is left in an intermediate state is brought to its end by the next scan, or by the
// worker before its next claim: both may, as the lease ends once.
#include "reaper/rescue.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/clock.h"
#include "common/base/fault_point.h"
#include "common/base/log.h"
#include "reaper/evidence.h"
#include "reaper/node.h"
#include "reaper/wake.h"
#include "sql_queries.h"

bool rescue_is_due(const Slot *slot, int64_t now)
{
    bool is_waiting = false;
    int count = slot_batch_count(slot);
    for (int i = 0; i < count && !is_waiting; i++) {
        EntryState state = entry_state(&slot->batch[i]);
        is_waiting = state == ENTRY_UNSTARTED || state == ENTRY_RETURNING || state == ENTRY_RUNNING;
    }
    int state = atomic_load(&slot->state);
    bool is_settling = state == SLOT_CLAIMING || state == SLOT_STOPPING;
    return is_waiting && slot_last_progress_at(slot) <=
                             now - (is_settling ? RESCUE_SETTLING_MS : RESCUE_AFTER_MS);
}

static Status send_result(Reaper *self, const EntryCopy *copy)
{
    DbParams params;
    evidence_bind_result(&params, &copy->entry, "completed", copy->text, -1, NULL);
    return db_exec(self->db, &SQL_settle_result, &params, self->statement_ms, NULL);
}

// The log in the slot is that of the entry that ran last, and would be lost with a result written here.
static bool has_log(const Slot *slot, const BatchEntry *entry)
{
    int last = atomic_load(&slot->run_index);
    return last >= 0 && last < SCOREBOARD_BATCH_MAX && entry == &slot->batch[last] &&
           atomic_load(&slot->log_length) > 0;
}

// Anything but a success without a log the worker writes at once, by itself.
static Status write_result(Reaper *self, const Slot *slot, BatchEntry *entry)
{
    if (has_log(slot, entry)) {
        return STATUS_OK;
    }
    EntryCopy copy;
    entry_copy(&copy, slot, entry);
    EntryState state = entry_copy_state(&copy);
    Status status = STATUS_OK;
    if ((state == ENTRY_DONE || state == ENTRY_WRITING) &&
        copy.entry.outcome == OUTCOME_COMPLETED && entry_move_copied(entry, &copy, ENTRY_WRITING)) {
        FAULT_POINT(rescue_writing);
        status = FAULT_ERROR(rescue) ? STATUS_RETRY : send_result(self, &copy);
        FAULT_POINT(rescue_written);
        if (status == STATUS_OK) {
            (void)entry_move_copied(entry, &copy, ENTRY_WRITTEN);
        }
    }
    entry_copy_free(&copy);
    return status;
}

// Jobs on their way back: which entries they are, and as what they were copied.
typedef struct Returning {
    int entries[SCOREBOARD_BATCH_MAX];
    EntryCopy copies[SCOREBOARD_BATCH_MAX];
    int count;
} Returning;

static void collect_returning(Returning *out, Slot *slot)
{
    out->count = 0;
    int count = slot_batch_count(slot);
    for (int i = 0; i < count; i++) {
        EntryCopy *copy = &out->copies[out->count];
        entry_copy(copy, slot, &slot->batch[i]);
        EntryState state = entry_copy_state(copy);
        if ((state == ENTRY_UNSTARTED || state == ENTRY_RETURNING) &&
            entry_move_copied(&slot->batch[i], copy, ENTRY_RETURNING)) {
            out->entries[out->count++] = i;
        }
        entry_copy_free(copy); // no text yet, if it is one of ours
    }
}

static Status send_returning(Reaper *self, const Returning *returning, const char *reason)
{
    DbArray ids;
    DbArray leases;
    db_array_begin(&ids, DB_ELEMENT_INT8);
    db_array_begin(&leases, DB_ELEMENT_UUID);
    for (int i = 0; i < returning->count; i++) {
        db_array_add_int8(&ids, returning->copies[i].entry.job_id);
        db_array_add_uuid(&leases, returning->copies[i].entry.lease);
    }
    DbParams params;
    db_params_init(&params);
    db_param_array(&params, &ids);
    db_param_array(&params, &leases);
    db_param_text(&params, reason);
    Status status = db_exec(self->db, &SQL_release_jobs, &params, self->statement_ms, NULL);
    db_array_free(&ids);
    db_array_free(&leases);
    return status;
}

static Status return_unstarted(Reaper *self, Slot *slot)
{
    static Returning returning; // large; never nested
    collect_returning(&returning, slot);
    if (returning.count == 0) {
        return STATUS_OK;
    }
    FAULT_POINT(rescue_returning);
    TRY(send_returning(self, &returning, "a job before it in its batch runs long"));
    FAULT_POINT(rescue_returned);
    log_debug("job.released",
              "count=%d first_job=%" PRId64 " worker=%" PRId64
              " cause=\"a job before them in the batch runs long\"",
              returning.count, returning.copies[0].entry.job_id,
              (int64_t)atomic_load(&slot->worker_id));
    for (int i = 0; i < returning.count; i++) {
        (void)entry_move_copied(&slot->batch[returning.entries[i]], &returning.copies[i],
                                ENTRY_RETURNED);
    }
    counter_add(&self->header->reaper.rescued, (uint64_t)returning.count);
    wake_workers(self, NULL, returning.count);
    return STATUS_OK;
}

static Status rescue_batch(Reaper *self, Slot *slot, int index)
{
    unsigned long long serial = atomic_load(&slot->batch_serial);
    int count = slot_batch_count(slot);
    // First what others can start at once; each result is a transaction of its own, and there may be a thousand.
    TRY(return_unstarted(self, slot));
    for (int i = 0; i < count && self->rescue_refused[index] != serial; i++) {
        Status status = write_result(self, slot, &slot->batch[i]);
        if (status == STATUS_REFUSED) {
            self->rescue_refused[index] = serial; // the worker tells it as the job's error
        } else if (status != STATUS_OK) {
            return status;
        }
        TRY(node_keep_lease(self));
    }
    return STATUS_OK;
}

Status rescue_batches(Reaper *self)
{
    int64_t now = clock_boot_ms();
    for (int i = 1; i < scoreboard_api_slot(self->board); i++) {
        Slot *slot = scoreboard_slot(self->board, i);
        if (atomic_load(&slot->life) == SLOT_SPAWNED && rescue_is_due(slot, now)) {
            Status status = rescue_batch(self, slot, i);
            if (status == STATUS_LOST || status == STATUS_REFUSED) {
                return status;
            } // else the next scan tries again, and the other slots are not kept waiting
        }
    }
    return STATUS_OK;
}

// The job of an entry, by its id and lease: the jobs of a batch have one lease.
static bool is_job(const BatchEntry *entry, int64_t id, const uint8_t lease[16])
{
    return entry->job_id == id && memcmp(entry->lease, lease, sizeof entry->lease) == 0;
}

// It is looked at once more after the serial was read: the slot may hold its next job by now.
static void cancel_running(Slot *slot, int index, int64_t id, const uint8_t lease[16])
{
    long long serial = atomic_load(&slot->run_serial);
    EntryCopy copy;
    entry_copy(&copy, slot, &slot->batch[index]);
    if (entry_copy_state(&copy) == ENTRY_RUNNING && slot_running_index(slot) == index &&
        is_job(&copy.entry, id, lease) && atomic_load(&slot->run_serial) == serial) {
        atomic_store(&slot->cancel_serial, serial);
        FAULT_POINT(cancel_noted);
        wake_supervisor();
    }
    entry_copy_free(&copy);
}

static Status cancel_unstarted(Reaper *self, Slot *slot, int index, int64_t id,
                               const uint8_t lease[16], bool *was_unstarted)
{
    static Returning returning;
    EntryCopy *copy = &returning.copies[0];
    BatchEntry *entry = &slot->batch[index];
    entry_copy(copy, slot, entry);
    entry_copy_free(copy);
    *was_unstarted = entry_copy_state(copy) == ENTRY_UNSTARTED && is_job(&copy->entry, id, lease) &&
                     entry_move_copied(entry, copy, ENTRY_RETURNING);
    if (!*was_unstarted) {
        return STATUS_OK;
    }
    returning.count = 1;
    // What goes back and is to be cancelled ends cancelled.
    TRY(send_returning(self, &returning, "it was to be cancelled"));
    (void)entry_move_copied(entry, copy, ENTRY_RETURNED);
    return STATUS_OK;
}

Status rescue_cancel(Reaper *self, int64_t job_id, const uint8_t lease[16])
{
    for (int i = 1; i < scoreboard_api_slot(self->board); i++) {
        Slot *slot = scoreboard_slot(self->board, i);
        if (atomic_load(&slot->life) != SLOT_SPAWNED) {
            continue;
        }
        int count = slot_batch_count(slot);
        for (int j = 0; j < count; j++) {
            if (!is_job(&slot->batch[j], job_id, lease)) {
                continue;
            }
            bool was_unstarted = false;
            Status status = cancel_unstarted(self, slot, j, job_id, lease, &was_unstarted);
            if (!was_unstarted) {
                cancel_running(slot, j, job_id, lease);
            }
            return status;
        }
    }
    return STATUS_OK;
}
