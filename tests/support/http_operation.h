// SPDX-License-Identifier: MIT
// Http operation: a node with the HTTP API, and what a request to it must be answered.
#ifndef TESTS_SUPPORT_HTTP_OPERATION_H
#define TESTS_SUPPORT_HTTP_OPERATION_H

#include <stdio.h>
#include <string.h>

#include "tests/support/daemon.h"
#include "tests/support/http_client.h"

static char address[128]; // of the API

static inline Daemon *run_with_api(SystemTest *test, const char *auth)
{
    char http[256];
    (void)snprintf(address, sizeof address, "unix:%s/api.sock", test->folder);
    (void)snprintf(http, sizeof http, "{listen: \"%s\", auth: %s}", address, auth);
    Daemon *daemon = daemon_run(
        test, "web", 1, &(DaemonOptions){.pools = "{default: {processes: 1}}", .http = http});
    CHECK(test, http_await(address, "/ready", 200, DAEMON_PATIENCE_MS));
    return daemon;
}

// Headers of a request with this token; NULL none.
static inline const char *headers_of(const char *token, const char *more)
{
    static char text[512];
    (void)snprintf(text, sizeof text, "%s%s%s%s", token == NULL ? "" : "Authorization: Bearer ",
                   token == NULL ? "" : token, token == NULL ? "" : "\r\n",
                   more == NULL ? "" : more);
    return text;
}

static inline HttpAnswer ask(const char *token, const char *method, const char *target,
                             const char *body)
{
    return http_ask(address, method, target,
                    headers_of(token, body == NULL ? NULL : "Content-Type: application/json\r\n"),
                    body);
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

#endif
