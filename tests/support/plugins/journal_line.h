// SPDX-License-Identifier: MIT
// Lines of the journal: what the plugin `journal` and the program `journal_program` have in common.
//
// "<what> <job> <attempt> <worker's pid> <microseconds of CLOCK_BOOTTIME>". A handler is not told its lease: (job, attempt, pid) finds it
// among the attempts.
#ifndef TESTS_SUPPORT_PLUGINS_JOURNAL_LINE_H
#define TESTS_SUPPORT_PLUGINS_JOURNAL_LINE_H

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <time.h>
#include <unistd.h>

static inline long long payload_number(const char *payload, const char *name, long long otherwise)
{
    char key[64];
    const int length = snprintf(key, sizeof key, "\"%s\": ", name);
    const char *at = strstr(payload, key);
    return at != NULL ? strtoll(at + length, NULL, 10) : otherwise;
}

static inline int payload_path(const char *payload, char *out, size_t size)
{
    static const char key[] = "\"file\": \"";
    const char *at = strstr(payload, key);
    const size_t length = at != NULL ? strcspn(at + sizeof key - 1, "\"\\") : 0;
    if (length == 0 || length >= size) {
        return 0;
    }
    memcpy(out, at + sizeof key - 1, length);
    out[length] = '\0';
    return 1;
}

static inline long long journal_boot_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_BOOTTIME, &now);
    return (long long)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

// One write to a file opened for appending: lines of different processes never mix.
static inline int journal_write(const char *path, const char *what, long long job, int attempt,
                                pid_t worker)
{
    char line[160];
    const int length = snprintf(line, sizeof line, "%s %lld %d %d %lld\n", what, job, attempt,
                                (int)worker, journal_boot_us());
    const int file = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
    if (file < 0) {
        return 0;
    }
    const int is_written = write(file, line, (size_t)length) == length;
    (void)close(file);
    return is_written;
}

// A line "tick" every `each_ms`, for `ms`.
static inline void journal_tick(const char *path, long long job, int attempt, pid_t worker,
                                long long each_ms, long long ms)
{
    for (long long until = journal_boot_us() + ms * 1000; journal_boot_us() < until;) {
        const struct timespec pause = {.tv_nsec = each_ms * 1000000L};
        (void)nanosleep(&pause, NULL);
        (void)journal_write(path, "tick", job, attempt, worker);
    }
}

#endif
