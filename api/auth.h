// SPDX-License-Identifier: MIT
// Auth: who asks, and whether the route is for them.
#ifndef API_AUTH_H
#define API_AUTH_H

#include <stdbool.h>

#include "api/exchange.h"

// False: the request has been answered (401, 403, 429, 503). Otherwise the exchange has its actor.
bool auth_check(Exchange *exchange);

#endif
