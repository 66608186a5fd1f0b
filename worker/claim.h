// SPDX-License-Identifier: MIT
// Claim: takes jobs under fresh leases and makes the whole batch visible in the slot before any of it starts.
#ifndef WORKER_CLAIM_H
#define WORKER_CLAIM_H

#include "worker/worker.h"

// Writes the finished part of the batch, if any, and claims the next one: one transaction, one round trip.
// STATUS_OK: job_count jobs are in jobs[] and in the slot. STATUS_EMPTY: nothing runnable. STATUS_LOST: connection gone (the
// finished part is still in the slot). STATUS_REFUSED: this worker is no longer alive. STATUS_RETRY: try again later.
MUST_CHECK Status claim_batch(Worker *self);

// Frees the jobs of the batch.
void claim_forget(Worker *self);

#endif
