// SPDX-License-Identifier: MIT
// Log lines: whatever the values are, a line is one line, and JSON where it is to be JSON.
#include <math.h>

#include "common/base/json_check.h"
#include "common/base/log_line.h"
#include "tests/fuzz/fuzz.h"

static char line[LOG_LINE_BYTES];

static size_t build(const LogContext *context, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static size_t build(const LogContext *context, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    const size_t length = log_line_build(line, context, format, args);
    va_end(args);
    return length;
}

static void check_line(const LogContext *context, size_t length)
{
    const size_t prefix = context->journal ? strlen("<6>") : 0;
    FUZZ_CHECK(length > 0 && length <= LOG_LINE_BYTES);
    FUZZ_CHECK(memchr(line, '\n', length) == line + length - 1);
    FUZZ_CHECK(memchr(line, '\0', length) == NULL);
    FUZZ_CHECK(memchr(line, '\x1b', length) == NULL);
    if (context->style == LOG_FORMAT_JSON) {
        FUZZ_CHECK(json_check(line + prefix, length - prefix, NULL, NULL));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const LogFormat styles[] = {LOG_FORMAT_TEXT, LOG_FORMAT_LOGFMT, LOG_FORMAT_JSON};
    FuzzInput input = {data, size};
    const uint8_t how = fuzz_byte(&input);
    const int64_t number = fuzz_int64(&input);
    double real = 0;
    memcpy(&real, &number, sizeof real);
    char *text = fuzz_text(input.data, input.size);
    const size_t half = strlen(text) / 2;
    LogContext context = {.style = styles[(how >> 4) % 3],
                          .journal = (how & 1) != 0,
                          .level = (LogLevel)((how >> 1) % (LOG_LEVEL_FATAL + 1)),
                          .role = "worker",
                          .process = (int)number,
                          .slot = (how & 8) != 0 ? (int)how : -1,
                          .job_id = number,
                          .wall_us = number,
                          .event = "fuzz.line"};
    check_line(&context, build(&context, "%s", text));
    check_line(&context, build(&context, "text=%s number=%lld quoted=\"%.*s and %s\"", text,
                               (long long)number, (int)half, text, text + half));
    check_line(&context, build(&context, "real=%g c=%c size=%zu: %s", real, how | 1, size, text));
    free(text);
    return 0;
}
