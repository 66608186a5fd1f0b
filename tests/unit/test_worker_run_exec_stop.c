// SPDX-License-Identifier: MIT
// Tests of program handlers: how they are stopped, and how they go on beside a database that does not answer.
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "common/base/clock.h"
#include "tests/support/exec_run.h"

static void await_ready(const WorkerRun *run)
{
    for (;;) {
        char *log = slot_log_copy(run->slot);
        const bool is_ready = log != NULL && strstr(log, "ready") != NULL;
        free(log);
        if (is_ready) {
            return;
        }
        sched_yield();
    }
}

// What a supervisor does at a deadline.
static void *stop_when_ready(void *argument)
{
    WorkerRun *run = argument;
    await_ready(run);
    worker_run_stop(run, STOP_TIMEOUT);
    return NULL;
}

// What the kernel does when the supervisor dies.
static void *orphan_when_ready(void *argument)
{
    WorkerRun *run = argument;
    await_ready(run);
    close(run->lifeline);
    run->lifeline = -1;
    return NULL;
}

static void test_stop_terminates_the_group(void **state)
{
    WorkerRun *run = *state;
    pthread_t thread;
    const int64_t start = clock_boot_ms();
    slot_log_clear(run->slot);
    assert_int_equal(pthread_create(&thread, NULL, stop_when_ready, run), 0);
    expect_end(run, "trap 'echo stopped >&2; exit 9' TERM; echo ready >&2; sleep 100 & wait",
               OUTCOME_ERROR, "exit code 9: stopped");
    pthread_join(thread, NULL);
    assert_true(clock_boot_ms() - start < 10000);
}

// The stop was raised and its wake-up eaten before the program was started.
static void test_stop_before_start(void **state)
{
    WorkerRun *run = *state;
    atomic_store(&run->slot->stop_serial, 1);
    expect_end(run, "sleep 100", OUTCOME_CRASHED, "killed by SIGTERM");
}

static void test_lifeline_kills(void **state)
{
    WorkerRun *run = *state;
    pthread_t thread;
    slot_log_clear(run->slot);
    assert_int_equal(pthread_create(&thread, NULL, orphan_when_ready, run), 0);
    expect_end(run, "trap '' TERM; echo ready >&2; while :; do sleep 100; done", OUTCOME_SNOOZE,
               NULL);
    assert_int_equal(run->result.delay_ms, 0);
    pthread_join(thread, NULL);
}

// A database that takes connections and says nothing.
typedef struct MuteServer {
    WorkerRun *run;
    int listener;
    struct sockaddr_un address;
    char folder[32];
    char *url;
    bool was_prolonged; // when the progress came to it
} MuteServer;

static void *accept_one(void *argument)
{
    MuteServer *self = argument;
    const int client = accept4(self->listener, NULL, NULL, SOCK_CLOEXEC);
    self->was_prolonged = atomic_load(&self->run->slot->run_soft_at) > clock_boot_ms() + 1000000;
    close(client); // the answer is that there is none
    return NULL;
}

static void mute_server_begin(MuteServer *self, WorkerRun *run)
{
    *self = (MuteServer){.run = run, .folder = "/tmp/ganger-mute-XXXXXX"};
    self->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_non_null(mkdtemp(self->folder));
    self->address.sun_family = AF_UNIX;
    assert_true(snprintf(self->address.sun_path, sizeof self->address.sun_path, "%s/.s.PGSQL.5432",
                         self->folder) > 0);
    assert_int_equal(
        bind(self->listener, (const struct sockaddr *)&self->address, sizeof self->address), 0);
    assert_int_equal(listen(self->listener, 1), 0);
    self->url = mem_printf("host=%s port=5432 dbname=x", self->folder);
    run->context.url = self->url;
}

static void mute_server_end(MuteServer *self)
{
    close(self->listener);
    (void)unlink(self->address.sun_path);
    (void)rmdir(self->folder);
    self->run->context.url = NULL;
    free(self->url);
}

// Progress may wait for the database, and time must not run out meanwhile.
static void test_prolong_comes_before_progress(void **state)
{
    WorkerRun *run = *state;
    MuteServer server;
    mute_server_begin(&server, run);
    atomic_store(&run->slot->run_soft_at, clock_boot_ms() + 100000);
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, accept_one, &server), 0);
    expect_end(run, "echo '{\"progress\": 1, \"prolong\": \"1h\"}' >&3", OUTCOME_COMPLETED, NULL);
    pthread_join(thread, NULL);
    assert_true(server.was_prolonged);
    mute_server_end(&server);
}

// One step has waited for it, the others do not: each for itself would take hours.
static void test_many_steps_beside_a_mute_database(void **state)
{
    WorkerRun *run = *state;
    MuteServer server;
    mute_server_begin(&server, run);
    const int64_t start = clock_boot_ms();
    const RunResult *result =
        run_script(run, "seq 5000 | sed 's/.*/{\"step\": \"s&\"}/' >&3"); // as fast as it can
    assert_int_equal(result->outcome, OUTCOME_ERROR);
    assert_string_equal(result->text,
                        "on fd 3: step 's1' was not stored: no connection to the database");
    expect_log(run, "step 's5000' was not stored: the database does not answer");
    assert_true(clock_boot_ms() - start < 20000);
    mute_server_end(&server);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_stop_terminates_the_group),
        TEST(test_stop_before_start),
        TEST(test_lifeline_kills),
        TEST(test_prolong_comes_before_progress),
        TEST(test_many_steps_beside_a_mute_database),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
