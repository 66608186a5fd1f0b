// SPDX-License-Identifier: MIT
// A no-op handler that notes when it starts, for jobs whose payload is {"at": n, "file": "path"}: n and the instant.
#include <ganger/handler.h>

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

typedef struct Mark {
    int64_t given;
    int64_t monotonic_ns;
} Mark;

static enum ganger_result run_mark(const ganger_job *job, ganger_context *context)
{
    (void)context;
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    Mark mark = {.monotonic_ns = (int64_t)now.tv_sec * 1000000000 + now.tv_nsec};
    char path[256];
    // jsonb writes keys in this order and with these spaces.
    if (sscanf(job->payload, "{\"at\": %" SCNd64 ", \"file\": \"%255[^\"]\"", &mark.given, path) !=
        2) {
        return GANGER_OK;
    }
    const int fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
    const int is_noted = fd >= 0 && write(fd, &mark, sizeof mark) == (ssize_t)sizeof mark;
    if (fd >= 0) {
        (void)close(fd);
    }
    return is_noted ? GANGER_OK : GANGER_DISCARD;
}

static const ganger_handler handlers[] = {
    {"peer_mark", run_mark, NULL},
    {NULL, NULL, NULL},
};

const struct ganger_plugin ganger_plugin_v1 = GANGER_PLUGIN("peer_probe", handlers);
