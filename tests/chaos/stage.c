// SPDX-License-Identifier: MIT
// Stage: see the headers.
#include "tests/chaos/stage.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/base/memory.h"
#include "tests/chaos/chaos_log.h"
#include "tests/support/daemon.h"
#include "tests/support/plugins/journal_line.h"

enum { WAIT_MS = 10000 };

struct Stage {
    TestDb db;
    PGconn *conn;
    char folder[64];
    char *journal;
    int log;
    int calls;
    int last_pid;
    int64_t node;
};

static void open_log(Stage *self)
{
    char *path = mem_printf("%s/producer.0", self->folder);
    self->log = chaos_log_open(path);
    free(path);
}

Stage *stage_create(void)
{
    Stage *self = mem_alloc(sizeof *self);
    test_db_create(&self->db);
    self->conn = test_db_connect(&self->db);
    (void)snprintf(self->folder, sizeof self->folder, "/tmp/gstage.XXXXXX");
    if (mkdtemp(self->folder) == NULL) {
        (void)fprintf(stderr, "no folder\n");
        exit(EXIT_FAILURE);
    }
    self->journal = mem_printf("%s/journal", self->folder);
    open_log(self);
    self->last_pid = 1000;
    test_db_run(self->conn, "set client_min_messages = warning");
    self->node =
        test_db_int(self->conn, "select ganger._register_node('n', 'h', 'b', 1, 1, '60 s', '0')");
    return self;
}

// tests/chaos/bugs/<name>.sql; caller frees.
static char *read_bug(const char *name)
{
    const char *source = getenv("GANGER_SOURCE_DIR");
    char *path = mem_printf("%s/tests/chaos/bugs/%s.sql", source != NULL ? source : ".", name);
    FILE *file = fopen(path, "re");
    if (file == NULL) {
        (void)fprintf(stderr, "there is no seeded bug %s\n", path);
        exit(EXIT_FAILURE);
    }
    StrBuf text = {0};
    for (int c; (c = fgetc(file)) != EOF;) {
        strbuf_append_char(&text, (char)c);
    }
    (void)fclose(file);
    free(path);
    return strbuf_take(&text);
}

static void run_bug(Stage *self, const char *name)
{
    char *sql = read_bug(name);
    test_db_run(self->conn, "%s", sql);
    free(sql);
}

void stage_seed(Stage *stage, const char *bug)
{
    run_bug(stage, "seed");
    run_bug(stage, bug);
}

void stage_heal(Stage *stage)
{
    run_bug(stage, "heal");
    (void)unlink(stage->journal);
    (void)close(stage->log);
    char *path = mem_printf("%s/producer.0", stage->folder);
    (void)unlink(path);
    free(path);
    open_log(stage);
}

PGconn *stage_conn(Stage *stage)
{
    return stage->conn;
}

const char *stage_folder(const Stage *stage)
{
    return stage->folder;
}

void stage_destroy(Stage *stage)
{
    PQfinish(stage->conn);
    test_db_drop(&stage->db);
    (void)close(stage->log);
    remove_tree(stage->folder);
    free(stage->journal);
    free(stage);
}

// --- the producer

static char *enqueue_sql(const Stage *self, const char *more)
{
    return mem_printf(
        "select ganger.enqueue('journal', '{\"op\": \"0.%d\"}', retry_delay => '0 s', "
        "retry_backoff => false%s)",
        self->calls, more != NULL ? more : "");
}

int64_t stage_enqueue(Stage *stage, const char *more)
{
    const ProducerOp op = {0, ++stage->calls, "enqueue", NULL, 1};
    char *sql = enqueue_sql(stage, more);
    producer_log_invoke(stage->log, &op);
    int64_t id = test_db_int(stage->conn, "%s", sql);
    producer_log_ok(stage->log, &op, id, NULL);
    free(sql);
    return id;
}

void stage_enqueue_twice(Stage *stage, const char *key)
{
    char *more = mem_printf(", idempotency_key => '%s'", key);
    ProducerOp op = {0, ++stage->calls, "enqueue", key, 1};
    char *sql = enqueue_sql(stage, more);
    PGconn *lost = test_db_connect(&stage->db);
    producer_log_invoke(stage->log, &op);
    if (PQsendQuery(lost, sql) != 1 ||
        !test_db_await(stage->conn, WAIT_MS,
                       "select exists (select from ganger.jobs where "
                       "idempotency_key = '%s')",
                       key)) {
        (void)fprintf(stderr, "an enqueue did not arrive\n");
        exit(EXIT_FAILURE);
    }
    PQfinish(lost);
    producer_log_unknown(stage->log, &op, 0);
    op.number = ++stage->calls;
    producer_log_invoke(stage->log, &op);
    producer_log_ok(stage->log, &op, test_db_int(stage->conn, "%s", sql), NULL);
    free(sql);
    free(more);
}

void stage_cancel(Stage *stage, int64_t id)
{
    const ProducerOp op = {0, ++stage->calls, "cancel", NULL, 0};
    producer_log_invoke(stage->log, &op);
    char *answer = test_db_text(stage->conn, "select ganger.cancel(%" PRId64 ")", id);
    producer_log_ok(stage->log, &op, id, answer);
    free(answer);
}

// --- workers and the reaper

StageWorker stage_worker(Stage *stage)
{
    StageWorker worker = {.pid = ++stage->last_pid};
    worker.id =
        test_db_int(stage->conn, "select ganger._register_worker(%" PRId64 ", 'p', %d, 1, false)",
                    stage->node, worker.pid);
    return worker;
}

StageClaim stage_claim(Stage *stage, StageWorker worker)
{
    StageClaim claim = {.worker = worker};
    char *got = test_db_text(
        stage->conn,
        "select t.id || ' ' || t.attempt || ' ' || t.lease_id from ganger.worker w, "
        "ganger._take_jobs(w.id, w.link, null, null, '{default}', null, 1, null, null) t where "
        "w.id = %" PRId64,
        worker.id);
    if (got != NULL) {
        char *rest = NULL;
        claim.id = strtoll(got, &rest, 10);
        claim.attempt = (int)strtol(rest, &rest, 10);
        (void)snprintf(claim.lease, sizeof claim.lease, "%s", rest + 1);
    }
    free(got);
    return claim;
}

void stage_line(Stage *stage, const StageClaim *claim, const char *what)
{
    if (claim->id != 0) {
        (void)journal_write(stage->journal, what, claim->id, claim->attempt, claim->worker.pid);
    }
}

void stage_complete(Stage *stage, const StageClaim *claim)
{
    if (claim->id != 0) {
        test_db_run(stage->conn,
                    "select ganger._finish_completed('{%" PRId64 "}', '{%s}', '{null}', '{null}', "
                    "'{null}', '{null}', '{null}', '{null}')",
                    claim->id, claim->lease);
    }
}

void stage_end(Stage *stage, const StageClaim *claim, const char *outcome)
{
    if (claim->id != 0) {
        test_db_run(stage->conn,
                    "select ganger._settle_result(%" PRId64 ", '%s', '%s', 'so it ended', null, "
                    "null, null, null, null, null, null, null)",
                    claim->id, claim->lease, outcome);
    }
}

void stage_settle(Stage *stage, StageWorker worker)
{
    test_db_run(stage->conn,
                "select ganger._settle_worker(%" PRId64 ", '{}', '{}', '{}', '{}', '{}', '{}', "
                "'{}', '{}', '{}', '{}', null, null, null, null, null, null, null, null, null, "
                "null, true, 'its node is lost')",
                worker.id);
}

void stage_run(Stage *stage, const StageClaim *claim)
{
    stage_line(stage, claim, "begin");
    stage_line(stage, claim, "end");
    stage_complete(stage, claim);
}

void stage_run_all(Stage *stage)
{
    StageWorker worker = stage_worker(stage);
    for (StageClaim claim = stage_claim(stage, worker); claim.id != 0;
         claim = stage_claim(stage, worker)) {
        stage_run(stage, &claim);
        stage_maintain(stage);
    }
}

void stage_maintain(Stage *stage)
{
    test_db_run(stage->conn, "select ganger.maintain()");
}
