// SPDX-License-Identifier: MIT
// A no-op handler that notes when it starts, for jobs whose payload is {"at": n, "file": "path"}: n and the instant.
#include <ganger/handler.h>

#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

typedef struct Mark {
    int64_t given;
    int64_t monotonic_ns;
} Mark;

// What follows `key`; NULL if `text` does not begin with it. jsonb writes keys in a fixed order, with these spaces.
static const char *skip(const char *text, const char *key)
{
    const size_t length = strlen(key);
    return strncmp(text, key, length) == 0 ? text + length : NULL;
}

static int append_mark(const char *path, const Mark *mark)
{
    const int fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
    const int is_noted = fd >= 0 && write(fd, mark, sizeof *mark) == (ssize_t)sizeof *mark;
    if (fd >= 0) {
        (void)close(fd);
    }
    return is_noted;
}

static enum ganger_result run_mark(const ganger_job *job, ganger_context *context)
{
    (void)context;
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    const char *number = skip(job->payload, "{\"at\": ");
    if (number == NULL) {
        return GANGER_OK;
    }
    char *end = NULL;
    const Mark mark = {.given = strtoll(number, &end, 10),
                       .monotonic_ns = (int64_t)now.tv_sec * 1000000000 + now.tv_nsec};
    const char *name = skip(end, ", \"file\": \"");
    char path[256];
    const size_t length = name != NULL ? strcspn(name, "\"") : sizeof path;
    if (length >= sizeof path) {
        return GANGER_DISCARD;
    }
    memcpy(path, name, length);
    path[length] = '\0';
    return append_mark(path, &mark) ? GANGER_OK : GANGER_DISCARD;
}

static const ganger_handler handlers[] = {
    {"peer_mark", run_mark, NULL},
    {NULL, NULL, NULL},
};

const struct ganger_plugin ganger_plugin_v1 = GANGER_PLUGIN("peer_probe", handlers);
