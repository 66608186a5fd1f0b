// SPDX-License-Identifier: MIT
// Log: one line = one write(2) to stderr, no lock between processes.
//
// Lines carry: time, level, role, pid, event, then key=value fields. Events are stable names
// ("worker.exit"). Values are escaped, payloads and connection strings are never logged.
// Formats: text (terminal), logfmt, json; auto picks (journald gets <N> prefixes).
#ifndef COMMON_BASE_LOG_H
#define COMMON_BASE_LOG_H

#include <stdint.h>

typedef enum LogLevel { LOG_LEVEL_DEBUG, LOG_LEVEL_INFO, LOG_LEVEL_WARN, LOG_LEVEL_ERROR, LOG_LEVEL_FATAL } LogLevel;
typedef enum LogFormat { LOG_FORMAT_AUTO, LOG_FORMAT_TEXT, LOG_FORMAT_LOGFMT, LOG_FORMAT_JSON } LogFormat;

// `role` ("supervisor", "worker", ...) is borrowed for the life of the process.
void log_init(const char *role, LogFormat format, LogLevel level);
// Adds fixed fields to every later line, e.g. the slot; -1 removes it.
void log_set_slot(int slot);
// The job every later line is about; 0 removes it.
void log_set_job(int64_t job_id);

// log_info("worker.exit", "pid=%d status=%s", pid, text): the fields are a printf format of
// space-separated key=value pairs; wrap values that may hold spaces in %s of LOG_QUOTE-free text as
// key="%s": the writer escapes control bytes and inner quotes. At most 4096 bytes, cut with a mark.
void log_write(LogLevel level, const char *event, const char *format, ...) __attribute__((format(printf, 3, 4)));

#define log_debug(event, ...) log_write(LOG_LEVEL_DEBUG, event, __VA_ARGS__)
#define log_info(event, ...)  log_write(LOG_LEVEL_INFO, event, __VA_ARGS__)
#define log_warn(event, ...)  log_write(LOG_LEVEL_WARN, event, __VA_ARGS__)
#define log_error(event, ...) log_write(LOG_LEVEL_ERROR, event, __VA_ARGS__)
#define log_fatal(event, ...) log_write(LOG_LEVEL_FATAL, event, __VA_ARGS__)

// "Cannot happen" in our own data: logs file:line and aborts. Never for data from others.
_Noreturn void panic_at(const char *file, int line, const char *format, ...) __attribute__((format(printf, 3, 4)));
#define panic(...) panic_at(__FILE__, __LINE__, __VA_ARGS__)

#endif
