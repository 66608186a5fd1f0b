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
    struct Metrics *metrics;
    int64_t started_at; // clock_boot_ms
    bool is_leaving;    // no new work
    // Told of each answered request (status 0: the client went before), for the metrics; `route` NULL: none. NULL: nobody is.
    void (*on_request_done)(const struct Api *api, const Route *route, int status, int64_t took_us);
} Api;

#endif
