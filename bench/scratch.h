// SPDX-License-Identifier: MIT
// Scratch: databases of our own on the user's server, made from one migrated template, dropped at the end.
#ifndef BENCH_SCRATCH_H
#define BENCH_SCRATCH_H

#include "bench/bench.h"

// Makes the template. Everything made here is dropped when the program exits.
void scratch_init(const Bench *bench);
// A fresh database with the schema; returns its connection string, which stays valid.
const char *scratch_make(void);
// Drops the database of the last scratch_make; its sessions are ended.
void scratch_drop(void);
// Transactions committed in the database in use, as far as its sessions have reported them.
int64_t scratch_commits(void);

#endif
