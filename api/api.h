// SPDX-License-Identifier: MIT
// Api: the parts of the HTTP process, which find each other here. One thread; everything happens in its libev loop.
#ifndef API_API_H
#define API_API_H

#include <ev.h>
#include <stdbool.h>
#include <stdint.h>

#include "api/route.h"
#include "common/base/config.h"
#include "common/base/scoreboard.h"

typedef struct Api {
    struct ev_loop *loop;
    const Config *config;
    Scoreboard *board; // read-only but for our own slot
    struct Server *server;
    struct Pool *pool;
    struct TokenCache *tokens; // NULL: http.auth is none
    struct Throttle *throttle;
    struct Files *files;
    struct StreamHub *streams;
    struct Waiters *waiters;
    struct Ready *ready;
    struct Metrics *metrics; // NULL: at the end
    bool is_leaving;         // no new work
} Api;

#endif
