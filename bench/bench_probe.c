// SPDX-License-Identifier: MIT
// Handlers that note the instant they start in the file their payload names: {"at": n, "file": "path"}.
#include <ganger/handler.h>

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "bench/probe_record.h"

static int64_t read_clock(clockid_t clock)
{
    struct timespec now;
    (void)clock_gettime(clock, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

// The payload is jsonb's own text: keys are written exactly so, and the paths need no escapes.
static int open_file(const char *payload)
{
    static const char key[] = "\"file\": \"";
    const char *start = strstr(payload, key);
    if (start == NULL) {
        return -1;
    }
    start += sizeof key - 1;
    const size_t length = strcspn(start, "\"");
    char path[256];
    if (length >= sizeof path) {
        return -1;
    }
    memcpy(path, start, length);
    path[length] = '\0';
    return open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
}

static int64_t payload_number(const char *payload, const char *key)
{
    const char *at = strstr(payload, key);
    return at != NULL ? strtoll(at + strlen(key), NULL, 10) : 0;
}

static ProbeRecord begin(const ganger_job *job)
{
    return (ProbeRecord){.monotonic_ns = read_clock(CLOCK_MONOTONIC),
                         .wall_ns = read_clock(CLOCK_REALTIME),
                         .pid = getpid(),
                         .job_id = job->id,
                         .given = payload_number(job->payload, "\"at\": ")};
}

static int note(const ganger_job *job, const ProbeRecord *record)
{
    const int fd = open_file(job->payload);
    const int is_noted = fd >= 0 && write(fd, record, sizeof *record) == (ssize_t)sizeof *record;
    if (fd >= 0) {
        (void)close(fd);
    }
    return is_noted;
}

static int note_start(const ganger_job *job)
{
    const ProbeRecord record = begin(job);
    return note(job, &record);
}

static enum ganger_result run_stamp(const ganger_job *job, ganger_context *context)
{
    (void)context;
    return note_start(job) ? GANGER_OK : GANGER_DISCARD;
}

// An endless loop that no signal but SIGKILL ends.
static enum ganger_result run_spin(const ganger_job *job, ganger_context *context)
{
    (void)context;
    sigset_t all;
    sigfillset(&all);
    (void)sigprocmask(SIG_BLOCK, &all, NULL);
    if (!note_start(job)) {
        return GANGER_DISCARD;
    }
    volatile int is_on = 1;
    while (is_on) {
    }
    return GANGER_OK;
}

// Busy without using the processor until it is told to stop.
static enum ganger_result run_hold(const ganger_job *job, ganger_context *context)
{
    if (!note_start(job)) {
        return GANGER_DISCARD;
    }
    while (!ganger_should_stop(context)) {
        const struct timespec pause = {.tv_nsec = 5000000L};
        (void)nanosleep(&pause, NULL);
    }
    return GANGER_OK;
}

// As long as "ms" says, without using the processor; noted at its end.
static enum ganger_result run_work(const ganger_job *job, ganger_context *context)
{
    (void)context;
    ProbeRecord record = begin(job);
    const int64_t ms = payload_number(job->payload, "\"ms\": ");
    const struct timespec pause = {.tv_sec = ms / 1000, .tv_nsec = (ms % 1000) * 1000000};
    (void)nanosleep(&pause, NULL);
    record.ended_ns = read_clock(CLOCK_MONOTONIC);
    return note(job, &record) ? GANGER_OK : GANGER_DISCARD;
}

static const ganger_handler handlers[] = {
    {"bench_stamp", run_stamp, NULL},
    {"bench_spin", run_spin, NULL},
    {"bench_hold", run_hold, NULL},
    {"bench_work", run_work, NULL},
    {NULL, NULL, NULL},
};

const struct ganger_plugin ganger_plugin_v1 = GANGER_PLUGIN("bench_probe", handlers);
