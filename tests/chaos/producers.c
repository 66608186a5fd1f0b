// SPDX-License-Identifier: MIT
// Producers: see the header.
#include "tests/chaos/producers.h"

#include <inttypes.h>
#include <libpq-fe.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/base/memory.h"
#include "tests/chaos/chaos_log.h"
#include "tests/chaos/job_mix.h"
#include "tests/support/daemon.h"

enum { THREADS_MAX = 16, RECENT_MAX = 64, PROBLEM_BYTES = 512, RECONNECT_MS = 30, WAIT_MS = 2 };

typedef struct Producer {
    Producers *all;
    int index;
    int calls;
    ChaosRandom random;
    PGconn *conn;
    int log;
    int64_t recent[RECENT_MAX]; // ids it was told
    int recent_count;
    pthread_t thread;
} Producer;

struct Producers {
    ProducerPlan plan;
    Producer each[THREADS_MAX];
    atomic_long allowed;
    atomic_long made;
    atomic_bool is_stopping;
    atomic_bool has_problem;
    char problem[PROBLEM_BYTES];
};

static bool is_stopping(const Producer *self)
{
    return atomic_load(&self->all->is_stopping);
}

// The first one counts.
static void report_problem(Producer *self, const char *sql, const char *message)
{
    static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    (void)pthread_mutex_lock(&lock);
    if (!atomic_load(&self->all->has_problem)) {
        (void)snprintf(self->all->problem, PROBLEM_BYTES, "%.200s: %s", sql, message);
        atomic_store(&self->all->has_problem, true);
    }
    (void)pthread_mutex_unlock(&lock);
}

static void ignore_notice(void *data, const char *message)
{
    (void)data;
    (void)message;
}

// False: it is to stop.
static bool connect_again(Producer *self)
{
    for (;; pause_ms(RECONNECT_MS)) {
        PQfinish(self->conn);
        self->conn = NULL;
        if (is_stopping(self)) {
            return false;
        }
        self->conn = PQconnectdb(self->all->plan.urls[self->index % 2]);
        if (PQstatus(self->conn) == CONNECTION_OK) {
            (void)PQsetNoticeProcessor(self->conn, ignore_notice, NULL);
            return true;
        }
    }
}

static void remember(Producer *self, int64_t id)
{
    self->recent[self->recent_count++ % RECENT_MAX] = id;
}

static int64_t pick_recent(Producer *self)
{
    int known = self->recent_count < RECENT_MAX ? self->recent_count : RECENT_MAX;
    return known > 0 ? self->recent[chaos_random_below(&self->random, known)] : 0;
}

static bool is_about_a_job(const MixedCall *call)
{
    return str_equal(call->kind, "cancel") || str_equal(call->kind, "retry");
}

static void log_answer(Producer *self, const ProducerOp *op, const MixedCall *call,
                       const PGresult *result, int64_t target)
{
    if (is_about_a_job(call)) {
        producer_log_ok(self->log, op, target, PQgetvalue(result, 0, 0));
        return;
    }
    if (str_equal(call->kind, "batch")) {
        producer_log_ok(self->log, op, 0, PQgetvalue(result, 0, 0));
        return;
    }
    for (int row = 0; row < PQntuples(result); row++) {
        int64_t id = strtoll(PQgetvalue(result, row, 0), NULL, 10);
        producer_log_ok(self->log, op, id, NULL);
        remember(self, id);
    }
}

// A call that its caller takes back. Whatever becomes of the connection, it was never committed.
static void run_undone(Producer *self, const ProducerOp *op, const MixedCall *call)
{
    PQclear(PQexec(self->conn, "begin"));
    PQclear(PQexec(self->conn, call->sql.text));
    PQclear(PQexec(self->conn, "rollback"));
    producer_log_fail(self->log, op, "rollback");
}

// False: the connection went before the answer.
static bool run_call(Producer *self, const ProducerOp *op, const MixedCall *call, int64_t target)
{
    producer_log_invoke(self->log, op);
    if (call->is_undone) {
        run_undone(self, op, call);
        return true;
    }
    PGresult *result = PQexec(self->conn, call->sql.text);
    bool is_answered = PQresultStatus(result) == PGRES_TUPLES_OK;
    const char *code = PQresultErrorField(result, PG_DIAG_SQLSTATE);
    if (is_answered) {
        log_answer(self, op, call, result, target);
    } else if (PQstatus(self->conn) != CONNECTION_OK || code == NULL) {
        producer_log_unknown(self->log, op, is_about_a_job(call) ? target : 0);
    } else {
        producer_log_fail(self->log, op, code);
        if (call->expected_sqlstate == NULL || !str_equal(code, call->expected_sqlstate)) {
            report_problem(self, call->sql.text, PQresultErrorMessage(result));
        }
        is_answered = true;
    }
    PQclear(result);
    return is_answered;
}

// One call; with a key it is made again until it is answered.
static void make_call(Producer *self)
{
    int64_t target = pick_recent(self);
    const MixSource source = {&self->random, self->all->plan.journal, self->index, ++self->calls,
                              target};
    MixedCall call;
    job_mix_next(&source, &call);
    ProducerOp op = {self->index, source.number, call.kind, call.key[0] != '\0' ? call.key : NULL,
                     call.count};
    while (!run_call(self, &op, &call, target) && connect_again(self) && call.key[0] != '\0' &&
           str_equal(call.kind, "enqueue")) {
        op.number = ++self->calls;
    }
    if (PQstatus(self->conn) != CONNECTION_OK) {
        (void)connect_again(self);
    }
    atomic_fetch_add(&self->all->made,
                     call.is_undone || call.expected_sqlstate != NULL ? 0 : call.count);
    strbuf_free(&call.sql);
}

static void *run_producer(void *data)
{
    Producer *self = data;
    if (!connect_again(self)) {
        return NULL;
    }
    while (!is_stopping(self)) {
        if (atomic_load(&self->all->made) < atomic_load(&self->all->allowed)) {
            make_call(self);
            pause_ms(chaos_random_below(&self->random, 3));
        } else {
            pause_ms(WAIT_MS);
        }
    }
    PQfinish(self->conn);
    return NULL;
}

Producers *producers_start(const ProducerPlan *plan)
{
    Producers *self = mem_alloc(sizeof *self);
    self->plan = *plan;
    for (int i = 0; i < plan->threads && i < THREADS_MAX; i++) {
        Producer *each = &self->each[i];
        char *path = mem_printf("%s/producer.%d", plan->folder, i);
        each->all = self;
        each->index = i;
        each->random.state = plan->seed * 1000 + (uint64_t)i + 1;
        each->log = chaos_log_open(path);
        free(path);
        if (pthread_create(&each->thread, NULL, run_producer, each) != 0) {
            (void)fprintf(stderr, "no thread\n");
            exit(EXIT_FAILURE);
        }
    }
    return self;
}

void producers_allow(Producers *producers, long jobs)
{
    atomic_store(&producers->allowed, jobs);
}

long producers_made(const Producers *producers)
{
    return atomic_load(&producers->made);
}

const char *producers_problem(const Producers *producers)
{
    return atomic_load(&producers->has_problem) ? producers->problem : NULL;
}

void producers_stop(Producers *producers)
{
    atomic_store(&producers->is_stopping, true);
    for (int i = 0; i < producers->plan.threads && i < THREADS_MAX; i++) {
        (void)pthread_join(producers->each[i].thread, NULL);
        (void)close(producers->each[i].log);
    }
    free(producers);
}
