// SPDX-License-Identifier: MIT
// The life of a pool: recycling without losing a job, and wake-ups that never get lost.
#include "tests/support/unit.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/base/scoreboard.h"
#include "tests/support/daemon.h"

enum { WAKE_ROUNDS = 500, WAKE_LIMIT_MS = 500 };

static void test_max_jobs(void **state)
{
    SystemTest *test = *state;
    daemon_run(test, "jobs", 2,
               &(DaemonOptions){.pools = "{default: {processes: 2, max_jobs: 25}}"});
    test_db_run(test->conn, "select ganger.enqueue('noop') from generate_series(1, 400)");
    sql_await(test, "(select count(*) from ganger.jobs where status = 'completed') = 400");
    sql_check(test, "(select max(attempts) = 1 from ganger.jobs)");
    sql_check(test, "(select min(n) >= 1 and max(n) <= 25 and count(*) >= 16 from (select count(*) "
                    "as n from ganger.jobs "
                    "group by worker) w)");
}

static void test_max_rss(void **state)
{
    SystemTest *test = *state;
    const Daemon *daemon = daemon_run(
        test, "rss", 1,
        &(DaemonOptions){.pools = "{default: {processes: 1, max_rss: 100MiB, prefetch: 1}}"});
    test_db_run(test->conn, "select ganger.enqueue('grow') from generate_series(1, 20)");
    sql_await(test, "(select count(*) from ganger.jobs where status = 'completed') = 20");
    sql_check(
        test,
        "(select max(attempts) = 1 and count(distinct worker) between 3 and 20 from ganger.jobs)");
    CHECK(test, daemon_log_count(daemon, "reason=max_rss") >= 2);
}

// A limit below what a worker is born with: each runs one job.
static void test_tiny_max_rss(void **state)
{
    SystemTest *test = *state;
    daemon_run(test, "tiny", 1,
               &(DaemonOptions){.pools = "{default: {processes: 1, max_rss: 1MiB}}"});
    test_db_run(test->conn, "select ganger.enqueue('noop') from generate_series(1, 10)");
    sql_await(test, "(select count(*) from ganger.jobs where status = 'completed') = 10");
    sql_check(test, "(select max(attempts) = 1 and count(distinct worker) = 10 from ganger.jobs)");
}

static void test_max_age(void **state)
{
    SystemTest *test = *state;
    const Daemon *daemon = daemon_run(
        test, "age", 2, &(DaemonOptions){.pools = "{default: {processes: 2, max_age: 1s}}"});
    test_db_run(test->conn,
                "select ganger.enqueue('sleep', '{\"ms\": 20}') from generate_series(1, 250)");
    sql_await(test, "(select count(*) from ganger.jobs where status = 'completed') = 250");
    sql_check(test, "(select max(attempts) = 1 and count(distinct worker) >= 4 from ganger.jobs)");
    CHECK(test, daemon_log_count(daemon, "reason=max_age") >= 2);
}

// With a poll every 30 s and workers that look by themselves every 5 s, a wake-up that got lost shows.
static void test_no_wake_up_is_lost(void **state)
{
    SystemTest *test = *state;
    daemon_run(test, "wake", 2, &(DaemonOptions){.poll = "30s"});
    unsigned seed = 20240229;
    for (int i = 0; i < WAKE_ROUNDS; i++) {
        (void)job_add(test, "'noop'");
        // From "right after the last one" over "the worker is just going to sleep" to "all is quiet".
        pause_ms(rand_r(&seed) % (i % 3 == 0 ? 4 : i % 3 == 1 ? 12 : 40));
    }
    sql_await(test, "(select count(*) from ganger.jobs where status = 'completed') = %d",
              WAKE_ROUNDS);
    char *worst = test_db_text(test->conn, "select max(started_at - created_at) from ganger.jobs");
    (void)fprintf(stderr, "slowest start of %d: %s\n", WAKE_ROUNDS, worst);
    free(worst);
    sql_check(test, "(select max(started_at - created_at) < interval '1 ms' * %d from ganger.jobs)",
              WAKE_LIMIT_MS * DAEMON_SLOWNESS);
}

// The same when jobs come in twos and threes, from transactions of different length.
static void test_no_burst_is_lost(void **state)
{
    SystemTest *test = *state;
    daemon_run(test, "burst", 2, &(DaemonOptions){.poll = "30s"});
    unsigned seed = 7;
    for (int i = 0; i < 100; i++) {
        test_db_run(test->conn, "begin");
        test_db_run(test->conn,
                    "select ganger.enqueue('noop') "
                    "from generate_series(1, %d) g",
                    1 + rand_r(&seed) % 3);
        pause_ms(rand_r(&seed) % 6);
        test_db_run(test->conn, "commit");
        pause_ms(rand_r(&seed) % 20);
    }
    test_db_run(test->conn, "select ganger.enqueue('noop')");
    sql_await(test, "not exists (select from ganger.jobs where status <> 'completed')");
    sql_check(test, "(select max(started_at - created_at) < interval '1 ms' * %d from ganger.jobs)",
              (WAKE_LIMIT_MS + 100) * DAEMON_SLOWNESS);
}

// The supervisor's view of its children, found among its descriptors.
static Scoreboard *open_scoreboard(const Daemon *daemon)
{
    Scoreboard *board = NULL;
    for (int fd = 3; fd < 64 && board == NULL; fd++) {
        char path[64];
        char target[64] = "";
        (void)snprintf(path, sizeof path, "/proc/%d/fd/%d", (int)daemon->pid, fd);
        if (readlink(path, target, sizeof target - 1) <= 0 ||
            strstr(target, "ganger-scoreboard") == NULL) {
            continue;
        }
        int own = open(path, O_RDWR | O_CLOEXEC);
        assert_int_equal(scoreboard_attach(&board, own, -1), STATUS_OK);
        (void)close(own);
    }
    assert_non_null(board);
    return board;
}

// A worker without work must be told from one that hangs: the supervisor kills what shows no life.
static void test_idle_workers_show_life(void **state)
{
    SystemTest *test = *state;
    const Daemon *daemon = daemon_run(test, "idle", 2, &(DaemonOptions){.poll = "30s"});
    Scoreboard *board = open_scoreboard(daemon);
    Slot *slot = scoreboard_slot(board, 1);
    for (int64_t until = clock_boot_ms() + DAEMON_PATIENCE_MS;
         atomic_load(&slot->state) != SLOT_IDLE; pause_ms(20)) {
        CHECK(test, clock_boot_ms() < until);
    }
    int64_t seen_at = atomic_load(&slot->changed_at);
    for (int64_t until = clock_boot_ms() + slow_ms(30000);
         atomic_load(&slot->changed_at) == seen_at; pause_ms(50)) {
        CHECK(test, clock_boot_ms() < until);
    }
    CHECK(test, atomic_load(&slot->state) == SLOT_IDLE);
    scoreboard_destroy(board);
}

// Jobs by the thousand, a few in each transaction, until told to end.
typedef struct Stream {
    PGconn *conn;
    bool is_sent;
} Stream;

static void stream_go_on(Stream *stream)
{
    assert_int_equal(PQconsumeInput(stream->conn), 1);
    if (stream->is_sent && PQisBusy(stream->conn)) {
        return;
    }
    for (PGresult *result; stream->is_sent && (result = PQgetResult(stream->conn)) != NULL;) {
        assert_int_equal(PQresultStatus(result), PGRES_COMMAND_OK);
        PQclear(result);
    }
    stream->is_sent = true;
    assert_int_equal(PQsendQuery(stream->conn, "do $$ begin for i in 1..200 loop"
                                               " perform ganger.enqueue('noop')"
                                               " from generate_series(1, 5);"
                                               " commit; end loop; end $$"),
                     1);
}

static void stream_end(Stream *stream)
{
    for (PGresult *result; (result = PQgetResult(stream->conn)) != NULL; PQclear(result)) {
        assert_int_equal(PQresultStatus(result), PGRES_COMMAND_OK);
    }
    PQfinish(stream->conn);
}

static bool is_any_collecting(Scoreboard *board)
{
    return atomic_load(&scoreboard_slot(board, 1)->state) == SLOT_COLLECTING ||
           atomic_load(&scoreboard_slot(board, 2)->state) == SLOT_COLLECTING;
}

// Jobs that come without end are gathered: workers pause between claims, and enqueuers need not notify. After the end each job is
// called for again.
static void test_a_stream_is_gathered(void **state)
{
    SystemTest *test = *state;
    const Daemon *daemon = daemon_run(test, "stream", 2, &(DaemonOptions){.poll = "30s"});
    Scoreboard *board = open_scoreboard(daemon);
    ScoreboardHeader *header = scoreboard_header(board);
    Stream stream = {.conn = test_db_connect(&test->db)};
    test_db_run(stream.conn, "set synchronous_commit = off");
    bool was_collecting = false;
    bool was_quiet = false;
    for (int64_t until = clock_boot_ms() + slow_ms(30000); !was_collecting || !was_quiet;) {
        stream_go_on(&stream);
        was_collecting = was_collecting || is_any_collecting(board);
        was_quiet = was_quiet || (atomic_load(&header->claim_pace_ms) > 0 &&
                                  test_db_int(test->conn, "select count(*) from ganger.node where"
                                                          " state = 'alive' and not idle") == 1);
        CHECK(test, clock_boot_ms() < until);
    }
    stream_end(&stream);
    sql_await(test, "not exists (select from ganger.jobs where status <> 'completed')");
    sql_check(test, "(select max(attempts) = 1 from ganger.jobs)");
    sql_await(test, "(select idle from ganger.node where state = 'alive')");
    CHECK(test, atomic_load(&header->claim_pace_ms) == 0);
    test_db_run(test->conn, "select ganger.enqueue('noop', '{}', queue => 'default')");
    sql_await(test, "not exists (select from ganger.jobs where status <> 'completed')");
    sql_check(test,
              "(select started_at - created_at < interval '1 ms' * %d from ganger.jobs"
              " order by id desc limit 1)",
              (WAKE_LIMIT_MS + 100) * DAEMON_SLOWNESS);
    scoreboard_destroy(board);
}

// Whether descriptor `fd` of a process is open, and what is to be read about it in fdinfo.
static bool has_fd(pid_t pid, int fd, bool *is_closed_by_exec)
{
    char path[64];
    char line[128];
    (void)snprintf(path, sizeof path, "/proc/%d/fdinfo/%d", (int)pid, fd);
    FILE *file = fopen(path, "re");
    if (file == NULL) {
        return false;
    }
    while (fgets(line, sizeof line, file) != NULL) {
        if (strncmp(line, "flags:", strlen("flags:")) == 0) {
            *is_closed_by_exec = (strtol(line + strlen("flags:"), NULL, 8) & O_CLOEXEC) != 0;
        }
    }
    (void)fclose(file);
    return true;
}

// The scoreboard is mapped and its descriptor gone; nothing of ours reaches the programs handlers start.
static void check_fds(SystemTest *test, pid_t pid)
{
    CHECK(test, pid > 0);
    int count = 0;
    for (int fd = 3; fd < 1024; fd++) {
        bool is_closed_by_exec = false;
        if (!has_fd(pid, fd, &is_closed_by_exec)) {
            continue;
        }
        char path[64];
        char target[256] = "";
        (void)snprintf(path, sizeof path, "/proc/%d/fd/%d", (int)pid, fd);
        CHECK(test, readlink(path, target, sizeof target - 1) > 0);
        CHECK(test, strstr(target, "memfd:ganger-") == NULL);
        CHECK(test, is_closed_by_exec);
        count++;
    }
    CHECK(test, count >= 4);
}

static void test_descriptors_stay_inside(void **state)
{
    SystemTest *test = *state;
    const Daemon *daemon = daemon_run(test, "fds", 2, NULL);
    check_fds(test, daemon_child(daemon, "ganger-worker", 0));
    check_fds(test, daemon_child(daemon, "ganger-reaper", 0));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_max_jobs, system_setup, system_teardown),
        cmocka_unit_test_setup_teardown(test_max_rss, system_setup, system_teardown),
        cmocka_unit_test_setup_teardown(test_tiny_max_rss, system_setup, system_teardown),
        cmocka_unit_test_setup_teardown(test_max_age, system_setup, system_teardown),
        cmocka_unit_test_setup_teardown(test_descriptors_stay_inside, system_setup,
                                        system_teardown),
        cmocka_unit_test_setup_teardown(test_idle_workers_show_life, system_setup, system_teardown),
        cmocka_unit_test_setup_teardown(test_no_wake_up_is_lost, system_setup, system_teardown),
        cmocka_unit_test_setup_teardown(test_a_stream_is_gathered, system_setup, system_teardown),
        cmocka_unit_test_setup_teardown(test_no_burst_is_lost, system_setup, system_teardown),
    };
    return cmocka_run_group_tests_name("pool", tests, NULL, NULL);
}
