// SPDX-License-Identifier: MIT
// HttpClient: sends one request at a time and keeps its connections for the next. It connects to allowed addresses only, follows no
// redirect and no proxy of the environment, and reads no more than it is told to.
#ifndef WORKER_HTTP_CLIENT_H
#define WORKER_HTTP_CLIENT_H

#include "worker/http_request.h"

enum { HTTP_RETRY_AFTER_BYTES = 64 };

typedef struct HttpClient HttpClient; // one per process: connections outlive the jobs

typedef enum HttpWatch { // what the world says while a request is on its way
    HTTP_GO_ON,
    HTTP_STOP
} HttpWatch;

typedef struct HttpExchange {
    const HttpRequest *request;
    const HttpHandler *handler;
    // Asked before and after each wait. `*left_ms`: how long the next wait may be at most.
    HttpWatch (*watch)(void *data, int *left_ms);
    void *watch_data;
    const int *wake_fds; // ends of a wait, beside the connection
    size_t wake_count;
    // What came of it:
    int status;  // 0 = no answer
    StrBuf body; // at most max_response_bytes
    bool is_cut; // there was more
    char retry_after[HTTP_RETRY_AFTER_BYTES];
    char *error; // why there is no answer; NULL = there is one, or it was stopped
    bool is_stopped;
} HttpExchange;

// NULL (with *why): the library cannot be used.
HttpClient *http_client_create(StrBuf *why);
void http_client_destroy(HttpClient *self);

void http_client_run(HttpClient *self, HttpExchange *exchange);
void http_exchange_free(HttpExchange *exchange);

#endif
