// SPDX-License-Identifier: MIT
// Node: see the header.
#include "reaper/node.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/base/fault_point.h"
#include "common/base/log.h"
#include "reaper/burial.h"
#include "reaper/heir.h"
#include "reaper/wake.h"
#include "sql_queries.h"

enum { SILENCE_LOOK_MS = 250, MICROS_PER_MILLI = 1000 };

static const char SQLSTATE_NAME_TAKEN[] = "23505";

static void note_heartbeat(Reaper *self, int64_t sent_at)
{
    counter_add(&self->header->reaper.heartbeats, 1);
    atomic_store(&self->header->lease_until, sent_at + self->config->self_fence_ms);
    atomic_store(&self->header->heartbeat_at, sent_at);
    self->next_heartbeat_at = sent_at + self->config->heartbeat_ms;
}

// For the heir of this name (heir.c): as long as this session lives, something of this node does.
static Status lock(Reaper *self)
{
    if (self->is_locked || db_is_pooled(self->db)) {
        return STATUS_OK;
    }
    DbParams params;
    db_params_init(&params);
    db_param_int(&params, self->node_id);
    PGresult *result = NULL;
    TRY(db_exec(self->db, &SQL_lock_node, &params, self->statement_ms, &result));
    self->is_locked = db_bool(result, 0, "locked"); // else again with the next heartbeat
    PQclear(result);
    return STATUS_OK;
}

static Status insert_row(Reaper *self, const char *boot_id, int64_t *id)
{
    char host[256] = "unknown";
    (void)gethostname(host, sizeof host - 1);
    DbParams params;
    db_params_init(&params);
    db_param_text(&params, self->config->node_name);
    db_param_text(&params, host);
    db_param_text(&params, boot_id);
    db_param_int(&params, self->header->supervisor_pid);
    db_param_int(&params, (int64_t)self->header->supervisor_start);
    db_param_int(&params, self->config->lease_ms);
    db_param_text(&params, GANGER_VERSION);
    PGresult *result = NULL;
    Status status = db_exec(self->db, &SQL_register_node, &params, self->statement_ms, &result);
    if (status == STATUS_REFUSED && str_equal(db_sqlstate(self->db), SQLSTATE_NAME_TAKEN)) {
        return STATUS_RETRY; // somebody was quicker: what it is, the next look tells
    }
    TRY(status);
    *id = db_int(result, 0, "id", 0);
    PQclear(result);
    return STATUS_OK;
}

Status node_register(Reaper *self)
{
    char boot_id[160];
    heir_boot_id(boot_id, sizeof boot_id);
    TRY(heir_clear_name(self, boot_id));
    int64_t sent_at = clock_boot_ms();
    if (FAULT_ERROR(register_node)) {
        return STATUS_RETRY;
    }
    TRY(insert_row(self, boot_id, &self->node_id));
    FAULT_POINT(node_inserted);
    note_heartbeat(self, sent_at);
    self->is_locked = false;
    self->has_served = true;
    atomic_store(&self->header->node_id, self->node_id); // last: workers may start
    FAULT_POINT(node_registered);
    log_info("node.registered", "node=%s id=%" PRId64, self->config->node_name, self->node_id);
    wake_supervisor();
    return lock(self);
}

// What the answer to a heartbeat says of this machine's clock goes out with the next one.
static void note_clock(Reaper *self, int64_t asked_us, int64_t took_us, int64_t server_us)
{
    ClockNews news = clock_watch_note(&self->clock, asked_us, took_us, server_us);
    if (news == CLOCK_NEWS_OFF) {
        log_warn("clock.off",
                 "offset_ms=%" PRId64
                 " effect=\"this log and what handlers take for the time are off the database's; "
                 "jobs go by the database's\"",
                 self->clock.offset_us / MICROS_PER_MILLI);
    } else if (news == CLOCK_NEWS_RIGHT) {
        log_info("clock.right", "offset_ms=%" PRId64, self->clock.offset_us / MICROS_PER_MILLI);
    }
}

static Status exec_heartbeat(Reaper *self, UsageReport *usage, PGresult **result)
{
    char load[32];
    double averages[1] = {0};
    bool has_load = getloadavg(averages, 1) == 1;
    (void)snprintf(load, sizeof load, "%.2f", averages[0]);
    DbParams params;
    db_params_init(&params);
    db_param_int(&params, self->node_id);
    db_param_int_or_null(&params, self->clock.offset_us, self->clock.is_known);
    db_param_int(&params, sysconf(_SC_NPROCESSORS_ONLN));
    db_param_text(&params, has_load ? load : NULL);
    db_param_array(&params, &usage->ids);
    db_param_array(&params, &usage->cpu_us);
    db_param_array(&params, &usage->shares);
    db_param_array(&params, &usage->rss);
    return db_exec(self->db, &SQL_heartbeat_node, &params, self->statement_ms, result);
}

static Status send_heartbeat(Reaper *self, UsageReport *usage)
{
    int64_t sent_at =
        clock_boot_ms(); // the lease counts from here: the acknowledgement may be late
    int64_t sent_us = clock_boot_us();
    int64_t asked_us = clock_wall_us();
    PGresult *result = NULL;
    FAULT_POINT(heartbeat_sending);
    if (FAULT_ERROR(heartbeat)) {
        return STATUS_RETRY;
    }
    TRY(exec_heartbeat(self, usage, &result));
    FAULT_POINT(heartbeat_answered);
    bool is_alive = db_bool(result, 0, "alive");
    note_clock(self, asked_us, clock_boot_us() - sent_us, db_int(result, 0, "clock_us", 0));
    PQclear(result);
    if (!is_alive) {
        node_give_up(self, "other nodes have buried it");
        return STATUS_REFUSED;
    }
    note_heartbeat(self, sent_at);
    return lock(self);
}

int64_t node_silence_ms(int64_t self_fence_ms)
{
    int64_t limit_ms = self_fence_ms * 3 / 10;
    if (limit_ms > NODE_SILENCE_MAX_MS) {
        return NODE_SILENCE_MAX_MS;
    }
    return limit_ms > NODE_SILENCE_MIN_MS ? limit_ms : NODE_SILENCE_MIN_MS;
}

static bool is_supervisor_silent(Reaper *self, int64_t now)
{
    int64_t silent_ms = now - atomic_load(&self->header->supervisor_seen_at);
    bool is_silent = silent_ms > node_silence_ms(self->config->self_fence_ms);
    if (is_silent && !self->is_silence_told) {
        log_error("supervisor.silent",
                  "silent_ms=%" PRId64 " effect=\"no heartbeat: others will bury this node\"",
                  silent_ms);
    }
    self->is_silence_told = is_silent;
    return is_silent;
}

Status node_keep_lease(Reaper *self)
{
    int64_t now = clock_boot_ms();
    atomic_store(&scoreboard_slot(self->board, 0)->changed_at, now);
    if (self->node_id == 0 || now < self->next_heartbeat_at) {
        return STATUS_OK;
    }
    if (is_supervisor_silent(self, now)) {
        self->next_heartbeat_at = now + SILENCE_LOOK_MS;
        return STATUS_OK;
    }
    UsageReport usage; // before the clock is looked at: it reads /proc of every process
    usage_read(&self->usage, self->board, &usage);
    Status status = send_heartbeat(self, &usage);
    usage_report_free(&usage);
    if (status != STATUS_OK) {
        counter_add(&self->header->reaper.failed_heartbeats, 1);
    }
    return status;
}

// All are looked at before any is buried: a burial that fails must not cost the watch over the rest its memory.
Status node_watch_others(Reaper *self)
{
    static int dead[NODE_WATCH_MAX];
    int dead_count = 0;
    int64_t now = clock_boot_ms();
    DbParams params;
    db_params_init(&params);
    db_param_int(&params, self->node_id);
    PGresult *rows = NULL;
    TRY(db_exec(self->db, &SQL_live_nodes, &params, self->statement_ms, &rows));
    for (int i = 0; i < PQntuples(rows); i++) {
        if (node_watch_look(&self->watch, db_int(rows, i, "id", 0), db_int(rows, i, "heartbeat", 0),
                            db_int(rows, i, "lease_ms", 60000), now) &&
            dead_count < NODE_WATCH_MAX) {
            dead[dead_count++] = i;
        }
    }
    node_watch_forget(&self->watch, now);
    Status worst = STATUS_OK;
    for (int i = 0; i < dead_count && !db_is_lost(self->db) && self->node_id != 0; i++) {
        Status status = burial_of_node(self, db_int(rows, dead[i], "id", 0),
                                       db_int(rows, dead[i], "heartbeat", 0));
        worst = status == STATUS_OK || status == STATUS_EMPTY ? worst : status;
    }
    PQclear(rows);
    return worst;
}

Status node_end_unknown_workers(Reaper *self)
{
    DbArray known;
    db_array_begin(&known, DB_ELEMENT_INT8);
    for (int i = 1; i < scoreboard_api_slot(self->board); i++) {
        int64_t worker_id = atomic_load(&scoreboard_slot(self->board, i)->worker_id);
        if (worker_id != 0) {
            db_array_add_int8(&known, worker_id);
        }
    }
    DbParams params;
    db_params_init(&params);
    db_param_int(&params, self->node_id);
    db_param_array(&params, &known);
    PGresult *result = NULL;
    Status status =
        db_exec(self->db, &SQL_end_unknown_workers, &params, self->statement_ms, &result);
    db_array_free(&known);
    TRY(status);
    FAULT_POINT(unknown_workers_ended);
    int64_t ended = db_int(result, 0, "ended", 0);
    PQclear(result);
    if (ended > 0) {
        log_info("worker.unknown_ended", "workers=%" PRId64, ended);
    }
    return STATUS_OK;
}

void node_give_up(Reaper *self, const char *reason)
{
    log_error("node.lost",
              "node=%" PRId64
              " reason=\"%s\" effect=\"running jobs are killed, the node registers anew\"",
              self->node_id, reason);
    atomic_store(&self->header->node_id, 0);
    atomic_store(&self->header->lease_until, clock_boot_ms());
    self->node_id = 0;
    self->is_idle_known = false;
    self->is_idle = false;
    atomic_store(&self->header->idle_announced, 0);
    wake_supervisor();
}
