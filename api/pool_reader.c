// SPDX-License-Identifier: MIT
// What the process asks the database for itself: with whose rights, and what is said when it may not.
#include "api/pool.h"
#include "common/base/clock.h"
#include "common/base/log.h"

enum { COMPLAIN_MS = 60000 };

const PoolActor POOL_READER = {.role = "ganger_reader", .owner = "", .queues = ""};

void pool_complain(const char *event, int64_t *told_at, const PoolAnswer *answer)
{
    int64_t now = clock_boot_ms();
    if (answer->outcome != POOL_ERROR || (*told_at != 0 && now - *told_at < COMPLAIN_MS)) {
        return;
    }
    *told_at = now;
    log_error(event, "sqlstate=%s message=\"%s\"",
              PQresultErrorField(answer->result, PG_DIAG_SQLSTATE),
              PQresultErrorField(answer->result, PG_DIAG_MESSAGE_PRIMARY));
}
