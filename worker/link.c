// SPDX-License-Identifier: MIT
// Link: see the header.
#include "worker/link.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "common/base/backoff.h"
#include "common/base/clock.h"
#include "common/base/fault_point.h"
#include "common/base/inherited_fd.h"
#include "common/base/log.h"
#include "common/base/proc_tree.h"
#include "common/db/migrate.h"
#include "sql_queries.h"

void link_drop(Worker *self)
{
    db_close(self->db);
    self->db = NULL;
}

// What the reaper has heard of, from all processes of this node; and, sooner, what this one has.
static Timeline known_timeline(const Worker *self)
{
    return timeline_raise(timeline_load(&self->header->timeline),
                          timeline_load(&self->slot->timeline));
}

Status link_open(Worker *self, bool quiet)
{
    const Timeline known = known_timeline(self);
    TRY(db_open_at_least(&self->db, self->config->database_url, "ganger-worker",
                         DB_CONNECT_TIMEOUT_MS, quiet, &known));
    timeline_store(&self->slot->timeline, timeline_follow(known, db_timeline(self->db)));
    return STATUS_OK;
}

void link_drop_if_old(Worker *self)
{
    if (self->db == NULL || !timeline_is_old(known_timeline(self), db_timeline(self->db))) {
        return;
    }
    log_warn("database.old_connection", "timeline=%u known=%u", db_timeline(self->db).number,
             known_timeline(self).number);
    link_drop(self);
}

static Status register_worker(Worker *self)
{
    DbParams params;
    db_params_init(&params);
    db_param_int(&params, atomic_load(&self->header->node_id));
    db_param_text(&params, self->pool->name);
    db_param_int(&params, getpid());
    db_param_int(&params, (int64_t)proc_start_time(getpid()));
    db_param_bool(&params, db_is_pooled(self->db));
    PGresult *result = NULL;
    if (FAULT_ERROR(register_worker)) {
        return STATUS_RETRY;
    }
    TRY(db_exec(self->db, &SQL_register_worker, &params, DB_STATEMENT_TIMEOUT_MS, &result));
    self->worker_id = db_int(result, 0, "id", 0);
    PQclear(result);
    if (self->worker_id == 0) {
        self->is_lease_lost = true;
        return STATUS_REFUSED;
    }
    FAULT_POINT(worker_registered);
    self->link = 1;
    atomic_store(&self->slot->worker_id, self->worker_id);
    return STATUS_OK;
}

// The old backend may still be carrying out a claim whose answer never came: it is ended first, then what it claimed
// goes back.
static Status reattach(Worker *self)
{
    DbArray ids;
    db_array_begin(&ids, DB_ELEMENT_INT8);
    db_array_add_int8(&ids, self->worker_id);
    DbParams params;
    db_params_init(&params);
    db_param_array(&params, &ids);
    PGresult *result = NULL;
    Status status =
        db_exec(self->db, &SQL_terminate_backends, &params, DB_STATEMENT_TIMEOUT_MS, &result);
    db_array_free(&ids);
    TRY(status);
    bool is_gone = db_bool(result, 0, "gone");
    PQclear(result);
    if (!is_gone) {
        return STATUS_RETRY;
    }
    FAULT_POINT(reattach_fenced);

    DbArray leases;
    db_array_begin(&ids, DB_ELEMENT_INT8);
    db_array_begin(&leases, DB_ELEMENT_UUID);
    int count = slot_batch_count(self->slot);
    for (int i = 0; i < count; i++) {
        const BatchEntry *entry = &self->slot->batch[i];
        // One that is being returned is not known any more: it goes back here.
        if (entry_is_open(entry) && entry_state(entry) != ENTRY_RETURNING) {
            db_array_add_int8(&ids, entry->job_id);
            db_array_add_uuid(&leases, entry->lease);
        }
    }
    db_params_init(&params);
    db_param_int(&params, self->worker_id);
    db_param_array(&params, &ids);
    db_param_array(&params, &leases);
    db_param_bool(&params, db_is_pooled(self->db));
    result = NULL;
    status = db_exec(self->db, &SQL_reattach_worker, &params, DB_STATEMENT_TIMEOUT_MS, &result);
    db_array_free(&ids);
    db_array_free(&leases);
    TRY(status);
    self->link = db_int(result, 0, "link", 0);
    PQclear(result);
    if (self->link == 0) {
        self->is_lease_lost = true;
        return STATUS_REFUSED;
    }
    FAULT_POINT(reattached);
    log_info("worker.reconnected", "worker=%" PRId64, self->worker_id);
    return STATUS_OK;
}

static Status attach(Worker *self)
{
    if (self->worker_id != 0) {
        return reattach(self);
    }
    StrBuf why = {0};
    Status status = migrate_check_running(self->db, &why); // its node has begun on an older one
    if (status == STATUS_REFUSED) {
        log_fatal("schema.mismatch", "reason=\"%s\"", why.text);
        status = STATUS_FATAL;
    }
    strbuf_free(&why);
    TRY(status);
    return register_worker(self);
}

// A call that waits for the server has a limit of its own; the supervisor need not think the worse of it.
static void on_wait(void *data)
{
    worker_show_life(data);
}

static bool is_over(const Worker *self, LinkNeed need)
{
    return need == LINK_FOR_RESULTS ? self->is_lease_lost : worker_should_leave(self);
}

Status link_connect(Worker *self, LinkNeed need)
{
    for (int failures = 0; !is_over(self, need); failures++) {
        link_drop(self);
        Status status = link_open(self, failures > 0);
        WorkerCounters *counters = &self->slot->counters;
        counter_add(status == STATUS_OK ? &counters->connects : &counters->connect_failures, 1);
        if (status == STATUS_OK) {
            db_set_waiting(self->db, on_wait, self);
            status = attach(self);
        }
        if (status == STATUS_OK || status == STATUS_REFUSED || status == STATUS_FATAL) {
            return status;
        }
        link_drop(self);
        worker_show_life(self);
        link_sleep(self, (int)backoff_delay_ms(LINK_RETRY_BASE_MS, LINK_RETRY_CAP_MS, failures,
                                               backoff_random()));
    }
    return STATUS_LOST;
}

bool link_sleep(Worker *self, int timeout_ms)
{
    struct pollfd fds[2] = {
        {.fd = FD_WAKE, .events = POLLIN},
        {.fd = self->db != NULL ? db_socket(self->db) : -1, .events = POLLIN},
    };
    if (poll(fds, 2, timeout_ms) < 0 && errno != EINTR) {
        panic("poll: %s", strerror(errno));
    }
    bool is_woken = (fds[0].revents & POLLIN) != 0;
    if (is_woken) {
        uint64_t count;
        (void)!read(FD_WAKE, &count, sizeof count);
    }
    // Nothing is asked, so whatever the server says is a notice, or its farewell.
    if (fds[1].revents != 0 && self->db != NULL) {
        PGconn *conn = db_conn(self->db);
        if (PQconsumeInput(conn) == 0 || PQstatus(conn) != CONNECTION_OK) {
            link_drop(self);
        }
    }
    return is_woken;
}
