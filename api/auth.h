// SPDX-License-Identifier: MIT
// Auth: who asks, and whether the route is for them.
#ifndef API_AUTH_H
#define API_AUTH_H

#include "api/exchange.h"

typedef enum AuthVerdict {
    AUTH_REFUSED, // the request has been answered (401, 403, 429, 503)
    AUTH_OPEN, // the token may have been made just now: it is woken when more is known, and asks again
    AUTH_GRANTED // the exchange has its actor
} AuthVerdict;

AuthVerdict auth_check(Exchange *exchange);
// Who has got AUTH_OPEN, and is to be suspended, goes without being woken. It is got once only.
void auth_forget(Exchange *exchange);

#endif
