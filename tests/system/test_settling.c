// SPDX-License-Identifier: MIT
// Deaths at the exact points where a job could be lost, charged twice or run twice (docs/decisions/0003-settling-order.md).
#include "tests/support/unit.h"

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "tests/support/daemon.h"

#ifdef GANGER_FAULT_POINTS

enum { JOB_COUNT = 40 };

static const char one_worker[] = "{default: {processes: 1}}";

static void await_strike(SystemTest *test, const Daemon *daemon)
{
    for (int64_t until = clock_boot_ms() + DAEMON_PATIENCE_MS;
         access(daemon->fault_once, F_OK) == 0; pause_ms(2)) {
        CHECK(test, clock_boot_ms() < until);
    }
}

// Many short jobs through one worker that dies at a point of its pipeline: the ids are first .. first + JOB_COUNT - 1.
static int64_t run_through(SystemTest *test, const char *fault)
{
    const Daemon *daemon =
        daemon_configure(test, "settling", &(DaemonOptions){.pools = one_worker, .fault = fault});
    test_db_run(test->conn, "begin");
    int64_t first = journal_add(test, 0, NULL, NULL);
    for (int i = 1; i < JOB_COUNT; i++) {
        (void)journal_add(test, 0, NULL, NULL);
    }
    test_db_run(test->conn, "commit");
    daemon_start(&test->daemons[0]);
    sql_await(test, "(select count(*) from ganger.jobs where status = 'completed') = %d",
              JOB_COUNT);
    await_strike(test, daemon);
    return first;
}

static void check_begins(SystemTest *test, int64_t first, int expected)
{
    int begins = 0;
    for (int64_t id = first; id < first + JOB_COUNT; id++) {
        begins += journal_count(test, id, "begin");
    }
    if (begins != expected) {
        (void)fprintf(stderr, "%d begins, not %d\n", begins, expected);
        system_fail(test, "a job ran more or less often than it should");
    }
}

// The claim is committed and the slot knows nothing of it: nothing of it has started, so nothing is charged.
static void test_between_claim_and_slot(void **state)
{
    SystemTest *test = *state;
    int64_t first = run_through(test, "after_claim_commit:3:kill");
    check_begins(test, first, JOB_COUNT);
    sql_check(test, "(select max(attempts) = 1 and max(crashes) = 0 from ganger.jobs)");
    sql_check(test, "(select count(*) > 1 from ganger.jobs j, ganger.job_events(j.id) e where "
                    "e.event = 'released')");
}

// It has run, but nobody knows how it went: the attempt is charged, and only that one.
static void test_between_result_and_slot(void **state)
{
    SystemTest *test = *state;
    int64_t first = run_through(test, "result_before_slot:4:kill");
    check_begins(test, first, JOB_COUNT + 1);
    sql_check(test,
              "(select count(*) filter (where attempts = 2 and crashes = 1) = 1 and count(*) "
              "filter (where attempts = 1 and crashes = 0) = %d from ganger.jobs)",
              JOB_COUNT - 1);
    sql_check(
        test,
        "(select count(*) = 1 from ganger.attempts where outcome = 'crashed' and signal = 9)");
}

// The result is in the slot, so it counts.
static void test_result_in_slot(void **state)
{
    SystemTest *test = *state;
    int64_t first = run_through(test, "result_in_slot:4:kill");
    check_begins(test, first, JOB_COUNT);
    sql_check(test, "(select max(attempts) = 1 and max(crashes) = 0 from ganger.jobs)");
}

static void test_before_finish(void **state)
{
    SystemTest *test = *state;
    int64_t first = run_through(test, "before_finish:3:kill");
    check_begins(test, first, JOB_COUNT);
    sql_check(test, "(select max(attempts) = 1 and max(crashes) = 0 from ganger.jobs)");
}

// Also an error is a result: it is charged as an error, once.
static void test_error_in_slot(void **state)
{
    SystemTest *test = *state;
    const Daemon *daemon = daemon_run(
        test, "error", 1, &(DaemonOptions){.pools = one_worker, .fault = "result_in_slot:1:kill"});
    int64_t id =
        journal_add(test, 0, "\"fail_until\": 2", "retry_delay => '20 ms', retry_backoff => false");
    job_await(test, id, "completed");
    await_strike(test, daemon);
    CHECK(test, journal_count(test, id, "begin") == 2);
    sql_check(test,
              "(select array_agg(outcome order by attempt) from ganger.attempts where job_id "
              "= %" PRId64 ") = array['error', 'completed']",
              id);
}

// A handler's own writes and its completion are one transaction, whenever the worker dies.
static void check_effect(SystemTest *test, const char *fault, int attempts)
{
    const Daemon *daemon =
        daemon_configure(test, "effect", &(DaemonOptions){.pools = one_worker, .fault = fault});
    test_db_run(test->conn,
                "create table if not exists journal_effect (job_id bigint, attempt int)");
    daemon_start(&test->daemons[0]);
    int64_t id = job_add(test, "'journal_tx', '{\"file\": \"%s/journal\"}'", test->folder);
    job_await(test, id, "completed");
    await_strike(test, daemon);
    sql_check(test, "(select count(*) = 1 from journal_effect where job_id = %" PRId64 ")", id);
    sql_await(test,
              "(select attempts = %d and crashes = %d from ganger.jobs where id = %" PRId64 ")",
              attempts, attempts - 1, id);
    CHECK(test, journal_count(test, id, "begin") == attempts);
}

static void test_before_complete(void **state)
{
    check_effect(*state, "handler_before_complete:1:kill", 2);
}

static void test_before_commit(void **state)
{
    check_effect(*state, "handler_before_commit:1:kill", 2);
}

static void test_after_commit(void **state)
{
    check_effect(*state, "handler_after_commit:1:kill", 1);
}

// The reaper dies between two steps of settling a crash in the middle of a batch; the next one carries on.
static void check_reaper_death(SystemTest *test, const char *fault)
{
    const Daemon *daemon =
        daemon_configure(test, "reaper", &(DaemonOptions){.pools = one_worker, .fault = fault});
    test_db_run(test->conn, "begin");
    int64_t first = journal_add(test, 0, NULL, NULL);
    for (int i = 1; i < JOB_COUNT - 1; i++) {
        (void)journal_add(test, 0, i == 10 ? "\"crash_until\": 2" : NULL, NULL);
    }
    int64_t last = journal_add(test, 0, NULL, NULL);
    assert_true(last == first + JOB_COUNT - 1);
    test_db_run(test->conn, "commit");
    daemon_start(&test->daemons[0]);
    sql_await(test, "(select count(*) from ganger.jobs where status = 'completed') = %d",
              JOB_COUNT);
    await_strike(test, daemon);
    check_begins(test, first, JOB_COUNT + 1);
    sql_check(test, "(select attempts = 2 and crashes = 1 from ganger.jobs where id = %" PRId64 ")",
              first + 10);
    sql_check(test,
              "(select max(attempts) = 1 and max(crashes) = 0 from ganger.jobs where id <> %" PRId64
              ")",
              first + 10);
    sql_check(test, "(select count(*) = 1 from ganger.nodes)");
}

static void test_reaper_before_settle(void **state)
{
    check_reaper_death(*state, "before_settle:1:kill");
}

static void test_reaper_after_marking(void **state)
{
    check_reaper_death(*state, "worker_marked_dead:1:kill");
}

static void test_reaper_after_settle(void **state)
{
    check_reaper_death(*state, "worker_settled:1:kill");
}

// --- the rescue of a long job's neighbours

enum { BESIDE = 60, RESCUE_JOBS_MAX = 2000 };

static int64_t rescue_jobs[RESCUE_JOBS_MAX];
static int rescue_job_count;

static void add_beside(SystemTest *test)
{
    for (int i = 0; i < BESIDE; i++) {
        rescue_jobs[rescue_job_count++] = journal_add(test, 0, NULL, NULL);
    }
}

static bool has_struck(const Daemon *daemon, int64_t limit_ms)
{
    for (int64_t until = clock_boot_ms() + limit_ms; clock_boot_ms() < until; pause_ms(2)) {
        if (access(daemon->fault_once, F_OK) != 0) {
            return true;
        }
    }
    return false;
}

// A long job among many short ones; the reaper meets the fault as it takes the neighbours out. Where the long job stands in
// its batch is a matter of speed: again, until it has neighbours.
static int64_t begin_rescue(SystemTest *test, const char *fault, int long_ms)
{
    const Daemon *daemon =
        daemon_run(test, "rescue", 1, &(DaemonOptions){.pools = one_worker, .fault = fault});
    rescue_job_count = 0;
    while (rescue_job_count < RESCUE_JOBS_MAX - 2 * BESIDE - 2) {
        test_db_run(test->conn, "begin");
        add_beside(test);
        int64_t id = journal_add(test, long_ms, NULL, NULL);
        rescue_jobs[rescue_job_count++] = id;
        add_beside(test);
        test_db_run(test->conn, "commit");
        (void)journal_await_begin(test, id, 1);
        if (has_struck(daemon, long_ms)) {
            return id;
        }
        sql_await(test, "(select count(*) from ganger.jobs where status = 'completed') = %d",
                  rescue_job_count);
    }
    system_fail(test, "the long job never had neighbours");
}

// Every job has run once and counts once.
static void check_rescue(SystemTest *test, int64_t id)
{
    sql_await(test, "(select count(*) from ganger.jobs where status = 'completed') = %d",
              rescue_job_count);
    for (int i = 0; i < rescue_job_count; i++) {
        CHECK(test, journal_count(test, rescue_jobs[i], "begin") == 1);
        CHECK(test, journal_count(test, rescue_jobs[i], "end") == 1);
    }
    sql_check(test, "(select max(attempts) = 1 from ganger.jobs)");
    sql_check(test,
              "(select count(*) = 0 from ganger.job_events(%" PRId64
              ") e where e.event = 'released')",
              id);
}

// The next reaper ends what the dead one has begun, while the long job still runs.
static void check_rescuer_death(SystemTest *test, const char *fault)
{
    int64_t id = begin_rescue(test, fault, (int)slow_ms(3000));
    sql_await(test,
              "(select count(*) from ganger.jobs where id < %" PRId64
              " and status = 'completed') = %d",
              id, rescue_job_count - BESIDE - 1);
    sql_await(test,
              "(select count(*) from ganger.jobs where id > %" PRId64
              " and status = 'processing') = 0",
              id);
    sql_check(test, "(select status = 'processing' from ganger.jobs where id = %" PRId64 ")", id);
    check_rescue(test, id);
}

static void test_rescuer_dies_writing(void **state)
{
    check_rescuer_death(*state, "rescue_writing:1:kill");
}

static void test_rescuer_dies_returning(void **state)
{
    check_rescuer_death(*state, "rescue_returning:1:kill");
}

// The reaper stands still for ever between its step and its statement: the worker ends what is begun before its next claim.
static void test_rescuer_stops_writing(void **state)
{
    SystemTest *test = *state;
    check_rescue(test, begin_rescue(test, "rescue_writing:1:stop", 400));
}

static void test_rescuer_stops_returning(void **state)
{
    SystemTest *test = *state;
    check_rescue(test, begin_rescue(test, "rescue_returning:1:stop", 400));
}

// It goes on when the slot holds other jobs: of those it must not touch any.
static void check_slow_rescuer(SystemTest *test, const char *fault)
{
    int64_t id = begin_rescue(test, fault, 300);
    int64_t later = journal_add(test, (int)slow_ms(2500), NULL, NULL);
    rescue_jobs[rescue_job_count++] = later;
    (void)journal_await_begin(test, later, 1);
    check_rescue(test, id);
}

static void test_slow_rescuer_writing(void **state)
{
    check_slow_rescuer(*state, "rescue_writing:1:sleep=1500");
}

static void test_slow_rescuer_returning(void **state)
{
    check_slow_rescuer(*state, "rescue_returning:1:sleep=1500");
}

// The old reaper takes its time over its last duty. The next supervisor leaves it that time, as only the old one knows which job
// had begun.
static void test_heir_waits_for_the_old_reaper(void **state)
{
    SystemTest *test = *state;
    Daemon *daemon =
        daemon_run(test, "heir", 1,
                   &(DaemonOptions){.pools = one_worker, .fault = "before_settle:1:sleep=3500"});
    int64_t id = journal_add(test, 60000, "\"deaf\": 1", NULL);
    (void)journal_await_begin(test, id, 1);
    daemon_destroy(daemon);
    daemon_start(daemon);
    (void)journal_await_begin(test, id, 2);
    sql_check(test,
              "(select error like '%%its supervisor died%%' from ganger.attempts where job_id = "
              "%" PRId64 " and attempt = 1)",
              id);
    sql_check(test, "(select array_agg(state::text order by id) from ganger.nodes) = "
                    "array['stopped', 'alive']");
}

// A stopped one gets ten seconds.
static void test_heir_waits_not_for_ever(void **state)
{
    SystemTest *test = *state;
    Daemon *daemon = daemon_run(
        test, "heir", 1, &(DaemonOptions){.pools = one_worker, .fault = "before_settle:1:stop"});
    int64_t id = journal_add(test, 60000, "\"deaf\": 1", NULL);
    (void)journal_await_begin(test, id, 1);
    daemon_destroy(daemon);
    int64_t at = clock_boot_ms();
    daemon_start(daemon);
    sql_await(test, "(select count(*) from ganger.nodes) = 1");
    (void)daemon_await_log(daemon, "node.buried", slow_ms(20000));
    CHECK(test, clock_boot_ms() - at > 8000);
    (void)journal_await_begin(test, id, 2);
    sql_check(test,
              "(select error like '%%its node was lost%%' from ganger.attempts where job_id = "
              "%" PRId64 " and attempt = 1)",
              id);
}

// The worker has registered, and dies before its slot says so: its row must not stay alive for ever.
static void test_death_between_registration_and_slot(void **state)
{
    SystemTest *test = *state;
    (void)daemon_run(test, "ghost", 1,
                     &(DaemonOptions){.pools = one_worker, .fault = "worker_registered:1:kill"});
    sql_check(test, "(select count(*) from ganger.workers) = 2");
    CHECK(test, test_db_await(test->conn, slow_ms(25000),
                              "select array_agg(state::text order by id) = array['dead', 'idle'] "
                              "from ganger.workers"));
}

// A result that PostgreSQL does not take (a trigger stands for what cannot be foreseen): its job is told why, and all else
// that the worker held is settled as ever.
static void test_poisoned_result(void **state)
{
    SystemTest *test = *state;
    const Daemon *daemon = daemon_configure(
        test, "poison", &(DaemonOptions){.pools = one_worker, .fault = "result_in_slot:1:kill"});
    test_db_run(test->conn, "create function refuse() returns trigger language plpgsql as $$ begin "
                            "raise exception 'not this one' using errcode = '22023'; end $$");
    test_db_run(test->conn, "create trigger refuse before insert on ganger.attempt for each row "
                            "when (new.error = 'told to fail') execute function refuse()");
    int64_t id =
        journal_add(test, 0, "\"fail_until\": 2", "retry_delay => '10 ms', retry_backoff => false");
    int64_t other = journal_add(test, 0, NULL, NULL);
    daemon_start(&test->daemons[0]);
    await_strike(test, daemon);
    job_await(test, other, "completed");
    sql_await(test,
              "(select outcome = 'error' and error like 'PostgreSQL does not accept the "
              "result: %%' from ganger.attempts where job_id = %" PRId64 " and attempt = 1)",
              id);
    sql_check(test, "(select crashes = 0 from ganger.jobs where id = %" PRId64 ")", id);
}

// The supervisor dies while it deals with a dead or an overdue worker.
static void check_supervisor_death(SystemTest *test, const char *fault, bool is_overdue)
{
    Daemon *daemon =
        daemon_run(test, "boss", 1, &(DaemonOptions){.pools = one_worker, .fault = fault});
    int64_t id = is_overdue ? journal_add(test, 60000, NULL,
                                          "timeout => '100 ms', max_attempts => 2, "
                                          "retry_delay => '50 ms', retry_backoff => false")
                            : journal_add(test, 0, "\"crash_until\": 2", NULL);
    CHECK(test, daemon_wait(daemon, DAEMON_PATIENCE_MS) == 128 + SIGKILL);
    sql_await(test, "(select status <> 'processing' from ganger.jobs where id = %" PRId64 ")", id);
    daemon_start(daemon);
    // Due retries are promoted by the new node at once, though the old one held the duties.
    job_await_within(test, id, is_overdue ? "failed" : "completed", slow_ms(4000));
    sql_check(test, "(select attempts = 2 from ganger.jobs where id = %" PRId64 ")", id);
}

static void test_supervisor_before_wait(void **state)
{
    check_supervisor_death(*state, "supervisor_before_wait:1:kill", false);
}

static void test_supervisor_before_obituary(void **state)
{
    check_supervisor_death(*state, "supervisor_before_obituary:1:kill", false);
}

static void test_supervisor_soft_stop(void **state)
{
    check_supervisor_death(*state, "supervisor_soft_stop:1:kill", true);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_between_claim_and_slot, system_setup, system_teardown),
        cmocka_unit_test_setup_teardown(test_between_result_and_slot, system_setup,
                                        system_teardown),
        cmocka_unit_test_setup_teardown(test_result_in_slot, system_setup, system_teardown),
        cmocka_unit_test_setup_teardown(test_before_finish, system_setup, system_teardown),
        cmocka_unit_test_setup_teardown(test_error_in_slot, system_setup, system_teardown),
        cmocka_unit_test_setup_teardown(test_before_complete, system_setup, system_teardown),
        cmocka_unit_test_setup_teardown(test_before_commit, system_setup, system_teardown),
        cmocka_unit_test_setup_teardown(test_after_commit, system_setup, system_teardown),
        cmocka_unit_test_setup_teardown(test_reaper_before_settle, system_setup, system_teardown),
        cmocka_unit_test_setup_teardown(test_reaper_after_marking, system_setup, system_teardown),
        cmocka_unit_test_setup_teardown(test_reaper_after_settle, system_setup, system_teardown),
        cmocka_unit_test_setup_teardown(test_rescuer_dies_writing, system_setup, system_teardown),
        cmocka_unit_test_setup_teardown(test_rescuer_dies_returning, system_setup, system_teardown),
        cmocka_unit_test_setup_teardown(test_rescuer_stops_writing, system_setup, system_teardown),
        cmocka_unit_test_setup_teardown(test_rescuer_stops_returning, system_setup,
                                        system_teardown),
        cmocka_unit_test_setup_teardown(test_slow_rescuer_writing, system_setup, system_teardown),
        cmocka_unit_test_setup_teardown(test_slow_rescuer_returning, system_setup, system_teardown),
        cmocka_unit_test_setup_teardown(test_heir_waits_for_the_old_reaper, system_setup,
                                        system_teardown),
        cmocka_unit_test_setup_teardown(test_heir_waits_not_for_ever, system_setup,
                                        system_teardown),
        cmocka_unit_test_setup_teardown(test_death_between_registration_and_slot, system_setup,
                                        system_teardown),
        cmocka_unit_test_setup_teardown(test_poisoned_result, system_setup, system_teardown),
        cmocka_unit_test_setup_teardown(test_supervisor_before_wait, system_setup, system_teardown),
        cmocka_unit_test_setup_teardown(test_supervisor_before_obituary, system_setup,
                                        system_teardown),
        cmocka_unit_test_setup_teardown(test_supervisor_soft_stop, system_setup, system_teardown),
    };
    return cmocka_run_group_tests_name("settling", tests, NULL, NULL);
}

#else

static void test_without_fault_points(void **state)
{
    (void)state;
    skip();
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_without_fault_points)};
    return cmocka_run_group_tests_name("settling", tests, NULL, NULL);
}

#endif
