// SPDX-License-Identifier: MIT
// RunDatabase: a database of its own for a run without a worker, and a connection of the world outside.
#ifndef TESTS_SUPPORT_RUN_DATABASE_H
#define TESTS_SUPPORT_RUN_DATABASE_H

#include "handlers/ganger/handler.h"
#include "tests/support/test_db.h"
#include "tests/support/worker_run.h"

typedef enum ganger_result (*RunFunction)(const ganger_job *job, ganger_context *context);

// 0, or that there is no database. To be closed by run_database_close.
static inline int run_database_open(WorkerRun *run, TestDb **db, PGconn **admin)
{
    void *made = NULL;
    worker_run_setup(run);
    if (test_db_setup(&made) != 0) {
        return 1;
    }
    *db = made;
    *admin = test_db_connect(*db);
    run->context.db = test_db_open(*db);
    run->context.url = (*db)->url;
    return 0;
}

static inline int run_database_close(WorkerRun *run, TestDb *db, PGconn *admin)
{
    db_close(run->context.db);
    db_close(run->context.aux);
    PQfinish(admin);
    worker_run_teardown(run);
    void *made = db;
    return test_db_teardown(&made);
}

#endif
