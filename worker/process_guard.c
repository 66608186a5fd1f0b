// SPDX-License-Identifier: MIT
// ProcessGuard: what a plugin may have changed in this process, put back after its run.
#include "worker/process_guard.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/base/log.h"
#include "worker/process_state.h"
#include "worker/runner.h"
#include "worker/syscall_watch.h"

enum { OWN_FILES = 64 }; // open files a worker needs for itself

static const __rlimit_resource_t RESOURCES[PROCESS_GUARD_LIMITS] = {RLIMIT_CPU, RLIMIT_AS,
                                                                    RLIMIT_NOFILE, RLIMIT_FSIZE};

static bool any(const HandlerLimits *limits)
{
    return limits->cpu_ms > 0 || limits->memory_bytes > 0 || limits->files > 0 ||
           limits->file_size_bytes > 0;
}

static rlim_t seconds_up(int64_t ms)
{
    return (rlim_t)((ms + 999) / 1000);
}

ProcessMemory process_memory(void)
{
    ProcessMemory memory = {0};
    char line[128];
    FILE *file = fopen("/proc/self/statm", "re"); // pages: total, resident, ...
    if (file == NULL) {
        return memory;
    }
    if (fgets(line, sizeof line, file) != NULL) {
        const int64_t page_bytes = sysconf(_SC_PAGESIZE);
        char *end = NULL;
        memory.virtual_bytes = strtoll(line, &end, 10) * page_bytes;
        memory.resident_bytes = strtoll(end, NULL, 10) * page_bytes;
    }
    (void)fclose(file);
    return memory;
}

// The soft limits wanted, in the order of RESOURCES; RLIM_INFINITY = leave it.
static void wanted_for_plugin(const HandlerLimits *limits, rlim_t wanted[PROCESS_GUARD_LIMITS])
{
    for (int i = 0; i < PROCESS_GUARD_LIMITS; i++) {
        wanted[i] = RLIM_INFINITY;
    }
    if (limits->cpu_ms > 0) { // counted over the life of the process
        wanted[0] = seconds_up(clock_cpu_us() / 1000 + limits->cpu_ms);
    }
    if (limits->memory_bytes > 0) {
        wanted[1] = (rlim_t)(process_memory().virtual_bytes + limits->memory_bytes);
    }
    if (limits->files > 0) {
        wanted[2] = (rlim_t)limits->files + OWN_FILES;
    }
    if (limits->file_size_bytes > 0) {
        wanted[3] = (rlim_t)limits->file_size_bytes;
    }
}

static void set_limits(ProcessGuard *guard, const HandlerLimits *limits)
{
    rlim_t wanted[PROCESS_GUARD_LIMITS];
    wanted_for_plugin(limits, wanted);
    for (int i = 0; i < PROCESS_GUARD_LIMITS; i++) {
        (void)getrlimit(RESOURCES[i], &guard->limits[i]);
        struct rlimit limit = guard->limits[i];
        if (wanted[i] < limit.rlim_cur) {
            limit.rlim_cur = wanted[i];
            (void)setrlimit(RESOURCES[i], &limit);
        }
    }
}

void process_guard_begin(ProcessGuard *guard, const HandlerLimits *limits)
{
    static bool is_taken;
    if (!is_taken) {
        is_taken = true;
        process_state_take();
    }
    guard->has_limits = any(limits);
    guard->files_limit = limits->files > 0 ? limits->files + OWN_FILES : 0;
    if (guard->has_limits) {
        set_limits(guard, limits);
    }
    syscall_watch_begin();
}

bool process_guard_end(const ProcessGuard *guard)
{
    const bool is_untouched = syscall_watch_end();
    for (int i = 0; guard->has_limits && i < PROCESS_GUARD_LIMITS; i++) {
        (void)setrlimit(RESOURCES[i], &guard->limits[i]);
    }
    process_state_put_back_memory();
    if (!is_untouched) {
        process_state_put_back(guard->files_limit);
        run_sweep_children();
    }
    return is_untouched;
}

static bool set_both(__rlimit_resource_t resource, rlim_t soft, rlim_t hard)
{
    struct rlimit old;
    if (getrlimit(resource, &old) != 0) {
        return false;
    }
    const rlim_t top = hard < old.rlim_max ? hard : old.rlim_max;
    const struct rlimit limit = {.rlim_cur = soft < top ? soft : top, .rlim_max = top};
    return setrlimit(resource, &limit) == 0;
}

bool process_limits_apply(const HandlerLimits *limits)
{
    bool ok = true;
    if (limits->cpu_ms > 0) { // SIGXCPU says why; SIGKILL follows where it is ignored
        const rlim_t seconds = seconds_up(limits->cpu_ms);
        ok = set_both(RLIMIT_CPU, seconds, seconds + 1) && ok;
    }
    if (limits->memory_bytes > 0) {
        const rlim_t bytes = (rlim_t)limits->memory_bytes;
        ok = set_both(RLIMIT_AS, bytes, bytes) && ok;
    }
    if (limits->files > 0) {
        ok = set_both(RLIMIT_NOFILE, (rlim_t)limits->files, (rlim_t)limits->files) && ok;
    }
    if (limits->file_size_bytes > 0) {
        const rlim_t bytes = (rlim_t)limits->file_size_bytes;
        ok = set_both(RLIMIT_FSIZE, bytes, bytes) && ok;
    }
    if (limits->processes > 0) {
        const rlim_t processes = (rlim_t)limits->processes;
        ok = set_both(RLIMIT_NPROC, processes, processes) && ok;
    }
    return ok;
}
