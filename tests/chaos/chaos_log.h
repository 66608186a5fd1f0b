// SPDX-License-Identifier: MIT
// The logs of the chaos tests: what producers asked for and were answered, and what was done to whom. Append-only files outside the
// database, as that is among the victims; a line is one write, so that lines of several threads never mix.
#ifndef TESTS_CHAOS_CHAOS_LOG_H
#define TESTS_CHAOS_CHAOS_LOG_H

#include <stdint.h>

// One call of a producer. Its outcome is `ok` (the answer came), `fail` (refused, or rolled back: it has done nothing) or `unknown`
// (the connection went before the answer). Each job carries "producer.number" as `op` in its payload.
typedef struct ProducerOp {
    int producer;
    int number;
    const char *kind; // enqueue, many, batch, order; cancel, retry
    const char *key;  // idempotency key, or the batch's id; NULL none
    int count;        // how many jobs it is to make
} ProducerOp;

// Opens a log for appending; the caller closes it.
int chaos_log_open(const char *path);
void producer_log_invoke(int file, const ProducerOp *op);
// A job the answer names; 0: none. A call that made several has a line for each.
void producer_log_ok(int file, const ProducerOp *op, int64_t id, const char *answer);
void producer_log_fail(int file, const ProducerOp *op, const char *code);
// id: of the job the call was about, 0 none.
void producer_log_unknown(int file, const ProducerOp *op, int64_t id);
// What was done to a process or server.
void nemesis_log_strike(int file, const char *victim, int pid);

#endif
