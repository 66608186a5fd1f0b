// SPDX-License-Identifier: MIT
// Built-in handlers: noop (returns at once), sleep ({"ms": n}), echo (output = payload).
#include <ganger/handler.h>

#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { SLEEP_SLICE_MS = 10 }; // how late a sleeping job may notice that it is to stop

static enum ganger_result run_noop(const ganger_job *job, ganger_context *context)
{
    (void)job;
    (void)context;
    return GANGER_OK;
}

static enum ganger_result run_echo(const ganger_job *job, ganger_context *context)
{
    if (ganger_output(context, job->payload, job->payload_length) != GANGER_DONE) {
        ganger_set_error(context, ganger_last_error(context));
        return GANGER_DISCARD;
    }
    return GANGER_OK;
}

// The payload is jsonb's own text: one space after the colon, no comments, so a search is enough.
static long long payload_ms(const char *payload)
{
    const char *key = strstr(payload, "\"ms\":");
    return key != NULL ? strtoll(key + 5, NULL, 10) : 0;
}

static int64_t now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static enum ganger_result run_sleep(const ganger_job *job, ganger_context *context)
{
    const long long ms = payload_ms(job->payload);
    const int64_t start = now_ms();
    for (;;) {
        const int64_t left = ms - (now_ms() - start);
        if (left <= 0) {
            return GANGER_OK;
        }
        if (ganger_should_stop(context)) {
            ganger_set_error(context, "stopped while sleeping");
            return GANGER_ERROR;
        }
        const int64_t slice = left < SLEEP_SLICE_MS ? left : SLEEP_SLICE_MS;
        const struct timespec pause = {.tv_sec = 0, .tv_nsec = (long)slice * 1000000};
        nanosleep(&pause, NULL);
    }
}

static const ganger_handler handlers[] = {
    {"noop", run_noop, NULL},
    {"sleep", run_sleep, NULL},
    {"echo", run_echo, NULL},
    {NULL, NULL, NULL},
};

const struct ganger_plugin ganger_plugin_v1 = GANGER_PLUGIN("noop", handlers);
