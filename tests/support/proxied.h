// SPDX-License-Identifier: MIT
// Proxied: what the tests share that put the FaultProxy between gangerd, or a producer, and PostgreSQL.
#ifndef TESTS_SUPPORT_PROXIED_H
#define TESTS_SUPPORT_PROXIED_H

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/base/clock.h"
#include "tests/support/daemon.h"
#include "tests/support/fault_proxy.h"

// How often a test strikes: a few times in the suite, as often as GANGER_TEST_CUTS says where there is time.
static inline int proxied_cuts(int otherwise)
{
    const char *cuts = getenv("GANGER_TEST_CUTS");
    return cuts != NULL ? (int)strtol(cuts, NULL, 10) : otherwise;
}

// A gangerd whose connections all go through the proxy.
static inline Daemon *proxied_run(SystemTest *test, const FaultProxy *proxy, const char *name,
                                  int workers, const DaemonOptions *more)
{
    char database[900];
    char pools[100];
    (void)snprintf(database, sizeof database, "{url: \"%s\", poll_interval: 100ms}",
                   fault_proxy_url(proxy));
    (void)snprintf(pools, sizeof pools, "{default: {queues: [default], processes: %d}}", workers);
    DaemonOptions options = more != NULL ? *more : (DaemonOptions){.poll = NULL};
    options.database = database;
    options.pools = options.pools != NULL ? options.pools : pools;
    return daemon_run(test, name, workers, &options);
}

#endif
