// SPDX-License-Identifier: MIT
// Auth: who asks, and whether the route is for them.
#ifndef API_AUTH_H
#define API_AUTH_H

#include "api/exchange.h"

typedef enum AuthVerdict {
    AUTH_REFUSED, // the request has been answered (401, 403, 429, 503)
    AUTH_OPEN,    // the token may have been made just now: auth_await, then ask again
    AUTH_GRANTED  // the exchange has its actor
} AuthVerdict;

AuthVerdict auth_check(Exchange *exchange);
// Wakes the exchange, which is to be suspended, when auth_check can say more; it says AUTH_OPEN once only.
void auth_await(Exchange *exchange);
void auth_forget(Exchange *exchange);

#endif
