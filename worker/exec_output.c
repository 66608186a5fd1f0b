// SPDX-License-Identifier: MIT
// What is made of a program's stdout, stderr and end.
#include "worker/exec_output.h"

#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>

#include "common/base/json_check.h"
#include "common/base/utf8.h"

enum {
    LONGEST_TOKEN_BYTES = 16
}; // of those json_check finds wrong as a whole: words, escapes, characters

static bool is_blank(const char *text, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        if (!json_is_space(text[i])) {
            return false;
        }
    }
    return true;
}

// A JSON string of at most EXEC_STDOUT_MAX_BYTES: control bytes take six bytes each.
static char *quote(const char *text, size_t length)
{
    char *clean = mem_alloc(length + 1);
    memcpy(clean, text, length);
    clean[length] = '\0';
    utf8_clean(clean, length);
    StrBuf out = {0};
    strbuf_append_json(&out, clean);
    while (out.length > EXEC_STDOUT_MAX_BYTES) {
        length /= 2;
        clean[length] = '\0';
        utf8_clean(clean, length);
        strbuf_clear(&out);
        strbuf_append_json(&out, clean);
    }
    free(clean);
    return strbuf_take(&out);
}

char *exec_output_json(const char *text, size_t length, size_t total)
{
    if (is_blank(text, length) && total == length) {
        return NULL;
    }
    if (total == length && json_check(text, length, NULL, NULL)) {
        return mem_strndup(text, length);
    }
    if (total > length && length > EXEC_FLOOD_KEEP_BYTES) {
        length = EXEC_FLOOD_KEEP_BYTES;
    }
    if (length > 0 && text[length - 1] == '\n') {
        length--;
    }
    return quote(text, length);
}

bool exec_output_is_cut_json(const char *text, size_t length, size_t total)
{
    size_t offset = 0;
    // What is wrong with cut JSON is its end, or the token before it.
    return total > length && !json_check(text, length, NULL, &offset) &&
           offset + LONGEST_TOKEN_BYTES >= length;
}

JobOutcome exec_outcome(int wait_status, JobOutcome asked)
{
    if (!WIFEXITED(wait_status)) {
        return OUTCOME_CRASHED;
    }
    switch (WEXITSTATUS(wait_status)) {
    case 0:
        return asked;
    case EXEC_EXIT_SNOOZE:
        return OUTCOME_SNOOZE;
    case EXEC_EXIT_DISCARD:
        return OUTCOME_DISCARD;
    case EXEC_EXIT_RETRY:
    default:
        return OUTCOME_ERROR;
    }
}

void exec_last_line_end(ExecLastLine *line)
{
    if (!is_blank(line->current, line->length)) {
        memcpy(line->last, line->current, line->length);
        line->last[line->length] = '\0';
        utf8_clean(line->last, line->length);
    }
    line->length = 0;
}

void exec_last_line_feed(ExecLastLine *line, const char *bytes, size_t length)
{
    while (length > 0) {
        const char *newline = memchr(bytes, '\n', length);
        const size_t part = newline == NULL ? length : (size_t)(newline - bytes);
        const size_t room = sizeof line->current - 1 - line->length;
        const size_t kept = part < room ? part : room;
        memcpy(line->current + line->length, bytes, kept);
        line->length += kept;
        if (newline == NULL) {
            return;
        }
        exec_last_line_end(line);
        bytes += part + 1;
        length -= part + 1;
    }
}

char *exec_error_message(int wait_status, const char *last_line)
{
    const char *colon = last_line[0] != '\0' ? ": " : "";
    if (WIFSIGNALED(wait_status)) {
        const char *name = sigabbrev_np(WTERMSIG(wait_status));
        return name != NULL
                   ? mem_printf("killed by SIG%s%s%s", name, colon, last_line)
                   : mem_printf("killed by signal %d%s%s", WTERMSIG(wait_status), colon, last_line);
    }
    return mem_printf("exit code %d%s%s", WEXITSTATUS(wait_status), colon, last_line);
}
