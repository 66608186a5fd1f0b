// SPDX-License-Identifier: MIT
// GET /api/events: each event once and in order, whatever happens on the way; filters; clients that are slow; many streams.
#include "tests/support/unit.h"

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/base/clock.h"
#include "common/base/proc_stat.h"
#include "tests/support/event_stream.h"
#include "tests/support/http_operation.h"

enum {
    LATENCY_SAMPLES = 6,
    MANY_STREAMS = 100,
    STREAMS_MAX = 500,
    RSS_MAX_BYTES = 25 * 1024 * 1024
};

static Daemon *run(SystemTest *test, const char *auth)
{
    char settings[64];
    (void)snprintf(settings, sizeof settings, "auth: %s, connections: 3", auth);
    use_port();
    return run_with_api(test, 2, settings);
}

static void open_stream(SystemTest *test, EventStream *stream, const char *target, int64_t last_id)
{
    CHECK(test, event_stream_open(stream, address, target, last_id, NULL) == 200);
}

static StreamedEvent next(SystemTest *test, EventStream *stream)
{
    StreamedEvent event;
    CHECK(test, event_stream_next(stream, &event, DAEMON_PATIENCE_MS));
    return event;
}

// Where it begins.
static int64_t await_ready(SystemTest *test, EventStream *stream)
{
    StreamedEvent event = next(test, stream);
    CHECK(test, str_equal(event.event, "ready"));
    return event.id;
}

static void add_jobs(SystemTest *test, int count)
{
    test_db_run(test->conn, "select ganger.enqueue('noop') from generate_series(1, %d)", count);
}

// Reads up to the `completed`-th event of this name, and writes down the numbers of all but `ready`.
static void follow(SystemTest *test, EventStream *stream, StrBuf *ids, int completed)
{
    while (completed > 0) {
        StreamedEvent event = next(test, stream);
        if (str_equal(event.event, "ready")) {
            continue;
        }
        CHECK(test, !str_equal(event.event, "reset"));
        strbuf_printf(ids, "%s%" PRId64, ids->length > 0 ? "," : "", event.id);
        completed -= str_equal(event.event, "completed");
    }
}

static void kill_api(SystemTest *test, const Daemon *daemon)
{
    pid_t pid = api_of(daemon);
    CHECK(test, pid > 0);
    (void)kill(pid, SIGKILL);
    CHECK(test, process_await_end(pid, DAEMON_PATIENCE_MS));
    CHECK(test, http_await(address, "/ready", 200, DAEMON_PATIENCE_MS));
}

// A browser that comes back, after its connection and after the whole process had gone, has seen in the end what the feed says.
static void test_resumes_without_loss_or_doubles(void **state)
{
    SystemTest *test = *state;
    const Daemon *daemon = run(test, "none");
    EventStream stream;
    StrBuf ids = {0};
    open_stream(test, &stream, "/api/events", -1);
    int64_t first = await_ready(test, &stream);
    add_jobs(test, 300);
    follow(test, &stream, &ids, 100);
    int64_t last_id = stream.last_id;
    event_stream_close(&stream); // what has come and was not read is lost
    add_jobs(test, 300);
    open_stream(test, &stream, "/api/events?after=1", last_id); // the header counts
    follow(test, &stream, &ids, 250);
    last_id = stream.last_id;
    kill_api(test, daemon);
    event_stream_close(&stream);
    add_jobs(test, 300);
    open_stream(test, &stream, "/api/events", last_id);
    follow(test, &stream, &ids, 550);
    event_stream_close(&stream);
    char *feed = test_db_text(test->conn,
                              "select string_agg(event_id::text, ',' order by event_id) from "
                              "ganger.read_events(%" PRId64 ", 10000) where event_id <= %" PRId64,
                              first, stream.last_id);
    assert_string_equal(ids.text, feed);
    strbuf_free(&ids);
    free(feed);
}

static void test_what_an_event_says(void **state)
{
    SystemTest *test = *state;
    run(test, "none");
    EventStream stream;
    open_stream(test, &stream, "/api/events", -1);
    await_ready(test, &stream);
    int64_t sum_ms = 0;
    int64_t most_ms = 0;
    for (int i = 0; i < LATENCY_SAMPLES; i++) {
        pause_ms(100 + 170 * i); // the cluster duties come once a second: not always just after one
        int64_t id = job_add(test, "'noop', queue => 'default'");
        int64_t at = clock_boot_ms();
        StreamedEvent event = next(test, &stream);
        int64_t took_ms = clock_boot_ms() - at;
        sum_ms += took_ms;
        most_ms = took_ms > most_ms ? took_ms : most_ms;
        CHECK(test, str_equal(event.event, "added"));
        int64_t good = test_db_int(
            test->conn,
            "select ((e ->> 'event_id')::bigint = %" PRId64
            " and (e ->> 'job_id')::bigint = %" PRId64
            " and e ->> 'event' = 'added' and e ->> 'job_type' = 'noop' and "
            "e ->> 'queue' = 'default' and e -> 'batch_id' = 'null' and "
            "(e ->> 'at')::timestamptz between now() - interval '1 min' and now() "
            "and jsonb_typeof(e -> 'data') = 'object')::integer from (select '%s'::jsonb) "
            "x (e)",
            event.id, id, event.data);
        CHECK(test, good == 1);
        CHECK(test, str_equal(next(test, &stream).event, "completed"));
    }
    (void)printf("from the commit to the event: %" PRId64 " ms on average of %d, %" PRId64
                 " at most\n",
                 sum_ms / LATENCY_SAMPLES, LATENCY_SAMPLES, most_ms);
    CHECK(test, most_ms < slow_ms(6000));
    event_stream_close(&stream);
}

// Each hears of its own, and of nothing else.
static void test_filters(void **state)
{
    SystemTest *test = *state;
    run(test, "none");
    int64_t held = job_add(test, "'noop', run_at => now() + '1 day'");
    sql_await(test, "(ganger.last_event_id() >= %" PRId64 ")", held);
    char by_job[64];
    (void)snprintf(by_job, sizeof by_job, "/api/events?job=%" PRId64 ",999999", held);
    const char *const targets[] = {by_job, "/api/events?queue=elsewhere&job_type=odd",
                                   "/api/events?event=cancelled", "/api/events?batch=b1"};
    EventStream streams[4];
    for (int i = 0; i < 4; i++) {
        open_stream(test, &streams[i], targets[i], -1);
        StreamedEvent event = next(test, &streams[i]);
        CHECK(test, str_equal(event.event, "ready"));
    }
    test_db_run(test->conn, "select ganger.enqueue('noop', run_at => now() + '1 day')");
    test_db_run(test->conn, "select ganger.enqueue('odd', queue => 'elsewhere')");
    test_db_run(test->conn, "select ganger.enqueue('even', queue => 'elsewhere')");
    test_db_run(test->conn, "select ganger.cancel(%" PRId64 ")", held);
    test_db_run(test->conn, "select ganger.create_batch('b1', 'noop', '[{}]'); select "
                            "ganger.start_batch('b1')");
    StreamedEvent event = next(test, &streams[0]);
    CHECK(test, str_equal(event.event, "cancelled"));
    event = next(test, &streams[1]);
    CHECK(test, str_equal(event.event, "added") && strstr(event.data, "\"odd\"") != NULL);
    event = next(test, &streams[2]);
    CHECK(test, str_equal(event.event, "cancelled"));
    do {
        event = next(test, &streams[3]);
        CHECK(test, strstr(event.data, "\"batch_id\": \"b1\"") != NULL);
    } while (!str_equal(event.event, "completed"));
    for (int i = 0; i < 3; i++) { // whatever else there was came before
        CHECK(test, !event_stream_next(&streams[i], &event, 300));
    }
    for (int i = 0; i < 4; i++) {
        event_stream_close(&streams[i]);
    }
}

static int open_as(EventStream *stream, const char *token)
{
    return event_stream_open(stream, address, "/api/events", -1, header_of(token));
}

static void test_a_bound_token_hears_of_its_own(void **state)
{
    SystemTest *test = *state;
    add_token(test, "everything", "read", "");
    add_token(test, "of_alice", "read", ", owner => 'alice'");
    add_token(test, "of_queue", "read", ", queues => '{default,\"a b\"}'");
    add_token(test, "producer", "enqueue", "");
    run(test, "tokens");
    EventStream all;
    EventStream alice;
    EventStream queue;
    EventStream none;
    CHECK(test, open_as(&all, "everything") == 200);
    CHECK(test, open_as(&alice, "of_alice") == 200);
    CHECK(test, open_as(&queue, "of_queue") == 200);
    CHECK(test, open_as(&none, "nobody") == 401);
    event_stream_close(&none);
    CHECK(test, open_as(&none, "producer") == 403);
    event_stream_close(&none);
    await_ready(test, &all);
    await_ready(test, &alice);
    await_ready(test, &queue);
    int64_t ids[] = {job_add(test, "'t', queue => 'x'"),
                     job_add(test, "'t', owner => 'bob', queue => 'a b'"),
                     job_add(test, "'t', owner => 'alice', queue => 'x'")};
    StreamedEvent event;
    char job[32];
    for (int i = 0; i < 3; i++) {
        (void)snprintf(job, sizeof job, "\"job_id\": %" PRId64 ",", ids[i]);
        event = next(test, &all);
        CHECK(test, strstr(event.data, job) != NULL);
    }
    event = next(test, &alice);
    CHECK(test, strstr(event.data, job) != NULL);
    (void)snprintf(job, sizeof job, "\"job_id\": %" PRId64 ",", ids[1]);
    event = next(test, &queue);
    CHECK(test, strstr(event.data, job) != NULL);
    CHECK(test, !event_stream_next(&alice, &event, 300));
    CHECK(test, !event_stream_next(&queue, &event, 1));
    event_stream_close(&all);
    event_stream_close(&alice);
    event_stream_close(&queue);
}

// Who has been away for too long, or comes from another database, is told to look anew; and what is no number is refused.
static void test_too_far_behind(void **state)
{
    SystemTest *test = *state;
    run(test, "none");
    EventStream stream;
    test_db_run(test->conn, "select count(nextval('ganger.seq')) from generate_series(1, 200000)");
    add_jobs(test, 1);
    sql_await(test, "(ganger.last_event_id() > 150000)");
    const int64_t places[] = {1, 1000000000};
    for (int i = 0; i < 2; i++) {
        open_stream(test, &stream, "/api/events", places[i]);
        StreamedEvent event = next(test, &stream);
        CHECK(test, str_equal(event.event, "reset") && event.id > 150000 && event.id < 1000000);
        CHECK(test, str_equal(next(test, &stream).event, "ready"));
        event_stream_close(&stream);
    }
    static const char *const wrong[][2] = {
        {"/api/events?after=x", "\"field\": \"after\""},
        {"/api/events?job=0", "\"field\": \"job\""},
        {"/api/events?after=99999999999999999999", "\"field\": \"after\""},
        {"/api/events?jobs=1", "\"field\": \"jobs\""}};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        HttpAnswer answer = http_ask(address, "GET", wrong[i][0], NULL, NULL);
        CHECK(test, answer.status == 400 && strstr(answer.body, "\"code\": \"22023\"") != NULL);
        CHECK(test, strstr(answer.body, wrong[i][1]) != NULL);
        http_answer_free(&answer);
    }
    CHECK(test, http_status(address, "HEAD", "/api/events", NULL) == 200);
}

static int64_t rss_of(SystemTest *test, pid_t pid)
{
    ProcStat usage;
    CHECK(test, proc_stat_read(pid, &usage));
    return usage.rss_bytes;
}

// It is not told faster than it takes, costs the others and the process nothing, and misses nothing when it goes on.
static void test_a_slow_client(void **state)
{
    enum { JOBS = 4000 }; // their events are more than what the kernel holds for the client
    SystemTest *test = *state;
    const Daemon *daemon = run(test, "none");
    pid_t pid = api_of(daemon);
    EventStream slow;
    EventStream quick;
    StrBuf ids = {0};
    open_stream(test, &slow, "/api/events", -1);
    open_stream(test, &quick, "/api/events", -1);
    int64_t first = await_ready(test, &slow);
    await_ready(test, &quick);
    int64_t before = rss_of(test, pid);
    add_jobs(test, JOBS);
    follow(test, &quick, &ids, JOBS);
    strbuf_free(&ids);
    int64_t grown = rss_of(test, pid) - before;
    (void)printf("memory for a client that takes nothing of %d events: %" PRId64 " KiB\n", 2 * JOBS,
                 grown / 1024);
    CHECK(test, DAEMON_SLOWNESS > 1 || grown < INT64_C(4) * 1024 * 1024);
    follow(test, &slow, &ids, JOBS);
    char *feed = test_db_text(test->conn,
                              "select string_agg(event_id::text, ',' order by event_id) from "
                              "ganger.read_events(%" PRId64 ", 10000) where event_id <= %" PRId64,
                              first, slow.last_id);
    assert_string_equal(ids.text, feed);
    free(feed);
    strbuf_free(&ids);
    event_stream_close(&slow);
    event_stream_close(&quick);
}

static int64_t cpu_us(SystemTest *test, pid_t pid)
{
    ProcStat usage;
    CHECK(test, proc_stat_read(pid, &usage));
    return usage.cpu_us;
}

static void test_many_streams(void **state)
{
    SystemTest *test = *state;
    const Daemon *daemon = run(test, "none");
    pid_t pid = api_of(daemon);
    EventStream *streams = mem_alloc(STREAMS_MAX * sizeof *streams);
    for (int i = 0; i < STREAMS_MAX; i++) {
        open_stream(test, &streams[i], "/api/events", -1);
        if (i == MANY_STREAMS - 1) {
            int64_t id = job_add(test, "'noop'");
            for (int j = 0; j < MANY_STREAMS; j++) {
                StreamedEvent event = {0};
                while (!str_equal(event.event, "completed")) {
                    event = next(test, &streams[j]);
                }
                char job[32];
                (void)snprintf(job, sizeof job, "\"job_id\": %" PRId64 ",", id);
                CHECK(test, strstr(event.data, job) != NULL);
            }
            int64_t rss = rss_of(test, pid);
            (void)printf("resident with %d streams: %" PRId64 " KiB\n", MANY_STREAMS, rss / 1024);
            CHECK(test, DAEMON_SLOWNESS > 1 || rss < RSS_MAX_BYTES);
        }
    }
    CHECK(test, http_status(address, "GET", "/api/events", NULL) == 503);
    CHECK(test, http_status(address, "GET", "/api/jobs", NULL) == 200);
    for (int i = 0; i < STREAMS_MAX; i++) {
        event_stream_close(&streams[i]);
    }
    // All are gone, and soon nothing is asked any more.
    int64_t until = clock_boot_ms() + DAEMON_PATIENCE_MS;
    EventStream last;
    while (event_stream_open(&last, address, "/api/events", -1, NULL) != 200) {
        CHECK(test, clock_boot_ms() < until);
        event_stream_close(&last);
        pause_ms(50);
    }
    event_stream_close(&last);
    sql_await(test, "(select max(query_start) < clock_timestamp() - interval '1500 ms' from "
                    "pg_stat_activity where application_name = 'ganger-api' and "
                    "datname = current_database())");
    int64_t before = cpu_us(test, pid);
    pause_ms(1000);
    int64_t used = cpu_us(test, pid) - before;
    (void)printf("processor time in a second without streams: %" PRId64 " us\n", used);
    CHECK(test, used <= INT64_C(30000) * DAEMON_SLOWNESS);
    free(streams);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_resumes_without_loss_or_doubles, system_setup,
                                        system_teardown),
        cmocka_unit_test_setup_teardown(test_what_an_event_says, system_setup, system_teardown),
        cmocka_unit_test_setup_teardown(test_filters, system_setup, system_teardown),
        cmocka_unit_test_setup_teardown(test_a_bound_token_hears_of_its_own, system_setup,
                                        system_teardown),
        cmocka_unit_test_setup_teardown(test_too_far_behind, system_setup, system_teardown),
        cmocka_unit_test_setup_teardown(test_a_slow_client, system_setup, system_teardown),
        cmocka_unit_test_setup_teardown(test_many_streams, system_setup, system_teardown),
    };
    return cmocka_run_group_tests_name("http streams", tests, NULL, NULL);
}
