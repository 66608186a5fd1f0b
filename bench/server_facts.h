// SPDX-License-Identifier: MIT
// Server facts: the settings and the machine that figures were measured with.
#ifndef BENCH_SERVER_FACTS_H
#define BENCH_SERVER_FACTS_H

#include "bench/bench.h"

// Members of a JSON object, without braces; caller frees.
char *server_facts_json(const Bench *bench);

#endif
