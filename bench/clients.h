// SPDX-License-Identifier: MIT
// Clients: several processes that repeat one statement, a commit each, for some seconds.
#ifndef BENCH_CLIENTS_H
#define BENCH_CLIENTS_H

enum { CLIENTS_MAX = 16 };

// Returns how many statements they have run in a second, all together.
double clients_run(const char *conninfo, const char *statement, int clients, double seconds);
// The same with text parameters, a NULL for null.
double clients_run_with(const char *conninfo, const char *statement, int count,
                        const char *const *values, int clients, double seconds);

#endif
