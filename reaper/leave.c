// SPDX-License-Identifier: MIT
// Leave: see the header.
#include "reaper/leave.h"

#include <inttypes.h>
#include <time.h>

#include "common/base/clock.h"
#include "common/base/log.h"
#include "reaper/settle.h"
#include "sql_queries.h"

enum {
    LAST_DUTY_MS =
        8000, // the workers end themselves within one second; the kernel may take longer over them
    LAST_DUTY_PAUSE_MS = 20
};

// A node that is not alive any more is asked nothing: what it holds must be settled before.
static void stop_node(Reaper *self)
{
    DbParams params;
    db_params_init(&params);
    db_param_int(&params, self->node_id);
    if (db_exec(self->db, &SQL_stop_node, &params, self->statement_ms, NULL) == STATUS_OK) {
        log_info("node.stopped", "id=%" PRId64, self->node_id);
    }
}

void leave_last_duty(Reaper *self)
{
    log_error("supervisor.gone", "effect=\"workers end within a second, their jobs are settled\"");
    int64_t until = clock_boot_ms() + LAST_DUTY_MS;
    bool is_settled = false;
    while (self->db != NULL && self->node_id != 0 && clock_boot_ms() < until) {
        if (settle_dead_slots(self, true) != STATUS_OK && db_is_lost(self->db)) {
            break;
        }
        is_settled = settle_is_complete(self);
        if (is_settled) {
            break;
        }
        const struct timespec pause = {.tv_nsec = LAST_DUTY_PAUSE_MS * 1000000L};
        (void)nanosleep(&pause, NULL);
    }
    if (!is_settled) {
        log_warn("node.left_work", "settled_by=\"the next supervisor, or another node\"");
        return;
    }
    stop_node(self);
}

void leave_in_order(Reaper *self, bool restart)
{
    if (self->db == NULL || self->node_id == 0 || settle_dead_slots(self, false) != STATUS_OK ||
        restart) {
        return;
    }
    if (!settle_is_complete(self)) {
        log_warn("node.left_work", "settled_by=\"the next supervisor, or another node\"");
        return;
    }
    stop_node(self);
}
