// SPDX-License-Identifier: MIT
// HTTP clients: several processes that repeat one request, each on a connection of its own that is kept.
#ifndef BENCH_HTTP_CLIENTS_H
#define BENCH_HTTP_CLIENTS_H

typedef struct HttpRate {
    double per_second; // all together
    double median_ms;  // of the client that has the longest
    double p99_ms;
} HttpRate;

// A port of 127.0.0.1 that nobody uses at the moment.
int http_free_port(void);
// Connected to 127.0.0.1:port; ends the program when it cannot within some seconds.
int http_connect(int port);
// The whole text of a request; `body` NULL: none. Caller frees.
char *http_request(const char *method, const char *path, const char *body);
// Sends `request` on `socket` and reads the whole answer; ends the program unless its status is 2xx. Returns milliseconds.
double http_call(int socket, const char *request);
// At most CLIENTS_MAX clients.
HttpRate http_clients_run(int port, const char *request, int clients, double seconds);

#endif
