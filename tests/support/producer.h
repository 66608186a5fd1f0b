// SPDX-License-Identifier: MIT
// Producer: a client of its own that enqueues one job after the other, each in a transaction of its own, and remembers which ids it was
// told. It ends with the first error: whether that last job was committed is then not known to it.
#ifndef TESTS_SUPPORT_PRODUCER_H
#define TESTS_SUPPORT_PRODUCER_H

#include <stdint.h>

#include "tests/support/daemon.h"

typedef struct Producer Producer;

// Jobs of type `journal` that take `ms`, to the database at `url`; on until an error or producer_stop.
Producer *producer_start(const SystemTest *test, const char *url, int ms);
// How many it was told of until now.
int producer_count(const Producer *self);
// Waits until these are `count`, or it has ended.
void producer_await(SystemTest *test, const Producer *self, int count);
// Ends it and waits for that.
void producer_stop(Producer *self);
int64_t producer_id(const Producer *self, int at);
// "1,2,3": the ids it was told, for SQL. Caller frees.
char *producer_ids(const Producer *self);
void producer_free(Producer *self);

#endif
