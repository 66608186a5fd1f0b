// SPDX-License-Identifier: MIT
// Worker: see the header.
#include "worker/worker.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#include "common/base/backoff.h"
#include "common/base/clock.h"
#include "common/base/fault_point.h"
#include "common/base/inherited_fd.h"
#include "common/base/log.h"
#include "common/base/signals.h"
#include "handlers/ganger/handler.h"
#include "sql_queries.h"
#include "worker/claim.h"
#include "worker/finish.h"
#include "worker/link.h"
#include "worker/process_guard.h"
#include "worker/process_state.h"
#include "worker/run_job.h"
#include "worker/sandbox.h"
#include "worker/syscall_watch.h"

enum { IDLE_LOOK_MS = 5000 }; // an idle worker looks at its own age so often; work is announced

void worker_set_state(Worker *self, SlotState state)
{
    atomic_fetch_add(&self->slot->state_serial, 1);
    atomic_store(&self->slot->state, (int)state);
    atomic_store(&self->slot->changed_at, clock_boot_ms());
}

void worker_show_life(Worker *self)
{
    atomic_store(&self->slot->changed_at, clock_boot_ms());
}

static bool is_draining(const Worker *self)
{
    return atomic_load(&self->slot->command) == SLOT_DRAIN;
}

bool worker_should_leave(const Worker *self)
{
    return self->is_lease_lost || self->has_given_up || is_draining(self) ||
           deadman_is_leaving(self->deadman);
}

// The pool's limits on one process's life; and what a plugin has left of it.
static const char *recycle_reason(const Worker *self)
{
    const PoolConfig *pool = self->pool;
    if (pool->max_jobs > 0 && self->jobs_done >= pool->max_jobs) {
        return "max_jobs";
    }
    if (pool->max_age_ms > 0 && clock_boot_ms() - self->started_at >= pool->max_age_ms) {
        return "max_age";
    }
    if (pool->max_rss_bytes > 0 && process_memory().resident_bytes > pool->max_rss_bytes) {
        return "max_rss";
    }
    return process_state_spoiled();
}

// Looked at after each job; and once there is a reason it stays, as memory may shrink again.
static bool is_recycled(Worker *self)
{
    if (self->recycled == NULL) {
        self->recycled = recycle_reason(self);
    }
    return self->recycled != NULL;
}

// There may be more than one batch: the reaper wakes one more worker, if one is idle.
static void pass_on(const Worker *self)
{
    if (self->job_count == self->asked) {
        const uint64_t full = WAKE_FULL_BATCH;
        (void)!write(FD_REAPER_WAKE, &full, sizeof full);
    }
}

static void run_batch(Worker *self)
{
    int ran = 0;
    int64_t total_us = 0;
    int64_t longest_us = 0;
    for (int i = 0; i < self->job_count && !worker_should_leave(self); i++) {
        if (batch_policy_is_over(total_us)) {
            break; // what has not begun goes back before the next claim
        }
        if (self->jobs_done > 0 && is_recycled(self)) {
            break; // never before its first one: limits below what a worker is born with would let none run
        }
        int64_t took_us = run_job(self, i);
        if (took_us < 0) {
            continue;
        }
        ran++;
        total_us += took_us;
        longest_us = took_us > longest_us ? took_us : longest_us;
    }
    deadman_set_job(self->deadman, 0); // a short run leaves its timer
    batch_policy_ran(&self->batching, ran, total_us, longest_us);
    worker_set_state(self, SLOT_FINISHING);
}

// Nothing to do: sleeps until woken. The counter is read again after IDLE can be seen, so that work announced between the
// empty claim and the sleep is not slept through. In between only its own age is looked at: the node polls once for all.
static void rest(Worker *self, long long counter_before)
{
    worker_set_state(self, SLOT_IDLE);
    FAULT_POINT(worker_resting);
    if (atomic_load(&self->header->idle_announced) == 0) {
        const uint64_t look = 1;
        (void)!write(FD_REAPER_WAKE, &look, sizeof look);
    }
    bool is_woken = atomic_load(&self->header->work_counter) != counter_before;
    while (!is_woken && !worker_should_leave(self) && self->db != NULL &&
           recycle_reason(self) == NULL) {
        is_woken = link_sleep(self, IDLE_LOOK_MS);
        worker_show_life(self);
    }
}

// Where few jobs come with each claim, and come without end, the next one waits until they are more (reaper/claim_pace.h). What has
// been done is written with it. False: something else is to be done before it, as the connection is gone, or a drain has begun.
static bool collect(Worker *self)
{
    int pace_ms = atomic_load(&self->header->claim_pace_ms);
    int64_t passed_ms = clock_boot_ms() - self->claimed_at;
    bool is_short = self->job_count > 0 && self->job_count < self->asked;
    if (!is_short || passed_ms >= pace_ms) {
        return true;
    }
    worker_set_state(self, SLOT_COLLECTING);
    (void)link_sleep(self, pace_ms - (int)passed_ms);
    return self->db != NULL && atomic_load(&self->slot->command) == SLOT_GO &&
           !worker_should_leave(self);
}

static void claim_and_run(Worker *self)
{
    if (!collect(self)) {
        return;
    }
    long long counter = atomic_load(&self->header->work_counter);
    self->claimed_at = clock_boot_ms();
    worker_set_state(self, SLOT_CLAIMING);
    switch (claim_batch(self)) {
    case STATUS_OK:
        pass_on(self);
        run_batch(self);
        return;
    case STATUS_EMPTY:
        rest(self, counter);
        return;
    case STATUS_LOST:
        link_drop(self);
        return;
    case STATUS_REFUSED:
    case STATUS_FATAL:
        if (!self->is_lease_lost) {
            log_error("worker.claim_refused", "error=\"%s\"",
                      self->db != NULL ? db_error_message(self->db) : "");
            self->is_lease_lost = true;
        }
        return;
    case STATUS_RETRY:
        link_sleep(self, (int)backoff_delay_ms(LINK_RETRY_BASE_MS, LINK_RETRY_CAP_MS, 0,
                                               backoff_random()));
        return;
    }
}

// Nothing may stay behind: results are written, the rest goes back, the row is closed.
static void leave(Worker *self, const char *reason)
{
    worker_set_state(self, SLOT_STOPPING);
    if (self->is_lease_lost || self->has_given_up || self->worker_id == 0) {
        return; // the reaper settles from the slot
    }
    link_drop_if_old(self);
    if (self->db == NULL && link_open(self, true) != STATUS_OK) {
        return; // the reaper settles from the slot
    }
    FAULT_POINT(worker_leaving);
    DbParams params;
    db_params_init(&params);
    db_param_int(&params, self->worker_id);
    if (finish_one_by_one(self) != STATUS_OK ||
        finish_release_unstarted(self, reason) != STATUS_OK ||
        db_exec(self->db, &SQL_stop_worker, &params, DB_STATEMENT_TIMEOUT_MS, NULL) != STATUS_OK) {
        log_warn("worker.left_work", "reason=\"%s\" settled_by=reaper", reason);
    }
    FAULT_POINT(worker_left);
}

// So that failed jobs of these types are followed by a job for the hook (ganger._call_hooks).
static void tell_hooks(Worker *self)
{
    DbArray with;
    DbArray without;
    db_array_begin(&with, DB_ELEMENT_TEXT);
    db_array_begin(&without, DB_ELEMENT_TEXT);
    for (int i = 0; i < handler_table_count(self->handlers); i++) {
        const Handler *handler = handler_table_at(self->handlers, i);
        if (!handler->is_hook) {
            const ganger_handler *entry = handler->plugin_entry;
            db_array_add_text(entry != NULL && entry->on_error != NULL ? &with : &without,
                              handler->config->job_type);
        }
    }
    DbParams params;
    db_params_init(&params);
    db_param_array(&params, &with);
    db_param_array(&params, &without);
    if (db_exec(self->db, &SQL_tell_hooks, &params, DB_STATEMENT_TIMEOUT_MS, NULL) != STATUS_OK) {
        log_warn("worker.hooks_not_told", "worker=%" PRId64, self->worker_id);
    }
    db_array_free(&with);
    db_array_free(&without);
}

// A worker that runs no code but our own: what is done once for it need not be done for each of its programs, of which a short one takes
// a tenth less time then.
static void prepare_for_programs(const Worker *self)
{
    if (!handler_table_fits_sandbox(self->handlers)) {
        return;
    }
    signals_know_changed();
    if (sandbox_is_available() && !sandbox_enter_process()) {
        log_debug("worker.outside_sandbox", "worker=%" PRId64 " error=\"%s\"", self->worker_id,
                  strerror(errno));
    }
}

static Status start(Worker *self)
{
    worker_set_state(self, SLOT_STARTING);
    TRY(link_connect(self, LINK_FOR_WORK));
    handler_table_load(&self->handlers, self->config, self->pool, self->db, self->slot);
    handler_table_number(self->handlers, &self->header->handlers);
    tell_hooks(self);
    db_array_begin(&self->queues, DB_ELEMENT_TEXT);
    for (size_t i = 0; i < self->pool->queues.count; i++) {
        db_array_add_text(&self->queues, self->pool->queues.items[i]);
    }
    db_array_begin(&self->job_types, DB_ELEMENT_TEXT);
    for (int i = 0; i < handler_table_count(self->handlers); i++) {
        db_array_add_text(&self->job_types, handler_table_at(self->handlers, i)->config->job_type);
    }
    batch_policy_init(&self->batching);
    syscall_watch_prepare();
    prepare_for_programs(self);
    FAULT_POINT(worker_ready);
    log_info("worker.ready", "worker=%" PRId64 " pool=%s handlers=%d", self->worker_id,
             self->pool->name, handler_table_count(self->handlers));
    return STATUS_OK;
}

static void unprepare(Worker *self)
{
    handler_table_destroy(self->handlers);
    self->handlers = NULL;
    db_array_free(&self->queues);
    db_array_free(&self->job_types);
}

// No claim comes that would see to what the last batch has left.
static Status settle_quietly(Worker *self)
{
    TRY(finish_one_by_one(self));
    return finish_release_unstarted(self, "its node was made quiet");
}

static ExitCode exit_code_of(const Worker *self, Status status)
{
    if (status == STATUS_FATAL) {
        return EXIT_CODE_CONFIG;
    }
    if (self->has_given_up) {
        return EXIT_CODE_FAILED;
    }
    return self->is_lease_lost ? EXIT_CODE_LEASE_LOST : EXIT_CODE_OK;
}

ExitCode worker_run(Worker *self)
{
    self->started_at = clock_boot_ms();
    self->recycled = NULL;
    Status status = start(self);
    while (status == STATUS_OK && !worker_should_leave(self) && self->recycled == NULL) {
        link_drop_if_old(self);
        if (self->db == NULL) {
            status = link_connect(self, LINK_FOR_WORK);
        } else if (atomic_load(&self->slot->command) == SLOT_QUIET) {
            if (settle_quietly(self) == STATUS_LOST) {
                link_drop(self);
                continue;
            }
            worker_set_state(self, SLOT_IDLE);
            link_sleep(self, IDLE_LOOK_MS);
        } else {
            claim_and_run(self);
        }
        (void)is_recycled(self);
    }
    if (status == STATUS_FATAL) {
        return EXIT_CODE_CONFIG;
    }
    unprepare(self);
    leave(self, self->recycled != NULL ? "its worker was recycled" : "its worker was stopped");
    if (self->recycled != NULL && !worker_should_leave(self)) {
        log_info("worker.recycled", "reason=%s jobs=%" PRId64, self->recycled, self->jobs_done);
        return EXIT_CODE_RECYCLED;
    }
    return exit_code_of(self, status);
}
