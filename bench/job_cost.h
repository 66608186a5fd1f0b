// SPDX-License-Identifier: MIT
// Job cost: the buffers that jobs touch and dirty on their way from enqueue to finish, as EXPLAIN counts them.
#ifndef BENCH_JOB_COST_H
#define BENCH_JOB_COST_H

#include "bench/bench.h"

// One repetition, in a database of its own: each of ganger's three statements beside a plain one that handles the same rows.
void job_cost_measure(Bench *bench);

#endif
