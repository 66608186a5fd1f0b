// SPDX-License-Identifier: MIT
// HTTP clients: see the header.
#include "bench/http_clients.h"

#include <arpa/inet.h>
#include <errno.h>
#include <math.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bench/bench.h"
#include "bench/clients.h"
#include "bench/helper.h"
#include "bench/stats.h"
#include "common/base/memory.h"

enum { CONNECT_TRIES = 1000, CONNECT_PAUSE_MS = 10, ANSWER_BYTES = 1 << 22, SAMPLES_MAX = 1 << 20 };

typedef struct Client {
    int port;
    const char *request;
    double seconds;
    HttpRate *rate; // shared with this program
} Client;

static struct sockaddr_in local_address(int port)
{
    return (struct sockaddr_in){.sin_family = AF_INET,
                                .sin_port = htons((uint16_t)port),
                                .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
}

int http_free_port(void)
{
    struct sockaddr_in address = local_address(0);
    socklen_t length = sizeof address;
    int probe = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (probe < 0 || bind(probe, (struct sockaddr *)&address, sizeof address) != 0 ||
        getsockname(probe, (struct sockaddr *)&address, &length) != 0) {
        bench_fail("no free port: %s", strerror(errno));
    }
    (void)close(probe);
    return ntohs(address.sin_port);
}

int http_connect(int port)
{
    const struct sockaddr_in address = local_address(port);
    for (int i = 0; i < CONNECT_TRIES; i++) {
        int made = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (made >= 0 && connect(made, (const struct sockaddr *)&address, sizeof address) == 0) {
            const int on = 1;
            (void)setsockopt(made, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
            return made;
        }
        if (made >= 0) {
            (void)close(made);
        }
        bench_sleep_ms(CONNECT_PAUSE_MS);
    }
    bench_fail("nobody listens on 127.0.0.1:%d: %s", port, strerror(errno));
}

char *http_request(const char *method, const char *path, const char *body)
{
    if (body == NULL) {
        return mem_printf("%s %s HTTP/1.1\r\nHost: localhost\r\n\r\n", method, path);
    }
    return mem_printf("%s %s HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
                      "Content-Length: %zu\r\n\r\n%s",
                      method, path, strlen(body), body);
}

// Length of the whole answer, 0 while its head is not there yet.
static size_t answer_length(const char *answer)
{
    static const char name[] = "\r\nContent-Length:";
    const char *end = strstr(answer, "\r\n\r\n");
    if (end == NULL) {
        return 0;
    }
    const char *length = strcasestr(answer, name);
    if (length == NULL || length > end) {
        bench_fail("an answer without Content-Length: %.200s", answer);
    }
    return (size_t)(end + 4 - answer) + strtoul(length + sizeof name - 1, NULL, 10);
}

static void read_answer(int socket, char *answer)
{
    size_t got = 0;
    size_t wanted = 0;
    do {
        ssize_t more = read(socket, answer + got, ANSWER_BYTES - 1 - got);
        if (more <= 0) {
            bench_fail("the server closed the connection: %s", more < 0 ? strerror(errno) : "EOF");
        }
        got += (size_t)more;
        answer[got] = '\0';
        if (wanted == 0) {
            wanted = answer_length(answer);
        }
    } while (wanted == 0 || got < wanted);
    if (strncmp(answer, "HTTP/1.1 2", 10) != 0) {
        bench_fail("the server said: %.400s", answer);
    }
}

double http_call(int socket, const char *request)
{
    static char *answer;
    if (answer == NULL) {
        answer = mem_alloc(ANSWER_BYTES);
    }
    const int64_t start = bench_now_ns();
    const size_t length = strlen(request);
    if (write(socket, request, length) != (ssize_t)length) {
        bench_fail("a request could not be sent: %s", strerror(errno));
    }
    read_answer(socket, answer);
    return (double)(bench_now_ns() - start) / 1e6;
}

static void run_client(const HelperSide *side, void *data)
{
    const Client *client = data;
    double *samples = mem_alloc(SAMPLES_MAX * sizeof *samples);
    const int connection = http_connect(client->port);
    (void)http_call(connection, client->request);
    helper_ready(side);
    helper_wait_go(side);
    const int64_t start = bench_now_ns();
    const int64_t until = start + (int64_t)(client->seconds * 1e9);
    int calls = 0;
    while (bench_now_ns() < until && calls < SAMPLES_MAX) {
        samples[calls++] = http_call(connection, client->request);
    }
    client->rate->per_second = calls / ((double)(bench_now_ns() - start) / 1e9);
    stats_sort(samples, calls);
    client->rate->median_ms = stats_percentile(samples, calls, 50);
    client->rate->p99_ms = stats_percentile(samples, calls, 99);
    free(samples);
    (void)close(connection);
}

HttpRate http_clients_run(int port, const char *request, int clients, double seconds)
{
    const size_t bytes = sizeof(HttpRate) * CLIENTS_MAX;
    HttpRate *rates = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (rates == MAP_FAILED || clients > CLIENTS_MAX) {
        bench_fail("%d clients: %s", clients, strerror(errno));
    }
    Helper helpers[CLIENTS_MAX];
    for (int i = 0; i < clients; i++) {
        helper_start(
            &helpers[i], run_client,
            &(Client){.port = port, .request = request, .seconds = seconds, .rate = &rates[i]});
        helper_wait_ready(&helpers[i]);
    }
    (void)helpers_run(helpers, clients);
    HttpRate all = {0};
    for (int i = 0; i < clients; i++) {
        all.per_second += rates[i].per_second;
        all.median_ms = fmax(all.median_ms, rates[i].median_ms);
        all.p99_ms = fmax(all.p99_ms, rates[i].p99_ms);
    }
    (void)munmap(rates, bytes);
    return all;
}
