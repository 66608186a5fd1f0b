// SPDX-License-Identifier: MIT
// One failover under load to a synchronous standby, for the suite and for the long test.
#ifndef TESTS_SUPPORT_FAILOVER_H
#define TESTS_SUPPORT_FAILOVER_H

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/clock.h"
#include "common/base/memory.h"
#include "tests/support/daemon.h"
#include "tests/support/producer.h"
#include "tests/support/standby.h"

// The section `database` of a node that knows both servers.
static inline char *failover_database(const SystemTest *test)
{
    char url[256];
    standby_url(test->db.name, url, sizeof url);
    return mem_printf("{url: \"%s\", poll_interval: 100ms}", url);
}

static inline void failover_reconnect(SystemTest *test)
{
    PQfinish(test->conn);
    test->conn = standby_connect(standby_primary(), test->db.name);
}

static inline Producer *failover_produce(SystemTest *test, int ms)
{
    char url[256];
    standby_server_url(standby_primary(), test->db.name, url, sizeof url);
    return producer_start(test, url, ms);
}

// Of a list of ids: those the database shows as completed, in the same form. Caller frees.
static inline char *failover_completed(SystemTest *test, const char *ids)
{
    return test_db_text(test->conn,
                        "select coalesce(string_agg(id::text, ','), '-1') from ganger.jobs where "
                        "status = 'completed' and id in (%s)",
                        ids);
}

// A job from now until it is completed.
static inline int64_t failover_probe_ms(SystemTest *test, int64_t since)
{
    job_await_within(test, job_add(test, "'noop'"), "completed", 6 * DAEMON_PATIENCE_MS);
    return clock_boot_ms() - since;
}

// No id of the list has begun more than once.
static inline void failover_check_once(SystemTest *test, const char *ids)
{
    char *list = mem_strdup(ids);
    char *rest = list;
    for (char *id; (id = strsep(&rest, ",")) != NULL;) {
        int64_t number = strtoll(id, NULL, 10);
        CHECK(test, number < 0 || journal_count(test, number, "begin") == 1);
    }
    free(list);
}

// The primary dies in mid-run, with a synchronous standby attached, and that one takes over: nothing that was told to anybody is
// lost. Returns how long after the promotion a new job was completed.
static inline int64_t failover_synchronous_round(SystemTest *test, int count)
{
    Producer *producer = failover_produce(test, 1);
    producer_await(test, producer, count);
    char *early = producer_ids(producer);
    sql_await(test,
              "(select count(*) >= %d from ganger.jobs where status = 'completed' and id in (%s))",
              count / 4, early);
    // What this shows is on the standby, too: a commit can be seen when its wait is over.
    char *completed = failover_completed(test, early);
    standby_kill_primary();
    producer_stop(producer);
    int64_t promoted_at = standby_promote();
    failover_reconnect(test);
    int64_t resumed_ms = failover_probe_ms(test, promoted_at);
    char *told = producer_ids(producer);
    sql_check(test, "(select count(*) = %d from ganger.jobs where id in (%s))",
              producer_count(producer), told);
    sql_check(test,
              "(select count(*) = 0 from ganger.jobs where status <> 'completed' and id in (%s))",
              completed);
    sql_await(test,
              "(select count(*) = 0 from ganger.jobs where status <> 'completed' and id in (%s))",
              told);
    failover_check_once(test, completed);
    sql_check(test, "(select coalesce(max(crashes), 0) = 0 from ganger.jobs)");
    (void)printf("failover: %d enqueues told, all there; resumed %" PRId64 " ms after the "
                 "promotion\n",
                 producer_count(producer), resumed_ms);
    (void)fflush(stdout);
    free(early);
    free(completed);
    free(told);
    producer_free(producer);
    return resumed_ms;
}

#endif
