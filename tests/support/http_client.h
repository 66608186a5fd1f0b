// SPDX-License-Identifier: MIT
// Http client: a raw one for tests: it sends what it is told, byte by byte if need be, and reads what really comes back.
//
// An address is as in http.listen: "127.0.0.1:8080" or "unix:/path". Everything has a limit of time; what cannot be (no socket, no
// memory) fails the test.
#ifndef TESTS_SUPPORT_HTTP_CLIENT_H
#define TESTS_SUPPORT_HTTP_CLIENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/memory.h"

typedef struct HttpClient {
    int fd;        // -1: not connected
    StrBuf in;     // came, and is not read yet
    bool is_ended; // the other side has closed, or reset
} HttpClient;

typedef struct HttpAnswer {
    int status;
    char *head; // status line and headers, as they came
    char *body; // without the chunks' sizes; never NULL
    size_t body_length;
} HttpAnswer;

// A port of 127.0.0.1 that nobody listens at, written as an address.
void http_free_address(char *address, size_t size);

// False: refused. The client is to be closed in both cases.
bool http_connect(HttpClient *client, const char *address);
void http_close(HttpClient *client);
// The other side gets a reset instead of an end.
void http_reset(HttpClient *client);
// False when the other side does not take it, or has gone.
bool http_send(HttpClient *client, const char *bytes, size_t length);
bool http_send_text(HttpClient *client, const char *text);

// The next answer that is not 1xx, whole; false when none comes in time or the connection ends before.
bool http_read(HttpClient *client, HttpAnswer *answer, int64_t limit_ms);
// The same for an answer to HEAD: there is no body. Or its body is to be read in another way.
bool http_read_head(HttpClient *client, HttpAnswer *answer, int64_t limit_ms);
// After http_read_head: the next chunk of a body that comes in chunks, behind what is in `body`; the last one has the size 0. False when
// it is not there, whole, by then (of clock_boot_ms): what has come of it is kept.
bool http_read_chunk(HttpClient *client, StrBuf *body, size_t *size, int64_t until);
// Takes that much off the front of what has come.
void http_drop(StrBuf *buf, size_t count);
void http_answer_free(HttpAnswer *answer);
// The value of a header, into `out`; false when there is none.
bool http_header(const HttpAnswer *answer, const char *name, char *out, size_t size);
// Reads until the other side has closed; false when it has not in time.
bool http_await_end(HttpClient *client, int64_t limit_ms);

// One request on a connection of its own. `headers` are whole lines or NULL, `body` NULL none. The answer's status is 0 when there was
// none: no connection, or none in time.
HttpAnswer http_ask(const char *address, const char *method, const char *target,
                    const char *headers, const char *body);
// The status alone.
int http_status(const char *address, const char *method, const char *target, const char *body);
// Waits until GET of the target is answered with this status.
bool http_await(const char *address, const char *target, int status, int64_t limit_ms);

#endif
