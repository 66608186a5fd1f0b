// SPDX-License-Identifier: MIT
// A run without a worker: the slot, wake-up and lifeline a runner expects, and a job to run.
#ifndef TESTS_SUPPORT_WORKER_RUN_H
#define TESTS_SUPPORT_WORKER_RUN_H

#include <fcntl.h>
#include <libpq-fe.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "common/base/inherited_fd.h"
#include "common/base/memory.h"
#include "tests/support/unit.h"
#include "worker/runner.h"

typedef struct WorkerRun {
    Slot *slot;
    int lifeline; // write end; closing it is the supervisor's death
    Config config;
    HandlerConfig handler_config;
    Handler handler;
    Job job;
    RunContext context;
    RunResult result;
} WorkerRun;

static inline void worker_run_setup(WorkerRun *run)
{
    int ends[2];
    memset(run, 0, sizeof *run);
    assert_int_equal(prctl(PR_SET_CHILD_SUBREAPER, 1), 0);
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    // Out of the way of the fixed numbers first.
    const int reader = fcntl(ends[0], F_DUPFD_CLOEXEC, 32);
    run->lifeline = fcntl(ends[1], F_DUPFD_CLOEXEC, 32);
    close(ends[0]);
    close(ends[1]);
    const int event = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    const int wake = fcntl(event, F_DUPFD_CLOEXEC, 32);
    close(event);
    assert_int_equal(dup3(reader, FD_LIFELINE, O_CLOEXEC), FD_LIFELINE);
    assert_int_equal(dup3(wake, FD_WAKE, O_CLOEXEC), FD_WAKE);
    close(reader);
    close(wake);

    run->slot = aligned_alloc(64, (sizeof *run->slot + 63) / 64 * 64);
    assert_non_null(run->slot);
    memset(run->slot, 0, sizeof *run->slot);
    atomic_store(&run->slot->run_serial, 1);
    run->handler.config = &run->handler_config;
    run->job = (Job){.id = 4711,
                     .job_type = mem_strdup("probe"),
                     .payload = mem_strdup("{\"a\": 1}"),
                     .payload_length = 8,
                     .attempt = 2,
                     .max_attempts = 3,
                     .queue = mem_strdup("mail"),
                     .is_first_start = true}; // so that no steps are looked for
    run->context.config = &run->config;
    run->context.slot = run->slot;
    run->context.job = &run->job;
}

static inline void worker_run_set_payload(WorkerRun *run, const char *payload)
{
    free(run->job.payload);
    run->job.payload = mem_strdup(payload);
    run->job.payload_length = strlen(payload);
}

// The supervisor's soft stop.
static inline void worker_run_stop(WorkerRun *run, StopCause cause)
{
    atomic_store(&run->slot->stop_cause, cause);
    atomic_store(&run->slot->stop_serial, atomic_load(&run->slot->run_serial));
    assert_int_equal(eventfd_write(FD_WAKE, 1), 0);
}

// The job is the one row's, of the columns id and lease (in hex).
static inline void worker_run_take(WorkerRun *run, const PGresult *row)
{
    assert_int_equal(PQntuples(row), 1);
    run->job.id = strtoll(PQgetvalue(row, 0, 0), NULL, 10);
    const char *hex = PQgetvalue(row, 0, 1);
    for (size_t i = 0; i < sizeof run->job.lease; i++) {
        const char byte[] = {hex[2 * i], hex[2 * i + 1], '\0'};
        run->job.lease[i] = (uint8_t)strtoul(byte, NULL, 16);
    }
}

// Claims the one job there is, as a worker would have.
static inline void worker_run_claim(WorkerRun *run, PGconn *admin)
{
    PGresult *row = PQexec(admin, "SELECT id, encode(uuid_send(lease_id), 'hex') AS lease "
                                  "FROM ganger.claim('here')");
    worker_run_take(run, row);
    PQclear(row);
}

static inline void worker_run_forget_result(WorkerRun *run)
{
    free(run->result.text);
    memset(&run->result, 0, sizeof run->result);
}

static inline void worker_run_teardown(WorkerRun *run)
{
    worker_run_forget_result(run);
    char *texts[] = {run->job.job_type, run->job.payload,  run->job.queue,    run->job.tags,
                     run->job.owner,    run->job.metadata, run->job.group_key};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        free(texts[i]);
    }
    free(run->slot);
    if (run->lifeline >= 0) {
        close(run->lifeline);
    }
    close(FD_LIFELINE);
    close(FD_WAKE);
}

#endif
