// SPDX-License-Identifier: MIT
// A no-op handler that is counted, for jobs whose rows are gone when they have ended.
#include <ganger/handler.h>

#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "bench/tally_page.h"

static TallyPage *page; // of this worker, from its first job on

static TallyPage *map_page(void)
{
    const char *path = getenv(TALLY_VARIABLE);
    const int fd = path != NULL ? open(path, O_RDWR | O_CLOEXEC) : -1;
    if (fd < 0) {
        return NULL;
    }
    void *memory = mmap(NULL, sizeof(TallyPage), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    (void)close(fd);
    return memory != MAP_FAILED ? memory : NULL;
}

static enum ganger_result run_tally(const ganger_job *job, ganger_context *context)
{
    (void)job;
    if (page == NULL && (page = map_page()) == NULL) {
        ganger_set_error(context, "no file to count in");
        return GANGER_DISCARD;
    }
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    const long long now_ns = (long long)now.tv_sec * 1000000000 + now.tv_nsec;
    long long none = 0;
    if (atomic_load(&page->first_ns) == 0) {
        (void)atomic_compare_exchange_strong(&page->first_ns, &none, now_ns);
    }
    atomic_store(&page->last_ns, now_ns);
    (void)atomic_fetch_add(&page->jobs, 1);
    return GANGER_OK;
}

static const ganger_handler handlers[] = {
    {"bench_tally", run_tally, NULL},
    {NULL, NULL, NULL},
};

const struct ganger_plugin ganger_plugin_v1 = GANGER_PLUGIN("bench_tally", handlers);
