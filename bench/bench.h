// SPDX-License-Identifier: MIT
// Bench: what a scenario has at hand, and the table of scenarios.
//
// The SQL of a benchmark stands beside the code that times it; anything that goes wrong ends the program
// (bench_fail), which takes its gangerd and its databases with it.
#ifndef BENCH_BENCH_H
#define BENCH_BENCH_H

#include <stdbool.h>
#include <stdint.h>

#include "bench/report.h"

typedef struct Bench {
    const char *server; // connection string of the server, given by the user
    char *folder;       // for configurations, sockets and probe records; deleted at the end
    int repeats;
    int seconds;   // length of a figure that is a rate over time
    bool is_quick; // a tenth of the jobs
    Report report;
} Bench;

typedef struct Scenario {
    const char *name;
    const char *about;
    void (*run)(Bench *bench);
} Scenario;

void scenario_drain(Bench *bench);
void scenario_enqueue(Bench *bench);
void scenario_latency(Bench *bench);
void scenario_scheduled(Bench *bench);
void scenario_kill(Bench *bench);
void scenario_crash(Bench *bench);
void scenario_footprint(Bench *bench);
void scenario_snapshot(Bench *bench);
void scenario_groups(Bench *bench);
void scenario_mixed(Bench *bench);
void scenario_exec(Bench *bench);
void scenario_sql(Bench *bench);
void scenario_features(Bench *bench);
void scenario_scale(Bench *bench);
void scenario_memory(Bench *bench);
void scenario_backlog(Bench *bench);
void scenario_lanes(Bench *bench);
void scenario_pooler(Bench *bench);
void scenario_http(Bench *bench);

// `full` repetitions, or a tenth with --quick.
int bench_count(const Bench *bench, int full);

int64_t bench_now_ns(void);  // CLOCK_MONOTONIC
int64_t bench_wall_ns(void); // CLOCK_REALTIME
void bench_sleep_ms(int ms);
void bench_sleep_until_ns(int64_t monotonic_ns);

// Live text on a terminal: which step of which scenario runs. NULL takes the line away.
void bench_live(const char *format, ...) __attribute__((format(printf, 1, 2)));
// Says why on stderr and exits with 70, after cleaning up.
_Noreturn void bench_fail(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
