// SPDX-License-Identifier: MIT
// F55, S8 in full: 500 clients that send a byte a second, in headers and bodies, and idle ones; what others notice of it, when they are
// sent away, and what each costs.
#include "tests/support/unit.h"

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/clock.h"
#include "common/base/proc_stat.h"
#include "tests/support/http_load.h"
#include "tests/support/http_operation.h"

enum {
    CLIENTS = 500,
    HEADER_LIMIT_MS = 10000,
    BODY_LIMIT_MS = 30000,
    IDLE_LIMIT_MS = 30000,
    MARGIN_MS = 3000,
    BYTES_A_CLIENT = 64 << 10
};

static HttpClient clients[CLIENTS];
static int64_t ended_at[CLIENTS];

// So many clients that have said `begin`, then say `more` each second until they are sent away. Ordinary requests go on meanwhile.
static void besiege(SystemTest *test, const Daemon *daemon, const char *name, const char *begin,
                    const char *more, int64_t limit_ms)
{
    HttpLoad load = {0};
    pid_t api = api_of(daemon);
    ProcStat before = {0};
    CHECK(test, proc_stat_read(api, &before));
    int64_t most = 0;
    int64_t begun_at = clock_boot_ms();
    int left = CLIENTS;
    for (int i = 0; i < CLIENTS; i++) {
        ended_at[i] = 0;
        CHECK(test, http_connect(&clients[i], address));
        CHECK(test, http_send_text(&clients[i], begin));
    }
    int64_t until = begun_at + slow_ms(limit_ms + MARGIN_MS);
    for (int64_t said_at = clock_boot_ms(); left > 0 && clock_boot_ms() < until;) {
        bool is_time = clock_boot_ms() - said_at >= 1000;
        said_at = is_time ? clock_boot_ms() : said_at;
        for (int i = 0; i < CLIENTS; i++) {
            if (ended_at[i] == 0 && (http_await_end(&clients[i], 1) ||
                                     (is_time && !http_send_text(&clients[i], more)))) {
                ended_at[i] = clock_boot_ms() - begun_at;
                left--;
            }
        }
        http_load_run(&load, address, "GET", "/api/jobs/stats", NULL, 200, 5);
        ProcStat now = {0};
        CHECK(test, proc_stat_read(api, &now));
        most = now.rss_bytes > most ? now.rss_bytes : most;
    }
    int64_t first = INT64_MAX;
    int64_t last = 0;
    for (int i = 0; i < CLIENTS; i++) {
        first = ended_at[i] != 0 && ended_at[i] < first ? ended_at[i] : first;
        last = ended_at[i] > last ? ended_at[i] : last;
        http_close(&clients[i]);
    }
    int64_t p99_us = http_load_percentile(&load, 99);
    (void)printf("%d clients, %s: sent away after %" PRId64 " to %" PRId64
                 " ms, p99 of %zu other requests %" PRId64 " us, %" PRId64 " bytes each\n",
                 CLIENTS, name, first, last, load.count, p99_us,
                 (most - before.rss_bytes) / CLIENTS);
    CHECK(test, left == 0);
    CHECK(test, first >= limit_ms - 2000);
    CHECK(test, load.wrong == 0);
    CHECK(test, p99_us < slow_ms(200) * 1000);
    CHECK(test, (most - before.rss_bytes) / CLIENTS <= slow_ms(BYTES_A_CLIENT));
    CHECK(test, api_of(daemon) == api);
    http_load_free(&load);
}

static void test_slow_headers(void **state)
{
    SystemTest *test = *state;
    use_port();
    const Daemon *daemon = run_with_api(test, 1, "auth: none");
    besiege(test, daemon, "slow headers", "GET /api/jobs HTTP/1.1\r\nHost: localhost\r\nX-A: ", "a",
            HEADER_LIMIT_MS);
}

static void test_slow_bodies(void **state)
{
    SystemTest *test = *state;
    use_port();
    const Daemon *daemon = run_with_api(test, 1, "auth: none");
    besiege(test, daemon, "slow bodies",
            "POST /api/jobs HTTP/1.1\r\nHost: localhost\r\nContent-Type: "
            "application/json\r\nContent-Length: 1000\r\n\r\n{",
            " ", BODY_LIMIT_MS);
    sql_check(test, "(select count(*) = 0 from ganger.jobs)");
}

static void test_idle(void **state)
{
    SystemTest *test = *state;
    use_port();
    const Daemon *daemon = run_with_api(test, 1, "auth: none");
    besiege(test, daemon, "idle after a request", "GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n",
            "", IDLE_LIMIT_MS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_slow_headers, system_setup, system_teardown),
        cmocka_unit_test_setup_teardown(test_slow_bodies, system_setup, system_teardown),
        cmocka_unit_test_setup_teardown(test_idle, system_setup, system_teardown),
    };
    return cmocka_run_group_tests_name("http_slow", tests, NULL, NULL);
}
