// SPDX-License-Identifier: MIT
// Seeded bugs: see the header.
#include "common/base/seeded_bug.h"

#include "common/base/status.h"

#ifdef GANGER_FAULT_POINTS

#include <pthread.h>
#include <stddef.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/base/exit_code.h"
#include "common/base/log.h"
#include "common/base/memory.h"

// Where each is, and what it does.
static const char *const known[] = {
    "grandchild_survives", // worker/runner.c: what a handler leaves behind is not swept
    "live_backend", // reaper/settle.c: a dead worker's session is not ended before its jobs go back
    "commit_unfenced", // worker/job_transaction.c: effects are committed though the end was refused
    "done_forgotten",  // reaper/obituary.c: what was recorded as done counts as never begun
};

static const char *active;
static pthread_once_t is_read = PTHREAD_ONCE_INIT;

static bool is_known(const char *name)
{
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        if (str_equal(known[i], name)) {
            return true;
        }
    }
    return false;
}

static void read_active(void)
{
    const char *name = getenv("GANGER_SEEDED_BUG");
    if (name == NULL || *name == '\0') {
        return;
    }
    if (!is_known(name)) {
        log_fatal("seeded_bug.refused", "name=\"%s\"", name);
        _exit(EXIT_CODE_USAGE);
    }
    active = name;
}

void seeded_bug_check(void)
{
    (void)pthread_once(&is_read, read_active);
}

bool seeded_bug(const char *name)
{
    (void)pthread_once(&is_read, read_active);
    if (!is_known(name)) {
        panic("there is no seeded bug %s", name);
    }
    return active != NULL && str_equal(active, name);
}

#endif
