// SPDX-License-Identifier: MIT
// HTTP: the API beside plain connections that run the same statements, its pages over millions of ended jobs, and what clients that dawdle
// or only listen cost.
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "bench/bench.h"
#include "bench/clients.h"
#include "bench/helper.h"
#include "bench/http_clients.h"
#include "bench/load.h"
#include "bench/node.h"
#include "bench/proc_memory.h"
#include "bench/scratch.h"
#include "bench/sql.h"
#include "common/base/memory.h"
#include "sql_queries.h"

enum {
    CLIENTS = 8,
    SLICES = 4,
    HISTORY_ROWS = 10000000,
    PAGE_CALLS = 20,
    DAWDLERS = 500,
    LISTENERS = 100,
    SETTLE_MS = 2000
};

#define RAW "8 connections, the same statement, prepared"

// Both cores for the statement, the API and the clients.
static const Figure get_rate = {
    "http", "GET /api/jobs/{id}, 8 clients", "1/s", GOAL_AT_LEAST, 10000, RAW};
static const Figure post_rate = {"http", "POST /api/jobs, 8 clients",
                                 "1/s",  GOAL_RATIO_AT_LEAST,
                                 0.5,    "8 connections: select ganger.enqueue(...)"};
static const Figure list_ms = {"http", "GET /api/jobs?status=completed", "ms", GOAL_AT_MOST, 50,
                               NULL};
static const Figure type_list_ms = {
    "http", "GET /api/jobs?job_type=noop&limit=100", "ms", GOAL_AT_MOST, 50, NULL};
static const Figure overview_ms = {"http", "GET /api/overview", "ms", GOAL_AT_MOST, 50, NULL};
static const Figure dawdle_p99 = {
    "http", "p99 of a GET beside 500 clients that never end their request", "ms", GOAL_AT_MOST, 200,
    NULL};
static const Figure listen_rss = {"http", "RSS with 100 event streams", "MB", GOAL_AT_MOST, 25,
                                  NULL};

static void start_node(const Bench *bench, const char *conninfo, int port)
{
    char *section = mem_printf("http: {listen: \"127.0.0.1:%d\", auth: none}\n", port);
    node_start(bench, conninfo, &(NodeOptions){.processes = 1, .sections = section});
    free(section);
}

static void compare_get(Bench *bench, PGconn *conn, const char *conninfo, int port)
{
    const int64_t id = sql_number(
        conn, "select ganger.enqueue('elsewhere', '{\"n\": 1}', queue => 'nowhere')", NULL);
    char *path = mem_printf("/api/jobs/%ld", (long)id);
    char *request = http_request("GET", path, NULL);
    char *described = mem_printf("{\"path\": {\"id\": \"%ld\"}}", (long)id);
    const char *const values[] = {described, NULL};
    const double slice = (double)bench->seconds / SLICES;
    double ours = 0;
    double raw = 0;
    for (int i = 0; i < SLICES; i++) {
        bench_live("http: %s", get_rate.name);
        ours += http_clients_run(port, request, CLIENTS, slice).per_second;
        raw += clients_run_with(conninfo, SQL_api_job_get.text, 2, values, CLIENTS, slice);
    }
    report_add(&bench->report, &get_rate, ours / SLICES, raw / SLICES);
    free(described);
    free(request);
    free(path);
}

static void compare_post(Bench *bench, const char *conninfo, int port)
{
    static const char body[] =
        "{\"job_type\": \"elsewhere\", \"payload\": {\"n\": 1}, \"queue\": \"nowhere\"}";
    static const char statement[] =
        "select ganger.enqueue('elsewhere', '{\"n\": 1}', queue => 'nowhere')";
    char *request = http_request("POST", "/api/jobs", body);
    const double slice = (double)bench->seconds / SLICES;
    double ours = 0;
    double raw = 0;
    for (int i = 0; i < SLICES; i++) {
        bench_live("http: %s", post_rate.name);
        ours += http_clients_run(port, request, CLIENTS, slice).per_second;
        raw += clients_run(conninfo, statement, CLIENTS, slice);
    }
    report_add(&bench->report, &post_rate, ours / SLICES, raw / SLICES);
    free(request);
}

// One completed job by the way of all jobs, the others as copies of its row; the counts of stats() with them.
static void load_history(PGconn *conn, int rows)
{
    load_of_type(conn, "noop", NULL, 1);
    load_wait_completed(conn, 1, 20000);
    char *copies = mem_printf(
        "create temp table bench_one as select * from ganger.history_completed limit 1;"
        "do $$ declare names text; picks text; begin "
        "select string_agg(quote_ident(attname), ', ' order by attnum),"
        "string_agg(case attname when 'id' then 'o.id + i' when 'finish_id' then 'o.finish_id + i'"
        " when 'finished_at' then 'o.finished_at - i * interval ''1 ms''' else 'o.' || "
        "quote_ident(attname) end, ', ' order by attnum) into names, picks "
        "from pg_attribute where attrelid = 'ganger.history_completed'::regclass and attnum > 0 "
        "and not attisdropped and attgenerated = '';"
        "execute format('insert into ganger.history_completed (%%s) select %%s from bench_one o, "
        "generate_series(1, %d) i', names, picks); end $$",
        rows);
    sql_run(conn, "set synchronous_commit = off");
    sql_run(conn, copies);
    sql_run(conn, "vacuum analyze ganger.history_completed");
    free(copies);
}

static void measure_page(Bench *bench, int port, const Figure *figure, const char *path)
{
    double sum = 0;
    const int connection = http_connect(port);
    char *request = http_request("GET", path, NULL);
    (void)http_call(connection, request);
    for (int i = 0; i < PAGE_CALLS; i++) {
        bench_live("http: %s", figure->name);
        sum += http_call(connection, request);
    }
    report_add(&bench->report, figure, sum / PAGE_CALLS, 0);
    free(request);
    (void)close(connection);
}

static void open_many(int port, int count, const char *text, int *sockets)
{
    for (int i = 0; i < count; i++) {
        sockets[i] = http_connect(port);
        if (dprintf(sockets[i], "%s", text) <= 0) {
            bench_fail("a connection was not accepted");
        }
    }
}

static void close_many(const int *sockets, int count)
{
    for (int i = 0; i < count; i++) {
        (void)close(sockets[i]);
    }
}

static void measure_crowds(Bench *bench, int port)
{
    int sockets[DAWDLERS];
    bench_live("http: %s", listen_rss.name);
    open_many(port, LISTENERS, "GET /api/events HTTP/1.1\r\nHost: localhost\r\n\r\n", sockets);
    bench_sleep_ms(SETTLE_MS);
    report_add(&bench->report, &listen_rss, proc_memory_of_node().api.rss, 0);
    close_many(sockets, LISTENERS);
    bench_live("http: %s", dawdle_p99.name);
    open_many(port, DAWDLERS, "GET /health HTTP/1.1\r\nHost: loc", sockets);
    char *request = http_request("GET", "/api/jobs?limit=1", NULL);
    report_add(&bench->report, &dawdle_p99, http_clients_run(port, request, 2, 2).p99_ms, 0);
    free(request);
    close_many(sockets, DAWDLERS);
}

void scenario_http(Bench *bench)
{
    for (int i = 0; i < bench->repeats; i++) {
        const char *conninfo = scratch_make();
        PGconn *conn = sql_connect(conninfo);
        const int port = http_free_port();
        start_node(bench, conninfo, port);
        node_wait_idle(conn, 1);
        compare_get(bench, conn, conninfo, port);
        compare_post(bench, conninfo, port);
        measure_crowds(bench, port);
        bench_live("http: loading the history");
        load_history(conn, bench_count(bench, HISTORY_ROWS));
        measure_page(bench, port, &list_ms, "/api/jobs?status=completed");
        measure_page(bench, port, &type_list_ms, "/api/jobs?job_type=noop&limit=100");
        measure_page(bench, port, &overview_ms, "/api/overview");
        node_stop();
        PQfinish(conn);
        scratch_drop();
    }
}
