// SPDX-License-Identifier: MIT
// Cause of death: what the facts of an attempt mean, in words.
#include <inttypes.h>
#include <signal.h>
#include <string.h>

#include "cli/text.h"

static void append_signal(StrBuf *out, int64_t signal)
{
    const char *name = signal > 0 && signal < NSIG ? sigabbrev_np((int)signal) : NULL;
    if (name) {
        strbuf_printf(out, "SIG%s (signal %" PRId64 ")", name, signal);
    } else {
        strbuf_printf(out, "signal %" PRId64, signal);
    }
}

static void append_end(StrBuf *out, int64_t signal, int64_t exit_code)
{
    if (signal > 0) {
        strbuf_append(out, ", stopped by ");
        append_signal(out, signal);
    } else if (exit_code > 0) {
        strbuf_printf(out, ", ended with exit code %" PRId64, exit_code);
    }
}

static const char *outcome_words(const char *outcome)
{
    static const char *const words[][2] = {
        {"completed", "completed"},
        {"error", "the handler reported an error"},
        {"timeout", "ran past its time limit"},
        {"cancelled", "cancelled"},
        {"discarded", "given up by its handler: no retry"},
        {"discard", "given up by its handler: no retry"},
        {"released", "given back without a charge"},
        {"snoozed", "put off by its handler"},
        {"snooze", "put off by its handler"},
        {"waiting", "suspended itself"},
        {"node_lost", "its machine was lost"},
        {"no_handler", "no live node has a handler for its type"},
        {"expired", "not started before it expired"},
        {"dependency", "a job it depends on did not complete"},
        {"dependency_failed", "a job it depends on did not complete"},
    };
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        if (str_equal(words[i][0], outcome)) {
            return words[i][1];
        }
    }
    return outcome;
}

char *text_cause(const char *outcome, int64_t signal, int64_t exit_code, const char *error)
{
    StrBuf out = {0};
    if (!outcome) {
        strbuf_append(&out, "still running");
    } else if (str_equal(outcome, "crashed") && signal > 0) {
        strbuf_append(&out, "killed by ");
        append_signal(&out, signal);
    } else if (str_equal(outcome, "crashed") && exit_code >= 0) {
        strbuf_printf(&out, "its process ended with exit code %" PRId64, exit_code);
    } else if (str_equal(outcome, "crashed") && error && error[0] != '\0') {
        // Its worker may be well: it gave up when it was asked to.
        strbuf_printf(&out, "%.*s", (int)strcspn(error, "\n"), error);
    } else if (str_equal(outcome, "crashed")) {
        strbuf_append(&out, "its process died");
    } else {
        strbuf_append(&out, outcome_words(outcome));
        if (!str_equal(outcome, "completed")) {
            append_end(&out, signal, exit_code);
        }
    }
    return strbuf_take(&out);
}
