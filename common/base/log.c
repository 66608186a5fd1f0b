// SPDX-License-Identifier: MIT
// Log: see the header. Uses the stack only, so that "out of memory" can be said.
#include "common/base/log.h"

#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/base/log_line.h"
#include "common/base/memory.h"

enum {
    // How long a line waits for a reader of our stderr that has fallen behind. A supervisor that waits
    // longer misses the deadlines it is there for.
    LOG_WAIT_MAX_MS = 500
};

typedef struct LogState {
    const char *role;
    atomic_int style; // LOG_FORMAT_AUTO until first needed
    atomic_bool is_journal;
    atomic_int level;
    atomic_int slot;
    atomic_llong job_id;
    atomic_uint dropped; // lines not written since the last one that was
    char *panic_note;
    size_t panic_note_size;
} LogState;

static LogState state = {.role = "ganger", .level = LOG_LEVEL_INFO, .slot = -1};

// systemd names device and inode of the socket it gave us: the variable alone may be inherited by a
// program whose stderr goes elsewhere.
static bool stderr_is_journal(void)
{
    const char *named = getenv("JOURNAL_STREAM");
    struct stat info;
    if (named == NULL || fstat(STDERR_FILENO, &info) != 0) {
        return false;
    }
    char actual[64];
    (void)snprintf(actual, sizeof actual, "%llu:%llu", (unsigned long long)info.st_dev,
                   (unsigned long long)info.st_ino);
    return str_equal(actual, named);
}

static LogFormat choose_style(LogFormat wanted, bool journal)
{
    if (wanted != LOG_FORMAT_AUTO) {
        return wanted;
    }
    if (isatty(STDERR_FILENO) == 1) {
        return LOG_FORMAT_TEXT;
    }
    return journal ? LOG_FORMAT_LOGFMT : LOG_FORMAT_JSON;
}

static void settle_style(LogFormat wanted)
{
    bool journal = stderr_is_journal();
    atomic_store(&state.is_journal, journal);
    atomic_store(&state.style, (int)choose_style(wanted, journal));
}

void log_init(const char *role, LogFormat format, LogLevel level)
{
    state.role = role;
    log_set_level(level);
    settle_style(format);
}

void log_set_level(LogLevel level)
{
    atomic_store(&state.level, (int)level);
}

void log_set_slot(int slot)
{
    atomic_store(&state.slot, slot);
}

void log_set_job(int64_t job_id)
{
    atomic_store(&state.job_id, job_id);
}

void log_set_panic_note(char *note, size_t size)
{
    state.panic_note = note;
    state.panic_note_size = size;
}

// A pipe that poll calls writable has room for a whole line. After one line that had to be dropped the
// next ones do not wait, until the reader is back.
static bool may_write(void)
{
    struct pollfd waiting = {.fd = STDERR_FILENO, .events = POLLOUT};
    int64_t until = clock_boot_ms() + LOG_WAIT_MAX_MS;
    bool patient = atomic_load(&state.dropped) == 0;
    for (;;) {
        int64_t left = patient ? until - clock_boot_ms() : 0;
        int ready = poll(&waiting, 1, left > 0 ? (int)left : 0);
        if (ready >= 0) {
            return ready > 0;
        }
        if (errno != EINTR) {
            return false;
        }
    }
}

// One write(2) as a rule; the loop is for signals and for a full disk that took a part.
static bool write_line(const char *bytes, size_t length)
{
    if (!may_write()) {
        return false;
    }
    size_t done = 0;
    while (done < length) {
        ssize_t wrote = write(STDERR_FILENO, bytes + done, length - done);
        if (wrote > 0) {
            done += (size_t)wrote;
        } else if (wrote == 0 || errno != EINTR) {
            return false;
        }
    }
    return true;
}

static LogContext context_now(LogLevel level, const char *event)
{
    if (atomic_load(&state.style) == LOG_FORMAT_AUTO) {
        settle_style(LOG_FORMAT_AUTO);
    }
    return (LogContext){
        .style = (LogFormat)atomic_load(&state.style),
        .journal = atomic_load(&state.is_journal),
        .level = level,
        .role = state.role,
        .process = (int)getpid(),
        .slot = atomic_load(&state.slot),
        .job_id = atomic_load(&state.job_id),
        .wall_us = clock_wall_us(),
        .event = event,
    };
}

static bool log_vwrite(LogLevel level, const char *event, const char *format, va_list args)
    __attribute__((format(printf, 3, 0)));

static bool log_vwrite(LogLevel level, const char *event, const char *format, va_list args)
{
    char line[LOG_LINE_BYTES];
    LogContext context = context_now(level, event);
    return write_line(line, log_line_build(line, &context, format, args));
}

static bool log_write_plain(LogLevel level, const char *event, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static bool log_write_plain(LogLevel level, const char *event, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    bool written = log_vwrite(level, event, format, args);
    va_end(args);
    return written;
}

static void report_dropped(void)
{
    unsigned dropped = atomic_load(&state.dropped);
    if (dropped > 0 && log_write_plain(LOG_LEVEL_WARN, "log.dropped", "lines=%u", dropped)) {
        atomic_fetch_sub(&state.dropped, dropped);
    }
}

void log_write(LogLevel level, const char *event, const char *format, ...)
{
    if ((int)level < atomic_load(&state.level)) {
        return;
    }
    int saved_errno = errno;
    report_dropped();
    va_list args;
    va_start(args, format);
    if (!log_vwrite(level, event, format, args)) {
        atomic_fetch_add(&state.dropped, 1);
    }
    va_end(args);
    errno = saved_errno;
}

void log_lines(LogLevel level, const char *event, const char *text)
{
    for (const char *line = text; line != NULL && *line != '\0';) {
        size_t length = strcspn(line, "\n");
        if (length > 0) {
            log_write(level, event, "text=\"%.*s\"", (int)length, line);
        }
        line += length + (line[length] == '\n' ? 1 : 0);
    }
}

_Noreturn void panic_at(const char *file, int line, const char *format, ...)
{
    char text[512];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(text, sizeof text, format, args);
    va_end(args);
    if (state.panic_note != NULL) {
        (void)snprintf(state.panic_note, state.panic_note_size, "panic at %s:%d: %s", file, line,
                       text);
    }
    log_fatal("panic", "at=%s:%d error=\"%s\"", file, line, text);
    abort();
}
