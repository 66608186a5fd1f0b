// SPDX-License-Identifier: MIT
// HttpSink: an HTTP server on a loopback port of this process, which answers as it is told and keeps what it was sent.
#ifndef TESTS_SUPPORT_HTTP_SINK_H
#define TESTS_SUPPORT_HTTP_SINK_H

#include <stdbool.h>
#include <stddef.h>

typedef struct HttpSink HttpSink;

// `is_tls`: with a certificate of its own for 127.0.0.1, signed by nobody, which is in the file `ca_path` (NULL: nowhere).
HttpSink *http_sink_start(bool is_tls, const char *ca_path);
void http_sink_stop(HttpSink *self);
int http_sink_port(const HttpSink *self);

// What every request gets from now on: the bytes of an answer. NULL: none, the connection stays open. "": it is closed.
void http_sink_answer(HttpSink *self, const char *answer);
// After the answer's bytes come others without end, until the other side has gone.
void http_sink_flood(HttpSink *self, bool is_endless);

int http_sink_connections(HttpSink *self);
int http_sink_requests(HttpSink *self);
// A request as it came, headers and body; waits for it, ten seconds at most (then NULL). Valid until the sink is stopped.
const char *http_sink_request(HttpSink *self, int index);
// The value of a header of such a request; caller frees; NULL: it has none.
char *http_sink_header(const char *request, const char *name);
const char *http_sink_body(const char *request);

#endif
