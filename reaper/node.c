// SPDX-License-Identifier: MIT
// Node: see the header.
#include "reaper/node.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/base/proc_tree.h"
#include "reaper/settle.h"
#include "reaper/wake.h"
#include "sql_queries.h"

// This boot of this kernel and this pid namespace: only within both does a pid name a process.
static void read_boot_id(char *out, size_t size)
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
typedef enum Conflict { CONFLICT_WAIT, CONFLICT_BURY, CONFLICT_REFUSE } Conflict;

static Conflict judge_conflict(Reaper *self, const PGresult *rows, int row, const char *boot_id,
                               int64_t now)
{
    int64_t id = db_int(rows, row, "id", 0);
    int64_t heartbeat = db_int(rows, row, "heartbeat", 0);
    int pid = (int)db_int(rows, row, "pid", 0);
    static int64_t first_seen_at;
    static int64_t first_heartbeat;
    if (first_seen_at == 0) {
        first_seen_at = now;
        first_heartbeat = heartbeat;
    }
    if (str_equal(db_text(rows, row, "boot_id"), boot_id)) {
        if (proc_start_time(pid) == (uint64_t)db_int(rows, row, "process_start", 0)) {
            if (pid == self->header->supervisor_pid) {
                return CONFLICT_BURY; // our own, given up
            }
            log_fatal("node.name_in_use",
                      "node=%s pid=%d hint=\"another gangerd on this machine has this name: stop "
                      "it, or set node.name\"",
                      self->config->node_name, pid);
            return CONFLICT_REFUSE;
        }
        return now - first_seen_at < NODE_HEIR_PATIENCE_MS ? CONFLICT_WAIT : CONFLICT_BURY;
    }
    if (heartbeat != first_heartbeat) {
        log_fatal("node.name_in_use",
                  "node=%s host=%s pid=%d hint=\"a live node on another host has this name: set "
                  "node.name\"",
                  self->config->node_name, db_text(rows, row, "host"), pid);
        return CONFLICT_REFUSE;
    }
    if (node_watch_look(&self->watch, id, heartbeat, db_int(rows, row, "lease_ms", 60000), now)) {
        return CONFLICT_BURY;
    }
    return CONFLICT_WAIT;
}

// STATUS_OK: nobody has the name.
static Status clear_name(Reaper *self, const char *boot_id)
{
    DbParams params;
    db_params_init(&params);
    db_param_text(&params, self->config->node_name);
    PGresult *rows = NULL;
    TRY(db_exec(self->db, &SQL_node_conflicts, &params, REAPER_STATEMENT_MS, &rows));
    Status status = STATUS_OK;
    for (int i = 0; i < PQntuples(rows) && status == STATUS_OK; i++) {
        switch (judge_conflict(self, rows, i, boot_id, clock_boot_ms())) {
        case CONFLICT_WAIT:
            status = STATUS_RETRY;
            break;
        case CONFLICT_REFUSE:
            status = STATUS_REFUSED;
            break;
        case CONFLICT_BURY:
            status = settle_node(self, db_int(rows, i, "id", 0), db_int(rows, i, "heartbeat", 0));
            status = status == STATUS_EMPTY ? STATUS_RETRY : status;
            break;
        }
    }
    PQclear(rows);
    return status;
}

Status node_register(Reaper *self)
{
    char boot_id[160];
    char host[256] = "unknown";
    read_boot_id(boot_id, sizeof boot_id);
    (void)gethostname(host, sizeof host - 1);
    TRY(clear_name(self, boot_id));
    int pid = self->header->supervisor_pid;
    int64_t sent_at = clock_boot_ms();
    DbParams params;
    db_params_init(&params);
    db_param_text(&params, self->config->node_name);
    db_param_text(&params, host);
    db_param_text(&params, boot_id);
    db_param_int(&params, pid);
    db_param_int(&params, (int64_t)proc_start_time(pid));
    db_param_int(&params, self->config->lease_ms);
    db_param_text(&params, GANGER_VERSION);
    PGresult *result = NULL;
    TRY(db_exec(self->db, &SQL_register_node, &params, REAPER_STATEMENT_MS, &result));
    self->node_id = db_int(result, 0, "id", 0);
    PQclear(result);
    atomic_store(&self->header->lease_until, sent_at + self->config->self_fence_ms);
    atomic_store(&self->header->heartbeat_at, sent_at);
    atomic_store(&self->header->node_id, self->node_id); // last: workers may start
    self->next_heartbeat_at = sent_at + self->config->heartbeat_ms;
    log_info("node.registered", "node=%s id=%" PRId64, self->config->node_name, self->node_id);
    wake_supervisor();
    return STATUS_OK;
}

Status node_heartbeat(Reaper *self)
{
    int64_t sent_at =
        clock_boot_ms(); // the lease counts from here: the acknowledgement may be late
    DbParams params;
    db_params_init(&params);
    db_param_int(&params, self->node_id);
    PGresult *result = NULL;
    TRY(db_exec(self->db, &SQL_heartbeat_node, &params, REAPER_STATEMENT_MS, &result));
    bool is_alive = db_bool(result, 0, "alive");
    PQclear(result);
    if (!is_alive) {
        return STATUS_REFUSED;
    }
    atomic_store(&self->header->lease_until, sent_at + self->config->self_fence_ms);
    atomic_store(&self->header->heartbeat_at, sent_at);
    self->next_heartbeat_at = sent_at + self->config->heartbeat_ms;
    return STATUS_OK;
}

Status node_watch_others(Reaper *self)
{
    int64_t now = clock_boot_ms();
    DbParams params;
    db_params_init(&params);
    db_param_int(&params, self->node_id);
    PGresult *rows = NULL;
    TRY(db_exec(self->db, &SQL_live_nodes, &params, REAPER_STATEMENT_MS, &rows));
    Status status = STATUS_OK;
    for (int i = 0; i < PQntuples(rows) && status == STATUS_OK; i++) {
        int64_t id = db_int(rows, i, "id", 0);
        int64_t heartbeat = db_int(rows, i, "heartbeat", 0);
        if (node_watch_look(&self->watch, id, heartbeat, db_int(rows, i, "lease_ms", 60000), now)) {
            status = settle_node(self, id, heartbeat);
            status = status == STATUS_EMPTY ? STATUS_OK : status;
        }
    }
    PQclear(rows);
    node_watch_forget(&self->watch, now);
    return status;
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
    self->is_idle = false;
    atomic_store(&self->header->idle_announced, 0);
    wake_supervisor();
}
