// SPDX-License-Identifier: MIT
// Descriptor 3: what a program writes there, in pieces of any size, is cut into lines and read.
#include "common/base/json_check.h"
#include "tests/fuzz/fuzz.h"
#include "worker/exec_protocol.h"

// What goes into a json column must be JSON, or the statement that writes it fails, and the job with it.
static void check_json(const char *json)
{
    FUZZ_CHECK(json == NULL || json_check(json, strlen(json), NULL, NULL));
}

static void on_line(void *data, const char *line, size_t length)
{
    size_t *lines = data;
    (*lines)++;
    if (line == NULL) {
        return;
    }
    FUZZ_CHECK(memchr(line, '\n', length) == NULL);
    ExecMessage message;
    exec_message_parse(&message, line, length);
    check_json(message.output);
    check_json(message.result);
    check_json(message.create_token != NULL ? message.create_token->tags : NULL);
    FUZZ_CHECK(message.percent >= -1 && message.percent <= 100);
    FUZZ_CHECK(message.prolong_ms >= -1 && message.snooze_ms >= -1);
    if (message.failure == NULL) {
        const ExecToken *created = message.create_token;
        FUZZ_CHECK(message.wait != EXEC_WAIT_TOKEN || message.wait_token != NULL);
        FUZZ_CHECK(message.wait != EXEC_WAIT_CREATED || created != NULL);
        FUZZ_CHECK(created == NULL || created->step != NULL);
        FUZZ_CHECK(message.result == NULL || message.step != NULL);
    }
    exec_message_deinit(&message);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    ExecLines lines = {0};
    size_t count = 0;
    size_t newlines = 0;
    const size_t piece = size > 0 ? (size_t)data[0] + 1 : 1;
    for (size_t at = 1; at < size; at += piece) {
        const size_t length = size - at < piece ? size - at : piece;
        exec_lines_feed(&lines, (const char *)data + at, length, on_line, &count);
    }
    exec_lines_end(&lines, on_line, &count);
    exec_lines_free(&lines);
    for (size_t i = 1; i < size; i++) {
        newlines += data[i] == '\n';
    }
    FUZZ_CHECK(count <= newlines + 1); // empty ones say nothing
    return 0;
}
