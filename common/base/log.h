// SPDX-License-Identifier: MIT
// Log: one line = one write(2) to stderr, no lock between processes.
//
// Lines carry: time, level, role, process (our pid), event, then key=value fields. Events are stable names
// ("worker.exit"). Values are escaped, payloads and connection strings are never logged.
// Formats: text, logfmt, json; auto: text on a terminal, logfmt with <N> prefixes for the journal, else json.
// A line that finds stderr blocked waits briefly, is then dropped and counted (log.dropped).
#ifndef COMMON_BASE_LOG_H
#define COMMON_BASE_LOG_H

#include <stddef.h>
#include <stdint.h>

typedef enum LogLevel {
    LOG_LEVEL_DEBUG,
    LOG_LEVEL_INFO,
    LOG_LEVEL_WARN,
    LOG_LEVEL_ERROR,
    LOG_LEVEL_FATAL
} LogLevel;
typedef enum LogFormat {
    LOG_FORMAT_AUTO,
    LOG_FORMAT_TEXT,
    LOG_FORMAT_LOGFMT,
    LOG_FORMAT_JSON
} LogFormat;

// `role` ("supervisor", "worker", ...) is borrowed for the life of the process.
void log_init(const char *role, LogFormat format, LogLevel level);
// Adds fixed fields to every later line, e.g. the slot; -1 removes it.
void log_set_slot(int slot);
// The level at run time.
void log_set_level(LogLevel level);
// Where panic leaves its text besides the log (the slot's note); NULL = nowhere. Borrowed.
void log_set_panic_note(char *note, size_t size);
// The job every later line is about; 0 removes it.
void log_set_job(int64_t job_id);

// log_info("worker.exit", "pid=%d status=%s", pid, text): the fields are a printf format of space-separated
// key=value or key="value with spaces" pairs. The format alone makes the structure: arguments are data, are
// quoted where needed and cannot add a field or a line. Text without a key becomes msg="...". Conversions:
// d i u x o f g e s c p %, with the usual lengths. At most 4096 bytes a line, longer values cut with "...".
// Takes no lock and no heap; keeps errno.
void log_write(LogLevel level, const char *event, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

// Writes each line of `text` (NULL: none) as one of the log, with the field text.
void log_lines(LogLevel level, const char *event, const char *text);

#define log_debug(event, ...) log_write(LOG_LEVEL_DEBUG, event, __VA_ARGS__)
#define log_info(event, ...)  log_write(LOG_LEVEL_INFO, event, __VA_ARGS__)
#define log_warn(event, ...)  log_write(LOG_LEVEL_WARN, event, __VA_ARGS__)
#define log_error(event, ...) log_write(LOG_LEVEL_ERROR, event, __VA_ARGS__)
#define log_fatal(event, ...) log_write(LOG_LEVEL_FATAL, event, __VA_ARGS__)

// "Cannot happen" in our own data: logs file:line and aborts. Never for data from others.
_Noreturn void panic_at(const char *file, int line, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
#define panic(...) panic_at(__FILE__, __LINE__, __VA_ARGS__)

#endif
