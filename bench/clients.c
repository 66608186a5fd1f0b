// SPDX-License-Identifier: MIT
// Clients: see the header.
#include "bench/clients.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include "bench/bench.h"
#include "bench/helper.h"
#include "bench/sql.h"

typedef struct Client {
    const char *conninfo;
    const char *statement;
    int count; // of parameters
    const char *const *values;
    double seconds;
    double *rate; // shared with this program
} Client;

static void run_client(const HelperSide *side, void *data)
{
    const Client *client = data;
    PGconn *conn = sql_connect(client->conninfo);
    sql_prepare(conn, "one", client->statement);
    PQclear(sql_execute(conn, "one", client->count, client->values)); // plans it, and what it calls
    helper_ready(side);
    helper_wait_go(side);
    int64_t start = bench_now_ns();
    int64_t until = start + (int64_t)(client->seconds * 1e9);
    int64_t now = start;
    int64_t calls = 0;
    for (; now < until; now = bench_now_ns()) {
        PQclear(sql_execute(conn, "one", client->count, client->values));
        calls++;
    }
    *client->rate = (double)calls / ((double)(now - start) / 1e9);
    PQfinish(conn);
}

double clients_run(const char *conninfo, const char *statement, int clients, double seconds)
{
    return clients_run_with(conninfo, statement, 0, NULL, clients, seconds);
}

double clients_run_with(const char *conninfo, const char *statement, int count,
                        const char *const *values, int clients, double seconds)
{
    size_t bytes = sizeof(double) * CLIENTS_MAX;
    double *rates = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (rates == MAP_FAILED) {
        bench_fail("mmap: %s", strerror(errno));
    }
    Helper helpers[CLIENTS_MAX];
    if (clients > CLIENTS_MAX) {
        bench_fail("more than %d clients", (int)CLIENTS_MAX);
    }
    for (int i = 0; i < clients; i++) {
        helper_start(&helpers[i], run_client,
                     &(Client){.conninfo = conninfo,
                               .statement = statement,
                               .count = count,
                               .values = values,
                               .seconds = seconds,
                               .rate = &rates[i]});
        helper_wait_ready(&helpers[i]);
    }
    (void)helpers_run(helpers, clients);
    double sum = 0;
    for (int i = 0; i < clients; i++) {
        sum += rates[i];
    }
    (void)munmap(rates, bytes);
    return sum;
}
