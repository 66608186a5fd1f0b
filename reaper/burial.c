// SPDX-License-Identifier: MIT
// Burial: see the header.
#include "reaper/burial.h"

#include <inttypes.h>

#include "common/base/fault_point.h"
#include "common/base/log.h"
#include "reaper/node.h"
#include "reaper/settle.h"
#include "reaper/wake.h"
#include "sql_queries.h"

static Status settle_lost_worker(Reaper *self, int64_t node_id, int64_t worker_id, int64_t *charged)
{
    TRY(settle_fence_worker(self, worker_id));
    DbParams params;
    db_params_init(&params);
    db_param_int(&params, worker_id);
    for (int i = 0; i < SETTLE_EVIDENCE_PARAMS; i++) {
        db_param_null(&params);
    }
    db_param_bool(&params, true);
    db_param_text(&params, "its node was lost");
    PGresult *result = NULL;
    TRY(db_exec(self->db, &SQL_settle_worker, &params, self->statement_ms, &result));
    FAULT_POINT(buried_worker_settled);
    int64_t taken = db_int(result, 0, "charged", 0);
    *charged += taken;
    if (taken > 0) {
        log_warn("job.reclaimed",
                 "count=%" PRId64 " jobs=\"%s\" worker=%" PRId64 " node=%" PRId64
                 " cause=node_lost",
                 taken, db_text(result, 0, "rest_jobs"), worker_id, node_id);
    }
    PQclear(result);
    return STATUS_OK;
}

// One worker that cannot be settled does not keep the others from it: what it held is charged by the cluster duties.
static Status settle_lost_workers(Reaper *self, int64_t node_id, const PGresult *workers,
                                  int64_t *charged)
{
    for (int i = 0; i < PQntuples(workers); i++) {
        int64_t worker_id = db_int(workers, i, "worker", 0);
        if (worker_id == 0) {
            continue;
        }
        Status status = settle_lost_worker(self, node_id, worker_id, charged);
        if (status != STATUS_OK) {
            log_error("worker.not_settled", "worker=%" PRId64 " status=%s", worker_id,
                      status_name(status));
        }
        if (db_is_lost(self->db)) {
            return status;
        }
        TRY(node_keep_lease(self));
    }
    return STATUS_OK;
}

Status burial_of_node(Reaper *self, int64_t node_id, int64_t heartbeat)
{
    DbParams params;
    db_params_init(&params);
    db_param_int(&params, node_id);
    db_param_int(&params, heartbeat);
    PGresult *workers = NULL;
    TRY(db_exec(self->db, &SQL_bury_node, &params, self->statement_ms, &workers));
    if (PQntuples(workers) == 0) {
        PQclear(workers);
        return STATUS_EMPTY;
    }
    FAULT_POINT(node_buried);
    int64_t charged = 0;
    Status status = settle_lost_workers(self, node_id, workers, &charged);
    counter_add(&self->header->reaper.buried_nodes, 1);
    counter_add(&self->header->reaper.buried_jobs, (uint64_t)charged);
    log_warn("node.buried", "node=%" PRId64 " workers=%d charged=%" PRId64, node_id,
             PQntuples(workers) - 1, charged);
    PQclear(workers);
    wake_workers(self, NULL, 1);
    return status;
}
