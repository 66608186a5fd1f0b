// SPDX-License-Identifier: MIT
// Router: method and path -> a route, and what its {names} stand for.
#ifndef API_ROUTER_H
#define API_ROUTER_H

#include <stdbool.h>
#include <stddef.h>

#include "api/route.h"
#include "api/target.h"

enum { ROUTER_VARIABLE_MAX = 4, ROUTER_NAME_BYTES = 32, ROUTER_ALLOW_BYTES = 64 };

typedef struct RouterVariable {
    char name[ROUTER_NAME_BYTES];
    const char *value; // of the target
} RouterVariable;

typedef enum RouterOutcome {
    ROUTER_FOUND,
    ROUTER_NONE,   // no such path
    ROUTER_BAD_ID, // a path but for an {id} that is no positive whole number
    ROUTER_METHOD  // the path, with other methods: `allow` names them
} RouterOutcome;

typedef struct RouterMatch {
    const Route *route;
    RouterVariable variables[ROUTER_VARIABLE_MAX];
    size_t variable_count;
    char allow[ROUTER_ALLOW_BYTES];
} RouterMatch;

// Of several patterns that fit, the one with fewer {names}. HEAD is served by what serves GET.
RouterOutcome router_find(const Route *routes, size_t count, const char *method,
                          const Target *target, RouterMatch *match);

#endif
