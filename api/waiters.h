// SPDX-License-Identifier: MIT
// Waiters: answers that wait until a job has ended: GET /api/jobs/{id}?wait=30s, POST /api/jobs?wait=30s.
//
// One short statement every 100 ms asks for all of them together which jobs have ended; while nobody waits nothing is asked. An answer
// that waits holds no connection to the database.
#ifndef API_WAITERS_H
#define API_WAITERS_H

#include "api/api.h"
#include "api/exchange.h"

enum { WAITERS_MAX = 1000, WAITERS_MIN_MS = 1000, WAITERS_MAX_MS = 60000 };

typedef struct Waiters Waiters;

// `api` has loop and pool, and outlives it.
Waiters *waiters_create(Api *api);
// After the server, which ends what waits; before the pool is destroyed.
void waiters_destroy(Waiters *self);

// Of ROUTE_WAIT; without ?wait it is answered at once.
void waiters_answer(Exchange *exchange);
// The process is leaving: what waits is answered with the job as it is.
void waiters_hurry(Waiters *self);

#endif
