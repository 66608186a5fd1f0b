// SPDX-License-Identifier: MIT
// Origin: keeps the pages of other sites from using a browser to reach us (DNS rebinding, cross-site requests).
#ifndef API_ORIGIN_H
#define API_ORIGIN_H

#include <stdbool.h>
#include <stddef.h>

#include "common/base/config.h"

typedef struct OriginRequest {
    bool is_unix;     // came by a unix socket: no browser does
    bool is_open;     // no token is asked for: the Host must be ours
    bool is_read;     // GET, HEAD: changes nothing
    const char *host; // the headers; NULL = not there
    const char *origin;
    const char *fetch_site;
    const StringList
        *hosts; // what is ours beside loopback: names of the configuration, addresses we listen on
} OriginRequest;

// NULL when all is well, else a sentence that says what to do: 403.
const char *origin_problem(const OriginRequest *request);

#endif
