// SPDX-License-Identifier: MIT
// A whole worker inside the test process, without supervisor and reaper: how results get into the slot and from there into the
// database, whatever happens to its connection.
#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "common/base/clock.h"
#include "tests/support/test_db.h"
#include "tests/support/worker_run.h"
#include "worker/claim.h"
#include "worker/finish.h"
#include "worker/link.h"
#include "worker/record.h"
#include "worker/worker.h"

enum { PATIENCE_MS = 20000 };

typedef struct Fixture {
    TestDb *db;
    PGconn *admin;
    Config config;
    PoolConfig pool;
    HandlerConfig handler;
    char *queues[1];
    char *program[4];
    Slot *slot; // shared: a child's worker can be looked at when it is dead
    Worker *worker;
    char gate[64]; // file a program waits for
} Fixture;

// A deadman's thread looks at these to the end of the process.
static ScoreboardHeader header;
static WorkerRun descriptors;

static char pool_name[] = "default";
static char job_type[] = "probe";
static char shell[] = "/bin/sh";
static char shell_option[] = "-c";

static void occupy(int number)
{
    const int event = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    assert_int_equal(dup3(event, number, O_CLOEXEC), number);
    close(event);
}

static int setup_descriptors(void **state)
{
    (void)state;
    occupy(FD_SUPERVISOR_WAKE);
    occupy(FD_REAPER_WAKE);
    worker_run_setup(&descriptors);
    return 0;
}

static int setup(void **state)
{
    Fixture *self = mem_alloc(sizeof *self);
    void *db = NULL;
    if (test_db_setup(&db) != 0) {
        return 1;
    }
    self->db = db;
    self->admin = test_db_connect(self->db);
    atomic_store(&header.node_id,
                 test_db_int(self->admin, "SELECT ganger._register_node('here', 'host', 'boot', 1, "
                                          "1, '60 s', '1')"));
    atomic_store(&header.idle_announced, 1);
    self->slot =
        mmap(NULL, sizeof *self->slot, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert_true(self->slot != MAP_FAILED);
    self->queues[0] = pool_name;
    self->pool = (PoolConfig){
        .name = pool_name, .queues = {.items = self->queues, .count = 1}, .max_jobs = 1};
    self->program[0] = shell;
    self->program[1] = shell_option;
    self->handler = (HandlerConfig){
        .job_type = job_type, .kind = HANDLER_EXEC, .exec = {.items = self->program, .count = 3}};
    self->config.database_url = self->db->url;
    self->config.kill_grace_ms = 60000;
    self->config.handlers = &self->handler;
    self->config.handler_count = 1;
    self->worker = mem_alloc(sizeof *self->worker);
    *self->worker = (Worker){
        .config = &self->config, .pool = &self->pool, .header = &header, .slot = self->slot};
    (void)snprintf(self->gate, sizeof self->gate, "/tmp/ganger-gate-%d", (int)getpid());
    *state = self;
    return 0;
}

static int teardown(void **state)
{
    Fixture *self = *state;
    claim_forget(self->worker);
    db_close(self->worker->db);
    db_close(self->worker->aux);
    db_array_free(&self->worker->queues);
    db_array_free(&self->worker->job_types);
    free(self->worker);
    PQfinish(self->admin);
    void *db = self->db;
    const int failed = test_db_teardown(&db);
    (void)unlink(self->gate);
    free(self->program[2]);
    free(self);
    return failed;
}

// A shell script as the handler.
static void prepare(Fixture *self, const char *script)
{
    static Deadman *deadman; // its thread and timers stay
    free(self->program[2]);
    self->program[2] = mem_strdup(script);
    if (deadman == NULL) {
        assert_int_equal(deadman_start(&deadman, &header, self->slot), STATUS_OK);
    }
    self->worker->deadman = deadman;
}

// The worker's whole life with that handler.
static ExitCode live(Fixture *self, const char *script)
{
    prepare(self, script);
    return worker_run(self->worker);
}

static int64_t enqueue(Fixture *self, const char *more)
{
    return test_db_int(self->admin, "SELECT ganger.enqueue('probe'%s)", more);
}

static void expect(Fixture *self, int64_t id, const char *columns, const char *expected)
{
    char *now = test_db_text(
        self->admin, "SELECT concat_ws(' ', %s) FROM ganger.jobs WHERE id = %" PRId64, columns, id);
    assert_string_equal(now, expected);
    free(now);
}

static void expect_log(Fixture *self, int64_t id, const char *log)
{
    char *now = test_db_text(
        self->admin, "SELECT coalesce(log, 'no log') FROM ganger.attempts WHERE job_id = %" PRId64,
        id);
    assert_string_equal(now, log);
    free(now);
}

// In a process that was started for it: faults are armed at the first fault point, which is that of a connection.
static void test_serial_is_raised_before_a_run(void **state)
{
    Fixture *self = *state;
    (void)enqueue(self, "");
    (void)enqueue(self, "");
    self->pool.max_jobs = 2;
    const pid_t child = fork();
    if (child == 0) {
        _exit((int)live(self, "exit 0"));
    }
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status));
    // The second job is running by its entry: a SIGKILL that was on its way to the first must be seen to have missed it.
    const int index = atomic_load(&self->slot->run_index);
    assert_int_equal(entry_state(&self->slot->batch[index]), ENTRY_RUNNING);
    assert_int_equal(atomic_load(&self->slot->run_serial), 2);
    assert_int_equal(atomic_load(&self->slot->run_soft_at), 0);
}

static void await_log(const Fixture *self, const char *part)
{
    const int64_t until = clock_boot_ms() + PATIENCE_MS;
    for (;;) {
        char *log = slot_log_copy(self->slot);
        const bool is_there = log != NULL && strstr(log, part) != NULL;
        free(log);
        if (is_there) {
            return;
        }
        assert_true(clock_boot_ms() < until);
        sched_yield();
    }
}

static void cut_connection(PGconn *admin)
{
    assert_int_equal(test_db_int(admin, "SELECT count(pg_terminate_backend(pid, 5000)) FROM "
                                        "pg_stat_activity WHERE application_name = 'ganger-worker' "
                                        "AND datname = current_database()"),
                     1);
}

// A reload or shutdown while the job runs, and its connection breaks.
static void *drain_and_cut(void *argument)
{
    Fixture *self = argument;
    await_log(self, "ready");
    atomic_store(&self->slot->command, SLOT_DRAIN);
    cut_connection(self->admin);
    FILE *gate = fopen(self->gate, "we");
    assert_non_null(gate);
    assert_int_equal(fclose(gate), 0);
    return NULL;
}

static char *gated(const Fixture *self, const char *then)
{
    return mem_printf("echo ready >&2; while [ ! -e %s ]; do sleep 0.02; done; %s", self->gate,
                      then);
}

static void test_result_survives_drain_and_loss(void **state)
{
    static const char *const endings[] = {"echo 7", "head -c 9000 /dev/zero | tr '\\000' x"};
    Fixture *self = *state;
    for (size_t i = 0; i < sizeof endings / sizeof endings[0]; i++) {
        const int64_t id = enqueue(self, "");
        pthread_t thread;
        char *script = gated(self, endings[i]);
        slot_log_clear(self->slot);
        atomic_store(&self->slot->command, SLOT_GO);
        assert_int_equal(pthread_create(&thread, NULL, drain_and_cut, self), 0);
        self->worker->worker_id = 0;
        self->worker->jobs_done = 0;
        assert_int_equal(live(self, script), EXIT_CODE_OK);
        pthread_join(thread, NULL);
        free(script);
        expect(self, id, "status, attempts", "completed 1");
        expect_log(self, id, "ready\n");
        assert_int_equal(unlink(self->gate), 0);
    }
}

// What the reaper would find, should the worker be killed while it waits for the database.
static void *look_at_entry(void *argument)
{
    Fixture *self = argument;
    const int64_t until = clock_boot_ms() + PATIENCE_MS;
    await_log(self, "ready");
    test_db_run(self->admin, "ALTER FUNCTION ganger._reattach_worker RENAME TO away");
    cut_connection(self->admin);
    FILE *gate = fopen(self->gate, "we");
    assert_non_null(gate);
    assert_int_equal(fclose(gate), 0);
    while (entry_state(&self->slot->batch[0]) != ENTRY_DONE) {
        assert_true(clock_boot_ms() < until);
        sched_yield();
    }
    return NULL;
}

static void test_unwritten_result_stays_in_the_slot(void **state)
{
    Fixture *self = *state;
    const int64_t id = enqueue(self, "");
    pthread_t thread;
    char *script = gated(self, "echo '{\"big\": true}'");
    slot_log_clear(self->slot);
    assert_int_equal(pthread_create(&thread, NULL, look_at_entry, self), 0);
    // The schema is not the worker's: it ends rather than to hold the job.
    assert_int_equal(live(self, script), EXIT_CODE_FAILED);
    pthread_join(thread, NULL);
    free(script);
    const BatchEntry *entry = &self->slot->batch[0];
    assert_int_equal(entry_state(entry), ENTRY_DONE);
    assert_int_equal(entry->outcome, OUTCOME_COMPLETED);
    char *text = slot_entry_text(self->slot, entry);
    assert_string_equal(text, "{\"big\": true}\n");
    free(text);
    expect(self, id, "status", "processing");
}

// The results of the jobs before it have left little room.
static void *fill_slot(void *argument)
{
    Fixture *self = argument;
    await_log(self, "ready");
    atomic_store(&self->slot->result_bytes, SCOREBOARD_RESULT_BYTES - 1000);
    FILE *gate = fopen(self->gate, "we");
    assert_non_null(gate);
    assert_int_equal(fclose(gate), 0);
    return NULL;
}

static void test_worker_that_cannot_write_ends(void **state)
{
    Fixture *self = *state;
    const int64_t id = enqueue(self, "");
    test_db_run(self->admin, "ALTER FUNCTION ganger._settle_result RENAME TO away");
    pthread_t thread;
    char *script = gated(self, "head -c 5000 /dev/zero | tr '\\000' x");
    slot_log_clear(self->slot);
    assert_int_equal(pthread_create(&thread, NULL, fill_slot, self), 0);
    assert_int_equal(live(self, script), EXIT_CODE_FAILED);
    pthread_join(thread, NULL);
    free(script);
    // What the slot keeps says so.
    const BatchEntry *entry = &self->slot->batch[0];
    assert_int_equal(entry_state(entry), ENTRY_DONE);
    assert_int_equal(entry->outcome, OUTCOME_ERROR);
    char *text = slot_entry_text(self->slot, entry);
    if (text == NULL || strstr(text, "its result could not be written: function") != text) {
        fail_msg("%s", text == NULL ? "" : text);
    }
    free(text);
    expect(self, id, "status", "processing");
}

// Claims `count` jobs as one batch.
static void claim(Fixture *self, int count)
{
    Worker *worker = self->worker;
    test_db_run(self->admin, "SELECT ganger.enqueue('probe') FROM generate_series(1, %d)", count);
    prepare(self, "exit 0");
    self->pool.max_jobs = count;
    handler_table_load(&worker->handlers, &self->config, &self->pool, NULL, NULL);
    db_array_begin(&worker->queues, DB_ELEMENT_TEXT);
    db_array_add_text(&worker->queues, "default");
    db_array_begin(&worker->job_types, DB_ELEMENT_TEXT);
    db_array_add_text(&worker->job_types, "probe");
    worker->batching = (BatchPolicy){.size = count, .mean_us = 1};
    assert_int_equal(link_connect(worker, LINK_FOR_WORK), STATUS_OK);
    assert_int_equal(claim_batch(worker), STATUS_OK);
    assert_int_equal(worker->job_count, count);
}

// It was told that all lanes are empty up to a number, and what was committed late has a lower one: nobody calls again for that.
static void test_looks_once_more_before_it_rests(void **state)
{
    Fixture *self = *state;
    claim(self, 1);
    Worker *worker = self->worker;
    worker->job_count = 0;
    atomic_store(&self->slot->batch_count, 0);
    test_db_run(self->admin, "SELECT ganger.enqueue('probe')");
    test_db_run(self->admin, "SELECT ganger.maintain()"); // a signal would have all lanes looked at
    static const char told[] = "{\"rank\": -65537, \"seq\": 1000000}";
    lane_hints_drop(&worker->hints);
    lane_hints_note_seen(&worker->hints, told, sizeof told - 1);
    worker->hints.born_at = clock_boot_ms();
    assert_int_equal(claim_batch(worker), STATUS_OK);
    assert_int_equal(worker->job_count, 1);
    assert_false(lane_hints_has_seen(&worker->hints));
    handler_table_destroy(worker->handlers);
}

static void begin(Fixture *self, int index)
{
    atomic_fetch_add(&self->slot->run_serial, 1);
    slot_log_clear(self->slot);
    atomic_store(&self->slot->run_index, index);
    assert_true(entry_move(&self->slot->batch[index], ENTRY_UNSTARTED, ENTRY_RUNNING));
}

static void test_refused_result_is_an_error(void **state)
{
    Fixture *self = *state;
    claim(self, 3);
    const Worker *worker = self->worker;
    // By itself: a delay that no interval can hold.
    begin(self, 0);
    slot_log_append(self->slot, "said\n", 5);
    record_result(self->worker, 0,
                  &(RunResult){.outcome = OUTCOME_SNOOZE, .delay_ms = INT64_MAX, .exit_code = -1},
                  clock_boot_us(), false);
    assert_false(worker->has_given_up);
    assert_int_equal(entry_state(&self->slot->batch[0]), ENTRY_WRITTEN);
    expect(self, worker->jobs[0].id, "status, failure_reason, error",
           "pending error PostgreSQL does not accept the result: timestamp out of range");
    // At the end, among others that are fine.
    for (int i = 1; i < 3; i++) {
        begin(self, i);
        BatchEntry *entry = &self->slot->batch[i];
        entry->outcome = i == 1 ? OUTCOME_SNOOZE : OUTCOME_COMPLETED;
        entry->delay_ms = i == 1 ? INT64_MAX : -1;
        entry_set_state(entry, ENTRY_DONE);
    }
    assert_int_equal(finish_one_by_one(self->worker), STATUS_OK);
    expect(self, worker->jobs[1].id, "status, failure_reason", "pending error");
    expect(self, worker->jobs[2].id, "status", "completed");
    handler_table_destroy(self->worker->handlers);
}

// A log belongs to the entry that ran last, and goes where its result goes.
static void test_log_goes_with_its_result(void **state)
{
    Fixture *self = *state;
    claim(self, 2);
    const Worker *worker = self->worker;
    begin(self, 0);
    self->slot->batch[0].outcome = OUTCOME_COMPLETED;
    entry_set_state(&self->slot->batch[0], ENTRY_DONE);
    begin(self, 1);
    slot_log_append(self->slot, "mine\n", 5);
    self->slot->batch[1].outcome = OUTCOME_ERROR;
    assert_true(slot_store_text(self->slot, &self->slot->batch[1], "no luck", 7));
    entry_set_state(&self->slot->batch[1], ENTRY_DONE);
    assert_int_equal(finish_one_by_one(self->worker), STATUS_OK);
    expect_log(self, worker->jobs[0].id, "no log");
    expect_log(self, worker->jobs[1].id, "mine\n");
    expect(self, worker->jobs[1].id, "error", "no luck");
    handler_table_destroy(self->worker->handlers);
}

static void test_error_past_the_deadline_is_a_timeout(void **state)
{
    Fixture *self = *state;
    const int64_t late = enqueue(self, ", timeout => '50 ms', max_attempts => 1");
    (void)live(self, "sleep 0.2; echo sorry >&2; exit 3"); // nobody here who would stop it
    expect(self, late, "failure_reason, error",
           "timeout stopped at its timeout of 50ms: exit code 3: sorry");
    const int64_t fine = enqueue(self, ", timeout => '50 ms', max_attempts => 1");
    self->worker->worker_id = 0;
    self->worker->jobs_done = 0;
    (void)live(self, "sleep 0.2");
    expect(self, fine, "status", "completed");
}

static void test_program_killed_by_a_signal_has_crashed(void **state)
{
    Fixture *self = *state;
    const int64_t id = enqueue(self, ", max_attempts => 2, retry_delay => '1 h'");
    (void)live(self, "kill -SEGV $$");
    expect(self, id, "status, pending_reason, failure_reason, crashes, attempts, error",
           "pending retry crashed 1 1 killed by SIGSEGV");
    char *attempt = test_db_text(self->admin,
                                 "SELECT concat_ws(' ', outcome, signal) FROM ganger.attempts "
                                 "WHERE job_id = %" PRId64 " AND attempt = 1",
                                 id);
    assert_string_equal(attempt, "crashed 11");
    free(attempt);
    expect(self, id, "next_attempt_at > now() + interval '20 min'", "t");
}

static void test_claims_no_more_than_it_may_run(void **state)
{
    Fixture *self = *state;
    self->pool.max_jobs = 6;
    test_db_run(self->admin, "SELECT ganger.enqueue('probe') FROM generate_series(1, 60)");
    assert_int_equal(live(self, "exit 0"), EXIT_CODE_RECYCLED);
    assert_int_equal(
        test_db_int(self->admin, "SELECT count(*) FROM ganger.jobs WHERE status = 'completed'"), 6);
    assert_int_equal(
        test_db_int(self->admin, "SELECT count(*) FROM ganger.attempts WHERE outcome = 'released'"),
        0);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

static int run_with_fault(void)
{
    const struct CMUnitTest tests[] = {TEST(test_serial_is_raised_before_a_run)};
    (void)fflush(NULL);
    const pid_t child = fork();
    if (child == 0) {
        (void)setenv("GANGER_FAULT", "entry_running:2:kill", 1);
        exit(cmocka_run_group_tests_name("with a fault", tests, setup_descriptors, NULL));
    }
    int status = 0;
    return child > 0 && waitpid(child, &status, 0) == child && status == 0 ? 0 : 1;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_result_survives_drain_and_loss),
        TEST(test_unwritten_result_stays_in_the_slot),
        TEST(test_looks_once_more_before_it_rests),
        TEST(test_worker_that_cannot_write_ends),
        TEST(test_refused_result_is_an_error),
        TEST(test_log_goes_with_its_result),
        TEST(test_error_past_the_deadline_is_a_timeout),
        TEST(test_program_killed_by_a_signal_has_crashed),
        TEST(test_claims_no_more_than_it_may_run),
    };
    const int failed = run_with_fault(); // before anything here is opened
    return cmocka_run_group_tests(tests, setup_descriptors, NULL) + failed;
}
