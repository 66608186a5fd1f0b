// SPDX-License-Identifier: MIT
// Http operation: a node with the HTTP API, and what a request to it must be answered.
#ifndef TESTS_SUPPORT_HTTP_OPERATION_H
#define TESTS_SUPPORT_HTTP_OPERATION_H

#include <stdio.h>
#include <string.h>

#include "common/base/clock.h"
#include "tests/support/daemon.h"
#include "tests/support/http_client.h"

static char address[128]; // of the API

static inline void use_socket(const SystemTest *test)
{
    (void)snprintf(address, sizeof address, "unix:%s/api.sock", test->folder);
}

static inline void use_port(void)
{
    http_free_address(address, sizeof address);
}

// A node with so many workers and the API at `address`; `settings`: of http, beside `listen`. Valid until the next call.
static inline DaemonOptions api_options(int workers, const char *settings)
{
    static char http[512];
    static char pools[64];
    (void)snprintf(http, sizeof http, "{listen: \"%s\", %s}", address, settings);
    (void)snprintf(pools, sizeof pools, "{default: {processes: %d}}", workers);
    return (DaemonOptions){.pools = pools, .http = http};
}

// The same, running and ready to answer.
static inline Daemon *run_with_api(SystemTest *test, int workers, const char *settings)
{
    const DaemonOptions options = api_options(workers, settings);
    Daemon *daemon = daemon_run(test, "web", workers, &options);
    CHECK(test, http_await(address, "/ready", 200, DAEMON_PATIENCE_MS));
    return daemon;
}

static inline pid_t api_of(const Daemon *daemon)
{
    return daemon_child(daemon, "ganger-api", 0);
}

// Waits until the API is another process than `before`.
static inline bool await_other_api(const Daemon *daemon, pid_t before)
{
    int64_t until = clock_boot_ms() + DAEMON_PATIENCE_MS;
    for (pid_t now = before; now == before || now == 0; now = api_of(daemon)) {
        if (clock_boot_ms() > until) {
            return false;
        }
        pause_ms(10);
    }
    return true;
}

// A token whose secret is its name. `more`: further arguments of ganger.create_api_token, from a comma on, or "".
static inline void add_token(SystemTest *test, const char *name, const char *scopes,
                             const char *more)
{
    test_db_run(test->conn, "select ganger.create_api_token('%s', sha256('%s'), '{%s}'%s)", name,
                name, scopes, more);
}

// The header of a request with this token; NULL none.
static inline const char *header_of(const char *token)
{
    static char text[512];
    (void)snprintf(text, sizeof text, "%s%s%s", token == NULL ? "" : "Authorization: Bearer ",
                   token == NULL ? "" : token, token == NULL ? "" : "\r\n");
    return text;
}

static inline HttpAnswer ask(const char *token, const char *method, const char *target,
                             const char *body)
{
    return http_ask(address, method, target, header_of(token), body);
}

// The request is answered with this status, and `part` stands in the answer's body (NULL: whatever it is).
static inline void expect(SystemTest *test, const char *token, const char *method,
                          const char *target, const char *body, int status, const char *part)
{
    HttpAnswer answer = ask(token, method, target, body);
    if (answer.status != status || (part != NULL && strstr(answer.body, part) == NULL)) {
        (void)fprintf(stderr, "%s %s %.200s\n  has %d, not %d: %.600s\n  wanted: %s\n", method,
                      target, body == NULL ? "" : body, answer.status, status, answer.body,
                      part == NULL ? "" : part);
        system_fail(test, "an answer is wrong");
    }
    http_answer_free(&answer);
}

// Waits until a request with this token is answered so: the server reads its tokens now and then.
static inline bool await_status(const char *token, int status)
{
    for (int64_t until = clock_boot_ms() + DAEMON_PATIENCE_MS; clock_boot_ms() < until;
         pause_ms(20)) {
        HttpAnswer answer = ask(token, "GET", "/api/jobs?limit=1", NULL);
        bool is_so = answer.status == status;
        http_answer_free(&answer);
        if (is_so) {
            return true;
        }
    }
    return false;
}

#endif
