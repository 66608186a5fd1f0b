// SPDX-License-Identifier: MIT
// Ready: answers GET /ready.
//
// It needs no token, so however many ask, and however often, the database is asked once at a time, and at most every READY_KEPT_MS.
#ifndef API_READY_H
#define API_READY_H

#include "api/api.h"
#include "api/exchange.h"

enum { READY_KEPT_MS = 250 };

typedef struct Ready Ready;

// `api` has loop and pool, and outlives it.
Ready *ready_create(Api *api);
// After the server, which ends what waits; before the pool is destroyed.
void ready_destroy(Ready *self);

// Of ROUTE_READY.
void ready_answer(Exchange *exchange);

#endif
