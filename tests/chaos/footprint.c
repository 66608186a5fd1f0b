// SPDX-License-Identifier: MIT
// Footprint: see the header.
#include "tests/chaos/footprint.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/base/memory.h"
#include "common/base/proc_stat.h"

enum { WATCHED = 2 * DAEMON_MAX, GROWTH_MAX_KIB = 1024, GROWTH_MAX_FDS = 4, WARM_UP = 4 };

// The largest in the first quarter of the looks, and in the last: small waves are in both.
typedef struct Watched {
    const char *role;
    pid_t pid;
    long *rss_kib;
    int *fds;
    int looks;
    int capacity;
} Watched;

struct Footprint {
    SystemTest *test;
    Watched watched[WATCHED];
};

Footprint *footprint_create(SystemTest *test)
{
    Footprint *self = mem_alloc(sizeof *self);
    self->test = test;
    return self;
}

static void look_at(Watched *watched, const char *role, pid_t pid)
{
    ProcStat stat;
    if (!proc_stat_read(pid, &stat) || stat.rss_bytes == 0) {
        return;
    }
    if (watched->pid != pid) { // it may not be the program yet, but this one
        watched->pid = pid;
        watched->looks = 0;
        return;
    }
    if (watched->looks == watched->capacity) {
        watched->capacity = watched->capacity * 2 + 64;
        watched->rss_kib =
            mem_realloc(watched->rss_kib, sizeof *watched->rss_kib * (size_t)watched->capacity);
        watched->fds = mem_realloc(watched->fds, sizeof *watched->fds * (size_t)watched->capacity);
    }
    watched->role = role;
    watched->rss_kib[watched->looks] = (long)(stat.rss_bytes / 1024);
    watched->fds[watched->looks++] = proc_count_fds(pid);
}

void footprint_sample(Footprint *self)
{
    for (int i = 0; i < self->test->daemon_count; i++) {
        const Daemon *daemon = &self->test->daemons[i];
        look_at(&self->watched[(size_t)i * 2], "supervisor", daemon->pid);
        look_at(&self->watched[(size_t)i * 2 + 1], "reaper",
                daemon->pid > 0 ? daemon_child(daemon, "ganger-reaper", 0) : 0);
    }
}

static void find_most(const Watched *watched, int from, int to, long *rss_kib, int *fds)
{
    *rss_kib = 0;
    *fds = 0;
    for (int i = from; i < to; i++) {
        *rss_kib = watched->rss_kib[i] > *rss_kib ? watched->rss_kib[i] : *rss_kib;
        *fds = watched->fds[i] > *fds ? watched->fds[i] : *fds;
    }
}

static bool is_flat(const Watched *watched, bool is_shown)
{
    long rss[2];
    int fds[2];
    int quarter = watched->looks / 4;
    if (quarter < WARM_UP) {
        return true;
    }
    find_most(watched, 0, quarter, &rss[0], &fds[0]);
    find_most(watched, watched->looks - quarter, watched->looks, &rss[1], &fds[1]);
    if (is_shown) {
        (void)fprintf(stderr, "chaos: %s %d: %ld -> %ld KiB, %d -> %d descriptors (%d looks)\n",
                      watched->role, (int)watched->pid, rss[0], rss[1], fds[0], fds[1],
                      watched->looks);
    }
    return rss[1] - rss[0] <= GROWTH_MAX_KIB && fds[1] - fds[0] <= GROWTH_MAX_FDS;
}

void footprint_report(const Footprint *footprint)
{
    for (int i = 0; i < WATCHED; i++) {
        (void)is_flat(&footprint->watched[i], true);
    }
}

bool footprint_is_flat(const Footprint *footprint)
{
    bool is_all_flat = true;
    for (int i = 0; i < WATCHED; i++) {
        is_all_flat = is_flat(&footprint->watched[i], false) && is_all_flat;
    }
    return is_all_flat;
}

void footprint_destroy(Footprint *footprint)
{
    for (int i = 0; i < WATCHED; i++) {
        free(footprint->watched[i].rss_kib);
        free(footprint->watched[i].fds);
    }
    free(footprint);
}
