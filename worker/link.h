// SPDX-License-Identifier: MIT
// Link: the worker's connection: first registration, and taking itself over to a new one after a loss.
#ifndef WORKER_LINK_H
#define WORKER_LINK_H

#include "worker/worker.h"

enum { LINK_RETRY_BASE_MS = 100, LINK_RETRY_CAP_MS = 5000 };

typedef enum LinkNeed {
    LINK_FOR_WORK,   // told to leave: there is nothing more to connect for
    LINK_FOR_RESULTS // a result waits to be written: a drain does not end the trying, nor does the supervisor's death: the second
                     // that is left after it ends with this process
} LinkNeed;

// Connects (again) and registers, or re-attaches, this worker; keeps trying for as long as there is a need.
// STATUS_OK: db and worker_id are valid. STATUS_LOST: told to leave before (LINK_FOR_WORK). STATUS_REFUSED: the node or worker
// is no longer alive (is_lease_lost is set). STATUS_FATAL: the schema does not fit.
MUST_CHECK Status link_connect(Worker *self, LinkNeed need);

// A connection to a primary that is no older than what this node has seen; not registered yet.
MUST_CHECK Status link_open(Worker *self, bool quiet);

// Drops a connection that was found broken.
void link_drop(Worker *self);
// Drops the connection when this node has seen a later primary meanwhile: nothing may be written here any more.
void link_drop_if_old(Worker *self);

// Sleeps until FD_WAKE, a signal, or `timeout_ms` (-1 = for ever). With a connection, a break of it ends the
// sleep and drops it. True when it was FD_WAKE.
bool link_sleep(Worker *self, int timeout_ms);

#endif
