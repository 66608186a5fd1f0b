// SPDX-License-Identifier: MIT
// HttpRequest: what is sent for a job: to where, with which headers. The body is the job's payload as it stands. No network here.
#ifndef WORKER_HTTP_REQUEST_H
#define WORKER_HTTP_REQUEST_H

#include "common/base/http_target.h"
#include "worker/http_handler.h"
#include "worker/job.h"

enum { HTTP_REQUEST_HEADERS_MAX = 80 };

typedef struct HttpRequest {
    HttpTarget target;
    const char *method;
    const char *body; // the job's payload
    size_t body_length;
    char *headers[HTTP_REQUEST_HEADERS_MAX]; // "Name: value"
    size_t header_count;
} HttpRequest;

typedef enum HttpRequestMade {
    HTTP_REQUEST_MADE,
    HTTP_REQUEST_NOWHERE, // the job names no URL, or none that may ever be sent to
    HTTP_REQUEST_REFUSED  // the configuration does not allow its own URL
} HttpRequestMade;

// `unix_s`: now, for the signature; `token`: of the callback, or NULL. Unless it is made, *why says why not. http_request_free in
// any case.
HttpRequestMade http_request_make(HttpRequest *out, const HttpHandler *handler, const Job *job,
                                  const char *token, int64_t unix_s, StrBuf *why);
void http_request_free(HttpRequest *self);

#endif
