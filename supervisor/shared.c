// SPDX-License-Identifier: MIT
// Shared: see shared.h.
#include "supervisor/shared.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "common/base/inherited_fd.h"
#include "common/base/log.h"
#include "common/base/memory.h"

enum { OTHER_FDS = 64 }; // event loop, pid file, standard streams

static Status raise_file_limit(Shared *shared);
static Status move_high(const Shared *shared, int fd, int *out);
static Status make_eventfd(const Shared *shared, int *out);
static Status make_lifeline(Shared *shared);
static Status refuse(const char *what);

Status shared_create(Shared *out, int slot_count)
{
    *out = (Shared){.board_fd = -1,
                    .config_fd = -1,
                    .lifeline_read = -1,
                    .lifeline_write = -1,
                    .supervisor_wake = -1,
                    .slot_count = slot_count,
                    .high_fd = FD_SLOT_WAKE_BASE + slot_count};
    out->slot_wake = mem_alloc((size_t)slot_count * sizeof(int));
    for (int i = 0; i < slot_count; i++) {
        out->slot_wake[i] = -1;
    }

    TRY(raise_file_limit(out));
    TRY(scoreboard_create(&out->board, slot_count));
    int copy = fcntl(scoreboard_fd(out->board), F_DUPFD_CLOEXEC, out->high_fd);
    if (copy < 0) {
        return refuse("dup");
    }
    out->board_fd = copy;
    TRY(make_lifeline(out));
    TRY(make_eventfd(out, &out->supervisor_wake));
    for (int i = 0; i < slot_count; i++) {
        TRY(make_eventfd(out, &out->slot_wake[i]));
    }
    return STATUS_OK;
}

// The usual limit of 1024 does not hold two fds a slot; children get the old limit back, as select()
// in a handler must not meet numbers above it.
static Status raise_file_limit(Shared *shared)
{
    if (getrlimit(RLIMIT_NOFILE, &shared->files) != 0) {
        return refuse("getrlimit");
    }
    rlim_t needed = (rlim_t)shared->high_fd + (rlim_t)shared->slot_count + OTHER_FDS;
    if (shared->files.rlim_cur >= needed) {
        return STATUS_OK;
    }
    struct rlimit wanted = {.rlim_cur = needed, .rlim_max = shared->files.rlim_max};
    if (setrlimit(RLIMIT_NOFILE, &wanted) != 0) {
        log_fatal("files.limit", "needed=%llu error=\"%s\" mend=\"raise the open files limit\"",
                  (unsigned long long)needed, strerror(errno));
        return STATUS_FATAL;
    }
    return STATUS_OK;
}

static Status make_lifeline(Shared *shared)
{
    int ends[2];

    if (pipe2(ends, O_CLOEXEC) != 0) {
        return refuse("pipe");
    }
    Status status = move_high(shared, ends[0], &shared->lifeline_read);
    if (status != STATUS_OK) {
        close(ends[1]);
        return status;
    }
    return move_high(shared, ends[1], &shared->lifeline_write);
}

static Status make_eventfd(const Shared *shared, int *out)
{
    int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    return fd < 0 ? refuse("eventfd") : move_high(shared, fd, out);
}

static Status move_high(const Shared *shared, int fd, int *out)
{
    int high = fcntl(fd, F_DUPFD_CLOEXEC, shared->high_fd);
    int error = errno;
    close(fd);
    if (high < 0) {
        errno = error;
        return refuse("dup");
    }
    *out = high;
    return STATUS_OK;
}

static Status refuse(const char *what)
{
    log_fatal("shared.refused", "call=%s error=\"%s\"", what, strerror(errno));
    return STATUS_FATAL;
}

// The rows where runs are counted: a job type keeps its own, also when a later configuration lacks it.
static void name_counters(Shared *shared, const Config *config)
{
    for (size_t i = 0; i < config->handler_count; i++) {
        counter_names_add(&scoreboard_header(shared->board)->handlers,
                          config->handlers[i].job_type);
    }
}

Status shared_set_config(Shared *shared, const Config *config)
{
    int fd = -1;
    int high = -1;

    TRY(config_to_fd(config, &fd));
    TRY(move_high(shared, fd, &high));
    if (shared->config_fd >= 0) {
        close(shared->config_fd);
    }
    shared->config_fd = high;
    name_counters(shared, config);
    return STATUS_OK;
}

void shared_wake(int eventfd)
{
    uint64_t one = 1;
    // EAGAIN: the counter is full, so whoever waits is awake anyway.
    ssize_t ignored = write(eventfd, &one, sizeof one);
    (void)ignored;
}

bool shared_take_wakes(int eventfd)
{
    uint64_t count = 0;
    return read(eventfd, &count, sizeof count) == (ssize_t)sizeof count;
}

void shared_destroy(Shared *shared)
{
    int *const fds[] = {&shared->board_fd, &shared->config_fd, &shared->lifeline_read,
                        &shared->lifeline_write, &shared->supervisor_wake};

    for (size_t i = 0; i < sizeof fds / sizeof fds[0]; i++) {
        if (*fds[i] >= 0) {
            close(*fds[i]);
        }
        *fds[i] = -1;
    }
    for (int i = 0; i < shared->slot_count; i++) {
        if (shared->slot_wake[i] >= 0) {
            close(shared->slot_wake[i]);
        }
    }
    free(shared->slot_wake);
    shared->slot_wake = NULL;
    shared->slot_count = 0;
    scoreboard_destroy(shared->board);
    shared->board = NULL;
}
