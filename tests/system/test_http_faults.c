// SPDX-License-Identifier: MIT
// Clients and deaths that the HTTP API must live with: slow ones, ones that vanish, its own end, a changed configuration.
#include "tests/support/unit.h"

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "common/base/clock.h"
#include "common/base/proc_stat.h"
#include "tests/support/http_load.h"
#include "tests/support/http_operation.h"

enum { SLOW_CLIENTS = 50, VANISHING = 150, KILLS = 4, ANSWER_MS = 5000, BLOCKED = 6 };
enum { SETTLE_MS = 300, WAITED_FOR_MS = 1500 };

// True once the process holds no more descriptors than `base`.
static bool await_files(pid_t pid, int base, int64_t limit_ms)
{
    int64_t until = clock_boot_ms() + limit_ms;
    while (proc_count_fds(pid) > base) {
        if (clock_boot_ms() > until) {
            return false;
        }
        pause_ms(10);
    }
    return true;
}

// How many descriptors it holds once the connections that have ended are closed on its side as well.
static int await_fewest_files(pid_t pid)
{
    int fewest = proc_count_fds(pid);
    for (int64_t until = clock_boot_ms() + SETTLE_MS; clock_boot_ms() < until; pause_ms(10)) {
        int now = proc_count_fds(pid);
        fewest = now < fewest ? now : fewest;
    }
    return fewest;
}

static int64_t ask_quickly(SystemTest *test, const char *method, const char *target,
                           const char *body, int status)
{
    int64_t at = clock_boot_ms();
    CHECK(test, http_status(address, method, target, body) == status);
    return clock_boot_ms() - at;
}

// Somebody's open transaction holds a job's row: who wants that job is told so, and nobody else notices.
static void test_held_row(void **state)
{
    SystemTest *test = *state;
    HttpClient clients[BLOCKED];
    char request[160];
    int64_t slowest = 0;
    use_port();
    (void)run_with_api(test, 1, "auth: none, connections: 4");
    int64_t id = job_add(test, "'noop', run_at => now() + '1 day'");
    test_db_run(test->conn, "begin; select from ganger.job where id = %" PRId64 " for update", id);
    (void)snprintf(request, sizeof request,
                   "POST /api/jobs/%" PRId64 "/cancel HTTP/1.1\r\nHost: localhost\r\n"
                   "Content-Length: 0\r\n\r\n",
                   id);
    for (int i = 0; i < BLOCKED; i++) {
        CHECK(test, http_connect(&clients[i], address) && http_send_text(&clients[i], request));
    }
    for (int round = 0; round < 10; round++) {
        const int64_t took[] = {
            ask_quickly(test, "GET", "/ready", NULL, 200),
            ask_quickly(test, "GET", "/api/jobs", NULL, 200),
            ask_quickly(test, "GET", "/api/queues", NULL, 200),
        };
        for (size_t i = 0; i < sizeof took / sizeof took[0]; i++) {
            slowest = took[i] > slowest ? took[i] : slowest;
        }
    }
    (void)printf("slowest answer beside %d requests for a held row: %" PRId64 " ms\n", BLOCKED,
                 slowest);
    CHECK(test, slowest < slow_ms(800));
    for (int i = 0; i < BLOCKED; i++) {
        HttpAnswer answer;
        char value[8];
        CHECK(test, http_read(&clients[i], &answer, DAEMON_PATIENCE_MS));
        CHECK(test,
              answer.status == 503 && http_header(&answer, "Retry-After", value, sizeof value));
        CHECK(test, strstr(answer.body, "55P03") != NULL);
        http_answer_free(&answer);
        http_close(&clients[i]);
    }
    test_db_run(test->conn, "rollback");
    (void)snprintf(request, sizeof request, "/api/jobs/%" PRId64 "/cancel", id);
    CHECK(test, http_status(address, "POST", request, NULL) == 200);
}

// F55: clients that send a byte now and then cost others nothing.
static void test_slow_clients(void **state)
{
    SystemTest *test = *state;
    static const char begun[] = "POST /api/jobs HTTP/1.1\r\nHost: localhost\r\nX-Slow: ";
    HttpClient slow[SLOW_CLIENTS];
    HttpLoad load = {0};
    use_port();
    (void)run_with_api(test, 1, "auth: none");
    for (int i = 0; i < SLOW_CLIENTS; i++) {
        CHECK(test, http_connect(&slow[i], address));
        CHECK(test, http_send(&slow[i], begun, (size_t)(i + 1) % sizeof begun));
    }
    for (int round = 0; round < 10; round++) {
        for (int i = 0; i < SLOW_CLIENTS; i++) {
            (void)http_send(&slow[i], "a", 1);
        }
        http_load_run(&load, address, "GET", "/api/jobs/stats", NULL, 200, 20);
    }
    int64_t p99_us = http_load_percentile(&load, 99);
    (void)printf("p99 of %zu requests beside %d slow clients: %" PRId64 " us\n", load.count,
                 SLOW_CLIENTS, p99_us);
    CHECK(test, load.wrong == 0);
    CHECK(test, p99_us < slow_ms(200) * 1000);
    http_load_free(&load);
    for (int i = 0; i < SLOW_CLIENTS; i++) {
        http_close(&slow[i]);
    }
}

static void vanish(int way)
{
    static const char list[] = "GET /api/jobs?limit=1000 HTTP/1.1\r\nHost: localhost\r\n\r\n";
    static const char body[] =
        "POST /api/jobs HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        "Content-Length: 5000\r\n\r\n{\"job_type\": ";
    HttpClient client;
    if (!http_connect(&client, address)) {
        http_close(&client);
        return;
    }
    switch (way % 5) {
    case 0: // before a word
        http_reset(&client);
        return;
    case 1: // in the headers
        (void)http_send(&client, list, 20);
        http_reset(&client);
        return;
    case 2: // in the body
        (void)http_send_text(&client, body);
        http_reset(&client);
        return;
    case 3: // while the answer is made
        (void)http_send_text(&client, list);
        http_reset(&client);
        return;
    default: // says no more, listens, and goes without reading the end
        (void)http_send_text(&client, list);
        (void)shutdown(client.fd, SHUT_WR);
        http_close(&client);
    }
}

// F58: whoever goes without a word leaves nothing behind.
static void test_clients_that_vanish(void **state)
{
    SystemTest *test = *state;
    use_port();
    Daemon *daemon = run_with_api(test, 1, "auth: none");
    test_db_run(
        test->conn,
        "select ganger.enqueue('noop', jsonb_build_object('a', repeat('x', 500)), queue => 'idle') "
        "from generate_series(1, 1000)");
    CHECK(test, http_status(address, "GET", "/api/jobs?limit=1000", NULL) == 200);
    pid_t api = api_of(daemon);
    int base = await_fewest_files(api);
    for (int i = 0; i < VANISHING; i++) {
        vanish(i);
    }
    int64_t at = clock_boot_ms();
    CHECK(test, await_files(api, base, slow_ms(2000)));
    (void)printf("%d clients vanished: %d descriptors again after %" PRId64 " ms\n", VANISHING,
                 base, clock_boot_ms() - at);
    CHECK(test, api_of(daemon) == api);
    CHECK(test, http_status(address, "GET", "/api/jobs/stats", NULL) == 200);
    sql_check(test, "(select count(*) = 1000 from ganger.jobs)"); // half a body made no job
}

// A client that has said all it wanted still gets its answer.
static void test_half_closed(void **state)
{
    SystemTest *test = *state;
    HttpClient client;
    HttpAnswer answer = {0};
    use_port();
    (void)run_with_api(test, 1, "auth: none");
    CHECK(test, http_connect(&client, address));
    CHECK(test,
          http_send_text(&client,
                         "GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"));
    (void)shutdown(client.fd, SHUT_WR);
    CHECK(test, http_read(&client, &answer, ANSWER_MS) && answer.status == 200);
    CHECK(test, http_await_end(&client, ANSWER_MS));
    http_answer_free(&answer);
    http_close(&client);
}

// F59: killed again and again, it is there again within a second, and no job notices.
static void test_killed_again_and_again(void **state)
{
    SystemTest *test = *state;
    use_port();
    Daemon *daemon = run_with_api(test, 2, "auth: none");
    pid_t workers[2] = {daemon_child(daemon, "ganger-worker", 0),
                        daemon_child(daemon, "ganger-worker", 1)};
    int64_t worst_ms = 0;
    test_db_run(test->conn,
                "select ganger.enqueue('journal', '{\"file\": \"%s/journal\", \"ms\": 20}') from "
                "generate_series(1, 200)",
                test->folder);
    for (int i = 0; i < KILLS; i++) {
        pid_t api = api_of(daemon);
        CHECK(test, api > 0 && kill(api, SIGKILL) == 0);
        int64_t at = clock_boot_ms();
        CHECK(test, process_await_end(api, 1000));
        CHECK(test, http_await(address, "/health", 200, DAEMON_PATIENCE_MS));
        int64_t took_ms = clock_boot_ms() - at;
        worst_ms = took_ms > worst_ms ? took_ms : worst_ms;
    }
    (void)printf("%d times kill -9: there again after %" PRId64 " ms at most\n", KILLS, worst_ms);
    CHECK(test, worst_ms < slow_ms(1000));
    sql_await(test, "(select count(*) = 200 from ganger.jobs where status = 'completed')");
    sql_check(test, "(select max(attempts) = 1 and max(crashes) = 0 from ganger.jobs)");
    CHECK(test, process_is_alive(workers[0]) && process_is_alive(workers[1]));
}

// SIGHUP: another limit, another address, none at all.
static void test_reload(void **state)
{
    SystemTest *test = *state;
    static const char body[] = "{\"job_type\": \"noop\", \"payload\": "
                               "\"....................................................."
                               "..................................................................."
                               ".....................\"}";
    char before[sizeof address];
    use_port();
    Daemon *daemon = run_with_api(test, 1, "auth: none, max_body: 1KiB");
    pid_t first = api_of(daemon);
    CHECK(test, http_status(address, "POST", "/api/jobs", body) == 201);

    (void)snprintf(before, sizeof before, "%s", address);
    use_port();
    const DaemonOptions changed = api_options(1, "auth: none, max_body: 2KiB");
    (void)daemon_configure(test, "web", &changed);
    daemon_signal(daemon, SIGHUP);
    CHECK(test, await_other_api(daemon, first));
    CHECK(test, http_await(address, "/ready", 200, DAEMON_PATIENCE_MS));
    CHECK(test, http_status(before, "GET", "/health", NULL) == 0);

    pid_t second = api_of(daemon);
    (void)daemon_configure(test, "web", &(DaemonOptions){.pools = "{default: {processes: 1}}"});
    daemon_signal(daemon, SIGHUP);
    CHECK(test, process_await_end(second, DAEMON_PATIENCE_MS));
    CHECK(test, http_status(address, "GET", "/health", NULL) == 0);
    job_await(test, job_add(test, "'noop'"), "completed");
    CHECK(test, api_of(daemon) == 0);
}

// A request that is being answered when gangerd is told to stop gets its answer.
static void test_stop_answers_what_is_begun(void **state)
{
    SystemTest *test = *state;
    HttpClient client;
    HttpAnswer answer = {0};
    char request[128];
    use_port();
    Daemon *daemon = run_with_api(test, 1, "auth: none");
    int64_t id = job_add(test, "'sleep', '{\"ms\": %d}'", WAITED_FOR_MS);
    (void)job_await_pid(test, id);
    (void)snprintf(request, sizeof request,
                   "GET /api/jobs/%" PRId64 "?wait=30s HTTP/1.1\r\nHost: localhost\r\n\r\n", id);
    CHECK(test, http_connect(&client, address) && http_send_text(&client, request));
    CHECK(test, http_status(address, "GET", "/health", NULL) == 200); // so it has been read
    daemon_signal(daemon, SIGTERM);
    // While the worker finishes, the API is there: whoever waits for that job learns of its end.
    CHECK(test, http_read(&client, &answer, DAEMON_PATIENCE_MS) && answer.status == 200);
    CHECK(test, strstr(answer.body, "\"status\":\"completed\"") != NULL);
    http_answer_free(&answer);
    http_close(&client);
    CHECK(test, daemon_wait(daemon, DAEMON_PATIENCE_MS) == 0);
    CHECK(test, http_status(address, "GET", "/health", NULL) == 0);
}

// Two nodes, one port: the second runs its jobs without an API, and says why.
static void test_port_that_is_taken(void **state)
{
    SystemTest *test = *state;
    use_port();
    (void)run_with_api(test, 1, "auth: none");
    DaemonOptions options = api_options(1, "auth: none");
    options.pools = "{other: {queues: [other], processes: 1}}";
    Daemon *second = daemon_run(test, "second", 1, &options);
    CHECK(test, daemon_await_log(second, "api.start_failed", DAEMON_PATIENCE_MS));
    CHECK(test, daemon_await_log(second, "Address already in use", DAEMON_PATIENCE_MS));
    CHECK(test, daemon_await_log(second, "supervisor.ready", DAEMON_PATIENCE_MS));
    job_await(test, job_add(test, "'noop', queue => 'other'"), "completed");
}

// S33: in force in the very process that listens.
static void test_it_is_confined(void **state)
{
    SystemTest *test = *state;
    char path[64];
    char line[256];
    long filters = -1;
    use_port();
    Daemon *daemon = run_with_api(test, 1, "auth: none");
    (void)snprintf(path, sizeof path, "/proc/%d/status", (int)api_of(daemon));
    FILE *file = fopen(path, "re");
    CHECK(test, file != NULL);
    while (fgets(line, sizeof line, file) != NULL) {
        if (strncmp(line, "Seccomp:", 8) == 0) {
            filters = strtol(line + 8, NULL, 10);
        }
    }
    (void)fclose(file);
    if (filters < 0) {
        skip(); // a kernel that does not tell
    }
    CHECK(test, filters == 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_slow_clients, system_setup, system_teardown),
        cmocka_unit_test_setup_teardown(test_clients_that_vanish, system_setup, system_teardown),
        cmocka_unit_test_setup_teardown(test_half_closed, system_setup, system_teardown),
        cmocka_unit_test_setup_teardown(test_killed_again_and_again, system_setup, system_teardown),
        cmocka_unit_test_setup_teardown(test_reload, system_setup, system_teardown),
        cmocka_unit_test_setup_teardown(test_stop_answers_what_is_begun, system_setup,
                                        system_teardown),
        cmocka_unit_test_setup_teardown(test_port_that_is_taken, system_setup, system_teardown),
        cmocka_unit_test_setup_teardown(test_held_row, system_setup, system_teardown),
        cmocka_unit_test_setup_teardown(test_it_is_confined, system_setup, system_teardown),
    };
    return cmocka_run_group_tests_name("http_faults", tests, NULL, NULL);
}
