// SPDX-License-Identifier: MIT
// The checker of the chaos tests: what the database says against what handlers and producers wrote down. It knows nothing of how that
// came about: the random test and the scenarios of seeded bugs are judged by the same promises.
#ifndef TESTS_CHAOS_CHAOS_CHECK_H
#define TESTS_CHAOS_CHAOS_CHECK_H

#include <libpq-fe.h>
#include <stdbool.h>
#include <stdint.h>

typedef struct ChaosVerdict {
    int broken;       // promises
    char names[1024]; // of those, one a line
    bool is_reported; // each is printed, with what breaks it
} ChaosVerdict;

// Loads the logs of this folder (journal, producer.*, nemesis; those that are there) and checks every promise in
// promises.sql. Once for a database.
void chaos_check(PGconn *conn, const char *folder, ChaosVerdict *verdict);
// I18: how long after SIGKILL to a worker the job it ran was claimable again: prints it, and returns the 99th percentile; -1: there was
// no such death. After chaos_check().
int64_t chaos_claimable_p99_ms(PGconn *conn);
// Prints counts of jobs, attempts and calls; after chaos_check().
void chaos_report(PGconn *conn);

#endif
