// SPDX-License-Identifier: MIT
// Pace: how fast jobs ended, stretch by stretch, as ganger's rows tell.
#ifndef BENCH_PACE_H
#define BENCH_PACE_H

#include <libpq-fe.h>
#include <stdint.h>

enum { PACE_MAX = 64 };

// at[i]: when i * step jobs had ended, in seconds after the first.
typedef struct Pace {
    int step;
    int count;
    double at[PACE_MAX + 1];
} Pace;

// Of the jobs that completed after `sequence` (load_sequence), in the order of their ends.
void pace_read(PGconn *conn, int64_t sequence, int step, Pace *pace);
// Jobs a second from the end of stretch `from` to that of stretch `to`. Stretch 1 has the warming up in it.
double pace_rate(const Pace *pace, int from, int to);

#endif
