// SPDX-License-Identifier: MIT
// Heir: see the header.
#include "reaper/heir.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/base/proc_tree.h"
#include "reaper/burial.h"
#include "sql_queries.h"

void heir_boot_id(char *out, size_t size)
{
    char boot[64] = "unknown";
    int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
    if (fd >= 0) {
        ssize_t length = read(fd, boot, sizeof boot - 1);
        boot[length > 0 ? length : 0] = '\0';
        boot[strcspn(boot, "\n")] = '\0';
        (void)close(fd);
    }
    char space[64] = "unknown";
    ssize_t length = readlink("/proc/self/ns/pid", space, sizeof space - 1);
    space[length > 0 ? length : 0] = '\0';
    (void)snprintf(out, size, "%s %s", boot, space);
}

// What to do about a live row of our name.
typedef enum Conflict { CONFLICT_WAIT, CONFLICT_INHERIT, CONFLICT_BURY, CONFLICT_REFUSE } Conflict;

static Conflict refuse_here(const Reaper *self, int pid)
{
    log_fatal("node.name_in_use",
              "node=%s pid=%d hint=\"another gangerd on this machine has this name: stop it, or "
              "set node.name\"",
              self->config->node_name, pid);
    return CONFLICT_REFUSE;
}

// CONFLICT_WAIT: whether that process is the row's supervisor cannot be told.
static Conflict judge_here(const Reaper *self, int pid, uint64_t process_start)
{
    if (pid == self->header->supervisor_pid) {
        bool is_own = process_start != 0 && process_start == self->header->supervisor_start;
        return is_own ? CONFLICT_BURY : CONFLICT_INHERIT; // our own, given up; or an earlier one's
    }
    switch (proc_match(pid, process_start)) {
    case PROC_MATCH_NO:
        return CONFLICT_INHERIT;
    case PROC_MATCH_YES:
        return refuse_here(self, pid);
    case PROC_MATCH_UNKNOWN:
        break;
    }
    return CONFLICT_WAIT;
}

static Conflict judge(Reaper *self, const PGresult *rows, int row, const char *boot_id)
{
    int64_t id = db_int(rows, row, "id", 0);
    int64_t heartbeat = db_int(rows, row, "heartbeat", 0);
    int pid = (int)db_int(rows, row, "pid", 0);
    bool is_dead = node_watch_look(&self->watch, id, heartbeat,
                                   db_int(rows, row, "lease_ms", 60000), clock_boot_ms());
    const WatchedNode *seen = node_watch_find(&self->watch, id);
    bool has_moved = seen != NULL && seen->has_moved;
    if (str_equal(db_text(rows, row, "boot_id"), boot_id)) {
        Conflict here = judge_here(self, pid, (uint64_t)db_int(rows, row, "process_start", 0));
        if (here != CONFLICT_WAIT) {
            return here;
        }
        if (has_moved) {
            return refuse_here(self, pid);
        }
    } else if (has_moved) {
        log_fatal("node.name_in_use",
                  "node=%s host=%s pid=%d hint=\"a live node on another host has this name: set "
                  "node.name\"",
                  self->config->node_name, db_text(rows, row, "host"), pid);
        return CONFLICT_REFUSE;
    }
    return is_dead ? CONFLICT_BURY : CONFLICT_WAIT;
}

// Of the workers a node has registered, is one still there? Its supervisor's death ends them within a second.
static Status has_live_worker(Reaper *self, int64_t node, bool *out)
{
    DbParams params;
    db_params_init(&params);
    db_param_int(&params, node);
    PGresult *rows = NULL;
    TRY(db_exec(self->db, &SQL_live_workers, &params, self->statement_ms, &rows));
    *out = false;
    for (int i = 0; i < PQntuples(rows) && !*out; i++) {
        uint64_t start = (uint64_t)db_int(rows, i, "process_start", 0);
        *out = proc_match((int)db_int(rows, i, "pid", 0), start) != PROC_MATCH_NO;
    }
    PQclear(rows);
    return STATUS_OK;
}

static Status is_locked(Reaper *self, int64_t node, bool *out)
{
    DbParams params;
    db_params_init(&params);
    db_param_int(&params, node);
    PGresult *rows = NULL;
    TRY(db_exec(self->db, &SQL_is_node_locked, &params, self->statement_ms, &rows));
    *out = db_bool(rows, 0, "locked");
    PQclear(rows);
    return STATUS_OK;
}

// A dead supervisor's reaper knows how far each job got, and settles exactly; a burial charges everything. So it gets the time it
// needs, but not for ever: it may be stopped. STATUS_RETRY: something is left. STATUS_REFUSED: it lives elsewhere, on a copy of this
// machine (a virtual one resumed twice has its boot id twice).
static Status await_end(Reaper *self, int64_t node)
{
    const WatchedNode *seen = node_watch_find(&self->watch, node);
    int64_t waited_ms = seen != NULL ? clock_boot_ms() - seen->first_seen_at : HEIR_LIMIT_MS;
    int64_t silent_ms = seen != NULL ? seen->unchanged_ms : HEIR_LIMIT_MS;
    if (silent_ms >= HEIR_LIMIT_MS) {
        return STATUS_OK;
    }
    // A dead supervisor's reaper sends no heartbeat.
    if (seen->has_moved && waited_ms - silent_ms > HEIR_LIMIT_MS) {
        log_fatal("node.name_in_use",
                  "node=%s hint=\"a live node on a copy of this machine has this name: set "
                  "node.name\"",
                  self->config->node_name);
        return STATUS_REFUSED;
    }
    if (db_is_pooled(self->db) && waited_ms < HEIR_PATIENCE_MS) {
        return STATUS_RETRY; // nobody can hold a lock there
    }
    bool is_left = false;
    TRY(has_live_worker(self, node, &is_left));
    if (!is_left && !db_is_pooled(self->db)) {
        TRY(is_locked(self, node, &is_left));
    }
    return is_left ? STATUS_RETRY : STATUS_OK;
}

static Status clear_row(Reaper *self, const PGresult *rows, int row, const char *boot_id)
{
    int64_t id = db_int(rows, row, "id", 0);
    switch (judge(self, rows, row, boot_id)) {
    case CONFLICT_WAIT:
        return STATUS_RETRY;
    case CONFLICT_REFUSE:
        return STATUS_REFUSED;
    case CONFLICT_INHERIT:
        TRY(await_end(self, id));
        break;
    case CONFLICT_BURY:
        break;
    }
    Status status = burial_of_node(self, id, db_int(rows, row, "heartbeat", 0));
    return status == STATUS_EMPTY ? STATUS_RETRY : status;
}

Status heir_clear_name(Reaper *self, const char *boot_id)
{
    DbParams params;
    db_params_init(&params);
    db_param_text(&params, self->config->node_name);
    PGresult *rows = NULL;
    TRY(db_exec(self->db, &SQL_node_conflicts, &params, self->statement_ms, &rows));
    Status status = STATUS_OK;
    for (int i = 0; i < PQntuples(rows) && status == STATUS_OK; i++) {
        status = clear_row(self, rows, i, boot_id);
    }
    PQclear(rows);
    return status;
}
