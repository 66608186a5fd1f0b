// SPDX-License-Identifier: MIT
// What the runners share: the stop flag, and the sweep that ends every attempt.
#include "worker/runner.h"

#include <stdatomic.h>

#include "common/base/log.h"
#include "common/base/proc_tree.h"
#include "common/base/seeded_bug.h"

enum { SWEEP_LIMIT_MS = 2000 }; // then the supervisor's sweep gets what is left, with the worker

bool run_should_stop(const RunContext *context)
{
    const long long serial = atomic_load_explicit(&context->slot->run_serial, memory_order_relaxed);
    const long long stop = atomic_load_explicit(&context->slot->stop_serial, memory_order_acquire);
    return stop != 0 && stop == serial;
}

void run_sweep_children(void)
{
    if (proc_has_no_children() || SEEDED_BUG("grandchild_survives")) {
        return;
    }
    const size_t left = proc_sweep(NULL, NULL, SWEEP_LIMIT_MS);
    if (left > 0) {
        log_warn("worker.sweep", "left=%zu", left);
    }
}
