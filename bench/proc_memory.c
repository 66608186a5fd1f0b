// SPDX-License-Identifier: MIT
// Process memory: see the header.
#include "bench/proc_memory.h"

#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/bench.h"
#include "bench/node.h"

// The figure of a line like "Pss: 123 kB", in MB; else `before`.
static double megabytes(const char *line, const char *name, double before)
{
    const size_t length = strlen(name);
    return strncmp(line, name, length) == 0 ? strtod(line + length, NULL) / 1024 : before;
}

static MemoryOf memory_of(long pid)
{
    char path[64];
    char line[256];
    MemoryOf memory = {0};
    (void)snprintf(path, sizeof path, "/proc/%ld/smaps_rollup", pid);
    FILE *file = fopen(path, "re");
    while (file != NULL && fgets(line, sizeof line, file) != NULL) {
        memory.rss = megabytes(line, "Rss:", memory.rss);
        memory.pss = megabytes(line, "Pss:", memory.pss);
        memory.anonymous = megabytes(line, "Pss_Anon:", memory.anonymous);
    }
    if (file != NULL) {
        (void)fclose(file);
    }
    return memory;
}

static void keep_most(MemoryOf *most, const MemoryOf *other)
{
    most->rss = fmax(most->rss, other->rss);
    most->pss = fmax(most->pss, other->pss);
    most->anonymous = fmax(most->anonymous, other->anonymous);
}

static bool is_named(long pid, const char *name)
{
    char path[64];
    char line[64] = "";
    (void)snprintf(path, sizeof path, "/proc/%ld/comm", pid);
    FILE *file = fopen(path, "re");
    bool is_same = file != NULL && fgets(line, sizeof line, file) != NULL &&
                   strncmp(line, name, strlen(name)) == 0;
    if (file != NULL) {
        (void)fclose(file);
    }
    return is_same;
}

NodeMemory proc_memory_of_node(void)
{
    char path[64];
    char line[512] = "";
    const long supervisor = node_pid();
    NodeMemory memory = {.supervisor = memory_of(supervisor)};
    (void)snprintf(path, sizeof path, "/proc/%ld/task/%ld/children", supervisor, supervisor);
    FILE *file = fopen(path, "re");
    if (file == NULL || fgets(line, sizeof line, file) == NULL) {
        bench_fail("cannot read %s", path);
    }
    (void)fclose(file);
    char *at = line;
    for (long child; (child = strtol(at, &at, 10)) > 0;) {
        const MemoryOf used = memory_of(child);
        if (is_named(child, "ganger-reaper")) {
            memory.reaper = used;
        } else if (is_named(child, "ganger-api")) {
            memory.api = used;
        } else if (is_named(child, "ganger-worker")) {
            keep_most(&memory.worker, &used);
        }
    }
    return memory;
}

void proc_memory_keep_most(NodeMemory *most, const NodeMemory *other)
{
    keep_most(&most->supervisor, &other->supervisor);
    keep_most(&most->reaper, &other->reaper);
    keep_most(&most->api, &other->api);
    keep_most(&most->worker, &other->worker);
}
